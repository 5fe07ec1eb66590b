"""A caller repeats itself (interfaces 3.3) with the idempotency key, with `external_id`, and with both at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest

from gateway.domain.document import FileRole, OutgoingDocument
from gateway.domain.pace import SMALL
from gateway.errors import Clash, NotFound, Refused
from gateway.outgoing import intake, manage
from gateway.outgoing.accept import IN_FLIGHT, request_digest
from gateway.outgoing.intake import Accepted, Once, Order
from gateway.registry.directory import SqlDirectory
from gateway.store.api_calls import Remembered
from gateway.store.blobs import FileBlobs
from tests.support.api import pdf
from tests.support.faulty import Meanwhile
from tests.support.node import DEPARTMENT, PDF, PROVINCE, Town, draft

FILES = (("15.pdf", PDF),)
IN_A_FILE = (("15.pdf", PDF + bytes(SMALL)),)


def once(key: str = "k", meta: str = "{}", owner: str = "prn_1") -> Once:
    def render(accepted: Accepted) -> tuple[int, str]:
        return 202, document_of(accepted).id

    return Once(owner=owner, key=key, method="POST", path="/messages", meta=meta, render=render)


async def post(
    town: Town, number: str = "15", key: Once | None = None, files: Any = FILES, **more: Any
) -> Accepted:
    return await town.order(Order(draft=draft(number, PROVINCE, **more)), files, once=key)


def document_of(accepted: Accepted) -> OutgoingDocument:
    assert accepted.document is not None
    return accepted.document


async def test_the_same_key_and_request_return_the_first_answer(town: Town) -> None:
    """With another request the key is refused; of another owner it is another key."""
    first = document_of(await post(town, key=once()))

    repeated = await post(town, key=once())

    assert (repeated.document, repeated.replayed) == (None, (202, first.id))
    for key, files in (
        (once(meta='{"a":1}'), FILES),
        (once(), (("15.pdf", pdf(2)),)),
        (once(), (("16.pdf", PDF),)),
    ):
        with pytest.raises(Refused, match="idempotency-other"):
            await post(town, key=key, files=files)
    assert await town.count("outgoing_document") == 1
    await post(town, "16", once(owner="prn_2"))
    assert await town.count("outgoing_document") == 2


async def test_a_request_that_runs_makes_the_second_wait_and_one_left_behind_is_taken_over(
    town: Town,
) -> None:
    """The marker is a lease of 60 s: a node killed in the middle does not lock the key for ever."""
    busy = once("left")
    async with intake.receive_files(town.node.out) as request_files:
        await request_files.add(FileRole.LEAD, "15.pdf", FileRole.LEAD, chunks())
        digest = request_digest(busy, request_files)
    async with town.node.store.changing(await town.scope(DEPARTMENT)) as work:
        await work.idempotency.begin(busy.owner, busy.key, digest, town.clock.now() + IN_FLIGHT)

    with pytest.raises(Clash) as clash:
        await post(town, key=busy)
    assert clash.value.code == "GW-IDEM-RUNNING"
    town.clock.advance(IN_FLIGHT + timedelta(seconds=1))

    assert (await post(town, key=busy)).document is not None


async def chunks() -> AsyncIterator[bytes]:
    yield PDF


def interrupted(town: Town, act: Callable[[], Awaitable[object]]) -> Town:
    """Return the town; when its first file is kept, such as an envelope of `IN_A_FILE`, `act` happens first."""
    blobs = cast(FileBlobs, Meanwhile(town.node.out.blobs, "keep", act))
    return replace(town, node=replace(town.node, out=replace(town.node.out, blobs=blobs)))


async def test_a_request_that_lost_its_key_stores_nothing_and_leaves_the_key_to_who_has_it(
    town: Town,
) -> None:
    """A repeat took the key over and was refused; then another request began under it."""
    scope = await town.scope(DEPARTMENT)

    async def begin_other() -> Remembered | None:
        async with town.node.store.changing(scope) as work:
            return await work.idempotency.begin("prn_1", "k", "d2", town.clock.now() + IN_FLIGHT)

    async def meanwhile() -> None:
        town.clock.advance(IN_FLIGHT)
        with pytest.raises(Refused):
            await post(town, "", once(), IN_A_FILE)
        assert await begin_other() is None

    with pytest.raises(Clash):
        await post(interrupted(town, meanwhile), key=once(), files=IN_A_FILE)

    assert await begin_other() == Remembered(digest="d2", running=True)
    assert await town.count("outgoing_document") == 0


async def test_nothing_is_accepted_for_an_agency_that_left_meanwhile(town: Town) -> None:
    scope = await town.scope(DEPARTMENT)
    draft = await town.send("14", send=False)

    async def leave() -> None:
        assert await town.node.store.accounts.leave(scope.agency_id) == {}

    with pytest.raises(NotFound, match=scope.agency_id):
        await post(interrupted(town, leave), files=IN_A_FILE)
    with pytest.raises(NotFound, match=scope.agency_id):
        await manage.send_draft(town.node.out, scope, draft.id)

    assert await town.count("outgoing_document") == 1
    assert await town.count("delivery") == 0


async def test_the_same_external_id_and_content_is_the_same_document_under_any_key(town: Town) -> None:
    """With other content it is refused, and the earlier document is named."""
    first = document_of(await post(town, key=once("a"), external_id="q-1"))
    second = await post(town, key=once("b"), external_id="q-1")
    third = await post(town, key=once("b"), external_id="q-1")
    fourth = await post(town, external_id="q-1")

    assert second.document == fourth.document == first
    assert third.replayed == (202, first.id)
    with pytest.raises(Clash, match=first.id) as clash:
        await post(town, "16", once(), external_id="q-1")
    assert clash.value.code == "GW-EXTERNAL-ID"
    assert await town.count("outgoing_document") == 1
    assert document_of(await post(town, "16", once(), external_id="q-2"))


async def test_a_repeat_that_was_accepted_while_this_one_is_checked_gets_the_first_answer(town: Town) -> None:
    """Both have the number; the second must not be told that it is taken, for it is the same document."""
    earlier: list[OutgoingDocument] = []

    async def meanwhile() -> None:
        earlier.append(document_of(await post(town, key=once("k1"), external_id="q-1")))

    directory = cast(SqlDirectory, Meanwhile(town.node.out.directory, "resolve", meanwhile))
    later_town = replace(town, node=replace(town.node, out=replace(town.node.out, directory=directory)))

    repeated = await post(later_town, key=once("k2"), external_id="q-1")

    assert earlier == [repeated.document]
    assert (await post(town, key=once("k2"), external_id="q-1")).replayed is not None


async def test_one_external_id_sent_many_times_at_once_is_one_document(town: Town) -> None:
    outcomes = await asyncio.gather(*(post(town, key=once(f"k{n}"), external_id="q-1") for n in range(5)))

    assert len({document_of(outcome).id for outcome in outcomes}) == 1
    await town.carry()
    assert len(await town.incoming()) == 1
