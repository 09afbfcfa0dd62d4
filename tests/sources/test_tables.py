"""CSV and JSON lines: each writer's layout, tables of data that are no logs, damage."""

from __future__ import annotations

import csv
import json
import math
import time
from pathlib import Path

import pytest

from tb_evalguide.i18n import render
from tb_evalguide.sources import read_trainings
from tb_evalguide.sources.tables import read_table, shape_of
from tests.support.writer import EventWriter

Points = dict[str, list[tuple[int, float]]]


def points(tmp_path: Path, name: str, text: str) -> Points:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    run = read_table(str(path), name, ".")
    assert run is not None
    return {tag: list(zip(s.steps.tolist(), s.values.tolist())) for tag, s in run.series.items()}


def test_lightning_csv_logger(tmp_path: Path) -> None:
    """CSVLogger leaves the cells empty of what was not logged at a step."""
    folder = tmp_path / "lightning_logs" / "version_0"
    folder.mkdir(parents=True)
    rows = [["epoch", "step", "train_loss", "val_loss"]]
    for step in (9, 19):
        rows += [[str(step // 10), str(step), str(10 / step), ""], [str(step // 10), str(step), "", str(11 / step)]]
    with open(folder / "metrics.csv", "w", newline="") as file:
        csv.writer(file).writerows(rows)
    (training,) = read_trainings(tmp_path)
    assert training.name == "lightning_logs/version_0" and training.framework == "lightning"
    series = training.runs[0].series
    assert series["val_loss"].steps.tolist() == [9, 19] and series["val_loss"].values[1] == 11 / 19
    assert series["epoch"].values.tolist() == [0, 1]


def test_keras_csv_logger(tmp_path: Path) -> None:
    text = "epoch,accuracy,loss,val_accuracy,val_loss\n0,0.5,1.0,0.4,1.1\n1,0.6,0.9,0.5,nan\n"
    for name in ("training.log", "history.csv", "training.csv"):
        found = points(tmp_path, name, text)
        assert found["loss"] == [(0, 1.0), (1, 0.9)] and math.isnan(found["val_loss"][1][1])
        assert "epoch" not in found


def test_ultralytics(tmp_path: Path) -> None:
    text = "      epoch,   train/box_loss,  metrics/mAP50(B), lr/pg0\n    1,  1.5,  0.2, 0.01\n    2,  1.2, 0.3, 0.02\n"
    assert points(tmp_path, "results.csv", text)["metrics/mAP50(B)"] == [(1, 0.2), (2, 0.3)]


def test_detectron2(tmp_path: Path) -> None:
    lines = [
        {"iteration": 19, "total_loss": 2.5, "lr": 0.1},
        {"iteration": 39, "total_loss": 2.0, "bbox": {"AP": 31.0}},
    ]
    found = points(tmp_path, "metrics.json", "".join(json.dumps(line) + "\n" for line in lines))
    assert found == {"total_loss": [(19, 2.5), (39, 2.0)], "lr": [(19, 0.1)], "bbox/AP": [(39, 31.0)]}


def test_mmdetection_counts_iterations_anew_in_each_epoch(tmp_path: Path) -> None:
    lines = [{"env": "Linux"}]
    for epoch in (1, 2):
        lines += [{"mode": "train", "epoch": epoch, "iter": i, "loss": 1.0 / i} for i in (50, 100)]  # type: ignore[dict-item]
        lines += [{"mode": "val", "epoch": epoch, "iter": 20, "mAP": 0.1 * epoch}]  # type: ignore[dict-item]
    found = points(tmp_path, "2024.log.json", "".join(json.dumps(line) + "\n" for line in lines))
    assert [step for step, _ in found["train/loss"]] == [50, 100, 150, 200]
    assert found["val/mAP"] == [(100, 0.1), (200, 0.2)]


def test_json_lines_with_wall_times(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text(
        '{"step": 1, "train/loss": 2.0, "timestamp": 1700000001.5}\n'
        '{"step": 2, "train/loss": NaN, "timestamp": 1700000002}\n'
    )
    run = read_table(str(path), "log.jsonl", ".")
    assert run is not None
    series = run.series["train/loss"]
    assert series.wall_times.tolist() == [1700000001.5, 1700000002.0] and math.isnan(series.values[1])
    assert (run.sources[0].kind, run.sources[0].first_wall_time) == ("jsonl", 1700000001.5)


def test_without_wall_times_they_are_unknown(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("step,loss,time\n1,2.0,3.5\n2,1.0,7.0\n")
    run = read_table(str(path), "metrics.csv", ".")
    assert run is not None and all(map(math.isnan, run.series["loss"].wall_times))


def test_tensorboards_own_downloads_are_one_run(tmp_path: Path) -> None:
    for tag in ("train_loss", "eval_loss"):
        (tmp_path / f"run-exp_1-tag-{tag}.csv").write_text(
            "Wall time,Step,Value\n1700000000.5,1,2.0\n1700000001.5,2,1.0\n"
        )
    (training,) = read_trainings(tmp_path)
    assert sorted(training.runs[0].series) == ["eval_loss", "train_loss"] and training.name == "."


def test_several_logs_in_one_folder_are_several_trainings(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text("step,loss\n1,2.0\n2,1.0\n")
    assert [t.name for t in read_trainings(tmp_path)] == ["a", "b"]


def test_a_log_for_each_phase_is_one_training(tmp_path: Path) -> None:
    for name in ("train", "val"):
        (tmp_path / f"{name}.csv").write_text("step,loss\n1,2.0\n2,1.0\n")
    (training,) = read_trainings(tmp_path)
    assert [run.name for run in training.runs] == ["train", "val"]


def test_semicolons_tabs_quotes_and_a_byte_order_mark(tmp_path: Path) -> None:
    assert points(tmp_path, "a.csv", "\ufeffstep;loss\n1;2.0\n") == {"loss": [(1, 2.0)]}
    assert points(tmp_path, "b.tsv", "step\tloss\n1\t2.0\n") == {"loss": [(1, 2.0)]}
    assert points(tmp_path, "c.csv", '"step","loss, smoothed"\n"1","2.0"\n') == {"loss, smoothed": [(1, 2.0)]}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "id,price\n1,2\n",
        "PassengerId,Survived,Pclass\n1,0,3\n",
        "step,rating,note\n1,good,\n",
        "step,price\n1,2\n2,3\n",
        "loss,accuracy\n1.0,0.5\n",
        "step,loss\n",
        "epoch,lr\n1,0.1\n",
        "step,loss\nfirst,2.0\n",
        "step,loss\n0.5,2.0\n0.7,2.0\n",
        "text,label\nI lost my step,1\n",
        "date,recall,step\n2024-01-01,yes,walk\n",
        "1,2,3\n4,5,6\n",
        "\x00\x01\x02step,loss\n1,2\n",
        '{"step": 1, "text": "x"}\n',
        '{"prompt": "a", "completion": "b"}\n',
        '{"results": {"loss": 1.0}}\n',
        # one column that may be anything, with what it cannot be as a metric
        "step,acc\n1,0.2\n2,9.81\n3,-9.6\n4,0.1\n",
        "step,acc\n4,0.2\n2,0.3\n9,0.1\n1,0.4\n",
        "step,lr\n1,left\n2,right\n3,left\n4,left\n",
        "step,loss\nwalk,2.0\n1,2.0\n2,2.0\n3,2.0\n",
        "# a list of things\nid,price\n1,2\n",
        "\x00\x00step,loss\n1,2.0\n2,1.0\n",
        "some text\nmore text\nstill more\n" + '{"step": 1, "loss": 2.0}\n',
    ],
)
def test_tables_of_data_are_no_logs(tmp_path: Path, text: str) -> None:
    path = tmp_path / "data.csv"
    path.write_text(text)
    assert shape_of(str(path)) is None
    assert read_table(str(path), "data.csv", ".") is None


def notes(tmp_path: Path, name: str, text: str) -> list[str]:
    path = tmp_path / name
    path.write_text(text)
    run = read_table(str(path), name, ".")
    assert run is not None and run.series
    return [note.kind for note in run.sources[0].notes]


def test_damage_is_noted_and_the_rest_kept(tmp_path: Path) -> None:
    assert notes(tmp_path, "a.csv", "step,loss\n1,2.0\n2,1.") == []
    assert notes(tmp_path, "a.csv", "step,loss,acc\n1,2.0,1\n2,1.") == ["truncated"]
    assert notes(tmp_path, "a.csv", "step,loss\n1,2.0\n2\n3,1.0\n") == ["corrupt"]
    assert notes(tmp_path, "a.jsonl", '{"step": 1, "loss": 2.0}\n{"step": 2, "lo') == ["truncated"]
    assert notes(tmp_path, "a.jsonl", '{"step": 1, "loss": 2.0}\nnot json\n{"step": 2, "loss": 1.0}\n') == ["corrupt"]


LOSSES = [(step, 2.5 - step / 100) for step in range(1, 101)]
CSV = "step,train_loss\n" + "".join(f"{step},{value}\n" for step, value in LOSSES)
JSONL = "".join(json.dumps({"step": step, "train_loss": value}) + "\n" for step, value in LOSSES)


@pytest.mark.parametrize(
    ("text", "kept", "kind", "said"),
    [
        (CSV + "\0" * 200, 100, "truncated", "cut off"),
        (CSV[:502] + "\0" * 50 + CSV[502:], 99, "corrupt", "1, the first is line"),
        (CSV + "\0" * 50 + "101,1.5\n", 101, "corrupt", "1, the first is line 102"),
        (CSV[:502] + "\ud8ff" + CSV[502:], 99, "corrupt", "1, the first is line"),
        ("# my log\n#\n" + CSV, 100, "", ""),
        ("# " + CSV, 100, "", ""),  # numpy.savetxt
        (CSV + "Traceback (most recent call last):\n  foo, bar\n", 100, "corrupt", "2, the first is line 102"),
        ("step,train_loss\n" + "".join(f'"{1000 * s:,}",{v}\n' for s, v in LOSSES), 100, "", ""),
        ("step,train_loss\n" + "".join(f"{s}.0,{v}\n" for s, v in LOSSES), 100, "", ""),
        (CSV.replace("\n50,", "\nfifty,"), 99, "corrupt", "1, the first is line 51"),
        (JSONL + "\0" * 200, 100, "truncated", "cut off"),
        ("hello\n" + JSONL, 100, "corrupt", "1, the first is line 1."),
        (JSONL[:45] + "\0" + JSONL[45:], 99, "corrupt", "1, the first is line 2."),
        (JSONL + "Traceback (most recent call last):\n" + "  File\n" * 300, 100, "corrupt", "301"),
    ],
)
def test_one_odd_line_does_not_lose_the_others(text: str, kept: int, kind: str, said: str, tmp_path: Path) -> None:
    """… and is said, with the number of the first."""
    name = "metrics.jsonl" if "{" in text else "metrics.csv"
    (tmp_path / name).write_bytes(text.encode("utf-8", "surrogatepass"))
    (training,) = read_trainings(tmp_path)
    series = training.runs[0].series["train_loss"]
    assert len(series) == kept and series.values[0] == 2.49
    found = [(note.kind, render(note.message)) for note in training.sources[0].notes]
    assert [of for of, _ in found] == ([kind] if kind else [])
    assert not kind or said in found[0][1]


@pytest.mark.parametrize(
    "header", ["step,acc", "epoch,Train Acc", "step,lr", "Epoch,val_acc", "iteration,learning_rate"]
)
def test_a_single_column_that_tells_little(header: str, tmp_path: Path) -> None:
    text = header + "\n" + "".join(f"{step},{step / 100}\n" for step in range(1, 21))
    assert [len(found) for found in points(tmp_path, "metrics.csv", text).values()] == [20]


def test_a_second_run_appended_with_its_header(tmp_path: Path) -> None:
    text = "step,loss\n1,2.0\n2,1.0\n3,0.5\nstep,loss\n1,9.0\n2,8.0\n"
    assert points(tmp_path, "a.csv", text) == {"loss": [(1, 9.0), (2, 8.0)]}
    assert notes(tmp_path, "a.csv", text) == ["restart"]


# --- beside event files --------------------------------------------------------------------------------------------


def events(folder: Path, steps: range) -> None:
    with EventWriter(folder) as writer:
        for step in steps:
            writer.scalar("loss", 1.0, step)


def test_a_table_beside_event_files_adds_what_they_lack(tmp_path: Path) -> None:
    events(tmp_path, range(5))
    with open(tmp_path / "metrics.csv", "w", newline="") as file:
        csv.writer(file).writerows([["step", "loss", "val_loss"], [0, 5.0, 6.0], [4, 5.0, 7.0]])
    (training,) = read_trainings(tmp_path)
    assert training.name == "."
    assert training.runs[0].series["loss"].values.tolist() == [1.0] * 5
    assert training.runs[0].series["val_loss"].values.tolist() == [6.0, 7.0]
    assert [source.kind for source in training.sources] == ["tfevents", "csv"]


def test_a_table_of_another_training_stands_alone(tmp_path: Path) -> None:
    events(tmp_path, range(5))
    (tmp_path / "old.csv").write_text("step,loss\n0,5.0\n1,4.0\n2,3.0\n")
    found = {t.name: [source.kind for source in t.sources] for t in read_trainings(tmp_path)}
    assert found == {".": ["tfevents"], "old.csv": ["csv"]}


def test_a_table_in_other_units_is_left_out_and_said(tmp_path: Path) -> None:
    events(tmp_path, range(1000, 2000, 100))
    (tmp_path / "history.csv").write_text("epoch,val_loss\n0,1.0\n1,0.9\n")
    (training,) = read_trainings(tmp_path)
    assert "val_loss" not in training.runs[0].series
    assert [note.kind for source in training.sources for note in source.notes] == ["not_merged"]


def test_results_of_hugging_face_and_ratings_are_no_logs(tmp_path: Path) -> None:
    (tmp_path / "all_results.json").write_text('{"epoch": 3.0, "eval_loss": 1.0}')
    (tmp_path / "sample_ratings.csv").write_text("step,rating,note,loss\n1,good,,2\n")
    events(tmp_path, range(3))
    (training,) = read_trainings(tmp_path)
    assert [source.kind for source in training.sources] == ["tfevents"]
    assert training.result_files == ("all_results.json",)


def test_a_folder_of_data_is_looked_at_quickly(tmp_path: Path) -> None:
    for i in range(500):
        (tmp_path / f"data_{i}.csv").write_text("id,text\n1,x\n")
    events(tmp_path, range(3))
    begin = time.monotonic()
    read_trainings(tmp_path)
    assert time.monotonic() - begin < 1
