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
