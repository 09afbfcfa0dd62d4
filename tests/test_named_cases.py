"""Cases that fool people and tools: each a pattern from real logs, with the verdict that it must get."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from tb_evalguide.api import diagnose as diagnose_folder
from tb_evalguide.config import Config
from tb_evalguide.diagnosis import diagnose_training, fell_beyond_chance
from tb_evalguide.model import Floats, Run, RunReport, Series, Training

from .support.checks import cosine, decay, every, resumed
from .support.phases import case, series
from .support.writer import EventWriter

SEEDS = range(4)
seeded = pytest.mark.parametrize("seed", SEEDS)


def verdict(
    *curves: Series, profile: str | None = None, arguments: Mapping[str, object] | None = None, sampled: bool = False
) -> RunReport:
    run = Run(".", {s.tag: s for s in curves}, sampled=sampled)
    return diagnose_training(Training("run", (run,), arguments=arguments or {}), Config(profile=profile))


def fired(report: RunReport) -> dict[str, str]:
    """{rule: severity} of everything that was found."""
    return {f.rule: f.severity.value for f in report.findings}


def loud(report: RunReport) -> set[str]:
    return {f.rule for f in report.findings if f.severity.value != "info"}


def train(values: Sequence[float] | Floats, interval: int = 10) -> Series:
    return series("train/loss", every(len(values), interval), values)


def evals(values: Sequence[float] | Floats, interval: int = 100) -> Series:
    return series("eval/loss", every(len(values), interval), values)


# --- what is logged -------------------------------------------------------------------------------------------------


@seeded
def test_the_same_small_last_batch_logged_every_so_often(seed):
    """Logged every 50 steps, epochs of 350: each seventh point is the small last batch, half as high again."""
    losses = decay(140, 3.0, 1.0, noise=0.02, seed=seed)
    losses[6::7] *= 1.5
    report = verdict(train(losses, 50), evals(decay(20, 2.8, 1.05, noise=0.003, seed=seed), 350))
    assert report.verdict.label == "healthy" and not loud(report)
    assert fired(report)["CNV004"] == "info", "it is explained, not only passed over"


@seeded
def test_every_other_point_is_another_batch(seed):
    """Logging interval and epoch length leave two batches that take turns: ×10, twice each epoch."""
    losses = decay(80, 3.0, 1.0, noise=0.02, seed=seed) * np.where(np.arange(80) % 2, 10.0, 1.0)
    report = verdict(train(losses), evals(decay(10, 2.8, 1.05, noise=0.003, seed=seed)), profile="generic")
    assert report.verdict.label == "healthy"


@seeded
@pytest.mark.parametrize("jump", [0.025, 0.04])
def test_the_final_evaluation_is_on_the_whole_set(seed, jump):
    """All evaluations but the last are on a sample; the last is a little higher and means nothing."""
    scores = decay(41, 4.0, 2.5, noise=0.002, seed=seed)
    scores[-1] *= 1 + jump
    report = verdict(train(decay(200, 4.0, 2.4, seed=seed)), evals(scores, 50), profile="pretrain")
    assert report.verdict.label == "healthy" and not loud(report)


@seeded
def test_augmentation_puts_train_above_eval(seed):
    e = decay(30, 2.3, 0.3, noise=0.01, seed=seed)
    t = decay(30, 2.3, 0.75, noise=0.01, seed=seed + 50)
    numbers = range(30)
    accuracy = series("val_acc", numbers, 1 - decay(30, 0.9, 0.1, noise=0.01, seed=seed))
    report = verdict(series("train_loss", numbers, t), series("val_loss", numbers, e), accuracy)
    assert report.verdict.label == "healthy" and not loud(report)
    assert fired(report)["OVF005"] == "info"


@seeded
@pytest.mark.parametrize("k", [4, 8])
def test_gradient_accumulation_sums_put_train_k_times_above_eval(seed, k):
    e = decay(200, 2.5, 1.0, noise=0.003, seed=seed)[9::10]
    t = k * decay(200, 2.5, 1.0, noise=0.02, seed=seed + 50)
    arguments = {"gradient_accumulation_steps": k, "per_device_train_batch_size": 2}
    report = verdict(train(t), evals(e), profile="guide", arguments=arguments)
    assert report.verdict.label == "data_integrity" and report.findings[0].rule == "INT003"
    assert not {"OVF002", "OVF005", "OVF007"} & set(fired(report)), "no gap can be read from such losses"


@seeded
def test_the_train_average_lags_half_an_epoch_behind(seed):
    """Train is the mean over the epoch, eval is taken at its end: eval lies below train while both fall fast."""
    level = 0.2 + 2.1 * np.exp(-np.arange(0, 30, 0.01) / 4)
    t = level.reshape(30, 100).mean(axis=1) * (1 + 0.005 * np.random.default_rng(seed).standard_normal(30))
    e = level[99::100] * (1 + 0.005 * np.random.default_rng(seed + 1).standard_normal(30))
    report = verdict(series("loss", range(30), t), series("val_loss", range(30), e))
    assert report.verdict.label == "healthy" and not loud(report)


@seeded
def test_zeros_in_place_of_nan(seed):
    """Hugging Face's logging_nan_inf_filter: the loss becomes 0, the gradient norm is NaN."""
    losses = decay(100, 2.5, 1.5, noise=0.03, seed=seed)
    norm = 1 + 0.1 * np.random.default_rng(seed).standard_normal(100)
    losses[60:], norm[60:] = 0.0, np.nan
    report = verdict(train(losses), series("train/grad_norm", every(100), norm))
    assert report.verdict.label == "nan" and report.verdict.level == "bad"
    assert report.verdict.onset_step == 610


def test_losses_that_really_become_zero(seed=0):
    """A toy task learned to the last digit, logged with four decimals."""
    losses = np.round(decay(200, 2.0, 0.0, noise=0.05, rate=14.0), 4)
    assert (losses[-10:] == 0).all()
    assert "nan" not in {f.label for f in verdict(train(losses), profile="generic").findings}


# --- folders --------------------------------------------------------------------------------------------------------


def write(folder: Path, start: float, losses: Floats, scores: Floats, first: int = 0) -> None:
    with EventWriter(folder / f"events.out.tfevents.{int(start)}.host.1.0", start) as writer:
        for i, value in enumerate(losses):
            step = first + 10 * (i + 1)
            writer.scalar("train/loss", float(value), step)
            if step % 100 == 0 and step // 100 <= len(scores):
                writer.scalar("eval/loss", float(scores[step // 100 - 1]), step)


@pytest.mark.parametrize(("points", "second"), [(200, 60), (60, 200), (100, 100)])
def test_two_runs_in_one_directory(tmp_path, points, second):
    write(tmp_path, 1.60e9, decay(points, 60.0, 16.0), decay(points // 10, 60.0, 16.0))
    write(tmp_path, 1.62e9, decay(second, 8.0, 3.5, seed=1), decay(second // 10, 8.0, 3.5, seed=1))
    (run,) = diagnose_folder(tmp_path).runs
    assert run.verdict.label == "data_integrity" and run.findings[0].rule == "RST003"


def test_a_false_start_in_the_same_directory_is_forgiven(tmp_path):
    write(tmp_path, 1.60e9, decay(3, 2.6, 2.5), np.empty(0))
    write(tmp_path, 1.61e9, decay(200, 2.6, 1.0, seed=1), decay(20, 2.6, 1.05, noise=0.003, seed=1))
    (run,) = diagnose_folder(tmp_path).runs
    assert run.verdict.label == "healthy" and fired(run)["RST003"] == "info"


def test_a_resume_from_a_checkpoint_is_no_second_run(tmp_path):
    losses, scores = decay(200, 2.6, 1.0), decay(20, 2.6, 1.05, noise=0.003)
    write(tmp_path, 1.60e9, losses[:130], scores[:13])
    write(tmp_path, 1.61e9, losses[100:], scores, first=1000)
    (run,) = diagnose_folder(tmp_path).runs
    assert run.verdict.label == "healthy" and set(fired(run)) <= {"RST001", "CNV002", "OVF002"}


@seeded
def test_a_resume_that_lost_the_weights(seed):
    steps = every(160)
    old, new = decay(160, 2.6, 0.3, noise=0.02, seed=seed, rate=6), decay(70, 2.6, 0.5, noise=0.02, seed=seed, rate=6)
    report = verdict(resumed("train/loss", [(steps[:100], old[:100]), (steps[90:], new)]), profile="generic")
    assert report.verdict.label == "resume_jump"


# --- loss and metric ------------------------------------------------------------------------------------------------


@seeded
def test_loss_and_metric_disagree(seed):
    """Overconfidence: eval loss rises from epoch 10 on, accuracy goes on rising."""
    numbers = np.arange(40)
    e = np.where(numbers < 10, 1.5 - 0.09 * numbers, 0.6 + 0.02 * (numbers - 10))
    e = e * (1 + 0.005 * np.random.default_rng(seed).standard_normal(40))
    accuracy = 0.9 - 0.5 * np.exp(-numbers / 12) + 0.002 * np.random.default_rng(seed + 9).standard_normal(40)
    report = verdict(
        series("loss", numbers, decay(40, 1.5, 0.05, seed=seed)),
        series("val_loss", numbers, e),
        series("val_accuracy", numbers, accuracy),
    )
    assert fired(report)["OVF004"] == "info", "that the metric still improves is said"
    assert report.verdict.label == "overfitting"


# --- harmless events never turn a healthy run -----------------------------------------------------------------------


def healthy_curves(seed: int) -> tuple[Floats, Floats]:
    return decay(200, 2.6, 1.0, noise=0.03, seed=seed), decay(20, 2.65, 1.08, noise=0.003, seed=seed + 100)


@seeded
@pytest.mark.parametrize("height", [1.5, 3.0, 30.0])
def test_an_isolated_spike_that_recovers(seed, height):
    t, e = healthy_curves(seed)
    t[90] *= height
    report = verdict(train(t), evals(e))
    assert report.verdict.label == "healthy" and not loud(report)


@seeded
def test_a_staircase_at_the_ends_of_epochs(seed):
    n = 200
    level = 1.2 + 1.4 * 0.5 ** np.floor(np.arange(n) / 40)
    t = level * (1 + 0.02 * np.random.default_rng(seed).standard_normal(n))
    e = 1.35 + 1.2 * 0.5 ** (np.arange(1, 21) / 4)
    epochs = series("train/epoch", every(n), np.arange(1, n + 1) / 40)
    report = verdict(train(t), evals(e), epochs)
    assert report.verdict.label == "healthy" and not loud(report)
    assert fired(report)["OVF003"] == "info"


@seeded
@pytest.mark.parametrize("shift", [0.2, 0.4])
def test_a_validation_set_that_is_harder_by_a_constant(seed, shift):
    t, e = healthy_curves(seed)
    report = verdict(train(t), evals(e + shift), profile="llm-sft")
    assert report.verdict.label == "healthy" and not loud(report)


@seeded
@pytest.mark.parametrize("interval", [10, 100])
def test_a_schedule_with_warm_up_and_decay_to_zero(seed, interval):
    t, e = healthy_curves(seed)
    n = len(t) * 10 // interval
    rates = series("train/learning_rate", every(n, interval), cosine(n, 2e-5, warmup=max(1, n // 20)))
    report = verdict(train(t), evals(e), rates)
    assert report.verdict.label == "healthy" and not loud(report)


# --- not enough to tell ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_too_few_points_are_never_healthy(n):
    curves = [train(decay(n))] if n else [series("train/epoch", every(5), range(5))]
    report = verdict(*curves)
    assert (report.verdict.label, report.verdict.level) == ("insufficient_data", "unknown")


def test_sampled_input_is_never_healthy():
    t, e = healthy_curves(0)
    report = verdict(train(t), evals(e), sampled=True)
    assert report.verdict.label == "insufficient_data"
    broken = dataclasses.replace(train(t), values=np.where(np.arange(len(t)) > 150, np.nan, t))
    assert verdict(broken, evals(e), sampled=True).verdict.label == "nan", "what is seen in a sample is still there"


def test_only_the_warm_up_was_logged():
    rates = series("train/learning_rate", every(5, 1), np.linspace(1e-6, 5e-6, 5))
    report = verdict(series("train/loss", every(5, 1), [0.74, 0.71, 0.69, 0.70, 0.68]), rates)
    assert report.verdict.label == "insufficient_data"


def test_an_inverse_ratio_does_not_hide_the_guide_s_gap():
    """Eval at twice the train loss is told as information; in the guide's profile the gap of 0.6 still decides."""
    e = decay(200, 2.4, 1.2, noise=0.003)[9::10]
    report = verdict(train(decay(200, 1.2, 0.6, noise=0.02)), evals(e), profile="guide")
    assert fired(report)["INT003"] == "info" and "OVF007" in fired(report)


def test_a_run_that_learns_all_through_its_warm_up_can_be_judged():
    rates = series("train/learning_rate", every(40), np.linspace(1e-6, 4e-5, 40))
    assert verdict(train(decay(40)), rates).verdict.label == "healthy"


@pytest.mark.parametrize(("points", "expected"), [(4, "insufficient_data"), (5, "healthy")])
def test_few_points_that_plainly_fall_are_enough(points, expected):
    steps = every(points, 50)
    report = verdict(series("train/loss", steps, np.geomspace(3.0, 0.4, points)), profile="llm-sft")
    assert report.verdict.label == expected


def test_few_points_that_scatter_are_not():
    report = verdict(
        series("train/loss", every(9, 50), [1.0, 1.2, 0.8, 1.1, 0.9, 1.0, 1.1, 0.8, 0.9]), profile="llm-sft"
    )
    assert report.verdict.label == "insufficient_data"


def test_zeros_throughout_are_no_loss():
    report = verdict(train(np.zeros(60)))
    assert report.verdict.label == "data_integrity" and "train/loss" in str(report.verdict.headline.params)
    report = verdict(train(np.zeros(3)))
    assert report.verdict.label == "insufficient_data" and "train/loss" in str(report.verdict.headline.params)


def test_a_loss_that_stands_still_in_few_steps_is_not_healthy():
    report = verdict(evals([1.054, 1.059, 1.053, 1.05, 1.055, 1.051, 1.049], 6), profile="generic")
    assert report.verdict.label == "insufficient_data"


@pytest.mark.parametrize(("last", "expected"), [(1.05, "healthy"), (1.25, "insufficient_data")])
def test_two_evaluations_that_rose_prove_neither_overfitting_nor_health(last, expected):
    report = verdict(train(decay(60, 2.0, 0.5)), evals([1.0, last], 300), profile="llm-sft")
    assert report.verdict.label == expected


def test_a_lone_point_of_train_loss_does_not_stand_in_for_the_evaluations():
    report = verdict(series("train_loss", [900], [0.4]), evals(decay(12, 2.0, 0.5)), profile="llm-sft")
    assert report.verdict.label == "healthy"
    assert {"first", "end"} <= report.verdict.headline.params.keys()


@pytest.mark.parametrize("scale", [1e308, 1e-308, 5e-324, 1e30])
def test_losses_of_any_size_trip_no_rule(scale):
    """The check of every rule runs to its end: a rule that falls over says "error" in the report."""
    with np.errstate(all="ignore"):
        values, later = decay(60) * scale, decay(12) * scale
    accuracy = series("eval/accuracy", every(12, 50), np.full(12, 0.5))
    report = verdict(train(values), evals(later, 50), accuracy, profile="classification")
    assert [check.rule for check in report.checks if check.outcome == "error"] == []


def test_an_epoch_that_is_not_a_number_trips_no_rule():
    epochs = series("train/epoch", every(60), [0.0, *[np.nan] * 58, np.inf])
    report = verdict(train(decay(60)), epochs)
    assert [check.rule for check in report.checks if check.outcome == "error"] == []


@pytest.mark.parametrize(("evaluated", "expected"), [
    ([1.36, 1.18, 1.13], "healthy"),
    ([1.36, 1.18, 1.19], "insufficient_data"),
    ([1.36, 1.18], "healthy"),  # two tell nothing either way
])  # fmt: skip
def test_five_train_points_and_three_evaluations_that_all_fall_are_enough(evaluated, expected):
    loss = series("train/loss", every(5, 500), [2.8, 1.8, 1.6, 1.5, 1.4])
    assert verdict(loss, evals(evaluated, 900), profile="llm-sft").verdict.label == expected


def test_a_finished_run_that_learned_nothing_is_told_from_ten_points():
    stuck = series("train/loss", every(10, 10), 10.823 + 0.002 * np.sin(np.arange(10)))
    assert verdict(stuck, profile="pretrain", arguments={"max_steps": 100}).verdict.label in (
        "lr_too_low",
        "underfitting",
    )
    assert verdict(stuck, profile="pretrain").verdict.label == "insufficient_data"


def test_overfitting_in_the_guide_s_profile_is_named_though_the_loss_ends_above_three():
    rising = np.concatenate([[2.33, 2.31], np.linspace(2.31, 3.1, 20)])
    report = verdict(train(np.linspace(2.4, 1.0, 220)), evals(rising), profile="guide")
    assert report.verdict.label == "overfitting"


@pytest.mark.parametrize(("drop", "expected"), [(0.15, "healthy"), (0.08, "insufficient_data")])
def test_a_plain_fall_within_the_warm_up_can_be_judged(drop, expected):
    rates = series("train/learning_rate", every(50), np.linspace(1e-6, 5e-5, 50))
    assert verdict(train(np.linspace(1.1, 1.1 * (1 - drop), 50)), rates).verdict.label == expected


@pytest.mark.parametrize(("fall", "expected"), [(0.02, "insufficient_data"), (0.2, "healthy")])
def test_a_loss_that_only_scatters_is_not_healthy(fall, expected):
    """Sixteen batches of a first epoch: too few to say that it learns slowly, and no sign that it learns."""
    level = np.linspace(1.67, 1.67 * (1 - fall), 16) + 0.04 * np.tile([1, -1], 8)
    assert verdict(train(level, 1), profile="generic").verdict.label == expected


@pytest.mark.parametrize("noise", [0.5, 0.02])
def test_a_fall_that_the_noise_makes_is_none(noise):
    """Both end 15 % lower. Thirteen points that bounce show no such fall, thirteen that do not do."""
    level = 200 * (1 - 0.15 * np.linspace(0, 1, 13) + noise * np.sin(2.4 * np.arange(13) + 1))
    report = verdict(train(level, 1), profile="generic")
    assert report.verdict.label == ("insufficient_data" if noise > 0.1 else "healthy")


@pytest.mark.parametrize(("end", "expected"), [(0.55, "insufficient_data"), (0.78, "healthy")])
def test_a_metric_that_rises_shows_what_the_noise_of_the_loss_hides(end, expected):
    rng = np.random.default_rng(4)
    loss = train(0.12 + 0.05 * rng.standard_normal(30), 1)
    report = verdict(loss, series("val/auc", every(30, 1), np.linspace(0.53, end, 30)), profile="generic")
    assert report.verdict.label == expected


@pytest.mark.parametrize(("level", "fell"), [(1.0, True), (1.997, True), (1.999, False)])
def test_beside_no_noise_at_all_a_fall_at_once_is_a_fall(level, fell):
    assert fell_beyond_chance(case(train([2.0] + [level] * 19))) is fell


def test_a_loss_that_jumps_over_decades_without_a_trend_is_not_healthy():
    report = verdict(train(np.exp(3 * np.sin(2.4 * np.arange(40))), 50), profile="generic")
    assert report.verdict.label in ("insufficient_data", "underfitting")
    assert all(report.verdict.headline.params[end] > 0 for end in ("start", "end")), "losses that there were"


@pytest.mark.parametrize("profile", ["guide", "llm-sft", "generic", "classification"])
def test_a_fall_in_the_first_steps_is_a_fall(profile):
    """4.5 % within three points and level since: far beyond the noise, though no trend is left."""
    values = np.concatenate([np.linspace(1.3, 1.2415, 4)[:3], np.full(97, 1.2415)])
    values += 0.004 * np.sin(2.4 * np.arange(100))
    rates = series("train/learning_rate", every(100), cosine(200)[:100] * 1e-4)
    report = verdict(train(values), rates, profile=profile, arguments={"max_steps": 2000})
    assert report.verdict.label != "insufficient_data"


def test_zeros_where_nothing_was_evaluated_are_no_lowest_loss():
    real = decay(10, 2.0, 0.5, noise=0.0)
    written = np.zeros(100)
    written[9::10] = real
    report = verdict(train(decay(100)), evals(written, 10), profile="generic")
    assert fired(report).get("INT008") == "info"
    assert report.ranking.best_evaluated == 1000


def test_a_hinge_loss_that_comes_near_zero_keeps_its_zeros():
    values = [0.5, 0.3, 0.22, 0.15, 0.1, 0.06, 0, 0.04, 0, 0, 0.02, 0, 0.01, 0, 0, 0.005, 0, 0, 0, 0.01, 0, 0]
    assert "INT008" not in fired(verdict(train(decay(220)), evals(values), profile="generic"))
    nan = np.where(np.arange(40) % 2 == 0, 0.0, np.nan)
    assert "INT008" not in fired(verdict(train(decay(400)), evals(nan), profile="generic"))


def test_a_train_loss_of_zeros_explains_nothing_of_the_evaluations():
    report = verdict(train(np.zeros(200)), evals(np.linspace(1.0, 1.9, 20)), profile="llm-sft")
    assert report.verdict.label == "overfitting" and fired(report)["INT002"] == "medium"


@pytest.mark.parametrize(("end", "expected"), [(-1.0, "insufficient_data"), (-3.0, "healthy")])
def test_a_loss_below_zero_that_does_not_fall_is_not_healthy(end, expected):
    """It has no share to fall by, so the rules of slowness cannot judge it."""
    values = np.linspace(-1.0, end, 60) + 0.1 * np.sin(2.4 * np.arange(60))
    assert verdict(train(values, 50), profile="generic").verdict.label == expected


def test_a_curve_only_taken_for_the_loss_tells_no_level_of_guessing():
    """A run's first hundred steps under the tag `train`: whether it is slow cannot be told."""
    steps = series("train", every(95, 1), np.linspace(10.9, 7.3, 95) + 0.01 * np.sin(2.4 * np.arange(95)))
    assert verdict(steps).verdict.label in ("healthy", "insufficient_data")
