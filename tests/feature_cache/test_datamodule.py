"""A run with cached features is the run without: same features, same weights, same numbers; each image is seen once."""

import json
import subprocess
import sys
from pathlib import Path

import lightning as L
import pytest
import torch
from PIL import Image
from torch import Tensor

from candelabra.backbones import Timm
from candelabra.commands.train import run_train
from candelabra.data import DataModule, Folder, Shapes
from candelabra.feature_cache.datamodule import list_frozen_stages
from candelabra.finetuning import FineTuning, Frozen, Gradual, LpFt, Partial
from candelabra.tasks import Classification
from tests.conftest import Compose
from tests.rounding import rounds_alike_in_small_batches

FROZEN = ("finetune=frozen", "data.augment=none", "data.count=50", "data.size=32", "epochs=2", "lr=0.01")
SMOOTH = "task.heads.mask.decoder.widths=[128,64,48,32,16]"  # with few channels, rounding changes masks by more
Seen = list[int]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    """Images in each batch that the backbone was given."""
    batches: Seen = []
    extract = Timm.extract

    def counted(self: Timm, images: Tensor) -> tuple[list[Tensor], Tensor]:
        if images.shape[1] == 3:  # not maps of the first stages
            batches.append(len(images))
        return extract(self, images)

    monkeypatch.setattr(Timm, "extract", counted)
    monkeypatch.setattr(
        "candelabra.training.evaluation.measure_latency", lambda *_: 0.0
    )  # which takes as many as fit its time
    return batches


def weights(run: Path, name: str = "last") -> dict[str, Tensor]:
    saved: dict[str, Tensor] = torch.load(run / "checkpoints" / f"{name}.ckpt", weights_only=True)["state_dict"]
    return saved


def results(run: Path) -> dict[str, float]:
    found = json.loads((run / "results.json").read_text())
    return {key: value for key, value in found.items() if "/" in key}


def check_equal_runs(one: Path, other: Path) -> None:
    """Same weights and numbers, as far as features computed in batches of another size have the same bits."""
    images, cached = weights(one), weights(other)
    assert list(images) == list(cached)
    if rounds_alike_in_small_batches():
        assert all(torch.equal(value, cached[key]) for key, value in images.items())
        assert results(one) == results(other)
    else:
        assert results(one) == pytest.approx(results(other), rel=0.02, abs=0.01)


@pytest.mark.parametrize(
    "words",
    [
        pytest.param((SMOOTH,), marks=pytest.mark.slow),
        (SMOOTH, "trainer.precision=bf16-mixed"),
        pytest.param((SMOOTH, "data.augment=light", "data.views=2"), marks=pytest.mark.slow),
        (SMOOTH, "data.workers=1", "task.heads.label.dropout=0.3", "head@task.heads.keypoints=keypoints"),
        ("backbone=test_convnext", "task.heads.label.pooling=concat", "task.heads.mask=null"),
        ("task=classification", "task.label.pooling=flatten", "task.label.grid=2", "data.size=[64,48]"),
        pytest.param(
            ("task=classification", "task.label.pooling=max", "trainer.precision=bf16-mixed"), marks=pytest.mark.slow
        ),
        ("decoder@task.heads.mask.decoder=fpn", "coordinates@task.heads.box.coordinates=pooled", "data.batch_size=7"),
    ],
    ids=lambda words: "-".join(word for word in words if word != SMOOTH) or "default",
)
def test_heads_end_in_the_same_weights_with_the_cache_and_without(
    words: tuple[str, ...], tiny: Compose, tmp_path: Path
) -> None:
    options = [*FROZEN, "data.batch_size=8", *words]
    run_train(tiny(*options, f"folder={tmp_path / 'images'}", "cache.gigabytes=0"))
    run_train(tiny(*options, f"folder={tmp_path / 'cached'}"))
    check_equal_runs(tmp_path / "images", tmp_path / "cached")


@pytest.mark.parametrize(
    "words",
    [
        (SMOOTH,),
        ("backbone=test_convnext", "finetune.stages=1", "task.heads.mask=null", "trainer.precision=bf16-mixed"),
        ("task=classification", "finetune.keep_statistics=false", "data.batch_size=7"),
        pytest.param(("task=classification", "finetune.stages=4", "balance=pcgrad"), marks=pytest.mark.slow),
        pytest.param((SMOOTH, "balance=famo", "data.views=2", "data.augment=light"), marks=pytest.mark.slow),
        pytest.param((SMOOTH, "trainer.accumulate_grad_batches=2", "balance=pcgrad"), marks=pytest.mark.slow),
    ],
    ids=lambda words: "-".join(word for word in words if word != SMOOTH) or "default",
)
def test_later_stages_end_in_the_same_weights_with_the_first_ones_cached_and_without(
    words: tuple[str, ...], tiny: Compose, tmp_path: Path, seen: Seen
) -> None:
    options = [*FROZEN, "finetune=partial", "data.batch_size=8", *words]
    run_train(tiny(*options, f"folder={tmp_path / 'images'}", "cache.gigabytes=0"))
    run_train(tiny(*options, f"folder={tmp_path / 'cached'}"))
    check_equal_runs(tmp_path / "images", tmp_path / "cached")
    seen.clear()
    run_train(tiny(*options, f"folder={tmp_path / 'again'}", "lr=0.003"))
    assert 0 < sum(seen) < 50  # pictures and rehearsal


@pytest.mark.parametrize(
    ("words", "frozen"),
    [
        (("finetune=lp_ft", "finetune.share=0.5", "epochs=5", "task=classification", "data.workers=1"), 3),
        (("finetune=gradual", "finetune.every=2", "epochs=11", "task.heads.mask=null"), 10),
        pytest.param((SMOOTH, "finetune=gradual", "epochs=6", "ema=0.9"), 5, marks=pytest.mark.slow),
    ],
    ids=["lp_ft", "gradual", "gradual-ema"],
)
@pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`")
def test_stages_that_thaw_end_in_the_same_weights_with_their_maps_cached_until_then(
    words: tuple[str, ...], frozen: int, tiny: Compose, tmp_path: Path, seen: Seen
) -> None:
    options = [*FROZEN, "data.batch_size=8", *words]
    run_train(tiny(*options, f"folder={tmp_path / 'images'}", "cache.gigabytes=0"))
    images = sum(seen)
    seen.clear()
    run_train(tiny(*options, f"folder={tmp_path / 'cached'}"))
    saved = images - sum(seen)
    check_equal_runs(tmp_path / "images", tmp_path / "cached")
    train, val, noise = 32, 8, 2  # images of an epoch, and of the trial
    least = frozen * train - (34 + val) - noise
    if "ema=0.9" in words:
        assert saved == least  # averages of a frozen weight differ from it by rounding: validation sees images
    else:  # the best epoch is measured again: from features where its backbone had learned nothing
        assert saved in (least + frozen * val, least + frozen * val + val)


@pytest.mark.parametrize("restored", [True, False], ids=["restored", "late"])
@pytest.mark.parametrize("finetune", ["partial", pytest.param("frozen", marks=pytest.mark.slow)])
def test_a_run_that_goes_on_from_the_weights_of_another_leaves_the_features_of_others_alone(
    finetune: str,
    restored: bool,
    tiny: Compose,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    words = (*FROZEN, "task=classification", f"finetune={finetune}", "data.batch_size=8")
    run_train(tiny(*words, "seed=5", "cache.gigabytes=0", f"folder={tmp_path / 'source'}"))
    run_train(tiny(*words, f"weights={tmp_path / 'source'}", f"folder={tmp_path / 'run'}"))
    with monkeypatch.context() as patch:
        patch.setattr("candelabra.commands.train.detach_hydra", lambda config: [f"epochs={config.epochs}"])
        if not restored:  # as if its backbone could not be had before the trainer restores it
            patch.setattr("candelabra.commands.train.copy_weights", lambda *_: [])
        run_train(tiny(*words, "epochs=3", f"resume={tmp_path / 'run'}", f"folder={tmp_path / 'run'}"))
    assert any("has other weights than its features" in line for line in caplog.messages) != restored
    run_train(tiny(*words, f"folder={tmp_path / 'cached'}"))
    run_train(tiny(*words, "cache.gigabytes=0", f"folder={tmp_path / 'images'}"))
    check_equal_runs(tmp_path / "images", tmp_path / "cached")


def test_a_backbone_that_cannot_go_on_from_its_first_stages_trains_on_images(
    tiny: Compose, features: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    vit = ("backbone=timm", "backbone.name=test_vit", "backbone.weights=none", "data.size=160")
    run_train(tiny(*FROZEN, "finetune=partial", "task=classification", *vit))
    assert any("test_vit cannot go on from its first stages" in line for line in caplog.messages)
    assert not list(features.glob("*/*.npy"))


def test_a_second_run_computes_nothing(tiny: Compose, tmp_path: Path, seen: Seen) -> None:
    run_train(tiny(*FROZEN, "task=classification"))
    first = list(seen)
    seen.clear()
    run_train(tiny(*FROZEN, "task=classification", "lr=0.1", f"folder={tmp_path / 'second'}"))
    trying = [1, 1, 2, 8, 8]  # channels of the maps, rehearsal, what heads read, pictures, embedding of validation
    assert sum(first) - sum(trying) == 50
    assert sorted(seen) == sorted(trying)


def test_other_weights_sizes_or_precisions_are_computed_anew(tiny: Compose, seen: Seen) -> None:
    run_train(tiny(*FROZEN, "task=classification"))
    for word in ("+backbone.options={drop_rate:0.1}", "data.size=48", "seed=1", "trainer.precision=bf16-mixed"):
        seen.clear()
        run_train(tiny(*FROZEN, "task=classification", word, "epochs=1", "overwrite=true"))
        assert (sum(seen) >= 50) == ("drop_rate" not in word), word


def test_an_image_is_known_by_its_bytes_its_label_and_what_is_drawn_for_it(tmp_path: Path) -> None:
    for number, kind in enumerate("abababab"):
        path = tmp_path / ("train" if number < 4 else "val" if number < 6 else "test") / kind / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.effect_noise((20, 20), 50 + number).convert("RGB").save(path)
    plain, light = (
        DataModule(Folder(root=str(tmp_path)), size=16, augment=augment, views=2) for augment in ("none", "light")
    )
    one, drawn = plain.dataset("train"), light.dataset("train")
    assert (one.versions, drawn.versions, light.dataset("val").versions) == (1, 2, 1)
    assert one.digest(0) == one.digest(4) == plain.dataset("train").digest(0)
    assert len({one.digest(0), one.digest(1), drawn.digest(0), drawn.digest(4)}) == 4
    assert drawn.digest(0) == drawn.digest(8)
    assert torch.equal(drawn[0]["image"], drawn[8]["image"])
    assert not torch.equal(drawn[0]["image"], drawn[4]["image"])
    before = one.digest(0), one.digest(1)
    Image.new("RGB", (20, 20), (99, 0, 0)).save(next((tmp_path / "train" / "a").glob("*.png")))
    assert (one.digest(0) != before[0], one.digest(1) == before[1]) == (True, True)


def test_advice_where_augmentation_keeps_features_from_being_cached(
    tiny: Compose, caplog: pytest.LogCaptureFixture, features: Path
) -> None:
    caplog.set_level("INFO")
    run_train(tiny("finetune=frozen", "data.count=50", "data.size=32", "epochs=1", "task=classification"))
    assert sum("data.views=4" in line for line in caplog.messages) == 1
    assert not list(features.glob("*/*.npy"))


def test_a_bound_that_is_too_small_costs_the_cache_but_not_the_run(
    tiny: Compose, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run_train(tiny(*FROZEN, "task=classification", "cache.gigabytes=1e-6", f"folder={tmp_path / 'images'}"))
    assert sum("cache.gigabytes" in line for line in caplog.messages) == 2  # training and validation, then test
    run_train(tiny(*FROZEN, "task=classification", f"folder={tmp_path / 'cached'}"))
    assert results(tmp_path / "images") == results(tmp_path / "cached")


RANKS = """
import sys
import lightning as L, torch
from functools import partial
from candelabra.backbones import Timm
from candelabra.data import DataModule, Shapes
from candelabra.finetuning import Frozen, Gradual
from candelabra.heads import Box, Label
from candelabra.feature_cache import FeatureCache, cache_features
from candelabra.tasks import MultiTask
L.seed_everything(0, verbose=False)
data = DataModule(Shapes(count=64, canvas=32), size=32, batch_size=8, workers=0, augment="none")
task = MultiTask(Timm("test_resnet", weights="none"), data.labels, {"label": Label, "box": Box},
    finetune={"frozen": Frozen(), "gradual": Gradual(every=2)}[sys.argv[2]],
    optimizer=partial(torch.optim.AdamW, lr=1e-2))
trainer = L.Trainer(max_epochs=3, accelerator="cpu", devices=2, strategy="ddp_find_unused_parameters_true",
    logger=False, enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False,
    use_distributed_sampler=False,
    num_sanity_val_steps=0)
trainer.fit(task, cache_features(task, data, FeatureCache(gigabytes=float(sys.argv[1])), trainer))
if trainer.is_global_zero:
    print("WEIGHTS", float(sum(p.double().abs().sum() for p in task.heads.parameters())))
"""


@pytest.mark.slow
@pytest.mark.parametrize("finetune", ["frozen", "gradual"])
def test_two_ranks_share_the_pass_and_end_in_the_weights_of_two_without_a_cache(
    finetune: str, tmp_path: Path, features: Path
) -> None:
    script = tmp_path / "two.py"
    script.write_text(RANKS)
    ends = []
    for gigabytes in ("0", "1", "1"):
        command = [sys.executable, "-W", "ignore", str(script), gigabytes, finetune]
        run = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=tmp_path)
        assert run.returncode == 0, run.stderr
        ends.append(run.stdout.split("WEIGHTS")[1].split()[0])
    assert len(set(ends)) == 1
    assert len(list(features.glob("*/*.npy"))) == 2  # one shard a rank


@pytest.mark.parametrize(
    ("strategy", "stages"), [(Frozen(), 5), (Partial(), 3), (Partial(stages=4), 1), (Gradual(), 0), (LpFt(), 0)]
)
def test_a_run_ended_by_its_steps_caches_the_stages_that_never_thaw(strategy: FineTuning, stages: int) -> None:
    data = DataModule(Shapes(count=50, canvas=32), size=32, augment="none")
    task = Classification(Timm("test_resnet", weights="none"), data.labels, finetune=strategy)
    trainer = L.Trainer(accelerator="cpu", max_epochs=-1, max_steps=50, logger=False, enable_checkpointing=False)
    assert list_frozen_stages(task, trainer) == [stages]
