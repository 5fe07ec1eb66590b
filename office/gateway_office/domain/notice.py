"""Notices to our own people: of a planned stop or an incident (R97, R98), by mail, at the bell; and a person's own settings
of the bell: until when notices were read, muted kinds, the finished tour. Values are frozen; `office.policy.todo` decides
when a stop may be announced; the notices of the bell are computed anew each time, so that settled ones disappear."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from gateway.words import labels

LONGEST_TEXT = 1_000
LAST_HOUR = timedelta(hours=1)
"""From then on the text of a stop stands on every page."""


class NoticeKind(StrEnum):
    STOP = "stop"
    """Planned: announced one working day ahead, or with the reason why not."""
    INCIDENT = "incident"


class Audience(StrEnum):
    ALL = "all"
    ONE_AGENCY = "one"
    """One agency, and the operators of the node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeWish:
    """A notice to be published. `meanwhile` is the temporary way of working, `afterwards` how that work is entered later;
    `emergency` is why a stop could not be announced in time."""

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

    def full_text(self, lang: str) -> str:
        """Return its text: the event, the way of working meanwhile, the entries afterwards (R98)."""
        parts = [(self.text_en or self.text_vi) if lang == "en" else self.text_vi]
        parts += [
            labels.say(f"operating.notice.told.{name}", lang, text=text)
            for name, text in (("meanwhile", self.meanwhile), ("afterwards", self.afterwards))
            if text
        ]
        return " ".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A published notice. `closed_at`: it is over, or was called off."""

    id: str
    wish: NoticeWish
    published_at: datetime
    published_by: str
    closed_at: datetime | None = None
    closed_by: str = ""

    def holds(self, at: datetime) -> bool:
        """Tell whether the notice is shown then. A stop ends by itself, an incident when a person closes it."""
        if self.closed_at is not None and self.closed_at <= at:
            return False
        ends = self.wish.ends_at
        return self.wish.kind is NoticeKind.INCIDENT or ends is None or at < ends

    def stands_open(self, now: datetime) -> bool:
        """Tell whether its text stands on every page: of an incident always, of a stop from an hour before it on."""
        return self.wish.kind is NoticeKind.INCIDENT or now >= self.wish.starts_at - LAST_HOUR

    def is_for(self, agency_id: str) -> bool:
        """Tell whether the agency sees it. The empty id stands for the node, which sees all."""
        return self.wish.audience is Audience.ALL or agency_id in ("", self.wish.agency_id)


class RingKind(StrEnum):
    """Kind of a ring; `bell.…` in the labels has the words."""

    URGENT = "urgent"
    APPROVAL = "approval"
    ASSIGNED = "given"
    RETURNED = "returned"
    FAILED = "failed"
    RECALL = "recall"
    DUE = "due"
    SET_ASIDE = "aside"
    SILENT = "silent"
    COMMENT = "comment"
    FOLLOW = "follow"


class SubjectKind(StrEnum):
    """Subject that a link opens."""

    INCOMING = "incoming"
    OUTGOING = "outgoing"
    AGENCY = "agency"
    PACKET = "packet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """One notice of the bell. `says` is a key of the labels; `at` is its time, later once it becomes late, so that it is
    unread again; `is_express` speaks aloud."""

    id: str
    kind: RingKind
    says: str
    at: datetime
    subject_kind: SubjectKind
    subject_id: str
    document: str = ""
    title: str = ""
    """Subject of the document, for the person's own pages."""
    party: str = ""
    is_late: bool = False
    is_express: bool = False
    by: str = ""
    """Principal whose act it is, to whom it is not shown; empty once it is late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Partner:
    """An agency that we exchange with. `heard_at` is when a packet of it was last admitted; None if never."""

    name: str
    heard_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationSettings:
    """Settings of one person in one agency. `muted` is None before the first choice."""

    read_until: datetime | None = None
    muted: frozenset[RingKind] | None = None
    toured_at: datetime | None = None

    def is_unread(self, ring: Ring) -> bool:
        return self.read_until is None or ring.at > self.read_until
