"""A backbone as a transformer of scikit-learn: images in, vectors out."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from candelabra.backbones.backbone import Backbone
from candelabra.backbones.registry import create_backbone as named
from candelabra.data.decoding.array_images import convert_to_pixels
from candelabra.data.decoding.images import decode_image
from candelabra.data.loading.dataset_part import parse_size
from candelabra.data.samples import image_to_tensor, make_sample
from candelabra.data.transforms.pipeline import make_eval_transforms
from candelabra.data.transforms.resize import make_resize
from candelabra.embeddings.encoder import Encoder, Vectors
from candelabra.errors import CandelabraError
from candelabra.heads import find_embedding
from candelabra.runs.checkpoints import CHECKPOINT_FOLDER
from candelabra.tasks.loading import load_task
from candelabra.tasks.preprocessing import read_trained_resize, read_trained_size
from candelabra.tasks.task import Task


class Embedder(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Converts images to pooled features of a frozen backbone; `fit` loads the weights and learns nothing.

    Of a run with an embedding head it gives the vectors of that head.

    `transform` takes an array (N, H, W, C) or (N, H, W), uint8 or float in [0, 1], of 1, 3 or 4 channels; or a sequence
    of paths; or one of arrays (H, W, C) of different sizes. It gives (N, D) float32.

    A pickle contains the weights only of a run or of a backbone that was given as an object. Otherwise they are loaded
    again by name.

    Args:
        backbone: a name (of conf/backbone, or of timm), the folder of a run or a checkpoint, or a `Backbone`.
        weights: of a name: auto, bundled, hub, none (drawn by `random_state`) or a file, as `backbone.weights`.
        size: of the input of the backbone, one side or (height, width), in pixels; null for that of the training of a
            run, else 224.
        resize: stretch, letterbox or crop; null for that of the training of a run, else stretch.
        batch_size: images in a forward pass.
        device: cpu, cuda, ...
        random_state: of random weights.

    Attributes:
        encoder_: images of one size -> vectors.
        size_: (height, width) of that size.
        resize_: how images come to it.
        n_features_out_: D.

    Raises:
        CandelabraError: in `fit`, a parameter is wrong; in `transform`, the input is no images.

    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.svm import SVC
    >>> images = np.random.default_rng(0).integers(0, 256, (8, 40, 30, 3), dtype=np.uint8)
    >>> embedder = Embedder("test_resnet", weights="none", size=32)
    >>> make_pipeline(embedder, SVC()).fit(images, [0, 1] * 4).predict(images).shape
    (8,)
    """

    def __init__(
        self,
        backbone: str | Path | Backbone = "efficientnet_lite0",
        weights: str = "auto",
        size: int | Sequence[int] | None = None,
        resize: str | None = None,
        batch_size: int = 32,
        device: str = "cpu",
        random_state: int = 0,
    ) -> None:
        self.backbone = backbone
        self.weights = weights
        self.size = size
        self.resize = resize
        self.batch_size = batch_size
        self.device = device
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Loads the weights, and checks the first image."""
        typed = None if self.size is None else parse_size(self.size, "size")
        if self.batch_size < 1:
            raise CandelabraError(f"batch_size={self.batch_size} must be at least 1.")
        make_resize(self.resize or "stretch", (8, 8))
        task = None if isinstance(self.backbone, Backbone) or not _is_run(self.backbone) else load_task(self.backbone)
        trained = task.recipe["config"]["data"] if task else {"size": 224, "resize": "stretch"}
        self.size_ = typed or parse_size(read_trained_size(trained))
        self.resize_ = self.resize or read_trained_resize(trained)
        next(self._batches(X, 1))
        self.encoder_ = self._make_encoder(task)
        self.n_features_out_ = self.encoder_.dimensions
        return self

    def transform(self, X: Any) -> Vectors:
        """Embeds images; returns (N, D)."""
        check_is_fitted(self, "encoder_")
        return np.concatenate([self.encoder_(batch) for batch in self._batches(X, self.batch_size)])

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Returns a name for each number of a vector."""
        check_is_fitted(self, "encoder_")
        return np.array([f"embedder{number}" for number in range(self.n_features_out_)], dtype=object)

    def _make_encoder(self, task: Task | None = None) -> Encoder:
        """The encoder of the backbone; of a run, of its task."""
        if isinstance(self.backbone, Backbone):
            return Encoder(self.backbone, self.device)
        if task is not None:
            return Encoder(task.backbone, self.device, head=find_embedding(task.heads.values()))
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(self.random_state)
            return Encoder(named(str(self.backbone), self.weights), self.device)

    def _batches(self, X: Any, count: int) -> Iterator[Tensor]:
        """Yields batches (n, 3, H, W) of the input size."""
        pipeline = make_eval_transforms(make_resize(self.resize_, self.size_))
        images = _sequence(X)
        for start in range(0, len(images), count):
            here = [_read_image(each, self.size_) for each in images[start : start + count]]
            yield torch.stack([pipeline(make_sample(image))["image"].as_subclass(Tensor) for image in here])

    def __getstate__(self) -> dict[str, Any]:
        """Leaves out weights that can be loaded by name."""
        state = dict(super().__getstate__())  # the base class returns the object's own dictionary
        if "encoder_" in state and not isinstance(self.backbone, Backbone) and not _is_run(self.backbone):
            del state["encoder_"]
            state["looked_up_"] = True
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        again = state.pop("looked_up_", False)
        super().__setstate__(state)
        if again:
            self.encoder_ = self._make_encoder()

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = True
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = []
        return tags


def _is_run(backbone: Any) -> bool:
    """Whether a name is the folder of a run, or a checkpoint."""
    place = Path(backbone)
    return place.suffix == ".ckpt" or (place / CHECKPOINT_FOLDER).is_dir()


def _sequence(X: Any) -> Any:
    """Returns images as a sequence that can be cut into batches.

    Raises:
        CandelabraError: it is a table of numbers, one image, or nothing.
    """
    if isinstance(X, str | Path):
        raise CandelabraError(f"X={X} is one path; give a list of paths.")
    images = X if isinstance(X, np.ndarray) else list(X)
    if not len(images):
        raise CandelabraError("X holds no image (0 samples).")
    if isinstance(images, np.ndarray) and images.dtype.kind not in "OUS" and images.ndim not in (3, 4):
        raise CandelabraError(
            f"X has the shape {images.shape}; images are (N, H, W, C) or (N, H, W). Reshape your input: rows of pixels "
            "X become images with X.reshape(len(X), height, width)."
        )
    return images


def _read_image(given: Any, size: tuple[int, int]) -> Tensor:
    """Reads a path, or converts an image in memory, to (3, H, W) uint8, or float in [0, 1]."""
    path = isinstance(given, str | Path)
    return image_to_tensor(decode_image(Path(given), size).pixels if path else convert_to_pixels(given))
