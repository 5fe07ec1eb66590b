"""Bodies as they come over the wire: good ones, cut ones, and those made to hurt (threats.md 66, 77, 86)."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.api.deps import ApiOptions
from tests.support import api
from tests.support.api import PDF, Answer, Door, form, meta

META = json.dumps(meta()).encode()
META_PART = b'Content-Disposition: form-data; name="meta"\r\nContent-Type: application/json\r\n\r\n' + META


def part(headers: str, content: bytes = PDF) -> bytes:
    return headers.encode("utf-8", "surrogateescape") + b"\r\n\r\n" + content


def lead(filename: str = 'filename="15.pdf"', more: str = "") -> bytes:
    return part(f'Content-Disposition: form-data; name="lead"; {filename}{more}')


def body(*parts: bytes, boundary: str = "b", end: bytes = b"--\r\n") -> bytes:
    mark = b"--" + boundary.encode()
    return b"".join(mark + b"\r\n" + each + b"\r\n" for each in parts) + mark + end


async def post(door: Door, raw: bytes, boundary: str = "b", **headers: str) -> Answer:
    kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"} | headers
    return await door.ask("POST", "/messages", once="one", data=io.BytesIO(raw), headers=kind)


async def faults(door: Door, raw: bytes, boundary: str = "b", **headers: str) -> set[str]:
    answer = await post(door, raw, boundary, **headers)
    assert answer.status == 400, str(answer)
    assert (await door.ask("GET", "/messages")).json["data"] == []
    return {each["code"] for each in answer.json["errors"]}


async def test_a_plain_body_is_taken(door: Door) -> None:
    answer = await post(door, body(META_PART, lead()))

    assert answer.status == 202, str(answer)
    assert answer.json["files"][0]["sha256"] == hashlib.sha256(PDF).hexdigest()


async def test_other_boundaries_are_the_same_request(door: Door) -> None:
    first = await post(door, body(META_PART, lead()))
    again = await post(door, body(META_PART, lead(), boundary="other"), "other")

    assert again.raw == first.raw
    assert again.headers["Idempotency-Replayed"] == "true"


async def test_files_may_be_listed_with_their_roles(door: Door) -> None:
    said = meta(files=[{"name": "15.pdf", "role": "lead"}, {"name": "15.txt", "role": "source"}])

    answer = await door.send(said, files=(("file", "15.pdf", PDF), ("file", "15.txt", b"text")))

    assert [(each["name"], each["role"]) for each in answer.json["files"]] == [
        ("15.pdf", "lead"),
        ("15.txt", "source"),
    ]


async def test_meta_must_come_first(door: Door) -> None:
    assert await faults(door, body(lead(), META_PART)) == {"meta-first"}
    assert await faults(door, body()) == {"meta-first"}


@pytest.mark.parametrize("cut", [1, 40, len(META) // 2, len(META) + 100, len(META) + 300])
async def test_a_body_that_ends_too_early_is_400_and_nothing_is_stored(door: Door, cut: int) -> None:
    answer = await post(door, body(META_PART, lead())[:cut])

    assert answer.status == 400
    assert (await door.ask("GET", "/messages")).json["data"] == []


async def test_a_last_part_without_its_boundary_is_not_a_whole_file(door: Door) -> None:
    assert await faults(door, body(META_PART, lead())[: -len(b"\r\n--b--\r\n")]) == {"not-multipart"}


@pytest.mark.parametrize("boundary", ["", "x" * 71, "x" * 7000])
async def test_threat_086_a_boundary_that_cannot_be_is_400(door: Door, boundary: str) -> None:
    assert await faults(door, body(META_PART, lead()), boundary) == {"not-multipart"}


async def test_threat_086_ten_thousand_parts_stop_at_the_limit(door: Door) -> None:
    parts = [
        part(f'Content-Disposition: form-data; name="appendix"; filename="{n}.txt"', b"") for n in range(300)
    ]

    assert await faults(door, body(META_PART, *parts)) == {"too-many-parts"}


async def test_threat_086_long_and_many_part_headers_are_400(door: Door) -> None:
    long = lead(more="\r\nX-Long: " + "a" * 10_000)
    many = lead(more="".join(f"\r\nX-{n}: a" for n in range(40)))

    assert await faults(door, body(META_PART, long)) == {"not-multipart"}
    assert await faults(door, body(META_PART, many)) == {"not-multipart"}


async def test_threat_086_a_meta_over_its_limit_is_413(door: Door) -> None:
    answer = await post(
        door, body(part('Content-Disposition: form-data; name="meta"', b" " * (1024 * 1024 + 1)), lead())
    )

    assert answer.status == 413


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (part('Content-Disposition: form-data; name="lead"'), "no-file-name"),
        (part('Content-Disposition: form-data; name="elephant"; filename="a.pdf"'), "no-role"),
        (lead("filename*=UTF-8''a%0D%0AX-Injected%3A%201.pdf"), "bad-file-name"),
        (lead("filename*=UTF-8''a%00b.pdf"), "bad-file-name"),
        (lead(more="\r\nContent-Transfer-Encoding: base64"), "encoded-part"),
        (lead(more="\r\nContent-Encoding: gzip"), "encoded-part"),
        (part("Content-Type: multipart/mixed; boundary=c", b"--c--"), "nested-parts"),
    ],
)
async def test_a_part_that_is_not_a_plain_named_file_is_400(door: Door, raw: bytes, code: str) -> None:
    assert await faults(door, body(META_PART, raw)) == {code}


async def test_a_name_in_vietnamese_comes_whole_and_in_nfc_threat_75(door: Door) -> None:
    decomposed = "ba%CC%81o%20ca%CC%81o.pdf"

    answer = await post(door, body(META_PART, lead(f"filename*=UTF-8''{decomposed}")))

    assert answer.json["files"][0]["name"] == "báo cáo.pdf"


@pytest.mark.parametrize(
    "written", [r"C:\Users\a\báo cáo.pdf", "=?UTF-8?B?YsOhbyBjw6FvLnBkZg==?=", "b%C3%A1o%20c%C3%A1o.pdf"]
)
async def test_a_name_keeps_its_ending_however_a_library_writes_it(door: Door, written: str) -> None:
    answer = await post(door, body(META_PART, lead(f'filename="{written}"')))

    assert [each["name"] for each in answer.json["files"]] == ["báo cáo.pdf"]


@pytest.mark.filterwarnings(
    "ignore::aiohttp.multipart.BadContentDispositionHeader"
)  # of the library's own look
@pytest.mark.parametrize("written", ["a;b.pdf", "a; b; c.pdf", "x; filename=y.pdf", "; .pdf"])
async def test_a_name_in_quotes_may_have_semicolons(door: Door, written: str) -> None:
    answer = await post(door, body(META_PART, lead(f'filename="{written}"')))

    assert answer.status == 202, answer
    assert [each["name"] for each in answer.json["files"]] == [written]


@pytest.mark.parametrize(
    ("listed", "came", "code"),
    [
        (
            [{"name": "15.pdf", "role": "lead"}, {"name": "b.pdf", "role": "appendix"}],
            ["15.pdf"],
            "file-absent",
        ),
        ([{"name": "15.pdf", "role": "lead"}], ["15.pdf", "c.pdf"], "file-not-listed"),
        ([{"name": "15.pdf", "role": "lead"}], ["15.pdf", "15.pdf"], "file-twice"),
        ([{"name": "15.pdf", "role": "lead", "size": 1}], ["15.pdf"], "size-differs"),
        ([{"name": "15.pdf", "role": "lead", "sha256": "0" * 64}], ["15.pdf"], "digest-differs"),
        ([], ["15.pdf"], "file-not-listed"),
    ],
)
async def test_files_other_than_announced_are_400_threat_66(
    door: Door, listed: list[dict[str, object]], came: list[str], code: str
) -> None:
    answer = await door.send(meta(files=listed), files=[("file", name, PDF) for name in came])

    assert answer.status == 400
    assert {each["code"] for each in answer.json["errors"]} == {code}


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "unheard-of"])
async def test_a_compressed_request_is_not_inflated_threat_86(door: Door, encoding: str) -> None:
    sent = {"Content-Encoding": encoding, "Content-Type": "multipart/form-data; boundary=b"}

    answer = await door.ask("POST", "/messages", once="one", data=body(META_PART, lead()), headers=sent)

    assert answer.status == 415


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/xml", "multipart/mixed; boundary=b", "application/x-www-form-urlencoded"],
)
async def test_another_media_type_is_415_and_names_those_taken(door: Door, kind: str) -> None:
    answer = await door.ask("POST", "/messages", once="one", data=b"x", headers={"Content-Type": kind})

    assert answer.status == 415
    assert "multipart/form-data" in answer.headers["Accept"]


async def test_a_key_is_asked_for_before_the_body_is_read(door: Door) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 65536
            await asyncio.sleep(0)

    answer = await door.ask("POST", "/messages", key=None, once="one", data=endless())

    assert answer.status == 401


async def test_a_client_that_goes_away_in_the_middle_leaves_nothing(door: Door) -> None:
    host, port = door.client.server.host, door.client.server.port
    secret = await door.key(api.DEPARTMENT)
    _, writer = await asyncio.open_connection(host, port)
    head = (
        f"POST /api/v1/messages HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {secret}\r\nIdempotency-Key: one\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 100000\r\n\r\n"
    )
    writer.write(head.encode() + body(META_PART, lead())[:-60])
    await writer.drain()

    writer.close()
    await writer.wait_closed()

    assert (await door.ask("GET", "/messages")).json["data"] == []
    assert (await door.send()).status == 202


async def test_a_request_that_drips_is_ended_threat_86(blank_node: Path, tmp_path: Path) -> None:
    async def dripping() -> AsyncIterator[bytes]:
        yield b"--b\r\n" + META_PART
        await asyncio.Event().wait()

    async with api.opened(blank_node, tmp_path / "node", ApiOptions(upload_s=0.2)) as door:
        kind = {"Content-Type": "multipart/form-data; boundary=b"}
        answer = await door.ask("POST", "/messages", once="one", data=dripping(), headers=kind)

    assert answer.status == 408


async def test_scratch_files_of_refused_requests_are_gone(door: Door) -> None:
    content = door.node.settings.node.data_dir / "content"
    before = {path for path in content.rglob("*") if path.is_file()}

    await faults(door, body(META_PART, lead(), lead())[:-30])
    await door.ask("POST", "/messages", once="x", data=form(meta(number="")))

    assert {path for path in content.rglob("*") if path.is_file()} == before
