"""Training with fastai as its documentation does it, on the same images and trunk: see `benchmarks.quality`.

fastai (Howard and Gugger 2020, Apache-2.0) is needed for this alone: `pip install fastai "fastprogress<1.1"`.

`vision_learner` and `unet_learner` download a trunk, so their parts are joined here as they join them: `add_head` and
`DynamicUnet` on the trunk, parameters in three groups divided where those of its ResNets are, batches of 16, float32,
Adam, `aug_transforms`, and `fine_tune`, whose first epoch trains the head and batch normalisation alone.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import lightning as L
import torch
import torch.nn.functional as F
from fastai.vision.all import (
    CrossEntropyLossFlat,
    DataLoaders,
    DynamicUnet,
    IntToFloatTensor,
    Learner,
    Normalize,
    TensorBBox,
    TensorCategory,
    TensorImage,
    TensorMask,
    TensorPoint,
    add_head,
    aug_transforms,
    params,
)
from fastcore.foundation import L as List
from torch import Tensor, nn

from benchmarks.quality_loop import BATCH, build_rival_data, measure_by_hand, plan_epochs
from candelabra.backbones import Timm
from candelabra.config.build import PlainConfig, build_object
from candelabra.heads import Head
from candelabra.types import IGNORED, UNLABELLED, Sample

RATE = 2e-3  # of fine_tune, where nothing else is given
POINT_RATE = 1e-2  # of the points of heads in chapter 6 of its book
STRIDE_8 = 5  # children of the body up to the maps of stride 8, where fastai divides a ResNet


def train_with_fastai(plain: PlainConfig, seed: int, epochs: int, budget: float | None = None) -> dict[str, float]:
    """Trains one head on the data of a config, and measures validation and test with the metrics of our head.

    Args:
        plain: see `train_by_hand`; the backbone is an EfficientNet of timm.
        seed: see `train_by_hand`.
        epochs: over the training images, with the first, of the head alone.
        budget: see `train_by_hand`.

    Returns:
        See `train_by_hand`.
    """
    begun = time.process_time()
    L.seed_everything(seed, verbose=False)
    data, judges = build_rival_data(plain)
    ((name, judge),) = ((name, judge) for name, judge in judges.items() if not is_single_class(judge))
    judges = {name: judge}
    train, val = (
        [
            make_item(sample, judge.target)
            for sample in map(data.dataset(split).__getitem__, range(len(data.dataset(split))))
        ]
        for split in ("train", "val")
    )
    make = partial(make_learner, plain, judge, train, val)
    if budget is not None:
        spare = make()
        spare.unfreeze()
        epochs, begun = plan_epochs(partial(fit_one_epoch, spare), budget, begun)
        L.seed_everything(seed, verbose=False)
    learner = make()
    with learner.no_bar(), learner.no_logging():
        if epochs > 1:
            learner.fine_tune(epochs - 1, POINT_RATE if judge.target in ("box", "keypoints") else RATE)
        else:
            fit_one_epoch(learner)
    steps = epochs * (len(train) // BATCH)
    results = {"steps": float(steps), "seconds": time.process_time() - begun, "images": float(len(train))}
    learner.model.eval()
    trunk = build_object(plain["backbone"])

    def compute_outputs(images: Tensor) -> dict[str, Tensor]:
        pixels = images / 255 if images.dtype == torch.uint8 else images
        outputs = torch.Tensor(learner.model((pixels - trunk.mean) / trunk.std))
        return {name: decode_outputs(outputs, judge.target)}

    return {**results, "epochs": float(epochs), **measure_by_hand(compute_outputs, judges, data)}


def is_single_class(judge: Head) -> bool:
    """There is nothing to learn."""
    return judge.target == "label" and len(judge.target_info.classes) == 1


def fit_one_epoch(learner: Learner) -> None:
    """One epoch of what is not frozen."""
    with learner.no_bar(), learner.no_logging():
        learner.fit_one_cycle(1, RATE)


def make_item(sample: Sample, kind: str) -> tuple[Tensor, Tensor]:
    """Image and target as fastai's types, by which its augmentation knows what to do; places in [-1, 1]."""
    image, target = sample["image"], torch.as_tensor(sample[kind])
    shown = TensorImage(image if image.dtype == torch.uint8 else (image * 255).round().to(torch.uint8))
    if kind == "label":
        return shown, TensorCategory(target.long())
    if kind == "mask":
        return shown, TensorMask(target)
    height, width = image.shape[-2:]
    places = target.float().view(-1, 2) * 2 / torch.tensor([width, height]) - 1
    return shown, TensorBBox(places.view(1, 4)) if kind == "box" else TensorPoint(places)


def decode_outputs(outputs: Tensor, kind: str) -> Tensor:
    """What our head of this target returns; places are in sides of the image there."""
    if kind in ("label", "mask"):
        return outputs
    sides = (outputs + 1) / 2
    return sides if kind == "box" else sides.view(len(sides), -1, 2)


def make_learner(
    plain: PlainConfig, judge: Head, train: Sequence[tuple[Tensor, Tensor]], val: Sequence[tuple[Tensor, Tensor]]
) -> Learner:
    """Data, network, loss and groups of parameters, with the trunk frozen."""
    trunk = build_object(plain["backbone"])
    flip = plain["data"].get("flip", True) and judge.target != "keypoints"
    transforms = [
        IntToFloatTensor(),
        *aug_transforms(do_flip=flip),
        Normalize.from_stats(trunk.mean.flatten().tolist(), trunk.std.flatten().tolist(), cuda=False),
    ]
    loaders = DataLoaders.from_dsets(
        train, val, bs=BATCH, num_workers=0, after_batch=transforms, device=torch.device("cpu")
    )
    network = make_network(trunk, judge, train[0])
    learner = Learner(loaders, network, loss_func=make_loss(judge.target), splitter=split_parameters)
    learner.freeze()
    return learner


def make_network(trunk: Timm, judge: Head, item: tuple[Tensor, Tensor]) -> nn.Module:
    """The body of the trunk with fastai's head, or its U-Net on it."""
    body = nn.Sequential(trunk.network.conv_stem, trunk.network.bn1, *trunk.network.blocks)
    image, target = item
    if judge.target == "mask":
        made: nn.Module = DynamicUnet(body, len(judge.classes), tuple(image.shape[-2:]))  # type: ignore[arg-type]
        return made
    body.extend([trunk.network.conv_head, trunk.network.bn2])
    if judge.target == "label":
        made = add_head(body, trunk.num_features, len(judge.target_info.classes))
    else:
        made = add_head(body, trunk.num_features, target.numel(), y_range=(-1, 1))
    return made


def split_parameters(network: Any) -> Sequence[Sequence[nn.Parameter]]:
    """Three groups: the body in two, and the head."""
    groups: Sequence[Sequence[nn.Parameter]] = List(network[0][:STRIDE_8], network[0][STRIDE_8:], network[1:]).map(
        params
    )
    return groups


def make_loss(kind: str) -> Callable[[Tensor, Tensor], Tensor]:
    """Of labelled samples, pixels and points."""
    if kind == "label":
        return CrossEntropyLossFlat(ignore_index=UNLABELLED)  # type: ignore[no-any-return]
    if kind == "mask":
        return CrossEntropyLossFlat(axis=1, ignore_index=IGNORED)  # type: ignore[no-any-return]
    return compute_place_loss


def compute_place_loss(outputs: Tensor, target: Tensor) -> Tensor:
    """The mean squared error of the coordinates that are known."""
    wanted = torch.Tensor(target).flatten(1)
    known = ~wanted.isnan()
    return F.mse_loss(torch.Tensor(outputs)[known], wanted[known])
