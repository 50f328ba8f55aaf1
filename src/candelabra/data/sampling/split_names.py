"""Names of splits, as folders and files spell them."""

SPLIT_ALIASES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}


def parse_split_name(name: str) -> str:
    """The split that a folder's name tells, numbers aside; "" for one that tells none.

    >>> parse_split_name("Training"), parse_split_name("val2017"), parse_split_name("cats")
    ('train', 'val', '')
    """
    return SPLIT_ALIASES.get(name.lower().rstrip("0123456789_-"), "")
