"""A reader finds the whole old file or the whole new one."""

import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

import pytest

from candelabra.storage import remove_temporary_files, replace_atomically, write_atomically


@pytest.mark.parametrize("sync", [False, True])
def test_text_bytes_and_functions_are_written_whole(sync: bool, tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, "first", sync)
    assert path.read_text() == "first"
    write_atomically(path, b"second", sync)
    assert path.read_text() == "second"
    write_atomically(path, lambda file: file.writelines([b"th", b"ird"]), sync)
    assert path.read_text() == "third"
    assert list(tmp_path.iterdir()) == [path]


def test_names_that_are_no_utf8_are_written_with_backslashes(tmp_path: Path) -> None:
    write_atomically(tmp_path / "file", "caf\udce9")
    assert (tmp_path / "file").read_bytes() == b"caf\\udce9"


def test_the_file_is_as_readable_as_any_other(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    write_atomically(tmp_path / "atomic", "")
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_an_error_leaves_the_file_before_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, "before")

    def fail(file: BinaryIO) -> None:
        file.write(b"half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, fail)
    with pytest.raises(FileNotFoundError), replace_atomically(path) as temporary:
        assert temporary.parent == tmp_path  # nothing is written at all
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_killed_process_leaves_the_file_before_and_what_it_wrote_can_be_removed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, "before")
    script = (
        "import os, pathlib, signal, sys; from candelabra.storage import write_atomically\n"
        "def die(file): file.write(b'half'); file.flush(); os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_atomically(pathlib.Path(sys.argv[1]), die)"
    )
    assert subprocess.run([sys.executable, "-c", script, str(path)], check=False).returncode < 0
    assert path.read_text() == "before"
    assert len(list(tmp_path.iterdir())) == 2
    remove_temporary_files(tmp_path, ".other.*")
    assert len(list(tmp_path.iterdir())) == 2
    remove_temporary_files(tmp_path, ".file.*")
    assert list(tmp_path.iterdir()) == [path]
