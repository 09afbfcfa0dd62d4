"""The Diagnosis tab in a real TensorBoard, as a person uses it."""

from __future__ import annotations

import json
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import Frame, Page, expect

from tests.browser import logs
from tests.browser.conftest import OpenPage, Server, StartServer
from tests.support.writer import EventWriter

pytestmark = pytest.mark.browser


def names(frame: Frame) -> list[str]:
    return frame.locator("table.runs .open .name").all_inner_texts()


def open_run(frame: Frame, name: str) -> None:
    frame.locator("table.runs .open", has_text=name).first.click()
    frame.locator(".verdict h1").wait_for()


def get(url: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()


# --- how TensorBoard may be started ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "way", ["slow loading", "path prefix", "logdir_spec", "relative", "home", "file uri", "single run"]
)
def test_every_way_of_starting_shows_the_runs(
    way: str, start_server: StartServer, demo_logs: Path, open_page: OpenPage
) -> None:
    expected = {"qwen-full-5epochs", "qwen-fp16"}
    if way == "slow loading":
        server = start_server("--logdir", str(demo_logs), "--load_fast=false")
    elif way == "path prefix":
        server = start_server("--logdir", str(demo_logs), prefix="/some/where")
    elif way == "logdir_spec":
        server = start_server(
            "--logdir_spec", f"mine:{demo_logs / 'qwen-fp16'},other:{demo_logs / 'qwen-full-5epochs'}"
        )
        expected = {"mine/.", "other/."}
    elif way == "relative":
        server = start_server("--logdir", demo_logs.name, cwd=demo_logs.parent)
    elif way == "home":
        server = start_server("--logdir", f"~/{demo_logs.name}", HOME=str(demo_logs.parent))
    elif way == "file uri":
        server = start_server("--logdir", demo_logs.as_uri(), "--load_fast=false")
    else:
        server = start_server("--logdir", str(demo_logs / "qwen-fp16"))
        expected = set()
    watched = open_page()
    frame = watched.tab(server)
    if way == "single run":
        # With one run there is nothing to choose: it opens itself.
        expect(frame.locator(".verdict h1")).to_have_text("NaN or infinity")
    else:
        frame.locator("table.runs .open").first.wait_for()
        assert expected <= set(names(frame))
    server.stop()


# --- overview --------------------------------------------------------------------------------------------------------


def test_runs_come_worst_first_and_can_be_filtered_and_sorted(demo: Server, open_page: OpenPage) -> None:
    frame = open_page().tab(demo)
    rows = frame.locator("table.runs tbody tr")
    levels = [row.locator(".c-verdict .mark").get_attribute("class") or "" for row in rows.all()]
    order = [["bad", "warn", "info", "unknown", "ok"].index(level.split()[-1]) for level in levels]
    assert order == sorted(order)
    assert len(order) == 9

    frame.locator(".chip.bad").click()
    assert rows.count() == sum(1 for o in order if o == 0)
    expect(frame.locator(".chip.bad")).to_have_attribute("aria-pressed", "true")
    frame.locator(".chip.bad").click()

    frame.locator("#search").fill("qwen full")
    assert names(frame) == ["qwen-full-5epochs"]
    frame.locator("button.regex").click()
    frame.locator("#search").fill("^qwen-(fp16|resumed)$")
    assert sorted(names(frame)) == ["qwen-fp16", "qwen-resumed"]
    frame.locator("#search").fill("(")
    expect(frame.locator("#search-broken")).to_be_visible()
    frame.get_by_role("button", name="Clear filters").click()

    frame.get_by_role("button", name="Run", exact=True).click()
    assert names(frame) == sorted(names(frame))
    frame.get_by_role("button", name="Run", exact=True).click()
    assert names(frame) == sorted(names(frame), reverse=True)


def test_keyboard_alone_reaches_everything(demo: Server, open_page: OpenPage) -> None:
    watched = open_page()
    frame = watched.tab(demo)
    shown = names(frame)
    frame.locator("main").focus()
    keys = watched.page.keyboard
    keys.press("ArrowDown")
    keys.press("ArrowDown")
    expect(frame.locator("tr.marked .open")).to_have_text(shown[1])
    keys.press("Enter")
    expect(frame.locator(".run-name .name")).to_have_text(shown[1])
    keys.press("ArrowDown")
    expect(frame.locator(".run-name .name")).to_have_text(shown[2])
    keys.press("?")
    expect(frame.locator("dialog.help")).to_be_visible()
    keys.press("Escape")
    expect(frame.locator("dialog.help")).to_be_hidden()
    keys.press("Escape")
    frame.locator("table.runs").wait_for()
    keys.press("/")
    expect(frame.locator("#search")).to_be_focused()
    keys.type("fp16")
    assert names(frame) == ["qwen-fp16"]


def test_selected_runs_are_overlaid_and_compared(demo: Server, open_page: OpenPage) -> None:
    watched = open_page()
    frame = watched.tab(demo)
    for name in ("qwen-full-5epochs", "qwen-lora-r16", "qwen-fp16"):
        frame.get_by_label(f"Select {name}", exact=True).check()
    expect(frame.locator(".overview .chart-title").first).to_have_text("Eval loss")
    frame.get_by_role("button", name="Compare", exact=True).click()
    expect(frame.locator("h1")).to_have_text("Compare 3 runs")
    table = frame.locator(".compare-table")
    expect(table).to_contain_text("Overfitting")
    expect(table).to_contain_text("learning_rate")
    assert frame.locator(".compare canvas").count() == 2
    frame.get_by_label("Remove qwen-fp16").click()
    expect(frame.locator("h1")).to_have_text("Compare 2 runs")
    watched.page.reload()
    frame = watched.frame()
    expect(frame.locator("h1")).to_have_text("Compare 2 runs", timeout=20_000)


# --- run -------------------------------------------------------------------------------------------------------------


def test_a_run_shows_its_whole_report(demo: Server, open_page: OpenPage) -> None:
    frame = open_page().tab(demo)
    open_run(frame, "qwen-full-5epochs")
    status, _, body = get(demo.api("api/report?lang=en&run=qwen-full-5epochs"))
    assert status == 200
    run = json.loads(body)["runs"][0]
    expect(frame.locator(".headline")).to_have_text(run["verdict"]["headline"])
    expect(frame.locator(".verdict")).to_contain_text("Do this first")
    assert frame.locator(".finding").count() == len(run["findings"])
    for finding in run["findings"]:
        expect(frame.locator(".finding .message", has_text=finding["message"]).first).to_be_visible()
    recommended = next(c for c in run["checkpoints"] if c["recommended"])
    expect(frame.locator("tr.chosen")).to_contain_text(str(recommended["step"]))
    assert frame.locator("section[aria-labelledby=h-signals] li").count() == 7
    assert frame.locator("section[aria-labelledby=h-judgements] tbody tr").count() > 3
    assert frame.locator(".chart canvas").count() >= 4
    fired = [check for check in run["checks"] if check["outcome"] == "fired"]
    frame.locator("#h-checks").click()
    expect(frame.locator("section[aria-labelledby=h-checks]")).to_contain_text(fired[0]["rule"])


def test_native_chart_link_names_the_tags(demo: Server, open_page: OpenPage) -> None:
    frame = open_page().tab(demo)
    open_run(frame, "qwen-full-5epochs")
    link = frame.locator(".run-name a")
    address = urllib.parse.urlsplit(link.get_attribute("href") or "")
    query = urllib.parse.parse_qs(address.query)
    assert address.fragment == "timeseries"
    assert re.match(query["runFilter"][0], "qwen-full-5epochs")
    assert re.match(query["tagFilter"][0], "train/loss") and re.match(query["tagFilter"][0], "eval/loss")
    assert link.get_attribute("target") == "_parent"


def drag(page: Page, frame: Frame, from_share: float, to_share: float) -> None:
    box = frame.locator(".chart .u-over").first.bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * from_share, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * to_share, y, steps=5)
    page.mouse.up()


def zoom_of(page: Page) -> list[float]:
    found = re.search(r"p\.evalguide\.zoom=([\d.]+)~([\d.]+)", urllib.parse.unquote(page.url))
    return [float(found[1]), float(found[2])] if found else []


def test_zoom_axes_and_address(demo: Server, open_page: OpenPage) -> None:
    watched = open_page()
    page, frame = watched.page, watched.tab(demo)
    open_run(frame, "qwen-full-5epochs")
    frame.locator(".chart canvas").first.wait_for()
    drag(page, frame, 0.25, 0.75)
    page.wait_for_function("location.hash.includes('zoom')")
    low, high = zoom_of(page)
    assert 130 < low < 180 and 420 < high < 480
    reset = frame.get_by_role("button", name="Reset zoom")
    expect(reset).to_be_enabled()
    # Reload and a change of tab bring the same view back.
    page.reload()
    frame = watched.frame()
    expect(frame.locator(".run-name .name")).to_have_text("qwen-full-5epochs", timeout=20_000)
    assert zoom_of(page) == [low, high]
    frame.locator(".chart .u-over").first.dblclick()
    page.wait_for_function("!location.hash.includes('zoom')")
    # Evidence of a finding is one click away.
    frame.locator(".finding .evidence button").first.click()
    page.wait_for_function("location.hash.includes('zoom')")
    frame.get_by_role("button", name="Reset zoom").click()
    for axis in ("Epoch", "Relative", "Wall"):
        frame.get_by_role("button", name=axis, exact=True).click()
        page.wait_for_function(f"location.hash.includes('evalguide.x={axis.lower()}')")
    frame.get_by_role("button", name="Log", exact=True).click()
    page.wait_for_function("location.hash.includes('evalguide.y=log')")
    # The crosshair shows values in all charts, also by keyboard; and no chart moves while it does.
    rate = frame.locator(".chart.compact .readout .number").first
    last = rate.inner_text()
    heights = "[...document.querySelectorAll('.chart')].map(c => c.getBoundingClientRect().height)"
    before = frame.evaluate(heights)
    frame.locator(".plot-box").first.focus()
    page.keyboard.press("ArrowRight")
    expect(rate).not_to_have_text(last)
    for _ in range(12):
        page.keyboard.press("Shift+ArrowRight")
        assert frame.evaluate(heights) == before


def test_another_tab_and_back_keeps_the_view(demo: Server, open_page: OpenPage) -> None:
    watched = open_page()
    page, frame = watched.page, watched.tab(demo)
    open_run(frame, "qwen-full-5epochs")
    page.wait_for_function("location.hash.includes('qwen-full-5epochs')")
    page.locator("[role=tab]", has_text=re.compile("time series", re.IGNORECASE)).first.click()
    page.wait_for_function("location.hash.startsWith('#timeseries')")
    page.wait_for_timeout(500)
    page.locator("[role=tab]", has_text=re.compile("diagnosis", re.IGNORECASE)).first.click()
    page.wait_for_function("location.hash.includes('qwen-full-5epochs')")
    expect(frame.locator(".run-name .name")).to_have_text("qwen-full-5epochs")


def test_long_curves_become_finer_when_zoomed(tmp_path: Path, start_server: StartServer, open_page: OpenPage) -> None:
    with EventWriter(tmp_path / "long", time.time() - 20_000, seconds_per_event=2) as writer:
        for step, loss in enumerate(logs.curve(8000, logs.falling(2.5, 1.0), 0.03, 1)):
            writer.scalars({"train/loss": 50.0 if step == 4001 else loss}, step)
            if step % 500 == 499:
                writer.scalars({"eval/loss": loss + 0.05}, step)
    server = start_server("--logdir", str(tmp_path))
    watched = open_page()
    asked: list[str] = []
    watched.page.on("request", lambda r: asked.append(r.url) if "api/series" in r.url else None)
    frame = watched.tab(server)
    expect(frame.locator(".under").first).to_contain_text("of 8,000 points")
    values = json.loads(get(server.api("api/report?run=long"))[2])["runs"][0]["curves"]["train_loss"]["values"]
    assert 50.0 in values, "thinning must keep the spike"
    drag(watched.page, frame, 0.45, 0.55)
    watched.page.wait_for_timeout(1500)
    assert len(asked) == 1
    expect(frame.locator(".under").first).not_to_contain_text("of 8,000 points")
    server.stop()


# --- language, theme, sizes ------------------------------------------------------------------------------------------


def test_korean_is_complete_and_remembered(demo: Server, open_page: OpenPage) -> None:
    watched = open_page()
    frame = watched.tab(demo)
    frame.get_by_role("button", name="한국어").click()
    expect(frame.locator(".brand")).to_have_text("진단")
    expect(frame.locator("html")).to_have_attribute("lang", "ko")
    open_run(frame, "qwen-full-5epochs")
    expect(frame.locator(".verdict h1")).to_have_text("과적합")
    headline = json.loads(get(demo.api("api/report?lang=ko&run=qwen-full-5epochs"))[2])["runs"][0]["verdict"][
        "headline"
    ]
    expect(frame.locator(".headline")).to_have_text(headline)
    watched.page.reload()
    expect(watched.frame().locator(".verdict h1")).to_have_text("과적합", timeout=20_000)


def test_dark_follows_tensorboard(demo: Server, open_page: OpenPage) -> None:
    watched = open_page()
    frame = watched.tab(demo)
    ground = "getComputedStyle(document.body).backgroundColor"
    light = frame.evaluate(ground)
    watched.page.evaluate("document.body.classList.add('dark-mode')")
    frame.locator("html[data-theme=dark]").wait_for(state="attached")
    dark = frame.evaluate(ground)
    assert sum(map(int, re.findall(r"\d+", dark))) < 200 < sum(map(int, re.findall(r"\d+", light)))


@pytest.mark.parametrize("width", [1400, 1000, 844, 600, 480])
def test_nothing_is_cut_off(width: int, demo: Server, open_page: OpenPage) -> None:
    frame = open_page(width, 900).tab(demo)
    # Columns of the table give way before it scrolls sideways.
    table = frame.locator(".table-box")
    assert table.evaluate("box => box.scrollWidth <= box.clientWidth")
    open_run(frame, "qwen-full-5epochs")
    frame.locator(".chart canvas").first.wait_for()
    assert frame.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_accessibility(demo: Server, open_page: OpenPage) -> None:
    axe = Path(__file__).parents[2] / "frontend/node_modules/axe-core/axe.min.js"
    for theme in ("light", "dark"):
        watched = open_page()
        frame = watched.tab(demo)
        if theme == "dark":
            watched.page.evaluate("document.body.classList.add('dark-mode')")
        for step in ("overview", "run", "compare", "help"):
            if step == "run":
                open_run(frame, "qwen-full-5epochs")
                frame.locator(".chart canvas").first.wait_for()
            elif step == "compare":
                frame.get_by_role("button", name="All runs").click()
                for box in frame.locator("td.c-select input").all()[:3]:
                    box.check()
                frame.get_by_role("button", name="Compare", exact=True).click()
                frame.locator(".compare canvas").first.wait_for()
            elif step == "help":
                frame.get_by_role("button", name="Help").click()
            frame.evaluate(axe.read_text(encoding="utf-8"))  # not as an element: the policy rightly forbids that
            found = frame.evaluate("axe.run(document, {resultTypes: ['violations']})")
            violations = [f"{v['id']}: {v['nodes'][0]['html'][:160]}" for v in found["violations"]]
            assert not violations, (theme, step, violations)


# --- growth, idleness, loss of the server ----------------------------------------------------------------------------


def test_new_points_appear_and_leave_the_reader_in_place(
    tmp_path: Path, start_server: StartServer, open_page: OpenPage
) -> None:
    logs.fine_tuning(
        tmp_path / "grows", train=logs.falling(2.5, 1.0), evals=logs.falling(2.55, 1.1), steps=200, planned=600
    )
    logs.fine_tuning(tmp_path / "still", train=logs.falling(2.5, 1.0), evals=logs.falling(2.55, 1.1))
    server = start_server("--logdir", str(tmp_path))
    watched = open_page()
    frame = watched.tab(server)
    open_run(frame, "grows")
    step = frame.locator(".facts dl > div", has=frame.get_by_text("Step", exact=True)).locator(".fact")
    expect(step).to_have_text("200 / 600")
    frame.locator("#h-checks").click()
    frame.evaluate("window.scrollTo(0, 700)")
    frame.evaluate("window.reading = document.elementFromPoint(500, 8)")
    place = frame.evaluate("window.reading.getBoundingClientRect().top")
    with EventWriter(tmp_path / "grows", time.time()) as writer:
        for now in range(205, 405, 5):
            writer.scalars({"train/loss": 1.5, "train/learning_rate": 1e-4}, now)
    started = time.monotonic()
    expect(step).to_have_text("400 / 600", timeout=15_000)
    assert time.monotonic() - started < 8.0, "the default reload interval is 5 s"
    # What was read stays where it was, whatever grew above it.
    assert abs(frame.evaluate("window.reading.getBoundingClientRect().top") - place) < 3
    assert frame.locator("section[aria-labelledby=h-checks] details").get_attribute("open") is not None
    # A new run appears as well.
    logs.fine_tuning(tmp_path / "third", train=logs.falling(2.5, 1.0), evals=None)
    expect(frame.locator(".rail li")).to_have_count(3, timeout=15_000)
    server.stop()


def test_an_idle_and_a_hidden_tab_cost_nothing(demo: Server, open_page: OpenPage) -> None:
    watched = open_page()
    frame = watched.tab(demo)
    open_run(frame, "qwen-full-5epochs")
    watched.page.wait_for_timeout(1000)
    asked: list[str] = []
    watched.page.on("request", lambda r: asked.append(r.url) if "/plugin/evalguide/" in r.url else None)
    for _ in range(20):  # on a busy machine the first reading may still be going on: idle begins when it is done
        asked.clear()
        watched.page.wait_for_timeout(2000)
        if all(url.endswith("api/status") for url in asked):
            break
    asked.clear()
    watched.page.wait_for_timeout(3500)
    assert asked and all(url.endswith("api/status") for url in asked)
    watched.page.evaluate("location.hash = '#timeseries'")
    watched.page.wait_for_timeout(1500)
    asked.clear()
    watched.page.wait_for_timeout(3500)
    assert asked == []
    assert frame is not None


def test_unchanged_report_is_answered_with_304(demo: Server) -> None:
    for path in ("api/report?view=overview", "api/report?run=qwen-fp16", "api/report"):
        status, headers, body = get(demo.api(path))
        assert status == 200 and len(body) > 100
        again, _, nothing = get(demo.api(path), **{"If-None-Match": headers["ETag"]})
        assert (again, nothing) == (304, b"")


def test_survives_a_restart_of_the_server(demo_logs: Path, start_server: StartServer, open_page: OpenPage) -> None:
    server = start_server("--logdir", str(demo_logs))
    watched = open_page()
    frame = watched.tab(server)
    open_run(frame, "qwen-fp16")
    server.stop()
    banner = frame.locator(".banner.bad")
    expect(banner).to_contain_text("TensorBoard does not answer", timeout=15_000)
    expect(frame.locator(".verdict h1")).to_have_text("NaN or infinity")
    server.start()
    expect(banner).to_be_hidden(timeout=20_000)
    expect(frame.locator(".verdict h1")).to_have_text("NaN or infinity")
    # The browser itself reports every request that found nobody.
    watched.faults[:] = [
        fault for fault in watched.faults if "ERR_CONNECTION" not in fault and "ERR_EMPTY_RESPONSE" not in fault
    ]
    server.stop()


def test_empty_folder_fills_by_itself(tmp_path: Path, start_server: StartServer, open_page: OpenPage) -> None:
    server = start_server("--logdir", str(tmp_path))
    watched = open_page()
    frame = watched.tab(server, ready=False)
    expect(frame.locator("h1")).to_have_text("No training runs here yet", timeout=20_000)
    logs.fine_tuning(tmp_path / "first", train=logs.falling(2.5, 1.0), evals=logs.falling(2.55, 1.1))
    expect(frame.locator(".verdict h1")).to_have_text("Healthy", timeout=20_000)
    server.stop()


# --- many runs -------------------------------------------------------------------------------------------------------


def test_a_thousand_runs(tmp_path: Path, start_server: StartServer, open_page: OpenPage) -> None:
    server = start_server("--logdir", str(logs.many(tmp_path)))
    deadline = time.monotonic() + 90
    while json.loads(get(server.api("api/status"))[2])["state"] != "ready":
        assert time.monotonic() < deadline, "a thousand runs took too long to read"
        time.sleep(0.5)
    status, headers, body = get(server.api("api/report?view=overview"), **{"Accept-Encoding": "gzip"})
    assert status == 200
    assert len(body) < 400_000, "no request is larger than it needs"
    watched = open_page()
    frame = watched.tab(server)
    expect(frame.locator("table.runs")).to_have_attribute("aria-rowcount", "1001")
    assert frame.locator("table.runs tbody tr").count() < 80, "only rows in sight are drawn"
    # Processor time of the page's own thread, so that a busy machine does not fail a quick page.
    clock = watched.page.context.new_cdp_session(watched.page)
    clock.send("Performance.enable", {"timeDomain": "threadTicks"})

    def spent() -> float:
        metrics = clock.send("Performance.getMetrics")["metrics"]
        return float(next(m["value"] for m in metrics if m["name"] == "TaskDuration"))

    before = spent()
    frame.evaluate(
        """async () => {
            const box = document.querySelector('.table-box');
            for (let i = 1; i <= 30; i++) {
                box.scrollTop = i * 1200;
                await new Promise(requestAnimationFrame);
                await new Promise(requestAnimationFrame);
            }
        }"""
    )
    assert (spent() - before) / 30 < 0.05, "scrolling by a whole screen must stay smooth"
    expect(frame.locator("table.runs .open").first).to_be_visible()
    # All data anew: fetched, parsed, sorted, drawn.
    before = spent()
    with watched.page.expect_response(lambda r: "view=overview" in r.url and "lang=ko" in r.url, timeout=60_000):
        frame.get_by_role("button", name="한국어").click()
    expect(frame.locator(".c-verdict .cut").first).to_have_text(re.compile("[가-힣]"))
    watched.page.wait_for_timeout(500)
    assert spent() - before < 1.0, "from the data to the table in under a second"
    server.stop()


# --- hostile names ---------------------------------------------------------------------------------------------------


def test_hostile_names_stay_text(tmp_path: Path, start_server: StartServer, open_page: OpenPage) -> None:
    server = start_server("--logdir", str(logs.hostile(tmp_path)))
    watched = open_page()
    frame = watched.tab(server)
    shown = names(frame)
    assert any("<img src=x onerror=alert(1)>" in name for name in shown)
    assert any("⟨202E⟩gnp.live⟨202C⟩" in name for name in shown), "direction marks are made visible"
    for index in range(len(shown)):
        frame.locator("table.runs .open").nth(index).click()
        frame.locator(".verdict h1").wait_for()
        frame.locator("#h-details").click()
        frame.get_by_role("button", name="All runs").click()
        frame.locator("table.runs").wait_for()
    for box in frame.locator("td.c-select input").all()[:8]:
        box.check()
    frame.get_by_role("button", name="Compare", exact=True).click()
    frame.locator(".compare-table").wait_for()
    assert frame.locator("img, svg[onload], script:not([src]):not([type=module])").count() == 0
    assert frame.evaluate("document.querySelectorAll('[onerror],[onclick],[onload]').length") == 0
    server.stop()


def test_routes_only_read(demo: Server) -> None:
    for path in ("api/report", "api/status", "api/series?run=x&from=0&to=1", "api/export?format=json", "index.js"):
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            request = urllib.request.Request(demo.api(path), method=method, data=b"")
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(request, timeout=10)
            assert refused.value.code == 405, (path, method)
    for path in (
        "../plugin.py",
        "plugin.py",
        "%2e%2e/plugin.py",
        "static/index.js",
        "index.js/../../plugin.py",
        "api/../index.html",
    ):
        assert get(demo.api(path))[0] == 404, path
    status, headers, _ = get(demo.api("index.js"))
    assert status == 200 and headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("format", "start"), [("html", b"<!DOCTYPE html>"), ("markdown", b""), ("csv", b""), ("json", b"{")]
)
def test_export(format: str, start: bytes, demo: Server, open_page: OpenPage) -> None:
    watched = open_page(accept_downloads=True)
    frame = watched.tab(demo)
    open_run(frame, "qwen-fp16")
    frame.get_by_role("button", name="Export").click()
    label = {"html": "HTML report", "markdown": "Markdown", "csv": "CSV", "json": "JSON"}[format]
    with watched.page.expect_download() as download:
        frame.locator(".menu-box a", has_text=label).click()
    content = Path(download.value.path()).read_bytes()
    assert content.startswith(start)
    assert b"qwen-fp16" in content and b"qwen-resumed" not in content
