"""POST /messages and its kin: accepted only when durable, refused with every reason, never done twice."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from gateway.domain.document import Lane
from gateway.domain.pace import Metric, paces
from tests.support.api import COMMUNE, DEPARTMENT, PDF, PROVINCE, Answer, Door, form, meta
from tests.support.node import Packet, document


async def listed(door: Door) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = (await door.ask("GET", "/messages")).json["data"]
    return messages


async def test_a_document_is_accepted_with_its_resolved_recipients(door: Door) -> None:
    name = (await door.ask("GET", f"/agencies/{COMMUNE}")).json["name"]
    draft = meta(
        recipients=[
            {"code": PROVINCE, "role": "to_act"},
            {"code": "000.00.12.Z91", "role": "to_know"},
        ],
        callback_data="ours",
        labels=["dự toán"],
    )

    answer = await door.send(draft)

    message = answer.json
    assert answer.status == 202
    assert answer.headers["Location"] == message["links"]["self"]
    assert answer.headers["ETag"] == '"1"'
    assert message["id"].startswith("msg_")
    assert message["state"] == "queued"
    assert message["document_id"] == f"{DEPARTMENT},2026/11/20,15/STD-VP"
    assert message["undo_until"] is None
    assert (message["callback_data"], message["labels"]) == ("ours", ["dự toán"])
    assert [(r["code"], r["given"], r["role"], r["state"]) for r in message["recipients"]] == [
        (PROVINCE, None, "to_act", "queued"),
        (COMMUNE, "000.00.12.Z91", "to_know", "queued"),
    ]
    by_name = [{"name": name.lower(), "parent": PROVINCE, "role": "to_act"}]
    by_names = await door.send(meta(number="16", recipients=by_name), once="two")
    assert by_names.status == 202, str(by_names)
    assert by_names.json["recipients"][0]["code"] == COMMUNE


async def test_every_field_of_the_table_is_accepted(door: Door) -> None:
    fields: dict[str, Any] = {
        "external_id": "qlvb-1",
        "urgency": "hoa_toc",
        "signed_at": "2026-11-20T07:30:00+07:00",
        "pages": 1,
        "delivery_mode": "both",
        "reply_required": True,
        "reply_due": "2026-11-27",
    }
    draft = meta(
        **fields,
        secrecy="none",
        file_code={"organ": DEPARTMENT, "year": 2026, "notation": "15.TH"},
        replies_to=[{"agency": PROVINCE, "number": "88/UBND-TH", "date": "2026-11-10"}],
        files=[{"name": "15.pdf", "role": "lead", "size": len(PDF)}],
        **dict.fromkeys(("content", "place", "sphere", "drafter"), "x"),
        to_places=["x"],
        appendixes=["x"],
        copies=1,
        staff={"name": "x", "phone": "1"},
    )

    answer = await door.send(draft)

    assert answer.status == 202, str(answer)
    assert {name: answer.json[name] for name in fields} == fields


async def test_the_same_key_and_request_get_the_first_answer_a_second_time(door: Door) -> None:
    refused = await door.send(meta(number=""))  # which gives its key back
    first = await door.send()
    repeat = await door.send()
    other = await door.send(meta(recipients=[{"code": DEPARTMENT, "role": "to_act"}]), agency=COMMUNE)

    assert refused.status == 422
    assert repeat.status == first.status == 202
    assert repeat.raw == first.raw
    assert repeat.headers["Idempotency-Replayed"] == "true"
    assert repeat.headers["Location"] == first.headers["Location"]
    assert "Idempotency-Replayed" not in first.headers
    assert len(await listed(door)) == 1
    # The same key of another agency is another key.
    assert (other.status, other.json["id"] != first.json["id"]) == (202, True)
    for key in (None, "", "   ", "x" * 256):
        unusable = await door.ask("POST", "/messages", once=key, data=form(meta()))
        assert (unusable.status, unusable.json["type"]) == (400, "/problems/key-missing")


async def test_the_same_key_for_another_request_is_422_threat_87(door: Door) -> None:
    await door.send()

    answer = await door.send(meta(number="16"))

    assert answer.status == 422
    assert answer.json["type"] == "/problems/idempotency-other"
    assert len(await listed(door)) == 1


async def test_the_same_external_id_with_other_content_is_409_and_names_the_first(door: Door) -> None:
    first = await door.send(meta(external_id="qlvb-1"), once="one")
    repeat = await door.send(meta(external_id="qlvb-1"), once="two")
    other = await door.send(meta(external_id="qlvb-1", number="16"), once="three")

    assert repeat.json["id"] == first.json["id"]
    assert repeat.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert len(await listed(door)) == 1
    assert (other.status, other.json["existing"]) == (409, first.json["id"])
    assert first.json["id"] in other.json["cause"]


async def test_every_broken_rule_is_named_and_nothing_is_stored(door: Door) -> None:
    answer = await door.send(meta(number="", subject="", reply_required=None, recipients=[]))
    no_role = await door.send(meta(recipients=[{"code": PROVINCE}]))  # R48

    assert answer.status == no_role.status == 422
    assert {error["pointer"] for error in answer.json["errors"]} >= {
        "/number",
        "/subject",
        "/reply_required",
        "/recipients",
    }
    assert no_role.json["errors"][0]["pointer"] == "/recipients/0/role"
    assert await listed(door) == []


async def test_decomposed_text_is_stored_composed_and_the_answer_says_so(door: Door) -> None:
    draft = meta(subject=unicodedata.normalize("NFD", "Về việc báo cáo"))

    answer = await door.send(draft)

    assert answer.json["subject"] == "Về việc báo cáo"
    assert "normalized" in {warning["type"] for warning in answer.json["warnings"]}
    assert answer.headers["X-Normalized"] == "NFC"


async def test_threat_074_a_file_over_the_limit_is_413_and_names_file_and_limit_r13(door: Door) -> None:
    limit = door.node.out.profile.max_file_bytes

    exact = await door.send(files=(("lead", "15.pdf", PDF), ("source", "15.txt", b"a" * limit)))
    too_large = await door.send(
        meta(number="16"),
        once="two",
        files=(("lead", "15.pdf", PDF), ("source", "16.txt", b"a" * (limit + 1))),
    )

    assert exact.status == 202, str(exact)
    assert too_large.status == 413
    assert "16.txt" in too_large.json["detail"]
    assert "10 MB" in too_large.json["detail"]


async def test_validate_lists_problems_and_recipients_and_stores_nothing(door: Door) -> None:
    good = await door.ask("POST", "/messages:validate", data=form(meta()))
    bad = await door.ask("POST", "/messages:validate", json=meta(number=""))

    assert good.json["allowed"]
    assert good.json["recipients"][0]["name"]
    assert not bad.json["allowed"]
    assert {"/number", "/files"} <= {problem["pointer"] for problem in bad.json["problems"]}
    assert await listed(door) == []


async def test_no_caller_sets_what_is_the_nodes_own_threat_87(door: Door) -> None:
    for name, value in (("state", "sent"), ("id", "msg_x"), ("agency_id", "x"), ("document_id", "x")):
        answer = await door.send(meta() | {name: value})

        assert answer.status == 400
        assert answer.json["errors"][0]["pointer"] == f"/{name}"


async def test_markup_and_code_in_a_subject_are_only_text_threats_79_82(door: Door) -> None:
    hostile = [
        *("<script>alert(1)</script>", "'; DROP TABLE outgoing; --", "{{ 7*7 }}"),
        *("${jndi:ldap://x}", "=1+1", "🙂𝔘"),
    ]
    for n, subject in enumerate(hostile):
        answer = await door.send(meta(number=str(n + 1), subject=subject), once=str(n))
        assert answer.status == 202, str(answer)

    assert sorted(row["subject"] for row in await listed(door)) == sorted(hostile)


async def test_an_update_and_a_replacement_are_children_of_a_sent_document(door: Door) -> None:
    first = (await door.send()).json

    async def change(kind: str, version: str | None = None, **fields: Any) -> Answer:
        headers = {} if version is None else {"If-Match": version}
        path = f"/messages/{first['id']}/{kind}"
        return await door.ask("POST", path, once=kind, data=form(meta(**fields)), headers=headers)

    stale = await change("update", '"77"', reason="x")
    await door.carry()
    bare = await change("update")
    update = await change("update", reason="Thêm phụ lục")
    replacement = await change("replace", number="16", reason="Sai số liệu")

    assert (stale.status, bare.status) == (412, 422)
    assert "/reason" in {error["pointer"] for error in bare.json["errors"]}
    assert update.status == replacement.status == 202, f"{update} {replacement}"
    assert (update.json["kind"], replacement.json["kind"]) == ("update", "replace")
    assert update.json["parent"] == replacement.json["parent"] == first["id"]
    assert update.json["document_id"] == first["document_id"]
    assert (await door.ask("GET", f"/messages/{first['id']}")).json["state"] == "update_asked"


async def test_how_long_a_call_took_to_be_accepted_is_measured_from_its_arrival_and_once(door: Door) -> None:
    first = await door.send(meta(urgency="khan"))
    second = await door.send(meta(urgency="khan"))
    refused = await door.send(meta(number="", urgency="khan"), once="two")
    draft = await door.send(meta(number="16", urgency="khan", send=False), once="three")

    assert [answer.status for answer in (first, second, refused, draft)] == [202, 202, 422, 202]
    (pace,) = paces(door.node.stopwatch.slots())
    assert (pace.way, pace.lane, pace.axis, pace.count) == (Metric.ACCEPT, Lane.URGENT, "embedded", 1)


async def test_what_can_be_called_back_leaves_when_its_time_is_up_and_not_at_all_once_it_was(
    door: Door,
) -> None:
    answer = await door.send(meta(undo_seconds=60))
    back = (await door.send(meta(number="16", undo_seconds=60), once="two")).json
    undo_until = answer.json["undo_until"]
    await door.carry()
    waiting = (await door.ask("GET", f"/messages/{answer.json['id']}")).json
    stopped = await door.ask("POST", f"/messages/{back['id']}/cancel")

    door.clock.advance(timedelta(seconds=61))
    await door.carry()
    sent = (await door.ask("GET", f"/messages/{answer.json['id']}")).json

    created = datetime.fromisoformat(answer.json["created_at"])
    assert datetime.fromisoformat(undo_until) == created + timedelta(minutes=1)
    assert (waiting["state"], waiting["undo_until"]) == ("queued", undo_until)
    assert (sent["recipients"][0]["state"], sent["undo_until"]) == ("delivered", None)
    assert (stopped.status, stopped.json["state"], stopped.json["undo_until"]) == (200, "cancelled", None)
    arrived = (await door.ask("GET", "/inbox", agency=PROVINCE)).json["data"]
    assert [a["number"] for a in arrived] == ["15"]


async def test_a_draft_is_kept_and_then_sent_so_that_it_can_be_called_back(door: Door) -> None:
    """A draft comes as JSON without files, or as a form with files."""
    bare = await door.ask("POST", "/messages", once="one", json=meta(send=False, number=""))
    draft = (await door.send(meta(send=False, undo_seconds=60), once="two")).json
    await door.carry()
    assert (bare.status, bare.json["state"], bare.json["files"]) == (202, "draft", [])
    assert {row["state"] for row in await listed(door)} == {"draft"}
    assert draft["undo_until"] is None

    sent = (await door.ask("POST", f"/messages/{draft['id']}/send", json={"undo_seconds": 30})).json
    refused = await door.send(meta(undo_seconds=121), once="3")

    assert sent["undo_until"] is not None
    assert refused.status == 400


FILES = (("van-ban.pdf", PDF),)
XML = {"Content-Type": "application/xml"}


def packet(door: Door, number: str = "50", id: str | None = "own-50") -> Packet:
    return door.town.forge(document(number, FILES), FILES, id=id)


async def hand_in(
    door: Door, raw: bytes, query: str = "", once: str | None = "one", headers: Mapping[str, str] = XML
) -> Answer:
    return await door.ask("POST", f"/envelopes{query}", once=once, data=raw, headers=headers)


async def test_a_signed_envelope_is_accepted_once_and_read_by_its_receiver_byte_for_byte(door: Door) -> None:
    sent = packet(door)

    answer = await hand_in(door, sent.raw, "?external_id=q-50")
    repeat = await hand_in(door, sent.raw, "?external_id=q-50")
    other = await hand_in(door, packet(door, "51", "own-51").raw, "?external_id=q-50")

    assert answer.status == 202, answer
    assert answer.json["external_id"] == "q-50"
    assert (repeat.headers["Idempotency-Replayed"], repeat.json["id"]) == ("true", answer.json["id"])
    assert other.status == 422
    await door.carry()
    listed = (await door.ask("GET", "/inbox", agency=PROVINCE)).json["data"]
    envelope = await door.ask("GET", f"/inbox/{listed[0]['id']}/envelope", agency=PROVINCE)
    assert envelope.raw == sent.raw


async def test_a_call_of_the_wrong_shape_is_told_what_is_wrong(door: Door) -> None:
    json = {"Content-Type": "application/json"}
    assert (await hand_in(door, b"", "", "k")).status == 422
    assert (await hand_in(door, b"<a/>", "", "k")).status == 422
    assert (await hand_in(door, b"<a/>", "", "k", json)).status == 415
    for query, once in (("", None), ("?rol=to_act", "k"), ("?role=boss", "k")):
        assert (await hand_in(door, b"<a/>", query, once)).status == 400
