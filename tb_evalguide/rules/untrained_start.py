"""A pretrained model starts as if it knew nothing.

## What it checks
The first losses of a fine-tuning against the logarithm of the vocabulary size: a model that guesses evenly has a loss
of ln(vocabulary), a pretrained one starts far below (the guide: 2–3, where ln(vocabulary) is about 12).

## Why it matters
The weights were not loaded, the tokenizer belongs to another model, or the labels are wrong. The training then starts
from nothing, with a learning rate meant for fine-tuning.

## What to do
Look at the warnings about newly initialised weights when the model is loaded, check that the tokenizer is the model's
own, and evaluate the model before the first step: its loss must be that of a pretrained model.

## When it is wrong
Training from scratch on purpose, a vocabulary that was extended by many new tokens, or a language that the model has
never seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tb_evalguide import remedies
from tb_evalguide.case import Case
from tb_evalguide.i18n import N_
from tb_evalguide.model import Evidence, Rule, Severity, Skip, Text, Tier


@dataclass(frozen=True)
class Limits:
    share: float = 0.9  # of ln(vocabulary) (failure-modes.md #4)
    vocabulary: int = 1000  # below it tokens are characters or bytes, and the model one's own; own choice


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    size = vocabulary(case)
    if size is None:
        return Skip(Text(N_("the vocabulary size is not in the log")))
    if size < limits.vocabulary or (case.profile.id == "pretrain" and not adapters(case)):
        return Skip(Text(N_("nothing says that a pretrained model was meant to be loaded")))
    firsts = [(int(c.steps[0]), float(c.values[0]), c.tag) for c in (case.evals, case.train) if c is not None]
    if not firsts:
        return Skip(Text(N_("no loss in the log")))
    step, start, tag = min(firsts)
    chance = math.log(size)
    if start < limits.share * chance:
        return ()
    return [
        Evidence(
            steps=(step, step),
            tags=(tag,),
            numbers={"start": start, "chance": chance, "vocabulary": size},
            confidence=0.9,
        )
    ]


def vocabulary(case: Case) -> int | None:
    for source in (case.training.model_config, case.arguments):
        size = source.get("vocab_size")
        if isinstance(size, (int, float)) and not isinstance(size, bool) and math.isfinite(size) and size >= 2:
            return int(size)
    return None


def adapters(case: Case) -> bool:
    """LoRA and its kin train a few weights beside frozen ones: those must have been pretrained."""
    names = ("lora_r", "lora_alpha", "lora_dropout", "peft_config", "load_in_4bit")
    return any(name in case.arguments for name in names)


RULE = Rule(
    id="INT004",
    guide=("M5", "M7"),
    label="data_integrity",
    severity=Severity.HIGH,
    tier=Tier.INTEGRITY,
    doc=__doc__,
    limits=Limits(),
    check=check,
    message=N_(
        "The loss starts at {start:.3g}, near ln({vocabulary}) = {chance:.3g}: the model knows nothing, its "
        "pretrained weights were probably not loaded."
    ),
    remedies=(remedies.CHECK_WEIGHTS, remedies.CHECK_LABELS),
    profiles=("guide", "llm-sft", "pretrain"),
)
