"""Which scope of a key reads which events: their data hold the reasons, notes and names that people gave, so a key that may
not read documents must not learn them here. In: a kind and the scopes of a key. Out: whether it is told."""

from __future__ import annotations

from collections.abc import Collection

from gateway.domain.account import ApiScope
from gateway.domain.event import EventKind

# By the first word of a kind. What is not named here is about people, keys and the node itself: no program reads it.
_BY_WORD = {
    "message": ApiScope.MESSAGES_READ,
    "recall": ApiScope.MESSAGES_READ,
    "inbox": ApiScope.INBOX_READ,
    "register": ApiScope.INBOX_READ,
    "reform": ApiScope.AGENCIES_READ,
    "codes": ApiScope.AGENCIES_READ,
    "evidence": ApiScope.EVIDENCE_READ,
}
SCOPES = tuple(dict.fromkeys(_BY_WORD.values()))


def scope_of(kind: EventKind) -> ApiScope | None:
    return _BY_WORD.get(kind.partition(".")[0])


def may_read(kind: EventKind, scopes: Collection[ApiScope]) -> bool:
    return scope_of(kind) in scopes
