"""The HTML report as a file: one piece, sealed, in both languages, of a size that can be mailed."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tb_evalguide import diagnose
from tb_evalguide.errors import BadOption
from tb_evalguide.render import html
from tb_evalguide.report import Report
from tests.browser import logs


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return diagnose(logs.demo(tmp_path_factory.mktemp("logs")), lang="en")


def data_of(text: str) -> dict[str, Any]:
    found = re.search(rf'<script type="application/json" id="{html.EMBEDDED_ID}">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_holds_the_whole_report_in_every_language(report: Report) -> None:
    data = data_of(html.render_html(report, "ko"))
    assert data["lang"] == "ko" and set(data["reports"]) == {"en", "ko"}
    for lang in ("en", "ko"):
        whole = json.loads(json.dumps(report.to_dict(lang=lang)))
        assert data["reports"][lang] == whole
    assert set(data["curves"]) == {run.run for run in report.runs}
    assert data["curves"]["qwen-fp16"]["train_loss"]["nonfinite"][0] == [365, "NaN"]


def test_policy_names_exactly_the_script_and_style_inside(report: Report) -> None:
    text = html.render_html(report, "en")
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text)
    assert policy is not None
    rules = dict(part.strip().split(" ", 1) for part in policy[1].split(";"))
    assert rules["default-src"] == "'none'"
    assert "unsafe" not in policy[1] and "http" not in policy[1]
    script = re.search(r'<script type="module">(.*?)</script>', text, re.DOTALL)
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert script is not None and style is not None
    for name, content in (("script-src", script[1]), ("style-src", style[1])):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert rules[name] == f"'sha256-{digest}'"
    # The policy stands before everything that it governs.
    assert text.index("Content-Security-Policy") < text.index("<style>") < text.index("<script")


def test_nothing_is_loaded_from_elsewhere(report: Report) -> None:
    text = html.render_html(report, "en")
    assert not re.search(r"<(?:link|img|iframe|object|embed|base)\b", text.split("<script")[0])
    assert not re.search(r'(?:src|href)\s*=\s*"', text.split("<script")[0])
    assert "url(" not in re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]  # type: ignore[index]


@pytest.mark.parametrize(
    "name", ["</script><script>alert(1)</script>", "<!--", "<img src=x onerror=alert(1)>", "\u2028\u2029", "\udcff"]
)
def test_no_name_ends_the_element_it_stands_in(name: str, report: Report) -> None:
    contract = report.to_dict(lang="en")
    contract["runs"][0]["run"] = name
    contract["logdir"] = name
    text = html.render_html(contract, "en")
    text.encode("utf-8")
    assert len(re.findall("</script", text)) == 2
    assert "<!--" not in text and "<img" not in text
    # A name that is not UTF-8 comes back as it was; JSON carries the lone surrogate as an escape.
    assert data_of(text)["reports"]["en"]["runs"][0]["run"] == name


def test_a_contract_with_translations_holds_them(report: Report) -> None:
    contract = report.to_dict(lang="en", curves=100)
    for english, korean in zip(contract["runs"], report.to_dict(lang="ko")["runs"]):
        english["translations"] = {"ko": korean}
    data = data_of(html.render_html(contract, "en"))
    assert data["reports"]["ko"]["lang"] == "ko"
    assert data["reports"]["ko"]["runs"] == json.loads(json.dumps(report.to_dict(lang="ko")["runs"]))
    assert "translations" not in json.dumps(data["reports"]["en"]["runs"])


def test_thinning_keeps_what_matters() -> None:
    values = [float(v) for v in np.random.default_rng(1).normal(1.0, 0.01, 5000)]
    values[1234], values[3210] = 50.0, -3.0
    shown: list[float | None] = list(values)
    shown[2000] = None
    curve = {
        "tag": "loss", "run": ".", "steps": list(range(5000)), "values": shown,
        "wall_times": list(map(float, range(5000))),
        "epochs": None, "nonfinite": [[2000, "NaN"]], "total": 5000, "thinned": False,
        "trend": {"steps": list(range(0, 5000, 2)), "values": values[::2]},
    }  # fmt: skip
    thinned = html.thin(curve, 200)
    assert len(thinned["steps"]) < 260 and thinned["thinned"] and thinned["total"] == 5000
    assert {0, 1234, 2000, 3210, 4999} <= set(thinned["steps"])
    assert thinned["nonfinite"] == [[2000, "NaN"]]
    assert len(thinned["values"]) == len(thinned["wall_times"]) == len(thinned["steps"])
    assert thinned["trend"]["steps"][-1] == 4998 and len(thinned["trend"]["steps"]) <= 201
    assert html.thin(curve, 5000) == curve


def test_a_thousand_runs_stay_mailable(report: Report) -> None:
    contract = report.to_dict(lang="en", curves=1000)
    contract["runs"] = [
        {**run, "run": f"{run['run']}-{i}"} for i in range(1000 // len(contract["runs"])) for run in contract["runs"]
    ]
    started = time.monotonic()
    size = len(html.render_html(contract, "en"))
    assert size < 45_000_000
    assert time.monotonic() - started < 30


def test_without_the_built_page_one_clear_line(report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html, "STATIC", tmp_path)
    with pytest.raises(BadOption, match="the page is not built"):
        html.render_html(report, "en")
