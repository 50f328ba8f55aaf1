"""To the hub and back, over a hub of our own: a folder behind the calls of huggingface_hub."""

import shutil
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
import torch
from huggingface_hub import constants

from candelabra import create_backbone
from candelabra.backbones.export import hub
from candelabra.commands.trunk import export_run, run_trunk
from candelabra.errors import CandelabraError
from tests.backbones.export.test_folder import same, saved
from tests.conftest import Compose


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the hub keeps what it is given."""
    place = tmp_path / "hub"

    def create(self: object, repo_id: str, *, private: bool, exist_ok: bool) -> Any:
        (place / repo_id).mkdir(parents=True, exist_ok=exist_ok)
        return SimpleNamespace(repo_id=repo_id, __str__=lambda _: repo_id)

    def upload(self: object, *, repo_id: str, folder_path: Path, allow_patterns: Sequence[str], **_: object) -> None:
        for path in folder_path.iterdir():
            if any(fnmatch(path.name, pattern) for pattern in allow_patterns):
                shutil.copy(path, place / repo_id)

    def download(repo_id: str, *, local_dir: Path, allow_patterns: Sequence[str], **_: object) -> None:
        if not (place / repo_id).is_dir():
            raise OSError(f"{repo_id} is not there")
        local_dir.mkdir(parents=True)
        for path in (place / repo_id).iterdir():
            if path.name in allow_patterns:
                shutil.copy(path, local_dir)

    monkeypatch.setattr(huggingface_hub.HfApi, "create_repo", create)
    monkeypatch.setattr(huggingface_hub.HfApi, "upload_folder", upload)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    monkeypatch.setattr(hub, "is_reachable", lambda url: True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    return place


def test_a_trunk_comes_back_as_it_went(shelf: Path, tiny: Compose, tmp_path: Path) -> None:
    task = saved(tiny, tmp_path / "run")
    export_run(tmp_path / "run", tmp_path / "trunk", "mit")
    (tmp_path / "trunk" / "notes.txt").write_text("not for others")
    run_trunk(["push", str(tmp_path / "trunk"), "repo=somebody/pets", "private=true"])
    assert sorted(path.name for path in (shelf / "somebody/pets").iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
    ]
    run_trunk(["pull", "repo=somebody/pets", f"folder={tmp_path / 'back'}"])
    assert same(task.backbone, create_backbone(str(tmp_path / "back")))


def test_pickles_are_not_fetched(shelf: Path, tmp_path: Path) -> None:
    (shelf / "some/model").mkdir(parents=True)
    torch.save({}, shelf / "some/model/pytorch_model.bin")
    (shelf / "some/model/config.json").write_text("{}")
    with pytest.raises(CandelabraError, match=r"has no model\.safetensors"):
        run_trunk(["pull", "repo=some/model", f"folder={tmp_path / 'x'}"])
    assert not (tmp_path / "x" / "pytorch_model.bin").exists()


def test_what_the_hub_says_is_told(shelf: Path, tmp_path: Path) -> None:
    with pytest.raises(CandelabraError, match="nobody/nothing is not there"):
        run_trunk(["pull", "repo=nobody/nothing", f"folder={tmp_path / 'x'}"])
    with pytest.raises(CandelabraError, match="owner"):
        run_trunk(["pull", "repo=nothing"])
    with pytest.raises(CandelabraError, match=r"there is no model.safetensors"):
        run_trunk(["push", str(tmp_path), "repo=somebody/pets"])


def test_without_a_network_it_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(CandelabraError, match="HF_HUB_OFFLINE is set"):
        run_trunk(["pull", "repo=somebody/pets", f"folder={tmp_path / 'x'}"])
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(CandelabraError, match="does not answer"):
        run_trunk(["pull", "repo=somebody/pets", f"folder={tmp_path / 'x'}"])
