"""Group the curves of a run into panels."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from candelabra.runs.head_metrics import HeadSummaries, is_count

TOTAL_METRICS = ("train/loss", "val/loss")


@dataclass(frozen=True)
class CurvePanel:
    """Curves with one axis.

    Attributes:
        title: above it.
        names: of the curves.
        logarithmic: whether the axis is logarithmic at first; the page can change it.
    """

    title: str
    names: Sequence[str]
    logarithmic: bool = False


def group_curves(names: Iterable[str], summaries: HeadSummaries) -> list[CurvePanel]:
    """Group curves into panels: losses, score, each head, rates, balance, and other metrics.

    >>> [panel.title for panel in group_curves(["val/box/iou", "val/loss", "lr-AdamW/heads", "grad_norm"], {})]
    ['loss', 'box', 'rates', 'grad_norm']
    """
    left = [name for name in names if not is_count(name, summaries)]
    heads = dict.fromkeys(name.split("/")[1] for name in left if _is_head_metric(name))
    found = [
        CurvePanel("loss", [name for name in TOTAL_METRICS if name in left]),
        CurvePanel("score", [name for name in left if name.endswith("/score") and name.count("/") == 1]),
    ]
    for head in heads:
        own = [name for name in left if _is_head_metric(name) and name.split("/")[1] == head]
        found.append(CurvePanel(head, [name for name in own if not name.endswith("/loss")]))
        found.append(CurvePanel(f"{head}, loss", [name for name in own if name.endswith("/loss")]))
    found.append(CurvePanel("rates", [name for name in left if name.startswith("lr-")], logarithmic=True))
    cosines = [name for name in left if name.endswith("/cosine")]
    found.append(CurvePanel("balance", [name for name in left if name.startswith("balance/") and name not in cosines]))
    found.append(CurvePanel("cosine of gradients", cosines))
    taken = {name for panel in found for name in panel.names}
    rest = [name for name in left if name not in taken]
    for title in dict.fromkeys(name.split("/")[0] for name in rest):
        found.append(CurvePanel(title, [name for name in rest if name.split("/")[0] == title]))
    return [panel for panel in found if panel.names]


def _is_head_metric(name: str) -> bool:
    return name.startswith(("train/", "val/")) and name.count("/") == 2
