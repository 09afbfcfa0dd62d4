"""A report contract made by hand, so that the renderers are tested without the stages before them."""

from __future__ import annotations

import copy
from typing import Any

RUN: dict[str, Any] = {
    "run": "qwen-7b",
    "tb_runs": ["qwen-7b"],
    "framework": "hf",
    "mode": "full",
    "profile": {"id": "guide", "reason": "its losses look like language-model fine-tuning", "chosen_by": "auto"},
    "sources": [{"path": "qwen-7b/events.out.tfevents.1", "kind": "tfevents", "events": 12, "notes": []}],
    "roles": {
        "train_loss": {"tag": "train/loss", "run": "qwen-7b", "reason": "named so by Hugging Face", "certain": True},
        "eval_loss": {"tag": "eval/loss", "run": "qwen-7b", "reason": "named so by Hugging Face", "certain": True},
    },
    "role_notes": [],
    "verdict": {
        "label": "overfitting",
        "level": "bad",
        "confidence": 0.93,
        "headline": "Overfitting: eval loss rises from step 150 while train loss still falls.",
        "onset_step": 150,
    },
    "findings": [
        {
            "id": "OVF001-0",
            "rule": "OVF001",
            "title": "Eval loss rises while train loss still falls",
            "label": "overfitting",
            "guide": ["C2", "M8", "P4"],
            "severity": "high",
            "tier": 5,
            "confidence": 0.93,
            "steps": [150, 250],
            "tags": ["train/loss", "eval/loss"],
            "evidence": {"rise": 5.2, "gap": 0.85},
            "message": "Eval loss rose by 13 % between steps 150 and 250.",
            "remedies": [
                {
                    "text": "Use the checkpoint of step 150.",
                    "setting": None,
                    "from": None,
                    "to": None,
                    "snippet": None,
                    "example": False,
                },
                {
                    "text": "Raise weight_decay 0.0 → 0.01.",
                    "setting": "weight_decay",
                    "from": 0.0,
                    "to": 0.01,
                    "snippet": "weight_decay=0.01,",
                    "example": False,
                },
            ],
            "explained_by": None,
        },
        {
            "id": "GAP001-1",
            "rule": "GAP001",
            "title": "The gap between eval and train loss is large",
            "label": "overfitting",
            "guide": ["M8"],
            "severity": "medium",
            "tier": 5,
            "confidence": 0.9,
            "steps": [250, 250],
            "tags": ["train/loss", "eval/loss"],
            "evidence": {"gap": 0.85},
            "message": "Eval loss is 0.85 above train loss at step 250.",
            "remedies": [],
            "explained_by": "OVF001",
        },
    ],
    "checks": [
        {"rule": "OVF001", "title": "Eval loss rises", "outcome": "fired", "reason": "Eval loss rose by 13 %."},
        {"rule": "GAP001", "title": "Gap", "outcome": "fired", "reason": "Eval loss is 0.85 above train loss."},
        {"rule": "NAN001", "title": "NaN in a loss", "outcome": "passed", "reason": "checked, nothing found"},
        {"rule": "GRD001", "title": "Gradient norm", "outcome": "skipped", "reason": "no gradient norm in the log"},
    ],
    "judgements": [
        {"step": s, "train_loss": t, "eval_loss": e, "gap": round(e - t, 2), "perplexity": p, "level": lv, "reason": r}
        for s, t, e, p, lv, r in (
            (10, 2.50, 2.55, 12.81, "ok", "normal start"),
            (50, 2.10, 2.15, 8.58, "ok", "both losses fall"),
            (100, 1.70, 1.80, 6.05, "ok", "both losses fall"),
            (150, 1.40, 1.55, 4.71, "warn", "the gap grows"),
            (200, 1.15, 1.60, 4.95, "bad", "eval loss rises"),
            (250, 0.90, 1.75, 5.75, "bad", "overfitting"),
        )
    ],
    "signals": [
        {"id": f"Z{i}", "state": state, "reason": "because"}
        for i, state in enumerate(("pass", "fail", "fail", "unknown", "pass", "fail", "pass"), 1)
    ],
    "checklist": [
        {"id": "L1", "item": "the learning rate is 2e-5", "state": "pass", "reason": "learning_rate is 2e-05"},
        {"id": "L3", "item": "eval loss is below 3.0", "state": "pass", "reason": "2.55 at step 10"},
        {"id": "L4", "item": "eval loss keeps falling", "state": "fail", "reason": "it rises from step 150"},
        {
            "id": "L5",
            "item": "the best checkpoint is identified",
            "state": "unknown",
            "reason": "no checkpoint on disk",
        },
    ],
    "checkpoints": [
        {
            "rank": 1,
            "step": 150,
            "path": "qwen-7b/checkpoint-150",
            "on_disk": True,
            "metric": "eval/loss",
            "value": 1.55,
            "gap": 0.15,
            "perplexity": 4.71,
            "quality": "good",
            "tied": False,
            "recommended": True,
            "level": "ok",
            "reason": "lowest eval loss",
            "size": 15_200_000_000,
            "modified": 1.7e9,
        },
        {
            "rank": 2,
            "step": 200,
            "path": None,
            "on_disk": False,
            "metric": "eval/loss",
            "value": 1.60,
            "gap": 0.45,
            "perplexity": 4.95,
            "quality": None,
            "tied": False,
            "recommended": False,
            "level": "bad",
            "reason": "after the onset of overfitting",
            "size": None,
            "modified": None,
        },
    ],
    "ranking": {
        "metric": "eval/loss",
        "greater_is_better": False,
        "best_evaluated": 150,
        "best_on_disk": 150,
        "regret": 0.0,
        "notes": ["The lowest of six evaluations is optimistic by about 0.02."],
    },
    "status": {
        "state": "finished",
        "phase": "L5",
        "reason": "all planned steps were taken",
        "last_step": 250,
        "last_wall_time": 1.7e9,
        "planned_steps": 250,
        "epoch": 3.0,
        "progress": 1.0,
        "remaining_seconds": 0.0,
    },
    "cost": {
        "wall_seconds": 5400.0,
        "active_seconds": 5300.0,
        "seconds_per_step": 21.2,
        "seconds_per_epoch": 1766.0,
        "eval_share": 0.12,
        "slowdown": 1.0,
    },
    "best": {
        "metric": "eval/loss",
        "value": 1.55,
        "step": 150,
        "last_value": 1.75,
        "gap": 0.15,
        "perplexity": 4.71,
        "greater_is_better": False,
    },
    "hparams": {"learning_rate": 2e-5, "per_device_train_batch_size": 4},
    "restarts": [],
    "notes": [
        {
            "kind": "corrupt",
            "message": "a damaged record was left out",
            "path": "qwen-7b/events.out.tfevents.1",
            "offset": 4096,
            "step": None,
        }
    ],
    "samples": [{"step": 150, "tag": "sample", "text": "The answer is 42."}],
    "sparkline": {"train": [2.5, 2.1, 1.7, 1.4, 1.15, 0.9], "eval": [2.55, 2.15, 1.8, 1.55, 1.6, 1.75]},
    "curves": {
        "train_loss": {
            "tag": "train/loss",
            "run": "qwen-7b",
            "steps": [10, 50, 100, 150, 200, 250],
            "values": [2.5, 2.1, 1.7, 1.4, 1.15, 0.9],
            "wall_times": [1.7e9 + 20 * s for s in (10, 50, 100, 150, 200, 250)],
            "epochs": None,
            "nonfinite": [],
            "total": 6,
            "thinned": False,
            "trend": None,
        },
        "eval_loss": {
            "tag": "eval/loss",
            "run": "qwen-7b",
            "steps": [10, 50, 100, 150, 200, 250],
            "values": [2.55, 2.15, 1.8, 1.55, 1.6, 1.75],
            "wall_times": [1.7e9 + 20 * s for s in (10, 50, 100, 150, 200, 250)],
            "epochs": None,
            "nonfinite": [],
            "total": 6,
            "thinned": False,
            "trend": None,
        },
    },
}


def run(**changes: Any) -> dict[str, Any]:
    """One run of the contract; nested dictionaries are merged, everything else is replaced."""
    made = copy.deepcopy(RUN)
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(made.get(key), dict):
            made[key].update(value)
        else:
            made[key] = value
    return made


def healthy(name: str = "good") -> dict[str, Any]:
    """A run in which nothing fired."""
    return run(
        run=name,
        verdict={
            "label": "healthy",
            "level": "ok",
            "confidence": 0.8,
            "headline": "Healthy: both losses fall.",
            "onset_step": None,
        },
        findings=[],
        checks=[{**check, "outcome": "passed"} for check in RUN["checks"]],
        signals=[{"id": f"Z{i}", "state": "pass", "reason": "because"} for i in range(1, 8)],
        notes=[],
    )


def report(*runs: dict[str, Any], lang: str = "en") -> dict[str, Any]:
    entries = list(runs) or [run()]
    levels = [entry["verdict"]["level"] for entry in entries]
    page = {
        "title": "Eval loss rises while train loss still falls",
        "label": "overfitting",
        "guide": ["C2", "M8", "P4"],
        "what": "Whether eval loss ends above its minimum.",
        "why": "Later checkpoints are worse.",
        "todo": "Keep the checkpoint nearest the minimum.",
        "wrong": "The eval set is tiny.",
    }
    return {
        "format_version": 1,
        "tool": {"name": "tb-evalguide", "version": "0.1.0"},
        "logdir": "results",
        "profile": "guide",
        "lang": lang,
        "languages": ["en", "ko"],
        "mode": "full",
        "summary": {level: levels.count(level) for level in ("bad", "warn", "info", "ok", "unknown")},
        "differing": [],
        "rules": {"OVF001": page, "GAP001": page},
        "runs": entries,
    }
