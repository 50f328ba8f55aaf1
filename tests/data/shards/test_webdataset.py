"""Tar shards: what webdataset writes is read, what is odd is told, and what is distant is read in parts."""

import io
import json
import pickle
import tarfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import fsspec
import numpy as np
import pytest
import torch
from PIL import Image

from candelabra.data import DataModule, WebDataset
from candelabra.data.decoding import remote_files
from candelabra.data.decoding.images import UnreadableFile
from candelabra.data.issues import IssueTreatment
from candelabra.data.shards import tar_index
from candelabra.data.shards.tar_index import INDEX_SUFFIX
from candelabra.data.targets import KeypointsTarget, LabelTarget
from candelabra.errors import CandelabraError

LOST = "shard is cut off or damaged, its rest is lost"


def encode(value: int = 0, kind: str = "PNG", size: tuple[int, int] = (12, 10), mode: str = "RGB") -> bytes:
    made = io.BytesIO()
    Image.new(mode, size, (value, 0, 0) if mode == "RGB" else value).save(made, kind)
    return made.getvalue()


def write(path: Path, members: list[tuple[str, bytes]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def shards(root: Path, count: int = 3, each: int = 8) -> Path:
    """train-, val- and test-shards of images whose red is their number; the class is the number modulo 2."""
    number = 0
    for split in ("train", "val", "test"):
        for shard in range(count if split == "train" else 1):
            members = []
            for _ in range(each):
                members += [(f"{number:04}.png", encode(number)), (f"{number:04}.cls", str(number % 2).encode())]
                number += 1
            write(root / f"{split}-{shard:03}.tar", members)
    return root


def read(root: Path, **options: Any) -> Any:
    return WebDataset(root=str(root), **options).read()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # it leaves its files to be collected
def test_shards_of_webdataset_are_read_and_ours_by_webdataset(tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    with webdataset.TarWriter(str(tmp_path / "train-000.tar")) as sink:
        for i in range(4):
            said = {"box": [1, 2, 3, 4], "keypoints": [[1, 2], None], "name": f"n{i}"}
            row = {"__key__": f"deep/{i}", "jpg": encode(i, "JPEG"), "cls": i % 2, "json": json.dumps(said).encode()}
            sink.write({**row, "mask.png": encode(1, "PNG", (12, 10), "L")})
    samples = read(tmp_path, words={"classes": ["cat", "dog"], "mask_classes": ["no", "yes"]})
    assert samples.names == [f"n{i}" for i in range(4)]
    sample = samples[1]
    assert sample["image"].shape == (3, 10, 12)
    assert int(sample["label"]) == 1
    assert sample["box"].tolist() == [[1, 2, 3, 4]]
    assert sample["keypoints"].isnan().tolist() == [[False, False], [True, True]]
    assert sample["mask"].unique().tolist() == [1]
    assert samples.labels[LabelTarget].classes == ("cat", "dog")
    assert samples.labels[KeypointsTarget].names == ("0", "1")
    assert samples.published.tolist() == ["train"] * 4

    shards(tmp_path / "ours")
    found = list(
        webdataset.WebDataset(str(tmp_path / "ours" / "train-{000..002}.tar"), shardshuffle=False).decode("pil")
    )
    assert [row["cls"] for row in found] == [i % 2 for i in range(24)]
    assert found[5]["png"].getpixel((0, 0)) == (5, 0, 0)


def test_names_and_patterns_say_shards_and_splits(tmp_path: Path) -> None:
    shards(tmp_path)
    data = DataModule(WebDataset(root=str(tmp_path)))
    data.open()
    assert {split: len(part) for split, part in data.parts.items()} == {"train": 24, "val": 8, "test": 8}
    assert len(read(tmp_path, shards="train-{000..001}.tar")) == 16
    assert len(read(tmp_path, shards=["train-000.tar", "val-*.tar"])) == 16
    mapped = read(tmp_path, shards={"val": "train-00[01].tar", "train": "test-*.tar"})
    assert mapped.published.tolist() == ["val"] * 16 + ["train"] * 8
    for options, words in (
        ({"shards": "gone-*.tar"}, "has no shard gone"),
        ({"shards": "gone.tar"}, "gone.tar cannot be read"),
        ({"shards": {"tain": "x"}}, "'tain'; allowed are"),
        ({"fields": {"bbox": "x"}}, "must have keys among"),
        ({"window": 0}, "data.window=0 must be"),
        ({"words": {"classes": "cat"}}, "classes='cat' must be a list"),
    ):
        with pytest.raises(CandelabraError, match=words):
            read(tmp_path, **options)


def test_headers_are_read_once_and_again_when_a_shard_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shards(tmp_path / "s", 1)
    first = read(tmp_path / "s")
    with monkeypatch.context() as patch:
        patch.setattr(tar_index, "scan_tar", lambda *_: pytest.fail("read again"))
        again = read(tmp_path / "s")
    assert [again.digest(i) for i in range(len(again))] == [first.digest(i) for i in range(len(first))]
    write(tmp_path / "s" / "train-000.tar", [("new.png", encode(9))])
    assert len(read(tmp_path / "s")) == 17
    for path in (tmp_path / "shards").iterdir():
        path.write_bytes(b"junk")
    assert len(read(tmp_path / "s")) == 17


def odd_shard(path: Path) -> Path:
    link = tarfile.TarInfo("link.png")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    write(
        path,
        [
            ("good.png", encode(1)),
            ("good.cls", b"0"),
            ("good.jpg", encode(2, "JPEG")),
            ("alone.cls", b"1"),
            ("../../up.png", encode(3)),
            ("/absolute.png", encode(4)),
            ("._good.png", b"a Mac was here"),
            ("pickled.png", encode(5)),
            ("pickled.pyd", pickle.dumps({"a": 1})),
            ("pickled.cls", b"7"),
            ("broken.png", encode(6)[:40]),
            ("badjson.png", encode(7)),
            ("badjson.json", b"{" * 3),
            ("odd.png", encode(8)),
            ("odd.json", json.dumps({"label": "nine", "box": [1, 2, "x"], "keypoints": [[1, 2]] * 3}).encode()),
            ("points.png", encode(8)),
            ("points.json", json.dumps({"box": [2, 1, 2, 9], "keypoints": [[1, 2]] * 2}).encode()),
            ("inverted.png", encode(8)),
            ("inverted.json", json.dumps({"box": [8, 9, 2, 1]}).encode()),
            ("masked.png", encode(9)),
            ("masked.mask.png", encode(0, "PNG", (5, 9), "L")),
        ],
    )
    with tarfile.open(path, "a") as tar:
        tar.addfile(link)
    return path


def test_each_odd_member_has_its_treatment(tmp_path: Path) -> None:
    odd_shard(tmp_path / "train-0.tar")
    words = {"classes": ["a", "b"], "keypoints_names": ["l", "r"], "mask_classes": ["no", "yes"]}
    samples = read(tmp_path, words=words)
    expected = ["good", "pickled", "broken", "badjson", "odd", "points", "inverted", "masked"]
    assert samples.names == expected
    at = {name: i for i, name in enumerate(expected)}
    assert samples[at["good"]]["image"][0, 0, 0] == 1  # the first of two images
    found = {(odd.name.rsplit("train-0.tar/")[-1], odd.what, odd.treatment) for odd in samples.issues}
    skipped, unlabelled = IssueTreatment.SKIPPED, IssueTreatment.UNLABELLED
    assert found == {
        ("good.jpg", "second image of one key", skipped),
        ("alone", "key without an image", skipped),
        ("../../up.png", "name leads out of the archive", skipped),
        ("/absolute.png", "name leads out of the archive", skipped),
        ("pickled.pyd", "pickle, never read", skipped),
        ("link.png", "member is no plain file", skipped),
        ("pickled", "label is no known class", unlabelled),
        ("badjson.json", "json is no mapping", unlabelled),
        ("odd", "label is no known class", unlabelled),
        ("odd", "box is not four numbers", unlabelled),
        ("odd", "keypoints are not as many as there are names", unlabelled),
        ("points", "box has no area", unlabelled),
        ("inverted", "box is inverted", IssueTreatment.REPAIRED),
    }
    assert samples[at["inverted"]]["box"].tolist() == [[2, 1, 8, 9]]
    assert samples[at["points"]]["box"].isnan().all()
    assert samples[at["masked"]]["mask"].unique().tolist() == [255]
    assert "mask of another shape than its image" in {odd.what for odd in samples.inspect(at["masked"])}
    assert list(samples.verify()) == [at["broken"]]
    with pytest.raises(UnreadableFile, match="broken"):
        samples.load(at["broken"])
    assert [odd.what for odd in samples.inspect(at["broken"])] == ["unreadable"]


def test_a_shard_that_is_cut_off_gives_what_is_whole(tmp_path: Path) -> None:
    path = shards(tmp_path, 1) / "train-000.tar"
    whole = path.read_bytes()
    for size in range(512, len(whole), 700):
        path.write_bytes(whole[:size])
        samples = read(tmp_path)
        kept = [i for i, split in enumerate(samples.published) if split == "train"]
        assert len(kept) <= 8
        for i in kept:
            assert samples[i]["image"][0, 0, 0] == int(samples.names[i])
        if size < len(whole) - 10240:
            assert LOST in {odd.what for odd in samples.issues}, size
    path.write_bytes(b"")
    with pytest.raises(CandelabraError, match="is no tar archive"):
        read(tmp_path)


def test_damaged_shards_never_crash(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = odd_shard(tmp_path / "train-0.tar")
    whole = path.read_bytes()
    for _ in range(150):
        raw = bytearray(whole)
        for place in rng.integers(0, len(raw), 30):
            raw[place] = rng.integers(0, 256)
        path.write_bytes(raw)
        try:
            samples = read(tmp_path)
            samples.verify()
        except CandelabraError:
            continue
        for i in range(len(samples)):
            samples.inspect(i)


def test_compressed_shards_are_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "train-0.tar", "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("a.png"))
    with pytest.raises(CandelabraError, match="or a compressed one"):
        read(tmp_path)


@pytest.fixture
def far(tmp_path: Path) -> Iterator[str]:
    """The address of shards in fsspec's memory."""
    shards(tmp_path / "near")
    memory = fsspec.filesystem("memory")
    memory.put(str(tmp_path / "near") + "/", "/far/", recursive=True)
    yield "memory://far"
    memory.rm("/far", recursive=True)


def test_an_address_is_read_as_a_folder_is(tmp_path: Path, far: str) -> None:
    near, distant = (DataModule(WebDataset(root=root), size=16, batch_size=4) for root in (str(tmp_path / "near"), far))
    assert distant.open().names == near.open().names
    for ours, theirs in zip(near.train_dataloader(), distant.train_dataloader(), strict=True):
        assert torch.equal(ours["image"], theirs["image"])  # workers have connections of their own


def test_a_distant_file_is_asked_for_again(tmp_path: Path, far: str, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = DataModule(WebDataset(root=far)).open()
    memory = type(fsspec.filesystem("memory"))
    asked: list[int] = []
    original = memory.cat_file

    def fail(times: int, self: Any, path: str, **where: int) -> bytes:
        asked.append(where["start"])
        if len(asked) <= times:
            raise ConnectionResetError("gone")
        return bytes(original(self, path, **where))

    monkeypatch.setattr(remote_files, "RETRY_PAUSES", (0, 0))
    monkeypatch.setattr(remote_files, "is_remote", lambda address: True)
    monkeypatch.setattr(memory, "cat_file", lambda self, path, **where: fail(2, self, path, **where))
    assert samples[3]["image"][0, 0, 0] == int(samples.names[3])
    assert len(asked) == 3
    assert len(set(asked)) == 1
    asked.clear()
    monkeypatch.setattr(memory, "cat_file", lambda self, path, **where: fail(3, self, path, **where))
    with pytest.raises(UnreadableFile, match="ConnectionResetError"):
        samples.load(3)


class Ranges(SimpleHTTPRequestHandler):
    """Serves files, and parts of them."""

    asked: list[str] = []

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        content, span = path.read_bytes(), self.headers.get("Range")
        self.asked.append(f"{path.name} {span}")
        self.send_response(206 if span else 200)
        if span:
            first, last = (int(number or len(content) - 1) for number in span.removeprefix("bytes=").split("-"))
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
            content = content[first : last + 1]
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def test_a_web_server_is_asked_for_parts_and_an_index_beside_saves_the_headers(tmp_path: Path) -> None:
    pytest.importorskip("aiohttp")
    near = shards(tmp_path / "near", each=4)
    for path in near.glob("*.tar"):
        with path.open("rb") as file:
            tar_index.write_tar_index(
                tar_index.scan_tar(file, path.name), path.with_name(path.name + INDEX_SUFFIX), path.stat().st_size
            )
    Ranges.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Ranges, directory=str(near))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        root = f"http://127.0.0.1:{server.server_port}"
        names = ["train-{000..002}.tar", "val-000.tar", "test-000.tar"]
        data = DataModule(WebDataset(root=root, shards=names), size=16, batch_size=4, workers=1, augment="none")
        samples = data.open()
        assert len(samples) == 20
        assert not [each for each in Ranges.asked if ".tar bytes" in each]
        assert samples[5]["image"][0, 0, 0] == 5
        assert len([each for each in Ranges.asked if ".tar bytes" in each]) == 1
        seen = {int(value) for batch in data.train_dataloader() for value in batch["image"][:, 0, 0, 0]}
        assert seen == set(range(12))
        assert Ranges.asked
        server.shutdown()


def test_protocols_that_are_not_known_are_refused() -> None:
    with pytest.raises(CandelabraError, match=r"nothing://\.\.\. cannot be read"):
        DataModule(WebDataset(root="nothing://x")).open()


def test_a_window_reads_few_shards_at_a_time(tmp_path: Path) -> None:
    shards(tmp_path, 6)
    data = DataModule(WebDataset(root=str(tmp_path), window=2), size=16, batch_size=8, workers=0, augment="none")
    loader = data.train_dataloader()
    batches = [batch["image"][:, 0, 0, 0].tolist() for batch in loader]
    assert sorted(value for batch in batches for value in batch) == list(range(48))
    for pair in range(3):
        assert len({value // 8 for batch in batches[2 * pair : 2 * pair + 2] for value in batch}) == 2
    loader.batch_sampler.set_epoch(1)  # type: ignore[attr-defined]
    assert [batch["image"][:, 0, 0, 0].tolist() for batch in loader] != batches
