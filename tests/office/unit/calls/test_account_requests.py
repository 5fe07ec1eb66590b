"""Requests about accounts over the API: made once, followed to their answer, of one's own agency alone."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.domain.person import Role
from gateway_office.accounts import requests
from gateway_office.accounts.acting import Administrator
from gateway_office.bootstrap.office import Office
from tests.office.support.api import COMMUNE, Answer, OfficeDoor

NEW = {"form": "01", "number": "12/SMT-VP", "lines": [{"name": "Đặng Thị Mẫu", "role": "officer"}]}


async def make(door: OfficeDoor, body: Any, once: str = "r", **more: Any) -> Answer:
    return await door.ask("POST", "/account-requests", once=once, json=body, **more)


async def test_a_request_is_made_once_and_followed_to_its_answer(door: OfficeDoor) -> None:
    created, repeat, second = await make(door, NEW), await make(door, NEW), await make(door, NEW, "s")
    id = created.json["id"]

    assert (created.status, created.json["state"], created.json["lines"][0]["done"]) == (201, "open", None)
    assert repeat.raw == created.raw
    first_page = (await door.ask("GET", "/account-requests?limit=1")).json
    next_page = (await door.ask("GET", f"/account-requests?cursor={first_page['next_cursor']}")).json
    assert [row["id"] for row in (*first_page["data"], *next_page["data"])] == [second.json["id"], id]

    assert isinstance(door.node, Office)
    services = door.node.accounts
    async with services.accounts.read() as view:
        root = next(p.id for p in await view.people.all() if Role.PEOPLE in p.roles)
    answer = requests.Answer(
        words="Đã cấp tài khoản.", decisions=(requests.Decision(is_done=True, login="mau"),)
    )
    await requests.answer(services, Administrator.person(root), id, answer)

    row = (await door.ask("GET", f"/account-requests/{id}")).json
    assert (row["state"], row["answer"], row["lines"][0]["login"]) == ("done", "Đã cấp tài khoản.", "mau")
    await door.carry()
    events = (await door.ask("GET", "/events?type=accounts.requested,accounts.answered")).json["data"]
    assert [event["type"] for event in events] == ["accounts.requested"] * 2 + ["accounts.answered"]


async def test_another_agency_does_not_see_it(door: OfficeDoor) -> None:
    id = (await make(door, NEW)).json["id"]

    assert (await door.ask("GET", f"/account-requests/{id}", agency=COMMUNE)).status == 404
    assert (await door.ask("GET", "/account-requests", agency=COMMUNE)).json["data"] == []
    assert (await door.ask("GET", f"/account-requests?cursor={id}", agency=COMMUNE)).status == 400


@pytest.mark.parametrize(
    ("line", "pointer"),
    [
        ({"name": "Đặng Thị Mẫu"}, "/lines/0/role"),
        ({"name": "Đặng Thị Mẫu", "role": "operator"}, "/lines/0/role"),
        ({"role": "clerk"}, "/lines/0/name"),
    ],
)
async def test_a_fault_is_named_by_its_field(door: OfficeDoor, line: dict[str, str], pointer: str) -> None:
    refused = await make(door, {**NEW, "lines": [line]})

    assert (refused.status, refused.json["code"]) == (400, "GW-REQUEST")
    assert pointer in str(refused.json)
