"""Trains the small models whose logs lie beside this file, one fault each, and writes README.md.

    pip install -e '.[demo]'
    python demo_logs/make.py [--into FOLDER] [NAME …]

Every curve is that of a model really trained here, on a CPU, seeded; a run takes seconds. Four things are not real: the
clock (every log starts on the same day and a step takes the seconds that the run states, so that making the logs again
gives the same files), the weights (emptied; only their files stay), the text in `nohup.out` of a run that stops here
where a GPU would have run out of memory, and the name of the host.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import functools
import itertools
import os
import random
import shutil
import socket
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

os.environ.update(CUDA_VISIBLE_DEVICES="", HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

START = 1_767_344_400.0  # 2 January 2026, 09:00 UTC
HOST = "demo"
EVENTS = f"events.out.tfevents.{int(START)}.{HOST}"


class Clock:
    """The time of a run: stands still but for what training adds."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


CLOCK = Clock()


# --- data -----------------------------------------------------------------------------------------------------------

WORDS = ("the", "cat", "dog", "bird", "sees", "hears", "follows", "small", "old", "and", "then", "it", "sleeps")
LENGTH = 32
_RNG = np.random.default_rng(0)
GRAMMAR = np.stack([_RNG.permutation(len(WORDS)) for _ in range(3)])


def sentences(count: int, seed: int, regular: float = 0.93) -> torch.Tensor:
    """A made-up language: a word follows from the two before it, but for one in fourteen, which may be any."""
    rng = np.random.default_rng(seed)
    words = np.zeros((count, LENGTH), np.int64)
    words[:, :2] = rng.integers(0, len(WORDS), (count, 2))
    for i in range(2, LENGTH):
        ruled = GRAMMAR[words[:, i - 2] % 3, words[:, i - 1]]
        words[:, i] = np.where(rng.random(count) < regular, ruled, rng.integers(0, len(WORDS), count))
    return torch.tensor(words)


def clusters(count: int, seed: int, spread: float = 1.7) -> tuple[torch.Tensor, torch.Tensor]:
    """Ten classes of points in twenty dimensions, which overlap."""
    centres = np.random.default_rng(11).normal(0, 1.0, (10, 20))
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, count)
    points = centres[labels] + rng.normal(0, spread, (count, 20))
    return torch.tensor(points, dtype=torch.float32), torch.tensor(labels)


# --- Hugging Face Trainer --------------------------------------------------------------------------------------------


def base_model(width: int, layers: int) -> Any:
    """What is fine-tuned: a GPT-2 of a few thousand weights that has read some text with most words exchanged."""
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=64, n_positions=LENGTH, n_embd=width, n_layer=layers, n_head=2, bos_token_id=0, eos_token_id=0,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, architectures=["GPT2LMHeadModel"],
    )  # fmt: skip
    model = GPT2LMHeadModel(config)
    optimizer = torch.optim.AdamW(model.parameters(), min(0.1 / width, 0.01))
    for words in sentences(1200, seed=9, regular=0.28).split(16):
        optimizer.zero_grad()
        model(words, labels=words).loss.backward()
        optimizer.step()
    return model


class Stop(Exception):
    """Ends a training the way a killed process does: nothing is written afterwards."""


def language_model(
    name: str,
    *,
    samples: int = 2000,
    width: int = 48,
    layers: int = 2,
    steps: int = 400,
    every: int = 40,
    seconds: float = 1.3,
    stop_at: int | None = None,
    schedule: Callable[[int], float] | None = None,
    final: bool = True,
    loss_factor: float = 1.0,
    **arguments: Any,
) -> None:
    """Fine-tunes the base model with the real Trainer, which writes the events, checkpoints and states."""
    from transformers import (
        PrinterCallback,
        Trainer,
        TrainerCallback,
        TrainingArguments,
        set_seed,
    )
    from transformers.integrations import TensorBoardCallback
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()

    set_seed(1)
    held_out = sentences(96, seed=2)
    model = base_model(width, layers)
    rows = [{"input_ids": row, "labels": row} for row in sentences(samples, seed=1)]
    settings: dict[str, Any] = {
        "learning_rate": 6e-4, "lr_scheduler_type": "cosine", "warmup_steps": 30, "per_device_train_batch_size": 8,
        "per_device_eval_batch_size": 32, "logging_steps": every // 4, "eval_strategy": "steps", "eval_steps": every,
        "save_steps": every, "max_steps": steps, "max_grad_norm": 1.0, "weight_decay": 0.01, "seed": 1,
        "disable_tqdm": True, "use_cpu": True, "report_to": [], "run_name": name,
    }  # fmt: skip
    settings.update(arguments)
    events = Path(name) / "runs" / f"Jan02_09-00-00_{HOST}"

    class Life(TrainerCallback):
        """Moves the clock, writes samples of what the model says, and ends the run early where that is its fate."""

        def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            # a step is never quite as long as the one before; the noise is drawn from the step so that it repeats
            CLOCK.advance(seconds * (1 + 0.03 * random.Random(state.global_step).gauss(0, 1)))

        def on_log(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            if stop_at is not None and state.global_step >= stop_at:
                control.should_training_stop = True
                raise Stop

        def on_prediction_step(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            CLOCK.advance(seconds / 2)

        def on_evaluate(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            prompt = held_out[:1, :4]
            said = model.generate(prompt, max_length=LENGTH // 2, do_sample=False, pad_token_id=0)[0]
            text = " ".join(WORDS[i] if i < len(WORDS) else "?" for i in said.tolist())
            board.tb_writer.add_text("samples/1", text, state.global_step)

    class Logging(Trainer):
        """Logs the train loss times `loss_factor`: as Trainers did that summed accumulated batches."""

        def log(self, logs: dict[str, float], *rest: Any) -> None:
            super().log({key: value * loss_factor if key == "loss" else value for key, value in logs.items()}, *rest)

    def token_accuracy(prediction: Any) -> dict[str, float]:
        guessed, true = prediction.predictions[:, :-1], prediction.label_ids[:, 1:]
        return {"token_accuracy": float((guessed == true).mean())}

    with mock.patch.dict(os.environ, TENSORBOARD_LOGGING_DIR=str(events)):
        board = TensorBoardCallback()
    optimizers: tuple[Any, Any] = (None, None)
    if schedule is not None:
        optimizer = torch.optim.AdamW(model.parameters(), settings["learning_rate"])
        optimizers = (optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, schedule))
    trainer = Logging(
        model=model,
        args=TrainingArguments(output_dir=name, **settings),
        train_dataset=rows,
        eval_dataset=[{"input_ids": row, "labels": row} for row in held_out],
        compute_metrics=token_accuracy,
        preprocess_logits_for_metrics=lambda logits, labels: logits.argmax(-1),
        optimizers=optimizers,
        callbacks=[board, Life()],
    )
    trainer.remove_callback(PrinterCallback)
    try:
        trainer.train()
    except Stop:
        board.tb_writer.close()
    else:
        trainer.save_state()
        if final:
            trainer.save_metrics("eval", trainer.evaluate())
            trainer.save_model(str(Path(name) / "final_model"))
        board.tb_writer.close() if board.tb_writer else None


def out_of_memory(name: str) -> None:
    """Stops at step 130; what a GPU would have printed there is written by this script."""
    language_model(name, stop_at=130, per_device_train_batch_size=16)
    lines = [
        " 32%|███▎      | 130/400 [02:49<05:51,  1.30s/it]",
        "Traceback (most recent call last):",
        '  File "train.py", line 61, in <module>',
        "    trainer.train()",
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.50 GiB. GPU 0 has a total capacity of 23.68"
        " GiB of which 912.50 MiB is free.",
    ]
    Path(name, "nohup.out").write_text("\n".join(lines) + "\n", encoding="utf-8")


# --- plain PyTorch ---------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Point:
    """What a hook of a plain training may look at and change before a step."""

    step: int
    inputs: torch.Tensor
    labels: torch.Tensor
    model: nn.Module
    optimizer: torch.optim.Optimizer


def classifier(*widths: int, activation: type[nn.Module] = nn.ReLU) -> nn.Module:
    layers: list[nn.Module] = []
    for narrow, wide in itertools.pairwise(widths):
        layers += [nn.Linear(narrow, wide), activation()]
    return nn.Sequential(*layers[:-1])


def gradient_norm(model: nn.Module) -> float:
    return float(torch.sqrt(sum((p.grad**2).sum() for p in model.parameters() if p.grad is not None)))


def plain(
    name: str,
    model: nn.Module,
    *,
    steps: int = 1000,
    log_every: int = 5,
    eval_every: int = 50,
    lr: float = 1e-3,
    momentum: float | None = None,
    batch: int = 64,
    seconds: float = 0.4,
    before: Callable[[Point], None] = lambda point: None,
    data: Callable[[int, int], tuple[torch.Tensor, torch.Tensor]] = clusters,
    first: int = 0,
    save_every: int | None = None,
    suffix: str = "1.0",
) -> None:
    """A training loop as people write it: Loss/train, Loss/val, Accuracy/val, lr, grad_norm through SummaryWriter."""
    from torch.utils.tensorboard import SummaryWriter

    inputs, labels = data(20_000, 1)
    held_out, truth = data(4000, 2)
    rng = np.random.default_rng(3 + first)
    if momentum is None:
        optimizer: torch.optim.Optimizer = torch.optim.Adam(model.parameters(), lr)
    else:
        optimizer = torch.optim.SGD(model.parameters(), lr, momentum=momentum)
    losses: list[float] = []
    writer = SummaryWriter(name, filename_suffix=f".{suffix}")
    for step in range(first + 1, steps + 1):
        chosen = torch.tensor(rng.integers(0, len(inputs), batch))
        point = Point(step, inputs[chosen].clone(), labels[chosen].clone(), model, optimizer)
        before(point)
        loss = F.cross_entropy(model(point.inputs), point.labels)
        optimizer.zero_grad()
        loss.backward()
        norm = gradient_norm(model)
        optimizer.step()
        CLOCK.advance(seconds)
        losses.append(loss.item())
        if step % log_every == 0:
            writer.add_scalar("Loss/train", float(np.mean(losses)), step)
            writer.add_scalar("grad_norm", norm, step)
            losses = []
            writer.add_scalar("lr", optimizer.param_groups[0]["lr"], step)
        if step % eval_every == 0:
            with torch.no_grad():
                scores = model(held_out)
                writer.add_scalar("Loss/val", F.cross_entropy(scores, truth).item(), step)
                writer.add_scalar("Accuracy/val", float((scores.argmax(1) == truth).float().mean()), step)
        if save_every and step % save_every == 0:
            Path(name, f"model_step_{step}.pt").touch()
    writer.close()


def decay(steps: int, peak: float) -> Callable[[Point], None]:
    """A cosine from `peak` to zero."""

    def set_rate(point: Point) -> None:
        for group in point.optimizer.param_groups:
            group["lr"] = peak * (1 + np.cos(np.pi * point.step / steps)) / 2

    return set_rate


def not_a_number(name: str) -> None:
    """One record of the data holds an infinity; from the step that draws it on, every weight is NaN."""

    def infinite(point: Point) -> None:
        if point.step == 620:
            point.inputs[0, 0] = float("inf")

    plain(name, classifier(20, 64, 10), before=infinite)


def spike(name: str) -> None:
    """Five batches come with unscaled inputs; the model needs two hundred steps to find back."""

    def unscaled(point: Point) -> None:
        if 600 <= point.step < 605:
            point.inputs = point.inputs * 30

    plain(name, classifier(20, 64, 64, 10), before=unscaled, lr=0.03, momentum=0.9)


def exploding(name: str) -> None:
    """No clipping, and thirty steps on unscaled inputs with wrong labels: gradients twenty times the usual ones."""

    def broken(point: Point) -> None:
        if 600 <= point.step < 630:
            point.labels = (point.labels + 3) % 10
            point.inputs = point.inputs * 6

    plain(name, classifier(20, 64, 10), steps=1000, before=broken)


def vanishing(name: str) -> None:
    """Only the first layers are trained, under sixteen frozen sigmoid layers that let next to no gradient through."""
    model = classifier(20, *[24] * 20, 10, activation=nn.Sigmoid)
    for parameter in list(model.parameters())[8:]:
        parameter.requires_grad_(False)
    plain(name, model, steps=800, lr=1e-4, momentum=0.9, eval_every=10_000)


def resume(name: str) -> None:
    """Killed at step 700 and resumed from step 600 by a script that loads the body of the model but not its head."""
    model = classifier(20, 64, 10)
    plain(name, model, steps=700, save_every=200)
    CLOCK.advance(5400)
    torch.manual_seed(5)
    nn.init.normal_(model[-1].weight, 0, 0.3)
    plain(name, model, steps=1200, first=600, suffix="2.0", save_every=200)


def oscillation(name: str) -> None:
    """The data come almost sorted: every eighty steps another two classes fill most of the batch."""
    inputs, labels = clusters(20_000, 1)
    by_class = [torch.nonzero(labels == label)[:, 0] for label in range(10)]

    def sorted_data(point: Point) -> None:
        present = 2 * (point.step // 80) % 10
        for row in range(len(point.inputs) * 3 // 4):
            pool = by_class[present + row % 2]
            chosen = pool[(point.step * 64 + row) % len(pool)]
            point.inputs[row], point.labels[row] = inputs[chosen], labels[chosen]

    plain(name, classifier(20, 64, 10), steps=1600, eval_every=20, lr=0.05, momentum=0.5, before=sorted_data)


def plateau(name: str) -> None:
    """The noise that is added to the inputs grows as long as the run lasts."""

    def augment(point: Point) -> None:
        point.inputs += torch.randn_like(point.inputs) * max(0, point.step - 150) / 750

    overlapping = functools.partial(clusters, spread=2.9)
    plain(name, classifier(20, 64, 10), steps=1600, log_every=10, batch=128, before=augment, data=overlapping)


def healthy_pytorch(name: str) -> None:
    plain(name, classifier(20, 64, 10), steps=1500, before=decay(1500, 1e-3), batch=128, save_every=300)


def too_few(name: str) -> None:
    plain(name, classifier(20, 64, 10), steps=30, log_every=10, eval_every=30)


# --- Keras' way of writing -------------------------------------------------------------------------------------------


def keras(name: str, *, epochs: int = 20, samples: int = 12_000, width: int = 32, lr: float = 3e-4) -> None:
    """Trains in PyTorch and writes what Keras' callback does: epoch_* as tensors, train/ and validation/ apart."""
    from tensorboard.summary import Writer

    torch.manual_seed(1)
    inputs, labels = clusters(samples, 1)
    held_out, truth = clusters(1000, 2)
    model = classifier(20, width, 10)
    optimizer = torch.optim.Adam(model.parameters(), lr)
    writers = {part: Writer(str(Path(name, part))) for part in ("train", "validation")}
    rng = np.random.default_rng(3)
    for epoch in range(epochs):
        losses, hits = [], []
        for chosen in np.array_split(rng.permutation(samples), samples // 64):
            scores = model(inputs[chosen])
            loss = F.cross_entropy(scores, labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            hits.append(float((scores.argmax(1) == labels[chosen]).float().mean()))
        CLOCK.advance(21.0)
        with torch.no_grad():
            scores = model(held_out)
            values = {
                "train": (np.mean(losses), np.mean(hits)),
                "validation": (
                    F.cross_entropy(scores, truth).item(),
                    (scores.argmax(1) == truth).float().mean().item(),
                ),
            }
        for part, (loss_value, hit_rate) in values.items():
            writers[part].add_scalar("epoch_loss", np.float32(loss_value), epoch)
            writers[part].add_scalar("epoch_accuracy", np.float32(hit_rate), epoch)
        writers["train"].add_scalar("epoch_learning_rate", np.float32(lr), epoch)
    for writer in writers.values():
        writer.close()


# --- Lightning -------------------------------------------------------------------------------------------------------


def lightning(name: str, *, rate: Callable[[int], float] | None = None, lr: float = 1e-3) -> None:
    """Trains with Lightning's Trainer, its TensorBoard logger and its checkpoint callback."""
    import logging

    import lightning.pytorch as pl
    from lightning.pytorch.callbacks import ModelCheckpoint
    from lightning.pytorch.loggers import TensorBoardLogger
    from torch.utils.data import DataLoader, TensorDataset

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
    pl.seed_everything(1, verbose=False)

    class Module(pl.LightningModule):
        def __init__(self, lr: float, width: int) -> None:
            super().__init__()
            self.save_hyperparameters()
            self.net = classifier(20, width, 10)

        def training_step(self, batch: Any, index: int) -> torch.Tensor:
            loss = F.cross_entropy(self.net(batch[0]), batch[1])
            self.log("train_loss", loss)
            CLOCK.advance(0.3)
            return loss

        def validation_step(self, batch: Any, index: int) -> None:
            scores = self.net(batch[0])
            self.log("val_loss", F.cross_entropy(scores, batch[1]))
            self.log("val_acc", (scores.argmax(1) == batch[1]).float().mean())

        def configure_optimizers(self) -> Any:
            if rate is None:
                return torch.optim.Adam(self.parameters(), self.hparams["lr"])
            optimizer = torch.optim.SGD(self.parameters(), self.hparams["lr"], momentum=0.9)
            return [optimizer], [{"scheduler": torch.optim.lr_scheduler.LambdaLR(optimizer, rate), "interval": "step"}]

    inputs, labels = clusters(6400, 1)
    trainer = pl.Trainer(
        max_epochs=16, accelerator="cpu", devices=1, log_every_n_steps=10, enable_progress_bar=False,
        enable_model_summary=False, num_sanity_val_steps=0,
        logger=TensorBoardLogger(".", name=name, default_hp_metric=False),
        callbacks=[
            ModelCheckpoint(every_n_epochs=4, save_top_k=-1),
            pl.callbacks.LearningRateMonitor("step"),
        ],
    )  # fmt: skip
    held_out, truth = clusters(1000, 2)
    trainer.fit(
        Module(lr, 64),
        DataLoader(TensorDataset(inputs, labels), 64, shuffle=True),
        DataLoader(TensorDataset(held_out, truth), 250),
    )


def divergence(name: str) -> None:
    """The rate is restored wrongly half-way: forty times too large, and the loss never comes back."""
    lightning(name, lr=0.01, rate=lambda step: 1.0 if step < 800 else 40.0)


# --- the list --------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Demo:
    """One folder: the verdict it must get, what is in it, and how it is made."""

    verdict: str
    about: str
    make: Callable[[str], None]


def _lm(**settings: Any) -> Callable[[str], None]:
    return lambda name: language_model(name, **settings)


DEMOS: Mapping[str, Demo] = {
    "ideal": Demo(
        "healthy",
        "Hugging Face Trainer, a small GPT-2 tuned on generated text: both losses fall together, every signal holds",
        _lm(),
    ),
    "ideal_pytorch": Demo(
        "healthy", "plain PyTorch and `SummaryWriter`: a classifier, cosine schedule", healthy_pytorch
    ),
    "ideal_keras": Demo(
        "healthy",
        "written as Keras' callback does: `train/` and `validation/`, tensor summaries, one point an epoch",
        keras,
    ),
    "ideal_lightning": Demo("healthy", "Lightning: `version_0` with hyper-parameters and `.ckpt` files", lightning),
    "overfitting": Demo(
        "overfitting",
        "Hugging Face Trainer on 32 samples: train loss falls to nothing, eval loss turns and climbs",
        _lm(samples=32, learning_rate=2e-3, width=64, weight_decay=0.0, steps=300, every=25),
    ),
    "underfitting": Demo(
        "underfitting",
        "Hugging Face Trainer, a model of width 2: it cannot hold the language, both losses stay high",
        _lm(width=2, layers=1, learning_rate=6e-4, steps=300, every=25),
    ),
    "lr_too_high": Demo(
        "lr_too_high",
        "Hugging Face Trainer, SGD at a learning rate of 4: the loss climbs above where it began and jumps about",
        _lm(
            learning_rate=4.0,
            optim="sgd",
            warmup_steps=0,
            lr_scheduler_type="constant",
            steps=200,
            every=50,
            logging_steps=25,
            logging_first_step=True,
        ),
    ),
    "lr_too_low": Demo(
        "lr_too_low",
        "Hugging Face Trainer at a learning rate of 7e-7: a straight line that hardly falls",
        _lm(learning_rate=7e-7, warmup_steps=0, lr_scheduler_type="constant", steps=300, every=50),
    ),
    "nan": Demo("nan", "plain PyTorch: one infinite input at step 620, NaN from there on", not_a_number),
    "out_of_memory": Demo(
        "out_of_memory",
        "Hugging Face Trainer that stops at step 130; the script wrote the GPU's message into `nohup.out`",
        out_of_memory,
    ),
    "slow": Demo(
        "slow",
        "Hugging Face Trainer; the script's clock makes a step 150 s long, so that one epoch takes ten hours",
        _lm(seconds=150.0),
    ),
    "exploding_gradients": Demo(
        "exploding_gradients",
        "plain PyTorch without clipping: thirty steps on broken data, gradients explode, the loss does not come back",
        exploding,
    ),
    "vanishing_gradients": Demo(
        "vanishing_gradients",
        "plain PyTorch: four layers trained under sixteen frozen sigmoid layers, gradient norms below 1e-7",
        vanishing,
    ),
    "oscillation": Demo(
        "oscillation",
        "plain PyTorch: the data are not shuffled but come class by class, and the validation loss swings",
        oscillation,
    ),
    "spike": Demo("spike", "plain PyTorch: five batches with unscaled inputs, then a slow recovery", spike),
    "divergence": Demo(
        "divergence", "Lightning: the rate is set 40 times too large half-way, the loss leaves", divergence
    ),
    "plateau": Demo(
        "plateau",
        "plain PyTorch whose augmentation grows without end: from a quarter on the loss creeps up, validation stands",
        plateau,
    ),
    "lr_schedule": Demo(
        "lr_schedule",
        "Hugging Face Trainer with its scheduler stepped four times a step: the rate is 0 from a quarter on",
        _lm(schedule=lambda step: max(0.0, 1 - 4 * step / 400)),
    ),
    "resume_jump": Demo(
        "resume_jump", "plain PyTorch: resumed from step 600 without the weights of its last layer", resume
    ),
    "stalled": Demo(
        "stalled", "Hugging Face Trainer whose log ends at step 200 of 400, with no error anywhere", _lm(stop_at=200)
    ),
    "data_integrity": Demo(
        "data_integrity",
        "Hugging Face Trainer, gradient accumulation over four batches: train loss is logged as their sum",
        _lm(loss_factor=4.0, gradient_accumulation_steps=4, per_device_train_batch_size=4, steps=240, every=30),
    ),
    "insufficient_data": Demo("insufficient_data", "plain PyTorch: three points and one evaluation", too_few),
}


# --- around it -------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def reproducible() -> Iterator[None]:
    """Our clock, our host name, one thread and fixed seeds, so that the same code writes the same logs."""
    CLOCK.now = START
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    torch.set_num_threads(1)
    with mock.patch("time.time", CLOCK), mock.patch.object(socket, "gethostname", lambda: HOST):
        yield


def tidy(folder: Path) -> None:
    """Gives event files names without a process id, and takes the bytes out of every weight file."""
    for number, path in enumerate(sorted(folder.rglob("events.out.tfevents.*"))):
        path.rename(path.with_name(f"{EVENTS}.1.{number}"))
    for path in folder.rglob("checkpoint-*/*"):
        if path.name not in ("trainer_state.json", "config.json", "model.safetensors"):
            path.unlink()
    for pattern in ("*.safetensors", "*.ckpt", "*.pt", "*.bin"):
        for path in folder.rglob(pattern):
            path.write_bytes(b"")


def write_readme(folder: Path) -> None:
    lines = [
        "# One small real run per verdict",
        "",
        "Made by `make demo-logs` (`demo_logs/make.py`): every curve is that of a model really trained, on a CPU.",
        "Four things are the script's: the clock, the emptied weights, the host's name, and the text in `nohup.out`.",
        "",
        "| folder | verdict | what it is |",
        "|---|---|---|",
        *(f"| `{name}` | {demo.verdict} | {demo.about} |" for name, demo in DEMOS.items()),
    ]
    (folder / "README.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description="Train the runs of demo_logs/ again.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these (default: all)")
    parser.add_argument("--into", type=Path, default=here)
    options = parser.parse_args()
    unknown = set(options.names) - set(DEMOS)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(DEMOS)}")
    target = options.into.resolve()
    target.mkdir(parents=True, exist_ok=True)
    for name in options.names or DEMOS:
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as scratch, contextlib.chdir(scratch):
            with reproducible():
                DEMOS[name].make(name)
            tidy(Path(name))
            shutil.rmtree(target / name, ignore_errors=True)
            shutil.copytree(name, target / name)
        size = sum(path.stat().st_size for path in (target / name).rglob("*") if path.is_file())
        print(f"{name:22s} {time.perf_counter() - began:5.1f} s  {size / 1000:6.1f} kB", flush=True)
    write_readme(target)


if __name__ == "__main__":
    main()
