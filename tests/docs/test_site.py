"""The site builds without a warning, and holds every page."""

from pathlib import Path

import pytest

from tests.docs.pages import ROOT
from tests.docs.site import build_site


@pytest.mark.slow
def test_the_site_has_every_page_and_no_warning(tmp_path: Path) -> None:
    built = build_site(tmp_path)
    assert (built.returncode, built.stderr) == (0, "")
    sources = [path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts]
    assert len(sources) > 30
    for source in sources:
        assert (tmp_path / "html" / source).with_suffix(".html").is_file()
    reference = (tmp_path / "html" / "api" / "models.html").read_text(encoding="utf-8")
    assert 'id="candelabra.Model"' in reference
