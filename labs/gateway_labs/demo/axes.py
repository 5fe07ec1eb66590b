"""Tells a province's story over three axes: one agency on a broker, one on a provincial service, one on the national axis,
and the province's node in the middle of all. In: a folder, perhaps a real broker. Out: an `AxesResult`, counted from the
rows of all four nodes, which know nothing of the story's intent; or the nodes, running for a person to try."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any, ClassVar

from gateway.bootstrap.node import OpenNode, open_node
from gateway.domain.document import IncomingDocument, OutgoingDocument
from gateway.errors import GatewayError
from gateway.transport.routed import RoutedAxis
from gateway_labs.demo import axes_stage, live, stage, story
from gateway_labs.demo.acts import Acts
from gateway_labs.demo.axes_between import Admin, service, vhost
from gateway_labs.demo.axes_stage import AXES, BROKER, LGSP, MIDDLE, VXP, Between, cast
from gateway_labs.demo.people import Invited
from gateway_labs.simulators.settings import HubAgency
from gateway_office.bootstrap.office import Office, open_office

Say = Callable[..., None]
_NOT_LEFT = frozenset({"queued", "sending", "failed", "cancelled", "paper"})


@dataclass(slots=True)
class AxisCount:
    """Deliveries that one axis carried, of one document for one recipient each."""

    kind: str
    documents: int = 0
    lost: int = 0
    doubled: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AxesResult:
    """Outcome of everything that the story sent."""

    documents: int
    deliveries: int
    by_state: Mapping[str, int]
    axes: Mapping[str, AxisCount]
    seconds: float
    wrong: tuple[str, ...] = ()

    @property
    def lost(self) -> int:
        return sum(count.lost for count in self.axes.values())

    @property
    def doubled(self) -> int:
        return sum(count.doubled for count in self.axes.values())

    @property
    def ok(self) -> bool:
        """Tell whether every delivery is where the story expects it and went as expected, with none lost or doubled."""
        return not self.wrong and self.lost == 0 and self.doubled == 0

    def as_json(self) -> dict[str, Any]:
        return {
            "documents": self.documents,
            "deliveries": self.deliveries,
            "by_state": dict(self.by_state),
            "axes": {
                name: {
                    "kind": count.kind,
                    "documents": count.documents,
                    "lost": count.lost,
                    "doubled": count.doubled,
                }
                for name, count in self.axes.items()
            },
            "lost": self.lost,
            "doubled": self.doubled,
            "seconds": self.seconds,
        }


@dataclass(slots=True)
class Desk(Acts):
    """One agency at its own node. It waits longer than others: an axis that is back is asked again only after a while."""

    patience_s: ClassVar[float] = 180.0

    actor: str

    async def list_received(self, document: OutgoingDocument) -> Sequence[IncomingDocument]:
        """Return that document as it stands here, each time it was admitted. A foreign service writes packets anew, so it
        is found by its sender's id."""
        async with self.node.store.read(await self.scope(self.actor)) as work:
            return await work.incoming.by_document_id(
                document.document_id.split(",", 1)[0], document.document_id
            )

    async def wait_for_arrival(self, actor: str, document: OutgoingDocument) -> IncomingDocument:
        async def is_here() -> bool:
            return bool(await self.list_received(document))

        await self.wait_until(is_here)
        return (await self.list_received(document))[0]

    async def state(self, document: OutgoingDocument, receiver: str) -> str:
        """Return the state of the delivery to that agency."""
        async with self.node.store.read(await self.scope(self.actor)) as work:
            rows = await work.deliveries.of_document(document.id)
        return next(row.state for row in rows if row.recipient.code == self.cast.code(receiver))

    async def stands_at(self, document: OutgoingDocument, receiver: str, state: str) -> bool:
        return await self.state(document, receiver) == state

    async def left_by(self, document: OutgoingDocument) -> dict[str, tuple[str, str | None]]:
        """Return state and axis of each delivery, by the recipient's code."""
        states = {}
        async with self.node.store.read(await self.scope(self.actor)) as work:
            for delivery in await work.deliveries.of_document(document.id):
                sent = [fact.axis for fact in await work.facts.of_subject(delivery.id) if fact.code == "sent"]
                states[delivery.recipient.code or ""] = (delivery.state, sent[-1] if sent else None)
        return states


@dataclass(slots=True)
class Province:
    """All four nodes at work, what lies between them, and the invited persons of the middle one."""

    desks: Mapping[str, Desk]
    between: Between
    invited: Sequence[Invited]
    say: Say
    sent: list[tuple[Desk, OutgoingDocument]] = field(default_factory=list)
    expected: list[tuple[Desk, OutgoingDocument, str, str, str]] = field(default_factory=list)

    @property
    def middle(self) -> Office:
        node = self.desks[MIDDLE].node
        if not isinstance(node, Office):
            raise GatewayError("the node in the middle has no office")
        return node

    async def tell(self) -> None:
        """Tell every scene, in order."""
        request = await self.to_all_three()
        await self._answered(request)
        await self._refused()
        await self._over_the_other()
        await self._wait_for_axis()

    async def to_all_three(self) -> OutgoingDocument:
        """Send one document to three agencies by three axes."""
        request = await self._send(MIDDLE, "axes-request", ("department", "commune", "neighbour"), due_in=7)
        for actor in ("department", "commune", "neighbour"):
            await self._taken_in(request, actor, AXES[actor][0])
        self.say("demo.axes.request", code=request.draft.code)
        return request

    async def _answered(self, request: OutgoingDocument) -> None:
        answer = await self._send("commune", "axes-answer", (MIDDLE,), replies_to=request)
        await self._taken_in(answer, MIDDLE, LGSP, register_no="1501")
        report = await self._send("department", "axes-report", (MIDDLE,))
        await self._taken_in(report, MIDDLE, BROKER, register_no="1502")
        self.say("demo.axes.answered", code=answer.draft.code, report=report.draft.code)

    async def _refused(self) -> None:
        notice = await self._send(MIDDLE, "axes-notice", ("neighbour",))
        await self.desks["neighbour"].refuse("neighbour", notice)
        await self._stands(notice, "neighbour", "rejected", VXP)
        self.say("demo.axes.refused", code=notice.draft.code)

    async def _over_the_other(self) -> None:
        """Take the provincial service away: the commune's mail goes over the national axis, until it is back."""
        await self.between.lgsp.away()
        detoured = await self._send(MIDDLE, "axes-over", ("commune",))
        await self._taken_in(detoured, "commune", VXP)
        await self.between.lgsp.back()
        await self._is_back(LGSP)
        direct = await self._send(MIDDLE, "axes-again", ("commune",))
        await self._taken_in(direct, "commune", LGSP)
        self.say("demo.axes.over", code=detoured.draft.code, again=direct.draft.code)

    async def _wait_for_axis(self) -> None:
        """Take the national axis away: the neighbour's mail waits for it, the department's does not."""
        await self.between.vxp.away()
        waits = await self._send(MIDDLE, "axes-wait", ("department", "neighbour"))
        await self._taken_in(waits, "department", BROKER)
        if (stood := await self.desks[MIDDLE].state(waits, "neighbour")) not in ("queued", "sending"):
            raise GatewayError(f"the story expects mail to wait for an axis that is away, and it is {stood}")
        await self.between.vxp.back()
        await self._taken_in(waits, "neighbour", VXP)
        self.say("demo.axes.waited", code=waits.draft.code)

    async def _send(
        self, actor: str, key: str, receivers: Sequence[str], **more: Any
    ) -> OutgoingDocument:  # Any: Acts.send's own
        document = await self.desks[actor].send(actor, key, receivers, **more)
        self.sent.append((self.desks[actor], document))
        return document

    async def _taken_in(
        self, document: OutgoingDocument, actor: str, axis: str, register_no: str | None = None
    ) -> None:
        """Let the receiver take it in, and wait until its sender knows: 01, then 03."""
        await self.desks[actor].take_in(actor, document, ("03",), register_no=register_no)
        await self._stands(document, actor, "accepted", axis)

    async def _stands(self, document: OutgoingDocument, actor: str, state: str, axis: str) -> None:
        sender = next(desk for desk, document_sent in self.sent if document_sent.id == document.id)
        await sender.wait_until(partial(sender.stands_at, document, actor, state))
        self.expected.append((sender, document, actor, state, axis))

    async def _is_back(self, name: str) -> None:
        axis = self.middle.axis
        if not isinstance(axis, RoutedAxis):
            raise GatewayError("the node in the middle has one axis")

        async def answers() -> bool:
            # It is away until mail finds it well, which is tried only after a pause.
            return axis.axes[name].state().connected_since is not None and axis.circuits[name].may_send()

        await self.desks[MIDDLE].wait_until(answers)

    async def result(self, seconds: float) -> AxesResult:
        """Count from the rows: every document of each agency, where it went, and what its receiver has of it."""
        kinds = self.between.kinds
        axes = {name: AxisCount(kinds[name]) for name in kinds}
        states: Counter[str] = Counter()
        by_code = {self.desks[actor].cast.code(actor): desk for actor, desk in self.desks.items()}
        documents = 0
        for desk in self.desks.values():
            for document in await _outgoing(desk):
                documents += 1
                for code, (state, axis) in (await desk.left_by(document)).items():
                    states[state] += 1
                    copies = len(await by_code[code].list_received(document)) if code in by_code else 0
                    count = axes[axis or AXES[desk.actor][0]]
                    count.documents += axis is not None
                    count.lost += state not in _NOT_LEFT and copies == 0
                    count.doubled += max(0, copies - 1)
        return AxesResult(
            documents=documents,
            deliveries=states.total(),
            by_state=dict(sorted(states.items())),
            axes=axes,
            seconds=seconds,
            wrong=tuple([text async for text in self._unexpected()]),
        )

    async def _unexpected(self) -> AsyncIterator[str]:
        for sender, document, actor, state, axis in self.expected:
            actual = (await sender.left_by(document))[self.desks[actor].cast.code(actor)]
            if actual != (state, axis):
                label = f"{document.draft.code} to {actor}"
                yield f"{label}: expected {state} by {axis}, found {actual[0]} by {actual[1]}"


async def _outgoing(desk: Desk) -> list[OutgoingDocument]:
    documents: list[OutgoingDocument] = []
    cursor: str | None = None
    while True:
        async with desk.node.store.read(await desk.scope(desk.actor)) as work:
            page = await work.outgoing.page(limit=100, cursor=cursor)
        documents += page.items
        cursor = page.next_cursor
        if cursor is None:
            return documents


@asynccontextmanager
async def opened(
    folder: Path, say: Say, broker: Admin | None = None, port: int = 0
) -> AsyncIterator[Province]:
    """Open all four nodes with their workers at work. `broker`: a real one for the first axis; else the embedded axis
    replaces it, and `say` reports so."""
    run = f"-{secrets.token_hex(3)}" if broker else ""  # users belong to a whole broker
    names = {actor: f"nut-{cast().data[actor]['abbr']}{run}" for actor in AXES}
    say("demo.axes.staging", folder=folder)
    say("demo.axes.broker" if broker else "demo.axes.no_broker", servers=broker.servers if broker else "")
    async with AsyncExitStack() as stack:
        hosts = {names[a]: cast().code(a) for a in AXES if BROKER in AXES[a]}
        between = Between(
            folder=folder / "broker",
            lgsp=await stack.enter_async_context(service(LGSP, folder / LGSP, _agencies(names, LGSP))),
            vxp=await stack.enter_async_context(service(VXP, folder / VXP, _agencies(names, VXP))),
            vhost=await stack.enter_async_context(vhost(broker, hosts)) if broker else None,
        )
        nodes = {
            actor: axes_stage.settings_of(folder, actor, names, between, port if actor == MIDDLE else 0)
            for actor in AXES
        }
        certificates = await axes_stage.prepare(nodes)
        say("demo.axes.signing")
        players = await axes_stage.signed_cast(nodes)
        seals = await asyncio.to_thread(stage.seals_to_register, nodes[MIDDLE].node.data_dir, players)
        desks, invited = {}, list[Invited]()
        for actor, settings in nodes.items():
            opens: Any = open_office if actor == MIDDLE else open_node  # Any: the two give different nodes
            node: OpenNode = await stack.enter_async_context(opens(settings))
            invited += await axes_stage.register(node, certificates, seals)
            desks[actor] = Desk(node=node, cast=players, actor=actor)
        for desk in desks.values():
            await stack.enter_async_context(story.at_work(desk.node))
        yield Province(desks=desks, between=between, invited=invited, say=say)


def _agencies(names: Mapping[str, str], axis: str) -> dict[str, HubAgency]:
    agencies = {}
    for actor, axes in AXES.items():
        if axis in axes:
            agency = cast().data[actor]
            agencies[names[actor]] = HubAgency(code=agency["code"], name=agency["name"])
    return agencies


async def once(
    folder: Path, say: Say = lambda key, **params: None, broker: Admin | None = None
) -> AxesResult:
    """Tell the whole story in that folder."""
    began = monotonic()
    async with opened(folder, say, broker) as province:
        await province.tell()
        await _until_quiet(province)
        return await province.result(round(monotonic() - began, 3))


async def _until_quiet(province: Province) -> None:
    """Wait until all are quiet: a repeat would still be on its way."""

    async def all_quiet() -> bool:
        return all([await story.is_quiet(desk.node) for desk in province.desks.values()])

    await province.desks[MIDDLE].wait_until(all_quiet)


async def serve(
    folder: Path,
    port: int,
    say: Say,
    answer: Callable[[Office, Callable[[str], None]], Awaitable[None]],
    broker: Admin | None,
) -> None:
    """Tell the story and serve the node in the middle: `answer(node, ready)` calls `ready` with the API's address."""
    async with opened(folder, say, broker, port) as province:
        await province.tell()
        node = province.middle
        key = await live.new_key(node, MIDDLE)
        live.write_sample(node, province.desks[MIDDLE].cast, folder)
        await answer(node, lambda url: _explain(say, url, folder, province, key))


def _explain(say: Say, url: str, folder: Path, province: Province, key: str) -> None:
    say("demo.open", url=url)
    live.say_people(say, url, province.invited)
    say("demo.key", code=cast().code(MIDDLE), name=cast().data[MIDDLE]["name"], secret=key)
    say("demo.axes.hubs", lgsp=province.between.lgsp.url, vxp=province.between.vxp.url)
    say("demo.try")
    say("demo.command", command=live.send_command(url, folder, key))
    say("demo.ready")
