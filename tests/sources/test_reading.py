"""Reading a log folder, once, in processes, and while it is written."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from tb_evalguide.errors import LogdirMissing, NoRuns, OnlyOtherData
from tb_evalguide.model import Training
from tb_evalguide.sources import LogdirReader, map_trainings, read_runs, read_trainings
from tests.support.writer import EventWriter, block, record

START = 1_700_000_000.0


def write(folder: Path, steps: range, *, start: float = START) -> Path:
    with EventWriter(folder, start) as writer:
        for step in steps:
            writer.scalar("loss", 1 / (1 + step), step, wall_time=start + step)
        path = writer.path
    return path


def append(path: Path, steps: range) -> None:
    """More events at the end of a file that is there."""
    with EventWriter(path, START, version=False) as writer:
        for step in steps:
            writer.scalar("loss", 1 / (1 + step), step, wall_time=START + step)


def steps_of(trainings: tuple[Training, ...] | list[Training]) -> dict[str, list[int]]:
    return {t.name: t.runs[0].series["loss"].steps.tolist() if "loss" in t.runs[0].series else [] for t in trainings}


# --- what cannot be read -------------------------------------------------------------------------------------------


def test_errors_name_the_path(tmp_path: Path) -> None:
    with pytest.raises(LogdirMissing, match="nowhere"):
        read_trainings(tmp_path / "nowhere")
    with pytest.raises(NoRuns, match=str(tmp_path)):
        read_trainings(tmp_path)
    (tmp_path / "notes.txt").write_text("nothing here")
    (tmp_path / "data.csv").write_text("id,price\n1,2\n")
    with pytest.raises(NoRuns):
        read_runs(tmp_path)


def test_only_images(tmp_path: Path) -> None:
    with EventWriter(tmp_path) as writer:
        writer.image("sample", 1)
    with pytest.raises(OnlyOtherData, match="images"):
        read_trainings(tmp_path)


def test_a_file_that_is_no_event_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "events.out.tfevents.1.host").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    (training,) = read_trainings(tmp_path)
    assert [note.kind for note in training.sources[0].notes] == ["not_event_file"]


def test_a_damaged_run_hides_no_other(tmp_path: Path) -> None:
    write(tmp_path / "good", range(5))
    path = write(tmp_path / "bad", range(5))
    path.write_bytes(path.read_bytes()[:-3])
    found = steps_of(read_trainings(tmp_path))
    assert found == {"good": [0, 1, 2, 3, 4], "bad": [0, 1, 2, 3]}


def test_an_empty_run_beside_others_is_kept_but_not_a_setup(tmp_path: Path) -> None:
    write(tmp_path / "a", range(3))
    write(tmp_path / "starting", range(0))
    (tmp_path / "profile").mkdir()
    (tmp_path / "profile" / "events.out.tfevents.1.host.profile-empty").write_bytes(b"")
    with EventWriter(tmp_path) as writer:
        writer.hparams({"lr": 1.0})
    assert sorted(steps_of(read_trainings(tmp_path))) == ["a", "starting"]


# --- many runs -----------------------------------------------------------------------------------------------------


def name_and_points(training: Training) -> tuple[str, int]:
    return training.name, sum(len(s) for run in training.runs for s in run.series.values())


def test_processes_give_the_same_in_the_same_order(tmp_path: Path) -> None:
    for i in range(60):
        write(tmp_path / f"run_{i:02d}", range(1 + i % 5))
    told: list[tuple[int, int]] = []
    alone = list(map_trainings(name_and_points, tmp_path, jobs=1))
    together = list(map_trainings(name_and_points, tmp_path, jobs=2, progress=lambda *p: told.append(p)))
    assert alone == together
    assert [name for name, _ in alone] == [f"run_{i:02d}" for i in range(60)]
    assert told[-1] == (60, 60) and len(told) == 60
    series = read_trainings(tmp_path, jobs=2)[4].runs[0].series["loss"]
    assert series.steps.tolist() == [0, 1, 2, 3, 4]


def test_results_come_while_reading_goes_on(tmp_path: Path) -> None:
    for i in range(40):
        write(tmp_path / f"run_{i:02d}", range(2))
    results = map_trainings(name_and_points, tmp_path, jobs=1)
    assert next(results) == ("run_00", 2)
    shutil.rmtree(tmp_path / "run_39")
    assert len(list(results)) == 39


# --- a log that is being written -----------------------------------------------------------------------------------


def test_growth_is_followed(tmp_path: Path) -> None:
    path = write(tmp_path / "a", range(3))
    reader = LogdirReader(tmp_path)
    assert steps_of(reader.refresh()) == {"a": [0, 1, 2]}
    assert (reader.revision, reader.progress) == (1, (1, 1))
    assert steps_of(reader.refresh()) == {"a": [0, 1, 2]}
    assert reader.revision == 1
    append(path, range(3, 5))
    assert steps_of(reader.refresh()) == {"a": [0, 1, 2, 3, 4]}
    assert reader.revision == 2
    write(tmp_path / "b", range(1))
    assert sorted(steps_of(reader.refresh())) == ["a", "b"]
    write(tmp_path / "a", range(5, 7), start=START + 100)
    assert steps_of(reader.refresh())["a"] == [0, 1, 2, 3, 4, 5, 6]
    shutil.rmtree(tmp_path / "b")
    assert sorted(steps_of(reader.refresh())) == ["a"]
    assert reader.revision == 5


def test_only_the_new_bytes_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, range(20_000))
    reader = LogdirReader(tmp_path)
    reader.refresh()
    read = 0
    import tb_evalguide.sources.events as events

    original = events._read_into

    def counting(file: object, pos: int, view: memoryview) -> int:
        nonlocal read
        count = original(file, pos, view)  # type: ignore[arg-type]
        read += count
        return count

    monkeypatch.setattr(events, "_read_into", counting)
    before = path.stat().st_size
    append(path, range(20_000, 20_010))
    assert len(reader.refresh()[0].runs[0].series["loss"]) == 20_010
    assert 0 < read <= 2 * (path.stat().st_size - before)


def test_half_a_record_is_read_when_it_is_whole(tmp_path: Path) -> None:
    path = write(tmp_path, range(3))
    whole = path.read_bytes()
    append(path, range(3, 4))
    longer = path.read_bytes()
    path.write_bytes(longer[: len(whole) + 10])
    reader = LogdirReader(tmp_path)
    assert steps_of(reader.refresh()) == {".": [0, 1, 2]}
    with path.open("ab") as file:
        file.write(longer[len(whole) + 10 :])
    assert steps_of(reader.refresh()) == {".": [0, 1, 2, 3]}


def test_a_replaced_file_is_read_anew(tmp_path: Path) -> None:
    path = write(tmp_path, range(5))
    reader = LogdirReader(tmp_path)
    reader.refresh()
    path.unlink()
    with EventWriter(path, START + 50) as writer:
        writer.scalar("loss", 7.0, 2)
    (training,) = reader.refresh()
    assert training.runs[0].series["loss"].values.tolist() == [7.0]


def test_files_beside_the_run_are_followed(tmp_path: Path) -> None:
    write(tmp_path, range(3))
    reader = LogdirReader(tmp_path)
    assert reader.refresh()[0].log_faults == ()
    (tmp_path / "nohup.out").write_text("step 1\nRuntimeError: CUDA out of memory. Tried to allocate 2 GiB\n")
    assert [fault.kind for fault in reader.refresh()[0].log_faults] == ["out_of_memory"]
    (tmp_path / "checkpoint-2").mkdir()
    (tmp_path / "checkpoint-2" / "model.safetensors").write_bytes(b"x" * 10)
    assert [(c.step, c.size) for c in reader.refresh()[0].checkpoint_files] == [(2, 10)]


def test_a_logdir_that_comes_later(tmp_path: Path) -> None:
    reader = LogdirReader(tmp_path / "later")
    assert reader.refresh() == ()
    assert [note.kind for note in reader.notes] == ["missing"]
    write(tmp_path / "later" / "a", range(2))
    assert sorted(steps_of(reader.refresh())) == ["a"]
    assert reader.notes == ()


def test_logdir_spec(tmp_path: Path) -> None:
    write(tmp_path / "one", range(2))
    write(tmp_path / "two" / "train", range(3))
    write(tmp_path / "two" / "validation", range(3))
    reader = LogdirReader({"x": tmp_path / "one", "y": str(tmp_path / "two"), "z": tmp_path / "missing"})
    trainings = reader.refresh()
    assert {t.name: [run.name for run in t.runs] for t in trainings} == {
        "x/.": ["x/."],
        "y/.": ["y/train", "y/validation"],
    }
    assert trainings[1].runs[0].series["loss"].run == "y/train"


def test_partial_results_and_progress_from_another_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tb_evalguide.sources import reading

    monkeypatch.setattr(reading, "PUBLISH_SECONDS", 0.0)
    for i in range(5):
        write(tmp_path / f"run_{i}", range(2))
    reader = LogdirReader(tmp_path)
    seen: list[tuple[int, tuple[int, int]]] = []
    original = reading.BundleReader.refresh

    def watched(self: reading.BundleReader, share: reading.Share) -> bool:
        seen.append((len(reader.trainings), reader.progress))
        return original(self, share)

    monkeypatch.setattr(reading.BundleReader, "refresh", watched)
    thread = threading.Thread(target=reader.refresh)
    thread.start()
    thread.join(10)
    assert seen == [(i, (i, 5)) for i in range(5)]
    assert len(reader.trainings) == 5


def test_refreshes_from_several_threads(tmp_path: Path) -> None:
    path = write(tmp_path, range(10))
    reader = LogdirReader(tmp_path)
    errors: list[BaseException] = []
    stop = time.monotonic() + 1.0

    def work() -> None:
        try:
            while time.monotonic() < stop:
                for training in reader.refresh():
                    steps = training.runs[0].series["loss"].steps
                    assert (np.diff(steps) == 1).all()
        except BaseException as error:  # noqa: BLE001 - carried to the test's own thread
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for first in range(10, 200, 10):
        append(path, range(first, first + 10))
        time.sleep(0.02)
    for thread in threads:
        thread.join(10)
    assert not errors
    assert len(reader.refresh()[0].runs[0].series["loss"]) == 200


def test_texts_and_status_come_along(tmp_path: Path) -> None:
    with EventWriter(tmp_path) as writer:
        writer.scalar("loss", 1.0, 1)
        writer.text("samples", "once upon a time", 1)
        writer.raw(record(block(3, "x")))
    (training,) = read_trainings(tmp_path)
    assert [text.text for text in training.texts] == ["once upon a time"]


# --- a folder that was used twice ----------------------------------------------------------------------------------


def curves(folder: Path, steps: range, evals: range, start: float) -> None:
    with EventWriter(folder, start) as writer:
        for step in steps:
            writer.scalar("loss", 1.0, step, wall_time=start + step)
            if step in evals:
                writer.scalar("val_loss", 1.0, step, wall_time=start + step)


@pytest.mark.parametrize(
    ("steps", "evals", "kind"),
    [
        (range(49, 500, 50), range(99, 500, 100), "reused_directory"),  # another program, with other evaluations
        (range(49, 500, 50), range(49, 500, 50), "reused_directory"),
        (range(149, 900, 50), range(149, 900, 50), "restart"),  # resumed, where one of the tags falls on its first step
        (range(99, 900, 50), range(149, 900, 50), "restart"),
    ],
)
def test_a_reused_folder_is_told_from_a_resumed_run(tmp_path: Path, steps: range, evals: range, kind: str) -> None:
    curves(tmp_path, range(49, 600, 50), range(149, 600, 50), START)
    curves(tmp_path, steps, evals, START + 86_400)
    (training,) = read_trainings(tmp_path)
    assert [note.kind for source in training.sources for note in source.notes] == [kind]


def test_memory_does_not_grow_with_the_number_of_runs(tmp_path: Path) -> None:
    """What one run needs is let go before the next is read."""
    import tracemalloc

    path = write(tmp_path / "few" / "run_000", range(2000))
    for i in range(1, 10):
        shutil.copytree(path.parent, tmp_path / "few" / f"run_{i:03d}")
    for i in range(160):
        shutil.copytree(path.parent, tmp_path / "many" / f"run_{i:03d}")

    def peak(logdir: Path) -> int:
        tracemalloc.start()
        try:
            for _ in map_trainings(name_and_points, logdir, jobs=1):
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(tmp_path / "few")  # the first reading imports and compiles
    few, many = peak(tmp_path / "few"), peak(tmp_path / "many")
    one_run = 2000 * 4 * 8  # bytes of its arrays
    assert many - few < 10 * one_run, f"{few} bytes for 10 runs, {many} for 160"
