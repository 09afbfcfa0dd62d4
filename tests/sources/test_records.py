"""Frames and checksums: published vectors, slow references, and the search after damage."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

from tb_evalguide.sources import records
from tests.sources.eventlog import SCANNERS, frame

# RFC 3720, appendix B.4
VECTORS = [
    (bytes(32), 0x8A9136AA),
    (b"\xff" * 32, 0x62A8AB43),
    (bytes(range(32)), 0x46DD794E),
    (bytes(reversed(range(32))), 0x113FDB5C),
    (b"123456789", 0xE3069283),
    (b"", 0),
]


def slow_crc32c(data: bytes) -> int:
    """Bit by bit, from the polynomial."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


@pytest.mark.parametrize("scanner", SCANNERS)
@pytest.mark.parametrize(("data", "expected"), VECTORS)
def test_published_vectors(scanner, data, expected):
    assert scanner().crc32c(data) == expected
    assert records.crc32c(data) == slow_crc32c(data) == expected


@pytest.mark.parametrize("scanner", SCANNERS)
@pytest.mark.parametrize("size", [1, 3, 7, 8, 9, 63, 64, 127, 128, 129, 192, 257, 1000, 4096, 70_000])
def test_every_path_gives_the_bitwise_crc(scanner, size):
    data = np.random.default_rng(size).integers(0, 256, size, np.uint8).tobytes()
    assert scanner().crc32c(data) == slow_crc32c(data)


@given(st.lists(st.binary(min_size=5, max_size=5), min_size=1, max_size=5))
def test_rows_are_independent(rows):
    matrix = np.frombuffer(b"".join(rows), np.uint8).reshape(len(rows), -1)
    assert records.crc32c_rows(matrix).tolist() == [slow_crc32c(row) for row in rows]


@given(st.lists(st.binary(min_size=4, max_size=90), min_size=1, max_size=8), st.binary(max_size=3))
def test_spans_of_any_length(spans, before):
    view = np.frombuffer(before + b"".join(spans), np.uint8)
    lengths = np.array([len(span) for span in spans], np.int64)
    starts = len(before) + np.cumsum(lengths) - lengths
    assert records.crc32c_each(view, starts, lengths).tolist() == [slow_crc32c(span) for span in spans]


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_a_crc_goes_on_where_it_stopped(head, tail):
    assert records.crc32c_resume(records.crc32c(head), tail) == slow_crc32c(head + tail)


@given(st.binary(max_size=200))
def test_the_mask_is_tensorboards(data):
    assert records.mask(records.crc32c(data)) == masked_crc32c(data)
    assert records.mask_all(np.array([records.crc32c(data)], np.uint32)).tolist() == [masked_crc32c(data)]


def test_header_crc_is_what_a_frame_holds():
    data = b"x" * 31
    assert records.unpack_header(frame(data)) == (31, records.header_crc(31))
    assert records.data_ok(data, frame(data)[-4:])
    assert not records.data_ok(b"y" + data[1:], frame(data)[-4:])


@pytest.mark.parametrize("scanner", SCANNERS)
class TestSearch:
    @given(junk=st.binary(max_size=80), data=st.binary(max_size=40))
    @settings(max_examples=60)
    def test_finds_the_first_header_after_junk(self, scanner, junk, data):
        found = scanner().find_header(junk + frame(data), 0)
        assert 0 <= found <= len(junk)
        length, crc = records.unpack_header(junk + frame(data), found)
        assert records.header_crc(length) == crc

    def test_passes_a_hole_of_zeros(self, scanner):
        assert scanner().find_header(bytes(600_000) + frame(b"abc"), 0) == 600_000

    def test_starts_where_it_is_told(self, scanner):
        data = frame(b"one") + frame(b"two")
        assert scanner().find_header(data, 1) == len(frame(b"one"))
        assert scanner().find_header(data, len(frame(b"one")) + 1) == -1

    def test_none(self, scanner):
        assert scanner().find_header(b"", 0) == -1
        assert scanner().find_header(b"\x00" * 11, 0) == -1
        assert scanner().find_header(bytes(range(256)) * 10, 0) == -1

    def test_a_length_no_message_can_have_is_no_header(self, scanner):
        header = struct.pack("<Q", 2**63)
        absurd = header + struct.pack("<I", records.mask(records.crc32c(header)))
        assert scanner().find_header(absurd + frame(b"abc"), 0) == len(absurd)
