"""The layout of Oxford-IIIT Pet."""

from pathlib import Path

import pytest

from candelabra.data import DataModule, Pets
from candelabra.data.targets import LabelTarget
from candelabra.errors import CandelabraError
from tests.data.files import treatments


@pytest.mark.real
def test_real_pets(real: Path) -> None:
    data = DataModule(Pets(root=str(real / "pets_sample")), size=64)
    samples = data.open()
    assert data.labels[LabelTarget].classes == ("Abyssinian", "american bulldog", "Bengal")
    assert len(samples) == 598
    assert {k: int(v.sum()) for k, v in samples.labelled().items()} == {"label": 598, "box": 295, "mask": 598}
    assert len(data.parts["test"]) == 298
    sample = samples[0]
    assert sample["mask"].unique().tolist() == [0, 1, 255]
    left, top, right, bottom = sample["box"][0].int().tolist()
    assert (sample["mask"][top:bottom, left:right] == 1).float().mean() > 0.5  # the head is part of the pet
    assert treatments(Pets(root=str(real / "pets_sample"))) == {
        "several objects: unlabelled": ["images/Bengal_105.jpg"]
    }


def test_a_folder_without_pets_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CandelabraError, match=r"data\.download=true"):
        DataModule(Pets(root=str(tmp_path))).open()
