"""Log folders elsewhere (s3://, gs://, hf://, memory:// …), mirrored into a local cache through fsspec."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any

from tb_evalguide.errors import LogdirMissing, LogdirUnreadable, MissingExtra, UnknownScheme
from tb_evalguide.sources import disk
from tb_evalguide.sources.hparams_yaml import FILE_NAME as HPARAMS
from tb_evalguide.sources.logdir import MIRROR_INDEX, is_event_file
from tb_evalguide.sources.trainer_state import FILE_NAME as TRAINER_STATE

CACHE_VARIABLE = "TB_EVALGUIDE_CACHE"
# Small files beside the logs that are read; weights are never fetched, only named.
_WANTED = re.compile(
    r".*\.(?:csv|tsv|jsonl|ndjson|yaml|wandb)|metrics\.json|scalars\.json|.*\.log\.json|log\.txt|wandb-summary\.json",
    re.IGNORECASE,
)


def cache_folder() -> Path:
    """Where mirrors are kept: $TB_EVALGUIDE_CACHE, else the user's cache folder."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "tb-evalguide" / "mirror"


def mirror(url: str) -> str:
    """The local folder that now holds the log files below `url`; only what is new or changed is fetched.

    A file that only grew is continued where the mirror ends. Checkpoints are mirrored as empty files of their names.
    Raises MissingExtra, UnknownScheme, LogdirMissing, LogdirUnreadable.
    """
    system, root = _open(url)
    try:
        found = _list(system, root)
    except FileNotFoundError:
        raise LogdirMissing(path=url) from None
    except Exception as error:  # noqa: BLE001 - each file system raises errors of its own; the user needs one line
        raise LogdirUnreadable(path=url, reason=_first_line(error)) from None
    if not found:
        raise LogdirMissing(path=url)
    target = cache_folder() / hashlib.sha256(url.encode()).hexdigest()[:24]
    _sync(system, root, url, found, target)
    return str(target)


def _open(url: str) -> tuple[Any, str]:
    protocol = url.split("://", 1)[0]
    unknown = UnknownScheme(path=url, scheme=protocol, known=", ".join(f"{name}://" for name in _FAMILIAR))
    try:
        import fsspec
    except ImportError:
        if protocol not in {*_PACKAGES, *_FAMILIAR}:
            raise unknown from None
        raise MissingExtra(path=url, package="fsspec", extra="remote") from None
    if protocol not in fsspec.available_protocols():
        raise unknown
    try:
        system, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
    except ImportError:  # fsspec knows the protocol, but the package behind it is not installed
        raise MissingExtra(path=url, package=_PACKAGES.get(protocol, protocol), extra="remote") from None
    except ValueError as error:
        raise LogdirUnreadable(path=url, reason=_first_line(error)) from None
    return system, str(root).rstrip("/")


_FAMILIAR = ("s3", "gs", "hf", "az", "abfs", "http", "https", "ftp", "sftp", "ssh", "hdfs", "webhdfs", "memory")
_PACKAGES = {
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "hf": "huggingface_hub",
    "az": "adlfs",
    "abfs": "adlfs",
}


def _list(system: Any, root: str) -> dict[str, dict[str, Any]]:
    """What lies below: relative path → its size and what tells that it changed."""
    system.invalidate_cache()
    found: dict[str, dict[str, Any]] = {}
    for path, info in system.find(root, detail=True).items():
        relative = path[len(root) :].lstrip("/") if path.startswith(root) else path.lstrip("/")
        relative = relative or path.rpartition("/")[2]
        parts = relative.split("/")
        if info.get("type") == "directory" or any(part in ("", ".", "..") for part in parts):
            continue  # object stores allow such names; here they would leave the mirror
        stamp = next(
            (
                str(info[key])
                for key in ("ETag", "etag", "md5Hash", "oid", "LastModified", "mtime", "created")
                if info.get(key)
            ),
            "",
        )
        found[relative] = {"size": int(info.get("size") or 0), "stamp": stamp, "path": path}
    return found


def _sync(system: Any, root: str, url: str, found: dict[str, dict[str, Any]], target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    index_path = target / MIRROR_INDEX
    index = _read_index(index_path)
    for relative in [name for name in index if name not in found]:
        (target / relative).unlink(missing_ok=True)
        del index[relative]
    failed: list[str] = []
    for relative, info in sorted(found.items()):
        local = target / relative
        known = index.get(relative)
        if known == {"size": info["size"], "stamp": info["stamp"]} and local.exists():
            continue
        try:
            local.parent.mkdir(parents=True, exist_ok=True)
            _fetch(system, relative, info, local)
        except Exception as error:  # noqa: BLE001 - as in mirror(); one lost file must not hide the others
            failed.append(_first_line(error))
            continue
        index[relative] = {"size": info["size"], "stamp": info["stamp"]}
    _write_index(index_path, index)
    if failed and len(failed) == len(found):
        raise LogdirUnreadable(path=url, reason=failed[0])


def _fetch(system: Any, relative: str, info: dict[str, Any], local: Path) -> None:
    name = relative.rpartition("/")[2]
    size = info["size"]
    if not _wanted(name):
        with open(local, "wb") as file:
            file.truncate(size)  # a hole: it shows the size and takes no room
        return
    start = max(0, size - disk.LOG_BYTES) if disk.LOGS.fullmatch(name) and not is_event_file(name) else 0
    have = local.stat().st_size if local.exists() else 0
    if is_event_file(name) and 0 < have <= size and _same_head(system, info["path"], local):
        with open(local, "r+b") as file:  # at its place, not at the end: another process may be fetching the same
            file.seek(have)
            file.write(_range(system, info["path"], have, size))
        return
    data = _range(system, info["path"], start, size)
    handle, temporary = tempfile.mkstemp(dir=local.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    os.replace(temporary, local)


def _range(system: Any, path: str, start: int, stop: int) -> bytes:
    return bytes(system.cat_file(path, start=start, end=stop)) if stop > start else b""


def _same_head(system: Any, path: str, local: Path) -> bool:
    """Whether the remote file still begins and goes on as the mirror has it: then only its end is new."""
    size = local.stat().st_size
    first = min(64, size)
    with open(local, "rb") as file:
        head = file.read(first)
        file.seek(max(0, size - 64))
        tail = file.read()
    return _range(system, path, 0, first) == head and _range(system, path, max(0, size - 64), size) == tail


def _wanted(name: str) -> bool:
    return (
        is_event_file(name)
        or name in (TRAINER_STATE, HPARAMS, disk.RATINGS)
        or _WANTED.fullmatch(name) is not None
        or disk.LOGS.fullmatch(name) is not None
        or disk.RESULTS.fullmatch(name) is not None
    )


def _read_index(path: Path) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            index = json.load(file)
    except (OSError, ValueError):  # no mirror yet, or one that was cut off: fetch again
        return {}
    return index if isinstance(index, dict) else {}


def _write_index(path: Path, index: dict[str, Any]) -> None:
    temporary = path.with_suffix(".new")
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump(index, file)
    os.replace(temporary, path)


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]
