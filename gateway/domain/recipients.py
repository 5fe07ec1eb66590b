"""Recipients as people write them, and what they turn out to be: an item of a list or of the block of recipients, the offer
made for it, and groups of recipients that an agency has saved. Frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.domain.document import RecipientRole
from gateway.domain.registry import AgencyEntry

MOST_MEMBERS = 500


class ItemKind(StrEnum):
    """What an item speaks of: one agency, many under one name, what the document itself says, a person, or the archive."""

    AGENCY = "agency"
    MANY = "many"
    POINTER = "pointer"
    PERSON = "person"
    FILED = "filed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """`text` is as it was written; `name` what to look for, under `parent` where one was named."""

    text: str
    kind: ItemKind
    name: str
    parent: str | None = None
    role: RecipientRole | None = None


class OfferKind(StrEnum):
    """How an item was understood. The last five are asked; `pointer`, `filed` and `own` address nobody: the last
    is a person or a part of the very agency that writes."""

    NAMED = "named"
    OLD = "old"
    GROUP = "group"
    POINTER = "pointer"
    FILED = "filed"
    OWN = "own"
    CLOSED = "closed"
    UNCLEAR = "unclear"
    UNKNOWN = "unknown"
    MANY = "many"
    PERSON = "person"


ASKED = frozenset({OfferKind.CLOSED, OfferKind.UNCLEAR, OfferKind.UNKNOWN, OfferKind.MANY, OfferKind.PERSON})


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What an item may stand for. Where `settled`, `agencies` are its recipients; else they are offers to choose from."""

    item: Item
    kind: OfferKind
    agencies: tuple[AgencyEntry, ...] = ()
    group: str | None = None

    @property
    def settled(self) -> bool:
        return self.kind not in ASKED


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMember:
    """One recipient of a group, by its code; `role` where the group gives it one."""

    code: str
    role: RecipientRole | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientGroup:
    """A list of recipients under a name that the agency gave it."""

    name: str
    members: tuple[GroupMember, ...]
    saved_by: str
    saved_at: datetime
    version: int = 1
