"""Recipients that mail would not reach are confirmed at every call that sends, once for all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.interop import edxml_files
from tests.support.api import DEPARTMENT, PDF, PROVINCE, Answer, Door, form, meta

NOBODY = ("G01", "G02")  # of the list that ships with the program
CLOSED = "H34"
TO = [{"code": code, "role": "to_act"} for code in NOBODY]


async def _created(door: Door, confirm: list[str]) -> Answer:
    return await door.ask("POST", "/messages", once="a", data=form(meta(recipients=TO, confirm=confirm)))


async def _draft_sent(door: Door, confirm: list[str]) -> Answer:
    draft_form = form(meta(number="18", recipients=TO, send=False))
    draft = (await door.ask("POST", "/messages", once="b", data=draft_form)).json["id"]
    return await door.ask("POST", f"/messages/{draft}/send", json={"confirm": confirm})


async def _add_recipients(door: Door, confirm: list[str]) -> Answer:
    first = (await door.ask("POST", "/messages", once="c", data=form(meta(number="16")))).json["id"]
    await door.carry()
    body = {"recipients": TO, "confirm": confirm}
    return await door.ask("POST", f"/messages/{first}/recipients", once="d" + "".join(confirm), json=body)


async def _brought(door: Door, confirm: list[str]) -> Answer:
    file = edxml_files.document(DEPARTMENT, NOBODY, [("a.pdf", PDF)], number="17")
    path = "/envelopes" + (f"?confirm={','.join(confirm)}" if confirm else "")
    return await door.ask(
        "POST", path, once="e" + "".join(confirm), data=file, headers={"Content-Type": "application/xml"}
    )


CALLS: dict[str, Callable[[Door, list[str]], Any]] = {
    "create": _created,
    "send a draft": _draft_sent,
    "further recipients": _add_recipients,
    "an envelope": _brought,
}


async def test_recipients_that_nobody_receives_for_are_confirmed_at_every_call(
    door: Door, cases: Any
) -> None:
    for name, call in CALLS.items():
        with cases.case(name):
            unconfirmed = await call(door, [])
            assert (unconfirmed.status, unconfirmed.json["code"]) == (422, "GW-CONFIRM"), str(unconfirmed)
            assert unconfirmed.json["confirm"] == ["recipient-unhosted"]
            assert [error["pointer"] for error in unconfirmed.json["errors"]] == [
                "/recipients/0/code",
                "/recipients/1/code",
            ]
            sent = await call(door, unconfirmed.json["confirm"])
            assert sent.status in (200, 201, 202), str(sent)


async def test_a_look_tells_what_has_to_be_confirmed(door: Door) -> None:
    validated = await door.ask("POST", "/messages:validate", data=form(meta(recipients=TO)))

    assert (validated.status, validated.json["allowed"]) == (200, False), str(validated)
    assert {problem["code"] for problem in validated.json["problems"]} == {"recipient-unhosted"}


async def test_a_row_that_the_starter_list_calls_closed_is_confirmed_beside_them(door: Door) -> None:
    to = [*TO, {"code": CLOSED, "role": "to_act"}, {"code": PROVINCE, "role": "to_act"}]

    unconfirmed = await door.ask("POST", "/messages", once="a", data=form(meta(recipients=to)))
    half = await door.ask(
        "POST", "/messages", once="b", data=form(meta(recipients=to, confirm=["recipient-unhosted"]))
    )
    sent = await door.ask(
        "POST", "/messages", once="c", data=form(meta(recipients=to, confirm=unconfirmed.json["confirm"]))
    )

    assert unconfirmed.json["confirm"] == ["recipient-closed-starter", "recipient-unhosted"]
    assert half.json["confirm"] == ["recipient-closed-starter"]
    assert sent.status == 202, str(sent)
