"""The loss stays at the level of guessing, or every answer is the same.

## What it checks
Whether the loss ends within 2 % of ln(k), the loss of guessing among k classes, and accuracy is about 1/k. k comes from
the accuracy, or from the number of labels that the log states; an AUC of 0.5 stands for an accuracy of a half. A loss
that stays within 0.3 % of ln 2 needs neither, and beside six accuracies 5 % above ln(k) are near enough. A loss that
passes the level on its way down does not stay there; one above it, while accuracy stands at 1/k, is no better than
guessing. Fewer than ten evaluations, or twenty train points without any, are only warned of, and so are evaluations
that are guessed while train loss fell, and an evaluated accuracy that is exactly the same in eight evaluations or more
while the training accuracy comes to it.

## Why it matters
The model has learned nothing: every further step costs time and changes nothing.

## What to do
Check that inputs and labels belong together, that the parameters are trained at all, and the learning rate: far too
high and far too low both end here. Try to overfit ten samples first.

## When it is wrong
Very unbalanced classes, where guessing the largest one gives a low loss and a high accuracy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tb_evalguide import remedies, shape, stats
from tb_evalguide.case import Case, Curve
from tb_evalguide.i18n import N_
from tb_evalguide.model import Evidence, Role, Rule, Severity, Skip, Text, Tier
from tb_evalguide.roles.names import words_of


@dataclass(frozen=True)
class Limits:
    loss: float = 0.02  # of ln(k) (failure-modes.md #5 says 1 %; losses logged per batch scatter more)
    above: float = 0.05  # of ln(k), above it, where `worse_evals` accuracies stand at 1/k, k > 2: bumps; own choice
    accuracy: float = 0.25  # of 1/k; a small eval set scatters by that much …
    two: float = 0.16  # … but of 1/2 less: 62 % right between two classes is not guessing
    falls: float = 0.01  # of ln(k), over the later half: a loss that passes chance on its way down does not stay there
    many: int = 20  # points of the loss, beside which two accuracies are enough …
    few_accuracies: int = 2  # … own choice
    settled: int = 10  # evaluations before which a loss that has not moved is a warning: it may yet start; own choice
    settled_train: int = 20  # … or train points, where there are none; labelled runs as they grew
    falling_p: float = 0.01  # one-sided Mann–Kendall p of a loss that falls, or an accuracy that rises: no guess; usual
    fallen: float = 0.1  # of the loss, by which it fell in all; own choice
    points: int = 3  # failure-modes.md #5
    worse_evals: int = 6  # accuracies that must stand at 1/k where the loss lies above ln k; own choice
    worse_accuracy: float = 0.1  # of 1/k: how closely they must; own choice
    worse_classes: int = 5  # beyond it 1/k and 1/(k + 1) are too near each other to tell k; own choice
    beyond: float = 0.2  # of all answers: a train accuracy so far above 1/k has learned; own choice
    largest: float = 20.0  # a loss above it is that of guessing among more classes than there are; own choice
    same: int = 8  # evaluations of exactly the same accuracy; own choice …
    same_train: float = 0.05  # … from which the training accuracy ends no further; labelled runs: 0.046 and 0.27
    same_share: float = 0.95  # … and more of which a solved task has; own choice
    toss: float = 0.003  # of ln 2, without accuracy or number of classes; own choice
    toss_points: int = 10  # own choice


def check(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    found = guessing(case, limits)
    if not isinstance(found, Skip) and found:
        return found
    same = one_answer(case, limits)
    return found if same is None else [same]


def guessing(case: Case, limits: Limits) -> Sequence[Evidence] | Skip:
    """The loss stands where guessing puts it."""
    curve = case.evals if case.evals is not None and len(case.evals) >= limits.points else case.train
    if curve is None or len(curve) < limits.points:
        return Skip(Text(N_("fewer than {points} points of any loss"), {"points": limits.points}))
    classes = stated_classes(case)
    accuracy = case.curve(Role.EVAL_ACCURACY) or case.curve(Role.TRAIN_ACCURACY)
    if accuracy is None and classes in (None, 2):
        accuracy = area_under_curve(case)  # of guessing it is a half, however many classes there are
    if classes is None and accuracy is None and stays_at_coin_toss(curve, limits):
        classes = 2
    # a long train loss needs no third accuracy to show where it stays
    told = limits.points if len(curve) < limits.many else limits.few_accuracies
    if classes is None and (accuracy is None or len(accuracy) < told):
        return Skip(Text(N_("neither an accuracy nor the number of classes in the log")))
    end = curve.tail(0.2, limits.points)
    if not 0 < end < limits.largest:
        return ()
    k = classes if classes is not None else round(math.exp(end))
    worse = worse_than_guessing(case, curve, accuracy, classes, limits)
    if worse is not None and not (
        train_learned(case, worse.numbers["chance"], limits) or train_is_right(case, worse.numbers["k"], limits)
    ):
        return [worse]
    above = limits.above if stands_at(accuracy, k, limits) else limits.loss
    if k < 2 or not -limits.loss * math.log(k) <= end - math.log(k) <= above * math.log(k):
        return ()
    middle = float(stats.median(curve.values[(len(curve) - 1) // 2 :][: max(1, len(curve) // 10)]))
    if middle - end > limits.falls * math.log(k) + 2 * curve.noise / math.sqrt(max(1, len(curve) // 10)):
        return ()
    fallen = curve.head() - curve.tail() > limits.fallen * curve.head()
    if fallen and stats.mann_kendall(curve.values[len(curve) // 3 :]).p_down < limits.falling_p:
        return ()
    share = math.nan
    if accuracy is not None and len(accuracy) >= told:
        share = accuracy.tail(0.2, told) / shape.whole(accuracy)
        if abs(share - 1 / k) > (limits.two if k == 2 else limits.accuracy) / k:
            return ()
    learned = train_learned(case, math.log(k), limits)  # what was learned does not hold for the evaluations
    return [
        Evidence(
            steps=(since(curve, k, limits.loss), int(curve.steps[-1])),
            tags=(curve.tag,) if accuracy is None else (curve.tag, accuracy.tag),
            numbers={"end": end, "k": k, "chance": math.log(k), "accuracy": share},
            confidence=0.95,
            severity=Severity.MEDIUM if learned or young(case, limits) else None,
            label="overfitting" if learned else None,
            variant="evals_only" if learned else "" if math.isfinite(share) else "no_accuracy",
        )
    ]


def one_answer(case: Case, limits: Limits) -> Evidence | None:
    """The evaluated accuracy never moves by a single answer, and nothing else moves away from it.

    That is the share of the class which is always answered. Where the training accuracy went elsewhere, or an overlap
    tells of gains, the accuracy itself is broken.
    """
    accuracy, trained = case.curve(Role.EVAL_ACCURACY), case.curve(Role.TRAIN_ACCURACY)
    if accuracy is None or len(accuracy) < limits.same or np.ptp(accuracy.values) > 0:
        return None
    share = float(accuracy.values[0]) / shape.whole(accuracy)
    if trained is not None and len(trained) >= limits.points:
        if abs(trained.tail(0.2, limits.points) / shape.whole(trained) - share) > limits.same_train:
            return None
    elif any(len(m.series) >= limits.same and np.ptp(m.series.values) > 0 for m in case.metrics):
        return None
    if not 0 < share < limits.same_share:
        return None
    return Evidence(
        steps=(int(accuracy.steps[0]), int(accuracy.steps[-1])),
        tags=(accuracy.tag,),
        numbers={"accuracy": share, "count": len(accuracy)},
        confidence=0.85,
        severity=Severity.MEDIUM,
        variant="one_answer",
        remedies=(remedies.RARE_CLASS, remedies.OVERFIT_TEN, remedies.LR_RAISE),
    )


def young(case: Case, limits: Limits) -> bool:
    """So little was logged that the loss may yet start to fall."""
    if case.evals is not None:
        return len(case.evals) < limits.settled
    return case.train is None or len(case.train) < limits.settled_train


def stands_at(accuracy: Curve | None, k: int, limits: Limits) -> bool:
    """The accuracies of a whole run stand at 1/k, more classes than two, and do not rise."""
    if accuracy is None or len(accuracy) < limits.worse_evals or k < 3:
        return False
    near = abs(later_share(accuracy) - 1 / k) <= limits.accuracy / k
    return near and stats.mann_kendall(accuracy.values).p_up >= 0.05


def train_learned(case: Case, chance: float, limits: Limits) -> bool:
    """The train loss fell far below that of guessing, from wherever it began: one on another scale may lie there."""
    train = case.train
    if train is None or len(train) < limits.points:
        return False
    return train.tail() < (1 - limits.fallen) * min(chance, train.start)


def train_is_right(case: Case, k: float, limits: Limits) -> bool:
    """The train accuracy lies far above 1/k: that k was read from accuracies which are no guesses."""
    right = case.curve(Role.TRAIN_ACCURACY)
    if right is None or len(right) < limits.points:
        return False
    return later_share(right) > 1 / k + limits.beyond


def later_share(accuracy: Curve) -> float:
    """Share of right answers in the later half of the evaluations."""
    return float(stats.median(accuracy.values[len(accuracy) // 2 :])) / shape.whole(accuracy)


def worse_than_guessing(
    case: Case, curve: Curve, accuracy: Curve | None, classes: int | None, limits: Limits
) -> Evidence | None:
    """The later half of the accuracies stands at 1/k while the loss lies above ln k: it answers one class always."""
    if accuracy is None or len(accuracy) < limits.worse_evals:
        return None
    shares = accuracy.values / shape.whole(accuracy)
    later = shares[len(accuracy) // 2 :]
    share = float(stats.median(later))
    k = classes if classes is not None else round(1 / share) if share > 0 else 0
    if not 2 <= k <= limits.worse_classes or np.abs(later - 1 / k).max() > limits.worse_accuracy / k:
        return None
    if stats.mann_kendall(accuracy.values).p_up < limits.falling_p:
        return None  # it rises: a share of right tokens is no share of guesses
    lowest = float(stats.median(curve.values[len(curve) // 2 :]))
    if lowest < (1 + limits.loss) * math.log(k) or shares.max() > 1.5 * share:
        return None
    return Evidence(
        steps=(int(accuracy.steps[len(accuracy) // 2]), int(curve.steps[-1])),
        tags=(curve.tag, accuracy.tag),
        numbers={"end": lowest, "k": k, "chance": math.log(k), "accuracy": share},
        confidence=0.85,
        severity=Severity.MEDIUM if young(case, limits) else None,
        variant="worse",
    )


def area_under_curve(case: Case) -> Curve | None:
    """An AUC is 0.5 for guessing between two classes, as accuracy is."""
    found = [m.series for m in case.metrics if "auc" in words_of(m.tag)]
    curves = [Curve.of(series) for series in found]
    return next((curve for curve in curves if len(curve)), None)


def stays_at_coin_toss(curve: Curve, limits: Limits) -> bool:
    """The later half stays within a hair of ln 2, and no level before lay below: no other floor is as telling."""
    later = curve.values[len(curve) // 2 :]
    if len(curve) < limits.toss_points:
        return False
    inside = np.abs(later - math.log(2)) <= limits.toss * math.log(2)
    return bool(inside.mean() >= 0.8 and curve.level.min() >= (1 - 2 * limits.toss) * math.log(2))


def stated_classes(case: Case) -> int | None:
    """Number of classes that the arguments or the model configuration name."""
    for source in (case.arguments, case.training.model_config):
        for name in ("num_labels", "num_classes", "n_classes", "nb_classes"):
            value = source.get(name)
            if isinstance(value, (int, float)) and not isinstance(value, bool) and 2 <= value <= 1_000_000:
                return int(value)
        labels = source.get("id2label")
        if isinstance(labels, dict) and len(labels) >= 2:
            return len(labels)
    return None


def since(curve: Curve, k: int, tolerance: float) -> int:
    """First step from which on the level stays within a widened band around chance."""
    off = np.flatnonzero(np.abs(curve.level - math.log(k)) > 3 * tolerance * math.log(k))
    return int(curve.steps[min(len(curve) - 1, off[-1] + 1)]) if len(off) else int(curve.steps[0])


RULE = Rule(
    id="LRN001",
    guide=("M1", "M7"),
    label="underfitting",
    severity=Severity.HIGH,
    tier=Tier.NOT_LEARNING,
    doc=__doc__,
    limits=Limits(),
    check=check,
    message=N_(
        "Nothing learned: the loss stays at {end:.3g}, which is guessing among {k:.0f} classes (ln {k:.0f} = "
        "{chance:.3g}, accuracy {accuracy:.0%})."
    ),
    variants={
        "one_answer": N_(
            "Always the same answer: the evaluated accuracy is exactly {accuracy:.1%} in all {count} evaluations, as "
            "where one class is answered to everything."
        ),
        "evals_only": N_(
            "Nothing that was learned holds for the eval set: eval loss stays at {end:.4g}, which is guessing among "
            "{k} classes (ln {k} = {chance:.4g}), while train loss fell."
        ),
        "worse": N_(
            "Nothing learned: accuracy stands at {accuracy:.0%}, guessing among {k:.0f} classes, and the loss at "
            "{end:.3g} above the {chance:.3g} (ln {k:.0f}) of guessing."
        ),
        "no_accuracy": N_(
            "Nothing learned: the loss stays at {end:.3g}, which is guessing among {k:.0f} classes (ln {k:.0f} = "
            "{chance:.3g})."
        ),
    },
    remedies=(remedies.CHECK_LABELS, remedies.LR_RAISE, remedies.OVERFIT_TEN),
    not_in=("rl", "guide", "llm-sft", "pretrain"),
)
