"""The guide's tables as data: every row with its judgement, every table with its verdict."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One row of a table. mark: ok, warn or bad where the guide marks the row, else None (any of warn, ok, bad)."""

    step: int
    train: float
    eval: float | None
    mark: str | None
    words: str


@dataclass(frozen=True)
class Table:
    """A table of the guide. labels: verdicts that agree with it. recommended: steps that may be recommended."""

    id: str
    rows: tuple[Row, ...]
    label: str
    recommended: tuple[int, ...] = ()


C1 = Table(
    "C1",
    (
        Row(10, 2.50, 2.55, "ok", "normal start"),
        Row(50, 2.10, 2.15, "ok", "ok"),
        Row(100, 1.70, 1.80, "ok", "ok"),
        Row(150, 1.40, 1.50, "ok", "ok"),
        Row(200, 1.15, 1.25, "ok", "ok"),
        Row(250, 0.95, 1.10, "ok", "keep going"),
    ),
    "healthy",
    (250,),
)
C2 = Table(
    "C2",
    (
        Row(10, 2.50, 2.55, "ok", "ok"),
        Row(50, 2.10, 2.15, "ok", "ok"),
        Row(100, 1.70, 1.80, "ok", "ok"),
        Row(150, 1.40, 1.55, "warn", "gap grows"),
        Row(200, 1.15, 1.60, "bad", "eval rises"),
        Row(250, 0.90, 1.75, "bad", "overfitting"),
    ),
    "overfitting",
    (100, 150),
)
C3 = Table(
    "C3",
    (
        Row(10, 2.50, 2.55, "ok", "ok"),
        Row(50, 2.45, 2.50, "warn", "slow fall"),
        Row(100, 2.40, 2.45, "bad", "hardly any change"),
        Row(150, 2.35, 2.42, "bad", "underfitting"),
    ),
    "underfitting",
)
C4A = Table(
    "C4a",
    (
        Row(10, 2.50, None, "ok", "ok"),
        Row(50, 3.10, None, "bad", "rises"),
        Row(100, 2.80, None, None, "unstable"),
        Row(150, 3.50, None, "bad", "diverges"),
    ),
    "lr_too_high",
)
C4B = Table(
    "C4b",
    (
        Row(10, 2.50, None, "ok", "ok"),
        Row(50, 2.49, None, None, "hardly any change"),
        Row(100, 2.48, None, "bad", "too slow"),
        Row(150, 2.47, None, None, "waste of time"),
    ),
    "lr_too_low",
)
TABLES = (C1, C2, C3, C4A, C4B)

# K5: step, eval loss, gap, quality of the samples; step 150 is chosen
K5 = ((100, 1.2, 0.1, "fair"), (150, 1.1, 0.2, "good"), (200, 1.3, 0.4, "very good"))
K5_CHOSEN = 150
