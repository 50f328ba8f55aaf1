"""Numbers and grades of images: what columns of tables and records hold, and what is refused."""

from pathlib import Path

import pytest
import torch

from candelabra.data import Table
from candelabra.data.issues import DataIssue
from candelabra.data.samples import Samples
from candelabra.data.targets import OrdinalTarget, ValueTarget
from candelabra.errors import CandelabraError
from tests.data.files import write_image

NAN = float("nan")


def read_table(folder: Path, text: str, **options: object) -> Samples:
    lines = text.split()
    for line in lines[1:]:
        write_image(folder / line.split(",")[0])
    (folder / "table.csv").write_text("\n".join(lines) + "\n")
    return Table(root=str(folder), **options).read()  # type: ignore[arg-type]


def collect(samples: Samples, name: str) -> list[object]:
    return [samples[index][name].tolist() for index in range(len(samples))]  # type: ignore[literal-required]


def find_details(samples: Samples) -> list[str]:
    return [str(issue.detail) for issue in samples.issues]


def test_columns_of_a_table_are_numbers_by_name(tmp_path: Path) -> None:
    text = "image,age,size,note a.png,30,1.5,x b.png,,2 c.png,old,inf d.png,,"
    samples = read_table(tmp_path, text.replace("b.png,,2", "b.png,,2,"), values=["size", "age"])
    assert samples.labels[ValueTarget].names == ("size", "age")
    torch.testing.assert_close(
        torch.tensor(collect(samples, "value")),
        torch.tensor([[1.5, 30], [2, NAN], [NAN, NAN], [NAN, NAN]]),
        equal_nan=True,
    )
    assert samples.labelled()["value"].tolist() == [True, True, False, False]
    assert any("age=old" in detail for detail in find_details(samples))
    assert any(detail == "note" for detail in find_details(samples))  # columns that are not read


def test_a_decimal_comma_is_read_and_a_column_value_needs_no_option(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text('image;value\na.png;"10,5"\nb.png;3\n')
    for name in "ab":
        write_image(tmp_path / f"{name}.png")
    assert collect(Table(root=str(tmp_path)).read(), "value") == [[10.5], [3.0]]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"values": ["agee"]}, r"data\.values names agee; the table has .*age"),
        ({"values": ["image"]}, r"data\.values names image"),
        ({"grade": "stage"}, r"data\.grade names stage; the table has"),
        ({"grade": "word"}, r"mild.*order is not known.*ordinal_grades"),
        ({"grade": "age"}, r"below 100\. Numbers in a unit are learned as values"),
    ],
)
def test_what_is_no_column_is_refused(tmp_path: Path, options: dict[str, object], words: str) -> None:
    with pytest.raises(CandelabraError, match=words):
        read_table(tmp_path, "image,age,word a.png,300,mild b.png,20,severe", **options)


def test_grades_are_numbers_up_to_the_largest_or_words_in_a_given_order(tmp_path: Path) -> None:
    samples = read_table(tmp_path, "image,stage a.png,3 b.png,0 c.png, d.png,1.0 e.png,-1", grade="stage")
    assert samples.labels[OrdinalTarget].grades == ("0", "1", "2", "3")
    assert collect(samples, "ordinal") == [3, 0, -1, 1, -1]
    words = {"ordinal_grades": ["none", "mild", "severe"]}
    samples = read_table(tmp_path, "image,ordinal a.png,severe b.png,none c.png,awful", words=words)
    assert collect(samples, "ordinal") == [2, 0, -1]
    assert any("awful" in detail for detail in find_details(samples))


def test_records_hold_numbers_alone_or_by_name() -> None:
    issues: list[DataIssue] = []
    column = ValueTarget.read_records([3, None, "x", 4.5], list("abcd"), None, issues)
    assert column is not None
    assert column.target == ValueTarget(("value",))
    assert column.labelled().tolist() == [True, False, False, True]
    assert [issue.name for issue in issues] == ["c"]
    named = ValueTarget.read_records([{"b": 1}, {"a": 2, "b": None}], list("xy"), None, issues)
    assert named is not None
    assert named.target == ValueTarget(("b", "a"))
    assert named.labelled().tolist() == [True, True]


def test_data_sets_of_a_union_may_tell_other_numbers() -> None:
    one, other = ValueTarget(("age", "size")), ValueTarget(("weight", "age"))
    merged = one.merge(other)
    assert merged == ValueTarget(("age", "size", "weight"))
    found = merged.match_value(torch.tensor([70.0, 30.0]), other, (8, 8))
    torch.testing.assert_close(found, torch.tensor([30.0, NAN, 70.0]), equal_nan=True)
    assert one.merge(ValueTarget(("size",))) == one


def test_predictions_are_told_with_their_deviations() -> None:
    target = ValueTarget(("age", "size")).with_deviations()
    value = torch.tensor([[30.25, 4.0], [1.5, 0.125]])
    assert target.prediction_header() == ["age", "age_std", "size", "size_std"]
    assert target.prediction_row(value) == ["30.25", "4", "1.5", "0.125"]
    assert target.caption(value) == "age 30.25 ± 4, size 1.5 ± 0.125"
    assert target.to_json_result(value)["size"] == {"value": 1.5, "std": 0.125}
    assert target == ValueTarget(("age", "size"))
