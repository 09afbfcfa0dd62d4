"""The event files of one folder → one run, read again only where they grew."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

from tb_evalguide.model import Run, Source, display_path
from tb_evalguide.sources.events import EventFileData, EventFileReader
from tb_evalguide.sources.merge import merge_arguments
from tb_evalguide.sources.restarts import resolve


class EventRun:
    """One folder of event files. `refresh` reads what was added; a file that went away takes its points with it."""

    def __init__(self, name: str, directory: str, root: str) -> None:
        self.name = name
        self._directory = directory
        self._root = root
        self._readers: dict[str, EventFileReader] = {}
        self._run: Run | None = None

    def refresh(self, files: Sequence[str]) -> bool:
        """files: base names of the event files that are there now. True when anything changed."""
        changed = self._run is None
        for gone in [name for name in self._readers if name not in files]:
            del self._readers[gone]
            changed = True
        for name in files:
            reader = self._readers.get(name)
            if reader is None:
                reader = self._readers[name] = EventFileReader(os.path.join(self._directory, name))
                changed = True
            changed |= reader.refresh()
        if changed:
            self._run = None
        return changed

    def run(self) -> Run:
        if self._run is None:
            files = [reader.snapshot() for _, reader in sorted(self._readers.items())]
            files.sort(key=lambda file: math.inf if file.first_wall_time is None else file.first_wall_time)
            self._run = _run(self.name, self._directory, self._root, files)
        return self._run


def _run(name: str, directory: str, root: str, files: Sequence[EventFileData]) -> Run:
    series, notes = resolve(files, name)
    sources = tuple(
        Source(
            display_path(file.path, root),
            "tfevents",
            file.points,
            file.notes + found,
            file.first_wall_time,
            file.last_wall_time,
        )
        for file, found in zip(files, notes)
    )
    return Run(
        name,
        series,
        sources,
        directory=directory,
        texts=tuple(text for file in files for text in file.texts),
        hparams=merge_arguments(file.hparams for file in reversed(files)),
        model_config=merge_arguments(file.model_config for file in reversed(files)),
        plugins={tag: plugin for file in files for tag, plugin in file.plugins.items()},
        has_graph=any(file.has_graph for file in files),
        status=next((file.session_status for file in reversed(files) if file.session_status), None),
    )
