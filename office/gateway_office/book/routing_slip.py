"""Prints the slip for settling a letter (phieu giai quyet van ban den; Decree 30, appendix IV), on A4. In: the agency's
letterhead, a letter with the opinion and the parts of its units, names of persons. Out: the PDF. Dotted lines stand for
what was not decided at the node, to be written by hand. Everything is worked out at once; the caller provides a thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import IO

from gateway.domain.agency_profile import Letterhead
from gateway.domain.document import IncomingDocument
from gateway.domain.handling import PartState, UnitPart
from gateway.domain.wall_clock import day_text, local
from gateway.words import labels
from gateway_office.pdf_sheets import Align, PdfSheets

_say = partial(labels.say, lang="vi")
_DOTS = "…" * 40
_BLANK_LINES = 4
_STANDING = (PartState.OPEN, PartState.RETURNED, PartState.DONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slip:
    """Values of one slip. `decided_at` is when the leader gave the opinion or assigned; `names` are those of persons."""

    letter: IncomingDocument
    opinion: str
    decided_by: str
    decided_at: datetime | None
    parts: Sequence[UnitPart]
    names: Mapping[str, str]


def write(slip: Slip, letterhead: Letterhead, today: date, out: IO[bytes]) -> str:
    """Print the slip; return the file's SHA-256."""
    title, letter = _say("book.slip.title"), slip.letter
    sheets = PdfSheets(out, title, letterhead.agency)
    sheets.letterhead(letterhead, today)
    sheets.space(8)
    sheets.line(title, size=15, bold=True, align=Align.CENTRE)
    sheets.space(2)
    sheets.line(
        _say(
            "book.slip.letter",
            type=letter.type_name or _say("book.slip.document"),
            code=letter.code or "……",
            day=day_text(letter.issued_on) if letter.issued_on else "……",
            sender=letter.sender_name or letter.sender_code,
        ),
        align=Align.CENTRE,
    )
    sheets.line(letter.subject, align=Align.CENTRE)
    arrived = day_text(local(letter.arrived_at).date())
    sheets.line(_say("book.slip.arrived", number=letter.register_no or "……", day=arrived), align=Align.CENTRE)
    _section(sheets, "book.slip.leader", _leader_lines(slip), slip.decided_by, slip.decided_at)
    own = [part for part in slip.parts if part.person_id and part.state in _STANDING and not part.is_informed]
    _section(sheets, "book.slip.unit_head", [_part_line(part, slip.names) for part in own], "", None)
    _section(sheets, "book.slip.officer", [], "", None)
    return sheets.close()


def _leader_lines(slip: Slip) -> list[str]:
    parts = [part for part in slip.parts if part.state in _STANDING and not part.is_informed]
    return [
        *slip.opinion.splitlines(),
        *(
            _say(f"book.slip.{'lead' if p.is_lead else 'helping'}", part=_part_line(p, slip.names))
            for p in parts
        ),
    ]


def _part_line(part: UnitPart, names: Mapping[str, str]) -> str:
    name = names.get(part.person_id or "", "")
    receiver = f"{name} ({part.unit})" if name else part.unit
    if part.deadline is None:
        return receiver
    return _say("book.slip.part", receiver=receiver, day=day_text(part.deadline))


def _section(
    sheets: PdfSheets, title: str, lines: Sequence[str], by: str, decided_at: datetime | None
) -> None:
    sheets.space(5)
    sheets.line(_say(title), bold=True)
    sheets.line(_say(f"{title}.means"), size=10)
    sheets.space(1)
    for text in lines or [_DOTS] * _BLANK_LINES:
        sheets.line(text, left=0.03, width=0.97)
    sheets.space(2)
    day = day_text(local(decided_at).date()) if decided_at is not None else "…… / …… / …………"
    sheets.side_by_side([], [_say("book.slip.day", day=day), by], bold=False)
