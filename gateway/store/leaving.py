"""What an agency that leaves the node would leave undone. In: a transaction and the agency. Out: counts by kind, empty
when it may go. Read-only."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import ColumnElement, func, select
from sqlmodel import col

from gateway.domain.document import InState
from gateway.domain.hold import OPEN
from gateway.store import jobs
from gateway.store.hold_tables import HoldRow
from gateway.store.outbox import WAITING
from gateway.store.tables import DeliveryRow, InboxRow, IncomingRow, JobRow, OutboxRow
from gateway.store.transaction import Transaction

# Not yet with the axis, or asked of a recipient and not answered.
_OPEN_DELIVERIES = ("queued", "sending", "recall_asked", "take_back_asked", "update_asked")
# Not yet judged, or waiting for a person.
_OPEN_PACKETS = ("landed", "waiting", "held", "quarantined", "malformed")
# A question about signatures that is asked again later binds nobody.
_NO_WORK = "signatures"
_UNDECIDED = (InState.NEW.value, InState.HELD.value)


async def open_work(tx: Transaction, agency_id: str) -> Mapping[str, int]:
    """`deliveries`, `packets`, `documents` (no clerk has decided), `answers` (still to be sent), `jobs`, `holds` (not
    decided, or not brought to their end); only those there are."""
    parts: Mapping[str, tuple[type, ColumnElement[bool]]] = {
        "deliveries": (DeliveryRow, col(DeliveryRow.state).in_(_OPEN_DELIVERIES)),
        "packets": (InboxRow, col(InboxRow.state).in_(_OPEN_PACKETS)),
        "documents": (IncomingRow, col(IncomingRow.state).in_(_UNDECIDED)),
        "answers": (OutboxRow, col(OutboxRow.state) == WAITING),
        "jobs": (JobRow, (col(JobRow.kind) != _NO_WORK) & jobs.is_open()),
        "holds": (HoldRow, col(HoldRow.state).in_(OPEN) | col(HoldRow.is_settled).is_(False)),
    }
    found: dict[str, int] = {}
    for name, (table, is_open) in parts.items():
        owner: ColumnElement[bool] = table.agency_id == agency_id  # type: ignore[attr-defined]  # every tenant table has it
        counted = await tx.tuples(select(func.count()).select_from(table).where(owner, is_open))
        if counted[0][0]:
            found[name] = counted[0][0]
    return found
