"""`candelabra backbones`: numbers that others published, in words that can be read by people and by programs."""

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console

from candelabra.backbones.info.backbone_info import measure_backbone
from candelabra.backbones.info.table import print_backbones
from candelabra.backbones.registry import find_backbone_config
from candelabra.commands.backbones import run_backbones
from candelabra.errors import CandelabraError

pytestmark = pytest.mark.figures


def test_facts_are_the_published_ones() -> None:
    facts = measure_backbone("resnet50", find_backbone_config("resnet50"), None)
    assert facts.parameters == 25_557_032 - 2_049_000
    assert facts.multiply_adds == pytest.approx(4.09e9, rel=0.01)  # timm's results tables: 4.1 with the classifier
    assert [one.channels for one in facts.maps] == [64, 256, 512, 1024, 2048]
    assert [one.size for one in facts.maps] == [(112, 112), (56, 56), (28, 28), (14, 14), (7, 7)]
    assert facts.maps[-1].field == 427
    assert sum(one.parameters for one in facts.maps) == facts.parameters
    assert (facts.licence, facts.side, facts.embedding) == ("apache-2.0", 224, 2048)


def test_squeeze_and_attention_are_told_apart_from_windows() -> None:
    gated = measure_backbone("efficientnet_b0", find_backbone_config("efficientnet_b0"), 64).maps[-1]
    assert (gated.field, gated.gated) == (851, True)
    assert measure_backbone("test_vit", find_backbone_config("test_vit"), None).maps[-1].field is None


def test_where_weights_are() -> None:
    assert measure_backbone("efficientnet_lite0", find_backbone_config("efficientnet_lite0"), 64).weights == "bundled"
    assert measure_backbone("alexnet", find_backbone_config("alexnet"), 96).weights in ("hub", "cached")
    small = measure_backbone("cifar_net", find_backbone_config("cifar_net"), None, effective=True, batch=2)
    assert small.weights == "none"
    assert small.licence is None
    assert small.images_per_second is not None
    seen = [one.effective or 0 for one in small.maps]
    assert seen == sorted(seen)
    assert all(one.field is not None and (one.effective or 0) <= one.field for one in small.maps)


def test_json_is_what_the_table_shows(capsys: pytest.CaptureFixture[str]) -> None:
    run_backbones(["test_res*", "cifar*", "size=64", "format=json"])
    found = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in found] == ["test_resnet", "cifar_net"]
    assert found[0]["maps"][-1] == {
        "channels": 96,
        "stride": 32,
        "size": [2, 2],
        "field": 167,
        "gated": False,
        "effective": None,
        "parameters": found[0]["maps"][-1]["parameters"],
    }
    run_backbones(["test_res*", "size=64"])
    assert "test_resnet" in capsys.readouterr().out


def test_one_at_length_has_a_tree_stages_and_a_picture(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run_backbones(["show", "test_efficientnet", f"folder={tmp_path}", "depth=1"])
    said = capsys.readouterr().out
    assert "conv_stem" in said
    assert "99,196 weights" in said
    with Image.open(tmp_path / "test_efficientnet.png") as picture:
        assert picture.size[0] > 1000


def test_containers_whose_parts_are_run_one_by_one_are_in_the_tree(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run_backbones(["show", "test_vit", f"folder={tmp_path}", "depth=1"])
    assert "blocks" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["resnet5O"], "nearest are resnet50"),
        (["show"], "takes one name"),
        (["show", "resnet5O"], "resnet50"),
        (["format=xml"], "table or json"),
        (["sise=64"], "size"),
        (["size=4"], "8 to 2048"),
        (["speed=yes"], "true or false"),
        (["inception_v3", "size=32"], "does not work at size=32"),
    ],
)
def test_words_that_cannot_be_used_are_named(words: list[str], said: str) -> None:
    with pytest.raises(CandelabraError, match=said):
        run_backbones(words)


@pytest.mark.parametrize("width", [80, 140])
def test_a_table_fits_the_terminal(width: int) -> None:
    facts = [measure_backbone(name, find_backbone_config(name), 64) for name in ("test_resnet", "cifar_net")]
    named = replace(facts[0], name="swin_tiny_patch4_window7_224", licence="cc-by-nc-4.0")
    console = Console(width=width, file=StringIO(), record=True)
    print_backbones([named, facts[1]], console)
    rows = [line for line in console.export_text().splitlines() if "swin_tiny" in line]
    assert len(rows[0]) <= width
    assert "cc-by-nc-4.0" in rows[0]
    assert ("32 32 48 192 96" in rows[0]) == (width == 140)
