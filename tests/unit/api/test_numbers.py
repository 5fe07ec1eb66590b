"""Numbers of outgoing documents through the API: looked up, reserved, used up by a message, given back, made void, listed;
with an event for each, and the warnings of notation and signing that a check tells."""

from __future__ import annotations

from typing import Any

from tests.support.api import DEPARTMENT, Answer, Door, form, meta
from tests.support.node import PDF


async def choose(door: Door, setting: str, value: str) -> None:
    answer = await door.ask("PUT", f"/profile/{setting}", json={"value": value})
    assert answer.status == 200, str(answer)


async def reserve(door: Door, once: str, **fields: object) -> dict[str, Any]:
    answer = await door.ask("POST", "/numbers", once=once, json=fields)
    assert answer.status == 201, str(answer)
    reserved: dict[str, Any] = answer.json
    return reserved


async def validate(door: Door, **fields: object) -> dict[str, Any]:
    data = form(meta() | fields, [("lead", "15.pdf", PDF)])
    answer = await door.ask("POST", "/messages:validate", data=data)
    assert answer.status == 200, str(answer)
    validated: dict[str, Any] = answer.json
    return validated


async def test_a_number_is_reserved_used_up_given_back_or_made_void(door: Door) -> None:
    await choose(door, "out_numbering", "B")
    symbol = meta()["symbol"]
    series = (await door.ask("GET", f"/numbers/next?symbol={symbol}")).json
    first = await reserve(door, "a", symbol=symbol)
    repeat = await reserve(door, "a", symbol=symbol)
    second = await reserve(door, "b", symbol=symbol, days=1)

    assert (series["number"], first["number"], second["number"]) == ("01", "01", "02")
    assert repeat == first
    for number, rule in (("7", "number-not-given"), ("03", "number-not-given")):
        refused = await door.send(meta() | {"number": number}, once=f"no-{number}")
        assert (refused.status, refused.json["errors"][0]["code"]) == (422, rule), str(refused)
        assert refused.json["errors"][0]["suggest"] == "03"
    sent = await door.send(meta() | {"number": "01"})
    assert sent.status == 202, str(sent)
    back = await door.ask("POST", f"/numbers/{second['id']}/release", json={"reason": "Thôi ban hành"})
    assert (back.json["state"], back.json["reason"]) == ("free", "Thôi ban hành")
    assert (await validate(door, number=""))["number"] == "02"
    second_document = await door.send(meta() | {"number": "", "external_id": "x2"}, once="two")
    assert second_document.json["number"] == "02"
    stands = await door.ask("POST", f"/numbers/{first['id']}/void", json={"reason": "Nhầm"})
    assert (stands.status, stands.json["code"]) == (409, "GW-NUMBER-STANDS")
    await door.ask("POST", f"/messages/{second_document.json['id']}/cancel", json={})
    third = await reserve(door, "c", symbol=symbol, days=2)
    for number, rule in (("01", "number-given"), ("02", "number-void")):
        refused = await door.send(
            meta() | {"number": number, "date": "2026-11-19", "external_id": rule}, once=rule
        )
        assert (refused.status, refused.json["errors"][0]["code"]) == (422, rule), str(refused)
    stranger = await door.key(DEPARTMENT)
    refused = await door.send(
        meta() | {"number": third["number"], "external_id": "s"}, once="s", key=stranger
    )
    assert refused.json["errors"][0]["code"] == "number-reserved", str(refused)
    await door.ask("POST", f"/numbers/{third['id']}/release", json={})
    listed = (await door.ask("GET", "/numbers?limit=1")).json
    next_rows = (await door.ask("GET", f"/numbers?cursor={listed['next_cursor']}")).json["data"]
    rows = [*listed["data"], *next_rows]
    assert [(r["number"], r["state"], r["document"]) for r in rows] == [
        ("01", "issued", sent.json["id"]),
        ("02", "void", second_document.json["id"]),
        ("03", "free", None),
    ]
    assert rows[1]["reason"]
    assert [r["id"] for r in (await door.ask("GET", "/numbers?state=void")).json["data"]] == [second["id"]]
    await door.carry()
    feed = (
        await door.ask("GET", "/events?type=number.reserved,number.issued,number.released,number.voided")
    ).json["data"]
    assert [e["type"].removeprefix("number.") for e in feed] == [
        *("reserved", "reserved", "issued", "released", "issued", "voided", "reserved", "released"),
    ]


async def test_numbers_are_not_reserved_where_the_node_does_not_give_them(door: Door) -> None:
    async def ask(method: str, path: str, **more: Any) -> Answer:
        return await door.ask(method, path, **more)

    assert (await ask("GET", "/numbers/next")).json["number"] is None
    assert (await ask("POST", "/numbers", once="a", json={})).json["code"] == "GW-NUMBERS-NOT-OURS"
    assert (await ask("GET", "/numbers")).json["data"] == []
    assert (await ask("POST", "/numbers/2026.HC.cong_van.1/void", json={"reason": "x"})).status == 404
    assert (await ask("POST", "/numbers/nothing/release", json={})).status == 404


async def test_a_check_warns_of_order_notation_and_signing_and_refuses_for_none(door: Door) -> None:
    await door.send(meta() | {"number": "15"})
    await choose(door, "out_numbering", "C")
    await choose(door, "abbreviation", "XYZ")
    await choose(door, "signing_acts", "Nguyễn Văn Mẫu | TL. | | 1/QĐ | 2026-01-01 |")
    signer = {"name": "Nguyễn Văn Mẫu", "competence": "TUQ. GIÁM ĐỐC"}

    checked = await validate(door, number="9", external_id=None, signer=signer)

    warned = {w["type"]: w["suggest"] for w in checked["warnings"]}
    assert checked["allowed"], checked
    assert warned["number-order"] == "16"
    assert warned["number-shape"] == "09"
    assert warned["notation-shape"] == "XYZ"
    assert "capacity-unproved" in warned
