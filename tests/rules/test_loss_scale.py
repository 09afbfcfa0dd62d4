"""INT005: the fp16 loss scale collapses."""

import pytest

from tb_evalguide.model import Role, Severity
from tb_evalguide.rules.loss_scale import RULE

from ..support.checks import decay, every, found, severity, skipped, train
from ..support.phases import case, series


def scaled(exponents):
    scale = series("loss_scale", every(len(exponents)), [2.0**e for e in exponents])
    return case(train(decay(len(exponents))), roles={Role.LOSS_SCALE: scale})


@pytest.mark.parametrize(("halvings", "fires"), [(4, False), (5, True)])
def test_five_halvings_in_a_row(halvings, fires):
    exponents = [16] * 20 + [16 - i for i in range(1, halvings + 1)] + [16 - halvings] * 5
    it = found(RULE, scaled(exponents))
    assert bool(it) is fires
    if fires:
        assert severity(RULE, it[0]) is Severity.CRITICAL and it[0].numbers["halvings"] == 5


def test_the_first_search_is_normal():
    assert not found(RULE, scaled([32 - i for i in range(18)] + [14] * 30))


def test_the_usual_play_of_halving_and_doubling_is_normal():
    assert not found(RULE, scaled([16, 16, 16, 16, 15, 16, 15, 16, 17, 16, 15, 16] * 8))


def test_a_slow_decline_is_no_collapse():
    exponents = [16 - i // 30 for i in range(180)]
    assert not found(RULE, scaled(exponents))


def test_a_scale_at_one_is_a_collapse_however_slow():
    exponents = [8] * 5 + [8 - i // 30 for i in range(300)]
    assert found(RULE, scaled([max(0, e) for e in exponents]))


def test_recovery_is_information():
    exponents = [16] * 20 + [15, 14, 13, 12, 11, 10] + list(range(11, 17)) + [16] * 20
    (evidence,) = found(RULE, scaled(exponents))
    assert severity(RULE, evidence) is Severity.INFO


def test_skipped_without_a_scale():
    assert "loss scale" in skipped(RULE, case(train(decay(20))))


@pytest.mark.parametrize(("each", "fires"), [(4, True), (6, False)])
def test_five_halvings_within_twenty_points(each, fires):
    """The scale is halved at every so many points: the fifth halving comes 17 or 25 points after the first."""
    exponents = [16] * 10 + [16 - i for i in range(1, 6) for _ in range(each)] + [16] * 30
    assert bool(found(RULE, scaled(exponents))) is fires


@pytest.mark.parametrize(("lowest", "fires"), [(1, False), (0, True)])
def test_a_scale_of_two_still_helps(lowest, fires):
    exponents = [8 - i // 30 for i in range(30 * (9 - lowest))]
    assert bool(found(RULE, scaled([8] * 5 + exponents))) is fires


@pytest.mark.parametrize(("calm", "fires"), [(2, False), (3, True)])
def test_the_first_search_is_over_after_three_points_without_a_fall(calm, fires):
    assert bool(found(RULE, scaled([24, 23, 22] + [22] * calm + [21, 20, 19, 18, 17] + [17] * 20))) is fires
