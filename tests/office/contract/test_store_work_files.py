"""Closed work files are entered once, corrected by those who may, and leave the list when they go to the archive."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from gateway.domain.event import EventKind
from gateway.errors import Denied, NotFound
from gateway_office.domain.work_file import FileKind
from gateway_office.letters.work_files import archive_file, close_file, list_open
from gateway_office.services import TodoServices
from gateway_office.store.store import SqlOfficeStore
from tests.support.clock import ManualClock
from tests.support.stores import NORTH, SOUTH

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
