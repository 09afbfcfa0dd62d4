"""Weights & Biases runs kept on disk (`wandb/run-*/run-*.wandb`, `wandb-summary.json`) → runs; no package needed.

A .wandb file is a log of protobuf records in blocks, as LevelDB writes its own: each block is cut into chunks of
checksum, length, type and data, and a record may go over several chunks. The package that once read these files has
become a program in Go, so they are read here; records of any other kind are passed over unread.
"""

from __future__ import annotations

import json
import math
import os
import re
import struct
import zlib
from collections.abc import Iterator
from typing import Any

from tb_evalguide.i18n import N_
from tb_evalguide.model import ReadNote, Run, Source, Text
from tb_evalguide.sources import tables, wire
from tb_evalguide.sources.logdir import Folder
from tb_evalguide.sources.merge import series_from_points

FOLDER = re.compile(r"(?:offline-)?run-\d{8}_\d{6}-\w+", re.ASCII)
SUMMARY = "wandb-summary.json"

_MAGIC = b":W&B\xe1\xbe\x00"
_BLOCK = 32768
_CHUNK = struct.Struct("<IHB")
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
# Field numbers of wandb_internal.proto.
_HISTORY, _CONFIG, _RUN, _EXIT = 2, 5, 17, 18
_ITEM, _STEP, _KEY, _NESTED, _VALUE = 1, 2, 1, 2, 16
_RUN_CONFIG, _UPDATE, _EXIT_CODE = 4, 1, 1
# The step that the trainer itself logs; W&B's own counts the calls of log().
_AXES = ("train/global_step", "trainer/global_step", "global_step")

_NOT_WANDB = N_("This is not a W&B run file.")
_DAMAGED = N_("Damaged bytes at byte {offset}: reading went on in the next block.")
_SUMMARY_ONLY = N_("Only the summary of this W&B run is here: one value a metric, no curve.")
_UNREADABLE = N_("The file cannot be read ({reason}).")


def find_runs(folder: Folder) -> list[str]:
    """The W&B run files in a folder: one .wandb file, or the summary where that is all there is."""
    base = os.path.basename(folder.path)
    if base == "latest-run":  # a link to the newest, which is walked under its own name too
        return []
    found = [folder.join(name) for name in folder.files if name.endswith(".wandb")]
    if not found and base == "files" and SUMMARY in folder.files:
        above = os.path.dirname(folder.path)
        if FOLDER.fullmatch(os.path.basename(above)) and not any(name.endswith(".wandb") for name in _names(above)):
            found = [folder.join(SUMMARY)]
    return found


def _names(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except OSError:  # the folder above may be closed to us; then it shows no run file either
        return []


def read_run(path: str, shown: str, name: str) -> Run:
    """The run in a .wandb file or a summary. Damage becomes a note."""
    if path.endswith(SUMMARY):
        return _read_summary(path, shown, name)
    notes: list[ReadNote] = []
    rows: list[dict[str, Any]] = []
    config: dict[str, Any] = {}
    status: str | None = None
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        notes.append(ReadNote("unreadable", Text(_UNREADABLE, {"reason": error.strerror or "?"})))
        data = b""
    for record in records(data, notes) if not notes else ():
        try:
            for number, kind, start, stop in wire.fields(record, 0, len(record)):
                if kind != wire.LENGTH:
                    continue
                if number == _HISTORY:
                    rows.append(_history(record, start, stop))
                elif number == _RUN:
                    config.update(_config_of_run(record, start, stop))
                elif number == _CONFIG:
                    config.update(_items(record, start, stop, _UPDATE))
                elif number == _EXIT:
                    status = "success" if _exit_code(record, start, stop) == 0 else "failure"
        except wire.WireError:
            notes.append(ReadNote("corrupt", Text(N_("A damaged record was left out."))))
    config.pop("_wandb", None)
    return _run(path, shown, name, rows, tables.flat(config, mark="."), status, notes)


def records(data: bytes, notes: list[ReadNote]) -> Iterator[bytes]:
    """The records of a .wandb file; after damage it goes on in the next block."""
    if not data.startswith(_MAGIC):
        notes.append(ReadNote("not_event_file", Text(_NOT_WANDB), 0))
        return
    pos = len(_MAGIC)
    parts: list[bytes] = []
    while pos + _CHUNK.size <= len(data):
        left = _BLOCK - pos % _BLOCK
        if left < _CHUNK.size:  # too little room for a chunk: padding
            pos += left
            continue
        crc, length, kind = _CHUNK.unpack_from(data, pos)
        body = data[pos + _CHUNK.size : pos + _CHUNK.size + length]
        if kind == 0 and length == 0 and crc == 0:  # a file that was set to its size before it was written
            pos += left
            continue
        if len(body) < length and pos + left > len(data):
            break  # still being written
        if kind not in (_FULL, _FIRST, _MIDDLE, _LAST) or zlib.crc32(bytes([kind]) + body) != crc:
            notes.append(ReadNote("corrupt", Text(_DAMAGED, {"offset": pos}), pos))
            parts = []
            pos += left
            continue
        pos += _CHUNK.size + length
        if kind == _FULL:
            yield body
            parts = []
        elif kind == _FIRST:
            parts = [body]
        elif parts:  # the middle or end of a record whose start was damaged is lost with it
            parts.append(body)
            if kind == _LAST:
                yield b"".join(parts)
                parts = []


def _history(record: bytes, start: int, stop: int) -> dict[str, Any]:
    row = _items(record, start, stop, _ITEM)
    for number, kind, a, b in wire.fields(record, start, stop):
        if number == _STEP and kind == wire.LENGTH:
            row.setdefault(
                "_step", next((value for n, k, value, _ in wire.fields(record, a, b) if n == 1 and k == wire.VARINT), 0)
            )
    return row


def _config_of_run(record: bytes, start: int, stop: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for number, kind, a, b in wire.fields(record, start, stop):
        if number == _RUN_CONFIG and kind == wire.LENGTH:
            found.update(_items(record, a, b, _UPDATE))
    return found


def _exit_code(record: bytes, start: int, stop: int) -> int:
    return next((v for n, k, v, _ in wire.fields(record, start, stop) if n == _EXIT_CODE and k == wire.VARINT), 0)


def _items(record: bytes, start: int, stop: int, field: int) -> dict[str, Any]:
    """The key and JSON value of each item of a history, configuration or summary."""
    found: dict[str, Any] = {}
    for number, kind, a, b in wire.fields(record, start, stop):
        if number != field or kind != wire.LENGTH:
            continue
        key, nested, raw = "", [], b""
        for n, k, c, d in wire.fields(record, a, b):
            if k != wire.LENGTH:
                continue
            if n == _KEY:
                key = record[c:d].decode("utf-8", "backslashreplace")
            elif n == _NESTED:
                nested.append(record[c:d].decode("utf-8", "backslashreplace"))
            elif n == _VALUE:
                raw = record[c:d]
        try:
            found[key or ".".join(nested)] = json.loads(raw)
        except (ValueError, RecursionError):  # one value that is no JSON; the others of the row are
            continue
    return found


def _run(
    path: str,
    shown: str,
    name: str,
    rows: list[dict[str, Any]],
    config: dict[str, Any],
    status: str | None,
    notes: list[ReadNote],
) -> Run:
    axis = next(
        (a for a in _AXES if sum(tables.number(row.get(a)) is not None for row in rows) >= 0.9 * len(rows)), "_step"
    )
    points: dict[str, tuple[list[int], list[float], list[float]]] = {}
    for i, row in enumerate(rows):
        position = tables.number(row.get(axis, row.get("_step", i)))
        if position is None or not math.isfinite(position) or abs(position) > 2**62:
            continue
        wall = tables.number(row.get("_timestamp"))
        for key, raw in tables.flat(row).items():
            value = _number(raw)
            if value is None or key in ("_step", "_timestamp", "_runtime"):
                continue
            steps, values, walls = points.setdefault(key, ([], [], []))
            steps.append(int(position))
            values.append(value)
            walls.append(math.nan if wall is None else wall)
    series = {tag: series_from_points(tag, name, *columns) for tag, columns in points.items()}
    events = sum(len(steps) for steps, _, _ in points.values())
    times = [t for _, _, walls in points.values() for t in (walls[0], walls[-1]) if math.isfinite(t)]
    source = Source(shown, "wandb", events, tuple(notes), min(times, default=None), max(times, default=None))
    return Run(name, series, (source,), directory=os.path.dirname(path), hparams=config, status=status)


def _number(raw: Any) -> float | None:
    """W&B writes NaN and infinities as JSON strings."""
    if isinstance(raw, str):
        return tables.number(raw) if raw in ("NaN", "Infinity", "-Infinity") else None
    return tables.number(raw)


def _read_summary(path: str, shown: str, name: str) -> Run:
    try:
        with open(path, encoding="utf-8-sig") as file:
            document = json.load(file)
    except OSError as error:
        note = ReadNote("unreadable", Text(_UNREADABLE, {"reason": error.strerror or "?"}))
        return Run(name, {}, (Source(shown, "wandb", 0, (note,)),), directory=os.path.dirname(path))
    except (ValueError, RecursionError):
        return Run(name, {}, (Source(shown, "wandb", 0, (ReadNote("corrupt", Text(N_("is not JSON"))),)),))
    rows = [document] if isinstance(document, dict) else []
    return _run(path, shown, name, rows, {}, None, [ReadNote("summary_only", Text(_SUMMARY_ONLY))])
