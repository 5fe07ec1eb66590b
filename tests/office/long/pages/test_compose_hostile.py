"""Hostile input through the form of a new document: bodies that lie, files that harm, names that trip,
forms of another site. Each is refused in words, nothing of it is kept, and the next honest form is accepted."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import aiohttp
import pytest_asyncio
from pypdf import PdfWriter
from pypdf.generic import DictionaryObject, NameObject, TextStringObject

from gateway.domain.document import OutgoingDocument
from gateway_office.domain.roles import PostRole
from gateway_office.domain.session import form_token
from gateway_office.web.page_handling import COOKIE
from tests.office.pages.site import Site
from tests.office.pages.visiting import scope_of
from tests.support.printed import FOLDER
from tests.support.stamped import stamped

MB = 1024 * 1024
PDF = (FOLDER / "cong-van.pdf").read_bytes()
FIELDS = {
    "number": "90",
    "symbol": "UBND-VP",
    "date": "20/11/2026",
    "type": "cong_van",
    "reply": "no",
    "name": "Người Ký",
}


@dataclass(kw_only=True)
class Form:
    """A signed-in clerk's hands on HTTP."""

    site: Site
    client: aiohttp.ClientSession
    token: str
    origin: str = ""
    fields: dict[str, str] = field(default_factory=lambda: dict(FIELDS))

    async def send(
        self, *files: tuple[str, str, bytes], path: str = "/phat-hanh", **more: str
    ) -> tuple[int, str]:
        """Send the form with files as (role, name, bytes); return the status and the page that is there in the end."""
        body = aiohttp.FormData(quote_fields=False, default_to_multipart=True)
        body.add_field("form_token", form_token(self.token))
        for name, value in {**self.fields, **more}.items():
            body.add_field(name, value)
        for role, name, raw in files:
            body.add_field(role, io.BytesIO(raw), filename=name, content_type="application/octet-stream")
        return await self.post(path, body)

    async def post(self, path: str, body: object, **headers: str) -> tuple[int, str]:
        sent_headers = {"Origin": self.origin or self.site.url, **headers}
        async with self.client.post(
            f"{self.site.url}{path}", data=body, headers=sent_headers, allow_redirects=False
        ) as answer:
            return answer.status, await answer.text()

    async def drafts(self) -> list[OutgoingDocument]:
        async with self.site.node.store.read(await scope_of(self.site, "province")) as work:
            return list((await work.outgoing.page(limit=50)).items)

    def stray(self) -> list[Path]:
        """List half-written files in the node's folder."""
        folder = self.site.node.settings.node.data_dir
        return [path for path in folder.rglob("*") if path.is_file() and "scratch" in path.parts]

    async def blobs(self) -> int:
        return sum(
            1
            for path in self.site.node.settings.node.data_dir.rglob("*")
            if re.fullmatch("[0-9a-f]{64}", path.name)
        )


@pytest_asyncio.fixture(loop_scope="session")
async def form(site: Site) -> AsyncIterator[Form]:
    token = await site.new_session(site.person(PostRole.CLERK, "province"))
    async with aiohttp.ClientSession(cookies={COOKIE: token}) as client:
        yield Form(site=site, client=client, token=token)


def zipped(members: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, raw in members.items():
            archive.writestr(name, raw)
    return content.getvalue()


def scripted() -> bytes:
    writer = PdfWriter()
    writer.add_blank_page(width=595, height=842)
    script = {NameObject("/S"): NameObject("/JavaScript"), NameObject("/JS"): TextStringObject("x")}
    writer.root_object[NameObject("/OpenAction")] = DictionaryObject(script)
    content = io.BytesIO()
    writer.write(content)
    return content.getvalue()


CASES: tuple[tuple[str, Callable[[], tuple[str, str, bytes]], str], ...] = (
    ("057-bomb", lambda: ("appendix", "a.zip", zipped({"a.txt": bytes(60 * MB)})), "bung ra quá lớn"),
    ("059-out", lambda: ("appendix", "a.zip", zipped({"../../a.txt": b"x"})), "trỏ ra ngoài thư mục"),
    ("061-exe", lambda: ("source", "a.docx", b"MZ" + bytes(500)), "không được phép"),
    ("062-two", lambda: ("source", "a.pdf.exe", PDF), "không được phép"),
    ("064-script", lambda: ("lead", "a.pdf", scripted()), "nội dung tự chạy (JavaScript)"),
    ("066-empty", lambda: ("lead", "a.pdf", b""), "rỗng"),
    ("074-large", lambda: ("lead", "a.pdf", b"%PDF-1.7\n" + bytes(10 * MB)), "giới hạn 10 MB"),
    ("078-name", lambda: ("source", "...", b"chu"), "không đọc được"),
)


async def test_each_threat_in_a_file_of_the_form_is_refused_in_words_and_kept_nowhere(form: Form) -> None:
    """Threats 57 to 78, one after another at one node: each draft keeps what was typed, and no file."""
    blobs = await form.blobs()
    for name, make, words in CASES:
        status, page = await form.send(make())
        assert status == 422, name
        assert words in page, (name, re.findall(r'class="fault".*?</p>', page))
        assert form.stray() == [], name
    assert await form.blobs() == blobs
    assert all(not x.files for x in await form.drafts())

    status, _ = await form.send(("lead", "a.pdf", PDF))
    assert status == 303
    assert [x.name for x in (await form.drafts())[0].files] == ["a.pdf"]


async def test_threat_075_077_078_079_a_name_is_made_harmless_and_shown_as_text(form: Form) -> None:
    names = {
        "../../../etc/passwd.txt": "passwd.txt",
        "C:\\x\\con.txt": "_con.txt",
        "<script>alert(1)</script>.txt": "script_.txt",
        "gi\u0301a.txt": "gía.txt",
    }
    for given_name, stored in names.items():
        status, page = await form.send(("source", given_name, b"noi dung"))
        assert status == 303, (given_name, re.findall(r"<li>.*?</li>", page)[-5:])
        document = (await form.drafts())[0]
        (file,) = document.files
        assert file.name == stored, given_name
        async with form.client.get(f"{form.site.url}/phat-hanh/{document.id}") as answer:
            assert "<script>alert" not in await answer.text()


async def test_threat_086_a_body_that_is_cut_or_none_is_refused_and_the_next_is_accepted(form: Form) -> None:
    token = form_token(form.token)
    kind = {"Content-Type": "multipart/form-data; boundary=x", "X-Form-Token": token}
    complete = b'--x\r\nContent-Disposition: form-data; name="lead"; filename="a.pdf"\r\n\r\n' + PDF
    for raw in (
        b"",
        b"--y\r\n\r\n",
        complete,
        b"--x\r\nnonsense",
        b'--x\r\nContent-Disposition: form-data; name="number"\r\n\r\n' + b"9" * 2 * MB + b"\r\n--x--\r\n",
    ):
        status, page = await form.post("/phat-hanh", io.BytesIO(raw), **kind)
        assert status in (303, 400), (raw[:40], page[:200])
    for more in ({"Content-Transfer-Encoding": "base64"}, {"Content-Encoding": "gzip"}):
        head = "".join(f"{name}: {value}\r\n" for name, value in more.items())
        part = f'Content-Disposition: form-data; name="lead"; filename="a.pdf"\r\n{head}'
        raw = f"--x\r\n{part}\r\nQUJD\r\n--x--\r\n".encode()
        status, _ = await form.post("/phat-hanh", raw, **kind)
        assert status == 422
    assert all(not draft.files for draft in await form.drafts())
    assert form.stray() == []
    assert (await form.send(("lead", "a.pdf", PDF)))[0] == 303


async def test_threat_088_a_form_of_another_site_or_session_changes_nothing(form: Form) -> None:
    assert (await form.send(("lead", "a.pdf", PDF)))[0] == 303
    (draft,) = await form.drafts()
    path = f"/phat-hanh/{draft.id}"
    elsewhere = replace(form, origin="https://elsewhere.example")
    forged = replace(form, token="another session")
    for hands in (elsewhere, forged):
        for act in ("save", "send", "drop-file:1"):
            assert (await hands.send(path=path, act=act, version=str(draft.version)))[0] == 403
        assert (await hands.post(f"{path}/hoan-tac", {"form_token": "x"}))[0] == 403
    assert await form.drafts() == [draft]
    async with form.client.get(f"{form.site.url}{path}") as answer:
        policy = answer.headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in policy
        assert "form-action 'self'" in policy


async def test_a_stamp_of_secrecy_asks_and_only_a_word_of_the_clerk_lets_it_pass(form: Form) -> None:
    """R2: nothing is refused for words alone, and nothing passes by silence."""
    status, _ = await form.send(
        ("lead", "a.pdf", stamped("MẬT")), to_key="Z91.07", to_role="to_know", subject="V/v báo cáo"
    )
    assert status == 303
    (draft,) = await form.drafts()
    path, versions = f"/phat-hanh/{draft.id}", {"version": str(draft.version), "checked": str(draft.version)}
    fields = {"to_key": "Z91.07", "to_role": "to_know", "subject": "V/v báo cáo", **versions}
    async with form.client.get(f"{form.site.url}{path}?kiem-tra=1") as answer:
        page = await answer.text()
    assert "có chữ “MẬT”. Nếu là văn bản mật thì không được gửi" in page

    status, _ = await form.send(path=path, act="send", **fields)
    assert status == 422
    assert (await form.drafts())[0].state == "draft"
    with form.site.clock.standing():
        status, _ = await form.send(path=path, act="send", confirm="secrecy-stamp", **fields)
        (sent,) = await form.drafts()

    assert status == 303
    assert sent.state == "queued"
    async with form.site.node.store.read(await scope_of(form.site, "province")) as work:
        kinds = [event.kind for event in await work.events.of_subject(sent.id)]
    assert "message.confirmed" in kinds
