"""The guide is met to the letter: its tables, under every naming convention, short and long, exact and noisy."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

import tb_evalguide as tbe
from tb_evalguide.model import RunReport
from tb_evalguide.sources.ratings import write_rating
from tests.guide.conventions import CONVENTIONS
from tests.guide.tables import C1, C2, C3, C4A, C4B, K5, K5_CHOSEN, TABLES, Table
from tests.support.writer import EventWriter


def rows_of(table: Table) -> list[tuple[int, float | None, float | None]]:
    return [(row.step, row.train, row.eval) for row in table.rows]


def diagnose(folder: Path, profile: str | None = "guide") -> RunReport:
    report = tbe.diagnose(folder, profile=profile)
    assert len(report.runs) == 1, [run.run for run in report.runs]
    return report.runs[0]


def recommended(run: RunReport) -> list[int]:
    return [checkpoint.step for checkpoint in run.checkpoints if checkpoint.recommended]


def beside(table: Table, run: RunReport) -> str:
    """The guide's rows and ours, side by side: printed by every test, shown when one fails."""
    lines = [f"{table.id}: guide {table.label}, ours {run.verdict.label}"]
    for row, ours in zip(table.rows, run.judgements):
        lines.append(
            f"  step {row.step:4d}  train {row.train:.2f}  eval {row.eval if row.eval is not None else '   –'}"
            f"   guide {row.mark or '–':5s} ({row.words:18s})   ours {ours.level:5s} ({ours.reason.template})"
        )
    return "\n".join(lines)


# C2 is told by its eval losses: frameworks that have no name for one cannot show it
TABLES_BY_NAME = [(n, t) for n, c in CONVENTIONS.items() for t in TABLES if c.evaluates or t is not C2]


@pytest.mark.parametrize(("name", "table"), TABLES_BY_NAME, ids=lambda value: getattr(value, "id", value))
def test_table_under_every_naming_convention(name: str, table: Table, tmp_path: Path) -> None:
    convention = CONVENTIONS[name]
    convention.write(tmp_path, rows_of(table))
    run = diagnose(tmp_path)
    print(beside(table, run))
    assert run.verdict.label == table.label
    assert [row.step for row in run.judgements] == [row.step for row in table.rows]
    if convention.evaluates:
        for row, ours in zip(table.rows, run.judgements):
            assert row.mark in (None, ours.level), f"step {row.step}"
            assert ours.level in ("ok", "warn", "bad")
        if table.recommended:
            assert recommended(run)[0] in table.recommended


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.id)
@pytest.mark.parametrize("name", [name for name, c in CONVENTIONS.items() if c.profile == "guide"])
def test_bare_tables_need_no_option(table: Table, name: str, tmp_path: Path) -> None:
    CONVENTIONS[name].write(tmp_path, rows_of(table))
    run = diagnose(tmp_path, profile=None)
    print(beside(table, run))
    assert (run.profile.id, run.profile.chosen_by) == ("guide", "auto")
    assert run.verdict.label == table.label


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("stretch", [1, 8])
@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.id)
def test_the_same_table_as_noisy_steps(table: Table, stretch: int, seed: int, tmp_path: Path) -> None:
    """Every step logged, interpolated between the guide's rows, with the noise of single batches."""
    rng = np.random.default_rng(seed)
    at = np.array([row.step for row in table.rows]) * stretch
    train = np.array([row.train for row in table.rows])
    evals = np.array([row.eval if row.eval is not None else math.nan for row in table.rows])
    with EventWriter(tmp_path) as writer:
        for step in range(int(at[0]), int(at[-1]) + 1):
            writer.scalar("train/loss", float(np.interp(step, at, train) + rng.normal(0, 0.04)), step)
            if step % 50 == 0 and np.isfinite(evals).all():
                writer.scalar("eval/loss", float(np.interp(step, at, evals) + rng.normal(0, 0.004)), step)
    run = diagnose(tmp_path)
    assert run.verdict.label == table.label
    if table is C2:
        assert 90 * stretch <= recommended(run)[0] <= 160 * stretch


@pytest.mark.parametrize("name", [name for name, c in CONVENTIONS.items() if c.evaluates])
def test_k5_recommends_the_middle_checkpoint(name: str, tmp_path: Path) -> None:
    rows = [(step, evals - gap, evals) for step, evals, gap, _ in K5]
    CONVENTIONS[name].write(tmp_path, rows)
    assert recommended(diagnose(tmp_path)) == [K5_CHOSEN]


def test_k5_ratings_do_not_override_a_lower_eval_loss(tmp_path: Path) -> None:
    CONVENTIONS["hf"].write(tmp_path, [(step, evals - gap, evals) for step, evals, gap, _ in K5])
    for step, _, _, quality in K5:
        write_rating(tmp_path / "sample_ratings.csv", step, quality, "")
    assert recommended(diagnose(tmp_path)) == [K5_CHOSEN]


def write(folder: Path, train: list[float], evals: list[float] | None = None, step: int = 50) -> None:
    with EventWriter(folder) as writer:
        for index, value in enumerate(train):
            writer.scalar("train/loss", value, (index + 1) * step)
            if evals is not None:
                writer.scalar("eval/loss", evals[index], (index + 1) * step)


def rules(run: RunReport) -> set[str]:
    return {finding.rule for finding in run.findings}


@pytest.mark.parametrize(("gap", "fires"), [(0.49, False), (0.5, False), (0.51, True)])
def test_m8_gap_is_a_strict_limit(gap: float, fires: bool, tmp_path: Path) -> None:
    train = [2.5, 2.1, 1.7, 1.4, 1.1]
    write(tmp_path, train, [2.6, 2.3, 2.0, 1.8, 1.1 + gap])
    assert ("OVF007" in rules(diagnose(tmp_path))) is fires


@pytest.mark.parametrize(("loss", "fires"), [(0.29, True), (0.3, False), (0.31, False)])
def test_m6_too_low_is_a_strict_limit(loss: float, fires: bool, tmp_path: Path) -> None:
    write(tmp_path, [2.5, 1.8, 1.2, 0.7, loss])
    assert ("OVF006" in rules(diagnose(tmp_path))) is fires


@pytest.mark.parametrize(("loss", "fires"), [(2.99, False), (3.0, False), (3.01, True)])
def test_m7_not_learning_is_a_strict_limit(loss: float, fires: bool, tmp_path: Path) -> None:
    write(tmp_path, [4.5, 4.0, 3.6, 3.3, loss])
    assert ("LRN005" in rules(diagnose(tmp_path))) is fires


@pytest.mark.parametrize(("perplexity", "state"), [(2.99, "pass"), (3.0, "fail"), (3.01, "fail")])
def test_z6_final_perplexity_is_a_strict_limit(perplexity: float, state: str, tmp_path: Path) -> None:
    end = math.log(perplexity)
    write(tmp_path, [2.5, 2.1, 1.7, 1.4, end - 0.1], [2.55, 2.15, 1.8, 1.5, end])
    signals = {signal.id: signal.state for signal in diagnose(tmp_path).signals}
    assert signals["Z6"] == state


@pytest.mark.parametrize(("gap", "state"), [(0.49, "pass"), (0.5, "fail"), (0.51, "fail")])
def test_z3_gap_is_a_strict_limit(gap: float, state: str, tmp_path: Path) -> None:
    write(tmp_path, [2.5, 2.1, 1.7, 1.4, 1.1], [2.6, 2.3, 2.0, 1.8, 1.1 + gap])
    signals = {signal.id: signal.state for signal in diagnose(tmp_path).signals}
    assert signals["Z3"] == state


def test_all_signals_that_a_log_can_answer_hold_on_a_good_run(tmp_path: Path) -> None:
    write(tmp_path, [2.5, 2.1, 1.7, 1.4, 1.15, 0.95, 0.85], [2.55, 2.15, 1.8, 1.5, 1.25, 1.08, 0.98])
    states = {signal.id: signal.state for signal in diagnose(tmp_path).signals}
    assert states == {
        "Z1": "pass",
        "Z2": "pass",
        "Z3": "pass",
        "Z4": "unknown",
        "Z5": "pass",
        "Z6": "pass",
        "Z7": "pass",
    }


@pytest.mark.parametrize(
    ("table", "settings"),
    [
        (C2, {"weight_decay", "lora_dropout"}),
        (C3, {"learning_rate"}),
        (C4A, {"learning_rate"}),
        (C4B, {"learning_rate"}),
    ],
    ids=lambda value: getattr(value, "id", None),
)
def test_remedies_are_the_guides(table: Table, settings: set[str], tmp_path: Path) -> None:
    CONVENTIONS["hf"].write(tmp_path, rows_of(table))
    run = diagnose(tmp_path)
    advice = {a.setting: (a.old, a.new) for finding in run.findings for a in finding.remedies}
    assert settings <= set(advice)
    expected = {"C3": (2e-5, 5e-5), "C4a": (2e-5, 2e-6), "C4b": (2e-5, 5e-5)}
    if table.id in expected:
        assert advice["learning_rate"] == pytest.approx(expected[table.id])


def test_c1_has_no_finding_above_information(tmp_path: Path) -> None:
    CONVENTIONS["hf"].write(tmp_path, rows_of(C1))
    assert [f.rule for f in diagnose(tmp_path).findings if f.severity.value != "info"] == []
