"""Files → runs → trainings: every log that lies below a folder, read whole, and which runs are one training."""

from __future__ import annotations

from tb_evalguide.sources.reading import LogdirReader, group, map_trainings, read_runs, read_trainings

__all__ = ["LogdirReader", "group", "map_trainings", "read_runs", "read_trainings"]
