"""Columns of tables that hold numbers to learn, and grades."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from candelabra.data.issues import DataIssue
from candelabra.data.readers.table_cells import parse_numbers
from candelabra.data.targets import Labels, OrdinalTarget, ValueTarget
from candelabra.errors import CandelabraError, list_nearest

if TYPE_CHECKING:
    from pandas import DataFrame


def read_value_names(
    table: "DataFrame", described: Labels, values: Sequence[str], grade: str | None, issues: list[DataIssue]
) -> tuple["DataFrame", Labels]:
    """The table with values as numbers and grades in a column of their target; and its labels with the names of values.

    Args:
        table: as it was loaded.
        described: what is known of its targets before.
        values: columns of numbers; empty for those that are described, else the column `value`.
        grade: the column of grades; null for `ordinal`.
        issues: list to which issues are appended.

    Raises:
        CandelabraError: a column is not there, or no cell of a column of `values` is a number.
    """
    for option, name in [("values", name) for name in values] + [("grade", grade)] * (grade is not None):
        if name not in table or name in ("image", "split"):
            others = [str(column) for column in table.columns if column not in ("image", "split")]
            raise CandelabraError(f"data.{option} names {name}; the table has {list_nearest(str(name), others)}.")
    if grade is not None and grade != OrdinalTarget.name:
        table = table.drop(columns=OrdinalTarget.name, errors="ignore").rename(columns={grade: OrdinalTarget.name})
    if values:
        described = described.with_target(ValueTarget(tuple(values)))
    target = described.find(ValueTarget) or ValueTarget()
    there = [name for name in target.names if name in table]
    return table.assign(**parse_numbers(table, there, issues, "data.values" if values else None)), described
