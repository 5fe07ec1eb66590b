"""The agency's document system leases incoming documents, reads their files, sets statuses and sees the quarantine."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from gateway.api.downloads import disposition
from gateway.cli import inbox as commands
from gateway.cli.command import Invocation, OutputFormat
from gateway.cli.node import StoreContext, chosen
from gateway.domain.account import AgencyScope
from tests.support.api import COMMUNE, DEPARTMENT, PDF, PROVINCE, Answer, Door, meta
from tests.support.stores import inbox_item
from tests.support.units import add_units


async def arrived(
    door: Door, agency: str = PROVINCE, numbers: tuple[str, ...] = ("15",)
) -> list[dict[str, Any]]:
    """Send documents from the department; return them as landed and admitted at `agency`, oldest first."""
    for number in numbers:
        draft = meta(number=number, recipients=[{"code": agency, "role": "to_act"}])
        answer = await door.send(draft, once=f"n{number}")
        assert answer.status == 202, str(answer)
        door.clock.advance(1)
        await door.carry()
    items: list[dict[str, Any]] = (await door.ask("GET", "/inbox", agency=agency)).json["data"]
    assert len(items) == len(numbers)
    return items[::-1]


async def status(door: Door, id: str, agency: str = PROVINCE, **body: Any) -> Any:
    return await door.ask("POST", f"/inbox/{id}/status", agency=agency, json=body)


async def read(door: Door, path: str, **headers: str) -> Answer:
    """Call the API as the receiver."""
    by_name = {name.replace("_", "-"): text for name, text in headers.items()}
    return await door.ask("GET", path, agency=PROVINCE, headers=by_name)


async def inbox(door: Door, query: str = "") -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = (await read(door, f"/inbox{query}")).json["data"]
    return rows


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
    assert item["due"]["accept_by"] > item["arrived_at"]
    assert item["due"]["basis"] == "Tiếp nhận văn bản đến"

    await status(door, item["id"], code="03", register_no="7")
    assert (await read(door, f"/inbox/{item['id']}")).json["due"] is None


async def test_the_list_is_of_a_time_and_in_the_order_that_is_asked_for(door: Door) -> None:
    first, second, third = await arrived(door, numbers=("15", "16", "17"))
    span = f"arrived_at[gte]={second['arrived_at']}&arrived_at[lt]={third['arrived_at']}".replace("+", "%2B")

    oldest = (await read(door, "/inbox?sort=arrived_at&limit=2")).json
    second_page = await inbox(door, f"?sort=arrived_at&limit=2&cursor={oldest['next_cursor']}")
    between = await inbox(door, f"?{span}")

    assert [row["id"] for row in oldest["data"]] == [first["id"], second["id"]]
    assert [p["id"] for p in second_page] == [third["id"]]
    assert [b["id"] for b in between] == [second["id"]]


async def test_leased_rows_are_hidden_from_others_until_the_lease_runs_out(door: Door) -> None:
    await arrived(door, numbers=("15", "16"))
    other = await door.key(PROVINCE)

    await door.ask("HEAD", "/inbox?lease=60", agency=PROVINCE)  # leases nothing
    mine = await read(door, "/inbox?state=new&lease=120&limit=1")
    theirs = await door.ask("GET", "/inbox?lease=120", key=other)
    nobody = await inbox(door, "?lease=120")
    door.clock.advance(121)
    other_rows = await door.ask("GET", "/inbox?lease=120", key=other)

    (item,) = mine.json["data"]
    assert item["number"] == "15"
    assert item["lease"]["by"] == (await read(door, "/me")).json["key"]
    assert item["lease"]["until"] > item["arrived_at"]
    assert mine.json["has_more"] is True
    assert [row["number"] for row in theirs.json["data"]] == ["16"]
    assert nobody == []
    assert len(other_rows.json["data"]) == 2

    first = await door.ask("POST", f"/inbox/{item['id']}/ack", key=other)
    twice = await door.ask("POST", f"/inbox/{item['id']}/ack", key=other)
    door.clock.advance(3600)
    assert (first.status, first.json["repeated"]) == (200, False)
    assert (twice.status, twice.json["repeated"]) == (200, True)
    assert [row["number"] for row in await inbox(door, "?lease=60")] == ["16"]
    assert (await read(door, f"/inbox/{item['id']}")).json["handover"] == "acked"


async def test_documents_are_found_by_number_document_id_and_sender(door: Door) -> None:
    """In both lists, in any spelling of the number; one half of it is refused."""
    first, second = await arrived(door, numbers=("15", "16"))
    both = (await door.ask("GET", "/messages")).json["data"]
    for query, rows in (
        ("number=015&symbol=std-vp", [first["id"]]),
        ("number=15&symbol=KHAC", []),
        (f"document_id={quote(second['document_id'])}", [second["id"]]),
        (f"partner={DEPARTMENT.lower()}", [second["id"], first["id"]]),
        (f"partner={DEPARTMENT}&number=16&symbol=STD-VP", [second["id"]]),
        ("partner=Z99", []),
    ):
        assert [row["id"] for row in await inbox(door, f"?{query}")] == rows, query
        if "partner" not in query:
            sent = (await door.ask("GET", f"/messages?{query}")).json["data"]
            assert [row["number"] for row in sent] == [
                item["number"] for item in (first, second) if item["id"] in rows
            ]
    for path in ("/inbox", "/messages"):
        for query in ("number=15", "symbol=STD-VP"):
            assert (await door.ask("GET", f"{path}?{query}", agency=PROVINCE)).status == 400
    assert len(both) == 2
    for code, count in ((PROVINCE.lower(), 2), (DEPARTMENT, 0)):
        assert len((await door.ask("GET", f"/messages?partner={code}")).json["data"]) == count


async def test_documents_are_listed_by_their_last_event(door: Door) -> None:
    """The first event of that time is found wherever it lies, and a later change brings a document back."""
    items = await arrived(door, numbers=("15", "16", "17"))
    times = [item["arrived_at"] for item in items]
    door.clock.advance(60)

    async def numbers(path: str, since: str) -> list[str]:
        agency = PROVINCE if path == "/inbox" else DEPARTMENT
        answer = await door.ask("GET", f"{path}?updated_since={quote(since)}", agency=agency)
        return sorted(row["number"] for row in answer.json["data"])

    afterwards = door.clock.now().isoformat()
    for path in ("/inbox", "/messages"):
        listed = [await numbers(path, since) for since in (*times, afterwards)]
        assert listed == [["15", "16", "17"], ["16", "17"], ["17"], []], path

    assert (await status(door, items[0]["id"], code="03")).status == 200
    await door.carry()
    for path in ("/inbox", "/messages"):
        assert await numbers(path, afterwards) == ["15"], path


async def test_two_clients_never_lease_the_same_row(door: Door) -> None:
    await arrived(door, numbers=("15", "16", "17"))
    keys = [await door.key(PROVINCE) for _ in range(4)]

    answers = await asyncio.gather(*(door.ask("GET", "/inbox?lease=60&limit=1", key=key) for key in keys))

    leased = [item["id"] for answer in answers for item in answer.json["data"]]
    assert len(leased) == len(set(leased)) == 3


async def test_a_file_comes_byte_for_byte_and_no_browser_will_run_it(door: Door) -> None:
    (item,) = await arrived(door)

    answer = await read(door, item["files"][0]["link"])
    envelope = await read(door, f"/inbox/{item['id']}/envelope")

    assert answer.raw == PDF
    assert answer.headers["Content-Type"] == "application/pdf"
    assert answer.headers["Content-Length"] == str(len(PDF))
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer.headers["Content-Disposition"] == "attachment; filename=\"15.pdf\"; filename*=UTF-8''15.pdf"
    assert envelope.status == 200
    assert hashlib.sha256(envelope.raw).hexdigest() == envelope.headers["X-Content-SHA256"]
    for n in ("0", "2", "-1", "x", "1e9", "99999999999", "%31%00"):
        assert (await read(door, f"/inbox/{item['id']}/files/{n}")).status == 404, n
    # Reading is never a status.
    await read(door, f"/inbox/{item['id']}")
    await door.carry()
    assert (await door.ask("GET", "/messages")).json["data"][0]["state"] == "delivered"


async def test_a_download_goes_on_where_it_broke_off(door: Door) -> None:
    (item,) = await arrived(door)
    link, size, etag = item["files"][0]["link"], len(PDF), f'"{hashlib.sha256(PDF).hexdigest()}"'

    for byte_range, first, last in (
        ("bytes=0-9", 0, 9),
        ("bytes=10-", 10, size - 1),
        ("bytes=-7", size - 7, size - 1),
        (f"bytes=5-{size + 100}", 5, size - 1),
    ):
        part = await read(door, link, Range=byte_range)
        assert (part.status, part.raw) == (206, PDF[first : last + 1]), byte_range
        assert part.headers["Content-Range"] == f"bytes {first}-{last}/{size}"
        assert part.headers["Content-Length"] == str(last + 1 - first)
    outside = await read(door, link, Range=f"bytes={size}-")
    assert (outside.status, outside.headers["Content-Range"]) == (416, f"bytes */{size}")
    for odd in ({"Range": "bytes=0-9", "If_Range": '"other"'}, {"Range": "bytes=0-1,4-5"}, {"Range": "x"}):
        full = await read(door, link, **odd)
        assert (full.status, full.raw) == (200, PDF)
    for if_none_match in (etag, f"W/{etag}", f'"other", {etag}', "*"):  # what the caller has already
        same = await read(door, link, If_None_Match=if_none_match)
        assert (same.status, same.raw, same.headers["ETag"]) == (304, b"", etag), if_none_match


async def test_head_is_answered_like_get_without_the_body(door: Door) -> None:
    (item,) = await arrived(door)
    own = f"/inbox/{item['id']}"

    for path in ("/inbox", own, item["files"][0]["link"], "/events", "/me", "/openapi.json"):
        got = await read(door, path)
        head = await door.ask("HEAD", path, agency=PROVINCE)

        assert (head.status, head.raw) == (200, b"")
        for name in ("Content-Type", "Content-Length", "ETag"):
            assert head.headers.get(name) == got.headers.get(name)
    for method, path in (("POST", f"{own}/ack"), ("GET", own)):  # calls that take no query
        answer = await door.ask(method, f"{path}?foo=1", agency=PROVINCE)
        assert (answer.status, answer.json["errors"][0]["code"]) == (400, "unknown-field")


async def test_an_empty_inbox_waits_for_the_next_document(door: Door) -> None:
    waiting = asyncio.create_task(door.ask("GET", "/inbox?wait=30", agency=PROVINCE))
    (item,) = await arrived(door)

    assert [row["id"] for row in (await waiting).json["data"]] == [item["id"]]


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
    path, stale = f"/inbox/{item['id']}", {"If-Match": '"7"'}
    other = await door.ask("POST", f"{path}/status", agency=PROVINCE, json={"code": "03"}, headers=stale)
    assert (other.status, (await read(door, path)).json["state"]) == (412, "new")

    registration = {"register_no": "1245", "register_year": 2026, "at": "2026-11-20T08:00:00+07:00"}
    for body, state in (
        ({"code": "03", **registration}, "accepted"),
        ({"code": "assigned"}, "assigned"),
        ({"code": "5"}, "processing"),
        ({"code": "06"}, "done"),
    ):
        answer = await status(door, item["id"], **body)
        await door.carry()

        assert answer.status == 200, str(answer)
        assert answer.json["item"]["state"] == state
        assert answer.headers["ETag"] == f'"{answer.json["item"]["version"]}"'
        assert (await door.ask("GET", "/messages")).json["data"][0]["state"] == state
        if state == "accepted":
            repeat = await status(door, item["id"], **body)
            assert (answer.json["repeated"], repeat.json["repeated"]) == (False, True)
            assert answer.json["register_no"] == repeat.json["register_no"] == "1245"


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


async def test_a_refusal_needs_its_reason_and_the_sender_reads_it(door: Door) -> None:
    """R58 (return with a reason)."""
    (item,) = await arrived(door)

    bare = await status(door, item["id"], code="02")
    other = await status(door, item["id"], code="02", reason="OTHER")
    refusal = await status(door, item["id"], code="rejected", reason="MISSING_FILE", note="Thiếu phụ lục 2")
    await door.carry()

    assert bare.json["errors"][0]["pointer"] == "/reason"
    assert other.json["errors"][0]["pointer"] == "/note"
    assert refusal.json["item"]["state"] == "rejected"
    message = (await door.ask("GET", "/messages")).json["data"][0]["id"]
    facts = (await door.ask("GET", f"/messages/{message}/events")).json["recipients"][0]["facts"]
    assert "Thiếu phụ lục 2" in next(str(fact) for fact in facts if fact["code"] == "02")


async def test_a_status_that_cannot_be_set_is_told_why(door: Door) -> None:
    (item,) = await arrived(door)
    rows: list[tuple[dict[str, Any], int]] = [
        ({"code": "15"}, 409),
        *(({"code": code}, 400) for code in ("01", "13", "07", "sent")),
        ({"code": "02", "reason": "BORED"}, 400),
        ({"code": "03", "colour": "blue"}, 400),
        ({}, 422),
    ]
    for body, expected in rows:
        answer = await status(door, item["id"], **body)
        assert answer.status == expected, str(answer)
        assert answer.json["detail"]


ASSIGNMENT: dict[str, Any] = {
    "lead_unit": "Phòng Tổng hợp",
    "coordinating_units": ["Phòng Tài vụ"],
    "deadline": "2026-11-27",
}


async def assign(
    door: Door, item: dict[str, Any], headers: dict[str, str] | None = None, **more: Any
) -> Answer:
    path = f"/inbox/{item['id']}/assignment"
    return await door.ask("PUT", path, agency=PROVINCE, json=ASSIGNMENT | more, headers=headers)


async def to_assign(door: Door) -> dict[str, Any]:
    """Return a document that arrived at an agency with the units of `ASSIGNMENT`."""
    (item,) = await arrived(door)
    agency = await door.node.store.accounts.hosted_by_code(PROVINCE)
    assert agency is not None
    await add_units(door.node.store, door.clock, agency.id, "Phòng Tổng hợp", "Phòng Tài vụ")
    return item


async def test_a_unit_that_the_agency_does_not_have_is_refused_at_its_place(door: Door) -> None:
    item = await to_assign(door)

    answer = await assign(door, item, coordinating_units=["Phòng Tài vu 1"])
    body: dict[str, Any] = {"code": "04", "assignment": ASSIGNMENT | {"lead_unit": "Ban X"}}
    with_status = await status(door, item["id"], **body)

    (broken,) = answer.json["errors"]
    assert (answer.status, broken["code"]) == (422, "unit-unknown")
    assert (broken["pointer"], broken["suggest"]) == ("/assignment/coordinating_units/0", "Phòng Tài vụ")
    assert (with_status.status, with_status.json["errors"][0]["code"]) == (422, "unit-unknown")


async def test_persons_and_informed_units_are_assigned_and_a_stranger_is_refused(door: Door) -> None:
    item = await to_assign(door)
    agency = await door.node.store.accounts.hosted_by_code(PROVINCE)
    assert agency is not None
    scope = AgencyScope(agency_id=agency.id, principal_id="clerk")
    async with door.node.store.read(scope) as work:
        members = await work.units.members(door.node.inn.clock.now())
    person = next(m for m in members if m.unit == "Phòng Tài vụ").person_id
    lead_unit, helping = ASSIGNMENT["lead_unit"], ASSIGNMENT["coordinating_units"]

    stranger = await assign(door, item, persons=[{"unit": lead_unit, "person": person}])
    answer = await assign(
        door, item, coordinating_units=[], informed=[{"unit": "Phòng Tài vụ", "person": person}]
    )
    parts = f"/inbox/{item['id']}/assignment/parts"
    body = {"unit": "Phòng Tài vụ", "outcome": "seen"}
    first_end = await door.ask("POST", parts, agency=PROVINCE, json=body)
    second_end = await door.ask("POST", parts, agency=PROVINCE, json=body)

    assert helping == ["Phòng Tài vụ"]
    assert (stranger.status, stranger.json["errors"][0]["code"]) == (422, "unit-person")
    assert [
        (unit["unit"], unit["person"], unit["informed"], unit["state"])
        for unit in answer.json["assignment"]["units"]
    ] == [("Phòng Tổng hợp", None, False, "open"), ("Phòng Tài vụ", person, True, "open")]
    assert (first_end.status, first_end.json["assignment"]["units"][1]["state"]) == (200, "done")
    assert (second_end.status, second_end.json["code"]) == (409, "GW-PART")


async def test_an_assignment_is_kept_and_returned(door: Door) -> None:
    item = await to_assign(door)

    answer = await assign(door, item)
    stale = await assign(door, item, headers={"If-Match": '"1"'})

    assignment = answer.json["assignment"]
    assert {name: assignment[name] for name in ASSIGNMENT} == ASSIGNMENT
    assert assignment["instruction"] is None
    assert [(unit["unit"], unit["lead"], unit["late"]) for unit in assignment["units"]] == [
        ("Phòng Tổng hợp", True, False),
        ("Phòng Tài vụ", False, False),
    ]
    assert stale.status == 412


async def test_each_unit_has_its_own_day_is_late_after_it_and_gives_its_part_back(
    door: Door, capsys: pytest.CaptureFixture[str]
) -> None:
    item = await to_assign(door)
    await status(door, item["id"], code="03", register_no="7")

    async def give_back(**body: str) -> Answer:
        return await door.ask("POST", f"/inbox/{item['id']}/assignment/parts", agency=PROVINCE, json=body)

    strange = await assign(door, item, unit_deadlines={"Phòng khác": "2026-11-23"})
    await assign(door, item, unit_deadlines={"Phòng Tài vụ": "2026-11-23"})
    door.clock.advance(5 * 86400)
    read_late = (await read(door, f"/inbox/{item['id']}")).json
    late = read_late["assignment"]["units"]
    agency, scope = chosen(await door.node.store.hosted(), PROVINCE), await door.town.scope(PROVINCE)
    context = StoreContext(node=door.node, agency=agency, scope=scope)
    await commands.show(Invocation(output=OutputFormat.JSON), context, item["id"])
    read_late["from"]["name_now"] = None
    assert read_late.items() <= json.loads(capsys.readouterr().out).items()
    back = {"unit": "Phòng Tài vụ", "outcome": "returned"}
    bare = await give_back(**back)
    answer = await give_back(**back, reason="Việc của phòng khác")
    second = await give_back(**back, reason="Việc của phòng khác")

    assert strange.status == 400
    assert [(unit["unit"], unit["deadline"], unit["late"]) for unit in late] == [
        ("Phòng Tổng hợp", "2026-11-27", False),
        ("Phòng Tài vụ", "2026-11-23", True),
    ]
    assert (bare.status, bare.json["errors"][0]["pointer"]) == (422, "/reason")
    assert [(unit["state"], unit["reason"]) for unit in answer.json["assignment"]["units"]] == [
        ("open", ""),
        ("returned", "Việc của phòng khác"),
    ]
    assert (second.status, second.json["code"]) == (409, "GW-PART")


async def test_another_agencys_document_is_404_threat_87(door: Door) -> None:
    (item,) = await arrived(door)
    for method, path, body in (
        ("GET", "", None),
        ("GET", "/files/1", None),
        ("GET", "/envelope", None),
        ("POST", "/ack", {}),
        ("POST", "/status", {"code": "03"}),
        ("PUT", "/assignment", {"lead_unit": "x"}),
    ):
        answer = await door.ask(method, f"/inbox/{item['id']}{path}", agency=COMMUNE, json=body)
        assert answer.status == 404, path


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
    async with door.node.store.changing(AgencyScope(agency_id=agency.id, principal_id="prn_test")) as work:
        await work.inbox.land(row)

    (shown_row,) = (await door.ask("GET", "/quarantine", agency=PROVINCE)).json["data"]

    assert (shown_row["id"], shown_row["state"], shown_row["code"], shown_row["sender_claimed"]) == (
        row.id,
        "quarantined",
        "SIG-DIGEST",
        "Z91.07",
    )
    assert "subject" not in shown_row
    assert (await door.ask("GET", "/quarantine", agency=COMMUNE)).json["data"] == []


async def _recalled(door: Door, *, form: str = "notice") -> dict[str, Any]:
    """Take a document in, and let its sender ask it back; return its item."""
    (item,) = await arrived(door)
    assert (await status(door, item["id"], code="03", register_no="7")).status == 200
    sent = (await door.ask("GET", "/messages")).json["data"][0]
    recall = {"form": form, "reason": "Ban hành nhầm"}
    if form == "notice":
        recall |= {"approved_by": "Trần Thị Mẫu", "notice_no": "12/TB-STD"}
    once = {"Idempotency-Key": "recall"}
    answer = await door.ask("POST", f"/messages/{sent['id']}/recall", json=recall, headers=once)
    assert answer.status in (200, 202), str(answer)
    door.clock.advance(1)
    await door.carry()
    return item


async def test_a_recall_tells_its_reason_notice_and_document_and_15_answers_with_the_item_asked_for(
    door: Door,
) -> None:
    document = await _recalled(door)
    assert document["files_readable"] is True
    listed = await inbox(door)
    notice = next(row for row in listed if row["business"] == "recall")
    original = next(row for row in listed if row["id"] == document["id"])

    expected = {
        "kind": "recall",
        "reason": "Ban hành nhầm",
        "notice_no": "12/TB-STD",
        "approved_by": "Trần Thị Mẫu",
        "state": "asked",
        "item": notice["id"],
    }
    assert {name: notice["request"][name] for name in expected} == expected
    assert {name: original["request"][name] for name in expected} == expected
    assert (notice["about"], original["about"]) == (document["id"], None)
    assert notice["due"] is not None
    assert notice["due"] == original["due"]
    assert notice["checks"]["duplicate_of"] is None

    agreed = (await status(door, notice["id"], code="15")).json

    assert (agreed["item"]["id"], agreed["item"]["about"]) == (notice["id"], document["id"])
    assert (agreed["item"]["state"], agreed["item"]["request"]["state"]) == ("done", "agreed")
    assert agreed["item"]["due"] is None
    recalled = (await read(door, f"/inbox/{document['id']}")).json
    assert (recalled["state"], recalled["request"]) == ("recalled", None)
    leased = await inbox(door, "?lease=60")
    assert leased
    for leased_row in leased:
        assert leased_row["files_readable"] is False
        assert (await read(door, f"/inbox/{leased_row['id']}/envelope")).status == 409


async def test_state_and_state_text_of_a_recall_say_the_same_as_the_codes(door: Door) -> None:
    await _recalled(door)
    words = {state["key"]: state["vi"] for state in (await read(door, "/codes")).json["inbox_states"]}

    listed_before = await inbox(door)
    (notice, *_) = await inbox(door, "?state=new")
    await status(door, notice["id"], code="16", note="Đã giải quyết xong")
    listed_after = await inbox(door)

    assert {b["state"] for b in listed_before} == {"new", "accepted"}
    assert {a["state"] for a in listed_after} == {"done", "accepted"}
    assert all(words[b["state"]] == b["state_text"] for b in (*listed_before, *listed_after))


async def test_a_take_back_is_told_with_its_document(door: Door) -> None:
    document = await _recalled(door, form="take_back")

    (item,) = await inbox(door)

    assert item["id"] == document["id"]
    assert (item["request"]["kind"], item["request"]["reason"]) == ("take_back", "Ban hành nhầm")
    assert (item["request"]["item"], item["request"]["notice_no"]) == (None, None)


@pytest.mark.parametrize(
    ("form", "code", "state"), [("notice", "15", "agreed"), ("take_back", "16", "refused")]
)
async def test_the_sender_reads_how_its_request_stands_at_each_recipient(
    door: Door, form: str, code: str, state: str
) -> None:
    document = await _recalled(door, form=form)
    request = await _own_request(door)
    assert (request["kind"], request["state"]) == ({"notice": "recall"}.get(form, form), "asked")
    assert (request["answered_at"], request["reason"]) == (None, None)

    door.clock.advance(60)
    assert (await status(door, document["id"], code=code, note="Đã xem xét")).status == 200
    await door.carry()

    answer = await _own_request(door)
    assert (answer["state"], answer["reason"]) == (state, "Đã xem xét")
    assert answer["asked_at"] == request["asked_at"] < answer["answered_at"]


async def _own_request(door: Door) -> dict[str, Any]:
    """Return the request as the list of the sender shows it, and the document by itself."""
    listed = (await door.ask("GET", "/messages")).json["data"]
    (sent,) = [row for row in listed if row["parent"] is None]
    read = (await door.ask("GET", f"/messages/{sent['id']}")).json
    assert read["recipients"] == sent["recipients"]
    request: dict[str, Any] = read["recipients"][0]["request"]
    return request
