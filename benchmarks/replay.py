"""Feeds labelled runs as they grew, evaluation by evaluation, and says how early and how steadily they were judged.

    python -m benchmarks.replay ../shared/runs/trained ../shared/runs/real [--list] [--write docs/accuracy.md]

A moment is the log as it stood at one step; a run is stopped at every evaluation (at logged points where it has none),
thinned to `--moments`, and at each of those that follow an onset. Onset of overfitting: the label's (on trained runs
the minimum of a large set that the run never logged), or the lowest evaluation of the log where the label has none;
both are counted. Onset of NaN: the first non-finite train loss. Onset of divergence: the label's. A reversal is a
faulty headline followed by a quiet one.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.labelled import QUIET, Unit, main_training, read_suite, wilson
from tb_evalguide.case import Case
from tb_evalguide.config import Config
from tb_evalguide.diagnosis import check_rule, findings, verdict
from tb_evalguide.model import Ints, Role, Training, Verdict
from tb_evalguide.profiles import choose_profile
from tb_evalguide.replay import truncate
from tb_evalguide.roles import choose_roles
from tb_evalguide.rules import RULES

UNSTABLE = frozenset({"divergence", "lr_too_high", "exploding_gradients", "nan"})
BROKEN = ("nan", "exploding_gradients", "lr_too_high_or_divergence", "divergence")  # primary labels with such an onset
LATEST = 15  # evaluations or points after an onset that are looked at one by one
NEVER = 10**6
Moment = tuple[int, str, str]  # step, label, level


@dataclass(frozen=True)
class Replay:
    """One run's story. Delays: None where the run has no such onset, NEVER where it was not called."""

    unit: Unit
    moments: tuple[Moment, ...]
    overfit_delay: int | None  # evaluations from the label's onset to the first headline that says overfitting
    lowest_delay: int | None  # likewise from the lowest logged evaluation
    break_delay: int | None  # logged points from the first NaN, or the label's onset, to any headline of instability

    @property
    def reversals(self) -> int:
        faulty = [label not in QUIET for _, label, _ in self.moments]
        return sum(a and not b for a, b in zip(faulty, faulty[1:]))


def headline(training: Training) -> Verdict:
    """The verdict alone: what `diagnose_training` says without ranking checkpoints, measuring cost and the like."""
    case = _case(training)
    outcomes = tuple(check_rule(rule, case) for rule in RULES)
    return verdict(case, findings(outcomes, case), outcomes)


def _case(training: Training) -> Case:
    roles = choose_roles(training)
    return Case(training, roles, choose_profile(training, roles), Config())


def moments_of(case: Case, most: int) -> list[int]:
    """Steps to stop at: every evaluation, or logged points where there are few; thinned evenly, the last one kept."""
    curve = case.evals if case.evals is not None and len(case.evals) >= 4 else case.roles.get(Role.TRAIN_LOSS)
    if curve is None or not len(curve.steps):
        return []
    steps = curve.steps
    if len(steps) > most:
        steps = steps[np.unique(np.linspace(0, len(steps) - 1, most).round().astype(int))]
    return sorted({*steps.tolist(), case.last_step})


def replay(job: tuple[Unit, int]) -> Replay:
    unit, most = job
    training = main_training(unit.path)
    case = _case(training)
    wanted = moments_of(case, most)
    told: dict[int, Verdict] = {}

    def at(step: int) -> Verdict:
        if step not in told:
            told[step] = headline(truncate(training, step))
        return told[step]

    def delay(steps: Ints, labels: frozenset[str]) -> int:
        """Index of the first of these steps at which one of the labels is the headline."""
        near = (k for k, step in enumerate(steps[:LATEST].tolist()) if at(step).label in labels)
        return next(near, NEVER)

    overfit = lowest = None
    if unit.accept == ["overfitting"] and case.evals is not None:
        steps = case.evals.steps
        best = int(steps[np.argmin(case.evals.values)])
        onset = unit.label["onset_step"] if unit.label["onset_step"] is not None else best
        overfit = 1 + delay(steps[steps > onset], frozenset({"overfitting"}))
        lowest = 1 + delay(steps[steps > best], frozenset({"overfitting"}))
    broke = _broken(unit, case)
    breaks = delay(broke, UNSTABLE) if broke is not None and len(broke) else None
    story = tuple((step, at(step).label, at(step).level) for step in wanted)
    return Replay(unit, story, overfit, lowest, breaks)


def _broken(unit: Unit, case: Case) -> Ints | None:
    """Logged steps from the first NaN or the onset of divergence on; None where the run has none that is exact."""
    series = case.roles.get(Role.TRAIN_LOSS)
    if series is None or unit.primary not in BROKEN or not UNSTABLE.intersection(unit.accept):
        return None
    bad = np.flatnonzero(~np.isfinite(series.values) | (series.values == 0))
    if "nan" in unit.accept and len(bad):
        return series.steps[bad[0] :]
    onset = unit.label["onset_step"]
    return series.steps[series.steps >= onset] if isinstance(onset, (int, float)) else None


def share(values: Sequence[bool]) -> str:
    if not values:
        return "no such run"
    low, high = wilson(sum(values), len(values))
    return f"{sum(values)} of {len(values)}: {sum(values) / len(values):.1%} [{low:.1%}, {high:.1%}]"


def summary(stories: Sequence[Replay]) -> str:
    """The figures as a Markdown table, each beside its bar."""
    overfit = [s.overfit_delay for s in stories if s.overfit_delay is not None]
    lowest = [s.lowest_delay for s in stories if s.lowest_delay is not None]
    broken = [s.break_delay for s in stories if s.break_delay is not None]
    healthy = [s for s in stories if s.unit.healthy]
    rows = [
        ("overfitting called within 3 evaluations of the label's onset", "≥ 90 %", share([d <= 3 for d in overfit])),
        ("… of the lowest logged evaluation", "", share([d <= 3 for d in lowest])),
        ("NaN and divergence called within 5 logged points", "≥ 90 %", share([d <= 5 for d in broken])),
        ("healthy runs whose headline is bad at any moment", "≤ 3 %", share([_bad(s) for s in healthy])),
        ("runs with at most one reversal", "all", share([s.reversals <= 1 for s in stories])),
    ]
    head = f"{sum(len(s.moments) for s in stories)} moments of {len(stories)} runs."
    if overfit and lowest:
        head += (
            f" Median delay of overfitting: {statistics.median(overfit):g} evaluations after the label's onset,"
            f" {statistics.median(lowest):g} after the lowest evaluation."
        )
    lines = ["| " + " | ".join(row) + " |" for row in (("figure", "bar", "measured"), ("---",) * 3, *rows)]
    return head + "\n\n" + "\n".join(lines)


def _bad(story: Replay) -> bool:
    return any(level == "bad" for _, _, level in story.moments)


def _listed(stories: Sequence[Replay]) -> list[str]:
    late = [s for s in stories if max(s.overfit_delay or 0, (s.break_delay or 0) - 2) > 3]
    called = [s for s in stories if s.unit.healthy and _bad(s)]
    flapping = [s for s in stories if s.reversals > 1]
    return [
        f"{title}: {s.unit.suite}/{s.unit.run} {'|'.join(s.unit.accept)} delays {s.overfit_delay} {s.lowest_delay}"
        f" {s.break_delay}: {_told(s.moments)}"
        for title, group in (("late", late), ("called bad", called), ("flapping", flapping))
        for s in group
    ]


def _told(moments: Sequence[Moment]) -> str:
    """Only the changes of the headline."""
    kept = [m for k, m in enumerate(moments) if k == 0 or m[1:] != moments[k - 1][1:]]
    return " → ".join(f"{step} {label} ({level})" for step, label, level in kept)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="+", metavar="SUITE_DIR")
    parser.add_argument("--moments", type=int, default=40)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--list", action="store_true", help="show the runs that miss a bar")
    parser.add_argument("--run", action="append", help="only this run")
    parser.add_argument("--write", metavar="PAGE", help="put the table into this page, between the marks `replay`")
    options = parser.parse_args()
    units = [unit for suite in options.suites for unit in read_suite(suite)]
    jobs = [(unit, options.moments) for unit in units if not options.run or unit.run in options.run]
    if not jobs:
        print("no labelled runs below these folders", file=sys.stderr)
        return 2
    with ProcessPoolExecutor(options.jobs) as pool:
        stories = list(pool.map(replay, jobs))
    print(summary(stories))
    if options.list or options.run:
        print("\n".join(_listed(stories)))
    if options.write:
        from benchmarks.accuracy import put

        page = Path(options.write)
        page.write_text(put(page.read_text(encoding="utf-8"), "replay", summary(stories)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
