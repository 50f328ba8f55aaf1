"""Options that null leaves open, from what the data are: size of a batch, and length of a run.

`candelabra train` and `candelabra lr` fill them in once the data are read. A number that was typed, or that comes with
a data set, a task or an experiment, goes before. Rules read nothing but numbers that all processes of a run agree on.
They were chosen on validation images of the sets of `benchmarks.quality`, see docs/finetuning.md.
"""

import math
from typing import Any

BATCH_SIZE, EPOCHS = 32, 10  # of larger sets
STEPS = 500  # of a run on few images
_SMALL_BATCH, _MOST_IMAGES = 16, 1000
_MOST_EPOCHS = 40


def choose_training_batch(images: int) -> int:
    """Images in a batch, on each device.

    A few hundred images in batches of 32 are a handful of steps an epoch, and each step teaches a new head about as
    much as one of 16 does. Of more than 1,000 images there are steps enough, and larger batches are faster on a GPU.

    Args:
        images: of training, at least 1.

    >>> choose_training_batch(204), choose_training_batch(1000), choose_training_batch(1001)
    (16, 16, 32)
    """
    return _SMALL_BATCH if images <= _MOST_IMAGES else BATCH_SIZE


def choose_epochs(images: int, batch_images: int, accumulated: int = 1) -> int:
    """Epochs of a run: 10, and on few images so many that it has 500 optimizer steps, but at most 40.

    A head starts from random weights and needs some hundred steps whatever the number of images. Beyond 40 epochs a
    few images are learned by heart rather than better.

    Args:
        images: of training, at least 1.
        batch_images: images in a batch, on all devices together.
        accumulated: batches that a step accumulates.

    >>> choose_epochs(204, 16), choose_epochs(400, 16), choose_epochs(5000, 32)
    (40, 20, 10)
    """
    return min(max(EPOCHS, math.ceil(STEPS / count_steps(images, batch_images, accumulated))), _MOST_EPOCHS)


def count_steps(images: int, batch_images: int, accumulated: int = 1) -> int:
    """Optimizer steps in an epoch, as `BatchOrder` makes its batches.

    A last short batch is left out if it holds one image, or follows two others; then a last short step is, if it
    follows two others.

    Args:
        images: of training, at least 1.
        batch_images: images in a batch, on all devices together.
        accumulated: batches that a step accumulates.

    >>> count_steps(204, 16), count_steps(20, 16), count_steps(3, 16)
    (12, 2, 1)
    >>> count_steps(42, 16, 2), count_steps(60, 16, 2), count_steps(100, 16, 4), count_steps(200, 16, 5)
    (1, 2, 2, 2)
    """
    full, rest = divmod(images, batch_images)
    batches = full if full > 1 or (full == 1 and rest <= 1) else full + 1
    steps, rest = divmod(batches, accumulated)
    return steps if steps > 1 or not rest else steps + 1


def drop_open_options(config: dict[str, Any]) -> dict[str, Any]:
    """A resolved config without `data.batch_size` where it is null: classes take no null, but have 32 by themselves.

    >>> drop_open_options({"data": {"batch_size": None, "size": 64}, "epochs": None})
    {'data': {'size': 64}, 'epochs': None}
    """
    data = config.get("data")
    return {**config, "data": _drop_batch_size(data)} if isinstance(data, dict) else config


def _drop_batch_size(node: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in node.items() if name != "batch_size" or value is not None}
    if isinstance(sets := node.get("sets"), dict):
        kept["sets"] = {name: _drop_batch_size(each) for name, each in sets.items()}
    return kept
