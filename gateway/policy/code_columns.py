"""Which column of a file is which: by the names that the registry knows, or by those that offices write. In: a CSV file.
Out: its headings with what each is taken for; the same file under the registry's own names. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import fields

from gateway.domain.registry_change import AgencyRecord
from gateway.domain.text import fold

COLUMNS = tuple(each.name for each in fields(AgencyRecord))
MOST = 60
_HEAD = 64 * 1024  # the first line stands in it
_WRITTEN = {
    "ma": "code",
    "ma dinh danh": "code",
    "ma co quan": "code",
    "ma dinh danh dien tu": "code",
    "ten": "name",
    "ten co quan": "name",
    "ten don vi": "name",
    "ma cu": "alias",
    "ma dang cu": "alias",
    "co quan chu quan": "parent",
    "ma co quan chu quan": "parent",
    "ma cap tren": "parent",
    "hieu luc tu": "valid_from",
    "tu ngay": "valid_from",
    "ngay hieu luc": "valid_from",
    "hieu luc den": "valid_to",
    "den ngay": "valid_to",
    "co quan ke nhiem": "successor",
    "ma ke nhiem": "successor",
    "email": "email",
    "thu dien tu": "email",
    "dia chi": "address",
    "dien thoai": "phone",
    "so dien thoai": "phone",
    "so quyet dinh": "decision",
    "van ban quyet dinh": "decision",
    "can cu": "decision",
    "nut lien thong": "host",
}


def headings(content: bytes) -> tuple[str, ...]:
    """The cells of the first line; nothing of a file that is no text."""
    try:
        end = content.find(b"\n")
        first = (content if end < 0 else content[:end]).decode("utf-8-sig").rstrip("\r")
    except UnicodeDecodeError:
        return ()
    cells = next(csv.reader(io.StringIO(first), delimiter=_delimiter(first)), [])
    return tuple(each.strip() for each in cells[:MOST])


def guessed(names: Sequence[str]) -> tuple[str, ...]:
    """What each heading means; empty where nobody can tell, or another one means it already."""
    made: list[str] = []
    for name in names:
        plain = " ".join(fold(name).replace("_", " ").split())
        found = name.strip().lower() if name.strip().lower() in COLUMNS else _WRITTEN.get(plain, "")
        made.append("" if found in made else found)
    return tuple(made)


def rewritten(content: bytes, columns: Sequence[str]) -> bytes:
    """The file with only those columns, under their names; as it is where nothing would change, or where it cannot be read,
    which the registry then says with the line."""
    names = headings(content)
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
