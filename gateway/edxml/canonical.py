"""The fast path (F1-F12): proves, while it reads once, that a file is exactly what our own writer makes, and hashes
and parses that very same buffer. Raw pieces go in; `Fast` comes out, or None for "not mine". It never says invalid:
whatever it does not take, the general path decides, and gives the code. Attachments pass through and are not kept."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hmac import compare_digest
from typing import TYPE_CHECKING, Final
from xml.parsers import expat

from gateway.domain.identity import Digest
from gateway.domain.proof import Binding, FileSlice, Finding
from gateway.edxml import terms
from gateway.edxml.key import value_fault
from gateway.edxml.names import DECLARATION
from gateway.edxml.scan import NotMine, Scan
from gateway.edxml.signature import SignatureParts
from gateway.errors import InvalidEnvelope

if TYPE_CHECKING:
    from gateway.domain.document import Kind
    from gateway.domain.identity import PacketId
    from gateway.edxml.envelope import Envelope
    from gateway.edxml.policy import XmlPolicy

_STEP: Final = 1 << 18
"""The parser is fed at most this much at a time, so that no one text is longer in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fast:
    """A native file after F1-F9: canonical, of one meaning, with both digests as its Signature states them. Nothing
    is proved about the key yet (`check_key`). S stands at bytes [a, b)."""

    envelope: Envelope
    files: tuple[FileSlice, ...]
    findings: tuple[Finding, ...]
    body_digest: Digest
    file_digest: Digest
    size: int
    signature: SignatureParts
    a: int
    b: int


def read_fast(pieces: Iterable[bytes], size: int, policy: XmlPolicy) -> Fast | None:
    """Reads a file of `size` bytes once, in order. None: not a native file, or not one whose digests hold."""
    limits = policy.limits
    if not len(DECLARATION) < size <= limits.max_bytes:
        return None
    scan = Scan(limits)
    try:
        for piece in _after_declaration(pieces):
            scan.feed(piece)
        parts = scan.finish(size)
        if not _digests_hold(parts, scan.body_digest):
            return None
        read = scan.builder.finish()
    except (NotMine, expat.ExpatError, UnicodeError, InvalidEnvelope):
        return None
    return Fast(
        envelope=read.envelope,
        files=read.files,
        findings=read.findings,
        body_digest=scan.body_digest,
        file_digest=scan.file_digest,
        size=size,
        signature=parts,
        a=scan.a,
        b=scan.b,
    )


def check_key(
    fast: Fast,
    bindings: Sequence[Binding],
    policy: XmlPolicy,
    *,
    transport_packet_id: PacketId | None = None,
    transport_kind: Kind | None = None,
) -> Binding | None:
    """F10-F12: the binding whose key made the signature, for the sender that the model names, or None. `bindings` are
    the candidates active at the time of arrival (K1); what the transport did not say is not compared."""
    parts, model = fast.signature, fast.envelope
    named = hashlib.sha256(parts.certificate_der).digest()
    if not compare_digest(named, parts.certificate_digest.raw):
        return None
    binding = next((one for one in bindings if _speaks_for(one, model, parts)), None)
    if binding is None:
        return None
    wrong = value_fault(binding.certificate_der, parts.algorithm, parts.signed_info, parts.value, policy)
    if wrong is not None:
        return None
    if parts.kind is not model.kind or transport_kind not in (None, parts.kind):
        return None
    if transport_packet_id not in (None, parts.packet_id):
        return None
    receipt, status = parts.receipt, model.status
    if receipt is not None and (status is None or status.code != receipt.status_code):
        return None
    if parts.terms is not None and terms.against(parts.terms, model) is not None:
        return None
    return binding


def _speaks_for(binding: Binding, model: Envelope, parts: SignatureParts) -> bool:
    """Exact text, exact bytes: neither is trimmed, folded or compared by name (F10)."""
    return binding.code == model.sender.organ_id and binding.certificate_der == parts.certificate_der


def _digests_hold(parts: SignatureParts, body_digest: Digest) -> bool:
    """F9; both are compared in constant time and neither result hides the other."""
    body = compare_digest(parts.body_digest.raw, body_digest.raw)
    properties = hashlib.sha256(parts.signed_properties).digest()
    return compare_digest(parts.properties_digest.raw, properties) and body


def _after_declaration(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """F1: takes the 39 exact bytes off the front; gives the rest in bounded pieces."""
    head = b""
    for piece in pieces:
        if len(head) < len(DECLARATION):
            head += piece
            if not head.startswith(DECLARATION):
                if len(head) < len(DECLARATION):
                    continue
                raise NotMine
            piece = head[len(DECLARATION) :]
        for start in range(0, len(piece), _STEP):
            yield piece[start : start + _STEP]
