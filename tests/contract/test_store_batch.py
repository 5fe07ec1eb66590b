"""Units that are asked for at the same time share a transaction: each of them ends as it would have ended alone, and what
one does never shows in another."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import bindparam, func, literal, select, union_all
from sqlalchemy.exc import OperationalError
from sqlalchemy.sql import Executable
from sqlmodel import col

from gateway import errors
from gateway.domain.account import AgencyScope
from gateway.domain.document import IncomingDocument, Kind
from gateway.domain.event import EventKind
from gateway.domain.identity import DocumentId
from gateway.domain.proof import Identity
from gateway.domain.states import Track
from gateway.domain.status import Fact
from gateway.store.events import NODE
from gateway.store.sqlite_file import GroupedTransaction
from gateway.store.store import SqlStore
from gateway.store.tables_node import EventCounterRow, EventRow
from gateway.store.transaction import Transaction
from gateway.store.work import SqlWork
from tests.support.clock import ManualClock
from tests.support.stores import (
    NORTH,
    SOUTH,
    committing,
    delivery,
    digest,
    inbox_item,
    incoming,
    outgoing,
    stored,
)

Body = Callable[[SqlWork], Awaitable[Any]]


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> list[Transaction]:
    """Return a list that grows by every transaction that is committed."""
    transactions: list[Transaction] = []
    commit = Transaction.commit

    async def hears(tx: Transaction) -> None:
        await commit(tx)
        transactions.append(tx)

    monkeypatch.setattr(Transaction, "commit", hears)
    return transactions


def accepting(clock: ManualClock, scope: AgencyScope = NORTH, **fields: Any) -> Body:
    """Return a body that accepts one document with all that hangs on it; the body returns the document's id."""
    document = outgoing(clock, scope=scope, **fields)

    async def body(work: SqlWork) -> str:
        await work.agency()
        assert await work.outgoing.by_document_id(document.document_id) == []
        await work.outgoing.add(document)
        sent = delivery(document, "Z91.02")
        await work.deliveries.add([sent])
        await work.facts.add_all([(sent.id, Fact(track=Track.TRANSPORT, code="queued", at=clock.now()))])
        await work.deliveries.save_state(sent.id, "sending", (), clock.now())
        await work.events.append(EventKind.MESSAGE_ACCEPTED, document.id, clock.now())
        return document.id

    return body


def claiming(clock: ManualClock, body: str, packet: str) -> Body:
    identity = Identity(
        sender="Z91.02",
        body_digest=digest(body),
        kind=Kind.DOCUMENT,
        packet_id=packet,
        document_id=f"d-{body}",
        inbox_id=f"box-{body}-{packet}",
        incoming_id=None,
        at=clock.now(),
    )

    async def claim(work: SqlWork) -> str:
        await work.identities.claim(identity)
        return identity.inbox_id

    return claim


async def shared(store: SqlStore, *bodies: Body, scope: AgencyScope = NORTH) -> Sequence[Any]:
    """Return the outcome of each, asked for at the same time."""
    return await asyncio.gather(*(store.share(scope, body) for body in bodies), return_exceptions=True)


async def test_units_of_several_agencies_that_come_together_are_committed_together(
    store: SqlStore, clock: ManualClock, commits: list[Transaction]
) -> None:
    await shared(store, *(accepting(clock) for _ in range(2)))  # the first call prepares the statements
    commits.clear()

    ids = await asyncio.gather(
        *(store.share(NORTH, accepting(clock)) for _ in range(20)),
        *(store.share(SOUTH, accepting(clock, SOUTH)) for _ in range(5)),
    )

    assert len(commits) == 1
    for scope, mine in ((NORTH, ids[:20]), (SOUTH, ids[20:])):
        async with store.read(scope) as view:
            for id in mine:
                assert [unit.state for unit in await view.deliveries.of_document(id)] == ["sending"]
                assert [unit.kind for unit in await view.events.of_subject(id)] == [
                    EventKind.MESSAGE_ACCEPTED
                ]


async def test_who_fails_leaves_nothing_and_takes_nobody_along(
    store: SqlStore, clock: ManualClock, commits: list[Transaction]
) -> None:
    good, bad = accepting(clock), accepting(clock)

    async def fails(work: SqlWork) -> None:
        fails_id.append(await bad(work))
        raise errors.Clash("said no")

    fails_id: list[str] = []
    first, second, third = await shared(store, good, fails, accepting(clock))

    assert isinstance(second, errors.Clash)
    async with store.read(NORTH) as view:
        assert [unit.id for unit in await view.outgoing.of_many([first, third])] == sorted([first, third])
        assert await view.outgoing.of_many(fails_id) == []
        assert await view.events.of_subject(fails_id[0]) == []
    assert len(commits) == 1


async def test_who_wants_what_another_one_claims_hears_no_as_if_he_had_come_later(
    store: SqlStore, clock: ManualClock
) -> None:
    ends = await shared(
        store,
        claiming(clock, "one", "p-1"),
        claiming(clock, "two", "p-2"),
        claiming(clock, "one", "p-3"),
        claiming(clock, "three", "p-2"),
    )

    refused = [isinstance(end, errors.Conflict) for end in ends]
    assert sorted([refused[0], refused[2]]) == sorted([refused[1], refused[3]]) == [False, True]
    async with store.read(NORTH) as view:
        assert await view.identities.by_body("Z91.02", digest("one")) is not None


async def test_who_holds_the_same_name_sees_what_the_other_one_wrote(
    store: SqlStore, clock: ManualClock
) -> None:
    document = outgoing(clock)

    async def numbered(work: SqlWork) -> int:
        earlier = await work.outgoing.by_document_id(document.document_id)
        attempt = len(earlier) + 1
        packet = f"p-{attempt}"
        await work.outgoing.add(
            outgoing(clock, document_id=document.document_id, packet_id=packet, attempt=attempt)
        )
        return attempt

    assert sorted(await shared(store, numbered, numbered, numbered)) == [1, 2, 3]


async def test_who_changes_the_same_row_sees_the_last_change(store: SqlStore, clock: ManualClock) -> None:
    document = outgoing(clock)
    async with committing(store) as work:
        await work.outgoing.add(document)

    async def grown(work: SqlWork) -> None:
        stored = await work.outgoing.get(document.id)
        await work.outgoing.save(replace(stored, attempt=stored.attempt + 1))

    await shared(store, *[grown] * 5)

    async with store.read(NORTH) as view:
        assert (await view.outgoing.get(document.id)).attempt == document.attempt + 5


async def test_who_adds_to_the_facts_of_a_delivery_sees_those_of_who_asks_for_many(
    store: SqlStore, clock: ManualClock
) -> None:
    document = outgoing(clock)
    many = [delivery(document, code) for code in ("Z91.02", "Z91.03")]
    await stored(store, document, *many)
    contested = many[0].id

    def adding(code: str, facts_of: Callable[[SqlWork], Awaitable[Sequence[Fact]]]) -> Body:
        async def add(work: SqlWork) -> int:
            facts = await facts_of(work)
            fact = Fact(track=Track.TRANSPORT, code=code, at=clock.now())
            await work.facts.add_all([(contested, fact)])
            return len(facts)

        return add

    async def of_many(work: SqlWork) -> Sequence[Fact]:
        return (await work.facts.of_subjects([row.id for row in many]))[contested]

    counts = await shared(
        store,
        adding("sent", of_many),
        adding("arrived", lambda work: work.facts.of_subject(contested)),
        adding("failed", of_many),
    )

    assert sorted(counts) == [0, 1, 2]


async def test_a_unit_that_had_to_write_at_once_and_fails_leaves_nothing(
    store: SqlStore, clock: ManualClock
) -> None:
    lost = outgoing(clock)

    async def fails(work: SqlWork) -> None:
        await work.outgoing.add(lost)
        assert (await work.outgoing.get(lost.id)).id == lost.id  # so it was written
        raise errors.Clash("said no")

    first, second = await shared(store, accepting(clock), fails)

    assert isinstance(second, errors.Clash)
    async with store.read(NORTH) as view:
        assert await view.outgoing.of_many([lost.id]) == []
        assert len(await view.outgoing.of_many([first])) == 1


async def test_the_events_of_a_batch_have_numbers_without_gaps_whoever_leaves_it(
    store: SqlStore, clock: ManualClock
) -> None:
    async def told_at_once(work: SqlWork) -> None:
        await work.events.append(EventKind.MESSAGE_ACCEPTED, "at-once", clock.now())
        assert len(await work.events.of_subject("at-once")) == 1

    async def fails(work: SqlWork) -> None:
        await accepting(clock)(work)
        raise errors.Clash("said no")

    for act in (fails, told_at_once):
        north = (accepting(clock), act, accepting(clock), told_at_once)
        await asyncio.gather(
            *(store.share(NORTH, unit) for unit in north),
            *(store.share(SOUTH, accepting(clock, SOUTH)) for _ in range(2)),
            return_exceptions=True,
        )
    while await store.number_events():
        pass

    async with store.viewing_few() as tx:
        answers = await tx.tuples(
            select(col(EventRow.agency_id), col(EventRow.node_seq), col(EventRow.agency_seq))
        )
        last = dict(await tx.tuples(select(col(EventCounterRow.agency_id), col(EventCounterRow.last))))
    assert sorted(node for _, node, _ in answers) == [*range(1, len(answers) + 1)]
    for scope in (NORTH, SOUTH):
        own = sorted(own for agency, _, own in answers if agency == scope.agency_id)
        assert own == [*range(1, last[scope.agency_id] + 1)]
    assert last[NODE] == len(answers)


async def test_a_batch_whose_commit_says_nothing_is_not_repeated_and_every_caller_gets_the_error(
    store: SqlStore, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit may be on disk: the caller has to look."""
    questions: list[str] = []

    async def silent(tx: Transaction) -> None:
        await settle(tx)
        raise OperationalError("COMMIT", None, Exception("the line broke"))

    def counted(body: Body) -> Body:
        async def called(work: SqlWork) -> Any:
            questions.append(await body(work))
            return questions[-1]

        return called

    kind = GroupedTransaction if store.writer.dialect.name == "sqlite" else Transaction
    settle: Any = kind._settle
    with monkeypatch.context() as broken:
        broken.setattr(kind, "_settle", silent)
        ends = await shared(store, *(counted(accepting(clock)) for _ in range(3)))

    assert all(isinstance(end, errors.StoreFailure) and "look before" in str(end) for end in ends)
    assert len(questions) == 3
    async with store.read(NORTH) as view:
        assert len(await view.outgoing.of_many(questions)) == 3


async def test_each_unit_runs_where_it_was_asked_for(store: SqlStore, clock: ManualClock) -> None:
    asked_by = ContextVar("asked_by", default="nobody")

    async def find_owner(work: SqlWork) -> str:
        await work.agency()
        return asked_by.get()

    async def ask_name(name: str) -> str:
        asked_by.set(name)
        return await store.share(NORTH, find_owner)

    tasks = [asyncio.create_task(ask_name(name)) for name in "abc"]
    assert await asyncio.gather(*tasks) == ["a", "b", "c"]
    assert await store.share(NORTH, find_owner) == "nobody"


async def test_a_unit_that_waits_between_its_questions_is_committed_with_its_batch(
    store: SqlStore, clock: ManualClock, commits: list[Transaction]
) -> None:
    """A unit that waits for a thread or the loop, or fails, neither gets another unit's answer nor blocks the others."""
    asked_by = ContextVar("asked_by", default="nobody")
    documents = [outgoing(clock) for _ in range(9)]
    async with committing(store) as work:
        for document in documents:
            await work.outgoing.add(document)

    async def failing() -> None:
        await asyncio.sleep(0)
        raise OSError("the line broke")

    async def body(work: SqlWork, n: int) -> str:
        asked_by.set(f"unit {n}")
        document = await work.outgoing.get(documents[n].id)
        for _ in range(n % 3):
            await asyncio.to_thread(lambda: None)
            document = await work.outgoing.get(document.id)
            await asyncio.sleep(0)
        with pytest.raises(OSError, match="the line broke"):
            await failing()
        await work.events.append(EventKind.MESSAGE_ACCEPTED, document.id, clock.now())
        if n == 4:
            await failing()
        assert asked_by.get() == f"unit {n}"
        return document.id

    bodies = [partial(body, n=n) for n in range(len(documents))]
    for _ in range(2):  # the first call prepares the statements
        commits.clear()
        ends = await shared(store, *bodies)
        assert [type(end) for end in ends] == [OSError if n == 4 else str for n in range(len(documents))]
        assert [*map(str, ends)] == [
            "the line broke" if n == 4 else document.id for n, document in enumerate(documents)
        ]
    assert len(commits) == 1
    async with store.read(NORTH) as view:
        counts = [len(await view.events.of_subject(document.id)) for document in documents]
    assert counts == [0 if n == 4 else 2 for n in range(len(documents))]


async def test_who_is_cut_short_before_his_turn_is_not_done_and_the_others_are(
    store: SqlStore, clock: ManualClock
) -> None:
    finished: list[str] = []

    async def noted(work: SqlWork) -> None:
        await work.agency()
        finished.append("cut")

    tasks = [asyncio.create_task(store.share(NORTH, accepting(clock))) for _ in range(3)]
    cut = asyncio.create_task(store.share(NORTH, noted))
    await asyncio.sleep(0)
    cut.cancel()
    await asyncio.wait([cut])

    assert cut.cancelled()
    assert len({*await asyncio.gather(*tasks)}) == 3
    assert finished == []


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=12))
async def test_any_claims_end_as_in_some_order_one_after_another(
    store: SqlStore, clock: ManualClock, claims: list[tuple[int, int]]
) -> None:
    """Each that was refused meets one that was not; no two that were not meet."""
    run = clock.new_id()
    bodies = [claiming(clock, f"{run}-{body}", f"{run}-{packet}") for body, packet in claims]

    ends = await shared(store, *bodies)

    refused = [claim for claim, end in zip(claims, ends, strict=True) if isinstance(end, str)]
    assert len({body for body, _ in refused}) == len({packet for _, packet in refused}) == len(refused)
    for claim, end in zip(claims, ends, strict=True):
        if not isinstance(end, str):
            assert isinstance(end, errors.Conflict)
            assert any(claim[0] == body or claim[1] == packet for body, packet in refused)


async def test_what_a_question_says_of_all_its_rows_it_says_for_each_unit_that_asks(
    store: SqlStore, clock: ManualClock
) -> None:
    """Bounds, sums and questions put together: none of them reaches into what another unit asked."""
    subjects = [f"msg-{n}" for n in range(6)]
    async with committing(store) as work:
        for n, subject in enumerate(subjects):
            kinds = [EventKind.MESSAGE_ACCEPTED] * (n + 1) + [EventKind.MESSAGE_QUEUED]
            await work.events.append_many(subject, clock.now(), [(kind, {"n": n}) for kind in kinds])
    mine = col(EventRow.subject_id) == bindparam("subject")
    newest = (
        select(col(EventRow.kind), col(EventRow.position)).where(mine).order_by(col(EventRow.position).desc())
    )
    counted = select(col(EventRow.kind), func.count().label("n")).where(mine).group_by(col(EventRow.kind))
    first = select(col(EventRow.kind)).where(mine).order_by(col(EventRow.position)).limit(1).subquery()
    questions = (
        newest.limit(2),
        counted.order_by(col(EventRow.kind)),
        select(col(EventRow.kind)).where(mine).distinct().order_by(col(EventRow.kind)),
        union_all(
            select(literal("first"), first.c.kind), select(literal("all"), col(EventRow.kind)).where(mine)
        ),
    )

    def asking(query: Executable, subject: str) -> Body:
        async def body(work: SqlWork) -> list[tuple[Any, ...]]:
            return [tuple(row) for row in await work._tx.tuples(query, subject=subject)]

        return body

    for query in questions:
        alone = [await store.share(NORTH, asking(query, subject)) for subject in subjects]
        for _ in range(3):  # the first times a statement is asked by itself
            answers = await asyncio.gather(
                *(store.share(NORTH, asking(query, subject)) for subject in subjects)
            )
            assert [sorted(unit) for unit in answers] == [sorted(unit) for unit in alone]
    assert all(alone)


async def test_what_concerns_documents_that_arrive_together_is_asked_at_once_and_is_each_ones_own(
    store: SqlStore, clock: ManualClock
) -> None:
    packet = inbox_item(clock)
    arrivals = [incoming(clock, number=str(n // 2), document_id=DocumentId(f"d-{n}")) for n in range(6)]
    async with committing(store) as work:
        for document in arrivals:
            await work.incoming.add(document)
        await work.inbox.land(packet)
        await work.inbox.settle(
            replace(packet, state="waiting", needs=(arrivals[0].sender_code, "d-3")), None
        )
    arriving = [incoming(clock, number=str(n // 2), document_id=DocumentId(f"d-{n}")) for n in range(8)]

    def asking(document: IncomingDocument) -> Body:
        async def body(work: SqlWork) -> Any:
            return await work.incoming.find_prior(document)

        return body

    alone = [await store.share(NORTH, asking(document)) for document in arriving]
    for _ in range(3):
        answers = await asyncio.gather(*(store.share(NORTH, asking(document)) for document in arriving))
        assert answers == alone
    assert [len(unit.numbered) for unit in alone] == [2, 2, 2, 2, 2, 2, 0, 0]
    assert [list(unit.waiting) for unit in alone] == [[packet.id] if n == 3 else [] for n in range(8)]


async def test_views_that_are_asked_for_together_are_each_ones_own_and_nobody_waits_for_what_another_holds(
    store: SqlStore, clock: ManualClock, commits: list[Transaction]
) -> None:
    documents = [outgoing(clock, document_id=DocumentId("d-1")) for _ in range(4)]
    async with committing(store) as work:
        for document in documents:
            await work.outgoing.add(document)

    async def same(work: SqlWork) -> int:
        return len(await work.outgoing.by_document_id("d-1"))

    async def missing(work: SqlWork) -> object:
        return await work.outgoing.get("msg-none")

    def mine(id: str) -> Body:
        async def body(work: SqlWork) -> str:
            return (await work.outgoing.get(id)).id

        return body

    count = len(commits)
    for _ in range(3):
        bodies = [*(mine(unit.id) for unit in documents), same, same, missing]
        answers = await asyncio.gather(
            *(store.share_view(NORTH, body) for body in bodies), return_exceptions=True
        )
        assert answers[:-1] == [*(unit.id for unit in documents), 4, 4]
        assert isinstance(answers[-1], errors.NotFound)
    with pytest.raises(errors.NotFound):
        await store.share_view(SOUTH, mine(documents[0].id))
    assert len(commits) == count


async def test_who_may_wait_goes_with_the_next_unit_and_else_by_itself(
    store: SqlStore, clock: ManualClock, commits: list[Transaction]
) -> None:
    await shared(store, *(accepting(clock) for _ in range(2)))  # the first call prepares the statements
    commits.clear()

    patient = asyncio.create_task(_waiting_for(store, accepting(clock), 3600.0))
    await asyncio.sleep(0.02)
    assert (patient.done(), commits) == (False, [])
    await store.share(SOUTH, accepting(clock, SOUTH))
    await patient
    assert len(commits) == 1

    await _waiting_for(store, accepting(clock), 0.001)  # no other unit comes
    assert len(commits) == 2


async def test_who_waits_for_others_is_done_when_the_store_closes(
    store: SqlStore, clock: ManualClock, commits: list[Transaction]
) -> None:
    patient = asyncio.create_task(_waiting_for(store, accepting(clock), 3600.0))
    await asyncio.sleep(0)

    await store.close()

    await patient
    assert len(commits) == 1


async def _waiting_for(store: SqlStore, body: Body, patience_s: float) -> None:
    await store.share(NORTH, body, patience_s=patience_s)
