"""`gateway axis odd` and `gateway axis agencies`: what only a foreign axis can answer. In: settings; the number of a kept
answer; a file. Out: answers that are not in the axis's specification; the agencies that it knows, for the registry."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.atomic_files import new_file
from gateway.cli import output
from gateway.cli.command import Invocation, noun
from gateway.cli.node import at_axis
from gateway.errors import Misconfigured
from gateway.ports.axis import each_axis

if TYPE_CHECKING:
    from gateway_foreign.rest.axis import RestAxis

verb = noun("axis").verb


@asynccontextmanager
async def _open_foreign(call: Invocation) -> AsyncIterator[RestAxis]:
    """Open the foreign axis; raise Misconfigured where there is none."""
    from gateway_foreign.rest.axis import RestAxis

    async with at_axis(call.settings()) as axis:
        foreign = [a for a in each_axis(axis).values() if isinstance(a, RestAxis)]
        if not foreign:
            kind = call.settings().axis_kind
            raise Misconfigured(
                f"axis.kind is {kind}: only a foreign axis is asked that", hint="gateway axis status"
            )
        yield foreign[0]


@verb("", "--show 3")
async def odd(
    call: Invocation,
    show: Annotated[
        int | None, typer.Option(help="Print the kept answer of that number, as it came.")
    ] = None,
) -> None:
    """List answers of a foreign axis that are not in its specification, newest first; secrets are removed."""
    async with _open_foreign(call) as axis:
        answers = await axis.odd_answers()
    if show is not None:
        head = next((a[5] for a in answers if a[0] == show), None)
        if head is None:
            raise typer.BadParameter(f"there is no kept answer {show}")
        output.lines([output.plain(head.decode("utf-8", "replace"))])
        return
    rows = [
        {
            "id": id,
            "at": datetime.fromtimestamp(at, UTC),
            "operation": operation,
            "status": status,
            "why": why,
        }
        for id, at, operation, status, why, _ in answers
    ]
    lines = (
        output.plain(
            call.word("axis.odd.line", **{**row, "at": output.clock(datetime.fromisoformat(str(row["at"])))})
        )
        for row in rows
    )
    output.answer(call, {"data": rows}, lines)


@verb("--out axis.csv")
async def agencies(
    call: Invocation,
    out: Annotated[Path, typer.Option(help="Write this CSV, for: gateway registry import.", dir_okay=False)],
) -> None:
    """Write the agencies that a foreign axis knows as a list for the registry; nothing is changed."""
    from gateway_foreign.rest.agency_list import write_agencies

    async with _open_foreign(call) as axis:
        with new_file(out, alone=True) as file:
            counts = await write_agencies(axis.agencies, file)
    call.say("axis.agencies.written", count=counts.count, left_out=counts.left_out, file=out)
