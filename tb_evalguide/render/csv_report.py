"""One row a run, for a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tb_evalguide.render.words import safe

COLUMNS = (
    "run",
    "label",
    "level",
    "confidence",
    "onset_step",
    "headline",
    "profile",
    "metric",
    "best_value",
    "best_step",
    "last_value",
    "gap",
    "perplexity",
    "recommended_checkpoint",
    "state",
    "last_step",
    "active_seconds",
    *(f"Z{i}" for i in range(1, 8)),
    "rules",
)


def render(report: Mapping[str, Any], lang: str = "en") -> str:
    """Column names are the contract's and never translated; after them, the hyper-parameters that differ."""
    differing = list(report["differing"])
    rows = [_row(run, differing) for run in report["runs"]]
    return write((*COLUMNS, *(f"hparam.{name}" for name in differing)), rows)


def write(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Rows as CSV. A text that a spreadsheet would take for a formula gets a leading apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([cell(name) for name in columns])
    writer.writerows([[cell(value) for value in row] for row in rows])
    return out.getvalue()


def cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return value
    text = safe(value, 4000)
    if text in ("NaN", "Infinity", "-Infinity"):
        return text
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\\x09", "\\x0d")) else text


def _row(run: Mapping[str, Any], differing: Sequence[str]) -> list[Any]:
    verdict, best, status = run["verdict"], run["best"], run["status"]
    recommended = next((c for c in run["checkpoints"] if c["recommended"]), None)
    signals = {signal["id"]: signal["state"] for signal in run["signals"]}
    return [
        run["run"],
        verdict["label"],
        verdict["level"],
        verdict["confidence"],
        verdict["onset_step"],
        verdict["headline"],
        run["profile"]["id"],
        best["metric"],
        best["value"],
        best["step"],
        best["last_value"],
        best["gap"],
        best["perplexity"],
        (recommended["path"] or recommended["step"]) if recommended else None,
        status["state"],
        status["last_step"],
        run["cost"]["active_seconds"],
        *(signals.get(f"Z{i}") for i in range(1, 8)),
        " ".join(finding["rule"] for finding in run["findings"]),
        *(run["hparams"].get(name) for name in differing),
    ]
