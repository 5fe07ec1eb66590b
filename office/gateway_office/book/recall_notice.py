"""Prints the notice that withdraws a document (Decree 30, article 18.4), on A4, to be signed and issued as any other. In:
the agency's letterhead, the withdrawn document, the reason, and the draft of the notice. Out: the PDF. Everything is worked
out at once; the caller provides a thread."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import IO

from gateway.domain.agency_profile import Letterhead
from gateway.domain.document import Draft
from gateway.domain.wall_clock import day_text
from gateway.words import labels
from gateway_office.pdf_sheets import Align, PdfSheets

_say = partial(labels.say, lang="vi")
_DOTS = "……"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Values of one notice: the document that it withdraws, why, and its own draft with number, day, recipients, signer."""

    withdrawn: Draft
    reason: str
    draft: Draft


def write(notice: Notice, letterhead: Letterhead, out: IO[bytes]) -> str:
    """Print the notice; return the file's SHA-256."""
    draft, withdrawn, signer = notice.draft, notice.withdrawn, notice.draft.signer
    if draft.issued_on is None:
        raise ValueError("a notice has its day")
    sheets = PdfSheets(out, draft.subject, letterhead.agency)
    number = _say("book.notice.number", number=draft.number or _DOTS, symbol=draft.symbol or _DOTS)
    sheets.letterhead(letterhead, draft.issued_on, below=[number])
    sheets.space(8)
    sheets.line(_say("type.thong_bao").upper(), size=15, bold=True, align=Align.CENTRE)
    sheets.line(draft.subject, size=12, bold=True, align=Align.CENTRE)
    sheets.space(6)
    words = {
        "agency": letterhead.agency,
        "type": withdrawn.type_name or _say("book.slip.document"),
        "code": withdrawn.code,
        "day": day_text(withdrawn.issued_on) if withdrawn.issued_on else _DOTS,
        "subject": withdrawn.subject,
        "reason": notice.reason,
    }
    for key in ("withdraws", "reason", "effect"):
        sheets.line(_say(f"book.notice.{key}", **words), size=12)
        sheets.space(3)
    sheets.space(4)
    receivers = [f"- {r.name or r.code};" for r in draft.recipients]
    place = [(signer.title or "").upper(), *[""] * 4, signer.name or ""] if signer else []
    sheets.side_by_side([_say("book.notice.to"), *receivers, _say("book.notice.archive")], place)
    return sheets.close()
