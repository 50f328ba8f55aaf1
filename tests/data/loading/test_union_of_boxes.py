"""A union of sets that label objects of different classes: no set's objects are background of another."""

from pathlib import Path

import torch
from PIL import Image

from candelabra.data import DatasetPart, Union, Voc
from candelabra.data.targets import BoxesTarget
from tests.data.readers.test_voc import xml


def _write(root: Path, name: str, count: int) -> Voc:
    root.mkdir()
    for number in range(count):
        Image.new("RGB", (40, 30)).save(root / f"{number}.jpg")
        (root / f"{number}.xml").write_text(xml((name, 5, 5, 20, 25)) if number else xml())
    return Voc(root=str(root))


def test_each_set_teaches_its_own_classes(tmp_path: Path) -> None:
    sets = {name: DatasetPart(_write(tmp_path / name, name, 4), size=32) for name in ("raccoon", "kangaroo")}
    data = Union(sets, size=32, augment="none", batch_size=8, workers=0, targets=["boxes"])
    assert data.labels[BoxesTarget] == BoxesTarget(("raccoon", "kangaroo"))
    samples = data.open()
    assert samples.labelled()["boxes"].all()
    for index, name in enumerate(samples.names):
        rows = samples[index]["boxes"].as_subclass(torch.Tensor)
        own, other = (0, 1) if name.startswith("raccoon") else (1, 0)
        ignored = rows[rows[:, 5] == 0]
        assert ignored.tolist() == [[0, 0, 40, 30, other, 0]]
        assert set(rows[rows[:, 5] == 1][:, 4].tolist()) <= {own}
        assert len(rows) == 1 + (not name.endswith("/0.jpg"))


def test_batches_of_a_union_hold_the_rows_of_both(tmp_path: Path) -> None:
    sets = {name: DatasetPart(_write(tmp_path / name, name, 8), size=32, val=0.0, test=0.0) for name in ("a", "b")}
    data = Union(sets, size=32, augment="light", batch_size=16, workers=0, targets=["boxes"])
    (batch,) = data.make_loader("train")
    rows = batch["boxes"]
    assert rows.shape[0] == 16
    assert ((rows[..., 5] == 0).sum(1) == 1).all()  # the class of the other set, in the whole image
    assert int((rows[..., 5] == 1).sum()) == 14
