"""Other tools that diagnose training logs, each run on the same labelled runs through a small adapter.

All five read Hugging Face's `trainer_state.json`, and only some of them event files. So every run is read by our
reader, which also says which tag is what, and is handed to each of them in that form: train loss, eval loss, eval
accuracy, learning rate, gradient norm and epoch by step, with the planned steps and epochs where the log states them.
Each finding is then taken for every label that it could mean, and a tool is right as soon as any of these is accepted.
The tools that read event files are also given the run's own folder. Which of the two, and whether mere notes count, is
chosen for each tool so that it scores best. A refusal to answer counts as "not enough data".
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.labelled import Answer, Unit, main_training, score
from tb_evalguide.case import Case
from tb_evalguide.config import Config
from tb_evalguide.model import Role, Series
from tb_evalguide.profiles import choose_profile
from tb_evalguide.roles import choose_roles

STILL = ("underfitting", "lr_too_low", "plateau")
BLOWN = ("divergence", "lr_too_high")
SECONDS = 60  # of processor time for one run
Said = tuple[bool, frozenset[str]]  # more than a note?, the labels that the finding could mean

TRAINSPOTTER = {
    "Diverged (non-finite values)": ("nan", "divergence", "exploding_gradients"),
    "Diverged (sustained growth)": BLOWN,
    "Loss spike": ("spike", "resume_jump"),
    "Plateau": STILL,
    "Overfitting onset": ("overfitting",),
    "Gradient-norm explosion": ("exploding_gradients",),
    "Gradient clipping likely saturated": ("exploding_gradients",),
    "No LR warmup detected": ("lr_schedule",),
    "LR increased after its peak": ("lr_schedule", "resume_jump"),
    "LR discontinuity": ("lr_schedule", "resume_jump"),
    "Throughput regression": ("slow",),
    "Eval metric too noisy to rank checkpoints": ("oscillation",),
    "Suspiciously low loss early (heuristic)": ("data_integrity",),
}
RUNMEDIC = {
    "non_finite": ("nan", "divergence", "exploding_gradients"),
    "divergence": BLOWN,
    "loss_spikes": ("spike", "oscillation", "resume_jump"),
    "no_learning": STILL,
    "overfitting": ("overfitting",),
    "val_below_train": ("data_integrity",),
    "grad_spikes": ("exploding_gradients",),
    "constant_lr_plateau": ("plateau",),
    "input_bound": ("slow",),
    "slow_steps": ("slow",),
    "slowdown": ("slow",),
    "memory_growth": ("out_of_memory",),
}
LOSSLINT = {
    "nan_inf": ("nan", "divergence", "exploding_gradients"),
    "step_backtrack": ("resume_jump",),
    "loss_spike": ("spike", "resume_jump"),
    "divergence": BLOWN,
    "overfit_onset": ("overfitting",),
    "stagnation": STILL,
}
FINETUNE_DOCTOR = {
    "overfitting": ("overfitting",),
    "stopped_improving": STILL,
    "metric_disagreement": ("overfitting",),
    "NaN loss": ("nan", "divergence", "exploding_gradients"),
    "Loss is exactly zero": ("nan", "data_integrity"),
    "Training loss went up": BLOWN,
    "Not learning": STILL,
    "loss_spikes": ("spike", "oscillation", "resume_jump"),
    "lr_schedule": ("lr_schedule",),
    "Occasional overflowing gradients": ("exploding_gradients",),
    "NaN gradients": ("nan", "exploding_gradients"),
    "Zero gradients": ("vanishing_gradients",),
    "Gradient spikes": ("exploding_gradients",),
    "eval_below_train": ("data_integrity",),
    "incomplete": ("stalled",),
    "Too few evaluations": ("insufficient_data",),
}
TRAINPROOF = {
    "TP-NAN": ("nan", "divergence", "exploding_gradients"),
    "TP-NAN-GRAD": ("nan", "exploding_gradients"),
    "TP-DIVERGE": BLOWN,
    "TP-FLAT": STILL,
    "TP-DEAD-RUN": STILL,
    "TP-GRAD-SPIKE": ("exploding_gradients",),
    "TP-OVERFIT": ("overfitting",),
    "TP-STEP-CLIFF": ("slow",),
    "TP-THROUGHPUT": ("slow",),
    "TP-GPU-UTIL": ("slow",),
    "TP-LOADER-BOUND": ("slow",),
    "TP-ZERO-GRAD": ("vanishing_gradients",),
    "TP-ZERO-LOSS": ("nan", "data_integrity"),
    "TP-ZERO-LOSS-ONSET": ("nan", "data_integrity"),
    "TP-ZERO-LR": ("lr_schedule", "lr_too_low"),
    "TP-ZERO-LR-PARTIAL": ("lr_schedule",),
    "TP-NO-LOSS": ("insufficient_data",),
    "TP-NO-RECORDS": ("insufficient_data",),
    "TP-NOT-CHECKED": ("insufficient_data",),
}


def _trainspotter(printed: Any) -> list[Said]:
    return [(f["severity"] != "info", frozenset(TRAINSPOTTER.get(f["title"], ()))) for f in printed["findings"]]


def _runmedic(printed: Any) -> list[Said]:
    return [
        (f["severity"] != "info", frozenset(RUNMEDIC.get(f["check"], ()))) for run in printed for f in run["findings"]
    ]


def _losslint(printed: Any) -> list[Said]:
    return [(f["severity"] != "info", frozenset(LOSSLINT.get(f["check"], ()))) for f in printed["findings"]]


def _finetune_doctor(printed: Any) -> list[Said]:
    found = printed["findings"]
    meant = [FINETUNE_DOCTOR.get(f["title"], FINETUNE_DOCTOR.get(f["check"], ())) for f in found]
    return [(f["severity"] in ("WARNING", "CRITICAL"), frozenset(labels)) for f, labels in zip(found, meant)]


def _trainproof(printed: Any) -> list[Said]:
    reports = printed["reports"]
    if not reports:
        raise ValueError(printed.get("error") or "no report")
    found = [f for report in reports for f in report["findings"] if f["id"] != "TP-PASS"]
    return [(f["level"] in ("FAIL", "WARN"), frozenset(TRAINPROOF.get(f["id"], ()))) for f in found]


@dataclass(frozen=True)
class Rival:
    """A tool of the package index. understand: its JSON → what it said.

    on_file, on_folder: the command after `python -m` for a `trainer_state.json` and for the run's own folder, the path
    last; None where it reads no such thing.
    """

    name: str
    on_file: tuple[str, ...]
    on_folder: tuple[str, ...] | None
    understand: Callable[[Any], list[Said]]


RIVALS = (
    Rival(
        "trainspotter",
        ("trainspotter.cli", "analyze", "--format", "hf", "--output", "json"),
        ("trainspotter.cli", "analyze", "--output", "json"),
        _trainspotter,
    ),
    Rival("finetune-doctor", ("finetune_doctor.cli", "diagnose", "--format", "json"), None, _finetune_doctor),
    Rival(
        "trainproof",
        ("trainproof.cli", "epoch", "--format", "hf", "--json"),
        ("trainproof.cli", "doctor", "--json"),
        _trainproof,
    ),
    Rival("runmedic", ("runmedic.cli", "diagnose", "--json"), ("runmedic.cli", "diagnose", "--json"), _runmedic),
    Rival(
        "losslint",
        ("losslint.cli", "check", "--format", "json"),
        ("losslint.cli", "check", "--format", "json"),
        _losslint,
    ),
)


@dataclass(frozen=True)
class RivalResult:
    """name, installed version, and its answers in the order of the units; or why there are none."""

    name: str
    version: str
    answers: tuple[Answer, ...] = ()
    notes_count: bool = False  # whether its mere notes were counted, as scored best
    on_folder: bool = False  # whether it was given the runs' own folders, as scored best
    why_not: str = ""


def write_trainer_state(unit: Unit, folder: Path) -> Path:
    """The run in the form of a Hugging Face `trainer_state.json`, in a folder of its own."""
    training = main_training(unit.path)
    roles = choose_roles(training)
    case = Case(training, roles, choose_profile(training, roles), Config())
    rows: dict[tuple[bool, int], dict[str, Any]] = {}

    def put(series: Series | None, name: str) -> None:
        if series is None:
            return
        for step, value in zip(series.steps.tolist(), series.values.tolist()):
            rows.setdefault((name.startswith("eval_"), step), {})[name] = value

    put(roles.get(Role.TRAIN_LOSS), "loss")
    put(roles.get(Role.LEARNING_RATE), "learning_rate")
    put(roles.get(Role.GRAD_NORM), "grad_norm")
    put(roles.get(Role.EVAL_LOSS), "eval_loss")
    put(roles.get(Role.EVAL_ACCURACY), "eval_accuracy")
    history = []
    for (_, step), row in sorted(rows.items(), key=lambda item: (item[0][1], item[0][0])):
        epoch = case.epochs_at(step)
        history.append({**({"epoch": epoch} if epoch is not None else {}), **row, "step": step})
    state = {
        "global_step": case.last_step,
        "max_steps": case.planned_steps or case.last_step,
        "num_train_epochs": case.number("num_train_epochs", "epochs", "max_epochs"),
        "log_history": history,
    }
    place = folder / unit.suite / unit.run
    place.mkdir(parents=True, exist_ok=True)
    path = place / "trainer_state.json"
    path.write_text(json.dumps(state), encoding="utf-8")
    return path


def ask(rivals: Sequence[Rival], units: Sequence[Unit], python: str, scratch: Path) -> list[RivalResult]:
    """Runs each rival that is installed for the interpreter `python` on each unit, two at a time."""
    files = [write_trainer_state(unit, scratch) for unit in units]
    folders = [unit.path.resolve() for unit in units]
    versions = {rival.name: _version(rival.name, python) for rival in rivals}
    jobs = [
        (rival, on_folder, command, folders if on_folder else files)
        for rival in rivals
        if versions[rival.name]
        for on_folder, command in ((False, rival.on_file), (True, rival.on_folder))
        if command is not None
    ]
    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(lambda job: _run(python, job[2], job[0].understand, job[3]), jobs))
    tried: dict[str, list[RivalResult]] = {rival.name: [] for rival in rivals}
    for (rival, on_folder, _, _), words in zip(jobs, said):
        for notes in (False, True):
            answers = tuple(_answer(one, notes) for one in words)
            tried[rival.name].append(RivalResult(rival.name, versions[rival.name], answers, notes, on_folder))
    return [
        max(ways, key=lambda result: score(list(zip(units, result.answers))).right)
        if ways
        else RivalResult(name, "", why_not="not installed for the interpreter given")
        for name, ways in tried.items()
    ]


def _version(name: str, python: str) -> str:
    """The installed version; empty when it is not installed."""
    code = f"import importlib.metadata as m; print(m.version({name!r}))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def _run(
    python: str, command: Sequence[str], understand: Callable[[Any], list[Said]], paths: Sequence[Path]
) -> list[list[Said] | str]:
    """What it said of each path, or why it said nothing."""
    worker = [python, str(Path(__file__).with_name("rival_worker.py")), command[0], str(SECONDS), *command[1:]]
    done = subprocess.run(worker, input="\n".join(map(str, paths)), capture_output=True, text=True)
    lines = done.stdout.splitlines()
    if len(lines) != len(paths):
        raise RuntimeError(f"{command[0]} ended after {len(lines)} of {len(paths)} runs: {done.stderr[-500:]}")
    return [_understood(json.loads(line), understand) for line in lines]


def _understood(printed: dict[str, str], understand: Callable[[Any], list[Said]]) -> list[Said] | str:
    try:
        return understand(json.loads(printed["out"]))
    except (ValueError, KeyError, TypeError) as error:
        # Not our format to trust: what cannot be understood is told as the tool's own refusal.
        return printed["error"] or repr(error)


def _answer(said: list[Said] | str, notes: bool) -> Answer:
    if isinstance(said, str):
        return Answer(None, frozenset({"insufficient_data"}), sentence=said)
    labels = _union(labels for loud, labels in said if loud or notes)
    return Answer(None, labels or frozenset({"healthy"}), tuple(sorted(_union(m for loud, m in said if loud))))


def _union(sets: Iterable[frozenset[str]]) -> frozenset[str]:
    return frozenset().union(*sets)
