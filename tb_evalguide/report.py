"""The report: every training's diagnosis in one object, and the contract (JSON, data frames) written from it."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tb_evalguide import stats
from tb_evalguide.case import Case, Curve
from tb_evalguide.config import Config
from tb_evalguide.diagnosis import diagnose_training
from tb_evalguide.errors import EvalguideError
from tb_evalguide.explain import page
from tb_evalguide.i18n import LANGUAGES, N_, gettext_for, preferred_language, render
from tb_evalguide.model import (
    CheckResult,
    Cost,
    Finding,
    Profile,
    Ranking,
    Role,
    RoleChoice,
    Roles,
    Rule,
    Run,
    RunReport,
    Signal,
    Source,
    Status,
    Text,
    Training,
    Verdict,
)
from tb_evalguide.replay import truncate
from tb_evalguide.rules import RULES
from tb_evalguide.version import __version__

if TYPE_CHECKING:
    import pandas as pd

_log = logging.getLogger(__name__)

FORMAT_VERSION = 1
LEVEL_ORDER = {"bad": 0, "warn": 1, "info": 2, "unknown": 3, "ok": 4}
SPARK_POINTS = 60
RULES_BY_ID: Mapping[str, Rule] = {rule.id: rule for rule in RULES}


@dataclass(frozen=True)
class Report:
    """A diagnosis of one or many trainings, worst first.

    profile: the one asked for, or None when each run's own was chosen. lang: default language of the texts.
    """

    logdir: str
    runs: tuple[RunReport, ...]
    profile: str | None = None
    lang: str = "en"

    @classmethod
    def of(cls, logdir: str, runs: Iterable[RunReport], profile: str | None = None, lang: str | None = None) -> Report:
        """A report with its runs sorted worst first, then by name."""
        return cls(logdir, tuple(sorted(runs, key=worst_first)), profile, lang or preferred_language())

    @property
    def mode(self) -> str:
        return "sampled" if any(run.training.sampled for run in self.runs) else "full"

    def run(self, name: str) -> RunReport:
        """The run of that name. Raises KeyError."""
        for run in self.runs:
            if run.run == name:
                return run
        raise KeyError(name)

    def to_dict(self, lang: str | None = None, curves: int | None = None) -> dict[str, Any]:
        """The report contract, version 1 (docs/report.md). curves: points a curve, or None to leave the curves out."""
        lang = lang or self.lang
        return contract(self.logdir, [run_to_dict(run, lang, curves) for run in self.runs], self.profile, lang)

    def to_frame(self) -> pd.DataFrame:
        """One row a run: verdict, level, confidence, onset, best value and step."""
        import pandas as pd

        rows = []
        for run in self.runs:
            best = best_of(run)
            rows.append(
                {
                    "run": run.run,
                    "label": run.verdict.label,
                    "level": run.verdict.level,
                    "confidence": run.verdict.confidence,
                    "onset_step": run.verdict.onset_step,
                    "headline": render(run.verdict.headline, self.lang),
                    "profile": run.profile.id,
                    "metric": best["metric"],
                    "best_value": best["value"],
                    "best_step": best["step"],
                    "last_value": best["last_value"],
                    "gap": best["gap"],
                }
            )
        columns = list(rows[0]) if rows else ["run", "label", "level", "confidence", "onset_step", "headline"]
        frame: pd.DataFrame = pd.DataFrame(rows, columns=columns)
        return frame

    def checkpoints_frame(self) -> pd.DataFrame:
        """One row a ranked checkpoint, all runs below each other."""
        import pandas as pd

        rows = [
            {"run": run.run, **checkpoint} for run in self.runs for checkpoint in checkpoints_to_list(run, self.lang)
        ]
        columns = [
            "run",
            "rank",
            "step",
            "path",
            "on_disk",
            "metric",
            "value",
            "gap",
            "perplexity",
            "recommended",
            "reason",
        ]
        frame: pd.DataFrame = pd.DataFrame(rows, columns=list(rows[0]) if rows else columns)
        return frame

    def _repr_html_(self) -> str:
        frame: str = self.to_frame().to_html(escape=True, index=False)
        return frame


def diagnosed(
    training: Training, config: Config | None = None, now: float | None = None, at_step: int | None = None
) -> RunReport:
    """`diagnose_training`, and where it fails a report of this one training that says so.

    at_step: as the training stood when it had reached this step.
    """
    try:
        seen = training if at_step is None else truncate(training, at_step)
        return _of_selected_rules(diagnose_training(seen, config, now), config)
    except EvalguideError:
        raise  # the user's to mend, and the same for every run
    except Exception as error:  # noqa: BLE001
        # A log nobody foresaw can trip any line of the diagnosis. The faults of the other runs are worth more than
        # stopping at ours: it is not hidden, the entry says that nothing was judged, and the debug log has the place.
        return failed(training, error)


def _of_selected_rules(report: RunReport, config: Config | None) -> RunReport:
    """Silence of a few rules is no health: the verdict then says which ones were looked at."""
    names = (report.run, *(run.name for run in report.training.runs))
    selected = config.for_run(*names).rules_only if config is not None else ()
    if not selected or report.verdict.label != "healthy":
        return report
    headline = Text(
        N_("Nothing found by the selected rules ({rules}). The others were not looked at: this is no sign of health."),
        {"rules": ", ".join(selected)},
    )
    return replace(report, verdict=Verdict("insufficient_data", "unknown", report.verdict.confidence, headline))


def failed(training: Training, error: Exception) -> RunReport:
    """The report of a training whose diagnosis broke: nothing is judged, and nothing of its curves is touched again."""
    _log.debug("the diagnosis of %r failed", training.name, exc_info=error)
    reason = Text(N_("the diagnosis itself failed ({error}); please report this"), {"error": type(error).__name__})
    bare = Training(
        training.name,
        tuple(Run(run.name, {}, run.sources, run.directory, sampled=run.sampled) for run in training.runs),
        training.directory,
        training.framework,
        notes=training.notes,
    )
    headline = Text(
        N_("Nothing could be judged: the diagnosis itself failed ({error}). This is our bug, please report it."),
        {"error": type(error).__name__},
    )
    return RunReport(
        training=bare,
        roles=Roles({}),
        profile=Profile("generic", reason),
        verdict=Verdict("insufficient_data", "unknown", 0.0, headline),
        findings=(),
        checks=tuple(CheckResult(rule.id, "skipped", reason) for rule in RULES),
        judgements=(),
        signals=tuple(Signal(f"Z{number}", "unknown", reason) for number in range(1, 8)),
        checklist=(),
        ranking=Ranking(),
        status=Status("unknown", "L1", reason),
        cost=Cost(),
    )


def worst_first(run: RunReport) -> tuple[int, float, str]:
    """Sort key: level, then the surer verdict, then the name."""
    return place_of(run.verdict.level, run.verdict.confidence, run.run)


def place_of(level: str, confidence: float, name: str) -> tuple[int, float, str]:
    """`worst_first` from what an entry of the contract says."""
    return (LEVEL_ORDER.get(level, 9), -confidence, name)


def common(values: Iterable[str]) -> str | None:
    """The value that all share, or None."""
    distinct = set(values)
    return distinct.pop() if len(distinct) == 1 else None


def contract(logdir: str, entries: list[dict[str, Any]], profile: str | None, lang: str) -> dict[str, Any]:
    """The report contract around entries made by `run_to_dict`, in the order given.

    Apart from the Report, so that a command can drop each training's arrays as soon as its entry is made.
    """
    levels = [entry["verdict"]["level"] for entry in entries]
    fired = sorted({finding["rule"] for entry in entries for finding in entry["findings"]})
    return {
        "format_version": FORMAT_VERSION,
        "tool": {"name": "tb-evalguide", "version": __version__},
        "logdir": logdir,
        "profile": profile or common(entry["profile"]["id"] for entry in entries) or "auto",
        "lang": lang,
        "languages": list(LANGUAGES),
        "mode": "sampled" if any(entry["mode"] == "sampled" for entry in entries) else "full",
        "summary": {level: levels.count(level) for level in ("bad", "warn", "info", "ok", "unknown")},
        "differing": differing([entry["hparams"] for entry in entries]),
        "rules": {rule: page_to_dict(RULES_BY_ID[rule], lang) for rule in fired},
        "runs": entries,
    }


def differing(hparams: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names of scalar arguments that at least two runs state with different values.

    One that some runs state and others leave out is no difference: frameworks write different lists of them.
    """
    if len(hparams) < 2:
        return []
    seen: dict[str, set[str]] = {}
    for arguments in hparams:
        for name, value in arguments.items():
            seen.setdefault(name, set()).add(repr(value))
    return sorted(name for name, values in seen.items() if len(values) > 1 and not is_place(name))


def is_place(name: str) -> bool:
    """The argument names a place or a moment, not a setting of the training."""
    return name.rsplit(".", 1)[-1] in {
        "output_dir",
        "logging_dir",
        "run_name",
        "log_dir",
        "save_dir",
        "hub_model_id",
        "name",
        "time",
        "timestamp",
        "local_rank",
    }


def scalars(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Only the arguments that a table can show: text, numbers, yes or no."""
    return {
        str(name): plain(value)
        for name, value in arguments.items()
        if isinstance(value, (str, int, float, bool)) and len(str(value)) <= 200
    }


def plain(value: Any) -> Any:
    """A value that JSON can hold: NumPy scalars become Python's, non-finite numbers become strings."""
    if isinstance(value, (np.generic,)):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return str(value)


def run_to_dict(run: RunReport, lang: str, curves: int | None = None) -> dict[str, Any]:
    """One entry of the contract's `runs`; one that says so where it cannot be made (see `diagnosed`)."""
    try:
        return _entry(run, lang, curves)
    except Exception as error:  # noqa: BLE001 - as argued in `diagnosed`
        return _entry(failed(run.training, error), lang, curves)


def _entry(run: RunReport, lang: str, curves: int | None) -> dict[str, Any]:
    training = run.training

    def text(message: Text) -> str:
        return render(message, lang)

    entry: dict[str, Any] = {
        "run": run.run,
        "tb_runs": [r.name for r in training.runs if any(s.kind == "tfevents" for s in r.sources) or not r.sources],
        "framework": run.roles.framework or training.framework,
        "mode": "sampled" if training.sampled else "full",
        "profile": {"id": run.profile.id, "reason": text(run.profile.reason), "chosen_by": run.profile.chosen_by},
        "sources": [
            {
                "path": source.path,
                "kind": source.kind,
                "events": source.events,
                "notes": [
                    {"kind": note.kind, "message": text(note.message), "offset": note.offset, "step": note.step}
                    for note in source.notes
                ],
            }
            for source in (*training.sources, *log_sources(training))
        ],
        "roles": {
            role.value: {
                "tag": choice.tag,
                # the sum of several tags stands under a name of its own in the curves and the ranking
                **({"name": choice.series.tag, "parts": list(choice.series.parts)} if choice.series.parts else {}),
                "run": choice.series.run,
                "reason": text(choice.reason),
                "certain": choice.certain,
            }
            for role, choice in run.roles.choices.items()
        },
        "role_notes": [text(note) for note in run.roles.notes],
        "verdict": {
            "label": run.verdict.label,
            "level": run.verdict.level,
            "confidence": run.verdict.confidence,
            "headline": text(run.verdict.headline),
            "onset_step": run.verdict.onset_step,
        },
        "findings": [finding_to_dict(finding, index, lang) for index, finding in enumerate(run.findings)],
        "checks": [
            {
                "rule": check.rule,
                "title": gettext_for(RULES_BY_ID[check.rule].title, lang),
                "outcome": check.outcome,
                "reason": text(check.reason),
            }
            for check in run.checks
        ],
        "judgements": [
            {
                "step": row.step,
                "train_loss": row.train_loss,
                "eval_loss": row.eval_loss,
                "gap": row.gap,
                "perplexity": row.perplexity,
                "level": row.level,
                "reason": text(row.reason),
            }
            for row in run.judgements
        ],
        "signals": [{"id": s.id, "state": s.state, "reason": text(s.reason)} for s in run.signals],
        "checklist": [
            {"id": item.id, "item": text(item.item), "state": item.state, "reason": text(item.reason)}
            for item in run.checklist
        ],
        "checkpoints": checkpoints_to_list(run, lang),
        "ranking": {
            "metric": run.ranking.metric,
            "greater_is_better": run.ranking.greater_is_better,
            "best_evaluated": run.ranking.best_evaluated,
            "best_on_disk": run.ranking.best_on_disk,
            "regret": run.ranking.regret,
            "notes": [text(note) for note in run.ranking.notes],
        },
        "status": {
            "state": run.status.state,
            "phase": run.status.phase,
            "reason": text(run.status.reason),
            "last_step": run.status.last_step,
            "last_wall_time": run.status.last_wall_time,
            "planned_steps": run.status.planned_steps,
            "epoch": run.status.epoch,
            "progress": run.status.progress,
            "remaining_seconds": run.status.remaining_seconds,
        },
        "cost": {
            "wall_seconds": run.cost.wall_seconds,
            "active_seconds": run.cost.active_seconds,
            "seconds_per_step": run.cost.seconds_per_step,
            "seconds_per_epoch": run.cost.seconds_per_epoch,
            "eval_share": run.cost.eval_share,
            "slowdown": run.cost.slowdown,
        },
        "best": best_of(run),
        "hparams": scalars(training.arguments),
        "restarts": restarts_of(run),
        "notes": [
            *(
                {"kind": n.kind, "message": text(n.message), "path": s.path, "offset": n.offset, "step": n.step}
                for s in training.sources
                for n in s.notes
            ),
            *(
                {"kind": n.kind, "message": text(n.message), "path": None, "offset": n.offset, "step": n.step}
                for n in training.notes
            ),
        ],
        "samples": [{"step": t.step, "tag": t.tag, "text": t.text[:20_000]} for t in training.texts[-200:]],
        "sparkline": {
            "train": sparkline(run, Role.TRAIN_LOSS),
            "eval": sparkline(run, Role.EVAL_LOSS),
        },
    }
    if curves is not None:
        entry["curves"] = curves_of(run, curves)
    cleaned: dict[str, Any] = plain(entry)
    return cleaned


def log_sources(training: Training) -> list[Source]:
    """The plain log files that told of a fault: they hold no curve, but the verdict may rest on them alone."""
    return [Source(path, "log", 0) for path in dict.fromkeys(fault.path for fault in training.log_faults)]


def page_to_dict(rule: Rule, lang: str) -> dict[str, Any]:
    """A rule's page, so that a card can teach without another request."""
    text = page(rule, lang)
    return {
        "title": text.title,
        "label": text.label,
        "guide": list(text.guide),
        "what": text.what,
        "why": text.why,
        "todo": text.todo,
        "wrong": text.wrong,
    }


def finding_to_dict(finding: Finding, index: int, lang: str) -> dict[str, Any]:
    """One entry of the contract's `findings`."""
    rule = RULES_BY_ID[finding.rule]
    return {
        "id": f"{finding.rule}-{index}",
        "rule": finding.rule,
        "title": gettext_for(rule.title, lang),
        "label": finding.label,
        "guide": list(finding.guide),
        "severity": finding.severity.value,
        "tier": int(finding.tier),
        "confidence": finding.confidence,
        "steps": list(finding.steps),
        "tags": list(finding.tags),
        "evidence": dict(finding.evidence),
        "message": render(finding.message, lang),
        "remedies": [
            {
                "text": render(advice.text, lang),
                "setting": advice.setting,
                "from": advice.old,
                "to": advice.new,
                "snippet": advice.snippet,
                "example": advice.example,
            }
            for advice in finding.remedies
        ],
        "explained_by": finding.explained_by,
    }


def checkpoints_to_list(run: RunReport, lang: str) -> list[dict[str, Any]]:
    """The contract's `checkpoints`."""
    rows = [
        {
            "rank": c.rank,
            "step": c.step,
            "path": c.path,
            "on_disk": c.on_disk,
            "metric": c.metric,
            "value": c.value,
            "gap": c.gap,
            "perplexity": c.perplexity,
            "quality": c.quality,
            "tied": c.tied,
            "recommended": c.recommended,
            "level": c.level,
            "reason": render(c.reason, lang),
            "size": c.size,
            "modified": c.modified,
        }
        for c in run.checkpoints
    ]
    cleaned: list[dict[str, Any]] = plain(rows)
    return cleaned


def best_of(run: RunReport) -> dict[str, Any]:
    """Best and last value of what the checkpoints are ranked by, else of the eval loss, else of the train loss."""
    empty = {
        "metric": None,
        "value": None,
        "step": None,
        "last_value": None,
        "gap": None,
        "perplexity": None,
        "greater_is_better": False,
    }
    recommended = next((c for c in run.checkpoints if c.recommended), None)
    choice = _ranked_choice(run)
    if choice is None:
        return empty
    curve = Curve.of(choice.series)
    if not len(curve):
        return {**empty, "metric": choice.series.tag}
    greater = bool(choice.greater_is_better)
    if recommended is not None and recommended.value is not None:
        step, value = recommended.step, recommended.value
    else:
        index = int(np.argmax(curve.values) if greater else np.argmin(curve.values))
        step, value = int(curve.steps[index]), float(curve.values[index])
    return {
        "metric": choice.series.tag,
        "value": value,
        "step": step,
        "last_value": float(curve.values[-1]),
        "gap": recommended.gap if recommended is not None else None,
        "perplexity": recommended.perplexity if recommended is not None else None,
        "greater_is_better": greater,
    }


def _ranked_choice(run: RunReport) -> RoleChoice | None:
    choices = run.roles.choices
    for choice in (*run.roles.metrics, *choices.values()):
        if run.ranking.metric is not None and choice.series.tag == run.ranking.metric:
            return choice
    return (
        choices.get(Role.EVAL_LOSS)
        or (run.roles.metrics[0] if run.roles.metrics else None)
        or choices.get(Role.TRAIN_LOSS)
    )


def restarts_of(run: RunReport) -> list[dict[str, Any]]:
    """Restarts seen in any series of the training, each once, in the order in which they were written."""
    seen: dict[tuple[int, float, int], dict[str, Any]] = {}
    for r in run.training.runs:
        for series in r.series.values():
            for number, restart in enumerate(series.restarts):
                # A table has no wall times, and an event file may lie about them: then the place in the series tells
                # two restarts at one step apart.
                timed = math.isfinite(restart.wall_time)
                seen.setdefault(
                    (restart.step, math.floor(restart.wall_time) if timed else math.inf, 0 if timed else number),
                    {
                        "step": restart.step,
                        "last_step": restart.last_step,
                        "wall_time": restart.wall_time,
                        "new_file": restart.new_file,
                        "forward": restart.forward,
                    },
                )

    def written(key: tuple[int, float, int]) -> tuple[float, int, int]:
        time = float(seen[key]["wall_time"])
        return (time if math.isfinite(time) else math.inf, key[2], key[0])

    return [seen[key] for key in sorted(seen, key=written)]


def sparkline(run: RunReport, role: Role) -> list[float | None]:
    """At most SPARK_POINTS values, null where not finite: the curve's shape at a glance."""
    series = run.roles.get(role)
    if series is None or not len(series):
        return []
    index = thinned(series.values, SPARK_POINTS)
    return [float(v) if math.isfinite(v) else None for v in series.values[index]]


def thinned(values: np.ndarray, points: int) -> np.ndarray:
    """Indices of at most ~`points` values: minimum and maximum of each bucket, first, last and all non-finite ones."""
    n = len(values)
    if n <= points:
        return np.arange(n)
    edges = np.linspace(0, n, max(1, points // 2) + 1).round().astype(int)
    keep = {0, n - 1}
    bad = np.flatnonzero(~np.isfinite(values))
    keep.update(bad[:points].tolist())
    low = np.where(np.isfinite(values), values, np.inf)
    high = np.where(np.isfinite(values), values, -np.inf)
    for a, b in zip(edges, edges[1:]):
        if b > a:
            keep.add(int(a + np.argmin(low[a:b])))
            keep.add(int(a + np.argmax(high[a:b])))
    return np.array(sorted(keep))


def curves_of(run: RunReport, points: int, first: float | None = None, last: float | None = None) -> dict[str, Any]:
    """The curves of every role for the page: thinned, with non-finite points listed and a robust trend.

    first, last: only steps within (both ends included), for a closer look.
    """
    case = Case(run.training, run.roles, run.profile, _NO_CONFIG)
    wanted = evidence_steps(run)
    out: dict[str, Any] = {}
    for role, choice in run.roles.choices.items():
        out[role.value] = curve_to_dict(choice, case, points, wanted, first, last)
    for metric in run.roles.metrics:
        out.setdefault(f"metric:{metric.series.tag}", curve_to_dict(metric, case, points, wanted, first, last))
    for extra in run.roles.extra_eval_losses:
        out.setdefault(f"eval_loss:{extra.series.tag}", curve_to_dict(extra, case, points, wanted, first, last))
    return out


def evidence_steps(run: RunReport) -> np.ndarray:
    """Every step that a finding or a checkpoint points at: thinning keeps them."""
    steps = {step for finding in run.findings for step in finding.steps}
    steps |= {checkpoint.step for checkpoint in run.checkpoints[:50]}
    if run.verdict.onset_step is not None:
        steps.add(run.verdict.onset_step)
    return np.array(sorted(steps), np.int64)


def curve_to_dict(
    choice: RoleChoice, case: Case, points: int, wanted: np.ndarray, first: float | None, last: float | None
) -> dict[str, Any]:
    """One curve of the page."""
    series = choice.series
    a, b = 0, len(series)
    if first is not None:
        a = int(np.searchsorted(series.steps, first, side="left"))
    if last is not None:
        b = int(np.searchsorted(series.steps, last, side="right"))
    steps, values, wall = series.steps[a:b], series.values[a:b], series.wall_times[a:b]
    index = thinned(values, points)
    if len(wanted) and len(steps) > points:
        near = np.clip(np.searchsorted(steps, wanted), 0, len(steps) - 1)
        index = np.array(sorted({*index.tolist(), *near.tolist()}))
    curve = Curve.of(series)
    trend = None
    if len(curve) >= 20:
        level_index = stats.spread(len(curve), points)
        keep = (curve.steps[level_index] >= (steps[0] if len(steps) else 0)) & (
            curve.steps[level_index] <= (steps[-1] if len(steps) else 0)
        )
        level_index = level_index[keep]
        trend = {"steps": curve.steps[level_index].tolist(), "values": curve.level[level_index].tolist()}
    epochs = [case.epochs_at(float(step)) for step in steps[index]]
    finite = np.isfinite(values[index])
    return {
        "tag": series.tag,
        "run": series.run,
        "greater_is_better": choice.greater_is_better,
        "steps": steps[index].tolist(),
        "values": [float(v) if ok else None for v, ok in zip(values[index], finite)],
        "wall_times": wall[index].tolist(),
        "epochs": epochs if all(epoch is not None for epoch in epochs) and epochs else None,
        "nonfinite": [[int(s), plain(float(v))] for s, v in zip(steps[index][~finite], values[index][~finite])],
        "total": int(b - a),
        "thinned": bool(len(index) < b - a),
        "trend": trend,
    }


_NO_CONFIG = Config()
