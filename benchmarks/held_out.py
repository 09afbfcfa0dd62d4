"""Whether accuracy hinges on the limits: each is moved alone, and all that matter are picked again without one project.

The rules' code was written while looking at these runs, so this tells only how much the *numbers* in it were fitted:
for each project (real runs) or framework (trained ones), every limit that matters on the labelled runs is picked from
a grid on all other runs only, from a random start, and the runs left out are judged with what was picked. It is
coordinate ascent on accuracy; of the values that do equally well the middle one is taken, and so that this does not
favour the value in force, the grid of each limit is moved by a random factor first. A limit that only the runs left
out hold in place ends wherever that factor put it, so the whole is done for several seeds.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.labelled import QUIET, Answer, Unit, is_right, main_training, wilson
from tb_evalguide.case import Case
from tb_evalguide.config import Config, limit_values
from tb_evalguide.diagnosis import Outcome, check_rule, findings, verdict
from tb_evalguide.model import Rule
from tb_evalguide.profiles import choose_profile
from tb_evalguide.roles import choose_roles
from tb_evalguide.rules import RULES

FACTORS = (0.5, 0.67, 0.8, 1.0, 1.25, 1.5, 2.0)
PASSES = 2
SEEDS = range(5)
Limit = tuple[int, str]  # index of the rule in RULES, name of the limit
Values = Mapping[Limit, float]


class Bench:
    """The labelled runs, each rule's outcome on each kept by the limits it was run with."""

    def __init__(self, units: Sequence[Unit]) -> None:
        self.units = list(units)
        self.cases = [_case(unit) for unit in units]
        self._outcomes: list[list[Outcome]] = [[] for _ in units]  # every distinct outcome seen, by run
        self._ids: list[dict[tuple[int, str], int]] = [{} for _ in units]
        self._by_limits: dict[tuple[int, tuple[tuple[str, float], ...]], np.ndarray] = {}
        self._said: dict[tuple[int, tuple[int, ...]], tuple[bool, bool]] = {}
        self.start = np.stack([self.column(k, {}) for k in range(len(RULES))], axis=1)

    def column(self, rule: int, changed: Mapping[str, float]) -> np.ndarray:
        """Number of the outcome of one rule on every run, with these of its limits changed."""
        key = (rule, tuple(sorted(changed.items())))
        if key not in self._by_limits:
            moved = with_limits(RULES[rule], changed)
            self._by_limits[key] = np.array([self._number(i, rule, moved) for i in range(len(self.units))])
        return self._by_limits[key]

    def _number(self, unit: int, rule: int, moved: Rule) -> int:
        outcome = check_rule(moved, self.cases[unit])
        # The rule object differs by its limits; two outcomes are one when they say the same.
        key = (rule, repr((outcome.result, outcome.evidence)))
        known = self._ids[unit]
        if key not in known:
            known[key] = len(self._outcomes[unit])
            self._outcomes[unit].append(dataclasses.replace(outcome, rule=RULES[rule]))
        return known[key]

    def judged(self, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(right?, false headline on a healthy run?) of every run, from the numbers of its rules' outcomes."""
        said = [self._judge(unit, tuple(row)) for unit, row in enumerate(state.tolist())]
        right, alarm = zip(*said)
        return np.array(right), np.array(alarm)

    def _judge(self, unit: int, row: tuple[int, ...]) -> tuple[bool, bool]:
        if (unit, row) not in self._said:
            outcomes = [self._outcomes[unit][k] for k in row]
            found = findings(outcomes, self.cases[unit])
            said = verdict(self.cases[unit], found, outcomes)
            answer = Answer(said.label, frozenset({said.label, *(f.label for f in found)}))
            alarm = self.units[unit].healthy and said.label not in QUIET
            self._said[unit, row] = (is_right(self.units[unit], answer), alarm)
        return self._said[unit, row]

    def state(self, values: Values) -> np.ndarray:
        """The outcome numbers with these limits in force."""
        state = self.start.copy()
        for rule in {rule for rule, _ in values}:
            state[:, rule] = self.column(rule, {name: v for (r, name), v in values.items() if r == rule})
        return state


def _case(unit: Unit) -> Case:
    training = main_training(unit.path)
    roles = choose_roles(training)
    return Case(training, roles, choose_profile(training, roles), Config())


def with_limits(rule: Rule, changed: Mapping[str, float]) -> Rule:
    return dataclasses.replace(rule, limits=dataclasses.replace(rule.limits, **changed)) if changed else rule


def grid(limit: Limit, centre: float = 1.0) -> list[float]:
    """Half to twice the limit in force times `centre`; whole numbers stay whole."""
    value = limit_values(RULES[limit[0]].limits)[limit[1]]
    moved = [value * factor * centre for factor in FACTORS]
    return sorted({max(1, round(v)) for v in moved}) if isinstance(value, int) else moved


def limits_that_matter(bench: Bench) -> dict[Limit, dict[float, int]]:
    """{limit: {value: runs right}} of every limit that, moved to between half and twice, makes some verdict wrong."""
    out: dict[Limit, dict[float, int]] = {}
    base = int(bench.judged(bench.start)[0].sum())
    for index, rule in enumerate(RULES):
        for name, value in limit_values(rule.limits).items():
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                continue
            limit = (index, name)
            tried = {v: int(bench.judged(bench.state({limit: v}))[0].sum()) for v in grid(limit)}
            if any(right != base for right in tried.values()):
                out[limit] = tried
    return out


def pick(bench: Bench, grids: Mapping[Limit, Sequence[float]], keep: np.ndarray, seed: int) -> dict[Limit, float]:
    """Every limit from its grid, by accuracy on the kept runs alone, from a random start."""
    chance = random.Random(seed)
    values = {limit: chance.choice(choices) for limit, choices in grids.items()}
    for _ in range(PASSES):
        for limit in chance.sample(list(grids), len(grids)):
            right = []
            for value in grids[limit]:
                good, alarm = bench.judged(bench.state({**values, limit: value}))
                right.append(int(good[keep].sum()) - int(alarm[keep].sum()))
            values[limit] = grids[limit][_middle_of_best(right)]
    return values


def _middle_of_best(right: Sequence[int]) -> int:
    """Index in the middle of the longest stretch of equally good, best values."""
    best = max(right)
    stretches: list[list[int]] = [[]]
    for index, count in enumerate(right):
        if count == best:
            stretches[-1].append(index)
        elif stretches[-1]:
            stretches.append([])
    longest = max(stretches, key=len)
    return longest[(len(longest) - 1) // 2]


def held_out(bench: Bench, limits: Sequence[Limit], seed: int = 0) -> list[tuple[str, int, int, int, int]]:
    """(origin, runs, right with the limits in force, right with those picked without it, its false headlines then)."""
    origins = np.array([f"{unit.suite}: {unit.origin}" for unit in bench.units])
    in_force = bench.judged(bench.start)[0]
    chance = random.Random(seed)
    grids = {limit: grid(limit, 2 ** chance.uniform(-0.5, 0.5)) for limit in limits}
    out = []
    for origin in dict.fromkeys(origins.tolist()):
        left_out = origins == origin
        right, alarm = bench.judged(bench.state(pick(bench, grids, ~left_out, seed)))
        out.append(
            (
                origin,
                int(left_out.sum()),
                int(in_force[left_out].sum()),
                int(right[left_out].sum()),
                int(alarm[left_out].sum()),
            )
        )
    return out


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in (head, ["---"] * len(head), *rows))


def sensitivity_table(bench: Bench, matter: Mapping[Limit, Mapping[float, int]]) -> str:
    base, total = int(bench.judged(bench.start)[0].sum()), len(bench.units)
    rows = []
    for (index, name), tried in sorted(matter.items(), key=lambda item: min(item[1].values())):
        value = limit_values(RULES[index].limits)[name]
        near = [right for v, right in tried.items() if 0.79 * value <= v <= 1.26 * value]
        rows.append([f"{RULES[index].id} `{name}`", f"{value:g}", min(near), min(tried.values())])
    text = _table(["limit", "in force", "right, worst within −20 … +25 %", "right, worst within half … twice"], rows)
    limits = sum(
        isinstance(v, (int, float)) and not isinstance(v, bool) for r in RULES for v in limit_values(r.limits).values()
    )
    return (
        f"{base} of {total} are right with the limits in force. {len(matter)} of {limits} limits change that:\n\n{text}"
    )


def held_out_table(bench: Bench, matter: Mapping[Limit, Any]) -> str:
    tries = [held_out(bench, list(matter), seed) for seed in SEEDS]
    rows = [
        (*per_origin[0][:3], [row[3] for row in per_origin], [row[4] for row in per_origin])
        for per_origin in zip(*tries)
    ]
    runs, forced = (sum(row[k] for row in rows) for k in (1, 2))
    picked, alarms = ([sum(row[k][i] for row in rows) for i in range(len(tries))] for k in (3, 4))
    low, high = wilson(round(float(np.mean(picked))), runs)
    healthy = sum(unit.healthy for unit in bench.units)
    text = _table(
        ["left out", "runs", "right, limits in force", "right, limits picked without it", "false headlines then"],
        [(name, n, right, _span(picked), _span(alarms)) for name, n, right, picked, alarms in rows],
    )
    return (
        f"{text}\n\nOver {len(tries)} random starts together {_span(picked)} of {runs} right, {np.mean(picked):.1f} in"
        f" the mean ({np.mean(picked) / runs:.3f} [{low:.3f}, {high:.3f}]), where the limits in force give {forced};"
        f" {_span(alarms)} false headlines on {healthy} healthy runs, {np.mean(alarms):.1f} in the mean."
    )


def _span(counts: Sequence[int]) -> str:
    return f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)}–{max(counts)}"
