"""Print one backbone in detail: figures, stages and the tree of its modules, with a diagram as a file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.tree import Tree
from torch import Tensor, nn

from candelabra.backbones.backbone import Backbone
from candelabra.backbones.info.backbone_info import BackboneInfo
from candelabra.backbones.info.diagram import draw_backbone
from candelabra.backbones.info.table import WEIGHT_PLACES, format_receptive_field
from candelabra.backbones.receptive_field import trace_receptive_fields
from candelabra.backbones.registry import build_backbone

_COLOURS = ("cyan", "green", "yellow", "magenta", "blue", "red")


def print_backbone_details(facts: BackboneInfo, node: Mapping[str, Any], depth: int, folder: Path) -> None:
    """Print the details of a backbone and write the diagram `<name>.png` into a folder.

    Args:
        facts: measurements of the backbone.
        node: its config.
        depth: levels of modules in the tree.
        folder: is created if it does not exist.
    """
    console = Console()
    console.print(_make_module_tree(facts, node, depth))
    console.print(_make_stage_table(facts))
    speed = f", {facts.images_per_second:.3g} images a second here" if facts.images_per_second else ""
    console.print(
        f"{facts.parameters:,} weights, {facts.multiply_adds / 1e9:.2f} billion multiply-adds at {facts.size} pixels"
        f"{speed}; embedding of {facts.embedding}; designed for {facts.side} pixels; "
        f"weights: {WEIGHT_PLACES[facts.weights]}"
        f"{f', {facts.licence}' if facts.licence else ''}",
        highlight=False,
    )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{Path(facts.name).name}.png"
    draw_backbone(facts, path)
    console.print(f"  {path}", highlight=False, soft_wrap=True, markup=False)


def _make_stage_table(facts: BackboneInfo) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1))
    table.add_column("stage")
    for name in ("stride", "size", "channels", "reads pixels", "effectively", "weights"):
        table.add_column(name, justify="right")
    for index, each in enumerate(facts.maps):
        effective = f"{each.effective:.0f}" if each.effective else ""
        table.add_row(
            Text(str(index), _COLOURS[index % len(_COLOURS)]),
            str(each.stride),
            f"{each.size[0]} x {each.size[1]}",
            str(each.channels),
            format_receptive_field(each),
            effective,
            f"{each.parameters:,}",
        )
    if not any(each.effective for each in facts.maps):
        table.columns.pop(5)
    return table


def _make_module_tree(facts: BackboneInfo, node: Mapping[str, Any], depth: int) -> Tree:
    """Return the modules in order of registration, each in the colour of its stage."""
    with torch.device("meta"):
        backbone = build_backbone({**node, "weights": "none"})
        images = torch.zeros(1, int(node.get("in_channels", 3)), facts.size, facts.size)
        shapes = _record_shapes(backbone, images)
        fields = trace_receptive_fields(backbone, images)
    stage_of = {module: index for index, stage in enumerate(backbone.stages) for module in stage}
    tree = Tree(Text(facts.name, "bold"), guide_style="dim")
    network = backbone.network
    assert isinstance(network, nn.Module)

    def add_children(branch: Tree, module: nn.Module, path: str, level: int) -> None:
        for name, child in module.named_children():
            inside = f"{path}.{name}"
            run = [key for key in shapes if f"{key}.".startswith(f"{inside}.")]
            if not run:
                continue
            shape = shapes.get(inside, shapes[run[-1]])  # a container is not called: last part
            weights = sum(parameter.numel() for parameter in child.parameters())
            field = fields[inside].size if inside in fields else None
            last = [stage_of[each] for each in child.modules() if each in stage_of]
            text = Text(f"{name} ", _COLOURS[max(last, default=0) % len(_COLOURS)])
            text.append(type(child).__name__ if not list(child.children()) else "", "dim")
            text.append(f" {' x '.join(map(str, shape))}")
            text.append(f"  {weights:,} weights" if weights else "", "dim")
            text.append(f"  reads {max(field)}" if field else "", "dim")
            child_branch = branch.add(text)
            if level < depth:
                add_children(child_branch, child, inside, level + 1)

    add_children(tree, network, "network", 1)
    return tree


@torch.no_grad()
def _record_shapes(backbone: Backbone, images: Tensor) -> dict[str, tuple[int, ...]]:
    """Map the name of each module to the shape of its output, without N."""
    shapes: dict[str, tuple[int, ...]] = {}

    def hook(name: str) -> Any:
        def record_shape(module: nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor):
                shapes[name] = tuple(output.shape[1:])

        return record_shape

    hooks = [module.register_forward_hook(hook(name)) for name, module in backbone.named_modules()]
    backbone.eval()(images)
    for each in hooks:
        each.remove()
    return shapes
