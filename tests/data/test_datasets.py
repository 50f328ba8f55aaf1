"""Every data set and format, on files that are made here and on real ones."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from candelabra.data import Cifar10, DataModule, Digits, Folder, Masks, Pets, Shapes, Table
from candelabra.errors import CandelabraError


def write_image(path: Path, size: tuple[int, int] = (24, 16), colour: tuple[int, int, int] = (9, 9, 9)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


def write_mask(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values.astype(np.uint8)).save(path)


def make_folder(root: Path, count: int = 10, classes: tuple[str, ...] = ("cat", "dog")) -> Path:
    for number, name in enumerate(classes):
        for i in range(count):
            write_image(root / name / f"{i}.JPG", colour=(number * 200, 0, i))
    return root


def batch_of(data: DataModule) -> dict[str, torch.Tensor]:
    data.workers = 0
    return next(iter(data.train_dataloader()))  # type: ignore[return-value]


def test_shapes_and_digits_are_functions_of_their_split_seed() -> None:
    for kind, options in ((Shapes, {"count": 60}), (Digits, {})):
        first, same, other = (kind(split_seed=seed, size=64, **options).open() for seed in (1, 1, 2))  # type: ignore[arg-type]
        for key, value in first[7].items():
            assert torch.equal(value, same[7][key]), key  # type: ignore[arg-type, literal-required]
        assert not torch.equal(first[7]["image"], other[7]["image"])


def test_shapes_labels_agree_with_each_other() -> None:
    scenes = Shapes(count=60).open()
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

    scenes = Shapes(count=900, canvas=32).open()
    pixels = np.stack([scenes[i]["image"].numpy().ravel() / 255 for i in range(900)])
    probe = RidgeClassifier(alpha=10).fit(pixels[:700], scenes.strata[:700])
    assert probe.score(pixels[700:], scenes.strata[700:]) < 0.32  # chance is 0.2


def test_splits_are_stratified_seeded_and_disjoint() -> None:
    data, again, other = (Shapes(count=200, split_seed=seed, seed=seed + 1) for seed in (0, 0, 5))
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
    data = Shapes(count=60, size=32)
    prepared = data.prepared("train")
    torch.manual_seed(1)
    first = prepared[3]["image"]
    torch.manual_seed(2)
    state = torch.get_rng_state()
    assert torch.equal(first, prepared[3]["image"])
    assert torch.equal(state, torch.get_rng_state())
    assert not torch.equal(first, prepared[3 + len(prepared)]["image"])


@pytest.mark.parametrize("workers", [0, 2])
def test_order_and_augmentation_do_not_depend_on_workers(workers: int) -> None:
    data = Shapes(count=60, size=32, batch_size=8, workers=workers)
    loader = data.train_dataloader()
    loader.batch_sampler.set_epoch(3)  # type: ignore[attr-defined]
    sums = [float(batch["image"].double().mean()) for batch in loader]
    reference = Shapes(count=60, size=32, batch_size=8, workers=0).train_dataloader()
    reference.batch_sampler.set_epoch(3)  # type: ignore[attr-defined]
    assert sums == [float(batch["image"].double().mean()) for batch in reference]
    reference.batch_sampler.set_epoch(4)  # type: ignore[attr-defined]
    assert sums != [float(batch["image"].double().mean()) for batch in reference]


def test_folder_with_and_without_splits(tmp_path: Path) -> None:
    data = Folder(root=str(make_folder(tmp_path / "flat", 20)), size=16, batch_size=4)
    assert data.labels.classes == ("cat", "dog")
    assert batch_of(data)["image"].shape == (4, 3, 16, 16)
    for split in ("train", "valid", "test"):
        make_folder(tmp_path / "split" / split, 3)
    divided = Folder(root=str(tmp_path / "split"))
    names = divided.open().names
    assert [Path(names[i]).parts[0] for i in divided.parts["val"]] == ["valid"] * 6


def test_masks_in_camvids_layout_ignore_void(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        for i in range(2):
            write_image(tmp_path / split / f"{i}.jpg")
            values = np.zeros((16, 24))
            values[:, 12:], values[0, 0] = 1, 11
            write_mask(tmp_path / f"{split}annot" / f"{i}.png", values)
    data = Masks(root=str(tmp_path), classes=["road", "car"], ignore=[11], size=(16, 24), augment="none", batch_size=2)
    assert data.labels.mask_classes == ("road", "car")
    mask = batch_of(data)["mask"][0]
    assert mask.unique().tolist() == [0, 1, 255]
    assert Masks(root=str(tmp_path), ignore=[11]).labels.mask_classes == ("0", "1")


def table_rows() -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for i in range(30):
        full = {"image": f"{i}.png", "label": "ab"[i % 2], "xmin": 2, "ymin": 3, "xmax": 10, "ymax": 12}
        full |= {"left_x": 4, "left_y": 5, "right_x": 20, "right_y": 5, "mask": f"masks/{i}.png"}
        empty = {0: (), 1: ("label",), 2: ("xmin",), 3: ("left_x",), 4: ("mask",)}[i % 5]
        rows.append({key: ("" if key in empty else value) for key, value in full.items()})
    return rows


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_table_may_leave_any_cell_empty(tmp_path: Path, suffix: str) -> None:
    import pandas

    for i in range(30):
        write_image(tmp_path / "images" / f"{i}.png")
        write_mask(tmp_path / "masks" / f"{i}.png", np.ones((16, 24)))
    rows = table_rows()
    with (tmp_path / "t.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    if suffix == "parquet":
        pandas.read_csv(tmp_path / "t.csv").to_parquet(tmp_path / "t.parquet")
    data = Table(
        root=str(tmp_path),
        file=f"t.{suffix}",
        images="images",
        mirror=[["left", "right"]],
        normalizer=["left", "right"],
        mask_classes=["no", "yes"],
        size=16,
        augment="none",
    )
    assert data.labels.targets == ("label", "box", "keypoints", "mask")
    assert data.labels.mirror == (1, 0)
    samples = data.open()
    assert {k: int(v.sum()) for k, v in samples.labelled().items()} == {
        "label": 24,
        "box": 24,
        "keypoints": 30,
        "mask": 24,
    }
    assert int(samples[1]["label"]) == -1
    assert samples[2]["box"].isnan().any()
    assert samples[3]["keypoints"].isnan().all(1).tolist() == [True, False]
    assert samples[4]["mask"].unique().tolist() == [255]
    batch_of(data)


def test_several_labels_in_one_cell(tmp_path: Path) -> None:
    write_image(tmp_path / "0.png")
    lines = ["image,label", *(f"0.png,{cell}" for cell in ["red|round", "round", "red", ""] * 5)]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    samples = Table(root=str(tmp_path), file="t.csv", separator="|").open()
    assert samples.labels.classes == ("red", "round")
    assert samples[0]["label"].tolist() == [1, 1]
    assert samples[1]["label"].tolist() == [0, 1]
    assert samples[3]["label"].isnan().all()


@pytest.mark.real
def test_real_pets(real: Path) -> None:
    data = Pets(root=str(real / "pets_sample"), size=64)
    samples = data.open()
    assert data.labels.classes == ("Abyssinian", "american bulldog", "Bengal")
    assert len(samples) == 598
    assert {k: int(v.sum()) for k, v in samples.labelled().items()} == {"label": 598, "box": 295, "mask": 598}
    assert len(data.parts["test"]) == 298
    sample = samples[0]
    assert sample["mask"].unique().tolist() == [0, 1, 255]
    left, top, right, bottom = sample["box"][0].int().tolist()
    assert (sample["mask"][top:bottom, left:right] == 1).float().mean() > 0.5  # the head is part of the pet


@pytest.mark.real
def test_real_faces_by_person(real: Path, tiny: object) -> None:
    root = real / "p1_facial_keypoints"
    data = Table(
        root=str(root),
        file="data/training_frames_keypoints.csv",
        images="data/training",
        points=68,
        splits="person_disjoint_split.csv",
        normalizer=["36", "45"],
        size=64,
    )
    samples = data.open()
    assert {split: len(part) for split, part in data.parts.items()} == {"train": 2406, "val": 516, "test": 540}
    people = {
        split: {samples.names[i].split("/")[-1].rsplit("_", 1)[0] for i in part} for split, part in data.parts.items()
    }
    assert not people["train"] & people["test"]
    eyes = samples[0]["keypoints"][[36, 45]]
    assert eyes[0, 0] < eyes[1, 0]


@pytest.mark.real
@pytest.mark.parametrize("set_of", ["camvid/CamVid", "cifar10_6k"])
def test_real_folders(real: Path, set_of: str) -> None:
    data: DataModule = (
        Masks(root=str(real / set_of), ignore=[11], size=(64, 96))
        if "camvid" in set_of
        else Folder(root=str(real / set_of), size=32)
    )
    batch = batch_of(data)
    assert len(data.labels.mask_classes or data.labels.classes) in (10, 11)
    assert batch["image"].dtype == torch.uint8


def refusals(root: Path) -> dict[str, tuple[DataModule, str]]:
    make_folder(root / "few", 1, ("emu",))
    make_folder(root / "few", 20, ("cat", "dog"))
    (root / "empty").mkdir()
    write_image(root / "sizes" / "images" / "a.png")
    write_mask(root / "sizes" / "masks" / "a.png", np.zeros((9, 9)))
    write_image(root / "alone" / "images" / "a.png")
    (root / "alone" / "masks").mkdir()
    (root / "missing.csv").write_text("image,label\nnowhere.jpg,a\n")
    (root / "split.csv").write_text("image,split\nx.jpg,holdout\n")
    return {
        "a missing folder": (Folder(root=str(root / "nowhere")), "is not a folder"),
        "an empty folder": (Folder(root=str(root / "empty")), "holds no image in a folder of its class"),
        "a class without an image in a split": (Folder(root=str(root / "few")), "Class 'emu' has no image in the"),
        "a mask of another size": (Masks(root=str(root / "sizes")), "9 x 9 pixels, the image"),
        "an image without a mask": (Masks(root=str(root / "alone")), "has no mask of its name"),
        "a missing file": (Table(root=str(root), file="missing.csv"), "nowhere.jpg: .*No such file"),
        "a missing table": (Table(root=str(root), file="gone.csv"), "data.file="),
        "an unknown split": (Table(root=str(root), file="split.csv"), "'holdout' is not known"),
        "an unknown point": (Table(root=str(root), file="missing.csv", mirror=[["a", "b"]]), "data.mirror"),
        "no pets": (Pets(root=str(root / "empty")), "data.download=true"),
        "no cifar": (Cifar10(root=str(root / "empty")), "data.download=true"),
    }


@pytest.mark.parametrize(
    "case",
    [
        "a missing folder",
        "an empty folder",
        "a class without an image in a split",
        "a mask of another size",
        "an image without a mask",
        "a missing file",
        "a missing table",
        "an unknown split",
        "an unknown point",
        "no pets",
        "no cifar",
    ],
)
def test_data_that_cannot_be_used_are_refused_in_words(tmp_path: Path, case: str) -> None:
    data, words = refusals(tmp_path)[case]
    with pytest.raises(CandelabraError, match=words):
        data.open()


@pytest.mark.parametrize(
    "options", [{"batch_size": 0}, {"size": 4}, {"split": "half"}, {"size": [1, 2, 3]}, {"labelled": 0.0}]
)
def test_options_of_every_data_set_are_checked(options: dict[str, object]) -> None:
    with pytest.raises(CandelabraError, match=f"data.{next(iter(options))}="):
        Shapes(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [Pets, Cifar10])
def test_downloads_fail_in_words_when_offline(
    tmp_path: Path, kind: type[Pets | Cifar10], monkeypatch: pytest.MonkeyPatch
) -> None:
    import urllib.request

    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    with pytest.raises(CandelabraError, match="could not be fetched"):
        kind(root=str(tmp_path), download=True).open()
