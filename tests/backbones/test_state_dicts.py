"""Weights of other trainers: their names are found under whatever stands before them, in whatever dictionary."""

import logging
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import Tensor

from candelabra.backbones import Timm
from candelabra.errors import CandelabraError

PREFIXES = ["backbone.", "model.backbone.", "module.", "_orig_mod.module.", "encoder.", "student.backbone."]


def prefixed(prefix: str) -> dict[str, Tensor]:
    return {f"{prefix}{name}": value for name, value in timm.create_model("test_resnet").state_dict().items()}


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("wrap", [lambda state: state, lambda state: {"epoch": 3, "state_dict": state}])
def test_what_stands_before_all_names_is_removed(prefix: str, wrap: Any, tmp_path: Path) -> None:
    state = prefixed(prefix)
    torch.save(wrap(state), tmp_path / "weights.pt")
    loaded = Timm("test_resnet", weights=str(tmp_path / "weights.pt")).network.state_dict()
    names = [name for name in loaded if not name.startswith("fc.")]
    assert len(names) > 80
    assert all(torch.equal(loaded[name], state[f"{prefix}{name}"]) for name in names)


def test_an_average_comes_first_and_a_line_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    student, teacher = prefixed(""), prefixed("")
    torch.save({"student": student, "teacher": teacher}, tmp_path / "weights.pt")
    with caplog.at_level(logging.WARNING):
        loaded = Timm("test_resnet", weights=str(tmp_path / "weights.pt")).network.state_dict()
    assert torch.equal(loaded["conv1.0.weight"], teacher["conv1.0.weight"])
    assert "teacher.... are taken; student.... would fit too" in caplog.text


def test_shapes_of_another_network_are_no_filters_to_adapt(tmp_path: Path) -> None:
    state = prefixed("")
    state["conv1.0.weight"] = torch.zeros(()).expand(1 << 20, 1 << 20, 3, 3)
    torch.save(state, tmp_path / "weights.pt")
    with pytest.raises(CandelabraError, match="1 have another shape"):
        Timm("test_resnet", weights=str(tmp_path / "weights.pt"))


def test_vits_are_built_for_the_size_that_is_typed() -> None:
    for name, size in (("vit_tiny_patch16_224", 64), ("vit_tiny_patch16_224", [32, 64])):
        backbone = Timm(name, weights="none", options={"img_size": size}).eval()
        height, width = (size, size) if isinstance(size, int) else size
        maps = backbone(torch.zeros(1, 3, height, width)).maps
        assert maps[-1].shape[-2:] == (height // 16, width // 16)
        assert backbone.side == width


def test_names_that_timm_has_changed_are_followed_and_places_are_refused(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert Timm("vit_tiny_patch16_224_in21k", weights="none").name == "vit_tiny_patch16_224.augreg_in21k"
    assert "augreg_in21k now" in caplog.text
    with pytest.raises(CandelabraError, match="trunk pull repo=timm/x"):
        Timm("hf-hub:timm/x", weights="none")
    with pytest.raises(CandelabraError, match=r"backbone\.weights=/folder"):
        Timm("local-dir:/folder", weights="none")


def test_a_grey_network_sees_grey_and_other_bands_are_refused() -> None:
    grey = Timm("test_resnet", weights="none", in_channels=1).eval()
    images = torch.randint(0, 256, (2, 1, 64, 64), dtype=torch.uint8)
    torch.testing.assert_close(grey(images.expand(2, 3, 64, 64)).final, grey(images).final)
    with pytest.raises(CandelabraError, match=r"backbone\.in_channels=4, but these images have 3 channels"):
        Timm("test_resnet", weights="none", in_channels=4)(images.expand(2, 3, 64, 64))
