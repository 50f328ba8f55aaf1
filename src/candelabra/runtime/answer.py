"""What an exported model says of one picture."""

from collections.abc import Mapping
from typing import Any

from candelabra.runtime.answer_kind import AnswerKind, Values
from candelabra.types import Size


class Answer:
    """The answers of all heads for one picture, in pixels of its file; each head is an attribute by its name.

    They are what the attributes of `candelabra.Prediction` are: a `LabelResult`, a `BoundingBox`, a mapping of names
    to `Point`, a list of `DetectedObject`, or an array (H, W).

    Args:
        name: of the picture.
        size: (H, W) of its file, in pixels.
        values: of each head, as arrays.
        kinds: likewise, what they mean.
    """

    def __init__(self, name: str, size: Size, values: Mapping[str, Values], kinds: Mapping[str, AnswerKind]) -> None:
        self.name, self.size, self.values, self.kinds = name, size, values, kinds

    def __getattr__(self, name: str) -> Any:
        values = self.__dict__.get("values", {})
        if name in values:
            return self.kinds[name].to_result(values[name])
        raise AttributeError(f"Answer has no attribute {name!r}; the heads of the model are {', '.join(values)}.")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON: the name and size of the picture, and what each head says."""
        said = {name: kind.to_json(self.values[name]) for name, kind in self.kinds.items()}
        return {"image": self.name, "height": self.size[0], "width": self.size[1], **said}

    def __repr__(self) -> str:
        return f"Answer({self.name}: {', '.join(self.values)})"
