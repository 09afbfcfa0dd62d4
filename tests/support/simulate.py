"""Simulated trainings with a known fault, step by step, and the many ways in which one and the same could be logged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from tb_evalguide.config import Config
from tb_evalguide.diagnosis import diagnose_training
from tb_evalguide.model import Floats, Ints, Run, RunReport, Series, Training

STEPS = 2000
EVAL_EVERY = 100


@dataclass(frozen=True)
class Truth:
    """What happened at every step, (STEPS,) each: train loss with its batch noise, eval loss, rate, gradient norm."""

    train: Floats
    evals: Floats
    lr: Floats
    grad: Floats | None = None


@dataclass(frozen=True)
class Log:
    """What was written of it. Each curve: steps, values."""

    curves: Mapping[str, tuple[Ints, Floats]]
    wall_start: float = 1.7e9
    seconds_per_step: float = 0.5

    def training(self, name: str = "run") -> Training:
        series = {
            tag: Series(tag, ".", steps, values, self.wall_start + self.seconds_per_step * steps.astype(np.float64))
            for tag, (steps, values) in self.curves.items()
        }
        return Training(name, (Run(".", series),))

    def shifted(self, steps: int) -> Log:
        return replace(self, curves={tag: (x + steps, y) for tag, (x, y) in self.curves.items()})

    def scaled(self, factor: float) -> Log:
        """Losses in another unit."""
        curves = {tag: (x, factor * y if tag.endswith("loss") else y) for tag, (x, y) in self.curves.items()}
        return replace(self, curves=curves)


def diagnose(log: Log, profile: str | None = None) -> RunReport:
    return diagnose_training(log.training(), Config(profile=profile))


def label(log: Log, profile: str | None = None) -> str:
    return diagnose(log, profile).verdict.label


def log_every(truth: Truth, interval: int, eval_every: int = EVAL_EVERY) -> Log:
    """Single batches at every `interval`-th step, evaluations at every `eval_every`-th."""
    at = np.arange(interval, STEPS + 1, interval)
    evals_at = np.arange(eval_every, STEPS + 1, eval_every)
    curves = {
        "train/loss": (at, truth.train[at - 1]),
        "eval/loss": (evals_at, truth.evals[evals_at - 1]),
        "train/learning_rate": (at, truth.lr[at - 1]),
    }
    if truth.grad is not None:
        curves["train/grad_norm"] = (at, truth.grad[at - 1])
    return Log(curves)


def log_epochs(truth: Truth, epochs: int = 40) -> Log:
    """The mean of each epoch at steps 0, 1, 2 …, as Keras does."""
    ends = np.arange(1, epochs + 1) * (STEPS // epochs)
    number = np.arange(epochs)
    curves = {
        "train/loss": (number, np.array([part.mean() for part in np.split(truth.train, epochs)])),
        "eval/loss": (number, truth.evals[ends - 1]),
        "train/learning_rate": (number, truth.lr[ends - 1]),
    }
    return Log(curves, seconds_per_step=60.0)


# --- what happens in them -------------------------------------------------------------------------------------------

X = np.linspace(0, 1, STEPS)


def _noisy(level: Floats, seed: int, noise: float = 0.03) -> Floats:
    return level * (1 + noise * np.random.default_rng(seed).standard_normal(STEPS))


def _evals(level: Floats, seed: int, noise: float = 0.003) -> Floats:
    return _noisy(level, seed + 1000, noise)


def _cosine() -> Floats:
    return 2e-5 * np.minimum(1, X / 0.05) * 0.5 * (1 + np.cos(np.pi * X))


def _fall(start: float, end: float, rate: float) -> Floats:
    return end + (start - end) * np.exp(-rate * X)


def healthy(seed: int) -> Truth:
    level = _fall(2.6, 1.0, 4)
    return Truth(_noisy(level, seed), _evals(level + 0.08, seed), _cosine())


def healthy_noisy(seed: int) -> Truth:
    """Small batches: single losses scatter by a quarter."""
    level = _fall(2.6, 1.0, 4)
    return Truth(_noisy(level, seed, 0.25), _evals(level + 0.08, seed), _cosine())


def overfitting(seed: int) -> Truth:
    level = _fall(2.5, 0.4, 4)
    evals = np.where(X < 0.4, _fall(2.55, 1.2, 8), 0) + np.where(X >= 0.4, 1.255 + 0.9 * (X - 0.4), 0)
    return Truth(_noisy(level, seed), _evals(evals, seed), np.full(STEPS, 2e-5))


def too_slow(seed: int) -> Truth:
    """The guide's C4b: from 2.50 to 2.47."""
    level = 2.5 - 0.03 * X
    return Truth(_noisy(level, seed, 0.005), _evals(level + 0.05, seed, 0.001), np.full(STEPS, 1e-7))


def rising(seed: int) -> Truth:
    """The guide's C4a: from 2.50 up to 3.5."""
    level = 2.5 + 1.0 * X + 0.25 * np.sin(6 * np.pi * X)
    return Truth(_noisy(level, seed), _evals(level + 0.05, seed), np.full(STEPS, 2e-3))


def diverging(seed: int) -> Truth:
    level = np.where(X < 0.6, _fall(2.5, 1.0, 6), 0) + np.where(X >= 0.6, 1.04 + 3.0 * (1 - np.exp(-12 * (X - 0.6))), 0)
    return Truth(_noisy(level, seed), _evals(level + 0.05, seed), np.full(STEPS, 1e-3))


def breaking(seed: int) -> Truth:
    """NaN from step 1200 on."""
    truth = healthy(seed)
    train, evals = truth.train.copy(), truth.evals.copy()
    train[1199:] = evals[1199:] = np.nan
    return replace(truth, train=train, evals=evals)


def zeroed(seed: int) -> Truth:
    """NaN from step 1200 on, which the train loss hides as 0 and the gradient norm does not."""
    truth = breaking(seed)
    train, grad = truth.train.copy(), np.full(STEPS, 0.8)
    train[1199:], grad[1199:] = 0.0, np.nan
    return replace(truth, train=train, grad=grad)


def swinging(seed: int) -> Truth:
    level = _fall(2.5, 1.0, 5) * np.exp(0.35 * np.sin(10 * np.pi * X) * np.minimum(1, 4 * X))
    return Truth(_noisy(level, seed), _evals(level + 0.05, seed), np.full(STEPS, 1e-3))


def stopped(seed: int) -> Truth:
    """The learning rate is cut to nothing at a tenth of the run, and the loss stands from there on."""
    at = STEPS // 10
    level = _fall(2.6, 1.0, 4)
    level[at:] = level[at]
    lr = np.full(STEPS, 2e-5)
    lr[at:] = 2e-11
    return Truth(_noisy(level, seed), _evals(level + 0.08, seed), lr)


NOT_LEARNING = {"lr_too_low", "underfitting", "plateau"}
INSTABLE = {"lr_too_high", "divergence", "oscillation", "spike"}
SIMULATED: Mapping[str, tuple[Callable[[int], Truth], set[str]]] = {
    "healthy": (healthy, {"healthy"}),
    "healthy, small batches": (healthy_noisy, {"healthy"}),
    "overfitting": (overfitting, {"overfitting"}),
    "too slow": (too_slow, NOT_LEARNING),
    "rising": (rising, INSTABLE),
    "diverging": (diverging, INSTABLE),
    "NaN": (breaking, {"nan"}),
    "zeros for NaN": (zeroed, {"nan"}),
    "swinging": (swinging, INSTABLE),
    "rate cut to nothing": (stopped, {"lr_too_low", "lr_schedule", "plateau", "underfitting"}),
}
