"""RST003: two trainings in one folder."""

import pytest

from tb_evalguide.model import Role, Severity
from tb_evalguide.rules.reused_directory import RULE

from ..support.checks import decay, every, found, resumed, severity, skipped, train
from ..support.phases import case, series


def twice(first, second, interval=10):
    return resumed("loss", [(every(first, interval), decay(first)), (every(second, interval), decay(second, seed=1))])


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (40, 10, Severity.MEDIUM),
        (4, 4, Severity.MEDIUM),
        (3, 4, Severity.INFO),
        (10, 2, Severity.MEDIUM),
        (10, 1, Severity.INFO),
        (20, 100, Severity.MEDIUM),
        (19, 100, Severity.INFO),
    ],
)
def test_how_much_was_abandoned(first, second, expected):
    (evidence,) = found(RULE, case(twice(first, second)))
    assert severity(RULE, evidence) is expected
    assert evidence.numbers["abandoned"] == first and evidence.numbers["later"] == second


def test_the_epoch_tells_when_the_losses_have_other_names():
    """Two programs, two tags: only the epoch is written by both."""
    epochs = resumed(
        "epoch", [(every(18, 50), [i // 2 for i in range(18)]), (every(14, 50), [i // 2 for i in range(14)])]
    )
    (evidence,) = found(RULE, case(train(decay(9), 50), roles={Role.EPOCH: epochs}))
    assert evidence.tags == ("epoch",) and severity(RULE, evidence) is Severity.MEDIUM


def test_a_step_counter_that_begins_again_every_epoch():
    parts = [(every(30, 1, 0), decay(30, seed=k)) for k in range(5)]
    (evidence,) = found(RULE, case(resumed("loss", parts)))
    assert evidence.variant == "repeated" and evidence.numbers["starts"] == 4


@pytest.mark.parametrize("back_to", [2, 5, 30, 39])
def test_a_resume_is_none_however_early(back_to):
    """Logged every 10 steps from 10 on; resumed from the checkpoint of step 20 (and later ones)."""
    steps, values = every(60), decay(60)
    loss = resumed("loss", [(steps[:40], values[:40]), (steps[back_to:], values[back_to:])])
    assert not found(RULE, case(loss))


def test_a_clean_log_passes():
    assert not found(RULE, case(train(decay(40))))
    assert "neither a loss" in skipped(RULE, case(extra=[series("accuracy", [1, 2], [0.1, 0.2])]))


def test_a_last_test_logged_at_step_zero_is_no_training():
    """Lightning's trainer.test() writes the epoch once more, at step 0."""
    epochs = resumed("epoch", [(every(40), [i // 10 for i in range(40)]), ([0], [3])])
    it = found(RULE, case(train(decay(40)), roles={Role.EPOCH: epochs}))
    assert [severity(RULE, e) for e in it] == [Severity.INFO]


@pytest.mark.parametrize("role", [Role.TRAIN_ACCURACY, Role.EVAL_ACCURACY, Role.EVAL_METRIC, Role.REWARD])
def test_a_metric_tells_where_no_loss_was_logged(role):
    passes = resumed("accuracy", [(every(18, 1, 0), decay(18, 0.6, 0.9)), (every(20, 1, 0), decay(20, 0.6, 0.9))])
    (evidence,) = found(RULE, case(roles={role: passes}))
    assert severity(RULE, evidence) is Severity.MEDIUM and evidence.tags == ("accuracy",)


def test_a_metric_written_by_the_batch_of_each_evaluation_is_no_training():
    passes = resumed("eval/accuracy", [(range(20), decay(20, 0.6, 0.9)) for _ in range(8)])
    assert not found(RULE, case(train(decay(200)), roles={Role.EVAL_ACCURACY: passes}))


@pytest.mark.parametrize(("parts", "expected"), [(3, Severity.INFO), (4, Severity.MEDIUM)])
def test_after_three_fresh_starts_a_single_point_is_another_training(parts, expected):
    logged = [(every(12, 1, 0), decay(12, seed=k)) for k in range(parts - 1)] + [([0], [3.0])]
    (evidence,) = found(RULE, case(resumed("loss", logged)))
    assert evidence.numbers["starts"] == parts - 1 and evidence.numbers["later"] == 1
    assert severity(RULE, evidence) is expected
