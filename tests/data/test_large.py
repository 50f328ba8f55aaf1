"""A table of very many rows opens without reading its images, in memory that goes with its rows alone."""

import os
from pathlib import Path

import pytest
from PIL import Image

from candelabra.data import DataModule, Table, file_samples, verification
from candelabra.data.decoding import header_checks
from candelabra.data.decoding.images import DecodedImage, ImageHeader, decode_image
from candelabra.report.tables import count_labels

ROWS = 100_000


def resident() -> int:
    """Megabytes of memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 2**20


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc")
def test_a_hundred_thousand_rows_open_and_serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("all.jpg", "more.jpg"):  # a file has at most 65,000 links
        Image.new("RGB", (16, 16)).save(tmp_path / name)
    rows = (f"images/{number % 100:02d}/{number:06d}.jpg,class{number % 1000}" for number in range(ROWS))
    for number in range(100):
        (tmp_path / "images" / f"{number:02d}").mkdir(parents=True)
    for number in range(ROWS):
        os.link(
            tmp_path / ("all.jpg", "more.jpg")[number % 2],
            tmp_path / "images" / f"{number % 100:02d}" / f"{number:06d}.jpg",
        )
    (tmp_path / "table.csv").write_text("\n".join(["image,label", *rows]))
    looked: list[Path] = []

    def header(path: Path) -> ImageHeader:
        looked.append(path)
        return ImageHeader((16, 16), 1, "RGB", True)

    def read(path: Path, least: tuple[int, int] | None = None) -> DecodedImage:
        return decode_image(tmp_path / "all.jpg", least)

    monkeypatch.setattr(header_checks, "read_header", header)
    monkeypatch.setattr(file_samples, "decode_image", read)
    before = resident()
    data = DataModule(Table(root=str(tmp_path)), size=16, workers=0, batch_size=32)
    loader = data.train_dataloader()
    batch = next(iter(loader))
    assert len(batch["image"]) == 32  # type: ignore[index]
    assert count_labels(data)["train"]["label"] == len(data.parts["train"]) == 70_000
    assert len(looked) <= verification.VERIFIED_FILES
    assert resident() - before < 300
