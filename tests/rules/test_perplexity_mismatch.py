"""INT006: a logged perplexity that is not exp(eval loss)."""

import numpy as np
import pytest

from tb_evalguide.model import Role, Severity
from tb_evalguide.rules.perplexity_mismatch import RULE

from ..support.checks import decay, evals, every, found, severity, skipped
from ..support.phases import case, series


def shown(perplexities, losses):
    steps = every(len(perplexities), 100)
    return case(None, evals(losses), roles={Role.EVAL_PERPLEXITY: series("eval/perplexity", steps, perplexities)})


LOSSES = decay(8, 2.5, 1.0, noise=0.0)


def test_the_right_perplexity_passes():
    assert not found(RULE, shown(np.exp(LOSSES), LOSSES))


@pytest.mark.parametrize(("off", "fires"), [(0.009, False), (0.011, True)])
def test_one_percent(off, fires):
    assert bool(found(RULE, shown(np.exp(LOSSES) * (1 + off), LOSSES))) is fires


def test_another_unit_and_a_mean_over_batches_are_recognised():
    (unit,) = found(RULE, shown(np.exp(1.3 * LOSSES), LOSSES))
    assert unit.variant == "unit" and unit.numbers["power"] == pytest.approx(1.3)
    (batches,) = found(RULE, shown(np.exp(LOSSES) * 1.05, LOSSES))
    assert batches.variant == "batches"
    assert {severity(RULE, unit), severity(RULE, batches)} == {Severity.INFO}


def test_going_the_other_way_is_a_warning():
    (evidence,) = found(RULE, shown(np.linspace(5, 60, 8), LOSSES))
    assert severity(RULE, evidence) is Severity.MEDIUM


def test_skipped_where_no_step_has_both():
    other = series("eval/perplexity", [1, 2, 3], [3.0, 2.0, 1.5])
    assert "fewer than two" in skipped(RULE, case(None, evals(LOSSES), roles={Role.EVAL_PERPLEXITY: other}))


WIDE = np.linspace(4.0, 1.0, 8)


@pytest.mark.parametrize(("logs", "variant"), [
    (WIDE + np.log(1.23), "batches"),
    (WIDE + np.log(1.27), ""),
    (1.5 * WIDE * (1 + 0.018 * (-1.0) ** np.arange(8)), "unit"),
    (1.5 * WIDE * (1 + 0.022 * (-1.0) ** np.arange(8)), ""),
])  # fmt: skip
def test_how_far_an_explanation_goes(logs, variant):
    (evidence,) = found(RULE, shown(np.exp(logs), WIDE))
    assert evidence.variant == variant


@pytest.mark.parametrize(("points", "expected"), [(3, Severity.INFO), (4, Severity.MEDIUM)])
def test_three_common_steps_prove_no_opposite_way(points, expected):
    (evidence,) = found(RULE, shown(np.linspace(5, 60, points), np.linspace(2.5, 1.0, points)))
    assert severity(RULE, evidence) is expected
