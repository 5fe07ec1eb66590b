"""The document register: numbers without gaps or repeats, and given numbers taken once."""

from __future__ import annotations

import asyncio

import pytest

from gateway import errors
from gateway.domain.book import RegisterEntry
from gateway.domain.document import IncomingDocument
from gateway.store.store import SqlStore
from tests.support.clock import ManualClock
from tests.support.stores import NORTH, SOUTH, committing, incoming, seed_incoming


def entry(document: IncomingDocument, number: str, book: str = "in", year: int = 2026) -> RegisterEntry:
    return RegisterEntry(
        incoming_id=document.id, book=book, year=year, number=number, entered_at=document.arrived_at
    )


async def take(store: SqlStore, commit: bool = True) -> int:
    async with store.begin(NORTH) as work:
        number = await work.register.next_number("in", 2026)
        if commit:
            await work.commit()
        return number


async def test_mode_b_numbers_are_dense_under_twenty_at_once(store: SqlStore) -> None:
    numbers = await asyncio.gather(*(take(store) for _ in range(20)))

    assert sorted(numbers) == list(range(1, 21))


async def test_mode_b_a_rolled_back_number_is_given_to_the_next_document(store: SqlStore) -> None:
    commits = [True, False, True, False, False, True]

    numbers = await asyncio.gather(*(take(store, commit) for commit in commits))

    stored_numbers = [number for number, commit in zip(numbers, commits, strict=True) if commit]
    assert sorted(stored_numbers) == [1, 2, 3]
    assert await take(store) == 4


async def test_every_agency_book_and_year_counts_by_itself(store: SqlStore) -> None:
    async with committing(store) as work:
        first = [await work.register.next_number("in", 2026) for _ in range(2)]
        other_numbers = [
            await work.register.next_number("in", 2027),
            await work.register.next_number("out", 2026),
        ]
    async with store.begin(SOUTH) as work:
        south = await work.register.next_number("in", 2026)

    assert (first, other_numbers, south) == ([1, 2], [1, 1], 1)


async def test_a_number_is_taken_once_in_its_book_and_year(store: SqlStore, clock: ManualClock) -> None:
    document = await seed_incoming(store, incoming(clock))
    two = await seed_incoming(store, incoming(clock))

    async with store.begin(NORTH) as work:
        await work.register.enter(entry(document, "1245"))
        with pytest.raises(errors.Clash, match="number 1245 is taken"):
            await work.register.enter(entry(two, "1245"))
        with pytest.raises(errors.Clash) as clash:
            await work.register.enter(entry(two, "01245"))
        with pytest.raises(errors.Clash, match="entered already"):
            await work.register.enter(entry(document, "1246"))
        await work.register.enter(entry(two, "1245", year=2027))
        assert await work.register.of_document(document.id) == entry(document, "1245")
        assert await work.register.of_document("none") is None
    assert clash.value.code == "GW-NUMBER-TAKEN"
    assert (clash.value.params["held_by"], clash.value.params["next_free"]) == (document.id, "1246")
    assert clash.value.params["of"] == f"{document.number}/{document.symbol}"
    assert clash.value.params["sender"] == document.sender_name


async def test_a_book_reads_by_number(store: SqlStore, clock: ManualClock) -> None:
    numbers = ["10", "9", "12a", "1"]

    async with store.begin(NORTH) as work:
        for number in numbers:
            document = incoming(clock)
            await work.incoming.add(document)
            await work.register.enter(entry(document, number))
        book = await work.register.entries("in", 2026)

    assert [e.number for e in book] == ["1", "9", "10", "12a"]


@pytest.mark.parametrize("slip", ["9999999999", "2147483647", "5000"])
async def test_one_number_typed_far_ahead_neither_moves_the_run_nor_overflows_it(
    store: SqlStore, clock: ManualClock, slip: str
) -> None:
    async with committing(store) as work:
        for number in ("1", "02", "40", slip):
            document = incoming(clock)
            await work.incoming.add(document)
            await work.register.enter(entry(document, number))

    assert [await take(store) for _ in range(3)] == [41, 42, 43]


async def test_a_number_far_ahead_is_left_out_when_the_run_comes_to_it(
    store: SqlStore, clock: ManualClock
) -> None:
    async with committing(store) as work:
        for number in ("1", "1002", "1003"):
            document = incoming(clock)
            await work.incoming.add(document)
            await work.register.enter(entry(document, number))

    numbers = [await take(store) for _ in range(1_001)]

    assert numbers == [*range(2, 1_002), 1_004]
