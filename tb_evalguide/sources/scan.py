"""A window of bytes to rows of scalars: the NumPy scan, and the choice of the compiled one where it was built.

Both answer alike, bit for bit (tests/sources/test_scan_equivalence.py). Records longer than `LARGE` are left to the
reader, which skips their images without loading them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from tb_evalguide.sources import records, wire
from tb_evalguide.sources.records import (
    FOOTER,
    HEADER,
    MAX_LENGTH,
    crc32c_each,
    cut,
    header_crc,
    mask_all,
    unpack_header,
)

LARGE = 1 << 12  # a longer record is parsed lazily; a scalar event has under 100 bytes, a histogram about 10,000
FIELDS = ("tag", "step", "value", "wall_time", "order")
ROW = np.dtype(list(zip(FIELDS, ("<i8", "<i8", "<f8", "<f8", "<i8"))))
Rows = npt.NDArray[Any]
Integers = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]

# Why a scan stopped, at `Result.pos`.
END = 0  # everything that is complete was read
LARGE_RECORD = 1  # a record longer than LARGE
BAD_HEADER = 2  # no valid header
BAD_DATA = 3  # a valid header, but the data does not fit its CRC


class Result(NamedTuple):
    """What one window held."""

    new_tags: list[bytes]  # tags met for the first time; their numbers follow those known before
    specials: list[tuple[int, int, int]]  # (order, start, stop) of events that hold more than known scalars
    bad: list[int]  # positions of records whose data is no event
    pos: int  # where the next window starts; beyond this one when a long record was skipped
    status: int
    events: int  # records read
    first_wall_time: float  # first and last wall time that is a number; NaN when there was none
    last_wall_time: float
    skipped: int  # start of a record that was skipped unread and ends at pos; −1: none
    shift: int  # where the window that the specials lie in starts; above 0 when the scanner read on by itself


class Grouped(NamedTuple):
    """Rows grouped by tag, in write order within a tag; tag `k` has the rows starts[k]:starts[k + 1]. Read-only."""

    starts: Integers  # (tags + 1,)
    steps: Integers  # these four: (rows,)
    values: Numbers
    wall_times: Numbers
    order: Integers


class Scanner(Protocol):
    """Reads one file's windows in turn, knows its tags, and keeps the rows until they are taken."""

    window: int

    def scan(
        self, data: bytearray, stop: int, left: int, order: int, check_crc: bool, file: int = -1, offset: int = 0
    ) -> Result:
        """Reads the records of data[:stop]; the first gets number `order`. left: bytes from here to the file's end.

        file: the descriptor of a local file, or −1: data[:stop] was read from its `offset`, and a scanner that can
        reads on by itself, into `data`, as long as it needs nothing from its caller.
        """

    def add(self, tag: bytes, step: int, value: float, wall_time: float, order: int) -> int:
        """One more row, of a long record that the reader read itself; the tag's number, which may be new."""

    def waiting(self) -> int:
        """How many rows were not taken yet."""

    def take(self) -> Grouped:
        """The waiting rows, which then wait no more, under the numbers of all tags so far."""

    def mark_text(self, tag: bytes) -> None:
        """Says that `tag` holds texts: the reader saw its metadata in a long record."""

    def find_header(self, data: bytes, start: int) -> int:
        """First position from `start` on where a valid header stands, or −1."""

    def crc32c(self, data: bytes) -> int:
        """CRC32C of `data`."""


def scalar_rows(data: wire.Data, event: wire.Event) -> tuple[list[tuple[bytes, float]], bool]:
    """(tag, number) of every scalar of an event, and whether it holds anything else."""
    found: list[tuple[bytes, float]] = []
    special = event.graph or event.file_version is not None or event.session_log is not None
    for value in event.values:
        plugin = value.metadata.plugin if value.metadata else ""
        if value.kind == "simple":
            found.append((data[value.tag[0] : value.tag[1]], value.number))
        elif value.kind == "tensor":
            tensor = wire.parse_tensor(data, *value.span)
            if tensor.number is not None and plugin in ("", "scalars"):
                found.append((data[value.tag[0] : value.tag[1]], tensor.number))
            else:
                special = True
        else:
            special = True
        if value.metadata and value.metadata.plugin not in ("", "scalars"):
            special = True
    return found, special


@dataclass
class _Template:
    """Where the free bytes of a record lie; all other bytes must be those of the record it was made from."""

    wall: int
    step: tuple[int, int]
    values: list[tuple[tuple[int, int], int, str]] = field(default_factory=list)  # tag's span, number's place and dtype


def _template(data: bytes) -> _Template | None:
    """The template of a plain scalar event, or None when the record has anything that needs a closer look."""
    wall, step, summary = -1, (0, 0), (-1, -1)
    before = 0
    for number, kind, a, b in wire.fields(data, 0, len(data)):
        if number == 1 and kind == wire.FIXED64 and wall < 0:
            wall, before = a, b
        elif number == 2 and kind == wire.VARINT and step == (0, 0):
            step = (before + 1, b)  # the key of field 2 is one byte
            before = b
            if step[1] - step[0] > 10 or data[step[0] - 1] != 0x10:
                return None
        elif number == 5 and kind == wire.LENGTH and summary[0] < 0:
            summary, before = (a, b), b
        else:
            return None
    if summary[0] < 0:
        return None
    template = _Template(wall, step)
    for number, kind, a, b in wire.fields(data, *summary):
        if (number, kind) != (1, wire.LENGTH):
            return None
        tag, at, dtype = (0, 0), -1, ""
        for n, w, c, d in wire.fields(data, a, b):
            if n == 1 and w == wire.LENGTH and tag == (0, 0):
                tag = (c, d)
            elif n == 2 and w == wire.FIXED32 and at < 0:
                at, dtype = c, "<f4"
            elif n == 8 and w == wire.LENGTH and at < 0:
                at, dtype = _tensor_template(data, c, d)
                if at < 0:
                    return None
            elif n == 9 and w == wire.LENGTH:
                if wire._parse_metadata(data, c, d).plugin not in ("", "scalars"):
                    return None
            else:
                return None
        if at < 0:
            return None
        template.values.append((tag, at, dtype))
    return template


_FIXED = {wire.FLOAT: "<f4", wire.DOUBLE: "<f8", wire.HALF: "<f2"}


def _tensor_template(data: bytes, pos: int, end: int) -> tuple[int, str]:
    """Position and dtype of the number of a rank-0 float tensor that has exactly one value of fixed size."""
    tensor = wire.parse_tensor(data, pos, end)
    if tensor.number is None or tensor.dtype not in _FIXED:
        return -1, ""
    dtype = _FIXED[tensor.dtype]
    size = np.dtype(dtype).itemsize
    wanted = {wire.FLOAT: 5, wire.DOUBLE: 6}.get(tensor.dtype, 4)
    spans = [(n, w, a, b) for n, w, a, b in wire.fields(data, pos, end) if n in (4, wanted)]
    if len(spans) != 1:
        return -1, ""
    _, kind, a, b = spans[0]
    if kind == wire.VARINT or b - a != size:
        return -1, ""
    return a, dtype


_FEW = 16  # so few records are read faster one by one; between images a window holds no more


class NumpyScanner:
    """Frames once, groups records of equal length, checks one template a group, decodes each group as a matrix."""

    window = 1 << 20
    _ATTEMPTS = 32  # templates tried per group before the rest is read one by one

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}
        self._rows = _Rows()

    def _number(self, tag: bytes) -> int:
        return self._numbers.setdefault(tag, len(self._numbers))

    def add(self, tag: bytes, step: int, value: float, wall_time: float, order: int) -> int:
        number = self._number(tag)
        self._rows.append(np.array([(number, step, value if value == value else np.nan, wall_time, order)], ROW))
        return number

    def waiting(self) -> int:
        return self._rows.count

    def take(self) -> Grouped:
        rows, self._rows = self._rows, _Rows()
        return rows.grouped(len(self._numbers))

    def mark_text(self, tag: bytes) -> None:
        """Nothing to remember: every text event is given to the reader."""

    def find_header(self, data: bytes, start: int) -> int:
        return records.find_header(data, start)

    def crc32c(self, data: bytes) -> int:
        return records.crc32c(data)

    def scan(
        self, data: bytearray, stop: int, left: int, order: int, check_crc: bool, file: int = -1, offset: int = 0
    ) -> Result:
        starts, lengths, pos, status = _frame(data, stop)
        view = np.frombuffer(data, np.uint8, stop)
        if check_crc and len(starts):
            wrong = np.flatnonzero(~_data_fits(view, starts, lengths))
            if len(wrong):
                pos, status = int(starts[wrong[0]]) - HEADER, BAD_DATA
                starts, lengths = starts[: wrong[0]], lengths[: wrong[0]]
        collected = _Collected(view, data, starts, order, self._numbers)
        if len(starts) <= _FEW:
            for member, length in enumerate(lengths.tolist()):
                collected.single(member, length)
        else:
            for length in np.unique(lengths).tolist():
                self._decode(collected, length, np.flatnonzero(lengths == length))
        return self._result(collected, pos, status, order)

    def _decode(self, out: _Collected, length: int, members: npt.NDArray[np.intp]) -> None:
        for _ in range(self._ATTEMPTS):
            if len(members) < 8:
                break
            first = out.record(members[0], length)
            try:
                template = _template(first)
            except wire.WireError:
                template = None
            if template is None:
                out.single(members[0], length)
                members = members[1:]
                continue
            matched = out.matrix(members, length, first, template)
            members = members[~matched]
        for member in members:
            out.single(member, length)

    def _result(self, out: _Collected, pos: int, status: int, order: int) -> Result:
        rows = out.rows()
        new: list[bytes] = []
        if len(rows):
            fresh = np.flatnonzero(rows["tag"] < 0)
            if len(fresh):  # numbered in the order in which they come
                found, first, inverse = np.unique(~rows["tag"][fresh], return_index=True, return_inverse=True)
                numbers = np.empty(len(found), np.int64)
                for k in np.argsort(first):
                    new.append(out.new[found[k]])
                    numbers[k] = self._number(new[-1])
                rows["tag"][fresh] = numbers[inverse]
            values = rows["value"]
            values[np.isnan(values)] = np.nan  # one NaN: the bits of a NaN carry no meaning here
            self._rows.append(rows)
        count = len(out.starts)
        bad = sorted(out.bad)
        first_wall, last_wall = out.wall_times(bad)
        return Result(new, sorted(out.specials), [int(out.starts[k]) - HEADER for k in bad], pos, status,
                      count, first_wall, last_wall, -1, 0)  # fmt: skip


_IN_PLACE = 1 << 18  # rows; shorter columns move to a much larger place: growing by small steps leaves holes in memory


class _Rows:
    """Rows that wait, a column for each field: a column can be let go when the next one is asked for."""

    def __init__(self) -> None:
        self.count = 0
        kinds = ("<i4", "<i8", "<f8", "<f8", "<i8")
        self._columns: list[npt.NDArray[Any]] = [np.empty(0, kind) for kind in kinds]

    def append(self, rows: Rows) -> None:
        begin, self.count = self.count, self.count + len(rows)
        if self.count > len(self._columns[0]):
            self._grow(begin)
        for column, name in zip(self._columns, FIELDS):
            column[begin : self.count] = rows[name]

    def _grow(self, filled: int) -> None:
        if len(self._columns[0]) >= _IN_PLACE:
            for column in self._columns:
                # Nobody has a view of it. The system moves the pages, and never holds them twice.
                column.resize(self.count + self.count // 8, refcheck=False)
            return
        room = 8 * self.count if filled else self.count  # of one window, often all there is; else memory yet untouched
        for k, column in enumerate(self._columns):
            self._columns[k] = np.empty(room, column.dtype)
            self._columns[k][:filled] = column[:filled]

    def grouped(self, tags: int) -> Grouped:
        """The rows grouped by the numbers of their tags; they are here no more."""
        numbers = self._columns.pop(0)[: self.count]
        starts = np.zeros(tags + 1, np.int64)
        np.cumsum(np.bincount(numbers, minlength=tags), out=starts[1:])
        if tags <= 1 << 15:
            numbers = numbers.astype(np.int16)  # sorted in linear time
        index = np.argsort(numbers, kind="stable")
        del numbers
        columns: list[npt.NDArray[Any]] = [starts]
        while self._columns:
            columns.append(self._columns.pop(0)[index])
        for column in columns:
            column.setflags(write=False)
        return Grouped(*columns)


def _data_fits(
    view: npt.NDArray[np.uint8], starts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """For each record, whether its data fits the CRC behind it."""
    stored = cut(view, starts + lengths, FOOTER).view("<u4")[:, 0]
    crcs = np.empty(len(starts), np.uint32)
    alone = lengths < 4
    if len(starts) <= _FEW:
        alone |= lengths <= 128
    if not alone.all():
        crcs[~alone] = crc32c_each(view, starts[~alone], lengths[~alone])
    for k in np.flatnonzero(alone):
        crcs[k] = records.crc32c(view[starts[k] : starts[k] + lengths[k]].tobytes())
    fits: npt.NDArray[np.bool_] = mask_all(crcs) == stored
    return fits


def _frame(data: bytearray, stop: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], int, int]:
    """Starts and lengths of the data of all complete records, where the next one starts, and why framing stopped."""
    starts: list[int] = []
    lengths: list[int] = []
    pos, status = 0, END
    known: dict[int, int] = {}
    last = stop - HEADER
    while pos <= last:
        length, crc = unpack_header(data, pos)
        expected = known.get(length)
        if expected is None:
            if length > MAX_LENGTH:
                status = BAD_HEADER
                break
            expected = header_crc(length)
            if length <= LARGE:
                known[length] = expected
        if crc != expected:
            status = BAD_HEADER
            break
        if length > LARGE:
            status = LARGE_RECORD
            break
        end = pos + HEADER + length + FOOTER
        if end > stop:
            break
        starts.append(pos + HEADER)
        lengths.append(length)
        pos = end
    return np.array(starts, np.int64), np.array(lengths, np.int64), pos, status


class _Collected:
    """What the groups of one window yield."""

    def __init__(
        self, view: npt.NDArray[np.uint8], data: bytearray, starts: Integers, order: int, numbers: Mapping[bytes, int]
    ) -> None:
        self.view, self.data, self.starts, self.order, self._numbers = view, data, starts, order, numbers
        self._matrices: list[Rows] = []
        self._singles: list[tuple[int, int, float, float, int]] = []
        self.new: list[bytes] = []  # tags without a number; the rows of new[k] have the number ~k until they get one
        self._news: dict[bytes, int] = {}
        self.specials: list[tuple[int, int, int]] = []
        self.bad: list[int] = []
        self._walls: dict[int, float] = {}  # of the records that were read one by one

    def number(self, tag: bytes) -> int:
        number = self._numbers.get(tag)
        if number is None:
            number = self._news.setdefault(tag, ~len(self.new))
            if number == ~len(self.new):
                self.new.append(tag)
        return number

    def record(self, member: Any, length: int) -> bytes:
        start = int(self.starts[member])
        return bytes(self.data[start : start + length])

    def single(self, member: Any, length: int) -> None:
        """One record through the field-by-field parser."""
        record = self.record(member, length)
        try:
            event = wire.parse_event(record, 0, length)
            found, special = scalar_rows(record, event)
        except wire.WireError:
            self.bad.append(int(member))
            return
        self._walls[int(member)] = event.wall_time
        order = self.order + int(member)
        if special:
            start = int(self.starts[member])
            self.specials.append((order, start, start + length))
        self._singles += [(self.number(tag), event.step, number, event.wall_time, order) for tag, number in found]

    def matrix(
        self, members: npt.NDArray[np.intp], length: int, first: bytes, template: _Template
    ) -> npt.NDArray[np.bool_]:
        """Decodes the records that fit the template; True where one did."""
        matrix = cut(self.view, self.starts[members], length)
        fixed = np.full(length, 0xFF, np.uint8)
        if template.wall >= 0:
            fixed[template.wall : template.wall + 8] = 0
        fixed[template.step[0] : template.step[1]] = 0x80
        for (a, b), at, dtype in template.values:
            fixed[a:b] = 0
            fixed[at : at + np.dtype(dtype).itemsize] = 0
        wanted = np.frombuffer(first, np.uint8) & fixed
        matched: npt.NDArray[np.bool_] = ((matrix & fixed) == wanted).all(axis=1)
        if not matched.all():
            matrix = matrix[matched]
        count = len(matrix)
        wall = _column(matrix, template.wall, "<f8") if template.wall >= 0 else np.zeros(count)
        step = np.zeros(count, np.uint64)
        for k in range(*template.step):
            step |= (matrix[:, k] & np.uint8(0x7F)).astype(np.uint64) << np.uint64(7 * (k - template.step[0]))
        for (a, b), at, dtype in template.values:
            rows = np.empty(count, ROW)
            rows["tag"] = self._tag_column(matrix[:, a:b])
            rows["step"] = step.view(np.int64)
            rows["value"] = _column(matrix, at, dtype)
            rows["wall_time"] = wall
            rows["order"] = self.order + members[matched]
            self._matrices.append(rows)
        return matched

    def rows(self) -> Rows:
        """All rows in the order in which they were written."""
        self._singles.sort(key=itemgetter(4))
        parts = [*self._matrices, np.array(self._singles, ROW)] if self._singles else self._matrices
        if len(parts) == 1:
            return parts[0]
        rows = np.concatenate(parts) if parts else np.empty(0, ROW)
        return rows[np.argsort(rows["order"], kind="stable")]

    def _tag_column(self, tags: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
        """Numbers of the tags in the rows of a matrix: a few common tags by comparison, many by sorting."""
        out = np.empty(len(tags), np.int64)
        rest = np.arange(len(tags))
        for _ in range(8):
            if not len(rest):
                return out
            tag = tags[rest[0]]
            same = (tags[rest] == tag).all(axis=1)
            out[rest[same]] = self.number(tag.tobytes())
            rest = rest[~same]
        if len(rest):
            keys = np.ascontiguousarray(tags[rest]).view(np.dtype((np.void, tags.shape[1])))[:, 0]
            unique, inverse = np.unique(keys, return_inverse=True)
            out[rest] = np.array([self.number(key.tobytes()) for key in unique], np.int64)[inverse]
        return out

    def wall_times(self, bad: list[int]) -> tuple[float, float]:
        """The first and the last wall time that is a number, of decodable events."""
        undecodable = set(bad)
        first, last = float("nan"), float("nan")
        for member in (k for k in range(len(self.starts)) if k not in undecodable):
            first = self._wall_time(member)
            if first == first:
                break
        for member in (k for k in range(len(self.starts) - 1, -1, -1) if k not in undecodable):
            last = self._wall_time(member)
            if last == last:
                break
        return first, last

    def _wall_time(self, member: int) -> float:
        if member in self._walls:
            return self._walls[member]
        start = int(self.starts[member])
        length = int.from_bytes(self.data[start - HEADER : start - HEADER + 8], "little")
        return wire.parse_event(bytes(self.data[start : start + length]), 0, length).wall_time


def _column(matrix: npt.NDArray[np.uint8], at: int, dtype: str) -> npt.NDArray[np.float64]:
    kind = np.dtype(dtype)
    numbers = np.ascontiguousarray(matrix[:, at : at + kind.itemsize]).view(kind)[:, 0]
    return np.asarray(numbers, np.float64)


# --- the compiled twin -----------------------------------------------------------------------------------------------

compiled: Any = None
if not os.environ.get("TB_EVALGUIDE_PURE"):
    try:
        from tb_evalguide import _scan as compiled  # type: ignore[attr-defined, no-redef, unused-ignore]
    except ImportError:  # built without a compiler: the NumPy scan reads the same
        compiled = None


_SEED = int.from_bytes(os.urandom(8), "little")  # secret: tags of a hostile log cannot be chosen to collide


class CompiledScanner:
    """The C scan (tb_evalguide/_scan.c)."""

    window = 1 << 20

    def __init__(self) -> None:
        self._scanner = compiled.Scanner(_SEED)

    def add(self, tag: bytes, step: int, value: float, wall_time: float, order: int) -> int:
        return int(self._scanner.add(tag, step, value, wall_time, order))

    def waiting(self) -> int:
        return int(self._scanner.waiting())

    def take(self) -> Grouped:
        data, tags = self._scanner.take()
        words = np.frombuffer(data, np.int64)
        rows = (len(words) - tags - 1) // 4
        columns = words[tags + 1 :]
        floats = columns[rows : 3 * rows].view(np.float64)
        return Grouped(words[: tags + 1], columns[:rows], floats[:rows], floats[rows:], columns[3 * rows :])

    def mark_text(self, tag: bytes) -> None:
        self._scanner.mark_text(tag)

    def find_header(self, data: bytes, start: int) -> int:
        return int(compiled.find_header(data, start))

    def crc32c(self, data: bytes) -> int:
        return int(compiled.crc32c(data))

    def scan(
        self, data: bytearray, stop: int, left: int, order: int, check_crc: bool, file: int = -1, offset: int = 0
    ) -> Result:
        return Result._make(self._scanner.scan(data, stop, left, order, check_crc, file, offset))


def new_scanner() -> Scanner:
    """The fastest scanner there is."""
    return CompiledScanner() if compiled is not None else NumpyScanner()
