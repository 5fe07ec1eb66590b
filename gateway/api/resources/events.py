"""The feed of events of one agency: in order, with a long poll. In: a cursor, filters, and how long to wait. Out: the
events after the cursor that the key may read, or none when the time is up. Events have the same form as for webhooks
(`domain.feed`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, WithJsonSchema

from gateway.api.call import DEFAULT_ROWS, MOST_ROWS, Call, Words, check_words, wait_until
from gateway.api.routes import Routes
from gateway.api.shapes import Code, EventWord, Moment, RequestModel, ResponseModel
from gateway.domain import feed
from gateway.domain.event import Event, EventKind
from gateway.domain.request_fault import BadCall, bad_value

# Batch size, and batches per call: a filter without matches must not read a whole year at once.
_AT_ONCE = 500
_MOST_LOOKS = 10


class EventsQuery(RequestModel):
    """Place to go on from, and how long to wait when there is nothing yet."""

    after: Code = Field(
        "0", description="Id of the last event seen (`evt_…`), or its sequence; 0 is the beginning"
    )
    wait: int = Field(0, ge=0, le=60, description="Seconds to wait for the next event")
    limit: int = Field(DEFAULT_ROWS, ge=1, le=MOST_ROWS)
    type: Words = Field(
        default_factory=list,
        description="One or more types, separated by commas",
        json_schema_extra={"items": {"type": "string", "enum": list(EventKind)}},
    )
    subject: Code | None = Field(None, description="Only events of this document or packet, by its id")


class EventOut(ResponseModel):
    """One event. `sequence` has no gaps within an agency; events that this key may not read, or did not ask for,
    are left out."""

    id: str
    type: EventWord
    created_at: Moment
    agency: str
    sequence: int
    subject: str
    data: dict[str, Any]  # Any: what an event says differs by its type


class Events(ResponseModel):
    data: list[Annotated[EventOut, WithJsonSchema({"$ref": "#/components/schemas/Event"})]]
    next_after: str = Field(description="`after` of the next call")
    has_more: bool


ROUTES = Routes("events", *feed.EVENT_SCOPES)


@ROUTES(
    "GET /events",
    "Events in order; waits up to 60 seconds for the next one",
    text="Each scope gives its own types: messages:read events of outgoing documents, inbox:read those of "
    "incoming ones, agencies:read changes of the directory, evidence:read evidence packs, "
    "webhooks:manage events of webhooks. `next_after` also moves past events that were left out.",
    any_scope=True,
    fails=(410,),
)
async def read_events(call: Call, query: EventsQuery) -> Events:
    check_words("type", query.type, EventKind)
    start = sequence_of(query.after)
    await _check_cursor(call, query.after, start)
    reader = _Feed(call=call, query=query, position=start)
    events = await wait_until(call, query.wait, reader.look, bool)
    agency = call.caller.agency.code if call.caller.agency else ""
    document_ids = feed.documents_of(events) if call.wants("data") else ()
    words = await call.deps.webhooks.rows.client_words(call.scope().agency_id, document_ids)
    return Events(
        data=[EventOut.model_validate(feed.event_body(e, agency, words)) for e in events],
        next_after=feed.event_id(reader.last_event) if reader.last_event else query.after,
        has_more=reader.has_more,
    )


@dataclass(slots=True)
class _Feed:
    """Reader of the events after a cursor that this key may read and the query wants. Skipped events move the cursor too,
    so that they are not read again."""

    call: Call
    query: EventsQuery
    position: int
    last_event: Event | None = None
    has_more: bool = False

    async def look(self) -> list[Event]:
        events: list[Event] = []
        agency, store = self.call.scope().agency_id, self.call.deps.store
        for _ in range(_MOST_LOOKS):
            batch = await store.events_after(agency, self.position, _AT_ONCE)
            for n, event in enumerate(batch):
                self.last_event, self.position = event, event.agency_seq or 0
                if self._is_wanted(event):
                    events.append(event)
                if len(events) == self.query.limit:
                    self.has_more = n + 1 < len(batch) or len(batch) == _AT_ONCE
                    return events
            if len(batch) < _AT_ONCE:
                self.has_more = False
                return events
        self.has_more = True
        return events

    def _is_wanted(self, event: Event) -> bool:
        query = self.query
        return feed.is_wanted(event.kind, self.call.caller.key.scopes, query.type) and query.subject in (
            None,
            event.subject_id,
        )


def sequence_of(cursor: str) -> int:
    """Return the sequence that a cursor names. BadCall when it is neither an event id nor a number."""
    text = cursor.rpartition("-")[2] if cursor.startswith("evt_") else cursor
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise bad_value("?after", "evt_…, 0")
    return int(text)


async def _check_cursor(call: Call, cursor: str, sequence: int) -> None:
    """Check that the cursor is still known. A node restored from a backup reuses numbers; a reader would wait for them or
    miss their new events without noticing: BadCall instead."""
    if sequence == 0:
        return
    events = await call.deps.store.events_after(call.scope().agency_id, sequence - 1, 1)
    # A bare number matches any event with that number.
    is_other = cursor.startswith("evt_") and [feed.event_id(e) for e in events] != [cursor]
    if not events or events[0].agency_seq != sequence or is_other:
        raise BadCall("cursor-gone")
