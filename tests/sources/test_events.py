"""What an event says: scalars of every type, hyper-parameters, texts, sessions, and what is passed over."""

from __future__ import annotations

import json
import math
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.histogram_pb2 import HistogramProto
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DataType
from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2

from tb_evalguide.sources import wire
from tests.sources.eventlog import (
    SCANNERS,
    WALL,
    curve,
    frame,
    kinds,
    log,
    metadata,
    points,
    read,
    scalar,
    tensor_value,
    value_event,
)

pytestmark = pytest.mark.parametrize("scanner", SCANNERS)

SCALAR_SHAPE = TensorShapeProto()


def tensor(dtype: str, **values) -> TensorProto:
    return TensorProto(dtype=DataType.Value(dtype), tensor_shape=SCALAR_SHAPE, **values)


BFLOAT_1_5 = struct.unpack("<I", struct.pack("<f", 1.5))[0] >> 16
NUMBERS = [
    ("DT_FLOAT", {"float_val": [1.5]}, 1.5),
    ("DT_FLOAT", {"tensor_content": struct.pack("<f", -2.25)}, -2.25),
    ("DT_DOUBLE", {"double_val": [0.1]}, 0.1),
    ("DT_DOUBLE", {"tensor_content": struct.pack("<d", 1e300)}, 1e300),
    ("DT_HALF", {"half_val": [int(np.float16(0.333).view(np.uint16))]}, float(np.float16(0.333))),
    ("DT_HALF", {"tensor_content": np.float16(6e-8).tobytes()}, float(np.float16(6e-8))),
    ("DT_HALF", {"tensor_content": np.float16(-np.inf).tobytes()}, -math.inf),
    ("DT_BFLOAT16", {"half_val": [BFLOAT_1_5]}, 1.5),
    ("DT_BFLOAT16", {"tensor_content": struct.pack("<H", BFLOAT_1_5)}, 1.5),
    ("DT_INT32", {"int_val": [-7]}, -7.0),
    ("DT_INT32", {"tensor_content": struct.pack("<i", -(2**31))}, -(2.0**31)),
    ("DT_INT64", {"int64_val": [-(2**53)]}, -(2.0**53)),
    ("DT_INT64", {"tensor_content": struct.pack("<q", 2**62)}, 2.0**62),
    ("DT_UINT8", {"int_val": [255]}, 255.0),
    ("DT_UINT8", {"tensor_content": b"\xff"}, 255.0),
    ("DT_INT8", {"int_val": [-128]}, -128.0),
    ("DT_INT8", {"tensor_content": b"\x80"}, -128.0),
    ("DT_INT16", {"int_val": [-300]}, -300.0),
    ("DT_INT16", {"tensor_content": struct.pack("<h", -300)}, -300.0),
    ("DT_UINT16", {"int_val": [65535]}, 65535.0),
    ("DT_UINT16", {"tensor_content": b"\xff\xff"}, 65535.0),
    ("DT_UINT32", {"uint32_val": [2**32 - 1]}, 2.0**32 - 1),
    ("DT_UINT32", {"tensor_content": b"\xff" * 4}, 2.0**32 - 1),
    ("DT_UINT64", {"uint64_val": [2**64 - 1]}, 2.0**64),
    ("DT_UINT64", {"tensor_content": b"\xff" * 8}, 2.0**64),
    ("DT_BOOL", {"bool_val": [True]}, 1.0),
    ("DT_BOOL", {"tensor_content": b"\x02"}, 1.0),
    ("DT_FLOAT", {}, 0.0),  # a tensor without values is filled with zeros
]


@pytest.mark.parametrize(("dtype", "values", "expected"), NUMBERS, ids=lambda v: str(v)[:40])
def test_rank_0_tensors_of_every_type(scanner, dtype, values, expected):
    # once alone (field by field) and often (the NumPy scan's template)
    data = log(*[value_event(tensor_value("x", tensor(dtype, **values)), step=k) for k in range(20)])
    assert points(read(data, scanner), "x") == [(k, expected) for k in range(20)]


@pytest.mark.parametrize("plugin", ["scalars", None, ""])
def test_metadata_may_be_there_or_not(scanner, plugin):
    data = log(*[value_event(tensor_value("x", tensor("DT_FLOAT", float_val=[k]), plugin), step=k) for k in range(3)])
    assert points(read(data, scanner), "x") == [(0, 0.0), (1, 1.0), (2, 2.0)]


def test_metadata_only_on_the_first_summary_of_a_tag(scanner):
    text = TensorProto(dtype=DataType.DT_STRING, string_val=[b"hello"])
    image = TensorProto(dtype=DataType.DT_STRING, string_val=[b"8", b"8", b"png"])
    events = []
    for k in range(3):
        first = k == 0
        events.append(
            value_event(tensor_value("loss", tensor("DT_FLOAT", float_val=[k]), "scalars" if first else None), step=k)
        )
        events.append(value_event(tensor_value("note", text, "text" if first else None), step=k))
        events.append(value_event(tensor_value("picture", image, "images" if first else None), step=k))
        events.append(
            value_event(tensor_value("own", tensor("DT_FLOAT", float_val=[9]), "custom" if first else None), step=k)
        )
    found = read(log(*events), scanner)
    assert list(found.tags) == ["loss"]
    assert [(t.tag, t.step, t.text) for t in found.texts] == [("note", k, "hello") for k in range(3)]
    assert found.plugins == {"note": "text", "picture": "images", "own": "custom"}


@pytest.mark.parametrize("shape", [[1], [2], [0], [1, 1]])
def test_a_tensor_with_a_rank_is_no_scalar(scanner, shape):
    dims = TensorShapeProto(dim=[TensorShapeProto.Dim(size=size) for size in shape])
    value = tensor_value(
        "x", TensorProto(dtype=DataType.DT_FLOAT, tensor_shape=dims, float_val=[1.0] * math.prod(shape))
    )
    found = read(log(value_event(value)), scanner)
    assert len(found.tags) == 0 and found.plugins == {"x": "scalars"}


def test_other_tensors_are_no_scalars(scanner):
    unknown = TensorProto(dtype=DataType.DT_FLOAT, tensor_shape=TensorShapeProto(unknown_rank=True), float_val=[1])
    complex_ = tensor("DT_COMPLEX64", scomplex_val=[1, 2])
    short = tensor("DT_DOUBLE", tensor_content=b"\0\0\0\0")
    found = read(
        log(*[value_event(tensor_value(str(k), t)) for k, t in enumerate([unknown, complex_, short])]), scanner
    )
    assert len(found.tags) == 0 and set(found.plugins) == {"0", "1", "2"} and not found.notes


def test_nan_and_infinities_stay(scanner):
    numbers = [1.0, math.nan, math.inf, -math.inf, -0.0, 3.5]
    found = read(log(*[scalar("x", v, k) for k, v in enumerate(numbers)]), scanner)
    np.testing.assert_array_equal(found.tags["x"].values, numbers)
    assert math.copysign(1, found.tags["x"].values[4]) == -1


@pytest.mark.parametrize("step", [0, 1, 127, 128, 2**31, 2**40, 2**63 - 1, -1, -(2**63)])
def test_steps_of_any_size(scanner, step):
    data = log(*[value_event(Summary.Value(tag="x", simple_value=1), step=step) for _ in range(20)])
    assert read(data, scanner).tags["x"].steps.tolist() == [step] * 20


def test_several_values_in_one_event_keep_their_order(scanner):
    events = [
        value_event(*[Summary.Value(tag=f"t{k % 3}", simple_value=10 * step + k) for k in range(5)], step=step)
        for step in range(12)
    ]
    found = read(log(*events), scanner)
    assert list(found.tags) == ["t0", "t1", "t2"]
    assert points(found, "t0")[:4] == [(0, 0.0), (0, 3.0), (1, 10.0), (1, 13.0)]
    assert found.tags["t1"].order.tolist()[:3] == [1, 1, 2]


def test_write_order_and_wall_time_are_kept(scanner):
    events = [scalar("x", k, step, WALL - k) for k, step in enumerate([5, 3, 9, 3, 1])]
    found = read(log(*events), scanner).tags["x"]
    assert found.steps.tolist() == [5, 3, 9, 3, 1] and found.wall_times.tolist() == [WALL - k for k in range(5)]
    assert found.order.tolist() == [1, 2, 3, 4, 5]
    with pytest.raises(ValueError, match="read-only"):
        found.values[0] = 1


def test_everything_else_is_passed_over_and_named(scanner):
    histogram = Summary.Value(tag="h", histo=HistogramProto(min=0, max=1, bucket=[1.0] * 30))
    image = Summary.Value(tag="i", image=Summary.Image(height=1, encoded_image_string=b"png" * 100))
    audio = Summary.Value(tag="a", audio=Summary.Audio(encoded_audio_string=b"wav"))
    graph = bytes(Event(wall_time=WALL, graph_def=b"graph" * 1000).SerializeToString())
    found = read(log(value_event(histogram, image, audio), graph, *curve("x", range(5))), scanner)
    assert found.plugins == {"h": "histograms", "i": "images", "a": "audio"} and found.has_graph
    assert len(found.tags["x"]) == 5 and not found.notes and found.events == 8


def test_one_tag_may_hold_scalars_and_a_histogram(scanner):
    histogram = Summary.Value(tag="x", histo=HistogramProto(min=0))
    found = read(log(value_event(histogram), *curve("x", range(5))), scanner)
    assert len(found.tags["x"]) == 5 and found.plugins == {"x": "histograms"}


def test_a_long_record_is_parsed_where_it_lies(scanner):
    """A merged TF1 summary: scalars beside a two-megabyte image; and images alone, one after the other."""
    image = Summary.Value(tag="i", image=Summary.Image(encoded_image_string=b"\x00" * 2_000_000))
    loss, text = (
        Summary.Value(tag="loss", simple_value=0.5),
        TensorProto(dtype=DataType.DT_STRING, string_val=[b"y" * 80_000]),
    )
    events = [
        value_event(loss, image, Summary.Value(tag="late", simple_value=math.nan), step=3),
        value_event(image, step=4),
    ]
    events += [value_event(image, step=5), value_event(tensor_value("t", text, "text"), step=6), *curve("loss", [7, 8])]
    found = read(log(*events), scanner)
    assert points(found, "loss") == [(3, 0.5), (7, pytest.approx(0.7)), (8, pytest.approx(0.8))]
    assert math.isnan(found.tags["late"].values[0]) and found.plugins == {"i": "images", "t": "text"}
    assert len(found.texts[0].text) == 80_000 and not found.notes and found.events == 7


def test_a_text_tag_met_first_in_a_long_record(scanner):
    long, short = (TensorProto(dtype=DataType.DT_STRING, string_val=[b"y" * n]) for n in (80_000, 3))
    events = [value_event(tensor_value("t", long, "text")), value_event(tensor_value("t", short, None), step=1)]
    assert [len(text.text) for text in read(log(*events), scanner).texts] == [80_000, 3]


def test_a_text_longer_than_memory_should_hold_is_cut(scanner):
    text = TensorProto(dtype=DataType.DT_STRING, string_val=[b"z" * 3_000_000])
    found = read(log(value_event(tensor_value("t", text, "text"))), scanner)
    assert len(found.texts[0].text) == 1 << 20


def test_texts_beyond_the_budget_are_counted(scanner):
    text = TensorProto(dtype=DataType.DT_STRING, string_val=[b"z" * 1_000_000])
    found = read(log(*[value_event(tensor_value("t", text, "text"), step=k) for k in range(20)]), scanner)
    assert len(found.texts) == 17
    assert [n.message.params["count"] for n in found.notes if n.kind == "limited"] == [3]


def test_hugging_face_arguments_and_model_config(scanner):
    arguments = {"learning_rate": 2e-05, "max_steps": -1, "fp16": False, "accelerator_config": {"split_batches": True}}
    config = {"model_type": "qwen2", "vocab_size": 151936, "id2label": {"0": "a"}}
    events = [
        value_event(
            tensor_value(
                f"{tag}/text_summary",
                TensorProto(dtype=DataType.DT_STRING, string_val=[json.dumps(tree).encode()]),
                "text",
            )
        )
        for tag, tree in (("args", arguments), ("model_config", config))
    ]
    found = read(log(*events), scanner)
    assert found.hparams == {
        "learning_rate": 2e-05,
        "max_steps": -1,
        "fp16": False,
        "accelerator_config.split_batches": True,
    }
    assert found.model_config == config


def test_a_text_called_args_that_is_no_json(scanner):
    text = TensorProto(dtype=DataType.DT_STRING, string_val=[b"lr=1e-4 {"])
    found = read(log(value_event(tensor_value("args/text_summary", text, "text"))), scanner)
    assert found.hparams == {} and found.texts[0].text == "lr=1e-4 {" and not found.notes


def hparams_event(name: str, **record) -> bytes:
    content = plugin_data_pb2.HParamsPluginData(version=0, **record).SerializeToString()
    return value_event(Summary.Value(tag=f"_hparams_/{name}", metadata=metadata("hparams", content)))


def test_the_three_hparams_records(scanner):
    metric = api_pb2.MetricInfo(name=api_pb2.MetricName(group="g", tag="eval/loss"))
    experiment = api_pb2.Experiment(hparam_infos=[api_pb2.HParamInfo(name="lr")], metric_infos=[metric])
    info = plugin_data_pb2.SessionStartInfo(group_name="g")
    info.hparams["lr"].number_value = 0.5
    info.hparams["layers"].number_value = 4
    info.hparams["opt"].string_value = "adam"
    info.hparams["amp"].bool_value = True
    begin = [
        hparams_event("experiment", experiment=experiment),
        hparams_event("session_start_info", session_start_info=info),
    ]
    running = read(log(*begin), scanner)
    assert running.hparams == {"lr": 0.5, "layers": 4, "opt": "adam", "amp": True}
    assert running.hparams_metrics == ("eval/loss",) and running.session_status == "running" and len(running.tags) == 0
    end = plugin_data_pb2.SessionEndInfo(status=api_pb2.STATUS_FAILURE)
    assert (
        read(log(*begin, hparams_event("session_end_info", session_end_info=end)), scanner).session_status == "failure"
    )


def test_session_logs(scanner):
    start = Event(wall_time=WALL, step=60, session_log=SessionLog(status=SessionLog.START))
    stop = Event(wall_time=WALL, step=60, session_log=SessionLog(status=SessionLog.STOP))
    found = read(log(*curve("x", range(5)), start.SerializeToString(), stop.SerializeToString()), scanner)
    assert [(p.order, p.step) for p in found.purges] == [(6, 60)] and found.session_status == "stopped"


def test_tags_are_any_bytes(scanner):
    raw = b"\xff\xfebad"
    value = b"\x0a" + bytes([len(raw)]) + raw + b"\x15" + struct.pack("<f", 2.0)
    data = b"\x2a" + bytes([len(value) + 2]) + b"\x0a" + bytes([len(value)]) + value
    names = [
        "",
        "<img src=x onerror=alert(1)>",
        "../../etc/passwd",
        "손실/훈련",
        "\u202eevil",
        "x" * 10_000,
        "\x00\x07",
        "🙂",
    ]
    found = read(log(data, *[scalar(name, 1.0, 0) for name in names]), scanner)
    assert list(found.tags) == ["\\xff\\xfebad", *names]


def test_first_and_last_wall_time(scanner):
    found = read(log(scalar("x", 1, 1, WALL + 5), scalar("x", 1, 2, WALL + 9)), scanner)
    assert (found.first_wall_time, found.last_wall_time, found.file_version) == (WALL, WALL + 9, "brain.Event:2")
    empty = read(b"", scanner)
    assert (empty.first_wall_time, empty.last_wall_time, empty.events, empty.notes) == (None, None, 0, ())


@pytest.mark.parametrize(
    ("event", "version"),
    [
        (Event(wall_time=WALL, file_version="brain.Event:2"), "brain.Event:2"),  # what every writer writes: no parsing
        (Event(wall_time=WALL, file_version="brain.Event:3"), "brain.Event:3"),
        (Event(wall_time=WALL, step=1, file_version="brain.Event:2"), "brain.Event:2"),
        (Event(file_version="brain.Event:2"), "brain.Event:2"),
        (Event(step=0x0101010101010101, graph_def=b"brain.Event:2"), None),
    ],
)
def test_the_first_event_tells_the_version(scanner, event, version):
    later = Event(wall_time=WALL + 1, file_version="later")
    data = b"".join(frame(one.SerializeToString()) for one in (event, later))
    found = read(data, scanner)
    assert (found.file_version, found.events, found.notes) == (version or "later", 2, ())
    assert found.has_graph == (version is None)
    assert found.first_wall_time == event.wall_time and found.last_wall_time == WALL + 1


def test_a_valid_record_that_is_no_event(scanner):
    data = log(*curve("x", range(3)), b"\xff\xff\xff", b"\x0b", b"", *curve("x", range(3, 6)))
    found = read(data, scanner)
    assert len(found.tags["x"]) == 6 and [kind for kind, _ in kinds(found)] == ["corrupt", "corrupt"]
    # the empty record is an event whose every field has its default
    assert found.events == 8


def test_unknown_fields_are_passed_over(scanner):
    extra = b"\xfa\x3f\x03abc" + b"\xf8\x3f\x05" + b"\xfd\x3f\0\0\0\0" + b"\xf9\x3f" + bytes(8)
    found = read(log(*[scalar("x", 1.0, k) + extra for k in range(20)]), scanner)
    assert len(found.tags["x"]) == 20 and not found.notes


def test_the_last_occurrence_of_a_field_counts(scanner):
    twice = scalar("x", 1.0, 5, WALL) + b"\x10\x07" + b"\x09" + struct.pack("<d", WALL + 1)
    found = read(log(*[twice] * 10), scanner).tags["x"]
    assert found.steps.tolist() == [7] * 10 and found.wall_times.tolist() == [WALL + 1] * 10


numbers = st.floats(width=32)
events = st.lists(
    st.tuples(st.sampled_from(["a", "b/c", "한국"]), numbers, st.integers(-(2**63), 2**63 - 1), st.floats()),
    max_size=30,
)


@given(rows=events)
@settings(max_examples=60, deadline=None)
def test_whatever_protobuf_writes_is_read_back(scanner, rows):
    found = read(log(*[scalar(tag, number, step, wall) for tag, number, step, wall in rows]), scanner)
    assert not found.notes and found.points == len(rows)
    for tag in {row[0] for row in rows}:
        mine = [row for row in rows if row[0] == tag]
        np.testing.assert_array_equal(found.tags[tag].values, [row[1] for row in mine])
        assert found.tags[tag].steps.tolist() == [row[2] for row in mine]
        np.testing.assert_array_equal(found.tags[tag].wall_times, [row[3] for row in mine])


@given(raw=st.binary(max_size=60))
@settings(max_examples=150, deadline=None)
def test_random_bytes_in_a_frame_never_raise(scanner, raw):
    found = read(log(raw, *curve("after", range(3))), scanner)
    assert len(found.tags["after"]) == 3


def test_hparams_with_nested_and_hostile_values(scanner):
    from google.protobuf.struct_pb2 import ListValue, Struct, Value

    info = plugin_data_pb2.SessionStartInfo()
    info.hparams["list"].CopyFrom(Value(list_value=ListValue(values=[Value(number_value=1), Value(string_value="x")])))
    info.hparams["tree"].CopyFrom(Value(struct_value=Struct(fields={"a": Value(bool_value=True)})))
    info.hparams["none"].CopyFrom(Value(null_value=0))
    deep = Value(number_value=1)
    for _ in range(40):
        deep = Value(list_value=ListValue(values=[deep]))
    found = read(log(hparams_event("session_start_info", session_start_info=info)), scanner)
    assert found.hparams == {"list": [1, "x"], "tree": {"a": True}, "none": None}
    info.hparams["deep"].CopyFrom(deep)
    found = read(log(hparams_event("session_start_info", session_start_info=info)), scanner)
    assert kinds(found) == [("corrupt", len(log()))]


def test_the_field_parser_refuses_what_protobuf_refuses(scanner):
    """Each of these is refused by protobuf's own parser as well."""
    for broken in (b"\x0a\x05ab", b"\x00", b"\x10", b"\x10" + b"\xff" * 10, b"\x0d\x00", b"\x09\x00", b"\x0f"):
        with pytest.raises(wire.WireError):
            list(wire.fields(broken, 0, len(broken)))
        with pytest.raises(Exception, match=r"[Pp]ars"):
            Event.FromString(broken)
