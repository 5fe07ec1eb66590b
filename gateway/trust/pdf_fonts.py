"""Turns the codes that a PDF shows into letters, where its font says which they are. In: a font's dictionary. Out:
`TextFont`; one that does not say which letters it draws is not readable, and nothing is guessed. Part of
`trust.pdf_drawing`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pypdf._codecs.adobe_glyphs import adobe_glyphs
from pypdf.errors import PyPdfError
from pypdf.generic import ArrayObject, DictionaryObject
from pypdf.generic._font import Font

_MIDDLING = 500.0  # thousandths of the type size, where a font tells no width
_BLACK = 600
_FORCE_BOLD = 1 << 18
_SYMBOLIC = 1 << 2
_BROKEN = (PyPdfError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextFont:
    """How one font's codes are read. `codec` is of two-byte codes; else `table` maps each byte."""

    readable: bool = False
    bold: bool = False
    codec: str | None = None
    table: dict[int, str] = field(default_factory=dict)
    letters_of: dict[Any, str] = field(default_factory=dict)
    widths: dict[Any, float] = field(default_factory=dict)

    def letters(self, shown: bytes) -> Iterator[tuple[str, float, str]]:
        """Each code: its letters, its width in thousandths, and itself. No letters: the font does not say."""
        raw = shown.decode(self.codec, "replace") if self.codec else "".join(map(chr, shown))
        usual = self.widths.get("default", _MIDDLING)
        for code in raw:
            written = code if self.codec else self.table.get(ord(code), code)
            said = self.letters_of.get(written)
            if said is None:
                said = "" if self.codec and self.letters_of else written
            yield said, self.widths.get(code, usual), code


def font_of(told: DictionaryObject) -> TextFont:
    """Never raises for what the font holds."""
    bold = _is_bold(told)
    try:
        if not _says_its_letters(told):
            return TextFont(bold=bold)
        made = Font.from_font_resource(told)
    except _BROKEN:
        return TextFont(bold=bold)
    codec = made.encoding if isinstance(made.encoding, str) else None
    return TextFont(
        readable=made.interpretable,
        bold=bold,
        codec=codec,
        table=made.encoding if isinstance(made.encoding, dict) else {},
        letters_of=made.character_map,
        widths=made.character_widths,
    )


def _says_its_letters(told: DictionaryObject) -> bool:
    if "/ToUnicode" in told:
        return True
    encoding = told.get("/Encoding")
    if told.get("/Subtype") == "/Type0":
        # Codes of these are glyphs of the font file, unless a code page of Unicode is named.
        return isinstance(encoding, str) and ("UCS2" in encoding or "UTF16" in encoding)
    if isinstance(encoding, DictionaryObject):
        named = encoding.get("/Differences", ArrayObject()).get_object()
        return all(each in adobe_glyphs for each in named if isinstance(each, str))
    if isinstance(encoding, str):
        return True
    return not _flags(told) & _SYMBOLIC


def _is_bold(told: DictionaryObject) -> bool:
    try:
        name = str(told.get("/BaseFont", "")).casefold()
        described = _descriptor(told)
        weight = described.get("/FontWeight", 400)
        stemmed = isinstance(weight, int | float) and weight >= _BLACK
        return "bold" in name or "black" in name or stemmed or bool(_flags(told) & _FORCE_BOLD)
    except _BROKEN:
        return False


def _flags(told: DictionaryObject) -> int:
    flags = _descriptor(told).get("/Flags", 0)
    return flags if isinstance(flags, int) else 0


def _descriptor(told: DictionaryObject) -> DictionaryObject:
    below = told.get("/DescendantFonts")
    kept = below.get_object() if below is not None else None
    holder = kept[0].get_object() if isinstance(kept, ArrayObject) and kept else told
    held = holder.get("/FontDescriptor") if isinstance(holder, DictionaryObject) else None
    found = held.get_object() if held is not None else None
    return found if isinstance(found, DictionaryObject) else DictionaryObject()
