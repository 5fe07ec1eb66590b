"""The feed: in order, without gaps, and a poll that waits without delaying other calls."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from gateway.api.resources.events import sequence_of
from gateway.domain import feed
from gateway.domain.account import ApiScope
from gateway.domain.event import Event, EventKind
from gateway.domain.request_fault import BadCall
from tests.support.api import DEPARTMENT, PROVINCE, Door
from tests.support.api import meta as document
from tests.support.waiting import within_limit


async def happened(door: Door, number: str = "15") -> None:
    assert (await door.send(document(number=number), once=number)).status == 202
    await door.carry()


async def test_events_come_in_order_without_gaps_behind_any_cursor(door: Door) -> None:
    await happened(door)

    rows = (await door.ask("GET", "/events")).json["data"]
    assert [row["sequence"] for row in rows] == list(range(1, len(rows) + 1))
    assert rows[0]["type"] == "message.accepted"
    assert all(row["id"].startswith("evt_") for row in rows)
    for name in ("id", "sequence"):
        assert (await door.ask("GET", f"/events?after={rows[1][name]}")).json["data"] == rows[2:]

    read_rows: list[dict[str, Any]] = []
    cursor, more = "0", True
    while more:
        page = (await door.ask("GET", f"/events?after={cursor}&limit=2")).json
        read_rows, cursor, more = read_rows + page["data"], page["next_after"], page["has_more"]
    assert read_rows == rows
    assert (await door.ask("GET", f"/events?after={cursor}")).json["next_after"] == cursor

    # After a restore from an older backup what a reader has seen is ahead, or belongs to other events.
    for lost_cursor in (len(rows) + 1, "evt_01J0000000000000000000000Z-2"):
        answer = await door.ask("GET", f"/events?after={lost_cursor}")
        assert (answer.status, answer.json["type"].rpartition("/")[2]) == (410, "cursor-gone")
    for query in ("wait=61", "wait=-1", "after=abc", "limit=0", "type=nonsense"):
        assert (await door.ask("GET", f"/events?{query}")).status == 400, query


async def test_a_poll_is_woken_by_the_next_event(door: Door) -> None:
    at_once = await door.ask("GET", "/events", agency=PROVINCE)
    assert (at_once.json["data"], at_once.json["next_after"]) == ([], "0")

    waiting = asyncio.create_task(door.ask("GET", "/events?wait=60"))
    await asyncio.sleep(0)
    await happened(door)

    assert (await within_limit(waiting, "the poll")).json["data"]


async def test_a_client_that_goes_away_frees_its_poll(door: Door) -> None:
    secret = await door.key(PROVINCE)
    poll_started = asyncio.Event()
    ended_polls: list[int] = []
    store = door.node.store
    wait, ask = store.wait_events, store.events_after

    async def counted(agency_id: str | None, after_seq: int, limit: int) -> Sequence[Event]:
        ended_polls.append(1)
        return await ask(agency_id, after_seq, limit)

    async def noticed(timeout_s: float) -> None:
        poll_started.set()
        await wait(min(timeout_s, 0.05))

    store.events_after = counted  # type: ignore[method-assign]  # counts how often the poll still looks
    store.wait_events = noticed  # type: ignore[method-assign]  # the same wait, shorter
    host, port = door.client.server.host, door.client.server.port
    _, writer = await asyncio.open_connection(host, port)
    writer.write(
        f"GET /api/v1/events?wait=60 HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {secret}\r\n\r\n".encode()
    )
    await within_limit(poll_started.wait(), "the poll's first look")

    writer.close()
    await writer.wait_closed()

    ended_before = -1
    while ended_before != len(ended_polls):
        ended_before = len(ended_polls)
        await within_limit(wait(0.2), "a look")


async def test_a_node_that_stops_does_not_wait_for_its_polls(door: Door) -> None:
    waiting = asyncio.create_task(door.ask("GET", "/events?wait=60"))
    await asyncio.sleep(0)
    app = door.client.app
    assert app is not None

    await within_limit(app.shutdown(), "the shutdown")

    answer = await within_limit(waiting, "the poll")
    assert answer.json["data"] == []


@pytest.mark.parametrize("cursor", ["", "evt_", "evt_x", "-1", "1.5", "x" * 100, "9" * 19, "evt_01-"])
def test_a_malformed_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(BadCall):
        sequence_of(cursor)


async def test_a_feed_may_be_of_some_types_or_of_one_document_and_its_cursor_goes_on(door: Door) -> None:
    await happened(door, "15")
    await happened(door, "16")
    rows = (await door.ask("GET", "/events")).json["data"]
    ours = rows[0]["subject"]

    chosen = (await door.ask("GET", f"/events?subject={ours}&type=message.accepted,message.queued")).json

    assert [row["type"] for row in chosen["data"]] == ["message.accepted", "message.queued"]
    assert {row["subject"] for row in chosen["data"]} == {ours}
    assert chosen["next_after"] == rows[-1]["id"]


@pytest.mark.parametrize(
    ("scope", "first"),
    [(ApiScope.MESSAGES_READ, {"message", "recall"}), (ApiScope.INBOX_READ, {"inbox", "register"})],
)
async def test_a_key_reads_the_events_of_its_scopes_alone(
    door: Door, scope: ApiScope, first: set[str]
) -> None:
    """Events hold texts of people, such as the reason of a refusal: a key that may not read the inbox must not learn
    them from events."""
    await happened(door)
    for agency in (DEPARTMENT, PROVINCE):
        key = await door.key(agency, scopes=[scope])

        rows = (await door.ask("GET", "/events", key=key)).json["data"]

        assert {row["type"].partition(".")[0] for row in rows} <= first


def test_no_program_reads_what_people_and_keys_did() -> None:
    kinds = {kind for kind in EventKind if feed.scope_of(kind) is not None}

    assert not {
        kind for kind in kinds if kind.partition(".")[0] in ("person", "session", "account", "apikey", "hold")
    }
    assert EventKind.DELIVERY_STATUS in kinds
