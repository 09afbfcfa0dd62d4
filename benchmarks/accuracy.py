"""How right the diagnoses are on labelled runs, how sure, how steady; prints Markdown, and keeps docs/accuracy.md.

    python -m benchmarks.accuracy ../shared/runs/trained ../shared/runs/real
    python -m benchmarks.accuracy SUITE… --write docs/accuracy.md [--held-out] [--peers PYTHON] [--only NAME…] [--list]

Parts: `suites` (accuracy with 95 % Wilson intervals, macro F1, alarms, calibration), `labels`, `reliability`, `robust`
(the same runs logged otherwise), `misses`; with --held-out `limits` and `held-out` (benchmarks/held_out.py); with
--peers `peers` (benchmarks/rivals.py; PYTHON is an interpreter that has them). With --write each part that was made
replaces the text between its marks in the file.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks import held_out, rivals
from benchmarks.labelled import (
    Answer,
    Score,
    Unit,
    answer_of,
    calibration_error,
    is_alarm,
    is_right,
    main_training,
    read_suite,
    reliability,
    score,
    wilson,
)
from tb_evalguide.diagnosis import diagnose_training
from tb_evalguide.i18n import render
from tb_evalguide.model import Restart, Role, Series, Training
from tb_evalguide.replay import truncate
from tb_evalguide.roles import choose_roles

Way = Callable[[Training], Training]
Answers = Mapping[str, Mapping[str, Answer]]  # run → way of logging → answer
KEPT = 20  # a series is thinned only where that many points are left
OFFSET = 1000
EVALS = (Role.EVAL_LOSS, Role.EVAL_ACCURACY, Role.EVAL_PERPLEXITY, Role.EVAL_METRIC)


# --- the same training, logged otherwise -----------------------------------------------------------------------------


def _each_series(training: Training, change: Callable[[Series], Series]) -> Training:
    runs = (dataclasses.replace(r, series={tag: change(s) for tag, s in r.series.items()}) for r in training.runs)
    return dataclasses.replace(training, runs=tuple(runs))


def _pick(series: Series, index: slice) -> Series:
    return dataclasses.replace(
        series, steps=series.steps[index], values=series.values[index], wall_times=series.wall_times[index]
    )


def thinned(k: int, training: Training) -> Training:
    """Every series that is long enough logged only every k-th time."""
    return _each_series(training, lambda s: _pick(s, slice(0, None, k)) if len(s) >= KEPT * k else s)


def fewer_evals(training: Training) -> Training:
    """Every second evaluation, the last one kept, of runs with at least twelve."""
    roles = choose_roles(training)
    names = {(c.series.run, c.tag) for role, c in roles.choices.items() if role in EVALS}
    names |= {(c.series.run, c.tag) for c in (*roles.metrics, *roles.extra_eval_losses)}

    def change(series: Series) -> Series:
        evaluated = (series.run, series.tag) in names and len(series) >= 12
        return _pick(series, slice((len(series) - 1) % 2, None, 2)) if evaluated else series

    return _each_series(training, change)


def offset(training: Training) -> Training:
    """All steps 1,000 later."""

    def move(restart: Restart) -> Restart:
        return dataclasses.replace(restart, step=restart.step + OFFSET, last_step=restart.last_step + OFFSET)

    return _each_series(
        training,
        lambda s: dataclasses.replace(
            s,
            steps=s.steps + OFFSET,
            superseded_steps=s.superseded_steps + OFFSET,
            restarts=tuple(map(move, s.restarts)),
        ),
    )


def cut(share: float, training: Training) -> Training:
    """The log as it stood when `share` of the loss's steps were done."""
    roles = choose_roles(training)
    loss = [s for role in (Role.TRAIN_LOSS, Role.EVAL_LOSS) if (s := roles.get(role)) is not None and len(s)]
    if not loss:
        return training
    first, last = min(int(s.steps[0]) for s in loss), max(int(s.steps[-1]) for s in loss)
    return truncate(training, first + math.floor(share * (last - first)))


AS_LOGGED = "as logged"
WAYS: Mapping[str, Way] = {
    AS_LOGGED: lambda training: training,
    "every 3rd point": partial(thinned, 3),
    "every 10th point": partial(thinned, 10),
    "every 2nd evaluation": fewer_evals,
    "1,000 steps later": offset,
    "without the last 5 %": partial(cut, 0.95),
    "without the last 15 %": partial(cut, 0.85),
}


def answers_to(unit: Unit, ways: Sequence[str] = tuple(WAYS)) -> dict[str, Answer]:
    training = main_training(unit.path)
    out = {}
    for name in ways:
        report = diagnose_training(WAYS[name](training))
        out[name] = answer_of(report, render(report.verdict.headline))
    return out


# --- the parts of the page -------------------------------------------------------------------------------------------


def percent(k: int, n: int) -> str:
    low, high = wilson(k, n)
    return f"{k} of {n} [{low:.1%}, {high:.1%}]" if n else "–"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines)


def by_suite(units: Sequence[Unit], answers: Sequence[Answer]) -> dict[str, Score]:
    pairs = list(zip(units, answers))
    return {name: score([p for p in pairs if p[0].suite == name]) for name in dict.fromkeys(u.suite for u in units)}


def part_suites(units: Sequence[Unit], answers: Sequence[Answer]) -> str:
    rows = [
        [
            f"`{name}`",
            f"{s.accuracy:.3f}: {percent(s.right, s.runs)}",
            f"{s.macro_f1:.3f}",
            percent(s.alarms, s.healthy),
            f"{s.noisy}",
            f"{s.brier:.3f}",
            f"{s.ece:.3f}",
            f"{s.mean_confidence:.3f}",
        ]
        for name, s in by_suite(units, answers).items()
    ]
    head = (
        "suite|right|macro F1|false headlines on healthy runs|healthy runs with a finding of medium severity or above"
    )
    return table([*head.split("|"), "Brier", "ECE", "mean confidence"], rows)


def part_labels(units: Sequence[Unit], answers: Sequence[Answer]) -> str:
    rows = [
        [f"`{suite}`", label, f"{one.runs}", f"{one.recall:.2f}", f"{one.precision:.2f}", f"{one.f1:.2f}"]
        for suite, figures in by_suite(units, answers).items()
        for label, one in figures.labels.items()
    ]
    return table(["suite", "primary label", "runs", "recall", "precision", "F1"], rows)


def part_reliability(units: Sequence[Unit], answers: Answers) -> str:
    def pairs(ways: Sequence[str]) -> list[tuple[float, bool]]:
        said = [(u, answers[_key(u)][way]) for u in units for way in ways]
        return [(a.confidence, is_right(u, a)) for u, a in said if a.confidence is not None]

    rows = []
    for name, ways in ((AS_LOGGED, [AS_LOGGED]), ("logged otherwise", [way for way in WAYS if way != AS_LOGGED])):
        sure = pairs(ways)
        brier = float(np.mean([(c - hit) ** 2 for c, hit in sure]))
        for low, high, runs, mean, share in reliability(sure):
            rows.append([name, f"{low:g}–{high:g}", f"{runs}", f"{mean:.3f}", f"{share:.3f}"])
        said, hit = np.mean(np.array(sure, float), axis=0)
        rows.append([f"**{name}**", "all", f"{len(sure)}", f"{said:.3f}", f"{hit:.3f}"])
        rows.append([f"**{name}**", f"Brier {brier:.3f}", f"ECE {calibration_error(sure):.3f}", "", ""])
    return table(["runs", "confidence", "answers", "mean confidence", "share right"], rows)


def part_robust(units: Sequence[Unit], answers: Answers) -> str:
    rows = []
    for way in WAYS:
        said = [answers[_key(u)][way] for u in units]
        figures = score(list(zip(units, said)))
        same = sum(a.headline == answers[_key(u)][AS_LOGGED].headline for u, a in zip(units, said))
        rows.append(
            [
                way,
                percent(figures.right, figures.runs),
                percent(figures.alarms, figures.healthy),
                f"{same} of {len(units)}",
            ]
        )
    return table(["logged", "right", "false headlines on healthy runs", "the same headline"], rows)


def part_misses(units: Sequence[Unit], answers: Answers) -> str:
    rows = []
    for unit in units:
        for way, answer in answers[_key(unit)].items():
            if not is_right(unit, answer) or (unit.healthy and is_alarm(answer)):
                second = "/".join(unit.label.get("second", {}).get("labels", []))
                rows.append([f"{unit.suite}/{unit.run}", way, " or ".join(unit.accept), second, f"{answer.headline}"])
    return table(["run", "logged", "accepted", "second reading", "said"], rows) if rows else "None."


def part_peers(units: Sequence[Unit], answers: Sequence[Answer], results: Sequence[rivals.RivalResult]) -> str:
    rows = [_peer_row("tb-evalguide", "this tree", "own folder, headline", units, answers, len(units))]
    for result in results:
        if result.why_not:
            rows.append([result.name, "", result.why_not, *[""] * 5])
            continue
        how = ("own folder" if result.on_folder else "`trainer_state.json`") + (
            ", notes count" if result.notes_count else ", warnings count"
        )
        read = sum(not answer.sentence for answer in result.answers)
        rows.append(_peer_row(result.name, result.version, how, units, result.answers, read))
    suites = list(dict.fromkeys(unit.suite for unit in units))
    always = [Answer("healthy", frozenset({"healthy"}))] * len(units)
    rows.append(_peer_row("“healthy” to everything", "", "", units, always, len(units)))
    return table(
        ["tool", "version", "as scored", "runs it answered", *(f"`{s}` right" for s in suites), "both right", "alarms"],
        rows,
    )


def _peer_row(
    name: str, version: str, how: str, units: Sequence[Unit], answers: Sequence[Answer], read: int
) -> list[str]:
    parts = by_suite(units, answers)
    both = score(list(zip(units, answers)))
    cells = [f"{s.accuracy:.2f}" for s in parts.values()]
    return [
        name,
        version,
        how,
        f"{read} of {len(units)}",
        *cells,
        f"{both.accuracy:.2f}: {percent(both.right, both.runs)}",
        percent(both.alarms, both.healthy),
    ]


def _key(unit: Unit) -> str:
    return f"{unit.suite}/{unit.run}"


# --- the page --------------------------------------------------------------------------------------------------------


def put(page: str, name: str, text: str) -> str:
    """The page with the text between the part's marks replaced. A page without the marks is a mistake, not a guess."""
    pattern = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(<!-- /{re.escape(name)} -->)", re.DOTALL)
    if not pattern.search(page):
        raise SystemExit(f"the page has no place for the part {name!r}")
    return pattern.sub(lambda m: f"{m[1]}\n{text}\n\n{m[2]}", page)


def parts(options: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """(name, Markdown) of every part asked for, the quick ones first."""
    wanted: set[str] = set(options.only or ())
    units = [unit for suite in options.suites for unit in read_suite(suite, options.low)]
    if not units:
        raise SystemExit("no labelled runs below these folders")
    with ProcessPoolExecutor(options.jobs) as pool:
        answers = dict(zip(map(_key, units), pool.map(answers_to, units, chunksize=4)))
    logged = [answers[_key(unit)][AS_LOGGED] for unit in units]
    quick: dict[str, Callable[[], str]] = {
        "suites": lambda: part_suites(units, logged),
        "labels": lambda: part_labels(units, logged),
        "reliability": lambda: part_reliability(units, answers),
        "robust": lambda: part_robust(units, answers),
        "misses": lambda: part_misses(units, answers),
    }
    for name, make in quick.items():
        if not wanted or name in wanted:
            yield name, make()
    if options.held_out:
        bench = held_out.Bench(units)
        matter = held_out.limits_that_matter(bench)
        yield "limits", held_out.sensitivity_table(bench, matter)
        yield "held-out", held_out.held_out_table(bench, matter)
    if options.peers:
        with tempfile.TemporaryDirectory() as scratch:
            results = rivals.ask(rivals.RIVALS, units, options.peers, Path(scratch))
        yield "peers", part_peers(units, logged, results)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="+", metavar="SUITE_DIR")
    parser.add_argument("--write", metavar="PAGE", help="put the parts into this page")
    parser.add_argument("--only", nargs="+", metavar="PART", help="only these of the quick parts")
    parser.add_argument("--held-out", action="store_true", help="pick the limits again without each project in turn")
    parser.add_argument("--peers", metavar="PYTHON", help="an interpreter that has the other tools")
    parser.add_argument("--low", action="store_true", help="also runs labelled with low confidence")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    for name, text in parts(options):
        print(f"## {name}\n\n{text}\n", flush=True)
        if options.write:
            page = Path(options.write)
            page.write_text(put(page.read_text(encoding="utf-8"), name, text), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
