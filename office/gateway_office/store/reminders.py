"""Reminders of one agency, or of the operators, that are being sent or were sent. In: keys, one for each reminder; moments;
an open transaction. Out: claims, one at a time for each reminder. A claim is a lease under which a mail is sent: one
that is neither confirmed nor released when it ends may be claimed again, and its mail keeps its id."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, delete, select, update
from sqlmodel import col

from gateway.domain.account import AgencyScope
from gateway.store.events import NODE
from gateway.store.repository import in_parts
from gateway.store.row import Moment, among
from gateway.store.tables_office import NodeReminderRow, ReminderRow
from gateway.store.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Claim of one reminder. `mail` is the id of the mail that it goes in; `is_first`: it was never claimed before."""

    key: str
    mail: str
    is_first: bool


class _Statements:
    """Statements over one of the two tables; reminders of operators belong to no agency."""

    def __init__(self, row: type[ReminderRow] | type[NodeReminderRow]) -> None:
        own = [col(ReminderRow.agency_id) == bindparam("agency")] if row is ReminderRow else []
        this_reminder = [*own, col(row.key) == bindparam("at_key")]
        moment = bindparam("over", type_=Moment)
        until = bindparam("until", type_=Moment)
        self.claimed = select(col(row.key)).where(
            *own,
            among(col(row.key), "keys"),
            col(row.leased_until).is_(None) | (col(row.leased_until) > moment),
        )
        self.claim_again = (
            update(row).where(*this_reminder, col(row.leased_until) <= moment).values(leased_until=until)
        )
        self.planned = select(col(row.key)).where(
            *own,
            col(row.key) >= bindparam("first"),
            col(row.key) < bindparam("behind"),
            col(row.leased_until) <= moment,
        )
        self.mail = select(col(row.mail)).where(*this_reminder)
        self.confirm = update(row).where(*this_reminder).values(leased_until=None)
        self.release = (
            update(row).where(*this_reminder, col(row.leased_until) == moment).values(leased_until=until)
        )
        self.forget = delete(row).where(*own, col(row.at) < moment)


# Made once: making a statement takes longer than running it.
_OF_AGENCY, _OF_NODE = _Statements(ReminderRow), _Statements(NodeReminderRow)


class SqlReminders:
    """Reminders of one agency; those of the operators where it is the node."""

    def __init__(self, tx: Transaction, scope: AgencyScope) -> None:
        self._tx = tx
        self._agency_id = scope.agency_id
        self._own = {} if self._agency_id == NODE else {"agency": self._agency_id}
        self._statements = _OF_NODE if self._agency_id == NODE else _OF_AGENCY

    async def first_time(self, key: str, at: datetime) -> bool:
        """Record a reminder in the caller's transaction itself; return False when it was recorded before."""
        return await self._insert(key, at, None, None)

    async def plan(self, key: str, at: datetime) -> None:
        """Record a reminder that is to be sent, in the caller's transaction: from then on it may be claimed."""
        await self._insert(key, at, None, at)

    async def planned(self, prefix: str, at: datetime) -> Sequence[str]:
        """List the keys with this beginning that may be claimed then."""
        span = {"first": prefix, "behind": f"{prefix}\uffff"}
        return [
            key for (key,) in await self._tx.tuples(self._statements.planned, **self._own, **span, over=at)
        ]

    async def claim(self, key: str, mail: str, at: datetime, until: datetime) -> Claim | None:
        """Claim a reminder until then, to be sent in the mail of this id, or in that of its first claim. None when it was
        sent, or another process is sending it."""
        if await self._insert(key, at, mail, until):
            return Claim(key=key, mail=mail, is_first=True)
        if not await self._tx.change(
            self._statements.claim_again, **self._own, at_key=key, over=at, until=until
        ):
            return None
        ((first_mail,),) = await self._tx.tuples(self._statements.mail, **self._own, at_key=key)
        return Claim(key=key, mail=first_mail or mail, is_first=False)

    async def unclaimed(self, keys: Sequence[str], at: datetime) -> Sequence[str]:
        """Return the keys that may be claimed then."""
        claimed: set[str] = set()
        for part in in_parts(keys):
            rows = await self._tx.tuples(self._statements.claimed, **self._own, keys=part, over=at)
            claimed |= {key for (key,) in rows}
        return [key for key in keys if key not in claimed]

    async def confirm(self, keys: Iterable[str]) -> None:
        """Note that these were sent, or never will be; by whom does not matter."""
        for key in keys:
            await self._tx.change(self._statements.confirm, **self._own, at_key=key)

    async def release(self, keys: Iterable[str], lease: datetime, at: datetime) -> None:
        """End that lease of reminders that were not sent, so that they may be claimed again."""
        for key in keys:
            await self._tx.change(self._statements.release, **self._own, at_key=key, over=lease, until=at)

    async def forget(self, cutoff: datetime) -> None:
        """Delete reminders that were claimed before that time."""
        await self._tx.change(self._statements.forget, **self._own, over=cutoff)

    async def _insert(self, key: str, at: datetime, mail: str | None, until: datetime | None) -> bool:
        if self._agency_id == NODE:
            row = NodeReminderRow(key=key, at=at, mail=mail, leased_until=until)
            return await self._tx.insert_new(row)
        row_of_agency = ReminderRow(agency_id=self._agency_id, key=key, at=at, mail=mail, leased_until=until)
        return await self._tx.insert_new(row_of_agency)
