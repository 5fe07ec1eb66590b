"""A paused webhook has no next try, at every place that shows it."""

from __future__ import annotations

from gateway.cli import operations
from gateway.cli.command import Invocation
from gateway.cli.node import CommandContext, chosen
from tests.support.api import DEPARTMENT, Door
from tests.support.hooks import Hooked


async def test_a_paused_webhook_has_no_next_try_anywhere(near_door: Door) -> None:
    door, hooked = near_door, Hooked(town=near_door.town)
    _, endpoint = await hooked.add("http://127.0.0.1:9/nobody", "message.*")
    await hooked.happen(3)
    await hooked.push()
    agency = chosen(await door.node.store.hosted(), DEPARTMENT)
    context = CommandContext(node=door.node, agency=agency, scope=await hooked.scope())

    async def list_retries() -> tuple[bool, bool, list[bool], list[bool]]:
        path = f"/webhooks/{endpoint.id}"
        rows = (await door.ask("GET", f"{path}/deliveries")).json["data"]
        at_terminal = await operations.carry_out(Invocation(), context, "readWebhook", id=endpoint.id)
        log = await operations.carry_out(Invocation(), context, "listDeliveries", id=endpoint.id)
        return (
            (await door.ask("GET", path)).json["next_try_at"] is not None,
            at_terminal.next_try_at is not None,
            [row["next_try_at"] is not None for row in rows if row["state"] == "waiting"],
            [row.next_try_at is not None for row in log.data if row.state == "waiting"],
        )

    assert await list_retries() == (True, True, [True, True], [True, True])
    await door.node.webhooks.pause(await hooked.scope(), endpoint.id)
    assert await list_retries() == (False, False, [False, False], [False, False])
