"""`gateway axis`: the axis that this node shares with others, and the parcels that it put aside. In: the axis folder of
the settings. Out: how much is under way; the dead list; one parcel handed out again, or dropped for good."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import output
from gateway.cli.command import Call, Format, noun, verb
from gateway.cli.node import run
from gateway.errors import Misconfigured

if TYPE_CHECKING:
    from gateway.ports import DeadParcel
    from gateway.transport.embedded import EmbeddedAxis

Parcel = Annotated[str, typer.Argument(help="Id of the parcel, from: gateway axis dead list")]

_COLUMNS = (
    ("cli.column.id", "dim"),
    ("cli.column.from", ""),
    ("cli.column.to", ""),
    ("cli.column.kind", ""),
    ("cli.column.packet", ""),
    ("cli.column.tries", ""),
    ("cli.column.at", ""),
    ("cli.column.reason", ""),
)


def register(app: typer.Typer) -> None:
    group = noun("axis", "The axis between nodes, and what it put aside.")
    verb(group, "status", examples=("gateway axis status", "gateway axis status -o json"))(status)
    dead = noun("dead", "Parcels that were handed out too often and never landed.")
    verb(dead, "list", examples=("gateway axis dead list", "gateway axis dead list -o ndjson"))(dead_list)
    verb(
        dead,
        "retry",
        examples=("gateway axis dead retry 17", "gateway axis dead retry --all --yes"),
        writes=True,
    )(dead_retry)
    verb(
        dead,
        "drop",
        examples=(
            "gateway axis dead drop 17 --reason 'Sent again by hand'",
            "gateway axis dead drop 17 --reason 'A trial' --yes",
        ),
        writes=True,
    )(dead_drop)
    group.add_typer(dead)
    app.add_typer(group)


def status(call: Call) -> None:
    """Say how much waits on the axis, is being handed over, or was put aside; of all nodes that share it."""
    run(_status(call))


async def _status(call: Call) -> None:
    async with _opened(call) as axis:
        counts = dict(await axis.counts())
    if call.output is Format.TABLE:
        output.lines([call.word("cli.axis.state", **counts)])
    else:
        output.record(call, counts)


def dead_list(call: Call) -> None:
    """List the parcels that were put aside, oldest first; their bytes are kept."""
    run(_dead_list(call))


async def _dead_list(call: Call) -> None:
    async with _opened(call) as axis:
        found = await axis.dead_list()
    output.rows(call, [_shown(each) for each in found], _COLUMNS, [_cells(call, each) for each in found])


def dead_retry(
    call: Call,
    parcel: Annotated[
        str | None, typer.Argument(help="Id of the parcel, from: gateway axis dead list")
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every parcel on the list.")] = False,
) -> None:
    """Hand a parcel out again, its tries counted from zero. Remove the cause first: gateway doctor."""
    if all_ == (parcel is not None):
        raise typer.BadParameter("name one parcel, or give --all")
    run(_dead_retry(call, parcel))


async def _dead_retry(call: Call, parcel: str | None) -> None:
    async with _opened(call) as axis:
        chosen = [parcel] if parcel else [each.id for each in await axis.dead_list()]
        if not chosen:
            call.say("cli.nothing")
            return
        if call.agrees("cli.ask.dead_retry", parcel=", ".join(chosen)):
            for each in chosen:
                await axis.dead_retry(each)
            output.rows(call, [{"id": each} for each in chosen], _COLUMNS[:1], [(each,) for each in chosen])


def dead_drop(
    call: Call, parcel: Parcel, reason: Annotated[str, typer.Option(help="Why; the log keeps it.")]
) -> None:
    """Drop a parcel for good. Its recipient will never have it, unless its sender sends again."""
    run(_dead_drop(call, parcel, reason))


async def _dead_drop(call: Call, parcel: str, reason: str) -> None:
    async with _opened(call) as axis:
        if call.agrees("cli.ask.dead_drop", parcel=parcel):
            await axis.dead_drop(parcel, reason)
            output.record(call, {"id": parcel, "dropped": True})


@asynccontextmanager
async def _opened(call: Call) -> AsyncIterator[EmbeddedAxis]:
    """The axis of the settings. Misconfigured where there is none yet: opening it would make an empty one."""
    from gateway.bootstrap import open_axis

    settings = call.settings()
    if not (settings.axis.folder / "axis.sqlite").exists():
        raise Misconfigured(
            f"there is no axis in {settings.axis.folder} yet",
            hint="it is made when the first node starts (gateway serve); another folder is set with axis.folder",
        )
    async with open_axis(settings) as axis:
        yield axis


def _shown(parcel: DeadParcel) -> dict[str, Any]:
    return {
        "id": parcel.id,
        "sender": parcel.sender,
        "recipient": parcel.recipient,
        "kind": parcel.kind,
        "packet_id": parcel.packet_id,
        "lane": str(parcel.lane),
        "size": parcel.size,
        "sha256": parcel.digest,
        "deliveries": parcel.deliveries,
        "dead_at": output.stamp(parcel.dead_at),
        "reason": parcel.reason,
    }


def _cells(call: Call, parcel: DeadParcel) -> tuple[str, ...]:
    from gateway import labels

    kind = f"kind.{parcel.kind}"
    return (
        parcel.id,
        parcel.sender,
        parcel.recipient,
        call.word(kind) if labels.has(kind) else parcel.kind,
        parcel.packet_id,
        str(parcel.deliveries),
        output.clock(parcel.dead_at),
        parcel.reason,
    )
