"""STB003: the loss jumps for a while and comes back."""

import numpy as np
import pytest

from tb_evalguide import remedies
from tb_evalguide.model import Role, Severity
from tb_evalguide.rules.spike import RULE

from ..support.checks import decay, evals, every, found, rate, severity, skipped, train
from ..support.phases import case, series


def spiked(height, length, n=200, at=100, noise=0.01, rate=40.0):
    """A bump on a curve that has levelled off before it (rate 40), or that falls all the time (rate 4)."""
    values = decay(n, noise=noise, rate=rate)
    values[at : at + length] *= 1 + height * np.linspace(1, 0.3, length)
    return values


@pytest.mark.parametrize(("height", "fires"), [(0.15, False), (0.6, True)])
def test_limit_of_the_climb(height, fires):
    assert bool(found(RULE, case(train(spiked(height, 10))))) is fires


@pytest.mark.parametrize(("length", "fires"), [(1, False), (8, True)])
def test_a_single_point_is_isolated(length, fires):
    assert bool(found(RULE, case(train(spiked(2.0, length))))) is fires


@pytest.mark.parametrize(("length", "expected"), [(10, Severity.INFO), (60, Severity.MEDIUM)])
def test_a_lasting_one_speaks_up(length, expected):
    (evidence,) = found(RULE, case(train(spiked(2.0, length))))
    assert severity(RULE, evidence) is expected
    assert 990 <= evidence.steps[0] <= 1010


def test_a_lasting_one_that_left_the_evaluations_alone_is_information():
    calm = evals(decay(20), interval=100)
    (evidence,) = found(RULE, case(train(spiked(2.0, 60)), calm))
    assert severity(RULE, evidence) is Severity.INFO
    hurt = decay(20)
    hurt[10:14] *= 1.5
    (evidence,) = found(RULE, case(train(spiked(2.0, 60)), evals(hurt)))
    assert severity(RULE, evidence) is Severity.MEDIUM


def test_a_run_that_ends_below_the_level_before_the_climb_lost_nothing():
    (evidence,) = found(RULE, case(train(spiked(2.0, 60, rate=4.0))))
    assert severity(RULE, evidence) is Severity.INFO


def test_a_restart_of_the_learning_rate_explains_it():
    restarted = rate(np.concatenate([np.linspace(1e-3, 1e-5, 100), np.linspace(1e-3, 1e-5, 100)]))
    (evidence,) = found(RULE, case(train(spiked(2.0, 60)), lr=restarted))
    assert severity(RULE, evidence) is Severity.INFO


@pytest.mark.parametrize("seed", range(4))
def test_batch_noise_is_none(seed):
    assert not found(RULE, case(train(decay(300, noise=0.25, seed=seed))))


def test_one_that_never_recovers_is_left_to_divergence():
    values = decay(200)
    values[120:] *= 3
    assert not found(RULE, case(train(values)))


def test_needs_twelve_points():
    assert "not enough data" in skipped(RULE, case(train(decay(11))))
    assert not found(RULE, case(train(decay(12))))


@pytest.mark.parametrize(("height", "expected"), [(6.0, Severity.MEDIUM), (3.5, Severity.INFO)])
def test_one_that_tears_both_losses_apart_is_told_though_all_was_regained(height, expected):
    values = decay(30, 2.0, 0.3, noise=0.001)
    values[17:21] *= height * np.array([1.0, 0.8, 0.6, 0.3])
    (evidence,) = found(RULE, case(train(values, interval=100), evals(values)))
    assert severity(RULE, evidence) is expected


def test_epoch_means_need_no_more_points_than_that():
    values = decay(21, 1.2, 0.3, noise=0.001)
    values[14:] = [0.8, 0.7, 0.6, 0.5, 0.45, 0.42, 0.4]
    (evidence,) = found(RULE, case(train(values)))
    assert severity(RULE, evidence) is Severity.MEDIUM and evidence.steps[0] == 150


def block(height, length=8, at=25, n=50, noise=0.0):
    """A curve that has levelled off, and stands `height` higher for `length` points."""
    values = decay(n, noise=noise, rate=40.0)
    values[at : at + length] *= 1 + height
    return values


@pytest.mark.parametrize(("height", "length", "at", "fires"), [
    (0.22, 8, 25, False),
    (0.28, 8, 25, True),
    (1.00, 2, 25, False),
    (1.00, 3, 25, True),
    (3.00, 8, 2, False),  # of 50 points, the first two are the start
    (3.00, 8, 3, True),
])  # fmt: skip
def test_limits_of_height_length_and_start(height, length, at, fires):
    assert bool(found(RULE, case(train(block(height, length, at))))) is fires


@pytest.mark.parametrize(("height", "fires"), [
    (0.4, False),  # from the lowest level before to the peak, noise included: 5.6 σ
    (0.8, True),  # 8.3 σ
])  # fmt: skip
def test_limit_of_the_noise(height, fires):
    assert bool(found(RULE, case(train(block(height, at=100, n=200, noise=0.1))))) is fires


@pytest.mark.parametrize(("climb", "fires"), [(0.04, False), (0.06, True)])
def test_limit_of_a_climb_in_the_last_digits(climb, fires):
    """By 40 % and 60 %, but of a loss that has gone to a tenth of the 1 where it stood after its start."""
    values = np.concatenate([np.linspace(1.02, 0.94, 20), np.linspace(0.101, 0.1, 80)])
    values[60:72] += climb
    assert bool(found(RULE, case(train(values)))) is fires


@pytest.mark.parametrize(("length", "expected"), [(3, Severity.INFO), (4, Severity.MEDIUM)])
def test_limit_of_a_lasting_one(length, expected):
    (evidence,) = found(RULE, case(train(block(1.0, length))))
    assert severity(RULE, evidence) is expected


@pytest.mark.parametrize(("height", "expected"), [(0.08, Severity.INFO), (0.12, Severity.MEDIUM)])
def test_limit_of_the_climb_of_the_evaluations(height, expected):
    (evidence,) = found(RULE, case(train(block(1.0)), evals(block(height), interval=10)))
    assert severity(RULE, evidence) is expected


@pytest.mark.parametrize(("raised", "expected"), [(1.15, Severity.MEDIUM), (1.25, Severity.INFO)])
def test_limit_of_the_rise_of_the_learning_rate(raised, expected):
    (evidence,) = found(RULE, case(train(block(1.0)), lr=rate(1e-3 * np.repeat([1.0, raised], 25))))
    assert severity(RULE, evidence) is expected


def test_a_rate_that_warms_up_meanwhile_explains_no_jump():
    """It rises by a quarter while the loss is high, and by next to nothing where that jumps."""
    warmup = rate(1e-3 * np.linspace(0.2, 1.2, 50))
    (evidence,) = found(RULE, case(train(block(1.0)), lr=warmup))
    assert severity(RULE, evidence) is Severity.MEDIUM


def test_a_restart_explains_a_climb_of_several_points():
    values = decay(50, noise=0.0, rate=40.0)
    values[25:33] *= [1.06, 1.11, 1.3, 1.5, 1.6, 1.6, 1.5, 1.4]
    restarts = rate(np.repeat([1e-3, 2e-3, 1e-3], [25, 15, 10]))
    (evidence,) = found(RULE, case(train(values), lr=restarts))
    assert evidence.steps[0] == 280 and severity(RULE, evidence) is Severity.INFO


def ends_lower(height, by):
    values = block(height)
    values[40:] *= 1 - by
    return values


@pytest.mark.parametrize(("by", "expected"), [(0.015, Severity.MEDIUM), (0.025, Severity.INFO)])
def test_limit_of_what_is_regained(by, expected):
    (evidence,) = found(RULE, case(train(ends_lower(1.0, by))))
    assert severity(RULE, evidence) is expected


@pytest.mark.parametrize(("height", "judged", "expected"), [
    (2.8, 2.0, Severity.INFO),
    (3.2, 0.9, Severity.INFO),
    (3.2, 1.1, Severity.MEDIUM),
])  # fmt: skip
def test_limits_of_one_that_tears_both_losses_apart(height, judged, expected):
    """Though all was regained: four times the train loss before, twice the eval loss."""
    (evidence,) = found(RULE, case(train(ends_lower(height, 0.1)), evals(block(judged), interval=10)))
    assert severity(RULE, evidence) is expected


@pytest.mark.parametrize(("before", "peak", "judged", "expected"), [
    (0.48, 1.04, 1.04, Severity.MEDIUM),  # of the first level of each loss, which is 1
    (0.52, 1.10, 1.10, Severity.INFO),
    (0.48, 0.96, 1.04, Severity.INFO),
    (0.48, 1.04, 0.96, Severity.INFO),  # the evaluations did not lose all of it
])  # fmt: skip
def test_limits_of_one_that_undoes_all_that_was_learned(before, peak, judged, expected):
    """Three of fifty points, so it does not last; and it is told."""
    values = np.concatenate([[1.0, 0.8], np.linspace(before + 0.02, before, 23), np.full(25, before)])
    values[25:28] = peak
    judgements = np.where(values == peak, judged, values)
    (evidence,) = found(RULE, case(train(values), evals(judgements, interval=10)))
    assert severity(RULE, evidence) is expected


@pytest.mark.parametrize(("eval_before", "expected"), [(0.49, Severity.MEDIUM), (0.51, Severity.INFO)])
def test_the_evaluations_must_double_where_they_began_low(eval_before, expected):
    values = np.concatenate([[1.0, 0.8], np.linspace(0.31, 0.3, 23), np.full(25, 0.3)])
    values[25:28] = 1.1
    judgements = np.where(values == 1.1, 1.0, eval_before)
    (evidence,) = found(RULE, case(train(values), evals(judgements, interval=10)))
    assert severity(RULE, evidence) is expected


def test_without_evaluations_nobody_knows_what_is_left():
    values = np.concatenate([[1.0, 0.8], np.linspace(0.31, 0.3, 23), np.full(25, 0.3)])
    values[25:28] = 1.1
    (evidence,) = found(RULE, case(train(values)))
    assert severity(RULE, evidence) is Severity.INFO


def test_it_begins_where_the_loss_jumps_and_not_at_the_lowest_point_before():
    values = decay(100, noise=0.0, rate=40.0)
    values[50] *= 0.9
    values[70:76] *= [2.0, 3.0, 3.5, 2.0, 1.5, 1.2]
    (evidence,) = found(RULE, case(train(values)))
    assert evidence.steps[0] == 710 and evidence.numbers["peak"] == values[72]


@pytest.mark.parametrize("down", [0.0, 3.0, 10.0])
def test_it_begins_there_wherever_zero_is(down):
    values = decay(100, 2.0, 0.9, noise=0.0, rate=40.0) - down
    values[50] -= 0.1
    values[70:76] += [2.0, 3.0, 3.5, 2.0, 1.5, 1.2]
    (evidence,) = found(RULE, case(train(values), evals(values[::5], interval=50)))
    assert evidence.steps[0] == 710 and severity(RULE, evidence) is (Severity.MEDIUM if down == 0 else Severity.INFO)


def test_a_level_that_fell_slowly_before_it_makes_no_spike_longer():
    """The lowest point lies forty points before the jump, but the loss was high for three."""
    values = np.concatenate([decay(60, 2.0, 1.0, noise=0.0, rate=40.0), np.linspace(1.0, 1.05, 40), np.full(50, 1.05)])
    values[100:103] *= 2
    (evidence,) = found(RULE, case(train(values)))
    assert evidence.numbers["length"] == 3 and severity(RULE, evidence) is Severity.INFO


def test_no_more_than_five_are_told_and_the_highest_are():
    values = decay(200, noise=0.0, rate=20.0)
    heights = dict(zip(range(30, 180, 25), (2.0, 3.0, 1.5, 2.0, 5.0, 2.0), strict=True))
    for at, height in heights.items():
        values[at : at + 5] *= height
    begun = [evidence.steps[0] // 10 - 1 for evidence in found(RULE, case(train(values)))]
    assert begun == [at for at, height in heights.items() if height != 1.5]


@pytest.mark.parametrize(("right", "profile", "expected"), [
    ([0.80, 0.955, 0.955, 0.955, 0.955], "classification", Severity.MEDIUM),
    ([0.80, 0.965, 0.965, 0.965, 0.965], "classification", Severity.INFO),
    ([0.80, 0.978, 0.978, 0.970, 0.970], "classification", Severity.INFO),
    ([0.80, 0.985, 0.985, 0.970, 0.970], "classification", Severity.MEDIUM),  # not as many as ever
    ([0.97, 0.97, 0.790, 0.970, 0.970, 0.970], "classification", Severity.INFO),
    ([0.97, 0.97, 0.750, 0.970, 0.970, 0.970], "classification", Severity.MEDIUM),  # for a time much was forgotten
    ([0.80, 0.965, 0.965, 0.965, 0.965], "vision", Severity.MEDIUM),
])  # fmt: skip
@pytest.mark.parametrize("height", [1.0, 4.0])
def test_one_after_which_a_classifier_is_right_as_often_as_ever_lost_nothing(height, right, profile, expected):
    """Even where it tore both losses apart."""
    accuracy = {Role.EVAL_ACCURACY: series("eval/accuracy", every(len(right), 100), right)}
    run = case(train(block(height)), evals(block(height) / 10, interval=10), roles=accuracy, profile=profile)
    (evidence,) = found(RULE, run)
    assert severity(RULE, evidence) is expected


def sinking(sunk, at=60, n=100, climbs=1, high=3.0):
    """Level at 1 from 2 on, then at once `high` times as high, and down again by the share `sunk` of that in logs."""
    values = decay(n, 2.0, 1.0, noise=0.0, rate=40.0)
    values[at:] *= np.geomspace(high, high ** (1 - sunk), n - at)
    values[at - climbs + 1 : at] *= np.linspace(1, high, climbs + 1)[1:-1]
    return values


@pytest.mark.parametrize(("sunk", "judged", "climbs", "variant"), [
    (0.50, 1.0, 1, "sinks"),
    (0.13, 1.0, 1, "sinks"),
    (0.08, 1.0, 1, None),  # it stays up: a divergence
    (0.80, 1.0, 1, ""),  # two thirds of it are made good
    (0.50, 0.0, 1, None),  # the evaluations know nothing of it
    (0.50, 1.0, 5, "sinks"),
    (0.50, 1.0, 8, None),  # a climb that took its time
])  # fmt: skip
def test_one_that_is_on_its_way_back_when_the_log_ends(sunk, judged, climbs, variant):
    values = sinking(sunk, climbs=climbs)
    level = np.where(np.arange(100) < 60, values, 1 + judged * (values - 1))
    it = found(RULE, case(train(values), evals(level[4::5], interval=50)))
    assert [e.variant for e in it] == [variant] * (variant is not None)
    for evidence in it if variant == "sinks" else ():
        assert severity(RULE, evidence) is Severity.MEDIUM and evidence.steps[1] == 1000
        assert climbs > 1 or evidence.steps[0] == 610


@pytest.mark.parametrize(("last", "fires"), [(1.09, False), (1.11, True)])
def test_the_last_evaluation_must_still_be_a_tenth_above(last, fires):
    judged = np.concatenate([decay(12, 2.0, 1.0, noise=0.0, rate=40.0), np.linspace(2.0, last, 8)])
    assert bool(found(RULE, case(train(sinking(0.5)), evals(judged, interval=50)))) is fires


def test_without_evaluations_nobody_confirms_it():
    assert not found(RULE, case(train(sinking(0.5))))


@pytest.mark.parametrize("between", [1.0, 2.0])
def test_an_evaluation_between_two_points_may_have_been_made_on_either_side_of_the_jump(between):
    """Points at 600 and 610, an evaluation at 605; what it gives counts as before, or as during, as it may be."""
    judged = [2.0, 1.1, 1.0, between, *([2.0] * 2 if between == 1.0 else [1.0] * 2)]
    seen = series("eval/loss", [150, 300, 450, 605, 700, 800], judged)
    (evidence,) = found(RULE, case(train(block(1.0, 20, 60, 100)), seen))
    assert severity(RULE, evidence) is Severity.MEDIUM


@pytest.mark.parametrize(("apart", "fires"), [(1.9, True), (2.1, False)])
def test_evaluations_far_above_train_loss_rise_for_reasons_of_their_own(apart, fires):
    values = sinking(0.5)
    assert bool(found(RULE, case(train(values), evals(apart * values[4::5], interval=50)))) is fires


@pytest.mark.parametrize(("last", "expected"), [(1.09, Severity.INFO), (1.11, Severity.MEDIUM)])
def test_what_the_evaluations_have_not_regained_is_lost(last, expected):
    judged = block(1.0)
    judged[40:] = last
    (evidence,) = found(RULE, case(train(ends_lower(1.0, 0.1)), evals(judged, interval=10)))
    assert severity(RULE, evidence) is expected


@pytest.mark.parametrize(("jump", "logged", "confidence", "batches_only"), [
    (3.1, 200, 0.9, False),  # the gradients jumped with the loss: it is the optimiser's
    (2.9, 200, 0.8, True),  # they did not: look at the data
    (3.1, 0, 0.8, False),
])  # fmt: skip
def test_gradients_tell_whether_the_steps_or_the_data_are_to_blame(jump, logged, confidence, batches_only):
    norms = np.ones(200)
    norms[101:105] = jump
    grad = series("train/grad_norm", every(200), norms) if logged else None
    (evidence,) = found(RULE, case(train(spiked(1.0, 20)), grad=grad))
    assert evidence.confidence == confidence
    assert (evidence.remedies == (remedies.CHECK_BATCHES, remedies.WARMUP)) is batches_only


@pytest.mark.parametrize(("before", "confidence"), [(4, 0.8), (5, 0.9)])
def test_so_many_gradients_must_have_been_logged_before(before, confidence):
    grad = series("train/grad_norm", [10 * (100 - before + i) for i in range(before + 10)], [1.0] * before + [9.0] * 10)
    (evidence,) = found(RULE, case(train(spiked(1.0, 20)), grad=grad))
    assert evidence.confidence == confidence
