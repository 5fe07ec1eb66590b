"""Files of what was sent are read back as they were handed in, before and after packing; altered ones never."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import AsyncIterator

import pytest

from gateway.domain.document import FileRole, OutgoingDocument, Recipient
from gateway.domain.event import EventKind
from gateway.errors import AlteredContent, Clash, Refused
from gateway.outgoing import files, intake
from gateway.outgoing.more_recipients import send_to_more
from tests.support.api import pdf
from tests.support.node import COMMUNE, DEPARTMENT, PDF, PROVINCE, Town
from tests.support.stored_content import Lying

BOTH = (("van-ban.pdf", PDF), ("phu-luc.pdf", pdf(2)))


async def read(town: Town, document: OutgoingDocument, n: int) -> bytes:
    opened = await files.open_file(town.node.out, await town.scope(DEPARTMENT), document.id, n)
    return b"".join([piece async for piece in opened.pieces])


@pytest.mark.usefixtures("lies_in")
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.usefixtures("keys_away")
async def test_altered_bytes_are_not_given_out_and_raise_an_alert(town: Town, packed: bool) -> None:
    sent = await town.send("15")
    if packed:
        await town.pack()
    sent = await town.document(sent)
    digest = sent.envelope_digest or sent.files[0].sha256

    def altered(raw: bytes) -> bytes:
        at = raw.index(b64encode(PDF)[:32]) + 16 if packed else len(raw) // 2
        return raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]

    await Lying.in_node(town.node).change(digest, altered)

    with pytest.raises(AlteredContent):
        await read(town, sent, 1)

    assert EventKind.ALERT_CONTENT in [event.kind for event in await town.events(DEPARTMENT, sent.id)]


@pytest.mark.usefixtures("lies_in")
async def test_the_files_of_a_request_are_kept_each_once_in_the_order_of_their_digests(town: Town) -> None:
    """Units of work that share some of them then never wait for each other in a circle."""
    contents = [pdf(n) for n in (3, 1, 2, 1, 4)]

    async def chunks(content: bytes) -> AsyncIterator[bytes]:
        yield content

    async with intake.receive_files(town.node.out) as request_files:
        for n, content in enumerate(contents):
            await request_files.add(f"file{n}", f"{n}.pdf", FileRole.APPENDIX, chunks(content))
        kept_refs = await request_files.keep_all()

    assert [x.digest for x in kept_refs] == sorted({hashlib.sha256(x).hexdigest() for x in contents})


@pytest.mark.usefixtures("keys_away")
async def test_further_recipients_get_the_same_document_and_the_first_keep_theirs(town: Town) -> None:
    """R117: the same number, date and files."""
    sent = await town.send("15", PROVINCE, files=BOTH)
    scope = await town.scope(DEPARTMENT)
    with pytest.raises(Clash):
        await send_to_more(town.node.out, scope, sent.id, (Recipient(code=COMMUNE),))
    await town.carry()

    added = (await send_to_more(town.node.out, scope, sent.id, (Recipient(code=COMMUNE),))).document
    await town.carry()

    assert added is not None
    assert added.document_id == sent.document_id
    assert [file.sha256 for file in added.files] == [file.sha256 for file in sent.files]
    assert (await town.delivery(added)).state == "delivered"
    assert (await town.delivery(sent)).state == "delivered"
    assert len(await town.incoming(PROVINCE)) == len(await town.incoming(COMMUNE)) == 1
    with pytest.raises(Refused, match="number-taken"):
        await send_to_more(town.node.out, scope, sent.id, (Recipient(code=PROVINCE),))
