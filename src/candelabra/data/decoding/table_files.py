"""Tables as people have them: any separator, encoding, header; every cell of a CSV stays the text that it is."""

import csv
import gzip
import warnings
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast

from candelabra.data.decoding.images import IMAGE_SUFFIXES
from candelabra.data.decoding.text_files import detect_encoding
from candelabra.data.issues import DataIssue, IssueTreatment
from candelabra.environment import require_package
from candelabra.errors import CandelabraError

if TYPE_CHECKING:
    from pandas import DataFrame

_SEPARATORS = (",", ";", "\t", "|")
_HEADLESS = "headless"
_TRIED = 20  # lines that tell the separator
_BLOCK = 2**24  # bytes read at once
_GZIP = b"\x1f\x8b"
_PARQUET = b"PAR1"
_SHEETS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # xlsx and ods, xls
_SHEET_ENDINGS = (".xlsx", ".xls", ".xlsm", ".ods", ".numbers")


class _Layout(NamedTuple):
    """How a text table is written: encoding, separator, lines before the header, and the words of the header."""

    encoding: str
    separator: str
    skipped: int
    header: list[str]  # or the first row, where there is none


def read_table_file(path: Path, issues: list[DataIssue], rows: int | None = None) -> "DataFrame":
    """A CSV or Parquet file. Cells of a CSV are text without blanks around it, null where nothing else is there.

    The separator (comma, semicolon, tab, bar, or blanks) and the encoding are found out. A first line that names an
    image is no header, see `has_header`. A line with too many cells keeps its
    first cell, or the one of the column `image`.

    Args:
        path: of the file.
        issues: list to which issues are appended.
        rows: how many are read; null for all.

    Raises:
        CandelabraError: it cannot be read, it is a spreadsheet, or two columns have one name.
    """
    import pandas

    try:
        with path.open("rb") as file:
            start = file.read(4)
        if path.suffix.lower() in _SHEET_ENDINGS or start in _SHEETS:
            raise CandelabraError(f"{path} is a spreadsheet; CSV and Parquet are read: save the sheet as CSV.")
        if path.suffix.lower() == ".parquet" or start == _PARQUET:
            require_package("pyarrow", f"The Parquet table {path}", "save it as CSV")
            table = pandas.read_parquet(path)
            table.columns = clean_header([str(column) for column in table.columns], path)
            return table if rows is None else table.head(rows)
        layout = _find_layout(path, issues)
        return _read_text(path, layout, issues, rows)
    except CandelabraError:
        raise
    except (
        ValueError,
        OSError,
        EOFError,
        csv.Error,
    ) as error:  # pandas', pyarrow's and zlib's own errors are among them
        raise CandelabraError(f"The table {path} cannot be read ({' '.join(str(error).split())}).") from error


def clean_header(words: Sequence[str], path: Path) -> list[str]:
    """Names of columns without blanks and quotes around them.

    Raises:
        CandelabraError: two columns have one name.
    """
    clean = [word.strip(" \t\r\n\"'\ufeff\xa0") for word in words]
    for name in clean:
        if name and clean.count(name) > 1:
            raise CandelabraError(f"The table {path} has several columns called {name}; rename or delete all but one.")
    return [name or f"column {place + 1}" for place, name in enumerate(clean)]


def _open(path: Path, encoding: str) -> IO[str]:
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP
    return cast(
        IO[str],
        gzip.open(path, "rt", encoding=encoding, newline="") if packed else path.open(encoding=encoding, newline=""),
    )


def _find_layout(path: Path, issues: list[DataIssue]) -> _Layout:
    with path.open("rb") as raw:
        packed = raw.read(2) == _GZIP
        raw.seek(0)
        start = (cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if packed else raw).read(2**16)
    encoding = detect_encoding(start)
    try:
        with _open(path, encoding) as file:
            while file.read(_BLOCK):
                pass
    except UnicodeDecodeError as error:
        issues.append(DataIssue(path.name, "text is not UTF-8", IssueTreatment.USED, f"read as Latin-1 ({error})"))
        encoding = "latin-1"
    with _open(path, encoding) as file:
        lines = [line for line, _ in zip(file, range(_TRIED + 2), strict=False)]
    skipped = next((place for place, line in enumerate(lines) if line.strip()), len(lines))
    told = ""
    if skipped < len(lines) and lines[skipped].strip().strip('"').lower().startswith("sep="):  # Excel's own
        told = lines[skipped].strip("\r\n").strip('"')[4:5] or "\t"
        skipped += 1
    separator = told or find_separator(lines[skipped:])
    header = next(csv.reader(lines[skipped:], delimiter=separator, skipinitialspace=True), [])
    return _Layout(encoding, separator, skipped, header)


def find_separator(lines: Sequence[str]) -> str:
    """What stands between the cells: what divides the header, and the following lines into as many cells.

    >>> find_separator(["image;label", "a,b.jpg;cat"]), find_separator(["image,label", "a.jpg,cat|dog"])
    (';', ',')
    """
    fits: dict[str, float] = {}
    for separator in _SEPARATORS:
        with suppress(csv.Error):
            found = [row for row in csv.reader(lines, delimiter=separator, skipinitialspace=True) if any(row)]
            if found and len(found[0]) > 1:
                fits[separator] = sum(len(row) == len(found[0]) for row in found) / len(found)
    if not fits and _are_columns([line.split() for line in lines if line.strip()]):
        return " "
    return max(fits, key=lambda separator: fits[separator], default=",")


def _are_columns(rows: Sequence[Sequence[str]]) -> bool:
    return len(rows) > 1 and len(rows[0]) > 1 and len({len(row) for row in rows}) == 1


def has_header(table: "DataFrame") -> bool:
    """Whether the columns of a table that was read have names; else they are called `column 1`, ..."""
    return _HEADLESS not in table.attrs


def _names_image(words: Sequence[str]) -> bool:
    return any(Path(word.strip()).suffix.lower() in IMAGE_SUFFIXES for word in words)


def _read_text(path: Path, layout: _Layout, issues: list[DataIssue], rows: int | None) -> "DataFrame":
    import pandas

    if not any(layout.header):
        raise ValueError("it is empty")
    headless = _names_image(layout.header)
    header = [""] * len(layout.header) if headless else layout.header
    options: dict[str, Any] = {
        "sep": layout.separator,
        "skiprows": layout.skipped,
        "header": None if headless else 0,
        "names": clean_header(header, path),
        "index_col": False,
        "dtype": str,
        "keep_default_na": False,
        "skipinitialspace": True,
    }
    broken = (pandas.errors.ParserError, pandas.errors.ParserWarning)
    table: DataFrame | None = None
    with warnings.catch_warnings(), suppress(*broken), _open(path, layout.encoding) as file:
        warnings.simplefilter("error", pandas.errors.ParserWarning)
        table = pandas.read_csv(file, nrows=rows, **options)
    if table is None:  # not by pandas, whose Python engine cut long lines without a word before 3.1
        keeper = _RowKeeper(options["names"], issues)
        with _open(path, layout.encoding) as file:
            lines = csv.reader(
                islice(file, layout.skipped, None), delimiter=layout.separator, skipinitialspace=True, strict=True
            )
            filled = (cells for cells in lines if any(cells))
            kept = islice((keeper.keep(cells) for cells in islice(filled, not headless, None)), rows)
            table = pandas.DataFrame(list(kept), columns=options["names"], dtype=str)
    table = table.apply(lambda column: column.str.strip())
    table = table.where(table != "")
    table.attrs |= {_HEADLESS: True} if headless else {}
    return table


class _RowKeeper:
    """What is kept of each line: all cells, or the name of the image alone where there are too many."""

    def __init__(self, names: Sequence[str], issues: list[DataIssue]) -> None:
        self.width, self.issues = len(names), issues
        self.place = next((place for place, name in enumerate(names) if name.casefold() == "image"), 0)

    def keep(self, cells: list[str]) -> list[str]:
        if not any(cells[self.width :]):  # separators at the end of lines
            return cells[: self.width] + [""] * (self.width - len(cells))
        detail = f"{len(cells)} cells, not {self.width}"
        name = cells[self.place].strip()
        self.issues.append(DataIssue(name, "malformed line of a table", IssueTreatment.UNLABELLED, detail))
        return [name if column == self.place else "" for column in range(self.width)]
