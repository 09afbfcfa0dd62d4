"""Runs side by side, in each format of `compare`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tb_evalguide.compare import compare
from tb_evalguide.i18n import N_, gettext_for
from tb_evalguide.i18n import render as render_text
from tb_evalguide.model import Text
from tb_evalguide.render import markdown
from tb_evalguide.render.csv_report import write
from tb_evalguide.render.json_report import dumps
from tb_evalguide.render.layout import Column, Line, Span, line, paint, table, wrap
from tb_evalguide.render.terminal import NARROWEST, STATE_STYLES, WIDEST
from tb_evalguide.render.words import LABELS, RUN_STATES, SYMBOLS, duration, figures, number, safe, word

CSV_COLUMNS = (
    "run",
    "label",
    "level",
    "metric",
    "value",
    "step",
    "gap",
    "perplexity",
    "seconds",
    "state",
    "best",
    "headline",
)
MOST_SETTINGS = 12  # columns of settings on a screen; the other formats have all
SIGNS = {"+": ("✓", "pass"), "-": ("✗", "fail"), "?": ("?", "unknown")}
HEADS = (
    N_("run"),
    N_("verdict"),
    N_("best"),
    N_("at step"),
    N_("gap"),
    N_("perplexity"),
    "Z1–Z7",
    N_("time"),
    N_("state"),
)


def render(report: Mapping[str, Any], lang: str, format: str, columns: int, colour: bool) -> str:
    data = compare(report["runs"], report["differing"]).to_dict(lang)
    if format == "json":
        return dumps(data, indent=1) + "\n"
    differing = data["differing"]
    if format == "csv":
        rows = [
            [
                *(run[key] for key in CSV_COLUMNS),
                *(SIGNS.get(sign, SIGNS["?"])[1] for sign in run["signals"]),
                *(run["hparams"].get(name) for name in differing),
            ]
            for run in data["runs"]
        ]
        signals = (f"Z{i}" for i in range(1, 8))
        return write((*CSV_COLUMNS, *signals, *(f"hparam.{name}" for name in differing)), rows)
    return _markdown(data, lang) if format == "markdown" else _terminal(data, lang, columns, colour)


def _by(data: Mapping[str, Any], lang: str) -> str:
    if data["metric"] is None:
        return ""
    direction = N_("higher is better") if data["greater_is_better"] else N_("lower is better")
    template = N_("best first, by {metric} ({direction})")
    return render_text(Text(template, {"metric": safe(data["metric"]), "direction": Text(direction)}), lang)


def _terminal(data: Mapping[str, Any], lang: str, columns: int, colour: bool) -> str:
    total = max(columns, NARROWEST)
    runs, differing = data["runs"], data["differing"][:MOST_SETTINGS]
    head = [gettext_for(message, lang) for message in HEADS]
    table_columns = [
        Column(""),
        Column(head[0], flex=True, middle=True),
        Column(head[1], flex=True),
        Column(head[2], "right"),
        Column(head[3], "right"),
        Column(head[4], "right", optional=True),
        Column(head[5], "right", optional=True),
        Column(head[6], optional=True),
        Column(head[7], "right", optional=True),
        Column(head[8], optional=True),
        *(Column(safe(name, 40), "right", flex=True, middle=True) for name in differing),
    ]
    values, gaps, perplexities = (figures([run[key] for run in runs]) for key in ("value", "gap", "perplexity"))
    rows: list[list[Line]] = []
    for i, run in enumerate(runs):
        level = run["level"]
        signals = tuple(
            Span(SIGNS.get(sign, ("?", ""))[0], STATE_STYLES.get(SIGNS.get(sign, ("", ""))[1], ""))
            for sign in run["signals"]
        )
        rows.append(
            [
                line(Span("★", "ok") if run["best"] else Span(SYMBOLS.get(level, "?"), level)),
                line(Span(safe(run["run"], 4000), "bold" if run["best"] else "")),
                line(Span(word(LABELS, run["label"], lang), level)),
                line(values[i]),
                line(number(run["step"]) if run["step"] is not None else ""),
                line(gaps[i]),
                line(perplexities[i]),
                signals,
                line(duration(run["seconds"]) if run["seconds"] is not None else ""),
                line(word(RUN_STATES, run["state"], lang)),
                *(line(_hparam(run["hparams"].get(name))) for name in differing),
            ]
        )
    lines: list[Line] = [line(Span(_by(data, lang), "dim")), ()] if data["metric"] is not None else []
    # What differs may be more than fits beside the verdict; then the settings get a table of their own.
    split = 10 if _natural(table_columns, rows) > total and differing else len(table_columns)
    lines += table(table_columns[:split], [row[:split] for row in rows], total, indent=0)
    for start in range(split, len(table_columns), 4):
        part = slice(start, start + 4)
        lines += [(), *table([*table_columns[:2], *table_columns[part]], [[*r[:2], *r[part]] for r in rows], total, 0)]
    left = len(data["differing"]) - len(differing)
    if left:
        more = render_text(Text(N_("{count} more settings differ (--format csv)."), {"count": left}), lang)
        lines += [(), line(Span(more, "dim"))]
    said = [*(item["text"] for item in data["influences"]), *data["notes"]]
    if said:
        lines += [(), line(Span(gettext_for(N_("What the settings do"), lang), "bold"))]
    for item in data["influences"]:
        lines += wrap(
            line(Span("  ● " if item["sure"] else "  ○ "), safe(item["text"], 1000)), min(total, WIDEST), indent=4
        )
    for note in data["notes"]:
        lines += wrap(line(Span("  i ", "dim"), Span(safe(note, 1000), "dim")), min(total, WIDEST), indent=4)
    return paint(lines, colour)


def _natural(columns: list[Column], rows: list[list[Line]]) -> int:
    from tb_evalguide.render.layout import cells, width

    kept = [i for i in range(len(columns)) if any(width(row[i]) for row in rows)]
    widths = [max(min(cells(columns[i].head), 16), *(width(row[i]) for row in rows)) for i in kept]
    return sum(widths) + 2 * len(widths)


def _hparam(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value is None else safe(value, 60)


def _markdown(data: Mapping[str, Any], lang: str) -> str:
    runs, differing = data["runs"], data["differing"]
    head = [gettext_for(message, lang) for message in HEADS]
    columns = [figures([run[key] for run in runs]) for key in ("value", "gap", "perplexity")]
    rows = [
        [
            ("★ " if run["best"] else "") + markdown.escape(run["run"]),
            f"{markdown.MARKS.get(run['level'], '')} {word(LABELS, run['label'], lang)}",
            columns[0][i] or "–",
            number(run["step"]),
            columns[1][i] or "–",
            columns[2][i] or "–",
            "".join(SIGNS.get(sign, ("?", ""))[0] for sign in run["signals"]),
            duration(run["seconds"]),
            word(RUN_STATES, run["state"], lang),
            *(markdown.escape(_hparam(run["hparams"].get(name)) or "–") for name in differing),
        ]
        for i, run in enumerate(runs)
    ]
    made = markdown.table([*head, *(markdown.escape(name) for name in differing)], rows, right=(2, 3, 4, 5, 7))
    said = [f"- {markdown.prose(text)}" for text in (*(i["text"] for i in data["influences"]), *data["notes"])]
    return "\n".join([*([_by(data, lang), ""] if data["metric"] is not None else []), *made, "", *said]).rstrip() + "\n"
