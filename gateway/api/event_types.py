"""Schemas of the events that programs read, in the feed and in webhooks. In: the table `event_types.toml`, and the recorded
examples beside it. Out: one schema for each type, `Event` over all of them, and the call that a webhook is. Both files are
read when the description is made, and nothing of them stays in memory.

`Event` is an `anyOf`, in which generators take the first schema that fits: with `oneOf` they also count the open one for
types of later versions, and refuse every event. Its `not` tells a validator that a type of today has one schema alone."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pkgutil import get_data
from typing import Any

# Any, here and below: an OpenAPI document is JSON.
Json = dict[str, Any]

OPEN = "EventOut"
_REF = "#/components/schemas/"
_TEXT: Json = {"type": "string"}
_DIGEST: Json = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_MOMENT: Json = {"type": "string", "format": "date-time"}
_LIST: Json = {"type": "array", "items": _TEXT}
_KINDS: Mapping[str, Json] = {
    "text": _TEXT,
    "word": _TEXT,
    "texts": _LIST,
    "words": _LIST,
    "count": {"type": "integer"},
    "flag": {"type": "boolean"},
    "day": {"type": "string", "format": "date"},
    "moment": _MOMENT,
    "sha256": _DIGEST,
    "map": {"type": "object", "additionalProperties": True},
    "objects": {"type": "array", "items": {"type": "object", "additionalProperties": True}},
    "proof": {"$ref": f"{_REF}EventProof"},
}
# Texts of people, which may be deleted from an event.
_ERASABLE = frozenset({"text", "texts"})
# A packet of an axis whose session vouches for its sender has `content` and `axis` in place of a signature.
_PROOF: Json = {
    "type": "object",
    "description": "Record of what was verified (docs/events.md)",
    "required": ["envelope"],
    "properties": {
        **dict.fromkeys(("envelope", "body", "signature", "certificate", "content"), _DIGEST),
        "axis": _TEXT,
        "chain": _LIST,
        "answers": _LIST,
    },
}
_EVERY = {"call": "word? `X-Request-Id` of the call that caused it"}
_OURS = {
    "external_id": "text the client's own id of the document",
    "callback_data": "text the client's own data",
    "trace": "word? id of the trace of the call that sent the document",
}
_WEBHOOK_HEADERS = {
    "webhook-id": (True, "Id of the event, the same at each try: do an id once"),
    "webhook-timestamp": (True, "Time of this try, in seconds since 1970; refuse one five minutes away"),
    "webhook-signature": (
        True,
        "`v1,` and the Base64 of HMAC-SHA256 over `id.timestamp.body` with the webhook's secret; several "
        "separated by a blank while a secret is replaced: one that fits is enough",
    ),
    "traceparent": (False, "Trace of the call that sent the document, if it has one (W3C Trace Context)"),
    "tracestate": (False, "State of that trace"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EventField:
    """One field of an event's data. `kind` is a word of `_KINDS`."""

    kind: str
    is_null: bool
    is_optional: bool
    meaning: str

    def schema(self) -> Json:
        schema = _KINDS[self.kind]
        if self.is_null:
            schema = {"type": [schema["type"], "null"], **{k: v for k, v in schema.items() if k != "type"}}
        return schema | ({"description": self.meaning} if self.meaning else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class EventType:
    """One type: its subject, when it is written, and the fields of its `data` without those of every event."""

    name: str
    subject: str
    when: str
    is_ours: bool = False
    data: Mapping[str, EventField] = field(default_factory=dict)

    @property
    def model(self) -> str:
        return "".join(word.capitalize() for word in self.name.replace("_", ".").split(".")) + "Event"

    def schema(self, envelope: Json, examples: Mapping[str, Json]) -> Json:
        """Return the schema of the whole event, made from the envelope of all events."""
        more = _read_fields(_EVERY | (_OURS if self.is_ours else {}))
        fields = {**self.data, **more}
        data = {
            "type": "object",
            "required": [name for name, f in fields.items() if not f.is_optional],
            "properties": {name: f.schema() for name, f in fields.items()},
        }
        own = {"type": {"type": "string", "enum": [self.name]}, "data": data}
        example = {"examples": [examples[self.name]]} if self.name in examples else {}
        text = f"Of {self.subject}: {self.when}"
        properties = envelope["properties"] | own
        return {**envelope, "title": self.model, "description": text, "properties": properties, **example}


def table() -> list[EventType]:
    """Return the types in the order of the page."""
    rows = tomllib.loads(_read("event_types.toml"))
    return [
        EventType(
            name=name,
            subject=row["subject"],
            when=row["when"],
            is_ours=row.get("ours", False),
            data=_read_fields(row.get("data", {})),
        )
        for name, row in rows.items()
    ]


def recorded() -> dict[str, Json]:
    """Return the recorded example of each type that has one."""
    examples: dict[str, Json] = json.loads(_read("event_examples.json"))
    return examples


def schemas(described: Json) -> Json:
    """Return the schemas of all types, and `Event` over them, made from the described schema of an event of any type; none
    where no call answers events."""
    if (envelope := described.get(OPEN)) is None:
        return {}
    types, examples = table(), recorded()
    models = {kind.name: f"{_REF}{kind.model}" for kind in types}
    open_word = envelope["properties"]["type"] | {"not": {"enum": [*models]}}
    event = {
        "description": "One event. Each type has a schema of its own; EventOut is that of types of later versions.",
        "anyOf": [*({"$ref": ref} for ref in models.values()), {"$ref": _REF + OPEN}],
        "discriminator": {"propertyName": "type", "mapping": models},
    }
    return {
        OPEN: {**envelope, "properties": envelope["properties"] | {"type": open_word}},
        "Event": event,
        "EventProof": _PROOF,
        **{kind.model: kind.schema(envelope, examples) for kind in types},
    }


def webhooks() -> Json:
    """Describe the call that the node makes to the address of a webhook."""
    answers = {
        "2XX": "It has the event",
        "410": "It wants no more events: the webhook is paused",
        "default": "It is tried again for three days, at growing intervals",
    }
    headers = [
        {"name": name, "in": "header", "required": is_always, "schema": _TEXT, "description": text}
        for name, (is_always, text) in _WEBHOOK_HEADERS.items()
    ]
    operation = {
        "operationId": "receiveEvent",
        "tags": ["webhook-calls"],
        "summary": "One event, signed as Standard Webhooks specifies",
        "description": "A trial (testWebhook) has the type `webhook.test`, and `sequence` 0.",
        "security": [],
        "parameters": headers,
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": f"{_REF}Event"}}},
        },
        "responses": {status: {"description": text} for status, text in answers.items()},
    }
    return {"event": {"post": operation}}


def _read(name: str) -> str:
    return (get_data(__package__ or "gateway.api", name) or b"").decode("utf-8")


def _read_fields(rows: Mapping[str, str]) -> dict[str, EventField]:
    return {name: _read_field(text) for name, text in rows.items()}


def _read_field(text: str) -> EventField:
    """Read a field's row: its kind, `|null`, `?`, and behind a blank its meaning."""
    word, _, meaning = text.partition(" ")
    kind, null, _ = word.removesuffix("?").partition("|")
    is_optional = word.endswith("?") or kind in _ERASABLE
    return EventField(kind=kind, is_null=bool(null), is_optional=is_optional, meaning=meaning)
