"""The training was interrupted and resumed.

## What it checks
Places where the loss was written again from an earlier step on, or where another file goes on with it. The later
values count; what they replace is set aside.

## Why it matters
Curves drawn without regard to restarts run back and forth, and averages over both attempts are wrong. Steps that were
done twice cost their time twice.

## What to do
Nothing, when the curve goes on as before. To keep the log clean, pass the step to go on from to the writer
(`purge_step` in PyTorch), and save checkpoints more often so that less is done twice.

## When it is wrong
Two programs that write to one folder at the same time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tb_evalguide import remedies, segments
from tb_evalguide.case import Case
from tb_evalguide.i18n import N_
from tb_evalguide.model import Evidence, Rule, Severity, Skip, Text, Tier


@dataclass(frozen=True)
class Limits:
    listed: int = 5  # restarts that are told one by one; a list of hundreds helps nobody; own choice


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    curve = case.loss
    if curve is None:
        return Skip(Text(N_("no loss in the log")))
    return [
        Evidence(
            steps=(resume.step, max(resume.step, resume.last_step)),
            tags=(curve.tag,),
            numbers={"step": resume.step, "reached": resume.last_step, "again": max(0, resume.last_step - resume.step)},
            confidence=0.99,
            variant="forward" if resume.forward else "",
        )
        for resume in segments.resumes(case)[: limits.listed]
    ]


RULE = Rule(
    id="RST001",
    label="resume_jump",
    severity=Severity.INFO,
    tier=Tier.INTEGRITY,
    doc=__doc__,
    limits=Limits(),
    check=check,
    message=N_(
        "Resumed at step {step} after step {reached} had been reached: {again} steps were done twice, the later "
        "ones count."
    ),
    variants={"forward": N_("Resumed at step {step}; nothing was written twice.")},
    remedies=(remedies.PURGE_STEP,),
)
