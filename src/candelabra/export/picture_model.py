"""The module that is exported: pictures of any size in, answers in their pixels out."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import cast

import torch
from torch import Tensor, nn

from candelabra.backbones.backbone import Backbone
from candelabra.backbones.export.lora_merge import merge_lora
from candelabra.errors import CandelabraError, list_nearest
from candelabra.export.resizing import resize_pictures, view_pictures
from candelabra.heads.embedding import Embedding
from candelabra.heads.head import Head
from candelabra.runtime.description import EMBEDDING_NAME, RAW_SUFFIX
from candelabra.tasks.task import Task
from candelabra.types import Features, Size


class PictureModel(nn.Module):
    """Resizes and normalises pictures as evaluation does, runs the network, and decodes what the heads find.

    Args:
        backbone: images -> features; in evaluation mode.
        heads: by name, likewise.
        size: (H, W) in pixels that the network sees.
        resize: stretch, letterbox or crop.
    """

    def __init__(self, backbone: Backbone, heads: Mapping[str, Head], size: Size, resize: str) -> None:
        super().__init__()
        self.backbone, self.heads = backbone, nn.ModuleDict(heads)
        self.size, self.resize = size, resize

    def named_heads(self) -> list[tuple[str, Head]]:
        """Names and heads, typed."""
        return [(name, cast(Head, head)) for name, head in self.heads.items()]

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Pictures (N, H, W, 3) uint8 RGB -> outputs by name.

        The answer of a head has its name, its raw outputs `<name>_raw`; `embedding` is (N, D):
        of the embedding head, or else the spatial mean of the final map.
        """
        stages = self.trace_stages(images)
        return {name: value for name, value in stages.items() if not is_stage(name)}

    def trace_stages(self, images: Tensor) -> dict[str, Tensor]:
        """The outputs of `forward` and, before them, those of each stage: `stage_pixels`, `stage_map_0`, ..."""
        view = view_pictures(images, self.size, self.resize)
        pixels = resize_pictures(images, view)
        features: Features = self.backbone(pixels / 255)
        stages = {"stage_pixels": pixels}
        stages |= {f"stage_map_{number}": each for number, each in enumerate(features.maps)}
        stages |= {"stage_final": features.final, EMBEDDING_NAME: features.final.mean((2, 3))}
        for name, head in self.named_heads():
            raw = head(features)
            stages[name + RAW_SUFFIX] = raw
            for suffix, answer in head.decode_pictures(raw, view).items():
                stages[f"{name}_{suffix}" if suffix else name] = answer
            if isinstance(head, Embedding):
                stages[EMBEDDING_NAME] = raw
        return stages


class StageModel(nn.Module):
    """A `PictureModel` that gives its stages as well, to find the first one that an exporter translates wrongly."""

    def __init__(self, model: PictureModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """See `PictureModel.trace_stages`."""
        return self.model.trace_stages(images)


def is_stage(name: str) -> bool:
    """Whether an output is of a stage before the heads."""
    return name.startswith("stage_")


def make_picture_model(task: Task, size: Size, resize: str, heads: Sequence[str] | None = None) -> PictureModel:
    """Copies the networks of a task, which stays as it is, to the CPU in float32; adapters are merged in the copy.

    Args:
        task: trained; its mode, device and precision do not matter.
        size: see `PictureModel`.
        resize: likewise.
        heads: names of those to export; null for all, none for the backbone alone.

    Raises:
        CandelabraError: the task has no such head, or one of them cannot be exported.
    """
    named = dict(task.named_heads())
    unknown = [name for name in heads or () if name not in named]
    if unknown:
        word = unknown[0]
        raise CandelabraError(
            f"heads=[{word}] is not known to this checkpoint; allowed are {list_nearest(word, named)}."
        )
    chosen = {name: named[name] for name in (named if heads is None else dict.fromkeys(heads))}
    model = PictureModel(*deepcopy((task.backbone, chosen)), size, resize).cpu().float().eval().requires_grad_(False)
    merge_lora(model.backbone)
    for name, head in model.named_heads():
        if type(head).decode_pictures is Head.decode_pictures:
            raise CandelabraError(
                f"The head {name} ({type(head).__name__}) has no `decode_pictures`, so it cannot be exported; name "
                "others with heads=[...]."
            )
    with torch.no_grad():
        model(torch.zeros(1, *size, 3, dtype=torch.uint8))  # a head that refuses does so here
    return model
