"""The register book of sent mail is compared with a plain count of the documents of an agency."""

from __future__ import annotations

from gateway.domain.book import Book, Span
from gateway.domain.document import OutState
from gateway.domain.states import NOT_HELD
from gateway_office.book import books
from gateway_office.store.store import SqlOfficeStore
from tests.support.plain_count import Ours, SentDocuments


async def check_book(sender: Ours, sent: SentDocuments, year: int) -> None:
    store = sender.store
    assert isinstance(store, SqlOfficeStore)
    async with store.read(sender.scope) as work:
        pages = books.read_all(work, Book.OUTGOING, Span(year=year))
        lines = {line.number: line.struck for page in [p async for p in pages] for line in page}
        summary = await books.summary_of(work, Book.OUTGOING, Span(year=year))
    stands: dict[str, bool] = {}
    for document in sent.documents:
        # A draft that was discarded before it got a number has no line.
        if document.state is not OutState.DRAFT and document.draft.number:
            states = {d.state for d in sent.deliveries_of(document)}
            back = "request_agreed" in states and states <= NOT_HELD | {"request_agreed"}
            stood = document.state is not OutState.CANCELLED and not back
            stands[document.draft.number] = stands.get(document.draft.number, False) or stood
    assert lines == {number: not stood for number, stood in stands.items()}
    assert (summary.lines, summary.struck) == (len(stands), [*stands.values()].count(False))
