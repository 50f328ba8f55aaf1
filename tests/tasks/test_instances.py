"""Instance segmentation from the command line on: training, evaluation and files of predictions."""

import csv
import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from candelabra.commands.eval import run_eval
from candelabra.commands.predict import run_predict
from candelabra.commands.train import run_train
from candelabra.data import Coco, ManyShapes
from candelabra.data.targets import InstancesTarget
from candelabra.data.targets.instance_maps import make_rows
from candelabra.errors import CandelabraError
from candelabra.prediction.model import Model
from tests.conftest import Compose
from tests.small_runs import composed
from tests.tasks.test_detection import measure_difference_of_ranks
from tests.training.test_interruption import assert_equal, in_a_process

WORDS = (
    "task=instances",
    "data.size=64",
    "data.augment=none",
    "task.instances.detector.width=32",
    "task.instances.detector.layers=1",
    "task.instances.width=32",
    "data.batch_size=4",
    "lr=0.01",
)
SHAPES = ("data=many_shapes", "data.count=60", "data.objects=3", "data.canvas=64")
OUTLINES = {"disk": 16, "square": 4}  # so many corners
COLOURS = {"disk": (230, 30, 30), "square": (30, 60, 230)}


def draw_scene(
    rng: np.random.Generator, size: tuple[int, int], number: int
) -> tuple[Image.Image, list[dict[str, Any]]]:
    """A picture (width, height) of one or two red disks and blue squares on grey, and their annotations."""
    picture, annotations = Image.new("RGB", size, (120, 120, 120)), []
    for place in range(1 + number % 2):
        name, radius = ("disk", "square")[rng.integers(2)], rng.uniform(10, 14)
        centre = np.array(
            [(size[0] / 4 if number % 2 else size[0] / 2) + place * size[0] / 2, rng.uniform(16, size[1] - 16)]
        )
        angles = 2 * np.pi * (0.5 + np.arange(OUTLINES[name])) / OUTLINES[name]
        corners = centre + radius * np.stack([np.cos(angles), np.sin(angles)], 1)
        ImageDraw.Draw(picture).polygon([tuple(xy) for xy in corners], fill=COLOURS[name])
        annotations.append(
            {"image_id": number, "category_id": 1 + (name == "square"), "segmentation": [corners.ravel().tolist()]}
        )
        annotations[-1]["bbox"] = [*corners.min(0), *np.ptp(corners, 0)]
    return picture, annotations


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Words for 40 scenes and their outlines, as COCO has them."""
    folder, rng = tmp_path_factory.mktemp("scenes"), np.random.default_rng(0)
    document: dict[str, list[dict[str, Any]]] = {"images": [], "annotations": []}
    for number in range(40):
        picture, annotations = draw_scene(rng, (64, 64), number)
        picture.save(folder / f"{number}.png")
        document["images"].append({"id": number, "file_name": f"{number}.png", "width": 64, "height": 64})
        document["annotations"] += annotations
    categories = [{"id": number, "name": name} for number, name in enumerate(OUTLINES, 1)]
    (folder / "scenes.json").write_text(json.dumps({**document, "categories": categories}))
    return ["data=coco", f"data.root={folder}", "data.val=0.2", "data.test=0.2"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two scenes, one of them turned by EXIF."""
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(1)
    for index in range(2):
        exif = Image.Exif()
        exif[0x0112] = 6 if index else 1
        draw_scene(rng, (100, 80), 1)[0].save(folder / f"{index}.png", exif=exif)
    return folder


def test_a_model_learns_objects_and_writes_them_as_coco_and_label_maps(
    tiny: Compose, tmp_path: Path, scenes: list[str], photos: Path
) -> None:
    results = run_train(tiny(*WORDS, *scenes, "epochs=6", "trainer.check_val_every_n_epoch=6"))
    assert results["val/instances/map50"] == results["val/score"]
    assert results["test/instances/map50"] > 0.2
    assert {"map", "map75", "box_map50", "accuracy50", "mar"} <= {
        key.removeprefix("test/instances/") for key in results if key.startswith("test/instances/")
    }
    with (tmp_path / "train" / "instances_classes.csv").open() as file:
        assert [row["class"] for row in csv.DictReader(file)][-1] == "background"
    run_eval(composed("eval", f"checkpoint={tmp_path / 'train'}", f"folder={tmp_path / 'eval'}", "trainer=cpu"))
    again = json.loads((tmp_path / "eval" / "results.json").read_text())
    assert again["test/instances/map50"] == pytest.approx(results["test/instances/map50"])

    folder = tmp_path / "found"
    words = (f"checkpoint={tmp_path / 'train'}", f"source={photos}", f"folder={folder}", "score_threshold=0.05")
    run_predict(composed("predict", *words))  # also objects that a tiny model is not sure of
    document = json.loads((folder / "instances.json").read_text())
    assert [(each["height"], each["width"]) for each in document["images"]] == [(80, 100), (100, 80)]
    assert document["annotations"]
    maps = [np.asarray(Image.open(folder / "instances" / f"{number}.png")) for number in range(2)]
    assert [(str(numbers.dtype), numbers.shape) for numbers in maps] == [("uint16", (80, 100)), ("uint16", (100, 80))]
    assert all(numbers.any() for numbers in maps)
    (folder / "images").mkdir()
    for path in photos.iterdir():
        (folder / "images" / path.name).write_bytes(path.read_bytes())
    for each in document["images"]:
        each["file_name"] = Path(each["file_name"]).name
    for each in document["annotations"]:
        each["iscrowd"] = 0
    (folder / "coco.json").write_text(json.dumps(document))
    read = Coco(root=str(folder), file="coco.json", images="images").read()
    assert make_rows(read[0]["instances"]).shape[0] > 0

    found = Model(tmp_path / "train", decoding={"score_threshold": 0.05})(str(photos / "0.png"))
    assert found.instances[0].mask.spread(found.size).shape == (80, 100)
    assert found.draw().size[0] >= 100


def test_other_heads_and_images_without_objects_learn_beside_it(tiny: Compose, tmp_path: Path) -> None:
    words = [word for word in WORDS if not word.startswith(("task", "lr"))]
    joint = run_train(
        tiny(
            *words,
            *SHAPES,
            "data.count=30",
            "epochs=1",
            "+head@task.heads.instances=center_mask",
            "task.heads.instances.detector.width=16",
            "task.heads.instances.width=16",
            "data.labelled={instances: 0.5}",
        )
    )
    assert {"test/instances/map50", "test/mask/iou"} <= set(joint)


def test_data_without_objects_are_refused(tiny: Compose) -> None:
    with pytest.raises(CandelabraError, match=r"data\.targets names instances; these data label .*choose another task"):
        run_train(tiny("task=instances", "data.count=20"))


def test_more_than_a_hundred_objects_an_image_are_all_counted(tiny: Compose, tmp_path: Path) -> None:
    sample = ManyShapes(count=4, canvas=256, objects=200).read()[0]
    objects = len(make_rows(sample["instances"]))
    assert objects > 100
    target = InstancesTarget(("circle", "square", "triangle", "star", "cross"))
    counts = target.summarize(sample["instances"], (256, 256))
    assert int(counts["objects"].sum()) == objects
    assert torch.equal(target.decode_map(target.encode_map(sample["instances"]), "a"), sample["instances"])


@pytest.mark.slow
def test_a_killed_run_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    words = [*WORDS, *SHAPES, "backbone=test_resnet", "backbone.weights=none", "data.workers=0", "trainer=cpu"]
    words += ["epochs=3", "save.steps=1", "ema=0.9", "data.augment=light"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert in_a_process([*words, f"folder={whole}"]) == 0
    assert in_a_process([*words, f"folder={killed}"], signal.SIGKILL, 5) == -signal.SIGKILL
    assert in_a_process([f"resume={killed}"]) == 0
    assert_equal(whole, killed)


RANKS = """
import lightning as L, torch
from candelabra.backbones import Timm
from candelabra.data import DataModule, ManyShapes
from candelabra.data.transforms.pipeline import TransformPipeline
from candelabra.heads import FCOS, MaskRCNN
from candelabra.tasks import InstanceSegmentation

def empty_on_rank_one(sample):
    if torch.distributed.get_rank() == 1:
        sample["instances"] = sample["instances"] * 0
    return sample

L.seed_everything(0, verbose=False)
data = DataModule(ManyShapes(count=40, canvas=64, objects=3), size=64, batch_size=4, workers=0)
steps = data.plan.transforms["train"].steps
data.replace_train_transforms(TransformPipeline([*steps, empty_on_rank_one], data.labels))
head = lambda backbone, labels: MaskRCNN(backbone, labels, lambda *a: FCOS(*a, width=16, layers=1), width=16, layers=1)
task = InstanceSegmentation(Timm("test_resnet", weights="none"), data.labels, head)
trainer = L.Trainer(max_epochs=2, accelerator="cpu", devices=2, strategy="ddp", logger=False, enable_progress_bar=False,
    enable_model_summary=False, enable_checkpointing=False, use_distributed_sampler=False, num_sanity_val_steps=0)
trainer.fit(task, data)
flat = torch.cat([v.flatten().double() for v in task.state_dict().values()])
both = [torch.zeros_like(flat) for _ in range(2)]
torch.distributed.all_gather(both, flat)
if torch.distributed.get_rank() == 0:
    print("APART", float((both[0] - both[1]).abs().max()), flush=True)
"""


@pytest.mark.slow
def test_a_rank_without_an_object_does_not_hang_and_ranks_stay_equal(tmp_path: Path) -> None:
    assert measure_difference_of_ranks(RANKS, tmp_path) == 0
