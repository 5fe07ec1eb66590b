"""Ways round what the pages close: other addresses of content that is withheld, a file that is changed under a seal, a form
without an end. Asked without a browser, as an attacker would."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from gateway.domain.document import FileRole, IncomingDocument, Kind, OutgoingDocument
from gateway.incoming import seal
from gateway.incoming.act import StatusCall
from gateway.outgoing import drafting, intake
from gateway.outgoing import files as seal_out
from gateway_office.domain.roles import PostRole
from gateway_office.domain.session import form_token
from gateway_office.node.exchange import TokenSigning
from tests.office.long.pages.test_outgoing import sent
from tests.office.pages.guest import Guest, calling_as
from tests.office.pages.mail import Mail, at
from tests.office.pages.site import Site
from tests.office.pages.visiting import scope_of
from tests.support.printed import FOLDER

WHY = "Có dấu MẬT ở trang đầu của tệp"
OTHER = (FOLDER / "cong-van.pdf").read_bytes()


@pytest_asyncio.fixture(loop_scope="session")
async def clerk(site: Site) -> AsyncIterator[Guest]:
    async with calling_as(site) as guest:
        yield guest


async def _packet(site: Site, mail: Mail, document: IncomingDocument) -> str:
    async with site.node.store.read(await mail.scope("department")) as work:
        (packet,) = [
            p.id
            for p in (await work.inbox.page(limit=50, cursor=None, states=("done",))).items
            if p.incoming_id == document.id and p.file_digest == document.envelope_digest
        ]
    return packet


async def test_a_recalled_document_is_read_nowhere_and_says_nothing_once_it_is_sealed(
    site: Site, mail: Mail, clerk: Guest
) -> None:
    """Not in quarantine either, where its packet never was."""
    first, document = await _recalled(mail)
    _, other = await _recalled(mail, "plan")
    await seal.document(site.node.inn, site.node.hold, await mail.scope("department"), other.id, WHY)
    for path in ("/dong-y", "/khong-dong-y"):
        assert other.subject not in (await clerk.get(at(other, path))).text, path

    await mail.status("department", first, StatusCall(code="15", staff=mail.clerk()))
    id = await _packet(site, mail, document)

    assert (await clerk.get(at(document, "/tep/1"))).status == 409
    for path in ("/tai", "/byte"):
        assert (await clerk.get(f"/van-hanh/cach-ly/{id}{path}")).status == 404, path
    assert document.subject not in (await clerk.get(f"/van-hanh/cach-ly/{id}")).text


async def _recalled(mail: Mail, key: str = "decision") -> tuple[OutgoingDocument, IncomingDocument]:
    """Take a document in, and have its sender ask for it afterwards."""
    sent, document = await mail.taken_in(key)
    await mail.recall(sent)
    await mail.wait_until(lambda: mail.is_asked_back(document))
    return sent, document


async def test_a_sealed_document_of_our_own_is_no_draft_to_be_opened(site: Site, clerk: Guest) -> None:
    for number, send in (("15", True), ("16", False)):
        document = await sent(site, number, send=send)
        assert document.kind is Kind.DOCUMENT
        await seal_out.seal_document(site.node.out, site.node.hold, await scope_of(site), document.id, WHY)

        for path in ("", "/da-gui", "/bo", "/ky-so", "/cay-co-quan"):
            answer = await clerk.get(f"/phat-hanh/{document.id}{path}")
            assert answer.status in (303, 409), (path, send, answer.status)
            assert document.draft.subject not in answer.text, (path, send)


async def test_the_seal_goes_on_the_very_file_that_the_clerk_saw(
    site: Site, clerk: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = await sent(site, send=False)
    path = f"/phat-hanh/{document.id}/ky-so"
    (digest,) = [f.sha256 for f in document.files if f.role is FileRole.LEAD]
    with monkeypatch.context() as patch:
        patch.setattr(TokenSigning, "is_ready", True)
        assert f'name="seen" value="{digest}"' in (await clerk.get(path)).text
    async with intake.receive_files(site.node.out) as files:
        await files.add(FileRole.LEAD, "van-ban.pdf", FileRole.LEAD, _chunks(OTHER))
        changed = await drafting.add_files(site.node.out, await scope_of(site), document.id, files)
    (now,) = [f.sha256 for f in changed.files if f.role is FileRole.LEAD]
    assert now != digest

    form = {"kind": "dau", "pin": "123456"}
    for seen_digest, status in ((digest, 409), ("", 409), (now, 403)):
        assert (await clerk.post(path, {**form, "seen": seen_digest})).status == status, seen_digest


async def _chunks(raw: bytes) -> AsyncIterator[bytes]:
    yield raw


async def test_an_officer_learns_no_numbers_of_the_whole_agency(site: Site, mail: Mail) -> None:
    """The figures count what the officer's lists find: nothing, as no mail was assigned to the unit, and a figure of
    zero is not shown."""
    await mail.comes()
    for role, counted in ((PostRole.CLERK, "1"), (PostRole.OFFICER, None)):
        async with calling_as(site, role, "department") as guest:
            page = (await guest.get("/tong-quan")).text
        counts = dict(re.findall(r'<a href="([^"]+)"[^>]*><strong>(\d+)\+?</strong>', page))
        assert counts.get("/van-ban-den?ngay=hom-nay") == counted, role
        assert ('<svg class="plot' in page) is (role is PostRole.CLERK), role


async def test_a_form_with_a_scan_has_an_end(site: Site, clerk: Guest) -> None:
    body = aiohttp.FormData(default_to_multipart=True)
    body.add_field("form_token", form_token(clerk.token))
    for n in range(2_000):
        body.add_field(f"field{n}", "x" * 100)
    headers = {"Origin": site.url, "Cookie": f"gw_session={clerk.token}"}
    async with clerk.http.post(f"{site.url}/so-van-ban/den/nhap", data=body, headers=headers) as answer:
        assert answer.status == 400
