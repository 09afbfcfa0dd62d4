"""The sum of the parts that YOLO logs: its points, its tags, and what the report says of it."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np
import pytest

from tb_evalguide.config import Config
from tb_evalguide.diagnosis import diagnose_training
from tb_evalguide.model import Floats, Role, Run, RunReport, Series, Training
from tb_evalguide.report import run_to_dict
from tb_evalguide.roles.wholes import joined, summed, whole

from .support.checks import decay, resumed
from .support.phases import series

PARTS = re.compile(r"train/(angle|(?P<first>box)|cls|dfl)_loss")


def part(name: str, values: Sequence[float] | Floats, steps: Sequence[int] | None = None) -> Series:
    return series(f"train/{name}_loss", range(len(values)) if steps is None else steps, values)


# --- the sum ---------------------------------------------------------------------------------------------------------


def test_the_parts_are_added_point_by_point() -> None:
    added = summed([part("box", [1.0, 2.0, 3.0]), part("cls", [0.5, 0.5, 0.25])])
    assert added is not None and added.tag == "train/box+cls_loss"
    assert added.values.tolist() == [1.5, 2.5, 3.25] and added.steps.tolist() == [0, 1, 2]
    assert added.parts == added.tags == ("train/box_loss", "train/cls_loss")
    assert added.wall_times.tolist() == [1.7e9, 1.7e9 + 1, 1.7e9 + 2]


def test_only_steps_that_all_parts_have_are_summed() -> None:
    box = part("box", range(20), [10 * i for i in range(20)])
    added = summed([box, part("cls", range(100, 119), [10 * i for i in range(1, 20)])])
    assert added is not None and added.steps.tolist() == [10 * i for i in range(1, 20)]
    assert added.values.tolist() == [i + 99 + i for i in range(1, 20)]
    assert added.wall_times.tolist() == [1.7e9 + 10 * i for i in range(1, 20)]


@pytest.mark.parametrize(("missing", "made"), [(0, True), (2, True), (3, False), (20, False)])
def test_a_part_that_is_logged_more_seldom_makes_no_sum(missing: int, made: bool) -> None:
    """Of twenty steps; the other parts' would be lost with it."""
    seldom = part("cls", range(20 - missing), range(20 - missing)) if missing < 20 else part("cls", [1.0], [99])
    assert (summed([part("box", range(20)), seldom]) is not None) is made


@pytest.mark.parametrize(("tags", "name"), [
    (("train/box_loss", "train/cls_loss"), "train/box+cls_loss"),
    (("box_loss", "cls_loss"), "box+cls_loss"),
    (("a/box", "b/cls_loss"), "a/box+b/cls_loss"),
    (("train/box_loss",), "train/box_loss"),
])  # fmt: skip
def test_the_sum_is_named_after_its_parts(tags: Sequence[str], name: str) -> None:
    assert joined(tags) == name


@pytest.mark.parametrize(("box", "cls", "tag"), [
    ([1.0, 2.0], [0.0, 0.0], "train/box_loss"),  # a part that is not trained
    ([0.0, 0.0], [1.0, 2.0], "train/cls_loss"),
    ([0.0, 0.0], [0.0, 0.0], "train/box+cls_loss"),
    ([1.0, 2.0], [0.0, 1.0], "train/box+cls_loss"),
])  # fmt: skip
def test_a_part_of_nothing_but_zeros_is_not_named_and_is_a_part_nevertheless(
    box: list[float], cls: list[float], tag: str
) -> None:
    added = summed([part("box", box), part("cls", cls)])
    assert added is not None and added.tag == tag and added.parts == ("train/box_loss", "train/cls_loss")
    assert added.values.tolist() == [a + b for a, b in zip(box, cls)]


def test_a_part_that_is_nan_makes_the_sum_nan() -> None:
    added = summed([part("box", [1.0, 2.0, 3.0]), part("cls", [1.0, math.nan, 1.0])])
    assert added is not None and np.isnan(added.values).tolist() == [False, True, False]


def again(name: str, height: float, back: int = 8) -> Series:
    """Ten points, and then once more from point `back` on."""
    steps = [10 * i for i in range(12)]
    return resumed(f"train/{name}_loss", [(steps[:10], [height] * 10), (steps[back:], [2 * height] * (12 - back))])


def test_what_a_restart_wrote_again_is_kept_where_all_parts_wrote_it_again() -> None:
    box = again("box", 1.0)
    added = summed([box, again("cls", 0.5), again("dfl", 0.25)])
    assert added is not None and added.values.tolist() == [1.75] * 8 + [3.5] * 4
    assert added.superseded_steps.tolist() == [80, 90] and added.superseded_values.tolist() == [1.75, 1.75]
    assert added.superseded_wall_times.tolist() == box.superseded_wall_times.tolist()
    assert len(added.restarts) == 1 and added.restarts == box.restarts


@pytest.mark.parametrize("back", [7, 9, 10])
@pytest.mark.parametrize("at", [1, 2])
def test_and_not_where_one_of_them_did_not(back: int, at: int) -> None:
    parts = [again(name, 1.0, back if place == at else 8) for place, name in enumerate(("box", "cls", "dfl"))]
    added = summed(parts)
    assert added is not None and len(added) == 12 and added.restarts == ()
    assert len(added.superseded_steps) == len(added.superseded_values) == len(added.superseded_wall_times) == 0


# --- which series are parts ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("names", "parts"), [
    (("train/cls_loss", "train/dfl_loss", "train/box_loss"), ("train/box_loss", "train/cls_loss", "train/dfl_loss")),
    (("train/box_loss", "train/cls_loss", "train/box_loss_ema", "lr"), ("train/box_loss", "train/cls_loss")),
    (("train/angle_loss", "train/box_loss"), ("train/box_loss", "train/angle_loss")),
    (("train/box_loss", "lr"), None),  # one part is no sum
    (("train/cls_loss", "train/dfl_loss"), None),  # the box loss is not logged: a part is missing
    ((), None),
])  # fmt: skip
def test_the_box_loss_and_at_least_one_other_make_a_whole(names: Sequence[str], parts: Sequence[str] | None) -> None:
    found = whole([series(name, range(3), [1.0, 2.0, 3.0]) for name in names], PARTS)
    assert (found.parts if found is not None else None) == parts


# --- what is said of it ----------------------------------------------------------------------------------------------

SPLITS, NAMES = ("train", "val"), ("box", "cls", "dfl")
TRAIN, EVAL = (tuple(f"{split}/{name}_loss" for name in NAMES) for split in SPLITS)


def report(parts: dict[str, Floats]) -> RunReport:
    """A run of YOLO, logged once an epoch."""
    run = Run(".", {tag: series(tag, range(1, len(values) + 1), values) for tag, values in parts.items()})
    return diagnose_training(Training("run", (run,), framework="yolo"), Config())


def falling(n: int = 60, noise: float = 0.01) -> dict[str, Floats]:
    return {tag: decay(n, 2.0, 1.0, noise, seed) for seed, tag in enumerate((*TRAIN, *EVAL))}


def test_a_choice_has_the_tag_of_its_first_part_and_its_series_that_of_the_sum() -> None:
    choice = report(falling()).roles.choices[Role.TRAIN_LOSS]
    assert choice.tag == "train/box_loss"
    assert choice.series.tag == "train/box+cls+dfl_loss" and choice.series.tags == TRAIN


def test_the_report_says_which_parts_were_added() -> None:
    parts = {**falling(), "lr/pg0": np.linspace(1e-2, 1e-4, 60)}
    roles = run_to_dict(report(parts), "en")["roles"]
    assert (roles["train_loss"]["tag"], roles["train_loss"]["parts"]) == ("train/box_loss", list(TRAIN))
    assert (roles["eval_loss"]["tag"], roles["eval_loss"]["parts"]) == ("val/box_loss", list(EVAL))
    assert roles["eval_loss"]["name"] == "val/box+cls+dfl_loss" and "name" not in roles["learning_rate"]
    assert "sum of the parts" in roles["train_loss"]["reason"] and "YOLO" in roles["train_loss"]["reason"]
    assert roles["learning_rate"]["tag"] == "lr/pg0" and "parts" not in roles["learning_rate"]


def overfitted() -> dict[str, Floats]:
    """The class loss of the evaluations climbs by more than their box loss falls."""
    parts = falling()
    parts["val/cls_loss"] = np.concatenate([decay(20, 2.0, 1.2), np.linspace(1.2, 4.0, 40)])
    return parts


def broken() -> dict[str, Floats]:
    parts = falling()
    parts["train/cls_loss"][30:] = math.nan
    return parts


@pytest.mark.parametrize(("parts", "label", "tags"), [
    (overfitted(), "overfitting", EVAL),
    (broken(), "nan", TRAIN),
])  # fmt: skip
def test_findings_name_the_tags_of_the_log(parts: dict[str, Floats], label: str, tags: Sequence[str]) -> None:
    said = report(parts)
    assert said.verdict.label == label and set(tags) <= set(said.findings[0].tags)
    assert {tag for finding in said.findings for tag in finding.tags} <= set(parts)


def test_a_part_that_is_nan_from_some_step_on_is_where_the_loss_is_lost() -> None:
    (finding,) = (f for f in report(broken()).findings if f.rule == "INT001")
    assert finding.steps == (31, 60) and finding.severity.value == "critical"


def test_a_part_of_zeros_is_among_the_parts_of_a_finding() -> None:
    parts = {**broken(), "train/dfl_loss": np.zeros(60), "val/dfl_loss": np.zeros(60)}
    said = report(parts)
    assert said.roles.choices[Role.TRAIN_LOSS].series.tag == "train/box+cls_loss"
    assert said.findings[0].tags == TRAIN
