"""The guide's seven signals of a good run (Z1–Z7) and its checklists by phase (L1–L5), each with its reason."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tb_evalguide import stats
from tb_evalguide.i18n import N_
from tb_evalguide.model import ChecklistItem, Finding, Floats, Ranking, Role, Severity, Signal, Status, Text
from tb_evalguide.roles.names import greater_is_better
from tb_evalguide.sources.ratings import RATINGS
from tb_evalguide.status import last_step, run_status

if TYPE_CHECKING:
    from tb_evalguide.case import Case, Curve

PASS, FAIL, UNKNOWN = "pass", "fail", "unknown"
Answer = tuple[str, Text]

GAP_LIMIT = 0.5  # guide M8, Z3, L3: strict
PERPLEXITY_LIMIT = 3.0  # guide Z6: strict
FIRST_EVAL_LIMIT = 3.0  # guide L3: strict
STEADY_GAP = 0.15  # guide C1: a gap of 0.05–0.15 is steady
GAP_GROWTH = 0.10  # guide C1: from 0.05 to 0.15 and still ideal
LEAST_FALL = 0.025  # less is flat: failure-modes.md #7 (C4b falls 1.2 %, C3 6 %)
RISE = 0.05  # failure-modes.md #8: a rise below 5 % is batch noise (C4a rises 24 %)
EVAL_RISE = 0.01  # failure-modes.md #23: a rise below 1 % is noise
LEARNED_RISE = 0.10  # outside the guide: a tenth of all that was learned; the labelled healthy runs stay below it
STEADY_WINDOWS = 12  # a steady fall is one of the whole run; wide windows keep heavy-tailed batches out of it
GAP_SHARE = 1 / 3  # outside the guide: its 0.5 is a third of the fall of about 1.5 in C1
MIN_TRAIN_SAMPLES = 100  # guide L1
EVAL_SAMPLES = (10, 20)  # guide L1
LEARNING_RATE = 2e-5  # guide L1
LEARNING_RATES = (2e-6, 1e-4)  # guide C4a: a tenth of 2e-5; C4b: up to five times
BATCH_SIZE = 4  # guide L1
EVAL_STEPS = (50, 100)  # guide L1; P3 allows 100
MAX_LENGTH = (256, 512)  # guide L1; P2 goes down to 256
SAMPLE_QUESTIONS = 3  # guide L5: 3–5
UNSTABLE = frozenset({"oscillation", "spike", "divergence", "exploding_gradients", "lr_too_high", "nan", "resume_jump"})
PHASES = ("L1", "L2", "L3", "L4", "L5")


def signals(case: Case, findings: Sequence[Finding] = ()) -> tuple[Signal, ...]:
    """Z1 … Z7. In the guide profile its limits decide, strictly; elsewhere the run's own noise and scale do."""
    active = [f for f in findings if f.severity is not Severity.INFO]
    checks: tuple[tuple[str, Callable[[Case, Sequence[Finding]], Answer]], ...] = (
        ("Z1", _train_falls),
        ("Z2", _eval_falls),
        ("Z3", _gap_is_small),
        ("Z4", _samples_improve),
        ("Z5", _no_errors),
        ("Z6", _perplexity),
        ("Z7", _is_stable),
    )
    return tuple(Signal(name, *check(case, active)) for name, check in checks)


# --- the seven signals ---------------------------------------------------------------------------------------------


def _train_falls(case: Case, findings: Sequence[Finding]) -> Answer:
    train = case.train
    if train is None:
        return UNKNOWN, Text(N_("no train loss in the log"))
    if len(train) < 3:
        return UNKNOWN, Text(N_("only {n} points of the train loss"), {"n": len(train)})
    levels = levels_of(train, STEADY_WINDOWS)
    first, last = float(levels[0]), float(levels[-1])
    numbers = {"first": first, "last": last}
    rise, at = largest_rise(levels)
    fall = (first - last) / abs(first) if first else first - last
    if last >= first:
        return FAIL, Text(N_("train loss went from {first:.3g} to {last:.3g}: it does not fall"), numbers)
    if rise > _rise_limit(case, train, levels, at):
        low, high = float(levels[at - 1]), float(levels[at - 1] + rise)
        return FAIL, Text(N_("train loss rose from {low:.3g} to {high:.3g} on the way"), {"low": low, "high": high})
    if fall < LEAST_FALL:
        return FAIL, Text(N_("train loss hardly falls: {first:.3g} to {last:.3g}"), numbers)
    return PASS, Text(N_("train loss fell from {first:.3g} to {last:.3g}"), numbers)


def _eval_falls(case: Case, findings: Sequence[Finding]) -> Answer:
    evals = case.evals
    if evals is None:
        return UNKNOWN, Text(N_("no eval loss in the log"))
    n = len(evals)
    if n < 3:
        return UNKNOWN, Text(N_("only {n} evaluations: no trend can be told"), {"n": n})
    first, low = float(evals.values[0]), float(evals.values.min())
    last = min(float(np.mean(evals.values[-2:])), float(evals.values[-1]))
    numbers = {
        "first": first,
        "low": low,
        "last": float(evals.values[-1]),
        "step": int(evals.steps[evals.values.argmin()]),
    }
    told = any(f.label == "overfitting" for f in findings)
    if last > low + eval_margin(case, evals) or (told and last > low):
        if low < first:
            text = N_("eval loss rose from {low:.3g} (step {step}) to {last:.3g}")
        else:
            text = N_("eval loss rose from the first evaluation on: {first:.3g} to {last:.3g}")
        return FAIL, Text(text, numbers)
    fall = (first - last) / abs(first) if first else first - last
    if fall < LEAST_FALL:
        return FAIL, Text(N_("eval loss hardly falls: {first:.3g} to {last:.3g}"), {"first": first, "last": last})
    return PASS, Text(N_("eval loss fell from {first:.3g} to {last:.3g}"), {"first": first, "last": last})


def _gap_is_small(case: Case, findings: Sequence[Finding]) -> Answer:
    gap = last_gap(case)
    if gap is None:
        return UNKNOWN, Text(N_("no train and eval loss at the same place"))
    if case.is_guide:
        if gap < GAP_LIMIT:
            return PASS, Text(N_("the gap ends at {gap:.3g}, below 0.5"), {"gap": gap})
        return FAIL, Text(N_("the gap ends at {gap:.3g}, not below 0.5"), {"gap": gap})
    learned = _learned(case)
    if learned is None:
        return UNKNOWN, Text(N_("the gap ends at {gap:.3g}; there is nothing learned to compare it with"), {"gap": gap})
    numbers = {"gap": gap, "learned": learned}
    if gap < GAP_SHARE * learned:
        return PASS, Text(
            N_("the gap ends at {gap:.3g}, small against the {learned:.3g} by which train loss fell"), numbers
        )
    return FAIL, Text(
        N_("the gap ends at {gap:.3g}, large against the {learned:.3g} by which train loss fell"), numbers
    )


def _samples_improve(case: Case, findings: Sequence[Finding]) -> Answer:
    ratings = case.training.ratings
    if len(ratings) >= 2:
        first, last = ratings[0], ratings[-1]
        numbers = {"first": Text(first.rating), "last": Text(last.rating), "a": first.step, "b": last.step}
        before, after = RATINGS.index(first.rating), RATINGS.index(last.rating)
        if after > before or after == len(RATINGS) - 1:
            return PASS, Text(N_("samples were rated {first} at step {a} and {last} at step {b}"), numbers)
        if after < before:
            return FAIL, Text(N_("samples got worse: {first} at step {a}, {last} at step {b}"), numbers)
        return UNKNOWN, Text(N_("samples were rated {last} at step {a} and at step {b}"), numbers)
    for finding in findings:
        if finding.rule == "LRN006":  # a step from nothing to next to nothing is no improvement
            return FAIL, finding.message
    for choice in case.roles.metrics:
        better = choice.greater_is_better
        better = greater_is_better(choice.tag) if better is None else better
        values = choice.series.values[np.isfinite(choice.series.values)]
        if better is None or len(values) < 3:
            continue
        sign = 1.0 if better else -1.0
        noise = stats.eval_noise(np.arange(len(values)), values)
        first_value, last_value = float(values[0]), float(np.mean(values[-2:]))
        gain = sign * (last_value - first_value)
        quality = {"tag": choice.tag, "first": first_value, "last": float(values[-1])}
        if gain > 2 * noise:
            return PASS, Text(N_("{tag} improved from {first:.3g} to {last:.3g}"), quality)
        if gain < -2 * noise:
            return FAIL, Text(N_("{tag} got worse: {first:.3g} to {last:.3g}"), quality)
        return FAIL, Text(N_("{tag} does not improve: {first:.3g} to {last:.3g}"), quality)
    samples = len({t.step for t in case.training.texts})
    if samples:
        return UNKNOWN, Text(N_("samples were logged at {n} steps; read and rate them"), {"n": samples})
    return UNKNOWN, Text(N_("no samples, ratings or quality metric in the log"))


def _no_errors(case: Case, findings: Sequence[Finding]) -> Answer:
    faults = [f for f in case.training.log_faults if f.kind == "out_of_memory"]
    if faults:
        place = {"path": faults[-1].path, "line": faults[-1].line_number}
        return FAIL, Text(N_("out of memory ({path}, line {line})"), place)
    if any(f.label == "out_of_memory" for f in findings):
        return FAIL, Text(N_("the run ended for lack of memory"))
    for finding in findings:
        if finding.label == "nan":
            return FAIL, finding.message
    seen = False
    for role in (Role.TRAIN_LOSS, Role.EVAL_LOSS, Role.GRAD_NORM):
        series = case.roles.get(role)
        if series is None or not len(series):
            continue
        seen = True
        bad = np.flatnonzero(~np.isfinite(series.values))
        # an infinite gradient norm in the first steps is the loss scaler of fp16 at work
        if role is Role.GRAD_NORM and not np.isnan(series.values[bad]).any():
            continue
        if len(bad):
            where = {"tag": series.tag, "step": int(series.steps[bad[0]])}
            return FAIL, Text(N_("{tag} is not a number at step {step}"), where)
    if not seen:
        return UNKNOWN, Text(N_("no loss in the log"))
    if case.training.sampled:
        return UNKNOWN, Text(N_("only a sample of the points was read: NaN values may be missing"))
    if case.training.log_files:
        return PASS, Text(
            N_("no NaN in the losses, no memory error in {n} log files"), {"n": len(case.training.log_files)}
        )
    return PASS, Text(N_("no NaN in the losses; no log file beside the run to look for memory errors in"))


def _perplexity(case: Case, findings: Sequence[Finding]) -> Answer:
    if not case.is_nats:
        return UNKNOWN, Text(N_("the loss is no cross-entropy of tokens in nats, so it has no perplexity"))
    value: float | None = None
    for role in (Role.EVAL_LOSS, Role.EVAL_PERPLEXITY, Role.TRAIN_LOSS):
        series = case.roles.get(role)
        if series is not None and len(series):
            last = float(series.values[-1])
            value = last if role is Role.EVAL_PERPLEXITY else math.exp(min(last, 700.0))
            break
    if value is None:
        return UNKNOWN, Text(N_("no loss in the log"))
    if not math.isfinite(value):
        return FAIL, Text(N_("the last loss is not a number"))
    numbers = {"value": value}
    if not case.is_guide:
        text = N_("final perplexity is {value:.3g}; the guide's limit of 3 is for its reference model")
        return UNKNOWN, Text(text, numbers)
    if run_status(case, case.now).state == "running" and value >= PERPLEXITY_LIMIT:
        text = N_("perplexity is {value:.4g} so far; the guide's limit of 3 is for the end of the run")
        return UNKNOWN, Text(text, numbers)
    if value < PERPLEXITY_LIMIT:
        return PASS, Text(N_("final perplexity is {value:.4g}, below 3"), numbers)
    return FAIL, Text(N_("final perplexity is {value:.4g}, not below 3 (a loss below 1.0986)"), numbers)


def _is_stable(case: Case, findings: Sequence[Finding]) -> Answer:
    for finding in findings:
        if finding.label in UNSTABLE:
            return FAIL, finding.message
    curve = case.loss
    if curve is None or len(curve) < 4:
        return UNKNOWN, Text(N_("too few points of the loss"))
    levels = levels_of(curve)
    rises = np.diff(levels)
    limits = np.array([_rise_limit(case, curve, levels, i + 1) for i in range(len(rises))])
    count = int((rises > limits).sum())
    if count >= 2:
        return FAIL, Text(N_("the loss rises and falls: {n} clear rises"), {"n": count})
    if case.is_guide and count == 1 and len(curve) < 8:
        return FAIL, Text(N_("the loss rises once in {n} points"), {"n": len(curve)})
    return PASS, Text(N_("the loss runs without clear rises"))


# --- shared measures -----------------------------------------------------------------------------------------------


def levels_of(curve: Curve, windows: int = 40) -> Floats:
    """The curve as the eye sees it: its own points where they are few, else medians of windows of equal numbers."""
    if len(curve) < 24:
        return curve.values
    return stats.bins(curve.steps, curve.values, windows)[1]


def largest_rise(levels: Floats) -> tuple[float, int]:
    """(rise, index): the highest climb above the lowest level so far, and the index after it; (0, 1) if none."""
    lowest = np.minimum.accumulate(levels)
    rises = levels - lowest
    peak = int(np.argmax(rises))
    if rises[peak] <= 0:
        return 0.0, 1
    return float(rises[peak]), int(np.argmin(levels[: peak + 1])) + 1


def _rise_limit(case: Case, curve: Curve, levels: Floats, index: int) -> float:
    """A rise above the level before `index` that is no noise: against that level, all that was learned, and 4 σ."""
    window = max(1.0, len(curve) / len(levels))
    noise = 1.25 * curve.noise / math.sqrt(window) if len(curve) >= 8 else 0.0
    # near zero 5 % of the level is nothing; the guide's losses stay far from there
    learned = 0.0 if case.is_guide else LEARNED_RISE * float(np.ptp(levels))
    return max(RISE * abs(float(levels[index - 1])), learned, 4 * noise)


def eval_margin(case: Case, evals: Curve) -> float:
    """By how much the end of the eval loss may lie above its lowest value without having risen."""
    low = abs(float(evals.values.min()))
    n = len(evals)
    # with few points second differences measure the bend of the curve, not its noise
    noise = case.eval_noise if n >= 8 else stats.PRIOR_NOISE * low
    if case.is_guide:
        return max(EVAL_RISE * low, 2 * noise)
    learned = LEARNED_RISE * max(0.0, float(evals.values[0]) - float(evals.values.min()))
    return max(2 * EVAL_RISE * low, learned, stats.critical_rise(n) * noise)


def last_gap(case: Case) -> float | None:
    """Eval loss above train level at the last evaluation where both are known: its value, or a median of many."""
    gaps = case.gaps[np.isfinite(case.gaps)] if case.evals is not None else np.empty(0)
    if not len(gaps):
        return None
    return float(gaps[-1]) if len(gaps) < 20 else float(stats.median(gaps[-3:]))


def _learned(case: Case) -> float | None:
    if case.train is None or len(case.train) < 2:
        return None
    levels = levels_of(case.train)
    fall = float(levels[0] - levels.min())
    return fall if fall > 0 else None


# --- checklists by phase -------------------------------------------------------------------------------------------


def checklist(
    case: Case, findings: Sequence[Finding] = (), ranking: Ranking | None = None, status: Status | None = None
) -> tuple[ChecklistItem, ...]:
    """L1 … L5 item by item. What the log does not tell is unknown, with what to do about it, and never passes."""
    phase = status.phase if status is not None else "L5"
    ranking = ranking if ranking is not None else Ranking()
    items: list[ChecklistItem] = []

    def add(name: str, item: str, answer: Answer) -> None:
        if PHASES.index(name) > PHASES.index(phase) and answer[0] != PASS:
            answer = UNKNOWN, Text(N_("the run has not come to this phase yet"))
        items.append(ChecklistItem(name, Text(item), *answer))

    add("L1", N_("Training set of at least 100 samples"), _train_samples(case))
    add("L1", N_("Validation set of 10–20 samples"), _eval_samples(case))
    add("L1", N_("Enough GPU memory"), _gpu_memory(case))
    add("L1", N_("Learning rate (the guide: 2e-5)"), _learning_rate(case))
    add("L1", N_("Batch size (the guide: 4, or as memory allows)"), _batch_size(case))
    add("L1", N_("Evaluation interval (the guide: 50 steps)"), _eval_interval(case))
    add("L1", N_("Maximum length (the guide: 512)"), _max_length(case))
    add("L1", N_("Logging is set up"), _logging(case))
    add("L1", N_("The project has a name"), _project_name(case))
    add("L2", N_("Loss begins to fall"), _begins_to_fall(case))
    add("L2", N_("Memory use is stable"), _memory_stable(case, findings))
    add("L2", N_("No errors in the logs"), _log_errors(case))
    add("L3", N_("First eval loss below 3.0"), _first_eval(case))
    add("L3", N_("First gap between train and eval loss below 0.5"), _first_gap(case))
    add("L3", N_("Samples are meaningful sentences"), _first_samples(case))
    add(
        "L4", N_("Eval loss keeps falling"), _eval_falls(case, [f for f in findings if f.severity is not Severity.INFO])
    )
    add("L4", N_("The gap does not grow"), _gap_steady(case))
    add("L4", N_("Samples improve"), _samples_improve(case, findings))
    add("L4", N_("Every evaluation saved a checkpoint"), _checkpoints_saved(case, ranking))
    add("L5", N_("The best checkpoint is identified"), _best_identified(ranking))
    add("L5", N_("The best checkpoint was evaluated at the end"), _final_evaluation(case, ranking))
    add("L5", N_("3–5 sample questions were asked"), _sample_questions(case))
    add("L5", N_("The model is saved and tested before upload"), _model_saved(case))
    return tuple(items)


def _tagged(case: Case, *tags: str) -> Floats:
    """Finite values of the first of these tags in the log; empty without one."""
    for tag in tags:
        for run in case.training.runs:
            series = run.series.get(tag)
            if series is not None and len(series):
                values = series.values[np.isfinite(series.values)]
                if len(values):
                    return values
    return np.empty(0)


def training_samples(case: Case) -> float | None:
    """Size of the training set: stated, from Hugging Face's closing figures, or from epochs and batch size."""
    stated = case.number("train_samples", "num_train_samples", "n_train", "train_size", "num_train_examples")
    if stated is not None:
        return stated
    runtime = _tagged(case, "train/train_runtime", "train_runtime")
    rate = _tagged(case, "train/train_samples_per_second", "train_samples_per_second")
    epochs = case.epochs_at(last_step(case))
    if len(runtime) and len(rate) and epochs and not case.steps_are_epochs:
        planned = case.planned_epochs or epochs
        return float(runtime[-1] * rate[-1] / planned)
    batch = case.number("per_device_train_batch_size", "train_batch_size", "batch_size")
    if batch and case.steps_per_epoch and not case.steps_are_epochs:
        accumulation = case.number("gradient_accumulation_steps", "accumulate_grad_batches") or 1.0
        return case.steps_per_epoch * batch * accumulation
    return None


def evaluation_samples(case: Case) -> float | None:
    """Size of the validation set: stated, or seconds × samples a second of an evaluation."""
    stated = case.number("eval_samples", "num_eval_samples", "n_eval", "n_val", "val_size", "eval_size")
    if stated is not None:
        return stated
    runtime = _tagged(case, "eval/runtime", "eval_runtime")
    rate = _tagged(case, "eval/samples_per_second", "eval_samples_per_second")
    if len(runtime) and len(runtime) == len(rate):
        return float(stats.median(runtime * rate))
    return None


def _train_samples(case: Case) -> Answer:
    n = training_samples(case)
    if n is None:
        return UNKNOWN, Text(N_("the log does not tell the size of the training set"))
    numbers = {"n": n}
    if n >= MIN_TRAIN_SAMPLES:
        return PASS, Text(N_("about {n:.0f} samples"), numbers)
    if case.is_guide:
        return FAIL, Text(N_("about {n:.0f} samples, fewer than the guide's 100"), numbers)
    return UNKNOWN, Text(N_("about {n:.0f} samples; the guide's 100 are for its reference model"), numbers)


def _eval_samples(case: Case) -> Answer:
    n = evaluation_samples(case)
    if n is None:
        if case.evals is None:
            return FAIL, Text(N_("no evaluation was logged: without a validation set overfitting cannot be seen"))
        return UNKNOWN, Text(N_("the log does not tell the size of the validation set"))
    numbers = {"n": n}
    if n < EVAL_SAMPLES[0] - 0.5:
        return FAIL, Text(N_("about {n:.0f} samples, fewer than 10: the eval loss will be noisy"), numbers)
    if n > EVAL_SAMPLES[1] + 0.5:
        return PASS, Text(N_("about {n:.0f} samples: more than 20 cost time, and make the eval loss surer"), numbers)
    return PASS, Text(N_("about {n:.0f} samples"), numbers)


def _gpu_memory(case: Case) -> Answer:
    if any(f.kind == "out_of_memory" for f in case.training.log_faults):
        return FAIL, Text(N_("the run ran out of memory"))
    if case.loss is not None and len(case.loss) >= 2:
        return PASS, Text(N_("training ran"))
    return UNKNOWN, Text(N_("not in the log; look at nvidia-smi"))


def _setting(case: Case, value: float | None, low: float, high: float, guide: float) -> Answer:
    numbers: dict[str, object] = {"value": value, "guide": guide, "low": low, "high": high}
    if value is None:
        return UNKNOWN, Text(N_("the log does not state it"))
    if not case.is_guide:
        return UNKNOWN, Text(N_("{value:g}; the guide's {guide:g} is for its reference model"), numbers)
    if low <= value <= high:
        return PASS, Text(N_("{value:g}"), numbers)
    return FAIL, Text(N_("{value:g}, outside the guide's {low:g}–{high:g}"), numbers)


def _learning_rate(case: Case) -> Answer:
    value = case.number("learning_rate", "lr", "max_lr", "base_lr")
    if value is None and case.lr is not None:
        value = float(case.lr.values.max())
    return _setting(case, value, *LEARNING_RATES, LEARNING_RATE)


def _batch_size(case: Case) -> Answer:
    value = case.number("per_device_train_batch_size", "train_batch_size", "batch_size")
    if value is None:
        return UNKNOWN, Text(N_("the log does not state it"))
    if any(f.kind == "out_of_memory" for f in case.training.log_faults):
        return FAIL, Text(N_("{value:g}, more than memory allows"), {"value": value})
    if case.is_guide:
        return PASS, Text(N_("{value:g}, and memory allows it"), {"value": value})
    return UNKNOWN, Text(
        N_("{value:g}; the guide's {guide:g} is for its reference model"), {"value": value, "guide": BATCH_SIZE}
    )


def _eval_interval(case: Case) -> Answer:
    value = case.number("eval_steps")
    state = case.training.trainer_state
    if (value is None or value < 1) and state is not None and state.eval_steps:
        value = float(state.eval_steps)
    if (value is None or value < 1) and case.evals is not None and len(case.evals) >= 2:
        value = float(stats.median(np.diff(case.evals.steps)))
    return _setting(case, value, 1.0, EVAL_STEPS[1], EVAL_STEPS[0])


def _max_length(case: Case) -> Answer:
    value = case.number("max_length", "max_seq_length", "max_seq_len", "model_max_length", "block_size")
    return _setting(case, value, *MAX_LENGTH, MAX_LENGTH[1])


def _logging(case: Case) -> Answer:
    if case.train is not None and case.evals is not None:
        return PASS, Text(N_("train and eval loss are logged"))
    if case.train is not None:
        return FAIL, Text(N_("train loss is logged, eval loss is not"))
    if case.evals is not None:
        return FAIL, Text(N_("eval loss is logged, train loss is not"))
    return FAIL, Text(N_("neither train nor eval loss is logged"))


def _project_name(case: Case) -> Answer:
    for name in (case.argument("run_name"), case.argument("project_name", "wandb_project"), case.training.name):
        if isinstance(name, str) and name.strip() not in ("", "."):
            return PASS, Text("{name}", {"name": name})
    return UNKNOWN, Text(N_("the run lies in the log folder itself and has no name of its own"))


def _begins_to_fall(case: Case) -> Answer:
    train = case.train
    if train is None or len(train) < 2:
        return UNKNOWN, Text(N_("too few points of the train loss"))
    start = int(train.steps[0])
    index = max(1, int(np.searchsorted(train.steps, start + 9)))
    index = min(index, len(train) - 1)
    around = train.values[max(1, index - 1) : index + 2] if index >= 3 else train.values[index : index + 1]
    first, then = float(train.values[0]), float(stats.median(around))
    noise = train.noise if len(train) >= 8 else 0.0
    numbers = {"first": first, "then": then, "start": start, "step": int(train.steps[index])}
    if then < first - 2 * noise:
        return PASS, Text(N_("from {first:.3g} at step {start} to {then:.3g} at step {step}"), numbers)
    if then > first + 2 * noise:
        return FAIL, Text(N_("it rose from {first:.3g} at step {start} to {then:.3g} at step {step}"), numbers)
    if noise == 0.0:
        return FAIL, Text(N_("it stayed at {first:.3g} from step {start} to step {step}"), numbers)
    return UNKNOWN, Text(
        N_("no change beyond noise between step {start} ({first:.3g}) and step {step} ({then:.3g})"), numbers
    )


def _memory_stable(case: Case, findings: Sequence[Finding]) -> Answer:
    for finding in findings:
        if finding.label == "out_of_memory" and finding.severity is not Severity.INFO:
            died = finding.severity is Severity.CRITICAL
            return FAIL, Text(N_("the run ran out of memory")) if died else finding.message
    memory = case.curve(Role.MEMORY)
    if memory is None or len(memory) < 4:
        return UNKNOWN, Text(N_("memory use was not logged"))
    return PASS, Text(N_("from {first:.3g} to {last:.3g}"), {"first": memory.head(), "last": memory.tail()})


def _log_errors(case: Case) -> Answer:
    faults = case.training.log_faults
    if faults:
        fault = faults[-1]
        place = {"path": fault.path, "line": fault.line_number, "quote": fault.line}
        return FAIL, Text(N_("{path}, line {line}: {quote}"), place)
    if case.training.log_files:
        return PASS, Text(N_("{n} log files searched"), {"n": len(case.training.log_files)})
    return UNKNOWN, Text(N_("no log file (nohup.out, *.log, slurm-*.out) lies beside the run"))


def _first_eval(case: Case) -> Answer:
    if case.evals is None:
        return UNKNOWN, Text(N_("no evaluation was logged"))
    value = float(case.evals.values[0])
    if not case.is_guide:
        return UNKNOWN, Text(N_("{value:.4g}; the guide's 3.0 is for its reference model"), {"value": value})
    return (PASS if value < FIRST_EVAL_LIMIT else FAIL), Text(N_("{value:.4g}"), {"value": value})


def _first_gap(case: Case) -> Answer:
    gaps = case.gaps if case.evals is not None else np.empty(0)
    if not len(gaps) or not math.isfinite(gaps[0]):
        return UNKNOWN, Text(N_("no train and eval loss at the same place"))
    value = abs(float(gaps[0]))
    if not case.is_guide:
        return UNKNOWN, Text(N_("{value:.4g}; the guide's 0.5 is for its reference model"), {"value": value})
    return (PASS if value < GAP_LIMIT else FAIL), Text(N_("{value:.4g}"), {"value": value})


def _first_samples(case: Case) -> Answer:
    if case.training.ratings:
        first = case.training.ratings[0]
        numbers = {"rating": Text(first.rating), "step": first.step}
        return (FAIL if first.rating == "poor" else PASS), Text(N_("rated {rating} at step {step}"), numbers)
    steps = sorted({t.step for t in case.training.texts})
    if steps:
        return UNKNOWN, Text(N_("samples were logged from step {step} on; read them"), {"step": steps[0]})
    return UNKNOWN, Text(N_("no samples were logged"))


def _gap_steady(case: Case) -> Answer:
    gaps = case.gaps[np.isfinite(case.gaps)] if case.evals is not None else np.empty(0)
    if len(gaps) < 3:
        return UNKNOWN, Text(N_("too few evaluations beside a train loss"))
    width = max(1, len(gaps) // 5)
    first, last = float(stats.median(gaps[:width])), float(stats.median(gaps[-width:]))
    numbers = {"first": first, "last": last}
    growth = last - first
    if case.is_guide:
        # 0.05 → 0.15 is the guide's own ideal; a hair of binary rounding must not fail it
        grew = growth > GAP_GROWTH + 1e-9 and last > STEADY_GAP + 1e-9
    else:
        noise = case.eval_noise if len(gaps) >= 8 else 0.0
        grew = growth > max(4 * noise, 0.1 * (_learned(case) or 0.0))
    if grew:
        return FAIL, Text(N_("it grew from {first:.3g} to {last:.3g}"), numbers)
    return PASS, Text(N_("from {first:.3g} to {last:.3g}"), numbers)


def _checkpoints_saved(case: Case, ranking: Ranking) -> Answer:
    if not case.training.checkpoint_files:
        return UNKNOWN, Text(N_("no checkpoints lie beside the log"))
    evaluated = [c for c in ranking.checkpoints if c.value is not None]
    saved = sum(c.on_disk for c in evaluated)
    numbers: dict[str, object] = {"saved": saved, "n": len(evaluated)}
    if not evaluated:
        return UNKNOWN, Text(N_("no evaluation was logged"))
    if saved == len(evaluated):
        return PASS, Text(N_("all {n} evaluations have a checkpoint on disk"), numbers)
    kept = case.number("save_total_limit")
    if kept:
        numbers["kept"] = kept
        return UNKNOWN, Text(N_("{saved} of {n} are on disk; save_total_limit={kept:g} removes older ones"), numbers)
    return FAIL, Text(N_("{saved} of {n} evaluations have a checkpoint on disk"), numbers)


def _best_identified(ranking: Ranking) -> Answer:
    chosen = next((c for c in ranking.checkpoints if c.recommended), None)
    if chosen is None:
        return FAIL, Text(N_("no checkpoint can be recommended"))
    numbers: dict[str, object] = {"step": chosen.step, "path": chosen.path or ""}
    if chosen.value is None:
        return UNKNOWN, Text(N_("step {step}, but nothing was evaluated"), numbers)
    if not chosen.on_disk:
        return UNKNOWN, Text(N_("step {step}, but no file of it lies beside the log"), numbers)
    return PASS, Text(N_("step {step}: {path}"), numbers)


def _final_evaluation(case: Case, ranking: Ranking) -> Answer:
    if case.training.result_files:
        return PASS, Text("{path}", {"path": case.training.result_files[0]})
    tested = sorted(tag for run in case.training.runs for tag in run.series if tag.casefold().startswith("test"))
    if tested:
        return PASS, Text(N_("{tag} is in the log"), {"tag": tested[0]})
    chosen = next((c for c in ranking.checkpoints if c.recommended), None)
    path = chosen.path if chosen is not None and chosen.path else "checkpoint-XXX"
    return UNKNOWN, Text(N_("none found; run: python scripts/evaluate.py --checkpoint {path}"), {"path": path})


def _sample_questions(case: Case) -> Answer:
    late = last_step(case)
    asked = [t for t in case.training.texts if t.step >= late]
    if case.training.ratings or len(asked) >= SAMPLE_QUESTIONS:
        n = len(case.training.ratings) or len(asked)
        return PASS, Text(N_("{n} answers on record"), {"n": n})
    return UNKNOWN, Text(N_("not in the log; ask the model three to five questions and rate the answers"))


def _model_saved(case: Case) -> Answer:
    files = case.training.checkpoint_files
    final = [f for f in files if f.kind == "final"]
    if final:
        return PASS, Text("{path}", {"path": final[0].path})
    if files:
        newest = max(files, key=lambda f: (f.step or 0, f.epoch or 0, f.modified))
        return PASS, Text(N_("the newest checkpoint is {path}"), {"path": newest.path})
    return UNKNOWN, Text(N_("no model file lies beside the log"))
