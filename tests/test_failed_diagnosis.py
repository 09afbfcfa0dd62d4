"""One run that the diagnosis trips over: it says so, and every other run keeps its report."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

import tb_evalguide as tbe
from tb_evalguide import cli, report
from tb_evalguide.errors import BadOption
from tb_evalguide.i18n import LANGUAGES
from tb_evalguide.model import RunReport, Training
from tests import test_plugin
from tests.support.writer import EventWriter

ROWS = [*((step, 3 - step / 100) for step in range(1, 101)), *((step, 2.9 - step / 100) for step in range(60, 121))]


def write(folder: Path, start: float = 2.5) -> Path:
    with EventWriter(folder) as writer:
        for step in range(1, 41):
            writer.scalars({"train/loss": start / step, "eval/loss": start / step}, step)
    return folder


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    for name in ("a", "broken", "c"):
        write(tmp_path / name)
    return tmp_path


@pytest.fixture
def broken_diagnosis(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = report.diagnose_training

    def diagnose(training: Training, *rest: Any) -> RunReport:
        if training.name == "broken":
            raise ZeroDivisionError("nobody foresaw this")
        return whole(training, *rest)

    monkeypatch.setattr(report, "diagnose_training", diagnose)


@pytest.fixture
def broken_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes after the diagnosis: the entry of the contract."""
    whole = report.restarts_of

    def restarts_of(run: RunReport) -> list[dict[str, Any]]:
        if any(series for r in run.training.runs for series in r.series) and run.run == "broken":
            raise ZeroDivisionError("nobody foresaw this")
        return whole(run)

    monkeypatch.setattr(report, "restarts_of", restarts_of)


def check(entries: list[dict[str, Any]]) -> None:
    by_name = {entry["run"]: entry for entry in entries}
    assert set(by_name) == {"a", "broken", "c"}
    verdict = by_name["broken"]["verdict"]
    assert (verdict["label"], verdict["level"]) == ("insufficient_data", "unknown")
    assert "ZeroDivisionError" in verdict["headline"] and "report" in verdict["headline"]
    assert by_name["a"]["verdict"]["level"] == by_name["c"]["verdict"]["level"] != "unknown"
    assert set(by_name["broken"]) == set(by_name["a"])  # the contract's keys, all of them
    path = by_name["a"]["sources"][0]["path"].replace("a/", "broken/")
    assert by_name["broken"]["sources"] == [{**by_name["a"]["sources"][0], "path": path}]
    assert {c["rule"] for c in by_name["broken"]["checks"]} == {c["rule"] for c in by_name["a"]["checks"]}


@pytest.mark.parametrize("where", ["broken_diagnosis", "broken_entry"])
def test_the_api_reports_the_other_runs(where: str, logs: Path, request: pytest.FixtureRequest) -> None:
    request.getfixturevalue(where)
    check(tbe.diagnose(logs).to_dict("en", curves=20)["runs"])


@pytest.mark.parametrize("where", ["broken_diagnosis", "broken_entry"])
@pytest.mark.parametrize("format", cli.FORMATS)
def test_the_command_reports_the_other_runs(
    where: str, format: str, logs: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    request.getfixturevalue(where)
    status = cli.main(["report", str(logs), "--format", format, "--lang", "en", "--full"])
    out, err = capsys.readouterr()
    assert (status, err) == (0, "")
    assert ("ZeroDivisionError" in out) == (format != "sarif")  # SARIF lists findings, and this is none
    if format == "json":
        check(json.loads(out)["runs"])


@pytest.mark.parametrize("command", ["rank", "compare"])
def test_the_other_commands_go_on(
    command: str, logs: Path, broken_diagnosis: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([command, str(logs)]) == 0
    assert "broken" in capsys.readouterr().out


def test_the_traceback_is_in_the_debug_log(
    logs: Path, broken_diagnosis: None, capsys: pytest.CaptureFixture[str]
) -> None:
    level = logging.getLogger("tb_evalguide").level
    assert cli.main(["report", str(logs), "--debug"]) == 0
    assert "nobody foresaw this" in capsys.readouterr().err
    assert cli.main(["report", str(logs)]) == 0
    assert capsys.readouterr().err == "" and logging.getLogger("tb_evalguide").level == level


@pytest.mark.parametrize("where", ["broken_diagnosis", "broken_entry"])
def test_the_tab_shows_the_other_runs(where: str, logs: Path, request: pytest.FixtureRequest) -> None:
    request.getfixturevalue(where)
    plugin = test_plugin.make(logs)
    assert test_plugin.ready(plugin)["runs"] == 3
    for lang in LANGUAGES:
        answer = test_plugin.ask(plugin, f"/api/report?view=overview&lang={lang}")
        assert answer.status_code == 200 and len(answer.get_json()["runs"]) == 3
    check(test_plugin.ask(plugin, "/api/report?lang=en").get_json()["runs"])
    check(test_plugin.ask(plugin, "/api/report?run=a&run=broken&run=c&lang=en").get_json()["runs"])


def test_a_request_that_fails_is_answered(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = test_plugin.make(logs)
    test_plugin.ready(plugin)
    monkeypatch.setattr(report, "curve_to_dict", lambda *_: 1 / 0)
    answer = test_plugin.ask(plugin, "/api/series?run=a&from=0&to=10")
    assert answer.status_code == 500 and "ZeroDivisionError" in answer.get_json()["error"]


def test_an_error_of_the_user_is_not_taken_for_ours(logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def diagnose(*_: Any) -> RunReport:
        raise BadOption(option="x", reason="y")

    monkeypatch.setattr(report, "diagnose_training", diagnose)
    with pytest.raises(BadOption):
        tbe.diagnose(logs)


# --- logs that had brought the whole report down -------------------------------------------------------------------


def verdict(folder: Path) -> dict[str, Any]:
    (entry,) = tbe.diagnose(folder).to_dict("en", curves=20)["runs"]
    assert "failed" not in entry["verdict"]["headline"], entry["verdict"]
    found: dict[str, Any] = entry
    return found


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("metrics.csv", "step,train_loss\n" + "".join(f"{s},{v}\n" for s, v in ROWS)),
        ("metrics.jsonl", "".join(json.dumps({"step": s, "train_loss": v}) + "\n" for s, v in ROWS)),
        ("trainer_state.json", json.dumps({"log_history": [{"step": s, "loss": v} for s, v in ROWS]})),
    ],
)
def test_a_resumed_log_without_wall_times(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    entry = verdict(tmp_path)
    assert [(r["step"], r["last_step"]) for r in entry["restarts"]] == [(60, 100)]
    assert "train_loss" in entry["roles"]


def test_a_table_that_was_appended_to_twice(tmp_path: Path) -> None:
    once = "step,train_loss\n" + "".join(f"{s},{3 - s / 100}\n" for s in range(1, 101))
    (tmp_path / "metrics.csv").write_text(once * 3)
    assert [r["step"] for r in verdict(tmp_path)["restarts"]] == [1, 1]


@pytest.mark.parametrize("wall_time", [float("nan"), float("inf"), -1e300, 1e300])
def test_wall_times_that_are_no_times(wall_time: float, tmp_path: Path) -> None:
    with EventWriter(tmp_path) as writer:
        for step, value in ROWS:
            writer.scalar("train/loss", value, step, wall_time)
    assert [r["step"] for r in verdict(tmp_path)["restarts"]] == [60]


@pytest.mark.parametrize("number", [10**400, -(10**400), 1e308, "9" * 500, "1e999"])
def test_arguments_that_no_float_holds(number: object, tmp_path: Path) -> None:
    names = ("per_device_train_batch_size", "learning_rate", "num_train_epochs", "max_steps", "warmup_steps")
    with EventWriter(tmp_path) as writer:
        writer.text("args/text_summary", json.dumps(dict.fromkeys(names, number)), 0)
        for step in range(1, 61):
            writer.scalar("train/loss", 2.5 * 0.97**step, step)
            if step % 5 == 0:
                writer.scalar("eval/loss", 2.5 * 0.97**step + (step / 20) ** 2, step)
    findings = verdict(tmp_path)["findings"]
    assert any(finding["remedies"] for finding in findings)  # which had been computed from the arguments


@pytest.mark.parametrize(
    ("train", "evals"),
    [
        ([1e308, -1e308] * 20, [2.0] * 40),
        ([1e308, -1e308] * 20, [1e308, -1e308] * 20),
        ([1e308] * 40, [1e308] * 40),
        ([-1e308] * 40, None),
        ([5e-324] * 40, [2.0] * 40),
    ],
)
def test_losses_at_the_ends_of_what_a_float_holds(
    train: list[float], evals: list[float] | None, tmp_path: Path
) -> None:
    (tmp_path / "log.jsonl").write_text(
        "".join(
            json.dumps({"step": step, "train_loss": value, "eval_accuracy": value, "eval_loss": evals and evals[step]})
            + "\n"
            for step, value in enumerate(train)
        )
    )
    verdict(tmp_path)
