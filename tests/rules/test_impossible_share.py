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
    assert "no score" in skipped(RULE, scored(np.linspace(0.4, 1.5, 30), "dice_loss"))


@pytest.mark.parametrize("tag", [
    "losses/dice", "train/dice_ce", "DiceCE", "BCEDice", "val/DiceFocal", "iou_cost", "iou_threshold", "iou_per_second",
    "dice_std", "mask_iou_ratio", "iou_x", "acc", "val/f1",
])  # fmt: skip
def test_names_of_other_quantities(tag):
    """A part of a loss, a threshold, a rate; and shares that may be in per cent, with nothing else to witness."""
    assert "no score" in skipped(RULE, scored(np.linspace(0.4, 1.8, 30), tag))


@pytest.mark.parametrize("tag", ["train/accuracy", "val_f1_macro", "epoch_binary_accuracy", "AUC"])
def test_a_loss_below_zero_is_a_second_witness(tag):
    values = series(tag, every(30), np.linspace(0.4, 1.8, 30))
    assert found(RULE, case(train(np.linspace(0.6, -1.5, 30)), extra=[values]))


def test_what_is_not_finite_is_no_value_above_one():
    assert not found(RULE, scored([0.5, 0.5, 0.5, np.inf, np.inf, np.inf]))


@pytest.mark.parametrize(("values", "fires"), [
    ([0.27, 0.27, 0.27, 1.5, 1.5, 1.5], False),  # small figures may be per cent
    ([0.33, 0.33, 0.33, 1.5, 1.5, 1.5], True),
    ([0.5, 0.5, 0.5, 1.5, 1.5, 3.3], False),
    ([0.5, 0.5, 0.5, 1.5, 1.5, 2.7], True),
])  # fmt: skip
def test_either_side_of_what_may_be_per_cent(values, fires):
    assert bool(found(RULE, scored(values))) is fires
