"""Writes one table of losses as each framework would log it: the guide must be met under every naming convention.

    CONVENTIONS["keras"].write(tmp_path, [(10, 2.50, 2.55), (50, 2.10, None), …])

A row is (step, train loss, eval loss); None is not written. Nothing else is put into the log.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.writer import EventWriter

Row = tuple[int, float | None, float | None]


@dataclass(frozen=True)
class NamingConvention:
    """write(folder, rows). evaluates: it has a name for an eval loss. profile: what is chosen for the bare table.

    train_tag, eval_tag: what roles must pick, as the reader spells it.
    """

    write: Callable[[Path, Sequence[Row]], None]
    train_tag: str
    eval_tag: str
    evaluates: bool = True
    profile: str = "guide"


def _one_file(folder: Path, rows: Iterable[Row], train: str, evals: str | None, *, tensors: bool = False) -> None:
    with EventWriter(folder) as writer:
        put = writer.tensor_scalar if tensors else writer.scalar
        for step, train_loss, eval_loss in rows:
            if train_loss is not None:
                put(train, train_loss, step)
            if eval_loss is not None and evals is not None:
                put(evals, eval_loss, step)


def one_run(train: str, evals: str | None = None, place: str = ".", **more: object) -> NamingConvention:
    """Both tags in one run."""

    def write(folder: Path, rows: Sequence[Row]) -> None:
        _one_file(folder / place, rows, train, evals)

    return NamingConvention(write, train, evals or "", evaluates=evals is not None, **more)  # type: ignore[arg-type]


def two_runs(
    tag: str,
    train_run: str,
    eval_run: str,
    *,
    tensors: bool = False,
    eval_tag: str | None = None,
    own_run: bool = False,
) -> NamingConvention:
    """The same tag in a run for training and in one for evaluation; no run where there is nothing to write.

    own_run: the writer's own folder has an event file too, as that of a SummaryWriter always has.
    """

    def write(folder: Path, rows: Sequence[Row]) -> None:
        if own_run:
            _one_file(folder, [], tag, None)
        _one_file(folder / train_run, [(s, t, None) for s, t, _ in rows], tag, None, tensors=tensors)
        evaluated: list[Row] = [(s, e, None) for s, _, e in rows if e is not None]
        if evaluated:
            _one_file(folder / eval_run, evaluated, eval_tag or tag, None, tensors=tensors)

    return NamingConvention(write, tag, eval_tag or tag)


def _trainer_state(folder: Path, rows: Sequence[Row]) -> None:
    history: list[dict[str, float]] = []
    for step, train_loss, eval_loss in rows:
        if train_loss is not None:
            history.append({"loss": train_loss, "step": step})
        if eval_loss is not None:
            history.append({"eval_loss": eval_loss, "step": step})
    folder.mkdir(parents=True, exist_ok=True)
    state = {"global_step": rows[-1][0], "log_history": history}
    (folder / "trainer_state.json").write_text(json.dumps(state), encoding="utf-8")


CONVENTIONS: dict[str, NamingConvention] = {
    "hf": one_run("train/loss", "eval/loss", "runs/Nov23_18-09-57_host"),
    "hf_trainer_state": NamingConvention(_trainer_state, "train/loss", "eval/loss"),
    "lightning": one_run("train_loss", "val_loss", "lightning_logs/version_0"),
    "lightning_step": one_run("train_loss_step", "val_loss", "lightning_logs/version_0"),
    "lightning_slash": one_run("train/loss", "val/loss", "lightning_logs/version_0"),
    "lightning_loss": one_run("loss", "val_loss", "version_0"),
    "keras": two_runs("epoch_loss", "train", "validation", tensors=True),
    "keras_batch": two_runs(
        "batch_loss", "train", "validation", tensors=True, eval_tag="evaluation_loss_vs_iterations"
    ),
    "keras_one_run": one_run("epoch_loss", "epoch_val_loss"),
    "tf_estimator": two_runs("loss", ".", "eval"),
    "yolo": one_run("train/box_loss", "val/box_loss", profile="vision"),
    "detectron2": one_run("total_loss", "validation_loss"),
    "ml_agents": one_run("Losses/Policy Loss", profile="rl"),
    "megatron": one_run("lm loss", "lm loss validation"),
    "torchtune": one_run("loss", "val_loss"),
    "deepspeed": one_run("Train/Samples/train_loss", "Validation/Samples/val_loss"),
    "fairseq": two_runs("loss", "train_inner", "valid"),
    "nanogpt": one_run("train/loss", "val/loss"),
    "timm": one_run("train_loss", "eval_loss"),
    "pytorch": one_run("Loss/train", "Loss/val"),
    "pytorch_capital": one_run("Loss/Train", "Loss/Validation"),
    "pytorch_test": one_run("Loss/train", "Loss/test"),
    "pytorch_lower": one_run("loss/train", "loss/valid"),
    "pytorch_words": one_run("Training loss", "Validation loss"),
    "pytorch_camel": one_run("TrainLoss", "ValLoss"),
    "pytorch_long": one_run("training_loss", "validation_loss"),
    "pytorch_dev": one_run("train/nll", "dev/nll"),
    "add_scalars": two_runs("Loss", "Loss_train", "Loss_validation", own_run=True),
    "phase_runs": two_runs("loss", "train", "val"),
    "phase_runs_test": two_runs("Loss", "train", "test"),
}
