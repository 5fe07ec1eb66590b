"""Personal data on both databases: each place that names a person is found, with the rule that lets it stay; an erasure by
decision leaves the others, and the log stays whole."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlmodel import col

from gateway import personal_data, retention
from gateway.domain.document import Signer, Staff
from gateway.domain.event import EventKind
from gateway.domain.person import Credentials, Person
from gateway.domain.states import Track
from gateway.domain.status import Fact
from gateway.errors import Clash
from gateway.personal_data import ErasureObstacle
from gateway.pool import ThreadPool
from gateway.store.people import SqlPeople
from gateway.store.personal_data import SourceKind
from gateway.store.store import SqlStore
from gateway.store.tables_node import PrincipalRow
from tests.contract.test_store_retention import HEAD
from tests.support.clock import ManualClock
from tests.support.sealed import Book
from tests.support.stores import NORTH, committing, incoming, seed_incoming

NAME = "Trần Thị “Thử"
DECISION, WHY = "12/QĐ-STTTT", "Người có dữ liệu yêu cầu"
TABLE = HEAD + "CV,Letter,,24,year-end,2000-01-01,,QĐ 1\n"


async def places(book: Book, person: str = NAME) -> dict[tuple[SourceKind, str], ErasureObstacle | None]:
    answers = personal_data.find(book.store, book.clock, person)
    return {(d.place.kind, d.place.field): d.obstacle async for d in answers}


async def add_person(book: Book) -> Person:
    now = book.clock.now()
    person = Person(
        id=book.clock.new_id("prn_"),
        name="Trần Thị Thử",
        login="thu.tran",
        email="thu@north.example",
        roles=frozenset(),
        added_by="prn_1",
        added_at=now,
        roles_by="prn_1",
        roles_at=now,
    )
    async with book.store.changing_rows() as tx:
        await SqlPeople(tx).add(person, Credentials())
    return person


async def test_a_person_is_found_in_letters_statuses_and_the_log_and_leaves_where_no_rule_stands_against_it(
    store: SqlStore, clock: ManualClock, pool: ThreadPool
) -> None:
    """Law 91/2025: the letter keeps its retention (R102), the line about no letter goes, and each proof holds."""
    book = Book(store=store, clock=clock, pool=pool)
    letter = await seed_incoming(store, incoming(clock, signer=Signer(name=NAME), type_name="Letter"))
    async with committing(store) as work:
        staff = Staff(name=NAME, phone="0912345678")
        await work.facts.add(letter.id, Fact(track=Track.BUSINESS, code="03", at=clock.now(), staff=staff))
        await work.events.append(EventKind.INBOX_ANSWERED, letter.id, clock.now(), {"staff": NAME})
        await work.events.append(EventKind.PERSON_BLOCKED, "prn_9", clock.now(), {"reason": f"{NAME} hỏi"})
    (seal,) = await book.pages(1)

    assert await places(book) == {
        (SourceKind.INCOMING, "signer.name"): ErasureObstacle.RETENTION,
        (SourceKind.STATUS, "staff.name"): ErasureObstacle.RETENTION,
        (SourceKind.EVENT, "staff"): ErasureObstacle.RETENTION,
        (SourceKind.EVENT, "reason"): None,
    }
    assert await places(book, "0912345678") == {(SourceKind.STATUS, "staff.phone"): ErasureObstacle.RETENTION}
    erasure = await personal_data.erase(store, clock, NAME, DECISION, WHY, "prn_1")
    assert (erasure.texts, erasure.accounts, erasure.staying) == (1, 0, 3)

    rows = retention.read_table(TABLE)
    await retention.put_table(store, clock, NORTH, rows, await retention.preview(store, NORTH, rows))
    clock.advance(timedelta(days=4 * 366))
    assert await places(book) == {
        (SourceKind.INCOMING, "signer.name"): ErasureObstacle.ENDED,
        (SourceKind.STATUS, "staff.name"): ErasureObstacle.ENDED,
        (SourceKind.EVENT, "staff"): None,
    }
    await personal_data.erase(store, clock, NAME, DECISION, WHY, "prn_1")
    assert (SourceKind.EVENT, "staff") not in await places(book)
    with pytest.raises(Clash, match="may be erased"):
        await personal_data.erase(store, clock, NAME, DECISION, WHY, "prn_1")
    await book.store.number_events()
    assert (await book.examine(seal, await book.seal())).holds


async def test_an_account_in_use_stays_and_one_that_is_over_leaves_its_id(
    store: SqlStore, clock: ManualClock, pool: ThreadPool
) -> None:
    book = Book(store=store, clock=clock, pool=pool)
    person = await add_person(book)
    assert set((await places(book, "tran thi thu")).values()) == {ErasureObstacle.IN_USE}
    with pytest.raises(Clash, match="may be erased"):
        await personal_data.erase(store, clock, "thu.tran", DECISION, WHY, "prn_1")
    with pytest.raises(Clash, match="decision"):
        await personal_data.erase(store, clock, "thu.tran", " ", WHY, "prn_1")
    with pytest.raises(Clash, match="at least 3"):
        await places(book, " a ")

    async with store.changing_rows() as tx:
        await SqlPeople(tx).save(replace(person, blocked_at=clock.now()))
    erasure = await personal_data.erase(store, clock, "thu.tran", DECISION, WHY, "prn_1")

    assert (erasure.texts, erasure.accounts) == (0, 1)
    async with store.reading() as tx:
        bare = await SqlPeople(tx).get(person.id)
        names = await tx.tuples(select(col(PrincipalRow.name)).where(col(PrincipalRow.id) == person.id))
    assert (bare.name, bare.login, bare.email, bare.title) == ("Người đã xóa dữ liệu", None, None, "")
    assert [name for (name,) in names] == ["Người đã xóa dữ liệu"]
    assert await places(book, "thu.tran") == {}
    await add_person(book)


async def test_nothing_of_another_person_goes_by_a_part_of_the_name_or_by_a_name_that_two_have(
    store: SqlStore, clock: ManualClock, pool: ThreadPool
) -> None:
    book = Book(store=store, clock=clock, pool=pool)
    person = await add_person(book)
    namesake = replace(person, id="prn_2", login="thu.hai", email=None)
    async with store.changing_rows() as tx:
        await SqlPeople(tx).add(namesake, Credentials())
        for account in (person, namesake):
            await SqlPeople(tx).save(replace(account, blocked_at=clock.now()))
    async with committing(store) as work:
        data = {"reason": "Thửa đất của bà Trần Thị Thửng"}
        await work.events.append(EventKind.PERSON_BLOCKED, "prn_9", clock.now(), data)
    await book.pages(1)

    assert {kind for kind, _ in await places(book, "Thử")} == {SourceKind.ACCOUNT}
    with pytest.raises(Clash, match="may be erased"):
        await personal_data.erase(store, clock, "Thử", DECISION, WHY, "prn_1")
    with pytest.raises(Clash, match="several"):
        await personal_data.erase(store, clock, "Trần Thị Thử", DECISION, WHY, "prn_1")
    assert (await personal_data.erase(store, clock, "thu.hai", DECISION, WHY, "prn_1")).accounts == 1
