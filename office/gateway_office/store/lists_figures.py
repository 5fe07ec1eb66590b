"""Figures by day, for the charts, and rows of lists for documents that are older than lists. In: a day of one agency; the
store and the size of a batch. Out: how many documents were sent and received, how long they took until 01 and until 03, by
recipient too; kept as one row, because a year of facts is too much to read for a page, and read an hour at a time to bound
memory; and whether there are more rows to write. The node goes on working meanwhile: each batch is a short transaction, and
of two writers the later one wins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import and_, case, func, literal, or_, select
from sqlmodel import col

from gateway.domain.states import State, Track
from gateway.domain.wall_clock import VIETNAM, midnight
from gateway.store.row import equal, from_json, same, to_json
from gateway.store.tables import DeliveryRow, FactRow, IncomingRow, OutgoingRow
from gateway.store.tables_office import SENT, ListDayRow, ListFillRow, ListRow
from gateway.store.transaction import Transaction
from gateway_office.domain.listing import Side
from gateway_office.store.lists_overlay import Condition, Overlay
from gateway_office.store.lists_write import ListFolder, first_place

_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
# An older version of the program, at work on the same database while this one starts, writes no rows.
REFILL_SPAN = timedelta(days=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """Duration of a step, in seconds, over `n` recipients."""

    n: int
    median: float
    p90: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Slow:
    """A slow recipient: how many documents it took in, and the mean time from 01 to 03 in seconds."""

    code: str
    n: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Charts:
    """Figures behind the charts, over the days before and with `today`. `hours`: arrivals by weekday, Monday first, and
    hour. `states`: documents of today by the word shown."""

    days: Mapping[date, Figures]
    states: Mapping[str, int]
    slowest: tuple[Slow, ...]
    hours: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DayHours:
    """Numbers of documents received and sent in each hour of one day."""

    received: tuple[int, ...]
    sent: tuple[int, ...]


DAYS = 30
# Days whose deliveries still move are worked out again once a day; today every ten minutes, or every minute while little
# happened on it.
FIGURES_MOVE = timedelta(days=7)
FRESH, SOON = timedelta(minutes=10), timedelta(minutes=1)
LITTLE = 500
MOST_SLOW = 10
_MOST_CODES = 200  # of one day
_R = ListRow
_HOUR = timedelta(hours=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Stored figures of a day: documents sent, and received by the hour, how long until 01, and from there until 03.
    `slow`: by recipient, how many it took in and the seconds of all together."""

    sent: int = 0
    received: int = 0
    hours: tuple[int, ...] = (0,) * 24
    delivered: Lag | None = None
    taken_in: Lag | None = None
    slow: dict[str, tuple[int, float]] = field(default_factory=dict)


async def charts(tx: Transaction, overlay: Overlay, agency_id: str, today: date, days: int) -> Charts:
    first = today - timedelta(days=days - 1)
    query = select(ListDayRow).where(
        col(ListDayRow.agency_id) == agency_id, col(ListDayRow.day) >= first, col(ListDayRow.day) <= today
    )
    by_day = {row.day: from_json(Figures, row.body) for row in await tx.rows(ListDayRow, query)}
    # Today's documents are counted afresh; times wait until the day is worked out again.
    stored, counts = (by_day.get(today, Figures()), await _count_day(overlay, agency_id, midnight(today)))
    by_day[today] = replace(counts, delivered=stored.delivered, taken_in=stored.taken_in, slow=stored.slow)
    dates = [first + timedelta(days=n) for n in range(days)]
    return Charts(
        days={day: by_day.get(day, Figures()) for day in dates},
        states=await _states(overlay, agency_id, today),
        slowest=_slowest(list(by_day.values())),
        hours=_grid(by_day),
    )


async def count_hours(overlay: Overlay, agency_id: str, day: date) -> DayHours:
    """Count documents received and sent in each hour of that day, as of now."""
    begin = midnight(day)
    sent_at = col(_R.sent_at)
    hour = case(*((sent_at < begin + n * _HOUR, n - 1) for n in range(1, 24)), else_=23)
    query = select(hour, func.count()).where(_sent_between(agency_id, begin, begin + timedelta(days=1)))
    sent = await overlay.count(lambda more: query.where(*more).group_by(hour))
    received = await _count_arrivals(overlay, agency_id, begin)
    return DayHours(
        received=tuple(received.get(n, 0) for n in range(24)), sent=tuple(sent.get(n, 0) for n in range(24))
    )


async def work_out_figures(overlay: Overlay, agency_id: str, day: date) -> Figures:
    """Work out a day's figures from the rows and facts as they are now."""
    begin = midnight(day)
    counts = await _count_day(overlay, agency_id, begin)
    delivered: list[float] = []
    slow: dict[str, list[float]] = {}
    for hour in range(24 if counts.sent else 0):
        within = _sent_between(agency_id, begin + hour * _HOUR, begin + (hour + 1) * _HOUR)
        for code, delivered_after, accepted_after in await _lags(overlay, within):
            delivered += [] if delivered_after is None else [delivered_after]
            if accepted_after is not None:
                slow.setdefault(code, []).append(accepted_after)
    worst = sorted(slow.items(), key=lambda item: -sum(item[1]))[:_MOST_CODES]
    return replace(
        counts,
        delivered=measure_lag(delivered),
        taken_in=measure_lag([seconds for lags in slow.values() for seconds in lags]),
        slow={code: (len(lags), sum(lags)) for code, lags in worst},
    )


async def find_due_day(tx: Transaction, agency_id: str, now: datetime) -> date | None:
    """Find a day whose figures are missing or old, the newest first."""
    today = now.astimezone(VIETNAM).date()
    query = select(ListDayRow).where(
        col(ListDayRow.agency_id) == agency_id, col(ListDayRow.day) > today - timedelta(days=DAYS)
    )
    row_by_day = {row.day: row for row in await tx.rows(ListDayRow, query)}
    for n in range(DAYS):
        day = today - timedelta(days=n)
        if day not in row_by_day or _is_old(row_by_day[day], today, now):
            return day
    return None


def measure_lag(seconds: Sequence[float]) -> Lag | None:
    """Compute median and 90th percentile; None of no measurements."""
    from statistics import quantiles  # for those who ask for figures

    if not seconds:
        return None
    tenths = quantiles(seconds, n=10, method="inclusive") if len(seconds) > 1 else [seconds[0]] * 9
    return Lag(n=len(seconds), median=tenths[4], p90=tenths[8])


def _is_old(row: ListDayRow, today: date, now: datetime) -> bool:
    if row.day == today:
        figures = from_json(Figures, row.body)
        return row.made_at <= now - (SOON if figures.sent + figures.received < LITTLE else FRESH)
    return row.day > today - FIGURES_MOVE and row.made_at.astimezone(VIETNAM).date() < today


def _sent_between(agency_id: str, since: datetime, end: datetime) -> Condition:
    """Select documents by when they left: a draft counts for no day, and one of yesterday that leaves today for today."""
    mine = and_(col(_R.agency_id) == agency_id, col(_R.side) == Side.OUT.value)
    return and_(mine, SENT, col(_R.sent_at) >= since, col(_R.sent_at) < end)


async def _count_day(overlay: Overlay, agency_id: str, begin: datetime) -> Figures:
    """Count documents sent on that day, and received ones by hour."""
    query = select(literal(0), func.count()).where(_sent_between(agency_id, begin, begin + timedelta(days=1)))
    sent_counts = await overlay.count(lambda more: query.where(*more))
    hours = await _count_arrivals(overlay, agency_id, begin)
    return Figures(
        sent=sent_counts.get(0, 0),
        received=sum(hours.values()),
        hours=tuple(hours.get(hour, 0) for hour in range(24)),
    )


async def _count_arrivals(overlay: Overlay, agency_id: str, begin: datetime) -> dict[int, int]:
    """Count documents received on the day that begins then, by hour."""
    end = begin + timedelta(days=1)
    hour = col(_R.place) // first_place(_EPOCH + _HOUR)
    query = select(hour, func.count()).where(
        col(_R.agency_id) == agency_id,
        col(_R.side) == Side.IN.value,
        col(_R.place) >= first_place(begin),
        col(_R.place) < first_place(end),
    )
    counts = await overlay.count(lambda more: query.where(*more).group_by(hour))
    return {(_EPOCH + since_epoch * _HOUR).astimezone(VIETNAM).hour: n for since_epoch, n in counts.items()}


async def _lags(overlay: Overlay, within: Condition) -> list[tuple[str, float | None, float | None]]:
    """List for each recipient its code, the seconds until 01, and from there until 03."""
    is_milestone = or_(
        and_(col(FactRow.track) == Track.TRANSPORT.value, col(FactRow.code) == State.SENT),
        and_(col(FactRow.track) == Track.BUSINESS.value, col(FactRow.code).in_(("01", "03"))),
    )
    query = (
        select(col(DeliveryRow.id), col(DeliveryRow.code), col(FactRow.code), func.min(col(FactRow.at)))
        .select_from(_R)
        .join(DeliveryRow, same(DeliveryRow.document_id, _R.id))
        .join(FactRow, same(FactRow.subject_id, DeliveryRow.id))
        .where(within, is_milestone)
        .group_by(col(DeliveryRow.id), col(DeliveryRow.code), col(FactRow.code))
    )
    times: dict[tuple[str, str], dict[str, datetime]] = {}
    for id, code, fact, at in await overlay.find(lambda more: query.where(*more)):
        times.setdefault((id, code), {})[fact] = at
    return [(code, _delay(at, "sent", "01"), _delay(at, "01", "03")) for (_, code), at in times.items()]


def _delay(at: dict[str, datetime], start: str, end: str) -> float | None:
    """Return the seconds between; None where one is missing. An answer that overtook our own confirmation took none."""
    if start not in at or end not in at:
        return None
    return max(0.0, (at[end] - at[start]).total_seconds())


async def _states(overlay: Overlay, agency_id: str, today: date) -> dict[str, int]:
    begin = midnight(today)
    within = _sent_between(agency_id, begin, begin + timedelta(days=1))
    query = select(col(_R.state), func.count()).where(within).group_by(col(_R.state))
    counted = await overlay.count(lambda more: query.where(*more))
    return dict(sorted(counted.items(), key=lambda item: -item[1]))


def _slowest(days: Sequence[Figures]) -> tuple[Slow, ...]:
    sums: dict[str, tuple[int, float]] = {}
    for day in days:
        for code, (n, seconds) in day.slow.items():
            so_far = sums.get(code, (0, 0.0))
            sums[code] = (so_far[0] + n, so_far[1] + seconds)
    slow = [Slow(code=code, n=n, seconds=seconds / n) for code, (n, seconds) in sums.items()]
    return tuple(sorted(slow, key=lambda recipient: (-recipient.seconds, recipient.code))[:MOST_SLOW])


def _grid(by_day: dict[date, Figures]) -> tuple[tuple[int, ...], ...]:
    grid = [[0] * 24 for _ in range(7)]
    for day, figures in by_day.items():
        for hour, n in enumerate(figures.hours):
            grid[day.weekday()][hour] += n
    return tuple(map(tuple, grid))


async def fill_rows(folder: ListFolder, agencies: Sequence[str], limit: int) -> bool:
    """Fill one batch, of one agency and side; return True when there may be more."""
    for agency_id in agencies:
        for side in Side:
            of_side = equal(ListFillRow, agency_id=agency_id, side=side.value)
            async with folder.reading() as tx:
                progress = await tx.first(ListFillRow, select(ListFillRow).where(of_side))
            if progress is None or not progress.done:
                await _fill_batch(folder, agency_id, side, progress, limit)
                return True
    return False


async def refill(folder: ListFolder) -> None:
    """Look through filled rows once more from two days ago: for the start of a process."""
    async with folder.changing() as tx:
        for row in await tx.rows(ListFillRow, select(ListFillRow).where(col(ListFillRow.done).is_(True))):
            since = min(row.at, folder.clock.now() - REFILL_SPAN)
            back = ListFillRow(agency_id=row.agency_id, side=row.side, at=since, id="", done=False)
            await tx.upsert(back)


async def work_out_day(folder: ListFolder, agencies: Sequence[str]) -> bool:
    """Work out one day whose figures are missing or old; return False when none are. No writer waits for its reads."""
    now = folder.clock.now()
    for agency_id in agencies:
        async with folder.reading() as tx:
            day = await find_due_day(tx, agency_id, now)
            figures = None
            if day is not None:
                figures = await work_out_figures(await folder.overlay(tx, agency_id), agency_id, day)
        if day is not None and figures is not None:
            row = ListDayRow(agency_id=agency_id, day=day, made_at=now, body=to_json(Figures, figures))
            async with folder.changing() as tx:
                await tx.upsert(row)
            return True
    return False


async def _fill_batch(
    folder: ListFolder, agency_id: str, side: Side, progress: ListFillRow | None, limit: int
) -> None:
    async with folder.changing() as tx:
        since = (progress.at, progress.id) if progress is not None else (_BEGIN, "")
        documents = await _next_documents(tx, agency_id, side, since, limit)
        await folder.write(tx, {(agency_id, id): side for id, _ in documents})
        at, id = (documents[-1][1], documents[-1][0]) if documents else since
        row = ListFillRow(agency_id=agency_id, side=side.value, at=at, id=id, done=len(documents) < limit)
        await tx.upsert(row)
        tx.when_committed(partial(folder.changed, agency_id))


async def _next_documents(
    tx: Transaction, agency_id: str, side: Side, since: tuple[datetime, str], limit: int
) -> Sequence[Any]:
    table: Any = OutgoingRow if side is Side.OUT else IncomingRow
    at = col(OutgoingRow.created_at) if side is Side.OUT else col(IncomingRow.arrived_at)
    is_later = or_(at > since[0], and_(at == since[0], table.id > since[1]))
    query = select(table.id, at).where(table.agency_id == agency_id, at >= since[0], is_later)
    return await tx.tuples(query.order_by(at, table.id).limit(limit))
