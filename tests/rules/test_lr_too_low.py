"""LRN003: the loss falls so slowly that the learning rate must be too low."""

import numpy as np
import pytest

from tb_evalguide.model import Severity
from tb_evalguide.rules.lr_too_low import RULE

from ..support.checks import accuracy_that_rises, cosine, decay, evals, found, rate, severity, skipped, train
from ..support.phases import case, series


def straight(drop, n=100, start=2.5, noise=0.002, bend=0.0):
    x = np.linspace(0, 1, n)
    values = start * (1 - drop * (x + bend * x * (1 - x)))
    return values * (1 + noise * np.random.default_rng(0).standard_normal(n))


def test_the_guides_table():
    (evidence,) = found(RULE, case(series("train/loss", [10, 50, 100, 150], [2.50, 2.49, 2.48, 2.47])))
    assert severity(RULE, evidence) is Severity.HIGH and evidence.variant == ""


@pytest.mark.parametrize(("drop", "fires"), [(0.02, True), (0.03, False)])
@pytest.mark.parametrize("profile", ["guide", "llm-sft"])
def test_limit_of_the_drop(drop, fires, profile):
    assert bool(found(RULE, case(train(straight(drop)), profile=profile))) is fires


@pytest.mark.parametrize(("drop", "fires"), [(0.30, True), (0.40, False)])
def test_limit_of_a_straight_fall(drop, fires):
    it = found(RULE, case(train(straight(drop)), profile="classification"))
    assert [(severity(RULE, e), e.variant) for e in it] == [(Severity.MEDIUM, "straight")] * fires


@pytest.mark.parametrize(("bend", "fires"), [(0.0, True), (0.45, True), (0.75, False)])
def test_limit_of_the_bend(bend, fires):
    """A fall of x + b·x(1 − x): the last third falls (1 − 2b/3)/(1 + 2b/3) times as fast as the first."""
    assert bool(found(RULE, case(train(straight(0.2, bend=bend)), profile="pretrain"))) is fires


def test_a_pretrained_model_may_fall_slowly():
    assert not found(RULE, case(train(straight(0.2)), profile="llm-sft"))


def test_a_run_cut_short_is_not_judged_by_its_shape():
    cut = rate(cosine(400, warmup=10)[:100])
    assert not found(RULE, case(train(straight(0.2)), lr=cut, profile="pretrain"))


@pytest.mark.parametrize(("count", "fires"), [(20, False), (8, False), (7, True)])
def test_one_of_two_curves_that_bends_is_enough_to_pass(count, fires):
    bent = decay(count, 2.5, 1.8, noise=0.0, rate=count / 2.5)
    assert bool(found(RULE, case(train(straight(0.3)), evals(bent, 1000 // count), profile="pretrain"))) is fires


@pytest.mark.parametrize(("planned", "fires"), [(1100, True), (1400, False)])
def test_a_run_that_has_steps_to_go_is_not_judged_by_its_shape(planned, fires):
    assert bool(found(RULE, case(train(straight(0.2)), profile="pretrain", arguments={"max_steps": planned}))) is fires


@pytest.mark.parametrize(("values", "says"), [
    (straight(0.01, n=19), "not enough data"),
    (straight(0.01, n=3), "4"),
])  # fmt: skip
def test_too_few_points(values, says):
    assert says in skipped(RULE, case(train(values), profile="generic"))


def test_a_loss_that_is_not_positive_is_left_alone():
    assert "not positive" in skipped(RULE, case(train(np.linspace(-1, -2, 100)), profile="generic"))


def test_a_flat_noisy_loss_outside_the_guide_is_no_fall():
    flat = 1 + 0.05 * np.random.default_rng(3).standard_normal(200)
    assert not found(RULE, case(train(flat), profile="generic"))


@pytest.mark.parametrize(("early", "fires"), [(False, True), (True, False)])
def test_level_since_early_on_is_left_to_underfitting(early, fires):
    """A straight line that hardly falls is too slow; one that fell at once and then stood does not learn at all."""
    slow = np.concatenate([[0.364], np.full(29, 0.3575)]) if early else np.linspace(0.364, 0.357, 30)
    assert bool(found(RULE, case(None, evals(slow), profile="generic"))) is fires


@pytest.mark.parametrize(("max_steps", "fires"), [(110, True), (400, False)])
def test_a_finished_run_is_judged_by_the_few_points_that_it_logged(max_steps, fires):
    loss = train(10.82 * (1 + 1e-4 * np.random.default_rng(0).standard_normal(11)))
    run = case(loss, profile="llm-sft", arguments={"max_steps": max_steps})
    if fires:
        assert found(RULE, run)
    else:
        assert "not enough data" in skipped(RULE, run)


@pytest.mark.parametrize(("start", "bend", "fires"), [(4.5, 0.0, True), (4.5, 0.75, False), (2.1, 0.0, False)])
def test_fine_tuning_far_from_its_floor_along_a_line(start, bend, fires):
    """Both losses fall by 15 % along a line: too slow where they are still high, as good as done where they are not."""
    run = case(
        train(straight(0.15, start=start, bend=bend)), evals(straight(0.15, 10, start, 0.0, bend)), profile="llm-sft"
    )
    assert bool(found(RULE, run)) is fires


@pytest.mark.parametrize(("evaluated", "fires"), [(True, True), (False, False)])
def test_evaluations_show_the_line_that_the_noise_of_batches_hides(evaluated, fires):
    noisy = straight(0.11, 50, 14.0, 0.05)
    level = evals(straight(0.11, 11, 14.2, 0.0), interval=40) if evaluated else None
    assert bool(found(RULE, case(train(noisy), level, profile="llm-sft"))) is fires


@pytest.mark.parametrize("n", [8, 9, 12])
@pytest.mark.parametrize("shape", ["bent", "level"])
def test_in_fine_tuning_the_evaluations_must_fall_along_the_line_too(shape, n):
    judged = 2.3 + 0.9 * np.exp(-1.5 * np.arange(n)) if shape == "bent" else np.full(n, 2.6)
    assert not found(RULE, case(train(straight(0.25, 60, 3.2)), evals(judged, 50), profile="llm-sft"))


def test_the_sentence_is_about_one_curve():
    loss = np.linspace(3.2, 2.3, 60) + 0.35 * np.random.default_rng(0).standard_normal(60)
    (evidence,) = found(RULE, case(train(loss), evals(np.linspace(2.6, 2.4, 12), 50), profile="pretrain"))
    numbers = evidence.numbers
    assert numbers["drop"] == pytest.approx(1 - numbers["end"] / numbers["start"], abs=0.02)


@pytest.mark.parametrize(("bend", "fires"), [(0.35, True), (0.60, False)])
def test_limit_of_the_line_in_fine_tuning(bend, fires):
    """The last third falls 0.62 or 0.43 times as fast as the first."""
    run = case(
        train(straight(0.15, 90, 4.5, 0.0, bend)), evals(straight(0.15, 30, 4.5, 0.0, bend), 30), profile="llm-sft"
    )
    assert bool(found(RULE, run)) is fires


@pytest.mark.parametrize(("n", "profile"), [(4, "guide"), (20, "generic")])
@pytest.mark.parametrize(("taken", "judged"), [(96, False), (104, True)])
def test_limit_of_the_steps(taken, judged, n, profile):
    """Those that led up to the first logged one count: a hundred epochs may be counted from 0."""
    loss = series("train/loss", np.linspace(0, taken, n + 1)[1:].round(), straight(0.01, n, noise=0.0))
    run = case(loss, profile=profile)
    if judged:
        assert found(RULE, run)
    else:
        assert "not enough data" in skipped(RULE, run)


@pytest.mark.parametrize(("n", "judged"), [(7, False), (8, True)])
def test_limit_of_the_evaluations(n, judged):
    run = case(None, evals(straight(0.01, n, noise=0.0)), profile="generic")
    if judged:
        assert found(RULE, run)
    else:
        assert "not enough data" in skipped(RULE, run)


def test_twenty_train_points_are_enough():
    assert found(RULE, case(train(straight(0.01, 20, noise=0.0)), profile="generic"))


@pytest.mark.parametrize(("n", "judged"), [(4, False), (5, True)])
def test_limit_of_the_points_of_a_finished_run(n, judged):
    loss = train(straight(0.01, n, noise=0.0), interval=100)
    run = case(loss, profile="generic", arguments={"max_steps": 100 * n})
    if judged:
        assert found(RULE, run)
    else:
        assert "not enough data" in skipped(RULE, run)


@pytest.mark.parametrize(("noise", "fires"), [
    (0.055, False),  # start and end are 4.2 σ of a point apart
    (0.038, True),  # 6 σ
])  # fmt: skip
def test_limit_of_the_noise_that_hides_the_shape(noise, fires):
    assert bool(found(RULE, case(train(straight(0.2, 400, noise=noise)), profile="pretrain"))) is fires


@pytest.mark.parametrize(("order", "fires"), [
    ([7, 8, 5, 6, 2, 4, 3, 1], True),  # p = 0.009
    ([7, 8, 5, 6, 2, 3, 4, 1], False),  # p = 0.018
])  # fmt: skip
def test_limit_of_the_significance_of_the_fall(order, fires):
    assert bool(found(RULE, case(None, evals(2.5 * (1 + 0.003 * np.array(order))), profile="generic"))) is fires


@pytest.mark.parametrize(("counts", "fires"), [((14, 16), True), ((10, 20), False)])
def test_limit_of_how_long_it_has_been_level(counts, fires):
    """2 % are lost at once; 53 % or 67 % of the points follow."""
    values = np.repeat([2.5, 2.45], counts)
    assert bool(found(RULE, case(train(values), profile="generic"))) is fires


@pytest.mark.parametrize(("later", "fires"), [(0.22, False), (0.28, True)])
def test_limit_of_the_share_of_the_later_half(later, fires):
    """2 % in all, the first part of them at once and the rest near the end."""
    values = 2.5 * np.repeat([1.0, 0.98 + 0.02 * later, 0.98], [5, 20, 5])
    assert bool(found(RULE, case(train(values), profile="generic"))) is fires


@pytest.mark.parametrize(("points", "judged", "fires"), [
    (27, 0, False),
    (33, 0, True),
    (27, 11, False),
    (27, 12, True),
])  # fmt: skip
def test_limits_of_a_young_run(points, judged, fires):
    """A straight fall that has only begun."""
    level = evals(straight(0.2, judged, noise=0.0), 20) if judged else None
    assert bool(found(RULE, case(train(straight(0.2, points, noise=0.0)), level, profile="pretrain"))) is fires


@pytest.mark.parametrize(("drop", "judged"), [(0.045, True), (0.055, False)])
def test_limit_of_what_a_warm_up_gained(drop, judged):
    run = case(train(straight(drop, noise=0.0)), lr=rate(np.linspace(1e-5, 1e-3, 100)), profile="pretrain")
    if judged:
        assert found(RULE, run)
    else:
        assert "warm-up" in skipped(RULE, run)


@pytest.mark.parametrize(("tag", "in_role"), [("eval/accuracy", True), ("accuracy/top1", False)])
@pytest.mark.parametrize(("first", "last", "drop", "fires"), [
    (0.45, 0.52, 0.2, True),  # seven points more
    (0.45, 0.54, 0.2, False),
    (0.20, 0.48, 0.2, True),
    (0.20, 0.52, 0.2, False),  # more than half
    (20.0, 52.0, 0.2, False),  # in per cent
    (0.20, 0.90, 0.02, True),  # a loss that fell by hardly anything is too slow all the same
])  # fmt: skip
def test_a_line_along_which_an_evaluated_accuracy_rises_leads_somewhere(first, last, drop, fires, tag, in_role):
    told = accuracy_that_rises(first, last, tag, in_role)
    assert bool(found(RULE, case(train(straight(drop)), profile="classification", **told))) is fires


@pytest.mark.parametrize(("peak", "drop", "fires"), [
    (1.9e-5, 0.50, True),
    (2.0e-5, 0.50, False),  # a rate at which pretrained models are tuned
    (1e-5, 0.66, True),  # to the median of the last tenth: 63 %
    (1e-5, 0.70, False),  # 67 %
    (0.0, 0.50, False),  # a rate that was never logged as more than nothing
])  # fmt: skip
def test_limits_of_a_fall_along_a_line_at_a_tiny_rate(peak, drop, fires):
    """It is the peak that counts, whatever the rate came down to."""
    lr = rate(np.linspace(peak, peak / 10, 100))
    it = found(RULE, case(train(straight(drop)), lr=lr, profile="classification"))
    assert [e.variant for e in it] == ["straight"] * fires


@pytest.mark.parametrize(("late", "fires"), [(0.38, False), (0.50, True), (1.00, True)])
@pytest.mark.parametrize("shown", ["evals", "train"])
def test_the_halves_of_eight_points_show_a_line_or_a_bend(shown, late, fires):
    """Of the evaluations beside a straight train loss, or of the train loss of a finished run; either falls by 20 %."""
    eight = 2.5 - 0.5 * np.interp(np.arange(8), [0, 3.5, 7], [0, 1 / (1 + late), 1])
    run = case(train(eight, 125), profile="pretrain", arguments={"max_steps": 1000})
    if shown == "evals":
        run = case(train(straight(0.2)), evals(eight, 125), profile="pretrain")
    assert bool(found(RULE, run)) is fires


@pytest.mark.parametrize(("points", "fires"), [(7, False), (8, True)])
def test_seven_points_show_no_line(points, fires):
    loss = train(straight(0.2, points, noise=0.0), 125)
    run = case(loss, profile="pretrain", arguments={"max_steps": 125 * points})
    assert bool(found(RULE, run)) is fires


def test_a_rate_that_was_not_logged_is_not_tiny():
    assert not found(RULE, case(train(straight(0.5)), profile="classification"))


def wiggle(n, size):
    return size * np.resize([1.0, -1.0], n)


@pytest.mark.parametrize(("n", "drop", "bend", "scatter", "fires"), [
    (10, 0.10, 0.00, 0.0000, True),
    (10, 0.14, 0.00, 0.0000, True),
    (10, 0.16, 0.00, 0.0000, False),
    (10, 0.10, 0.09, 0.0000, True),  # the last third falls 0.88 times as fast as the first
    (10, 0.10, 0.15, 0.0000, False),  # 0.81 times
    (20, 0.10, 0.00, 0.0068, True),  # R² 0.991
    (20, 0.10, 0.00, 0.0086, False),  # R² 0.986
    (8, 0.10, 0.00, 0.0000, True),
    (7, 0.10, 0.00, 0.0000, False),
])  # fmt: skip
@pytest.mark.parametrize("scale", [0.01, 0.6])
def test_limits_of_a_fall_along_a_ruler(n, drop, bend, scatter, fires, scale):
    """No level of guessing to begin from, and low enough to be near a floor, but for the line."""
    judged = scale * (straight(drop, n, noise=0.0, bend=bend) + wiggle(n, scatter))
    noisy = train(scale * straight(drop, 40, noise=0.1))
    assert [e.variant for e in found(RULE, case(noisy, evals(judged, 40), profile="llm-sft"))] == ["straight"] * fires


def test_a_young_run_that_falls_along_a_ruler():
    judged = evals(straight(0.1, 10, noise=0.0), 20)
    assert found(RULE, case(train(straight(0.1, 20, noise=0.0)), judged, profile="vision"))


def test_without_evaluations_the_train_loss_falls_along_the_ruler():
    assert found(RULE, case(train(straight(0.1, 20, noise=0.0)), profile="vision"))
    assert not found(RULE, case(train(straight(0.1, 20, noise=0.01)), profile="vision"))
    bent = evals(straight(0.1, 10, noise=0.0, bend=0.5), 20)
    assert not found(RULE, case(train(straight(0.1, 20, noise=0.0)), bent, profile="vision")), "they tell more"


def test_a_ruler_does_not_tell_of_a_run_that_is_not_over_or_leads_somewhere():
    ruler = straight(0.1, noise=0.0)
    assert found(RULE, case(train(ruler), profile="vision"))
    assert not found(RULE, case(train(ruler), lr=rate(cosine(400, warmup=10)[:100]), profile="vision"))
    assert not found(RULE, case(train(ruler), profile="vision", arguments={"max_steps": 2000}))
    right = accuracy_that_rises(0.2, 0.9, "eval/accuracy", True)
    assert not found(RULE, case(train(ruler), profile="classification", **right))
