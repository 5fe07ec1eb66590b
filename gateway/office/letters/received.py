"""What the pages do with incoming documents beyond the steps of the flow. Many at once: of documents that a clerk chose
from a list, which may be taken in without being opened one by one, the numbers that they would get, and those marked read
or offered once more to the document system; each is an act of its own, and one that fails stops no other. And a document
that was taken in is submitted to a leader, who gives an opinion, as a rule by giving it to units: the submission as it
stands, with an event; open ones are tasks. Whoever gives instructions for the agency may answer, named or not: a leader who
is away holds up nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gateway.document_view.checks import ALWAYS, Grade, arrival_words, doubt_in, grade_of
from gateway.domain.account import AgencyScope, NumberingMode
from gateway.domain.document import WORKED_ON, IncomingDocument, InState, Kind
from gateway.domain.event import EventKind
from gateway.domain.signatures import SignatureWord
from gateway.domain.wall_clock import local
from gateway.errors import Clash
from gateway.incoming.register import BOOK
from gateway.office.desks import OfficeIn
from gateway.office.domain.task import Submission, SubmissionState

GONE = frozenset({InState.REJECTED, InState.RECALLED, InState.SEALED})


def doubt(document: IncomingDocument) -> str | None:
    """Why a person has to look at it before it is taken in; None when everything passed (interfaces.md 2.5). What is on
    hold, and a request of its sender, is always looked at."""
    if document.state is not InState.NEW or not document.kind.is_whole:
        return "state"
    found, lead = arrival_words(document), document.lead
    if key := next((each for each in ALWAYS if grade_of(each, found.get(each, "")) is not Grade.GOOD), None):
        return key
    if grade_of("pdf", found.get("pdf", SignatureWord.VALID)) is not Grade.GOOD:
        return "pdf_signature"
    if document.pages is not None and (lead is None or lead.pages != document.pages):
        return "pages"
    return doubt_in(found, document.marks) or None


async def next_numbers(desk: OfficeIn, scope: AgencyScope, count: int) -> Sequence[int]:
    """The numbers that the next so many would get in mode B, for a preview: none is taken. Empty in the other modes."""
    async with desk.store.begin(scope) as work:
        agency = await work.agency()
        if agency.numbering is not NumberingMode.B or count < 1:
            return ()
        # Left without a commit, the counter stays where it was.
        first = await work.register.next_number(BOOK, local(desk.clock.now()).year)
    return tuple(range(first, first + count))


async def mark_read(desk: OfficeIn, scope: AgencyScope, ids: Sequence[str]) -> int:
    """How many were unread."""
    async with desk.store.begin(scope) as work:
        changed = await work.office.lists.mark_read(ids)
        await work.commit()
    return changed


async def offer_again(desk: OfficeIn, scope: AgencyScope, incoming_id: str) -> bool:
    """The document system may take it once more, as if it had never had it; False when it waits for it already. Clash for
    what no document system gets."""
    async with desk.store.begin(scope) as work:
        document = await work.incoming.get(incoming_id)
        if document.state in GONE or document.kind is Kind.RECALL:
            raise Clash(f"{incoming_id} is {document.state}: no document system gets it", code="GW-STATUS")
        had = await work.handovers.withdraw(incoming_id)
        await work.handovers.offer(incoming_id)
        await work.systems.offer_again(incoming_id)
        if had:
            await work.events.append(EventKind.INBOX_OFFERED, incoming_id, desk.clock.now())
        await work.commit()
    desk.wake()
    return had


LONGEST = 2000
"""Of the clerk's note, and of the opinion."""


async def submit(
    desk: OfficeIn, scope: AgencyScope, incoming_id: str, leader: str, note: str = ""
) -> Submission:
    """`leader` is a person of the agency, by id. Clash where it is not worked on, or waits for an opinion already."""
    now = desk.clock.now()
    async with desk.store.begin(scope) as work:
        document = await work.incoming.get(incoming_id)
        known = (await work.office.submissions.of([document.id]))[document.id]
        is_asked = any(each.state is SubmissionState.ASKED for each in known)
        if document.target_id is not None or document.state not in WORKED_ON or is_asked:
            raise Clash(f"{incoming_id} cannot be submitted as it stands", code="GW-SUBMIT")
        made = Submission(
            id=desk.clock.new_id("sub_"),
            document_id=document.id,
            leader=leader,
            note=note.strip()[:LONGEST],
            asked_by=scope.principal_id,
            asked_at=now,
        )
        await work.office.submissions.add(made)
        told = {"submission": made.id, "leader": leader, **({"note": made.note} if made.note else {})}
        await work.events.append(EventKind.INBOX_SUBMITTED, document.id, now, told)
        await work.commit()
    desk.wake()
    return made


async def decide(desk: OfficeIn, scope: AgencyScope, incoming_id: str, opinion: str) -> Submission | None:
    """The leader's opinion on what waits for one; None where nothing does. Clash without words."""
    words = opinion.strip()[:LONGEST]
    now = desk.clock.now()
    async with desk.store.begin(scope) as work:
        known = (await work.office.submissions.of([incoming_id]))[incoming_id]
        asked = next((each for each in known if each.state is SubmissionState.ASKED), None)
        if asked is None:
            return None
        if not words:
            raise Clash("an opinion needs words", code="GW-OPINION")
        decided = replace(
            asked,
            state=SubmissionState.DECIDED,
            decided_by=scope.principal_id,
            decided_at=now,
            opinion=words,
        )
        await work.office.submissions.close(decided)
        told = {"submission": decided.id, "opinion": words}
        await work.events.append(EventKind.INBOX_OPINION, incoming_id, now, told)
        await work.commit()
    desk.wake()
    return decided
