"""OVF008: the eval metric falls past its best while the train metric rises, where no eval loss was logged."""

import dataclasses

import numpy as np
import pytest

from tb_evalguide.model import Role, RoleChoice, Roles, Severity, Text
from tb_evalguide.rules.metric_falls import RULE

from ..support.checks import decay, evals, every, found, severity, skipped, train
from ..support.phases import case, series


def accuracies(fall, n=24, best=8, noise=0.003, seed=0):
    """Rises from 0.5 to 0.85 at index `best`, then falls by `fall`."""
    values = np.interp(np.arange(n), [0, best, n - 1], [0.5, 0.85, 0.85 - fall])
    return values + noise * np.random.default_rng(seed).standard_normal(n)


def classifier(evaluated, trained=None, losses=None):
    roles = {Role.EVAL_ACCURACY: series("val_acc", every(len(evaluated), 100), evaluated)}
    if trained is not None:
        roles[Role.TRAIN_ACCURACY] = series("train_acc", every(len(trained), 100), trained)
    return case(losses, roles=roles, profile="classification")


@pytest.mark.parametrize("seed", range(4))
def test_fires_where_the_eval_accuracy_falls_and_train_rises(seed):
    (evidence,) = found(RULE, classifier(accuracies(0.12, seed=seed), np.linspace(0.6, 1.0, 24)))
    assert severity(RULE, evidence) is Severity.MEDIUM
    assert 700 <= evidence.steps[0] <= 1100 and evidence.numbers["end"] < evidence.numbers["best"]


@pytest.mark.parametrize(("fall", "fires"), [(0.03, False), (0.06, True)])
def test_limit_of_the_fall(fall, fires):
    """5 % of 0.85 is 0.043."""
    assert bool(found(RULE, classifier(accuracies(fall, noise=0.0), np.linspace(0.6, 1.0, 24)))) is fires


def test_noise_of_a_small_eval_set_is_none():
    assert not found(RULE, classifier(accuracies(0.0, noise=0.03), np.linspace(0.6, 1.0, 24)))


def test_a_train_accuracy_that_falls_as_well_is_something_else():
    assert not found(RULE, classifier(accuracies(0.12), np.interp(np.arange(24), [0, 8, 23], [0.6, 0.9, 0.7])))


def test_a_train_loss_that_falls_will_do():
    assert found(RULE, classifier(accuracies(0.12), losses=train(decay(240))))


def test_skipped():
    run = case(train(decay(50)), evals(decay(10)))
    assert "judged instead" in skipped(RULE, run)
    assert "no quality metric" in skipped(RULE, case(train(decay(50))))
    assert "no quality metric" in skipped(RULE, classifier(accuracies(0.12)[:7]))


def test_an_error_rate_is_better_when_smaller():
    rates = series("val/wer", every(24, 100), 1 - accuracies(0.12))
    choice = RoleChoice(Role.EVAL_METRIC, rates, Text("named in the test"), greater_is_better=False)
    run = case(train(decay(240)))
    run = dataclasses.replace(run, roles=Roles(run.roles.choices, metrics=(choice,)))
    assert found(RULE, run)[0].tags == ("val/wer",)


def test_eight_evaluations_are_enough():
    assert found(RULE, classifier([0.5, 0.6, 0.7, 0.8, 0.8, 0.5, 0.5, 0.5], losses=train(decay(80))))


@pytest.mark.parametrize(("off", "fires"), [(0.055, False), (0.045, True)])
def test_the_fall_must_stand_out_from_the_noise(off, fires):
    """One evaluation in three is off, which a median of three does not see."""
    values = np.repeat([0.5, 0.85, 0.73], 9) + off * np.resize([0.0, 0.0, 1.0], 27)
    assert bool(found(RULE, classifier(values, losses=train(decay(270))))) is fires


@pytest.mark.parametrize(("end", "fires"), [([0.7, 0.86, 0.6], False), ([0.86, 0.7, 0.6, 0.6], True)])
def test_two_evaluations_after_the_best_are_too_few(end, fires):
    rising = [*np.linspace(0.5, 0.82, 12), 0.83, 0.84]
    assert bool(found(RULE, classifier([*rising, *end], losses=train(decay(150))))) is fires


@pytest.mark.parametrize(("end", "accuracy", "fires"), [
    (0.08, [0.16, 0.08, 0.02, 0.1, 0.1, 0.09, 0.08, 0.1, 0.11, 0.09, 0.1, 0.09], True),
    (0.10, [0.16, 0.08, 0.02, 0.1, 0.1, 0.09, 0.08, 0.1, 0.11, 0.09, 0.1, 0.09], False),  # train loss kept 5 % of 2
    (0.08, [0.09, 0.08, 0.08, 0.09, 0.1, 0.09, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1], False),  # it gained, if little
    (0.08, [0.16, 0.08, 0.17, 0.18, 0.17, 0.1, 0.08, 0.1, 0.11, 0.09, 0.1, 0.09], None),  # it had gained, and lost it
])  # fmt: skip
def test_a_train_loss_that_went_to_nothing_while_the_metric_gained_nothing(end, accuracy, fires):
    losses = train(np.geomspace(2.0, end, 60), 20)
    it = found(RULE, classifier(accuracy, losses=losses))
    if fires is None:
        assert not any(e.variant == "no_gain" for e in it)
    else:
        assert [(e.variant, severity(RULE, e)) for e in it] == [("no_gain", Severity.MEDIUM)] * fires


@pytest.mark.parametrize(("first", "fires"), [(0.68, True), (0.72, False), (1.0, False)])
def test_an_accuracy_with_little_room_gains_nothing_and_is_no_fault(first, fires):
    run = classifier(np.full(12, first), losses=train(np.geomspace(2.0, 0.05, 60), 20))
    assert [e.variant for e in found(RULE, run)] == ["no_gain"] * fires


@pytest.mark.parametrize(("end", "greater", "fires"), [(0.5, True, True), (0.9, True, False), (0.2, False, False)])
def test_another_metric_that_gained_shows_that_something_generalises(end, greater, fires):
    accuracies = np.full(12, 0.3)
    other = series("val_other", every(12, 100), np.linspace(0.5, end, 12))
    run = case(
        train(np.geomspace(2.0, 0.05, 60), 20),
        roles={Role.EVAL_ACCURACY: series("val_acc", every(12, 100), accuracies)},
        metrics=[(other, greater)],
        profile="classification",
    )
    assert [e.variant for e in found(RULE, run)] == ["no_gain"] * fires
