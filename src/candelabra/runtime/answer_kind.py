"""What every kind of answer does with the outputs of a head."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from candelabra.runtime.description import ModelDescription
from candelabra.runtime.pictures import Picture

Values = NDArray[Any]


class AnswerKind(ABC):
    """What is to be done with the outputs of one head.

    Args:
        name: of the head.
        about: what model.json says of its answer.
    """

    def __init__(self, name: str, about: Mapping[str, Any]) -> None:
        self.name, self.about = name, about
        self.classes: tuple[str, ...] = tuple(about.get("classes", ()))

    def list_outputs(self) -> list[str]:
        """Names of the outputs that `place` reads."""
        return [self.name]

    def place(self, outputs: Mapping[str, Values], picture: Picture, model: ModelDescription) -> Values:
        """The answer for one picture, in pixels of its file; the output itself, where an answer has no place.

        Args:
            outputs: of this picture, by name, in the pixels that the model was given.
            picture: likewise.
            model: it.
        """
        return outputs[self.name]

    def to_result(self, values: Values) -> Any:
        """An answer as a plain object, see `candelabra.results`; an array stays as it is."""
        return values

    @abstractmethod
    def to_json(self, values: Values) -> Any:
        """An answer in plain values, as `Target.to_json_result` has it."""
