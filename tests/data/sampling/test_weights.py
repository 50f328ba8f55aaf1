"""How often images come: counts of classes, numbers of a table, and that no version of an image comes twice."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from candelabra.data import DataModule, Folder, Shapes
from candelabra.data.file_samples import FileSamples
from candelabra.data.sampling.train_order import BatchOrder, WeightedOrder
from candelabra.data.sampling.weights import make_train_order
from candelabra.errors import CandelabraError
from tests.data.builders import build_file_samples, make_labels
from tests.data.files import make_folder

COUNTS = (60, 30, 10)


def records(label: NDArray[np.int64] | NDArray[np.float32] | None = None) -> FileSamples:
    label = np.repeat(np.arange(3), COUNTS) if label is None else label
    names = [f"{index}.jpg" for index in range(len(label))]
    labels = make_labels(classes=("a", "b", "c"), multilabel=label.ndim == 2)
    return build_file_samples(Path(), names, labels, np.full(len(label), ""), label)


def served(order: WeightedOrder, epoch: int, size: int = 8, ranks: int = 1) -> NDArray[np.int64]:
    return np.concatenate([b for rank in range(ranks) for b in order.batches(epoch, size, rank, ranks)])


def order_of(sampler: str, samples: FileSamples, root: str | None = None) -> WeightedOrder:
    order = make_train_order(sampler, samples, np.arange(len(samples)), 3, root)
    assert isinstance(order, WeightedOrder)
    return order


def test_balanced_gives_each_class_the_same_share_of_every_epoch() -> None:
    samples = records()
    order = order_of("balanced", samples)
    assert order.total == 100
    times = np.zeros(100, dtype=int)
    for epoch in range(9):
        index = served(order, epoch, size=10) % 100
        assert len(index) == 100
        by_class = np.bincount(samples.strata[index])
        assert by_class.max() - by_class.min() <= 1
        times += np.bincount(index, minlength=100)
    for kind, count in enumerate(COUNTS):  # and within a class each image as often
        each = times[samples.strata == kind]
        assert each.max() - each.min() <= 2
        assert abs(each.mean() - 300 / count) < 0.6


def test_balanced_goes_by_inverse_frequency_where_an_image_has_several_classes() -> None:
    rng = np.random.default_rng(0)
    label = (rng.random((400, 3)) < np.array([0.8, 0.3, 0.05])).astype(np.float32)
    label[:40] = np.nan  # not labelled: once each
    samples = records(label)
    order = order_of("balanced", samples)
    index = np.concatenate([served(order, epoch, size=400) % 400 for epoch in range(4)])
    assert np.bincount(index, minlength=400)[:40].mean() == pytest.approx(4, abs=0.2)
    before, after = np.nansum(label, 0), np.nansum(label[index], 0)
    assert after.max() / after.min() < 0.5 * before.max() / before.min()


def test_repeated_repeats_images_of_rare_classes_by_the_root_of_their_rareness() -> None:
    samples = records()
    order = order_of("repeated", samples)
    expected = {0: 1.0, 1: (100 / 3 / 30) ** 0.5, 2: (100 / 3 / 10) ** 0.5}
    index = np.concatenate([served(order, epoch, size=order.total) % 100 for epoch in range(20)])
    for kind, count in enumerate(COUNTS):
        assert (samples.strata[index] == kind).sum() / count / 20 == pytest.approx(expected[kind], rel=0.02)
    assert order.total == round(sum(expected[kind] * count for kind, count in enumerate(COUNTS)))


def test_numbers_of_a_table_say_how_often(tmp_path: Path) -> None:
    samples = records()
    weights = np.where(np.arange(100) < 50, 3, 1)
    weights[7] = 0
    lines = "".join(f"{name},{weight}\n" for name, weight in zip(samples.names, weights, strict=True))
    (tmp_path / "weights.csv").write_text("name,weight\n" + lines)
    order = order_of("weights.csv", samples, str(tmp_path))
    index = np.concatenate([served(order, epoch, size=100) % 100 for epoch in range(10)])
    times = np.bincount(index, minlength=100) / 10
    assert times[7] == 0
    assert times[:50].sum() / times[50:].sum() == pytest.approx(147 / 50, rel=0.02)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name,weight\n0.jpg,1\n", "each training image needs a weight of at least 0.* look at 1.jpg .99 of 100"),
        ("name,weight\n0.jpg,much\n", "a weight is no number"),
        ("name,number\n0.jpg,1\n", "has no column weight; it has"),
    ],
)
def test_weights_that_do_not_fit_are_refused(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "weights.csv").write_text(content)
    with pytest.raises(CandelabraError, match=message):
        order_of("weights.csv", records(), str(tmp_path))


@pytest.mark.parametrize("sampler", ["balanced", "repeated"])
def test_no_version_comes_twice_versions_come_in_turn_and_ranks_keep_step(sampler: str) -> None:
    order = order_of(sampler, records())
    keys = np.concatenate([served(order, epoch, order.total) for epoch in range(6)])
    assert len(set(keys.tolist())) == len(keys)
    for index in range(100):
        passes = sorted(keys[keys % 100 == index] // 100)
        assert passes == list(range(len(passes)))
    halves = [BatchOrder(order, 8, rank, 2) for rank in (0, 1)]
    for half in halves:
        half.set_epoch(2)
    both = [list(half) for half in halves]
    assert len(both[0]) == len(both[1]) == len(halves[0])
    one = Counter(key for batches in both for batch in batches for key in batch)
    assert set(one) <= set(keys.tolist())
    halves[0].skip = 2
    assert list(halves[0]) == both[0][2:]


def test_classes_of_labels_that_were_taken_away_are_not_known() -> None:
    data = DataModule(Shapes(count=300, canvas=16), size=16, labelled={"label": 0.2}, sampler="balanced", workers=0)
    samples = data.open()
    shown: NDArray[np.bool_] = samples.shown()
    known = shown.max(axis=1)[data.parts["train"]]
    order = data.plan.orders["train"]
    assert isinstance(order, WeightedOrder)
    index = np.concatenate([served(order, epoch, order.total) % len(known) for epoch in range(5)])
    assert known[index].mean() == pytest.approx(0.2, abs=0.01)


def test_a_data_set_of_folders_is_served_balanced_whatever_the_workers(tmp_path: Path) -> None:
    make_folder(tmp_path, 30, ("cat",))
    make_folder(tmp_path, 6, ("dog",))
    batches = []
    for workers in (0, 1):
        data = DataModule(Folder(root=str(tmp_path)), size=16, batch_size=4, sampler="balanced", workers=workers)
        batches.append(list(data.train_dataloader()))
    assert all(torch.equal(a["image"], b["image"]) for a, b in zip(*batches, strict=True))
    labels = torch.cat([batch["label"] for batch in batches[0]])
    assert abs(int((labels == 0).sum()) - int((labels == 1).sum())) <= 4
    assert data.shares[0].quota == data.shares[0].images


def test_what_cannot_be_balanced_is_refused_in_words() -> None:
    with pytest.raises(CandelabraError, match=r"data.sampler=even is not known; allowed are shuffled, balanced"):
        DataModule(Shapes(), sampler="even")
    with pytest.raises(CandelabraError, match=r"data.sampler=balanced goes by classes of images, .* label box"):
        DataModule(Shapes(count=60, canvas=16), size=16, targets=["box"], sampler="balanced").open()
