"""What lies beside the curves on disk: checkpoints (never opened), result files, plain log files, sample ratings."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tb_evalguide.model import CheckpointFile, display_path
from tb_evalguide.sources.logdir import Folder

# Names that state where in the run a file was written: checkpoint-150, epoch=3-step=400.ckpt, ckpt-10.weights.h5,
# model_step_2000.pt, epoch12.pth, weights.05-1.23.hdf5, iter_0000500.
_STEP = re.compile(
    r"(?<![a-z])(?:steps?|iter(?:ation)?s?|it|checkpoint|ckpt|cp)[=_.\-]?0*(\d+)", re.IGNORECASE | re.ASCII
)
_EPOCH = re.compile(r"(?<![a-z])(?:epochs?|ep|e)[=_.\-]?0*(\d+)", re.IGNORECASE | re.ASCII)
_BARE = re.compile(r"(?:^|[_.\-])0*(\d{1,9})(?=$|[_.\-])", re.ASCII)
# Lightning and Keras put a metric into the name: val_loss=0.31, loss-0.4211, weights.05-1.23.
_VALUE = re.compile(
    r"(?:loss|acc|accuracy|f1|metric|ppl|map|bleu|rouge\w*|wer)[=_\-](\d+\.\d+(?:e-?\d+)?)", re.IGNORECASE | re.ASCII
)
# A number alone could be that of a piece of data: data_01.h5, shard-00007.tar.
_WEIGHTS = re.compile(r"model|weight|net|state|snapshot|best|last|gen|disc|lora", re.IGNORECASE)
_DECIMAL = re.compile(r"[-_]?\d+\.\d+", re.ASCII)
_HF = re.compile(r"checkpoint-(\d+)", re.ASCII)
_NAMELESS = re.compile(r"checkpoint-.*", re.IGNORECASE)
_FINAL = frozenset({"final_model", "final", "final_checkpoint", "best_model", "last_model"})

_KERAS = (".keras", ".weights.h5", ".h5", ".hdf5")
_TORCH = (".pt", ".pth", ".bin", ".tar")
_SAFE = (".safetensors",)
# Weights of a saved model that say nothing of a step, and files of a trainer's state that are no checkpoint themselves.
_NOT_CHECKPOINTS = re.compile(
    r"(?:optimizer|scheduler|scaler|rng_state.*|training_args|tokenizer.*|vocab.*|special_tokens.*|rank_?\d+.*)\.(?:pt|pth|bin|tar)",
    re.IGNORECASE,
)
RESULTS = re.compile(
    r"(?:(?:all|eval|test|predict|evaluation|train)[_-]results?(?:[_-]\w+)?|(?:test|eval)[_-]\w+|final_eval\w*)\.json",
    re.IGNORECASE,
)
# W&B's debug logs tell of its own program, not of the training.
LOGS = re.compile(
    r"(?!debug(?:-[a-z]+)?\.log)(?:nohup\.out.*|.*\.log(?:\.\d+)?|slurm.*|stderr.*|stdout.*|.*\.err|.*\.out)",
    re.IGNORECASE,
)
LOG_BYTES = 10 * 1024 * 1024  # read of each log file, its end: there a run dies
RATINGS = "sample_ratings.csv"


@dataclass(frozen=True)
class Beside:
    """Files that belong to a training, not yet opened. Paths are absolute."""

    checkpoints: tuple[CheckpointFile, ...]
    results: tuple[str, ...]
    logs: tuple[str, ...]
    ratings: tuple[str, ...]


def look(folders: Iterable[Folder], root: str) -> Beside:
    """What lies in these folders. root: paths are shown relative to it."""
    kept = list(folders)
    checkpoint_paths = [folder.path + os.sep for folder in kept if _HF.fullmatch(os.path.basename(folder.path))]
    checkpoints: list[CheckpointFile] = []
    results: list[str] = []
    logs: list[str] = []
    ratings: list[str] = []
    for folder in kept:
        inside = any(folder.path.startswith(path) for path in checkpoint_paths)
        base = os.path.basename(folder.path)
        if base + os.sep and folder.path + os.sep in checkpoint_paths:
            checkpoints.append(_folder(folder, root, int(base.partition("-")[2]), "hf"))
            continue
        if inside:
            continue
        if base.lower() in _FINAL and folder.files:
            checkpoints.append(_folder(folder, root, None, "final"))
        elif found := list(_files(folder, root)):
            checkpoints.extend(found)
        elif _NAMELESS.fullmatch(base) and any(map(_kind, folder.files)):
            checkpoints.append(_folder(folder, root, None, "hf"))  # it cannot be ranked, and that is said
        results.extend(folder.join(name) for name in folder.files if RESULTS.fullmatch(name))
        logs.extend(folder.join(name) for name in folder.files if LOGS.fullmatch(name))
        if RATINGS in folder.files:
            ratings.append(folder.join(RATINGS))
    checkpoints.sort(key=lambda c: (c.step is None, c.step or 0, c.epoch or 0.0, c.path))
    return Beside(tuple(checkpoints), tuple(results), tuple(logs), tuple(ratings))


def _folder(folder: Folder, root: str, step: int | None, kind: str) -> CheckpointFile:
    size, modified = 0, 0.0
    for path in _walk(folder.path):
        try:
            info = os.stat(path)
        except OSError:  # gone since it was listed, or a dangling link: it takes no room
            continue
        size += info.st_size
        modified = max(modified, info.st_mtime)
    if not modified:
        try:
            modified = os.stat(folder.path).st_mtime
        except OSError:  # the folder went away meanwhile; the next look no longer finds it
            modified = 0.0
    return CheckpointFile(display_path(folder.path, root), step, None, size, modified, kind)


def _walk(path: str) -> Iterator[str]:
    for directory, _, names in os.walk(path):
        for name in names:
            yield os.path.join(directory, name)


def _files(folder: Folder, root: str) -> Iterator[CheckpointFile]:
    for name in folder.files:
        kind = _kind(name)
        if kind is None:
            continue
        stem = _stem(name)
        step, epoch = _position(stem, kind)
        if kind != "lightning" and step is None and epoch is None and not _says_checkpoint(stem):
            continue
        try:
            info = os.stat(folder.join(name))
        except OSError:  # a dangling link or a file that was rotated away
            continue
        value = _VALUE.search(stem)
        yield CheckpointFile(
            display_path(folder.join(name), root), step, epoch, info.st_size, info.st_mtime, kind,
            float(value.group(1)) if value else None,
        )  # fmt: skip


def _kind(name: str) -> str | None:
    lower = name.lower()
    if _NOT_CHECKPOINTS.fullmatch(lower):
        return None
    if lower.endswith(".ckpt"):
        return "lightning"
    if lower.endswith(_KERAS):
        return "keras"
    if lower.endswith(_SAFE):
        return "safetensors"
    return "torch" if lower.endswith(_TORCH) else None


def _stem(name: str) -> str:
    for end in (".weights.h5", ".pth.tar", *_KERAS, *_TORCH, *_SAFE, ".ckpt"):
        if name.lower().endswith(end):
            return name[: -len(end)]
    return name


def _says_checkpoint(stem: str) -> bool:
    return stem.lower() in (
        "best",
        "last",
        "final",
        "final_model",
        "best_model",
        "model_best",
        "model_final",
        "last_model",
    )


def _position(stem: str, kind: str) -> tuple[int | None, float | None]:
    """(step, epoch) that a file name states. A number without a word is a step; Keras numbers its files by epoch."""
    step, epoch = _STEP.search(stem), _EPOCH.search(stem)
    if kind == "keras" and step and not epoch and not re.match(r"step|iter", step.group(0), re.IGNORECASE):
        return None, float(step.group(1))
    if step or epoch:
        return int(step.group(1)) if step else None, float(epoch.group(1)) if epoch else None
    bare = _BARE.findall(_DECIMAL.sub("", _VALUE.sub("", stem)))
    if len(bare) != 1 or not (stem.isdigit() or _WEIGHTS.search(stem)):
        return None, None
    return (None, float(bare[0])) if kind == "keras" else (int(bare[0]), None)
