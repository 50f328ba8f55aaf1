"""A trained model takes images as people have them, and answers in their pixels."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from candelabra import Model
from candelabra.commands.train import run_train
from candelabra.data.decoding.images import read_image_size
from candelabra.errors import CandelabraError
from candelabra.prediction.prediction import Prediction
from candelabra.runs.run_config import read_run_config
from tests.data.files import make_folder
from tests.small_runs import composed

HEADS = {"label", "box", "keypoints", "mask"}
SIZE = (50, 70)  # (H, W)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "first"
    run_train(composed("train", "epochs=1", "data.count=60", "data.size=32", f"folder={folder}"))
    return folder


@pytest.fixture(scope="module")
def model(run: Path) -> Model:
    return Model(run, "cpu", batch_size=2)


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photos") / "photo.png"
    noise = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    return path


def read(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


FORMS: dict[str, Callable[[Path], Any]] = {
    "str": str,
    "Path": lambda path: path,
    "bytes": lambda path: path.read_bytes(),
    "Pillow": Image.open,
    "uint8": read,
    "float": lambda path: read(path) / 255,
    "CHW": lambda path: torch.from_numpy(read(path).copy()).permute(2, 0, 1),
    "float CHW": lambda path: torch.from_numpy(read(path).copy()).permute(2, 0, 1) / 255,
}
MANY: dict[str, Callable[[Path], Any]] = {
    "folder": lambda path: path.parent,
    "glob": lambda path: str(path.parent / "*.png"),
    "list": lambda path: [path, read(path), Image.open(path)],
    "NHWC": lambda path: np.stack([read(path)] * 3),
    "NCHW": lambda path: torch.from_numpy(read(path).copy()).permute(2, 0, 1).repeat(3, 1, 1, 1),
}


def assert_equal(found: Prediction, expected: Prediction, atol: float = 1e-4) -> None:
    assert found.size == expected.size == SIZE
    for name in HEADS - {"mask"}:
        torch.testing.assert_close(found.values[name], expected.values[name], atol=atol, rtol=1e-4)
    assert (found.mask == expected.mask).mean() > 0.99


@pytest.mark.parametrize("form", FORMS)
def test_one_image_gives_one_prediction(form: str, model: Model, photo: Path) -> None:
    found = model(FORMS[form](photo))
    assert isinstance(found, Prediction)
    assert_equal(found, model(photo), atol=0.5 if "float" in form else 1e-4)  # bytes and floats are filtered otherwise


@pytest.mark.parametrize("form", MANY)
def test_many_images_give_a_list(form: str, model: Model, photo: Path) -> None:
    found = model(MANY[form](photo))
    assert isinstance(found, list)
    assert len(found) == (1 if form in ("folder", "glob") else 3)
    for each in found:
        assert_equal(each, model(photo))


def test_a_generator_is_read_as_it_is_asked(model: Model, photo: Path) -> None:
    asked = []

    def endless() -> Iterator[Path]:
        while True:
            asked.append(photo)
            yield photo

    found = model(endless())
    assert [next(found).name for _ in range(3)] == [str(photo)] * 3
    assert len(asked) < 12


def test_what_each_head_says(model: Model, photo: Path) -> None:
    found = model(photo)
    assert found.name == str(photo)
    assert set(model.heads) == HEADS
    assert model.classes["label"] == found.label.classes
    assert found.label.name in model.classes["label"]
    assert sum(share for _, share in found.label.top(None)) == pytest.approx(1)
    assert found.label.top(2)[0] == (found.label.name, found.label.probability)
    assert 0 <= found.box.xmin <= found.box.xmax <= SIZE[1]
    assert set(found.keypoints) == set(model.heads["keypoints"].names)  # type: ignore[attr-defined]
    assert found.keypoints["mouth"].x == pytest.approx(float(found.values["keypoints"][-1, 0]))
    assert found.mask.shape == SIZE
    assert found.mask.max() < len(model.classes["mask"])
    assert {"label", "box", "draw", "name"} <= set(dir(found))
    with pytest.raises(AttributeError, match=r"no attribute 'boxes'; the heads of the model are label, box, keypoints"):
        _ = found.boxes
    plain = json.loads(json.dumps(found.to_dict()))
    assert plain["label"]["name"] == found.label.name
    assert sum(plain["mask"].values()) == pytest.approx(1)
    assert plain["box"]["xmax"] == found.box.xmax
    assert (plain["height"], plain["width"]) == SIZE


def test_pictures_of_a_prediction(model: Model, photo: Path, tmp_path: Path) -> None:
    found = model(photo)
    assert found.draw().size == (4 * SIZE[1], 4 * SIZE[0])  # enlarged, so that the class can be read
    found.save(tmp_path / "drawn.png")
    assert read_image_size(tmp_path / "drawn.png") == (4 * SIZE[1], 4 * SIZE[0])
    found.save(tmp_path / "said.json")
    assert json.loads((tmp_path / "said.json").read_text()) == found.to_dict()
    assert 'src="data:image/png;base64,' in found._repr_html_()
    with pytest.raises(CandelabraError, match=r"give a name such as picture.png"):
        found.save(tmp_path / "drawn.xyz")


def test_a_turned_photo_is_shown_upright_in_every_form(model: Model, tmp_path: Path) -> None:
    image = Image.fromarray(np.random.default_rng(1).integers(0, 256, (*SIZE[::-1], 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.png", exif=exif)
    made = [model(form) for form in (tmp_path / "turned.png", Image.open(tmp_path / "turned.png"))]
    for found in made:
        assert_equal(found, made[0])


def test_embeddings_are_those_of_the_backbone(model: Model, photo: Path) -> None:
    vectors = model.embed([photo, read(photo), photo])
    assert vectors.shape == (3, model.task.backbone.num_features)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-5)
    assert model.embed([]).shape == (0, model.task.backbone.num_features)


WRONG: dict[str, tuple[Any, str]] = {
    "missing": ("no_such.png", "images=no_such.png is no image, no folder with images and no glob"),
    "address": ("https://example.org/a.jpg", "is an address; images are not downloaded"),
    "number": (3, "A int is no image; give a path, bytes"),
    "channels": (np.zeros((20, 30, 2), dtype=np.uint8), r"shape \(20, 30, 2\) is none; give \(H, W\) or \(H, W, C\)"),
    "CHW array": (np.zeros((3, 20, 30), dtype=np.uint8), r"shape \(3, 20, 30\) is none"),
    "HWC tensor": (torch.zeros(20, 30, 3), r"shape \(20, 30, 3\) is none; give \(H, W\) or \(C, H, W\)"),
    "range": (np.full((20, 30, 3), 200.0), "go from 200.0 to 200.0: images are uint8, or float in"),
    "normalised": (torch.randn(3, 20, 30), "images are uint8, or float in"),
    "bytes": (b"no image", "is no image of a kind that can be read"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_image_is_refused_in_words(case: str, model: Model) -> None:
    given, message = WRONG[case]
    with pytest.raises(CandelabraError, match=message):
        model(given)


def test_an_unreadable_file_loses_itself_alone(model: Model, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "torn.png").write_bytes(photo.read_bytes()[:40])
    unreadable: list[tuple[str, str]] = []
    found = list(model.predict([photo, tmp_path / "torn.png", photo], unreadable))
    assert [each.name for each in found] == [str(photo)] * 2
    ((name, problem),) = unreadable
    assert name == str(tmp_path / "torn.png")
    assert "cannot be read" in problem or "no image" in problem
    with pytest.raises(CandelabraError, match=r"torn.png"):
        model([photo, tmp_path / "torn.png"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "tpu9"}, "device=tpu9 cannot be used"),
        ({"precision": "8-true"}, "precision=8-true is not known; allowed are 32-true, bf16-mixed"),
        ({"batch_size": 0}, "batch_size=0 must be at least 1"),
        ({"size": 4}, "size=4 must be one side"),
    ],
)
def test_wrong_arguments_are_refused_in_words(options: dict[str, Any], message: str, run: Path) -> None:
    with pytest.raises(CandelabraError, match=message):
        Model(run, **options)


def test_another_precision_and_size_say_much_the_same(run: Path, model: Model, photo: Path) -> None:
    found = Model(run, "cpu", "bf16-mixed")(photo)
    expected: Tensor = model(photo).values["label"]
    torch.testing.assert_close(found.values["label"].float(), expected, atol=0.05, rtol=0.1)
    assert Model(run, "cpu", size=(48, 64))(photo).mask.shape == SIZE


def test_training_in_one_call_takes_the_words_of_the_command_line(tmp_path: Path) -> None:
    make_folder(tmp_path / "photos", 6)
    options = {"data": tmp_path / "photos", "backbone": "test_resnet", "finetune": "scratch", "epochs": 1}
    small = {"data.size": 32, "data.workers": 0, "backbone.weights": "none", "logger": "csv", "trainer": "cpu"}
    model = Model.train(task="classification", **options, **small, folder=tmp_path / "run")
    assert set(model.classes["label"]) == {"cat", "dog"}
    assert (tmp_path / "run" / "results.json").is_file()
    assert model(next((tmp_path / "photos").rglob("*.JPG"))).label.name in ("cat", "dog")
    words = read_run_config(tmp_path / "run")["words"]
    assert f"data.root='{tmp_path}/photos'" in words
    assert "epochs=1" in words
    with pytest.raises(CandelabraError, match="there is no epoch; write epochs=3"):
        Model.train(data="shapes", epoch=3)
    with pytest.raises(CandelabraError, match="data=nowhere is not known; allowed are auto, "):
        Model.train("nowhere")
