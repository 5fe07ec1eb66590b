"""POST /messages and its kin: accepted only when durable, refused with every reason, never done twice."""

from __future__ import annotations

import json
import unicodedata
from datetime import datetime, timedelta
from typing import Any

import pytest

from gateway.domain.document import Lane
from gateway.domain.pace import Way, paces
from tests.support.api import COMMUNE, DEPARTMENT, PDF, PROVINCE, Door, form, meta


async def listed(door: Door) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await door.ask("GET", "/messages")).json["data"]
    return found


async def test_a_document_is_accepted_with_its_resolved_recipients(door: Door) -> None:
    said = meta(
        recipients=[
            {"code": PROVINCE, "role": "to_act"},
            {"code": "000.00.12.Z91", "role": "to_know"},
        ],
        callback_data="ours",
        labels=["dự toán"],
    )

    answer = await door.send(said)

    told = answer.json
    assert answer.status == 202
    assert answer.headers["Location"] == told["links"]["self"]
    assert answer.headers["ETag"] == '"1"'
    assert told["id"].startswith("msg_")
    assert told["state"] == "queued"
    assert told["document_id"] == f"{DEPARTMENT},2026/11/20,15/STD-VP"
    assert told["undo_until"] is None
    assert (told["callback_data"], told["labels"]) == ("ours", ["dự toán"])
    assert [(r["code"], r["given"], r["role"], r["state"]) for r in told["recipients"]] == [
        (PROVINCE, None, "to_act", "queued"),
        (COMMUNE, "000.00.12.Z91", "to_know", "queued"),
    ]


async def test_every_field_of_the_table_is_taken(door: Door) -> None:
    said = meta(
        external_id="qlvb-1",
        urgency="hoa_toc",
        secrecy="none",
        signed_at="2026-11-20T07:30:00+07:00",
        pages=1,
        delivery_mode="both",
        file_code={"organ": DEPARTMENT, "year": 2026, "notation": "15.TH"},
        reply_required=True,
        reply_due="2026-11-27",
        replies_to=[{"agency": PROVINCE, "number": "88/UBND-TH", "date": "2026-11-10"}],
        files=[{"name": "15.pdf", "role": "lead", "size": len(PDF)}],
        content="x",
        place="x",
        to_places=["x"],
        appendixes=["x"],
        copies=1,
        sphere="x",
        drafter="x",
        staff={"name": "x", "phone": "1"},
    )

    answer = await door.send(said)

    assert answer.status == 202, str(answer)
    for name in (
        "external_id",
        "urgency",
        "signed_at",
        "pages",
        "delivery_mode",
        "reply_required",
        "reply_due",
    ):
        assert answer.json[name] == said[name]


async def test_the_same_key_and_request_get_the_first_answer_again(door: Door) -> None:
    first = await door.send()
    again = await door.send()

    assert again.status == first.status == 202
    assert again.raw == first.raw
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["Location"] == first.headers["Location"]
    assert "Idempotency-Replayed" not in first.headers
    assert len(await listed(door)) == 1


async def test_the_same_key_for_another_request_is_422_threat_87(door: Door) -> None:
    await door.send()

    answer = await door.send(meta(number="16"))

    assert answer.status == 422
    assert answer.json["type"] == "/problems/idempotency-other"
    assert len(await listed(door)) == 1


async def test_the_same_key_of_another_agency_is_another_key(door: Door) -> None:
    first = await door.send()
    other = await door.send(meta(recipients=[{"code": DEPARTMENT, "role": "to_act"}]), agency=COMMUNE)

    assert other.status == 202
    assert other.json["id"] != first.json["id"]


@pytest.mark.parametrize("key", [None, "", "   ", "x" * 256])
async def test_a_create_without_a_usable_key_is_400(door: Door, key: str | None) -> None:
    answer = await door.ask("POST", "/messages", once=key, data=form(meta()))

    assert answer.status == 400
    assert answer.json["type"] == "/problems/key-missing"


async def test_a_refused_request_gives_its_key_back(door: Door) -> None:
    refused = await door.send(meta(number=""))
    accepted = await door.send()

    assert (refused.status, accepted.status) == (422, 202)


async def test_the_same_external_id_with_the_same_content_is_answered_as_before(door: Door) -> None:
    first = await door.send(meta(external_id="qlvb-1"), once="one")
    again = await door.send(meta(external_id="qlvb-1"), once="two")

    assert again.json["id"] == first.json["id"]
    assert len(await listed(door)) == 1


async def test_the_same_external_id_with_other_content_is_409_and_names_the_first(door: Door) -> None:
    first = await door.send(meta(external_id="qlvb-1"), once="one")
    other = await door.send(meta(external_id="qlvb-1", number="16"), once="two")

    assert other.status == 409
    assert first.json["id"] in other.json["cause"]


async def test_every_broken_rule_is_named_and_nothing_is_stored(door: Door) -> None:
    answer = await door.send(meta(number="", subject="", reply_required=None, recipients=[]))

    assert answer.status == 422
    assert {each["pointer"] for each in answer.json["errors"]} >= {
        "/number",
        "/subject",
        "/reply_required",
        "/recipients",
    }
    assert await listed(door) == []


async def test_a_declared_secret_is_refused_and_nothing_is_stored_R2(door: Door) -> None:
    for send in (True, False):
        answer = await door.send(meta(secrecy="mat", send=send))

        assert answer.status == 422
        assert "secrecy-declared" in {each["code"] for each in answer.json["errors"]}
    assert await listed(door) == []


async def test_a_recipient_without_a_role_is_422_and_named_R48(door: Door) -> None:
    answer = await door.send(meta(recipients=[{"code": PROVINCE}]))

    assert answer.status == 422
    assert answer.json["errors"][0]["pointer"] == "/recipients/0/role"


async def test_a_recipient_may_be_given_by_name_below_its_parent(door: Door) -> None:
    name = (await door.ask("GET", f"/agencies/{COMMUNE}")).json["name"]

    answer = await door.send(meta(recipients=[{"name": name.lower(), "parent": PROVINCE, "role": "to_act"}]))

    assert answer.status == 202, str(answer)
    assert answer.json["recipients"][0]["code"] == COMMUNE


async def test_a_draft_is_kept_and_not_sent(door: Door) -> None:
    answer = await door.send(meta(send=False, number=""))
    await door.carry()

    assert answer.json["state"] == "draft"
    assert (await listed(door))[0]["state"] == "draft"


async def test_decomposed_text_is_stored_composed_and_the_answer_says_so(door: Door) -> None:
    said = meta(subject=unicodedata.normalize("NFD", "Về việc báo cáo"))

    answer = await door.send(said)

    assert answer.json["subject"] == "Về việc báo cáo"
    assert "normalized" in {each["type"] for each in answer.json["warnings"]}
    assert answer.headers["X-Normalized"] == "NFC"


async def test_threat_074_a_file_over_the_limit_is_413_and_names_file_and_limit_R13(door: Door) -> None:
    limit = door.node.out.profile.max_file_bytes

    exact = await door.send(files=(("lead", "15.pdf", PDF), ("source", "15.txt", b"a" * limit)))
    over = await door.send(
        meta(number="16"),
        once="two",
        files=(("lead", "15.pdf", PDF), ("source", "16.txt", b"a" * (limit + 1))),
    )

    assert exact.status == 202, str(exact)
    assert over.status == 413
    assert "16.txt" in over.json["detail"]
    assert "10 MB" in over.json["detail"]


async def test_validate_lists_problems_and_recipients_and_stores_nothing(door: Door) -> None:
    good = await door.ask("POST", "/messages:validate", data=form(meta()))
    bad = await door.ask("POST", "/messages:validate", json=meta(number=""))

    assert good.json["allowed"]
    assert good.json["recipients"][0]["name"]
    assert not bad.json["allowed"]
    assert {"/number", "/files"} <= {each["pointer"] for each in bad.json["problems"]}
    assert await listed(door) == []


async def test_no_caller_sets_what_is_the_nodes_own_threat_87(door: Door) -> None:
    for name, value in (("state", "sent"), ("id", "msg_x"), ("agency_id", "x"), ("document_id", "x")):
        answer = await door.send(meta() | {name: value})

        assert answer.status == 400
        assert answer.json["errors"][0]["pointer"] == f"/{name}"


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "'; DROP TABLE outgoing; --",
        "{{ 7*7 }}",
        "${jndi:ldap://x}",
        "=1+1",
        "🙂𝔘",
    ],
)
async def test_markup_and_code_in_a_subject_are_only_text_threats_79_82(door: Door, hostile: str) -> None:
    answer = await door.send(meta(subject=hostile))

    assert answer.status == 202, str(answer)
    assert (await listed(door))[0]["subject"] == hostile


async def test_an_update_and_a_replacement_are_children_of_a_sent_document(door: Door) -> None:
    first = (await door.send()).json
    await door.carry()

    update = await door.ask(
        "POST", f"/messages/{first['id']}/update", once="u", data=form(meta(reason="Thêm phụ lục"))
    )
    replacement = await door.ask(
        "POST",
        f"/messages/{first['id']}/replace",
        once="r",
        data=form(meta(number="16", reason="Sai số liệu")),
    )

    assert update.status == replacement.status == 202, f"{update} {replacement}"
    assert (update.json["kind"], replacement.json["kind"]) == ("update", "replace")
    assert update.json["parent"] == replacement.json["parent"] == first["id"]
    assert update.json["document_id"] == first["document_id"]
    assert (await door.ask("GET", f"/messages/{first['id']}")).json["state"] == "update_asked"


async def test_a_change_without_a_reason_is_422(door: Door) -> None:
    first = (await door.send()).json
    await door.carry()

    answer = await door.ask("POST", f"/messages/{first['id']}/update", once="u", data=form(meta()))

    assert answer.status == 422
    assert "/reason" in {each["pointer"] for each in answer.json["errors"]}


async def test_a_change_against_another_version_is_412(door: Door) -> None:
    first = (await door.send()).json

    answer = await door.ask(
        "POST",
        f"/messages/{first['id']}/update",
        once="u",
        data=form(meta(reason="x")),
        headers={"If-Match": '"77"'},
    )

    assert answer.status == 412


async def test_a_document_may_come_as_json_when_it_has_no_files(door: Door) -> None:
    answer = await door.ask(
        "POST",
        "/messages",
        once="one",
        data=json.dumps(meta(send=False)),
        headers={"Content-Type": "application/json"},
    )

    assert answer.status == 202
    assert answer.json["files"] == []


async def test_how_long_a_call_took_to_be_accepted_is_measured_from_its_arrival_and_once(door: Door) -> None:
    first = await door.send(meta(urgency="khan"))
    again = await door.send(meta(urgency="khan"))
    refused = await door.send(meta(number="", urgency="khan"), once="two")
    draft = await door.send(meta(number="16", urgency="khan", send=False), once="three")

    assert [each.status for each in (first, again, refused, draft)] == [202, 202, 422, 202]
    (found,) = paces(door.node.stopwatch.slots())
    assert (found.way, found.lane, found.axis, found.count) == (Way.ACCEPT, Lane.URGENT, "embedded", 1)


async def test_what_can_be_called_back_leaves_when_its_time_is_up(door: Door) -> None:
    answer = await door.send(meta(undo_seconds=60))
    until = answer.json["undo_until"]
    await door.carry()
    waiting = (await door.ask("GET", f"/messages/{answer.json['id']}")).json

    door.clock.advance(timedelta(seconds=61))
    await door.carry()
    left = (await door.ask("GET", f"/messages/{answer.json['id']}")).json

    assert datetime.fromisoformat(until) == datetime.fromisoformat(answer.json["created_at"]) + timedelta(
        minutes=1
    )
    assert (waiting["state"], waiting["undo_until"]) == ("queued", until)
    assert (left["recipients"][0]["state"], left["undo_until"]) == ("delivered", None)


async def test_what_is_called_back_in_time_never_leaves(door: Door) -> None:
    id = (await door.send(meta(undo_seconds=60))).json["id"]

    told = await door.ask("POST", f"/messages/{id}/cancel")
    door.clock.advance(timedelta(minutes=5))
    await door.carry()

    assert (told.status, told.json["state"], told.json["undo_until"]) == (200, "cancelled", None)
    assert (await door.ask("GET", "/inbox", agency=PROVINCE)).json["data"] == []


async def test_a_draft_too_is_sent_so_that_it_can_be_called_back(door: Door) -> None:
    draft = (await door.send(meta(send=False, undo_seconds=60))).json

    sent = (await door.ask("POST", f"/messages/{draft['id']}/send", json={"undo_seconds": 30})).json
    refused = await door.send(meta(undo_seconds=121), once="2")

    assert draft["undo_until"] is None
    assert sent["undo_until"] is not None
    assert refused.status == 400
