"""How well images of one label find each other: pretrained features beside random weights and plain pixels."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from hydra import compose, initialize_config_dir
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.reporting import parser
from candelabra.commands.embed import embed_source
from candelabra.commands.search import retrieval_to_json
from candelabra.config.build import resolve_config
from candelabra.data.decoding.images import decode_image
from candelabra.embeddings import VectorIndex
from candelabra.embeddings.encoder import Vectors
from candelabra.embeddings.search import score_retrieval
from candelabra.environment import CONFIG_FOLDER

PIXELS = 16  # side of the image whose pixels are a vector: 768 numbers


def index_of(folder: Path, words: list[str]) -> VectorIndex:
    """Embeds, or finds what was embedded before."""
    with initialize_config_dir(str(CONFIG_FOLDER), version_base="1.3"):
        config = compose("embed", [f"folder={folder}", "trainer.precision=32-true", *words])
    return embed_source(resolve_config(config))


def pixels_of(index: VectorIndex) -> Vectors:
    """Each image, shrunk, less its mean."""
    from PIL import Image

    def vector(path: str) -> NDArray[np.float32]:
        small = Image.fromarray(decode_image(Path(path)).pixels).resize((PIXELS, PIXELS), Image.Resampling.BOX)
        values: NDArray[np.float32] = np.asarray(small, dtype=np.float32).reshape(-1)
        return values - np.float32(values.mean())

    return np.stack([vector(path) for path in index.columns["path"]])


def measure(name: str, folder: Path, words: list[str]) -> list[dict[str, Any]]:
    """Rows of the table for one data set, each image of which looks for the others of its label."""
    trained = index_of(folder / f"{name}-trained", words)
    drawn = index_of(folder / f"{name}-drawn", [*words, "backbone.weights=none"])
    every, labels = np.arange(len(trained)), trained.columns["label"]
    made = {"ImageNet weights": trained.vectors, "random weights": drawn.vectors, "pixels": pixels_of(trained)}
    return [
        {"data": name, "vectors": what, **retrieval_to_json(score_retrieval(vectors, labels, every, every))}
        for what, vectors in made.items()
    ]


def main() -> None:
    """Prints a table, and writes it where told."""
    arguments = parser(__doc__)
    arguments.add_argument("--faces", required=True, help="the folder of p1_facial_keypoints")
    arguments.add_argument("--cifar", required=True, help="a folder of folders of images, one a class")
    arguments.add_argument("--size", type=int, default=64, help="of what the backbone is shown")
    arguments.add_argument("--folder", type=Path, required=True, help="where indices go, and are found again")
    given = arguments.parse_args()
    cifar = [f"source={given.cifar}", "label='([^/]+)/[^/]+$'"]
    faces = [f"source={given.faces}/data/training", "label='^(.+)_[0-9]+[.]'"]
    rows = []
    for name, words in (("cifar10", cifar), ("faces", faces)):
        rows += measure(name, given.folder, [*words, f"size={given.size}"])
    table = Table(*rows[0], title="retrieval")
    for row in rows:
        table.add_row(*(f"{value:.3f}" if isinstance(value, float) else str(value) for value in row.values()))
    Console(width=140).print(table)
    if given.json:
        given.json.write_text(json.dumps(rows, indent=2) + "\n")
    gain = min(rows[first]["mAP"] - max(row["mAP"] for row in rows[first + 1 : first + 3]) for first in (0, 3))
    print(f"mAP above the better of random weights and pixels, at least: {gain:.3f}")


if __name__ == "__main__":
    main()
