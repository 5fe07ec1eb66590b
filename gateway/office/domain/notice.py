"""What people are told of a stop that is planned, or of an incident (R97, R98). Frozen; when a stop may be announced is
`office.policy.noticing`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

LONGEST_TEXT = 1_000


class NoticeKind(StrEnum):
    STOP = "stop"
    """Planned: told one working day ahead, or with the reason why not."""
    INCIDENT = "incident"


class Audience(StrEnum):
    ALL = "all"
    ONE = "one"
    """One agency, and those who look after the node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A notice that people were given. `closed_at`: it is over, or was called off."""

    id: str
    wish: Wish
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

    def is_for(self, agency_id: str) -> bool:
        """The empty id stands for the node, which hears everything."""
        return self.wish.audience is Audience.ALL or agency_id in ("", self.wish.agency_id)
