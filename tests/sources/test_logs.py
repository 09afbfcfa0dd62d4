"""Plain log files: what each program writes when a run dies, in any encoding, and what only sounds like it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tb_evalguide.sources import read_trainings
from tb_evalguide.sources.logs import LONGEST_LINE, MOST_FAULTS, LogReader, find_faults, read_log
from tests.support.writer import EventWriter

TRACEBACK = """Traceback (most recent call last):
  File "train.py", line 10, in <module>
    main()
{}
"""


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("out_of_memory", "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."),
        ("out_of_memory", "RuntimeError: CUDA out of memory. Tried to allocate 20.00 MiB (GPU 0;"),
        ("out_of_memory", "RuntimeError: CUDA error: out of memory"),
        ("out_of_memory", "RESOURCE_EXHAUSTED: OOM when allocating tensor"),
        (
            "out_of_memory",
            "jaxlib.xla_extension.XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes.",
        ),
        ("out_of_memory", "[12345.6] Out of memory: Killed process 4242 (python) total-vm:98765kB"),
        ("out_of_memory", "slurmstepd: error: Detected 1 oom-kill event(s) in StepId=1.0"),
        ("out_of_memory", "RuntimeError: [enforce fail at alloc_cpu.cpp:75] DefaultCPUAllocator: can't"),
        ("out_of_memory", "MemoryError"),
        ("out_of_memory", "RuntimeError: MPS backend out of memory (MPS allocated: 18.05 GB"),
        (
            "out_of_memory",
            "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 1 GiB. If reserved memory is",
        ),
        ("out_of_memory", "[rank 0]: OutOfMemoryError: GPU 0 out of memory"),
        ("out_of_memory", "ERROR worker 0 CUDA out of memory"),
        ("out_of_memory", "tensorflow.python.framework.errors_impl.ResourceExhaustedError: Graph execution error:"),
        ("out_of_memory", "2024-01-01 I can not go on: out of memory"),
        ("out_of_memory", "CUDA out of memory: 0 bytes are free"),
        ("out_of_memory", "could not create a handle, out of memory"),
        ("out_of_memory", "slurmstepd: error: Detected 2 oom_kill events in StepId=7.batch"),
        ("disk_full", "OSError: [Errno 28] No space left on device: 'checkpoint-100/optimizer.pt'"),
        ("disk_full", "RuntimeError: [enforce fail at inline_container.cc:603] . unexpected pos 64 vs 0"),
        ("disk_full", "OSError: [Errno 122] Disk quota exceeded"),
        ("nccl", "[rank1]:[E ProcessGroupNCCL.cpp:616] [Rank 1] Watchdog caught timeout"),
        ("nccl", "torch.distributed.DistBackendError: NCCL error in: x.cpp:1970"),
        ("nccl", "ncclSystemError: System call (e.g. socket, malloc) or external library call failed"),
        ("cuda", "RuntimeError: CUDA error: device-side assert triggered"),
        ("cuda", "RuntimeError: CUDA error: an illegal memory access was encountered"),
        ("cuda", "RuntimeError: cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
        ("cuda", "NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus."),
        ("killed", "Killed"),
        ("killed", "run.sh: line 3: 4242 Segmentation fault (core dumped) python"),
        ("killed", "slurmstepd: error: *** JOB 42 ON node1 CANCELLED AT 2024-01-01T00:00:00 DUE TO TIME LIMIT ***"),
        ("killed", "torch.distributed.elastic: failed (exitcode: -9) local_rank: 0 (pid: 4242) of binary: python"),
    ],
)
def test_kinds(kind: str, text: str) -> None:
    (fault,) = find_faults(f"step 1 loss 2.0\n{text}\nbye\n".encode(), "nohup.out")
    assert (fault.kind, fault.line_number, fault.line) == (kind, 2, text)


@pytest.mark.parametrize(
    ("end", "kind"),
    [
        ("ValueError: expected 3, got 4", "python"),
        ("json.decoder.JSONDecodeError: Expecting value", "python"),
        ("KeyboardInterrupt", "killed"),
        ("RuntimeError: CUDA error: device-side assert triggered", "cuda"),
        ("[rank0]: AssertionError", "python"),
    ],
)
def test_a_traceback_is_one_fault(end: str, kind: str) -> None:
    faults = find_faults(TRACEBACK.format(end).encode(), "x")
    assert [(fault.kind, fault.line) for fault in faults] == [(kind, end)]


@pytest.mark.parametrize(
    "line",
    [
        "step 100 loss 1.23 memory 11.5GB",
        "Set PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True to avoid fragmentation out of memory",
        "INFO: reducing the batch size to avoid running out of memory",
        "tip: avoid CUDA out of memory by lowering the batch size",
        "0 errors, no OutOfMemoryError seen",
        "evaluation finished without a CUDA out of memory error",
        "If you get CUDA out of memory, lower per_device_train_batch_size",
        "Warning: a sequence this long may cause CUDA out of memory errors",
        "WARNING when training with a large batch you could run out of memory",
        "  --skip-oom  skip batches that raise OutOfMemoryError",
        "    except torch.cuda.OutOfMemoryError:",
        "checks: 0 OOM kills, 0 restarts",
        "oom_kill 0",
        "OOM kills: 0, restarts: 1",
        "memory.oom_kill_disable 1",
        "W tensorflow/bfc_allocator.cc:290] Allocator (GPU_0_bfc) ran out of memory trying to allocate 2.27GiB. "
        "The caller indicates that this is not a failure, but may mean that there could be performance gains",
        "Using CUDA device 0: NVIDIA A100",
        "NCCL version 2.18.1+cuda12.1",
        "killed 3 stale workers of the last session gracefully",
        "ValueError: this line stands outside of any traceback",
        "The model learns the word Killed.",
        "cudnn.benchmark = True",
        "exit",
    ],
)
def test_what_only_sounds_like_a_fault(line: str) -> None:
    assert find_faults(f"{line}\n".encode(), "x") == ()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "latin-1", "cp949", "utf-8-sig"])
def test_encodings(encoding: str) -> None:
    text = "에포크 1\n" * 30 if encoding != "latin-1" else "époque 1\n" * 30
    data = (text + "RuntimeError: CUDA out of memory.\n").encode(encoding)
    assert [(fault.kind, fault.line_number) for fault in find_faults(data, "x")] == [("out_of_memory", 31)]


def test_hostile_lines_are_cut_and_stay_text() -> None:
    line = b"\xff\x1b[31m<script> CUDA out of memory " + b"x" * 100_000
    (fault,) = find_faults(line, "x")
    assert len(fault.line) <= LONGEST_LINE
    fault.line.encode("utf-8")


def test_a_progress_bar_in_one_line() -> None:
    bar = b"\r".join(b"%3d%%|####" % i for i in range(1000)) + b"\rRuntimeError: CUDA out of memory.\n"
    (fault,) = find_faults(bar, "x")
    assert fault.line == "RuntimeError: CUDA out of memory."


def test_a_repeated_fault_is_told_a_few_times() -> None:
    faults = find_faults(b"CUDA out of memory\n" * 1000, "x")
    assert len(faults) == MOST_FAULTS and faults[-1].line_number == 1000


def test_only_the_end_of_a_long_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "nohup.out"
    line = b"step 1 loss 2.0 lr 0.001 and so on until the line is long\n"
    with path.open("wb") as file:
        file.write(b"CUDA out of memory at the start, forgotten since\n")
        file.write(line * 200_000)
        file.write(b"Killed\n")
    begin = time.monotonic()
    (fault,) = read_log(str(path), "nohup.out")
    assert time.monotonic() - begin < 3
    assert (fault.kind, fault.line_number) == ("killed", 200_002)


def test_unreadable_files_tell_nothing(tmp_path: Path) -> None:
    assert read_log(str(tmp_path / "gone.log"), "gone.log") == ()
    assert LogReader().read([str(tmp_path / "gone.log")], str(tmp_path)) == ()


@pytest.mark.parametrize(
    "name", ["nohup.out", "train.log", "slurm-123.out", "stderr", "stderr.txt", "job.err", "run.log.1"]
)
def test_which_files_are_read(tmp_path: Path, name: str) -> None:
    with EventWriter(tmp_path / "run") as writer:
        writer.scalar("loss", 1.0, 1)
    (tmp_path / name).write_text("CUDA out of memory\n")
    (training,) = read_trainings(tmp_path)
    assert [(fault.kind, fault.path) for fault in training.log_faults] == [("out_of_memory", name)]


def test_logs_of_wandb_itself_are_not_the_trainings(tmp_path: Path) -> None:
    with EventWriter(tmp_path) as writer:
        writer.scalar("loss", 1.0, 1)
    for name in ("debug.log", "debug-internal.log", "debug-core.log"):
        (tmp_path / name).write_text("CUDA out of memory\n")
    (training,) = read_trainings(tmp_path)
    assert training.log_faults == ()


def test_a_log_shared_by_several_trainings_blames_none(tmp_path: Path) -> None:
    for name in ("a", "b"):
        with EventWriter(tmp_path / name) as writer:
            writer.scalar("loss", 1.0, 1)
    (tmp_path / "nohup.out").write_text("CUDA out of memory\n")
    (tmp_path / "a" / "train.log").write_text("Killed\n")
    assert {t.name: [f.kind for f in t.log_faults] for t in read_trainings(tmp_path)} == {"a": ["killed"], "b": []}


@pytest.mark.parametrize(
    "line",
    [
        "RuntimeError when the batch hit CUDA out of memory",
        "ERROR handling batch 12 - CUDA out of memory",
        "Handler process failed CUDA out of memory",
    ],
)
def test_an_error_that_is_told_is_one_whatever_words_lead_up_to_it(line: str) -> None:
    assert [fault.kind for fault in find_faults(line.encode(), "nohup.out")] == ["out_of_memory"]
