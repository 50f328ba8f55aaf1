"""`candelabra explain`: files for people and programs, and refusals in words."""

import csv
import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from candelabra.commands.explain import run_explain
from candelabra.commands.train import run_train
from candelabra.errors import CandelabraError
from candelabra.explain import adversarial_files, measuring
from candelabra.explain.adversarial import FoolingImages
from tests.conftest import Compose
from tests.small_runs import composed


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run with heads for label, box, points and mask."""
    folder = tmp_path_factory.mktemp("explain") / "run"
    run_train(composed("train", f"folder={folder}", "data.size=32", "data.count=64", "epochs=1"))
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two images of different sizes, one of them small."""
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for name, size in (("wide", (40, 90)), ("tall", (70, 50))):
        Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(folder / f"{name}.png")
    (folder / "broken.jpg").write_bytes(b"no picture")
    return folder


@pytest.mark.parametrize(
    ("head", "further"),
    [("label", ["method=all"]), ("box", ["target=left", "layer=1,2"]), ("keypoints", []), ("mask", ["sign=negative"])],
)
def test_cam_writes_pictures_numbers_and_a_page(
    run: Path, photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, head: str, further: list[str]
) -> None:
    if head == "keypoints" and not (run / "heads.json").read_text().count("keypoints"):
        pytest.skip("these data label no points")
    with caplog.at_level(logging.WARNING):
        run_explain(["cam", f"checkpoint={run}", f"source={photos}", f"head={head}", f"folder={tmp_path}", *further])
    assert "broken.jpg" in caplog.text
    hint = "cells a side; layer=1, an earlier stage, has 8; larger images, size=64 say, give more"
    assert caplog.text.count(hint) == 1
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == ["tall.png", "wide.png"]
    with np.load(tmp_path / "explain.npz") as numbers:
        heats = [numbers[key] for key in numbers.files if key.startswith("heat/")]
        assert [Path(name).name for name in numbers["name"]] == ["tall.png", "wide.png"]
        assert numbers["original"].tolist() == [[70, 50], [40, 90]]
        assert len(heats) == {"label": 8, "box": 2}.get(head, 1)
        assert all(len(heat) == 2 and heat.dtype == np.float32 and heat.min() >= 0 for heat in heats)
    page = (tmp_path / "explain.html").read_text(encoding="utf-8")
    assert page.count("<img") == 2


def test_fool_and_measure_write_tables(
    run: Path, photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run_explain(["fool", f"checkpoint={run}", f"source={photos}", "epsilon=16", f"folder={tmp_path / 'fool'}"])
    assert "broken.jpg cannot be read and is left out" in caplog.text
    report = json.loads((tmp_path / "fool" / "fool.json").read_text())
    assert report["images"] == 2
    assert report["rate"] == report["fooled"] / 2
    words = [f"checkpoint={run}", "images=1", "method=gradcam,hirescam", f"folder={tmp_path / 'measured'}"]
    run_explain(["measure", *words])
    with (tmp_path / "measured" / "measures.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["method"] for row in rows} == {"gradcam", "hirescam"}
    assert all(0 <= float(row["insertion"]) <= 1 and row["sanity check"] in ("passes", "fails") for row in rows)


def test_measure_shows_images_of_the_size_that_is_asked_for(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes: list[tuple[int, ...]] = []

    def measure_nothing(model: Any, head: Any, samples: Iterable[Any], *rest: Any) -> list[Any]:
        shapes.extend(tuple(sample["image"].shape) for sample in samples)
        return []

    monkeypatch.setattr(measuring, "measure_methods", measure_nothing)
    run_explain(["measure", f"checkpoint={run}", "images=2", "size=48", f"folder={tmp_path}"])
    assert shapes == [(3, 48, 48)] * 2


@pytest.mark.parametrize(
    ("bounds", "median", "words"),
    [
        (
            (2, 4),
            3,
            "2 of 2 images (100.0%) are fooled by changes of at most 16 of 255; the median of the smallest that",
        ),
        (
            (2, None),
            2,
            "1 of 2 images (50.0%) are fooled by changes of at most 16 of 255; the median of the smallest that",
        ),
        ((None, None), None, "0 of 2 images (0.0%) are fooled by changes of at most 16 of 255\n"),
    ],
)
def test_the_median_is_that_of_the_images_that_were_fooled(
    run: Path,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    bounds: tuple[int | None, ...],
    median: float | None,
    words: str,
) -> None:
    def find_given(compute: Any, images: torch.Tensor, *rest: Any) -> FoolingImages:
        fooled = torch.tensor([each is not None for each in bounds])
        return FoolingImages(images, torch.tensor([each or 16 for each in bounds]) / 255, fooled)

    monkeypatch.setattr(adversarial_files, "find_fooling_images", find_given)
    run_explain(["fool", f"checkpoint={run}", f"source={photos}", "epsilon=16", f"folder={tmp_path}"])
    assert json.loads((tmp_path / "fool.json").read_text())["median"] == pytest.approx(median)
    assert words in capsys.readouterr().out


def test_backbones_are_shown_with_and_without_a_run(run: Path, photos: Path, tmp_path: Path) -> None:
    source = f"source={photos / 'wide.png'}"
    run_explain(["maps", f"checkpoint={run}", source, "size=32", f"folder={tmp_path / 'maps'}"])
    assert (tmp_path / "maps" / "pictures" / "maps.png").is_file()
    run_explain(["filters", "backbone=test_resnet", "weights=none", f"folder={tmp_path / 'filters'}"])
    assert (tmp_path / "filters" / "filters.png").is_file()
    words = [f"checkpoint={run}", "stage=2", "channels=1,3", "steps=2", "size=32", source]
    run_explain(["maximise", *words, f"folder={tmp_path / 'channels'}"])
    with (tmp_path / "channels" / "maximise.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == ["channel 1", "channel 3"]
    assert all(row["real"] for row in rows)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "candelabra explain needs a word; allowed are cam"),
        (["cams"], "explain cams is not known; allowed are cam"),
        (["cam", "source=x"], "checkpoint is not given; add checkpoint=<value>"),
        (["cam", "checkpoint=x", "source=y", "method=magic"], "method=magic is not known; allowed are gradcam"),
        (["cam", "checkpoint=x", "source=y", "sign=both"], "sign=both is not known"),
        (["cam", "checkpoint=x", "source=y", "colour=red"], "colour= is not known; explain cam takes"),
        (["cam", "photos"], "takes keys with values, not photos"),
        (["fool", "checkpoint=x", "source=y", "epsilon=0"], "epsilon=0 cannot be used"),
        (["maximise", "backbone=x"], "Give either stage="),
        (["maximise", "backbone=x", "stage=1", "channels=5:2"], "channels=5:2 is not known"),
        (["maximise", "backbone=x", "stage=1", "l1=much"], "l1=much cannot be used"),
        (["filters"], "Give either backbone=<name> or checkpoint=<run>"),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(words: list[str], message: str) -> None:
    with pytest.raises(CandelabraError, match=message):
        run_explain(words)


def test_answers_and_heads_that_are_not_there_are_refused(run: Path, photos: Path, tmp_path: Path) -> None:
    words = ["cam", f"checkpoint={run}", f"source={photos}", f"folder={tmp_path}"]
    with pytest.raises(CandelabraError, match="head=pose is no head of this model; allowed are"):
        run_explain([*words, "head=pose"])
    with pytest.raises(CandelabraError, match="target=unicorn is no class of this head; allowed are"):
        run_explain([*words, "target=unicorn"])
    with pytest.raises(CandelabraError, match="layer=17 is not known; allowed are auto"):
        run_explain([*words, "layer=17"])


@pytest.mark.parametrize(
    ("words", "head", "target"),
    [
        (["task=depth", "data=rendered_shapes", "data.count=32"], "depth", ["target=least"]),
        (["task=regression", "data=rendered_shapes", "data.count=32"], "value", ["target=count"]),
        (["task=ordinal", "data=blurred_digits", "data.fraction=0.1"], "ordinal", []),
        (["task=embedding", "data.count=96"], "embedding", []),
    ],
)
def test_numbers_maps_grades_and_vectors_are_explained(
    tiny: Compose, photos: Path, tmp_path: Path, words: list[str], head: str, target: list[str]
) -> None:
    run_train(tiny(*words, "data.size=32", "epochs=1", f"folder={tmp_path}/r"))
    words = [f"checkpoint={tmp_path}/r", f"source={photos}", "method=gradcam,occlusion", f"folder={tmp_path}/e"]
    run_explain(["cam", *words, f"head={head}", *target])
    with np.load(tmp_path / "e" / "explain.npz") as numbers:
        heats = [numbers[key] for key in numbers.files if key.startswith("heat/")]
    assert len(heats) == 2
    assert all(np.isfinite(heat).all() and len(heat) == 2 for heat in heats)
    assert any(heat.max() > 0 for heat in heats)


def test_a_head_whose_answer_is_no_number_is_refused(tiny: Compose, photos: Path, tmp_path: Path) -> None:
    run_train(tiny("task=reconstruction", "data.size=32", "data.count=32", "epochs=1", f"folder={tmp_path}/r"))
    with pytest.raises(CandelabraError, match=r"The head reconstruction \(Reconstruction\) cannot be explained"):
        run_explain(["cam", f"checkpoint={tmp_path}/r", f"source={photos}", f"folder={tmp_path}/e"])
    assert not (tmp_path / "e").exists()
