"""Questions that a call has to confirm: recipients that mail would not reach, once for all of them, and a lead file that is
probably of another document; also at the command line, and what its receiver sees of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import send
from gateway.cli.command import Invocation
from gateway.cli.node import CommandContext
from gateway.domain.account import AgencyScope
from gateway.domain.document import InState
from gateway.errors import Refused
from gateway.outgoing.intake import Order
from tests.interop import edxml_files
from tests.support import first_pages, letters
from tests.support.api import DEPARTMENT, PDF, PROVINCE, Answer, Door, form, meta
from tests.support.packets import TODAY

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


OTHER = first_pages.printed("16", subject=first_pages.OTHER)
CONFIRMED = ["first-page-other"]


async def test_the_api_asks_about_another_number_and_warns_of_another_subject(door: Door) -> None:
    async def sent(once: str, raw: bytes, **more: object) -> Answer:
        return await door.ask(
            "POST", "/messages", once=once, data=form(meta(**more), [("lead", "a.pdf", raw)])
        )

    refusal = await sent("a", OTHER)
    confirmed = await sent("b", OTHER, confirm=CONFIRMED)
    number_alone = await sent("c", first_pages.printed("17"), number="18")
    subject_alone = await sent("d", first_pages.printed("19", subject=first_pages.OTHER), number="19")

    assert (refusal.status, refusal.json["code"], refusal.json["confirm"]) == (422, "GW-CONFIRM", CONFIRMED)
    assert [error["pointer"] for error in refusal.json["errors"]] == ["/number", "/subject"]
    assert confirmed.status == 202, str(confirmed)
    assert (number_alone.status, number_alone.json["confirm"]) == (422, CONFIRMED)
    assert subject_alone.status == 202, str(subject_alone)
    assert [w["pointer"] for w in subject_alone.json["warnings"] if w["type"] == "first-page-differs"] == [
        "/subject"
    ]


async def test_a_first_page_that_is_not_read_to_its_end_says_so_to_both_sides(door: Door) -> None:
    letter = letters.page(letters.Letter(number="16", symbol="STD-VP", issued_on=TODAY))
    heavy = letters.paper([[*letter, *[letters.Text("x", 300.0, 500.0)] * 10_000]])

    sent = await door.ask("POST", "/messages", once="1", data=form(meta(), [("lead", "a.pdf", heavy)]))
    await door.carry()

    assert sent.status == 202, str(sent)
    (warning,) = [warning for warning in sent.json["warnings"] if warning["type"] == "first-page-cut"]
    assert warning["pointer"] == "/files/0"
    (item,) = (await door.ask("GET", "/inbox", agency=PROVINCE)).json["data"]
    (arrived,) = [i for i in await door.town.incoming(PROVINCE) if i.id == item["id"]]
    assert arrived.checks["first_page"] == "unread"
    assert "first-page-cut" in arrived.checks["warnings"]
    assert arrived.state == InState.NEW


async def test_the_command_line_asks_too(door: Door, tmp_path: Path) -> None:
    agency = await door.node.store.accounts.hosted_by_code(DEPARTMENT)
    assert agency is not None
    context = CommandContext(
        node=door.node, agency=agency, scope=AgencyScope(agency_id=agency.id, principal_id="clerk")
    )
    (tmp_path / "a.pdf").write_bytes(OTHER)
    (tmp_path / "meta.json").write_text(json.dumps(meta()))
    message = send.read_message(tmp_path / "meta.json", {})

    async def handed_in(*confirm: str) -> object:
        order = Order(draft=message.to_draft(), confirm=confirm)
        return await send.hand_in(Invocation(quiet=True), context, order, [tmp_path / "a.pdf"], [])

    with pytest.raises(Refused, match="first-page-other"):
        await handed_in()
    assert await handed_in(*CONFIRMED) is not None
