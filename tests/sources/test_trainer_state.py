"""trainer_state.json: Hugging Face's TensorBoard names, bare NaN, damage."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from tb_evalguide.model import Run, TrainerState
from tb_evalguide.sources.trainer_state import read_trainer_state, tag_of


def read(tmp_path: Path, document: Any) -> tuple[Run, TrainerState | None]:
    path = tmp_path / "trainer_state.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
    return read_trainer_state(str(path), "trainer_state.json", ".")


@pytest.mark.parametrize(
    "key", ["loss", "eval_loss", "test_f1", "train_loss", "train_runtime", "learning_rate", "eval_nl_wer"]
)
def test_tags_are_those_of_the_callback(key: str) -> None:
    integrations = pytest.importorskip("transformers.integrations.integration_utils")
    assert list(integrations.rewrite_logs({key: 1.0})) == [tag_of(key)]


def test_history_becomes_series(tmp_path: Path) -> None:
    history = [
        {"epoch": 0.5, "loss": 2.0, "learning_rate": 1e-4, "step": 5},
        {"epoch": 0.5, "eval_loss": 1.9, "eval_runtime": 2.0, "step": 5},
        {"epoch": 1.0, "loss": 1.5, "learning_rate": 5e-5, "step": 10, "note": "text", "flag": True, "none": None},
        {"epoch": 1.0, "train_loss": 1.75, "train_runtime": 9.0, "step": 10},
    ]
    run, state = read(
        tmp_path,
        {"log_history": history, "best_metric": 1.9, "best_model_checkpoint": "out/checkpoint-5", "global_step": 10,
         "max_steps": 10, "num_train_epochs": 1, "eval_steps": 0.1, "epoch": 1.0, "train_batch_size": 4},
    )  # fmt: skip
    assert {tag: list(zip(s.steps.tolist(), s.values.tolist())) for tag, s in run.series.items()} == {
        "train/epoch": [(5, 0.5), (10, 1.0)],
        "train/loss": [(5, 2.0), (10, 1.5)],
        "train/learning_rate": [(5, 1e-4), (10, 5e-5)],
        "eval/loss": [(5, 1.9)],
        "eval/runtime": [(5, 2.0)],
        "train/train_loss": [(10, 1.75)],
        "train/train_runtime": [(10, 9.0)],
    }
    assert state is not None
    assert (state.best_metric, state.best_model_checkpoint) == (1.9, "out/checkpoint-5")
    assert (state.global_step, state.max_steps, state.num_train_epochs, state.eval_steps) == (10, 10, 1.0, None)
    assert state.extra["train_batch_size"] == 4
    assert run.sources[0].kind == "trainer_state" and run.sources[0].events == 12 and not run.sources[0].notes


@pytest.mark.parametrize("written", ["NaN", '"NaN"', '"nan"'])
def test_nan_is_kept(tmp_path: Path, written: str) -> None:
    run, _ = read(tmp_path, f'{{"log_history": [{{"step": 1, "loss": {written}}}, {{"step": 2, "loss": -Infinity}}]}}')
    values = run.series["train/loss"].values.tolist()
    assert math.isnan(values[0]) and values[1] == -math.inf


@pytest.mark.parametrize(
    "document",
    [
        "",
        "{",
        "[]",
        "null",
        "3",
        '{"log_history"',
        '{"global_step": 3}',
        "\x00\x01",
        "[" * 100_000,
        '{"log_history": 3}',
        '{"log_history": [3, {"loss": 1.0}, {"step": "x", "loss": 1.0}]}',
        '{"log_history": [{"step": 1e400, "loss": 1}]}',
    ],
)
def test_damage_is_a_note(tmp_path: Path, document: str) -> None:
    run, _ = read(tmp_path, document)
    assert [note.kind for note in run.sources[0].notes] == ["corrupt"]
    assert not run.series


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "trainer_state.json"
    path.write_bytes(b"\xff\xfe\x80")
    run, state = read_trainer_state(str(path), "x", ".")
    assert state is None and [note.kind for note in run.sources[0].notes] == ["corrupt"]


def test_a_missing_file_is_a_note(tmp_path: Path) -> None:
    run, state = read_trainer_state(str(tmp_path / "gone.json"), "gone.json", ".")
    assert state is None and [note.kind for note in run.sources[0].notes] == ["unreadable"]


def test_huge_numbers_do_not_overflow(tmp_path: Path) -> None:
    run, state = read(tmp_path, '{"max_steps": 1e999, "log_history": [{"step": 1, "loss": 1' + "0" * 400 + "}]}")
    assert state is not None and state.max_steps is None and not run.series
