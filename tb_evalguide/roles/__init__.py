"""Says which series of a training is its train loss, its eval loss, its learning rate …, and why."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import PurePosixPath

import numpy as np

from tb_evalguide import stats
from tb_evalguide.i18n import N_
from tb_evalguide.model import Role, RoleChoice, Roles, Run, Series, Text, Training
from tb_evalguide.roles.conventions import CONVENTIONS, Convention, Naming
from tb_evalguide.roles.names import (
    AUX_WORDS,
    EVAL_WORDS,
    NOT_A_LOSS,
    SHORT_SPLITS,
    STEP_WORDS,
    TEST_WORDS,
    TRAIN_WORDS,
    Words,
    greater_is_better,
    read_name,
)
from tb_evalguide.roles.placeholders import measured
from tb_evalguide.roles.wholes import whole

__all__ = ["CONVENTIONS", "Convention", "Naming", "choose_roles", "convention_of", "greater_is_better"]

# Where train and eval levels differ by more than LEVEL_FAR (a factor) and another train loss is within LEVEL_NEAR,
# the two do not measure the same thing and the nearer one is taken. Factors chosen wide: a healthy gap is below 1.5.
LEVEL_FAR, LEVEL_NEAR = 4.0, 2.0
# Two series count the same steps when their last steps differ by less than this factor.
AXIS_FACTOR = 4.0
FELL_FAR = 0.25  # of its range below its start: a curve that did so before it climbed began as a loss does
BLEW_UP = 10.0  # times its start, where a curve that had fallen ends: no metric does that; own choice
DIPPED = 0.2  # of its start, by which it had fallen before; own choice
LEAST_SETS_PART = 2  # this many named parts without a whole: the loss is composed, not evaluated on several sets

_REASON_GENERIC = {
    Role.TRAIN_LOSS: N_("its name reads as a loss on the training data"),
    Role.EVAL_LOSS: N_("its name reads as a loss on held-out data"),
    Role.LEARNING_RATE: N_("its name reads as a learning rate"),
    Role.GRAD_NORM: N_("its name reads as the norm of all gradients"),
    Role.EPOCH: N_("its name reads as the epoch"),
    Role.TRAIN_PERPLEXITY: N_("its name reads as a perplexity on the training data"),
    Role.EVAL_PERPLEXITY: N_("its name reads as a perplexity on held-out data"),
    Role.TRAIN_ACCURACY: N_("its name reads as an accuracy on the training data"),
    Role.EVAL_ACCURACY: N_("its name reads as an accuracy on held-out data"),
    Role.EVAL_METRIC: N_("its name reads as a metric on held-out data"),
    Role.LOSS_SCALE: N_("its name reads as a loss scale"),
    Role.MEMORY: N_("its name reads as a use of memory"),
    Role.THROUGHPUT: N_("its name reads as a throughput"),
    Role.STEP_TIME: N_("its name reads as the time of a step"),
    Role.REWARD: N_("its name reads as a reward"),
    Role.TOKENS: N_("its name reads as a count of tokens"),
}


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A series with what its name and its place in the training say."""

    series: Series
    place: str
    words: Words
    table: bool  # from a table file rather than an event file: no wall time of its own

    @property
    def tag(self) -> str:
        return self.series.tag

    @property
    def spelled(self) -> str:
        return f"{self.series.run}: {self.tag}"

    @cached_property
    def level(self) -> float:
        finite = self.series.values[np.isfinite(self.series.values)]
        return float(stats.median(finite)) if len(finite) else math.nan


@dataclass
class _Search:
    """Candidates of one training and what has been found so far."""

    candidates: Sequence[_Candidate]
    convention: Convention | None
    choices: dict[Role, RoleChoice] = field(default_factory=dict)
    notes: list[Text] = field(default_factory=list)

    @cached_property
    def tags(self) -> set[str]:
        return {c.tag for c in self.candidates}


@dataclass(frozen=True)
class _Ranked:
    """A candidate for a role: a lower rank is preferred. set_name: the evaluation set its name states."""

    candidate: _Candidate
    rank: tuple[float, ...]
    naming: Naming | None = None
    set_name: str | None = None
    certain: bool = True


def choose_roles(
    training: Training,
    mapping: Mapping[str, str] | None = None,
    *,
    metric: str | None = None,
    greater_is_better: bool | None = None,
) -> Roles:
    """All roles found in one training.

    mapping: the user's own {role: tag}; a tag may be a glob and may name its run ("run:tag"); it wins over all.
    metric, greater_is_better: the user's choice of the metric to rank by and its direction.
    """
    candidates = _candidates(training)
    convention = convention_of(training, candidates)
    mapping = mapping or {}
    # a part that the user names is compared with the same part, not with the sum of all
    named = not {Role.TRAIN_LOSS.value, Role.EVAL_LOSS.value}.isdisjoint(mapping)
    named = named or any(metric == c.tag and c.words.is_loss for c in candidates)
    search = _Search([*candidates, *(() if named else _sums(training, convention))], convention)
    _apply_mapping(search, mapping)
    extra = _choose_losses(search, training)
    for role in Role:
        if role not in search.choices and role in _GENERIC:
            _choose_simple(search, role)
    metrics = _choose_metrics(search, training, metric, greater_is_better)
    if Role.EVAL_LOSS in search.choices:
        search.choices[Role.EVAL_LOSS] = _measured(search.choices[Role.EVAL_LOSS])
    # a metric of which less is better would be at its best where nothing was measured
    metrics = tuple(_measured(choice) if choice.greater_is_better is False else choice for choice in metrics)
    extra = tuple(_measured(choice) for choice in extra)
    return Roles(
        choices=search.choices,
        metrics=metrics,
        extra_eval_losses=extra,
        notes=tuple(search.notes),
        framework=convention.id if convention else None,
    )


def _measured(choice: RoleChoice) -> RoleChoice:
    return replace(choice, series=measured(choice.series))


# --- candidates ----------------------------------------------------------------------------------------------------


def _candidates(training: Training) -> list[_Candidate]:
    out: list[_Candidate] = []
    for run in training.runs:
        place, table = _place(run, training), _is_table(run)
        for tag, series in run.series.items():
            if len(series):
                out.append(_Candidate(series, place, read_name(tag, place), table))
    out = _with_short_splits(out)
    # full event series before copies of them in tables, in a fixed order whatever order the files were found in
    return sorted(out, key=lambda c: (c.table, c.series.run, c.tag))


def _sums(training: Training, convention: Convention | None) -> list[_Candidate]:
    """The losses that are logged only in parts which their framework adds: the same parts in both splits, and no other.

    A loss that is no such part, or a part logged more seldom than the others, and the sum would not be the whole.
    """
    if convention is None or not convention.parts:
        return []
    sums, parts = [], set()
    for run in training.runs:
        place, table = _place(run, training), _is_table(run)
        logged = [s for s in run.series.values() if len(s)]
        losses = [s.tag for s in logged if read_name(s.tag, place).is_loss and read_name(s.tag, place).split != "test"]
        if not all(any(pattern.fullmatch(tag) for pattern in convention.part_patterns) for tag in losses):
            return []
        for pattern in convention.part_patterns:
            series = whole(logged, pattern)
            if series is not None:
                split = series.parts[0].split("/")[0]
                parts.add(tuple(part.split("/")[-1] for part in series.parts))
                sums.append(_Candidate(series, place, read_name(f"{split}/loss", place), table))
            elif any(pattern.fullmatch(tag) for tag in losses):
                return []
    return sums if len(parts) == 1 else []


def _is_table(run: Run) -> bool:
    return bool(run.sources) and all(source.kind != "tfevents" for source in run.sources)


def _with_short_splits(candidates: Sequence[_Candidate]) -> list[_Candidate]:
    """`te_loss` and `va_loss` read as test and eval losses where there is a `tr_loss`."""
    spelled = {c.words.words for c in candidates}
    out = []
    for c in candidates:
        short = next((word for word in c.words.words if word in SHORT_SPLITS), None)
        if short is not None and not c.words.split:
            train = tuple("tr" if word == short else word for word in c.words.words)
            if train in spelled:
                words = replace(c.words, split=SHORT_SPLITS[short], rest=c.words.rest - {short})
                c = replace(c, words=words)
        out.append(c)
    return out


def _place(run: Run, training: Training) -> str:
    """Where a run stands within its training ("train", "validation", "eval_dev"); "" for the training itself."""
    name, own = run.name.strip("/"), training.name.strip("/")
    place = "" if name in (own, ".") else name[len(own) + 1 :] if own and name.startswith(own + "/") else name
    if not place or len(training.runs) == 1:
        # a lone run speaks through its folder only when that is named for a split and nothing else
        last = PurePosixPath(name).name or ""
        if last in ("", ".") and run.directory:
            last = PurePosixPath(run.directory).name
        place = last if last.lower() in TRAIN_WORDS | EVAL_WORDS | TEST_WORDS | {"train_inner"} else ""
    if not place and any(tag.startswith("evaluation_") and tag.endswith("_vs_iterations") for tag in run.series):
        place = "validation"  # Keras writes these tags into the validation run only
    return place


def convention_of(training: Training, candidates: Sequence[_Candidate] | None = None) -> Convention | None:
    """The naming convention that the files or the tags speak; the files' word first."""
    tags = {c.tag for c in (candidates if candidates is not None else _candidates(training))}
    stated = [c for c in CONVENTIONS if c.id == training.framework]
    for convention in stated:
        if any(n.tag_pattern.fullmatch(tag) for n in convention.namings for tag in tags):
            return convention
    for convention in CONVENTIONS:
        if convention.never_pattern is not None and any(convention.never_pattern.fullmatch(tag) for tag in tags):
            continue
        if all(any(sign.fullmatch(tag) for tag in tags) for sign in convention.sign_patterns):
            return convention
    return None


# --- the user's mapping --------------------------------------------------------------------------------------------


def _apply_mapping(search: _Search, mapping: Mapping[str, str]) -> None:
    for name, wanted in mapping.items():
        role = Role(name)
        found = _find(search.candidates, wanted)
        if not found:
            search.notes.append(
                Text(N_("The setting {role} = {tag} matches no series of this run."), {"role": name, "tag": wanted})
            )
            continue
        best = max(found, key=lambda c: (not c.table, len(c.series)))
        search.choices[role] = RoleChoice(
            role,
            best.series,
            Text(N_("set by the user ({tag})"), {"tag": wanted}),
            greater_is_better=greater_is_better(best.tag),
        )
        if len({c.spelled for c in found if not c.table}) > 1:
            search.notes.append(
                Text(
                    N_("The setting {role} = {tag} matches several series; {chosen} has the most points."),
                    {"role": name, "tag": wanted, "chosen": best.spelled},
                )
            )


def _find(candidates: Sequence[_Candidate], wanted: str) -> list[_Candidate]:
    """Candidates that a tag, a glob or "run:tag" names; the plain reading first, because a tag may hold a colon."""
    for match in (lambda a, b: a == b, fnmatch.fnmatchcase):
        found = [c for c in candidates if match(c.tag, wanted)]
        if found:
            return found
        for i, char in enumerate(wanted):
            if char == ":":
                run, tag = wanted[:i], wanted[i + 1 :].strip()
                found = [
                    c for c in candidates if match(c.tag, tag) and (match(c.series.run, run) or match(c.place, run))
                ]
                if found:
                    return found
    return []


# --- losses --------------------------------------------------------------------------------------------------------


def _choose_losses(search: _Search, training: Training) -> tuple[RoleChoice, ...]:
    """Chooses train and eval loss as a comparable pair; returns the further evaluation sets."""
    trains = _losses(search, Role.TRAIN_LOSS)
    evals = _losses(search, Role.EVAL_LOSS)
    extra: tuple[RoleChoice, ...] = ()
    given_train = search.choices.get(Role.TRAIN_LOSS)
    given_eval = search.choices.get(Role.EVAL_LOSS)
    if not (trains or given_train or given_eval):
        trains = _errors_beside(search, evals)
    if not (trains or evals or given_train or given_eval):
        trains, evals = _unnamed_pairs(search)
        trains = trains or _only_curve(search) or _reconstruction(search)
    if given_train:
        trains, evals = [], _same_part(search, given_train, evals)
    if given_eval:
        trains, evals = _same_part(search, given_eval, trains), []

    trains, evals = _comparable(search, trains, evals)
    eval_series = given_eval.series if given_eval else None
    if evals:
        chosen, rivals, sets = _best_eval(search, evals, training, {r.candidate.words.rest for r in trains})
        eval_series = chosen.candidate.series
        _choose(search, Role.EVAL_LOSS, chosen, rivals)
        extra = tuple(
            RoleChoice(Role.EVAL_LOSS, r.candidate.series, Text(N_("another evaluation set")), greater_is_better=False)
            for r in sets
        )
    if trains:
        ordered = sorted(trains, key=lambda r: (not _same_axis(r.candidate.series, eval_series), r.rank))
        chosen = ordered[0]
        chosen = _nearer_level(search, _with_more_points(chosen, ordered[1:], eval_series), ordered[1:], eval_series)
        rivals = [r for r in ordered if r is not chosen and (_rivals(chosen, r) or _unknown_rivals(chosen, r))]
        _choose(search, Role.TRAIN_LOSS, chosen, rivals)
    train_choice = search.choices.get(Role.TRAIN_LOSS)
    if train_choice and eval_series is not None and _counts_epochs_only(eval_series, train_choice.series):
        search.notes.append(
            Text(
                N_("{train} and {eval} seem to count different steps (last steps {train_last} and {eval_last})."),
                {
                    "train": train_choice.tag,
                    "eval": eval_series.tag,
                    "train_last": int(train_choice.series.steps[-1]),
                    "eval_last": int(eval_series.steps[-1]),
                },
            )
        )
    return extra


def _same_part(search: _Search, given: RoleChoice, others: list[_Ranked]) -> list[_Ranked]:
    """Of the losses of the other split, those of the same part as the one that the user named, where it is a part."""
    words = next((c.words for c in search.candidates if c.series is given.series), None)
    same = [r for r in others if words is not None and words.part and r.candidate.words.rest == words.rest]
    return same or others


def _losses(search: _Search, role: Role) -> list[_Ranked]:
    """All candidates for a loss role, the convention's spellings before those read from words."""
    wanted = ("train", "") if role is Role.TRAIN_LOSS else ("eval", "test")
    out = _by_convention(search, role)
    taken = {id(r.candidate) for r in out} | {id(r.candidate) for r in _by_convention(search, _OTHER_LOSS[role])}
    tags = search.tags
    has_loss = any(c.words.kind == "loss" and c.words.split in wanted for c in search.candidates)
    for c in search.candidates:
        w = c.words
        if id(c) in taken or not w.kind or w.split not in wanted or w.derived:
            continue
        if w.kind == "error" and (has_loss or w.split == ""):
            continue
        if not w.rest.isdisjoint(NOT_A_LOSS) or _is_summary(c, tags):
            continue
        grain = {"step": 0, "": 1, "epoch": 2}[w.grain]
        if role is Role.EVAL_LOSS:
            # evaluations are wanted one a pass; a per-batch eval series counts batches of the eval set
            grain = {"": 0, "epoch": 1, "step": 2}[w.grain]
        order = 100.0 + 10 * wanted.index(w.split) + (5 if w.kind == "error" else 0)
        out.append(_Ranked(c, (order, len(w.rest), grain, -len(c.series))))
    # a term that is 0 throughout (YOLO's kobj_loss, an unused penalty) says nothing where another one does
    return [r for r in out if r.candidate.series.values.any()] or out


def _errors_beside(search: _Search, evals: Sequence[_Ranked]) -> list[_Ranked]:
    """`huber` beside `val_huber`, where no loss is named: an error without a split is that of training."""
    wanted = {r.candidate.words.rest for r in evals if r.candidate.words.kind == "error"}
    return [
        _Ranked(c, (150.0, -len(c.series)))
        for c in search.candidates
        if c.words.kind == "error" and not c.words.split and not c.words.derived and c.words.rest in wanted
    ]


def _unnamed_pairs(search: _Search) -> tuple[list[_Ranked], list[_Ranked]]:
    """`g/train` and `g/val` where no loss is named at all: a pair that falls is taken for the losses, and said.

    A pair that rises is a metric, if it is anything.
    """
    sides: dict[tuple[str, tuple[str, ...]], dict[str, _Candidate]] = {}
    for c in sorted(search.candidates, key=lambda c: not c.words.split):
        # an evidence lower bound is a loss where it is logged negative, so that it falls
        direction = None if "elbo" in c.words.found else greater_is_better(c.tag)
        bare = set(c.words.words) <= TRAIN_WORDS | EVAL_WORDS | TEST_WORDS
        may_fall = bare or (not c.words.rest.isdisjoint(c.words.found - AUX_WORDS) and direction is not True)
        may_fall = may_fall and (direction is None or c.words.rest.isdisjoint(NOT_A_LOSS))
        # beside an evaluation of the same name, what is logged by batch or step is of the training
        split = c.words.split or ("train" if set(c.words.words) & STEP_WORDS else "")
        if split and may_fall and not c.words.kind and not c.words.derived and len(c.series) > 1:
            splits = TRAIN_WORDS | EVAL_WORDS | TEST_WORDS | (frozenset() if c.words.split else STEP_WORDS)
            name = tuple(word for word in c.words.words if word not in splits)
            sides.setdefault((c.place, name), {}).setdefault(split, c)
    pairs = [
        (found["train"], found.get("eval") or found["test"])
        for found in sides.values()
        if "train" in found and ("eval" in found or "test" in found) and _fell(found["train"].series)
    ]
    # what is known to be better when smaller comes first, a share that has no name of its own last
    pairs.sort(key=lambda pair: (greater_is_better(pair[0].tag) is None, "rate" in pair[0].words.words))
    for train, evals in pairs[:1]:
        names = {"train": train.tag, "eval": evals.tag}
        search.notes.append(
            Text(N_("{train} and {eval} do not say what they measure; they are taken for the losses."), names)
        )
    return (
        [_Ranked(train, (200.0, number), certain=False) for number, (train, _) in enumerate(pairs)],
        [_Ranked(evals, (200.0, number), certain=False) for number, (_, evals) in enumerate(pairs)],
    )


_SETTINGS = frozenset({"epsilon", "eps", "exploration", "beta", "alpha", "gamma", "tau", "kl", "entropy", "dropout"})


def _only_curve(search: _Search) -> list[_Ranked]:
    """A log of one unnamed curve that falls: it is taken for the train loss, and that is said."""
    unknown = [
        c
        for c in search.candidates
        if not c.words.derived
        and c.words.found.isdisjoint(AUX_WORDS)
        and _SETTINGS.isdisjoint(c.words.words)
        and not c.words.kind
        and len(c.series) > 1
    ]
    if len(unknown) != 1 or greater_is_better(unknown[0].tag) is not None or not _falls(unknown[0].series):
        return []
    bare = set(unknown[0].words.words) <= TRAIN_WORDS
    if (unknown[0].words.split and not bare) or not (unknown[0].series.values[:1] > 0).all():
        return []
    text = N_("{tag} does not say what it measures; as the only curve that is no bookkeeping it is taken for the loss.")
    search.notes.append(Text(text, {"tag": unknown[0].tag}))
    return [_Ranked(unknown[0], (300.0,), certain=False)]


def _reconstruction(search: _Search) -> list[_Ranked]:
    """`train/Recon` beside `train/KL`, where no loss is named: an autoencoder's, the part that its task names."""
    found = [
        c
        for c in search.candidates
        if not c.words.found.isdisjoint(_RECONSTRUCTION)
        and c.words.found.isdisjoint(NOT_A_LOSS)
        and c.words.split in ("", "train")
        and not c.words.derived
    ]
    if len(found) != 1 or greater_is_better(found[0].tag) is not None or not _falls(found[0].series):
        return []
    return [_Ranked(found[0], (300.0,), certain=False)]


def _falls(series: Series) -> bool:
    values = series.values[np.isfinite(series.values)]
    part = max(1, len(values) // 5)
    return len(values) > 1 and stats.median(values[-part:]) < stats.median(values[:part])


def _fell(series: Series) -> bool:
    """It falls, or fell far before it climbed: a loss that diverged. A metric begins at its lowest."""
    values = series.values[np.isfinite(series.values)]
    if _falls(series) or len(values) < 8:
        return _falls(series)
    level = stats.running_median(values, 3)
    if level.min() > 0 and level[-1] > BLEW_UP * level[0]:
        return bool(level.min() < (1 - DIPPED) * level[0])  # beside where it ended no earlier fall can be seen
    return bool(level[0] - level.min() > FELL_FAR * np.ptp(level))


_OTHER_LOSS = {Role.TRAIN_LOSS: Role.EVAL_LOSS, Role.EVAL_LOSS: Role.TRAIN_LOSS}
_RECONSTRUCTION = frozenset({"recon", "reconstruction"})


def _is_summary(candidate: _Candidate, tags: set[str]) -> bool:
    """Hugging Face's mean over the whole run, written once at the end as `train_loss` beside `train_runtime`."""
    return candidate.tag in ("train_loss", "train/train_loss") and candidate.tag[: -len("loss")] + "runtime" in tags


def _by_convention(search: _Search, role: Role) -> list[_Ranked]:
    if search.convention is None:
        return []
    out: list[_Ranked] = []
    seen: set[int] = set()
    tags = search.tags
    for order, naming in enumerate(n for n in search.convention.namings if n.role is role):
        for c in search.candidates:
            match = naming.tag_pattern.fullmatch(c.tag)
            if match is None or id(c) in seen:
                continue
            if naming.place_pattern is not None and not naming.place_pattern.fullmatch(c.place.lower()):
                continue
            # the sub-run's word outweighs a spelling that does not name a place: tag `loss` in run `eval`
            if role is Role.TRAIN_LOSS and (c.words.split in ("eval", "test") or _is_summary(c, tags)):
                continue
            seen.add(id(c))
            name = match.groupdict().get("set")
            out.append(_Ranked(c, (float(order), 0, 0, -len(c.series)), naming, name))
    return out


def _comparable(search: _Search, trains: list[_Ranked], evals: list[_Ranked]) -> tuple[list[_Ranked], list[_Ranked]]:
    """Keeps only losses that measure the same thing: a whole with a whole, else a part with the same part."""

    def wholes(ranked: Iterable[_Ranked]) -> list[_Ranked]:
        return [r for r in ranked if not r.candidate.words.part]

    if _adversarial(trains) and not wholes(trains):
        search.notes.append(
            Text(N_("Generator and discriminator work against each other: neither of their losses tells of progress."))
        )
        return [], wholes(evals)
    whole_trains, whole_evals = wholes(trains), wholes(evals)
    plain = [any(not r.candidate.words.rest for r in ranked) for ranked in (whole_trains, whole_evals)]
    if whole_trains and whole_evals:
        shared = {r.candidate.words.rest for r in whole_trains} & {r.candidate.words.rest for r in whole_evals}
        if all(plain) or not shared:
            return whole_trains, whole_evals
        # no loss without further words on both sides (mse/train, mae/val, mse/val): the same words are compared
        if len(shared) > 1:
            _say_part(search, min((r for r in evals if r.candidate.words.rest in shared), key=lambda r: r.rank))
        return (
            [r for r in whole_trains if r.candidate.words.rest in shared],
            [r for r in whole_evals if r.candidate.words.rest in shared],
        )
    if not evals or not trains:
        ranked = trains or evals
        whole = wholes(ranked)
        if not whole and ranked:
            _say_part(search, min(ranked, key=lambda r: r.rank))
        return (whole or trains, []) if trains else ([], whole or evals)
    common = {r.candidate.words.rest for r in trains} & {r.candidate.words.rest for r in evals} - {frozenset()}
    if common:
        # the first that the convention names, else the first by name
        first = min((r for r in evals if r.candidate.words.rest in common), key=lambda r: (r.rank[0], r.candidate.tag))
        part = first.candidate.words.rest
        _say_part(search, first)
        return (
            [r for r in trains if r.candidate.words.rest == part],
            [r for r in evals if r.candidate.words.rest == part],
        )
    lone = min(trains if whole_evals else evals, key=lambda r: r.rank)
    search.notes.append(
        Text(
            N_("{tag} is one part of a composed loss and is not compared with the whole."),
            {"tag": lone.candidate.tag},
        )
    )
    return whole_trains, whole_evals


def _adversarial(trains: Iterable[_Ranked]) -> bool:
    parts: set[str] = set().union(*(r.candidate.words.rest for r in trains))
    return not parts.isdisjoint({"d", "discriminator", "disc"}) and not parts.isdisjoint({"g", "generator", "gen"})


def _say_part(search: _Search, ranked: _Ranked) -> None:
    search.notes.append(
        Text(
            N_("No total loss is logged; {tag}, one part of it, stands for it."),
            {"tag": ranked.candidate.tag},
        )
    )


def _best_eval(
    search: _Search, evals: list[_Ranked], training: Training, trained: Collection[frozenset[str]]
) -> tuple[_Ranked, list[_Ranked], list[_Ranked]]:
    """The eval loss, its rivals, and the other evaluation sets.

    trained: what the train losses are of; an eval loss of the same is another loss, not another set.
    """
    ordered = sorted(evals, key=lambda r: (r.rank, r.candidate.table, r.candidate.tag))
    named = str(training.arguments.get("metric_for_best_model") or "")
    if named:
        key = named.replace("/", "_").removeprefix("eval_")
        ordered.sort(key=lambda r: r.candidate.tag.replace("/", "_").removeprefix("eval_") != key)
    chosen = ordered[0]
    sets = [
        r
        for r in ordered[1:]
        if not _same_series(chosen, r)
        and r.candidate.words.split == chosen.candidate.words.split
        and (r.candidate.words.rest, r.set_name) != (chosen.candidate.words.rest, chosen.set_name)
        and r.candidate.words.kind == "loss"
        and (r.set_name or r.candidate.words.rest not in trained)
    ]
    if sets and (chosen.set_name or chosen.candidate.words.rest):
        search.notes.append(
            Text(
                N_("There are {count} evaluation sets and none is the whole; {tag} is taken as the eval loss."),
                {"count": len(sets) + 1, "tag": chosen.candidate.tag},
            )
        )
        return replace(chosen, certain=False), [], sets
    return chosen, [r for r in ordered[1:] if r not in sets and _rivals(chosen, r)], sets


def _same_series(a: _Ranked, b: _Ranked) -> bool:
    """The same tag of the same training in another file: a table beside the event file, or a run folder more."""
    return a.candidate.tag == b.candidate.tag and a.candidate.place == b.candidate.place


def _rivals(a: _Ranked, b: _Ranked) -> bool:
    """Whether another could as well have been meant: the same grain, more than one point, not a copy in a table."""
    x, y = a.candidate, b.candidate
    # `loss` beside `train_loss` is a rival although its name states no split
    same_split = x.words.split == y.words.split or "" in (x.words.split, y.words.split)
    same_kind = x.table == y.table and x.words.grain == y.words.grain and x.words.rest == y.words.rest
    return same_split and same_kind and len(y.series) > 1


def _unknown_rivals(a: _Ranked, b: _Ranked) -> bool:
    """Two losses whose names say neither the split nor anything else that is known: one may be the validation's."""
    x, y = a.candidate, b.candidate
    unknown = not (x.words.split or y.words.split or x.words.part or y.words.part or a.naming or b.naming)
    named_alike = bool(x.words.rest) and len(x.words.rest) == len(y.words.rest) and x.table == y.table
    return unknown and named_alike and x.words.kind == y.words.kind and len(y.series) > 1


def _nearer_level(search: _Search, chosen: _Ranked, others: Sequence[_Ranked], evals: Series | None) -> _Ranked:
    """Another train loss when the preferred one is clearly of another size than the eval loss, and that one is not."""
    if evals is None:
        return chosen
    level = stats.median(evals.values[np.isfinite(evals.values)])

    def distance(r: _Ranked) -> float:
        ours = r.candidate.level
        # not the logarithm of the quotient, which may be 0 or infinite
        return abs(math.log(ours) - math.log(level)) if ours > 0 and level > 0 else math.inf

    if not math.isfinite(distance(chosen)) or distance(chosen) <= math.log(LEVEL_FAR):
        return chosen
    near = [r for r in others if distance(r) < math.log(LEVEL_NEAR) and len(r.candidate.series) > 1]
    if not near:
        return chosen
    search.notes.append(
        Text(
            N_("{other} is of another size than the eval loss {eval}; {tag} is compared with it."),
            {"other": chosen.candidate.tag, "eval": evals.tag, "tag": near[0].candidate.tag},
        )
    )
    return near[0]


def _with_more_points(chosen: _Ranked, others: Sequence[_Ranked], evals: Series | None) -> _Ranked:
    """The mean per epoch in place of a series per step that was logged still more rarely (every 50 steps of few)."""
    c = chosen.candidate
    if c.words.grain != "step":
        return chosen
    for other in others:
        o = other.candidate
        alike = o.words.grain == "epoch" and o.words.rest == c.words.rest
        if (
            alike
            and _same_axis(o.series, evals) >= _same_axis(c.series, evals)
            and _finite(o.series) > _finite(c.series)
        ):
            return other
    return chosen


def _finite(series: Series) -> int:
    return int(np.isfinite(series.values).sum())


def _same_axis(a: Series, b: Series | None) -> bool:
    if b is None or len(b) < 2 or len(a) < 2:
        return True
    x, y = max(int(a.steps[-1]), 1), max(int(b.steps[-1]), 1)
    return max(x, y) < AXIS_FACTOR * min(x, y)


def _counts_epochs_only(evals: Series, train: Series) -> bool:
    """The eval series counts 0, 1, 2 … while the train series counts many more steps."""
    return len(evals) >= 4 and bool((np.diff(evals.steps) == 1).all()) and not _same_axis(evals, train)


def _contains(whole: Series, piece: Series) -> bool:
    """A resumed training's earlier folder holds the same tag, and the joined series holds its points."""
    return whole.tag == piece.tag and bool(np.isin(piece.steps, whole.steps).all())


def _choose(search: _Search, role: Role, chosen: _Ranked, rivals: Sequence[_Ranked]) -> None:
    c = chosen.candidate
    reason = _reason(search, role, chosen)
    if role is Role.TRAIN_LOSS and c.words.grain == "step":
        reason = Text(N_("{reason}; the series per step is taken, not the one per epoch"), {"reason": reason})
    rivals = [r for r in rivals if r.candidate.spelled != c.spelled and not _contains(c.series, r.candidate.series)]
    rivals = [r for r in rivals if not r.candidate.series.parts]  # a sum is no tag that could be set
    search.choices[role] = RoleChoice(
        role, c.series, reason, greater_is_better=False, certain=chosen.certain and not rivals
    )
    if rivals:
        others = ", ".join(sorted({r.candidate.spelled for r in rivals})[:5])
        search.notes.append(
            Text(
                N_("{others} could also be the {role}; {chosen} is used. Set roles.{role} to choose another."),
                {"others": others, "role": role.value, "chosen": c.spelled},
            )
        )


def _reason(search: _Search, role: Role, chosen: _Ranked) -> Text:
    if chosen.candidate.series.parts:
        return Text(
            N_("the sum of the parts that {framework} logs"),
            {"framework": Text(search.convention.name) if search.convention is not None else "?"},
        )
    if chosen.naming is not None and search.convention is not None:
        if chosen.set_name:
            return Text(
                N_("{framework} writes it under this name; evaluation set {set}"),
                {"framework": Text(search.convention.name), "set": chosen.set_name},
            )
        return Text(N_("{framework} writes it under this name"), {"framework": Text(search.convention.name)})
    if role in _OTHER_LOSS and not chosen.candidate.words.found.isdisjoint(_RECONSTRUCTION):
        return Text(N_("it is the part of an autoencoder's loss that its task names, and no series is named a loss"))
    if role in _OTHER_LOSS and not chosen.candidate.words.kind:
        return Text(N_("its name says on which data, and no series is named a loss"))
    if chosen.candidate.words.split == "test" and role is Role.EVAL_LOSS:
        return Text(N_("its name reads as a loss on test data, and there is no validation loss"))
    return Text(_REASON_GENERIC[role])


# --- the other roles ------------------------------------------------------------------------------------------------


def _choose_simple(search: _Search, role: Role) -> None:
    """A role read from the convention, else from words: the shortest name that fits, the most points."""
    ranked = [r for r in _by_convention(search, role) if _fits_split(role, r.candidate)]
    if not ranked:
        fits = _GENERIC[role]
        ranked = [
            _Ranked(c, (float(len(c.words.words)), -len(c.series)))
            for c in search.candidates
            if not c.words.derived and fits(c)
        ]
    if not ranked:
        return
    ordered = sorted(ranked, key=lambda r: (r.rank[0], r.candidate.table, *r.rank[1:], r.candidate.tag))
    chosen = ordered[0]
    better = greater_is_better(chosen.candidate.tag) if role in _DIRECTED else None
    search.choices[role] = RoleChoice(
        role, chosen.candidate.series, _reason(search, role, chosen), greater_is_better=better
    )


_DIRECTED = (Role.TRAIN_PERPLEXITY, Role.EVAL_PERPLEXITY, Role.TRAIN_ACCURACY, Role.EVAL_ACCURACY, Role.REWARD)


def _fits_split(role: Role, c: _Candidate) -> bool:
    split = c.words.split
    if role in (Role.TRAIN_ACCURACY, Role.TRAIN_PERPLEXITY):
        return split in ("train", "")
    if role in (Role.EVAL_ACCURACY, Role.EVAL_PERPLEXITY):
        return split in ("eval", "test", "")
    return True


def _has(c: _Candidate, *groups: str) -> bool:
    """Whether the name holds a word of each group (words of a group are separated by |)."""
    found = c.words.found
    return all(not found.isdisjoint(_group(group)) for group in groups)


@cache
def _group(words: str) -> frozenset[str]:
    return frozenset(words.split("|"))


def _only(c: _Candidate, allowed: str) -> bool:
    """Whether the name holds no word beyond these, its split, its grain and fillers."""
    return c.words.rest <= set(allowed.split())


_ACC = "accuracy|acc|acc1|top1|categorical_accuracy"
_ACC_REST = "accuracy acc acc1 top1 top 1 binary categorical sparse mean"


def _is_accuracy(c: _Candidate, train: bool) -> bool:
    if not _has(c, _ACC) or not _only(c, _ACC_REST) or c.words.kind:
        return False
    return c.words.split == "train" if train else c.words.split in ("eval", "test")


def _is_reward(c: _Candidate) -> bool:
    if c.words.kind == "loss" or not _has(c, "reward|rewards|return|returns|rew"):
        return False
    # preference tuning (DPO) logs rewards of pairs, which are no return of an environment
    return not _has(c, "chosen|rejected|margins|margin|accuracies|std|min|max|var|return_reward")


_GENERIC: Mapping[Role, Callable[[_Candidate], bool]] = {
    Role.LEARNING_RATE: lambda c: (
        (_has(c, "lr") or _has(c, "learning", "rate") or "learningrate" in c.words.words)
        and not _has(c, "mult|multiplier|decay|ratio|momentum|weight")
        and (not _has(c, "loss") or c.words.words[-1] in ("lr", "rate"))
    ),
    Role.GRAD_NORM: lambda c: (
        (_has(c, "gnorm|gradnorm") or _has(c, "grad|grads|gradient|gradients", "norm|norms"))
        and _only(
            c,
            "gnorm gradnorm grad grads gradient gradients norm norms total global l2 2 0 unclipped before clip",
        )
    ),
    Role.EPOCH: lambda c: (
        c.words.grain == "epoch" and c.words.rest == frozenset() and not c.words.kind and c.words.split != "eval"
    ),
    Role.TRAIN_PERPLEXITY: lambda c: _has(c, "perplexity|ppl") and not c.words.kind and c.words.split == "train",
    Role.EVAL_PERPLEXITY: lambda c: (
        _has(c, "perplexity|ppl") and not c.words.kind and c.words.split in ("eval", "test")
    ),
    Role.TRAIN_ACCURACY: lambda c: _is_accuracy(c, train=True),
    Role.EVAL_ACCURACY: lambda c: _is_accuracy(c, train=False),
    Role.LOSS_SCALE: lambda c: _has(c, "loss|grad|amp", "scale|scaler") or "lossscale" in c.words.words,
    Role.MEMORY: lambda c: _has(c, "memory|mem") and not _has(c, "percent|util|utilization"),
    Role.THROUGHPUT: lambda c: (
        (_has(c, "per", "second|sec|s") or _has(c, "throughput|fps|wps|tps") or c.tag.endswith("/sec"))
        and c.words.split not in ("eval", "test")
        and len(c.series) > 1
        and not c.tag.endswith(("train_samples_per_second", "train_steps_per_second"))  # a summary at the end of a run
    ),
    Role.STEP_TIME: lambda c: (
        (_has(c, "time|duration|seconds|ms", "step|iteration|iter|batch"))
        and not _has(c, "data|load|loading|total|elapsed")
        and c.words.split not in ("eval", "test")
    ),
    Role.REWARD: _is_reward,
    Role.TOKENS: lambda c: (
        _has(c, "tokens|token") and not _has(c, "per|accuracy|entropy|loss|length|second|sec|throughput|mean")
    ),
}


# --- metrics -------------------------------------------------------------------------------------------------------


def _choose_metrics(
    search: _Search, training: Training, metric: str | None, direction: bool | None
) -> tuple[RoleChoice, ...]:
    """Every quality metric evaluated beside the loss; the one to rank by first."""
    taken = {id(choice.series) for choice in search.choices.values() if choice.role not in _METRIC_ROLES}
    by_convention = {id(r.candidate): r for r in _by_convention(search, Role.EVAL_METRIC)}
    splits = {c.words.words[-1] for c in search.candidates if c.words.split in ("eval", "test") and c.words.words}
    out: list[tuple[tuple[object, ...], RoleChoice]] = []
    named, named_direction = _named_metric(training, metric, direction)
    chosen_by_user = search.choices.get(Role.EVAL_METRIC)
    seen: set[tuple[str, str]] = set()
    for c in search.candidates:
        w = c.words
        if id(c.series) in taken or w.kind == "loss" or w.derived or (c.tag, c.place) in seen:
            continue
        known = greater_is_better(c.tag)
        listed = by_convention.get(id(c))
        is_named = named is not None and _names(c, named)
        mine = chosen_by_user is not None and chosen_by_user.series is c.series
        if not (listed or is_named or mine):
            if w.split == "train" or not _quality_words(c):
                continue
            if w.split == "" and (known is None or (w.words and w.words[-1] in splits)):
                # `accuracy` beside `val_accuracy` is the training's own
                continue
        seen.add((c.tag, c.place))
        if is_named or mine:
            known = (
                named_direction
                if named_direction is not None and is_named
                else (direction if direction is not None and mine else known)
            )
        reason = (
            chosen_by_user.reason
            if mine and chosen_by_user
            else Text(N_("named as the metric to rank by"))
            if is_named
            else _reason(search, Role.EVAL_METRIC, listed)
            if listed
            else Text(_REASON_GENERIC[Role.EVAL_METRIC])
            if w.split
            else Text(N_("its name reads as a metric; it does not say on which data"))
        )
        choice = RoleChoice(
            Role.EVAL_METRIC,
            c.series,
            reason,
            greater_is_better=known,
            certain=bool(w.split or listed or is_named or mine),
        )
        order = (
            not mine,
            not is_named,
            listed.rank[0] if listed else 99.0,
            known is None,
            not w.split,
            _is_perplexity(c),
            c.tag,
        )
        out.append((order, choice))
    if named is not None and metric is not None and not any(_names_tag(choice.series, metric) for _, choice in out):
        loss = search.choices.get(Role.EVAL_LOSS)
        if loss is None or not _names_tag(loss.series, metric):
            search.notes.append(Text(N_("The metric {tag} is not logged in this run."), {"tag": metric}))
    metrics = tuple(choice for _, choice in sorted(out, key=lambda pair: pair[0]))
    if metrics:
        search.choices[Role.EVAL_METRIC] = metrics[0]
    return metrics


_METRIC_ROLES = (Role.EVAL_METRIC, Role.EVAL_ACCURACY, Role.EVAL_PERPLEXITY)


def _named_metric(training: Training, metric: str | None, direction: bool | None) -> tuple[str | None, bool | None]:
    """The metric that the user, else the training's own arguments, name for ranking, and its stated direction."""
    if metric is not None:
        return metric, direction
    named = training.arguments.get("metric_for_best_model")
    if not isinstance(named, str) or named.removeprefix("eval_") == "loss":
        return None, None
    stated = training.arguments.get("greater_is_better")
    return named, stated if isinstance(stated, bool) else None


def _names(c: _Candidate, name: str) -> bool:
    return _names_tag(c.series, name)


def _names_tag(series: Series, name: str) -> bool:
    """Whether a name of a metric ("f1", "eval_f1", "eval/f1") means this tag."""
    return series.tag == name or _bare(series.tag) == _bare(name) and _bare(name) != ""


def _bare(name: str) -> str:
    return name.replace("/", "_").removeprefix("eval_").removeprefix("val_")


def _quality_words(c: _Candidate) -> bool:
    """Not bookkeeping: some word names a quality, or at least none names time, memory or counts."""
    if c.tag == "hp_metric" or _is_reward(c):
        return False
    words = set(c.words.words) - EVAL_WORDS - TEST_WORDS
    if not words:
        return False
    if greater_is_better(c.tag) is not None:
        return words.isdisjoint({"runtime", "seconds", "second", "sec", "memory", "mem", "lr"})
    return words.isdisjoint(AUX_WORDS) and c.words.rest != frozenset()


def _is_perplexity(c: _Candidate) -> bool:
    return _has(c, "perplexity|ppl")
