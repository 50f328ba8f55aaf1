"""Pictures of what heads look at while they learn, for trackers."""

import logging
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.trainer.states import TrainerFn
from PIL import Image

from candelabra.config.build import PlainConfig
from candelabra.data.loading.sample_datamodule import SampleDataModule
from candelabra.errors import CandelabraError
from candelabra.explain.explanation import explain_image
from candelabra.explain.measures import enlarge_heat
from candelabra.explain.network import HeadNetwork, prepare_module
from candelabra.explain.pictures import arrange_panels, overlay_map, scale_pixels
from candelabra.loggers.csv import CsvLogger
from candelabra.loggers.guard import guard_loggers
from candelabra.tasks.task import Task
from candelabra.types import Sample

log = logging.getLogger(__name__)
_SHOWN = 6  # images
_SIDE = 192  # pixels of a picture


class CamLog(L.Callback):
    """Logs Grad-CAM of each head for the same validation images, under the name `explain`.

    It draws nothing at random and leaves the task as it is, so a run learns the same with it and without.

    Args:
        data: of the images.
        every: epochs between two pictures.
    """

    def __init__(self, data: SampleDataModule, every: int) -> None:
        self.data, self.every = data, every
        self.samples: list[Sample] = []

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        shown = [guard for guard in guard_loggers(trainer.loggers) if not isinstance(guard.tracker, CsvLogger)]
        if not shown:
            log.warning(
                "explain.every=%d: no logger of this run shows pictures; give logger=tensorboard, say", self.every
            )
        if shown and isinstance(pl_module, Task):
            prepared = self.data.dataset("val")
            self.samples = [prepared[place] for place in self.data.spread_positions("val", _SHOWN)]

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        due = (trainer.current_epoch + 1) % self.every == 0
        if not due or not self.samples or trainer.state.fn != TrainerFn.FITTING or trainer.sanity_checking:
            return
        assert isinstance(pl_module, Task)
        picture = np.asarray(draw_task_cams(pl_module, self.samples))  # on all ranks, as sharded networks need
        if trainer.is_global_zero:
            step = trainer.fit_loop.epoch_loop._batches_that_stepped
            for guard in guard_loggers(trainer.loggers):
                guard.do(lambda tracker: tracker.picture("explain", picture, step))


def make_cam_log(options: PlainConfig | None, data: SampleDataModule) -> list[L.Callback]:
    """The callback that `explain.every` asks for, if it does.

    Args:
        options: the node `explain` of a training; null in configs from before there was one.
        data: of the training.
    """
    every: Any = options and options.get("every")
    return [] if every is None else [CamLog(data, every)]


def draw_task_cams(task: Task, samples: list[Sample]) -> Image.Image:
    """A row for each sample: Grad-CAM of what each head says of it.

    Args:
        task: afterwards as it was.
        samples: prepared.
    """
    panels = []
    device = next(task.backbone.parameters()).device
    # Lightning validates in inference mode, which has no gradients.
    with torch.inference_mode(False), torch.enable_grad(), torch.autocast(device.type, enabled=False):
        for sample in samples:
            pixels = sample["image"].clone()
            image = (pixels / 255 if pixels.dtype == torch.uint8 else pixels).to(device)
            shown = scale_pixels((image * 255).round().byte().permute(1, 2, 0).cpu().numpy(), _SIDE, _SIDE)
            for name in task.heads:
                panels.append(_draw_head(task, name, image, shown))
    return arrange_panels(panels, len(task.heads))


def _draw_head(task: Task, name: str, image: torch.Tensor, shown: Any) -> tuple[str, Image.Image]:
    with prepare_module(task.backbone) as backbone, prepare_module(dict(task.named_heads())[name]) as head:
        try:
            with torch.no_grad():
                answer = head.find_answer(backbone(image[None]))
        except CandelabraError as error:
            return f"{name}: {error}", Image.fromarray(shown)
        (found,) = explain_image(HeadNetwork(backbone, head, answer), image)
    heat = enlarge_heat(found.heat, (shown.shape[0], shown.shape[1]))
    return f"{name}: {answer.words}", overlay_map(shown, heat)
