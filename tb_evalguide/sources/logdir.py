"""Walks a log folder once: which folders and files it holds, and which of them TensorBoard calls runs."""

from __future__ import annotations

import os
import stat as stat_module
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tb_evalguide.errors import LogdirMissing, LogdirUnreadable
from tb_evalguide.i18n import N_
from tb_evalguide.model import ReadNote, Text

ROOT = "."
MIRROR_INDEX = ".evalguide-mirror.json"  # our own file at the top of a mirrored remote folder

# One real folder may be reached on several ways (links); TensorBoard shows each as a run of its own. The limit keeps
# folders that link to each other from multiplying without end.
MOST_WAYS_TO_ONE_FOLDER = 8
# Linux paths end at 4096 bytes; a deeper tree can only come from links.
DEEPEST = 100

_UNREADABLE = N_("{path}: cannot be read ({reason}).")
_LOOP = N_("{path}: links back to a folder above it; it was not followed.")
_MANY_WAYS = N_("{path}: reached on more than {ways} ways through links; the others were left out.")


@dataclass(frozen=True)
class Folder:
    """One folder below the log folder. name: relative to the logdir, with '/', '.' for the logdir itself."""

    name: str
    path: str
    files: tuple[str, ...]  # base names, sorted
    folders: tuple[str, ...]  # base names of the subfolders that were walked, sorted

    @property
    def event_files(self) -> tuple[str, ...]:
        return tuple(name for name in self.files if is_event_file(name))

    def join(self, file: str) -> str:
        return os.path.join(self.path, file)


@dataclass(frozen=True)
class Tree:
    """All folders below one logdir by name, parents before children."""

    root: str
    folders: Mapping[str, Folder]
    notes: tuple[tuple[str, ReadNote], ...] = ()  # (folder's name, what kept us out of it)
    prefix: str = ""  # the name that `--logdir_spec` gives this logdir, "" without

    def get(self, name: str) -> Folder | None:
        return self.folders.get(name)

    @property
    def run_names(self) -> list[str]:
        """Folders that TensorBoard takes for runs (it looks at file names only)."""
        return [name for name, folder in self.folders.items() if any(map(is_tensorboard_file, folder.files))]

    def spelled(self, name: str) -> str:
        """A folder's name as TensorBoard spells the run: with the `--logdir_spec` name in front, if there is one."""
        return f"{self.prefix}/{name}" if self.prefix else name

    def children(self, name: str) -> Iterator[Folder]:
        """The walked subfolders of a folder."""
        folder = self.folders.get(name)
        for base in folder.folders if folder else ():
            child = self.folders.get(join(name, shown(base)))
            if child is not None:
                yield child

    def below(self, name: str) -> Iterator[Folder]:
        """A folder and everything below it, parents first."""
        folder = self.folders.get(name)
        if folder is None:
            return
        stack = [folder]
        while stack:
            folder = stack.pop()
            yield folder
            stack.extend(reversed(list(self.children(folder.name))))


def is_tensorboard_file(name: str) -> bool:
    """TensorBoard's own test for a run's file: by name alone."""
    return "tfevents" in name


def is_event_file(name: str) -> bool:
    """An event file that can hold summaries; the profiler's marker files hold none."""
    return "tfevents" in name and not name.endswith(".profile-empty")


def join(parent: str, child: str) -> str:
    """The name of a folder's subfolder."""
    return child if parent == ROOT else f"{parent}/{child}"


def shown(base: str) -> str:
    """A file name as text: bytes that are no UTF-8 become U+FFFD, as TensorBoard's loader spells them."""
    return base if base.isprintable() else os.fsencode(base).decode("utf-8", "replace")


def parent_of(name: str) -> str | None:
    """The name of the folder above, None above the logdir."""
    if name == ROOT:
        return None
    head, _, _ = name.rpartition("/")
    return head or ROOT


def leaf_of(name: str) -> str:
    return name.rpartition("/")[2]


def ancestors(name: str) -> Iterator[str]:
    """The folders above, nearest first, the logdir last."""
    parent = parent_of(name)
    while parent is not None:
        yield parent
        parent = parent_of(parent)


@dataclass
class _Walk:
    root: str
    folders: dict[str, Folder] = field(default_factory=dict)
    notes: list[tuple[str, ReadNote]] = field(default_factory=list)
    ways: Counter[tuple[int, int]] = field(default_factory=Counter)


def is_remote(logdir: str) -> bool:
    """A URL that this machine's file system does not know: s3://, gs://, hf:// …"""
    scheme, mark, _ = logdir.partition("://")
    return bool(mark) and scheme.isascii() and scheme[:1].isalpha() and "/" not in scheme and scheme != "file"


def local_path(logdir: str | os.PathLike[str]) -> str:
    """The absolute path of a logdir as a user or TensorBoard writes it: `~`, relative, `file://`."""
    path = os.fspath(logdir)
    if path.startswith("file://"):
        path = path[len("file://") :]
    return os.path.abspath(os.path.expanduser(path))


def walk(logdir: str | os.PathLike[str], prefix: str = "") -> Tree:
    """Every folder below `logdir`, links followed, loops cut. A single file counts as a folder that holds only it."""
    root = local_path(logdir)
    try:
        info = os.stat(root)
    except (FileNotFoundError, NotADirectoryError):
        raise LogdirMissing(path=os.fspath(logdir)) from None
    except OSError as error:
        raise LogdirUnreadable(path=os.fspath(logdir), reason=_reason(error)) from None
    if not stat_module.S_ISDIR(info.st_mode):
        directory, name = os.path.split(root)
        return Tree(directory, {ROOT: Folder(ROOT, directory, (name,), ())}, prefix=prefix)

    state = _Walk(root)
    # (name, path, real folders on the way down); a folder that lies on its own way down is a loop. Level by level, so
    # that a folder is met under its shortest name before any link leads to it.
    waiting: deque[tuple[str, str, tuple[tuple[int, int], ...]]] = deque([(ROOT, root, ())])
    while waiting:
        name, path, way = waiting.popleft()
        try:
            folder, identity = _list(state, name, path, way)
        except OSError as error:
            if name == ROOT:
                raise LogdirUnreadable(path=os.fspath(logdir), reason=_reason(error)) from None
            note = ReadNote("unreadable", Text(_UNREADABLE, {"path": name, "reason": _reason(error)}))
            state.notes.append((name, note))
            continue
        if folder is None:
            continue
        state.folders[name] = folder
        here = (*way, identity)
        waiting.extend((join(name, shown(base)), os.path.join(path, base), here) for base in folder.folders)
    return Tree(root, state.folders, tuple(state.notes), prefix)


def _list(
    state: _Walk, name: str, path: str, way: tuple[tuple[int, int], ...]
) -> tuple[Folder | None, tuple[int, int]]:
    info = os.stat(path)
    identity = (info.st_dev, info.st_ino)
    if identity in way or len(way) >= DEEPEST:
        state.notes.append((name, ReadNote("loop", Text(_LOOP, {"path": name}))))
        return None, identity
    state.ways[identity] += 1
    if state.ways[identity] > MOST_WAYS_TO_ONE_FOLDER:
        if state.ways[identity] == MOST_WAYS_TO_ONE_FOLDER + 1:
            params = {"path": name, "ways": MOST_WAYS_TO_ONE_FOLDER}
            state.notes.append((name, ReadNote("loop", Text(_MANY_WAYS, params))))
        return None, identity
    files: list[str] = []
    folders: list[str] = []
    with os.scandir(path) as entries:
        for entry in entries:
            if name == ROOT and entry.name == MIRROR_INDEX:
                continue
            try:
                if entry.is_dir():
                    folders.append(entry.name)
                elif entry.is_file() or not os.path.exists(entry):  # a dangling link is shown as unreadable, but
                    files.append(entry.name)  # whoever opens a pipe or a device waits for ever
            except OSError:  # a link whose target cannot be looked at: not a folder we could walk
                files.append(entry.name)
    return Folder(name, path, tuple(sorted(files)), tuple(sorted(folders))), identity


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__
