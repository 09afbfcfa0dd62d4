"""The test writer's files are right: TensorBoard's own reader takes them, checksums included."""

import math
from pathlib import Path

from tests.support.writer import DTYPES, EventWriter, crc32c


def test_checksum_of_the_published_check_value() -> None:
    assert crc32c(b"123456789") == 0xE3069283  # the check value of CRC-32C in the catalogue of parametrised CRCs


def test_tensorboard_reads_what_was_written(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
    from tensorboard.util.tensor_util import make_ndarray

    with EventWriter(tmp_path / "run") as writer:
        writer.hparams({"learning_rate": 2e-5, "name": "a", "bf16": True}, status="success")
        writer.scalar("train/loss", 2.5, 10)
        writer.scalar("train/loss", math.nan, 20)
        writer.scalars({"a": 1.0, "b": 2.0}, -1)
        for dtype in DTYPES:
            writer.tensor_scalar(dtype, 1, 30, dtype=dtype)
            writer.tensor_scalar(dtype, 1, 31, dtype=dtype, content=False)
        writer.text("sample", "hello", 40)
    events = [Event.FromString(raw) for raw in RawEventFileLoader(str(writer.path)).Load()]
    assert events[0].file_version == "brain.Event:2"
    start = HParamsPluginData.FromString(events[1].summary.value[0].metadata.plugin_data.content).session_start_info
    assert start.hparams["learning_rate"].number_value == 2e-5
    assert start.hparams["name"].string_value == "a" and start.hparams["bf16"].bool_value
    assert (
        HParamsPluginData.FromString(events[2].summary.value[0].metadata.plugin_data.content).session_end_info.status
        == 1
    )
    assert (events[3].step, events[3].summary.value[0].tag, events[3].summary.value[0].simple_value) == (
        10,
        "train/loss",
        2.5,
    )
    assert math.isnan(events[4].summary.value[0].simple_value)
    assert events[4].wall_time == events[3].wall_time + 1
    assert [value.tag for value in events[5].summary.value] == ["a", "b"] and events[5].step == -1
    tensors = [event.summary.value[0] for event in events[6:-1]]
    assert len(tensors) == 2 * len(DTYPES)
    for value in tensors:
        # TensorBoard itself has no bfloat16, and reads unsigned 32 and 64 bits only from tensor_content
        if value.tag != "bfloat16" and (value.tag not in ("uint32", "uint64") or value.tensor.tensor_content):
            assert make_ndarray(value.tensor).shape == () and float(make_ndarray(value.tensor)) == 1.0, value.tag
    assert events[-1].summary.value[0].tensor.string_val == [b"hello"]


def test_a_second_writer_of_a_folder_opens_a_second_file(tmp_path: Path) -> None:
    paths = []
    for _ in range(2):
        with EventWriter(tmp_path) as writer:
            paths.append(writer.path)
    assert len(set(paths)) == 2


def test_wrong_checksums_are_wrong(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader

    from tests.support.writer import event, record

    with EventWriter(tmp_path) as writer:
        writer.raw(record(event(wall_time=1.0, step=1), data_crc=0))
        writer.scalar("a", 1.0, 2)
    assert len(list(RawEventFileLoader(str(writer.path)).Load())) == 1  # TensorBoard stops at the damage
