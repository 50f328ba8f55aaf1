"""Contract of readers: none takes an empty folder for its format."""

from pathlib import Path

from candelabra.data.readers.format_detection import detect_formats


def test_an_empty_folder_has_no_format(tmp_path: Path) -> None:
    assert detect_formats(tmp_path) == []
