"""One module a format; each turns the report's contract into text and decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tb_evalguide.report import Report

# {format: (module, function)}; imported in use, so that a report in one format pays for no other.
_FORMATS: Mapping[str, tuple[str, str]] = {
    "terminal": ("terminal", "render"),
    "json": ("json_report", "render"),
    "jsonl": ("json_report", "render_lines"),
    "markdown": ("markdown", "render"),
    "csv": ("csv_report", "render"),
    "html": ("html", "render_html"),
    "junit": ("junit", "render"),
    "sarif": ("sarif", "render"),
}
FORMATS = tuple(_FORMATS)


def renderer(name: str) -> Callable[..., str]:
    """The function that renders a report (contract as a mapping) in this format."""
    module, function = _FORMATS[name]
    found: Callable[..., str] = getattr(import_module(f"tb_evalguide.render.{module}"), function)
    return found


def render(report: Report | Mapping[str, Any], format: str, lang: str = "en", **options: Any) -> str:
    """`report` in `format`. options: those of the format's own function."""
    if format == "html":
        return renderer(format)(report, lang=lang, **options)
    data = report if isinstance(report, Mapping) else report.to_dict(lang=lang, curves=PLOT_POINTS)
    return renderer(format)(data, lang=lang, **options)


PLOT_POINTS = 400  # more than twice the dots of the widest terminal plot, so thinning never shows
