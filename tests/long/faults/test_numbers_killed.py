"""Fifty callers in two processes take numbers of outgoing documents from one server while they are killed again and again:
no number is given twice, and each number up to the last one is issued, reserved, free again or void with its reason.
NUMBERS_KILLS makes it as long as one likes."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from gateway.clock import SystemClock
from gateway.deciding import agency_profile
from gateway.domain.agency_profile import OUT_NUMBERING
from gateway.domain.document import OutgoingDocument, OutState
from gateway.domain.event import EventKind
from gateway.domain.numbers import GivenNumber, NumberState
from gateway.store.row import from_json
from tests.support.fixtures import database_of
from tests.support.node import DEPARTMENT, Town
from tests.support.numbers_child import READY
from tests.support.town.builder import open_town
from tests.support.waiting import within_limit

CALLERS, PROCESSES = 50, 2
KILLS = int(os.environ.get("NUMBERS_KILLS", "10"))
LONGEST_S = 0.8


@pytest.fixture
def database(request: pytest.FixtureRequest) -> str:
    return database_of(request, "postgresql")


@pytest.mark.timeout(1800)
async def test_no_number_is_given_twice_or_lost_while_the_nodes_are_killed(
    tmp_path: Path, database: str
) -> None:
    folder, chance = tmp_path / "node", random.Random(1000)
    async with open_town(folder, SystemClock(), database=database) as town:
        scope = await town.scope(DEPARTMENT)
        await agency_profile.choose(town.node.store, town.node.clock, scope, "An", OUT_NUMBERING, "B")

    children = [await begin(folder, database, n) for n in range(PROCESSES)]
    for kill in range(KILLS):
        await asyncio.sleep(chance.random() * LONGEST_S)
        victim = children.pop(chance.randrange(PROCESSES))
        assert victim.returncode is None, "a caller met an error that nobody foresaw"
        victim.kill()
        await victim.wait()
        children.append(await begin(folder, database, PROCESSES + kill))
    for child in children:
        assert child.returncode is None, "a caller met an error that nobody foresaw"
        child.kill()
        await child.wait()

    async with open_town(folder, SystemClock(), database=database) as town:
        assert await torn(town) == []


async def begin(folder: Path, database: str, seed: int) -> asyncio.subprocess.Process:
    words = (str(folder), database, str(CALLERS // PROCESSES), str(seed))
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.numbers_child", *words, stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    line = await within_limit(child.stdout.readline(), "the node to begin")
    assert line.decode().strip() == READY
    return child


async def torn(town: Town) -> list[str]:
    """List everything that is not as it must be."""
    now, year = town.node.clock.now(), town.node.out.today().year
    async with town.node.store.read(await town.scope(DEPARTMENT)) as work:
        numbers = await work.given.page(year, now=now, limit=1_000_000)
        last = {series: await work.given.last(series, year) for series in {n.book for n in numbers}}
    async with town.node.store.reading() as tx:
        bodies = await tx.tuples(text("SELECT body FROM outgoing_document"))
        issues = await tx.tuples(
            text(f"SELECT subject_id, data FROM event WHERE kind = '{EventKind.NUMBER_ISSUED}'")  # noqa: S608
        )
    documents = [from_json(OutgoingDocument, body) for (body,) in bodies]
    counts = Counter(n.state for n in numbers)
    print(f"{len(numbers)} numbers: {dict(counts)}")
    faults = [] if counts[NumberState.ISSUED] > KILLS else [f"too few were issued: {counts}"]
    faults += _runs(numbers, last) + _owners(numbers, documents)
    faults += _events(issues)
    return faults


def _runs(numbers: Sequence[GivenNumber], last: dict[str, int]) -> list[str]:
    by_series = defaultdict(list)
    for number in numbers:
        by_series[number.book].append(number.number)
    faults = [
        f"{series}: {len(run)} rows up to {last[series]}"
        for series, run in by_series.items()
        if sorted(run) != list(range(1, last[series] + 1))
    ]
    faults += [
        f"{n.id} is void without a reason" for n in numbers if n.state is NumberState.VOID and not n.reason
    ]
    return faults + [
        f"{n.id} is reserved for ever" for n in numbers if n.state is NumberState.RESERVED and n.until is None
    ]


def _owners(numbers: Sequence[GivenNumber], documents: Sequence[OutgoingDocument]) -> list[str]:
    """Compare numbers with documents: each document that leaves has one issued number, and the other way round."""
    live = {d.id: d for d in documents if d.state not in (OutState.DRAFT, OutState.CANCELLED)}
    issued = {n.subject_id: n for n in numbers if n.state is NumberState.ISSUED}
    faults = [f"{id} has no number" for id in live.keys() - issued.keys()]
    faults += [f"{issued[id].id} is of no document" for id in issued.keys() - live.keys()]
    faults += [
        f"{d.id} bears {d.draft.code}"
        for id, d in live.items()
        if id in issued and issued[id].code != d.draft.code
    ]
    doubled = Counter((int(d.draft.number), d.draft.symbol) for d in live.values())
    return faults + [f"{code} was given {count} times" for code, count in doubled.items() if count > 1]


def _events(issues: Any) -> list[str]:
    """List numbers that were ever issued to two documents. Any: rows of two texts."""
    owners: dict[str, set[str]] = defaultdict(set)
    for subject, data in issues:
        facts = json.loads(data)
        owners[f"{facts['series']} {facts['number']}"].add(subject)
    return [f"{number} was issued to {owner}" for number, owner in owners.items() if len(owner) > 1]
