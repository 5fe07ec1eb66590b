"""Two agencies exchange documents over the axis while steps are taken, doubled, put in another order and cut off by a
crash, in any way that the machine can think of. After every step what must always hold is looked for; at the end
everything is carried to its place and counted."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from gateway.domain.document import IncomingDocument, Kind, OutgoingDocument
from gateway.domain.identity import Digest
from gateway.domain.status import fold_delivery
from gateway.errors import Clash, NotFound, Refused
from tests.support import node
from tests.support.clock import ManualClock
from tests.support.node import DEPARTMENT, PROVINCE, Town
from tests.support.seed import SEED

_EXAMPLES, _STEPS = 5, 25
_NOT_NOW = (Refused, Clash, NotFound)
_CODES = st.sampled_from(["02", "03", "04", "05", "06", "15", "16"])


class Exchange(RuleBasedStateMachine):
    """The department sends, the province receives; both live in one node and meet over its axis alone."""

    documents = Bundle("documents")

    def __init__(self) -> None:
        super().__init__()
        self._folder = Path(tempfile.mkdtemp(prefix="gateway-exchange-"))
        self._loop = asyncio.Runner()
        self._clock = ManualClock()
        self._open = AsyncExitStack()
        self._told: dict[Digest, tuple[str, str]] = {}
        self._refused: list[str] = []
        self._sent = 0
        self._town: Town = self._run(self._opened())

    @initialize(target=documents)
    def first(self) -> OutgoingDocument:
        return self._send()

    @rule(target=documents)
    def send(self) -> OutgoingDocument:
        return self._send()

    @rule(document=documents)
    def update(self, document: OutgoingDocument) -> None:
        self._try(self._town.update(document, f"Nội dung sửa lần {self._next()}"))

    @rule(document=documents)
    def replace(self, document: OutgoingDocument) -> None:
        self._try(self._town.replacement(document, str(100 + self._next())))

    @rule(document=documents)
    def recall(self, document: OutgoingDocument) -> None:
        self._try(self._town.recall(document))

    @rule(step=st.sampled_from(["pack", "dispatch", "land", "process", "number", "carry"]))
    def step(self, step: str) -> None:
        """One worker alone does what it finds; or all of them, until nothing moves."""
        self._run(getattr(self._town, step)())

    @rule(code=_CODES, choice=st.integers(0, 9))
    def answer(self, code: str, choice: int) -> None:
        """A clerk presses a button, whatever the document's state allows."""
        arrived = self._run(self._town.incoming())
        if arrived:
            self._try(self._town.status(arrived[choice % len(arrived)], code, register_no=str(self._next())))

    @rule(kind=st.sampled_from(list(Kind)), choices=st.lists(st.integers(0, 9), min_size=1, max_size=3))
    def repeat(self, kind: Kind, choices: list[int]) -> None:
        """Packets that crossed already come once more, in any order."""
        sender, receiver = (PROVINCE, DEPARTMENT) if kind is Kind.STATUS else (DEPARTMENT, PROVINCE)
        crossed = self._run(self._town.crossed(sender, kind))
        for choice in choices if crossed else ():
            self._run(self._town.deliver(crossed[choice % len(crossed)], receiver))

    @rule(minutes=st.sampled_from([1, 61, 25 * 60]))
    def advance(self, minutes: int) -> None:
        self._clock.advance(timedelta(minutes=minutes))

    @rule()
    def crash(self) -> None:
        """The node is gone and comes back on what lies on disk; leases of before have run out."""
        self._run(self._open.aclose())
        self._clock.advance(timedelta(minutes=2))
        self._town = self._run(self._opened())

    @precondition(lambda self: self._sent)
    @invariant()
    def a_packet_is_admitted_once_at_the_most(self) -> None:
        packets = [document.packet_id for document in self._run(self._town.incoming())]
        assert len(packets) == len(set(packets))

    @precondition(lambda self: self._sent)
    @invariant()
    def one_signed_answer_for_each_packet_and_status(self) -> None:
        self._run(self._check_answers())

    def teardown(self) -> None:
        try:
            self._run(self._check_the_end())
        finally:
            self._run(self._open.aclose())
            self._loop.close()
            shutil.rmtree(self._folder)

    async def _opened(self) -> Town:
        self._open = AsyncExitStack()
        town = await self._open.enter_async_context(node.opened(self._folder / "node", self._clock))
        await town._host()  # as at a node's start: packets for unhosted codes are given up after ten minutes
        return town

    def _send(self) -> OutgoingDocument:
        sent: OutgoingDocument = self._run(self._town.send(str(self._next())))
        return sent

    def _next(self) -> int:
        self._sent += 1
        return self._sent

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self._loop.run(work)

    def _try(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run an act; at a wrong time it must be refused with a code, never fail in another way."""
        try:
            self._run(work)
        except _NOT_NOW as refusal:
            self._refused.append(refusal.detail)

    async def _check_answers(self) -> None:
        """The same packet and status is never told in two signed envelopes: a repeat is the same bytes again."""
        for packet in await self._town.crossed(PROVINCE, Kind.STATUS):
            if packet.digest in self._told:
                continue
            model = self._town.model(packet)
            assert model.status is not None
            response = model.response_for[0]
            # A document and its update may arrive in one second; which packet is answered stands in the description.
            statement = (
                f"{response.document_id} {response.code} {model.status.description}",
                f"{model.status.code} {model.status.timestamp}",
            )
            assert statement not in self._told.values(), f"told twice: {statement}"
            self._told[packet.digest] = statement

    async def _check_the_end(self) -> None:
        assert all(self._refused), "a refusal without a word"
        await self._settle()
        arrived = await self._town.incoming()
        async with self._town.node.store.read(await self._town.scope(DEPARTMENT)) as work:
            sent = (await work.outgoing.page(limit=1000)).items
        for document in sent:
            await self._check_document(document, arrived)
        await self._check_numbers()
        await self._check_landed(DEPARTMENT, PROVINCE)
        await self._check_landed(PROVINCE, DEPARTMENT)

    async def _settle(self) -> None:
        """Carry everything to its end, waiting for retries."""
        for _ in range(3):
            self._clock.advance(timedelta(minutes=5))
            await self._town.carry()
        await self._town.number()

    async def _check_document(
        self, document: OutgoingDocument, arrived: tuple[IncomingDocument, ...]
    ) -> None:
        """Check that a sent document arrived once, and that its state follows from its facts in any order."""
        copies = [a for a in arrived if a.packet_id == document.packet_id]
        for code, delivery in (await self._town.deliveries(document)).items():
            async with self._town.node.store.read(await self._town.scope(DEPARTMENT)) as work:
                facts = tuple(await work.facts.of_subject(delivery.id))
            assert code == PROVINCE
            assert delivery.state == fold_delivery(facts).word == fold_delivery(reversed(facts)).word
            received = {fact.code for fact in facts}
            if "01" in received:
                assert len(copies) == 1, "told as received and not there"

    async def _check_landed(self, sender: str, receiver: str) -> None:
        """Every envelope that left has one row at its receiver, however often it came."""
        rows = [packet.file_digest for packet in await self._town.inbox(receiver)]
        for item in await self._town.outbox(sender):
            assert item.state == "sent", item.last_error
            assert rows.count(item.envelope_digest) == 1

    async def _check_numbers(self) -> None:
        for code in (DEPARTMENT, PROVINCE):
            agency = await self._town.agency(code)
            events = await self._town.node.store.events_after(agency.id, 0, 10_000)
            assert [event.agency_seq for event in events] == list(range(1, len(events) + 1))


@pytest.mark.timeout(400)
def test_whatever_happens_on_the_way_nothing_is_lost_doubled_or_told_twice() -> None:
    run_state_machine_as_test(
        seed(SEED)(Exchange),
        settings=settings(
            max_examples=_EXAMPLES,
            stateful_step_count=_STEPS,
            suppress_health_check=list(HealthCheck),
        ),
    )
