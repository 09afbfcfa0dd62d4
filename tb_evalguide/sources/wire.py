"""The protobuf wire format of TensorFlow's Event, read field by field: slow, obvious, the twin of the compiled scan.

Fields that are not needed are skipped by their length, so that a lazily read record never loads its images.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np


class Data(Protocol):
    """What is parsed: bytes, or a record that loads its slices when asked."""

    def __getitem__(self, key: slice, /) -> bytes: ...


class WireError(ValueError):
    """The bytes are no protobuf message."""


VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
Field = tuple[int, int, int, int]  # number, wire type, varint value or start, stop

# DataType numbers of tensorflow/core/framework/types.proto that are a number on the real line.
FLOAT, DOUBLE, INT32, UINT8, INT16, INT8, STRING, INT64, BOOL = 1, 2, 3, 4, 5, 6, 7, 9, 10
BFLOAT16, UINT16, HALF, UINT32, UINT64 = 14, 17, 19, 22, 23
_CONTENT = {
    FLOAT: "<f4", DOUBLE: "<f8", INT32: "<i4", UINT8: "<u1", INT16: "<i2", INT8: "<i1", INT64: "<i8", BOOL: "<u1",
    BFLOAT16: "<u2", UINT16: "<u2", HALF: "<f2", UINT32: "<u4", UINT64: "<u8",
}  # fmt: skip
# The typed field that holds the values of each type when tensor_content does not.
_VALUES = {
    FLOAT: 5, DOUBLE: 6, INT32: 7, UINT8: 7, INT16: 7, INT8: 7, UINT16: 7, INT64: 10, BOOL: 11, BFLOAT16: 13, HALF: 13,
    UINT32: 16, UINT64: 17,
}  # fmt: skip


def _varint(data: Data, pos: int, end: int) -> tuple[int, int]:
    chunk = data[pos : min(pos + 10, end)]
    value = shift = 0
    for index, byte in enumerate(chunk):
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, pos + index + 1
        shift += 7
    raise WireError("varint without end")


def fields(data: Data, pos: int, end: int) -> Iterator[Field]:
    """The fields of the message in data[pos:end]."""
    while pos < end:
        key, pos = _varint(data, pos, end)
        number, wire = key >> 3, key & 7
        if not 0 < number < 1 << 29:
            raise WireError("field number")
        if wire == VARINT:
            value, pos = _varint(data, pos, end)
            yield number, wire, value, pos
            continue
        if wire == LENGTH:
            size, pos = _varint(data, pos, end)
        elif wire == FIXED64:
            size = 8
        elif wire == FIXED32:
            size = 4
        else:
            raise WireError("wire type")  # groups: no writer of events uses them
        if size > end - pos:
            raise WireError("field beyond its message")
        yield number, wire, pos, pos + size
        pos += size


def signed(value: int) -> int:
    """A 64-bit varint as the int64 it stands for."""
    return value - (1 << 64) if value >= 1 << 63 else value


def text(data: Data, start: int, stop: int) -> str:
    """A string field; bytes that are not UTF-8 stay visible and distinct."""
    return data[start:stop].decode("utf-8", "backslashreplace")


@dataclass
class Metadata:
    plugin: str = ""
    content: tuple[int, int] = (0, 0)  # span of the plugin's own data


@dataclass
class Value:
    """One Summary.Value: what kind of payload it has, and where."""

    tag: tuple[int, int] = (0, 0)
    metadata: Metadata | None = None
    kind: str = ""  # simple | tensor | image | histogram | audio | other; "" when nothing was written
    number: float = math.nan  # of a simple value
    span: tuple[int, int] = (0, 0)


@dataclass
class Event:
    """One event, still as spans into its bytes."""

    wall_time: float = 0.0
    step: int = 0
    values: tuple[Value, ...] = ()
    file_version: tuple[int, int] | None = None
    graph: bool = False
    session_log: tuple[int, int] | None = None


_KINDS = {3: "other", 4: "image", 5: "histogram", 6: "audio"}


def parse_event(data: Data, pos: int, end: int) -> Event:
    """Fields of an Event message; raises WireError when it is none."""
    event = Event()
    values: list[Value] = []
    for number, wire, a, b in fields(data, pos, end):
        if number == 1 and wire == FIXED64:
            event.wall_time = struct.unpack("<d", data[a:b])[0]
        elif number == 2 and wire == VARINT:
            event.step = signed(a)
        elif wire == LENGTH:
            if number == 5:
                for inner, inner_wire, c, d in fields(data, a, b):
                    if inner == 1 and inner_wire == LENGTH:
                        values.append(_parse_value(data, c, d))
            elif number == 3:
                event.file_version = (a, b)
            elif number in (4, 9):
                event.graph = True
            elif number == 7:
                event.session_log = (a, b)
    event.values = tuple(values)
    return event


def _parse_value(data: Data, pos: int, end: int) -> Value:
    value = Value()
    for number, wire, a, b in fields(data, pos, end):
        if number == 2 and wire == FIXED32:
            value.kind = "simple"
            value.number = struct.unpack("<f", data[a:b])[0]
        elif wire == LENGTH:
            if number == 1:
                value.tag = (a, b)
            elif number == 8:
                value.kind, value.span = "tensor", (a, b)
            elif number in _KINDS:
                value.kind, value.span = _KINDS[number], (a, b)
            elif number == 9:
                value.metadata = _parse_metadata(data, a, b)
    return value


def _parse_metadata(data: Data, pos: int, end: int) -> Metadata:
    metadata = Metadata()
    for number, wire, a, b in fields(data, pos, end):
        if number == 1 and wire == LENGTH:
            for inner, inner_wire, c, d in fields(data, a, b):
                if inner == 1 and inner_wire == LENGTH:
                    metadata.plugin = text(data, c, min(d, c + 256))
                elif inner == 2 and inner_wire == LENGTH:
                    metadata.content = (c, d)
    return metadata


def _half(bits: int) -> float:
    return float(np.array([bits & 0xFFFF], np.uint16).view(np.float16)[0])


def _bfloat16(bits: int) -> float:
    return float(struct.unpack("<f", struct.pack("<I", (bits & 0xFFFF) << 16))[0])


def _from_varint(value: int, dtype: int) -> float:
    """A value of a *_val field of varints, cut to its type as NumPy would cast it."""
    if dtype == HALF:
        return _half(value)
    if dtype == BFLOAT16:
        return _bfloat16(value)
    if dtype == BOOL:
        return float(value != 0)
    bits = {INT32: 32, UINT8: 8, INT16: 16, INT8: 8, UINT16: 16, INT64: 64, UINT32: 32, UINT64: 64}[dtype]
    value &= (1 << bits) - 1
    if dtype in (INT32, INT16, INT8, INT64) and value >> (bits - 1):
        value -= 1 << bits
    return float(value)


@dataclass
class Tensor:
    """dtype, whether its rank is 0, and its value when that is one number."""

    dtype: int = 0
    scalar: bool = True  # rank 0
    number: float | None = None


def parse_tensor(data: Data, pos: int, end: int) -> Tensor:
    """A TensorProto: dtype and rank, and the number when it is a scalar of a numeric type."""
    tensor = Tensor()
    content: tuple[int, int] = (0, 0)
    for number, wire, a, b in fields(data, pos, end):
        if number == 1 and wire == VARINT:
            tensor.dtype = a
        elif number == 2 and wire == LENGTH:
            for inner, inner_wire, c, _ in fields(data, a, b):
                if (inner == 2 and inner_wire == LENGTH) or (inner == 3 and inner_wire == VARINT and c):
                    tensor.scalar = False
        elif number == 4 and wire == LENGTH:
            content = (a, b)
    if not tensor.scalar or tensor.dtype not in _CONTENT:
        return tensor
    start, stop = content
    if stop > start:
        kind = np.dtype(_CONTENT[tensor.dtype])
        if stop - start == kind.itemsize:
            raw = np.frombuffer(data[start:stop], kind)[0]
            if tensor.dtype == BFLOAT16:
                tensor.number = _bfloat16(int(raw))
            elif tensor.dtype == BOOL:
                tensor.number = float(raw != 0)
            else:
                tensor.number = float(raw)
        return tensor
    tensor.number = 0.0  # no value at all means the type's zero, as TensorFlow reads it
    wanted = _VALUES[tensor.dtype]
    for number, wire, a, b in fields(data, pos, end):
        if number != wanted or (wire == LENGTH and a == b):
            continue
        found = _first_value(data, wire, a, b, tensor.dtype)
        if found is not None:
            tensor.number = found
            break
    return tensor


def _first_value(data: Data, wire: int, a: int, b: int, dtype: int) -> float | None:
    """First number of a repeated field, packed or not; None when the wire type does not fit the field."""
    if dtype == FLOAT:
        if wire == FIXED32 or (wire == LENGTH and (b - a) % 4 == 0):
            return float(struct.unpack("<f", data[a : a + 4])[0])
        _mismatch(wire)
        return None
    if dtype == DOUBLE:
        if wire == FIXED64 or (wire == LENGTH and (b - a) % 8 == 0):
            return float(struct.unpack("<d", data[a : a + 8])[0])
        _mismatch(wire)
        return None
    if wire == VARINT:
        return _from_varint(a, dtype)
    if wire == LENGTH:
        return _from_varint(_varint(data, a, b)[0], dtype)
    return None


def _mismatch(wire: int) -> None:
    if wire == LENGTH:
        raise WireError("packed field of odd length")


def tensor_strings(data: Data, pos: int, end: int, limit: int) -> tuple[int, list[str], bool]:
    """dtype, the string values of a TensorProto (together at most `limit` bytes), and whether some were cut."""
    dtype, strings, room, cut = 0, [], limit, False
    for number, wire, a, b in fields(data, pos, end):
        if number == 1 and wire == VARINT:
            dtype = a
        elif number == 8 and wire == LENGTH:
            if b - a > room:
                cut = True
            stop = min(b, a + room)
            strings.append(text(data, a, stop))
            room -= stop - a
            if room <= 0:
                cut = cut or b > stop
                break
    return dtype, strings, cut


# --- plugin data of hparams (tensorboard/plugins/hparams/plugin_data.proto) ------------------------------------------

SESSION_STATUS = {1: "success", 2: "failure", 3: "running"}


@dataclass
class HParams:
    """What one hparams record says; the parts it does not speak of are None."""

    values: dict[str, Any] | None = None  # session start
    group: str | None = None
    status: str | None = None  # session end
    declared: tuple[str, ...] | None = None  # experiment: names of hyper-parameters
    metrics: tuple[str, ...] | None = None  # experiment: tags of its metrics


def parse_hparams(data: Data, pos: int, end: int) -> HParams:
    """The plugin data of `_hparams_/experiment`, `…/session_start_info` and `…/session_end_info`."""
    found = HParams()
    for number, wire, a, b in fields(data, pos, end):
        if wire != LENGTH:
            continue
        if number == 2:
            found.declared, found.metrics = _parse_experiment(data, a, b)
        elif number == 3:
            values: dict[str, Any] = {}
            for inner, inner_wire, c, d in fields(data, a, b):
                if inner == 1 and inner_wire == LENGTH:
                    key, value = _map_entry(data, c, d)
                    values[key] = value
                elif inner == 4 and inner_wire == LENGTH:
                    found.group = text(data, c, d)
            found.values = values
        elif number == 4:
            found.status = "unknown"
            for inner, inner_wire, c, _ in fields(data, a, b):
                if inner == 1 and inner_wire == VARINT:
                    found.status = SESSION_STATUS.get(c, "unknown")
    return found


def _parse_experiment(data: Data, pos: int, end: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    names: list[str] = []
    metrics: list[str] = []
    for number, wire, a, b in fields(data, pos, end):
        if wire != LENGTH:
            continue
        if number == 4:  # HParamInfo: name = 1
            names += [text(data, c, d) for n, w, c, d in fields(data, a, b) if (n, w) == (1, LENGTH)]
        elif number == 5:  # MetricInfo: name = 1 (MetricName: group = 1, tag = 2)
            for n, w, c, d in fields(data, a, b):
                if (n, w) == (1, LENGTH):
                    metrics += [text(data, e, f) for m, x, e, f in fields(data, c, d) if (m, x) == (2, LENGTH)]
    return tuple(names), tuple(metrics)


def _map_entry(data: Data, pos: int, end: int) -> tuple[str, Any]:
    key, value = "", None
    for number, wire, a, b in fields(data, pos, end):
        if wire == LENGTH and number == 1:
            key = text(data, a, b)
        elif wire == LENGTH and number == 2:
            value = _struct_value(data, a, b)
    return key, value


def _struct_value(data: Data, pos: int, end: int, depth: int = 0) -> Any:
    """A google.protobuf.Value. Whole numbers come back as int: the writer had no other way to write 4."""
    if depth > 20:
        raise WireError("nested too deep")
    value: Any = None
    for number, wire, a, b in fields(data, pos, end):
        if number == 1 and wire == VARINT:
            value = None
        elif number == 2 and wire == FIXED64:
            raw = struct.unpack("<d", data[a:b])[0]
            value = int(raw) if raw.is_integer() and abs(raw) < 2**53 else raw
        elif number == 3 and wire == LENGTH:
            value = text(data, a, b)
        elif number == 4 and wire == VARINT:
            value = bool(a)
        elif number == 5 and wire == LENGTH:
            entries = [_struct_entry(data, c, d, depth) for n, w, c, d in fields(data, a, b) if (n, w) == (1, LENGTH)]
            value = dict(entries)
        elif number == 6 and wire == LENGTH:
            value = [_struct_value(data, c, d, depth + 1) for n, w, c, d in fields(data, a, b) if (n, w) == (1, LENGTH)]
    return value


def _struct_entry(data: Data, pos: int, end: int, depth: int) -> tuple[str, Any]:
    key, value = "", None
    for number, wire, a, b in fields(data, pos, end):
        if wire == LENGTH and number == 1:
            key = text(data, a, b)
        elif wire == LENGTH and number == 2:
            value = _struct_value(data, a, b, depth + 1)
    return key, value


# --- SessionLog (tensorflow/core/util/event.proto) -------------------------------------------------------------------

SESSION_START, SESSION_STOP = 1, 2


def parse_session_log(data: Data, pos: int, end: int) -> int:
    """The status of a SessionLog: 1 start, 2 stop, 3 checkpoint, 0 unspecified."""
    status = 0
    for number, wire, a, _ in fields(data, pos, end):
        if number == 1 and wire == VARINT:
            status = a
    return status
