"""INT001: the loss became NaN or infinite."""

import math

import numpy as np
import pytest

from tb_evalguide.model import Severity
from tb_evalguide.rules.nan_loss import RULE

from ..support.checks import decay, evals, found, severity, skipped, train
from ..support.phases import case, series


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_fires_from_the_first_bad_point_on(value):
    values = decay(50)
    values[30:] = value
    (evidence,) = found(RULE, case(train(values)))
    assert evidence.steps == (310, 500)
    assert severity(RULE, evidence) is Severity.CRITICAL and evidence.variant == ""
    assert evidence.numbers["last_finite"] == values[29]


def test_the_eval_loss_counts_too_and_the_earlier_one_leads():
    bad = decay(5)
    bad[2:] = math.nan
    (evidence,) = found(RULE, case(train(decay(50)), evals(bad)))
    assert evidence.tags == ("eval/loss",) and evidence.steps[0] == 300


def test_from_the_start():
    (evidence,) = found(RULE, case(train(np.full(20, math.nan))))
    assert evidence.variant == "from_start"


@pytest.mark.parametrize(("after", "milder"), [(9, True), (11, True), (1, False)])
def test_a_loss_that_is_finite_again_is_milder(after, milder):
    values = np.concatenate([decay(40), [math.nan], decay(after, 1.0, 0.9)])
    (evidence,) = found(RULE, case(train(values)))
    assert (severity(RULE, evidence) is Severity.MEDIUM) is milder


@pytest.mark.parametrize(("share", "milder"), [(0.49, True), (0.51, False)])
def test_limit_of_recovery(share, milder):
    values = decay(60)
    values[20::2] = math.nan  # half of what follows is finite, the last point too
    (evidence,) = found(RULE, case(train(values)), recovered=share)
    assert (evidence.variant == "recovered") is milder


@pytest.mark.parametrize(("finite", "milder"), [(9, False), (11, True)])
def test_a_loss_has_recovered_where_more_than_half_of_the_points_since_are_finite(finite, milder):
    values = np.concatenate([decay(40), np.full(20 - finite, math.nan), decay(finite, 1.0, 0.9)])
    (evidence,) = found(RULE, case(train(values)))
    assert (evidence.variant == "recovered") is milder


def test_passes_and_skips():
    assert not found(RULE, case(train(decay(50)), evals(decay(5))))
    assert "no loss" in skipped(RULE, case())


def test_nan_in_another_curve_is_information():
    entropy = series("train/entropy", range(10, 410, 10), [math.nan] * 5 + [1.0] * 35)
    run = case(train(decay(40)), extra=[entropy])
    (evidence,) = found(RULE, run)
    assert severity(RULE, evidence) is Severity.INFO
    assert evidence.tags == ("train/entropy",) and evidence.steps == (10, 50)


def test_nan_in_the_evaluations_alone_does_not_say_that_nothing_was_learned():
    (evidence,) = found(RULE, case(train(decay(40)), evals([math.inf] * 8)))
    assert severity(RULE, evidence) is Severity.CRITICAL and evidence.variant == "evals"


def test_train_and_eval_of_one_tag_are_told_apart():
    """Keras' train and validation run both log epoch_loss, and the evaluations may be fewer."""
    values = decay(40)
    values[30:] = math.nan
    fewer = decay(10)
    fewer[9:] = math.nan
    run = case(series("epoch_loss", range(40), values), series("epoch_loss", range(3, 43, 4), fewer))
    (evidence,) = found(RULE, run)
    assert evidence.steps[0] == 30 and evidence.numbers["last_finite"] == pytest.approx(values[29])
    early = decay(10)
    early[2:] = math.nan
    (evidence,) = found(RULE, case(series("epoch_loss", range(10), early), series("epoch_loss", range(40), values)))
    assert evidence.steps[0] == 2


def other(tag, values, first=10):
    return series(tag, [first + 10 * i for i in range(len(values))], values)


@pytest.mark.parametrize(("tail", "expected"), [
    ([math.nan] * 3, Severity.CRITICAL),
    ([math.nan] * 2, Severity.INFO),  # an odd point or two of a loss that is not judged
    ([math.nan] * 3 + [1.0], Severity.INFO),
])  # fmt: skip
def test_another_loss_that_ends_in_nan_counts_where_the_judged_ones_have_ended(tail, expected):
    per_step = other("loss", [*decay(50), *tail])
    (evidence,) = found(RULE, case(train(decay(50)), extra=[per_step]))
    assert severity(RULE, evidence) is expected


def test_but_not_where_they_go_on():
    per_step = other("loss", [*decay(20), *[math.nan] * 5])
    (evidence,) = found(RULE, case(train(decay(50)), extra=[per_step]))
    assert severity(RULE, evidence) is Severity.INFO


def test_a_loss_scale_or_a_norm_is_no_loss():
    scale = other("train/loss_scale", [*np.full(50, 65536.0), *[math.inf] * 4])
    norm = other("train/grad_norm", [*np.ones(50), *[math.nan] * 4])
    assert all(severity(RULE, e) is Severity.INFO for e in found(RULE, case(train(decay(50)), extra=[scale, norm])))


def test_what_became_nan_for_good_is_named_from_where_it_did():
    per_step = other("train/aux_loss", [math.nan, *decay(49), *[math.nan] * 4])
    (evidence,) = found(RULE, case(train(decay(50)), extra=[per_step]))
    assert evidence.variant == "other" and evidence.words["tag"] == "train/aux_loss" and evidence.steps[0] == 510


def adversaries(*curves):
    """A log whose losses are neither a train nor an eval loss."""
    return case(extra=[other(f"{name}_loss", values) for name, values in zip("DGR", curves)])


@pytest.mark.parametrize(("generator", "discriminator", "first", "count"), [
    ([math.nan] * 20, [math.nan] * 20, 10, 20),
    ([1.0] * 8 + [math.nan] * 12, [2.0] * 5 + [math.inf] * 15, 60, 15),  # finite at first; the earlier one leads
    ([1.0] * 17 + [math.nan] * 3, [math.nan] * 20, 10, 20),
    ([math.nan, 1.0, 1.0, *[math.nan] * 4], [2.0] * 3 + [math.nan] * 4, 40, 4),  # from the last finite value on
    ([math.nan] * 20, [1.0, math.nan], 10, 20),  # two points tell nothing
])  # fmt: skip
def test_losses_of_which_none_is_judged_are_nan_to_the_end(generator, discriminator, first, count):
    (evidence,) = found(RULE, adversaries(generator, discriminator))
    assert severity(RULE, evidence) is Severity.CRITICAL and evidence.variant == "unjudged"
    assert evidence.steps[0] == first and evidence.numbers["count"] == count
    assert evidence.numbers["points"] == len(generator if evidence.words["tag"] == "D_loss" else discriminator)


def test_the_first_five_of_them_are_named():
    lost = [other(f"G{i}_loss", [math.nan] * 10) for i in range(6)]
    (evidence,) = found(RULE, case(extra=lost))
    assert evidence.tags == ("G0_loss", "G1_loss", "G2_loss", "G3_loss", "G4_loss")


@pytest.mark.parametrize("curves", [
    ([math.nan] * 20, [1.0] * 20),  # one of two is finite to the end
    ([math.nan] * 20, [math.nan] * 19 + [1.0]),
    ([math.nan] * 2, [math.nan] * 2),  # or at all
])  # fmt: skip
def test_losses_that_are_not_judged_and_not_all_lost(curves):
    assert "no loss" in skipped(RULE, adversaries(*curves))


def test_what_is_no_loss_keeps_no_lost_loss_alive():
    lost, fine = other("G_loss", [1.0] * 5 + [math.nan] * 5), other("score", [1.0] * 10)
    (evidence,) = found(RULE, case(extra=[fine, lost]))
    assert evidence.tags == ("G_loss",) and evidence.steps == (60, 100)
    assert "no loss" in skipped(RULE, case(extra=[other("score", [math.nan] * 10)]))


def test_a_loss_that_is_judged_leaves_the_others_to_be_information():
    (evidence,) = found(RULE, case(train(decay(50)), extra=[other("G_loss", [math.nan] * 20)]))
    assert severity(RULE, evidence) is Severity.INFO and evidence.variant == "elsewhere"
