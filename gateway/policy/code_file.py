"""Opens a file of agency codes as offices have it: CSV, XLSX or JSON, in Unicode or in the letters of before. In: bytes,
and what reads a workbook. Out: the same table as CSV in UTF-8, and what was done to get there, for a person to look at.
What the cells mean is the registry's to say. Pure."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from gateway.errors import BadForm
from gateway.policy import legacy_text
from gateway.policy.legacy_text import Letters

LARGEST = 16 * 1024 * 1024
MOST_ROWS = 150_000
MOST_COLUMNS = 60
SAMPLES = 5
CODE = "GW-CODE-FILE"
_WESTERN = "cp1252"
_MARK = b"\xef\xbb\xbf"
_INSIDE = ("agencies", "data", "items")  # where a list stands inside an object


class Form(StrEnum):
    CSV = "csv"
    XLSX = "xlsx"
    JSON = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeFile:
    """`letters`: what the file was written in, where that was not Unicode; `samples` are cells before and after.
    `formulas`: cells of which the value that the workbook kept was taken."""

    form: Form
    csv: bytes
    letters: Letters | None = None
    samples: tuple[tuple[str, str], ...] = ()
    formulas: int = 0


Rows = Sequence[Sequence[str]]
Workbook = Callable[[bytes], tuple[Rows, int]]
"""The rows of the first sheet, and how many cells were formulas."""


def no_workbook(raw: bytes) -> tuple[Rows, int]:
    """Where nothing reads workbooks."""
    raise BadForm("workbooks are not read here", code=CODE)


def opened(raw: bytes, workbook: Workbook) -> CodeFile:
    """BadForm for what is none of them, or is over a limit. A CSV in UTF-8 comes out as it came in."""
    if len(raw) > LARGEST:
        raise BadForm(f"a file of codes has at most {LARGEST // 1024 // 1024} MB", code=CODE)
    if raw[:2] == b"PK":
        rows, formulas = workbook(raw)
        return _table(Form.XLSX, rows, formulas)
    if raw.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["):
        return _table(Form.JSON, _from_json(raw), 0)
    return _text(raw)


def _text(raw: bytes) -> CodeFile:
    try:
        text = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
        is_unicode = True
    except UnicodeDecodeError:
        text, is_unicode = _western(raw), False
    if _CONTROL.search(text[:_LOOKED_AT]) is not None:
        raise BadForm("this is no table of codes: save the list as CSV or XLSX", code=CODE)
    letters = legacy_text.found(_lines(text))
    if letters is not None:
        changed = "\n".join(legacy_text.converted(line, letters) for line in _lines(text))
        return CodeFile(
            form=Form.CSV,
            csv=changed.encode(),
            letters=letters,
            samples=_samples(zip(_lines(text), _lines(changed), strict=True)),
        )
    # What nobody can tell stays as it is: the registry names the line that is not UTF-8.
    is_kept = not is_unicode or raw[:2] not in (b"\xff\xfe", b"\xfe\xff")
    return CodeFile(form=Form.CSV, csv=raw.removeprefix(_MARK) if is_kept else text.encode())


def _lines(text: str) -> Iterator[str]:
    """One after the other: a list of all agencies of the country is large as text already."""
    start = 0
    while (end := text.find("\n", start)) >= 0:
        yield text[start:end].removesuffix("\r")
        start = end + 1
    yield text[start:]


# A program or a picture has them within its first bytes; a text has none.
_CONTROL, _LOOKED_AT = re.compile(r"[\x00-\x08\x0e-\x1f]"), 1_000_000


def _western(raw: bytes) -> str:
    """Every byte has a letter: those that the code page leaves out are as in Latin-1."""
    try:
        return raw.decode(_WESTERN)
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _table(form: Form, rows: Rows, formulas: int) -> CodeFile:
    if len(rows) > MOST_ROWS or any(len(row) > MOST_COLUMNS for row in rows):
        raise BadForm(f"a file of codes has at most {MOST_ROWS} rows and {MOST_COLUMNS} columns", code=CODE)
    letters = legacy_text.found(cell for row in rows for cell in row)
    changed = (
        rows if letters is None else [[legacy_text.converted(each, letters) for each in row] for row in rows]
    )
    width = max((len(row) for row in changed), default=0)
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";", lineterminator="\n")
    # The title above a table, and what stands under it, is no row of it.
    for row in changed[_heading(changed) :]:
        writer.writerow([" ".join(cell.split()) for cell in row] + [""] * (width - len(row)))
    pairs = (pair for one, other in zip(rows, changed, strict=True) for pair in zip(one, other, strict=True))
    return CodeFile(
        form=form,
        csv=out.getvalue().encode("utf-8", "replace"),
        letters=letters,
        samples=_samples(pairs) if letters is not None else (),
        formulas=formulas,
    )


def _heading(rows: Rows) -> int:
    """The first row with two filled cells: sheets of offices begin with a title."""
    return next((n for n, row in enumerate(rows) if sum(bool(cell.strip()) for cell in row) > 1), 0)


def _samples(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    found: dict[tuple[str, str], None] = {}
    for one, other in pairs:
        if one != other:
            found[one[:100], other[:100]] = None
        if len(found) == SAMPLES:
            break
    return tuple(found)


def _from_json(raw: bytes) -> Rows:
    """A list of objects, or an object that holds one; the names of their fields are the columns."""
    try:
        told = json.loads(raw.decode("utf-8-sig"))
    except (ValueError, RecursionError) as why:
        raise BadForm("the file begins like JSON and is none", code=CODE) from why
    if isinstance(told, dict):
        told = next((told[name] for name in _INSIDE if isinstance(told.get(name), list)), None)
    if not isinstance(told, list) or not told or not all(isinstance(each, dict) for each in told):
        raise BadForm("JSON of codes is a list of objects, one for each agency", code=CODE)
    if len(told) >= MOST_ROWS:
        raise BadForm(f"a file of codes has at most {MOST_ROWS} rows", code=CODE)
    columns = list(dict.fromkeys(name for each in told for name in each))
    if len(columns) > MOST_COLUMNS:
        raise BadForm(f"a file of codes has at most {MOST_COLUMNS} columns", code=CODE)
    return [columns, *([_plain(each.get(name)) for name in columns] for each in told)]


def _plain(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadForm("a cell of JSON is text, a whole number or null", code=CODE)
    return str(value)
