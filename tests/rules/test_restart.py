"""RST001: the training was interrupted and resumed."""

from tb_evalguide.model import Severity
from tb_evalguide.rules.restart import RULE

from ..support.checks import decay, evals, every, found, resumed, severity, skipped, train
from ..support.phases import case, series


def test_an_overlap_is_told_with_its_steps():
    steps, values = every(60), decay(60)
    loss = resumed("loss", [(steps[:40], values[:40]), (steps[30:], values[30:])])
    (evidence,) = found(RULE, case(loss))
    assert severity(RULE, evidence) is Severity.INFO
    assert evidence.steps == (310, 400) and evidence.numbers["again"] == 90


def test_many_restarts_are_not_all_listed():
    steps, values = every(100), decay(100)
    parts = [(steps[max(0, k - 2) : k + 10], values[max(0, k - 2) : k + 10]) for k in range(0, 100, 10)]
    assert len(found(RULE, case(resumed("loss", parts)))) == 5
    assert len(found(RULE, case(resumed("loss", parts)), listed=2)) == 2


def test_a_fresh_start_is_another_rule_s_matter():
    steps = every(40)
    assert not found(RULE, case(resumed("loss", [(steps, decay(40)), (steps, decay(40, seed=1))])))


def test_passes_and_skips():
    assert not found(RULE, case(train(decay(40)), evals(decay(5))))
    assert "no loss" in skipped(RULE, case(extra=[series("accuracy", [1, 2], [0.1, 0.2])]))


def test_an_epoch_that_counts_within_an_epoch_is_no_resume():
    """It runs from 0 to 1, again and again."""
    steps = every(120)
    fraction = series("train/epoch", steps, [(i % 40) / 40 for i in range(120)])
    assert not found(RULE, case(series("train/loss", steps, decay(120)), epoch=fraction))
