"""What holds for a table of any target: converted samples read the same, and cached features teach the same."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from candelabra.commands.convert import run_convert
from candelabra.commands.train import run_train
from candelabra.data import LitData, Samples, Table, WebDataset
from tests.conftest import Compose
from tests.training.test_interruption import weights


def check_conversion(words: Sequence[str], to: str, ours: Samples, tiny: Compose, folder: Path, most: int) -> None:
    """The first `most` of our samples are read as they are from what `candelabra convert` writes."""
    if to == "litdata":
        pytest.importorskip("litdata")
    run_convert(tiny(*words, f"to={to}", f"folder={folder / to}", "data.workers=0", command="convert"))
    theirs = {"table": Table, "webdataset": WebDataset, "litdata": LitData}[to](root=str(folder / to)).read()
    assert theirs.labels == ours.labels
    places = {Path(name).stem: index for index, name in enumerate(theirs.names)}
    for index, name in list(enumerate(ours.names))[:most]:
        sample, other = ours[index], theirs[places[Path(name).stem]]
        for key, value in sample.items():
            torch.testing.assert_close(other[key], value, rtol=0, atol=0, equal_nan=True, msg=key)  # type: ignore[literal-required]


def check_cached_features(words: Sequence[str], tiny: Compose, folder: Path) -> None:
    """Frozen runs with and without cached features end in the same weights."""
    for gigabytes in ("10", "0"):
        run_train(tiny(*words, f"cache.gigabytes={gigabytes}", f"folder={folder / gigabytes}"))
    first, second = (weights(folder / name) for name in ("10", "0"))
    assert first.keys() == second.keys()
    for key, value in first.items():
        torch.testing.assert_close(second[key], value, rtol=1e-4, atol=1e-5, msg=key)
