"""Which runs are one training: the folder layouts of each framework, and siblings that must stay apart."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tb_evalguide.model import Role, Training
from tb_evalguide.roles import choose_roles
from tb_evalguide.sources import group, read_runs, read_trainings
from tests.support.writer import EventWriter

START = 1_700_000_000.0


def write(
    folder: Path,
    curves: Mapping[str, Iterable[tuple[int, float]]],
    *,
    start: float = START,
    texts: Mapping[str, str] = {},
) -> Path:
    """One event file with these curves; a second a step."""
    with EventWriter(folder, start) as writer:
        for tag, text in texts.items():
            writer.text(tag, text)
        for tag, points in curves.items():
            for step, value in points:
                writer.scalar(tag, value, step, wall_time=start + step)
    return folder


def loss(first: int = 10, last: int = 100, every: int = 10, level: float = 2.0) -> list[tuple[int, float]]:
    return [(step, level / (1 + step / 50)) for step in range(first, last + 1, every)]


def shape(logdir: Path) -> dict[str, list[str]]:
    return {training.name: [run.name for run in training.runs] for training in read_trainings(logdir)}


# --- layouts of one training ---------------------------------------------------------------------------------------


def test_a_single_run_folder_is_one_training(tmp_path: Path) -> None:
    write(tmp_path, {"loss": loss()})
    assert shape(tmp_path) == {".": ["."]}


def test_keras(tmp_path: Path) -> None:
    for name in ("fit1", "fit2"):
        write(tmp_path / name / "train", {"epoch_loss": loss()})
        write(tmp_path / name / "validation", {"epoch_loss": loss()})
    assert shape(tmp_path) == {
        "fit1": ["fit1/train", "fit1/validation"],
        "fit2": ["fit2/train", "fit2/validation"],
    }
    assert shape(tmp_path / "fit1") == {".": ["train", "validation"]}
    assert shape(tmp_path / "fit1" / "train") == {".": ["."]}


def test_keras_train_only(tmp_path: Path) -> None:
    write(tmp_path / "train", {"epoch_loss": loss()})
    assert shape(tmp_path) == {".": ["train"]}


def test_estimator(tmp_path: Path) -> None:
    write(tmp_path / "m", {"loss": loss()})
    write(tmp_path / "m" / "eval", {"loss": loss(every=50)})
    write(tmp_path / "m" / "eval_holdout", {"loss": loss(every=50)})
    assert shape(tmp_path) == {"m": ["m", "m/eval", "m/eval_holdout"]}


def test_estimator_with_named_evaluations(tmp_path: Path) -> None:
    """EvalSpec(name="holdout"). TensorFlow writes loss_1 where its graph has a loss already."""
    write(tmp_path, {"loss_1": loss(), "global_step/sec": loss()})
    write(tmp_path / "eval_holdout", {"loss": loss(every=50), "accuracy": loss(every=50)})
    # one evaluation, when the training is over
    write(tmp_path / "eval_final", {"loss": [(100, 1.0)]}, start=START + 20)
    (training,) = read_trainings(tmp_path)
    assert [run.name for run in training.runs] == [".", "eval_final", "eval_holdout"]
    roles = choose_roles(training)
    assert roles.choices[Role.TRAIN_LOSS].tag == "loss_1" and roles.choices[Role.EVAL_LOSS].tag == "loss"


def test_an_evaluation_of_another_training_stays_apart(tmp_path: Path) -> None:
    write(tmp_path / "m", {"loss": loss()})
    write(tmp_path / "m" / "eval_old", {"loss": loss()}, start=START - 1000)
    write(tmp_path / "m" / "eval_later", {"loss": loss()}, start=START + 1000)
    write(tmp_path / "m" / "eval_longer", {"loss": loss(10, 400)}, start=START + 120)
    assert sorted(shape(tmp_path)) == ["m", "m/eval_later", "m/eval_longer", "m/eval_old"]


def test_add_scalars_writes_sub_runs(tmp_path: Path) -> None:
    write(tmp_path / "exp", {"lr": loss()})
    write(tmp_path / "exp" / "Loss_all_train", {"Loss/all": loss()})
    write(tmp_path / "exp" / "Loss_all_val", {"Loss/all": loss()})
    assert shape(tmp_path) == {"exp": ["exp", "exp/Loss_all_train", "exp/Loss_all_val"]}


def test_hparams_session_of_pytorch(tmp_path: Path) -> None:
    write(tmp_path / "exp", {"loss": loss()})
    with EventWriter(tmp_path / "exp" / "1700000100.123456", START + 100) as writer:
        writer.hparams({"lr": 0.1, "layers": 3.0})
        writer.scalar("hparam/accuracy", 0.9, 0)
    (training,) = read_trainings(tmp_path)
    assert [run.name for run in training.runs] == ["exp", "exp/1700000100.123456"]
    assert training.arguments["lr"] == 0.1


def test_lightning_versions_are_apart(tmp_path: Path) -> None:
    for version in (0, 1):
        folder = write(tmp_path / "lightning_logs" / f"version_{version}", {"train_loss": loss(), "epoch": loss()})
        (folder / "hparams.yaml").write_text("lr: 0.001\nmodel:\n  width: 64\n  name: 'x'\nflag: true\n")
    trainings = read_trainings(tmp_path)
    assert [t.name for t in trainings] == ["lightning_logs/version_0", "lightning_logs/version_1"]
    assert {t.framework for t in trainings} == {"lightning"}
    assert trainings[0].arguments == {"lr": 0.001, "model.width": 64, "model.name": "x", "flag": True}


def test_yolo(tmp_path: Path) -> None:
    for name in ("train", "train2"):
        folder = write(
            tmp_path / "runs" / "detect" / name, {"train/box_loss": loss(1, 9, 1), "metrics/mAP50(B)": loss(1, 9, 1)}
        )
        (folder / "args.yaml").write_text("task: detect\nlr0: 0.01\nepochs: 9\n")
        (folder / "results.csv").write_text("epoch,train/box_loss,val/box_loss\n1,1.5,1.6\n2,1.2,1.5\n")
        (folder / "weights").mkdir()
        (folder / "weights" / "best.pt").write_bytes(b"x")
        (training,) = read_trainings(tmp_path / "runs" / "detect" / name)
        assert training.name == "."
        found = {t.name: t for t in read_trainings(tmp_path)}
    assert sorted(found) == ["runs/detect/train", "runs/detect/train2"]
    training = found["runs/detect/train"]
    assert training.framework == "yolo" and training.arguments["lr0"] == 0.01
    assert training.runs[0].series["val/box_loss"].steps.tolist() == [1, 2]
    assert [c.path for c in training.checkpoint_files] == ["runs/detect/train/weights/best.pt"]


def test_detectron2(tmp_path: Path) -> None:
    write(tmp_path / "output", {"total_loss": loss(19, 199, 20), "data_time": loss(19, 199, 20)})
    lines = [{"iteration": step, "total_loss": 1.1 * value, "bbox/AP": 30.0} for step, value in loss(19, 199, 20)]
    (tmp_path / "output" / "metrics.json").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for name in ("model_0000099.pth", "model_final.pth", "last_checkpoint"):
        (tmp_path / "output" / name).write_bytes(b"x")
    (training,) = read_trainings(tmp_path)
    assert (training.name, training.framework) == ("output", "detectron2")
    assert len(training.runs[0].series["bbox/AP"]) == 10
    assert [(c.step, c.path) for c in training.checkpoint_files] == [
        (99, "output/model_0000099.pth"),
        (None, "output/model_final.pth"),
    ]


def test_accelerate_writes_its_arguments_to_a_sub_run(tmp_path: Path) -> None:
    write(tmp_path / "logs" / "project", {"train_loss": loss()})
    with EventWriter(tmp_path / "logs" / "project" / "1700000000.25") as writer:
        writer.hparams({"learning_rate": 1e-4})
    (training,) = read_trainings(tmp_path)
    assert training.name == "logs/project" and training.arguments == {"learning_rate": 1e-4}


def test_keras_tuner(tmp_path: Path) -> None:
    for trial in ("0", "1"):
        for phase in ("train", "validation"):
            write(tmp_path / trial / "execution0" / phase, {"epoch_loss": loss()})
    assert sorted(shape(tmp_path)) == ["0/execution0", "1/execution0"]


def test_train_and_test_of_the_tutorials(tmp_path: Path) -> None:
    for phase in ("train", "test"):
        write(tmp_path / "20240101" / phase, {"loss": loss()})
    assert shape(tmp_path) == {"20240101": ["20240101/train", "20240101/test"]}


def test_the_phase_above_the_run(tmp_path: Path) -> None:
    for name in ("exp1", "exp2"):
        for phase in ("train", "val"):
            write(tmp_path / "logs" / phase / name, {"loss": loss()})
    assert shape(tmp_path) == {
        "logs/train/exp1": ["logs/train/exp1", "logs/val/exp1"],
        "logs/train/exp2": ["logs/train/exp2", "logs/val/exp2"],
    }


def test_the_phase_at_the_end_of_the_name(tmp_path: Path) -> None:
    for name in ("exp1", "exp2"):
        for phase in ("train", "val"):
            write(tmp_path / f"{name}_{phase}", {"loss": loss()})
    assert shape(tmp_path) == {"exp1_train": ["exp1_train", "exp1_val"], "exp2_train": ["exp2_train", "exp2_val"]}


# --- siblings that are trainings of their own ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "names",
    [
        ("lr_0.1", "lr_0.01"),
        ("a", "b", "a/b"),
        ("train", "train2", "train3"),
        ("train_lr1", "train_lr2"),
        ("eval_bert", "eval_gpt"),
        ("bert_train", "bert_eval"),  # by name phases of one training, but written at other times
        ("eval/a", "train/b"),
        (".", "test"),
        (".", "test_lr0.1", "val_old"),
        ("test", "exp1"),
        ("train_a", "test_a"),
        ("a_val", "b_train"),
        ("fold_0", "fold_1"),
        ("x/loss_a", "x/loss_b"),
        (".", "exp1", "exp2"),
        ("PPO_1", "PPO_2"),
        ("runs/Nov23_18-09-57_a", "runs/Nov24_18-09-57_a"),
        ("seed1/version_0", "seed2/version_0"),
        ("1700000100.5", "1700000200.5"),
    ],
)
def test_independent_siblings_stay_apart(tmp_path: Path, names: tuple[str, ...]) -> None:
    for i, name in enumerate(names):
        write(tmp_path / name, {"loss": loss(level=2 + i), "val_loss": loss(level=2 + i)}, start=START + 1000 * i)
    assert shape(tmp_path) == {name: [name] for name in sorted(names)}


def test_a_sweep_under_its_experiment_stays_apart(tmp_path: Path) -> None:
    """Keras' hparam_tuning writes the experiment to the root and a run a trial."""
    with EventWriter(tmp_path, START) as writer:
        writer.hparams({"lr": 0.1})
    for i in range(3):
        write(tmp_path / f"run-{i}", {"accuracy": [(1, 0.5 + i / 10)]})
    assert sorted(shape(tmp_path)) == ["run-0", "run-1", "run-2"]


# --- Hugging Face --------------------------------------------------------------------------------------------------

ARGUMENTS = json.dumps({"learning_rate": 2e-5, "num_train_epochs": 3, "output_dir": "out"})


def hugging_face(
    output: Path, first: int, last: int, *, date: str = "Nov23_18-09-57_vm", start: float = START, level: float = 2.0
) -> None:
    train = loss(first, last, level=level)
    write(
        output / "runs" / date,
        {"train/loss": train, "train/epoch": [(s, s / 100) for s, _ in train], "eval/loss": loss(first + 40, last, 50)},
        start=start,
        texts={"args/text_summary": ARGUMENTS, "model_config/text_summary": '{"vocab_size": 100}'},
    )


def trainer_state(folder: Path, last: int, *, level: float = 2.0, **more: Any) -> None:
    history: list[dict[str, Any]] = []
    for step, value in loss(10, last, level=level):
        history.append({"step": step, "epoch": step / 100, "loss": round(value, 4), "learning_rate": 1e-5})
        if step % 50 == 0:
            history.append({"step": step, "epoch": step / 100, "eval_loss": value})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "trainer_state.json").write_text(
        json.dumps({"global_step": last, "max_steps": 200, "log_history": history, **more})
    )


def test_output_folder_is_one_training(tmp_path: Path) -> None:
    out = tmp_path / "out"
    hugging_face(out, 10, 100)
    trainer_state(out, 100, best_model_checkpoint="out/checkpoint-100", best_metric=0.9)
    trainer_state(out / "checkpoint-50", 50)
    trainer_state(out / "checkpoint-100", 100)
    (training,) = read_trainings(tmp_path)
    assert training.name == "out"
    assert [run.name for run in training.runs] == ["out/runs/Nov23_18-09-57_vm"]
    assert training.framework == "hf"
    assert training.arguments["learning_rate"] == 2e-5
    assert training.model_config["vocab_size"] == 100
    assert training.trainer_state is not None and training.trainer_state.best_model_checkpoint == "out/checkpoint-100"
    assert [(c.path, c.step, c.kind) for c in training.checkpoint_files] == [
        ("out/checkpoint-50", 50, "hf"),
        ("out/checkpoint-100", 100, "hf"),
    ]
    assert [s.path for s in training.sources if s.kind == "trainer_state"] == ["out/trainer_state.json"]
    assert shape(out) == {".": ["runs/Nov23_18-09-57_vm"]}


def test_the_event_file_wins_and_the_state_fills_in(tmp_path: Path) -> None:
    hugging_face(tmp_path, 60, 100)
    trainer_state(tmp_path, 100, level=2.0)
    (training,) = read_trainings(tmp_path)
    series = training.runs[0].series["train/loss"]
    assert series.steps.tolist() == list(range(10, 101, 10))
    exact = np.float32(2.0 / (1 + 70 / 50))
    assert series.values[series.steps == 70] == exact != round(float(exact), 4)
    assert np.isnan(series.wall_times[0]) and np.isfinite(series.wall_times[-1])
    assert len(training.runs[0].series["train/learning_rate"]) == 10


def test_only_checkpoints_hold_the_state(tmp_path: Path) -> None:
    trainer_state(tmp_path / "checkpoint-50", 50)
    trainer_state(tmp_path / "checkpoint-100", 100)
    (training,) = read_trainings(tmp_path)
    assert training.name == "."
    assert training.runs[0].series["train/loss"].steps[-1] == 100
    assert [s.path for s in training.sources] == ["checkpoint-100/trainer_state.json"]


def test_a_checkpoint_folder_as_logdir(tmp_path: Path) -> None:
    trainer_state(tmp_path / "checkpoint-50", 50)
    (training,) = read_trainings(tmp_path / "checkpoint-50")
    assert (training.name, training.runs[0].series["train/loss"].steps[-1]) == (".", 50)


def test_a_broken_state_falls_back_to_the_last_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "trainer_state.json").write_text('{"log_history": [{"step": 1')
    trainer_state(tmp_path / "checkpoint-50", 50)
    (tmp_path / "checkpoint-60").mkdir()
    (tmp_path / "checkpoint-60" / "trainer_state.json").write_text("")
    (tmp_path / "checkpoint-abc").mkdir()
    (training,) = read_trainings(tmp_path)
    assert training.runs[0].series["train/loss"].steps[-1] == 50
    damaged = {source.path: source.notes[0].kind for source in training.sources if source.notes}
    assert damaged == {"trainer_state.json": "corrupt", "checkpoint-60/trainer_state.json": "corrupt"}


def test_a_resumed_training_is_one(tmp_path: Path) -> None:
    hugging_face(tmp_path, 10, 100)
    hugging_face(tmp_path, 90, 150, date="Nov24_09-00-00_vm", start=START + 90_000)
    trainer_state(tmp_path, 150)
    (training,) = read_trainings(tmp_path)
    assert training.name == "."
    assert sorted(run.name for run in training.runs) == ["runs/Nov23_18-09-57_vm", "runs/Nov24_09-00-00_vm"]
    (series,) = [run.series["train/loss"] for run in training.runs if "train/loss" in run.series]
    assert series.steps.tolist() == list(range(10, 151, 10))
    assert series.superseded_steps.tolist() == [90, 100]
    (restart,) = series.restarts
    assert (restart.step, restart.last_step, restart.new_file, restart.forward) == (90, 100, True, False)
    assert restart.gap_seconds == pytest.approx(90_090 - 100)


def test_two_trainings_into_one_output_folder_are_two(tmp_path: Path) -> None:
    hugging_face(tmp_path, 10, 100, level=5.0)
    hugging_face(tmp_path, 10, 100, date="Nov24_09-00-00_vm", start=START + 90_000, level=2.0)
    trainer_state(tmp_path, 100, level=2.0)
    first, second = read_trainings(tmp_path)
    assert (first.name, second.name) == ("runs/Nov23_18-09-57_vm", "runs/Nov24_09-00-00_vm")
    assert first.trainer_state is None and second.trainer_state is not None
    assert [note.kind for note in (*first.notes, *second.notes)] == ["unrelated_runs"] * 2


def test_a_state_of_another_training_is_not_mixed_in(tmp_path: Path) -> None:
    hugging_face(tmp_path, 10, 100, level=5.0)
    trainer_state(tmp_path, 100, level=2.0)
    found = {t.name: [s.kind for s in t.sources] for t in read_trainings(tmp_path)}
    assert found == {"runs/Nov23_18-09-57_vm": ["tfevents"], ".": ["trainer_state"]}


def test_logs_beside_the_output_folder(tmp_path: Path) -> None:
    write(tmp_path / "logs", {"train/loss": loss(), "train/epoch": loss()})
    trainer_state(tmp_path / "results" / "checkpoint-100", 100)
    (training,) = read_trainings(tmp_path)
    assert training.name == "results" and training.trainer_state is not None
    assert [run.name for run in training.runs] == ["logs"]
    assert [c.path for c in training.checkpoint_files] == ["results/checkpoint-100"]


def test_other_logs_beside_an_output_folder(tmp_path: Path) -> None:
    write(tmp_path / "logs", {"train/loss": loss(level=9.0), "train/epoch": loss()})
    trainer_state(tmp_path / "results", 100)
    assert shape(tmp_path) == {"logs": ["logs"], "results": ["results"]}


def test_logs_and_output_folders_of_the_same_names(tmp_path: Path) -> None:
    for name, level in (("a", 2.0), ("b", 3.0)):
        write(tmp_path / "logs" / name, {"train/loss": loss(level=level), "train/epoch": loss()})
        trainer_state(tmp_path / "results" / name, 100, level=level)
    assert shape(tmp_path) == {"results/a": ["logs/a"], "results/b": ["logs/b"]}


def test_too_few_points_to_join_two_folders(tmp_path: Path) -> None:
    write(tmp_path / "logs", {"train/loss": loss(10, 20), "train/epoch": loss(10, 20)})
    trainer_state(tmp_path / "results", 20)
    assert shape(tmp_path) == {"logs": ["logs"], "results": ["results"]}


def test_an_output_folder_among_many_runs(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(tmp_path / "logs" / name, {"train/loss": loss(), "train/epoch": loss()})
    trainer_state(tmp_path / "results", 100)
    assert sorted(shape(tmp_path)) == ["logs/a", "logs/b", "results"]


def test_a_later_evaluation_is_no_second_training(tmp_path: Path) -> None:
    hugging_face(tmp_path, 10, 100)
    trainer_state(tmp_path, 100)
    write(
        tmp_path / "runs" / "Nov25_09-00-00_vm",
        {"eval/loss": [(0, 1.0)]},
        start=START + 200_000,
        texts={"args/text_summary": ARGUMENTS},
    )
    found = read_trainings(tmp_path)
    assert [t.name for t in found] == [".", "runs/Nov25_09-00-00_vm"]
    assert found[0].trainer_state is not None and not found[0].notes


def test_what_a_checkpoint_says_of_its_model(tmp_path: Path) -> None:
    trainer_state(tmp_path, 100, num_train_epochs=3, train_batch_size=4)
    for step, dropout in ((50, 0.0), (100, 0.1)):
        trainer_state(tmp_path / f"checkpoint-{step}", step)
        adapter = {"peft_type": "LORA", "r": 8, "lora_dropout": dropout, "base_model_name_or_path": "x"}
        (tmp_path / f"checkpoint-{step}" / "adapter_config.json").write_text(json.dumps(adapter))
    (tmp_path / "config.json").write_text('{"vocab_size": 32000, "model_type": "llama"}')
    (training,) = read_trainings(tmp_path)
    assert training.model_config == {"vocab_size": 32000, "model_type": "llama"}
    assert {
        "lora_r": 8,
        "lora_dropout": 0.1,
        "num_train_epochs": 3.0,
        "max_steps": 200,
    }.items() <= training.arguments.items()
    assert training.arguments["train_batch_size"] == 4


def test_logs_beside_checkpoints(tmp_path: Path) -> None:
    """TrainingArguments(logging_dir=…) puts the event files anywhere below the output folder."""
    write(tmp_path / "out" / "tb", {"train/loss": loss(), "train/epoch": loss()})
    trainer_state(tmp_path / "out" / "checkpoint-100", 100)
    assert shape(tmp_path) == {"out": ["out/tb"]}


def test_a_folder_that_cannot_be_entered_is_told(tmp_path: Path) -> None:
    write(tmp_path / "a", {"loss": loss()})
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    write(tmp_path / "b", {"loss": loss()})
    assert {t.name: [note.kind for note in t.notes] for t in read_trainings(tmp_path)} == {"a": ["loop"], "b": []}


def test_many_outputs_of_a_sweep(tmp_path: Path) -> None:
    for name in ("a", "b"):
        hugging_face(tmp_path / name, 10, 100)
        trainer_state(tmp_path / name, 100)
    assert shape(tmp_path) == {name: [f"{name}/runs/Nov23_18-09-57_vm"] for name in ("a", "b")}


# --- runs from memory ----------------------------------------------------------------------------------------------


def test_group_by_names_alone(tmp_path: Path) -> None:
    write(tmp_path / "k" / "train", {"epoch_loss": loss()})
    write(tmp_path / "k" / "validation", {"epoch_loss": loss()})
    write(tmp_path / "other", {"loss": loss()})
    trainings = group(read_runs(tmp_path))
    assert [(t.name, len(t.runs)) for t in trainings] == [("k", 2), ("other", 1)]
    assert trainings[1].directory == str(tmp_path / "other")


def test_runs_of_several_logdirs_in_one_list(tmp_path: Path) -> None:
    for name in ("one", "two"):
        for phase in ("train", "validation"):
            write(tmp_path / name / phase, {"epoch_loss": loss()})
    trainings = group([*read_runs(tmp_path / "one"), *read_runs(tmp_path / "two")])
    assert [(t.name, len(t.runs)) for t in trainings] == [(".", 2), (". (2)", 2)]


def test_an_older_checkpoint_of_another_training(tmp_path: Path) -> None:
    trainer_state(tmp_path / "checkpoint-150", 150, level=5.0)
    os.utime(tmp_path / "checkpoint-150" / "trainer_state.json", (START, START))
    trainer_state(tmp_path, 100)
    (training,) = read_trainings(tmp_path)
    assert training.runs[0].series["train/loss"].steps[-1] == 100
    notes = {source.path: [note.kind for note in source.notes] for source in training.sources}
    assert notes == {"trainer_state.json": [], "checkpoint-150/trainer_state.json": ["unrelated"]}


def test_the_development_runs_are_one_training_each() -> None:
    runs = Path(__file__).parents[3] / "shared" / "runs"
    if not runs.exists():
        pytest.skip("the labelled runs are not here")
    split: dict[str, list[Training]] = {}
    for labels in sorted(runs.glob("*/labels.jsonl")):
        for line in labels.read_text().splitlines():
            folder = labels.parent / json.loads(line)["run"]
            found = read_trainings(folder)
            if len(found) != 1:
                split[folder.name] = found
    assert not split
