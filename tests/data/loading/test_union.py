"""Several data sets as one: what an epoch is made of, what samples hold, and that it does not matter who serves."""

import csv
import json
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from candelabra.cli.exit_codes import EXIT_INTERRUPTED
from candelabra.commands.check import run_check
from candelabra.commands.eval import run_eval
from candelabra.commands.predict import run_predict
from candelabra.commands.train import run_train
from candelabra.config.build import build_data
from candelabra.data import DataModule, DatasetPart, Digits, Folder, Pets, SampleDataModule, Shapes, Table, Union
from candelabra.data.targets import LabelTarget
from candelabra.errors import CandelabraError
from candelabra.training.resume import continue_run
from tests.conftest import Compose
from tests.data.files import make_folder
from tests.training.test_interruption import in_a_process

Served = list[list[tuple[str, int]]]  # of each batch, the set and the position in its training split of each image


SCENES = {"_target_": "candelabra.data.Shapes", "count": 40, "canvas": 32, "size": 32}


def drawn(count: int, *targets: str, **options: Any) -> DatasetPart:
    return DatasetPart(Shapes(count=count, canvas=32), **{"size": 32, "targets": targets or None, **options})


def union(**options: Any) -> Union:
    """Sets of 28 and 7 training images."""
    sets = {"many": drawn(40, "box"), "few": drawn(10, "keypoints", val=0.1, test=0.2)}
    return Union(**{"sets": sets, "batch_size": 4, "workers": 0, **options})


def served(data: SampleDataModule, epoch: int, rank: int = 0, ranks: int = 1) -> Served:
    total = sum(share.images for share in data.shares)
    found = []
    for batch in data.plan.orders["train"].batches(epoch, data.batch_size, rank, ranks):
        batch = batch[batch >= 0]  # the others stand in where a rank has none
        owners = [next(share for share in reversed(data.shares) if key % total >= share.start) for key in batch]
        found.append(
            [
                (owner.name, key // total * owner.images + key % total - owner.start)
                for owner, key in zip(owners, batch.tolist(), strict=True)
            ]
        )
    return found


def flat(batches: Served) -> list[tuple[str, int]]:
    return [each for batch in batches for each in batch]


@pytest.mark.parametrize("mix", ["proportion", "sequence"])
def test_each_training_image_comes_once_in_an_epoch(mix: str) -> None:
    data = union(mix=mix, batch_size=5)
    first, second = flat(served(data, 0)), flat(served(data, 1))
    assert Counter(first) == {**{("many", i): 1 for i in range(28)}, **{("few", i): 1 for i in range(7)}}
    assert Counter(second) == {**{("many", i): 1 for i in range(28, 56)}, **{("few", i): 1 for i in range(7, 14)}}
    names = [name for name, _ in first]
    assert (names == sorted(names, reverse=True)) == (mix == "sequence")
    assert [i for name, i in first if name == "few"] != [i - 7 for name, i in second if name == "few"]


def test_in_sequence_a_last_set_that_is_shorter_than_a_batch_comes_too() -> None:
    names = Counter(name for name, _ in flat(served(union(mix="sequence", batch_size=8), 0)))
    assert names == {"many": 28, "few": 7}


def test_a_union_of_one_set_serves_what_the_set_alone_does() -> None:
    alone = DataModule(Shapes(count=40, canvas=32), size=32, batch_size=4, workers=0)
    together = Union(sets={"only": drawn(40)}, batch_size=4, workers=0)
    for one, other in zip(alone.train_dataloader(), together.train_dataloader(), strict=True):
        assert all(torch.equal(value.nan_to_num(-1), other[key].nan_to_num(-1)) for key, value in one.items())  # type: ignore[literal-required]


@pytest.mark.parametrize(
    ("temperature", "epoch", "expected"), [(1.0, None, (28, 7)), (2.0, 30, (20, 10)), (1e9, 70, (35, 35))]
)
def test_shares_go_by_temperature_and_passes_go_on_in_the_next_epoch(
    temperature: float, epoch: int | None, expected: tuple[int, int]
) -> None:
    data = union(mix="temperature", temperature=temperature, epoch=epoch, batch_size=1)
    epochs = [flat(served(data, number)) for number in range(7)]
    assert [Counter(name for name, _ in each) for each in epochs] == [{"many": expected[0], "few": expected[1]}] * 7
    whole = Counter(each for epoch in epochs for each in epoch)
    assert set(whole.values()) == {1}  # no version of an image twice, ...
    for name, images in (("many", 28), ("few", 7)):
        times = Counter(number % images for each, number in whole if each == name)
        assert max(times.values()) - min(times[i] for i in range(images)) <= 1  # ... and all images as often


@pytest.mark.parametrize("mix", ["proportion", "temperature", "sequence"])
@pytest.mark.parametrize("ranks", [1, 2])
def test_single_batches_are_whole_and_of_one_set_on_every_rank(mix: str, ranks: int) -> None:
    data = union(mix=mix, temperature=3.0 if mix == "temperature" else 1.0, batches="single")
    for epoch in (0, 1, 2):
        each = [served(data, epoch, rank, ranks) for rank in range(ranks)]
        whole = [batch for batches in each for batch in batches if batch]
        assert all(len({name for name, _ in batch}) == 1 and len(batch) == 4 for batch in whole)
        assert len(whole) > ranks * (len(each[0]) - 1)
        assert len({len(batches) for batches in each}) == 1
        assert {name for batches in each for name, _ in flat(batches)} == {"many", "few"}
    quotas = [share.quota for share in data.shares]
    assert quotas == {"temperature": [20, 12]}.get(mix, [28, 8])


@pytest.mark.parametrize("batches", ["mixed", "single"])
def test_two_ranks_share_out_what_one_would_serve(batches: str) -> None:
    data = union(batches=batches, epoch=32)
    halves = [Counter(flat(served(data, 3, rank, 2))) for rank in (0, 1)]
    assert sum(halves, Counter()) == Counter(flat(served(data, 3)))


def images(data: SampleDataModule, epoch: int, skip: int = 0) -> list[float]:
    data.load_state_dict({"served": skip})
    loader = data.train_dataloader()
    loader.batch_sampler.set_epoch(epoch)  # type: ignore[union-attr]
    return [float(batch["image"].double().mean()) for batch in loader]


@pytest.mark.parametrize("batches", ["mixed", "single"])
def test_another_batch_size_serves_what_a_union_that_was_built_with_it_does(batches: str) -> None:
    data = union(batches=batches, batch_size=7)
    read = data.open()
    data.change_batch_size(4)
    assert data.open() is read
    assert data.shares == union(batches=batches, batch_size=4).shares
    assert served(data, 1) == served(union(batches=batches, batch_size=4), 1)


@pytest.mark.parametrize("batches", ["mixed", "single"])
def test_workers_and_a_stop_in_mid_epoch_change_nothing(batches: str) -> None:
    whole = images(union(batches=batches), 2)
    assert images(union(batches=batches, workers=1), 2) == whole
    for workers in (0, 1):
        assert images(union(batches=batches, workers=workers), 2, skip=3) == whole[3:]
    assert images(union(batches=batches, seed=1), 2) != whole


def test_every_sample_has_every_target_and_says_which_it_lacks() -> None:
    data = union()
    samples = data.open()
    assert samples.labels.targets == ("box", "keypoints")
    assert {target: int(known.sum()) for target, known in samples.labelled().items()} == {"box": 40, "keypoints": 10}
    assert samples.names[0] == "many/0"
    assert samples.names[-1] == "few/9"
    opened = {name: part.open("skip", "none", 0) for name, part in data.sets.items()}
    for split, part in data.parts.items():
        own = {name: [samples.names[i] for i in part if samples.names[i].startswith(name)] for name in data.sets}
        alone = {name: [f"{name}/{each.samples.names[i]}" for i in each.parts[split]] for name, each in opened.items()}
        assert own == alone
    prepared = data.dataset("train")
    first, last = prepared[0], prepared[len(prepared) - 1]
    assert first["keypoints"].isnan().all()
    assert last["box"].isnan().all()
    assert not first["box"].isnan().any()
    assert samples.strata[0] == -1


def test_masks_and_labels_are_filled_in_and_sizes_never_meet_in_a_batch(tmp_path: Path) -> None:
    folder = DatasetPart(Folder(root=str(make_folder(tmp_path, 10))), size=(16, 24))
    sets = {"photos": folder, "scenes": drawn(40, "mask", "keypoints")}
    with pytest.raises(CandelabraError, match=r"photos.size=\[16,24\] and data.sets.scenes.size=\[32,32\]; set"):
        Union(sets=sets)
    data = Union(sets=sets, batches="single", batch_size=4, workers=0)
    for loader in (data.train_dataloader(), data.val_dataloader(), data.test_dataloader()):
        seen: Counter[tuple[int, ...]] = Counter()
        for batch in loader:
            shape = tuple(batch["image"].shape[-2:])
            seen[shape] += len(batch["image"])
            assert tuple(batch["mask"].shape[-2:]) == shape
            assert (batch["mask"] == 255).all() == (batch["label"] >= 0).all() == (shape == (16, 24))
        assert len(seen) == 2
    assert seen[32, 32] == len(data.sets["scenes"].open("skip", "none", 0).parts["test"])
    equal = Union(sets=sets, size=20, augment="none", workers=0)
    assert equal.uniform
    assert equal.dataset("train")[0]["image"].shape == (3, 20, 20)
    assert equal.dataset("train").versions == 1


def test_classes_of_several_labels_are_filled_in_with_nan(tmp_path: Path) -> None:
    make_folder(tmp_path, 10)
    rows = [f"{name}/{i}.JPG,{cell}" for name in ("cat", "dog") for i, cell in enumerate(["a|b", "b"] * 5)]
    (tmp_path / "table.csv").write_text("\n".join(["image,label", *rows]))
    several = DatasetPart(Table(root=str(tmp_path), separator="|"), size=32)
    data = Union(sets={"several": several, "scenes": drawn(40, "box")}, workers=0)
    prepared = data.dataset("train")
    assert prepared[0]["label"].tolist() in ([1, 1], [0, 1])
    assert prepared[len(prepared) - 1]["label"].isnan().all()
    assert data.open().labelled()["label"].sum() == 20


def test_images_that_the_fraction_of_a_set_leaves_out_are_not_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    whole = Union({"a": drawn(40, "label"), "b": drawn(40, "mask")}, size=32)
    part = Union({"a": drawn(40, "label", fraction=0.5), "b": drawn(40, "mask")}, size=32)
    assert len(part.parts["train"]) < len(whole.parts["train"])
    assert list(part.parts["val"]) == list(whole.parts["val"])
    assert "no split" not in caplog.text


def test_a_set_may_be_thinned_and_restricted() -> None:
    data = union(sets={"a": drawn(40, "label", "mask", labelled={"mask": 0.5}), "b": drawn(40, "box")})
    known = {target: int(known[data.parts["train"]].sum()) for target, known in data.open().labelled().items()}
    assert known == {"label": 28, "box": 28, "mask": 14}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sets": {}}, r"data.sets is empty; .*\+data@data.sets.pets=pets"),
        ({"mix": "half"}, "data.mix=half"),
        ({"batches": "both"}, "data.batches=both"),
        ({"temperature": 2.0}, "data.temperature=2.0 .* data.mix=temperature"),
        ({"mix": "temperature", "temperature": 0.0}, "data.temperature=0.0"),
        ({"epoch": 1}, "data.epoch=1 must be at least 2"),
    ],
)
def test_what_cannot_be_mixed_is_refused_before_anything_is_read(options: dict[str, Any], words: str) -> None:
    with pytest.raises(CandelabraError, match=words):
        union(**options)


@pytest.mark.parametrize(
    ("node", "words"),
    [
        ({**SCENES, "batch_size": 7}, "data.sets.a.batch_size=7 would do nothing.* set data.batch_size"),
        ({**SCENES, "views": 7}, "data.sets.a.views=7"),
        ({**SCENES, "size": 7}, "data.sets.a.size=7 must be"),
        ({"_target_": "candelabra.data.Union", "sets": {"b": SCENES}}, "data.sets.a is a union itself"),
    ],
)
def test_what_only_the_whole_can_have_is_refused_in_a_set(node: dict[str, Any], words: str) -> None:
    with pytest.raises(CandelabraError, match=words):
        build_data({"_target_": "candelabra.data.Union", "batch_size": 4, "sets": {"a": node}})


def test_a_set_may_repeat_what_holds_for_the_whole() -> None:
    data = build_data(
        {"_target_": "candelabra.data.Union", "batch_size": 4, "sets": {"a": {**SCENES, "batch_size": 4}}}
    )
    assert data.batch_size == 4
    assert list(data.datasets()) == ["a"]


def test_one_target_in_two_sets_needs_the_same_words() -> None:
    digits = DatasetPart(Digits(canvas=32), size=32)
    with pytest.raises(
        CandelabraError,
        match=r"data.sets.a and data.sets.b label label in other words: classes is .*"
        r"data.sets.b.targets=\[box,mask\]",
    ):
        Union(sets={"a": drawn(40), "b": digits}).open()
    assert Union(sets={"a": drawn(40), "b": drawn(50)}).labels == Shapes(count=40).read().labels
    assert (
        Union(sets={"a": drawn(40, "keypoints"), "b": digits}).labels[LabelTarget].classes
        == digits.reader.read().labels[LabelTarget].classes
    )


def test_a_set_that_cannot_be_used_is_named_in_the_words_that_were_typed() -> None:
    sets = {"a": drawn(40), "b": DatasetPart(Folder(root="nowhere"), size=32)}
    with pytest.raises(CandelabraError, match=r"^data.sets.b.root=nowhere is not a folder"):
        Union(sets=sets).open()
    with pytest.raises(CandelabraError, match=r"^data.sets.b.targets names maks; these data label mask, label, box"):
        Union(sets={"b": drawn(40, "maks")}).open()


TWO = (
    "data=union",
    "+data@data.sets.photos=folder",
    "+data@data.sets.scenes=shapes",
    "data.sets.scenes.count=60",
    "data.sets.scenes.canvas=64",
    "data.sets.scenes.targets=[keypoints,box]",
    "data.size=32",
)


def losses(run: Path, head: str) -> list[float]:
    with (run / "metrics.csv").open() as file:
        return [float(row[f"train/{head}/loss"]) for row in csv.DictReader(file) if row[f"train/{head}/loss"]]


def test_a_run_learns_from_both_sets_and_is_judged_again_where_they_have_moved(
    tiny: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = make_folder(tmp_path / "photos", 20)
    words = [*TWO, f"data.sets.photos.root={photos}", "data.batch_size=8", "data.batches=single", "epochs=8"]
    words += ["trainer.check_val_every_n_epoch=8", "lr=0.01"]
    run_train(tiny(*words, "task.heads.mask=null", "head@task.heads.keypoints=keypoints"))
    run = tmp_path / "train"
    said = capsys.readouterr().out
    assert "an epoch of training" in said
    for head in ("label", "keypoints", "box"):
        values = losses(run, head)
        assert np.mean(values[-20:]) < 0.8 * np.mean(values[:10]), head
    with (run / "splits.csv").open() as file:
        assert Counter(row["name"].split("/")[0] for row in csv.DictReader(file)) == {"photos": 40, "scenes": 60}
    results = json.loads((run / "results.json").read_text())
    photos.rename(tmp_path / "elsewhere")
    judged = [f"checkpoint={run}", "trainer.enable_progress_bar=false"]
    run_eval(tiny(*judged, f"+data.sets.photos.root={tmp_path / 'elsewhere'}", command="eval"))
    again = json.loads((tmp_path / "eval" / "results.json").read_text())
    assert again == {key: value for key, value in results.items() if key.startswith("test/")}
    for word, refusal in (
        ("+data.sets.cats.root=x", "sets.cats is not known"),
        ("data.root=x", "data.sets.photos.root"),
    ):
        with pytest.raises(CandelabraError, match=refusal):
            run_eval(tiny(*judged, word, command="eval"))
    run_predict(tiny(f"checkpoint={run}", f"source={tmp_path / 'elsewhere' / 'cat'}", command="predict"))


@pytest.mark.slow
def test_a_stopped_run_goes_on_where_it_was_though_a_set_has_moved(tiny: Compose, tmp_path: Path) -> None:
    photos = make_folder(tmp_path / "photos", 20)
    words = [*TWO, "data.batch_size=8", "data.mix=temperature", "data.temperature=3", "epochs=2", "data.epoch=50"]
    assert in_a_process([*words, f"data.sets.photos.root={photos}", f"folder={tmp_path / 'whole'}"]) == 0
    words += [f"data.sets.photos.root={photos}"]
    assert in_a_process([*words, f"folder={tmp_path / 'train'}"], signal.SIGTERM, 8) == EXIT_INTERRUPTED
    photos.rename(tmp_path / "elsewhere")
    now = f"data.sets.photos.root={tmp_path / 'elsewhere'}"
    config = tiny(f"resume={tmp_path / 'train'}", *words[:-1], now)
    stored, checkpoint = continue_run(config, [now])
    assert checkpoint is not None
    assert stored["data"]["sets"]["photos"]["root"] == str(tmp_path / "elsewhere")
    with pytest.raises(CandelabraError, match=r"data.temperature=1.0 does not fit"):
        continue_run(tiny(*words, f"resume={tmp_path / 'train'}", "data.temperature=1.0"), ["data.temperature=1.0"])
    (tmp_path / "elsewhere").rename(photos)
    assert in_a_process([f"resume={tmp_path / 'train'}"]) == 0
    ends = [
        torch.load(tmp_path / run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for run in ("whole", "train")
    ]
    assert [key for key, value in ends[0].items() if not torch.equal(value, ends[1][key])] == []


@pytest.mark.slow
def test_cached_features_of_a_union_end_in_the_weights_of_its_images(tiny: Compose, tmp_path: Path) -> None:
    photos = make_folder(tmp_path / "photos", 20)
    words = [*TWO, f"data.sets.photos.root={photos}", "finetune=frozen", "data.augment=none", "epochs=2"]
    words += ["data.mix=temperature", "data.temperature=2.0"]
    ends = []
    for gigabytes in ("0", "1"):
        run_train(tiny(*words, f"folder={tmp_path / gigabytes}", f"cache.gigabytes={gigabytes}"))
        saved = torch.load(tmp_path / gigabytes / "checkpoints" / "last.ckpt", weights_only=True)
        ends.append(saved["state_dict"])
    assert all(torch.equal(value, ends[1][key]) for key, value in ends[0].items())
    assert list((tmp_path / "features").glob("*/*.npy"))


def test_sizes_that_differ_are_trained_on_and_check_draws_all_sets(tiny: Compose, tmp_path: Path) -> None:
    photos = make_folder(tmp_path / "photos", 20)
    words = [*TWO[:-1], f"data.sets.photos.root={photos}", "data.sets.photos.size=[32,48]", "data.batches=single"]
    words = [*words, "data.size=null", "data.sets.scenes.size=32"]
    run_train(tiny(*words, "finetune=frozen", "data.augment=none", "epochs=1"))
    assert (tmp_path / "train" / "pictures" / "predictions.png").is_file()
    with pytest.raises(CandelabraError, match="have several; set data"):
        run_train(tiny(*words, "finetune=probe", "epochs=1", "overwrite=true"))
    run_check(
        tiny(*(word for word in words if not word.startswith("data.batch")), "data.batches=single", command="check")
    )
    assert (tmp_path / "check" / "samples.png").is_file()


@pytest.mark.real
def test_real_pets_and_faces(real: Path) -> None:
    pets = DatasetPart(Pets(root=str(real / "pets_sample")))
    faces = DatasetPart(Table(root=str(real / "faces69"), file="faces/face_landmarks.csv", images="faces", points=68))
    data = Union(sets={"pets": pets, "faces": faces}, size=64, mix="temperature", temperature=3.0, workers=0)
    assert data.labels.targets == ("label", "box", "keypoints", "mask")
    known = {target: int(known[data.parts["train"]].sum()) for target, known in data.open().labelled().items()}
    assert known["label"] == len(pets.open("skip", "none", 0).parts["train"]) > 200
    batch = next(iter(data.train_dataloader()))
    points = ~batch["keypoints"].isnan().all(2).all(1)
    assert 0 < int(points.sum()) < len(points)
    assert torch.equal(points, batch["label"] < 0)


def test_all_splits_together_are_served_once_and_in_batches_of_one_size() -> None:
    sets = {"large": drawn(40), "small": drawn(10, size=16)}
    data = Union(sets=sets, batches="single", batch_size=4, workers=0)
    data.join_splits()
    assert len(data.parts["all"]) == 50
    assert sorted(data.parts["all"]) == sorted(
        index for split in ("train", "val", "test") for index in data.parts[split]
    )
    shapes = [tuple(batch["image"].shape) for batch in data.make_loader("all")]
    assert Counter(shape[-1] for shape in shapes for _ in range(shape[0])) == {32: 40, 16: 10}
    assert data.open().names[data.parts["all"][40]].startswith("small/")
