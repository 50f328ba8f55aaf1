"""`candelabra embed`: images as vectors, in a folder that `search` and `map` take for an index."""

import logging
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from candelabra.cli.compose import list_typed_keys
from candelabra.config.build import PlainConfig, build_data, resolve_config
from candelabra.data.issues import DataIssue, IssueTreatment, write_issues
from candelabra.data.samples import hash_contents
from candelabra.embeddings.batch_size import choose_batch_size
from candelabra.embeddings.encoder import Encoder, Vectors, check_encoder
from candelabra.embeddings.extraction import ImageItems, choose_embedding_workers, extract_vectors
from candelabra.embeddings.index import (
    INDEX_FILE,
    INDEX_FORMATS,
    INDEX_TABLE,
    INDEX_VERSION,
    PARQUET_TABLE,
    VECTORS_FILE,
    VectorIndex,
    read_index_file,
    write_index,
)
from candelabra.embeddings.parts import VectorParts
from candelabra.embeddings.recipe import make_recipe
from candelabra.embeddings.sources import DatasetSource, EmbeddingSource, label_files, make_source
from candelabra.environment import __version__, require_package
from candelabra.errors import CandelabraError
from candelabra.storage.atomic import write_atomically
from candelabra.storage.strict_json import format_json

log = logging.getLogger(__name__)
_PARTS, _SKIPPED = "parts", "issues.csv"


def run_embed(config: DictConfig) -> None:
    """Writes an index: vectors, a table of their images, embedding.json and, where files were odd, issues.csv.

    Given the folder of one that was killed, goes on with it.

    Raises:
        CandelabraError: there is no image, the backbone cannot be used, or the folder holds something else; or an
            option of training was typed.
    """
    plain, typed = resolve_config(config), list_typed_keys()
    for key in ("batch_size", "workers", *(("size", "resize") if plain["run"] else ())):  # of a run, those of the run
        if f"data.{key}" in typed:
            raise CandelabraError(f"data.{key} is for training and has no effect on embed; set {key} in its place.")
    embed_source(plain)


def embed_source(plain: PlainConfig) -> VectorIndex:
    """See `run_embed`; `plain` is the resolved config of that command."""
    folder = Path(plain["folder"])
    if plain["format"] not in INDEX_FORMATS:
        raise CandelabraError(f"format={plain['format']} is not known; allowed are {', '.join(INDEX_FORMATS)}.")
    if plain["format"] == "parquet":
        require_package("pyarrow", "format=parquet", "use format=npy")
    source = open_or_embed(plain)
    recipe = make_recipe(plain, plain.get("data"))
    if plain["overwrite"]:
        _clear(folder)
    encoder = recipe.encoder(plain["trainer"])
    about = {"format": INDEX_VERSION, **recipe.told(encoder), "source": _known(source)}
    before = _begun(folder, about, plain["format"])
    items = ImageItems(source, recipe.pipeline)
    if before.get("complete") and before["content"] == _content(source):
        log.info("these images are embedded already: %s", folder)
        return VectorIndex.read(folder)
    needed = check_encoder(encoder, recipe.size)
    size = plain["batch_size"] or before.get("batch_size") or choose_batch_size(needed, encoder.device)
    about["batch_size"] = size
    _tell(folder, about)
    workers = choose_embedding_workers(items, size, encoder.device) if plain["workers"] is None else plain["workers"]
    begun = time.perf_counter()
    parts = VectorParts(folder / _PARTS)
    try:
        extract_vectors(parts, items, encoder, size, workers, not plain["trainer"]["enable_progress_bar"])
    except KeyboardInterrupt:
        log.info("stopped; the same words with folder=%s go on", folder)
        raise
    seconds = time.perf_counter() - begun
    index = _finish(folder, about, parts, source, encoder, plain["format"])
    words = "%d vectors of %d numbers in %.0f s (%s, batches of %d, %d workers): %s"
    log.info(words, *index.vectors.shape, seconds, encoder.device, size, workers, folder)
    return index


def open_or_embed(plain: PlainConfig) -> EmbeddingSource:
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
    source = make_source(plain["source"]) if node is None else DatasetSource(build_data(node))
    if plain["label"] is not None:
        label_files(source, plain["label"], None if node is None else node.get("root"))
    return source


def _known(source: EmbeddingSource) -> str:
    """A digest of what is known of the images without reading them."""
    return hash_contents(list(source.names), {name: list(column) for name, column in source.columns.items()}).hex()


def _content(source: EmbeddingSource) -> str:
    """A digest of the images."""
    from candelabra.embeddings.extraction import hash_items as content

    return hash_contents(b"".join(content(source, index) for index in range(len(source)))).hex()


def _begun(folder: Path, about: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """What the folder says of itself, if it is an index, whole or not, of the same images by the same recipe.

    Raises:
        CandelabraError: it is another, or holds something else.
    """
    if not (folder / INDEX_FILE).is_file():
        return {}
    before = read_index_file(folder, "folder")
    differing = [key for key in about if before.get(key) != about[key]]
    if differing:
        raise CandelabraError(
            f"folder={folder} holds vectors that were made otherwise ({', '.join(differing)}: "
            f"{before.get(differing[0])}, now {about[differing[0]]}); give another, or overwrite=true to replace them."
        )
    there = "parquet" if (folder / PARQUET_TABLE).is_file() else "npy"
    return before if not before.get("complete") or there == kind else {**before, "complete": False}


def _clear(folder: Path) -> None:
    for name in (INDEX_FILE, VECTORS_FILE, INDEX_TABLE, PARQUET_TABLE, _SKIPPED):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / _PARTS, ignore_errors=True)


def _tell(folder: Path, about: Mapping[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / INDEX_FILE, format_json(about))


def _finish(
    folder: Path, about: dict[str, Any], parts: VectorParts, source: EmbeddingSource, encoder: Encoder, kind: Any
) -> VectorIndex:
    """Makes one index of all parts, and takes them away."""
    digests = b"".join(part.digests.tobytes() for part in parts)
    problems = [str(why) for part in parts for why in part.problems]
    kept = [position for position, why in enumerate(problems) if not why]
    bad = [
        DataIssue(source.names[i], "unreadable", IssueTreatment.SKIPPED, why) for i, why in enumerate(problems) if why
    ]
    if bad:
        write_issues(bad, folder / _SKIPPED)
        log.warning("%d of %d images cannot be read and are left out: %s", len(bad), len(source), folder / _SKIPPED)
    if not kept:
        raise CandelabraError(f"None of the {len(source)} images can be read: {bad[0].detail}")
    every = {"name": source.names, **source.columns}
    columns = {name: [column[position] for position in kept] for name, column in every.items()}
    width = encoder.dimensions
    for name in {VECTORS_FILE, INDEX_TABLE, PARQUET_TABLE} - (
        {PARQUET_TABLE} if kind == "parquet" else {VECTORS_FILE, INDEX_TABLE}
    ):
        (folder / name).unlink(missing_ok=True)
    write_index(folder, kind, _blocks(parts), columns, width)
    counts = {"images": len(source), "embedded": len(kept), "skipped": len(bad), "dimensions": width}
    _tell(
        folder,
        {**about, **counts, "candelabra": __version__, "content": hash_contents(digests).hex(), "complete": True},
    )
    shutil.rmtree(parts.folder)
    return VectorIndex.read(folder)


def _blocks(parts: VectorParts) -> Iterator[Vectors]:
    for part in parts:
        yield part.vectors
