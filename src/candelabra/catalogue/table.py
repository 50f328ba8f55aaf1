"""The catalogue as a table on the terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from candelabra.catalogue.facts import Facts, Map

PLACES = {"bundled": "bundled", "cached": "in the cache", "hub": "on the hub", "none": "none"}


def print_table(every: Sequence[Facts], console: Console | None = None) -> None:
    """A row each; what a column means is said below."""
    speed = any(each.images_per_second for each in every)
    effective = any(each.maps[-1].effective for each in every)
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1))
    table.add_column("backbone", no_wrap=True)
    for name in ("million\nweights", "billion\nmult-adds", "at\npixels"):
        table.add_column(name, justify="right")
    table.add_column("channels of maps", overflow="fold")
    table.add_column("strides", overflow="fold")
    for name in ("embed-\nding", "reads\npixels", *(["effec-\ntively"] if effective else [])):
        table.add_column(name, justify="right")
    table.add_column("licence of\nweights", overflow="fold")
    table.add_column("weights\nare")
    if speed:
        table.add_column("images/s\nhere", justify="right")
    for each in every:
        last = each.maps[-1]
        table.add_row(
            each.name,
            f"{each.parameters / 1e6:.2f}",
            f"{each.multiply_adds / 1e9:.2f}",
            str(each.size),
            " ".join(str(one.channels) for one in each.maps),
            " ".join(str(one.stride) for one in each.maps),
            str(each.embedding),
            field_in_words(last),
            *([f"{last.effective:.0f}" if last.effective else ""] if effective else []),
            each.licence or ("not stated" if each.weights != "none" else ""),
            PLACES[each.weights],
            *([f"{each.images_per_second:.3g}"] if each.images_per_second else [""] if speed else []),
        )
    console = console or Console()
    console.print(table)
    for line in _notes(every):
        console.print(line, highlight=False, markup=False)


def field_in_words(one: Map) -> str:
    """Of an element of a map; a star where the whole image scales it."""
    return "all" if one.field is None else f"{one.field}{'*' if one.gated else ''}"


def _notes(every: Sequence[Facts]) -> list[str]:
    lines = ["Without a classifier. reads: the side of the receptive field of the last map."]
    if any(one.maps[-1].field is None for one in every):
        lines.append("all: attention reads the whole image.")
    if any(one.maps[-1].gated for one in every):
        lines.append("*: factors made of the whole image (squeeze and excitation) scale what is in the field.")
    lines.append("One of them at length: candelabra backbones show <name>.")
    return lines
