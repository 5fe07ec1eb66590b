"""Large files come over the API in parts that stay; they are completed once, named by documents, and gone after a day."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from pypdf import PdfWriter

from gateway.api.deps import ApiOptions
from gateway.domain.account import ApiScope
from gateway.domain.upload import MIB, MOST_OF_AGENCY
from gateway.settings import Settings
from gateway.workers.clocks import Clocks
from tests.support import api
from tests.support.api import DEPARTMENT, PDF, PROVINCE, Answer, Door, form, meta

OCTETS = {"Content-Type": "application/octet-stream"}


@cache
def large() -> bytes:
    """Build a good PDF of two whole parts and a bit."""
    writer, buffer = PdfWriter(clone_from=io.BytesIO(PDF)), io.BytesIO()
    writer.add_metadata({"/Note": "x" * 2 * MIB})
    writer.write(buffer)
    return buffer.getvalue()


def parts_of_large() -> list[bytes]:
    return [large()[at : at + MIB] for at in range(0, len(large()), MIB)]


async def begun(door: Door, once: str = "up", **fields: Any) -> dict[str, Any]:
    body = {"name": "15.pdf", "size": len(large()), "part_size": MIB} | fields
    answer = await door.ask("POST", "/uploads", json=body, once=once)
    assert answer.status == 201, answer
    assert answer.headers["Location"] == f"/api/v1/uploads/{answer.json['id']}"
    upload: dict[str, Any] = answer.json
    return upload


async def put_part(door: Door, id: str, n: int, part: bytes, **headers: str) -> Answer:
    sent = OCTETS | {name.replace("_", "-"): text for name, text in headers.items()}
    return await door.ask("PUT", f"/uploads/{id}/parts/{n}", data=io.BytesIO(part), headers=sent)


async def put_all(door: Door, id: str) -> Answer:
    """Upload every part; return the answer to the completion."""
    for n, part in enumerate(parts_of_large(), start=1):
        assert (await put_part(door, id, n, part)).status == 200
    return await door.ask("POST", f"/uploads/{id}/complete")


async def uploaded(door: Door, once: str = "up") -> str:
    """Upload a file in all its parts; return the id of the upload."""
    id: str = (await begun(door, once))["id"]
    completed = await put_all(door, id)
    assert completed.status == 200, completed
    return id


def kept_files(door: Door) -> list[str]:
    content = door.node.settings.node.data_dir / "content"
    return [path.name for path in content.glob("*/*/*") if path.is_file()]


async def refused(door: Door, files: Sequence[dict[str, Any]]) -> Any:
    answer = await door.ask("POST", "/messages", json=meta(files=files), once="refused")
    assert answer.status in (400, 422), answer
    return answer.json


async def test_parts_come_in_any_order_and_the_missing_ones_are_listed(door: Door) -> None:
    upload = await begun(door)
    parts = parts_of_large()

    for n in (3, 1):
        assert (await put_part(door, upload["id"], n, parts[n - 1])).status == 200
    state = (await door.ask("GET", f"/uploads/{upload['id']}")).json
    early = await door.ask("POST", f"/uploads/{upload['id']}/complete")
    assert (await put_part(door, upload["id"], 2, parts[1])).status == 200
    completed = await door.ask("POST", f"/uploads/{upload['id']}/complete")

    assert (upload["part_count"], upload["missing"]) == (3, [1, 2, 3])
    assert state["missing"] == [2]
    assert [(part["n"], part["size"]) for part in state["parts"]] == [(1, MIB), (3, len(large()) - 2 * MIB)]
    assert state["parts"][0]["sha256"] == hashlib.sha256(parts[0]).hexdigest()
    assert (early.status, early.json["code"]) == (409, "GW-UPLOAD-PARTS")
    assert completed.json["complete"]
    assert completed.json["file"]["sha256"] == hashlib.sha256(large()).hexdigest()
    assert (completed.json["file"]["type"], completed.json["file"]["pages"]) == ("pdf", 1)
    assert completed.json["file"]["signatures"]["verdict"] == "unsigned"
    assert (await door.ask("POST", f"/uploads/{upload['id']}/complete")).json == completed.json


async def test_a_document_carries_files_by_their_ids_beside_those_that_come_with_it(door: Door) -> None:
    """Also when the upload is let go of before the document leaves."""
    id = await uploaded(door)
    lead = {"id": id, "role": "lead", "size": len(large())}
    draft = meta(files=[{"name": "phu-luc.pdf", "role": "appendix"}, lead])

    answer = await door.ask(
        "POST", "/messages", data=form(draft, [("appendix", "phu-luc.pdf", PDF)]), once="1"
    )
    alone = meta(number="16", files=[{"id": id, "role": "lead", "name": "cong-van.pdf"}])
    first = await door.ask("POST", "/messages", json=alone, once="2")
    repeat = await door.ask("POST", "/messages", json=alone, once="2")
    assert (await door.ask("DELETE", f"/uploads/{id}")).json == {"id": id}
    await door.carry()

    assert answer.status == 202, answer
    files = [(file["n"], file["name"], file["role"], file["sha256"]) for file in answer.json["files"]]
    assert files == [
        (1, "phu-luc.pdf", "appendix", hashlib.sha256(PDF).hexdigest()),
        (2, "15.pdf", "lead", hashlib.sha256(large()).hexdigest()),
    ]
    assert (first.status, repeat.status, first.json) == (202, 202, repeat.json), first
    assert first.json["files"][0]["name"] == "cong-van.pdf"
    assert (await door.ask("GET", f"/uploads/{id}")).status == 404
    assert (await door.ask("GET", f"/messages/{answer.json['id']}/files/2")).raw == large()
    inbox = (await door.ask("GET", "/inbox", agency=PROVINCE)).json["data"]
    (item,) = [i["id"] for i in inbox if i["number"] == "15"]
    assert (await door.ask("GET", f"/inbox/{item}/files/2", agency=PROVINCE)).raw == large()


async def test_a_part_that_is_there_stays_and_sending_it_again_is_harmless(door: Door) -> None:
    upload, repeat = await begun(door), await begun(door)
    assert json.dumps(upload) == json.dumps(repeat)
    first, _, last = parts_of_large()
    digest = base64.b64encode(hashlib.sha256(first).digest()).decode()

    answers = [
        await put_part(door, upload["id"], 1, first, Content_Digest=f"md5=:AAAA:, sha-256=:{digest}:"),
        await put_part(door, upload["id"], 1, first),
    ]
    other = await put_part(door, upload["id"], 1, b"x" * MIB)

    assert [answer.status for answer in answers] == [200, 200]
    assert answers[0].json == answers[1].json
    assert (other.status, other.json["code"]) == (409, "GW-UPLOAD-TWICE")
    assert (await put_part(door, upload["id"], 3, last)).status == 200


async def test_two_who_send_one_part_at_once_are_both_answered(door: Door) -> None:
    upload = await begun(door)
    part = parts_of_large()[0]

    same = await asyncio.gather(*(put_part(door, upload["id"], 1, part) for _ in range(4)))
    differ = await asyncio.gather(*(put_part(door, upload["id"], 2, bytes([n]) * MIB) for n in range(4)))

    assert {s.status for s in same} == {200}
    assert sorted(d.status for d in differ) == [200, 409, 409, 409]


async def test_a_part_that_is_not_what_it_should_be_leaves_nothing(door: Door) -> None:
    upload = await begun(door)
    full_part, other = b"x" * MIB, base64.b64encode(bytes(32)).decode()

    for n, part, headers, status, code in (
        (1, b"short", {}, 400, "GW-UPLOAD-SIZE"),
        (1, full_part + b"x", {}, 400, "GW-UPLOAD-SIZE"),
        (4, b"x", {}, 404, None),
        (0, b"x", {}, 404, None),
        (1, full_part, {"Content_Digest": f"sha-256=:{other}:"}, 400, None),
        (1, full_part, {"Content_Digest": "sha-256=:AAAA:"}, 400, None),
        (1, full_part, {"Content_Digest": "md5=:AAAA:"}, 400, None),
        (1, full_part, {"Content_Type": "text/plain"}, 415, None),
    ):
        answer = await put_part(door, upload["id"], n, part, **headers)
        assert answer.status == status, answer
        assert code in (None, answer.json["code"])
        assert (await door.ask("GET", f"/uploads/{upload['id']}")).json["parts"] == []


async def test_a_line_that_breaks_in_a_part_leaves_the_parts_before(door: Door) -> None:
    upload = await begun(door)
    parts = parts_of_large()
    assert (await put_part(door, upload["id"], 1, parts[0])).status == 200
    host, port = door.client.server.host, door.client.server.port
    key = door.keys[DEPARTMENT]

    _, writer = await asyncio.open_connection(host, port)
    head = f"PUT /api/v1/uploads/{upload['id']}/parts/2 HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n"
    writer.write(f"{head}Content-Type: application/octet-stream\r\nContent-Length: {MIB}\r\n\r\n".encode())
    writer.write(parts[1][:1000])
    await writer.drain()
    writer.close()
    await writer.wait_closed()

    assert (await door.ask("GET", f"/uploads/{upload['id']}")).json["missing"] == [2, 3]
    assert (await put_part(door, upload["id"], 2, parts[1])).status == 200


async def test_a_complete_upload_takes_no_more_parts_and_an_open_one_goes_with_no_document(
    door: Door,
) -> None:
    id = await uploaded(door)
    still = await begun(door, once="still")

    late = await put_part(door, id, 1, parts_of_large()[0])
    assert (late.status, late.json["code"]) == (409, "GW-UPLOAD-COMPLETE")
    for file, pointer, code in (
        ({"id": still["id"], "role": "lead"}, "/files/0/id", "upload-absent"),
        ({"role": "lead"}, "/files/0/name", "missing"),
    ):
        problem = await refused(door, [file])
        assert [(error["code"], error["pointer"]) for error in problem["errors"]] == [(code, pointer)]
    problem = await refused(door, [{"id": id, "role": "lead", "sha256": "0" * 64}])
    assert problem["errors"][0]["code"] == "digest-differs"


async def test_another_file_than_was_announced_is_not_completed(door: Door) -> None:
    upload = await begun(door, sha256="0" * 64)
    answer = await put_all(door, upload["id"])
    assert (answer.status, answer.json["code"]) == (409, "GW-UPLOAD-OTHER")

    # And one that no document may carry is refused before its first byte.
    most = (await door.ask("GET", "/limits")).json["max_file_bytes"]
    large = await door.ask("POST", "/uploads", json={"name": "15.pdf", "size": most + 1}, once="1")
    assert (large.status, large.json["errors"][0]["code"]) == (413, "file-too-large")


def digest_of(raw: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(raw).digest()).decode()}:"


async def put_file(door: Door, raw: bytes, name: str = "15.pdf", **headers: str) -> Answer:
    sent = OCTETS | {header.replace("_", "-"): text for header, text in headers.items()}
    return await door.ask("PUT", "/uploads/file", params={"name": name}, data=io.BytesIO(raw), headers=sent)


async def test_a_whole_file_comes_in_one_call_and_a_document_names_it(door: Door) -> None:
    """A small one, and one that is larger than what is held; again is the same upload."""
    for n, raw in enumerate((PDF, large())):
        upload_answer = await put_file(door, raw, f"b\u00e1o c\u00e1o {n}.pdf", Content_Digest=digest_of(raw))
        repeat = await put_file(door, raw, f"b\u00e1o c\u00e1o {n}.pdf")
        other = await put_file(door, raw, "other.pdf")

        assert upload_answer.status == 200, upload_answer
        upload = upload_answer.json
        assert (upload["complete"], upload["missing"], upload["size"]) == (True, [], len(raw))
        assert upload["file"]["sha256"] == hashlib.sha256(raw).hexdigest()
        assert (upload["file"]["type"], upload["file"]["signatures"]["verdict"]) == ("pdf", "unsigned")
        assert repeat.json["id"] == upload["id"] != other.json["id"]
        assert (await door.ask("GET", f"/uploads/{upload['id']}")).json["parts"] == upload["parts"]

        draft = meta(number=str(15 + n), files=[{"id": upload["id"], "role": "lead"}])
        sent = await door.ask("POST", "/messages", json=draft, once=str(n))
        assert (await door.ask("DELETE", f"/uploads/{upload['id']}")).status == 200
        assert sent.status == 202, sent
        assert sent.json["files"][0]["name"] == f"b\u00e1o c\u00e1o {n}.pdf"
        assert (await door.ask("GET", f"/messages/{sent.json['id']}/files/1")).raw == raw


async def test_a_whole_file_that_is_not_what_it_should_be_leaves_nothing(door: Door) -> None:
    most = (await door.ask("GET", "/limits")).json["max_file_bytes"]
    for raw, name, headers, status, code in (
        (PDF, "15.pdf", {"Content_Digest": digest_of(b"other")}, 400, "GW-UPLOAD-DIGEST"),
        (PDF, "15.pdf", {"Content_Digest": "sha-256=:AAAA:"}, 400, None),
        (PDF, "15.pdf", {"Content_Type": "application/pdf"}, 415, None),
        (PDF, "15.pdf", {"Content_Encoding": "gzip"}, 415, None),
        (PDF, "", {}, 400, None),
        (PDF, "a\nb.pdf", {}, 400, None),
        (PDF, "x" * 300, {}, 400, None),
        (PDF, "...", {}, 422, None),
        (bytes(most + 1), "15.pdf", {}, 413, None),
    ):
        answer = await put_file(door, raw, name, **headers)
        assert answer.status == status, answer
        assert code in (None, answer.json["code"])
    assert (await door.ask("PUT", "/uploads/file", data=b"x", headers=OCTETS)).status in (400, 422)
    assert (await door.ask("GET", "/uploads")).json["data"] == []
    assert kept_files(door) == []


async def test_a_whole_file_without_a_length_is_counted_while_it_comes(
    blank_node: Path, tmp_path: Path
) -> None:
    async def flowing(count: int) -> AsyncIterator[bytes]:
        for _ in range(count):
            yield bytes(MIB)

    def small(settings: Settings) -> Settings:
        return replace(settings, limits=replace(settings.limits, file_mb=2))

    async with api.opened(blank_node, tmp_path / "node", change=small) as door:
        sent = {"name": "a.txt"}
        answer = await door.ask("PUT", "/uploads/file", data=flowing(64), headers=OCTETS, params=sent)
        assert (answer.status, answer.json["errors"][0]["code"]) == (413, "file-too-large")
        good = await door.ask("PUT", "/uploads/file", data=flowing(1), headers=OCTETS, params=sent)
        assert (good.status, good.json["size"]) == (200, MIB)
        assert len((await door.ask("GET", "/uploads")).json["data"]) == 1


async def test_half_a_whole_file_and_one_that_drips_leave_nothing(blank_node: Path, tmp_path: Path) -> None:
    async def dripping() -> AsyncIterator[bytes]:
        yield PDF[:10]
        await asyncio.Event().wait()

    async with api.opened(blank_node, tmp_path / "node", ApiOptions(upload_s=0.2)) as door:
        sent = {"name": "a.pdf"}
        slow = await door.ask("PUT", "/uploads/file", data=dripping(), headers=OCTETS, params=sent)
        assert slow.status == 408

        host, port = door.client.server.host, door.client.server.port
        _, writer = await asyncio.open_connection(host, port)
        head = f"PUT /api/v1/uploads/file?name=a.pdf HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer "
        writer.write(
            f"{head}{door.keys[DEPARTMENT]}\r\nContent-Length: {len(PDF)}\r\n\r\n".encode() + PDF[:-1]
        )
        await writer.drain()
        writer.close()
        await writer.wait_closed()

        assert (await door.ask("GET", "/uploads")).json["data"] == []
        assert kept_files(door) == []


async def test_whole_files_sent_at_once_are_each_one_upload_at_least_and_count_among_the_hundred(
    door: Door,
) -> None:
    same = await asyncio.gather(*(put_file(door, PDF) for _ in range(4)))
    assert {s.status for s in same} == {200}
    uploads = (await door.ask("GET", "/uploads")).json["data"]
    assert {s.json["id"] for s in same} <= {upload["id"] for upload in uploads}

    for n in range(MOST_OF_AGENCY - len(uploads)):
        await begun(door, once=str(n))
    full = await put_file(door, PDF, "one more.pdf")
    repeat = await put_file(door, PDF)

    assert (full.status, full.json["code"]) == (409, "GW-UPLOAD-MOST")
    assert repeat.status == 200


async def test_an_upload_is_its_agencys_alone(door: Door) -> None:
    id = await uploaded(door)

    for method, path in (
        ("GET", f"/uploads/{id}"),
        ("DELETE", f"/uploads/{id}"),
        ("POST", f"/uploads/{id}/complete"),
    ):
        assert (await door.ask(method, path, agency=PROVINCE)).status == 404
    draft = meta(recipients=[{"code": DEPARTMENT, "role": "to_act"}], files=[{"id": id, "role": "lead"}])
    stolen = await door.ask("POST", "/messages", json=draft, once="1", agency=PROVINCE)
    assert stolen.json["errors"][0]["code"] == "upload-absent"
    assert (await door.ask("GET", "/uploads", agency=PROVINCE)).json["data"] == []
    reader = await door.key(DEPARTMENT, scopes=[ApiScope.MESSAGES_READ])
    assert (await door.ask("GET", f"/uploads/{id}", key=reader)).status == 403


async def test_a_day_after_its_last_part_nothing_of_an_upload_is_kept(door: Door) -> None:
    upload = await begun(door)
    door.clock.advance(timedelta(hours=23))
    await put_part(door, upload["id"], 1, parts_of_large()[0])
    completed = await uploaded(door, once="other")
    door.clock.advance(timedelta(hours=23))
    assert (await door.ask("GET", f"/uploads/{upload['id']}")).status == 200

    assert kept_files(door)
    door.clock.advance(timedelta(hours=2))
    await Clocks(door.node.settings.node.data_dir).step(door.node.inn)

    assert (await door.ask("GET", "/uploads")).json["data"] == []
    for id in (upload["id"], completed):
        assert (await door.ask("GET", f"/uploads/{id}")).status == 404
    assert kept_files(door) == []


async def test_an_agency_has_so_many_side_by_side_and_no_more(door: Door) -> None:
    for n in range(MOST_OF_AGENCY):
        await begun(door, once=str(n))

    body = {"name": "15.pdf", "size": 10}
    answer = await door.ask("POST", "/uploads", json=body, once="one more")

    assert (answer.status, answer.json["code"]) == (409, "GW-UPLOAD-MOST")
    assert len((await door.ask("GET", "/uploads")).json["data"]) == MOST_OF_AGENCY
