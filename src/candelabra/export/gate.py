"""The gate: an exported file gets its name once it gives the answers of its checkpoint on real pictures."""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch

from candelabra.data.loading.loader import collate_samples
from candelabra.data.loading.transformed_dataset import TransformedDataset
from candelabra.data.samples import image_to_tensor, make_sample
from candelabra.data.targets import Labels
from candelabra.data.transforms.pipeline import make_eval_transforms
from candelabra.data.transforms.resize import make_resize
from candelabra.errors import CandelabraError
from candelabra.export.comparison import TOLERANCES, Deviation, Values, compare_answers, measure_stage
from candelabra.export.gate_pictures import make_gate_batch
from candelabra.prediction.model import Model as TrainedModel
from candelabra.runtime.description import EMBEDDING_NAME, RAW_SUFFIX
from candelabra.runtime.model import Model
from candelabra.runtime.sessions import Pixels, Session
from candelabra.tasks.preprocessing import read_trained_resize
from candelabra.tasks.task import Task
from candelabra.types import Features

_METRIC_BATCH = 8


class StageDeviation(NamedTuple):
    """How far a stage of the exported model is from that of the checkpoint, relative to its norm."""

    stage: str
    reached: float

    @property
    def passes(self) -> bool:
        """Whether it is within the tolerance."""
        return self.reached <= TOLERANCES["stage"]


def compare_with_checkpoint(trained: TrainedModel, exported: Model, pictures: Sequence[bytes]) -> list[Deviation]:
    """Compares all answers, one picture at a time, and eight at once.

    Args:
        trained: the checkpoint, on the CPU in float32.
        exported: the model in its own runtime.
        pictures: files; see `collect_gate_pictures`.
    """
    batch = make_gate_batch([exported.read("", each).pixels for each in pictures])
    vectors = zip(trained.embed([*pictures, *batch]), exported.embed([*pictures, *batch]), strict=True)
    apart = [measure_stage(*pair) for pair in vectors]
    worst = max(range(len(apart)), key=apart.__getitem__)
    found = [Deviation(EMBEDDING_NAME, "stage", apart[worst], worst, TOLERANCES["stage"])]
    if not exported.kinds:
        return found
    together = exported.answer([exported.read("", each) for each in batch])
    answers = [*(exported(each) for each in pictures), *together]
    references = list(trained([*pictures, *batch]))
    for name, about in exported.description.answers.items():
        expected = [each.values[name].numpy() for each in references]
        found += compare_answers(name, about["kind"], expected, [each.values[name] for each in answers])
    return found


def measure_heads(task: Task, dataset: TransformedDataset, labels: Labels, count: int) -> dict[str, float]:
    """The main metric of each head on samples of a dataset, at equal distances; of heads that they label.

    Args:
        task: in evaluation mode.
        dataset: of prepared samples without augmentation.
        labels: of the dataset.
        count: of samples.
    """
    places = dict.fromkeys(int(place) for place in np.linspace(0, len(dataset) - 1, min(count, len(dataset))))
    samples = [dataset[place] for place in places]
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*nan.*")  # of a loss; answers that are NaN do not pass
        for start in range(0, len(samples), _METRIC_BATCH):
            task.test_step(collate_samples(samples[start : start + _METRIC_BATCH], labels), 0)
    numbers = task.metrics_of("test").compute(task.named_heads()).numbers
    keys = {name: f"{name}/{head.main_metric}" for name, head in task.named_heads()}
    return {name: float(numbers[key]) for name, key in keys.items() if key in numbers}


def compare_metrics(
    before: Mapping[str, float], after: Mapping[str, float], lower: Mapping[str, bool], allowed: float, both: bool
) -> list[Deviation]:
    """Compares the main metrics of heads.

    Args:
        before: of the checkpoint.
        after: of the exported model.
        lower: whether lower values are better, by head.
        allowed: the largest loss.
        both: count gains like losses.
    """
    found = []
    for name, value in before.items():
        if math.isnan(value) and math.isnan(after[name]):  # neither could be measured
            continue
        lost = (after[name] - value) * (1 if lower[name] else -1)
        found.append(Deviation(name, "metric", abs(lost) if both else max(lost, 0.0), -1, allowed))
    return found


def trace_checkpoint(trained: TrainedModel, pixels: Pixels) -> dict[str, Values]:
    """The stages of the checkpoint for one picture (H, W, 3), by the names of `PictureModel.trace_stages`."""
    resize = read_trained_resize(trained.task.recipe["config"]["data"])
    pipeline = make_eval_transforms(make_resize(resize, trained.size))
    image = pipeline(make_sample(image_to_tensor(pixels)))["image"]
    stages = {"stage_pixels": image[None].float()}
    with torch.inference_mode():
        features: Features = trained.task.backbone(image[None])
        stages |= {f"stage_map_{number}": each for number, each in enumerate(features.maps)}
        stages |= {"stage_final": features.final, EMBEDDING_NAME: features.final.mean((2, 3))}
        for name, head in trained.task.named_heads():
            stages[name + RAW_SUFFIX] = head(features)
        if trained.embedding is not None:
            stages[EMBEDDING_NAME] = trained.embedding(features)
    return {name: value.numpy() for name, value in stages.items()}


def bisect_stages(
    trained: TrainedModel, pixels: Pixels, write_stages: Callable[[], tuple[Session, list[str]]]
) -> list[StageDeviation]:
    """Compares stage after stage; the first one that does not pass is where both part.

    Args:
        trained: the checkpoint.
        pixels: (H, W, 3) of a picture for which answers differ.
        write_stages: exports the stages as well, and opens them: the session and its outputs.

    Raises:
        CandelabraError: the stages cannot be exported.
    """
    expected = trace_checkpoint(trained, pixels)
    session, names = write_stages()
    wanted = [name for name in names if name in expected]
    if not wanted:
        raise CandelabraError("The stages of this model have no names to compare.")
    found = session.run(pixels[None], wanted)
    return [StageDeviation(name.removeprefix("stage_"), measure_stage(expected[name], found[name])) for name in wanted]
