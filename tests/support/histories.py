"""Random histories of documents of one agency: sent, cancelled, called back, sealed, lifted, recalled, answered, in any
order, and with packets that left without a record. In the end states, numbers, book and figures of both sides are compared
with a plain count of the rows."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from gateway.domain.account import AgencyScope
from gateway.domain.book import Book, Span
from gateway.domain.document import STANDING, Delivery, OutgoingDocument, OutState, Recipient
from gateway.domain.figures import IN, OUT
from gateway.domain.hold import Hold
from gateway.domain.numbers import NumberState
from gateway.domain.states import NOT_HELD, Track
from gateway.domain.status import Fact, RequestState, fold_delivery
from gateway.errors import Clash, GatewayError
from gateway.office.book import books
from gateway.office.letters import follow_up
from gateway.outgoing import manage, more_recipients
from tests.acceptance.test_hold import lift_sent, seal_sent
from tests.support.node import COMMUNE, DEPARTMENT, PROVINCE, Town
from tests.unit.outgoing.test_endings import choose_own_book, counted, leave_and_die

Act = Callable[[], Awaitable[object]]
_CODES = ("02", "03", "03", "04", "05", "06", "15", "15", "16")


@dataclass(slots=True)
class History:
    town: Town
    random: random.Random
    holds: list[Hold] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    async def live(self, steps: int) -> None:
        """Take random steps, with what is not allowed at the moment refused; then carry all to its place."""
        await choose_own_book(self.town)
        acts: dict[Act, int] = {
            self.send: 6,
            self.send_again: 2,
            self.further: 2,
            self.undo: 1,
            self.cancel: 4,
            self.seal: 2,
            self.lift: 1,
            self.recall: 3,
            self.answer: 6,
            self.leave_and_die: 3,
            self.work: 8,
        }
        for _ in range(steps):
            (act,) = self.random.choices([*acts], weights=[*acts.values()])
            try:
                await act()
                self.told.append(act.__name__)
            except GatewayError as error:
                self.told.append(f"not {act.__name__}: {error.code}")
            self.town.clock.advance(timedelta(seconds=self.random.randint(1, 400)))
        for _ in range(3):
            self.town.clock.advance(timedelta(minutes=30))
            await self.town.carry_around()

    async def scope(self) -> AgencyScope:
        return await self.town.scope(DEPARTMENT)

    async def send(self) -> None:
        to = self.random.choice(([PROVINCE], [COMMUNE], [PROVINCE, COMMUNE]))
        await self.town.send("", *to)

    async def send_again(self) -> None:
        """Send a document anew under the number that it has: allowed of what was cancelled or refused."""
        earlier = await self.any()
        await self.town.send(earlier.draft.number, *(r.code for r in earlier.draft.recipients))

    async def further(self) -> None:
        earlier = await self.any()
        code = COMMUNE if earlier.draft.recipients[0].code == PROVINCE else PROVINCE
        recipient = Recipient(code=code, role=earlier.draft.recipients[0].role)
        await more_recipients.send_to_more(self.town.node.out, await self.scope(), earlier.id, (recipient,))

    async def undo(self) -> None:
        """Send a draft that is called back; half of them are then discarded, the others sent."""
        out, scope, wait = self.town.node.out, await self.scope(), timedelta(hours=1)
        draft = await self.town.send("", send=False)
        sent = await manage.send_draft(out, scope, draft.id, wait=wait)
        back = await follow_up.call_back(out, scope, sent.id)
        act = self.random.choice((manage.send_draft, manage.discard_draft))
        await act(out, scope, back.id)

    async def cancel(self) -> None:
        await manage.cancel(self.town.node.out, await self.scope(), (await self.any()).id, why="Nhầm")

    async def seal(self) -> None:
        self.holds.append(await seal_sent(self.town, await self.any()))

    async def lift(self) -> None:
        if self.holds:
            await lift_sent(self.town, self.holds.pop(self.random.randrange(len(self.holds))))

    async def recall(self) -> None:
        await self.town.recall(await self.any(), take_back=self.random.random() < 0.4)

    async def answer(self) -> None:
        code = self.random.choice((PROVINCE, COMMUNE))
        if arrived := [d for d in await self.town.incoming(code) if d.kind.is_whole]:
            await self.town.status(
                self.random.choice(arrived), self.random.choice(_CODES), reason="OTHER", note="Sai"
            )

    async def leave_and_die(self) -> None:
        await leave_and_die(self.town)

    async def work(self) -> None:
        await getattr(self.town, self.random.choice(("pack", "dispatch", "land", "process", "carry")))()

    async def any(self) -> OutgoingDocument:
        """Return one of the documents, late ones rather than early ones."""
        documents = [d for d in await self.documents() if d.state is not OutState.DRAFT]
        if not documents:
            raise Clash("there is no document yet")
        return self.random.choice(documents[:6])

    async def documents(self) -> list[OutgoingDocument]:
        """Return the whole documents, newest first."""
        async with self.town.node.store.read(await self.scope()) as work:
            return [d for d in (await work.outgoing.page(limit=1000)).items if d.kind.is_whole]

    # --- a plain count of the rows ------------------------------------------------------------------------------

    async def check(self) -> None:
        documents = await self.documents()
        async with self.town.node.store.read(await self.scope()) as work:
            deliveries = await work.deliveries.of_documents([d.id for d in documents])
            facts = await work.facts.of_subjects([d.id for group in deliveries.values() for d in group])
        await self._check_states(documents, deliveries, facts)
        await self._check_numbers(documents)
        await self._check_book(documents, deliveries)
        await self._check_figures(documents, deliveries, facts)

    async def _check_states(
        self,
        documents: Sequence[OutgoingDocument],
        deliveries: Mapping[str, Sequence[Delivery]],
        facts: Mapping[str, Sequence[Fact]],
    ) -> None:
        held = {
            code: {d.packet_id: d for d in await self.town.incoming(code)} for code in (PROVINCE, COMMUNE)
        }
        for document in documents:
            own = deliveries.get(document.id, ())
            ended = bool(own) and all(d.state == "cancelled" for d in own)
            assert (document.state is OutState.CANCELLED) == ended or not own, document.id
            for delivery in own:
                there = document.packet_id in held[delivery.recipient.code]
                told = any(fact.track is Track.BUSINESS for fact in facts[delivery.id])
                assert there == told, (document.id, delivery.state, there)

    async def _check_numbers(self, documents: Sequence[OutgoingDocument]) -> None:
        async with self.town.node.store.read(await self.scope()) as work:
            given = await work.given.page(2026, now=self.town.clock.now(), limit=500)
        assert [g.number for g in given] == [*range(1, len(given) + 1)]
        standing = {d.document_id for d in documents if d.state in STANDING}
        drafts = {d.id for d in documents if d.state is OutState.DRAFT}
        by_id = {d.id: d for d in documents}
        for number in given:
            used = number.document_id in standing or number.subject_id in drafts
            assert number.state is (NumberState.ISSUED if used else NumberState.VOID), number
            assert by_id[number.subject_id].state in STANDING or not used or number.subject_id in drafts

    async def _check_book(
        self, documents: Sequence[OutgoingDocument], deliveries: Mapping[str, Sequence[Delivery]]
    ) -> None:
        async with self.town.node.store.read(await self.scope()) as work:
            office: Any = work
            pages = books.read_all(office, Book.OUTGOING, Span(year=2026))
            lines = {line.number: line.struck for page in [p async for p in pages] for line in page}
            summary = await books.summary_of(office, Book.OUTGOING, Span(year=2026))
        stands: dict[str, bool] = {}
        for document in documents:
            if document.state is not OutState.DRAFT:
                states = {d.state for d in deliveries.get(document.id, ())}
                back = "request_agreed" in states and states <= NOT_HELD | {"request_agreed"}
                stands[document.draft.number] = stands.get(document.draft.number, False) or (
                    document.state is not OutState.CANCELLED and not back
                )
        assert lines == {number: not stood for number, stood in stands.items()}
        assert (summary.lines, summary.struck) == (len(stands), [*stands.values()].count(False))

    async def _check_figures(
        self,
        documents: Sequence[OutgoingDocument],
        deliveries: Mapping[str, Sequence[Delivery]],
        facts: Mapping[str, Sequence[Fact]],
    ) -> None:
        counts = [d for d in documents if d.state in STANDING]
        own = [facts[d.id] for document in counts for d in deliveries.get(document.id, ())]
        gone = [group for group in own if any(_is_told(fact) for fact in group)]
        expected = {
            "documents": len(counts),
            "recipients": len(gone),
            "delivered": sum(any(fact.track is Track.BUSINESS for fact in group) for group in gone),
            "recalled": sum(
                any(r.state is RequestState.AGREED for r in fold_delivery(group).requests) for group in gone
            ),
        }
        assert await self._figures(DEPARTMENT, OUT, expected) == expected
        for code in (PROVINCE, COMMUNE):
            arrived = [d for d in await self.town.incoming(code) if d.kind.is_whole]
            there = {
                "documents": len(arrived),
                "recalled": sum(d.state == "recalled" for d in arrived),
            }
            assert await self._figures(code, IN, there) == there

    async def _figures(self, code: str, side: str, names: Mapping[str, int]) -> Mapping[str, int]:
        cells = await counted(self.town, code, side)
        return {name: cells.get(name, 0) for name in names}


def _is_told(fact: Fact) -> bool:
    return fact.track is Track.BUSINESS or fact.code in ("sent", "failed")
