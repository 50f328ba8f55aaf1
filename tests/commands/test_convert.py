"""`candelabra convert`: what comes back from each format is what went in."""

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from candelabra.commands.convert import begin_conversion, check_vacant, run_convert
from candelabra.data import DataModule, Folder, LitData, Samples, Shapes, Table, WebDataset
from candelabra.data.samples import SPLITS
from candelabra.data.targets import LabelTarget
from candelabra.environment import CONFIG_FOLDER
from candelabra.errors import CandelabraError
from tests.conftest import Compose
from tests.data.files import make_folder, write_image, write_mask

READERS: dict[str, Any] = {"table": Table, "webdataset": WebDataset, "litdata": LitData}
FORMATS = sorted(path.stem for path in (CONFIG_FOLDER / "to").glob("*.yaml") if "Writer" in path.read_text())


def converted(tiny: Compose, folder: Path, to: str, *words: str) -> DataModule:
    run_convert(tiny(*words, f"to={to}", f"folder={folder}", "data.workers=0", command="convert"))
    return DataModule(READERS[to](root=str(folder)), workers=0)


def same(first: DataModule, second: DataModule) -> None:
    """Both hold equal labels, splits, names, and samples equal bit for bit."""
    ours, theirs = first.open(), second.open()
    assert theirs.labels == ours.labels
    for split in SPLITS:
        pairs = matched(ours, theirs, first.parts[split], second.parts[split])
        assert len(pairs) == len(first.parts[split]) == len(second.parts[split]), split
        for i, j in pairs:
            sample, other = ours[i], theirs[j]
            assert sample.keys() == other.keys()
            for key, value in sample.items():
                torch.testing.assert_close(value, other[key], rtol=0, atol=0, equal_nan=True, msg=key)  # type: ignore[literal-required]


def matched(ours: Samples, theirs: Samples, part: np.ndarray, other: np.ndarray) -> list[tuple[int, int]]:
    def key(name: str) -> str:
        return name.removeprefix("images/").rsplit(".", 1)[0]

    by_name = {key(theirs.names[j]): int(j) for j in other}
    return [(int(i), by_name[key(ours.names[i])]) for i in part]


def table_of_everything(root: Path) -> tuple[list[str], DataModule]:
    """Images of any shape as JPEG and PNG, every target, any of them missing, several labels an image."""
    rng = np.random.default_rng(0)
    lines = ["image,split,label,xmin,ymin,xmax,ymax,left_x,left_y,right_x,right_y,mask"]
    labels = ["01|NA", "NA", "", "|", "z"]
    for i in range(30):
        path = root / "deep" / f"{i}.{'jpg' if i % 2 else 'png'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (16 + i, 24, 3), dtype=np.uint8)).save(path)
        write_mask(root / "masks" / f"{i}.png", rng.choice([0, 1, 255], (16 + i, 24)))
        box = ",,," if i % 4 == 1 else "2.25,3,10.1,12"
        lines.append(
            f"deep/{path.name},{SPLITS[i % 3]},{labels[i % 5]},{box},4,5,{'' if i % 6 == 2 else 20.3},5,"
            + ("" if i % 7 == 3 else f"masks/{i}.png")
        )
    (root / "table.csv").write_text("\n".join(lines))
    words = [f"data.root={root}", "data.separator='|'", "data.mirror=[[left,right]]", "data.normalizer=[left,right]"]
    words += ["data.mask_classes=[no,yes]"]
    return ["data=table", *words], DataModule(
        Table(
            root=str(root),
            separator="|",
            mirror=[["left", "right"]],
            normalizer=["left", "right"],
            mask_classes=["no", "yes"],
        )
    )


@pytest.mark.parametrize("to", FORMATS)
def test_every_target_comes_back(to: str, tmp_path: Path, tiny: Compose) -> None:
    words, data = table_of_everything(tmp_path / "in")
    back = converted(tiny, tmp_path / "out", to, *words)
    assert back.labels.targets == ("label", "box", "keypoints", "mask")
    assert back.labels[LabelTarget].classes == ("01", "NA", "z")
    same(data, back)
    assert not back.issues


@pytest.mark.parametrize("to", FORMATS)
def test_drawn_scenes_come_back_as_png(to: str, tmp_path: Path, tiny: Compose) -> None:
    back = converted(tiny, tmp_path / "out", to, "data=shapes", "data.count=60", "data.canvas=32")
    same(DataModule(Shapes(count=60, canvas=32)), back)


@pytest.mark.parametrize("to", FORMATS)
def test_files_are_kept_as_they_are_found(to: str, tmp_path: Path, tiny: Compose) -> None:
    root = make_folder(tmp_path / "in", 20, ("10", "9"))
    turned = Image.new("RGB", (20, 10), (250, 0, 0))
    turned.getexif()[0x0112] = 6
    turned.save(root / "10" / "0.JPG", exif=turned.getexif(), quality=30)
    back = converted(tiny, tmp_path / "out", to, "data=folder", f"data.root={root}")
    samples = back.open()
    assert samples.labels[LabelTarget].classes == ("10", "9")
    found = {samples.original(index) for index in range(len(samples))}
    assert found == {path.read_bytes() for path in root.rglob("*.JPG")}
    same(DataModule(Folder(root=str(root))), back)


@pytest.mark.parametrize("to", FORMATS)
def test_a_union_comes_back_with_what_each_set_lacks_unlabelled(to: str, tmp_path: Path, tiny: Compose) -> None:
    make_folder(tmp_path / "in", 20)
    words = ["+data@data.sets.a=folder", f"data.sets.a.root={tmp_path / 'in'}", "+data@data.sets.b=shapes"]
    words += ["data.sets.b.count=40", "data.sets.b.canvas=16", "data.sets.b.targets=[mask]", "data.size=32"]
    back = converted(tiny, tmp_path / "out", to, "data=union", *words)
    samples = back.open()
    assert samples.labels.targets == ("label", "mask")
    assert {target: int(known.sum()) for target, known in samples.labelled().items()} == {"label": 40, "mask": 40}


@pytest.mark.slow
@pytest.mark.parametrize("to", FORMATS)
def test_training_on_what_was_converted(to: str, tmp_path: Path, tiny: Compose) -> None:
    from candelabra.commands.train import run_train

    converted(tiny, tmp_path / "out", to, "data=shapes", "data.count=60", "data.canvas=32")
    small = ["epochs=1", "data.size=32", "data.batch_size=8"]
    run_train(tiny(f"data={to}", f"data.root={tmp_path / 'out'}", *small))
    assert (tmp_path / "train" / "results.json").is_file()


def test_an_image_that_cannot_be_read_is_left_out_or_refused(tmp_path: Path, tiny: Compose) -> None:
    root = make_folder(tmp_path / "in", 20)
    image = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(image, "PNG")
    (root / "cat" / "cut.png").write_bytes(image.getvalue()[:1000])  # its header is whole
    words = ["data=folder", f"data.root={root}", "data.split=random"]
    with pytest.raises(CandelabraError, match=r"cut.png.*data.on_bad=skip"):
        converted(tiny, tmp_path / "refused", "table", *words, "data.on_bad=raise")
    assert not (tmp_path / "refused").exists()
    assert len(converted(tiny, tmp_path / "out", "table", *words).open()) == 40


def test_names_stay_below_the_folder_and_apart(tmp_path: Path, tiny: Compose) -> None:
    write_image(tmp_path / "a.png")
    (tmp_path / "in").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "in" / "b.png")
    long = "n" * 240 + ".png"
    Image.new("RGB", (8, 8)).save(tmp_path / "in" / long)
    outside = ["../a.png", "../in/../a.png", f"{tmp_path}/a.png"]
    for number in range(18):
        write_image(tmp_path / "in" / str(number) / "b.png")
    rows = [
        *outside,
        "b.png",
        "B.png/../b.png",
        long,
        *(f"{number}/b.png" for number in range(18)),
    ]  # two rows are one file
    (tmp_path / "in" / "t.csv").write_text("\n".join(["image,label", *(f"{row},x" for row in rows)]))
    (tmp_path / "in" / "B.png").mkdir()
    out = converted(tiny, tmp_path / "out", "table", "data=table", f"data.root={tmp_path / 'in'}", "data.file=t.csv")
    assert len(out.open()) == 20
    assert len(set(out.open().names)) == 20
    assert {path.parent for path in (tmp_path / "out").rglob("*.png")} <= set((tmp_path / "out").rglob("*"))


def test_a_folder_that_holds_something_is_refused(tmp_path: Path, tiny: Compose) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(CandelabraError, match="is not empty; give another"):
        converted(tiny, tmp_path / "full", "table", "data.count=60")
    with pytest.raises(CandelabraError, match="is not empty"):
        check_vacant(tmp_path / "full" / "file")
    (tmp_path / "x.unfinished").mkdir()
    with pytest.raises(CandelabraError, match="is in the way"):
        begin_conversion(tmp_path / "x")


@pytest.mark.slow
def test_a_kill_leaves_nothing_that_looks_whole(tmp_path: Path, tiny: Compose) -> None:
    words = [
        "data=shapes",
        "data.count=5000",
        "to=webdataset",
        "to.megabytes=0.1",
        f"folder={tmp_path / 'out'}",
    ]
    command = [sys.executable, "-m", "candelabra", "convert", *words]
    process = subprocess.Popen(command, cwd=tmp_path, env={**os.environ}, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 120
        while not list(tmp_path.glob("out.unfinished/train-000002.tar")) and time.monotonic() < until:
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not (tmp_path / "out").exists()
    assert (tmp_path / "out.unfinished" / "train-000001.tar").is_file()
    back = converted(tiny, tmp_path / "out", "webdataset", "data.count=60", "data.canvas=16")
    assert len(back.open()) == 60
    assert not (tmp_path / "out.unfinished").exists()
