"""What a data set labels: its targets by name."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Self, TypeVar, overload

from candelabra.data.targets.target import Target
from candelabra.data.targets.target_classes import find_target_class

T = TypeVar("T", bound=Target)
_KIND = "target"  # the class of a renamed target, beside its fields


class Labels(Mapping[str, Target]):
    """The targets of a data set, by name or by class.

    Args:
        targets: of any order; listings go by `Target.position`.

    >>> from candelabra.data.targets import BoxTarget, LabelTarget
    >>> labels = Labels(LabelTarget(("cat", "dog")), BoxTarget())
    >>> labels.targets, labels[LabelTarget].classes
    (('label', 'box'), ('cat', 'dog'))
    """

    def __init__(self, *targets: Target) -> None:
        ordered = sorted(targets, key=lambda target: target.position)
        self._targets = {target.name: target for target in ordered}

    @overload
    def __getitem__(self, key: str) -> Target: ...

    @overload
    def __getitem__(self, key: type[T]) -> T: ...

    def __getitem__(self, key: str | type[T]) -> Target | T:
        return self._targets[key if isinstance(key, str) else key.name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._targets)

    def __len__(self) -> int:
        return len(self._targets)

    def __repr__(self) -> str:
        return f"Labels({', '.join(map(repr, self._targets.values()))})"

    def find(self, kind: type[T]) -> T | None:
        """The target of a class; null where the data set does not label it."""
        return self[kind] if kind.name in self._targets else None

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the targets."""
        return tuple(self._targets)

    def list_names(self) -> str:
        """Names of the targets in words, for messages.

        >>> Labels().list_names()
        'nothing'
        """
        return ", ".join(self._targets) or "nothing"

    def only(self, names: Collection[str]) -> Self:
        """The same without all other targets."""
        return type(self)(*(target for name, target in self._targets.items() if name in names))

    def with_target(self, target: Target) -> Self:
        """The same with a target added or replaced."""
        return type(self)(*{**self._targets, target.name: target}.values())

    def select_for_head(self, name: str) -> Self:
        """The same with the target that a head of this name learns under the name of its class; see `Target.rename`."""
        selected = type(self)(*self._targets.values())
        if name in self._targets:
            selected._targets[type(self._targets[name]).name] = self._targets[name]
        return selected

    @property
    def min_visible(self) -> float:
        """The share that `with_min_visible` set; see `Target.min_visible`."""
        return max((target.min_visible for target in self.values()), default=Target.min_visible)

    def with_min_visible(self, share: float) -> Self:
        """The same whose targets of objects go by this share; see `Target.with_min_visible`."""
        return type(self)(*(target.with_min_visible(share) for target in self.values()))

    def drop_training_fields(self) -> Self:
        """The same without what only training asks for; see `Target.drop_training_fields`."""
        return type(self)(*(target.drop_training_fields().rename(name) for name, target in self.items()))

    def to_plain(self) -> dict[str, dict[str, Any]]:
        """Plain values that `from_plain` understands, for checkpoints and labels.json."""
        kinds = {name: type(target).name for name, target in self._targets.items()}
        return {
            name: {**({} if kinds[name] == name else {_KIND: kinds[name]}), **target.to_plain()}
            for name, target in self._targets.items()
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Mapping[str, Any]], where: str = "labels") -> Self:
        """The labels that `to_plain` described.

        Args:
            plain: fields of each target, by its name; of a renamed one also `target`, the name of its class.
            where: it stands, for messages.

        Raises:
            CandelabraError: a target or a field is not known.
        """
        found = []
        for name, values in plain.items():
            kind = find_target_class(str(values.get(_KIND, name)))
            fields = {key: value for key, value in values.items() if key != _KIND}
            found.append(kind.from_plain(fields, where).rename(name))
        return cls(*found)
