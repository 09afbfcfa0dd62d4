"""The checkpoint ranking of one or more runs, and the plan of what could be deleted, in each format of `rank`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tb_evalguide.i18n import N_, gettext_for
from tb_evalguide.i18n import render as render_text
from tb_evalguide.model import Text
from tb_evalguide.render import markdown
from tb_evalguide.render.csv_report import write
from tb_evalguide.render.json_report import dumps
from tb_evalguide.render.layout import Line, Span, line, paint, wrap
from tb_evalguide.render.terminal import NARROWEST, Page
from tb_evalguide.render.words import safe, size

WIDEST_RANKING = 180
COLUMNS = (
    "run",
    "rank",
    "step",
    "path",
    "on_disk",
    "metric",
    "value",
    "gap",
    "perplexity",
    "quality",
    "tied",
    "recommended",
    "level",
    "size",
    "modified",
    "reason",
)
Plan = Sequence[tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]]]


def render(report: Mapping[str, Any], lang: str, format: str, columns: int, colour: bool) -> str:
    runs = report["runs"]
    if format == "json":
        listed = [{"run": r["run"], "ranking": r["ranking"], "checkpoints": r["checkpoints"]} for r in runs]
        return dumps(listed, indent=1) + "\n"
    if format == "csv":
        return write(COLUMNS, [[r["run"], *(c[key] for key in COLUMNS[1:])] for r in runs for c in r["checkpoints"]])
    if format == "markdown":
        parts: list[str] = []
        for run in runs:
            parts += [f"## {markdown.escape(run['run'])}", ""]
            parts += markdown.checkpoints(run, lang) if run["checkpoints"] else [_none(lang)]
            parts += ["", *(f"- {markdown.prose(note)}" for note in run["ranking"]["notes"]), ""]
        return "\n".join(parts).rstrip() + "\n"
    # a table of sentences: as wide as the window
    page = Page(lang, min(max(columns, NARROWEST), WIDEST_RANKING), True, str(report["logdir"]))
    lines: list[Line] = []
    for run in runs:
        lines += [()] if lines else []
        lines += wrap(line(Span(page.name(run), "bold")), page.columns)
        if run["checkpoints"]:
            lines += page.checkpoint_table(run, run["checkpoints"])
            best = next((c for c in run["checkpoints"] if c["recommended"]), None)
            if best is not None:
                lines += wrap(line(Span("  ★ ", "ok"), safe(best["reason"], 600)), page.columns, indent=4)
            lines += page.ranking_notes(run)
        else:
            lines.append(line("  " + _none(lang)))
    return paint(lines, colour)


def _none(lang: str) -> str:
    return gettext_for(N_("no checkpoints and no evaluations found"), lang)


def render_plan(
    plan: Plan, keep: int, lang: str, format: str, columns: int, colour: bool, full_path: Callable[[str], str]
) -> str:
    """What could be deleted. Nothing is deleted here or anywhere in this package."""

    def t(message: str, **params: object) -> str:
        return render_text(Text(message, params), lang)

    freed = sum(c["size"] or 0 for _, chosen in plan for c in chosen)
    if format == "json":
        listed = [
            {
                "run": run["run"],
                "delete": [{"path": full_path(c["path"]), "step": c["step"], "size": c["size"]} for c in chosen],
            }
            for run, chosen in plan
        ]
        return dumps({"keep": keep, "frees": freed, "runs": listed}, indent=1) + "\n"
    if format == "csv":
        rows = [[run["run"], c["step"], full_path(c["path"]), c["size"]] for run, chosen in plan for c in chosen]
        return write(("run", "step", "path", "size"), rows)
    total = sum(len(chosen) for _, chosen in plan)
    said = t(
        N_("Checkpoints that could be deleted: {count}; that frees {size}. Nothing was deleted."),
        count=total,
        size=size(freed),
    )
    if format == "markdown":
        body = [
            [markdown.escape(run["run"]), f"{c['step']:,}", markdown.code(full_path(c["path"])), size(c["size"])]
            for run, chosen in plan
            for c in chosen
        ]
        head = [t(m) for m in (N_("run"), N_("step"), N_("file"), N_("size"))]
        return "\n".join([*(markdown.table(head, body, right=(1, 3)) if body else []), "", said]).lstrip() + "\n"
    lines: list[Line] = []
    for run, chosen in plan:
        lines += wrap(line(Span(safe(run["run"], 4000), "bold")), max(columns, NARROWEST))
        for c in run["checkpoints"]:
            if c["on_disk"]:
                gone = any(c["step"] == other["step"] for other in chosen)
                verb = t(N_("delete")) if gone else t(N_("keep"))
                sign = Span("  − " if gone else "  + ", "warn" if gone else "ok")
                text = f"{verb}  {size(c['size'])}  {safe(full_path(c['path']), 4000)}"
                lines += wrap(line(sign, text), max(columns, NARROWEST), indent=4)
    return paint([*lines, (), *wrap(line(said), max(columns, NARROWEST))], colour)
