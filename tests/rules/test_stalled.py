"""JOB001: a log that ends before its plan."""

from dataclasses import replace

import numpy as np
import pytest

from tb_evalguide.model import LogFault, ReadNote, Severity, Source, Text
from tb_evalguide.rules.stalled import RULE

from ..support.phases import case, series, timed
from ..support.rules import fired, outcome

LAST = 1.7e9 + 36000.0


def run(planned=7200, age=20_000.0, kind="tfevents", notes=(), **more):
    """Ten hours with a point every 1000 s: silence counts from 10 000 s, and is news for ten hours."""
    steps = np.arange(100, 3700, 100)
    arguments = {"max_steps": planned} if planned else {}
    made = case(timed("train/loss", steps, 1.7e9 + steps * 10.0), arguments=arguments, **more)
    source = Source("events.1", kind, 36, notes)
    training = replace(made.training, runs=(replace(made.training.runs[0], sources=(source,)),))
    return replace(made, training=training, now=None if age is None else LAST + age)


def test_fires_high_while_it_is_news_and_medium_in_an_archive():
    live = fired(RULE, run())
    assert (live.severity, live.variant, live.steps) == (Severity.HIGH, "live", (3600, 3600))
    old = fired(RULE, run(age=30 * 86400.0))
    assert (old.severity, old.variant) == (None, "") and RULE.severity is Severity.MEDIUM


@pytest.mark.parametrize(("age", "said"), [(9_999, "passed"), (10_001, "fired")])
def test_either_side_of_ten_intervals(age, said):
    assert outcome(RULE, run(age=age)) == said


@pytest.mark.parametrize(("age", "severity"), [(34_999, Severity.HIGH), (35_001, None)])
def test_either_side_of_the_window_in_which_it_is_news(age, severity):
    # from the first to the last event 35 000 s passed
    assert fired(RULE, run(age=age)).severity is severity


@pytest.mark.parametrize(("planned", "said"), [(3789, "passed"), (3790, "fired")])
def test_either_side_of_the_share_that_must_be_missing(planned, said):
    assert outcome(RULE, run(planned=planned)) == said


def test_a_log_that_is_cut_or_a_snapshot_is_only_information():
    cut = (ReadNote("truncated", Text("x"), 10),)
    assert fired(RULE, run(notes=cut)).severity is Severity.INFO
    assert fired(RULE, run(kind="trainer_state")).severity is Severity.INFO


def test_passes_when_finished_or_when_an_error_explains_it():
    assert outcome(RULE, run(extra=[series("train/train_runtime", [3600], [1.0])])) == "passed"
    fault = LogFault("cuda", "a.log", 1, "x", LAST)
    assert outcome(RULE, run(log_faults=(fault,))) == "passed"


def test_skipped_without_a_plan_or_a_clock():
    assert outcome(RULE, run(planned=None)) == "skipped"
    assert outcome(RULE, run(age=None)) == "skipped"


@pytest.mark.parametrize(("age", "said"), [(1_750, "passed"), (1_850, "fired")])
def test_half_an_hour_is_the_least_silence_that_counts(age, said):
    """A point every ten seconds."""
    steps = np.arange(1, 400)
    quick = case(timed("train/loss", steps, LAST - 10.0 * steps[::-1]), arguments={"max_steps": 1000}, now=LAST + age)
    assert outcome(RULE, quick) == said
