"""Writes docs/roles.md from the table of naming conventions, so that the page cannot drift from what is read.

python tools/roles_page.py            # writes docs/roles.md
"""

from __future__ import annotations

from pathlib import Path

from tb_evalguide.model import Role
from tb_evalguide.roles.conventions import CONVENTIONS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "roles.md"

INTRODUCTION = """\
# Roles: which series is what

<!-- Written by tools/roles_page.py from tb_evalguide/roles/conventions.py. Do not edit by hand: make docs -->

Before anything is judged, each training's series get roles: this tag is the train loss, that one the eval loss, and so
on. The report says for each role which tag was taken and why (`roles` in the JSON, the Roles panel in the tab), and
what was ambiguous (`role_notes`).

## How a role is chosen

1. **Your own word wins.** `--role train_loss=my/loss`, or in `evalguide.toml`:

   ```toml
   [roles]
   train_loss = "my/loss"         # a tag
   eval_loss = "validation:*loss" # a run and a tag; both may be globs
   ```

2. **The framework's spelling**, from the table below. The framework is known from the files (a `trainer_state.json`, an
   `hparams.yaml`, Keras' folders) or from its typical tags.
3. **The words of the tag**, and of the sub-run that it stands in: `train`, `val`, `dev`, `test`; `loss`, `nll`, `cost`;
   `mse`, `mae`, `huber`, `logcosh`, `l1` and other errors only where no loss is logged (`huber` beside `val_huber` is
   then that of training). A tag `Loss` in a run `Loss_validation` is an eval loss.
   The Korean words 학습, 훈련, 검증, 평가, 시험, 손실, 정확도 and 학습률 count alike; `te_loss` and `va_loss` do
   beside a `tr_loss`.
4. **A pair that names no quantity**, `g/train` and `g/val` (or `g/batch` and `g/heldout`: what is logged by batch
   beside an evaluation of the same name is of the training), only where no loss is named at all and the training side
   falls, or fell far before it climbed (`elbo` is such a name where it is logged negative, so that it falls); or the
   only curve of a log, where it falls. The report says so, and the choice is not certain. So does a reconstruction
   (`train/Recon` beside `train/KL`) where no series is named a loss.

## What is compared with what

- The total loss goes before its parts. A part (`box_loss`, `kl_loss`) is compared with the same part only, and only
  where a total is missing on one side; the report says so. A total is never compared with a part.
- Where a framework logs the addends of its loss and nothing else (YOLO's box, class and dfl loss), their sum is the
  loss, named `train/box+cls+dfl_loss`: the same parts in both splits, logged at the same steps. A part that you name
  yourself is compared with the same part where there is one, and with whatever stands for the other split where not.
- Where a series per step and one per epoch exist, the one per step is taken, unless only the other counts the same
  steps as the eval loss.
- Validation goes before test; test data stand in only where there is nothing else.
- Of several evaluation sets, the one named by `metric_for_best_model` is taken, else the first; the others are shown
  beside it.
- A best value so far (`best_val_loss`), a minimum, maximum or spread is not the series itself.
- What cannot be decided is said, and the choice is marked as not certain. A role without a series stays empty: a run
  with train loss only is judged by its train loss only.

## Metrics

Every series that reads as a quality on held-out data is a metric. Whether more is better is known by name (accuracy,
F1, BLEU, ROUGE, mAP, AUC … more; WER, CER, perplexity, MAE, error … less). For other names set it:

```toml
metric = "eval/my_score"
greater_is_better = true
```

## Spellings
"""

NAMES = {
    Role.TRAIN_LOSS: "train loss",
    Role.EVAL_LOSS: "eval loss",
    Role.LEARNING_RATE: "learning rate",
    Role.GRAD_NORM: "gradient norm",
    Role.EPOCH: "epoch",
    Role.TRAIN_PERPLEXITY: "train perplexity",
    Role.EVAL_PERPLEXITY: "eval perplexity",
    Role.TRAIN_ACCURACY: "train accuracy",
    Role.EVAL_ACCURACY: "eval accuracy",
    Role.EVAL_METRIC: "metric",
    Role.LOSS_SCALE: "loss scale",
    Role.MEMORY: "memory",
    Role.THROUGHPUT: "throughput",
    Role.STEP_TIME: "step time",
    Role.REWARD: "reward",
    Role.TOKENS: "tokens",
}


def page() -> str:
    """The whole page."""
    lines = [INTRODUCTION]
    for convention in CONVENTIONS:
        lines += [f"### {convention.name}", "", "| role | written as, in order of preference |", "|---|---|"]
        for role, name in NAMES.items():
            examples = [f"`{naming.example}`" for naming in convention.namings if naming.role is role]
            if examples:
                lines.append(f"| {name} | {', '.join(dict.fromkeys(examples))} |")
        lines.append("")
    lines.append('"run: tag" is a tag in a sub-run of that name; "." is the training\'s own run.')
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
