"""Writes a PDF of lines of text in the one bundled font, as a word processor leaves it: letters that can be read out again.
In: lines with their places. Out: bytes, the same for the same lines. Bold and slanted type uses the same letters."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from io import BytesIO

from fontTools import subset, ttLib  # type: ignore[import-untyped]  # ships no types

from gateway.trust.pdf_signing.type_setting import FONT

WIDTH, HEIGHT = 595, 842
_LETTERS = "".join(map(chr, [*range(32, 127), *range(0xC0, 0x1B1), *range(0x1EA0, 0x1EFA), 0x2013, 0x2026]))
_FONT_NAME = b"AAAAAA+LiberationSerif"
_SLANT = 0.21
_STROKE = 0.028  # of the type size: how much a line of bold type is thickened
_CMAP = (
    b"/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n/CMapName /A def\n/CMapType 2 def\n"
    b"1 begincodespacerange\n<0000> <FFFF>\nendcodespacerange\n%bendcmap\nend\nend"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line: where its baseline begins (or its middle, where `centred`), in points from the upper left corner; `gap` is
    added to every blank in it."""

    words: str
    across: float
    down: float
    size: float = 13.0
    bold: bool = False
    slanted: bool = False
    centred: bool = False
    gap: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A thin line between two places on one height."""

    left: float
    right: float
    down: float


Drawn = Line | Rule


@dataclass(frozen=True, slots=True)
class _Face:
    file: bytes
    glyphs: dict[str, int]
    widths: dict[int, float]


def width_of(words: str, size: float) -> float:
    face = _face()
    return sum(face.widths[face.glyphs[each]] for each in words) * size / 1000


def pdf(pages: Sequence[Sequence[Drawn]], title: str) -> bytes:
    """A PDF of these pages."""
    objects: list[bytes] = [b"<< /Type /Catalog /Pages 2 0 R >>", b""]
    font = _font(objects)
    kids = []
    for drawn in pages:
        objects.append(_stream(zlib.compress(_content(drawn)), b"/Filter /FlateDecode"))
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Contents %d 0 R "
            b"/Resources << /Font << /F0 %d 0 R >> >> >>" % (WIDTH, HEIGHT, len(objects), font)
        )
        kids.append(b"%d 0 R" % len(objects))
    objects[1] = b"<< /Type /Pages /Kids [%b] /Count %d >>" % (b" ".join(kids), len(kids))
    objects.append(b"<< /Title <FEFF%b> >>" % title.encode("utf-16-be").hex().encode())
    return _file(objects, info=len(objects))


@cache
def _face() -> _Face:
    whole = ttLib.TTFont(FONT)
    options = subset.Options(
        hinting=False, layout_features=[], drop_tables=["FFTM", "GPOS", "GSUB", "GDEF", "kern"]
    )
    some = subset.Subsetter(options=options)
    some.populate(text=_LETTERS)
    some.subset(whole)
    whole["head"].modified = whole["head"].created
    whole.recalcTimestamp = False
    held = BytesIO()
    whole.save(held)
    order = {name: n for n, name in enumerate(whole.getGlyphOrder())}
    units = whole["head"].unitsPerEm
    return _Face(
        zlib.compress(held.getvalue()),
        {chr(code): order[name] for code, name in whole.getBestCmap().items()},
        {order[name]: whole["hmtx"][name][0] * 1000 / units for name in order},
    )


def _font(objects: list[bytes]) -> int:
    face = _face()
    objects.append(_stream(face.file, b"/Filter /FlateDecode"))
    objects.append(
        b"<< /Type /FontDescriptor /FontName /%b /Flags 4 /FontBBox [-200 -300 1100 1000] /ItalicAngle 0 "
        b"/Ascent 891 /Descent -216 /CapHeight 700 /StemV 80 /FontFile2 %d 0 R >>"
        % (_FONT_NAME, len(objects))
    )
    shown = b" ".join(b"%d [%d]" % (glyph, round(wide)) for glyph, wide in sorted(face.widths.items()))
    objects.append(
        b"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /%b /CIDSystemInfo << /Registry (Adobe) "
        b"/Ordering (Identity) /Supplement 0 >> /FontDescriptor %d 0 R /DW 500 /W [%b] /CIDToGIDMap /Identity >>"
        % (_FONT_NAME, len(objects), shown)
    )
    below = len(objects)
    rows = [f"<{glyph:04X}> <{ord(letter):04X}>" for letter, glyph in sorted(face.glyphs.items())]
    parts = [rows[n : n + 100] for n in range(0, len(rows), 100)]
    table = "".join(f"{len(part)} beginbfchar\n" + "\n".join(part) + "\nendbfchar\n" for part in parts)
    objects.append(_stream(zlib.compress(_CMAP % table.encode()), b"/Filter /FlateDecode"))
    objects.append(
        b"<< /Type /Font /Subtype /Type0 /BaseFont /%b /Encoding /Identity-H /DescendantFonts [%d 0 R] "
        b"/ToUnicode %d 0 R >>" % (_FONT_NAME, below, len(objects))
    )
    return len(objects)


def _content(drawn: Sequence[Drawn]) -> bytes:
    made = []
    for each in drawn:
        if isinstance(each, Rule):
            level = HEIGHT - each.down
            made.append(f"0.7 w {each.left:.2f} {level:.2f} m {each.right:.2f} {level:.2f} l S")
        elif each.gap:
            at = each.across
            for word in each.words.split(" "):
                made.append(_shown(each, word, at))
                at += width_of(word + " ", each.size) + each.gap
        else:
            middle = width_of(each.words, each.size) / 2 if each.centred else 0.0
            made.append(_shown(each, each.words, each.across - middle))
    return "\n".join(made).encode("ascii")


def _shown(line: Line, words: str, left: float) -> str:
    mode = f"2 Tr {line.size * _STROKE:.3f} w" if line.bold else "0 Tr"
    slant = _SLANT if line.slanted else 0
    letters = "".join(f"{_face().glyphs[each]:04X}" for each in words)
    place = f"1 0 {slant} 1 {left:.2f} {HEIGHT - line.down:.2f} Tm"
    return f"BT {mode} /F0 {line.size:g} Tf {place} <{letters}> Tj ET"


def _stream(octets: bytes, entries: bytes) -> bytes:
    return b"<< %b /Length %d >>\nstream\n%b\nendstream" % (entries, len(octets), octets)


def _file(objects: Sequence[bytes], info: int) -> bytes:
    held, offsets = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"), []
    for number, each in enumerate(objects, start=1):
        offsets.append(len(held))
        held += b"%d 0 obj\n%b\nendobj\n" % (number, each)
    at = len(held)
    held += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    held += b"".join(b"%010d 00000 n \n" % each for each in offsets)
    held += b"trailer\n<< /Size %d /Root 1 0 R /Info %d 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (
        *(len(objects) + 1, info, at),
    )
    return bytes(held)
