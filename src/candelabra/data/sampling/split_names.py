"""Spellings of split names in folders and files."""

SPLIT_ALIASES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}


def parse_split_name(name: str) -> str:
    """The split that the name of a folder means, ignoring numbers at its end; "" for none.

    >>> parse_split_name("Training"), parse_split_name("val2017"), parse_split_name("cats")
    ('train', 'val', '')
    """
    return SPLIT_ALIASES.get(name.lower().rstrip("0123456789_-"), "")
