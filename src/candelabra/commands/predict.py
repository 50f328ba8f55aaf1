"""`candelabra predict`: what a trained model says of images of any size, as pictures, a table and masks."""

import csv
import logging
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

from omegaconf import DictConfig
from tqdm import tqdm

from candelabra.config.build import resolve_config
from candelabra.data.decoding.image_sources import find_sources
from candelabra.data.decoding.paths import escape_path
from candelabra.data.loading.dataset_part import parse_size
from candelabra.data.targets import Target
from candelabra.errors import CandelabraError
from candelabra.heads import DECODING_OPTIONS
from candelabra.prediction.coco_document import CocoDocument
from candelabra.prediction.model import Model
from candelabra.prediction.output_names import choose_output_names
from candelabra.prediction.trained_task import choose_trained_model
from candelabra.storage.atomic import write_atomically
from candelabra.storage.earlier_files import record_times, report_earlier_files
from candelabra.storage.strict_json import format_json
from candelabra.training.trainer import make_trainer

log = logging.getLogger(__name__)
_FOLDERS = ("pictures", "masks", "depths", "normals", "flow", "instances", "reconstructions")
_WRITTEN = ("*.json", "unreadable.csv", *(f"{name}/*" for name in _FOLDERS))


def run_predict(config: DictConfig) -> None:
    """Writes predictions.csv, pictures/ and masks/; goes on past unreadable files and lists them in unreadable.csv.

    Raises:
        CandelabraError: there is no image, none can be read, or the checkpoint cannot be used.
    """
    plain = resolve_config(config)
    given = choose_trained_model(plain)
    sources = find_sources(plain["source"])
    paths = list(dict.fromkeys(path for found in sources.values() for path in found))
    size = None if plain["size"] is None else parse_size(plain["size"], "size")
    node = plain["trainer"]
    precision = node["precision"]
    trainer = make_trainer({**node, "precision": precision or "32-true"}, logger=False, enable_checkpointing=False)
    device, decoding = trainer.strategy.root_device, {key: plain[key] for key in DECODING_OPTIONS}
    model = Model(given, device, precision, size, plain["batch_size"], plain["tta"], decoding)
    ranks = _check_ranks(plain["top_k"], model.heads)
    folder = Path(plain["folder"])
    earlier = record_times(folder, _WRITTEN)
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    names = dict(zip(map(str, paths), choose_output_names(paths), strict=True))
    unreadable: list[tuple[str, str]] = []
    documents: dict[str, CocoDocument] = {}
    with (folder / "predictions.csv").open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        table = csv.writer(file)
        heads = model.heads
        table.writerow(["image", *_make_header(heads, ranks)])
        found = model.predict(paths, unreadable)
        for number, prediction in enumerate(tqdm(found, desc="predicting", unit="image", total=len(paths))):
            values = prediction.values
            cells = [
                [*target.prediction_row(values[name]), *target.rank_row(values[name], ranks)]
                for name, target in heads.items()
            ]
            table.writerow([prediction.name, *chain.from_iterable(cells)])
            for name, target in heads.items():
                target.save_prediction(values[name], folder, names[prediction.name], prediction.size)
                objects = target.to_coco(values[name], prediction.size)
                if objects is not None:
                    document = documents.setdefault(name, CocoDocument(model.classes[name]))
                    document.add(prediction.name, prediction.size, objects)
            if number < plain["pictures"]:
                prediction.save(folder / "pictures" / f"{names[prediction.name]}.jpg")
    for name, document in documents.items():
        write_atomically(folder / f"{name}.json", format_json(document.to_json()))
    if unreadable:
        _report_unreadable(unreadable, sources, folder)
    report_earlier_files(earlier, folder)
    log.info("predictions of %d images: %s", len(paths) - len(unreadable), folder / "predictions.csv")


def _make_header(heads: Mapping[str, Target], ranks: int) -> list[str]:
    """Columns of all heads, with the name of a head in front where an earlier head has such a column."""
    header: list[str] = []
    for name, target in heads.items():
        columns = [*target.prediction_header(), *target.rank_header(ranks)]
        taken = not set(header).isdisjoint(columns)
        header += [f"{name}_{column}" if taken else column for column in columns]
    return header


def _check_ranks(top_k: int | None, heads: Mapping[str, Target]) -> int:
    """The number of classes in predictions.csv for each head that tells one class an image.

    Raises:
        CandelabraError: it is above 1, and there is no such head.
    """
    if (top_k or 1) > 1 and not any(target.rank_header(2) for target in heads.values()):
        raise CandelabraError(
            f"top_k={top_k}: no head of this model ({', '.join(heads)}) tells one of several classes for an image; "
            "leave it out."
        )
    return top_k or 1


def _report_unreadable(
    unreadable: Sequence[tuple[str, str]], sources: Mapping[str, Sequence[Path]], folder: Path
) -> None:
    """Writes unreadable.csv.

    Raises:
        CandelabraError: no file could be read.
    """
    with (folder / "unreadable.csv").open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        csv.writer(file).writerows([("image", "problem"), *unreadable])
    count = len({path for found in sources.values() for path in found})
    log.warning("%d of %d files could not be read: %s", len(unreadable), count, folder / "unreadable.csv")
    bad = {path for path, _ in unreadable}
    lost = [source for source, found in sources.items() if bad.issuperset(map(str, found))]
    if len(bad) == count:
        path, problem = unreadable[0]
        raise CandelabraError(f"source={', '.join(lost)}: no file could be read ({escape_path(path)}: {problem})")
    if lost:
        log.warning("nothing could be read of source=%s", ", ".join(lost))
