"""pandas in and out: a run as tbparse's long table, and runs from long and wide tables or a tbparse SummaryReader."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from tb_evalguide.errors import BadOption
from tb_evalguide.i18n import N_
from tb_evalguide.model import ReadNote, Run, Series, Source, Text
from tb_evalguide.sources import read_runs
from tb_evalguide.sources.merge import series_from_points
from tb_evalguide.sources.tables import number, restart_notes, step_column

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("step", "tag", "value", "wall_time", "dir_name")
# Columns that tbparse and its users put beside the metrics of a wide table.
_BESIDE = frozenset({"wall_time", "dir_name", "file_name", "tag", "index"})


def run_to_frame(run: Run) -> pd.DataFrame:
    """One row a point, in tbparse's order: tags by name, steps rising. dir_name is the run as TensorBoard spells it.

    The points are the resolved ones: where a restart wrote a step again, only the later value is here.
    """
    import pandas as pd

    parts = [run.series[tag] for tag in sorted(run.series)]
    frame: pd.DataFrame = pd.DataFrame(
        {
            "step": _joined((s.steps for s in parts), np.int64),
            "tag": np.repeat(np.array([s.tag for s in parts], dtype=object), [len(s) for s in parts]),
            "value": _joined((s.values for s in parts), np.float64),
            "wall_time": _joined((s.wall_times for s in parts), np.float64),
            "dir_name": run.name,
        },
        columns=list(COLUMNS),
    )
    return frame


def _joined(arrays: Iterable[Any], dtype: type) -> Any:
    kept = list(arrays)
    return np.concatenate(kept) if kept else np.empty(0, dtype)


def runs_from_frame(frame: pd.DataFrame) -> list[Run]:
    """Runs of a table: long (step, tag, value, and perhaps wall_time and dir_name) or wide (step and a column a tag).

    Rows count in the order in which they stand. Raises BadOption when there is no step or no metric.
    """
    if frame.columns.nlevels > 1:
        frame = frame.set_axis(["/".join(map(str, name)).strip("/") for name in frame.columns], axis=1)
    names = [str(name) for name in frame.columns]
    step = step_column(names)
    if step is None:
        step = step_column([str(name) for name in frame.index.names if name is not None])
        if step is None:
            raise BadOption(option="DataFrame", reason=Text(_NO_STEP))
        frame = frame.reset_index()
        names = [str(name) for name in frame.columns]
    frame = frame.set_axis(names, axis=1)
    long = "tag" in names and "value" in names
    points = _long(frame, step) if long else _wide(frame, step)
    runs: dict[str, dict[str, Columns]] = {}
    for run, tag, position, value, wall in points:
        steps, values, walls = runs.setdefault(run, {}).setdefault(tag, ([], [], []))
        steps.append(position)
        values.append(value)
        walls.append(wall)
    if not runs:
        raise BadOption(option="DataFrame", reason=Text(_NO_METRIC))
    return [_run(name, tags, "dir_name" in names) for name, tags in runs.items()]


_NO_STEP = N_("it has no step or epoch column.")
_NO_METRIC = N_("it holds no numbers beside its step column.")

Point = tuple[str, str, int, float, float]


# The rows of a tag: steps, values, wall times.
Columns = tuple[list[int], list[float], list[float]]
_CODE = "SummaryReader(…, extra_columns={'dir_name'})"
_MIXED = N_(
    "{tag} has several values at most of its steps: several runs are mixed in this table, and nothing can be said of "
    "any one of them. Tell which row is of which run by a column dir_name; tbparse adds it with {code}."
)
_SEVERAL = N_(
    "{tag} has several values at {count} of its steps: the later one counts. If several runs are in this table, tell "
    "which row is of which by a column dir_name; tbparse adds it with {code}."
)


def _run(name: str, tags: dict[str, Columns], named: bool) -> Run:
    """named: the table says which row is of which run."""
    repeated = {} if named else {tag: _repeated(*columns[:2]) for tag, columns in tags.items()}
    series: dict[str, Series] = {}
    for tag, columns in tags.items():
        # One run behind the other, as if they had been written so: the rules then see what a used folder looks like.
        points = _one_after_the_other(columns) if tag in repeated and repeated[tag][1] else columns
        series[tag] = series_from_points(tag, name, *points)
    tag = max(repeated, key=lambda tag: (repeated[tag][1], repeated[tag][0]), default="")
    count, mixed = repeated.get(tag, (0, False))
    notes = [] if mixed else restart_notes(series.values())
    if count and not notes:
        kind, text = ("mixed_runs", _MIXED) if mixed else ("duplicate_steps", _SEVERAL)
        notes = [ReadNote(kind, Text(text, {"tag": tag, "count": count, "code": _CODE}))]
    times = [t for _, _, walls in tags.values() for t in walls if math.isfinite(t)]
    events = sum(len(steps) for steps, _, _ in tags.values())
    # Its rows are those of event files; the contract knows no kind for tables in memory.
    source = Source("DataFrame", "tfevents", events, tuple(notes), min(times, default=None), max(times, default=None))
    return Run(name, series, (source,))


def _repeated(steps: list[int], values: list[float]) -> tuple[int, bool]:
    """(steps with several different values, whether that is more than a restart would leave behind).

    A restart goes back to a step within the run. Runs of their own each have the first step, and tbparse, which sorts
    all rows by step, lays them into each other.
    """
    at: dict[int, set[float | None]] = {}
    times: dict[int, int] = {}
    for step, value in zip(steps, values):
        at.setdefault(step, set()).add(None if math.isnan(value) else value)  # NaN is not equal to itself
        times[step] = times.get(step, 0) + 1
    several = sum(len(found) > 1 for found in at.values())
    if not several or len(at) < 2:
        return several, False
    rising = all(before <= after for before, after in zip(steps, steps[1:]))
    return several, times[min(at)] > 1 or (rising and 2 * several >= len(at))


def _one_after_the_other(columns: Columns) -> Columns:
    """The rows by how often their step has come before."""
    seen: dict[int, int] = {}
    turns: list[int] = []
    for step in columns[0]:
        turns.append(seen.get(step, 0))
        seen[step] = turns[-1] + 1
    order = sorted(range(len(turns)), key=lambda i: (turns[i], columns[0][i]))
    steps, values, walls = columns
    return [steps[i] for i in order], [values[i] for i in order], [walls[i] for i in order]


def _run_name(cell: Any) -> str:
    """tbparse says '' where TensorBoard says '.'."""
    return cell if isinstance(cell, str) and cell else "."


def _long(frame: pd.DataFrame, step: str) -> Iterator[Point]:
    rows = len(frame)
    run_names = frame["dir_name"].tolist() if "dir_name" in frame.columns else ["."] * rows
    walls = frame["wall_time"].tolist() if "wall_time" in frame.columns else [math.nan] * rows
    for run, tag, at, cell, wall in zip(run_names, frame["tag"], frame[step], frame["value"], walls):
        position, value = _step(at), number(cell)
        if position is not None and value is not None:
            yield _run_name(run), str(tag), position, value, _wall(wall)


def _wide(frame: pd.DataFrame, step: str) -> Iterator[Point]:
    """An empty cell is NaN in a wide table, so that a logged NaN cannot be told from it and is left out there."""
    tags = [name for name in frame.columns if name != step and name not in _BESIDE]
    for row in frame.to_dict("records"):
        position = _step(row[step])
        if position is None:
            continue
        for tag in tags:
            cells = row[tag] if isinstance(row[tag], (list, tuple)) else [row[tag]]
            walls = row.get("wall_time")
            for i, cell in enumerate(cells):
                value = number(cell)
                if value is not None and not (math.isnan(value) and len(cells) == 1):
                    yield _run_name(row.get("dir_name")), str(tag), position, value, _wall(walls, i, len(cells))


def _step(cell: Any) -> int | None:
    position = number(cell)
    return int(position) if position is not None and math.isfinite(position) and abs(position) < 2**62 else None


def _wall(cell: Any, i: int = 0, of: int = 1) -> float:
    """Seconds; tbparse's pivot gathers the wall times of a row's tags into one list, which then names no single one."""
    if isinstance(cell, (list, tuple)):
        cell = cell[i] if len(cell) == of else cell[-1]
    if hasattr(cell, "timestamp"):
        return float(cell.timestamp())
    value = number(cell)
    return math.nan if value is None else value


def runs_from_summary_reader(reader: Any) -> list[Run]:
    """Runs of a tbparse SummaryReader, read again from its log folder.

    tbparse sorts by step within a file: restarts and the order of writing are gone from its tables, but not from the
    folder. Raises as `read_runs` does, LogdirMissing where the folder is gone.
    """
    return read_runs(os.fspath(reader.log_path))
