"""Whatever stands in a log, ranking, phases, cost and their rules answer: no error, no impossible number."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

from tb_evalguide.checklist import checklist, signals
from tb_evalguide.checkpoints import rank
from tb_evalguide.config import Config
from tb_evalguide.cost import measure_cost
from tb_evalguide.diagnosis import check_rule
from tb_evalguide.i18n import render
from tb_evalguide.model import LogFault, Role, SampleRating, Series, TrainerState
from tb_evalguide.rules import RULES
from tb_evalguide.status import run_status

from .support.phases import case, file

MINE = [rule for rule in RULES if rule.id.startswith(("CST", "MEM", "JOB"))]
ARGUMENTS = (
    "max_steps",
    "num_train_epochs",
    "metric_for_best_model",
    "greater_is_better",
    "load_best_model_at_end",
    "eval_steps",
    "learning_rate",
    "save_total_limit",
    "batch_size",
)
ODD = (0, -1, 3, 10**9, "f1", "x", True, None, float("nan"), 2e-5, [1])


def odd_values(rng: np.random.Generator, n: int) -> np.ndarray:
    kinds = (
        lambda: rng.normal(2, 1, n),
        lambda: np.zeros(n),
        lambda: np.full(n, np.nan),
        lambda: np.full(n, np.inf),
        lambda: rng.normal(0, 1e200, n),
        lambda: np.exp(-np.arange(n) / max(1, n / 3)),
        lambda: rng.choice([1.0, np.nan, -np.inf, 0.0, 1e-300], n),
        lambda: np.full(n, -3.0),
    )
    return kinds[rng.integers(len(kinds))]()


def odd_series(rng: np.random.Generator, tag: str) -> Series:
    n = int(rng.choice([1, 2, 3, 4, 5, 7, 8, 9, 24, 60, 200]))
    steps = np.cumsum(rng.integers(1, rng.choice([2, 50, 10**6]), n)) - int(rng.integers(0, 2))
    times = (
        np.cumsum(rng.exponential(10.0, n)) + 1.7e9,
        np.full(n, np.nan),
        rng.normal(1e9, 1e9, n),
    )[rng.integers(3)]
    return Series(tag, ".", steps.astype(np.int64), odd_values(rng, n), times)


def odd_case(seed: int):
    rng = np.random.default_rng(seed)

    def maybe(tag: str, share: float) -> Series | None:
        return odd_series(rng, tag) if rng.random() < share else None

    kinds = ("hf", "lightning", "keras", "torch", "safetensors", "final")
    files = tuple(
        file(
            int(rng.integers(0, 100)) if rng.random() < 0.7 else None,
            kinds[rng.integers(len(kinds))],
            epoch=float(rng.integers(0, 20)) if rng.random() < 0.4 else None,
            path=f"p{i}{{x}}",
        )
        for i in range(rng.integers(0, 6))
    )
    metrics = [(odd_series(rng, "eval/f1"), (True, False, None)[rng.integers(3)])] if rng.random() < 0.3 else ()
    return case(
        maybe("train/loss", 0.6),
        maybe("eval/loss", 0.6),
        lr=maybe("lr", 0.3),
        epoch=maybe("epoch", 0.3),
        grad=maybe("grad", 0.3),
        metrics=metrics,
        roles={Role.MEMORY: odd_series(rng, "memory")} if rng.random() < 0.3 else None,
        profile=("guide", "generic", "pretrain")[rng.integers(3)],
        config=Config(metric="f1" if rng.random() < 0.2 else None),
        now=(1.7e9, 1.7e9 + 1e4, 0.0, 2e9, None)[rng.integers(5)],
        extra=[odd_series(rng, "eval/runtime")] if rng.random() < 0.3 else [],
        checkpoint_files=files,
        arguments={name: ODD[rng.integers(len(ODD))] for name in ARGUMENTS if rng.random() < 0.3},
        ratings=tuple(
            SampleRating(int(rng.integers(0, 50)), ("poor", "good")[rng.integers(2)]) for _ in range(rng.integers(0, 3))
        ),
        log_faults=tuple(LogFault("out_of_memory", "a", 1, "{b}", 1.7e9) for _ in range(rng.integers(0, 2))),
        trainer_state=TrainerState("p", "checkpoint-10", 1.0, 5, 100) if rng.random() < 0.3 else None,
    )


@pytest.mark.parametrize("block", range(8))
def test_every_odd_log_is_answered(block: int) -> None:
    for seed in range(block * 40, block * 40 + 40):
        made = odd_case(seed)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            ranking, status, cost = rank(made), run_status(made, made.now), measure_cost(made)
            texts = [*ranking.notes, *(c.reason for c in ranking.checkpoints), status.reason]
            texts += [s.reason for s in signals(made)]
            texts += [text for i in checklist(made, (), ranking, status) for text in (i.item, i.reason)]
            results = [check_rule(rule, made).result for rule in MINE]
        assert all(render(text, lang) for text in texts for lang in ("en", "ko")), seed
        assert not [r for r in results if r.outcome == "error"], seed
        assert [c.rank for c in ranking.checkpoints] == list(range(1, len(ranking.checkpoints) + 1)), seed
        assert sum(c.recommended for c in ranking.checkpoints) <= 1, seed
        assert ranking.regret is None or ranking.regret >= 0, seed
        recommended = [c for c in ranking.checkpoints if c.recommended and c.value is not None]
        assert all(math.isfinite(c.value or 0.0) for c in recommended), seed
        for value in (cost.active_seconds, cost.seconds_per_step, cost.seconds_per_epoch, cost.eval_share):
            assert value is None or (math.isfinite(value) and value >= 0), seed
        assert status.progress is None or 0 <= status.progress <= 1, seed
