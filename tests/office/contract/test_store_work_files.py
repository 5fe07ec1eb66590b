"""Files of records in both databases: a list is drafted, issued by the head and added to; documents of both directions and
letters on paper are put into files, closed files are corrected by those who may, and leave the list for the archive."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from gateway.domain.document import FileCode, IncomingDocument, InState, OutgoingDocument, ReplyLink
from gateway.domain.event import EventKind
from gateway.errors import Clash, Denied, NotFound
from gateway.pool import ThreadPool
from gateway_office.book import file_lists
from gateway_office.domain.work_file import FileKind, WorkFile
from gateway_office.letters import work_files
from gateway_office.letters.work_files import FileDraft, archive_file, close_file, list_open
from gateway_office.services import BookServices, TodoServices
from gateway_office.store.store import SqlOfficeStore
from tests.office.contract.test_store_book import letter
from tests.office.unit.book.test_export import rows_of
from tests.support.clock import ManualClock
from tests.support.stores import NORTH, SOUTH, committing, draft, incoming, outgoing

OTHER = replace(NORTH, principal_id="prn_other")
USUAL, CONSTRUCTION = FileKind.USUAL, FileKind.CONSTRUCTION
DAY = date(2026, 2, 28)


@pytest.fixture
def services(store: SqlOfficeStore, clock: ManualClock) -> TodoServices:
    async def nothing(argument: object) -> tuple[()]:
        return ()

    return TodoServices(
        store=store,
        calendar=store.calendar,
        certificates=nothing,
        clock=clock,
        office=nothing,  # type: ignore[arg-type]  # files need no calendar
        wake=lambda: None,
    )


async def codes(services: TodoServices, *, everybodys: bool) -> list[str]:
    return [file.code for file in await list_open(services, NORTH, everybodys=everybodys)]


async def test_a_file_is_corrected_by_its_owner_or_a_clerk_until_it_is_in_the_archive(
    services: TodoServices,
) -> None:
    assert await close_file(services, NORTH, "01-TH", "Họp", USUAL, DAY, everybodys=False)
    assert not await close_file(services, OTHER, "01-TH", "Khác", USUAL, DAY, everybodys=False)
    assert await close_file(services, OTHER, "01-TH", "Sửa", CONSTRUCTION, DAY, everybodys=True)
    assert await close_file(services, OTHER, "01-TH", "Sửa", CONSTRUCTION, DAY, everybodys=True)

    (file,) = await list_open(services, NORTH, everybodys=False)
    assert (file.title, file.owner, file.due_on) == ("Sửa", NORTH.principal_id, date(2026, 5, 28))
    assert await list_open(services, OTHER, everybodys=False) == []
    assert await list_open(services, SOUTH, everybodys=True) == []

    with pytest.raises(Denied):
        await archive_file(services, OTHER, file.id, everybodys=False)
    with pytest.raises(NotFound):
        await archive_file(services, SOUTH, file.id, everybodys=True)
    for _ in range(2):
        await archive_file(services, NORTH, file.id, everybodys=False)
    assert await codes(services, everybodys=True) == []
    assert not await close_file(services, NORTH, "01-TH", "Lại", USUAL, DAY, everybodys=True)
    async with services.store.read(NORTH) as work:
        kinds = [event.kind for event in await work.events.of_subject(file.id)]
    assert kinds == [EventKind.FILE_CLOSED, EventKind.FILE_CLOSED, EventKind.FILE_ARCHIVED]


async def test_the_longest_closed_file_is_first_and_a_day_that_a_year_lacks_is_the_last_of_its_month(
    services: TodoServices,
) -> None:
    await close_file(services, NORTH, "2", "B", USUAL, date(2026, 3, 1), everybodys=False)
    await close_file(services, OTHER, "1", "A", USUAL, date(2024, 2, 29), everybodys=False)

    assert await codes(services, everybodys=True) == ["1", "2"]
    assert await codes(services, everybodys=False) == ["2"]
    first, _ = await list_open(services, NORTH, everybodys=True)
    assert first.due_on == date(2025, 2, 28)


def planned(notation: str, **fields: Any) -> FileDraft:
    values: dict[str, Any] = {"title": f"Hồ sơ {notation}", "kind": USUAL, "retention": "10 năm"}
    return FileDraft(notation=notation, **(values | fields))


async def opened(services: TodoServices, notation: str, year: int = 2026, **fields: Any) -> WorkFile:
    return await work_files.open_file(services, NORTH, year, planned(notation, **fields), everybodys=False)


async def taken_in(store: SqlOfficeStore, clock: ManualClock, **fields: Any) -> IncomingDocument:
    document = incoming(clock, id=clock.new_id("inb_"), state=InState.ACCEPTED, **fields)
    async with committing(store) as work:
        await work.incoming.add(document)
    return document


async def sent(store: SqlOfficeStore, clock: ManualClock, **fields: Any) -> OutgoingDocument:
    document = outgoing(clock, draft=draft(**fields))
    async with committing(store) as work:
        await work.outgoing.add(document)
    return document


async def codes_of(services: TodoServices, document_id: str) -> list[str]:
    async with services.store.read(NORTH) as work:
        return [file.notation for file, _ in await work.office.work_files.of_document(document_id)]


async def suggestions(services: TodoServices, document: work_files.Document) -> list[tuple[str, str, int]]:
    async with services.store.read(NORTH) as work:
        suggested = await work_files.suggest_files(work, document)
    return [(s.file.code.partition("Z91.01.")[2], s.reason, s.count) for s in suggested]


async def test_a_year_of_files_from_the_draft_of_its_list_to_the_table_of_contents(
    services: TodoServices, store: SqlOfficeStore, clock: ManualClock, pool: ThreadPool
) -> None:
    """R44 (files of records): the list is issued by the head; letters of both directions and on paper are in files. R125:
    one letter is in two files."""
    harvest, flood = await opened(services, "01.TH"), await opened(services, "02.LU")
    assert (harvest.code, harvest.year, harvest.listed_on) == ("Z91.01.2026.01.TH", 2026, None)
    assert await work_files.issue_list(services, OTHER, 2026) == 2
    assert await work_files.issue_list(services, OTHER, 2026) == 0
    with pytest.raises(Clash, match="was issued"):
        await opened(services, "03.BS")
    added = await work_files.open_file(services, NORTH, 2026, planned("03.BS"), everybodys=True)
    async with store.read(NORTH) as work:
        listed = [(f.notation, f.listed_by) for f in await work.office.work_files.of_year(2026)]
    assert listed == [("01.TH", "prn_other"), ("02.LU", "prn_other"), ("03.BS", None)]

    received = await taken_in(store, clock)
    went = await sent(store, clock)
    stated = FileCode(organ="Z91.01", year=2026, notation="01.TH")
    stating = await sent(store, clock, number="13", file_code=stated)
    async with committing(store) as work:
        await work.office.books.put_letter(letter("14", date(2026, 11, 19)))
    for id, code in (
        (received.id, "01.th"),
        (received.id, flood.code),
        (went.id, harvest.code),
        ("ppr_14", "01.TH"),
        (stating.id, "01.TH"),
    ):
        assert await work_files.put_in(services, NORTH, id, code)
    assert not await work_files.put_in(services, NORTH, received.id, "01.TH")
    assert await codes_of(services, received.id) == ["01.TH", "02.LU"]

    books = BookServices(store=store, clock=clock, pool=pool)
    async with store.read(NORTH) as work:
        contents = await file_lists.list_contents(work, 2026, harvest.code)
    assert [(line.code, line.author) for line in contents] == [
        ("14/UBND-VP", "North"),
        ("12/UBND-VP", "North"),
        ("13/UBND-VP", "North"),
        ("7/SNN", "South"),
    ]
    assert await file_lists.write(books, NORTH, 2026, harvest.code, "xlsx", "vi", io.BytesIO()) == 4
    async with committing(store) as work:
        await work.incoming.save(replace(await work.incoming.get(received.id), state=InState.RECALLED))
    workbook = io.BytesIO()
    await file_lists.write(books, NORTH, 2026, harvest.code, "xlsx", "vi", workbook)
    assert [row[-1] for row in rows_of(workbook.getvalue())][-4:] == ["", "", "", "Đã thu hồi văn bản"]
    year = await file_lists.list_files(books, NORTH, 2026)
    assert [(f.code, f.documents, f.first) for f in year] == [
        (harvest.code, 4, date(2026, 11, 19)),
        (flood.code, 1, date(2026, 11, 20)),
        (added.code, 0, None),
    ]
    assert await file_lists.list_files(books, SOUTH, 2026) == []

    await work_files.take_out(services, NORTH, went.id, harvest.id, everybodys=False)
    assert await close_file(services, NORTH, harvest.code, "Vụ mùa", USUAL, DAY, everybodys=False)
    (closed,) = await list_open(services, NORTH, everybodys=False)
    assert (closed.id, closed.opened_on, closed.due_on) == (harvest.id, harvest.opened_on, date(2027, 2, 28))
    with pytest.raises(Clash, match="no file"):
        await work_files.put_in(services, NORTH, went.id, harvest.code)
    with pytest.raises(Clash, match="closed"):
        await work_files.take_out(services, NORTH, received.id, harvest.id, everybodys=True)
    async with store.read(NORTH) as work:
        of_file = [event.kind for event in await work.events.of_subject(harvest.id)]
        of_letter = [event.kind for event in await work.events.of_subject(went.id)]
    assert of_file == [EventKind.FILE_OPENED, EventKind.FILE_CLOSED]
    assert of_letter == [EventKind.DOCUMENT_FILED, EventKind.DOCUMENT_UNFILED]


async def test_a_document_of_another_agency_or_one_that_is_not_in_the_register_is_in_no_file(
    services: TodoServices, store: SqlOfficeStore, clock: ManualClock
) -> None:
    file = await opened(services, "01.TH")
    new = incoming(clock, id="inb_new")
    async with committing(store) as work:
        await work.incoming.add(new)
    with pytest.raises(Clash, match="register"):
        await work_files.put_in(services, NORTH, new.id, "01.TH")
    received = await taken_in(store, clock)
    with pytest.raises(NotFound):
        await work_files.put_in(services, SOUTH, received.id, "01.TH")
    with pytest.raises(Clash, match="no file"):
        await work_files.put_in(services, NORTH, received.id, "02.TH")
    await work_files.put_in(services, NORTH, received.id, "01.TH")
    with pytest.raises(Denied):
        await work_files.take_out(services, OTHER, received.id, file.id, everybodys=False)
    with pytest.raises(Clash, match="another person"):
        await work_files.open_file(services, OTHER, 2026, planned("01.TH"), everybodys=False)
    with pytest.raises(NotFound):
        await work_files.take_out(services, SOUTH, received.id, file.id, everybodys=True)
    async with store.read(SOUTH) as work:
        assert await work.office.work_files.of_document(received.id) == []
        assert await work.office.work_files.members([file.id]) == []
        assert await work.office.work_files.usual("Z91.02", "snn", 9) == {}
        assert await work.office.work_files.at_work(9) == []


async def test_the_next_years_list_begins_with_this_one_and_suggestions_follow_to_it(
    services: TodoServices, store: SqlOfficeStore, clock: ManualClock
) -> None:
    for notation in ("01.TH", "02.LU", "03.KH"):
        await opened(services, notation)
    symbols = ("SNN", "SNN", "TCKH")
    letters = [await taken_in(store, clock, symbol=symbol) for symbol in symbols]
    for document, code in zip(letters, ("01.TH", "01.TH", "02.LU"), strict=True):
        await work_files.put_in(services, NORTH, document.id, code)
    link = ReplyLink(agency="Z91.02", number="7/TCKH", date=DAY, document_id=letters[2].document_id)
    stated = FileCode(organ="Z91.01", year=2026, notation="03.KH")
    reply = await sent(store, clock, replies_to=(link,), file_code=stated)

    assert await suggestions(services, incoming(clock, symbol="TCKH")) == [
        ("2026.02.LU", "past", 1),
        ("2026.01.TH", "past", 2),
    ]
    assert await suggestions(services, incoming(clock, symbol="?")) == [
        ("2026.01.TH", "past", 2),
        ("2026.02.LU", "past", 1),
    ]
    assert await suggestions(services, incoming(clock, sender_code="Z91.09")) == []
    assert [s[:2] for s in await suggestions(services, reply)] == [
        ("2026.03.KH", "stated"),
        ("2026.02.LU", "reply"),
        ("2026.01.TH", "past"),
    ]

    await opened(services, "02.LU", 2027, title="Bão lũ")
    assert await work_files.begin_list(services, NORTH, 2027) == 2
    assert await work_files.begin_list(services, NORTH, 2027) == 0
    async with store.read(NORTH) as work:
        begun = [(f.code, f.title, f.retention) for f in await work.office.work_files.of_year(2027)]
    assert begun == [
        ("Z91.01.2027.01.TH", "Hồ sơ 01.TH", "10 năm"),
        ("Z91.01.2027.02.LU", "Bão lũ", "10 năm"),
        ("Z91.01.2027.03.KH", "Hồ sơ 03.KH", "10 năm"),
    ]
    assert await suggestions(services, incoming(clock, symbol="TCKH")) == [
        ("2027.02.LU", "past", 1),
        ("2027.01.TH", "past", 2),
    ]
