"""Print backbones as a table."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from candelabra.backbones.info.backbone_info import BackboneInfo, FeatureMapInfo

WEIGHT_PLACES = {"bundled": "bundled", "cached": "in the cache", "hub": "on the hub", "none": "none"}
_WIDE = 125  # terminal width in characters from which all columns are printed


@dataclass(frozen=True)
class BackboneColumn:
    """A column of the table.

    Args:
        title: its header.
        cell: formats a cell; an empty string if there is no value.
        spare: whether narrow terminals omit it.
        number: whether it holds numbers, aligned right.
    """

    title: str
    cell: Callable[[BackboneInfo], str]
    spare: bool = False
    number: bool = True


_COLUMNS = (
    BackboneColumn("million\nweights", lambda each: f"{each.parameters / 1e6:.2f}"),
    BackboneColumn("billion\nmult-adds", lambda each: f"{each.multiply_adds / 1e9:.2f}"),
    BackboneColumn("at\npixels", lambda each: str(each.size), spare=True),
    BackboneColumn("channels of maps", lambda each: " ".join(str(one.channels) for one in each.maps), True, False),
    BackboneColumn("strides", lambda each: " ".join(str(one.stride) for one in each.maps), True, False),
    BackboneColumn("embed-\nding", lambda each: str(each.embedding), spare=True),
    BackboneColumn("reads\npixels", lambda each: format_receptive_field(each.maps[-1])),
    BackboneColumn("effec-\ntively", lambda each: f"{each.maps[-1].effective:.0f}" if each.maps[-1].effective else ""),
    BackboneColumn(
        "licence of\nweights",
        lambda each: each.licence or ("not stated" if each.weights != "none" else ""),
        False,
        False,
    ),
    BackboneColumn("weights\nare", lambda each: WEIGHT_PLACES[each.weights], False, False),
    BackboneColumn("images/s\nhere", lambda each: f"{each.images_per_second:.3g}" if each.images_per_second else ""),
)


def print_backbones(every: Sequence[BackboneInfo], console: Console | None = None) -> None:
    """Print one row per backbone, without empty columns, and explain the columns below.

    Args:
        every: measurements of the backbones.
        console: to print on; null for standard output.
    """
    console = console or Console()
    wide = console.width >= _WIDE
    columns = [column for column in _COLUMNS if (wide or not column.spare) and any(map(column.cell, every))]
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1), collapse_padding=not wide)
    table.add_column("backbone", no_wrap=True)
    for column in columns:
        table.add_column(column.title, justify="right" if column.number else "left", no_wrap=column.number)
    for each in every:
        table.add_row(each.name, *(column.cell(each) for column in columns))
    console.print(table)
    for line in _explain_columns(every, wide):
        console.print(line, highlight=False, markup=False)


def format_receptive_field(one: FeatureMapInfo) -> str:
    """Format the side of a receptive field in pixels; a star marks maps that the whole image scales."""
    return "all" if one.field is None else f"{one.field}{'*' if one.gated else ''}"


def _explain_columns(every: Sequence[BackboneInfo], wide: bool) -> list[str]:
    lines = ["Without a classifier. reads: the side of the receptive field of the last map."]
    if any(one.maps[-1].field is None for one in every):
        lines.append("all: attention reads the whole image.")
    if any(one.maps[-1].gated for one in every):
        lines.append("*: factors computed from the whole image (squeeze and excitation) scale the map.")
    if not wide:
        lines.append(f"A terminal of {_WIDE} characters shows maps and sizes too.")
    lines.append("Details of one backbone: candelabra backbones show <name>.")
    return lines
