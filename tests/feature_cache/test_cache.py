"""The store: whole shards or none, bounded, shared by processes, and never used when torn."""

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from candelabra.errors import CandelabraError
from candelabra.feature_cache import FeatureCache
from candelabra.feature_cache.store import FeatureStore, arrange_rows, find_store_lock
from candelabra.storage import hold_lock

LAYOUT = arrange_rows({"final": ("<i2", (5, 1, 1)), "label": ("<i8", ())})


def name(number: int) -> bytes:
    return number.to_bytes(20, "big")


def rows(numbers: list[int]) -> np.ndarray:
    made = np.zeros(len(numbers), LAYOUT)
    made["digest"] = np.array([name(number) for number in numbers], dtype="V20")
    made["final"] = np.array(numbers)[:, None, None, None]
    made["label"] = numbers
    return made


def filled(folder: Path, *shards: list[int]) -> FeatureStore:
    store = FeatureStore(folder, LAYOUT, {})
    store.reserve(0)
    for numbers in shards:
        store.add(rows(numbers))
    store.read()
    return store


def test_rows_come_back_by_their_digest_whatever_shard_they_are_in(features: Path) -> None:
    filled(features / "a", [1, 2, 3], [4, 5])
    store = FeatureStore(features / "a", LAYOUT, {})
    store.read()
    wanted = [5, 1, 4, 1, 3]
    places = [store.places[name(number)] for number in wanted]
    assert store.take("label", places).tolist() == wanted
    assert store.take("final", places)[:, 0, 0, 0].tolist() == wanted
    assert store.find_missing([name(number) for number in (3, 9, 9, 1, 8)]) == [1, 4]


@pytest.mark.parametrize("harm", ["cut", "flipped", "other"])
def test_a_torn_shard_is_named_and_missing(harm: str, features: Path, caplog: pytest.LogCaptureFixture) -> None:
    filled(features / "a", [1, 2, 3])
    path = next((features / "a").glob("*.npy"))
    if harm == "cut":
        path.write_bytes(path.read_bytes()[:-7])
    elif harm == "flipped":
        path.write_bytes(path.read_bytes()[:-7] + b"x" + path.read_bytes()[-6:])
    else:
        np.save(path, np.zeros(3))
    store = FeatureStore(features / "a", LAYOUT, {})
    with caplog.at_level(logging.WARNING):
        store.read()
    assert str(path) in caplog.text
    assert store.find_missing([name(1), name(2)]) == [0, 1]
    assert not path.exists()


def test_the_space_not_used_for_longest_gives_way_but_not_one_that_is_being_filled(features: Path) -> None:
    folders = [features / letter for letter in "abc"]
    for age, folder in enumerate(folders):
        filled(folder, list(range(100)))
        os.utime(folder / "store.json", (1000 + age, 1000 + age))
    one = LAYOUT.itemsize * 100 + 1000
    cache = FeatureCache(str(features), 3 * one / 1e9)
    store = FeatureStore(features / "d", LAYOUT, {})
    with hold_lock(find_store_lock(folders[0])):
        assert cache.reserve(store, [name(number) for number in range(100)])
    assert [folder.exists() for folder in folders] == [True, False, True]


def test_what_does_not_fit_is_said_in_one_line(features: Path, caplog: pytest.LogCaptureFixture) -> None:
    features.mkdir()
    cache = FeatureCache(str(features), LAYOUT.itemsize * 50 / 1e9)
    with caplog.at_level(logging.WARNING):
        assert not cache.reserve(FeatureStore(features / "a", LAYOUT, {}), [name(number) for number in range(100)])
    assert len(caplog.messages) == 1
    assert "cache.gigabytes" in caplog.text


def test_rows_of_images_that_are_gone_give_way_to_new_ones(features: Path) -> None:
    store = filled(features / "a", list(range(100)), list(range(100, 200)))
    cache = FeatureCache(str(features), (LAYOUT.itemsize * 250 + 2000) / 1e9)
    wanted = [name(number) for number in (*range(100, 200), *range(300, 400))]
    assert cache.reserve(store, wanted)
    assert len(store.places) == 100
    assert len(store.find_missing(wanted)) == 100


def test_a_negative_bound_and_an_unusable_folder(features: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(CandelabraError, match=r"cache.gigabytes=-1"):
        FeatureCache(None, -1)
    features.write_text("a file")
    assert not FeatureCache(str(features / "below")).is_usable()
    assert "cache.folder" in caplog.text


RUN = """
import sys, os, time, logging
import lightning as L, torch
from candelabra.backbones import Timm
from candelabra.data import DataModule, Shapes
from candelabra.finetuning import Frozen
from candelabra.feature_cache import extraction
from candelabra.feature_cache import FeatureCache, cache_features
from candelabra.tasks import Classification
extraction.SHARD_SECONDS = 0.0
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
torch.manual_seed(0)
slow = float(sys.argv[2])
extract = Timm.extract
def counted(self, images):
    print("SEEN", len(images), flush=True)
    time.sleep(slow if len(images) > 2 else 0)
    return extract(self, images)
Timm.extract = counted
data = DataModule(Shapes(count=60, canvas=32), size=32, batch_size=8, workers=0, augment="none")
task = Classification(Timm("test_resnet", weights="none"), data.labels, finetune=Frozen())
trainer = L.Trainer(accelerator="cpu", max_epochs=2, logger=False, enable_progress_bar=False,
    enable_model_summary=False, enable_checkpointing=False, use_distributed_sampler=False, num_sanity_val_steps=0)
trainer.fit(task, cache_features(task, data, FeatureCache(sys.argv[1]), trainer))
print("WEIGHTS", float(sum(p.double().abs().sum() for p in task.heads.parameters())))
"""


def start(features: Path, slow: float) -> "subprocess.Popen[str]":
    command = [sys.executable, "-W", "ignore", "-c", RUN, str(features), str(slow)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def outcome(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    lines = [line for line in out.splitlines() if line.startswith("SEEN")]
    return sum(int(line.split()[1]) for line in lines), out.split("WEIGHTS")[1].strip(), out


@pytest.mark.slow
def test_a_killed_pass_goes_on_and_two_processes_share_one(features: Path) -> None:
    killed = start(features, 0.5)
    deadline = time.time() + 200
    while len(list(features.glob("*/*.npy"))) < 2 and time.time() < deadline:
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    there = 8 * len(list(features.glob("*/*.npy")))
    assert 16 <= there < 51
    (first, weights, _), (second, others, _) = [outcome(one) for one in (start(features, 0.2), start(features, 0.2))]
    tries = 1 + 2  # channels of the maps, what heads read
    assert first + second == 51 - there + 2 * tries
    assert weights == others
    third, again, _ = outcome(start(features, 0))
    assert (third, again) == (tries, weights)
