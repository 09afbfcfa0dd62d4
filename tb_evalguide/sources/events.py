"""One event file to scalars per tag, texts, hyper-parameters and notes; a reader that goes on where it stopped."""

from __future__ import annotations

import io
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from tb_evalguide.i18n import N_
from tb_evalguide.model import Floats, Ints, ReadNote, Text, TextPoint
from tb_evalguide.sources import scan, wire
from tb_evalguide.sources.records import (
    FOOTER,
    HEADER,
    crc32c,
    crc32c_resume,
    mask,
    unpack_header,
)

TEXT_LIMIT = 1 << 20  # bytes kept of one text; a model's configuration is under a hundred thousand
TEXT_BUDGET = 1 << 24  # bytes of text kept per file, so that a log of a million samples does not fill memory
NOTE_LIMIT = 50  # damaged places told one by one per file; the rest are counted
TAIL_SEARCH = 1 << 22  # bytes searched for a valid record after the start of an unfinished one, at every look
HEAD = 64  # bytes at the start by which a file is known again
AFTER_JUMP = 1 << 13  # bytes read after a long record; grows again fourfold while none is met
RESEARCH = 1 << 24  # a longer damaged tail is not searched again from its start when the file grows


class SeekableFile(Protocol):
    """What is asked of an opened file; local files, io.BytesIO and fsspec's files have it."""

    def read(self, size: int, /) -> bytes: ...
    def readinto(self, buffer: memoryview, /) -> int | None: ...
    def seek(self, offset: int, whence: int = 0, /) -> int: ...
    def close(self) -> None: ...


Opener = Callable[[str], SeekableFile]


@dataclass(frozen=True, eq=False)
class TagData:
    """The points of one tag in write order. order: running number of the event in its file."""

    steps: Ints
    values: Floats
    wall_times: Floats
    order: Ints

    def __len__(self) -> int:
        return len(self.steps)


@dataclass(frozen=True, eq=False)
class Scalars(Mapping[str, TagData]):
    """All points of a file, grouped by tag (first seen first), in write order within a tag; tag `k` has the rows
    starts[k]:starts[k + 1]. As a mapping it makes the TagData of a tag when asked: a file may have 200,000 tags."""

    names: tuple[str, ...]
    starts: Ints  # (tags + 1,)
    all_steps: Ints  # these four: (points,)
    all_values: Floats
    all_wall_times: Floats
    all_order: Ints

    @cached_property
    def _index(self) -> dict[str, int]:
        return {name: k for k, name in enumerate(self.names)}

    def __getitem__(self, tag: str) -> TagData:
        k = self._index[tag]
        rows = slice(int(self.starts[k]), int(self.starts[k + 1]))
        return TagData(self.all_steps[rows], self.all_values[rows], self.all_wall_times[rows], self.all_order[rows])

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, tag: object) -> bool:
        return tag in self._index


@dataclass(frozen=True)
class Purge:
    """A SessionLog START: what was written before with a step ≥ `step` is void."""

    order: int
    step: int
    wall_time: float


@dataclass(frozen=True, eq=False)
class EventFileData:
    """Everything one event file says."""

    path: str
    tags: Scalars
    purges: tuple[Purge, ...] = ()
    texts: tuple[TextPoint, ...] = ()
    hparams: Mapping[str, Any] = field(default_factory=dict)
    hparams_metrics: tuple[str, ...] = ()  # tags the hparams experiment declares as its metrics
    model_config: Mapping[str, Any] = field(default_factory=dict)
    plugins: Mapping[str, str] = field(default_factory=dict)  # tag → plugin, where it is not scalars
    has_graph: bool = False
    session_status: str | None = None  # success | failure | running | unknown (hparams), stopped (SessionLog)
    file_version: str | None = None
    notes: tuple[ReadNote, ...] = ()
    events: int = 0  # events read
    first_wall_time: float | None = None
    last_wall_time: float | None = None
    size: int = 0  # bytes of the file when it was last read

    @property
    def points(self) -> int:
        return len(self.tags.all_steps)


class _LazyRecord:
    """The data of a long record; slices are read from the file when asked for, a page at a time."""

    _PAGE = 1 << 11

    def __init__(self, file: SeekableFile, start: int, length: int) -> None:
        self._file, self._start, self._length = file, start, length
        self._page, self._at = b"", 0

    def __getitem__(self, key: slice) -> bytes:
        begin, end = key.start, min(key.stop, self._length)
        if begin >= end:
            return b""
        offset = begin - self._at
        if not 0 <= offset <= offset + end - begin <= len(self._page):
            size = min(max(self._PAGE, end - begin), self._length - begin)
            self._page = _read_at(self._file, self._start + begin, size)
            self._at, offset = begin, 0
        return self._page[offset : offset + end - begin]


def _read_at(file: SeekableFile, pos: int, size: int) -> bytes:
    """Exactly `size` bytes from `pos`, fewer only at the end of the file."""
    file.seek(pos)
    parts = []
    while size > 0:
        part = file.read(size)
        if not part:
            break
        parts.append(part)
        size -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _read_into(file: SeekableFile, pos: int, view: memoryview) -> int:
    """Fills `view` from `pos`; the number of bytes read."""
    file.seek(pos)
    done = 0
    while done < len(view):
        count = file.readinto(view[done:])
        if not count:
            break
        done += count
    return done


@dataclass
class _Told:
    """What the events of a file said beside scalars."""

    file_version: str | None = None
    graph: bool = False
    purges: list[Purge] = field(default_factory=list)
    texts: list[TextPoint] = field(default_factory=list)
    text_bytes: int = 0
    text_tags: set[str] = field(default_factory=set)
    texts_dropped: int = 0
    hparams: dict[str, Any] = field(default_factory=dict)
    metrics: tuple[str, ...] = ()
    model_config: dict[str, Any] = field(default_factory=dict)
    plugins: dict[str, str] = field(default_factory=dict)
    foreign: set[str] = field(default_factory=set)  # tags whose rank-0 numbers belong to another plugin than scalars
    status: str | None = None
    events: int = 0
    first_wall_time: float = math.nan
    last_wall_time: float = math.nan

    def saw(self, first: float, last: float) -> None:
        if not math.isnan(first) and math.isnan(self.first_wall_time):
            self.first_wall_time = first
        if not math.isnan(last):
            self.last_wall_time = last


_PLUGIN_OF_KIND = {"image": "images", "histogram": "histograms", "audio": "audio", "tensor": "tensors"}
_ARGUMENT_TAGS = ("args/text_summary", "args")
_MODEL_TAGS = ("model_config/text_summary", "model_config")


# How the first event of nearly every file goes on after its wall time (field 1, nine bytes).
_VERSION = b"\x1a\x0dbrain.Event:2"


def _tell(told: _Told, data: wire.Data, event: wire.Event, order: int) -> bool:
    """Takes in what an event says beside scalars; harmless to repeat for an event without text.

    False when a part of it could not be read: the other parts still count.
    """
    fine = True
    told.graph = told.graph or event.graph
    if event.file_version is not None:
        told.file_version = told.file_version or wire.text(data, *event.file_version)[:100]
    if event.session_log is not None:
        try:
            status = wire.parse_session_log(data, *event.session_log)
        except wire.WireError:
            fine, status = False, 0
        if status == wire.SESSION_START:
            told.purges.append(Purge(order, event.step, event.wall_time))
        elif status == wire.SESSION_STOP:
            told.status = told.status or "stopped"
    for value in event.values:
        try:
            _tell_value(told, data, value, event)
        except wire.WireError:
            fine = False
    return fine


def _tell_value(told: _Told, data: wire.Data, value: wire.Value, event: wire.Event) -> None:
    tag = wire.text(data, *value.tag)
    plugin = value.metadata.plugin if value.metadata else ""
    if plugin == "hparams" and value.metadata is not None:
        told.plugins.setdefault(tag, plugin)
        _tell_hparams(told, wire.parse_hparams(data, *value.metadata.content))
    elif value.kind in ("", "simple"):
        if plugin not in ("", "scalars") and value.kind == "":
            told.plugins.setdefault(tag, plugin)
    elif value.kind != "tensor":
        told.plugins.setdefault(tag, plugin or _PLUGIN_OF_KIND.get(value.kind, value.kind))
    else:
        tensor = wire.parse_tensor(data, *value.span)
        if tensor.number is not None:
            if plugin not in ("", "scalars"):
                told.foreign.add(tag)
                told.plugins.setdefault(tag, plugin)
            return
        if tensor.dtype == wire.STRING and (plugin == "text" or (not plugin and tag in told.text_tags)):
            told.text_tags.add(tag)
            _tell_text(told, data, value, event, tag)
        told.plugins.setdefault(tag, plugin or _PLUGIN_OF_KIND["tensor"])


def _tell_hparams(told: _Told, found: wire.HParams) -> None:
    if found.values is not None:
        told.hparams.update(found.values)
        told.status = told.status or "running"
    if found.status is not None:
        told.status = found.status
    if found.metrics is not None:
        told.metrics = found.metrics


def _tell_text(told: _Told, data: wire.Data, value: wire.Value, event: wire.Event, tag: str) -> None:
    if told.text_bytes >= TEXT_BUDGET:
        told.texts_dropped += 1
        return
    _, strings, _ = wire.tensor_strings(data, *value.span, limit=TEXT_LIMIT)
    content = "\n".join(strings)
    told.text_bytes += len(content)
    told.texts.append(TextPoint(tag, event.step, event.wall_time, content))
    if tag in _ARGUMENT_TAGS:
        told.hparams.update(_flat(_json_object(content)))
    elif tag in _MODEL_TAGS:
        told.model_config.update(_json_object(content))


def _json_object(content: str) -> dict[str, Any]:
    """The JSON object in a text; nothing when the text is something else (anyone may log a text called args)."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested objects as dotted names."""
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{name}."))
        else:
            flat[f"{prefix}{name}"] = value
    return flat


# --- notes -----------------------------------------------------------------------------------------------------------

_CORRUPT = N_("{size} damaged bytes at byte {offset}: they were left out, reading went on at the next valid record.")
_CORRUPT_END = N_("{size} damaged bytes from byte {offset} to the end of the file: they were left out.")
_UNDECODABLE = N_(
    "The record at byte {offset} is whole, but what cannot be read of it was left out: no TensorBoard event."
)
_MORE = N_("{count} further damaged places in this file.")
_TRUNCATED = N_("The last record, at byte {offset}, is cut off: the writer was stopped, or is still writing.")
_LFS = N_("This is a Git LFS pointer, not an event file. Fetch the file itself with: git lfs pull")
_GZIP = N_("This file is compressed with gzip. Unpack it first.")
_NOT_EVENTS = N_("This is not a TensorBoard event file: it holds no valid record.")
_UNREADABLE = N_("The file cannot be read ({reason}).")
_TEXTS_DROPPED = N_("{count} texts were left out: more than {limit} bytes of text in one file.")
_READ_FAILED = N_("Reading stopped at byte {offset} ({reason}).")


def _not_events(head: bytes) -> str:
    if head.startswith(b"version https://git-lfs"):
        return _LFS
    return _GZIP if head.startswith(b"\x1f\x8b") else _NOT_EVENTS


class EventFileReader:
    """Reads an event file, and on `refresh` only what is new; starts over when the file was replaced or cut.

    opener: opens a path that is not a local file (fsspec); the file must be seekable and is closed after each look.
    scanner: makes the scanner; the default is the fastest there is.
    """

    def __init__(
        self,
        path: str,
        *,
        check_data_crc: bool = True,
        opener: Opener | None = None,
        scanner: Callable[[], scan.Scanner] | None = None,
    ) -> None:
        self.path = path
        self._check = check_data_crc
        self._opener = opener
        self._new_scanner = scanner or scan.new_scanner
        self._identity: tuple[Any, ...] | None = None
        self._seen: tuple[Any, ...] | None = None
        self._reset()

    def _reset(self) -> None:
        self._scanner = self._new_scanner()
        self._offset = 0  # of the first byte that is not read for good
        self._order = 0
        self._told = _Told()
        self._tags: list[str] = []
        self._base: Scalars | None = None
        self._damage: list[tuple[int, str, int]] = []  # offset, message, size
        self._damage_count = 0
        self._tail: tuple[str, int] | None = None  # truncated or corrupt, offset: not closed yet
        self._searched = 0
        self._unverified: tuple[int, int] | None = None  # start and length of a skipped record that ends at _offset
        self._head = b""
        self._size = 0
        self._trouble: ReadNote | None = None
        self._snapshot: EventFileData | None = None

    # --- looking at the file -----------------------------------------------------------------------------------------

    def refresh(self) -> bool:
        """Reads what is new since the last look; True when anything changed. Of a deleted file, what was read stays."""
        try:
            file = self._open()
            try:
                return self._look(file)
            finally:
                file.close()
        except FileNotFoundError:
            if self._size or self._trouble:
                return False
            reason = "no such file"
        except OSError as error:
            reason = error.strerror or type(error).__name__
        note = ReadNote("unreadable", Text(_UNREADABLE, {"reason": reason}))
        changed = self._trouble is None or self._trouble.message.params != note.message.params
        self._trouble = note
        if changed:
            self._snapshot = None
        return changed

    def _open(self) -> SeekableFile:
        if self._opener is not None:
            return self._opener(self.path)
        return open(self.path, "rb", buffering=0)

    def _look(self, file: SeekableFile) -> bool:
        identity: tuple[int, ...] = ()
        if isinstance(file, io.FileIO):
            stat = os.fstat(file.fileno())
            identity, size = (stat.st_dev, stat.st_ino), stat.st_size
            seen: tuple[int, ...] = (*identity, size, stat.st_mtime_ns)
        else:
            size = file.seek(0, io.SEEK_END)
            seen = (size,)
        if seen == self._seen and self._trouble is None:
            return False
        replaced = self._identity is not None and identity != self._identity
        if not replaced and self._size and (size < self._size or self._rewritten(file)):
            replaced = True
        had_something = self._size > 0
        if replaced:
            self._reset()
        before = (self._offset, self._order, self._tail, len(self._damage))
        self._identity, self._seen = identity, seen
        self._trouble = None
        self._size = size
        if 0 < len(self._head) < HEAD:
            self._head = _read_at(file, 0, min(HEAD, size))
        try:
            self._read(file, size)
        except OSError as error:
            self._seen = None  # look again next time
            reason = error.strerror or type(error).__name__
            message = Text(_READ_FAILED, {"offset": self._offset, "reason": reason})
            self._trouble = ReadNote("unreadable", message, self._offset)
        changed = replaced and had_something or before != (self._offset, self._order, self._tail, len(self._damage))
        changed = changed or self._trouble is not None
        self._snapshot = None
        return changed

    def _rewritten(self, file: SeekableFile) -> bool:
        """Whether the file starts otherwise than when it was first read: the same name and inode, other contents."""
        return _read_at(file, 0, len(self._head)) != self._head

    # --- reading -----------------------------------------------------------------------------------------------------

    def _read(self, file: SeekableFile, size: int) -> None:
        largest = min(self._scanner.window, max(size - self._offset, 1))
        window, buffer = largest, bytearray(largest)
        descriptor = file.fileno() if isinstance(file, io.FileIO) else -1
        self._tail = None
        while self._offset < size:
            pos = self._offset
            with memoryview(buffer) as view:
                count = _read_into(file, pos, view[: min(window, size - pos)])
            if pos == 0:
                self._head = bytes(buffer[: min(HEAD, count)])
            result = self._scanner.scan(buffer, count, size - pos, self._order, self._check, descriptor, pos)
            self._absorb(buffer, result, pos)
            self._offset = pos + result.pos
            if result.events:
                start = pos + result.skipped
                self._unverified = (start, self._offset - start - HEADER - FOOTER) if result.skipped >= 0 else None
            # After a jump over an image look at a little first: another may follow.
            jumped = result.status == scan.LARGE_RECORD or result.pos > count + AFTER_JUMP
            window = min(largest, AFTER_JUMP if jumped else window * 4)
            if result.status == scan.END:
                if pos + count >= size or not count:
                    if self._offset < pos + count and not self._unfinished(file, size):
                        return
                    if not count:
                        return
            elif result.status == scan.LARGE_RECORD:
                if not self._large(file, size):
                    return
            elif not self._resync(file, size, result.status):
                return

    def _absorb(self, buffer: bytearray, result: scan.Result, base: int) -> None:
        if result.new_tags:
            self._tags += [tag.decode("utf-8", "backslashreplace") for tag in result.new_tags]
        undecodable = result.bad
        for order, start, stop in result.specials:
            record = bytes(buffer[start:stop])
            if record[9:] == _VERSION and record[0] == 9:
                self._told.file_version = self._told.file_version or "brain.Event:2"
            elif not _tell(self._told, record, wire.parse_event(record, 0, len(record)), order):
                undecodable = [*undecodable, result.shift + start - HEADER]
        for position in sorted(undecodable):
            self._note(base + position, _UNDECODABLE, 0)
        self._order += result.events
        self._told.events += result.events - len(result.bad)
        self._told.saw(result.first_wall_time, result.last_wall_time)

    def _note(self, offset: int, message: str, size: int) -> None:
        self._damage_count += 1
        if len(self._damage) < NOTE_LIMIT:
            self._damage.append((offset, message, size))

    def _resync(self, file: SeekableFile, size: int, status: int) -> bool:
        """Goes on at the next valid header after damage at the present place. False when there is none yet."""
        start = self._offset
        skip = HEADER if status == scan.BAD_DATA else 1
        if status == scan.BAD_HEADER and self._unverified is not None:
            # A skipped record ends here and no header follows: was its length true? If not, the damage began there.
            at, length = self._unverified
            if at + HEADER + length + FOOTER == start and not self._data_ok(file, at + HEADER, length):
                start, skip = at, HEADER
            self._unverified = None
        begin = start + skip
        if size - start > RESEARCH:
            begin = max(begin, self._searched)
        found = self._search(file, begin, size)
        if found < 0:
            self._searched = max(begin, size - HEADER + 1)
            self._offset = start
            self._tail = ("corrupt", start)
            return False
        self._note(start, _CORRUPT, found - start)
        self._offset = found
        return True

    def _search(self, file: SeekableFile, begin: int, stop: int, whole: bool = False) -> int:
        """First valid header in [begin, stop), or −1; with `whole`, only of a complete record with fitting data."""
        window = self._scanner.window
        while begin + HEADER <= stop:
            data = _read_at(file, begin, min(window, stop - begin))
            if len(data) < HEADER:
                break
            at = self._scanner.find_header(data, 0)
            if at < 0:
                begin += len(data) - HEADER + 1
                continue
            length = unpack_header(data, at)[0]
            end = begin + at + HEADER + length
            if not whole or (end + FOOTER <= stop and self._data_ok(file, begin + at + HEADER, length)):
                return begin + at
            begin += at + 1
        return -1

    def _data_ok(self, file: SeekableFile, start: int, length: int) -> bool:
        """Whether the data at `start` fits the CRC behind it, read a window at a time."""
        crc, done = crc32c(b""), 0
        while done < length:
            part = _read_at(file, start + done, min(self._scanner.window, length - done))
            if not part:
                return False
            crc = crc32c_resume(crc, part, self._scanner.crc32c)
            done += len(part)
        return mask(crc) == int.from_bytes(_read_at(file, start + length, FOOTER), "little")

    def _unfinished(self, file: SeekableFile, size: int) -> bool:
        """The record at the present place goes beyond the end of the file. True when reading can go on after it.

        Normally it is still being written. But a length that a crash left behind, followed by another writer's records,
        looks the same: when a whole valid record stands inside, this one is damage.
        """
        found = self._search(file, self._offset + HEADER, min(size, self._offset + TAIL_SEARCH), whole=True)
        if found < 0:
            self._tail = ("truncated", self._offset)
            return False
        self._note(self._offset, _CORRUPT, found - self._offset)
        self._offset = found
        return True

    def _large(self, file: SeekableFile, size: int) -> bool:
        """A record of more than LARGE bytes: its scalars and texts are read, its images and histograms passed over.

        Its data CRC is checked only when something is taken from it: a skipped image needs no proof, and its length is
        proven by its own CRC and by the header that follows it.
        """
        start = self._offset
        length = unpack_header(_read_at(file, start, HEADER))[0]
        end = start + HEADER + length + FOOTER
        if end > size:
            return self._unfinished(file, size)
        record = _LazyRecord(file, start + HEADER, length)
        try:
            event = wire.parse_event(record, 0, length)
            found, special = scan.scalar_rows(record, event)
        except wire.WireError:
            return self._undecodable_large(file, size, start, length, end)
        taken = bool(found) or event.session_log is not None or self._holds_text(record, event)
        if taken and self._check and not self._data_ok(file, start + HEADER, length):
            return self._resync(file, size, scan.BAD_DATA)
        if special:
            if not _tell(self._told, record, event, self._order):
                self._note(start, _UNDECODABLE, 0)
            for value in event.values:
                if value.metadata and value.metadata.plugin == "text":
                    self._scanner.mark_text(record[value.tag[0] : value.tag[1]])
        for tag, number in found:
            if self._scanner.add(tag, event.step, number, event.wall_time, self._order) == len(self._tags):
                self._tags.append(tag.decode("utf-8", "backslashreplace"))
        self._order += 1
        self._told.events += 1
        self._told.saw(event.wall_time, event.wall_time)
        self._unverified = None if taken and self._check else (start, length)
        self._offset = end
        return True

    def _undecodable_large(self, file: SeekableFile, size: int, start: int, length: int, end: int) -> bool:
        if self._check and not self._data_ok(file, start + HEADER, length):
            return self._resync(file, size, scan.BAD_DATA)
        self._note(start, _UNDECODABLE, 0)
        self._order += 1
        self._offset = end
        return True

    def _holds_text(self, data: wire.Data, event: wire.Event) -> bool:
        for value in event.values:
            if value.metadata and value.metadata.plugin in ("text", "hparams"):
                return True
            if value.kind == "tensor" and wire.text(data, *value.tag) in self._told.text_tags:
                return True
        return False

    # --- what was read -----------------------------------------------------------------------------------------------

    def snapshot(self) -> EventFileData:
        """Everything read so far."""
        if self._snapshot is None:
            self._merge()
            self._snapshot = self._data()
        return self._snapshot

    def _merge(self) -> None:
        """Puts the new rows behind those of their tags."""
        base = self._base
        if base is not None and not self._scanner.waiting():
            return
        new = self._scanner.take()
        self._base = Scalars(tuple(self._tags), *(_joined(base, new) if base is not None and base.names else new))

    def _data(self) -> EventFileData:
        told = self._told
        assert self._base is not None
        tags = self._base
        if told.foreign:
            tags = _without(tags, told.foreign)
        return EventFileData(
            path=self.path,
            tags=tags,
            purges=tuple(told.purges),
            texts=tuple(told.texts),
            hparams=dict(told.hparams),
            hparams_metrics=told.metrics,
            model_config=dict(told.model_config),
            plugins=dict(told.plugins),
            has_graph=told.graph,
            session_status=told.status,
            file_version=told.file_version,
            notes=self._notes(),
            events=told.events,
            first_wall_time=None if math.isnan(told.first_wall_time) else told.first_wall_time,
            last_wall_time=None if math.isnan(told.last_wall_time) else told.last_wall_time,
            size=self._size,
        )

    def _notes(self) -> tuple[ReadNote, ...]:
        notes = [
            ReadNote("corrupt", Text(template, {"offset": offset, "size": size}), offset)
            for offset, template, size in self._damage
        ]
        if self._damage_count > len(self._damage):
            notes.append(ReadNote("corrupt", Text(_MORE, {"count": self._damage_count - len(self._damage)})))
        if self._tail is not None:
            kind, offset = self._tail
            if kind == "truncated":
                notes.append(ReadNote(kind, Text(_TRUNCATED, {"offset": offset}), offset))
            elif self._order == 0 and offset == 0:
                notes.append(ReadNote("not_event_file", Text(_not_events(self._head)), 0))
            else:
                message = Text(_CORRUPT_END, {"offset": offset, "size": self._size - offset})
                notes.append(ReadNote(kind, message, offset))
        if self._told.texts_dropped:
            params = {"count": self._told.texts_dropped, "limit": TEXT_BUDGET}
            notes.append(ReadNote("limited", Text(_TEXTS_DROPPED, params)))
        if self._trouble is not None:
            notes.append(self._trouble)
        return tuple(notes)


def _joined(old: Scalars, new: scan.Grouped) -> scan.Grouped:
    """The rows of both, the new ones behind the old ones of their tag; `new` knows all tags of `old`, perhaps more."""
    old_sizes, new_sizes = np.zeros_like(new.starts[1:]), np.diff(new.starts)
    old_sizes[: len(old)] = np.diff(old.starts)
    starts = np.zeros_like(new.starts)
    np.cumsum(old_sizes + new_sizes, out=starts[1:])
    begins = starts[:-1]
    old_at = np.arange(old.starts[-1]) + np.repeat(begins - (np.cumsum(old_sizes) - old_sizes), old_sizes)
    new_at = np.arange(new.starts[-1]) + np.repeat(begins + old_sizes - new.starts[:-1], new_sizes)
    columns = []
    olds = (old.all_steps, old.all_values, old.all_wall_times, old.all_order)
    for before, after in zip(olds, new[1:]):
        column = np.empty(starts[-1], after.dtype)
        column[old_at], column[new_at] = before, after
        columns.append(column)
    joined = scan.Grouped(starts, *columns)
    for column in joined:
        column.setflags(write=False)
    return joined


def _without(tags: Scalars, names: set[str]) -> Scalars:
    """The table without some tags."""
    keep = np.array([name not in names for name in tags.names], bool)
    sizes = np.diff(tags.starts)
    rows = np.repeat(keep, sizes)
    starts: npt.NDArray[np.int64] = np.r_[0, np.cumsum(sizes[keep])].astype(np.int64)
    kept = tuple(name for name, k in zip(tags.names, keep) if k)
    columns = (tags.all_steps[rows], tags.all_values[rows], tags.all_wall_times[rows], tags.all_order[rows])
    return Scalars(kept, starts, *columns)


def read_event_file(
    path: str | os.PathLike[str],
    *,
    check_data_crc: bool = True,
    opener: Opener | None = None,
    scanner: Callable[[], scan.Scanner] | None = None,
) -> EventFileData:
    """Everything in one event file. Damage and unreadable files become notes."""
    reader = EventFileReader(os.fspath(path), check_data_crc=check_data_crc, opener=opener, scanner=scanner)
    reader.refresh()
    return reader.snapshot()


def read_event_bytes(data: bytes, *, scanner: Callable[[], scan.Scanner] | None = None) -> EventFileData:
    """Everything in the bytes of one event file."""
    return read_event_file("<bytes>", opener=lambda _: io.BytesIO(data), scanner=scanner)
