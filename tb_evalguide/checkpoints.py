"""Evaluations and checkpoint files → checkpoints ranked as the guide ranks them (K1–K5), with a reason each.

Ties. Two evaluations tie when they differ by no more than twice the evaluation noise, and by no more than 1 % of the
value. The cap is there because in a jumpy run second differences measure how the model moves, not how badly it is
measured: all evaluations score the same samples, so most of the sampling error is shared. On the labelled runs the
mean regret against a large unseen set was worse with 2σ alone, with 3-point smoothing, and with "earlier" or "later"
among everything within 2σ, than with the plain lowest value (benchmarks/checkpoint_regret.py, docs/checkpoints.md).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tb_evalguide import stats
from tb_evalguide.i18n import N_
from tb_evalguide.model import CheckpointFile, Finding, Floats, Ints, RankedCheckpoint, Ranking, Role, Series, Text
from tb_evalguide.roles.names import greater_is_better
from tb_evalguide.sources.ratings import RATINGS
from tb_evalguide.status import last_step

if TYPE_CHECKING:
    from tb_evalguide.case import Case
    from tb_evalguide.config import Config

FEW_EVALS = 8  # a minimum over fewer evaluations is said to rest on few (failure-modes.md)
GUIDE_GAP = 0.5  # guide M8: a gap above this is overfitting
MAX_ROWS = 200  # evaluations listed; those with a checkpoint always are
# expected maximum of n standard normals: how much the best of n equal evaluations flatters (failure-modes.md)
_BEST_OF_N = ((1, 0.0), (2, 0.564), (3, 0.846), (5, 1.163), (8, 1.424), (20, 1.867), (50, 2.249), (100, 2.508))
_LAST = re.compile(r"(?i)(^|[/\\])(last|final)[^/\\]*$")
_BEST = re.compile(r"(?i)(^|[/\\])[^/\\]*best[^/\\]*$")
_STEP_AT_END = re.compile(r"(\d+)\D*$")


@dataclass(frozen=True)
class Limits:
    """How near to each other two checkpoints are equals."""

    tie_sigmas: float = 2.0  # evaluations within 2σe of the best tie with it (failure-modes.md, Ranking checkpoints)
    tie_share: float = 0.01  # … but never further than 1 % from it: any cap up to 1 % does on the labelled runs
    gap_sigmas: float = 2.0  # a gap is smaller only when it is so beyond the noise of the train loss; own choice


LIMITS = Limits()


@dataclass(frozen=True, eq=False)
class Metric:
    """What is ranked by. series: its evaluations; why: where the choice comes from."""

    series: Series
    greater_is_better: bool
    why: Text

    @property
    def tag(self) -> str:
        return self.series.tag


@dataclass(frozen=True, eq=False)
class _Candidate:
    """One step that was evaluated or saved. score: the metric with its sign turned so that lower is better."""

    step: int
    value: float | None
    score: float
    gap: float | None
    loss: float | None
    file: CheckpointFile | None
    rating: str | None
    quality: float | None  # signed so that lower is better
    quality_text: str | None


def rank(
    case: Case, findings: Sequence[Finding] = (), config: Config | None = None, limits: Limits = LIMITS
) -> Ranking:
    """Every evaluated or saved step, best first. `findings` tell whether the run overfits."""
    config = config if config is not None else case.config
    metric, notes = choose_metric(case, config)
    if metric is None:
        return _without_evaluations(case, notes)
    steps, values = metric.series.steps, metric.series.values
    files, file_notes = match_files(case, steps)
    candidates = _candidates(case, metric, files)
    usable = [c for c in candidates if c.value is not None and math.isfinite(c.score)]
    notes = [Text(N_("Ranked by {tag}: {why}."), {"tag": metric.tag, "why": metric.why}), *notes, *file_notes]
    if not usable:
        rows = _rows(case, metric, candidates, None, 0.0, False)
        return Ranking(
            checkpoints=rows,
            metric=metric.tag,
            greater_is_better=metric.greater_is_better,
            notes=(*notes, Text(N_("No evaluation gave a finite value: no checkpoint can be recommended."))),
        )
    overfits = any(f.label == "overfitting" and f.explained_by is None for f in findings)
    best = min(usable, key=lambda c: (c.score, -c.step if not overfits else c.step))
    width = tie_width(steps, values, best.score, limits)
    on_disk = [c for c in usable if c.file is not None]
    pool = on_disk or usable
    leader = min(pool, key=lambda c: c.score)
    tied = [c for c in pool if c.score <= leader.score + width]
    chosen = break_tie(case, tied, overfits, limits)
    regret = max(0.0, chosen.score - best.score) if on_disk else None
    if on_disk:
        # a tie is no loss: the difference is within what the evaluations can tell apart
        notes += _disk_note(best, min(on_disk, key=lambda c: c.score), metric, width)
    elif any(f.step is not None or f.epoch is not None for f in case.training.checkpoint_files):
        notes.append(
            Text(
                N_(
                    "None of the checkpoints on disk was evaluated at its own step: step {step} is the best evaluated "
                    "state, but no file holds it."
                ),
                {"step": chosen.step},
            )
        )
    notes += _coverage_notes(candidates, bool(files))
    notes += _state_note(case, chosen, metric, tied)
    notes += _optimism_notes(usable, best, width, metric, limits)
    rows = _rows(case, metric, candidates, chosen, width, overfits, tied=tied, best=best)
    return Ranking(
        checkpoints=rows,
        metric=metric.tag,
        greater_is_better=metric.greater_is_better,
        best_evaluated=best.step,
        best_on_disk=chosen.step if on_disk else None,
        regret=regret,
        notes=tuple(notes),
    )


# --- which metric --------------------------------------------------------------------------------------------------


def choose_metric(case: Case, config: Config) -> tuple[Metric | None, list[Text]]:
    """The user's metric, else `metric_for_best_model`, else the eval loss, else the first quality metric evaluated."""
    notes: list[Text] = []
    wanted = [(config.metric, Text(N_("you asked for it")), config.greater_is_better)]
    named = case.argument("metric_for_best_model")
    stated = case.argument("greater_is_better")
    direction = stated if isinstance(stated, bool) else None
    if isinstance(named, str) and named:
        wanted.append((named, Text(N_("metric_for_best_model names it")), direction))
    for name, why, greater in wanted:
        if not name:
            continue
        series = find_metric(case, name)
        if series is not None:
            return _metric(case, series, greater, why, notes), notes
        notes.append(Text(N_("No evaluation of {name} is in the log, so another metric had to rank."), {"name": name}))
    loss = case.roles.get(Role.EVAL_LOSS)
    if loss is not None and len(loss):
        return Metric(loss, False, Text(N_("the guide ranks by the lowest eval loss first (K4)"))), notes
    for choice in case.roles.metrics:
        if len(choice.series):
            why = Text(N_("the log holds no eval loss"))
            greater = config.greater_is_better if config.greater_is_better is not None else choice.greater_is_better
            return _metric(case, choice.series, greater, why, notes), notes
    return None, notes


def find_metric(case: Case, name: str) -> Series | None:
    """The evaluated series a name means: its tag, or Hugging Face's spelling of it (f1 = eval_f1 = eval/f1)."""
    wanted = _plain(name)
    loss = case.roles.get(Role.EVAL_LOSS)
    every = [s for run in case.training.runs for s in run.series.values() if len(s)]
    for series in every:
        if series.tag == name:
            return series
    if wanted == "loss" and loss is not None and len(loss):
        return loss
    chosen = [choice.series for choice in case.roles.metrics]
    evaluated = [s for s in every if re.match(r"(?i)(eval|val|valid|validation|test)[_/.]", s.tag)]
    for series in [*chosen, *evaluated]:
        if len(series) and _plain(series.tag) == wanted:
            return series
    return None


def _plain(tag: str) -> str:
    name = re.sub(r"[/.\-\s]+", "_", tag.casefold())
    return re.sub(r"^(eval|val|valid|validation)_|_(eval|val|valid|validation)$", "", name)


def _metric(case: Case, series: Series, greater: bool | None, why: Text, notes: list[Text]) -> Metric:
    if greater is None:
        roles = [c for c in (*case.roles.metrics, *case.roles.choices.values()) if c.series is series]
        stated = [c.greater_is_better for c in roles if c.greater_is_better is not None]
        if series is case.roles.get(Role.EVAL_LOSS):
            stated = [False]
        greater = stated[0] if stated else greater_is_better(series.tag)
    if greater is None:
        notes.append(
            Text(
                N_("Whether more of {tag} is better is not known; lower was taken as better. Set greater_is_better."),
                {"tag": series.tag},
            )
        )
        greater = False
    return Metric(series, greater, why)


# --- which file belongs to which evaluation ------------------------------------------------------------------------


def match_files(case: Case, eval_steps: Ints) -> tuple[dict[int, CheckpointFile], list[Text]]:
    """{step: file}, on the log's own step axis. An evaluation is never credited to the checkpoint of another step.

    Step numbers in names are taken as they are, except that Lightning logs an evaluation one step before the step its
    checkpoint is named after. Epoch numbers become steps through the run's epochs; Keras counts them from 1 in names
    and from 0 in its logs.
    """
    out: dict[int, CheckpointFile] = {}
    notes: list[Text] = []
    evaluated = {int(s) for s in eval_steps}
    files = case.training.checkpoint_files
    by_step = [f for f in files if f.step is not None and f.kind not in ("keras", "final")]
    loose = [f for f in by_step if f.kind not in ("hf", "lightning")]
    if loose and not any(f.step in evaluated for f in loose):
        # no evaluation at any of these numbers: checkpoint_3.pt then counts epochs
        by_step = [f for f in by_step if f not in loose]
    by_epoch = [f for f in files if f not in by_step and f.kind != "final" and _number(f) is not None]
    nameless = [f for f in files if f not in by_step and f not in by_epoch and f.kind != "final"]
    shift = _lightning_shift(by_step, evaluated)
    for file in by_step:
        if file.step is not None:
            step = file.step + (shift if file.kind == "lightning" else 0)
            _put(out, step, file)
    if by_epoch:
        mapped = _epoch_files(case, by_epoch, evaluated)
        for step, file in mapped.items():
            _put(out, step, file)
        if len(mapped) < len(by_epoch):
            nameless += [f for f in by_epoch if f not in mapped.values()]
    last = [f for f in nameless if _LAST.search(f.path) or _BEST.search(f.path)]
    nameless = [f for f in nameless if f not in last]
    for file in [f for f in files if f.kind == "final"] + last:
        step_of_final, note = _final_step(case, file)
        if step_of_final is not None and step_of_final not in out:
            out[step_of_final] = file
        notes.append(note)
    if nameless:
        notes.append(
            Text(
                N_("Checkpoints that name no step the log knows, and so cannot be ranked: {n} (first: {path})."),
                {"n": len(nameless), "path": nameless[0].path},
            )
        )
    return out, notes


def _put(out: dict[int, CheckpointFile], step: int, file: CheckpointFile) -> None:
    """The newer of two files of one step is the one to use."""
    if step not in out or file.modified > out[step].modified:
        out[step] = file


def _number(file: CheckpointFile) -> float | None:
    return file.epoch if file.epoch is not None else None if file.step is None else float(file.step)


def _lightning_shift(files: Sequence[CheckpointFile], evaluated: set[int]) -> int:
    """0 or −1: under which of the two the checkpoints meet more evaluations; −1, Lightning's own way, when equal."""
    steps = [f.step for f in files if f.kind == "lightning" and f.step is not None]
    return 0 if sum(s in evaluated for s in steps) > sum(s - 1 in evaluated for s in steps) else -1


def _epoch_files(case: Case, files: Sequence[CheckpointFile], evaluated: set[int]) -> dict[int, CheckpointFile]:
    """{step: file} for files named by epoch; files whose epoch the log does not know are left out."""
    numbers = [n for n in (_number(f) for f in files) if n is not None]
    if case.epoch is None and case.steps_per_epoch is None:
        # The step axis counts epochs itself, if anything does. Numbers from 1 beside steps from 0 are one ahead.
        starts_at_zero = _axis_starts_at_zero(case)
        if any(f.kind == "keras" for f in files):
            shift = -1 if starts_at_zero else 0
        else:
            hits = {s: sum(round(n) + s in evaluated for n in numbers) for s in (0, -1)}
            if hits[0] != hits[-1]:
                shift = max(hits, key=lambda s: hits[s])
            else:
                shift = -1 if starts_at_zero and min(numbers) >= 1 else 0
        known = last_step(case) + 1
        return {round(n) + shift: f for f in files if (n := _number(f)) is not None and 0 <= round(n) + shift <= known}
    # A file of epoch n counted from 1 was written after n epochs, one counted from 0 after n + 1.
    ahead = 1.0 if numbers and min(numbers) == 0 else 0.0
    epochs = {step: case.epochs_at(step) for step in evaluated}
    out = {}
    for file in files:
        number = _number(file)
        near = [s for s, e in epochs.items() if e is not None and number is not None and abs(e - number - ahead) < 0.02]
        if len(near) == 1:
            out[near[0]] = file
        elif not near and number is not None and case.steps_per_epoch:
            step = (number + ahead) * case.steps_per_epoch
            if math.isfinite(step):  # an epoch curve can be as broken as any other
                out[round(step)] = file
    return out


def _axis_starts_at_zero(case: Case) -> bool:
    """Epochs are counted from 0: a point at step 0, or evaluations every k epochs that fall on k − 1, 2k − 1 …"""
    if case.first_step == 0:
        return True
    evals = case.evals
    if evals is None or len(evals) < 2:
        return False
    every = int(evals.steps[1] - evals.steps[0])
    return every > 1 and int(evals.steps[0]) == every - 1


def _final_step(case: Case, file: CheckpointFile) -> tuple[int | None, Text]:
    """The step whose weights a final model holds, and what to say of it."""
    state = case.training.trainer_state
    if case.argument("load_best_model_at_end") is True or _BEST.search(file.path):
        best = _step_of(state.best_model_checkpoint) if state is not None else None
        if best is None:
            return None, Text(
                N_("{path} holds what the training took for its best checkpoint; the log does not say of which step."),
                {"path": file.path},
            )
        return best, Text(
            N_("{path} holds the weights of step {step}, the trainer's best."), {"path": file.path, "step": best}
        )
    step = file.step if file.step is not None else last_step(case)
    return step, Text(N_("{path} holds the weights of the last step, {step}."), {"path": file.path, "step": step})


def _step_of(path: str | None) -> int | None:
    match = _STEP_AT_END.search(path or "")
    return int(match[1]) if match and len(match[1]) <= 18 else None


# --- ranking -------------------------------------------------------------------------------------------------------


def tie_width(steps: Ints, values: Floats, best: float, limits: Limits = LIMITS) -> float:
    """How far from the `best` value an evaluation may lie and still tie with it, in the metric's own unit."""
    finite = np.isfinite(values)
    with np.errstate(over="ignore", invalid="ignore"):
        noise = stats.eval_noise(steps[finite], values[finite])
    share = limits.tie_share * abs(best)
    # the noise of values at the end of what a float can hold is itself no number
    return min(limits.tie_sigmas * noise, share) if math.isfinite(noise) else share


def break_tie(case: Case, tied: Sequence[_Candidate], overfits: bool, limits: Limits = LIMITS) -> _Candidate:
    """One of several equals: a person's rating, then a clearly smaller gap, then logged quality, then the value."""
    rest = list(tied)
    rated = [c for c in rest if c.rating is not None]
    if rated:
        top = max(RATINGS.index(c.rating) for c in rated if c.rating is not None)
        rest = [c for c in rated if c.rating is not None and RATINGS.index(c.rating) == top]
    gaps = [c for c in rest if c.gap is not None]
    if len(gaps) == len(rest):
        # eval below train is no instability, so gaps below zero are all as good as none
        smallest = min(max(c.gap or 0.0, 0.0) for c in gaps)
        limit = smallest + limits.gap_sigmas * math.sqrt(2) * _gap_noise(case)
        if math.isfinite(limit):
            rest = [c for c in gaps if max(c.gap or 0.0, 0.0) <= limit]
    best_score = min(c.score for c in rest)
    equal = [c for c in rest if c.score == best_score]
    if all(c.quality is not None for c in equal):
        best_quality = min(c.quality or 0.0 for c in equal)
        equal = [c for c in equal if c.quality == best_quality]
    return min(equal, key=lambda c: c.step) if overfits else max(equal, key=lambda c: c.step)


def _gap_noise(case: Case) -> float:
    """σ of the train level beside one evaluation: a median over the points between two evaluations."""
    if case.train is None or case.evals is None:
        return 0.0
    per_eval = max(1.0, len(case.train) / max(1, len(case.evals)))
    return 1.25 * case.train_noise / math.sqrt(per_eval)


def _candidates(case: Case, metric: Metric, files: Mapping[int, CheckpointFile]) -> list[_Candidate]:
    sign = -1.0 if metric.greater_is_better else 1.0
    values = {int(s): float(v) for s, v in zip(metric.series.steps, metric.series.values)}
    steps = sorted(values.keys() | files.keys())
    evals = case.evals
    losses: dict[int, float] = {}
    gaps: dict[int, float] = {}
    if evals is not None:
        losses = {int(s): float(v) for s, v in zip(evals.steps, evals.values)}
        gaps = {int(s): float(g) for s, g in zip(evals.steps, case.gaps) if math.isfinite(g)}
    ratings = {r.step: r.rating for r in case.training.ratings}
    quality = next((c for c in case.roles.metrics if len(c.series) and c.series is not metric.series), None)
    qualities = {int(s): float(v) for s, v in zip(quality.series.steps, quality.series.values)} if quality else {}
    quality_sign = 1.0
    if quality is not None:
        better = quality.greater_is_better
        better = greater_is_better(quality.tag) if better is None else better
        quality_sign = -1.0 if better else 1.0
    died = _nan_onset(case)
    out = []
    for step in steps:
        value = values.get(step)
        # a loss of exactly 0 after a NaN is what a filter makes of NaN, not a perfect model
        filtered = value == 0.0 and died is not None and step >= died
        broken = value is not None and (filtered or not math.isfinite(value))
        extra = qualities.get(step)
        text = ratings.get(step)
        if text is None and quality is not None and extra is not None and math.isfinite(extra):
            text = f"{quality.tag} {extra:.4g}"
        out.append(
            _Candidate(
                step=step,
                value=value,
                score=math.inf if value is None or broken else sign * value,
                gap=gaps.get(step),
                loss=losses.get(step),
                file=files.get(step),
                rating=ratings.get(step),
                quality=quality_sign * extra if extra is not None and math.isfinite(extra) else None,
                quality_text=text,
            )
        )
    return out


def _nan_onset(case: Case) -> int | None:
    """First step at which a loss or the gradient norm was not finite."""
    firsts = []
    for role in (Role.TRAIN_LOSS, Role.EVAL_LOSS, Role.GRAD_NORM):
        series = case.roles.get(role)
        if series is not None:
            bad = np.flatnonzero(~np.isfinite(series.values))
            if len(bad):
                firsts.append(int(series.steps[bad[0]]))
    return min(firsts, default=None)


def _rows(
    case: Case,
    metric: Metric,
    candidates: Sequence[_Candidate],
    chosen: _Candidate | None,
    width: float,
    overfits: bool,
    *,
    tied: Sequence[_Candidate] = (),
    best: _Candidate | None = None,
) -> tuple[RankedCheckpoint, ...]:
    in_tie = {c.step for c in tied}

    def order(c: _Candidate) -> tuple[int, float, int]:
        # the chosen one, its equals, then by value; what was never evaluated or is broken comes last
        group = 0 if chosen is not None and c.step == chosen.step else 1 if c.step in in_tie else 2
        return (group if math.isfinite(c.score) else 3 if c.value is None else 4, c.score, -c.step)

    ordered = sorted(candidates, key=order)
    if len(ordered) > MAX_ROWS:
        ordered = [c for i, c in enumerate(ordered) if i < MAX_ROWS or c.file is not None]
    rows = []
    for number, c in enumerate(ordered, 1):
        row = RankedCheckpoint(
            rank=number,
            step=c.step,
            path=c.file.path if c.file else None,
            on_disk=c.file is not None,
            metric=metric.tag,
            value=c.value,
            gap=c.gap,
            perplexity=case.perplexity(c.loss),
            quality=c.quality_text,
            tied=len(in_tie) > 1 and c.step in in_tie,
            recommended=chosen is not None and c.step == chosen.step,
            level="ok",
            reason=Text(""),
            size=c.file.size if c.file else None,
            modified=c.file.modified if c.file else None,
        )
        rows.append(_judged(case, row, c, chosen, tied, best, width, overfits, metric))
    return tuple(rows)


def _judged(
    case: Case,
    row: RankedCheckpoint,
    c: _Candidate,
    chosen: _Candidate | None,
    tied: Sequence[_Candidate],
    best: _Candidate | None,
    width: float,
    overfits: bool,
    metric: Metric,
) -> RankedCheckpoint:
    """The row with its level and its reason in one sentence."""
    numbers: dict[str, object] = {"metric": metric.tag, "step": c.step}
    if c.value is None:
        text = N_("Saved, but {metric} was not evaluated at this step.")
        return replace(row, level="warn", reason=Text(text, numbers))
    numbers["value"] = c.value
    if not math.isfinite(c.score):
        return replace(row, level="bad", reason=Text(N_("{metric} is not a usable number here ({value})."), numbers))
    if chosen is None or best is None:
        return replace(row, level="warn", reason=Text(N_("{metric} is {value:.4g}."), numbers))
    wide_gap = case.is_guide and c.gap is not None and c.gap > GUIDE_GAP
    if c.step == chosen.step:
        level = "bad" if wide_gap else "ok" if c.score <= best.score + width else "warn"
        return replace(row, level=level, reason=_why_chosen(case, c, tied, best, width, metric))
    numbers |= {"difference": abs(c.score - chosen.score), "best": chosen.step, "gap": c.gap or 0.0, "width": width}
    if wide_gap:
        text = N_("Overfitted: the gap to the train loss is {gap:.3g}, more than the guide's 0.5.")
        return replace(row, level="bad", reason=Text(text, numbers))
    if c.score < chosen.score and c.file is None and chosen.file is not None:
        text = N_("Better than step {best} by {difference:.3g}, but no checkpoint of this step is on disk.")
        return replace(row, level="warn", reason=Text(text, numbers))
    if c.score == chosen.score:
        return replace(row, level="ok", reason=Text(N_("The same value as at step {best}."), numbers))
    if abs(c.score - chosen.score) <= width:
        text = N_("As good as step {best}: {difference:.2g} apart, within the noise ({width:.2g}).")
        return replace(row, level="ok", reason=Text(text, numbers))
    if c.step > chosen.step and overfits:
        text = N_("Overfitted: {difference:.3g} worse than step {best}.")
        return replace(row, level="bad", reason=Text(text, numbers))
    if c.step > chosen.step:
        text = N_("{difference:.3g} worse than step {best}, which came before.")
        return replace(row, level="warn", reason=Text(text, numbers))
    text = N_("{difference:.3g} worse than step {best}: still improving here.")
    return replace(row, level="warn", reason=Text(text, numbers))


def _why_chosen(
    case: Case, c: _Candidate, tied: Sequence[_Candidate], best: _Candidate, width: float, metric: Metric
) -> Text:
    numbers: dict[str, object] = {
        "metric": metric.tag,
        "value": c.value,
        "n": len(tied),
        "gap": c.gap or 0.0,
        "rating": Text(c.rating) if c.rating else "",
        "lower": best.step,
        "difference": abs(c.score - best.score),
    }
    leader = min(tied, key=lambda t: t.score)
    extreme = N_("highest") if metric.greater_is_better else N_("lowest")
    numbers["extreme"] = Text(extreme)
    if c.score > leader.score and c.rating is not None:
        return Text(N_("One of {n} that tie on {metric} ({value:.4g}); a person rated its samples {rating}."), numbers)
    if c.score > leader.score:
        return Text(N_("One of {n} that tie on {metric} ({value:.4g}); its gap to the train loss is smaller."), numbers)
    if best.file is None and c.file is not None and c.score > best.score:
        return Text(
            N_("The {extreme} {metric} on disk ({value:.4g}); step {lower} was {difference:.3g} better, but is not."),
            numbers,
        )
    if len(tied) > 1:
        return Text(N_("The {extreme} {metric} ({value:.4g}); {n} checkpoints are as good within noise."), numbers)
    return Text(N_("The {extreme} {metric} of all ({value:.4g})."), numbers)


# --- what is said of the ranking as a whole ------------------------------------------------------------------------


def _disk_note(best: _Candidate, disk: _Candidate, metric: Metric, width: float) -> list[Text]:
    if best.file is not None or disk.score <= best.score:
        return []
    numbers = {
        "metric": metric.tag,
        "best": best.step,
        "disk": disk.step,
        "best_value": best.value,
        "disk_value": disk.value,
        "regret": disk.score - best.score,
    }
    if disk.score <= best.score + width:
        return [
            Text(
                N_(
                    "Best evaluated: step {best} ({best_value:.4g}), not on disk; best on disk: step {disk} "
                    "({disk_value:.4g}), as good within noise."
                ),
                numbers,
            )
        ]
    return [
        Text(
            N_(
                "Best evaluated: step {best} ({best_value:.4g}), not on disk; best on disk: step {disk} "
                "({disk_value:.4g}), worse by {regret:.3g}. Save at every evaluation, raise save_total_limit or set "
                "load_best_model_at_end=True, so that the best is kept."
            ),
            numbers,
        )
    ]


def _coverage_notes(candidates: Sequence[_Candidate], any_file: bool) -> list[Text]:
    if not any_file:
        return [Text(N_("No checkpoint was found on disk: the ranking says which step to keep or to train to."))]
    notes = []
    unsaved = [c.step for c in candidates if c.value is not None and c.file is None]
    unevaluated = [c.step for c in candidates if c.value is None]
    if unsaved:
        notes.append(
            Text(
                N_("Evaluations without a checkpoint on disk: {n} (steps {steps})."),
                {"n": len(unsaved), "steps": _listed(unsaved)},
            )
        )
    if unevaluated:
        notes.append(
            Text(
                N_("Checkpoints on disk that were not evaluated at their step: {n} (steps {steps})."),
                {"n": len(unevaluated), "steps": _listed(unevaluated)},
            )
        )
    return notes


def _listed(steps: Sequence[int]) -> str:
    return ", ".join(map(str, steps)) if len(steps) <= 6 else f"{steps[0]}, {steps[1]}, {steps[2]} … {steps[-1]}"


def _state_note(case: Case, chosen: _Candidate, metric: Metric, tied: Sequence[_Candidate]) -> list[Text]:
    """Guide K2: where trainer_state.json names another best, say so and why."""
    state = case.training.trainer_state
    named = _step_of(state.best_model_checkpoint) if state is not None else None
    if state is None or named is None or named == chosen.step:
        return []
    numbers: dict[str, object] = {"named": named, "step": chosen.step, "metric": metric.tag}
    used = case.argument("metric_for_best_model")
    if isinstance(used, str) and _plain(used) != _plain(metric.tag):
        why = Text(N_("it ranked by {used}, this by {metric}"), {"used": used, "metric": metric.tag})
    elif named in {c.step for c in tied}:
        why = Text(N_("the two are equally good within noise"))
    elif state.global_step is not None and state.global_step < chosen.step:
        why = Text(N_("it was written at step {at}, before that evaluation"), {"at": state.global_step})
    elif state.best_metric is not None and chosen.value is not None:
        numbers |= {"theirs": state.best_metric, "ours": chosen.value}
        why = Text(N_("it saw {theirs:.4g} there, against {ours:.4g} at step {step}"), numbers)
    else:
        why = Text(N_("it does not say by what it ranked"))
    said = {**numbers, "why": why}
    return [Text(N_("trainer_state.json names step {named} as the best, not step {step}: {why}."), said)]


def _optimism_notes(
    usable: Sequence[_Candidate], best: _Candidate, width: float, metric: Metric, limits: Limits
) -> list[Text]:
    """The smallest of several equal measurements flatters: by how much, in the metric's own unit."""
    n = len(usable)
    if n == 1:
        return [Text(N_("There is only one evaluation: it has nothing to be compared with."))]
    noise = width / limits.tie_sigmas
    # equal values were not selected from: a frozen model flatters nobody
    equal = len({c.score for c in usable if c.score <= best.score + width})
    if equal < 2:
        return []
    counts, expected = zip(*_BEST_OF_N)
    bias = noise * float(np.interp(math.log(equal), np.log(counts), expected))
    numbers: dict[str, object] = {"n": equal, "bias": bias, "metric": metric.tag, "all": n}
    if n < FEW_EVALS:
        return [
            Text(
                N_(
                    "The best of only {all} evaluations flatters: expect {metric} about {bias:.2g} worse on new data, "
                    "and evaluate the chosen checkpoint on a set of its own."
                ),
                numbers,
            )
        ]
    return [
        Text(
            N_("The best of {n} nearly equal evaluations flatters: expect {metric} {bias:.2g} worse on new data."),
            numbers,
        )
    ]


def _without_evaluations(case: Case, notes: Sequence[Text]) -> Ranking:
    """Checkpoints that nothing was evaluated for: the last one saved while the loss was finite, with its warning."""
    files, file_notes = match_files(case, np.empty(0, np.int64))
    died = _nan_onset(case)
    alive = [step for step in files if died is None or step < died]
    last = max(alive, default=None)
    rows = []
    order = sorted(files, key=lambda s: (s != last, died is not None and s >= died, -s))
    for number, step in enumerate(order, 1):
        file = files[step]
        if died is not None and step >= died:
            level = "bad"
            reason = Text(N_("Saved after the loss had become NaN or infinite at step {died}."), {"died": died})
        elif step == last:
            level = "warn"
            reason = Text(N_("Not evaluated; the last one saved, for want of anything better to choose by."))
        else:
            level, reason = "warn", Text(N_("Not evaluated, and not the last one saved."))
        rows.append(
            RankedCheckpoint(
                rank=number,
                step=step,
                path=file.path,
                on_disk=True,
                metric="",
                value=None,
                gap=None,
                perplexity=None,
                quality=next((r.rating for r in case.training.ratings if r.step == step), None),
                tied=False,
                recommended=step == last,
                level=level,
                reason=reason,
                size=file.size,
                modified=file.modified,
            )
        )
    said = Text(
        N_("The log holds no evaluation: nothing tells which checkpoint generalises best. Evaluate before you choose.")
    )
    return Ranking(checkpoints=tuple(rows), best_on_disk=last, notes=(said, *notes, *file_notes))
