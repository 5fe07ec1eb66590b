"""Reads the fields of a document from the text of its PDF and from the signatures in it (decree 30's places of number
and symbol, date, type, abstract, signer, recipients). In: `PdfText`, the verdict on the signatures. Out:
`PdfFields`, each with how sure it is. Pure. Everything that speaks against a value makes it doubtful; what cannot
be told is not told.

Who signed, position and name, stands at the right of the recipients (parts 7 to 9). The first block of recipients
counts: what follows it are appendices."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

from gateway.domain.pdf import Field, Ink, PageSheet, PdfFields, PdfText, Sure
from gateway.domain.signatures import FileVerdict, SignatureWord, SignerRole
from gateway.domain.text import fold
from gateway.domain.wall_clock import local
from gateway.policy import pdf_verdict
from gateway.policy.page_lines import PageLine, absent, doubted, found, lines_of
from gateway.policy.pdf_head import addressee, addressees, heading, read_head, type_and_subject
from gateway.words.reading import BEHALF, FILED, RANKS, RECIPIENTS, TITLES

_ABOVE = 4.0  # how far the position may begin above the recipients, in parts of the type size
_NAME_GAP = 2.0  # room for the signature itself
_LIST_GAP = 2.0
_ASIDE = 0.1  # of the page's width
_NAME = re.compile(r"(?:[^\s.]+\.\s?)*(?:[^\W\d_]+(?:[-'][^\W\d_]+)?)(?: [^\W\d_]+(?:[-'][^\W\d_]+)?){1,8}")
_BEHALF = tuple(map(fold, BEHALF))
_RANKS = frozenset(map(fold, RANKS))
_TITLES = tuple(map(fold, TITLES))


def read_signed(
    pages: Mapping[int, Sequence[PageLine]], sheets: Sequence[PageSheet], *, cut: bool
) -> PdfFields:
    """`cut`: not every page was read."""
    for sheet in sheets:
        lines = pages.get(sheet.number, ())
        middle = sheet.size.width / 2
        begins = next((e for e in lines if e.folded.startswith(fold(RECIPIENTS)) and e.centre < middle), None)
        if begins is not None:
            top = begins.area.top - _ABOVE * begins.type_size
            right = [e for e in lines if e.area.top >= top and e.centre > middle and e.ink is not Ink.ADDED]
            return replace(_block(right, sheet), recipients=_recipients(begins, lines, middle))
    return _without_recipients(pages, sheets, cut=cut)


def with_certificate(signer: Field[str], names: Iterable[str]) -> Field[str]:
    """Held against the names of the persons who signed the file."""
    told = [each for each in dict.fromkeys(names) if each]
    if signer.value is None:
        only = Field(value=told[0], sure=Sure.DOUBTFUL, why="from-certificate") if len(told) == 1 else None
        return only or signer
    if told and fold(signer.value) not in map(fold, told):
        return doubted(signer, "certificate")
    return signer


def _without_recipients(
    pages: Mapping[int, Sequence[PageLine]], sheets: Sequence[PageSheet], *, cut: bool
) -> PdfFields:
    """By the last position on the right half of a page."""
    why = "cut" if cut else "no-recipients"
    for sheet in reversed(sheets):
        right = [e for e in pages.get(sheet.number, ()) if e.centre > sheet.size.width / 2]
        begun = (n for n, e in enumerate(right) if e.capitals and e.folded.startswith((*_BEHALF, *_TITLES)))
        at = next(begun, None)
        if at is not None:
            signed = _block(right[at:], sheet)
            return _doubted_all(signed, why)
    return PdfFields()


def _block(right: Sequence[PageLine], sheet: PageSheet) -> PdfFields:
    """Positions in capitals without a gap, then the name below the room for the signature."""
    at = next((n for n, each in enumerate(right) if each.capitals), None)
    if at is None:
        return PdfFields()
    positions = [right[at]]
    for line in right[at + 1 :]:
        if not line.capitals or positions[-1].gap_below(line) > _NAME_GAP:
            break
        positions.append(line)
    names = [each for each in right[at + len(positions) :] if _is_name(each)]
    behalf, own = _parted(positions)
    known = own and fold(own[0].text).startswith(_TITLES)
    return PdfFields(
        signer=_name(names, positions[-1], sheet),
        title=found(_said(own), own, (None if known else "position",)) if own else absent(),
        competence=found(_said(behalf), behalf) if behalf else absent(),
    )


def _parted(positions: Sequence[PageLine]) -> tuple[tuple[PageLine, ...], tuple[PageLine, ...]]:
    """On whose behalf, and the signer's own position. Lines behind the last word of behalf belong to it until one begins
    as positions do."""
    last = max((n for n, each in enumerate(positions) if each.folded.startswith(_BEHALF)), default=-1)
    own = next((n for n in range(last + 1, len(positions)) if positions[n].folded.startswith(_TITLES)), None)
    if own is None:
        own = last + 1
    return tuple(positions[:own]), tuple(positions[own:])


def _said(lines: Sequence[PageLine]) -> str:
    return " ".join(each.text for each in lines)


def _is_name(line: PageLine) -> bool:
    words = line.text.split()
    return (
        _NAME.fullmatch(line.text) is not None
        and all(each[0].isupper() for each in words)
        and not line.folded.startswith(_BEHALF)
    )


def _name(names: Sequence[PageLine], above: PageLine, sheet: PageSheet) -> Field[str]:
    if not names:
        return absent()
    line = names[0]
    name = _without_rank(line.text)
    doubts = (
        "rank" if name != line.text else None,
        "many" if len(names) > 1 else None,
        "capitals" if any(len(each) > 1 and each.isupper() for each in line.text.split()) else None,
        "place" if abs(line.centre - above.centre) > _ASIDE * sheet.size.width else None,
        "too-long" if len(name) > 50 else None,
    )
    return found(name, (line,), doubts)


def _without_rank(text: str) -> str:
    words = text.split()
    while len(words) > 2:
        size = next((n for n in (2, 1) if fold(" ".join(words[:n])).rstrip(".") in _RANKS), 0)
        size = size or (1 if "." in words[0] else 0)
        if not size:
            break
        words = words[size:]
    return " ".join(words)


def _recipients(begins: PageLine, lines: Sequence[PageLine], middle: float) -> Field[str]:
    """Down the left column, as far as it goes without a gap; it ends with who files the document."""
    block = [begins]
    for line in lines:
        if line.area.top <= begins.area.top or line.centre >= middle or line.ink is Ink.ADDED:
            continue
        if block[-1].gap_below(line) > _LIST_GAP:
            break
        block.append(line)
    filed = any(each.folded.lstrip("-+* ").startswith(fold(FILED)) for each in block)
    text = "\n".join(each.text for each in block)
    return found(text, block, (None if filed else "plain",))


_UNREADABLE = frozenset({"PDF-UNREADABLE", "PDF-LIMIT"})
_LONG_BEFORE = timedelta(days=60)


def read_fields(text: PdfText, verdict: FileVerdict | None = None, pages: int | None = None) -> PdfFields:
    """`pages` is the number that was counted elsewhere, where it was."""
    signed_at = _signed_at(verdict)
    counted = text.pages or pages
    told = found(counted, ()) if counted else absent("fault")
    sheet = next((each for each in text.sheets if each.number == 1), None)
    if text.fault is not None or sheet is None:
        # Any: each field is absent in the same way.
        blank: dict[str, Any] = {name: absent("fault") for name, _ in PdfFields().items()}
        return PdfFields(**blank | {"pages": told, "signed_at": signed_at})
    by_page = {
        each.number: lines_of(run for run in text.runs if run.page == each.number) for each in text.sheets
    }
    first = by_page.get(1, [])
    named = heading(first, sheet.size)
    addressed = addressee(first, sheet.size)
    tops = [each.area.top for each in (named.line if named else None, addressed) if each is not None]
    head = read_head(first, sheet.size, min(tops, default=None))
    key, subject = type_and_subject(named, first, sheet.size, head, addressed)
    signed = read_signed(by_page, text.sheets, cut=text.cut)
    fields = replace(
        signed,
        pages=told,
        signed_at=signed_at,
        number=head.number,
        symbol=doubted(head.symbol, "mismatch" if key.why == "mismatch" else None),
        issued_on=_dated(head.issued_on, signed_at.value),
        type_key=key,
        subject=subject,
        signer=with_certificate(signed.signer, _persons(verdict)),
        addressed=addressees(addressed, first) if addressed is not None else "",
    )
    if _is_altered(verdict):
        fields = _doubted_all(fields, "altered")
    # Beside text that cannot be read there may be another value.
    return _doubted_all(fields, "unread", {each.number for each in text.sheets if each.unread})


def _is_altered(verdict: FileVerdict | None) -> bool:
    """Whether the file may show something else than what was signed."""
    return verdict is not None and (verdict.verdict is SignatureWord.INVALID or verdict.why in _UNREADABLE)


def _doubted_all(fields: PdfFields, why: str, pages: Collection[int] | None = None) -> PdfFields:
    """Every field, or those that stand on one of these pages."""
    # Any: each keeps its own type.
    doubtful: dict[str, Any] = {
        name: doubted(one, why) for name, one in fields.items() if pages is None or one.page in pages
    }
    return replace(fields, **doubtful)


def _signed_at(verdict: FileVerdict | None) -> Field[datetime]:
    at = pdf_verdict.signed_at(verdict)
    if at is None or verdict is None:
        return absent()
    return found(at, (), (None if verdict.verdict is SignatureWord.VALID else "unverified",))


def _dated(one: Field[date], signed_at: datetime | None) -> Field[date]:
    """A document is dated on the day that it is signed, or some days before."""
    if one.value is None or signed_at is None:
        return one
    day = local(signed_at).date()
    if one.value > day + timedelta(days=1):
        return doubted(one, "late")
    return doubted(one, "early" if one.value < day - _LONG_BEFORE else None)


def _persons(verdict: FileVerdict | None) -> list[str]:
    signers = verdict.signers if verdict is not None else ()
    return [
        each.name
        for each in signers
        if each.role is SignerRole.PERSON and each.verdict is not SignatureWord.INVALID
    ]


def is_complete(fields: PdfFields) -> bool:
    """Whether a clerk has nothing left to look at."""
    return all(
        one.sure is Sure.SURE for name, one in fields.items() if name not in ("competence", "recipients")
    )
