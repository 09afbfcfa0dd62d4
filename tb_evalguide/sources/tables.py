"""CSV and JSON lines with a step or epoch column → runs: Lightning, Keras, ultralytics, Detectron2, or one's own."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tb_evalguide.i18n import N_
from tb_evalguide.model import ReadNote, Run, Source, Text
from tb_evalguide.sources.logdir import Folder
from tb_evalguide.sources.merge import series_from_points

# A folder of data may hold thousands of CSV files; a folder of logs holds a few.
MOST_FILES = 64
HEAD_BYTES = 8192
LARGEST = 1 << 30

_CSV = re.compile(r".*\.(?:csv|tsv)|.*train.*\.log|.*history.*\.log|log\.txt", re.IGNORECASE)
_JSONL = re.compile(
    r".*\.(?:jsonl|ndjson)|metrics\.json|scalars\.json|.*\.log\.json|.*train.*\.log|log\.txt", re.IGNORECASE
)
_NEVER = frozenset({"sample_ratings.csv"})

# The best axis first. Lightning writes epoch and step; only what stands first is the axis, the other becomes a curve.
STEP_NAMES = (
    "step", "global_step", "_step", "trainer/global_step", "iteration", "iter", "iterations", "n_iter", "itr", "update",
    "updates", "train_step", "time/total_timesteps", "total_timesteps", "timesteps", "num_timesteps", "epoch", "epochs",
    "epoch_num", "epoch_idx",
)  # fmt: skip
_EPOCHS = frozenset({"epoch", "epochs", "epoch_num", "epoch_idx"})
_WALL_TIMES = ("wall_time", "wall time", "_timestamp", "timestamp", "unix_time")
# A column counts as a metric when one of its words is one of these: a table of data has other names.
METRIC_WORDS = frozenset(
    {
        "loss", "losses", "acc", "accuracy", "top1", "top5", "ppl", "perplexity", "nll", "cer", "wer",
        "bleu", "rouge", "rouge1", "rouge2", "rougel", "meteor", "f1", "fbeta", "precision", "recall",
        "auc", "auroc", "auprc", "map", "map50", "map75", "map50-95", "ap", "iou", "miou", "dice", "psnr",
        "ssim", "fid", "mse", "rmse", "mae", "lr", "learning_rate", "grad_norm", "gradnorm", "reward",
        "rewards", "return", "ep_rew_mean", "elbo", "kl", "bpc", "bpb", "bits_per_byte", "val_loss",
        "train_loss", "error_rate",
    }
)  # fmt: skip
# A learning rate alone could be anybody's column.
_NOT_ENOUGH = frozenset({"lr", "learning_rate", "precision", "recall", "ap", "map", "return", "kl", "acc", "auc"})


@dataclass(frozen=True)
class Shape:
    """What the first lines of a file say it is. delimiter is None for JSON lines."""

    delimiter: str | None
    step: str


def find_tables(folder: Folder) -> list[str]:
    """Base names of the log tables in a folder, by name and by their first lines."""
    likely = [name for name in folder.files if (_CSV.fullmatch(name) or _JSONL.fullmatch(name)) and name not in _NEVER]
    return [name for name in likely[:MOST_FILES] if shape_of(folder.join(name)) is not None]


def shape_of(path: str) -> Shape | None:
    """What kind of log table a file is; None when it is none, or cannot be opened (then it tells nothing)."""
    try:
        with open(path, "rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError:
        return None
    if b"\0" in head:
        return None
    lines = head.decode("utf-8-sig", "replace").splitlines()
    if len(head) == HEAD_BYTES and len(lines) > 1:
        lines.pop()
    lines = [line for line in lines if line.strip()]
    if not lines:
        return None
    if lines[0].lstrip().startswith("{"):
        return _json_shape(lines)
    return _csv_shape(lines)


def _json_shape(lines: Iterable[str]) -> Shape | None:
    names: dict[str, None] = {}
    for line in lines:
        entry = _object(line)
        if entry is not None:
            names.update(dict.fromkeys(key for key, value in flat(entry).items() if number(value) is not None))
    step = step_column(names)
    return Shape(None, step) if step is not None and has_metric(names) else None


def _csv_shape(lines: list[str]) -> Shape | None:
    if len(lines) < 2:
        return None
    for delimiter in (",", "\t", ";"):
        header = [name.strip() for name in next(csv.reader([lines[0]], delimiter=delimiter))]
        if len(header) < 2 or any(number(name) is not None for name in header if name):
            continue
        step = step_column(header)
        if step is None or not (has_metric(header) or _is_tensorboard_download(header)):
            continue
        column = header.index(step)
        rows = [[cell.strip() for cell in row] for row in csv.reader(lines[1:], delimiter=delimiter)]
        steps = [number(row[column]) for row in rows if len(row) > column and row[column] and row != header]
        if steps and all(s is not None and math.isfinite(s) and s == int(s) for s in steps):
            return Shape(delimiter, step)
    return None


def step_column(names: Iterable[str]) -> str | None:
    """The column that counts steps, else epochs, as it is spelled."""
    by_lower = {name.lower(): name for name in reversed(list(names))}
    return next((by_lower[name] for name in STEP_NAMES if name in by_lower), None)


def has_metric(names: Iterable[str]) -> bool:
    """Whether the columns are those of a training log: one telling metric, or two that tell less."""
    found = [word for name in names for word in [_metric_word(name)] if word]
    return any(word not in _NOT_ENOUGH for word in found) or len(found) >= 2


def _metric_word(name: str) -> str | None:
    lower = name.lower().strip()
    words = [lower, *re.split(r"[^a-z0-9]+", lower), lower.rpartition("/")[2].rpartition("(")[0]]
    return next((word for word in words if word in METRIC_WORDS), None)


def is_download(name: str) -> bool:
    """The name TensorBoard gives to a curve that is downloaded as CSV."""
    return re.fullmatch(r"run-.*-tag-.*\.csv", name) is not None


def _is_tensorboard_download(header: list[str]) -> bool:
    return [name.lower() for name in header] == ["wall time", "step", "value"]


@dataclass
class _Columns:
    """Points by tag in the order of the lines."""

    steps: dict[str, list[int]] = field(default_factory=dict)
    values: dict[str, list[float]] = field(default_factory=dict)
    walls: dict[str, list[float]] = field(default_factory=dict)

    def add(self, tag: str, step: int, value: float, wall: float) -> None:
        if tag not in self.steps:
            self.steps[tag], self.values[tag], self.walls[tag] = [], [], []
        self.steps[tag].append(step)
        self.values[tag].append(value)
        self.walls[tag].append(wall)


def read_table(path: str, shown: str, name: str) -> Run | None:
    """The run in a log table; None when the file is none. shown: its path for the user. Damage becomes a note."""
    shape = shape_of(path)
    if shape is None:
        return None
    kind = "jsonl" if shape.delimiter is None else "csv"
    try:
        with open(path, "rb") as file:
            text = file.read(LARGEST).decode("utf-8-sig", "replace")
    except OSError as error:
        note = ReadNote(
            "unreadable", Text(N_("The file cannot be read ({reason})."), {"reason": error.strerror or "?"})
        )
        return Run(name, {}, (Source(shown, kind, 0, (note,)),), directory=os.path.dirname(path))
    notes: list[ReadNote] = []
    rows = _json_rows(text, notes) if shape.delimiter is None else _csv_rows(text, shape.delimiter, notes)
    columns = _Columns()
    _collect(rows, shape.step, columns, os.path.basename(path))
    series = {
        tag: series_from_points(tag, name, steps, columns.values[tag], columns.walls[tag])
        for tag, steps in columns.steps.items()
    }
    longest = max((s for s in series.values() if s.restarts), key=len, default=None)
    if longest is not None:
        at = longest.restarts[0]
        params = {"step": at.step, "last_step": at.last_step}
        notes.append(ReadNote("restart", Text(_RESTART, params), step=at.step))
    times = [t for walls in columns.walls.values() for t in (walls[0], walls[-1]) if math.isfinite(t)]
    source = Source(
        shown,
        kind,
        sum(map(len, columns.steps.values())),
        tuple(notes),
        min(times, default=None),
        max(times, default=None),
    )
    return Run(name, series, (source,), directory=os.path.dirname(path))


_RESTART = N_("The step went back from {last_step} to {step}: the later values count.")
_BAD_LINES = N_("{n} lines could not be read and were left out (the first is line {line}).")
_CUT_OFF = N_("The last line is cut off: the writer was stopped, or is still writing.")


def _csv_rows(text: str, delimiter: str, notes: list[ReadNote]) -> Iterator[Mapping[str, Any]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    header: list[str] = []
    bad = first_bad = last = 0
    rows = iter(reader)
    while True:
        try:
            row = next(rows, None)
        except csv.Error:  # a NUL byte or an endless field: that line is lost, the next may be good
            bad, first_bad = bad + 1, first_bad or reader.line_num
            continue
        if row is None:
            break
        if not any(cell.strip() for cell in row):
            continue
        if not header:
            header = [cell.strip() for cell in row]
            continue
        if [cell.strip() for cell in row] == header:  # a second run was appended with its header
            continue
        last = reader.line_num
        if len(row) != len(header):
            bad, first_bad = bad + 1, first_bad or last
            continue
        yield dict(zip(header, row))
    _tell(notes, bad, first_bad, last, text)


def _json_rows(text: str, notes: list[ReadNote]) -> Iterator[Mapping[str, Any]]:
    bad = first_bad = last = 0
    for line_number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        last = line_number
        entry = _object(line)
        if entry is None:
            bad, first_bad = bad + 1, first_bad or line_number
        else:
            yield flat(entry)
    _tell(notes, bad, first_bad, last, text)


def _tell(notes: list[ReadNote], bad: int, first_bad: int, last: int, text: str) -> None:
    if bad == 1 and first_bad == last and not text.endswith("\n"):
        notes.append(ReadNote("truncated", Text(_CUT_OFF)))
    elif bad:
        notes.append(ReadNote("corrupt", Text(_BAD_LINES, {"n": bad, "line": first_bad})))


def _object(line: str) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) else None


def flat(tree: Mapping[str, Any], prefix: str = "", mark: str = "/") -> dict[str, Any]:
    """Nested objects as names joined with `mark`."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            found.update(flat(value, f"{prefix}{key}{mark}", mark))
        else:
            found[f"{prefix}{key}"] = value
    return found


def number(cell: Any) -> float | None:
    """A cell as a number, NaN and infinities included; None for anything else."""
    if isinstance(cell, bool) or cell is None:
        return None
    try:
        return float(cell)
    except (TypeError, ValueError, OverflowError):
        return None


def _collect(rows: Iterable[Mapping[str, Any]], step_name: str, columns: _Columns, file_name: str) -> None:
    """Fills `columns`. MMDetection counts iterations anew in each epoch; they are put one behind the other."""
    epoch_name: str | None = None
    wall_name: str | None = None
    base = previous = 0
    previous_epoch = -math.inf
    known: set[str] = set()
    tag_of_value = re.sub(r"^run-.*-tag-", "", os.path.splitext(file_name)[0])
    for row in rows:
        if not known >= row.keys():
            known |= row.keys()
            epoch_name = next((name for name in known if name.lower() in _EPOCHS), None)
            wall_name = next((name for low in _WALL_TIMES for name in known if name.lower() == low), None)
        position = number(row.get(step_name))
        if position is None or not math.isfinite(position) or abs(position) > 2**62:
            continue
        step = int(position)
        mode = row.get("mode")
        mode = mode if isinstance(mode, str) and mode in ("train", "val", "test") else ""
        epoch = number(row.get(epoch_name)) if epoch_name and epoch_name != step_name else None
        if epoch is not None and math.isfinite(epoch) and step_name.lower() in ("iter", "itr", "iteration"):
            if mode in ("val", "test"):
                step = previous  # it counts the batches of the evaluation
            elif step <= previous and epoch > previous_epoch:
                base += previous
            previous, previous_epoch = step, max(epoch, previous_epoch)
        wall = number(row.get(wall_name)) if wall_name else None
        wall = (
            wall if wall is not None and wall > 1e9 else math.nan
        )  # seconds since the epoch; smaller ones are durations
        prefix = f"{mode}/" if mode else ""
        for key, cell in row.items():
            if key in (step_name, wall_name) or key.endswith(("__MIN", "__MAX")) or not key:
                continue
            value = number(cell)
            if value is not None:
                tag = tag_of_value if key == "Value" and "Wall time" in row else prefix + key
                columns.add(tag, base + step, value, wall)
