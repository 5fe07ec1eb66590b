"""Letters that introduce a seal and signatures, R23 (certificates): each is a duty of whoever may register them, until the
registration of its sender's was proposed, or a person put the letter aside. In: an agency's scope; a letter, and why it is
put aside. Out: the letters that wait, the newest first; the person's note."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.deciding import DecisionServices
from gateway.domain.account import AgencyScope
from gateway.domain.document import IncomingDocument, InState
from gateway.domain.person import ProposalState
from gateway.errors import NotFound
from gateway.policy.numbering import INTRODUCTION, type_key_of
from gateway.words import labels
from gateway_office import todo
from gateway_office.domain.listing import Filter, Side
from gateway_office.services import TodoServices

_MOST, _MOST_PROPOSALS = 50, 200
_ENDED = frozenset({InState.REJECTED, InState.RECALLED, InState.REPLACED, InState.SEALED})
_PENDING = (ProposalState.OPEN, ProposalState.APPROVED)


def is_introduction(document: IncomingDocument) -> bool:
    return type_key_of(document.type_name or "") == INTRODUCTION and document.state not in _ENDED


async def list_waiting(
    services: TodoServices, deciding: DecisionServices, scope: AgencyScope
) -> Sequence[IncomingDocument]:
    """List the letters since whose arrival nothing was proposed for their sender, and which no person put aside."""
    criteria = Filter(side=Side.IN, type_name=labels.say(f"type.{INTRODUCTION}", "vi"))
    async with services.store.read(scope) as work:
        page = await work.office.lists.page(criteria, limit=_MOST)
        notes = await work.office.tasks.notes([_task(line.id) for line in page.lines])
        waiting = [line.id for line in page.lines if _task(line.id) not in notes]
        letters = [letter for id in waiting if is_introduction(letter := await work.incoming.get(id))]
    if not letters:
        return ()
    async with deciding.decisions.read() as view:
        proposals = await view.proposals.list_in_states(_PENDING, _MOST_PROPOSALS)
    proposed_seals = [
        (change.code, proposal.proposed_at) for proposal in proposals for change in proposal.content.seals
    ]
    return [
        letter
        for letter in letters
        if not any(code == letter.sender_code and letter.arrived_at <= at for code, at in proposed_seals)
    ]


async def put_aside(
    services: TodoServices, deciding: DecisionServices, scope: AgencyScope, id: str, why: str
) -> None:
    """Record that nothing is to be registered from the letter."""
    waiting = await list_waiting(services, deciding, scope)
    letter = next((letter for letter in waiting if letter.id == id), None)
    if letter is None:
        raise NotFound("there is no such letter that waits for the registration of a seal")
    now = services.clock.now()
    await todo.save_note(services, scope, _task(letter.id), letter.id, "settled", closed_at=now, note=why)


def _task(id: str) -> str:
    return f"introduction:{id}"
