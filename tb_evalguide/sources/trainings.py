"""Which runs are one training: a plan from names and files alone, then the decision from what the runs hold."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tb_evalguide.i18n import N_
from tb_evalguide.model import Floats, ReadNote, Run, Series, Text
from tb_evalguide.sources import merge
from tb_evalguide.sources.logdir import ROOT, Tree, ancestors, join, leaf_of, parent_of
from tb_evalguide.sources.trainer_state import FILE_NAME as TRAINER_STATE

# Keras callback and tf.estimator, TF tutorials, PyTorch habits: one writer a phase, in folders of one parent. fairseq
# has two for training.
PHASES = frozenset(
    {"train", "train_inner", "training", "validation", "valid", "val", "eval", "evaluation", "test", "testing", "dev"}
)
TRAIN_PHASES = frozenset({"train", "training"})
EVAL_PHASES = PHASES - TRAIN_PHASES
TRIALS = frozenset({"test", "testing", "dev"})  # people also call a training so
# tf.estimator writes eval_<name> for each evaluation set beside the training's own run.
NAMED_EVAL = re.compile(r"(eval|evaluation|validation|valid|val|test)[_-]\w[\w.-]*", re.IGNORECASE | re.ASCII)
# Files that only a whole training has: YOLO's first training is called train too, without being a phase of anything.
WHOLE = frozenset({"args.yaml", "results.csv"})
# add_hparams of PyTorch and tensorboardX names its sub-run str(time.time()).
TIMESTAMP = re.compile(r"1\d{9}(\.\d+)?", re.ASCII)
CHECKPOINT = re.compile(r"checkpoint-(\d+)", re.ASCII)
# Default folder of PyTorch's SummaryWriter and of Hugging Face below runs/: Nov23_18-09-57_host.
DATED = re.compile(r"[A-Z][a-z]{2}\d\d_\d\d-\d\d-\d\d_.*")
# Restarts of one Hugging Face training lie side by side in runs/; more dated folders than this are a pile of trainings,
# which are then read one by one so that thousands of them need neither one process nor one memory.
MOST_RESTARTS = 64


@dataclass(frozen=True)
class Bundle:
    """Runs that may belong to one training, by their names, and the trainer states beside them. Names of folders.

    Bundles share nothing: each can be read, and split into trainings, on its own.
    """

    key: str
    runs: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()  # folders with log tables


@dataclass(frozen=True)
class Group:
    """The runs of one training, the main one first, and the folder that holds them."""

    name: str  # folder that stands for the training
    runs: tuple[Run, ...]
    notes: tuple[ReadNote, ...] = ()
    state: str | None = None  # folder of the Hugging Face output whose trainer_state.json belongs to it


def is_checkpoint_name(name: str) -> bool:
    """A `checkpoint-N/` inside an output folder (the logdir itself is never one: the user pointed at it)."""
    return name != ROOT and CHECKPOINT.fullmatch(leaf_of(name)) is not None


def leaf_name(run: Run) -> str:
    """The last part of a run's name; that of its folder where the run is the logdir itself."""
    return leaf_of(run.name if run.name != ROOT else (run.directory or ROOT))


def state_folders(tree: Tree) -> list[str]:
    """Hugging Face output folders: those with a trainer_state.json, or with checkpoints that hold one."""
    found: dict[str, None] = {}
    for name, folder in tree.folders.items():
        if TRAINER_STATE in folder.files:
            parent = parent_of(name)
            found.setdefault(parent if is_checkpoint_name(name) and parent is not None else name)
    return list(found)


def plan(tree: Tree, tables: Iterable[str] = ()) -> list[Bundle]:
    """Bundles of one logdir, in the order in which TensorBoard lists the runs. tables: folders that hold log tables."""
    run_names = tree.run_names
    run_set = set(run_names)
    outputs = set(state_folders(tree))
    dated = _dated_parents(run_names)
    whole = {name for name, folder in tree.folders.items() if WHOLE.intersection(folder.files)}
    keys = {name: _key(name, run_set, outputs, dated, whole) for name in (*run_names, *tables)}
    members: dict[str, list[str]] = {}
    for name in run_names:
        members.setdefault(keys[name], []).append(name)
    table_members: dict[str, list[str]] = {}
    for name in tables:
        table_members.setdefault(keys[name], []).append(name)
    _join_logs_elsewhere(members, outputs)
    # A W&B run beside the one training of the folder that holds `wandb/` is another account of it.
    wandb_runs = [key for key in table_members if leaf_of(parent_of(key) or "") == "wandb"]
    for key in wandb_runs:
        home = parent_of(parent_of(key) or ROOT) or ROOT
        near = {other for other in (*members, *outputs) if home in (ROOT, other) or other.startswith(home + "/")}
        alike = [other for other in wandb_runs if parent_of(other) == parent_of(key)]
        if len(near) == 1 and len(alike) == 1 and key not in near:
            table_members.setdefault(near.pop(), []).extend(table_members.pop(key))
    # A log table in a folder above the one training's event files tells of that training.
    for key in [key for key in table_members if key not in members and key not in outputs]:
        inside = [other for other in (*members, *outputs) if key == ROOT or other.startswith(key + "/")]
        if len(set(inside)) == 1:
            table_members.setdefault(inside[0], []).extend(table_members.pop(key))
    found = {*members, *table_members, *outputs}
    return [
        Bundle(
            key,
            tuple(sorted(members.get(key, ()))),
            (key,) if key in outputs else (),
            tuple(table_members.get(key, ())),
        )
        for key in sorted(found)
    ]


def _join_logs_elsewhere(members: dict[str, list[str]], outputs: set[str]) -> None:
    """logging_dir="logs" beside output_dir="results", or logs/a beside results/a: together where there is one choice.

    Whether they tell of the same training is decided by their values (attach_state).
    """
    bare = sorted(output for output in outputs if output not in members)
    for output in bare:
        home = parent_of(output)
        alike = [key for key in members if leaf_of(key) == leaf_of(output) and key not in outputs]
        if len(alike) != 1 and home is not None and sum(parent_of(other) == home for other in bare) == 1:
            alike = [key for key in members if home in (ROOT, key) or key.startswith(home + "/")]
        if len(alike) == 1 and alike[0] not in outputs:
            members[output] = members.pop(alike[0])


def _dated_parents(run_names: Iterable[str]) -> set[str]:
    """Folders `…/runs` (or the logdir) with a few dated runs below: perhaps restarts of one training."""
    counts: dict[str, int] = {}
    for name in run_names:
        parent = parent_of(name)
        if parent is not None and DATED.fullmatch(leaf_of(name)):
            counts[parent] = counts.get(parent, 0) + 1
    return {parent for parent, n in counts.items() if n <= MOST_RESTARTS}


def _key(name: str, runs: set[str], outputs: set[str], dated: set[str], whole: set[str]) -> str:
    for folder in (name, *ancestors(name)):
        if folder in outputs:
            return folder
    name = counterpart(name, runs) or name
    while True:
        parent = parent_of(name)
        if parent is None or name in whole:
            return name
        leaf = leaf_of(name)
        belongs = (
            parent in runs
            or (leaf.lower() in PHASES and not _numbered_sibling(parent, leaf, runs))
            or (NAMED_EVAL.fullmatch(leaf) is not None and any(join(parent, phase) in runs for phase in TRAIN_PHASES))
        )
        if not belongs:
            break
        name = parent
    parent = parent_of(name)
    if parent in dated and DATED.fullmatch(leaf_of(name)):
        return parent
    return name


def split(runs: Sequence[Run], key: str, output: str | None = None) -> list[Group]:
    """The trainings among the runs of one bundle. key: the bundle's folder; no training lies above it.

    output: the Hugging Face output folder that the bundle stands for, if it is one.
    """
    by_name = {run.name: run for run in runs}
    home = {name: name if name == key else _home(run, by_name) for name, run in by_name.items()}
    groups: dict[str, list[Run]] = {}
    for name in sorted(by_name):
        where = home[name]
        while where in home and home[where] != where:
            where = home[where]
        groups.setdefault(where, []).append(by_name[name])
    found = [Group(_name(where, members), _main_first(where, members)) for where, members in groups.items()]
    return _restarts(found, output)


def _name(where: str, members: Sequence[Run]) -> str:
    """The folder of the phases; a lone `test` or `dev` is no phase of anything, and keeps its name."""
    only = members[0].name
    return only if len(members) == 1 and leaf_of(only).lower() not in TRAIN_PHASES else where


def _home(run: Run, by_name: Mapping[str, Run]) -> str:
    """The folder that stands for the training of this run, one level up at most."""
    parent = parent_of(run.name)
    if parent is None:
        return run.name
    leaf = leaf_of(run.name)
    main = by_name.get(parent)
    if leaf.lower() in PHASES:
        # A trial run called test beside an older run's files in the logdir itself is a training of its own.
        trial = leaf.lower() in TRIALS and main is not None and not _written_together(run, main)
        return run.name if trial else parent
    train = counterpart(run.name, by_name)
    if train is not None and (leaf == leaf_of(train) or _written_together(run, by_name[train])):
        return train
    if NAMED_EVAL.fullmatch(leaf):
        mains = [main, *(by_name.get(join(parent, phase)) for phase in sorted(TRAIN_PHASES))]
        if any(other is not None and (_written_together(run, other) or _evaluates(run, other)) for other in mains):
            return parent
    if main is not None and _is_add_scalars(run, leaf):
        return parent
    if main is not None and _points(main) and _is_hparams_session(run, main, leaf):
        return parent
    return run.name


def counterpart(name: str, names: Container[str]) -> str | None:
    """The training phase's run of an evaluating one, where the phase is no folder of its own at the end.

    val/exp1 → train/exp1, and exp1_val → exp1_train, if there is such a run.
    """
    parts = name.split("/")
    for i, part in enumerate(parts[:-1]):
        if part.lower() in EVAL_PHASES:
            for phase in TRAIN_PHASES:
                other = "/".join([*parts[:i], phase, *parts[i + 1 :]])
                if other in names:
                    return other
    match = _SUFFIX.fullmatch(parts[-1])
    if match is not None:
        for phase in TRAIN_PHASES:
            other = "/".join([*parts[:-1], f"{match.group(1)}{match.group(2)}{phase}"])
            if other in names:
                return other
    return None


_SUFFIX = re.compile(rf"(.+)([_.-])(?:{'|'.join(sorted(EVAL_PHASES))})", re.IGNORECASE)


def _written_together(one: Run, two: Run) -> bool:
    """Two writers of one program: some tag in common, and at the same time."""
    began = max(merge.first_wall_time(one), merge.first_wall_time(two))
    ended = min(merge.last_wall_time(one), merge.last_wall_time(two))
    return began <= ended and not set(one.series).isdisjoint(two.series)


# TensorFlow numbers a name that its graph has already: an estimator's training writes loss_1, its evaluation loss.
_UNIQUE = re.compile(r"_\d+$", re.ASCII)
# Part of the training's time, after its end. An evaluation of a later day is somebody else's; own choice.
LATE_EVALUATION = 0.5


def _evaluates(run: Run, main: Run) -> bool:
    """tf.estimator's eval_<name> in its training's folder: the same loss, at steps and times that the training has."""
    tags, known = ({_UNIQUE.sub("", tag) for tag in of.series} for of in (run, main))
    if tags.isdisjoint(known) or (merge.last_step(run) or 0) > (merge.last_step(main) or 0):
        return False
    began, ended = merge.first_wall_time(main), merge.last_wall_time(main)
    return began <= merge.first_wall_time(run) <= ended + LATE_EVALUATION * (ended - began)


def _numbered_sibling(parent: str, leaf: str, names: set[str]) -> bool:
    """train beside train2, train3, …: a program (YOLO does) that numbers its trainings, not a phase of one."""
    return any(join(parent, f"{leaf}{sep}{n}") in names for sep in ("", "_", "-") for n in (1, 2, 3))


def _is_add_scalars(run: Run, leaf: str) -> bool:
    """SummaryWriter.add_scalars("Loss/all", {"train": …}) writes the tag Loss/all to the sub-run Loss_all_train."""
    return bool(run.series) and all(leaf.startswith(tag.replace("/", "_") + "_") for tag in run.series)


def _is_hparams_session(run: Run, main: Run, leaf: str) -> bool:
    """The sub-run of add_hparams: arguments and their final metrics, one point each, beside the curves of `main`."""
    short = all(len(s) + len(s.superseded_steps) <= 1 for s in run.series.values())
    if TIMESTAMP.fullmatch(leaf):
        return short
    return bool(run.hparams) and short and not main.hparams and _points(main) > len(run.series)


def _points(run: Run) -> int:
    """Scalars of a run, as its files count them: the series of 200,000 tags are made only on request."""
    return sum(source.events for source in run.sources) or sum(len(s) for s in run.series.values())


def train_first(runs: Iterable[Run]) -> tuple[Run, ...]:
    """The training phase before the evaluating ones."""
    return tuple(sorted(runs, key=lambda run: (leaf_of(run.name).lower() not in TRAIN_PHASES, run.name)))


def _main_first(where: str, members: Iterable[Run]) -> tuple[Run, ...]:
    def order(run: Run) -> tuple[int, str]:
        return (0 if run.name == where else 1 if leaf_of(run.name).lower() in TRAIN_PHASES else 2, run.name)

    return tuple(sorted(members, key=order))


# --- restarts that were written to folders of their own ------------------------------------------------------------


def is_hugging_face(run: Run) -> bool:
    """Written by Hugging Face's TensorBoard callback: its texts, or the epoch under the name it gives it."""
    return any(t.tag.split("/")[0] in ("args", "model_config") for t in run.texts) or (
        "train/epoch" in run.series and ("train/loss" in run.series or "eval/loss" in run.series)
    )


def _restarts(groups: list[Group], output: str | None) -> list[Group]:
    """Joins the dated runs of one Hugging Face output folder where one goes on at the step the other had reached."""
    places: dict[str, list[Group]] = {}
    for group in groups:
        parent = parent_of(group.name)
        if parent is not None and DATED.fullmatch(leaf_of(group.name)) and is_hugging_face(group.runs[0]):
            places.setdefault(parent, []).append(group)
    replaced: dict[str, Group | None] = {}
    for parent, dated in places.items():
        chains: list[list[Group]] = []
        for group in sorted(dated, key=lambda g: (min(map(merge.first_wall_time, g.runs)), g.name)):
            if chains and _goes_on(chains[-1][-1].runs[0], group.runs[0]):
                chains[-1].append(group)
            else:
                chains.append([group])
        # A later program that only evaluated the model stands apart, but is no second training.
        several = sum(any(_trains(member) for member in members) for members in chains) > 1
        for members in chains:
            notes = tuple(note for member in members for note in member.notes)
            if several:
                notes = (*notes, _side_by_side(len(chains), output or parent))
            joined = len(members) > 1 and not several
            name = (output or _above_runs(parent)) if joined else members[-1].name
            mains = merge.chain([member.runs[0] for member in members])
            others = tuple(run for member in members for run in member.runs[1:])
            for member in members:
                replaced[member.name] = None
            replaced[members[-1].name] = Group(name, (*reversed(mains), *others), notes)
    return [new for group in groups if (new := replaced.get(group.name, group)) is not None]


def _trains(group: Group) -> bool:
    """Not only evaluations."""
    return any("train/loss" in run.series for run in group.runs)


def _above_runs(parent: str) -> str:
    above = parent_of(parent)
    return above if leaf_of(parent) == "runs" and above is not None else parent


def _goes_on(old: Run, new: Run) -> bool:
    """`new` was resumed: it starts after `old`'s start, and later than the first logging of a fresh training."""
    first, other = merge.first_step(new), merge.first_step(old)
    if first is None or other is None or first <= other:
        return False
    return first > 1.5 * (_interval(new) or _interval(old) or first)


def _interval(run: Run) -> float | None:
    longest = max(run.series.values(), key=len, default=None)
    return float(np.median(np.diff(longest.steps))) if longest is not None and len(longest) > 1 else None


UNRELATED = N_("{n} unrelated trainings were logged into one folder ({folder}); each is judged on its own.")


def _side_by_side(n: int, folder: str) -> ReadNote:
    return ReadNote("unrelated_runs", Text(UNRELATED, {"n": n, "folder": folder}))


# --- trainer_state.json beside event files -------------------------------------------------------------------------

# Hugging Face rounds the training loss to 4 decimals in both places; event files hold 32-bit floats.
SAME_VALUE = 1e-3


def agreement(state: Run, group: Group, tolerance: float = SAME_VALUE) -> float | None:
    """Share of equal values at the steps that another account and a group have in common; None with fewer than 3."""
    same = total = 0
    for run in group.runs:
        for tag, theirs in state.series.items():
            if tag not in run.series or "loss" not in tag:
                continue
            mine_values, their_values = _common(run.series[tag], theirs)
            total += len(mine_values)
            same += int(np.isclose(mine_values, their_values, rtol=tolerance, atol=SAME_VALUE, equal_nan=True).sum())
    return same / total if total >= 3 else None


def _common(a: Series, b: Series) -> tuple[Floats, Floats]:
    _, i, j = np.intersect1d(a.steps, b.steps, assume_unique=True, return_indices=True)
    return a.values[i], b.values[j]


def attach_state(groups: list[Group], state: Run, output: str) -> list[Group]:
    """Puts a trainer state to the training that it tells of; a training of its own when it tells of none of them."""
    best: tuple[float, float, int] | None = None
    for i, group in enumerate(groups):
        share = agreement(state, group)
        main = group.runs[0]
        if share is None:
            inside = output in (ROOT, group.name) or group.name.startswith(output + "/")
            if not inside or not (is_hugging_face(main) or set(main.series) & set(state.series)) and _points(main):
                continue
            share = 0.5  # too few points in common to tell: likely, but behind any that agrees
        if share >= 0.5:
            rank = (share, merge.last_wall_time(main), i)
            best = rank if best is None or rank > best else best
    if best is None:
        return [*groups, Group(output, (state,), state=output)] if state.series or not groups else groups
    chosen = groups[best[2]]
    alone = sum(1 for g in groups if is_hugging_face(g.runs[0]) and _trains(g)) <= 1
    joined = replace(
        chosen,
        name=output if alone else chosen.name,
        runs=(merge.fill_run(chosen.runs[0], state), *chosen.runs[1:]),
        state=output,
    )
    return [*groups[: best[2]], joined, *groups[best[2] + 1 :]]


# --- log tables beside event files ---------------------------------------------------------------------------------

# A table counts in the same unit as the event files when most of its steps stand there too.
SAME_STEPS = 0.8
# One writer may smooth what the other writes raw (Detectron2 does), so values need only be alike. Own choice.
LIKE_VALUE = 0.25
NOT_MERGED = N_("{path} counts other steps than the event files beside it: it was left out.")


def attach_table(groups: list[Group], table: Run) -> list[Group]:
    """Adds the tags that only a log table holds to the training beside it, if both count the same steps.

    A table that states other losses at the same steps tells of another training, and stands as one.
    """
    i = max(range(len(groups)), key=lambda k: (_nearness(groups[k], table), merge.last_wall_time(groups[k].runs[0])))
    group, main = groups[i], groups[i].runs[0]
    share = agreement(table, group, LIKE_VALUE)
    if share is not None and share < 0.5:
        return [*groups, Group(table.name, (table,))]
    known = {tag for run in group.runs for tag in run.series}
    new = {tag: series for tag, series in table.series.items() if tag not in known}
    note: tuple[ReadNote, ...] = ()
    if new and not _same_steps(group, table):
        new = {}
        path = table.sources[0].path if table.sources else table.name
        note = (ReadNote("not_merged", Text(NOT_MERGED, {"path": path})),)
    sources = tuple(replace(source, notes=source.notes + note) for source in table.sources)
    merged = merge.fill_run(main, replace(table, series=new, sources=sources))
    return [*groups[:i], replace(group, runs=(merged, *group.runs[1:])), *groups[i + 1 :]]


def _nearness(group: Group, table: Run) -> int:
    """How many parts of its folder's name a training shares with a table."""
    one, two = group.name.split("/"), table.name.split("/")
    return next((i for i, (a, b) in enumerate(zip(one, two)) if a != b), min(len(one), len(two)))


def _same_steps(group: Group, table: Run) -> bool:
    if not any(_points(run) for run in group.runs):
        return True
    steps = np.unique(np.concatenate([s.steps for s in table.series.values()]))
    known = np.unique(np.concatenate([s.steps for run in group.runs for s in run.series.values()]))
    return float(np.isin(steps, known).mean()) >= SAME_STEPS
