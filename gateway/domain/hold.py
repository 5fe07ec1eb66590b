"""The sealed hold (R4, sealed hold): secret content is frozen at once and sealed separately, until a person decides. A
hold is an incident with its own record: open while the content is kept, closed by the decision to lift or to purge it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.domain.identity import Digest

OWNER = "hold"  # owner of the references to frozen content, which no reader may use and no backup includes


class HoldState(StrEnum):
    """State of a hold. `frozen`: the content is unreadable, but not sealed yet."""

    FROZEN = "frozen"
    SEALED = "sealed"
    LIFTED = "lifted"
    PURGED = "purged"


OPEN = (HoldState.FROZEN, HoldState.SEALED)


class HeldKind(StrEnum):
    """Subject of a hold: a packet that became no document, an incoming document, or an outgoing one."""

    PACKET = "packet"
    INCOMING = "incoming"
    OUTGOING = "outgoing"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldContent:
    """Content under a hold, with its former owner. `sealed` is the SHA-256 of its sealed form, once that exists."""

    digest: Digest
    size: int
    owner_kind: str
    owner_id: str
    sealed: Digest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Decision about the content, with its author and reason."""

    by: str
    why: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Incident of possibly secret content. `before` is the state that its subject returns to; `handed_over`: a document
    system has a copy; `leftovers` are unreferenced bytes that may still be on disk; `others` counts further uses of the
    same bytes at this node. `is_settled` is False while bytes that must go still exist."""

    id: str
    agency_id: str
    kind: HeldKind
    subject_id: str
    state: HoldState
    why: str
    begun_at: datetime
    begun_by: str
    before: str
    sender_code: str | None = None
    document_id: str | None = None
    contents: tuple[HeldContent, ...] = ()
    leftovers: tuple[Digest, ...] = ()
    recipient: str | None = None
    handed_over: bool = False
    others: int = 0
    decision: Decision | None = None
    is_settled: bool = False

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    @property
    def digests(self) -> tuple[Digest, ...]:
        return tuple(dict.fromkeys(c.digest for c in self.contents))
