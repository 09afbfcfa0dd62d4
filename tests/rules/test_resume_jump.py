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
