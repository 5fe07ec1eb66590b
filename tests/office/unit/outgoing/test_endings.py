"""A document that had left although it was cancelled comes back with its number, its figures and a task."""

from __future__ import annotations

from typing import Any

from gateway.domain.document import OutState
from gateway_office import todo
from gateway_office.domain.task import TaskKind
from tests.office.support.node import DEPARTMENT, PROVINCE, OfficeTown
from tests.unit.outgoing.test_endings import cancel, choose_own_book, counted, leave_and_die, numbers


async def tasks(town: OfficeTown) -> list[tuple[TaskKind, str]]:
    services: Any = town.node
    listed = await todo.gather(services.todo, await town.scope(DEPARTMENT), everything=True)
    return [(task.kind, task.subject_id) for task in listed.tasks]


async def test_a_document_that_had_left_all_the_same_comes_back_with_its_number_and_its_figures(
    town: OfficeTown,
) -> None:
    await choose_own_book(town)
    sent = await town.send("")
    await leave_and_die(town)
    await cancel(town, sent)
    delivery = await town.delivery(sent)
    assert (delivery.state, delivery.marks) == ("cancelled", ("may_have_left",))
    assert [(n, state) for n, state, _ in await numbers(town)] == [(1, "void")]
    assert await counted(town) == {}
    assert await tasks(town) == []

    await town.land()
    await town.carry_around()
    await town.status(await town.only(PROVINCE), "03")
    await town.carry_around()

    assert (await town.document(sent)).state is OutState.PACKED
    assert (await town.delivery(sent)).state == "accepted"
    assert await numbers(town) == [(1, "issued", sent.id)]
    sent_figures = {"documents": 1, "recipients": 1, "delivered": 1, "taken": 1}
    assert await counted(town) == sent_figures
    assert await counted(town, PROVINCE, "in") == {"documents": 1, "taken": 1}
    kinds = [event.kind.value for event in await town.events(DEPARTMENT, sent.id)]
    assert kinds.count("message.left_after_all") == 1
    assert kinds.count("number.issued") == 2
    assert await tasks(town) == [(TaskKind.LEFT_AFTER_ALL, sent.id)]
    assert (await town.send("")).draft.number == "02"

    await town.recall(sent)
    assert TaskKind.LEFT_AFTER_ALL not in {kind for kind, _ in await tasks(town)}
