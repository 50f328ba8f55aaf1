"""What an earlier command left in a folder of results is named."""

import os
from pathlib import Path

import pytest

from candelabra.storage.earlier_files import record_times, report_earlier_files


def test_files_that_are_not_written_again_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "pictures").mkdir()
    files = [tmp_path / "pictures" / f"{number}.jpg" for number in range(5)]
    files += [tmp_path / "boxes.json", tmp_path / "mine.txt"]
    for file in files:
        file.write_text("")
        os.utime(file, (1, 1))
    times = record_times(tmp_path, ["pictures/*", "*.json", "none/*"])
    files[1].write_text("again")
    (tmp_path / "masks.json").write_text("")
    report_earlier_files(times, tmp_path)
    (record,) = caplog.records
    assert record.getMessage() == (
        f"{tmp_path} holds files of an earlier command that this one has not written (5): boxes.json, pictures/0.jpg, "
        "pictures/2.jpg, ...; delete them if unwanted"
    )
    caplog.clear()
    report_earlier_files(record_times(tmp_path / "new", ["*"]), tmp_path / "new")
    assert not caplog.records
