"""Reads a file of agency codes in the formats of offices (CSV, XLSX or JSON, in Unicode or older Vietnamese encodings),
and guesses the meaning of its columns. In: bytes, and a reader of workbooks. Out: the table as CSV in UTF-8, with a note
of conversions; its headings with the column that each means; the file under the registry's own column names. Pure; the
registry judges the cells."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from typing import TextIO

from gateway.domain.registry_change import RECORD_FIELDS
from gateway.domain.text import fold
from gateway.errors import BadForm
from gateway.policy import texts
from gateway.policy.texts import Letters

LARGEST = 16 * 1024 * 1024
MOST_ROWS = 150_000
MOST_COLUMNS = 60
SAMPLES = 5
CODE = "GW-CODE-FILE"
_WESTERN = "cp1252"
_MARK = b"\xef\xbb\xbf"
_INSIDE = ("agencies", "data", "items")  # keys under which a JSON object may hold its list
# A program or a picture has control characters within its first bytes; a text has none.
_CONTROL, _INSPECTED_LETTERS = re.compile(r"[\x00-\x08\x0e-\x1f]"), 1_000_000
COLUMNS = RECORD_FIELDS
MOST_HEADINGS = 60
_HEAD = 64 * 1024  # the first line is within this many bytes
# The headings that offices write, folded, per column.
_HEADS: Mapping[str, tuple[str, ...]] = {
    "code": ("ma", "ma dinh danh", "ma co quan", "ma dinh danh dien tu"),
    "name": ("ten", "ten co quan", "ten don vi"),
    "alias": ("ma cu", "ma dang cu"),
    "parent": ("co quan chu quan", "ma co quan chu quan", "ma cap tren"),
    "valid_from": ("hieu luc tu", "tu ngay", "ngay hieu luc"),
    "valid_to": ("hieu luc den", "den ngay"),
    "successor": ("co quan ke nhiem", "ma ke nhiem"),
    "email": ("email", "thu dien tu"),
    "address": ("dia chi",),
    "phone": ("dien thoai", "so dien thoai"),
    "decision": ("so quyet dinh", "van ban quyet dinh", "can cu"),
    "host": ("nut lien thong",),
    "next_host": ("nut lien thong moi",),
    "next_host_from": ("ngay chuyen nut",),
    "scheme": ("luoc do", "luoc do dinh danh", "ma luoc do"),
    "contact": ("dau moi", "can bo dau moi", "nguoi dau moi", "nguoi lien he"),
}
_COLUMN_OF = {heading: column for column, headings in _HEADS.items() for heading in headings}


class CodeFileForm(StrEnum):
    CSV = "csv"
    XLSX = "xlsx"
    JSON = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeFile:
    """Table of codes as CSV. `letters`: the old encoding of the file, where it was not Unicode; `samples` are cells
    before and after conversion. `formulas` counts cells taken from a formula's stored value."""

    form: CodeFileForm
    csv: bytes
    letters: Letters | None = None
    samples: tuple[tuple[str, str], ...] = ()
    formulas: int = 0


Rows = Sequence[Sequence[str]]
Workbook = Callable[[bytes], tuple[Rows, int]]
"""Returns the rows of a workbook's first sheet, and the number of formula cells."""


def open_table(raw: bytes, workbook: Workbook) -> CodeFile:
    """Read a table of codes; BadForm for another format or a file over a limit. A CSV in UTF-8 is not changed."""
    if len(raw) > LARGEST:
        raise BadForm(f"a file of codes has at most {LARGEST // 1024 // 1024} MB", code=CODE)
    if raw[:2] == b"PK":
        rows, formulas = workbook(raw)
        return _make_table(CodeFileForm.XLSX, rows, formulas)
    if raw.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["):
        return _make_table(CodeFileForm.JSON, _read_json(raw), 0)
    return _open_text(raw)


def _open_text(raw: bytes) -> CodeFile:
    """Read a CSV; an old encoding is detected and converted to Unicode."""
    is_wide = raw[:2] in (b"\xff\xfe", b"\xfe\xff")
    try:
        text = raw.decode("utf-16" if is_wide else "utf-8-sig")
    except UnicodeDecodeError:
        text, is_wide = _decode_western(raw), False
    if _CONTROL.search(text[:_INSPECTED_LETTERS]) is not None:
        raise BadForm("this is no table of codes: save the list as CSV or XLSX", code=CODE)
    letters = texts.found_letters(_split_lines(text))
    if letters is not None:
        changed = "\n".join(texts.to_unicode(line, letters) for line in _split_lines(text))
        return CodeFile(
            form=CodeFileForm.CSV,
            csv=changed.encode(),
            letters=letters,
            samples=_samples(zip(_split_lines(text), _split_lines(changed), strict=True)),
        )
    # Bytes of an unknown encoding stay as they are: the registry reports the line that is not UTF-8.
    return CodeFile(form=CodeFileForm.CSV, csv=text.encode() if is_wide else raw.removeprefix(_MARK))


def _split_lines(text: str) -> Iterator[str]:
    """Yield line after line without building a list, because a file of all agencies of the country is large."""
    start = 0
    while (end := text.find("\n", start)) >= 0:
        yield text[start:end].removesuffix("\r")
        start = end + 1
    yield text[start:]


def _decode_western(raw: bytes) -> str:
    """Decode bytes as Windows-1252, or as Latin-1 where that code page has gaps."""
    try:
        return raw.decode(_WESTERN)
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _make_table(form: CodeFileForm, rows: Rows, formulas: int) -> CodeFile:
    if len(rows) > MOST_ROWS or any(len(row) > MOST_COLUMNS for row in rows):
        raise BadForm(f"a file of codes has at most {MOST_ROWS} rows and {MOST_COLUMNS} columns", code=CODE)
    letters = texts.found_letters(cell for row in rows for cell in row)
    changed = rows if letters is None else [[texts.to_unicode(c, letters) for c in row] for row in rows]
    width = max((len(row) for row in changed), default=0)
    out = io.StringIO()
    # A title above the table and notes beside it are not part of it.
    table = changed[_heading_index(changed) :]
    _write_rows(out, ([" ".join(c.split()) for c in row] + [""] * (width - len(row)) for row in table), ";")
    pairs = (pair for old, new in zip(rows, changed, strict=True) for pair in zip(old, new, strict=True))
    return CodeFile(
        form=form,
        csv=out.getvalue().encode("utf-8", "replace"),
        letters=letters,
        samples=_samples(pairs) if letters is not None else (),
        formulas=formulas,
    )


def _heading_index(rows: Rows) -> int:
    """Return the index of the first row with two filled cells, because sheets of offices begin with a title."""
    return next((n for n, row in enumerate(rows) if sum(bool(cell.strip()) for cell in row) > 1), 0)


def _samples(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    samples: dict[tuple[str, str], None] = {}
    for old, new in pairs:
        if old != new:
            samples[old[:100], new[:100]] = None
        if len(samples) == SAMPLES:
            break
    return tuple(samples)


def _read_json(raw: bytes) -> Rows:
    """Return the rows of a list of objects, or of an object that holds one; their field names are the columns."""
    try:
        records = json.loads(raw.decode("utf-8-sig"))
    except (ValueError, RecursionError) as why:
        raise BadForm("the file begins like JSON and is none", code=CODE) from why
    if isinstance(records, dict):
        records = next((records[name] for name in _INSIDE if isinstance(records.get(name), list)), None)
    if not isinstance(records, list) or not records or not all(isinstance(r, dict) for r in records):
        raise BadForm("JSON of codes is a list of objects, one for each agency", code=CODE)
    if len(records) >= MOST_ROWS:
        raise BadForm(f"a file of codes has at most {MOST_ROWS} rows", code=CODE)
    columns = list(dict.fromkeys(name for record in records for name in record))
    if len(columns) > MOST_COLUMNS:
        raise BadForm(f"a file of codes has at most {MOST_COLUMNS} columns", code=CODE)
    return [columns, *([_cell_of(record.get(name)) for name in columns] for record in records)]


def _cell_of(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadForm("a cell of JSON is text, a whole number or null", code=CODE)
    return str(value)


def headings_of(content: bytes) -> tuple[str, ...]:
    """Return the cells of the first line; empty for a file that is no text."""
    try:
        end = content.find(b"\n")
        first = (content if end < 0 else content[:end]).decode("utf-8-sig").rstrip("\r")
    except UnicodeDecodeError:
        return ()
    cells = next(csv.reader(io.StringIO(first), delimiter=guess_delimiter(first)), [])
    return tuple(cell.strip() for cell in cells[:MOST_HEADINGS])


def guess_columns(names: Sequence[str]) -> tuple[str, ...]:
    """Return the column that each heading means; empty where it is unknown, or its column has a heading already."""
    columns: list[str] = []
    for name in names:
        plain = " ".join(fold(name).replace("_", " ").split())
        column = name.strip().lower() if name.strip().lower() in COLUMNS else _COLUMN_OF.get(plain, "")
        columns.append("" if column in columns else column)
    return tuple(columns)


def rename_columns(content: bytes, columns: Sequence[str]) -> bytes:
    """Keep only the named columns, under those names. A file that needs no change or cannot be read is returned as it
    is: the registry then reports the broken line."""
    names = headings_of(content)
    if not names or tuple(heading.lower() for heading in names) == tuple(columns) or not any(columns):
        return content
    positions = [n for n, name in enumerate(columns) if name]
    delimiter = guess_delimiter(content[:_HEAD].decode("utf-8-sig", "ignore"))
    buffer = io.BytesIO()
    with io.TextIOWrapper(buffer, "utf-8", newline="") as text:
        lines = (line.decode("utf-8") for line in io.BytesIO(content.removeprefix(b"\xef\xbb\xbf")))
        rows = csv.reader(lines, delimiter=delimiter, strict=True)
        # A line of another length stays: the registry reports it.
        chosen = ([row[at] for at in positions] if len(row) == len(names) else row for row in rows)
        try:
            next(rows, None)
            _write_rows(text, chain([[columns[at] for at in positions]], chosen), delimiter)
        except (csv.Error, UnicodeDecodeError):
            return content
        text.flush()
        return buffer.getvalue()


def _write_rows(file: TextIO, rows: Iterable[Sequence[str]], delimiter: str) -> None:
    csv.writer(file, delimiter=delimiter, lineterminator="\n").writerows(rows)


def guess_delimiter(text: str) -> str:
    """Return the delimiter that the first line has more of."""
    first = text.split("\n", 1)[0]
    return ";" if first.count(";") > first.count(",") else ","
