"""Four images in one: objects at smaller scales, and beside objects of other images."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional

from candelabra.data.targets import Labels
from candelabra.data.transforms.resize import ResizeMethod
from candelabra.data.transforms.sample_geometry import apply_filling, drop_invisible
from candelabra.errors import CandelabraError
from candelabra.types import Sample


class Mosaic:
    """Puts four samples into a sheet of twice the size (Bochkovskiy et al. 2020), for some of the training samples.

    The transforms that follow crop the sheet and bring it to the size of the model.

    Args:
        labels: targets of the samples, all of them lists of objects.
        resize: brings each of the four to one size.
        share: of the samples that become a mosaic, 0 to 1.

    Raises:
        CandelabraError: the share is out of range, or a target is no list of objects.
    """

    def __init__(self, labels: Labels, resize: ResizeMethod, share: float) -> None:
        if not 0 <= share <= 1:
            raise CandelabraError(f"data.mosaic={share} is not a fraction of the images; give a number from 0 to 1.")
        others = [name for name, target in labels.items() if not target.joins]
        if share and others:
            raise CandelabraError(
                f"data.mosaic={share} puts four images together, which these data cannot: they label "
                f"{', '.join(others)}; keep lists of objects alone with data.targets=[boxes], or set data.mosaic=0."
            )
        self.labels, self.resize, self.share = labels, resize, share

    def __repr__(self) -> str:
        return f"Mosaic({self.share})"

    def draw_partners(self, count: int, seed: int) -> list[int]:
        """Draws which three of `count` samples join one; none where it stays alone."""
        generator = torch.Generator().manual_seed(seed)
        if not self.share or float(torch.rand((), generator=generator)) >= self.share:
            return []
        return [int(number) for number in torch.randint(count, (3,), generator=generator)]

    def join(self, samples: Sequence[Sample]) -> Sample:
        """Returns the sheet of four samples, the first at the upper left; the first alone if one is not labelled.

        Args:
            samples: of any size; the others may be of another set of a union, with other targets beside.
        """
        for name, target in self.labels.items():
            if not all(name in each and bool(target.is_labelled(_get_value(each, name)[None])) for each in samples):
                return samples[0]
        height, width = self.resize.size
        tiles = []
        for place, each in enumerate(samples):
            sample = cast(Sample, {name: _get_value(each, name) for name in ("image", *self.labels)})
            for step in self.resize.eval_steps(self.labels):
                sample = step(sample)
            sample = drop_invisible(sample, self.labels)
            top, left = place // 2 * height, place % 2 * width
            tiles.append(apply_filling(sample, self.labels, functional.pad, [left, top, width - left, height - top]))
        sheet = tiles[0]["image"].as_subclass(Tensor).clone()
        for place, tile in enumerate(tiles):
            rows = slice(place // 2 * height, (place // 2 + 1) * height)
            columns = slice(place % 2 * width, (place % 2 + 1) * width)
            sheet[..., rows, columns] = tile["image"].as_subclass(Tensor)[..., rows, columns]
        joined = {
            name: tv_tensors.wrap(
                torch.cat([_get_value(tile, name) for tile in tiles]), like=_get_value(tiles[0], name)
            )
            for name in self.labels
        }
        return cast(Sample, {**samples[0], **joined, "image": tv_tensors.Image(sheet)})


def _get_value(sample: Sample, name: str) -> Tensor:
    return cast(dict[str, Tensor], sample)[name]
