"""Classic classifiers on frozen features: chosen without the test images, one table."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from candelabra.commands import probe
from candelabra.commands.probe import run_probe
from candelabra.commands.train import run_train
from candelabra.embeddings.classifiers import ClassifierCandidate
from candelabra.embeddings.classifiers.candidate import make_folds
from candelabra.errors import CandelabraError
from tests.conftest import Compose
from tests.small_runs import composed

WORDS: tuple[str, ...] = ("backbone=test_resnet", "backbone.weights=none", "data.workers=0", "trainer=cpu", "jobs=1")
WORDS += ("trainer.precision=32-true", "trainer.enable_progress_bar=false")
DRAW = np.random.default_rng(0)
LABELS = np.repeat([0, 1, 2], 20)
VECTORS = (DRAW.standard_normal((60, 5)) + 4 * np.eye(5)[LABELS]).astype(np.float32)


def test_hyper_parameters_are_chosen_by_cross_validation_and_steps_are_fitted_in_each_fold() -> None:
    candidate = ClassifierCandidate("words", KNeighborsClassifier(), [StandardScaler()], {"n_neighbors": [1, 60 - 12]})
    fitted = candidate.fit(VECTORS, LABELS, make_folds(LABELS, None, 5, 0), 1)
    assert fitted.chosen == {"n_neighbors": 1}
    assert fitted.cross_validated > 0.9
    assert fitted.converged
    assert (fitted.model.predict(VECTORS) == LABELS).all()


def test_running_out_of_iterations_is_told() -> None:
    candidate = ClassifierCandidate("words", LogisticRegression(max_iter=1), [], {"C": [1.0]})
    assert not candidate.fit(VECTORS, LABELS, make_folds(LABELS, None, 2, 0), 1).converged


def test_a_grid_of_what_the_estimator_lacks_is_refused() -> None:
    with pytest.raises(CandelabraError, match="has depth, but KNeighborsClassifier takes"):
        ClassifierCandidate("words", KNeighborsClassifier(), [], {"depth": [1]})


def test_folds_spread_classes_and_keep_groups_together() -> None:
    for fitting, judged in make_folds(LABELS, None, 5, 0):
        assert np.bincount(LABELS[judged]).tolist() == [4, 4, 4]
        assert not set(fitting) & set(judged)
    groups = np.arange(60) // 4
    for fitting, judged in make_folds(LABELS, groups, 5, 0):
        assert not set(groups[fitting]) & set(groups[judged])
    assert len(make_folds(np.array([0, 0, 0, 1, 1]), None, 5, 0)) == 2
    assert len(make_folds(np.array([0, 0, 1]), None, 5, 0)) == 3
    with pytest.raises(CandelabraError, match="folds=1"):
        make_folds(LABELS, None, 1, 0)


@pytest.mark.figures
def test_the_command_writes_one_table(tmp_path: Path, features: Path) -> None:
    words = ["data=digits", "data.fraction=0.4", "data.size=32", "classifiers=fast", "folds=2"]
    run_probe(composed("probe", *WORDS, *words, f"folder={tmp_path / 'out'}"))
    with (tmp_path / "out" / "classifiers.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["classifier"] for row in rows] == ["k nearest neighbours", "logistic regression", "RBF SVM"]
    assert sum(int(row["best"]) for row in rows) == 1
    best = max(rows, key=lambda row: (float(row["val"]), float(row["folds"])))
    assert best["best"] == "1"
    assert float(best["test"]) > 0.3  # weights are random; chance is 0.1
    assert list(features.glob("*/*.npy"))
    assert "(best)" in (tmp_path / "out" / "classifiers.md").read_text()
    for name in ("classifiers", "confusion"):
        with Image.open(tmp_path / "out" / "pictures" / f"{name}.png") as picture:
            assert picture.width > 300


def test_images_get_the_size_of_the_run_unless_one_is_typed(
    tmp_path: Path, tiny: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_sizes(*typed: str) -> tuple[object, object]:
        sizes: list[tuple[object, object]] = []

        def stop(node: dict[str, object]) -> None:
            sizes.append((node["size"], node["resize"]))
            raise KeyboardInterrupt

        monkeypatch.setattr(probe, "build_data", stop)
        monkeypatch.setattr(probe, "list_typed_keys", lambda: [word.partition("=")[0] for word in typed])
        with pytest.raises(KeyboardInterrupt):
            run_probe(
                composed("probe", *WORDS, "data=digits", f"run={tmp_path / 'train'}", f"folder={tmp_path}", *typed)
            )
        return sizes[0]

    run_train(tiny("data.count=60", "data.size=32", "data.resize=letterbox", "trainer=smoke", "task=classification"))
    assert read_sizes() == (32, "letterbox")
    assert read_sizes("data.size=48") == (48, "letterbox")
    assert read_sizes("data.resize=crop") == (32, "crop")


def test_without_a_cache_the_features_are_the_same(tmp_path: Path) -> None:
    told = []
    for gigabytes in (0, 1):
        words = [
            "data=digits",
            "data.fraction=0.1",
            "data.size=16",
            "classifiers=fast",
            "classifiers.rbf_svm=null",
            "folds=2",
        ]
        words += ["classifiers.logistic=null", f"cache.gigabytes={gigabytes}", f"folder={tmp_path / str(gigabytes)}"]
        run_probe(composed("probe", *WORDS, *words))
        with (tmp_path / str(gigabytes) / "classifiers.csv").open() as file:
            told.append([row[:6] for row in csv.reader(file)])
    assert told[0] == told[1]


def test_data_without_one_class_an_image_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CandelabraError, match="one class each"):
        run_probe(composed("probe", *WORDS, "data=shapes", "data.count=60", "data.targets=[box]", f"folder={tmp_path}"))
