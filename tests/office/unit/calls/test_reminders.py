"""A late recipient is reminded over the API: by a person with a name, of what is late, once in a week."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from gateway.domain.account import AgencyScope, ApiScope
from gateway.domain.event import EventKind
from tests.office.support.api import DEPARTMENT, PROVINCE, Answer, OfficeDoor
from tests.unit.api.test_messages import sent

LATE = timedelta(days=3)


async def remind(door: OfficeDoor, id: str, key: str = "r", **fields: Any) -> Answer:
    body = {"recipient": PROVINCE, "by": "Trần Thị Mẫu", "how": "phone", "text": "Đề nghị tiếp nhận."}
    return await door.ask("POST", f"/messages/{id}/remind", once=key, json=body | fields)


async def urged(door: OfficeDoor, id: str) -> list[Any]:
    agency = await door.node.store.accounts.hosted_by_code(DEPARTMENT)
    assert agency is not None
    async with door.node.store.read(AgencyScope(agency_id=agency.id, principal_id="reader")) as work:
        return [
            event.data for event in await work.events.of_subject(id) if event.kind is EventKind.MESSAGE_URGED
        ]


async def test_what_is_late_is_noted_with_who_reminded_of_it(door: OfficeDoor) -> None:
    ids = [(await sent(door, number))["id"] for number in ("15", "16")]
    await door.carry()

    early = await remind(door, ids[0])
    door.clock.advance(LATE)
    reminded = await remind(door, ids[0], "s")
    repeat = await remind(door, ids[0], "s")
    soon = await remind(door, ids[1], "t")
    door.clock.advance(timedelta(days=7))
    every_document = await remind(door, ids[1], "u", every=True)

    assert (early.status, early.json["code"]) == (409, "GW-NOT-LATE")
    assert (reminded.status, reminded.json["documents"]) == (200, [ids[0]])
    assert repeat.raw == reminded.raw
    assert (soon.status, soon.json["code"]) == (409, "GW-URGED")
    assert set(every_document.json["documents"]) == set(ids)
    assert [note["person"] for note in await urged(door, ids[0])] == ["Trần Thị Mẫu"] * 2
    assert len(await urged(door, ids[1])) == 1


@pytest.mark.parametrize("fields", [{"by": ""}, {"text": ""}, {"how": "shouting"}, {"recipient": None}])
async def test_a_reminder_without_its_fields_is_refused(door: OfficeDoor, fields: dict[str, Any]) -> None:
    id = (await sent(door))["id"]
    await door.carry()
    door.clock.advance(LATE)

    assert (await remind(door, id, **fields)).status in (400, 422)
    assert await urged(door, id) == []


async def test_of_others_documents_nobody_is_reminded(door: OfficeDoor) -> None:
    id = (await sent(door))["id"]
    other = await door.key(PROVINCE, scopes=(ApiScope.MESSAGES_SEND,))
    body = {"recipient": PROVINCE, "by": "Trần Thị Mẫu", "text": "Đề nghị tiếp nhận."}

    answer = await door.ask("POST", f"/messages/{id}/remind", key=other, agency=PROVINCE, once="r", json=body)

    assert answer.status == 404
