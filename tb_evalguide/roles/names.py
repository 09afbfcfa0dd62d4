"""Reads a tag's words: which split it is of, which quantity, at which grain, and which way is better."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache


def word_set(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


TRAIN_WORDS = frozenset({"train", "training", "trn", "tr", "trainer", "fit"})
EVAL_WORDS = frozenset(
    {
        *("val", "valid", "validation", "vali", "vld", "eval", "evaluation", "evaluate"),
        *("dev", "development", "cv", "heldout", "holdout"),
    }
)
TEST_WORDS = frozenset({"test", "testing", "tst"})
# Too short to mean a split by themselves (te is also a text encoder): they do beside the same name with `tr`.
SHORT_SPLITS = {"va": "eval", "vl": "eval", "te": "test", "ts": "test"}
STEP_WORDS = frozenset({"step", "steps", "batch", "batches", "iter", "iters", "iteration", "iterations", "minibatch"})
EPOCH_WORDS = frozenset({"epoch", "epochs"})

# Words that name a quantity to be minimised in training. ERROR_WORDS do so only where no loss is logged: beside a
# loss they are metrics.
LOSS_WORDS = frozenset(
    {"loss", "losses", "nll", "crossentropy", "xent", "xentropy", "ce", "bce", "cost", "objective", "criterion"}
)
ERROR_WORDS = word_set(
    """
    error err mse mae rmse msle rmsle bpc bpb bpt huber smoothl1 logcosh hinge pinball quantile focal l1 l2 sse
    triplet contrastive infonce ctc
    """
)
# Words that do not change which quantity a loss is.
FILLER_WORDS = word_set(
    """
    avg average mean running total overall all sum full model main global per vs of the and on at in current
    reduced moving smooth smoothed raw log scalar scalars metric metrics stats stat summary performance progress
    curve history values data set dataset split phase samples sample x y
    """
)
# Parts of a composed loss: a part is never compared with a whole.
PART_WORDS = word_set(
    """
    box cls obj dfl giou iou conf classification regression reg bbox mask rpn loc localization objectness
    centerness kp keypoint pose seg kl kld recon reconstruction rec latent vq commitment codebook perceptual
    lpips style content adv adversarial gan g d gen generator disc discriminator fake real cycle identity policy
    value entropy actor critic q pi vf aux auxiliary z router balance balancing distill distillation kd l1 l2
    penalty regularization regularisation contrastive triplet mlm nsp sop itc itm pixel edge smoothness depth
    normal rgb mtp duration pitch energy stop mel ctc att rnnt chosen rejected preference
    """
)
# Words beside "loss" in the name of what is no loss.
NOT_A_LOSS = word_set(
    "scale scaler weight weights lambda coef coefficient rate lr grad gradient norm per perplexity ppl"
)
# Bookkeeping that is neither loss nor metric.
AUX_WORDS = word_set(
    """
    runtime second seconds sec secs per_second time timestamp duration eta flos flops mfu memory mem gpu cpu lr
    learning rate momentum epoch epochs step steps iteration iterations samples num count tokens weight weights
    bias hist histogram version seed beta1 beta2 temperature scale throughput fps speed elapsed progress disk
    network utilization power temp patience hp batch size length len
    """
)
# A best-so-far, extreme or spread is not the series itself.
DERIVED_WORDS = frozenset(
    {
        "best",
        "min",
        "max",
        "minimum",
        "maximum",
        "std",
        "var",
        "variance",
        "ema",
        "smoothed",
        "final",
        "delta",
        "diff",
        "ratio",
    }
)

GREATER = word_set(
    """
    accuracy acc accuracies top top1 top5 f1 f2 fscore fbeta f1score f1micro f1macro dice iou miou jaccard map
    ap ar auc auroc auprc aucpr roc prauc precision recall sensitivity specificity bleu sacrebleu meteor chrf
    bertscore cider spice em exact exactmatch mcc matthews kappa pearson pearsonr spearman spearmanr r2 psnr
    ssim msssim ndcg mrr hit hits hitrate reward rewards return returns success win winrate pass corr
    correlation elbo pesq stoi sisdr sdr snr likelihood nmi ari silhouette score concordance cindex bertf1
    purity fidelity alignment sari ap50 ap75 map50 map95 vmaf acc1 acc5 pck pq
    """
)
LESS = word_set(
    """
    loss losses error err errors wer cer per ter mer wil perplexity ppl mae mse rmse mape smape wape rmsle msle
    nrmse nmse nll ce bce crossentropy xent fid kid lpips ece brier hamming distance eer mcd bpc bpb bpt far frr
    regret chamfer hausdorff epe ade fde hd95 crps pinball nlpd deviance bits
    """
)
# "rouge1", "rougeLsum", "bleu4", "recall10": a known stem with a suffix.
_GREATER_STEM = re.compile(
    r"(rouge|bleu|acc|top|map|ap|f|hits?|recall|precision|ndcg|mrr|pass|auc|iou|miou|dice|r)\d*(l|lsum|w|s|m|k|at\d+|x?k)?"
)
_LESS_STEM = re.compile(r"(min)?(ade|fde)\d*")
# Korean words by their English ones; the longer first, for 학습률 is no 학습. Fillers become nothing.
_KOREAN = {
    "학습률": "learning_rate",
    "학습율": "learning_rate",
    "정확도": "accuracy",
    "테스트": "test",
    "학습": "train",
    "훈련": "train",
    "검증": "val",
    "평가": "eval",
    "시험": "test",
    "손실": "loss",
    "에폭": "epoch",
    "스텝": "step",
    "평균": "mean",
    "함수": "",
    "값": "",
}
_KOREAN_WORD = re.compile("|".join(_KOREAN))
_WORD = re.compile(r"[A-Za-z0-9]+")
_CAMEL = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


@dataclass(frozen=True)
class Words:
    """What the words of one name say.

    split: train | eval | test | "". kind: loss | error | "". grain: step | epoch | "".
    rest: the words that say which loss it is ("box", "g0"); empty for the loss itself.
    """

    words: tuple[str, ...]
    split: str
    kind: str
    grain: str
    rest: frozenset[str]

    @cached_property
    def found(self) -> frozenset[str]:
        return frozenset(self.words)

    @cached_property
    def derived(self) -> bool:
        return not DERIVED_WORDS.isdisjoint(self.found)

    @cached_property
    def is_loss(self) -> bool:
        """A loss itself: no weight of one, and nothing reckoned from one."""
        return self.kind == "loss" and not self.derived and self.rest.isdisjoint(NOT_A_LOSS)

    @cached_property
    def part(self) -> bool:
        """A named part of a composed loss."""
        return not PART_WORDS.isdisjoint(self.rest)


@lru_cache(maxsize=65536)
def words_of(name: str) -> tuple[str, ...]:
    """The lower-case words of a name: split at anything but letters and digits, and at camelCase humps."""
    out: list[str] = []
    for chunk in _WORD.findall(name):
        lower = chunk.lower()
        if lower in _KNOWN or chunk.islower() or chunk.isdigit() or direction_of_word(lower) is not None:
            out.append(lower)
            continue
        humps = [hump.lower() for hump in _CAMEL.findall(chunk)]
        # "mAP50" or "AUROC" are one word; "TrainLoss", "valLoss" are two
        out += humps if any(h in _KNOWN for h in humps) else [lower]
    return tuple(out)


def in_english(name: str) -> str:
    """The name with the Korean words of the field in English; they may be put together (검증손실)."""
    return name if name.isascii() else _KOREAN_WORD.sub(lambda match: f" {_KOREAN[match[0]]} ", name)


@lru_cache(maxsize=65536)
def read_name(tag: str, place: str = "") -> Words:
    """The words of a tag and, where it names no split itself, of the sub-run it stands in."""
    words = words_of(in_english(tag))
    split = _split(words)
    seen = set(words)
    if not split:
        place_words = words_of(in_english(place))
        split = _split(place_words)
        # add_scalars("Loss", {"train": …}) writes tag "Loss" into the sub-run "Loss_train"
        seen |= set(place_words)
    if _is_loss(words):
        # "loss_viewpoint - psnr" is a PSNR, "psnr_loss" a loss: the last word that tells decides
        kind = "" if greater_is_better(tag) else "loss"
    elif not seen.isdisjoint(ERROR_WORDS):
        kind = "error"
    else:
        kind = ""
    grain = "step" if not STEP_WORDS.isdisjoint(seen) else "epoch" if not EPOCH_WORDS.isdisjoint(seen) else ""
    rest = (
        frozenset(words) - TRAIN_WORDS - EVAL_WORDS - TEST_WORDS - STEP_WORDS - EPOCH_WORDS - FILLER_WORDS - LOSS_WORDS
    )
    rest -= {"cross", "entropy"} if {"cross", "entropy"} <= set(words) else set()
    return Words(words, split, kind, grain, rest)


def _is_loss(words: tuple[str, ...]) -> bool:
    found = set(words)
    if {"loss", "scale"} <= found or {"loss", "scaler"} <= found:
        return False
    return not found.isdisjoint(LOSS_WORDS) or {"cross", "entropy"} <= found


def _split(words: tuple[str, ...]) -> str:
    found = set(words)
    # "train/val_loss" (a trainer's validation) is an eval loss: the more special word wins
    if not found.isdisjoint(EVAL_WORDS):
        return "eval"
    if not found.isdisjoint(TEST_WORDS):
        return "test"
    return "train" if not found.isdisjoint(TRAIN_WORDS) else ""


def direction_of_word(word: str) -> bool | None:
    if word in LESS:
        return False
    if word in GREATER:
        return True
    if word not in _PLAIN_F and _GREATER_STEM.fullmatch(word):
        return True
    # displacement errors of the best of k forecasts: minADE6, minFDE10
    return False if _LESS_STEM.fullmatch(word) else None


_NEGATIVE = frozenset({"neg", "negative", "minus"})
_PLAIN_F = frozenset({"f", "r", "ap0", "top0"})
_KNOWN = (
    TRAIN_WORDS
    | EVAL_WORDS
    | TEST_WORDS
    | STEP_WORDS
    | EPOCH_WORDS
    | LOSS_WORDS
    | ERROR_WORDS
    | GREATER
    | LESS
    | AUX_WORDS
    | PART_WORDS
) - {"tr", "g", "d", "q", "x", "y", "z"}


def greater_is_better(tag: str) -> bool | None:
    """Whether more of this metric is better, by its name; None where the name does not say.

    The last word that tells decides: "accuracy_error" is an error; "error_recall" a recall. A negative score is one of
    which less is better.
    """
    words = words_of(in_english(tag))
    for word in reversed(words):
        better = direction_of_word(word)
        if better is not None:
            return better is _NEGATIVE.isdisjoint(words)
    return None
