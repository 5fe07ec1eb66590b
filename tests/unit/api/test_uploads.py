"""Large files over the API: in parts that stay, completed once, named by documents, and gone after a day."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from pypdf import PdfWriter

from gateway.domain.account import ApiScope
from gateway.domain.upload import MIB, MOST_OF_AGENCY
from gateway.workers.clocks import Clocks
from tests.support.api import DEPARTMENT, PDF, PROVINCE, Answer, Door, form, meta


def large() -> bytes:
    """A good PDF of two whole parts and a bit."""
    writer, held = PdfWriter(clone_from=io.BytesIO(PDF)), io.BytesIO()
    writer.add_metadata({"/Note": "x" * 2 * MIB})
    writer.write(held)
    return held.getvalue()


FILE = large()
OCTETS = {"Content-Type": "application/octet-stream"}


def cut(content: bytes, size: int = MIB) -> list[bytes]:
    return [content[at : at + size] for at in range(0, len(content), size)]


async def begun(door: Door, content: bytes = FILE, once: str = "up", **said: Any) -> dict[str, Any]:
    told = {"name": "15.pdf", "size": len(content), "part_size": MIB} | said
    answer = await door.ask("POST", "/uploads", json=told, once=once)
    assert answer.status == 201, answer
    assert answer.headers["Location"] == f"/api/v1/uploads/{answer.json['id']}"
    found: dict[str, Any] = answer.json
    return found


async def put(door: Door, id: str, n: int, part: bytes, **headers: str) -> Answer:
    sent = OCTETS | {name.replace("_", "-"): text for name, text in headers.items()}
    return await door.ask("PUT", f"/uploads/{id}/parts/{n}", data=io.BytesIO(part), headers=sent)


async def uploaded(door: Door, content: bytes = FILE, once: str = "up", **said: Any) -> str:
    """A complete one; its id."""
    id: str = (await begun(door, content, once, **said))["id"]
    for n, part in enumerate(cut(content), start=1):
        assert (await put(door, id, n, part)).status == 200
    done = await door.ask("POST", f"/uploads/{id}/complete")
    assert done.status == 200, done
    return id


def kept_files(door: Door) -> list[str]:
    content = door.node.settings.node.data_dir / "content"
    return [each.name for each in content.glob("*/*/*") if each.is_file()]


async def refused(door: Door, files: Sequence[dict[str, Any]]) -> Any:
    answer = await door.ask("POST", "/messages", json=meta(files=files), once="refused")
    assert answer.status in (400, 422), answer
    return answer.json


async def test_parts_come_in_any_order_and_what_is_missing_is_told(door: Door) -> None:
    upload = await begun(door)
    parts = cut(FILE)

    for n in (3, 1):
        assert (await put(door, upload["id"], n, parts[n - 1])).status == 200
    told = (await door.ask("GET", f"/uploads/{upload['id']}")).json
    early = await door.ask("POST", f"/uploads/{upload['id']}/complete")
    assert (await put(door, upload["id"], 2, parts[1])).status == 200
    done = await door.ask("POST", f"/uploads/{upload['id']}/complete")

    assert (upload["part_count"], upload["missing"]) == (3, [1, 2, 3])
    assert told["missing"] == [2]
    assert [(each["n"], each["size"]) for each in told["parts"]] == [(1, MIB), (3, len(FILE) - 2 * MIB)]
    assert told["parts"][0]["sha256"] == hashlib.sha256(parts[0]).hexdigest()
    assert (early.status, early.json["code"]) == (409, "GW-UPLOAD-PARTS")
    assert done.json["complete"]
    assert done.json["file"]["sha256"] == hashlib.sha256(FILE).hexdigest()
    assert (done.json["file"]["type"], done.json["file"]["pages"]) == ("pdf", 1)
    assert done.json["file"]["signatures"]["verdict"] == "unsigned"
    assert (await door.ask("POST", f"/uploads/{upload['id']}/complete")).json == done.json


async def test_a_document_carries_files_by_their_ids_beside_those_that_come_with_it(door: Door) -> None:
    id = await uploaded(door)
    said = meta(
        files=[
            {"name": "phu-luc.pdf", "role": "appendix"},
            {"id": id, "role": "lead", "size": len(FILE)},
        ]
    )

    answer = await door.ask(
        "POST", "/messages", data=form(said, [("appendix", "phu-luc.pdf", PDF)]), once="1"
    )

    assert answer.status == 202, answer
    files = [(each["n"], each["name"], each["role"], each["sha256"]) for each in answer.json["files"]]
    assert files == [
        (1, "phu-luc.pdf", "appendix", hashlib.sha256(PDF).hexdigest()),
        (2, "15.pdf", "lead", hashlib.sha256(FILE).hexdigest()),
    ]
    await door.carry()
    inbox = (await door.ask("GET", "/inbox", agency=PROVINCE)).json["data"]
    came = await door.ask("GET", f"/inbox/{inbox[0]['id']}/files/2", agency=PROVINCE)
    assert came.raw == FILE


async def test_a_document_of_uploads_alone_is_json_and_a_repeat_has_the_first_answer(door: Door) -> None:
    id = await uploaded(door)
    said = meta(files=[{"id": id, "role": "lead", "name": "cong-van.pdf"}])

    first = await door.ask("POST", "/messages", json=said, once="1")
    again = await door.ask("POST", "/messages", json=said, once="1")

    assert (first.status, again.status) == (202, 202), first
    assert first.json == again.json
    assert first.json["files"][0]["name"] == "cong-van.pdf"


async def test_a_document_outlives_the_upload_of_its_file(door: Door) -> None:
    id = await uploaded(door)
    sent = await door.ask("POST", "/messages", json=meta(files=[{"id": id, "role": "lead"}]), once="1")

    assert (await door.ask("DELETE", f"/uploads/{id}")).json == {"id": id}
    await door.carry()

    assert (await door.ask("GET", f"/uploads/{id}")).status == 404
    file = await door.ask("GET", f"/messages/{sent.json['id']}/files/1")
    assert file.raw == FILE


async def test_a_part_that_is_there_stays_and_sending_it_again_is_harmless(door: Door) -> None:
    upload = await begun(door)
    first, _, last = cut(FILE)

    told = [await put(door, upload["id"], 1, first) for _ in range(2)]
    other = await put(door, upload["id"], 1, b"x" * MIB)

    assert [each.status for each in told] == [200, 200]
    assert told[0].json == told[1].json
    assert (other.status, other.json["code"]) == (409, "GW-UPLOAD-TWICE")
    assert (await put(door, upload["id"], 3, last)).status == 200


async def test_two_who_send_one_part_at_once_are_both_answered(door: Door) -> None:
    upload = await begun(door)
    part = cut(FILE)[0]

    same = await asyncio.gather(*(put(door, upload["id"], 1, part) for _ in range(4)))
    differ = await asyncio.gather(*(put(door, upload["id"], 2, bytes([n]) * MIB) for n in range(4)))

    assert {each.status for each in same} == {200}
    assert sorted(each.status for each in differ) == [200, 409, 409, 409]


@pytest.mark.parametrize(
    ("n", "part", "headers", "status", "code"),
    [
        (1, b"short", {}, 400, "GW-UPLOAD-SIZE"),
        (1, b"x" * (MIB + 1), {}, 400, "GW-UPLOAD-SIZE"),
        (4, b"x", {}, 404, None),
        (0, b"x", {}, 404, None),
        (
            1,
            b"x" * MIB,
            {"Content_Digest": "sha-256=:" + base64.b64encode(bytes(32)).decode() + ":"},
            400,
            None,
        ),
        (1, b"x" * MIB, {"Content_Digest": "sha-256=:AAAA:"}, 400, None),
        (1, b"x" * MIB, {"Content_Digest": "md5=:AAAA:"}, 400, None),
        (1, b"x" * MIB, {"Content_Type": "text/plain"}, 415, None),
    ],
)
async def test_a_part_that_is_not_what_it_should_be_leaves_nothing(
    door: Door, n: int, part: bytes, headers: dict[str, str], status: int, code: str | None
) -> None:
    upload = await begun(door)

    answer = await put(door, upload["id"], n, part, **headers)

    assert answer.status == status, answer
    if code is not None:
        assert answer.json["code"] == code
    assert (await door.ask("GET", f"/uploads/{upload['id']}")).json["parts"] == []


async def test_a_part_with_its_digest_is_taken(door: Door) -> None:
    upload = await begun(door)
    part = cut(FILE)[0]
    digest = base64.b64encode(hashlib.sha256(part).digest()).decode()

    answer = await put(door, upload["id"], 1, part, Content_Digest=f"md5=:AAAA:, sha-256=:{digest}:")

    assert answer.status == 200, answer


async def test_a_line_that_breaks_in_a_part_leaves_the_parts_before(door: Door) -> None:
    upload = await begun(door)
    parts = cut(FILE)
    assert (await put(door, upload["id"], 1, parts[0])).status == 200
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
    assert (await put(door, upload["id"], 2, parts[1])).status == 200


async def test_another_file_than_was_announced_is_not_completed(door: Door) -> None:
    upload = await begun(door, sha256="0" * 64)
    for n, part in enumerate(cut(FILE), start=1):
        await put(door, upload["id"], n, part)

    answer = await door.ask("POST", f"/uploads/{upload['id']}/complete")

    assert (answer.status, answer.json["code"]) == (409, "GW-UPLOAD-OTHER")


async def test_a_file_that_no_document_may_carry_is_refused_before_its_first_byte(door: Door) -> None:
    most = (await door.ask("GET", "/limits")).json["max_file_bytes"]

    answer = await door.ask("POST", "/uploads", json={"name": "15.pdf", "size": most + 1}, once="1")

    assert answer.status == 413
    assert answer.json["errors"][0]["code"] == "file-too-large"


async def test_a_complete_upload_takes_no_more_parts_and_an_open_one_goes_with_no_document(
    door: Door,
) -> None:
    id = await uploaded(door)
    still = await begun(door, once="still")

    late = await put(door, id, 1, cut(FILE)[0])
    told = await refused(door, [{"id": still["id"], "role": "lead"}])

    assert (late.status, late.json["code"]) == (409, "GW-UPLOAD-COMPLETE")
    assert [(each["code"], each["pointer"]) for each in told["errors"]] == [("upload-absent", "/files/0/id")]


async def test_what_a_document_says_of_an_uploaded_file_is_compared(door: Door) -> None:
    id = await uploaded(door)

    told = await refused(door, [{"id": id, "role": "lead", "sha256": "0" * 64}])
    nameless = await refused(door, [{"role": "lead"}])

    assert told["errors"][0]["code"] == "digest-differs"
    assert [(each["code"], each["pointer"]) for each in nameless["errors"]] == [("missing", "/files/0/name")]


async def test_an_upload_is_its_agencys_alone(door: Door) -> None:
    id = await uploaded(door)

    for method, path in (
        ("GET", f"/uploads/{id}"),
        ("DELETE", f"/uploads/{id}"),
        ("POST", f"/uploads/{id}/complete"),
    ):
        assert (await door.ask(method, path, agency=PROVINCE)).status == 404
    said = meta(recipients=[{"code": DEPARTMENT, "role": "to_act"}], files=[{"id": id, "role": "lead"}])
    stolen = await door.ask("POST", "/messages", json=said, once="1", agency=PROVINCE)
    assert stolen.json["errors"][0]["code"] == "upload-absent"
    assert (await door.ask("GET", "/uploads", agency=PROVINCE)).json["data"] == []
    reader = await door.key(DEPARTMENT, scopes=[ApiScope.MESSAGES_READ])
    assert (await door.ask("GET", f"/uploads/{id}", key=reader)).status == 403


async def test_a_day_after_its_last_part_nothing_of_an_upload_is_kept(door: Door) -> None:
    upload = await begun(door)
    door.clock.advance(timedelta(hours=23))
    await put(door, upload["id"], 1, cut(FILE)[0])
    done = await uploaded(door, once="other")
    door.clock.advance(timedelta(hours=23))
    assert (await door.ask("GET", f"/uploads/{upload['id']}")).status == 200

    assert kept_files(door)
    door.clock.advance(timedelta(hours=2))
    await Clocks().step(door.node.inn)

    assert (await door.ask("GET", "/uploads")).json["data"] == []
    for id in (upload["id"], done):
        assert (await door.ask("GET", f"/uploads/{id}")).status == 404
    assert kept_files(door) == []


async def test_an_agency_has_so_many_side_by_side_and_no_more(door: Door) -> None:
    for n in range(MOST_OF_AGENCY):
        await begun(door, once=str(n))

    told = {"name": "15.pdf", "size": 10}
    answer = await door.ask("POST", "/uploads", json=told, once="one more")

    assert (answer.status, answer.json["code"]) == (409, "GW-UPLOAD-MOST")
    assert len((await door.ask("GET", "/uploads")).json["data"]) == MOST_OF_AGENCY


async def test_a_repeat_of_the_announcement_is_the_same_upload(door: Door) -> None:
    first, again = await begun(door), await begun(door)

    assert json.dumps(first) == json.dumps(again)
