"""Incoming documents for the agency's document system: leasing, files, statuses, quarantine."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from typing import Any

import pytest

from gateway.api.downloads import disposition
from gateway.domain.account import AgencyScope
from tests.support.api import COMMUNE, DEPARTMENT, PDF, PROVINCE, Door, meta
from tests.support.stores import inbox_item


async def arrived(
    door: Door, agency: str = PROVINCE, numbers: tuple[str, ...] = ("15",)
) -> list[dict[str, Any]]:
    """Documents from the department, landed and admitted at `agency`; oldest first."""
    for number in numbers:
        said = meta(number=number, recipients=[{"code": agency, "role": "to_act"}])
        answer = await door.send(said, once=f"n{number}")
        assert answer.status == 202, str(answer)
        door.clock.advance(1)
        await door.carry()
    items: list[dict[str, Any]] = (await door.ask("GET", "/inbox", agency=agency)).json["data"]
    assert len(items) == len(numbers)
    return items[::-1]


async def status(door: Door, id: str, agency: str = PROVINCE, **said: Any) -> Any:
    return await door.ask("POST", f"/inbox/{id}/status", agency=agency, json=said)


async def test_an_arrived_document_is_shown_with_sender_checks_and_files(door: Door) -> None:
    (item,) = await arrived(door)

    assert item["state"] == "new"
    assert item["from"]["code"] == DEPARTMENT
    assert item["from"]["name_now"] == item["from"]["name"]
    assert (item["number"], item["symbol"], item["business"]) == ("15", "STD-VP", "new")
    assert item["checks"]["envelope_signature"] == "valid"
    assert item["checks"]["certificate_confirmed"] is True
    assert item["checks"]["duplicate_of"] is None
    assert item["files"][0]["sha256"] == hashlib.sha256(PDF).hexdigest()
    assert (item["handover"], item["lease"], item["assignment"]) == ("available", None, None)


async def test_the_list_is_of_a_time_and_in_the_order_that_is_asked_for(door: Door) -> None:
    first, second, third = await arrived(door, numbers=("15", "16", "17"))
    span = f"arrived_at[gte]={second['arrived_at']}&arrived_at[lt]={third['arrived_at']}".replace("+", "%2B")

    oldest = (await door.ask("GET", "/inbox?sort=arrived_at&limit=2", agency=PROVINCE)).json
    rest = f"/inbox?sort=arrived_at&limit=2&cursor={oldest['next_cursor']}"
    between = (await door.ask("GET", f"/inbox?{span}", agency=PROVINCE)).json

    assert [each["id"] for each in oldest["data"]] == [first["id"], second["id"]]
    assert [each["id"] for each in (await door.ask("GET", rest, agency=PROVINCE)).json["data"]] == [
        third["id"]
    ]
    assert [each["id"] for each in between["data"]] == [second["id"]]


async def test_leased_rows_are_hidden_from_others_until_the_lease_runs_out(door: Door) -> None:
    await arrived(door, numbers=("15", "16"))
    other = await door.key(PROVINCE)

    mine = await door.ask("GET", "/inbox?state=new&lease=120&limit=1", agency=PROVINCE)
    theirs = await door.ask("GET", "/inbox?lease=120", key=other)
    nobody = await door.ask("GET", "/inbox?lease=120", agency=PROVINCE)
    door.clock.advance(121)
    again = await door.ask("GET", "/inbox?lease=120", key=other)

    (item,) = mine.json["data"]
    me = (await door.ask("GET", "/me", agency=PROVINCE)).json["key"]
    assert item["number"] == "15"
    assert item["lease"]["by"] == me
    assert item["lease"]["until"] > item["arrived_at"]
    assert mine.json["has_more"] is True
    assert [each["number"] for each in theirs.json["data"]] == ["16"]
    assert nobody.json["data"] == []
    assert len(again.json["data"]) == 2


async def test_an_acknowledged_row_is_not_offered_again_and_twice_is_harmless(door: Door) -> None:
    (item,) = await arrived(door)
    await door.ask("GET", "/inbox?lease=60", agency=PROVINCE)

    first = await door.ask("POST", f"/inbox/{item['id']}/ack", agency=PROVINCE)
    again = await door.ask("POST", f"/inbox/{item['id']}/ack", agency=PROVINCE)
    door.clock.advance(3600)

    assert (first.status, first.json["repeated"]) == (200, False)
    assert (again.status, again.json["repeated"]) == (200, True)
    assert (await door.ask("GET", "/inbox?lease=60", agency=PROVINCE)).json["data"] == []
    assert (await door.ask("GET", f"/inbox/{item['id']}", agency=PROVINCE)).json["handover"] == "acked"


async def test_a_file_comes_byte_for_byte_and_no_browser_will_run_it(door: Door) -> None:
    (item,) = await arrived(door)

    answer = await door.ask("GET", item["files"][0]["link"], agency=PROVINCE)

    assert answer.raw == PDF
    assert answer.headers["Content-Type"] == "application/pdf"
    assert answer.headers["Content-Length"] == str(len(PDF))
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer.headers["Content-Disposition"] == "attachment; filename=\"15.pdf\"; filename*=UTF-8''15.pdf"


async def test_the_envelope_comes_byte_for_byte(door: Door) -> None:
    (item,) = await arrived(door)

    answer = await door.ask("GET", f"/inbox/{item['id']}/envelope", agency=PROVINCE)

    assert answer.status == 200
    assert hashlib.sha256(answer.raw).hexdigest() == answer.headers["X-Content-SHA256"]


async def test_head_is_answered_like_get_without_the_body(door: Door) -> None:
    (item,) = await arrived(door)

    for path in (
        "/inbox",
        f"/inbox/{item['id']}",
        item["files"][0]["link"],
        "/events",
        "/me",
        "/openapi.json",
    ):
        whole = await door.ask("GET", path, agency=PROVINCE)
        head = await door.ask("HEAD", path, agency=PROVINCE)

        assert (head.status, head.raw) == (200, b"")
        for name in ("Content-Type", "Content-Length", "ETag"):
            assert head.headers.get(name) == whole.headers.get(name)


async def test_head_leases_nothing(door: Door) -> None:
    await arrived(door)

    await door.ask("HEAD", "/inbox?lease=60", agency=PROVINCE)

    assert len((await door.ask("GET", "/inbox?lease=60", agency=PROVINCE)).json["data"]) == 1


@pytest.mark.parametrize("form", ['"{etag}"', 'W/"{etag}"', '"other", "{etag}"', "*"])
async def test_a_file_that_the_caller_has_is_304(door: Door, form: str) -> None:
    (item,) = await arrived(door)
    etag = hashlib.sha256(PDF).hexdigest()

    answer = await door.ask(
        "GET", item["files"][0]["link"], agency=PROVINCE, headers={"If-None-Match": form.format(etag=etag)}
    )

    assert (answer.status, answer.raw, answer.headers["ETag"]) == (304, b"", f'"{etag}"')


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-9", 0, 9),
        ("bytes=10-", 10, len(PDF) - 1),
        ("bytes=-7", len(PDF) - 7, len(PDF) - 1),
        (f"bytes=5-{len(PDF) + 100}", 5, len(PDF) - 1),
    ],
)
async def test_a_download_goes_on_where_it_broke_off(door: Door, asked: str, first: int, last: int) -> None:
    (item,) = await arrived(door)

    answer = await door.ask("GET", item["files"][0]["link"], agency=PROVINCE, headers={"Range": asked})

    assert answer.status == 206
    assert answer.raw == PDF[first : last + 1]
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{len(PDF)}"
    assert answer.headers["Content-Length"] == str(last + 1 - first)


async def test_a_part_that_lies_outside_is_416_and_one_of_another_file_is_the_whole(door: Door) -> None:
    (item,) = await arrived(door)
    link = item["files"][0]["link"]

    outside = await door.ask("GET", link, agency=PROVINCE, headers={"Range": f"bytes={len(PDF)}-"})
    assert (outside.status, outside.headers["Content-Range"]) == (416, f"bytes */{len(PDF)}")

    for odd in ({"Range": "bytes=0-9", "If-Range": '"other"'}, {"Range": "bytes=0-1,4-5"}, {"Range": "x"}):
        whole = await door.ask("GET", link, agency=PROVINCE, headers=odd)
        assert (whole.status, whole.raw) == (200, PDF)


async def test_an_empty_inbox_waits_for_the_next_document(door: Door) -> None:
    waiting = asyncio.create_task(door.ask("GET", "/inbox?wait=30", agency=PROVINCE))
    (item,) = await arrived(door)

    assert [each["id"] for each in (await waiting).json["data"]] == [item["id"]]


async def test_a_call_that_takes_no_query_refuses_one(door: Door) -> None:
    (item,) = await arrived(door)

    for method, path in (("POST", f"/inbox/{item['id']}/ack"), ("GET", f"/inbox/{item['id']}")):
        answer = await door.ask(method, f"{path}?foo=1", agency=PROVINCE)

        assert (answer.status, answer.json["errors"][0]["code"]) == (400, "unknown-field")


@pytest.mark.parametrize("n", ["0", "2", "-1", "x", "1e9", "99999999999", "%31%00"])
async def test_a_file_that_is_not_there_is_404(door: Door, n: str) -> None:
    (item,) = await arrived(door)

    assert (await door.ask("GET", f"/inbox/{item['id']}/files/{n}", agency=PROVINCE)).status == 404


@pytest.mark.parametrize(
    "name",
    [
        'a".pdf',
        "a\r\nX-Injected: 1.pdf",
        "báo cáo.pdf",
        "\u202efdp.exe",
        "../../etc/passwd",
        "a;b=c.pdf",
        "𝔘.pdf",
        "\ud800",
    ],
)
def test_no_name_breaks_out_of_its_header_threats_77_78(name: str) -> None:
    header = disposition(name)

    header.encode("ascii")
    assert header.count('"') == 2
    assert not set(header) & set("\r\n\\")
    assert header.startswith("attachment; filename=")


async def test_each_status_is_said_and_the_sender_hears_it(door: Door) -> None:
    (item,) = await arrived(door)

    for code, state in (("03", "accepted"), ("assigned", "assigned"), ("5", "processing"), ("06", "done")):
        answer = await status(door, item["id"], code=code)
        await door.carry()

        assert answer.status == 200, str(answer)
        assert answer.json["item"]["state"] == state
        assert answer.headers["ETag"] == f'"{answer.json["item"]["version"]}"'
        assert (await door.ask("GET", "/messages")).json["data"][0]["state"] == state


async def test_the_same_status_twice_is_harmless(door: Door) -> None:
    (item,) = await arrived(door)
    said: dict[str, Any] = {
        "code": "03",
        "register_no": "1245",
        "register_year": 2026,
        "at": "2026-11-20T08:00:00+07:00",
    }

    first = await status(door, item["id"], **said)
    again = await status(door, item["id"], **said)

    assert (first.json["repeated"], again.json["repeated"]) == (False, True)
    assert first.json["register_no"] == again.json["register_no"] == "1245"


async def test_work_is_opened_again_with_its_reason_and_the_sender_sees_the_mark(door: Door) -> None:
    (item,) = await arrived(door)
    for code in ("03", "06"):
        await status(door, item["id"], code=code)

    bare = await status(door, item["id"], code="05", reopen=True)
    wrong = await status(door, item["id"], code="06", reopen=True, note="Đóng nhầm")
    opened = await status(door, item["id"], code="05", reopen=True, note="Đóng nhầm")
    await door.carry()

    assert (bare.status, bare.json["errors"][0]["pointer"], wrong.status) == (422, "/note", 400)
    assert (opened.json["item"]["state"], "reopened" in opened.json["item"]["marks"]) == ("processing", True)
    (sent,) = (await door.ask("GET", "/messages")).json["data"]
    message = (await door.ask("GET", f"/messages/{sent['id']}")).json
    assert (message["state"], message["recipients"][0]["marks"]) == ("done", ["reopened"])


async def test_in_mode_b_the_answer_returns_the_number_given(door: Door) -> None:
    first, second = await arrived(door, COMMUNE, ("15", "16"))

    numbers = [
        (await status(door, each["id"], COMMUNE, code="03")).json["register_no"] for each in (first, second)
    ]

    assert numbers == ["1", "2"]


async def test_a_refusal_needs_its_reason_and_the_sender_reads_it(door: Door) -> None:
    (item,) = await arrived(door)

    bare = await status(door, item["id"], code="02")
    other = await status(door, item["id"], code="02", reason="OTHER")
    given = await status(door, item["id"], code="rejected", reason="MISSING_FILE", note="Thiếu phụ lục 2")
    await door.carry()

    assert bare.json["errors"][0]["pointer"] == "/reason"
    assert other.json["errors"][0]["pointer"] == "/note"
    assert given.json["item"]["state"] == "rejected"
    message = (await door.ask("GET", "/messages")).json["data"][0]["id"]
    facts = (await door.ask("GET", f"/messages/{message}/events")).json["recipients"][0]["facts"]
    assert "Thiếu phụ lục 2" in next(str(fact) for fact in facts if fact["code"] == "02")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"code": "15"}, 409),
        ({"code": "01"}, 400),
        ({"code": "13"}, 400),
        ({"code": "07"}, 400),
        ({"code": "sent"}, 400),
        ({"code": "02", "reason": "BORED"}, 400),
        ({"code": "03", "colour": "blue"}, 400),
        ({}, 422),
    ],
)
async def test_a_status_that_cannot_be_set_is_told_why(
    door: Door, said: dict[str, Any], expected: int
) -> None:
    (item,) = await arrived(door)

    answer = await status(door, item["id"], **said)

    assert answer.status == expected, str(answer)
    assert answer.json["detail"]


async def test_an_assignment_is_kept_and_shown(door: Door) -> None:
    (item,) = await arrived(door)
    given = {"lead_unit": "Phòng Tổng hợp", "coordinating_units": ["Phòng Tài vụ"], "deadline": "2026-11-27"}

    answer = await door.ask("PUT", f"/inbox/{item['id']}/assignment", agency=PROVINCE, json=given)
    stale = await door.ask(
        "PUT", f"/inbox/{item['id']}/assignment", agency=PROVINCE, json=given, headers={"If-Match": '"1"'}
    )

    told = answer.json["assignment"]
    assert {name: told[name] for name in given} | {"instruction": told["instruction"]} == given | {
        "instruction": None
    }
    assert [(each["unit"], each["lead"], each["late"]) for each in told["units"]] == [
        ("Phòng Tổng hợp", True, False),
        ("Phòng Tài vụ", False, False),
    ]
    assert stale.status == 412


async def test_each_unit_has_its_own_day_is_late_after_it_and_gives_its_part_back(door: Door) -> None:
    (item,) = await arrived(door)
    path = f"/inbox/{item['id']}/assignment"
    await status(door, item["id"], code="03", register_no="7")
    given: dict[str, Any] = {
        "lead_unit": "Phòng Tổng hợp",
        "coordinating_units": ["Phòng Tài vụ"],
        "deadline": "2026-11-27",
    }

    strange = await door.ask(
        "PUT", path, agency=PROVINCE, json=given | {"unit_deadlines": {"Phòng khác": "2026-11-23"}}
    )
    await door.ask(
        "PUT", path, agency=PROVINCE, json=given | {"unit_deadlines": {"Phòng Tài vụ": "2026-11-23"}}
    )
    door.clock.advance(5 * 86400)
    late = (await door.ask("GET", f"/inbox/{item['id']}", agency=PROVINCE)).json["assignment"]["units"]
    bare = await door.ask(
        "POST", f"{path}/parts", agency=PROVINCE, json={"unit": "Phòng Tài vụ", "outcome": "returned"}
    )
    back = {"unit": "Phòng Tài vụ", "outcome": "returned", "reason": "Việc của phòng khác"}
    answer = await door.ask("POST", f"{path}/parts", agency=PROVINCE, json=back)
    again = await door.ask("POST", f"{path}/parts", agency=PROVINCE, json=back)

    assert strange.status == 400
    assert [(each["unit"], each["deadline"], each["late"]) for each in late] == [
        ("Phòng Tổng hợp", "2026-11-27", False),
        ("Phòng Tài vụ", "2026-11-23", True),
    ]
    assert (bare.status, bare.json["errors"][0]["pointer"]) == (422, "/reason")
    assert [(each["state"], each["reason"]) for each in answer.json["assignment"]["units"]] == [
        ("open", ""),
        ("returned", "Việc của phòng khác"),
    ]
    assert (again.status, again.json["code"]) == (409, "GW-PART")


async def test_a_status_on_another_version_is_412_and_sets_nothing(door: Door) -> None:
    (item,) = await arrived(door)

    answer = await door.ask(
        "POST",
        f"/inbox/{item['id']}/status",
        agency=PROVINCE,
        json={"code": "03"},
        headers={"If-Match": '"7"'},
    )

    assert answer.status == 412
    assert (await door.ask("GET", f"/inbox/{item['id']}", agency=PROVINCE)).json["state"] == "new"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("GET", "/files/1"),
        ("GET", "/envelope"),
        ("POST", "/ack"),
        ("POST", "/status"),
        ("PUT", "/assignment"),
    ],
)
async def test_another_agencys_document_is_404_threat_87(door: Door, method: str, path: str) -> None:
    (item,) = await arrived(door)
    said = {"POST": {"code": "03"} if path == "/status" else {}, "PUT": {"lead_unit": "x"}}.get(method)

    answer = await door.ask(method, f"/inbox/{item['id']}{path}", agency=COMMUNE, json=said)

    assert answer.status == 404


async def test_reading_is_never_a_status(door: Door) -> None:
    (item,) = await arrived(door)

    await door.ask("GET", f"/inbox/{item['id']}", agency=PROVINCE)
    await door.ask("GET", item["files"][0]["link"], agency=PROVINCE)
    await door.carry()

    assert (await door.ask("GET", "/messages")).json["data"][0]["state"] == "delivered"


async def test_quarantine_lists_what_is_known_and_nothing_of_the_content(door: Door) -> None:
    agency = await door.node.store.accounts.hosted_by_code(PROVINCE)
    assert agency is not None
    row = replace(
        inbox_item(door.clock),
        agency_id=agency.id,
        state="quarantined",
        code="SIG-DIGEST",
        sender_code="Z91.07",
    )
    async with door.node.store.begin(AgencyScope(agency_id=agency.id, principal_id="prn_test")) as work:
        await work.inbox.land(row)
        await work.commit()

    (told,) = (await door.ask("GET", "/inbox?quarantine=true", agency=PROVINCE)).json["data"]

    assert (told["id"], told["state"], told["code"], told["sender_claimed"]) == (
        row.id,
        "quarantined",
        "SIG-DIGEST",
        "Z91.07",
    )
    assert "subject" not in told
    assert (await door.ask("GET", "/inbox?quarantine=true", agency=COMMUNE)).json["data"] == []


async def test_two_clients_never_lease_the_same_row(door: Door) -> None:
    await arrived(door, numbers=("15", "16", "17"))
    keys = [await door.key(PROVINCE) for _ in range(4)]

    answers = await asyncio.gather(*(door.ask("GET", "/inbox?lease=60&limit=1", key=key) for key in keys))

    leased = [item["id"] for answer in answers for item in answer.json["data"]]
    assert len(leased) == len(set(leased)) == 3


async def _recalled(door: Door, *, form: str = "notice") -> dict[str, Any]:
    """A document that was taken in, and that its sender then asks back."""
    (item,) = await arrived(door)
    assert (await status(door, item["id"], code="03", register_no="7")).status == 200
    sent = (await door.ask("GET", "/messages")).json["data"][0]
    said = {"form": form, "reason": "Ban hành nhầm"}
    if form == "notice":
        said |= {"approved_by": "Trần Thị Mẫu", "notice_no": "12/TB-STD"}
    once = {"Idempotency-Key": "recall"}
    answer = await door.ask("POST", f"/messages/{sent['id']}/recall", json=said, headers=once)
    assert answer.status in (200, 202), str(answer)
    door.clock.advance(1)
    await door.carry()
    return item


async def test_a_recall_tells_its_reason_notice_and_document_and_15_answers_with_the_item_asked_for(
    door: Door,
) -> None:
    document = await _recalled(door)
    listed = (await door.ask("GET", "/inbox", agency=PROVINCE)).json["data"]
    asked = next(each for each in listed if each["business"] == "recall")
    whole = next(each for each in listed if each["id"] == document["id"])

    wanted = {
        "kind": "recall",
        "reason": "Ban hành nhầm",
        "notice_no": "12/TB-STD",
        "approved_by": "Trần Thị Mẫu",
        "state": "asked",
        "item": asked["id"],
    }
    assert {name: asked["request"][name] for name in wanted} == wanted
    assert {name: whole["request"][name] for name in wanted} == wanted
    assert (asked["about"], whole["about"]) == (document["id"], None)
    assert asked["due"] is not None
    assert asked["due"] == whole["due"]
    assert asked["checks"]["duplicate_of"] is None

    done = (await status(door, asked["id"], code="15")).json

    assert (done["item"]["id"], done["item"]["about"]) == (asked["id"], document["id"])
    assert (done["item"]["state"], done["item"]["request"]["state"]) == ("done", "agreed")
    assert done["item"]["due"] is None
    after = (await door.ask("GET", f"/inbox/{document['id']}", agency=PROVINCE)).json
    assert (after["state"], after["request"]) == ("recalled", None)


async def test_state_and_state_text_of_a_recall_say_the_same_as_the_codes(door: Door) -> None:
    await _recalled(door)
    codes = (await door.ask("GET", "/codes", agency=PROVINCE)).json
    words = {each["key"]: each["vi"] for each in codes["inbox_states"]}

    async def said() -> list[tuple[str, str]]:
        listed = (await door.ask("GET", "/inbox", agency=PROVINCE)).json["data"]
        return [(each["state"], each["state_text"]) for each in listed]

    before = await said()
    asked = (await door.ask("GET", "/inbox?state=new", agency=PROVINCE)).json["data"][0]
    await status(door, asked["id"], code="16", note="Đã giải quyết xong")
    after = await said()

    assert {state for state, _ in before} == {"new", "accepted"}
    assert {state for state, _ in after} == {"done", "accepted"}
    assert all(words[state] == text for state, text in (*before, *after))


async def test_a_take_back_is_told_with_its_document(door: Door) -> None:
    document = await _recalled(door, form="take_back")

    (item,) = (await door.ask("GET", "/inbox", agency=PROVINCE)).json["data"]

    assert item["id"] == document["id"]
    assert (item["request"]["kind"], item["request"]["reason"]) == ("take_back", "Ban hành nhầm")
    assert (item["request"]["item"], item["request"]["notice_no"]) == (None, None)


async def test_a_leased_document_that_was_recalled_says_that_its_files_answer_409(door: Door) -> None:
    document = await _recalled(door)
    await status(door, document["id"], code="15")

    leased = (await door.ask("GET", "/inbox?lease=60", agency=PROVINCE)).json["data"]

    assert leased
    for each in leased:
        file = await door.ask("GET", f"/inbox/{each['id']}/envelope", agency=PROVINCE)
        assert each["files_readable"] is False
        assert file.status == 409
    assert document["files_readable"] is True


async def test_due_says_until_when_and_by_which_term(door: Door) -> None:
    (item,) = await arrived(door)
    due = item["due"]
    await status(door, item["id"], code="03", register_no="7")
    after = (await door.ask("GET", f"/inbox/{item['id']}", agency=PROVINCE)).json

    assert due["accept_by"] > item["arrived_at"]
    assert due["basis"] == "Tiếp nhận trong 2 giờ hành chính"
    assert after["due"] is None
