"""An act that was due is cut short at every call of every port: afterwards it is done once, with one number, whatever the
crash left."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from gateway.domain.document import InState
from gateway_office.domain.pending import ActKind, ActValues
from gateway_office.domain.roles import PostRole
from gateway_office.letters import pending
from tests.faults.killer import Counter, Killer, stand_still
from tests.faults.test_hold_crash import clock_after, crashes_of
from tests.office.support.node import PROVINCE, OfficeTown, opened
from tests.office.support.scenes import TownScene
from tests.support.fixtures import cheap_passwords as cheap_passwords


async def press(folder: Path) -> None:
    async with opened(folder, clock_after(0), scene=TownScene.PEOPLE) as town:
        await town.send("15")
        await town.carry()
        (document,) = await town.incoming(PROVINCE)
        clerk = town.people[PostRole.CLERK, "province"].person
        await pending.begin(
            town.node.inn,
            replace(await town.scope(PROVINCE), principal_id=clerk.id),
            document,
            ActKind.TAKE_IN,
            ActValues(register_no="7"),
            version=document.version,
            wait=timedelta(seconds=10),
        )


async def run_due(town: OfficeTown) -> bool:
    return await pending.run_due(town.node.inn, town.node.accounts)


async def run_due_and_be_killed(folder: Path) -> None:
    async with opened(folder, clock_after(2), Killer(Counter(stand_still))) as town:
        await run_due(town)


async def recovered(folder: Path) -> bool:
    """Run what is due in the copy of a crashed node; return whether the crash had left it done."""
    async with opened(folder, clock_after(3)) as town:
        was_done = (await town.only()).state is InState.ACCEPTED
        assert await run_due(town) is not was_done
        document = await town.only()
        assert (document.state, document.register_no) == (InState.ACCEPTED, "7")
        async with town.node.store.read(await town.scope(PROVINCE)) as work:
            facts = [fact.code for fact in await work.facts.of_subject(document.id)]
            assert facts.count("03") == 1
            assert [line.number for line in await work.register.entries("incoming", 2026)] == ["7"]
            assert await work.office.pending.of_documents([document.id]) == {}
        await town.carry()
        assert await town.statuses(PROVINCE) == 2  # 01, 03
    return was_done


def test_a_crash_between_the_hour_and_the_act_leaves_it_to_be_done_once(tmp_path: Path) -> None:
    folder = tmp_path / "node"
    asyncio.run(press(folder))
    ends = []
    for copy in crashes_of(lambda: run_due_and_be_killed(folder), folder, tmp_path):
        ends.append(asyncio.run(recovered(copy)))
        shutil.rmtree(copy)

    assert len(ends) >= 2
    assert ends == sorted(ends)  # once it is done, it stays so
    assert (ends[0], ends[-1]) == (False, True)
