"""Every run of demo_logs/ gets the verdict that its README line promises, and the ideal ones come out clean."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest

import tb_evalguide as tbe

DEMOS = Path(__file__).parent.parent / "demo_logs"
LATER = 1_770_000_000.0  # a month after the clock of the demo runs
LINE = re.compile(r"^\| `(\w+)` \| (\w+) \| (.+) \|$", re.MULTILINE)
PROMISED = {name: verdict for name, verdict, _ in LINE.findall((DEMOS / "README.md").read_text(encoding="utf-8"))}
LABELS = {
    "healthy", "overfitting", "underfitting", "lr_too_high", "lr_too_low", "divergence", "nan", "spike", "oscillation",
    "exploding_gradients", "vanishing_gradients", "plateau", "lr_schedule", "resume_jump", "stalled", "out_of_memory",
    "slow", "data_integrity", "insufficient_data",
}  # fmt: skip


@functools.lru_cache
def report(name: str) -> dict[str, object]:
    (run,) = tbe.diagnose(DEMOS / name, now=LATER).to_dict()["runs"]
    return run


def test_there_is_a_run_for_every_label() -> None:
    assert set(PROMISED.values()) == LABELS


def test_readme_lists_the_folders_that_are_there() -> None:
    assert set(PROMISED) == {path.name for path in DEMOS.iterdir() if path.is_dir() and path.name != "__pycache__"}


@pytest.mark.parametrize("name", PROMISED)
def test_verdict(name: str) -> None:
    run = report(name)
    assert run["verdict"]["label"] == PROMISED[name], run["verdict"]["headline"]


@pytest.mark.parametrize("name", [name for name, verdict in PROMISED.items() if verdict == "healthy"])
def test_nothing_is_said_against_a_healthy_run(name: str) -> None:
    loud = [finding["message"] for finding in report(name)["findings"] if finding["severity"] != "info"]
    assert report(name)["verdict"]["level"] == "ok" and not loud, loud


def test_all_signals_of_the_ideal_run_hold() -> None:
    states = {signal["id"]: signal["state"] for signal in report("ideal")["signals"]}
    assert states == {f"Z{number}": "pass" for number in range(1, 8)}


def test_folders_are_small() -> None:
    for name in PROMISED:
        size = sum(path.stat().st_size for path in (DEMOS / name).rglob("*") if path.is_file())
        assert 0 < size < 200_000, (name, size)


def test_nothing_in_the_logs_names_the_machine_they_were_made_on() -> None:
    suspicious = re.compile(rb"/(?:tmp|home|root|work|usr)/")
    for path in DEMOS.rglob("*"):
        if path.is_file() and path.suffix not in (".py", ".pyc"):
            assert not suspicious.search(path.read_bytes()), path
