"""How sure rules are of what they say, before caps and rivals: what was right of them on runs that nobody had seen."""

import numpy as np
import pytest

from tb_evalguide.case import Case
from tb_evalguide.model import Rule
from tb_evalguide.rules import divergence, lr_too_low, overfitting, rate_overwrites, underfitting

from ..support.checks import decay, evals, found, train
from ..support.phases import case
from .test_divergence import settles
from .test_lr_too_low import straight
from .test_overfitting import parted, u_shape
from .test_rate_overwrites import level, run


@pytest.mark.parametrize(("rule", "seen", "variant", "confidence"), [
    (divergence.RULE, case(train(settles(1.8))), "", 0.97),
    (divergence.RULE, case(train(settles(1.3))), "", 0.97),  # twice the limit of the rise
    (divergence.RULE, case(train(settles(1.19, start=2.0))), "", 0.9),
    (lr_too_low.RULE, case(train(straight(0.01)), profile="pretrain"), "", 0.97),
    (lr_too_low.RULE, case(train(straight(0.2)), profile="pretrain"), "straight", 0.95),
    (lr_too_low.RULE, case(train(straight(0.1, 20, noise=0.0)), profile="vision"), "straight", 0.95),
    (underfitting.RULE, case(train(decay(200, 2.0, 1.64, rate=40)), profile="classification"), "flat", 0.95),
    (underfitting.RULE, case(train(decay(200, 2.0, 1.56, rate=40)), profile="classification"), "flat", 0.65),
    (overfitting.RULE, case(train(decay(200, 2.0, 0.2, rate=2)), evals(u_shape(0.5)), profile="vision"), "", 0.97),
    (overfitting.RULE, parted(0.04, 0.4), "begins", 0.82),
    (rate_overwrites.RULE, run(level(0.05), 0.1), "", 0.97),
])  # fmt: skip
def test_confidence_of_a_rule(rule: Rule, seen: Case, variant: str, confidence: float) -> None:
    (evidence,) = found(rule, seen)
    assert (evidence.variant, evidence.confidence) == (variant, confidence)


@pytest.mark.parametrize(("after", "confidence"), [(2, 0.8), (3, 0.97)])
def test_a_rise_that_has_not_lasted_three_evaluations_is_less_sure(after: int, confidence: float) -> None:
    judged = np.concatenate([np.linspace(2.0, 1.0, 8), np.linspace(1.3, 1.6, after)])
    seen = case(train(decay(200, 2.0, 0.2, rate=2)), evals(judged, 160), profile="vision")
    (evidence,) = found(overfitting.RULE, seen)
    assert evidence.confidence == confidence
