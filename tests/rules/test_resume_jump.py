"""RST002: the loss stands higher after a resume."""

import dataclasses

import numpy as np
import pytest

from tb_evalguide.model import Restart, Series, Severity
from tb_evalguide.rules.resume_jump import RULE

from ..support.checks import decay, every, found, resumed, severity, skipped, train
from ..support.phases import case

N, AT = 160, 100
STEPS = every(N)


def jumps(rise, points, overlap=5):
    """The level is `rise` higher for `points` points after a resume at point AT − overlap."""
    clean = decay(N, 3.0, 1.0, noise=0.01)
    later = clean.copy()
    later[AT - overlap : AT - overlap + points] *= 1 + rise
    return case(resumed("loss", [(STEPS[:AT], clean[:AT]), (STEPS[AT - overlap :], later[AT - overlap :])]))


@pytest.mark.parametrize(
    ("rise", "expected"), [(0.0, []), (0.02, []), (0.06, [Severity.INFO]), (0.15, [Severity.MEDIUM])]
)
def test_size(rise, expected):
    assert [severity(RULE, e) for e in found(RULE, jumps(rise, N))] == expected


@pytest.mark.parametrize(("points", "expected"), [(7, Severity.INFO), (30, Severity.MEDIUM)])
def test_what_comes_back_soon_is_information(points, expected):
    (evidence,) = found(RULE, jumps(0.5, points))
    assert severity(RULE, evidence) is expected


def test_with_hardly_an_overlap_the_points_before_are_compared():
    values = decay(N, 3.0, 1.0, rate=8.0)
    later = 1.4 * values
    series = resumed("loss", [(STEPS[: AT + 2], values[: AT + 2]), (STEPS[AT:], later[AT:])])
    (evidence,) = found(RULE, case(series))
    assert severity(RULE, evidence) is Severity.MEDIUM and evidence.numbers["rise"] == pytest.approx(0.4, abs=0.05)


def test_weights_that_were_not_loaded():
    clean = decay(N, 3.0, 0.1, rate=6.0)
    again = decay(N - AT, 3.0, 0.2, rate=6.0, seed=5)
    (evidence,) = found(RULE, case(resumed("loss", [(STEPS[: AT + 3], clean[: AT + 3]), (STEPS[AT:], again)])))
    assert evidence.variant == "scratch" and severity(RULE, evidence) is Severity.MEDIUM


def test_noise_is_no_jump():
    values = decay(N, 3.0, 1.0, noise=0.2, seed=11)
    series = resumed(
        "loss", [(STEPS[:AT], values[:AT]), (STEPS[AT - 8 :], decay(N, 3.0, 1.0, noise=0.2, seed=12)[AT - 8 :])]
    )
    assert all(severity(RULE, e) is Severity.INFO for e in found(RULE, case(series)))


def test_a_jump_without_a_resume_is_another_rule_s_matter():
    values = decay(N)
    values[AT:] *= 2
    assert not found(RULE, case(train(values)))


def test_a_fall_is_no_fault():
    assert not found(RULE, jumps(-0.4, N))


def test_skipped_with_few_points():
    assert "train loss" in skipped(RULE, case(train(np.ones(19))))


def test_a_climb_that_was_under_way_is_no_jump():
    """A divergence that happens to begin a little before a clean resume in a new file."""
    values = np.concatenate([decay(90, 3.0, 1.0), 1.0 + 0.05 * np.arange(N - 90)])
    walls = 1.7e9 + np.arange(N)
    restart = Restart(STEPS[AT], STEPS[AT - 1], float(walls[AT]), 3600.0, new_file=True, forward=True)
    climbing = Series("loss", ".", np.array(STEPS), values, walls, restarts=(restart,))
    assert not found(RULE, case(climbing))
    jumping = dataclasses.replace(climbing, values=np.concatenate([decay(AT, 3.0, 1.0), np.full(N - AT, 1.5)]))
    assert found(RULE, case(jumping))


@pytest.mark.parametrize(("pause", "fires"), [(1.0, False), (60.0, True)])
def test_another_file_without_a_pause_is_no_resume(pause, fires):
    """A writer that begins a new file by size, or a log that was cut in two: the jump is the training's own."""
    values = np.concatenate([decay(AT, 3.0, 1.0), np.full(N - AT, 1.6)])
    restart = Restart(STEPS[AT], STEPS[AT - 1], 1.7e9 + AT, pause, new_file=True, forward=True)
    whole = dataclasses.replace(resumed("loss", [(STEPS, values)]), restarts=(restart,))
    assert bool(found(RULE, case(whole))) is fires


def level_run(n=200, noise=0.005, first=3.0):
    """Falls to 1 in its first twentieth and is level from there."""
    values = 1 + noise * np.random.default_rng(7).standard_normal(n)
    values[: n // 20] = np.linspace(first, 1.0, n // 20)
    return values


def goes_on_higher(rise, points=None, n=200, noise=0.005, overlap=10):
    """A run that is level but for a `rise` of so many points (of all to the end) after a resume half way."""
    clean, at = level_run(n, noise), n // 2
    later = clean[at - overlap :].copy()
    later[:points] *= 1 + rise
    steps = every(n)
    return case(resumed("loss", [(steps[:at], clean[:at]), (steps[at - overlap :], later)]))


@pytest.mark.parametrize(("rise", "expected"), [
    (0.027, []),  # next to nothing
    (0.033, [Severity.INFO]),
    (0.09, [Severity.INFO]),  # met in clean resumes
    (0.11, [Severity.MEDIUM]),
])  # fmt: skip
def test_limits_of_the_size(rise, expected):
    assert [severity(RULE, e) for e in found(RULE, goes_on_higher(rise))] == expected


@pytest.mark.parametrize(("rise", "fires"), [(0.17, False), (0.26, True)])
def test_limit_of_the_significance(rise, fires):
    """Batches that scatter by a tenth: 4 σ of the difference of two medians of ten are 0.22."""
    assert bool(found(RULE, goes_on_higher(rise, noise=0.1))) is fires


@pytest.mark.parametrize(("points", "n", "expected"), [
    (4, 200, []),  # the median of the ten points after it does not show it
    (6, 200, [Severity.INFO]),
    (20, 400, [Severity.INFO]),  # back within a twentieth of the run
    (24, 400, [Severity.MEDIUM]),
])  # fmt: skip
def test_limits_of_how_long_it_lasts(points, n, expected):
    assert [severity(RULE, e) for e in found(RULE, goes_on_higher(0.5, points, n))] == expected


@pytest.mark.parametrize(("share", "fires"), [(0.45, False), (0.55, True)])
def test_a_jump_comes_at_once(share, fires):
    """The ten points after lie half as high again: so much of that is a step, the rest a slope all through them."""
    slope = np.interp(np.arange(N), [AT - 10, AT + 10], [0.0, 1.0])  # a half of it from median to median
    values = 1 + share * 0.5 * (np.arange(N) >= AT) + (1 - share) * slope
    restart = Restart(STEPS[AT], STEPS[AT - 1], 1.7e9 + AT, 3600.0, new_file=True, forward=True)
    run = case(dataclasses.replace(resumed("loss", [(STEPS, values)]), restarts=(restart,)))
    assert bool(found(RULE, run)) is fires


@pytest.mark.parametrize(("before", "after", "variant"), [
    (1.4, 2.6, "scratch"),  # of 3 at the very start
    (1.6, 2.6, ""),  # too little had been learned to tell the two apart
    (1.4, 2.2, ""),  # well below the start: some of it is still there
])  # fmt: skip
def test_limits_of_weights_that_were_not_loaded(before, after, variant):
    old, new = np.full(AT, before), np.full(N - AT, after)
    old[0] = 3.0
    (evidence,) = found(RULE, case(resumed("loss", [(STEPS[:AT], old), (STEPS[AT - 5 : N - 5], new)])))
    assert evidence.variant == variant
