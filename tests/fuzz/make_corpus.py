"""Writes the seeds of the fuzzers: one small event file per kind of record."""

from __future__ import annotations

import math
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.histogram_pb2 import HistogramProto
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DataType

from tests.sources.eventlog import WALL, curve, frame, log, metadata, scalar, tensor_value, value_event

CORPUS = Path(__file__).parent / "corpus"


def tensor(dtype: str, **values: object) -> bytes:
    proto = TensorProto(dtype=DataType.Value(dtype), tensor_shape=TensorShapeProto(), **values)
    return value_event(tensor_value("t", proto))


def ranked_shape() -> TensorShapeProto:
    return TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])


def seeds() -> dict[str, bytes]:
    graph = bytes(Event(graph_def=b"g").SerializeToString())
    session = bytes(Event(step=3, session_log=SessionLog(status=SessionLog.START)).SerializeToString())
    histogram = value_event(Summary.Value(tag="h", histo=HistogramProto(min=0, bucket=[1.0, 2.0])))
    image = value_event(Summary.Value(tag="i", image=Summary.Image(encoded_image_string=b"png")))
    hparams = value_event(Summary.Value(tag="_hparams_/x", metadata=metadata("hparams", b"\x1a\x00")))
    ranked = TensorProto(dtype=1, tensor_shape=ranked_shape(), float_val=[1.0])
    long_image = value_event(Summary.Value(tag="i", image=Summary.Image(encoded_image_string=b"p" * 4200)))
    long_text = value_event(tensor_value("s", TensorProto(dtype=7, string_val=[b"y" * 4200]), "text"))
    long_tensor = value_event(
        tensor_value("r", TensorProto(dtype=1, tensor_shape=ranked_shape(), float_val=[1.0] * 1100))
    )
    whole = log(*curve("a", range(4)))
    return {
        "empty": b"",
        "curve": log(*curve("a", range(3)), *curve("b", range(2))),
        "numbers": log(*[scalar("x", v, -1) for v in (math.nan, math.inf, -0.0)]),
        "several": log(value_event(*[Summary.Value(tag=f"t{k}", simple_value=k) for k in range(3)], step=300)),
        "floats": log(tensor("DT_FLOAT", float_val=[1.5]), tensor("DT_FLOAT", tensor_content=b"\0\0\x80\x3f")),
        "doubles": log(tensor("DT_DOUBLE", double_val=[0.1]), tensor("DT_DOUBLE", tensor_content=bytes(8))),
        "halves": log(tensor("DT_HALF", half_val=[15360]), tensor("DT_BFLOAT16", half_val=[16320])),
        "halves_content": log(
            tensor("DT_HALF", tensor_content=b"\x01\x00"), tensor("DT_BFLOAT16", tensor_content=b"\xc0\x3f")
        ),
        "integers": log(
            tensor("DT_INT64", int64_val=[-1]), tensor("DT_UINT8", int_val=[200]), tensor("DT_BOOL", bool_val=[True])
        ),
        "unsigned": log(tensor("DT_UINT64", uint64_val=[2**63]), tensor("DT_UINT32", uint32_val=[7])),
        "text": log(value_event(tensor_value("s", TensorProto(dtype=7, string_val=[b"hi"]), "text"))),
        "text_bare": log(value_event(tensor_value("s", TensorProto(dtype=7, string_val=[b"hi"]), None))),
        "ranked": log(value_event(tensor_value("r", ranked))),
        "others": log(graph, session, histogram, image, hparams),
        "custom": log(value_event(tensor_value("c", TensorProto(dtype=1, float_val=[1.0]), "custom"))),
        "long": log(long_image, long_image, long_text, long_tensor, long_tensor, *curve("a", range(2))),
        "cut": whole[:-7],
        "glued": whole[:-7] + whole,
        "hole": whole + bytes(20) + frame(scalar("a", 1.0, 9, WALL)),
    }


if __name__ == "__main__":
    CORPUS.mkdir(exist_ok=True)
    for name, data in seeds().items():
        (CORPUS / name).write_bytes(data)
