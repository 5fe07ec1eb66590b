"""Tables of retention in both databases: the newest of the agency counts; a look at a table names the ends that it moves
before it is in force."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from gateway import retention
from gateway.domain.event import EventKind
from gateway.errors import Clash
from gateway.store.retention import open_retention
from gateway.store.store import SqlStore
from gateway.store.tables_records import FileMemberRow, WorkFileRow
from tests.support.clock import ManualClock
from tests.support.stores import NORTH, SOUTH, draft, incoming, outgoing, seed_incoming

HEAD = "class,type,file_kind,months,start,valid_from,valid_until,basis\n"
TABLE = HEAD + "10 năm,,,120,file-closed,2000-01-01,,QĐ 1\nCV,Letter,,24,year-end,2000-01-01,,QĐ 1\n"
LONGER = TABLE.replace("120", "vĩnh viễn").replace(",24,", ",36,")


async def put_file(store: SqlStore, clock: ManualClock, document_id: str) -> None:
    file = WorkFileRow(
        agency_id=NORTH.agency_id,
        id="fil_1",
        code="01.TH",
        title="Harvest",
        kind="usual",
        year=2024,
        closed_on=date(2024, 2, 29),
        owner="prn_1",
        retention="10 năm",
    )
    member = FileMemberRow(
        agency_id=NORTH.agency_id,
        file_id="fil_1",
        document_id=document_id,
        partner="",
        symbol="",
        by="prn_1",
        at=clock.now(),
    )
    async with store.writing() as tx:
        tx.insert(file)
        tx.insert(member)
        await tx.commit()


async def test_a_table_is_looked_at_before_it_counts_and_the_newest_counts(
    store: SqlStore, clock: ManualClock
) -> None:
    """R102: periods are dated data of the agency."""
    letter = await seed_incoming(store, incoming(clock, number="7"))
    sent = outgoing(clock, draft=draft(type_name="Decision"))
    async with store.begin(NORTH) as work:
        await work.outgoing.add(sent)
        await work.commit()
    await put_file(store, clock, letter.id)
    rows = retention.read_table(TABLE)
    assert [(r.name, r.months, r.document_type) for r in rows] == [("10 năm", 120, ""), ("CV", 24, "Letter")]

    moves = await retention.preview(store, NORTH, rows)
    assert (moves.files, moves.documents, moves.earliest, moves.latest) == (
        1,
        1,
        date(2034, 2, 28),
        date(2034, 2, 28),
    )
    async with store.read(NORTH) as work:
        assert await retention.expiry_of(work, letter) is None
    first = await retention.put_table(store, clock, NORTH, rows, moves)
    assert (await retention.preview(store, NORTH, rows)).first == ()
    longer = retention.read_table(LONGER)
    moves = await retention.preview(store, NORTH, longer)
    assert [(m.code, m.present.on, m.planned.is_permanent) for m in moves.first] == [
        ("01.TH", date(2034, 2, 28), True),
        (letter.code, date(2034, 2, 28), True),
    ]
    assert (await retention.preview(store, SOUTH, rows)).first == ()
    clock.advance(timedelta(seconds=1))
    second = await retention.put_table(store, clock, NORTH, longer, moves)

    async with store.read(NORTH) as work:
        newest = await open_retention(work).newest()
        ends = [await retention.expiry_of(work, document) for document in (letter, sent)]
        kinds = [e.kind for id in (first.id, second.id) for e in await work.events.of_subject(id)]
    assert newest == second
    assert [end.is_permanent if end else None for end in ends] == [True, False]
    assert kinds == [EventKind.RETENTION_CHANGED] * 2
    async with store.read(SOUTH) as work:
        assert await open_retention(work).newest() is None
        assert await open_retention(work).files() == []
        assert await open_retention(work).files_of([letter.id]) == {}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("10 năm,,,0,file-closed,2000-01-01,,QĐ 1", "line 2"),
        ("10 năm,,,12,someday,2000-01-01,,QĐ 1", "line 2"),
        ("10 năm,,,12,file-closed,2000-01-01,1999-01-01,QĐ 1", "line 2"),
        ("10 năm,Letter,usual,12,file-closed,2000-01-01,,QĐ 1", "line 2"),
        ("10 năm,,,12,file-closed,2000-01-01,,", "its basis"),
        ("", "rows"),
    ],
)
def test_a_table_with_a_wrong_row_is_refused_as_a_whole(row: str, words: str) -> None:
    with pytest.raises(Clash, match=words):
        retention.read_table(HEAD + row)
