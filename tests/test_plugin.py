"""The plugin's routes and its background thread, without a browser."""

from __future__ import annotations

import gzip
import json
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tensorboard.data.provider import ScalarDatum
from tensorboard.plugins import base_plugin
from werkzeug.test import Client, TestResponse

from tb_evalguide import plugin as module
from tb_evalguide.plugin import EvalGuidePlugin, Follower, LogPlaces, local_path, log_places, provider_trainings
from tests.browser import logs
from tests.support.writer import EventWriter


class Provider:
    """A data provider as a hosted TensorBoard has it: points, but no files."""

    def __init__(self, runs: Mapping[str, Mapping[str, list[float]]] | None = None) -> None:
        self._runs = runs or {}

    def read_scalars(self, ctx: Any, *, experiment_id: str, plugin_name: str, downsample: int) -> Any:
        assert plugin_name == "scalars" and downsample == 1000
        return {
            run: {
                tag: [ScalarDatum(i * 10, 1.7e9 + i, value) for i, value in enumerate(values)]
                for tag, values in tags.items()
            }
            for run, tags in self._runs.items()
        }


def make(
    logdir: str | Path, provider: Provider | None = None, spec: str = "", interval: float = 5.0
) -> EvalGuidePlugin:
    flags = SimpleNamespace(logdir=str(logdir), logdir_spec=spec, reload_interval=interval)
    return EvalGuidePlugin(base_plugin.TBContext(logdir=str(logdir), data_provider=provider or Provider(), flags=flags))


def ask(plugin: EvalGuidePlugin, path: str, **options: Any) -> TestResponse:
    route, _, query = path.partition("?")
    return Client(plugin.get_plugin_apps()[route]).open("/?" + query, **options)


def ready(plugin: EvalGuidePlugin, *states: str, timeout: float = 60.0) -> dict[str, Any]:
    deadline = time.monotonic() + timeout
    while True:
        status: dict[str, Any] = ask(plugin, "/api/status").get_json()
        if status["state"] in (states or ("ready",)):
            return status
        assert time.monotonic() < deadline, status
        time.sleep(0.05)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> EvalGuidePlugin:
    plugin = make(logs.demo(tmp_path_factory.mktemp("logs")))
    ready(plugin)
    return plugin


# --- life in TensorBoard ---------------------------------------------------------------------------------------------


def test_importing_the_module_is_light() -> None:
    code = (
        "import sys, tb_evalguide.plugin; "
        "heavy = ('pandas', 'tbparse', 'numpy', 'torch', 'tb_evalguide.rules', 'tb_evalguide.report'); "
        "print([m for m in heavy if m in sys.modules])"
    )
    # TensorBoard itself imports numpy; what counts is that we add nothing heavy of our own.
    before = "import sys, tensorboard.backend.http_util, tensorboard.plugins.base_plugin; print('numpy' in sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    own = subprocess.run([sys.executable, "-c", before], capture_output=True, text=True, check=True).stdout
    allowed = "['numpy']" if own.strip() == "True" else "[]"
    assert loaded.strip() in ("[]", allowed)


def test_nothing_is_read_until_somebody_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logs.demo(tmp_path)
    opened: list[str] = []
    real = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path=".": (opened.append(os.fspath(path)), real(path))[1])
    plugin = make(tmp_path)
    apps = plugin.get_plugin_apps()
    assert plugin.data_plugin_names() == ("scalars",)
    assert plugin.frontend_metadata().es_module_path == "/index.js"
    assert not [path for path in opened if str(tmp_path) in str(path)]
    assert "/api/report" in apps


def test_asking_never_waits_for_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logs.demo(tmp_path)
    entered, leave = threading.Event(), threading.Event()

    def slow(self: Follower) -> None:
        entered.set()
        leave.wait(30)

    monkeypatch.setattr(Follower, "_round", slow)
    plugin = make(tmp_path)
    started = time.monotonic()
    assert plugin.is_active() is False
    status = ask(plugin, "/api/status").get_json()
    report = ask(plugin, "/api/report").get_json()
    assert time.monotonic() - started < 2.0
    assert entered.wait(5)
    assert status["state"] == "reading" and report["runs"] == []
    leave.set()


def test_one_thread_however_many_ask(tmp_path: Path) -> None:
    plugin = make(logs.demo(tmp_path))
    before = {t.ident for t in threading.enumerate() if t.name == "tb-evalguide"}
    askers = [threading.Thread(target=ask, args=(plugin, "/api/status")) for _ in range(16)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert len({t.ident for t in threading.enumerate() if t.name == "tb-evalguide"} - before) == 1


# --- the report ------------------------------------------------------------------------------------------------------


def test_report_is_the_contract(demo: EvalGuidePlugin) -> None:
    whole = ask(demo, "/api/report?lang=en").get_json()
    assert whole["format_version"] == 1 and whole["mode"] == "full"
    assert len(whole["runs"]) == 9 and all("curves" not in run for run in whole["runs"])
    one = ask(demo, "/api/report?lang=ko&run=qwen-fp16").get_json()
    assert one["lang"] == "ko" and [run["run"] for run in one["runs"]] == ["qwen-fp16"]
    curve = one["runs"][0]["curves"]["train_loss"]
    assert curve["nonfinite"][0] == [365, "NaN"] and curve["values"][curve["steps"].index(365)] is None
    two = ask(demo, "/api/report?run=qwen-fp16&run=qwen-resumed").get_json()
    assert {run["run"] for run in two["runs"]} == {"qwen-fp16", "qwen-resumed"}
    assert ask(demo, "/api/report?run=../../etc/passwd").get_json()["runs"] == []


def test_overview_is_slim(demo: EvalGuidePlugin) -> None:
    whole = ask(demo, "/api/report").data
    slim = ask(demo, "/api/report?view=overview").data
    assert len(slim) < len(whole) / 4
    data = json.loads(slim)
    assert [run["run"] for run in data["runs"]] == [run["run"] for run in json.loads(whole)["runs"]]
    assert set(data["runs"][0]) == set(module.OVERVIEW_KEYS)
    assert set(data["differing"]) >= {"learning_rate"}
    assert all(set(run["hparams"]) <= set(data["differing"]) for run in data["runs"])


def test_series_are_finer_within_bounds(demo: EvalGuidePlugin) -> None:
    curves = ask(demo, "/api/series?run=qwen-fp16&from=100&to=200&width=1000").get_json()
    steps = curves["train_loss"]["steps"]
    assert steps[0] >= 100 and steps[-1] <= 200 and len(steps) == 21
    for query, code in (
        ("run=nobody&from=0&to=1", 404),
        ("run=qwen-fp16&from=0", 400),
        ("run=qwen-fp16&from=x&to=1", 400),
        ("run=qwen-fp16&from=nan&to=1", 400),
        ("run=qwen-fp16&from=2&to=1", 400),
        ("run=qwen-fp16&from=0&to=1&width=1e9", 400),
    ):
        assert ask(demo, f"/api/series?{query}").status_code == code, query


def test_unchanged_answers_cost_nothing(demo: EvalGuidePlugin, monkeypatch: pytest.MonkeyPatch) -> None:
    first = ask(demo, "/api/report?view=overview&lang=en")
    monkeypatch.setattr(module, "_dumps", lambda data: pytest.fail("an unchanged report was made again"))
    again = ask(demo, "/api/report?view=overview&lang=en", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304 and again.data == b""
    assert ask(demo, "/api/report?view=overview&lang=en").data == first.data


def test_no_answer_holds_nan(demo: EvalGuidePlugin) -> None:
    def forbid(word: str) -> None:
        raise AssertionError(word)

    for path in (
        "/api/report",
        "/api/report?run=qwen-fp16",
        "/api/series?run=qwen-fp16&from=0&to=600",
        "/api/export?format=json",
    ):
        json.loads(ask(demo, path).data, parse_constant=forbid)


@pytest.mark.parametrize("format", ["html", "markdown", "csv", "json"])
def test_exports_are_downloads(format: str, demo: EvalGuidePlugin) -> None:
    answer = ask(demo, f"/api/export?format={format}&run=qwen-fp16&lang=en")
    assert answer.status_code == 200
    assert answer.headers["Content-Disposition"].startswith("attachment;")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert b"qwen-fp16" in answer.data and b"qwen-resumed" not in answer.data


def test_export_refuses_unknown_formats(demo: EvalGuidePlugin) -> None:
    for format in ("", "exe", "../html", "terminal"):
        assert ask(demo, f"/api/export?format={format}").status_code == 400


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_routes_only_read(method: str, demo: EvalGuidePlugin) -> None:
    for route in demo.get_plugin_apps():
        answer = ask(demo, route, method=method)
        assert answer.status_code == 405 and answer.headers["Allow"] == "GET, HEAD", route


def test_head_sends_no_body(demo: EvalGuidePlugin) -> None:
    answer = ask(demo, "/api/report", method="HEAD")
    assert answer.status_code == 200 and answer.data == b""


def test_static_files_are_a_fixed_list(demo: EvalGuidePlugin) -> None:
    files = {route for route in demo.get_plugin_apps() if not route.startswith("/api/")}
    assert files == {"/index.js", "/style.css"}
    assert ask(demo, "/index.js").headers["Content-Type"].startswith("text/javascript")


def test_a_running_run_that_only_grows_older_is_no_news(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AGED_AFTER", -1.0)  # judged again in every round
    logs.fine_tuning(
        tmp_path / "now", train=logs.falling(2.5, 1.0), evals=None, steps=200, planned=600, started=time.time() - 1205.0
    )
    follower = Follower(log_places(str(tmp_path), None), None, interval=5.0)
    follower._round()
    first = follower.snapshot
    assert first.runs[0].status.state == "running"
    follower._round()
    assert (follower.snapshot.revision, follower.snapshot.runs) == (first.revision, first.runs)
    # …until it has been silent for too long: that is news.
    later = time.time() + 86_400.0
    monkeypatch.setattr(module.time, "time", lambda: later)
    follower._round()
    assert follower.snapshot.revision == first.revision + 1
    assert follower.snapshot.runs[0].status.state == "stalled"


def test_without_the_built_page_the_tab_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STATIC", tmp_path)
    answer = ask(make(tmp_path), "/index.js")
    assert answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/javascript")
    assert "export function render()" in answer.text and "the page is not built" in answer.text


# --- growth, faults --------------------------------------------------------------------------------------------------


def test_follows_a_growing_log(tmp_path: Path) -> None:
    logs.fine_tuning(tmp_path / "a", train=logs.falling(2.5, 1.0), evals=None, steps=200)
    logs.fine_tuning(tmp_path / "b", train=logs.falling(2.5, 1.0), evals=None, steps=200)
    plugin = make(tmp_path, interval=2.0)
    before = ready(plugin)
    tag = ask(plugin, "/api/report?run=b").headers["ETag"]
    with EventWriter(tmp_path / "a", time.time()) as writer:
        writer.scalars({"train/loss": 0.9}, 205)
    deadline = time.monotonic() + 10
    while ready(plugin)["revision"] == before["revision"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert ask(plugin, "/api/report?run=a").get_json()["runs"][0]["status"]["last_step"] == 205
    # What did not grow keeps its tag.
    assert ask(plugin, "/api/report?run=b", headers={"If-None-Match": tag}).status_code == 304


def test_an_unchanged_log_keeps_its_revision(demo: EvalGuidePlugin) -> None:
    before = ready(demo)["revision"]
    time.sleep(4)
    ready(demo)
    time.sleep(1)
    assert ready(demo)["revision"] == before


def test_empty_and_missing_folders_wait(tmp_path: Path) -> None:
    for logdir in (tmp_path, tmp_path / "not yet"):
        status = ready(make(logdir), "empty")
        assert status["runs"] == 0 and status["reason"] is None


def test_a_broken_configuration_is_said(tmp_path: Path) -> None:
    logs.fine_tuning(tmp_path / "a", train=logs.falling(2.5, 1.0), evals=None)
    (tmp_path / "evalguide.toml").write_text("profil = 'guide'\n")
    status = ready(make(tmp_path), "error")
    assert "profil" in status["reason"]


def test_a_fault_is_shown_and_the_thread_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    logs.fine_tuning(tmp_path / "a", train=logs.falling(2.5, 1.0), evals=None)
    real, times = Follower._read_files, iter(range(1000))

    def once(self: Follower) -> None:
        if next(times) == 0:
            raise ZeroDivisionError("a bug")
        real(self)

    monkeypatch.setattr(Follower, "_read_files", once)
    plugin = make(tmp_path, interval=1.0)
    assert "a bug" in ready(plugin, "error")["reason"]
    assert any(record.exc_info for record in caplog.records), "the traceback belongs into the log"
    assert ready(plugin)["runs"] == 1


# --- sampled ---------------------------------------------------------------------------------------------------------


def test_sampled_is_said_and_never_healthy() -> None:
    falling = logs.curve(300, logs.falling(2.5, 1.0), 0.01, 1)
    plugin = make("", Provider({"hosted": {"train/loss": falling, "eval/loss": [v + 0.05 for v in falling[::10]]}}))
    assert ready(plugin)["mode"] == "sampled"
    report = ask(plugin, "/api/report?lang=en").get_json()
    run = report["runs"][0]
    assert report["mode"] == run["mode"] == "sampled"
    assert run["tb_runs"] == ["hosted"] and {source["kind"] for source in run["sources"]} == {"tfevents"}
    assert run["verdict"]["label"] != "healthy" and run["verdict"]["level"] != "ok"
    assert any("1000 points" in note["message"] for note in run["notes"])


def test_provider_spells_runs_as_tensorboard_does() -> None:
    found = provider_trainings(Provider({"a/b": {"loss": [1.0, math.nan]}, ".": {"loss": [2.0]}}))
    assert sorted(run.name for training in found for run in training.runs) == [".", "a/b"]
    assert provider_trainings(Provider()) == []


# --- places ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    yield tmp_path


def test_places_as_tensorboard_spells_them(home: Path) -> None:
    assert local_path("~/logs") == local_path("logs") == str(home / "logs")
    assert local_path("file:///a%20b/c") == "/a b/c"
    assert local_path("s3://bucket/logs") == "s3://bucket/logs"
    assert log_places("~/logs", "x:/y") == LogPlaces("~/logs", unnamed=(str(home / "logs"),))
    spec = log_places("", "one:~/a,two:/b:c,/d:e,gs://bucket/f")
    assert spec.named == {"one": str(home / "a"), "two": "/b:c"}
    assert spec.unnamed == ("/d:e", "gs://bucket/f")
    assert log_places(None, None) == LogPlaces("")


def test_the_page_stays_small() -> None:
    packed = sum(len(gzip.compress((module.STATIC / name).read_bytes(), 9)) for name in ("index.js", "style.css"))
    assert packed <= 120_000, f"{packed} bytes gzipped"


def test_a_deleted_folder_is_one_state_and_no_news_in_every_round(tmp_path: Path) -> None:
    """TensorBoard goes on giving the points of a folder that is gone: the tab must not flicker between the two."""
    import shutil

    logs.fine_tuning(tmp_path / "logs" / "a", train=logs.falling(2.5, 1.0), evals=None, steps=200)
    falling = logs.curve(300, logs.falling(2.5, 1.0), 0.01, 1)
    for provider, after in ((Provider({"a": {"train/loss": falling}}), ("ready", 1)), (Provider(), ("empty", 0))):
        logs.fine_tuning(tmp_path / "logs" / "a", train=logs.falling(2.5, 1.0), evals=None, steps=200)
        published: list[tuple[str, int]] = []
        follower = Follower(
            log_places(str(tmp_path / "logs"), None), lambda given=provider: provider_trainings(given), interval=5.0
        )
        follower._round()
        assert follower.snapshot.mode == "full"
        shutil.rmtree(tmp_path / "logs")
        whole = follower._publish

        def publish(whole: Any = whole, follower: Follower = follower, published: Any = published, **said: Any) -> None:
            whole(**said)
            published.append((follower.snapshot.state, len(follower.snapshot.runs)))

        follower._publish = publish  # type: ignore[method-assign]
        follower._round()
        revision = follower.snapshot.revision
        follower._round()
        assert set(published) == {after} and follower.snapshot.revision == revision
