"""What a person is told of at the bell, and what a person's own desk remembers: until when things were read, of which
kinds nothing is to be told, that the tour was put away. Frozen values; what there is to tell is worked out anew each
time, so that nothing is told of that was settled since."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


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
