"""Step 2 of the way in: proves the sender of a packet. In: a landed row. Out: a `VerifiedEnvelope`, or the error that
names the failed step. Bytes are judged by `edxml.verify`, evidence collected by `trust.evidence`, the decision is
`policy.trust`'s. From here on nothing but the verified envelope is used."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import BinaryIO

from gateway.domain.account import AgencyScope
from gateway.domain.document import Kind
from gateway.domain.identity import Digest, PacketId
from gateway.domain.pace import SMALL
from gateway.domain.proof import Binding, Evidence, VerifiedEnvelope
from gateway.domain.queues import InboxPacket
from gateway.domain.registry import CodeStanding, fold_code
from gateway.domain.wall_clock import local
from gateway.edxml import foreign
from gateway.edxml import verify as envelopes
from gateway.edxml.attachment import pieces
from gateway.edxml.envelope import Envelope
from gateway.edxml.key import active_bindings
from gateway.errors import AlteredContent, BadSignature, InvalidEnvelope, UnknownSender
from gateway.incoming.services import IncomingServices, LandsFirst
from gateway.policy import trust

# Verdicts over the axis's words about a copy: another copy of the same bytes may have the right ones.
FALSE_WORDS = frozenset({"AXIS-NODE", "MSG-ID"})
_ANY_TIME = timedelta(days=36500)
_KINDS_BY_NAME = {str(kind): kind for kind in Kind}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """Verified packet. `open` reads the file that was judged, `judged` is the result of reading it. `proof` is the log's
    record of the signature and of its grounds (R4, receipts)."""

    envelope: VerifiedEnvelope[Envelope]
    open: Callable[[], BinaryIO]
    judged: envelopes.Verified
    evidence: Evidence | None = None
    keeps_form: bool = False
    """It is known already that the schema holds."""

    @property
    def octets(self) -> bytes | None:
        """The canonical octets when the general path read it, else None."""
        return self.judged.canonical

    @property
    def is_vouched(self) -> bool:
        """No signature proves it: the session with its axis vouches."""
        return self.envelope.verdict == trust.AXIS

    @property
    def is_liberal(self) -> bool:
        """Another system wrote it: the order of its elements means nothing."""
        return self.octets is not None or self.is_vouched

    @property
    def proof(self) -> Mapping[str, object]:
        signed, evidence = self.envelope.signed, self.evidence
        if self.is_vouched:
            vouching = next(
                (note.place for note in self.envelope.notes if note.code == "SESSION-VOUCHED"), ""
            )
            return {"envelope": signed.file_digest, "content": signed.body_digest, "axis": vouching}
        return {
            "envelope": signed.file_digest,
            "body": signed.body_digest,
            "signature": signed.signature_digest,
            "certificate": hashlib.sha256(signed.certificate_der).hexdigest(),
            "chain": [link.sha256 for link in evidence.chain] if evidence else [],
            "answers": list(evidence.answers) if evidence else [],
        }


async def run(
    services: IncomingServices, packet: InboxPacket, opener: Callable[[], BinaryIO] | None = None
) -> Proved:
    """Prove the packet's sender at the time of its arrival (K2), never at the claimed SigningTime. `opener` reads the
    bytes that are not stored yet; LandsFirst where they are many, and no brief reading proves them."""
    brief = opener is not None and packet.size > SMALL
    opener = opener or await _open_stored(services, packet)
    if packet.transport_session is not None:
        if brief:
            raise LandsFirst("it came by a session")
        vouched = await _vouch_by_session(services, packet, opener)
        if vouched is not None:
            return vouched
    judged = await _examine(services, packet, opener, brief=brief)
    signed, evidence = judged.verified.signed, judged.evidence
    route = await _routing(services, packet, signed.sender_code) if packet.transport_session is None else None
    if services.answers is not None:
        await services.answers.use(evidence.answers)
    proved = trust.decide(signed, evidence, _policy(services, packet), packet.received_at, route)
    return Proved(
        envelope=proved,
        open=opener,
        judged=judged.verified,
        evidence=evidence,
        keeps_form=judged.keeps_form,
    )


async def _vouch_by_session(
    services: IncomingServices, packet: InboxPacket, opener: Callable[[], BinaryIO]
) -> Proved | None:
    """Prove a packet that came by a session with a foreign axis, which writes files anew. None: its own signature holds
    all the same, and is judged like any other. A broken signature is a finding here: the session vouches, by rule."""
    source = envelopes.EnvelopeSource(size=packet.size, open=partial(pieces, opener))
    read = await services.pool.run(partial(foreign.examine, source, services.xml.limits))
    signed, broken = read.verified.signed, None
    if signed.file_digest != packet.file_digest:
        raise AlteredContent(f"the content store has other bytes of packet {packet.id} than landed")
    if read.is_signed:
        try:
            await _judge(services, packet, source)
            return None
        except InvalidEnvelope as refusal:
            broken = foreign.signature_finding(refusal.code, refusal.detail)
    name, sender = packet.transport_session or "", signed.sender_code
    day, axis_sender = local(packet.received_at).date(), packet.transport_sender
    other = axis_sender if axis_sender.strip() and fold_code(axis_sender) != fold_code(sender) else None
    if other is not None and await services.directory.find(other, day) is None:
        other = None  # the axis names a system, which has no code
    session = trust.Session(
        name=name, is_known=await services.directory.find(sender, day) is not None, other=other
    )
    proved = trust.vouch(
        signed, session, services.trust_policy, packet.received_at, released=packet.released, broken=broken
    )
    return Proved(envelope=proved, open=opener, judged=read.verified)


@dataclass(frozen=True, slots=True)
class _Judgement:
    """All that a thread found out about the bytes: each call of a thread costs more than the answer."""

    verified: envelopes.Verified
    evidence: Evidence
    keeps_form: bool


async def _open_stored(services: IncomingServices, packet: InboxPacket) -> Callable[[], BinaryIO]:
    async with services.store.read(AgencyScope(agency_id=packet.agency_id, principal_id="node")) as work:
        return await services.blobs.open(work, packet.file_digest)


async def _examine(
    services: IncomingServices, packet: InboxPacket, opener: Callable[[], BinaryIO], *, brief: bool = False
) -> _Judgement:
    """Judge the bytes, which are those that landed. AlteredContent when the store has others: a true packet must not go
    to quarantine, nor another be taken for it, because a file was changed."""
    source = envelopes.EnvelopeSource(size=packet.size, open=partial(pieces, opener))
    try:
        judged = await _judge(services, packet, source, brief=brief)
    except InvalidEnvelope:
        if await services.pool.run(partial(_digest, source)) == packet.file_digest:
            raise
    else:
        if judged.verified.signed.file_digest == packet.file_digest:
            return judged
    raise AlteredContent(
        f"the content store has other bytes of packet {packet.id} than landed (SHA-256 {packet.file_digest}); bring the "
        "content folder back from a backup"
    )


class _BindingsMissing(Exception):
    """The packet names another sender than the axis did, whose bindings are not loaded yet."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


async def _judge(
    services: IncomingServices, packet: InboxPacket, source: envelopes.EnvelopeSource, *, brief: bool = False
) -> _Judgement:
    """Judge the bytes. The directory is asked on the event loop before a thread judges, first for the sender that the
    axis names: a thread that waited for an answer would hold up the others. For another sender it is judged again."""
    bindings_by_code: dict[str, Sequence[Binding] | UnknownSender] = {}
    code = packet.transport_sender
    while True:
        try:
            bindings_by_code[code] = await _find_bindings(services, code, packet.received_at)
        except UnknownSender as unknown:
            bindings_by_code[code] = unknown
        try:
            return await _judge_with(services, packet, source, bindings_by_code, brief=brief)
        except _BindingsMissing as named:
            if len(bindings_by_code) > 1:
                raise AlteredContent(
                    f"packet {packet.id} names another sender each time it is read; mend the content store"
                ) from named
            code = named.code


async def _judge_with(
    services: IncomingServices,
    packet: InboxPacket,
    source: envelopes.EnvelopeSource,
    bindings_by_code: Mapping[str, Sequence[Binding] | UnknownSender],
    *,
    brief: bool,
) -> _Judgement:
    def bindings(code: str) -> Sequence[Binding]:
        if code not in bindings_by_code:
            raise _BindingsMissing(code)
        answer = bindings_by_code[code]
        if isinstance(answer, UnknownSender):
            raise answer
        return answer

    ask = partial(
        envelopes.examine_fast,
        source,
        policy=services.xml,
        bindings=bindings,
        at=packet.received_at,
        transport=_transport(packet),
    )

    def combine(verified: envelopes.Verified, evidence: Evidence) -> _Judgement:
        is_held = verified.signed.model.kind is not Kind.STATUS and verified.keeps_form()
        return _Judgement(verified, evidence, is_held)

    def judge(verified: envelopes.Verified) -> _Judgement:
        return combine(verified, services.trust.collect(verified.signed.certificate_der, packet.received_at))

    def fast() -> _Judgement | envelopes.Verified | None:
        # Its files are decoded once, when `check` looks at them.
        verified = ask(opens=False)
        if verified is None:
            return None
        evidence = services.trust.remembered(verified.signed.certificate_der, packet.received_at)
        return verified if evidence is None else combine(verified, evidence)

    def general() -> _Judgement:
        return judge(envelopes.examine_general(*ask.args, **ask.keywords))

    outcome = await (services.pool.brief if packet.size <= SMALL else services.pool.run)(fast)
    if outcome is None:
        if brief:
            raise LandsFirst("the general path judges it")
        async with services.general_turns:
            return await services.pool.run(general)
    if isinstance(outcome, _Judgement):
        return outcome
    # Never brief: a chain is judged when it is first met, and lists of revoked ones are read when they change.
    return await services.pool.run(partial(judge, outcome))


def _digest(source: envelopes.EnvelopeSource) -> Digest:
    hasher = hashlib.sha256()
    for piece in source.open():
        hasher.update(piece)
    return Digest.of_bytes(hasher.digest())


def _policy(services: IncomingServices, packet: InboxPacket) -> trust.TrustPolicy:
    """Return the trust policy; a person's release of a held packet bears with its odd signing time alone (rule 12.8)."""
    if not packet.released:
        return services.trust_policy
    return replace(
        services.trust_policy, signing_past=_ANY_TIME, signing_future=services.trust_policy.signing_absurd
    )


async def _routing(services: IncomingServices, packet: InboxPacket, sender: str) -> trust.Routing:
    node = packet.transport_node
    host = await _find_host(services, sender, packet.received_at) if node is not None else None
    return trust.Routing(sender=packet.transport_sender, node=node, host=host)


async def _find_host(services: IncomingServices, sender: str, at: datetime) -> str | None:
    """Find the node that speaks for this code or, where it is a former one, for the code that it became."""
    on = local(at).date()
    entry = await services.directory.find(sender, on)
    if entry is None:
        resolution = await services.directory.resolve(sender, on)
        entry = resolution.entry if resolution.standing is CodeStanding.MAPPED else None
    return entry.host if entry is not None else None


def _transport(packet: InboxPacket) -> envelopes.TransportFacts:
    """Return the unsigned facts of the axis (A2, unsigned words). A kind of none of ours contradicts all signed: MSG-ID."""
    if packet.transport_session is not None:
        return envelopes.TransportFacts()  # the ids and kinds of a foreign axis are its own
    kind = _KINDS_BY_NAME.get(packet.transport_kind)
    if kind is None:
        raise BadSignature(
            "MSG-ID", f"the axis names the kind {packet.transport_kind[:40]!r}, which no packet has", step=11
        )
    return envelopes.TransportFacts(packet_id=PacketId(packet.transport_packet_id), kind=kind)


async def _find_bindings(services: IncomingServices, code: str, at: datetime) -> Sequence[Binding]:
    """Find a code's bindings. Without one in force the registry is asked for the code, to tell which of them is missing."""
    bindings = await services.directory.bindings(code)
    on = local(at).date()
    if not active_bindings(code, bindings, at) and await services.directory.find(code, on) is None:
        detail = f"the registry knows no agency of the code {code[:80]!r} on {on.isoformat()}, and none is bound to it"
        raise UnknownSender("SIG-SENDER", detail, step=6, location="From/OrganId")
    return bindings
