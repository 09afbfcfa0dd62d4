"""The run stopped before its planned end.

## What it checks
Whether the log reaches the number of steps or epochs that the run planned, and how long nothing has been written. It
needs a plan: a log that does not say how many steps were meant may simply be done. Silence counts from ten times the
usual interval between two points, and never below half an hour.

## Why it matters
A job that hangs holds its machine and learns nothing. One that died without an error looks finished.

## What to do
Look whether the process is alive and what it printed last; then resume from the last checkpoint.

## When it is wrong
Evaluation or saving takes very long, the clocks of two machines differ, or the run was stopped on purpose. A log that
was copied while it was being written, or whose last record is cut off, tells nothing of its run's end: there it is
information, as it is in a `trainer_state.json` without event files, which is written in the middle of a run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tb_evalguide import remedies
from tb_evalguide.case import Case
from tb_evalguide.cost import wall_span
from tb_evalguide.i18n import N_
from tb_evalguide.model import Evidence, Rule, Severity, Skip, Text, Tier
from tb_evalguide.status import (
    SILENT_INTERVALS,
    SILENT_SECONDS,
    finish_mark,
    last_fault,
    last_step,
    live_window,
    planned_steps,
    silence_limit,
)


@dataclass(frozen=True)
class Limits:
    intervals: float = SILENT_INTERVALS  # usual intervals of silence (failure-modes.md #36)
    seconds: float = SILENT_SECONDS  # least silence, in seconds (failure-modes.md #36)
    least_left: float = (
        0.05  # share of the plan that must be missing; a run cut in its last steps lost nothing; own choice
    )


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    planned, step = planned_steps(case), last_step(case)
    if planned is None:
        return Skip(Text(N_("the log does not say how many steps were planned")))
    if case.now is None:
        return Skip(Text(N_("ages are not judged here")))
    if finish_mark(case) is not None or (planned - step) / planned < limits.least_left:
        return ()
    if last_fault(case) is not None:
        return ()  # it did not just fall silent: the error has a rule of its own
    _, last = wall_span(case)
    if last is None:
        return Skip(Text(N_("the log holds no times")))
    age = case.now - last
    if age <= silence_limit(case.timing, limits.intervals, limits.seconds):
        return ()
    sources = case.training.sources
    cut = any(note.kind in ("truncated", "corrupt") for source in sources for note in source.notes)
    snapshot = not any(source.kind == "tfevents" for source in sources)
    live = age <= live_window(case)
    doubtful = cut or snapshot
    return [
        Evidence(
            steps=(step, step),
            numbers={"planned": planned, "share": step / planned, "hours": age / 3600},
            confidence=0.5 if doubtful else 0.9 if live else 0.75,
            severity=Severity.INFO if doubtful else Severity.HIGH if live else None,
            # a run that ended long ago is told by its curves first; that it stopped early comes after all of them
            tier=None if live else Tier.COST,
            variant="cut" if doubtful else "live" if live else "",
        )
    ]


RULE = Rule(
    id="JOB001",
    label="stalled",
    severity=Severity.MEDIUM,
    tier=Tier.DEAD_OR_SCHEDULE,
    doc=__doc__,
    limits=Limits(),
    check=check,
    message=N_("The log ends at step {first} of {planned} ({share:.0%}), and no error was found."),
    variants={
        "live": N_("Nothing was written for {hours:.1f} h: the run stands at step {first} of {planned}."),
        "cut": N_("The log ends at step {first} of {planned}, and it is not the whole log: the run may have gone on."),
    },
    remedies=(remedies.CHECK_JOB, remedies.RESUME),
)
