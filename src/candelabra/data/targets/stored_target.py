"""How a target is stored: in tables, in records and files of shards, and written by `candelabra convert`."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from candelabra.data.class_words import clean_listed_names
from candelabra.data.issues import DataIssue
from candelabra.data.targets.fields import check_field
from candelabra.errors import CandelabraError, list_nearest
from candelabra.types import Size

if TYPE_CHECKING:
    from candelabra.data.targets.column import TargetColumn


class StoredTarget:
    """The part of `Target` that concerns files; the defaults suit a target that is never stored."""

    name: ClassVar[str]
    table_hint: ClassVar[str] = ""  # what to type where a table has its values in columns of other names

    def to_plain(self) -> dict[str, Any]:
        """The fields as plain values, for checkpoints and labels.json."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}  # type: ignore[call-overload]

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any], where: str) -> Self:
        """The target that `to_plain` described.

        Args:
            plain: the fields.
            where: it stands, for messages.

        Raises:
            CandelabraError: a key is not known.
        """
        known = [field.name for field in fields(cls)]  # type: ignore[arg-type]
        for key in plain:
            if key not in known:
                raise CandelabraError(
                    f"{where}: {cls.name} has no {key!r}; allowed are {list_nearest(str(key), known)}."
                )
        defaults = {field.name: field.default for field in fields(cls)}  # type: ignore[arg-type]
        named = {key: clean_listed_names(value) if key == "classes" else value for key, value in plain.items()}
        return cls(**{key: check_field(value, defaults[key], f"{where}: {key}") for key, value in named.items()})

    def table_header(self) -> list[str]:
        """Columns of a table that `candelabra convert` writes."""
        return []

    def table_cells(self, value: Any, file: str) -> list[Any]:
        """Cells of a table.

        Args:
            value: of `to_json`.
            file: path of what `to_file` gave; empty for none.
        """
        return []

    def to_json(self, value: Tensor) -> Any:
        """The value of one sample as JSON; null where it is not labelled or lies in a file of its own."""
        return None

    def to_coco(self, value: Tensor, size: Size) -> list[dict[str, Any]] | None:
        """The objects of a prediction as annotations of COCO's JSON, without ids; null for targets without objects.

        Args:
            value: in pixels of the image.
            size: (H, W) of the image.
        """
        return None

    def to_file(self, value: Tensor) -> bytes | None:
        """The value of one sample as the bytes of a file; null for targets that JSON holds, or not labelled."""
        return None

    @classmethod
    def read_table(
        cls, table: Any, root: Path, described: Self | None, issues: list[DataIssue]
    ) -> "TargetColumn | None":
        """The column of a table for `data=table`, one row an image; null where the table does not hold this target.

        The reader itself reads the targets that have options of their own there (label, box, keypoints, mask).

        Args:
            table: a pandas DataFrame; paths of files are below `root`.
            root: the folder of the data set.
            described: the target of labels.json, null where it does not name it.
            issues: grows by what is wrong.
        """
        return None

    @classmethod
    def read_records(
        cls, cells: Sequence[Any], names: Sequence[str], described: Self | None, issues: list[DataIssue]
    ) -> "TargetColumn | None":
        """The column of what `to_json` wrote; null where no sample has any.

        Args:
            cells: one a sample, null where its record holds none.
            names: of the samples, for issues.
            described: see `read_table`.
            issues: grows by what is wrong; such a value is unlabelled.
        """
        return None

    @classmethod
    def read_files(cls, present: NDArray[np.bool_], described: Self | None) -> "TargetColumn | None":
        """The column of what `to_file` wrote into shards; null for targets without files, or not described.

        Args:
            present: (n,) which samples have a file.
            described: see `read_table`.
        """
        return None
