"""Predictions with tta=flip are the average for an image and its mirror image."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torchvision import tv_tensors

from candelabra import Model
from candelabra.commands.eval import run_eval
from candelabra.commands.predict import run_predict
from candelabra.commands.train import run_train
from candelabra.errors import CandelabraError
from candelabra.tasks.loading import load_task
from candelabra.tasks.mirroring import add_test_augmentation
from tests.conftest import Compose
from tests.data.files import make_folder
from tests.small_runs import composed


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "first"
    run_train(composed("train", "epochs=1", "data.count=60", "data.size=32", f"folder={folder}"))
    return folder


@torch.inference_mode()
def predict(run: Path, images: Tensor, tta: str | None = None) -> dict[str, Tensor]:
    task = load_task(run)
    add_test_augmentation(task, tta)
    return task.predictions(images)


def test_it_is_the_average_over_the_image_and_its_mirror_image(run: Path) -> None:
    torch.manual_seed(0)
    images, targets = torch.rand(3, 3, 32, 48), load_task(run).head_targets
    seen, mirrored, found = predict(run, images), predict(run, images.flip(-1)), predict(run, images, "flip")
    torch.testing.assert_close(found["label"], (seen["label"] + mirrored["label"]) / 2, atol=1e-5, rtol=1e-4)
    for name in ("box", "keypoints"):
        rows = [targets[name].wrap(value, (32, 48)) for value in mirrored[name]]
        assert all(isinstance(row, tv_tensors.TVTensor) for row in rows)
        back = torch.stack([targets[name].unwrap(targets[name].mirror(row, (32, 48))) for row in rows])
        torch.testing.assert_close(found[name], (seen[name] + back) / 2, atol=1e-3, rtol=1e-4)
    assert targets["keypoints"].mirrored != (0, 1, 2)  # type: ignore[attr-defined]  # left and right swap
    assert found["mask"].shape == (3, 32, 48)


def test_the_mirror_image_has_the_mirrored_prediction(run: Path) -> None:
    torch.manual_seed(0)
    images = torch.rand(2, 3, 32, 32)
    found, other = predict(run, images, "flip"), predict(run, images.flip(-1), "flip")
    torch.testing.assert_close(found["label"], other["label"])
    assert (found["mask"] == other["mask"].flip(-1)).float().mean() > 0.999
    torch.testing.assert_close(found["box"][:, 0], 32 - other["box"][:, 2], atol=1e-3, rtol=1e-4)


def test_eval_and_predict_take_it(run: Path, tiny: Compose, tmp_path: Path) -> None:
    results = {}
    for tta in ("null", "flip"):
        run_eval(tiny(f"checkpoint={run}", f"tta={tta}", f"folder={tmp_path / tta}", "trainer=cpu", command="eval"))
        results[tta] = json.loads((tmp_path / tta / "results.json").read_text())
    assert results["null"].keys() == results["flip"].keys()
    assert results["null"]["test/label/loss"] != results["flip"]["test/label/loss"]
    photos = make_folder(tmp_path / "photos", count=1)
    words = (f"checkpoint={run}", f"source={photos}", "tta=flip", "top_k=3", "trainer=cpu")
    run_predict(tiny(*words, command="predict"))
    head, *rows = (tmp_path / "predict" / "predictions.csv").read_text().splitlines()
    assert head.startswith("image,label,probability,label_2,probability_2,label_3,probability_3,xmin,")
    cells = rows[0].split(",")
    top = Model(run, "cpu", tta="flip")(cells[0]).label.top(3)
    assert cells[1:7] == [cell for name, share in top for cell in (name, f"{share:.4f}")]


def test_the_vectors_are_those_of_the_image(run: Path) -> None:
    image = torch.rand(3, 32, 32)
    assert (Model(run, "cpu", tta="flip").embed(image) == Model(run, "cpu").embed(image)).all()


def test_what_cannot_be_mirrored_is_refused(run: Path, tiny: Compose) -> None:
    with pytest.raises(CandelabraError, match="tta=rotate is not known; allowed are flip and null"):
        Model(run, "cpu", tta="rotate")
    task = load_task(run)
    target = task.head_targets["keypoints"]
    object.__setattr__(target, "mirrored", None)  # as of data that do not know the pairs
    with pytest.raises(CandelabraError, match=r"tta=flip does not fit the head keypoints .*: the mirror image of"):
        add_test_augmentation(task, "flip")
