"""Every real data set, trained from its own format for one epoch."""

import json
from pathlib import Path

import pytest

from candelabra.commands.train import run_train
from tests.conftest import Compose

P1 = "data.root=p1_facial_keypoints/data data.file={train:training_frames_keypoints.csv,test:test_frames_keypoints.csv}"
WORDS = {  # what is typed, the folder aside; and how many test images carry a label of each target
    "raccoon": ("task=localization data=voc data.root=raccoon", {"label": 40, "box": 40}),
    "kangaroo": ("task=localization data=voc data.root=kangaroo data.objects=single", None),
    "bccd": ("task=localization data=voc data.root=bccd data.classes=[RBC,WBC]", {"label": 71, "box": 71}),
    "pets_xml": ("task=localization data=voc data.root=pets_sample/oxford-iiit-pet data.split=random", None),
    "pets": ("data=pets data.root=pets_sample data.split=random", None),
    "camvid": ("task=segmentation data=masks data.root=camvid/CamVid data.ignore=[11]", {"mask": 233}),
    "cifar10": ("task=classification data=folder data.root=cifar10_6k", {"label": 1000}),
    "coco_boxes": (
        "data=yolo data.root=coco128_multitask data.file=object_detection/config.yaml data.targets=[box]",
        None,
    ),
    "coco_outlines": (
        "task=segmentation data=yolo data.root=coco128_multitask data.file=instance_segmentation/config.yaml "
        "data.targets=[mask]",
        None,
    ),
    "coco_masks": (
        "task=segmentation data=masks data.root=coco128_multitask data.masks=semantic_segmentation/masks",
        None,
    ),
    "faces69": (
        "task=keypoints data=table data.root=faces69 data.file=faces/face_landmarks.csv data.images=faces",
        {"keypoints": 10},
    ),
    "p1_persons": (
        "task=keypoints data=table data.root=p1_facial_keypoints data.file=data/training_frames_keypoints.csv "
        "data.images=data/training data.points=68 data.splits=person_disjoint_split.csv",
        {"keypoints": 540},
    ),
    "p1_published": (
        f"task=keypoints data=table {P1} data.images={{train:training,test:test}} data.points=68",
        {"keypoints": 770},
    ),
    "auto": ("task=localization data=auto data.root=raccoon", {"label": 40, "box": 40}),
    "ochuman": ("task=keypoints data=coco data.root=format_samples/ochuman", None),
    "coco_instances": (
        "task=segmentation data=coco data.root=format_samples/coco_instances data.targets=[mask] data.val=0.3 "
        "data.test=0.3",
        None,
    ),
    "pedestrians": (
        "task=segmentation data=masks data.root=format_samples/PennFudanPed data.images=PNGImages data.masks=PedMasks "
        "data.values={background:0,person:[1,2,3,4,5]}",
        None,
    ),
    "hands": ("task=keypoints data=coco data.root=format_samples/mmpose/onehand10k", None),
}


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize("name", WORDS)
def test_a_real_set_is_trained_from_its_own_format(name: str, real: Path, tiny: Compose, tmp_path: Path) -> None:
    typed, counts = WORDS[name]
    words = typed.replace("data.root=", f"data.root={real}/").split()
    run_train(tiny(*words, "data.batch_size=32", "epochs=1"))
    results = json.loads((tmp_path / "train" / "results.json").read_text())
    for target, count in (counts or {}).items():
        assert results[f"test/{target}/count"] == count
