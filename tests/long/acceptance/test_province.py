"""A province works for weeks with two nodes, the provincial service first and the national axis behind it. Each service
is a process of its own that is killed again and again and gets one call in five wrong; the provincial one goes away for
a while; documents show a day, a week or a year late. Nothing is lost, and each receiver has each document once."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.domain.document import OutgoingDocument
from gateway.errors import GatewayError
from tests.foreign.acceptance.test_lgsp import behind
from tests.services.process import kept_ports
from tests.support import node
from tests.support.clock import ManualClock
from tests.support.node import COMMUNE, DEPARTMENT, PROVINCE, Town
from tests.support.town import lgsp, vxp
from tests.support.town.axes import CODES, HOSTED, SYSTEMS, both

LATE = (1, 8, 400)
WRONG = (
    'kinds = ["error500", "html", "lost", "half", "slow", "duplicate", "reorder", "damaged", "nodata", "fail:20",'
    ' "late:1", "late:8", "late:400"]\nrate = 0.2\nslow_s = 0.02\n'
    'operations = ["sendEdoc", "syncReceivedEdocList", "getReceivedEdocList", "getSentEdocList", "getEdoc",'
    ' "updateStatus"]\n'
)
PROMPT = WRONG.replace(', "late:1", "late:8", "late:400"', "")


class Killed(BaseException):
    """The node ends here: no part of the program may catch it, as none would hear of a kill."""


@dataclass(kw_only=True)
class Story:
    folder: Path
    clock: ManualClock
    ports: Mapping[str, int]
    towns: dict[str, Town] = field(default_factory=dict)
    sent: list[tuple[str, OutgoingDocument]] = field(default_factory=list)
    killed: int = 0
    _dead: set[str] = field(default_factory=set)
    _open: dict[str, AsyncExitStack] = field(default_factory=dict)
    _turn: int = 0
    _chance: random.Random = field(default_factory=lambda: random.Random(27))

    async def open(self, name: str) -> None:
        """Open a node on the files that it left before."""
        system = dict(zip(HOSTED, SYSTEMS, strict=True))[name]
        change = both(self.folder, HOSTED[name], system, self.ports)
        self._open[name] = AsyncExitStack()
        opened = node.opened(self.folder / name, self.clock, change=change)
        self.towns[name] = await self._open[name].enter_async_context(opened)
        for hub in self.towns[name].foreign:
            for at in ("note_fetched", "note_end", "note_reported", "mark", "unmark", "note_coming"):
                setattr(hub._ledger, at, self._may_kill(name, getattr(hub._ledger, at)))

    async def close(self) -> None:
        for name in self.towns:
            await self._end(name)

    def _may_kill(self, name: str, real: Callable[..., object]) -> Callable[..., object]:
        """Kill the node before or after it writes an entry; from then on it writes nothing for any caller."""

        def called(*args: object, **more: object) -> object:
            if name in self._dead:
                raise Killed("dead")
            fate = self._chance.random()
            if fate < 0.02:
                self._dead.add(name)
                raise Killed("before")
            answer = real(*args, **more)
            if fate > 0.98:
                self._dead.add(name)
                raise Killed("after")
            return answer

        return called

    @contextmanager
    def axes(self, wrong: str, *, province: bool = True) -> Iterator[None]:
        """Run both axes, or the national one alone, on the nodes' time; kill them in the end."""
        self._turn += 1
        more = f'[hub]\ncode = "TRUC.W00"\ndedupe = false\nahead_s = {behind(self.clock)}\n'
        faults = f"[faults]\nseed = {self._turn}\n{wrong}" if wrong else ""
        with ExitStack() as stack:
            if province:
                toml = more + faults
                stack.enter_context(lgsp.start(self.folder / "lgsp", CODES, toml, self.ports["province"]))
            toml = f"{more}fresh_h = 0\n{faults}"
            stack.enter_context(vxp.start(self.folder / "vxp", SYSTEMS, toml, self.ports["national"]))
            yield

    async def rounds(self, count: int, wrong: str = WRONG, *, province: bool = True) -> None:
        for _ in range(count):
            with self.axes(wrong, province=province):
                for _ in range(3):
                    for name in HOSTED:
                        await self._carry(name)
                    self.clock.advance(400)

    async def send(self, number: str, by: str = "north") -> OutgoingDocument:
        """Send a document to both agencies of the other node, or back from one of them."""
        town = self.towns[by]
        if by == "north":
            document = await town.send(number, PROVINCE, COMMUNE)
        else:
            document = await town.send(number, DEPARTMENT, sender=PROVINCE)
        self.sent.append((by, document))
        return document

    async def axes_of(self, document: OutgoingDocument) -> set[str | None]:
        """Return the axes over which the document left."""
        town = self.towns[next(by for by, d in self.sent if d is document)]
        facts = await town.facts_by(document)
        return {d.axis for f in facts.values() for d in f if d.code == "sent"}

    async def depart(self, letter: OutgoingDocument, wrong: str, *, province: bool = True) -> set[str | None]:
        """Carry until the letter has left; return its axes."""
        for _ in range(10):
            await self.rounds(1, wrong, province=province)
            if by := await self.axes_of(letter):
                return by
        pytest.fail(f"it does not leave: {await self.states()}")

    async def states(self) -> Counter[str]:
        counts: Counter[str] = Counter()
        for by, document in self.sent:
            counts.update(d.state for d in (await self.towns[by].deliveries(document)).values())
        return counts

    async def run_until(self, states: set[str], wrong: str = WRONG, most: int = 20) -> None:
        for _ in range(most):
            if set(await self.states()) <= states:
                return
            await self.rounds(1, wrong)
        pytest.fail(f"after {most} rounds: {await self.states()}")

    async def _carry(self, name: str) -> None:
        """Carry documents on one node: a failed call is tried again, a killed node is opened again."""
        town = self.towns[name]
        with suppress(GatewayError, Killed):
            await town.carry()
            for axis in town.foreign:
                await axis.look()
            await town.carry()
        if name in self._dead:
            self.killed += 1
            await self._end(name)
            self._dead.discard(name)
            await self.open(name)
            self.clock.advance(120)  # its leases have ended

    async def _end(self, name: str) -> None:
        """End a node; a fetch in the background may have met the kill, and its error is dropped."""
        for hub in self.towns[name].foreign:
            looking, hub._fetcher._task = hub._fetcher._task, None
            if looking is not None:
                looking.cancel()
                await asyncio.wait([looking])
                if not looking.cancelled():
                    looking.exception()
        await self._open[name].aclose()


def only(fault: str) -> str:
    return f'kinds = ["{fault}"]\nrate = 1.0\noperations = ["sendEdoc"]\n'


@pytest.mark.timeout(1800)
async def test_a_province_over_weeks_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        province, national = stack.enter_context(kept_ports(2))
        ports = {"province": province, "national": national}
        story = Story(folder=tmp_path, clock=ManualClock(), ports=ports)
        stack.push_async_callback(story.close)
        for name in HOSTED:
            await story.open(name)

        # The provincial service carries, badly; three documents of it show late.
        for n in range(3):
            await story.send(str(40 + n))
        await story.send("60", "south")
        await story.rounds(3)
        for n, days in enumerate(LATE):
            document = await story.send(str(70 + n))
            assert await story.depart(document, only(f"late:{days}")) == {"province"}
        lost = await story.send("50")
        await story.rounds(1, only("lost"))

        # It goes away: the national axis carries, badly too, and shows some of it late.
        for document in (await story.send("80"), await story.send("61", "south")):
            assert await story.depart(document, WRONG, province=False) == {"national"}
        for n, days in enumerate(LATE):
            document = await story.send(str(90 + n))
            assert await story.depart(document, only(f"late:{days}"), province=False) == {"national"}
        assert "national" not in await story.axes_of(lost)  # it may be there

        # It is back, and used again.
        await story.rounds(3)
        story.clock.advance(3600)
        back = await story.send("84")
        assert await story.depart(back, "") == {"province"}

        # Everything has left; a day, a week and a year later the rest of it shows, and the answers to it.
        await story.run_until({"sent", "delivered"})
        for days in LATE:
            story.clock.advance(timedelta(days=days, hours=1))
            await story.rounds(3, PROMPT)
        for _ in range(2):
            story.clock.advance(timedelta(days=30))
            await story.rounds(3, "")
        assert dict(await story.states()) == {
            "delivered": sum(2 if by == "north" else 1 for by, _ in story.sent)
        }

        arrivals = {
            code: Counter(
                d.document_id
                for d in await story.towns["north" if code == DEPARTMENT else "south"].incoming(code)
            )
            for code in CODES
        }

    forth, answers = (
        {document.document_id: 1 for by, document in story.sent if by == name} for name in ("north", "south")
    )
    assert arrivals == {PROVINCE: forth, COMMUNE: forth, DEPARTMENT: answers}
    assert story.killed
