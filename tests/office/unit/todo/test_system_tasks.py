"""A document that a document system did not take is a task until a clerk offers it again."""

from __future__ import annotations

from pathlib import Path

from gateway_office import todo
from gateway_office.domain.task import TaskKind
from gateway_office.letters import received
from tests.foreign.unit.compat.test_door import given_up, scope_of
from tests.office.support.doors import open_door
from tests.support.town.doors import VxpDoor, vxp_operations


async def test_an_offer_that_was_given_up_is_a_task_until_a_clerk_repeats_it(
    blank_node: Path, tmp_path: Path
) -> None:
    async with open_door(blank_node, tmp_path / "vxp", hang=vxp_operations()) as door:
        vxp, node = VxpDoor(api=door), door.node
        doc_id, scope = await given_up(vxp), await scope_of(vxp, "clerk")
        tasks = [task for task in (await todo.gather(node.todo, scope)).tasks if task.kind is TaskKind.SYSTEM]
        assert [(task.subject_id, task.document) for task in tasks] == [(doc_id, "200/STN-VP")]

        await received.repeat_offer(node.inn, scope, doc_id)

        assert [row["docId"] for row in await vxp.listed()] == [doc_id]
        open_tasks = (await todo.gather(node.todo, scope)).tasks
        assert TaskKind.SYSTEM not in [task.kind for task in open_tasks]
