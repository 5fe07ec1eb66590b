"""Urging a recipient: only about what is late, all of it together, by a named person, and not every day."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from gateway.domain.document import ReplyLink, Staff
from gateway.domain.event import EventKind
from gateway.domain.wall_clock import local
from gateway.errors import Clash
from gateway_office import todo
from gateway_office.domain.task import TaskKind
from gateway_office.letters import follow_up
from tests.office.support.node import COMMUNE, DEPARTMENT, PROVINCE, OfficeTown

WEEK = timedelta(days=7)
LONG = timedelta(days=3)


async def press(town: OfficeTown, code: str = PROVINCE, **more: str) -> follow_up.Urging:
    fields = {"by": "Trần Thị Mẫu", "how": "phone", "text": "Đề nghị tiếp nhận.", **more}
    return await follow_up.urge(town.node.out, await town.scope(DEPARTMENT), code, every=WEEK, **fields)


async def urged(town: OfficeTown, id: str) -> list[str]:
    events = await town.events(DEPARTMENT, id)
    return [str(event.data["to"]) for event in events if event.kind is EventKind.MESSAGE_URGED]


async def test_all_late_documents_of_one_recipient_are_urged_together_and_of_nobody_else(
    town: OfficeTown,
) -> None:
    """R54."""
    first = await town.send("15", PROVINCE, COMMUNE)
    other = await town.send("16", PROVINCE)
    accepted = await town.send("17", PROVINCE)
    await town.carry()
    await town.status(await town.as_incoming(accepted), "03", register_no="1")
    await town.carry()

    with pytest.raises(Clash, match="nothing of ours is late"):
        await press(town)
    town.clock.advance(LONG)
    stands = await follow_up.urging_of(town.node.out, await town.scope(DEPARTMENT), PROVINCE, WEEK)
    await press(town)

    assert {document.id for document in stands.late} == {first.id, other.id}
    assert (await urged(town, first.id), await urged(town, other.id)) == ([PROVINCE], [PROVINCE])
    assert await urged(town, accepted.id) == []


async def test_a_recipient_is_urged_once_in_the_days_that_the_rules_say(town: OfficeTown) -> None:
    first = await town.send("15", PROVINCE, COMMUNE)
    await town.carry()
    town.clock.advance(LONG)
    await press(town)

    town.clock.advance(timedelta(days=6, hours=23))
    with pytest.raises(Clash) as why:
        await press(town)
    assert why.value.code == "GW-URGED"
    await press(town, COMMUNE)
    town.clock.advance(timedelta(hours=2))
    await press(town)

    assert sorted(await urged(town, first.id)) == sorted([PROVINCE, COMMUNE, PROVINCE])


async def test_of_two_who_press_at_once_one_is_too_late(town: OfficeTown) -> None:
    sent = await town.send("15", PROVINCE)
    await town.carry()
    town.clock.advance(LONG)

    outcomes = await asyncio.gather(press(town), press(town), return_exceptions=True)

    assert sum(isinstance(outcome, Clash) for outcome in outcomes) == 1
    assert await urged(town, sent.id) == [PROVINCE]


async def test_it_is_said_how_and_with_what_words(town: OfficeTown) -> None:
    for wrong in ({"text": " "}, {"text": "x" * 4001}, {"how": "telegram"}):
        with pytest.raises(Clash) as why:
            await press(town, **wrong)
        assert why.value.code == "GW-URGE-TEXT"


async def test_whom_to_phone_is_who_answered_from_there_last(town: OfficeTown) -> None:
    earlier = await town.send("14", PROVINCE)
    await town.carry()
    staff = Staff(name="Nguyễn Thị Mẫu", department="Văn phòng", phone="0203 000 001")
    await town.status(await town.as_incoming(earlier), "03", register_no="1", staff=staff)
    await town.send("15", PROVINCE)
    await town.carry()
    town.clock.advance(LONG)

    stands = await follow_up.urging_of(town.node.out, await town.scope(DEPARTMENT), PROVINCE, WEEK)

    assert [document.code.split("/")[0] for document in stands.late] == ["15"]
    assert stands.contact is not None
    assert (stands.contact.name, stands.contact.phone) == ("Nguyễn Thị Mẫu", "0203 000 001")


async def test_an_answer_that_does_not_come_by_its_day_is_urged_until_it_comes(town: OfficeTown) -> None:
    """T9: the one who asked sees it on the list three days before, at the recipient, and by the API's mark."""
    due = local(town.clock.now()).date() + timedelta(days=5)
    letter = await town.send("15", reply_required=True, reply_due=due)
    scope = await town.scope(DEPARTMENT)
    await town.carry()
    arrived = await town.only()
    await town.status(arrived, "03", register_no="1")
    await town.carry()

    async def tasks() -> list[tuple[str, bool]]:
        listed_tasks = (await todo.gather(town.node.todo, scope)).tasks
        return [(task.counterpart, task.is_late) for task in listed_tasks if task.kind is TaskKind.REPLY_DUE]

    assert await tasks() == []
    town.clock.advance(timedelta(days=3))
    assert await tasks() == [(PROVINCE, False)]
    with pytest.raises(Clash, match="nothing of ours is late"):
        await press(town)
    town.clock.advance(timedelta(days=3))
    assert await tasks() == [(PROVINCE, True)]
    urging = await follow_up.urging_of(town.node.out, scope, PROVINCE, WEEK)
    await press(town)

    assert [(document.id, document.answer) for document in urging.late] == [(letter.id, True)]
    assert await urged(town, letter.id) == [PROVINCE]

    link = ReplyLink(
        agency=DEPARTMENT,
        number=letter.draft.code,
        date=letter.draft.issued_on or due,
        document_id=letter.document_id,
    )
    await town.send("88", DEPARTMENT, sender=PROVINCE, replies_to=(link,))
    await town.carry()
    assert await tasks() == []
    async with town.node.store.read(scope) as work:
        assert await work.outgoing.answered_from([letter.id]) == {letter.id: frozenset({PROVINCE.casefold()})}
