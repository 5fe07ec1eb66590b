"""Proofs about an envelope, and the signed data beside the document: terms and receipts.

`SignedEnvelope`: the signature is valid for these bytes. `VerifiedEnvelope`: the signer may speak for the sender, which
only `policy.trust` decides. Both are generic over the envelope model, so that `policy` and `edxml` need not know each
other. `Terms` are statements of a sender for which the dialect has no field (W6a, signed terms): they are in the
Signature, beside the packet id; absent means not stated. A `Receipt` is a signed statement about a packet (R2, receipts),
carried by a `StatusPacket`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Generic, TypeVar

from gateway.domain.document import DeliveryMode, Kind, RecipientRole, Staff
from gateway.domain.identity import Digest, DocumentId, PacketId


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Signed statements of a sender. The first four belong to a document, update or replacement: whether a reply is
    wanted, the hour of a timed express letter, whether paper follows, and the role of each recipient by the addressed
    code. The last two belong to a 03: the arrival number that its receiver gave the document, and its year."""

    reply_required: bool | None = None
    due_at: datetime | None = None
    delivery_mode: DeliveryMode | None = None
    roles: tuple[tuple[str, RecipientRole], ...] = ()
    register_no: str | None = None
    register_year: int | None = None

    def __bool__(self) -> bool:
        """Tell whether any term is stated."""
        wishes = (self.reply_required, self.due_at, self.delivery_mode, self.roles)
        return (*wishes, self.register_no, self.register_year) != (None, None, None, (), None, None)

    def role_of(self, code: str) -> RecipientRole | None:
        return next((role for c, role in self.roles if c == code), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Proof of receipt in a signed status; the digests are those of the received bytes."""

    of_packet_id: PacketId | None
    of_document_id: DocumentId | None
    of_sender: str | None
    body_digest: Digest | None
    file_digest: Digest | None
    size: int | None
    received_at: datetime | None
    status_code: str
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusPacket:
    """Status that one of our agencies is about to sign and send. `delivery_id` is set for a status about a delivery of
    ours (13), `receipt` for an answer to an envelope, and `axis` where that envelope came by one of several axes."""

    packet_id: PacketId
    sender_code: str
    to_code: str
    code: str
    document_id: DocumentId
    document_code: str | None
    issued_on: date | None
    stated_at: datetime
    description: str | None = None
    staff: Staff | None = None
    receipt: Receipt | None = None
    terms: Terms | None = None
    delivery_id: str | None = None
    urgent: bool = False
    axis: str = ""


M = TypeVar("M")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Numbered step of `docs/verification.md`; `ok` is None when it was not reached."""

    n: int
    name: str
    ok: bool | None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Unusual fact that does not decide by itself, and its place."""

    code: str
    place: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSlice:
    """Place and content of one attachment's base64. `size` and `sha256` are those of the file as a person would open it:
    unzipped where the sender zipped it (`coding` "zip"), unchanged otherwise ("raw"). Offsets count bytes of `source`:
    "envelope" is the file itself, "canonical" its canonical octets."""

    n: int
    name: str
    content_id: str | None
    content_type: str | None
    description: str | None
    offset: int
    length: int
    coding: str
    size: int | None
    sha256: Digest | None
    source: str = "envelope"
    damaged: str | None = None

    @property
    def is_closed(self) -> bool:
        """True if the file was not decoded yet, so that only its place is known."""
        return self.sha256 is None and self.damaged is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """Certificate that the registry binds to an agency code."""

    code: str
    certificate_der: bytes
    valid_from: datetime | None = None
    valid_to: datetime | None = None

    def is_in_force(self, at: datetime) -> bool:
        """Tell whether the binding is valid at that moment (K1, binding); its end no longer is."""
        return (self.valid_from is None or self.valid_from <= at) and (
            self.valid_to is None or at < self.valid_to
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """Contradiction between the signed statements and the envelope or the transport (step 11). It is found with the
    signature, but `policy.trust` refuses it after the certificate, since the first step that fails gives the code."""

    code: str
    detail: str
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedEnvelope(Generic[M]):
    """Envelope whose signature is valid, by a certificate that is bound to the claimed sender. Nothing is said about that
    certificate's chain, time or revocation. `signature_digest` is over the bytes of SignatureValue (R4, receipts)."""

    model: M
    kind: Kind
    path: str
    sender_code: str
    body_digest: Digest
    file_digest: Digest
    file_size: int
    packet_id: PacketId | None
    signing_time: datetime | None
    certificate_der: bytes
    algorithm: str
    bound_from: datetime | None = None
    bound_to: datetime | None = None
    weak: bool = False
    receipt: Receipt | None = None
    terms: Terms | None = None
    files: tuple[FileSlice, ...] = ()
    findings: tuple[Finding, ...] = ()
    steps: tuple[Step, ...] = ()
    contradiction: Contradiction | None = None
    signature_digest: Digest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainLink:
    """Certificate of a chain, with its own data; `anchor` where the chain ends in our own configuration."""

    subject: str
    serial: str
    sha256: str
    not_before: datetime
    not_after: datetime
    anchor: bool
    der: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Facts about the signing certificate, without a decision. `chain` has the signer first. `revocation` is good,
    revoked or unknown, by an answer of `revocation_source` (ocsp, crl) made at `revocation_as_of`; `answers` has the
    SHA-256 of all answers about the chain."""

    chain_code: str | None
    chain_detail: str
    not_before: datetime
    not_after: datetime
    usage_ok: bool
    revocation: str
    revoked_at: datetime | None = None
    revocation_age_s: float | None = None
    subject: str = ""
    serial: str = ""
    revocation_source: str = ""
    revocation_as_of: datetime | None = None
    revocation_reason: str | None = None
    answers: tuple[str, ...] = ()
    chain: tuple[ChainLink, ...] = ()


class _Seal:
    """Token that only `policy.trust` holds, and without which no `VerifiedEnvelope` can be made."""

    __slots__ = ()


_SEALS: list[_Seal] = []


def claim_seal() -> _Seal:
    """Return the one seal of this process to the module that decides trust; any second call fails."""
    if _SEALS:
        raise RuntimeError("the seal for VerifiedEnvelope is already held by policy.trust")
    _SEALS.append(_Seal())
    return _SEALS[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Identity of an admitted packet (A4, repeats; A9, attempts), kept even after the packet is deleted."""

    sender: str
    body_digest: Digest
    kind: Kind
    packet_id: str | None
    document_id: str | None
    inbox_id: str
    incoming_id: str | None
    at: datetime
    terms: Digest | None = None
    """SHA-256 of the terms in its Signature (W6a, signed terms); None without terms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedEnvelope(Generic[M]):
    """Envelope whose sender is proved. All steps after verification use only this."""

    signed: SignedEnvelope[M]
    sender: str
    verdict: str
    received_at: datetime
    notes: tuple[Finding, ...] = ()
    steps: tuple[Step, ...] = ()
    seal: _Seal = field(repr=False)

    def __post_init__(self) -> None:
        if not _SEALS or self.seal is not _SEALS[0]:
            raise TypeError("a VerifiedEnvelope is made by policy.trust and nowhere else")

    @property
    def model(self) -> M:
        return self.signed.model
