"""What the pages ask about the node itself: its standing, its queues, what was put aside, its copies, its line to the
axis, how much went between it and its partners, and its sealed log; and of the exchange what people compare of a
certificate, with whom mail goes on, and the helper that puts the agency's own signature on a PDF. In: nothing of any
document but the file to sign. Kept by adapters in `office.node`; words are keys of the labels with their parameters."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, BinaryIO, Protocol

from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.diagnosis import Diagnosis, Tag
from gateway.domain.document import UNDECIDED
from gateway.domain.pace import JobDay, QueueSample
from gateway.domain.pdf import Placement, Wish
from gateway.domain.registry import AgencyEntry, AgencyFilter
from gateway.domain.status import ASKED, AWAITED, TAKEN
from gateway.edxml.parse import View
from gateway.office.domain.listing import Side
from gateway.ops.status import NodeStatus
from gateway.ports import DeadParcel, InboxPacket, OutboxItem, Page

# In the order of the page.
RESULTS = ("waiting", "sent", "taken", "refused", "failed", "other")
# Counting is one look at each document of the time, so the time is bounded.
LONGEST_DAYS = 31
_RESULT_OUT: Mapping[str, str] = {
    **dict.fromkeys(("queued", "sending"), "waiting"),
    **dict.fromkeys(AWAITED | ASKED, "sent"),
    **dict.fromkeys(TAKEN, "taken"),
    **dict.fromkeys(("rejected", "request_refused"), "refused"),
    "failed": "failed",
}
_RESULT_IN: Mapping[str, str] = {
    **dict.fromkeys(UNDECIDED, "waiting"),
    **dict.fromkeys(TAKEN | {"replaced"}, "taken"),
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


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalAsk:
    """What is looked for; everything empty does not matter. `within` are kinds, or beginnings of kinds with a `*`, to which
    the person's role confines it; `agency_id` None is the whole node. `people`: also what the node tells of the people
    who have a post in that agency."""

    agency_id: str | None = None
    people: bool = False
    principal_id: str = ""
    within: tuple[str, ...] = ()
    kind: str = ""
    subject_id: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalEntry:
    """One line. `leaf` is its number in the sealed log, None while it waits for its seal; `who` is a name where it is
    known, `place` the address and the device of the session, where the event names one that is still kept."""

    position: int
    id: str
    at: datetime
    kind: str
    subject_id: str
    principal_id: str
    who: str
    agency: str
    leaf: int | None
    place: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalState:
    """Where the log stands. `word`: whole, broken, running or unknown, as of `checked_at`; `broken_at` is the first line
    that does not hold."""

    size: int
    sealed_at: datetime | None
    unsealed_since: datetime | None
    word: str = "unknown"
    checked_at: datetime | None = None
    lines: int = 0
    broken_at: str = ""
    faults: tuple[tuple[str, str, Mapping[str, object]], ...] = ()


class Journal(Protocol):
    async def page(self, ask: JournalAsk, *, before: int | None, limit: int) -> Sequence[JournalEntry]:
        """Newest first, before that position."""

    async def named(self, text: str) -> Sequence[str]:
        """Ids of persons with that name or login."""

    async def seal(self) -> JournalState: ...

    async def check(self) -> None:
        """Begins to examine the whole log anew, unless that is under way."""

    async def export(
        self, by: str, agency_id: str, ask: JournalAsk, most: int
    ) -> AsyncIterator[JournalEntry]:
        """Oldest last; told in the log before the first line is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuePile:
    """Work of one sort that waits: which queue, which part of it, how much, since when the oldest."""

    queue: str
    part: str
    count: int
    oldest: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Queues:
    """`axis_fault` says why the axis did not tell, `blocked` whether it takes nothing for now."""

    piles: Sequence[QueuePile]
    failed: int
    late: int
    leases: Mapping[str, int]
    axis_fault: str = ""


class Machine(Protocol):
    """The node as whoever looks after it sees it."""

    async def checks(self, tag: Tag = Tag.DOCTOR) -> Sequence[Diagnosis]:
        """What the checks of that selection found, known for some seconds; the test of the line is made each time."""

    async def standing(self) -> NodeStatus: ...

    async def queues(self) -> Queues: ...

    async def tries(self, limit: int) -> Sequence[OutboxItem]:
        """Packets that were tried and are not through, of every agency, the next try first."""

    async def hurry(self, by: str, id: str) -> None:
        """The packet is due at once. NotFound when it does not wait."""

    async def test_partner(self, code: str, sender: str) -> Sequence[Diagnosis]:
        """The way to one partner, from that agency of this node or the first; nothing is sent."""

    async def report(self) -> Mapping[str, object]:
        """For whoever is asked for help: no secret, nothing of any document."""

    async def sampled(self, since: datetime) -> Sequence[QueueSample]:
        """What waited, every few minutes, oldest first."""

    async def job_days(self) -> Sequence[JobDay]:
        """What each periodic job did on each day that is remembered."""

    async def traffic(self, wanted: TrafficWanted) -> Sequence[Flow]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a parcel says of itself, unproved: lines for a person, or why it cannot be read. `hosted`: the recipients this
    node speaks for; only they would have it when it is handed out again."""

    text: str
    fault: str = ""
    hosted: tuple[str, ...] = ()


class DeadLetters(Protocol):
    """Parcels that the axis put aside. An act is told of before it is done; nothing is lost whenever it is cut short."""

    async def all(self) -> Sequence[DeadParcel]:
        """Oldest first."""

    async def get(self, id: str) -> DeadParcel: ...

    async def claims(self, id: str, lang: str) -> Claims:
        """What it says, routing alone: neither subject nor files."""

    async def retry(self, by: str, ids: Sequence[str]) -> int:
        """How many; those that are gone meanwhile are passed over."""

    async def drop(self, by: str, id: str, why: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Bytes:
    """A window of the file, as rows of (offset, hexadecimal digits, letters)."""

    rows: Sequence[tuple[str, str, str]]
    start: int
    size: int


class Aside(Protocol):
    """Packets that did not become a document, of every agency."""

    async def waiting(self, agency_id: str, limit: int) -> Sequence[InboxPacket]:
        """Oldest first; of one agency, or of all for the empty id."""

    async def get(self, agency_id: str, id: str) -> InboxPacket:
        """NotFound in another agency, unless that is the empty id."""

    async def tree(self, item: InboxPacket, *, routing_only: bool) -> View:
        """Bounded; files inside are never shown, and with `routing_only` no text that says what it is about: its lines are
        `hidden`."""

    async def window(self, item: InboxPacket, start: int) -> Bytes: ...

    async def read(self, item: InboxPacket) -> AsyncIterator[bytes]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One sealed copy on this machine's disk. `tested_at` is when it was last restored on trial."""

    name: str
    size: int
    at: datetime
    tested_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """A trial restore. `word`: running, equal or failed; `code` says why it failed, `fault` in words for engineers."""

    name: str
    word: str
    began_at: datetime
    ended_at: datetime | None = None
    rows: int = 0
    files: int = 0
    code: str = ""
    fault: str = ""


class Copies(Protocol):
    async def all(self) -> Sequence[Copy]:
        """Newest first."""

    def drill(self) -> Drill | None:
        """The one under way, or the last of this process."""

    async def begin_drill(self, by: str, name: str, passphrase: str) -> None:
        """Into a scratch database, beside the node. Clash while another one runs, NotFound for a copy that is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operations:
    """Everything behind the pages of operations and of the log."""

    machine: Machine
    dead: DeadLetters
    aside: Aside
    copies: Copies
    journal: Journal


class Signing(Protocol):
    """Signs in person (R23a): the PIN is used for one signature and forgotten; no key stays open."""

    @property
    def is_ready(self) -> bool:
        """Whether a token can be reached from this node at all."""

    async def plan(
        self, agency: HostedAgency, source: Callable[[], BinaryIO], wish: Wish
    ) -> tuple[Placement, bytes]:
        """Where the signature would show, and that page as a PNG. Refused where the file may not be signed."""

    def signed(
        self, scope: AgencyScope, agency: HostedAgency, source: Callable[[], BinaryIO], wish: Wish, pin: str
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The signed file, piece by piece; it is gone at the end. Refused, Denied or Clash where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedCertificate:
    """What people compare of a certificate. One that cannot be read has question marks for names, and no days."""

    fingerprint: str
    subject: str = "?"
    issuer: str = "?"
    serial: str = ""
    begins: datetime | None = None
    ends: datetime | None = None


class Contacts(Protocol):
    """With which agencies mail goes on: by the mail of one agency of this node, or of all for the empty id."""

    async def last_heard(self, entries: Sequence[AgencyEntry], agency_id: str = "") -> Mapping[str, datetime]:
        """By code, when a packet of the agency was last admitted; who was never heard is no key."""

    async def silent(
        self, wanted: AgencyFilter, limit: int, cursor: str | None = None, agency_id: str = ""
    ) -> Page[AgencyEntry]:
        """Those wanted, in code order, to which nothing went and from which nothing came for six months. Whose mail it is
        about is not among them."""
