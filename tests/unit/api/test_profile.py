"""The profile of an agency over the API: it is shown with what holds, a value is chosen from a day on, and the verdicts
that use it say so."""

from __future__ import annotations

from datetime import timedelta

from gateway.domain.event import EventKind
from gateway.domain.wall_clock import local
from tests.support.api import PROVINCE, Answer, Door, form, meta
from tests.support.node import PDF


async def choose(door: Door, setting: str, value: str, **more: object) -> Answer:
    return await door.ask("PUT", f"/profile/{setting}", agency=PROVINCE, json={"value": value, **more})


async def settings(door: Door, agency: str = PROVINCE) -> dict[str, dict[str, object]]:
    rows = (await door.ask("GET", "/profile", agency=agency)).json["data"]
    return {row["setting"]: row for row in rows}


async def test_a_setting_is_chosen_at_once_or_from_a_day_on_and_shown_with_the_nodes(door: Door) -> None:
    first = (await settings(door))["unsigned_in"]
    chosen = await choose(door, "unsigned_in", "hold")
    tomorrow = local(door.town.clock.now()).date() + timedelta(days=1)
    await choose(door, "unsigned_in", "mark", from_day=tomorrow.isoformat())
    row = (await settings(door))["unsigned_in"]

    assert (first["value"], first["chosen"], first["options"]) == ("take", False, ["take", "mark", "hold"])
    assert chosen.status == 200, str(chosen)
    assert (row["value"], row["default"], row["chosen"], row["planned"]) == ("hold", "take", True, "mark")
    assert row["set_by"]
    assert "khoản 2 Điều 4 QĐ 28/2018/QĐ-TTg" in str(row["basis"])
    door.town.clock.advance(timedelta(days=2))
    assert (await settings(door))["unsigned_in"]["value"] == "mark"
    scope = await door.town.scope(PROVINCE)
    async with door.town.node.store.read(scope) as work:
        events = await work.events.of_subject(scope.agency_id)
    assert [e.data["value"] for e in events if e.kind is EventKind.PROFILE_SET] == ["hold", "mark"]


async def test_what_a_setting_does_not_take_is_refused(door: Door) -> None:
    past = (local(door.town.clock.now()).date() - timedelta(days=1)).isoformat()

    assert (await choose(door, "unsigned_in", "keep")).json["code"] == "GW-SETTING"
    assert (await choose(door, "unsigned_in", "hold", from_day=past)).json["code"] == "GW-SETTING-DAY"
    assert (await choose(door, "no_such", "1")).status == 404
    assert not (await settings(door))["unsigned_in"]["chosen"]


async def test_an_unsigned_arrival_is_held_by_the_receivers_choice_with_its_reason(door: Door) -> None:
    """R20 (unsigned is for information)."""
    await choose(door, "unsigned_in", "hold")
    sent = await door.ask("POST", "/messages", once="1", data=form(meta(), [("lead", "a.pdf", PDF)]))
    await door.carry()

    assert sent.status == 202, str(sent)
    (arrived,) = await door.town.incoming(PROVINCE)
    assert arrived.state == "held"
    assert "unsigned-arrival" in arrived.checks["reasons"]
    assert "profile=unsigned_in.hold" in arrived.checks["reasons"]


async def test_a_sender_refuses_its_own_unsigned_mail_and_names_the_setting(door: Door) -> None:
    """R22 (signing is mandatory)."""

    async def send(once: str, number: str) -> Answer:
        return await door.ask(
            "POST", "/messages", once=once, data=form(meta(number=number), [("lead", "a.pdf", PDF)])
        )

    warned = await send("1", "21")
    await door.ask("PUT", "/profile/unsigned_out", json={"value": "refuse"})
    await door.ask("PUT", "/profile/rulebook", json={"value": "12/QĐ-STD"})
    refused = await send("2", "22")
    await door.ask("PUT", "/profile/unsigned_out", json={"value": ""})
    last_answer = await send("3", "23")

    assert (warned.status, refused.status, last_answer.status) == (202, 422, 202), str(refused)
    (error,) = refused.json["errors"]
    assert error["code"] == "unsigned-lead"
    assert "Không cho gửi" in error["detail"]
    assert "12/QĐ-STD" in error["detail"]


async def test_types_of_the_agencys_own_list_go_on_paper_too(door: Door) -> None:
    await door.ask("PUT", "/profile/paper_types", json={"value": "cong_van"})
    sent = await door.ask("POST", "/messages", once="1", data=form(meta(), [("lead", "a.pdf", PDF)]))

    assert sent.status == 202, str(sent)
    assert sent.json["delivery_mode"] == "both"
    assert "paper-too" in [warning["type"] for warning in sent.json["warnings"]]
