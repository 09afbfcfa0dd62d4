"""Train and eval curves as braille, with what matters marked on them: onset, recommended checkpoint, NaN, spikes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tb_evalguide.render.layout import Line, Span, cells
from tb_evalguide.render.words import number

# Bit of each dot in a braille cell, by row and column (Unicode 2800: dots 1 4 / 2 5 / 3 6 / 7 8).
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
LOG_FROM = 20.0  # highest over lowest value: above it a linear axis shows only the first fall
SPIKE_ROOM = 3.0  # values higher than this many ranges of the other 98 % above them are drawn at the top edge
MOST_MARKERS = 16  # an eval curve with more points carries a marker only on every so many


@dataclass(frozen=True)
class Marks:
    """Steps to mark; None and empty for nothing."""

    onset: float | None = None
    recommended: float | None = None
    nonfinite: tuple[float, ...] = ()


@dataclass
class _Canvas:
    columns: int
    rows: int
    bits: list[list[int]] = field(init=False)
    styles: list[list[str]] = field(init=False)
    signs: dict[tuple[int, int], Span] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.bits = [[0] * self.columns for _ in range(self.rows)]
        self.styles = [[""] * self.columns for _ in range(self.rows)]

    def dot(self, x: int, y: int, style: str) -> None:
        row, column = y // 4, x // 2
        self.bits[row][column] |= DOTS[y % 4][x % 2]
        self.styles[row][column] = style

    def stroke(self, x0: int, y0: int, x1: int, y1: int, style: str) -> None:
        steps = max(abs(x1 - x0), abs(y1 - y0), 1)
        for k in range(steps + 1):
            self.dot(round(x0 + (x1 - x0) * k / steps), round(y0 + (y1 - y0) * k / steps), style)

    def row(self, r: int) -> Line:
        spans: list[Span] = []
        for c in range(self.columns):
            sign = self.signs.get((r, c))
            if sign is None:
                bits = self.bits[r][c]
                sign = Span(chr(0x2800 + bits) if bits else " ", self.styles[r][c] if bits else "")
            if spans and spans[-1].style == sign.style:
                spans[-1] = Span(spans[-1].text + sign.text, sign.style)
            else:
                spans.append(sign)
        return tuple(spans)


Points = list[tuple[float, float | None]]


def points(curve: Mapping[str, Any] | None) -> Points:
    """(step, value) in step order; None where the value is not finite or missing."""
    if not curve:
        return []
    found = [
        (float(step), float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None)
        for step, value in zip(curve["steps"], curve["values"], strict=True)
    ]
    known = {step for step, _ in found}
    found += [(float(step), None) for step, *_ in curve.get("nonfinite", ()) if float(step) not in known]
    return sorted(found, key=lambda point: point[0])


def plot(train: Points, evals: Points, marks: Marks, columns: int, rows: int = 8) -> list[Line]:
    """Plot of at most `columns` cells with both axes; empty without a finite point."""
    values = [value for _, value in (*train, *evals) if value is not None]
    if not values or columns < 24:
        return []
    low, high, log = _axis(values)
    labels = [number(_unscaled(low + (high - low) * k / 2, log), 3) for k in (2, 1, 0)]
    margin = max(map(cells, labels))
    canvas = _Canvas(columns - margin - 2, rows)
    steps = [step for step, _ in (*train, *evals)] + list(marks.nonfinite)
    first, last = min(steps), max(steps)

    def x_of(step: float) -> int:
        share = (step - first) / (last - first) if last > first else 0.0
        return min(max(round(share * (2 * canvas.columns - 1)), 0), 2 * canvas.columns - 1)

    def y_of(value: float) -> int:
        share = (_scaled(value, log) - low) / (high - low)
        return min(max(round((1 - share) * (4 * rows - 1)), 0), 4 * rows - 1)

    for series, style in ((train, "train"), (evals, "eval")):
        before: tuple[int, int] | None = None
        for step, value in series:
            if value is None:  # a line across a NaN would claim values that were never there
                before = None
                continue
            here = (x_of(step), y_of(value))
            canvas.stroke(*(before or here), *here, style)
            before = here
    shown: list[tuple[float, float]] = [(step, value) for step, value in evals if value is not None]
    stride = max(1, math.ceil(len(shown) / MOST_MARKERS))
    for k, (step, value) in enumerate(shown):
        # counted from the end: the last evaluation is the one that is looked at
        if (len(shown) - 1 - k) % stride == 0:
            canvas.signs[y_of(value) // 4, x_of(step) // 2] = Span("●", "eval")
    if marks.onset is not None and first <= marks.onset <= last:
        column = x_of(marks.onset) // 2
        for r in range(rows):
            if not canvas.bits[r][column] and (r, column) not in canvas.signs:
                canvas.signs[r, column] = Span("┊", "mark")
    axis = [Span("─", "dim")] * canvas.columns
    for step in marks.nonfinite:
        axis[x_of(step) // 2] = Span("×", "bad")
    if marks.recommended is not None and first <= marks.recommended <= last:
        axis[x_of(marks.recommended) // 2] = Span("★", "ok")
        value = dict(shown or train).get(marks.recommended)
        if value is not None:
            canvas.signs[y_of(value) // 4, x_of(marks.recommended) // 2] = Span("★", "ok")
    if marks.onset is not None and first <= marks.onset <= last:
        axis[x_of(marks.onset) // 2] = Span("▲", "mark")
    lines: list[Line] = []
    label_rows = {0: labels[0], (rows - 1) // 2: labels[1], rows - 1: labels[2]}
    for r in range(rows):
        label = label_rows.get(r, "")
        lines.append(
            (Span(" " * (margin - cells(label)) + label, "dim"), Span(" ┤" if label else " │", "dim"), *canvas.row(r))
        )
    lines.append((Span(" " * margin + " └", "dim"), *_joined(axis)))
    left, right = number(int(first)), number(int(last))
    space = canvas.columns - cells(left) - cells(right)
    lines.append((Span(" " * (margin + 2) + left + " " * max(1, space) + right, "dim"),))
    return lines


def _joined(spans: Sequence[Span]) -> Line:
    out: list[Span] = []
    for span in spans:
        if out and out[-1].style == span.style:
            out[-1] = Span(out[-1].text + span.text, span.style)
        else:
            out.append(span)
    return tuple(out)


def _scaled(value: float, log: bool) -> float:
    return math.log10(max(value, 1e-300)) if log else value


def _unscaled(value: float, log: bool) -> float:
    return 10.0**value if log else value


def _axis(values: Sequence[float]) -> tuple[float, float, bool]:
    """(low, high, logarithmic), scaled; a lone huge spike does not flatten the rest."""
    ordered = sorted(values)
    low, high = ordered[0], ordered[-1]
    log = low > 0 and high / low >= LOG_FROM
    if not log and len(ordered) >= 50:
        almost = ordered[min(len(ordered) - 1, round(0.98 * len(ordered)))]
        if high - almost > SPIKE_ROOM * max(almost - low, 1e-12):
            high = almost + (almost - low)
    low, high = _scaled(low, log), _scaled(high, log)
    if high - low <= 1e-12 * max(1.0, abs(high)):
        room = max(abs(high) * 0.05, 1e-6)
        return low - room, high + room, log
    return low, high, log


def is_clipped(train: Points, evals: Points) -> float | None:
    """The highest value when it lies above the plot's upper edge."""
    values = [value for _, value in (*train, *evals) if value is not None]
    if not values:
        return None
    _, high, log = _axis(values)
    return max(values) if _scaled(max(values), log) > high else None
