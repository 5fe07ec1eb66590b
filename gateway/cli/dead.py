"""`gateway queue dead`: the parcels that the axis put aside. In: the axis of the settings. Out: the list; one parcel with
what its envelope claims, never trusted; one handed out again, or dropped for good."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import output
from gateway.cli.axis import opened
from gateway.cli.command import Call, Format, noun, verb
from gateway.cli.node import run
from gateway.errors import GatewayError, NotFound
from gateway.words import labels

if TYPE_CHECKING:
    from gateway.ports import DeadParcel

Parcel = Annotated[str, typer.Argument(help="Id of the parcel, from: gateway queue dead list")]

_PIECE = 256 * 1024
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


def group() -> typer.Typer:
    dead = noun("dead", "Parcels that were handed out too often and never landed.")
    verb(dead, "list", examples=("gateway queue dead list", "gateway queue dead list -o ndjson"))(dead_list)
    verb(dead, "show", examples=("gateway queue dead show 17", "gateway queue dead show 17 -o json"))(show)
    verb(
        dead,
        "retry",
        examples=("gateway queue dead retry 17", "gateway queue dead retry --all --yes"),
        writes=True,
    )(retry)
    verb(
        dead,
        "drop",
        examples=(
            "gateway queue dead drop 17 --reason 'Sent again by hand'",
            "gateway queue dead drop 17 --reason 'A trial' --yes",
        ),
        writes=True,
    )(drop)
    return dead


def dead_list(call: Call) -> None:
    """List the parcels that were put aside, oldest first; their bytes are kept."""
    found = run(_list(call))
    output.rows(call, [_shown(each) for each in found], _COLUMNS, [_cells(call, each) for each in found])


async def _list(call: Call) -> list[DeadParcel]:
    async with opened(call) as axis:
        return list(await axis.dead_list())


def show(call: Call, parcel: Parcel) -> None:
    """Show one parcel and what its envelope claims. Nothing is checked: who wrote it is not known."""
    from gateway.ops.explain import to_text

    found, claims = run(_show(call, parcel))
    if call.output is not Format.TABLE:
        output.record(call, _shown(found) | {"claims": claims})
        return
    output.record(call, _shown(found))
    if "error" in claims:
        call.say("cli.queue.unread", reason=output.plain(str(claims["error"])))
    else:
        output.aloud(call, (output.plain(line) for line in to_text(claims, call.lang.value).splitlines()))


async def _show(call: Call, parcel: str) -> tuple[DeadParcel, dict[str, Any]]:
    async with opened(call) as axis:
        found = next((each for each in await axis.dead_list() if each.id == parcel), None)
        if found is None:
            raise NotFound(f"no parcel {parcel!r} is on the dead list", hint="gateway queue dead list")
        with await axis.dead_open(parcel) as file:
            return found, _claims(iter(lambda: file.read(_PIECE), b""))


def _claims(pieces: Any) -> dict[str, Any]:
    """What the bytes say; a parcel that cannot be read is perhaps why it is here. Any: an iterator of bytes."""
    from gateway.ops import explain

    try:
        return explain.explain_pieces(pieces)
    except GatewayError as error:
        return explain.failure(error)


def retry(
    call: Call,
    parcel: Annotated[
        str | None, typer.Argument(help="Id of the parcel, from: gateway queue dead list")
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every parcel on the list.")] = False,
) -> None:
    """Hand a parcel out again, its tries counted from zero. Remove the cause first: gateway doctor."""
    if all_ == (parcel is not None):
        raise typer.BadParameter("name one parcel, or give --all")
    run(_retry(call, parcel))


async def _retry(call: Call, parcel: str | None) -> None:
    async with opened(call) as axis:
        chosen = [parcel] if parcel else [each.id for each in await axis.dead_list()]
        if not chosen:
            call.say("cli.nothing")
            return
        if call.agrees("cli.ask.dead_retry", parcel=", ".join(chosen)):
            for each in chosen:
                await axis.dead_retry(each)
            output.rows(call, [{"id": each} for each in chosen], _COLUMNS[:1], [(each,) for each in chosen])


def drop(
    call: Call, parcel: Parcel, reason: Annotated[str, typer.Option(help="Why; the log keeps it.")]
) -> None:
    """Drop a parcel for good. Its recipient will never have it, unless its sender sends again."""
    run(_drop(call, parcel, reason))


async def _drop(call: Call, parcel: str, reason: str) -> None:
    async with opened(call) as axis:
        if call.agrees("cli.ask.dead_drop", parcel=parcel):
            await axis.dead_drop(parcel, reason)
            output.record(call, {"id": parcel, "dropped": True})


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
