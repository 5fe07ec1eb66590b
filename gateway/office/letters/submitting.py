"""A clerk submits a document that was taken in to a leader, who gives an opinion, as a rule by giving the document
to units. In: an agency's scope, the document, the leader, words. Out: the submission as it stands, with an event; open
ones are tasks. Only the agency learns of it. Whoever gives instructions for the agency may answer, named or not: a
leader who is away holds up nothing."""

from __future__ import annotations

from dataclasses import replace

from gateway.domain.account import AgencyScope
from gateway.domain.document import InState
from gateway.domain.event import EventKind
from gateway.errors import Clash
from gateway.office.desks import OfficeIn
from gateway.office.domain.task import Submission, SubmissionState

LONGEST = 2000
"""Of the clerk's note, and of the opinion."""
WORKED_ON = (InState.ACCEPTED, InState.ASSIGNED, InState.PROCESSING)


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
