"""Opens a file of agency codes as offices have it: CSV, XLSX or JSON, in Unicode or in the letters of before, and says
which column of it is which. In: bytes, and what reads a workbook. Out: the same table as CSV in UTF-8, and what was
done to get there, for a person to look at; its headings with what each is taken for, by the names that the registry
knows or by those that offices write; the file under the registry's own names. What the cells mean is the registry's
to say. Pure."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

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
_INSIDE = ("agencies", "data", "items")  # where a list stands inside an object


class CodeFileForm(StrEnum):
    CSV = "csv"
    XLSX = "xlsx"
    JSON = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeFile:
    """`letters`: what the file was written in, where that was not Unicode; `samples` are cells before and after.
    `formulas`: cells of which the value that the workbook kept was taken."""

    form: CodeFileForm
    csv: bytes
    letters: Letters | None = None
    samples: tuple[tuple[str, str], ...] = ()
    formulas: int = 0


Rows = Sequence[Sequence[str]]
Workbook = Callable[[bytes], tuple[Rows, int]]
"""The rows of the first sheet, and how many cells were formulas."""


def opened(raw: bytes, workbook: Workbook) -> CodeFile:
    """BadForm for what is none of them, or is over a limit. A CSV in UTF-8 comes out as it came in."""
    if len(raw) > LARGEST:
        raise BadForm(f"a file of codes has at most {LARGEST // 1024 // 1024} MB", code=CODE)
    if raw[:2] == b"PK":
        rows, formulas = workbook(raw)
        return _table(CodeFileForm.XLSX, rows, formulas)
    if raw.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["):
        return _table(CodeFileForm.JSON, _from_json(raw), 0)
    return _text(raw)


def _text(raw: bytes) -> CodeFile:
    is_wide = raw[:2] in (b"\xff\xfe", b"\xfe\xff")
    try:
        text = raw.decode("utf-16" if is_wide else "utf-8-sig")
    except UnicodeDecodeError:
        text, is_wide = _western(raw), False
    if _CONTROL.search(text[:_LOOKED_AT]) is not None:
        raise BadForm("this is no table of codes: save the list as CSV or XLSX", code=CODE)
    letters = texts.found_letters(_lines(text))
    if letters is not None:
        changed = "\n".join(texts.to_unicode(line, letters) for line in _lines(text))
        return CodeFile(
            form=CodeFileForm.CSV,
            csv=changed.encode(),
            letters=letters,
            samples=_samples(zip(_lines(text), _lines(changed), strict=True)),
        )
    # What nobody can tell stays as it is: the registry names the line that is not UTF-8.
    return CodeFile(form=CodeFileForm.CSV, csv=text.encode() if is_wide else raw.removeprefix(_MARK))


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


def _table(form: CodeFileForm, rows: Rows, formulas: int) -> CodeFile:
    if len(rows) > MOST_ROWS or any(len(row) > MOST_COLUMNS for row in rows):
        raise BadForm(f"a file of codes has at most {MOST_ROWS} rows and {MOST_COLUMNS} columns", code=CODE)
    letters = texts.found_letters(cell for row in rows for cell in row)
    changed = rows if letters is None else [[texts.to_unicode(each, letters) for each in row] for row in rows]
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


COLUMNS = RECORD_FIELDS
MOST_HEADINGS = 60
_HEAD = 64 * 1024  # the first line stands in it
# How offices head their columns.
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
}
_WRITTEN = {written: column for column, heads in _HEADS.items() for written in heads}


def headings_of(content: bytes) -> tuple[str, ...]:
    """The cells of the first line; nothing of a file that is no text."""
    try:
        end = content.find(b"\n")
        first = (content if end < 0 else content[:end]).decode("utf-8-sig").rstrip("\r")
    except UnicodeDecodeError:
        return ()
    cells = next(csv.reader(io.StringIO(first), delimiter=_delimiter(first)), [])
    return tuple(each.strip() for each in cells[:MOST_HEADINGS])


def guess_columns(names: Sequence[str]) -> tuple[str, ...]:
    """What each heading means; empty where nobody can tell, or another one means it already."""
    made: list[str] = []
    for name in names:
        plain = " ".join(fold(name).replace("_", " ").split())
        found = name.strip().lower() if name.strip().lower() in COLUMNS else _WRITTEN.get(plain, "")
        made.append("" if found in made else found)
    return tuple(made)


def under_own_names(content: bytes, columns: Sequence[str]) -> bytes:
    """The file with only those columns, under their names; as it is where nothing would change, or where it cannot be read,
    which the registry then says with the line."""
    names = headings_of(content)
    if not names or tuple(each.lower() for each in names) == tuple(columns) or not any(columns):
        return content
    kept = [n for n, name in enumerate(columns) if name]
    delimiter = _delimiter(content[:_HEAD].decode("utf-8-sig", "ignore"))
    made = io.BytesIO()
    with io.TextIOWrapper(made, "utf-8", newline="") as text:
        writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
        try:
            lines = (line.decode("utf-8") for line in io.BytesIO(content.removeprefix(b"\xef\xbb\xbf")))
            for n, cells in enumerate(csv.reader(lines, delimiter=delimiter, strict=True)):
                if n == 0:
                    writer.writerow([columns[at] for at in kept])
                else:
                    # A line of another length stays so: the registry names it.
                    whole = len(cells) == len(names)
                    writer.writerow([cells[at] for at in kept] if whole else cells)
        except (csv.Error, UnicodeDecodeError):
            return content
        text.flush()
        return made.getvalue()


def _delimiter(text: str) -> str:
    first = text.split("\n", 1)[0]
    return ";" if first.count(";") > first.count(",") else ","
