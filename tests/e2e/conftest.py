"""A real, headless Chromium, the newest Airflow with its UI beside a sandbox, and a list of what was proved."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

# What starts Airflow and other servers.
sys.path += [str(Path(__file__).parents[up] / folder) for up, folder in ((0, ""), (1, ""), (2, "scripts"))]

from airflow_ui import Playground

TIMEOUT = 30
SWITCHES = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]
IMAGES = Path(__file__).parents[2] / "docs" / "images"
MAX_IMAGE = 150_000  # bytes
PROVED = pytest.StashKey[list[str]]()


@pytest.fixture
def proved(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Return what a test calls at its end, with a sentence that says what it proved."""
    return request.config.stash.setdefault(PROVED, []).append


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Show what was proved, line by line."""
    if lines := config.stash.get(PROVED, []):
        terminalreporter.section("proved")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start the Chromium of the machine."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    assert path, "Chromium is needed: apt-get install chromium, or set CHROMIUM to its path"
    expect.set_options(timeout=TIMEOUT * 1000)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, headless=True, args=SWITCHES)
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Open a tab with nothing in it."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB", timezone_id="UTC")
    tab = context.new_page()
    tab.set_default_timeout(TIMEOUT * 1000)
    yield tab
    context.close()


@pytest.fixture
def picture(page: Page) -> Callable[[str], None]:
    """Return what takes a picture of the tab for the documents; only SCREENSHOTS=1 writes it there."""

    def take(name: str) -> None:
        if os.environ.get("SCREENSHOTS") == "1":
            path = IMAGES / f"{name}.png"
            page.screenshot(path=path, animations="disabled")
            assert path.stat().st_size <= MAX_IMAGE, name

    return take


@pytest.fixture(scope="session")
def playground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Playground]:
    """Start Airflow with its UI and a sandbox, once for all tests that click through them; leave nothing behind."""
    running = Playground(tmp_path_factory.mktemp("playground"))
    try:
        running.wait_until_ready()
        yield running
    finally:
        running.stop()
