"""Our long table beside tbparse's, over the demo runs, the labelled runs where they are here, and generated logs.

Two statements. Nothing is lost or made up: the points we keep and those a restart superseded are together exactly the
points that tbparse reads, counted one by one. And the tables are equal, but for the runs named in EXCEPTIONS, each with
its reason; a run that no longer differs, or differs for another reason, fails.
"""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tb_evalguide.model import Run
from tb_evalguide.sources import read_runs
from tests.support.writer import EventWriter

pd = pytest.importorskip("pandas")
tbparse = pytest.importorskip("tbparse")

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared" / "runs"
DEMOS = sorted(path for path in (ROOT / "demo_logs").iterdir() if path.is_dir() and any(path.rglob("*tfevents*")))
LABELLED = sorted(
    folder for labels in SHARED.glob("*/labels.jsonl") for folder in labels.parent.iterdir() if folder.is_dir()
)

# The same tag at the same step more than once: Lightning writes `epoch` beside every metric, Hugging Face with every
# log call. tbparse keeps all, TensorBoard shows the last, and so do we.
DUPLICATES = "duplicate steps"
# Points that a restart went back over: tbparse sorts both passes into one zigzag.
RESTART = "restart"
WITH_DUPLICATES = """
d002 d003 d004 d005 d010 d016 d017 d019 d023 d025 d026 d027 d028 d033 d035 d036 d037 d039 d042 d045 d047 d050
d051 d054 d059 d064 d067 d069 d070 d073 d075 d078 d082 d084 demo_logs/data_integrity demo_logs/divergence
demo_logs/ideal demo_logs/ideal_lightning demo_logs/lr_schedule demo_logs/lr_too_high demo_logs/lr_too_low
demo_logs/out_of_memory demo_logs/overfitting demo_logs/slow demo_logs/stalled demo_logs/underfitting real-105
real-391 real-397 real-398 real-400 real-404 real-408.0 real-410.0 real-413.0 real-414.0 real-419 real-426
real-427.0 real-433.0 real-436
"""
WITH_RESTART = """
d007 d043 d052 d060 demo_logs/resume_jump real-109 real-119 real-403 real-406 real-407 real-408 real-411
real-413 real-415 real-416 real-422 real-423 real-424 real-433
"""
EXCEPTIONS = dict.fromkeys(WITH_DUPLICATES.split(), DUPLICATES) | dict.fromkeys(WITH_RESTART.split(), RESTART)
# One more difference is mended before comparing, as it is everywhere: the logdir itself is '' to tbparse and '.' to
# TensorBoard.


def rows(run: Run, superseded: bool) -> Counter[tuple[Any, ...]]:
    """Every point, NaN made comparable."""
    found: Counter[tuple[Any, ...]] = Counter()
    for tag, s in run.series.items():
        parts = [(s.steps, s.values, s.wall_times)]
        if superseded:
            parts.append((s.superseded_steps, s.superseded_values, s.superseded_wall_times))
        for part in parts:
            for step, value, wall in zip(*(column.tolist() for column in part)):
                found[(run.name, tag, step, value if value == value else "nan", wall)] += 1
    return found


def theirs(folder: Path) -> Counter[tuple[Any, ...]]:
    """tbparse's scalars; those that TensorFlow 2 writes are among its tensors."""
    kinds = {"scalars", "tensors"}
    reader = tbparse.SummaryReader(str(folder), extra_columns={"dir_name", "wall_time"}, event_types=kinds)
    found: Counter[tuple[Any, ...]] = Counter()
    for frame in (reader.scalars, reader.tensors):
        for row in frame.to_dict("records"):
            if np.ndim(row["value"]) == 0 and not isinstance(row["value"], (bytes, str)):
                value = float(row["value"])
                shown = value if value == value else "nan"
                found[(row["dir_name"] or ".", row["tag"], row["step"], shown, row["wall_time"])] += 1
    return found


def ours(folder: Path) -> list[Run]:
    return [run for run in read_runs(folder) if any(source.kind == "tfevents" for source in run.sources)]


@pytest.fixture(autouse=True)
def quiet() -> Any:
    logger = logging.getLogger("tensorboard")
    before = logger.level
    logger.setLevel(logging.ERROR)
    yield
    logger.setLevel(before)


def compare(name: str, folder: Path) -> None:
    runs = ours(folder)
    expected = theirs(folder)
    assert sum((rows(run, superseded=True) for run in runs), Counter()) == expected
    equal = sum((rows(run, superseded=False) for run in runs), Counter()) == expected
    backwards = any(not r.forward for run in runs for s in run.series.values() for r in s.restarts)
    reason = None if equal else RESTART if backwards else DUPLICATES
    assert reason == EXCEPTIONS.get(name), f"{name} differs from tbparse for the reason: {reason}"


@pytest.mark.parametrize("folder", DEMOS, ids=lambda path: path.name)
def test_demo_runs(folder: Path) -> None:
    compare(f"demo_logs/{folder.name}", folder)


@pytest.mark.skipif(not LABELLED, reason="the labelled runs are not here")
@pytest.mark.parametrize("folder", LABELLED, ids=lambda path: path.name)
def test_labelled_runs(folder: Path) -> None:
    if not any(folder.rglob("*tfevents*")):
        pytest.skip("no event files: tbparse reads nothing else")
    compare(folder.name, folder)


def generate(folder: Path, kind: str) -> None:
    with EventWriter(folder, 1_700_000_000.0) as writer:
        for step in range(50):
            if kind == "tensors":
                writer.tensor_scalar("loss", 1 / (step + 1), step)
            elif kind == "non-finite":
                writer.scalar("loss", [np.nan, np.inf, -np.inf, 1.0][step % 4], step)
            elif kind == "several in one event":
                writer.scalars({"a": step, "b": -step, "c/d": 0.5}, step)
            elif kind == "steps with gaps":
                writer.scalar("loss", step, step * step)
            elif kind == "negative steps":
                writer.scalar("loss", step, step - 25)
            else:
                writer.scalar("ünïcödé ✓", step, step)


@pytest.mark.parametrize(
    "kind", ["tensors", "non-finite", "several in one event", "steps with gaps", "negative steps", "names"]
)
def test_generated(tmp_path: Path, kind: str) -> None:
    generate(tmp_path / "run", kind)
    generate(tmp_path, kind)
    compare(f"generated/{kind}", tmp_path)


def test_the_table_itself_is_equal(tmp_path: Path) -> None:
    """Columns, order of rows and types, not only the points."""
    generate(tmp_path / "run", "several in one event")
    (tmp_path / "run" / "nested").mkdir()
    frame = tbparse.SummaryReader(str(tmp_path), extra_columns={"dir_name", "wall_time"}).scalars
    (run,) = ours(tmp_path)
    expected = frame[["step", "tag", "value", "wall_time", "dir_name"]]
    pd.testing.assert_frame_equal(run.to_frame(), expected, check_dtype=False)
