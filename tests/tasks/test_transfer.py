"""A run that starts from the weights of another takes its backbone, and of its heads what fits."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch

from candelabra.backbones import Timm
from candelabra.commands.train import run_train
from candelabra.data.targets import (
    BoxesTarget,
    InstancesTarget,
    Labels,
    LabelTarget,
    MaskTarget,
    OrdinalTarget,
    Target,
    ValueTarget,
)
from candelabra.errors import CandelabraError
from candelabra.heads import (
    FCOS,
    Auxiliary,
    Detector,
    Embedding,
    FasterRCNN,
    Head,
    Label,
    Mask,
    MaskRCNN,
    Ordinal,
    RetinaNet,
    Value,
)
from candelabra.heads.decoders import unet
from candelabra.heads.losses import ArcFace
from candelabra.tasks.loading import load_task
from candelabra.tasks.transfer import _copy_head, copy_weights
from tests.conftest import Compose
from tests.data.files import make_folder

SMALL = ("task=classification", "data=folder", "epochs=1", "data.size=32", "data.batch_size=4")


def test_backbone_and_known_classes_come_from_the_run(
    tiny: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pets = make_folder(tmp_path / "pets", 8)
    run_train(tiny(*SMALL, f"data.root={pets}"))
    first = load_task(tmp_path / "train")
    farm = make_folder(tmp_path / "farm", 8, ("bird", "cat", "cow"))
    rate = ("lr=1e-9", f"folder={tmp_path / 'second'}", f"weights={tmp_path / 'train'}", "finetune=frozen")
    run_train(tiny(*SMALL, f"data.root={farm}", *rate))
    said = capsys.readouterr().out
    assert "1 of 3 classes are known" in said
    second = load_task(tmp_path / "second")
    for name, value in first.backbone.state_dict().items():
        assert torch.equal(value, second.backbone.state_dict()[name]), name
    before, after = (task.heads["label"].state_dict() for task in (first, second))
    for key in ("layers.0.weight", "layers.0.bias"):
        torch.testing.assert_close(after[key][1], before[key][0], atol=1e-6, rtol=0)  # cat
        assert not torch.equal(after[key][0], before[key][1])
    with pytest.raises(CandelabraError, match=r"holds weights alone, .* weights=.*best.ckpt begins another run"):
        run_train(tiny(f"resume={tmp_path / 'train' / 'checkpoints' / 'best.ckpt'}"))
    sizes = [(tmp_path / "train" / "checkpoints" / f"{name}.ckpt").stat().st_size for name in ("best", "last")]
    assert sizes[0] < 0.6 * sizes[1]


@pytest.mark.parametrize("kind", [FCOS, RetinaNet, FasterRCNN])
def test_classes_of_a_detector_in_another_order_take_no_weights_of_each_other(kind: Callable[..., Detector]) -> None:
    for name, classes in (("first", ("cat", "dog", "bird")), ("second", ("dog", "bird", "cat"))):
        torch.manual_seed(len(name))
        head = kind(Timm("test_resnet", weights="none"), Labels(BoxesTarget(classes)))
        tensors = {key: torch.randn_like(value.float()) for key, value in head.state_dict().items()}
        if name == "first":
            saved, before = tensors, head
    part = _copy_head("x", {f"x.{k}": v for k, v in tensors.items()}, {f"x.{k}": v for k, v in saved.items()},
        head, before.target_info)  # fmt: skip
    assert part.note == "3 of 3 classes are known"
    assert torch.equal(tensors["thresholds"], saved["thresholds"][[1, 2, 0]])
    for key, value in tensors.items():
        if {"cls_logits", "cls_score", "bbox_pred"} & set(key.split(".")):
            assert not torch.equal(value, saved[key]), key
        elif key.split(".")[0] == "classify":
            assert torch.equal(value, saved[key][[1, 2, 0]]), key


def test_heads_of_another_kind_stay_new(tiny: Compose, tmp_path: Path) -> None:
    words = ("data.count=60", "data.size=32", "epochs=1")
    run_train(tiny(*words, "task=localization"))
    expected = load_task(tmp_path / "train").heads["box"].state_dict()
    run_train(tiny(*words, f"folder={tmp_path / 'second'}"))
    second = load_task(tmp_path / "second")
    parts = {part.name: part for part in copy_weights(second, tmp_path / "train")}
    assert parts["backbone"].taken == parts["backbone"].total
    assert parts["heads.label"].taken == parts["heads.label"].total
    assert parts["heads.mask"].note == "new: the run has no such head"
    assert parts["heads.box"].taken == sum(value.numel() for value in expected.values())
    assert all(torch.equal(value, expected[key]) for key, value in second.heads["box"].state_dict().items())


@pytest.mark.parametrize(
    ("word", "message"),
    [
        (
            "weights=nowhere",
            "weights=nowhere is no run and no checkpoint; for the backbone alone, write backbone.weights=nowhere",
        ),
        ("backbone=test_convnext", r"is of another backbone \(test_resnet\): .* write the backbone=... of that run"),
    ],
)
def test_what_does_not_fit_is_refused(word: str, message: str, tiny: Compose, tmp_path: Path) -> None:
    words = ("data.count=60", "data.size=32", "epochs=1", "task=classification")
    given = () if word.startswith("weights") else (f"weights={tmp_path / 'train'}",)
    if given:
        run_train(tiny(*words))
    with pytest.raises(CandelabraError, match=message):
        run_train(tiny(*words, f"folder={tmp_path / 'second'}", *given, word))


@pytest.mark.parametrize("label", [True, False])
def test_a_head_of_a_renamed_target_keeps_the_rows_of_its_classes(label: bool, tiny: Compose, tmp_path: Path) -> None:
    words = ["data=union", "data.size=32", "data.batch_size=4", "epochs=1"]
    for name, classes in {"pets": ("bee", "cat"), "bugs": ("ant", "bee")}.items():
        words += [f"+data@data.sets.{name}=folder", f"data.sets.{name}.root={make_folder(tmp_path / name, 6, classes)}"]
    words += ["data.sets.bugs.rename={label:insect}"]
    run_train(tiny(*words, *([] if label else ["data.sets.pets.rename={label:pet}"])))
    saved, fresh = load_task(tmp_path / "train"), load_task(tmp_path / "train")
    torch.nn.init.zeros_(fresh.heads["insect"].layers[0].weight)  # type: ignore[operator, index, union-attr]
    parts = {part.name: part for part in copy_weights(fresh, tmp_path / "train")}
    assert all(part.taken == part.total for part in parts.values())
    for name, head in saved.heads.items():
        for key, value in head.state_dict().items():
            assert torch.equal(value, fresh.heads[name].state_dict()[key]), (name, key)


@pytest.mark.parametrize(
    ("build", "first", "second"),
    [
        (Value, torch.linspace(4000, 6000, 300)[:, None], torch.linspace(4, 6, 8)[:, None]),
        (Mask, (torch.rand(9, 64, 64) > 0.999).to(torch.uint8), torch.arange(2).to(torch.uint8).expand(1, 8, 2)),
    ],
)
def test_statistics_of_labels_are_those_of_the_new_data(
    build: Callable[..., Head], first: torch.Tensor, second: torch.Tensor
) -> None:
    labels = Labels(ValueTarget(("age",)), MaskTarget(("no", "yes")))
    given, taking, new = (build(Timm("test_resnet", weights="none"), labels) for _ in range(3))
    given.observe_labels(first, torch.Tensor.clone)
    own, saved = ({f"x.{key}": value for key, value in head.state_dict().items()} for head in (taking, given))
    part = _copy_head("x", own, saved, taking, given.target_info)
    assert (part.taken, part.note) == (part.total, "")
    for head in (taking, new):
        head.observe_labels(second, torch.Tensor.clone)
    for key in ("scale.mean", "scale.variance", "scale.count") if build is Value else ("pixels",):
        torch.testing.assert_close(taking.state_dict()[key], new.state_dict()[key])


A, B = ("ant", "bee", "cat", "dog"), ("bee", "cat", "dog", "emu")


@pytest.mark.parametrize(
    ("build", "kind", "rows"),
    [
        (partial(Label, hidden=[4]), LabelTarget, ["layers.2"]),
        (partial(Embedding, dimensions=4, hidden=[4]), LabelTarget, []),
        (partial(Embedding, dimensions=4, loss=ArcFace), LabelTarget, []),
        (partial(Auxiliary, width=4, hidden=4), LabelTarget, ["main.layers.0", "others.0.7"]),
        (partial(Mask, decoder=partial(unet, widths=[8, 8, 4, 4])), MaskTarget, ["classify"]),
        (partial(FCOS, width=4), BoxesTarget, ["classify", "thresholds"]),
        (partial(MaskRCNN, width=4, detector=partial(FCOS, width=4)), InstancesTarget,
            ["detector.classify", "detector.thresholds"]),
    ],
)  # fmt: skip
def test_layers_that_are_as_wide_as_there_are_classes_are_copied_as_they_are(
    build: Callable[..., Head], kind: Callable[..., Target], rows: list[str]
) -> None:
    backbone = Timm("test_resnet", weights="none")
    given, taking = (build(backbone, Labels(kind(classes))) for classes in (A, B))
    own, saved = (
        {f"x.{key}": torch.rand_like(value.float()) for key, value in head.state_dict().items()}
        for head in (taking, given)
    )
    _copy_head("x", own, saved, taking, given.target_info)
    for key, value in own.items():
        if key.startswith("x.criterion"):  # a column a class
            assert not torch.equal(value, saved[key])
        elif key == "x.pixels":
            continue
        elif key.removeprefix("x.").startswith(tuple(rows)) and rows:
            assert torch.equal(value[:3], saved[key][1:]), key
            assert not torch.equal(value[3], saved[key][3])
        else:
            assert torch.equal(value, saved[key]), key


def test_grades_in_another_order_take_no_weights_of_each_other() -> None:
    backbone, grades = Timm("test_resnet", weights="none"), ("none", "mild", "severe")
    given, taking, same = (Ordinal(backbone, Labels(OrdinalTarget(each))) for each in (grades, grades[::-1], grades))
    saved = {f"x.{key}": torch.rand_like(value) for key, value in given.state_dict().items()}
    own = {f"x.{key}": value.clone() for key, value in taking.state_dict().items()}
    part = _copy_head("x", own, saved, taking, given.target_info)
    assert (part.taken, part.note) == (0, "new: the run has other grades, or another order of them")
    assert all(torch.equal(value, own[f"x.{key}"]) for key, value in taking.state_dict().items())
    part = _copy_head("x", own, saved, same, given.target_info)
    assert part.taken == part.total
