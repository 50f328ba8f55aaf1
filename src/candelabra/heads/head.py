"""The contract of a head: a small network on features, with its loss, metrics and decoding."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

from torch import Tensor, nn
from torchmetrics import Metric

from candelabra.data.targets import Labels, Target
from candelabra.errors import CandelabraError
from candelabra.heads.answers import HeadAnswer
from candelabra.heads.picture_view import PictureView
from candelabra.types import Features

T = TypeVar("T", bound=Target)


class Head(nn.Module, ABC):
    """Maps features to raw outputs; has a target, a loss, metrics and decoding.

    Every head is built as `Head(backbone, labels, ...)`: of the backbone it reads only channels and strides.

    Attributes:
        target: the key of the batch it learns from.
        target_info: the target itself, as the data set describes it.
        main_metric: by which runs are compared; one of `metrics`.
        lower_is_better: those of `metrics` whose lower values are better.
        counts: those of `metrics` that are whole numbers and say nothing of quality.
        tables: those of `metrics` whose value is not one number.
        metric_notes: what must be known to read those of `metrics` whose names do not say it.
        decodes_by_weights: `predict` runs layers of the head. An exported file then also gives what `predict` returns,
            under the suffix `prepared`.
        has_loss: `loss` tells something; not where a file gives what is already decoded.
        has_negative_loss: its loss can be below 0, as that of a density is.
        compares_samples: its loss compares the samples of a batch, of all ranks together, so each rank computes it.
        unmeasured: what the user is told where there are labels of validation, but `score` returns none.
    """

    target: ClassVar[str]
    target_info: Target
    main_metric: str
    lower_is_better: frozenset[str] = frozenset()
    counts: frozenset[str] = frozenset()
    tables: frozenset[str] = frozenset()
    metric_notes: Mapping[str, str] = MappingProxyType({})
    compares_samples: bool = False
    unmeasured: str = "No label of validation could be measured."
    decodes_by_weights: bool = False
    has_loss: bool = True
    has_negative_loss: bool = False

    @abstractmethod
    def forward(self, features: Features) -> Tensor:
        """Features of N images -> raw outputs, N first, float32."""

    def labelled(self, target: Tensor) -> Tensor:
        """(N,) bool: which samples have a label for this head."""
        return self.target_info.is_labelled(target)

    def observe_labels(self, target: Tensor, sum_ranks: Callable[[Tensor], Tensor]) -> None:
        """Updates statistics of the labels, in buffers; called on every rank before the loss of each training step.

        Args:
            target: of the labelled samples of the batch of this rank, of which there may be none.
            sum_ranks: tensor -> its sum over ranks.
        """
        return

    def list_class_rows(self) -> Sequence[str]:
        """Names of the layers and buffers that have one row a class, where its target has classes.

        By default the last layer. Where another run has other classes, these rows go by their names.
        """
        layers = [name for name, module in self.named_modules() if any(True for _ in module.parameters(recurse=False))]
        return layers[-1:]

    @property
    def predicted_target(self) -> Target:
        """How predictions are told, drawn and written: as labels are, unless the head predicts something else."""
        return self.target_info

    @abstractmethod
    def loss(self, outputs: Tensor, target: Tensor, size: tuple[int, int]) -> Tensor:
        """Returns one finite value for each sample (N,); that of an unlabelled sample is ignored.

        Args:
            outputs: what `forward` returned.
            target: as in a batch, in pixels where it has a place.
            size: (H, W) of the images.
        """

    @abstractmethod
    def metrics(self) -> Mapping[str, Metric]:
        """Returns new metrics by name; those in `tables` are for tables and pictures."""

    @abstractmethod
    def measure(self, metrics: Mapping[str, Metric], outputs: Tensor, target: Tensor, size: tuple[int, int]) -> None:
        """Updates `metrics` with the labelled samples of one batch, of which there is at least one."""

    def compare(
        self, metrics: Mapping[str, Metric], predictions: Tensor, target: Tensor, size: tuple[int, int]
    ) -> None:
        """Updates `metrics` with predictions in the pixels of their target, for targets that have a place.

        Args:
            metrics: see `measure`.
            predictions: what `predict` returned, or `Target.to_original` made of it.
            target: as many, each labelled.
            size: (H, W) of the images that both lie in.

        Raises:
            CandelabraError: this head cannot.
        """
        raise CandelabraError(
            f"The head {type(self).__name__} cannot be measured in the pixels of files; it has no `compare`. "
            "Give scale=prepared."
        )

    @abstractmethod
    def score(self, values: Mapping[str, float]) -> float | None:
        """The head's main metric as one number in [0, 1], higher is better; heads are averaged by it.

        None where there were labels, but none that could be measured.
        """

    @abstractmethod
    def predict(self, outputs: Tensor, size: tuple[int, int]) -> Tensor:
        """Decodes raw outputs: probabilities, pixels, class indices."""

    def find_answer(self, features: Features, word: str | None = None) -> HeadAnswer:
        """One number of what this head says of an image, for explanations of it.

        Args:
            features: of the image, N = 1.
            word: what is asked for: a class, a side, a point, ...; null for what the head says itself.

        Raises:
            CandelabraError: this head cannot, or the word is none that it knows.
        """
        raise CandelabraError(f"The head {type(self).__name__} cannot be explained; it has no `find_answer`.")

    def select_certain(self, predictions: Tensor) -> Tensor:
        """Of what `predict` returned, that which people are shown; metrics take all of it."""
        return predictions

    def register_calibrated(self, name: str, default: Tensor) -> None:
        """Registers a buffer that `calibrate` sets; checkpoints of earlier versions lack it and get the default."""
        self.register_buffer(name, default)
        hook = partial(_add_default, name, default.clone())
        self.register_load_state_dict_pre_hook(hook)  # type: ignore[no-untyped-call]

    def calibrate(self, tables: Mapping[str, Tensor]) -> None:
        """Sets what `select_certain` goes by, in buffers, from the `tables` that validation measured."""
        return

    def describe_errors(self, prediction: Tensor, target: Tensor) -> str:
        """What is wrong in a prediction of one sample that people are shown, in words for a line above its picture."""
        return ""

    def average_mirrored(self, outputs: Tensor, mirrored: Tensor, size: tuple[int, int]) -> Tensor:
        """Raw outputs that decode to the average of the predictions for images and for their mirror images.

        Args:
            outputs: of images.
            mirrored: of their mirror images.
            size: (H, W) of the images.

        Raises:
            CandelabraError: this head cannot.
        """
        raise CandelabraError(f"The head {type(self).__name__} cannot average mirror images; leave tta out.")

    def decode_pictures(self, outputs: Tensor, view: PictureView) -> Mapping[str, Tensor]:
        """Decodes raw outputs to answers in the pixels of pictures, in operations that exporters translate.

        The same as `predict` and then `Target.to_original`, for a batch of pictures of one size at once, without a
        shape that depends on values.

        Args:
            outputs: what `forward` returned.
            view: where the pictures lie in what the model sees.

        Returns:
            The answer under the key "", and what else is of use under a suffix of the head's name.

        Raises:
            CandelabraError: this head cannot be exported.
        """
        raise CandelabraError(
            f"The head {type(self).__name__} cannot be exported; it has no `decode_pictures`. Name others with heads=."
        )

    def describe_answer(self) -> dict[str, Any]:
        """What model.json says of the answer of `decode_pictures`: `kind`, and names of classes or points.

        The kinds are probabilities (classes, multilabel), points (names), box, objects (classes, thresholds,
        limits), instances (likewise), map (classes, unlabelled), vector, number_map, vector_map (pixels), numbers
        (names) and grades (grades); `candelabra.runtime` knows what to do with each.
        """
        return {}

    def restore_answer(self, about: Mapping[str, Any]) -> None:
        """Sets all that decoding reads, from what `describe_answer` said, for an exported model."""
        return


def _add_default(name: str, default: Tensor, _: nn.Module, weights: dict[str, Tensor], prefix: str, *rest: Any) -> None:
    weights.setdefault(f"{prefix}{name}", default.clone())


class UnlabelledTarget(CandelabraError):
    """The data do not label the target of a head."""


def require_target(labels: Labels, kind: type[T]) -> T:
    """The target that a head learns.

    Raises:
        UnlabelledTarget: the data set does not label it.
    """
    found = labels.find(kind)
    if found is None:
        hint = f" {kind.table_hint}" if kind.table_hint else ""
        raise UnlabelledTarget(
            f"A {kind.name} head needs data that label {kind.name!r}, but these label {labels.list_names()}; choose "
            f"another task, or other data.{hint}"
        )
    return found
