"""Files by the writers people use are read as the writer was told, and as TensorBoard's own loader reads them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks.peers import READERS, python_loader
from tb_evalguide.sources.events import EventFileData, read_event_file
from tb_evalguide.sources.restarts import resolve
from tests.sources.eventlog import SCANNERS, assert_same

pytestmark = pytest.mark.filterwarnings("ignore")

LOSS = [2.5, 1.75, math.nan, math.inf, 0.123456789, -0.0]

# Gigabytes of frameworks are no part of the test set-up: `pip install -e .[demo] lightning` brings them.
FRAMEWORK = "this framework is not installed"


def read_all(folder: Path) -> list[EventFileData]:
    """Every file of a folder, by each scanner; they agree."""
    found = []
    for path in sorted(folder.rglob("*tfevents*")):
        answers = [read_event_file(path, scanner=scanner.values[0]) for scanner in SCANNERS if not scanner.marks]
        for answer in answers[1:]:
            assert_same(answers[0], answer)
        assert answers[0].notes == ()
        found.append(answers[0])
    assert found
    return found


def check_loss(data: EventFileData, tag: str, dtype: type = np.float32) -> None:
    assert data.tags[tag].steps.tolist() == [10 * k for k in range(len(LOSS))]
    np.testing.assert_array_equal(data.tags[tag].values, np.array(LOSS, dtype).astype(np.float64))


def check_like_tensorboard(folder: Path) -> None:
    theirs = python_loader(folder)
    (data,) = read_all(folder)
    assert set(theirs) == set(data.tags)
    for tag, (steps, values) in theirs.items():
        assert data.tags[tag].steps.tolist() == steps
        np.testing.assert_array_equal(data.tags[tag].values, values)


@pytest.mark.parametrize(
    ("new_style", "double"), [(False, False), (True, False), (True, True)], ids=["simple", "tensor", "float64 tensor"]
)
def test_pytorch(tmp_path, new_style, double):
    pytest.importorskip("torch", reason=FRAMEWORK)
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(tmp_path) as writer:
        for k, value in enumerate(LOSS):
            writer.add_scalar("Loss/train", value, 10 * k, new_style=new_style, double_precision=double)
    (data,) = read_all(tmp_path)
    check_loss(data, "Loss/train", np.float64 if double else np.float32)
    check_like_tensorboard(tmp_path)


def test_pytorch_everything_else(tmp_path):
    pytest.importorskip("torch", reason=FRAMEWORK)
    import torch
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(tmp_path) as writer:
        for k, value in enumerate(LOSS):
            writer.add_scalar("loss", value, 10 * k)
            writer.add_histogram("weights", torch.arange(50), k)
        writer.add_image("image", torch.zeros(3, 300, 300, dtype=torch.uint8) + 7, 1)
        writer.add_audio("audio", torch.zeros(1, 1000), 1)
        writer.add_text("samples", "**hello**", 30)
        writer.add_pr_curve("pr", torch.ones(5), torch.rand(5), 1)
        writer.add_graph(torch.nn.Linear(2, 2), torch.zeros(1, 2))
        writer.add_embedding(torch.zeros(3, 2))
    data = next(d for d in read_all(tmp_path) if d.points)
    check_loss(data, "loss")
    assert list(data.tags) == ["loss"] and data.has_graph
    assert data.plugins == {
        "weights": "histograms", "image": "images", "audio": "audio", "samples/text_summary": "text", "pr": "pr_curves",
    }  # fmt: skip
    assert [(t.tag, t.step, t.text) for t in data.texts] == [("samples/text_summary", 30, "**hello**")]


def test_pytorch_hparams(tmp_path):
    pytest.importorskip("torch", reason=FRAMEWORK)
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(tmp_path) as writer:
        writer.add_hparams({"lr": 0.1, "layers": 4, "opt": "adam", "amp": True}, {"hparam/loss": 0.5}, run_name="h")
    (data,) = [d for d in read_all(tmp_path) if d.hparams]
    assert data.hparams == {"lr": 0.1, "layers": 4, "opt": "adam", "amp": True}
    assert data.hparams_metrics == ("hparam/loss",) and data.session_status == "success"
    assert data.tags["hparam/loss"].values.tolist() == [0.5]


def test_pytorch_purge_step(tmp_path):
    pytest.importorskip("torch", reason=FRAMEWORK)
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(tmp_path, filename_suffix=".1") as writer:
        for step in range(100):
            writer.add_scalar("loss", 1.0, step, walltime=1e9 + step)
    with SummaryWriter(tmp_path, purge_step=60, filename_suffix=".2") as writer:
        for step in range(60, 80):
            writer.add_scalar("loss", 2.0, step, walltime=1e9 + 1000 + step)
    series, notes = resolve(read_all(tmp_path))
    assert series["loss"].steps.tolist() == list(range(80)) and series["loss"].values[60] == 2.0
    assert len(series["loss"].superseded_steps) == 40


def test_tensorboardx(tmp_path):
    from tensorboardX import SummaryWriter

    with SummaryWriter(str(tmp_path), write_to_disk=True) as writer:
        for k, value in enumerate(LOSS):
            writer.add_scalar("loss", value, 10 * k)
        writer.add_text("note", "text", 5)
        writer.add_histogram("h", np.arange(10.0), 5)
    (data,) = read_all(tmp_path)
    check_loss(data, "loss")
    assert data.texts[0].text == "text" and data.plugins["h"] == "histograms"


def test_tensorboards_own_writer(tmp_path):
    """tensorboard.summary.Writer writes TF2's form: tensors with metadata."""
    from tensorboard.summary import Writer

    writer = Writer(str(tmp_path))
    for k, value in enumerate(LOSS):
        writer.add_scalar("loss", value, step=10 * k)
    writer.close()
    (data,) = read_all(tmp_path)
    check_loss(data, "loss")
    check_like_tensorboard(tmp_path)


def test_lightning(tmp_path):
    pytest.importorskip("lightning", reason=FRAMEWORK)
    from lightning.pytorch.loggers import TensorBoardLogger

    logger = TensorBoardLogger(str(tmp_path), name="", version="")
    logger.log_hyperparams({"lr": 0.001, "batch": 8}, {"hp_metric": 1.0})
    for k, value in enumerate(LOSS):
        logger.log_metrics({"train_loss": value, "epoch": k // 3}, step=10 * k)
        logger.log_metrics({"val_loss": value, "epoch": k // 3}, step=10 * k)  # epoch once more at the same step
    logger.finalize("success")
    found = read_all(tmp_path)
    series, notes = resolve(found)
    np.testing.assert_array_equal(series["train_loss"].values, np.array(LOSS, np.float32))
    assert series["epoch"].steps.tolist() == [10 * k for k in range(6)] and not any(notes)
    assert any(data.hparams == {"lr": 0.001, "batch": 8} for data in found)


def test_hugging_face(tmp_path):
    pytest.importorskip("transformers", reason=FRAMEWORK)
    from transformers import TrainerControl, TrainerState
    from transformers.integrations import TensorBoardCallback

    class Arguments:
        output_dir = logging_dir = str(tmp_path)

        def to_json_string(self) -> str:
            return json.dumps({"learning_rate": 5e-05, "num_train_epochs": 3.0})

    class Config:
        def to_json_string(self) -> str:
            return json.dumps({"model_type": "gpt2", "vocab_size": 50257})

    pytest.importorskip("torch", reason=FRAMEWORK)
    from torch.utils.tensorboard import SummaryWriter

    class Model:
        config = Config()

    callback = TensorBoardCallback(SummaryWriter(str(tmp_path)))
    state, control, arguments = TrainerState(is_world_process_zero=True), TrainerControl(), Arguments()
    callback.on_train_begin(arguments, state, control, model=Model())
    for k, value in enumerate(LOSS):
        state.global_step = 10 * k
        callback.on_log(arguments, state, control, logs={"loss": value, "learning_rate": 1e-5})
        callback.on_log(arguments, state, control, logs={"eval_loss": value})
    callback.on_train_end(arguments, state, control)
    (data,) = read_all(tmp_path)
    check_loss(data, "train/loss")
    check_loss(data, "eval/loss")
    assert data.hparams == {"learning_rate": 5e-05, "num_train_epochs": 3.0}
    assert data.model_config == {"model_type": "gpt2", "vocab_size": 50257}


@pytest.mark.parametrize("reader", ["RustBoard", "EventAccumulator", "tbparse"])
def test_a_plain_log_reads_the_same_everywhere(tmp_path, reader):
    pytest.importorskip("torch", reason=FRAMEWORK)
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(tmp_path) as writer:
        for step in range(500):
            writer.add_scalar("loss", 1 / (step + 1), step)
            if step % 50 == 0:
                writer.add_scalar("eval/loss", 2 / (step + 1), step)
    theirs, mine = READERS[reader](tmp_path), READERS["tb-evalguide"](tmp_path)
    assert theirs == mine
