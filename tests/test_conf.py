"""Every yaml of conf/ against the constructor it names: nothing rotten, nothing unknown, nothing unlisted."""

import inspect
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from candelabra.cli import CONF
from candelabra.config import check
from tests.conftest import Compose

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
}
OPTIONS = sorted(path.relative_to(CONF) for path in CONF.rglob("*.yaml") if len(path.relative_to(CONF).parts) == 2)


def nodes(node: object, path: str = "") -> list[tuple[str, dict[str, object]]]:
    found = []
    if isinstance(node, dict):
        found += [(path, node)] if "_target_" in node else []
        for key, value in node.items():
            found += nodes(value, f"{path}.{key}")
    return found


def composed(option: Path, tiny: Compose, folder: Path) -> object:
    group, name = str(option.parent), option.stem
    needed = ["data.root=x"] if name in ("folder", "masks", "table") else []
    needed += ["backbone.name=test_resnet"] if name == "timm" else []
    if group == "experiment":
        return tiny(f"experiment={name}", "data.root=x", "finetune=full")
    place = {
        "head": {"label": "label@task.heads.label", "box": "box@task.heads.box", "mask": "mask@task.heads.mask"}.get(
            name, f"{name}@task.heads.keypoints"
        ),
        "reader": f"{name}@task.heads.box.reader",
        "decoder": f"{name}@task.heads.mask.decoder",
        "loss": f"{name}@task.heads.keypoints.loss",
    }.get(group)
    if place:
        name, at = place.split("@")
        return tiny(f"{group}@{at}={name}")
    return tiny(f"{group}={name}", *needed)


@pytest.mark.parametrize("option", [o for o in OPTIONS if o.parts[0] != "hydra" and o.stem != "serving"], ids=str)
def test_yaml_and_signature_agree(option: Path, tiny: Compose, tmp_path: Path) -> None:
    from hydra.utils import get_object

    config = composed(option, tiny, tmp_path)
    plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)  # type: ignore[arg-type]
    plain["trainer"]["precision"] = "32-true"  # type: ignore[index, call-overload]
    check(plain)
    for path, node in nodes(plain):
        if not str(node["_target_"]).startswith("candelabra."):
            continue
        parameters = set(inspect.signature(get_object(str(node["_target_"]))).parameters)
        listed = {key for key in node if not key.startswith("_")}
        optional = (
            {"label", "box", "keypoints", "mask", "heads", "balance"} if ".task" in path or path == ".task" else set()
        )
        assert listed <= parameters, path
        assert parameters - listed - GIVEN_BY_RUN <= optional - listed or parameters - listed <= GIVEN_BY_RUN, path
