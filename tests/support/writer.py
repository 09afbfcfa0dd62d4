"""Writes TensorBoard event files byte by byte, without protobuf, so that tests can also write wrong ones.

    with EventWriter(tmp_path / "run") as writer:      # a folder, or a file whose name holds "tfevents"
        writer.hparams({"learning_rate": 2e-5})
        writer.scalar("train/loss", 2.5, step=10)

Wall times start at `start_wall_time` and move on by `seconds_per_event` with every new step, unless one is given.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

START = 1_700_000_000.0


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ 0x82F63B78 if byte & 1 else byte >> 1  # Castagnoli's polynomial, bits reversed
        table.append(byte)
    return tuple(table)


_TABLE = _crc_table()


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def masked_crc(data: bytes) -> int:
    """The checksum as TFRecord stores it: rotated by 15 bits and moved by a constant."""
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def record(data: bytes, *, length_crc: int | None = None, data_crc: int | None = None) -> bytes:
    """One TFRecord. A checksum that is given replaces the right one."""
    length = struct.pack("<Q", len(data))
    head = length + struct.pack("<I", masked_crc(length) if length_crc is None else length_crc)
    return head + data + struct.pack("<I", masked_crc(data) if data_crc is None else data_crc)


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1  # negative numbers are written in two's complement, ten bytes long
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def integer(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def double(field: int, value: float) -> bytes:
    return varint(field << 3 | 1) + struct.pack("<d", value)


def single(field: int, value: float) -> bytes:
    return varint(field << 3 | 5) + _float32(value)


def block(field: int, data: bytes | str) -> bytes:
    """A length-delimited field: a string, bytes, a message, or a packed list."""
    raw = data.encode() if isinstance(data, str) else data
    return varint(field << 3 | 2) + varint(len(raw)) + raw


def _float32(value: float) -> bytes:
    try:
        return struct.pack("<f", value)
    except OverflowError:  # beyond float32, where a real writer stores infinity
        return struct.pack("<f", float("inf") if value > 0 else float("-inf"))


# name → (number in DataType, struct code, field of TensorProto that lists values one by one)
DTYPES = {
    "float32": (1, "f", 5),
    "float64": (2, "d", 6),
    "int32": (3, "i", 7),
    "uint8": (4, "B", 7),
    "int16": (5, "h", 7),
    "int8": (6, "b", 7),
    "int64": (9, "q", 10),
    "bool": (10, "?", 11),
    "bfloat16": (14, "H", 13),
    "uint16": (17, "H", 7),
    "float16": (19, "e", 13),
    "uint32": (22, "I", 16),
    "uint64": (23, "Q", 17),
}


def tensor_proto(value: Any, dtype: str = "float32", *, shape: tuple[int, ...] = (), content: bool = True) -> bytes:
    """A TensorProto holding `value`, as `tensor_content` or in the dtype's own list of values."""
    number, code, field = DTYPES[dtype]
    if dtype == "bfloat16":
        raw = _float32(value)[2:]
    else:
        raw = struct.pack("<" + code, value)
    head = integer(1, number) + block(2, b"".join(block(2, integer(1, size)) for size in shape))
    if content:
        return head + block(4, raw)
    if dtype in ("float32", "float64"):
        return head + block(field, raw)
    bits = int.from_bytes(raw, "little") if dtype in ("float16", "bfloat16") else int(value)
    return head + block(field, varint(bits))


def string_tensor(*texts: str) -> bytes:
    return integer(1, 7) + block(2, block(2, integer(1, len(texts)))) + b"".join(block(8, text) for text in texts)


def metadata(plugin: str, content: bytes = b"", data_class: int = 0) -> bytes:
    """A SummaryMetadata; data_class 1 is scalar, 2 tensor, 3 blob sequence."""
    return block(1, block(1, plugin) + (block(2, content) if content else b"")) + (
        integer(4, data_class) if data_class else b""
    )


def event(*, wall_time: float, step: int = 0, summary: Iterable[bytes] = (), body: bytes = b"") -> bytes:
    """An Event message; `summary` are Summary.Value messages, `body` any further fields."""
    values = b"".join(block(1, value) for value in summary)
    return double(1, wall_time) + (integer(2, step) if step else b"") + (block(5, values) if values else b"") + body


class EventWriter:
    """One event file. The first record is the file version, as every real writer starts."""

    def __init__(
        self, path: str | Path, start_wall_time: float = START, *, seconds_per_event: float = 1.0, version: bool = True
    ) -> None:
        path = Path(path)
        if "tfevents" not in path.name:
            path.mkdir(parents=True, exist_ok=True)
            number = len(list(path.glob("events.out.tfevents.*")))
            path = path / f"events.out.tfevents.{int(start_wall_time)}.host.{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.wall_time = start_wall_time
        self._seconds = seconds_per_event
        self._step: int | None = None
        self._file = path.open("ab")
        if version:
            self.event(body=block(3, "brain.Event:2"))

    def __enter__(self) -> EventWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _time(self, step: int, wall_time: float | None) -> float:
        if wall_time is not None:
            self.wall_time = wall_time
        elif self._step is not None and step != self._step:
            self.wall_time += self._seconds
        self._step = step
        return self.wall_time

    def raw(self, data: bytes) -> None:
        """Bytes as they are: a damaged record, half a record, garbage."""
        self._file.write(data)

    def event(
        self, *, step: int = 0, wall_time: float | None = None, summary: Iterable[bytes] = (), body: bytes = b""
    ) -> None:
        time = self.wall_time if wall_time is None else wall_time
        self.raw(record(event(wall_time=time, step=step, summary=summary, body=body)))

    def scalar(self, tag: str, value: float, step: int, wall_time: float | None = None) -> None:
        """The old form, still written by torch, tensorboardX and Hugging Face: a float32 `simple_value`."""
        time = self._time(step, wall_time)
        self.event(step=step, wall_time=time, summary=[block(1, tag) + single(2, value)])

    def scalars(self, values: Mapping[str, float], step: int, wall_time: float | None = None) -> None:
        """Several tags in one event."""
        time = self._time(step, wall_time)
        self.event(
            step=step, wall_time=time, summary=[block(1, tag) + single(2, value) for tag, value in values.items()]
        )

    def tensor_scalar(
        self,
        tag: str,
        value: float,
        step: int,
        wall_time: float | None = None,
        *,
        dtype: str = "float32",
        content: bool = True,
    ) -> None:
        """The form of TensorFlow 2 and Keras: a rank-0 tensor with the scalars plugin's metadata."""
        time = self._time(step, wall_time)
        tensor = block(8, tensor_proto(value, dtype, content=content))
        self.event(
            step=step, wall_time=time, summary=[block(1, tag) + tensor + block(9, metadata("scalars", data_class=1))]
        )

    def text(self, tag: str, text: str, step: int = 0, wall_time: float | None = None) -> None:
        time = self._time(step, wall_time)
        value = block(1, tag) + block(8, string_tensor(text)) + block(9, metadata("text", data_class=2))
        self.event(step=step, wall_time=time, summary=[value])

    def image(self, tag: str, step: int = 0) -> None:
        """An image summary of one byte: something that is no scalar."""
        self.event(
            step=step,
            summary=[block(1, tag) + block(4, integer(1, 1) + integer(2, 1) + integer(3, 1) + block(4, b"\x89"))],
        )

    def hparams(self, values: Mapping[str, str | bool | float], *, status: str | None = None) -> None:
        """The hparams plugin's start of a session, and with `status` (success, failure, running) its end."""
        entries = b""
        for name, value in values.items():
            if isinstance(value, bool):
                packed = integer(4, value)
            elif isinstance(value, str):
                packed = block(3, value)
            else:
                packed = double(2, value)
            entries += block(1, block(1, name) + block(2, packed))
        self._session("_hparams_/session_start_info", block(3, entries + double(5, self.wall_time)))
        if status is not None:
            number = {"success": 1, "failure": 2, "running": 3}[status]
            self._session("_hparams_/session_end_info", block(4, integer(1, number) + double(2, self.wall_time)))

    def _session(self, tag: str, content: bytes) -> None:
        self.event(summary=[block(1, tag) + block(9, metadata("hparams", content))])

    def session_log(self, status: int) -> None:
        """A SessionLog as tf.estimator writes it: 1 start, 2 stop, 3 checkpoint."""
        self.event(body=block(7, integer(1, status)))

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()
