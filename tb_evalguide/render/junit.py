"""The report as JUnit XML: one suite a run, one case a check, so that continuous integration shows what fired."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

from tb_evalguide.render.words import safe

# What XML 1.0 cannot hold at all, not even as an entity; `safe` has spelled out the control characters before.
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _text(value: object) -> str:
    return _ILLEGAL.sub("\ufffd", safe(value, 4000))


def render(report: Mapping[str, Any], lang: str = "en") -> str:
    """A rule that fired fails, unless what it found is only information; one that could not be checked is skipped."""
    suites = ElementTree.Element("testsuites", name=_text(report["tool"]["name"]))
    totals = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    for run in report["runs"]:
        counts = _suite(suites, run)
        for key in totals:
            totals[key] += counts[key]
    for key, value in totals.items():
        suites.set(key, str(value))
    ElementTree.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(suites, encoding="unicode") + "\n"


def _suite(parent: ElementTree.Element, run: Mapping[str, Any]) -> dict[str, int]:
    suite = ElementTree.SubElement(parent, "testsuite", name=_text(run["run"]))
    properties = ElementTree.SubElement(suite, "properties")
    verdict = run["verdict"]
    for name in ("label", "level", "confidence", "headline", "onset_step"):
        if verdict[name] is not None:
            ElementTree.SubElement(properties, "property", name=name, value=_text(verdict[name]))
    found: dict[str, list[Mapping[str, Any]]] = {}
    for finding in run["findings"]:
        found.setdefault(finding["rule"], []).append(finding)
    counts = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    for check in run["checks"]:
        counts["tests"] += 1
        case = ElementTree.SubElement(
            suite, "testcase", classname=_text(run["run"]), name=f"{_text(check['rule'])} {_text(check['title'])}"
        )
        findings = found.get(check["rule"], [])
        serious = [finding for finding in findings if finding["severity"] != "info"]
        if check["outcome"] == "skipped":
            counts["skipped"] += 1
            ElementTree.SubElement(case, "skipped", message=_text(check["reason"]))
        elif check["outcome"] == "error":
            counts["errors"] += 1
            ElementTree.SubElement(case, "error", message=_text(check["reason"]), type="error")
        elif serious:
            counts["failures"] += 1
            worst = serious[0]
            failure = ElementTree.SubElement(
                case, "failure", message=_text(worst["message"]), type=_text(worst["severity"])
            )
            failure.text = "\n".join(_lines(serious))
        elif findings:
            ElementTree.SubElement(case, "system-out").text = "\n".join(_lines(findings))
    for key, value in counts.items():
        suite.set(key, str(value))
    return counts


def _lines(findings: list[Mapping[str, Any]]) -> list[str]:
    lines: list[str] = []
    for finding in findings:
        lines.append(_text(finding["message"]))
        if finding["explained_by"]:
            lines.append(f"explained by {_text(finding['explained_by'])}")
        lines += [f"- {_text(remedy['text'])}" for remedy in finding["remedies"]]
    return lines
