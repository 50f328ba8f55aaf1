"""Nearest images: exact against brute force, measures against scikit-learn's, the command from end to end."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import average_precision_score

from candelabra.commands.embed import run_embed
from candelabra.commands.search import open_index, run_search
from candelabra.config.build import resolve_config
from candelabra.embeddings.index import INDEX_FILE, INDEX_VERSION, write_index
from candelabra.embeddings.search import ExactSearch, FaissSearch, Search, exact, score_retrieval
from candelabra.embeddings.search.auto import choose_search
from candelabra.errors import CandelabraError
from tests.embeddings.images import asked, folder_of

pytestmark = pytest.mark.figures
DRAW = np.random.default_rng(0)
VECTORS = DRAW.standard_normal((300, 16)).astype(np.float32)
QUERIES = DRAW.standard_normal((7, 16)).astype(np.float32)


def brute(metric: str, k: int) -> tuple[np.ndarray, np.ndarray]:
    if metric == "euclidean":
        scores = np.linalg.norm(QUERIES[:, None] - VECTORS, axis=2)
        rows = np.argsort(scores, 1)[:, :k]
    else:
        lengths = np.linalg.norm(QUERIES, axis=1)[:, None] * np.linalg.norm(VECTORS, axis=1)
        scores = QUERIES @ VECTORS.T / lengths
        rows = np.argsort(-scores, 1)[:, :k]
    return np.take_along_axis(scores, rows, 1), rows


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("make", [ExactSearch, FaissSearch, choose_search])
def test_the_nearest_are_those_of_brute_force(make: type[Search], metric: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("faiss")
    monkeypatch.setattr(exact, "ROW_BLOCK", 64)
    monkeypatch.setattr(exact, "QUERY_BLOCK", 3)
    scores, rows = brute(metric, 10)
    found = make(VECTORS, metric).nearest(QUERIES, 10)
    assert np.array_equal(found.rows, rows)
    assert np.allclose(found.scores, scores, atol=1e-5)
    assert make(VECTORS[:4], metric).nearest(QUERIES, 10).rows.shape == (7, 4)


def test_distances_of_vectors_with_a_large_common_offset_are_those_of_float64() -> None:
    vectors = (DRAW.standard_normal((300, 64)) * 0.06 + 22).astype(np.float32)
    distances = np.linalg.norm(vectors[:40, None].astype(np.float64) - vectors, axis=2)
    found = ExactSearch(vectors, "euclidean").nearest(vectors[:40], 5)
    assert np.array_equal(found.rows, np.argsort(distances, 1)[:, :5])
    assert np.allclose(found.scores, np.sort(distances, 1)[:, :5], atol=1e-5)
    assert not found.scores[:, 0].any()


def test_faiss_finds_vectors_with_a_large_common_offset() -> None:
    pytest.importorskip("faiss")
    vectors = (DRAW.standard_normal((20_000, 512)) * 0.06 + 22).astype(np.float32)
    found = FaissSearch(vectors, "euclidean").nearest(vectors[:500], 2)
    assert np.array_equal(found.rows[:, 0], np.arange(500))
    distances = np.linalg.norm(vectors[:500].astype(np.float64) - vectors[found.rows[:, 1]], axis=1)
    assert np.allclose(found.scores[:, 1], distances, atol=1e-3)


def test_retrieval_ranks_vectors_with_a_large_common_offset_as_without_it() -> None:
    plain = (DRAW.standard_normal((200, 64)) * 0.06).astype(np.float32)
    shifted = plain + np.float32(22)
    labels, rows = DRAW.choice(["a", "b", "c"], 200).astype(object), np.arange(200)
    found = score_retrieval(shifted, labels, rows, rows, metric="euclidean")
    wanted = score_retrieval(shifted - np.float32(22), labels, rows, rows, metric="euclidean")
    assert found == wanted


def test_candidates_in_bytes_find_the_same_among_ten_times_as_many() -> None:
    pytest.importorskip("faiss")
    found = FaissSearch(VECTORS, "cosine", candidates=10).nearest(QUERIES, 10)
    scores, rows = brute("cosine", 10)
    assert np.array_equal(found.rows, rows)
    assert np.allclose(found.scores, scores, atol=1e-5)


def test_what_cannot_be_searched_is_refused() -> None:
    with pytest.raises(CandelabraError, match="allowed are cosine, euclidean"):
        ExactSearch(VECTORS, "manhattan")
    with pytest.raises(CandelabraError, match="k=0"):
        ExactSearch(VECTORS).nearest(QUERIES, 0)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_measures_are_those_of_scikit_learn(metric: Any) -> None:
    labels = DRAW.choice(["a", "b", "c", ""], 300).astype(object)
    labels[0] = "alone"
    rows = np.arange(300)
    found = score_retrieval(VECTORS, labels, rows[:100], rows, (1, 5), metric)
    unit = VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True)
    precisions, first, fifth = [], [], []
    for query in range(1, 100):
        if labels[query] == "":
            continue
        others = np.flatnonzero((labels != "") & (rows != query))
        away = np.linalg.norm(VECTORS[others] - VECTORS[query], axis=1)
        scores = unit[others] @ unit[query] if metric == "cosine" else -away
        same = labels[others] == labels[query]
        precisions.append(average_precision_score(same, scores))
        best = same[np.argsort(-scores)]
        first.append(best[:1].any())
        fifth.append(best[:5].any())
    assert found.mean_average_precision == pytest.approx(np.mean(precisions), abs=1e-6)
    assert found.recall == pytest.approx({1: np.mean(first), 5: np.mean(fifth)})
    assert (found.queries, found.lonely) == (len(first), 1)
    assert 0.2 < found.chance < 0.45
    with pytest.raises(CandelabraError, match="No image has another"):
        score_retrieval(VECTORS, np.arange(300).astype(str).astype(object), rows, rows)
    with pytest.raises(CandelabraError, match="allowed are cosine, euclidean"):
        score_retrieval(VECTORS, labels, rows, rows, metric="manhattan")  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("search")
    folder_of(root / "images")
    run_embed(asked(f"source={root / 'images'}", f"folder={root / 'index'}", "label='(.+)_'", "workers=0"))
    return root / "index"


def test_a_query_finds_itself_first_and_its_kind_after(index: Path, tmp_path: Path) -> None:
    images, out = index.parent / "images", tmp_path / "out"
    (tmp_path / "odd.png").write_bytes(b"no image")
    asking = [str(images / "dark_0.png"), str(tmp_path / "odd.png"), str(images / "bright_3.png")]
    words = [f"index={index}", f"query=[{','.join(asking)}]", "k=4", "evaluate=all", f"folder={out}"]
    run_search(asked(*words, command="search"))
    with (out / "search.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["rank"] for row in rows] == ["1", "2", "3", "4"] * 2
    assert [Path(row["name"]).name for row in rows[::4]] == ["dark_0.png", "bright_3.png"]
    assert {row["label"] for row in rows[:4]} == {"dark"}
    assert {row["label"] for row in rows[4:]} == {"bright"}
    assert float(rows[0]["score"]) == pytest.approx(1.0, abs=1e-5)
    measured = json.loads((out / "retrieval.json").read_text())
    assert (measured["recall@1"], measured["mAP"], measured["queries"]) == (1.0, pytest.approx(1.0), 12)
    with Image.open(out / "pictures" / "search.png") as picture:
        assert picture.width > picture.height > 100


def test_a_folder_of_images_is_embedded_first(index: Path, tmp_path: Path) -> None:
    images = index.parent / "images"
    words = [f"index={images}", f"query={images / 'dark_1.png'}", "workers=0", f"folder={tmp_path / 'out'}"]
    run_search(asked(*words, command="search"))
    assert (tmp_path / "out" / "index" / "embeddings.npy").is_file()


def test_images_are_ranked_by_the_metric_of_the_search(tmp_path: Path) -> None:
    labels, folder = ["a", "b", "a", "b"], tmp_path / "index"
    vectors = np.array([[1, 0], [0, 1], [9, 1], [1, 9]], np.float32)  # by angle each finds its like, by distance two do
    about = {"format": INDEX_VERSION, "complete": True}
    folder.mkdir()
    write_index(folder, "npy", [vectors], {"name": list("wxyz"), "label": labels}, 2)
    (folder / INDEX_FILE).write_text(json.dumps(about))
    for metric, recall in (("cosine", 1.0), ("euclidean", 0.5)):
        words = [f"index={folder}", "evaluate=all", f"search.metric={metric}", f"folder={tmp_path}"]
        run_search(asked(*words, command="search"))
        assert json.loads((tmp_path / "retrieval.json").read_text())["recall@1"] == recall


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["index={index}"], "Give query="),
        (["index={index}", "evaluate=some"], "allowed are all, test"),
        (["index={index}", "evaluate=test"], "know the split"),
        (["index={index}", "query=nowhere.jpg"], "query=nowhere.jpg is no image"),
        (["index=nowhere", "evaluate=all"], "candelabra embed"),
    ],
)
def test_what_is_wrongly_asked_is_refused(index: Path, words: list[str], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(CandelabraError, match=sentence):
        run_search(asked(*(word.format(index=index) for word in words), f"folder={tmp_path}", command="search"))


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("size", r"size has no effect: index=.* with size=\[32, 32\], .*leave size out"),
        ("vectors", "vectors has no effect"),
        ("backbone.weights", "backbone.weights has no effect.* with backbone=test_resnet"),
    ],
)
def test_an_index_that_is_made_takes_no_word_of_how_to_make_it(typed: str, words: str, index: Path) -> None:
    plain = resolve_config(asked(f"index={index}", "query=x", f"folder={index}", command="search"))
    assert len(open_index(plain, ["index", "query", "k", "label", "trainer"])) == 12
    with pytest.raises(CandelabraError, match=words):
        open_index(plain, ["index", typed])


def test_other_weights_than_those_of_the_index_are_refused(index: Path, tmp_path: Path) -> None:
    about = json.loads((index / "embedding.json").read_text())
    moved = tmp_path / "moved"
    moved.mkdir()
    for path in index.iterdir():
        (moved / path.name).write_bytes(path.read_bytes())
    (moved / "embedding.json").write_text(json.dumps({**about, "seed": 7}))
    query = index.parent / "images" / "dark_0.png"
    with pytest.raises(CandelabraError, match="not those that the index was made with"):
        run_search(asked(f"index={moved}", f"query={query}", f"folder={tmp_path}", command="search"))
