"""What is done to a whole batch is a function of seed, epoch and number; a loss of blended images is a sum of two."""

from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from torch import Tensor

from candelabra.backbones import Timm
from candelabra.config.build import build_data
from candelabra.data import DataModule, DatasetPart, Shapes, Union
from candelabra.data.transforms.batch_transforms import BatchTransforms, scale_size
from candelabra.errors import CandelabraError
from candelabra.feature_cache import FeatureCache, cache_features
from candelabra.finetuning import Frozen, Probe
from candelabra.heads import Box, Keypoints, Label, Mask
from candelabra.tasks import MultiTask
from candelabra.tasks.loading import dry_run
from candelabra.tasks.mixup import compute_blend_shares, transform_batch
from candelabra.tasks.task import Task
from candelabra.types import Blend, Sample
from tests.data.builders import FOUR


def shapes(**options: Any) -> DataModule:
    return DataModule(Shapes(count=60, canvas=64), **{"size": 64, "batch_size": 8, "workers": 0, **options})


def batches(data: DataModule, epoch: int, skip: int = 0) -> list[dict[str, Any]]:
    loader = data.train_dataloader()
    loader.batch_sampler.set_epoch(epoch)
    loader.batch_sampler.skip = skip
    return list(loader)  # type: ignore[arg-type]


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(
        torch.equal(value.nan_to_num(-1), other[key].nan_to_num(-1))
        if isinstance(value, Tensor)
        else value == other[key]
        for key, value in one.items()
    )


def test_batches_are_the_same_whatever_the_workers_and_from_wherever_they_go_on() -> None:
    words: dict[str, Any] = {"mixup": 0.4, "cutmix": 1.0, "multiscale": [0.5, 1.5], "augment": "strong", "erase": 0.5}
    whole, working = (batches(shapes(workers=workers, **words), epoch=2) for workers in (0, 1))
    rest = batches(shapes(**words), epoch=2, skip=3)
    assert all(same(one, other) for one, other in zip(whole, working, strict=True))
    assert all(same(one, other) for one, other in zip(whole[3:], rest, strict=True))
    other = batches(shapes(**words), epoch=3)
    assert [each["blend"] for each in whole] != [each["blend"] for each in other]
    assert batches(shapes(seed=1, **words), epoch=2)[0]["blend"] != whole[0]["blend"]
    kinds = {each["blend"].place is None for epoch in range(4) for each in batches(shapes(**words), epoch)}
    assert kinds == {True, False}


def test_only_training_batches_are_blended() -> None:
    data = shapes(mixup=0.4)
    assert "blend" in next(iter(data.train_dataloader()))
    assert "blend" not in next(iter(data.val_dataloader()))
    assert "blend" not in next(iter(shapes().train_dataloader()))


def test_sizes_are_multiples_of_32_within_the_range_and_labels_move_along() -> None:
    data = shapes(multiscale=[0.5, 1.5], augment="none")
    sizes = set()
    for epoch in range(3):
        for batch in batches(data, epoch):
            assert batch["image"].shape[-2:] == (96, 96)
            made = transform_batch(batch, FOUR)  # type: ignore[arg-type]
            height, width = made["image"].shape[-2:]
            sizes.add((height, width))
            assert made["mask"].shape[-2:] == (height, width)
            assert made["image"].dtype == (torch.uint8 if height == 96 else torch.float32)
            for row in range(len(made["box"])):
                rows, columns = made["mask"][row].nonzero().unbind(1)
                found = torch.stack([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]).float()
                assert (found - made["box"][row]).abs().max() <= 2
                low, high = made["box"][row].view(2, 2)
                assert ((made["keypoints"][row] >= low - 1) & (made["keypoints"][row] <= high + 1)).all()
    assert sizes == {(32, 32), (64, 64), (96, 96)}
    assert scale_size((240, 320), 0.75) == (192, 256)
    assert data.shape == (64, 64)
    assert next(iter(data.val_dataloader()))["image"].shape[-2:] == (64, 64)


def plain(count: int = 4, side: int = 8) -> Sample:
    image = torch.arange(count, dtype=torch.uint8)[:, None, None, None].expand(count, 3, side, side) * 10
    mask = torch.arange(count, dtype=torch.uint8)[:, None, None].expand(count, side, side) % 2
    return {"image": image, "label": torch.arange(count) % 3, "mask": mask}


def test_mixup_averages_pixels_and_cutmix_pastes_them_with_their_mask() -> None:
    mixed = transform_batch({**plain(), "blend": Blend(0.75, None)}, FOUR)
    assert torch.allclose(mixed["image"][1] * 255, torch.full((3, 8, 8), 0.75 * 10 + 0.25 * 0))
    assert torch.allclose(mixed["image"][0] * 255, torch.full((3, 8, 8), 0.25 * 30.0))
    whole = BatchTransforms(0.0, 1.0, None, 0).with_labels(FOUR)
    pasted = 0
    for number in range(20):
        batch = whole(plain(), 0, number)
        blend = batch["blend"]
        assert blend.place is not None
        left, top, right, bottom = blend.place
        made = transform_batch(batch, FOUR)
        inside = torch.zeros(8, 8, dtype=torch.bool)
        inside[top:bottom, left:right] = True
        assert blend.share == pytest.approx(1 - inside.float().mean().item())
        assert made["image"].dtype == torch.uint8
        assert (made["image"][2][:, inside] == 10).all()
        assert (made["image"][2][:, ~inside] == 20).all()
        assert (made["mask"][2][inside] == 1).all()
        assert (made["mask"][2][~inside] == 0).all()
        pasted += int(inside.any())
    assert pasted > 10


def task(*heads: str, **options: Any) -> Task:
    torch.manual_seed(0)
    every: dict[str, Any] = {"label": Label, "box": Box, "keypoints": Keypoints, "mask": Mask}
    labels = shapes().labels
    return MultiTask(Timm("test_resnet", weights="none"), labels, {name: every[name] for name in heads}, **options)


def learn(model: MultiTask, batch: Any) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The loss of a training step, and each head's."""
    loss = model.training_step(batch, 0)
    assert model.balance_state is not None
    return loss, model.balance_state.losses


@pytest.mark.parametrize("place", [None, (8, 0, 40, 48)])
def test_the_loss_of_blended_images_is_that_of_both_labels_by_their_shares(place: Any) -> None:
    model = task("label", "mask").train()
    batch: Any = next(iter(shapes(batch_size=6).train_dataloader()))
    batch["label"][1] = -1  # a partner without a label
    batch["label"][4] = -1
    batch["label"][5] = -1  # and one where neither has one
    batch["mask"][2] = 255
    share = 0.7 if place is None else 1 - 32 * 48 / 64**2
    batch["blend"] = Blend(share, place)
    if place is not None:
        left, top, right, bottom = place
        batch["mask"][..., top:bottom, left:right] = batch["mask"].roll(1, 0)[..., top:bottom, left:right]
    prepared = model.on_before_batch_transfer(batch, 0)
    made = transform_batch(prepared, FOUR)
    loss, each = learn(model, prepared)
    outputs = model(made["image"])
    values, weights = [], []
    logged = outputs["label"].log_softmax(1)
    for row in range(6):
        for of, much in ((row, share), ((row - 1) % 6, 1 - share)):
            if batch["label"][of] >= 0:
                values.append(-logged[row, batch["label"][of]])
                weights.append(much)
    expected = sum(v * w for v, w in zip(values, weights, strict=True)) / sum(weights)
    assert torch.allclose(each["label"], expected, atol=1e-5)
    head: Any = model.heads["mask"]
    own = head.loss(outputs["mask"], batch["mask"], (64, 64))
    if place is not None:
        there = (batch["mask"] != 255).flatten(1).any(1)
        assert torch.allclose(each["mask"], own[there].mean(), atol=1e-5)
    else:
        partner = head.loss(outputs["mask"], batch["mask"].roll(1, 0), (64, 64))
        known = torch.tensor([1.0, 1, 0, 1, 1, 1])
        first, second = share * known, (1 - share) * known.roll(1)
        assert torch.allclose(each["mask"], (first * own + second * partner).sum() / (first + second).sum(), atol=1e-5)
    rows, shares = compute_blend_shares(batch, model.named_heads())
    assert len(rows["label"]) == len(shares["label"].weights[0]) == 5
    assert shares["label"].total == pytest.approx(sum(weights))
    loss.backward()


def test_a_batch_without_a_label_teaches_nothing_though_it_is_blended() -> None:
    model = task("label", "mask").train()
    batch: Any = next(iter(shapes(mixup=0.4).train_dataloader()))
    batch["label"][:] = -1
    _, each = learn(model, model.on_before_batch_transfer(batch, 0))
    assert each["label"] == 0
    assert each["mask"] > 0
    assert "label" not in model.labelled_heads


def test_places_cannot_be_blended_and_are_refused_before_training() -> None:
    data = shapes(cutmix=1.0)
    with pytest.raises(CandelabraError, match=r"whose box and keypoints would be those of two.*task.heads.box=null"):
        dry_run(task("label", "box", "keypoints"), data, 3)
    dry_run(task("label", "mask"), data, 3)


@pytest.mark.parametrize("words", [{"mixup": 0.2}, {"cutmix": 1.0}, {"multiscale": [0.5, 1.5]}])
def test_features_are_not_kept_where_batches_are_new_images(words: dict[str, Any], tmp_path: Path) -> None:
    trainer = L.Trainer(max_epochs=2, logger=False, enable_checkpointing=False, enable_progress_bar=False)
    data, still = shapes(augment="none", **words), shapes(augment="none")
    cache = FeatureCache(str(tmp_path), 1.0)
    assert cache_features(task("label", finetune=Frozen()), data, cache, trainer) is data
    assert cache_features(task("label", finetune=Frozen()), still, cache, trainer) is not still
    with pytest.raises(CandelabraError, match=r"finetune=probe .* data.mixup, data.cutmix and data.multiscale"):
        cache_features(task("label", finetune=Probe()), data, cache, trainer)


SCENES = {"_target_": "candelabra.data.Shapes", "count": 60, "canvas": 64, "size": 64}


def test_a_union_blends_and_resizes_batches_of_all_its_sets() -> None:
    scenes = Shapes(count=60, canvas=64)
    sets = {"a": DatasetPart(scenes, targets=["label"], resize="crop"), "b": DatasetPart(scenes, targets=["mask"])}
    data = Union(sets=sets, size=64, batch_size=8, workers=0, mixup=0.4, multiscale=[0.5, 1.5], resize="letterbox")
    batch: Any = next(iter(data.train_dataloader()))
    assert batch["image"].shape[-2:] == (96, 96)
    assert "Letterbox" in repr(data.dataset("val").pipeline)
    assert "Crop" not in repr(data.dataset("val").pipeline)
    model = task("label", "mask").train()
    loss, each = learn(model, model.on_before_batch_transfer(batch, 0))
    assert torch.isfinite(loss)
    assert min(each.values()) > 0
    for words in ({"mixup": 0.4}, {"sampler": "balanced"}, {"multiscale": [0.5, 1.5]}):
        with pytest.raises(CandelabraError, match=rf"data.sets.a.{next(iter(words))}=.* would do nothing"):
            build_data({"_target_": "candelabra.data.Union", "sets": {"a": {**SCENES, **words}}})


def test_every_size_is_tried_before_training() -> None:
    model = task("label", finetune=Frozen())
    seen: list[tuple[int, ...]] = []
    model.backbone.register_forward_pre_hook(lambda _, inputs: seen.append(tuple(inputs[0].shape[-2:])))
    dry_run(model, shapes(multiscale=[0.5, 1.5]), 3)
    assert seen == [(32, 32), (96, 96)]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"mixup": -1.0}, "data.mixup=-1.0 is not the alpha"),
        ({"multiscale": [1.0]}, r"data.multiscale=\[1.0\] must be the least and the largest"),
        ({"multiscale": [0.9, 1.1]}, r"gives batches of one size only, 64 x 64"),
        ({"erase": 1.5}, "data.erase=1.5"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(words: dict[str, Any], message: str) -> None:
    with pytest.raises(CandelabraError, match=message):
        shapes(**words)
