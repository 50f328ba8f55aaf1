"""What explanations show of a model of pets: pointing game, insertion, deletion, sanity check, maximisation, fooling.

Needs a checkpoint with heads for label and box: candelabra train data=pets data.root=<pets> data.size=160. Prints each
number beside its goal; parts that take long have their own number of images.
"""

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from candelabra.config.build import build_data
from candelabra.data.loading.sample_datamodule import SampleDataModule
from candelabra.explain import METHODS, explain_image
from candelabra.explain.adversarial_files import fool_images
from candelabra.explain.loading import load_explained, load_plain_backbone, make_network, pick_head, scale_image
from candelabra.explain.maximisation import AscentSettings
from candelabra.explain.maximisation_files import maximise_channels
from candelabra.explain.measure_files import print_measures
from candelabra.explain.measuring import POINTING, measure_methods
from candelabra.prediction.model import Model
from candelabra.training.trained_data import relocate_data

QUICK = ["gradcam", "gradcam++", "hirescam", "layercam", "eigencam"]


def open_data(model: Model) -> SampleDataModule:
    """The data of the training, without augmentation."""
    moved = {"root": None, "batch_size": None, "workers": 0, "split": None, "sets": None}
    data: SampleDataModule = build_data(relocate_data(model.task.recipe["config"]["data"], moved))
    data.join_splits()
    data.disable_augmentation()
    return data


def choose_samples(data: SampleDataModule, split: str, count: int) -> Any:
    """Some samples of a split, spread over it."""
    prepared = data.dataset(split)
    return (prepared[place] for place in data.spread_positions(split, count))


def measure_pointing(model: Model, data: SampleDataModule, count: int) -> None:
    """Label head in the mask, on the test images; box head in the box, on those of validation, which have one."""
    for name, split, within, layers, goal in (
        ("label", "test", "mask", ["auto", "3"], 0.90),
        ("box", "val", "box", ["auto", "3", "2"], 0.85),
    ):
        _, head = pick_head(model, name)
        for layer in layers:
            samples = choose_samples(data, split, count)
            found = measure_methods(model, head, samples, data.labels, QUICK, within, layer, [POINTING])
            for each in found:
                share = each.summarize()["pointing"]
                print(f"pointing {name} layer={layer} {each.method}: {share:.3f} of {len(each.pointing)} (goal {goal})")


def measure_all(model: Model, data: SampleDataModule, count: int) -> None:
    """All measures of all methods, for both heads."""
    for name, split, layer in (("label", "test", "auto"), ("label", "test", "3"), ("box", "val", "2")):
        _, head = pick_head(model, name)
        methods = [method for method in METHODS if layer == "auto" or METHODS[method].layered]
        found = measure_methods(model, head, choose_samples(data, split, count), data.labels, methods, layer=layer)
        print_measures(found, f"{name}, layer={layer}, {count} images of {split}; goal of ins-del: 0.5")


def measure_seconds(model: Model, data: SampleDataModule) -> None:
    """Seconds that all methods take for one image."""
    _, head = pick_head(model, "label")
    image = scale_image(next(iter(choose_samples(data, "test", 1)))["image"], model.device)
    begun, used = time.perf_counter(), time.process_time()
    explain_image(make_network(model, head, image), image, list(METHODS))
    wall, work = time.perf_counter() - begun, time.process_time() - used
    print(f"all methods, one image of {tuple(image.shape)}: {wall:.1f} s, {work:.1f} s of a processor (goal 10 s)")


def main() -> None:
    """Runs the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint")
    parser.add_argument("images", type=Path, help="folder of real images, for maximisation and fooling")
    parser.add_argument("--parts", default="seconds,pointing,fool,all,maximise")
    parser.add_argument("--pointing", type=int, default=298)
    parser.add_argument("--measured", type=int, default=30)
    parser.add_argument("--fooled", type=int, default=96)
    parser.add_argument("--channels", type=int, default=64)
    parser.add_argument("--steps", type=int, default=64)
    given = parser.parse_args()
    model = load_explained(given.checkpoint, "cpu")
    data = open_data(model)
    parts = given.parts.split(",")
    paths = sorted(given.images.glob("*.jpg"))
    if "seconds" in parts:
        measure_seconds(model, data)
    if "pointing" in parts:
        measure_pointing(model, data, given.pointing)
    with TemporaryDirectory() as folder:
        if "fool" in parts:
            _, head = pick_head(model, "label")
            chosen = paths[:: max(1, len(paths) // given.fooled)][: given.fooled]
            names = [path.stem for path in chosen]
            report = fool_images(model, head, chosen, names, 4.0, None, Path(folder, "fool"))
            print(f"fool: {report.fooled} of {report.images} at 4/255, median {report.median:g} (goal 0.95)")
        if "all" in parts:
            measure_all(model, data, given.measured)
        if "maximise" in parts:
            backbone = load_plain_backbone("efficientnet_lite0", None, device="cpu")
            settings, channels = AscentSettings(steps=given.steps), range(given.channels)
            rows = maximise_channels(backbone, "4", channels, 128, settings, paths[:300], Path(folder, "maximise"))
            above = sum(row.real is not None and row.reached >= row.real for row in rows)
            print(
                f"maximise: {above} of {len(rows)} channels reach the largest over {min(300, len(paths))} real images"
            )


if __name__ == "__main__":
    main()
