"""Where a run is: finished, running, stalled, crashed or unknown, and in which phase of the guide (L1 … L5)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from tb_evalguide import stats
from tb_evalguide.cost import Timing, wall_span
from tb_evalguide.i18n import N_
from tb_evalguide.model import LogFault, Role, Series, Status, Text

if TYPE_CHECKING:
    from tb_evalguide.case import Case

SILENT_INTERVALS = 10.0  # silence of this many logging intervals is too long … (failure-modes.md #36)
SILENT_SECONDS = 1800.0  # … but never less than half an hour (failure-modes.md #36)
LR_END_SHARE = 0.01  # a schedule that has come down to 1 % of its peak has been run to its end
EPOCH_SLACK = 0.02  # Hugging Face writes epoch 2.99 at the end of three
CLOCK_SLACK = 120.0  # a log file may be flushed this long before the last event of its run
END_TAGS = ("train/train_runtime", "train_runtime", "train/total_flos", "train/train_samples_per_second")
FAILED = ("failure", "failed", "crashed", "killed")
SUCCEEDED = ("success", "finished", "completed")


def run_status(case: Case, now: float | None = None) -> Status:
    """State, phase and progress. `now`: wall time of the diagnosis; None = ages are not judged.

    A silent run is called stalled only where the log says how many steps were planned: one without a plan may just
    have been done. A copied or archived log, silent for longer than it ever ran, is not a job to look after.
    """
    first, last = wall_span(case)
    planned = planned_steps(case)
    step = last_step(case)
    epoch = case.epochs_at(step)
    age = now - last if now is not None and last is not None else None
    state, reason = _state(case, planned, age, first, last)
    progress = min(1.0, step / planned) if planned else None
    remaining = None
    if planned and state in ("running", "stalled") and step < planned:
        cost = case.cost
        covered = int(case.timing.lengths.sum())
        if cost.active_seconds and covered > 0:
            remaining = cost.active_seconds / covered * (planned - step)
    return Status(
        state=state,
        phase=_phase(case, state, age),
        reason=reason,
        last_step=step if _losses(case) else None,
        last_wall_time=last,
        planned_steps=planned,
        epoch=epoch,
        progress=progress,
        remaining_seconds=remaining,
    )


def last_step(case: Case) -> int:
    """The last step of the losses: other tags may count something else (Keras' iterations beside its epochs)."""
    return max((int(series.steps[-1]) for series in _losses(case)), default=case.last_step)


def _losses(case: Case) -> list[Series]:
    """Train and eval loss as logged, NaN and all; the train loss first."""
    found = [case.roles.get(role) for role in (Role.TRAIN_LOSS, Role.EVAL_LOSS)]
    return [series for series in found if series is not None and len(series)]


def planned_steps(case: Case) -> int | None:
    """The last step the run means to reach, on the log's own step axis; None where nothing tells."""
    planned = case.planned_steps
    epochs = case.planned_epochs
    if planned is None and case.steps_are_epochs and epochs is not None:
        planned = round(epochs) - (1 if case.first_step == 0 else 0)
    return planned if planned is not None and planned > 0 else None


def silence_limit(time: Timing, intervals: float = SILENT_INTERVALS, seconds: float = SILENT_SECONDS) -> float:
    """Seconds of silence after which a run that goes on would have written something."""
    if not len(time.seconds):
        return seconds
    usual = time.seconds[~time.pauses]
    longest = float(usual.max()) if len(usual) else 0.0
    # twice the longest interval seen: an evaluation or a checkpoint is not a standstill
    return max(seconds, intervals * float(stats.median(time.seconds)), 2 * longest)


def live_window(case: Case) -> float:
    """Seconds of silence up to which a standstill is news: as long as the run has run, at least twice the limit."""
    first, last = wall_span(case)
    length = last - first if first is not None and last is not None else 0.0
    return max(length, 2 * silence_limit(case.timing))


def last_fault(case: Case) -> LogFault | None:
    """The last error of the log files that is not older than the run's last event; None without one."""
    _, last = wall_span(case)
    current = [
        fault
        for fault in case.training.log_faults
        if fault.wall_time is None or last is None or fault.wall_time >= last - CLOCK_SLACK
    ]
    return current[-1] if current else None


def finish_mark(case: Case) -> Text | None:
    """What in the log says that the run came to its end, or None."""
    planned, step = planned_steps(case), last_step(case)
    if planned and step >= planned - _step_slack(case):
        return Text(N_("it reached the planned {planned} steps"), {"planned": planned})
    epochs, epoch = case.planned_epochs, case.epochs_at(step)
    if epochs and epoch is not None and not case.steps_are_epochs and epoch >= epochs - EPOCH_SLACK:
        return Text(N_("it reached the planned {epochs:g} epochs"), {"epochs": epochs})
    statuses = {run.status.casefold() for run in case.training.runs if run.status}
    if statuses & set(SUCCEEDED):
        return Text(N_("the log states that it finished"))
    trained = max((int(s.steps[-1]) for s in _losses(case)[:1]), default=0)
    # written at an earlier step they closed a session that has been resumed since
    series = [s for run in case.training.runs for tag, s in run.series.items() if tag in END_TAGS and len(s)]
    ended = sorted(s.tag for s in series if int(s.steps[-1]) >= trained)
    if ended:
        return Text(N_("the trainer wrote its closing figures ({tag})"), {"tag": ended[0]})
    if any(file.kind == "final" for file in case.training.checkpoint_files):
        return Text(N_("the final model has been saved"))
    lr = case.lr
    if planned is None and lr is not None and len(lr) >= 10:
        peak = float(lr.values.max())
        if peak > 0 and float(lr.values[-1]) <= LR_END_SHARE * peak and float(lr.values[0]) > LR_END_SHARE * peak:
            return Text(N_("the learning rate has come to the end of its schedule"))
    return None


def _step_slack(case: Case) -> int:
    """Steps before the planned end after which no further point is due: counting from 0, and one logging interval."""
    series = _losses(case)
    spacing = int(stats.median(np.diff(series[0].steps))) if series and len(series[0]) > 1 else 1
    return max(1, spacing - 1)


def _state(
    case: Case, planned: int | None, age: float | None, first: float | None, last: float | None
) -> tuple[str, Text]:
    step = last_step(case)
    finished = finish_mark(case)
    if finished is not None:
        return "finished", Text(N_("Finished: {why}."), {"why": finished})
    fault = last_fault(case)
    if fault is not None:
        return "crashed", Text(
            N_("Crashed at step {step}: {path}, line {line}: {quote}"),
            {"step": step, "path": fault.path, "line": fault.line_number, "quote": fault.line},
        )
    if any(run.status and run.status.casefold() in FAILED for run in case.training.runs):
        return "crashed", Text(N_("Crashed at step {step}: the log states that the run failed."), {"step": step})
    if last is None or not _losses(case):
        return "unknown", Text(N_("The log holds no times to judge by."))
    if age is None:
        return "unknown", Text(N_("The last event is at step {step}."), {"step": step})
    limit = silence_limit(case.timing)
    if age <= limit:
        # no age here: the text stays true while nothing changes, and an open page need not fetch it again
        return "running", Text(N_("Running: the last event is less than {limit} old."), {"limit": duration(limit)})
    if planned is None:
        return "unknown", Text(
            N_("Silent for {age} since step {step}; the log does not say how many steps were planned."),
            {"age": duration(age), "step": step},
        )
    if age <= live_window(case):
        return "stalled", Text(
            N_("Stalled: nothing written for {age} since step {step} of {planned}, and no error found."),
            {"age": duration(age), "step": step, "planned": planned},
        )
    return "stalled", Text(
        N_("Stopped early at step {step} of {planned}, {age} ago; no error found."),
        {"age": duration(age), "step": step, "planned": planned},
    )


def _phase(case: Case, state: str, age: float | None) -> str:
    if not _losses(case):
        return "L1"
    over = state in ("finished", "crashed") or (state != "running" and age is not None and age > live_window(case))
    if over:
        return "L5"
    series = case.roles.get(Role.EVAL_LOSS)
    evals = 0 if series is None else len(series)
    return "L2" if evals == 0 else "L3" if evals == 1 else "L4"


def duration(seconds: float) -> Text:
    """A length of time in the unit that fits: 40 s, 12 min, 3.5 h, 2 days."""
    if not math.isfinite(seconds):
        return Text(N_("an unknown time"))
    if seconds < 90:
        return Text(N_("{value:.0f} s"), {"value": seconds})
    if seconds < 90 * 60:
        return Text(N_("{value:.0f} min"), {"value": seconds / 60})
    if seconds < 48 * 3600:
        return Text(N_("{value:.1f} h"), {"value": seconds / 3600})
    return Text(N_("{value:.0f} days"), {"value": seconds / 86400})
