"""Where caches lie."""

from pathlib import Path

import pytest

from candelabra.environment import CACHE_VARIABLE
from candelabra.storage import find_cache_folder


def test_the_variable_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    assert find_cache_folder("features") == tmp_path / "features"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(CACHE_VARIABLE, "~/here")
    assert find_cache_folder("images") == tmp_path / "here" / "images"


@pytest.mark.skipif("sys.platform != 'linux'")
def test_without_it_the_systems_convention_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CACHE_VARIABLE)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_cache_folder("features") == tmp_path / ".cache" / "candelabra" / "features"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert find_cache_folder("features") == tmp_path / "xdg" / "candelabra" / "features"
