"""Checkpoints, result files and ratings beside a run: names, steps, sizes; weights are never opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from tb_evalguide.sources import read_trainings
from tb_evalguide.sources.disk import RESULTS, look
from tb_evalguide.sources.logdir import walk
from tests.support.writer import EventWriter


@pytest.mark.parametrize(
    ("path", "step", "epoch", "kind", "value"),
    [
        ("checkpoint-150/model.safetensors", 150, None, "hf", None),
        ("final_model/model.safetensors", None, None, "final", None),
        ("epoch=3-step=400.ckpt", 400, 3.0, "lightning", None),
        ("epoch=03-val_loss=0.31.ckpt", None, 3.0, "lightning", 0.31),
        ("last.ckpt", None, None, "lightning", None),
        ("best.keras", None, None, "keras", None),
        ("ckpt-06.weights.h5", None, 6.0, "keras", None),
        ("weights.05-1.23.hdf5", None, 5.0, "keras", None),
        ("model_epoch_12.keras", None, 12.0, "keras", None),
        ("step_2000.pt", 2000, None, "torch", None),
        ("model-step2000.pth", 2000, None, "torch", None),
        ("ckpt_300.pt", 300, None, "torch", None),
        ("epoch12.pth", None, 12.0, "torch", None),
        ("iter_0000500.pth", 500, None, "torch", None),
        ("model_0004999.pth", 4999, None, "torch", None),
        ("000500.pt", 500, None, "torch", None),
        ("net_500.pth", 500, None, "torch", None),
        ("best.pt", None, None, "torch", None),
        ("checkpoint_ep7.pth.tar", None, 7.0, "torch", None),
        ("model-step-70.safetensors", 70, None, "safetensors", None),
    ],
)
def test_names(
    tmp_path: Path, path: str, step: int | None, epoch: float | None, kind: str, value: float | None
) -> None:
    file = tmp_path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"x" * 123)
    (found,) = look(walk(tmp_path).folders.values(), str(tmp_path)).checkpoints
    assert (found.step, found.epoch, found.kind, found.value) == (step, epoch, kind, value)
    assert found.size == 123 and found.modified == pytest.approx(file.stat().st_mtime)
    assert found.path == (path.split("/")[0] if kind in ("hf", "final") else path)


@pytest.mark.parametrize(
    "path",
    [
        "data.bin",
        "vocab.pt",
        "checkpoint-abc/x.txt",
        "optimizer.pt",
        "training_args.bin",
        "resnet50.pth",
        "notes.h5",
        "data_01.h5",
        "shard-00007.tar",
        "fineweb_train_000001.bin",
        "model-00001-of-00003.safetensors",
        "readme",
    ],
)
def test_files_that_are_no_checkpoints_of_a_step(tmp_path: Path, path: str) -> None:
    file = tmp_path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"x")
    assert look(walk(tmp_path).folders.values(), str(tmp_path)).checkpoints == ()


def test_weights_inside_a_checkpoint_folder_are_counted_once(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint-10"
    (folder / "global_step10").mkdir(parents=True)
    (folder / "pytorch_model.bin").write_bytes(b"x" * 5)
    (folder / "global_step10" / "step_10.pt").write_bytes(b"x" * 7)
    (found,) = look(walk(tmp_path).folders.values(), str(tmp_path)).checkpoints
    assert (found.path, found.size) == ("checkpoint-10", 12)


@pytest.mark.parametrize(
    "name", ["eval_results.json", "all_results.json", "test_results.json", "test_metrics.json", "predict_results.json"]
)
def test_result_files(name: str) -> None:
    assert RESULTS.fullmatch(name)


@pytest.mark.parametrize("name", ["results.csv", "config.json", "tokenizer.json", "trainer_state.json", "latest.json"])
def test_other_files_are_no_results(name: str) -> None:
    assert not RESULTS.fullmatch(name)


def curve(folder: Path) -> None:
    with EventWriter(folder) as writer:
        for step in (1, 2):
            writer.scalar("loss", 1.0 / step, step)


def test_what_lies_beside_belongs_to_the_only_training(tmp_path: Path) -> None:
    curve(tmp_path / "logs" / "tb")
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "step_2.pt").write_bytes(b"x")
    (tmp_path / "eval_results.json").write_text("{}")
    (training,) = read_trainings(tmp_path)
    assert [c.path for c in training.checkpoint_files] == ["weights/step_2.pt"]
    assert training.result_files == ("eval_results.json",)


def test_each_training_gets_its_own(tmp_path: Path) -> None:
    for name in ("a", "b"):
        curve(tmp_path / "runs" / name)
        (tmp_path / "runs" / name / f"step_{name == 'a':d}.pt").write_bytes(b"x")
        (tmp_path / "checkpoints" / name).mkdir(parents=True)
        (tmp_path / "checkpoints" / name / "step_2.pt").write_bytes(b"x")
    (tmp_path / "step_9.pt").write_bytes(b"x")
    found = {t.name: [c.path for c in t.checkpoint_files] for t in read_trainings(tmp_path)}
    assert found == {
        "runs/a": ["runs/a/step_1.pt", "checkpoints/a/step_2.pt"],
        "runs/b": ["runs/b/step_0.pt", "checkpoints/b/step_2.pt"],
    }


def test_ratings(tmp_path: Path) -> None:
    curve(tmp_path)
    (tmp_path / "sample_ratings.csv").write_text("step,rating,note\n2,good,reads well\n")
    (training,) = read_trainings(tmp_path)
    assert [(r.step, r.rating, r.note) for r in training.ratings] == [(2, "good", "reads well")]


def test_bad_ratings_are_one_note(tmp_path: Path) -> None:
    curve(tmp_path)
    (tmp_path / "sample_ratings.csv").write_text("when,what\n2,good\n")
    (training,) = read_trainings(tmp_path)
    assert training.ratings == () and [note.kind for note in training.notes] == ["bad_ratings"]
