"""JOB002: errors other than a lack of memory."""

import numpy as np
import pytest

from tb_evalguide.model import LogFault, Severity
from tb_evalguide.rules.crash import RULE

from ..support.phases import case, timed
from ..support.rules import fired, outcome

LAST = 1.7e9 + 1000.0


def run(*faults, planned=2000, files=("job.log",)):
    steps = np.arange(100, 1100, 100)
    return case(
        timed("train/loss", steps, 1.7e9 + steps * 1.0),
        log_faults=faults,
        log_files=files,
        arguments={"max_steps": planned},
    )


def fault(kind, age=5.0, line=1):
    return LogFault(kind, "job.log", line, f"a line of {kind}", LAST + age)


@pytest.mark.parametrize(
    ("kind", "variant"),
    [("python", ""), ("cuda", ""), ("nccl", "nccl"), ("disk_full", "disk_full"), ("killed", "killed")],
)
def test_fires_by_kind(kind, variant):
    evidence = fired(RULE, run(fault(kind)))
    assert (evidence.variant, evidence.severity) == (variant, None)


def test_what_the_system_did_says_more_than_the_traceback():
    assert fired(RULE, run(fault("disk_full", line=3), fault("python", line=9))).numbers["line"] == 3


def test_passes_without_an_error_and_leaves_a_lack_of_memory_to_its_own_rule():
    assert outcome(RULE, run()) == "passed"
    assert outcome(RULE, run(fault("out_of_memory"), fault("python"))) == "passed"


def test_skipped_without_a_log_file():
    assert outcome(RULE, run(files=())) == "skipped"


@pytest.mark.parametrize(("age", "severity"), [(-119.0, None), (-121.0, Severity.INFO)])
def test_either_side_of_the_slack(age, severity):
    assert fired(RULE, run(fault("cuda", age))).severity is severity


def test_a_finished_run_got_over_it():
    assert fired(RULE, run(fault("cuda"), planned=1000)).severity is Severity.INFO
