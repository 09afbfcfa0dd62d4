"""TensorBoard as a real process, Chromium as a real browser, and a page that forgives nothing."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Frame, Page, sync_playwright

from tests.browser import logs

CHROMIUM = os.environ.get("EVALGUIDE_CHROMIUM", "/usr/bin/chromium")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
START_SECONDS = 60.0
# TensorBoard's own words in the console, not ours.
NOT_OURS = re.compile(r"Multiple instances of Three\.js|fonts\.googleapis|webfonts|/font-roboto/|favicon")


@dataclass
class Server:
    """One TensorBoard process."""

    arguments: list[str]
    port: int
    prefix: str = ""
    cwd: Path | None = None
    environ: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.prefix}/"

    def api(self, path: str) -> str:
        return f"{self.url}data/plugin/evalguide/{path}"

    def start(self) -> Server:
        command = [
            sys.executable,
            "-m",
            "tensorboard.main",
            *self.arguments,
            "--port",
            str(self.port),
            "--host",
            "127.0.0.1",
        ]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.cwd,
            env={**os.environ, **self.environ},
            start_new_session=True,
        )
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                urllib.request.urlopen(self.url + "data/plugins_listing", timeout=5).read()
                return self
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                if self.process.poll() is not None:
                    raise AssertionError(f"TensorBoard ended with status {self.process.returncode}") from None
                if time.monotonic() > deadline:
                    raise AssertionError("TensorBoard did not start") from None
                time.sleep(0.1)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            # With fast loading TensorBoard has a data server as its child: the whole group ends.
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(20)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


StartServer = Callable[..., Server]


@pytest.fixture(scope="session")
def start_server() -> Iterator[StartServer]:
    started: list[Server] = []

    def start(*arguments: str, prefix: str = "", cwd: Path | None = None, **environ: str) -> Server:
        server = Server([*arguments, *(["--path_prefix", prefix] if prefix else [])], free_port(), prefix, cwd, environ)
        started.append(server)
        return server.start()

    yield start
    for server in started:
        server.stop()


@pytest.fixture(scope="session")
def demo_logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return logs.demo(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="session")
def demo(start_server: StartServer, demo_logs: Path) -> Server:
    """TensorBoard over the demonstration runs, started as anybody would."""
    return start_server("--logdir", str(demo_logs))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not Path(CHROMIUM).is_file():
        pytest.fail(f"no browser at {CHROMIUM}: install Debian's chromium, or set EVALGUIDE_CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@dataclass
class Watched:
    """A page and everything that it must not do."""

    page: Page
    faults: list[str]

    def tab(self, server: Server, fragment: str = "", *, ready: bool = True) -> Frame:
        """Opens the Diagnosis tab and returns its frame."""
        self.page.goto(f"{server.url}#evalguide{fragment}")
        frame = self.frame()
        if ready:
            frame.locator("main:not(.nothing-yet)").wait_for(timeout=30_000)
        return frame

    def frame(self) -> Frame:
        element = self.page.locator("iframe").first.element_handle(timeout=30_000)
        assert element is not None
        frame = element.content_frame()
        assert frame is not None
        return frame


OpenPage = Callable[..., Watched]


@pytest.fixture
def open_page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[OpenPage]:
    """Makes pages; afterwards fails for any dialog, console error, policy violation or request to elsewhere."""
    contexts: list[BrowserContext] = []
    watched: list[Watched] = []

    def make(width: int = 1400, height: int = 900, **options: Any) -> Watched:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            locale=options.pop("locale", "en-US"),
            timezone_id="UTC",
            **options,
        )
        contexts.append(context)
        page = context.new_page()
        found = Watched(page, [])
        watched.append(found)
        watch(page, found.faults)
        return found

    yield make
    faults = [fault for w in watched for fault in w.faults]
    for context in contexts:
        context.close()
    assert not faults, faults


def watch(page: Page, faults: list[str]) -> None:
    def on_console(message: Any) -> None:
        text = f"{message.text} {message.location.get('url', '')}"
        if message.type == "error" and not NOT_OURS.search(text):
            faults.append(f"console: {text}")

    def on_dialog(dialog: Any) -> None:
        faults.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def on_request(outgoing: Any) -> None:
        url = outgoing.url
        if not url.startswith(("http://127.0.0.1:", "file://", "data:", "blob:", "about:")) and not NOT_OURS.search(
            url
        ):
            faults.append(f"request to elsewhere: {url}")

    page.on("console", on_console)
    page.on("pageerror", lambda error: faults.append(f"error: {error}"))
    page.on("dialog", on_dialog)
    page.on("request", on_request)
    # Policy violations come as console errors too; the event names the directive.
    page.add_init_script(
        "document.addEventListener('securitypolicyviolation', "
        "e => console.error('CSP ' + e.violatedDirective + ' ' + e.blockedURI))"
    )
