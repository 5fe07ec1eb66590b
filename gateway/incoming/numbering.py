"""The arrival number that comes from outside, and how it reaches the sender. In: what a status call gives, the document
as it stands. Out: a refusal that names the number that stands, or the number entered and on its way in a 03 of its own.
A number once given stays (R32)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from gateway.domain.account import HostedAgency, NumberingMode
from gateway.domain.document import IncomingDocument, InState, Source, Staff
from gateway.domain.status import Fact, Track
from gateway.domain.terms import Terms
from gateway.errors import Clash, Refused
from gateway.incoming import acknowledge, settle
from gateway.incoming.desk import InDesk
from gateway.policy.verdict import ReasonCode, Verdict, reason
from gateway.ports import RegisterEntry, Work
from gateway.words import labels

_AFTER = ("04", "05", "06")
_TAKEN_IN = (InState.ACCEPTED, InState.ASSIGNED, InState.PROCESSING, InState.DONE, InState.REPLACED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A number that was given after the document had been taken in, and when."""

    entry: RegisterEntry
    at: datetime
    note: str | None
    staff: Staff | None


def check(
    agency: HostedAgency, document: IncomingDocument, code: str, number: str | None, year: int | None
) -> None:
    """Clash or Refused where the number would be dropped: it is the one that stands, or the first with a 03. What is
    refused or asked (02, 15, 16) never takes one."""
    stands = document.register_no
    if number is None or (number == stands and year in (None, document.register_year)):
        return
    if stands is not None:
        raise Clash(
            f"{document.id} has the arrival number {stands} of {document.register_year}; a number once given stays",
            code="GW-REGISTERED",
            told={"register_no": stands, "register_year": document.register_year},
        )
    if code in _AFTER:
        raise Refused(Verdict(reasons=(reason(ReasonCode.NUMBER_WITHOUT_03, "/register_no", status=code),)))
    if code == "03" and agency.numbering is NumberingMode.B:
        raise Clash(
            f"{agency.code} numbers in its own book (mode B), which takes no number from outside; {document.id} has none "
            "yet: leave register_no out",
            code="GW-BOOK-GIVES",
            told={"register_no": None, "register_year": None},
        )


def is_missing(state: InState, document: IncomingDocument) -> bool:
    """Whether it was taken in without a number: the document system of mode A may bring one later."""
    return document.register_no is None and state in _TAKEN_IN


async def give(
    desk: InDesk,
    work: Work,
    agency: HostedAgency,
    document: IncomingDocument,
    facts: Sequence[Fact],
    given: Given,
) -> IncomingDocument:
    """Goes out in a second 03 with the time at which it was given; the state does not move. The words name the number for
    systems that do not read Terms, and keep this 03 from having the body of the first (A4)."""
    entry = given.entry
    fact = Fact(
        track=Track.BUSINESS,
        code="03",
        at=desk.clock.now(),
        stated_at=given.at,
        note=given.note,
        staff=given.staff,
        register_no=entry.number,
        register_year=entry.year,
    )
    await work.facts.add(document.id, fact)
    numbered = replace(document, register_no=entry.number, register_year=entry.year)
    document = await settle.stand(work, numbered, [*facts, fact])
    if document.source is Source.AXIS:
        words = labels.say("status.registered", "vi", number=entry.number, year=entry.year)
        await acknowledge.put(
            desk,
            work,
            agency,
            acknowledge.of_document(document),
            "03",
            description=f"{words}. {given.note}" if given.note else words,
            staff=given.staff,
            stated_at=given.at,
            terms=terms(document),
        )
    return document


def terms(document: IncomingDocument) -> Terms | None:
    """What a 03 says of the number (W6a)."""
    if document.register_no is None or document.register_year is None:
        return None
    return Terms(register_no=document.register_no, register_year=document.register_year)
