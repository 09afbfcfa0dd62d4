"""LRN004: the loss falls little and stays high."""

import math

import numpy as np
import pytest

from tb_evalguide import shape
from tb_evalguide.case import Curve
from tb_evalguide.diagnosis import check_rule
from tb_evalguide.model import Role, Severity
from tb_evalguide.rules.underfitting import RULE
from tb_evalguide.shape import late_fall

from ..support.checks import accuracy_that_rises, cosine, decay, evals, every, found, rate, severity, skipped, train
from ..support.phases import C3, case, series, table


def test_the_guides_table():
    (evidence,) = found(RULE, case(*table(C3)))
    assert severity(RULE, evidence) is Severity.HIGH


@pytest.mark.parametrize(("profile", "start", "end", "fires"), [
    ("guide", 2.5, 2.30, True),  # 8 %
    ("guide", 2.5, 2.20, False),  # 12 %
    ("guide", 1.5, 1.42, False),  # at the guide's target already
    ("llm-sft", 2.5, 2.30, True),
    ("llm-sft", 2.0, 1.85, False),  # a pretrained model on data it knows
    ("classification", 2.3, 1.80, True),  # 22 %
    ("classification", 2.3, 1.65, False),  # 28 %
    ("pretrain", 5.6, 4.35, True),
    ("pretrain", 5.6, 3.9, False),
    ("generic", 50.0, 46.0, True),  # 8 %
    ("generic", 50.0, 44.0, False),  # 12 %
])  # fmt: skip
def test_limits_of_each_profile(profile, start, end, fires):
    run = case(train(decay(200, start, end, rate=12)), evals(decay(20, start, end, rate=12)), profile=profile)
    assert bool(found(RULE, run)) is fires


@pytest.mark.parametrize(("start", "drop", "fires"), [
    (math.log(2), 0.11, True),
    (math.log(2), 0.13, False),
    (1.09 * math.log(2), 0.13, False),  # within 10 % of guessing between two classes
    (1.11 * math.log(2), 0.13, True),
    (0.91 * math.log(2), 0.13, False),
    (0.89 * math.log(2), 0.13, True),
])  # fmt: skip
def test_two_classes_have_less_to_gain(start, drop, fires):
    level = np.concatenate([decay(20, start, start), decay(180, start, (1 - drop) * start, rate=40)])
    assert bool(found(RULE, case(train(level), profile="classification"))) is fires


def test_only_a_classifier_guesses_between_two():
    """A Dice loss that begins at 0.7 is no cross-entropy."""
    level = np.concatenate([decay(20, 0.7, 0.7), decay(180, 0.7, 0.6, rate=40)])
    assert not found(RULE, case(train(level), profile="classification"))
    assert found(RULE, case(train(level), profile="vision"))


def test_nor_does_it_excuse_what_stood_still_from_the_first_steps():
    level = np.concatenate([[0.69], np.full(199, 0.53)]) + 0.001 * np.random.default_rng(0).standard_normal(200)
    (evidence,) = found(RULE, case(train(level), evals(np.full(20, 0.53)), profile="classification"))
    assert evidence.variant == "early"


def test_the_better_of_the_two_losses_counts():
    noisy_labels = case(train(decay(200, 5.6, 4.7, rate=12)), evals(decay(20, 4.7, 3.9, rate=12)), profile="pretrain")
    assert not found(RULE, noisy_labels)


def test_level_since_early_is_said():
    (evidence,) = found(RULE, case(train(decay(200, 2.0, 1.6, rate=40)), profile="classification"))
    assert evidence.variant == "flat" and evidence.numbers["flat"] > 0.7


@pytest.mark.parametrize(("profile", "expected"), [
    ("guide", Severity.HIGH),
    *((other, Severity.MEDIUM) for other in ("llm-sft", "pretrain", "classification", "vision")),
])  # fmt: skip
@pytest.mark.parametrize("points", [20, 200])
def test_outside_the_guide_it_is_a_warning(profile, expected, points):
    (evidence,) = found(RULE, case(None, evals(decay(points, 3.0, 2.8, rate=30, noise=0.002)), profile=profile))
    assert severity(RULE, evidence) is expected


def test_a_loss_that_climbs_is_left_to_lr_too_high():
    assert not found(RULE, case(train(np.linspace(2.0, 2.2, 100)), profile="classification"))
    (evidence,) = found(RULE, case(train(np.linspace(2.0, 2.05, 100)), profile="classification"))
    assert evidence.variant == "none"


def test_skipped():
    cut = rate(cosine(400, warmup=10)[:100])
    assert "cut short" in skipped(RULE, case(train(decay(100, 2.0, 1.8)), lr=cut, profile="pretrain"))
    assert "not enough data" in skipped(RULE, case(train(decay(19)), profile="generic"))
    assert "not positive" in skipped(RULE, case(train(np.linspace(-1, -2, 100)), profile="generic"))


def test_the_levels_that_are_named_are_those_that_the_drop_is_measured_between():
    """A drop lost in batch noise is measured along a line: the two ends of the noise would contradict it."""
    noisy = np.linspace(2.4, 2.2, 60) + 0.4 * np.random.default_rng(3).standard_normal(60)
    (evidence,) = found(RULE, case(train(noisy), profile="classification"))
    start, end, drop = (evidence.numbers[name] for name in ("start", "end", "drop"))
    assert drop == pytest.approx(1 - end / start, abs=1e-9)


@pytest.mark.parametrize(("points", "noise", "fires"), [(20, 0.4, False), (20, 0.12, True), (60, 0.4, True)])
def test_few_points_whose_noise_hides_the_drop_tell_nothing(points, noise, fires):
    """Where the noise leaves room for the drop of a model that learns (25 %), nothing is said."""
    noisy = np.linspace(1.65, 1.5, points) + noise * np.sin(2.4 * np.arange(points))
    run = case(train(noisy), profile="classification")
    if fires:
        assert found(RULE, run)
    else:
        assert "noise" in skipped(RULE, run)


@pytest.mark.parametrize(("end", "start", "fires"), [(0.9, 0.194, False), (0.78, 0.194, True), (0.9, 0.181, True)])
def test_an_accuracy_that_grows_shows_learning(end, start, fires):
    """A Dice loss has little room; a loss that fell by hardly anything has none of that excuse."""
    accuracy = series("accuracy", every(39), np.linspace(0.77, end, 39))
    losses = decay(39, start, 0.179, noise=0.001)
    run = case(train(losses), roles={Role.TRAIN_ACCURACY: accuracy}, profile="vision")
    assert bool(found(RULE, run)) is fires


@pytest.mark.parametrize(("shift", "profile", "fires"), [
    (500.0, "generic", False),  # a likelihood with a large constant: 4 % of it are all there is to gain
    (500.0, "classification", True),  # the loss of guessing is known
])  # fmt: skip
def test_both_losses_that_bend_down_to_a_floor_have_learned_on_their_own_scale(shift, profile, fires):
    rng = np.random.default_rng(0)
    bends = [shift + decay(60, 24.0, 2.0, noise=0.0) + 0.1 * rng.standard_normal(60) for _ in range(2)]
    run = case(train(bends[0], interval=100), evals(bends[1]), profile=profile)
    assert bool(found(RULE, run)) is fires


def test_a_straight_line_on_an_unknown_scale_may_still_be_too_slow():
    line = np.linspace(524.0, 502.0, 60)
    assert found(RULE, case(train(line, interval=100), evals(line), profile="generic"))


@pytest.mark.parametrize(("noise", "fires"), [(0.001, True), (0.05, False)])
def test_evaluations_tell_where_the_noise_of_the_train_loss_hides_all(noise, fires):
    rng = np.random.default_rng(3)
    loss = train(0.2 * (1 + 0.2 * rng.standard_normal(15)), interval=50)
    level = evals(0.22 * (1 + noise * rng.standard_normal(12)), interval=60)
    if fires:
        assert found(RULE, case(loss, level, profile="classification"))
    else:
        assert "noise" in skipped(RULE, case(loss, level, profile="classification"))


@pytest.mark.parametrize(("rise", "fires"), [(0.03, True), (0.12, False)])
def test_an_eval_loss_that_turned_up_while_train_falls_is_left_to_overfitting(rise, fires):
    turned = np.concatenate([np.linspace(1.49, 1.33, 4), np.linspace(1.33, 1.33 * (1 + rise), 7)[1:]])
    run = case(train(decay(200, 1.5, 1.2, rate=1)), evals(turned, interval=200), profile="classification")
    assert bool(found(RULE, run)) is fires


@pytest.mark.parametrize(("n", "fires"), [(25, False), (40, True)])
def test_a_young_run_that_still_falls_is_left_alone(n, fires):
    assert bool(found(RULE, case(train(decay(n, 2.0, 1.8, noise=0.001, rate=0.5)), profile="classification"))) is fires


@pytest.mark.parametrize(("late", "fires"), [(0.1, False), (0.0, True)])
def test_a_young_run_s_fall_on_a_scale_of_its_own_is_a_fall(late, fires):
    """A likelihood with a large constant: what the last third falls by is little of the loss, but much of its drop."""
    values = 500 + np.concatenate([np.linspace(8, 2, 17), np.linspace(2, 2 - 20 * late, 12)])
    values += 0.02 * np.random.default_rng(0).standard_normal(29)
    assert bool(found(RULE, case(train(values), profile="generic"))) is fires


@pytest.mark.parametrize(("last", "fires"), [(4.4, False), (4.62, True)])
def test_evaluations_that_go_on_falling_show_it_too(last, fires):
    """The train loss is too noisy to tell whether a young run still falls."""
    loss = decay(26, 5.7, 4.4, noise=0.02, rate=3)
    judged = [5.0, 4.75, 4.6, 4.5, last]
    run = case(train(loss, 25), evals(judged, 130), profile="classification")
    assert bool([e for e in found(RULE, run) if severity(RULE, e) is not Severity.INFO]) is fires


@pytest.mark.parametrize("alone", ["train", "evals"])
def test_a_lone_curve_that_bends_down_to_a_floor_of_its_own_converges(alone):
    values = 62_500 + decay(20, 6_000, 10, noise=0, rate=8)
    run = case(*((train(values, 60), None) if alone == "train" else (None, evals(values, 60))), profile="generic")
    assert not found(RULE, run)


@pytest.mark.parametrize(("max_steps", "fires"), [(130, True), (1000, False)])
def test_a_finished_run_is_not_young(max_steps, fires):
    """However thinly it was logged."""
    loss = train(decay(13, 5.5, 4.9, noise=0.001, rate=0.5))
    run = case(loss, profile="pretrain", arguments={"max_steps": max_steps})
    assert check_rule(RULE, run).result.outcome == ("fired" if fires else "skipped")


def test_one_lucky_evaluation_excuses_nothing():
    judged = 2.6 + 0.01 * np.random.default_rng(0).standard_normal(12)
    loss = np.linspace(2.65, 2.45, 60) + 0.005 * np.random.default_rng(1).standard_normal(60)
    assert found(RULE, case(train(loss), evals(judged, 50)))
    judged[1] = 2.42
    assert found(RULE, case(train(loss), evals(judged, 50)))


def test_an_eval_loss_that_began_higher_is_where_the_fall_is_told_from():
    run = case(
        train(np.linspace(2.0, 2.08, 60)),
        series("eval/loss", range(1, 602, 50), np.linspace(2.35, 2.05, 13)),
        profile="vision",
    )
    (evidence,) = found(RULE, run)
    assert evidence.variant != "none" and evidence.numbers["start"] == pytest.approx(2.35, abs=0.02)


@pytest.mark.parametrize(("first", "fires"), [(0.30, False), (0.40, True)])
def test_a_classifier_whose_first_loss_lies_below_guessing_has_less_to_gain(first, fires):
    """Logged after its first epoch: 20 % less than that is no sign of a model that does not learn."""
    assert bool(found(RULE, case(train(decay(40, first, 0.8 * first)), profile="classification"))) is fires


def test_a_loss_that_fell_and_came_back_is_no_underfitting():
    values = np.concatenate([decay(30, 2.0, 1.2), np.full(10, 1.9)])
    assert not found(RULE, case(None, evals(values), profile="vision"))
    assert found(RULE, case(None, evals(np.concatenate([decay(30, 2.0, 1.8), np.full(10, 1.9)])), profile="vision"))


@pytest.mark.parametrize(("profile", "drop", "gain", "fires"), [
    ("classification", 0.27, 0.02, True),
    ("classification", 0.32, 0.02, False),
    ("classification", 0.27, 0.10, False),  # the evaluations gained on the first
    ("pretrain", 0.55, 0.02, True),  # what guessing the most frequent tokens costs
    ("pretrain", 0.65, 0.02, False),
])  # fmt: skip
def test_a_run_that_stood_level_from_its_first_steps(profile, drop, gain, fires):
    values = np.concatenate([[6.0], np.full(99, 6.0 * (1 - drop))])
    values[1:] += 0.01 * np.random.default_rng(2).standard_normal(99)
    level = np.linspace(values[1], values[1] * (1 - gain), 10)
    it = found(RULE, case(train(values), evals(level), profile=profile))
    assert [evidence.variant for evidence in it] == ["early"] * fires


def test_a_short_run_that_learned_is_checked_and_passes():
    """No noise hides a fall from 3 to 1: the rule must not say that it could not look."""
    assert not found(RULE, case(train(decay(25, 3.0, 1.0, noise=0.002), 20), profile="classification"))


@pytest.mark.parametrize("level", [np.linspace(1.0, 1.08, 10), [1.0, 0.75, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0, 1.0]])
def test_evaluations_that_moved_did_not_stand_level(level):
    values = np.concatenate([[6.0], np.full(99, 4.38)]) + 0.005 * np.sin(2.4 * np.arange(100))
    assert not found(RULE, case(train(values), evals(4.38 * np.asarray(level)), profile="classification"))


@pytest.mark.parametrize(("profile", "times"), [("guide", 1), ("llm-sft", 3)])
def test_a_sentence_that_nothing_fell_names_no_fall(profile, times):
    values = np.array([1.30, 1.31, 1.29, 1.30, 1.31, 1.30, 1.29, 1.31, 1.34, 1.26]) + 0.7
    for evidence in found(RULE, case(train(np.tile(values, times), 20), profile=profile)):
        assert (evidence.variant == "none") is (evidence.numbers["end"] >= evidence.numbers["start"])
        assert evidence.numbers["drop"] == pytest.approx(1 - evidence.numbers["end"] / evidence.numbers["start"])


@pytest.mark.parametrize(("noise", "fires"), [(0.02, False), (0.45, True)])
def test_only_a_climb_beyond_the_noise_came_back(noise, fires):
    values = np.concatenate([np.linspace(2.0, 1.6, 20), np.linspace(1.6, 1.95, 20)])
    values += noise * np.sin(2.4 * np.arange(40))
    assert bool(found(RULE, case(train(values), profile="generic"))) is fires


def wiggle(n):
    """Scatter without chance: σ of a point is 1.5."""
    return np.sin(2.4 * np.arange(n))


@pytest.mark.parametrize(("rise", "fires"), [(0.045, True), (0.055, False)])
def test_limit_of_a_loss_that_climbs(rise, fires):
    values = np.repeat([2.0, 2.0 * (1 + rise)], 50)
    assert bool(found(RULE, case(train(values), profile="classification"))) is fires


@pytest.mark.parametrize(("noise", "fires"), [(0.055, True), (0.070, False)])
def test_limit_of_a_drop_that_noise_may_hide(noise, fires):
    """A drop of 15 % along 25 points, and the upper bound of it just below and just above 25 %."""
    values = np.linspace(2.0, 1.7, 25) * (1 + noise * wiggle(25))
    outcome = check_rule(RULE, case(train(values, 50), profile="classification")).result.outcome
    assert outcome == ("fired" if fires else "skipped")


@pytest.mark.parametrize(("first", "gain", "fires"), [
    (4, 0.01, True),
    (6, 0.01, False),  # the fall took more than a twentieth of the run
    (1, 0.06, True),
    (1, 0.08, False),  # the evaluations moved by more than 7 %
])  # fmt: skip
def test_limits_of_standing_level_from_the_first_steps(first, gain, fires):
    """A drop of 27 %, which is much where the loss went on falling and little where it did not."""
    values = np.where(np.arange(100) < first, 6.0, 4.4) * (1 + 0.002 * wiggle(100))
    level = np.linspace(5.0, 5.0 * (1 - gain), 10)
    assert bool(found(RULE, case(train(values), evals(level), profile="classification"))) is fires


@pytest.mark.parametrize(("noise", "fires"), [(0.09, False), (0.11, True)])
def test_a_loss_came_back_when_it_climbed_by_three_sigmas(noise, fires):
    values = np.concatenate([np.linspace(2.0, 1.5, 20), np.linspace(1.5, 1.95, 20)]) + noise * wiggle(40)
    assert bool(found(RULE, case(train(values), profile="generic"))) is fires


@pytest.mark.parametrize(("n", "noise", "fires"), [
    (7, 0.0, False),
    (8, 0.0, True),
    (12, 0.013, True),  # σ of an evaluation just below a hundredth of the loss …
    (12, 0.015, False),  # … and just above
])  # fmt: skip
def test_limits_of_evaluations_that_tell_beside_a_noisy_train_loss(n, noise, fires):
    loss = 0.2 * (1 + 0.2 * np.random.default_rng(3).standard_normal(25))
    judged = evals(0.22 * (1 + noise * wiggle(n)), 1200 // n)
    outcome = check_rule(RULE, case(train(loss, 50), judged, profile="classification")).result.outcome
    assert outcome == ("fired" if fires else "skipped")


@pytest.mark.parametrize(("gain", "fires"), [(0.045, True), (0.055, False)])
def test_five_points_of_accuracy_show_learning(gain, fires):
    accuracy = series("accuracy", every(39), np.linspace(0.8, 0.8 + gain, 39))
    losses = train(decay(39, 0.194, 0.179, noise=0.001))
    assert bool(found(RULE, case(losses, roles={Role.TRAIN_ACCURACY: accuracy}, profile="vision"))) is fires


@pytest.mark.parametrize(("first", "third", "end", "fires"), [
    (0.10, 0.24, 0.25, True),  # of all answers: what is right is the largest class, from the third epoch on
    (0.10, 0.22, 0.25, False),  # it goes on
    (0.40, 0.48, 0.49, True),
    (0.40, 0.50, 0.51, False),  # more than half are right
])  # fmt: skip
@pytest.mark.parametrize("whole", [1, 100])
def test_an_accuracy_that_rose_at_first_only_and_to_little_is_no_learning(first, third, end, fires, whole):
    right = np.interp(np.arange(30), [0, 4, 10, 20], [first, third, third, end])
    accuracy = series("accuracy", every(30), whole * right)
    losses = train(decay(30, 1.80, 1.74, noise=0.0005))
    run = case(losses, roles={Role.TRAIN_ACCURACY: accuracy}, profile="classification")
    assert bool(found(RULE, run)) is fires


def bent(late):
    """Falls by 10 of 530 in the first third, and by `late` of that in the last one."""
    return np.interp(np.arange(60), [0, 20, 40, 60], [530, 520, 515, 515 - 10 * late])


@pytest.mark.parametrize(("values", "fires"), [
    (62_500 + decay(8, 6_000, 10, noise=0, rate=8), False),
    (500 + decay(60, 24, 2, noise=0) + 1.25 * wiggle(60), True),  # a drop of 11 σ
    (500 + decay(60, 24, 2, noise=0) + 1.1 * wiggle(60), False),  # … and of 13 σ
    (bent(0.45), False),
    (bent(0.55), True),  # hardly a bend
])  # fmt: skip
def test_limits_of_a_bend_down_to_a_floor(values, fires):
    assert bool(found(RULE, case(None, evals(values), profile="generic"))) is fires


@pytest.mark.parametrize(("start", "profile", "late", "fires"), [
    (2.50, "classification", 0.0045, True),
    (2.50, "classification", 0.0055, False),  # more than half a per cent of the loss
    (2.04, "generic", 0.0018, True),
    (2.04, "generic", 0.0022, False),  # less of the loss, but more than a tenth of its drop
])  # fmt: skip
def test_limits_of_a_last_third_that_still_falls_in_a_young_run(start, profile, late, fires):
    values = np.interp(np.arange(28), [0, 19, 20, 26, 27], [start, *np.repeat([2.0 * (1 + late), 2.0], 2)])
    assert bool(found(RULE, case(train(values), profile=profile))) is fires


@pytest.mark.parametrize(("each", "fires"), [(0.0045, True), (0.0055, False)])
def test_limit_of_evaluations_that_still_fall_in_a_young_run(each, fires):
    judged = 2.0 * (1 + each * np.array([3, 3, 3, 3, 3, 3, 3, 2, 1, 0]))
    run = case(train(np.full(25, 2.0)), evals(judged, interval=25), profile="classification")
    assert bool(found(RULE, run)) is fires


@pytest.mark.parametrize(("n", "fires"), [(8, False), (7, True)])
def test_evaluations_too_few_to_show_a_bend_beside_a_train_loss_that_does(n, fires):
    losses = train(62_500 + decay(60, 6_000, 10, noise=0, rate=8))
    level = evals(62_500 + decay(n, 6_000, 10, noise=0, rate=8), 80)
    assert bool(found(RULE, case(losses, level, profile="generic"))) is fires


def test_the_halves_of_eight_points_show_a_bend():
    """Too few for thirds: the later half fell by a third of what the first did, which is less of the thirds."""
    values = np.array([24.0, 20, 17, 14, 13, 12, 11, 10])
    assert late_fall(Curve.of(evals(values))) == pytest.approx((1 / 3) ** (4 / 3))
    assert math.isnan(late_fall(Curve.of(evals(values[::-1]))))
    thirds = Curve.of(evals(decay(9, 24.0, 10.0, noise=0)))
    assert late_fall(thirds) == shape.lateness(thirds)


@pytest.mark.parametrize(("first", "drop", "fires"), [
    (0.72, 0.03, False),  # it knows the task: little is left to gain
    (0.68, 0.03, True),
    (72.0, 0.03, False),  # in per cent
    (0.72, 0.02, True),  # nothing at all was gained
])  # fmt: skip
def test_a_classifier_that_begins_able_has_little_to_gain(first, drop, fires):
    accuracy = {Role.EVAL_ACCURACY: series("eval/accuracy", every(12, 50), first + np.linspace(0, 0.01, 12) * first)}
    level = np.linspace(0.6, 0.6 * (1 - drop), 60)
    run = case(train(level), evals(level[4::5], 50), roles=accuracy, profile="classification")
    assert bool(found(RULE, run)) is fires


@pytest.mark.parametrize(("tag", "in_role"), [("eval/accuracy", True), ("accuracy/top1", False)])
@pytest.mark.parametrize(("first", "last", "drop", "fires"), [
    (0.45, 0.52, 0.15, True),  # seven points more
    (0.45, 0.54, 0.15, False),
    (0.20, 0.48, 0.15, True),
    (0.20, 0.52, 0.15, False),  # more than half
    (20.0, 52.0, 0.15, False),  # in per cent
    (0.20, 0.90, 0.02, True),  # the loss itself fell by hardly anything
])  # fmt: skip
def test_an_evaluated_accuracy_that_rises_to_more_than_half_shows_learning(first, last, drop, fires, tag, in_role):
    told = accuracy_that_rises(first, last, tag, in_role)
    losses = [decay(n, 2.0, 2.0 * (1 - drop), noise=0.001, rate=12) for n in (100, 10)]
    assert bool(found(RULE, case(train(losses[0]), evals(losses[1]), profile="classification", **told))) is fires


def test_a_metric_that_is_neither_accuracy_nor_overlap_shows_no_learning():
    losses = train(decay(100, 2.0, 1.7, noise=0.001, rate=12))
    measured = [(series("eval/recall", every(10, 100), np.linspace(0.2, 0.9, 10)), True)]
    assert found(RULE, case(losses, metrics=measured, profile="classification"))
