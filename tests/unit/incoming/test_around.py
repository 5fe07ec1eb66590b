"""Facts around an incoming document: its likely duplicate, and the document that a replacement is about."""

from __future__ import annotations

from gateway.domain.document import IncomingDocument
from gateway.incoming import reading
from gateway.incoming.reading import DocumentContext
from tests.support.node import PDF, PROVINCE, Town, document

FILES = (("van-ban.pdf", PDF),)


async def view_of(town: Town, received: IncomingDocument) -> DocumentContext:
    async with town.node.store.read(await town.scope(PROVINCE)) as work:
        return await reading.load_context(work, received, await town.node.inn.office(received.agency_id))


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
