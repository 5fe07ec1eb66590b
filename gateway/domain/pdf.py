"""The pages of a PDF: their text with its places; the fields read from it, each with its certainty and place; values of
signing with the agency's own key: the wish, the file, the key, the place, the result; and pages of a file as pictures:
request, result, and size of a picture. Frozen values; nothing here opens a file or decides. Places are in points (1/72
inch) from the top-left corner of the page as a reader sees it, whatever its rotation."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Generic, TypeVar

from gateway.domain.identity import Digest

POINTS_PER_MM = 72 / 25.4
MOST_PDF_BYTES = 512 * 1024 * 1024  # larger files are not looked into


class Purpose(StrEnum):
    """Purpose of the agency's signature: each has its own look (R24, R25)."""

    SEAL = "seal"
    COPY = "copy"
    APPENDIX = "appendix"


class CopyForm(StrEnum):
    """The three forms of a copy (R25)."""

    SY = "sy"
    TRS = "trs"
    SL = "sl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A place chosen by a person: the middle of the seal or mark. Pages count from 1."""

    page: int
    left: float
    top: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    width: float
    height: float

    def at(self, left: float, top: float) -> Area:
        """Return the area of this size there."""
        return Area(left=left, top=top, width=self.width, height=self.height)


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """A rectangle on a page."""

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
        """Tell whether they share more than an edge."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )

    def union(self, other: Area) -> Area:
        """Return the smallest area that holds both."""
        left, top = min(self.left, other.left), min(self.top, other.top)
        return Area(
            left=left,
            top=top,
            width=max(self.right, other.right) - left,
            height=max(self.bottom, other.bottom) - top,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A person's order to sign. `number` is number and notation of the document that an appendix belongs to."""

    purpose: Purpose
    agency_name: str
    copy_form: CopyForm = CopyForm.SY
    number: str = ""
    at: Spot | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierSignature:
    """A signature that is in the file already. `intact`: the bytes it covers are as they were signed, and later additions
    were allowed; says nothing about the trust in its certificate. `page` and `area` are None when it shows nothing."""

    subject: str
    key_id: str
    intact: bool
    page: int | None = None
    area: Area | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PdfStanding:
    """A file before it is signed. `fault` is a word for why it cannot be read as a PDF; then only digest and size count.
    `closed`: a signature in it leaves no room for another one that shows."""

    digest: Digest
    size: int
    fault: str | None = None
    encrypted: bool = False
    closed: bool = False
    pages: int = 0
    earlier: tuple[EarlierSignature, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PageView:
    """One visible page, with the areas that text, pictures and form fields take; empty where they are unknown."""

    number: int
    size: Size
    occupied: tuple[Area, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFacts:
    """The agency's own key, by its certificate. `key_id` is of the public key, in the form of exchange keys."""

    certificate_der: bytes
    fingerprint: str
    key_id: str
    subject: str
    serial: str
    not_before: datetime
    not_after: datetime
    signs: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One way to set a text: its lines, the size of their type, and the room they take."""

    lines: tuple[str, ...]
    type_size: float
    size: Size


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Layout of a signature on its page. `area` holds all of it; `crowded`: no free room was found, so that it lies over
    something. `reason` is stated inside the signature, for programs that cannot read a mark; empty for a seal."""

    page: int
    area: Area
    layout: Layout
    text: Area
    image: Area | None = None
    crowded: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedPdf:
    """A signed file. `level` is the PAdES baseline that was reached: B-B, B-T, or B-LT."""

    digest: Digest
    size: int
    level: str


T = TypeVar("T")


class Ink(StrEnum):
    """Kind of text on a page: printed, laid invisibly or over a scan (read by a machine), or added by an annotation."""

    PRINTED = "printed"
    RECOGNISED = "recognised"
    ADDED = "added"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRun:
    """A piece of text in one font, in drawing order. `shaky`: a mark was set into it, or a letter guessed."""

    text: str
    page: int
    area: Area
    type_size: float
    bold: bool = False
    ink: Ink = Ink.PRINTED
    shaky: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSheet:
    """One page that was read. `unread`: some of its text is in a font that does not say which letters it draws."""

    number: int
    size: Size
    unread: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PdfText:
    """Text of the pages. `pages` counts all of them; `sheets` are those that were read. `sideways` stands along an edge and
    in no line. `cut`: there was more than may be read. `fault` says why nothing could be."""

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
    """One field: its value, its certainty, the reason of a doubt (a word of the labels' `doubt.` table), and its place."""

    value: T | None = None
    sure: Sure = Sure.NONE
    why: str | None = None
    page: int | None = None
    area: Area | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PdfFields:
    """Fields of a document, read from its text. `type_key` is the key of a known type; `recipients` is the printed block of
    recipients, `addressed` the addressees above the text, to which "as above" in the block refers."""

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
        """Yield each field with its name, in the order of a form; `addressed` is read with the recipients."""
        for name in self.__dataclass_fields__:
            if name != "addressed":
                yield name, getattr(self, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstPage:
    """Number and symbol, date and subject from the first page; None where a field is not sure."""

    code: str | None = None
    issued_on: date | None = None
    subject: str | None = None


# A sheet of A4 at 200 dots to the inch has 3.9 million; larger ones are drawn coarser, never cut.
MOST_PIXELS = 4_000_000
LONGEST_SIDE = 8_000
MOST_PAGES = 5_000
# Kinds of files with pictures, by the short words of the inspector.
DRAWN_KINDS = frozenset({"pdf", "jpeg", "png"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PageWish:
    """Request for one page of a file as a picture at so many dots to the inch, with the sizes of `window` pages from it on;
    with `words` the text of those pages instead of the picture."""

    kind: str
    page: int
    dots: int = 100
    window: int = 1
    words: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PageLook:
    """Answer to a request. `pages` counts all of the file, `sizes` and `words` are those of the pages from the wished one
    on, `picture` is WebP. `fault` is a word for why there is nothing to see."""

    pages: int = 0
    sizes: tuple[Size, ...] = ()
    picture: bytes = b""
    words: tuple[str, ...] = ()
    fault: str | None = None
    detail: str = ""


def pixels(size: Size, dots: int) -> tuple[int, int]:
    """Return width and height of the picture of a page of that size."""
    scale = fitting_scale(size, dots)
    return max(1, math.ceil(size.width * scale)), max(1, math.ceil(size.height * scale))


def fitting_scale(size: Size, dots: int) -> float:
    """Return the pixels for a point, so that no picture is over the limits."""
    by_area = math.sqrt(MOST_PIXELS / (size.width * size.height))
    by_side = LONGEST_SIDE / max(size.width, size.height)
    return min(dots / 72, by_area, by_side)
