"""The compiled scan and the NumPy scan answer alike, to the bit, over everything the generators can think of."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.compat.proto.event_pb2 import Event

from benchmarks import generate
from benchmarks.generate import block, key, varint
from tb_evalguide.sources import scan, wire
from tb_evalguide.sources.events import read_event_file
from tests.sources.eventlog import assert_same, curve, frame, log, read, scalar

pytestmark = pytest.mark.skipif(scan.compiled is None, reason="no compiled scan")
CORPUS = Path(__file__).parents[1] / "fuzz" / "corpus"


class SmallCompiled(scan.CompiledScanner):
    window = 1 << 13  # a few records a window, and many records that reach beyond one


class SmallNumpy(scan.NumpyScanner):
    window = 1 << 13


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """Reads a log in every way there is, and holds the answers to each other."""
    path = tmp_path_factory.mktemp("log") / "events"

    def check(data: bytes) -> None:
        compare(data, path)

    return check


def compare(data: bytes, path: Path) -> None:
    expected = read(data, scan.NumpyScanner)
    assert_same(expected, read(data, scan.CompiledScanner))
    path.write_bytes(data)
    assert_same(expected, read_event_file(path, scanner=scan.CompiledScanner))  # reads on by itself
    assert_same(expected, read_event_file(path, scanner=SmallCompiled))
    if len(data) > SmallCompiled.window:
        assert_same(expected, read(data, SmallCompiled))
        assert_same(expected, read(data, SmallNumpy))


# --- messages as a grammar: right, odd, and broken on purpose -------------------------------------------------------


varints = st.one_of(st.integers(0, 300), st.integers(0, 2**64 - 1)).map(varint)
fixed4 = st.one_of(st.floats(width=32).map(lambda v: struct.pack("<f", v)), st.binary(min_size=4, max_size=4))
fixed8 = st.one_of(st.floats().map(lambda v: struct.pack("<d", v)), st.binary(min_size=8, max_size=8))
junk_field = st.one_of(
    st.tuples(st.integers(1, 30), varints).map(lambda f: key(f[0], 0) + f[1]),
    st.tuples(st.integers(1, 30), fixed8).map(lambda f: key(f[0], 1) + f[1]),
    st.tuples(st.integers(1, 30), st.binary(max_size=12)).map(lambda f: block(*f)),
    st.tuples(st.integers(1, 30), fixed4).map(lambda f: key(f[0], 5) + f[1]),
    st.binary(max_size=4),
)


def message(*parts: st.SearchStrategy[bytes], junk: int = 1) -> st.SearchStrategy[bytes]:
    """Some of the parts in any order, sometimes with a field of anything."""
    return st.tuples(
        st.lists(st.one_of(*parts), max_size=5), st.lists(junk_field, max_size=junk) if junk else st.just([])
    ).map(lambda p: b"".join(p[0] + p[1]))


shape = message(
    st.just(block(2, b"\x08\x01")), st.sampled_from([b"", key(3, 0) + b"\x00", key(3, 0) + b"\x01"]), junk=0
).map(lambda d: block(2, d))
dtypes = st.one_of(st.integers(0, 25), st.sampled_from([1, 2, 3, 9, 10, 14, 19]), st.integers(0, 2**64 - 1))
values = st.one_of(
    fixed4.map(lambda v: key(5, 5) + v),
    st.lists(fixed4, max_size=2).map(lambda v: block(5, b"".join(v))),
    fixed8.map(lambda v: key(6, 1) + v),
    st.lists(fixed8, max_size=2).map(lambda v: block(6, b"".join(v))),
    st.tuples(st.sampled_from([7, 10, 11, 13, 16, 17]), varints).map(lambda v: key(v[0], 0) + v[1]),
    st.tuples(st.sampled_from([7, 10, 11, 13, 16, 17]), st.lists(varints, max_size=2)).map(
        lambda v: block(v[0], b"".join(v[1]))
    ),
    st.sampled_from([0, 1, 2, 4, 8]).flatmap(lambda n: st.binary(min_size=n, max_size=n)).map(lambda d: block(4, d)),
    st.binary(max_size=10).map(lambda d: block(8, d)),
)
tensor = st.one_of(
    st.tuples(dtypes, values).map(lambda t: key(1, 0) + varint(t[0]) + t[1]),
    message(dtypes.map(lambda d: key(1, 0) + varint(d)), shape, values),
)
plugins = st.sampled_from([b"", b"scalars", b"text", b"images", b"hparams", b"custom"])
metadata = message(
    st.one_of(
        plugins.map(lambda p: block(1, block(1, p))),
        st.tuples(plugins, st.binary(max_size=8)).map(lambda p: block(1, block(1, p[0]) + block(2, p[1]))),
    )
).map(lambda d: block(9, d))
tags = st.sampled_from([b"", b"a", b"loss", b"eval/loss", b"\xff", "손실".encode()]).map(lambda t: block(1, t))
summary_value = st.one_of(
    st.tuples(tags, fixed4).map(lambda v: v[0] + key(2, 5) + v[1]),
    st.tuples(tags, tensor, st.one_of(st.just(b""), metadata)).map(lambda v: v[0] + block(8, v[1]) + v[2]),
    message(
        tags,
        fixed4.map(lambda v: key(2, 5) + v),
        tensor.map(lambda d: block(8, d)),
        metadata,
        st.integers(3, 6).map(lambda n: block(n, b"xy")),
    ),
)
blob = st.tuples(tags, st.sampled_from([4, 5, 6]), st.one_of(st.just(b""), metadata, st.just(key(2, 5) + b"abcd"))).map(
    lambda v: v[0] + block(v[1], b"\x00" * 5000) + v[2]
)
long_tensor = st.tuples(
    tags,
    st.integers(1, 8),
    st.one_of(st.just(b""), shape),
    st.sampled_from([4, 5, 8]),
    st.one_of(st.just(b""), metadata),
).map(lambda v: v[0] + block(8, key(1, 0) + varint(v[1]) + v[2] + block(v[3], b"\x01" * 5000)) + v[4])
any_value = st.one_of(summary_value, summary_value, blob, long_tensor)
summary = st.lists(any_value.map(lambda d: block(1, d)), max_size=3).map(lambda d: block(5, b"".join(d)))
wall = fixed8.map(lambda v: key(1, 1) + v)
step = varints.map(lambda v: key(2, 0) + v)
session = st.integers(0, 4).map(lambda s: block(7, b"\x08" + bytes([s])))
event = st.one_of(
    st.tuples(wall, step, summary).map(b"".join),
    message(
        wall, step, summary, session, st.sampled_from([block(3, b"brain.Event:2"), block(4, b"g"), block(9, b"m")])
    ),
)


@given(st.lists(event, max_size=12), st.integers(1, 12))
@settings(max_examples=200, deadline=None)
def test_any_events(both, datas, repeat):
    both(b"".join(frame(data) for data in datas * repeat))


@given(st.lists(event, min_size=1, max_size=8), st.data())
@settings(max_examples=150, deadline=None)
def test_any_damage(both, datas, data):
    log_bytes = bytearray(b"".join(frame(d) for d in datas * 3))
    for _ in range(data.draw(st.integers(1, 3))):
        if log_bytes:
            at = data.draw(st.integers(0, len(log_bytes) - 1))
            log_bytes[at : at + data.draw(st.integers(0, 20))] = data.draw(st.binary(max_size=20))
    both(bytes(log_bytes))


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_bytes(both, data):
    both(data)
    both(frame(data))


@given(st.lists(event, max_size=4))
@settings(max_examples=200, deadline=None)
def test_protobuf_agrees_on_what_an_event_is(datas):
    """What protobuf's own parser takes for an event, so does the field parser, with the same step and wall time."""
    for data in datas:
        try:
            theirs = Event.FromString(data)
        except DecodeError:
            continue  # what protobuf refuses, we may read or refuse
        ours = wire.parse_event(data, 0, len(data))
        assert ours.step == theirs.step
        assert struct.pack("<d", ours.wall_time) == struct.pack("<d", theirs.wall_time)


@pytest.mark.parametrize("tensor_typed", [False, True], ids=["simple", "tensor"])
def test_a_million_records(tmp_path, tensor_typed):
    tags = (b"train/loss", b"lr", b"eval/accuracy_top5", b"a" * 70, b"grad_norm")
    data = generate.scalar_log(200_000, tags, tensor_typed)
    path = tmp_path / "events"
    path.write_bytes(data)
    fast, slow = read_event_file(path, scanner=scan.CompiledScanner), read(data, scan.NumpyScanner)
    assert fast.points == 1_000_000 and len(fast.tags) == 5 and fast.notes == ()
    assert_same(fast, slow)


@pytest.mark.parametrize("records", [1, 100, 5000])
def test_rows_that_outgrow_their_room(both, monkeypatch, records):
    """The NumPy scan keeps its rows in columns that grow in place."""
    monkeypatch.setattr(scan, "_IN_PLACE", 64)
    both(log(*[event for k in range(3) for event in curve(f"t{k}", range(records))]))


def test_few_records_of_each_length(both):
    """More than are read one by one as they come, but too few of each length for a matrix: still in write order."""
    both(log(*[scalar("x", k, step) for k, step in enumerate([1, 300, 70_000, 1 << 22, 1 << 30] * 5)]))


def test_very_many_tags(both):
    data = log(*[event for k in range(30) for name in (f"layer{k}", f"layer{k}/w") for event in curve(name, range(4))])
    both(data * 3)


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*")) if CORPUS.is_dir() else [], ids=lambda p: p.name)
def test_the_fuzzers_corpus(both, path):
    both(path.read_bytes())


class TestTheDoorToC:
    """What the compiled scanner refuses, instead of reading or writing where it must not."""

    @pytest.mark.parametrize(
        ("arguments", "error"),
        [
            ((b"bytes", 0, 0, 0, True, -1, 0), TypeError),
            ((bytearray(4), 5, 5, 0, True, -1, 0), ValueError),
            ((bytearray(4), -1, 5, 0, True, -1, 0), ValueError),
            ((bytearray(4), 4, 3, 0, True, -1, 0), ValueError),
            ((bytearray(4), 4, 4, 0, True, -1, -1), ValueError),
            ((), TypeError),
        ],
    )
    def test_scan(self, arguments, error):
        with pytest.raises(error):
            scan.compiled.Scanner(1).scan(*arguments)

    def test_a_bad_descriptor_ends_the_reading_on(self):
        data = bytearray(log(*curve("a", range(100))))
        whole = len(data)
        result = scan.Result(*scan.compiled.Scanner(1).scan(data, whole, whole + 50, 0, True, 999_999, 0))
        assert (result.pos, result.events, result.status) == (whole, 101, scan.END)

    def test_rows_are_taken_once_and_read_only(self):
        scanner = scan.CompiledScanner()
        assert [len(column) for column in scanner.take()] == [1, 0, 0, 0, 0]
        scanner.add(b"a", 1, 2.0, 3.0, 4)
        scanner.add(b"b", 5, float("nan"), 7.0, 8)
        assert scanner.waiting() == 2
        first = scanner.take()
        assert [column.tolist() for column in first][:2] == [[0, 1, 2], [1, 5]] and first.order.tolist() == [4, 8]
        assert scanner.waiting() == 0 and not any(column.flags.writeable for column in first)
        scanner.add(b"b", 9, 10.0, 11.0, 2**40)
        second = scanner.take()
        assert [column.tolist() for column in second] == [[0, 0, 1], [9], [10.0], [11.0], [2**40]]

    def test_modules_functions(self):
        with pytest.raises(ValueError, match="outside"):
            scan.compiled.find_header(b"abc", -1)
        with pytest.raises(TypeError):
            scan.compiled.crc32c("text")
        with pytest.raises(TypeError):
            scan.compiled.Scanner(seed=1)


def read_by_this_process() -> int:
    for line in Path("/proc/self/io").read_text().splitlines():
        if line.startswith("rchar"):
            return int(line.split()[1])
    raise AssertionError("no rchar")


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="counts the bytes read as Linux tells them")
@pytest.mark.parametrize("scanner", [scan.CompiledScanner, scan.NumpyScanner])
def test_images_and_histograms_are_not_read(tmp_path, scanner):
    """Fifty megabytes of them cost a few small reads each."""
    path = tmp_path / "events"
    generate.write_mixed(path, scalars=1000, histograms=1000, images=200)
    before = read_by_this_process()
    found = read_event_file(path, scanner=scanner)
    amount = read_by_this_process() - before
    assert found.points == 1000 and found.plugins == {"weights": "histograms", "samples": "images"} and not found.notes
    assert found.size > 50e6 and amount < (0.15 if scanner is scan.CompiledScanner else 0.6) * found.size
