"""The run ran out of memory.

## What it checks
The plain log files beside the run (`nohup.out`, `*.log`, `slurm-*.out`, `stderr*`; the last 10 MB of each) for the
messages of PyTorch, TensorFlow, XLA, CUDA and the Linux kernel about lacking memory. When the run went on afterwards,
or came to its end, it says so and is information.

## Why it matters
The process is dead: everything after the last checkpoint is lost, and the next start will die at the same place.

## What to do
In this order: halve the batch size and accumulate gradients in its place, recompute activations
(`gradient_checkpointing=True`), train in half precision, shorten the sequences. Then resume from the last checkpoint.

## When it is wrong
The log file belongs to another run that was started in the same folder, or the message was caught by the program,
which went on with a smaller batch.
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
    faults = [fault for fault in case.training.log_faults if fault.kind == "out_of_memory"]
    if not faults:
        if not case.training.log_files:
            return Skip(Text(N_("no log file (nohup.out, *.log, slurm-*.out) lies beside the run")))
        return ()
    fault = faults[-1]
    _, last = wall_span(case)
    went_on = fault.wall_time is not None and last is not None and fault.wall_time < last - limits.slack
    survived = went_on or finish_mark(case) is not None
    step = last_step(case)
    return [
        Evidence(
            steps=(step, step),
            numbers={"line": fault.line_number, "times": len(faults)},
            words={"path": fault.path, "quote": fault.line},
            confidence=0.8 if survived else 0.99,
            severity=Severity.INFO if survived else None,
            variant="survived" if survived else "",
        )
    ]


RULE = Rule(
    id="MEM001",
    guide=("P2", "Z5", "L2"),
    label="out_of_memory",
    severity=Severity.CRITICAL,
    tier=Tier.DEAD_OR_SCHEDULE,
    doc=__doc__,
    limits=Limits(),
    check=check,
    message=N_("Out of memory after step {first}: {path}, line {line}: {quote}"),
    variants={
        "survived": N_("A log file tells of an earlier lack of memory, which the run got over: {path}, line {line}.")
    },
    remedies=(
        remedies.SMALLER_BATCH,
        remedies.GRADIENT_CHECKPOINTING,
        remedies.HALF_PRECISION,
        remedies.SHORTER_SEQUENCES,
        remedies.RESUME,
    ),
)
