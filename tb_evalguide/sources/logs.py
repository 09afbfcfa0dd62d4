"""Plain log files beside a run (nohup.out, *.log, slurm-*.out, stderr*) → the faults they tell of."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import BinaryIO

import numpy as np

from tb_evalguide.model import LogFault, display_path
from tb_evalguide.sources.disk import LOG_BYTES

LAST_BYTES = LOG_BYTES
MOST_FILES = 20  # the newest; a cluster leaves hundreds behind
LONGEST_LINE = 500
LONGEST_TRACEBACK = 2000  # lines; Python itself cuts the repeated frames of a recursion
MOST_FAULTS = 20  # of each file, the last ones

# In this order: the first that fits a line names it. The texts are those of PyTorch, TensorFlow, XLA, CUDA, NCCL, the
# Linux kernel and shells, Slurm and Python.
_PATTERNS: tuple[tuple[str, tuple[bytes, ...]], ...] = (
    (
        "out_of_memory",
        (
            rb"out of memory",
            rb"OutOfMemoryError",
            rb"CUDA_ERROR_OUT_OF_MEMORY",
            rb"RESOURCE_EXHAUSTED",
            rb"ResourceExhaustedError",
            rb"OOM when allocating",
            rb"CUBLAS_STATUS_ALLOC_FAILED",
            rb"DefaultCPUAllocator: (?:can't|not enough)",
            rb"\boom[-_ ]?kill(?!_disable)",
            rb"\bMemoryError\b",
            rb"Cannot allocate memory",
        ),
    ),
    (
        "disk_full",
        (
            rb"No space left on device",
            rb"\bENOSPC\b",
            rb"Disk quota exceeded",
            rb"errno 28\b",
            rb"enforce fail at inline_container",  # torch.save on a full disk
        ),
    ),
    (
        "nccl",
        (
            rb"NCCL (?:error|watchdog|timeout|WARN .*(?:abort|fail))",
            rb"nccl(?:System|Internal|Remote|UnhandledCuda)Error",
            rb"ProcessGroupNCCL.*(?:timed? ?out|timeout|terminat|exception)",
            rb"DistBackendError",
        ),
    ),
    (
        "cuda",
        (
            rb"CUDA error",
            rb"CUDA_ERROR_",
            rb"CUDNN_STATUS_(?!SUCCESS)",
            rb"cuDNN error",
            rb"CUBLAS_STATUS_(?!SUCCESS)",
            rb"device-side assert",
            rb"illegal memory access",
            rb"\bHIP error",
            rb"Xid \(PCI",
            rb"no CUDA-capable device",
            rb"uncorrectable ECC",
        ),
    ),
    (
        "killed",
        (
            rb"^\W*Killed\W*$",
            rb"\bKilled\s+(?:python|accelerate|torchrun)",
            rb"\bsignal 9\b",
            rb"\bSIGKILL\b",
            rb"exit ?code\s*:? -?9\b",
            rb"CANCELLED AT .* DUE TO",
            rb"DUE TO (?:TIME LIMIT|PREEMPTION)",
            rb"Segmentation fault",
            rb"core dumped",
            rb"\bBus error\b",
        ),
    ),
)
_KINDS = tuple((kind, re.compile(b"|".join(patterns), re.IGNORECASE)) for kind, patterns in _PATTERNS)
# Each pattern above holds one of these. Finding them in the whole file is far quicker than trying the patterns on
# each line.
_WORDS = (
    b"out of memory", b"outofmemory", b"resource_exhausted", b"resourceexhausted", b"oom", b"alloc_failed",
    b"cpuallocator", b"memoryerror", b"allocate memory", b"space left", b"enospc", b"quota exceeded", b"errno 28",
    b"inline_container", b"nccl error", b"nccl watchdog", b"nccl timeout", b"nccl warn", b"ncclsystem",
    b"ncclinternal", b"ncclremote", b"ncclunhandled", b"processgroupnccl", b"distbackenderror", b"cuda error",
    b"cuda_error", b"cudnn_status", b"cudnn error", b"cublas_status", b"device-side", b"illegal memory",
    b"hip error", b"xid (pci", b"cuda-capable", b"uncorrectable", b"killed", b"sigkill", b"signal 9", b"exit code",
    b"exitcode", b"cancelled at", b"due to time", b"due to preemption", b"segmentation fault", b"core dumped",
    b"bus error",
)  # fmt: skip
_TRACEBACK = b"Traceback (most recent call last):"
# The line that ends a traceback, perhaps behind torchrun's "[rank0]: ".
_EXCEPTION = re.compile(
    rb"^(?:\[[^\]]*\]:?\s*)?(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Exit|Timeout|Failure)\b(?::\s|\s*$)"
)
# Who tells of an error, and does not have one: what stands before the words in their clause …
_MENTIONED = re.compile(
    rb"""\b(?:
        (?:no|without|never|zero|any)\s+(?:[\w.-]+\s+){0,2}
      | (?:avoid|prevent|reduc|handl|catch|simulat|troubleshoot)\w*\b[^.;:,]*
      | (?:tips?|hint|advice|except|against|risk|chance|in\s+case\s+of|(?:to|for)\s+(?:fix|solve|debug))\b[^.;,]*
      | (?:if|when|whenever|should)\s+(?:you|this|it|the|your|training|there)\b[^.;:,]*
      | (?:may|might|can|could|would|will)\s+(?:\w+\s+)??
            (?:cause|lead|result|run|go|get|hit|see|trigger|throw|raise|encounter|face)\b[^.;:,]*
      | (?:that|which)\s+(?:raise|cause|hit|throw|run)s?\b[^.;:,]*
    )[\w.]*$""",
    re.IGNORECASE | re.VERBOSE,
)
_RAISED = re.compile(rb"\b\w*Error\b(?!s)|\bERROR\b|\bfailed\b")
# … and what stands behind them: a count of none, and the words with which TensorFlow takes its own warning back.
_NONE_BEFORE, _COUNTED = re.compile(rb"\b0\s+(?:cuda\s+|gpu\s+)?$", re.IGNORECASE), re.compile(rb"^\s*(?:\w+)?s\b")
_NOT_MEANT = re.compile(
    rb"^\w*\s*(?:kills?|events?|errors?|count)?(?:\s*[=:]\s*|\s+)0\s*(?:$|[,;|])|not a failure", re.IGNORECASE
)
# Advice and settings mention memory without anything having gone wrong.
_HARMLESS = re.compile(
    rb"PYTORCH_CUDA_ALLOC_CONF|TF_GPU_ALLOCATOR|(?:^|\s)(?:INFO|DEBUG)\b.*(?:avoid|prevent|reduce).*out of memory",
    re.IGNORECASE,
)


class LogReader:
    """Reads log files and remembers what they told until they change."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple[int, int], tuple[LogFault, ...]]] = {}

    def read(self, paths: Iterable[str], root: str) -> tuple[LogFault, ...]:
        """The faults in these files, in the order of the files' age. A file that cannot be read tells of none."""
        aged: list[tuple[float, str, tuple[int, int]]] = []
        for path in paths:
            try:
                info = os.stat(path)
            except OSError:  # rotated away since it was listed
                continue
            if info.st_size:
                aged.append((info.st_mtime, path, (info.st_size, info.st_mtime_ns)))
        found: list[LogFault] = []
        for modified, path, state in sorted(aged)[-MOST_FILES:]:
            known = self._known.get(path)
            if known is None or known[0] != state:
                known = self._known[path] = (state, read_log(path, display_path(path, root), modified))
            found.extend(known[1])
        return tuple(found)


def read_log(path: str, shown: str, modified: float | None = None) -> tuple[LogFault, ...]:
    """The faults in the last 10 MB of one log file."""
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            start = max(0, size - LAST_BYTES)
            file.seek(start)
            faults = find_faults(file.read(LAST_BYTES), shown, modified)
            # Few files are that long, and few of them tell of a fault: only then the whole file is read, for its lines.
            skipped = _count_lines(file, start) if start and faults else 0
    except OSError:
        return ()
    return tuple(replace(fault, line_number=fault.line_number + skipped) for fault in faults)


def _count_lines(file: BinaryIO, stop: int) -> int:
    """Lines before `stop`, so that a fault in a long file still has its true line number."""
    file.seek(0)
    lines = 0
    while stop > 0:
        block = file.read(min(1 << 20, stop))
        if not block:
            break
        stop -= len(block)
        lines += block.count(b"\n")
    return lines


def find_faults(data: bytes, shown: str, modified: float | None = None) -> tuple[LogFault, ...]:
    """The faults in a log's bytes, in any encoding whose line ends and letters are ASCII's, or in UTF-16."""
    data = _eight_bits(data)
    found: list[LogFault] = []
    lines = data.split(b"\n")
    after_traceback = 0
    for index in _candidates(data):
        if index < after_traceback:
            continue
        line = lines[index]
        if _TRACEBACK in line:
            end = _end_of_traceback(lines, index)
            if end is not None:
                last = lines[end].rstrip(b"\r")
                named = "killed" if b"KeyboardInterrupt" in last else _kind(last) or "python"
                found.append(LogFault(named, shown, end + 1, _shown(last), modified))
                after_traceback = end + 1
            continue
        # A progress bar rewrites its line with carriage returns; what it ends with may be the fault.
        for part in line.split(b"\r") if b"\r" in line else (line,):
            kind = _kind(part)
            if kind is not None:
                found.append(LogFault(kind, shown, index + 1, _shown(part), modified))
                break
    return tuple(found[-MOST_FAULTS:])


def _eight_bits(data: bytes) -> bytes:
    """UTF-16 as UTF-8; anything else as it is. PowerShell redirects in UTF-16, with or without a mark."""
    sample = data[:4096]
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    if data.startswith(b"\xff\xfe") or odd > len(sample) // 20 and odd > 4 * even:
        return data.decode("utf-16-le", "replace").lstrip("\ufeff").encode("utf-8", "replace")
    if data.startswith(b"\xfe\xff") or even > len(sample) // 20 and even > 4 * odd:
        return data.decode("utf-16-be", "replace").lstrip("\ufeff").encode("utf-8", "replace")
    return data


def _candidates(data: bytes) -> list[int]:
    """Numbers of the lines, from 0, that hold one of the words or start a traceback."""
    lower = data.lower()
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n"))
    places: list[int] = []
    for word in (*_WORDS, _TRACEBACK.lower()):
        at = lower.find(word)
        while at >= 0:
            places.append(at)
            end = lower.find(b"\n", at)
            at = lower.find(word, end) if end >= 0 else -1
    return sorted(set(np.searchsorted(ends, places).tolist()))


def _end_of_traceback(lines: list[bytes], start: int) -> int | None:
    """The line that names the exception, from the line that opens a traceback; None when it is cut off."""
    for index in range(start + 1, min(start + LONGEST_TRACEBACK, len(lines))):
        if _TRACEBACK in lines[index]:
            return None  # another one opens inside ("During handling of …"): that one names the exception
        if _EXCEPTION.match(lines[index].rstrip(b"\r")):
            return index
    return None


def _kind(line: bytes) -> str | None:
    if _HARMLESS.search(line) is not None and b"Error" not in line:
        return None
    for kind, pattern in _KINDS:
        match = pattern.search(line)
        if match is not None:
            return None if kind == "out_of_memory" and _only_mentioned(line, match) else kind
    return None


def _only_mentioned(line: bytes, match: re.Match[bytes]) -> bool:
    if _RAISED.search(line[: match.start()]):
        return False  # an error is being told, whatever words lead up to it
    before, after = line[max(0, match.start() - 200) : match.start()], line[match.end() : match.end() + 200]
    none = (
        _NONE_BEFORE.search(before) is not None and _COUNTED.search(after) is not None
    )  # "GPU 0 out of memory" is one
    return none or _MENTIONED.search(before) is not None or _NOT_MEANT.search(after) is not None


def _shown(line: bytes) -> str:
    text = line.decode("utf-8", "backslashreplace").strip()
    return text if len(text) <= LONGEST_LINE else text[: LONGEST_LINE - 1] + "…"
