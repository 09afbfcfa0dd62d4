"""The documentation is true: links lead somewhere, commands exist with their options, the contract is kept."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tb_evalguide import cli
from tests.golden import make as golden

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "demo_logs").glob("*.md")],
    key=lambda path: path.as_posix(),
)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def ids(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def slug(heading: str) -> str:
    """The anchor that a heading gets."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path) if path else page
        assert file.exists(), f"{target}: no such file"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {slug(heading) for heading in headings}, f"{target}: no such heading"


def test_index_names_every_page() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    linked = {(ROOT / "docs" / target).resolve() for target in LINK.findall(index)}
    assert {page for page in (ROOT / "docs").glob("*.md") if page.name != "index.md"} <= linked


def parsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The command's subcommands, as argparse keeps them."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    raise AssertionError("no subcommands")


def commands(page: Path) -> Iterator[list[str]]:
    """Every `tb-evalguide …` that a page shows, in blocks and in running text, as words."""
    text = page.read_text(encoding="utf-8")
    lines = [line for language, block in BLOCK.findall(text) if language != "python" for line in block.splitlines()]
    lines += re.findall(r"`(tb-evalguide [^`]+)`", BLOCK.sub("", text))
    for line in lines:
        found = re.search(r"(?:^|\s|/)(tb-evalguide (?!:)[^|]*)", line.split("   #")[0].split("  #")[0])
        if found and not re.match(r"tb-evalguide\s*:", found[1]):
            yield shlex.split(found[1])


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_commands_exist(page: Path) -> None:
    known = parsers(cli.parser("en"))
    for words in commands(page):
        if len(words) < 2 or words[1].startswith("-") or not words[1].islower():
            continue
        assert words[1] in known, f"{page.name}: {' '.join(words)}"
        options = {option for action in known[words[1]]._actions for option in action.option_strings}
        for word in words[2:]:
            if word.startswith("-"):
                assert word.split("=")[0] in options, f"{page.name}: {' '.join(words)}"


def test_readme_shows_what_the_report_says() -> None:
    """The lines of the README's example are the first lines of the real output."""
    blocks = [
        block
        for language, block in BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
        if language == "console"
    ]
    assert blocks
    for block in blocks:
        command, *shown = block.splitlines()
        words = shlex.split(command.removeprefix("$ tb-evalguide "))
        done = subprocess.run(
            [sys.executable, "-m", "tb_evalguide", *words, "--lang", "en"],
            capture_output=True, text=True, check=True, cwd=ROOT, timeout=60, env={"COLUMNS": "96", "PATH": ""},
        )  # fmt: skip
        assert done.stdout.splitlines()[: len(shown)] == shown


def test_scripts_that_are_named_exist_and_can_be_run() -> None:
    for page in PAGES:
        for name in re.findall(r"(?<![\w/.])(scripts/\w+)", page.read_text(encoding="utf-8")):
            script = ROOT / name
            assert script.is_file() and script.stat().st_mode & 0o111, name


def test_make_targets_that_are_named_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        named = [words for code in re.findall(r"`make ([a-z][a-z -]*)`", text) for words in code.split()]
        named += re.findall(r"^make ([a-z-]+)", text, re.MULTILINE)
        assert set(named) <= targets, page.name


def test_makefile_describes_every_target() -> None:
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    assert {line.split()[0] for line in done.stdout.splitlines()} == targets


def test_makefile_runs_what_exists() -> None:
    for recipe in re.findall(r"^\t(.+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE):
        for path in re.findall(r"(?<![\w./])((?:scripts|tools|benchmarks|demo_logs|tests)/[\w./]+)", recipe):
            assert (ROOT / path).exists(), recipe
        for module in re.findall(r"-m ([a-z_]+(?:\.[a-z_]+)+)", recipe):
            path = ROOT / module.replace(".", "/")
            assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), recipe


# --- the contract ---------------------------------------------------------------------------------------------------


def documented(section: str) -> set[str]:
    text = (ROOT / "docs" / "report.md").read_text(encoding="utf-8")
    part = text.split(f"## {section}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]+) \|", part, re.MULTILINE)
    return {key for row in rows for key in re.findall(r"`(\w+)`", row)}


@pytest.mark.parametrize("name", golden.NAMES)
def test_report_holds_the_documented_keys_and_no_others(name: str) -> None:
    report = json.loads((golden.HERE / f"{name}.json").read_text(encoding="utf-8"))
    assert set(report) == documented("Top level") - {"revision", "progress"}
    for run in report["runs"]:
        assert set(run) == documented("A run")


def test_finding_holds_the_documented_keys() -> None:
    text = (ROOT / "docs" / "report.md").read_text(encoding="utf-8").split("## A finding")[1]
    first, remedy = (set(re.findall(r'"(\w+)"', braces)) for braces in re.findall(r"`(\{.*?\})`", text, re.DOTALL))
    findings = [
        finding
        for name in golden.NAMES
        for run in json.loads((golden.HERE / f"{name}.json").read_text(encoding="utf-8"))["runs"]
        for finding in run["findings"]
    ]
    assert findings and all(set(finding) == first for finding in findings)
    remedies = [entry for finding in findings for entry in finding["remedies"]]
    assert remedies and all(set(entry) == remedy for entry in remedies)
