"""Optimized folders of litdata: what it writes is read, pickles are not."""

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from candelabra.data import DataModule, LitData
from candelabra.data.decoding.images import UnreadableFile
from candelabra.data.targets import LabelTarget
from candelabra.errors import CandelabraError

pytest.importorskip("litdata")
pytestmark = pytest.mark.filterwarnings("ignore:An item was larger than the target chunk size")


def picture(value: int, size: tuple[int, int] = (12, 10)) -> Image.Image:
    return Image.new("RGB", size, (value, 0, 0))


def jpeg(value: int) -> Image.Image:
    made = io.BytesIO()
    picture(value).save(made, "JPEG", quality=95)
    return Image.open(io.BytesIO(made.getvalue()))


def optimize(folder: Path, items: list[Any]) -> Path:
    from litdata.streaming.writer import BinaryWriter

    writer = BinaryWriter(str(folder), chunk_bytes=2000)
    for number, item in enumerate(items):
        writer[number] = item
    writer.done()
    writer.merge()
    return folder


def items(count: int = 40) -> list[dict[str, Any]]:
    return [{"image": picture(i), "label": i % 2, "box": np.array([1.0, 2, 3, 4 + i])} for i in range(count)]


def test_items_of_others_are_read_by_index_and_their_labels_once(tmp_path: Path) -> None:
    optimize(tmp_path / "d", items())
    samples = DataModule(LitData(root=str(tmp_path / "d"), words={"classes": ["cat", "dog"]})).open()
    assert len(samples) == 40
    assert samples.labels.targets == ("label", "box")
    assert [int(samples[i]["image"][0, 0, 0]) for i in (31, 2, 17)] == [31, 2, 17]
    assert int(samples[31]["label"]) == 1
    assert samples[31]["box"].tolist() == [[1, 2, 3, 10]]  # 35 is below the image


def test_jpegs_stay_as_they_were_found_and_fields_may_have_other_names(tmp_path: Path) -> None:
    for split in ("train", "validation", "test"):
        optimize(tmp_path / "d" / split, [{"pic": jpeg(100 + i), "fine": f"c{i % 3}"} for i in range(6)])
    data = DataModule(
        LitData(root=str(tmp_path / "d"), fields={"image": "pic", "label": "fine"}), size=16, batch_size=2
    )
    samples = data.open()
    assert {split: len(part) for split, part in data.parts.items()} == {"train": 6, "val": 6, "test": 6}
    assert samples.labels[LabelTarget].classes == ("c0", "c1", "c2")
    assert (samples.original(0) or b"")[:2] == b"\xff\xd8"
    assert len(list(data.train_dataloader())) == 3  # by workers


def test_pickles_and_what_else_is_not_plain_are_refused(tmp_path: Path) -> None:
    optimize(tmp_path / "p", [{"image": picture(0), "what": {1, 2}}] * 3)
    with pytest.raises(CandelabraError, match="pickles, which are never read"):
        DataModule(LitData(root=str(tmp_path / "p"))).open()
    (tmp_path / "j").mkdir()
    for text, words in (("{", "is no index"), ("[]", "is no index"), ('{"chunks": null, "config": {}}', "is no index")):
        (tmp_path / "j" / "index.json").write_text(text)
        with pytest.raises(CandelabraError, match=words):
            DataModule(LitData(root=str(tmp_path / "j"))).open()
    for key, value in (("data_format", ["pil", "graph:pickle"]), ("encryption", {"algorithm": "x"})):
        optimize(tmp_path / key, items(3))
        index = json.loads((tmp_path / key / "index.json").read_text())
        index["config"][key] = value
        (tmp_path / key / "index.json").write_text(json.dumps(index))
        with pytest.raises(CandelabraError, match="read are str"):
            DataModule(LitData(root=str(tmp_path / key))).open()
    with pytest.raises(CandelabraError, match=r"has no index.json"):
        DataModule(LitData(root=str(tmp_path))).open()
    with pytest.raises(CandelabraError, match=r"data\.fields names lable; allowed are label"):
        DataModule(LitData(root=str(tmp_path / "p"), fields={"lable": "x"})).open()


def test_damaged_chunks_are_unreadable_and_never_crash(tmp_path: Path) -> None:
    folder = optimize(tmp_path / "d", items(12))
    rng = np.random.default_rng(0)
    chunks = {path: path.read_bytes() for path in sorted(folder.glob("*.bin"))}
    for number in range(6):
        for path, whole in chunks.items():
            raw = bytearray(whole[: len(whole) // 2] if number % 3 == 0 else whole)
            for place in rng.integers(0, len(raw), 20):
                raw[place] = rng.integers(0, 256)
            path.write_bytes(raw)
        try:
            samples = LitData(root=str(folder)).read()
        except CandelabraError:
            continue
        for index in range(len(samples)):
            with contextlib.suppress(UnreadableFile):
                samples.load(index)


def test_distant_chunks_are_fetched_and_kept(tmp_path: Path) -> None:
    """`local:` is litdata's own stand-in for a store elsewhere: chunks are copied before they are read."""
    optimize(tmp_path / "far", items(60))
    near, far = (
        DataModule(LitData(root=root, window=2), size=16, batch_size=4)
        for root in (str(tmp_path / "far"), f"local:{tmp_path / 'far'}")
    )
    for ours, theirs in zip(near.train_dataloader(), far.train_dataloader(), strict=True):
        assert torch.equal(ours["image"], theirs["image"])
    assert list((tmp_path / "chunks").rglob("*.bin"))
