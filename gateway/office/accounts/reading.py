"""Writes down who read what (rules 9 and 13). In: who acts, a document, and which of its files. Out: an event of the agency
about the document, durable before the content is shown."""

from __future__ import annotations

from gateway.domain.event import EventKind
from gateway.errors import Denied
from gateway.office.accounts.acting import Acting, behalf
from gateway.office.accounts.desk import AccountDesk
from gateway.office.domain.right import Manner, Right

_READS = (Manner.YES, Manner.OWN, Manner.ORDER)
_LONGEST = 200


async def read(
    desk: AccountDesk,
    acting: Acting,
    document_id: str,
    *,
    file: str = "",
    order: str = "",
    assigned: bool = False,
) -> None:
    """Before content is given out. `assigned` says that the document belongs to the person's unit or is the person's own;
    whoever looks by order names its number. Denied for everybody who may see metadata alone."""
    where = acting.session.agency_id
    if where is None:
        raise Denied("choose the agency first whose document it is", code="GW-RIGHT")
    granted = acting.require(Right.SEE_CONTENT, *_READS)
    if granted.manner is Manner.OWN and not assigned:
        raise Denied("this document is not one of this person or unit", code="GW-RIGHT")
    if granted.manner is Manner.ORDER and not order.strip():
        raise Denied("content is seen by order alone; give the number of the order", code="GW-ORDER")
    told = {
        "session": acting.session.id,
        "role": granted.role.value,
        # A name may say what the document is about: it stands outside the sealed leaf, as texts do.
        "file": file[:_LONGEST],
        "order": " ".join(order.split())[:_LONGEST],
        **behalf(granted),
    }
    async with desk.accounts.begin(acting.person.id) as work:
        now = desk.clock.now()
        await work.tell_agency(where, EventKind.DOCUMENT_READ, document_id, now, told)
        await work.commit()
