"""Acts of the pages on incoming documents beyond the steps of the flow. Many at once: of documents that a clerk chose from
a list, the ones to take in without opening each, their next numbers, and marking read or offering again to the document
system; each is an act of its own, and a failing one stops no other. And a document that was taken in is submitted to a
leader, who gives an opinion, as a rule by assigning it to units: the submission is stored, with an event; open ones are
tasks. Any person who instructs for the agency may answer, named or not: an absent leader holds up no document."""

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
from gateway_office.domain.task import Submission, SubmissionState
from gateway_office.services import OfficeIncomingServices
from gateway_office.store.store import OfficeWork

ENDED_STATES = frozenset({InState.REJECTED, InState.RECALLED, InState.SEALED})
LONGEST = 2000
"""Most letters of the clerk's note, and of the opinion."""


def doubt(document: IncomingDocument) -> str | None:
    """Return why a person has to look before it is taken in; None when all checks passed. A held
    document, and a request of its sender, always needs a look."""
    if document.state is not InState.NEW or not document.kind.is_whole:
        return "state"
    verdicts, lead = arrival_words(document), document.lead
    if key := next(
        (check for check in ALWAYS if grade_of(check, verdicts.get(check, "")) is not Grade.GOOD), None
    ):
        return key
    if grade_of("pdf", verdicts.get("pdf", SignatureWord.VALID)) is not Grade.GOOD:
        return "pdf_signature"
    if document.pages is not None and (lead is None or lead.pages != document.pages):
        return "pages"
    return doubt_in(verdicts, document.marks) or None


async def next_numbers(services: OfficeIncomingServices, scope: AgencyScope, count: int) -> Sequence[int]:
    """Preview the next numbers in mode B: none is taken. Empty in the other modes."""
    async with services.store.begin(scope) as work:
        agency = await work.agency()
        if agency.numbering is not NumberingMode.B or count < 1:
            return ()
        # Left without a commit, the counter stays where it was.
        first = await work.register.next_number(BOOK, local(services.clock.now()).year)
    return tuple(range(first, first + count))


async def mark_read(services: OfficeIncomingServices, scope: AgencyScope, ids: Sequence[str]) -> int:
    """Mark documents read and return how many were unread."""
    async with services.store.changing(scope) as work:
        return await work.office.lists.mark_read(ids)


async def repeat_offer(services: OfficeIncomingServices, scope: AgencyScope, incoming_id: str) -> bool:
    """Offer it to the document system again, as if it had never had it; False when it waits for it already. Raise Clash for
    a document that no document system gets."""
    async with services.store.changing(scope) as work:
        document = await work.incoming.get(incoming_id)
        if document.state in ENDED_STATES or document.kind is Kind.RECALL:
            raise Clash(f"{incoming_id} is {document.state}: no document system gets it", code="GW-STATUS")
        was_offered = await work.handovers.withdraw(incoming_id)
        await work.handovers.offer(incoming_id)
        await work.systems.reoffer(incoming_id)
        if was_offered:
            await work.events.append(EventKind.INBOX_OFFERED, incoming_id, services.clock.now())
    services.wake()
    return was_offered


async def submit(
    services: OfficeIncomingServices, scope: AgencyScope, incoming_id: str, leader: str, note: str = ""
) -> Submission:
    """Submit to `leader`, a person of the agency, by id. Raise Clash where it is not worked on, or waits for an opinion
    already."""
    async with services.store.changing(scope) as work:
        submission = await submit_in(services, work, incoming_id, leader, note)
    services.wake()
    return submission


async def submit_in(
    services: OfficeIncomingServices, work: OfficeWork, incoming_id: str, leader: str, note: str = ""
) -> Submission:
    """Do the same as `submit` in the caller's unit of work, who commits it and then wakes."""
    document, now = await work.incoming.get(incoming_id), services.clock.now()
    submissions = (await work.office.submissions.of_documents([document.id]))[document.id]
    is_asked = any(s.state is SubmissionState.OPEN for s in submissions)
    if document.target_id is not None or document.state not in WORKED_ON or is_asked:
        raise Clash(f"{incoming_id} cannot be submitted as it stands", code="GW-SUBMIT")
    submission = Submission(
        id=services.clock.new_id("sub_"),
        document_id=document.id,
        leader=leader,
        note=note.strip()[:LONGEST],
        asked_by=work.scope.principal_id,
        asked_at=now,
    )
    await work.office.submissions.add(submission)
    details = {
        "submission": submission.id,
        "leader": leader,
        **({"note": submission.note} if submission.note else {}),
    }
    await work.events.append(EventKind.INBOX_SUBMITTED, document.id, now, details)
    return submission


async def decide(
    services: OfficeIncomingServices, scope: AgencyScope, incoming_id: str, opinion: str
) -> Submission | None:
    """Record the opinion on the open submission; None where there is none. Raise Clash without words."""
    async with services.store.begin(scope) as work:
        decided = await decide_in(services, work, incoming_id, opinion)
        if decided is None:
            return None
        await work.commit()
    services.wake()
    return decided


async def decide_in(
    services: OfficeIncomingServices, work: OfficeWork, incoming_id: str, opinion: str
) -> Submission | None:
    """Do the same as `decide` in the caller's unit of work, who commits it and then wakes."""
    words, now = opinion.strip()[:LONGEST], services.clock.now()
    submissions = (await work.office.submissions.of_documents([incoming_id]))[incoming_id]
    open_submission = next((s for s in submissions if s.state is SubmissionState.OPEN), None)
    if open_submission is None:
        return None
    if not words:
        raise Clash("an opinion needs words", code="GW-OPINION")
    decided = replace(
        open_submission,
        state=SubmissionState.DECIDED,
        decided_by=work.scope.principal_id,
        decided_at=now,
        opinion=words,
    )
    await work.office.submissions.close(decided)
    details = {"submission": decided.id, "opinion": words}
    await work.events.append(EventKind.INBOX_OPINION, incoming_id, now, details)
    return decided
