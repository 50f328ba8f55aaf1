"""A run with cached features is the run without: same features, same weights, same numbers; each image is seen once."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from candelabra.backbones import Timm
from candelabra.run import train
from tests.conftest import Compose

FROZEN = ("finetune=frozen", "data.augment=none", "data.count=50", "epochs=3", "lr=0.01")
Seen = list[int]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    """Images in each batch that the backbone was given."""
    batches: Seen = []
    extract = Timm.extract

    def counted(self: Timm, images: Tensor) -> tuple[list[Tensor], Tensor]:
        batches.append(len(images))
        return extract(self, images)

    monkeypatch.setattr(Timm, "extract", counted)
    return batches


def weights(run: Path, name: str = "last") -> dict[str, Tensor]:
    saved: dict[str, Tensor] = torch.load(run / "checkpoints" / f"{name}.ckpt", weights_only=True)["state_dict"]
    return saved


def results(run: Path) -> dict[str, float]:
    found = json.loads((run / "results.json").read_text())
    return {key: value for key, value in found.items() if "/" in key}


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("trainer.precision=bf16-mixed",),
        ("data.augment=light", "data.views=2"),
        ("data.workers=1", "task.heads.label.dropout=0.3", "head@task.heads.keypoints=keypoints"),
        ("backbone=test_convnext", "task.heads.label.pooling=concat", "task.heads.mask=null"),
        ("task=classification", "task.label.pooling=flatten", "task.label.grid=2", "data.size=[64,48]"),
        ("task=classification", "task.label.pooling=max", "trainer.precision=bf16-mixed"),
        ("decoder@task.heads.mask.decoder=fpn", "reader@task.heads.box.reader=pooled", "data.batch_size=7"),
    ],
    ids=lambda words: "-".join(words) or "default",
)
def test_heads_end_in_the_same_weights_with_the_cache_and_without(
    words: tuple[str, ...], tiny: Compose, tmp_path: Path
) -> None:
    options = [*FROZEN, *words]
    train(tiny(*options, f"folder={tmp_path / 'images'}", "cache.gigabytes=0"))
    train(tiny(*options, f"folder={tmp_path / 'cached'}"))
    images, cached = weights(tmp_path / "images"), weights(tmp_path / "cached")
    assert list(images) == list(cached)
    assert all(torch.equal(value, cached[key]) for key, value in images.items())
    assert results(tmp_path / "images") == results(tmp_path / "cached")


def test_a_second_run_computes_nothing(tiny: Compose, tmp_path: Path, seen: Seen) -> None:
    train(tiny(*FROZEN, "task=classification"))
    first = list(seen)
    seen.clear()
    train(tiny(*FROZEN, "task=classification", "lr=0.1", f"folder={tmp_path / 'second'}"))
    trying = [1, 1, 2, 8]  # channels of the maps, rehearsal, what heads read, pictures
    assert sum(first) - sum(trying) == 50
    assert sorted(seen) == sorted(trying)


@pytest.mark.parametrize(
    "word", ["backbone.options.drop_rate=0.1", "data.size=32", "seed=1", "trainer.precision=bf16-mixed"]
)
def test_other_weights_sizes_or_precisions_are_computed_anew(word: str, tiny: Compose, seen: Seen) -> None:
    train(tiny(*FROZEN, "task=classification"))
    seen.clear()
    word = word if "drop_rate" not in word else "+backbone.options={drop_rate:0.1}"
    train(tiny(*FROZEN, "task=classification", word))
    assert (sum(seen) > 50) == ("drop_rate" not in word)
