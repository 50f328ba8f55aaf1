"""Contract of a backbone, of plug-ins' and of two small ones of candelabra."""

import pytest

from candelabra.backbones.registry import create_backbone
from candelabra.contracts.backbone_checks import check_every_parameter_is_used, check_freezing, check_shapes
from candelabra.plugins.discovery import list_active_plugins

_SMALL = ("lenet5", "test_resnet")
NAMES = (*_SMALL, *(path.stem for each in list_active_plugins() for path in each.config_folder.glob("backbone/*.yaml")))
every_backbone = pytest.mark.parametrize("name", NAMES)


@every_backbone
def test_channels_strides_and_stages_are_as_stated(name: str) -> None:
    check_shapes(create_backbone(name, weights="none"))


@every_backbone
def test_every_parameter_is_used(name: str) -> None:
    check_every_parameter_is_used(create_backbone(name, weights="none"))


@every_backbone
def test_a_frozen_backbone_does_not_change(name: str) -> None:
    check_freezing(create_backbone(name, weights="none"))
