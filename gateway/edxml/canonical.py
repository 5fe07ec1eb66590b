"""The fast path (F1-F13): proves, while it reads once, that a file is exactly what our own writer makes, and hashes
and parses that very same buffer. Raw pieces go in; `Fast` comes out, or None for "not mine". It never says invalid:
whatever it does not take, the general path decides, and gives the code. A small file is read by `small`, a larger one
streams through `scan`; tests hold the two together."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import TYPE_CHECKING, Final
from xml.parsers import expat

from gateway.domain.identity import Digest
from gateway.domain.proof import Binding, FileSlice, Finding
from gateway.edxml import small, terms
from gateway.edxml.key import value_fault
from gateway.edxml.names import DECLARATION
from gateway.edxml.scan import NotMine, Scan
from gateway.edxml.signature import SignatureParts
from gateway.errors import InvalidEnvelope

if TYPE_CHECKING:
    from lxml import etree

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
    tree: etree._Element | None = field(default=None, compare=False, repr=False)
    """What `schema.holds` judges, where the file was small enough to be held."""


def read_fast(pieces: Iterable[bytes], size: int, policy: XmlPolicy, *, opens: bool = True) -> Fast | None:
    """Reads a file of `size` bytes once, in order. None: not a native file, or not one whose digests hold. Without `opens`
    the files in it are proved with the rest and stay closed."""
    read = read_small if small.takes(size, policy.limits) else read_large
    return read(pieces, size, policy, opens=opens)


def read_small(pieces: Iterable[bytes], size: int, policy: XmlPolicy, *, opens: bool = True) -> Fast | None:
    """By libxml2, which holds the whole file as a tree (F13)."""
    try:
        found = small.read(_whole(pieces, size), policy.limits, opens=opens)
    except (NotMine, UnicodeError, InvalidEnvelope):
        return None
    if not _digests_hold(found.parts, found.body_digest, found.properties_digest):
        return None
    return Fast(
        envelope=found.read.envelope,
        files=found.read.files,
        findings=found.read.findings,
        body_digest=found.body_digest,
        file_digest=found.file_digest,
        size=size,
        signature=found.parts,
        a=found.a,
        b=found.b,
        tree=found.tree,
    )


def read_large(pieces: Iterable[bytes], size: int, policy: XmlPolicy, *, opens: bool = True) -> Fast | None:
    """By expat, in memory that does not grow with the file (F2-F8)."""
    limits = policy.limits
    if not len(DECLARATION) < size <= limits.max_bytes:
        return None
    scan = Scan(limits, opens=opens)
    try:
        for piece in _after_declaration(pieces):
            scan.feed(piece)
        parts = scan.finish(size)
        if not _digests_hold(parts, scan.body_digest, hashlib.sha256(parts.signed_properties).digest()):
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


def _digests_hold(parts: SignatureParts, body_digest: Digest, properties_digest: bytes) -> bool:
    """F9; both are compared in constant time and neither result hides the other."""
    body = compare_digest(parts.body_digest.raw, body_digest.raw)
    return compare_digest(parts.properties_digest.raw, properties_digest) and body


def _whole(pieces: Iterable[bytes], size: int) -> bytes:
    """F1: exactly as many octets as were announced."""
    kept, length = [], 0
    for piece in pieces:
        kept.append(piece)
        length += len(piece)
        if length > size:
            break
    if length != size:
        raise NotMine
    return b"".join(kept)


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
