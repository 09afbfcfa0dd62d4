"""INT007: a share of right answers above one."""

import numpy as np
import pytest

from tb_evalguide.model import Severity
from tb_evalguide.rules.impossible_share import RULE

from ..support.checks import decay, every, found, severity, skipped, train
from ..support.phases import case, series


def scored(values, tag="epoch_iou_score"):
    return case(train(decay(30)), extra=[series(tag, every(len(values)), values)])


def test_masks_of_0_to_255():
    (evidence,) = found(RULE, scored(np.linspace(0.37, 1.5, 27)))
    assert severity(RULE, evidence) is Severity.MEDIUM and evidence.numbers["value"] == 1.5
    assert evidence.words == {"tag": "epoch_iou_score"} and evidence.tags == ("epoch_iou_score",)


@pytest.mark.parametrize(("values", "fires"), [
    (np.linspace(0.3, 1.01, 30), False),  # rounding
    (np.linspace(0.3, 1.2, 30), True),
    (np.linspace(0.3, 74.0, 30), False),  # per cent
    (np.linspace(1.1, 2.9, 30), False),  # never a share
    ([0.5, 0.6, 0.7, 1.5, 1.5], False),  # two points
    ([0.5, 0.6, 0.7, 1.5, 1.5, 1.5], True),
])  # fmt: skip
def test_limits(values, fires):
    assert bool(found(RULE, scored(values))) is fires


def test_losses_named_by_their_score_may_exceed_one():
    assert "no accuracy" in skipped(RULE, scored(np.linspace(0.4, 1.5, 30), "dice_loss"))
