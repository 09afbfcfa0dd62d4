"""Builds event files for the tests: frames by hand, events by TensorBoard's own protobuf classes."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto

from tb_evalguide.sources import scan
from tb_evalguide.sources.events import EventFileData, read_event_bytes
from tb_evalguide.sources.records import crc32c, mask

WALL = 1_700_000_000.0
NAME = "events.out.tfevents.1700000000.host.1.0"

SCANNERS = [
    pytest.param(scan.NumpyScanner, id="numpy"),
    pytest.param(
        scan.CompiledScanner, id="compiled", marks=pytest.mark.skipif(scan.compiled is None, reason="no compiled scan")
    ),
]


def frame(data: bytes, *, length: int | None = None) -> bytes:
    """One TFRecord."""
    header = struct.pack("<Q", len(data) if length is None else length)
    return header + struct.pack("<I", mask(crc32c(header))) + data + struct.pack("<I", mask(crc32c(data)))


def value_event(*values: Summary.Value, step: int = 0, wall: float = WALL) -> bytes:
    return bytes(Event(wall_time=wall, step=step, summary=Summary(value=values)).SerializeToString())


def scalar(tag: str, number: float, step: int, wall: float | None = None) -> bytes:
    """The data of a plain scalar event; one second a step unless said otherwise."""
    return value_event(
        Summary.Value(tag=tag, simple_value=number), step=step, wall=WALL + step if wall is None else wall
    )


def metadata(plugin: str, content: bytes = b"") -> SummaryMetadata:
    return SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=plugin, content=content))


def tensor_value(tag: str, tensor: TensorProto, plugin: str | None = "scalars") -> Summary.Value:
    return Summary.Value(tag=tag, tensor=tensor, metadata=metadata(plugin) if plugin is not None else None)


def version(wall: float = WALL) -> bytes:
    return bytes(Event(wall_time=wall, file_version="brain.Event:2").SerializeToString())


def log(*events: bytes, wall: float = WALL) -> bytes:
    """An event file of these events, version record first."""
    return b"".join(frame(data) for data in (version(wall), *events))


def curve(tag: str, steps: Iterable[int], wall: float = WALL) -> list[bytes]:
    """Scalar events whose value is step / 10."""
    return [scalar(tag, step / 10, step, wall + k) for k, step in enumerate(steps)]


def write(directory: Path, data: bytes, name: str = NAME) -> str:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    path.write_bytes(data)
    return str(path)


def read(data: bytes, scanner: Any = None) -> EventFileData:
    return read_event_bytes(data, scanner=scanner)


def points(data: EventFileData, tag: str) -> list[tuple[int, float]]:
    found = data.tags[tag]
    return list(zip(found.steps.tolist(), found.values.tolist()))


def kinds(data: EventFileData) -> list[tuple[str, int | None]]:
    return [(note.kind, note.offset) for note in data.notes]


def assert_same(one: EventFileData, two: EventFileData) -> None:
    """Equal to the bit in everything a reader can tell."""
    assert one.tags.names == two.tags.names
    for name in ("starts", "all_steps", "all_order"):
        np.testing.assert_array_equal(getattr(one.tags, name), getattr(two.tags, name), name)
    for name in ("all_values", "all_wall_times"):
        left, right = getattr(one.tags, name), getattr(two.tags, name)
        np.testing.assert_array_equal(left.view(np.int64), right.view(np.int64), name)
    for name in ("purges", "texts", "hparams", "hparams_metrics", "model_config", "plugins", "has_graph"):
        # repr: a NaN equals itself there
        assert repr(getattr(one, name)) == repr(getattr(two, name)), name
    for name in ("session_status", "file_version", "notes", "events", "size", "first_wall_time", "last_wall_time"):
        assert repr(getattr(one, name)) == repr(getattr(two, name)), name
