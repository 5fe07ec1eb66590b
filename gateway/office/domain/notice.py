"""How our own people are told of something: the notice of a stop that is planned or of an incident (R97, R98), mail, the
bell; and what a person's own desk remembers of it: until when things were read, of which kinds nothing is to be told, that
the tour was put away. Values are frozen; when a stop may be announced is `office.policy.todo`; what there is to tell at the
bell is worked out anew each time, so that nothing is told of that was settled since."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from gateway.words import labels

LONGEST_TEXT = 1_000
LAST_HOUR = timedelta(hours=1)
"""A stop is so near then that its text stands on every page."""


class NoticeKind(StrEnum):
    STOP = "stop"
    """Planned: told one working day ahead, or with the reason why not."""
    INCIDENT = "incident"


class Audience(StrEnum):
    ALL = "all"
    ONE = "one"
    """One agency, and those who look after the node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeWish:
    """A notice as it is to be. `meanwhile` is the temporary way of working, `afterwards` how what was done meanwhile is
    entered; `emergency` is why a stop could not be told in time."""

    kind: NoticeKind
    starts_at: datetime
    ends_at: datetime | None
    text_vi: str
    text_en: str = ""
    meanwhile: str = ""
    afterwards: str = ""
    emergency: str = ""
    audience: Audience = Audience.ALL
    agency_id: str = ""

    def told(self, lang: str) -> str:
        """What it is, how to work meanwhile, how to enter afterwards what was done (R98)."""
        parts = [(self.text_en or self.text_vi) if lang == "en" else self.text_vi]
        parts += [
            labels.say(f"operating.notice.told.{name}", lang, text=text)
            for name, text in (("meanwhile", self.meanwhile), ("afterwards", self.afterwards))
            if text
        ]
        return " ".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A notice that people were given. `closed_at`: it is over, or was called off."""

    id: str
    wish: NoticeWish
    published_at: datetime
    published_by: str
    closed_at: datetime | None = None
    closed_by: str = ""

    def holds(self, at: datetime) -> bool:
        """Whether people are told of it then. A stop ends by itself, an incident when somebody says so."""
        if self.closed_at is not None and self.closed_at <= at:
            return False
        ends = self.wish.ends_at
        return self.wish.kind is NoticeKind.INCIDENT or ends is None or at < ends

    def stands_open(self, now: datetime) -> bool:
        """Whether its text is shown unasked: of an incident always, of a stop from an hour before it on."""
        return self.wish.kind is NoticeKind.INCIDENT or now >= self.wish.starts_at - LAST_HOUR

    def is_for(self, agency_id: str) -> bool:
        """The empty id stands for the node, which hears everything."""
        return self.wish.audience is Audience.ALL or agency_id in ("", self.wish.agency_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One message to people of one hosted agency."""

    to: tuple[str, ...]
    subject: str
    text: str
    id: str


class Mailer(Protocol):
    @property
    def is_on(self) -> bool:
        """Whether there is a server to send by."""

    async def send(self, mail: Mail) -> None:
        """Returns when the server has taken it for every address. Unreachable: try later; BrokerRefused: never."""


class RingKind(StrEnum):
    """`bell.…` in the labels has the words."""

    URGENT = "urgent"
    APPROVAL = "approval"
    GIVEN = "given"
    RETURNED = "returned"
    FAILED = "failed"
    RECALL = "recall"
    DUE = "due"
    ASIDE = "aside"
    SILENT = "silent"


class About(StrEnum):
    """What is opened."""

    INCOMING = "incoming"
    OUTGOING = "outgoing"
    AGENCY = "agency"
    PACKET = "packet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """One thing to be told. `says` is a key of the labels; `at` is since when it is to be told, so that what becomes late
    is told anew; `is_express` speaks aloud."""

    id: str
    kind: RingKind
    says: str
    at: datetime
    about: About
    subject_id: str
    document: str = ""
    party: str = ""
    is_late: bool = False
    is_express: bool = False
    by: str = ""
    """Principal who did what is told, and who is not told of it; empty once it is late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Partner:
    """`heard_at` is when anything of it was last admitted; None where nothing ever was."""

    name: str
    heard_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnDesk:
    """Of one person in one agency. `muted` is None where nothing was chosen yet."""

    read_until: datetime | None = None
    muted: frozenset[RingKind] | None = None
    toured_at: datetime | None = None

    def is_unread(self, ring: Ring) -> bool:
        return self.read_until is None or ring.at > self.read_until
