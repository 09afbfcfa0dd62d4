"""OVF006: the train loss of the reference model is below 0.3 (M6)."""

import dataclasses

import pytest

from tb_evalguide.model import Severity
from tb_evalguide.rules.loss_too_low import RULE

from ..support.checks import found, severity, skipped, train
from ..support.phases import case, series

STEPS = [50, 100, 150, 200, 250]


def losses(end, gap):
    values = [2.5, 1.5, 0.8, 0.4, end]
    return case(series("train/loss", STEPS, values), series("eval/loss", STEPS, [v + gap for v in values]))


@pytest.mark.parametrize(("end", "fires"), [(0.29, True), (0.3, False), (0.31, False)])
def test_the_limit_is_strict(end, fires):
    assert bool(found(RULE, losses(end, 0.3))) is fires


@pytest.mark.parametrize(("gap", "expected"), [(0.14, Severity.INFO), (0.16, Severity.MEDIUM)])
def test_an_eval_loss_as_low_is_information(gap, expected):
    (evidence,) = found(RULE, losses(0.2, gap))
    assert severity(RULE, evidence) is expected


@pytest.mark.parametrize(("chosen_by", "expected"), [("user", Severity.MEDIUM), ("auto", Severity.INFO)])
def test_without_evaluations_it_is_a_warning_where_somebody_said_that_the_guide_applies(chosen_by, expected):
    """Of public runs that took the guide's profile by default, readers called those with a low loss healthy."""
    run = case(train([2.5, 1.5, 0.8, 0.2]))
    run = dataclasses.replace(run, profile=dataclasses.replace(run.profile, chosen_by=chosen_by))
    (evidence,) = found(RULE, run)
    assert severity(RULE, evidence) is expected


def test_only_for_the_reference_model():
    assert "profile" in skipped(RULE, case(train([2.5, 1.5, 0.8, 0.1]), profile="llm-sft"))
    assert "no train loss" in skipped(RULE, case())
