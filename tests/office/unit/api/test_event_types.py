"""The table of event types is the one place of their facts: page, schemas, examples and what nodes write agree with it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator

from gateway.api import event_types
from gateway.domain import feed
from gateway.domain.event import EventKind
from gateway.domain.sealed_log import PERSONAL
from tests.office.support.doors import WITH_OFFICE
from tests.support.api import Door
from tests.support.cases import Cases
from tests.support.recorded_events import neutral
from tools import event_page

NODES_OWN = "in the node's own sequence, which no key reads"
OFFICE = (
    "only a person at a page, or a report by the calendar, causes it; no test of those writes a recording"
)
NOT_RECORDED = {
    **dict.fromkeys(("inbox.offered", "inbox.report", "message.hurried"), OFFICE),
    **dict.fromkeys(("reform.approved", "reform.undone", "reform.reported"), NODES_OWN),
    **dict.fromkeys(("codes.imported", "codes.changed", "codes.undone"), NODES_OWN),
}
NEWER: dict[str, Any] = {
    "id": "evt_1",
    "type": "message.later",
    "created_at": "2026-11-20T14:02:11+07:00",
    "agency": "Z91.07",
}
NEWER |= {"sequence": 1, "subject": "msg_1", "data": {"new": 1}}


def test_the_table_has_every_type_that_a_key_may_read_and_no_other() -> None:
    types = event_types.table()

    assert {kind.name for kind in types} == set(feed.readable(feed.EVENT_SCOPES))
    assert len({kind.model for kind in types}) == len(types)


def test_the_page_has_the_table_of_today() -> None:
    text = event_page.PAGE.read_text(encoding="utf-8")

    assert event_page.written(text) == text, "run tools/event_page.py"


def test_what_may_be_deleted_from_an_event_may_be_missing(cases: Cases) -> None:
    def check(kind: event_types.EventType) -> None:
        # A digest names no person, and is never deleted.
        needed = {name for name, f in kind.data.items() if not f.is_optional and f.kind != "sha256"}
        assert needed & PERSONAL == set()

    cases.check_rows(event_types.table(), check)


def test_each_type_has_a_recorded_example_that_fits_its_schema_and_shows_no_run(cases: Cases) -> None:
    examples = event_types.recorded()
    assert {kind.name for kind in event_types.table()} - examples.keys() == NOT_RECORDED.keys()

    def check(name: str) -> None:
        event = examples[name]
        assert event["type"] == name
        assert WITH_OFFICE.event_complaints(event) == []
        text = json.dumps(event, ensure_ascii=False)
        assert neutral(text) == text

    cases.check_rows(sorted(examples), check)


def test_an_event_of_each_type_fits_its_own_schema_alone_and_a_later_one_the_open_schema(
    cases: Cases,
) -> None:
    schemas = WITH_OFFICE.document["components"]["schemas"]
    event_schema, examples = schemas["Event"], event_types.recorded()
    assert set(event_schema["discriminator"]["mapping"]) == {kind.name for kind in event_types.table()}

    def fitting(event: dict[str, Any]) -> list[str]:
        refs = [part["$ref"] for part in event_schema["anyOf"]]
        return [ref for ref in refs if WITH_OFFICE.validator({"$ref": ref}).is_valid(event)]

    def check(name: str) -> None:
        assert fitting(examples[name] | {"new": 1}) == [event_schema["discriminator"]["mapping"][name]]

    cases.check_rows(sorted(examples)[::7], check)
    assert fitting(NEWER) == ["#/components/schemas/EventOut"]
    # A known type cannot hide its faults behind the open schema.
    assert fitting(examples["message.status"] | {"data": {"code": 3}}) == []


async def test_the_judge_of_all_answers_finds_a_field_of_an_event_that_is_not_described(door: Door) -> None:
    scope = await door.town.scope("Z91.07")
    async with door.node.store.changing(scope) as work:
        data = {"by": "msg_1", "to": "Z91", "planted": 1}
        await work.events.append(EventKind.INBOX_REPLIED, "inb_1", door.clock.now(), data)
    await door.town.number()

    with pytest.raises(AssertionError, match=r"inbox\.replied: /data .*planted"):
        await door.ask("GET", "/events")


def test_the_call_of_a_webhook_is_described_with_its_headers() -> None:
    operation = WITH_OFFICE.document["webhooks"]["event"]["post"]
    headers = {p["name"]: p["required"] for p in operation["parameters"]}

    assert operation["requestBody"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/Event"
    }
    assert headers == {
        "webhook-id": True,
        "webhook-timestamp": True,
        "webhook-signature": True,
        "traceparent": False,
        "tracestate": False,
    }
    trial = NEWER | {"type": "webhook.test", "sequence": 0, "data": {}}
    schema = {"$ref": "#/components/schemas/Event", "components": WITH_OFFICE.document["components"]}
    assert Draft202012Validator(schema).is_valid(trial)
