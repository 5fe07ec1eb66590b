"""Values about PDFs: the text of pages with its places; fields read from it, each with its certainty and place; signing
with the agency's own key (the wish, the file, the key, the place, the result); and pages as pictures (the request, the
result, the size). Frozen values; nothing here opens a file or decides. Places are in points (1/72 inch) from the top-left
corner of the page as a reader sees it, whatever its rotation."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Generic, TypeVar

from gateway.domain.identity import Digest

POINTS_PER_MM = 72 / 25.4
MOST_PDF_BYTES = 512 * 1024 * 1024  # larger files are not opened


class Purpose(StrEnum):
    """Purpose of the agency's signature; each has its own look (R24, look of signatures; R25, copies)."""

    SEAL = "seal"
    COPY = "copy"
    APPENDIX = "appendix"


class CopyForm(StrEnum):
    """Form of a copy (R25, copies)."""

    SY = "sy"
    TRS = "trs"
    SL = "sl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """Place chosen by a person: the middle of the seal or mark. Pages count from 1."""

    page: int
    left: float
    top: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    width: float
    height: float

    def at(self, left: float, top: float) -> Area:
        """Return the area of this size at that place."""
        return Area(left=left, top=top, width=self.width, height=self.height)


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """Rectangle on a page."""

    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.left + self.width

    @property
    def bottom(self) -> float:
        return self.top + self.height

    def meets(self, other: Area) -> bool:
        """Tell whether the two areas share more than an edge."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )

    def union(self, other: Area) -> Area:
        """Return the smallest area that contains both."""
        left, top = min(self.left, other.left), min(self.top, other.top)
        return Area(
            left=left,
            top=top,
            width=max(self.right, other.right) - left,
            height=max(self.bottom, other.bottom) - top,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Order of a person to sign. `number` is number and notation of the document that an appendix belongs to."""

    purpose: Purpose
    agency_name: str
    copy_form: CopyForm = CopyForm.SY
    number: str = ""
    at: Spot | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierSignature:
    """Signature that a file already has. `intact`: the bytes that it covers are unchanged, and later additions were
    allowed; this says nothing about trust in its certificate. `page` and `area` are None for an invisible one."""

    subject: str
    key_id: str
    intact: bool
    page: int | None = None
    area: Area | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PdfStanding:
    """File before it is signed. `fault` says why it cannot be read as a PDF; then only digest and size are set. `closed`:
    a signature in it forbids another visible one."""

    digest: Digest
    size: int
    fault: str | None = None
    encrypted: bool = False
    closed: bool = False
    pages: int = 0
    earlier: tuple[EarlierSignature, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PageView:
    """Visible page with the areas that text, pictures and form fields take; no areas where they are unknown."""

    number: int
    size: Size
    occupied: tuple[Area, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFacts:
    """Facts about the agency's own key, from its certificate. `key_id` is the id of the public key, in the form of
    exchange keys."""

    certificate_der: bytes
    fingerprint: str
    key_id: str
    subject: str
    serial: str
    not_before: datetime
    not_after: datetime
    signs: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyState:
    """State of a key's certificate before it signs: `good`, `revoked`, `unknown` (no answer of its authority), `chain` (not
    certified by our anchors), or `anchors` (there are none)."""

    word: str
    revoked_at: datetime | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Layout of a text: its lines, the size of its type, and the space it takes."""

    lines: tuple[str, ...]
    type_size: float
    size: Size


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Placement of a signature on its page. `area` contains all of it; `crowded`: there was no free space, so that it
    covers something. `reason` is stated inside the signature, for programs that cannot read a mark; empty for a seal."""

    page: int
    area: Area
    layout: Layout
    text: Area
    image: Area | None = None
    crowded: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedPdf:
    """Signed file. `level` is the PAdES baseline that was reached: B-B, B-T, or B-LT; `missing` are codes of what the next
    ones need."""

    digest: Digest
    size: int
    level: str
    missing: tuple[str, ...] = ()


T = TypeVar("T")


class Ink(StrEnum):
    """Kind of text on a page: printed, recognised (laid over a scan by a machine), or added by an annotation."""

    PRINTED = "printed"
    RECOGNISED = "recognised"
    ADDED = "added"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRun:
    """Piece of text in one font, in drawing order. `shaky`: a mark was added to it, or a letter guessed."""

    text: str
    page: int
    area: Area
    type_size: float
    bold: bool = False
    ink: Ink = Ink.PRINTED
    shaky: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSheet:
    """Page that was read. `unread`: some of its text is in a font that does not say which letters it draws."""

    number: int
    size: Size
    unread: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PdfText:
    """Text of the pages. `pages` counts all of them; `sheets` are those that were read. `sideways` are texts along an
    edge, which are in no line. `cut`: there was more text than the limit. `fault` says why nothing could be read."""

    pages: int | None = None
    sheets: tuple[PageSheet, ...] = ()
    runs: tuple[TextRun, ...] = ()
    sideways: tuple[str, ...] = ()
    cut: bool = False
    fault: str | None = None
    detail: str = ""


class Sure(StrEnum):
    """Certainty of a field."""

    SURE = "sure"
    DOUBTFUL = "doubtful"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field(Generic[T]):
    """Field read from a text: its value, its certainty, the reason for a doubt (a word of the labels' `doubt.` table),
    and its place."""

    value: T | None = None
    sure: Sure = Sure.NONE
    why: str | None = None
    page: int | None = None
    area: Area | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PdfFields:
    """Fields of a document, read from its text. `type_key` is the key of a known type; `recipients` is the printed block
    of recipients, `addressed` the addressees above the text, to which "as above" in the block refers."""

    number: Field[str] = field(default_factory=Field)
    symbol: Field[str] = field(default_factory=Field)
    issued_on: Field[date] = field(default_factory=Field)
    type_key: Field[str] = field(default_factory=Field)
    subject: Field[str] = field(default_factory=Field)
    signer: Field[str] = field(default_factory=Field)
    title: Field[str] = field(default_factory=Field)
    competence: Field[str] = field(default_factory=Field)
    pages: Field[int] = field(default_factory=Field)
    signed_at: Field[datetime] = field(default_factory=Field)
    recipients: Field[str] = field(default_factory=Field)
    addressed: str = ""

    def items(self) -> Iterator[tuple[str, Field[object]]]:
        """Yield each field with its name, in the order of a form; `addressed` belongs to the recipients."""
        for name in self.__dataclass_fields__:
            if name != "addressed":
                yield name, getattr(self, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstPage:
    """Number, symbol, date and subject as printed on the first page; None for each that is not sure."""

    number: str | None = None
    symbol: str | None = None
    issued_on: date | None = None
    subject: str | None = None
    is_unnumbered: bool = False
    """Whether the place of the number is there, and is blank."""


# A sheet of A4 at 200 dots per inch has 3.9 million pixels; larger sheets get fewer dots, but are never cut.
MOST_PIXELS = 4_000_000
LONGEST_SIDE = 8_000
MOST_PAGES = 5_000
# Kinds of files whose pages can be drawn, in the short words of the inspector.
DRAWN_KINDS = frozenset({"pdf", "jpeg", "png"})
DRAWING = 2  # version of how pages are drawn: a picture kept from another version is drawn anew
# Kinds of files whose words can be read.
READ_KINDS = frozenset({"pdf", "docx"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PageWish:
    """Request for the picture of one page at so many dots per inch, with the sizes of `window` pages from it on; with
    `words` for the text of those pages instead of the picture, and with `recognises` for the text that a machine reads in
    the picture. A scan `as_png` loses nothing but its size."""

    kind: str
    page: int
    dots: int = 100
    window: int = 1
    words: bool = False
    as_png: bool = False
    recognises: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PageLook:
    """Answer to a `PageWish`. `pages` counts all pages of the file; `sizes` and `words` belong to the pages from the
    requested one on; `picture` is WebP, or PNG where that was asked for; `runs` are the pieces of text that were read in
    it. `fault` says why there is nothing to show."""

    pages: int = 0
    sizes: tuple[Size, ...] = ()
    picture: bytes = b""
    words: tuple[str, ...] = ()
    runs: tuple[TextRun, ...] = ()
    fault: str | None = None
    detail: str = ""


def pixels(size: Size, dots: int) -> tuple[int, int]:
    """Return width and height in pixels of the picture of a page with that size."""
    scale = fitting_scale(size, dots)
    return max(1, math.ceil(size.width * scale)), max(1, math.ceil(size.height * scale))


def fitting_scale(size: Size, dots: int) -> float:
    """Return the pixels per point that keep a picture within the limits."""
    by_area = math.sqrt(MOST_PIXELS / (size.width * size.height))
    by_side = LONGEST_SIDE / max(size.width, size.height)
    return min(dots / 72, by_area, by_side)
