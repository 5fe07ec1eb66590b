"""Webhooks and what became of each event, on SQL. In: endpoints as people change them, leases and reports of workers. Out:
what is due to be told, and what became of it. Part of the store; get it as `store.webhooks`.

People and workers write different columns of an endpoint, so neither overwrites what the other did meanwhile: how far
it was told and how it goes is the worker's, everything else is the people's; whether it is paused both may say."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, case, delete, exists, func, or_, select, update
from sqlmodel import col

from gateway import errors
from gateway.domain import feed
from gateway.domain.account import AgencyScope, ApiScope, PrincipalKind
from gateway.domain.event import EventKind
from gateway.domain.feed import ClientData, ClientWords
from gateway.domain.pace import CLOCKS_APART
from gateway.domain.queues import Lease
from gateway.domain.trace import from_line
from gateway.domain.webhook import (
    MOST_OF_AGENCY,
    MOST_SUSPECTS,
    Delivery,
    DeliveryState,
    Endpoint,
    EndpointFigures,
    EndpointState,
    KeptSecret,
    PauseWhy,
    Try,
)
from gateway.ports.services import Clock
from gateway.store import events
from gateway.store.events import SqlEvents
from gateway.store.row import Moment, value_of
from gateway.store.tables import EventCounterRow, OutgoingRow, WebhookDeliveryRow, WebhookRow
from gateway.store.tables_node import ApiKeyAgencyRow, ApiKeyRow, PrincipalRow
from gateway.store.transaction import Asked, Open, Transaction

_W, _D, _C = WebhookRow, WebhookDeliveryRow, EventCounterRow
_ACTIVE, _WAITING = EndpointState.ACTIVE.value, DeliveryState.WAITING.value
_SECRETS, _TRIES = tuple[KeptSecret, ...], tuple[Try, ...]
# What people say of one; the rest is the workers'.
_OF_PEOPLE = (
    *("url", "types", "scopes", "note", "secrets"),
    *("state", "paused_why", "paused_at", "created_by", "version"),
)
# Of so many deliveries with an end people are told how many came through.
FIGURES_OF = 200
# No wait is longer than a day and its jitter; a time further ahead was written while the clock was ahead.
_FAR = timedelta(days=2)
_BEHIND = and_(col(_W.suspects) < MOST_SUSPECTS, func.coalesce(col(_C.last), 0) > col(_W.cursor))
_DUE = or_(
    col(_W.due_at) <= bindparam("now", type_=Moment), col(_W.due_at) > bindparam("far_due", type_=Moment)
)
_UNHELD = or_(
    col(_W.lease_token).is_(None),
    col(_W.lease_until) <= bindparam("now", type_=Moment),
    col(_W.lease_until) > bindparam("far_lease", type_=Moment),
)
_TO_TELL = and_(col(_W.state) == _ACTIVE, _UNHELD, or_(_DUE, _BEHIND))
_JOINED = select(_W).outerjoin(_C, col(_C.agency_id) == col(_W.agency_id)).where(_TO_TELL)
_LOOK = select(col(_W.id)).outerjoin(_C, col(_C.agency_id) == col(_W.agency_id)).where(_TO_TELL).limit(1)
_OUTLOOK = select(
    exists().where(col(_W.state) == _ACTIVE),
    _LOOK.where(col(_W.slow).is_(True)).exists(),
    _LOOK.where(col(_W.slow).is_(False)).exists(),
)
# The longest unserved first, so that many of one agency cannot keep another's waiting.
_FIND = _JOINED.order_by(col(_W.last_try_at).is_not(None), col(_W.last_try_at), col(_W.id)).with_for_update(
    skip_locked=True, of=_W
)
_LEASE_S = 60.0


def _moments(now: datetime, lease_s: float = _LEASE_S) -> dict[str, datetime]:
    return {
        "now": now,
        "far_due": now + _FAR,
        "far_lease": now + 2 * timedelta(seconds=lease_s) + CLOCKS_APART,
    }


def any_due(now: datetime) -> Asked:
    """For whoever looks whether there is anything to do."""
    return _LOOK, {**_moments(now)}


@dataclass(frozen=True, slots=True, kw_only=True)
class LeasedEndpoint:
    endpoint: Endpoint
    lease: Lease


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """Whether any endpoint is active, and whether there is something to tell now: to a slow one, to another."""

    any_active: bool
    slow: bool
    other: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Of one endpoint, before it is told: whether who made it still has a key, how many deliveries wait, and those that
    are due, in the order of their events."""

    has_key: bool
    waiting: int
    due: Sequence[Delivery]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a worker did for one endpoint, to be kept together or not at all. `cursor` is how far it is told now;
    `revived` says that something came through after tries that failed, so that what failed since the endpoint was well is
    due at once."""

    cursor: int
    suspects: int
    deliveries: tuple[Delivery, ...] = ()
    last_ok_at: datetime | None = None
    last_try_at: datetime | None = None
    slow: bool = False
    revived: bool = False
    pause: PauseWhy | None = None
    gave_up: tuple[Delivery, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookLoad:
    """Of the whole node: endpoints by `active`, `failing`, `paused`, and how many of the last nobody paused by hand; events
    that wait, and since when the oldest does."""

    endpoints: Mapping[str, int]
    dead: int = 0
    waiting: int = 0
    oldest: datetime | None = None


class SqlWebhooks:
    """Each call is a transaction of its own; what changes an endpoint commits with the event that tells of it."""

    def __init__(self, writing: Open, reading: Open, looking: Open, asking: Open, clock: Clock) -> None:
        """`looking`: for few rows; `asking`: for one question about few rows."""
        self._writing, self._reading, self._clock = writing, reading, clock
        self._looking, self._asking = looking, asking

    # --- as people have them ----------------------------------------------------------------------------------

    async def listed(self, agency_id: str) -> Sequence[Endpoint]:
        """Oldest first."""
        query = select(_W).where(col(_W.agency_id) == agency_id).order_by(col(_W.created_at), col(_W.id))
        async with self._asking() as tx:
            return [to_endpoint(row) for row in await tx.rows(_W, query)]

    async def get(self, agency_id: str, id: str) -> Endpoint:
        """NotFound where the agency has none."""
        async with self._asking() as tx:
            return to_endpoint(await _known(tx, select(_W).where(*_is(agency_id, id)), id))

    async def add(self, scope: AgencyScope, endpoint: Endpoint) -> None:
        """Clash when the agency has as many as it may."""
        async with self._writing() as tx:
            await tx.hold("webhooks", scope.agency_id)
            counted = select(func.count()).where(col(_W.agency_id) == scope.agency_id)
            if (await tx.tuples(counted))[0][0] >= MOST_OF_AGENCY:
                raise errors.Clash(f"an agency has {MOST_OF_AGENCY} webhooks at most", code="GW-HOOK-MOST")
            tx.put(_row(endpoint))
            await self._tell(tx, scope, EventKind.WEBHOOK_ADDED, endpoint)
            await tx.commit()

    async def change(
        self,
        scope: AgencyScope,
        id: str,
        make: Callable[[Endpoint], Endpoint],
        told: EventKind,
        *,
        version: int | None = None,
    ) -> Endpoint:
        """The endpoint as `make` has it now, its version one higher. StaleVersion when that is not the version it has. One
        that goes on after a pause has everything that waits due at once, its tries counted anew."""
        async with self._writing() as tx:
            query = tx.kept(select(_W).where(*_is(scope.agency_id, id)))
            known = to_endpoint(await _known(tx, query, id))
            if version is not None and version != known.version:
                raise errors.StaleVersion(
                    f"version {version} was named, the present version is {known.version}"
                )
            made = replace(make(known), version=known.version + 1)
            row = _row(made)
            values = {name: getattr(row, name) for name in _OF_PEOPLE}
            if known.state is EndpointState.PAUSED and made.state is EndpointState.ACTIVE:
                left = (*_of(scope.agency_id, id), col(_D.state) == _WAITING)
                await tx.change(update(_D).where(*left).values(**_anew(self._clock.now())))
                values |= {"suspects": 0, "due_at": await _first_due(tx, scope.agency_id, id)}
            await tx.change(update(_W).where(*_is(scope.agency_id, id)).values(**values))
            await self._tell(tx, scope, told, made)
            await tx.commit()
        return made

    async def pause_without_key(self, principal_id: str, by: str) -> Sequence[Endpoint]:
        """Pause the active ones which that program made and has no key for any more; those that were."""
        now = self._clock.now()
        mine = (col(_W.created_by) == principal_id, col(_W.state) == _ACTIVE, _keyless(now))
        async with self._reading() as tx:
            known = [
                to_endpoint(row) for row in await tx.rows(_W, select(_W).where(*mine).order_by(col(_W.id)))
            ]
        paused = []
        for endpoint in known:
            scope = AgencyScope(agency_id=endpoint.agency_id, principal_id=by)
            with suppress(errors.NotFound):  # somebody removed it meanwhile
                pause = partial(Endpoint.paused, why=PauseWhy.KEY, at=now)
                paused.append(await self.change(scope, endpoint.id, pause, EventKind.WEBHOOK_PAUSED))
        return paused

    async def remove(self, scope: AgencyScope, id: str) -> None:
        """With everything that is known of its deliveries."""
        async with self._writing() as tx:
            query = tx.kept(select(_W).where(*_is(scope.agency_id, id)))
            known = to_endpoint(await _known(tx, query, id))
            await tx.change(delete(_D).where(*_of(scope.agency_id, id)))
            await tx.change(delete(_W).where(*_is(scope.agency_id, id)))
            await self._tell(tx, scope, EventKind.WEBHOOK_REMOVED, known)
            await tx.commit()

    async def redeliver(self, scope: AgencyScope, id: str, sequences: Sequence[int] | None) -> int:
        """These events are due at once, also those of which nothing is kept any more; without any, all that were given up.
        How many. NotFound for a number that is no event of the agency."""
        agency_id, now = scope.agency_id, self._clock.now()
        async with self._writing() as tx:
            row = await _known(tx, tx.kept(select(_W).where(*_is(agency_id, id))), id)
            if sequences is None:
                failed = (*_of(agency_id, id), col(_D.state) == DeliveryState.FAILED.value)
                count = await tx.change(update(_D).where(*failed).values(**_anew(now)))
            else:
                for each in sorted(set(sequences)):
                    await self._again(tx, to_endpoint(row), each, now)
                count = len(set(sequences))
            due = await _first_due(tx, agency_id, id)
            await tx.change(update(_W).where(*_is(agency_id, id)).values(due_at=due))
            await tx.commit()
        return count

    async def _again(self, tx: Transaction, endpoint: Endpoint, sequence: int, now: datetime) -> None:
        """What the webhook may not be told is none of its events."""
        found = await events.after(tx, endpoint.agency_id, sequence - 1, 1)
        event = found[0] if found and found[0].agency_seq == sequence else None
        if event is None or not feed.is_wanted(event.kind, endpoint.scopes, ()):
            raise errors.NotFound(f"there is no event {sequence} that this webhook may be told")
        row = _D(
            agency_id=endpoint.agency_id,
            webhook_id=endpoint.id,
            sequence=sequence,
            event_id=feed.event_id(event),
            kind=event.kind.value,
            at=now,
            tries="[]",
            **_anew(now),
        )
        await tx.put_over(row, "state", "attempts", "first_at", "due_at")

    # --- what people are told ---------------------------------------------------------------------------------

    async def log(
        self, agency_id: str, id: str, limit: int, *, before: int = 0, state: DeliveryState | None = None
    ) -> Sequence[Delivery]:
        """Newest event first, those before that sequence."""
        query = select(_D).where(*_of(agency_id, id))
        if before:
            query = query.where(col(_D.sequence) < before)
        if state is not None:
            query = query.where(col(_D.state) == state.value)
        async with self._reading() as tx:
            rows = await tx.rows(_D, query.order_by(col(_D.sequence).desc()).limit(limit))
        return [value_of(Delivery, row) for row in rows]

    async def delivery(self, agency_id: str, id: str, sequence: int) -> Delivery | None:
        query = select(_D).where(*_of(agency_id, id), col(_D.sequence) == sequence)
        async with self._asking() as tx:
            row = await tx.first(_D, query)
        return value_of(Delivery, row) if row is not None else None

    async def figures(self, agency_id: str, ids: Collection[str]) -> Mapping[str, EndpointFigures]:
        found = {}
        async with self._reading() as tx:
            last = await _newest(tx, agency_id)
            for id in ids:
                mine = _of(agency_id, id)
                ended = select(col(_D.state)).where(*mine, col(_D.state) != _WAITING)
                newest = ended.order_by(col(_D.sequence).desc()).limit(FIGURES_OF).subquery()
                good = func.sum(case((newest.c.state == DeliveryState.DELIVERED.value, 1), else_=0))
                ((all_of_them, delivered),) = await tx.tuples(select(func.count(), good).select_from(newest))
                waits = select(func.count()).where(*mine, col(_D.state) == _WAITING)
                ((waiting,),) = await tx.tuples(waits)
                row = await tx.first(_W, select(_W).where(*_is(agency_id, id)))
                found[id] = EndpointFigures(
                    delivered=int(delivered or 0),
                    failed=all_of_them - int(delivered or 0),
                    waiting=waiting,
                    behind=max(0, last - row.cursor) if row is not None else 0,
                )
        return found

    async def newest(self, agency_id: str) -> int:
        """The sequence of the agency's newest event."""
        async with self._asking() as tx:
            return await _newest(tx, agency_id)

    async def client_words(self, agency_id: str, ids: Collection[str]) -> ClientWords:
        """What clients said of these documents beside what is in them: `external_id`, `callback_data`, the trace of the
        call."""
        if not ids:
            return {}
        wanted = (col(OutgoingRow.agency_id) == agency_id, col(OutgoingRow.id).in_(sorted(ids)))
        columns = (OutgoingRow.id, OutgoingRow.external_id, OutgoingRow.body, OutgoingRow.trace)
        query = select(*map(col, columns)).where(*wanted)
        async with self._asking() as tx:
            rows = await tx.tuples(query)
        said = {id: _said(*row) for id, *row in rows}
        return {id: each for id, each in said.items() if each.words or each.trace is not None}

    async def load(self) -> WebhookLoad:
        failing = and_(col(_W.state) == _ACTIVE, col(_W.suspects) >= MOST_SUSPECTS)
        words = select(case((failing, "failing"), else_=col(_W.state)).label("word")).subquery()
        behind = exists().where(col(_W.agency_id) == col(_D.agency_id), col(_W.id) == col(_D.webhook_id))
        left = and_(col(_D.state) == _WAITING, behind.where(col(_W.state) == _ACTIVE))
        async with self._reading() as tx:
            counted = await tx.tuples(select(words.c.word, func.count()).group_by(words.c.word))
            by_itself = (col(_W.paused_why) != PauseWhy.PERSON.value, col(_W.state) != _ACTIVE)
            ((dead,),) = await tx.tuples(select(func.count()).select_from(_W).where(*by_itself))
            ((waiting, oldest),) = await tx.tuples(
                select(func.count(), func.min(col(_D.first_at))).where(left)
            )
        return WebhookLoad(endpoints=dict(list(counted)), dead=dead, waiting=waiting, oldest=_aware(oldest))

    # --- as workers have them ---------------------------------------------------------------------------------

    async def outlook(self, lease_s: float) -> Outlook:
        """Asked before anything is claimed: mostly there is nothing to tell."""
        async with self._asking() as tx:
            ((any_active, slow, other),) = await tx.tuples(_OUTLOOK, **_moments(self._clock.now(), lease_s))
        return Outlook(any_active=bool(any_active), slow=bool(slow), other=bool(other))

    async def claim(self, limit: int, lease_s: float, *, slow: bool) -> Sequence[LeasedEndpoint]:
        """Active endpoints of every agency, of the slow ones or of the others, that have something to be told now and that
        nobody tells; the longest untold first. Durable on return."""
        now = self._clock.now()
        moments = _moments(now, lease_s)
        find = _FIND.where(col(_W.slow).is_(slow)).limit(limit)
        token, until, taken = self._clock.new_id(), now + timedelta(seconds=lease_s), []
        still = {name: moments[name] for name in ("now", "far_lease")}
        async with self._writing() as tx:
            for row in await tx.rows(_W, find, **moments):
                take = update(_W).where(*_is(row.agency_id, row.id), _UNHELD)
                if await tx.change(take.values(lease_token=token, lease_until=until), **still):
                    lease = Lease(id=row.id, token=token, ends_at=until, attempt=1)
                    taken.append(LeasedEndpoint(endpoint=to_endpoint(row), lease=lease))
            if taken:
                await tx.commit()
        return taken

    async def standing(self, endpoint: Endpoint, limit: int) -> Standing:
        """In one view; so many due deliveries at most."""
        now, left = self._clock.now(), (*_of(endpoint.agency_id, endpoint.id), col(_D.state) == _WAITING)
        is_due = or_(col(_D.due_at) <= now, col(_D.due_at) > now + _FAR)
        keyless = select(col(_W.id)).where(*_is(endpoint.agency_id, endpoint.id), _keyless(now))
        due: Select[Any] = select(_D).where(*left, is_due).order_by(col(_D.sequence)).limit(limit)
        async with self._looking() as tx:
            ((waiting,),) = await tx.tuples(select(func.count()).where(*left))
            return Standing(
                has_key=not await tx.tuples(keyless),
                waiting=int(waiting),
                due=[value_of(Delivery, row) for row in await tx.rows(_D, due)] if waiting else (),
            )

    async def record(self, leased: LeasedEndpoint, report: Report) -> None:
        """Everything of the report, and the endpoint is free for others. StaleLease, and nothing kept, when the lease is no
        longer ours or the endpoint was removed."""
        endpoint, now = leased.endpoint, self._clock.now()
        agency_id, id = endpoint.agency_id, endpoint.id
        async with self._writing() as tx:
            values = {
                "lease_token": None,
                "lease_until": None,
                "cursor": report.cursor,
                "suspects": report.suspects,
                "slow": report.slow,
                "last_ok_at": report.last_ok_at or endpoint.last_ok_at,
                "last_try_at": report.last_try_at or endpoint.last_try_at,
            }
            mine = (*_is(agency_id, id), col(_W.lease_token) == leased.lease.token)
            if await tx.change(update(_W).where(*mine).values(**values)) != 1:
                raise errors.StaleLease(
                    f"the lease on {id} is no longer ours, or the webhook was removed: discard this result"
                )
            for each in report.deliveries:
                row = WebhookDeliveryRow.of(each, agency_id=endpoint.agency_id)
                await tx.put_over(row, "state", "attempts", "first_at", "at", "due_at", "tries")
            if report.revived:
                left = [*_of(agency_id, id), col(_D.state) == _WAITING, col(_D.due_at) > now]
                # What failed while others came through has a fault of its own, and keeps to its plan.
                left += [col(_D.first_at) > endpoint.last_ok_at] if endpoint.last_ok_at is not None else []
                await tx.change(update(_D).where(*left).values(due_at=now))
            due = await _first_due(tx, agency_id, id)
            await tx.change(update(_W).where(*_is(agency_id, id)).values(due_at=due))
            await self._end(tx, endpoint, report, now)
            await tx.commit()

    async def _end(self, tx: Transaction, endpoint: Endpoint, report: Report, now: datetime) -> None:
        """What people must hear of."""
        scope = AgencyScope(agency_id=endpoint.agency_id, principal_id="node")
        if report.pause is not None:
            active = (*_is(endpoint.agency_id, endpoint.id), col(_W.state) == _ACTIVE)
            paused = {"state": EndpointState.PAUSED.value, "paused_why": report.pause.value, "paused_at": now}
            if await tx.change(update(_W).where(*active).values(**paused, version=col(_W.version) + 1)):
                told = replace(endpoint, paused_why=report.pause)
                await self._tell(tx, scope, EventKind.WEBHOOK_PAUSED, told)
        for each in report.gave_up:
            data = {"host": endpoint.host, "sequence": each.sequence, "type": each.kind}
            code = each.last.code.value if each.last is not None else ""
            log = SqlEvents(tx, scope, self._clock)
            await log.append(EventKind.WEBHOOK_GAVE_UP, endpoint.id, now, {**data, "code": code})

    async def release(self, leased: LeasedEndpoint) -> None:
        """Free for others at once, nothing changed. Harmless when it is no longer ours."""
        mine = (
            *_is(leased.endpoint.agency_id, leased.endpoint.id),
            col(_W.lease_token) == leased.lease.token,
        )
        async with self._writing() as tx:
            await tx.change(update(_W).where(*mine).values(lease_token=None, lease_until=None))
            await tx.commit()

    async def trim(self, before: datetime, most: int) -> int:
        """Takes out deliveries with an end that are older, and of each endpoint those beyond the newest; how many."""
        ended = col(_D.state) != _WAITING
        async with self._reading() as tx:
            known = await tx.tuples(select(col(_W.agency_id), col(_W.id)))
        gone = 0
        for agency_id, id in known:
            mine = _of(agency_id, id)
            async with self._writing() as tx:
                gone += await tx.change(delete(_D).where(*mine, ended, col(_D.at) < before))
                newest = select(col(_D.sequence)).where(*mine).order_by(col(_D.sequence).desc())
                if beyond := await tx.tuples(newest.offset(most).limit(1)):
                    gone += await tx.change(delete(_D).where(*mine, ended, col(_D.sequence) <= beyond[0][0]))
                await tx.commit()
        return gone

    async def _tell(self, tx: Transaction, scope: AgencyScope, kind: EventKind, endpoint: Endpoint) -> None:
        """Never the whole address: what stands behind the host may be a secret of its owner."""
        data: dict[str, object] = {"host": endpoint.host, "types": list(endpoint.types)}
        if endpoint.paused_why is not None:
            data["why"] = endpoint.paused_why.value
        await SqlEvents(tx, scope, self._clock).append(kind, endpoint.id, self._clock.now(), data)


def _keyless(now: datetime) -> ColumnElement[bool]:
    """A program made the webhook, and none of its keys for that agency is good any more."""
    program = exists().where(
        col(PrincipalRow.id) == col(_W.created_by), col(PrincipalRow.kind) == PrincipalKind.PROGRAM.value
    )
    good = exists().where(
        col(ApiKeyRow.principal_id) == col(_W.created_by),
        col(ApiKeyRow.revoked_at).is_(None),
        or_(col(ApiKeyRow.expires_at).is_(None), col(ApiKeyRow.expires_at) > now),
        col(ApiKeyAgencyRow.key_id) == col(ApiKeyRow.id),
        col(ApiKeyAgencyRow.agency_id) == col(_W.agency_id),
    )
    return and_(program, ~good)


def _is(agency_id: str, id: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return col(_W.agency_id) == agency_id, col(_W.id) == id


def _of(agency_id: str, id: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return col(_D.agency_id) == agency_id, col(_D.webhook_id) == id


def _anew(now: datetime) -> dict[str, Any]:
    """Tried from the beginning, at once."""
    return {"state": _WAITING, "attempts": 0, "first_at": now, "due_at": now}


async def _known(tx: Transaction, query: Select[Any], id: str) -> WebhookRow:
    return await tx.one(_W, query, f"there is no webhook {id}", "gateway webhooks list")


async def _first_due(tx: Transaction, agency_id: str, id: str) -> datetime | None:
    left = (*_of(agency_id, id), col(_D.state) == _WAITING)
    row = await tx.first(_D, select(_D).where(*left).order_by(col(_D.due_at)))
    return row.due_at if row is not None else None


async def _newest(tx: Transaction, agency_id: str) -> int:
    found = await tx.tuples(select(col(_C.last)).where(col(_C.agency_id) == agency_id))
    return int(found[0][0]) if found else 0


def _said(external_id: str | None, body: str, trace: str | None) -> ClientData:
    words = {"external_id": external_id, "callback_data": json.loads(body)["draft"].get("callback_data")}
    said = {name: text for name, text in words.items() if text}
    return ClientData(words=said, trace=from_line(trace) if trace is not None else None)


def _aware(at: Any) -> datetime | None:  # Any: a function of a column has lost its type
    return Moment().process_result_value(datetime.fromisoformat(at) if isinstance(at, str) else at, None)  # type: ignore[arg-type]


def _row(endpoint: Endpoint) -> WebhookRow:
    scopes = json.dumps(sorted(endpoint.scopes))
    return WebhookRow.of(endpoint, scopes=scopes, lease_token=None, lease_until=None)


def to_endpoint(row: WebhookRow) -> Endpoint:
    # Those that there still are: it may be older than the last one that went.
    kept = json.loads(row.scopes)
    return value_of(Endpoint, row, scopes=frozenset(each for each in ApiScope if each.value in kept))
