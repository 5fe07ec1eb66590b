"""Random histories of documents of one agency: sent, cancelled, called back, sealed, lifted, recalled, answered, in any
order, with packets that left without a record, and with one recipient that becomes part of the other while documents are
open. In the end states, numbers, book and figures of both sides are compared with a plain count of the rows."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.domain.account import AgencyScope
from gateway.domain.document import OutgoingDocument, OutState, Recipient
from gateway.domain.hold import Hold
from gateway.domain.registry_reform import QueuedMail, ReformKind, Target
from gateway.errors import Clash, GatewayError
from gateway.outgoing import manage, more_recipients
from gateway_office.letters import follow_up
from tests.acceptance.test_flows_reform import reformed, today
from tests.acceptance.test_hold import lift_sent, seal_sent
from tests.acceptance.test_roll_over import two_deciders
from tests.office.support.book_count import check_book
from tests.office.support.node import COMMUNE, DEPARTMENT, PROVINCE, OfficeTown, opened
from tests.support import people
from tests.support.plain_count import Ours, check
from tests.support.secret import with_recipient
from tests.unit.outgoing.test_endings import choose_own_book, leave_and_die

Act = Callable[[], Awaitable[object]]
_CODES = ("02", "03", "03", "04", "05", "06", "15", "15", "16")


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[OfficeTown]:
    """Open a town that can seal a hold."""
    async with opened(tmp_path / "node", change=with_recipient) as new_town:
        yield new_town


@dataclass(slots=True)
class History:
    town: OfficeTown
    random: random.Random
    holds: list[Hold] = field(default_factory=list)
    outcomes: list[str] = field(default_factory=list)
    heirs: dict[str, str] = field(default_factory=dict)

    async def live(self, steps: int) -> None:
        """Take random steps, with what is not allowed at the moment refused; then carry all to its place."""
        await choose_own_book(self.town)
        acts: dict[Act, int] = {
            self.send: 6,
            self.resend: 2,
            self.send_to_more: 2,
            self.undo: 1,
            self.cancel: 4,
            self.seal: 2,
            self.lift: 1,
            self.recall: 3,
            self.answer: 6,
            self.leave_and_die: 3,
            self.merge: 1,
            self.work: 8,
        }
        for _ in range(steps):
            (act,) = self.random.choices([*acts], weights=[*acts.values()])
            try:
                await act()
                self.outcomes.append(act.__name__)
            except GatewayError as error:
                self.outcomes.append(f"not {act.__name__}: {error.code}")
            self.town.clock.advance(timedelta(seconds=self.random.randint(1, 400)))
        for _ in range(3):
            self.town.clock.advance(timedelta(minutes=30))
            await self.town.carry_around()

    async def scope(self) -> AgencyScope:
        return await self.town.scope(DEPARTMENT)

    async def send(self) -> None:
        to = self.random.choice(([PROVINCE], [COMMUNE], [PROVINCE, COMMUNE]))
        await self.town.send("", *to)

    async def resend(self) -> None:
        """Send a document anew under the number that it has: allowed of what was cancelled or refused."""
        earlier = await self.any()
        await self.town.send(earlier.draft.number, *(r.code for r in earlier.draft.recipients))

    async def send_to_more(self) -> None:
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

    async def merge(self) -> None:
        """Let one recipient become part of the other, by a reform that two people approve; mail to it is on its way."""
        if self.heirs:
            raise Clash("they are one agency already")
        ended, heir = self.random.sample((PROVINCE, COMMUNE), 2)
        queued = self.random.choice([*QueuedMail])
        with people.cheap():
            both = await two_deciders(self.town)
            await reformed(
                self.town,
                both,
                ReformKind.MERGE,
                sources=(ended,),
                targets=(Target(code=heir),),
                effective_on=today(self.town) + timedelta(days=1),
                queued=queued,
            )
        self.heirs[ended] = heir
        self.town.clock.advance(timedelta(days=1))

    async def work(self) -> None:
        await getattr(self.town, self.random.choice(("pack", "dispatch", "land", "process", "carry")))()

    async def any(self) -> OutgoingDocument:
        """Return one of the documents, late ones rather than early ones."""
        async with self.town.node.store.read(await self.scope()) as work:
            page = await work.outgoing.page(limit=1000)
        documents = [d for d in page.items if d.kind.is_whole and d.state is not OutState.DRAFT]
        if not documents:
            raise Clash("there is no document yet")
        return self.random.choice(documents[:6])

    async def check(self) -> None:
        await self.town.number()
        ours = {
            code: Ours(self.town.node.store, await self.town.scope(code))
            for code in (DEPARTMENT, PROVINCE, COMMUNE)
        }
        sent = await check(ours[DEPARTMENT], ours, year=2026, heirs=self.heirs)
        await check_book(ours[DEPARTMENT], sent, 2026)
