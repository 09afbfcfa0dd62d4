"""From what the rules saw to findings: which remedies are given."""

from __future__ import annotations

import dataclasses

import pytest

from tb_evalguide import remedies
from tb_evalguide.diagnosis import Outcome, findings
from tb_evalguide.model import CheckResult, Evidence, Finding, Remedy, Text
from tb_evalguide.remedies import advise
from tb_evalguide.rules import chance_level, frozen

from .support.checks import decay, evals, train
from .support.phases import case

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


def test_a_consequence_is_given_none_even_of_its_own() -> None:
    cause = outcome(frozen, None, label="data_integrity", tier=chance_level.RULE.tier, steps=(10, 500))
    finding = said(cause, outcome(chance_level, (remedies.CHECK_EVALUATION,)))["LRN001"]
    assert finding.explained_by == "LRN002" and finding.remedies == ()
