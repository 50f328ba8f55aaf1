"""A backbone as a step of a scikit-learn pipeline."""

import pickle
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator
from sklearn.utils.validation import validate_data

from candelabra import Embedder
from candelabra.backbones import Timm
from candelabra.embeddings import embedder
from candelabra.errors import CandelabraError
from tests.embeddings.images import folder_of

DRAW = np.random.default_rng(0)
IMAGES = DRAW.integers(0, 256, (10, 24, 20, 3), dtype=np.uint8)


def tiny(**further: Any) -> Embedder:
    return Embedder(**{"backbone": "test_resnet", "weights": "none", "size": 32, **further})


class OnRows(Embedder):  # the checks have rows of any numbers, not images
    """Takes a row of numbers for an image, one pixel high and grey, the largest number of all training rows white."""

    def fit(self, X: Any, y: Any = None) -> "OnRows":
        rows = validate_data(self, X, dtype=np.float64)
        self.scale_ = float(np.abs(rows).max()) or 1.0
        super().fit(self._images(rows), y)
        return self

    def transform(self, X: Any) -> Any:
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(self)
        return super().transform(self._images(validate_data(self, X, dtype=np.float64, reset=False)))

    def _images(self, rows: np.ndarray) -> np.ndarray:
        return (np.clip(rows / self.scale_, -1, 1) / 2 + 0.5)[:, None, :]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        return tags


@pytest.mark.slow
def test_estimator_checks_of_scikit_learn_hold_on_rows_taken_for_images() -> None:
    embedder = OnRows("test_resnet", weights="none", size=32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(embedder, on_fail=None)
    failed = {each["check_name"]: each["exception"] for each in results if each["status"] == "failed"}
    assert not failed
    assert sum(each["status"] == "passed" for each in results) > 30


def test_those_checks_that_need_no_data_hold_on_the_embedder_itself() -> None:
    from sklearn.utils import estimator_checks

    embedder = tiny()
    for check in (
        estimator_checks.check_estimator_cloneable,
        estimator_checks.check_estimator_tags_renamed,
        estimator_checks.check_valid_tag_types,
        estimator_checks.check_estimator_repr,
        estimator_checks.check_no_attributes_set_in_init,
        estimator_checks.check_parameters_default_constructible,
        estimator_checks.check_get_params_invariance,
        estimator_checks.check_set_params,
        estimator_checks.check_do_not_raise_errors_in_init_or_set_params,
    ):
        check("Embedder", embedder)


def test_in_a_pipeline_under_cross_validation() -> None:
    bright = DRAW.integers(150, 256, (10, 24, 20, 3), dtype=np.uint8)
    dark = DRAW.integers(0, 100, (10, 24, 20, 3), dtype=np.uint8)
    pipeline = make_pipeline(tiny(), LogisticRegression(max_iter=1000))
    assert cross_val_score(pipeline, np.concatenate([bright, dark]), [0] * 10 + [1] * 10, cv=2).mean() > 0.9


def test_paths_arrays_and_images_of_many_sizes_are_the_same_images(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, 3, ("bright",))
    paths = sorted(folder.glob("*.png"))
    arrays = [np.asarray(Image.open(path)) for path in paths]
    embedder = tiny().fit(paths)
    expected = embedder.transform(paths)
    assert np.array_equal(expected, embedder.transform([str(path) for path in paths]))
    assert np.array_equal(expected, embedder.transform(np.array([str(path) for path in paths])))
    assert np.array_equal(expected, embedder.transform(arrays))
    grey = IMAGES[..., 0]
    assert np.array_equal(embedder.transform(grey), embedder.transform(grey[..., None]))
    assert np.allclose(embedder.transform(IMAGES), embedder.transform(IMAGES / 255), atol=1e-2)
    assert list(embedder.get_feature_names_out()[:2]) == ["embedder0", "embedder1"]


def test_it_clones_and_pickles_without_weights_that_can_be_had_again() -> None:
    embedder = tiny(random_state=3).fit(IMAGES)
    expected = embedder.transform(IMAGES)
    dumped = pickle.dumps(embedder)
    assert len(dumped) < 2_000
    assert np.array_equal(embedder.transform(IMAGES), expected)
    assert np.array_equal(pickle.loads(dumped).transform(IMAGES), expected)
    again = clone(embedder)
    with pytest.raises(NotFittedError):
        again.transform(IMAGES)
    assert np.array_equal(again.fit(IMAGES).transform(IMAGES), expected)
    assert not np.allclose(tiny(random_state=4).fit(IMAGES).transform(IMAGES), expected)
    assert pickle.loads(pickle.dumps(tiny())).get_params() == tiny().get_params()


def test_a_backbone_of_ones_own_is_in_the_pickle(backbone: Timm) -> None:
    embedder = tiny(backbone=backbone).fit(IMAGES)
    again = pickle.loads(pickle.dumps(embedder))
    assert np.array_equal(again.transform(IMAGES), embedder.transform(IMAGES))
    assert again.encoder_.backbone is not backbone
    assert clone(embedder).backbone is not backbone


def test_a_backbone_with_depthwise_convolutions_pickles_too() -> None:
    embedder = tiny(backbone=Timm("test_efficientnet", weights="none")).fit(IMAGES)
    assert np.array_equal(pickle.loads(pickle.dumps(embedder)).transform(IMAGES), embedder.transform(IMAGES))


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        (np.zeros((3, 4)), r"X\.reshape"),
        (np.zeros((0, 8, 8, 3)), "no image"),
        (np.zeros((2, 8, 8, 5), np.uint8), "is none; give"),
        (np.full((2, 8, 8), 255.0), r"float in \[0, 1\]"),
        (np.full((2, 8, 8), np.nan), "without NaN"),
        ("a.jpg", "one path"),
        (["nowhere.jpg"], "nowhere.jpg"),
    ],
)
def test_what_is_no_image_is_refused(images: Any, sentence: str) -> None:
    with pytest.raises(CandelabraError, match=sentence):
        tiny().fit(images)


def test_of_a_run_images_get_the_size_of_its_training(backbone: Timm, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = {"config": {"data": {"size": [32, 48], "resize": "letterbox"}}}
    task = SimpleNamespace(backbone=backbone, heads={}, recipe=recipe)
    monkeypatch.setattr(embedder, "load_task", lambda run: task)
    found = Embedder("run.ckpt").fit(IMAGES)
    assert found.get_params()["size"] is found.get_params()["resize"] is None
    by_hand = Embedder(backbone, size=(32, 48), resize="letterbox").fit(IMAGES)
    assert np.array_equal(found.transform(IMAGES), by_hand.transform(IMAGES))
    typed = Embedder("run.ckpt", size=40, resize="stretch").fit(IMAGES)
    assert (typed.size_, typed.resize_) == ((40, 40), "stretch")
    plain = Embedder(backbone).fit(IMAGES)
    assert (plain.size_, plain.resize_) == ((224, 224), "stretch")


def test_parameters_are_judged_in_fit_alone() -> None:
    for wrong in ({"backbone": "resnet5O"}, {"size": 2}, {"batch_size": 0}, {"resize": "fold"}):
        embedder = tiny(**wrong)
        with pytest.raises(CandelabraError):
            embedder.fit(IMAGES)


def test_importing_candelabra_loads_no_torch() -> None:
    code = "import sys, candelabra; sys.exit('torch' in sys.modules or 'sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("resize", ["stretch", "letterbox", "crop"])
def test_floats_are_embedded_as_the_same_bytes(resize: str) -> None:
    fitted = tiny(resize=resize).fit(IMAGES)
    found, wanted = fitted.transform(IMAGES.astype(np.float32) / 255), fitted.transform(IMAGES)
    assert np.linalg.norm(found - wanted) < 0.02 * np.linalg.norm(wanted)
