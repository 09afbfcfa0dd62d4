"""Damaged files: each fault is one note at its offset, and everything else is read."""

from __future__ import annotations

import gzip
import struct
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.compat.proto.summary_pb2 import Summary

from tb_evalguide.i18n import render
from tb_evalguide.sources import events
from tb_evalguide.sources.records import crc32c, mask
from tests.sources.eventlog import SCANNERS, curve, frame, kinds, log, read, value_event

pytestmark = pytest.mark.parametrize("scanner", SCANNERS)

COUNT = 100
FRAMES = [frame(data) for data in curve("x", range(COUNT))]
HEAD = log()
OFFSETS = [len(HEAD) + sum(map(len, FRAMES[:k])) for k in range(COUNT)]
WHOLE = HEAD + b"".join(FRAMES)


def flipped(data: bytes, position: int) -> bytes:
    return data[:position] + bytes([data[position] ^ 0x40]) + data[position + 1 :]


def steps(found) -> list[int]:
    return found.tags["x"].steps.tolist()


def without(*missing: int) -> list[int]:
    return [k for k in range(COUNT) if k not in missing]


@pytest.mark.parametrize("inside", [0, 3, 7], ids=["length low", "length", "length high"])
def test_flipped_byte_in_the_length(scanner, inside):
    found = read(flipped(WHOLE, OFFSETS[48] + inside), scanner)
    assert steps(found) == without(48) and kinds(found) == [("corrupt", OFFSETS[48])]


def test_flipped_byte_in_the_length_crc(scanner):
    found = read(flipped(WHOLE, OFFSETS[48] + 9), scanner)
    assert steps(found) == without(48) and kinds(found) == [("corrupt", OFFSETS[48])]


@pytest.mark.parametrize("inside", [12, 20, -5], ids=["first", "middle", "last"])
def test_flipped_byte_in_the_data(scanner, inside):
    position = OFFSETS[48] + inside if inside > 0 else OFFSETS[49] + inside
    found = read(flipped(WHOLE, position), scanner)
    assert steps(found) == without(48) and kinds(found) == [("corrupt", OFFSETS[48])]
    assert found.notes[0].message.params["size"] == len(FRAMES[48])


def test_flipped_byte_in_the_data_crc(scanner):
    found = read(flipped(WHOLE, OFFSETS[49] - 1), scanner)
    assert steps(found) == without(48) and kinds(found) == [("corrupt", OFFSETS[48])]


def test_flipped_byte_in_the_first_and_the_last_record(scanner):
    found = read(flipped(WHOLE, 14), scanner)
    assert steps(found) == without() and kinds(found) == [("corrupt", 0)]
    found = read(flipped(WHOLE, OFFSETS[99] + 14), scanner)
    assert steps(found) == without(99) and kinds(found) == [("corrupt", OFFSETS[99])]


def test_each_fault_is_one_note(scanner):
    data = WHOLE
    for k in (10, 11, 50):
        data = flipped(data, OFFSETS[k] + 15)
    found = read(data, scanner)
    assert steps(found) == without(10, 11, 50) and kinds(found) == [("corrupt", OFFSETS[k]) for k in (10, 11, 50)]


def test_every_byte_of_a_record_may_flip(scanner):
    """Whichever byte of the record it is: that record is lost, no other, with one note."""
    for position in range(OFFSETS[48], OFFSETS[49]):
        found = read(flipped(WHOLE, position), scanner)
        assert steps(found) == without(48) and kinds(found) == [("corrupt", OFFSETS[48])], position


@pytest.mark.parametrize("size", [1, 20, 5000, 3_000_000])
def test_a_hole_of_zeros(scanner, size):
    hole = WHOLE[: OFFSETS[48]] + bytes(size) + WHOLE[OFFSETS[48] :]
    found = read(hole, scanner)
    assert steps(found) == without() and kinds(found) == [("corrupt", OFFSETS[48])]
    assert found.notes[0].message.params["size"] == size


def test_zeros_written_over_records(scanner):
    start, stop = OFFSETS[48] + 10, OFFSETS[52] + 10
    found = read(WHOLE[:start] + bytes(stop - start) + WHOLE[stop:], scanner)
    assert steps(found) == without(48, 49, 50, 51, 52) and kinds(found) == [("corrupt", OFFSETS[48])]


@pytest.mark.parametrize("cut", [1, 4, 11, 12, 13, 30])
def test_truncated_tail(scanner, cut):
    found = read(WHOLE[: OFFSETS[99] + cut], scanner)
    assert steps(found) == without(99) and kinds(found) == [("truncated", OFFSETS[99])]


def test_two_files_glued(scanner):
    second = log(*curve("y", range(10)))
    found = read(WHOLE + second, scanner)
    assert steps(found) == without() and len(found.tags["y"]) == 10 and not found.notes


@pytest.mark.parametrize("cut", range(1, len(FRAMES[99])))
def test_two_files_glued_the_first_cut_off(scanner, cut):
    """The cut record's length reaches into the second file, or beyond its end."""
    for second in (log(), log(*curve("y", range(10)))):
        found = read(WHOLE[: OFFSETS[99] + cut] + second, scanner)
        assert steps(found) == without(99) and kinds(found) == [("corrupt", OFFSETS[99])]
        assert found.events == 1 + 99 + (1 if second == log() else 11)


@pytest.mark.parametrize("length", [2**63, 2**64 - 1, 2**31, 2**40])
@pytest.mark.parametrize("honest", [True, False], ids=["valid CRC", "wrong CRC"])
def test_an_absurd_length(scanner, length, honest):
    header = struct.pack("<Q", length)
    crc = mask(crc32c(header)) ^ (0 if honest else 1)
    data = WHOLE[: OFFSETS[48]] + header + struct.pack("<I", crc) + WHOLE[OFFSETS[48] :]
    tracemalloc.start()
    found = read(data, scanner)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert steps(found) == without() and kinds(found) == [("corrupt", OFFSETS[48])]
    assert peak < 30e6


def test_a_length_just_within_protobufs_limit(scanner):
    """A gigabyte is announced, the rest of the file is there: the records inside win."""
    header = struct.pack("<Q", 2**30)
    data = WHOLE[: OFFSETS[48]] + header + struct.pack("<I", mask(crc32c(header))) + WHOLE[OFFSETS[48] :]
    found = read(data, scanner)
    assert steps(found) == without() and kinds(found) == [("corrupt", OFFSETS[48])]


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"4d7a" * 16 + b"\nsize 12345\n"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (LFS, "Git LFS"),
        (gzip.compress(WHOLE), "gzip"),
        (b"#!/bin/sh\necho hello world\n", "not a TensorBoard"),
        (bytes(5000), "not a TensorBoard"),
    ],
    ids=["lfs", "gzip", "script", "zeros"],
)
def test_not_an_event_file(scanner, data, words):
    found = read(data, scanner)
    assert kinds(found) == [("not_event_file", 0)] and words in render(found.notes[0].message) and found.events == 0


def test_junk_before_the_first_record(scanner):
    found = read(b"junk" * 100 + WHOLE, scanner)
    assert steps(found) == without() and kinds(found) == [("corrupt", 0)]


def test_a_long_image_with_a_flipped_byte_costs_no_scalar(scanner):
    image = frame(value_event(Summary.Value(tag="i", image=Summary.Image(encoded_image_string=b"\x00" * 300_000))))
    inside = flipped(image, 200_000)
    found = read(HEAD + FRAMES[0] + inside + FRAMES[1], scanner)
    assert steps(found) == [0, 1] and not found.notes  # the image is not read, so its damage is not seen
    cut = image[:200_000] + FRAMES[1] + FRAMES[2]
    found = read(HEAD + FRAMES[0] + cut, scanner)
    assert steps(found) == [0, 1, 2] and kinds(found) == [("corrupt", OFFSETS[1])]
    longer = HEAD + FRAMES[0] + image[:200_000] + b"".join(FRAMES[1:]) + image * 2 + FRAMES[0]
    found = read(longer, scanner)
    assert steps(found) == [*range(COUNT), 0] and kinds(found) == [("corrupt", OFFSETS[1])]


def test_a_long_record_that_holds_scalars_is_checked(scanner):
    image = Summary.Value(tag="i", image=Summary.Image(encoded_image_string=b"\x00" * 300_000))
    merged = frame(value_event(Summary.Value(tag="x", simple_value=7.0), image, step=7))
    found = read(HEAD + merged + FRAMES[0], scanner)
    assert steps(found) == [7, 0] and not found.notes
    found = read(HEAD + flipped(merged, 150_000) + FRAMES[0], scanner)
    assert steps(found) == [0] and kinds(found) == [("corrupt", len(HEAD))]


def test_very_many_faults_are_counted(scanner):
    damaged = b"".join(flipped(data, 15) + data for data in FRAMES)
    found = read(HEAD + damaged, scanner)
    assert steps(found) == list(range(COUNT)) and len(found.notes) == events.NOTE_LIMIT + 1
    assert found.notes[-1].message.params == {"count": COUNT - events.NOTE_LIMIT}


def test_without_the_data_check_headers_are_still_checked(scanner):
    damaged = flipped(WHOLE, OFFSETS[10] + 2)
    found = events.read_event_file(
        "-", opener=lambda _: __import__("io").BytesIO(damaged), scanner=scanner, check_data_crc=False
    )
    assert steps(found) == without(10)


@given(position=st.integers(0, len(WHOLE) - 1), size=st.integers(1, 200), junk=st.binary(max_size=200))
@settings(max_examples=80, deadline=None)
def test_whatever_happens_to_a_stretch_of_bytes_the_rest_is_read(scanner, position, size, junk):
    """Any stretch of bytes replaced by anything: no record outside it is lost, none is invented."""
    stop = min(position + size, len(WHOLE))
    found = read(WHOLE[:position] + junk + WHOLE[stop:], scanner)
    ends = [*OFFSETS[1:], len(WHOLE)]
    untouched = [k for k in range(COUNT) if ends[k] <= position or OFFSETS[k] >= stop]
    got = steps(found) if "x" in found.tags else []
    assert set(untouched) <= set(got) <= set(range(COUNT))
    assert len(found.notes) <= 3
