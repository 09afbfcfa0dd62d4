"""pandas in and out: long and wide tables, tbparse's own tables, tables that are no logs."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pytest

import tb_evalguide as tbe
from tb_evalguide.errors import BadOption, LogdirMissing
from tb_evalguide.frames import run_to_frame, runs_from_frame, runs_from_summary_reader
from tb_evalguide.model import Run
from tb_evalguide.sources import read_runs
from tests.support.writer import EventWriter

pd = pytest.importorskip("pandas")
START = 1_700_000_000.0


def write(folder: Path) -> Path:
    with EventWriter(folder, START) as writer:
        for step in range(1, 6):
            writer.scalar("train/loss", 1 / step, step)
            if step % 2 == 0:
                writer.scalar("eval/loss", 2 / step, step)
        writer.scalar("train/loss", math.nan, 6)
    return folder


def content(runs: list[Run]) -> dict[tuple[str, str], list[tuple[int, float]]]:
    return {
        (run.name, tag): [
            (step, value if value == value else -1.0) for step, value in zip(s.steps.tolist(), s.values.tolist())
        ]
        for run in runs
        for tag, s in run.series.items()
    }


def test_long_form(tmp_path: Path) -> None:
    (run,) = read_runs(write(tmp_path))
    frame = run.to_frame()
    assert list(frame.columns) == ["step", "tag", "value", "wall_time", "dir_name"]
    assert frame["tag"].tolist() == ["eval/loss"] * 2 + ["train/loss"] * 6
    assert frame["step"].dtype == np.int64 and frame["value"].dtype == np.float64
    assert set(frame["dir_name"]) == {"."} and frame["wall_time"].iloc[0] == START + 1


def test_long_form_of_nothing() -> None:
    frame = run_to_frame(Run("x", {}))
    assert list(frame.columns) == ["step", "tag", "value", "wall_time", "dir_name"] and len(frame) == 0


def test_long_form_and_back(tmp_path: Path) -> None:
    for name in ("a", "b/c"):
        write(tmp_path / name)
    runs = read_runs(tmp_path)
    back = runs_from_frame(pd.concat([run.to_frame() for run in runs]))
    assert content(back) == content(runs)
    assert back[0].series["eval/loss"].wall_times.tolist() == runs[0].series["eval/loss"].wall_times.tolist()
    assert back[0].sources[0].kind == "tfevents" and back[0].sources[0].events == 8


def test_wide_form_with_gaps() -> None:
    frame = pd.DataFrame(
        {"step": [1, 2, 3], "loss": [3.0, 2.0, 1.0], "val_loss": [None, 2.5, None], "note": ["a", "b", "c"]}
    )
    (run,) = runs_from_frame(frame)
    assert content([run]) == {(".", "loss"): [(1, 3.0), (2, 2.0), (3, 1.0)], (".", "val_loss"): [(2, 2.5)]}


@pytest.mark.parametrize("name", ["step", "epoch", "Step", "global_step"])
def test_the_step_may_be_the_index(name: str) -> None:
    frame = pd.DataFrame({"loss": [2.0, 1.0]}, index=pd.Index([10, 20], name=name))
    assert content(runs_from_frame(frame)) == {(".", "loss"): [(10, 2.0), (20, 1.0)]}


def test_rows_count_in_their_order() -> None:
    frame = pd.DataFrame({"step": [1, 2, 3, 2, 3], "tag": "loss", "value": [5.0, 4.0, 3.0, 9.0, 8.0]})
    series = runs_from_frame(frame)[0].series["loss"]
    assert series.values.tolist() == [5.0, 9.0, 8.0] and series.superseded_values.tolist() == [4.0, 3.0]


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(),
        pd.DataFrame({"a": [1], "b": [2]}),
        pd.DataFrame({"step": [1, 2]}),
        pd.DataFrame({"step": [1, 2], "name": ["a", "b"]}),
        pd.DataFrame({"step": ["x", "y"], "loss": [1.0, 2.0]}),
    ],
)
def test_tables_that_are_no_logs(frame: object) -> None:
    with pytest.raises(BadOption, match="DataFrame"):
        runs_from_frame(frame)


def told(frame: object) -> tuple[str, str, list[str], list[int]]:
    """(label, level, kinds of notes, steps of the first role) of the one run in a table."""
    (entry,) = tbe.diagnose(frame).to_dict("en")["runs"]
    assert all(source["kind"] == "tfevents" for source in entry["sources"]) and entry["tb_runs"] == ["."]
    notes = [note["kind"] for source in entry["sources"] for note in source["notes"]]
    return entry["verdict"]["label"], entry["verdict"]["level"], notes, [r["step"] for r in entry["restarts"]]


def two_runs(lengths: tuple[int, int] = (40, 40), starts: tuple[int, int] = (1, 1)) -> object:
    """The rows of two healthy runs without a word of which is which, one behind the other."""
    rows = [
        (step, "train/loss", (2.5 + k / 10) * 0.97**step)
        for k, (length, start) in enumerate(zip(lengths, starts))
        for step in range(start, length + 1)
    ]
    return pd.DataFrame(rows, columns=["step", "tag", "value"])


@pytest.mark.parametrize("lengths", [(40, 40), (40, 25), (25, 40)])
def test_several_runs_in_one_table_are_said_and_not_healthy(lengths: tuple[int, int]) -> None:
    rows = two_runs(lengths)
    assert told(two_runs((40, 0)))[:3] == ("healthy", "ok", [])
    behind = told(rows)
    # tbparse sorts by step, so that the runs lie in each other
    within = told(rows.sort_values("step", kind="stable"))  # type: ignore[attr-defined]
    wide = told(rows.pivot_table(index="step", columns="tag", values="value", aggfunc=list).reset_index())  # type: ignore[attr-defined]
    for label, level, notes, restarts in (behind, within, wide):
        assert (label, notes) == ("data_integrity", ["mixed_runs"]) and level != "ok" and restarts == [1]


def test_several_runs_in_a_table_of_tbparse(tmp_path: Path) -> None:
    tbparse = pytest.importorskip("tbparse")
    for k, name in enumerate(("a", "b")):
        with EventWriter(tmp_path / name) as writer:
            for step in range(1, 41):
                writer.scalar("train/loss", (2.5 + k / 10) * 0.97**step, step)
    for pivot in (False, True):
        mixed = told(tbparse.SummaryReader(str(tmp_path), pivot=pivot).scalars)
        assert mixed[0] == "data_integrity" and mixed[2] == ["mixed_runs"]
        apart = tbparse.SummaryReader(str(tmp_path), pivot=pivot, extra_columns={"dir_name"}).scalars
        assert {run.verdict.label for run in tbe.diagnose(apart).runs} == {"healthy"}
    reader = tbe.diagnose(tbparse.SummaryReader(str(tmp_path))).to_dict()["runs"]
    assert [source["kind"] for entry in reader for source in entry["sources"]] == ["tfevents"] * 2


def test_a_restart_in_a_table_is_no_mixture() -> None:
    rows = two_runs((30, 40), (1, 20))
    assert told(rows)[2:] == (["restart"], [20])
    sorted_rows = rows.sort_values("step", kind="stable")  # type: ignore[attr-defined]
    assert told(sorted_rows)[2] == ["duplicate_steps"]


def test_the_same_value_twice_is_no_mixture() -> None:
    """Lightning writes the epoch more than once at a step."""
    frame = pd.DataFrame(
        [(s, "loss", 3 * 0.9**s) for s in range(1, 31) for _ in range(2)], columns=["step", "tag", "value"]
    )
    assert told(frame)[2] == []


@pytest.fixture
def tbparse_reader(tmp_path: Path) -> object:
    tbparse = pytest.importorskip("tbparse")
    for name in ("a", "b"):
        write(tmp_path / name)
    return tbparse.SummaryReader(str(tmp_path), pivot=True, extra_columns={"dir_name", "wall_time"})


def test_tbparse_wide_form(tbparse_reader: object, tmp_path: Path) -> None:
    found = content(runs_from_frame(tbparse_reader.scalars))  # type: ignore[attr-defined]
    expected = content(read_runs(tmp_path))
    # an empty cell of a wide table is NaN: the logged NaN at step 6 cannot be told from it
    assert found == {key: [point for point in points if point[0] < 6] for key, points in expected.items()}


def test_a_summary_reader_is_read_again_from_its_folder(tbparse_reader: object, tmp_path: Path) -> None:
    assert content(runs_from_summary_reader(tbparse_reader)) == content(read_runs(tmp_path))


def test_a_summary_reader_whose_folder_is_gone(tbparse_reader: object, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path)
    with pytest.raises(LogdirMissing):
        runs_from_summary_reader(tbparse_reader)
