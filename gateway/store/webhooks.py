"""Webhook endpoints and their deliveries in the database. In: endpoints as people change them, leases and reports of
workers. Out: due deliveries, and their outcome. Part of the store; get it as `store.webhooks`.

People and workers write different columns of an endpoint, so that neither overwrites the other's: workers write the cursor
and the health, people everything else; both may pause an endpoint."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    union_all,
    update,
)
from sqlmodel import col

from gateway import errors
from gateway.domain import feed
from gateway.domain.account import AgencyScope, ApiScope
from gateway.domain.event import EventKind
from gateway.domain.feed import ClientData, ClientWords
from gateway.domain.pace import CLOCKS_APART
from gateway.domain.queues import Lease
from gateway.domain.trace import from_line
from gateway.domain.webhook import (
    MOST_OF_AGENCY,
    MOST_SUSPECTS,
    DeliveryState,
    Endpoint,
    EndpointFigures,
    EndpointState,
    PauseWhy,
    WebhookDelivery,
)
from gateway.ports.services import Clock
from gateway.store import events
from gateway.store.api_keys import load_program_scopes
from gateway.store.events import SqlEvents
from gateway.store.repository import OwnTransactions, select_by
from gateway.store.row import Moment, equal, same, value_of
from gateway.store.tables import OutgoingRow, WebhookDeliveryRow, WebhookRow
from gateway.store.tables_node import EventCounterRow
from gateway.store.transaction import BoundQuery, Open, Transaction

_HOOK, _DELIVERY, _COUNTER = WebhookRow, WebhookDeliveryRow, EventCounterRow
_ACTIVE, _WAITING = EndpointState.ACTIVE.value, DeliveryState.WAITING.value
# Columns that people change; workers change the others.
_OF_PEOPLE = (
    "url",
    "types",
    "scopes",
    "note",
    "secrets",
    "state",
    "paused_why",
    "paused_at",
    "created_by",
    "version",
)
# Number of finished deliveries that the figures for people cover.
FIGURES_OF = 200
# No retry waits longer than a day and its jitter, so a due time further ahead was written while the clock was ahead.
_FAR = timedelta(days=2)
_BEHIND = and_(col(_HOOK.suspects) < MOST_SUSPECTS, func.coalesce(col(_COUNTER.last), 0) > col(_HOOK.cursor))
_DUE = or_(
    col(_HOOK.due_at) <= bindparam("now", type_=Moment),
    col(_HOOK.due_at) > bindparam("far_due", type_=Moment),
)
_UNHELD = or_(
    col(_HOOK.lease_token).is_(None),
    col(_HOOK.lease_until) <= bindparam("now", type_=Moment),
    col(_HOOK.lease_until) > bindparam("far_lease", type_=Moment),
)
_TO_TELL = and_(col(_HOOK.state) == _ACTIVE, _UNHELD, or_(_DUE, _BEHIND))
_JOINED = select(_HOOK).outerjoin(_COUNTER, col(_COUNTER.agency_id) == col(_HOOK.agency_id)).where(_TO_TELL)
_LOOK = (
    select(col(_HOOK.id))
    .outerjoin(_COUNTER, col(_COUNTER.agency_id) == col(_HOOK.agency_id))
    .where(_TO_TELL)
    .limit(1)
)
_OUTLOOK = select(
    exists().where(col(_HOOK.state) == _ACTIVE),
    _LOOK.where(col(_HOOK.slow).is_(True)).exists(),
    _LOOK.where(col(_HOOK.slow).is_(False)).exists(),
)
# The longest unserved endpoint first, so that many endpoints of one agency cannot keep another agency's waiting.
_FIND = _JOINED.order_by(
    col(_HOOK.last_try_at).is_not(None), col(_HOOK.last_try_at), col(_HOOK.id)
).with_for_update(skip_locked=True, of=_HOOK)
_LEASE_S = 60.0


def _moments(now: datetime, lease_s: float = _LEASE_S) -> dict[str, datetime]:
    return {
        "now": now,
        "far_due": now + _FAR,
        "far_lease": now + 2 * timedelta(seconds=lease_s) + CLOCKS_APART,
    }


def any_due(now: datetime) -> BoundQuery:
    """Return the query that tells a worker whether any delivery is due."""
    return _LOOK, {**_moments(now)}


@dataclass(frozen=True, slots=True, kw_only=True)
class LeasedEndpoint:
    """Endpoint with the lease under which a worker serves it."""

    endpoint: Endpoint
    lease: Lease


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """Flags for the worker: some endpoint is active; a slow endpoint has due deliveries; another endpoint has."""

    any_active: bool
    slow: bool
    other: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointQueue:
    """State of one endpoint before it is served: the scopes of the events that it may be told now, how many deliveries
    wait, and the due deliveries in the order of their events."""

    scopes: frozenset[ApiScope]
    waiting: int
    due: Sequence[WebhookDelivery]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A worker's results for one endpoint, stored in one transaction. `cursor` is the number of the last event sent;
    `revived` means that a delivery succeeded after failed tries, so that all deliveries which failed since the last success
    are due at once."""

    cursor: int
    suspects: int
    deliveries: tuple[WebhookDelivery, ...] = ()
    last_ok_at: datetime | None = None
    last_try_at: datetime | None = None
    slow: bool = False
    revived: bool = False
    pause: PauseWhy | None = None
    gave_up: tuple[WebhookDelivery, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookLoad:
    """Webhook load of the whole node: number of endpoints that are `active`, `failing` and `paused`; how many were paused
    automatically (`dead`); number of waiting deliveries, and since when the oldest waits."""

    endpoints: Mapping[str, int]
    dead: int = 0
    waiting: int = 0
    oldest: datetime | None = None


class SqlWebhooks(OwnTransactions):
    """Repository of the node's webhooks. Each call is a transaction; a change is committed with its event."""

    def __init__(self, writing: Open, reading: Open, looking: Open, asking: Open, clock: Clock) -> None:
        """Take functions that open transactions: `looking` for reading few rows, `asking` for one query of few rows."""
        super().__init__(writing, reading)
        self._clock, self._looking, self._asking = clock, looking, asking

    # --- for people -------------------------------------------------------------------------------------------

    async def list_endpoints(self, agency_id: str) -> Sequence[Endpoint]:
        """Return the agency's endpoints, the oldest first."""
        query = select_by(_HOOK, ("agency_id",), ("created_at", "id"))
        async with self._asking() as tx:
            return await tx.values(to_endpoint, query, agency_id=agency_id)

    async def get(self, agency_id: str, id: str) -> Endpoint:
        """Return the agency's endpoint with that id. NotFound when there is none."""
        async with self._asking() as tx:
            return to_endpoint(await _load_row(tx, agency_id, id))

    async def add(self, scope: AgencyScope, endpoint: Endpoint) -> None:
        """Add an endpoint. Clash when the agency has as many as it may have."""
        async with self._changing() as tx:
            await tx.hold("webhooks", scope.agency_id)
            counted = select(func.count()).where(col(_HOOK.agency_id) == scope.agency_id)
            if await tx.scalar(counted) >= MOST_OF_AGENCY:
                raise errors.Clash(f"an agency has {MOST_OF_AGENCY} webhooks at most", code="GW-HOOK-MOST")
            tx.insert(_row(endpoint))
            await self._append(tx, scope, EventKind.WEBHOOK_ADDED, endpoint)

    async def change(
        self,
        scope: AgencyScope,
        id: str,
        make: Callable[[Endpoint], Endpoint],
        kind: EventKind,
        *,
        version: int | None = None,
    ) -> Endpoint:
        """Replace an endpoint by `make` of it with the next version, record an event of `kind`, and return it. StaleVersion
        when `version` is given and is not the stored one. When a pause ends, all waiting deliveries start again at once."""
        async with self._changing() as tx:
            old_endpoint = to_endpoint(await _load_row(tx, scope.agency_id, id))
            if version is not None and version != old_endpoint.version:
                raise errors.StaleVersion(
                    f"version {version} was named, the present version is {old_endpoint.version}"
                )
            new_endpoint = replace(make(old_endpoint), version=old_endpoint.version + 1)
            row = _row(new_endpoint)
            columns = {name: getattr(row, name) for name in _OF_PEOPLE}
            if old_endpoint.state is EndpointState.PAUSED and new_endpoint.state is EndpointState.ACTIVE:
                is_waiting = _sent_to(scope.agency_id, id, state=_WAITING)
                await tx.change(update(_DELIVERY).where(is_waiting).values(**_new_state(self._clock.now())))
                columns |= {"suspects": 0, "due_at": await _first_due(tx, scope.agency_id, id)}
            await tx.change(update(_HOOK).where(_is_endpoint(scope.agency_id, id)).values(**columns))
            await self._append(tx, scope, kind, new_endpoint)
        return new_endpoint

    async def pause_without_key(self, principal_id: str, by: str) -> Sequence[Endpoint]:
        """Pause the active endpoints that a program created and whose events none of its keys may read any more; return
        them."""
        now, paused = self._clock.now(), []
        for endpoint in await self.made_by(principal_id):
            async with self._asking() as tx:
                if endpoint.state is not EndpointState.ACTIVE or await _scopes_now(tx, endpoint, now):
                    continue
            scope = AgencyScope(agency_id=endpoint.agency_id, principal_id=by)
            with suppress(errors.NotFound):  # it was removed meanwhile
                pause = partial(Endpoint.paused, why=PauseWhy.KEY, at=now)
                paused.append(await self.change(scope, endpoint.id, pause, EventKind.WEBHOOK_PAUSED))
        return paused

    async def made_by(self, principal_id: str) -> Sequence[Endpoint]:
        """Return the endpoints that a program or person created."""
        mine = select(_HOOK).where(col(_HOOK.created_by) == principal_id).order_by(col(_HOOK.id))
        return await self._values(to_endpoint, mine)

    async def remove(self, scope: AgencyScope, id: str) -> None:
        """Remove an endpoint with its deliveries."""
        async with self._changing() as tx:
            endpoint = to_endpoint(await _load_row(tx, scope.agency_id, id))
            await tx.change(delete(_DELIVERY).where(_sent_to(scope.agency_id, id)))
            await tx.change(delete(_HOOK).where(_is_endpoint(scope.agency_id, id)))
            await self._append(tx, scope, EventKind.WEBHOOK_REMOVED, endpoint)

    async def redeliver(self, scope: AgencyScope, id: str, sequences: Sequence[int] | None) -> int:
        """Make deliveries of these events due at once, also when their rows were removed, or all failed deliveries for
        None; return how many. NotFound for a number that is no event of the agency."""
        agency_id, now = scope.agency_id, self._clock.now()
        async with self._changing() as tx:
            row = await _load_row(tx, agency_id, id)
            if sequences is None:
                failed = _sent_to(agency_id, id, state=DeliveryState.FAILED.value)
                count = await tx.change(update(_DELIVERY).where(failed).values(**_new_state(now)))
            else:
                for sequence in sorted(set(sequences)):
                    await self._retry_event(tx, to_endpoint(row), sequence, now)
                count = len(set(sequences))
            await _set_due(tx, agency_id, id)
        return count

    async def _retry_event(self, tx: Transaction, endpoint: Endpoint, sequence: int, now: datetime) -> None:
        """Make the delivery of one event due at `now`. NotFound for an event that the webhook may not see."""
        rows = await events.load_after(tx, endpoint.agency_id, sequence - 1, 1)
        event = rows[0] if rows and rows[0].agency_seq == sequence else None
        is_open = event is not None and feed.is_wanted(event.kind, endpoint.scopes, ())
        if event is None or not (is_open and feed.is_meant_for(event, endpoint.id)):
            raise errors.NotFound(f"there is no event {sequence} that this webhook may be told")
        row = _DELIVERY(
            agency_id=endpoint.agency_id,
            webhook_id=endpoint.id,
            sequence=sequence,
            event_id=feed.event_id(event),
            kind=event.kind.value,
            at=now,
            tries="[]",
            **_new_state(now),
        )
        await tx.upsert(row, "state", "attempts", "first_at", "due_at")

    # --- reports to people --------------------------------------------------------------------------------------

    async def log(
        self,
        agency_id: str,
        id: str,
        limit: int,
        *,
        before_sequence: int = 0,
        state: DeliveryState | None = None,
    ) -> Sequence[WebhookDelivery]:
        """Return an endpoint's deliveries, the newest event first, optionally before a sequence and in one state."""
        query = select(_DELIVERY).where(_sent_to(agency_id, id))
        if before_sequence:
            query = query.where(col(_DELIVERY.sequence) < before_sequence)
        if state is not None:
            query = query.where(col(_DELIVERY.state) == state.value)
        return await self._values(
            WebhookDelivery, query.order_by(col(_DELIVERY.sequence).desc()).limit(limit)
        )

    async def delivery(self, agency_id: str, id: str, sequence: int) -> WebhookDelivery | None:
        query = select(_DELIVERY).where(_sent_to(agency_id, id, sequence=sequence))
        async with self._asking() as tx:
            return await tx.value(WebhookDelivery, query)

    async def figures(self, agency_id: str, ids: Collection[str]) -> Mapping[str, EndpointFigures]:
        """Return by endpoint how its newest finished deliveries ended, how many wait, and how many events are not sent."""
        if not ids:
            return {}
        async with self._reading() as tx:
            last = await _newest(tx, agency_id)
            rows = await tx.tuples(union_all(*(_figures_of(agency_id, id) for id in ids)))
        return {
            id: EndpointFigures(
                delivered=int(delivered or 0),
                failed=count - int(delivered or 0),
                waiting=waiting,
                behind=max(0, last - cursor) if cursor is not None else 0,
            )
            for id, count, delivered, waiting, cursor in rows
        }

    async def newest(self, agency_id: str) -> int:
        """Return the number of the agency's newest event, 0 when it has none."""
        async with self._asking() as tx:
            return await _newest(tx, agency_id)

    async def client_words(self, agency_id: str, ids: Collection[str]) -> ClientWords:
        """Return the data that clients gave with these outgoing documents, by id: `external_id`, `callback_data` and the
        trace of the call. Documents without any are left out."""
        if not ids:
            return {}
        conditions = (col(OutgoingRow.agency_id) == agency_id, col(OutgoingRow.id).in_(sorted(ids)))
        columns = (OutgoingRow.id, OutgoingRow.external_id, OutgoingRow.body, OutgoingRow.trace)
        query = select(*map(col, columns)).where(*conditions)
        async with self._asking() as tx:
            rows = await tx.tuples(query)
        data_by_id = {id: _client_data(*row) for id, *row in rows}
        return {id: d for id, d in data_by_id.items() if d.words or d.trace is not None}

    async def load(self) -> WebhookLoad:
        """Count the endpoints and the waiting deliveries of the whole node."""
        failing = and_(col(_HOOK.state) == _ACTIVE, col(_HOOK.suspects) >= MOST_SUSPECTS)
        states = select(case((failing, "failing"), else_=col(_HOOK.state)).label("word")).subquery()
        of_endpoint = exists().where(same(_HOOK.id, _DELIVERY.webhook_id))
        is_waiting = and_(col(_DELIVERY.state) == _WAITING, of_endpoint.where(col(_HOOK.state) == _ACTIVE))
        async with self._reading() as tx:
            counts = await tx.tuples(select(states.c.word, func.count()).group_by(states.c.word))
            was_paused = (col(_HOOK.paused_why) != PauseWhy.PERSON.value, col(_HOOK.state) != _ACTIVE)
            dead = await tx.scalar(select(func.count()).select_from(_HOOK).where(*was_paused))
            ((waiting, oldest),) = await tx.tuples(
                select(func.count(), func.min(col(_DELIVERY.first_at))).where(is_waiting)
            )
        return WebhookLoad(endpoints=dict(list(counts)), dead=dead, waiting=waiting, oldest=_aware(oldest))

    # --- for workers ------------------------------------------------------------------------------------------

    async def outlook(self, lease_s: float) -> Outlook:
        """Tell whether any delivery is due. Workers call this before `claim`, because mostly nothing is due."""
        async with self._asking() as tx:
            ((any_active, slow, other),) = await tx.tuples(_OUTLOOK, **_moments(self._clock.now(), lease_s))
        return Outlook(any_active=bool(any_active), slow=bool(slow), other=bool(other))

    async def claim(self, limit: int, lease_s: float, *, slow: bool) -> Sequence[LeasedEndpoint]:
        """Lease up to `limit` active endpoints of any agency that have due deliveries and no worker, the longest unserved
        first; `slow` chooses slow endpoints or the others. Committed on return."""
        now = self._clock.now()
        moments = _moments(now, lease_s)
        find = _FIND.where(col(_HOOK.slow).is_(slow)).limit(limit)
        token, ends_at, leased_endpoints = self._clock.new_id(), now + timedelta(seconds=lease_s), []
        lease_moments = {name: moments[name] for name in ("now", "far_lease")}
        async with self._writing() as tx:
            for row in await tx.rows(_HOOK, find, **moments):
                statement = update(_HOOK).where(_is_endpoint(row.agency_id, row.id), _UNHELD)
                if await tx.change(statement.values(lease_token=token, lease_until=ends_at), **lease_moments):
                    lease = Lease(id=row.id, token=token, ends_at=ends_at, attempt=1)
                    leased_endpoints.append(LeasedEndpoint(endpoint=to_endpoint(row), lease=lease))
            if leased_endpoints:
                await tx.commit()
        return leased_endpoints

    async def standing(self, endpoint: Endpoint, limit: int) -> EndpointQueue:
        """Return what a worker needs to serve an endpoint, with up to `limit` due deliveries."""
        now = self._clock.now()
        is_waiting = _sent_to(endpoint.agency_id, endpoint.id, state=_WAITING)
        is_due = or_(col(_DELIVERY.due_at) <= now, col(_DELIVERY.due_at) > now + _FAR)
        due = select(_DELIVERY).where(is_waiting, is_due).order_by(col(_DELIVERY.sequence)).limit(limit)
        async with self._looking() as tx:
            waiting = int(await tx.scalar(select(func.count()).where(is_waiting)))
            return EndpointQueue(
                scopes=await _scopes_now(tx, endpoint, now),
                waiting=waiting,
                due=await tx.values(WebhookDelivery, due) if waiting else (),
            )

    async def record(self, leased: LeasedEndpoint, report: Report) -> None:
        """Store a worker's report and end its lease, in one transaction. StaleLease, with nothing stored, when the lease is
        no longer ours or the endpoint was removed."""
        endpoint, now = leased.endpoint, self._clock.now()
        agency_id, id = endpoint.agency_id, endpoint.id
        async with self._changing() as tx:
            columns = {
                "lease_token": None,
                "lease_until": None,
                "cursor": report.cursor,
                "suspects": report.suspects,
                "slow": report.slow,
                "last_ok_at": report.last_ok_at or endpoint.last_ok_at,
                "last_try_at": report.last_try_at or endpoint.last_try_at,
            }
            mine = _is_endpoint(agency_id, id, lease_token=leased.lease.token)
            if await tx.change(update(_HOOK).where(mine).values(**columns)) != 1:
                raise errors.StaleLease(
                    f"the lease on {id} is no longer ours, or the webhook was removed: discard this result"
                )
            for delivery in report.deliveries:
                row = WebhookDeliveryRow.from_value(delivery, agency_id=endpoint.agency_id)
                await tx.upsert(row, "state", "attempts", "first_at", "at", "due_at", "tries")
            if report.revived:
                failed = [_sent_to(agency_id, id, state=_WAITING), col(_DELIVERY.due_at) > now]
                # A delivery that failed while others succeeded has a fault of its own, and keeps its retry plan.
                if endpoint.last_ok_at is not None:
                    failed.append(col(_DELIVERY.first_at) > endpoint.last_ok_at)
                await tx.change(update(_DELIVERY).where(*failed).values(due_at=now))
            await _set_due(tx, agency_id, id)
            await self._record_end(tx, endpoint, report, now)

    async def _record_end(self, tx: Transaction, endpoint: Endpoint, report: Report, now: datetime) -> None:
        """Pause the endpoint where the report asks for it, and record events of the pause and of deliveries given up."""
        scope = AgencyScope(agency_id=endpoint.agency_id, principal_id="node")
        if report.pause is not None:
            active = _is_endpoint(endpoint.agency_id, endpoint.id, state=_ACTIVE)
            paused = {"state": EndpointState.PAUSED.value, "paused_why": report.pause.value, "paused_at": now}
            if await tx.change(update(_HOOK).where(active).values(**paused, version=col(_HOOK.version) + 1)):
                paused_endpoint = replace(endpoint, paused_why=report.pause)
                await self._append(tx, scope, EventKind.WEBHOOK_PAUSED, paused_endpoint)
        for delivery in report.gave_up:
            data = {"host": endpoint.host, "sequence": delivery.sequence, "type": delivery.kind}
            code = delivery.last.code.value if delivery.last is not None else ""
            log = SqlEvents(tx, scope, self._clock)
            await log.append(EventKind.WEBHOOK_GAVE_UP, endpoint.id, now, {**data, "code": code})

    async def release(self, leased: LeasedEndpoint) -> None:
        """End the lease of an endpoint without any other change. No effect when the lease is no longer ours."""
        endpoint, token = leased.endpoint, leased.lease.token
        mine = update(_HOOK).where(_is_endpoint(endpoint.agency_id, endpoint.id, lease_token=token))
        await self._change(mine.values(lease_token=None, lease_until=None))

    async def trim(self, cutoff: datetime, most: int) -> int:
        """Delete finished deliveries from before `cutoff`, and of each endpoint those beyond its `most` newest deliveries;
        return how many."""
        ended = col(_DELIVERY.state) != _WAITING
        async with self._reading() as tx:
            endpoints = await tx.tuples(select(col(_HOOK.agency_id), col(_HOOK.id)))
        count = 0
        for agency_id, id in endpoints:
            mine = _sent_to(agency_id, id)
            async with self._changing() as tx:
                count += await tx.change(delete(_DELIVERY).where(mine, ended, col(_DELIVERY.at) < cutoff))
                newest = select(col(_DELIVERY.sequence)).where(mine).order_by(col(_DELIVERY.sequence).desc())
                beyond = await tx.scalar(newest.offset(most).limit(1))
                if beyond is not None:
                    is_old = col(_DELIVERY.sequence) <= beyond
                    count += await tx.change(delete(_DELIVERY).where(mine, ended, is_old))
        return count

    async def _append(self, tx: Transaction, scope: AgencyScope, kind: EventKind, endpoint: Endpoint) -> None:
        """Record an event about an endpoint. Of its URL it has only the host, because the rest may contain a secret."""
        data: dict[str, object] = {"host": endpoint.host, "types": list(endpoint.types)}
        if endpoint.paused_why is not None:
            data["why"] = endpoint.paused_why.value
        await SqlEvents(tx, scope, self._clock).append(kind, endpoint.id, self._clock.now(), data)


async def _scopes_now(tx: Transaction, endpoint: Endpoint, now: datetime) -> frozenset[ApiScope]:
    """Return the scopes of the events that the endpoint may be told now: its own, and of a program's endpoint those alone
    that the program's valid keys have."""
    program = await load_program_scopes(tx, endpoint.created_by, endpoint.agency_id, now)
    return endpoint.scopes if program is None else endpoint.scopes & program


def _is_endpoint(agency_id: str, id: str, **columns: object) -> ColumnElement[bool]:
    return equal(_HOOK, agency_id=agency_id, id=id, **columns)


def _sent_to(agency_id: str, id: str, **columns: object) -> ColumnElement[bool]:
    return equal(_DELIVERY, agency_id=agency_id, webhook_id=id, **columns)


def _figures_of(agency_id: str, id: str) -> Select[Any]:
    """Return the query of an endpoint's id, how many of its newest deliveries ended and how many of them well, how many
    wait, and its cursor. The newest are read by the index, which a grouping of all endpoints would not do."""
    mine = _sent_to(agency_id, id)
    ended = select(col(_DELIVERY.state)).where(mine, col(_DELIVERY.state) != _WAITING)
    newest = ended.order_by(col(_DELIVERY.sequence).desc()).limit(FIGURES_OF).subquery()
    waiting = select(func.count()).where(mine, col(_DELIVERY.state) == _WAITING)
    cursor = select(col(_HOOK.cursor)).where(_is_endpoint(agency_id, id))
    return select(
        literal(id),
        func.count(),
        func.sum(case((newest.c.state == DeliveryState.DELIVERED.value, 1), else_=0)),
        waiting.scalar_subquery(),
        cursor.scalar_subquery(),
    ).select_from(newest)


def _new_state(now: datetime) -> dict[str, Any]:
    """Return the column values of a delivery that starts again and is due at once."""
    return {"state": _WAITING, "attempts": 0, "first_at": now, "due_at": now}


async def _load_row(tx: Transaction, agency_id: str, id: str) -> WebhookRow:
    """Return the row of an endpoint, which a writing transaction locks. NotFound when there is none."""
    query = tx.lock_rows(select(_HOOK).where(_is_endpoint(agency_id, id)))
    return await tx.get(_HOOK, query, f"there is no webhook {id}", "gateway webhooks list")


async def _first_due(tx: Transaction, agency_id: str, id: str) -> datetime | None:
    is_waiting = _sent_to(agency_id, id, state=_WAITING)
    row = await tx.first(_DELIVERY, select(_DELIVERY).where(is_waiting).order_by(col(_DELIVERY.due_at)))
    return row.due_at if row is not None else None


async def _set_due(tx: Transaction, agency_id: str, id: str) -> None:
    """Set when the endpoint is due next: with the first of its waiting deliveries."""
    due_at = await _first_due(tx, agency_id, id)
    await tx.change(update(_HOOK).where(_is_endpoint(agency_id, id)).values(due_at=due_at))


async def _newest(tx: Transaction, agency_id: str) -> int:
    query = select(col(_COUNTER.last)).where(col(_COUNTER.agency_id) == agency_id)
    return int(await tx.scalar(query) or 0)


def _client_data(external_id: str | None, body: str, trace: str | None) -> ClientData:
    words = {"external_id": external_id, "callback_data": json.loads(body)["draft"].get("callback_data")}
    texts = {name: text for name, text in words.items() if text}
    return ClientData(words=texts, trace=from_line(trace) if trace is not None else None)


def _aware(at: Any) -> datetime | None:  # Any: a function of a column has lost its type
    return Moment().process_result_value(datetime.fromisoformat(at) if isinstance(at, str) else at, None)  # type: ignore[arg-type]


def _row(endpoint: Endpoint) -> WebhookRow:
    scopes = json.dumps(sorted(endpoint.scopes))
    return WebhookRow.from_value(endpoint, scopes=scopes, lease_token=None, lease_until=None)


def to_endpoint(row: WebhookRow) -> Endpoint:
    # Scopes of older versions may no longer exist.
    names = json.loads(row.scopes)
    return value_of(Endpoint, row, scopes=frozenset(scope for scope in ApiScope if scope.value in names))
