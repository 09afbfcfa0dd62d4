"""Bytes to TFRecord frames: the masked CRC32C, the 12-byte header, the search for the next valid header after damage.

A record is `length: uint64 LE, masked CRC32C of those 8 bytes, data, masked CRC32C of the data`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint32]

HEADER = 12  # bytes of length and its CRC
FOOTER = 4  # bytes of the data's CRC
MAX_LENGTH = 2**31 - 1  # protobuf's own limit for a serialized message: a longer length is damage
_POLYNOMIAL = 0x82F63B78  # Castagnoli, bits reversed (RFC 3720)
_MASK_DELTA = 0xA282EAD8  # TFRecord's mask, so that a CRC of data that holds CRCs stays meaningful
_BLOCK = 64  # bytes folded per vectorised pass over long data

unpack_header = struct.Struct("<QI").unpack_from


def _byte_table() -> Words:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(_POLYNOMIAL), table >> 1).astype(np.uint32)
    return table


TABLE: Words = _byte_table()
_TABLE_LIST = TABLE.tolist()


def mask(crc: int) -> int:
    """The CRC as TFRecord stores it: rotated right by 15 bits plus a constant."""
    return (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & 0xFFFFFFFF


def mask_all(crcs: Words) -> Words:
    """`mask` of every element."""
    masked: Words = ((crcs >> np.uint32(15)) | (crcs << np.uint32(17))) + np.uint32(_MASK_DELTA)
    return masked


@lru_cache(maxsize=32)
def _shift_tables(zeros: int) -> Words:
    """(4, 256): what a raw CRC becomes after `zeros` further zero bytes, by byte of the CRC (the CRC is linear)."""
    if zeros == 1:
        low = TABLE
        shifted = [low] + [(np.arange(256, dtype=np.uint32) << np.uint32(8 * (k - 1))) for k in (1, 2, 3)]
        return np.array(shifted, np.uint32)
    half = _shift_tables(zeros // 2)
    once = _shift(_shift_inputs(), half)
    return _shift(once, half)


def _shift_inputs() -> Words:
    values = np.arange(256, dtype=np.uint32)
    return np.array([values << np.uint32(8 * k) for k in range(4)], np.uint32)


def _shift(crcs: Words, tables: Words) -> Words:
    out: Words = (
        tables[0][crcs & 0xFF] ^ tables[1][(crcs >> 8) & 0xFF] ^ tables[2][(crcs >> 16) & 0xFF] ^ tables[3][crcs >> 24]
    )
    return out


def crc32c(data: bytes | bytearray | memoryview) -> int:
    """CRC32C of `data`. Short data byte by byte, long data in vectorised blocks; the two agree (tested)."""
    if len(data) <= 2 * _BLOCK:
        crc = 0xFFFFFFFF
        for byte in data:
            crc = _TABLE_LIST[(crc ^ byte) & 0xFF] ^ (crc >> 8)
        return crc ^ 0xFFFFFFFF
    return int(crc32c_rows(np.frombuffer(data, np.uint8)[None, :])[0])


def _words(values: Any) -> Words:
    out: Words = values
    return out


def _fold(crc: Words, column: Bytes) -> Words:
    """The CRCs after one more byte each."""
    return _words(TABLE[(crc ^ column) & np.uint32(0xFF)] ^ (crc >> np.uint32(8)))


def crc32c_rows(rows: Bytes) -> Words:
    """CRC32C of each row of an (n, length) matrix."""
    count, length = rows.shape
    if length <= 2 * _BLOCK:
        crc: Words = np.full(count, 0xFFFFFFFF, np.uint32)
        for column in np.ascontiguousarray(rows.T):
            crc = _fold(crc, column)
        return _words(crc ^ np.uint32(0xFFFFFFFF))
    # Long rows: cut into blocks, fold all at once, then join neighbours pairwise: crc(a + b) = shift(crc(a)) ^ crc(b).
    # Zeros in front leave a raw CRC (start value 0) unchanged, and the start value is the first four bytes inverted.
    blocks = -(-length // _BLOCK)
    blocks = 1 << (blocks - 1).bit_length()
    padded = np.zeros((count, blocks * _BLOCK), np.uint8)
    padded[:, -length:] = rows
    padded[:, blocks * _BLOCK - length : blocks * _BLOCK - length + 4] ^= 0xFF
    columns = np.ascontiguousarray(padded.reshape(count * blocks, _BLOCK).T)
    crc = _words(np.zeros(count * blocks, np.uint32))
    for column in columns:
        crc = _fold(crc, column)
    joined: Words = crc.reshape(count, blocks)
    zeros = _BLOCK
    while joined.shape[1] > 1:
        joined = _shift(joined[:, 0::2], _shift_tables(zeros)) ^ joined[:, 1::2]
        zeros *= 2
    return _words(joined[:, 0] ^ np.uint32(0xFFFFFFFF))


def cut(view: Bytes, starts: npt.NDArray[np.int64], length: int) -> Bytes:
    """(n, length): view[start:start + length] of every start; length at least 1, every span inside the view."""
    # Overlapping spans as elements of their own type: no (n, length) index, which would be eight times the result.
    spans = np.ndarray((len(view) - length + 1,), np.dtype((np.void, length)), view, strides=(1,))
    rows: Bytes = spans[starts].view(np.uint8).reshape(-1, length)
    return rows


def crc32c_each(view: Bytes, starts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]) -> Words:
    """CRC32C of view[start:start + length] for each pair; every length at least 4.

    Spans of similar length are laid into one matrix, zeros in front: those leave a raw CRC that starts at 0 unchanged,
    and the true start value is the first four bytes inverted.
    """
    out = np.empty(len(starts), np.uint32)
    widths = -(-lengths // 32) * 32
    if len(starts) and int((starts + lengths - widths).min()) < 0:  # the zeros in front would begin before the view
        view, starts = np.concatenate((np.zeros(32, np.uint8), view)), starts + 32
    for width in np.unique(widths).tolist():
        members = np.flatnonzero(widths == width)
        block = max(1, (1 << 19) // width)  # the matrix and its temporaries stay in the cache
        for begin in range(0, len(members), block):
            part = members[begin : begin + block]
            ahead = width - lengths[part]
            matrix = cut(view, starts[part] - ahead, width)
            matrix[np.arange(width) < ahead[:, None]] = 0
            rows = np.arange(len(part))
            for k in range(4):
                matrix[rows, ahead + k] ^= 0xFF
            crc = _words(np.zeros(len(part), np.uint32))
            for column in np.ascontiguousarray(matrix.T):
                crc = _fold(crc, column)
            out[part] = crc ^ np.uint32(0xFFFFFFFF)
    return out


def crc32c_resume(crc: int, data: bytes | bytearray | memoryview, of: Callable[[Any], int] = crc32c) -> int:
    """CRC32C of what `crc` is the CRC of, followed by `data`; `of` computes the CRC of the data."""
    out = np.array([crc], np.uint32)
    length = len(data)
    power = 1
    while length:
        if length & 1:
            out = _shift(out, _shift_tables(power))
        length >>= 1
        power *= 2
    return int(out[0]) ^ of(data) if len(data) else crc


@lru_cache(maxsize=65536)
def header_crc(length: int) -> int:
    """The masked CRC that must follow `length` in a header."""
    return mask(crc32c(struct.pack("<Q", length)))


def data_ok(data: bytes | bytearray | memoryview, footer: bytes | bytearray | memoryview) -> bool:
    """Whether `footer` is the masked CRC of `data`."""
    return mask(crc32c(data)) == int.from_bytes(footer, "little")


def find_header(data: bytes | bytearray | memoryview, start: int) -> int:
    """First position from `start` on where a valid header stands, or −1.

    A wrong hit needs a CRC collision (2^-32 a byte) with a length that protobuf allows (another 2^-33 on random bytes).
    """
    view = np.frombuffer(data, np.uint8)[start:]
    step = 1 << 18  # keeps the temporaries in a few megabytes
    for begin in range(0, len(view) - HEADER + 1, step):
        part = view[begin : begin + step + HEADER - 1]
        count = len(part) - HEADER + 1
        # A length below 2^31 has four zero bytes above and its top bit clear: few positions are left to check.
        plausible = np.flatnonzero(
            ((part[4 : 4 + count] | part[5 : 5 + count] | part[6 : 6 + count] | part[7 : 7 + count]) == 0)
            & (part[3 : 3 + count] < 0x80)
        )
        if len(plausible):
            headers = part[plausible[:, None] + np.arange(HEADER)]
            stored = np.ascontiguousarray(headers[:, 8:]).view("<u4")[:, 0]
            hits = np.flatnonzero(mask_all(crc32c_rows(headers[:, :8])) == stored)
            if len(hits):
                return start + begin + int(plausible[hits[0]])
    return -1
