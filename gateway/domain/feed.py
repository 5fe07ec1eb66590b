"""What programs are told of an event, whichever way it reaches them: asked for at the feed, or sent to a webhook. In: a
numbered event, the code of its agency, what the client said about the document. Out: one body, the same for both, and
the scope that may read it. Pure.

The data of events hold the reasons, notes and names that people gave, so a key that may not read documents must not
learn them here: which scope reads which events stands in one table."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from gateway.domain.account import ApiScope
from gateway.domain.event import Event, EventKind
from gateway.domain.trace import Trace
from gateway.domain.wall_clock import local

# By the first word of a kind. What is not named here is about people, keys and the node itself: no program reads it.
_SCOPE_OF_WORD = {
    "message": ApiScope.MESSAGES_READ,
    "recall": ApiScope.MESSAGES_READ,
    "inbox": ApiScope.INBOX_READ,
    "register": ApiScope.INBOX_READ,
    "reform": ApiScope.AGENCIES_READ,
    "codes": ApiScope.AGENCIES_READ,
    "evidence": ApiScope.EVIDENCE_READ,
    "webhook": ApiScope.WEBHOOKS_MANAGE,
}
EVENT_SCOPES = tuple(dict.fromkeys(_SCOPE_OF_WORD.values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the client said of one document beside what is in it; only what it did say. `trace` is that of the call."""

    words: Mapping[str, str]
    trace: Trace | None = None

    def told(self) -> Mapping[str, str]:
        return {**self.words, **({"trace": self.trace.id} if self.trace is not None else {})}


# By the document's id.
ClientWords = Mapping[str, Said]
NO_WORDS: ClientWords = MappingProxyType({})
_NOTHING = Said(words={})
_EVERY = ".*"


def scope_of(kind: EventKind) -> ApiScope | None:
    """None for what no program reads."""
    return _SCOPE_OF_WORD.get(kind.partition(".")[0])


def readable(scopes: Collection[ApiScope]) -> list[EventKind]:
    """Every kind that these scopes read."""
    return [kind for kind in EventKind if scope_of(kind) in scopes]


def known_filter(text: str) -> bool:
    """A kind, or the beginning of some with `.*` behind it, that a program may read."""
    return any(_fits(text, kind) for kind in EventKind if scope_of(kind) is not None)


def unread(filters: Sequence[str], scopes: Collection[ApiScope]) -> list[str]:
    """Return the filters that name no kind which these scopes read."""
    kinds = readable(scopes)
    return [text for text in filters if not any(_fits(text, kind) for kind in kinds)]


def is_wanted(kind: EventKind, scopes: Collection[ApiScope], filters: Sequence[str]) -> bool:
    """Whether these scopes read it and one of the filters names it; without filters all are wanted."""
    return scope_of(kind) in scopes and (not filters or any(_fits(each, kind) for each in filters))


def _fits(text: str, kind: EventKind) -> bool:
    if text.endswith(_EVERY):
        return kind.startswith(text.removesuffix("*"))
    return kind == text


def event_id(event: Event) -> str:
    """The event's ULID with its sequence once it has one, so that a cursor needs no look-up."""
    bare = "evt_" + event.id.removeprefix("evt_")
    return bare if event.agency_seq is None else f"{bare}-{event.agency_seq}"


def documents_of(events: Sequence[Event]) -> list[str]:
    """The documents of the agency's own that they are about, each once."""
    return list(dict.fromkeys(each.subject_id for each in events if each.subject_id.startswith("msg_")))


def told(event: Event, agency: str, words: ClientWords = NO_WORDS) -> dict[str, Any]:  # Any: it is JSON
    """The body. What the client said of its document stands in the data as it said it."""
    said = words.get(event.subject_id, _NOTHING)
    return {
        "id": event_id(event),
        "type": str(event.kind),
        "created_at": local(event.at).isoformat(timespec="seconds"),
        "agency": agency,
        "sequence": event.agency_seq or 0,
        "subject": event.subject_id,
        "data": {**event.data, **said.told()},
    }


def to_bytes(body: Mapping[str, Any]) -> bytes:
    """As it is sent and signed."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
