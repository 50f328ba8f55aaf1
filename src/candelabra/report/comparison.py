"""stub."""

from pathlib import Path
from candelabra.comparing import Row
from candelabra.gains import Gain


def report(rows: list[Row], gains: list[Gain], folder: Path) -> None:
    for g in gains:
        print(
            g.row.name,
            {k: (v.gain, v.worse, v.clearly) for k, v in g.heads.items()},
            g.delta,
            g.seconds,
            g.parameters,
            g.notes,
        )
