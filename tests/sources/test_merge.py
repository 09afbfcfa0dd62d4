"""Putting points together, beside slow and obvious twins."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tb_evalguide.model import Run
from tb_evalguide.sources.merge import chain, fill, merge_arguments, series_from_points

steps = st.lists(st.integers(0, 30), max_size=40)


def slow(written: list[int]) -> list[int]:
    """Which points stay: write them one by one; going back to a step takes away all from there on."""
    kept: list[int] = []
    for index, step in enumerate(written):
        kept = [k for k in kept if written[k] < step]
        kept.append(index)
    return kept


@given(steps)
def test_later_writes_win(written: list[int]) -> None:
    series = series_from_points("t", "r", written, range(len(written)))
    kept = slow(written)
    assert series.steps.tolist() == [written[k] for k in kept]
    assert series.values.tolist() == kept
    assert sorted(series.superseded_values.tolist()) == sorted(set(range(len(written))) - set(kept))
    backs = sum(b < a for a, b in zip(written, written[1:]))
    assert len(series.restarts) == backs
    assert not series.steps.flags.writeable and np.isnan(series.wall_times).all()


@given(st.sets(st.integers(0, 30)), st.sets(st.integers(0, 30)))
def test_fill_keeps_the_main_values(one: set[int], two: set[int]) -> None:
    main = series_from_points("t", "a", sorted(one), np.zeros(len(one)), np.ones(len(one)))
    extra = series_from_points("t", "b", sorted(two), np.ones(len(two)))
    filled = fill(main, extra)
    assert filled.run == "a" and filled.steps.tolist() == sorted(one | two)
    assert filled.values.tolist() == [0.0 if step in one else 1.0 for step in sorted(one | two)]


def run(name: str, **tags: list[int]) -> Run:
    start = {"a": 0.0, "b": 1000.0, "c": 2000.0}[name]
    return Run(
        name,
        {
            tag: series_from_points(tag, name, s, np.full(len(s), start), start + np.array(s, float))
            for tag, s in tags.items()
        },
    )


def test_chain_takes_over_at_the_first_step_of_each() -> None:
    one, two, three = chain(
        [run("a", loss=[10, 20, 30, 40], ev=[20, 40]), run("b", loss=[30, 35], ev=[35]), run("c", loss=[50])]
    )
    assert (one.name, two.name, three.name) == ("a", "b", "c")
    assert not one.series and not two.series
    loss, ev = three.series["loss"], three.series["ev"]
    assert loss.run == "c"
    assert loss.steps.tolist() == [10, 20, 30, 35, 50] and loss.values.tolist() == [0, 0, 1000, 1000, 2000]
    assert loss.superseded_steps.tolist() == [30, 40]
    assert [(r.step, r.last_step, r.forward, r.new_file) for r in loss.restarts] == [
        (30, 40, False, True),
        (50, 40, True, True),
    ]
    assert loss.restarts[0].gap_seconds == 1030 - 40
    assert ev.steps.tolist() == [20, 35] and ev.superseded_steps.tolist() == [40]


def test_chain_of_one_or_of_empty_runs() -> None:
    only = run("a", loss=[1])
    assert chain([only]) == (only,)
    assert chain([Run("a", {}), run("b", loss=[1])])[-1].series["loss"].steps.tolist() == [1]


def test_the_first_source_that_states_an_argument_wins() -> None:
    assert merge_arguments([{"lr": None, "a": 1}, {"lr": 0.1, "a": 2}]) == {"lr": 0.1, "a": 1}
