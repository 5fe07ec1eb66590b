"""`gateway queue`: what waits, on the axis and in this node. In: settings, perhaps an id. Out: depth and oldest of
every queue; one row of it; or, before maintenance, a wait until nothing is left.

`gateway queue dead`: the parcels that the axis put aside. One is shown with what its envelope claims, which is never
trusted, handed out again, or dropped for good."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import output
from gateway.cli.command import Invocation, OutputFormat, late, noun
from gateway.cli.node import operator_id
from gateway.cli.output import LATER
from gateway.domain.account import AgencyScope
from gateway.errors import GatewayError, NotFound
from gateway.ports.axis import AxisDesk, DeadParcel
from gateway.words import labels

if TYPE_CHECKING:
    from gateway.bootstrap.node import OpenNode
    from gateway.ops import axis_now, explain
    from gateway.store.reporting import Load
else:
    axis_now = late("gateway.ops.axis_now")
    explain = late("gateway.ops.explain")

_COLUMNS = output.columns("queue:queue sort count oldest", bold="queue")
HELD = "leased"
# Whose words are those of another table.
_WORDS = {"outbox": "lane", "inbox": "packet", "job": "queue.job", "axis": "queue.axis"}
_LOOK_EVERY_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLine:
    """One sort of things in one queue."""

    queue: str
    sort: str
    count: int
    oldest: datetime | None = None


verb = noun("queue").verb
dead = noun("queue").noun("dead", "Parcels that were handed out too often and never landed.")


@verb()
async def list_(call: Invocation, node: OpenNode) -> None:
    """List every queue with what waits in it and since when: the axis, outbox, inbox, jobs."""
    from gateway.store import reporting

    now = node.clock.now()
    axis = await axis_now.look(node.axis, node.pulse.folder, now)
    load = await reporting.load(node.store, now)
    found = [
        *(QueueLine(queue="axis", sort=sort, count=count) for sort, count in axis.counts.items()),
        *_waiting(load),
    ]
    records = [{"id": f"{each.queue}.{each.sort}", **asdict(each)} for each in found]
    output.rows(call, records, _COLUMNS, [_cells(call, each) for each in found])


def _waiting(load: Load) -> Iterator[QueueLine]:
    for queue, piles in (("job", load.jobs), ("outbox", load.outbox), ("inbox", load.inbox)):
        for sort, pile in sorted(piles.items()):
            yield QueueLine(queue=queue, sort=sort, count=pile.count, oldest=pile.oldest)
        # Of those that wait: what a worker has in hand at this moment.
        yield QueueLine(queue=queue, sort=HELD, count=load.leases[queue])
    if load.unnumbered:
        yield QueueLine(queue="event", sort="", count=load.unnumbered)


def _cells(call: Invocation, line: QueueLine) -> dict[str, str]:
    is_held = line.sort == HELD and line.queue != "axis"
    key = "queue.held" if is_held else f"{_WORDS.get(line.queue, line.queue)}.{line.sort}"
    return {"sort": call.word(key) if labels.has(key) else line.sort}


@verb("obx_01K", "inx_01K -o json")
async def peek(
    call: Invocation,
    node: OpenNode,
    row: Annotated[str, typer.Argument(help="Id of an outbox row (obx_…) or a packet (inx_…).")],
) -> None:
    """Show one row of the outbox or the inbox as it waits, with its tries and last error. Takes nothing."""
    output.record(call, await _row(node, row))


async def _row(node: OpenNode, row: str) -> dict[str, Any]:
    """Of whichever agency it is: an operator looks after them all."""
    by = await operator_id(node.store)
    for agency in await node.store.hosted():
        scope = AgencyScope(agency_id=agency.id, principal_id=by)
        async with node.store.read(scope) as work:
            for repository in (work.outbox, work.inbox):
                try:
                    found = await repository.get(row)
                except NotFound:
                    continue
                return {"agency": agency.code, **asdict(found)}
    raise NotFound(f"no row {row!r} waits here or ever did", hint="gateway queue list")


@verb("", "--timeout 600")
async def drain(
    call: Invocation,
    node: OpenNode,
    timeout: Annotated[int, typer.Option(help="How many seconds to wait.", min=0)] = 300,
) -> None:
    """Wait until nothing of this node waits any more, before maintenance; exit 75 when the time is up."""
    from gateway.store import reporting

    until, told = time.monotonic() + timeout, -1
    while (left := _left(await reporting.load(node.store, node.clock.now()))) and time.monotonic() < until:
        if left != told:
            call.say("cli.queue.left", count=left)
            told = left
        await asyncio.sleep(_LOOK_EVERY_S)
    output.record(call, {"left": left})
    if left:
        raise typer.Exit(LATER)
    call.say("cli.queue.empty")


def _left(load: Load) -> int:
    """Packets that need a person are not waited for."""
    landed = load.inbox["landed"].count if "landed" in load.inbox else 0
    waiting = [pile.count for piles in (load.jobs, load.outbox) for pile in piles.values()]
    return landed + load.unnumbered + sum(waiting)


Parcel = Annotated[str, typer.Argument(help="Id of the parcel, from: gateway queue dead list")]

_PIECE = 256 * 1024
_DEAD_COLUMNS = output.columns(
    "id from=sender to=recipient kind packet=packet_id tries=deliveries at=dead_at reason", dim="id"
)


@dead.verb("", "-o ndjson", name="list")
async def dead_list(call: Invocation, axis: AxisDesk) -> None:
    """List the parcels that were put aside, oldest first; their bytes are kept."""
    found = await axis.dead_list()
    kinds = [f"kind.{each.kind}" for each in found]
    cells = [{"kind": call.word(key)} if labels.has(key) else {} for key in kinds]
    output.rows(call, [_parcel_shown(each) for each in found], _DEAD_COLUMNS, cells)


@dead.verb("17", name="show")
async def show_parcel(call: Invocation, axis: AxisDesk, parcel: Parcel) -> None:
    """Show one parcel and what its envelope claims. Nothing is checked: who wrote it is not known."""
    found = next((each for each in await axis.dead_list() if each.id == parcel), None)
    if found is None:
        raise NotFound(f"no parcel {parcel!r} is on the dead list", hint="gateway queue dead list")
    with await axis.dead_open(parcel) as file:
        claims = _claims(iter(lambda: file.read(_PIECE), b""))
    if call.output is not OutputFormat.TABLE:
        output.record(call, _parcel_shown(found) | {"claims": claims})
        return
    output.record(call, _parcel_shown(found))
    if "error" in claims:
        call.say("cli.queue.unread", reason=output.plain(str(claims["error"])))
    else:
        output.aloud(
            call, (output.plain(line) for line in explain.to_text(claims, call.lang.value).splitlines())
        )


def _claims(pieces: Any) -> dict[str, Any]:
    """What the bytes say; a parcel that cannot be read is perhaps why it is here. Any: an iterator of bytes."""
    try:
        return explain.explain_pieces(pieces)
    except GatewayError as error:
        return explain.failure(error)


@dead.verb("17", "--all --yes", name="retry", writes=True)
async def retry_parcel(
    call: Invocation,
    axis: AxisDesk,
    parcel: Annotated[
        str | None, typer.Argument(help="Id of the parcel, from: gateway queue dead list")
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every parcel on the list.")] = False,
) -> None:
    """Hand a parcel out again, its tries counted from zero. Remove the cause first: gateway doctor."""
    if all_ == (parcel is not None):
        raise typer.BadParameter("name one parcel, or give --all")
    chosen = [parcel] if parcel else [each.id for each in await axis.dead_list()]
    if not chosen:
        call.say("cli.nothing")
        return
    call.ask("cli.ask.dead_retry", parcel=", ".join(chosen))
    for each in chosen:
        await axis.dead_retry(each)
    output.rows(call, [{"id": each} for each in chosen], _DEAD_COLUMNS[:1])


@dead.verb(
    "17 --reason 'Sent again by hand'", "17 --reason 'A trial' --yes", name="drop", ask="cli.ask.dead_drop"
)
async def drop_parcel(
    call: Invocation,
    axis: AxisDesk,
    parcel: Parcel,
    reason: Annotated[str, typer.Option(help="Why; the log keeps it.")],
) -> None:
    """Drop a parcel for good. Its recipient will never have it, unless its sender sends again."""
    await axis.dead_drop(parcel, reason)
    output.record(call, {"id": parcel, "dropped": True})


def _parcel_shown(parcel: DeadParcel) -> dict[str, Any]:
    return output.fields(
        parcel,
        "id sender recipient kind packet_id lane size sha256 deliveries dead_at reason",
        sha256=parcel.digest,
    )
