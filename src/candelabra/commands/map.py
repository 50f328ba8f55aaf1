"""`candelabra map`: embedded images in the plane, with the clusters that they form."""

import csv
import logging
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from omegaconf import DictConfig
from rich.table import Table

from candelabra.config.build import build_object, resolve_config
from candelabra.embeddings.encoder import Vectors
from candelabra.embeddings.index import VectorIndex
from candelabra.embeddings.projection.clusters import find_clusters
from candelabra.embeddings.projection.projection import Projection
from candelabra.embeddings.projection.scatter import draw_scatter
from candelabra.errors import CandelabraError, list_nearest
from candelabra.report.consoles import make_console
from candelabra.storage.atomic import write_atomically
from candelabra.storage.strict_json import format_json

log = logging.getLogger(__name__)
_CLUSTERS = 10  # where nothing says how many
_FEWEST = 4  # images that can be drawn and divided


def run_map(config: DictConfig) -> None:
    """Writes map.csv, map.json and pictures/map.png.

    Raises:
        CandelabraError: the index cannot be used, or has too few images.
    """
    plain = resolve_config(config)
    projection: Projection = build_object(plain["projection"])
    index = VectorIndex.read(plain["index"])
    colour = color_by(plain["colour"], index)
    rows = choose_projection_rows(index, plain["images"], plain["seed"])
    vectors = normalize_rows(index.vectors[rows])
    labels = None if colour is None else index.columns[colour][rows]
    kinds = 0 if labels is None else len(set(labels) - {""})
    count = plain["clusters"] or (kinds if kinds >= 2 else _CLUSTERS)
    found = find_clusters(vectors, min(count, len(vectors) - 1), labels, plain["seed"])
    points = projection.points(vectors, plain["seed"])
    folder = Path(plain["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "map.csv").open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        table = csv.writer(file)
        table.writerow([*index.columns, "cluster", "x", "y"])
        for row, cluster, (x, y) in zip(rows, found.assigned, points, strict=True):
            table.writerow([*(column[row] for column in index.columns.values()), cluster, f"{x:.5f}", f"{y:.5f}"])
    way = type(projection).__name__.lower()
    panels = {} if labels is None else {f"{way}, by {colour}": labels}
    panels[f"{way}, by k-means cluster"] = np.array([f"{cluster:02d}" for cluster in found.assigned], dtype=object)
    draw_scatter(points, panels, folder / "pictures" / "map.png")
    scores: dict[str, Any] = {name: None if math.isnan(score) else score for name, score in found.scores.items()}
    summary = {
        "images": len(rows),
        "projection": way,
        "colour": colour,
        "clusters": int(found.assigned.max()) + 1,
        **scores,
    }
    write_atomically(folder / "map.json", format_json(summary))
    shown = Table("", "", title="map", show_header=False)
    for name, value in summary.items():
        shown.add_row(name, f"{value:.4f}" if isinstance(value, float) else str(value))
    make_console().print(shown)
    log.info("%d images in the plane: %s", len(rows), folder / "pictures" / "map.png")


def color_by(word: str | None, index: VectorIndex) -> str | None:
    """The column that colours points; by itself the label, where it is known.

    Raises:
        CandelabraError: there is no such column.
    """
    if word is None:
        known = "label" in index.columns and (index.columns["label"] != "").any()
        return "label" if known else None
    if word not in index.columns:
        raise CandelabraError(f"colour={word} is no column of the index; it has {list_nearest(word, index.columns)}.")
    return word


def choose_projection_rows(index: VectorIndex, most: int, seed: int) -> NDArray[np.int64]:
    """Rows of the index: all, or so many drawn at random.

    Raises:
        CandelabraError: they are too few.
    """
    if min(most, len(index)) < _FEWEST:
        raise CandelabraError(f"A map needs {_FEWEST} images; images={most} of {len(index)} are fewer.")
    drawn: NDArray[np.int64] = np.sort(np.random.default_rng(seed).permutation(len(index))[:most])
    return drawn


def normalize_rows(vectors: Vectors) -> Vectors:
    """Vectors of length 1, as search by cosine sees them."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    made: Vectors = vectors / np.maximum(length, np.finfo(np.float32).tiny)
    return made
