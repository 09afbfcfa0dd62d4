"""A reader that goes on where it stopped: only new bytes, and the same answer as reading the whole file at once."""

from __future__ import annotations

import io
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.types_pb2 import DataType

from tb_evalguide.sources.events import EventFileReader
from tests.sources.eventlog import (
    NAME,
    SCANNERS,
    assert_same,
    curve,
    frame,
    kinds,
    log,
    read,
    scalar,
    tensor_value,
    value_event,
    write,
)

pytestmark = pytest.mark.parametrize("scanner", SCANNERS)

TEXT = value_event(tensor_value("t", TensorProto(dtype=DataType.DT_STRING, string_val=[b"hi"]), "text"))
IMAGE = value_event(Summary.Value(tag="i", image=Summary.Image(encoded_image_string=b"\x01" * 70_000)), step=5)
BOTH = log(*curve("a", range(8)), TEXT, IMAGE, *curve("b", range(3, 9)), *curve("a", range(8, 12)))


class Growing:
    """A file that grows in memory and remembers what was read of it."""

    def __init__(self, data: bytes = b"") -> None:
        self.data, self.read_bytes = data, 0

    def open(self, _: str) -> io.BytesIO:
        growing = self

        class Counted(io.BytesIO):
            def readinto(self, buffer) -> int:
                count = super().readinto(buffer)
                growing.read_bytes += count
                return count

        return Counted(self.data)


@given(cuts=st.lists(st.integers(0, len(BOTH)), max_size=6))
@settings(max_examples=60, deadline=None)
def test_splitting_a_file_at_any_bytes_changes_nothing(scanner, cuts):
    file = Growing()
    reader = EventFileReader("f", opener=file.open, scanner=scanner)
    for cut in [*sorted(cuts), len(BOTH)]:
        file.data = BOTH[:cut]
        reader.refresh()
        reader.snapshot()
    assert_same(reader.snapshot(), read(BOTH, scanner))


def test_splitting_a_small_file_at_every_byte(scanner):
    whole = log(*curve("a", range(3)), TEXT)
    expected = read(whole, scanner)
    for cut in range(len(whole)):
        file = Growing(whole[:cut])
        reader = EventFileReader("f", opener=file.open, scanner=scanner)
        reader.refresh()
        first = reader.snapshot()
        assert first.points <= expected.points and {kind for kind, _ in kinds(first)} <= {"truncated"}
        file.data = whole
        assert reader.refresh()
        assert_same(reader.snapshot(), expected)


@given(cut=st.integers(0, len(BOTH)), position=st.integers(0, len(BOTH) - 1), junk=st.binary(min_size=1, max_size=40))
@settings(max_examples=60, deadline=None)
def test_damage_read_in_two_looks_or_one(scanner, cut, position, junk):
    damaged = BOTH[:position] + junk + BOTH[position + len(junk) :]
    file = Growing(damaged[:cut])
    reader = EventFileReader("f", opener=file.open, scanner=scanner)
    reader.refresh()
    file.data = damaged
    reader.refresh()
    assert_same(reader.snapshot(), read(damaged, scanner))


def test_only_new_bytes_are_read(scanner):
    file = Growing(log(*curve("a", range(20_000))))
    reader = EventFileReader("f", opener=file.open, scanner=scanner)
    reader.refresh()
    file.read_bytes = 0
    new = frame(scalar("a", 1.0, 20_000))
    file.data += new
    assert reader.refresh()
    assert file.read_bytes == len(new)
    assert reader.snapshot().tags["a"].steps[-1] == 20_000


def test_nothing_new_is_no_change(scanner, tmp_path):
    path = write(tmp_path, BOTH)
    reader = EventFileReader(path, scanner=scanner)
    assert reader.refresh()
    snapshot = reader.snapshot()
    assert not reader.refresh() and reader.snapshot() is snapshot
    os.utime(path, (1, 1))
    assert not reader.refresh()


def test_a_record_being_written_is_no_fault_and_comes_when_complete(scanner, tmp_path):
    path = write(tmp_path, BOTH[:-10])
    reader = EventFileReader(path, scanner=scanner)
    reader.refresh()
    assert [kind for kind, _ in kinds(reader.snapshot())] == ["truncated"]
    with open(path, "ab") as out:
        out.write(BOTH[-10:])
    assert reader.refresh() and reader.snapshot().notes == ()
    assert_same(reader.snapshot(), read(BOTH, scanner))


def test_a_snapshot_is_not_touched_by_later_growth(scanner, tmp_path):
    path = write(tmp_path, log(*curve("a", range(5))))
    reader = EventFileReader(path, scanner=scanner)
    reader.refresh()
    first = reader.snapshot()
    steps = first.tags["a"].steps.copy()
    with open(path, "ab") as out:
        out.write(b"".join(frame(data) for data in [*curve("b", range(3)), *curve("a", range(5, 9))]))
    reader.refresh()
    np.testing.assert_array_equal(first.tags["a"].steps, steps)
    assert list(first.tags) == ["a"] and list(reader.snapshot().tags) == ["a", "b"]
    assert reader.snapshot().tags["a"].steps.tolist() == list(range(9))


def test_truncation_starts_over(scanner, tmp_path):
    path = write(tmp_path, BOTH)
    reader = EventFileReader(path, scanner=scanner)
    reader.refresh()
    shorter = log(*curve("c", range(2)))
    write(tmp_path, shorter)
    assert reader.refresh()
    assert_same(reader.snapshot(), read(shorter, scanner))


def test_replacement_by_rename_starts_over(scanner, tmp_path):
    path = write(tmp_path, BOTH)
    reader = EventFileReader(path, scanner=scanner)
    reader.refresh()
    longer = log(*curve("c", range(5000)))
    os.replace(write(tmp_path, longer, "new"), path)
    assert reader.refresh()
    assert_same(reader.snapshot(), read(longer, scanner))


def test_rewriting_in_place_starts_over(scanner, tmp_path):
    path = write(tmp_path, BOTH)
    reader = EventFileReader(path, scanner=scanner)
    reader.refresh()
    longer = frame(scalar("c", 1.0, 1, 5.0)) + BOTH
    with open(path, "r+b") as out:  # same inode, larger, other contents
        out.write(longer)
    assert reader.refresh()
    assert_same(reader.snapshot(), read(longer, scanner))


def test_a_deleted_file_keeps_what_was_read_and_may_come_back(scanner, tmp_path):
    path = write(tmp_path, BOTH)
    reader = EventFileReader(path, scanner=scanner)
    reader.refresh()
    os.remove(path)
    assert not reader.refresh()
    assert reader.snapshot().points == read(BOTH, scanner).points
    write(tmp_path, log(*curve("c", range(2))))
    assert reader.refresh() and list(reader.snapshot().tags) == ["c"]


def test_an_empty_file_is_just_young(scanner, tmp_path):
    path = write(tmp_path, b"")
    reader = EventFileReader(path, scanner=scanner)
    assert not reader.refresh()
    assert reader.snapshot().notes == () and reader.snapshot().events == 0
    write(tmp_path, BOTH)
    assert reader.refresh() and reader.snapshot().points > 0


def test_a_file_that_cannot_be_opened_is_a_note_until_it_can(scanner):
    file = Growing(BOTH)
    locked = True

    def opener(name: str) -> io.BytesIO:
        if locked:
            raise PermissionError(13, "Permission denied")
        return file.open(name)

    reader = EventFileReader("f", opener=opener, scanner=scanner)
    assert reader.refresh() and not reader.refresh()
    assert [(n.kind, n.message.params) for n in reader.snapshot().notes] == [
        ("unreadable", {"reason": "Permission denied"})
    ]
    locked = False
    assert reader.refresh() and reader.snapshot().notes == () and reader.snapshot().points > 0


def test_an_error_while_reading_keeps_what_came_before(scanner):
    data = log(*curve("a", range(200_000)))
    broken = True

    class Failing(io.BytesIO):
        def readinto(self, buffer) -> int:
            if broken and self.tell() > 4_000_000:
                raise OSError(5, "Input/output error")
            return super().readinto(buffer)

    reader = EventFileReader("f", opener=lambda _: Failing(data), scanner=scanner)
    assert reader.refresh()
    partial = reader.snapshot()
    assert 0 < partial.points < 200_000 and [note.kind for note in partial.notes] == ["unreadable"]
    broken = False
    assert reader.refresh()
    assert_same(reader.snapshot(), read(data, scanner))


def test_a_missing_file(scanner, tmp_path):
    reader = EventFileReader(str(tmp_path / NAME), scanner=scanner)
    assert reader.refresh() and not reader.refresh()
    assert [note.kind for note in reader.snapshot().notes] == ["unreadable"]


def test_zeros_that_a_network_file_system_fills_in_later(scanner, tmp_path):
    """The size grew before the bytes arrived: what looked damaged is whole at the next look."""
    path = write(tmp_path, BOTH[:300] + bytes(len(BOTH) - 300))
    reader = EventFileReader(path, scanner=scanner)
    reader.refresh()
    assert reader.snapshot().notes
    with open(path, "r+b") as out:
        out.write(BOTH)
    os.utime(path, (2, 2))
    assert reader.refresh()
    assert_same(reader.snapshot(), read(BOTH, scanner))
