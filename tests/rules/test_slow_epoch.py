"""CST001: five hours an epoch or more (guide P3)."""

import numpy as np
import pytest

import tb_evalguide as tbe
from tb_evalguide.model import Severity
from tb_evalguide.rules.slow_epoch import RULE

from ..support.phases import case, series, timed
from ..support.rules import fired, outcome
from ..support.writer import EventWriter


def run(hours, epochs=1.0, profile="guide", pause=0.0):
    steps = np.arange(10, 510, 10)
    share = steps / 500 * epochs
    times = 1.7e9 + share * hours * 3600
    times[25:] += pause
    return case(timed("train/loss", steps, times), epoch=series("epoch", steps, share), profile=profile)


@pytest.mark.parametrize(("hours", "said"), [(4.99, "passed"), (5.0001, "fired"), (20, "fired")])
def test_either_side_of_five_hours(hours, said):
    assert outcome(RULE, run(hours)) == said


@pytest.mark.parametrize(("hours", "label"), [(4.999, "healthy"), (5.0, "slow"), (5.01, "slow")])
def test_exactly_five_hours_from_a_file(hours, label, tmp_path):
    """Event files hold the epoch as float32: an epoch of five hours comes back as 17999.99998 s."""
    with EventWriter(tmp_path) as writer:
        for i in range(101):
            values = {"train/loss": 2.5 * 0.99**i, "train/epoch": i / 50}
            if i and i % 25 == 0:
                values["eval/loss"] = 2.5 * 0.99**i + 0.05
            writer.scalars(values, i * 10, 1.7e9 + i * hours * 72)
    assert tbe.diagnose(tmp_path, profile="guide", now=None).runs[0].verdict.label == label


def test_says_the_run_s_own_numbers():
    evidence = fired(RULE, run(10))
    assert evidence.numbers["hours"] == pytest.approx(10)
    assert evidence.numbers["seconds_per_step"] == pytest.approx(72)


def test_a_pause_is_not_counted():
    assert outcome(RULE, run(1, pause=86400.0)) == "passed"


@pytest.mark.parametrize(("epochs", "said"), [(0.09, "skipped"), (0.12, "fired")])
def test_either_side_of_a_tenth_of_an_epoch(epochs, said):
    assert outcome(RULE, run(10, epochs)) == said


def test_pretraining_is_meant_to_take_long():
    assert fired(RULE, run(50, profile="pretrain")).severity is Severity.INFO


def test_skipped_when_no_epoch_is_known():
    steps = np.arange(10, 510, 10)
    assert outcome(RULE, case(timed("train/loss", steps, 1.7e9 + steps * 100.0))) == "skipped"
