"""The braille plot: curves where they belong, marks where they belong, and no line across a NaN."""

from __future__ import annotations

import math

import pytest

from tb_evalguide.render.layout import cells
from tb_evalguide.render.plot import DOTS, Marks, Points, is_clipped, plot, points

NONE = Marks()


def drawn(train: Points, evals: Points, marks: Marks = NONE, columns: int = 60, rows: int = 8) -> list[str]:
    return ["".join(span.text for span in row) for row in plot(train, evals, marks, columns, rows)]


def body(lines: list[str]) -> list[str]:
    """The plot's cells without axes and labels."""
    at = lines[-2].index("└") + 1
    return [row[at:].ljust(len(lines[-2]) - at) for row in lines[:-2]]


def dots(cell: str) -> int:
    return bin(ord(cell) - 0x2800).count("1") if "\u2800" <= cell <= "\u28ff" else 0


def test_a_falling_line_falls() -> None:
    lines = body(drawn([(0, 1.0), (100, 0.0)], []))
    tops = [next(r for r in range(8) if dots(lines[r][c])) for c in range(len(lines[0]))]
    assert tops == sorted(tops) and tops[0] == 0 and tops[-1] == 7


def test_every_column_of_a_full_curve_has_a_dot() -> None:
    lines = body(drawn([(i, math.sin(i / 10)) for i in range(200)], []))
    assert all(any(dots(row[c]) for row in lines) for c in range(len(lines[0])))


def test_extremes_touch_the_edges_and_are_labelled() -> None:
    lines = drawn([(0, 2.5), (50, 0.9), (100, 1.7)], [])
    assert lines[0].lstrip().startswith("2.50 ┤") and lines[7].lstrip().startswith("0.900 ┤")
    assert lines[-1].split() == ["0", "100"]


def test_evaluations_onset_and_recommendation_are_marked() -> None:
    evals: Points = [(10, 2.5), (100, 1.8), (150, 1.55), (250, 1.75)]
    lines = drawn([(10, 2.5), (250, 0.9)], evals, Marks(onset=150, recommended=150))
    text = "\n".join(lines)
    assert text.count("●") == 3 and text.count("★") == 1  # the star stands on its evaluation
    assert "▲" in lines[-2] and "┊" in text
    assert lines[-2].index("▲") == next(row.index("┊") for row in lines if "┊" in row)
    lines = drawn([(10, 2.5), (250, 0.9)], evals, Marks(recommended=100))
    assert "★" in lines[-2]


def test_nan_breaks_the_line_and_is_marked_on_the_axis() -> None:
    values: list[tuple[float, float | None]] = [(i, 1.0 - i / 200 if not 40 <= i <= 60 else None) for i in range(101)]
    lines = drawn(values, [], Marks(nonfinite=tuple(float(i) for i in range(40, 61))))
    inner = body(lines)
    width = len(inner[0])
    middle = range(int(width * 0.43), int(width * 0.57))
    assert not any(dots(row[c]) for row in inner for c in middle)
    axis = lines[-2][lines[-2].index("└") + 1 :]
    assert {axis[c] for c in middle} == {"×"} and axis[0] == "─"


def test_a_wide_range_is_drawn_on_a_log_axis() -> None:
    lines = drawn([(i, 10.0 ** (2 - i / 25)) for i in range(101)], [])
    inner = body(lines)
    tops = [next(r for r in range(8) if dots(inner[r][c])) for c in range(len(inner[0]))]
    assert abs(tops[len(tops) // 2] - 3.5) <= 1  # a straight line, halfway down in the middle


def test_one_huge_spike_does_not_flatten_the_curve() -> None:
    train: Points = [(i, 3.0 - i / 100) for i in range(100)]
    train[50] = (50, 30.0)
    assert is_clipped(train, []) == 30.0
    inner = body(drawn(train, []))
    assert sum(any(dots(cell) for cell in row) for row in inner) == 8
    assert is_clipped([(i, 3.0 - i / 100) for i in range(100)], []) is None


@pytest.mark.parametrize(
    "train",
    [
        [],
        [(5, None)],
        [(5, 1.0)],
        [(5, 1.0), (6, 1.0)],
        [(0, 0.0), (1, 0.0)],
        [(0, -1e30), (1, 1e30)],
        [(0, 1e-300), (1, 1e300)],
        [(0, 1.0), (2**53, 2.0)],
    ],
)
def test_odd_curves_are_drawn_or_left_out(train: Points) -> None:
    lines = drawn(train, [], Marks(onset=5, recommended=5, nonfinite=(5.0,)))
    assert bool(lines) == any(value is not None for _, value in train)
    assert all(cells(row) <= 60 for row in lines)


def test_too_narrow_is_no_plot() -> None:
    assert drawn([(0, 1.0), (1, 2.0)], [], columns=20) == []


def test_points_keep_what_the_contract_lists_apart() -> None:
    curve = {"steps": [1, 2], "values": [1.0, None], "nonfinite": [[2, "NaN"], [3, "Infinity"]]}
    assert points(curve) == [(1.0, 1.0), (2.0, None), (3.0, None)]
    assert points(None) == []


def test_the_dots_are_those_of_unicode() -> None:
    assert sum(bit for row in DOTS for bit in row) == 0xFF
