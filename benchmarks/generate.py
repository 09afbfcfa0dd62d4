"""Event files of a million records, made with NumPy in seconds."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tb_evalguide.sources.records import crc32c_rows, header_crc, mask_all

WALL = 1.7e9
_BLANK = b"\x00\x00\xc0\x7f"  # where a number will stand


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def key(number: int, kind: int) -> bytes:
    return varint(number << 3 | kind)


def block(number: int, data: bytes) -> bytes:
    return key(number, 2) + varint(len(data)) + data


def frames(matrix: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Every row with a TFRecord's header before it and its checksum behind it."""
    count, length = matrix.shape
    head = np.frombuffer(struct.pack("<QI", length, header_crc(length)), np.uint8)
    tails = np.concatenate([mask_all(crc32c_rows(matrix[k : k + 4096])) for k in range(0, count, 4096)])
    return np.hstack([np.tile(head, (count, 1)), matrix, tails[:, None].view(np.uint8).reshape(-1, 4)])


def frame(data: bytes) -> bytes:
    return frames(np.frombuffer(data, np.uint8)[None, :]).tobytes()


def version_record() -> bytes:
    return frame(key(1, 1) + struct.pack("<d", WALL) + block(3, b"brain.Event:2"))


def scalar_frames(
    tag: bytes, steps: npt.NDArray[np.int64], values: npt.NDArray[np.float32], tensor_typed: bool = False
) -> list[bytes]:
    """One framed scalar event per step (below 2^28), a wall-clock second apart."""
    payload = block(8, key(1, 0) + b"\x01" + block(2, b"") + block(5, _BLANK)) if tensor_typed else key(2, 5) + _BLANK
    value = block(1, tag) + payload + (block(9, block(1, block(1, b"scalars"))) if tensor_typed else b"")
    out: list[Any] = [b""] * len(steps)
    for size in range(5):
        low, high = (0, 1) if size == 0 else (max(1, 1 << 7 * (size - 1)), 1 << 7 * size)
        mine = np.flatnonzero((steps >= low) & (steps < high))
        if not len(mine):
            continue
        coded = b"" if size == 0 else key(2, 0) + b"\x80" * (size - 1) + b"\x00"
        data = key(1, 1) + bytes(8) + coded + block(5, block(1, value))
        matrix = np.tile(np.frombuffer(data, np.uint8), (len(mine), 1))
        matrix[:, 1:9] = (WALL + steps[mine])[:, None].view(np.uint8).reshape(-1, 8)
        for k in range(size):
            matrix[:, 10 + k] |= ((steps[mine] >> (7 * k)) & 0x7F).astype(np.uint8)
        at = data.index(_BLANK, 9 + len(coded))
        matrix[:, at : at + 4] = values[mine][:, None].view(np.uint8)
        for place, row in zip(mine.tolist(), frames(matrix)):
            out[place] = row.tobytes()
    return out


def scalar_log(points: int, tags: Sequence[bytes], tensor_typed: bool = False, seed: int = 0) -> bytes:
    """A file of `points` steps of every tag, the tags in turn at each step."""
    rng = np.random.default_rng(seed)
    steps = np.arange(points)
    columns = [scalar_frames(tag, steps, rng.random(points).astype(np.float32), tensor_typed) for tag in tags]
    return version_record() + b"".join(record for row in zip(*columns) for record in row)


def many_tags_log(tags: int, points: int) -> bytes:
    """A file of very many tags with few points each."""
    digits = (np.arange(tags)[:, None] // 10 ** np.arange(6, -1, -1)) % 10 + ord("0")
    out = version_record()
    for step in range(points):
        value = block(1, b"layer_0000000/grad_norm") + key(2, 5) + struct.pack("<f", 1 / (step + 1))
        coded = key(2, 0) + varint(step) if step else b""
        data = key(1, 1) + struct.pack("<d", WALL + step) + coded + block(5, block(1, value))
        matrix = np.tile(np.frombuffer(data, np.uint8), (tags, 1))
        at = data.index(b"0000000")
        matrix[:, at : at + 7] = digits
        out += frames(matrix).tobytes()
    return out


def blob_record(number: int, size: int, tag: bytes) -> bytes:
    """A histogram (field 5) or image (field 4) of about `size` bytes."""
    inner = block(4, bytes(size)) if number == 4 else block(6, bytes(size // 8 * 8))
    return frame(key(1, 1) + struct.pack("<d", WALL) + block(5, block(1, block(1, tag) + block(number, inner))))


def write_mixed(path: Path, scalars: int, histograms: int, images: int) -> None:
    """Scalars among histograms of 10 KB and images of 200 KB."""
    histogram, image = blob_record(5, 10_000, b"weights"), blob_record(4, 200_000, b"samples")
    columns = scalar_frames(b"loss", np.arange(scalars), np.linspace(3, 1, scalars, dtype=np.float32))
    with path.open("wb") as out:
        out.write(version_record())
        for k, record in enumerate(columns):
            out.write(record)
            if k * histograms // scalars != (k + 1) * histograms // scalars:
                out.write(histogram)
            if k * images // scalars != (k + 1) * images // scalars:
                out.write(image)
