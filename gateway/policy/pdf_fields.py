"""Reads the fields of a document from the text of its PDF and from the signatures in it (decree 30's places of number and
symbol, date, type, abstract, signer, recipients). In: `PdfText`, the verdict on the signatures. Out: `PdfFields`, each
with how sure it is. Pure. Everything that speaks against a value makes it doubtful; what cannot be told is not told."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

from gateway.domain.page_text import Found, PdfFields, PdfText, Sure
from gateway.domain.signatures import FileVerdict, Role, Word
from gateway.domain.wall_clock import local
from gateway.policy import pdf_verdict
from gateway.policy.page_lines import Line, lines_of
from gateway.policy.pdf_evidence import absent, doubted, found
from gateway.policy.pdf_head import addressee, addressees, read_head
from gateway.policy.pdf_heading import heading, type_and_subject
from gateway.policy.pdf_signer import read_signed, with_certificate

_UNREADABLE = frozenset({"PDF-UNREADABLE", "PDF-LIMIT"})
_LONG_BEFORE = timedelta(days=60)


def read_fields(text: PdfText, verdict: FileVerdict | None = None, pages: int | None = None) -> PdfFields:
    """`pages` is the number that was counted elsewhere, where it was."""
    signed_at = _signed_at(verdict)
    counted = text.pages or pages
    fields = PdfFields(
        pages=found(counted, ()) if counted else absent("fault"),
        signed_at=signed_at,
    )
    sheet = next((each for each in text.sheets if each.number == 1), None)
    if text.fault is not None or sheet is None:
        return _faulted(fields)
    by_page = _by_page(text)
    first = by_page.get(1, [])
    named = heading(first, sheet.size)
    addressed = addressee(first, sheet.size)
    tops = [each.area.top for each in (named.line if named else None, addressed) if each is not None]
    head = read_head(first, sheet.size, min(tops, default=None))
    key, subject = type_and_subject(named, first, sheet.size, head, addressed)
    signed = read_signed(by_page, text.sheets, cut=text.cut)
    fields = replace(
        fields,
        number=head.number,
        symbol=doubted(head.symbol, "mismatch" if key.why == "mismatch" else None),
        issued_on=_dated(head.issued_on, signed_at.value),
        type_key=key,
        subject=subject,
        signer=with_certificate(signed.signer, _persons(verdict)),
        title=signed.title,
        competence=signed.competence,
        recipients=signed.recipients,
        addressed=addressees(addressed, first) if addressed is not None else "",
    )
    if _is_altered(verdict):
        fields = _all_doubted(fields, "altered")
    unread = {each.number for each in text.sheets if each.unread}
    return _where_unread(fields, unread) if unread else fields


def _by_page(text: PdfText) -> dict[int, list[Line]]:
    return {
        sheet.number: lines_of(run for run in text.runs if run.page == sheet.number) for sheet in text.sheets
    }


def _faulted(fields: PdfFields) -> PdfFields:
    kept = ("pages", "signed_at")
    # Any: each field is absent in the same way.
    blank: dict[str, Any] = {name: absent("fault") for name, _ in fields.named() if name not in kept}
    return replace(fields, **blank)


def _is_altered(verdict: FileVerdict | None) -> bool:
    """Whether the file may show something else than what was signed."""
    return verdict is not None and (verdict.verdict is Word.INVALID or verdict.why in _UNREADABLE)


def _all_doubted(fields: PdfFields, why: str) -> PdfFields:
    # Any: each keeps its own type.
    doubtful: dict[str, Any] = {name: doubted(one, why) for name, one in fields.named()}
    return replace(fields, **doubtful)


def _where_unread(fields: PdfFields, pages: set[int]) -> PdfFields:
    """Beside text that cannot be read there may be another value."""
    # Any: each keeps its own type.
    doubtful: dict[str, Any] = {
        name: doubted(one, "unread") for name, one in fields.named() if one.page in pages
    }
    return replace(fields, **doubtful)


def _signed_at(verdict: FileVerdict | None) -> Found[datetime]:
    at = pdf_verdict.signed_at(verdict)
    if at is None or verdict is None:
        return absent()
    return found(at, (), (None if verdict.verdict is Word.VALID else "unverified",))


def _dated(one: Found[date], signed_at: datetime | None) -> Found[date]:
    """A document is dated on the day that it is signed, or some days before."""
    if one.value is None or signed_at is None:
        return one
    day = local(signed_at).date()
    if one.value > day + timedelta(days=1):
        return doubted(one, "late")
    return doubted(one, "early" if one.value < day - _LONG_BEFORE else None)


def _persons(verdict: FileVerdict | None) -> list[str]:
    signers = verdict.signers if verdict is not None else ()
    return [each.name for each in signers if each.role is Role.PERSON and each.verdict is not Word.INVALID]


def is_complete(fields: PdfFields) -> bool:
    """Whether a clerk has nothing left to look at."""
    return all(
        one.sure is Sure.SURE for name, one in fields.named() if name not in ("competence", "recipients")
    )
