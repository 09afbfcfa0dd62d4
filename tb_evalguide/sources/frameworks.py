"""Which program wrote a training, told by its files, folder names and tags."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tb_evalguide.model import Training
from tb_evalguide.sources.trainings import is_hugging_face, leaf_name

_VERSION = re.compile(r"version_\d+", re.ASCII)


def recognise(training: Training, files: Iterable[str]) -> str | None:
    """hf, lightning, keras, tf_estimator, yolo, detectron2, ml_agents, … or None. files: base names."""
    names = set(files)
    tags = {tag for run in training.runs for tag in run.series}
    leaves = {leaf_name(run) for run in training.runs}
    if training.trainer_state is not None or any(map(is_hugging_face, training.runs)):
        return "hf"
    if "metrics/mAP50(B)" in tags or ("results.csv" in names and "args.yaml" in names):
        return "yolo"
    if {"total_loss", "data_time"} <= tags or "last_checkpoint" in names and "total_loss" in tags:
        return "detectron2"
    if any(tag.startswith(("epoch_", "batch_", "evaluation_")) for tag in tags) and any(
        n.endswith(".v2") for n in names
    ):
        return "keras"
    if any(_VERSION.fullmatch(leaf) for leaf in leaves) or "hparams.yaml" in names or {"hp_metric", "epoch"} <= tags:
        return "lightning"
    if "global_step/sec" in tags or ("eval" in leaves and any(run.has_graph for run in training.runs)):
        return "tf_estimator"
    if any(tag.startswith("Environment/") for tag in tags):
        return "ml_agents"
    if any(tag.startswith("rollout/") for tag in tags):
        return "stable_baselines3"
    if any(tag.startswith(("lm loss", "lm-loss")) for tag in tags):
        return "megatron"
    if any(tag.startswith("epoch_") for tag in tags):
        return "keras"
    return None
