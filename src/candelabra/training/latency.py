"""How long one image takes, from pixels to outputs."""

import time
from statistics import median

import lightning as L
import torch

from candelabra.data.loading.sample_datamodule import SampleDataModule
from candelabra.tasks.task import Task

_WARM, _MOST, _SECONDS = 3, 30, 2.0  # passes that are not counted, that are, and what they may take


def measure_latency(task: Task, data: SampleDataModule, trainer: L.Trainer) -> float:
    """Median milliseconds of a forward pass of one image, with the size, device and precision of the run."""
    device = trainer.strategy.root_device
    task.to(device).eval()
    image = data.dataset("train")[data.spread_positions("train", 1)[0]]["image"][None].to(device)
    times: list[float] = []
    begun = time.perf_counter()
    with torch.inference_mode(), trainer.precision_plugin.forward_context():
        while len(times) < _WARM + _MOST and (len(times) <= _WARM or time.perf_counter() - begun < _SECONDS):
            before = time.perf_counter()
            task(image)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            times.append(time.perf_counter() - before)
    return round(1000 * median(times[_WARM:]), 3)
