"""Reads the fields of a document from the text of its PDF and from the signatures in it (decree 30's places of number
and symbol, date, type, abstract, signer, recipients). In: `PdfText`, the verdict on the signatures. Out: `PdfFields`,
each with how sure it is. Pure. Every contradiction makes a value doubtful; an unknown value stays empty.

The signer's position and name are to the right of the recipients (parts 7 to 9). The first block of recipients counts,
because appendices may have their own."""

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
from gateway.policy.page_lines import PageLine, absent, doubt, field_of, lines_of
from gateway.policy.pdf_head import addressee, addressees, heading, read_head, type_and_subject
from gateway.words.reading import BEHALF, FILED, RANKS, RECIPIENTS, TITLES

_ABOVE = 4.0  # the position begins at most this far above the recipients, in parts of the type size
_NAME_GAP = 2.0  # leaves room for the signature itself
_LIST_GAP = 2.0
_CENTRE_TOLERANCE = 0.1  # of the page's width
_NAME = re.compile(r"(?:[^\s.]+\.\s?)*(?:[^\W\d_]+(?:[-'][^\W\d_]+)?)(?: [^\W\d_]+(?:[-'][^\W\d_]+)?){1,8}")
_BEHALF = tuple(map(fold, BEHALF))
_RANKS = frozenset(map(fold, RANKS))
_TITLES = tuple(map(fold, TITLES))
_UNREADABLE = frozenset({"PDF-UNREADABLE", "PDF-LIMIT"})
_LONG_BEFORE = timedelta(days=60)


def read_signed(
    pages: Mapping[int, Sequence[PageLine]], sheets: Sequence[PageSheet], *, cut: bool
) -> PdfFields:
    """Read signer and recipients. `cut`: not every page was read."""
    for sheet in sheets:
        lines = pages.get(sheet.number, ())
        middle = sheet.size.width / 2
        begins = next((e for e in lines if e.folded.startswith(fold(RECIPIENTS)) and e.centre < middle), None)
        if begins is not None:
            top = begins.area.top - _ABOVE * begins.type_size
            right = [e for e in lines if e.area.top >= top and e.centre > middle and e.ink is not Ink.ADDED]
            return replace(_read_signer(right, sheet), recipients=_read_recipients(begins, lines, middle))
    return _without_recipients(pages, sheets, cut=cut)


def with_certificate(signer: Field[str], names: Iterable[str]) -> Field[str]:
    """Compare the signer with the names of the persons who signed the file; without a signer on the page, take a single
    name as doubtful."""
    signers = [name for name in dict.fromkeys(names) if name]
    if signer.value is None:
        only = (
            Field(value=signers[0], sure=Sure.DOUBTFUL, why="from-certificate") if len(signers) == 1 else None
        )
        return only or signer
    if signers and fold(signer.value) not in map(fold, signers):
        return doubt(signer, "certificate")
    return signer


def _without_recipients(
    pages: Mapping[int, Sequence[PageLine]], sheets: Sequence[PageSheet], *, cut: bool
) -> PdfFields:
    """Read the signer at the last position line on the right half of a page, as doubtful."""
    why = "cut" if cut else "no-recipients"
    for sheet in reversed(sheets):
        right = [e for e in pages.get(sheet.number, ()) if e.centre > sheet.size.width / 2]
        starts = (n for n, e in enumerate(right) if e.capitals and e.folded.startswith((*_BEHALF, *_TITLES)))
        at = next(starts, None)
        if at is not None:
            signed = _read_signer(right[at:], sheet)
            return _doubt_all(signed, why)
    return PdfFields()


def _read_signer(right: Sequence[PageLine], sheet: PageSheet) -> PdfFields:
    """Read the position lines, in capitals without a gap, then the name below the space for the signature."""
    at = next((n for n, e in enumerate(right) if e.capitals), None)
    if at is None:
        return PdfFields()
    positions = [right[at]]
    for line in right[at + 1 :]:
        if not line.capitals or positions[-1].gap_below(line) > _NAME_GAP:
            break
        positions.append(line)
    names = [e for e in right[at + len(positions) :] if _is_name(e)]
    behalf, own = _split_positions(positions)
    is_usual_title = own and fold(own[0].text).startswith(_TITLES)
    return PdfFields(
        signer=_read_name(names, positions[-1], sheet),
        title=field_of(_join_text(own), own, (None if is_usual_title else "position",)) if own else absent(),
        competence=field_of(_join_text(behalf), behalf) if behalf else absent(),
    )


def _split_positions(positions: Sequence[PageLine]) -> tuple[tuple[PageLine, ...], tuple[PageLine, ...]]:
    """Split position lines into the body signed for and the signer's own position. Lines after the last words of behalf
    belong to the body until one begins like a position."""
    last = max((n for n, position in enumerate(positions) if position.folded.startswith(_BEHALF)), default=-1)
    own = next((n for n in range(last + 1, len(positions)) if positions[n].folded.startswith(_TITLES)), None)
    if own is None:
        own = last + 1
    return tuple(positions[:own]), tuple(positions[own:])


def _join_text(lines: Sequence[PageLine]) -> str:
    return " ".join(line.text for line in lines)


def _is_name(line: PageLine) -> bool:
    words = line.text.split()
    return (
        _NAME.fullmatch(line.text) is not None
        and all(word[0].isupper() for word in words)
        and not line.folded.startswith(_BEHALF)
    )


def _read_name(names: Sequence[PageLine], above: PageLine, sheet: PageSheet) -> Field[str]:
    if not names:
        return absent()
    line = names[0]
    name = _without_rank(line.text)
    doubts = (
        "rank" if name != line.text else None,
        "many" if len(names) > 1 else None,
        "capitals" if any(len(word) > 1 and word.isupper() for word in line.text.split()) else None,
        "place" if abs(line.centre - above.centre) > _CENTRE_TOLERANCE * sheet.size.width else None,
        "too-long" if len(name) > 50 else None,
    )
    return field_of(name, (line,), doubts)


def _without_rank(text: str) -> str:
    words = text.split()
    while len(words) > 2:
        size = next((n for n in (2, 1) if fold(" ".join(words[:n])).rstrip(".") in _RANKS), 0)
        size = size or (1 if "." in words[0] else 0)
        if not size:
            break
        words = words[size:]
    return " ".join(words)


def _read_recipients(begins: PageLine, lines: Sequence[PageLine], middle: float) -> Field[str]:
    """Read down the left column until a gap; doubtful unless the block has the line of filed copies, which ends it."""
    block = [begins]
    for line in lines:
        if line.area.top <= begins.area.top or line.centre >= middle or line.ink is Ink.ADDED:
            continue
        if block[-1].gap_below(line) > _LIST_GAP:
            break
        block.append(line)
    filed = any(e.folded.lstrip("-+* ").startswith(fold(FILED)) for e in block)
    text = "\n".join(e.text for e in block)
    return field_of(text, block, (None if filed else "plain",))


def read_fields(text: PdfText, verdict: FileVerdict | None = None, pages: int | None = None) -> PdfFields:
    """Read every field of a document. `pages` is a page count from elsewhere, used when the text has none."""
    signed_at = _signing_time(verdict)
    counted = text.pages or pages
    page_count = field_of(counted, ()) if counted else absent("fault")
    sheet = next((s for s in text.sheets if s.number == 1), None)
    if text.fault is not None or sheet is None:
        # Any: all fields are absent in the same way.
        blank: dict[str, Any] = {name: absent("fault") for name, _ in PdfFields().items()}
        return PdfFields(**blank | {"pages": page_count, "signed_at": signed_at})
    by_page = {s.number: lines_of(run for run in text.runs if run.page == s.number) for s in text.sheets}
    first = by_page.get(1, [])
    titled = heading(first, sheet.size)
    addressed = addressee(first, sheet.size)
    tops = [e.area.top for e in (titled.line if titled else None, addressed) if e is not None]
    head = read_head(first, sheet.size, min(tops, default=None))
    key, subject = type_and_subject(titled, first, sheet.size, head, addressed)
    signed = read_signed(by_page, text.sheets, cut=text.cut)
    fields = replace(
        signed,
        pages=page_count,
        signed_at=signed_at,
        number=head.number,
        symbol=doubt(head.symbol, "mismatch" if key.why == "mismatch" else None),
        issued_on=_check_date(head.issued_on, signed_at.value),
        type_key=key,
        subject=subject,
        signer=with_certificate(signed.signer, _person_names(verdict)),
        addressed=addressees(addressed, first) if addressed is not None else "",
    )
    if _is_altered(verdict):
        fields = _doubt_all(fields, "altered")
    # Unreadable text on a page may hold another value.
    return _doubt_all(fields, "unread", {s.number for s in text.sheets if s.unread})


def _is_altered(verdict: FileVerdict | None) -> bool:
    """Tell whether the file may show other text than was signed."""
    return verdict is not None and (verdict.verdict is SignatureWord.INVALID or verdict.why in _UNREADABLE)


def _doubt_all(fields: PdfFields, why: str, pages: Collection[int] | None = None) -> PdfFields:
    """Make all fields doubtful, or only those on the given pages."""
    # Any: every field keeps its own type.
    doubtful: dict[str, Any] = {
        name: doubt(field, why) for name, field in fields.items() if pages is None or field.page in pages
    }
    return replace(fields, **doubtful)


def _signing_time(verdict: FileVerdict | None) -> Field[datetime]:
    at = pdf_verdict.signed_at(verdict)
    if at is None or verdict is None:
        return absent()
    return field_of(at, (), (None if verdict.verdict is SignatureWord.VALID else "unverified",))


def _check_date(issued_on: Field[date], signed_at: datetime | None) -> Field[date]:
    """Doubt a date that is later than the signature, or long before it."""
    if issued_on.value is None or signed_at is None:
        return issued_on
    day = local(signed_at).date()
    if issued_on.value > day + timedelta(days=1):
        return doubt(issued_on, "late")
    return doubt(issued_on, "early" if issued_on.value < day - _LONG_BEFORE else None)


def _person_names(verdict: FileVerdict | None) -> list[str]:
    signers = verdict.signers if verdict is not None else ()
    return [
        signer.name
        for signer in signers
        if signer.role is SignerRole.PERSON and signer.verdict is not SignatureWord.INVALID
    ]


def is_complete(fields: PdfFields) -> bool:
    """Tell whether all fields are sure that a clerk would have to check."""
    return all(
        field.sure is Sure.SURE for name, field in fields.items() if name not in ("competence", "recipients")
    )
