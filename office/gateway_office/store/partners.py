"""Contacts of this node's agencies: with which partners mail goes on, and how much went each day. In: the store, codes,
agencies, days. Out: when each partner was last heard, to which codes something went lately, counts by partner and result;
nothing of the subjects of documents. A packet counts as heard once it was admitted as its sender's: a document, a status, a
request or the answer to one; a document counts as gone once it left the node. Flows read each document of those days once,
found by the time it came or was accepted; never more days than `LONGEST_DAYS`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Executable, func, or_, select
from sqlmodel import col

from gateway.domain.document import UNDECIDED
from gateway.domain.states import AWAITED, IN_QUEUE, NEVER_LEFT, REQUESTED, TAKEN_IN, State
from gateway.domain.wall_clock import midnight
from gateway.store.inbox import REPEAT
from gateway.store.repository import in_parts
from gateway.store.row import same
from gateway.store.store import SqlStore
from gateway.store.tables import DeliveryRow, IdentityRow, InboxRow, IncomingRow, OutgoingRow
from gateway.store.transaction import Transaction
from gateway_office.domain.listing import Side

# In the order of the page.
RESULTS = ("waiting", "sent", "taken", "refused", "failed", "other")
# Counting reads each document of the time once, so the time is bounded.
LONGEST_DAYS = 31
_RESULT_OUT: Mapping[str, str] = {
    **dict.fromkeys(sorted(IN_QUEUE), "waiting"),
    **dict.fromkeys(sorted(AWAITED | REQUESTED), "sent"),
    **dict.fromkeys(sorted(TAKEN_IN), "taken"),
    **dict.fromkeys((State.REJECTED, State.REQUEST_REFUSED), "refused"),
    State.FAILED: "failed",
}
_RESULT_IN: Mapping[str, str] = {
    **dict.fromkeys(UNDECIDED, "waiting"),
    **dict.fromkeys(sorted(TAKEN_IN | {"replaced"}), "taken"),
    State.REJECTED: "refused",
}
# Senders of these days are found among the packets that came since; a busy partner's whole history is never read.
_LATELY = timedelta(days=7)
_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
_B, _D, _I, _O, _IN = InboxRow, DeliveryRow, IdentityRow, OutgoingRow, IncomingRow
_OF_DOCUMENT = same(_D.document_id, _O.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficQuery:
    """Question about traffic; both days are included. `agency_id` is one of ours, or empty for all; `partner` a code, or
    empty; `side` None is both directions."""

    first: date
    last: date
    agency_id: str = ""
    partner: str = ""
    side: Side | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """Number of documents to one recipient, or from one sender, on one day, that had this result."""

    day: date
    agency_id: str
    side: Side
    partner: str
    result: str
    n: int


def result_of(side: Side, state: str) -> str:
    return (_RESULT_OUT if side is Side.OUT else _RESULT_IN).get(state, "other")


async def last_seen(
    store: SqlStore, codes: Collection[str], now: datetime, agency_ids: Sequence[str]
) -> Mapping[str, datetime]:
    """Return when a packet of each of these codes was last admitted; a code without any has no key."""
    moment_by_code: dict[str, datetime] = {}
    async with store.reading() as tx:
        for part in in_parts(sorted(codes)):
            moment_by_code |= dict(await tx.tuples(_admitted_lately(part, now - _LATELY, agency_ids)))
        for part in in_parts(sorted({*codes} - moment_by_code.keys())):
            moment_by_code |= dict(await tx.tuples(_admitted(part, agency_ids, _BEGIN)))
    return moment_by_code


async def heard_since(
    store: SqlStore, codes: Collection[str], since: datetime, agency_ids: Sequence[str]
) -> Collection[str]:
    """Return those of these codes from which a packet was admitted since then."""
    heard_codes: set[str] = set()
    async with store.reading() as tx:
        for part in in_parts(sorted(codes)):
            heard_codes |= {code for code, _ in await tx.tuples(_admitted(part, agency_ids, since))}
    return heard_codes


async def sent_to_since(store: SqlStore, since: datetime, agency_ids: Sequence[str]) -> Collection[str]:
    """Return every code to which a document went that was accepted since then."""
    query = (
        select(col(_D.code))
        .select_from(_O)
        .join(_D, _OF_DOCUMENT)
        .where(
            col(_O.agency_id).in_(agency_ids),
            col(_O.created_at) >= since,
            col(_D.state).not_in(sorted(NEVER_LEFT)),
        )
        .distinct()
    )
    async with store.reading() as tx:
        return {code for (code,) in await tx.tuples(query)}


def _admitted_lately(codes: Sequence[str], since: datetime, agency_ids: Sequence[str]) -> Executable:
    return (
        select(col(_B.sender_code), func.max(col(_B.settled_at)))
        .where(
            col(_B.agency_id).in_(agency_ids),
            col(_B.received_at) >= since,
            col(_B.state) == "done",
            or_(col(_B.code).is_(None), col(_B.code) != REPEAT),
            col(_B.sender_code).in_(codes),
        )
        .group_by(col(_B.sender_code))
    )


def _admitted(codes: Sequence[str], agency_ids: Sequence[str], since: datetime) -> Executable:
    return (
        select(col(_I.sender), func.max(col(_I.at)))
        .where(col(_I.agency_id).in_(agency_ids), col(_I.sender).in_(codes), col(_I.at) >= since)
        .group_by(col(_I.sender))
    )


async def load_flows(store: SqlStore, query: TrafficQuery) -> Sequence[Flow]:
    agencies = [agency.id for agency in await store.hosted() if query.agency_id in ("", agency.id)]
    days = min((query.last - query.first).days + 1, LONGEST_DAYS)
    sides = (query.side,) if query.side is not None else tuple(Side)
    all_flows: list[Flow] = []
    async with store.reading() as tx:
        for agency_id in agencies:
            for n in range(days):
                for side in sides:
                    all_flows += await _flows_of_day(
                        tx, agency_id, query.first + timedelta(days=n), side, query.partner
                    )
    return all_flows


async def _flows_of_day(tx: Transaction, agency_id: str, day: date, side: Side, partner: str) -> list[Flow]:
    counted: Counter[tuple[str, str]] = Counter()
    for code, state, n in await _documents_of_day(tx, agency_id, day, side, partner):
        counted[code, result_of(side, state)] += n
    return [
        Flow(day=day, agency_id=agency_id, side=side, partner=code, result=result, n=n)
        for (code, result), n in sorted(counted.items())
    ]


async def _documents_of_day(
    tx: Transaction, agency_id: str, day: date, side: Side, partner: str
) -> Sequence[tuple[str, str, int]]:
    begin = midnight(day)
    if side is Side.OUT:
        code, state, agency, at = col(_D.code), col(_D.state), col(_O.agency_id), col(_O.created_at)
        query = select(code, state, func.count()).select_from(_O).join(_D, _OF_DOCUMENT)
    else:
        code, state, agency, at = (
            col(_IN.sender_code),
            col(_IN.state),
            col(_IN.agency_id),
            col(_IN.arrived_at),
        )
        query = select(code, state, func.count())
    query = query.where(agency == agency_id, at >= begin, at < begin + timedelta(days=1))
    if partner:
        query = query.where(func.lower(code) == partner.lower())
    return await tx.tuples(query.group_by(code, state))
