"""An exported model as a task: its network is run by another runtime, all else is that of the checkpoint."""

from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from candelabra.backbones.backbone import Backbone
from candelabra.errors import CandelabraError
from candelabra.heads.head import Head
from candelabra.runtime.description import EMBEDDING_NAME, PREPARED_SUFFIX, RAW_SUFFIX, read_description
from candelabra.runtime.sessions import Session, open_session
from candelabra.tasks.derived_head import DerivedHead
from candelabra.tasks.loading import rebuild_task
from candelabra.tasks.task import Task
from candelabra.types import Features, Size


class ExportedBackbone(nn.Module):
    """Runs an exported model on prepared images; `maps` are outputs of its heads, in their order.

    Args:
        session: runs the model.
        outputs: names of them.
        size: (H, W) that the network sees; a picture of this size is not resized in the model.
        num_features: of an embedding.
    """

    def __init__(self, session: Session, outputs: list[str], size: Size, num_features: int) -> None:
        super().__init__()
        self.session, self.size, self.num_features = session, size, num_features
        self.names = [*outputs, EMBEDDING_NAME]
        self.adapters: list[nn.Module] = []

    def forward(self, images: Tensor) -> Features:
        """Images (N, 3, H, W), uint8 or float in [0, 1] -> features.

        Raises:
            CandelabraError: they have another size than the exported model.
        """
        size = (images.shape[-2], images.shape[-1])
        if size != self.size:
            raise CandelabraError(
                f"size={list(size)} is not that of this exported model, {list(self.size)}; leave size out, or export "
                "with it."
            )
        pixels = (images * 255).round().to(torch.uint8) if images.is_floating_point() else images
        packed = np.ascontiguousarray(pixels.permute(0, 2, 3, 1).cpu().numpy())
        found = self.session.run(packed, self.names)
        *raw, embedding = (torch.from_numpy(found[name]).to(images.device) for name in self.names)
        return Features(raw, embedding[:, :, None, None], size)

    def embedding(self, images: Tensor) -> Tensor:
        """Embeddings (N, num_features) of images."""
        features: Features = self(images)
        return features.final.mean((2, 3))


def load_exported_task(path: str | Path, session: Session | None = None) -> Task:
    """The task of an exported model, for `predict` and `eval`; the file answers in place of the network.

    Args:
        path: of the exported file; its model.json lies beside it.
        session: that runs it; null opens the file by its ending.

    Raises:
        CandelabraError: there is no such model, it cannot be run here, or its recipe is refused.
    """
    path = Path(path).expanduser()
    description = read_description(path)
    session = session or open_session(path)
    recipe = description.document.get("training")
    if not isinstance(recipe, dict) or not {"config", "labels", "plugins"} <= recipe.keys():
        raise CandelabraError(f"model={path}: its model.json has no training; export the checkpoint again.")
    weights = path if path.suffix != ".xml" else path.with_suffix(".bin")
    task = rebuild_task(recipe, weights, f"model={path}", None)
    named = {name: head for name, head in task.named_heads() if name in description.answers}
    for name, head in named.items():
        try:
            head.restore_answer(description.answers[name])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise CandelabraError(
                f"model={path}: what its model.json says of the head {name} cannot be used ({type(error).__name__}: "
                f"{error}); export the checkpoint again."
            ) from error
    # Layers that decode are in the file alone, so what they found is read from it.
    outputs = [name + (PREPARED_SUFFIX if head.decodes_by_weights else RAW_SUFFIX) for name, head in named.items()]
    backbone = ExportedBackbone(session, outputs, description.size, task.backbone.num_features)
    task.backbone = cast(Backbone, backbone)
    task.heads = nn.ModuleDict(
        {
            name: DerivedHead(head, partial(_select_output, number), head.decodes_by_weights)
            for number, (name, head) in enumerate(named.items())
        }
    )
    return task.eval()


def _select_output(number: int, head: Head, features: Features) -> Tensor:
    return features.maps[number]
