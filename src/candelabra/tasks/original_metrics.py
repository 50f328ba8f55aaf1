"""Metrics in the pixels of files: predictions are placed in each image as `candelabra predict` writes them."""

from collections.abc import Sequence

from torch import Tensor

from candelabra.data.loading.original_views import ORIGINALS_KEY, OriginalView
from candelabra.tasks.masked_losses import NamedHeads, find_labelled_rows, masked_losses, select_target
from candelabra.tasks.metrics import HeadMetrics
from candelabra.types import Features, Sample


def measure_batch(heads: NamedHeads, batch: Sample, features: Features, metrics: HeadMetrics) -> dict[str, Tensor]:
    """Updates metrics with a batch, in the pixels of files where it comes with `OriginalView`s.

    Returns:
        Head name -> (n,) the loss of each labelled sample.
    """
    if ORIGINALS_KEY in batch:
        return _measure_originals(heads, batch, features, metrics)
    return masked_losses(heads, batch, features, metrics).samples


def _measure_originals(heads: NamedHeads, batch: Sample, features: Features, metrics: HeadMetrics) -> dict[str, Tensor]:
    """Updates metrics with a batch; losses stay those of the images that the model sees.

    Args:
        heads: names and heads, in evaluation mode.
        batch: targets in the pixels of the prepared images, and the `OriginalView` of each.
        features: of the images.
        metrics: of all heads.
    """
    rows = batch["rows"] if "rows" in batch else find_labelled_rows(batch, heads)
    views: Sequence[OriginalView] = batch[ORIGINALS_KEY]
    samples: dict[str, Tensor] = {}
    for name, head in heads:
        if not head.target_info.placed:
            samples |= masked_losses([(name, head)], {**batch, "rows": rows}, features, metrics).samples
            continue
        outputs = head(features)
        samples[name] = head.loss(outputs, select_target(batch, head), features.size)[rows[name]]
        metrics.add_losses(name, head, samples[name])
        predicted = head.predict(outputs, features.size).cpu()
        for found, view in zip(predicted, views, strict=True):
            if view.geometry is None or head.target not in view.values:
                continue
            target = view.values[head.target][None].to(outputs.device)
            if bool(head.labelled(target).all()):
                placed = head.target_info.to_original(found, view.geometry)[None].to(outputs.device)
                metrics.compare(name, head, placed, target, view.geometry.original)
    return samples
