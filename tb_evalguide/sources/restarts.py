"""Event files of one directory, in time order, to one series per tag: the later write wins, restarts are told.

A tag is resolved by itself, because tags are written at different steps (training every 10, evaluation every 100, a
callback one step late); only a SessionLog START speaks for all tags. What counts as what:

- the step goes back: a restart. The new pass replaces the old one from there on, also where the old pass had gone
  further or was logged at other steps: those points belong to a training that was thrown away;
- the same step again: a duplicate, the last one counts, no restart;
- one or two points go back to steps never written before, then it goes on: they came late and are put in their place;
- another file that goes on after the last step: a clean resume;
- two files written at the same time: parallel writers; the later write of each step counts, nothing is thrown away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from tb_evalguide.i18n import N_
from tb_evalguide.model import Floats, Ints, ReadNote, Restart, Series, Text
from tb_evalguide.sources.events import EventFileData

LATE = 2  # so many points may come late (asynchronous evaluators are one or two behind); more are a new pass
PARALLEL = 0.5  # share of the shorter file's time that must overlap; the clocks of two machines differ by seconds
NOTES_EACH = 5  # restarts of one file told one by one; more are one pattern, told once
RESTART_LIMIT = 1000  # restarts kept per series; a step counter that starts again every epoch makes more of them

_WENT_BACK = N_(
    "Writing went back from step {last_step} to step {step}: the later values count "
    "(earlier points set aside: {count})."
)
_RESUMED_BACK = N_(
    "A resumed run's new file went back from step {last_step} to step {step}: the later values count "
    "(earlier points set aside: {count})."
)
_RESUMED = N_("A new file goes on at step {step}, after step {last_step}: a resumed run.")
_REUSED = N_(
    "An earlier run wrote its steps up to {last_step} into this folder, then another started over from step {step}: "
    "only the later one counts (earlier points set aside: {count}). Give every run its own folder."
)
_MANY_BACK = N_(
    "Writing went back {times} times, first from step {last_step} to step {step}: the later values count "
    "(earlier points set aside: {count}). If the step counts within an epoch, count it over the whole training instead."
)
_PARALLEL = N_("Two files of this folder were written at once: where both hold a step, the later write counts.")
_DUPLICATES = N_(
    "{tag} holds steps that were written again with another value (points: {count}): the last one of each step counts."
)
_ONE_STEP = N_(
    "All {count} points of {tag} stand at step {step}: only the last one counts. "
    "Pass the step (global_step) to the writer."
)
_LATE = N_("{tag} holds points written late, after higher steps (points: {count}): they were put in their place.")

Mask = npt.NDArray[np.bool_]


@dataclass
class _Points:
    """One tag over all files, in write order."""

    steps: Ints
    values: Floats
    wall_times: Floats
    file: Ints
    order: Ints


@dataclass(frozen=True)
class _Back:
    """One restart of one tag, for the notes."""

    file: int
    number: int  # the how manieth of this tag in this file
    restart: Restart
    count: int  # points set aside
    from_start: bool


class SeriesTable(Mapping[str, Series]):
    """Series by tag, made when asked for: a run may have 200,000 tags and a reader that wants three."""

    def __init__(self, run: str, files: Sequence[EventFileData], resolved: dict[str, Series]) -> None:
        """A tag that is not in `resolved` stands in one file only and needs no resolving."""
        self._run, self._files, self._made = run, files, dict(resolved)
        if len(files) == 1:
            self._names: Sequence[str] = files[0].tags.names
        else:
            self._names = tuple(dict.fromkeys(name for file in files for name in file.tags.names))

    def __getitem__(self, tag: str) -> Series:
        series = self._made.get(tag)
        if series is None:
            holder = next((file for file in self._files if tag in file.tags), None)
            if holder is None:
                raise KeyError(tag)
            data = holder.tags[tag]
            series = self._made[tag] = Series(tag, self._run, data.steps, data.values, data.wall_times)
        return series

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, tag: object) -> bool:
        return any(tag in file.tags for file in self._files)

    def __repr__(self) -> str:
        return f"SeriesTable({len(self)} tags)"


def resolve(
    files: Sequence[EventFileData], run: str = ""
) -> tuple[Mapping[str, Series], tuple[tuple[ReadNote, ...], ...]]:
    """Series by tag, and for each file the notes on restarts that belong to it."""
    holders = _needing_work(files)
    if not holders:
        return SeriesTable(run, files, {}), ((),) * len(files)
    groups = _parallel_groups(files)
    notes: list[list[ReadNote]] = [[] for _ in files]
    resolved: dict[str, Series] = {}
    backs: list[_Back] = []
    for tag, members in holders.items():
        series, found, told = _resolve_tag(tag, run, [(k, files[k]) for k in members], groups, files)
        resolved[tag] = series
        backs += found
        for k, note in told:
            notes[k].append(note)
    for k, note in _restart_notes(backs):
        notes[k].append(note)
    for k in range(1, len(files)):
        rivals = {j for j in range(k) if groups[j] == groups[k]}
        if rivals and any(k in members and rivals.intersection(members) for members in holders.values()):
            notes[k].append(ReadNote("parallel_writers", Text(_PARALLEL)))
    return SeriesTable(run, files, resolved), tuple(tuple(found) for found in notes)


def _needing_work(files: Sequence[EventFileData]) -> dict[str, list[int]]:
    """The files of each tag whose points are not one file's strictly rising steps."""
    unclean = [_unclean(file) for file in files]
    purged = any(file.purges for file in files)
    if len(files) == 1 and not purged:
        return {name: [0] for name in files[0].tags.names if name in unclean[0]} if unclean[0] else {}
    holders: dict[str, list[int]] = {}
    for k, file in enumerate(files):
        for name in file.tags.names:
            holders.setdefault(name, []).append(k)
    return {name: m for name, m in holders.items() if purged or len(m) > 1 or name in unclean[m[0]]}


def _unclean(file: EventFileData) -> set[str]:
    """Tags whose steps do not rise strictly."""
    tags = file.tags
    if len(tags.all_steps) < 2:
        return set()
    flat = tags.all_steps[1:] <= tags.all_steps[:-1]
    flat[tags.starts[1:-1] - 1] = False  # the next tag's first point; every tag has one at least
    if not np.count_nonzero(flat):  # a third of the time of any()
        return set()
    at = np.flatnonzero(flat)
    # not np.unique, whose first call imports numpy.ma: a tenth of a small report's time
    return {tags.names[k] for k in set((np.searchsorted(tags.starts, at, side="right") - 1).tolist())}


def _parallel_groups(files: Sequence[EventFileData]) -> list[int]:
    """A number per file; files that were written at the same time share it."""
    groups: list[int] = []
    for k, file in enumerate(files):
        groups.append(k)
        for other in range(k):
            if _overlap(files[other], file):
                groups[k] = groups[other]
                break
    return groups


def _overlap(one: EventFileData, two: EventFileData) -> bool:
    spans = [(f.first_wall_time, f.last_wall_time) for f in (one, two)]
    (a, b), (c, d) = spans
    if a is None or b is None or c is None or d is None:
        return False
    shorter = min(b - a, d - c)
    return shorter > 0 and min(b, d) - max(a, c) > PARALLEL * shorter


def _resolve_tag(
    tag: str, run: str, members: list[tuple[int, EventFileData]], groups: list[int], files: Sequence[EventFileData]
) -> tuple[Series, list[_Back], list[tuple[int, ReadNote]]]:
    points = _collect(tag, members, groups)
    steps, n = points.steps, len(points.steps)
    alive, purge_at = _purge(points, files)
    late = _late(points, alive)
    # A point stays when every later one has a higher step. Late points take part in neither side.
    ranked = np.where(late | ~alive, np.iinfo(np.int64).max, steps)
    lowest_after = np.minimum.accumulate(np.r_[ranked[1:], np.iinfo(np.int64).max][::-1])[::-1]
    keep = alive & (late | (steps < lowest_after))
    keep |= alive & (steps == np.iinfo(np.int64).max) & (np.arange(n) == n - 1)
    keep &= ~(late & _written_again(points, late))
    restarts, backs = _restarts(points, late, keep, purge_at, np.array(groups, np.int64))
    kept = np.flatnonzero(keep)
    if late.any():
        kept = kept[np.argsort(steps[kept], kind="stable")]
    gone = ~keep
    series = Series(
        tag,
        run,
        _locked(steps[kept]),
        _locked(points.values[kept]),
        _locked(points.wall_times[kept]),
        _locked(steps[gone]),
        _locked(points.values[gone]),
        _locked(points.wall_times[gone]),
        tuple(restarts),
    )
    return series, backs, _point_notes(tag, points, late & keep)


Array = TypeVar("Array", Ints, Floats)


def _locked(array: Array) -> Array:
    array.setflags(write=False)
    return array


def _collect(tag: str, members: list[tuple[int, EventFileData]], groups: list[int]) -> _Points:
    """All points of a tag in write order; those of parallel files by step, each step's last write last."""
    parts = []
    at = 0
    while at < len(members):
        group = [m for m in members[at:] if groups[m[0]] == groups[members[at][0]]]
        if len(group) > 1 and [m[0] for m in members[at : at + len(group)]] == [m[0] for m in group]:
            merged = _join([_part(tag, *m) for m in group])
            by_time = np.lexsort((np.arange(len(merged.steps)), merged.wall_times, merged.steps))
            parts.append(_pick(merged, by_time))
            at += len(group)
        else:
            parts.append(_part(tag, *members[at]))
            at += 1
    return _join(parts)


def _part(tag: str, number: int, file: EventFileData) -> _Points:
    data = file.tags[tag]
    return _Points(data.steps, data.values, data.wall_times, np.full(len(data), number, np.int64), data.order)


def _pick(p: _Points, at: npt.NDArray[np.intp]) -> _Points:
    return _Points(p.steps[at], p.values[at], p.wall_times[at], p.file[at], p.order[at])


def _join(parts: list[_Points]) -> _Points:
    if len(parts) == 1:
        return parts[0]
    return _Points(
        np.concatenate([p.steps for p in parts]),
        np.concatenate([p.values for p in parts]),
        np.concatenate([p.wall_times for p in parts]),
        np.concatenate([p.file for p in parts]),
        np.concatenate([p.order for p in parts]),
    )


def _purge(points: _Points, files: Sequence[EventFileData]) -> tuple[Mask, dict[int, int]]:
    """Which points no SessionLog START voided; for one that did, {index of the next point: highest voided step}."""
    alive = np.ones(len(points.steps), bool)
    at: dict[int, int] = {}
    for k, file in enumerate(files):
        for purge in file.purges:
            before = (points.file < k) | ((points.file == k) & (points.order < purge.order))
            void = alive & before & (points.steps >= purge.step)
            if void.any():
                alive &= ~void
                following = np.flatnonzero(~before)
                if len(following):
                    index = int(following[0])
                    at[index] = max(at.get(index, int(points.steps[void].max())), int(points.steps[void].max()))
    return alive, at


def _late(points: _Points, alive: Mask) -> Mask:
    """Points that go back to steps never written before, at most LATE at a time, within one file."""
    late = np.zeros(len(points.steps), bool)
    index = np.flatnonzero(alive)
    steps = points.steps[index]
    if len(steps) < 2:
        return late
    highest = np.maximum.accumulate(steps)
    below = np.flatnonzero(steps[1:] < highest[:-1]) + 1
    if not len(below):
        return late
    for run in np.split(below, np.flatnonzero(np.diff(below) > 1) + 1):
        if len(run) > LATE or not len(run):
            continue
        first = int(run[0])
        same_file = bool((points.file[index[run]] == points.file[index[first - 1]]).all())
        new_steps = len(np.unique(steps[run])) == len(run) and not np.isin(steps[run], steps[:first]).any()
        if same_file and new_steps:
            late[index[run]] = True
    return late


def _written_again(points: _Points, late: Mask) -> Mask:
    """Late points whose step a later point writes again, or that lie in what a later restart went back over."""
    again = np.zeros(len(late), bool)
    for k in np.flatnonzero(late):
        rest = points.steps[k + 1 :][~late[k + 1 :]]
        again[k] = len(rest) > 0 and bool((rest <= points.steps[k]).any())
    return again


def _restarts(
    points: _Points, late: Mask, keep: Mask, purge_at: dict[int, int], groups: Ints
) -> tuple[list[Restart], list[_Back]]:
    """Places where the step went back, a purge took effect, or another file went on."""
    steps, walls, file = points.steps, points.wall_times, points.file
    index = np.flatnonzero(~late)
    if len(index) < 2:
        return [], []
    # Highest step so far, as the restarts before left it: a restart lowers it again.
    here, prior = index[1:], index[:-1]
    back = steps[here] < steps[prior]
    moved = groups[file[here]] != groups[file[prior]]  # files written at the same time are one
    purged = np.isin(here, list(purge_at))
    restarts: list[Restart] = []
    backs: list[_Back] = []
    numbers: dict[int, int] = {}
    begin = int(index[0])  # where the present pass began
    for k in np.flatnonzero(back | moved | purged)[:RESTART_LIMIT]:
        i, j = int(here[k]), int(prior[k])
        forward = not back[k] and not purged[k]
        last = purge_at.get(i, int(steps[j]))
        last = max(last, int(steps[j]))
        gap = float(walls[i] - walls[j])
        restart = Restart(int(steps[i]), last, float(walls[i]), gap, bool(moved[k]), forward)
        if forward and not (moved[k] and steps[i] > steps[j]):
            continue  # the same step in another file is a duplicate: an evaluation told once more after training
        restarts.append(restart)
        number = numbers[int(file[i])] = numbers.get(int(file[i]), -1) + 1
        gone = 0 if forward else int(np.count_nonzero(~keep[begin:i] & (steps[begin:i] >= steps[i])))
        from_start = not forward and j - begin >= 1 and _from_start(steps[begin:i], int(steps[i]))
        backs.append(_Back(int(file[i]), number, restart, gone, from_start))
        if not forward:
            begin = i
    return restarts, backs


def _from_start(old: Ints, step: int) -> bool:
    """Whether a pass that starts at `step` began where the old one had: within its mean spacing of its first step."""
    first, last = int(old.min()), int(old.max())
    return step <= first or (step - first) * (len(old) - 1) < last - first


def _restart_notes(backs: list[_Back]) -> Iterator[tuple[int, ReadNote]]:
    """One note per restart, told once for all tags that saw it."""
    together: dict[tuple[int, int], list[_Back]] = {}
    for back in backs:
        together.setdefault((back.file, back.number), []).append(back)
    repeated = {file for file, number in together if number >= NOTES_EACH}
    for file in sorted(repeated):
        mine = [b for b in backs if b.file == file and not b.restart.forward]
        first = min(mine, key=lambda b: b.number).restart
        params = {"times": len({b.number for b in mine}), "step": first.step, "last_step": first.last_step}
        message = Text(_MANY_BACK, {**params, "count": sum(b.count for b in mine)})
        yield file, ReadNote("restart", message, step=first.step)
    for (file, _), found in sorted(together.items(), key=lambda item: item[0]):
        if file in repeated:
            continue
        overlaps = [b for b in found if not b.restart.forward]
        chosen = overlaps or found
        step = min(b.restart.step for b in chosen)
        last = max(b.restart.last_step for b in chosen)
        count = sum(b.count for b in chosen)
        params = {"step": step, "last_step": last, "count": count}
        if not overlaps:
            if any(b.restart.new_file for b in found):
                yield file, ReadNote("resume", Text(_RESUMED, {"step": step, "last_step": last}), step=step)
            continue
        new_file = any(b.restart.new_file for b in overlaps)
        # The tag that is written first tells where the new pass began: an evaluation every 100 steps falls on its old
        # first step also after a resume at 90, and two programs need not evaluate at the same steps.
        if new_file and all(b.from_start for b in overlaps if b.restart.step == step):
            yield file, ReadNote("reused_directory", Text(_REUSED, params), step=step)
        else:
            yield file, ReadNote("restart", Text(_RESUMED_BACK if new_file else _WENT_BACK, params), step=step)


def _point_notes(tag: str, points: _Points, late: Mask) -> list[tuple[int, ReadNote]]:
    notes: list[tuple[int, ReadNote]] = []
    steps, values = points.steps, points.values
    number = int(points.file[-1])
    if late.any():
        message = Text(_LATE, {"count": int(late.sum()), "tag": tag})
        notes.append((number, ReadNote("out_of_order", message, step=int(steps[late][0]))))
    same = steps[1:] == steps[:-1]
    if not same.any():
        return notes
    differs = same & (values[1:] != values[:-1]) & ~(np.isnan(values[1:]) & np.isnan(values[:-1]))
    if not differs.any():
        return notes  # the same value written twice (Lightning's epoch): nothing is lost
    if same.all():
        params = {"count": len(steps), "tag": tag, "step": int(steps[0])}
        notes.append((number, ReadNote("duplicate_steps", Text(_ONE_STEP, params), step=int(steps[0]))))
    else:
        first = int(steps[1:][differs][0])
        params = {"count": int(differs.sum()), "tag": tag}
        notes.append((number, ReadNote("duplicate_steps", Text(_DUPLICATES, params), step=first)))
    return notes
