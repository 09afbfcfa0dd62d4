"""The Diagnosis tab: TensorBoard routes, read only, over the same report as the command line.

Nothing is read when TensorBoard starts. The first question wakes one background thread, which reads what is new,
diagnoses what changed, and rests when nobody asks.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import re
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from tensorboard.backend.http_util import Respond
from tensorboard.plugins import base_plugin
from werkzeug import Request, Response

if TYPE_CHECKING:
    from tb_evalguide.config import Config
    from tb_evalguide.model import RunReport, Training
    from tb_evalguide.sources import LogdirReader

PLUGIN_NAME = "evalguide"
TAB_NAME = "Diagnosis"
STATIC = Path(__file__).parent / "static"
MIME_TYPES = {".js": "text/javascript", ".css": "text/css"}

RUN_POINTS = 1_000  # points a curve of ?run=: about one a pixel of a wide window
COMPARED_POINTS = 400  # the same when several runs are asked for at once
FEWEST_WIDTH, MOST_WIDTH = 50, 4_000  # bounds of /api/series?width=
MOST_RUNS = 50  # of one ?run= request with curves; the page asks for at most 10
PROVIDER_POINTS = 1_000  # what a data provider gives at most, whatever is asked for
KEPT_ANSWERS = 12  # as bytes; the overview of a thousand runs is about a megabyte
OVERVIEW_KEYS = (
    "run", "tb_runs", "framework", "mode", "profile", "verdict", "status", "best", "hparams", "signals", "sparkline",
)  # fmt: skip

_log = logging.getLogger(__name__)


# --- where the logs are ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LogPlaces:
    """What TensorBoard was started with, as folders to read: named groups, and folders without a name."""

    shown: str
    named: Mapping[str, str] = field(default_factory=dict)
    unnamed: tuple[str, ...] = ()


_URI = re.compile(r"[a-zA-Z][0-9a-zA-Z.+-]*://")


def local_path(path: str) -> str:
    """`~`, relative and file:// paths as an absolute path; other URIs as they are."""
    if path.startswith("file://"):
        return url2pathname(urlsplit(path).path)
    if _URI.match(path):
        return path
    return os.path.abspath(os.path.expanduser(path))


def log_places(logdir: str | None, logdir_spec: str | None) -> LogPlaces:
    """The folders behind `--logdir` or `--logdir_spec`, split as TensorBoard splits them."""
    if logdir:
        return LogPlaces(logdir, unnamed=(local_path(logdir),))
    named: dict[str, str] = {}
    unnamed: list[str] = []
    for part in (logdir_spec or "").split(","):
        if not part:
            continue
        has_name = ":" in part and not _URI.match(part) and not part.startswith("/") and not os.path.splitdrive(part)[0]
        name, _, path = part.partition(":") if has_name else ("", "", part)
        if name:
            named[name] = local_path(path)
        else:
            unnamed.append(local_path(path))
    return LogPlaces(logdir_spec or "", named, tuple(unnamed))


# --- the background thread -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Snapshot:
    """What is known at one moment; replaced as a whole, so that a request sees one state."""

    revision: int = 0
    state: str = "reading"  # reading | ready | empty | error
    mode: str = "full"
    reason: str | None = None
    progress: tuple[int, int] | None = None
    read_at: float | None = None
    runs: tuple[RunReport, ...] = ()


class Follower:
    """Reads a log folder in the background while somebody asks: one thread, one round at a time.

    interval: seconds after which new points should have been seen (TensorBoard's --reload_interval); 0 reads once.
    prepare: called in the background with each new report, to do there what a request would have to wait for.
    """

    def __init__(
        self,
        places: LogPlaces,
        provider: Callable[[], Sequence[Training]] | None,
        interval: float,
        prepare: Callable[[RunReport], None] = lambda report: None,
    ) -> None:
        self._prepare = prepare
        self._places = places
        self._provider = provider
        self._interval = interval
        # The page asks every two seconds: reading at half the interval shows a point within the interval.
        self._rest = max(1.0, min(interval, 60.0) / 2 - 0.5) if interval > 0 else math.inf
        self._asked = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._snapshot = Snapshot()
        self._readers: list[LogdirReader] | None = None
        self._config: Config | None = None
        self._known: dict[int, tuple[Training, RunReport, float]] = {}
        self._provided: tuple[object, Sequence[Training]] = ((), ())  # what the provider gave last, and its signature

    @property
    def snapshot(self) -> Snapshot:
        with self._lock:
            return self._snapshot

    def ask(self) -> Snapshot:
        """The present state; wakes the thread, starts it at the first call, and never waits for it."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._follow, name="tb-evalguide", daemon=True)
                self._thread.start()
            snapshot = self._snapshot
        self._asked.set()
        return snapshot

    def _follow(self) -> None:
        while True:
            self._asked.wait()
            self._asked.clear()
            started = time.monotonic()
            try:
                self._round()
            # The thread must outlive any one bad file: the fault is logged with its traceback and shown on the page.
            except Exception as error:  # noqa: BLE001
                _log.exception("reading the logs failed")
                self._publish(state="error", reason=_sentence(error), progress=None)
            if math.isinf(self._rest):
                return
            spent = time.monotonic() - started
            time.sleep(max(self._rest, 2 * spent))  # a log that takes long to read takes at most a third of a core

    # -- one round --

    def _round(self) -> None:
        from tb_evalguide.errors import EvalguideError

        try:
            self._read_files()
        except EvalguideError as error:
            if not self._read_provider():
                self._publish(state="error", reason=_sentence(error), progress=None)

    def _read_files(self) -> None:
        from tb_evalguide.sources import LogdirReader

        first = self._readers is None
        if self._readers is None:
            self._readers = [LogdirReader(path) for path in self._places.unnamed]
            if self._places.named:
                self._readers.append(LogdirReader(self._places.named))
        readers = self._readers
        self._load_config()
        failed: list[BaseException] = []

        def refresh() -> None:
            try:
                for reader in readers:
                    reader.refresh()
            # Handed to the thread that waits, which raises it.
            except BaseException as error:  # noqa: BLE001
                failed.append(error)

        if first:
            # The first reading may be long: what is read so far is diagnosed and shown while it goes on.
            reading = threading.Thread(target=refresh, name="tb-evalguide-first", daemon=True)
            reading.start()
            while reading.is_alive():
                reading.join(0.25)
                if reading.is_alive():
                    self._diagnose(_trainings(readers), state="reading", progress=_progress(readers))
        else:
            refresh()
        if failed:
            raise failed[0]
        found = _trainings(readers)
        # One state a round: a folder that is gone while TensorBoard still holds its points is not empty in between.
        if found or not self._read_provider():
            self._diagnose(found, state="ready" if found else "empty", progress=None)

    def _load_config(self) -> None:
        from tb_evalguide.config import Config, load_config, validate_limits
        from tb_evalguide.rules import RULES

        folder = next(iter((*self._places.unnamed, *self._places.named.values())), None)
        config = load_config(folder) if folder is not None and not _URI.match(folder) else Config()
        validate_limits(config, RULES)
        if config != self._config:
            self._config = config
            self._known.clear()

    def _read_provider(self) -> bool:
        """Where the files cannot be read, what TensorBoard itself gives; says whether there was anything."""
        if self._provider is None:
            return False
        found = self._provider()
        signature = _signature(found)
        if signature == self._provided[0]:
            found = self._provided[1]  # nothing new: the reports of these are known
        self._provided = (signature, found)
        if found:
            self._diagnose(found, state="ready", progress=None, mode="sampled")
        return bool(found)

    def _diagnose(
        self, trainings: Sequence[Training], *, state: str, progress: tuple[int, int] | None, mode: str = "full"
    ) -> None:
        from tb_evalguide.report import diagnosed, worst_first

        now = time.time()
        known: dict[int, tuple[Training, RunReport, float]] = {}
        fresh = False
        published = time.monotonic()
        for done, training in enumerate(trainings, 1):
            old = self._known.get(id(training))
            if old is not None and not _outdated(old[1], old[2], now):
                known[id(training)] = old
                continue
            report = diagnosed(training, self._config, now)
            if old is not None and _says_the_same(old[1], report):
                # Older, and nothing else: a new report object would make every open page fetch what it has.
                known[id(training)] = (training, old[1], now)
                continue
            self._prepare(report)
            known[id(training)] = (training, report, now)
            fresh = True
            if time.monotonic() - published > 1.0:
                # What is done is shown while the rest is worked on.
                share = progress or (done, len(trainings))
                runs = tuple(sorted((entry[1] for entry in known.values()), key=worst_first))
                self._publish(state="reading", mode=mode, progress=share, runs=runs, fresh=True)
                published = time.monotonic()
        self._known = known
        fresh = fresh or len(known) != len(self.snapshot.runs)
        runs = tuple(sorted((entry[1] for entry in known.values()), key=worst_first))
        self._publish(state=state, mode=mode, progress=progress, runs=runs, fresh=fresh, read_at=now)

    def _publish(
        self,
        *,
        state: str,
        progress: tuple[int, int] | None,
        mode: str | None = None,
        reason: str | None = None,
        runs: tuple[RunReport, ...] | None = None,
        fresh: bool = False,
        read_at: float | None = None,
    ) -> None:
        with self._lock:
            old = self._snapshot
            self._snapshot = Snapshot(
                revision=old.revision + (1 if fresh else 0),
                state=state,
                mode=mode or old.mode,
                reason=reason,
                progress=progress,
                read_at=read_at or old.read_at,
                runs=old.runs if runs is None else runs,
            )


AGED_AFTER = 60.0  # seconds after which a run that was being written is judged again by its age


def _outdated(report: RunReport, at: float, now: float) -> bool:
    return report.status.state == "running" and now - at > AGED_AFTER


def _says_the_same(old: RunReport, new: RunReport) -> bool:
    """Two reports of one unchanged training, made at different times: only what time can change is compared."""

    def aged(report: RunReport) -> tuple[object, ...]:
        return report.status, report.verdict, report.checks, report.checklist, report.signals

    return aged(old) == aged(new)


def _signature(trainings: Iterable[Training]) -> object:
    """Changes when the provider knows more than before: it makes everything anew each time it is asked."""
    return tuple(
        (run.name, tag, len(series), int(series.steps[-1]), float(series.wall_times[-1]))
        for training in trainings
        for run in training.runs
        for tag, series in run.series.items()
        if len(series)
    )


def _trainings(readers: Iterable[LogdirReader]) -> list[Training]:
    return [training for reader in readers for training in reader.trainings]


def _progress(readers: Iterable[LogdirReader]) -> tuple[int, int]:
    parts = [reader.progress for reader in readers]
    return sum(done for done, _ in parts), sum(total for _, total in parts)


def _sentence(error: BaseException) -> str:
    from tb_evalguide.errors import EvalguideError

    return str(error) if isinstance(error, EvalguideError) else f"{type(error).__name__}: {error}"


def provider_trainings(provider: Any) -> list[Training]:
    """Trainings from TensorBoard's data provider: at most 1000 points a tag, NaN and spikes may be missing."""
    import numpy as np
    from tensorboard.context import RequestContext

    from tb_evalguide.i18n import N_
    from tb_evalguide.model import ReadNote, Run, Series, Source, Text
    from tb_evalguide.sources import group

    note = ReadNote(
        "sampled",
        Text(
            N_("Read through TensorBoard, at most {n} points per tag: NaN and spikes may be missing."),
            {"n": PROVIDER_POINTS},
        ),
    )
    context = RequestContext()
    found = provider.read_scalars(context, experiment_id="", plugin_name="scalars", downsample=PROVIDER_POINTS)
    runs = []
    for name, tags in found.items():
        series = {
            tag: Series(
                tag,
                name,
                np.array([d.step for d in data], np.int64),
                np.array([d.value for d in data], np.float64),
                np.array([d.wall_time for d in data], np.float64),
            )
            for tag, data in tags.items()
        }
        events = sum(len(s) for s in series.values())
        # TensorBoard's own reading of event files: the contract knows no other kind for it
        runs.append(Run(name, series, (Source(name, "tfevents", events, (note,)),), sampled=True))
    return list(group(runs, None)) if runs else []


# --- the plugin ------------------------------------------------------------------------------------------------------

WsgiApp = Callable[..., Iterable[bytes]]


class EvalGuidePlugin(base_plugin.TBPlugin):  # type: ignore[misc]  # TensorBoard ships no types
    """TensorBoard's side of the Diagnosis tab."""

    plugin_name = PLUGIN_NAME

    def __init__(self, context: base_plugin.TBContext) -> None:
        flags = context.flags
        self._places = log_places(context.logdir, getattr(flags, "logdir_spec", None))
        interval = getattr(flags, "reload_interval", None)
        provider = context.data_provider
        self._follower = Follower(
            self._places,
            (lambda: provider_trainings(provider)) if provider is not None else None,
            5.0 if interval is None else float(interval),
            self._prepare,
        )
        # A revision counts from this start on: after a restart of the server everything is new to the page.
        self._boot = secrets.token_hex(4)
        self._answers = Answers()
        # Rows of the overview by report and language; the report is held so that its id is not used twice.
        self._rows: dict[tuple[int, str], tuple[RunReport, dict[str, Any]]] = {}
        self._languages: tuple[str, ...] = ()  # those that somebody has asked for

    def get_plugin_apps(self) -> dict[str, WsgiApp]:
        apps: dict[str, WsgiApp] = {
            "/api/report": _route(self._report),
            "/api/series": _route(self._series),
            "/api/status": _route(self._status),
            "/api/export": _route(self._export),
        }
        # Only what lies there when TensorBoard starts, by its whole name: no path comes from a request.
        for path in sorted(STATIC.glob("*")) if STATIC.is_dir() else ():
            if path.suffix in MIME_TYPES and path.is_file():
                apps[f"/{path.name}"] = _route(_static_file(path))
        if "/index.js" not in apps:
            apps["/index.js"] = _route(_not_built)
        return apps

    def is_active(self) -> bool:
        # Only asked when there are no scalars (see data_plugin_names): then logs of other kinds may be there.
        return bool(self._follower.ask().runs)

    def data_plugin_names(self) -> tuple[str, ...]:
        return ("scalars",)

    def frontend_metadata(self) -> base_plugin.FrontendMetadata:
        return base_plugin.FrontendMetadata(es_module_path="/index.js", tab_name=TAB_NAME)

    # -- routes --

    def _status(self, request: Request) -> Response:
        snapshot = self._follower.ask()
        progress = snapshot.progress
        return _json(
            request,
            {
                "revision": f"{self._boot}.{snapshot.revision}",
                "state": snapshot.state,
                "mode": snapshot.mode,
                "reason": snapshot.reason,
                "progress": {"done": progress[0], "total": progress[1]} if progress else None,
                "read_at": snapshot.read_at,
                "runs": len(snapshot.runs),
            },
        )

    def _report(self, request: Request) -> Response:
        """The contract. ?view=overview: only what the table of runs needs. ?run=: these runs, with their curves."""
        snapshot = self._follower.ask()
        lang = _language(request)
        names = request.args.getlist("run")[:MOST_RUNS]
        if names:
            wanted = set(names)
            runs = [run for run in snapshot.runs if run.run in wanted]
            points = RUN_POINTS if len(runs) == 1 else COMPARED_POINTS
            key = ("runs", lang, *(id(run) for run in runs))
            return self._answers.give(
                request, self._boot, key, tuple(runs), lambda: self._contract(snapshot, runs, lang, points)
            )
        if request.args.get("view") == "overview":
            key = ("overview", lang, snapshot.revision)
            return self._answers.give(request, self._boot, key, snapshot.runs, lambda: self._overview(snapshot, lang))
        key = ("all", lang, snapshot.revision)
        return self._answers.give(
            request, self._boot, key, snapshot.runs, lambda: self._contract(snapshot, snapshot.runs, lang, None)
        )

    def _contract(self, snapshot: Snapshot, runs: Sequence[RunReport], lang: str, points: int | None) -> dict[str, Any]:
        from tb_evalguide.report import contract, run_to_dict

        entries = [run_to_dict(run, lang, points) for run in runs]
        return self._dressed(contract(self._places.shown, entries, None, lang), snapshot)

    def _overview(self, snapshot: Snapshot, lang: str) -> dict[str, Any]:
        from tb_evalguide.report import contract

        if lang not in self._languages:
            self._languages = (*self._languages, lang)
        entries = [self._row(run, lang) for run in snapshot.runs]
        if len(self._rows) > 2 * len(self._languages) * len(snapshot.runs) + 100:
            alive = {id(run) for run in snapshot.runs}
            self._rows = {key: row for key, row in self._rows.copy().items() if key[0] in alive}
        whole = contract(self._places.shown, entries, None, lang)
        shown = set(whole["differing"])
        for index, entry in enumerate(entries):
            slim = {name: value for name, value in entry.items() if name != "findings"}
            slim["hparams"] = {name: value for name, value in entry["hparams"].items() if name in shown}
            slim["signals"] = [{**signal, "reason": ""} for signal in entry["signals"]]
            whole["runs"][index] = slim
        return self._dressed(whole, snapshot)

    def _row(self, run: RunReport, lang: str) -> dict[str, Any]:
        from tb_evalguide.report import run_to_dict

        found = self._rows.get((id(run), lang))
        if found is None:
            whole = run_to_dict(run, lang)
            found = (run, {name: whole[name] for name in OVERVIEW_KEYS} | {"findings": []})
            self._rows[id(run), lang] = found
        return found[1]

    def _prepare(self, run: RunReport) -> None:
        for lang in self._languages:
            self._row(run, lang)

    def _dressed(self, contract: dict[str, Any], snapshot: Snapshot) -> dict[str, Any]:
        progress = snapshot.progress
        contract["mode"] = snapshot.mode
        contract["revision"] = snapshot.revision
        contract["progress"] = {"done": progress[0], "total": progress[1]} if progress else None
        return contract

    def _series(self, request: Request) -> Response:
        """Finer curves of one run between two steps."""
        from tb_evalguide.report import curves_of

        run = next((r for r in self._follower.ask().runs if r.run == request.args.get("run")), None)
        if run is None:
            return _refuse(request, 404, "no such run")
        try:
            first, last = float(request.args["from"]), float(request.args["to"])
            width = int(request.args.get("width", RUN_POINTS))
        except (KeyError, ValueError):
            return _refuse(request, 400, "from, to and width must be numbers")
        if not (math.isfinite(first) and math.isfinite(last) and first <= last):
            return _refuse(request, 400, "from must not be greater than to")
        points = min(MOST_WIDTH, max(FEWEST_WIDTH, width))
        return _json(request, curves_of(run, points, first, last))

    def _export(self, request: Request) -> Response:
        """A download of the report, or of some of its runs, as the command line would write it."""
        from tb_evalguide.render import render
        from tb_evalguide.report import Report

        wanted = EXPORTS.get(request.args.get("format", ""))
        if wanted is None:
            return _refuse(request, 400, f"format must be one of {', '.join(EXPORTS)}")
        mime, suffix = wanted
        names = set(request.args.getlist("run"))
        runs = [run for run in self._follower.ask().runs if not names or run.run in names]
        lang = _language(request)
        text = render(Report(self._places.shown, tuple(runs), None, lang), request.args["format"], lang=lang)
        headers = [("Content-Disposition", f'attachment; filename="evalguide-report.{suffix}"')]
        return _respond(request, text, mime, headers=headers)


EXPORTS: Mapping[str, tuple[str, str]] = {
    "html": ("text/html", "html"),
    "markdown": ("text/plain", "md"),
    "csv": ("text/csv", "csv"),
    "json": ("application/json", "json"),
}


class Answers:
    """The last answers as bytes with their ETag, so that an unchanged report is neither made nor sent again."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[Any, ...], tuple[tuple[Any, ...], str, bytes]] = OrderedDict()
        self._lock = threading.Lock()

    def give(
        self, request: Request, boot: str, key: tuple[Any, ...], holds: tuple[Any, ...], make: Callable[[], Any]
    ) -> Response:
        """holds: the objects whose id stands in the key, kept alive so that an id is not used twice."""
        with self._lock:
            found = self._kept.get(key)
        if found is None:
            body = _dumps(make())
            etag = f'"{hashlib.blake2b(body, digest_size=12, key=boot.encode()).hexdigest()}"'
            found = (holds, etag, body)
            with self._lock:
                self._kept[key] = found
                while len(self._kept) > KEPT_ANSWERS:
                    self._kept.popitem(last=False)
        _, etag, body = found
        headers = [("ETag", etag)]
        if etag in [tag.strip().removeprefix("W/") for tag in request.headers.get("If-None-Match", "").split(",")]:
            return _respond(request, b"", "application/json", code=304, headers=headers)
        return _respond(request, body, "application/json", headers=headers)


# --- answers ---------------------------------------------------------------------------------------------------------


def _route(view: Callable[[Request], Response]) -> WsgiApp:
    @Request.application
    def app(request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            return _refuse(request, 405, "read only: GET or HEAD", [("Allow", "GET, HEAD")])
        try:
            return view(request)
        # A request that trips over a log nobody foresaw ends with an answer the page can show, not with a page of
        # TensorBoard's server; the traceback is in its log.
        except Exception as error:  # noqa: BLE001
            _log.exception("%s failed", request.path)
            return _refuse(request, 500, _sentence(error))

    return app


def _static_file(path: Path) -> Callable[[Request], Response]:
    content = path.read_bytes()
    mime = MIME_TYPES[path.suffix]
    return lambda request: _respond(request, content, mime)


def _not_built(request: Request) -> Response:
    """In place of a blank tab: a page that says what is missing."""
    from tb_evalguide.i18n import gettext_for, preferred_language
    from tb_evalguide.render.html import NOT_BUILT

    said = _dumps(f"tb-evalguide: {gettext_for(NOT_BUILT, preferred_language())}").decode()
    return _respond(request, f"export function render() {{ document.body.textContent = {said}; }}", "text/javascript")


def _language(request: Request) -> str:
    from tb_evalguide.i18n import LANGUAGES, preferred_language

    asked = request.args.get("lang", "")
    return asked if asked in LANGUAGES else preferred_language()


def _dumps(data: Any) -> bytes:
    # ASCII: a file name that is not UTF-8 stays a lone surrogate, escaped, and allow_nan says it if a NaN slipped in.
    return json.dumps(data, allow_nan=False, separators=(",", ":")).encode("ascii")


def _json(request: Request, data: Any) -> Response:
    return _respond(request, _dumps(data), "application/json")


def _refuse(request: Request, code: int, reason: str, headers: Sequence[tuple[str, str]] = ()) -> Response:
    return _respond(request, _dumps({"error": reason}), "application/json", code=code, headers=headers)


def _respond(
    request: Request, content: bytes | str, mime: str, code: int = 200, headers: Sequence[tuple[str, str]] = ()
) -> Response:
    response: Response = Respond(request, content, mime, code=code, headers=list(headers))
    return response
