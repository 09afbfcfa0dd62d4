"""Lightning's `hparams.yaml`, YOLO's `args.yaml` → flat names and scalars, from the plain subset of YAML they use."""

from __future__ import annotations

import re
from typing import Any

FILE_NAME = "hparams.yaml"
# Arguments of a training fit into a few kilobytes; more is something else under the name.
LARGEST = 1 << 20

_LINE = re.compile(r"( *)(?:'([^']*)'|\"([^\"]*)\"|([^\s'\"#:\-\[\]{}!&*][^:#]*?))\s*:(?:\s+(.*?))?\s*")
_INTEGER = re.compile(r"[-+]?\d[\d_]*", re.ASCII)
_FLOAT = re.compile(r"[-+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?", re.ASCII)
_WORDS = {
    "true": True,
    "yes": True,
    "on": True,
    "false": False,
    "no": False,
    "off": False,
    "null": None,
    "~": None,
    "": None,
}
_SPECIAL = {".nan": float("nan"), ".inf": float("inf"), "+.inf": float("inf"), "-.inf": float("-inf")}


def read_flat(path: str) -> dict[str, Any]:
    """The scalars of the file by name, nested names joined with dots. Lists, tags and anchors are passed over.

    A file that cannot be read states nothing: its arguments are a help, never needed.
    """
    try:
        with open(path, encoding="utf-8-sig", errors="replace") as file:
            return parse_flat(file.read(LARGEST))
    except OSError:
        return {}


def parse_flat(text: str) -> dict[str, Any]:
    """See `read_flat`."""
    found: dict[str, Any] = {}
    above: list[tuple[int, str]] = []  # (indentation, name) of the mappings we are in
    skipping: int | None = None  # inside a value that is not a plain scalar: until the indentation goes back to this
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        indent = len(line) - len(line.lstrip(" "))
        if skipping is not None:
            if indent > skipping or (indent == skipping and line.lstrip().startswith("- ")):
                continue
            skipping = None
        match = _LINE.fullmatch(line)
        if match is None:
            skipping = indent  # a list, or a text over several lines
            continue
        while above and above[-1][0] >= indent:
            above.pop()
        key = next(name for name in match.group(2, 3, 4) if name is not None).strip()
        name = ".".join([*(part for _, part in above), key])
        raw = match.group(5)
        if raw is None or not raw.split("#")[0].strip():
            above.append((indent, key))
            continue
        value, plain = _scalar(raw)
        if plain:
            found[name] = value
        else:
            skipping = indent
    return found


def _scalar(raw: str) -> tuple[Any, bool]:
    """(value, whether it is a plain scalar)."""
    raw = raw.strip()
    if raw[0] in "'\"":
        end = raw.find(raw[0], 1)
        return (raw[1:end], True) if end > 0 else (None, False)
    raw = re.split(r"\s#", raw)[0].strip()
    if raw[0] in "[{!&*|>":
        return None, False
    lower = raw.lower()
    # no, No and NO are words of YAML; nO is a name
    if lower in _WORDS and raw in (lower, lower.capitalize(), lower.upper()):
        return _WORDS[lower], True
    if lower in _SPECIAL and raw in (lower, lower.upper(), lower.replace("nan", "NaN"), lower.replace("inf", "Inf")):
        return _SPECIAL[lower], True
    if _INTEGER.fullmatch(raw):
        return int(raw.replace("_", "")), True
    if _FLOAT.fullmatch(raw):
        return float(raw.replace("_", "")), True
    return raw, True
