"""`gateway axis`: the axis that this node shares with others. In: the axis of the settings. Out: whether it is connected,
and how much is under way on it; exit 6 when it does not answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import typer

from gateway.cli import axis_check, broker, output
from gateway.cli.command import Call, Format, noun, verb
from gateway.cli.failures import NETWORK
from gateway.cli.node import run
from gateway.cli.nouns import NOUNS
from gateway.errors import Misconfigured

if TYPE_CHECKING:
    from gateway.ops.axis_now import AxisNow
    from gateway.ports import AxisDesk


def register(app: typer.Typer) -> None:
    group = noun("axis", NOUNS["axis"])
    verb(group, "status", examples=("gateway axis status", "gateway axis status -o json"))(status)
    broker.register(group)
    axis_check.register(group)
    app.add_typer(group)


def status(call: Call) -> None:
    """Say whether the axis is connected, and how much waits on it, is being handed over, or was put aside."""
    from gateway.cli.status import axis_lines, axis_shown

    found = run(_look(call))
    if call.output is Format.TABLE:
        output.aloud(call, (output.plain(text) for _, text in axis_lines(call, found)))
    else:
        output.record(call, axis_shown(found))
    if not found.counts:
        raise typer.Exit(NETWORK)


async def _look(call: Call) -> AxisNow:
    from gateway.clock import SystemClock
    from gateway.ops import axis_now
    from gateway.workers.pulse import HEARTBEAT

    async with opened(call) as axis:
        return await axis_now.look(axis, call.settings().node.data_dir / HEARTBEAT, SystemClock().now())


@asynccontextmanager
async def opened(call: Call) -> AsyncIterator[AxisDesk]:
    """The axis of the settings. Misconfigured where there is none yet: opening it would make an empty one."""
    from gateway.bootstrap.axis import open_axis

    settings = call.settings()
    if settings.axis.kind == "embedded" and not (settings.axis.folder / "axis.sqlite").exists():
        raise Misconfigured(
            f"there is no axis in {settings.axis.folder} yet",
            hint="it is made when the first node starts (gateway serve); another folder is set with axis.folder",
        )
    async with open_axis(settings) as axis:
        yield axis
