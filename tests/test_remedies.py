"""Remedies in the run's own numbers: what changes, under which name, and what is left unsaid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from tb_evalguide import remedies as catalogue
from tb_evalguide.i18n import render
from tb_evalguide.model import Advice, Remedy, Run, Series, TrainerState, Training
from tb_evalguide.remedies import advise, find_argument, known_arguments, opposite
from tb_evalguide.roles import choose_roles

HF: Mapping[str, Any] = {
    "learning_rate": 2e-5,
    "per_device_train_batch_size": 4,
    "gradient_accumulation_steps": 8,
    "num_train_epochs": 3.0,
    "max_steps": -1,
    "max_grad_norm": 1.0,
    "weight_decay": 0.0,
    "bf16": False,
    "fp16": False,
    "gradient_checkpointing": False,
    "dataloader_num_workers": 0,
    "dataloader_pin_memory": True,
    "eval_strategy": "steps",
    "eval_steps": 50,
    "logging_steps": 10,
    "load_best_model_at_end": False,
    "warmup_steps": 0,
    "lr_scheduler_type": "linear",
}


def one(remedy: Remedy, arguments: Mapping[str, Any] = HF) -> Advice:
    (advice,) = advise([remedy], arguments)
    return advice


# (remedy, arguments, setting, old, new, snippet) — the guide's own numbers (C3, C4a, C4b, P1–P4)
OWN = [
    (catalogue.LR_TENTH, HF, "learning_rate", 2e-5, 2e-6, "learning_rate=2e-06"),
    (catalogue.LR_RAISE, HF, "learning_rate", 2e-5, 5e-5, "learning_rate=5e-05"),
    (
        catalogue.SMALLER_BATCH,
        HF,
        "per_device_train_batch_size",
        4,
        2,
        "per_device_train_batch_size=2, gradient_accumulation_steps=16",
    ),
    (
        catalogue.SMALLER_BATCH,
        {"batch_size": 3},
        "batch_size",
        3,
        1,
        "batch_size=1, gradient_accumulation_steps=3",
    ),
    (catalogue.GRADIENT_CHECKPOINTING, HF, "gradient_checkpointing", False, True, "gradient_checkpointing=True"),
    (catalogue.HALF_PRECISION, HF, "bf16", False, True, "bf16=True"),
    (catalogue.SHORTER_SEQUENCES, {"max_seq_length": 512}, "max_seq_length", 512, 256, "max_seq_length=256"),
    (catalogue.MORE_WORKERS, HF, "dataloader_num_workers", 0, 4, "dataloader_num_workers=4"),
    (catalogue.EVALUATE_LESS, HF, "eval_steps", 50, 100, "eval_steps=100"),
    (catalogue.LOG_LESS, HF, "logging_steps", 10, 50, "logging_steps=50"),
    (catalogue.EARLY_STOPPING, HF, "load_best_model_at_end", False, True, "load_best_model_at_end=True"),
    (catalogue.WEIGHT_DECAY, HF, "weight_decay", 0.0, 0.01, "weight_decay=0.01"),
    (catalogue.LORA_DROPOUT, {"lora_dropout": 0.05}, "lora_dropout", 0.05, 0.1, "lora_dropout=0.1"),
    (catalogue.FEWER_EPOCHS, HF, "num_train_epochs", 3, 2, "num_train_epochs=2"),
    (catalogue.FEWER_EPOCHS, {"num_train_epochs": 3, "max_steps": 600}, "max_steps", 600, 400, "max_steps=400"),
    (catalogue.CLIP_GRADIENTS, {"max_grad_norm": 5.0}, "max_grad_norm", 5.0, 1.0, "max_grad_norm=1.0"),
    (catalogue.CLIP_GRADIENTS, {"max_grad_norm": 0.0}, "max_grad_norm", 0.0, 1.0, "max_grad_norm=1.0"),
    (catalogue.WARMUP, {"warmup_steps": 50, "warmup_ratio": 0.0}, "warmup_steps", 50, 100, "warmup_steps=100"),
    (catalogue.WARMUP, {"warmup_steps": 0, "warmup_ratio": 0.03}, "warmup_ratio", 0.03, 0.1, "warmup_ratio=0.1"),
    (
        catalogue.DECAY_LR,
        {"lr_scheduler_type": "constant"},
        "lr_scheduler_type",
        "constant",
        "cosine",
        "lr_scheduler_type='cosine'",
    ),
]


@pytest.mark.parametrize(("remedy", "arguments", "setting", "old", "new", "snippet"), OWN)
def test_own_numbers(
    remedy: Remedy, arguments: Mapping[str, Any], setting: str, old: Any, new: Any, snippet: str
) -> None:
    advice = one(remedy, arguments)
    assert (advice.setting, advice.old, advice.new, advice.snippet) == (setting, old, new, snippet)
    assert not advice.example
    assert setting in render(advice.text)


@pytest.mark.parametrize(
    ("remedy", "words"),
    [
        (catalogue.LR_TENTH, "learning_rate 2e-5 → 2e-6"),
        (catalogue.LR_RAISE, "learning_rate 2e-5 → 5e-5"),
        (catalogue.FEWER_EPOCHS, "num_train_epochs 3 → 2"),
        (catalogue.SMALLER_BATCH, "per_device_train_batch_size 4 → 2 with gradient_accumulation_steps 8 → 16"),
        (catalogue.WEIGHT_DECAY, "weight_decay 0.0 → 0.01"),
        (catalogue.CLIP_GRADIENTS, "already set (max_grad_norm 1.0): look at the data instead"),
    ],
)
def test_words(remedy: Remedy, words: str) -> None:
    assert words in render(one(remedy).text)


@pytest.mark.parametrize(
    ("remedy", "words"),
    [
        (catalogue.LR_TENTH, "for example learning_rate 2e-5 → 2e-6"),
        (catalogue.LR_RAISE, "for example learning_rate 2e-5 → 5e-5"),
        (catalogue.CLIP_GRADIENTS, "for example max_grad_norm=1.0"),
        (catalogue.SMALLER_BATCH, "batch_size 4 → 2 with gradient_accumulation_steps 4 → 8"),
        (catalogue.SHORTER_SEQUENCES, "max_length 512 → 256"),
        (catalogue.EVALUATE_LESS, "eval_steps 50 → 100"),
        (catalogue.LOG_LESS, "logging_steps 10 → 50"),
        (catalogue.MORE_WORKERS, "dataloader_num_workers 0 → 4"),
        (catalogue.WEIGHT_DECAY, "weight_decay 0.0 → 0.01"),
        (catalogue.LORA_DROPOUT, "lora_dropout 0.0 → 0.1"),
        (catalogue.FEWER_EPOCHS, "num_train_epochs 3 → 2"),
    ],
)
def test_the_guide_s_numbers_are_examples(remedy: Remedy, words: str) -> None:
    advice = one(remedy, {})
    assert advice.example
    assert words in render(advice.text)


def test_data_check_is_the_guide_s_line() -> None:
    advice = one(catalogue.CHECK_DATA)
    assert advice.snippet == "dataset = dataset.filter(lambda x: x['text'] is not None)"
    assert advice.snippet in render(advice.text)


@pytest.mark.parametrize(
    ("remedy", "arguments"),
    [
        (catalogue.SMALLER_BATCH, {"batch_size": 1}),
        (catalogue.GRADIENT_CHECKPOINTING, {"gradient_checkpointing": True}),
        (catalogue.HALF_PRECISION, {"bf16": False, "fp16": True}),
        (catalogue.HALF_PRECISION, {"precision": "bf16-mixed"}),
        (catalogue.MORE_WORKERS, {"num_workers": 8}),
        (catalogue.PIN_MEMORY, HF),
        (catalogue.EVALUATE_LESS, {"eval_strategy": "epoch", "eval_steps": 50}),
        (catalogue.EARLY_STOPPING, {"load_best_model_at_end": "True"}),
        (catalogue.WEIGHT_DECAY, {"weight_decay": 0.1}),
        (catalogue.LORA_DROPOUT, {"lora_dropout": 0.1}),
        (catalogue.LORA_DROPOUT, {"lr": 1e-3, "batch_size": 8}),
        (catalogue.FEWER_EPOCHS, {"epochs": 1}),
        (catalogue.USE_BF16, {"bf16": True}),
        (catalogue.SHOW_NAN, {"logging_nan_inf_filter": False}),
        (catalogue.DECAY_LR, HF),
    ],
)
def test_what_is_applied_is_not_given_again(remedy: Remedy, arguments: Mapping[str, Any]) -> None:
    assert advise([remedy], arguments) == ()


def test_contradictions_are_not_given_together() -> None:
    given = advise([catalogue.LR_TENTH, catalogue.LR_RAISE], HF)
    assert [a.new for a in given] == [2e-6]
    assert advise([catalogue.LR_RAISE], HF, taken_moves={"lr down"}) == ()
    assert advise([catalogue.LARGER_BATCH], HF, taken_moves={"batch down"}) == ()
    assert len(advise([catalogue.LR_LOWER], HF, taken_moves={"lr down"})) == 1


def test_a_remedy_that_is_not_given_takes_no_move() -> None:
    """FEWER_EPOCHS is impossible with one epoch, so TRAIN_LONGER contradicts nothing."""
    assert len(advise([catalogue.FEWER_EPOCHS, catalogue.TRAIN_LONGER], {"epochs": 1})) == 1


def test_opposite() -> None:
    assert (opposite("lr down"), opposite("effective batch up")) == ("lr up", "effective batch down")


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ({"lr": 1e-3}, ("lr", 1e-3)),
        ({"optimizer.lr": 1e-3}, ("optimizer.lr", 1e-3)),
        ({"optim/max_lr": 1e-3}, ("optim/max_lr", 1e-3)),
        ({"learning_rate": "2e-5"}, ("learning_rate", 2e-5)),
        ({"lr": 1e-3, "learning_rate": 2e-5}, ("learning_rate", 2e-5)),
        ({"learning_rate": None, "lr": 1e-3}, ("lr", 1e-3)),
        ({"learning_rate": float("nan")}, None),
        ({"lr": [1e-3, 1e-4]}, None),
        ({}, None),
    ],
)
def test_names_of_other_frameworks(arguments: Mapping[str, Any], found: tuple[str, Any] | None) -> None:
    assert find_argument(arguments, "learning_rate") == found


def test_a_hostile_name_is_not_copied() -> None:
    advice = one(catalogue.LR_TENTH, {"x`rm -rf /`\n.lr": 1e-3})
    assert (advice.setting, advice.snippet) == ("lr", "lr=0.0001")


def test_a_word_in_place_of_a_number_falls_back_to_the_example() -> None:
    assert one(catalogue.LR_TENTH, {"learning_rate": "auto"}).example


@pytest.mark.parametrize("name", catalogue.catalogue())
@pytest.mark.parametrize("arguments", [{}, HF, {"lr": "1e-3", "epochs": "10", "batch_size": 32}])
def test_every_remedy_can_be_said(name: str, arguments: Mapping[str, Any]) -> None:
    for advice in advise([catalogue.catalogue()[name]], arguments):
        text = render(advice.text)
        assert text and "{" not in text.replace(advice.snippet or "", "")
        if advice.setting is not None:
            assert advice.snippet is not None and advice.new is not None and advice.new != advice.old
            compile(f"dict({advice.snippet})" if "." not in advice.setting else "0", "snippet", "eval")


def test_moves_name_a_way() -> None:
    for name, remedy in catalogue.catalogue().items():
        assert remedy.move is None or remedy.move.endswith((" up", " down")), name


# --- what other files and curves tell -------------------------------------------------------------------------------


def logged(arguments: Mapping[str, Any], rates: list[float], state: TrainerState | None = None) -> Mapping[str, Any]:
    steps = np.arange(len(rates), dtype=np.int64)
    series = Series("train/learning_rate", ".", steps, np.asarray(rates, np.float64), steps.astype(np.float64))
    training = Training(".", (Run(".", {series.tag: series}),), arguments=arguments, trainer_state=state)
    return known_arguments(training, choose_roles(training))


def test_the_logged_learning_rate_stands_in_for_the_argument() -> None:
    peak = float(np.float32(2e-5))  # event files hold 32-bit floats
    assert logged({}, [1e-6, peak, float("nan"), 1e-5])["learning_rate"] == 2e-5
    assert "learning_rate" not in logged({"lr": 1e-3}, [1e-6, peak])
    assert "learning_rate" not in logged({}, [float("nan")])


def test_what_other_files_tell_does_not_rule_out_lora() -> None:
    assert one(catalogue.LORA_DROPOUT, logged({}, [1e-5])).example


def test_trainer_state_tells_the_length_and_the_intervals() -> None:
    state = TrainerState("trainer_state.json", num_train_epochs=3, max_steps=600, eval_steps=50, logging_steps=10)
    known = logged({"eval_steps": 25}, [1e-5], state)
    assert render(one(catalogue.FEWER_EPOCHS, known).text).endswith("num_train_epochs 3 → 2")
    assert one(catalogue.LOG_LESS, known).new == 50
    assert one(catalogue.EVALUATE_LESS, known).new == 50
