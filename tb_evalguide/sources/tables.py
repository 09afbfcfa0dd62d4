"""CSV and JSON lines with a step or epoch column → runs: Lightning, Keras, ultralytics, Detectron2, or one's own."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tb_evalguide.i18n import N_
from tb_evalguide.model import ReadNote, Run, Series, Source, Text
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
    """What the first lines of a file say it is. delimiter is None for JSON lines, which have no header."""

    delimiter: str | None
    step: str
    header: tuple[str, ...] = ()


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
    lines = [line.strip("\0") for line in head.decode("utf-8-sig", "replace").splitlines()]
    if len(head) == HEAD_BYTES and len(lines) > 1:
        lines.pop()
    first = next((line for line in head.splitlines() if line.strip()), b"")
    lines = [line for line in lines if line.strip()]
    # A crash of the machine leaves NUL bytes behind and within a log, but nothing binary begins as one.
    if not lines or b"\0" in first:
        return None
    entries = [entry for entry in map(_object, lines) if entry is not None]
    if entries and (_object(lines[0]) is not None or 2 * len(entries) >= len(lines)):
        return _json_shape(entries)
    return _csv_shape(lines)


def _json_shape(entries: Iterable[Mapping[str, Any]]) -> Shape | None:
    rows = [flat(entry) for entry in entries]
    names = list(dict.fromkeys(key for row in rows for key, value in row.items() if number(value) is not None))
    step = step_column(names)
    if step is None or not (has_metric(names) or _is_plain_log(names, step, rows)):
        return None
    return Shape(None, step)


def _csv_shape(lines: list[str]) -> Shape | None:
    plain = [line for line in lines if not _is_comment(line)]
    if not plain:
        return None
    # numpy.savetxt writes the header itself as a comment
    first = next((i for i, line in enumerate(lines) if not _is_comment(line)), 0)
    headers = [(plain[0], plain[1:]), *((line.lstrip(" #"), plain) for line in lines[max(0, first - 1) : first])]
    for head, body in headers:
        for delimiter in (",", "\t", ";"):
            shape = _delimited(head, body, delimiter)
            if shape is not None:
                return shape
    return None


def _delimited(head: str, body: list[str], delimiter: str) -> Shape | None:
    header = [name.strip() for name in next(csv.reader([head], delimiter=delimiter), [])]
    if len(header) < 2 or any(number(name) is not None for name in header if name):
        return None
    step = step_column(header)
    if step is None:
        return None
    column = header.index(step)
    good = lost = 0
    rows: list[dict[str, str]] = []
    try:
        for cells in csv.reader(body, delimiter=delimiter):
            row = [cell.strip() for cell in cells]
            if len(row) != len(header) or not row[column] or row == header:
                continue
            position = step_number(row[column])
            if position is None or not math.isfinite(position):
                lost += 1
            elif position != int(position):
                return None  # a time or a share, and no count of steps
            else:
                good += 1
                rows.append(dict(zip(header, row)))
            if lost > good and good < FEW_ROWS:
                return None  # text where the steps should be: a table of something else
    except csv.Error:  # an endless field
        return None
    if not good or not (has_metric(header) or _is_tensorboard_download(header) or _is_plain_log(header, step, rows)):
        return None
    return Shape(delimiter, step, tuple(header))


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith("#")


FEW_ROWS = 3  # after these, text may follow: the traceback that ended the run; own choice
LEAST_PLAIN_ROWS = 4  # steps that rise, without which a column that is only perhaps a metric makes no log; own choice
_PLAIN = {"acc": 100.0, "lr": 10.0, "learning_rate": 10.0, "auc": 1.0}  # … and the largest value it can have


def _is_plain_log(names: Iterable[str], step: str, rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether one column that tells little is a metric all the same: steps that rise, values that it can have."""
    for name in names:
        word = _metric_word(name)
        if name == step or word not in _PLAIN:
            continue
        if _SPLITS.intersection(re.split(r"[^a-z0-9]+", name.lower())):
            return True  # "Train Acc" is nobody's acceleration
        steps = [step_number(row.get(step)) for row in rows]
        values = [number(row.get(name)) for row in rows]
        known = [(s, v) for s, v in zip(steps, values) if s is not None and v is not None and math.isfinite(v)]
        rising = all(before[0] < after[0] for before, after in zip(known, known[1:]))
        if len(known) >= LEAST_PLAIN_ROWS and rising and all(0 <= value <= _PLAIN[word] for _, value in known):
            return True
    return False


_SPLITS = frozenset({"train", "training", "val", "valid", "validation", "eval", "test", "dev"})


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
    damage = _Damage()
    rows = _json_rows(text, damage) if shape.delimiter is None else _csv_rows(text, shape, damage)
    columns = _Columns()
    _collect(rows, shape.step, columns, os.path.basename(path), damage)
    notes = damage.notes(text)
    series = {
        tag: series_from_points(tag, name, steps, columns.values[tag], columns.walls[tag])
        for tag, steps in columns.steps.items()
    }
    notes += restart_notes(series.values())
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


def restart_notes(series: Iterable[Series]) -> list[ReadNote]:
    """One note on where writing first went back, from the longest curve that tells of it; empty where none does."""
    longest = max((s for s in series if s.restarts), key=len, default=None)
    if longest is None:
        return []
    at = longest.restarts[0]
    return [ReadNote("restart", Text(_RESTART, {"step": at.step, "last_step": at.last_step}), step=at.step)]


_RESTART = N_("The step went back from {last_step} to {step}: the later values count.")
_BAD_LINES = N_("Damaged lines: {n}, the first is line {line}. What could not be read of them was left out.")
_CUT_OFF = N_("The last line is cut off: the writer was stopped, or is still writing.")


@dataclass
class _Damage:
    """The lines of which something could not be read. last: the last line with anything on it."""

    lines: set[int] = field(default_factory=set)
    last: int = 0

    def notes(self, text: str) -> list[ReadNote]:
        if not self.lines:
            return []
        if self.lines == {self.last} and not text.endswith("\n"):
            return [ReadNote("truncated", Text(_CUT_OFF))]
        return [ReadNote("corrupt", Text(_BAD_LINES, {"n": len(self.lines), "line": min(self.lines)}))]


Row = tuple[int, Mapping[str, Any]]  # with the number of its line


def _clean(text: str, damage: _Damage) -> Iterator[str]:
    """The lines, empty where they hold nothing to read, so that they keep their numbers.

    NUL bytes stand for what a crash of the machine lost: around a line they are taken off, within one it is lost.
    """
    for number, line in enumerate(io.StringIO(text, newline=""), 1):
        if "\0" in line:
            damage.lines.add(number)
            damage.last = number
            line = line.strip("\0")
        yield "\n" if "\0" in line else line


def _csv_rows(text: str, shape: Shape, damage: _Damage) -> Iterator[Row]:
    lines = ("\n" if _is_comment(line) else line for line in _clean(text, damage))
    reader = csv.reader(lines, delimiter=shape.delimiter or ",")
    header = list(shape.header)
    rows = iter(reader)
    while True:
        try:
            row = next(rows, None)
        except csv.Error:  # an endless field: that line is lost, the next may be good
            damage.lines.add(reader.line_num)
            continue
        if row is None:
            break
        if not any(cell.strip() for cell in row):
            continue
        if [cell.strip() for cell in row] == header:  # the first line, or a second run appended with its header
            continue
        damage.last = max(damage.last, reader.line_num)
        if len(row) != len(header):
            damage.lines.add(reader.line_num)
        else:
            yield reader.line_num, dict(zip(header, row))


def _json_rows(text: str, damage: _Damage) -> Iterator[Row]:
    for line_number, line in enumerate(_clean(text, damage), 1):
        if not line.strip():
            continue
        damage.last = max(damage.last, line_number)
        entry = _object(line)
        if entry is None:
            damage.lines.add(line_number)
        else:
            yield line_number, flat(entry)


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


_UNREADABLE = "\ufffd"  # what decoding puts in the place of bytes that are no UTF-8
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.0*)?", re.ASCII)


def step_number(cell: Any) -> float | None:
    """A step, which may be written with commas between the thousands; elsewhere a comma may be a decimal one."""
    if isinstance(cell, str) and _THOUSANDS.fullmatch(cell.strip()):
        cell = cell.replace(",", "")
    return number(cell)


def _collect(rows: Iterable[Row], step_name: str, columns: _Columns, file_name: str, damage: _Damage) -> None:
    """Fills `columns`. MMDetection counts iterations anew in each epoch; they are put one behind the other."""
    epoch_name: str | None = None
    wall_name: str | None = None
    base = previous = 0
    previous_epoch = -math.inf
    known: set[str] = set()
    tag_of_value = re.sub(r"^run-.*-tag-", "", os.path.splitext(file_name)[0])
    for line, row in rows:
        if not known >= row.keys():
            known |= row.keys()
            epoch_name = next((name for name in known if name.lower() in _EPOCHS), None)
            wall_name = next((name for low in _WALL_TIMES for name in known if name.lower() == low), None)
        cell = row.get(step_name)
        position = step_number(cell)
        if position is None or not math.isfinite(position) or abs(position) > 2**62:
            if (
                cell is not None and str(cell).strip()
            ):  # an entry without a step is none; one with a broken step is lost
                damage.lines.add(line)
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
            if value is None:
                if isinstance(cell, str) and _UNREADABLE in cell and prefix + key in columns.steps:
                    damage.lines.add(line)
            else:
                tag = tag_of_value if key == "Value" and "Wall time" in row else prefix + key
                columns.add(tag, base + step, value, wall)
