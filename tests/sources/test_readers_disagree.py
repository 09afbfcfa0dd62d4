"""The table of docs/reader.md: what each reader makes of the same logs, and that ours is the argued answer."""

from __future__ import annotations

from pathlib import Path

import pytest
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.types_pb2 import DataType

from benchmarks.peers import READERS
from tb_evalguide.sources.events import read_event_file
from tb_evalguide.sources.restarts import resolve
from tests.sources.eventlog import WALL, curve, frame, log, scalar, tensor_value, value_event, write

DOCS = Path(__file__).parents[2] / "docs" / "reader.md"

STEPS = range(1, 101)
START = bytes(Event(wall_time=WALL, step=61, session_log=SessionLog(status=SessionLog.START)).SerializeToString())
ONE_FILE = curve("x", STEPS)
AGAIN = [scalar("x", 100 + s, s, WALL + 500 + s) for s in range(61, 121)]
MIDDLE = len(log(*ONE_FILE[:48])) + 14  # a byte in the data of the 49th of 100 points


def flipped() -> bytes:
    data = bytearray(log(*ONE_FILE))
    data[MIDDLE] ^= 0x40
    return bytes(data)


def doubles() -> bytes:
    return log(
        *[
            value_event(tensor_value("x", TensorProto(dtype=DataType.DT_DOUBLE, double_val=[s])), step=s, wall=WALL + s)
            for s in range(10)
        ]
    )


#: case → (files, points by reader: RustBoard, Python loader, EventAccumulator, tbparse, ours, note of ours)
CASES: dict[str, tuple[list[bytes], tuple[int, int, int, int, int], str | None]] = {
    "restart at step 60 after 100, no marker": ([log(*ONE_FILE, *AGAIN)], (120, 160, 160, 160, 120), "restart"),
    "torch purge_step on resume": (
        [log(*ONE_FILE), log(START, *AGAIN, wall=WALL + 500)],
        (120, 160, 120, 160, 120),
        "restart",
    ),
    "50 values at one step": (
        [log(*[scalar("x", k, 7, WALL + k) for k in range(50)])],
        (1, 50, 50, 50, 1),
        "duplicate_steps",
    ),
    "two files, same steps": (
        [log(*curve("x", range(20))), log(*curve("x", range(20), WALL + 900), wall=WALL + 900)],
        (20, 40, 40, 40, 20),
        "reused_directory",
    ),
    "flipped byte mid-file": ([flipped()], (100, 48, 48, 48, 99), "corrupt"),
    "truncated tail": ([log(*ONE_FILE)[:-7]], (99, 99, 99, 99, 99), "truncated"),
    "float64 tensor scalars": ([doubles()], (0, 10, 0, 0, 10), None),
}


@pytest.fixture(params=CASES, ids=lambda name: name.replace(" ", "_"))
def case(request, tmp_path):
    files, counts, note = CASES[request.param]
    for number, data in enumerate(files):
        write(tmp_path, data, f"events.out.tfevents.17000{number}0000.host.{number}")
    return request.param, tmp_path, counts, note


def test_the_table(case):
    name, folder, counts, _ = case
    found = {}
    for (reader, read), expected in zip(READERS.items(), counts):
        answer = read(folder)
        found[reader] = (len(answer["x"][0]) if "x" in answer else 0, expected)
    assert {reader: got for reader, (got, _) in found.items()} == {reader: want for reader, (_, want) in found.items()}
    assert f"| {name} | " + " | ".join(str(count) for count in counts) in DOCS.read_text(), (
        "docs/reader.md tells otherwise"
    )


def test_ours_says_so(case):
    _, folder, _, note = case
    files = [read_event_file(path) for path in sorted(folder.iterdir())]
    _, found = resolve(files)
    kinds = [n.kind for file in files for n in file.notes] + [n.kind for notes in found for n in notes]
    assert kinds == ([note] if note else [])


def test_the_later_values_stand_after_a_restart(tmp_path):
    series, _ = resolve([read_event_file(write(tmp_path, log(*ONE_FILE, *AGAIN)))])
    x = series["x"]
    assert x.steps.tolist() == list(range(1, 121))
    assert x.values[59] == pytest.approx(6.0) and x.values[60] == 161.0
    assert x.superseded_steps.tolist() == list(range(61, 101)) and x.superseded_values[0] == pytest.approx(6.1)
    (restart,) = x.restarts
    assert (restart.step, restart.last_step, restart.new_file, restart.forward) == (61, 100, False, False)


def test_where_rustboard_keeps_a_damaged_value_we_do_not(tmp_path):
    """RustBoard checks no data CRC unless asked: the flipped byte is shown as if it had been logged."""
    data = bytearray(log(*ONE_FILE))
    data[data.index(frame(ONE_FILE[48])) + len(frame(ONE_FILE[48])) - 6] ^= 0x01  # in the float itself
    write(tmp_path, bytes(data))
    theirs, ours = READERS["RustBoard"](tmp_path)["x"], READERS["tb-evalguide"](tmp_path)["x"]
    assert len(theirs[0]) == 100 and theirs[1][48] != pytest.approx(4.9)
    assert len(ours[0]) == 99 and 49 not in ours[0]
