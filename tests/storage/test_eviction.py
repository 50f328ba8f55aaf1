"""The entry that was not used for longest goes first, and none that is in use."""

from pathlib import Path

import pytest

from candelabra.storage import evict_least_recently_used

SIZES = {Path(name): size for name, size in (("a", 5), ("b", 3), ("c", 2))}
USES = {Path("a"): 2.0, Path("b"): 1.0, Path("c"): 3.0}


@pytest.mark.parametrize(
    ("limit", "used", "removed", "left"),
    [
        (10, "", "", 10),
        (9, "", "b", 7),
        (6, "", "ba", 2),
        (0, "", "bac", 0),
        (-1, "", "bac", 0),
        (6, "b", "a", 5),
        (1, "ac", "b", 7),
    ],
)
def test_the_oldest_are_removed_until_the_others_fit(limit: int, used: str, removed: str, left: int) -> None:
    gone: list[str] = []

    def remove(path: Path) -> bool:
        if str(path) in used:
            return False
        gone.append(str(path))
        return True

    assert evict_least_recently_used(SIZES, limit, USES.__getitem__, remove) == left
    assert "".join(gone) == removed
