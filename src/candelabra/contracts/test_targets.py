"""Contract of a target: its values, its description, and what is drawn and written of it."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import tv_tensors

from candelabra.contracts.examples import SIZE, ExampleSamples, make_examples, make_value_batch
from candelabra.contracts.options import list_targets
from candelabra.data.labels_json import LABELS_FILE, parse_labels_json, write_labels_json
from candelabra.data.readers.reader import Reader
from candelabra.data.readers.table import Table
from candelabra.data.samples import add_missing_targets, make_sample
from candelabra.data.shards.webdataset import WebDataset
from candelabra.data.targets import Labels, Target
from candelabra.data.views.concat import merge_labels
from candelabra.data.views.drop_labels import DropLabels
from candelabra.data.writers.entry import make_entry
from candelabra.data.writers.table import TableWriter
from candelabra.data.writers.webdataset import WebDatasetWriter

every_target = pytest.mark.parametrize("kind", list_targets().values(), ids=list_targets())


@every_target
def test_a_missing_value_is_not_labelled_and_has_the_shape_of_a_value(kind: type[Target]) -> None:
    target, (value,) = make_examples(kind, 1)
    missing = target.missing(SIZE)
    assert (missing.shape, missing.dtype) == (value.shape, value.dtype)
    assert target.is_labelled(torch.stack([value, missing])).tolist() == [True, False]


@every_target
def test_a_blank_value_is_not_labelled(kind: type[Target]) -> None:
    target, batch = make_value_batch(kind)
    assert not target.is_labelled(target.blank_like(batch)).any()
    wrapped = target.wrap(batch[0], SIZE)
    blank = target.blank_like(wrapped)
    assert type(blank) is type(wrapped)
    assert not target.is_labelled(target.unwrap(blank)[None]).any()


@every_target
def test_unwrapping_inverts_wrapping(kind: type[Target]) -> None:
    target, (value,) = make_examples(kind, 1)
    plain = target.unwrap(target.wrap(value.clone(), SIZE))
    assert not isinstance(plain, tv_tensors.TVTensor)
    torch.testing.assert_close(plain, value, rtol=0, atol=0, equal_nan=True)


@every_target
def test_a_description_survives_json(kind: type[Target]) -> None:
    target, _ = make_examples(kind, 1)
    assert kind.from_plain(json.loads(json.dumps(target.to_plain())), "labels.json") == target
    labels = Labels(target)
    assert parse_labels_json(json.loads(write_labels_json(labels)), LABELS_FILE) == labels


@every_target
def test_examples_have_one_target_and_fields_name_it(kind: type[Target]) -> None:
    rng = np.random.default_rng(0)
    assert kind.example(SIZE, rng)[0] == kind.example((64, 32), rng)[0]
    assert kind.blend in ("mix", "paste", "refuse")
    assert 0 < kind.least_crop <= 1
    assert len(kind.fields) == len(set(kind.fields))


@every_target
def test_only_values_with_pixels_are_pasted_and_only_values_without_a_place_are_mixed(kind: type[Target]) -> None:
    target, (value,) = make_examples(kind, 1)
    wrapped = target.wrap(value, SIZE)
    if kind.blend == "paste":
        assert value.shape[-2:] == SIZE
    if kind.blend == "mix":
        assert target.crop_and_resize(wrapped, (8, 8, 40, 40), (32, 32)) is wrapped


@every_target
def test_what_is_drawn_and_written_has_the_stated_shape(kind: type[Target], tmp_path: Path) -> None:
    target, (value,) = make_examples(kind, 1)
    drawn = target.draw(Image.new("RGB", SIZE[::-1]), value)
    assert (drawn.size, drawn.mode) == (SIZE[::-1], "RGB")
    both = target.draw_truth(drawn, value)
    assert (both.size, both.mode) == (SIZE[::-1], "RGB")
    assert isinstance(target.caption(value), str)
    assert target.draw(Image.new("RGB", SIZE[::-1]), target.missing(SIZE)).size == SIZE[::-1]
    assert isinstance(target.caption(target.missing(SIZE)), str)
    assert len(target.table_cells(target.to_json(value), "a.png")) == len(target.table_header())
    assert len(target.table_cells(None, "")) == len(target.table_header())
    assert (target.to_file(value) is not None) == kind.in_files
    assert (target.to_json(value) is not None) == (not kind.in_files)
    assert target.to_file(target.missing(SIZE)) is None
    assert target.to_json(target.missing(SIZE)) is None


@every_target
def test_counts_of_a_check_have_fixed_shapes(kind: type[Target]) -> None:
    target, (value,) = make_examples(kind, 1)
    counts, empty = target.summarize(value, SIZE), target.summarize(target.missing((1, 1)), (1, 1))
    assert {key: each.shape for key, each in counts.items()} == {key: each.shape for key, each in empty.items()}
    assert not any(each.any() for each in empty.values())


@every_target
def test_dropped_labels_are_not_labelled(kind: type[Target]) -> None:
    samples = ExampleSamples(kind)
    target = samples.labels[kind]
    dropped = DropLabels(samples, {target.name: np.zeros(len(samples), bool)})
    assert not target.is_labelled(torch.stack([target.unwrap(dropped[i][target.name]) for i in range(4)])).any()


@every_target
def test_a_set_without_the_target_gets_it_as_missing(kind: type[Target]) -> None:
    target, _ = make_examples(kind, 1)
    labels = merge_labels({"one": Labels(target), "other": Labels()})
    sample = add_missing_targets(make_sample(torch.zeros(3, *SIZE)), labels)
    assert not target.is_labelled(target.unwrap(sample[target.name])[None]).any()


@pytest.mark.parametrize("form", ["table", "webdataset"])
@every_target
def test_what_is_written_is_read_again(kind: type[Target], form: str, tmp_path: Path) -> None:
    samples = ExampleSamples(kind)
    entries = [make_entry(samples, index, str(split)) for index, split in enumerate(samples.published)]
    writer = TableWriter() if form == "table" else WebDatasetWriter()
    writer.check(samples.labels)
    writer.write(tmp_path, samples.labels, entries)
    (tmp_path / LABELS_FILE).write_text(write_labels_json(samples.labels))
    reader: Reader = Table(root=str(tmp_path)) if form == "table" else WebDataset(root=str(tmp_path))
    again = reader.read()
    assert again.labels == samples.labels
    places = {Path(name).stem: index for index, name in enumerate(again.names)}
    for index, name in enumerate(samples.names):
        ours, theirs = samples[index], again[places[name]]
        for key in ours:
            torch.testing.assert_close(theirs[key], ours[key], rtol=0, atol=0, equal_nan=True, msg=f"{key} of {name}")
    assert again.labelled()[kind.name].sum() == 3
