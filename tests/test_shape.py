"""How a loss curve moves: rises and recoveries, endings, lateness, flatness, and that density does not change them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tb_evalguide import shape
from tb_evalguide.case import Curve
from tb_evalguide.model import Role

from .support.checks import cosine, decay, evals, every, rate, train
from .support.phases import case, series


def curve(values, interval=10):
    return Curve.of(train(values, interval))


# --- rises ----------------------------------------------------------------------------------------------------------


def test_one_climb_that_comes_back():
    (rise,) = shape.rises(np.array([3.0, 2.0, 1.0, 1.5, 2.0, 1.6, 1.1, 1.0]), 0.25)
    assert (rise.low, rise.peak, rise.low_value, rise.peak_value) == (2, 4, 1.0, 2.0)
    assert rise.factor == pytest.approx(2.0)
    assert rise.end == 6, "two thirds of the climb given back, on the scale of logarithms"


def test_one_that_never_comes_back():
    (rise,) = shape.rises(np.array([3.0, 1.0, 1.2, 1.5, 2.5]), 0.25)
    assert rise.end is None and rise.peak == 4


@pytest.mark.parametrize(("top", "count"), [(1.24, 0), (1.26, 1)])
def test_the_threshold_is_relative(top, count):
    for unit in (0.001, 1.0, 1000.0):
        assert len(shape.rises(unit * np.array([2.0, 1.0, top, 1.0]), 0.25)) == count


def test_small_climbs_add_up_from_the_lowest_point():
    assert len(shape.rises(np.array([1.0, 1.1, 1.05, 1.2, 1.15, 1.3]), 0.25)) == 1


def test_several_swings():
    values = 2 + np.cos(np.linspace(0, 8 * np.pi, 81))
    found = shape.rises(values, 0.5)
    assert len(found) == 4 and all(r.low < r.peak for r in found)
    assert [r.end is not None for r in found] == [True, True, True, False]


def test_levels_that_cross_zero_are_measured_by_their_range():
    values = np.array([1.0, -1.0, 0.0, -1.0])
    assert len(shape.rises(values, 0.25)) == 1 and len(shape.rises(values, 0.6)) == 0
    assert shape.rises(np.zeros(9), 0.1) == []


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 2.0]])
def test_too_few_for_a_rise(values):
    assert shape.rises(np.array(values), 0.1) == []


@given(st.lists(st.floats(0.01, 100.0), min_size=3, max_size=80), st.floats(0.05, 1.0))
@settings(max_examples=200, deadline=None)
def test_rises_are_what_they_say(values, threshold):
    y = np.array(values)
    found = shape.rises(y, threshold)
    at = 0
    for rise in found:
        assert at <= rise.low < rise.peak
        assert y[rise.peak] == rise.peak_value >= (1 + threshold) * rise.low_value * (1 - 1e-9)
        assert y[rise.low] == rise.low_value
        if rise.end is None:
            assert rise is found[-1]
        else:
            assert rise.peak < rise.end
            at = rise.end
    assert found or y[-1] < (1 + threshold) * y.min() * (1 + 1e-9)


def slow_rises_exist(y, threshold):
    """Any later value that exceeds an earlier one by the threshold."""
    return any(y[j] >= (1 + threshold) * y[i] * (1 + 1e-9) for i in range(len(y)) for j in range(i + 1, len(y)))


@given(st.lists(st.floats(0.01, 100.0), min_size=3, max_size=40), st.floats(0.05, 1.0))
@settings(max_examples=200, deadline=None)
def test_a_rise_is_found_where_the_slow_twin_sees_one(values, threshold):
    y = np.array(values)
    if slow_rises_exist(y, threshold):
        assert shape.rises(y, threshold)


# --- ending ---------------------------------------------------------------------------------------------------------


def test_ending_of_a_u():
    values = np.concatenate([np.linspace(4, 1, 100), np.linspace(1, 2, 100)])
    end = shape.ending(curve(values))
    assert end.start == pytest.approx(4.0, abs=0.1)
    assert end.low == pytest.approx(1.0, abs=0.05) and end.end == pytest.approx(1.9, abs=0.1)
    assert end.rise == pytest.approx(0.9, abs=0.1) and end.share == pytest.approx(0.3, abs=0.05)
    assert 900 <= end.low_step <= 1100
    assert end.progress == pytest.approx(1 - 1.95 / 4, abs=0.05)


def test_ending_of_a_fall_has_no_rise():
    end = shape.ending(curve(decay(200, 3.0, 1.0)))
    assert end.rise <= 0.02 and end.share <= 0.02


def test_significance_tells_a_rise_from_noise():
    rng = np.random.default_rng(0)
    flat = 2 + 0.1 * rng.standard_normal(400)
    climb = flat + 0.5 * (np.arange(400) > 300)
    assert shape.ending(curve(flat)).significance < 5 < shape.ending(curve(climb)).significance


def test_ending_scales_with_the_loss():
    values = np.concatenate([decay(100), np.linspace(1, 2, 50)])
    one, many = shape.ending(curve(values)), shape.ending(curve(1000 * values))
    assert (many.rise, many.share) == (pytest.approx(one.rise), pytest.approx(one.share))
    assert many.significance == pytest.approx(one.significance)


def test_nothing_gained():
    end = shape.ending(curve(np.linspace(1, 3, 50)))
    assert end.share == math.inf or end.share > 5


def test_the_start_is_no_single_odd_batch():
    values = decay(200, 3.0, 1.0, noise=0.05, rate=1.0)
    usual = curve(values).start
    values[0] *= 1.1
    assert curve(values).start == pytest.approx(usual, rel=0.03)
    assert curve(decay(200, 9.0, 1.0, noise=0.01, rate=60)).start == pytest.approx(9.0, rel=0.05)


# --- lateness, flatness, progress -----------------------------------------------------------------------------------


def test_lateness_of_lines_bends_and_levels():
    assert shape.lateness(curve(np.linspace(3, 1, 90))) == pytest.approx(1.0, abs=0.05)
    assert shape.lateness(curve(decay(90, 3, 1, noise=0, rate=6))) < 0.1
    assert shape.lateness(curve(np.concatenate([np.linspace(3, 1, 30), np.ones(60)]))) == pytest.approx(0, abs=0.02)
    assert math.isnan(shape.lateness(curve([3.0, 2.0, 1.0])))
    assert math.isnan(shape.lateness(curve(np.linspace(1, 3, 90))))


def test_the_thirds_of_nine_points_and_the_halves_of_eight():
    """The thirds fall by 10 and then by 4, the halves by 10.5 and then by 3.5, on the scale of thirds."""
    assert shape.late_fall(curve([24, 20, 17, 14, 13, 12, 11, 10])) == pytest.approx((1 / 3) ** (4 / 3))
    nine = curve([30, 25, 20, 18, 16, 15, 13, 11, 9])
    assert shape.late_fall(nine) == shape.lateness(nine) == pytest.approx(0.4)


@pytest.mark.parametrize("n", [4, 5, 6, 7, 8, 9, 12])
def test_a_line_falls_as_fast_at_last_as_at_first_and_an_exponential_by_its_rate(n):
    assert shape.late_fall(curve(np.linspace(3, 1, n))) == pytest.approx(1.0)
    bend = shape.late_fall(curve(np.exp(-np.linspace(0, 2, n))))
    assert bend == pytest.approx(np.exp(-4 / 3), rel=0.2)


def test_a_curve_that_climbs_in_its_later_half_falls_there_by_less_than_nothing():
    assert shape.late_fall(curve([9, 8, 7, 6, 6, 6.5, 7, 7.5])) < 0


@pytest.mark.parametrize("values", [[10, 11, 12, 13, 12, 11, 10, 9], [10, 10, 10, 10, 10, 9, 8, 7, 6][:8]])
def test_the_later_fall_of_a_curve_that_did_not_fall_at_first_is_unknown(values):
    assert math.isnan(shape.late_fall(curve(values)))


def test_flat_since():
    values = np.concatenate([np.linspace(3, 1, 50), np.ones(150)])
    assert shape.flat_since(curve(values), 0.02) == pytest.approx(0.75, abs=0.05)
    assert shape.flat_since(curve(np.ones(50)), 0.02) == 1.0
    assert shape.flat_since(curve(np.linspace(9, 1, 100)), 0.02) < 0.2


def test_progress_takes_the_better_of_both_losses():
    t, e = np.linspace(2.0, 1.5, 100), np.linspace(2.0, 1.0, 10)
    assert shape.progress(case(train(t), evals(e))) == pytest.approx(0.5, abs=0.05)
    assert shape.progress(case(train(t))) == pytest.approx(0.25, abs=0.03)
    assert math.isnan(shape.progress(case(None)))
    assert math.isnan(shape.progress(case(train(-t))))


def test_a_harder_eval_set_is_no_progress_of_the_train_loss():
    """From the first evaluation down to the last train loss would be 20 %, and either loss fell by 1 %."""
    t, e = np.linspace(1.0, 0.99, 100), np.linspace(1.25, 1.2375, 100)
    assert shape.progress(case(train(t), evals(e, 10))) == pytest.approx(0.01, abs=0.002)
    assert shape.progress(case(train(t), evals(e * np.linspace(1, 0.8, 100), 10))) == pytest.approx(0.2, abs=0.02)


def test_an_evaluation_before_the_first_step_saw_the_whole_fall():
    before = series("eval/loss", [0, 100, 200], [4.0, 2.6, 2.1])
    of, start, end = shape.progress_told(case(train(np.linspace(3.0, 2.0, 20)), before))
    assert (of.tag, start, end) == ("eval/loss", 4.0, 2.1)


def test_an_easier_eval_set_is_no_progress_of_the_train_loss():
    """Evaluated from the first step on, neither loss fell by more than 2 %."""
    t, e = np.linspace(2.5, 2.45, 60), np.linspace(1.9, 1.87, 60)
    assert shape.progress(case(train(t), evals(e, 10))) == pytest.approx(0.02, abs=0.001)


def test_evaluations_that_began_later_fell_from_where_the_train_loss_began():
    """Dropout keeps the train loss above them."""
    t, e = np.linspace(2.0, 1.6, 60), np.linspace(1.4, 1.2, 6)
    of, start, end = shape.progress_told(case(train(t), evals(e)))
    assert of.tag == "eval/loss" and start == pytest.approx(2.0, abs=0.02) and end == 1.2


def test_unfinished():
    t = decay(100)
    assert not shape.unfinished(case(train(t)))
    assert shape.unfinished(case(train(t), arguments={"max_steps": 1700}))
    assert not shape.unfinished(case(train(t), arguments={"max_steps": 1600}))
    assert shape.unfinished(case(train(t), lr=rate(cosine(200, warmup=10)[:80])))
    assert not shape.unfinished(case(train(t), lr=rate(cosine(100, warmup=10))))
    assert not shape.unfinished(case(train(t), lr=rate(np.full(100, 1e-3))))


def test_in_warmup():
    assert shape.in_warmup(case(train(decay(9)), lr=rate(np.linspace(1e-6, 1e-4, 9))))
    assert not shape.in_warmup(case(train(decay(9)), lr=rate(cosine(9, warmup=4))))
    assert not shape.in_warmup(case(train(decay(9)), lr=rate(np.linspace(9e-5, 1e-4, 9))))
    assert not shape.in_warmup(case(train(decay(9))))


# --- what a classifier gets right -----------------------------------------------------------------------------------


def answers(values, tag="eval/accuracy"):
    return series(tag, every(len(values), 100), values)


def classifier(values, profile="classification", loss=0.1):
    return case(evals(np.full(len(values), loss)), roles={Role.EVAL_ACCURACY: answers(values)}, profile=profile)


def test_the_evaluated_accuracy_is_the_one_in_the_role_or_else_a_metric_of_that_name():
    scores, first, second = answers([0.1, 0.2], "eval/f1"), answers([0.3, 0.4], "Acc@1"), answers([0.5, 0.6], "top_acc")
    measured = [(scores, True), (first, True), (second, True)]
    role = {Role.EVAL_ACCURACY: answers([0.7, 0.8])}
    of = {"profile": "classification"}
    assert shape.eval_accuracy(case(metrics=measured, roles=role, **of)).tag == "eval/accuracy"
    assert shape.eval_accuracy(case(metrics=measured, **of)).tag == "Acc@1"
    assert shape.eval_accuracy(case(metrics=[(scores, True)], **of)) is None
    assert shape.eval_accuracy(case(roles={Role.TRAIN_ACCURACY: answers([0.7, 0.8], "train/accuracy")}, **of)) is None


@pytest.mark.parametrize(("tag", "greater", "found"), [
    ("val_acc", True, True),
    ("accuracy/top1", True, True),
    ("eval/accuracy_error", False, False),
    ("val/accel_rmse", True, False),
    ("metrics/accuracy_top5", True, False),  # one right among five
    ("metrics/accuracy_top10", True, False),
])  # fmt: skip
def test_which_metrics_are_an_accuracy(tag, greater, found):
    run = case(metrics=[(answers([0.1, 0.9, 0.9], tag), greater)], profile="classification")
    assert (shape.eval_accuracy(run) is not None) is found


def test_a_metric_without_points_does_not_hide_the_next():
    empty, full = answers([math.nan] * 3, "val_acc"), answers([0.1, 0.9, 0.9], "test_acc")
    run = case(metrics=[(empty, True), (full, True)], profile="classification")
    assert shape.eval_accuracy(run).tag == "test_acc"


@pytest.mark.parametrize(("values", "expected"), [
    ([0.8, 0.955, 0.955, 0.955], None),
    ([0.8, 0.965, 0.965, 0.965], 0.965),
    ([80, 95.5, 95.5, 95.5], None),  # in per cent
    ([80, 96.5, 96.5, 96.5], 0.965),
    ([0.8, 0.985, 0.971, 0.972, 0.973], None),  # 1.3 points below its best
    ([0.8, 0.985, 0.976, 0.977, 0.978], 0.977),  # 0.8 points
    ([0.8, 0.98, 0.5, 0.97], 0.97),  # one bad evaluation of the last three
    ([0.8, 0.98, 0.5, 0.5], None),
    ([0.97, 0.97, 0.97, 0.97], None),  # guessing one class never moves
    ([97, 97, 97, 97], None),
    ([1.0, 1.0, 1.0, 1.0], 1.0),  # unless all answers are right
    ([100, 100, 100, 100], 1.0),
    ([0.97, 0.98], None),  # two evaluations tell nothing
    ([0.97, 0.98, 0.98], 0.98),
])  # fmt: skip
def test_a_task_is_solved_where_nearly_all_answers_are_right_as_many_as_ever(values, expected):
    found = shape.solved(classifier(values), 0.96, 0.01)
    assert (found and found[0]) == (None if expected is None else pytest.approx(expected))
    assert found is None or found[1] == max(values) / (100 if max(values) > 1 else 1)


@pytest.mark.parametrize(("near", "solved"), [(0.011, False), (0.013, True)])
def test_how_far_below_its_best_a_task_is_still_solved(near, solved):
    assert (shape.solved(classifier([0.9, 0.985, 0.973, 0.973, 0.973]), 0.96, near) is not None) is solved


@pytest.mark.parametrize(("loss", "solved"), [(0.68, True), (0.70, False)])
def test_a_loss_of_guesses_is_none_of_a_solved_task(loss, solved):
    """1 % of a hundred classes in each evaluation reads as a share of 1."""
    run = case(None, evals(np.full(4, loss)), roles={Role.EVAL_ACCURACY: answers([1.0] * 4)}, profile="classification")
    assert (shape.solved(run, 0.96, 0.01) is not None) is solved


def test_a_share_a_hair_above_one_is_a_share():
    assert shape.solved(classifier([0.9, 0.99, 1.0000001, 0.995, 0.995]), 0.96, 0.01)[0] == 0.995


@pytest.mark.parametrize("profile", ["generic", "vision", "pretrain", "llm-sft", "guide"])
def test_only_a_classifier_solves_its_task(profile):
    """The accuracy of a language model's tokens is another thing."""
    assert shape.solved(classifier([0.9, 0.98, 0.98], profile), 0.96, 0.01) is None


def test_nothing_is_solved_or_got_right_without_an_accuracy():
    run = case(evals(np.full(4, 0.1)), profile="classification")
    assert shape.solved(run, 0.96, 0.01) is None and not shape.gets_right(run, 0.1, 0.5)


def test_a_metric_of_that_name_tells_of_a_solved_task():
    run = case(metrics=[(answers([0.8, 0.98, 0.98], "val_acc"), True)], profile="classification")
    assert shape.solved(run, 0.96, 0.01) == pytest.approx((0.98, 0.98))


@pytest.mark.parametrize("whole", [1, 100])
@pytest.mark.parametrize(("values", "expected"), [
    ([0.45, 0.54, 0.54, 0.54], False),  # nine points more
    ([0.45, 0.56, 0.56, 0.56], True),
    ([0.20, 0.49, 0.49, 0.49], False),
    ([0.20, 0.51, 0.51, 0.51], True),
    ([0.20, 0.70, 0.40, 0.40], False),  # not at its best: by the last three
    ([0.20, 0.70, 0.70, 0.40], True),
    ([0.20, 0.90], False),  # two evaluations tell nothing
    ([0.20, 0.90, 0.90], True),
])  # fmt: skip
def test_more_answers_are_right_than_at_first_and_more_than_half(values, expected, whole):
    assert shape.gets_right(classifier(whole * np.array(values)), 0.1, 0.5) is expected


def test_an_odd_first_evaluation_is_not_where_the_accuracy_began():
    """The others stand at 60 %, and scatter by five points each."""
    values = 0.6 + 0.05 * np.random.default_rng(0).standard_normal(40)
    values[-3:], values[0] = 0.62, 0.48
    assert not shape.gets_right(classifier(values), 0.1, 0.5)


@pytest.mark.parametrize("profile", ["generic", "vision", "classification"])
@pytest.mark.parametrize(("tag", "right"), [
    ("val_iou", True), ("val/dice", True), ("eval/f1", True), ("miou", True), ("jaccard", True),
    ("val_precision", False), ("recall", False), ("auc", False), ("mAP50", False),
])  # fmt: skip
def test_an_overlap_tells_that_a_task_is_learned_as_well(tag, right, profile):
    run = case(metrics=[(answers([0.2, 0.6, 0.6, 0.6], tag), True)], profile=profile)
    assert shape.gets_right(run, 0.1, 0.5) is right


# --- the same at any density ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", [0.02, 0.2])
def test_noise_of_a_curve_does_not_depend_on_density_or_unit(noise):
    values = decay(4000, 3.0, 1.0, noise=noise)
    dense = curve(values).log_noise
    assert dense == pytest.approx(noise, rel=0.1)
    assert curve(values[::10], 100).log_noise == pytest.approx(dense, rel=0.25)
    assert curve(1000 * values).log_noise == pytest.approx(dense)


@pytest.mark.parametrize("step", [1, 2, 10])
def test_level_rises_at_any_density(step):
    level = decay(4000, 3.0, 1.0, noise=0, rate=8)
    level[2000:2800] *= 2.0
    values = level * (1 + 0.05 * np.random.default_rng(0).standard_normal(4000))
    found = shape.level_rises(curve(values[::step]), 0.25)
    assert len(found) == 1 and found[0].end is not None
    assert found[0].factor == pytest.approx(2.0, rel=0.15)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("noise", [0.1, 0.2])
def test_batch_noise_makes_no_rises(seed, noise):
    assert not shape.level_rises(curve(decay(600, noise=noise, seed=seed)), 0.25)


def test_eval_rises_are_read_from_single_evaluations():
    values = decay(20, 2.0, 1.0, noise=0.0, rate=8)
    values[12] *= 1.5
    assert [r.peak for r in shape.eval_rises(curve(values), 0.25)] == [12]
