"""Which series plays which role: every naming convention, the words of a tag, ambiguity, the user's own mapping."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tb_evalguide.i18n import render
from tb_evalguide.model import Role, Roles, Run, Series, Source, Training
from tb_evalguide.roles import CONVENTIONS, choose_roles, greater_is_better
from tb_evalguide.roles.names import read_name, words_of
from tb_evalguide.sources import read_trainings
from tests.guide.conventions import CONVENTIONS as WRITTEN

STEPS = (10, 50, 100, 150)
TRAIN, EVAL = (2.50, 2.10, 1.70, 1.40), (2.55, 2.15, 1.80, 1.55)


def series(tag: str, run: str = ".", values: tuple[float, ...] = (3.0, 2.0, 1.5, 1.2), steps: object = None) -> Series:
    at = np.arange(len(values), dtype=np.int64) * 10 if steps is None else np.asarray(steps, np.int64)
    return Series(tag, run, at, np.asarray(values, np.float64), at.astype(np.float64))


def training(*tags: str | Series, name: str = ".", framework: str | None = None, **more: object) -> Training:
    """Tags of one run; "run: tag" puts a tag into a run of its own."""
    runs: dict[str, dict[str, Series]] = {}
    for tag in tags:
        if isinstance(tag, str):
            run, _, bare = tag.rpartition(": ")
            tag = series(bare, run or ".")
        runs.setdefault(tag.run, {})[tag.tag] = tag
    return Training(name, tuple(Run(n, s) for n, s in runs.items()), framework=framework, **more)  # type: ignore[arg-type]


def tags(roles: Roles) -> dict[str, str]:
    return {role.value: choice.tag for role, choice in roles.choices.items()}


@pytest.mark.parametrize("name", WRITTEN)
def test_losses_under_every_convention(name: str, tmp_path: Path) -> None:
    convention = WRITTEN[name]
    convention.write(tmp_path, list(zip(STEPS, TRAIN, EVAL if convention.evaluates else [None] * 4, strict=True)))
    (found,) = read_trainings(str(tmp_path))
    roles = choose_roles(found)
    train = roles.choices[Role.TRAIN_LOSS]
    assert train.tag == convention.train_tag
    assert train.series.values == pytest.approx(TRAIN)
    if convention.evaluates:
        evals = roles.choices[Role.EVAL_LOSS]
        assert evals.tag == convention.eval_tag
        assert evals.series.values == pytest.approx(EVAL)
    else:
        assert Role.EVAL_LOSS not in roles.choices


@pytest.mark.parametrize("name", WRITTEN)
def test_train_loss_alone_leaves_the_eval_role_empty(name: str, tmp_path: Path) -> None:
    WRITTEN[name].write(tmp_path, [(s, t, None) for s, t in zip(STEPS, TRAIN, strict=True)])
    (found,) = read_trainings(str(tmp_path))
    roles = choose_roles(found)
    assert roles.choices[Role.TRAIN_LOSS].series.values == pytest.approx(TRAIN)
    assert Role.EVAL_LOSS not in roles.choices


@pytest.mark.parametrize("convention", CONVENTIONS, ids=lambda c: c.id)
def test_every_example_of_the_table_gets_its_role(convention: object) -> None:
    """Each spelling in the table, alone beside the framework's signs, is found under its role."""
    for naming in convention.namings:  # type: ignore[attr-defined]
        place, _, tag = naming.example.rpartition(": ")
        tag = tag.replace("<set>", "dev").replace(" (trainer_state.json)", "")
        assert naming.tag_pattern.fullmatch(tag), naming.example
        run = place or "."
        found = choose_roles(training(series(tag, run), name=".", framework=convention.id))  # type: ignore[attr-defined]
        assert naming.role in found.choices, naming.example
        assert found.choices[naming.role].tag == tag
        assert found.framework == convention.id  # type: ignore[attr-defined]


CASES: dict[str, tuple[Training, dict[str, str | None]]] = {
    "hf_full": (
        training(
            "train/loss",
            "train/grad_norm",
            "train/learning_rate",
            "train/epoch",
            "eval/loss",
            "eval/runtime",
            "eval/samples_per_second",
            "eval/steps_per_second",
            "train/train_loss",
            "train/train_runtime",
        ),
        {
            "train_loss": "train/loss",
            "eval_loss": "eval/loss",
            "learning_rate": "train/learning_rate",
            "grad_norm": "train/grad_norm",
            "epoch": "train/epoch",
            "eval_metric": None,
            "throughput": None,
        },
    ),
    "hf_metrics": (
        training("loss", "eval_loss", "eval_f1", "eval_accuracy", "eval_wer", "eval_runtime", "epoch"),
        {"train_loss": "loss", "eval_loss": "eval_loss", "eval_accuracy": "eval_accuracy", "epoch": "epoch"},
    ),
    "lightning_step_and_epoch": (
        training("train_loss_step", "train_loss_epoch", "val_loss", "epoch", "lr-AdamW", "hp_metric"),
        {
            "train_loss": "train_loss_step",
            "eval_loss": "val_loss",
            "learning_rate": "lr-AdamW",
            "epoch": "epoch",
            "eval_metric": None,
        },
    ),
    "keras_batch_and_epoch": (
        training(
            series("batch_loss", "train", tuple(np.linspace(3, 1, 900)), range(900)),
            "train: epoch_loss",
            "validation: epoch_loss",
            "validation: evaluation_loss_vs_iterations",
            "train: epoch_accuracy",
            "validation: epoch_accuracy",
            "train: epoch_learning_rate",
        ),
        {
            "train_loss": "epoch_loss",
            "eval_loss": "epoch_loss",
            "train_accuracy": "epoch_accuracy",
            "eval_accuracy": "epoch_accuracy",
            "learning_rate": "epoch_learning_rate",
        },
    ),
    "keras_validation_alone": (
        training("epoch_loss", "evaluation_loss_vs_iterations"),
        {"train_loss": None, "eval_loss": "epoch_loss"},
    ),
    "tf_estimator": (
        training(".: loss", ".: global_step/sec", "eval: loss", "eval: accuracy"),
        {"train_loss": "loss", "eval_loss": "loss", "throughput": "global_step/sec", "eval_accuracy": "accuracy"},
    ),
    "yolo": (
        training(
            "train/box_loss",
            "train/cls_loss",
            "train/dfl_loss",
            "val/box_loss",
            "val/cls_loss",
            "val/dfl_loss",
            "metrics/mAP50(B)",
            "metrics/mAP50-95(B)",
            "metrics/precision(B)",
            "metrics/recall(B)",
            "lr/pg0",
            "lr/pg1",
        ),
        {
            "train_loss": "train/box_loss",
            "eval_loss": "val/box_loss",
            "eval_metric": "metrics/mAP50-95(B)",
            "learning_rate": "lr/pg0",
        },
    ),
    "detectron2": (
        training(
            "total_loss",
            "loss_cls",
            "loss_box_reg",
            "loss_rpn_cls",
            "lr",
            "time",
            "data_time",
            "bbox/AP",
            "validation_loss",
        ),
        {
            "train_loss": "total_loss",
            "eval_loss": "validation_loss",
            "learning_rate": "lr",
            "eval_metric": "bbox/AP",
            "step_time": "time",
        },
    ),
    "ml_agents": (
        training(
            "Environment/Cumulative Reward",
            "Environment/Episode Length",
            "Losses/Policy Loss",
            "Losses/Value Loss",
            "Policy/Learning Rate",
        ),
        {
            "reward": "Environment/Cumulative Reward",
            "train_loss": "Losses/Policy Loss",
            "eval_loss": None,
            "learning_rate": "Policy/Learning Rate",
        },
    ),
    "stable_baselines3": (
        training("rollout/ep_rew_mean", "rollout/ep_len_mean", "train/loss", "train/learning_rate", "time/fps"),
        {"reward": "rollout/ep_rew_mean", "train_loss": "train/loss", "eval_loss": None},
    ),
    "megatron": (
        training(
            "lm loss",
            "lm loss vs samples",
            "lm loss validation",
            "lm loss validation ppl",
            "learning-rate",
            "grad-norm",
            "loss-scale",
            "iteration-time",
            "batch-size",
        ),
        {
            "train_loss": "lm loss",
            "eval_loss": "lm loss validation",
            "eval_perplexity": "lm loss validation ppl",
            "learning_rate": "learning-rate",
            "grad_norm": "grad-norm",
            "loss_scale": "loss-scale",
        },
    ),
    "torchtune": (
        training("loss", "lr", "grad_norm", "tokens_per_second_per_gpu", "peak_memory_active", "peak_memory_alloc"),
        {
            "train_loss": "loss",
            "eval_loss": None,
            "learning_rate": "lr",
            "grad_norm": "grad_norm",
            "throughput": "tokens_per_second_per_gpu",
            "memory": "peak_memory_active",
        },
    ),
    "fairseq": (
        training(
            "train_inner: loss",
            "train_inner: gnorm",
            "train_inner: lr",
            "train_inner: wps",
            "train: loss",
            "valid: loss",
            "valid: ppl",
        ),
        {
            "train_loss": "loss",
            "eval_loss": "loss",
            "grad_norm": "gnorm",
            "eval_perplexity": "ppl",
            "throughput": "wps",
        },
    ),
    "timm": (
        training("train_loss", "eval_loss", "eval_top1", "eval_top5", "lr"),
        {"train_loss": "train_loss", "eval_loss": "eval_loss", "eval_accuracy": "eval_top1", "learning_rate": "lr"},
    ),
    "pytorch": (
        training("Loss/train", "Loss/val", "Accuracy/train", "Accuracy/val", "LR", "Grad/norm"),
        {
            "train_loss": "Loss/train",
            "eval_loss": "Loss/val",
            "train_accuracy": "Accuracy/train",
            "eval_accuracy": "Accuracy/val",
            "learning_rate": "LR",
            "grad_norm": "Grad/norm",
        },
    ),
    "validation_before_test": (
        training("Loss/train", "Loss/test", "Loss/val"),
        {"train_loss": "Loss/train", "eval_loss": "Loss/val"},
    ),
    "only_validation": (
        training("val_loss", "val_acc"),
        {"train_loss": None, "eval_loss": "val_loss", "eval_accuracy": "val_acc"},
    ),
    "only_metrics": (training("val_f1", "train_f1"), {"train_loss": None, "eval_loss": None, "eval_metric": "val_f1"}),
    "best_so_far_is_not_the_series": (
        training("train_loss", "best_val_loss", "val_loss"),
        {"train_loss": "train_loss", "eval_loss": "val_loss"},
    ),
    "error_where_no_loss_is": (
        training("train/rmse", "val/rmse"),
        {"train_loss": "train/rmse", "eval_loss": "val/rmse"},
    ),
    "error_beside_a_loss_is_a_metric": (
        training("train/loss", "val/loss", "val/mae"),
        {"train_loss": "train/loss", "eval_loss": "val/loss", "eval_metric": "val/mae"},
    ),
    "loss_scale_is_no_loss": (
        training("loss_scale", "train_loss"),
        {"train_loss": "train_loss", "loss_scale": "loss_scale"},
    ),
    "grad_norm_of_one_layer_is_not_the_norm": (
        training("train_loss", "grad_norm/layers.0.weight", "grad_norm/layers.1.weight"),
        {"grad_norm": None},
    ),
    "tensorflow_detection": (
        training(
            "train: Loss/total_loss",
            "train: Loss/classification_loss",
            "eval: Loss/total_loss",
            "eval: Loss/classification_loss",
            "eval: DetectionBoxes_Precision/mAP",
        ),
        {
            "train_loss": "Loss/total_loss",
            "eval_loss": "Loss/total_loss",
            "eval_metric": "DetectionBoxes_Precision/mAP",
        },
    ),
    "speech": (
        training("train: loss", "train: loss_ctc", "train: acc", "valid: loss", "valid: loss_ctc", "valid: wer"),
        {"train_loss": "loss", "eval_loss": "loss", "train_accuracy": "acc", "eval_metric": "wer"},
    ),
    "translation": (
        training("progress/xent", "progress/ppl", "progress/lr", "valid/xent", "valid/ppl"),
        {"train_loss": "progress/xent", "eval_loss": "valid/xent", "eval_perplexity": "valid/ppl"},
    ),
    "clean_rl": (
        training("charts/episodic_return", "losses/value_loss", "losses/policy_loss", "charts/learning_rate"),
        {"reward": "charts/episodic_return", "learning_rate": "charts/learning_rate", "eval_loss": None},
    ),
    "learning_rate_among_losses": (
        training("Train/mean_reward", "Loss/surrogate", "Loss/learning_rate"),
        {"reward": "Train/mean_reward", "learning_rate": "Loss/learning_rate"},
    ),
    "errors_of_one_kind_are_compared": (
        training("mse/train", "mae/valid", "mse/valid"),
        {"train_loss": "mse/train", "eval_loss": "mse/valid", "eval_metric": "mae/valid"},
    ),
    "a_metric_under_losses": (
        training("train/total_loss", "test/loss_viewpoint - psnr"),
        {"train_loss": "train/total_loss", "eval_loss": None, "eval_metric": "test/loss_viewpoint - psnr"},
    ),
    "adversarial": (training("D_loss", "G_loss"), {"train_loss": None, "eval_loss": None}),
    "preference_tuning": (
        training("train/loss", "eval/loss", "train/rewards/chosen", "train/rewards/margins", "train/epoch"),
        {"train_loss": "train/loss", "eval_loss": "eval/loss", "reward": None},
    ),
    "nothing_known": (training("foo", "bar/baz"), {"train_loss": None, "eval_loss": None, "eval_metric": None}),
}


@pytest.mark.parametrize("name", CASES)
def test_roles(name: str) -> None:
    found, expected = CASES[name]
    got = tags(choose_roles(found))
    assert {role: got.get(role) for role in expected} == expected


def test_runs_are_told_apart_when_the_tag_is_the_same() -> None:
    roles = choose_roles(CASES["keras_batch_and_epoch"][0])
    assert roles.choices[Role.TRAIN_LOSS].series.run == "train"
    assert roles.choices[Role.EVAL_LOSS].series.run == "validation"
    fairseq = choose_roles(CASES["fairseq"][0])
    assert fairseq.choices[Role.TRAIN_LOSS].series.run == "train_inner"
    assert fairseq.choices[Role.EVAL_LOSS].series.run == "valid"


def test_the_folder_of_the_training_does_not_name_a_split() -> None:
    """A training in a folder called `eval_run_train` is not an evaluation because of that."""
    roles = choose_roles(training("eval_models/a: loss", "eval_models/a: val_loss", name="eval_models/a"))
    assert tags(roles) == {"train_loss": "loss", "eval_loss": "val_loss"}


def test_step_series_is_chosen_and_said() -> None:
    roles = choose_roles(CASES["lightning_step_and_epoch"][0])
    assert "per step" in render(roles.choices[Role.TRAIN_LOSS].reason)
    assert roles.choices[Role.TRAIN_LOSS].certain


@pytest.mark.parametrize(("points", "taken"), [(10, "train_loss_step"), (9, "train_loss_epoch")])
def test_the_mean_per_epoch_is_taken_where_it_has_more_points(points: int, taken: str) -> None:
    """Lightning logs every 50 steps by default, which may be every second epoch of a small training."""
    per_step = series("train_loss_step", values=(2.0,) * points)
    per_epoch = series("train_loss_epoch", values=(2.0,) * 10)
    assert choose_roles(training(per_step, per_epoch)).choices[Role.TRAIN_LOSS].tag == taken


def test_but_not_one_on_another_axis_than_the_evaluations_nor_one_without_points() -> None:
    per_step = series("train_loss_step", values=(2.0,) * 9, steps=[50 * i for i in range(1, 10)])
    evals = series("val_loss", values=(2.0,) * 10, steps=[45 * i for i in range(1, 11)])
    epochs = series("train_loss_epoch", values=(2.0,) * 10, steps=list(range(10)))
    nothing = series("train_loss_epoch", values=(float("nan"),) * 10, steps=evals.steps)
    for other in (epochs, nothing):
        assert choose_roles(training(per_step, other, evals)).choices[Role.TRAIN_LOSS].tag == "train_loss_step"


def test_several_evaluation_sets_are_said() -> None:
    roles = choose_roles(training("loss", "eval_dev_loss", "eval_web_loss", "epoch"))
    choice = roles.choices[Role.EVAL_LOSS]
    assert choice.tag == "eval_dev_loss" and not choice.certain
    assert [extra.tag for extra in roles.extra_eval_losses] == ["eval_web_loss"]
    assert any("2 evaluation sets" in render(note) for note in roles.notes)


def test_the_set_that_the_training_ranks_by_is_its_eval_loss() -> None:
    found = training("loss", "eval_dev_loss", "eval_web_loss", arguments={"metric_for_best_model": "eval_web_loss"})
    assert choose_roles(found).choices[Role.EVAL_LOSS].tag == "eval_web_loss"


def test_sets_beside_a_whole_are_extra() -> None:
    roles = choose_roles(training("train/loss", "eval/loss", "eval/dev_loss"))
    assert roles.choices[Role.EVAL_LOSS].tag == "eval/loss"
    assert [extra.tag for extra in roles.extra_eval_losses] == ["eval/dev_loss"]


def test_a_part_is_not_compared_with_the_whole() -> None:
    roles = choose_roles(training("train/loss", "val/box_loss", "val/cls_loss"))
    assert tags(roles).get("train_loss") == "train/loss"
    assert Role.EVAL_LOSS not in roles.choices
    assert any("not compared with the whole" in render(note) for note in roles.notes)


def test_equal_parts_are_compared_when_there_is_no_whole_on_both_sides() -> None:
    roles = choose_roles(training("train/loss", "train/kl_loss", "train/recon_loss", "val/kl_loss", "val/recon_loss"))
    train, evals = roles.choices[Role.TRAIN_LOSS].tag, roles.choices[Role.EVAL_LOSS].tag
    assert (train, evals) == ("train/kl_loss", "val/kl_loss")
    assert any("No total loss" in render(note) for note in roles.notes)


def test_ambiguity_is_said() -> None:
    roles = choose_roles(training("train_loss", "loss", "val_loss"))
    assert not roles.choices[Role.TRAIN_LOSS].certain
    assert any("could also be" in render(note) for note in roles.notes)


def test_the_train_loss_of_the_eval_loss_s_size_is_taken() -> None:
    """Two programs logged into one folder: 119 beside an eval loss of 6 is not its train loss."""
    roles = choose_roles(
        training(
            series("train_loss", values=(119.0, 118.0, 117.5, 117.0)),
            series("loss", values=(5.8, 5.0, 4.2, 3.7)),
            series("val_loss", values=(7.0, 6.5, 6.0, 5.6)),
        )
    )
    assert roles.choices[Role.TRAIN_LOSS].tag == "loss"
    assert not roles.choices[Role.TRAIN_LOSS].certain


def test_the_series_on_the_eval_loss_s_axis_is_taken() -> None:
    roles = choose_roles(
        training(
            series("train/loss_batch", values=tuple(np.linspace(3, 1, 500)), steps=range(0, 50000, 100)),
            series("train/loss_epoch", values=(3.0, 2.0, 1.5, 1.2, 1.1), steps=range(5)),
            series("val/loss", values=(3.0, 2.1, 1.7, 1.4, 1.3), steps=range(5)),
        )
    )
    assert roles.choices[Role.TRAIN_LOSS].tag == "train/loss_epoch"


def test_different_axes_are_said() -> None:
    roles = choose_roles(
        training(
            series("train/loss", values=tuple(np.linspace(3, 1, 500)), steps=range(0, 50000, 100)),
            series("val/loss", values=(3.0, 2.1, 1.7, 1.4, 1.3), steps=range(5)),
        )
    )
    assert any("count different steps" in render(note) for note in roles.notes)


def test_a_series_of_nan_alone_keeps_its_role() -> None:
    roles = choose_roles(training(series("Loss/train", values=(float("nan"),) * 4), "Loss/val"))
    assert tags(roles) == {"train_loss": "Loss/train", "eval_loss": "Loss/val"}


def test_a_resumed_folder_is_no_rival() -> None:
    whole, piece = series("train/loss", "b"), series("train/loss", "a", values=(3.0, 2.0))
    roles = choose_roles(training(whole, piece, name="out"))
    assert roles.choices[Role.TRAIN_LOSS].series is whole
    assert roles.choices[Role.TRAIN_LOSS].certain and not roles.notes


def test_event_series_before_their_copy_in_a_table() -> None:
    events = Run("a", {"train_loss": series("train_loss", "a")}, (Source("e", "tfevents", 4),))
    table = Run("a/csv", {"train_loss": series("train_loss", "a/csv")}, (Source("m.csv", "csv", 4),))
    roles = choose_roles(Training("a", (table, events)))
    assert roles.choices[Role.TRAIN_LOSS].series.run == "a" and roles.choices[Role.TRAIN_LOSS].certain


# --- the user's mapping --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "run", "tag"),
    [
        ("my/curve", ".", "my/curve"),
        ("my/*", ".", "my/curve"),
        ("b:Loss", "b", "Loss"),
        ("b: Loss", "b", "Loss"),
        ("*:odd:tag", "a", "odd:tag"),
        ("odd:tag", "a", "odd:tag"),
    ],
)
def test_mapping_wins(wanted: str, run: str, tag: str) -> None:
    found = training("train_loss", "my/curve", "a: Loss", "a: odd:tag", "b: Loss")
    choice = choose_roles(found, {"train_loss": wanted}).choices[Role.TRAIN_LOSS]
    assert (choice.series.run, choice.tag) == (run, tag)
    assert "set by the user" in render(choice.reason)


def test_mapping_that_matches_nothing_is_said() -> None:
    roles = choose_roles(training("train_loss"), {"eval_loss": "nope"})
    assert any("matches no series" in render(note) for note in roles.notes)
    assert tags(roles) == {"train_loss": "train_loss"}


def test_mapping_that_matches_several_is_said() -> None:
    found = training(series("x/a"), series("x/b", values=(3.0, 2.0, 1.0, 0.9, 0.8)))
    roles = choose_roles(found, {"train_loss": "x/*"})
    assert roles.choices[Role.TRAIN_LOSS].tag == "x/b"
    assert any("matches several" in render(note) for note in roles.notes)


# --- metrics -------------------------------------------------------------------------------------------------------


def test_metrics_with_their_direction() -> None:
    roles = choose_roles(training("loss", "eval_loss", "eval_f1", "eval_wer", "eval_oddity", "eval_runtime", "epoch"))
    assert {m.tag: m.greater_is_better for m in roles.metrics} == {
        "eval_f1": True,
        "eval_wer": False,
        "eval_oddity": None,
    }
    assert roles.choices[Role.EVAL_METRIC] is roles.metrics[0]


def test_metric_of_the_user_comes_first() -> None:
    found = training("loss", "eval_loss", "eval_f1", "eval_oddity")
    roles = choose_roles(found, metric="oddity", greater_is_better=True)
    assert (roles.metrics[0].tag, roles.metrics[0].greater_is_better) == ("eval_oddity", True)


def test_metric_for_best_model_comes_first() -> None:
    found = training(
        "loss",
        "eval_loss",
        "eval_f1",
        "eval_rank",
        arguments={"metric_for_best_model": "rank", "greater_is_better": False},
    )
    roles = choose_roles(found)
    assert (roles.metrics[0].tag, roles.metrics[0].greater_is_better) == ("eval_rank", False)


def test_metric_that_is_not_logged_is_said() -> None:
    roles = choose_roles(training("loss", "eval_loss"), metric="eval_bleu")
    assert any("eval_bleu is not logged" in render(note) for note in roles.notes)


@pytest.mark.parametrize(
    ("tag", "better"),
    [
        ("eval_accuracy", True),
        ("val/F1", True),
        ("eval_rougeLsum", True),
        ("eval/rouge1", True),
        ("bleu", True),
        ("metrics/mAP50(B)", True),
        ("metrics/mAP50-95(B)", True),
        ("bbox/AP", True),
        ("val_auc", True),
        ("AUROC/val", True),
        ("eval_exact_match", True),
        ("Accuracy/test", True),
        ("val_acc_top5", True),
        ("recall@10", True),
        ("PSNR", True),
        ("rollout/ep_rew_mean", None),
        ("eval/mean_reward", True),
        ("eval_wer", False),
        ("eval_cer", False),
        ("perplexity", False),
        ("val/ppl", False),
        ("val_mae", False),
        ("RMSE", False),
        ("top1_error", False),
        ("FID", False),
        ("eval_loss", False),
        ("foo", None),
        ("eval_score", True),
        ("f", None),
        ("R2", True),
    ],
)
def test_direction_by_name(tag: str, better: bool | None) -> None:
    assert greater_is_better(tag) is better


# --- words ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Loss/train", ("loss", "train")),
        ("TrainLoss", ("train", "loss")),
        ("valLoss", ("val", "loss")),
        ("Environment/Cumulative Reward", ("environment", "cumulative", "reward")),
        ("lr-AdamW/pg1", ("lr", "adamw", "pg1")),
        ("", ()),
        ("손실/train", ("train",)),
    ],
)
def test_words(name: str, words: tuple[str, ...]) -> None:
    assert words_of(name) == words


def test_split_of_place_counts_only_where_the_tag_is_silent() -> None:
    assert read_name("val_loss", "train").split == "eval"
    assert read_name("Loss", "Loss_validation").split == "eval"
    assert read_name("Loss", "").split == ""


def test_ten_thousand_tags_take_seconds_not_minutes() -> None:
    import time

    found = training(*(f"weights/layer{i}/norm" for i in range(10_000)), "Loss/train", "Loss/val")
    start = time.perf_counter()
    assert tags(choose_roles(found))["train_loss"] == "Loss/train"
    assert time.perf_counter() - start < 10  # 0.6 s on an idle core


# --- the page -------------------------------------------------------------------------------------------------------


def test_the_page_is_written_from_the_table() -> None:
    """docs/roles.md is remade by `make docs`; a change of the table without it fails here."""
    from tools.roles_page import NAMES, PAGE, page

    assert set(NAMES) == set(Role)
    assert PAGE.read_text(encoding="utf-8") == page()


# --- names that say little -------------------------------------------------------------------------------------------

DOWN, UP = np.linspace(2.5, 1.0, 20), np.linspace(0.2, 0.9, 20)


def chosen(**tags: np.ndarray) -> tuple[dict[str, str], Roles]:
    """{role: tag} of the losses and accuracies, and all that was found; `tags` are spelled with __ for a slash."""
    spelled = {tag.replace("__", "/"): values for tag, values in tags.items()}
    steps = np.arange(len(DOWN)) * 10
    made = {tag: Series(tag, ".", steps, v, steps * 1.0) for tag, v in spelled.items()}
    roles = choose_roles(Training(".", (Run(".", made),)))
    wanted = (Role.TRAIN_LOSS, Role.EVAL_LOSS, Role.TRAIN_ACCURACY, Role.EVAL_ACCURACY, Role.LEARNING_RATE)
    return {role.value: roles.choices[role].tag for role in wanted if role in roles.choices}, roles


@pytest.mark.parametrize(
    ("train", "evals"),
    [
        ("학습/loss", "검증/loss"),
        ("훈련_손실", "평가_손실"),
        ("학습손실", "검증손실"),
        ("손실/학습", "손실/검증"),
        ("train/손실", "val/손실"),
        ("학습 손실값", "시험 손실값"),
        ("tr_loss", "te_loss"),
        ("loss/tr", "loss/va"),
        ("g/train", "g/val"),
        ("zzz_train", "zzz_test"),
        ("train", "valid"),
        ("zzz/batch", "zzz/heldout"),
        ("zzz_step", "zzz_val"),
    ],
)
@pytest.mark.parametrize("order", [1, -1])
def test_pairs_of_losses_in_other_words(train: str, evals: str, order: int) -> None:
    found, roles = chosen(**dict([(train, DOWN), (evals, DOWN + 0.1)][::order]))
    assert found == {"train_loss": train, "eval_loss": evals}
    # what does not even say that it is a loss is said to be taken for one
    unnamed = train in ("g/train", "zzz_train", "train", "zzz/batch", "zzz_step")
    assert roles.choices[Role.TRAIN_LOSS].certain is not unnamed and bool(roles.notes) is unnamed


def test_a_term_that_is_zero_throughout_is_not_the_loss() -> None:
    """YOLO's pose model logs kobj_loss as 0 where its data hold no visibility."""
    terms = {"train__box_loss": DOWN, "train__a_loss": 0 * DOWN, "val__box_loss": DOWN, "val__a_loss": 0 * DOWN}
    found, _ = chosen(**terms)
    assert (found["train_loss"], found["eval_loss"]) == ("train/box_loss", "val/box_loss")
    found, _ = chosen(train__a_loss=0 * DOWN)
    assert found == {"train_loss": "train/a_loss"}


def test_korean_accuracies_and_rates() -> None:
    tags = {"학습손실": DOWN, "검증손실": DOWN, "학습정확도": UP, "검증정확도": UP, "학습률": DOWN / 1e4}
    found, _ = chosen(**tags)
    assert found == {
        "train_loss": "학습손실",
        "eval_loss": "검증손실",
        "train_accuracy": "학습정확도",
        "eval_accuracy": "검증정확도",
        "learning_rate": "학습률",
    }


@pytest.mark.parametrize(
    "tags",
    [
        {"g__train": UP, "g__val": UP},  # it rises: no loss
        {"g__batch": UP, "g__heldout": UP},
        {"batch__size": DOWN, "val__size": DOWN},
        {"acc__train": UP, "acc__val": UP},
        {"lr__train": DOWN, "lr__val": DOWN},
        {"time__train": DOWN, "time__val": DOWN},
        {"te_size": DOWN, "va_size": DOWN},
        {"g__train": DOWN},
        {"g__val": DOWN},
    ],
)
def test_pairs_that_are_no_losses(tags: dict[str, np.ndarray]) -> None:
    found, _ = chosen(**tags)
    assert "train_loss" not in found and "eval_loss" not in found


@pytest.mark.parametrize(("tags", "taken"), [
    ({"elated_capybara": DOWN}, True),
    ({"elated_capybara": DOWN, "lr": DOWN}, True),
    ({"exploration/epsilon": DOWN}, False),  # a setting
    ({"elated_capybara": UP}, False),  # a metric, if it is anything
    ({"elated_capybara": DOWN, "clever_walrus": DOWN}, False),  # which one?
])  # fmt: skip
def test_the_only_curve_of_a_log_is_taken_for_the_loss_and_said(tags: dict[str, np.ndarray], taken: bool) -> None:
    found, roles = chosen(**tags)
    assert found.get("train_loss") == ("elated_capybara" if taken else None)
    assert bool(roles.notes) is taken
    assert not taken or not roles.choices[Role.TRAIN_LOSS].certain


@pytest.mark.parametrize(("train", "evals"), [
    ("logcosh", "val_logcosh"),
    ("batch/huber", "valid/huber"),
    ("rmsle/train", "rmsle/val"),
    ("neg_elbo/train", "neg_elbo/val"),
    ("train/elbo", "valid/elbo"),  # logged negative: it falls
    ("price/train_l1", "price/val_l1"),
])  # fmt: skip
def test_losses_named_by_their_function(train: str, evals: str) -> None:
    found, _ = chosen(**{train.replace("/", "__"): DOWN, evals.replace("/", "__"): DOWN + 0.1})
    assert (found["train_loss"], found["eval_loss"]) == (train, evals)


@pytest.mark.parametrize("order", [1, -1])
def test_a_curve_by_epoch_is_taken_before_one_by_batch(order: int) -> None:
    tags = {"zzz__batch": DOWN, "zzz__train": DOWN, "zzz__val": DOWN + 0.1}
    found, _ = chosen(**dict(list(tags.items())[::order]))
    assert found == {"train_loss": "zzz/train", "eval_loss": "zzz/val"}


def test_they_are_metrics_beside_a_loss() -> None:
    found, _ = chosen(loss=DOWN, val_loss=DOWN, huber=DOWN, val_huber=DOWN)
    assert (found["train_loss"], found["eval_loss"]) == ("loss", "val_loss")
    found, _ = chosen(train__elbo=UP, valid__elbo=UP)  # the bound itself: more is better
    assert "train_loss" not in found


def test_a_pair_that_diverged_is_still_a_loss() -> None:
    """It fell far before it climbed above its start; a metric begins at its lowest."""
    climbed = np.concatenate([np.linspace(2.0, 1.0, 10), np.linspace(1.0, 3.0, 20)])
    found, _ = chosen(contrastive__train=climbed, contrastive__val=climbed + 0.1)
    assert found == {"train_loss": "contrastive/train", "eval_loss": "contrastive/val"}
    quality = np.concatenate([np.linspace(0.2, 0.8, 20), np.linspace(0.8, 0.6, 10)])
    found, _ = chosen(g__train=quality, g__val=quality)
    assert "train_loss" not in found


def test_a_named_loss_is_better_than_an_unnamed_pair() -> None:
    found, roles = chosen(g__train=DOWN, g__val=DOWN, train__loss=DOWN)
    assert found == {"train_loss": "train/loss"}
    found, _ = chosen(te_loss=DOWN)  # a text encoder, for all we know: no test loss by itself
    assert "eval_loss" not in found


def test_two_losses_with_unknown_words_are_said() -> None:
    """Either may be the validation's: it is not taken for the train loss without a word."""
    found, roles = chosen(foo__loss=DOWN, bar__loss=DOWN + 0.1)
    assert len(found) == 1 and not roles.choices[Role.TRAIN_LOSS].certain
    assert any("could also be" in render(note) for note in roles.notes)
    _, roles = chosen(loss=DOWN, foo__loss=DOWN)
    assert roles.choices[Role.TRAIN_LOSS].certain and roles.choices[Role.TRAIN_LOSS].tag == "loss"


def test_of_unnamed_pairs_an_error_comes_first_and_a_rate_last() -> None:
    pairs = {f"{split}__{name}": DOWN for name in ("miss_rate", "minADE6", "spread") for split in ("train", "val")}
    found, _ = chosen(**pairs)
    assert found["train_loss"] == "train/minADE6" and found["eval_loss"] == "val/minADE6"
    del pairs["train__minADE6"], pairs["val__minADE6"]
    assert chosen(**pairs)[0]["train_loss"] == "train/spread"


def test_a_pair_that_blew_up_had_fallen_first() -> None:
    """Beside 5e9 at the end a fall from 73 to 42 is none of its range, and a sign of a loss nevertheless."""
    blown = np.concatenate([np.linspace(73, 42, 13), np.geomspace(1e3, 5e9, 7)])
    found, _ = chosen(elbo__train_neg=blown, elbo__valid_neg=blown * 1.01)
    assert found == {"train_loss": "elbo/train_neg", "eval_loss": "elbo/valid_neg"}
    risen = np.concatenate([np.linspace(0.05, 0.045, 13), np.linspace(0.1, 0.9, 7)])
    assert "train_loss" not in chosen(g__train=risen, g__valid=risen)[0]


def test_the_only_curve_may_say_that_it_is_of_training() -> None:
    found, roles = chosen(triplet__train=DOWN, **{"lr-AdamW": UP * 1e-3})
    assert found["train_loss"] == "triplet/train", "a loss by its function's name"
    found, roles = chosen(train=DOWN, **{"lr-AdamW": UP * 1e-3})
    assert found["train_loss"] == "train" and not roles.choices[Role.TRAIN_LOSS].certain


# --- a loss that is logged in parts -----------------------------------------------------------------------------------

YOLO = {split: [f"{split}/{name}_loss" for name in ("box", "cls", "dfl")] for split in ("train", "val")}
BOTH = (*YOLO["train"], *YOLO["val"])


def added(roles: Roles) -> dict[str, tuple[str, ...]]:
    """{role: the tags of the log that it is made of} of both losses."""
    wanted = (Role.TRAIN_LOSS, Role.EVAL_LOSS)
    return {role.value: roles.choices[role].series.tags for role in wanted if role in roles.choices}


@pytest.mark.parametrize("logged", [BOTH, BOTH[::-1], YOLO["train"], YOLO["val"]])
def test_the_parts_of_yolo_are_added_in_each_split(logged: tuple[str, ...]) -> None:
    roles = choose_roles(training(*logged))
    splits = {"train_loss": tuple(YOLO["train"]), "eval_loss": tuple(YOLO["val"])}
    assert added(roles) == {role: parts for role, parts in splits.items() if set(parts) <= set(logged)}
    for choice in roles.choices.values():
        assert choice.certain and choice.series.values == pytest.approx([9.0, 6.0, 4.5, 3.6])
        assert "sum of the parts that YOLO" in render(choice.reason)
    assert not roles.notes


@pytest.mark.parametrize("logged", [
    BOTH[:-1],  # the evaluations lack one
    [*YOLO["train"], "val/box_loss"],
    ["train/box_loss", "train/cls_loss", "val/box_loss", "val/obj_loss"],
    [*BOTH, "train/seg_loss"],
])  # fmt: skip
def test_sums_of_other_parts_are_not_compared(logged: list[str]) -> None:
    assert added(choose_roles(training(*logged))) == {"train_loss": ("train/box_loss",), "eval_loss": ("val/box_loss",)}


@pytest.mark.parametrize("logged", [
    [*YOLO["train"], "val/loss"],
    [*YOLO["val"], "train/loss"],
])  # fmt: skip
def test_the_parts_of_one_split_are_not_added_beside_a_loss_of_another(logged: list[str]) -> None:
    assert all(len(parts) == 1 for parts in added(choose_roles(training(*logged))).values())


def test_a_whole_that_is_logged_is_taken_before_the_sum() -> None:
    roles = choose_roles(training(*BOTH, "train/loss", "val/loss"))
    assert added(roles) == {"train_loss": ("train/loss",), "eval_loss": ("val/loss",)}
    assert all(one.series.parts == () for one in roles.choices.values()) and not roles.notes


@pytest.mark.parametrize("other", ["val/loss", "train/total_loss", "train/rpn_loss"])
def test_parts_are_not_the_whole_beside_a_loss_that_is_none_of_them(other: str) -> None:
    assert all(len(parts) == 1 for parts in added(choose_roles(training(*BOTH, other))).values())


def test_a_metric_by_which_the_user_ranks_may_be_one_of_the_parts() -> None:
    assert all(len(parts) == 1 for parts in added(choose_roles(training(*BOTH), metric="val/box_loss")).values())
    assert len(added(choose_roles(training(*BOTH, "val/f1"), metric="val/f1"))["train_loss"]) == 3


@pytest.mark.parametrize("role", ["train_loss", "eval_loss"])
def test_a_part_that_the_user_names_is_compared_with_the_same_part(role: str) -> None:
    named = {"train_loss": "train/cls_loss", "eval_loss": "val/cls_loss"}[role]
    found = added(choose_roles(training(*BOTH), {role: named}))
    assert found == {"train_loss": ("train/cls_loss",), "eval_loss": ("val/cls_loss",)}


def test_another_role_that_the_user_names_leaves_the_sum() -> None:
    roles = choose_roles(training(*BOTH, "warmth"), {"learning_rate": "warmth"})
    assert roles.choices[Role.LEARNING_RATE].tag == "warmth" and len(added(roles)["train_loss"]) == 3


@pytest.mark.parametrize(("at", "sums"), [((0, 10, 20, 30), 3), ((0, 10, 25, 35), 1), ((0, 15, 25, 35), 1)])
def test_parts_on_too_few_common_steps_are_not_added(at: tuple[int, ...], sums: int) -> None:
    logged = [series("train/cls_loss", steps=at), *YOLO["train"][::2], *YOLO["val"]]
    assert {len(parts) for parts in added(choose_roles(training(*logged))).values()} == {sums}


def test_a_part_without_points_is_none() -> None:
    empty = series("train/seg_loss", values=(), steps=())
    assert added(choose_roles(training(*BOTH, empty)))["train_loss"] == tuple(YOLO["train"])


def test_evaluations_are_summed_from_the_events_and_not_from_a_copy_in_a_table() -> None:
    table, events = (training(*(f"{run}: {tag}" for tag in BOTH)).runs[0] for run in ("results.csv", "events"))
    table = dataclasses.replace(table, sources=(Source("results.csv", "csv", 4),))
    for runs in ((table, events), (events, table)):
        assert choose_roles(Training(".", runs)).choices[Role.EVAL_LOSS].series.run == "events"


def test_the_parts_of_an_unknown_framework_are_not_added() -> None:
    """A detector that weighs them only afterwards logs no addends."""
    logged = [f"{split}/{name}_loss" for split in ("training", "valid") for name in ("box", "cls")]
    roles = choose_roles(training(*logged))
    assert roles.framework is None and all(len(parts) == 1 for parts in added(roles).values())


def test_sums_of_two_runs_of_one_training_are_each_their_own() -> None:
    roles = choose_roles(training(*(f"{run}: {tag}" for run in ("first", "second") for tag in BOTH)))
    assert {choice.series.run for choice in roles.choices.values()} == {"first"}
    assert added(roles)["train_loss"] == tuple(YOLO["train"])


# --- an autoencoder's -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tag", ["train/Recon", "Recon", "train/reconstruction", "train_recon"])
@pytest.mark.parametrize("other", ["train__KL", "train__commitment"])
def test_the_reconstruction_beside_a_divergence_is_taken_for_the_loss(tag: str, other: str) -> None:
    found, roles = chosen(**{tag.replace("/", "__"): DOWN, other: UP})
    assert found == {"train_loss": tag} and not roles.choices[Role.TRAIN_LOSS].certain


@pytest.mark.parametrize("tags", [
    {"train__Recon": DOWN, "train__Recon_text": DOWN, "train__KL": UP},  # which one?
    {"train__Recon": UP, "train__KL": DOWN},  # it rises
    {"train__Recon": np.ones(20), "train__KL": DOWN},
    {"val__Recon": DOWN, "val__KL": UP},  # of the evaluations
    {"train__best_Recon": DOWN, "train__KL": UP},  # of another curve
    {"train__Image": DOWN, "train__KL": UP},
])  # fmt: skip
def test_what_is_no_reconstruction_that_falls_is_not(tags: dict[str, np.ndarray]) -> None:
    assert "train_loss" not in chosen(**tags)[0]


@pytest.mark.parametrize(("tags", "taken"), [
    ({"train__Recon": DOWN, "train__KL": UP, "train__loss": DOWN}, "train/loss"),
    ({"train__Recon": DOWN, "train__recon_loss": DOWN}, "train/recon_loss"),
    ({"Recon": DOWN, "train__g": DOWN, "val__g": DOWN}, "train/g"),  # a pair can be compared
    ({"Recon": DOWN, "mse": DOWN, "val__mse": DOWN}, "mse"),
])  # fmt: skip
def test_a_loss_that_is_named_or_has_its_evaluations_comes_before_it(tags: dict[str, np.ndarray], taken: str) -> None:
    assert chosen(**tags)[0]["train_loss"] == taken


def test_evaluations_of_a_named_loss_are_not_compared_with_a_reconstruction() -> None:
    assert chosen(train__Recon=DOWN, train__KL=UP, val__loss=DOWN)[0] == {"eval_loss": "val/loss"}
