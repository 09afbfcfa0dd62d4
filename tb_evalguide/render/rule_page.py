"""A rule's page, and the list of all rules, for a terminal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tb_evalguide.explain import CHOSEN, LEAST, least_data
from tb_evalguide.i18n import N_, gettext_for
from tb_evalguide.render.layout import Column, Line, Span, line, table, wrap
from tb_evalguide.render.words import LABELS, SEVERITIES, word

if TYPE_CHECKING:
    from tb_evalguide.explain import RulePage

READING_WIDTH = 88  # prose in longer lines is hard to read


def lines_of(page: RulePage, lang: str, columns: int) -> list[Line]:
    columns = min(columns, READING_WIDTH)
    facts = [word(LABELS, page.label, lang), word(SEVERITIES, page.severity, lang)]
    if page.guide:
        facts.append(f"{gettext_for(N_('guide'), lang)} {', '.join(page.guide)}")
    lines = [*wrap(line(Span(page.id, "bold"), "  ", Span(page.title, "bold")), columns, indent=2)]
    lines.append(line(Span(" · ".join(facts), "dim")))
    for heading, text in page.sections:
        lines += [(), line(Span(gettext_for(heading, lang), "bold"))]
        for paragraph in text.split("\n"):
            lead = re.match(r"\s*(?:[-*]|\d+\.)? *", paragraph)
            lines += wrap(_styled(f"  {paragraph}"), columns, indent=2 + (lead.end() if lead else 0))
    lines += [(), line(Span(gettext_for(LEAST, lang), "bold"))]
    lines += wrap(_styled(f"  {least_data(page, lang)}"), columns, indent=2)
    if page.limits:
        lines += [(), line(Span(gettext_for(N_("Limits"), lang), "bold"))]
        for limit in page.limits:
            value = f"{limit.value:g}" if isinstance(limit.value, float) else str(limit.value)
            lines += wrap(line("  ", Span(f"{limit.name} = {value}", "code"), f"  {limit.source}"), columns, indent=6)
        if page.chosen_on_runs:
            lines += wrap(line("  ", Span(gettext_for(CHOSEN, lang), "dim")), columns, indent=2)
    return lines


def _styled(text: str) -> Line:
    """`code` in backquotes in colour; the backquotes stay where there is none."""
    parts = re.split(r"(`[^`]+`)", text)
    return tuple(Span(part, "code" if part.startswith("`") else "") for part in parts if part)


def list_of(pages: Sequence[RulePage], lang: str, columns: int) -> list[Line]:
    head = [gettext_for(m, lang) for m in (N_("rule"), N_("verdict"), N_("guide"), N_("what it says"))]
    rows = [
        [
            line(Span(p.id, "bold")),
            line(word(LABELS, p.label, lang)),
            line(" ".join(p.guide)),
            line(p.title),
        ]
        for p in pages
    ]
    return table(
        [Column(head[0]), Column(head[1]), Column(head[2], optional=True), Column(head[3], flex=True)], rows, columns, 0
    )
