"""The walk over a log folder: TensorBoard's run names, links and loops, names that are no text, closed folders."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tb_evalguide.errors import LogdirMissing, LogdirUnreadable
from tb_evalguide.sources.logdir import is_remote, walk

EVENTS = "events.out.tfevents.1700000000.host"


def run(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / EVENTS).write_bytes(b"")
    return folder


def tensorboard_names(logdir: Path) -> set[str]:
    """What TensorBoard's own loader calls the runs."""
    from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer

    multiplexer = EventMultiplexer()
    multiplexer.AddRunsFromDirectory(str(logdir))
    return set(multiplexer._accumulators)


def test_names_are_tensorboards(tmp_path: Path) -> None:
    for name in (".", "a", "a/b", "a/b/c d", ".hidden", "été/x", "x.y", "UPPER/lower", "empty_parent/one", "a:b"):
        run(tmp_path / name)
    (tmp_path / "no_logs").mkdir()
    (tmp_path / "profile").mkdir()
    (tmp_path / "profile" / "events.out.tfevents.1.host.profile-empty").write_bytes(b"")
    assert set(walk(tmp_path).run_names) == tensorboard_names(tmp_path)


def test_links_are_followed_and_loops_cut(tmp_path: Path) -> None:
    run(tmp_path / "real")
    outside = run(tmp_path.parent / f"{tmp_path.name}_outside")
    (tmp_path / "linked").symlink_to(outside)
    (tmp_path / "real" / "loop").symlink_to(tmp_path)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    tree = walk(tmp_path)
    assert tree.run_names == ["linked", "real"]
    assert [note.kind for _, note in tree.notes] == ["loop"]


def test_folders_that_link_to_each_other_end(tmp_path: Path) -> None:
    folders = [run(tmp_path / f"d{i}") for i in range(12)]
    for one in folders:
        for two in folders:
            (one / f"to_{two.name}").symlink_to(two)
    begin = time.monotonic()
    tree = walk(tmp_path)
    assert time.monotonic() - begin < 5
    assert {f"d{i}" for i in range(12)} <= set(tree.folders)
    assert any(note.kind == "loop" for _, note in tree.notes)


def test_a_name_that_is_no_text_is_shown_with_replacement(tmp_path: Path) -> None:
    raw = os.path.join(os.fsencode(tmp_path), b"bad\xff")
    os.mkdir(raw)
    with open(os.path.join(raw, EVENTS.encode()), "wb"):
        pass
    tree = walk(tmp_path)
    assert tree.run_names == ["bad�"]
    tree.run_names[0].encode("utf-8")
    assert os.path.exists(tree.folders["bad�"].join(EVENTS))
    assert [folder.name for folder in tree.below(".")] == [".", "bad�"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_closed_folder_is_a_note(tmp_path: Path) -> None:
    run(tmp_path / "open")
    closed = run(tmp_path / "closed")
    closed.chmod(0)
    try:
        tree = walk(tmp_path)
        assert tree.run_names == ["open"]
        assert [note.kind for _, note in tree.notes] == ["unreadable"]
        with pytest.raises(LogdirUnreadable):
            walk(closed)
    finally:
        closed.chmod(0o700)


def test_a_folder_that_cannot_be_listed_is_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path / "open")
    run(tmp_path / "closed")
    scandir = os.scandir

    def refuse(path: str) -> object:
        if path.endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    tree = walk(tmp_path)
    assert tree.run_names == ["open"]
    assert [note.kind for _, note in tree.notes] == ["unreadable"]


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(LogdirMissing, match="nowhere"):
        walk(tmp_path / "nowhere")


@pytest.mark.parametrize("spell", ["absolute", "relative", "file_url", "home", "slash"])
def test_ways_to_write_a_logdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spell: str) -> None:
    run(tmp_path / "logs" / "a")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    written = {
        "absolute": str(tmp_path / "logs"),
        "relative": "./logs",
        "file_url": f"file://{tmp_path}/logs",
        "home": "~/logs",
        "slash": f"{tmp_path}/logs/",
    }
    assert walk(written[spell]).run_names == ["a"]


def test_a_single_file_is_a_logdir(tmp_path: Path) -> None:
    run(tmp_path)
    (tmp_path / "events.out.tfevents.2.other").write_bytes(b"")
    tree = walk(tmp_path / EVENTS)
    assert tree.run_names == ["."]
    assert tree.folders["."].files == (EVENTS,)


def test_which_logdirs_are_remote() -> None:
    assert all(map(is_remote, ("s3://b/x", "gs://b", "hf://datasets/a/b", "memory://x")))
    assert not any(map(is_remote, ("/a/b", "a://"[:1], "file:///a", "C:\\logs", "./odd://name", "logs")))


def test_thousands_of_folders_are_quick(tmp_path: Path) -> None:
    for i in range(2000):
        run(tmp_path / f"run_{i:04d}")
    begin = time.monotonic()
    assert len(walk(tmp_path).run_names) == 2000
    assert time.monotonic() - begin < 2
