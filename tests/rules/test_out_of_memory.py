"""MEM001: the message in a log file, and what the run did afterwards."""

import numpy as np
import pytest

from tb_evalguide.diagnosis import message_of
from tb_evalguide.i18n import render
from tb_evalguide.model import LogFault, Severity
from tb_evalguide.rules.out_of_memory import RULE

from ..support.phases import case, timed
from ..support.rules import fired, outcome

LAST = 1.7e9 + 1000.0


def run(*faults, planned=2000, files=("nohup.out",)):
    steps = np.arange(100, 1100, 100)
    train = timed("train/loss", steps, 1.7e9 + steps * 1.0)
    return case(train, log_faults=faults, log_files=files, arguments={"max_steps": planned})


def oom(age=5.0, kind="out_of_memory"):
    return LogFault(kind, "nohup.out", 42, "CUDA out of memory. {tried}", LAST + age)


def test_fires_and_quotes_the_line():
    evidence = fired(RULE, run(oom()))
    assert evidence.severity is None and evidence.steps == (1000, 1000)
    said = render(message_of(RULE, evidence))
    assert said == "Out of memory after step 1000: nohup.out, line 42: CUDA out of memory. {tried}"


def test_passes_with_a_clean_log_and_with_another_error():
    assert outcome(RULE, run()) == "passed"
    assert outcome(RULE, run(oom(kind="python"))) == "passed"


def test_skipped_without_a_log_file():
    assert outcome(RULE, run(files=())) == "skipped"


@pytest.mark.parametrize(("age", "variant"), [(-119.0, ""), (-121.0, "survived")])
def test_either_side_of_the_slack_between_log_file_and_last_event(age, variant):
    assert fired(RULE, run(oom(age))).variant == variant


def test_a_run_that_came_to_its_end_got_over_it():
    evidence = fired(RULE, run(oom(), planned=1000))
    assert evidence.severity is Severity.INFO and evidence.variant == "survived"


def test_remedies_are_the_guide_s_in_its_order():
    assert [r.setting for r in RULE.remedies][:4] == [
        "per_device_train_batch_size",
        "gradient_checkpointing",
        "bf16",
        "max_length",
    ]
