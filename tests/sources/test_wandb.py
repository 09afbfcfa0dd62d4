"""Offline W&B runs: written by the package itself, and by hand where the framing is damaged."""

from __future__ import annotations

import json
import math
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from tb_evalguide.sources import read_trainings
from tb_evalguide.sources.wandb import read_run, records
from tests.support.writer import EventWriter, block, integer

HEADER = b":W&B\xe1\xbe\x00"
BLOCK = 32768


def log_file(*contents: bytes) -> bytes:
    """Records in LevelDB's framing, cut at the ends of blocks."""
    data = bytearray(HEADER)
    for content in contents:
        first = True
        while True:
            room = BLOCK - len(data) % BLOCK
            if room < 7:
                data += b"\0" * room
                room = BLOCK
            part, content = content[: room - 7], content[room - 7 :]
            kind = 1 if first and not content else 2 if first else 3 if content else 4
            data += struct.pack("<IHB", zlib.crc32(bytes([kind]) + part), len(part), kind) + part
            first = False
            if not content:
                break
    return bytes(data)


def history(step: int, **values: object) -> bytes:
    items = b"".join(
        block(1, block(2, key) + block(16, json.dumps(value))) for key, value in {"_step": step, **values}.items()
    )
    return integer(1, step) + block(2, items)


def config(**values: object) -> bytes:
    items = b"".join(block(1, block(1, key) + block(16, json.dumps(value))) for key, value in values.items())
    return block(17, block(4, items))


def folder(tmp_path: Path, name: str = "run-20240101_000000-abc") -> Path:
    path = tmp_path / "wandb" / name
    (path / "files").mkdir(parents=True)
    return path


def test_written_by_the_package(tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    program = (
        "import wandb\n"
        "run = wandb.init(mode='offline', project='p', config={'lr': 0.1, 'model': {'width': 3}})\n"
        "for i in range(300):\n"
        "    wandb.log({'train/loss': 1 / (i + 1), 'nested': {'a': i}, 'bad': float('nan'), 'big': 'x' * 3000})\n"
        "wandb.log({'eval/loss': 2.0}, step=400)\n"
        "wandb.finish()\n"
    )
    environment = {**os.environ, "WANDB_SILENT": "true", "WANDB_DIR": str(tmp_path), "WANDB_MODE": "offline"}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, timeout=120
    )
    assert done.returncode == 0, done.stderr.decode()
    (training,) = read_trainings(tmp_path)
    series = training.runs[0].series
    assert series["train/loss"].steps.tolist() == list(range(300))
    assert series["train/loss"].values.tolist() == [1 / (i + 1) for i in range(300)]
    assert series["nested.a"].values[-1] == 299 and math.isnan(series["bad"].values[0])
    assert series["eval/loss"].steps.tolist() == [400]
    assert (series["train/loss"].wall_times > 1.6e9).all()
    assert training.arguments == {"lr": 0.1, "model.width": 3}
    assert training.runs[0].status == "success"
    assert not training.sources[0].notes


def test_records_over_several_blocks(tmp_path: Path) -> None:
    contents = [os.urandom(size) for size in (10, 40_000, BLOCK - 7, 70_000, 0, 3)]
    assert list(records(log_file(*contents), [])) == contents


def test_damage_costs_one_block(tmp_path: Path) -> None:
    path = folder(tmp_path) / "run-abc.wandb"
    data = bytearray(log_file(*(history(step, loss=1.0 / (step + 1)) for step in range(3000))))
    data[BLOCK + 100] ^= 0xFF
    path.write_bytes(data)
    run = read_run(str(path), "run-abc.wandb", "x")
    assert [note.kind for note in run.sources[0].notes] == ["corrupt"]
    assert 2000 < len(run.series["loss"]) < 3000 and run.series["loss"].steps[-1] == 2999


def test_a_run_that_is_being_written(tmp_path: Path) -> None:
    path = folder(tmp_path) / "run-abc.wandb"
    whole = log_file(*(history(step, loss=1.0) for step in range(10)))
    for cut in range(len(HEADER), len(whole), 7):
        path.write_bytes(whole[:cut])
        run = read_run(str(path), "x", "x")
        assert not run.sources[0].notes
    path.write_bytes(whole)
    assert len(read_run(str(path), "x", "x").series["loss"]) == 10


@pytest.mark.parametrize("data", [b"", b"not wandb at all", HEADER, HEADER + b"\0" * 40_000, HEADER + b"\xff" * 100])
def test_files_that_hold_nothing(tmp_path: Path, data: bytes) -> None:
    path = folder(tmp_path) / "run-abc.wandb"
    path.write_bytes(data)
    run = read_run(str(path), "x", "x")
    assert not run.series


def test_hugging_faces_own_step_is_the_axis(tmp_path: Path) -> None:
    path = folder(tmp_path) / "run-abc.wandb"
    path.write_bytes(
        log_file(*(history(i, **{"train/loss": 1.0, "train/global_step": 10 * (i + 1)}) for i in range(5)))
    )
    (training,) = read_trainings(tmp_path)
    assert training.runs[0].series["train/loss"].steps.tolist() == [10, 20, 30, 40, 50]


def test_only_a_summary(tmp_path: Path) -> None:
    (folder(tmp_path) / "files" / "wandb-summary.json").write_text(
        json.dumps({"_step": 9, "_timestamp": 1.7e9, "train/loss": 0.5, "image": {"_type": "image-file", "path": "x"}})
    )
    (training,) = read_trainings(tmp_path)
    assert training.runs[0].series["train/loss"].steps.tolist() == [9]
    assert [note.kind for note in training.sources[0].notes] == ["summary_only"]


def test_beside_the_event_files_of_the_same_training(tmp_path: Path) -> None:
    with EventWriter(tmp_path / "runs" / "a") as writer:
        for step in range(5):
            writer.scalar("train/loss", 1.0, step)
    path = folder(tmp_path) / "run-abc.wandb"
    rows = [history(i, **{"train/loss": 1.0, "eval/acc": 0.5}) for i in range(5)]
    path.write_bytes(log_file(config(lr=0.1), *rows))
    (training,) = read_trainings(tmp_path)
    assert training.name == "runs/a" and training.arguments == {"lr": 0.1}
    assert training.runs[0].series["train/loss"].values.tolist() == [1.0] * 5
    assert len(training.runs[0].series["eval/acc"]) == 5


def test_beside_the_event_files_of_another_training(tmp_path: Path) -> None:
    with EventWriter(tmp_path / "runs" / "a") as writer:
        for step in range(5):
            writer.scalar("train/loss", 1.0, step)
    path = folder(tmp_path) / "run-abc.wandb"
    path.write_bytes(log_file(config(lr=0.1), *(history(i, **{"train/loss": 9.0}) for i in range(5))))
    assert {t.name: t.arguments for t in read_trainings(tmp_path)} == {
        "runs/a": {},
        "wandb/run-20240101_000000-abc": {"lr": 0.1},
    }


def test_several_wandb_runs_are_several_trainings(tmp_path: Path) -> None:
    for name in ("offline-run-20240101_000000-abc", "offline-run-20240102_000000-def"):
        (folder(tmp_path, name) / "run.wandb").write_bytes(log_file(history(1, loss=1.0)))
    (tmp_path / "wandb" / "latest-run").symlink_to("offline-run-20240102_000000-def")
    assert [t.name for t in read_trainings(tmp_path)] == [
        "wandb/offline-run-20240101_000000-abc",
        "wandb/offline-run-20240102_000000-def",
    ]
