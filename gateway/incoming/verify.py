"""Step 2 of the way in: proves the sender of a packet. In: a landed row. Out: a `VerifiedEnvelope`, or the error that
names the failed step. `edxml.verify` judges the bytes, `trust.evidence` collects evidence, and `policy.trust` decides.
Later steps use nothing of the packet but the verified envelope."""

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

# Verdicts about the routing that the axis stated for one copy: another copy of the same bytes may have the right one.
FALSE_WORDS = frozenset({"AXIS-NODE", "MSG-ID"})
_ANY_TIME = timedelta(days=36500)
_KINDS_BY_NAME = {str(kind): kind for kind in Kind}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """Verified packet. `open` opens the judged file, and `judged` is the result of reading it."""

    envelope: VerifiedEnvelope[Envelope]
    open: Callable[[], BinaryIO]
    judged: envelopes.Verified
    evidence: Evidence | None = None
    keeps_form: bool = False
    """True where the envelope is already known to be valid by the schema."""

    @property
    def octets(self) -> bytes | None:
        """Canonical octets where the general path read the envelope, else None."""
        return self.judged.canonical

    @property
    def is_vouched(self) -> bool:
        """True where the session with its axis vouches for it in place of a signature."""
        return self.envelope.verdict == trust.AXIS

    @property
    def is_liberal(self) -> bool:
        """True where another system wrote it, so that the order of its elements means nothing."""
        return self.octets is not None or self.is_vouched

    @property
    def proof(self) -> Mapping[str, object]:
        """Record of the signature and its grounds for the sealed log (R4, receipts)."""
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
    """Prove the packet's sender as of its arrival (K2, signing time), never as of the claimed SigningTime. `opener` opens
    bytes that are not stored yet; with it, LandsFirst is raised for a large packet that needs more than the fast path."""
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
    """Prove a packet that came by a session with a foreign axis, which may rewrite files. Returns None where the
    envelope's own signature is valid: then it is judged like any other. A broken signature is only a finding, since the
    session vouches for the packet."""
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
        other = None  # the axis named a system, which has no agency code
    session = trust.Session(
        name=name, is_known=await services.directory.find(sender, day) is not None, other=other
    )
    proved = trust.vouch(
        signed, session, services.trust_policy, packet.received_at, released=packet.released, broken=broken
    )
    return Proved(envelope=proved, open=opener, judged=read.verified)


@dataclass(frozen=True, slots=True)
class _Judgement:
    """Findings of one call in a worker thread about the bytes; a second call would cost more than its work."""

    verified: envelopes.Verified
    evidence: Evidence
    keeps_form: bool


async def _open_stored(services: IncomingServices, packet: InboxPacket) -> Callable[[], BinaryIO]:
    async with services.store.read(AgencyScope(agency_id=packet.agency_id, principal_id="node")) as work:
        return await services.blobs.open(work, packet.file_digest)


async def _examine(
    services: IncomingServices, packet: InboxPacket, opener: Callable[[], BinaryIO], *, brief: bool = False
) -> _Judgement:
    """Judge the packet's stored bytes. Raises AlteredContent when they are not those that landed, so that a true packet
    does not go to quarantine, nor another take its place, because a file was changed."""
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
    """Signal that the envelope names another sender than the axis did, whose bindings are not loaded yet."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


async def _judge(
    services: IncomingServices, packet: InboxPacket, source: envelopes.EnvelopeSource, *, brief: bool = False
) -> _Judgement:
    """Judge the bytes. The bindings are loaded on the event loop before a thread judges, since a thread that waits for
    the database would hold up the others: first those of the sender that the axis names, and if the envelope names
    another, it is judged again with that one's."""
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
    """Judge the bytes with these bindings: on the fast path, else on the general one."""

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
        # Files are not decoded here, but once, when `check` inspects them.
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
    # This is never brief work: a chain is validated when it is first met, and revocation lists are read when they change.
    return await services.pool.run(partial(judge, outcome))


def _digest(source: envelopes.EnvelopeSource) -> Digest:
    hasher = hashlib.sha256()
    for piece in source.open():
        hasher.update(piece)
    return Digest.of_bytes(hasher.digest())


def _policy(services: IncomingServices, packet: InboxPacket) -> trust.TrustPolicy:
    """Return the trust policy for the packet; after a person's release it accepts an odd signing time."""
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
    """Return the node that hosts this code; for a code that was replaced, the host of its successor."""
    on = local(at).date()
    entry = await services.directory.find(sender, on)
    if entry is None:
        resolution = await services.directory.resolve(sender, on)
        entry = resolution.entry if resolution.standing is CodeStanding.MAPPED else None
    return entry.host_on(on) if entry is not None else None


def _transport(packet: InboxPacket) -> envelopes.TransportFacts:
    """Return the axis's unsigned statements about the packet (A2, unsigned words). Raises BadSignature for a kind that no
    packet has, since it contradicts any signature."""
    if packet.transport_session is not None:
        return envelopes.TransportFacts()  # a foreign axis has ids and kinds of its own
    kind = _KINDS_BY_NAME.get(packet.transport_kind)
    if kind is None:
        raise BadSignature(
            "MSG-ID", f"the axis names the kind {packet.transport_kind[:40]!r}, which no packet has", step=11
        )
    return envelopes.TransportFacts(packet_id=PacketId(packet.transport_packet_id), kind=kind)


async def _find_bindings(services: IncomingServices, code: str, at: datetime) -> Sequence[Binding]:
    """Return a code's bindings. Raises UnknownSender where none is in force and the registry does not have the code."""
    bindings = await services.directory.bindings(code)
    on = local(at).date()
    if not active_bindings(code, bindings, at) and await services.directory.find(code, on) is None:
        detail = f"the registry knows no agency of the code {code[:80]!r} on {on.isoformat()}, and none is bound to it"
        raise UnknownSender("SIG-SENDER", detail, step=6, location="From/OrganId")
    return bindings
