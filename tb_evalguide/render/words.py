"""The words that every format shows for the contract's identifiers, and how a hostile string is made harmless."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from tb_evalguide.i18n import N_, gettext_for

LABELS: Mapping[str, str] = {
    "healthy": N_("healthy"),
    "overfitting": N_("overfitting"),
    "underfitting": N_("underfitting"),
    "lr_too_high": N_("learning rate too high"),
    "lr_too_low": N_("learning rate too low"),
    "divergence": N_("divergence"),
    "nan": N_("NaN or infinity"),
    "spike": N_("loss spike"),
    "oscillation": N_("oscillation"),
    "exploding_gradients": N_("exploding gradients"),
    "vanishing_gradients": N_("vanishing gradients"),
    "plateau": N_("plateau"),
    "lr_schedule": N_("learning-rate schedule"),
    "resume_jump": N_("jump after resuming"),
    "stalled": N_("stalled"),
    "out_of_memory": N_("out of memory"),
    "slow": N_("slow"),
    "data_integrity": N_("data integrity"),
    "insufficient_data": N_("not enough data"),
}
LEVELS: Mapping[str, str] = {
    "bad": N_("bad"),
    "warn": N_("warning"),
    "unknown": N_("unknown"),
    "info": N_("note"),
    "ok": N_("fine"),
}
SYMBOLS: Mapping[str, str] = {"bad": "✗", "warn": "!", "unknown": "?", "info": "i", "ok": "✓"}
STATE_SYMBOLS: Mapping[str, str] = {"pass": "✓", "fail": "✗", "unknown": "?"}
STATES: Mapping[str, str] = {"pass": N_("pass"), "fail": N_("fail"), "unknown": N_("unknown")}
RUN_STATES: Mapping[str, str] = {
    "finished": N_("finished"),
    "running": N_("running"),
    "stalled": N_("stalled"),
    "crashed": N_("crashed"),
    "unknown": N_("state unknown"),
}
SEVERITIES: Mapping[str, str] = {
    "critical": N_("critical"),
    "high": N_("high"),
    "medium": N_("medium"),
    "info": N_("info"),
}
SIGNALS: Mapping[str, str] = {
    "Z1": N_("train loss falls"),
    "Z2": N_("eval loss falls"),
    "Z3": N_("gap < 0.5"),
    "Z4": N_("samples improve"),
    "Z5": N_("no NaN, no OOM"),
    "Z6": N_("perplexity < 3"),
    "Z7": N_("loss is stable"),
}
PHASES: Mapping[str, str] = {
    "L1": N_("before training"),
    "L2": N_("after 10 steps"),
    "L3": N_("first evaluation"),
    "L4": N_("every evaluation"),
    "L5": N_("after training"),
}


def word(table: Mapping[str, str], key: str, lang: str) -> str:
    """The word for an identifier; the identifier itself where a newer report names one we do not know."""
    return gettext_for(table[key], lang) if key in table else safe(key)


def safe(text: object, limit: int = 400) -> str:
    """`text` on one line with every character that could steer a terminal or reorder a line spelled out.

    Names, tags and texts come from logs: ANSI escapes, line breaks, direction marks and zero-width characters would
    let a run name forge the report around it. Combining marks are bounded, so that they cannot climb over other lines.
    """
    out: list[str] = []
    marks = 0
    string = str(text)
    for char in string[: limit + 1]:
        category = unicodedata.category(char)
        if category in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"):
            code = ord(char)
            out.append(f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")
            marks = 0
        elif category in ("Mn", "Me"):
            marks += 1
            if marks <= 2:
                out.append(char)
        else:
            out.append(" " if category == "Zs" else char)
            marks = 0
    joined = "".join(out[:limit])
    return joined + "…" if len(string) > limit else joined


def number(value: Any, digits: int = 4) -> str:
    """A figure as a person writes it: 1.234, 0.0123, 2e-05, 12,345; NaN and infinities by name; – for none."""
    if value is None or value == "":
        return "–"
    if isinstance(value, str):  # the contract's "NaN", "Infinity", "-Infinity", or text
        return safe(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:,}"
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("∞" if value > 0 else "-∞")
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1e6 or size < 1e-3:
        return f"{value:.3g}"
    if size >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{max(0, digits - 1 - math.floor(math.log10(size)))}f}" if size >= 1 else f"{value:.{digits}f}"


def figures(values: Sequence[Any]) -> list[str]:
    """A column of figures with the same number of decimals, so that the decimal points stand below each other.

    What would be nothing but zeros then, and is not 0, is written for itself.
    """
    finite = [abs(v) for v in values if isinstance(v, (int, float)) and not isinstance(v, bool) and math.isfinite(v)]
    largest = max(finite, default=0.0)
    if not finite or largest >= 1e6 or 0 < largest < 1e-4:
        return ["" if value is None else number(value) for value in values]
    place = math.floor(math.log10(largest)) if largest > 0 else 0
    decimals = max(0, 3 - max(0, place)) if place >= -1 else 2 - place
    least = 0.5 / 10**decimals

    def figure(value: Any) -> str:
        if value is None:
            return ""
        fits = isinstance(value, (int, float)) and math.isfinite(value) and (not value or abs(value) >= least)
        return f"{value:,.{decimals}f}" if fits else number(value, 3)

    return [figure(value) for value in values]


def duration(seconds: float | None) -> str:
    """45 s, 12 min, 3 h 20 min, 2 d 4 h; the units are the same in every language."""
    if seconds is None or not math.isfinite(seconds):
        return "–"
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    if seconds < 90:
        return f"{seconds:.3g} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(round(seconds / 3600), 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def size(count: int | None) -> str:
    """Bytes in decimal units, as `ls` and disks count them."""
    if count is None:
        return "–"
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if amount < 1000 or unit == "TB":
            return f"{amount:.0f} {unit}" if unit == "B" or amount >= 100 else f"{amount:.1f} {unit}"
        amount /= 1000
    raise AssertionError("unreachable")
