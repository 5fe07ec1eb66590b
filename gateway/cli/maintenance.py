"""`gateway maintenance`: stop exchanging until a time. In: the time and a reason, or the wish to end it. Out: a statement
that every process of the node reads within seconds, whether it runs now or is started later; or how it stands."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import output
from gateway.cli.command import Invocation, option, verb
from gateway.cli.node import operator_id
from gateway.cli.typed_times import moment
from gateway.domain.text import plain
from gateway.domain.wall_clock import moment_text

if TYPE_CHECKING:
    from gateway.bootstrap.stored import OpenStore

# A longer one is a typing error: partners send again for three days, and then give up.
LONGEST = timedelta(days=7)
_LONGEST_REASON = 200


@verb("", "--until 2026-12-01T06:00 --reason 'new disks'", "--end", writes=True)
async def maintenance(
    call: Invocation,
    node: OpenStore,
    ends_at: Annotated[str, option("Its end, by the clock of Viet Nam: 2026-12-01T06:00.", "--until")] = "",
    reason: Annotated[str, option("Reason; pages show it.")] = "",
    is_end: Annotated[bool, option("End it now.", "--end")] = False,
) -> None:
    """Stop sending and taking in until a time, while reading goes on; or show how it stands."""
    from gateway.store.maintenance import Maintenance, begin, end

    if is_end and ends_at:
        raise typer.BadParameter("choose --until or --end, not both")
    stated = Maintenance(node.store, node.clock)
    await stated.look()
    if ends_at:
        at, now = moment(ends_at), node.clock.now()
        if not now < at <= now + LONGEST:
            raise typer.BadParameter(f"{ends_at} is not within the next {LONGEST.days} days")
        call.ask("cli.ask.maintenance", until=moment_text(at))
        words = plain(reason).strip()[:_LONGEST_REASON]
        await begin(node.store, node.clock, await operator_id(node.store), at, words)
    elif is_end and stated.current is not None:
        call.ask("cli.ask.maintenance_end", until=moment_text(stated.current.ends_at))
        await end(node.store, node.clock, await operator_id(node.store))
    await stated.look()
    statement = stated.current
    output.record(
        call,
        {
            "state": "off" if statement is None else "on",
            "until": output.stamp(statement.ends_at) if statement is not None else None,
            "since": output.stamp(statement.since) if statement is not None else None,
            "reason": statement.reason if statement is not None else "",
        },
    )
    if statement is None:
        call.say("cli.maintenance.off")
    else:
        call.say("cli.maintenance.on", until=moment_text(statement.ends_at))
