"""With whom mail goes on, and how much went each day between the agencies of this node and their partners. In: the
store, codes, whose mail counts, which days. Out: when each partner was last heard, to whom something went lately,
counts by partner and result; nothing of what documents are about. A packet counts as heard once it was admitted as
its sender's: a document, a status, a request or the answer to one; a document counts as gone once it left the node.
Flows take one look at each document of those days, found by the time it came or was accepted; never more days than
`LONGEST_DAYS`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Executable, and_, func, or_, select
from sqlmodel import col

from gateway.domain.document import UNDECIDED
from gateway.domain.status import AWAITED, NEVER_LEFT, REQUESTED, TAKEN_IN
from gateway.domain.wall_clock import midnight
from gateway.office.domain.listing import Side
from gateway.store.inbox import REPEAT
from gateway.store.repository import in_parts
from gateway.store.store import SqlStore
from gateway.store.tables import DeliveryRow, IdentityRow, InboxRow, IncomingRow, OutgoingRow
from gateway.store.transaction import Transaction

# In the order of the page.
RESULTS = ("waiting", "sent", "taken", "refused", "failed", "other")
# Counting is one look at each document of the time, so the time is bounded.
LONGEST_DAYS = 31
_RESULT_OUT: Mapping[str, str] = {
    **dict.fromkeys(("queued", "sending"), "waiting"),
    **dict.fromkeys(AWAITED | REQUESTED, "sent"),
    **dict.fromkeys(TAKEN_IN, "taken"),
    **dict.fromkeys(("rejected", "request_refused"), "refused"),
    "failed": "failed",
}
_RESULT_IN: Mapping[str, str] = {
    **dict.fromkeys(UNDECIDED, "waiting"),
    **dict.fromkeys(TAKEN_IN | {"replaced"}, "taken"),
    "rejected": "refused",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficWanted:
    """Both days are meant whole. `agency_id` is one of ours, or empty for all; `partner` a code, or empty; `side` None is
    both directions."""

    first: date
    last: date
    agency_id: str = ""
    partner: str = ""
    side: Side | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """`n` documents to one recipient, or from one sender, on one day, of which this became."""

    day: date
    agency_id: str
    side: Side
    partner: str
    result: str
    n: int


def result_of(side: Side, state: str) -> str:
    return (_RESULT_OUT if side is Side.OUT else _RESULT_IN).get(state, "other")


# Whoever wrote in these days is found among the packets that came since; all that a busy partner ever sent is never read.
_LATELY = timedelta(days=7)
_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
_B, _D, _I, _O, _IN = InboxRow, DeliveryRow, IdentityRow, OutgoingRow, IncomingRow
_OF_DOCUMENT = and_(col(_D.agency_id) == col(_O.agency_id), col(_D.document_id) == col(_O.id))


async def last_heard(
    store: SqlStore, codes: Collection[str], now: datetime, agency_ids: Sequence[str]
) -> Mapping[str, datetime]:
    """The newest that was admitted from each of these codes; who was never heard is no key."""
    found: dict[str, datetime] = {}
    async with store.reading() as tx:
        for part in in_parts(sorted(codes)):
            found |= dict(await tx.tuples(_lately(part, now - _LATELY, agency_ids)))
        for part in in_parts(sorted({*codes} - found.keys())):
            found |= dict(await tx.tuples(_admitted(part, agency_ids, _BEGIN)))
    return found


async def heard_since(
    store: SqlStore, codes: Collection[str], since: datetime, agency_ids: Sequence[str]
) -> Collection[str]:
    """Those of these codes from which something was admitted since then."""
    found: set[str] = set()
    async with store.reading() as tx:
        for part in in_parts(sorted(codes)):
            found |= {code for code, _ in await tx.tuples(_admitted(part, agency_ids, since))}
    return found


async def sent_to_since(store: SqlStore, since: datetime, agency_ids: Sequence[str]) -> Collection[str]:
    """Every code to which a document went that was accepted since then."""
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


def _lately(codes: Sequence[str], since: datetime, agency_ids: Sequence[str]) -> Executable:
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


async def flows(store: SqlStore, wanted: TrafficWanted) -> Sequence[Flow]:
    agencies = [each.id for each in await store.hosted() if wanted.agency_id in ("", each.id)]
    days = min((wanted.last - wanted.first).days + 1, LONGEST_DAYS)
    sides = (wanted.side,) if wanted.side is not None else tuple(Side)
    found: list[Flow] = []
    async with store.reading() as tx:
        for agency_id in agencies:
            for n in range(days):
                for side in sides:
                    found += await _flows_of_day(
                        tx, agency_id, wanted.first + timedelta(days=n), side, wanted.partner
                    )
    return found


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
