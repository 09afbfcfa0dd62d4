"""Log folders for the browser tests and the screenshots: small runs of known shape, hostile names, many runs."""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.support.writer import EventWriter

HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(2)<",  # a folder name holds no slash: the slash of a closing tag makes a level more
    "javascript:alert(3)",
    "'\"><svg onload=alert(4)>",
    "\u202egnp.live\u202c",
    "…etc…passwd",
    "emoji 🔥🧪",
    "tab\tnew\nline\x07bell",
    "${alert(5)} {{6*7}} %3Cb%3E",
    "a" * 240,
)
HOSTILE_TAGS = (
    "<img src=x onerror=alert(6)>/loss",
    "../../etc/passwd",
    "x" * 10_000,
    "</script><script>alert(7)</script>",
    "\u202eloss\u202c",
)


def curve(points: int, shape: Callable[[float], float], noise: float, seed: int) -> list[float]:
    chance = random.Random(seed)
    return [shape(i / max(1, points - 1)) * (1 + chance.gauss(0, noise)) for i in range(points)]


def falling(start: float, end: float, speed: float = 4.0) -> Callable[[float], float]:
    return lambda t: end + (start - end) * math.exp(-speed * t)


def rising_after(start: float, low: float, end: float, turn: float) -> Callable[[float], float]:
    fall = falling(start, low, 2.4 / turn)
    return lambda t: fall(t) if t <= turn else fall(turn) + (end - low) * ((t - turn) / (1 - turn)) ** 1.2


def schedule(peak: float) -> Callable[[float], float]:
    return lambda t: peak * (t / 0.05 if t < 0.05 else 0.5 * (1 + math.cos(math.pi * (t - 0.05) / 0.95)))


def fine_tuning(
    folder: Path,
    *,
    train: Callable[[float], float],
    evals: Callable[[float], float] | None,
    steps: int = 600,
    every: int = 5,
    eval_every: int = 50,
    planned: int | None = None,
    rate: float = 2e-4,
    seed: int = 0,
    noise: float = 0.02,
    arguments: Mapping[str, Any] | None = None,
    checkpoints: bool = True,
    started: float | None = None,
    spoil: Callable[[int, float], float] | None = None,
) -> None:
    """A run as Hugging Face's Trainer writes it, with its checkpoint folders (no weights in them)."""
    planned = planned or steps
    started = time.time() - 7200.0 if started is None else started
    given = {"learning_rate": rate, "per_device_train_batch_size": 4, "num_train_epochs": 3, "weight_decay": 0.0}
    given |= {"max_grad_norm": 1.0, "gradient_accumulation_steps": 4, "logging_steps": every, "eval_steps": eval_every}
    given |= dict(arguments or {})
    learning_rate = schedule(rate)
    chance = random.Random(seed)
    losses = curve(steps // every, train, noise, seed)
    with EventWriter(folder, started, seconds_per_event=6.0) as writer:
        writer.text("args/text_summary", json.dumps({**given, "max_steps": planned}))
        for index, loss in enumerate(losses, 1):
            step = index * every
            at = step / planned
            value = spoil(step, loss) if spoil else loss
            norm = (0.4 + 1.2 * loss / losses[0]) * math.exp(chance.gauss(0, 0.15))
            writer.scalars(
                {
                    "train/loss": value,
                    "train/learning_rate": learning_rate(at),
                    "train/grad_norm": norm if math.isfinite(value) else math.nan,
                    "train/epoch": 3 * at,
                },
                step,
            )
            if evals is not None and step % eval_every == 0:
                value = evals(step / steps) * (1 + chance.gauss(0, 0.002))
                writer.scalars({"eval/loss": spoil(step, value) if spoil else value}, step)
                if checkpoints:
                    (folder / f"checkpoint-{step}").mkdir(exist_ok=True)


def demo(root: Path) -> Path:
    """Nine runs, one of each kind that a person meets: what the screenshots show."""
    fine_tuning(root / "qwen-lora-r16", train=falling(2.5, 0.92), evals=falling(2.55, 1.02), seed=1, rate=1e-4)
    fine_tuning(
        root / "qwen-full-5epochs",
        train=falling(2.5, 0.35, 5),
        evals=rising_after(2.55, 1.1, 1.75, 0.42),
        seed=2,
        rate=2e-5,
    )
    fine_tuning(root / "qwen-lora-lr1e-6", train=falling(2.5, 2.42), evals=falling(2.52, 2.45), seed=3, rate=1e-6)
    fine_tuning(
        root / "qwen-fp16", train=falling(2.5, 0.9), evals=falling(2.55, 1.0), seed=4, rate=5e-4,
        spoil=lambda step, value: math.nan if step >= 365 else value, arguments={"fp16": True},
    )  # fmt: skip
    fine_tuning(
        root / "qwen-lr2e-3", train=lambda t: 2.5 - 6 * t if t < 0.1 else 2.1 + 3.4 * t, evals=lambda t: 2.3 + 3.2 * t,
        seed=5, rate=2e-3, noise=0.08,
    )  # fmt: skip
    fine_tuning(
        root / "qwen-warm-spike", train=falling(2.5, 0.95), evals=falling(2.55, 1.05), seed=6,
        spoil=lambda step, value: value * 2.6 if 300 <= step <= 340 else value,
    )  # fmt: skip
    resumed(root / "qwen-resumed")
    fine_tuning(
        root / "qwen-now-running", train=falling(2.5, 0.9), evals=falling(2.55, 1.0), steps=320, planned=600, seed=8,
        started=time.time() - 65 * 6.0,
    )  # fmt: skip
    fine_tuning(root / "qwen-just-started", train=falling(2.5, 2.2), evals=None, steps=15, planned=600, seed=9)
    return root


def resumed(folder: Path) -> None:
    """Stopped at step 400, went on from checkpoint 300: the steps between were written twice."""
    train = curve(120, falling(2.6, 1.0), 0.02, 7)
    for number, (first, last, later) in enumerate(((1, 80, 0.0), (61, 120, 3000.0))):
        with EventWriter(folder, time.time() - 7200.0 + later, seconds_per_event=6.0) as writer:
            for index in range(first, last + 1):
                writer.scalars({"train/loss": train[index - 1] * (1 + 0.02 * number)}, index * 5)
                if index % 10 == 0:
                    writer.scalars({"eval/loss": falling(2.65, 1.1)(index / 120)}, index * 5)


def samples(folder: Path) -> None:
    """A run that logs sample predictions, some of them hostile."""
    with EventWriter(folder, time.time() - 7200.0, seconds_per_event=6.0) as writer:
        for index, loss in enumerate(curve(60, falling(2.5, 1.0), 0.01, 3), 1):
            writer.scalars({"train/loss": loss, "eval/loss": loss * 1.05}, index * 10)
            if index % 20 == 0:
                writer.text(
                    "samples/question",
                    f"Step {index}: **bold** <b onclick=alert(8)>not markup</b> [x](javascript:alert(9))",
                    index * 10,
                )


def hostile(root: Path) -> Path:
    """Run names, tags and texts that try to be markup, script, paths or other names."""
    for index, name in enumerate(HOSTILE):
        try:
            with EventWriter(root / name.replace("\x00", ""), time.time() - 600.0) as writer:
                for step in range(1, 31):
                    writer.scalars(
                        {"train/loss": 2.0 / step + index / 10, "eval/loss": 2.1 / step + index / 10}, step * 10
                    )
        except OSError as error:  # a file system that cannot hold this name cannot show it either
            raise AssertionError(f"this file system cannot hold {name!r}") from error
    with EventWriter(root / "tags", time.time() - 600.0) as writer:
        for step in range(1, 31):
            writer.scalars({**dict.fromkeys(HOSTILE_TAGS, 1.0 / step), "train/loss": 2.0 / step}, step * 10)
    samples(root / "samples")
    return root


def many(root: Path, count: int = 1000) -> Path:
    """A thousand short runs of a sweep."""
    for index in range(count):
        rate = 10 ** (-5 + 3 * (index % 37) / 37)
        over = index % 5 == 0
        with EventWriter(
            root / f"sweep/lr{rate:.1e}-seed{index:04d}", 1_700_000_000.0 + index, seconds_per_event=5
        ) as writer:
            writer.text("args/text_summary", json.dumps({"learning_rate": rate, "seed": index}))
            evals = rising_after(2.55, 1.1, 1.8, 0.4) if over else falling(2.55, 1.05)
            for step, loss in enumerate(curve(20, falling(2.5, 0.6 if over else 0.95), 0.01, index), 1):
                writer.scalars({"train/loss": loss, "eval/loss": evals(step / 20)}, step * 10)
    return root
