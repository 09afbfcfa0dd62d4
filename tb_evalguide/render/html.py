"""One self-contained HTML file: the page of the Diagnosis tab with the report inside, for reading without a server."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tb_evalguide.errors import BadOption
from tb_evalguide.i18n import LANGUAGES, N_, gettext_for
from tb_evalguide.model import Text

if TYPE_CHECKING:
    from tb_evalguide.report import Report

STATIC = Path(__file__).parent.parent / "static"
SCRIPT, STYLE = "index.js", "style.css"
EMBEDDED_ID = "evalguide-report"  # the page looks for this element (frontend/src/main.tsx)

# Points of all curves of all runs together, and bounds for one curve: a report of a thousand runs stays mailable.
POINTS_IN_ALL = 120_000
FEWEST_POINTS, MOST_POINTS = 60, 1_000

NOT_BUILT = N_("the page is not built. Run: make frontend (needs Node.js 20.19 or 22.12 and newer)")
NO_SCRIPT = N_("This report draws itself with a script inside this file; allow scripts to read it.")


def render_html(report: Report | Mapping[str, Any], lang: str = "en", written_at: float | None = None) -> str:
    """The HTML file. A Report is embedded in every language, with its curves once; a contract as it is.

    written_at: seconds since the epoch shown at the foot, default now. Raises BadOption where the page is not built.
    """
    script, style = _static(SCRIPT), _static(STYLE)
    data = embedded(report, lang, time.time() if written_at is None else written_at)
    title = html.escape(f"{data['reports'][lang]['logdir']} – tb-evalguide")
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src {_hash(script)}",
            f"style-src {_hash(style)}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    text = (
        "<!DOCTYPE html>\n"
        f'<html lang="{lang}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{title}</title>\n<style>{style}</style>\n</head>\n<body>\n"
        f"<noscript>{html.escape(gettext_for(NO_SCRIPT, lang))}</noscript>\n"
        f'<script type="application/json" id="{EMBEDDED_ID}">{embeddable(data)}</script>\n'
        f'<script type="module">{script}</script>\n'
        "</body>\n</html>\n"
    )
    # A file name that is not UTF-8 comes as lone surrogates, which no file can hold: shown as \udcxx.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def embedded(report: Report | Mapping[str, Any], lang: str, written_at: float) -> dict[str, Any]:
    """What the page reads: {"lang", "written_at", "reports": {lang: contract}, "curves": {run: its curves}}.

    A mapping is a contract; an entry of it may hold itself in other languages under "translations".
    """
    if isinstance(report, Mapping):
        reports = {lang: dict(report)} | _translated(report)
    else:
        reports = {lang: report.to_dict(lang=lang, curves=MOST_POINTS)}
        reports |= {other: report.to_dict(lang=other) for other in LANGUAGES if other != lang}
    curves = {run["run"]: run["curves"] for run in reports[lang]["runs"] if "curves" in run}
    points = max(FEWEST_POINTS, POINTS_IN_ALL // max(1, sum(map(len, curves.values()))))
    curves = {run: {role: thin(curve, points) for role, curve in own.items()} for run, own in curves.items()}
    for contract in reports.values():
        contract["runs"] = [
            {key: value for key, value in run.items() if key not in ("curves", "translations")}
            for run in contract["runs"]
        ]
    return {"lang": lang, "written_at": written_at, "reports": reports, "curves": curves}


def _translated(contract: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    from tb_evalguide.report import contract as make

    found: dict[str, list[dict[str, Any]]] = {}
    for run in contract["runs"]:
        for lang, entry in run.get("translations", {}).items():
            found.setdefault(lang, []).append(entry)
    return {lang: make(contract["logdir"], runs, contract["profile"], lang) for lang, runs in found.items()}


def thin(curve: Mapping[str, Any], points: int) -> dict[str, Any]:
    """A curve of the contract with at most about `points` points: extremes, ends and all that is not finite stay."""
    from tb_evalguide.report import thinned

    if len(curve["steps"]) <= points:
        return dict(curve)
    values = np.array([np.nan if value is None else value for value in curve["values"]], np.float64)
    index = thinned(values, points)
    out = {**curve, "thinned": True}
    for name in ("steps", "values", "wall_times", "epochs"):
        if curve.get(name) is not None:
            out[name] = [curve[name][i] for i in index]
    trend = curve.get("trend")
    if trend is not None:
        every = -(-len(trend["steps"]) // points)
        out["trend"] = {name: [*column[:-1:every], column[-1]] for name, column in trend.items()}
    return out


def embeddable(data: Any) -> str:
    """JSON that cannot end the script element it stands in, nor begin a comment there."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _hash(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode('ascii')}'"


def _static(name: str) -> str:
    try:
        text = (STATIC / name).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise BadOption(option="--format html", reason=Text(NOT_BUILT)) from error
    if "</script" in text.lower() or "</style" in text.lower() or "<!--" in text:
        raise AssertionError(f"{name} holds a sequence that would end the element it is put into")
    return text
