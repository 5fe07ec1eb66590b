"""Saved views of lists, and what lists show to a person who may see few documents, on both databases."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway import errors
from gateway.domain.document import Assignment, Urgency
from gateway_office.accounts import tags_and_views
from gateway_office.domain.listing import MOST_VIEWS, Filter, ListOrder, Side, person_viewer
from gateway_office.store.store import SqlOfficeStore
from tests.office.support.stores import unit_viewer
from tests.support.clock import ManualClock
from tests.support.stores import NORTH, SOUTH, committing, incoming, outgoing, stored

OTHER = replace(NORTH, principal_id="prn_other")


async def test_a_view_belongs_to_one_person_of_one_agency(store: SqlOfficeStore, clock: ManualClock) -> None:
    await tags_and_views.save_view(store, NORTH, Side.IN, "Khẩn hôm nay", "khan=1", clock.now())

    assert [v.query for v in await tags_and_views.views_of(store, NORTH, Side.IN)] == ["khan=1"]
    assert await tags_and_views.views_of(store, NORTH, Side.OUT) == []
    assert await tags_and_views.views_of(store, OTHER, Side.IN) == []
    assert (
        await tags_and_views.views_of(store, replace(SOUTH, principal_id=NORTH.principal_id), Side.IN) == []
    )


async def test_a_name_that_reads_the_same_is_replaced(store: SqlOfficeStore, clock: ManualClock) -> None:
    await tags_and_views.save_view(store, NORTH, Side.IN, "Khẩn", "khan=1", clock.now())
    await tags_and_views.save_view(store, NORTH, Side.IN, " khan ", "khan=khan", clock.now())
    await tags_and_views.save_view(store, NORTH, Side.IN, "Quá hạn", "qua-han=1", clock.now())
    await tags_and_views.save_view(store, NORTH, Side.IN, "Mới", "tab=new", clock.now())

    views = await tags_and_views.views_of(store, NORTH, Side.IN)

    assert [(v.name, v.query) for v in views] == [
        ("khan", "khan=khan"),
        ("Mới", "tab=new"),
        ("Quá hạn", "qua-han=1"),
    ]
    await tags_and_views.remove_view(store, NORTH, Side.IN, "Moi")
    assert len(await tags_and_views.views_of(store, NORTH, Side.IN)) == 2
    with pytest.raises(errors.NotFound):
        await tags_and_views.remove_view(store, OTHER, Side.IN, "Quá hạn")


async def test_views_are_bounded_and_need_a_name(store: SqlOfficeStore, clock: ManualClock) -> None:
    for name in ("", " … ", "a" * 61):
        with pytest.raises(errors.Clash, match="a view needs a name"):
            await tags_and_views.save_view(store, NORTH, Side.OUT, name, "", clock.now())
    for n in range(MOST_VIEWS):
        await tags_and_views.save_view(store, NORTH, Side.OUT, f"View {n}", "", clock.now())

    with pytest.raises(errors.Clash, match="at most"):
        await tags_and_views.save_view(store, NORTH, Side.OUT, "One more", "", clock.now())
    await tags_and_views.save_view(store, NORTH, Side.OUT, "View 0", "tab=sent", clock.now())

    assert len(await tags_and_views.views_of(store, NORTH, Side.OUT)) == MOST_VIEWS


async def test_a_viewer_finds_what_the_unit_was_given_and_nothing_else(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    ours = incoming(clock, assignment=Assignment(lead_unit="Phòng Kế hoạch"), subject="Kế hoạch năm")
    helped = incoming(
        clock, assignment=Assignment(lead_unit="Phòng Tài chính", coordinating_units=("Phòng kế hoạch",))
    )
    longer = incoming(clock, assignment=Assignment(lead_unit="Phòng Kế hoạch và Đầu tư"))
    unassigned = incoming(clock, subject="Phòng Kế hoạch")
    mine, theirs = outgoing(clock), outgoing(clock, accepted_by="prn_other")
    await stored(store, ours, helped, longer, unassigned, mine, theirs)
    unit = Filter(side=Side.IN, viewer=unit_viewer("PHÒNG KẾ HOẠCH"))
    person = Filter(side=Side.OUT, viewer=person_viewer(NORTH.principal_id))

    async with store.read(NORTH) as work:
        ids = {v.id for v in (await work.office.lists.page(unit, limit=10)).lines}
        lines = (await work.office.lists.page(replace(unit, text="kế hoạch năm"), limit=10)).lines
        hidden = (
            await work.office.lists.page(
                replace(unit, text=" ".join(unit_viewer("Phòng Tài chính"))), limit=10
            )
        ).lines
        own = {v.id for v in (await work.office.lists.page(person, limit=10)).lines}
        counted = await work.office.lists.count(unit)

    assert ids == {ours.id, helped.id}
    assert [v.id for v in lines] == [ours.id]
    assert list(hidden) == []
    assert own == {mine.id}
    assert counted.n == 2


async def test_what_is_assigned_later_is_seen_from_then_on(store: SqlOfficeStore, clock: ManualClock) -> None:
    document = incoming(clock)
    unit = Filter(side=Side.IN, viewer=unit_viewer("Phòng A"))
    await stored(store, document)
    for assigned, expected in ((Assignment(lead_unit="Phòng A"), 1), (Assignment(lead_unit="Phòng B"), 0)):
        async with committing(store) as work:
            loaded = await work.incoming.get(document.id)
            await work.incoming.save(replace(loaded, assignment=assigned))
        async with store.read(NORTH) as work:
            assert len((await work.office.lists.page(unit, limit=10)).lines) == expected


async def test_the_rows_beside_one_are_those_of_the_list_it_was_opened_from(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    async with committing(store) as work:
        for n in range(7):
            clock.advance(60)
            urgency = Urgency.EXPRESS if n % 3 == 0 else Urgency.NORMAL
            await work.incoming.add(incoming(clock, urgency=urgency, number=str(n), subject=f"Văn bản {n}"))
    for list_filter in (
        Filter(side=Side.IN),
        Filter(side=Side.IN, pressing=True),
        Filter(side=Side.IN, sort=ListOrder.NUMBER_DOWN),
        Filter(side=Side.IN, text="văn bản"),
    ):
        async with store.read(NORTH) as work:
            order = [line.id for line in (await work.office.lists.page(list_filter, limit=50)).lines]
            neighbours = [await work.office.lists.neighbours(list_filter, id) for id in order]
            stranger = await work.office.lists.neighbours(
                replace(list_filter, urgency=Urgency.VERY_URGENT), order[0]
            )

        assert neighbours == list(zip([None, *order[:-1]], [*order[1:], None], strict=True)), list_filter
        assert stranger == (None, None)
        assert len(order) == (3 if list_filter.pressing else 7)
