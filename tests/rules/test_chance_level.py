"""LRN001: the loss stays at the level of guessing."""

import math

import numpy as np
import pytest

from tb_evalguide import remedies
from tb_evalguide.model import Role, Severity
from tb_evalguide.rules.chance_level import RULE

from ..support.checks import decay, evals, every, found, severity, skipped, train
from ..support.phases import case, series


def guess(k=10, n=20, off=0.0):
    return np.full(n, math.log(k) * (1 + off))


def accuracy(share, n=20, moves=1e-4):
    """Evaluated accuracies that differ by an answer or two."""
    return {Role.EVAL_ACCURACY: series("val_acc", every(n, 100), share * (1 + np.resize([moves, -moves], n)))}


def classifier(values, roles=None, **more):
    return case(train(decay(200, 2.4, 2.3)), evals(values), roles=roles, profile="classification", **more)


def test_fires_and_says_since_when():
    values = np.concatenate([np.linspace(2.6, 2.31, 5), guess(n=15)])
    (evidence,) = found(RULE, classifier(values, accuracy(0.1)))
    assert evidence.numbers["k"] == 10 and 200 <= evidence.steps[0] <= 600


@pytest.mark.parametrize(("off", "fires"), [(0.015, True), (-0.015, True), (0.025, False), (-0.2, False)])
def test_limit_of_the_loss(off, fires):
    assert bool(found(RULE, classifier(guess(off=off), None, arguments={"num_labels": 10}))) is fires


@pytest.mark.parametrize(("off", "n", "fires"), [
    (0.045, 6, True),
    (0.055, 6, False),
    (0.045, 5, False),  # too few accuracies
    (-0.025, 6, False),
])  # fmt: skip
def test_a_little_above_guessing_beside_the_accuracies_of_a_whole_run(off, n, fires):
    level = train(guess(8, 60, 0.05)), evals(guess(8, n, off))
    run = case(*level, roles=accuracy(0.13, n), arguments={"num_labels": 8}, profile="classification")
    assert bool(found(RULE, run)) is fires


@pytest.mark.parametrize(("share", "fires"), [(0.12, True), (0.14, False), (12.0, True)])
def test_limit_of_the_accuracy(share, fires):
    """Also when it is logged in per cent."""
    assert bool(found(RULE, classifier(guess(), accuracy(share)))) is fires


def test_a_learned_run_passes():
    assert not found(RULE, classifier(decay(20, 2.3, 0.3), accuracy(0.9)))


def test_needs_to_know_the_number_of_classes():
    assert "number of classes" in skipped(RULE, classifier(guess()))
    assert "profile" in skipped(RULE, case(None, evals(guess()), profile="guide"))
    assert "points" in skipped(RULE, case(train(decay(2)), profile="classification"))


@pytest.mark.parametrize(("start", "end", "fires"), [
    (0.72, math.log(2), True),
    (0.72, math.log(2) * 0.99, False),  # it has learned something
    (0.60, math.log(2), False),  # it had been better
])  # fmt: skip
def test_a_coin_toss_is_known_without_accuracy(start, end, fires):
    values = np.concatenate([np.linspace(start, end, 4), np.full(16, end)])
    run = case(train(np.repeat(values, 10)), evals(values), profile="classification")
    if fires:
        assert found(RULE, run)[0].numbers["k"] == 2
    else:
        assert "number of classes" in skipped(RULE, run)


def test_a_loss_that_passes_chance_on_its_way_down_is_none():
    values = np.linspace(0.82, 0.685, 16)
    assert not found(RULE, classifier(values, accuracy(0.55, 16)))
    assert found(RULE, classifier(np.full(16, 0.69), accuracy(0.55, 16)))


@pytest.mark.parametrize(("share", "fires"), [(0.57, True), (0.6, False)])
def test_between_two_classes_accuracy_may_scatter_less(share, fires):
    assert bool(found(RULE, classifier(guess(k=2), accuracy(share)))) is fires


@pytest.mark.parametrize(("end", "fires"), [(0.5, False), (1.6, True)])
def test_worse_than_guessing_unless_the_train_loss_says_otherwise(end, fires):
    run = case(
        train(decay(200, 1.8, end)),
        evals(np.linspace(1.6, 2.2, 12)),
        roles=accuracy(0.25, 12),
        profile="classification",
    )
    it = found(RULE, run)
    assert [e.variant for e in it] == ["worse"] * fires


@pytest.mark.parametrize("scale", [1, 100])
def test_an_accuracy_in_per_cent_counts_alike(scale):
    run = case(
        train(np.full(200, 1.7)),
        evals(np.linspace(1.6, 2.2, 12)),
        roles=accuracy(0.25 * scale, 12),
        profile="classification",
    )
    assert [e.variant for e in found(RULE, run)] == ["worse"]


def test_an_auc_says_nothing_of_ten_classes():
    auc = series("eval/auc", every(20, 100), np.full(20, 0.5))
    run = case(train(decay(200, 2.4, 2.3)), evals(guess()), metrics=[(auc, True)], profile="classification",
               arguments={"num_labels": 10})  # fmt: skip
    assert found(RULE, run)[0].numbers["k"] == 10


@pytest.mark.parametrize(("n", "fires"), [(50, True), (10, False)])
def test_two_accuracies_are_enough_beside_a_long_train_loss(n, fires):
    loss = train(1.105 * (1 + 0.005 * np.random.default_rng(0).standard_normal(n)))
    run = case(loss, evals([1.117, 1.107]), roles=accuracy(0.33, 2), profile="classification")
    if fires:
        assert found(RULE, run)
    else:
        assert "accuracy" in skipped(RULE, run)


@pytest.mark.parametrize(("n", "judged", "expected"), [
    (5, 0, Severity.MEDIUM),
    (19, 0, Severity.MEDIUM),
    (20, 0, Severity.HIGH),
    (60, 2, Severity.MEDIUM),  # it was evaluated twice: a run that has just begun, however often it was logged
    (60, 9, Severity.MEDIUM),
    (60, 10, Severity.HIGH),
])  # fmt: skip
def test_a_few_points_at_the_level_of_guessing_are_a_warning(n, judged, expected):
    seen = evals(guess(4, judged), interval=10 * n // judged) if judged else None
    (evidence,) = found(RULE, case(train(guess(4, n)), seen, arguments={"num_labels": 4}, profile="classification"))
    assert severity(RULE, evidence) is expected


def test_a_loss_that_falls_all_along_only_passes_it():
    """exp(1.39) is 4, and a quarter is right: of ten classes, not of four."""
    rising = {Role.EVAL_ACCURACY: series("val_acc", every(24, 100), np.linspace(0.1, 0.27, 24))}
    passing = decay(24, 2.3, 1.39, noise=0.003, rate=1)
    assert not found(RULE, case(None, evals(passing), roles=rising, profile="classification"))


def test_an_accuracy_that_rises_stands_nowhere():
    """A language model's share of right tokens may pass a third; its loss is far above ln 3 for other reasons."""
    rising = {Role.EVAL_ACCURACY: series("val_acc", every(20, 100), np.linspace(0.30, 0.335, 20))}
    assert not found(RULE, case(None, evals(decay(20, 4.8, 3.8)), roles=rising, profile="classification"))
    level = {Role.EVAL_ACCURACY: series("val_acc", every(20, 100), np.full(20, 0.33))}
    assert found(RULE, case(None, evals(decay(20, 4.8, 3.8)), roles=level, profile="classification"))


def test_one_accuracy_is_not_quoted():
    run = case(train(guess(2, 20)), roles=accuracy(0.5, 1), arguments={"num_labels": 2}, profile="classification")
    (evidence,) = found(RULE, run)
    assert evidence.variant == "no_accuracy"


@pytest.mark.parametrize(("learned", "variant", "label"), [(0.1, "evals_only", "overfitting"), (0.69, "", None)])
def test_evaluations_at_the_level_of_guessing_beside_a_train_loss_that_fell(learned, variant, label):
    """The model learned something, if nothing that holds for them: it is no model that has not learned."""
    run = case(
        train(decay(120, 0.69, learned, noise=0.0)),
        evals(np.full(12, 0.694) + 0.0005 * np.arange(12)),
        roles=accuracy(0.5, 12),
        profile="classification",
    )
    (evidence,) = found(RULE, run)
    assert (evidence.variant, evidence.label) == (variant, label)
    assert severity(RULE, evidence) is (Severity.MEDIUM if label else Severity.HIGH)


def test_a_train_loss_on_another_scale_has_not_learned():
    """Divided by the number of accumulated batches it lies below guessing from the first point on."""
    run = case(train(np.full(120, 0.087)), evals(np.full(12, 0.694)), roles=accuracy(0.5, 12), profile="classification")
    (evidence,) = found(RULE, run)
    assert evidence.variant == ""


@pytest.mark.parametrize(("fallen", "fires"), [(0.008, True), (0.012, False)])
def test_limit_of_the_fall_of_the_later_half(fallen, fires):
    """Down to ln 10 after two thirds of the run."""
    values = guess() * np.repeat([1 + fallen, 1.0], [14, 6])
    assert bool(found(RULE, classifier(values, arguments={"num_labels": 10}))) is fires


@pytest.mark.parametrize(("start", "fires"), [(1.09, True), (1.13, False)])
def test_limit_of_the_fall_of_a_loss_that_goes_on_falling(start, fires):
    """By 8 % or 12 % of where it began, and slowly in the end."""
    slow = np.linspace(1.005, 1.0, 27) + 0.0005 * (-1.0) ** np.arange(27)
    values = guess(n=30) * np.concatenate([np.full(3, start), slow])
    assert bool(found(RULE, classifier(values, arguments={"num_labels": 10}))) is fires


@pytest.mark.parametrize(("n", "fires"), [(19, False), (20, True)])
def test_limit_of_the_points_beside_which_two_accuracies_are_enough(n, fires):
    run = case(train(guess(n=n)), roles=accuracy(0.1, 2), profile="classification")
    if fires:
        assert found(RULE, run)
    else:
        assert "number of classes" in skipped(RULE, run)


def one_class(shares, loss=1.9):
    """The loss is far above ln 4 for all of the run."""
    judged = {Role.EVAL_ACCURACY: series("val_acc", every(len(shares), 100), shares)}
    return case(train(np.full(60, loss)), roles=judged, profile="classification")


@pytest.mark.parametrize(("shares", "fires"), [
    ([0.25] * 5, False),
    ([0.25] * 6, True),
    ([0.25] * 7 + [0.25 * 1.09], True),
    ([0.25] * 7 + [0.25 * 1.11], False),
])  # fmt: skip
def test_limits_of_accuracies_that_stand_while_the_loss_is_worse_than_guessing(shares, fires):
    assert [e.variant for e in found(RULE, one_class(shares))] == ["worse"] * fires


@pytest.mark.parametrize(("order", "fires"), [
    ([2, 1, 4, 3, 6, 5, 8, 7], False),  # p = 0.009
    ([3, 1, 4, 2, 6, 5, 8, 7], True),  # p = 0.018
])  # fmt: skip
def test_limit_of_the_significance_of_a_rise(order, fires):
    assert bool(found(RULE, one_class(0.25 + 0.001 * np.array(order)))) is fires


@pytest.mark.parametrize(("loss", "fires"), [(19.0, True), (21.0, False)])
def test_limit_of_a_loss_that_can_be_a_guess(loss, fires):
    assert bool(found(RULE, one_class([0.25] * 7 + [0.251], loss))) is fires


@pytest.mark.parametrize(("off", "n", "tossed"), [
    (0.0025, 10, True),
    (0.0035, 10, False),
    (0.0, 9, False),
])  # fmt: skip
def test_limits_of_a_coin_toss(off, n, tossed):
    run = case(train(guess(2, n, off)), profile="classification")
    if tossed:
        assert found(RULE, run)
    else:
        assert "number of classes" in skipped(RULE, run)


@pytest.mark.parametrize(("k", "share", "fires"), [(6, 0.18, True), (2, 0.57, False)])
def test_between_two_classes_nothing_above_guessing_is_near_enough(k, share, fires):
    """Two classes at 3 % above ln 2: 57 % may be right there, for they are sure and sometimes wrong."""
    level = train(guess(k, 60, 0.03)), evals(guess(k, 8, 0.03))
    run = case(*level, roles=accuracy(share, 8), arguments={"num_labels": k}, profile="classification")
    assert any(e.variant == "" for e in found(RULE, run)) is fires


def test_accuracies_that_rise_do_not_stand_at_guessing():
    rising = {Role.EVAL_ACCURACY: series("val_acc", every(8, 100), np.linspace(0.10, 0.15, 8))}
    level = train(guess(8, 60, 0.03)), evals(guess(8, 8, 0.04))
    assert not found(RULE, case(*level, roles=rising, arguments={"num_labels": 8}, profile="classification"))


def learns(share, n=10, scale=1, judged=0.25, steady=12):
    """Evaluations that stand at 1/4 with a loss above ln 4, and a train accuracy that says otherwise; no train loss."""
    right = series("train_acc", every(n, 100), np.full(n, share * scale))
    roles = {**accuracy(judged, steady), Role.TRAIN_ACCURACY: right}
    return case(None, evals(np.linspace(1.6, 2.2, steady)), roles=roles, profile="classification")


@pytest.mark.parametrize("scale", [1, 100])
@pytest.mark.parametrize(("share", "n", "fires"), [
    (0.25, 10, True),
    (0.44, 10, True),  # by 19 % of all answers above the quarter
    (0.46, 10, False),  # by 21 %
    (0.90, 3, False),
    (0.90, 2, True),  # two are too few
])  # fmt: skip
def test_a_train_accuracy_far_above_guessing_has_learned(scale, share, n, fires):
    assert [e.variant for e in found(RULE, learns(share, n, scale))] == ["worse"] * fires


@pytest.mark.parametrize(("shares", "fires"), [
    (np.repeat([0.25, 0.9], [5, 5]), False),
    (np.repeat([0.9, 0.25], [5, 5]), True),  # it forgot it all
    (np.repeat([0.25, 0.9], [8, 2]), True),  # the later half is judged, not the end
])  # fmt: skip
def test_the_later_half_of_the_train_accuracies_is_what_was_learned(shares, fires):
    right = {Role.TRAIN_ACCURACY: series("train_acc", every(10, 100), shares)}
    run = case(None, evals(np.linspace(1.6, 2.2, 12)), roles={**accuracy(0.25, 12), **right}, profile="classification")
    assert bool(found(RULE, run)) is fires


def always(share, n=10, trained=None, **more):
    """A loss far below guessing among ten, and accuracies that are all alike; the training's come to `trained`."""
    told = accuracy(share, n, moves=0.0)
    if trained is not None:
        told[Role.TRAIN_ACCURACY] = series("acc", every(10, 100), np.interp(np.arange(10), [0, 6], [0.2, trained]))
    return case(train(decay(200, 1.8, 1.2)), evals(decay(10, 1.3, 1.1)), roles=told, profile="classification", **more)


@pytest.mark.parametrize(("share", "n", "trained", "fires"), [
    (0.67, 8, None, True),
    (0.67, 7, None, False),
    (0.67, 8, 0.63, True),
    (0.67, 8, 0.61, False),  # the training accuracy went elsewhere: the evaluated one is broken
    (0.67, 8, 0.71, True),
    (0.67, 8, 0.74, False),
    (0.94, 8, None, True),
    (0.96, 8, None, False),  # solved
    (67.0, 8, None, True),  # in per cent
    (0.00, 8, None, False),  # that nothing is right is LRN006's
])  # fmt: skip
def test_limits_of_one_answer_to_everything(share, n, trained, fires):
    it = found(RULE, always(share, n, trained))
    assert [(e.variant, severity(RULE, e)) for e in it] == [("one_answer", Severity.MEDIUM)] * fires


def test_one_answer_more_or_less_is_another_accuracy():
    run = always(0.67)
    told = {Role.EVAL_ACCURACY: series("val_acc", every(10, 100), [0.67] * 9 + [0.671])}
    assert found(RULE, run) and not found(RULE, case(train(decay(200, 1.8, 1.2)), roles=told, profile="classification"))


def test_an_overlap_that_moves_says_that_the_accuracy_is_broken():
    dice = series("val_dice", every(10, 100), np.linspace(0.5, 0.75, 10))
    assert not found(RULE, always(0.67, metrics=[(dice, True)]))
    assert found(RULE, always(0.67, trained=0.66, metrics=[(dice, True)])), "the training accuracy agrees with it"


def test_that_the_loss_is_one_of_guessing_says_more():
    assert [e.variant for e in found(RULE, classifier(guess(), accuracy(0.1)))] == [""]


def test_one_answer_to_everything_has_remedies_of_its_own():
    (evidence,) = found(RULE, always(0.67))
    assert evidence.remedies is not None and evidence.remedies[0] is remedies.RARE_CLASS
