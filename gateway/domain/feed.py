"""Body of an event for programs, the same in the feed and in a webhook. In: a numbered event, the code of its agency, the
client's own data of the document. Out: the body, and the scope that may read it. Pure.

Events contain reasons, notes and names that people gave, so a key that may not read documents must not learn these from
events. One table says which scope reads which events."""

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

# Scope by the first word of a kind. Other kinds are about people, keys and the node itself, and no program reads them.
_SCOPE_OF_WORD = {
    "message": ApiScope.MESSAGES_READ,
    "recall": ApiScope.MESSAGES_READ,
    "number": ApiScope.MESSAGES_READ,
    "inbox": ApiScope.INBOX_READ,
    "register": ApiScope.INBOX_READ,
    "reform": ApiScope.AGENCIES_READ,
    "codes": ApiScope.AGENCIES_READ,
    "accounts": ApiScope.AGENCIES_READ,
    "evidence": ApiScope.EVIDENCE_READ,
    "webhook": ApiScope.WEBHOOKS_MANAGE,
}
EVENT_SCOPES = tuple(dict.fromkeys(_SCOPE_OF_WORD.values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientData:
    """Data that the client attached to a document; parts that it left out are missing. `trace` is that of the call that
    sent it."""

    words: Mapping[str, str]
    trace: Trace | None = None

    def to_data(self) -> Mapping[str, str]:
        return {**self.words, **({"trace": self.trace.id} if self.trace is not None else {})}


# Client data by the document's id.
ClientWords = Mapping[str, ClientData]
NO_WORDS: ClientWords = MappingProxyType({})
_NO_CLIENT_WORDS = ClientData(words={})
_WILDCARD = ".*"


def scope_of(kind: EventKind) -> ApiScope | None:
    """Return the scope that may read a kind; None for a kind that no program reads."""
    return _SCOPE_OF_WORD.get(kind.partition(".")[0])


def readable(scopes: Collection[ApiScope]) -> list[EventKind]:
    """Return the kinds that these scopes may read."""
    return [kind for kind in EventKind if scope_of(kind) in scopes]


def known_filter(text: str) -> bool:
    """Tell whether the text is a kind that a program may read, or with `.*` at its end the beginning of such kinds."""
    return any(_matches(text, kind) for kind in EventKind if scope_of(kind) is not None)


def unread(filters: Sequence[str], scopes: Collection[ApiScope]) -> list[str]:
    """Return the filters that match no kind that these scopes may read."""
    kinds = readable(scopes)
    return [text for text in filters if not any(_matches(text, kind) for kind in kinds)]


def is_wanted(kind: EventKind, scopes: Collection[ApiScope], filters: Sequence[str]) -> bool:
    """Tell whether these scopes may read the kind and a filter matches it; without filters all are wanted."""
    return scope_of(kind) in scopes and (not filters or any(_matches(f, kind) for f in filters))


def is_meant_for(event: Event, webhook_id: str) -> bool:
    """Tell whether this webhook is told of the event: a scheduled report may be for one webhook alone."""
    is_report = event.kind in (EventKind.INBOX_REPORT, EventKind.MESSAGE_REPORT)
    return not is_report or event.data.get("webhook", webhook_id) == webhook_id


def _matches(text: str, kind: EventKind) -> bool:
    if text.endswith(_WILDCARD):
        return kind.startswith(text.removesuffix("*"))
    return kind == text


def event_id(event: Event) -> str:
    """Return the event's ULID with its sequence number, if it has one, so that a cursor needs no look-up."""
    bare = "evt_" + event.id.removeprefix("evt_")
    return bare if event.agency_seq is None else f"{bare}-{event.agency_seq}"


def documents_of(events: Sequence[Event]) -> list[str]:
    """Return the ids of the outgoing documents that the events are about, each once."""
    return list(dict.fromkeys(e.subject_id for e in events if e.subject_id.startswith("msg_")))


def event_body(event: Event, agency: str, words: ClientWords = NO_WORDS) -> dict[str, Any]:  # Any: it is JSON
    """Make the body of an event. The client's data of its document are added to the event's data unchanged."""
    client_words = words.get(event.subject_id, _NO_CLIENT_WORDS)
    return {
        "id": event_id(event),
        "type": str(event.kind),
        "created_at": local(event.at).isoformat(timespec="seconds"),
        "agency": agency,
        "sequence": event.agency_seq or 0,
        "subject": event.subject_id,
        "data": {**event.data, **client_words.to_data()},
    }


def to_bytes(body: Mapping[str, Any]) -> bytes:
    """Encode a body for sending and signing."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
