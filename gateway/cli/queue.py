"""`gateway queue`: waiting rows, on the axis and in this node. In: settings, perhaps an id. Out: depth and oldest row of
every queue; one row; or, before maintenance, a wait until all queues are empty. `gateway queue dead`: the parcels that the
axis put aside. One can be shown with the claims of its envelope, which are never trusted, handed out again, or dropped for
good."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway import time_source
from gateway.cli import output
from gateway.cli.command import Invocation, OutputFormat, argument, noun, option
from gateway.cli.node import operator_id
from gateway.cli.output import TRY_LATER
from gateway.domain.account import AgencyScope
from gateway.errors import GatewayError, NotFound
from gateway.ops import axis_view, explain
from gateway.ports.axis import DeadParcel, ManagedAxis
from gateway.words import labels

if TYPE_CHECKING:
    from gateway.bootstrap.node import OpenNode
    from gateway.store.reporting import Load

_COLUMNS = output.columns("queue:queue sort count oldest", bold="queue")
LEASED = "leased"
# Queues whose words stand in another table.
_WORDS = {"outbox": "lane", "inbox": "packet", "job": "queue.job", "axis": "queue.axis"}
_LOOK_EVERY_S = 0.5
Parcel = Annotated[str, argument("Id of the parcel, from: gateway queue dead list")]
_PIECE = 256 * 1024
_DEAD_COLUMNS = output.columns(
    "id from=sender to=recipient kind packet=packet_id tries=deliveries at=dead_at reason", dim="id"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLine:
    """One state of rows in one queue."""

    queue: str
    sort: str
    count: int
    oldest: datetime | None = None


verb = noun("queue").verb
dead = noun("queue").noun("dead", "Dead letters: parcels that were handed out too often and never landed.")


@verb()
async def list_(call: Invocation, node: OpenNode) -> None:
    """List every queue with its waiting entries and the age of the oldest: axis, outbox, inbox, jobs."""
    from gateway.store import reporting

    now = node.clock.now()
    axis = await axis_view.look(node.axis, node.pulse.folder, now)
    load = await reporting.load(node.store, now)
    queue_lines = [
        *(QueueLine(queue="axis", sort=sort, count=count) for sort, count in axis.counts.items()),
        *_waiting_lines(load),
    ]
    records = [{"id": f"{q.queue}.{q.sort}", **asdict(q)} for q in queue_lines]
    output.rows(call, records, _COLUMNS, [_cells(call, q) for q in queue_lines])


def _waiting_lines(load: Load) -> Iterator[QueueLine]:
    for queue, piles in (("job", load.jobs), ("outbox", load.outbox), ("inbox", load.inbox)):
        for sort, pile in sorted(piles.items()):
            yield QueueLine(queue=queue, sort=sort, count=pile.count, oldest=pile.oldest)
        # Waiting rows that a worker has in hand at this moment.
        yield QueueLine(queue=queue, sort=LEASED, count=load.leases[queue])
    if load.unnumbered:
        yield QueueLine(queue="event", sort="", count=load.unnumbered)


def _cells(call: Invocation, line: QueueLine) -> dict[str, str]:
    is_held = line.sort == LEASED and line.queue != "axis"
    key = "queue.held" if is_held else f"{_WORDS.get(line.queue, line.queue)}.{line.sort}"
    return {"sort": call.word(key) if labels.has(key) else line.sort}


@verb("obx_01K", "inx_01K -o json")
async def peek(
    call: Invocation,
    node: OpenNode,
    row: Annotated[str, argument("Id of an outbox row (obx_…) or a packet (inx_…).")],
) -> None:
    """Show one waiting row of the outbox or the inbox, with its tries and last error. It stays in its queue."""
    output.record(call, await _row(node, row))


async def _row(node: OpenNode, row: str) -> dict[str, Any]:
    """Load a row of any hosted agency, as the operator looks after all."""
    operator = await operator_id(node.store)
    for agency in await node.store.hosted():
        scope = AgencyScope(agency_id=agency.id, principal_id=operator)
        async with node.store.read(scope) as work:
            for repository in (work.outbox, work.inbox):
                try:
                    waiting_row = await repository.get(row)
                except NotFound:
                    continue
                return {"agency": agency.code, **asdict(waiting_row)}
    raise NotFound(f"no row {row!r} waits here or ever did", hint="gateway queue list")


@verb("", "--timeout 600", local=True)
async def drain(
    call: Invocation,
    node: OpenNode,
    timeout: Annotated[int, option("How many seconds to wait.", min=0)] = 300,
) -> None:
    """Wait until the queues of this node are empty, before maintenance; exit 75 when the time is up."""
    from gateway.store import reporting

    deadline, last_count = time_source.monotonic() + timeout, -1
    while (
        remaining := _count_remaining(await reporting.load(node.store, node.clock.now()))
    ) and time_source.monotonic() < deadline:
        if remaining != last_count:
            call.say("cli.queue.left", count=remaining)
            last_count = remaining
        await asyncio.sleep(_LOOK_EVERY_S)
    output.record(call, {"left": remaining})
    if remaining:
        raise typer.Exit(TRY_LATER)
    call.say("cli.queue.empty")


def _count_remaining(load: Load) -> int:
    """Count waiting rows, without packets that need a person."""
    landed = load.inbox["landed"].count if "landed" in load.inbox else 0
    waiting = [pile.count for piles in (load.jobs, load.outbox) for pile in piles.values()]
    return landed + load.unnumbered + sum(waiting)


@dead.verb("", "-o ndjson", name="list")
async def dead_list(call: Invocation, axis: ManagedAxis) -> None:
    """List the parcels that were put aside, oldest first; their bytes are kept."""
    parcels = await axis.dead_list()
    kinds = [f"kind.{p.kind}" for p in parcels]
    cells = [{"kind": call.word(key)} if labels.has(key) else {} for key in kinds]
    output.rows(call, [_parcel_record(p) for p in parcels], _DEAD_COLUMNS, cells)


@dead.verb("17", name="show")
async def show_parcel(call: Invocation, axis: ManagedAxis, parcel: Parcel) -> None:
    """Show one parcel and what its envelope claims. Nothing is checked: its author is unknown."""
    dead_parcel = next((p for p in await axis.dead_list() if p.id == parcel), None)
    if dead_parcel is None:
        raise NotFound(f"no parcel {parcel!r} is on the dead list", hint="gateway queue dead list")
    with await axis.dead_open(parcel) as file:
        claims = _read_claims(iter(lambda: file.read(_PIECE), b""))
    if call.output is not OutputFormat.TABLE:
        output.record(call, _parcel_record(dead_parcel) | {"claims": claims})
        return
    output.record(call, _parcel_record(dead_parcel))
    if "error" in claims:
        call.say("cli.queue.unread", reason=output.plain(str(claims["error"])))
    else:
        output.print_lines(
            call, (output.plain(line) for line in explain.to_text(claims, call.lang.value).splitlines())
        )


def _read_claims(pieces: Any) -> dict[str, Any]:
    """Return the claims of the bytes; being unreadable may be why a parcel is here. Any: an iterator of bytes."""
    try:
        return explain.explain_pieces(pieces)
    except GatewayError as error:
        return explain.failure(error)


@dead.verb("17", "--all --yes", name="retry", writes=True)
async def retry_parcel(
    call: Invocation,
    axis: ManagedAxis,
    parcel: Annotated[str | None, argument("Id of the parcel, from: gateway queue dead list")] = None,
    all_: Annotated[bool, option("Every parcel on the list.", "--all")] = False,
) -> None:
    """Hand a parcel out again, its tries counted from zero. Remove the cause first: gateway doctor."""
    if all_ == (parcel is not None):
        raise typer.BadParameter("name one parcel, or give --all")
    chosen = [parcel] if parcel else [p.id for p in await axis.dead_list()]
    if not chosen:
        call.say("cli.nothing")
        return
    call.ask("cli.ask.dead_retry", parcel=", ".join(chosen))
    for parcel_id in chosen:
        await axis.dead_retry(parcel_id)
    output.rows(call, [{"id": c} for c in chosen], _DEAD_COLUMNS[:1])


@dead.verb(
    "17 --reason 'Sent again by hand'", "17 --reason 'A trial' --yes", name="drop", ask="cli.ask.dead_drop"
)
async def drop_parcel(
    call: Invocation,
    axis: ManagedAxis,
    parcel: Parcel,
    reason: Annotated[str, option("Reason; it is kept in the log.")],
) -> None:
    """Drop a parcel permanently. Its recipient will never have it unless its sender sends it again."""
    await axis.dead_drop(parcel, reason)
    output.record(call, {"id": parcel, "dropped": True})


def _parcel_record(parcel: DeadParcel) -> dict[str, Any]:
    names = "id sender recipient kind packet_id lane size sha256=digest deliveries dead_at reason"
    return output.fields(parcel, names)
