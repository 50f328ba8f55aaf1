"""Data that have moved since a training."""

from typing import Any

import pytest

from candelabra.errors import CandelabraError
from candelabra.tasks.preprocessing import read_trained_size
from candelabra.training.trained_data import relocate_data


def test_where_data_have_moved_and_how_large_they_were_in_plain_words() -> None:
    node = {"size": None, "sets": {"a": {"root": "x", "size": [3, 4]}, "b": {"size": 5}}}
    now: dict[str, Any] = {"root": None, "batch_size": 3, "workers": None}
    assert relocate_data(node, {**now, "sets": {"a": {"root": "y"}}})["sets"]["a"] == {"root": "y", "size": [3, 4]}
    assert relocate_data(node, {**now, "sets": None}) == {**node, "batch_size": 3}
    assert read_trained_size(node) == [3, 4]
    for wrong in ({"b": {"root": "y"}}, {"a": {"size": 3}}, {"a": None}):
        with pytest.raises(CandelabraError, match="can be set here"):
            relocate_data(node, {**now, "sets": wrong})
    with pytest.raises(CandelabraError, match="not trained on a union"):
        relocate_data({"root": "x", "split": "random", "seed": 0}, {**now, "sets": {"a": {"root": "y"}}})


def test_a_test_share_beside_folds_is_dropped_of_trainings_before_it_was_refused() -> None:
    one = {"folds": 5, "fold": 1, "test": 0.3}
    now = dict.fromkeys(("root", "batch_size", "workers", "split", "sets"))
    found = relocate_data({"sets": {"a": one, "b": {"folds": None, "test": 0.3}}}, now)
    assert [each["test"] for each in found["sets"].values()] == [None, 0.3]
    assert relocate_data(one, now) == {**one, "test": None}
