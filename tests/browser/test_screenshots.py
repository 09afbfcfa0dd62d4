"""Every state of the page, looked at: EVALGUIDE_SCREENSHOTS=docs/img writes the pictures of the documentation."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Frame, Page, Route, expect

from tb_evalguide import diagnose
from tb_evalguide.render.html import render_html
from tests.browser.conftest import OpenPage, Server, StartServer, Watched

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
LARGEST = 200_000  # bytes of one picture, so that the repository stays small


@pytest.fixture(scope="module")
def shown(start_server: StartServer) -> Server:
    """TensorBoard over the demonstration logs of the repository: what a newcomer sees first."""
    return start_server("--logdir", str(ROOT / "demo_logs"))


Shoot = Callable[[Page, str], None]


@pytest.fixture
def shoot(tmp_path: Path) -> Shoot:
    folder = Path(os.environ.get("EVALGUIDE_SCREENSHOTS") or tmp_path)

    def take(page: Page, name: str) -> None:
        # The mouse rests where it shows no crosshair, and TensorBoard's own tooltip is gone.
        page.mouse.move(2, 2)
        page.wait_for_timeout(400)
        path = (ROOT / folder if not folder.is_absolute() else folder) / f"{name}.png"
        page.screenshot(path=path)
        assert path.stat().st_size < LARGEST, f"{path.name} is larger than {LARGEST} bytes"

    return take


def choose(frame: Frame, name: str) -> None:
    frame.locator("table.runs .open", has_text=name).first.click()
    frame.locator(".chart canvas").first.wait_for()


def ready(watched: Watched, server: Server) -> Frame:
    frame = watched.tab(server)
    frame.locator("table.runs .open").first.wait_for()
    expect(frame.locator(".banner")).to_have_count(0, timeout=60_000)
    return frame


def test_tab(shown: Server, open_page: OpenPage, shoot: Shoot) -> None:
    watched = open_page(1280, 760)
    frame = ready(watched, shown)
    shoot(watched.page, "overview")
    choose(frame, "overfitting")
    expect(frame.locator(".verdict h1")).to_have_text("Overfitting")
    shoot(watched.page, "tab")
    watched.page.set_viewport_size({"width": 1100, "height": 700})
    frame.evaluate("document.getElementById('h-findings').scrollIntoView()")
    shoot(watched.page, "findings")
    frame.evaluate("document.getElementById('h-checkpoints').scrollIntoView()")
    shoot(watched.page, "checkpoints")
    frame.get_by_role("button", name="Help").click()
    expect(frame.locator("dialog.help")).to_be_visible()
    shoot(watched.page, "help")


def test_dark(shown: Server, open_page: OpenPage, shoot: Shoot) -> None:
    watched = open_page(1280, 800)
    frame = ready(watched, shown)
    watched.page.evaluate("document.body.classList.add('dark-mode')")
    frame.locator("html[data-theme=dark]").wait_for(state="attached")
    choose(frame, "nan")
    shoot(watched.page, "dark")


def test_korean(shown: Server, open_page: OpenPage, shoot: Shoot) -> None:
    watched = open_page(1280, 800)
    frame = ready(watched, shown)
    frame.get_by_role("button", name="한국어").click()
    choose(frame, "overfitting")
    expect(frame.locator(".verdict h1")).to_have_text("과적합")
    shoot(watched.page, "korean")


def test_compare(shown: Server, open_page: OpenPage, shoot: Shoot) -> None:
    watched = open_page(1280, 800)
    frame = ready(watched, shown)
    for name in ("ideal", "overfitting", "underfitting", "lr_too_low"):
        frame.get_by_label(f"Select {name}", exact=True).check()
    frame.get_by_role("button", name="Compare", exact=True).click()
    frame.locator(".compare canvas").first.wait_for()
    shoot(watched.page, "compare")


def test_narrow(shown: Server, open_page: OpenPage, shoot: Shoot) -> None:
    watched = open_page(600, 900)
    frame = ready(watched, shown)
    shoot(watched.page, "narrow-overview")
    choose(frame, "overfitting")
    shoot(watched.page, "narrow")


def test_phone(demo_logs: Path, tmp_path: Path, open_page: OpenPage, shoot: Shoot) -> None:
    path = tmp_path / "report.html"
    path.write_text(render_html(diagnose(demo_logs), "en"), encoding="utf-8")
    watched = open_page(390, 844, is_mobile=True, has_touch=True, color_scheme="dark")
    watched.page.goto(path.as_uri())
    watched.page.locator("table.runs .open", has_text="qwen-full-5epochs").tap()
    watched.page.locator(".chart canvas").first.wait_for()
    shoot(watched.page, "phone")


STATES: dict[str, tuple[dict[str, Any], str]] = {
    "loading": ({"state": "reading", "runs": 0, "progress": {"done": 340, "total": 1000}}, "340 of 1,000 runs"),
    "partial": ({"state": "reading", "progress": {"done": 340, "total": 1000}}, "What is here is already complete"),
    "empty": ({"state": "empty", "runs": 0, "progress": None}, "No training runs here yet"),
    "error": (
        {"state": "error", "runs": 0, "reason": "/logs: cannot be read (permission denied). Check its permissions."},
        "permission denied",
    ),
    "stale": (
        {"state": "error", "reason": "evalguide.toml: unknown key profil (profile?)."},
        "The newest reading failed",
    ),
    "sampled": ({"mode": "sampled"}, "at most 1,000 points per tag"),
}


@pytest.mark.parametrize("name", STATES)
def test_states(name: str, demo: Server, open_page: OpenPage, shoot: Shoot) -> None:
    """The server's states, each told to the page in place of the present one."""
    told, words = STATES[name]
    watched = open_page(1100, 560)

    def answer(route: Route) -> None:
        real = route.fetch().json()
        route.fulfill(json={**real, **told})

    watched.page.route("**/api/status", answer)
    frame = watched.tab(demo, ready=False)
    expect(frame.locator(".page")).to_contain_text(words, timeout=20_000)
    shoot(watched.page, f"state-{name}")
    watched.page.unroute_all(behavior="ignoreErrors")


def test_connection_gone(demo: Server, open_page: OpenPage, shoot: Shoot) -> None:
    watched = open_page(1100, 560)
    frame = ready(watched, demo)
    watched.page.route("**/api/status", lambda route: route.abort())
    expect(frame.locator(".banner.bad")).to_contain_text("TensorBoard does not answer", timeout=20_000)
    shoot(watched.page, "state-gone")
    watched.page.unroute_all(behavior="ignoreErrors")
    expect(frame.locator(".banner.bad")).to_be_hidden(timeout=20_000)
    # The browser reports each request that was cut off.
    watched.faults[:] = [fault for fault in watched.faults if "ERR_FAILED" not in fault]


def test_filtered_to_nothing(demo: Server, open_page: OpenPage, shoot: Shoot) -> None:
    watched = open_page(1100, 560)
    frame = ready(watched, demo)
    frame.locator("#search").fill("no such run")
    expect(frame.locator(".nothing")).to_be_visible()
    shoot(watched.page, "state-filtered")


def test_pictures_in_the_documentation_exist() -> None:
    names = {path.stem for path in (ROOT / "docs/img").glob("*.png")}
    wanted = {"tab", "overview", "findings", "checkpoints", "compare", "dark", "korean", "narrow", "phone"}
    assert wanted | {f"state-{state}" for state in STATES} | {"state-gone", "state-filtered"} <= names
