"""Two units of work decide at once, on two connections: each asks, then writes what follows from the answer. SQLite lets
one in after the other; on a server a question has to keep its answer true until the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.domain.document import InState
from gateway.domain.identity import Digest, DocumentId
from gateway.domain.proof import Identity
from gateway.domain.states import Track
from gateway.domain.status import Fact
from gateway.pool import ThreadPool
from gateway.store.blob_refs import KeptContent, ReadableContent
from gateway.store.blobs import FileBlobs
from gateway.store.store import SqlStore
from gateway.store.work import SqlWork
from tests.support.cases import Cases
from tests.support.clock import ManualClock
from tests.support.stores import (
    NORTH,
    committing,
    delivery,
    digest,
    draft,
    inbox_item,
    incoming,
    opened,
    outgoing,
    seed_incoming,
    stored,
)
from tests.support.waiting import within_limit

AT_ONCE = 8
Act = Callable[[SqlWork, int], Awaitable[bool]]


@pytest.fixture
async def twin(store: SqlStore, store_url: str, clock: ManualClock) -> AsyncIterator[SqlStore]:
    """Open the same database once more, as another process would."""
    async with opened(store_url, clock) as second:
        yield second


async def race(stores: Sequence[SqlStore], act: Act) -> list[bool]:
    """Begin several acts at once, every other one through the other process, and return the outcome of each."""

    async def delivery_row(n: int) -> bool:
        async with committing(stores[n % len(stores)]) as work:
            return await act(work, n)

    return await within_limit(asyncio.gather(*(delivery_row(n) for n in range(AT_ONCE))), "the race")


def identity(clock: ManualClock, n: int, *, body: str) -> Identity:
    return Identity(
        sender="Z91.02",
        body_digest=digest(body),
        kind=outgoing(clock).kind,
        packet_id=f"p-{body}",
        document_id="d-1",
        inbox_id=f"box-{n}",
        incoming_id=None,
        at=clock.now(),
    )


async def test_g3_r117_of_those_who_ask_at_once_for_what_may_be_there_once_one_is_first(
    store: SqlStore, twin: SqlStore, clock: ManualClock, cases: Cases
) -> None:
    """A packet's body, another content under its id, an external id, a number, a key of idempotency."""
    ends_at = clock.now() + timedelta(seconds=60)

    async def packet(work: SqlWork, n: int) -> bool:
        if await work.identities.by_body("Z91.02", digest("body")):
            return False
        await work.identities.claim(identity(clock, n, body="body"))
        return True

    async def content(work: SqlWork, n: int) -> bool:
        if await work.identities.by_document("Z91.03", "d-1"):
            return False
        await work.identities.claim(replace(identity(clock, n, body=f"body {n}"), sender="Z91.03"))
        return True

    async def external_id(work: SqlWork, n: int) -> bool:
        if await work.outgoing.by_external_id("qlvb-1"):
            return False
        await work.outgoing.add(outgoing(clock, draft=draft(external_id="qlvb-1")))
        return True

    async def number(work: SqlWork, n: int) -> bool:
        if await work.outgoing.by_document_id("d-1"):
            return False
        await work.outgoing.add(outgoing(clock, document_id=DocumentId("d-1")))
        return True

    async def key(work: SqlWork, n: int) -> bool:
        return await work.idempotency.begin("prn_1", "key", "d", ends_at) is None

    for act in (packet, content, external_id, number, key):
        with cases.case(act.__name__):
            assert sum(await race([store, twin], act)) == 1


async def test_two_clerks_take_one_document_once(store: SqlStore, twin: SqlStore, clock: ManualClock) -> None:
    document = await seed_incoming(store, incoming(clock))

    async def take(work: SqlWork, n: int) -> bool:
        documents = await work.incoming.get(document.id)
        if documents.state is not InState.NEW:
            return False
        await work.incoming.save(replace(documents, state=InState.ACCEPTED))
        return True

    assert sum(await race([store, twin], take)) == 1


async def test_no_change_of_a_document_is_lost_under_another(
    store: SqlStore, twin: SqlStore, clock: ManualClock
) -> None:
    arrived = await seed_incoming(store, incoming(clock))
    sent = outgoing(clock)
    await stored(store, sent)

    async def mark(work: SqlWork, n: int) -> bool:
        stored = await work.incoming.get(arrived.id)
        await work.incoming.save(replace(stored, marks=(*stored.marks, f"m{n}")))
        other = await work.outgoing.get(sent.id)
        await work.outgoing.save(replace(other, state_reason=f"{other.state_reason or ''}{n}"))
        return True

    await race([store, twin], mark)

    async with store.read(NORTH) as view:
        assert sorted((await view.incoming.get(arrived.id)).marks) == [f"m{n}" for n in range(AT_ONCE)]
        reason = (await view.outgoing.get(sent.id)).state_reason
        assert sorted(reason or "") == [str(n) for n in range(AT_ONCE)]


async def test_a_delivery_stands_as_all_its_facts_make_it(
    store: SqlStore, twin: SqlStore, clock: ManualClock
) -> None:
    document = outgoing(clock)
    delivery_row = delivery(document, "Z91.02")
    await stored(store, document, delivery_row)

    async def learn(work: SqlWork, n: int) -> bool:
        facts = [*await work.facts.of_subject(delivery_row.id)]
        fact = Fact(track=Track.BUSINESS, code=f"{n:02}", at=clock.now())
        await work.facts.add(delivery_row.id, fact)
        marks = tuple(sorted(f.code for f in [*facts, fact]))
        await work.deliveries.save_state(delivery_row.id, "delivered", marks, clock.now())
        return True

    await race([store, twin], learn)

    async with store.read(NORTH) as view:
        assert (await view.deliveries.get(delivery_row.id)).marks == tuple(f"{n:02}" for n in range(AT_ONCE))


async def test_a_packet_never_waits_for_a_document_that_has_arrived(
    store: SqlStore, twin: SqlStore, clock: ManualClock
) -> None:
    document = incoming(clock, document_id=DocumentId("d-1"))
    packets = [inbox_item(clock) for _ in range(AT_ONCE)]
    await stored(store, *packets)

    async def arrive(work: SqlWork, n: int) -> bool:
        documents = await work.incoming.by_document_id(document.sender_code, "d-1")
        if n == AT_ONCE // 2:
            await work.incoming.add(document)
            for waiting in (await work.incoming.find_prior(document)).waiting:
                await work.inbox.reopen(waiting)
        elif not documents:
            needs = (document.sender_code, "d-1")
            await work.inbox.settle(replace(packets[n], state="waiting", needs=needs), None)
        return bool(documents)

    await race([store, twin], arrive)

    assert "inbox.waiting" not in await store.counts()


async def test_a_packet_that_somebody_opens_again_is_not_given_up_too(
    store: SqlStore, twin: SqlStore, clock: ManualClock
) -> None:
    item = inbox_item(clock)
    async with committing(store) as work:
        await work.inbox.land(item)
        await work.inbox.settle(replace(item, state="waiting"), None)

    async def decide(work: SqlWork, n: int) -> bool:
        document = await work.inbox.get(item.id)
        if document.state != "waiting":
            return False
        if n % 2:
            await work.inbox.reopen(item.id)
        else:
            await work.inbox.settle(replace(document, state="quarantined"), None)
        return True

    assert sum(await race([store, twin], decide)) == 1


async def keep_all(
    names: Sequence[Digest], store: SqlStore, clock: ManualClock, folder: Path
) -> list[KeptContent]:
    """Keep small contents of those names in the content store."""
    pool = ThreadPool(2)
    blobs = FileBlobs(folder / "content", store, clock, pool)
    digests = []
    for n, name in enumerate(names):
        with blobs.scratch() as scratch:
            scratch.file.write(bytes([n]))
            digests.append(await blobs.keep(scratch, name, 1))
    pool.close()
    return digests


async def test_documents_with_the_same_files_never_block_one_another(
    store: SqlStore, twin: SqlStore, clock: ManualClock, tmp_path: Path
) -> None:
    """Each refers to them in another order: with exclusive locks two of them would wait for each other."""
    names = [digest(n) for n in range(4)]
    for n, digests in enumerate(await keep_all(names, store, clock, tmp_path)):
        async with committing(store) as work:
            await work.blobs.keep(digests, "source", f"first-{n}")

    async def refer(work: SqlWork, n: int) -> bool:
        for name in names if n % 2 else reversed(names):
            await work.blobs.add(name, "source", f"msg-{n}")
        return True

    assert all(await race([store, twin], refer))


async def test_documents_that_bring_the_same_small_files_at_once_wait_for_each_other_and_never_in_a_circle(
    store: SqlStore, twin: SqlStore, clock: ManualClock, tmp_path: Path
) -> None:
    """Each unit keeps its files in the order of their digests, as a request's tray hands them out."""
    digests = sorted(
        await keep_all([digest(n) for n in range(6)], store, clock, tmp_path), key=lambda d: d.digest
    )

    async def keep(work: SqlWork, n: int) -> bool:
        for d in digests:
            await work.blobs.keep(d, "source", f"msg-{n}")
        return True

    assert all(await race([store, twin], keep))
    async with store.read(NORTH) as view:
        for d in digests:
            assert await view.blobs.find(d.digest) == ReadableContent(d.body)
        for n in range(AT_ONCE):
            assert (await view.blobs.of_owner("source", f"msg-{n}")).keys() == {d.digest for d in digests}
