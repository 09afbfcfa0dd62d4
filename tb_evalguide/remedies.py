"""The catalogue of remedies that rules share, and `advise`, which puts them into the run's own numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from tb_evalguide.i18n import N_
from tb_evalguide.model import Advice, Remedy, Role, Roles, Text, Training

# Hugging Face's name of a setting → names that other frameworks and habits give it. The first that the log has is used,
# under the name it has there. A nested name ("optimizer.lr", "optim/lr") counts by its last part.
ALIASES: Mapping[str, tuple[str, ...]] = {
    "learning_rate": (
        "learning_rate",
        "lr",
        "max_lr",
        "base_lr",
        "init_lr",
        "initial_lr",
        "peak_lr",
        "lr0",
        "learning-rate",
    ),
    "per_device_train_batch_size": (
        "per_device_train_batch_size",
        "train_batch_size",
        "train_micro_batch_size_per_gpu",
        "micro_batch_size",
        "micro-batch-size",
        "batch_size",
        "batch",
        "bs",
    ),
    "gradient_accumulation_steps": (
        "gradient_accumulation_steps",
        "accumulate_grad_batches",
        "grad_accum_steps",
        "accumulation_steps",
        "accum_iter",
        "update_freq",
    ),
    "num_train_epochs": (
        "num_train_epochs",
        "num_epochs",
        "max_epochs",
        "epochs",
        "n_epochs",
        "max_epoch",
        "train_epochs",
    ),
    "max_steps": ("max_steps", "total_steps", "num_training_steps", "train_iters", "train-iters", "max_iters"),
    "weight_decay": ("weight_decay", "wd", "l2", "weight-decay"),
    "max_grad_norm": (
        "max_grad_norm",
        "gradient_clip_val",
        "grad_clip",
        "clip_grad",
        "clip-grad",
        "clip_grad_norm",
        "clip_norm",
        "clipnorm",
        "gradient_clipping",
        "grad_clip_norm",
    ),
    "gradient_checkpointing": ("gradient_checkpointing", "activation_checkpointing", "use_gradient_checkpointing"),
    "bf16": ("bf16",),
    "max_length": (
        "max_length",
        "max_seq_length",
        "max_seq_len",
        "model_max_length",
        "block_size",
        "seq_length",
        "context_length",
    ),
    "dataloader_num_workers": ("dataloader_num_workers", "num_workers", "workers", "n_workers"),
    "dataloader_pin_memory": ("dataloader_pin_memory", "pin_memory", "pin_mem"),
    "eval_steps": ("eval_steps", "eval_interval", "eval_every", "val_check_interval", "eval_freq", "eval-interval"),
    "logging_steps": ("logging_steps", "log_every_n_steps", "log_interval", "log_every", "log_freq", "log-interval"),
    "load_best_model_at_end": ("load_best_model_at_end", "restore_best_weights"),
    "lora_dropout": ("lora_dropout",),
    "dropout": ("dropout", "dropout_rate", "hidden_dropout_prob", "drop_rate", "p_dropout"),
    "warmup_ratio": ("warmup_ratio", "warmup_fraction", "warmup_proportion"),
    "warmup_steps": ("warmup_steps", "num_warmup_steps", "warmup_iters", "warmup_updates", "lr_warmup_steps"),
    "lr_scheduler_type": ("lr_scheduler_type", "lr_scheduler", "scheduler", "lr_decay_style", "sched"),
    "logging_nan_inf_filter": ("logging_nan_inf_filter",),
    "save_total_limit": ("save_total_limit", "save_top_k", "max_to_keep"),
}
# A setting that another one overrides: Hugging Face ignores the number of epochs when `max_steps` is positive, and the
# ratio when `warmup_steps` is.
_OVERRIDDEN_BY = {"num_train_epochs": "max_steps", "warmup_ratio": "warmup_steps"}
_HARMLESS_NAME = re.compile(r"[\w./-]{1,80}")
# No setting is larger, and nothing that is computed from a smaller one overflows. Own choice.
LARGEST_SETTING = 1e15


# --- what becomes of a present value: None means that nothing is left to change ---------------------------


def _times(factor: float) -> Callable[[Any], Any]:
    def to(value: Any) -> Any:
        return _rounded(value * factor) if value > 0 else None

    return to


def _halved(value: Any) -> Any:
    return int(value) // 2 if value >= 2 else None


def _doubled(value: Any) -> Any:
    return _whole(value * 2) if value > 0 else None


def _two_thirds(value: Any) -> Any:
    """3 epochs → 2; one is left alone."""
    new = max(1, int(value * 2 / 3 + 0.5))
    return new if new < value else None


def _at_least(least: float) -> Callable[[Any], Any]:
    return lambda value: least if value < least else None


def _turned_on(value: Any) -> Any:
    return None if value else True


def _clipped(value: Any) -> Any:
    """0 means that nothing is clipped."""
    return 1.0 if value <= 0 or value > 1.0 else None


def _longer_warmup(value: Any) -> Any:
    """A share grows to 10 % at least; a count of steps doubles."""
    return _doubled(value) if value >= 1 else max(0.1, _rounded(2 * value)) if value < 0.2 else None


def _shorter_warmup(value: Any) -> Any:
    return int(value) // 2 if value >= 2 else _rounded(value / 2) if 0 < value < 1 else None


def _rounded(value: float) -> float | int:
    """Three significant digits: 2.0000000000000003e-06 is nobody's learning rate."""
    short = float(f"{value:.3g}")
    return short if isinstance(value, float) else round(value)


def _whole(value: Any) -> Any:
    return int(value) if float(value).is_integer() else value


# --- whether it is done already -----------------------------------------------------------------------------


def _half_precision(arguments: Mapping[str, Any]) -> bool:
    if any(_truth(arguments.get(name)) for name in ("bf16", "fp16")):
        return True
    return str(arguments.get("precision", "")).startswith(("16", "bf16"))


def _no_fp16(arguments: Mapping[str, Any]) -> bool:
    """Nothing is in half precision with its small range, or what the log says is not enough to know."""
    return not (_truth(arguments.get("fp16")) or str(arguments.get("precision", "")).startswith("16"))


def _clips(arguments: Mapping[str, Any]) -> bool:
    found = find_argument(arguments, "max_grad_norm")
    return found is not None and _is_number(found[1]) and 0 < found[1] <= 1.0


def _decays(arguments: Mapping[str, Any]) -> bool:
    found = find_argument(arguments, "lr_scheduler_type")
    return (
        found is not None
        and str(found[1]).lower().replace("schedulertype.", "") not in ("none", "")
        and "constant" not in str(found[1])
    )


def _by_epoch(arguments: Mapping[str, Any]) -> bool:
    strategy = arguments.get("eval_strategy", arguments.get("evaluation_strategy"))
    return str(strategy).lower().endswith(("epoch", "no")) and strategy is not None


# What known_arguments takes from elsewhere: these alone are no list of arguments.
_TOLD_BY_OTHERS = frozenset({"learning_rate", "num_train_epochs", "max_steps", "eval_steps", "logging_steps"})


def _without_lora(arguments: Mapping[str, Any]) -> bool:
    """The log lists arguments of a model of its own and none of LoRA. Hugging Face's list never tells."""
    names = set(arguments) - _TOLD_BY_OTHERS
    if not names or "per_device_train_batch_size" in names:
        return False
    return not any("lora" in name.lower() or "peft" in name.lower() for name in names)


# --- the catalogue ------------------------------------------------------------------------------------------

# P1, C4a, M4: instability
LR_TENTH = Remedy(
    N_("Lower the learning rate to a tenth"),
    "learning_rate",
    _times(0.1),
    (2e-5, 2e-6),
    ("C4a", "P1"),
    "lr down",
)
LR_HUNDREDTH = Remedy(
    N_("Lower the learning rate to a hundredth"), "learning_rate", _times(0.01), (0.1, 1e-3), ("P1",), "lr down"
)
LR_LOWER = Remedy(N_("Halve the learning rate"), "learning_rate", _times(0.5), (2e-5, 1e-5), ("Z7",), "lr down")
LR_RAISE = Remedy(
    N_("Raise the learning rate 2 to 5 times"),
    "learning_rate",
    _times(2.5),
    (2e-5, 5e-5),
    ("C3", "C4b"),
    "lr up",
)
CLIP_GRADIENTS = Remedy(
    N_("Clip the gradients"),
    "max_grad_norm",
    _clipped,
    (None, 1.0),
    ("P1", "V3"),
    applied=_clips,
    already=N_("Gradient clipping is already set ({setting} {value}): look at the data instead"),
)
CHECK_DATA = Remedy(
    N_("Check the data for empty or broken samples, for example: {code}"),
    guide=("P1",),
    code="dataset = dataset.filter(lambda x: x['text'] is not None)",
)
USE_BF16 = Remedy(
    N_("Use bf16 in place of fp16: its range is that of fp32"),
    "bf16",
    _turned_on,
    (False, True),
    ("P1", "P2"),
    applied=_no_fp16,
)
WARMUP = Remedy(
    N_("Warm the learning rate up more slowly"), "warmup_ratio", _longer_warmup, (0.0, 0.1), ("V2",), "warmup up"
)
SHORTER_WARMUP = Remedy(N_("Shorten the warm-up"), "warmup_ratio", _shorter_warmup, (0.2, 0.1), ("V2",), "warmup down")
DECAY_LR = Remedy(
    N_("Let the learning rate decay towards the end"),
    "lr_scheduler_type",
    lambda value: "cosine",
    ("constant", "cosine"),
    ("M4", "V2"),
    applied=_decays,
)
ROLL_BACK = Remedy(N_("Go back to the last good checkpoint and continue from there with a lower learning rate"))
CHECK_BATCHES = Remedy(N_("Look at the batches just before the jump; leave them out if their data is broken"))
LARGER_BATCH = Remedy(
    N_("Use a larger batch, which makes the gradients less noisy"),
    "per_device_train_batch_size",
    _doubled,
    (4, 8),
    ("Z7", "P3"),
    "batch up",
)
LARGER_EFFECTIVE_BATCH = Remedy(
    N_("Accumulate gradients over more steps, which makes them less noisy"),
    "gradient_accumulation_steps",
    _doubled,
    (4, 8),
    ("Z7",),
    "effective batch up",
)
SHOW_NAN = Remedy(
    N_("Log NaN as it is, which the filter hides"),
    "logging_nan_inf_filter",
    lambda value: False if value else None,
    (True, False),
    ("Z5",),
    applied=lambda arguments: not _truth(arguments.get("logging_nan_inf_filter")),
)

# P2: out of memory
SMALLER_BATCH = Remedy(
    N_("Halve the batch size and accumulate gradients, so that the effective batch stays the same"),
    "per_device_train_batch_size",
    _halved,
    (4, 2),
    ("P2",),
    "batch down",
    companion="gradient_accumulation_steps",
)
GRADIENT_CHECKPOINTING = Remedy(
    N_("Recompute activations instead of storing them"),
    "gradient_checkpointing",
    _turned_on,
    (False, True),
    ("P2",),
)
HALF_PRECISION = Remedy(
    N_("Train in half precision (bf16, or fp16 where the card has no bf16)"),
    "bf16",
    _turned_on,
    (False, True),
    ("P2",),
    applied=_half_precision,
)
SHORTER_SEQUENCES = Remedy(N_("Shorten the sequences"), "max_length", _halved, (512, 256), ("P2",), "length down")

# P3: too slow
LARGER_BATCH_FOR_SPEED = Remedy(
    N_("Use a larger batch if memory allows"),
    "per_device_train_batch_size",
    _doubled,
    (4, 8),
    ("P3",),
    "batch up",
)
MORE_WORKERS = Remedy(N_("Load the data in parallel"), "dataloader_num_workers", _at_least(4), (0, 4), ("P3",))
PIN_MEMORY = Remedy(
    N_("Pin the memory of the data loader"), "dataloader_pin_memory", _turned_on, (False, True), ("P3",)
)
EVALUATE_LESS = Remedy(
    N_("Evaluate less often"), "eval_steps", _doubled, (50, 100), ("P3",), "evals down", applied=_by_epoch
)
LOG_LESS = Remedy(N_("Log less often"), "logging_steps", _times(5), (10, 50), ("P3",), "logs down")
SMALLER_EVAL_SET = Remedy(N_("Evaluate on a fixed sample of the validation set"), guide=("P3",))
CHECK_MACHINE = Remedy(
    N_("Look at the machine: disk, network, temperature, other jobs on the same card"), guide=("P3",)
)

# P4, C2: overfitting
USE_BEST_CHECKPOINT = Remedy(N_("Use the checkpoint with the lowest eval loss, not the last one"), guide=("C2", "K4"))
USE_BEST_BY_METRIC = Remedy(
    N_("Use the checkpoint with the best metric, not the last one, and log the eval loss as well"), guide=("C2", "K4")
)
EARLY_STOPPING = Remedy(
    N_("Stop early and keep the best checkpoint (EarlyStoppingCallback)"),
    "load_best_model_at_end",
    _turned_on,
    (False, True),
    ("C2", "P4"),
)
LORA_DROPOUT = Remedy(
    N_("Raise the dropout of LoRA, when LoRA is used"),
    "lora_dropout",
    _at_least(0.1),
    (0.0, 0.1),
    ("P4",),
    "regularise up",
    applied=_without_lora,
)
DROPOUT = Remedy(N_("Use more dropout"), "dropout", _at_least(0.1), (0.0, 0.1), ("C2",), "regularise up")
WEIGHT_DECAY = Remedy(
    N_("Use weight decay"), "weight_decay", _at_least(0.01), (0.0, 0.01), ("C2", "P4"), "regularise up"
)
FEWER_EPOCHS = Remedy(N_("Train for fewer epochs"), "num_train_epochs", _two_thirds, (3, 2), ("P4",), "epochs down")
AUGMENT_DATA = Remedy(N_("Add data, or augment it where possible"), guide=("P4",))
RANK_ON_METRIC = Remedy(N_("Rank the checkpoints by the task's own metric, which still improves"), guide=("K4",))

# C3, C4b: underfitting
MORE_EPOCHS = Remedy(N_("Train for more epochs"), "num_train_epochs", _doubled, (3, 6), ("C3",), "epochs up")
LARGER_MODEL = Remedy(N_("Use a larger model (the guide: 3B → 7B)"), guide=("C3",), move="model up")
ADJUST_BATCH = Remedy(N_("Try another batch size"), guide=("C3",))
LESS_REGULARISATION = Remedy(N_("Use less dropout and weight decay"), guide=("C3",), move="regularise down")
TRAIN_LONGER = Remedy(N_("Train longer: the loss is still falling"), guide=("C1",), move="epochs up")
STOP_HERE = Remedy(N_("Stop here: more steps at this learning rate gain nothing"), move="epochs down")

# integrity, schedule, resume
DIVIDE_LOSS = Remedy(
    N_("Divide the loss by the number of accumulation steps (or processes) before logging and applying it")
)
CHECK_WEIGHTS = Remedy(N_("Check that the pretrained weights were loaded and that the tokenizer belongs to the model"))
CHECK_LABELS = Remedy(N_("Check the labels: with all of them masked (−100) the loss is 0 or NaN"))
CHECK_TARGETS = Remedy(
    N_("Check that labels reach the loss and the metric: class ids, mask values, box format, the metric's threshold")
)
RARE_CLASS = Remedy(N_("Weight the rare class more in the loss, or sample it more often"))
CHECK_PRECISION = Remedy(
    N_("Try fp32 and another attention backend for some steps, to see whether precision is the cause")
)
CHECK_FROZEN = Remedy(N_("Check that the parameters to be trained are in the optimizer and are not frozen"))
CHECK_INIT = Remedy(N_("Check the initialisation, the activations and the normalisation of the layers"))
OVERFIT_TEN = Remedy(N_("Try to overfit ten samples first: if that fails, the model or its inputs are broken"))
CHECK_LEAKAGE = Remedy(N_("Check that no training example is in the validation set"))
SHUFFLE = Remedy(N_("Shuffle the training data anew in every epoch"))
FIX_SCHEDULER = Remedy(
    N_("Step the scheduler once per optimizer step, not once per process or micro-batch"), guide=("V2",)
)
CHECK_SCHEDULE = Remedy(
    N_("Check the scheduler: its total number of steps and its warm-up must fit the run"), guide=("M4", "V2")
)
FIND_RATE_STEP = Remedy(
    N_("Find what sets the learning rate at these steps (a callback, a second scheduler, a restart) and take it out")
)
RESTORE_STATE = Remedy(N_("Restore optimizer, scheduler and data order with the weights when resuming"))
GROUP_SPREAD = Remedy(
    N_("Sample more answers per prompt or at a higher temperature, and choose prompts that are solved only sometimes")
)
LOG_REAL_EVALS = Remedy(N_("Log the eval loss only at the steps where an evaluation was made"), guide=("V4",))
SCALE_TARGETS = Remedy(N_("Scale masks and labels to 0 and 1, as the model's outputs are, and check the metric's code"))
SEPARATE_FOLDERS = Remedy(N_("Give every run a log folder of its own"))
PURGE_STEP = Remedy(N_("Pass the step to go on from to the writer (purge_step), so that the old tail is dropped"))
CHECK_JOB = Remedy(N_("Look at the job: is the process alive, and what does its log say?"))
RESUME = Remedy(N_("Resume from the last checkpoint"))
KEEP_BEST = Remedy(N_("Keep the best checkpoint: it is not on disk any more (save_total_limit)"), guide=("K1",))
MORE_EVALS = Remedy(
    N_("Evaluate more often, so that a trend can be seen"), "eval_steps", _halved, (100, 50), (), "evals up"
)
LOG_BOTH = Remedy(N_("Log both train loss and eval loss"), guide=("V4",))
CHECK_EVALUATION = Remedy(
    N_("Check that the model that is trained is the one that is evaluated, with its own labels and inputs"),
    guide=("V4",),
)
SAME_EVAL_SET = Remedy(N_("Evaluate on the same set every time"))


def catalogue() -> dict[str, Remedy]:
    """{name: remedy} of everything above."""
    return {name: value for name, value in globals().items() if isinstance(value, Remedy)}


# --- in the run's own numbers --------------------------------------------------------------------------------


def advise(
    remedies: Iterable[Remedy],
    arguments: Mapping[str, Any],
    *,
    taken_moves: Collection[str] = (),
    taken_settings: Mapping[str, object] = MappingProxyType({}),
) -> tuple[Advice, ...]:
    """The remedies in the numbers of this run where `arguments` has them, else in the guide's own as examples.

    What is already applied is not given again. What contradicts a move in `taken_moves` (made by a finding that comes
    first) or an earlier remedy is left out, and so is another figure for a setting in `taken_settings` (setting → new
    value, by such a finding) or in an earlier remedy.
    """
    out: list[Advice] = []
    taken, settings = set(taken_moves), dict(taken_settings)
    for remedy in remedies:
        if remedy.move is not None and opposite(remedy.move) in taken:
            continue
        advice = _advice(remedy, arguments)
        if advice is None or (advice.setting is not None and settings.get(advice.setting, advice.new) != advice.new):
            continue
        if advice.setting is not None:
            settings[advice.setting] = advice.new
        if remedy.move is not None:
            taken.add(remedy.move)
        out.append(advice)
    return tuple(out)


def known_arguments(training: Training, roles: Roles) -> Mapping[str, Any]:
    """The training's arguments, and what its other files and curves say of those that are missing.

    A trainer_state.json states the length of the run and its intervals; the logged learning rate has its own peak.
    """
    found: dict[str, Any] = {}
    state = training.trainer_state
    if state is not None:
        found = {
            "num_train_epochs": state.num_train_epochs,
            "max_steps": state.max_steps if state.num_train_epochs is None else None,
            "eval_steps": state.eval_steps,
            "logging_steps": state.logging_steps,
        }
    rates = roles.get(Role.LEARNING_RATE)
    if rates is not None and np.isfinite(rates.values).any():
        found["learning_rate"] = float(f"{np.nanmax(rates.values[np.isfinite(rates.values)]):.6g}")
    missing = {k: v for k, v in found.items() if v is not None and find_argument(training.arguments, k) is None}
    return {**missing, **training.arguments} if missing else training.arguments


def opposite(move: str) -> str:
    """ "lr down" ↔ "lr up"."""
    what, _, way = move.rpartition(" ")
    return f"{what} {'down' if way == 'up' else 'up'}"


def _advice(remedy: Remedy, arguments: Mapping[str, Any]) -> Advice | None:
    what = Text(remedy.text, {"code": remedy.code} if remedy.code else {})
    if remedy.setting is None:
        done = remedy.applied is not None and remedy.applied(arguments)
        return None if done else Advice(what, snippet=remedy.code)
    setting, value = _effective(arguments, remedy.setting)
    if remedy.applied is not None and remedy.applied(arguments):
        return _already(remedy, setting, value)
    if value is not None and remedy.to is not None:
        try:
            new = remedy.to(value)
        except TypeError:  # a text where a number belongs: the run's own value says nothing
            return _example(remedy, what)
        if new is None:
            return _already(remedy, setting, value)
        return _change(remedy, what, arguments, setting, value, new, example=False)
    return _example(remedy, what)


def _already(remedy: Remedy, setting: str, value: Any) -> Advice | None:
    if remedy.already is None:
        return None
    return Advice(Text(remedy.already, {"setting": setting, "value": _spell(value)}))


def _example(remedy: Remedy, what: Text) -> Advice:
    if remedy.example is None or remedy.setting is None:
        return Advice(what, setting=remedy.setting)
    old, new = remedy.example
    return _change(remedy, what, {}, remedy.setting, old, new, example=True)


def _change(
    remedy: Remedy, what: Text, arguments: Mapping[str, Any], setting: str, old: Any, new: Any, *, example: bool
) -> Advice:
    if isinstance(new, int) and isinstance(old, float):
        old = _whole(old)  # Hugging Face writes 3.0 epochs
    params: dict[str, object] = {"what": what, "setting": setting, "old": _spell(old), "new": _spell(new)}
    snippet = f"{setting}={new!r}"
    template = N_("{what}: {setting} {old} → {new}")
    if remedy.companion is not None:
        other, present = _effective(arguments, remedy.companion)
        # unknown: the default everywhere is no accumulation; as an example, what leads to the guide's 8 (P2)
        before = present if _is_number(present) and present >= 1 else (4 if example else 1)
        after = _whole(max(1, round(before * old / new)))
        params |= {"other": other, "other_old": _spell(before), "other_new": _spell(after)}
        snippet += f", {other}={after!r}"
        template = N_("{what}: {setting} {old} → {new} with {other} {other_old} → {other_new}")
        if example:
            template = N_("{what}, for example {setting} {old} → {new} with {other} {other_old} → {other_new}")
    elif old is None:
        template = N_("{what}, for example {setting}={new}") if example else N_("{what}: {setting}={new}")
    elif example:
        template = N_("{what}, for example {setting} {old} → {new}")
    return Advice(Text(template, params), setting=setting, old=old, new=new, snippet=snippet, example=example)


def _effective(arguments: Mapping[str, Any], setting: str) -> tuple[str, Any]:
    """The name and the value of a setting as the run has it; the one that overrides it where that is in force."""
    stronger = _OVERRIDDEN_BY.get(setting)
    if stronger is not None:
        found = find_argument(arguments, stronger)
        if found is not None and _is_number(found[1]) and found[1] > 0:
            return found
    found = find_argument(arguments, setting)
    return found if found is not None else (setting, None)


def find_argument(arguments: Mapping[str, Any], setting: str) -> tuple[str, Any] | None:
    """(name, value) under which the arguments hold a setting; None where they do not, or hold no plain value."""
    names = ALIASES.get(setting, (setting,))
    for name in names:
        value = _plain(arguments.get(name))
        if value is not None:
            return name, value
    for name in names:
        nested = sorted((key for key in arguments if re.split(r"[./]", key)[-1] == name), key=lambda k: (len(k), k))
        for key in nested:
            value = _plain(arguments[key])
            if value is not None:
                return (key if _HARMLESS_NAME.fullmatch(key) else name), value
    return None


def _plain(value: Any) -> Any:
    """A bool, a finite number or a word; numbers and truths written as text are read ("2e-5" is text in YAML)."""
    if isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        # compared, not converted: an integer of 400 digits is no float
        return value if abs(value) < LARGEST_SETTING else None
    if isinstance(value, str):
        text = value.strip()
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
        try:
            number = float(text)
        except ValueError:
            return text if _HARMLESS_NAME.fullmatch(text) and text.lower() != "none" else None
        if not abs(number) < LARGEST_SETTING:
            return None
        return int(number) if re.fullmatch(r"[+-]?\d+", text) else number
    return None


def _truth(value: Any) -> bool:
    return _plain(value) is True


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _spell(value: Any) -> str:
    """As the guide writes numbers: 2e-5, 0.0, 512."""
    return re.sub(r"e([+-])0+(\d)", r"e\1\2", repr(value)) if isinstance(value, float) else str(value)
