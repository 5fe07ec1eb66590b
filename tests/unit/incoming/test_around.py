"""Facts around an incoming document: its likely duplicate, the same lead file under another number, and the document that a
replacement is about."""

from __future__ import annotations

from gateway.domain.document import DocumentChange, IncomingDocument, Kind
from gateway.incoming.document_context import DocumentContext, load_context
from tests.support.api import pdf
from tests.support.node import COMMUNE, DEPARTMENT, PDF, PROVINCE, Town, document

FILES = (("van-ban.pdf", PDF),)


async def view_of(town: Town, received: IncomingDocument) -> DocumentContext:
    async with town.node.store.read(await town.scope(PROVINCE)) as work:
        return await load_context(work, received, await town.node.inn.office(received.agency_id))


async def test_a_document_with_the_number_symbol_and_day_of_another_names_it(town: Town) -> None:
    await town.brought(town.forge(document("200", FILES), FILES))
    first = await town.only()
    town.clock.advance(60)
    other = document("200", FILES, document_id="other-id", subject="Nội dung khác")
    await town.brought(town.forge(other, FILES))
    second = next(d for d in await town.incoming() if d.id != first.id)

    assert (await view_of(town, second)).duplicate_of == first.id
    assert (await view_of(town, first)).duplicate_of is None


async def test_a_replacement_names_what_it_replaces_and_its_reason(town: Town) -> None:
    sent = await town.send("15")
    await town.carry()
    old = await town.only()
    await town.replacement(sent, "16")
    await town.carry()
    new = next(d for d in await town.incoming() if d.id != old.id)

    view = await view_of(town, new)

    assert view.target_id == old.id
    assert view.request is not None
    assert (view.request.kind, view.request.reason, view.request.state) == ("replace", "Thay thế", None)


FILE, OTHER = (("a.pdf", pdf(3)),), (("a.pdf", pdf(4)),)


async def marks(town: Town) -> dict[str, tuple[str, ...]]:
    documents = await town.incoming(PROVINCE)
    return {d.number: tuple(mark for mark in d.marks if mark.startswith("lead_again")) for d in documents}


async def test_the_second_names_the_first_and_another_file_or_sender_names_none(town: Town) -> None:
    for number, files, sender in (
        ("11", FILE, DEPARTMENT),
        ("12", FILE, DEPARTMENT),
        ("13", OTHER, DEPARTMENT),
        ("14", FILE, COMMUNE),
    ):
        await town.send(number, files=files, sender=sender)
        await town.carry()

    assert await marks(town) == {"11": (), "12": ("lead_again:11/STD-VP",), "13": (), "14": ()}


async def test_a_document_that_was_refused_or_is_replaced_is_not_named(town: Town) -> None:
    refused = await town.send("11", files=FILE)
    await town.carry()
    await town.status(await town.as_incoming(refused), "02")
    await town.carry()
    resent = await town.send("12", files=FILE)
    await town.carry()
    change = DocumentChange(reason="Sửa số", replaces=((resent.document_id, (PROVINCE,)),))
    await town.send("13", files=FILE, kind=Kind.REPLACEMENT, parent_id=resent.id, change=change)
    await town.carry()

    assert await marks(town) == {"11": (), "12": (), "13": ()}
