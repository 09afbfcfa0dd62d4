"""Other readers of event files, each reduced to one answer: {tag: (steps, values)} of one folder, in its own order."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

Answer = dict[str, tuple[list[int], list[float]]]


@contextmanager
def rustboard_server(logdir: str | Path) -> Iterator[tuple[Any, float]]:
    """TensorBoard's default reader over a folder, all samples kept: (its data provider, seconds it took to load)."""
    import grpc
    import tensorboard_data_server
    from tensorboard.data import grpc_provider

    with tempfile.TemporaryDirectory() as scratch:
        port_file = os.path.join(scratch, "port")
        command = [
            tensorboard_data_server.server_binary(),
            f"--logdir={logdir}",
            "--reload=once",
            "--port=0",
            f"--port-file={port_file}",
            "--samples-per-plugin=scalars=all",
            "--die-after-stdin",
            "--verbose",
        ]
        begin = time.perf_counter()
        server = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            assert server.stderr is not None
            for line in server.stderr:
                if "Finished load cycle" in line:
                    break
            seconds = time.perf_counter() - begin
            port = int(Path(port_file).read_text())
            options = [("grpc.max_receive_message_length", 2**31 - 1)]
            channel = grpc.insecure_channel(f"localhost:{port}", options=options)
            yield grpc_provider.GrpcDataProvider("", grpc_provider.make_stub(channel)), seconds
            channel.close()
        finally:
            server.kill()
            server.communicate()  # waits for it: its CPU time now counts as that of this process's children


def rustboard(logdir: str | Path) -> Answer:
    """What TensorBoard shows by default (the data server); the root run only."""
    from tensorboard import context

    with rustboard_server(logdir) as (provider, _):
        runs = provider.read_scalars(
            context.RequestContext(), experiment_id="", plugin_name="scalars", downsample=10**9
        )
        tags = runs.get(".", {})
        return {tag: ([d.step for d in data], [d.value for d in data]) for tag, data in tags.items()}


def python_loader(logdir: str | Path) -> Answer:
    """TensorBoard's Python event loader, file by file, with its conversion of old summaries."""
    from tensorboard import data_compat, dataclass_compat
    from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
    from tensorboard.util import tensor_util

    found: Answer = {}
    for path in sorted(Path(logdir).iterdir()):
        metadata: dict[str, Any] = {}
        for raw in LegacyEventFileLoader(str(path)).Load():
            for event in dataclass_compat.migrate_event(data_compat.migrate_event(raw), metadata):
                for value in event.summary.value:
                    known = metadata.get(value.tag)
                    if known is not None and known.plugin_data.plugin_name == "scalars":
                        steps, values = found.setdefault(value.tag, ([], []))
                        steps.append(event.step)
                        values.append(float(tensor_util.make_ndarray(value.tensor).item()))
    return found


def event_accumulator(logdir: str | Path) -> Answer:
    """EventAccumulator with every scalar kept."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(logdir), size_guidance={"scalars": 0, "tensors": 0})
    accumulator.Reload()
    return {
        tag: ([e.step for e in accumulator.Scalars(tag)], [e.value for e in accumulator.Scalars(tag)])
        for tag in accumulator.Tags()["scalars"]
    }


def tbparse(logdir: str | Path) -> Answer:
    """tbparse's scalars."""
    from tbparse import SummaryReader

    frame = SummaryReader(str(logdir)).scalars
    if not len(frame):
        return {}
    return {
        str(tag): ([int(s) for s in rows["step"]], [float(v) for v in rows["value"]])
        for tag, rows in frame.groupby("tag", sort=False)
    }


def ours(logdir: str | Path) -> Answer:
    """Our reader over the event files of one folder."""
    from tb_evalguide.sources.events import read_event_file
    from tb_evalguide.sources.restarts import resolve

    files = [read_event_file(path) for path in sorted(Path(logdir).iterdir())]
    series, _ = resolve(files, ".")
    return {tag: (np.asarray(s.steps).tolist(), np.asarray(s.values).tolist()) for tag, s in series.items()}


READERS = {
    "RustBoard": rustboard,
    "Python loader": python_loader,
    "EventAccumulator": event_accumulator,
    "tbparse": tbparse,
    "tb-evalguide": ours,
}
