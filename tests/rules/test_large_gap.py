"""OVF007: the eval loss of the reference model lies more than 0.5 above the train loss (M8)."""

import pytest

from tb_evalguide.model import Severity
from tb_evalguide.rules.large_gap import RULE

from ..support.checks import found, severity, skipped
from ..support.phases import case, series

STEPS = [50, 100, 150, 200, 250]


def gaps(*values, train=(2.5, 2.1, 1.7, 1.4, 1.1)):
    return case(
        series("train/loss", STEPS, train),
        series("eval/loss", STEPS, [t + g for t, g in zip(train, values, strict=True)]),
    )


@pytest.mark.parametrize(("gap", "fires"), [(0.49, False), (0.5, False), (0.51, True)])
def test_the_limit_is_strict(gap, fires):
    assert bool(found(RULE, gaps(0.05, 0.1, 0.2, 0.3, gap))) is fires


def test_an_eval_loss_that_rose_is_graver_than_one_that_still_falls():
    (evidence,) = found(RULE, gaps(0.05, 0.1, 0.2, 0.4, 0.9))
    assert severity(RULE, evidence) is Severity.HIGH and evidence.steps == (250, 250)
    (evidence,) = found(RULE, gaps(0.05, 0.1, 0.2, 0.4, 0.55))
    assert severity(RULE, evidence) is Severity.MEDIUM and evidence.variant == "falling"


@pytest.mark.parametrize(("first", "expected"), [(0.40, Severity.MEDIUM), (0.55, Severity.INFO)])
def test_a_gap_as_large_from_the_first_evaluation_is_a_shift_between_the_sets(first, expected):
    (evidence,) = found(RULE, gaps(first, 0.6, 0.6, 0.6, 0.6))
    assert severity(RULE, evidence) is expected


def test_skipped():
    far = case(series("train/loss", [10, 20], [2.0, 1.9]), series("eval/loss", [9000], [1.0]))
    assert "near any evaluation" in skipped(RULE, far)
    assert "profile" in skipped(
        RULE, case(series("a", STEPS, [1.0] * 5), series("b", STEPS, [2.0] * 5), profile="generic")
    )
