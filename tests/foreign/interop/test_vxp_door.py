"""A client and files that share no code with us make every call of the national axis against the compatibility door of a
real node: documents leave and arrive, and their outcome comes back."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.document import OutState
from gateway.domain.event import EventKind
from tests.interop import edxml_files
from tests.support import first_pages
from tests.support.api import COMMUNE, DEPARTMENT, PDF, PROVINCE, Answer
from tests.support.town.doors import SYSTEM, VxpDoor, open_vxp_door

OTHER = "qlvb.mau.02"
CLOSED, MINISTRY = "H34", "G02"  # of the list that ships with the program
NEW = dict.fromkeys(("id", "pcode", "mobile", "fax"), "") | {
    "code": "Z91.MOI",
    "name": "Sở Mới",
    "mail": "a@b.example",
}


@pytest.fixture
async def door(blank_node: Path, tmp_path: Path) -> AsyncIterator[VxpDoor]:
    async with open_vxp_door(blank_node, tmp_path / "node") as opened:
        await opened.system(SYSTEM, (DEPARTMENT,))
        await opened.system(OTHER, (PROVINCE, COMMUNE))
        yield opened


def sample_file(**more: object) -> bytes:
    files = [("cong-van.pdf", PDF)]
    return edxml_files.document(DEPARTMENT, [PROVINCE], files, id="QLVB-000118", **more)  # type: ignore[arg-type]


def element_text(file: bytes, element: str) -> str:
    match = re.search(rb"<(?:edXML:)?%s>(.*?)</" % element.encode(), file, re.S)
    assert match is not None, file
    return match[1].decode()


async def got(door: VxpDoor, doc_id: str, name: str = SYSTEM) -> bytes:
    parameters = {"docId": doc_id, "filePath": "/home/clerk"}
    answer = await door.call("getEdoc", parameters, body=b"{}", name=name)
    assert answer["ErrorCode"] == "0", answer
    return base64.b64decode(answer["data"], validate=True)


async def set_by_receiver(door: VxpDoor, code: str, **more: str) -> Answer:
    listed = (await door.api.ask("GET", "/inbox", agency=PROVINCE)).json["data"]
    path = f"/inbox/{listed[0]['id']}/status"
    answer = await door.api.ask("POST", path, agency=PROVINCE, json={"code": code, **more})
    assert answer.status == 200, answer
    return answer


async def test_a_document_goes_out_and_in_and_its_statuses_come_back(door: VxpDoor) -> None:
    file = sample_file()
    sent = await door.send(file)
    assert (sent["status"], sent["ErrorCode"], sent["ErrorDesc"]) == ("OK", "0", "")
    assert (await door.send(file))["DocId"] == sent["DocId"]  # the same bytes are the same document
    await door.api.carry()

    (line,) = await door.listed(name=OTHER)
    assert (line["from"], line["to"], line["status"]) == (DEPARTMENT, PROVINCE, "initial")
    assert (await door.call("countReceiveEdoc", verb="GET", name=OTHER))["count"] == 1
    received = await got(door, line["docId"], OTHER)
    assert element_text(received, "CodeNumber") == "118"
    parameters = {"docId": line["docId"], "filePath": "/home/clerk"}
    raw = await door.with_client(lambda client: client.call("downloadEdoc", parameters, verb="GET"), OTHER)
    assert raw == (200, received)
    (still,) = await door.listed(name=OTHER)
    assert still["docId"] == line["docId"]  # fetched is not settled
    status = {"docId": line["docId"], "status": "done"}
    assert (await door.call("updateStatus", status, body=b"{}", name=OTHER))["ErrorCode"] == "0"
    assert (await door.call("updateStatus", status, body=b"{}", name=OTHER))["ErrorCode"] == "0"
    assert await door.listed(name=OTHER) == []

    mine = element_text(received, "DocumentId")
    accepted = edxml_files.status(PROVINCE, DEPARTMENT, "03", mine, why="Đã vào sổ")
    answer = await door.send(accepted, PROVINCE, kind="status", name=OTHER)
    assert (answer["status"], answer["DocId"]) == ("OK", f"{line['docId']}.03")
    await door.api.carry()

    statuses = await door.listed("status")
    assert {r["from"] for r in statuses} == {PROVINCE}
    assert (await door.call("countReceiveStatus", verb="GET"))["count"] == len(statuses) == 2
    files = [await got(door, r["docId"]) for r in statuses]
    assert [element_text(r, "StatusCode") for r in files] == ["01", "03"]
    assert {element_text(r, "DocumentId") for r in files} == {"QLVB-000118"}  # as the system itself called it
    assert (element_text(files[1], "Staff"), "Đã vào sổ" in element_text(files[1], "Description")) == (
        "Cán Bộ Nhận Mẫu",
        True,
    )
    for r in statuses:
        await door.say(r["docId"], "done")
    assert await door.listed("status") == []

    (row,) = (await door.call("getSentEdocList", {"servicetype": "eDoc", "messagetype": "edoc"}))["data"]
    assert (row["senderDocId"], row["toCode"], row["receiveStatus"]) == (sent["DocId"], PROVINCE, "done")
    other = await door.call("getSentEdocList", {"servicetype": "eDoc", "messagetype": "edoc"}, name=OTHER)
    assert other["data"] == []


async def test_a_repeat_is_known_by_its_id_and_content(door: VxpDoor) -> None:
    """A document system writes its file anew when it sends again: other trace time, line ends and content ids."""
    sent = await door.send(sample_file())

    for repeat in (
        sample_file(traced="10:20:30"),
        sample_file().replace(b"><", b">\r\n<"),
        sample_file() + b"\n",
    ):
        assert (await door.send(repeat))["DocId"] == sent["DocId"]
    other = await door.send(sample_file(subject="V/v nội dung khác"))
    renumbered = await door.send(sample_file(number="119"))

    assert (await door.api.ask("GET", "/messages")).json["data"][0]["id"] == sent["DocId"]
    assert (other["status"], "118/STN-VP" in other["ErrorDesc"]) == ("FAIL", True)
    assert renumbered["status"] == "FAIL"
    assert "DocumentId QLVB-000118 đã dùng cho" in renumbered["ErrorDesc"]
    assert sent["DocId"] in renumbered["ErrorDesc"]


async def test_a_document_that_was_refused_is_sent_again_under_its_own_id(door: VxpDoor) -> None:
    first = await door.send(sample_file())
    await door.api.carry()
    await set_by_receiver(door, "02", reason="BAD_FORM")
    await door.api.carry()

    corrected = await door.send(sample_file(subject="V/v nội dung đã sửa"))

    assert corrected["status"] == "OK", corrected
    assert corrected["DocId"] != first["DocId"]


async def test_recipients_that_mail_would_not_reach_are_refused_in_the_words_of_the_api(
    door: VxpDoor,
) -> None:
    for to, words in (
        (["G01", "G02"], "Chưa có hệ thống nào nhận văn bản cho Bộ Công an (G01)"),
        (["H34", PROVINCE], "không còn hoạt động theo danh sách mẫu"),
    ):
        no = await door.send(edxml_files.document(DEPARTMENT, to, [("a.pdf", PDF)]))
        assert (no["status"], no["ErrorCode"], no["DocId"]) == ("FAIL", "422", "")
        assert words in no["ErrorDesc"]
        assert "SDK không xác nhận được" in no["ErrorDesc"]


async def test_a_status_without_a_document_id_is_matched_by_code_and_date(door: VxpDoor) -> None:
    await door.send(sample_file())
    await door.api.carry()
    (line,) = await door.listed(name=OTHER)

    def bare(**more: str) -> bytes:
        file = edxml_files.status(PROVINCE, DEPARTMENT, "03", "", **more)
        return file.replace(b"<edXML:DocumentId></edXML:DocumentId>", b"")

    answer = await door.send(bare(), PROVINCE, kind="status", name=OTHER)
    assert (answer["status"], answer["DocId"]) == ("OK", f"{line['docId']}.03"), answer
    for file, words in (
        (bare(notation="119/STN-VP"), "119/STN-VP"),
        (bare(day="2026/11/19"), "118/STN-VP"),
        (bare(notation=""), "không nêu văn bản nào"),
        (bare().replace(b"StatusCode>03", b"StatusCode>02"), "Chưa nhập Description."),
    ):
        no = await door.send(file, PROVINCE, kind="status", name=OTHER)
        assert (no["status"], words in no["ErrorDesc"]) == ("FAIL", True), no


async def test_the_list_of_what_was_sent_says_when_it_arrived_and_why_it_was_refused(door: VxpDoor) -> None:
    """A docId narrows it; one that sticks from a fetch does not."""
    first = await door.send(sample_file())
    second = await door.send(
        edxml_files.document(DEPARTMENT, [PROVINCE], [("a.pdf", PDF)], number="119", id="QLVB-000119")
    )
    edoc = {"servicetype": "eDoc", "messagetype": "edoc"}

    async def rows(**more: str) -> dict[str, dict[str, Any]]:
        answer = await door.call("getSentEdocList", edoc | more)
        return {row["senderDocId"]: row for row in answer["data"]}

    assert [row["receivedTime"] for row in (await rows()).values()] == ["", ""]
    door.api.clock.advance(60)
    await door.api.carry()
    arrived = (await rows())[second["DocId"]]["receivedTime"]
    door.api.clock.advance(3600)
    await set_by_receiver(door, "02", reason="BAD_FORM", note="Thiếu phụ lục 2")
    await door.api.carry()

    assert arrived == "2026/11/20 08:01:00"
    narrowed = await rows(docId=second["DocId"])
    assert list(narrowed) == [second["DocId"]]
    assert set(await rows(docId="inb_of_a_fetch")) == {first["DocId"], second["DocId"]}
    refused = next(row for row in (await rows()).values() if row["receiveStatus"] == "fail")
    assert refused["receivedTime"] == arrived
    assert "Thiếu phụ lục 2" in refused["receiveStatusDesc"]


async def test_every_refusal_is_in_one_language(door: VxpDoor) -> None:
    english = re.compile(r"\b(the|this|there|is|of|and|for|that)\b")
    refused = [
        await door.send(b"<html/>"),
        await door.send(sample_file()[:-30]),
        await door.send(sample_file(business=1)),
        await door.send(edxml_files.status(DEPARTMENT, PROVINCE, "03", "X"), kind="status"),
        await door.send(edxml_files.status(DEPARTMENT, PROVINCE, "13", "X"), kind="status"),
        await door.call("getEdoc", {"docId": "inb_1"}),
        await door.call("getAgenciesList", {"timestamp": "soon"}),
    ]
    for no in refused:
        assert no["status"] == "FAIL"
        sentences = no["ErrorDesc"].rpartition(" [")[0]
        assert not english.search(sentences), sentences


async def test_a_refused_download_leaves_nothing_to_store(door: VxpDoor) -> None:
    """The library takes any body for the file, whatever the status, and reports success."""

    async def download(operation: str, doc_id: str) -> tuple[int, bytes]:
        parameters = {"docId": doc_id, "filePath": "/home/clerk"}
        return await door.with_client(lambda client: client.call(operation, parameters, verb="GET"), OTHER)

    assert await download("downloadEdoc", "inb_1") == (404, b"")
    assert await download("downloadEdoc2", "inb_1") == (404, b"")
    thief = await door.with_client(
        lambda client: client.call("downloadEdoc", {"docId": "inb_1"}, verb="GET"), OTHER, secret="not it"
    )
    assert thief == (401, b"")


UPDATED = (
    "<edXML:BussinessDocumentInfo><edXML:DocumentInfo>1</edXML:DocumentInfo>"
    "<edXML:DocumentReceiver>0</edXML:DocumentReceiver></edXML:BussinessDocumentInfo>"
)
REPLACED = (
    "<edXML:ReplacementInfoList><edXML:ReplacementInfo><edXML:DocumentId>{}</edXML:DocumentId><edXML:OrganIdList>"
    f"<edXML:OrganId>{PROVINCE}</edXML:OrganId></edXML:OrganIdList></edXML:ReplacementInfo></edXML:ReplacementInfoList>"
)
NOTICE = "Sai thể thức (Thông báo thu hồi số 7/TB-STN; người phê duyệt: Người Duyệt Mẫu)"


async def in_mail(door: VxpDoor, business: str) -> Answer:
    """Read the item of that kind in the receiver's mail."""
    listed = (await door.api.ask("GET", "/inbox", agency=PROVINCE)).json["data"]
    (line,) = [row for row in listed if row["business"] == business]
    return await door.api.ask("GET", f"/inbox/{line['id']}", agency=PROVINCE)


async def test_an_update_names_the_document_by_the_system_s_own_id(door: VxpDoor) -> None:
    first = await door.send(sample_file())
    await door.api.carry()
    fields: dict[str, Any] = {
        "target_id": "QLVB-000118",
        "reason": "Sửa trích yếu",
        "subject": "V/v sửa trích yếu",
        "id": "QLVB-000119",
    }
    files = [("cong-van.pdf", PDF)]
    file = edxml_files.document(DEPARTMENT, [PROVINCE], files, business=2, more=UPDATED, **fields)

    sent = await door.send(file)
    assert (await door.send(file))["DocId"] == sent["DocId"]
    await door.api.carry()

    message = (await door.api.ask("GET", f"/messages/{sent['DocId']}")).json
    assert (message["parent"], message["reason"]) == (first["DocId"], "Sửa trích yếu")
    item = (await in_mail(door, "update")).json
    assert (item["subject"], item["request"]["kind"]) == ("V/v sửa trích yếu", "update")
    agreed = await door.api.ask(
        "POST", f"/inbox/{item['id']}/status", agency=PROVINCE, json={"code": "15", "note": "Đồng ý"}
    )
    assert agreed.status == 200, agreed
    await door.api.carry()
    statuses = [await got(door, status["docId"]) for status in await door.listed("status")]
    assert "15" in [element_text(status, "StatusCode") for status in statuses]


async def test_a_replacement_takes_the_place_of_what_was_sent(door: VxpDoor) -> None:
    first = await door.send(sample_file())
    await door.api.carry()
    files = [("cong-van.pdf", PDF)]

    def file(*ids: str) -> bytes:
        return edxml_files.document(
            DEPARTMENT,
            [PROVINCE],
            files,
            number="120",
            business=3,
            reason="Thay thế công văn 118",
            more="".join(REPLACED.format(id_text) for id_text in ids),
        )

    sent = await door.send(file("QLVB-000118"))
    assert sent["ErrorCode"] == "0", sent
    await door.api.carry()

    message = (await door.api.ask("GET", f"/messages/{sent['DocId']}")).json
    assert (message["parent"], message["number"]) == (first["DocId"], "120")
    item = (await in_mail(door, "replace")).json
    assert item["number"] == "120"
    unknown = await door.send(file("QLVB-999999"))
    assert (unknown["status"], "QLVB-999999" in unknown["ErrorDesc"]) == ("FAIL", True)


@pytest.mark.parametrize("form", ["behind the reason", "by its own number"])
async def test_a_recall_names_its_notice_and_is_made_once(door: VxpDoor, form: str) -> None:
    await door.send(sample_file())
    await door.api.carry()
    own: dict[str, Any] = {"number": "7", "notation": "TB-STN"} if form == "by its own number" else {}
    reason = "Sai thể thức" if own else NOTICE
    file = edxml_files.document(
        DEPARTMENT,
        [PROVINCE],
        [],
        business=1,
        target_id="QLVB-000118",
        reason=reason,
        id="QLVB-000121",
        **own,
    )

    sent = await door.send(file)
    assert sent["ErrorCode"] == "0", sent
    assert (await door.send(file))["DocId"] == sent["DocId"]
    await door.api.carry()

    request = (await in_mail(door, "recall")).json["request"]
    approved = "Người Ký Mẫu" if own else "Người Duyệt Mẫu"
    assert (request["reason"], request["notice_no"], request["approved_by"]) == (
        "Sai thể thức",
        "7/TB-STN",
        approved,
    )


async def test_a_recall_of_another_recipient_is_not_answered_with_that_of_the_first(door: VxpDoor) -> None:
    files = [("cong-van.pdf", PDF)]
    sent = await door.send(edxml_files.document(DEPARTMENT, [PROVINCE, COMMUNE], files, id="QLVB-000118"))
    await door.api.carry()

    def recall(to: list[str]) -> bytes:
        return edxml_files.document(
            DEPARTMENT, to, [], business=1, target_id="QLVB-000118", reason=NOTICE, id="QLVB-000121"
        )

    first = await door.send(recall([PROVINCE]))
    both = await door.send(recall([PROVINCE, COMMUNE]))
    other = await door.send(recall([COMMUNE]))

    assert first["ErrorCode"] == "0", first
    assert (both["status"], both["DocId"]) == ("FAIL", "")  # the commune was not asked
    assert other["ErrorCode"] == "0", other
    assert other["DocId"] not in (first["DocId"], sent["DocId"])


async def test_a_recall_without_a_notice_or_approved_by_the_signer_alone_is_refused(door: VxpDoor) -> None:
    await door.send(sample_file())
    await door.api.carry()
    fields: dict[str, Any] = {"business": 1, "reason": "Sai"}
    refused: tuple[dict[str, Any], ...] = (
        {"target_id": "QLVB-000118", "id": "QLVB-1", "number": "118", "notation": "stn-vp"},
        {"id": "QLVB-000118", "number": "7"},
        {"target_id": "QLVB-000118"},
    )
    for more in refused:
        no = await door.send(edxml_files.document(DEPARTMENT, [PROVINCE], [], **fields, **more))
        assert no["status"] == "FAIL"
        assert "phê duyệt" in no["ErrorDesc"]


async def rename(door: VxpDoor, code: str, name: str) -> None:
    """Give the agency another name by an import, a day later."""
    door.api.clock.advance(24 * 3600)
    await import_agencies(door, f"code,name\n{code},{name}\n")


async def import_agencies(door: VxpDoor, table: str) -> None:
    changes = door.node.directory_changes
    await changes.apply(await changes.plan_import(table.encode()), "test")


async def test_lists_of_agencies_and_what_no_client_changes(door: VxpDoor) -> None:
    agencies = (await door.call("getAgenciesList"))["data"]
    assert {PROVINCE, DEPARTMENT, COMMUNE} <= {agency["code"] for agency in agencies}
    assert CLOSED not in {row["code"] for row in agencies}
    assert CLOSED not in {
        row["code"] for row in (await door.call("getAgenciesListQD20", {"level": "1"}))["data"]
    }
    await rename(door, MINISTRY, "Bộ Mới")
    await import_agencies(door, "code,name,scheme\nCHO-01,Sở Sắp có,PENDING\n0199990000,Công ty Mẫu,DN\n")
    changed = {row["code"]: row for row in (await door.call("getSynchronizeUnit"))["data"]}
    assert (changed[CLOSED]["deleted"], changed[MINISTRY]["deleted"]) == (True, False)
    assert ("CHO-01" in changed, "0199990000" in changed) == (False, True)
    assert changed[MINISTRY]["version"] == 2
    assert changed[MINISTRY]["modifyDate"] == "2026/11/21 08:00:00"
    assert changed[PROVINCE]["modifyDate"] < changed[MINISTRY]["modifyDate"]
    for operation, parameters, body in (
        ("registerAgency", {}, json.dumps(NEW).encode()),
        ("deleteAgency", {"AgencyCode": COMMUNE}, b"{}"),
    ):
        no = await door.call(operation, parameters, body=body)
        assert (no["status"], no["ErrorCode"]) == ("FAIL", "403")
        assert "Danh mục mã cơ quan" in no["ErrorDesc"]


async def test_what_is_sent_is_an_ordinary_document_and_all_that_is_wrong_is_said_in_words(
    door: VxpDoor,
) -> None:
    refused = await door.send(sample_file(type_name="", subject=""))
    assert (refused["status"], refused["ErrorCode"], refused["DocId"]) == ("FAIL", "422", "")
    assert "Chưa nhập trích yếu." in refused["ErrorDesc"]
    assert "Chưa nhập tên loại văn bản." in refused["ErrorDesc"]
    assert (await door.api.ask("GET", "/messages")).json["data"] == []

    sent = await door.send(sample_file())
    message = (await door.api.ask("GET", f"/messages/{sent['DocId']}")).json
    assert (message["number"], message["state"]) == ("118", OutState.QUEUED)
    assert message["callback_data"] == "QLVB-000118"


async def test_what_cannot_be_sent_is_refused(door: VxpDoor) -> None:
    """The digest stands for the file."""
    rows: list[tuple[bytes, str, dict[str, Any], str, str]] = [
        (b"<html/>", DEPARTMENT, {}, "422", ""),
        (b"", DEPARTMENT, {}, "422", "edXML rỗng"),
        (
            b"\x11\r\n\r\n" * 20_000,
            DEPARTMENT,
            {},
            "422",
            "không phải XML đúng",
        ),  # no byte of a body is changed
        (edxml_files.document(PROVINCE, [DEPARTMENT], [("a.pdf", PDF)]), PROVINCE, {}, "403", DEPARTMENT),
        (sample_file(), PROVINCE, {}, "403", PROVINCE),
        (sample_file(), SYSTEM, {"to": ["Z99"]}, "422", "Z99"),
        (sample_file(), SYSTEM, {"kind": "reply"}, "400", "edoc, status"),
        (sample_file(), SYSTEM, {"kind": "status"}, "422", "messagetype edoc"),
        (sample_file(business=1), SYSTEM, {}, "404", "QLVB-000118"),
        (edxml_files.status(DEPARTMENT, PROVINCE, "03", "X"), SYSTEM, {"kind": "status"}, "404", "X"),
    ]
    for file, sender, more, code, words in rows:
        refused = await door.send(file, sender, **more)
        assert (refused["status"], refused["ErrorCode"], refused["DocId"]) == ("FAIL", code, ""), refused
        assert words in refused["ErrorDesc"]
    parameters = {"from": DEPARTMENT, "messagetype": "edoc", "hash-file": "00"}
    refused = await door.call(
        "sendEdoc", parameters, body=sample_file() + b"\r\n", kind="application/octet-stream"
    )
    assert (refused["ErrorCode"], refused["DocId"]) == ("422", "")
    assert (await door.api.ask("GET", "/messages")).json["data"] == []


async def test_only_the_recipients_that_the_call_names(door: VxpDoor) -> None:
    file = edxml_files.document(DEPARTMENT, [PROVINCE, COMMUNE], [("a.pdf", PDF)])

    sent = await door.send(file, SYSTEM, to=[COMMUNE])

    message = (await door.api.ask("GET", f"/messages/{sent['DocId']}")).json
    assert [recipient["code"] for recipient in message["recipients"]] == [COMMUNE]


async def test_a_refusal_reaches_the_sender_with_its_reason(door: VxpDoor) -> None:
    await door.send(sample_file())
    await door.api.carry()

    await set_by_receiver(door, "02", reason="WRONG_ADDRESSEE", note="Gửi nhầm nơi nhận")
    await door.api.carry()

    last = (await door.listed("status"))[-1]
    file = await got(door, last["docId"])
    assert element_text(file, "StatusCode") == "02"
    assert "Gửi nhầm nơi nhận" in element_text(file, "Description")
    (row,) = (await door.call("getSentEdocList", {"messagetype": "edoc"}))["data"]
    assert row["receiveStatus"] == "fail"


async def test_a_sent_document_is_asked_back_and_the_answer_comes(door: VxpDoor) -> None:
    sent = await door.send(sample_file())
    await door.api.carry()
    ask = edxml_files.status(DEPARTMENT, PROVINCE, "13", "QLVB-000118", why="Gửi nhầm bản dự thảo")

    answer = await door.send(ask, DEPARTMENT, kind="status")
    repeat = await door.send(ask, DEPARTMENT, kind="status")

    assert answer["DocId"] == repeat["DocId"] == f"{sent['DocId']}.13", (answer, repeat)
    await door.api.carry()
    (line,) = await door.listed(name=OTHER)
    received = await got(door, line["docId"], OTHER)
    yes = edxml_files.status(PROVINCE, DEPARTMENT, "15", element_text(received, "DocumentId"))
    assert (await door.send(yes, PROVINCE, kind="status", name=OTHER))["status"] == "OK"
    await door.api.carry()
    files = [await got(door, row["docId"]) for row in await door.listed("status")]
    assert "15" in [element_text(row, "StatusCode") for row in files]
    assert await door.listed(name=OTHER) == []


async def test_a_number_that_was_surely_read_and_differs_is_refused_in_words(door: VxpDoor) -> None:
    """A document system has no person who could be asked."""
    refused = await door.send(
        edxml_files.document(
            DEPARTMENT, [PROVINCE], [("a.pdf", first_pages.printed("16"))], notation="STD-VP"
        )
    )

    assert refused["status"] != "OK"
    assert "16/STD-VP" in refused["ErrorDesc"]
    assert "118/STD-VP" in refused["ErrorDesc"]


async def test_a_lead_file_with_another_day_and_subject_goes_out_and_stays_marked(door: VxpDoor) -> None:
    """A document system has no person who could be asked."""
    page = first_pages.printed("118", day=date(2026, 11, 1), subject=first_pages.OTHER)
    other = [("a.pdf", page)]

    sent = await door.send(edxml_files.document(DEPARTMENT, [PROVINCE], other, notation="STD-VP"))

    assert sent["status"] == "OK", sent
    events = await door.api.town.events(DEPARTMENT, sent["DocId"])
    (confirmed,) = [e.data["confirmed"] for e in events if e.kind is EventKind.MESSAGE_CONFIRMED]
    assert {e["code"] for e in confirmed} == {"first-page-other"}
