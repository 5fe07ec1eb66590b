"""Writes of a unit of work that no question in it needed yet: each is found when a question asks for it, all are there when
the unit is over, and a refused one takes the whole unit along; on a server they go in one call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import asyncpg
import pytest
from sqlalchemy import bindparam, func, select, update
from sqlmodel import col

from gateway import errors
from gateway.domain.event import EventKind
from gateway.store.store import SqlStore
from gateway.store.tables import BlobRow, JobRow
from gateway.store.tables_node import EventRow
from tests.support.clock import ManualClock
from tests.support.stores import NORTH, committing, delivery, digest, incoming, outbox_item, outgoing, stored

_CALLS = ("execute", "executemany", "fetch", "fetchrow")
_SIZES = select(col(BlobRow.digest), col(BlobRow.size)).order_by(col(BlobRow.digest))
_GROWN = update(BlobRow).where(col(BlobRow.digest) == bindparam("this"))
_KINDS = select(col(EventRow.kind)).order_by(col(EventRow.position))


def _blob(name: str, size: int, clock: ManualClock) -> BlobRow:
    return BlobRow(digest=digest(name), size=size, stored_at=clock.now())


@contextmanager
def _called(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Yield a list that grows by the first word of every call to a server."""
    calls: list[str] = []

    def heard_by(name: str) -> Any:
        call = getattr(asyncpg.Connection, name)

        async def hears(connection: Any, text: str, *arguments: Any, **keywords: Any) -> Any:
            calls.append(text.split()[0].strip(";"))
            return await call(connection, text, *arguments, **keywords)

        return hears

    with monkeypatch.context() as patched:
        for name in _CALLS:
            patched.setattr(asyncpg.Connection, name, heard_by(name))
        yield calls


async def test_what_waits_is_found_by_who_asks_in_the_same_unit(store: SqlStore, clock: ManualClock) -> None:
    async with store.writing() as tx:
        for n, name in enumerate("abc"):
            tx.insert(_blob(name, n, clock))
        assert {row.size for row in await tx.tuples(_SIZES)} == {0, 1, 2}
        tx.insert(_blob("d", 3, clock))
        assert len(await tx.tuples(_SIZES)) == 4  # asked a second and a third time, by the driver itself
        tx.insert(_blob("e", 4, clock))
        assert len(await tx.tuples(_SIZES)) == 5
        tx.insert(_blob("f", 5, clock))
        assert await tx.change(_GROWN, this=digest("f"), size=50) == 1
        await tx.commit()

    async with store.viewing_few() as tx:
        assert sorted(row.size for row in await tx.tuples(_SIZES)) == [0, 1, 2, 3, 4, 50]


async def test_rows_and_those_that_they_name_are_written_in_the_order_of_asking(
    store: SqlStore, clock: ManualClock
) -> None:
    documents = [outgoing(clock) for _ in range(3)]
    async with committing(store) as work:
        for document in documents:
            await work.outgoing.add(document)
            await work.deliveries.add([delivery(document, code) for code in ("Z91.02", "Z91.03")])
            await work.deliveries.save_state(delivery(document, "Z91.03").id, "sent", (), clock.now())
            arrived = incoming(clock)
            await work.incoming.add(arrived)
            await work.handovers.offer(arrived.id)
            await work.events.append(EventKind.MESSAGE_ACCEPTED, document.id, clock.now())

    async with store.read(NORTH) as view:
        for document in documents:
            assert [d.state for d in await view.deliveries.of_document(document.id)] == ["queued", "sent"]
            assert [d.kind for d in await view.events.of_subject(document.id)] == [EventKind.MESSAGE_ACCEPTED]


async def test_a_unit_of_which_something_was_refused_cannot_commit(
    store: SqlStore, clock: ManualClock
) -> None:
    item = outbox_item(clock)
    await stored(store, item)

    async with store.begin(NORTH) as work:
        await work.events.append(EventKind.MESSAGE_ACCEPTED, "msg-1", clock.now())
        with pytest.raises(errors.Clash, match="already stored"):
            await _put_and_commit(work, item)
        if store.writer.dialect.name == "postgresql":
            with pytest.raises(errors.StoreFailure, match="was refused"):
                await work.commit()

    async with store.viewing_few() as tx:
        assert await tx.tuples(_KINDS) == []


async def _put_and_commit(work: Any, item: Any) -> None:
    await work.outbox.add(item)
    await work.commit()


async def test_one_row_may_be_written_over_twice_and_the_last_word_stays(
    store: SqlStore, clock: ManualClock
) -> None:
    for body in (b"first", b"second"):
        async with store.writing() as tx:
            for content in (b"before", body):
                row = _blob("a", len(content), clock)
                row.change(body=content)
                tx.upsert_later(row, "size", "body")
            await tx.commit()

    async with store.viewing_few() as tx:
        assert await tx.tuples(select(col(BlobRow.size), col(BlobRow.body))) == [(6, b"second")]


async def test_many_rows_of_every_kind_of_value_are_read_back_unchanged(
    store: SqlStore, clock: ManualClock
) -> None:
    kinds = [*EventKind][:40]
    async with committing(store) as work:
        for n, kind in enumerate(kinds):
            await work.events.append(
                kind, f"msg-{n}", clock.now(), {"n": n, "text": 'Văn "bản" {} \\ , NULL'}
            )
            await work.jobs.add("pack", f"msg-{n}", clock.now() if n % 2 else None)

    async with store.viewing_few() as tx:
        assert [row.kind for row in await tx.tuples(_KINDS)] == [kind.value for kind in kinds]
        planned = select(func.count()).where(col(JobRow.not_before).is_not(None))
        assert (await tx.tuples(planned))[0][0] == 20
    async with store.read(NORTH) as view:
        (event,) = await view.events.of_subject("msg-7")
    assert event.data == {"n": 7, "text": 'Văn "bản" {} \\ , NULL'}


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
async def test_a_server_is_called_once_for_all_that_a_unit_writes(
    store: SqlStore, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(3):  # the first two times a statement is asked through the library
        document, item = outgoing(clock), outbox_item(clock)
        with _called(monkeypatch) as calls:
            async with committing(store) as work:
                await work.outbox.add(replace(item, id=f"out-{n}"))
                await work.jobs.add("pack", document.id)
                await work.events.append_many(
                    document.id,
                    clock.now(),
                    [(EventKind.MESSAGE_ACCEPTED, {}), (EventKind.MESSAGE_QUEUED, {})],
                )

    assert calls == ["BEGIN", "WITH", "COMMIT"]


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
async def test_one_question_to_a_server_is_one_call(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        with _called(monkeypatch) as calls:
            assert await store.claim_outbox(10, 60) == []

    assert calls == ["SELECT"]
