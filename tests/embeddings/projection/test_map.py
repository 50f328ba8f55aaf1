"""Images in the plane: neighbours stay, clusters are scored, every way of drawing takes small sets."""

import csv
import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from candelabra.commands.embed import run_embed
from candelabra.commands.map import run_map
from candelabra.embeddings.projection import Pca, Projection, Tsne, Umap
from candelabra.embeddings.projection.clusters import find_clusters
from candelabra.errors import CandelabraError
from tests.embeddings.images import asked, folder_of
from tests.small_runs import composed

pytestmark = pytest.mark.figures
DRAW = np.random.default_rng(0)
GROUPS = np.repeat(["a", "b", "c"], 20).astype(object)
VECTORS = (DRAW.standard_normal((60, 8)) + 12 * np.eye(8)[np.repeat([0, 1, 2], 20)]).astype(np.float32)
UMAP = pytest.param(
    Umap(5), marks=[pytest.mark.slow, pytest.mark.skipif(find_spec("umap") is None, reason="no umap-learn")]
)


@pytest.mark.parametrize("plane", [Pca(), Tsne(), UMAP], ids=lambda plane: type(plane).__name__)
@pytest.mark.filterwarnings("ignore::DeprecationWarning:numba", "ignore:.*numba.*:UserWarning")
def test_groups_that_are_apart_stay_apart(plane: Projection) -> None:
    points = plane.points(VECTORS, 0)
    assert points.shape == (60, 2)
    assert np.array_equal(points, plane.points(VECTORS, 0))
    centres = np.stack([points[name == GROUPS].mean(0) for name in "abc"])
    nearest = np.linalg.norm(points[:, None] - centres, axis=2).argmin(1)
    assert (np.array(list("abc"))[nearest] == GROUPS).all()


@pytest.mark.parametrize("plane", [Pca(), Tsne()], ids=lambda plane: type(plane).__name__)
def test_few_images_of_one_number_can_be_drawn(plane: Projection) -> None:
    points = plane.points(np.array([[1.0], [2.0], [3.0], [9.0]], np.float32), 0)
    assert points.shape == (4, 2)
    assert np.isfinite(points).all()


def test_clusters_that_are_the_labels_have_full_scores() -> None:
    found = find_clusters(VECTORS, 3, GROUPS, 0)
    assert found.scores["NMI"] == found.scores["ARI"] == pytest.approx(1.0)
    assert found.scores["silhouette of labels"] == pytest.approx(found.scores["silhouette of clusters"])
    assert found.scores["silhouette of clusters"] > 0.5
    shuffled = find_clusters(VECTORS, 3, DRAW.permutation(GROUPS), 0)
    assert abs(shuffled.scores["ARI"]) < 0.1
    assert set(find_clusters(VECTORS, 2, None, 0).scores) == {"silhouette of clusters"}
    assert np.isnan(find_clusters(VECTORS, 2, np.full(60, "a", object), 0).scores["silhouette of labels"])
    with pytest.raises(CandelabraError, match="clusters=60"):
        find_clusters(VECTORS, 60, None, 0)


def test_the_command_draws_and_tells(tmp_path: Path) -> None:
    folder_of(tmp_path / "images")
    index = tmp_path / "index"
    run_embed(asked(f"source={tmp_path / 'images'}", f"folder={index}", "label='(.+)_'", "workers=0"))
    run_map(composed("map", f"index={index}", "projection=pca", f"folder={tmp_path / 'out'}"))
    with (tmp_path / "out" / "map.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    assert {"name", "path", "label", "cluster", "x", "y"} == set(rows[0])
    told = json.loads((tmp_path / "out" / "map.json").read_text())
    assert (told["images"], told["clusters"], told["NMI"]) == (12, 2, pytest.approx(1.0))
    with Image.open(tmp_path / "out" / "pictures" / "map.png") as picture:
        assert picture.width > 1000
    run_map(
        composed("map", f"index={index}", "images=5", "projection=tsne", "clusters=3", f"folder={tmp_path / 'few'}")
    )
    assert json.loads((tmp_path / "few" / "map.json").read_text())["clusters"] == 3
    with pytest.raises(CandelabraError, match="colour=breed is no column"):
        run_map(composed("map", f"index={index}", "colour=breed", f"folder={tmp_path}"))
    with pytest.raises(CandelabraError, match="images=2 of 12 are fewer"):
        run_map(composed("map", f"index={index}", "images=2", f"folder={tmp_path}"))
