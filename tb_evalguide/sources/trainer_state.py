"""Hugging Face `trainer_state.json` → the run it tells of, with the tags of Hugging Face's TensorBoard callback."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from tb_evalguide.i18n import N_
from tb_evalguide.model import ReadNote, Run, Source, Text, TrainerState
from tb_evalguide.sources.merge import series_from_points

FILE_NAME = "trainer_state.json"

_PREFIXES = (("eval_", "eval/"), ("test_", "test/"))
_KNOWN = frozenset(TrainerState.__dataclass_fields__) | {"log_history"}


def tag_of(key: str) -> str:
    """`loss` → train/loss, `eval_loss` → eval/loss, `test_f1` → test/f1, `train_loss` → train/train_loss."""
    for prefix, folder in _PREFIXES:
        if key.startswith(prefix):
            return folder + key[len(prefix) :]
    return "train/" + key


def read_trainer_state(path: str, shown: str, name: str) -> tuple[Run, TrainerState | None]:
    """The run in a trainer_state.json. shown: its path for the user. Damage becomes a note of the source."""
    notes: list[ReadNote] = []
    document = _load(path, notes)
    if document is None:
        return Run(name, {}, (Source(shown, "trainer_state", 0, tuple(notes)),)), None
    points: dict[str, tuple[list[int], list[float]]] = {}
    _collect(document, points, notes)
    series = {tag: series_from_points(tag, name, steps, values) for tag, (steps, values) in points.items()}
    events = sum(len(steps) for steps, _ in points.values())
    state = TrainerState(
        path=shown,
        best_model_checkpoint=_text(document.get("best_model_checkpoint")),
        best_metric=_number(document.get("best_metric")),
        global_step=_integer(document.get("global_step")),
        max_steps=_integer(document.get("max_steps")),
        num_train_epochs=_number(document.get("num_train_epochs")),
        epoch=_number(document.get("epoch")),
        eval_steps=_integer(document.get("eval_steps")),
        logging_steps=_integer(document.get("logging_steps")),
        save_steps=_integer(document.get("save_steps")),
        extra={
            key: value
            for key, value in document.items()
            if key not in _KNOWN and isinstance(value, (str, int, float, bool))
        },
    )
    return Run(name, series, (Source(shown, "trainer_state", events, tuple(notes)),)), state


def _load(path: str, notes: list[ReadNote]) -> dict[str, Any] | None:
    try:
        with open(path, encoding="utf-8-sig") as file:
            document = json.load(file)
    except OSError as error:
        notes.append(ReadNote("unreadable", Text(N_("cannot be read ({reason})"), {"reason": error.strerror or "?"})))
        return None
    except json.JSONDecodeError as error:
        notes.append(ReadNote("corrupt", Text(N_("is not complete JSON (line {line})"), {"line": error.lineno})))
        return None
    except (UnicodeDecodeError, RecursionError):
        notes.append(ReadNote("corrupt", Text(N_("is not JSON"))))
        return None
    if not isinstance(document, dict) or "log_history" not in document:
        notes.append(ReadNote("corrupt", Text(N_("holds no log_history"))))
        return None
    return document


def _collect(
    document: Mapping[str, Any], points: dict[str, tuple[list[int], list[float]]], notes: list[ReadNote]
) -> None:
    history = document["log_history"]
    strange = 0
    for entry in history if isinstance(history, list) else ():
        step = _integer(entry.get("step")) if isinstance(entry, dict) else None
        if step is None or abs(step) > 2**62:
            strange += 1
            continue
        for key, raw in entry.items():
            value = _number(raw)
            if key != "step" and value is not None:
                steps, values = points.setdefault(tag_of(str(key)), ([], []))
                steps.append(step)
                values.append(value)
    if strange or not isinstance(history, list):
        notes.append(
            ReadNote(
                "corrupt", Text(N_("entries of log_history without a step, left out: {n}"), {"n": max(strange, 1)})
            )
        )


def _number(value: Any) -> float | None:
    """A number, NaN included; some writers put NaN in quotes to stay within JSON."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        try:
            return float(value)
        except OverflowError:
            return None
    if isinstance(value, str) and value.strip().lower().lstrip("+-") in ("nan", "inf", "infinity"):
        return float(value)
    return None


def _integer(value: Any) -> int | None:
    """A whole number; None for a share of the run, which older versions leave where the user gave steps below 1."""
    number = _number(value)
    return int(number) if number is not None and math.isfinite(number) and number == int(number) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
