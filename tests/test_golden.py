"""The reports of some demo runs are what they were when somebody last looked; `make golden` makes them again."""

from __future__ import annotations

import difflib
import itertools
import json
from pathlib import Path

import pytest

from tests.golden import make

FAILED = Path(__file__).parent.parent / "test-results" / "golden"


@pytest.mark.parametrize("name", make.NAMES)
def test_report_is_the_golden_one(name: str) -> None:
    golden = (make.HERE / f"{name}.json").read_text(encoding="utf-8")
    now = make.written(name)
    if now != golden:
        FAILED.mkdir(parents=True, exist_ok=True)
        (FAILED / f"{name}.json").write_text(now, encoding="utf-8")
        # the assertion shows the first differences; the whole report is kept to be compared
        lines = difflib.unified_diff(golden.splitlines(), now.splitlines(), "golden", "now", lineterm="", n=0)
        raise AssertionError(
            f"{name}: the report changed, see test-results/golden/{name}.json; if it is meant to: make golden\n"
            + "\n".join(itertools.islice(lines, 30))
        )


@pytest.mark.parametrize("name", make.NAMES)
def test_golden_file_is_scrubbed(name: str) -> None:
    text = (make.HERE / f"{name}.json").read_text(encoding="utf-8")
    report = json.loads(text)
    assert report["tool"]["version"] == "0" and report["logdir"] == f"demo_logs/{name}"
    assert str(make.DEMOS.parent) not in text
    assert len(text) < 120_000


def test_no_golden_file_is_left_over() -> None:
    assert {path.stem for path in make.HERE.glob("*.json")} == set(make.NAMES)
