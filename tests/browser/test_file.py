"""The HTML report opened from disk: no server, no network, a strict policy."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tb_evalguide import diagnose
from tb_evalguide.render.html import render_html
from tests.browser import logs
from tests.browser.conftest import OpenPage

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def report(demo_logs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("file") / "report.html"
    path.write_text(render_html(diagnose(demo_logs), "en"), encoding="utf-8")
    return path


def test_opens_from_disk_offline(report: Path, open_page: OpenPage) -> None:
    watched = open_page(offline=True)
    page = watched.page
    page.goto(report.as_uri())
    expect(page.locator("table.runs tbody tr")).to_have_count(9)
    page.locator("table.runs .open", has_text="qwen-full-5epochs").click()
    expect(page.locator(".verdict h1")).to_have_text("Overfitting")
    assert page.locator(".chart canvas").count() >= 4
    page.get_by_role("button", name="한국어").click()
    expect(page.locator(".verdict h1")).to_have_text("과적합")
    page.get_by_role("button", name="어둡게").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    # The view is in the address: it survives a reload.
    page.reload()
    expect(page.locator(".run-name .name")).to_have_text("qwen-full-5epochs")


def test_phone(report: Path, open_page: OpenPage) -> None:
    watched = open_page(390, 844, has_touch=True, is_mobile=True)
    page = watched.page
    page.goto(report.as_uri())
    page.locator("table.runs .open", has_text="qwen-fp16").tap()
    expect(page.locator(".verdict h1")).to_have_text("NaN or infinity")
    page.locator(".chart canvas").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    # The words of a row stand under its numbers, where nobody has to scroll for them.
    for words in page.locator(".data.fold tbody tr:first-child .own:last-child").all():
        box = words.bounding_box()
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= 390


def test_json_export_holds_the_report(report: Path, open_page: OpenPage) -> None:
    watched = open_page(accept_downloads=True)
    watched.page.goto(report.as_uri())
    watched.page.get_by_role("button", name="Export").click()
    with watched.page.expect_download() as download:
        watched.page.locator(".menu-box button", has_text="JSON").click()
    assert Path(download.value.path()).read_text(encoding="utf-8").startswith("{")


def test_hostile_names_stay_text(tmp_path: Path, open_page: OpenPage) -> None:
    html = render_html(diagnose(logs.hostile(tmp_path / "logs")), "en")
    assert len(re.findall(r"</script", html)) == 2, "the embedded report must not end its element"
    path = tmp_path / "report.html"
    path.write_text(html, encoding="utf-8")
    watched = open_page(offline=True)
    page = watched.page
    page.goto(path.as_uri())
    page.locator("table.runs .open").first.wait_for()
    for index in range(page.locator("table.runs .open").count()):
        page.locator("table.runs .open").nth(index).click()
        page.locator(".verdict h1").wait_for()
        page.get_by_role("button", name="All runs").click()
        page.locator("table.runs").wait_for()
    assert page.locator("img").count() == 0


def test_policy_stops_what_is_not_ours(report: Path, open_page: OpenPage, tmp_path: Path) -> None:
    """The shield itself: a script and an image put into the file do not run."""
    spoiled = tmp_path / "spoiled.html"
    steal = "document.title='taken'"
    attack = f"<script>{steal}</script><img src='https://example.org/x.png' onerror=\"{steal}\">"
    spoiled.write_text(report.read_text(encoding="utf-8").replace("</body>", attack + "</body>"), encoding="utf-8")
    watched = open_page()
    watched.page.goto(spoiled.as_uri())
    watched.page.locator("table.runs .open").first.wait_for()
    assert watched.page.title() == "Diagnosis"
    violations = [fault for fault in watched.faults if "Content Security Policy" in fault or "CSP" in fault]
    assert len(violations) >= 2
    watched.faults.clear()
