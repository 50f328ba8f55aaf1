"""`candelabra convert`: any data set as a table or as shards, with its splits and all it labels."""

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig
from torch.utils.data import DataLoader
from tqdm import tqdm

from candelabra.config.build import build_data, build_object, resolve_config
from candelabra.data.labels_json import LABELS_FILE, write_labels_json
from candelabra.data.loading.sample_datamodule import SampleDataModule
from candelabra.data.loading.workers import count_processors
from candelabra.data.samples import SPLITS
from candelabra.data.writers.entry import DatasetEntries, DatasetEntry
from candelabra.data.writers.writer import DatasetWriter
from candelabra.environment import choose_start_method
from candelabra.errors import CandelabraError
from candelabra.report.tables import count_labels

log = logging.getLogger(__name__)
_UNFINISHED = ".unfinished"  # after the name of the folder, and the name of a file in it


def run_convert(config: DictConfig) -> None:
    """Writes a data set anew.

    It is written beside the folder and renamed when it is whole.

    Raises:
        CandelabraError: the data cannot be used, or the folder holds something.
    """
    plain = resolve_config(config)
    writer: Any = build_object(plain["to"])
    if not isinstance(writer, DatasetWriter):
        raise CandelabraError(
            "to= names a format of candelabra export; data are written with to=table, webdataset, ..."
        )
    folder = check_vacant(Path(plain["folder"]).expanduser().absolute())
    data: SampleDataModule = build_data(plain["data"])
    renamed = [part.rename for part in data.datasets().values() if part.rename]
    if renamed:
        raise CandelabraError(f"data.rename={renamed[0]}: files have no other names for targets; leave rename out.")
    samples = data.open()
    writer.check(samples.labels)
    count_labels(data)
    unfinished = begin_conversion(folder)
    left_out: list[str] = []
    writer.write(unfinished, samples.labels, iterate_entries(data, writer.shuffled, left_out))
    (unfinished / LABELS_FILE).write_text(write_labels_json(samples.labels), encoding="utf-8")
    (unfinished / _UNFINISHED).unlink()
    unfinished.rename(folder)
    for why in left_out[:3]:
        log.warning("left out: %s", why)
    total = sum(len(part) for part in data.parts.values())
    others = len(samples) - total + len(left_out)
    log.info("wrote %d images to %s%s", total - len(left_out), folder, f"; left out {others}" if others else "")
    log.info("read them with data=%s data.root=%s", writer.reader, folder)


def iterate_entries(data: SampleDataModule, shuffled: bool, left_out: list[str]) -> Iterator[DatasetEntry]:
    """All samples that are in a split, split by split, made by workers.

    Args:
        data: opened.
        shuffled: in an order that `split_seed` of the first data set draws, else in the order of the data set.
        left_out: gets why samples could not be read.

    Raises:
        CandelabraError: a sample cannot be read, and `data.on_bad` is raise.
    """
    draw = np.random.default_rng(next(iter(data.datasets().values())).split_seed)
    places: list[tuple[str, int]] = []
    for split in SPLITS:
        part = draw.permutation(data.parts[split]) if shuffled else data.parts[split]
        places += [(split, int(index)) for index in part]
    workers = max(1, count_processors(1) - 1) if data.workers is None else data.workers
    context = choose_start_method(workers)
    made = DatasetEntries(data.open(), places)
    loader = DataLoader(made, None, num_workers=workers, collate_fn=_same, multiprocessing_context=context)
    for entry in tqdm(loader, "images", len(places), leave=False, delay=1):
        if isinstance(entry, DatasetEntry):
            yield entry
        elif data.on_bad == "raise":
            raise CandelabraError(f"{entry} Mend it, or leave such images out with data.on_bad=skip.")
        else:
            left_out.append(entry)


def _same(entry: Any) -> Any:
    return entry


def check_vacant(folder: Path) -> Path:
    """The folder, if nothing would be lost.

    Raises:
        CandelabraError: it is a file, or holds something.
    """
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise CandelabraError(f"folder={folder} is there and is not empty; give another, or take it away.")
    return folder


def begin_conversion(folder: Path) -> Path:
    """A new folder beside it, to be renamed; what a conversion that was killed has left there is deleted.

    Raises:
        CandelabraError: something else is there.
    """
    unfinished = folder.with_name(folder.name + _UNFINISHED)
    if unfinished.exists():
        if not (unfinished / _UNFINISHED).is_file():
            raise CandelabraError(f"{unfinished} is in the way, and is no rest of a conversion; take it away.")
        shutil.rmtree(unfinished)
    unfinished.mkdir(parents=True)
    (unfinished / _UNFINISHED).touch()
    return unfinished
