"""A province whose nodes and hubs are processes that are killed without warning, at any moment: one call in five goes
wrong, the provincial service is away for a while, and part of what was sent shows a day, a week or a year late. Nothing
is lost, and each receiver has each document once. PROVINCE_DOCUMENTS and PROVINCE_KILLS make it as long as one likes."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sqlite3
import sys
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import make_url

from gateway.bootstrap.node import open_node
from gateway.domain.account import AgencyScope
from tests.long.acceptance.test_province import LATE, PROMPT, WRONG
from tests.services.process import kept_ports
from tests.support import api
from tests.support.node import COMMUNE, DEPARTMENT, PROVINCE
from tests.support.province_child import READY, ClockAhead, settings_of
from tests.support.town import lgsp, vxp
from tests.support.town.axes import CODES, HOSTED, SYSTEMS
from tests.support.waiting import within_limit

DOCUMENTS = int(os.environ.get("PROVINCE_DOCUMENTS", "6"))
KILLS = int(os.environ.get("PROVINCE_KILLS", "8"))
KILLS_A_ROUND = 4
HOUR, DAY = 3600.0, 86400.0
_COPIES = """
    SELECT message.document, delivery.receiver, count(*) FROM message JOIN delivery USING (doc_id)
    WHERE message.is_new GROUP BY 1, 2 HAVING count(*) > 1
"""
_REPEATS = "SELECT count(*) FROM inbox WHERE code = 'MSG-REPEAT' AND kind = 'edoc'"


@dataclass(kw_only=True)
class Province:
    folder: Path
    ports: dict[str, int]
    ahead_s: float = 0.0
    killed: int = 0
    _turn: int = 0
    _children: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)
    _chance: random.Random = field(default_factory=lambda: random.Random(50))

    def order(self, orders: Mapping[str, list[tuple[str, str, list[str]]]]) -> None:
        for name, letters in orders.items():
            (self.folder / f"{name}.orders.json").write_text(json.dumps(letters), encoding="utf-8")

    async def round(self, wrong: str, kills: int, *, seconds: float = 4.0, province: bool = True) -> None:
        """Run both nodes on the hubs; then kill everything, and let more than an hour pass."""
        self._turn += 1
        more = f'[hub]\ncode = "TRUC.W00"\ndedupe = false\nahead_s = {self.ahead_s}\n'
        faults = f"[faults]\nseed = {self._turn}\n{wrong}" if wrong else ""
        with ExitStack() as stack:
            if province:
                stack.enter_context(
                    lgsp.start(self.folder / "lgsp", CODES, more + faults, self.ports["province"])
                )
            toml = f"{more}fresh_h = 0\n{faults}"
            stack.enter_context(vxp.start(self.folder / "vxp", SYSTEMS, toml, self.ports["national"]))
            try:
                await asyncio.gather(*(self._begin(name) for name in HOSTED))
                for _ in range(kills):
                    name = self._chance.choice(tuple(HOSTED))
                    await self._works(self._chance.random() * seconds)
                    await self._kill(name)
                    await self._begin(name)
                await self._works(seconds)
            finally:
                for name in tuple(self._children):
                    await self._kill(name)
        self.killed += kills
        self.ahead_s += HOUR

    async def wait_for_arrivals(self, rounds: int) -> None:
        for _ in range(rounds):
            if set(await self.states()) == {"delivered"}:
                return
            await self.round("", 0, seconds=8.0)
        pytest.fail(f"not all came through: {await self.states()}")

    async def states(self) -> Counter[str]:
        """Count the states of all deliveries, while no node runs."""
        counts: Counter[str] = Counter()
        for name, codes in HOSTED.items():
            async with open_node(
                settings_of(self.folder, name, self.ports), ClockAhead(self.ahead_s)
            ) as node:
                for code in codes:
                    agency = await node.store.accounts.hosted_by_code(code)
                    assert agency is not None
                    scope = AgencyScope(agency_id=agency.id, principal_id="test")
                    async with node.store.read(scope) as work:
                        for document in (await work.outgoing.page(limit=1000)).items:
                            counts.update(d.state for d in await work.deliveries.of_document(document.id))
        return counts

    async def count_numbers(self) -> dict[str, Counter[str]]:
        """Count each number, by agency."""
        counts: dict[str, Counter[str]] = {}
        for name, codes in HOSTED.items():
            async with open_node(
                settings_of(self.folder, name, self.ports), ClockAhead(self.ahead_s)
            ) as node:
                for code in codes:
                    agency = await node.store.accounts.hosted_by_code(code)
                    assert agency is not None
                    scope = AgencyScope(agency_id=agency.id, principal_id="test")
                    async with node.store.read(scope) as work:
                        counts[code] = Counter(
                            document.number for document in (await work.incoming.page(limit=1000)).items
                        )
        return counts

    def copies(self, hub: str) -> dict[tuple[str, str], int]:
        """Count documents that a hub has more than once for one receiver."""
        with closing(sqlite3.connect(self.folder / hub / "systems.data" / "hub.sqlite")) as file:
            rows = file.execute(_COPIES).fetchall()
        return {(document, receiver): count for document, receiver, count in rows}

    def count_repeats(self) -> int:
        """Count the second copies that the nodes recorded."""
        count = 0
        for name in HOSTED:
            url = make_url(settings_of(self.folder, name, self.ports).database.url)
            with closing(sqlite3.connect(url.database or "")) as file:
                count += int(file.execute(_REPEATS).fetchone()[0])
        return count

    async def _begin(self, name: str) -> None:
        words = ("-m", "tests.support.province_child", str(self.folder), name)
        more = (json.dumps(self.ports), str(self.ahead_s))
        child = await asyncio.create_subprocess_exec(
            sys.executable, *words, *more, stdout=asyncio.subprocess.PIPE
        )
        self._children[name] = child
        assert child.stdout is not None
        line = await within_limit(child.stdout.readline(), "the node is ready")
        assert line.decode().strip() == READY, "the process ended by itself"

    async def _works(self, seconds: float) -> None:
        """Let the processes work for so long; fail when one ends by itself."""
        ends = [asyncio.ensure_future(wait.wait()) for wait in self._children.values()]
        ended, waits = await asyncio.wait(ends, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        assert not ended, "the process ended by itself"

    async def _kill(self, name: str) -> None:
        child = self._children.pop(name)
        if child.returncode is None:
            child.kill()
        await child.wait()


@pytest.mark.timeout(3600)
async def test_a_province_of_processes_that_are_killed_loses_nothing_and_doubles_nothing(
    tmp_path: Path,
) -> None:
    for name in HOSTED:
        await api.stage_in(tmp_path / name)
    forth = [str(100 + n) for n in range(DOCUMENTS)]
    back = [str(500 + n) for n in range(max(1, DOCUMENTS // 3))]
    with kept_ports(2) as (province_port, national_port):
        province = Province(folder=tmp_path, ports={"province": province_port, "national": national_port})
        rounds = max(4, -(-KILLS // KILLS_A_ROUND))
        for n in range(rounds):
            # A part of the orders is new in each round.
            so_far = slice(0, -(-DOCUMENTS * (n + 1) // rounds))
            province.order(
                {
                    "north": [(number, DEPARTMENT, [PROVINCE, COMMUNE]) for number in forth[so_far]],
                    "south": [(number, PROVINCE, [DEPARTMENT]) for number in back],
                }
            )
            kills = KILLS // rounds + (n < KILLS % rounds)
            await province.round(WRONG, kills, province=n % 4 != 2)
        assert province.killed == KILLS
        for days in LATE:
            province.ahead_s += days * DAY
            await province.round(PROMPT, 0, seconds=8.0)
        province.ahead_s += DAY
        await province.wait_for_arrivals(20)
        states, arrivals = await province.states(), await province.count_numbers()
        twice = {hub: province.copies(hub) for hub in ("lgsp", "vxp")}
        repeats = province.count_repeats()

    assert states == {"delivered": 2 * len(forth) + len(back)}
    # An axis that lists its packets gets none twice; for the other kind the second copy is recorded.
    assert twice["vxp"] == {}
    assert repeats == sum(count - 1 for count in twice["lgsp"].values())
    assert arrivals == {
        PROVINCE: Counter(forth),
        COMMUNE: Counter(forth),
        DEPARTMENT: Counter(back),
    }
