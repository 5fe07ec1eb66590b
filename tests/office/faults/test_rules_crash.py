"""Taking in a letter is cut short at every call of every port: afterwards the letter has its number, label, follower and
the mail that is due once each, whatever the crash left, and never one of them without the others."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from gateway.domain.document import InState
from gateway.domain.event import EventKind
from gateway_office.accounts import tags_and_views
from gateway_office.domain.roles import PostRole
from gateway_office.policy.office_rules import OfficeRule, RuleActs, RuleCondition
from gateway_office.store.store import FOLLOW_KEY, RULE_MAIL_KEY
from tests.faults.killer import Counter, Killer, stand_still
from tests.faults.test_hold_crash import clock_after, crashes_of
from tests.office.support.node import PROVINCE, OfficeTown, opened
from tests.office.support.scenes import TownScene
from tests.support.fixtures import cheap_passwords as cheap_passwords

ALL_ACTS = (("tag", "follow", "mail"), 1, 1, 1)


async def prepare(folder: Path) -> None:
    async with opened(folder, clock_after(0), scene=TownScene.PEOPLE) as town:
        await town.send("15")
        await town.carry()
        document, node, scope = await town.only(), town.node, await town.scope(PROVINCE)
        await tags_and_views.put_tag(node.store, node.clock, scope, "Dự toán", document.id)
        (tag,) = await tags_and_views.tags_of(node.store, scope)
        await tags_and_views.take_off_tag(node.store, scope, tag.id, document.id)
        clerk = town.people[PostRole.CLERK, "province"].person.id
        rule = OfficeRule(
            id="rul_1",
            name="Dự toán",
            position=1,
            condition=RuleCondition(words="dự toán"),
            acts=RuleActs(tag=tag.name, people=(clerk,), mails=True),
            made_by=clerk,
            made_at=node.clock.now(),
            is_on=True,
        )
        async with node.store.changing(scope) as work:
            await work.office.rules.save(rule)


async def take_in(town: OfficeTown) -> None:
    await town.status(await town.only(), "03", register_no="7")


async def take_in_and_be_killed(folder: Path) -> None:
    async with opened(folder, clock_after(2), Killer(Counter(stand_still))) as town:
        await take_in(town)


async def recovered(folder: Path) -> bool:
    """Take the letter in once more in the copy of a crashed node; return whether the crash had left it taken in."""
    async with opened(folder, clock_after(3)) as town:
        was_done = (await town.only()).state is InState.ACCEPTED
        assert await effects(town) == (ALL_ACTS if was_done else ((), 0, 0, 0))
        await take_in(town)
        assert await effects(town) == ALL_ACTS
    return was_done


async def effects(town: OfficeTown) -> tuple[tuple[str, ...], int, int, int]:
    """Return the acts of the letter's events, its labels, its followers and its mails."""
    document, scope = await town.only(), await town.scope(PROVINCE)
    async with town.node.store.read(scope) as work:
        events = [e for e in await work.events.of_subject(document.id) if e.kind is EventKind.RULE_APPLIED]
        tags = (await work.office.tags.of_documents([document.id])).get(document.id, ())
        planned = [
            len(await work.office.reminders.planned(key, town.clock.now()))
            for key in (FOLLOW_KEY, RULE_MAIL_KEY)
        ]
    return tuple(e.data["what"] for e in events), len(tags), planned[0], planned[1]


def test_a_crash_while_a_letter_is_taken_in_leaves_what_its_rules_do_to_be_done_once(tmp_path: Path) -> None:
    folder = tmp_path / "node"
    asyncio.run(prepare(folder))
    ends = []
    for copy in crashes_of(lambda: take_in_and_be_killed(folder), folder, tmp_path):
        ends.append(asyncio.run(recovered(copy)))
        shutil.rmtree(copy)

    assert len(ends) >= 2
    assert ends == sorted(ends)  # once it is done, it stays so
    assert (ends[0], ends[-1]) == (False, True)
