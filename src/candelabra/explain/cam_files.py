"""Explains images of a source with a checkpoint, and writes a picture of each, their numbers and a page."""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from candelabra.data.targets import ResizeGeometry
from candelabra.errors import CandelabraError
from candelabra.explain.explanation import AUTO_LAYER, Explanation, check_methods, explain_image
from candelabra.explain.loading import make_network, pick_head, scale_image
from candelabra.explain.methods import METHODS, ExplainSettings
from candelabra.explain.network import ScoredNetwork
from candelabra.explain.pictures import arrange_panels, overlay_map, scale_pixels
from candelabra.explain.restoration import restore_map
from candelabra.heads import Head, NoAnswer
from candelabra.prediction.input_images import InputImage
from candelabra.prediction.model import Model
from candelabra.report.html.embedded_images import read_embedded_images
from candelabra.report.html.page import write_page
from candelabra.report.pictures import draw_sample
from candelabra.storage.atomic import write_atomically
from candelabra.types import Size

log = logging.getLogger(__name__)
_LEAST, _MOST = 320, 640  # pixels of the longer side of a panel
_FINE = 7  # cells a side, as at the end of most networks at 224 pixels
_COLUMNS = 4  # panels beside each other


@dataclass(frozen=True)
class CamRequest:
    """What is to be explained, and how.

    Args:
        head: name of the head; null for the first.
        target: the answer, see `Head.find_answer`; null for what the head says.
        methods: keys of `METHODS`.
        layers: names of maps, see `explain_image`.
        negative: whether to show what speaks against the answer.
        settings: of the methods.
    """

    head: str | None = None
    target: str | None = None
    methods: Sequence[str] = ("gradcam",)
    layers: Sequence[str] = (AUTO_LAYER,)
    negative: bool = False
    settings: ExplainSettings = field(default_factory=ExplainSettings)


def write_cams(model: Model, sources: Sequence[Path], names: Sequence[str], request: CamRequest, folder: Path) -> int:
    """Writes pictures/<name>.png for each image, explain.npz and explain.html; returns how many were explained.

    Args:
        model: see `load_explained`.
        sources: image files.
        names: of their pictures, one each.
        request: what to explain.
        folder: for the files.

    Raises:
        CandelabraError: nothing could be explained, or the request cannot be used.
    """
    check_methods(request.methods)
    _, head = pick_head(model, request.head)
    by_path = dict(zip(map(str, sources), names, strict=True))
    unreadable: list[tuple[str, str]] = []
    numbers: dict[str, list[Any]] = {}
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    problem, layers = "", request.layers
    for given, image, geometry in model.prepare(list(sources), unreadable):
        try:
            network = make_network(model, head, image, request.target, request.negative)
        except NoAnswer as error:
            problem = f"{given.name}: {error}"
            log.warning("%s; it is left out", problem)
            continue
        found = explain_image(network, scale_image(image, model.device), request.methods, layers, request.settings)
        layers = list(dict.fromkeys(each.layer for each in found if METHODS[each.method].layered)) or layers
        if not numbers:
            _report_coarse(model, found, geometry.size)
        _report_empty(given.name, network, found, request.negative)
        picture = draw_explanations(model, head, given, geometry, network, found)
        picture.save(folder / "pictures" / f"{by_path[given.name]}.png")
        _collect_numbers(numbers, given, geometry, network, found)
    for name, problem in unreadable:
        log.warning("%s cannot be read and is left out: %s", name, problem)
    if not numbers:
        raise CandelabraError(f"No image could be explained ({problem}); give another target or source.")
    arrays: dict[str, Any] = {
        key: np.stack(values) if key.startswith("heat/") else np.array(values) for key, values in numbers.items()
    }
    write_atomically(folder / "explain.npz", lambda file: np.savez_compressed(file, **arrays))
    pictures, problems = read_embedded_images([folder / "pictures"])
    template = Path(__file__).with_name("page.html")
    write_page(template, folder / "explain.html", pictures=pictures, problems=problems, titles=_list_titles(request))
    return len(numbers["name"])


def draw_explanations(
    model: Model,
    head: Head,
    given: InputImage,
    geometry: ResizeGeometry,
    network: ScoredNetwork,
    found: Sequence[Explanation],
) -> Image.Image:
    """The image with what the head says of it, and beside it a panel for each map of evidence."""
    pixels = scale_pixels(given.read_pixels(), _LEAST, _MOST)
    size = (pixels.shape[0], pixels.shape[1])
    panels = [(f"answer: {network.words}", _draw_prediction(model, head, given, geometry, pixels))]
    for each in found:
        words = each.title + (": nothing" if each.is_empty else "")
        panels.append((words, overlay_map(pixels, restore_map(each.heat, geometry, size))))
    return arrange_panels(panels, min(_COLUMNS, math.ceil(math.sqrt(len(panels)))))


def _draw_prediction(
    model: Model,
    head: Head,
    given: InputImage,
    geometry: ResizeGeometry,
    pixels: NDArray[np.uint8],
) -> Image.Image:
    target = head.predicted_target
    prediction = next(model.predict([given.given]))
    name = next(key for key, each in model.task.named_heads() if each is head)
    size = (pixels.shape[0], pixels.shape[1])
    value = target.enlarge(prediction.values[name], size[1] / geometry.original[1], size)
    return draw_sample(pixels, {name: value}, {name: target})


def _report_coarse(model: Model, found: Sequence[Explanation], size: Size) -> None:
    """Says that a map of an image of a size (H, W) has few cells, and what makes finer ones."""
    cells = min((min(each.heat.shape) for each in found if METHODS[each.method].layered), default=_FINE)
    if cells >= _FINE:
        return
    sides = [min(size) // stride for stride in model.backbone.strides]
    stage = max((stage for stage, side in enumerate(sides) if side >= _FINE), default=0)
    earlier = f"layer={stage}, an earlier stage, has {sides[stage]}; " if sides[stage] > cells else ""
    words = "the map is coarse, with %d cells a side; %slarger images, size=%d say, give more"
    log.warning(words, cells, earlier, 2 * min(size))


def _report_empty(name: str, network: ScoredNetwork, found: Sequence[Explanation], negative: bool) -> None:
    """Says which maps are zero everywhere."""
    for each in found:
        if each.is_empty:
            further = "" if negative else "; sign=negative shows what speaks against it"
            words = "%s: %s: the map is zero everywhere: nothing speaks for %s%s"
            log.warning(words, name, each.title, network.words, further)


def _collect_numbers(
    numbers: dict[str, list[Any]],
    given: InputImage,
    geometry: ResizeGeometry,
    network: ScoredNetwork,
    found: Sequence[Explanation],
) -> None:
    """Adds the maps of one image, and where it lies in them."""
    region = geometry.region
    numbers.setdefault("name", []).append(given.name)
    numbers.setdefault("answer", []).append(network.words)
    for key, value in (
        ("original", geometry.original),
        ("scaled", geometry.scaled),
        ("corner", geometry.corner),
        ("size", geometry.size),
        ("rows", region.rows if region else (0, geometry.original[0], geometry.original[0])),
        ("columns", region.columns if region else (0, geometry.original[1], geometry.original[1])),
    ):
        numbers.setdefault(key, []).append(value)
    for each in found:
        numbers.setdefault(f"heat/{each.method}/{each.layer}", []).append(each.heat.numpy())


def _list_titles(request: CamRequest) -> str:
    return ", ".join(METHODS[method].title for method in request.methods)
