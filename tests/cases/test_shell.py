"""Options that are obeyed or refused, names of any kind, and data of few images."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import nn

from candelabra.config.ranges import check_ranges
from candelabra.data import DataModule, Folder
from candelabra.data.decoding.image_sources import find_sources
from candelabra.data.glyphs import escape_breaks, escape_formula, replace_missing_glyphs, save_figure
from candelabra.data.sampling.train_order import BatchOrder, ShuffledOrder
from candelabra.errors import CandelabraError
from candelabra.optim.schedulers import plateau, turn_plateaus
from candelabra.report.plots import draw_confusion
from candelabra.storage.strict_json import format_json

NAMES = ["under_$5_to_$10^", "two\nlines", "猫", "[x]", "<b>", "😀", "שלום", "a_b$", "\\frac{", "_hidden"]


def draw_folder(root: Path, **counts: int) -> Path:
    """One folder of small pictures for each class."""
    for number, (name, count) in enumerate(counts.items()):
        (root / name).mkdir(parents=True)
        for place in range(count):
            Image.new("RGB", (16, 16), (number * 90, place, 0)).save(root / name / f"{place}.png")
    return root


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", -1),
        ("seed", 2**32),
        ("seed", "one"),
        ("lr", math.inf),
        ("lr", -1.0),
        ("epochs", 0),
        ("jobs", 0),
        ("samples", -1),
        ("pictures", 2.5),
        ("batch_size", "many"),
        ("trainer.limit_train_batches", 0),
        ("trainer.accumulate_grad_batches", 0),
        ("trainer.log_every_n_steps", 0),
        ("scheduler.factor", 2),
        ("task.label.class_weights", [math.nan, 1]),
        ("data.cache_gigabytes", -1),
    ],
)
def test_numbers_out_of_range_are_refused_by_name(key: str, value: object) -> None:
    node = value
    for part in reversed(key.split(".")):
        node = {part: node}
    with pytest.raises(CandelabraError, match=key):
        check_ranges(node)


def test_numbers_in_range_pass() -> None:
    trainer = {"limit_val_batches": 0, "limit_test_batches": 0.0, "max_epochs": -1, "devices": "auto"}
    check_ranges({"seed": 0, "lr": "auto", "epochs": 1, "jobs": -1, "trainer": trainer, "samples": 0, "patience": None})


def test_json_has_no_nan() -> None:
    assert json.loads(format_json({"a": [math.nan, 1.5], "b": math.inf})) == {"a": [None, 1.5], "b": None}


@pytest.mark.figures
@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_drawn(name: str, tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    draw_confusion(torch.tensor([[3, 1], [0, 2]]), [name, "b"], tmp_path / "a.png")
    figure = Figure()
    figure.subplots().set_title(escape_formula(name))
    save_figure(figure, tmp_path / "b.png")
    assert not [each for each in recwarn if "lyph" in str(each.message)]


def test_names_stay_on_one_line_and_letters_without_a_font_are_numbers() -> None:
    assert escape_breaks("two\nlines\u202e") == "two\\nlines\\u202e"
    assert replace_missing_glyphs("Übung") == "Übung"
    assert replace_missing_glyphs("\U0010fffd") == "\\U0010fffd"


def test_no_test_set_and_no_validation_are_wishes(tmp_path: Path) -> None:
    root = str(draw_folder(tmp_path, a=8, b=8))
    parts = DataModule(Folder(root=root), test=0.0, val=0.0, size=16).parts
    assert [len(parts[split]) for split in ("train", "val", "test")] == [16, 0, 0]


@pytest.mark.parametrize("seed", range(8))
def test_the_only_image_of_a_class_is_learned_from(tmp_path: Path, seed: int) -> None:
    root = str(draw_folder(tmp_path, a=12, b=1))
    data = DataModule(Folder(root=root), split_seed=seed, size=16)
    assert 1 in data.open().strata[data.parts["train"]]


def test_a_lone_last_image_is_left_out() -> None:
    assert [len(batch) for batch in BatchOrder(ShuffledOrder(13, 0), 12)] == [12]
    assert [len(batch) for batch in BatchOrder(ShuffledOrder(14, 0), 12)] == [12, 2]
    assert [len(batch) for batch in BatchOrder(ShuffledOrder(1, 0), 12)] == [1]


def test_fixed_batches_are_the_same_in_each_epoch() -> None:
    order = BatchOrder(ShuffledOrder(8, 0), 4)
    order.fixed = True
    first = list(order)
    order.set_epoch(3)
    assert list(order) == first


def test_plateau_waits_for_less_of_a_loss() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    entries = turn_plateaus(plateau(optimizer, 10, warmup=0, patience=0, monitor="val/loss"), {})
    for loss in (3.0, 2.0, 1.0):
        entries[0]["scheduler"].step(loss)
    assert optimizer.param_groups[0]["lr"] == 1.0
    entries[0]["scheduler"].step(1.5)
    assert np.isclose(optimizer.param_groups[0]["lr"], 0.3)


def test_files_of_other_kinds_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    draw_folder(tmp_path, a=2)
    (tmp_path / "notes.txt").write_text("")
    with caplog.at_level("INFO"):
        found = find_sources(str(tmp_path))
    assert len(found[str(tmp_path)]) == 2
    assert "1 x .txt" in caplog.text
