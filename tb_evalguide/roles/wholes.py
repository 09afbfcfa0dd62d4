"""The loss of a run that logs only its parts: their sum, where the framework logs them as they are added."""

from __future__ import annotations

import os.path
import re
from collections.abc import Sequence
from functools import reduce

import numpy as np

from tb_evalguide.model import Series

SHARED = 0.9  # of the longest part's steps, which all must have: else the sum would thin the loss; own choice


def summed(parts: Sequence[Series]) -> Series | None:
    """One series over the steps that all parts have; None where one of them has many more than they share.

    What a restart wrote again is kept where all parts wrote the same steps again. A part of nothing but zeros is left
    out of the name.
    """
    steps = reduce(np.intersect1d, (part.steps for part in parts))
    if len(steps) < SHARED * max(len(part) for part in parts):
        return None
    first = parts[0]
    again = all(np.array_equal(first.superseded_steps, part.superseded_steps) for part in parts[1:])
    values = np.sum([part.values[np.searchsorted(part.steps, steps)] for part in parts], axis=0)
    told = tuple(part.tag for part in parts if part.values.any()) or tuple(part.tag for part in parts)
    return Series(
        tag=joined(told),
        run=first.run,
        steps=steps,
        values=values,
        wall_times=first.wall_times[np.searchsorted(first.steps, steps)],
        superseded_steps=first.superseded_steps if again else first.superseded_steps[:0],
        superseded_values=np.sum([part.superseded_values for part in parts], axis=0) if again else np.empty(0),
        superseded_wall_times=first.superseded_wall_times if again else np.empty(0),
        restarts=first.restarts if again else (),
        parts=tuple(part.tag for part in parts),
    )


def joined(tags: Sequence[str]) -> str:
    """`train/box+cls+dfl_loss` for train/box_loss, train/cls_loss and train/dfl_loss."""
    start = os.path.commonprefix(tags)
    start = start[: start.rfind("/") + 1]
    rests = [tag[len(start) :] for tag in tags]
    end = os.path.commonprefix([rest[::-1] for rest in rests])[::-1]
    end = end[end.find("_") :] if "_" in end else ""
    return start + "+".join(rest[: len(rest) - len(end)] for rest in rests) + end


def whole(series: Sequence[Series], parts: re.Pattern[str]) -> Series | None:
    """The sum of those of a run's series that the pattern calls parts of one loss, at least two of them.

    The one that the pattern calls `first` stands for the loss elsewhere: it must be there, and leads; the others follow
    by name.
    """
    found = [(match["first"] is None, one.tag, one) for one in series if (match := parts.fullmatch(one.tag))]
    found.sort(key=lambda entry: entry[:2])
    return summed([one for *_, one in found]) if len(found) >= 2 and not found[0][0] else None
