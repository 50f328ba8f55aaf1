"""A file that labels name is found however its name is spelt, and never guessed."""

import unicodedata
from pathlib import Path

import pytest

from candelabra.data.decoding.file_finder import FileFinder
from candelabra.data.issues import DataIssue, IssueTreatment

CAFE = unicodedata.normalize("NFC", "café.jpg")
NAMES = (
    "img/p 1.jpg",
    "img/Photo.JPG",
    "img/50%25.png",
    f"img/{unicodedata.normalize('NFD', CAFE)}",
    "train/same.jpg",
    "val/same.jpg",
    "other/i0001.jpeg",
    "other/notes.txt",
    "other/v1.2.png",
    "other/bare",
    "A.jpg",
    "deep/a.jpg",
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in NAMES:
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "near.jpg").touch()
    (tmp_path / "root" / "deep" / "near.jpg").touch()
    return tmp_path / "root"


def make_finder(root: Path) -> FileFinder:
    return FileFinder(root, (path for path in sorted(root.rglob("*")) if path.is_file()))


@pytest.mark.parametrize(
    ("stated", "found"),
    [
        ("img/p 1.jpg", "img/p 1.jpg"),
        ("img/p%201.jpg", "img/p 1.jpg"),
        ("https://images.org/x/img/p%201.jpg?size=2", "img/p 1.jpg"),
        ("gs://bucket/img/p 1.jpg", "img/p 1.jpg"),
        ("/data/local-files/?d=x%2Fimg%2Fp%201.jpg", "img/p 1.jpg"),
        ("D:\\me\\img\\p 1.jpg", "img/p 1.jpg"),
        ("/mnt/x/img/p 1.jpg", "img/p 1.jpg"),
        ("  img/p 1.jpg\n", "img/p 1.jpg"),
        ("./img/../img/p 1.jpg", "img/p 1.jpg"),
        ("img/photo.jpg", "img/Photo.JPG"),
        ("IMG/photo.jpg", "img/Photo.JPG"),
        ("50%.png", "img/50%25.png"),
        (CAFE, f"img/{unicodedata.normalize('NFD', CAFE)}"),
        ("i0001", "other/i0001.jpeg"),
        ("i0001.jpg", "other/i0001.jpeg"),
        ("i0001.png", None),
        ("notes", None),
        ("other/v1.2", "other/v1.2.png"),
        ("other/bare", "other/bare"),
        ("A.jpg", "A.jpg"),
        ("a.jpg", "deep/a.jpg"),
        ("same.jpg", None),
        ("val/same.jpg", "val/same.jpg"),
        ("img/same.jpg", None),  # its folder is there, and it is not in it
        ("../near.jpg", None),  # it lies outside of the root
        ("../../x/near.jpg", "deep/near.jpg"),
        ("http://[x/a.jpg", None),
        ("a\0.jpg", None),
        ("", None),
    ],
)
def test_a_file_is_found_however_its_name_is_spelt(root: Path, stated: str, found: str | None) -> None:
    assert make_finder(root).find(stated) == found


def test_a_path_that_is_there_needs_no_search(root: Path) -> None:
    finder = FileFinder(root, [])
    assert finder.find("img/p 1.jpg") == finder.find("p 1.jpg", "img") == "img/p 1.jpg"
    assert finder.find(str(root / "img" / "p 1.jpg")) == "img/p 1.jpg"


def test_links_out_of_the_root_are_not_found_as_they_are_stated(root: Path) -> None:
    (root / "away").symlink_to(root.parent)
    assert FileFinder(root, []).find("away/near.jpg") is None


def test_a_linked_file_is_found_where_it_leads_below_the_root(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    inside = next(path for path in root.rglob("*") if path.is_file())
    outside = tmp_path_factory.mktemp("elsewhere") / "photo.jpg"
    outside.touch()
    (root / "in.jpg").symlink_to(inside)
    (root / "out.jpg").symlink_to(outside)
    finder = FileFinder(root, [])
    assert finder.find_exact("in.jpg") == "in.jpg"
    assert finder.find_exact("out.jpg") is None


def test_the_working_folder_may_be_the_root(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "sub").mkdir(exist_ok=True)
    (root / "sub" / "one.jpg").touch()
    (root.parent / "away.jpg").touch()
    monkeypatch.chdir(root)
    finder = FileFinder(Path(), [])
    assert finder.find_exact("sub/../sub/one.jpg") == str(Path("sub", "one.jpg"))
    assert finder.find_exact("../away.jpg") is None
    assert finder.find_exact(str(root.parent / "away.jpg")) is None


def test_files_of_one_name_are_named_and_not_guessed(root: Path) -> None:
    finder = make_finder(root)
    issues: list[DataIssue] = []
    assert finder.search("same.jpg").several == ("train/same.jpg", "val/same.jpg")
    assert finder.search("same.jpg", "val").name == "val/same.jpg"
    assert finder.find_listed("same.jpg", issues) is finder.find_listed("none.png", issues, what="mask") is None
    assert finder.find_listed("A.jpg", issues) == "A.jpg"
    assert issues == [
        DataIssue(
            "same.jpg", "listed image may be several files", IssueTreatment.SKIPPED, "train/same.jpg, val/same.jpg"
        ),
        DataIssue("none.png", "listed mask is not there", IssueTreatment.SKIPPED),
    ]
