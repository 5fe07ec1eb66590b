"""What lists have besides the rows that are written with their documents: figures by day, for the charts, and the rows
of documents that are older than lists. In: a day of one agency; the store and how many at once. Out: what was sent
and received, how long it took until 01 and until 03, by recipient too; kept as one row, because a year of facts is
too much to read for a page, and read an hour at a time, so that memory is that of an hour; and whether there are
more rows to write. The node goes on working meanwhile: each batch is a short transaction, and whatever is written by
both ends as the later one says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from statistics import quantiles
from typing import Any

from sqlalchemy import and_, case, func, literal, or_, select
from sqlmodel import col

from gateway.domain.status import Track
from gateway.domain.wall_clock import VIETNAM, midnight
from gateway.office.domain.listing import Side
from gateway.office.store.lists_overlay import Condition, Overlay
from gateway.office.store.lists_write import ListFolder, first_place
from gateway.store.row import from_json, to_json
from gateway.store.tables import DeliveryRow, FactRow, IncomingRow, OutgoingRow
from gateway.store.tables_office import SENT, ListDayRow, ListFillRow, ListRow
from gateway.store.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """How long something took, in seconds, over `n` recipients."""

    n: int
    median: float
    p90: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DayFigures:
    """One day: what was sent and received, how long until 01, and from there until 03."""

    day: date
    sent: int = 0
    received: int = 0
    delivered: Lag | None = None
    taken_in: Lag | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Slow:
    """One recipient: how many it took in, and the mean time from 01 to 03 in seconds."""

    code: str
    n: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Charts:
    """What the charts are drawn from, over the days before and with `today`. `hours`: arrivals by weekday, Monday first,
    and hour. `states`: documents of today by the word shown."""

    days: tuple[DayFigures, ...]
    states: Mapping[str, int]
    slowest: tuple[Slow, ...]
    hours: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DayHours:
    """How many documents came and left in each hour of one day."""

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
    """What is kept of a day. `slow`: by recipient, how many it took in and the seconds of all together."""

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
    known = {row.day: from_json(Figures, row.body) for row in await tx.rows(ListDayRow, query)}
    # What was sent and received today as it is now; times wait until the day is worked out again.
    kept, counted = known.get(today, Figures()), await _counted(overlay, agency_id, midnight(today))
    known[today] = replace(counted, delivered=kept.delivered, taken_in=kept.taken_in, slow=kept.slow)
    figures = [(day, known.get(day, Figures())) for day in (first + timedelta(days=n) for n in range(days))]
    return Charts(
        days=tuple(
            DayFigures(
                day=day,
                sent=found.sent,
                received=found.received,
                delivered=found.delivered,
                taken_in=found.taken_in,
            )
            for day, found in figures
        ),
        states=await _states(overlay, agency_id, today),
        slowest=_slowest(list(known.values())),
        hours=_grid(known),
    )


async def hours_of(overlay: Overlay, agency_id: str, day: date) -> DayHours:
    """What came and left in each hour of that day, as it is now."""
    begin = midnight(day)
    sent_at = col(_R.sent_at)
    hour = case(*((sent_at < begin + n * _HOUR, n - 1) for n in range(1, 24)), else_=23)
    left = select(hour, func.count()).where(_sent(agency_id, begin, begin + timedelta(days=1)))
    sent = await overlay.counted(lambda more: left.where(*more).group_by(hour))
    came = await _arrived(overlay, agency_id, begin)
    return DayHours(
        received=tuple(came.get(n, 0) for n in range(24)), sent=tuple(sent.get(n, 0) for n in range(24))
    )


async def work_out_figures(overlay: Overlay, agency_id: str, day: date) -> Figures:
    """From the rows and facts as they are now."""
    begin = midnight(day)
    counted = await _counted(overlay, agency_id, begin)
    delivered: list[float] = []
    slow: dict[str, list[float]] = {}
    for hour in range(24 if counted.sent else 0):
        within = _sent(agency_id, begin + hour * _HOUR, begin + (hour + 1) * _HOUR)
        for code, until_there, until_taken in await _lags(overlay, within):
            delivered += [] if until_there is None else [until_there]
            if until_taken is not None:
                slow.setdefault(code, []).append(until_taken)
    worst = sorted(slow.items(), key=lambda item: -sum(item[1]))[:_MOST_CODES]
    return replace(
        counted,
        delivered=lag(delivered),
        taken_in=lag([each for lags in slow.values() for each in lags]),
        slow={code: (len(lags), sum(lags)) for code, lags in worst},
    )


async def due_day(tx: Transaction, agency_id: str, now: datetime) -> date | None:
    """A day whose figures are missing or old; the newest first."""
    today = now.astimezone(VIETNAM).date()
    query = select(ListDayRow).where(
        col(ListDayRow.agency_id) == agency_id, col(ListDayRow.day) > today - timedelta(days=DAYS)
    )
    made = {row.day: row for row in await tx.rows(ListDayRow, query)}
    for n in range(DAYS):
        day = today - timedelta(days=n)
        if day not in made or _is_old(made[day], today, now):
            return day
    return None


def lag(seconds: Sequence[float]) -> Lag | None:
    """Median and 90th percentile of what was measured; None of nothing."""
    if not seconds:
        return None
    tenths = quantiles(seconds, n=10, method="inclusive") if len(seconds) > 1 else [seconds[0]] * 9
    return Lag(n=len(seconds), median=tenths[4], p90=tenths[8])


def _is_old(made: ListDayRow, today: date, now: datetime) -> bool:
    if made.day == today:
        figures = from_json(Figures, made.body)
        return made.made_at <= now - (SOON if figures.sent + figures.received < LITTLE else FRESH)
    return made.day > today - FIGURES_MOVE and made.made_at.astimezone(VIETNAM).date() < today


def _sent(agency_id: str, since: datetime, until: datetime) -> Condition:
    """Documents by when they left: a draft counts for no day, and one of yesterday that leaves today for today."""
    mine = and_(col(_R.agency_id) == agency_id, col(_R.side) == Side.OUT.value)
    return and_(mine, SENT, col(_R.sent_at) >= since, col(_R.sent_at) < until)


async def _counted(overlay: Overlay, agency_id: str, begin: datetime) -> Figures:
    """What was sent on that day, and what came in by its hours."""
    sent = select(literal(0), func.count()).where(_sent(agency_id, begin, begin + timedelta(days=1)))
    left = await overlay.counted(lambda more: sent.where(*more))
    hours = await _arrived(overlay, agency_id, begin)
    return Figures(
        sent=left.get(0, 0),
        received=sum(hours.values()),
        hours=tuple(hours.get(hour, 0) for hour in range(24)),
    )


async def _arrived(overlay: Overlay, agency_id: str, begin: datetime) -> dict[int, int]:
    """What came in on the day that begins then, by its hours."""
    until = begin + timedelta(days=1)
    hour = col(_R.place) // first_place(_EPOCH + _HOUR)
    arrived = select(hour, func.count()).where(
        col(_R.agency_id) == agency_id,
        col(_R.side) == Side.IN.value,
        col(_R.place) >= first_place(begin),
        col(_R.place) < first_place(until),
    )
    counted = await overlay.counted(lambda more: arrived.where(*more).group_by(hour))
    return {(_EPOCH + since_epoch * _HOUR).astimezone(VIETNAM).hour: n for since_epoch, n in counted.items()}


async def _lags(overlay: Overlay, within: Condition) -> list[tuple[str, float | None, float | None]]:
    """Of each recipient: its code, the seconds until 01, and from there until 03."""
    told = or_(
        and_(col(FactRow.track) == Track.TRANSPORT.value, col(FactRow.code) == "sent"),
        and_(col(FactRow.track) == Track.BUSINESS.value, col(FactRow.code).in_(("01", "03"))),
    )
    query = (
        select(col(DeliveryRow.id), col(DeliveryRow.code), col(FactRow.code), func.min(col(FactRow.at)))
        .select_from(_R)
        .join(DeliveryRow, _same(DeliveryRow, col(DeliveryRow.document_id) == col(_R.id)))
        .join(FactRow, _same(FactRow, col(FactRow.subject_id) == col(DeliveryRow.id)))
        .where(within, told)
        .group_by(col(DeliveryRow.id), col(DeliveryRow.code), col(FactRow.code))
    )
    times: dict[tuple[str, str], dict[str, datetime]] = {}
    for id, code, fact, at in await overlay.found(lambda more: query.where(*more)):
        times.setdefault((id, code), {})[fact] = at
    return [(code, _took(at, "sent", "01"), _took(at, "01", "03")) for (_, code), at in times.items()]


def _same(table: Any, condition: Condition) -> Condition:
    return and_(table.agency_id == col(_R.agency_id), condition)


def _took(at: dict[str, datetime], start: str, end: str) -> float | None:
    """None where one of them is missing; an answer that overtook our own confirm took no time."""
    if start not in at or end not in at:
        return None
    return max(0.0, (at[end] - at[start]).total_seconds())


async def _states(overlay: Overlay, agency_id: str, today: date) -> dict[str, int]:
    begin = midnight(today)
    within = _sent(agency_id, begin, begin + timedelta(days=1))
    query = select(col(_R.state), func.count()).where(within).group_by(col(_R.state))
    counted = await overlay.counted(lambda more: query.where(*more))
    return dict(sorted(counted.items(), key=lambda item: -item[1]))


def _slowest(found: Sequence[Figures]) -> tuple[Slow, ...]:
    sums: dict[str, tuple[int, float]] = {}
    for each in found:
        for code, (n, seconds) in each.slow.items():
            before = sums.get(code, (0, 0.0))
            sums[code] = (before[0] + n, before[1] + seconds)
    slow = [Slow(code=code, n=n, seconds=seconds / n) for code, (n, seconds) in sums.items()]
    return tuple(sorted(slow, key=lambda one: (-one.seconds, one.code))[:MOST_SLOW])


def _grid(known: dict[date, Figures]) -> tuple[tuple[int, ...], ...]:
    grid = [[0] * 24 for _ in range(7)]
    for day, found in known.items():
        for hour, n in enumerate(found.hours):
            grid[day.weekday()][hour] += n
    return tuple(map(tuple, grid))


_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
# An older version of the program, at work on the same database while this one starts, writes no rows.
FILL_AGAIN = timedelta(days=2)
Unit = Callable[[], AbstractAsyncContextManager[Transaction]]


async def fill_rows(
    reading: Unit,
    writing: Unit,
    agencies: Sequence[str],
    limit: int,
    folder: ListFolder,
    changed: Callable[[str], None],
) -> bool:
    """One batch, of one agency and side; True when there may be more."""
    for agency_id in agencies:
        for side in Side:
            this = (col(ListFillRow.agency_id) == agency_id, col(ListFillRow.side) == side.value)
            async with reading() as tx:
                at = await tx.first(ListFillRow, select(ListFillRow).where(*this))
            if at is None or not at.done:
                await _fill_batch(writing, agency_id, side, at, limit, folder, changed)
                return True
    return False


async def fill_again(writing: Unit, now: datetime) -> None:
    """What was filled is looked through once more from two days ago: for the start of a process."""
    async with writing() as tx:
        for row in await tx.rows(ListFillRow, select(ListFillRow).where(col(ListFillRow.done).is_(True))):
            since = min(row.at, now - FILL_AGAIN)
            back = ListFillRow(agency_id=row.agency_id, side=row.side, at=since, id="", done=False)
            await tx.put_over(back, "at", "id", "done")
        await tx.commit()


async def work_out_day(
    reading: Unit, writing: Unit, agencies: Sequence[str], now: datetime, folder: ListFolder
) -> bool:
    """The figures of one day that are missing or old; False when none are. Read first, so that nobody waits to write."""
    for agency_id in agencies:
        async with reading() as tx:
            day = await due_day(tx, agency_id, now)
            figures = None
            if day is not None:
                figures = await work_out_figures(await folder.overlay(tx, agency_id), agency_id, day)
        if day is not None and figures is not None:
            row = ListDayRow(agency_id=agency_id, day=day, made_at=now, body=to_json(Figures, figures))
            async with writing() as tx:
                await tx.put_over(row, "made_at", "body")
                await tx.commit()
            return True
    return False


async def _fill_batch(
    writing: Unit,
    agency_id: str,
    side: Side,
    reached: ListFillRow | None,
    limit: int,
    folder: ListFolder,
    changed: Callable[[str], None],
) -> None:
    async with writing() as tx:
        since = (reached.at, reached.id) if reached is not None else (_BEGIN, "")
        found = await _next_documents(tx, agency_id, side, since, limit)
        await folder.write(tx, {(agency_id, id): side for id, _ in found})
        at, id = (found[-1][1], found[-1][0]) if found else since
        row = ListFillRow(agency_id=agency_id, side=side.value, at=at, id=id, done=len(found) < limit)
        await tx.put_over(row, "at", "id", "done")
        tx.when_committed(partial(changed, agency_id))
        await tx.commit()


async def _next_documents(
    tx: Transaction, agency_id: str, side: Side, since: tuple[datetime, str], limit: int
) -> Sequence[Any]:
    table: Any = OutgoingRow if side is Side.OUT else IncomingRow
    at = col(OutgoingRow.created_at) if side is Side.OUT else col(IncomingRow.arrived_at)
    later = or_(at > since[0], and_(at == since[0], table.id > since[1]))
    query = select(table.id, at).where(table.agency_id == agency_id, at >= since[0], later)
    return await tx.tuples(query.order_by(at, table.id).limit(limit))
