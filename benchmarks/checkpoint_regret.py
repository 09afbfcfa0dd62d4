#!/usr/bin/env python3
"""Regret of the recommended checkpoint on labelled runs, beside simpler ways of choosing.

usage: checkpoint_regret.py SUITE_DIR… [--list]

A suite holds labels.jsonl with, per run, `oracle`: {checkpoint step: loss on a large set that the run never logged}.
Regret = (oracle at the chosen step − best oracle) ÷ (worst − best), 0 best, 1 worst; the nearest oracle step counts.
Every way chooses among the same runs, and each mean has a 95 % bootstrap interval over the runs. The one limit that was
looked at on these runs, the cap of a tie, is also chosen on all other runs for each run in turn (leave one out).
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tb_evalguide import stats
from tb_evalguide.case import Case
from tb_evalguide.checkpoints import Limits, match_files, rank
from tb_evalguide.config import Config
from tb_evalguide.profiles import choose_profile
from tb_evalguide.roles import choose_roles
from tb_evalguide.sources import read_trainings

CAPS = (0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, math.inf)
RESAMPLES = 10_000


def labelled(suites: list[str]) -> list[tuple[str, dict[int, float], Case]]:
    """(run, oracle, case) of every run that is labelled with an oracle and with more than low confidence."""
    out = []
    for suite in suites:
        for line in (Path(suite) / "labels.jsonl").read_text().splitlines():
            unit = json.loads(line)
            oracle = {int(float(s)): float(v) for s, v in (unit.get("oracle") or {}).items() if v is not None}
            oracle = {s: v for s, v in oracle.items() if math.isfinite(v)}
            if unit.get("confidence") == "low" or len(oracle) < 3 or max(oracle.values()) == min(oracle.values()):
                continue
            trainings = read_trainings(Path(suite) / unit["run"])
            training = max(trainings, key=lambda t: sum(source.events for source in t.sources))
            roles = choose_roles(training, {})
            out.append((unit["run"], oracle, Case(training, roles, choose_profile(training, roles, None), Config())))
    return out


def regret(oracle: dict[int, float], step: int) -> float:
    low, high = min(oracle.values()), max(oracle.values())
    return (oracle[min(oracle, key=lambda s: abs(s - step))] - low) / (high - low)


def ours(case: Case, limits: Limits | None = None) -> int | None:
    ranking = rank(case, limits=limits) if limits is not None else rank(case)
    return next((c.step for c in ranking.checkpoints if c.recommended), None)


def lowest(case: Case) -> int | None:
    evals = case.evals
    return int(evals.steps[np.argmin(evals.values)]) if evals is not None else None


def lowest_on_disk(case: Case) -> int | None:
    evals = case.evals
    if evals is None:
        return None
    files, _ = match_files(case, evals.steps)
    there = np.isin(evals.steps, list(files))
    return int(evals.steps[np.argmin(np.where(there, evals.values, np.inf))]) if there.any() else lowest(case)


def within_noise(case: Case, pick: Callable[[np.ndarray], int]) -> int | None:
    """One of the evaluations on disk that lie within 2σe of the best, as `pick` chooses among their indices."""
    evals = case.evals
    if evals is None:
        return None
    files, _ = match_files(case, evals.steps)
    there = np.isin(evals.steps, list(files))
    there = there if there.any() else np.ones(len(evals), bool)
    best = float(evals.values[there].min())
    noise = stats.eval_noise(evals.steps, evals.values)
    return int(evals.steps[pick(np.flatnonzero(there & (evals.values <= best + 2 * noise)))])


def smoothed(case: Case) -> int | None:
    evals = case.evals
    if evals is None:
        return None
    if len(evals) < 8:
        return lowest_on_disk(case)
    y = np.concatenate([evals.values[:1], evals.values, evals.values[-1:]])
    level = 0.25 * y[:-2] + 0.5 * y[1:-1] + 0.25 * y[2:]
    return within_noise(case, lambda ties: int(ties[np.argmin(level[ties])]))


def smallest_gap(case: Case) -> int | None:
    gaps = np.abs(case.gaps)
    return within_noise(
        case, lambda ties: int(ties[np.nanargmin(gaps[ties])] if np.isfinite(gaps[ties]).any() else ties[0])
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="+", metavar="SUITE_DIR")
    parser.add_argument("--list", action="store_true", help="every run with a regret, worst first")
    options = parser.parse_args()
    runs = [(name, oracle, case) for name, oracle, case in labelled(options.suites) if ours(case) is not None]
    if not runs:
        print("no run with an oracle and an evaluation below these folders", file=sys.stderr)
        return 2
    ways: dict[str, Callable[[str, dict[int, float], Case], int | None]] = {
        "recommended": lambda _, oracle, case: ours(case),
        "lowest logged eval": lambda _, oracle, case: lowest(case),
        "lowest eval on disk": lambda _, oracle, case: lowest_on_disk(case),
        "last checkpoint": lambda _, oracle, case: max(oracle),
        "3-point mean within 2σ": lambda _, oracle, case: smoothed(case),
        "smallest gap within 2σ": lambda _, oracle, case: smallest_gap(case),
        "earliest within 2σ": lambda _, oracle, case: within_noise(case, lambda ties: int(ties[0])),
        "latest within 2σ": lambda _, oracle, case: within_noise(case, lambda ties: int(ties[-1])),
    }
    # where there is no evaluation, every way is left with the last checkpoint
    table = {
        way: np.array([regret(o, s if (s := choose(n, o, c)) is not None else max(o)) for n, o, c in runs])
        for way, choose in ways.items()
    }
    generator = np.random.default_rng(0)
    draws = generator.integers(0, len(runs), (RESAMPLES, len(runs)))
    print(f"{len(runs)} runs; regret 0 best, 1 worst of a run's range; mean with 95 % bootstrap interval")
    for way, values in table.items():
        low, high = np.percentile(values[draws].mean(axis=1), [2.5, 97.5])
        mean = f"mean {values.mean():.4f} [{low:.4f}, {high:.4f}]"
        print(f"  {way:24s} {mean}  median {np.median(values):.4f}  worst {values.max():.3f}")
    caps = np.array(
        [
            [regret(o, step if (step := ours(c, Limits(tie_share=cap))) is not None else max(o)) for cap in CAPS]
            for _, o, c in runs
        ]
    )
    print("mean by cap of a tie: " + "  ".join(f"{cap:g}: {mean:.4f}" for cap, mean in zip(CAPS, caps.mean(axis=0))))
    totals = caps.sum(axis=0)
    held_out = [caps[i, int(np.argmin(totals - caps[i]))] for i in range(len(runs))]
    print(f"cap chosen on the other runs, run by run: mean {np.mean(held_out):.4f}")
    if options.list:
        for index in np.argsort(-table["recommended"]):
            if table["recommended"][index] > 0:
                print(
                    f"  {runs[index][0]}: " + "  ".join(f"{way} {values[index]:.4f}" for way, values in table.items())
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
