"""The run died of an error.

## What it checks
The plain log files beside the run for errors other than a lack of memory: CUDA and NCCL errors, a full disk, a Python
traceback, a kill by the system or the scheduler. When the run went on afterwards, or came to its end, it is
information.

## Why it matters
Nothing is written any more, and a job that looks slow is in truth dead.

## What to do
Read the line in the log file, mend its cause, and resume from the last checkpoint.

## When it is wrong
The log file belongs to another run that was started in the same folder, or the error was caught by the program.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tb_evalguide import remedies
from tb_evalguide.case import Case
from tb_evalguide.cost import wall_span
from tb_evalguide.i18n import N_
from tb_evalguide.model import Evidence, Rule, Severity, Skip, Text, Tier
from tb_evalguide.status import CLOCK_SLACK, finish_mark, last_step


@dataclass(frozen=True)
class Limits:
    slack: float = CLOCK_SLACK  # seconds by which a log file may be older than the last event of a run it ended


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    if not case.training.log_faults and not case.training.log_files:
        return Skip(Text(N_("no log file (nohup.out, *.log, slurm-*.out) lies beside the run")))
    faults = [fault for fault in case.training.log_faults if fault.kind != "out_of_memory"]
    if not faults or any(fault.kind == "out_of_memory" for fault in case.training.log_faults):
        # after a lack of memory come tracebacks, aborted collectives and kills: the one cause is enough
        return ()
    # what the system did says more than the traceback it left behind
    fault = next((f for f in reversed(faults) if f.kind != "python"), faults[-1])
    _, last = wall_span(case)
    went_on = fault.wall_time is not None and last is not None and fault.wall_time < last - limits.slack
    survived = went_on or finish_mark(case) is not None
    step = last_step(case)
    return [
        Evidence(
            steps=(step, step),
            numbers={"line": fault.line_number},
            words={"path": fault.path, "quote": fault.line},
            confidence=0.7 if survived else 0.95,
            severity=Severity.INFO if survived else None,
            variant="survived" if survived else fault.kind if fault.kind in VARIANTS else "",
        )
    ]


VARIANTS = {
    "disk_full": N_("The disk was full after step {first}: {path}, line {line}: {quote}"),
    "killed": N_("The process was killed after step {first}: {path}, line {line}: {quote}"),
    "nccl": N_("The processes lost each other (NCCL) after step {first}: {path}, line {line}: {quote}"),
}

RULE = Rule(
    id="JOB002",
    guide=("L2", "Z5"),
    label="stalled",
    severity=Severity.HIGH,
    tier=Tier.DEAD_OR_SCHEDULE,
    doc=__doc__,
    limits=Limits(),
    check=check,
    message=N_("The run died of an error after step {first}: {path}, line {line}: {quote}"),
    variants={
        **VARIANTS,
        "survived": N_("A log file tells of an error that the run got over: {path}, line {line}: {quote}"),
    },
    remedies=(remedies.CHECK_JOB, remedies.RESUME),
)
