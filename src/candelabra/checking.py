"""`candelabra check`: what a data set labels, and what the model will see of it."""

import json
import logging
from pathlib import Path

from omegaconf import DictConfig

from candelabra.config import build, resolve
from candelabra.data.datamodule import DataModule
from candelabra.report.pictures import grid
from candelabra.report.tables import coverage

log = logging.getLogger(__name__)


def check(config: DictConfig) -> None:
    """Prints labels a target and a split, and draws training samples after their transforms.

    Raises:
        CandelabraError: the data cannot be used.
    """
    plain = resolve(config)
    data: DataModule = build(plain["data"])
    counts = coverage(data)
    folder = Path(plain["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "counts.json").write_text(json.dumps(counts, indent=2) + "\n")
    prepared = data.prepared("train")
    samples = [prepared[index] for index in data.chosen("train", plain["samples"])]
    grid(samples, None, data.labels, folder / "samples.png")
    log.info("wrote %s and %s", folder / "samples.png", folder / "counts.json")
