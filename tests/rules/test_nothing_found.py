"""LRN006: F1, recall, IoU or mAP stay at nothing."""

import numpy as np
import pytest

from tb_evalguide.model import Severity
from tb_evalguide.rules.nothing_found import RULE, counts_found

from ..support.checks import decay, evals, every, found, severity, skipped, train
from ..support.phases import case, series


def measured(*curves, up=True):
    """A detector whose losses fall well; each curve is (tag, values)."""
    metrics = [(series(tag, every(len(values), 100), values), up) for tag, values in curves]
    return case(train(decay(200)), evals(decay(20), 100), metrics=metrics, profile="vision")


@pytest.mark.parametrize(("values", "variant"), [(np.zeros(12), "zero"), (np.linspace(0, 0.004, 12), "")])
def test_nothing_is_found_however_well_the_loss_falls(values, variant):
    (evidence,) = found(RULE, measured(("val/f1", values)))
    assert evidence.variant == variant and evidence.steps == (100, 1200) and evidence.words == {"metric": "val/f1"}
    assert severity(RULE, evidence) is Severity.MEDIUM and evidence.numbers == {"best": values.max(), "evals": 12}


@pytest.mark.parametrize(("top", "fires"), [(0.009, True), (0.011, False)])
def test_limit_of_nothing(top, fires):
    values = np.zeros(12)
    values[5] = top  # a single evaluation that found something is enough
    assert bool(found(RULE, measured(("val/iou", values)))) is fires


def test_too_few_evaluations_tell_nothing():
    assert found(RULE, measured(("metrics/mAP50(B)", np.zeros(8))))
    assert "8 evaluations" in skipped(RULE, measured(("metrics/mAP50(B)", np.zeros(7))))


def test_a_class_of_many_may_be_found_late():
    organs = ("val/dice_organ_1", np.linspace(0.1, 0.8, 12)), ("val/dice_organ_11", np.zeros(12))
    assert not found(RULE, measured(*organs))


def test_the_least_small_one_is_named_and_all_are_shown():
    (evidence,) = found(RULE, measured(("val/precision", np.full(12, 0.001)), ("val/recall", np.full(12, 0.005))))
    assert evidence.words == {"metric": "val/recall"} and evidence.tags == ("val/precision", "val/recall")


def test_a_loss_of_that_name_is_none():
    assert "no F1" in skipped(RULE, measured(("val/dice", np.zeros(12)), up=False))
    assert not found(RULE, measured(("val/dice", np.linspace(-0.9, 0, 12))))


@pytest.mark.parametrize(("tag", "counts"), [
    ("eval/f1", True),
    ("metrics/mAP50-95(B)", True),
    ("coco/bbox_mAP_50", True),
    ("val/meanIoU", True),
    ("val/accuracy", False),  # high where most answers are "no"
    ("recall@20", False),  # few of the first twenty can be right
    ("val/precision_10", False),
    ("eval/bleu", False),
])  # fmt: skip
def test_what_counts_as_found(tag, counts):
    assert counts_found(tag) is counts
