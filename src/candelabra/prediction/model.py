"""A trained model: loads a run, and takes images of any kind and size."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from candelabra.cli.compose import find_command
from candelabra.cli.keywords import compose_keywords
from candelabra.config.precision import AUTOCAST_TYPES
from candelabra.data.loading.dataset_part import parse_size
from candelabra.data.samples import make_sample
from candelabra.data.targets import ResizeGeometry, Target
from candelabra.data.transforms.pipeline import make_eval_transforms
from candelabra.data.transforms.resize import make_resize
from candelabra.embeddings.encoder import Encoder, Vectors
from candelabra.environment import count_usable_cores
from candelabra.errors import CandelabraError
from candelabra.heads import find_embedding
from candelabra.prediction.decoding_options import set_decoding
from candelabra.prediction.input_images import InputImage, is_single_image, iterate_images
from candelabra.prediction.prediction import Prediction
from candelabra.prediction.trained_task import load_trained_task
from candelabra.tasks.mirroring import add_test_augmentation, check_test_augmentation
from candelabra.tasks.preprocessing import read_trained_resize, read_trained_size
from candelabra.types import Size

PreparedImage = tuple[InputImage, Tensor, ResizeGeometry]  # of (3, H, W)


class Model:
    """A trained model that takes images as people have them, and answers in their pixels.

    Called with one image it returns a `Prediction`; with a folder, a glob, a list, an array (N, H, W, C) or a tensor
    (N, C, H, W) a list of them; with a generator an iterator that reads as it is asked. An image is a path, bytes, a
    Pillow image, an array (H, W, C) or a tensor (C, H, W) of uint8 or of floats in [0, 1]. It is resized as in
    training.

    Args:
        run: the folder of a run (its best checkpoint), a checkpoint, or a file that `candelabra export` wrote.
        device: cpu, cuda, cuda:1, mps; or auto, a GPU where there is one.
        precision: 32-true, bf16-mixed or 16-mixed; null as in training.
        size: side of the images that the model sees, or (height, width), in pixels; null as in training.
        batch_size: images in a forward pass.
        tta: flip averages predictions over each image and its mirror image; null for none.
        decoding: for heads that find objects, score_threshold in place of the scores that were best on validation, one
            a class, and nms_threshold and max_detections in place of those of the training; null values change nothing.

    Attributes:
        task: the LightningModule, in evaluation mode.
        heads: what each head predicts, by name.
        classes: names of the classes of each head that has some.
        size: (H, W) of the images that the model sees, in pixels.

    Raises:
        CandelabraError: there is no such run, it cannot be used, or an argument is wrong.

    >>> model = Model("runs/first")  # doctest: +SKIP
    >>> model("photo.jpg").label.name  # doctest: +SKIP
    'dog'
    """

    def __init__(
        self,
        run: str | Path,
        device: str | torch.device = "auto",
        precision: str | None = None,
        size: int | Sequence[int] | None = None,
        batch_size: int = 32,
        tta: str | None = None,
        decoding: Mapping[str, float | None] | None = None,
    ) -> None:
        if batch_size < 1:
            raise CandelabraError(f"batch_size={batch_size} must be at least 1.")
        check_test_augmentation(tta)
        given = None if size is None else parse_size(size, "size")
        self.device = find_device(device)
        self.task = load_trained_task(run).to(self.device).eval()
        self.backbone = self.task.backbone  # `tta` changes that of the task, and heads
        self.embedding = find_embedding(self.task.heads.values())
        set_decoding(self.task, decoding or {})
        add_test_augmentation(self.task, tta)
        trained = self.task.recipe["config"]
        self.size: Size = given or parse_size(read_trained_size(trained["data"]), "size")
        self.precision: str = precision or trained["trainer"]["precision"] or "32-true"
        self.batch_size = batch_size
        self.heads: Mapping[str, Target] = self.task.head_targets
        self.classes = {name: target.classes for name, target in self.heads.items() if target.classes}
        self._resize = make_resize(read_trained_resize(trained["data"]), self.size)
        self._pipeline = make_eval_transforms(self._resize)
        self._autocast()

    @classmethod
    def train(cls, data: Any = None, /, **options: Any) -> Self:
        """Trains as `candelabra train` does, and returns the best model of the run.

        Args:
            data: the same as data=.
            options: those of the command line; mappings for options below a key, and a folder as data.

        Raises:
            CandelabraError: an option, the data or the weights cannot be used; nothing was trained.

        >>> Model.train(data="photos", task="classification", epochs=5, trainer={"devices": 1})  # doctest: +SKIP
        """
        config = compose_keywords("train", options if data is None else {"data": data, **options})
        find_command("train")(config)
        return cls(config.folder)

    def __call__(self, images: Any) -> Any:
        """Predicts; returns one `Prediction`, a list or an iterator of them, see above.

        Raises:
            CandelabraError: an image cannot be read, or is none.
        """
        found = self.predict(images)
        if is_single_image(images):
            return next(found)
        return found if isinstance(images, Iterator) else list(found)

    def predict(self, images: Any, unreadable: list[tuple[str, str]] | None = None) -> Iterator[Prediction]:
        """Predicts one image after the other, in the order given; reads ahead by two batches.

        Args:
            images: one image, or many.
            unreadable: list to which names and problems of images are appended that cannot be read; null raises.

        Raises:
            CandelabraError: an image cannot be read, or is none.
        """
        prepared = self.prepare(images, unreadable)
        while batch := list(islice(prepared, self.batch_size)):
            yield from self._predict_batch(batch)

    def embed(self, images: Any) -> Vectors:
        """Embeds images as (N, D) float32: vectors of the embedding head, or the mean of the backbone's final map."""
        prepared = self.prepare(images)
        encoder, found = Encoder(self.backbone, self.device, self._autocast, self.embedding), []
        while batch := list(islice(prepared, self.batch_size)):
            found.append(encoder(torch.stack([image for _, image, _ in batch])))
        return np.concatenate(found) if found else np.empty((0, encoder.dimensions), dtype=np.float32)

    def prepare(self, images: Any, unreadable: list[tuple[str, str]] | None = None) -> Iterator[PreparedImage]:
        """Reads images as the model takes them; each with where it lies in what the model sees.

        Args:
            images: one image, or many.
            unreadable: see `predict`.
        """
        with ThreadPoolExecutor(count_usable_cores()) as threads:
            waiting: deque[Any] = deque()
            for image in iterate_images(images):
                waiting.append((image, threads.submit(self._prepare, image)))
                if len(waiting) > 2 * self.batch_size:
                    yield from _take(waiting, unreadable)
            while waiting:
                yield from _take(waiting, unreadable)

    def _prepare(self, image: InputImage) -> PreparedImage:
        read = image.read(self._pipeline.least)
        geometry = self._resize.view((read.pixels.shape[1], read.pixels.shape[2]))
        geometry = geometry._replace(original=read.size, region=read.region)
        return image, self._pipeline(make_sample(read.pixels))["image"], geometry

    def _predict_batch(self, batch: Sequence[PreparedImage]) -> Iterator[Prediction]:
        images = torch.stack([image for _, image, _ in batch]).to(self.device)
        with torch.inference_mode(), self._autocast():
            found = self.task.predictions(images)
        found = {name: value.cpu() for name, value in found.items()}
        for row, (image, _, geometry) in enumerate(batch):
            values = {name: self.heads[name].to_original(value[row], geometry) for name, value in found.items()}
            yield Prediction(image, geometry.original, values, self.heads)

    def _autocast(self) -> AbstractContextManager[Any]:
        if self.precision in AUTOCAST_TYPES:
            return torch.autocast(self.device.type, AUTOCAST_TYPES[self.precision])
        if self.precision not in ("32-true", "32"):
            raise CandelabraError(
                f"precision={self.precision} is not known; allowed are 32-true, {', '.join(AUTOCAST_TYPES)}."
            )
        return nullcontext()


def find_device(device: str | torch.device) -> torch.device:
    """The device of a name; auto is a GPU where there is one.

    Raises:
        CandelabraError: it is not known, or not there.
    """
    if device == "auto":
        mps = torch.backends.mps.is_available()
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if mps else "cpu")
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        words = str(error).splitlines()[0]
        raise CandelabraError(f"device={device} cannot be used ({words}); give auto, cpu, cuda or mps.") from error
    return found


def _take(waiting: deque[Any], unreadable: list[tuple[str, str]] | None) -> Iterator[PreparedImage]:
    """Yields the first image that is waited for, unless it cannot be read."""
    image, future = waiting.popleft()
    try:
        prepared = future.result()
    except CandelabraError as error:
        if unreadable is None:
            raise
        unreadable.append((image.name, str(error)))
    else:
        yield prepared
