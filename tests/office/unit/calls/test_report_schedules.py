"""Report schedules over the API: made, paused, removed; their figures come as an event, which has one id."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from gateway.domain.account import ApiScope
from gateway.domain.wall_clock import VIETNAM
from gateway.store import figures
from gateway_office.book.scheduled import Sender
from tests.office.support.api import COMMUNE, DEPARTMENT, OfficeDoor
from tests.unit.api.test_messages import sent

WISH = {"report": "outgoing", "period": "month", "programs": True}


async def make(door: OfficeDoor, key: str = "s", **more: Any) -> Any:
    return await door.ask("POST", "/report-schedules", once=key, json=WISH | more)


async def test_a_program_gets_the_figures_of_each_month_as_one_event(door: OfficeDoor) -> None:
    await sent(door, "15", recipients=[{"code": COMMUNE, "role": "to_act"}])
    created = (await make(door)).json
    repeat = (await make(door)).json
    await door.carry()
    door.clock.advance(datetime(2026, 12, 1, 8, 0, tzinfo=VIETNAM) - door.clock.now())
    while await figures.fold_next(door.node.store):
        pass
    sender = Sender(inn=door.node.inn, accounts=door.node.accounts, mailer=door.node.reminders.mailer)
    counts = [await sender.send_due() for _ in range(2)]

    listed = (await door.ask("GET", "/report-schedules")).json["data"]
    events = (await door.ask("GET", "/events?type=message.report")).json["data"]

    assert (created["by"], created["since"], created["until"]) == ("day", "2026-11-01", "2026-11-30")
    assert (repeat["id"], counts) == (created["id"], [1, 0])
    assert [(s["id"], s["since"], s["problem"]) for s in listed] == [(created["id"], "2026-12-01", None)]
    (event,) = events
    assert (event["subject"], event["data"]["since"]) == (created["id"], "2026-11-01")
    assert [(line["key"], line["figures"]["documents"]) for line in event["data"]["lines"]] == [
        ("2026-11-20", 1)
    ]
    assert event["data"]["total"]["recipients"] == 1


async def test_a_schedule_is_paused_resumed_and_removed(door: OfficeDoor) -> None:
    created = (await make(door)).json
    path = f"/report-schedules/{created['id']}"

    states = [
        (await door.ask("PATCH", path, json={"state": state})).json["state"]
        for state in ("paused", "paused", "active")
    ]
    removed = await door.ask("DELETE", path)

    assert states == ["paused", "paused", "active"]
    assert (removed.status, (await door.ask("DELETE", path)).status) == (200, 404)
    assert (await door.ask("GET", "/report-schedules")).json["data"] == []


async def test_a_wish_that_cannot_be_kept_names_the_field(door: OfficeDoor) -> None:
    wrong: list[dict[str, Any]] = [
        {"report": "agencies"},
        {"by": "reason"},
        {"people": ["nobody.of.us"]},
        {"programs": False},
        {"webhook": "whk_nothing"},
        {"partner": COMMUNE, "by": "type", "period": "week"},
    ]
    answers = [await make(door, str(n), **more) for n, more in enumerate(wrong)]
    key = await door.key(DEPARTMENT, scopes=(ApiScope.INBOX_READ, ApiScope.MESSAGES_READ))

    assert [answer.status for answer in answers] == [400] * 6
    pointers = [answer.json["errors"][0]["pointer"] for answer in answers]
    assert pointers == ["/report", "/by", "/people", "/people", "/webhook", "/by"]
    assert (await door.ask("GET", "/report-schedules", key=key)).status == 403
