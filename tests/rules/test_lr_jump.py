"""LRS003: the learning rate jumps up off its schedule."""

import numpy as np
import pytest

from tb_evalguide.model import Severity
from tb_evalguide.rules.lr_jump import RULE

from ..support.checks import cosine, decay, every, found, label, rate, resumed, severity, skipped, train
from ..support.phases import case

N = 120


def jump(factor):
    values = np.linspace(1e-3, 1e-4, N)
    values[80:] *= factor
    return values


@pytest.mark.parametrize(("factor", "fires"), [(1.2, False), (1.4, True), (2.5, True)])
def test_a_single_jump_is_information(factor, fires):
    it = found(RULE, case(train(decay(N)), lr=rate(jump(factor))))
    assert [(severity(RULE, e), label(RULE, e)) for e in it] == [(Severity.INFO, "lr_schedule")] * fires
    if fires:
        assert it[0].steps[0] == 810


def test_a_resume_that_lost_the_scheduler_and_hurt_the_loss():
    steps = every(N)
    schedule = np.linspace(1e-3, 1e-5, N)
    rates = resumed("lr", [(steps[:80], schedule[:80]), (steps[76:], np.linspace(1e-3, 6e-4, N - 76))])
    low = decay(80, 3.0, 1.0)
    worse = resumed("loss", [(steps[:80], low), (steps[76:], decay(N - 76, 1.8, 1.3, seed=2))])
    (evidence,) = found(RULE, case(worse, lr=rates))
    assert severity(RULE, evidence) is Severity.MEDIUM and label(RULE, evidence) == "resume_jump"
    unhurt = resumed("loss", [(steps[:80], low), (steps[76:], np.full(N - 76, 1.0))])
    (evidence,) = found(RULE, case(unhurt, lr=rates))
    assert severity(RULE, evidence) is Severity.INFO and evidence.variant == "resume"


SCHEDULES = {
    "warm-up in five coarse points": cosine(N, warmup=5),
    "warm restarts": np.tile(cosine(N // 4), 4),
    "cyclic": np.tile(np.concatenate([np.linspace(1e-4, 1e-3, 10), np.linspace(1e-3, 1e-4, 10)]), 6),
    "steps down": np.repeat([1e-3, 1e-4, 1e-5], 40),
    "constant": np.full(N, 1e-3),
    "linear": np.linspace(1e-3, 0, N),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_that_move_by_design(name):
    assert not found(RULE, case(train(decay(N)), lr=rate(SCHEDULES[name])))


def test_skipped_without_a_rate():
    assert "learning rate" in skipped(RULE, case(train(decay(N))))


def jumped(loss_after, factor=10.0):
    """A constant rate that jumps half-way, and what the loss does then."""
    rates = np.concatenate([np.full(50, 1e-3), np.full(50, factor * 1e-3)])
    losses = np.concatenate([decay(50, 4.0, 2.0), loss_after])
    return case(train(losses), lr=rate(rates))


@pytest.mark.parametrize(("after", "expected"), [
    (np.linspace(2.0, 1.6, 50), Severity.INFO),  # it does not mind
    (np.concatenate([np.linspace(2.9, 2.05, 40), np.full(10, 2.05)]), Severity.MEDIUM),  # never back
    (np.concatenate([np.linspace(2.9, 1.7, 25), np.full(25, 1.5)]), Severity.INFO),  # it paid off
])  # fmt: skip
def test_a_jump_off_a_constant_rate_is_a_fault_when_what_was_learned_is_lost(after, expected):
    noise = 1 + 0.002 * np.random.default_rng(0).standard_normal(50)
    (evidence,) = found(RULE, jumped(after * noise))
    assert severity(RULE, evidence) is expected and evidence.steps[0] == 510


def test_a_short_constant_start_is_a_warm_up():
    rates = np.concatenate([np.full(4, 1e-4), np.full(96, 1e-3)])
    assert not found(RULE, case(train(decay(100)), lr=rate(rates)))


def leap(before, to, n=60):
    """From 1 down to a rate, and at once up to another one."""
    return 1e-3 * np.concatenate([np.linspace(1.0, before, n), np.full(n, to)])


@pytest.mark.parametrize(("rates", "fires"), [
    (leap(0.1, 0.1 + 0.9 * 0.09), False),  # of the range
    (leap(0.1, 0.1 + 0.9 * 0.11), True),
    (leap(0.6, 0.6 * 1.23), False),  # of the rate before
    (leap(0.6, 0.6 * 1.27), True),
    (np.repeat([1e-4, 1e-3], [4, 26]), False),  # a warm-up of four points
    (np.repeat([1e-4, 1e-3], [5, 25]), True),
    (np.concatenate([leap(0.1, 0.5), leap(0.1, 0.5)]), False),  # it comes again
])  # fmt: skip
def test_either_side_of_what_is_a_jump(rates, fires):
    assert bool(found(RULE, case(train(decay(len(rates))), lr=rate(rates)))) is fires


@pytest.mark.parametrize(("rise", "jitter", "expected"), [
    (0.09, 0.005, Severity.INFO),
    (0.11, 0.005, Severity.MEDIUM),
    (0.30, 0.060, Severity.INFO),
    (0.30, 0.048, Severity.MEDIUM),
])  # fmt: skip
def test_harm_is_a_rise_beyond_the_noise_of_the_loss(rise, jitter, expected):
    """The loss rises for fifteen points and never gets quite back."""
    loss = np.repeat([4.0, 3.0, 2.0, 2.0 * (1 + rise), 2.03], [10, 10, 30, 15, 35])
    loss *= 1 + jitter * (-1.0) ** np.arange(100)
    (evidence,) = found(RULE, case(train(loss), lr=rate(np.repeat([1e-3, 1e-2], 50))))
    assert severity(RULE, evidence) is expected


def blipped(at=(60,), times=6.0, points=1, back=1.0, thrown=3.0, falls=1.0, n=N):
    """A steady rate that leaps to `times` itself for `points` logged steps, and a loss that is thrown up with it."""
    rates, loss = np.full(n, 1e-3), decay(n, 2.0, falls)
    for i in at:
        rates[i : i + points] *= times
        rates[i + points : i + points + 4] *= back
        loss[i] = thrown * loss[max(0, i - 10) : i].max()
    return rates, loss


def blips(rates, loss, interval=10):
    """What is said of single steps of a high rate."""
    return [e for e in found(RULE, case(train(loss, interval), lr=rate(rates))) if e.variant in ("blip", "blips")]


@pytest.mark.parametrize(("change", "fires"), [
    ({"times": 4.9}, False),
    ({"times": 5.1}, True),
    ({"points": 3}, True),
    ({"points": 4}, False),  # a rate that stays up so long is another schedule
    ({"points": 60}, False),
    ({"back": 1.45}, True),
    ({"back": 1.55}, False),
    ({"back": 0.5}, True),
    ({"thrown": 1.85}, False),
    ({"thrown": 2.05}, True),
    ({"thrown": 0.5}, False),
    ({"at": (5,)}, True),
    ({"at": (4,)}, False),  # fewer than five points before it have no level
    ({"at": (119,)}, False),  # it is not known whether the rate comes back
])  # fmt: skip
def test_either_side_of_what_is_a_single_step_of_a_high_rate(change, fires):
    assert bool(blips(*blipped(**change))) is fires


def test_a_single_step_of_a_high_rate_is_a_fault_of_the_schedule():
    rates, loss = blipped()
    (evidence,) = blips(rates, loss)
    assert severity(RULE, evidence) is Severity.MEDIUM and label(RULE, evidence) == "lr_schedule"
    assert evidence.variant == "blip" and evidence.steps == (610, 620)
    assert evidence.tags == ("train/learning_rate", "train/loss")
    numbers = {"count": 1, "before": 1e-3, "after": 6e-3, "peak": loss[60], "step": 610}
    assert evidence.numbers == pytest.approx(numbers)


def test_of_several_the_one_that_threw_the_loss_the_farthest_is_told():
    rates, loss = blipped(at=(30, 60, 90))
    rates[60], loss[60] = 8e-3, 20.0
    (evidence,) = blips(rates, loss)
    assert evidence.variant == "blips" and evidence.steps == (310, 920)
    assert evidence.numbers == pytest.approx({"count": 3, "before": 1e-3, "after": 8e-3, "peak": 20.0, "step": 610})


def test_its_height_is_the_highest_of_its_steps():
    rates, loss = blipped(points=2)
    rates[61] = 8e-3
    (evidence,) = blips(rates, loss)
    assert evidence.numbers["after"] == 8e-3 and evidence.steps == (610, 630)


def test_all_of_them_are_counted_where_one_threw_the_loss():
    rates, loss = blipped(at=(30, 60, 90))
    loss[[30, 60]] = loss[[29, 59]]
    (evidence,) = blips(rates, loss)
    assert evidence.numbers["count"] == 3 and evidence.numbers["step"] == 910 and evidence.steps == (310, 920)
    loss[90] = loss[89]
    assert not blips(rates, loss)


def test_what_is_to_be_done_is_not_what_a_resume_needs():
    (evidence,) = blips(*blipped())
    assert [remedy.text[:14] for remedy in evidence.remedies] == ["Find what sets"]


@pytest.mark.parametrize(("high", "fires"), [(1.3, True), (1.5, False)])
def test_the_loss_is_thrown_above_all_that_its_batches_scatter_to(high, fires):
    """One batch of the ten before it was hard, too; the loss is thrown to 2.1 times its level."""
    rates, loss = blipped(thrown=2.1)
    loss[52] *= high
    assert bool(blips(rates, loss)) is fires


def test_the_batch_before_the_last_ten_says_nothing():
    rates, loss = blipped(thrown=2.1)
    loss[49] *= 2.0
    assert blips(rates, loss)


@pytest.mark.parametrize(("changes", "fires"), [(10, True), (14, False)])
def test_a_schedule_that_goes_up_and_down_all_the_time_has_no_single_steps(changes, fires):
    """Of 119 changes from point to point two are the step itself, each of the others two more."""
    rates, loss = blipped(at=(100,))
    rates[5 : 5 + 6 * changes : 6] *= 1.5
    assert bool(blips(rates, loss)) is fires


def test_a_schedule_that_ends_at_zero_may_have_them():
    rates, loss = blipped()
    rates[-5:] = 0.0
    assert blips(rates, loss)


def test_beside_a_loss_that_diverged_for_good_they_are_information():
    rates, loss = blipped(at=(60,))
    loss[60:] = 30.0 * (1 + 0.01 * (-1.0) ** np.arange(60))
    (evidence,) = blips(rates, loss)
    assert severity(RULE, evidence) is Severity.INFO


@pytest.mark.parametrize("name", ["warm restarts", "cyclic", "steps down", "constant", "warm-up in five coarse points"])
def test_no_schedule_is_made_of_single_steps_even_where_the_loss_is_thrown(name):
    _, loss = blipped(at=(30, 60, 90))
    assert not blips(SCHEDULES[name], loss)


def test_a_rate_that_leaps_up_from_zero_leaps_by_no_factor():
    rates, loss = blipped()
    rates[59] = rates[61] = 0.0
    assert not blips(rates, loss)


@pytest.mark.parametrize("least", [0.0, -1.0])
def test_a_loss_that_is_not_positive_is_thrown_to_no_multiple(least):
    rates, loss = blipped()
    assert blips(rates, loss)
    loss[100] = least
    assert not blips(rates, loss)


def test_a_rate_without_a_train_loss_throws_nothing():
    rates, _ = blipped()
    assert not found(RULE, case(lr=rate(rates)))


@pytest.mark.parametrize(("late", "fires"), [
    (10, True),  # one logged step after the rate is back
    (20, True),
    (30, False),
    (-10, False),  # before it
])  # fmt: skip
def test_the_loss_must_be_thrown_while_the_rate_is_high_or_just_after(late, fires):
    rates, loss = blipped()
    thrown = loss[60]
    loss[60] = loss[59]
    loss[60 + late // 10] = thrown
    assert bool(blips(rates, loss)) is fires


@pytest.mark.parametrize(("interval", "fires"), [(30, True), (50, False)])
def test_a_loss_that_is_logged_more_rarely_may_have_no_point_there(interval, fires):
    """The rate is high at step 610 and back at 620; the next loss is that of step 630 or 650."""
    rates, _ = blipped()
    loss = decay(1200 // interval, 2.0, 1.0)
    loss[610 // interval] *= 3
    assert bool(blips(rates, loss, interval)) is fires
