"""The public Python API: read logs, diagnose them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from types import EllipsisType
from typing import TYPE_CHECKING, Any, TypeAlias

from tb_evalguide.config import Config, load_config, validate_limits
from tb_evalguide.errors import LogdirMissing
from tb_evalguide.model import Run, Training
from tb_evalguide.report import Report, diagnosed
from tb_evalguide.rules import RULES
from tb_evalguide.sources import group, read_runs, read_trainings

if TYPE_CHECKING:
    import pandas as pd

    Logs: TypeAlias = "str | os.PathLike[str] | Sequence[Run] | pd.DataFrame | Any"


def read(logdir: str | os.PathLike[str]) -> list[Run]:
    """Every run below a log folder, as TensorBoard spells them.

    Raises errors.LogdirMissing, LogdirUnreadable, NoRuns or OnlyOtherData.
    """
    return read_runs(_path(logdir))


def _path(logdir: str | os.PathLike[str]) -> str:
    path = os.fspath(logdir)
    if not path:
        raise LogdirMissing(path="''")  # an unset variable, and not the folder the program happens to run in
    return path


def diagnose(
    logs: Logs,
    *,
    profile: str | None = None,
    config: Config | None = None,
    lang: str | None = None,
    roles: dict[str, str] | None = None,
    metric: str | None = None,
    greater_is_better: bool | None = None,
    now: float | None | EllipsisType = ...,
) -> Report:
    """Diagnoses a log folder, runs from `read`, a tbparse SummaryReader, or its DataFrame in long or wide form.

    profile, roles ({role: tag}), metric and greater_is_better win over the configuration file. now: wall time in
    seconds against which a run's age is judged, the present as on the command line unless it is given; None leaves age
    out, so that a report does not change with the day. Raises errors.EvalguideError where nothing can be read.
    """
    name, trainings, found = _trainings(logs)
    settings = config if config is not None else found
    settings = settings.with_command_line(
        profile=profile, metric=metric, greater_is_better=greater_is_better, roles=roles
    )
    validate_limits(settings, RULES)
    moment = time.time() if isinstance(now, EllipsisType) else now
    runs = [diagnosed(training, settings, moment) for training in trainings]
    return Report.of(name, runs, profile=settings.profile, lang=lang)


def _trainings(logs: Logs) -> tuple[str, list[Training], Config]:
    if isinstance(logs, (str, os.PathLike)):
        path = _path(logs)
        return path, list(read_trainings(path)), load_config(path)
    if isinstance(logs, Iterable) and not hasattr(logs, "columns"):
        runs = list(logs)
        if not all(isinstance(run, Run) for run in runs):
            raise TypeError("diagnose() takes a path, a list of Run, a tbparse SummaryReader or a DataFrame")
        return "", list(group(runs, None)), Config()
    from tb_evalguide.frames import runs_from_frame, runs_from_summary_reader

    if hasattr(logs, "scalars") and hasattr(logs, "log_path"):
        return str(logs.log_path), list(group(runs_from_summary_reader(logs), None)), Config()
    if hasattr(logs, "columns"):
        return "", list(group(runs_from_frame(logs), None)), Config()
    raise TypeError("diagnose() takes a path, a list of Run, a tbparse SummaryReader or a DataFrame")
