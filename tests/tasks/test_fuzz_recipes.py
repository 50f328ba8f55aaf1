"""Damaged checkpoints, configs of runs, indices and exported backbones: each is read or refused in words."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from candelabra.backbones.export.folder import export_backbone
from candelabra.config.build import resolve_config
from candelabra.embeddings.index import INDEX_VERSION
from candelabra.errors import CandelabraError
from candelabra.tasks.loading import build_task, load_task
from tests.conftest import Compose
from tests.data.builders import make_labels
from tests.data.mutants import MEMORY, mutants, read_in_a_process


def write_run(tiny: Compose, folder: Path) -> Path:
    task = build_task(resolve_config(tiny("task=classification")), make_labels(classes=("cat", "dog")))
    checkpoint: dict[str, Any] = {"state_dict": task.state_dict()}
    task.on_save_checkpoint(checkpoint)
    config = checkpoint["candelabra"]["config"]
    (folder / "checkpoints").mkdir(parents=True)
    torch.save(checkpoint, folder / "checkpoints" / "best.ckpt")
    written = {**config, "folder": str(folder), "logger": {}, "cache": {}, "save": {}, "words": [], "plugins": []}
    (folder / "config.yaml").write_text(yaml.safe_dump(written))
    return folder


def write_index_folder(run: Path, folder: Path) -> Path:
    config = yaml.safe_load((run / "config.yaml").read_text())
    about = {"backbone": config["backbone"], "run": None, "seed": 0, "size": [32, 32], "resize": "stretch"}
    about |= {"precision": "32-true", "weights": "", "format": INDEX_VERSION, "complete": True}
    folder.mkdir()
    (folder / "embedding.json").write_text(json.dumps(about))
    np.save(folder / "embeddings.npy", np.zeros((1, 96), np.float32))
    (folder / "samples.csv").write_text("name\nx\n")
    return folder


def write_trunk(run: Path, folder: Path) -> Path:
    task = load_task(run)
    export_backbone(task.backbone, task.recipe, run, folder, None)
    return folder


FILES = {
    "checkpoint": "run/checkpoints/best.ckpt",
    "config": "run/config.yaml",
    "index": "index/embedding.json",
    "vectors": "index/embeddings.npy",
    "trunk": "trunk/config.json",
    "weights": "trunk/model.safetensors",
}


def read_recipe(path: Path) -> None:
    """Everything that reads one of these files, with a damaged one in its place; see `FILES`."""
    from candelabra.backbones.registry import create_backbone
    from candelabra.embeddings.index import VectorIndex
    from candelabra.embeddings.recipe import restore_recipe
    from candelabra.runs.run_config import read_run_config
    from candelabra.tasks.loading import load_task

    kind, root = path.name.rpartition("_")[0], path.parent
    (root / FILES[kind]).write_bytes(path.read_bytes())
    if kind == "config":
        read_run_config(root / "run")
    elif kind == "checkpoint":
        load_task(root / "run")
    elif kind in ("trunk", "weights"):
        create_backbone(str(root / "trunk"))
    else:
        index = VectorIndex.read(root / "index")
        if kind == "index":  # its weights are others, so it is refused last of all
            restore_recipe(index.about, {"_target_": "lightning.Trainer", "accelerator": "cpu"})


def write_damaged(tiny: Compose, kind: str, folder: Path, count: int) -> list[Path]:
    """So many damaged files, beside a run, an index and an exported backbone that are whole."""
    run = write_run(tiny, folder / "run")
    write_index_folder(run, folder / "index")
    if kind in ("trunk", "weights"):
        write_trunk(run, folder / "trunk")
    content = (folder / FILES[kind]).read_bytes()
    if kind != "index":
        (folder / f"{kind}_0").write_bytes(content)
        read_recipe(folder / f"{kind}_0")
    files = [folder / f"{kind}_{number}" for number in range(count)]
    for path, mutant in zip(files, mutants(content, random.Random(0), count), strict=True):
        path.write_bytes(mutant)
    return files


@pytest.mark.parametrize("kind", ["checkpoint", "config", "index", "vectors"])
def test_damaged_recipes_are_read_or_refused(tiny: Compose, kind: str, tmp_path: Path) -> None:
    refused = 0
    for path in write_damaged(tiny, kind, tmp_path, 16):
        try:
            read_recipe(path)
        except CandelabraError:
            refused += 1
    assert refused > 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", FILES)
def test_many_damaged_recipes_are_read_or_refused(tiny: Compose, kind: str, tmp_path: Path) -> None:
    files = write_damaged(tiny, kind, tmp_path, 300)
    found = read_in_a_process(files, "tests.tasks.test_fuzz_recipes", "read_recipe", 580)
    print(kind, {key: value for key, value in found.items() if key != "failures"})
    assert not found["failures"]
    assert found["used"] + found["refused"] == len(files)
    assert found["used"] > 0 or kind == "index"
    assert found["bytes"] < MEMORY
