"""`candelabra export`: a checkpoint as one file that takes pictures and gives answers."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from rich.table import Table

from candelabra.config.build import PlainConfig, build_object, resolve_config
from candelabra.data.loading.dataset_part import parse_size
from candelabra.data.samples import SPLITS
from candelabra.errors import CandelabraError
from candelabra.export.comparison import Deviation
from candelabra.export.exporter import GateData, GateFailure, export_model
from candelabra.export.formats import ModelFormat, OnnxFormat
from candelabra.export.gate import StageDeviation
from candelabra.export.picture_model import make_picture_model
from candelabra.heads import DECODING_OPTIONS
from candelabra.prediction.model import Model
from candelabra.report.consoles import make_console
from candelabra.runs.checkpoints import find_checkpoint
from candelabra.tasks.preprocessing import read_trained_resize
from candelabra.training.trained_data import open_trained_data

log = logging.getLogger(__name__)
_OFF = "off"


def run_export(config: DictConfig) -> int:
    """Writes <name>.onnx (or .xml and .bin, or .pt2) and <name>.json; prints what was compared.

    Returns:
        The exit code: 1 where the file gives other answers than the checkpoint; it is not kept then.

    Raises:
        CandelabraError: the checkpoint, its data or the format cannot be used.
    """
    plain = resolve_config(config)
    form = build_object(plain["to"])
    _check_options(plain, form)
    form.check()
    size = None if plain["size"] is None else parse_size(plain["size"], "size")
    checkpoint = find_checkpoint(plain["checkpoint"])
    trained = Model(checkpoint, "cpu", "32-true", size, 8, None, {key: plain[key] for key in DECODING_OPTIONS})
    training = trained.task.recipe["config"]["data"]
    model = make_picture_model(trained.task, trained.size, read_trained_resize(training), plain["heads"])
    data = None if plain["gate"] == _OFF else open_gate_data(plain, trained)
    path = Path(plain["folder"]) / f"{plain['name']}{form.suffix}"
    try:
        int8, half = plain["quantise"] == "int8", bool(plain["half"])
        found = export_model(model, trained, path, form, data, int8, half, checkpoint)
    except GateFailure as failure:
        print_deviations(failure.deviations)
        print_stages(failure.stages)
        log.error("%s gives other answers than checkpoint=%s: nothing was written", path, plain["checkpoint"])
        return 1
    if found is None:
        log.warning("gate=off: nobody compared %s with its checkpoint", path)
    else:
        print_deviations(found)
    log.info("%s and %s.json, %.1f MB", path, path.stem, path.stat().st_size / 1e6)
    return 0


def _check_options(plain: PlainConfig, form: Any) -> None:
    if not isinstance(form, ModelFormat):
        raise CandelabraError(
            "to= names a format of candelabra convert; a model is exported with to=onnx, openvino or torch_export."
        )
    if plain["gate"] not in (*SPLITS, _OFF):
        raise CandelabraError(f"gate={plain['gate']} is not known; allowed are {', '.join(SPLITS)} and {_OFF}.")
    if plain["quantise"] not in (None, "int8"):
        raise CandelabraError(f"quantise={plain['quantise']} is not known; allowed are int8 and null.")
    if plain["half"] and (plain["quantise"] or type(form).shrink is ModelFormat.shrink):
        raise CandelabraError("half=true needs to=onnx or to=openvino, and no quantise.")
    if plain["quantise"] and (not isinstance(form, OnnxFormat) or plain["gate"] == _OFF):
        raise CandelabraError(
            "quantise=int8 needs to=onnx, and pictures to measure what it loses: leave gate as it is."
        )
    if not isinstance(plain["pictures"], int) or plain["pictures"] < 8:
        raise CandelabraError(f"pictures={plain['pictures']} cannot be used; at least 8 are compared.")
    if Path(str(plain["name"])).name != plain["name"]:
        raise CandelabraError(f"name={plain['name']} is no name of a file; set folder=<folder> for where it goes.")


def open_gate_data(plain: PlainConfig, trained: Model) -> GateData:
    """The pictures of a training, where they are now, or others that label the same.

    Args:
        plain: config of the command.
        trained: the checkpoint, whose size they get.

    Raises:
        CandelabraError: they cannot be read, are labelled otherwise, or images were added and the split would be drawn
            anew; gate=off exports without them.
    """
    sizes = {} if plain["size"] is None else {"size": list(trained.size)}
    split = plain["gate"]
    advice = "Give data.split=<run>/splits.csv, the split of the training."
    try:
        data = open_trained_data(trained.task.recipe, plain["data"], split, {"cache": "none", **sizes}, advice)
        data.plan.require_images(split, "gate")
    except CandelabraError as error:
        raise CandelabraError(
            f"The pictures on which the exported file is compared with the checkpoint cannot be used: {error} Give "
            "data.root=<folder>, or gate=off for a file that nobody compared."
        ) from error
    if plain["quantise"] and not len(data.plan.parts["train"]):
        raise CandelabraError(
            f"quantise={plain['quantise']} needs pictures of training, and data.root={plain['data']['root']} has none; "
            "give the data of the training, or say which are with data.split=<table>."
        )
    data.disable_augmentation()
    return GateData(split, data.dataset(split), data.dataset("train"), data.labels, plain["pictures"])


def print_deviations(deviations: Sequence[Deviation]) -> None:
    """Prints how far each answer of an exported model is from that of the checkpoint."""
    table = Table("head", "measure", "reached", "allowed", "", title="exported model against its checkpoint")
    for each in deviations:
        verdict = "" if each.passes else "[red]differs[/red]"
        table.add_row(each.head, each.measure, f"{each.reached:.2g}", f"{each.allowed:.2g}", verdict)
    make_console().print(table)


def print_stages(stages: Sequence[StageDeviation]) -> None:
    """Prints the stages of the picture that differs most, and the first one at which both part."""
    if not stages:
        return
    first = next((each for each in stages if not each.passes), None)
    table = Table("stage", "deviation", "", title="stages, relative to their norm")
    for each in stages:
        table.add_row(each.stage, f"{each.reached:.2g}", "[red]they part here[/red]" if each is first else "")
    make_console().print(table)
