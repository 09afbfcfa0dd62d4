"""What is a restart and what is not: one tag's write order to one curve."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensorboard.compat.proto.event_pb2 import Event, SessionLog

from tb_evalguide.sources.restarts import resolve
from tests.sources.eventlog import WALL, curve, log, read, scalar


def one(*steps: int):
    """The curve of one tag whose steps were written in this order; values tell the place in the order."""
    return many([("x", step) for step in steps])


def many(*files: list[tuple[str, int]], apart: float = 1e6):
    """Files of (tag, step), one second between events and `apart` seconds between files."""
    data, number = [], 0
    for k, rows in enumerate(files):
        begin = WALL + k * apart
        events = []
        for place, (tag, step) in enumerate(rows):
            events.append(scalar(tag, number, step, begin + place))
            number += 1
        data.append(read(log(*events, wall=begin)))
    series, notes = resolve(data, "run")
    return series, [[note.kind for note in found] for found in notes]


def steps(series, tag: str = "x") -> list[int]:
    return series[tag].steps.tolist()


def test_a_clean_curve_is_passed_through():
    series, notes = one(*range(10))
    assert steps(series) == list(range(10)) and notes == [[]] and series["x"].restarts == ()
    assert series["x"].run == "run" and len(series["x"].superseded_steps) == 0


def test_the_abandoned_tail_of_another_cadence_is_set_aside():
    series, _ = one(*range(0, 101, 10), *range(65, 140, 15))
    assert steps(series) == [*range(0, 61, 10), *range(65, 140, 15)]
    assert series["x"].superseded_steps.tolist() == [70, 80, 90, 100]


def test_the_tail_is_set_aside_before_the_new_pass_has_come_so_far():
    series, notes = one(*range(0, 101, 10), 60, 70, 80)
    assert steps(series) == list(range(0, 81, 10)) and notes == [["restart"]]
    assert series["x"].superseded_steps.tolist() == [60, 70, 80, 90, 100]


def test_tags_are_decided_one_by_one():
    """Evaluation written after training at an earlier step (Lightning): no restart of anything."""
    rows = [("train", s) for s in range(50)] + [("eval", 40)] + [("train", s) for s in range(50, 100)] + [("eval", 90)]
    series, notes = many(rows)
    assert steps(series, "train") == list(range(100)) and steps(series, "eval") == [40, 90] and notes == [[]]


def test_duplicates_are_no_restart():
    series, notes = one(0, 10, 10, 20, 20, 20, 30)
    assert steps(series) == [0, 10, 20, 30] and series["x"].values.tolist() == [0, 2, 5, 6]
    assert series["x"].restarts == () and notes == [["duplicate_steps"]]


def test_equal_duplicates_are_not_worth_a_word():
    data = read(log(*[scalar("epoch", k // 2, 10 * (k // 2)) for k in range(20)]))
    series, notes = resolve([data])
    assert steps(series, "epoch") == list(range(0, 100, 10)) and notes == ((),)


def test_late_points_are_put_in_their_place():
    series, notes = one(100, 300, 200, 400, 600, 500, 700)
    assert steps(series) == [100, 200, 300, 400, 500, 600, 700] and notes == [["out_of_order"]]
    assert series["x"].values.tolist() == [0, 2, 1, 3, 5, 4, 6] and series["x"].restarts == ()


def test_three_points_back_are_a_new_pass():
    series, notes = one(10, 20, 30, 40, 50, 25, 35, 45, 55)
    assert steps(series) == [10, 20, 25, 35, 45, 55] and notes == [["restart"]]


def test_a_late_point_that_a_restart_goes_back_over():
    series, _ = one(10, 20, 40, 30, 50, 20, 30, 40, 50, 60)
    assert steps(series) == [10, 20, 30, 40, 50, 60] and series["x"].values.tolist() == [0, 5, 6, 7, 8, 9]


def test_several_restarts():
    series, notes = one(*range(0, 50, 10), *range(20, 80, 10), *range(50, 120, 10))
    assert steps(series) == list(range(0, 120, 10)) and notes == [["restart", "restart"]]
    assert [(r.step, r.last_step) for r in series["x"].restarts] == [(20, 40), (50, 70)]


def test_a_clean_resume_in_a_new_file():
    series, notes = many([("x", s) for s in range(10)], [("x", s) for s in range(10, 20)])
    assert steps(series) == list(range(20)) and notes == [[], ["resume"]]
    (restart,) = series["x"].restarts
    assert restart.forward and restart.new_file and (restart.step, restart.last_step) == (10, 9)
    assert restart.gap_seconds == 1e6 - 9 and restart.wall_time == WALL + 1e6


def test_an_evaluation_told_once_more_in_a_new_file_is_no_resume():
    series, notes = many([("x", s) for s in range(10)], [("x", 9)])
    assert steps(series) == list(range(10)) and series["x"].values[-1] == 10 and series["x"].restarts == ()
    assert notes == [[], ["duplicate_steps"]]


def test_a_reused_directory():
    series, notes = many([("x", s) for s in range(0, 1000, 10)], [("x", s) for s in range(0, 500, 10)])
    assert steps(series) == list(range(0, 500, 10)) and notes == [[], ["reused_directory"]]
    assert series["x"].values[0] == 100 and len(series["x"].superseded_steps) == 100


def test_a_resume_with_overlap_is_no_reused_directory():
    _, notes = many([("x", s) for s in range(0, 1000, 10)], [("x", s) for s in range(500, 1500, 10)])
    assert notes == [[], ["restart"]]


def test_one_note_for_all_tags_of_a_restart():
    rows = [(tag, s) for s in range(0, 100, 10) for tag in "abc"]
    _, notes = many(rows, [(tag, s) for s in range(50, 100, 10) for tag in "abc"])
    assert notes == [[], ["restart"]]


def test_parallel_writers_lose_nothing():
    series, notes = many([("x", s) for s in range(0, 100, 2)], [("x", s) for s in range(1, 80, 2)], apart=0.5)
    assert steps(series) == sorted({*range(0, 100, 2), *range(1, 80, 2)}) and series["x"].restarts == ()
    assert notes == [[], ["parallel_writers"]]


def test_parallel_writers_of_different_tags_are_nobodys_business():
    _, notes = many([("x", s) for s in range(10)], [("y", s) for s in range(10)], apart=0.5)
    assert notes == [[], []]


def session_start(step: int, wall: float) -> bytes:
    return bytes(Event(wall_time=wall, step=step, session_log=SessionLog(status=SessionLog.START)).SerializeToString())


def test_a_purge_speaks_for_all_tags():
    old = read(log(*curve("train", range(0, 100, 10)), *curve("eval", range(0, 100, 50))))
    new = read(log(session_start(45, WALL + 1e6), *curve("train", range(45, 60, 5), WALL + 1e6), wall=WALL + 1e6))
    series, notes = resolve([old, new])
    assert steps(series, "train") == [0, 10, 20, 30, 40, 45, 50, 55]
    assert steps(series, "eval") == [0] and series["eval"].superseded_steps.tolist() == [50]
    (restart,) = series["train"].restarts
    assert (restart.step, restart.last_step) == (45, 90) and [n.kind for n in notes[1]] == ["restart"]


def test_a_session_start_with_nothing_before_it():
    data = read(log(session_start(0, WALL), *curve("x", range(5))))
    series, notes = resolve([data])
    assert steps(series) == list(range(5)) and notes == ((),)


def test_all_at_step_zero():
    series, notes = one(*[0] * 50)
    assert steps(series) == [0] and series["x"].values.tolist() == [49.0] and notes == [["duplicate_steps"]]


def test_a_step_counter_that_starts_again_every_epoch():
    series, notes = one(*list(range(100)) * 30)
    assert steps(series) == list(range(100)) and len(series["x"].restarts) == 29
    assert notes == [["restart"]]


def test_nothing():
    assert [*map(len, resolve([]))] == [0, 0]


def slow(order: list[int]) -> list[int]:
    """The rule said once more, slowly: a point stays if no later point has its step or a lower one."""
    return [s for k, s in enumerate(order) if all(later > s for later in order[k + 1 :])]


@given(st.lists(st.integers(0, 30), max_size=40))
def test_the_curve_rises_and_ends_with_the_last_write(order):
    series, _ = one(*order)
    if not order:
        assert "x" not in series
        return
    x = series["x"]
    assert (np.diff(x.steps) > 0).all() and set(slow(order)) <= set(steps(series)) <= set(order)
    assert sorted([*x.steps.tolist(), *x.superseded_steps.tolist()]) == sorted(order)
    # the last write of a step that is shown is the one that is shown
    last = {step: place for place, step in enumerate(order)}
    assert x.values.tolist() == [last[step] for step in x.steps.tolist()]


@given(st.lists(st.integers(0, 30), max_size=30), st.lists(st.integers(0, 30), max_size=30))
def test_two_files_never_invent_or_lose_a_point(first, second):
    series, _ = many([("x", s) for s in first], [("x", s) for s in second])
    if first or second:
        x = series["x"]
        assert sorted([*x.steps.tolist(), *x.superseded_steps.tolist()]) == sorted(first + second)
        assert (np.diff(x.steps) > 0).all() and x.values[-1] <= len(first) + len(second) - 1


@pytest.mark.parametrize("count", [2, 1000])
def test_the_table_of_series_is_a_mapping(count):
    data = read(log(*[scalar(f"t{k}", k, s) for s in range(2) for k in range(count)]))
    series, _ = resolve([data], "r")
    assert len(series) == count and list(series) == [f"t{k}" for k in range(count)] and "nope" not in series
    assert series["t1"] is series["t1"] and {k: len(v) for k, v in series.items()} == {f"t{k}": 2 for k in range(count)}
    with pytest.raises(KeyError):
        series["nope"]
