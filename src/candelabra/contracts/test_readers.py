"""Contract of a reader: what it recognizes, and what it reads without any file."""

from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path

import pytest

from candelabra.contracts.options import list_options
from candelabra.data.readers.reader import Reader
from candelabra.data.samples import SPLITS

_CLASSES = {name: build.func for name, build in list_options("data").items()}  # type: ignore[attr-defined]
READERS = {name: kind for name, kind in _CLASSES.items() if isinstance(kind, type) and issubclass(kind, Reader)}
every_reader = pytest.mark.parametrize("kind", READERS.values(), ids=READERS)


@every_reader
def test_an_empty_folder_is_not_recognized(kind: type[Reader], tmp_path: Path) -> None:
    assert kind.looks_like(tmp_path) is None


@every_reader
def test_its_fields_are_its_options(kind: type[Reader]) -> None:
    assert is_dataclass(kind)
    assert kind.__hash__ is not None  # it is frozen


@every_reader
def test_samples_agree_with_what_is_stated_about_them(kind: type[Reader]) -> None:
    required = [each for each in fields(kind) if each.default is each.default_factory is MISSING]  # type: ignore[arg-type]
    if required or (reader := kind()).folder is not None:
        pytest.skip("reads files")
    samples = reader.read()
    assert len(samples) == len(samples.names) == len(samples.published) == len(samples.strata) > 0
    assert set(samples.published) <= {"", *SPLITS}
    assert {name: len(known) for name, known in samples.labelled().items()} == dict.fromkeys(
        samples.labels, len(samples)
    )
    sample = samples[0]
    assert set(sample) == {"image", *samples.labels}
    assert len(samples.digest(0)) == 20
