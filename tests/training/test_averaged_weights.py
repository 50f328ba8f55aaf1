"""`ema=`: what is measured, calibrated and saved are the averaged weights."""

from pathlib import Path

import pytest
import torch

from candelabra.commands.train import run_train
from candelabra.heads import calibration
from tests.conftest import Compose


@pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`")  # which a command does not show
@pytest.mark.parametrize("name", ["best", "last"])
def test_averaged_weights_have_the_temperature_that_was_fitted_to_them(
    name: str, tiny: Compose, tmp_path: Path
) -> None:
    """One of those that are tried: an average of some would be none of them."""
    words = ("task=classification", "data.count=80", "data.size=32", "epochs=3", "ema=0.9", "lr=0.01")
    run_train(tiny(*words))
    saved = torch.load(tmp_path / "train" / "checkpoints" / f"{name}.ckpt", weights_only=True)
    temperature = saved["state_dict"]["heads.label.temperature"]
    assert min(abs(each - float(temperature)) for each in calibration.TEMPERATURES) < 1e-6
    assert temperature != 1
