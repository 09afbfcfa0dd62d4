"""Folders of garbage: whatever lies in a logdir, reading it ends in trainings or in one of our own errors."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tb_evalguide.errors import EvalguideError
from tb_evalguide.i18n import render
from tb_evalguide.model import Text
from tb_evalguide.sources import LogdirReader, read_runs, read_trainings
from tests.support.writer import EventWriter

NAMES = (
    "events.out.tfevents.1700000000.host",
    "events.out.tfevents.1700000001.host.v2",
    "events.out.tfevents.1.profile-empty",
    "trainer_state.json",
    "metrics.csv",
    "metrics.json",
    "results.csv",
    "log.jsonl",
    "training.log",
    "hparams.yaml",
    "args.yaml",
    "nohup.out",
    "run-abc.wandb",
    "wandb-summary.json",
    "sample_ratings.csv",
    "eval_results.json",
    "model_step_3.pt",
    "epoch=1-step=2.ckpt",
)
FOLDERS = (
    ".",
    "train",
    "validation",
    "runs/Nov23_18-09-57_vm",
    "runs/Nov24_18-09-57_vm",
    "checkpoint-3",
    "checkpoint-abc",
    "checkpoint-99999999999999999999999",
    "lightning_logs/version_0",
    "eval",
    "eval_x",
    "wandb/run-20240101_000000-abc/files",
    "final_model",
    "1700000000.5",
)


def good_events(tmp: Path) -> bytes:
    with EventWriter(tmp / "events.out.tfevents.1.x") as writer:
        writer.text("args/text_summary", '{"learning_rate": 1e-5}')
        for step in range(5):
            writer.scalars({"train/loss": 1.0, "train/epoch": step, "loss": 2.0}, step)
    data = writer.path.read_bytes()
    writer.path.unlink()
    return data


STATE = json.dumps(
    {"global_step": 4, "log_history": [{"step": s, "loss": 1.0, "eval_loss": 2.0} for s in range(5)]}
).encode()
TEXTS = (
    b"",
    STATE,
    b"step,loss\n1,2.0\n2,1.0\n",
    b'{"step": 1, "loss": 2.0}\n{"step": 2, "loss": 1.0}\n',
    b"lr: 0.1\nmodel:\n  x: 1\n",
    b":W&B\xe1\xbe\x00" + b"\x00" * 50,
    b"step,rating,note\n1,good,\n",
    b"Traceback (most recent call last):\n  File\nValueError: x\n",
)


def rendered(text: object) -> None:
    assert isinstance(text, Text) and render(text) and render(text, "ko")


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return good_events(tmp_path_factory.mktemp("events"))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_only_our_errors_come_out(data: st.DataObject, events: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("logdir")
    files = data.draw(st.lists(st.tuples(st.sampled_from(FOLDERS), st.sampled_from(NAMES)), max_size=8, unique=True))
    for folder, name in files:
        content = data.draw(st.sampled_from((*TEXTS, events)) | st.binary(max_size=200))
        if content and data.draw(st.booleans()):
            at = data.draw(st.integers(0, len(content) - 1))
            content = content[:at] + data.draw(st.binary(max_size=3)) + content[at + 1 :]
        if data.draw(st.integers(0, 9)) == 0:
            content = content[: len(content) // 2]
        (root / folder).mkdir(parents=True, exist_ok=True)
        (root / folder / name).write_bytes(content)
    reader = LogdirReader(root)
    reader.refresh()
    try:
        trainings = read_trainings(root)
        read_runs(root)
    except EvalguideError as error:
        rendered(error.text)
        return
    for training in trainings:
        assert training.runs or training.notes or training.sources == ()
        for note in (*training.notes, *(note for source in training.sources for note in source.notes)):
            rendered(note.message)
        for run in training.runs:
            for tag, series in run.series.items():
                assert series.tag == tag and len(series.steps) == len(series.values) == len(series.wall_times)
                assert (series.steps[1:] > series.steps[:-1]).all()
    names = [training.name for training in trainings]
    assert len(set(names)) == len(names)
    assert [t.name for t in reader.refresh()] == [t.name for t in reader.trainings]


def test_special_files_are_not_waited_for(tmp_path: Path) -> None:
    """A pipe or a device beside the logs must not stop the reader."""
    with EventWriter(tmp_path) as writer:
        writer.scalar("loss", 1.0, 1)
    for name in (
        "train.log",
        "metrics.csv",
        "trainer_state.json",
        "events.out.tfevents.9.pipe",
        "hparams.yaml",
        "x.wandb",
    ):
        os.mkfifo(tmp_path / name)
    (tmp_path / "nohup.out").symlink_to("train.log")
    (tmp_path / "zero.log").symlink_to("/dev/zero")
    (training,) = read_trainings(tmp_path)
    assert len(training.runs[0].series["loss"]) == 1
