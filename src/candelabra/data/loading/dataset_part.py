"""One data set, prepared for training: read, divided into splits, and with the transforms of its images."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from candelabra.data.decoding.paths import escape_path
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.data.loading.label_notes import list_label_notes
from candelabra.data.readers.reader import Reader
from candelabra.data.samples import Samples
from candelabra.data.sampling.name_groups import list_shared_beginnings
from candelabra.data.sampling.splits import Splitter
from candelabra.data.targets import Labels
from candelabra.data.transforms.batch_transforms import BatchTransforms, check_sizes
from candelabra.data.transforms.pipeline import (
    Augmentation,
    TransformPipeline,
    make_eval_transforms,
    make_train_transforms,
)
from candelabra.data.transforms.resize import Resizing, make_resize
from candelabra.data.views.cached_samples import CacheMode, cache_samples
from candelabra.data.views.drop_labels import check_label_shares, drop_labels
from candelabra.data.views.rename_targets import check_target_names, rename_targets
from candelabra.data.views.select_targets import select_targets
from candelabra.errors import CandelabraError
from candelabra.types import Size

log = logging.getLogger(__name__)
OnBad = Literal["skip", "raise"]
NoShare = Literal["none"]


@dataclass(kw_only=True, eq=False)
class DatasetOptions:
    """What is decided for each data set by itself, also in a union.

    Args:
        size: side of the square images that the model gets, or (height, width); in pixels, at least 8.
        augment: transforms of training images: none, light, strong, randaugment or trivialaugment; see
            `make_train_transforms`.
        resize: how an image gets to `size`: stretch; letterbox (whole, aspect ratio kept, grey borders); or crop (its
            centre, aspect ratio kept; in training any part; labels outside are dropped).
        erase: share of training images in which a rectangle is painted over, 0 to 1; see `RandomErase`.
        mosaic: share of training images that are put together with three others, for lists of objects; see `Mosaic`.
        flip: a mirror image means the same, so training images are mirrored at random, unless it is not known which of
            their points swap.
        min_visible: share of its area, 0 to 1, that a crop must leave of an object of `boxes` for it to stay labelled.
        split: published (where the data set has splits; missing ones are drawn), random, by_class (whole classes, so
            that validation and test have classes that training never saw), or a table `<file>.csv` with the columns
            name (or image) and split, such as the splits.csv of another run; images that the table lacks are left out.
        val, test: shares of the images, 0 to 1, where these splits are drawn; stratified by class. A null `test` is
            0.15, and 0 where the data set has a train and a val split: these are kept as they are. none is 0. With
            split=by_class, shares of the classes.
        groups: images of one group (person, drive) come into one split. A regular expression that finds the group in
            a name (`.+_` is all up to the last underscore), or whose first capture group does; a table,
            `persons.csv`, with the columns name and group; or near_duplicates, see `number_near_duplicates`.
        folds, fold: cross-validation: divide all images, published or not, into so many folds (at least 2) and test on
            number `fold`, from 0; `val` is then a share of the others.
        fraction: share of the training images that are used, above 0 and at most 1; drawn by class, each of which keeps
            one. A larger fraction has all images of a smaller one.
        split_seed: of splits, of `fraction` and of `labelled`; apart from the seed of training, so that runs of several
            seeds are tested on the same images.
        targets: those of the data set to use, such as [label, box]; null for all.
        labelled: share of the labelled training images that keep the label of a target, above 0 and at most 1; or one
            share by target. Drawn for each target by itself; an image that keeps its label at 0.2 keeps it at 0.5 too.
        rename: other names for targets, such as {label: insect}: the sets of a union may label different things of one
            kind, each with classes and a head of its own.
    """

    size: int | Sequence[int] = 224
    augment: Augmentation = "light"
    resize: Resizing = "stretch"
    erase: float = 0.0
    mosaic: float = 0.0
    flip: bool = True
    min_visible: float = 0.2
    split: str = "published"
    val: float | NoShare = 0.15
    test: float | NoShare | None = None
    groups: str | None = None
    folds: int | None = None
    fold: int = 0
    fraction: float = 1.0
    split_seed: int = 0
    targets: Sequence[str] | None = None
    labelled: float | Mapping[str, float] = 1.0
    rename: Mapping[str, str] | None = None


class SplitSamples(NamedTuple):
    """The samples of a data set and how they are divided.

    Args:
        samples: as training gets them, before any transform.
        parts: indices of the samples of each split.
        issues: what was odd in lists and labels and which files cannot be used, and what was done about it.
    """

    samples: Samples
    parts: Mapping[str, NDArray[np.int64]]
    issues: Sequence[DataIssue]


@final
@dataclass(kw_only=True, eq=False)
class DatasetPart(DatasetOptions):
    """A reader and the options of one data set.

    Args:
        reader: of the data set.
        further arguments: see `DatasetOptions`.

    Attributes:
        shape: (H, W) of the images, in pixels.
    """

    reader: Reader = field(kw_only=False)

    def __post_init__(self) -> None:
        check_label_shares(self.labelled)
        check_target_names(self.rename)
        if not 0 <= self.min_visible <= 1:
            raise CandelabraError(f"data.min_visible={self.min_visible} is not a share of an object; give 0 to 1.")
        self.shape = parse_size(self.size)
        self.splitter = Splitter(
            split=self.split,
            val=0.0 if self.val == "none" else self.val,
            test=0.0 if self.test == "none" else self.test,
            groups=self.groups,
            folds=self.folds,
            fold=self.fold,
            seed=self.split_seed,
            root=self.reader.folder,
            fraction=self.fraction,
        )

    def open(self, on_bad: OnBad, cache: CacheMode, gigabytes: float) -> SplitSamples:
        """Reads, selects targets, verifies, divides and drops labels.

        Args:
            on_bad: what to do with files that cannot be used: skip or raise.
            cache: where images are stored; see `cache_samples`.
            gigabytes: limit of that cache (10^9 bytes each).

        Raises:
            CandelabraError: see `Reader.read`, `select_targets`, `Samples.verify`, `Splitter` and `drop_labels`.
        """
        samples = select_targets(cache_samples(self.reader.read(), cache, gigabytes), self.targets)
        bad = samples.verify()
        issues = [*samples.issues, *list_unreadable(samples, bad)]
        if bad:
            _treat_bad(samples, bad, on_bad)
        parts = self.splitter.parts(samples, bad)
        flip = self.flip and self.augment != "none" and self.reader.allows_flip()
        published = self.split == "published" and not self.folds
        issues += list_label_notes(samples, parts, published, flip)
        if self.groups is None and (published or self.split == "random" or self.folds):
            issues += list_shared_beginnings(samples, parts, published)
        kept = drop_labels(samples, parts["train"], self.labelled, self.split_seed)
        return SplitSamples(rename_targets(kept, self.rename), parts, issues)

    def make_transforms(self, labels: Labels, batchwise: BatchTransforms) -> dict[str, TransformPipeline]:
        """The transforms of each split.

        Args:
            labels: what is labelled; some augmentations are left out for some targets.
            batchwise: of training batches; with `multiscale` single images are made at the largest size of a batch.
        """
        labels = labels.with_min_visible(self.min_visible)
        evaluation = make_eval_transforms(make_resize(self.resize, self.shape), labels)
        train = self._make_train(labels, self.flip and self.reader.allows_flip(), batchwise)
        return {"train": train, "val": evaluation, "test": evaluation}

    def check_transforms(self, batchwise: BatchTransforms) -> None:
        """Checks the options of transforms without reading anything.

        Raises:
            CandelabraError: see `make_train_transforms`, `make_resize` and `check_sizes`.
        """
        check_sizes(batchwise, self.shape)
        self._make_train(Labels(), self.flip, batchwise)

    def _make_train(self, labels: Labels, flip: bool, batchwise: BatchTransforms) -> TransformPipeline:
        resize = make_resize(self.resize, batchwise.base_size(self.shape))
        return make_train_transforms(self.augment, resize, labels, flip, self.erase, self.mosaic)


def parse_size(size: int | Sequence[int], key: str = "data.size") -> Size:
    """(H, W) of an option such as `data.size`.

    Raises:
        CandelabraError: it has not two sides, or one below 8 pixels.
    """
    sides = [size, size] if isinstance(size, int) else list(size)
    if len(sides) != 2 or not all(type(side) is int and side >= 8 for side in sides):
        raise CandelabraError(f"{key}={size} must be one side or [height,width], in pixels, at least 8.")
    return sides[0], sides[1]


def list_unreadable(samples: Samples, bad: Mapping[int, str]) -> list[DataIssue]:
    """An issue for each sample that `Samples.verify` found unusable."""
    return [DataIssue(samples.names[index], "unreadable", IssueTreatment.SKIPPED, why) for index, why in bad.items()]


def _treat_bad(samples: Samples, bad: Mapping[int, str], on_bad: OnBad) -> None:
    """Logs that samples are left out.

    Raises:
        CandelabraError: none can be used, or `on_bad` is raise.
    """
    some = "; ".join(f"{escape_path(samples.names[index])}: {why}" for index, why in list(bad.items())[:3])
    words = f"{len(bad)} of {len(samples)} images cannot be used ({some}{'; ...' if len(bad) > 3 else ''})"
    if len(bad) == len(samples):
        raise CandelabraError(f"{words}; is data.root right?")
    if on_bad == "raise":
        raise CandelabraError(f"{words}; mend them, or leave them out with data.on_bad=skip.")
    log.warning("%s: they are left out", words)
