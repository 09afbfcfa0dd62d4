"""The judgement table: one row an evaluation (else a logged point), judged as the guide judges C1–C4b."""

from __future__ import annotations

import math

import numpy as np

from tb_evalguide import stats
from tb_evalguide.case import Case, Curve
from tb_evalguide.i18n import N_
from tb_evalguide.model import Judgement, Role, Series, Text

MAX_ROWS = 200  # longer tables are thinned evenly; first, last, best and every non-finite row are kept
GAP_LIMIT = 0.5  # M8: eval loss > train loss + 0.5, strict
LOW_LOSS = 0.3  # M6: below 0.3 possible overfitting, strict
GAP_IDEAL = 0.15  # C1: a steady gap of 0.05–0.15
START_LIMIT = 3.0  # M5, M7: a start above 3.0 is not the reference model's
SLOW_TOTAL = 0.10  # C3: 6 % in 140 steps is underfitting, C1's 16 % in 40 steps is not
SLOW_FIRST = 0.05  # C3, C4b: 2 % and 0.4 % in the first 40 steps are slow; C1's 16 % is not
EPOCH_STEPS = 40  # the guide's rows are 40–50 steps apart: where steps count epochs, one row stands for as many
SLOW_STEPS = 80  # C3, C4b: hardly any change is bad from the third row (90 steps after the first) on
RISE = 0.05  # C4a: a rise of 24 % is bad; one below 5 % is within batch noise
EVAL_RISE = 0.01  # C2: +3 % over the evaluation before is bad; less than 1 % is noise


def judge(case: Case) -> tuple[Judgement, ...]:
    """Rows in step order. Absolute limits speak only in the guide profile; elsewhere the run's own noise decides."""
    series = case.roles.get(Role.EVAL_LOSS)
    if series is not None and len(series):
        return thin(_eval_rows(case, series))
    series = case.roles.get(Role.TRAIN_LOSS)
    if series is not None and len(series):
        return thin(_train_rows(case, series))
    return ()


def thin(rows: list[Judgement]) -> tuple[Judgement, ...]:
    """At most about MAX_ROWS rows, evenly, keeping the first, the last and the first row of each level change."""
    if len(rows) <= MAX_ROWS:
        return tuple(rows)
    keep = set(np.linspace(0, len(rows) - 1, MAX_ROWS).round().astype(int).tolist())
    losses = [row.eval_loss if row.eval_loss is not None else row.train_loss for row in rows]
    finite = [(value, i) for i, value in enumerate(losses) if value is not None and math.isfinite(value)]
    if finite:
        keep.add(min(finite)[1])
    return tuple(rows[i] for i in sorted(keep))


class _Past:
    """What of the finite evaluations so far a row is judged by."""

    def __init__(self) -> None:
        self.count = 0
        self.first_step = 0
        self.first = self.before = math.nan
        self.lowest = math.inf
        self.gaps: list[float] = []  # the last two known gaps

    def add(self, step: int, value: float, gap: float | None) -> None:
        if not self.count:
            self.first_step, self.first = step, value
        self.count += 1
        self.before = value
        self.lowest = min(self.lowest, value)
        if gap is not None:
            self.gaps = [*self.gaps[-1:], gap]


def _eval_rows(case: Case, series: Series) -> list[Judgement]:
    pace = EPOCH_STEPS if case.steps_are_epochs else 1
    train_levels = case.train_at(series.steps)
    guide = case.is_guide
    noise = case.eval_noise
    rows: list[Judgement] = []
    past = _Past()
    for step, value, level in zip(series.steps.tolist(), series.values.tolist(), train_levels.tolist()):
        train = level if math.isfinite(level) else None
        gap = value - train if train is not None and math.isfinite(value) else None
        grade, reason = _judge_eval(step * pace, value, gap, past, guide, noise)
        rows.append(Judgement(step, train, value, gap, case.perplexity(value), grade, reason))
        if math.isfinite(value):
            past.add(step * pace, value, gap)
    return rows


def _judge_eval(step: int, value: float, gap: float | None, past: _Past, guide: bool, noise: float) -> tuple[str, Text]:
    if not math.isfinite(value):
        return "bad", Text(N_("eval loss is not a number"))
    if guide and gap is not None and stats.above(gap, GAP_LIMIT):
        return "bad", Text(N_("overfitting: eval loss is {gap:.2f} above train loss, more than 0.5"), {"gap": gap})
    if not past.count:
        if guide and stats.above(value, START_LIMIT):
            return "warn", Text(N_("start: loss above 3.0"))
        return "ok", Text(N_("start"))
    first_step, first, before, lowest = past.first_step, past.first, past.before, past.lowest
    margin = max(EVAL_RISE * abs(before), 2 * noise) if not guide else EVAL_RISE * abs(before)
    if value > before + margin and value > lowest + margin:
        return "bad", Text(N_("eval loss rises: {before:.3g} → {value:.3g}"), {"before": before, "value": value})
    if value > lowest + max(margin, 2 * noise) and value > lowest * (1 + 2 * EVAL_RISE):
        return "warn", Text(N_("eval loss stays above its lowest value {lowest:.3g}"), {"lowest": lowest})
    fall = (first - value) / abs(first) if first else 0.0
    if guide and fall < SLOW_TOTAL and step - first_step >= SLOW_STEPS and value > 1.5:
        return "bad", Text(N_("underfitting: only {fall:.1%} below the start"), {"fall": fall})
    if guide and past.count == 1 and fall < SLOW_FIRST and value > 1.5:
        return "warn", Text(N_("slow fall: only {fall:.1%} below the start"), {"fall": fall})
    gaps = past.gaps
    if gap is not None and len(gaps) >= 2 and _grows(gaps[-2], gaps[-1], gap, value - gap, noise, guide):
        return "warn", Text(N_("the gap grows: {before:.4g} → {gap:.4g}"), {"before": gaps[-1], "gap": gap})
    if guide and gap is not None and stats.below(value - gap, LOW_LOSS):
        return "warn", Text(N_("train loss {loss:.2f} is below 0.3: possible overfitting"), {"loss": value - gap})
    if value < before - margin:
        return "ok", Text(N_("eval loss falls"))
    return "ok", Text(N_("eval loss holds its level"))


def _grows(two_before: float, before: float, gap: float, train: float, noise: float, guide: bool) -> bool:
    """The gap widens twice in a row by more than noise (C2, step 150), or once beyond C1's steady 0.05–0.15."""
    least = 0.02 if guide else max(2 * noise, 0.02 * abs(train))
    twice = before - two_before > least and gap - before > least
    return (twice and gap > 0) or (guide and gap > GAP_IDEAL + least / 4 and gap - before > least)


def _train_rows(case: Case, series: Series) -> list[Judgement]:
    pace = EPOCH_STEPS if case.steps_are_epochs else 1
    curve = Curve.of(series)
    guide = case.is_guide
    noise = curve.noise
    first_step: int | None = None
    first = before = lowest = math.nan
    rows: list[Judgement] = []
    for step, value in zip(series.steps.tolist(), series.values.tolist()):
        if not math.isfinite(value):
            rows.append(Judgement(step, value, None, None, None, "bad", Text(N_("train loss is not a number"))))
            continue
        if first_step is None:
            first_step, first, before, lowest = step, value, value, value
            grade, reason = "ok", Text(N_("start"))
            if guide and stats.above(value, START_LIMIT):
                grade, reason = "warn", Text(N_("start: loss above 3.0"))
        else:
            grade, reason = _judge_train((step - first_step) * pace, value, first, before, noise, guide)
            lowest = min(lowest, value)
        rows.append(Judgement(step, value, None, None, case.perplexity(value), grade, reason))
        before = value
    return rows


def _judge_train(since: int, value: float, first: float, before: float, noise: float, guide: bool) -> tuple[str, Text]:
    margin = max(RISE * abs(before), 4 * noise)
    if value > before + margin and value > first:
        return "bad", Text(N_("train loss rises: {before:.3g} → {value:.3g}"), {"before": before, "value": value})
    if value > first + max(RISE * abs(first), 4 * noise):
        return "warn", Text(N_("unstable: above the start {first:.3g}"), {"first": first})
    if value > before + margin:
        return "warn", Text(N_("train loss jumps: {before:.3g} → {value:.3g}"), {"before": before, "value": value})
    fall = (first - value) / abs(first) if first else 0.0
    if value == 0:
        return "bad", Text(N_("train loss is exactly 0: zeros stand in place of NaN, or nothing counts"))
    if guide and stats.below(value, LOW_LOSS):
        return "warn", Text(N_("train loss {loss:.2f} is below 0.3: possible overfitting"), {"loss": value})
    if guide and fall < SLOW_FIRST and since >= SLOW_STEPS and value > 1.5:
        return "bad", Text(N_("too slow: only {fall:.1%} below the start"), {"fall": fall})
    if guide and fall < SLOW_FIRST / 2 and since > 0 and value > 1.5 and since >= SLOW_STEPS / 4:
        return "warn", Text(N_("hardly any change: {fall:.1%} below the start"), {"fall": fall})
    return "ok", Text(N_("train loss falls")) if value < before else Text(N_("within its noise"))
