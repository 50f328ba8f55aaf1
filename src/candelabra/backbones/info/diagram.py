"""Draw a backbone: its feature maps to scale, and their receptive fields."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

from candelabra.backbones.info.backbone_info import BackboneInfo

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = ("#4c9ac0", "#58a55c", "#d9a62e", "#b26fb0", "#5566b8", "#c75b4e")


def draw_backbone(facts: BackboneInfo, path: Path) -> None:
    """Write the diagram of a backbone.

    Args:
        facts: measurements of the backbone.
        path: of the PNG file.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 5.2), layout="constrained")
    FigureCanvasAgg(figure)
    blocks, fields = figure.subplots(1, 2, width_ratios=(1.7, 1))
    _draw_maps(blocks, facts)
    _draw_fields(fields, facts)
    figure.suptitle(
        f"{facts.name}: {facts.parameters / 1e6:.2f} million weights, {facts.multiply_adds / 1e9:.2f} billion "
        f"multiply-adds at {facts.size} pixels"
    )
    figure.savefig(path, dpi=110)


def _draw_maps(axes: "Axes", facts: BackboneInfo) -> None:
    """Draw the image and each map: the height is the size, the width the logarithm of the channels."""
    from matplotlib.patches import Rectangle

    shapes = [(3, facts.size, "image", "#999999")]
    for index, each in enumerate(facts.maps):
        text = f"stage {index}\n{each.channels} x\n{each.size[0]} x {each.size[1]}\nstride {each.stride}"
        shapes.append((each.channels, max(each.size), text, _COLOURS[index % len(_COLOURS)]))
    left = 0.0
    for channels, size, text, colour in shapes:
        width = 0.25 + 0.16 * math.log2(channels)
        height = size / facts.size
        axes.add_patch(Rectangle((left, (1 - height) / 2), width, height, facecolor=colour, edgecolor="black"))
        axes.text(left + width / 2, -0.04, text, ha="center", va="top", fontsize=8)
        left += max(width, 1.15) + 0.3
    axes.set(xlim=(-0.3, left), ylim=(-0.32, 1.05), title="feature maps: height to scale, width as log of channels")
    axes.axis("off")


def _draw_fields(axes: "Axes", facts: BackboneInfo) -> None:
    """Draw receptive fields as squares around the centre of the image."""
    from matplotlib.patches import Rectangle

    sides = [each.field for each in facts.maps if each.field]
    widest = max([facts.size, *sides])
    axes.add_patch(Rectangle((-facts.size / 2,) * 2, facts.size, facts.size, facecolor="#eeeeee", edgecolor="#999999"))
    axes.plot([], [], "s", color="#cccccc", label=f"image, {facts.size}")
    for index, each in reversed(list(enumerate(facts.maps))):
        colour = _COLOURS[index % len(_COLOURS)]
        text = f"stage {index}: {each.field or 'the whole image'}"
        text += " and factors of the whole image" if each.gated else ""
        if each.field:
            square = Rectangle(
                (-each.field / 2,) * 2, each.field, each.field, fill=False, edgecolor=colour, linewidth=2
            )
            axes.add_patch(square)
        if each.effective:
            inner = Rectangle((-each.effective / 2,) * 2, each.effective, each.effective, facecolor=colour, alpha=0.35)
            axes.add_patch(inner)
            text += f", effectively {each.effective:.0f}"
        axes.plot([], [], "s", color=colour, label=text)
    axes.set(xlim=(-widest * 0.53, widest * 0.53), ylim=(-widest * 0.53, widest * 0.53), aspect="equal")
    axes.set_title("receptive fields, in pixels")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.08), fontsize=8, frameon=False)
