"""LRN006: F1, recall, IoU or mAP stay at nothing."""

import numpy as np
import pytest

from tb_evalguide.model import Role, Severity
from tb_evalguide.rules.nothing_found import RULE, counts_found

from ..support.checks import cosine, decay, evals, every, found, rate, severity, skipped, train
from ..support.phases import case, series


def measured(*curves, up=True, **more):
    """A detector whose losses fall well; each curve is (tag, values)."""
    metrics = [(series(tag, every(len(values), 100), values), up) for tag, values in curves]
    return case(train(decay(200)), evals(decay(20), 100), metrics=metrics, profile="vision", **more)


def barely(top=0.004, n=12):
    return np.where(np.arange(n) % 4 == 2, top, 0.0)


@pytest.mark.parametrize(("values", "variant"), [(np.zeros(12), "zero"), (barely(), "")])
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


@pytest.mark.parametrize(("tag", "values"), [
    ("val/dice_organ_1", np.linspace(0.1, 0.8, 12)),  # a class of many may be found late
    ("val/mean_iou", np.linspace(0.1, 0.8, 3)),  # nor need it be evaluated as often
    ("val/exact_match", np.linspace(0.1, 0.8, 12)),
    ("val/auroc", np.linspace(0.5, 0.9, 12)),  # only the threshold is off
    ("val/recall@20", np.linspace(0.1, 0.4, 12)),
])  # fmt: skip
def test_where_another_metric_shows_that_it_answers_nothing_is_said(tag, values):
    assert not found(RULE, measured((tag, values), ("val/dice", np.zeros(12))))


@pytest.mark.parametrize(("last", "fires"), [(0.515, True), (0.525, False)])
def test_limit_of_what_an_accuracy_gained(last, fires):
    """Guessing the largest class is right in many cases from the first evaluation on."""
    right = {Role.EVAL_ACCURACY: series("val/accuracy", every(12, 100), np.linspace(0.5, last, 12))}
    right[Role.EVAL_ACCURACY].values[-4:] = last
    assert bool(found(RULE, measured(("val/f1", np.zeros(12)), roles=right))) is fires


def test_what_is_found_on_the_training_data_is_no_nothing():
    seen = series("train/f1", every(12, 100), np.linspace(0.1, 0.95, 12))
    assert not found(RULE, measured(("val/f1", np.zeros(12)), extra=[seen]))


@pytest.mark.parametrize(("values", "fires"), [
    (np.linspace(0, 0.009, 12), False),
    (np.array([2, 1, 5, 3, 4, 7, 6, 8]) / 1000, False),  # p = 0.009
    (np.array([3, 2, 4, 1, 6, 5, 7, 8]) / 1000, True),  # p = 0.018
    (np.concatenate([np.linspace(0, 0.009, 10), [0.008, 0.008]]), True),  # it rises no more
    (np.concatenate([barely(n=11), [0.004]]), True),  # the last is best, but there is no trend
])  # fmt: skip
def test_one_that_is_still_rising_is_left_alone(values, fires):
    assert bool(found(RULE, measured(("val/map", values)))) is fires


@pytest.mark.parametrize(("tag", "values"), [
    ("val/map_small", np.full(12, -1.0)),  # no such object in the set
    ("val/precision", np.full(12, 16.0)),  # bits
])  # fmt: skip
def test_sentinels_and_settings_hide_nothing(tag, values):
    assert found(RULE, measured((tag, values), ("val/map", np.zeros(12))))
    assert "no F1" in skipped(RULE, measured((tag, values)))


def test_the_least_small_one_is_named_and_all_are_shown():
    (evidence,) = found(RULE, measured(("val/precision", np.full(12, 0.001)), ("val/recall", np.full(12, 0.005))))
    assert evidence.words == {"metric": "val/recall"} and evidence.tags == ("val/precision", "val/recall")


def test_young_runs_are_left_alone():
    nothing = ("val/f1", np.zeros(12))
    assert "warm-up" in skipped(RULE, measured(nothing, lr=rate(np.linspace(0, 1e-4, 120))))
    assert "cut short" in skipped(RULE, measured(nothing, lr=rate(cosine(400, warmup=10)[:100])))
    assert found(RULE, measured(nothing, lr=rate(cosine(400, warmup=10))))


def test_one_that_is_better_when_smaller_is_none():
    assert "no F1" in skipped(RULE, measured(("val/dice", np.zeros(12)), up=False))


@pytest.mark.parametrize(("tag", "counts"), [
    ("eval/f1", True),
    ("val/F1Score", True),
    ("metrics/mAP50-95(B)", True),
    ("metrics/mAP@0.5", True),
    ("DetectionBoxes_Precision/mAP@.50IOU", True),
    ("coco/bbox_mAP_50", True),
    ("val/AP50", True),
    ("val/meanIoU", True),
    ("val/dice_organ_11", True),
    ("epoch_precision_1", True),  # Keras numbers its metrics
    ("val/accuracy", False),  # high where most answers are "no"
    ("recall@20", False),  # few of the first twenty can be right
    ("val/precision_10", False),
    ("val/recall_at_20", False),
    ("val/recall_at20", False),
    ("val/map_at_10", False),
    ("val/map@10", False),
    ("val/precision_at_k", False),
    ("val/top20_recall", False),
    ("val/recall_gap", False),  # near 0 is good
    ("val/f1_stderr", False),
    ("val/1-dice", False),
    ("val/depth_map", False),  # a picture
    ("eval/bleu", False),
])  # fmt: skip
def test_what_counts_as_found(tag, counts):
    assert counts_found(tag) is counts


def test_games_find_nothing():
    assert "rl" in RULE.not_in
