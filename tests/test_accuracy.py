"""The figures of benchmarks/accuracy.py, on answers made up by hand, on generated runs, and on the labelled ones."""

from __future__ import annotations

import dataclasses
import math
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from benchmarks import accuracy, held_out, replay, rivals
from benchmarks.labelled import (
    Answer,
    Unit,
    answer_of,
    calibration_error,
    is_alarm,
    is_right,
    main_training,
    read_suite,
    reliability,
    score,
    wilson,
)
from tb_evalguide.diagnosis import diagnose_training
from tb_evalguide.model import Run, Series, Training

RUNS = Path(__file__).parents[2] / "shared" / "runs"


def unit(*accept: str, healthy: bool = False, extra: tuple[str, ...] = (), suite: str = "s") -> Unit:
    label = {"accept": list(accept), "accept_finding": list(extra), "primary": accept[0], "healthy": healthy}
    return Unit(suite, "r", Path("r"), label)


def said(headline: str | None, *labels: str, confidence: float | None = None) -> Answer:
    return Answer(headline, frozenset(labels or (headline or "",)), confidence=confidence)


# --- figures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "answer", "right"),
    [
        (unit("spike", "plateau"), said("plateau"), True),
        (unit("spike"), said("healthy"), False),
        (unit("resume_jump", extra=("resume_jump",)), said("healthy", "healthy", "resume_jump"), True),
        (unit("resume_jump", extra=("resume_jump",)), said("overfitting", "overfitting", "resume_jump"), False),
        (unit("resume_jump"), said("healthy", "healthy", "resume_jump"), False),
        (unit("spike"), said(None, "spike", "overfitting"), True),
        (unit("healthy"), said(None, "spike"), False),
        (unit("spike"), dataclasses.replace(said("spike"), error="no answer"), False),
    ],
)
def test_what_counts_as_right(label: Unit, answer: Answer, right: bool) -> None:
    assert is_right(label, answer) is right


def test_alarms_are_what_is_said_of_healthy_runs() -> None:
    assert not is_alarm(said("healthy", "healthy", "spike"))  # a finding is no headline
    assert not is_alarm(said("insufficient_data"))
    assert is_alarm(said("spike"))
    assert is_alarm(said(None, "healthy", "spike"))  # without a headline every label speaks
    assert is_alarm(dataclasses.replace(said("healthy"), error="crashed"))


def test_wilson_interval_is_the_root_of_its_own_equation() -> None:
    for k, n in ((0, 10), (3, 10), (10, 10), (150, 154)):
        low, high = wilson(k, n)
        assert 0 <= low <= k / n <= high <= 1
        for edge in (low, high):
            if 0 < edge < 1:
                assert abs(k / n - edge) == pytest.approx(1.96 * math.sqrt(edge * (1 - edge) / n), rel=1e-9)
    assert all(map(math.isnan, wilson(0, 0)))


def test_score_counts_by_label() -> None:
    pairs = [
        (unit("spike"), said("spike", confidence=0.9)),
        (unit("spike"), said("plateau", confidence=0.5)),
        (unit("plateau"), said("plateau", confidence=0.8)),
        (unit("healthy", healthy=True), said("spike", confidence=0.6)),
    ]
    figures = score(pairs)
    assert (figures.right, figures.runs, figures.alarms, figures.healthy) == (2, 4, 1, 1)
    assert (figures.labels["spike"].recall, figures.labels["spike"].precision) == (0.5, 0.5)
    assert (figures.labels["plateau"].recall, figures.labels["plateau"].precision) == (1.0, 0.5)
    assert figures.labels["healthy"].f1 == 0
    assert figures.macro_f1 == pytest.approx((0.5 + 2 / 3 + 0) / 3)
    assert figures.brier == pytest.approx((0.01 + 0.25 + 0.04 + 0.36) / 4)


def test_reliability_table_and_its_error() -> None:
    pairs = [(0.55, True), (0.55, False), (0.95, True), (1.0, True)]
    assert reliability(pairs) == [(0.5, 0.6, 2, 0.55, 0.5), (0.95, 1.0, 2, 0.975, 1.0)]
    assert calibration_error(pairs) == pytest.approx((2 * 0.05 + 2 * 0.025) / 4)


def test_a_part_takes_its_place_in_the_page() -> None:
    page = "a\n<!-- x -->\nold\n<!-- /x -->\nb\n<!-- y -->\n<!-- /y -->\n"
    assert accuracy.put(page, "x", r"new \1") == page.replace("old", "\nnew \\1\n")
    with pytest.raises(SystemExit):
        accuracy.put(page, "z", "text")


def test_the_page_has_a_place_for_every_part() -> None:
    page = (Path(__file__).parents[1] / "docs" / "accuracy.md").read_text(encoding="utf-8")
    for name in ("suites", "labels", "reliability", "robust", "misses", "limits", "held-out", "replay", "peers"):
        assert f"<!-- {name} -->" in page and f"<!-- /{name} -->" in page, name


# --- the same run logged otherwise -----------------------------------------------------------------------------------


def decay(n: int, start: float, end: float, noise: float, seed: int) -> np.ndarray:
    x = np.linspace(0, 1, n)
    level = end + (start - end) * np.exp(-5 * x)
    return level * (1 + noise * np.random.default_rng(seed).standard_normal(n))


def generated(kind: str) -> Training:
    """A run of 400 train points and 40 evaluations whose truth is known by construction."""
    steps, at = np.arange(1, 401) * 10, np.arange(1, 41) * 100
    train = decay(400, 3.0, 0.8, 0.02, seed=0)
    evals = decay(40, 3.0, 1.0, 0.003, seed=1)
    if kind == "overfitting":
        evals = evals + np.maximum(0, np.linspace(-0.8, 1.2, 40))
    if kind == "nan":
        train = np.where(np.arange(400) >= 250, np.nan, train)
    times = 1.7e9 + steps
    series = {
        "train/loss": Series("train/loss", ".", steps, train, times),
        "eval/loss": Series("eval/loss", ".", at, evals, 1.7e9 + at),
    }
    return Training(".", (Run(".", series),))


@pytest.mark.parametrize("kind", ["healthy", "overfitting", "nan"])
@pytest.mark.parametrize("way", list(accuracy.WAYS))
def test_generated_runs_are_judged_alike_however_they_were_logged(kind: str, way: str) -> None:
    answer = answer_of(diagnose_training(accuracy.WAYS[way](generated(kind))))
    assert answer.headline == kind
    assert is_right(unit(kind), answer)


def test_what_each_way_does_to_the_log() -> None:
    run = generated("healthy")

    def points(way: str) -> tuple[np.ndarray, np.ndarray]:
        series = accuracy.WAYS[way](run).runs[0].series
        return series["train/loss"].steps, series["eval/loss"].steps

    train, evals = points("as logged")
    assert points("every 10th point")[0].tolist() == train[::10].tolist()
    assert points("every 10th point")[1].tolist() == evals.tolist()  # too short to be thinned
    assert points("every 2nd evaluation")[1].tolist() == evals[1::2].tolist()
    assert points("every 2nd evaluation")[0].tolist() == train.tolist()
    assert (points("1,000 steps later")[0] - train == 1000).all()
    assert points("without the last 15 %")[0][-1] == pytest.approx(0.85 * 4000, abs=10)


# --- limits, replay, other tools -------------------------------------------------------------------------------------


def test_the_middle_of_the_longest_stretch_of_best_values_is_picked() -> None:
    assert held_out._middle_of_best([3, 5, 4, 5, 5, 5, 2]) == 4
    assert held_out._middle_of_best([1, 1, 1]) == 1
    assert held_out._middle_of_best([0, 7]) == 1


def test_the_headline_of_a_replay_is_that_of_the_whole_diagnosis() -> None:
    for kind in ("healthy", "overfitting", "nan"):
        assert replay.headline(generated(kind)) == diagnose_training(generated(kind)).verdict


def test_reversals_count_faults_that_were_taken_back() -> None:
    def story(*labels: str) -> replay.Replay:
        return replay.Replay(unit("healthy"), tuple((k, name, "") for k, name in enumerate(labels)), None, None, None)

    assert story("insufficient_data", "healthy", "spike", "overfitting").reversals == 0
    assert story("healthy", "spike", "healthy", "healthy", "plateau", "insufficient_data").reversals == 2


def test_other_tools_are_given_the_benefit_of_the_doubt() -> None:
    loud, note = (True, frozenset({"spike", "resume_jump"})), (False, frozenset({"overfitting"}))
    assert rivals._answer([loud, note], notes=False).labels == {"spike", "resume_jump"}
    assert rivals._answer([loud, note], notes=True).labels == {"spike", "resume_jump", "overfitting"}
    assert rivals._answer([note], notes=False).labels == {"healthy"}
    assert rivals._answer("it could not be read", notes=True).labels == {"insufficient_data"}
    printed = {"findings": [{"check": "nan_inf", "severity": "error"}, {"check": "stagnation", "severity": "info"}]}
    assert [loud for loud, _ in rivals._losslint(printed)] == [True, False]
    assert "nan" in rivals._losslint(printed)[0][1]


# --- the labelled runs, where they are -------------------------------------------------------------------------------


def _judge(one: Unit) -> Answer:
    return answer_of(diagnose_training(main_training(one.path)))


@pytest.mark.skipif(
    not (RUNS / "trained" / "labels.jsonl").exists(), reason="the labelled runs are not beside the tree"
)
@pytest.mark.parametrize(("suite", "bar"), [("trained", 0.97), ("real", 0.95)])
def test_bars_on_the_labelled_runs(suite: str, bar: float) -> None:
    units = read_suite(RUNS / suite)
    with ProcessPoolExecutor(2) as pool:
        answers = list(pool.map(_judge, units, chunksize=8))
    figures = score(list(zip(units, answers)))
    wrong = [f"{u.run}: {a.headline}, not {'/'.join(u.accept)}" for u, a in zip(units, answers) if not is_right(u, a)]
    assert figures.accuracy >= bar, wrong
    assert figures.alarms == 0, wrong
    assert figures.macro_f1 >= 0.9, wrong
    # Sure of itself, but not surer than right: the bars of a calibrated confidence.
    assert figures.brier <= 0.10
    assert figures.mean_confidence <= figures.accuracy
