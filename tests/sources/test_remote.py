"""Remote log folders: an S3 server that the test starts, and fsspec's memory file system."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tb_evalguide.errors import LogdirMissing, LogdirUnreadable, MissingExtra
from tb_evalguide.sources import LogdirReader, read_trainings
from tb_evalguide.sources.remote import cache_folder, mirror
from tests.support.writer import EventWriter

fsspec = pytest.importorskip("fsspec")
START = 1_700_000_000.0


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TB_EVALGUIDE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def event_bytes(tmp_path: Path, steps: range) -> bytes:
    path = tmp_path / "scratch" / "events.out.tfevents.1700000000.host"
    path.unlink(missing_ok=True)
    with EventWriter(path, START) as writer:
        for step in steps:
            writer.scalar("loss", 1.0 / (step + 1), step, wall_time=START + step)
    return path.read_bytes()


def fill(system: Any, root: str, tmp_path: Path, steps: range = range(5)) -> None:
    system.makedirs(f"{root}/a", exist_ok=True)
    system.pipe_file(f"{root}/a/events.out.tfevents.1700000000.host", event_bytes(tmp_path, steps))
    system.pipe_file(f"{root}/a/checkpoint-4/model.safetensors", b"w" * 100_000)
    system.pipe_file(f"{root}/a/train.log", b"CUDA out of memory\n")


def check(url: str) -> None:
    (training,) = read_trainings(url)
    assert training.name == "a"
    assert training.runs[0].series["loss"].steps.tolist() == [0, 1, 2, 3, 4]
    assert [(c.path, c.step, c.size) for c in training.checkpoint_files] == [("a/checkpoint-4", 4, 100_000)]
    assert [fault.kind for fault in training.log_faults] == ["out_of_memory"]


@pytest.fixture
def memory() -> Iterator[Any]:
    system = fsspec.filesystem("memory")
    system.store.clear()
    yield system
    system.store.clear()


@pytest.fixture(scope="module")
def s3() -> Iterator[tuple[Any, str]]:
    """A bucket on moto's server and the address of that server."""
    pytest.importorskip("s3fs")
    server_module = pytest.importorskip("moto.server")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    saved = dict(os.environ)
    os.environ.update(
        AWS_ENDPOINT_URL=address, AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_DEFAULT_REGION="us-east-1"
    )
    fsspec.config.conf["s3"] = {"endpoint_url": address}
    try:
        system = fsspec.filesystem("s3", skip_instance_cache=True)
        system.mkdir("logs")
        yield system, "logs"
    finally:
        fsspec.config.conf.pop("s3", None)
        os.environ.clear()
        os.environ.update(saved)
        server.stop()


def test_s3(s3: tuple[Any, str], tmp_path: Path) -> None:
    system, bucket = s3
    fill(system, f"{bucket}/exp", tmp_path)
    check(f"s3://{bucket}/exp")
    check(f"s3://{bucket}/exp/")
    with pytest.raises(LogdirMissing, match="nothing_here"):
        read_trainings(f"s3://{bucket}/nothing_here")
    with pytest.raises((LogdirMissing, LogdirUnreadable)):
        read_trainings("s3://no-such-bucket/x")


def test_s3_growth(s3: tuple[Any, str], tmp_path: Path) -> None:
    system, bucket = s3
    fill(system, f"{bucket}/live", tmp_path)
    reader = LogdirReader(f"s3://{bucket}/live")
    assert len(reader.refresh()[0].runs[0].series["loss"]) == 5
    fill(system, f"{bucket}/live", tmp_path, range(9))
    assert len(reader.refresh()[0].runs[0].series["loss"]) == 9


def test_memory(memory: Any, tmp_path: Path) -> None:
    fill(memory, "/exp", tmp_path)
    check("memory://exp")


def test_weights_are_never_fetched(memory: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(memory, "/exp", tmp_path)
    fetched: list[str] = []
    original = type(memory).cat_file

    def watched(self: Any, path: str, *args: Any, **kwargs: Any) -> bytes:
        fetched.append(path)
        return bytes(original(self, path, *args, **kwargs))

    monkeypatch.setattr(type(memory), "cat_file", watched)
    check("memory://exp")
    assert fetched and not any("safetensors" in path for path in fetched)
    fetched.clear()
    check("memory://exp")
    assert fetched == []  # nothing changed, nothing is fetched again


def test_only_the_new_end_of_an_event_file_is_fetched(
    memory: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(memory, "/exp", tmp_path, range(2000))
    mirror("memory://exp")
    size = len(event_bytes(tmp_path, range(2000)))
    fill(memory, "/exp", tmp_path, range(2001))
    amount = 0
    original = type(memory).cat_file

    def watched(self: Any, path: str, start: int | None = None, end: int | None = None, **kwargs: Any) -> bytes:
        nonlocal amount
        data = bytes(original(self, path, start=start, end=end, **kwargs))
        amount += len(data) if "tfevents" in path else 0
        return data

    monkeypatch.setattr(type(memory), "cat_file", watched)
    local = mirror("memory://exp")
    assert 0 < amount < size / 10
    assert len(read_trainings(local)[0].runs[0].series["loss"]) == 2001


def test_what_was_deleted_or_replaced_there_is_here(memory: Any, tmp_path: Path) -> None:
    fill(memory, "/exp", tmp_path)
    fill(memory, "/exp/b", tmp_path)
    assert len(read_trainings("memory://exp")) == 2
    memory.rm("/exp/b", recursive=True)
    memory.pipe_file("/exp/a/events.out.tfevents.1700000000.host", event_bytes(tmp_path, range(100, 103)))
    (training,) = read_trainings("memory://exp")
    assert training.runs[0].series["loss"].steps.tolist() == [100, 101, 102]


def test_names_that_would_leave_the_mirror(memory: Any, tmp_path: Path) -> None:
    fill(memory, "/exp", tmp_path)
    memory.store["/exp/../../../evil.log"] = memory.store["/exp/a/train.log"]
    mirror("memory://exp")
    assert not list(tmp_path.rglob("evil.log"))
    assert all(path.is_relative_to(cache_folder()) for path in cache_folder().rglob("*"))


def test_an_unknown_protocol_and_a_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LogdirUnreadable, match="nosuch"):
        read_trainings("nosuch://x/y")

    def missing(*args: Any, **kwargs: Any) -> Any:
        raise ImportError("Install gcsfs")

    monkeypatch.setattr(fsspec.core, "url_to_fs", missing)
    with pytest.raises(MissingExtra, match="gcsfs"):
        read_trainings("gs://bucket/x")


def test_a_server_that_fails_is_one_line(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any, **kwargs: Any) -> Any:
        raise ConnectionError("no route\nto host")

    monkeypatch.setattr(type(memory), "find", broken)
    with pytest.raises(LogdirUnreadable, match="no route") as caught:
        read_trainings("memory://exp")
    assert "\n" not in str(caught.value)
