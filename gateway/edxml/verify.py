"""Decides whether envelope bytes are signed as they claim. In: bytes, XmlPolicy, bound certificates. Out:
SignedEnvelope, or the InvalidEnvelope that names the failed step. Pure; the certificate's chain and revocation are
judged later, and a contradiction at step 11 is left to `policy.trust`, which reaches it after them. The fast path is
tried first; only the general path refuses. The numbered steps and codes of docs/verification.md are tables here, and a
test keeps the page equal to them; a report lists all twelve steps as done, failed or not reached."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from gateway.domain.document import Kind
from gateway.domain.identity import Digest, PacketId, known_digest
from gateway.domain.proof import Binding, Contradiction, Finding, SignedEnvelope, Step
from gateway.edxml import canonical, key, schema, terms
from gateway.edxml.envelope import Envelope
from gateway.errors import InvalidEnvelope, MalformedXml

if TYPE_CHECKING:
    from lxml import etree

    from gateway.domain.proof import Receipt
    from gateway.edxml.policy import XmlPolicy
    from gateway.edxml.properties import ReadQualifier

STEPS: Final[Mapping[int, str]] = {
    1: "size",
    2: "bytes and encoding",
    3: "parser and forbidden constructs",
    4: "dialect and place of parts",
    5: "signature present, its place and structure",
    6: "sender code known, certificate bound to it",
    7: "digests",
    8: "signature value",
    9: "chain and time",
    10: "revocation",
    11: "qualifier, recipient, agreement with the transport",
    12: "repeat or conflict",
}
_CLOCK_ERROR: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class ResultCode:
    """Step of a code, and what happens to the packet: REJ-FMT, REJ-SEC, HOLD, DEDUP or SHOWN."""

    step: int
    outcome: str


CODES: Final[Mapping[str, ResultCode]] = {
    "ENV-TOO-LARGE": ResultCode(1, "REJ-FMT"),
    "ENV-ENCODING": ResultCode(2, "REJ-FMT"),
    "ENV-NOT-XML": ResultCode(3, "REJ-FMT"),
    "ENV-LIMIT": ResultCode(3, "REJ-FMT"),
    "ENV-FORBIDDEN": ResultCode(3, "REJ-SEC"),
    "ENV-DIALECT": ResultCode(4, "REJ-FMT"),
    "SIG-ABSENT": ResultCode(5, "REJ-SEC"),
    "SIG-PLACEHOLDER": ResultCode(5, "REJ-SEC"),
    "SIG-MANY": ResultCode(5, "REJ-SEC"),
    "SIG-PLACE": ResultCode(5, "REJ-SEC"),
    "SIG-ID": ResultCode(5, "REJ-SEC"),
    "SIG-STRUCTURE": ResultCode(5, "REJ-SEC"),
    "SIG-ALGORITHM": ResultCode(5, "REJ-SEC"),
    "SIG-SENDER": ResultCode(6, "REJ-SEC"),
    "SIG-NO-BINDING": ResultCode(6, "REJ-SEC"),
    "AXIS-SENDER": ResultCode(6, "HOLD"),
    "SIG-PIN": ResultCode(6, "REJ-SEC"),
    "SIG-WEAK": ResultCode(6, "REJ-SEC"),
    "SIG-DIGEST": ResultCode(7, "REJ-SEC"),
    "SIG-PROPERTIES": ResultCode(7, "REJ-SEC"),
    "SIG-VALUE": ResultCode(8, "REJ-SEC"),
    "CERT-TIME": ResultCode(9, "REJ-SEC"),
    "CERT-CHAIN": ResultCode(9, "REJ-SEC"),
    "CERT-USAGE": ResultCode(9, "REJ-SEC"),
    "SIG-TIME": ResultCode(9, "HOLD"),
    "CERT-REVOKED": ResultCode(10, "REJ-SEC"),
    "CERT-REVOCATION-UNKNOWN": ResultCode(10, "HOLD"),
    "AXIS-NODE": ResultCode(11, "REJ-SEC"),
    "MSG-ID": ResultCode(11, "REJ-SEC"),
    "MSG-NOT-OURS": ResultCode(11, "REJ-SEC"),
    "MSG-NOT-PARTY": ResultCode(11, "REJ-SEC"),
    "RCPT-DIGEST": ResultCode(11, "REJ-SEC"),
    "MSG-REPEAT": ResultCode(12, "DEDUP"),
    "MSG-CONFLICT": ResultCode(12, "REJ-SEC"),
    "MSG-STALE": ResultCode(12, "SHOWN"),
}


_PASSED: Final = tuple(
    Step(n=n, name=name, ok=True if n <= 8 or n == 11 else None) for n, name in STEPS.items()
)


def passed_steps(size: int, method: str) -> tuple[Step, ...]:
    """Return the steps of a file whose signature holds: 1 to 8 and the file's part of 11 done, the others not reached."""
    first = Step(n=1, name=STEPS[1], ok=True, detail=f"{size} bytes")
    return (first, *_PASSED[1:7], _value_step(method), *_PASSED[8:])


@lru_cache(maxsize=16)
def _value_step(method: str) -> Step:
    return Step(n=8, name=STEPS[8], ok=True, detail=method)


def failed_steps(n: int, detail: str) -> tuple[Step, ...]:
    """Return the steps of a refusal: those before `n` done, `n` failed, later ones not reached."""
    return tuple(
        Step(n=m, name=name, ok=None if m > n else m < n, detail=detail if m == n else "")
        for m, name in STEPS.items()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvelopeSource:
    """File that can be read from its start more than once; every `open` must give the same bytes."""

    open: Callable[[], Iterable[bytes]]
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportFacts:
    """What the transport says of a packet, unsigned: it must agree with the signed values and never replaces them (A2)."""

    packet_id: PacketId | None = None
    kind: Kind | None = None


_NO_FACTS: Final = TransportFacts()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A verified envelope. `canonical` holds the canonical octets when the general path decided: the file slices count
    in them. `tree` is the input of `schema.holds`, where the reader of small files left one."""

    signed: SignedEnvelope[Envelope]
    canonical: bytes | None
    tree: etree._Element | None = None

    def keeps_form(self) -> bool:
        """Tell whether this reading already shows that the schema holds; where it does not, call `schema.check`."""
        return self.tree is not None and schema.holds(self.tree)


def examine(
    source: EnvelopeSource,
    *,
    policy: XmlPolicy,
    bindings: Callable[[str], Sequence[Binding]],
    at: datetime,
    transport: TransportFacts | None = None,
    opens: bool = True,
) -> Verified:
    """Return the envelope if a bound certificate of its claimed sender signed its bytes, judged at the time of arrival
    `at`; InvalidEnvelope otherwise. Without `opens` the fast path leaves the files closed: hashed with the rest, not
    decoded."""
    quick = examine_fast(source, policy=policy, bindings=bindings, at=at, transport=transport, opens=opens)
    return quick or examine_general(source, policy=policy, bindings=bindings, at=at, transport=transport)


def examine_fast(
    source: EnvelopeSource,
    *,
    policy: XmlPolicy,
    bindings: Callable[[str], Sequence[Binding]],
    at: datetime,
    transport: TransportFacts | None = None,
    opens: bool = True,
) -> Verified | None:
    """Try the fast path alone; None when the general path has to decide, whose concurrency a caller may limit."""
    try:
        if source.size > policy.limits.max_bytes:
            detail = f"the file has {source.size} bytes; at most {policy.limits.max_bytes} are read"
            raise MalformedXml("ENV-TOO-LARGE", detail, step=1)
        return _fast(source, policy, bindings, at, transport or _NO_FACTS, opens=opens)
    except InvalidEnvelope as refusal:
        _name_steps(refusal)
        raise


def examine_general(
    source: EnvelopeSource,
    *,
    policy: XmlPolicy,
    bindings: Callable[[str], Sequence[Binding]],
    at: datetime,
    transport: TransportFacts | None = None,
) -> Verified:
    """Take the general path alone. It holds the file as a tree, so callers bound how many run at once (G1)."""
    try:
        return _general(source, policy, bindings, at, transport or _NO_FACTS)
    except InvalidEnvelope as refusal:
        _name_steps(refusal)
        raise


def _name_steps(refusal: InvalidEnvelope) -> None:
    """Set the step of a refusal and its list of steps."""
    refusal.step = refusal.step or CODES[refusal.code].step
    refusal.steps = failed_steps(refusal.step, refusal.detail)


def _fast(
    source: EnvelopeSource,
    policy: XmlPolicy,
    bindings: Callable[[str], Sequence[Binding]],
    at: datetime,
    facts: TransportFacts,
    *,
    opens: bool,
) -> Verified | None:
    """Judge by the fast path (F1-F13); None when the general path has to decide."""
    if opens:
        fast = canonical.read_fast(source.open(), source.size, policy)
    else:
        fast = canonical.read_closed(source.open, source.size, policy)
    if fast is None or fast.envelope.sender.organ_id is None:
        return None
    code = fast.envelope.sender.organ_id
    chosen = canonical.check_key(
        fast,
        key.active_bindings(code, bindings(code), at),
        policy,
        transport_packet_id=facts.packet_id,
        transport_kind=facts.kind,
        at=at,
    )
    if chosen is None:
        return None
    parts = fast.signature
    signed = SignedEnvelope(
        model=fast.envelope,
        kind=fast.envelope.kind,
        path="fast",
        sender_code=code,
        body_digest=fast.body_digest,
        file_digest=fast.file_digest,
        file_size=fast.size,
        packet_id=parts.packet_id,
        signing_time=parts.signing_time,
        certificate_der=chosen.certificate_der,
        algorithm=parts.algorithm,
        bound_from=chosen.valid_from,
        bound_to=chosen.valid_to,
        receipt=parts.receipt,
        terms=parts.terms,
        files=fast.files,
        findings=fast.findings + (_odd_receipt(parts.receipt, parts.signing_time) if parts.receipt else ()),
        steps=passed_steps(fast.size, parts.algorithm),
        signature_digest=known_digest(hashlib.sha256(parts.value).hexdigest()),
    )
    return Verified(signed=signed, canonical=None, tree=fast.tree)


def _general(
    source: EnvelopeSource,
    policy: XmlPolicy,
    bindings: Callable[[str], Sequence[Binding]],
    at: datetime,
    facts: TransportFacts,
) -> Verified:
    raw = _read_file(source, policy)
    # Imported on first use: its library is large, and partners send the native form.
    from gateway.edxml import general

    proof = general.judge(raw, policy, lambda code: key.active_bindings(code, bindings(code), at), at)
    properties = proof.shape.properties
    qualifier = properties.qualifier if properties is not None else None
    model = proof.read.envelope
    receipt = qualifier.receipt if qualifier is not None else None
    time = properties.signing_time if properties is not None else None
    signed = SignedEnvelope(
        model=model,
        kind=model.kind,
        path="general",
        sender_code=proof.binding.code,
        body_digest=proof.body_digest,
        file_digest=_digest(raw),
        file_size=len(raw),
        packet_id=qualifier.packet_id if qualifier is not None else None,
        signing_time=time,
        certificate_der=proof.binding.certificate_der,
        algorithm=proof.shape.method,
        bound_from=proof.binding.valid_from,
        bound_to=proof.binding.valid_to,
        weak=proof.shape.weak,
        # G7 (old algorithms): a SHA-1 signature never proves a receipt.
        receipt=receipt if not proof.shape.weak else None,
        terms=qualifier.terms if qualifier is not None else None,
        files=proof.read.files,
        findings=(
            *proof.read.findings,
            *(properties.findings if properties is not None else ()),
            *_odd_receipt(receipt, time),
        ),
        steps=passed_steps(len(raw), proof.shape.method),
        contradiction=_contradiction(model, qualifier, policy, facts),
        signature_digest=_digest(proof.shape.value),
    )
    return Verified(signed=signed, canonical=proof.canonical)


def _digest(raw: bytes) -> Digest:
    return known_digest(hashlib.sha256(raw).hexdigest())


def _odd_receipt(receipt: Receipt | None, signed_at: datetime | None) -> tuple[Finding, ...]:
    """Report a wrong clock: a packet received after the answer to it was signed."""
    if receipt is None or receipt.received_at is None or signed_at is None:
        return ()
    if receipt.received_at - signed_at <= _CLOCK_ERROR:
        return ()
    detail = f"gw:Received is more than {_CLOCK_ERROR} after SigningTime"
    return (Finding(code="RECEIVED-LATE", place="gw:Received", detail=detail),)


def _read_file(source: EnvelopeSource, policy: XmlPolicy) -> bytes:
    """Read the file into memory, if it fits the general path (G1). Bytes are counted, because the stated size may lie."""
    most = policy.limits.general_max_bytes
    detail = f"the file is not in native form, or its key does not fit; such a file may have {most} bytes"
    if source.size > most:
        raise MalformedXml("ENV-TOO-LARGE", f"{detail}, it has {source.size}", step=1)
    raw = bytearray()
    for piece in source.open():
        raw += piece
        if len(raw) > most:
            raise MalformedXml("ENV-TOO-LARGE", detail, step=1)
    return bytes(raw)


def _contradiction(
    model: Envelope, qualifier: ReadQualifier | None, policy: XmlPolicy, facts: TransportFacts
) -> Contradiction | None:
    """Compare the signed values with the model and the transport, as far as step 11 concerns the file alone (F12, A2)."""
    if qualifier is None:
        if policy.own_axis:
            return _against("MSG-ID", "gw:Message", "the signature has no gw:Message, which our axis needs")
        return None
    kind, receipt, status = qualifier.kind, qualifier.receipt, model.status
    if kind is not model.kind:
        phrase = "names no kind of packet" if kind is None else f"says {kind}"
        return _against("MSG-ID", "gw:Kind", f"gw:Kind {phrase}, the envelope is of kind {model.kind}")
    if facts.kind is not None and facts.kind is not kind:
        return _against("MSG-ID", "gw:Kind", f"gw:Kind says {kind}, the transport {facts.kind}")
    if facts.packet_id is not None and facts.packet_id != qualifier.packet_id:
        return _against("MSG-ID", "gw:Id", "gw:Id is not the packet id of the transport")
    if receipt is not None and (status is None or receipt.status_code != status.code):
        detail = "gw:StatusCode is not the StatusCode of the envelope"
        return _against("RCPT-DIGEST", "gw:StatusCode", detail)
    if qualifier.terms is not None and (wrong := terms.against(qualifier.terms, model)) is not None:
        return _against("MSG-ID", *wrong)
    return None


def _against(code: str, place: str, detail: str) -> Contradiction:
    return Contradiction(code=code, detail=detail, place=place)
