"""Which profile speaks: the guide for its own bare tables, never for what is not language-model fine-tuning."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from tb_evalguide.i18n import render
from tb_evalguide.model import Profile, Run, Series, Training
from tb_evalguide.profiles import PROFILES, choose_profile
from tb_evalguide.roles import choose_roles
from tb_evalguide.sources import read_trainings
from tests.guide.conventions import CONVENTIONS, Row
from tests.guide.tables import TABLES as GUIDE_TABLES

TABLES: dict[str, list[Row]] = {
    table.id: [(row.step, row.train, row.eval) for row in table.rows] for table in GUIDE_TABLES
}


def profile(
    curves: dict[str, list[float]],
    *,
    steps: object = None,
    forced: str | None = None,
    framework: str | None = None,
    **more: object,
) -> Profile:
    runs: dict[str, dict[str, Series]] = {}
    for name, values in curves.items():
        run, _, tag = name.rpartition(": ")
        at = np.arange(1, len(values) + 1, dtype=np.int64) * 50 if steps is None else np.asarray(steps, np.int64)
        series = Series(tag, run or ".", at, np.asarray(values, np.float64), at.astype(np.float64))
        runs.setdefault(run or ".", {})[tag] = series
    found = Training(".", tuple(Run(n, s) for n, s in runs.items()), framework=framework, **more)  # type: ignore[arg-type]
    return choose_profile(found, choose_roles(found), forced)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("name", CONVENTIONS)
def test_a_bare_table_of_the_guide_needs_no_option(name: str, table: str, tmp_path: Path) -> None:
    convention = CONVENTIONS[name]
    rows = [(s, t, e if convention.evaluates else None) for s, t, e in TABLES[table]]
    convention.write(tmp_path, rows)
    (found,) = read_trainings(str(tmp_path))
    assert choose_profile(found, choose_roles(found)).id == convention.profile


@pytest.mark.parametrize("table", TABLES)
def test_the_same_table_as_two_thousand_noisy_steps(table: str) -> None:
    rows = TABLES[table]
    x = np.arange(1, 2001)
    rng = np.random.default_rng(0)
    columns = {"train/loss": [r[1] for r in rows]} | ({"eval/loss": [r[2] for r in rows]} if rows[0][2] else {})
    at = np.linspace(1, 2000, len(rows))
    curves = {
        tag: list(np.interp(x, at, [float(v) for v in values if v is not None]) + rng.normal(0, 0.03, 2000))
        for tag, values in columns.items()
    }
    assert profile(curves, steps=x).id == "guide"


FALL = [2.5, 2.1, 1.8, 1.5]
NOT_THE_GUIDE: dict[str, tuple[str, dict[str, object]]] = {
    "accuracy": (
        "classification",
        {"curves": {"Loss/train": FALL, "Loss/val": FALL, "Accuracy/val": [0.1, 0.3, 0.5, 0.6]}},
    ),
    "starts_at_ln_10": (
        "classification",
        {"curves": {"Loss/train": [2.30, 1.9, 1.6, 1.4], "Loss/val": [2.29, 1.9, 1.7, 1.6]}},
    ),
    "averaged_start_of_ten_classes": ("generic", {"curves": {"Loss/train": [2.1, 1.7, 1.5, 1.3]}}),
    "unknown_curves": ("generic", {"curves": {"Loss/train": FALL, "Curvature": FALL}}),
    "starts_at_ln_2": ("classification", {"curves": {"train_loss": [0.693, 0.5, 0.4, 0.3]}}),
    "regression": ("generic", {"curves": {"train_loss": FALL, "val_loss": FALL, "val_rmse": [3.0, 2.0, 1.5, 1.0]}}),
    "epochs": ("generic", {"curves": {"train_loss": FALL, "val_loss": FALL}, "steps": [0, 1, 2, 3]}),
    "own_model": (
        "generic",
        {"curves": {"train_loss": FALL, "val_loss": FALL}, "arguments": {"hidden_size": 30, "lag": 24, "lr": 1e-3}},
    ),
    "own_project": (
        "generic",
        {"curves": {"loss": FALL, "val_loss": FALL}, "arguments": {"continent": "Asia", "lr": 1e-3}},
    ),
    "low_start": ("generic", {"curves": {"Loss/train": [1.1, 0.6, 0.4, 0.3], "Loss/val": [1.2, 0.7, 0.5, 0.4]}}),
    "high_start": (
        "generic",
        {"curves": {"Loss/train": [60.0, 40.0, 20.0, 9.0], "Loss/val": [58.0, 41.0, 22.0, 12.0]}},
    ),
    "eval_far_from_train": (
        "generic",
        {"curves": {"train_loss": [2.1, 2.0, 1.9, 1.8], "val_loss": [0.4, 0.3, 0.3, 0.2]}},
    ),
    "from_scratch": (
        "pretrain",
        {"curves": {"Loss/Train": [6.9, 4.0, 3.0, 2.5], "Loss/Validation": [7.0, 4.1, 3.1, 2.6]}},
    ),
    "from_scratch_by_vocabulary": (
        "pretrain",
        {
            "curves": {"train/loss": [2.9, 2.5, 2.2, 2.0], "eval/loss": [2.9, 2.5, 2.2, 2.0]},
            "model_config": {"model_type": "gpt2", "vocab_size": 20},
        },
    ),
    "char_model": (
        "pretrain",
        {"curves": {"train_loss": [2.06, 1.5, 1.2, 1.0]}, "arguments": {"num_chars": 29, "hidden_units": 512}},
    ),
    "fine_tuning_that_starts_low": (
        "llm-sft",
        {"curves": {"train/loss": [1.4, 1.2, 1.1, 1.0]}, "model_config": {"model_type": "qwen2", "vocab_size": 151936}},
    ),
    "summarisation": (
        "llm-sft",
        {
            "curves": {
                "loss": [2.5, 2.2, 2.1, 2.0],
                "eval_loss": [2.4, 2.1, 2.0, 2.0],
                "eval_rouge1": [0.1, 0.2, 0.2, 0.3],
            }
        },
    ),
    "preference_tuning": (
        "llm-sft",
        {
            "curves": {
                "train/loss": [0.693, 0.6, 0.5, 0.5],
                "train/rewards/chosen": [0, 0.1, 0.2, 0.3],
                "train/rewards/accuracies": [0.5, 0.6, 0.7, 0.8],
            }
        },
    ),
    "sequence_classification": (
        "classification",
        {
            "curves": {"train/loss": FALL},
            "model_config": {"model_type": "bert", "architectures": ["BertForSequenceClassification"]},
        },
    ),
    "image_model": ("vision", {"curves": {"train/loss": FALL}, "model_config": {"model_type": "vit"}}),
    "detection": ("vision", {"curves": {"total_loss": FALL, "bbox/AP": [1, 2, 3, 4]}}),
    "yolo": ("vision", {"curves": {"train/box_loss": FALL, "val/box_loss": FALL}}),
    "unity": ("rl", {"curves": {"Environment/Cumulative Reward": [1, 2, 3, 4], "Losses/Policy Loss": FALL}}),
    "sb3": ("rl", {"curves": {"rollout/ep_rew_mean": [1, 2, 3, 4], "train/loss": FALL}}),
    "cleanrl": ("rl", {"curves": {"losses/value_loss": FALL, "losses/approx_kl": FALL, "charts/SPS": [9, 9, 9, 9]}}),
    "rsl_rl": ("rl", {"curves": {"Loss/surrogate": FALL, "Loss/value_loss": FALL}}),
    "rl_games": ("rl", {"curves": {"losses/a_loss": FALL, "losses/c_loss": FALL}}),
    "skrl": ("rl", {"curves": {"Loss / Policy loss": FALL, "Loss / Value loss": FALL}}),
    "dqn": ("rl", {"curves": {"rollout/exploration_rate": FALL, "train/loss": FALL}}),
    "reward": ("rl", {"curves": {"loss": FALL, "episode_reward": [1, 2, 3, 4]}}),
    "nothing": ("generic", {"curves": {"foo": FALL}}),
    "only_nan": ("generic", {"curves": {"train/loss": [math.nan] * 4}}),
}


@pytest.mark.parametrize("name", NOT_THE_GUIDE)
def test_other_trainings(name: str) -> None:
    expected, more = NOT_THE_GUIDE[name]
    assert profile(**more).id == expected  # type: ignore[arg-type]


def test_the_reference_model_is_the_guide_s() -> None:
    config = {"model_type": "qwen2", "vocab_size": 152064, "architectures": ["Qwen2ForCausalLM"]}
    arguments = {"per_device_train_batch_size": 4, "learning_rate": 2e-5, "optim": "adamw_torch"}
    assert profile({"train/loss": FALL, "eval/loss": FALL}, model_config=config, arguments=arguments).id == "guide"


@pytest.mark.parametrize("name", PROFILES)
def test_the_user_s_word_is_taken(name: str) -> None:
    chosen = profile({"rollout/ep_rew_mean": FALL}, forced=name)
    assert (chosen.id, chosen.chosen_by) == (name, "user")


def test_auto_is_no_profile_of_its_own() -> None:
    assert profile({"train/loss": FALL}, forced="auto").chosen_by == "auto"


def test_an_unknown_profile_is_an_error() -> None:
    with pytest.raises(ValueError, match="nope"):
        profile({"train/loss": FALL}, forced="nope")


def test_every_choice_has_a_reason_that_names_what_it_saw() -> None:
    assert "Accuracy/val" in render(profile(**NOT_THE_GUIDE["accuracy"][1]).reason)  # type: ignore[arg-type]
    assert "320" in render(
        profile({"train/loss": [5.6, 5.0]}, model_config={"model_type": "gpt2", "vocab_size": 320}).reason
    )
    assert "2.5" in render(profile({"train/loss": FALL}).reason)


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e3])
def test_steps_of_any_scale_choose_alike(scale: float) -> None:
    steps = [int(s * 1000 * scale) for s in (1, 5, 10, 15)]
    assert profile({"train/loss": FALL, "eval/loss": FALL}, steps=steps).id == "guide"
