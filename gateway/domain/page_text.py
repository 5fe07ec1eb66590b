"""The text of a PDF with its places, and what is read from it: the fields of a document, each with how sure it is and
where it stands. Frozen values; nothing here opens a file or decides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Generic, TypeVar

from gateway.domain.pdf_signing import Area, Size

T = TypeVar("T")


class Ink(StrEnum):
    """How text stands on a page: printed, laid invisibly or over a scan (read by a machine), or added by an annotation."""

    PRINTED = "printed"
    RECOGNISED = "recognised"
    ADDED = "added"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A piece of text in one font, as it is drawn. `shaky`: a mark was set into it, or a letter guessed."""

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
    """What the pages say. `pages` counts all of them; `sheets` are those that were read. `cut`: there was more than may be
    read. `fault` says why nothing could be."""

    pages: int | None = None
    sheets: tuple[PageSheet, ...] = ()
    runs: tuple[Run, ...] = ()
    cut: bool = False
    fault: str | None = None
    detail: str = ""


class Sure(StrEnum):
    """How far a field may be believed without looking."""

    SURE = "sure"
    DOUBTFUL = "doubtful"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found(Generic[T]):
    """One field: its value, how sure it is, why it is not (a word of the labels' `doubt.` table), and where it stands."""

    value: T | None = None
    sure: Sure = Sure.NONE
    why: str | None = None
    page: int | None = None
    area: Area | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PdfFields:
    """What a document says of itself. `type_key` is the key of the type where it is a known one; `recipients` is the block
    of recipients as it is printed, `addressed` what stands over the text, which "as above" in the block points at."""

    number: Found[str] = field(default_factory=Found)
    symbol: Found[str] = field(default_factory=Found)
    issued_on: Found[date] = field(default_factory=Found)
    type_key: Found[str] = field(default_factory=Found)
    subject: Found[str] = field(default_factory=Found)
    signer: Found[str] = field(default_factory=Found)
    title: Found[str] = field(default_factory=Found)
    competence: Found[str] = field(default_factory=Found)
    pages: Found[int] = field(default_factory=Found)
    signed_at: Found[datetime] = field(default_factory=Found)
    recipients: Found[str] = field(default_factory=Found)
    addressed: str = ""

    def named(self) -> Iterator[tuple[str, Found[object]]]:
        """Each field under its name, in the order of a form; `addressed` is none, it is read with the recipients."""
        for name in self.__dataclass_fields__:
            if name != "addressed":
                yield name, getattr(self, name)
