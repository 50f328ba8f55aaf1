"""Fixtures of the contract tests: a cache folder of their own, one seed, one small backbone."""

from pathlib import Path

import pytest
import torch

from candelabra.backbones import Timm
from candelabra.environment import CACHE_VARIABLE


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder that is deleted with the test's own."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    torch.manual_seed(0)
    return tmp_path / "cache"


@pytest.fixture
def small_backbone() -> Timm:
    """A backbone of five stages without published weights."""
    return Timm("test_resnet", weights="none")
