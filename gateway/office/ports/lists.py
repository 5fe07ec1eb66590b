"""What pages ask of lists: rows by tab, filter and order, a page at a time in both directions; how many there are; and the
figures of the dashboard. Everything is of one agency, and all but `mark_read` only reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol

from gateway.domain.document import Urgency
from gateway.office.domain.listing import Line, Side, Tab
from gateway.office.domain.origin import Origin

# Counting stops there: a page says "10.000+".
MOST_COUNTED = 10_000


class Sort(StrEnum):
    """`FIRST` is the list's own order: what needs a person first; of incoming ones, by urgency and time left."""

    FIRST = "first"
    NEWEST = "newest"
    OLDEST = "oldest"
    NUMBER = "number"
    NUMBER_DOWN = "number-"
    PARTY = "party"
    PARTY_DOWN = "party-"
    ISSUED = "issued"
    ISSUED_DOWN = "issued-"
    TYPE = "type"
    TYPE_DOWN = "type-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a list shows. `side` None is both, for the search of the whole node; `text` is what a person typed, and what
    it finds is ordered by how well it fits, then newest. `since` and `until` are about arrival, or acceptance. `pressing`:
    of any urgency but the normal one; `book`: the year of a register book, or `NO_BOOK`; `tag`: the id of a label of the
    agency's own; `viewer`: what that department was given, or that person handed in, and nothing else
    (`office.domain.listing.unit_viewer`, `person_viewer`)."""

    side: Side | None
    tab: Tab | None = None
    attention: bool = False
    text: str = ""
    sort: Sort = Sort.FIRST
    type_name: str | None = None
    urgency: Urgency | None = None
    state: str | None = None
    party: str | None = None
    signer: str | None = None
    attached: bool | None = None
    origin: Origin | None = None
    book: str | None = None
    tag: str | None = None
    overdue: bool = False
    unread: bool = False
    pressing: bool = False
    viewer: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPage:
    """`now` is the moment that overdue and attention were judged by; pages behind a cursor keep it."""

    lines: tuple[Line, ...]
    now: datetime
    next_cursor: str | None = None
    previous_cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """`more`: there are more than this, and nobody counted how many."""

    n: int
    more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiles:
    """The dashboard's tiles that are about documents (interfaces.md 2.1); each is the count of a list."""

    late: Count
    urgent: Count
    today: Count
    unsent: Count
    silent: Count
    rejected: Count
    failed: Count


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


class Lists(Protocol):
    async def page(self, wanted: Wanted, *, limit: int, cursor: str | None = None) -> ListPage:
        """Each row once, in the order asked for, forward or back. NotFound for a cursor of another question."""

    async def count(self, wanted: Wanted) -> Count: ...

    async def tabs(self, side: Side) -> Mapping[Tab | None, Count]:
        """How many stand in each tab; None is all of them, and `Tab(0)` those that need a person."""

    async def beside(self, wanted: Wanted, id: str) -> tuple[str | None, str | None]:
        """The ids of the rows before and after that one; none for both where the list does not have it."""

    async def line(self, id: str) -> Line | None:
        """One document as its list has it."""

    async def mark_read(self, ids: Sequence[str], *, unread: bool = False) -> int:
        """Incoming documents that somebody of the agency has read now, or wants to have unread again; how many were not."""

    async def types(self, side: Side) -> Sequence[str]:
        """The keys of the types of document there are, for the choice of a filter."""

    async def books(self, side: Side) -> Sequence[str]:
        """The years of the register books in which there are documents; with `NO_BOOK` where some are in none."""

    async def tiles(self, today: date) -> Tiles: ...

    async def charts(self, today: date, days: int = 30) -> Charts: ...
