# mypy: disable-error-code="no-untyped-call"
"""A PDF whose first page has lines of capitals that a program can read, such as the stamps of secrecy."""

from __future__ import annotations

import io
from collections.abc import Mapping

from pypdf import PdfWriter
from pypdf.generic import ArrayObject, DictionaryObject, NameObject, NumberObject, StreamObject

# Letters that have a name of their own in a font; the others are named as they are.
_GLYPHS = {
    "Ậ": "Acircumflexdotbelow",
    "Ố": "Ocircumflexacute",
    "Ệ": "Ecircumflexdotbelow",
    "Í": "Iacute",
    " ": "space",
}


def stamped(*lines: str) -> bytes:
    """One page; each line stands for itself."""
    writer = PdfWriter()
    page = writer.add_blank_page(595, 842)
    letters = sorted(set("".join(lines)))
    codes = {letter: chr(65 + n) for n, letter in enumerate(letters)}
    page[NameObject("/Resources")] = _dictionary({"/Font": _dictionary({"/F": _font(letters)})})
    drawn = StreamObject()
    drawn.set_data("".join(_drawn(n, line, codes) for n, line in enumerate(lines)).encode())
    page[NameObject("/Contents")] = writer._add_object(drawn)
    output = io.BytesIO()
    writer.write(output)
    return output.getvalue()


def _font(letters: list[str]) -> DictionaryObject:
    names = ArrayObject([NumberObject(65), *(NameObject(f"/{_GLYPHS.get(c, c)}") for c in letters)])
    encoding = _dictionary({"/Type": NameObject("/Encoding"), "/Differences": names})
    plain = {"/Type": "/Font", "/Subtype": "/Type1", "/BaseFont": "/Courier"}
    return _dictionary({**{name: NameObject(value) for name, value in plain.items()}, "/Encoding": encoding})


def _drawn(n: int, line: str, codes: Mapping[str, str]) -> str:
    return f"BT /F 12 Tf 100 {700 - 20 * n} Td ({''.join(codes[c] for c in line)}) Tj ET\n"


def _dictionary(values: Mapping[str, object]) -> DictionaryObject:
    return DictionaryObject({NameObject(name): value for name, value in values.items()})
