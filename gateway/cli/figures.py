"""`gateway figures`: the figures that reports are made of. In: nothing. Out: whether they are those of the event log, with
each cell that differs, exit 7 when one does; or figures that were counted anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import output
from gateway.cli.command import Invocation, noun, option
from gateway.cli.output import VERIFICATION
from gateway.store import figures, figures_check

if TYPE_CHECKING:
    from gateway.bootstrap.stored import OpenStore

verb = noun("figures").verb
_COLUMNS = output.columns("agency direction by unit span day key kept counted")
_EVENTS_AT_ONCE = 2_000


@verb("", "--most 20 -o json", local=True)
async def check(
    call: Invocation,
    core: OpenStore,
    most: Annotated[int, option("Maximum number of cells to name.", min=1, max=100_000)] = 100,
) -> None:
    """Count the event log anew and compare. Exit 7 if a figure differs, or a text that was deleted from the log and is kept
    for the figures; each cell and event is named."""
    events, differences = await figures_check.check(core.store, most)
    records = [
        {
            **dict(zip(("agency", "direction", "by", "unit", "span"), difference.cell[:5], strict=True)),
            "id": difference.cell.key,
            "key": difference.cell.key,
            "day": difference.cell.day.isoformat(),
            "kept": dict(difference.stored),
            "counted": dict(difference.counted),
        }
        for difference in differences
    ]
    altered = await figures_check.altered_texts(core.store)
    agrees = not differences and not altered
    output.rows(call, records, _COLUMNS, extra={"events": events, "agrees": agrees, "altered": altered})
    call.say("cli.figures.differ" if differences else "cli.figures.agree", events=events, n=len(differences))
    if altered:
        call.say("cli.figures.altered", ids=", ".join(altered[:most]))
    if not agrees:
        raise typer.Exit(VERIFICATION)


@verb("", writes=True, ask="cli.ask.figures", local=True)
async def rebuild(call: Invocation, core: OpenStore) -> None:
    """Delete the figures and count all events again. Reports are incomplete until this is done."""
    await figures.clear(core.store)
    events = 0
    while counted := await figures.fold_next(core.store, _EVENTS_AT_ONCE):
        events += counted
    output.record(call, {"id": "figures", "events": events})
