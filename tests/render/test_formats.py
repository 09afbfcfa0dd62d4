"""Markdown, CSV, JSON, JUnit and SARIF: well formed whatever a log holds."""

from __future__ import annotations

import csv
import io
import json
import math
from typing import Any
from xml.etree import ElementTree

import pytest

from tb_evalguide.render import FORMATS, render, renderer
from tb_evalguide.render.csv_report import cell
from tb_evalguide.render.markdown import code, escape, fenced, prose
from tests.render.contract import healthy, report, run

NASTY = 'a|b `c` **d** <img src=x onerror=alert(1)> [e](http://x) @f #1 ]]> "q" & \x00\x1b\ud800\u202e https://x.y'


def nasty_run() -> dict[str, Any]:
    note = {**run()["notes"][0], "message": NASTY, "path": NASTY}
    made = run(run=NASTY, verdict={"headline": NASTY}, role_notes=[NASTY], notes=[note])
    made["findings"][0].update(message=NASTY, tags=[NASTY])
    made["findings"][0]["remedies"][1].update(text=NASTY, snippet="```\n" + NASTY)
    made["checkpoints"][0].update(path=NASTY, reason=NASTY, quality=NASTY)
    made["checks"][2]["reason"] = NASTY
    made["checks"][3]["reason"] = NASTY
    made["sources"][0]["path"] = NASTY
    made["checklist"][0].update(item=NASTY, reason=NASTY)
    made["hparams"][NASTY] = NASTY
    return made


@pytest.mark.parametrize("format", [name for name in FORMATS if name != "html"])
@pytest.mark.parametrize("lang", ["en", "ko"])
def test_every_format_survives_a_hostile_log(format: str, lang: str) -> None:
    data = report(nasty_run(), healthy(), lang=lang)
    data["differing"] = [NASTY]
    text = render(data, format, lang)
    text.encode("utf-8")
    assert text.endswith("\n")
    assert not any(char in text for char in "\x00\x1b")
    if format not in ("json", "jsonl"):
        assert "\u202e" not in text


def test_every_format_names_a_function_that_is_there() -> None:
    for name in FORMATS:
        assert callable(renderer(name))


# --- JSON ----------------------------------------------------------------------------------------------------------


def test_json_is_strict_and_says_non_finite_numbers_by_name() -> None:
    made = run()
    made["judgements"][0].update(train_loss=math.nan, eval_loss=math.inf, gap=-math.inf)
    data = json.loads(render(report(made), "json"), parse_constant=lambda name: pytest.fail(name))
    row = data["runs"][0]["judgements"][0]
    assert (row["train_loss"], row["eval_loss"], row["gap"]) == ("NaN", "Infinity", "-Infinity")
    assert "curves" not in data["runs"][0]
    assert {key for key in run() if key != "curves"} == set(data["runs"][0])


def test_json_lines_are_one_complete_run_each() -> None:
    lines = render(report(nasty_run(), healthy()), "jsonl").split("\n")
    assert lines[-1] == ""
    assert [json.loads(text)["verdict"]["label"] for text in lines[:-1]] == ["overfitting", "healthy"]


# --- CSV -----------------------------------------------------------------------------------------------------------


def test_csv_reads_back_and_has_a_column_for_what_differs() -> None:
    data = report(run(), healthy())
    data["differing"] = ["learning_rate"]
    rows = list(csv.DictReader(io.StringIO(render(data, "csv"))))
    assert [row["run"] for row in rows] == ["qwen-7b", "good"]
    assert float(rows[0]["best_value"]) == 1.55
    assert rows[0]["recommended_checkpoint"] == "qwen-7b/checkpoint-150"
    assert rows[0]["Z2"] == "fail" and rows[1]["Z2"] == "pass"
    assert float(rows[0]["hparam.learning_rate"]) == 2e-5
    assert rows[0]["rules"] == "OVF001 GAP001"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-x", "@SUM(A1)", "\t=1"])
def test_csv_cells_are_no_formulas(text: str) -> None:
    assert str(cell(text)).startswith("'")


def test_csv_leaves_numbers_alone() -> None:
    assert [cell(value) for value in (-1.5, 2, None, True, "NaN")] == [-1.5, 2, "", "true", "NaN"]


# --- Markdown ------------------------------------------------------------------------------------------------------


def test_markdown_tables_keep_their_columns() -> None:
    text = render(report(nasty_run(), run(), healthy()), "markdown")
    rows = [row for row in text.splitlines() if row.startswith("|")]
    tables: list[list[int]] = [[]]
    for before, row in zip([None, *text.splitlines()], text.splitlines()):
        if row.startswith("|"):
            if before is None or not before.startswith("|"):
                tables.append([])
            tables[-1].append(len([i for i, char in enumerate(row) if char == "|" and row[i - 1] != "\\"]))
    assert rows and all(len(set(counts)) <= 1 for counts in tables)


def test_markdown_holds_no_markup_from_the_log() -> None:
    from markdown_it import MarkdownIt

    html = MarkdownIt("gfm-like", {"linkify": False}).render(render(report(nasty_run()), "markdown"))
    for forbidden in ("<img", "<a ", "<script", "<strong>d</strong>"):
        assert forbidden not in html
    # What GitHub would make a mention or a link of by itself
    plain = render(report(nasty_run()), "markdown")
    outside = [part for i, part in enumerate(plain.split("```")) if i % 2 == 0]
    assert not any(" @f" in part.split("`")[0] for part in outside)


def test_markdown_helpers() -> None:
    assert escape("a_b*c|d") == "a\\_b\\*c\\|d"
    assert prose("Raise weight_decay 0.0 → 0.01.") == "Raise weight\\_decay 0.0 → 0.01."
    assert code("a`b") == "`` a`b ``"
    assert "|" not in code("a|b")
    assert fenced(["```", "x"])[0] == "````"


# --- JUnit ---------------------------------------------------------------------------------------------------------


def test_junit_counts_what_it_holds() -> None:
    root = ElementTree.fromstring(render(report(nasty_run(), healthy()), "junit"))
    assert root.tag == "testsuites"
    cases = root.findall(".//testcase")
    assert int(root.get("tests", "")) == len(cases) == 8
    assert int(root.get("failures", "")) == len(root.findall(".//failure")) == 2
    assert int(root.get("skipped", "")) == len(root.findall(".//skipped")) == 1
    bad, good = root.findall("testsuite")
    assert good.get("failures") == "0" and bad.get("failures") == "2"


def test_junit_does_not_fail_for_information() -> None:
    made = run()
    made["findings"] = [{**made["findings"][0], "severity": "info"}]
    made["checks"] = made["checks"][:1]
    root = ElementTree.fromstring(render(report(made), "junit"))
    assert root.get("failures") == "0"
    assert root.find(".//system-out") is not None


# --- SARIF ---------------------------------------------------------------------------------------------------------


def test_sarif_has_what_the_standard_asks_for() -> None:
    data = json.loads(render(report(nasty_run(), healthy()), "sarif"))
    assert data["version"] == "2.1.0"
    (only,) = data["runs"]
    driver = only["tool"]["driver"]
    assert driver["name"] == "tb-evalguide"
    for result in only["results"]:
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("none", "note", "warning", "error")
        assert result["message"]["text"]
        uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        assert uri.isascii() and " " not in uri and "<" not in uri
        assert 0 <= result["rank"] <= 100
        assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uriBaseId"] in only["originalUriBaseIds"]
    by_rule = {result["ruleId"]: result["level"] for result in only["results"]}
    assert by_rule == {"OVF001": "error", "GAP001": "note"}  # the gap is explained by the overfitting


def test_sarif_fingerprints_tell_runs_and_rules_apart_and_nothing_else() -> None:
    def prints(*runs: dict[str, Any]) -> list[str]:
        results = json.loads(render(report(*runs), "sarif"))["runs"][0]["results"]
        return [result["partialFingerprints"]["runAndRule/v1"] for result in results]

    later = run()
    later["findings"][0].update(steps=[150, 400], message="Eval loss rose by 20 %.")
    assert prints(run()) == prints(later)
    assert len(set(prints(run(), run(run="other")))) == 4
