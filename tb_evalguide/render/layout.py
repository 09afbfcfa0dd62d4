"""Styled lines for a terminal: cell widths, cutting, wrapping, tables, ANSI colours.

A library for this costs as much start-up time as the rest of the report together (rich: 50 ms beside NumPy's 85 ms,
measured), and the report of a small run is to take at most twice what importing NumPy takes.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

ANSI = {
    "": "",
    "bad": "31",
    "warn": "33",
    "info": "36",
    "ok": "32",
    "unknown": "35",
    "dim": "2",
    "bold": "1",
    "bad.badge": "1;7;31",
    "warn.badge": "1;7;33",
    "info.badge": "1;7;36",
    "ok.badge": "1;7;32",
    "unknown.badge": "1;7;35",
    "train": "34",
    "eval": "33",
    "mark": "1;35",
    "code": "36",
}


class Span(NamedTuple):
    text: str
    style: str = ""


Line = tuple[Span, ...]


def line(*parts: Span | str) -> Line:
    return tuple(part if isinstance(part, Span) else Span(part) for part in parts if part)


@lru_cache(maxsize=4096)
def _cells(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me", "Cf", "Cc"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1


def cells(text: str) -> int:
    """Columns that `text` takes on a terminal."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def width(spans: Line) -> int:
    return sum(cells(span.text) for span in spans)


def cut(text: str, columns: int) -> str:
    """`text` in at most that many columns, ending in … when something is missing."""
    if cells(text) <= columns:
        return text
    out, used = [], 0
    for char in text:
        used += _cells(char)
        if used > columns - 1:
            break
        out.append(char)
    return "".join(out) + "…" if columns > 0 else ""


def cut_middle(text: str, columns: int) -> str:
    """Like `cut`, but what is left out is the middle: run names differ at their ends."""
    if cells(text) <= columns:
        return text
    head = cut(text, max(1, (columns + 1) // 2)).removesuffix("…")
    tail: list[str] = []
    used = cells(head) + 1
    for char in reversed(text):
        used += _cells(char)
        if used > columns:
            break
        tail.insert(0, char)
    return f"{head}…{''.join(tail)}" if columns > 1 else "…"


def pad(spans: Line, columns: int, align: str = "left") -> Line:
    missing = max(0, columns - width(spans))
    if not missing:
        return spans
    return (Span(" " * missing), *spans) if align == "right" else (*spans, Span(" " * missing))


def fit(spans: Line, columns: int) -> Line:
    """A line cut to `columns`."""
    if width(spans) <= columns:
        return spans
    out: list[Span] = []
    left = columns
    for span in spans:
        used = cells(span.text)
        if used >= left:
            text = cut(span.text + "…" if used == left else span.text, left)
            out.append(Span(text, span.style))
            break
        out.append(span)
        left -= used
    return tuple(out)


def _words(spans: Line) -> list[list[Span]]:
    """The line cut where it may break: after spaces and around ideographs, whatever the style does there.

    Korean is broken at spaces, as it is typeset; Chinese and Japanese have none.
    """
    words: list[list[Span]] = [[]]

    def close() -> None:
        if words[-1]:
            words.append([])

    for span in spans:
        piece = ""
        for char in span.text:
            ideograph = _cells(char) == 2 and not "\uac00" <= char <= "\ud7a3"
            if ideograph:
                if piece:
                    words[-1].append(Span(piece, span.style))
                    piece = ""
                close()
            piece += char
            if char == " " or ideograph:
                words[-1].append(Span(piece, span.style))
                piece = ""
                close()
        if piece:
            words[-1].append(Span(piece, span.style))
    return [word for word in words if word]


def wrap(spans: Line, columns: int, indent: int = 0) -> list[Line]:
    """Lines of at most `columns`; all but the first start with `indent` spaces. Too long words are broken."""
    columns = max(columns, indent + 8)
    lines: list[list[Span]] = [[]]
    used = 0
    for word in _words(spans):
        bare = cells("".join(span.text for span in word).rstrip(" "))
        if used + bare > columns and used > (indent if len(lines) > 1 else 0) and bare <= columns - indent:
            lines.append([Span(" " * indent)] if indent else [])
            used = indent
            if not bare:
                continue
        for span in word:
            rest = span.text
            while rest:
                head = ""
                taken = 0
                for char in rest:
                    if used + taken + _cells(char) > columns:
                        break
                    head += char
                    taken += _cells(char)
                if head:
                    lines[-1].append(Span(head, span.style))
                    used += taken
                rest = rest[len(head) :]
                if rest and not rest.strip(" "):
                    break  # spaces at the end of a line are not carried over
                if rest:
                    lines.append([Span(" " * indent)] if indent else [])
                    used = indent
    return [_trim(tuple(spans)) for spans in lines]


def unbroken(spans: Line) -> Line:
    """No-break spaces as spaces, after wrapping."""
    return tuple(Span(span.text.replace("\u00a0", " "), span.style) for span in spans)


def _trim(spans: Line) -> Line:
    out = list(spans)
    while out and not out[-1].text.rstrip(" "):
        out.pop()
    if out:
        out[-1] = Span(out[-1].text.rstrip(" "), out[-1].style)
    return tuple(out)


class Column(NamedTuple):
    head: str
    align: str = "left"
    flex: bool = False  # gives way when the table is too wide
    middle: bool = False  # cut in the middle: names differ at their ends
    optional: bool = False  # left out, last first, before a flexible column becomes too narrow to read


READABLE = 16  # a flexible column keeps this many cells while there is an optional column to leave out
LEAST = 8


def table(columns: Sequence[Column], rows: Sequence[Sequence[Line]], total: int, indent: int = 2) -> list[Line]:
    """A table without borders, two spaces between columns, no line wider than `total`."""
    if not rows:
        return []
    # A column in which no row says anything is noise.
    kept = [i for i in range(len(columns)) if any(width(row[i]) for row in rows)]
    widths = {i: max(cells(columns[i].head), *(width(row[i]) for row in rows)) for i in kept}
    natural = dict(widths)

    def over() -> int:
        return indent + sum(widths[i] for i in kept) + 2 * (len(kept) - 1) - total

    for least in (READABLE, LEAST):
        while over() > 0:
            flexible = [i for i in kept if columns[i].flex and widths[i] > least]
            if flexible:
                widest = max(flexible, key=lambda i: widths[i])
                widths[widest] -= 1
                continue
            optional = [i for i in kept if columns[i].optional]
            if least == LEAST or not optional:
                break
            kept.remove(optional[-1])
            for i in kept:  # what this column took is there to be shared again
                widths[i] = natural[i]
    lines = []
    for row in [[line(Span(c.head, "dim")) for c in columns], *rows]:
        parts: list[Span] = [Span(" " * indent)] if indent else []
        for place, i in enumerate(kept):
            if place:
                parts.append(Span("  "))
            cell = tuple(row[i])
            if columns[i].middle and len(cell) == 1:
                cell = (Span(cut_middle(cell[0].text, widths[i]), cell[0].style),)
            parts += pad(fit(cell, widths[i]), widths[i], columns[i].align)
        lines.append(fit(_trim(tuple(parts)), total))
    return lines


def paint(lines: Iterable[Line], colour: bool) -> str:
    """The lines as text, with ANSI colours or without a single escape."""
    out = []
    for spans in lines:
        if colour:
            # a level that only a later version knows has no colour yet
            painted = "".join(f"\x1b[{ANSI[s.style]}m{s.text}\x1b[0m" if ANSI.get(s.style) else s.text for s in spans)
        else:
            painted = "".join(span.text for span in spans).rstrip(" ")
        out.append(painted)
    return "\n".join(out) + "\n"
