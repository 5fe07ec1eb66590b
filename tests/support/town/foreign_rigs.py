"""Axes of others for the contract tests: nodes on one simulated hub. What the tests publish is put into edXML and taken
out again, because such an axis carries nothing else and writes it anew."""

from __future__ import annotations

import hashlib
import io
import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

from gateway.domain.document import Kind, Lane
from gateway.domain.identity import Digest
from gateway.edxml import attachment, reader
from gateway.edxml.build import AttachmentContent, write
from gateway.edxml.envelope import Attachment, Code, Envelope, Organisation, OtherInfo
from gateway.edxml.policy import EnvelopeLimits
from gateway.pool import ThreadPool
from gateway.ports.axis import Arrival, ManagedAxis, Outcome, Parcel
from gateway_foreign.lgsp.dialect import LgspDialect
from gateway_foreign.rest.axis import RestAxis, RestOptions, keeper
from gateway_foreign.rest.fetched_queue import FetchedQueue
from gateway_foreign.rest.ledger import Ledger
from gateway_foreign.rest.line import Line
from gateway_foreign.rest.systems import System, Systems
from gateway_foreign.summary import summarise
from gateway_foreign.vxp.dialect import VxpDialect
from tests.support.clock import LeaseClock
from tests.support.parcels import LEASE_S
from tests.support.town import lgsp, vxp
from tests.support.waiting import wait_until

LIMITS = EnvelopeLimits()
SENDER = "Z91.07"
_numbers = itertools.count(1)


def enveloped(parcel: Parcel, routes: Sequence[str]) -> Parcel:
    """Wrap the parcel's bytes as the one file of a new document."""
    n = next(_numbers)
    out = io.BytesIO()
    name = Attachment(content_id="cid:1", attachment_name="noi-dung.pdf", content_type="application/pdf")
    model = Envelope(
        kind=Kind.DOCUMENT,
        sender=Organisation(organ_id=parcel.sender, organ_name=parcel.kind),
        to=tuple(Organisation(organ_id=code) for code in dict.fromkeys(routes)),
        document_id=f"{parcel.sender},2026/11/20,{n}/STN-VP",
        code=Code(number=str(n), notation="STN-VP"),
        subject=parcel.packet_id,
        other=OtherInfo(priority=1 if parcel.lane is Lane.URGENT else 0),
        manifest=(name,),
        attachments=(name,),
    )
    attachment = AttachmentContent(
        entry_name="0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f.pdf", open=partial(_read, parcel.open)
    )
    write(model, [attachment], out, None, None, LeaseClock().now())
    raw = out.getvalue()
    digest = Digest.of_bytes(hashlib.sha256(raw).digest())
    return replace(parcel, digest=digest, size=len(raw), open=partial(io.BytesIO, raw), kind="edoc")


def _read(opener: Any) -> Any:
    with opener() as file:
        while piece := file.read(1 << 16):
            yield piece


def bare(arrival: Arrival) -> Arrival:
    """Take the file that was published out of what the axis made of it."""
    read = reader.read(attachment.pieces(arrival.open), LIMITS)
    (part,) = read.files

    coded = attachment.pieces(arrival.open, part.offset, part.length)
    content = b"".join(attachment.decoded_pieces(coded, part.coding))
    assert part.sha256 is not None
    return replace(
        arrival,
        packet_id=read.envelope.subject or "",
        kind=read.envelope.sender.organ_name or "",
        digest=part.sha256,
        size=part.size or 0,
        open=partial(io.BytesIO, content),
    )


class Enveloping:
    """An axis that is given bare bytes; whatever else is asked of it is the axis's own."""

    def __init__(self, axis: RestAxis, max_bytes: int) -> None:
        self.axis, self._max = axis, max_bytes

    def __getattr__(self, name: str) -> Any:
        return getattr(self.axis, name)

    async def publish(self, parcel: Parcel, routes: Sequence[str]) -> Mapping[str, Outcome]:
        sent_parcel = parcel if parcel.size > self._max else enveloped(parcel, routes)
        return await self.axis.publish(sent_parcel, routes)

    async def take(self, limit: int, lease_s: float) -> Sequence[Arrival]:
        return [bare(arrival) for arrival in await self.axis.take(limit, lease_s)]

    async def dead_list(self) -> Sequence[Any]:
        dead = []
        for parcel in await self.axis.dead_list():
            with await self.axis.dead_open(parcel.id) as file:
                label = summarise(partial(io.BytesIO, file.read()), LIMITS)
            assert label is not None
            dead.append(replace(parcel, packet_id=label.title))
        return dead


@dataclass(kw_only=True)
class ForeignRig:
    """Nodes on one hub of that kind; each name is a system of its own."""

    kind: str
    folder: Path
    pool: ThreadPool
    poison_limit: int
    max_bytes: int
    hub: vxp.Axis | lgsp.Axis | None = None

    def __post_init__(self) -> None:
        self.clock = LeaseClock()
        self._stack = AsyncExitStack()
        self._axes: list[RestAxis] = []
        self._hosts: dict[str, Sequence[str]] = {}

    async def node(self, name: str, codes: Sequence[str]) -> ManagedAxis:
        hub = await self._open()
        ledger = Ledger(self.folder / name / "ledger.sqlite")
        line = Line(
            hub.url,
            self.pool,
            self.clock,
            ca=None,
            rate_per_s=1000.0,
            max_bytes=2 * self.max_bytes,
            keep=keeper(ledger, self.clock),
        )
        shelf = FetchedQueue(self.folder / name, name, self.clock, self.pool, self.poison_limit, LEASE_S)
        make_dialect = VxpDialect if self.kind == "vxp" else LgspDialect
        login = lgsp.LOGIN if self.kind == "lgsp" else None
        axis = RestAxis(
            make_dialect(line, self.clock, self.pool),
            Systems(None, System(id=name, secret=f"secret of {name}", source="the test", login=login)),
            shelf,
            ledger,
            partial(summarise, limits=LIMITS),
            self.clock,
            self.pool,
            RestOptions(max_bytes=self.max_bytes, poll_s=0.05),
        )
        self._axes.append(axis)
        services = cast("ManagedAxis", Enveloping(axis, self.max_bytes))
        await self.host(name, services, codes)
        return services

    async def host(self, name: str, axis: ManagedAxis, codes: Sequence[str]) -> None:
        hub = await self._open()
        self._hosts[name] = codes
        system = next(s for s in hub.settings.systems if s.id == name)
        for code in codes:
            hub.hub.register(system, code, f"Cơ quan {code}")
        await axis.host(codes)

    async def wait_for_parcels(self, axis: ManagedAxis, count: int) -> None:
        async def have_arrived() -> bool:
            await axis.take(0, LEASE_S)  # begins to fetch
            return (await axis.counts())["waiting"] == count

        await wait_until(have_arrived, f"{count} parcels")

    async def lose_consumer(self) -> None:
        self.clock.advance(LEASE_S + 1)

    async def reopen(self) -> None:
        while self._axes:
            await self._axes.pop().close()
        await self._stack.aclose()
        self.hub = None

    async def dead(self) -> Sequence[tuple[str, str]]:
        axis = await self.node("one", self._hosts["one"])
        return [(parcel.packet_id, parcel.reason) for parcel in await axis.dead_list()]

    async def _open(self) -> vxp.Axis | lgsp.Axis:
        if self.hub is not None:
            return self.hub
        kind = vxp if self.kind == "vxp" else lgsp
        systems = {"one": [SENDER], "two": ["Z91.08"]}
        opening: Any = kind.simulator(self.folder / "hub", systems, now=self.clock.now)
        hub: vxp.Axis | lgsp.Axis = await self._stack.enter_async_context(opening)
        self.hub = hub
        return hub


@asynccontextmanager
async def foreign_rig(
    kind: str, folder: Path, poison_limit: int, max_bytes: int
) -> AsyncIterator[ForeignRig]:
    pool = ThreadPool(4)
    rig = ForeignRig(kind=kind, folder=folder, pool=pool, poison_limit=poison_limit, max_bytes=max_bytes)
    try:
        yield rig
    finally:
        await rig.reopen()
        pool.close()
