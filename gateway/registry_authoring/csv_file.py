"""Reads a registry file: CSV in UTF-8 (with or without BOM), cells separated by `;` or `,`, column names on the first
line.

Columns: code, alias, name, parent, valid_from, valid_to, successor, email, address, phone, decision, host, contact,
next_host, next_host_from, scheme, in any order; `code` and `name` are required. An absent column leaves that field
unchanged; an empty cell empties it, but an empty `parent` means the code one group shorter where that one is known. Codes
are written in capitals, in full; `alias` is one older code; dates are 2031-03-04 or 04/03/2031; `valid_to` is the last
day; `host` is the name of the node that speaks for the code on the axis; from the day `next_host_from` on it is
`next_host`, or none where that is empty; `contact` is the name of the person to call there; `scheme` is the
identification scheme of a code that is none of Decision 20/2020, and empty for the others.
In: bytes. Out: line by line, cells already of their type, and every problem found. Pure."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TypeAlias

from gateway.domain.fields import has_bad_characters
from gateway.domain.registry import (
    DEFAULT_SCHEME,
    AgencyCode,
    BadCode,
    CodeForm,
    other_code_fault,
    parse_node_name,
    scheme_fault,
)
from gateway.domain.registry_change import RowProblem
from gateway.domain.text import nfc

COLUMNS = (
    "code",
    "alias",
    "name",
    "parent",
    "valid_from",
    "valid_to",
    "successor",
    "email",
    "address",
    "phone",
    "decision",
    "host",
    "contact",
    "next_host",
    "next_host_from",
    "scheme",
)
REQUIRED = ("code", "name")
_OWN = frozenset({"code", "alias", "name", "email", "address", "phone", "contact"})
REPEATED = tuple(name for name in COLUMNS if name not in _OWN)
LARGEST_FILE = 64 * 1024 * 1024  # 120 000 agencies need about 15 MB
LONGEST_CELL = 500
_LONGEST_REPEATED = 60  # characters of a cell repeated in a problem
_ALIAS = re.compile(r"[A-Z0-9](?:[A-Z0-9._-]{0,73}[A-Z0-9])?")  # columns seen go up to 75
_ISO_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_LOCAL_DATE = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})")

Cell: TypeAlias = str | date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvLine:
    """One agency of the file. `cells` has a value for each column of the file; `doubts` say how its name was typed."""

    line: int
    code: str
    cells: Mapping[str, Cell]
    doubts: tuple[RowProblem, ...] = ()


def read(raw: bytes) -> Iterator[CsvLine | RowProblem]:
    """Yield every readable line, and a problem for each unreadable cell, one by one, because a file of all agencies of
    the country must not be in memory twice."""
    if len(raw) > LARGEST_FILE:
        yield _problem(1, "file", f"{len(raw)} bytes", f"at most {LARGEST_FILE} bytes; split the file")
        return
    try:
        # The whole file is decoded first: where it is not UTF-8, that is its only problem.
        for _ in _decode(raw):
            pass
    except _NoText as why:
        yield _problem(why.line, "file", why.found, "these bytes are not UTF-8; save the file as CSV UTF-8")
        return
    yield from _table(raw)


def printable(cell: str) -> str:
    """Return a cell as repeated in a problem, shortened if necessary."""
    return cell if len(cell) <= _LONGEST_REPEATED else cell[:_LONGEST_REPEATED] + "…"


class _NoText(Exception):
    """A line has bytes that are not UTF-8."""

    def __init__(self, line: int, bad_bytes: str) -> None:
        self.line, self.found = line, bad_bytes


def _decode(raw: bytes) -> Iterator[str]:
    for n, line in enumerate(io.BytesIO(raw), 1):
        try:
            yield line.decode("utf-8-sig" if n == 1 else "utf-8")
        except UnicodeDecodeError as cause:
            raise _NoText(n, line[cause.start : cause.start + 8].hex(" ")) from cause


def _table(raw: bytes) -> Iterator[CsvLine | RowProblem]:
    first = next(_decode(raw), "")
    delimiter = ";" if first.count(";") > first.count(",") else ","
    reader = csv.reader(_decode(raw), delimiter=delimiter, strict=True)
    columns: list[str] | None = None
    same: dict[Cell, Cell] = {}
    start = 1
    try:
        for cells in reader:
            line, start = start, reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if columns is None:
                columns, wrong = _header(cells, line)
                yield from wrong
                if wrong:
                    return
            else:
                yield from _line(columns, cells, line, same)
    except csv.Error as cause:
        yield _problem(start, "line", str(cause), "close the quotes and save the file as CSV again")
    if columns is None:
        yield _problem(1, "file", "", f"the first line must name the columns: {', '.join(COLUMNS)}")


def _header(cells: list[str], line: int) -> tuple[list[str], list[RowProblem]]:
    columns = [cell.strip().lower() for cell in cells]
    advice = f"the columns are {', '.join(COLUMNS)}"
    problems = [
        _problem(line, "header", name, f"unknown column; {advice}") for name in columns if name not in COLUMNS
    ]
    problems += [
        _problem(line, "header", name, "this column stands twice; keep one")
        for name in sorted({name for name in columns if columns.count(name) > 1} & set(COLUMNS))
    ]
    missing = [name for name in REQUIRED if name not in columns]
    problems += [_problem(line, "header", "", f"column {name!r} is missing; {advice}") for name in missing]
    return columns, problems


def _line(
    columns: list[str], cells: list[str], line: int, same: dict[Cell, Cell]
) -> Iterator[CsvLine | RowProblem]:
    """Yield the problems of a line, then its cells, unless its code or scheme is unreadable. `same` holds one copy of
    values that thousands of lines repeat."""
    if len(cells) != len(columns):
        advice = f"expected {len(columns)} cells; put quotes around a cell that contains the separator"
        yield _problem(line, "line", f"{len(cells)} cells", advice)
        return
    read_cells: dict[str, Cell] = {}
    scheme = cells[columns.index("scheme")].strip() if "scheme" in columns else ""
    readers = _READERS if scheme in ("", DEFAULT_SCHEME) else _OTHER_READERS
    for column, raw in zip(columns, cells, strict=True):
        text = nfc(raw.strip())
        try:
            cell = _cell(column, text, readers)
        except ValueError as cause:
            yield _problem(line, column, text, str(cause))
        else:
            read_cells[column] = same.setdefault(cell, cell) if column in REPEATED else cell
    code = read_cells.get("code")
    has_scheme = ("scheme" in columns) == ("scheme" in read_cells)
    if isinstance(code, str) and has_scheme:
        doubts = tuple(_name_doubts(cells[columns.index("name")], line))
        yield CsvLine(line=line, code=code, cells=read_cells, doubts=doubts)


def _name_doubts(raw: str, line: int) -> Iterator[RowProblem]:
    """Yield a doubt for blanks that a name has too many, and for letters that are typed apart from their marks."""
    if raw != " ".join(raw.split()):
        yield _problem(line, "name", raw, "the name has blanks too many; write one blank between its words")
    if raw != nfc(raw):
        yield _problem(line, "name", raw, "the name has letters apart from their marks; they were composed")


def _cell(column: str, text: str, readers: Mapping[str, Callable[[str], Cell]]) -> Cell:
    if has_bad_characters(text):
        raise ValueError("contains a control character; type the cell again")
    if len(text) > LONGEST_CELL:
        raise ValueError(f"{len(text)} characters; at most {LONGEST_CELL}")
    if not text:
        if column in REQUIRED:
            raise ValueError(f"the {column} is missing; fill it in")
        return DEFAULT_SCHEME if column == "scheme" else None
    return readers.get(column, str)(text)


def _code(text: str) -> str:
    """Read a code in full form, which alone names a row; the message of `BadCode` says how to write it."""
    full = str(AgencyCode.parse(text))
    if full != text:
        raise BadCode(f"short form; write it in full as {full}")
    return text


def _alias(text: str) -> str:
    capitals = text.upper()
    if not _ALIAS.fullmatch(capitals):
        raise ValueError(
            "an alias is one older code of letters, digits, dots, _ and -, at most 75 characters"
        )
    try:
        code = AgencyCode.parse(capitals)
    except BadCode:
        return capitals
    return str(code) if code.form is CodeForm.OLD else capitals


def _scheme(text: str) -> str:
    if (fault := scheme_fault(text)) is not None:
        raise ValueError(fault)
    return text


def _other_code(text: str) -> str:
    if (fault := other_code_fault(text)) is not None:
        raise BadCode(fault)
    return text


def _any_code(text: str) -> str:
    """Read the code of a parent or successor, which may be an agency of the state or of another scheme."""
    return text if other_code_fault(text) is None else _code(text)


def _date(text: str) -> date:
    if match := _ISO_DATE.fullmatch(text):
        year, month, day = match.groups()
    elif match := _LOCAL_DATE.fullmatch(text):
        day, month, year = match.groups()
    else:
        raise ValueError("a date is written 2031-03-04 or 04/03/2031")
    try:
        return date(int(year), int(month), int(day))
    except ValueError as cause:
        raise ValueError("there is no such day; correct the date") from cause


_READERS: Mapping[str, Callable[[str], Cell]] = {
    "code": _code,
    "alias": _alias,
    "parent": _code,
    "valid_from": _date,
    "valid_to": _date,
    "successor": _code,
    "host": parse_node_name,
    "next_host": parse_node_name,
    "next_host_from": _date,
    "scheme": _scheme,
}
_OTHER_READERS = dict(_READERS) | {
    "code": _other_code,
    "alias": _other_code,
    "parent": _any_code,
    "successor": _any_code,
}


def _problem(line: int, column: str, text: str, advice: str) -> RowProblem:
    return RowProblem(line=line, column=column, found=printable(text), advice=advice)
