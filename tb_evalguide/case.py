"""One training prepared for the rules: clean curves in their roles, and the statistics that several rules share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tb_evalguide import cost as costs
from tb_evalguide import stats
from tb_evalguide.config import Config
from tb_evalguide.model import Cost, Floats, Ints, Profile, Role, RoleChoice, Roles, Series, Training
from tb_evalguide.profiles import LATEST_EPOCH, may_count_epochs
from tb_evalguide.remedies import ALIASES

PERPLEXITY_LOSS = 20.0  # nats: exp(20) is 5e8, more tokens than any vocabulary has to hesitate among
KERAS_EPOCH = "epoch_"  # Keras' TensorBoard callback: epoch_loss, epoch_accuracy
LEAST_CURVE = 4  # points of a curve that a trend can be told from (failure-modes.md: three evals prove no trend)


@dataclass(frozen=True, eq=False)
class Curve:
    """The finite points of one series. steps (n,) strictly increasing; values and wall_times (n,)."""

    series: Series
    steps: Ints
    values: Floats
    wall_times: Floats

    @classmethod
    def of(cls, series: Series) -> Curve:
        finite = np.isfinite(series.values)
        if finite.all():
            return cls(series, series.steps, series.values, series.wall_times)
        return cls(series, series.steps[finite], series.values[finite], series.wall_times[finite])

    @property
    def tag(self) -> str:
        return self.series.tag

    def __len__(self) -> int:
        return len(self.steps)

    @cached_property
    def start(self) -> float:
        """Where it begins: its first value, steadied by a line through the first points where noise explains both.

        A real first fall is steep and is kept; a single odd first batch is not taken for the start.
        """
        first, n = float(self.values[0]), len(self)
        if n < 12:
            return first
        m = max(5, n // 20)
        slope = stats.theil_sen(self.steps[:m], self.values[:m])
        middle = float(stats.median(self.values[:m] - slope * (self.steps[:m] - self.steps[0])))
        return middle if abs(first - middle) <= 3 * self.noise else first

    @cached_property
    def log_noise(self) -> float:
        """Relative σ of one raw point about the local level; for curves that are not all positive, noise over range."""
        if len(self) < 5:
            return 0.0
        if (self.values > 0).all():
            d = stats.second_differences(self.steps, np.log(self.values))
            return stats.mad_sigma(np.concatenate([d, -d]))
        spread = float(np.ptp(self.level))
        return self.noise / spread if spread > 0 else 0.0

    @cached_property
    def noise(self) -> float:
        """σ of one raw point about the local level: robust, from second differences (insensitive to the trend)."""
        d = stats.second_differences(self.steps, self.values)
        return stats.mad_sigma(np.concatenate([d, -d])) if len(d) >= 3 else 0.0

    @cached_property
    def level(self) -> Floats:
        """Robust local level at each point: running median over 1/20 of the run, at least 5 points when n ≥ 20."""
        n = len(self)
        return stats.running_median(self.values, max(5, n // 20) if n >= 20 else (3 if n >= 8 else 1))

    @cached_property
    def coarse(self) -> tuple[Floats, Floats]:
        """(steps, medians) of at most 40 windows of equal numbers of points: the curve as the eye sees it."""
        centres, medians, _ = stats.bins(self.steps, self.values, 40 if len(self) >= 120 else max(4, len(self) // 3))
        return centres, medians

    def between(self, first: float, last: float) -> Curve:
        """The points with first ≤ step ≤ last."""
        a, b = np.searchsorted(self.steps, [first, last], side="left")
        b = int(np.searchsorted(self.steps, last, side="right"))
        return Curve(self.series, self.steps[a:b], self.values[a:b], self.wall_times[a:b])

    def head(self, share: float = 0.1, least: int = 1) -> float:
        """Median of the first `share` of the points (at least `least`)."""
        return float(stats.median(self.values[: max(least, round(len(self) * share))]))

    def tail(self, share: float = 0.1, least: int = 1) -> float:
        """Median of the last `share` of the points (at least `least`)."""
        return float(stats.median(self.values[-max(least, round(len(self) * share)) :]))


@dataclass(frozen=True, eq=False)
class Case:
    """A training, its roles, profile and configuration; every statistic is computed once and kept."""

    training: Training
    roles: Roles
    profile: Profile
    config: Config
    now: float | None = None  # wall time of the diagnosis, seconds; None = do not judge by age

    def curve(self, role: Role) -> Curve | None:
        """The finite points of a role's series, or None when the role is absent or has no finite point."""
        if role not in self._curves:
            series = self.roles.get(role)
            curve = Curve.of(series) if series is not None else None
            self._curves[role] = curve if curve is not None and len(curve) else None
        return self._curves[role]

    @cached_property
    def _curves(self) -> dict[Role, Curve | None]:
        return {}

    @property
    def train(self) -> Curve | None:
        return self.curve(Role.TRAIN_LOSS)

    @property
    def evals(self) -> Curve | None:
        return self.curve(Role.EVAL_LOSS)

    @property
    def lr(self) -> Curve | None:
        return self.curve(Role.LEARNING_RATE)

    @property
    def grad(self) -> Curve | None:
        return self.curve(Role.GRAD_NORM)

    @property
    def epoch(self) -> Curve | None:
        return self.curve(Role.EPOCH)

    @property
    def loss(self) -> Curve | None:
        """The curve that tells of learning: train loss, else eval loss; a point or two of train loss tell nothing."""
        train, evals = self.train, self.evals
        if train is not None and evals is not None and len(train) < LEAST_CURVE <= len(evals):
            return evals
        return train or evals

    @property
    def metrics(self) -> tuple[RoleChoice, ...]:
        return self.roles.metrics

    @property
    def arguments(self) -> Mapping[str, Any]:
        return self.training.arguments

    def argument(self, *names: str) -> Any:
        """The first of these arguments that the log states, else None."""
        for name in names:
            if self.arguments.get(name) is not None:
                return self.arguments[name]
        return None

    def number(self, *names: str) -> float | None:
        """Like `argument`, as a finite float, else None."""
        value = self.argument(*names)
        if isinstance(value, bool) or value is None:
            return None
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):  # an integer of 400 digits is no float
            return None
        return number if math.isfinite(number) else None

    @cached_property
    def last_step(self) -> int:
        return max((int(s.steps[-1]) for run in self.training.runs for s in run.series.values() if len(s)), default=0)

    @cached_property
    def first_step(self) -> int:
        firsts = [int(c.steps[0]) for c in (self.train, self.evals) if c is not None]
        return min(firsts, default=0)

    @cached_property
    def eval_noise(self) -> float:
        """σe of one evaluation (stats.eval_noise) in the later half of the run; 0.0 without evaluations.

        The bend of the first evaluations would pass for noise, and early evaluations of an unready model scatter more.
        """
        if self.evals is None:
            return 0.0
        late = slice(-max(6, (len(self.evals) + 1) // 2), None)
        return stats.eval_noise(self.evals.steps[late], self.evals.values[late])

    @cached_property
    def train_noise(self) -> float:
        """σt of one train-loss point about its local level; 0.0 without a train loss."""
        return self.train.noise if self.train is not None else 0.0

    @cached_property
    def best_eval(self) -> int:
        """Index of the lowest evaluation: by triangular 3-point mean from 8 evaluations on, else by the raw value."""
        evals = self.evals
        if evals is None:
            return 0
        y = evals.values
        if len(y) < 8:
            return int(np.argmin(y))
        padded = np.concatenate([y[:1], y, y[-1:]])
        return int(np.argmin(0.25 * padded[:-2] + 0.5 * padded[1:-1] + 0.25 * padded[2:]))

    def train_at(self, steps: Ints | Floats) -> Floats:
        """Train level at the given steps: median of the points since the evaluation before (at least 3 when dense).

        Matching the window to the evaluation interval keeps a lagging running mean from looking like a gap.
        NaN where the train loss says nothing.
        """
        wanted = np.asarray(steps, np.float64)
        out = np.full(len(wanted), np.nan)
        train = self.train
        if train is None:
            return out
        x = train.steps.astype(np.float64)
        spacing = float(stats.median(np.diff(x))) if len(x) > 1 else 0.0
        eval_spacing = float(stats.median(np.diff(wanted))) if len(wanted) > 1 else 0.0
        dense = spacing > 0 and eval_spacing >= 3 * spacing
        reach = 1.5 * max(spacing, eval_spacing)
        near = (x[0] - reach <= wanted) & (wanted <= x[-1] + reach)
        out[near] = np.interp(wanted[near], x, train.values)
        if dense:
            # centred on the evaluation, so that a falling loss is not read early or late
            half = min(eval_spacing / 2, 10 * spacing)
            first, last = np.searchsorted(x, wanted - half), np.searchsorted(x, wanted + half + 1e-9)
            for k in np.flatnonzero(last > first).tolist():
                out[k] = float(stats.median(train.values[first[k] : last[k]]))
        return out

    @cached_property
    def gaps(self) -> Floats:
        """eval loss − train level at each evaluation; NaN where train is unknown."""
        if self.evals is None:
            return np.empty(0)
        gaps: Floats = self.evals.values - self.train_at(self.evals.steps)
        return gaps

    @cached_property
    def steps_per_epoch(self) -> float | None:
        """From the epoch series or the arguments; None where neither tells."""
        curve = self.epoch
        if curve is not None and len(curve) >= 2 and curve.values[-1] > curve.values[0]:
            slope = stats.theil_sen(curve.steps, curve.values)
            if slope > 0:
                return 1.0 / slope
        state = self.training.trainer_state
        if state is not None and state.epoch and state.global_step:
            return state.global_step / state.epoch
        planned, epochs = self.number("max_steps", "total_steps"), self.planned_epochs
        if planned and planned > 0 and epochs and epochs > 0:
            return planned / epochs
        return None

    @cached_property
    def steps_are_epochs(self) -> bool:
        """The step axis counts epochs (Keras, plain loops): every step has its point, or a series of epochs says so."""
        curve = self.evals if self.evals is not None else self.train
        if self.epoch is not None and len(self.epoch) >= 3 and self.steps_per_epoch is not None:
            return math.isclose(self.steps_per_epoch, 1.0, rel_tol=0.01)
        if curve is None or self.epoch is not None or self.steps_per_epoch is not None:
            return False
        if curve.tag.startswith(KERAS_EPOCH) and curve.steps[0] <= 1 and curve.steps[-1] <= LATEST_EPOCH:
            return True  # Keras' callback writes a point an epoch; the log may have been thinned
        return may_count_epochs(curve.steps, self.evals is not None and self.train is not None)

    def epochs_at(self, step: float) -> float | None:
        """Epoch at a step; None where the log does not tell."""
        if self.epoch is not None and len(self.epoch) >= 2:
            return float(np.interp(step, self.epoch.steps, self.epoch.values))
        per_epoch = self.steps_per_epoch
        if per_epoch:
            return step / per_epoch
        return float(step) if self.steps_are_epochs else None

    @cached_property
    def planned_epochs(self) -> float | None:
        """How many epochs the run meant to take, where it says so.

        Hugging Face's own number of epochs is there by default, and means nothing beside a positive `max_steps`.
        """
        steps = self.number("max_steps")
        by_steps = steps is not None and steps > 0
        return self.number(*(() if by_steps else ("num_train_epochs",)), "max_epochs", "num_epochs", "epochs")

    @cached_property
    def planned_steps(self) -> int | None:
        """How many steps the run meant to take, where it says so."""
        state = self.training.trainer_state
        if state is not None and state.max_steps and state.max_steps > 0:
            return int(state.max_steps)
        planned = self.number("max_steps", "total_steps", "num_training_steps", "num_steps")
        if planned and planned > 0:
            return int(planned)
        epochs, per_epoch = self.planned_epochs, self.steps_per_epoch
        if epochs and epochs > 0 and per_epoch and math.isfinite(epochs * per_epoch):
            return round(epochs * per_epoch)
        return None

    @cached_property
    def warmup_steps(self) -> int | None:
        """Steps for which the learning rate is meant to rise, by the arguments; None where these do not tell."""
        steps = self.number(*ALIASES["warmup_steps"])
        if steps is not None and steps > 0:
            return int(steps)
        share = self.number(*ALIASES["warmup_ratio"])
        if share is not None and 0 < share <= 1 and self.planned_steps is not None:
            return round(share * self.planned_steps)
        return None

    @cached_property
    def is_nats(self) -> bool:
        """Losses are token cross-entropies in nats, so that exp(loss) is a perplexity."""
        return self.profile.id in ("guide", "llm-sft", "pretrain")

    def perplexity(self, loss: float | None) -> float | None:
        """exp(loss) where the loss is a cross-entropy of tokens in nats and the figure means anything, else None."""
        if not self.is_nats or loss is None or not math.isfinite(loss) or loss > PERPLEXITY_LOSS:
            return None
        return math.exp(loss)

    @cached_property
    def timing(self) -> costs.Timing:
        """The intervals between logged train points."""
        return costs.timing(self)

    @cached_property
    def cost(self) -> Cost:
        """Time of the run, pauses taken out."""
        return costs.measure_cost(self)

    @property
    def is_guide(self) -> bool:
        return self.profile.id == "guide"
