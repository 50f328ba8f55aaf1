"""`candelabra embed`: images as vectors, in a folder that `search` and `map` take for an index."""

import json
import logging
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from candelabra import __version__
from candelabra.config.build import Plain, build, resolve
from candelabra.data.issues import Oddity, Treatment, write_oddities
from candelabra.data.samples import digest
from candelabra.embeddings.batch_size import batch_size
from candelabra.embeddings.encoder import Encoder, Vectors, rehearsed
from candelabra.embeddings.extraction import Items, choose_workers, fill
from candelabra.embeddings.index import ABOUT, FORMATS, PARQUET, PASSING, TABLE, VECTORS, Index, write_index
from candelabra.embeddings.parts import Parts
from candelabra.embeddings.recipe import recipe_of
from candelabra.embeddings.sources import DataSet, Source, labelled, source_of
from candelabra.errors import CandelabraError

log = logging.getLogger(__name__)
PARTS, SKIPPED = "parts", "oddities.csv"
FORMAT = 1  # of the folder


def run_embed(config: DictConfig) -> None:
    """Writes an index: vectors, a table of their images, embedding.json and, where files were odd, oddities.csv.

    Given the folder of one that was killed, goes on with it.

    Raises:
        CandelabraError: there is no image, the backbone cannot be used, or the folder holds something else.
    """
    embedded(resolve(config))


def embedded(plain: Plain) -> Index:
    """See `run_embed`; `plain` is the resolved config of that command."""
    folder = Path(plain["folder"])
    if plain["format"] not in FORMATS:
        raise CandelabraError(f"format={plain['format']} is not known; allowed are {', '.join(FORMATS)}.")
    source = read(plain)
    recipe = recipe_of(plain, plain.get("data"))
    if plain["anew"]:
        _clear(folder)
    encoder = recipe.encoder(plain["trainer"])
    about = {"format": FORMAT, **recipe.told(encoder), "source": _known(source)}
    before = _begun(folder, about, plain["format"])
    items = Items(source, recipe.pipeline)
    if before.get("complete") and before["content"] == _content(source):
        log.info("these images are embedded already: %s", folder)
        return Index.read(folder)
    needed = rehearsed(encoder, recipe.size)
    size = plain["batch_size"] or before.get("batch_size") or batch_size(needed, encoder.device)
    about["batch_size"] = size
    _tell(folder, about)
    workers = choose_workers(items, size, encoder.device) if plain["workers"] is None else plain["workers"]
    begun = time.perf_counter()
    parts = Parts(folder / PARTS)
    try:
        fill(parts, items, encoder, size, workers, not plain["trainer"]["enable_progress_bar"])
    except KeyboardInterrupt:
        log.info("stopped; the same words with folder=%s go on", folder)
        raise
    seconds = time.perf_counter() - begun
    index = _finish(folder, about, parts, source, encoder, plain["format"])
    words = "%d vectors of %d numbers in %.0f s (%s, batches of %d, %d workers): %s"
    log.info(words, *index.vectors.shape, seconds, encoder.device, size, workers, folder)
    return index


def read(plain: Plain) -> Source:
    """The images of `source` or of `data`, with labels as `label` says.

    Raises:
        CandelabraError: neither or both are given, or they hold no image.
    """
    node = plain.get("data")
    if (node is None) == (plain["source"] is None):
        raise CandelabraError(
            "Give either source=<folder, glob, file or table of images> or data=<data set>"
            + ("." if node is None else f"; source={plain['source']} and a data set are given.")
        )
    source = source_of(plain["source"]) if node is None else DataSet(build(node))
    if plain["label"] is not None:
        labelled(source, plain["label"], None if node is None else node.get("root"))
    return source


def _known(source: Source) -> str:
    """A digest of what is known of the images without reading them."""
    return digest(list(source.names), {name: list(column) for name, column in source.columns.items()}).hex()


def _content(source: Source) -> str:
    """A digest of the images."""
    from candelabra.embeddings.extraction import digest as content

    return digest(b"".join(content(source, index) for index in range(len(source)))).hex()


def _begun(folder: Path, about: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """What the folder says of itself, if it is an index, whole or not, of the same images by the same recipe.

    Raises:
        CandelabraError: it is another, or holds something else.
    """
    if not (folder / ABOUT).is_file():
        return {}
    before: dict[str, Any] = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    differing = [key for key in about if before.get(key) != about[key]]
    if differing:
        raise CandelabraError(
            f"folder={folder} holds vectors that were made otherwise ({', '.join(differing)}: "
            f"{before.get(differing[0])}, now {about[differing[0]]}); give another, or anew=true to replace them."
        )
    there = "parquet" if (folder / PARQUET).is_file() else "npy"
    return before if not before.get("complete") or there == kind else {**before, "complete": False}


def _clear(folder: Path) -> None:
    for name in (ABOUT, VECTORS, TABLE, PARQUET, SKIPPED):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / PARTS, ignore_errors=True)


def _tell(folder: Path, about: Mapping[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    passing = folder / (ABOUT + PASSING)
    passing.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    passing.replace(folder / ABOUT)


def _finish(folder: Path, about: dict[str, Any], parts: Parts, source: Source, encoder: Encoder, kind: Any) -> Index:
    """Makes one index of all parts, and takes them away."""
    digests = b"".join(part.digests.tobytes() for part in parts)
    problems = [str(why) for part in parts for why in part.problems]
    kept = [position for position, why in enumerate(problems) if not why]
    bad = [Oddity(source.names[i], "unreadable", Treatment.SKIPPED, why) for i, why in enumerate(problems) if why]
    if bad:
        write_oddities(bad, folder / SKIPPED)
        log.warning("%d of %d images cannot be read and are left out: %s", len(bad), len(source), folder / SKIPPED)
    if not kept:
        raise CandelabraError(f"None of the {len(source)} images can be read: {bad[0].detail}")
    every = {"name": source.names, **source.columns}
    columns = {name: [column[position] for position in kept] for name, column in every.items()}
    width = encoder.backbone.num_features
    for name in {VECTORS, TABLE, PARQUET} - ({PARQUET} if kind == "parquet" else {VECTORS, TABLE}):
        (folder / name).unlink(missing_ok=True)
    write_index(folder, kind, _blocks(parts), columns, width)
    counts = {"images": len(source), "embedded": len(kept), "skipped": len(bad), "dimensions": width}
    _tell(folder, {**about, **counts, "candelabra": __version__, "content": digest(digests).hex(), "complete": True})
    shutil.rmtree(parts.folder)
    return Index.read(folder)


def _blocks(parts: Parts) -> Iterator[Vectors]:
    for part in parts:
        yield part.vectors
