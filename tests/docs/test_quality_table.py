"""The table of `benchmarks.quality` joins several files of runs."""

import json
from pathlib import Path

from benchmarks.quality_table import make_table


def test_runs_of_two_files_make_one_line(tmp_path: Path) -> None:
    files = [tmp_path / "a.json", tmp_path / "b.json"]
    rows = {"a": {"ours": [0.5, 0.7], "hand loop": [0.3, 0.3]}, "b": {"fastai": [0.4, 0.4]}}
    for file in files:
        runs = {
            f"pets mask | 96 px equal time | {row} | {seed}": {"test/mask/iou": value, "epochs": 9.0, "seconds": 60.4}
            for row, values in rows[file.stem].items()
            for seed, value in enumerate(values)
        }
        file.write_text(json.dumps(runs))
    lines = make_table(files, "test").splitlines()
    assert lines[0] == "| set | metric | by hand | fastai | default words | epochs | seconds |"
    assert lines[2:] == [
        "| pets mask, 96 px equal time | mask iou | 0.300 ± 0.000 | 0.400 ± 0.000 | 0.600 ± 0.141 | "
        "9 / 9 / 9 | 60 / 60 / 60 |"
    ]
