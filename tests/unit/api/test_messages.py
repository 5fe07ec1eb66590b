"""Outgoing documents read and acted on: lists, timeline, envelope, versions, recall."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any
from urllib.parse import quote

import pytest

from gateway.api.call import IN_FLIGHT
from gateway.api.resources import writing
from gateway.outgoing import recall as outgoing_recall
from tests.support.api import COMMUNE, DEPARTMENT, PDF, PROVINCE, Answer, Door, form, meta


async def sent(door: Door, number: str = "15", **fields: Any) -> dict[str, Any]:
    answer = await door.send(meta(number=number, **fields), once=f"n{number}")
    assert answer.status == 202, str(answer)
    message: dict[str, Any] = answer.json
    return message


async def test_pages_lead_through_every_message_newest_first(door: Door) -> None:
    """From the oldest on where that is asked, and each page keeps its filters."""
    ids = []
    for number in ("15", "16", "17"):
        ids.append((await sent(door, number, external_id=f"ql-{number}"))["id"])
        door.clock.advance(1)

    first = await door.ask("GET", "/messages?limit=2")
    target = first.headers["Link"].removeprefix("<").partition(">")[0]
    second = await door.ask("GET", target)
    assert [row["id"] for row in first.json["data"] + second.json["data"]] == ids[::-1]
    assert first.json["has_more"] is True
    assert quote(first.json["next_cursor"], safe="") in target
    assert (second.json["next_cursor"], second.json["has_more"]) == (None, False)
    assert "Link" not in second.headers

    oldest = await door.ask("GET", "/messages?limit=2&sort=created_at&state=queued&q=b%C3%A1o+c%C3%A1o")
    target = oldest.headers["Link"].removeprefix("<").partition(">")[0]
    newest = await door.ask("GET", target)
    assert [row["id"] for row in oldest.json["data"] + newest.json["data"]] == ids
    assert newest.json["has_more"] is False
    assert {"state=queued", "limit=2"} <= set(target.partition("?")[2].split("&"))
    assert (await door.ask("GET", "/messages?sort=number")).status == 400

    matches = (await door.ask("GET", "/messages?external_id=ql-15")).json["data"]
    assert [match["id"] for match in matches] == ids[:1]
    assert (await door.ask("GET", "/messages?external_id=nobody")).json["data"] == []


async def test_filters_choose(door: Door) -> None:
    """And words follow the language, times the offset."""
    id = (await sent(door))["id"]
    for query, count in (
        ("state=queued", 1),
        ("state=sent,rejected", 0),
        ("q=bao+cao+du+toan", 1),
        ("q=kh%C3%B4ng", 0),
        ("created_at[gte]=2026-11-20", 1),
        ("created_at[gte]=2026-11-20T08:00:01%2B07:00", 0),
        ("created_at[gte]=2026-11-20T08:00:00+07:00", 1),
        ("created_at[lt]=2026-11-20", 0),
        ("sent_at[gte]=2026-11-19&sent_at[lt]=2026-11-21", 1),
        ("sent_at[gte]=2026-11-19&created_at[gte]=2026-11-21", 0),
    ):
        assert len((await door.ask("GET", f"/messages?{query}")).json["data"]) == count, query

    vi = (await door.ask("GET", f"/messages/{id}")).json
    en = (await door.ask("GET", f"/messages/{id}", headers={"Accept-Language": "en"})).json
    assert (vi["state_text"], en["state_text"]) == ("Chờ gửi", "Queued")
    assert vi["created_at"] == "2026-11-20T08:00:00+07:00"


def _cursor(at: str, id: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([at, id]).encode()).decode().rstrip("=")


async def test_a_query_that_cannot_be_is_400_and_names_the_parameter(door: Door) -> None:
    for query in (
        *("colour=blue", "limit=0", "limit=201", "limit=many", "limit=1&limit=2", "cursor=notours"),
        *("q=a%00b", "external_id=a%00b", "created_at[gte]=yesterday"),
        f"cursor={_cursor('0001-01-01T00:00:00+14:00', 'msg_1')}",
        *(f"cursor={_cursor('2026-11-20T00:00:00+07:00', 'msg' + chr(sign))}" for sign in (0xD800, 0)),
    ):
        answer = await door.ask("GET", f"/messages?{query}")
        assert answer.status == 400, query
        assert answer.json["errors"][0]["pointer"] == f"?{query.partition('=')[0]}"


async def test_a_state_that_nothing_can_be_in_is_no_empty_list(door: Door) -> None:
    for path, suggested in (
        ("/messages?state=sent,delivred", "delivered"),
        ("/inbox?state=accept", "accepted"),
        ("/quarantine?state=new", None),
    ):
        answer = await door.ask("GET", path)
        assert answer.status == 400
        faults = [(error["pointer"], error["suggest"]) for error in answer.json["errors"]]
        assert faults == [("?state", suggested)]


async def test_the_timeline_tells_facts_and_events(door: Door) -> None:
    id = (await sent(door))["id"]
    await door.carry()

    timeline = (await door.ask("GET", f"/messages/{id}/events")).json

    (recipient,) = timeline["recipients"]
    assert recipient["state"] == "delivered"
    assert {"queued", "sent", "01"} <= {fact["code"] for fact in recipient["facts"]}
    assert next(fact for fact in recipient["facts"] if fact["code"] == "01")["proved"] is True
    assert [event["type"] for event in timeline["events"]][:2] == ["message.accepted", "message.queued"]


@pytest.mark.usefixtures("keys_away")
async def test_the_envelope_is_the_signed_bytes(door: Door) -> None:
    id = (await sent(door))["id"]
    early = await door.ask("GET", f"/messages/{id}/envelope")
    await door.carry()

    answer = await door.ask("GET", f"/messages/{id}/envelope")

    assert early.status == 409
    assert answer.status == 200
    assert hashlib.sha256(answer.raw).hexdigest() == answer.headers["X-Content-SHA256"]
    assert answer.raw.startswith(b"<")
    assert answer.headers["Content-Disposition"].startswith("attachment;")


async def test_a_draft_is_sent_when_it_is_complete(door: Door) -> None:
    draft = (await door.send(meta(send=False))).json
    lacking = (await door.send(meta(send=False, number=""), once="two")).json

    answer = await door.ask("POST", f"/messages/{draft['id']}/send", headers={"If-Match": '"1"'})
    refused = await door.ask("POST", f"/messages/{lacking['id']}/send")

    assert answer.status == 200
    assert answer.json["state"] == "queued"
    assert answer.headers["ETag"] == f'"{answer.json["version"]}"' != '"1"'
    assert refused.status == 422
    assert "/number" in {error["pointer"] for error in refused.json["errors"]}


async def test_an_act_is_on_the_version_that_it_names(door: Door) -> None:
    draft = (await door.send(meta(send=False))).json

    async def act(act: str, version: str) -> int:
        path, headers = f"/messages/{draft['id']}/{act}", {"If-Match": version}
        return (await door.ask("POST", path, headers=headers, json={})).status

    # What is not yet packed cannot be sent again whatever its version.
    assert [await act(action, '"9"') for action in ("send", "cancel", "resend")] == [412] * 3
    for odd in ("9", "abc", "W/1", 'W/W/"1"', '"x"', '"1", "2"'):
        assert await act("cancel", odd) == 400, odd
    for if_match in ('"{v}"', 'W/"{v}"', "*"):  # it may have become weak on the way
        own = (await door.send(meta(send=False), once=if_match)).json
        version = if_match.format(v=own["version"])
        deleted = await door.ask("DELETE", f"/messages/{own['id']}", headers={"If-Match": version})
        assert deleted.status == 200, if_match


async def test_a_message_is_stopped_before_it_leaves_and_not_after(door: Door) -> None:
    first_id, other = (await sent(door, "15"))["id"], (await sent(door, "16"))["id"]

    stopped = await door.ask("POST", f"/messages/{first_id}/cancel")
    await door.carry()
    late = await door.ask("POST", f"/messages/{other}/cancel")

    assert stopped.json["state"] == "cancelled"
    assert late.status == 409


async def test_a_packet_goes_again_to_those_named(door: Door) -> None:
    id = (await sent(door))["id"]
    await door.carry()

    nobody = await door.ask("POST", f"/messages/{id}/resend")
    resent = await door.ask("POST", f"/messages/{id}/resend", json={"recipients": [PROVINCE]})

    assert nobody.status == 409
    assert resent.status == 200


async def test_a_document_that_left_goes_to_further_agencies_once(door: Door) -> None:
    first = await sent(door)
    waits = await sent(door, number="119", undo_seconds=60)

    async def add(once: str, code: str = COMMUNE, id: str = first["id"], **more: Any) -> Answer:
        body = {"recipients": [{"code": code, "role": "to_know"}]}
        return await door.ask("POST", f"/messages/{id}/recipients", once=once, json=body, **more)

    early = await add("w", id=waits["id"])
    await door.carry()
    added = await add("a")
    repeat = await add("a")
    with_province = await add("b", PROVINCE)
    stale = await add("c", headers={"If-Match": '"99"'})
    await door.carry()

    assert (early.status, stale.status, with_province.status) == (409, 412, 422)
    assert [error["code"] for error in with_province.json["errors"]] == ["number-taken"]
    assert added.status == 202, str(added)
    assert repeat.raw == added.raw
    assert added.json["id"] != first["id"]
    assert (added.json["number"], added.json["document_id"]) == (first["number"], first["document_id"])
    message = (await door.ask("GET", f"/messages/{added.json['id']}")).json
    assert [(r["code"], r["role"], r["state"]) for r in message["recipients"]] == [
        (COMMUNE, "to_know", "delivered")
    ]
    assert (await door.ask("GET", "/inbox", agency=COMMUNE)).json["data"][0]["number"] == first["number"]


def recall(**fields: Any) -> dict[str, Any]:
    values = {"reason": "Sai thể thức", "approved_by": "Nguyễn Văn Mẫu", "notice_no": "12/TB-STD"}
    return {name: value for name, value in (values | fields).items() if value is not None}


async def test_an_answer_that_did_not_come_by_its_day_is_a_mark_of_that_recipient(door: Door) -> None:
    id = (await sent(door, reply_required=True, reply_due="2026-11-25"))["id"]
    await door.carry()

    async def marks() -> list[list[list[str]]]:
        listed = (await door.ask("GET", "/messages")).json["data"]
        message = (await door.ask("GET", f"/messages/{id}")).json
        return [[to["marks"] for to in row["recipients"]] for row in (*listed, message)]

    first_marks = await marks()
    door.clock.advance(7 * 86400)

    assert first_marks == [[[]], [[]]]
    assert await marks() == [[["reply_late"]], [["reply_late"]]]


async def test_a_recall_is_a_packet_of_its_own_and_asked_once(door: Door) -> None:
    id = (await sent(door))["id"]
    await door.carry()
    await door.ask("POST", f"/inbox/{await only(door)}/status", agency=PROVINCE, json={"code": "03"})
    await door.carry()

    async def ask(once: str, **fields: Any) -> Answer:
        return await door.ask("POST", f"/messages/{id}/recall", once=once, json=recall(**fields))

    bare = await ask("r", approved_by=None, notice_no=None, reason="")  # R70
    first = await ask("r")
    repeat = await ask("r")
    other = await ask("r", notice_no="13/TB-STD")
    second = await ask("s")

    assert bare.status == 422
    assert {error["pointer"] for error in bare.json["errors"]} == {"/approved_by", "/notice_no", "/reason"}
    assert first.status == 202, str(first)
    assert (first.json["kind"], first.json["parent"], first.json["reason"]) == ("recall", id, "Sai thể thức")
    assert repeat.raw == first.raw
    assert repeat.headers["Idempotency-Replayed"] == "true"
    assert (other.status, other.json["type"]) == (422, "/problems/idempotency-other")
    assert second.status == 409
    assert (await door.ask("GET", f"/messages/{id}")).json["state"] == "recall_asked"


async def only(door: Door, agency: str = PROVINCE) -> str:
    (item,) = (await door.ask("GET", "/inbox", agency=agency)).json["data"]
    return str(item["id"])


async def test_a_take_back_is_the_bare_13(door: Door) -> None:
    id = (await sent(door))["id"]
    await door.carry()

    answer = await door.ask(
        "POST", f"/messages/{id}/recall", once="r", json={"reason": "Gửi nhầm", "form": "take_back"}
    )

    assert answer.status == 202, str(answer)
    assert answer.json["id"] == id
    assert answer.json["state"] == "take_back_asked"


async def test_a_document_with_several_recipients_shows_the_one_that_needs_a_person(door: Door) -> None:
    draft = meta(recipients=[{"code": PROVINCE, "role": "to_act"}, {"code": COMMUNE, "role": "to_know"}])
    id = (await door.send(draft)).json["id"]
    await door.carry()
    refusal = {"code": "02", "reason": "OUT_OF_AUTHORITY"}
    await door.ask("POST", f"/inbox/{await only(door, COMMUNE)}/status", agency=COMMUNE, json=refusal)
    await door.carry()

    message = (await door.ask("GET", f"/messages/{id}")).json

    assert message["state"] == "rejected"
    assert {recipient["code"]: recipient["state"] for recipient in message["recipients"]} == {
        PROVINCE: "delivered",
        COMMUNE: "rejected",
    }


async def test_a_document_on_paper_is_listed_until_it_was_handed_over(door: Door) -> None:
    on_paper = (await door.send(meta(delivery_mode="paper"))).json
    await door.carry()

    async def hand_over(agency: str = DEPARTMENT, **body: str) -> Answer:
        return await door.ask("POST", f"/messages/{on_paper['id']}/hand-over", json=body, agency=agency)

    waiting = (await door.ask("GET", "/paper")).json["data"]
    bad = await hand_over(means="other")
    foreign = await hand_over(COMMUNE, means="post")
    recorded = await hand_over(means="post", note="RR 12")
    repeat = await hand_over(means="post")
    handed = (await door.ask("GET", "/paper?handed_from=2026-01-01")).json["data"]

    assert (on_paper["state"], on_paper["recipients"][0]["state_text"]) == ("paper", "Gửi bản giấy")
    assert [(w["message"], w["handed_over"]) for w in waiting] == [(on_paper["id"], None)]
    assert (bad.status, foreign.status, recorded.status, repeat.status) == (422, 404, 200, 409)
    assert recorded.json["state"] == "paper"
    assert (await door.ask("GET", "/paper")).json["data"] == []
    assert [(h["means"], h["note"]) for h in handed] == [("post", "RR 12")]


async def test_a_sender_reads_back_what_was_handed_in(door: Door) -> None:
    sent = (await door.send(meta(), once="one")).json
    for _ in ("as handed in", "out of the envelope"):
        answer = await door.ask("GET", f"/messages/{sent['id']}/files/1")
        assert (answer.status, answer.raw) == (200, PDF)
        await door.carry()

    assert (await door.ask("GET", f"/messages/{sent['id']}/files/2")).status == 404
    assert (await door.ask("GET", f"/messages/{sent['id']}/files/1", agency=PROVINCE)).status == 404


async def test_a_draft_can_be_let_go_of_and_nothing_else_can(door: Door) -> None:
    draft = (await door.send(meta(send=False), once="one")).json
    own = await sent(door, "16")

    cancelled = await door.ask("DELETE", f"/messages/{draft['id']}")
    assert (cancelled.status, cancelled.json["state"]) == (200, "cancelled")
    assert (await door.ask("DELETE", f"/messages/{own['id']}")).status == 409
    assert (await door.ask("DELETE", f"/messages/{draft['id']}", agency=PROVINCE)).status == 404
    fields = meta(reason="x", recipients=[{"code": DEPARTMENT, "role": "to_act"}])
    update = await door.ask(
        "POST", f"/messages/{own['id']}/update", agency=COMMUNE, once="u", data=form(fields)
    )
    assert update.status == 404


async def test_a_recall_under_way_is_told_to_its_caller_though_a_repeat_took_the_key_over(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = (await sent(door))["id"]
    await door.carry()
    repeated: list[Answer] = []
    begun: list[str] = []

    async def ask() -> Answer:
        return await door.ask("POST", f"/messages/{id}/recall", once="r", json=recall())

    async def act(*args: Any, **more: Any) -> Any:
        """Recall, and after the first commit let the call's marker run out and repeat the call."""
        begun.append("")
        is_first = len(begun) == 1
        document = await outgoing_recall.recall(*args, **more)
        if is_first:
            door.clock.advance(IN_FLIGHT)
            repeated.append(await ask())
        return document

    monkeypatch.setattr(writing, "ask_recall", act)
    first = await ask()

    assert [r.status for r in repeated] == [409]
    assert first.status == 202, str(first)
    assert (first.json["kind"], first.json["parent"]) == ("recall", id)
