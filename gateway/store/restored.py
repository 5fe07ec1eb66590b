"""Confirmation of a database that was restored from a backup. In: the node's own events, and the number of the newest seal
that was published outside the node. Out: the mark of a restore (an event), or the refusal to work before two people have
checked what the older copy has lost: numbers given since, certificates withdrawn since.

`gateway restore` writes the mark among the rows. A database that was put back by its own tools has none: an operator
writes it, or the node does, when it finds a published seal that this database never made."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import select

from gateway import errors, log
from gateway.domain.account import AgencyScope, NumberingMode
from gateway.domain.event import Event, EventKind
from gateway.domain.wall_clock import local
from gateway.ports.services import Clock
from gateway.store.events import NODE
from gateway.store.row import equal, to_json
from gateway.store.store import SqlStore
from gateway.store.tables import RegisterCounterRow

if TYPE_CHECKING:
    from gateway.store.dump import DatabaseLoad

_log = logging.getLogger(__name__)
SUBJECT = "restore"
PRINCIPAL = "operator"
_SCOPE = AgencyScope(agency_id=NODE, principal_id=PRINCIPAL)
_MARK_COLUMNS = (
    *((name, "text") for name in ("agency_id", "id", "kind")),
    ("at", "moment"),
    *((name, "text") for name in ("subject_id", "principal_id", "data")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreMark:
    """One restore, as its event records it."""

    id: str
    at: datetime
    copied_at: datetime
    node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """Last arrival number of the agency's book of this year, as the restored copy has it."""

    agency_id: str
    code: str
    last: int


def mark(clock: Clock, copied_at: datetime, node: str) -> RestoreMark:
    return RestoreMark(id=clock.new_id("evt_"), at=clock.now(), copied_at=copied_at, node=node)


async def write_mark(load: DatabaseLoad, restore: RestoreMark) -> None:
    """Write the mark in the transaction that restores the rows, so that they never exist without it."""
    from gateway.store.dump import TableShape, line_of  # a node that starts restores nothing

    facts = to_json(dict[str, str], {"copied_at": restore.copied_at.isoformat(), "node": restore.node})
    row = (NODE, restore.id, EventKind.NODE_RESTORED.value, restore.at, SUBJECT, PRINCIPAL, facts)
    await load.insert(TableShape(name="event", columns=_MARK_COLUMNS), [line_of(row)])


async def mark_database(store: SqlStore, clock: Clock, node: str) -> None:
    """Mark a database that was put back by its own tools. The time of its last event counts as that of its copy."""
    from gateway.store import reporting

    copied_at = await reporting.last_written(store) or clock.now()
    async with store.changing(_SCOPE) as work:
        facts = {"copied_at": copied_at.isoformat(), "node": node}
        await work.events.append(EventKind.NODE_RESTORED, SUBJECT, clock.now(), facts)


async def mark_if_behind(store: SqlStore, clock: Clock, node: str, published: int) -> None:
    """Mark the database as restored when seals up to number `published` were published and it does not have the last. A
    seal is published after it is stored, so only an older copy can lack it. A confirmed restore is not marked again."""
    head = await store.log.head()
    newest = head.seal.signed.seal.number if head.seal is not None else 0
    if published <= newest:
        return
    async with store.read(_SCOPE) as work:
        history = await work.events.of_subject(SUBJECT)
    is_waiting = bool(history) and history[-1].kind is EventKind.NODE_RESTORED
    if not is_waiting and all(published > event.data.get("published", 0) for event in history):
        log.action(_log, "node.older_copy", published=published, made=newest)
        await mark_database(store, clock, node)


async def waiting(store: SqlStore) -> Event | None:
    """Return the event of the restore that waits to be confirmed, None when none does."""
    async with store.read(_SCOPE) as work:
        events = await work.events.of_subject(SUBJECT)
    return events[-1] if events and events[-1].kind is EventKind.NODE_RESTORED else None


def copied_at(mark: Event) -> datetime:
    """Return when the copy was made, by the clock of Viet Nam."""
    return local(datetime.fromisoformat(str(mark.data["copied_at"])))


async def refuse_unconfirmed(store: SqlStore) -> None:
    """Check that no restore waits to be confirmed; Misconfigured while one does."""
    event = await waiting(store)
    if event is not None:
        raise errors.Misconfigured(
            f"this node was restored from a backup of {copied_at(event):%d/%m/%Y %H:%M} and nobody has confirmed it",
            code="GW-C-002",
            hint="see what to check, then confirm it, with: gateway restored",
        )


async def counters(store: SqlStore, book: str, year: int) -> Sequence[Counter]:
    """Return the counter of the book and year for each agency whose arrival numbers the node assigns."""
    agencies = [a for a in await store.hosted() if a.numbering is NumberingMode.B]
    async with store.reading() as tx:
        of_book = select(RegisterCounterRow).where(equal(RegisterCounterRow, book=book, year=year))
        rows = await tx.rows(RegisterCounterRow, of_book)
    last = {row.agency_id: row.last for row in rows}
    return [Counter(agency_id=a.id, code=a.code, last=last.get(a.id, 0)) for a in agencies]


async def confirm(
    store: SqlStore,
    clock: Clock,
    book: str,
    year: int,
    last: Mapping[str, int],
    people: tuple[str, str],
    published: int = 0,
) -> None:
    """Confirm the restore, so that the node works again. `last` has the numbers by agency id after which the book goes on;
    `published` is the number of the newest published seal. Clash when no restore waits."""
    if await waiting(store) is None:
        raise errors.Clash("no restore waits to be confirmed")
    async with store.changing_rows() as tx:
        for agency_id, number in last.items():
            await tx.upsert(RegisterCounterRow(agency_id=agency_id, book=book, year=year, last=number))
    confirmed_by, approved_by = people
    # After the numbers are committed: a crash between the two leaves the node waiting, and confirming again is harmless.
    async with store.changing(_SCOPE) as work:
        facts = {"confirmed_by": confirmed_by, "approved_by": approved_by, "published": published}
        await work.events.append(EventKind.NODE_CONFIRMED, SUBJECT, clock.now(), facts)
