"""The report contract as JSON, and one line a run as JSON lines."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any


def render(report: Mapping[str, Any], lang: str = "en") -> str:
    """The contract, without the curves: they are for drawing and would bury the report."""
    runs = [entry(run) for run in report["runs"]]
    return dumps({**report, "runs": runs}, indent=1) + "\n"


def render_lines(report: Mapping[str, Any], lang: str = "en") -> str:
    """One run a line, each complete in itself."""
    return "".join(dumps(entry(run)) + "\n" for run in report["runs"])


def entry(run: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in run.items() if key != "curves"}


def dumps(value: Any, indent: int | None = None) -> str:
    """Strict JSON: NaN and infinities as strings, anything that UTF-8 cannot hold as an escape."""
    text = json.dumps(strict(value), ensure_ascii=False, allow_nan=False, indent=indent)
    # A file name that is not UTF-8 arrives with lone surrogates; written as \udcXX it is still valid JSON.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def strict(value: Any) -> Any:
    """`value` with every non-finite number as the contract's string."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, Mapping):
        return {str(key): strict(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [strict(item) for item in value]
    return value
