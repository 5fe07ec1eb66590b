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
    return b"".join(mark + b"\r\n" + part + b"\r\n" for part in parts) + mark + end


async def post(door: Door, raw: bytes, boundary: str = "b", once: str = "one") -> Answer:
    kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    return await door.ask("POST", "/messages", once=once, data=io.BytesIO(raw), headers=kind)


async def faults(door: Door, raw: bytes, boundary: str = "b") -> set[str]:
    answer = await post(door, raw, boundary)
    assert answer.status == 400, str(answer)
    assert (await door.ask("GET", "/messages")).json["data"] == []
    return {error["code"] for error in answer.json["errors"]}


async def test_a_plain_body_is_taken_and_other_boundaries_are_the_same_request(door: Door) -> None:
    answer = await post(door, body(META_PART, lead()))
    repeat = await post(door, body(META_PART, lead(), boundary="other"), "other")

    assert answer.status == 202, str(answer)
    assert answer.json["files"][0]["sha256"] == hashlib.sha256(PDF).hexdigest()
    assert repeat.raw == answer.raw
    assert repeat.headers["Idempotency-Replayed"] == "true"


async def test_files_may_be_listed_with_their_roles(door: Door) -> None:
    draft = meta(files=[{"name": "15.pdf", "role": "lead"}, {"name": "15.txt", "role": "source"}])

    answer = await door.send(draft, files=(("file", "15.pdf", PDF), ("file", "15.txt", b"text")))

    assert [(file["name"], file["role"]) for file in answer.json["files"]] == [
        ("15.pdf", "lead"),
        ("15.txt", "source"),
    ]


async def test_meta_must_come_first(door: Door) -> None:
    assert await faults(door, body(lead(), META_PART)) == {"meta-first"}
    assert await faults(door, body()) == {"meta-first"}
    large = part('Content-Disposition: form-data; name="meta"', b" " * (1024 * 1024 + 1))
    assert (await post(door, body(large, lead()))).status == 413


async def test_a_body_that_ends_too_early_is_400_and_nothing_is_stored(door: Door) -> None:
    complete = body(META_PART, lead())
    for cut in (1, 40, len(META) // 2, len(META) + 100, len(META) + 300):
        assert (await post(door, complete[:cut])).status == 400, cut
    # A last part without its boundary is not a whole file.
    assert await faults(door, complete[: -len(b"\r\n--b--\r\n")]) == {"not-multipart"}


async def test_threat_086_ten_thousand_parts_stop_at_the_limit(door: Door) -> None:
    parts = [
        part(f'Content-Disposition: form-data; name="appendix"; filename="{n}.txt"', b"") for n in range(300)
    ]
    assert await faults(door, body(META_PART, *parts)) == {"too-many-parts"}


async def test_threat_086_boundaries_and_part_headers_that_cannot_be_are_400(door: Door) -> None:
    for boundary in ("", "x" * 71, "x" * 7000):
        assert await faults(door, body(META_PART, lead()), boundary) == {"not-multipart"}
    for more in ("\r\nX-Long: " + "a" * 10_000, "".join(f"\r\nX-{n}: a" for n in range(40))):
        assert await faults(door, body(META_PART, lead(more=more))) == {"not-multipart"}


async def test_a_part_that_is_not_a_plain_named_file_is_400(door: Door) -> None:
    for raw, code in (
        (part('Content-Disposition: form-data; name="lead"'), "no-file-name"),
        (part('Content-Disposition: form-data; name="elephant"; filename="a.pdf"'), "no-role"),
        (lead("filename*=UTF-8''a%0D%0AX-Injected%3A%201.pdf"), "bad-file-name"),
        (lead("filename*=UTF-8''a%00b.pdf"), "bad-file-name"),
        (lead(more="\r\nContent-Transfer-Encoding: base64"), "encoded-part"),
        (lead(more="\r\nContent-Encoding: gzip"), "encoded-part"),
        (part("Content-Type: multipart/mixed; boundary=c", b"--c--"), "nested-parts"),
    ):
        assert await faults(door, body(META_PART, raw)) == {code}


async def names(door: Door, *parameters: str) -> list[str]:
    """List the file names that the node reads from these parameters, one call each."""
    answers = []
    for n, parameter in enumerate(parameters):
        draft = json.dumps(meta(number=str(15 + n))).encode()
        answers.append(await post(door, body(META_PART.replace(META, draft), lead(parameter)), once=str(n)))
    assert [answer.status for answer in answers] == [202] * len(parameters), answers
    return [answer.json["files"][0]["name"] for answer in answers]


async def test_a_name_in_vietnamese_comes_whole_and_in_nfc_threat_75(door: Door) -> None:
    """However a library writes it, it keeps its ending."""
    names_sent = (r"C:\Users\a\báo cáo.pdf", "=?UTF-8?B?YsOhbyBjw6FvLnBkZg==?=", "b%C3%A1o%20c%C3%A1o.pdf")
    quoted = [f'filename="{n}"' for n in names_sent]

    assert set(await names(door, "filename*=UTF-8''ba%CC%81o%20ca%CC%81o.pdf", *quoted)) == {"báo cáo.pdf"}


@pytest.mark.filterwarnings(
    "ignore::aiohttp.multipart.BadContentDispositionHeader"
)  # of the library's own look
async def test_a_name_in_quotes_may_have_semicolons(door: Door) -> None:
    file_names = ["a;b.pdf", "a; b; c.pdf", "x; filename=y.pdf", "; .pdf"]

    assert await names(door, *(f'filename="{n}"' for n in file_names)) == file_names


async def test_files_other_than_announced_are_400_threat_66(door: Door) -> None:
    own: dict[str, object] = {"name": "15.pdf", "role": "lead"}
    for listed, sent_names, code in (
        ([own, {"name": "b.pdf", "role": "appendix"}], ["15.pdf"], "file-absent"),
        ([own], ["15.pdf", "c.pdf"], "file-not-listed"),
        ([own], ["15.pdf", "15.pdf"], "file-twice"),
        ([own | {"size": 1}], ["15.pdf"], "size-differs"),
        ([own | {"sha256": "0" * 64}], ["15.pdf"], "digest-differs"),
        ([], ["15.pdf"], "file-not-listed"),
    ):
        answer = await door.send(meta(files=listed), files=[("file", name, PDF) for name in sent_names])
        assert answer.status == 400
        assert {error["code"] for error in answer.json["errors"]} == {code}


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "unheard-of"])
async def test_a_compressed_request_is_not_inflated_threat_86(door: Door, encoding: str) -> None:
    sent = {"Content-Encoding": encoding, "Content-Type": "multipart/form-data; boundary=b"}

    answer = await door.ask("POST", "/messages", once="one", data=body(META_PART, lead()), headers=sent)

    assert answer.status == 415


async def test_another_media_type_is_415_and_names_the_accepted_types(door: Door) -> None:
    for kind in (
        *("text/plain", "application/xml"),
        *("multipart/mixed; boundary=b", "application/x-www-form-urlencoded"),
    ):
        answer = await door.ask("POST", "/messages", once="one", data=b"x", headers={"Content-Type": kind})
        assert answer.status == 415, kind
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


async def test_scratch_files_of_refused_requests_are_removed(door: Door) -> None:
    content = door.node.settings.node.data_dir / "content"
    files_before = {path for path in content.rglob("*") if path.is_file()}

    await faults(door, body(META_PART, lead(), lead())[:-30])
    await door.ask("POST", "/messages", once="x", data=form(meta(number="")))

    assert {path for path in content.rglob("*") if path.is_file()} == files_before
