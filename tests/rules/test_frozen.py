"""LRN002: the loss does not change any more, to the last digit."""

import numpy as np
import pytest

from tb_evalguide import remedies
from tb_evalguide.config import Config
from tb_evalguide.diagnosis import diagnose_training
from tb_evalguide.model import Run, Severity, Training
from tb_evalguide.remedies import advise
from tb_evalguide.rules.frozen import RULE

from ..support.checks import cosine, decay, evals, found, label, rate, severity, skipped, train
from ..support.phases import case


def stuck(level=3.2037645, n=14, spread=0.0, falling=0):
    values = level * (1 + spread * np.linspace(-0.5, 0.5, n))
    values[:falling] += np.linspace(1, 0.1, falling)
    return values


def test_fires_on_the_same_evaluation_again_and_again():
    (evidence,) = found(RULE, case(train(decay(140, 4.7, 3.1, noise=0.05)), evals(stuck())))
    assert evidence.steps == (100, 1400) and evidence.numbers["count"] == 14


@pytest.mark.parametrize(("spread", "fires"), [(0.8e-4, True), (2.5e-4, False)])
def test_limit_of_the_spread(spread, fires):
    assert bool(found(RULE, case(train(decay(140)), evals(stuck(spread=spread))))) is fires


@pytest.mark.parametrize(("points", "expected"), [(9, Severity.MEDIUM), (10, Severity.HIGH)])
def test_a_few_points_are_a_warning(points, expected):
    (evidence,) = found(RULE, case(train(decay(140)), evals(stuck(n=points))))
    assert severity(RULE, evidence) is expected


@pytest.mark.parametrize(("falling", "fires"), [(6, True), (8, False)])
def test_limit_of_the_share_of_the_run(falling, fires):
    assert bool(found(RULE, case(train(decay(140)), evals(stuck(falling=falling))))) is fires


def test_losses_rounded_in_the_log_are_none():
    assert not found(RULE, case(train(decay(140)), evals(np.full(14, 0.693))))


@pytest.mark.parametrize(("level", "rounded_to", "fires"), [
    (0.0170, 4, False),  # half a per cent of it may change unseen
    (0.0170123, 7, True),
    (5.1234, 4, True),  # a fiftieth of a thousandth
    (0.1234, 4, False),
])  # fmt: skip
def test_a_log_that_was_rounded_after_a_fall_has_converged(level, rounded_to, fires):
    values = np.concatenate([np.linspace(20 * level, 2 * level, 20), np.full(40, level)])
    assert bool(found(RULE, case(None, evals(np.round(values, rounded_to))))) is fires


def test_one_that_never_moved_has_not():
    assert found(RULE, case(None, evals(np.full(40, 0.017))))


@pytest.mark.parametrize(("interval", "broken"), [(2, False), (3, True), (10, True), (38, True), (45, False)])
def test_a_train_loss_that_counts_other_steps_tells_nothing(interval, broken):
    """140 points of it beside evaluations to step 1,400."""
    (evidence,) = found(RULE, case(train(fallen(0.3), interval), evals(stuck())))
    assert (evidence.variant == "evals_only") is broken


def test_zeros_beside_a_train_loss_that_falls_are_a_broken_evaluation():
    (evidence,) = found(RULE, case(train(decay(200)), evals(np.zeros(20))))
    assert evidence.variant == "evals_only" and evidence.label == "data_integrity"
    assert not found(RULE, case(train(np.full(200, 2.0)), evals(np.zeros(20))))


def test_evaluations_that_settle_are_none():
    assert not found(RULE, case(train(decay(140)), evals(decay(14, 3.0, 1.0, noise=0, rate=8))))


def test_a_run_inside_its_warm_up_is_none():
    up = rate(np.linspace(1e-8, 1e-6, 140))
    assert not found(RULE, case(train(decay(140)), evals(stuck()), lr=up))
    assert found(RULE, case(train(decay(140)), evals(stuck()), lr=rate(cosine(140))))


def test_a_few_steps_prove_nothing():
    assert not found(RULE, case(train(decay(14), 1), evals(stuck(n=7), 2)))


def test_skipped_below_six_points():
    assert "6" in skipped(RULE, case(train(decay(5)), evals(stuck(n=5))))
    assert found(RULE, case(train(stuck(n=6), 20)))


@pytest.mark.parametrize(("points", "fires"), [(19, False), (20, True)])
def test_a_constant_round_number_is_believed_after_many_points(points, fires):
    assert bool(found(RULE, case(train([2.5] * points, interval=50)))) is fires


def test_zeros_throughout_are_some_other_term():
    assert not found(RULE, case(train(np.zeros(60))))


@pytest.mark.parametrize(("spread", "fires"), [(0.9e-4, True), (1.1e-4, False)])
def test_values_that_go_to_and_fro(spread, fires):
    values = stuck() * (1 + 0.5 * spread * (-1.0) ** np.arange(14))
    assert bool(found(RULE, case(train(decay(140)), evals(values)))) is fires


@pytest.mark.parametrize(("interval", "fires"), [(2, False), (3, True)])
def test_twenty_steps_prove_something(interval, fires):
    """Nine evaluations, 16 or 24 steps from the first to the last."""
    assert bool(found(RULE, case(None, evals(stuck(n=9), interval)))) is fires


def fallen(share, n=140, late=True, noise=0.0):
    """A train loss that falls by `share` of itself after the evaluations have frozen at half-way, or before it."""
    x = np.linspace(0, 1, n)
    level = np.interp(x, [0, 0.5, 1] if late else [0, 0.4, 1], [2.0, 2.0, 2 - 2 * share] if late else [2.6, 2.0, 2.0])
    return level + noise * np.random.default_rng(0).standard_normal(n)


@pytest.mark.parametrize(("share", "broken"), [(0.0, False), (0.045, False), (0.06, True), (-0.3, False)])
def test_where_the_train_loss_fell_on_it_is_the_evaluation_that_is_broken(share, broken):
    (evidence,) = found(RULE, case(train(fallen(share)), evals(stuck(falling=6))))
    expected = ("evals_only", "data_integrity") if broken else ("", "plateau")
    assert (evidence.variant, label(RULE, evidence)) == expected
    assert evidence.remedies == ((remedies.CHECK_EVALUATION,) if broken else None)
    assert evidence.steps == (700, 1400) and evidence.numbers["count"] == 8


def test_then_both_train_levels_are_told():
    (evidence,) = found(RULE, case(train(fallen(0.5)), evals(stuck(falling=6))))
    assert evidence.numbers["then"] == pytest.approx(2.0, rel=0.03)
    assert evidence.numbers["now"] == pytest.approx(1.1, rel=0.03)


def test_what_it_fell_before_is_not_since():
    (evidence,) = found(RULE, case(train(fallen(0.0, late=False)), evals(stuck(falling=6))))
    assert evidence.variant == ""


@pytest.mark.parametrize(("noise", "broken"), [(0.13, True), (0.26, False)])
def test_it_must_have_fallen_by_more_than_one_of_its_points_scatters(noise, broken):
    """By 0.22, from 2 on."""
    (evidence,) = found(RULE, case(train(fallen(0.12, 1400, noise=noise), 1), evals(stuck(falling=6))))
    assert (evidence.variant == "evals_only") is broken


@pytest.mark.parametrize(("points", "broken"), [(5, False), (6, True)])
def test_a_few_train_losses_show_no_fall(points, broken):
    (evidence,) = found(RULE, case(train(decay(points, 3.0, 1.0), 1400 // points), evals(stuck())))
    assert (evidence.variant == "evals_only") is broken


def test_without_a_train_loss_nothing_says_that_anything_is_trained():
    (evidence,) = found(RULE, case(None, evals(stuck())))
    assert evidence.variant == "" and evidence.remedies is None


@pytest.mark.parametrize("level", [3.2037645, -3.2037645])
def test_a_train_loss_that_froze_itself_is_no_evaluation(level):
    (evidence,) = found(RULE, case(train(stuck(level, 30, 0.8e-4))))
    assert evidence.variant == "" and evidence.tags == ("train/loss",)


@pytest.mark.parametrize(("points", "expected"), [(9, Severity.MEDIUM), (10, Severity.HIGH)])
def test_a_few_broken_evaluations_are_a_warning_too(points, expected):
    (evidence,) = found(RULE, case(train(decay(140)), evals(stuck(n=points))))
    assert evidence.variant == "evals_only" and severity(RULE, evidence) is expected


@pytest.mark.parametrize(("fell", "advised"), [
    (0.5, (remedies.CHECK_EVALUATION,)),
    (0.0, (remedies.CHECK_FROZEN, remedies.LR_RAISE)),
])  # fmt: skip
def test_its_remedies_are_those_of_what_is_broken(fell, advised):
    run = Run(".", {s.tag: s for s in (train(fallen(fell, noise=0.002)), evals(stuck(falling=6)))})
    report = diagnose_training(Training("run", (run,)), Config(profile="generic"))
    (finding,) = (f for f in report.findings if f.rule == "LRN002")
    assert finding.label == ("data_integrity" if fell else "plateau")
    assert finding.remedies == advise(advised, {})
