"""`candelabra search`: the images nearest to others, and how well images of one label find each other."""

import csv
import logging
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from omegaconf import DictConfig
from rich.table import Table

from candelabra.cli.compose import list_typed_keys
from candelabra.commands.embed import embed_source
from candelabra.config.build import PlainConfig, build_object, resolve_config
from candelabra.data.decoding.paths import escape_path
from candelabra.data.samples import SPLITS
from candelabra.embeddings.encoder import Vectors
from candelabra.embeddings.extraction import ImageItems
from candelabra.embeddings.index import INDEX_FILE, VectorIndex
from candelabra.embeddings.recipe import restore_recipe
from candelabra.embeddings.search.gallery import GalleryCard, draw_gallery, shorten_name
from candelabra.embeddings.search.retrieval import RetrievalScores, score_retrieval
from candelabra.embeddings.search.searcher import DistanceMetric, Neighbors, Search
from candelabra.embeddings.sources import EmbeddingSource, make_source
from candelabra.errors import CandelabraError
from candelabra.report.consoles import make_console
from candelabra.storage.atomic import write_atomically
from candelabra.storage.strict_json import format_json

log = logging.getLogger(__name__)
_EMBEDDING = ("backbone", "run", "vectors", "label", "size", "resize", "batch_size", "workers", "seed", "trainer")
_MAKING = ("backbone", "run", "vectors", "label", "size", "resize")  # those that make other vectors or labels
_TABLES = 3  # queries whose nearest are told on the terminal
_INDEX = "index"  # a folder in the output folder


def run_search(config: DictConfig) -> None:
    """Writes search.csv and pictures/search.png for queries, retrieval.json for an evaluation.

    Raises:
        CandelabraError: the index or the queries cannot be used, or nothing is asked.
    """
    plain = resolve_config(config)
    if plain["query"] is None and plain["evaluate"] is None:
        raise CandelabraError(
            "Give query=<image, folder or glob>, or evaluate=all (or <split>:<split>) to measure how well images of "
            "one label find each other."
        )
    folder = Path(plain["folder"])
    index = open_index(plain, list_typed_keys())
    folder.mkdir(parents=True, exist_ok=True)
    if plain["query"] is not None:
        _ask(plain, index, folder)
    if plain["evaluate"] is not None:
        _evaluate(plain["evaluate"], index, folder, plain["search"].get("metric", "cosine"))


def open_index(plain: PlainConfig, typed: Sequence[str] = ()) -> VectorIndex:
    """The index that `index` names; of a folder of images, one that is made now, in the output folder.

    Args:
        plain: config of the command.
        typed: keys of the options that were typed.

    Raises:
        CandelabraError: it is neither; or it is made already, and an option says how to make it.
    """
    place = Path(plain["index"])
    if (place / INDEX_FILE).is_file() or not place.is_dir():
        index = VectorIndex.read(place)
        _check_unused(plain, typed, index)
        return index
    made = Path(plain["folder"]) / _INDEX
    words = {key: plain[key] for key in _EMBEDDING}
    index = embed_source({**words, "source": str(place), "format": "npy", "overwrite": False, "folder": str(made)})
    log.info("embedded %s; index=%s saves that another time", escape_path(place), made)
    return index


def _check_unused(plain: PlainConfig, typed: Sequence[str], index: VectorIndex) -> None:
    """Checks that no option was typed that says how images become vectors, of an index that has them."""
    for key in typed:
        option = key.partition(".")[0]
        if option not in _MAKING or plain[option] is None:
            continue
        own = index.about.get(option)
        value = own.get("name") if isinstance(own, dict) else own
        known = "" if value is None else f" with {option}={value}"
        raise CandelabraError(
            f"{key} has no effect: index={escape_path(index.folder)} is made already{known}, and queries are embedded "
            f"as its images were; leave {key} out, or embed the images anew with candelabra embed."
        )


def _ask(plain: PlainConfig, index: VectorIndex, folder: Path) -> None:
    source = make_source(plain["query"], "query")
    read, vectors = _embed(plain, index, source)
    names = [source.names[position] for position in read]
    make: partial[Search] = build_object(plain["search"])
    searcher = make(index.vectors)
    begun = time.perf_counter()
    found = searcher.nearest(vectors, plain["k"])
    milliseconds = 1000 * (time.perf_counter() - begun) / len(vectors)
    words = "%d vectors of %d numbers searched by %s: %.1f ms a query"
    log.info(words, len(index), index.vectors.shape[1], type(searcher).__name__, milliseconds)
    _write(index, names, found, folder / "search.csv")
    paths = [source.columns["path"][position] for position in read][: plain["pictures"]]
    if paths:
        cards = [
            [GalleryCard(path, "query"), *_cards(index, scores, rows)]
            for path, scores, rows in zip(paths, found.scores, found.rows, strict=False)
        ]
        draw_gallery(cards, folder / "pictures" / "search.png")
    _show(index, names[:_TABLES], found)
    log.info("the nearest of %d queries: %s", len(names), folder / "search.csv")


def _embed(plain: PlainConfig, index: VectorIndex, source: EmbeddingSource) -> tuple[list[int], Vectors]:
    """Positions of the queries that can be read, and their vectors."""
    recipe, encoder = restore_recipe(index.about, plain["trainer"])
    items = ImageItems(source, recipe.pipeline)
    size: int = index.about["batch_size"]
    read, blocks = [], []
    for start in range(0, len(items), size):
        here = [(position, items[position]) for position in range(start, min(start + size, len(items)))]
        for _, item in here:
            if item.problem:
                log.warning("%s It is left out.", item.problem)
        good = [(position, item.image) for position, item in here if not item.problem]
        if good:
            blocks.append(encoder(torch.stack([image for _, image in good])))
            read += [position for position, _ in good]
    if not read:
        raise CandelabraError(f"query={plain['query']}: none of {len(items)} images can be read.")
    return read, np.concatenate(blocks)


def _cards(index: VectorIndex, scores: NDArray[np.float32], rows: NDArray[np.int64]) -> list[GalleryCard]:
    paths, names = (index.columns.get(key, np.full(len(index), "", object)) for key in ("path", "name"))
    labels = index.columns.get("label", names)
    return [
        GalleryCard(paths[row], f"{shorten_name(labels[row] or names[row])}\n{score:.3f}")
        for score, row in zip(scores, rows, strict=True)
    ]


def _write(index: VectorIndex, names: Sequence[str], found: Neighbors, path: Path) -> None:
    columns = list(index.columns)
    with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        table = csv.writer(file)
        table.writerow(["query", "rank", "score", *columns])
        for name, scores, rows in zip(names, found.scores, found.rows, strict=True):
            for rank, (score, row) in enumerate(zip(scores, rows, strict=True), 1):
                table.writerow([name, rank, f"{score:.6f}", *(index.columns[column][row] for column in columns)])


def _show(index: VectorIndex, names: Sequence[str], found: Neighbors) -> None:
    told = [column for column in ("name", "label", "split") if column in index.columns]
    for name, scores, rows in zip(names, found.scores, found.rows, strict=False):
        table = Table("", "score", *told, title=f"nearest to {escape_path(name)}", title_justify="left")
        for rank, (score, row) in enumerate(zip(scores, rows, strict=True), 1):
            table.add_row(str(rank), f"{score:.4f}", *(escape_path(index.columns[column][row]) for column in told))
        make_console().print(table)


def _evaluate(word: str, index: VectorIndex, folder: Path, metric: DistanceMetric) -> None:
    labels = index.column("label", "evaluate")
    queries, gallery = split_rows(word, index)
    found = score_retrieval(index.vectors, labels, queries, gallery, metric=metric)
    table = Table("", word, title="retrieval")
    for name, value in retrieval_to_json(found).items():
        table.add_row(name, f"{value:.4f}" if isinstance(value, float) else str(value))
    make_console().print(table)
    write_atomically(folder / "retrieval.json", format_json({"evaluate": word, **retrieval_to_json(found)}))


def retrieval_to_json(found: RetrievalScores) -> dict[str, Any]:
    """The measures by their names."""
    recall = {f"recall@{k}": value for k, value in found.recall.items()}
    return {
        **recall,
        "mAP": found.mean_average_precision,
        "chance": found.chance,
        "queries": found.queries,
        "lonely": found.lonely,
    }


def split_rows(word: str, index: VectorIndex) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of the queries and of what they are looked for among.

    Args:
        word: all; a split, within which each image looks for the others; or two, test:train.
        index: with a column `split`, unless the word is all.

    Raises:
        CandelabraError: the word is none of these, or a split is empty.
    """
    if word == "all":
        rows = np.arange(len(index))
        return rows, rows
    first, _, second = word.partition(":")
    names = (first, second or first)
    if set(names) - set(SPLITS):
        raise CandelabraError(f"evaluate={word} is not known; allowed are all, test, test:train and the like.")
    split = index.column("split", f"evaluate={word}")
    found = [np.flatnonzero(split == name) for name in names]
    for name, rows in zip(names, found, strict=True):
        if not len(rows):
            raise CandelabraError(f"evaluate={word}: no image of {escape_path(index.folder)} is in the split {name}.")
    return found[0], found[1]
