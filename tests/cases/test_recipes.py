"""Files of somebody else build nothing but options: checkpoints, configs, indices, backbones, sweeps, caches."""

import json
import os
import pickle
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from candelabra.backbones.registry import create_backbone
from candelabra.backbones.state_dicts import read_state_dict
from candelabra.config.build import build_object, resolve_config
from candelabra.config.recipes import add_typed_marks, check_recipe
from candelabra.embeddings.index import VectorIndex
from candelabra.embeddings.recipe import restore_recipe
from candelabra.errors import CandelabraError
from candelabra.feature_cache.store import FeatureStore, arrange_rows
from candelabra.plugins.records import is_own_folder, restore_plugins
from candelabra.runs.recorded_words import check_recorded_words
from candelabra.runs.run_config import read_run_config
from candelabra.storage.documents import load_json, load_yaml
from candelabra.sweeps.folder import open_sweep
from candelabra.sweeps.retry import retry_sweep
from candelabra.tasks.loading import build_task, load_task
from candelabra.training.resume import continue_run
from hydra_plugins.candelabra_sweeper.jobs import Sweep, write_sweep
from tests.conftest import Compose
from tests.data.builders import make_labels

TARGETS = [
    "builtins.open",
    "builtins.exec",
    "os.system",
    "os.mkdir",
    "pathlib.Path.touch",
    "subprocess.run",
    "shutil.rmtree",
    "numpy.save",
    "numpy.load",
    "joblib.load",
    "pickle.loads",
    "pandas.read_pickle",
    "importlib.import_module",
    "runpy.run_path",
    "hydra.utils.call",
    "torch.load",
    "torch.save",
    "torch.hub.load",
    "torch.optim.os.system",
    "torch.optim.SGD.step",
    "torch.nn.init.zeros_",
    "torch.utils.cpp_extension.load",
    "torchvision.io.write_file",
    "torchvision.datasets.MNIST",
    "timm.create_model",
    "timm.models.load_checkpoint",
    "timm.models.os.system",
    "lightning.Trainer.fit",
    "candelabra.storage.atomic.write_atomically",
    "candelabra.storage.shutil.rmtree",
    "candelabra.data.writers.TableWriter",
    "candelabra.data.readers.coco.json.load",
    "candelabra.heads.require_target",
    "candelabra.backbones.create_backbone",
    "candelabra.backbones.export.folder.export_backbone",
    "candelabra.plugins.discovery.open_plugin",
    "antigravity.webbrowser.open",
    "nowhere.Thing",
    "torch.optim._functional.F",
]
PLACES = ["backbone", "task", "finetune", "optimizer", "scheduler", "data", "trainer"]
NESTED: list[Callable[[dict[str, Any]], dict[str, Any]]] = [
    lambda node: {"_target_": "torch.optim.SGD", "_partial_": True, "lr": node},
    lambda node: {"_target_": "torch.optim.SGD", "_partial_": True, "_args_": [[node]]},
    lambda node: {"_target_": "torch.optim.SGD", "_partial_": True, "_recursive_": False, "x": {"y": [node]}},
    lambda node: {**node, "_partial_": True},
]
Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working folder, in which nothing may have been written at the end, and nothing imported."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    yield tmp_path
    assert list(work.iterdir()) == []
    assert "antigravity" not in sys.modules


def hostile(target: str) -> dict[str, Any]:
    return {"_target_": target, "file": "written", "path": "written", "mode": "w", "code": "open('written', 'w')"}


def save(tiny: Compose, folder: Path, change: Change) -> Path:
    """A run of a folder with a changed recipe."""
    task = build_task(resolve_config(tiny("task=classification")), make_labels(classes=("cat", "dog")))
    checkpoint: dict[str, Any] = {"state_dict": task.state_dict()}
    task.on_save_checkpoint(checkpoint)
    config = checkpoint["candelabra"]["config"]
    change(config)
    (folder / "checkpoints").mkdir(parents=True)
    torch.save(checkpoint, folder / "checkpoints" / "best.ckpt")
    written = {**config, "folder": str(folder), "logger": {}, "cache": {}, "save": {}, "words": [], "plugins": []}
    (folder / "config.yaml").write_text(yaml.safe_dump(written))
    return folder


@pytest.mark.parametrize("target", TARGETS)
def test_a_file_builds_no_such_thing(target: str, clean: Path) -> None:
    for node in (hostile(target), *(wrap(hostile(target)) for wrap in NESTED)):
        with pytest.raises(CandelabraError, match=r"is not built, because the name comes from a file|does not exist"):
            build_object(node)
    for place in (*PLACES, "logger", "cache", "anything"):
        with pytest.raises(CandelabraError, match=r"is not built|does not exist"):
            check_recipe({place: hostile(target)}, "x")


@pytest.mark.parametrize("place", PLACES)
def test_a_checkpoint_and_a_run_name_what_they_ask_for(place: str, tiny: Compose, clean: Path) -> None:
    run = save(tiny, clean / "run", lambda config: config.update({place: hostile("builtins.open")}))
    for read in (lambda: load_task(run), lambda: continue_run(tiny(f"resume={run}"), [])):
        with pytest.raises(CandelabraError, match=rf"{place} names builtins\.open"):
            read()


def test_balance_and_heads_of_a_checkpoint_are_looked_at_too(tiny: Compose, clean: Path) -> None:
    run = save(tiny, clean / "run", lambda config: config["task"].update({"balance": hostile("os.system")}))
    with pytest.raises(CandelabraError, match=r"task\.balance names os\.system"):
        load_task(run)


@pytest.mark.parametrize("target", ["builtins.open", "candelabra.tasks.Classification", "torch.load"])
def test_an_index_and_a_backbone_build_backbones_alone(target: str, clean: Path) -> None:
    about = {"backbone": hostile(target), "run": None, "seed": 0, "size": [32, 32], "resize": "stretch"}
    with pytest.raises(CandelabraError, match=r"is not built|does not exist"):
        restore_recipe(about | {"precision": "32-true", "weights": ""}, {})
    folder = clean / "trunk"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"candelabra": {"backbone": hostile(target)}}))
    with pytest.raises(CandelabraError, match="is not used"):
        create_backbone(str(folder))


@pytest.mark.parametrize(
    "options", [{"checkpoint_path": "x.pth"}, {"pretrained": True}, {"pretrained_cfg": {"file": "x.pth"}}]
)
def test_options_of_a_backbone_load_nothing(options: dict[str, Any], clean: Path) -> None:
    node = {"_target_": "candelabra.backbones.Timm", "name": "test_resnet", "weights": "none", "options": options}
    for config in (node, add_typed_marks(node)):
        with pytest.raises(CandelabraError, match=r"options\.|would load"):
            build_object(config)


@pytest.mark.parametrize("value", ["${oc.env:HOME}", "x${oc.env:HOME}", "${hydra:runtime.cwd}", 1 << 70, b"x"])
def test_values_of_a_file_are_plain_and_not_resolved(value: Any, clean: Path) -> None:
    with pytest.raises(CandelabraError, match=r"resolved|larger|plain"):
        build_object({"_target_": "torch.optim.SGD", "_partial_": True, "lr": value})


def test_depth_and_number_of_values_are_limited() -> None:
    deep: Any = 0
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(CandelabraError, match="deeper"):
        check_recipe({"data": {"x": deep}}, "x")
    shared: Any = [0] * 10
    for _ in range(20):
        shared = [shared] * 10
    with pytest.raises(CandelabraError, match="more than"):
        check_recipe({"data": {"x": shared}}, "x")


def test_what_the_user_types_is_built_whatever_it_is(clean: Path) -> None:
    assert build_object(add_typed_marks({"_target_": "fractions.Fraction", "_args_": [1, 2]})) == 0.5


@pytest.mark.parametrize(
    "word",
    [
        "hydra.callbacks.x._target_=os.system",
        "+hydra.callbacks={x:{_target_:os.system}}",
        "hydra/job_logging=evil",
        "hydra.searchpath=[file:///evil]",
        "hydra.launcher.setup=[reboot]",
        "hydra.sweeper.program=[-c,x]",
        "optimizer._target_=builtins.open",
        "+optimizer={_target_:builtins.open}",
        "optimizer._target_=torch.optim.SGD,os.system",
        "--config-dir=/elsewhere",
        "--config-dir=../elsewhere",
        "--config-dir=run/conf",
        "--config-name=evil",
        "--multirun",
    ],
)
def test_recorded_words_tell_hydra_nothing(word: str, clean: Path) -> None:
    with pytest.raises(CandelabraError, match="type this word too"):
        check_recorded_words(["lr=0.1", word], Path("run/config.yaml"))


def test_recorded_words_of_options_are_taken() -> None:
    words = ["lr=0.1", "optimizer._target_=torch.optim.SGD,torch.optim.Adam", "--config-dir=own/conf", "data=coco"]
    check_recorded_words([*words, "data.root=${oc.env:HOME}/x", "hydra/launcher=basic"], Path("run/config.yaml"))


@pytest.mark.parametrize(
    "program", [["sh", "-c", "x"], ["python", "-c", "x"], ["/evil", "-m", "evil"], [], ["python", "-m", "pip", "train"]]
)
def test_a_sweep_starts_candelabra_alone(program: list[str], clean: Path) -> None:
    write_sweep(Sweep(program, ["lr=1,2"], {"val/score": "maximize"}), clean / "sweep")
    with pytest.raises(CandelabraError, match="not candelabra train"):
        retry_sweep(open_sweep(clean / "sweep"), [])
    write_sweep(Sweep(["/evil", "-m", "candelabra", "train"], ["lr=1,2"], {"val/score": "maximize"}), clean / "sweep")
    assert retry_sweep(open_sweep(clean / "sweep"), [])[0] == sys.executable


def test_a_package_that_a_file_brings_along_must_be_named(clean: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANDELABRA_ACTIVE_PLUGINS", "")
    package = clean / "brought_along"
    package.mkdir()
    (package / "__init__.py").write_text("open('written', 'w')")
    for record in ({"name": "brought_along", "path": str(package)}, {"name": "pandas", "path": None}):
        with pytest.raises(CandelabraError, match="only used if you name it"):
            restore_plugins([record], (), "x", clean / "best.ckpt")
    record = {"name": "brought_along", "version": None, "path": str(package)}
    assert [each.name for each in restore_plugins([record], [str(package)], "x", clean / "best.ckpt")] == [
        "brought_along"
    ]


def test_own_folders_lie_below_the_working_folder_and_not_beside_the_file(clean: Path) -> None:
    assert is_own_folder(Path("mine"), Path("runs/a/best.ckpt"))
    assert is_own_folder(Path("src/mine"), clean / "best.ckpt")
    for folder, source in (("runs/evil", "runs/a"), ("../evil", "runs/a"), (str(clean), "runs/a"), ("evil", ".")):
        assert not is_own_folder(Path(folder), Path(source))


def test_arrays_are_no_pickles(clean: Path) -> None:
    folder = clean / "store"
    folder.mkdir()
    layout = arrange_rows({"final": ("<i4", (2,))})
    np.save(folder / "a.npy", np.array([Trap()], object), allow_pickle=True)
    np.savez(folder / "b.npz", x=np.zeros(3))
    (folder / "b.npz").rename(folder / "b.npy")
    store = FeatureStore(folder, layout, {})
    store.read()
    assert store.shards == {}
    (folder / "embedding.json").write_text(json.dumps({"format": 1, "complete": True}))
    np.save(folder / "embeddings.npy", np.array([Trap()], object), allow_pickle=True)
    (folder / "samples.csv").write_text("name\nx\n")
    with pytest.raises(CandelabraError, match="is damaged"):
        VectorIndex.read(folder)


class Trap:
    def __reduce__(self) -> tuple[object, ...]:
        return (os.mkdir, ("written",))


def test_bombs_are_refused_before_they_are_unpacked(clean: Path, tiny: Compose) -> None:
    bomb = clean / "bomb.pt"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(b"0" * (1 << 25)))
        archive.writestr("archive/version", "3")
    for read in (read_state_dict, load_task):
        with pytest.raises(CandelabraError, match="unpacked to"):
            read(bomb)
    bomb.write_bytes(pickle.dumps(Trap()))
    for read in (read_state_dict, load_task):
        with pytest.raises(CandelabraError, match="cannot be read"):
            read(bomb)
    run = save(tiny, clean / "run", lambda config: config["backbone"].update({"options": {"width_factor": 10**6}}))
    with pytest.raises(CandelabraError, match=r"damaged|larger than its weights|refuses"):
        load_task(run)


def test_a_network_far_larger_than_its_weights_is_not_built(clean: Path, tiny: Compose) -> None:
    options = {"name": "vit_tiny_patch16_224", "options": {"embed_dim": 3_000_000}}
    run = save(tiny, clean / "run", lambda config: config["backbone"].update(options))
    with pytest.raises(CandelabraError, match="far larger than its weights"):
        load_task(run)


def test_yaml_and_json_are_read_in_bounded_memory(clean: Path) -> None:
    lines = ["a0: &a0 [x, x]", *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12))]
    for text in ("\n".join(lines), "[" * 200_000, "- " * 5_000, "a: &a [*a]", "{a: " * 300 + "1" + "}" * 300):
        with pytest.raises(ValueError, match=r"stands for|deeper|itself"):
            load_yaml(text)
    with pytest.raises(ValueError, match="too deep"):
        load_json("[" * 200_000)
    (clean / "config.yaml").write_text("\n".join(lines))
    with pytest.raises(CandelabraError, match="stands for more"):
        read_run_config(clean)
    assert load_yaml("a: &x [1, 2]\nb: *x") == {"a": [1, 2], "b": [1, 2]}


@pytest.mark.parametrize("key", ["backbone", "task", "data", "optimizer"])
def test_a_place_that_names_no_class_is_refused(key: str) -> None:
    with pytest.raises(CandelabraError, match=f"{key} is no node of a config; the file is damaged"):
        check_recipe({key: {"name": "test_resnet"}}, "The index")
