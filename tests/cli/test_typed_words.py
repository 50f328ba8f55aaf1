"""Paths are read as typed, whatever signs are in them; what cannot be read is named with its quoted form."""

from pathlib import Path

import pytest

from candelabra.cli.typed_words import HYDRA_FLAGS, expand_words, find_hyphens, normalize_words, read_word
from candelabra.errors import CandelabraError

PATHS = [
    "a (1).jpg",
    "a[1].jpg",
    "it's.jpg",
    "源.jpg",
    "Übung",
    "lr=0.1",
    "a,b",
    "{a}",
    "2024",
    "1e3",
    "a;b&c#d",
    'a"b',
]


@pytest.mark.parametrize("key", ["data.root", "source", "checkpoint", "resume", "hydra.run.dir", "backbone.weights"])
@pytest.mark.parametrize("path", PATHS)
def test_paths_are_read_as_they_are_typed(key: str, path: str) -> None:
    [word] = normalize_words([f"{key}=/x/{path}"], multirun=False)
    assert read_word(word) == f"/x/{path}"
    [bare] = normalize_words([f"{key}={path}"], multirun=False)
    assert read_word(bare) == path


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("source=[a (1).jpg,b.jpg]", ["a (1).jpg", "b.jpg"]),
        ("source=[a.jpg,b.jpg]", ["a.jpg", "b.jpg"]),
        ("data.root='it\\'s'", "it's"),
        ("data.classes=[猫,dog]", ["猫", "dog"]),
        ("logger.wandb.name=größe", "größe"),
        ("data.groups=(.+)_", "(.+)_"),
        ("data.root=null", None),
        ("data.file={train: a.csv}", {"train": "a.csv"}),
        ("lr=0.1", 0.1),
    ],
)
def test_lists_quotes_and_other_letters_keep_their_meaning(typed: str, read: object) -> None:
    assert read_word(normalize_words([typed], multirun=False)[0]) == read


def test_the_home_stands_for_a_leading_tilde(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    words = normalize_words(["data.root=~/a", "source='~/b c'", "source=[~/a,x]", "~data.fold"], multirun=False)
    assert [read_word(word) for word in words[:3]] == ["/home/me/a", "/home/me/b c", ["/home/me/a", "x"]]
    assert words[3] == "~data.fold"
    assert normalize_words(["--config-dir=~/conf", "-m"], multirun=True) == ["--config-dir=/home/me/conf", "-m"]
    assert expand_words(["~/r", "folder=~/c", "runs/lr=~1"]) == ["/home/me/r", "folder=/home/me/c", "runs/lr=~1"]


def test_a_list_of_values_is_a_sweep_where_one_is_typed() -> None:
    assert normalize_words(["data.root=a,b"], multirun=True) == ["data.root=a,b"]


def test_a_folder_with_the_name_of_a_list_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "[a]").mkdir()
    assert read_word(normalize_words(["data.root=[a]"], multirun=False)[0]) == "[a]"


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("lr", "options are key=value"),
        ("data.classes=[a(b),c]", r"\"data.classes=\['a\(b\)','c'\]\""),
        ("task.name=it's", r"need[s]? quotes"),
    ],
)
def test_other_words_are_named_with_what_to_write(typed: str, says: str) -> None:
    with pytest.raises(CandelabraError, match=says):
        normalize_words([typed], multirun=False)


def test_flags_may_stand_anywhere() -> None:
    words = ["lr=0.1", "-m", "--config-dir", "conf", "seed=1"]
    assert normalize_words(words, multirun=True) == ["-m", "--config-dir", "conf", "lr=0.1", "seed=1"]
    assert find_hyphens(words, HYDRA_FLAGS) == ([], [], ["lr=0.1", "seed=1"])


@pytest.mark.parametrize(
    ("typed", "says"),
    [(["--rows=5"], "--rows=5: .*; write rows=5."), (["status", "--rows", "5"], "--rows 5: .*; write rows=5.")],
)
def test_hyphens_are_refused_where_no_config_is_composed(typed: list[str], says: str) -> None:
    with pytest.raises(CandelabraError, match=says):
        expand_words(typed)
