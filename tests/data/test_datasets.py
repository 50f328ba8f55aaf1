"""What holds for every data set, on sets that are drawn."""

import numpy as np
import pytest
import torch

from candelabra.data import DataModule, Digits, Shapes
from candelabra.errors import CandelabraError


def test_shapes_and_digits_are_functions_of_their_drawing_seed() -> None:
    for kind, options in ((Shapes, {"count": 60}), (Digits, {})):
        first, same, other = (kind(drawing_seed=seed, **options).read() for seed in (1, 1, 2))  # type: ignore[arg-type]
        for key, value in first[7].items():
            assert torch.equal(value, same[7][key]), key  # type: ignore[arg-type, literal-required]
        assert not torch.equal(first[7]["image"], other[7]["image"])


def test_shapes_labels_agree_with_each_other() -> None:
    scenes = DataModule(Shapes(count=60)).open()
    for index in range(60):
        scene = scenes[index]
        rows, columns = scene["mask"].any(1).nonzero(), scene["mask"].any(0).nonzero()
        drawn = torch.tensor([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        assert (scene["box"][0] - drawn).abs().max() <= 1.5
        left, right, mouth = scene["keypoints"]
        assert left[0] < right[0]
        assert mouth[1] > (left[1] + right[1]) / 2
        assert all(scene["mask"][int(y), int(x)] for x, y in scene["keypoints"])


def test_a_linear_probe_on_pixels_fails_on_shapes() -> None:
    from sklearn.linear_model import RidgeClassifier

    scenes = DataModule(Shapes(count=900, canvas=32)).open()
    pixels = np.stack([scenes[i]["image"].numpy().ravel() / 255 for i in range(900)])
    probe = RidgeClassifier(alpha=10).fit(pixels[:700], scenes.strata[:700])
    assert probe.score(pixels[700:], scenes.strata[700:]) < 0.32  # chance is 0.2


def test_splits_are_stratified_seeded_and_disjoint() -> None:
    data, again, other = (DataModule(Shapes(count=200), split_seed=seed, seed=seed + 1) for seed in (0, 0, 5))
    samples = data.open()
    again.open()
    other.open()
    assert {split: len(part) for split, part in data.parts.items()} == {"train": 140, "val": 30, "test": 30}
    assert sorted(np.concatenate(list(data.parts.values()))) == list(range(200))
    for split, part in data.parts.items():
        counts = np.bincount(samples.strata[part])
        assert counts.max() - counts.min() <= 1
        assert np.array_equal(part, again.parts[split])
        assert not np.array_equal(part, other.parts[split])


def test_training_samples_depend_on_seed_epoch_and_index_alone() -> None:
    data = DataModule(Shapes(count=60), size=32)
    prepared = data.dataset("train")
    torch.manual_seed(1)
    first = prepared[3]["image"]
    torch.manual_seed(2)
    state = torch.get_rng_state()
    assert torch.equal(first, prepared[3]["image"])
    assert torch.equal(state, torch.get_rng_state())
    assert not torch.equal(first, prepared[3 + len(prepared)]["image"])


@pytest.mark.parametrize("workers", [0, 2])
def test_order_and_augmentation_do_not_depend_on_workers(workers: int) -> None:
    data = DataModule(Shapes(count=60), size=32, batch_size=8, workers=workers)
    loader = data.train_dataloader()
    loader.batch_sampler.set_epoch(3)  # type: ignore[attr-defined]
    sums = [float(batch["image"].double().mean()) for batch in loader]
    reference = DataModule(Shapes(count=60), size=32, batch_size=8, workers=0).train_dataloader()
    reference.batch_sampler.set_epoch(3)  # type: ignore[attr-defined]
    assert sums == [float(batch["image"].double().mean()) for batch in reference]
    reference.batch_sampler.set_epoch(4)  # type: ignore[attr-defined]
    assert sums != [float(batch["image"].double().mean()) for batch in reference]


@pytest.mark.parametrize(
    "options", [{"batch_size": 0}, {"size": 4}, {"split": "half"}, {"size": [1, 2, 3]}, {"labelled": 0.0}]
)
def test_options_of_every_data_set_are_checked(options: dict[str, object]) -> None:
    with pytest.raises(CandelabraError, match=f"data.{next(iter(options))}="):
        DataModule(Shapes(), **options)  # type: ignore[arg-type]
