"""Mode B keeps its run over any order of acts: documents taken in, mail entered by hand, entries for last year, strokes,
refusals, and crashes before or after the commit. In every year the run is 1, 2, 3, … and each line is there once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gateway.domain.account import AgencyScope, HostedAgency, NumberingMode
from gateway.domain.book import Book, Span
from gateway.domain.wall_clock import local
from gateway.errors import Refused, StoreFailure
from gateway.incoming import act, by_hand
from gateway.incoming.act import StatusCall
from gateway.incoming.by_hand import TypedMail
from gateway.incoming.services import IncomingServices
from gateway.store.store import SqlStore
from gateway_office.book import books
from tests.office.support.node import OfficeTown, opened
from tests.support.amounts import examples
from tests.support.clock import ManualClock
from tests.support.stores import incoming

START = datetime(2026, 12, 30, 3, tzinfo=UTC)
ACTS = ("axis", "paper", "late", "refused", "strike", "crash", "crash-after", "days", "together")


class Crashing:
    """The store, whose next commit does not happen, or happens unheard."""

    def __init__(self, store: Any, *, committed: bool) -> None:
        self._store, self._committed = store, committed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @asynccontextmanager
    async def begin(self, scope: AgencyScope) -> AsyncIterator[Any]:
        async with self._store.begin(scope) as work:
            commit = work.commit

            async def crash() -> None:
                if self._committed:
                    await commit()
                raise StoreFailure("the process ended here")

            work.commit = crash
            yield work

    @asynccontextmanager
    async def changing(self, scope: AgencyScope) -> AsyncIterator[Any]:
        async with self.begin(scope) as work:
            yield work
            await work.commit()


class Story:
    """One agency's book, and what must stand in it."""

    def __init__(self, town: OfficeTown, scope: AgencyScope) -> None:
        self.town, self.scope = town, scope
        self.made: list[tuple[int, str]] = []
        self.by_hand: list[str] = []

    @property
    def services(self) -> IncomingServices:
        return self.town.node.inn

    def letter(self, **fields: Any) -> TypedMail:
        day = local(self.town.clock.now()).date()
        values: dict[str, Any] = {"sender": "Hợp tác xã Một", "subject": "Thư", "received_on": day}
        return TypedMail(**(values | fields))

    async def enter(self, **fields: Any) -> None:
        entered = await by_hand.enter(self.services, self.scope, self.letter(**fields))
        self.made.append((entered.entry.year, entered.document.id))
        self.by_hand.append(entered.document.id)

    async def take_in(self) -> None:
        document = incoming(self.town.clock, scope=self.scope, sender_code="Z91.09")
        async with self.services.store.changing(self.scope) as work:
            await work.incoming.add(document)
        outcome = await act.set_status(self.services, self.scope, document.id, StatusCall(code="03"))
        assert outcome.document.register_year is not None
        self.made.append((outcome.document.register_year, document.id))

    async def crash(self, *, committed: bool) -> None:
        """Crash before or after the commit of a form, then send it again as the clerk does."""
        id = self.town.clock.new_id("inb_")
        broken = replace(
            self.services, store=cast(SqlStore, Crashing(self.services.store, committed=committed))
        )
        with suppress(StoreFailure):
            await by_hand.enter(broken, self.scope, self.letter(id=id))
        await self.enter(id=id)

    async def do(self, step: str) -> None:
        if step == "axis":
            await self.take_in()
        elif step == "paper":
            await self.enter()
        elif step == "late":
            last_year = local(self.town.clock.now()).date() - timedelta(days=364)
            await self.enter(received_on=last_year, catch_up="Mất điện")
        elif step == "refused":
            with suppress(Refused):
                await self.enter(subject="")
        elif step == "strike" and self.by_hand:
            await by_hand.strike(self.services, self.scope, self.by_hand[-1], "Nhập nhầm")
        elif step in ("crash", "crash-after"):
            await self.crash(committed=step == "crash-after")
        elif step == "days":
            self.town.clock.advance(timedelta(days=97, hours=7))
        elif step == "together":
            await asyncio.gather(self.enter(), self.take_in(), self.enter())
        self.town.clock.advance(1)

    async def check(self) -> None:
        now = local(self.town.clock.now()).year
        for year in range(START.year - 1, now + 1):
            ids = {id for made_in, id in self.made if made_in == year}
            span = Span(year=year)
            async with self.town.node.store.read(self.scope) as work:
                lines = [
                    line
                    async for part in books.read_all(work, Book.INCOMING, span, at_once=3)
                    for line in part
                ]
                summary = await books.summary_of(work, Book.INCOMING, span)
            assert [line.number for line in lines] == [str(n + 1) for n in range(len(ids))]
            assert {line.subject_id for line in lines} == ids
            assert summary.lines == len(ids)
            assert all(run.is_whole for run in summary.runs)


async def tell(town: OfficeTown, acts: list[str]) -> None:
    """Play a story in an agency of its own, because opening a node takes longer than most stories."""
    id = town.clock.new_id("agy_")
    agency = HostedAgency(id=id, code=f"Z91.{id[-6:]}", name="Xã Mẫu", numbering=NumberingMode.B)
    await town.node.store.accounts.add_hosted(agency)
    story = Story(town, AgencyScope(agency_id=id, principal_id="clerk"))
    for step in acts:
        await story.do(step)
    await story.check()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[list[str]], None]]:
    with asyncio.Runner() as runner:
        making = opened(tmp_path_factory.mktemp("book") / "node", ManualClock(START))
        town = runner.run(making.__aenter__())
        yield lambda acts: runner.run(tell(town, acts))
        runner.run(making.__aexit__(None, None, None))


@settings(max_examples=examples(12), suppress_health_check=[*HealthCheck])
@example(
    acts=["paper", "crash", "axis", "days", "late", "days", "paper", "crash-after", "together", "strike"]
)
@given(acts=st.lists(st.sampled_from(ACTS), min_size=3, max_size=14))
def test_the_run_has_no_gap_whatever_happens(stage: Callable[[list[str]], None], acts: list[str]) -> None:
    stage(acts)
