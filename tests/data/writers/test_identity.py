"""What is converted and read again has the labels that it had, whatever classes and files are called."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, reject, settings
from hypothesis import strategies as st

from candelabra.commands.convert import iterate_entries
from candelabra.data import DataModule, Folder, LitData, Reader, Table, WebDataset
from candelabra.data.labels_json import LABELS_FILE, write_labels_json
from candelabra.data.samples import SPLITS
from candelabra.data.writers import DatasetWriter, LitDataWriter, TableWriter, WebDatasetWriter
from candelabra.errors import CandelabraError
from tests.data.files import write_image

WORDS = ["null", "NA", "None", "1e3", "nan", "007", "7", "1.0", "yes", "~", "", "-", "a,b", 'say "a"', "'q'", "$5 $6"]
WORDS += ["\U0001f600", "a\nb", "a\r\nb", "\u05d0\u05d1", "caf\u00e9", "cafe\u0301", "a b", "#1", "[x]", "a=b", "=1+1"]
STEMS = ["a", "A", "null", "NA", "1e3", "007", "7", "a,b", 'say "a"', "$5", "\U0001f600", "a\nb", "100%", "a.b", " a "]
STEMS += ["caf\u00e9", "cafe\u0301", "a;b", "-", ".jpg", "a.jpg", "a:b", "a|b", "\u05d0"]


@dataclass(frozen=True)
class Entry:
    """One image: where it is, and its labels; the box is XYXY in pixels."""

    stem: str
    split: str
    words: tuple[str, ...]
    box: tuple[float, float, float, float] | None


@st.composite
def draw_entries(draw: st.DrawFn) -> list[Entry]:
    places = draw(st.lists(st.sampled_from(STEMS), min_size=3, max_size=9, unique=True))
    found: list[Entry] = []
    for number, stem in enumerate(places):
        left, top = draw(st.integers(0, 40)) / 4, draw(st.integers(0, 30)) / 4
        box = (left, top, left + draw(st.integers(8, 40)) / 4, top + draw(st.integers(8, 30)) / 4)
        split = SPLITS[number] if number < len(SPLITS) else draw(st.sampled_from(SPLITS))
        known = (
            WORDS if split == "train" else [word for entry in found for word in entry.words if entry.split == "train"]
        )
        words = tuple(draw(st.lists(st.sampled_from(known), max_size=3))) if known else ()
        found.append(Entry(stem, split, words, draw(st.sampled_from([box, None]))))
    return found


def write_folder(root: Path, entries: list[Entry]) -> Reader:
    for number, entry in enumerate(entries):
        name = entry.words[0] if entry.words and entry.words[0] else "other"
        for split in {entry.split, "train"}:  # a class has an image to learn from
            seen = number + (100 if split != entry.split else 0)
            write_image(root / split / name / f"{entry.stem}.png", colour=(seen, 1, 2))
    return Folder(root=str(root))


def write_labels(root: Path, entries: list[Entry], multilabel: bool) -> Reader:
    """A table, as Python writes it; a label of no word is an empty cell."""
    import csv

    with (root / "table.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "split", "label", "xmin", "ymin", "xmax", "ymax"])
        for number, entry in enumerate(entries):
            write_image(root / f"{entry.stem}.png", colour=(number, 1, 2))
            words = "|".join(entry.words) if multilabel else "".join(entry.words[:1])
            rows.writerow([f"{entry.stem}.png", entry.split, words, *(entry.box or [""] * 4)])
    return Table(root=str(root), separator="|" if multilabel else None)


SOURCES: dict[str, Any] = {
    "folder": write_folder,
    "table": lambda root, entries: write_labels(root, entries, False),
    "multilabel": lambda root, entries: write_labels(root, entries, True),
}
FORMATS: dict[str, tuple[type[DatasetWriter], Any]] = {
    "table": (TableWriter, Table),
    "webdataset": (WebDatasetWriter, WebDataset),
    "litdata": (LitDataWriter, LitData),
}


def labels_of(data: DataModule) -> dict[tuple[str, int], Any]:
    """By split and colour of an image, its labels in words."""
    samples = data.open()
    found = {}
    for split in SPLITS:
        for index in data.parts[split]:
            sample: Any = samples[int(index)]
            key = (split, int(sample["image"].float().mean((1, 2))[0].round()))
            assert key not in found
            found[key] = {name: target.to_json(target.unwrap(sample[name])) for name, target in samples.labels.items()}
    return found


def check_identity(source: str, to: str, entries: list[Entry]) -> None:
    with TemporaryDirectory() as folder:
        root, out = Path(folder) / "in", Path(folder) / "out"
        root.mkdir()
        out.mkdir()
        data = DataModule(SOURCES[source](root, entries), workers=0)
        try:
            samples = data.open()
        except CandelabraError:
            reject()
        kind, reader = FORMATS[to]
        writer = kind()
        writer.check(samples.labels)
        writer.write(out, samples.labels, iterate_entries(data, writer.shuffled, []))
        (out / LABELS_FILE).write_text(write_labels_json(samples.labels), encoding="utf-8")
        again = DataModule(reader(root=str(out)), workers=0)
        assert again.open().labels == samples.labels
        assert labels_of(again) == labels_of(data)
        assert len(labels_of(data)) >= len(entries) - len(samples.issues)


FEW = settings(
    max_examples=5,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
    database=None,
    phases=[Phase.generate],
)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("to", FORMATS)
@FEW
@given(entries=draw_entries())
def test_converting_is_the_identity_on_labels(source: str, to: str, entries: list[Entry]) -> None:
    check_identity(source, to, entries)


@pytest.mark.slow
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("to", FORMATS)
@settings(FEW, max_examples=60)
@given(entries=draw_entries())
def test_converting_many_is_the_identity_on_labels(source: str, to: str, entries: list[Entry]) -> None:
    check_identity(source, to, entries)
