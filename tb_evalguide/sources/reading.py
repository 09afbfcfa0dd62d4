"""Reads a log folder, once or again and again: the plan of bundles, their runs, their trainings."""

from __future__ import annotations

import functools
import os
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from tb_evalguide.errors import BadRatings, LogdirMissing, LogdirUnreadable, NoRuns, OnlyOtherData
from tb_evalguide.i18n import N_
from tb_evalguide.model import ReadNote, Run, SampleRating, Source, Text, TrainerState, Training, display_path
from tb_evalguide.sources import (
    disk,
    event_run,
    frameworks,
    hparams_yaml,
    logs,
    merge,
    peft,
    tables,
    trainings,
    wandb,
)
from tb_evalguide.sources.logdir import ROOT, Folder, Tree, ancestors, is_remote, join, leaf_of, parent_of, walk
from tb_evalguide.sources.ratings import read_ratings
from tb_evalguide.sources.trainer_state import FILE_NAME as TRAINER_STATE
from tb_evalguide.sources.trainer_state import read_trainer_state
from tb_evalguide.sources.trainings import Bundle, Group

Path = str | os.PathLike[str]
Logdir = Path | Mapping[str, Path]
T = TypeVar("T")

# Starting worker processes costs more than reading this many small runs.
FEW_BUNDLES = 24
# Partial results of a first reading are shown this often.
PUBLISH_SECONDS = 0.2


@dataclass(frozen=True)
class Share:
    """A bundle with the folders that are its own: all that a worker needs to read it."""

    root: str
    prefix: str
    bundle: Bundle
    folders: Mapping[str, Folder]  # by name: the bundle's own, parents before children
    notes: tuple[ReadNote, ...] = ()  # of the walk: folders near it that could not be entered

    @property
    def identity(self) -> tuple[str, str, str]:
        return (self.prefix, self.root, self.bundle.key)


def shares(tree: Tree) -> list[Share]:
    """The bundles of a logdir with the folders of each."""
    bundles = trainings.plan(tree, [name for name, folder in tree.folders.items() if _holds_tables(name, folder)])
    keys = {bundle.key: bundle for bundle in bundles}
    below: dict[str, list[str]] = {}
    for key in keys:
        for above in ancestors(key):
            below.setdefault(above, []).append(key)
    by_leaf: dict[str, list[str]] = {}
    for key in keys:
        by_leaf.setdefault(leaf_of(key), []).append(key)
    owned: dict[str, dict[str, Folder]] = {key: {} for key in keys}
    for name, folder in tree.folders.items():
        owner = _owner(name, keys, below, by_leaf)
        if owner is not None:
            owned[owner][name] = folder
    for bundle in bundles:  # the folder of a table or a run may be shared with others, the table and the run are not
        owned[bundle.key].update((name, tree.folders[name]) for name in (*bundle.tables, *bundle.runs))
    notes: dict[str, list[ReadNote]] = {key: [] for key in keys}
    for name, note in tree.notes:
        owner = _owner(parent_of(name) or ROOT, keys, below, by_leaf) or next(iter(keys), None)
        if owner is not None:  # shared folders: the first training tells of it, better than nobody
            notes[owner].append(note)
    return [Share(tree.root, tree.prefix, bundle, owned[bundle.key], tuple(notes[bundle.key])) for bundle in bundles]


def _holds_tables(name: str, folder: Folder) -> bool:
    """Whether a folder holds log tables or an offline W&B run; those of a checkpoint are copies."""
    return not trainings.is_checkpoint_name(name) and bool(tables.find_tables(folder) or wandb.find_runs(folder))


def _owner(
    name: str, keys: Mapping[str, Bundle], below: Mapping[str, list[str]], by_leaf: Mapping[str, list[str]]
) -> str | None:
    """The bundle a folder's files belong to: the nearest above, else the only one below or beside; None when shared."""
    for folder in (name, *ancestors(name)):
        if folder in keys:
            return folder
        inside = below.get(folder)
        if inside is not None and len(inside) == 1:
            return inside[0]
        if inside is not None:  # shared by several: checkpoints/exp1 still belongs to runs/exp1
            alike = by_leaf.get(leaf_of(name), [])
            return alike[0] if len(alike) == 1 and name not in below else None
    return None


# (number of points, holds only the set-up of an experiment, kinds of data that are no scalars)
Content = tuple[int, bool, set[str]]


class BundleReader:
    """Reads one bundle and keeps what it read: `refresh` reads only what was added."""

    def __init__(self, share: Share) -> None:
        self.share = share
        self.trainings: tuple[Training, ...] = ()
        self.contents: tuple[Content, ...] = ()  # of each training
        self._runs: dict[str, event_run.EventRun] = {}
        self._signature: object = None
        self._log_faults = logs.LogReader()

    def refresh(self, share: Share) -> bool:
        """True when anything changed."""
        self.share = share
        changed = False
        for name in list(self._runs):
            if name not in share.bundle.runs:
                del self._runs[name]
                changed = True
        for name in share.bundle.runs:
            folder = share.folders[name]
            run = self._runs.get(name)
            if run is None:
                run = self._runs[name] = event_run.EventRun(name, folder.path, share.root)
                changed = True
            changed |= run.refresh(folder.event_files)
        signature = _signature(share)
        if changed or signature != self._signature:
            self._signature = signature
            self.trainings = tuple(
                assemble(share, [self._runs[name].run() for name in share.bundle.runs], self._log_faults)
            )
            self.contents = tuple(map(_content, self.trainings))
            return True
        return False

    def runs(self) -> list[Run]:
        return [self._runs[name].run() for name in self.share.bundle.runs]


_WATCHED = frozenset({TRAINER_STATE, disk.RATINGS, hparams_yaml.FILE_NAME})
_TABLE = re.compile(r".*\.(?:csv|tsv|jsonl|ndjson|json|txt|wandb)", re.IGNORECASE)


def _signature(share: Share) -> object:
    """Changes when a file that is read beside the event files changes, or a folder gains or loses a file."""
    stats: list[object] = [share.notes]
    for name, folder in share.folders.items():
        stats.append((name, folder.files))
        for file in folder.files:
            if (
                file in _WATCHED
                or disk.LOGS.fullmatch(file)
                or (name in share.bundle.tables and _TABLE.fullmatch(file))
            ):
                try:
                    info = os.stat(folder.join(file))
                except OSError:  # it went away since the folder was listed; the next listing tells
                    continue
                stats.append((file, info.st_size, info.st_mtime_ns))
    return stats


# --- one bundle → its trainings ------------------------------------------------------------------------------------


def assemble(share: Share, runs: Sequence[Run], log_reader: logs.LogReader | None = None) -> list[Training]:
    """The trainings of one bundle from its runs and the files beside them."""
    runs = [_with_yaml(run, share) for run in runs]
    output = share.bundle.states[0] if share.bundle.states else None
    groups = trainings.split(runs, share.bundle.key, output)
    states: dict[str, TrainerState] = {}
    for folder in share.bundle.states:
        run, state = _trainer_state(share, folder)
        groups = trainings.attach_state(groups, run, folder)
        if state is not None:
            states[folder] = state
    groups = _named_apart(_with_tables(share, groups))
    owned = _folders_of_groups(share, groups, output)
    reader = log_reader or logs.LogReader()
    if groups and share.notes:
        groups[0] = replace(groups[0], notes=groups[0].notes + share.notes)
    return [_training(share, group, owned[i], states, reader) for i, group in enumerate(groups)]


def _with_yaml(run: Run, share: Share) -> Run:
    folder = share.folders.get(run.name)
    if folder is None or hparams_yaml.FILE_NAME not in folder.files:
        return run
    values = hparams_yaml.read_flat(folder.join(hparams_yaml.FILE_NAME))
    return replace(run, hparams={**values, **run.hparams})


_OTHER = N_("{path} tells of another training that was written into this folder: it was left out.")


def _tell_of_others(one: Run, two: Run) -> bool:
    """Whether two trainer states state different losses at the same steps."""
    share = trainings.agreement(one, Group(two.name, (two,)))
    return share is not None and share < 0.5


def _modified(state: TrainerState, share: Share) -> float:
    try:
        return os.stat(os.path.join(share.root, state.path)).st_mtime
    except OSError:  # deleted since it was read: it cannot be the later one
        return 0.0


def _trainer_state(share: Share, output: str) -> tuple[Run, TrainerState | None]:
    """The most complete trainer_state.json of an output folder: its own, or that of its latest checkpoint.

    The copies in checkpoint-N/ are prefixes of one history. A damaged file leaves its note, and the next one is read.
    """
    candidates: list[tuple[int, str]] = []
    for name, folder in share.folders.items():
        if TRAINER_STATE not in folder.files:
            continue
        match = trainings.CHECKPOINT.fullmatch(leaf_of(name))
        if name == output:
            candidates.append((-1, name))
        elif match and parent_of(name) == output:
            candidates.append((int(match.group(1)), name))
    candidates.sort(reverse=True)
    best: tuple[Run, TrainerState] | None = None
    damaged: list[Source] = []
    own = [name for step, name in candidates if step < 0]
    for name in (*own, *(name for step, name in candidates if step >= 0)):
        path = share.folders[name].join(TRAINER_STATE)
        run, state = read_trainer_state(path, display_path(path, share.root), output)
        if state is None:
            damaged.extend(run.sources)
            continue
        if best is not None and _tell_of_others(best[0], run):
            # The folder was used twice: the later training counts, and the other is said.
            later_first = _modified(best[1], share) >= _modified(state, share)
            best, (other, of_other) = (best, (run, state)) if later_first else ((run, state), best)
            note = ReadNote("unrelated", Text(_OTHER, {"path": of_other.path}))
            damaged.append(replace(other.sources[0], events=0, notes=(note,)))
        elif best is None or (state.global_step or 0) > (best[1].global_step or 0):
            best = (run, state)
        if name not in own:
            break
    if best is None:
        return Run(output, {}, tuple(damaged)), None
    return replace(best[0], sources=(*best[0].sources, *damaged)), best[1]


def _with_tables(share: Share, groups: list[Group]) -> list[Group]:
    """Log tables and W&B runs beside the event files: they add what is missing there, or are trainings of their own."""
    alone = not groups
    for name in share.bundle.tables:
        folder = share.folders[name]
        found = list(_table_runs(share, name, folder))
        if not alone:
            for run in found:
                groups = trainings.attach_table(groups, run)
        elif {leaf_of(run.name) for run in found} <= trainings.PHASES and len(found) > 1:
            groups = [*groups, Group(name, trainings.train_first(found))]
        else:
            groups = [*groups, *(Group(run.name, (run,)) for run in found)]
    return groups


def _named_apart(groups: Sequence[Group]) -> list[Group]:
    """Two trainings of one folder cannot share its name: the later one is named by its file."""
    taken: set[str] = set()
    apart: list[Group] = []
    for group in groups:
        name = group.name
        if name in taken:
            name = next((source.path for run in group.runs for source in run.sources), name)
        while name in taken:
            name += "'"
        taken.add(name)
        apart.append(replace(group, name=name))
    return apart


def _table_runs(share: Share, name: str, folder: Folder) -> Iterator[Run]:
    """One run a table; its name is the folder's, with the file's when the folder holds several."""
    files = tables.find_tables(folder)
    downloads: list[Run] = []
    for file in files:
        path = folder.join(file)
        own = name if len(files) == 1 else join(name, os.path.splitext(file)[0])
        run = tables.read_table(path, display_path(path, share.root), own)
        if run is not None and tables.is_download(file):
            downloads.append(run)
        elif run is not None:
            yield run
    if downloads:  # TensorBoard's own CSV downloads: one file a tag, together one run
        yield merge.renamed(functools.reduce(merge.fill_run, downloads), name)
    for path in wandb.find_runs(folder):
        yield wandb.read_run(path, display_path(path, share.root), name)


def _folders_of_groups(share: Share, groups: Sequence[Group], output: str | None) -> list[list[Folder]]:
    """The bundle's folders, each to the group that holds it; what no group holds goes to the main one."""
    owned: list[list[Folder]] = [[] for _ in groups]
    if not groups:
        return owned
    homes: dict[str, int] = {}
    for i, group in enumerate(groups):
        for name in (*(run.name for run in group.runs), group.name):
            homes[name] = i
    main = max(
        range(len(groups)),
        key=lambda i: (groups[i].state is not None, max(map(merge.last_wall_time, groups[i].runs)), i),
    )
    for name, folder in share.folders.items():
        place = next((homes[above] for above in (name, *ancestors(name)) if above in homes), main)
        if output is not None and (name == output or trainings.is_checkpoint_name(name)):
            place = main
        owned[place].append(folder)
    return owned


def _training(
    share: Share,
    group: Group,
    folders: Sequence[Folder],
    states: Mapping[str, TrainerState],
    log_reader: logs.LogReader,
) -> Training:
    beside = disk.look(folders, share.root)
    ratings, rating_notes = _ratings(beside.ratings, share.root)
    state = states.get(group.state) if group.state is not None else None
    model = peft.read(folders) if state is not None else peft.NOTHING
    arguments = merge.merge_arguments(
        (
            *(run.hparams for run in group.runs),
            *_extra_arguments(folders, group),
            model.adapter,
            _stated(state) if state is not None else {},
        )
    )
    home = share.folders.get(group.name)
    training = Training(
        name=group.name,
        runs=group.runs,
        directory=home.path if home else os.path.join(share.root, group.name),
        arguments=arguments,
        model_config=merge.merge_arguments((*(run.model_config for run in group.runs), model.config)),
        trainer_state=state,
        log_faults=log_reader.read(beside.logs, share.root),
        log_files=tuple(display_path(path, share.root) for path in beside.logs),
        checkpoint_files=beside.checkpoints,
        result_files=tuple(display_path(path, share.root) for path in beside.results),
        ratings=ratings,
        notes=(*group.notes, *rating_notes),
    )
    training = replace(
        training, framework=frameworks.recognise(training, [f for folder in folders for f in folder.files])
    )
    return _spelled(training, share.prefix) if share.prefix else training


def _extra_arguments(folders: Iterable[Folder], group: Group) -> Iterator[Mapping[str, Any]]:
    """Arguments in YAML files beside the run: Lightning's hparams.yaml one level up, YOLO's args.yaml."""
    for folder in folders:
        for name in (hparams_yaml.FILE_NAME, "args.yaml"):
            if name in folder.files:
                yield hparams_yaml.read_flat(folder.join(name))


def _stated(state: TrainerState) -> dict[str, Any]:
    """The arguments that a trainer state repeats, for logs that hold no others."""
    names = ("num_train_epochs", "max_steps", "eval_steps", "logging_steps", "save_steps")
    stated = {name: getattr(state, name) for name in names}
    stated["train_batch_size"] = state.extra.get("train_batch_size")
    return {name: value for name, value in stated.items() if value is not None and value > 0}


def _ratings(paths: Iterable[str], root: str) -> tuple[tuple[SampleRating, ...], tuple[ReadNote, ...]]:
    found: list[SampleRating] = []
    notes: list[ReadNote] = []
    for path in paths:
        try:
            found.extend(read_ratings(path))
        except BadRatings as error:
            notes.append(ReadNote("bad_ratings", error.text))
    return tuple(found), tuple(notes)


def _spelled(training: Training, prefix: str) -> Training:
    """Names as TensorBoard spells them under --logdir_spec: name/. for the logdir itself, name/sub below it."""

    runs = tuple(merge.renamed(run, f"{prefix}/{run.name}") for run in training.runs)
    return replace(training, name=f"{prefix}/{training.name}", runs=runs)


# --- a whole logdir ------------------------------------------------------------------------------------------------


def _trees(logdir: Logdir) -> list[Tree]:
    if not isinstance(logdir, Mapping):
        return [walk(_local(logdir))]
    return [walk(_local(path), prefix) for prefix, path in logdir.items()]


def _local(logdir: Path) -> Path:
    """A remote logdir is mirrored into a local cache first; anything else is taken as it is."""
    text = os.fspath(logdir)
    if not is_remote(text):
        return logdir
    from tb_evalguide.sources import remote  # brings in what only remote folders need

    return remote.mirror(text)


def read_runs(logdir: Logdir) -> list[Run]:
    """Every run below `logdir`, as TensorBoard spells it; logs without event files under the name of their folder."""
    found: list[Run] = []
    for tree in _trees(logdir):
        for share in shares(tree):
            reader = BundleReader(share)
            reader.refresh(share)
            runs = reader.runs() or [run for training in reader.trainings for run in training.runs]
            found.extend(runs)
    if not found:
        raise NoRuns(path=_shown(logdir))
    return found


def read_trainings(
    logdir: Logdir, *, jobs: int = 1, progress: Callable[[int, int], None] | None = None
) -> list[Training]:
    """Every training below `logdir`. Raises LogdirMissing, LogdirUnreadable, NoRuns, OnlyOtherData and nothing else."""
    return list(map_trainings(_itself, logdir, jobs=jobs, progress=progress))


def _itself(training: Training) -> Training:
    return training


def map_trainings(
    function: Callable[[Training], T],
    logdir: Logdir,
    *,
    jobs: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[T]:
    """`function` of every training, in order, worked out in `jobs` processes (default: all cores) where there are many.

    Only what `function` returns is kept, so that memory does not grow with the number of runs. progress(done, total).
    """
    work = [share for tree in _trees(logdir) for share in shares(tree)]
    if not work:
        raise NoRuns(path=_shown(logdir))
    jobs = jobs or os.cpu_count() or 1
    results = _in_turn(function, work) if jobs == 1 or len(work) < FEW_BUNDLES else _in_processes(function, work, jobs)
    held: list[tuple[bool, T]] = []
    kinds: set[str] = set()
    spoken = False
    for done, results_of_share in enumerate(results, 1):
        for points, only_setup, other, result in results_of_share:
            kinds |= other
            if points:
                spoken = True
                yield result
            else:
                held.append((only_setup, result))
        if progress is not None:
            progress(done, len(work))
    if not spoken and kinds and all(not kind.startswith("!") for kind in kinds):
        raise OnlyOtherData(path=_shown(logdir), kinds=", ".join(sorted(kinds)))
    for only_setup, result in held:
        if not (spoken and only_setup):
            yield result


Answer = tuple[int, bool, set[str], T]


def _work(function: Callable[[Training], T], share: Share) -> list[Answer[T]]:
    reader = BundleReader(share)
    reader.refresh(share)
    return [(*content, function(training)) for training, content in zip(reader.trainings, reader.contents)]


def _work_many(function: Callable[[Training], T], part: Sequence[Share]) -> list[list[Answer[T]]]:
    return [_work(function, share) for share in part]


def _in_turn(function: Callable[[Training], T], work: Sequence[Share]) -> Iterator[list[Answer[T]]]:
    for share in work:
        yield _work(function, share)


def _in_processes(function: Callable[[Training], T], work: Sequence[Share], jobs: int) -> Iterator[list[Answer[T]]]:
    """In the order of `work`; only a few parts are under way at once, so that answers do not pile up."""
    size = max(1, min(16, len(work) // (jobs * 4)))
    parts = deque(work[i : i + size] for i in range(0, len(work), size))
    from concurrent.futures import Future, ProcessPoolExecutor  # a tenth of a small report's time, needed by large ones

    running: deque[Future[list[list[Answer[T]]]]] = deque()
    with ProcessPoolExecutor(jobs) as pool:
        while parts or running:
            while parts and len(running) < jobs * 3:
                running.append(pool.submit(_work_many, function, parts.popleft()))
            yield from running.popleft().result()


def _content(training: Training) -> Content:
    points = sum(source.events for source in training.sources) or sum(
        len(series) for run in training.runs for series in run.series.values()
    )
    plugins = {plugin for run in training.runs for plugin in run.plugins.values()}
    if any(run.has_graph for run in training.runs):
        plugins.add("graphs")
    notes = any(source.notes for source in training.sources)
    started = any(source.kind == "tfevents" for source in training.sources)
    only_setup = not points and not notes and (plugins == {"hparams"} or not started)
    return points, only_setup, plugins | ({"!"} if notes or (started and not plugins) else set())


def _shown(logdir: Logdir) -> str:
    return (
        ", ".join(f"{k}:{os.fspath(v)}" for k, v in logdir.items())
        if isinstance(logdir, Mapping)
        else os.fspath(logdir)
    )


def group(runs: Sequence[Run], logdir: Path | None = None) -> list[Training]:
    """The trainings that these runs make, with what lies beside them below `logdir`; without it by names alone."""
    if logdir is not None:
        by_name = {run.name: run for run in runs}
        tree = walk(_local(logdir))
        return [
            t
            for share in shares(tree)
            for t in assemble(share, [by_name[n] for n in share.bundle.runs if n in by_name])
        ]
    # Runs of several logdirs in one list may bear the same names: each further one of a name starts a new layer.
    layers: list[dict[str, Run]] = []
    for run in runs:
        layer = next((layer for layer in layers if run.name not in layer), None)
        if layer is None:
            layers.append(layer := {})
        layer[run.name] = run
    found: list[Training] = []
    for number, layer in enumerate(layers, 1):
        for share in shares(_tree_of_names(layer)):
            for training in assemble(share, [layer[name] for name in share.bundle.runs]):
                name = training.name if number == 1 else f"{training.name} ({number})"
                found.append(replace(training, name=name, directory=training.runs[0].directory))
    return found


def _tree_of_names(names: Iterable[str]) -> Tree:
    """A tree without files, for runs that come from memory."""
    folders: dict[str, Folder] = {ROOT: Folder(ROOT, "", (), ())}
    for name in names:
        for part in (*reversed(list(ancestors(name))), name):
            folders.setdefault(part, Folder(part, "", (), ()))
        folders[name] = Folder(name, "", ("tfevents",), ())
    return Tree("", folders)


class LogdirReader:
    """A log folder that is being written: `refresh` reads what was added since, `trainings` is the last whole picture.

    logdir: a folder, or names → folders as TensorBoard's --logdir_spec has them. `trainings`, `revision` and `progress`
    may be read from any thread while another refreshes.
    """

    def __init__(self, logdir: Logdir) -> None:
        self.logdir = logdir
        self._readers: dict[tuple[str, str, str], BundleReader] = {}
        self._refreshing = threading.Lock()
        self._lock = threading.Lock()
        self._trainings: tuple[Training, ...] = ()
        self._notes: tuple[ReadNote, ...] = ()
        self._revision = 0
        self._progress = (0, 0)

    @property
    def trainings(self) -> tuple[Training, ...]:
        with self._lock:
            return self._trainings

    @property
    def revision(self) -> int:
        """Grows with every change that was seen."""
        with self._lock:
            return self._revision

    @property
    def progress(self) -> tuple[int, int]:
        """(bundles of files read, all) of the refresh under way or the last one."""
        with self._lock:
            return self._progress

    @property
    def notes(self) -> tuple[ReadNote, ...]:
        """What could not be walked: a logdir that is not there (yet), loops, folders without permission."""
        with self._lock:
            return self._notes

    def refresh(self) -> tuple[Training, ...]:
        """Reads what is new. One refresh at a time; a folder that is not (yet) there holds nothing."""
        with self._refreshing:
            trees, notes = self._walk()
            changed = False
            work = [share for tree in trees for share in shares(tree)]
            identities = {share.identity for share in work}
            for gone in [key for key in self._readers if key not in identities]:
                del self._readers[gone]
                changed = True
            with self._lock:
                self._progress = (0, len(work))
                self._notes = tuple(notes)
            published = time.monotonic()
            for done, share in enumerate(work, 1):
                reader = self._readers.get(share.identity)
                if reader is None:
                    reader = self._readers[share.identity] = BundleReader(share)
                changed |= reader.refresh(share)
                with self._lock:
                    self._progress = (done, len(work))
                if changed and time.monotonic() - published > PUBLISH_SECONDS:
                    self._publish(work)
                    published, changed = time.monotonic(), False
            if changed:
                self._publish(work)
            return self.trainings

    def _walk(self) -> tuple[list[Tree], list[ReadNote]]:
        """The trees that are there, and a note for each that is not: TensorBoard waits for it, and so do we."""
        mapping = self.logdir if isinstance(self.logdir, Mapping) else {"": self.logdir}
        trees: list[Tree] = []
        notes: list[ReadNote] = []
        for prefix, path in mapping.items():
            try:
                trees.append(walk(_local(path), prefix))
            except LogdirMissing as error:
                notes.append(ReadNote("missing", error.text))
            except LogdirUnreadable as error:
                notes.append(ReadNote("unreadable", error.text))
        return trees, [*notes, *(note for tree in trees for _, note in tree.notes)]

    def _publish(self, work: Sequence[Share]) -> None:
        readers = [self._readers[share.identity] for share in work if share.identity in self._readers]
        found = [pair for reader in readers for pair in zip(reader.trainings, reader.contents)]
        spoken = any(points for _, (points, _, _) in found)
        with self._lock:
            self._trainings = tuple(t for t, (_, setup, _) in found if not (spoken and setup))
            self._revision += 1
