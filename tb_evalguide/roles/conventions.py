"""The table of naming conventions: how each framework spells the series that play a role."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from tb_evalguide.i18n import N_
from tb_evalguide.model import Role


@dataclass(frozen=True)
class Naming:
    """One spelling. tag, place: regular expressions for the whole tag and for the sub-run's place in its training.

    example: as the framework writes it, "run: tag" where the run matters. A group named `set` in `tag` is an
    evaluation set's name. Among several spellings of one role the earlier is preferred.
    """

    role: Role
    tag: str
    example: str
    place: str | None = None

    @cached_property
    def tag_pattern(self) -> re.Pattern[str]:
        return re.compile(self.tag)

    @cached_property
    def place_pattern(self) -> re.Pattern[str] | None:
        return re.compile(self.place) if self.place is not None else None


@dataclass(frozen=True)
class Convention:
    """A framework's spellings. It speaks when the files name the framework, or when a tag matches each of `signs`."""

    id: str
    name: str
    signs: tuple[str, ...]
    namings: tuple[Naming, ...]
    never: str | None = None  # a tag that shows that it is not this one
    # what it logs as addends of one loss without their sum: a pattern for each split, whose group `first` leads
    parts: tuple[str, ...] = ()
    rl: bool = False
    vision: bool = False

    @cached_property
    def never_pattern(self) -> re.Pattern[str] | None:
        return re.compile(self.never) if self.never is not None else None

    @cached_property
    def part_patterns(self) -> tuple[re.Pattern[str], ...]:
        return tuple(re.compile(part) for part in self.parts)

    @cached_property
    def sign_patterns(self) -> tuple[re.Pattern[str], ...]:
        return tuple(re.compile(sign) for sign in self.signs)


R = Role
_TRAIN_PLACE = r"(.*/)?train(ing)?(_inner)?"
_EVAL_PLACE = r"(.*/)?(validation|val|valid|eval|dev|test)(_\w+)?"
_YOLO_PARTS = r"((?P<first>box)|cls|obj|dfl|seg|sem|pose|kobj|rle|angle)"

CONVENTIONS: tuple[Convention, ...] = (
    Convention(
        "ml_agents",
        "Unity ML-Agents",
        (r"Environment/(Cumulative Reward|Episode Length)|Losses/(Policy|Value) Loss|Policy/Learning Rate",),
        (
            Naming(R.REWARD, r"Environment/Cumulative Reward", "Environment/Cumulative Reward"),
            Naming(R.TRAIN_LOSS, r"Losses/Policy Loss", "Losses/Policy Loss"),
            Naming(R.TRAIN_LOSS, r"Losses/Value Loss", "Losses/Value Loss"),
            Naming(R.LEARNING_RATE, r"Policy/Learning Rate", "Policy/Learning Rate"),
        ),
        rl=True,
    ),
    Convention(
        "stable_baselines3",
        "Stable-Baselines3",
        (
            r"rollout/ep_(rew|len)_mean|train/(policy_gradient|value|actor|critic)_loss|train/(approx_kl|explained_variance)",
        ),
        (
            Naming(R.REWARD, r"rollout/ep_rew_mean", "rollout/ep_rew_mean"),
            Naming(R.REWARD, r"eval/mean_reward", "eval/mean_reward"),
            Naming(R.TRAIN_LOSS, r"train/loss", "train/loss"),
            Naming(R.TRAIN_LOSS, r"train/(value|critic)_loss", "train/value_loss"),
            Naming(R.LEARNING_RATE, r"train/learning_rate", "train/learning_rate"),
            Naming(R.THROUGHPUT, r"time/fps", "time/fps"),
        ),
        rl=True,
    ),
    Convention(
        "yolo",
        "YOLO (Ultralytics)",
        (r"(train|val)/(box|cls|obj|dfl)_loss|metrics/mAP.*",),
        (
            Naming(R.TRAIN_LOSS, r"train/loss", "train/loss"),
            Naming(R.TRAIN_LOSS, r"train/box_loss", "train/box_loss"),
            Naming(R.TRAIN_LOSS, r"train/(cls|obj|dfl|seg|pose)_loss", "train/cls_loss"),
            Naming(R.EVAL_LOSS, r"val/loss", "val/loss"),
            Naming(R.EVAL_LOSS, r"val/box_loss", "val/box_loss"),
            Naming(R.EVAL_LOSS, r"val/(cls|obj|dfl|seg|pose)_loss", "val/cls_loss"),
            Naming(R.EVAL_METRIC, r"metrics/mAP50-95\(B\)", "metrics/mAP50-95(B)"),
            Naming(R.EVAL_METRIC, r"metrics/mAP_0\.5:0\.95", "metrics/mAP_0.5:0.95"),
            Naming(R.EVAL_METRIC, r"metrics/mAP.*", "metrics/mAP50(B)"),
            Naming(R.LEARNING_RATE, r"(lr/pg|x/lr)0", "lr/pg0"),
        ),
        # logged with their gains, so that the loss that is minimised is their sum
        parts=(rf"train/{_YOLO_PARTS}_loss", rf"val/{_YOLO_PARTS}_loss"),
        vision=True,
    ),
    Convention(
        "detectron2",
        "Detectron2",
        (r"total_loss",),
        (
            Naming(R.TRAIN_LOSS, r"total_loss", "total_loss"),
            Naming(R.EVAL_LOSS, r"(total_)?val(idation)?_(total_)?loss", "validation_loss"),
            Naming(R.LEARNING_RATE, r"lr", "lr"),
            Naming(R.EVAL_METRIC, r"(bbox|segm|keypoints|panoptic_seg)/(AP|PQ)", "bbox/AP"),
            Naming(R.STEP_TIME, r"time", "time"),
        ),
    ),
    Convention(
        "megatron",
        "Megatron-LM",
        (r"lm loss( validation)?( vs samples)?",),
        (
            Naming(R.TRAIN_LOSS, r"lm loss", "lm loss"),
            Naming(R.EVAL_LOSS, r"lm loss validation", "lm loss validation"),
            Naming(R.EVAL_PERPLEXITY, r"lm loss validation ppl", "lm loss validation ppl"),
            Naming(R.LEARNING_RATE, r"learning-rate", "learning-rate"),
            Naming(R.GRAD_NORM, r"grad-norm", "grad-norm"),
            Naming(R.LOSS_SCALE, r"loss-scale", "loss-scale"),
            Naming(R.STEP_TIME, r"iteration-time", "iteration-time"),
        ),
    ),
    Convention(
        "deepspeed",
        "DeepSpeed",
        (r"Train/Samples/(train_loss|lr|loss_scale)",),
        (
            Naming(R.TRAIN_LOSS, r"Train/Samples/train_loss", "Train/Samples/train_loss"),
            Naming(R.EVAL_LOSS, r"(Validation|Valid|Eval)/Samples/\w*loss", "Validation/Samples/val_loss"),
            Naming(R.LEARNING_RATE, r"Train/Samples/lr", "Train/Samples/lr"),
            Naming(R.LOSS_SCALE, r"Train/Samples/loss_scale", "Train/Samples/loss_scale"),
            Naming(R.THROUGHPUT, r"Train/Samples/samples_per_sec\w*", "Train/Samples/samples_per_sec"),
        ),
    ),
    Convention(
        "keras",
        "Keras",
        (r"epoch_\w+|batch_loss|evaluation_\w+_vs_iterations",),
        (
            # the epoch series first: they alone share their step axis (epochs) with the validation run
            Naming(R.TRAIN_LOSS, r"epoch_loss", "train: epoch_loss", place=_TRAIN_PLACE),
            Naming(R.TRAIN_LOSS, r"batch_loss", "train: batch_loss", place=_TRAIN_PLACE),
            Naming(R.EVAL_LOSS, r"epoch_loss", "validation: epoch_loss", place=_EVAL_PLACE),
            Naming(R.EVAL_LOSS, r"epoch_val_loss", "epoch_val_loss"),
            Naming(R.EVAL_LOSS, r"evaluation_loss_vs_iterations", "validation: evaluation_loss_vs_iterations"),
            Naming(R.LEARNING_RATE, r"epoch_(learning_rate|lr)", "train: epoch_learning_rate"),
            Naming(R.LEARNING_RATE, r"(batch_)?learning_rate", "train: learning_rate"),
            Naming(R.TRAIN_ACCURACY, r"epoch_\w*acc(uracy)?", "train: epoch_accuracy", place=_TRAIN_PLACE),
            Naming(R.EVAL_ACCURACY, r"epoch_\w*acc(uracy)?", "validation: epoch_accuracy", place=_EVAL_PLACE),
            Naming(R.EVAL_ACCURACY, r"epoch_val_\w*acc(uracy)?", "epoch_val_accuracy"),
            Naming(R.THROUGHPUT, r"batch_steps_per_second", "train: batch_steps_per_second"),
        ),
    ),
    Convention(
        "fairseq",
        "fairseq",
        (r"gnorm|wps|ups|wpb|nll_loss", r"loss"),
        (
            Naming(R.TRAIN_LOSS, r"loss", "train_inner: loss", place=r"(.*/)?train_inner"),
            Naming(R.TRAIN_LOSS, r"loss", "train: loss", place=r"(.*/)?train"),
            Naming(R.EVAL_LOSS, r"loss", "valid: loss", place=r"(.*/)?valid\w*"),
            Naming(R.EVAL_PERPLEXITY, r"ppl", "valid: ppl", place=r"(.*/)?valid\w*"),
            Naming(R.TRAIN_PERPLEXITY, r"ppl", "train_inner: ppl", place=r"(.*/)?train(_inner)?"),
            Naming(R.LEARNING_RATE, r"lr", "train_inner: lr"),
            Naming(R.GRAD_NORM, r"gnorm", "train_inner: gnorm"),
            Naming(R.LOSS_SCALE, r"loss_scale", "train_inner: loss_scale"),
            Naming(R.THROUGHPUT, r"wps", "train_inner: wps"),
        ),
    ),
    Convention(
        "tf_estimator",
        "tf.estimator",
        (r"global_step/sec", r"loss(_1)?"),
        (
            Naming(R.TRAIN_LOSS, r"loss(_1)?", ".: loss", place=r"(.*/)?(train(ing)?)?"),
            Naming(R.EVAL_LOSS, r"loss", "eval: loss", place=r"(.*/)?(eval|validation|val)(_\w+)?"),
            Naming(R.EVAL_LOSS, r"average_loss", "eval: average_loss", place=r"(.*/)?(eval|validation|val)(_\w+)?"),
            Naming(R.EVAL_ACCURACY, r"accuracy", "eval: accuracy", place=r"(.*/)?(eval|validation|val)(_\w+)?"),
            Naming(R.THROUGHPUT, r"global_step/sec", ".: global_step/sec"),
            Naming(R.LEARNING_RATE, r"(learning_rate|lr)(_1)?", ".: learning_rate"),
        ),
    ),
    Convention(
        "torchtune",
        "torchtune",
        (r"tokens_per_second(_per_gpu)?|peak_memory_(active|alloc|reserved)", r"loss"),
        (
            Naming(R.TRAIN_LOSS, r"loss", "loss"),
            Naming(R.EVAL_LOSS, r"val_loss|eval_loss", "val_loss"),
            Naming(R.LEARNING_RATE, r"lr", "lr"),
            Naming(R.GRAD_NORM, r"grad_norm", "grad_norm"),
            Naming(R.THROUGHPUT, r"tokens_per_second(_per_gpu)?", "tokens_per_second_per_gpu"),
            Naming(R.MEMORY, r"peak_memory_(active|alloc)", "peak_memory_active"),
        ),
    ),
    Convention(
        "pix2pix",
        "pix2pix and CycleGAN",
        (r"G_GAN|G_A", r"D_real|D_A", r"G_L1|cycle_A"),
        (
            # what a generator must reproduce falls as it learns; the adversarial losses only balance each other
            Naming(R.TRAIN_LOSS, r"G_L1", "G_L1"),
            Naming(R.TRAIN_LOSS, r"cycle_A", "cycle_A"),
        ),
    ),
    Convention(
        "nanogpt",
        "nanoGPT",
        (r"val/loss", r"train/loss", r"iter|mfu"),
        (
            Naming(R.TRAIN_LOSS, r"train/loss", "train/loss"),
            Naming(R.EVAL_LOSS, r"val/loss", "val/loss"),
            Naming(R.LEARNING_RATE, r"lr", "lr"),
        ),
    ),
    Convention(
        "timm",
        "timm",
        (r"eval_top1|eval_top5", r"train_loss|eval_loss"),
        (
            Naming(R.TRAIN_LOSS, r"train_loss", "train_loss"),
            Naming(R.EVAL_LOSS, r"eval_loss", "eval_loss"),
            Naming(R.EVAL_ACCURACY, r"eval_top1", "eval_top1"),
            Naming(R.LEARNING_RATE, r"lr", "lr"),
        ),
        vision=True,
    ),
    Convention(
        "hf",
        "Hugging Face Trainer",
        (
            r"eval[/_]([\w.-]+_)?(loss|runtime|samples_per_second)"
            r"|train/(loss|learning_rate|grad_norm|epoch|train_runtime|train_loss)|train_(runtime|samples_per_second)",
        ),
        (
            Naming(R.TRAIN_LOSS, r"train/loss", "train/loss"),
            Naming(R.TRAIN_LOSS, r"loss", "loss (trainer_state.json)"),
            Naming(R.EVAL_LOSS, r"eval/loss", "eval/loss"),
            Naming(R.EVAL_LOSS, r"eval_loss", "eval_loss (trainer_state.json)"),
            Naming(R.EVAL_LOSS, r"eval[/_](?P<set>.+)_loss", "eval/<set>_loss"),
            Naming(R.LEARNING_RATE, r"(train/)?learning_rate", "train/learning_rate"),
            Naming(R.GRAD_NORM, r"(train/)?grad_norm", "train/grad_norm"),
            Naming(R.EPOCH, r"(train/)?epoch", "train/epoch"),
            Naming(R.EVAL_PERPLEXITY, r"eval[/_](perplexity|ppl)", "eval/perplexity"),
            Naming(R.TRAIN_ACCURACY, r"train[/_]accuracy", "train/accuracy"),
            Naming(R.EVAL_ACCURACY, r"eval[/_](.+_)?accuracy", "eval/accuracy"),
            Naming(R.TOKENS, r"(train/)?num_(input_tokens_seen|tokens)", "train/num_input_tokens_seen"),
            Naming(R.REWARD, r"(train/)?reward", "train/reward"),
        ),
        never=r"(?i)(val|valid|validation)(_\w+)?/.*|val(id|idation)?_loss",
    ),
    Convention(
        "lightning",
        "Lightning",
        (r"hp_metric|lr-\w+(/pg\d+)?(-momentum)?|(\w+[/_])?loss_(step|epoch)|val_loss/dataloader_idx_\d+",),
        (
            Naming(R.TRAIN_LOSS, r"train(ing)?[/_]loss_step", "train_loss_step"),
            Naming(R.TRAIN_LOSS, r"train(ing)?[/_]loss", "train_loss"),
            Naming(R.TRAIN_LOSS, r"loss_step", "loss_step"),
            Naming(R.TRAIN_LOSS, r"loss", "loss"),
            Naming(R.TRAIN_LOSS, r"train(ing)?[/_]loss_epoch", "train_loss_epoch"),
            Naming(R.TRAIN_LOSS, r"loss_epoch", "loss_epoch"),
            Naming(R.EVAL_LOSS, r"val(id|idation)?[/_]loss", "val_loss"),
            Naming(R.EVAL_LOSS, r"val(id|idation)?[/_]loss_epoch", "val_loss_epoch"),
            Naming(R.EVAL_LOSS, r"val(id|idation)?[/_]loss/dataloader_idx_(?P<set>\d+)", "val_loss/dataloader_idx_0"),
            Naming(R.LEARNING_RATE, r"lr-\w+(/pg\d+)?", "lr-Adam"),
            Naming(R.EPOCH, r"epoch", "epoch"),
            Naming(R.GRAD_NORM, r"grad_\d+(\.\d+)?_norm(_total|/.*total)", "grad_2.0_norm_total"),
            Naming(R.TRAIN_ACCURACY, r"train[/_]acc(uracy)?(_step)?", "train_acc"),
            Naming(R.EVAL_ACCURACY, r"val(id|idation)?[/_]acc(uracy)?(_epoch)?", "val_acc"),
        ),
    ),
    Convention(
        "pytorch",
        N_("Common habits (plain PyTorch and others)"),  # the others are names and the same in every language
        (
            r"(?i)(loss|nll|cost)[/_ ](train|training|trn|val|valid|validation|test|eval|dev)"
            r"|(train|training|val|valid|validation|test)[/_ ]loss",
        ),
        (
            Naming(R.TRAIN_LOSS, r"(?i)train(ing)?[/_ ]loss", "train_loss"),
            Naming(R.EVAL_LOSS, r"(?i)val(id|idation)?[/_ ]loss", "val_loss"),
            Naming(R.TRAIN_LOSS, r"(?i)loss[/_ ]train(ing)?", "Loss/train"),
            Naming(R.EVAL_LOSS, r"(?i)loss[/_ ](val|valid|validation|eval|evaluation|dev)", "Loss/val"),
            Naming(R.EVAL_LOSS, r"(?i)loss[/_ ]test", "Loss/test"),
            Naming(R.EVAL_LOSS, r"(?i)test[/_ ]loss", "test_loss"),
            Naming(R.TRAIN_ACCURACY, r"(?i)acc(uracy)?[/_ ]train(ing)?", "Accuracy/train"),
            Naming(R.EVAL_ACCURACY, r"(?i)acc(uracy)?[/_ ](val|valid|validation|eval|dev)", "Accuracy/val"),
            Naming(R.EVAL_ACCURACY, r"(?i)acc(uracy)?[/_ ]test", "Accuracy/test"),
            Naming(R.LEARNING_RATE, r"(?i)lr|learning[_ ]?rate", "LR"),
            Naming(R.GRAD_NORM, r"(?i)grad(ient)?s?[/_ ]norm", "Grad/norm"),
        ),
    ),
)
del R
