"""Holds the first page of a lead file against what was sent beside it: number and symbol, date, subject (decree 30). In:
the fields that were read, and a document. Out: what was compared, and where the two differ. Pure. Only what was surely read
speaks; a difference marks and never holds: a reader of pages may be wrong."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from gateway.domain.document import IncomingDocument
from gateway.domain.pdf import Found, PdfFields, Sure
from gateway.domain.text import fold, nfc
from gateway.policy.recipients_block import written_out
from gateway.words.reading import ABOUT

_LONGEST = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstPage:
    """What the page surely says; None where that is not sure."""

    code: str | None = None
    issued_on: date | None = None
    subject: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedField:
    """One field (`number`, `date`, `subject`) as it stands on the page and as it was sent."""

    field: str
    page: str
    sent: str
    same: bool


def surely(fields: PdfFields) -> FirstPage:
    number, symbol = _sure(fields.number), _sure(fields.symbol)
    return FirstPage(
        code=f"{number}/{symbol}" if number and symbol else None,
        issued_on=fields.issued_on.value if fields.issued_on.sure is Sure.SURE else None,
        subject=_sure(fields.subject),
    )


def compare(page: FirstPage, document: IncomingDocument) -> tuple[ComparedField, ...]:
    """Each field that both have."""
    found = []
    if page.code is not None and document.number and document.symbol:
        sent = f"{document.number}/{document.symbol}"
        found.append(
            ComparedField(field="number", page=page.code, sent=sent, same=_code(page.code) == _code(sent))
        )
    if page.issued_on is not None and document.issued_on is not None:
        days = f"{page.issued_on:%d/%m/%Y}", f"{document.issued_on:%d/%m/%Y}"
        found.append(ComparedField(field="date", page=days[0], sent=days[1], same=days[0] == days[1]))
    if page.subject is not None and document.subject.strip():
        kind = document.type_name or ""
        same = _matter(page.subject, kind) == _matter(document.subject, kind)
        found.append(ComparedField(field="subject", page=page.subject, sent=document.subject, same=same))
    return tuple(found)


def _sure(one: Found[str]) -> str | None:
    return one.value if one.sure is Sure.SURE else None


def _code(code: str) -> str:
    """As it is printed, without blanks, leading zeros and letter case."""
    bare = "".join(nfc(code).casefold().split())
    return bare.lstrip("0")


def _matter(subject: str, kind: str) -> str:
    """The words of the matter alone: short forms in full, without what leads in or names the type."""
    said = fold(written_out(subject[:_LONGEST]))
    for lead in (fold(kind), *map(fold, ABOUT), fold(kind)):
        if lead and said.startswith(lead) and not said[len(lead) : len(lead) + 1].isalnum():
            said = said[len(lead) :].lstrip(" :.-")
    return "".join(each for each in said if each.isalnum())
