"""Chooses which numbers may speak about a training, with the reason.

`guide` alone judges by absolute losses, so it is taken only where nothing in the log speaks against language-model
fine-tuning and the losses lie where the guide expects them: a missing `guide` costs little, a wrong one is a
false alarm.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tb_evalguide import stats
from tb_evalguide.i18n import N_
from tb_evalguide.model import Ints, Profile, Role, Roles, Series, Text, Training
from tb_evalguide.roles import CONVENTIONS
from tb_evalguide.roles.names import AUX_WORDS, read_name, word_set, words_of

PROFILES = ("guide", "llm-sft", "pretrain", "classification", "vision", "rl", "generic")

# The guide's start is 2.0–3.0 (M5); noise and a first average over several steps reach a little beyond.
GUIDE_START = (1.9, 3.2)
# Under names that any training may use, a classifier of ten classes must not pass for a language model: it starts at
# ln 10 = 2.30 or, where the first point is an average, below.
PLAIN_START = 2.35
# Eval and train lie this close at the first evaluation of a fine-tuning (L3: < 0.5).
GUIDE_FIRST_GAP = 0.5
# A start of at least this share of ln(vocabulary) is a model that knows nothing (failure-modes.md, 4, with room for
# the first few steps that an average already holds).
SCRATCH_SHARE = 0.8
# Without a stated vocabulary: no pretrained language model starts above 5, and ln of any vocabulary is below 13.
SCRATCH_START = (5.0, 13.0)
# Consecutive steps beyond this many are steps, not epochs: nobody who fine-tunes takes so many epochs.
MOST_EPOCHS = 500
LATEST_EPOCH = 2000  # that a log which counts epochs may begin at; own choice
# A language model that starts below this has nothing left to learn; a loss like that is something else.
LEAST_START = 0.05
# Starts that are ln(classes) to within this share, of class counts that data sets really have.
CLASSES = (2, 3, 4, 5, 6, 10, 100, 1000)
CLASSES_TOLERANCE = 0.015

_LM_MODELS = word_set(
    """
    llama qwen qwen2 qwen3 mistral mixtral gemma gemma2 gemma3 phi phi3 gpt2 gpt_neo gpt_neox gptj bloom opt
    falcon mpt codegen starcoder2 deepseek_v2 deepseek_v3 t5 mt5 umt5 bart mbart pegasus marian led bert roberta
    deberta albert electra distilbert xlm-roberta camembert mamba olmo olmo2 stablelm cohere chatglm internlm2
    baichuan exaone granite smollm3 rwkv
    """
)
_VISION_MODELS = word_set(
    """
    vit deit swin swinv2 beit convnext convnextv2 resnet detr yolos segformer mask2former dinov2 clip siglip sam
    mobilevit
    """
)
# Arguments that only someone who builds a model of their own passes, or that belong to another task.
_FOREIGN_ARGUMENTS = word_set(
    """
    hidden_size hidden_dim hidden_units hidden input_size input_dim output_size output_dim num_layers n_layers
    n_layer n_embd n_head d_model width depth lag horizon num_chars num_classes n_classes num_features
    kernel_size filters channels in_channels image_size img_size window lookback encoder decoder latent_dim
    embedding_dim embed_dim seq_length
    """
)
# Arguments that any training may have; one that no word of these explains belongs to a project of its own.
_ORDINARY_ARGUMENT = re.compile(
    r"(?i)lr|learning|batch|epoch|step|iter|seed|optim|adam|beta|eps|decay|warm|sched|grad|clip|norm|dropout|lora|peft|fp16|bf16|tf32"
    r"|precision|quant|eval|save|log|model|token|data|num_|max_|min_|out|dir|path|name|device|gpu|worker|world|rank|loss|metric|amp|compile"
    r"|context|block|length|packing|checkpoint|resume|strategy|project|run|version|momentum|patience|accum|vocab|trainer|config"
)
_LLM_ARGUMENTS = word_set(
    """
    lora_r lora_alpha lora_dropout peft_config target_modules max_length max_seq_length max_seq_len
    model_max_length packing dataset_text_field tokenizer_name load_in_4bit load_in_8bit neftune_noise_alpha
    completion_only_loss assistant_only_loss
    """
)
_LANGUAGE_METRICS = word_set(
    """
    bleu sacrebleu rouge rouge1 rouge2 rougel rougelsum meteor chrf perplexity ppl wer cer bertscore em exact
    """
)
# What trainers of language models log beside the losses.
_GUIDE_METRICS = word_set("perplexity ppl token tokens entropy")
_VISION_WORDS = word_set("map map50 map95 miou iou box bbox dfl fid psnr ssim lpips mask segm dice")
_CLASS_WORDS = word_set("accuracy acc acc1 acc5 top1 top5 f1 auc auroc precision recall mcc")
_REGRESSION_WORDS = word_set("mse mae rmse mape r2 smape rmsle nse huber")
_RL_WORDS = word_set("rollout episode reward rewards surrogate clipfrac")
# Names of more than one word, as their tags spell them once other signs are taken for underscores.
_RL_NAMES = word_set(
    """
    ep_rew kl_divergence approx_kl clip_fraction explained_variance policy_loss value_loss a_loss c_loss td_loss
    td_error q_values exploration_rate
    """
)

_USER = N_("chosen by the user")


@dataclass(frozen=True)
class _Log:
    """What the choice looks at, each thing found once."""

    training: Training
    roles: Roles

    @cached_property
    def tags(self) -> tuple[str, ...]:
        return tuple(tag for run in self.training.runs for tag, series in run.series.items() if len(series))

    @cached_property
    def words(self) -> frozenset[str]:
        return frozenset(word for tag in self.tags for word in words_of(tag))

    @cached_property
    def spelled(self) -> tuple[str, ...]:
        """The words of each tag, underscores about them."""
        return tuple(f"_{'_'.join(words_of(tag))}_" for tag in self.tags)

    @cached_property
    def start(self) -> float | None:
        """The higher of the first train and the first eval level: a first train point is often an average already."""
        firsts = [v for v in (self.first_train, self.first_eval) if v is not None]
        return max(firsts) if firsts else None

    @cached_property
    def first_train(self) -> float | None:
        return _first(self.roles.get(Role.TRAIN_LOSS))

    @cached_property
    def first_eval(self) -> float | None:
        return _first(self.roles.get(Role.EVAL_LOSS), points=1)

    @cached_property
    def very_first(self) -> float:
        """The first finite train or eval value as it stands; 0 when there is none."""
        firsts = [0.0]
        for role in (Role.TRAIN_LOSS, Role.EVAL_LOSS):
            series = self.roles.get(role)
            if series is not None and np.isfinite(series.values).any():
                firsts.append(float(series.values[np.isfinite(series.values)][0]))
        return max(firsts)

    @cached_property
    def model_config(self) -> Mapping[str, Any]:
        return self.training.model_config

    @cached_property
    def arguments(self) -> Mapping[str, Any]:
        return self.training.arguments

    @cached_property
    def vocabulary(self) -> int | None:
        for source in (self.model_config, self.arguments):
            for name in ("vocab_size", "num_vocab", "n_vocab", "num_chars", "vocabulary_size", "padded_vocab_size"):
                value = source.get(name)
                if (
                    isinstance(value, (int, float))
                    and not isinstance(value, bool)
                    and math.isfinite(value)
                    and value > 1
                ):
                    return int(value)
        return None

    @cached_property
    def model_type(self) -> str:
        return str(self.model_config.get("model_type") or "").lower()

    @cached_property
    def architecture(self) -> str:
        names = self.model_config.get("architectures")
        if isinstance(names, (list, tuple)):
            return str(names[0]) if names else ""
        return str(names or "")

    @cached_property
    def convention(self) -> str | None:
        return self.roles.framework or self.training.framework


def choose_profile(training: Training, roles: Roles, forced: str | None = None) -> Profile:
    """The profile of one training. forced: the user's word, which is taken as it is."""
    if forced is not None and forced != "auto":
        if forced not in PROFILES:
            raise ValueError(f"unknown profile {forced!r}")
        return Profile(forced, Text(_USER), "user")
    log = _Log(training, roles)
    for id_, test in _TESTS:
        reason = test(log)
        if reason is not None:
            return Profile(id_, reason)
    if _foreign(log):
        return Profile("generic", Text(N_("its arguments are of a model of one's own, and no tag says for what task")))
    return Profile("generic", Text(N_("nothing in the log says what kind of training this is")))


# --- tests in order: the first that speaks decides --------------------------------------------------------------------


def _rl(log: _Log) -> Text | None:
    convention = next((c for c in CONVENTIONS if c.id == log.roles.framework), None)
    if convention is not None and convention.rl:
        return Text(N_("the tags are those of {name}, a reinforcement learning library"), {"name": convention.name})
    reward = log.roles.get(Role.REWARD)
    if reward is not None:
        return Text(N_("it logs a reward ({tag})"), {"tag": reward.tag})
    found = (log.words & _RL_WORDS) | {name for name in _RL_NAMES for tag in log.spelled if f"_{name}_" in tag}
    if len(found) >= 2 and "chosen" not in log.words:
        return Text(N_("the tags are those of reinforcement learning ({words})"), {"words": _list(found)})
    return None


def _vision(log: _Log) -> Text | None:
    convention = next((c for c in CONVENTIONS if c.id == log.roles.framework), None)
    if convention is not None and convention.vision:
        return Text(N_("the tags are those of {name}, a vision library"), {"name": convention.name})
    if log.model_type in _VISION_MODELS or "Image" in log.architecture or "Segmentation" in log.architecture:
        return Text(N_("the model is {model}"), {"model": log.architecture or log.model_type})
    found = log.words & _VISION_WORDS
    if found:
        return Text(N_("the tags speak of images ({words})"), {"words": _list(found)})
    return None


def _preference(log: _Log) -> Text | None:
    """Preference tuning (DPO and its kin) starts at ln 2 like a two-class classifier, and logs accuracies of pairs."""
    if {"rewards", "chosen"} <= log.words:
        return Text(N_("it logs rewards of chosen and rejected answers: preference tuning of a language model"))
    return None


def _classification(log: _Log) -> Text | None:
    if "Classification" in log.architecture or log.model_config.get("problem_type") in (
        "single_label_classification",
        "multi_label_classification",
    ):
        return Text(N_("the model is {model}"), {"model": log.architecture or N_("a classifier")})
    # token accuracy is logged by language-model trainers too
    named = sorted(tag for tag in log.tags if set(words_of(tag)) & _CLASS_WORDS and "token" not in words_of(tag))
    if named and not log.words & _LANGUAGE_METRICS:
        return Text(N_("it logs a classification metric ({tag})"), {"tag": named[0]})
    return None


def _pretrain(log: _Log) -> Text | None:
    if log.start is None:
        return None
    vocabulary = log.vocabulary
    if vocabulary is not None and vocabulary >= 16:
        chance = math.log(vocabulary)
        if max(log.start, log.very_first) >= SCRATCH_SHARE * chance:
            return Text(
                N_("the loss starts at {start:.3g}, ln(vocabulary {vocabulary}) is {chance:.3g}: trained from scratch"),
                {"start": max(log.start, log.very_first), "vocabulary": vocabulary, "chance": chance},
            )
        if log.arguments.get("num_chars") is not None or _foreign(log):
            return Text(
                N_("a language model of one's own, with a vocabulary of {vocabulary}"), {"vocabulary": vocabulary}
            )
        return None
    if _foreign(log) or _regression(log) is not None:
        return None
    low, high = SCRATCH_START
    if low <= log.start <= high and _both_fall_below(log, high):
        return Text(
            N_("the loss starts at {start:.3g}, higher than in a pretrained language model: trained from scratch"),
            {"start": log.start},
        )
    return None


def _regression(log: _Log) -> Text | None:
    found = log.words & _REGRESSION_WORDS
    if found:
        return Text(N_("the tags speak of regression ({words})"), {"words": _list(found)})
    return None


def _class_start(log: _Log) -> Text | None:
    """A first loss of ln(classes), where train and eval have it."""
    if log.start is None or log.vocabulary is not None or log.model_config or _foreign(log):
        return None
    # a trainer of language models trains classifiers of texts too, of few classes
    for classes in CLASSES if not _lm_named(log) else CLASSES[:2]:
        chance = math.log(classes)
        firsts = [v for v in (log.first_train, log.first_eval) if v is not None]
        if abs(log.start - chance) <= CLASSES_TOLERANCE * chance and min(firsts) <= chance * (1 + CLASSES_TOLERANCE):
            return Text(
                N_("the loss starts at {start:.3g}, about ln({classes} classes)"),
                {"start": log.start, "classes": classes},
            )
    return None


def _guide(log: _Log) -> Text | None:
    if _foreign(log) or _counts_epochs(log):
        return None
    taken = log.roles.choices.get(Role.TRAIN_LOSS)
    if taken is not None and not taken.certain and not read_name(taken.tag).kind:
        return None  # a curve that does not even say that it is a loss
    start = log.first_train if log.first_train is not None else log.first_eval
    low, high = GUIDE_START if _lm_named(log) else (PLAIN_START, GUIDE_START[1])
    if start is None or not low <= start <= high:
        return None
    if log.first_eval is not None and not low <= log.first_eval + GUIDE_FIRST_GAP:
        return None
    gap = _first_gap(log.roles)
    if gap is not None and not gap < GUIDE_FIRST_GAP:
        return None
    if log.model_type and log.model_type not in _LM_MODELS:
        return None
    # a metric or a part of a composed loss says that this is another kind of training, or more than the guide knows
    if any(set(words_of(m.tag)).isdisjoint(_GUIDE_METRICS) for m in log.roles.metrics):
        return None
    if any(read_name(tag).part and read_name(tag).kind == "loss" for tag in log.tags):
        return None
    if not _lm_named(log) and _unknown_tags(log):
        return None
    return Text(
        N_("the losses start at {start:.3g}, as in the guide's fine-tuning, and nothing speaks for another kind"),
        {"start": start},
    )


def _llm_sft(log: _Log) -> Text | None:
    if log.model_type in _LM_MODELS or "LM" in log.architecture or "ConditionalGeneration" in log.architecture:
        return Text(
            N_("the model is {model}, and its loss starts below that of an untrained one"),
            {"model": log.architecture or log.model_type},
        )
    arguments = sorted(_LLM_ARGUMENTS & set(log.arguments))
    if arguments:
        return Text(N_("its arguments are those of language-model fine-tuning ({words})"), {"words": _list(arguments)})
    found = log.words & _LANGUAGE_METRICS
    if found:
        return Text(N_("it logs metrics of language ({words})"), {"words": _list(found)})
    if _lm_named(log) and log.start is not None and log.start >= LEAST_START and not _foreign(log):
        return Text(N_("the tags are those of a language-model trainer"))
    return None


def _lm_named(log: _Log) -> bool:
    return log.convention in ("hf", "torchtune", "megatron", "nanogpt", "deepspeed")


_TESTS: tuple[tuple[str, Callable[[_Log], Text | None]], ...] = (
    ("llm-sft", _preference),
    ("rl", _rl),
    ("vision", _vision),
    ("classification", _classification),
    ("pretrain", _pretrain),
    ("generic", _regression),
    ("classification", _class_start),
    ("guide", _guide),
    ("llm-sft", _llm_sft),
)


# --- looking ----------------------------------------------------------------------------------------------------------


def _first(series: Series | None, points: int = 3) -> float | None:
    """The level at the start: median of the first finite points, one in twenty at most, to keep a fast fall visible."""
    if series is None:
        return None
    values = series.values[np.isfinite(series.values)]
    if not len(values):
        return None
    return float(stats.median(values[: max(1, min(points, len(values) // 20))]))


def _first_gap(roles: Roles) -> float | None:
    """Distance of train and eval at the first evaluation that the train loss reaches."""
    train, evals = roles.get(Role.TRAIN_LOSS), roles.get(Role.EVAL_LOSS)
    if train is None or evals is None:
        return None
    t, e = np.isfinite(train.values), np.isfinite(evals.values)
    if not t.any() or not e.any():
        return None
    step = max(int(evals.steps[e][0]), int(train.steps[t][0]))
    return abs(
        float(np.interp(step, evals.steps[e], evals.values[e]))
        - float(np.interp(step, train.steps[t], train.values[t]))
    )


def _both_fall_below(log: _Log, high: float) -> bool:
    """No loss lies above what a cross-entropy can start at."""
    for role in (Role.TRAIN_LOSS, Role.EVAL_LOSS):
        series = log.roles.get(role)
        if series is not None and len(series):
            values = series.values[np.isfinite(series.values)]
            if len(values) and float(stats.median(values)) > high:
                return False
    return True


def _counts_epochs(log: _Log) -> bool:
    """The step axis counts epochs. Fine-tuning of a language model logs optimizer steps.

    More points than MOST_EPOCHS are a log of every step. Trainers of language models count steps whatever they log.
    """
    series = log.roles.get(Role.TRAIN_LOSS)
    if series is None:
        series = log.roles.get(Role.EVAL_LOSS)
    if series is None or _lm_named(log) or len(series) > MOST_EPOCHS:
        return False
    both = all(log.roles.get(role) is not None for role in (Role.TRAIN_LOSS, Role.EVAL_LOSS))
    return may_count_epochs(series.steps, both)


def may_count_epochs(steps: Ints, both_losses: bool) -> bool:
    """Every step has its point, so that steps may be epochs: Keras, plain loops.

    A resumed log goes on counting, but from LATEST_EPOCH on steps are steps, unless both losses are logged at them.
    """
    late = len(steps) > 0 and int(steps[0]) > LATEST_EPOCH and not both_losses
    return len(steps) >= 3 and not late and bool((np.diff(steps) == 1).all())


def _unknown_tags(log: _Log) -> bool:
    """Curves that play no role and are no bookkeeping: the log knows of more than losses."""
    known = {choice.tag for choice in log.roles.choices.values()}
    known |= {choice.tag for choice in (*log.roles.metrics, *log.roles.extra_eval_losses)}
    return any(
        tag not in known and read_name(tag).kind != "loss" and read_name(tag).found.isdisjoint(AUX_WORDS)
        for tag in log.tags
        if tag != "hp_metric"
    )


def _foreign(log: _Log) -> bool:
    """Arguments of another task, or of a model that the user builds: a pretrained language model has neither."""
    names = set(log.arguments)
    if not _FOREIGN_ARGUMENTS.isdisjoint(names):
        return True
    if "per_device_train_batch_size" in names:  # Hugging Face's own list of arguments, whatever its version adds
        return False
    return any(_ORDINARY_ARGUMENT.search(name) is None for name in names)


def _list(words: Any) -> str:
    return ", ".join(sorted(words)[:4])
