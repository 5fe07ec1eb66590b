"""What a caller asks of the way out, and what it gets: plain values between a front door and `accept`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.domain.document import Change, Delivery, Draft, Kind, OutgoingDocument
from gateway.domain.fields import tidy
from gateway.policy.verdict import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One document to send, or a draft to keep. Recipients stand in `draft` as the caller gave them; `confirm` are codes
    of reasons that the caller has read and bears with."""

    draft: Draft
    send: bool = True
    kind: Kind = Kind.DOCUMENT
    parent_id: str | None = None
    change: Change | None = None
    confirm: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Every door makes one of these: here what is blank becomes absent, once."""
        object.__setattr__(self, "draft", tidy(self.draft))
        if self.change is not None:
            object.__setattr__(self, "change", tidy(self.change))


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What was committed. `replayed` is the first answer (status, body) when the caller repeated itself."""

    document: OutgoingDocument | None
    deliveries: tuple[Delivery, ...] = ()
    warnings: tuple[Reason, ...] = ()
    replayed: tuple[int, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """An idempotency key as interfaces.md 3.3 defines it: `owner` is the principal, `meta` canonical JSON. `render`
    makes the answer that is stored with the document and given again."""

    owner: str
    key: str
    method: str
    path: str
    meta: str
    render: Callable[[Accepted], tuple[int, str]]
