"""The verdict does not depend on how a training was logged: simulated trainings of each label, many logs of each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tb_evalguide.api import diagnose as diagnose_folder
from tb_evalguide.rules import RULES

from .support import simulate
from .support.simulate import EVAL_EVERY, SIMULATED, STEPS, Log, Truth, diagnose, label, log_epochs, log_every
from .support.writer import EventWriter

SEEDS = (0, 1, 2)
NAMES = sorted(SIMULATED)
PROFILES = (None, "llm-sft", "generic")

each = pytest.mark.parametrize("name", NAMES)
seeded = pytest.mark.parametrize("seed", SEEDS)


def truth(name: str, seed: int) -> Truth:
    return SIMULATED[name][0](seed)


# --- what it is called ----------------------------------------------------------------------------------------------


@each
@seeded
@pytest.mark.parametrize("profile", PROFILES)
def test_a_known_fault_is_called_by_its_name(name, seed, profile):
    assert label(log_every(truth(name, seed), 2), profile) in SIMULATED[name][1]


# --- density, offsets, units ----------------------------------------------------------------------------------------


@each
@seeded
@pytest.mark.parametrize("interval", [1, 10, 20])
def test_logged_twice_as_often_or_a_tenth_as_often(name, seed, interval):
    """Against every second step: each step, and every tenth of what was logged."""
    known = truth(name, seed)
    assert label(log_every(known, interval)) == label(log_every(known, 2))


@each
@seeded
def test_evaluated_twice_as_often(name, seed):
    known = truth(name, seed)
    assert label(log_every(known, 2, EVAL_EVERY // 2)) in SIMULATED[name][1]


@each
@pytest.mark.parametrize("steps", [1, 1000, 10**9])
def test_a_constant_number_of_steps_added(name, steps):
    log = log_every(truth(name, 0), 2)
    before, after = diagnose(log), diagnose(log.shifted(steps))
    assert after.verdict.label == before.verdict.label
    assert after.verdict.confidence == before.verdict.confidence
    if before.verdict.onset_step is not None:
        assert after.verdict.onset_step == before.verdict.onset_step + steps


@each
@pytest.mark.parametrize("epochs", [1, 1000])
def test_a_constant_number_of_epochs_added(name, epochs):
    """A log that counts epochs from 1000 on is still one that counts epochs."""
    log = log_epochs(truth(name, 0))
    assert diagnose(log.shifted(epochs)).verdict.label == diagnose(log).verdict.label


@each
@pytest.mark.parametrize("start", [0.0, 1e9, 4e9])
def test_wall_time_says_nothing_of_learning(name, start):
    log = log_every(truth(name, 0), 2)
    before, after = diagnose(log), diagnose(replace(log, wall_start=start))
    assert after.verdict == before.verdict


@each
@seeded
@pytest.mark.parametrize("profile", PROFILES)
def test_given_in_epochs_instead_of_steps(name, seed, profile):
    """Forty points, each the mean of an epoch, at 0, 1, 2 …"""
    assert label(log_epochs(truth(name, seed)), profile) in SIMULATED[name][1]


@each
@pytest.mark.parametrize("factor", [0.01, 0.5, 7.0, 1000.0])
def test_losses_multiplied_where_no_absolute_limit_speaks(name, factor):
    log = log_every(truth(name, 0), 2)
    before, after = diagnose(log, "generic"), diagnose(log.scaled(factor), "generic")
    assert after.verdict.label == before.verdict.label
    assert {f.rule for f in after.findings} == {f.rule for f in before.findings}


# --- files ----------------------------------------------------------------------------------------------------------


def write(log: Log, folder: Path, parts: list[tuple[float, float]]) -> None:
    """One event file for each range of steps (first, last], an hour apart, in this order."""
    for number, (first, last) in enumerate(parts):
        points = sorted(
            (int(step), tag, float(value))
            for tag, (steps, values) in log.curves.items()
            for step, value in zip(steps, values, strict=True)
            if first < step <= last
        )
        start = 1.7e9 + 4000.0 * number
        path = folder / f"events.out.tfevents.{int(start)}.host.1.{number}"
        with EventWriter(path, start_wall_time=start) as writer:
            for step, tag, value in points:
                writer.scalar(tag, value, step=step)


def verdict_of(folder: Path) -> str:
    (run,) = diagnose_folder(folder).runs
    return run.verdict.label


@each
def test_split_over_files_resumed_cleanly_and_resumed_with_an_overlap(name, tmp_path):
    log = log_every(truth(name, 0), 10)
    third = STEPS / 3
    ways = {
        "whole": [(0, STEPS)],
        "split": [(0, third), (third, 2 * third), (2 * third, STEPS)],
        "overlap": [(0, 0.5 * STEPS), (0.4 * STEPS, STEPS)],
        "twice the same": [(0, STEPS), (0.9 * STEPS, STEPS)],
    }
    labels = {}
    for way, parts in ways.items():
        folder = tmp_path / way.replace(" ", "_")
        folder.mkdir()
        write(log, folder, parts)
        labels[way] = verdict_of(folder)
    assert set(labels.values()) == {label(log)}, labels


def test_a_clean_resume_is_never_called_two_trainings(tmp_path):
    log = log_every(simulate.healthy(0), 10)
    for cut in (30, 110, 400, 1500):
        folder = tmp_path / str(cut)
        folder.mkdir()
        write(log, folder, [(0, cut), (cut - 20, STEPS)])
        (run,) = diagnose_folder(folder).runs
        assert run.verdict.label == "healthy" and "RST003" not in {f.rule for f in run.findings}


# --- healthy runs of any kind ---------------------------------------------------------------------------------------


@given(
    start=st.floats(1.5, 12.0),
    share=st.floats(0.05, 0.5),
    rate=st.floats(4.0, 10.0),
    noise=st.floats(0.0, 0.3),
    gap=st.floats(0.0, 0.1),
    seed=st.integers(0, 2**16),
    interval=st.sampled_from([1, 5, 10, 25]),
)
@settings(max_examples=60, deadline=None)
def test_no_false_alarm_on_a_healthy_fall(start, share, rate, noise, gap, seed, interval):
    """A loss that falls to half of its start or below and levels off, with an eval loss that does the same."""
    level = start * (share + (1 - share) * np.exp(-rate * simulate.X))
    rng = np.random.default_rng(seed)
    train = level * (1 + noise * rng.standard_normal(STEPS)).clip(0.1)
    evals = level * (1 + gap) * (1 + 0.003 * rng.standard_normal(STEPS))
    report = diagnose(log_every(Truth(train, evals, np.full(STEPS, 1e-4)), interval), "generic")
    loud = [(f.rule, f.severity.value) for f in report.findings if f.severity.value != "info"]
    assert report.verdict.label == "healthy", (report.verdict, loud)


@given(
    values=st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), min_size=0, max_size=60),
    evals=st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), min_size=0, max_size=30),
    step=st.integers(1, 1000),
)
@settings(max_examples=150, deadline=None)
def test_no_check_falls_over_whatever_was_logged(values, evals, step):
    curves = {
        "train/loss": (step * np.arange(len(values)), np.array(values, np.float64)),
        "eval/loss": (step * np.arange(len(evals)), np.array(evals, np.float64)),
        "train/grad_norm": (step * np.arange(len(values)), np.abs(np.array(values, np.float64))),
        "train/learning_rate": (step * np.arange(len(values)), np.abs(np.array(values, np.float64))[::-1]),
    }
    report = diagnose(Log({tag: curve for tag, curve in curves.items() if len(curve[0])}))
    assert len(report.checks) == len(RULES)
    failed = [(check.rule, check.reason.params) for check in report.checks if check.outcome == "error"]
    assert not failed
