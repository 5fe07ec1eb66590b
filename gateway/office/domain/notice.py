"""How our own people are told of something: the notice of a stop that is planned or of an incident (R97, R98), and
mail. Values are frozen; when a stop may be announced is `office.policy.todo`."""

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
