"""Views of images, and what a backbone learns of them without labels."""

import json
import signal
from functools import partial
from pathlib import Path

import pytest
import torch

from candelabra.backbones import Timm
from candelabra.commands.train import run_train
from candelabra.commands.trunk import run_trunk
from candelabra.data.targets import Labels, LabelTarget
from candelabra.errors import CandelabraError
from candelabra.finetuning import Frozen, Probe
from candelabra.heads import Projector
from candelabra.heads.losses import NTXent, SimSiam, VICReg
from candelabra.heads.pair_metrics import PairMetrics
from candelabra.tasks import Pretraining
from candelabra.tasks.image_views import ImageViews
from candelabra.tasks.loading import load_task
from tests.conftest import Compose
from tests.heads.test_reconstruction import write_photos
from tests.small_runs import composed
from tests.training.test_interruption import assert_equal, in_a_process

WORDS = ("task=pretraining", "data.size=32")
LOSSES = {"nt_xent": NTXent, "simsiam": SimSiam, "vicreg": VICReg}
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)


def test_views_of_an_image_differ_from_each_other_and_evaluation_repeats_them() -> None:
    images = torch.randint(256, (4, 3, 32, 48), dtype=torch.uint8)
    views = ImageViews()(images)
    assert (views.shape, views.dtype) == ((4, 2, 3, 32, 48), torch.uint8)
    assert not torch.equal(views[:, 0], views[:, 1])
    assert not torch.equal(views, ImageViews()(images))
    measured = ImageViews()(images / 255, training=False)
    assert torch.equal(measured, ImageViews()(images, training=False))
    assert torch.equal(measured[:, 2], images)
    assert ImageViews()  # features of views are not cached


def test_a_crop_shows_a_part_and_grey_views_have_no_colour() -> None:
    ramp = torch.arange(64, dtype=torch.uint8).expand(200, 3, 64, 64) * 4
    views = ImageViews(crop=0.25, flip=False, colours=0.0, grey=0.0, blur=0.0)(ramp)[:, 0, 0].float()
    reach = (views.amax((1, 2)) - views.amin((1, 2))) / 252
    assert 0.35 < float(reach.min()) < 0.6
    assert float(reach.max()) > 0.9
    noise = torch.randint(256, (50, 3, 16, 16), dtype=torch.uint8)
    grey = ImageViews(grey=1.0)(noise)[:, 1].int()
    assert (grey[:, 0] - grey[:, 1]).abs().max() <= 1


@pytest.mark.parametrize("options", [{"crop": 0.0}, {"crop": 1.5}, {"colours": -0.1}, {"grey": 2.0}, {"blur": 1.1}])
def test_views_that_cannot_be_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(CandelabraError, match=f"{next(iter(options))}="):
        ImageViews(**options)


@every_loss
def test_a_loss_is_less_for_views_that_agree(loss: type[torch.nn.Module]) -> None:
    torch.manual_seed(0)
    criterion, vectors = loss(16), torch.randn(12, 16)
    optimizer = torch.optim.Adam([*criterion.parameters(), torch.nn.Parameter(torch.zeros(1))], 0.01)
    for _ in range(100 if loss is SimSiam else 0):  # its predictor has to learn that it has nothing to do
        optimizer.zero_grad()
        criterion(vectors, vectors).sum().backward()
        optimizer.step()
    agreeing, others = criterion(vectors, vectors + 0.01), criterion(vectors, vectors.flip(0))
    assert agreeing.shape == (12,)
    assert agreeing.mean() < others.mean() - 0.1


def test_nt_xent_by_hand() -> None:
    first = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    wanted = -torch.log(torch.exp(torch.tensor(2.0)) / (torch.exp(torch.tensor(2.0)) + 2))  # cosines 1 and twice 0
    torch.testing.assert_close(NTXent(2, temperature=0.5)(first, 3 * first), wanted.expand(2))


@every_loss
def test_a_single_image_or_none_has_a_finite_loss_and_gradients(loss: type[torch.nn.Module], backbone: Timm) -> None:
    head = Projector(backbone, Labels(), partial(loss), dimensions=8)
    images = torch.randint(256, (3, 3, 8, 8), dtype=torch.uint8)
    for known in (1, 0):
        target = images.clone()
        target[known:] = 128
        outputs = torch.randn(3, 2, 8, requires_grad=True)
        values = head.loss(outputs, target, (8, 8))
        assert values.shape == (3,)
        assert values.isfinite().all()
        values.sum().backward()
        assert all(buffer.isfinite().all() for buffer in head.buffers())
    with pytest.raises(CandelabraError, match="temperature=0"):
        NTXent(8, 0)
    with pytest.raises(CandelabraError, match="dimensions=1"):
        Projector(backbone, Labels(), dimensions=1)


def test_pair_metrics_tell_agreement_from_collapse() -> None:
    torch.manual_seed(0)
    vectors = torch.randn(400, 32)
    spread, collapsed = PairMetrics(), PairMetrics()
    for rows in vectors.split(150):
        spread.update(rows, rows + 0.1 * torch.randn_like(rows))
        collapsed.update(*(1 + 0.001 * torch.randn(2, len(rows), 32)))
    found, lost = spread.compute(), collapsed.compute()
    assert float(found["pair_recall"]) == 1
    assert float(found["spread"]) == pytest.approx(1, abs=0.02)
    assert float(lost["pair_recall"]) < 0.05
    assert float(lost["spread"]) < 0.01


@pytest.mark.parametrize("finetune", [Frozen(), Probe()])
def test_a_backbone_that_is_not_taught_is_refused(finetune: Frozen | Probe, backbone: Timm) -> None:
    with pytest.raises(CandelabraError, match="teach the backbone, which finetune="):
        Pretraining(backbone, Labels(), finetune=finetune)


def test_classes_are_measured_where_the_data_have_one_an_image(backbone: Timm) -> None:
    label = LabelTarget(("a", "b"))
    assert list(Pretraining(backbone, Labels()).heads) == ["projector"]
    assert list(Pretraining(backbone, Labels(label)).heads) == ["projector", "neighbors"]
    assert list(Pretraining(backbone, Labels(LabelTarget(("a", "b"), True))).heads) == ["projector"]


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on digits, and `before`: the same without learning."""
    folder = tmp_path_factory.mktemp("pretraining")
    words = [*WORDS, "data=digits", "task.flip=false", "data.batch_size=64"]
    run_train(composed("train", f"folder={folder / 'run'}", *words, "epochs=8"))
    run_train(composed("train", f"folder={folder / 'before'}", *words, "epochs=1", "lr=1e-9"))
    return folder


def read(run: Path) -> dict[str, float]:
    found: dict[str, float] = json.loads((run / "results.json").read_text())
    return found


@pytest.mark.slow
def test_nearest_neighbours_are_more_often_of_the_same_class_after_training(digits: Path) -> None:
    before, after = read(digits / "before"), read(digits / "run")
    for split in ("val", "test"):
        key = f"{split}/neighbors/recall_at_1"
        assert after[key] > before[key] + 0.1
    assert after["test/projector/pair_recall"] > before["test/projector/pair_recall"] + 0.05
    assert after["test/projector/spread"] > 0.5


@pytest.mark.slow
def test_its_backbone_helps_a_classifier(digits: Path, tiny: Compose, tmp_path: Path) -> None:
    words = ["task=classification", "data=digits", "data.size=32", "finetune=frozen", "data.augment=none", "epochs=3"]
    after, before = (
        run_train(tiny(*words, f"weights={digits / name}", f"folder={tmp_path / name}"))["test/label/accuracy"]
        for name in ("run", "before")
    )
    assert after > before + 0.1


def test_labels_are_measured_and_choose_nothing_and_the_backbone_is_carried(tiny: Compose, tmp_path: Path) -> None:
    small = ["data.count=48", "data.size=32", "epochs=1"]
    found = run_train(tiny("task=pretraining", *small, "data.batch_size=8", f"folder={tmp_path / 'run'}"))
    assert {"test/neighbors/recall_at_1", "test/projector/spread"} <= set(found)
    assert found["val/score"] == pytest.approx(found["val/projector/pair_recall"])
    assert "test/neighbors/loss" not in found
    assert (tmp_path / "run" / "pictures" / "neighbors_neighbors.png").is_file()
    run_trunk(["export", str(tmp_path / "run"), f"folder={tmp_path / 'trunk'}"])
    learned = load_task(tmp_path / "run").backbone.state_dict()
    for word in ("weights=" + str(tmp_path / "run"), "backbone.weights=" + str(tmp_path / "trunk")):
        folder = tmp_path / word.partition("=")[0]
        run_train(tiny("task=classification", *small, word, "finetune=frozen", f"folder={folder}"))
        carried = load_task(folder).backbone.state_dict()
        assert all(torch.equal(value, carried[key]) for key, value in learned.items())


@pytest.mark.parametrize("loss", ["simsiam", "vicreg"])
def test_images_without_labels_are_enough(loss: str, tiny: Compose, tmp_path: Path) -> None:
    words = [*WORDS, "data=images", write_photos(tmp_path / "photos", 24), "epochs=1", "data.batch_size=8"]
    found = run_train(tiny(*words, f"loss@task.projector.loss={loss}"))
    assert {"test/projector/loss", "test/projector/pair_recall", "test/score"} <= set(found)
    assert found["test/projector/count"] == 4


def test_blended_images_are_refused(tiny: Compose, tmp_path: Path) -> None:
    with pytest.raises(CandelabraError, match="blend images"):
        run_train(tiny(*WORDS, "data=images", write_photos(tmp_path / "photos", 12), "data.mixup=0.2"))


@pytest.mark.slow
@pytest.mark.parametrize("loss", LOSSES)
def test_a_killed_run_ends_as_if_it_had_not_been(loss: str, tmp_path: Path) -> None:
    words = [*WORDS, "data=images", write_photos(tmp_path / "photos"), "backbone=test_resnet", "backbone.weights=none"]
    words += ["data.workers=0", "trainer=cpu", "epochs=3", "save.steps=1", "data.batch_size=8", "finetune=scratch"]
    words += [f"loss@task.projector.loss={loss}", "task.blur=0.5"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert in_a_process([*words, f"folder={whole}"]) == 0
    assert in_a_process([*words, f"folder={killed}"], signal.SIGKILL, 5) == -signal.SIGKILL
    assert in_a_process([f"resume={killed}"]) == 0
    assert_equal(whole, killed)
