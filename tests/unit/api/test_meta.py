"""Calls about the node itself, and the pages for people."""

from __future__ import annotations

import base64
import html
import io
import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from gateway import __version__, log
from gateway.api import problems
from gateway.domain.event import EventKind
from gateway.domain.states import CODES, STATES
from gateway.domain.wall_clock import local, moment_text
from gateway.store import maintenance
from gateway.store.data_folder import Room
from tests.support import answers
from tests.support.api import DEPARTMENT, PDF, Door, meta
from tests.support.cases import Cases

MOST_PAGE_BYTES = 150_000


async def test_me_tells_the_key_its_scopes_and_agencies(door: Door) -> None:
    me = (await door.ask("GET", "/me")).json
    limits = (await door.ask("GET", "/limits")).json

    assert me["agency"] == DEPARTMENT
    assert [agency["code"] for agency in me["agencies"]] == [DEPARTMENT]
    assert "messages:send" in me["scopes"]
    assert limits["max_file_bytes"] == door.node.out.profile.max_file_bytes
    assert limits["lead_types"] == ["pdf"]
    assert (limits["calls_per_second"], limits["calls_at_once"]) == (None, None)
    await door.node.store.number_events()
    await door.node.sealer.step()
    await door.node.pulse.beat()
    for path in ("/healthz", "/readyz"):
        health = await door.ask("GET", path, key=None)
        assert (health.status, health.json["status"]) == (200, "ok")


async def test_codes_name_every_state_and_status_in_both_languages(door: Door) -> None:
    codes = (await door.ask("GET", "/codes")).json

    assert {row["key"] for row in codes["states"]} == set(STATES)
    assert {row["code"] for row in codes["statuses"]} == set(CODES)
    assert all(row["vi"] and row["en"] for rows in codes.values() for row in rows)


async def test_a_full_disk_is_a_503_to_senders_and_nothing_is_half_written(door: Door) -> None:
    """Threat 91: until there is room again; then the same call is taken."""
    room = door.node.blobs._room
    door.node.blobs._room = Room(folder=room.folder, reserve=1 << 60)

    refused = await door.send(once="a")

    assert refused.status == 503
    assert refused.headers["Content-Type"] == "application/problem+json; charset=utf-8"
    assert (refused.json["code"], refused.json["retryable"]) == ("GW-S-507", True)
    assert int(refused.headers["Retry-After"]) > 0
    assert (await door.ask("GET", "/messages")).json["data"] == []

    door.node.blobs._room = room

    assert (await door.send(once="a")).status == 202


async def test_a_maintenance_is_a_503_to_senders_until_its_end_and_reading_goes_on(door: Door) -> None:
    node = door.node
    end = node.clock.now() + timedelta(hours=2)
    await maintenance.begin(node.store, node.clock, "prn_operator", end, "Nâng cấp")
    await node.maintenance.step()

    refused = await door.send(once="a")

    assert (refused.status, refused.json["code"], refused.json["retryable"]) == (503, "GW-S-510", True)
    assert refused.json["type"].endswith("/maintenance")
    assert moment_text(end) in refused.json["detail"]
    assert int(refused.headers["Retry-After"]) == 7200
    assert (await door.ask("GET", "/messages")).json["data"] == []
    ready = await door.ask("GET", "/readyz", key=None)
    assert (ready.status, ready.json["status"]) == (200, "degraded")
    assert ready.json["checks"]["maintenance"] == f"until {local(end).isoformat(timespec='seconds')}"

    await maintenance.end(node.store, node.clock, "prn_operator")
    await node.maintenance.step()

    assert (await door.send(once="a")).status == 202


@contextmanager
def logged(level: int) -> Iterator[io.StringIO]:
    """Capture the log from that level on."""
    handler = logging.StreamHandler(stream := io.StringIO())
    handler.setFormatter(log.JsonLines())
    root = logging.getLogger()
    usual_level = root.level
    root.addHandler(handler)
    log.quieten()
    root.setLevel(level)
    try:
        yield stream
    finally:
        root.removeHandler(handler)
        root.setLevel(usual_level)


async def test_whoever_has_a_key_reads_the_version_of_the_node(door: Door) -> None:
    answer, refusal, open_to_all = (
        await door.ask("GET", "/me"),
        await door.ask("GET", "/messages/none"),
        await door.ask("GET", "/openapi.json", key=None),
    )

    assert answer.headers["Gateway-Version"] == refusal.headers["Gateway-Version"] == __version__
    assert "Gateway-Version" not in open_to_all.headers


async def test_a_request_id_is_carried_from_the_call_into_event_and_log(door: Door) -> None:
    with logged(logging.INFO) as stream:
        sent = await door.send(headers={"X-Request-Id": "trace-77"})
        await door.carry()

    document = sent.json["id"]
    calls = {event.kind: event.data.get("call") for event in await door.node.store.events_after(None, 0, 100)}
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    (accepted,) = [line for line in lines if line.get("action") == "message.accepted"]
    assert sent.headers["X-Request-Id"] == "trace-77"
    assert (accepted["request"], accepted["document"]) == ("trace-77", document)
    assert calls[EventKind.MESSAGE_ACCEPTED] == "trace-77"
    assert calls[EventKind.MESSAGE_QUEUED] == "trace-77"
    # What the workers did later was no call.
    assert calls[EventKind.DELIVERY_SENT] is None


async def test_no_log_line_at_any_level_holds_content_or_secrets(door: Door) -> None:
    with logged(logging.DEBUG) as stream:
        await door.send()
        await door.carry()
        await door.ask("GET", "/messages", key="gwk_wrong-and-secret")

    log_text = stream.getvalue()
    key = next((door.node.settings.keys.folder).glob("*/*.key.pem")).read_text()
    assert "message.accepted" in log_text
    assert meta()["subject"] not in log_text
    assert base64.b64encode(PDF)[:60].decode() not in log_text
    assert "gwk_" not in log_text
    assert key.splitlines()[1][:40] not in log_text


async def test_the_documentation_shows_every_call(door: Door, cases: Cases) -> None:
    """The index keeps the anchors of the one page that it was, and leads from each to a page that is small enough."""
    index = (await door.ask("GET", "/docs", key=None)).raw.decode()
    described = (await door.ask("GET", "/openapi.json", key=None)).json
    calls = [
        operation["operationId"] for verbs in described["paths"].values() for operation in verbs.values()
    ]
    anchors = {name: name for name in calls} | {f"type-{x}": x for x in described["components"]["schemas"]}

    async def check(row: tuple[str, str]) -> None:
        anchor, name = row
        assert f'id="{anchor}" href="/docs/{name}?lang=vi"' in index
        page = await door.ask("GET", f"/docs/{name}", key=None)
        text = page.raw.decode()
        targets = set(re.findall('href="(?:/docs/([^"?]+)|#([^"]+))', text))
        assert {part for part, _ in targets} - {""} <= set(anchors.values())
        assert {f'id="{own}"' for _, own in targets if own and f'id="{own}"' not in text} == set()
        assert f'id="{anchor}"' in text
        assert page.status == 200
        assert len(page.raw) < MOST_PAGE_BYTES

    await cases.check_rows_async(anchors.items(), check)
    assert {f'id="{tag["name"]}"' for tag in described["tags"] if f'id="{tag["name"]}"' not in index} == set()
    assert 'id="types"' in index
    assert len(index.encode()) < MOST_PAGE_BYTES
    assert (await door.ask("GET", "/docs/no-such", key=None)).status == 404


async def test_the_page_of_a_call_shows_its_recorded_answers(door: Door) -> None:
    page = html.unescape((await door.ask("GET", "/docs/setStatus?lang=en", key=None)).raw.decode())

    for (call, status), row in answers.recorded().items():
        if call == "setStatus":
            assert f"<summary><code>{status}</code></summary>" in page
            assert json.dumps(row["answer"]["body"], ensure_ascii=False, indent=2) in page


async def test_every_kind_of_problem_has_its_page_in_both_languages(door: Door) -> None:
    for slug in problems.sorts():
        vi = await door.ask("GET", f"/problems/{slug}", key=None)
        en = await door.ask("GET", f"/problems/{slug}?lang=en", key=None)

        assert vi.status == en.status == 200, slug
        assert vi.raw != en.raw
