"""Knows whether this database came out of a backup that nobody has confirmed yet. In: the node's own events, which are the
one history, and the number of the newest seal that left the node. Out: the mark of a restore, or the refusal to work
before two people have looked at what an older copy brings back: numbers given since, certificates withdrawn since.

`gateway restore` leaves the mark among the rows. A database that was put back by its own tools has none: an operator
sets it, or the node does, when it finds a published seal that this database never made."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlmodel import col

from gateway import errors, log
from gateway.domain.account import AgencyScope, NumberingMode
from gateway.domain.event import Event, EventKind
from gateway.ports.services import Clock
from gateway.store import dump, reporting
from gateway.store.dump import DatabaseLoad, TableShape
from gateway.store.events import NODE
from gateway.store.row import to_json
from gateway.store.store import SqlStore
from gateway.store.tables import RegisterCounterRow

_log = logging.getLogger(__name__)
SUBJECT = "restore"
PRINCIPAL = "operator"
_SCOPE = AgencyScope(agency_id=NODE, principal_id=PRINCIPAL)
_MARK = TableShape(
    name="event",
    columns=(
        *((name, "text") for name in ("agency_id", "id", "kind")),
        ("at", "moment"),
        *((name, "text") for name in ("subject_id", "principal_id", "data")),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreMark:
    """One restore, as an event tells it."""

    id: str
    at: datetime
    copied_at: datetime
    node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """The last arrival number that the node's own book of this year has given, as far as the copy knows."""

    agency_id: str
    code: str
    last: int


def mark(clock: Clock, copied_at: datetime, node: str) -> RestoreMark:
    return RestoreMark(id=clock.new_id("evt_"), at=clock.now(), copied_at=copied_at, node=node)


async def put(load: DatabaseLoad, made: RestoreMark) -> None:
    """The mark among the rows, in the transaction that restores them: there is no moment without it."""
    data = to_json(dict[str, str], {"copied_at": made.copied_at.isoformat(), "node": made.node})
    row = (NODE, made.id, EventKind.NODE_RESTORED.value, made.at, SUBJECT, PRINCIPAL, data)
    await load.put(_MARK, [dump.line_of(row)])


async def mark_here(store: SqlStore, clock: Clock, node: str) -> None:
    """The mark on a database that was put back by its own tools; its copy was made when it was last written."""
    copied_at = await reporting.last_written(store) or clock.now()
    async with store.begin(_SCOPE) as work:
        data = {"copied_at": copied_at.isoformat(), "node": node}
        await work.events.append(EventKind.NODE_RESTORED, SUBJECT, clock.now(), data)
        await work.commit()


async def mark_if_behind(store: SqlStore, clock: Clock, node: str, published: int) -> None:
    """The mark, where seals up to number `published` left the node and this database never made the last of them. A seal
    is published after it was kept, so only an older copy is behind. What was confirmed once is not asked again."""
    head = await store.log.head()
    made = head.seal.signed.seal.number if head.seal is not None else 0
    if published <= made:
        return
    async with store.read(_SCOPE) as work:
        history = await work.events.of(SUBJECT)
    is_waiting = bool(history) and history[-1].kind is EventKind.NODE_RESTORED
    if not is_waiting and all(published > event.data.get("published", 0) for event in history):
        log.action(_log, "node.older_copy", published=published, made=made)
        await mark_here(store, clock, node)


async def waiting(store: SqlStore) -> Event | None:
    """The restore that waits to be confirmed."""
    async with store.read(_SCOPE) as work:
        told = await work.events.of(SUBJECT)
    return told[-1] if told and told[-1].kind is EventKind.NODE_RESTORED else None


async def refuse_unconfirmed(store: SqlStore) -> None:
    """Misconfigured while a restore waits."""
    found = await waiting(store)
    if found is not None:
        raise errors.Misconfigured(
            f"this node was restored from a backup of {found.data.get('copied_at')} and nobody has confirmed it",
            code="GW-C-002",
            hint="see what to check, then confirm it, with: gateway restored",
        )


async def counters(store: SqlStore, book: str, year: int) -> Sequence[Counter]:
    """One for each agency whose arrival numbers the node gives itself."""
    agencies = [each for each in await store.hosted() if each.numbering is NumberingMode.B]
    async with store.reading() as tx:
        this = (col(RegisterCounterRow.book) == book, col(RegisterCounterRow.year) == year)
        rows = await tx.rows(RegisterCounterRow, select(RegisterCounterRow).where(*this))
    last = {row.agency_id: row.last for row in rows}
    return [Counter(agency_id=each.id, code=each.code, last=last.get(each.id, 0)) for each in agencies]


async def confirm(
    store: SqlStore,
    clock: Clock,
    book: str,
    year: int,
    last: Mapping[str, int],
    people: tuple[str, str],
    published: int = 0,
) -> None:
    """The node may work again; its books go on behind the numbers given by agency id. `published` is the newest seal that
    left the node before. Clash when no restore waits."""
    if await waiting(store) is None:
        raise errors.Clash("no restore waits to be confirmed")
    async with store.writing() as tx:
        for agency_id, number in last.items():
            row = RegisterCounterRow(agency_id=agency_id, book=book, year=year, last=number)
            if not await tx.put_new(row):
                this = (col(RegisterCounterRow.agency_id) == agency_id, col(RegisterCounterRow.book) == book)
                changed = update(RegisterCounterRow).where(*this, col(RegisterCounterRow.year) == year)
                await tx.change(changed.values(last=number))
        await tx.commit()
    confirmed_by, approved_by = people
    # Behind the numbers: dying between the two leaves the node waiting, and confirming again changes nothing.
    async with store.begin(_SCOPE) as work:
        data = {"confirmed_by": confirmed_by, "approved_by": approved_by, "published": published}
        await work.events.append(EventKind.NODE_CONFIRMED, SUBJECT, clock.now(), data)
        await work.commit()
