"""`gateway queue`: what waits, on the axis and in this node. In: settings. Out: depth and oldest of every queue; one row of
it; or, before maintenance, a wait until nothing is left."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import dead, output
from gateway.cli.command import Call, noun, verb
from gateway.cli.failures import LATER
from gateway.cli.node import at_node, operator, run
from gateway.cli.nouns import NOUNS
from gateway.domain.account import AgencyScope
from gateway.errors import NotFound
from gateway.words import labels

if TYPE_CHECKING:
    from gateway.bootstrap.node import Node
    from gateway.store.reporting import Load, Pile

_COLUMNS = (
    ("cli.column.queue", "bold"),
    ("cli.column.sort", ""),
    ("cli.column.count", ""),
    ("cli.column.oldest", ""),
)
HELD = "leased"
# Whose words are those of another table.
_WORDS = {"outbox": "lane", "inbox": "packet", "job": "queue.job", "axis": "queue.axis"}
_LOOK_EVERY_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One sort of things in one queue."""

    queue: str
    sort: str
    count: int
    oldest: datetime | None = None


def register(app: typer.Typer) -> None:
    group = noun("queue", NOUNS["queue"])
    verb(group, "list", examples=("gateway queue list", "gateway queue list -o json"))(queue_list)
    verb(group, "peek", examples=("gateway queue peek obx_01K", "gateway queue peek inx_01K -o json"))(peek)
    verb(group, "drain", examples=("gateway queue drain", "gateway queue drain --timeout 600"))(drain)
    group.add_typer(dead.group())
    app.add_typer(group)


def queue_list(call: Call) -> None:
    """List every queue with what waits in it and since when: the axis, outbox, inbox, jobs."""
    found = run(_list(call))
    records = [
        {"id": f"{each.queue}.{each.sort}", **asdict(each), "oldest": output.stamp(each.oldest)}
        for each in found
    ]
    output.rows(call, records, _COLUMNS, [_cells(call, each) for each in found])


async def _list(call: Call) -> list[Line]:
    from gateway.ops import axis_now
    from gateway.store import reporting

    async with at_node(call) as node:
        now = node.clock.now()
        axis = await axis_now.look(node.axis, node.pulse.folder, now)
        load = await reporting.load(node.store, now)
    return [
        *(Line(queue="axis", sort=sort, count=count) for sort, count in axis.counts.items()),
        *_waiting(load),
    ]


def _waiting(load: Load) -> Iterator[Line]:
    for queue, piles in (("job", load.jobs), ("outbox", load.outbox), ("inbox", load.inbox)):
        yield from _of(queue, piles)
        # Of those that wait: what a worker has in hand at this moment.
        yield Line(queue=queue, sort=HELD, count=load.leases[queue])
    if load.unnumbered:
        yield Line(queue="event", sort="", count=load.unnumbered)


def _of(queue: str, piles: Mapping[str, Pile]) -> Iterator[Line]:
    for sort, pile in sorted(piles.items()):
        yield Line(queue=queue, sort=sort, count=pile.count, oldest=pile.oldest)


def _cells(call: Call, line: Line) -> tuple[str, ...]:
    key = "queue.held" if _is_held(line) else f"{_WORDS.get(line.queue, line.queue)}.{line.sort}"
    sort = call.word(key) if labels.has(key) else line.sort
    return (call.word(f"queue.{line.queue}"), sort, str(line.count), output.clock(line.oldest))


def _is_held(line: Line) -> bool:
    return line.sort == HELD and line.queue != "axis"


def peek(
    call: Call,
    row: Annotated[str, typer.Argument(help="Id of an outbox row (obx_…) or a packet (inx_…).")],
) -> None:
    """Show one row of the outbox or the inbox as it waits, with its tries and last error. Takes nothing."""
    output.record(call, run(_peek(call, row)))


async def _peek(call: Call, row: str) -> dict[str, Any]:
    async with at_node(call) as node:
        return await _row(node, row)


async def _row(node: Node, row: str) -> dict[str, Any]:
    """Of whichever agency it is: an operator looks after them all."""
    principal = await operator(node.store)
    for agency in await node.store.hosted():
        scope = AgencyScope(agency_id=agency.id, principal_id=principal.id)
        async with node.store.read(scope) as work:
            for repository in (work.outbox, work.inbox):
                try:
                    found = await repository.get(row)
                except NotFound:
                    continue
                return {"agency": agency.code, **_plain(asdict(found))}
    raise NotFound(f"no row {row!r} waits here or ever did", hint="gateway queue list")


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: output.stamp(value) if isinstance(value, datetime) else value for name, value in values.items()
    }


def drain(
    call: Call, timeout: Annotated[int, typer.Option(help="How many seconds to wait.", min=0)] = 300
) -> None:
    """Wait until nothing of this node waits any more, before maintenance; exit 75 when the time is up."""
    left = run(_drain(call, timeout))
    output.record(call, {"left": left})
    if left:
        raise typer.Exit(LATER)
    call.say("cli.queue.empty")


async def _drain(call: Call, timeout: float) -> int:
    """Packets that need a person are not waited for."""
    from gateway.store import reporting

    until, told = time.monotonic() + timeout, -1
    async with at_node(call) as node:
        while True:
            left = _left(await reporting.load(node.store, node.clock.now()))
            if not left or time.monotonic() >= until:
                return left
            if left != told:
                call.say("cli.queue.left", count=left)
                told = left
            await asyncio.sleep(_LOOK_EVERY_S)


def _left(load: Load) -> int:
    landed = load.inbox["landed"].count if "landed" in load.inbox else 0
    waiting = [pile.count for piles in (load.jobs, load.outbox) for pile in piles.values()]
    return landed + load.unnumbered + sum(waiting)
