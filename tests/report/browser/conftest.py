"""A headless Chromium, where the machine has one, and a page in it that remembers what went wrong."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

playwright = pytest.importorskip("playwright.sync_api")

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
QUIET += ["--disable-component-update", "--disable-sync"]


@dataclass
class Tab:
    """A page.

    Attributes:
        page: playwright's.
        asked: addresses of all that was requested, but for what the page holds in itself.
        errors: what the console and scripts said went wrong, and dialogs that popped up.
    """

    page: Any
    asked: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def request(self, request: Any) -> None:
        if not request.url.startswith("data:"):
            self.asked.append(request.url)

    def say(self, said: Any) -> None:
        if said.type == "error":
            self.errors.append(said.text)

    def pop_up(self, dialog: Any) -> None:
        self.errors.append(dialog.message)
        dialog.dismiss()

    def open(self, address: str, width: int = 1280) -> None:
        self.page.set_viewport_size({"width": width, "height": 900})
        self.page.goto(address)

    def draw_all(self) -> int:
        """Scrolls down until all figures that are unfolded are drawn."""
        plots = self.page.locator(".plot:visible")
        for place in range(plots.count()):
            plots.nth(place).scroll_into_view_if_needed()
            self.page.wait_for_function("plot => plot.dataset.drawn", arg=plots.nth(place).element_handle())
        return int(plots.count())

    def pictures(self) -> list[int]:
        """The natural width of each picture; 0 of what is not shown."""
        self.page.wait_for_function("[...document.images].every(image => image.complete)")
        widths: list[int] = self.page.evaluate("[...document.images].map(image => image.naturalWidth)")
        return widths

    def overflow(self) -> int:
        """Pixels by which the page is wider than its window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - innerWidth"))


@pytest.fixture(scope="package")  # not longer: playwright's sync API makes asyncio report a running loop meanwhile
def chromium() -> Iterator[Any]:
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip("no Chromium on this machine (apt-get install chromium)")
    with playwright.sync_playwright() as library:
        browser = library.chromium.launch(executable_path=path, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def tab(chromium: Any) -> Iterator[Tab]:
    context = chromium.new_context()
    context.set_default_timeout(90_000)  # processors may be few and busy
    tab = Tab(context.new_page())
    tab.page.on("request", tab.request)
    tab.page.on("pageerror", lambda error: tab.errors.append(str(error)))
    tab.page.on("console", tab.say)
    tab.page.on("dialog", tab.pop_up)
    yield tab
    context.close()
