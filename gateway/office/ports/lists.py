"""What pages ask of lists: rows by tab, filter and order, a page at a time in both directions; how many there are; the
figures of the dashboard; an agency's own labels and each person's saved views; and what a page keeps for the page
that follows it, found again whichever process of the node is asked, by the same session alone, for its time.
Everything but what is kept is of one agency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol

from gateway.domain.document import Urgency
from gateway.office.domain.listing import ListLine, Origin, SavedView, Side, Tab, Tag

# Counting stops there: a page says "10.000+".
MOST_COUNTED = 10_000


class ListOrder(StrEnum):
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
    agency's own; `late`: a day before which a unit's work or a recipient's answer was due and is not there; `viewer`: what
    that department was given, or that person handed in, and nothing else (`office.domain.listing.unit_viewer`,
    `person_viewer`)."""

    side: Side | None
    tab: Tab | None = None
    attention: bool = False
    text: str = ""
    sort: ListOrder = ListOrder.FIRST
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
    late: date | None = None
    unread: bool = False
    pressing: bool = False
    viewer: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPage:
    """`now` is the moment that overdue and attention were judged by; pages behind a cursor keep it."""

    lines: tuple[ListLine, ...]
    now: datetime
    next_cursor: str | None = None
    previous_cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListCount:
    """`more`: there are more than this, and nobody counted how many."""

    n: int
    more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiles:
    """The dashboard's tiles that are about documents (interfaces.md 2.1); each is the count of a list."""

    late: ListCount
    urgent: ListCount
    today: ListCount
    unsent: ListCount
    silent: ListCount
    rejected: ListCount
    failed: ListCount


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


class Lists(Protocol):
    async def page(self, wanted: Wanted, *, limit: int, cursor: str | None = None) -> ListPage:
        """Each row once, in the order asked for, forward or back. NotFound for a cursor of another question."""

    async def count(self, wanted: Wanted) -> ListCount: ...

    async def tabs(self, side: Side) -> Mapping[Tab | None, ListCount]:
        """How many stand in each tab; None is all of them, and `Tab(0)` those that need a person."""

    async def beside(self, wanted: Wanted, id: str) -> tuple[str | None, str | None]:
        """The ids of the rows before and after that one; none for both where the list does not have it."""

    async def late(self, side: Side, ids: Sequence[str], today: date) -> frozenset[str]:
        """Those of them on which work or an answer is late."""

    async def line(self, id: str) -> ListLine | None:
        """One document as its list has it."""

    async def mark_read(self, ids: Sequence[str], *, unread: bool = False) -> int:
        """Incoming documents that somebody of the agency has read now, or wants to have unread again; how many were not."""

    async def types(self, side: Side) -> Sequence[str]:
        """The keys of the types of document there are, for the choice of a filter."""

    async def books(self, side: Side) -> Sequence[str]:
        """The years of the register books in which there are documents; with `NO_BOOK` where some are in none."""

    async def tiles(self, today: date) -> Tiles: ...

    async def day(self, today: date) -> DayHours: ...

    async def charts(self, today: date, days: int = 30) -> Charts: ...


class Tags(Protocol):
    """The labels of one agency."""

    async def all(self) -> Sequence[Tag]:
        """By name."""

    async def named(self, name: str) -> Tag | None:
        """Letter case and accents do not matter."""

    async def add(self, tag: Tag) -> None:
        """Clash when there is one that reads the same."""

    async def remove(self, id: str) -> bool:
        """With every mark of it. Whether there was one."""

    async def of(self, ids: Sequence[str]) -> Mapping[str, Sequence[Tag]]:
        """What these documents carry, by name; only those that carry any."""

    async def mark(self, id: str, side: Side, document_id: str, at: datetime, by: str) -> bool:
        """Whether the document did not carry it yet."""

    async def unmark(self, id: str, document_id: str) -> bool:
        """Whether the document carried it."""

    async def counts(self) -> Mapping[tuple[str, Side], int]:
        """How many documents of each direction carry each label; only those that some carry."""


class SavedViews(Protocol):
    async def of(self, person_id: str, side: Side) -> Sequence[SavedView]:
        """By name."""

    async def save(self, view: SavedView) -> None:
        """In place of one of the same name; letter case and accents do not matter. The list opens with at most one."""

    async def remove(self, person_id: str, side: Side, name: str) -> bool:
        """Whether there was one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """`key` cannot be guessed; `body` is the page's own matter."""

    key: str
    session_id: str
    body: bytes = field(repr=False)
    at: datetime
    until: datetime


class Keepings(Protocol):
    async def keep(self, keeping: Keeping) -> None:
        """Durable on return. What is over goes, and of a session all but the newest few."""

    async def find(self, key: str, session_id: str, now: datetime) -> bytes | None:
        """The body; none for another session, or when its time is over."""

    async def forget(self, key: str) -> None:
        """Harmless where there is none."""
