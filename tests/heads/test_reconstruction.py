"""Images from their features: losses, what a run writes, and where its trunk goes."""

import json
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from candelabra import Model
from candelabra.backbones import Timm
from candelabra.commands.export import run_export
from candelabra.commands.predict import run_predict
from candelabra.commands.train import run_train
from candelabra.commands.trunk import run_trunk
from candelabra.data import DataModule, Images
from candelabra.data.targets import Labels, PictureTarget, ResizeGeometry
from candelabra.errors import CandelabraError
from candelabra.heads import Reconstruction
from candelabra.heads.decoders import fpn, unet
from candelabra.heads.upsampling_unet import upsampling_unet
from candelabra.tasks.image_corruption import ImageCorruption
from candelabra.tasks.loading import load_task
from tests.conftest import Compose
from tests.small_runs import composed
from tests.training.test_interruption import assert_equal, in_a_process

WORDS = ("task=reconstruction", "data=images", "data.size=32", "data.batch_size=8")
DECODER = "task.reconstruction.decoder.widths=[64,32,24,16,16]"


def write_photos(folder: Path, count: int = 40) -> str:
    """The words for a folder of smooth pictures of two colours, without labels."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for number in range(count):
        coarse = rng.integers(0, 256, (2, 2, 3)).astype(np.uint8)
        Image.fromarray(coarse).resize((60, 40), Image.Resampling.BILINEAR).save(folder / f"{number}.png")
    return f"data.root={folder}"


@pytest.mark.parametrize(
    "weights",
    [
        {"l1_weight": 1.0, "ssim_weight": 0.0},
        {"l1_weight": 0.0, "ssim_weight": 1.0},
        {"l1_weight": 0.0, "ssim_weight": 0.0, "mse_weight": 1.0},
    ],
)
def test_a_loss_is_0_for_the_image_itself_and_above_0_for_another(weights: dict[str, float], backbone: Timm) -> None:
    head = Reconstruction(backbone, Labels(), **weights)
    images = torch.randint(256, (3, 3, 32, 48), dtype=torch.uint8)
    torch.testing.assert_close(head.loss(images / 255, images, (32, 48)), torch.zeros(3), atol=1e-5, rtol=0)
    assert (head.loss(images.flip(-1) / 255, images, (32, 48)) > 0.01).all()
    alone = head.loss(images[1:2].flip(-1) / 255, images[1:2], (32, 48))
    torch.testing.assert_close(alone, head.loss(images.flip(-1) / 255, images, (32, 48))[1:2])


def test_metrics_by_hand(backbone: Timm) -> None:
    head, images = Reconstruction(backbone, Labels()), torch.randint(20, 200, (2, 3, 32, 32), dtype=torch.uint8)
    metrics = head.metrics()
    head.measure(metrics, images / 255 + torch.tensor([0.1, 0.01])[:, None, None, None], images, (32, 32))
    assert float(metrics["psnr"].compute()) == pytest.approx((20 + 40) / 2, abs=1e-3)  # the mean over images
    assert 0.9 < float(metrics["ssim"].compute()) < 1


@pytest.mark.parametrize("decoder", [upsampling_unet, unet, fpn], ids=["upsampling_unet", "unet", "fpn"])
def test_any_decoder_gives_a_picture_of_the_size_of_the_image(decoder: object, backbone: Timm) -> None:
    head = Reconstruction(backbone, Labels(), decoder).eval()
    with torch.no_grad():
        outputs = head(backbone.eval()(torch.rand(2, 3, 64, 96)))
    assert outputs.shape == (2, 3, 64, 96)
    assert head.predict(outputs, (64, 96)).dtype == torch.uint8


def test_weights_that_make_no_loss_are_refused(backbone: Timm) -> None:
    with pytest.raises(CandelabraError, match="a factor must be 0 or more, and one above 0"):
        Reconstruction(backbone, Labels(), l1_weight=0.0, ssim_weight=0.0)
    for options, message in (({"noise": -1.0}, "noise=-1"), ({"masked": 1.0}, "masked=1"), ({"patch": 0}, "patch=0")):
        with pytest.raises(CandelabraError, match=message):
            ImageCorruption(**options)


def test_masking_paints_whole_patches_and_noise_has_its_deviation() -> None:
    images = torch.full((4, 3, 40, 64), 255, dtype=torch.uint8)
    assert ImageCorruption()(images) is images
    masked = ImageCorruption(masked=0.5, patch=16)(images)
    for image in masked:
        assert set(image.unique().tolist()) == {0.5, 1.0}
        hidden = image[0, ::16, ::16] == 0.5  # 3 x 4 patches, the last row of which is cut off
        assert int(hidden.sum()) == 6
        assert torch.equal(image[0] == 0.5, hidden.repeat_interleave(16, 0).repeat_interleave(16, 1)[:40])
    grey = torch.full((2, 3, 64, 64), 128, dtype=torch.uint8)
    noisy = ImageCorruption(noise=0.05)(grey)
    assert float(noisy.std()) == pytest.approx(0.05, rel=0.05)


def test_an_image_of_one_colour_teaches_nothing() -> None:
    images = torch.randint(256, (3, 3, 8, 8), dtype=torch.uint8)
    images[1] = 128
    assert PictureTarget().is_labelled(images).tolist() == [True, False, True]


@pytest.mark.parametrize(
    "geometry",
    [
        ResizeGeometry((40, 60), (21, 32), (5, 0), (32, 32)),  # letterbox
        ResizeGeometry((40, 60), (32, 48), (0, -8), (32, 32)),  # crop
    ],
)
def test_a_picture_goes_back_to_the_pixels_of_its_file(geometry: ResizeGeometry) -> None:
    ramp = torch.linspace(0, 255, geometry.scaled[1]).expand(3, *geometry.scaled)
    seen = torch.zeros(3, *geometry.size)
    (height, width), (top, left) = geometry.scaled, geometry.corner
    if left < 0:
        seen = ramp[:, :, -left : geometry.size[1] - left]
    else:
        seen[:, top : top + height, left : left + width] = ramp
    back = PictureTarget().to_original(seen, geometry)
    assert back.shape == (3, 40, 60)
    wanted = torch.linspace(0, 255, 60)
    assert (back[0, 20, 12:48] - wanted[12:48]).abs().max() < 6


def test_images_of_any_folders_are_read_and_folders_of_splits_divide_them(tmp_path: Path) -> None:
    for place in ("train/a/0.png", "train/1.png", "val/2.png", "test/b/c/3.png"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(tmp_path / place)
    samples = Images(root=str(tmp_path)).read()
    assert dict(zip(samples.names, samples.published.tolist(), strict=True)) == {
        "test/b/c/3.png": "test",
        "train/1.png": "train",
        "train/a/0.png": "train",
        "val/2.png": "val",
    }
    assert samples.labels.targets == ()
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(CandelabraError, match=r"holds no image; it holds nothing"):
        Images(root=str(empty)).read()


def test_a_classifier_of_unlabelled_images_is_refused(tiny: Compose, tmp_path: Path) -> None:
    with pytest.raises(CandelabraError, match="needs data that label 'label'"):
        run_train(tiny("task=classification", "data=images", write_photos(tmp_path / "photos", 8)))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reconstruction")
    words = [*WORDS, write_photos(folder / "photos"), "epochs=16", "data.augment=none", "lr=0.01"]
    words += ["trainer.check_val_every_n_epoch=16", DECODER]
    run_train(composed("train", f"folder={folder / 'run'}", *words))
    return folder


@pytest.mark.figures
def test_a_run_without_labels_learns_and_writes_metrics_and_pictures(run: Path) -> None:
    results = json.loads((run / "run" / "results.json").read_text())
    photos = [np.asarray(Image.open(path).convert("RGB"), float) / 255 for path in (run / "photos").iterdir()]
    grey = np.mean([-10 * np.log10(np.square(pixels - 0.5).mean()) for pixels in photos])
    assert results["test/reconstruction/psnr"] > grey + 1
    assert results["test/score"] == pytest.approx(1 - 10 ** (-results["test/reconstruction/psnr"] / 20))
    picture = np.asarray(Image.open(run / "run" / "pictures" / "predictions.png").convert("RGB"), float)
    left, right = picture[30:230, 10:200], picture[30:230, 240:430]  # a picture, and its reconstruction beside it
    assert 3 < np.abs(left - right).mean() < 60


def test_predictions_are_pictures_in_the_size_of_the_file(run: Path) -> None:
    run_predict(composed("predict", f"folder={run / 'out'}", f"source={run / 'photos'}", f"checkpoint={run / 'run'}"))
    with Image.open(run / "out" / "reconstructions" / "0.png") as picture:
        assert picture.size == (60, 40)
    found = Model(run / "run", "cpu", tta="flip")(run / "photos" / "0.png")
    assert found.reconstruction.shape == (40, 60, 3)
    assert found.to_dict()["reconstruction"] == {"height": 40, "width": 60}
    assert found.draw().size[0] >= 256


def test_its_trunk_carries_to_another_task(run: Path, tiny: Compose) -> None:
    run_trunk(["export", str(run / "run"), f"folder={run / 'trunk'}"])
    weights = [f"backbone.weights={run / 'trunk'}", "task=classification", "data.count=48", "data.size=32", "epochs=1"]
    run_train(tiny(*weights, "finetune=frozen", f"folder={run / 'carried'}"))
    ours, theirs = (load_task(run / name).backbone.state_dict() for name in ("run", "carried"))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


@pytest.mark.slow
def test_it_starts_from_the_weights_of_another_run(run: Path, tiny: Compose) -> None:
    words = [*WORDS, f"data.root={run / 'photos'}", "epochs=1", f"weights={run / 'run'}", "lr=1e-9", DECODER]
    found = run_train(tiny(*words))
    results = json.loads((run / "run" / "results.json").read_text())
    assert found["test/reconstruction/psnr"] == pytest.approx(results["test/reconstruction/psnr"], abs=0.5)


def test_it_is_not_exported_in_words(run: Path) -> None:
    with pytest.raises(CandelabraError, match=r"reconstruction \(Reconstruction\) has no `decode_pictures`"):
        run_export(composed("export", f"checkpoint={run / 'run'}", f"folder={run / 'onnx'}"))


@pytest.mark.slow
def test_it_learns_beside_other_heads_of_a_frozen_cached_backbone_and_of_spoiled_images(tiny: Compose) -> None:
    words = ["data.count=48", "data.size=32", "epochs=1", "+head@task.heads.picture=reconstruction"]
    words += ["task.heads.box=null", "task.heads.keypoints=null", "task.heads.mask=null"]
    frozen = run_train(tiny(*words, "finetune=frozen", "data.augment=none"))
    assert {"test/picture/psnr", "test/label/accuracy"} <= set(frozen)
    uncached = run_train(tiny(*words, "finetune=frozen", "data.augment=none", "cache.gigabytes=0", "overwrite=true"))
    assert uncached["test/picture/psnr"] == pytest.approx(frozen["test/picture/psnr"], abs=1e-3)


def test_blended_images_are_refused(tiny: Compose, tmp_path: Path) -> None:
    with pytest.raises(CandelabraError, match="blend images"):
        run_train(tiny(*WORDS, write_photos(tmp_path / "photos", 12), "data.mixup=0.2"))


def test_unreadable_images_and_fillers_of_ranks_are_not_labels(tmp_path: Path) -> None:
    root = write_photos(tmp_path / "photos", 12).partition("=")[2]
    data = DataModule(Images(root=root), size=32, batch_size=4, workers=0, augment="none")
    dataset, target = data.dataset("train"), PictureTarget()
    assert bool(target.is_labelled(dataset[0]["image"][None]).all())
    assert not target.is_labelled(dataset[~0]["image"][None]).any()


@pytest.mark.slow
def test_a_killed_run_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    words = [*WORDS, write_photos(tmp_path / "photos"), "backbone=test_resnet", "backbone.weights=none"]
    words += ["data.workers=0", "trainer=cpu", "epochs=3", "save.steps=1", "ema=0.9"]
    words += ["task.masked=0.5", "task.patch=8", "task.noise=0.1"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert in_a_process([*words, f"folder={whole}"]) == 0
    assert in_a_process([*words, f"folder={killed}"], signal.SIGKILL, 5) == -signal.SIGKILL
    assert in_a_process([f"resume={killed}"]) == 0
    assert_equal(whole, killed)
