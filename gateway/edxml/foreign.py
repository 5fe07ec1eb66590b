"""Reads envelopes of an axis that rewrites them, where the session with that axis vouches for their content. In: a file.
Out: `Verified` with path "axis", without a verified signature. Its body digest covers the content alone: two copies that
differ only in what axes change (order, trace, Direction, packing of files) have the same one (rule A9). Files are
streamed, never whole in memory, except for a small one wrapped as a JSON string."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from gateway.domain.identity import Digest
from gateway.domain.proof import FileSlice, Finding, SignedEnvelope, Step
from gateway.edxml import reader
from gateway.edxml.envelope import Envelope, outline_header
from gateway.edxml.parse import OctetSource
from gateway.edxml.policy import EnvelopeLimits
from gateway.edxml.verify import STEPS, EnvelopeSource, Verified
from gateway.errors import BreaksRule, MalformedXml

PATH = "axis"
_DOMAIN = b"gateway content 1\n"


def _sender(model: Envelope) -> str:
    return (model.sender.organ_id or "").strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsigned:
    """A file as read, and whether it carries a signature that a standard verifier would find."""

    verified: Verified
    is_signed: bool


def examine(source: EnvelopeSource, limits: EnvelopeLimits) -> Unsigned:
    """Read the envelope as its axis delivered it. MalformedXml when it is unreadable, too large, or names no sender."""
    if source.size > limits.max_bytes:
        detail = f"the file has {source.size} bytes; at most {limits.max_bytes} are read"
        raise MalformedXml("ENV-TOO-LARGE", detail, step=1)
    hasher = hashlib.sha256()
    read = reader.read(_hash_pieces(source.open(), hasher.update), limits)
    octets = None
    if any(finding.code == "JSON-WRAPPED" for finding in read.findings):
        octets = unwrap(source, limits)
        read = replace(reader.read([octets], limits, source="canonical"), findings=read.findings)
    model = read.envelope
    if not _sender(model):
        detail = "exactly one From with exactly one OrganId is needed, and there is none"
        raise MalformedXml("ENV-DIALECT", detail, step=4, location="From/OrganId")
    signed = SignedEnvelope(
        model=model,
        kind=model.kind,
        path=PATH,
        sender_code=_sender(model),
        body_digest=content_digest(model, read.files),
        file_digest=Digest.of_bytes(hasher.digest()),
        file_size=source.size,
        packet_id=None,
        signing_time=None,
        certificate_der=b"",
        algorithm="",
        files=read.files,
        findings=read.findings,
        steps=_steps(source.size),
    )
    shape = read.signature
    is_signed = shape is not None and shape.in_xmldsig and bool(shape.value and shape.certificate)
    return Unsigned(verified=Verified(signed=signed, canonical=octets), is_signed=is_signed)


def content_digest(model: Envelope, files: Iterable[FileSlice]) -> Digest:
    """Return a digest of the sender's fields and the files' content, without the parts that an axis adds or changes."""
    bare = replace(
        model,
        trace=(),
        manifest=(),
        attachments=(),
        other=replace(model.other, direction=None) if model.other else None,
    )
    try:
        header = _prune(outline_header(bare))
    except BreaksRule:  # a number or time that has no written form
        header = {"model": repr(bare)}
    file_rows = [[file.name, file.sha256 or "", file.size or 0, file.damaged or ""] for file in files]
    text = json.dumps([model.kind.value, header, file_rows], ensure_ascii=False, sort_keys=True)
    return Digest.of_bytes(hashlib.sha256(_DOMAIN + text.encode("utf-8", "surrogatepass")).digest())


def _prune(value: object) -> object:
    """Drop absent and empty values."""
    if isinstance(value, dict):
        return {key: bare for key, v in value.items() if (bare := _prune(v)) not in (None, {}, [], "")}
    if isinstance(value, list | tuple):
        return [_prune(v) for v in value]
    return value


def _hash_pieces(stream: Iterable[bytes], update: Callable[[bytes], object]) -> Iterator[bytes]:
    for piece in stream:
        update(piece)
        yield piece


def unwrap(file: EnvelopeSource, limits: EnvelopeLimits) -> bytes:
    """Return the octets inside a JSON string, in which the slices' offsets count; wrapped files are limited in size."""
    if file.size > limits.general_max_bytes:
        detail = f"a file inside a JSON string may have {limits.general_max_bytes} bytes, it has {file.size}"
        raise MalformedXml("ENV-TOO-LARGE", detail, step=1)
    return b"".join(OctetSource(file.open(), limits.max_bytes))


def _steps(size: int) -> tuple[Step, ...]:
    details = {1: f"{size} bytes", 2: "", 3: "", 4: ""}
    return tuple(
        Step(n=n, name=name, ok=True if n in details else None, detail=details.get(n, ""))
        for n, name in STEPS.items()
    )


def signature_finding(code: str, detail: str) -> Finding:
    """Return a finding that the file's own signature proves nothing, and why: axes that rewrite files break it."""
    return Finding(code=code, place="Signature", detail=detail)
