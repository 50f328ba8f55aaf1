"""What becomes of images that cannot be read, before a run and in the midst of it."""

import csv
import logging
import os
from pathlib import Path

import pytest
from PIL import Image

from candelabra.commands.predict import run_predict
from candelabra.commands.train import run_train
from candelabra.data import Folder
from candelabra.data.issues import IssueTreatment
from candelabra.data.loading.datamodule import DataModule
from candelabra.data.loading.transformed_dataset import TransformedDataset
from candelabra.data.transforms.pipeline import make_eval_transforms
from candelabra.data.transforms.resize import make_resize
from candelabra.errors import CandelabraError, UnreadableFile
from tests.conftest import Compose
from tests.data.files import written

USED, REPAIRED, UNLABELLED, SKIPPED = (
    IssueTreatment.USED,
    IssueTreatment.REPAIRED,
    IssueTreatment.UNLABELLED,
    IssueTreatment.SKIPPED,
)


def broken_folder(root: Path) -> Path:
    """Two classes with 12 images each; of each class one is empty, one cut, one a link that leaves the root."""
    photo = Image.effect_noise((30, 20), 50)
    written(root.parent / "away.jpg", photo)
    for name in ("cat", "dog"):
        for number in range(9):
            written(root / name / f"{number}.jpg", photo.rotate(number))
        content = (root / name / "0.jpg").read_bytes()
        (root / name / "empty.jpg").write_bytes(b"")
        (root / name / "cut.jpg").write_bytes(content[:-50])
        (root / name / "away.jpg").symlink_to("../../away.jpg")
    return root


def test_bad_images_are_left_out_or_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = broken_folder(tmp_path / "root")
    data = DataModule(Folder(root=str(root)), size=16, batch_size=4, workers=0, val=0.2, test=0.2)
    names = data.open().names
    used = {names[index] for part in data.parts.values() for index in part}
    assert len(used) == 18
    assert not any(Path(name).stem in ("empty", "cut", "away") for name in used)
    assert "6 of 24 images cannot be used" in caplog.text
    assert {(each.what, each.treatment) for each in data.issues} == {("unreadable", SKIPPED)}
    assert {Path(each.name).stem for each in data.issues} == {"empty", "cut", "away"}
    with pytest.raises(CandelabraError, match=r"6 of 24 .*truncated.*data\.on_bad=skip"):
        DataModule(Folder(root=str(root)), on_bad="raise").open()


@pytest.fixture
def spoilt(tmp_path: Path) -> tuple[DataModule, Path]:
    """A data set of which an image is damaged once it was verified, as a disk may do to it."""
    for name in ("cat", "dog"):
        for number in range(9):
            written(tmp_path / "root" / name / f"{number}.png", Image.effect_noise((30, 20), 50).rotate(number))
    data = DataModule(Folder(root=str(tmp_path / "root")), size=16, batch_size=4, augment="none", val=0.2, test=0.2)
    data.open()
    path = tmp_path / "root" / data.open().names[data.parts["train"][0]]
    path.write_bytes(path.read_bytes()[:60])
    return data, path


@pytest.mark.parametrize("workers", [0, 2])
def test_what_breaks_in_training_is_stood_in_for_and_counted(
    spoilt: tuple[DataModule, Path], workers: int, caplog: pytest.LogCaptureFixture
) -> None:
    data, path = spoilt
    data.workers = workers
    loader = data.train_dataloader()
    for epoch in range(2):
        loader.batch_sampler.set_epoch(epoch)  # type: ignore[attr-defined]
        batches = list(loader)
        assert sum(int((batch["label"] == -1).sum()) for batch in batches) == 1  # type: ignore[typeddict-item]
    assert data.replaced.nonzero().flatten().tolist() == [data.parts["train"][0]]
    if not workers:
        assert [record.levelno for record in caplog.records] == [logging.WARNING]  # once, not in each epoch
        assert path.name in caplog.text


def test_digests_of_what_cannot_be_read_do_not_stop_a_run(spoilt: tuple[DataModule, Path]) -> None:
    data, path = spoilt
    path.unlink()
    prepared = data.dataset("train")
    digests = {prepared.digest(key) for key in range(len(prepared))}
    assert len(digests) == len(prepared)
    assert prepared[0]["image"].unique().tolist() == [128]
    strict = TransformedDataset(
        data.open(), data.parts["train"], make_eval_transforms(make_resize("stretch", (16, 16))), 0
    )
    for read in (strict.digest, strict.__getitem__):
        with pytest.raises(UnreadableFile, match="No such file"):
            read(0)


@pytest.mark.parametrize("finetune", ["scratch", "frozen"])
def test_a_run_on_odd_files_ends_well_and_says_what_was_odd(tmp_path: Path, tiny: Compose, finetune: str) -> None:
    root = broken_folder(tmp_path / "root")
    name = os.fsdecode(b"caf\xe9 \xff")
    for kind in ("cat", name):
        for number in range(9):
            written(root / kind / f"{name}{number}.JPG", Image.effect_noise((30, 20), 50).rotate(number), format="JPEG")
    written(root / "dog" / f"{'n' * 240}.png", Image.effect_noise((30, 20), 50))
    run_train(
        tiny(
            "data=folder", f"data.root={root}", "data.size=32", "epochs=1", f"finetune={finetune}", "data.augment=none"
        )
    )
    with (tmp_path / "train" / "issues.csv").open(encoding="utf-8") as file:
        assert [row["treatment"] for row in csv.DictReader(file)] == ["skipped"] * 6
    with (tmp_path / "train" / "splits.csv").open(encoding="utf-8") as file:
        names = {row["name"] for row in csv.DictReader(file)}
    assert len(names) == 37
    assert r"caf\udce9 \udcff/caf\udce9 \udcff3.JPG" in names
    if finetune == "frozen":
        return
    run_predict(
        tiny(f"checkpoint={tmp_path / 'train'}", f"source={root}", "trainer=cpu", "pictures=50", command="predict")
    )
    with (tmp_path / "predict" / "predictions.csv").open(encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 37 + 2  # a source is what was typed: its links are followed
    with (tmp_path / "predict" / "unreadable.csv").open(encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 4
    assert len(list((tmp_path / "predict" / "pictures").iterdir())) == 39
