"""The command line: what it prints, its exit status, and one clear line for every input that cannot be read."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tb_evalguide import cli, commands
from tb_evalguide.version import __version__
from tests.support.writer import EventWriter

C1 = ((10, 2.50, 2.55), (50, 2.10, 2.15), (100, 1.70, 1.80), (150, 1.40, 1.50), (200, 1.15, 1.25), (250, 0.95, 1.10))
C2 = ((10, 2.50, 2.55), (50, 2.10, 2.15), (100, 1.70, 1.80), (150, 1.40, 1.55), (200, 1.15, 1.60), (250, 0.90, 1.75))


def write(folder: Path, rows: tuple[tuple[int, float, float], ...] = C2) -> Path:
    with EventWriter(folder) as writer:
        for step, train, evaluated in rows:
            writer.scalars({"train/loss": train, "eval/loss": evaluated}, step)
    return folder


def run(*arguments: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """(status, stdout, stderr)"""
    status = cli.main([str(argument) for argument in arguments])
    out = capsys.readouterr()
    return status, out.out, out.err


def assert_one_line(err: str) -> None:
    assert err.endswith("\n") and err.count("\n") == 1 and err.startswith("tb-evalguide"), err
    assert "Traceback" not in err and "internal error" not in err, err


# --- the report ----------------------------------------------------------------------------------------------------


def test_report_shows_the_verdict_and_exits_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "overfit")
    status, out, err = run("report", tmp_path, "--lang", "en", "--profile", "guide", capsys=capsys)
    assert (status, err) == (0, "")
    for expected in ("overfit", "overfitting", "eval/loss", "★", "Judgement", "Signals"):
        assert expected in out
    assert "\x1b" not in out  # not a terminal: not one escape


@pytest.mark.parametrize("format", cli.FORMATS)
def test_every_format_is_well_formed(format: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "a")
    write(tmp_path / "b", C1)
    status, out, err = run("report", tmp_path, "--format", format, "--lang", "en", capsys=capsys)
    assert (status, err) == (0, "")
    assert out.endswith("\n")
    if format == "json":
        data = json.loads(out, parse_constant=lambda name: pytest.fail(f"bare {name}"))
        assert [entry["run"] for entry in data["runs"]] == ["a", "b"]  # worst first
        assert data["format_version"] == 1
    elif format == "jsonl":
        assert {json.loads(line)["run"] for line in out.splitlines()} == {"a", "b"}
    elif format == "csv":
        assert [row["run"] for row in csv.DictReader(io.StringIO(out))] == ["a", "b"]


def test_output_goes_to_a_file_that_is_whole_or_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "logs" / "a")
    target = tmp_path / "report.json"
    status, out, err = run("report", tmp_path / "logs", "--format", "json", "-o", target, capsys=capsys)
    assert (status, out, err) == (0, "", "")
    assert json.loads(target.read_text(encoding="utf-8"))["runs"][0]["run"] == "a"
    status, out, err = run("report", tmp_path / "logs", "-o", tmp_path / "no" / "folder" / "x", capsys=capsys)
    assert status == 2
    assert_one_line(err)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["logs", "report.json"]


@pytest.mark.parametrize(
    ("rows", "level", "status"),
    [(C2, "bad", 1), (C2, "warn", 1), (C2, "info", 1), (C1, "bad", 0), (C1, "warn", 0), (C2, None, 0)],
)
def test_fail_on(
    rows: tuple[tuple[int, float, float], ...],
    level: str | None,
    status: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(tmp_path / "a", rows)
    for format in ("terminal", "jsonl"):
        options = ["--fail-on", level] if level else []
        assert run("report", tmp_path, "--profile", "guide", "--format", format, *options, capsys=capsys)[0] == status


def test_at_step_shows_what_was_known_then(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "a")

    def label(*options: object) -> str:
        _, out, _ = run("report", tmp_path, "--profile", "guide", "--format", "json", *options, capsys=capsys)
        found: str = json.loads(out)["runs"][0]["verdict"]["label"]
        return found

    assert label() == "overfitting"
    assert label("--at-step", 100) != "overfitting"
    _, out, _ = run("report", tmp_path, "--format", "json", "--at-step", 100, capsys=capsys)
    assert json.loads(out)["runs"][0]["status"]["last_step"] == 100


def test_only_the_runs_that_were_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("lr-1", "lr-2", "other"):
        write(tmp_path / name, C1)

    def names(*patterns: str) -> list[str]:
        options = [option for pattern in patterns for option in ("--run", pattern)]
        _, out, _ = run("report", *options, tmp_path, "--format", "json", capsys=capsys)
        return sorted(entry["run"] for entry in json.loads(out)["runs"])

    assert names("other") == ["other"]
    assert names("lr-*") == ["lr-1", "lr-2"]
    assert names("lr-1", "other") == ["lr-1", "other"]
    status, _, err = run("report", tmp_path, "--run", "nothing", capsys=capsys)
    assert status == 2
    assert_one_line(err)
    assert "lr-1" in err


def test_roles_rules_and_profile_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with EventWriter(tmp_path / "a") as writer:
        for step, train, evaluated in C2:
            writer.scalars({"x": train, "y": evaluated}, step)
    given = (
        "report",
        tmp_path,
        "--format",
        "json",
        "--profile",
        "guide",
        "--role",
        "train_loss=x",
        "--role",
        "eval_loss=y",
    )
    _, out, _ = run(*given, capsys=capsys)
    entry = json.loads(out)["runs"][0]
    assert entry["roles"]["eval_loss"]["tag"] == "y"
    assert entry["profile"] == {**entry["profile"], "id": "guide", "chosen_by": "user"}
    assert any(finding["rule"].startswith("OVF") for finding in entry["findings"])
    _, out, _ = run(*given, "--ignore", "OVF", capsys=capsys)
    assert not any(finding["rule"].startswith("OVF") for finding in json.loads(out)["runs"][0]["findings"])
    _, out, _ = run(*given, "--select", "OVF", capsys=capsys)
    outcomes = {check["rule"]: check["outcome"] for check in json.loads(out)["runs"][0]["checks"]}
    assert all(outcome == "skipped" for rule, outcome in outcomes.items() if not rule.startswith("OVF"))


@pytest.mark.parametrize(
    "options",
    [
        ("--role", "train_loss"),
        ("--role", "no_such_role=x"),
        ("--ignore", "NOPE999"),
        ("--select", "NOPE999"),
        ("--config", "no-such-file.toml"),
        ("--profile", "no-such-profile"),
        ("--format", "docx"),
        ("--at-step", "-3"),
        ("--at-step", "soon"),
        ("--jobs", "0"),
        ("--no-such-option",),
    ],
)
def test_wrong_options_are_one_line(
    options: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "a")
    status, out, err = run("report", tmp_path, *options, capsys=capsys)
    assert (status, out) == (2, "")
    assert_one_line(err)


# --- input that cannot be read -------------------------------------------------------------------------------------


def test_a_missing_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run("report", tmp_path / "nothing here", capsys=capsys)
    assert (status, out) == (2, "")
    assert_one_line(err)
    assert "nothing here" in err


def test_an_empty_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run("report", tmp_path, capsys=capsys)
    assert (status, out) == (2, "")
    assert_one_line(err)


def test_a_folder_without_logs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "train.py").write_text("print('hello')\n")
    (tmp_path / "README.md").write_text("# hello\n")
    status, out, err = run("report", tmp_path, capsys=capsys)
    assert (status, out) == (2, "")
    assert_one_line(err)


def test_only_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with EventWriter(tmp_path / "a") as writer:
        for step in range(5):
            writer.image("sample", step)
    status, out, err = run("report", tmp_path, capsys=capsys)
    assert (status, out) == (2, "")
    assert_one_line(err)
    assert "images" in err


def test_a_file_that_is_no_event_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "events.out.tfevents.1.host").write_bytes(b"version https://git-lfs.github.com/spec/v1\n" * 20)
    status, out, err = run("report", tmp_path, "--lang", "en", capsys=capsys)
    assert "Traceback" not in err
    assert status == 2 or "not enough data" in out
    assert out or err


def as_nobody(good: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """The command by a user who may not read everything; root's rights are put down after one run has loaded all."""
    code = (
        "import os, sys; from tb_evalguide.cli import main;"
        f"sys.stdout = open(os.devnull, 'w'); main(['report', {str(good)!r}]); sys.stdout = sys.__stdout__;"
        "os.geteuid() or os.seteuid(65534);"
        f"sys.exit(main({[str(argument) for argument in arguments]!r}))"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_an_unreadable_file_does_not_hide_the_others(open_folder: Path) -> None:
    write(open_folder / "good", C1)
    write(open_folder / "locked", C1)
    locked = next((open_folder / "locked").iterdir())
    locked.chmod(0)
    done = as_nobody(open_folder / "good", "report", open_folder, "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    entries = {entry["run"]: entry for entry in json.loads(done.stdout)["runs"]}
    assert entries["good"]["verdict"]["label"] == "healthy"
    if "locked" in entries:
        assert entries["locked"]["verdict"]["label"] == "insufficient_data"
    assert "locked" in done.stdout  # said, not passed over


def test_an_unreadable_folder(open_folder: Path) -> None:
    write(open_folder / "good", C1)
    locked = open_folder / "locked"
    locked.mkdir()
    locked.chmod(0)
    done = as_nobody(open_folder / "good", "report", locked)
    assert (done.returncode, done.stdout) == (2, "")
    assert_one_line(done.stderr)


def test_a_file_in_place_of_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("hello\n")
    status, out, err = run("report", tmp_path / "notes.txt", capsys=capsys)
    assert (status, out) == (2, "")
    assert_one_line(err)


def test_a_directory_loop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "a", C1)
    (tmp_path / "a" / "again").symlink_to(tmp_path, target_is_directory=True)
    status, out, err = run("report", tmp_path, "--format", "json", capsys=capsys)
    assert (status, err) == (0, "")
    assert [entry["run"] for entry in json.loads(out)["runs"]] == ["a"]


@pytest.mark.parametrize(
    ("tags", "steps", "value", "labels"),
    [
        pytest.param(("train/loss",), 1, 1.0, {"insufficient_data"}, id="one point"),
        pytest.param(("train/loss", "eval/loss"), 20, math.nan, {"nan"}, id="only NaN"),
        pytest.param(("eval/loss",), 20, None, None, id="no train loss"),
        pytest.param(("train/loss",), 20, None, None, id="no eval loss"),
        pytest.param(("cpu/temperature",), 20, None, {"insufficient_data"}, id="no loss at all"),
    ],
)
def test_thin_logs_get_an_honest_verdict(
    tags: tuple[str, ...],
    steps: int,
    value: float | None,
    labels: set[str] | None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with EventWriter(tmp_path / "a") as writer:
        for step in range(steps):
            writer.scalars(dict.fromkeys(tags, 2.0 * 0.9**step if value is None else value), step)
    for format in ("json", "terminal", "markdown", "csv", "junit", "sarif"):
        status, out, err = run("report", tmp_path, "--format", format, capsys=capsys)
        assert (status, err) == (0, ""), format
        if format == "json":
            verdict = json.loads(out)["runs"][0]["verdict"]
            assert labels is None or verdict["label"] in labels
            assert verdict["label"] != "healthy" or value is None and steps > 1


@pytest.mark.slow
def test_ten_thousand_tags(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with EventWriter(tmp_path / "a") as writer:
        for step, train, evaluated in C2:
            writer.scalars(
                {"train/loss": train, "eval/loss": evaluated, **{f"w/{i}": 1.0 for i in range(10_000)}}, step
            )
    started = time.perf_counter()
    status, out, err = run("report", tmp_path, "--profile", "guide", capsys=capsys)
    assert (status, err) == (0, "")
    assert "overfitting" in out
    assert time.perf_counter() - started < 20


def test_a_hostile_run_name_cannot_steer_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "\x1b[31mred\x07\u202egnp\n", C2)
    for format in cli.FORMATS:
        status, out, err = run("report", tmp_path, "--format", format, "--color", "never", capsys=capsys)
        assert (status, err) == (0, "")
        if format not in ("json", "jsonl", "html"):
            assert not any(char in out for char in "\x1b\x07\u202e"), format
        assert "\x1b" not in out


# --- the other commands --------------------------------------------------------------------------------------------


def test_rank_path_is_a_path_that_exists(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path)
    for step in (50, 100, 150, 200, 250):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(b"x" * step)
    status, out, err = run("rank", tmp_path, "--path", capsys=capsys)
    assert (status, err) == (0, "")
    path = Path(out.strip())
    assert path.is_dir() and path.name in ("checkpoint-100", "checkpoint-150")
    before = sorted(p.name for p in tmp_path.rglob("*"))
    status, out, _ = run("rank", tmp_path, "--prune-plan", "--keep", 2, "--format", "json", capsys=capsys)
    plan = json.loads(out)
    doomed = [entry["path"] for entry in plan["runs"][0]["delete"]]
    assert status == 0 and doomed and str(path) not in doomed
    assert plan["frees"] == sum(entry["size"] for entry in plan["runs"][0]["delete"]) > 0
    assert sorted(p.name for p in tmp_path.rglob("*")) == before  # nothing was deleted
    _, out, _ = run("rank", tmp_path, "--keep", 3, "--format", "json", capsys=capsys)
    assert len(json.loads(out)[0]["checkpoints"]) == 3
    for format in ("terminal", "markdown", "csv"):
        for extra in ((), ("--prune-plan",)):
            status, out, err = run("rank", tmp_path, "--format", format, *extra, capsys=capsys)
            assert (status, err) == (0, "") and "200" in out


def test_rank_path_without_a_checkpoint_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "a")
    status, out, err = run("rank", tmp_path / "a", "--path", capsys=capsys)
    assert (status, out) == (2, "")
    assert_one_line(err)
    write(tmp_path / "b")
    status, out, err = run("rank", tmp_path, "--path", capsys=capsys)
    assert (status, out) == (2, "")
    assert_one_line(err)
    assert "--run" in err


def test_pruning_keeps_what_an_unfinished_run_needs() -> None:
    checkpoints = [
        {"step": step, "rank": rank, "on_disk": True, "recommended": rank == 1, "value": value}
        for step, rank, value in ((100, 1, 1.0), (200, 2, 1.1), (300, 3, 1.2), (400, 4, None))
    ]
    finished = {"checkpoints": checkpoints, "status": {"state": "finished"}}
    assert [c["step"] for c in commands.prunable(finished, 1)] == [200, 300]  # 400 was never evaluated
    assert [c["step"] for c in commands.prunable(finished, 2)] == [300]
    checkpoints[-1]["value"] = 1.3
    assert [c["step"] for c in commands.prunable({**finished, "status": {"state": "stalled"}}, 1)] == [200, 300]


def test_rate_writes_where_it_is_told_and_the_report_reads_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "a")
    status, out, err = run(
        "rate", tmp_path / "a", "--step", 150, "good", "--note", "fluent", "--lang", "en", capsys=capsys
    )
    assert (status, err) == (0, "")
    assert "150" in out and "good" in out
    assert "150,good,fluent" in (tmp_path / "a" / "sample_ratings.csv").read_text()
    _, out, _ = run("report", tmp_path, "--format", "json", capsys=capsys)
    rated = {c["step"]: c["quality"] for c in json.loads(out)["runs"][0]["checkpoints"]}
    assert rated[150] == "good"
    status, _, err = run("rate", tmp_path / "nothing", "--step", 150, "good", capsys=capsys)
    assert status == 2
    assert_one_line(err)
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n")
    status, _, err = run("rate", tmp_path / "a", "--step", 1, "good", "--file", tmp_path / "bad.csv", capsys=capsys)
    assert status == 2
    assert_one_line(err)


def test_config_show_tells_where_values_come_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a")
    (tmp_path / "evalguide.toml").write_text('profile = "guide"\n')
    status, out, err = run("config", "show", tmp_path, "--format", "json", capsys=capsys)
    assert (status, err) == (0, "")
    found = {row["key"]: row for row in json.loads(out)}
    assert found["profile"]["value"] == "guide" and "evalguide.toml" in found["profile"]["origin"]
    assert found["metric"]["origin"] == "default"
    status, out, _ = run("config", "show", tmp_path, "--lang", "en", capsys=capsys)
    assert status == 0 and "evalguide.toml" in out
    (tmp_path / "evalguide.toml").write_text('profil = "guide"\n')
    status, out, err = run("report", tmp_path, "--lang", "en", capsys=capsys)
    assert (status, out) == (2, "")
    assert_one_line(err)
    assert "profile" in err  # the nearest valid name


def test_explain(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("overfitting", "OVF001", "ovf001", "C2"):
        status, out, err = run("explain", name, "--lang", "en", capsys=capsys)
        assert (status, err) == (0, "")
        for heading in ("What it checks", "Why it matters", "What to do", "When it is wrong"):
            assert heading in out
    status, out, _ = run("explain", "--all", "--format", "json", capsys=capsys)
    from tb_evalguide.rules import RULES

    assert status == 0 and {page["id"] for page in json.loads(out)} == {rule.id for rule in RULES}
    for wrong in (("explain", "OVF00I"), ("explain", "zzzz"), ("explain",)):
        status, out, err = run(*wrong, capsys=capsys)
        assert (status, out) == (2, "")
        assert_one_line(err)


def test_compare_puts_runs_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "one", C1)
    write(tmp_path / "two", C2)
    for format in ("terminal", "json", "markdown", "csv"):
        status, out, err = run("compare", tmp_path, "--format", format, capsys=capsys)
        assert (status, err) == (0, ""), format
        assert "one" in out and "two" in out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("version", capsys=capsys) == (0, f"tb-evalguide {__version__}\n", "")
    assert run("--version", capsys=capsys) == (0, f"tb-evalguide {__version__}\n", "")


@pytest.mark.parametrize("command", [(), ("report",), ("explain",), ("rank",), ("compare",), ("rate",), ("config",)])
def test_help_in_both_languages(command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    for lang in ("en", "ko"):
        status, out, err = run(*command, "--lang", lang, "--help", capsys=capsys)
        assert (status, err) == (0, "")
        assert "tb-evalguide" in out


def test_the_lists_in_the_parser_are_those_of_their_owners() -> None:
    from tb_evalguide import profiles, render
    from tb_evalguide.sources import ratings

    assert cli.FORMATS == render.FORMATS
    assert ("auto", *profiles.PROFILES) == cli.PROFILES
    assert cli.RATINGS == ratings.RATINGS


# --- the process ---------------------------------------------------------------------------------------------------


def process(*arguments: object, **options: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tb_evalguide", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,  # type: ignore[call-overload]
    )


def test_a_closed_pipe_is_no_error_message(tmp_path: Path) -> None:
    for i in range(40):
        write(tmp_path / f"{i}", C2)
    child = process("report", tmp_path, "--format", "jsonl", "--jobs", 1)
    assert child.stdout is not None and child.stderr is not None
    child.stdout.readline()
    child.stdout.close()
    assert child.wait(60) in (0, cli.PIPE_CLOSED)
    assert child.stderr.read() == ""


def test_ctrl_c_is_quiet(tmp_path: Path) -> None:
    if os.name == "nt":
        pytest.skip("signals differ")
    fifo = tmp_path / "events.out.tfevents.1.host"
    write(tmp_path / "a")
    os.mkfifo(fifo)  # whoever opens it waits, unless the reader leaves it alone
    for i in range(300):
        write(tmp_path / f"r{i}", C2)
    child = process("report", tmp_path, "--format", "jsonl", "--jobs", 1)
    assert child.stdout is not None and child.stderr is not None
    child.stdout.readline()
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert child.returncode in (0, cli.INTERRUPTED)
    assert "Traceback" not in err


def test_an_internal_error_is_one_line_and_says_how_to_see_more(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(options: object) -> int:
        raise RuntimeError("boom\x1b[31m")

    monkeypatch.setattr(commands, "report", broken)
    status, out, err = run("report", tmp_path, "--lang", "en", capsys=capsys)
    assert (status, out) == (cli.OUR_BUG, "")
    assert err.count("\n") == 1 and "boom" in err and cli.DEBUG_VARIABLE in err and "\x1b" not in err
    monkeypatch.setenv(cli.DEBUG_VARIABLE, "1")
    with pytest.raises(RuntimeError):
        cli.main(["report", str(tmp_path)])


def test_no_colour_in_a_pipe_and_colour_on_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "a")
    _, plain, _ = run("report", tmp_path, capsys=capsys)
    _, coloured, _ = run("report", tmp_path, "--color", "always", capsys=capsys)
    assert "\x1b" not in plain and "\x1b[" in coloured


def test_many_runs_on_the_screen_are_the_same_as_few(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is dropped of the runs that are only listed is not missed by what is printed."""
    for i in range(3):
        write(tmp_path / f"good-{i}", C1)
        shutil.copytree(write(tmp_path / f"bad-{i}", C2), tmp_path / f"worse-{i}")
    _, few, _ = run("report", tmp_path, "--profile", "guide", capsys=capsys)
    before = commands.SORT_EVERY, commands.MOST_DRAWN
    commands.SORT_EVERY, commands.MOST_DRAWN = 2, 6
    try:
        _, brief, err = run("report", tmp_path, "--profile", "guide", capsys=capsys)
    finally:
        commands.SORT_EVERY, commands.MOST_DRAWN = before
    assert err == ""
    assert brief == few


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_runs(tmp_path: Path) -> None:
    one = tmp_path / "one"
    with EventWriter(one) as writer:
        for step in range(200):
            writer.scalars({"train/loss": 2.0 * 0.99**step, "eval/loss": 2.1 * 0.99**step}, step)

    def peak(count: int) -> int:
        folder = tmp_path / str(count)
        for i in range(count):
            shutil.copytree(one, folder / f"{i}")
        code = (
            "import resource, sys; from tb_evalguide.cli import main;"
            f"main(['report', {str(folder)!r}, '--format', 'jsonl', '--jobs', '1']);"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.count("\n") == count
        return int(done.stderr.split()[-1])

    few, many = peak(20), peak(200)
    assert many < few + 15_000  # kB; keeping every report would take more than 40 kB a run


# --- where the output goes, and what is no log folder --------------------------------------------------------------


def test_output_into_a_pipe_and_through_a_link(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "logs" / "a")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    told: list[str] = []
    reader = threading.Thread(target=lambda: told.append(pipe.read_text(encoding="utf-8")), daemon=True)
    reader.start()
    assert run("report", tmp_path / "logs", "--format", "json", "-o", pipe, capsys=capsys) == (0, "", "")
    reader.join(30)
    assert pipe.is_fifo() and json.loads(told[0])["runs"][0]["run"] == "a"

    (tmp_path / "elsewhere").mkdir()
    target, link = tmp_path / "elsewhere" / "report.json", tmp_path / "link.json"
    link.symlink_to(Path("elsewhere") / "report.json")
    for _ in range(2):  # it leads to nothing yet, then to a file
        assert run("report", tmp_path / "logs", "--format", "json", "-o", link, capsys=capsys) == (0, "", "")
        assert link.is_symlink() and json.loads(target.read_text(encoding="utf-8"))["runs"]
        target.chmod(0o640)
    assert target.stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in (tmp_path / "elsewhere").iterdir()) == ["report.json"]


@pytest.mark.parametrize("command", [("report",), ("rank",), ("compare",), ("config", "show")])
@pytest.mark.parametrize("logdir", ["", "nosuch"])
def test_a_folder_that_is_not_there_is_one_line(
    command: tuple[str, ...],
    logdir: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(write(tmp_path))  # an empty path is not the folder one stands in
    status, out, err = run(*command, logdir, capsys=capsys)
    assert (status, out) == (2, "")
    assert_one_line(err)


def test_the_api_takes_no_empty_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tb_evalguide as tbe
    from tb_evalguide.errors import LogdirMissing

    monkeypatch.chdir(write(tmp_path))
    for call in (tbe.read, tbe.diagnose):
        with pytest.raises(LogdirMissing):
            call("")
    assert tbe.diagnose(Path()).runs  # which is "."
    assert {"read", "diagnose", *tbe.__all__} <= set(dir(tbe))


def test_an_address_of_an_unknown_kind(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run("report", "foo://x", "--lang", "en", capsys=capsys)
    assert (status, out) == (2, "")
    assert_one_line(err)
    assert "foo://" in err and "s3://" in err and "permission" not in err


def test_a_rating_beside_no_run_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("hello\n")
    status, out, err = run("rate", tmp_path, "--step", 1, "good", capsys=capsys)
    assert (status, out) == (2, "")
    assert_one_line(err)
    assert not (tmp_path / "sample_ratings.csv").exists()
    assert run("rate", tmp_path, "--step", 1, "good", "--file", tmp_path / "mine.csv", capsys=capsys)[0] == 0


def test_closed_streams_are_no_bug(tmp_path: Path) -> None:
    write(tmp_path / "a")
    command = f"{sys.executable} -m tb_evalguide"
    for arguments, status in (
        ("report logs >&-", 2),
        ("explain --all >&-", 2),
        ("--version >&-", 2),
        ("report logs -o out.txt >&-", 0),
        ("report logs 2>&-", 0),
        ("report nosuch 2>&-", 2),
    ):
        done = subprocess.run(
            ["sh", "-c", f"{command} {arguments.replace('logs', 'a')}"], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == status, (arguments, done)
        assert "internal" not in done.stderr and "Traceback" not in done.stderr and "nosuch" not in done.stdout
        if status == 2 and "2>" not in arguments:
            assert_one_line(done.stderr)
    assert (tmp_path / "out.txt").stat().st_size


def test_a_log_file_with_a_fault_is_among_the_sources(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "a")
    (tmp_path / "a" / "nohup.out").write_text("torch.cuda.OutOfMemoryError: CUDA out of memory.\n" * 2)
    (tmp_path / "a" / "other.log").write_text("step 1\n")
    _, out, _ = run("report", tmp_path, "--format", "json", capsys=capsys)
    (entry,) = json.loads(out)["runs"]
    assert [(s["kind"], s["path"]) for s in entry["sources"]][1:] == [("log", "a/nohup.out")]
    assert entry["verdict"]["label"] == "out_of_memory" and entry["tb_runs"] == ["a"]


def test_a_selection_of_rules_says_nothing_of_health(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with EventWriter(tmp_path / "a") as writer:
        for step in range(40):
            writer.scalar("train/loss", 2.5 * 0.97**step if step < 30 else math.nan, step)
    write(tmp_path / "b", C1)
    given = ("report", tmp_path, "--format", "json", "--profile", "guide", "--lang", "en")

    def verdicts(*options: str) -> dict[str, tuple[str, str, str]]:
        _, out, _ = run(*given, *options, capsys=capsys)
        return {
            entry["run"]: tuple(entry["verdict"][key] for key in ("label", "level", "headline"))
            for entry in json.loads(out)["runs"]
        }

    assert {name: found[0] for name, found in verdicts().items()} == {"a": "nan", "b": "healthy"}
    for label, level, headline in verdicts("--select", "OVF001").values():
        assert (label, level) == ("insufficient_data", "unknown") and "OVF001" in headline
    assert verdicts("--select", "INT")["a"][0] == "nan"
    assert verdicts("--ignore", "OVF001")["b"][0] == "healthy"


def test_no_message_counts_one_as_many(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with EventWriter(tmp_path / "a") as writer:
        writer.scalar("train/loss", 1.0, 1)
    write(tmp_path / "b")
    for step in (100, 150, 170):
        (tmp_path / "b" / f"checkpoint-{step}").mkdir()
        (tmp_path / "b" / f"checkpoint-{step}" / "model.safetensors").write_bytes(b"x" * 10)
    for arguments in (("report", tmp_path, "--full"), ("rank", tmp_path), ("rank", tmp_path, "--prune-plan")):
        _, out, _ = run(*arguments, "--lang", "en", capsys=capsys)
        assert not re.search(r"\b1 (checkpoints|evaluations|logged points|runs|lines|entries)\b", out), out


def test_a_checkpoint_without_a_step_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path)
    for name in ("checkpoint-100", "checkpoint-abc"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_bytes(b"x")
    _, out, _ = run("rank", tmp_path, "--format", "json", capsys=capsys)
    (entry,) = json.loads(out)
    assert any("checkpoint-abc" in note for note in entry["ranking"]["notes"])
    assert [c["path"] for c in entry["checkpoints"] if c["on_disk"]] == ["checkpoint-100"]


def test_the_api_judges_the_age_of_a_run_as_the_command_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import tb_evalguide as tbe

    begun = time.time() - 40 * 3600
    with EventWriter(tmp_path / "a") as writer:
        writer.text("args/text_summary", json.dumps({"max_steps": 4000}), 0)
        for step in range(1, 201):
            writer.scalars({"train/loss": 2.5 * 0.995**step}, step, begun + 360 * step)
    _, out, _ = run("report", tmp_path, "--format", "json", capsys=capsys)
    (entry,) = json.loads(out)["runs"]
    (report,) = tbe.diagnose(tmp_path).runs
    assert entry["verdict"]["label"] == report.verdict.label == "stalled"
    assert entry["status"]["state"] == report.status.state == "stalled"
    assert tbe.diagnose(tmp_path, now=None).runs[0].status.state == "unknown"  # the same on every day


@pytest.mark.parametrize("target", ["/dev/stdout", "/dev/fd/1"])
def test_output_into_the_pipe_of_a_shell(target: str) -> None:
    """What these lead to in a pipe has no path of its own."""
    if not os.path.exists(target):
        pytest.skip("no such name on this system")
    logs = str(Path(__file__).parents[1] / "demo_logs" / "nan")
    command = [sys.executable, "-m", "tb_evalguide", "report", logs, "--format", "json", "-o", target]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["runs"][0]["verdict"]["label"] == "nan"
