"""Speed and memory of the reader beside its peers, on logs made for it, all in one run; prints a Markdown table.

    python -m benchmarks.speed [--quick] [--dir SCRATCH]

Times are the fastest of several rounds, in which the readers take turns, so that a busy machine hurts all alike. Every
round is a process of its own; imports are not counted. RustBoard's time is that of loading plus that of sending all
points over gRPC, without turning them into Python objects. The other peers' time is that of the call that returns the
points. Ours is that of reading and resolving restarts. Peak memory is what the process held at most beyond what it held
before; its bar is twice the arrays that are returned plus 50 MB.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import generate
from benchmarks.peers import rustboard_server

TAGS = (b"train/loss", b"train/learning_rate", b"train/grad_norm", b"eval/loss", b"train/epoch")
ROOT = Path(__file__).parents[1]


# --- what is measured, each in a process of its own ------------------------------------------------------------------


def resident_kb(field: str) -> int:
    """VmRSS (now) or VmHWM (at most so far) of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1])
    raise RuntimeError(f"no {field} in /proc/self/status")


def measure_ours(folder: str) -> dict[str, float]:
    from tb_evalguide.sources.events import read_event_file
    from tb_evalguide.sources.restarts import resolve

    paths = sorted(Path(folder).rglob("events*"))
    before = resident_kb("VmRSS")
    begin, cpu = time.perf_counter(), time.process_time()
    points = held = 0
    for path in paths:
        data = read_event_file(path)
        series, _ = resolve([data])
        points += data.points
        held += 32 * data.points  # steps, values, wall times and order: 8 bytes each
    seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
    peak = resident_kb("VmHWM") - before
    return {
        "seconds": seconds,
        "cpu": cpu,
        "points": points,
        "peak_mb": peak / 1024,
        "held_mb": held / 2**20 / len(paths),
    }


def measure_rustboard(folder: str) -> dict[str, float]:
    from tensorboard.data.proto import data_provider_pb2

    with rustboard_server(folder) as (provider, loading):
        begin, cpu = time.perf_counter(), time.process_time()
        request = data_provider_pb2.ReadScalarsRequest()
        request.plugin_filter.plugin_name = "scalars"
        request.downsample.num_points = 10**9
        answer = provider._stub.ReadScalars(request)
        reading, cpu = time.perf_counter() - begin, time.process_time() - cpu
        points = sum(len(tag.data.step) for run in answer.runs for tag in run.tags)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu += children.ru_utime + children.ru_stime
    return {"seconds": loading + reading, "cpu": cpu, "points": points, "loading": loading}


def measure_tbparse(folder: str) -> dict[str, float]:
    from tbparse import SummaryReader

    begin, cpu = time.perf_counter(), time.process_time()
    points = len(SummaryReader(folder).scalars)
    return {"seconds": time.perf_counter() - begin, "cpu": time.process_time() - cpu, "points": points}


def measure_event_accumulator(folder: str) -> dict[str, float]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    begin, cpu = time.perf_counter(), time.process_time()
    accumulator = EventAccumulator(folder, size_guidance={"scalars": 0, "tensors": 0})
    accumulator.Reload()
    points = sum(len(accumulator.Scalars(tag)) for tag in accumulator.Tags()["scalars"])
    return {"seconds": time.perf_counter() - begin, "cpu": time.process_time() - cpu, "points": points}


MEASURES: dict[str, Callable[[str], dict[str, float]]] = {
    "tb-evalguide": measure_ours,
    "tb-evalguide (NumPy)": measure_ours,
    "RustBoard": measure_rustboard,
    "tbparse": measure_tbparse,
    "EventAccumulator": measure_event_accumulator,
}


def in_process(name: str, folder: Path) -> dict[str, float]:
    """One measurement in a fresh process."""
    # NumPy's import starts a thread of its linear algebra that spins for a while: its CPU time is not that of reading.
    environment = dict(os.environ, PYTHONPATH=str(ROOT), OPENBLAS_NUM_THREADS="1")
    if name == "tb-evalguide (NumPy)":
        environment["TB_EVALGUIDE_PURE"] = "1"
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.speed", "--measure", name, "--folder", str(folder)]
    answer = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return found


def bare_loop(path: Path, scratch: Path) -> dict[str, float]:
    """The bare C loop, compiled here; three rounds inside one process."""
    program = scratch / "bare_loop"
    if not program.exists():
        source = str(ROOT / "benchmarks" / "bare_loop.c")
        subprocess.run(["cc", "-O2", "-msse4.2", "-o", str(program), source], check=True)
    answer = subprocess.run([str(program), str(path), "3"], capture_output=True, text=True, check=True).stdout.split()
    return {"seconds": float(answer[0]), "cpu": float(answer[1]), "points": int(answer[2])}


# --- the logs --------------------------------------------------------------------------------------------------------


def make(scratch: Path, scale: float) -> dict[str, Path]:
    """The logs by name, made unless they are there."""
    points = int(200_040 * scale)
    folders = {name: scratch / name for name in ("scalars", "tensors", "many_tags", "many_files", "mixed")}
    for name, folder in folders.items():
        if folder.is_dir():
            continue
        part = scratch / f"{name}.part"
        part.mkdir(parents=True)
        file = part / "events.out.tfevents.1700000000.bench"
        if name == "scalars":
            file.write_bytes(generate.scalar_log(points, TAGS))
        elif name == "tensors":
            file.write_bytes(generate.scalar_log(points, TAGS, tensor_typed=True))
        elif name == "many_tags":
            file.write_bytes(generate.many_tags_log(int(200_000 * scale), 5))
        elif name == "many_files":
            for number in range(int(2000 * scale)):
                run = part / f"run_{number:04d}"
                run.mkdir()
                (run / file.name).write_bytes(generate.scalar_log(100, TAGS, seed=number))
        else:
            generate.write_mixed(file, int(100_000 * scale), int(50_000 * scale), int(2_500 * scale))
        part.rename(folder)
    return folders


# name → (what it is, readers, rounds)
FAST = ("tb-evalguide", "tb-evalguide (NumPy)", "RustBoard")
PLAN = {
    "scalars": ("1,000,200 scalar events, 5 tags", (*FAST, "tbparse", "EventAccumulator"), 5),
    "tensors": ("the same, tensor-typed", FAST, 3),
    "many_tags": ("200,000 tags × 5 points", FAST, 3),
    "many_files": ("2,000 files × 500 events", FAST, 3),
    "mixed": ("1 GB of histograms and images among 100,000 scalars", FAST, 3),
}
SLOW = {"tbparse", "EventAccumulator"}  # minutes: one round


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dir", type=Path, help="where the logs are kept (default: a temporary folder)")
    parser.add_argument("--quick", action="store_true", help="a twentieth of the size, for a first look")
    parser.add_argument("--only", nargs="*", choices=PLAN, help="only these logs")
    parser.add_argument("--measure", choices=MEASURES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(MEASURES[options.measure](options.folder)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        scratch = options.dir or Path(temporary)
        scratch.mkdir(parents=True, exist_ok=True)
        folders = make(scratch, 0.05 if options.quick else 1.0)
        print(
            "| log | reader | seconds | CPU seconds | points per CPU second | × ours, wall | × ours, CPU | MB (bar) |"
        )
        print("|---|---|---|---|---|---|---|---|")
        for name, (title, readers, rounds) in PLAN.items():
            if options.only and name not in options.only:
                continue
            best: dict[str, dict[str, float]] = {}
            for turn in range(rounds):
                for reader in readers:
                    if not (turn and reader in SLOW):
                        keep_best(best, reader, in_process(reader, folders[name]))
                if name == "scalars":
                    keep_best(best, "bare C loop", bare_loop(next(folders[name].iterdir()), scratch))
            ours = best["tb-evalguide"]
            for reader, row in best.items():
                cells = [
                    title,
                    reader,
                    f"{row['seconds']:.3f}",
                    f"{row['cpu']:.3f}",
                    f"{row['points'] / row['cpu']:,.0f}",
                    f"{row['seconds'] / ours['seconds']:.2f}",
                    f"{row['cpu'] / ours['cpu']:.2f}",
                    f"{row['peak_mb']:.0f} ({2 * row['held_mb'] + 50:.0f})" if "peak_mb" in row else "",
                ]
                print("| " + " | ".join(cells) + " |", flush=True)


def keep_best(best: dict[str, dict[str, float]], reader: str, found: dict[str, float]) -> None:
    """Wall and CPU time each of its fastest round: a round that was fast by one may have been slow by the other."""
    known = best.setdefault(reader, found)
    for name in ("seconds", "cpu"):
        known[name] = min(known[name], found[name])


if __name__ == "__main__":
    main()
