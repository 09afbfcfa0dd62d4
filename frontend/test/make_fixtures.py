"""Writes the golden report that the page's tests draw: python frontend/test/make_fixtures.py."""

from __future__ import annotations

import json
from pathlib import Path

from tb_evalguide import diagnose
from tb_evalguide.report import Report

HERE = Path(__file__).parent
RUNS = ("overfitting", "nan", "ideal", "resume_jump", "insufficient_data")
POINTS = 60


def golden(lang: str) -> dict[str, object]:
    report = diagnose(HERE.parents[1] / "demo_logs", lang=lang)
    chosen = Report("demo_logs", tuple(run for run in report.runs if run.run in RUNS), None, lang)
    data = chosen.to_dict(curves=POINTS)
    # The version changes with every release and says nothing about the page.
    data["tool"]["version"] = "0.0.0"
    return data


if __name__ == "__main__":
    for lang in ("en", "ko"):
        text = json.dumps(golden(lang), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        # One run a line: a diff shows which run changed.
        text = text.replace('{"run":', '\n{"run":')
        (HERE / "fixtures" / f"report.{lang}.json").write_text(text + "\n", encoding="utf-8")
