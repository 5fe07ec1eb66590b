"""Words of files on either database: found by all who see the document in a list and by no others, and removed by the act
that hides it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlmodel import col

from gateway.domain.account import AgencyScope
from gateway.domain.document import (
    Assignment,
    IncomingDocument,
    IncomingFile,
    InState,
    OutgoingDocument,
    OutState,
)
from gateway.store.tables_office import ContentDueRow, ContentReadRow, ContentTextRow
from gateway_office.domain.content import Reading, WordPage
from gateway_office.domain.listing import Filter, Side
from gateway_office.store import contents
from gateway_office.store.content_marks import QUIET_TIME
from gateway_office.store.contents import MOST_TRIES, ContentPage, DueContent
from gateway_office.store.lists_write import first_place
from gateway_office.store.store import SqlOfficeStore
from gateway_office.web.listing.inside import find_inside
from tests.office.support.stores import folded, unit_viewer
from tests.support.clock import ManualClock
from tests.support.statements import noted_statements
from tests.support.stores import NORTH, SOUTH, committing, digest, draft, incoming, outgoing, stored

TEXT = "Kế hoạch phòng chống lụt bão năm 2026 của Ủy ban nhân dân xã Bản Giao"


def due_of(document: IncomingDocument | OutgoingDocument, place: int = 0) -> DueContent:
    side = Side.IN if isinstance(document, IncomingDocument) else Side.OUT
    return DueContent(
        agency_id=document.agency_id, document_id=document.id, side=side, place=place, is_last=False
    )


async def read_in(
    store: SqlOfficeStore,
    clock: ManualClock,
    document: IncomingDocument | OutgoingDocument,
    *texts: str,
    scope: AgencyScope = NORTH,
) -> None:
    """Keep these texts as the pages of the document's first file, as the loop does."""
    await folded(store)
    clock.advance(QUIET_TIME.total_seconds())
    (due,) = [due for due in await store.content_queue.claim(100) if due.document_id == document.id]
    pages = [WordPage(n=1, page=n, text=text) for n, text in enumerate(texts, 1)]
    async with committing(store, scope) as work:
        await work.office.contents.keep(due, pages, {1: Reading.WORDS}, clock.now())


async def search(
    store: SqlOfficeStore, text: str, scope: AgencyScope = NORTH, limit: int = 10, **criteria: Any
) -> list[tuple[str, int]]:
    page = await look(store, text, scope, limit, **criteria)
    return [(match.line.id, match.page) for match in page.matches]


async def look(
    store: SqlOfficeStore,
    text: str,
    scope: AgencyScope = NORTH,
    limit: int = 10,
    cursor: str | None = None,
    **criteria: Any,
) -> ContentPage:
    question = Filter(**{"side": None, "text": text, **criteria})
    async with store.read(scope) as view:
        return await view.office.contents.search(view.office.lists, question, limit=limit, cursor=cursor)


async def counted(store: SqlOfficeStore) -> Sequence[int]:
    """Count the pages, the results and the marks that the database has."""
    async with store.reading() as tx:
        tables = (ContentTextRow, ContentReadRow, ContentDueRow)
        return [(await tx.tuples(select(func.count()).select_from(t)))[0][0] for t in tables]


async def test_words_of_a_file_are_found_with_the_first_page_that_has_them(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    document = incoming(clock)
    await stored(store, document)
    await read_in(store, clock, document, "Trang đầu", TEXT, f"Lại nữa: {TEXT}")

    assert await search(store, "lụt bão") == [(document.id, 2)]
    assert await search(store, "lut bao ubnd") == [(document.id, 2)]
    assert await search(store, '"phong chong lut"') == [(document.id, 2)]
    assert await search(store, '"chong phong"') == []
    assert await search(store, "lut khong-co") == []
    assert await search(store, "lu") == []
    assert await search(store, "...") == []
    assert await search(store, "lut bao", SOUTH) == []
    async with store.read(NORTH) as view:
        assert await view.office.contents.readings(document.id) == {1: Reading.WORDS}
    (match,) = (await look(store, "lut")).matches
    assert match.text == TEXT


async def test_a_page_of_results_loads_its_documents_with_one_statement_for_each_direction(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    paper = digest("paper")
    file = IncomingFile(
        n=1, name="a.pdf", content_type="pdf", size=9, sha256=paper, source=paper, offset=0, length=9, coding="raw"
    )  # fmt: skip
    letters = [incoming(clock, files=(file,)) for _ in range(3)]
    documents: list[IncomingDocument | OutgoingDocument] = [*letters, outgoing(clock)]
    for document in documents:
        await stored(store, document)
        await read_in(store, clock, document, TEXT)
    async with store.read(NORTH) as view:
        with noted_statements() as statements:
            matches = await find_inside(view, Filter(side=None, text="lụt bão"), limit=10)

    assert {line.id for line in matches.lines} >= {letter.id for letter in letters}
    assert (statements.reads("incoming_document"), statements.reads("outgoing_document")) == (1, 1)


async def test_what_has_the_accents_that_were_typed_comes_first_then_the_newest(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    ids = []
    for text in ("bàn giao", "bản giao", "bàn cũ giao mới", "ban giao", "bán"):
        document = outgoing(clock)
        await stored(store, document)
        await read_in(store, clock, document, text)
        ids.append(document.id)
        clock.advance(2)

    pages: list[str] = []
    cursor = None
    while True:
        page = await look(store, "bàn giao", limit=1, cursor=cursor)
        pages += [match.line.id for match in page.matches]
        if (cursor := page.next_cursor) is None:
            break

    assert pages == [ids[2], ids[0], ids[3], ids[1]]
    assert [id for id, _ in await search(store, "bàn giao")] == pages


async def test_rare_words_of_many_years_are_found_the_newest_first(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    ages = (
        timedelta(),
        timedelta(days=23),
        timedelta(days=25),
        timedelta(days=130),
        timedelta(days=700),
        timedelta(days=9_000),
    )
    documents = [incoming(clock) for _ in ages]
    for document, age in zip(documents, ages, strict=True):
        await stored(store, document)
        async with committing(store) as work:
            pages = [WordPage(n=1, page=n, text=TEXT) for n in (1, 2)]
            due = due_of(document, first_place(clock.now() - age))
            await work.office.contents.keep(due, pages, {1: Reading.WORDS}, clock.now())
    ids = [document.id for document in documents]

    assert await search(store, "lụt bão") == [(id, 1) for id in ids]
    first = await look(store, "lut", limit=4)
    second = await look(store, "lut", limit=4, cursor=first.next_cursor)
    assert [match.line.id for match in (*first.matches, *second.matches)] == ids
    since = (clock.now() - timedelta(days=30)).replace(microsecond=0)
    assert [id for id, _ in await search(store, "lut", since=since)] == ids[:3]
    # The index has the span of a page among its words; no search finds it.
    async with store.reading() as tx:
        places = [place for (place,) in await tx.tuples(select(col(ContentTextRow.place)))]
    for span in {place >> 35 for place in places}:
        assert await search(store, f"T{span}") == []


async def test_a_list_shows_no_more_by_its_words_than_by_its_rows(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    """Filters and the view of a unit hold, also for a row that is not written yet."""
    letter = incoming(clock)
    sent = outgoing(clock)
    for document in (letter, sent):
        await stored(store, document)
        await read_in(store, clock, document, TEXT)
    viewer = unit_viewer("Phòng Kinh tế")

    assert {id for id, _ in await search(store, "lut")} == {letter.id, sent.id}
    assert await search(store, "lut", side=Side.OUT) == [(sent.id, 1)]
    assert await search(store, "lut", side=Side.OUT, since=clock.now() + timedelta(days=1)) == []
    assert await search(store, "lut", side=Side.OUT, since=clock.now() - timedelta(days=1)) == [(sent.id, 1)]
    assert await search(store, "lut", side=Side.OUT, until=clock.now() - timedelta(days=1)) == []
    assert await search(store, "lut", side=Side.IN, viewer=viewer) == []

    async with committing(store) as work:
        current = await work.incoming.get(letter.id)
        assignment = Assignment(lead_unit="Phòng Kinh tế")
        await work.incoming.save(replace(current, state=InState.ASSIGNED, assignment=assignment))

    assert await search(store, "lut", side=Side.IN, viewer=viewer) == [(letter.id, 1)]


@pytest.mark.parametrize("state", [InState.HELD, InState.REJECTED, InState.RECALLED, InState.SEALED])
async def test_threat_145_the_act_that_hides_a_letter_removes_its_words(
    store: SqlOfficeStore, clock: ManualClock, state: InState
) -> None:
    document, other = incoming(clock), incoming(clock)
    for letter in (document, other):
        await stored(store, letter)
        await read_in(store, clock, letter, TEXT)

    async with committing(store) as work:
        await work.incoming.save(replace(await work.incoming.get(document.id), state=state))

    assert await counted(store) == [1, 1, 1]
    assert await search(store, "lut") == [(other.id, 1)]


async def test_threat_145_what_is_sealed_or_given_up_before_it_left_has_no_words(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    for change in ({"is_sealed": True}, {"state": OutState.CANCELLED}):
        document = outgoing(clock, state=OutState.QUEUED)
        await stored(store, document)
        await read_in(store, clock, document, TEXT)
        async with committing(store) as work:
            await work.outgoing.save(replace(await work.outgoing.get(document.id), **change))

        assert (await counted(store))[:2] == [0, 0]
        assert await search(store, "lut") == []


# A server removes rows as it removes all others.
@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
async def test_threat_145_nothing_of_removed_words_is_left_in_the_file(
    store: SqlOfficeStore, clock: ManualClock, url: str
) -> None:
    document, other = incoming(clock), incoming(clock)
    for letter, text in ((document, "quyzmatkhau và xyzzyhoach"), (other, TEXT)):
        await stored(store, letter)
        await read_in(store, clock, letter, text)
    path = Path(url.removeprefix("sqlite:///"))
    async with store.writing() as tx:
        await tx.commit()
    assert any(b"quyzmatkhau" in part.read_bytes() for part in path.parent.glob(f"{path.name}*"))

    async with committing(store) as work:
        await work.incoming.save(replace(await work.incoming.get(document.id), state=InState.SEALED))
    assert await search(store, "quyzmatkhau") == []
    steps = 0
    while await store.content_queue.rewrite():
        steps += 1
        assert steps < 100
    await store.close()

    assert b"xyzzy" not in path.read_bytes()
    assert not [part for part in path.parent.glob(f"{path.name}-*") if b"xyzzy" in part.read_bytes()]


async def test_files_are_read_once_a_document_has_come_to_rest_and_a_second_time_after_it_was_hidden(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    letter, sketch = incoming(clock), outgoing(clock, state=OutState.DRAFT, draft=draft())
    await stored(store, letter)
    await stored(store, sketch)
    await folded(store)
    queue = store.content_queue

    assert await queue.claim(10) == ()
    clock.advance(QUIET_TIME.total_seconds())
    assert [due.document_id for due in await queue.claim(10)] == [letter.id]
    assert await queue.claim(10) == ()

    async with committing(store) as work:
        await work.office.contents.keep(due_of(letter), [], {1: Reading.NO_TEXT}, clock.now())
    assert await counted(store) == [0, 1, 0]
    for state, marks in ((InState.ACCEPTED, 0), (InState.HELD, 1), (InState.NEW, 1)):
        async with committing(store) as work:
            await work.incoming.save(replace(await work.incoming.get(letter.id), state=state))
        await folded(store)
        assert await counted(store) == [0, int(state is InState.ACCEPTED), marks]

    async with committing(store) as work:
        await work.outgoing.save(replace(await work.outgoing.get(sketch.id), state=OutState.PACKED))
    await folded(store)
    clock.advance(QUIET_TIME.total_seconds())
    assert {due.document_id for due in await queue.claim(10)} == {letter.id, sketch.id}


async def test_a_document_during_whose_reading_the_node_dies_is_not_tried_for_ever(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    await stored(store, incoming(clock))
    await folded(store)
    tries = []
    for _ in range(MOST_TRIES + 1):
        clock.advance(timedelta(hours=1).total_seconds())
        (due,) = await store.content_queue.claim(10)
        tries.append(due.is_last)

    assert tries == [False] * MOST_TRIES + [True]


async def test_files_claimed_by_a_clock_that_was_ahead_are_read_once_it_is_right(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    letter = incoming(clock)
    await stored(store, letter)
    await folded(store)
    clock.advance(7 * 3600)
    (claimed,) = await store.content_queue.claim(10)
    assert await store.content_queue.claim(10) == ()
    clock.advance(-7 * 3600)

    (due,) = await store.content_queue.claim(10)
    assert (claimed.document_id, due.document_id) == (letter.id, letter.id)


async def test_documents_that_were_never_marked_are_marked_the_newest_first_and_once(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    """Documents have no marks after a migration, nor in a restored copy, which has no words."""
    ids = []
    for n in range(5):
        document = incoming(clock, scope=(NORTH, SOUTH)[n % 2])
        await stored(store, document, scope=(NORTH, SOUTH)[n % 2])
        clock.advance(1)
        ids.append(document.id)
    await folded(store)
    queue = store.content_queue
    assert await queue.clear(100)
    assert not await queue.clear(100)

    assert await queue.fill(2)
    clock.advance(1)
    assert [due.document_id for due in await queue.claim(10)] == [ids[4], ids[3]]
    while await queue.fill(2):
        pass
    assert not await queue.fill(2)
    clock.advance(1)
    assert [due.document_id for due in await queue.claim(10)] == [ids[2], ids[1], ids[0]]
    assert (await counted(store))[2] == 5


async def test_switching_off_removes_all_words_and_switching_on_brings_them_back(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    document = incoming(clock)
    await stored(store, document)
    await read_in(store, clock, document, TEXT, TEXT, TEXT)

    steps = 0
    while await store.content_queue.clear(1):
        steps += 1

    assert (steps, await counted(store)) == (3, [0, 0, 0])
    assert await store.content_queue.fill(10)
    clock.advance(1)
    assert [due.document_id for due in await store.content_queue.claim(10)] == [document.id]


async def test_many_pages_of_the_same_second_find_room(
    store: SqlOfficeStore, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "_SPREAD_BITS", 3)
    documents = [incoming(clock) for _ in range(6)]
    for document in documents:
        await stored(store, document)
        async with committing(store) as work:
            pages = [WordPage(n=1, page=n, text=TEXT) for n in (1, 2, 3)]
            await work.office.contents.keep(due_of(document), pages, {1: Reading.WORDS}, clock.now())

    assert await counted(store) == [18, 6, 0]


async def test_a_filter_that_nothing_meets_ends_the_look_and_the_reader_may_go_on(
    store: SqlOfficeStore, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "PAGES_AT_MOST", 2)
    monkeypatch.setattr(contents, "_WINDOW", 2)
    letter = incoming(clock)
    await stored(store, letter)
    await read_in(store, clock, letter, TEXT)
    for _ in range(3):
        document = outgoing(clock)
        await stored(store, document)
        await read_in(store, clock, document, TEXT)
        clock.advance(2)

    first = await look(store, "lut", side=Side.IN)
    second = await look(store, "lut", side=Side.IN, cursor=first.next_cursor)

    assert first.matches == ()
    assert [match.line.id for match in second.matches] == [letter.id]
    for cursor in ("x", "9-1", "0-" + "9" * 40):
        assert await look(store, "lut", side=Side.IN, cursor=cursor) == first
