"""Images that are added to a data set whose split was drawn do not become those of another split."""

import shutil
from pathlib import Path

import pytest

from candelabra.commands.eval import run_eval
from candelabra.commands.export import open_gate_data
from candelabra.commands.train import run_train
from candelabra.config.build import resolve_config
from candelabra.data.targets import LabelTarget
from candelabra.errors import CandelabraError
from candelabra.prediction.model import Model
from tests.conftest import Compose
from tests.data.files import make_folder
from tests.small_runs import composed

SMALL = ("task=classification", "data=folder", "epochs=1", "data.size=32", "data.batch_size=4")


def test_a_split_that_would_be_drawn_anew_is_refused(tiny: Compose, tmp_path: Path) -> None:
    pets, run = make_folder(tmp_path / "pets", 8), tmp_path / "train"
    run_train(tiny(*SMALL, f"data.root={pets}"))
    before = (run / "splits.csv").read_text()
    picture = next(path for path in sorted(pets.rglob("*")) if path.is_file())
    shutil.copy(picture, picture.with_stem("added"))
    words = (f"checkpoint={run}", f"folder={tmp_path / 'eval'}", "trainer=cpu")
    with pytest.raises(CandelabraError, match=r"test would be drawn anew.* data\.split=<run>/splits\.csv"):
        run_eval(composed("eval", *words))
    run_eval(composed("eval", *words, f"data.split={run / 'splits.csv'}"))
    plain = resolve_config(composed("export", f"checkpoint={run}", "folder=x"))
    trained = Model(run, "cpu", "32-true")
    with pytest.raises(CandelabraError, match=r"val would be drawn anew.* data\.split=<run>/splits\.csv.* gate=off"):
        open_gate_data(plain, trained)
    dogs = make_folder(tmp_path / "dogs", 4, ("dog",))  # without cats, their only class would be number 0
    plain["data"]["root"] = str(dogs)
    gate = open_gate_data(plain, trained)
    assert gate.labels[LabelTarget].classes == ("cat", "dog")
    assert [int(gate.dataset[place]["label"]) for place in range(len(gate.dataset))] == [1] * 4
    with pytest.raises(CandelabraError, match=r"quantise=int8 needs pictures of training, and data\.root=.* has none"):
        open_gate_data({**plain, "quantise": "int8"}, trained)
    plain["data"]["root"] = str(make_folder(tmp_path / "birds", 4, ("crow",)))
    with pytest.raises(CandelabraError, match=r"compared with the checkpoint cannot be used: .*crow.*gate=off"):
        open_gate_data(plain, trained)
    with pytest.raises(CandelabraError, match=r"test, train, val would be drawn anew.* weights=<run>"):
        run_train(tiny(f"resume={run}", "epochs=2"))
    assert (run / "splits.csv").read_text() == before


def test_where_the_data_set_is_divided_images_may_be_added(tiny: Compose, tmp_path: Path) -> None:
    pets = tmp_path / "pets"
    for split in ("train", "val", "test"):
        make_folder(pets / split, 4)
    run_train(tiny(*SMALL, f"data.root={pets}"))
    picture = next(path for path in sorted((pets / "train").rglob("*")) if path.is_file())
    shutil.copy(picture, picture.with_stem("added"))
    run_eval(composed("eval", f"checkpoint={tmp_path / 'train'}", f"folder={tmp_path / 'eval'}", "trainer=cpu"))
