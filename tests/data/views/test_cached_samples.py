"""Images that are read once: what comes from the cache is what was read, whoever put it there, whatever was killed."""

import multiprocessing
import os
import time
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from candelabra.data import DataModule, Folder, Table, Union
from candelabra.data.samples import Samples
from candelabra.data.views import cached_samples, sample_store
from candelabra.data.views.cached_samples import CachedSamples
from candelabra.data.views.concat import ConcatSamples
from candelabra.data.views.packed_sample import pack_sample
from candelabra.data.views.sample_store import SampleStore
from candelabra.errors import CandelabraError
from candelabra.types import Sample
from tests.data.builders import FOUR, build_sample

FORK = multiprocessing.get_context("fork")


@pytest.fixture(autouse=True)
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where data.cache=ram keeps images: a folder of the test."""
    monkeypatch.setattr(sample_store, "SHARED_MEMORY", tmp_path)
    return tmp_path / f"candelabra-{os.getuid()}"


def table(root: Path, **options: object) -> DataModule:
    """Photographs of 96 x 64 pixels with every target."""
    rng = np.random.default_rng(0)
    lines = ["image,label,xmin,ymin,xmax,ymax,eye_x,eye_y,mask"]
    for number in range(24):
        path = root / f"{number}.{'png' if number % 3 else 'jpg'}"
        if not path.exists():
            Image.fromarray(rng.integers(0, 256, (64, 96, 3), dtype=np.uint8)).save(path)
            Image.fromarray(rng.integers(0, 2, (64, 96), dtype=np.uint8)).save(root / f"mask{number}.png")
        lines.append(f"{path.name},{'ab'[number % 2]},8,16,48,32,24,40,mask{number}.png")
    (root / "table.csv").write_text("\n".join(lines))
    chosen = {"size": 16, "batch_size": 4, "workers": 0, **options}
    return DataModule(Table(root=str(root), mask_classes=["no", "yes"]), **chosen)  # type: ignore[arg-type]


def same(one: Sample, other: Sample) -> bool:
    return one.keys() == other.keys() and all(
        torch.equal(value.nan_to_num(-9), other[key].nan_to_num(-9))  # type: ignore[attr-defined, literal-required]
        for key, value in one.items()
    )


def of(samples: Samples) -> CachedSamples:
    while not isinstance(samples, CachedSamples):
        samples = samples.samples  # type: ignore[attr-defined]
    return samples


def epoch(data: DataModule, number: int = 0) -> list[Sample]:
    loader = data.train_dataloader()
    loader.batch_sampler.set_epoch(number)  # type: ignore[attr-defined]
    return list(loader)


@pytest.mark.parametrize("cache", ["ram", "disk"])
def test_what_is_kept_is_what_was_read(cache: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = table(tmp_path, cache=cache)
    kept = of(data.open())
    first = [kept.load(index, (20, 20)) for index in range(24)]
    read: list[int] = []
    monkeypatch.setattr(type(kept.samples), "load", lambda self, index, least=None: read.append(index))
    for index, made in enumerate(first):
        assert same(kept.load(index, (20, 20)), made)
    assert read == []
    assert first[0]["image"].shape == (3, 20, 30)
    assert torch.allclose(first[0]["box"].as_subclass(torch.Tensor), torch.tensor([[2.5, 5, 15, 10]]))
    assert first[0]["keypoints"].tolist() == [[7.5, 12.5]]
    assert first[0]["mask"].shape == (20, 30)


def test_training_is_the_same_whether_images_were_there_or_not_and_with_workers(tmp_path: Path) -> None:
    filling, full = table(tmp_path, cache="ram"), table(tmp_path, cache="ram")
    none = table(tmp_path, cache="ram", cache_gigabytes=1e-9)
    served = [epoch(data, 3) for data in (filling, full, none, table(tmp_path, cache="ram", workers=2))]
    for other in served[1:]:
        assert all(same(one, two) for one, two in zip(served[0], other, strict=True))


def test_what_needs_no_shrinking_is_the_same_without_a_cache(tmp_path: Path) -> None:
    served = [epoch(table(tmp_path, size=64, cache=cache)) for cache in ("none", "ram")]  # read at no less than 91
    assert all(same(one, two) for one, two in zip(*served, strict=True))


def test_labels_that_are_hidden_share_the_images(tmp_path: Path) -> None:
    whole = table(tmp_path, cache="disk")
    epoch(whole)
    files = sorted(of(whole.open()).store.folder.glob("??/*"))
    few = table(tmp_path, cache="disk", labelled={"mask": 0.2}, targets=["label", "mask"])
    batches = epoch(few)
    assert sorted(of(few.open()).store.folder.glob("??/*")) == files
    assert "box" not in batches[0]
    labelled = sum(int((mask != 255).any()) for batch in batches for mask in batch["mask"])
    assert 0 < labelled < 8


def test_a_union_keeps_the_images_of_each_set(tmp_path: Path) -> None:
    whole = table(tmp_path).part
    sets = {name: replace(whole, targets=targets) for name, targets in (("a", ["label"]), ("b", ["mask"]))}
    union = Union(sets=sets, cache="ram", workers=0, batch_size=4)
    plain = [next(iter(union.train_dataloader())) for _ in range(2)]
    assert same(*plain)
    joined = union.open()
    assert isinstance(joined, ConcatSamples)
    assert all(isinstance(of(samples), CachedSamples) for samples in joined.sets.values())


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    before = of(table(tmp_path, cache="disk").open()).load(0, (20, 20))
    Image.new("RGB", (96, 64), (0, 200, 0)).save(tmp_path / "0.jpg")
    after = of(table(tmp_path, cache="disk").open()).load(0, (20, 20))
    assert not torch.equal(before["image"], after["image"])
    assert (after["image"][1] > 190).all()


@pytest.mark.parametrize("resize", ["stretch", "letterbox", "crop"])
def test_no_step_writes_into_what_is_kept(resize: str, tmp_path: Path) -> None:
    for augment in ("none", "light", "strong", "randaugment", "trivialaugment"):
        data = table(tmp_path, cache="ram", augment=augment, resize=resize, erase=0.5)
        data.open()
        least = data.plan.transforms["train"].of(0).least
        first = [of(data.open()).load(index, least) for index in range(24)]
        epoch(data)
        again = [of(data.open()).load(index, least) for index in range(24)]
        assert all(same(one, other) for one, other in zip(first, again, strict=True))


def test_what_was_cut_short_is_made_again(tmp_path: Path) -> None:
    kept = of(table(tmp_path, cache="disk").open())
    first = kept.load(1, (20, 20))
    (path,) = kept.store.folder.glob("??/*")
    path.write_bytes(path.read_bytes()[:-100])
    assert same(kept.load(1, (20, 20)), first)
    path.write_bytes(b"")
    assert same(kept.load(1, (20, 20)), first)


def test_it_stays_within_its_bytes_and_the_oldest_unused_store_gives_way(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sample = of(table(tmp_path, cache="disk").open()).load(0, (20, 20))
    size = sum(map(len, pack_sample(sample)))
    home = tmp_path / "shelves"
    oldest, old = (SampleStore(home, name, 5.5 * size / 1e9, persistent=True) for name in ("oldest", "old"))
    for store in (oldest, old):
        for name in ("aa1", "ab2"):
            store.put(name, sample)
    os.utime(home / "oldest.lock", (1, 1))
    oldest.close()
    new = SampleStore(home, "new", 5.5 * size / 1e9, persistent=True)
    for number in range(9):
        new.put(f"cc{number}", sample)
    assert not (home / "oldest").exists()
    assert len(list((home / "old").glob("??/*"))) == 2  # somebody uses it
    assert len(list((home / "new").glob("??/*"))) == 3
    assert caplog.text.count("is full") == 1
    assert new.get("cc8") is None
    assert same(new.get("cc0"), sample)  # type: ignore[arg-type]


def _hold(memory: Path, tell: Connection) -> None:
    store = SampleStore(memory, "killed", 1, persistent=False)
    tell.send("there")
    time.sleep(60)
    store.close()


def _fill(home: Path, tell: Connection) -> None:
    store = SampleStore(home, "run", 10, persistent=True)
    tell.send("there")
    for number in range(100_000):
        image = torch.from_numpy(np.full((3, 300, 300), number % 256, np.uint8))  # torch's threads do not live on
        store.put(f"{number % 16:x}0{number}", build_sample(image, torch.tensor(number)))


def test_memory_is_given_back_by_the_last_process_and_after_a_kill(tmp_path: Path, memory: Path) -> None:
    one, two = (SampleStore(memory, name, 1, persistent=False) for name in ("run", "run"))
    one.close()
    assert (memory / "run").is_dir()
    two.close()
    assert not (memory / "run").exists()
    told, tell = FORK.Pipe(duplex=False)
    process = FORK.Process(target=_hold, args=(memory, tell))
    process.start()
    assert told.recv() == "there"
    other = SampleStore(memory, "other", 1, persistent=False)
    assert (memory / "killed").is_dir()  # it lives
    process.kill()
    process.join()
    other.close()
    SampleStore(memory, "next", 1, persistent=False).close()
    assert not (memory / "killed").exists()


def test_a_kill_in_mid_write_leaves_nothing_torn(tmp_path: Path) -> None:
    told, tell = FORK.Pipe(duplex=False)
    process = FORK.Process(target=_fill, args=(tmp_path / "home", tell))
    process.start()
    assert told.recv() == "there"
    while len(list((tmp_path / "home").glob("run/??/*"))) < 20:
        time.sleep(0.01)
    process.kill()
    process.join()
    store = SampleStore(tmp_path / "home", "run", 10, persistent=True)
    found = sorted(store.folder.glob("??/*"))
    assert found
    assert not list(store.folder.rglob("*.part"))
    for path in found:
        kept = store.get(path.name)
        assert kept is not None
        assert (kept["image"] == int(kept["label"]) % 256).all()
    assert int((store.folder / "bytes").read_text()) == sum(path.stat().st_size for path in found)


@pytest.mark.parametrize(
    ("options", "words"),
    [({"cache": "tape"}, "data.cache=tape"), ({"cache": "ram", "cache_gigabytes": 0}, "data.cache_gigabytes=0")],
)
def test_options_of_the_cache_are_checked(options: dict[str, object], words: str, tmp_path: Path) -> None:
    with pytest.raises(CandelabraError, match=words):
        table(tmp_path, **options).open()


def test_unreadable_images_are_treated_as_without_a_cache(tmp_path: Path) -> None:
    data = table(tmp_path, cache="ram", augment="none")
    data.open()
    index = int(data.parts["train"][0])
    (tmp_path / data.open().names[index]).write_bytes(b"gone")
    assert (data.dataset("train")[0]["image"] == 128).all()


def test_shrinking_keeps_the_aspect_and_never_enlarges() -> None:
    made = cached_samples.shrink_sample(build_sample(torch.zeros(3, 100, 200, dtype=torch.uint8)), FOUR, (30, 50))
    assert made["image"].shape == (3, 30, 60)
    assert cached_samples.shrink_sample(made, FOUR, (30, 61)) is made


def test_folders_are_kept_too(tmp_path: Path) -> None:
    for number in range(20):
        path = tmp_path / "ab"[number % 2] / f"{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (60, 40), (number, 0, 0)).save(path)
    data = DataModule(Folder(root=str(tmp_path)), size=16, cache="disk", workers=0, batch_size=4)
    assert next(iter(data.train_dataloader()))["image"].shape == (4, 3, 16, 16)
