"""From what the rules saw to findings and the verdict: which remedies are given, and how sure it is."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from tb_evalguide import remedies
from tb_evalguide.case import Case
from tb_evalguide.diagnosis import Outcome, check_rule, findings, verdict
from tb_evalguide.i18n import render
from tb_evalguide.model import CheckResult, Evidence, Finding, Remedy, Severity, Text, Verdict
from tb_evalguide.remedies import advise
from tb_evalguide.rules import RULES, chance_level, frozen

from .support.checks import decay, evals, every, rate, train
from .support.phases import case, series

SEEN = Evidence(
    steps=(100, 500),
    tags=("eval/loss",),
    numbers={"value": 1.0, "count": 5, "end": 1.0, "k": 3, "chance": 1.1, "accuracy": 0.3},
    confidence=0.9,
)
CASE = case(train(decay(50)), evals(decay(5)))


def outcome(module, own, **changes) -> Outcome:
    evidence = dataclasses.replace(SEEN, remedies=own, **changes)
    return Outcome(module.RULE, CheckResult(module.RULE.id, "fired", Text("")), (evidence,))


def said(*outcomes: Outcome) -> dict[str, Finding]:
    return {finding.rule: finding for finding in findings(outcomes, CASE)}


@pytest.mark.parametrize(("own", "given"), [
    (None, frozen.RULE.remedies),
    ((remedies.CHECK_EVALUATION,), (remedies.CHECK_EVALUATION,)),
    ((remedies.SHUFFLE, remedies.LR_TENTH), (remedies.SHUFFLE, remedies.LR_TENTH)),
    ((), ()),  # none at all is another thing than the rule's own
])  # fmt: skip
def test_evidence_brings_remedies_in_place_of_the_rule_s(
    own: tuple[Remedy, ...] | None, given: tuple[Remedy, ...]
) -> None:
    assert said(outcome(frozen, own))["LRN002"].remedies == advise(given, {})


@pytest.mark.parametrize(("own", "contradicted"), [
    (None, False),
    ((remedies.LR_TENTH,), True),  # it lowers the rate that the next would raise
    ((remedies.CHECK_EVALUATION,), False),
])  # fmt: skip
def test_what_they_do_is_not_contradicted_by_a_later_finding(
    own: tuple[Remedy, ...] | None, contradicted: bool
) -> None:
    first = outcome(frozen, own, tier=chance_level.RULE.tier, steps=(10, 500), label="stalled")
    later = said(first, outcome(chance_level, (remedies.LR_RAISE,)))["LRN001"]
    assert later.explained_by is None and bool(later.remedies) is not contradicted


def test_one_setting_is_given_one_figure() -> None:
    """A tenth of the rate by the first finding, a hundredth by the next: only the first is told."""
    first = outcome(frozen, (remedies.LR_TENTH,), tier=chance_level.RULE.tier, steps=(10, 500), label="stalled")
    found_ = said(first, outcome(chance_level, (remedies.LR_HUNDREDTH, remedies.OVERFIT_TEN)))
    assert [advice.setting for advice in found_["LRN002"].remedies] == ["learning_rate"]
    assert [advice.setting for advice in found_["LRN001"].remedies] == [None]


def test_a_consequence_is_given_none_even_of_its_own() -> None:
    cause = outcome(frozen, None, label="data_integrity", tier=chance_level.RULE.tier, steps=(10, 500))
    finding = said(cause, outcome(chance_level, (remedies.CHECK_EVALUATION,)))["LRN001"]
    assert finding.explained_by == "LRN002" and finding.remedies == ()


def sure(case_: Case, **changes: Any) -> Verdict:
    """The verdict of a case that no rule says anything of; `changes`: of the outcomes."""
    outcomes = tuple(Outcome(rule, CheckResult(rule.id, "passed", Text(""))) for rule in RULES)
    return verdict(case_, changes.get("found", ()), changes.get("outcomes", outcomes))


FALLING = train(decay(60, 2.0, 0.5, noise=0.01))


@pytest.mark.parametrize(("run", "confidence"), [
    (case(FALLING, evals(decay(10, 2.0, 0.6, noise=0.002)), profile="generic"), 0.94),
    (case(FALLING, profile="generic"), 0.94),  # whether it was evaluated makes no difference to how often it is right
    (case(train(decay(6, 2.0, 0.5, noise=0.0)), profile="generic"), 0.94),  # nor do few points that plainly fall
    (case(None, metrics=[(series("score", every(30), decay(30)), None)], profile="generic"), 0.6),
])  # fmt: skip
def test_how_sure_healthy_is(run: Case, confidence: float) -> None:
    said_of = sure(run)
    assert (said_of.label, said_of.confidence) == ("healthy", confidence)


def test_healthy_is_less_sure_beside_information_and_a_check_that_failed() -> None:
    run = case(FALLING, profile="generic")
    information = dataclasses.replace(
        said(outcome(frozen, None))["LRN002"], severity=Severity.INFO, label="overfitting"
    )
    assert sure(run, found=(information,)).confidence == 0.91
    assert sure(run, found=(dataclasses.replace(information, label="spike"),)).confidence == 0.94
    failed = (Outcome(frozen.RULE, CheckResult("LRN002", "error", Text(""))),)
    assert sure(run, outcomes=failed).confidence == 0.74


@pytest.mark.parametrize(("run", "confidence"), [
    (case(train(decay(3)), profile="generic"), 0.95),
    (case(train(wiggle := np.resize([1.0, 1.1], 4)), profile="generic"), 0.85),
    (case(train(np.resize(wiggle, 60)), profile="generic"), 0.6),  # points enough, but only noise in them
    (case(None, profile="generic"), 0.6),  # no loss was found: there may be one under another name
])  # fmt: skip
def test_how_sure_it_is_that_nothing_can_be_said(run: Case, confidence: float) -> None:
    said_of = sure(run)
    assert (said_of.label, said_of.confidence) == ("insufficient_data", confidence)


@pytest.mark.parametrize(("run", "says"), [
    (case(train(decay(3)), profile="generic"), "4 of a loss, from about step 40 on."),
    (case(None, evals(decay(3)), profile="generic"), "4 of a loss, from about step 400 on."),
    (case(series("loss", [50], [1.0]), profile="generic"), "4 of a loss, from about step 200 on."),
    (case(series("loss", [0], [1.0]), profile="generic"), "4 of a loss."),  # how far apart they are is not known
    (case(train(np.resize([1.0, 1.1], 5)), profile="generic"), "6 evaluations, from about step 120 on."),
    (case(train(decay(30, 3.0, 2.8)), lr=rate(np.linspace(1e-6, 1e-4, 30)), arguments={"warmup_steps": 500},
          profile="pretrain"), "before it ends, from about step 500 on."),
    (case(train(decay(30, 3.0, 2.8)), lr=rate(np.linspace(1e-6, 1e-4, 30)), arguments={"warmup_steps": 100},
          profile="pretrain"), "before it ends."),  # that step has long gone by
    (case(train(np.linspace(2.0, 1.99, 30), interval=3), profile="pretrain"),
     "too few to say why, from about step 103 on."),
    (case(train(decay(5, noise=0.0)), evals([1.0, 1.2], interval=25), profile="generic"),
     "The next evaluation tells, from about step 75 on."),
])  # fmt: skip
def test_from_which_step_on_more_could_be_said(run: Case, says: str) -> None:
    outcomes = tuple(check_rule(rule, run) for rule in RULES)
    said_of = verdict(run, findings(outcomes, run), outcomes)
    assert said_of.label == "insufficient_data" and render(said_of.headline).endswith(says)
    assert "{" not in render(said_of.headline, "ko")
