"""Runs side by side, and which hyper-parameter goes with the best metric (guide S2, S3).

It reads the entries of the report's contract, so that thousands of runs need not be in memory at once. "Goes with" is a
rank correlation (Spearman) over settings: runs that differ in nothing but their seed are one setting.
"""

from __future__ import annotations

import itertools
import math
import random
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tb_evalguide.i18n import N_, render
from tb_evalguide.model import Floats, Text

SEEDS = frozenset({"seed", "data_seed", "random_state", "random_seed", "manual_seed", "np_seed", "torch_seed"})
LEAST_SETTINGS = 5  # with 4 settings even a perfect order comes by chance once in 12
EXACT = 7  # up to this many settings every order is counted: 7! = 5040
SHUFFLES = 5000  # orders drawn where there are more settings
SURE = (
    0.05  # chance of such an order without any influence, after Holm's correction for the number of settings looked at
)
TOGETHER = 0.95  # settings whose ranks agree this much cannot be told apart
CONFIDENCE_Z = 1.959964  # 95 % interval


@dataclass(frozen=True)
class RunRow:
    """One run in the table. signals: Z1 … Z7 as + (holds), - (fails), ? (unknown). value: best of `metric`."""

    run: str
    label: str
    level: str
    headline: str
    metric: str | None
    value: float | None
    step: int | None
    gap: float | None
    perplexity: float | None
    signals: str
    seconds: float | None
    state: str
    best: bool
    hparams: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Influence:
    """How one hyper-parameter goes with the metric. rho > 0: more of it goes with a better metric.

    low, high: 95 % interval of rho. chance: of so strong an order without influence, corrected for all looked at.
    """

    name: str
    rho: float
    low: float
    high: float
    chance: float
    settings: int
    runs: int
    sure: bool
    text: Text


@dataclass(frozen=True)
class Comparison:
    """The table and what is to be said of it. differing: the hyper-parameters that are columns."""

    rows: tuple[RunRow, ...]
    differing: tuple[str, ...]
    metric: str | None
    greater_is_better: bool
    influences: tuple[Influence, ...]
    notes: tuple[Text, ...]

    def to_dict(self, lang: str = "en") -> dict[str, Any]:
        """Plain data for JSON; sentences in `lang`."""
        return {
            "metric": self.metric,
            "greater_is_better": self.greater_is_better,
            "differing": list(self.differing),
            "runs": [{**vars(row), "hparams": dict(row.hparams)} for row in self.rows],
            "influences": [{**vars(item), "text": render(item.text, lang)} for item in self.influences],
            "notes": [render(note, lang) for note in self.notes],
        }


def compare(runs: Sequence[Mapping[str, Any]], differing: Sequence[str]) -> Comparison:
    """`runs` and `differing` as in the report's contract; rows are ordered best metric first, runs without one last."""
    notes: list[Text] = []
    kinds = Counter(kind for run in runs if (kind := _kind(run)) is not None)
    chosen = kinds.most_common(1)[0][0] if kinds else None
    comparable = [run for run in runs if chosen is not None and _kind(run) == chosen]
    sign = -1.0 if chosen is not None and chosen[1] else 1.0
    if chosen is not None and len(comparable) < len(runs):
        notes.append(
            Text(
                N_("{n} of {all} runs have another metric, or none, and are not compared by {metric}."),
                {"n": len(runs) - len(comparable), "all": len(runs), "metric": chosen[0]},
            )
        )
    scores = {id(run): sign * float(run["best"]["value"]) for run in comparable}
    ordered = sorted(runs, key=lambda run: (id(run) not in scores, scores.get(id(run), 0.0), str(run["run"])))
    lowest = min(scores.values(), default=None)
    rows = tuple(_row(run, differing, scores.get(id(run)) == lowest and lowest is not None) for run in ordered)
    influences: tuple[Influence, ...] = ()
    if chosen is not None:
        influences, said = find_influences(comparable, differing, sign, chosen[0])
        notes += said
    return Comparison(
        rows=rows,
        differing=tuple(differing),
        metric=chosen[0] if chosen is not None else None,
        greater_is_better=sign < 0,
        influences=influences,
        notes=tuple(notes),
    )


def _kind(run: Mapping[str, Any]) -> tuple[str, bool] | None:
    """What a run's best value measures: every run's eval loss is the same thing, whatever its tag is called."""
    best = run["best"]
    value = best["value"]
    if best["metric"] is None or isinstance(value, (str, bool)) or value is None or not math.isfinite(value):
        return None
    eval_loss = run["roles"].get("eval_loss")
    same = eval_loss is not None and eval_loss.get("name", eval_loss["tag"]) == best["metric"]
    return ("eval_loss" if same else str(best["metric"]), bool(best["greater_is_better"]))


def _row(run: Mapping[str, Any], differing: Sequence[str], is_best: bool) -> RunRow:
    best, verdict = run["best"], run["verdict"]
    marks = {"pass": "+", "fail": "-"}
    value = best["value"]
    return RunRow(
        run=str(run["run"]),
        label=str(verdict["label"]),
        level=str(verdict["level"]),
        headline=str(verdict["headline"]),
        metric=best["metric"],
        value=float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None,
        step=best["step"],
        gap=_number(best["gap"]),
        perplexity=_number(best["perplexity"]),
        signals="".join(marks.get(signal["state"], "?") for signal in run["signals"]),
        seconds=_number(run["cost"]["active_seconds"]),
        state=str(run["status"]["state"]),
        best=is_best,
        hparams={name: run["hparams"].get(name) for name in differing},
    )


# --- influence -----------------------------------------------------------------------------------------------------


def find_influences(
    runs: Sequence[Mapping[str, Any]], differing: Sequence[str], sign: float, metric: str
) -> tuple[tuple[Influence, ...], list[Text]]:
    """Every ordered hyper-parameter that takes several values, strongest first, and notes on what cannot be said."""
    names = [name for name in differing if not is_seed(name)]
    notes: list[Text] = []
    stating = [run for run in runs if any(run["hparams"].get(name) is not None for name in names)]
    groups = settings(stating, names)
    if not names:
        return (), [Text(N_("The runs state no hyper-parameter in which they differ."))] if len(runs) > 1 else []
    if len(stating) < len(runs):
        notes.append(
            Text(
                N_("{n} of {all} runs state none of these settings and are left out."),
                {"n": len(runs) - len(stating), "all": len(runs)},
            )
        )
    if len(groups) < len(stating):
        notes.append(
            Text(
                N_("{runs} runs are {settings} settings: runs that differ only in their seed count as one."),
                {"runs": len(stating), "settings": len(groups)},
            )
        )
    if len(groups) < LEAST_SETTINGS:
        notes.append(
            Text(
                N_("{n} settings are too few runs to say which hyper-parameter matters; {least} are needed."),
                {"n": len(groups), "least": LEAST_SETTINGS},
            )
        )
        return (), notes
    found: list[tuple[str, float, int, int, float]] = []
    ranks: dict[str, Floats] = {}
    unordered = []
    for name in names:
        codes = ordered_codes([group[0]["hparams"].get(name) for group in groups])
        if codes is None:
            unordered.append(name)
            continue
        known = np.isfinite(codes)
        if known.sum() < LEAST_SETTINGS or len(np.unique(codes[known])) < 2:
            continue
        x = codes[known]
        y = np.array([-statistics.fmean(sign * float(r["best"]["value"]) for r in group) for group in groups])[known]
        rho = spearman(x, y)
        if not math.isfinite(rho):
            continue
        of_runs = sum(len(group) for group, keep in zip(groups, known) if keep)
        found.append((name, rho, len(x), of_runs, chance_of(x, y)))
        ranks[name] = codes
    influences = [
        _influence(name, rho, n, of_runs, chance, metric, sign)
        for (name, rho, n, of_runs, _), chance in zip(found, holm([f[4] for f in found]))
    ]
    influences.sort(key=lambda i: (not i.sure, i.chance, -abs(i.rho), i.name))
    notes += _together(ranks)
    if unordered:
        notes.append(
            Text(N_("Not ordered, so no rank correlation: {names}."), {"names": ", ".join(sorted(unordered)[:8])})
        )
    if influences and not any(i.sure for i in influences):
        notes.append(
            Text(N_("None of them goes with {metric} more clearly than chance would have it."), {"metric": metric})
        )
    return tuple(influences), notes


def is_seed(name: str) -> bool:
    return name.replace("/", ".").rsplit(".", 1)[-1].casefold() in SEEDS


def settings(runs: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[list[Mapping[str, Any]]]:
    """Runs in groups of equal hyper-parameters `names`, in the order in which the groups first appear."""
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for run in runs:
        groups.setdefault(tuple(repr(run["hparams"].get(name)) for name in names), []).append(run)
    return list(groups.values())


def ordered_codes(values: Sequence[Any]) -> Floats | None:
    """The values as numbers, NaN where one is not stated; None when they have no order.

    Numbers written as text are numbers; two words are coded 0 and 1 by the alphabet.
    """
    numbers = [_number(value, truth=True) for value in values]
    if all(number is not None or value is None for number, value in zip(numbers, values)):
        return np.array([math.nan if number is None else number for number in numbers])
    words = sorted({str(value) for value in values if value is not None})
    if len(words) == 2:
        return np.array([math.nan if value is None else float(words.index(str(value))) for value in values])
    return None


def _number(value: Any, truth: bool = False) -> float | None:
    """A finite number, also when written as text ("2e-5" is text in YAML); True and False only where asked for."""
    if isinstance(value, bool):
        return float(value) if truth else None
    if isinstance(value, (int, float)):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            return None
        return number if math.isfinite(number) else None
    return None


def ranks_of(values: Floats) -> Floats:
    """Ranks 1 … n, the mean of their ranks for equal values. Shape as `values`."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: Floats = (ends - (counts - 1) / 2.0)[inverse]
    return ranks


def spearman(x: Floats, y: Floats) -> float:
    """Rank correlation with ties (Spearman 1904); NaN when one of the two does not vary."""
    a, b = ranks_of(x), ranks_of(y)
    a, b = a - a.mean(), b - b.mean()
    scale = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / scale if scale > 0 else math.nan


def interval(rho: float, n: int) -> tuple[float, float]:
    """95 % interval of a rank correlation over n settings (Fisher's z with Bonett and Wright's variance, 2000)."""
    # at ±1 the transform has no end; half a step of ρ's own grid keeps it finite
    bound = 1 - 3.0 / (n * (n * n - 1))
    r = max(-bound, min(bound, rho))
    width = CONFIDENCE_Z * math.sqrt((1 + r * r / 2) / (n - 3))
    return math.tanh(math.atanh(r) - width), math.tanh(math.atanh(r) + width)


def chance_of(x: Floats, y: Floats) -> float:
    """Two-sided chance of an order at least as strong without any influence, by permuting the settings."""
    a, b = ranks_of(x), ranks_of(y)
    a, b = a - a.mean(), b - b.mean()
    seen = abs(float(a @ b)) - 1e-9
    n = len(a)
    if n <= EXACT:
        orders = np.array(list(itertools.permutations(range(n))))
        return float((np.abs(b[orders] @ a) >= seen).mean())
    # its own generator with a fixed seed: the same runs always get the same answer
    generator = random.Random(n)
    drawn = np.array([generator.sample(range(n), n) for _ in range(SHUFFLES)])
    return float((1 + (np.abs(b[drawn] @ a) >= seen).sum()) / (1 + SHUFFLES))


def holm(chances: Sequence[float]) -> list[float]:
    """Holm's correction (1979) for looking at several: adjusted values in the given order."""
    order = sorted(range(len(chances)), key=lambda i: chances[i])
    out = [1.0] * len(chances)
    highest = 0.0
    for place, index in enumerate(order):
        highest = max(highest, min(1.0, (len(chances) - place) * chances[index]))
        out[index] = highest
    return out


def _influence(name: str, rho: float, n: int, runs: int, chance: float, metric: str, sign: float) -> Influence:
    low, high = interval(rho, n)
    sure = chance < SURE
    numbers: dict[str, object] = {
        "name": name,
        "metric": metric,
        "rho": abs(rho),
        "low": low if rho >= 0 else -high,
        "high": high if rho >= 0 else -low,
        "n": n,
        "runs": runs,
        "better": Text(N_("higher")) if sign < 0 else Text(N_("lower")),
    }
    if not sure:
        text = N_("{name}: no clear influence on {metric} (ρ {rho:.2f} [{low:.2f}, {high:.2f}], {n} settings)")
    elif rho > 0:
        text = N_("higher {name} goes with {better} {metric} (ρ {rho:.2f} [{low:.2f}, {high:.2f}], {n} settings)")
    else:
        text = N_("lower {name} goes with {better} {metric} (ρ {rho:.2f} [{low:.2f}, {high:.2f}], {n} settings)")
    return Influence(name, rho, low, high, chance, n, runs, sure, Text(text, numbers))


def _together(ranks: Mapping[str, Floats]) -> list[Text]:
    """Pairs that were changed together: whatever one of them goes with, the other does."""
    notes = []
    for a, b in itertools.combinations(sorted(ranks), 2):
        known = np.isfinite(ranks[a]) & np.isfinite(ranks[b])
        if known.sum() >= LEAST_SETTINGS and abs(spearman(ranks[a][known], ranks[b][known])) >= TOGETHER:
            notes.append(
                Text(N_("{a} and {b} were changed together: their influences cannot be told apart."), {"a": a, "b": b})
            )
    return notes[:5]
