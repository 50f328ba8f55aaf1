"""Whether data are still those whose split a run drew."""

from collections.abc import Collection
from pathlib import Path

import numpy as np

from candelabra.data.loading.sample_datamodule import SampleDataModule
from candelabra.data.samples import SPLITS, Samples
from candelabra.data.sampling.splits import Splitter, hash_names
from candelabra.errors import CandelabraError
from candelabra.runs.checkpoints import read_checkpoint


def check_resumed_images(checkpoint: Path | None, data: SampleDataModule) -> None:
    """Refuses to go on from a checkpoint with images whose split would be drawn anew; null: nothing goes on.

    Raises:
        CandelabraError: see `check_drawn_split`.
    """
    if checkpoint is not None:
        advice = "Begin another run with them: weights=<run> takes what this one learnt."
        check_drawn_split(data, read_checkpoint(checkpoint)["candelabra"].get("images"), SPLITS, advice)


def check_drawn_split(data: SampleDataModule, images: str | None, splits: Collection[str], advice: str) -> None:
    """Refuses data whose split would be drawn anew: images that were trained on would be among those of test.

    Args:
        data: as they are now.
        images: what `hash_names` gave in training; null where it is not known.
        splits: those that are needed.
        advice: what to do.

    Raises:
        CandelabraError: there are other images than in training, and one of the splits is drawn from them.
    """
    if images is None or hash_names(data.open().names) == images:
        return
    drawn = {split for part in data.datasets().values() for split in _list_drawn(part.splitter, data.open())}
    drawn &= set(splits)
    if drawn:
        raise CandelabraError(
            f"The data have other images than in training ({len(data.open().names)} now), and "
            f"{', '.join(sorted(drawn))} would be drawn anew, with images that were trained on. {advice}"
        )


def _list_drawn(splitter: Splitter, samples: Samples) -> set[str]:
    """Splits that depend on which images there are."""
    if splitter.folds:
        return set(SPLITS)
    if splitter.split not in ("published", "random"):  # a table, or whole classes
        return set()
    published = samples.published.astype("<U5") if splitter.split == "published" else np.full(len(samples), "")
    missing = set(splitter.find_missing(published))
    return missing | {"train"} if missing else missing
