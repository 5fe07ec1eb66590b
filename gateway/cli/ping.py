"""`gateway ping`: whether a document to one partner would get there, and what to mend where it would not. In: settings, a
code. Out: a line per step with its cause and cure; exit 6 when one is wrong. Nothing is sent to the partner."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli import output
from gateway.cli.axis import finding_shown, opened, say_finding
from gateway.cli.command import Group, Invocation, OutputFormat
from gateway.cli.node import at_ground
from gateway.cli.output import NETWORK


def register(app: Group) -> None:
    app.verb(ping, "H41.07", "H41.07 --from H41.01 -o json")


async def ping(
    call: Invocation,
    code: Annotated[str, typer.Argument(help="The partner's code, old or new.")],
    sender: Annotated[
        str, typer.Option("--from", help="Code of the sending agency; default: the first of this node.")
    ] = "",
) -> None:
    """Examine the way to a partner without sending anything: its code, route, axis, certificate, last news, mail. Exit 6
    when something is wrong."""
    from gateway.ops.partner_check import examine_partner

    found = []
    async with at_ground(call.settings()) as ground, opened(call) as axis:
        async for each in examine_partner(ground, axis, sender, code):
            found.append(finding_shown(call, each, "ping"))
            if call.output is OutputFormat.TABLE:
                say_finding(call, each, "ping")
            elif call.output is OutputFormat.NDJSON:
                output.stream(found[-1])
    if call.output is OutputFormat.JSON:
        output.document({"data": found})
    if any(told["state"] == "wrong" for told in found):
        raise typer.Exit(NETWORK)
