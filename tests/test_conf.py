"""Every yaml of conf/ against the constructor it names: nothing rotten, nothing unknown, nothing unlisted."""

import inspect
import re
from itertools import chain, zip_longest
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from candelabra.config.build import check_config
from candelabra.config.data_rules import drop_open_options
from candelabra.config.recipes import add_typed_marks
from candelabra.data import DataModule, Reader
from candelabra.environment import CONFIG_FOLDER
from tests.conftest import Compose
from tests.small_runs import composed as command_of

GIVEN_BY_RUN = {
    "self",
    "backbone",
    "labels",
    "finetune",
    "optimizer",
    "scheduler",
    "points",
    "channels",
    "steps",
    "names",
    "vectors",
    "classes",
    "dimensions",
}
OPTIONS = sorted(
    path.relative_to(CONFIG_FOLDER)
    for path in CONFIG_FOLDER.rglob("*.yaml")
    if len(path.relative_to(CONFIG_FOLDER).parts) == 2
)
SERVED: dict[str, object] = {
    "size": 64,  # as typed
    "batch_size": 16,
    "workers": 0,
    "augment": "light",
    "resize": "stretch",
    "erase": 0.0,
    "mosaic": 0.0,
    "min_visible": 0.2,
    "multiscale": None,
    "mixup": 0.0,
    "cutmix": 0.0,
    "views": None,
    "flip": True,
    "sampler": "shuffled",
    "split": "published",
    "val": 0.15,
    "test": None,
    "groups": None,
    "folds": None,
    "fold": 0,
    "fraction": 1.0,
    "targets": None,
    "labelled": 1.0,
    "rename": None,
    "split_seed": 0,
    "seed": 0,
    "on_bad": "skip",
    "cache": "none",
    "cache_gigabytes": 10,
}
SHAPES: dict[str, object] = {"_target_": "candelabra.data.Shapes", "count": 2000, "canvas": 128, "drawing_seed": 0}
DIGITS: dict[str, object] = {"_target_": "candelabra.data.Digits", "flip": False, "canvas": 64, "drawing_seed": 0}
MASKS: dict[str, object] = {"_target_": "candelabra.data.Masks", "root": "x", "images": "images", "masks": "masks"}
MASKS |= {"classes": None, "values": None, "colours": None, "ignore": None}
TABLE: dict[str, object] = {"_target_": "candelabra.data.Table", "root": "x", "file": "table.csv", "images": ""}
TABLE |= {"splits": None, "points": None, "mirror": None, "normalizer": [], "separator": None, "mask_classes": []}
TABLE |= {"columns": [], "ignore": None, "objects": "largest", "skeleton": None, "values": [], "grade": None}
TABLE["words"] = None
POINT_LOSSES = ("smooth_l1", "wing")
VIEW_LOSSES = ("nt_xent", "simsiam", "vicreg")
NOT_TYPED = ("hydra", "data_defaults", "task_defaults")
PLAIN = [option for option in OPTIONS if option.parts[0] not in NOT_TYPED and option.stem != "loading"]
# Groups of which each run has one option: checked side by side, in as many configs as the largest of them has options.
JOINED = ("backbone", "balance", "data", "finetune", "logger", "optimizer", "scheduler", "sweep", "task", "trainer")
# Files of a class and its options alone need no composing: nothing else of a config has a part in them.
ALONE = [
    option
    for option in PLAIN
    if (text := (CONFIG_FOLDER / option).read_text("utf-8")) and "_target_: candelabra." in text
    if not re.search(r"^defaults:|@package|\$\{|\?\?\?", text, re.MULTILINE)
]
COMPOSED = [option for option in PLAIN if option not in ALONE]
COLUMNS = [[option for option in COMPOSED if option.parts[0] == group] for group in JOINED]
ROWS = [tuple(option for option in row if option) for row in zip_longest(*COLUMNS)]
ROWS += [(option,) for option in COMPOSED if option.parts[0] not in JOINED]


def nodes(node: object, path: str = "") -> list[tuple[str, dict[str, object]]]:
    found = []
    if isinstance(node, dict):
        found += [(path, node)] if "_target_" in node else []
        for key, value in node.items():
            found += nodes(value, f"{path}.{key}")
    return found


def composed_by(group: str, name: str, folder: Path) -> object:
    """Options of commands that work on features."""
    if group == "search":
        return command_of("search", "index=x", f"search={name}", f"folder={folder}")
    if group == "projection":
        return command_of("map", "index=x", f"projection={name}", f"folder={folder}")
    place = f"classifier@classifiers.{name}={name}"
    return command_of("probe", f"classifiers={name}" if group == "classifiers" else place, f"folder={folder}")


def roots_of(experiment: str) -> list[str]:
    return ["data.sets.pets.root=x", "data.sets.faces.root=x"] if experiment == "pets_faces" else ["data.root=x"]


def list_needed(option: Path) -> list[str]:
    """Values that an option has none of."""
    group, name = str(option.parent), option.stem
    rootless = group == "data" and OmegaConf.is_missing(OmegaConf.load(CONFIG_FOLDER / option), "root")
    needed = {"huggingface": ["data.path=x"], "timm": ["backbone.name=test_resnet"]}.get(name, [])
    return [*needed, "data.root=x"] if rootless else needed


def composed(options: tuple[Path, ...], tiny: Compose, folder: Path) -> object:
    option = options[0]
    group, name = str(option.parent), option.stem
    if group in JOINED:
        return tiny(*(f"{each.parent}={each.stem}" for each in options), *chain(*map(list_needed, options)))
    if group == "to":
        return tiny(f"to={name}", "folder=x", command="convert")
    if group in ("search", "classifier", "classifiers", "projection"):
        return composed_by(group, name, folder)
    if group == "experiment":
        return tiny(f"experiment={name}", *roots_of(name), "finetune=full")
    place = {
        "head": {
            **{
                each: f"{each}@task.heads.{each}"
                for each in ("label", "box", "mask", "depth", "normals", "flow", "value", "ordinal")
            }
        }.get(name, f"{name}@task.heads.keypoints"),
        "coordinates": f"{name}@task.heads.box.coordinates",
        "decoder": f"{name}@task.heads.mask.decoder",
        "loss": f"{name}@task.heads.keypoints.loss" if name in POINT_LOSSES else f"{name}@task.embedding.loss",
    }.get(group)
    if name in VIEW_LOSSES:
        return tiny("task=pretraining", f"loss@task.projector.loss={name}")
    needed = ["task=embedding"] if place == f"{name}@task.embedding.loss" else []
    if place:
        name, at = place.split("@")
        return tiny(f"{group}@{at}={name}", *needed)
    return tiny(f"{group}={name}", *needed)


@pytest.mark.parametrize("name", [path.stem for path in (CONFIG_FOLDER / "experiment").glob("*.yaml")])
@pytest.mark.parametrize("other", ["finetune=discriminative", "balance=uncertainty"])
def test_an_experiment_goes_with_another_strategy_and_balance(name: str, other: str, tiny: Compose) -> None:
    plain = OmegaConf.to_container(tiny(f"experiment={name}", *roots_of(name), other), resolve=True)
    check_config(drop_open_options(plain))  # type: ignore[arg-type]


@pytest.mark.parametrize("options", ROWS, ids=lambda row: "-".join(map(str, row)))
def test_yaml_and_signature_agree(options: tuple[Path, ...], tiny: Compose, tmp_path: Path) -> None:
    config = composed(options, tiny, tmp_path)
    plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)  # type: ignore[arg-type]
    if "trainer" in plain:  # type: ignore[operator]
        plain["trainer"]["precision"] = "32-true"  # type: ignore[index, call-overload]
    check_config(add_typed_marks(drop_open_options(plain)))  # type: ignore[arg-type]
    check_signatures(plain)


@pytest.mark.parametrize("option", ALONE, ids=str)
def test_yaml_and_signature_agree_of_a_class_and_its_options(option: Path) -> None:
    plain = {option.parts[0]: OmegaConf.to_container(OmegaConf.load(CONFIG_FOLDER / option))}
    check_config(add_typed_marks(plain))  # type: ignore[arg-type]
    check_signatures(plain)


def check_signatures(plain: object) -> None:
    """A yaml lists each argument of its class, and no other."""
    from hydra.utils import get_object

    for path, node in nodes(plain):
        if not str(node["_target_"]).startswith("candelabra."):
            continue
        target = get_object(str(node["_target_"]))
        parameters = set(inspect.signature(target).parameters)
        if inspect.isclass(target) and issubclass(target, Reader):  # its node has the options of loading too
            loading = set(inspect.signature(DataModule).parameters) - {"reader"}
            assert not parameters & loading, path
            parameters |= loading
        listed = {key for key in node if not key.startswith("_")}
        optional = (
            {"label", "box", "keypoints", "mask", "heads", "balance"} if ".task" in path or path == ".task" else set()
        )
        assert listed <= parameters, path
        assert parameters - listed - GIVEN_BY_RUN <= optional - listed or parameters - listed <= GIVEN_BY_RUN, path


@pytest.mark.parametrize(
    ("words", "epochs", "lr", "own"),
    [
        (("data=pets",), 13, 0.002, {"_target_": "candelabra.data.Pets", "root": "data", "download": False}),
        (
            ("data=shapes",),
            4,
            0.003,
            SHAPES,
        ),
        (("data=cifar10",), None, 0.003, {"_target_": "candelabra.data.Cifar10", "root": "data", "download": False}),
        (
            ("data=digits",),
            None,
            0.003,
            DIGITS,
        ),
        (("data=folder", "data.root=x"), None, 0.003, {"_target_": "candelabra.data.Folder", "root": "x"}),
        (("data=masks", "data.root=x", "lr=1.0"), None, 1.0, MASKS),
        (("data=table", "data.root=x", "epochs=3"), 3, 0.003, TABLE),
        (("data=pets", "epochs=3"), 3, 0.002, {"_target_": "candelabra.data.Pets", "root": "data", "download": False}),
        (
            ("data=pets", "finetune=probe"),
            100,
            0.002,
            {"_target_": "candelabra.data.Pets", "root": "data", "download": False, "augment": "none"},
        ),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_a_data_set_has_its_own_epochs_and_rate_and_each_word_goes_before_them(
    words: tuple[str, ...], epochs: int | None, lr: float, own: dict[str, object], tiny: Compose
) -> None:
    plain = OmegaConf.to_container(tiny("finetune=scratch", *words), resolve=True)
    assert isinstance(plain, dict)
    assert plain["epochs"] == plain["trainer"]["max_epochs"] == epochs
    assert plain["lr"] == lr
    assert plain["data"] == {**SERVED, **own}


@pytest.mark.parametrize(
    ("words", "epochs", "lr", "batch_size"),
    [
        ((), 40, 0.001, 8),
        (("epochs=3", "lr=0.1", "data.batch_size=2"), 3, 0.1, 2),
        (("finetune=probe",), 100, 0.001, 8),
    ],
)
def test_detection_has_its_own_epochs_and_rate_and_each_word_goes_before_them(
    words: tuple[str, ...], epochs: int, lr: float, batch_size: int
) -> None:
    with initialize_config_dir(str(CONFIG_FOLDER), version_base="1.3"):
        config = compose("train", ["task=detection", "data=voc", "data.root=x", "folder=x", *words])
    assert (config.epochs, config.trainer.max_epochs, config.lr) == (epochs, epochs, lr)
    assert (config.data.batch_size, list(config.data.targets)) == (batch_size, ["boxes"])


def test_sets_of_a_union_bring_no_epochs_and_take_the_place_they_are_given(tiny: Compose) -> None:
    words = ["+data@data.sets.a=pets", "+data@data.sets.b=table", "data.sets.b.root=x", "data.sets.a.size=32", "seed=3"]
    config = tiny("data=union", *words)
    assert (config.epochs, config.lr) == (None, 0.003)
    assert (config.data.sets.a.size, config.data.sets.b.root, config.data.sets.b.seed) == (32, "x", 3)
    assert config.data.sets.a._target_ == "candelabra.data.Pets"
    probed = tiny("data=union", *words, "finetune=probe")
    assert (probed.epochs, probed.data.augment) == (100, "none")
