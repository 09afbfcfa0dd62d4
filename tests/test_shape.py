"""How a loss curve moves: rises and recoveries, endings, lateness, flatness, and that density does not change them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tb_evalguide import shape
from tb_evalguide.case import Curve

from .support.checks import cosine, decay, evals, rate, train
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
    usual = shape.start_level(curve(values))
    values[0] *= 1.1
    assert shape.start_level(curve(values)) == pytest.approx(usual, rel=0.03)
    assert shape.start_level(curve(decay(200, 9.0, 1.0, noise=0.01, rate=60))) == pytest.approx(9.0, rel=0.05)


# --- lateness, flatness, progress -----------------------------------------------------------------------------------


def test_lateness_of_lines_bends_and_levels():
    assert shape.lateness(curve(np.linspace(3, 1, 90))) == pytest.approx(1.0, abs=0.05)
    assert shape.lateness(curve(decay(90, 3, 1, noise=0, rate=6))) < 0.1
    assert shape.lateness(curve(np.concatenate([np.linspace(3, 1, 30), np.ones(60)]))) == pytest.approx(0, abs=0.02)
    assert math.isnan(shape.lateness(curve([3.0, 2.0, 1.0])))
    assert math.isnan(shape.lateness(curve(np.linspace(1, 3, 90))))


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


# --- the same at any density ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", [0.02, 0.2])
def test_noise_of_a_curve_does_not_depend_on_density_or_unit(noise):
    values = decay(4000, 3.0, 1.0, noise=noise)
    dense = shape.log_noise(curve(values))
    assert dense == pytest.approx(noise, rel=0.1)
    assert shape.log_noise(curve(values[::10], 100)) == pytest.approx(dense, rel=0.25)
    assert shape.log_noise(curve(1000 * values)) == pytest.approx(dense)


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
