"""Export a checkpoint: write the file, compare it with the checkpoint, and only then give it its name."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from candelabra.data.loading.transformed_dataset import TransformedDataset
from candelabra.data.targets import Labels
from candelabra.export.comparison import TOLERANCES, Deviation
from candelabra.export.document import describe_file, describe_gate, describe_model, describe_versions
from candelabra.export.formats import ModelFormat
from candelabra.export.gate import (
    StageDeviation,
    bisect_stages,
    compare_metrics,
    compare_with_checkpoint,
    measure_heads,
)
from candelabra.export.gate_pictures import collect_gate_pictures
from candelabra.export.int8 import quantize_onnx
from candelabra.export.onnx_file import list_outputs
from candelabra.export.picture_model import PictureModel, StageModel
from candelabra.prediction.model import Model as TrainedModel
from candelabra.runtime.description import find_description
from candelabra.runtime.model import Model
from candelabra.runtime.sessions import Session
from candelabra.storage.atomic import write_atomically
from candelabra.storage.strict_json import format_json
from candelabra.tasks.exported import load_exported_task

log = logging.getLogger(__name__)
ALLOWED_LOSS = 0.01  # of the main metric of each head by int8 or 16 bits, at most
_LOSS_SAMPLES = 256  # of metrics: fewer would not tell a loss of a hundredth


@dataclass(frozen=True)
class GateData:
    """The pictures that a model is compared on.

    Args:
        split: their name.
        dataset: of prepared samples, not augmented.
        training: likewise of the training split, for calibration.
        labels: of both.
        pictures: how many are compared.
    """

    split: str
    dataset: TransformedDataset
    training: TransformedDataset
    labels: Labels
    pictures: int


class GateFailure(Exception):
    """An exported file gives other answers than its checkpoint; nothing was kept.

    Args:
        deviations: of all answers.
        stages: of the picture that differs most; none where stages were not compared.
    """

    def __init__(self, deviations: Sequence[Deviation], stages: Sequence[StageDeviation]) -> None:
        super().__init__("The exported model gives other answers than its checkpoint.")
        self.deviations, self.stages = deviations, stages


def export_model(
    model: PictureModel,
    trained: TrainedModel,
    path: Path,
    form: ModelFormat,
    data: GateData | None,
    int8: bool = False,
    half: bool = False,
    checkpoint: Path | None = None,
) -> list[Deviation] | None:
    """Writes a model and its model.json.

    Args:
        model: that is exported.
        trained: the checkpoint, on the CPU in float32.
        path: of the file.
        form: its format.
        data: pictures to compare on; null for no gate.
        int8: quantise the network; needs `data`.
        half: store weights in 16 bits.
        checkpoint: whose hash is noted.

    Returns:
        What the gate measured; null without one.

    Raises:
        GateFailure: the file differs from the checkpoint by more than is allowed.
        CandelabraError: the model cannot be exported.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent, prefix=".export-") as place:
        draft = Path(place) / path.name
        form.write(model, draft, model.size)
        outputs = list_outputs(model, model.size)
        document = describe_model(model, trained, form.name, outputs)
        write_atomically(find_description(draft), format_json(document))
        if int8 and data is not None:
            quantize_onnx(draft, collect_gate_pictures(data.training, data.pictures, model.size), model.size)
        if half:
            form.shrink(draft)
        session = form.open(draft, outputs)
        deviations = None
        if data is not None:
            measured = _measure_losses if int8 or half else _measure
            deviations = measured(model, trained, draft, session, form, data)
        document["quantised"], document["half"] = "int8" if int8 else None, half
        document["gate"] = describe_gate(deviations, data.pictures if data else 0, data.split if data else "")
        document["versions"] = describe_versions(form.packages)
        document["checkpoint"] = None if checkpoint is None else describe_file(checkpoint)
        document["file"] = describe_file(draft)
        write_atomically(find_description(draft), format_json(document))
        for file in sorted(Path(place).iterdir()):
            file.replace(path.parent / file.name)
    return deviations


def _measure(
    model: PictureModel, trained: TrainedModel, draft: Path, session: Session, form: ModelFormat, data: GateData
) -> list[Deviation]:
    """Compares answers and metrics.

    Raises:
        GateFailure: they differ; with the stages of the picture that differs most.
    """
    pictures = collect_gate_pictures(data.dataset, data.pictures, model.size)
    exported = Model(draft, session=session)
    deviations = compare_with_checkpoint(trained, exported, pictures)
    if exported.kinds:
        deviations += _compare_metrics(trained, draft, session, data, data.pictures, TOLERANCES["metric"], both=True)
    wrong = [each for each in deviations if not each.passes]
    if wrong:
        number = next((each.picture for each in wrong if 0 <= each.picture < len(pictures)), 0)
        pixels = exported.read("", pictures[number]).pixels

        def write_stages() -> tuple[Session, list[str]]:
            stages, file = StageModel(model), draft.with_name(f"stages{form.suffix}")
            form.write(stages, file, model.size)
            names = list_outputs(stages, model.size)
            return form.open(file, names), names

        raise GateFailure(deviations, bisect_stages(trained, pixels, write_stages))
    return deviations


def _measure_losses(
    model: PictureModel, trained: TrainedModel, draft: Path, session: Session, form: ModelFormat, data: GateData
) -> list[Deviation]:
    deviations = _compare_metrics(trained, draft, session, data, _LOSS_SAMPLES, ALLOWED_LOSS, both=False)
    if not all(each.passes for each in deviations):
        raise GateFailure(deviations, [])
    return deviations


def _compare_metrics(
    trained: TrainedModel, draft: Path, session: Session, data: GateData, count: int, allowed: float, both: bool
) -> list[Deviation]:
    task = load_exported_task(draft, session)
    lower: Mapping[str, bool] = {name: head.main_metric in head.lower_is_better for name, head in task.named_heads()}
    after = measure_heads(task, data.dataset, data.labels, count)
    before = measure_heads(trained.task, data.dataset, data.labels, count)
    return compare_metrics({name: before[name] for name in after}, after, lower, allowed, both)
