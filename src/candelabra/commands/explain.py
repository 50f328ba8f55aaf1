"""`candelabra explain cam | maps | filters | maximise | fool | measure`."""

import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from candelabra.cli.arguments import Arguments, parse_arguments
from candelabra.commands.compare import make_run_folder
from candelabra.errors import CandelabraError, list_nearest

if TYPE_CHECKING:
    from candelabra.backbones.backbone import Backbone

_SHARED = ("size", "device", "folder")
_BACKBONE = ("backbone", "weights", "checkpoint")
_ASCENT = ("steps", "jitter", "seed", "l1", "l2", "tv")


def run_explain(words: Sequence[str]) -> None:
    """Runs an action and prints where its pictures are.

    Args:
        words: as typed: an action and keys with their values.

    Raises:
        CandelabraError: a word is not known or missing, or an action cannot be done.
    """
    action, *rest = words or [""]
    if action not in _ACTIONS:
        given = f"explain {action} is not known" if action else "candelabra explain needs a word"
        raise CandelabraError(f"{given}; allowed are {list_nearest(action, _ACTIONS)}.")
    function, needed, further = _ACTIONS[action]
    arguments = parse_arguments(rest, [*needed, *further, *_SHARED], f"explain {action}")
    for word in arguments.positional:
        raise CandelabraError(f"explain {action} takes keys with values, not {word}; see candelabra explain --help.")
    for key in needed:
        if key not in arguments.options:
            raise CandelabraError(f"{key} is not given; add {key}=<value>.")
    warnings.filterwarnings("ignore", module="lightning|torch|timm")  # advice to the developers of this program
    logging.getLogger("timm").setLevel(logging.WARNING)
    folder = Path(arguments.options["folder"]) if "folder" in arguments.options else make_run_folder()
    function(arguments, folder)


def _run_cam(arguments: Arguments, folder: Path) -> None:
    methods = _split(arguments, "method", "gradcam")
    sign = arguments.choice("sign", ["positive", "negative"])
    from candelabra.data.decoding.image_sources import list_sources
    from candelabra.explain.cam_files import CamRequest, write_cams
    from candelabra.explain.explanation import check_methods
    from candelabra.explain.loading import load_explained
    from candelabra.explain.methods import METHODS
    from candelabra.prediction.output_names import choose_output_names

    methods = list(METHODS) if methods == ["all"] else methods
    check_methods(methods)
    options = arguments.options
    request = CamRequest(
        options.get("head"), options.get("target"), methods, _split(arguments, "layer", "auto"), sign == "negative"
    )
    paths = list_sources(options["source"])
    model = load_explained(options["checkpoint"], options.get("device", "auto"), _parse_size(arguments))
    count = write_cams(model, paths, choose_output_names(paths), request, folder)
    print(f"{count} of {len(paths)} images: {folder / 'explain.html'}, {folder / 'pictures'}, {folder / 'explain.npz'}")


def _run_maps(arguments: Arguments, folder: Path) -> None:
    from candelabra.data.decoding.image_sources import list_sources
    from candelabra.explain.feature_maps import compute_feature_maps, write_feature_maps
    from candelabra.explain.loading import read_images

    path = list_sources(arguments.options["source"])[0]
    backbone = _load_backbone(arguments)
    side = _parse_size(arguments) or backbone.side
    image = next(read_images([path], side, backbone.mean.device), None)
    if image is None:
        raise CandelabraError(f"source={path} cannot be read; give another image.")
    rows = write_feature_maps(compute_feature_maps(backbone, image, arguments.options.get("stage")), folder)
    for name, shape in rows:
        print(f"{name:24}{shape}")
    print(f"{folder / 'pictures'}")


def _run_filters(arguments: Arguments, folder: Path) -> None:
    from candelabra.explain.feature_maps import draw_filters

    name, picture = draw_filters(_load_backbone(arguments))
    folder.mkdir(parents=True, exist_ok=True)
    picture.save(folder / "filters.png")
    print(f"{name}: {folder / 'filters.png'}; deeper layers: candelabra explain maximise")


def _run_maximise(arguments: Arguments, folder: Path) -> None:
    options = arguments.options
    if ("stage" in options) == ("target" in options):
        raise CandelabraError("Give either stage=<number or final>, with channels=0:16, or target=<class>.")
    way = arguments.choice("parametrisation", ["fourier", "pixel"])
    steps, seed = arguments.number("steps", 128, 1, 10_000, "steps"), arguments.number("seed", 0, 0, 2**31, "numbers")
    jitter = arguments.number("jitter", 8, 0, 256, "pixels")
    penalties = {key: _parse_share(arguments, key) for key in ("l1", "l2", "tv")}
    channels = _parse_channels(options.get("channels", "0:16"))
    from candelabra.data.decoding.image_sources import list_sources
    from candelabra.explain.loading import load_explained, pick_head
    from candelabra.explain.maximisation import AscentSettings
    from candelabra.explain.maximisation_files import maximise_answer, maximise_channels

    real = list_sources(options["source"]) if "source" in options else []
    settings = AscentSettings(steps, parametrisation=way, jitter=jitter, seed=seed, **penalties)  # type: ignore[arg-type]
    side = _parse_size(arguments) or 128
    if "target" in options:
        if "checkpoint" not in options:
            raise CandelabraError(f"target={options['target']} needs a model that knows it; add checkpoint=<run>.")
        model = load_explained(options["checkpoint"], options.get("device", "auto"))
        _, head = pick_head(model, options.get("head"))
        rows = maximise_answer(model.backbone, head, options["target"], side, settings, real, folder)
    else:
        rows = maximise_channels(_load_backbone(arguments), options["stage"], channels, side, settings, real, folder)
    for row in rows:
        beside = "" if row.real is None else f"; largest over {len(real)} real images {row.real:.3f}"
        print(f"{row.name}: {row.reached:.3f}{beside}")
    above = sum(row.real is not None and row.reached >= row.real for row in rows)
    words = f"{above} of {len(rows)} reach the largest activation over real images; " if real else ""
    print(f"{words}{folder / 'maximise.png'}")


def _run_fool(arguments: Arguments, folder: Path) -> None:
    epsilon = _parse_share(arguments, "epsilon", 4.0)
    if not 0 < epsilon <= 255:
        raise CandelabraError(f"epsilon={epsilon:g} cannot be used; allowed are numbers above 0, up to 255.")
    from candelabra.data.decoding.image_sources import list_sources
    from candelabra.explain.adversarial_files import fool_images
    from candelabra.explain.loading import load_explained, pick_head
    from candelabra.prediction.output_names import choose_output_names

    options = arguments.options
    paths = list_sources(options["source"])
    model = load_explained(options["checkpoint"], options.get("device", "auto"), _parse_size(arguments))
    _, head = pick_head(model, options.get("head"))
    report = fool_images(model, head, paths, choose_output_names(paths), epsilon, options.get("target"), folder)
    share = f"{report.fooled} of {report.images} images ({report.fooled / report.images:.1%})"
    median = "" if report.median is None else f"; the median of the smallest that did was {report.median:g}"
    print(f"{share} are fooled by changes of at most {epsilon:g} of 255{median}")
    print(f"{folder / 'pictures'}, {folder / 'fool.csv'}")


def _run_measure(arguments: Arguments, folder: Path) -> None:
    split = arguments.choice("split", ["test", "val", "train", "all"])
    images = arguments.number("images", 50, 1, 1_000_000, "images")
    methods = _split(arguments, "method", "all")
    from candelabra.explain.explanation import check_methods
    from candelabra.explain.loading import load_explained, pick_head
    from candelabra.explain.measure_files import print_measures, write_measures
    from candelabra.explain.measuring import measure_methods
    from candelabra.explain.methods import METHODS
    from candelabra.training.trained_data import open_trained_data

    methods = list(METHODS) if methods == ["all"] else methods
    check_methods(methods)
    options = arguments.options
    model = load_explained(options["checkpoint"], options.get("device", "auto"), _parse_size(arguments))
    _, head = pick_head(model, options.get("head"))
    moved = {"root": options.get("data.root"), "batch_size": None, "workers": 0, "split": None, "sets": None}
    sizes = {"size": list(model.size)} if "size" in options else {}
    advice = "Measure all of them with split=all."
    data = open_trained_data(model.task.recipe, moved, split, {"cache": "none", **sizes}, advice)
    data.join_splits()
    data.disable_augmentation()
    data.plan.require_images(split)
    prepared = data.dataset(split)
    samples = (prepared[place] for place in data.spread_positions(split, images))
    found = measure_methods(
        model, head, samples, data.labels, methods, options.get("within"), options.get("layer", "auto")
    )
    write_measures(found, folder)
    print_measures(found, f"{options['checkpoint']}, {min(images, len(prepared))} images of {split}")
    print(f"{folder / 'measures.csv'}")


def _load_backbone(arguments: Arguments) -> "Backbone":
    from candelabra.explain.loading import load_plain_backbone

    options = arguments.options
    weights, device = options.get("weights", "auto"), options.get("device", "auto")
    return load_plain_backbone(options.get("backbone"), options.get("checkpoint"), weights, device)


def _parse_channels(word: str) -> list[int]:
    """Channels as 0:16, or 3,7,12.

    Raises:
        CandelabraError: it is neither.
    """
    first, colon, last = word.partition(":")
    if colon and first.isdecimal() and last.isdecimal() and int(first) < int(last):
        return list(range(int(first), int(last)))
    numbers = word.strip("[]").split(",")
    if colon or not all(number.strip().isdecimal() for number in numbers):
        raise CandelabraError(f"channels={word} is not known; allowed are a range, 0:16, or numbers, 3,7,12.")
    return [int(number) for number in numbers]


def _parse_share(arguments: Arguments, key: str, default: float = 0.0) -> float:
    """A number of at least 0.

    Raises:
        CandelabraError: it is none.
    """
    word = arguments.options.get(key, str(default))
    try:
        value = float(word)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e6:
        raise CandelabraError(f"{key}={word} cannot be used; allowed are numbers from 0 on.")
    return value


def _parse_size(arguments: Arguments) -> int | None:
    return arguments.number("size", 224, 8, 4096, "pixels") if "size" in arguments.options else None


def _split(arguments: Arguments, key: str, default: str) -> list[str]:
    """The words of an option that takes several, with commas between them."""
    return [word.strip() for word in arguments.options.get(key, default).strip("[]").split(",") if word.strip()]


_Action = tuple[Callable[[Arguments, Path], None], Sequence[str], Sequence[str]]
_ACTIONS: Mapping[str, _Action] = {  # what runs, the keys that must be given, further keys
    "cam": (_run_cam, ("checkpoint", "source"), ("head", "target", "method", "layer", "sign")),
    "filters": (_run_filters, (), _BACKBONE),
    "fool": (_run_fool, ("checkpoint", "source"), ("head", "target", "epsilon")),
    "maps": (_run_maps, ("source",), (*_BACKBONE, "stage")),
    "measure": (_run_measure, ("checkpoint",), ("head", "method", "layer", "within", "split", "images", "data.root")),
    "maximise": (
        _run_maximise,
        (),
        (*_BACKBONE, "stage", "channels", "head", "target", "source", "parametrisation", *_ASCENT),
    ),
}
