"""A training prepared for the rules: clean curves, levels at evaluations, noise, epochs, plans."""

import dataclasses
import math

import numpy as np
import pytest

from tb_evalguide.case import Curve
from tb_evalguide.model import Role, TrainerState

from .support.checks import decay, evals, every, train
from .support.phases import C1, case, series, table

# --- curves ---------------------------------------------------------------------------------------------------------


def test_a_curve_holds_finite_points_only():
    curve = Curve.of(train([1.0, np.nan, 2.0, np.inf, 3.0]))
    assert curve.steps.tolist() == [10, 30, 50] and curve.values.tolist() == [1.0, 2.0, 3.0]
    assert len(curve.wall_times) == 3


def test_a_role_without_a_finite_point_is_no_curve():
    nothing = case(train([np.nan, np.nan]), evals([2.0, 1.0]))
    assert nothing.train is None and nothing.loss is nothing.evals
    assert nothing.lr is None and nothing.grad is None and nothing.curve(Role.REWARD) is None


def test_the_same_curve_is_made_once():
    one = case(train(decay(20)))
    assert one.train is one.train is one.curve(Role.TRAIN_LOSS)


def test_between_head_and_tail():
    curve = Curve.of(train(np.arange(100.0)))
    assert curve.between(300, 500).values.tolist() == list(np.arange(29.0, 50.0))
    assert len(curve.between(2000, 3000)) == 0
    assert curve.head(0.1) == 4.5 and curve.tail(0.1) == 94.5
    assert curve.tail(0.001, 3) == 98.0


@pytest.mark.parametrize("noise", [0.01, 0.2])
def test_noise_is_that_of_a_point_about_its_level(noise):
    flat = 2 + noise * np.random.default_rng(0).standard_normal(2000)
    assert Curve.of(train(flat)).noise == pytest.approx(noise, rel=0.1)
    assert Curve.of(train(flat + np.linspace(5, 0, 2000))).noise == pytest.approx(noise, rel=0.1)
    assert Curve.of(train([1.0, 2.0])).noise == 0.0


def test_level_follows_the_median():
    values = decay(400, 3.0, 1.0, noise=0.0)
    spiked = values.copy()
    spiked[200] = 1e6
    assert np.abs(Curve.of(train(spiked)).level[100:] / values[100:] - 1).max() < 0.05
    few = Curve.of(train([3.0, 2.0, 1.0]))
    assert few.level.tolist() == [3.0, 2.0, 1.0]


def test_coarse_has_forty_windows_at_most():
    steps, medians = Curve.of(train(decay(4000))).coarse
    assert len(steps) == len(medians) == 40
    assert len(Curve.of(train(decay(30))).coarse[0]) == 10


# --- train and eval side by side ------------------------------------------------------------------------------------


def test_train_at_the_guide_s_evaluations_is_the_table():
    one = case(*table(C1))
    assert one.gaps == pytest.approx([e - t for _, t, e in C1])


def slow_train_at(curve, steps):
    spacing = float(np.median(np.diff(curve.steps)))
    half = min(float(np.median(np.diff(steps))) / 2, 10 * spacing)
    return [
        np.median([v for s, v in zip(curve.steps, curve.values) if step - half <= s <= step + half]) for step in steps
    ]


def test_train_at_a_dense_log_is_the_level_around_the_evaluation():
    one = case(train(decay(200, noise=0.1)), evals(decay(20)))
    assert one.train_at(one.evals.steps) == pytest.approx(slow_train_at(one.train, one.evals.steps))


def test_train_at_ignores_an_odd_batch():
    values = decay(200, noise=0.0)
    clean = case(train(values), evals(decay(20))).gaps
    values[99] = 1e4
    assert case(train(values), evals(decay(20))).gaps == pytest.approx(clean, abs=0.02)


def test_train_at_is_unknown_far_from_any_train_point():
    one = case(train(decay(5)), evals(decay(20)))
    assert np.isfinite(one.gaps[:2]).all() and np.isnan(one.gaps[4:]).all()
    assert np.isnan(case(None, evals(decay(5))).gaps).all()
    assert len(case(train(decay(5))).gaps) == 0


def test_gaps_move_with_both_losses():
    t, e = decay(200, noise=0.05), decay(20, noise=0.01)
    one, two = case(train(t), evals(e)), case(train(t + 5), evals(e + 5))
    assert two.gaps == pytest.approx(one.gaps)


# --- evaluations ----------------------------------------------------------------------------------------------------


def test_the_best_evaluation_is_raw_when_few_and_steadied_when_many():
    few = case(None, evals([3.0, 1.0, 2.0, 2.0]))
    assert few.best_eval == 1
    values = np.concatenate([np.linspace(3, 1, 10), np.full(10, 1.0)])
    values[4] = 0.95  # a lucky evaluation on the way down
    assert case(None, evals(values)).best_eval >= 9
    assert case(train(decay(9))).best_eval == 0


def test_eval_noise_is_that_of_the_later_half():
    values = np.concatenate([3 * 0.5 ** np.arange(10), 0.01 + 0.0001 * np.random.default_rng(0).standard_normal(10)])
    assert case(None, evals(values)).eval_noise < 0.001
    assert case(train(decay(5))).eval_noise == 0.0


# --- arguments, epochs, plans ---------------------------------------------------------------------------------------


def test_arguments_as_numbers():
    one = case(train(decay(9)), arguments={"lr": "2e-5", "epochs": 3, "fp16": True, "name": "x", "bad": float("inf")})
    assert one.number("learning_rate", "lr") == 2e-5 and one.argument("nothing", "epochs") == 3
    assert [one.number(name) for name in ("fp16", "name", "bad", "absent")] == [None] * 4


def test_steps_per_epoch_from_each_source():
    t = train(decay(100))
    epoch = series("train/epoch", every(100), np.arange(1, 101) / 25)
    assert case(t, epoch=epoch).steps_per_epoch == pytest.approx(250)
    assert case(t, trainer_state=TrainerState("x", epoch=4.0, global_step=1000)).steps_per_epoch == 250
    assert case(t, arguments={"max_steps": 1000, "max_epochs": 4}).steps_per_epoch == 250
    assert case(t, arguments={"total_steps": 1000, "num_train_epochs": 4}).steps_per_epoch == 250
    assert case(t, arguments={"max_steps": 1000, "num_train_epochs": 3.0}).steps_per_epoch is None, "HF ignores epochs"
    assert case(t).steps_per_epoch is None


def test_warm_up_by_the_arguments():
    def steps(**arguments):
        return case(train(decay(9)), arguments=arguments).warmup_steps

    assert steps(warmup_steps=200) == 200 and steps(warmup_steps=0, warmup_ratio=0.1, max_steps=1000) == 100
    assert steps(warmup_ratio=0.1) is None and steps(warmup_ratio=7, max_steps=1000) is None and steps() is None


def test_epochs_at():
    epoch = series("train/epoch", every(100), np.arange(1, 101) / 25)
    assert case(train(decay(100)), epoch=epoch).epochs_at(505) == pytest.approx(2.02)
    assert case(train(decay(100))).epochs_at(500) is None
    keras = case(series("loss", range(20), decay(20)), series("val_loss", range(20), decay(20)))
    assert keras.steps_are_epochs and keras.epochs_at(7) == 7.0
    assert not case(train(decay(20))).steps_are_epochs
    counted = case(series("loss", range(20), decay(20)), epoch=series("epoch", range(20), np.arange(20.0)))
    assert counted.steps_are_epochs, "the log counts epochs as it counts steps"
    halves = case(series("loss", range(20), decay(20)), epoch=series("epoch", range(20), np.arange(20) / 2))
    assert not halves.steps_are_epochs
    resumed = case(series("loss", range(1000, 1020), decay(20)))
    assert resumed.steps_are_epochs, "it goes on counting where it had stopped"
    late = range(10_000, 10_040)
    assert not case(series("loss", late, decay(40))).steps_are_epochs, "single optimizer steps of a resumed run"
    assert case(series("loss", late, decay(40)), series("val_loss", late, decay(40))).steps_are_epochs


def test_planned_steps():
    t = train(decay(100))
    assert case(t, arguments={"max_steps": 2000}).planned_steps == 2000
    assert case(t, arguments={"max_steps": -1}).planned_steps is None
    state = TrainerState("x", epoch=1.0, global_step=1000, max_steps=3000)
    assert case(t, trainer_state=state, arguments={"max_steps": 5}).planned_steps == 3000
    epoch = series("train/epoch", every(100), np.arange(1, 101) / 25)
    assert case(t, epoch=epoch, arguments={"num_train_epochs": 8}).planned_steps == pytest.approx(2000, abs=1)


def test_first_and_last_step():
    one = case(train(decay(10)), evals(decay(3)), extra=[series("other", [5000], [1.0])])
    assert (one.first_step, one.last_step) == (10, 5000)
    assert (case(None).first_step, case(None).last_step) == (0, 0)


@pytest.mark.parametrize(
    ("profile", "nats", "guide"), [("guide", True, True), ("pretrain", True, False), ("vision", False, False)]
)
def test_what_the_profile_means(profile, nats, guide):
    one = case(train(decay(9)), profile=profile)
    assert (one.is_nats, one.is_guide) == (nats, guide)


def test_series_given_to_a_case_are_not_changed():
    t = train(decay(50))
    frozen = dataclasses.replace(t, values=t.values.copy())
    frozen.values.flags.writeable = False
    one = case(frozen, evals(decay(5)))
    assert math.isfinite(one.train_noise) and len(one.gaps) == 5 and one.best_eval == 4


@pytest.mark.parametrize(
    ("loss", "expected"), [(1.0, math.e), (19.9, math.exp(19.9)), (20.1, None), (math.nan, None), (None, None)]
)
def test_perplexity_is_said_only_where_it_means_something(loss, expected):
    assert case(None, profile="llm-sft").perplexity(loss) == expected
    assert case(None, profile="generic").perplexity(loss) is None


def test_a_thinned_log_of_keras_still_counts_epochs():
    """`epoch_loss` is written once an epoch; single steps have other names."""
    thinned = range(0, 100, 10)
    assert case(series("epoch_loss", thinned, decay(10))).steps_are_epochs
    assert not case(series("loss", thinned, decay(10))).steps_are_epochs
    assert not case(series("epoch_loss", range(500, 5000, 500), decay(9))).steps_are_epochs, "global steps"
    assert not case(series("epoch_loss", range(0, 7500, 391), decay(20))).steps_are_epochs, "global steps from 0 on"
