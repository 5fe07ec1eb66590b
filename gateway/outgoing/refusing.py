"""Refuses acts on a document that its state does not allow, by the one table (`domain.outgoing_acts`). In: the document
with its deliveries, or its id in a unit of work. Out: nothing, or Clash with the reason, the same for pages, API and
commands."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from gateway.domain.document import Delivery, OutgoingDocument
from gateway.domain.outgoing_acts import Act, Standing, objection, standing_of
from gateway.domain.states import State
from gateway.errors import Clash

if TYPE_CHECKING:
    from gateway.store.work import SqlWork

_SENTENCES = {
    "sealed": ("its content cannot be read: it is sealed", "GW-UNREADABLE"),
    State.CANCELLED: ("it is cancelled already; nothing of it can leave any more", None),
    "not_sent": ("it has not been sent, and has no envelope yet that could be sent again", None),
    "part": ("it is part of another document; send the document that it changes", None),
    "recall_open": ("a recall of it waits for its answer", "GW-RECALL-OPEN"),
    "recalled": ("its recipients have given it back; send a new document", "GW-RECALLED"),
    "on_axis": ("it has already been handed to the axis; recall it instead", "GW-ALREADY-SENT"),
}
_ON_PAPER = "it goes on paper and never over the axis; print it again"


def require(document: OutgoingDocument, deliveries: Iterable[Delivery], act: Act) -> None:
    """Raise Clash where the document's state does not allow the act."""
    standing = standing_of(document, {delivery.state for delivery in deliveries})
    if why := objection(standing, act):
        sentence, code = _SENTENCES[why]
        sentence = _ON_PAPER if standing is Standing.PAPER else sentence
        raise Clash(f"{document.id} is {standing}: {sentence}", code=code)


async def require_by_id(work: SqlWork, id: str, act: Act) -> OutgoingDocument:
    """Load the document, and raise Clash where its state does not allow the act."""
    document = await work.outgoing.get(id)
    require(document, await work.deliveries.of_document(id), act)
    return document
