"""Runs one rule on a made-up case and tells its outcome in a line."""

from __future__ import annotations

from tb_evalguide.case import Case
from tb_evalguide.diagnosis import Outcome, check_rule
from tb_evalguide.model import Evidence, Rule


def outcome(rule: Rule, case: Case) -> str:
    """fired | passed | skipped; an error of the rule fails the test with its reason."""
    result = check_rule(rule, case).result
    assert result.outcome != "error", result.reason
    return result.outcome


def fired(rule: Rule, case: Case) -> Evidence:
    """The first piece of evidence of a rule that must fire."""
    found: Outcome = check_rule(rule, case)
    assert found.result.outcome == "fired", found.result
    return found.evidence[0]
