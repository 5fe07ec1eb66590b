"""Compares the first page of a lead file with the document's data: number and symbol, date, subject (decree 30). In: the
text of that page; its fields, and the data. Out: the fields that were read with certainty; each compared field with both
values; the differences as reasons. Pure. Only certain fields are compared, and spelling is no difference: case, accents,
blanks, dashes, quotes, short forms, leading zeros, or a subject that one side gives in part."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Protocol

from gateway.domain.pdf import Field, FirstPage, PdfText, Sure
from gateway.domain.text import fold, nfc
from gateway.policy.pdf_fields import read_fields
from gateway.policy.pdf_head import BLANK
from gateway.policy.recipients_block import written_out
from gateway.policy.verdict import Reason, ReasonCode, reason
from gateway.words.reading import NUMBER_LABEL, TOPIC

_LONGEST = 1000
_LONGEST_QUOTE = 200
_LABEL = re.compile(rf"^\s*{NUMBER_LABEL}\b[\s:.]*")
# A shorter part of a subject might belong to another subject too.
_PART = 12
_DIFFERENT = 2
# Fields that name a document: one that differs is enough.
_IDENTITY = frozenset({"number", "symbol"})


class DocumentData(Protocol):
    """Metadata of a document, sent beside its file."""

    @property
    def number(self) -> str: ...
    @property
    def symbol(self) -> str: ...
    @property
    def issued_on(self) -> date | None: ...
    @property
    def type_name(self) -> str | None: ...
    @property
    def subject(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedField:
    """One field (`number`, `symbol`, `date`, `subject`) as printed on the page and as sent."""

    field: str
    page: str
    sent: str
    same: bool


def read_first_page(text: PdfText) -> FirstPage:
    """Return the fields of the first page that were read with certainty."""
    if not (text.runs or text.sideways):
        return FirstPage()
    fields = read_fields(text)
    return FirstPage(
        number=_sure(fields.number),
        symbol=_sure(fields.symbol),
        issued_on=fields.issued_on.value if fields.issued_on.sure is Sure.SURE else None,
        subject=_sure(fields.subject),
        is_unnumbered=fields.number.why == BLANK,
    )


def compare(page: FirstPage | None, data: DocumentData) -> tuple[ComparedField, ...]:
    """Return the comparison of each field that both sides have; empty where no page was read."""
    if page is None:
        return ()
    compared = [*_compare_code(page, data)]
    if page.issued_on is not None and data.issued_on is not None:
        days = f"{page.issued_on:%d/%m/%Y}", f"{data.issued_on:%d/%m/%Y}"
        compared.append(ComparedField(field="date", page=days[0], sent=days[1], same=days[0] == days[1]))
    if page.subject is not None and data.subject.strip():
        same = _is_same_matter(page.subject, data.subject, data.type_name or "")
        compared.append(ComparedField(field="subject", page=page.subject, sent=data.subject, same=same))
    return tuple(compared)


def _compare_code(page: FirstPage, data: DocumentData) -> Iterator[ComparedField]:
    """Compare number and symbol as one text, or the one that the page is sure of."""
    number, symbol = data.number.strip(), data.symbol.strip()
    if page.number and page.symbol and number and symbol:
        printed, sent = f"{page.number}/{page.symbol}", f"{number}/{symbol}"
        same = _code(printed) in (_code(sent), _code(number))
        yield ComparedField(field="number", page=printed, sent=sent, same=same)
    elif page.number and number:
        same = _code(page.number) == _code(number.partition("/")[0])
        yield ComparedField(field="number", page=page.number, sent=number, same=same)
    elif page.symbol and symbol:
        same = _code(page.symbol) == _code(symbol)
        yield ComparedField(field="symbol", page=page.symbol, sent=symbol, same=same)


def names_another(page: FirstPage | None, data: DocumentData) -> bool:
    """Tell whether the page surely has another number or symbol than the data."""
    return any(field.field in _IDENTITY for field in _differing(page, data))


class PageStanding(StrEnum):
    """Agreement of an incoming document's first page with its data; `unread` where nothing could be compared."""

    SAME = "same"
    DIFFERS = "differs"
    OTHER = "other"
    UNREAD = "unread"


def judge_sent(page: FirstPage | None, data: DocumentData) -> tuple[Reason, ...]:
    """Return the differences before sending; with another number or symbol, or two fields, the sender must confirm."""
    differing = _differing(page, data)
    is_other = names_another(page, data) or len(differing) >= _DIFFERENT
    return _reasons(differing, ReasonCode.FIRST_PAGE_OTHER if is_other else ReasonCode.FIRST_PAGE_DIFFERS)


def judge_arrived(page: FirstPage | None, data: DocumentData) -> tuple[PageStanding, tuple[Reason, ...]]:
    """Return the agreement and the differences; `other`, for a person to look at, where number or symbol differ."""
    differing = _differing(page, data)
    if not differing:
        return PageStanding.SAME if compare(page, data) else PageStanding.UNREAD, ()
    standing = PageStanding.OTHER if names_another(page, data) else PageStanding.DIFFERS
    return standing, _reasons(differing, ReasonCode.FIRST_PAGE_DIFFERS)


def _differing(page: FirstPage | None, data: DocumentData) -> list[ComparedField]:
    return [field for field in compare(page, data) if not field.same]


def _reasons(differing: Sequence[ComparedField], code: ReasonCode) -> tuple[Reason, ...]:
    return tuple(
        reason(
            code,
            f"/{field.field}",
            field=field.field,
            page=field.page[:_LONGEST_QUOTE],
            sent=field.sent[:_LONGEST_QUOTE],
        )
        for field in differing
    )


def _sure(field: Field[str]) -> str | None:
    return field.value if field.sure is Sure.SURE else None


def _code(code: str) -> str:
    """Return letters and digits only, without the label and leading zeros. D and stroked D stay two letters; the
    Icelandic letter that looks like the stroked one is read as it."""
    bare = _LABEL.sub("", nfc(code).casefold().replace("\u00f0", "\u0111"))
    return "".join(sign for sign in bare if sign.isalnum()).lstrip("0")


def _is_same_matter(page: str, sent: str, kind: str) -> bool:
    """Tell whether two subjects are equal, or one is a long enough part of the other."""
    printed, stated = _matter(page, kind), _matter(sent, kind)
    shorter, longer = sorted((printed, stated), key=len)
    return printed == stated or (len(shorter) >= _PART and shorter in longer)


def _matter(subject: str, kind: str) -> str:
    """Return the letters of a subject: short forms written out, without leading words and the name of the type."""
    words = fold(written_out(subject[:_LONGEST]))
    for lead in (fold(kind), *map(fold, TOPIC), fold(kind)):
        if lead and words.startswith(lead) and not words[len(lead) : len(lead) + 1].isalnum():
            words = words[len(lead) :].lstrip(" :.-")
    return "".join(sign for sign in words if sign.isalnum())
