"""Pages of the documentation in a browser: light and dark, narrow and wide."""

from pathlib import Path
from typing import Any

import pytest

from tests.docs.site import build_site
from tests.report.browser.conftest import Tab

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PAGES = (
    "index",
    "start",
    "classification",
    "data",
    "detection",
    "troubleshooting",
    "notebooks/convolutions",
    "api/data",
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    built = build_site(folder)
    assert built.returncode == 0, built.stderr
    return folder / "html"


@pytest.mark.parametrize("width", [360, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_their_window_and_fetch_nothing(scheme: Any, width: int, site: Path, tab: Tab) -> None:
    tab.page.emulate_media(color_scheme=scheme)
    for name in PAGES:
        tab.open((site / f"{name}.html").as_uri(), width)
        assert tab.overflow() <= 0, name
        assert all(tab.pictures()), name
    red, green, blue = map(int, tab.page.evaluate(COLOUR))
    assert (red + green + blue > 600) == (scheme == "light")
    assert all(address.startswith("file:") for address in tab.asked)
    assert tab.errors == []


COLOUR = "getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).slice(0, 3)"
