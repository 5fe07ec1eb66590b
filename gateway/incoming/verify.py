"""Step 2 of the way in: who sent this, proved. In: a landed row. Out: a `VerifiedEnvelope`, or the error that names the
failed step. Bytes are judged by `edxml.verify`, evidence collected through the `Trust` port, the decision is
`policy.trust`'s. From here on nothing but the verified envelope is used."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import BinaryIO

from gateway.domain.account import AgencyScope
from gateway.domain.document import Kind
from gateway.domain.identity import PacketId
from gateway.domain.proof import Binding, VerifiedEnvelope
from gateway.domain.registry import Standing
from gateway.domain.wall_clock import local
from gateway.edxml import verify as envelopes
from gateway.edxml.envelope import Envelope
from gateway.errors import BadSignature
from gateway.incoming.desk import InDesk
from gateway.policy import trust
from gateway.ports import InboxItem

PIECE = 256 * 1024
RELEASED = "RELEASED"
_AGAIN = "again:"
_ANY_TIME = timedelta(days=36500)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """A verified packet. `octets` are the canonical octets when the general path read it, else None."""

    envelope: VerifiedEnvelope[Envelope]
    octets: bytes | None = None


async def run(desk: InDesk, item: InboxItem) -> Proved:
    """The packet's sender is proved at the time of its arrival (K2), never at the claimed SigningTime."""
    scope = AgencyScope(agency_id=item.agency_id, principal_id="node")
    async with desk.store.read(scope) as work:
        opener = await desk.blobs.open(work, item.file_digest)
    source = envelopes.Source(size=item.size, open=partial(pieces, opener))
    loop = asyncio.get_running_loop()

    def bindings(code: str) -> Sequence[Binding]:
        # Asked from a pool thread, once the sender's code is known; the directory lives on the event loop.
        return asyncio.run_coroutine_threadsafe(_bindings(desk, code), loop).result(timeout=30)

    ask = partial(
        envelopes.examine_fast,
        source,
        policy=desk.xml,
        bindings=bindings,
        at=item.received_at,
        transport=_transport(item),
    )
    verified = await desk.pool.run(ask)
    if verified is None:
        async with desk.general_turns:
            verified = await desk.pool.run(partial(envelopes.examine_general, *ask.args, **ask.keywords))
    signed, canonical = verified.signed, verified.canonical
    evidence = await desk.pool.run(lambda: desk.trust.collect(signed.certificate_der, item.received_at))
    carried = await _carried(desk, item, signed.sender_code)
    proved = trust.decide(signed, evidence, _policy(desk, item), item.received_at, carried)
    return Proved(envelope=proved, octets=canonical)


def _policy(desk: InDesk, item: InboxItem) -> trust.TrustPolicy:
    """A person who released a held packet bears with its odd signing time, and with nothing else (rule 12.8)."""
    if not is_released(item):
        return desk.trust_policy
    return replace(desk.trust_policy, signing_past=_ANY_TIME, signing_future=desk.trust_policy.signing_absurd)


def is_released(item: InboxItem) -> bool:
    """Whether a person decided that this held packet may come in, if it passes every other check."""
    return item.code == RELEASED


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the axis said of a packet, unsigned (A2); `node` is the publisher that it vouches for."""

    packet_id: str
    kind: str
    sender: str
    node: str | None


def told(item: InboxItem) -> Told:
    """As the axis said it with these bytes; for a row that was opened again, with the copy that opened it."""
    if item.code is not None and item.code.startswith(_AGAIN):
        return Told(**json.loads(item.code.removeprefix(_AGAIN)))
    return Told(
        packet_id=item.transport_packet_id,
        kind=item.transport_kind,
        sender=item.transport_sender,
        node=item.transport_node,
    )


def opened_by(item: InboxItem) -> str:
    """The mark of a row that is looked at again because the same bytes came with these words."""
    return _AGAIN + json.dumps(asdict(told(item)))


async def _carried(desk: InDesk, item: InboxItem, sender: str) -> trust.Carried:
    said = told(item)
    host = await _host(desk, sender, item.received_at) if said.node is not None else None
    return trust.Carried(sender=said.sender, node=said.node, host=host)


async def _host(desk: InDesk, sender: str, at: datetime) -> str | None:
    """The node that speaks for this code or, where it is a former one, for the code that it became."""
    on = local(at).date()
    entry = await desk.directory.find(sender, on)
    if entry is None:
        found = await desk.directory.resolve(sender, on)
        entry = found.entry if found.standing is Standing.MAPPED else None
    return entry.host if entry is not None else None


def _transport(item: InboxItem) -> envelopes.TransportFacts:
    """What the axis said, unsigned (A2). A kind that is none of ours contradicts every signed one: MSG-ID."""
    said = told(item)
    try:
        kind = Kind(said.kind)
    except ValueError as error:
        raise BadSignature(
            "MSG-ID", f"the axis names the kind {said.kind[:40]!r}, which no packet has", step=11
        ) from error
    return envelopes.TransportFacts(packet_id=PacketId(said.packet_id), kind=kind)


async def _bindings(desk: InDesk, code: str) -> Sequence[Binding]:
    return await desk.directory.bindings(code)


def pieces(opener: Callable[[], BinaryIO]) -> Iterator[bytes]:
    """A file in pieces; opened when first asked, closed at the end."""
    with opener() as file:
        while piece := file.read(PIECE):
            yield piece
