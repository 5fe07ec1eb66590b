"""An agency's own labels, and what lists find by them, by where a document came from and by its register book; on both
databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from sqlalchemy import text

from gateway import errors
from gateway.domain.account import PrincipalKind
from gateway.domain.document import InState, OutState, Source
from gateway_office.accounts import tags_and_views
from gateway_office.domain.listing import (
    MOST_ON_ONE,
    MOST_TAGS,
    NO_BOOK,
    Filter,
    ListOrder,
    Origin,
    Side,
    Tag,
)
from gateway_office.store.store import SqlOfficeStore
from tests.office.support.stores import folded
from tests.support.clock import ManualClock
from tests.support.stores import NORTH, SOUTH, committing, draft, incoming, outgoing, stored

OUT, IN = Filter(side=Side.OUT, sort=ListOrder.NEWEST), Filter(side=Side.IN, sort=ListOrder.NEWEST)


async def add_incoming(store: SqlOfficeStore, clock: ManualClock, **values: Any) -> str:
    document = incoming(clock, **values)
    await stored(store, document)
    clock.advance(1)
    return document.id


async def went(store: SqlOfficeStore, clock: ManualClock, **values: Any) -> str:
    document = outgoing(clock, **values)
    await stored(store, document)
    clock.advance(1)
    return document.id


async def listed_ids(store: SqlOfficeStore, list_filter: Filter) -> list[str]:
    """Return the ids in a list, newest first, page by page; check that the count says the same."""
    ids: list[str] = []
    cursor = None
    async with store.read(NORTH) as work:
        while True:
            page = await work.office.lists.page(list_filter, limit=2, cursor=cursor)
            ids += [line.id for line in page.lines]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert (await work.office.lists.count(list_filter)).n == len(ids)
    return ids


async def label(store: SqlOfficeStore, name: str) -> Tag:
    return next(tag for tag in await tags_and_views.tags_of(store, NORTH) if tag.name == name)


async def test_a_label_is_made_with_its_first_mark_and_found_however_it_is_written(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    first, second, sent = (
        await add_incoming(store, clock),
        await add_incoming(store, clock),
        await went(store, clock),
    )

    assert await tags_and_views.put_tag(store, clock, NORTH, "  Hồ sơ   dự án ", first)
    assert await tags_and_views.put_tag(store, clock, NORTH, "ho so du an", second)
    assert await tags_and_views.put_tag(store, clock, NORTH, "Hồ sơ dự án", sent)
    assert not await tags_and_views.put_tag(store, clock, NORTH, "HỒ SƠ DỰ ÁN", first)

    (tag,) = await tags_and_views.tags_of(store, NORTH)
    assert (tag.name, tag.made_by) == ("Hồ sơ dự án", NORTH.principal_id)
    assert await listed_ids(store, replace(IN, tag=tag.id)) == [second, first]
    assert await listed_ids(store, replace(OUT, tag=tag.id)) == [sent]
    assert await listed_ids(store, replace(IN, tag=tag.id, sort=ListOrder.FIRST, text="")) == [first, second]
    async with store.read(NORTH) as work:
        assert await work.office.tags.counts() == {(tag.id, Side.IN): 2, (tag.id, Side.OUT): 1}
        assert await work.office.tags.of_documents([first, "inb_other"]) == {first: [tag]}


async def test_what_is_taken_off_or_deleted_is_found_no_more(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    first, second = await add_incoming(store, clock), await add_incoming(store, clock)
    for id in (first, second):
        await tags_and_views.put_tag(store, clock, NORTH, "Chờ ý kiến", id)
    await tags_and_views.put_tag(store, clock, NORTH, "An toàn", first)
    waits = await label(store, "Chờ ý kiến")
    async with store.read(NORTH) as work:
        assert [tag.name for tag in (await work.office.tags.of_documents([first]))[first]] == [
            "An toàn",
            "Chờ ý kiến",
        ]

    assert await tags_and_views.take_off_tag(store, NORTH, waits.id, first)
    assert not await tags_and_views.take_off_tag(store, NORTH, waits.id, first)
    assert await listed_ids(store, replace(IN, tag=waits.id)) == [second]

    await tags_and_views.remove_tag(store, NORTH, waits.id)
    assert await listed_ids(store, replace(IN, tag=waits.id)) == []
    assert [tag.name for tag in await tags_and_views.tags_of(store, NORTH)] == ["An toàn"]
    with pytest.raises(errors.NotFound):
        await tags_and_views.remove_tag(store, NORTH, waits.id)


async def test_another_agency_neither_sees_nor_touches_them(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    ours = await add_incoming(store, clock)
    await tags_and_views.put_tag(store, clock, NORTH, "Mật thiết", ours)
    label_id = await label(store, "Mật thiết")

    assert await tags_and_views.tags_of(store, SOUTH) == []
    with pytest.raises(errors.NotFound):
        await tags_and_views.put_tag(store, clock, SOUTH, "Mật thiết", ours)
    with pytest.raises(errors.NotFound):
        await tags_and_views.remove_tag(store, SOUTH, label_id.id)
    assert not await tags_and_views.take_off_tag(store, SOUTH, label_id.id, ours)
    async with store.read(SOUTH) as work:
        assert await work.office.tags.of_documents([ours]) == {}
        assert (await work.office.lists.count(replace(IN, tag=label_id.id))).n == 0
    assert await listed_ids(store, replace(IN, tag=label_id.id)) == [ours]


async def test_labels_are_bounded_and_need_a_name(store: SqlOfficeStore, clock: ManualClock) -> None:
    document = await add_incoming(store, clock)
    for name in ("", " … ", "a" * 41):
        with pytest.raises(errors.Clash, match="a label needs a name"):
            await tags_and_views.put_tag(store, clock, NORTH, name, document)
    for n in range(MOST_ON_ONE):
        await tags_and_views.put_tag(store, clock, NORTH, f"Nhãn {n}", document)
    with pytest.raises(errors.Clash, match="carries at most"):
        await tags_and_views.put_tag(store, clock, NORTH, "Một nữa", document)
    assert len(await tags_and_views.tags_of(store, NORTH)) == MOST_ON_ONE

    async with committing(store) as work:
        for n in range(MOST_ON_ONE, MOST_TAGS):
            tag = Tag(id=f"tag_{n}", name=f"Nhãn {n}", made_by=NORTH.principal_id, made_at=clock.now())
            await work.office.tags.add(tag)
    with pytest.raises(errors.Clash, match="an agency has at most"):
        await tags_and_views.put_tag(store, clock, NORTH, "Một nữa", await add_incoming(store, clock))


async def test_lists_are_filtered_by_where_a_document_came_from(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    program = await store.accounts.principal_for(PrincipalKind.PROGRAM, "qlvb", NORTH.agency_id)
    operator = await store.accounts.principal_for(PrincipalKind.OPERATOR, "root")
    person = await store.accounts.principal_for(PrincipalKind.PERSON, "clerk")
    by_program = [await went(store, clock, accepted_by=program.id) for _ in range(3)]
    by_machine = await went(store, clock, accepted_by=operator.id)
    by_hand = await went(store, clock, accepted_by=person.id)
    unknown = await went(store, clock, accepted_by="demo")
    paper = await add_incoming(store, clock, source=Source.PAPER)
    axis = await add_incoming(store, clock)

    assert await listed_ids(store, replace(OUT, origin=Origin.PROGRAM)) == by_program[::-1]
    assert await listed_ids(store, replace(OUT, origin=Origin.MACHINE)) == [unknown, by_machine]
    assert await listed_ids(store, replace(OUT, origin=Origin.HAND)) == [by_hand]
    assert await listed_ids(store, replace(IN, origin=Origin.PAPER)) == [paper]
    assert await listed_ids(store, replace(IN, origin=Origin.AXIS)) == [axis]
    async with store.read(NORTH) as work:
        line = await work.office.lists.line(by_hand)
    assert line is not None
    assert line.origin is Origin.HAND


async def test_lists_are_filtered_by_register_book(store: SqlOfficeStore, clock: ManualClock) -> None:
    plan = await went(store, clock, draft=draft(issued_on=date(2026, 11, 2)))
    last_year = await went(store, clock, draft=draft(issued_on=date(2025, 12, 31)))
    unfinished = await went(
        store, clock, state=OutState.DRAFT, draft=draft(issued_on=date(2026, 11, 2), recipients=())
    )
    waiting = await add_incoming(store, clock)
    document = await add_incoming(store, clock, state=InState.ACCEPTED, register_no="7", register_year=2026)

    assert await listed_ids(store, replace(OUT, book="2026")) == [plan]
    assert await listed_ids(store, replace(OUT, book="2025")) == [last_year]
    assert await listed_ids(store, replace(OUT, book=NO_BOOK)) == [unfinished]
    assert await listed_ids(store, replace(IN, book="2026")) == [document]
    assert await listed_ids(store, replace(IN, book=NO_BOOK)) == [waiting]
    async with store.read(NORTH) as work:
        assert await work.office.lists.books(Side.OUT) == ["2025", "2026", NO_BOOK]
        assert await work.office.lists.books(Side.IN) == ["2026", NO_BOOK]


async def test_rows_of_before_get_where_they_came_from(store: SqlOfficeStore, clock: ManualClock) -> None:
    paper = await add_incoming(store, clock, source=Source.PAPER)
    await folded(store)
    async with store.writing() as tx:
        await tx.connection.execute(text("UPDATE list_row SET origin = NULL, book = NULL"))
        await tx.commit()
    assert await listed_ids(store, replace(IN, origin=Origin.PAPER)) == []

    while await store.fill_lists(5):
        pass
    clock.advance(60)

    assert await listed_ids(store, replace(IN, origin=Origin.PAPER)) == [paper]
    assert await listed_ids(store, replace(IN, book=NO_BOOK)) == [paper]
