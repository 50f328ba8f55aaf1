"""Torchvision's data sets, in files of their formats that are made here; torchvision checks their sums itself."""

import gzip
import hashlib
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision.datasets as sets
from scipy.io import savemat

from candelabra.data import (
    Celeba,
    Cifar10,
    Cifar100,
    FashionMnist,
    Flowers102,
    Imagenet,
    Mnist,
    Pets,
    Reader,
    Stl10,
)
from candelabra.data.targets import KeypointsTarget, LabelTarget
from candelabra.errors import CandelabraError
from tests.data.files import write_image

ALL: list[type[Reader]] = [Celeba, Cifar10, Cifar100, FashionMnist, Flowers102, Mnist, Pets, Stl10]


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def make_cifar(root: Path, kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = root / kind.base_folder
    folder.mkdir(parents=True)
    key = "labels" if kind is sets.CIFAR10 else "fine_labels"
    rng = np.random.default_rng(0)
    for part in ("train_list", "test_list"):
        sums = []
        for name, _ in getattr(kind, part):
            batch = {"data": rng.integers(0, 256, (4, 3072), dtype=np.uint8), key: [0, 1, 2, 3]}
            (folder / name).write_bytes(pickle.dumps(batch))
            sums.append([name, md5(folder / name)])
        monkeypatch.setattr(kind, part, sums)
    meta = folder / kind.meta["filename"]
    meta.write_bytes(pickle.dumps({kind.meta["key"]: [f"class {i}" for i in range(4)]}))
    monkeypatch.setattr(kind, "meta", {**kind.meta, "md5": md5(meta)})


def make_mnist(root: Path, name: str) -> None:
    folder = root / name / "raw"
    folder.mkdir(parents=True)
    for part, count in (("train", 6), ("t10k", 3)):
        pixels = np.arange(count * 784, dtype=np.uint8)
        head = b"".join(number.to_bytes(4, "big") for number in (0x803, count, 28, 28))
        (folder / f"{part}-images-idx3-ubyte").write_bytes(head + pixels.tobytes())
        labels = bytes(range(count))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01" + count.to_bytes(4, "big") + labels)


def make_stl(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = root / sets.STL10.base_folder
    folder.mkdir(parents=True)
    (folder / "class_names.txt").write_text("airplane\nbird\n")
    for part, count in (("train", 3), ("test", 2), ("unlabeled", 1)):
        (folder / f"{part}_X.bin").write_bytes(bytes(range(1, count + 1)) * (3 * 96 * 96))
        (folder / f"{part}_y.bin").write_bytes(bytes([1, 2, 1][:count]))
    for attribute in ("train_list", "test_list"):
        listed = [[name, md5(folder / name)] for name, _ in getattr(sets.STL10, attribute)]
        monkeypatch.setattr(sets.STL10, attribute, listed)


@pytest.mark.parametrize(("data", "kind"), [(Cifar10, sets.CIFAR10), (Cifar100, sets.CIFAR100)])
def test_cifar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: Any, kind: Any) -> None:
    make_cifar(tmp_path, kind, monkeypatch)
    samples = data(root=str(tmp_path)).read()
    batches = len(kind.train_list)
    assert samples.published.tolist() == ["train"] * 4 * batches + ["test"] * 4
    assert samples.labels[LabelTarget].classes == ("class 0", "class 1", "class 2", "class 3")
    assert samples[1]["image"].shape == (3, 32, 32)
    assert int(samples[5 if batches > 1 else 1]["label"]) == 1
    assert samples.digest(0) != samples.digest(1)


def test_a_pickle_whose_sum_is_wrong_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_cifar(tmp_path, sets.CIFAR10, monkeypatch)

    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "opened",)

    (tmp_path / "cifar-10-batches-py" / "data_batch_1").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(CandelabraError, match="holds no CIFAR10 as torchvision keeps it"):
        Cifar10(root=str(tmp_path)).read()
    assert not (tmp_path / "opened").exists()


@pytest.mark.parametrize(("data", "name"), [(Mnist, "MNIST"), (FashionMnist, "FashionMNIST")])
def test_mnist(tmp_path: Path, data: Any, name: str) -> None:
    make_mnist(tmp_path, name)
    samples = data(root=str(tmp_path)).read()
    assert samples.published.tolist() == ["train"] * 6 + ["test"] * 3
    assert len(samples.labels[LabelTarget].classes) == 10
    image = samples[1]["image"]
    assert image.shape == (3, 28, 28)
    assert image[:, 0, :3].tolist() == [[784 % 256, 785 % 256, 786 % 256]] * 3
    assert int(samples[7]["label"]) == 1


def test_stl10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_stl(tmp_path, monkeypatch)
    samples = Stl10(root=str(tmp_path)).read()
    assert samples.published.tolist() == ["train"] * 3 + ["test"] * 2
    assert samples.labels[LabelTarget].classes == ("airplane", "bird")
    assert samples[0]["image"].shape == (3, 96, 96)
    assert [int(samples[i]["label"]) for i in range(5)] == [0, 1, 0, 0, 1]


def test_flowers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "flowers-102"
    for number in range(1, 7):
        write_image(folder / "jpg" / f"image_{number:05d}.jpg")
    savemat(folder / "imagelabels.mat", {"labels": np.array([[1, 2, 1, 2, 102, 1]])})
    savemat(
        folder / "setid.mat", {"trnid": np.array([[1, 2]]), "valid": np.array([[3, 4]]), "tstid": np.array([[5, 6]])}
    )
    monkeypatch.setattr("torchvision.datasets.flowers102.check_integrity", lambda path, _: Path(path).is_file())
    samples = Flowers102(root=str(tmp_path)).read()
    assert samples.published.tolist() == ["train", "train", "val", "val", "test", "test"]
    assert len(samples.labels[LabelTarget].classes) == 102
    assert int(samples[4]["label"]) == 101
    assert samples.names[0] == "flowers-102/jpg/image_00001.jpg"


def test_celeba_has_attributes_and_points_of_aligned_faces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "celeba"
    names = [f"{number:06d}.jpg" for number in range(1, 7)]
    for name in names:
        write_image(folder / "img_align_celeba" / name, (178, 218))
    texts = {
        "list_attr_celeba.txt": ["6", "Smiling Young", *(f"{name}  1 -1" for name in names)],
        "identity_CelebA.txt": [f"{name} 1" for name in names],
        "list_bbox_celeba.txt": ["6", "image_id x_1 y_1 width height", *(f"{name} 1 2 3 4" for name in names)],
        "list_landmarks_align_celeba.txt": ["6", "a b", *(f"{n} 69 109 106 113 77 142 73 152 108 154" for n in names)],
        "list_eval_partition.txt": [f"{name} {number // 2}" for number, name in enumerate(names)],
    }
    for name, lines in texts.items():
        (folder / name).write_text("\n".join(lines) + "\n")
    sums = [(key, md5(folder / name) if name in texts else old, name) for key, old, name in sets.CelebA.file_list]
    monkeypatch.setattr(sets.CelebA, "file_list", sums)
    samples = Celeba(root=str(tmp_path)).read()
    assert samples.labels.targets == ("label", "keypoints")
    assert samples.labels[LabelTarget].multilabel
    assert samples.labels[LabelTarget].classes == ("Smiling", "Young")
    assert samples.published.tolist() == ["train", "train", "val", "val", "test", "test"]
    assert samples[3]["label"].tolist() == [1, 0]
    assert samples[3]["keypoints"][0].tolist() == [69, 109]
    assert samples.labels[KeypointsTarget].mirrored == (1, 0, 2, 4, 3)


def test_imagenet(tmp_path: Path) -> None:
    for split, count in (("train", 2), ("val", 1)):
        for wnid in ("n01", "n02"):
            for number in range(count):
                write_image(tmp_path / split / wnid / f"{number}.JPEG")
    torch.save(({"n01": ("tench", "Tinca tinca"), "n02": ("goldfish",)}, ["n01", "n02"]), tmp_path / "meta.bin")
    samples = Imagenet(root=str(tmp_path)).read()
    assert samples.labels[LabelTarget].classes == ("tench, Tinca tinca", "goldfish")
    assert samples.published.tolist() == ["train"] * 4 + ["val"] * 2
    assert [int(samples[i]["label"]) for i in (0, 3, 5)] == [0, 1, 1]
    with pytest.raises(CandelabraError, match="holds no ImageNet as torchvision keeps it"):
        Imagenet(root=str(tmp_path / "val")).read()


def refuse(*_: object, **__: object) -> None:
    raise OSError("no network")


@pytest.mark.parametrize("kind", ALL)
def test_downloads_fail_in_words_when_offline(tmp_path: Path, kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("urllib.request.urlopen", refuse)
    monkeypatch.setattr("torchvision.datasets.celeba.download_file_from_google_drive", refuse)
    with pytest.raises(CandelabraError, match="could not be fetched"):
        kind(root=str(tmp_path), download=True).read()


@pytest.mark.parametrize("kind", [each for each in ALL if each is not Pets])
def test_an_empty_folder_is_refused_in_words(tmp_path: Path, kind: Any) -> None:
    with pytest.raises(CandelabraError, match=r"data\.download=true"):
        kind(root=str(tmp_path)).read()


def test_a_download_is_unpacked_and_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_mnist(tmp_path / "there", "MNIST")
    raw = tmp_path / "there" / "MNIST" / "raw"
    packed = {f"{path.name}.gz": gzip.compress(path.read_bytes()) for path in raw.iterdir()}

    def fetch(url: str, path: str, *_: object, **__: object) -> None:
        Path(path).write_bytes(packed[url.rsplit("/", 1)[1]])

    sums = [(name, hashlib.md5(packed[name]).hexdigest()) for name, _ in sets.MNIST.resources]
    monkeypatch.setattr(sets.MNIST, "resources", sums)
    monkeypatch.setattr("torchvision.datasets.utils._get_redirect_url", lambda url, **_: url)
    monkeypatch.setattr("torchvision.datasets.utils._urlretrieve", fetch)
    samples = Mnist(root=str(tmp_path / "here"), download=True).read()
    assert len(samples) == 9
