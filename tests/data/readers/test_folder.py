"""One folder a class."""

from pathlib import Path

import pytest

from candelabra.data import DataModule, Folder
from candelabra.data.targets import LabelTarget
from candelabra.errors import CandelabraError
from tests.data.files import batch_of, make_folder


def test_folder_with_and_without_splits(tmp_path: Path) -> None:
    data = DataModule(Folder(root=str(make_folder(tmp_path / "flat", 20))), size=16, batch_size=4)
    assert data.labels[LabelTarget].classes == ("cat", "dog")
    assert batch_of(data)["image"].shape == (4, 3, 16, 16)
    for split in ("train", "valid", "test"):
        make_folder(tmp_path / "split" / split, 3)
    divided = DataModule(Folder(root=str(tmp_path / "split")))
    names = divided.open().names
    assert [Path(names[i]).parts[0] for i in divided.parts["val"]] == ["valid"] * 6


@pytest.mark.real
def test_real_cifar10(real: Path) -> None:
    data = Folder(root=str(real / "cifar10_6k"))
    samples = data.read()
    assert len(samples.labels[LabelTarget].classes) == 10
    assert (samples.published == "train").sum() == 5000
    assert (samples.published == "test").sum() == 1000


@pytest.mark.parametrize(
    ("folder", "words"),
    [("nowhere", "is not a folder"), ("empty", "holds no image in a folder of its class")],
)
def test_folders_without_classes_are_refused(tmp_path: Path, folder: str, words: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CandelabraError, match=words):
        DataModule(Folder(root=str(tmp_path / folder))).open()


def test_a_class_without_a_training_image_is_refused(tmp_path: Path) -> None:
    make_folder(tmp_path / "train", 3, ("cat", "dog"))
    make_folder(tmp_path / "val", 3, ("cat", "dog", "emu"))
    make_folder(tmp_path / "test", 3, ("cat", "dog"))
    with pytest.raises(CandelabraError, match="Class 'emu' has no image in the train"):
        DataModule(Folder(root=str(tmp_path))).open()
