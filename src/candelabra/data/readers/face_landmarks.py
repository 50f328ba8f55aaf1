"""The two usual numberings of facial points: which swap in a mirror image, and the outer corners of the eyes."""

_IBUG = 68  # points, of 300-W (Sagonas et al. 2013)
WFLW_POINTS = 98  # points (Wu et al. 2018)
EYE_CORNERS = {_IBUG: ("36", "45"), WFLW_POINTS: ("60", "72")}  # outer corners
_PAIRS = {
    _IBUG: "0 16 1 15 2 14 3 13 4 12 5 11 6 10 7 9 17 26 18 25 19 24 20 23 21 22 31 35 32 34 36 45 37 44 38 43 39 42 "
    "40 47 41 46 48 54 49 53 50 52 55 59 56 58 60 64 61 63 65 67",
    WFLW_POINTS: "0 32 1 31 2 30 3 29 4 28 5 27 6 26 7 25 8 24 9 23 10 22 11 21 12 20 13 19 14 18 15 17 33 46 34 45 "
    "35 44 "
    "36 43 37 42 38 50 39 49 40 48 41 47 60 72 61 71 62 70 63 69 64 68 65 75 66 74 67 73 55 59 56 58 76 82 77 81 "
    "78 80 87 83 86 84 88 92 89 91 95 93 96 97",
}


def mirror_landmarks(count: int) -> list[int] | None:
    """For each of so many points, the one that it becomes in a mirror image; null where the numbering is not known.

    >>> mirror_landmarks(68)[36], mirror_landmarks(98)[60], mirror_landmarks(5)
    (45, 72, None)
    """
    if count not in _PAIRS:
        return None
    swapped = list(range(count))
    numbers = [int(word) for word in _PAIRS[count].split()]
    for left, right in zip(numbers[::2], numbers[1::2], strict=True):
        swapped[left], swapped[right] = right, left
    return swapped
