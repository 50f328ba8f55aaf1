"""The table of results."""

from pathlib import Path

import pytest
from rich.table import Table

from candelabra.report.tables import print_results
from candelabra.runs.head_metrics import HeadSummary

HEADS = {
    "label": HeadSummary("label", "f1"),
    "points": HeadSummary(
        "keypoints", "nme", ("loss", "nme"), ("count", "seen"), {"nme": "error / diagonal", "pck": "x"}
    ),
}
VALUES = {
    "loss": 3.0,
    "score": 0.5,
    "label/accuracy": 0.75,
    "label/count": 8.0,
    "label/f1": 0.7,
    "label/loss": 1.0,
    "points/loss": 2.0,
    "points/nme": 0.1,
    "points/seen": 40.0,
}
DIMMED = ["label/loss", "points/loss", "label/count", "points/seen"]


def test_metrics_come_first_counts_last_and_sums_not_at_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("results.json", "pictures/a.png", "pictures/b.png", ".hidden"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    rows: list[tuple[str, object]] = []
    add = Table.add_row

    def record(self: Table, *cells: str, style: str | None = None) -> None:
        rows.append((cells[0], style))
        add(self, *cells, style=style)

    monkeypatch.setattr(Table, "add_row", record)
    print_results({f"test/{name}": value for name, value in VALUES.items()}, HEADS, tmp_path)
    assert [name for name, style in rows if style is None] == ["label/f1", "points/nme", "score", "label/accuracy"]
    assert [name for name, style in rows[4:] if style == "dim"] == DIMMED
    assert len(rows) == 8
    *_, note, folder, files = capsys.readouterr().out.splitlines()
    assert note == "points/nme: error / diagonal"  # once, and of what was measured alone
    assert folder == f"{tmp_path}:"
    assert files == "  pictures/ (2), results.json"
