"""`candelabra predict`: what a trained model says of images of any size, as pictures, a table and masks."""

import csv
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, count
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from candelabra.config.build import resolve_config
from candelabra.data.decoding.image_sources import find_sources
from candelabra.data.decoding.images import decode_image
from candelabra.data.decoding.paths import escape_path
from candelabra.data.loading.dataset_part import parse_size
from candelabra.data.samples import image_to_tensor, make_sample
from candelabra.data.targets import ResizeGeometry, Target
from candelabra.data.transforms.pipeline import make_eval_transforms
from candelabra.data.transforms.resize import ResizeMethod, make_resize
from candelabra.errors import CandelabraError
from candelabra.report.pictures import draw_sample
from candelabra.tasks.loading import load_task
from candelabra.tasks.preprocessing import read_trained_resize, read_trained_size
from candelabra.tasks.task import Task
from candelabra.training.trainer import make_trainer

log = logging.getLogger(__name__)
PredictItem = tuple[int, Tensor, ResizeGeometry | None, str]
_LONGEST = 200  # bytes of a name, to which an ending comes


def run_predict(config: DictConfig) -> None:
    """Writes predictions.csv, pictures/ and masks/; goes on past unreadable files and lists them in unreadable.csv.

    Raises:
        CandelabraError: there is no image, none can be read, or the checkpoint cannot be used.
    """
    plain = resolve_config(config)
    sources = find_sources(plain["source"])
    paths = list(dict.fromkeys(path for found in sources.values() for path in found))
    given = None if plain["size"] is None else parse_size(plain["size"], "size")
    task = load_task(plain["checkpoint"])
    trained = task.recipe["config"]
    size = given or parse_size(read_trained_size(trained["data"]), "size")
    targets = task.head_targets
    node = plain["trainer"]
    node["precision"] = node["precision"] or trained["trainer"]["precision"]
    trainer = make_trainer(node, logger=False, enable_checkpointing=False)
    device = trainer.strategy.root_device
    task.to(device)
    folder = Path(plain["folder"])
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    resize = make_resize(read_trained_resize(trained["data"]), size)
    files = PredictDataset(paths, resize)
    loader = DataLoader(files, plain["batch_size"], num_workers=1, collate_fn=list)
    unreadable: list[tuple[Path, str]] = []
    names = _unique(paths)
    with (folder / "predictions.csv").open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        table = csv.writer(file)
        table.writerow(["image", *(column for target in targets.values() for column in target.prediction_header())])
        for items in tqdm(loader, desc="predicting", unit="batch"):
            unreadable += [(paths[index], problem) for index, _, _, problem in items if problem]
            good = [item for item in items if not item[3]]
            for (index, *_), found in zip(good, _predictions(task, trainer, good), strict=True):
                cells = [cell for name, target in targets.items() for cell in target.prediction_row(found[name])]
                table.writerow([str(paths[index]), *cells])
                for name, target in targets.items():
                    target.save_prediction(found[name], folder, names[index])
                if index < plain["pictures"]:
                    _draw(paths[index], found, targets).save(folder / "pictures" / f"{names[index]}.jpg")
    if unreadable:
        with (folder / "unreadable.csv").open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
            csv.writer(file).writerows([("image", "problem"), *unreadable])
        log.warning("%d of %d files could not be read: %s", len(unreadable), len(paths), folder / "unreadable.csv")
        bad = {path for path, _ in unreadable}
        lost = [source for source, found in sources.items() if bad.issuperset(found)]
        if bad.issuperset(paths):
            path, problem = unreadable[0]
            raise CandelabraError(f"source={', '.join(lost)}: no file could be read ({escape_path(path)}: {problem})")
        if lost:
            log.warning("nothing could be read of source=%s", ", ".join(lost))
    log.info("predictions of %d images: %s", len(paths) - len(unreadable), folder / "predictions.csv")


class PredictDataset(Dataset[PredictItem]):
    """Image files, ready for the model: index, image (3, H, W), where it lies in its file, what is wrong.

    Args:
        paths: of the files.
        resize: how they come to the size that the model was trained on.
    """

    def __init__(self, paths: Sequence[Path], resize: ResizeMethod) -> None:
        self.paths, self.resize, self.pipeline = paths, resize, make_eval_transforms(resize)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> PredictItem:
        try:
            seen = decode_image(self.paths[index], self.pipeline.least)
        except CandelabraError as error:
            return index, torch.empty(0), None, str(error)
        geometry = self.resize.view((seen.pixels.shape[0], seen.pixels.shape[1]))
        geometry = geometry._replace(original=seen.size[::-1], region=seen.region)
        return index, self.pipeline(make_sample(image_to_tensor(seen.pixels)))["image"], geometry, ""


def _predictions(task: Task, trainer: Any, items: Sequence[PredictItem]) -> Iterator[dict[str, Tensor]]:
    """What the heads say of each image, in the pixels of its file."""
    if not items:
        return
    images = torch.stack([image for _, image, _, _ in items]).to(trainer.strategy.root_device)
    with torch.inference_mode(), trainer.precision_plugin.forward_context():
        found = task.predictions(images)
    targets = task.head_targets
    for row, (_, _, geometry, _) in enumerate(items):
        assert geometry is not None
        yield {name: targets[name].to_original(value[row].cpu(), geometry) for name, value in found.items()}


def _draw(path: Path, found: dict[str, Tensor], targets: Mapping[str, Target]) -> Image.Image:
    image = decode_image(path)
    scale, size = image.pixels.shape[1] / image.size[0], (image.pixels.shape[0], image.pixels.shape[1])
    placed = {name: targets[name].enlarge(value, scale, size) for name, value in found.items()}
    return draw_sample(image.pixels, placed, targets)


def _unique(paths: Sequence[Path]) -> list[str]:
    """A name for the outputs of each file: its own, with its folder's or a number in front where that was taken.

    >>> _unique([Path("a/1.jpg"), Path("b/1.jpg"), Path("b/1.png")])
    ['1', 'b_1', '2_1']
    """
    taken: set[str] = set()
    names = []
    for number, path in enumerate(paths):
        first = (path.stem, f"{path.parent.name}_{path.stem}", f"{number}_{path.stem}")
        candidates = chain(first, (f"{number}_{further}_{path.stem}" for further in count()))
        name = next(name for name in map(_short, candidates) if name not in taken)
        taken.add(name)
        names.append(name)
    return names


def _short(name: str) -> str:
    """A name that a file system still takes when an ending comes to it."""
    return os.fsdecode(os.fsencode(name)[:_LONGEST])
