"""Step 2 of the way in: who sent this, proved. In: a landed row. Out: a `VerifiedEnvelope`, or the error that names the
failed step. Bytes are judged by `edxml.verify`, evidence collected by `trust.evidence`, the decision is
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

# Verdicts over what the axis said of a copy: another copy of the same bytes may have been told rightly.
FALSE_WORDS = frozenset({"AXIS-NODE", "MSG-ID"})
_ANY_TIME = timedelta(days=36500)
_KINDS = {str(kind): kind for kind in Kind}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """A verified packet. `open` reads the file that was judged, `judged` is what reading it gave. `proof` is what the log
    keeps of the signature and of what it was judged by (R4)."""

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
        signed, found = self.envelope.signed, self.evidence
        if self.is_vouched:
            vouching = next(
                (each.where for each in self.envelope.notes if each.code == "SESSION-VOUCHED"), ""
            )
            return {"envelope": signed.file_digest, "content": signed.body_digest, "axis": vouching}
        return {
            "envelope": signed.file_digest,
            "body": signed.body_digest,
            "signature": signed.signature_digest,
            "certificate": hashlib.sha256(signed.certificate_der).hexdigest(),
            "chain": [link.sha256 for link in found.chain] if found else [],
            "answers": list(found.answers) if found else [],
        }


async def run(
    services: IncomingServices, item: InboxPacket, opener: Callable[[], BinaryIO] | None = None
) -> Proved:
    """The packet's sender is proved at the time of its arrival (K2), never at the claimed SigningTime. `opener` reads the
    bytes that are not stored yet; LandsFirst where they are many, and no brief reading proves them."""
    brief = opener is not None and item.size > SMALL
    opener = opener or await _stored(services, item)
    if item.transport_session is not None:
        if brief:
            raise LandsFirst("it came by a session")
        found = await _of_session(services, item, opener)
        if found is not None:
            return found
    judged = await _examined(services, item, opener, brief=brief)
    signed, evidence = judged.verified.signed, judged.evidence
    carried = await _carried(services, item, signed.sender_code) if item.transport_session is None else None
    if services.answers is not None:
        await services.answers.use(evidence.answers)
    proved = trust.decide(signed, evidence, _policy(services, item), item.received_at, carried)
    return Proved(
        envelope=proved,
        open=opener,
        judged=judged.verified,
        evidence=evidence,
        keeps_form=judged.keeps_form,
    )


async def _of_session(
    services: IncomingServices, item: InboxPacket, opener: Callable[[], BinaryIO]
) -> Proved | None:
    """What came by a session with a foreign axis, which writes files anew. None: its own signature holds all the same, and
    is judged like any other. A signature that does not hold is a finding here: the session vouches, by rule."""
    source = envelopes.EnvelopeSource(size=item.size, open=partial(pieces, opener))
    read = await services.pool.run(partial(foreign.examine, source, services.xml.limits))
    signed, broken = read.verified.signed, None
    if signed.file_digest != item.file_digest:
        raise AlteredContent(f"the content store has other bytes of packet {item.id} than landed")
    if read.is_signed:
        try:
            await _judged(services, item, source)
            return None
        except InvalidEnvelope as refusal:
            broken = foreign.signature_finding(refusal.code, refusal.detail)
    name, sender = item.transport_session or "", signed.sender_code
    on, said = local(item.received_at).date(), item.transport_sender
    other = said if said.strip() and fold_code(said) != fold_code(sender) else None
    if other is not None and await services.directory.find(other, on) is None:
        other = None  # the axis names a system, which is nobody's code
    session = trust.Session(
        name=name, is_known=await services.directory.find(sender, on) is not None, other=other
    )
    proved = trust.vouch(
        signed, session, services.trust_policy, item.received_at, released=item.released, broken=broken
    )
    return Proved(envelope=proved, open=opener, judged=read.verified)


@dataclass(frozen=True, slots=True)
class _Judged:
    """What a thread found out about the bytes, all at once: each time that one is asked costs more than the answer."""

    verified: envelopes.Verified
    evidence: Evidence
    keeps_form: bool


async def _stored(services: IncomingServices, item: InboxPacket) -> Callable[[], BinaryIO]:
    async with services.store.read(AgencyScope(agency_id=item.agency_id, principal_id="node")) as work:
        return await services.blobs.open(work, item.file_digest)


async def _examined(
    services: IncomingServices, item: InboxPacket, opener: Callable[[], BinaryIO], *, brief: bool = False
) -> _Judged:
    """The bytes judged: they are those that landed. AlteredContent when the store has others: a true packet must not go to
    quarantine, nor another be taken for it, because somebody changed a file."""
    source = envelopes.EnvelopeSource(size=item.size, open=partial(pieces, opener))
    try:
        judged = await _judged(services, item, source, brief=brief)
    except InvalidEnvelope:
        if await services.pool.run(partial(_digest, source)) == item.file_digest:
            raise
    else:
        if judged.verified.signed.file_digest == item.file_digest:
            return judged
    raise AlteredContent(
        f"the content store has other bytes of packet {item.id} than landed (SHA-256 {item.file_digest}); bring the "
        "content folder back from a backup"
    )


class _NotAskedYet(Exception):
    """The packet names another sender than the axis did; what is bound to that code is not known here yet."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


async def _judged(
    services: IncomingServices, item: InboxPacket, source: envelopes.EnvelopeSource, *, brief: bool = False
) -> _Judged:
    """The directory is asked on the event loop before a thread judges, first for the sender that the axis names: a thread
    that waited for an answer would hold up the others. Where the packet names another one, it is judged once more."""
    known: dict[str, Sequence[Binding] | UnknownSender] = {}
    code = item.transport_sender
    while True:
        try:
            known[code] = await _bindings(services, code, item.received_at)
        except UnknownSender as unknown:
            known[code] = unknown
        try:
            return await _judged_by(services, item, source, known, brief=brief)
        except _NotAskedYet as named:
            if len(known) > 1:
                raise AlteredContent(
                    f"packet {item.id} names another sender each time it is read; mend the content store"
                ) from named
            code = named.code


async def _judged_by(
    services: IncomingServices,
    item: InboxPacket,
    source: envelopes.EnvelopeSource,
    known: Mapping[str, Sequence[Binding] | UnknownSender],
    *,
    brief: bool,
) -> _Judged:
    def bindings(code: str) -> Sequence[Binding]:
        if code not in known:
            raise _NotAskedYet(code)
        found = known[code]
        if isinstance(found, UnknownSender):
            raise found
        return found

    ask = partial(
        envelopes.examine_fast,
        source,
        policy=services.xml,
        bindings=bindings,
        at=item.received_at,
        transport=_transport(item),
    )

    def judged(verified: envelopes.Verified, evidence: Evidence) -> _Judged:
        is_held = verified.signed.model.kind is not Kind.STATUS and verified.keeps_form()
        return _Judged(verified, evidence, is_held)

    def judge(verified: envelopes.Verified) -> _Judged:
        return judged(verified, services.trust.collect(verified.signed.certificate_der, item.received_at))

    def fast() -> _Judged | envelopes.Verified | None:
        # Its files are decoded once, when `check` looks at them.
        verified = ask(opens=False)
        if verified is None:
            return None
        evidence = services.trust.remembered(verified.signed.certificate_der, item.received_at)
        return verified if evidence is None else judged(verified, evidence)

    def general() -> _Judged:
        return judge(envelopes.examine_general(*ask.args, **ask.keywords))

    found = await (services.pool.brief if item.size <= SMALL else services.pool.run)(fast)
    if found is None:
        if brief:
            raise LandsFirst("the general path judges it")
        async with services.general_turns:
            return await services.pool.run(general)
    if isinstance(found, _Judged):
        return found
    # Never brief: a chain is judged when it is first met, and lists of revoked ones are read when they change.
    return await services.pool.run(partial(judge, found))


def _digest(source: envelopes.EnvelopeSource) -> Digest:
    hasher = hashlib.sha256()
    for piece in source.open():
        hasher.update(piece)
    return Digest.of_bytes(hasher.digest())


def _policy(services: IncomingServices, item: InboxPacket) -> trust.TrustPolicy:
    """A person who released a held packet bears with its odd signing time, and with nothing else (rule 12.8)."""
    if not item.released:
        return services.trust_policy
    return replace(
        services.trust_policy, signing_past=_ANY_TIME, signing_future=services.trust_policy.signing_absurd
    )


async def _carried(services: IncomingServices, item: InboxPacket, sender: str) -> trust.Routing:
    node = item.transport_node
    host = await _host(services, sender, item.received_at) if node is not None else None
    return trust.Routing(sender=item.transport_sender, node=node, host=host)


async def _host(services: IncomingServices, sender: str, at: datetime) -> str | None:
    """The node that speaks for this code or, where it is a former one, for the code that it became."""
    on = local(at).date()
    entry = await services.directory.find(sender, on)
    if entry is None:
        found = await services.directory.resolve(sender, on)
        entry = found.entry if found.standing is CodeStanding.MAPPED else None
    return entry.host if entry is not None else None


def _transport(item: InboxPacket) -> envelopes.TransportFacts:
    """What the axis said, unsigned (A2). A kind that is none of ours contradicts every signed one: MSG-ID."""
    if item.transport_session is not None:
        return envelopes.TransportFacts()  # the ids and kinds of a foreign axis are its own
    kind = _KINDS.get(item.transport_kind)
    if kind is None:
        raise BadSignature(
            "MSG-ID", f"the axis names the kind {item.transport_kind[:40]!r}, which no packet has", step=11
        )
    return envelopes.TransportFacts(packet_id=PacketId(item.transport_packet_id), kind=kind)


async def _bindings(services: IncomingServices, code: str, at: datetime) -> Sequence[Binding]:
    """Where none is in force the registry is asked about the code itself: a clerk then knows which of the two it lacks."""
    found = await services.directory.bindings(code)
    on = local(at).date()
    if not active_bindings(code, found, at) and await services.directory.find(code, on) is None:
        detail = f"the registry knows no agency of the code {code[:80]!r} on {on.isoformat()}, and none is bound to it"
        raise UnknownSender("SIG-SENDER", detail, step=6, where="From/OrganId")
    return found
