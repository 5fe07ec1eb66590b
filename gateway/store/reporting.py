"""Queries of operators about the node's database: how much waits, which packets need a person, whether the file is
undamaged. In: the store or a URL, and times. Out: one `Load`, from one consistent view; a bounded number of packets, or one
packet made due at once; one `DatabaseHealth`.

`examine` needs only a URL and changes nothing. It also finds work whose lease ran out long ago, and times that were written
while a clock was ahead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    case,
    false,
    func,
    inspect,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col

from gateway import errors
from gateway.domain.pace import SMALL, Horizon
from gateway.domain.queues import InboxPacket, OutboxItem
from gateway.domain.states import BUSINESS_STATES, IN_QUEUE, REQUESTED, State
from gateway.domain.status import NO_QUEUE
from gateway.store import inbox, jobs, leases, outbox
from gateway.store.engine import EngineRole, engine_for_task
from gateway.store.inbox import to_inbox_item
from gateway.store.row import Moment
from gateway.store.store import SqlStore
from gateway.store.tables import BlobRow, DeliveryRow, IdentityRow, InboxRow, JobRow, OutboxRow
from gateway.store.tables_node import EventRow, HostedAgencyRow
from gateway.store.tables_office import SEARCH_INDEX
from gateway.store.transaction import Transaction, driver_message

_NEWEST = 10_000
_LATEST = select(func.max(col(EventRow.at))).where(
    col(EventRow.position) > select(func.max(col(EventRow.position))).scalar_subquery() - _NEWEST
)
# Smaller tables are read as a whole anyway.
LARGE_BYTES = 1024**2
_UNANALYSED = text(
    "SELECT relname FROM pg_class WHERE relkind = 'r' AND reltuples < 0 AND pg_relation_size(oid) > :least"
    " AND relnamespace = current_schema()::regnamespace ORDER BY relname"
)
# States of deliveries that wait for the axis, the other node or its clerk's answer to a request; others are history.
OPEN_STATES = (*IN_QUEUE, State.SENT, State.FAILED, *sorted(REQUESTED))
# A recipient that has not answered for this long is late; between two healthy nodes status 01 takes seconds.
SILENCE = timedelta(minutes=30)
# Failures that are older are not counted, because a person has dealt with them by then.
LATELY = timedelta(days=7)
_STATE, _AT = col(DeliveryRow.state), col(DeliveryRow.updated_at)
DELIVERIES = select(_STATE, func.count()).where(_STATE.in_(OPEN_STATES)).group_by(_STATE)
_CUTOFF = bindparam("before", type_=Moment)
# Since when a job waits: a document that leaves later waits from that time on.
_DUE_AT = case(
    (and_(col(JobRow.attempts) == 0, col(JobRow.not_before).is_not(None)), col(JobRow.not_before)),
    else_=col(JobRow.created_at),
)
SILENT = select(func.count(), func.min(_AT)).where(_STATE == State.SENT, _AT < _CUTOFF)
# Sessions that block others, and sessions that lock a whole table. Reading the catalogues needs no lock.
_BLOCKERS = text(
    "SELECT a.pid, coalesce(a.usename, ''), a.application_name, a.xact_start FROM pg_stat_activity a"
    " WHERE a.pid <> pg_backend_pid() AND (a.pid IN (SELECT unnest(pg_blocking_pids(w.pid)) FROM pg_stat_activity w"
    " WHERE w.wait_event_type = 'Lock' AND w.datname = current_database()) OR a.pid IN (SELECT pid FROM pg_locks"
    " WHERE mode = 'AccessExclusiveLock' AND granted AND locktype = 'relation' AND database ="
    " (SELECT oid FROM pg_database WHERE datname = current_database())))"
    " AND coalesce(a.xact_start < now() - interval '5 s', true) ORDER BY a.xact_start"
)
# Outbox items that were tried and are not sent.
_TRIED = select(OutboxRow).where(
    col(OutboxRow.attempts) > 0, col(OutboxRow.state).in_((outbox.WAITING, outbox.FAILED))
)
PARKED_STATES = ("held", "waiting", "quarantined", "malformed")
_SQLITE_SIZE = text("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
_SERVER_SIZE = text("SELECT pg_database_size(current_database())")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pile:
    """Number of waiting rows of one sort, and since when the oldest waits."""

    count: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Rows that wait in the whole node: `outbox` by lane, `inbox` by state, `jobs` by kind, valid `leases` by table, open
    `deliveries` by state. `late` are deliveries that the axis has, whose recipient has not answered for `SILENCE`."""

    outbox: Mapping[str, Pile]
    outbox_failed: int
    inbox: Mapping[str, Pile]
    jobs: Mapping[str, Pile]
    unnumbered: int
    deliveries: Mapping[str, int]
    late: Pile
    leases: Mapping[str, int]


async def load(store: SqlStore, now: datetime) -> Load:
    """Count everything that waits in the node at this moment."""
    async with store.reading() as tx:
        ((silent, oldest),) = await tx.tuples(SILENT, before=now - SILENCE)
        return Load(
            outbox=await _piles(tx, col(OutboxRow.lane), col(OutboxRow.created_at), outbox.is_open()),
            outbox_failed=await _count(tx, col(OutboxRow.id), col(OutboxRow.state) == outbox.FAILED),
            inbox=await _piles(
                tx, col(InboxRow.state), col(InboxRow.received_at), leases.has_no_end(InboxRow)
            ),
            jobs={
                kind: replace(pile, oldest=min(pile.oldest or now, now))
                for kind, pile in (await _piles(tx, col(JobRow.kind), _DUE_AT, jobs.is_open())).items()
            },
            unnumbered=await _count(tx, col(EventRow.position), col(EventRow.node_seq).is_(None)),
            deliveries={str(name): int(number) for name, number in await tx.tuples(DELIVERIES)},
            late=Pile(count=silent, oldest=oldest),
            leases={
                str(table.__tablename__): await _count_leased(tx, table, is_open, now)
                for table, is_open in _leasable()
            },
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerMail:
    """Numbers of deliveries to one partner: not yet given to an axis, unanswered for too long, failed within a week."""

    waiting: int
    silent: int
    failed: int


async def under_way_to(
    store: SqlStore, agency_ids: Sequence[str], codes: Sequence[str], now: datetime
) -> PartnerMail:
    """Count the deliveries of these agencies to a partner's codes that wait, are silent, or failed lately."""
    state, at = col(DeliveryRow.state), col(DeliveryRow.updated_at)
    groups: dict[str, ColumnElement[bool]] = {
        "waiting": state.in_(IN_QUEUE),
        "silent": and_(state == State.SENT, at < now - SILENCE),
        "failed": and_(state == State.FAILED, at >= now - LATELY),
    }
    ours = (col(DeliveryRow.agency_id).in_(agency_ids), col(DeliveryRow.code).in_(codes))
    async with store.reading() as tx:
        return PartnerMail(
            **{
                name: await _count(tx, col(DeliveryRow.id), and_(condition, *ours))
                for name, condition in groups.items()
            }
        )


async def silent_codes(store: SqlStore, cutoff: datetime) -> Sequence[tuple[str, datetime]]:
    """Return the codes at which deliveries wait for their first answer since before that time, the longest silence first;
    not one that has answered another delivery of this node since then."""
    code, oldest = col(DeliveryRow.code), func.min(_AT)
    waiting = select(code, oldest).where(_STATE == State.SENT, _AT < _CUTOFF).group_by(code).order_by(oldest)
    answering = select(code).where(_STATE.in_(sorted(BUSINESS_STATES)), _AT >= _CUTOFF).distinct()
    async with store.reading() as tx:
        silent = await tx.tuples(waiting, before=cutoff)
        answered = {code for (code,) in await tx.tuples(answering, before=cutoff)} if silent else set()
    return [(code, since) for code, since in silent if code not in answered]


async def last_packet_times(
    store: SqlStore, agency_ids: Sequence[str], codes: Sequence[str]
) -> Mapping[str, datetime]:
    """Return the time of the newest packet of each kind that these agencies admitted from a partner's codes."""
    sender, at = col(IdentityRow.sender), col(IdentityRow.at)
    ours = (col(IdentityRow.agency_id).in_(agency_ids), sender.in_(codes))
    async with store.reading() as tx:
        return dict(
            await tx.tuples(
                select(col(IdentityRow.kind), func.max(at)).where(*ours).group_by(col(IdentityRow.kind))
            )
        )


async def check_answers(store: SqlStore) -> None:
    """Check that the database answers a query; StoreFailure when it does not."""
    async with store.reading() as tx:
        await tx.tuples(select(col(HostedAgencyRow.id)).limit(1))


async def without_queue(store: SqlStore) -> Pile:
    """Count the outbox items that wait because a recipient has no queue at the axis, with the oldest one's time."""
    waits = and_(outbox.is_open(), col(OutboxRow.last_error).startswith(f"{NO_QUEUE}:"))
    async with store.reading() as tx:
        ((count, oldest),) = await tx.tuples(
            select(func.count(col(OutboxRow.id)), func.min(col(OutboxRow.created_at))).where(waits)
        )
    return Pile(count=count, oldest=oldest)


async def blockers(store: SqlStore) -> Sequence[tuple[int, str, str, datetime | None]]:
    """Return the sessions of a server that have held up others for seconds: process, user, program, and since when."""
    if store.writer.dialect.name == "sqlite":
        return ()
    async with store.reading() as tx:
        return [(*row,) for row in await tx.tuples(_BLOCKERS)]


async def unanalysed(store: SqlStore) -> Sequence[str]:
    """Return the names of large tables of a server that were never analysed; none for a file."""
    if store.writer.dialect.name == "sqlite":
        return ()
    async with store.reading() as tx:
        return [name for (name,) in await tx.tuples(_UNANALYSED, least=LARGE_BYTES)]


async def analyse(url: str, tables: Sequence[str]) -> None:
    """Let the server count these tables of ours; it changes no row."""
    try:
        async with engine_for_task(url, EngineRole.WRITER) as engine, engine.begin() as connection:
            quote = connection.dialect.identifier_preparer.quote
            for table in tables:
                await connection.execute(text(f"ANALYZE {quote(table)}"))
    except SQLAlchemyError as cause:
        raise errors.StoreFailure(f"the tables were not analysed ({driver_message(cause)})") from cause


async def last_written(store: SqlStore) -> datetime | None:
    """Return the latest time among the newest events; None when there is no event."""
    async with store.reading() as tx:
        latest: datetime | None = await tx.scalar(_LATEST)
    return latest


async def check_writable(store: SqlStore) -> None:
    """Check that the database accepts changes, by an update of no row. StoreFailure when it does not, such as on a disk
    that was mounted read-only, or a server that became a standby."""
    async with store.writing() as tx:
        no_row = update(HostedAgencyRow).where(col(HostedAgencyRow.id) == "").values(body="")
        await tx.change(no_row)


def _leasable() -> Sequence[tuple[leases.AnyClaimable, ColumnElement[bool]]]:
    return ((JobRow, jobs.is_open()), (OutboxRow, outbox.is_open()), (InboxRow, inbox.is_open()))


async def _piles(tx: Transaction, by: Any, at: Any, condition: ColumnElement[bool]) -> dict[str, Pile]:
    # Any: what sqlmodel's columns are typed as differs between its releases
    rows = await tx.tuples(select(by, func.count(), func.min(at)).where(condition).group_by(by))
    return {str(name): Pile(count=number, oldest=oldest) for name, number, oldest in rows}


async def _count(tx: Transaction, id: Any, condition: ColumnElement[bool]) -> int:
    return int(await tx.scalar(select(func.count(id)).where(condition)))


async def _count_leased(
    tx: Transaction, table: leases.AnyClaimable, is_open: ColumnElement[bool], now: datetime
) -> int:
    is_leased = and_(is_open, col(table.lease_token).is_not(None), col(table.lease_until) > now)
    return await _count(tx, col(table.id), is_leased)


def _packets(agency_id: str) -> Select[Any]:
    packets = inbox.OLDEST_FIRST
    return packets.where(col(InboxRow.agency_id) == agency_id) if agency_id else packets


async def parked_packets(store: SqlStore, agency_id: str, limit: int) -> Sequence[InboxPacket]:
    """Return up to `limit` packets that wait outside the queue, the oldest first, of an agency or for "" of all."""
    query = _packets(agency_id).where(col(InboxRow.state).in_(PARKED_STATES))
    async with store.reading() as tx:
        return await tx.values(to_inbox_item, query.limit(limit))


async def find_packet(store: SqlStore, agency_id: str, id: str) -> InboxPacket:
    """Return a packet in any state, of an agency or for the id "" of any. NotFound when there is none."""
    async with store.reading() as tx:
        query = _packets(agency_id).where(col(InboxRow.id) == id)
        return to_inbox_item(await tx.get(InboxRow, query, f"there is no packet {id[:80]}"))


async def packets_tried(store: SqlStore, limit: int) -> Sequence[OutboxItem]:
    """Return up to `limit` outbox items that were tried and are not sent: first those that will be tried again, by their
    next time, then the failed ones."""
    states, not_before = col(OutboxRow.state).desc(), col(OutboxRow.not_before)
    query = _TRIED.order_by(states, not_before, col(OutboxRow.created_at), col(OutboxRow.id))
    async with store.reading() as tx:
        return await tx.values(outbox.to_domain, query.limit(limit))


async def hurry_packet(store: SqlStore, id: str, now: datetime) -> OutboxItem:
    """Make a waiting outbox item due at once, and return it. NotFound when no such item waits."""
    conditions = (col(OutboxRow.id) == id, outbox.is_open())
    async with store.changing_rows() as tx:
        if not await tx.change(update(OutboxRow).where(*conditions).values(not_before=now)):
            raise errors.NotFound(f"no packet {id[:80]} waits to be tried again")
        row = await tx.get(
            OutboxRow, select(OutboxRow).where(col(OutboxRow.id) == id), f"there is no packet {id[:80]}"
        )
    return outbox.to_domain(row)


async def newest_faults(store: SqlStore, limit: int) -> Sequence[tuple[datetime, str, str]]:
    """Return the newest faults of outgoing and arrived packets, as time, queue and error."""
    refused = select(InboxRow).where(col(InboxRow.state).in_(PARKED_STATES))
    async with store.reading() as tx:
        outbox_rows = await tx.rows(OutboxRow, _TRIED.order_by(col(OutboxRow.created_at).desc()).limit(limit))
        inbox_rows = await tx.rows(InboxRow, refused.order_by(col(InboxRow.received_at).desc()).limit(limit))
    faults = [(row.settled_at or row.created_at, "outbox", row.last_error or "") for row in outbox_rows]
    faults += [
        (row.settled_at or row.received_at, "inbox", row.code or row.last_error or "") for row in inbox_rows
    ]
    return sorted(faults, key=lambda fault: fault[0], reverse=True)[:limit]


async def database_size(store: SqlStore) -> int:
    """Return the size of the whole database in bytes."""
    query = _SQLITE_SIZE if store.writer.dialect.name == "sqlite" else _SERVER_SIZE
    async with store.reading() as tx:
        return int(await tx.scalar(query))


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseHealth:
    """Health of a database. `damage` is empty for an undamaged file, and for a server, which checks itself. `stale` counts
    rows whose lease ran out unnoticed, `ahead` rows whose lease or retry time lies beyond the horizon, both by table.
    `newest_event_at` is the latest time among the newest events. `searches`: the index for searching documents exists."""

    damage: str
    stale: Mapping[str, int]
    ahead: Mapping[str, int]
    newest_event_at: datetime | None
    searches: bool = True


async def examine(url: str, ran_out_before: datetime, horizon: Horizon) -> DatabaseHealth:
    """Examine the database at this URL without changing it. A lease is stale when it ran out before `ran_out_before`."""
    times = {"far_lease": horizon.lease, "far_retry": horizon.retry}
    try:
        async with engine_for_task(url, EngineRole.READER) as engine, engine.connect() as connection:
            damage = ""
            if connection.dialect.name == "sqlite":
                findings = (await connection.execute(text("PRAGMA quick_check(5)"))).scalars().all()
                damage = "" if findings == ["ok"] else "; ".join(map(str, findings))
            searches = await connection.run_sync(_searches)
            stale, ahead = {}, {}
            for table, is_open in _leasable():
                is_stale = and_(col(table.lease_token).is_not(None), col(table.lease_until) < ran_out_before)
                query = select(func.count()).select_from(table).where(is_open, is_stale)
                stale[str(table.__tablename__)] = (await connection.execute(query)).scalar_one()
                far = leases.is_ahead(table, jobs.ASKED_FOR if table is JobRow else false())
                query = select(func.count()).select_from(table).where(is_open, or_(*far))
                ahead[str(table.__tablename__)] = (await connection.execute(query, times)).scalar_one()
            # Among the newest only, because no index has the events' times.
            newest_event_at = (await connection.execute(_LATEST)).scalar_one()
    except SQLAlchemyError as cause:
        raise errors.StoreFailure(f"the database could not be examined ({driver_message(cause)})") from cause
    return DatabaseHealth(
        damage=damage, stale=stale, ahead=ahead, newest_event_at=newest_event_at, searches=searches
    )


def _searches(connection: Connection) -> bool:
    """Tell whether the search index exists. On a server it needs an extension, which its owner may have to allow."""
    if connection.dialect.name == "sqlite":
        return True
    return any(index["name"] == SEARCH_INDEX for index in inspect(connection).get_indexes("list_row"))


async def is_content_elsewhere(store: SqlStore, *, wants_bucket: bool) -> bool:
    """Tell whether some large content is a file where a bucket is wanted, or an object where the folder is."""
    is_object = col(BlobRow.object_name).is_not(None)
    is_file = and_(col(BlobRow.body).is_(None), col(BlobRow.object_name).is_(None), col(BlobRow.size) > SMALL)
    async with store.asking() as tx:
        return bool(
            await tx.tuples(
                select(col(BlobRow.digest)).where(is_file if wants_bucket else is_object).limit(1)
            )
        )
