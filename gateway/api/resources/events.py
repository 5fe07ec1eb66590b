"""The feed of events of one agency: in order, without gaps, with a long poll. In: a cursor and how long to wait. Out: the
events behind the cursor, or none when the time is up. A poll ends early when its client goes or the node stops."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from aiohttp import web
from pydantic import Field

from gateway.api.call import Call
from gateway.api.failing import BadCall, Fault
from gateway.api.paging import DEFAULT_ROWS, MOST_ROWS
from gateway.api.routes import BASE, Route
from gateway.api.shapes import Asked, Code, Moment, Told
from gateway.api.vocabulary import EventWord
from gateway.domain.account import ApiScope
from gateway.domain.event import Event

STOPPING = web.AppKey("stopping", asyncio.Event)

# How often a waiting poll looks whether its client is still there, and whether another process numbered events.
_LOOK_S = 1.0


class EventsQuery(Asked):
    """Where to go on, and how long to wait when there is nothing yet."""

    after: Code = Field(
        "0", description="Id of the last event seen (`evt_…`), or its sequence; 0 is the beginning"
    )
    wait: int = Field(0, ge=0, le=60, description="Seconds to wait for the next event")
    limit: int = Field(DEFAULT_ROWS, ge=1, le=MOST_ROWS)


class EventOut(Told):
    """One event. `sequence` has no gaps within an agency, so a client sees a hole."""

    id: str
    type: EventWord
    created_at: Moment
    agency: str
    sequence: int
    subject: str
    data: dict[str, Any]  # Any: what an event says differs by its type


class Events(Told):
    data: list[EventOut]
    next_after: str = Field(description="`after` of the next call")
    has_more: bool


async def read_events(call: Call) -> web.Response:
    query = call.query_of(EventsQuery)
    after = sequence_of(query.after)
    await _must_be_ours(call, query.after, after)
    found = await _poll(call, after, query.wait, query.limit)
    agency = call.caller.agency.code if call.caller.agency else ""
    rows = [_event(each, agency) for each in found]
    told = Events(
        data=rows,
        next_after=rows[-1].id if rows else query.after,
        has_more=len(rows) == query.limit,
    )
    return call.tell(told)


def event_id(event: Event) -> str:
    """The event's ULID with its sequence once it has one, so that a cursor needs no look-up."""
    bare = "evt_" + event.id.removeprefix("evt_")
    return bare if event.agency_seq is None else f"{bare}-{event.agency_seq}"


def sequence_of(after: str) -> int:
    """The sequence that a cursor names. BadCall when it is neither an event id nor a number."""
    text = after.rpartition("-")[2] if after.startswith("evt_") else after
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        params = {"field": "after", "expected": "evt_…, 0"}
        raise BadCall("bad-request", Fault(code="bad-value", pointer="?after", params=params))
    return int(text)


async def _must_be_ours(call: Call, cursor: str, after: int) -> None:
    """A node that was restored from a backup gives numbers again that a reader has seen. It would wait for them, or miss
    what bears them now, and never know: BadCall instead."""
    if after == 0:
        return
    found = await call.deps.store.events_after(call.scope().agency_id, after - 1, 1)
    if not found or found[0].agency_seq != after or not _names(cursor, found[0]):
        raise BadCall("cursor-gone")


def _names(cursor: str, event: Event) -> bool:
    """A bare number names whatever bears it."""
    return not cursor.startswith("evt_") or cursor == event_id(event)


async def _poll(call: Call, after: int, wait_s: float, limit: int) -> Sequence[Event]:
    scope, store = call.scope(), call.deps.store
    loop = asyncio.get_running_loop()
    until = loop.time() + min(wait_s, call.deps.options.poll_s)
    while True:
        found = await store.events_after(scope.agency_id, after, limit)
        left = until - loop.time()
        if found or left <= 0 or _is_over(call.request):
            return found
        await store.wait_events(min(left, _LOOK_S))


def _is_over(request: web.Request) -> bool:
    """Whether nobody waits for the answer any more, or the node is stopping."""
    transport = request.transport
    return transport is None or transport.is_closing() or request.app[STOPPING].is_set()


def _event(event: Event, agency: str) -> EventOut:
    return EventOut(
        id=event_id(event),
        type=event.kind,
        created_at=event.at,
        agency=agency,
        sequence=event.agency_seq or 0,
        subject=event.subject_id,
        data=event.data,
    )


ROUTES = (
    Route(
        method="GET",
        path=f"{BASE}/events",
        name="readEvents",
        tag="events",
        handler=read_events,
        summary="What happened, in order; waits up to 60 seconds for the next event",
        text="Events carry ids and states, never content, so either scope is enough.",
        scopes=(ApiScope.MESSAGES_READ, ApiScope.INBOX_READ),
        any_scope=True,
        query=EventsQuery,
        answer=Events,
        fails=(400, 410),
    ),
)
