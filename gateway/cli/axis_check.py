"""`gateway axis check`: the axis on a broker, examined with this node's own rights. In: settings. Out: a line per step with
its time, cause and cure in the person's language; exit 6 when one is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from gateway.cli import output
from gateway.cli.command import Call, Format, verb
from gateway.cli.failures import NETWORK
from gateway.cli.node import at_ground, run
from gateway.errors import Misconfigured

if TYPE_CHECKING:
    from gateway.transport.broker.check import Finding

_STYLES = {"✓": "green", "✗": "bold red", "–": "dim"}


def register(group: typer.Typer) -> None:
    """Into the group `gateway axis`."""
    verb(group, "check", examples=("gateway axis check", "gateway axis check -o json"))(check)


def check(call: Call) -> None:
    """Examine the axis with this node's own rights, step by step; each fault with its cure. Exit 6 when one is wrong."""
    found = run(_check(call))
    if call.output is Format.JSON:
        output.document({"data": [_finding(call, each) for each in found]})
    if any(each.cure for each in found):
        raise typer.Exit(NETWORK)


async def _check(call: Call) -> list[Finding]:
    from gateway.bootstrap.axis import broker_access
    from gateway.transport.broker.check import examine

    settings = call.settings()
    if settings.axis.kind != "amqp":
        raise Misconfigured(
            f"axis.kind is {settings.axis.kind}: there is no broker to examine", hint="gateway axis status"
        )
    access = broker_access(settings)
    async with at_ground(settings) as ground:
        hosted = await ground.store.hosted()
    found = []
    codes = [code for agency in hosted for code in (agency.code, *agency.aliases)]
    async for each in examine(access, settings.node.name, codes):
        found.append(each)
        if call.output is Format.TABLE:
            _say(call, each)
        elif call.output is Format.NDJSON:
            output.stream(_finding(call, each))
    return found


def _say(call: Call, found: Finding) -> None:
    from rich.text import Text

    if call.quiet and found.cure is None:
        return
    line = Text(f"{found.mark} {found.step:<12} {found.ms:>6} ms  ", style=_STYLES[str(found.mark)])
    console = output.console()
    told = _finding(call, found)
    console.print(line.append(Text(output.plain(told["says"]), style="")), soft_wrap=True)
    if told["cure"]:
        console.print(Text(f"  → {told['cure']}"), soft_wrap=True)


def _finding(call: Call, found: Finding) -> dict[str, Any]:
    return {
        "id": found.step,
        "server": found.server,
        "step": found.step,
        "state": found.mark.name.lower(),
        "ms": found.ms,
        "cause": found.cause,
        "says": call.word(f"axis.check.{found.cause}", **found.params),
        "cure": call.word(f"axis.cure.{found.cure}", **found.params) if found.cure else None,
    }
