"""Whoever follows the documents of this store: what one unit of work changed, told to a follower that writes what hangs
on it in the same transaction. In: nothing but the promise; the office brings a follower, and without it nobody follows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.domain.document import Delivery, IncomingDocument, OutgoingDocument
from gateway.domain.status import Fact
from gateway.store.transaction import Transaction


class Follower:
    """Of one unit of work and one agency. This one follows nothing."""

    def out_changed(self, document: OutgoingDocument, *, new: bool = False) -> None: ...

    def out_read(self, document: OutgoingDocument) -> None:
        """As it is stored, and stays until this unit ends: nobody has to read it again."""

    def in_changed(self, document: IncomingDocument, *, new: bool = False) -> None: ...

    def touch_out(self, id: str) -> None:
        """Something of it changed that is not in its body, such as its recipients."""

    def touch_in(self, id: str) -> None: ...

    def touch_delivery(self, id: str) -> None: ...

    def delivered_to(self, document_id: str, deliveries: Sequence[Delivery]) -> None:
        """Deliveries of it that were not there before."""

    def fact_added(self, subject_id: str, fact: Fact) -> None: ...

    def handed(self, incoming_id: str, state: str | None) -> None:
        """In which state its hand-over is now; None where it has none any more."""

    async def write(self) -> None:
        """Just before the unit commits."""


Follows = Callable[[Transaction, str], Follower]
"""Of a unit of work for that agency."""
NOBODY = Follower()


def nobody(tx: Transaction, agency_id: str) -> Follower:
    return NOBODY
