"""Nothing outside of the root is read, whatever a list or a link says."""

import os
from pathlib import Path

import pytest

from candelabra.data.decoding.paths import escape_path, is_inside, resolve_inside
from candelabra.errors import UnreadableFile


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    (tmp_path / "rootless").mkdir()
    (tmp_path / "secret.jpg").write_bytes(b"")
    (root / "a" / "1.jpg").write_bytes(b"")
    (root / "a" / "same.jpg").symlink_to("1.jpg")
    (root / "a" / "away.jpg").symlink_to("../../secret.jpg")
    (root / "b").symlink_to("a")
    (root / "out").symlink_to(tmp_path)
    (root / "round").symlink_to("round")
    return root


@pytest.mark.parametrize("name", ["a/1.jpg", "a/same.jpg", "b/1.jpg", "a/../a/1.jpg", "missing.jpg", "round/1.jpg"])
def test_what_stays_below_the_root_is_followed(root: Path, name: str) -> None:
    assert resolve_inside(root, name) == root / name
    assert resolve_inside(root, str(root / name)) == root / name
    link = root.parent / "link"
    link.symlink_to(root)
    assert resolve_inside(link, name) == link / name


@pytest.mark.parametrize("name", ["/etc/passwd", "../secret.jpg", "a/away.jpg", "out/secret.jpg", "../rootless/1.jpg"])
def test_what_leaves_the_root_is_refused(root: Path, name: str) -> None:
    with pytest.raises(UnreadableFile, match=r"leads out of .*data\.root"):
        resolve_inside(root, name)
    assert not is_inside(root / name, root)


def test_names_that_are_no_text_can_be_shown() -> None:
    name = os.fsdecode(b"caf\xe9\xff.jpg")
    assert escape_path(name).encode() == rb"caf\udce9\udcff.jpg"
