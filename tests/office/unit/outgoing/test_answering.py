"""A reply that reached the agency which asked ends the wait for it; a reply that did not, or reached only another
recipient, does not."""

from __future__ import annotations

from datetime import timedelta

from gateway.domain.document import IncomingDocument, OutgoingDocument, ReplyLink
from gateway.domain.wall_clock import local
from gateway.errors import BrokerRefused
from gateway.outgoing import answering
from gateway_office import todo
from gateway_office.domain.task import TaskKind
from tests.office.support.node import COMMUNE, DEPARTMENT, PROVINCE, OfficeTown
from tests.support.faulty import Faulty


async def letter_asking_reply(town: OfficeTown) -> tuple[IncomingDocument, ReplyLink]:
    """Send a letter of the department that wants a reply by tomorrow; return it as the province has it, and a link to
    it."""
    today = local(town.clock.now()).date()
    sent = await town.send("15", reply_required=True, reply_due=today + timedelta(days=1))
    await town.carry()
    link = ReplyLink(
        agency=DEPARTMENT.lower(), number=sent.draft.code, date=today, document_id=sent.document_id
    )
    return await town.only(), link


async def reply(town: OfficeTown, link: ReplyLink, *to: str) -> OutgoingDocument:
    sent = await town.send("88", *to, sender=PROVINCE, replies_to=(link,))
    await town.carry()
    return sent


async def tasks(town: OfficeTown) -> list[TaskKind]:
    task_list = await todo.gather(town.node.todo, await town.scope(PROVINCE))
    return [task.kind for task in task_list.tasks if task.kind is TaskKind.REPLY]


async def test_a_reply_that_was_sent_takes_the_task_off_the_list(broken: tuple[OfficeTown, Faulty]) -> None:
    town, _ = broken
    letter, link = await letter_asking_reply(town)
    assert await tasks(town) == [TaskKind.REPLY]

    sent = await reply(town, link, DEPARTMENT, COMMUNE)

    assert await tasks(town) == []
    assert (await town.reload(letter)).answered_by == (sent.id,)
    events = [x for x in await town.events(PROVINCE, letter.id) if x.kind.value == "inbox.replied"]
    assert [x.data for x in events] == [{"by": sent.id, "to": link.agency}]


async def test_a_reply_that_never_left_leaves_the_task(broken: tuple[OfficeTown, Faulty]) -> None:
    town, axis = broken
    letter, link = await letter_asking_reply(town)
    axis.error = BrokerRefused("no")

    await reply(town, link, DEPARTMENT)

    assert await tasks(town) == [TaskKind.REPLY]
    assert (await town.reload(letter)).answered_by == ()


async def test_a_reply_that_reached_another_recipient_alone_leaves_the_task(
    broken: tuple[OfficeTown, Faulty],
) -> None:
    town, _ = broken
    letter, link = await letter_asking_reply(town)
    sent = await town.send("88", DEPARTMENT, COMMUNE, sender=PROVINCE, replies_to=(link,))
    await town.pack()
    (row,) = [item for item in await town.outbox(PROVINCE) if item.subject_id == sent.id]

    async def reached(*codes: str) -> tuple[str, ...]:
        async with town.node.store.changing(await town.scope(PROVINCE)) as work:
            await answering.end_waits_of_rows(work, [(row, codes)], town.clock.now())
        return (await town.reload(letter)).answered_by

    assert await reached(COMMUNE) == ()
    assert await tasks(town) == [TaskKind.REPLY]
    assert await reached(DEPARTMENT) == (sent.id,)
    assert await reached(DEPARTMENT) == (sent.id,)


async def test_a_reply_to_who_took_over_from_the_asker_counts(broken: tuple[OfficeTown, Faulty]) -> None:
    town, _ = broken
    _, link = await letter_asking_reply(town)

    await reply(town, link, COMMUNE)

    assert await tasks(town) == []
