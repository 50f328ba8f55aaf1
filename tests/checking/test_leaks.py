"""What splits share."""

import numpy as np

from candelabra.checking.leaks import Leak, find_contradictions, find_cross_split_groups, find_leaks, find_shared_names

SPLIT = np.array(["train", "train", "val", "test", "test", ""])


def group(*indices: int) -> np.ndarray:
    return np.array(indices, np.int64)


def test_what_a_split_holds_of_an_earlier_one_is_counted_once() -> None:
    equal, alike = [group(0, 3)], [group(0, 3, 4), group(1, 2)]
    assert find_leaks(equal, alike, SPLIT) == [Leak("train", "val", 1, 0), Leak("train", "test", 2, 1)]
    assert find_leaks([group(0, 1)], [group(3, 4, 5)], SPLIT) == []  # in one split, or in none
    assert [list(each) for each in find_cross_split_groups([group(0, 1), group(1, 5), group(2, 3)], SPLIT)] == [[2, 3]]


def test_equal_images_contradict_each_other_where_both_are_labelled() -> None:
    label, box = np.array([1, 1, 2, 0, 3], np.uint64), np.array([7, 8, 9, 9, 0], np.uint64)
    found = find_contradictions([group(0, 1), group(2, 3), group(2, 4)], {"label": label, "box": box})
    assert [(list(members), targets) for members, targets in found] == [([0, 1], ["box"]), ([2, 4], ["label"])]


def test_names_of_persons_in_two_splits_are_told() -> None:
    names = [f"training/Person {letter}{letter}_{number}.jpg" for letter in "abcdefghijkl" for number in range(3)]
    names += ["test/Person aa_1.jpg", "test/Person bb_77.jpg", "test/someone_1.jpg"]
    split = np.array(["train"] * 36 + ["test"] * 3)
    files, starts = find_shared_names(names, split, np.zeros(39, np.int64))
    assert (files.shared, files.images, files.examples) == (1, 2, ["Person aa_1"])
    assert (starts.shared, starts.number, starts.images) == (2, 13, 8)
    assert starts.splits == ("train", "test")


def test_names_that_tell_nothing_are_not_told() -> None:
    split = np.array(["train", "test"] * 40)
    same = np.zeros(80, np.int64)
    assert find_shared_names([f"{number // 2:04}.jpg" for number in range(80)], split, same) == []
    assert find_shared_names([f"img_{number // 2}.jpg" for number in range(80)], split, same) == []
    breeds = [f"{'abcdefghijklmnopqrst'[number % 20] * 3}_{number}.jpg" for number in range(80)]
    assert find_shared_names(breeds, np.array(["train"] * 40 + ["test"] * 40), np.arange(80) % 20) == []
