"""Makes a `Case` from a few numbers, for the tests of ranking, phases, cost and comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tb_evalguide.case import Case
from tb_evalguide.config import Config
from tb_evalguide.model import CheckpointFile, Profile, Role, RoleChoice, Roles, Run, Series, Text, Training

REASON = Text("test")


def series(
    tag: str, steps: Sequence[float], values: Sequence[float], start: float = 1.7e9, pace: float = 1.0
) -> Series:
    """One point a step; the wall time is `start` + `pace` seconds a step."""
    at = np.asarray(steps, np.int64)
    return Series(tag, ".", at, np.asarray(values, np.float64), start + pace * at.astype(np.float64))


def timed(tag: str, steps: Sequence[int], wall_times: Sequence[float], values: Sequence[float] | None = None) -> Series:
    """A series with its own wall times."""
    at = np.asarray(steps, np.int64)
    given = np.linspace(2.0, 1.0, len(at)) if values is None else np.asarray(values, np.float64)
    return Series(tag, ".", at, given, np.asarray(wall_times, np.float64))


def file(
    step: int | None, kind: str = "hf", *, epoch: float | None = None, path: str = "", **more: Any
) -> CheckpointFile:
    name = path or f"checkpoint-{step if step is not None else epoch}"
    return CheckpointFile(name, step, epoch, more.get("size", 100), more.get("modified", float(step or 0)), kind)


def case(
    train: Series | None = None,
    evals: Series | None = None,
    *,
    lr: Series | None = None,
    epoch: Series | None = None,
    grad: Series | None = None,
    metrics: Sequence[tuple[Series, bool | None]] = (),
    extra: Sequence[Series] = (),
    roles: Mapping[Role, Series] | None = None,
    profile: str = "guide",
    config: Config | None = None,
    now: float | None = None,
    **training: Any,
) -> Case:
    """A training with these series in their roles; keywords go to `Training` (arguments, checkpoint_files, …)."""
    given = {
        Role.TRAIN_LOSS: train,
        Role.EVAL_LOSS: evals,
        Role.LEARNING_RATE: lr,
        Role.EPOCH: epoch,
        Role.GRAD_NORM: grad,
        **(roles or {}),
    }
    choices = {role: RoleChoice(role, s, REASON) for role, s in given.items() if s is not None}
    measured = tuple(RoleChoice(Role.EVAL_METRIC, s, REASON, greater_is_better=up) for s, up in metrics)
    every = [*(c.series for c in choices.values()), *(c.series for c in measured), *extra]
    status = training.pop("run_status", None)
    run = Run(".", {s.tag: s for s in every}, status=status)
    return Case(
        Training("run", (run,), **training),
        Roles(choices, measured),
        Profile(profile, REASON),
        config if config is not None else Config(),
        now,
    )


def table(rows: Sequence[tuple[int, float, float]]) -> tuple[Series, Series]:
    """Train and eval loss from the guide's rows (step, train, eval)."""
    steps = [r[0] for r in rows]
    return series("train/loss", steps, [r[1] for r in rows]), series("eval/loss", steps, [r[2] for r in rows])


C1 = ((10, 2.50, 2.55), (50, 2.10, 2.15), (100, 1.70, 1.80), (150, 1.40, 1.50), (200, 1.15, 1.25), (250, 0.95, 1.10))
C2 = ((10, 2.50, 2.55), (50, 2.10, 2.15), (100, 1.70, 1.80), (150, 1.40, 1.55), (200, 1.15, 1.60), (250, 0.90, 1.75))
C3 = ((10, 2.50, 2.55), (50, 2.45, 2.50), (100, 2.40, 2.45), (150, 2.35, 2.42))
K5 = ((100, 1.1, 1.2), (150, 0.9, 1.1), (200, 0.9, 1.3))
