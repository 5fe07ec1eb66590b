"""Envelopes of an axis that writes them anew: what one says of itself, and what it is where the session with that axis
vouches for it. In: a file, or its opener. Out: `Said`, the words by which an axis routes and finds it again; or
`Verified` with path "axis", which nobody signed. Its body digest is one of the content alone: two copies that differ
in what axes change (order, trace, Direction, how files are packed) have the same one (A9). Streams: no file is whole
in memory, unless it is wrapped as a JSON string, and then it is small."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

from gateway.domain.identity import Digest
from gateway.domain.proof import FileSlice, Finding, SignedEnvelope, Step
from gateway.edxml import reader
from gateway.edxml.attachment import pieces
from gateway.edxml.envelope import Envelope, outline_header
from gateway.edxml.parse import OctetSource
from gateway.edxml.policy import EnvelopeLimits
from gateway.edxml.verify import STEPS, EnvelopeSource, Verified
from gateway.errors import BreaksRule, MalformedXml

PATH = "axis"
_DOMAIN = b"gateway content 1\n"
_URGENT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What an envelope says of itself. `identity` is the same in every copy: of a document its id, of a status what it
    says of which document, and when."""

    kind: str
    sender: str
    recipients: tuple[str, ...]
    identity: str
    notation: str
    title: str
    is_urgent: bool


def said(opener: Callable[[], BinaryIO], limits: EnvelopeLimits) -> Said | None:
    """None for what is no envelope that we read."""
    try:
        model = reader.read(pieces(opener), limits).envelope
    except MalformedXml:
        return None
    about, status = model.response_for[0] if model.response_for else None, model.status
    identity = f"{model.kind} {_sender(model)} {model.document_id or ''}"
    notation = f"{model.code.number or ''}/{model.code.notation or ''}" if model.code else ""
    named = model.to
    if status is not None:
        when = status.timestamp.isoformat() if status.timestamp else ""
        identity = (
            f"{model.kind} {_sender(model)} {(about.document_id if about else '') or ''} {status.code} {when}"
        )
        notation = (about.code if about else "") or ""
    codes = [about.organ_id if about else None] if status is not None else [one.organ_id for one in named]
    priority = model.other.priority if model.other else None
    return Said(
        kind=model.kind.value,
        sender=_sender(model),
        recipients=tuple(code.strip() for code in codes if code),
        identity=identity,
        notation=notation,
        title=model.subject or "",
        is_urgent=priority is not None and _URGENT <= priority <= 4,
    )


def _sender(model: Envelope) -> str:
    return (model.sender.organ_id or "").strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsigned:
    """A file as it was read, and whether it carries a signature that a verifier would find."""

    verified: Verified
    is_signed: bool


def examine(given: EnvelopeSource, limits: EnvelopeLimits) -> Unsigned:
    """The envelope as its axis gave it. MalformedXml when it cannot be read, or names no sender."""
    if given.size > limits.max_bytes:
        detail = f"the file has {given.size} bytes; at most {limits.max_bytes} are read"
        raise MalformedXml("ENV-TOO-LARGE", detail, step=1)
    hasher = hashlib.sha256()
    read = reader.read(_hashed(given.open(), hasher.update), limits)
    octets = None
    if any(each.code == "JSON-WRAPPED" for each in read.findings):
        octets = unwrapped(given, limits)
        read = replace(reader.read([octets], limits, source="canonical"), findings=read.findings)
    model = read.envelope
    if not _sender(model):
        detail = "exactly one From with exactly one OrganId is needed, and there is none"
        raise MalformedXml("ENV-DIALECT", detail, step=4, where="From/OrganId")
    signed = SignedEnvelope(
        model=model,
        kind=model.kind,
        path=PATH,
        sender_code=_sender(model),
        body_digest=content_digest(model, read.files),
        file_digest=Digest.of_bytes(hasher.digest()),
        file_size=given.size,
        packet_id=None,
        signing_time=None,
        certificate_der=b"",
        algorithm="",
        files=read.files,
        findings=read.findings,
        steps=_steps(given.size),
    )
    found = read.signature
    is_signed = found is not None and found.in_xmldsig and bool(found.value and found.certificate)
    return Unsigned(verified=Verified(signed=signed, canonical=octets), is_signed=is_signed)


def content_digest(model: Envelope, files: Iterable[FileSlice]) -> Digest:
    """Over what the sender said and what its files hold, and nothing that an axis adds or changes."""
    bare = replace(
        model,
        trace=(),
        manifest=(),
        attachments=(),
        other=replace(model.other, direction=None) if model.other else None,
    )
    try:
        told = _kept(outline_header(bare))
    except BreaksRule:  # a number or time that nobody can write
        told = {"model": repr(bare)}
    held = [[one.name, one.sha256 or "", one.size or 0, one.damaged or ""] for one in files]
    text = json.dumps([model.kind.value, told, held], ensure_ascii=False, sort_keys=True)
    return Digest.of_bytes(hashlib.sha256(_DOMAIN + text.encode("utf-8", "surrogatepass")).digest())


def _kept(value: object) -> object:
    """Without what is absent or empty."""
    if isinstance(value, dict):
        return {key: kept for key, each in value.items() if (kept := _kept(each)) not in (None, {}, [], "")}
    if isinstance(value, list | tuple):
        return [_kept(each) for each in value]
    return value


def _hashed(given: Iterable[bytes], update: Callable[[bytes], object]) -> Iterator[bytes]:
    for piece in given:
        update(piece)
        yield piece


def unwrapped(given: EnvelopeSource, limits: EnvelopeLimits) -> bytes:
    """The octets that the file's slices count in, whole: a transport that wraps a file sends small ones."""
    if given.size > limits.general_max_bytes:
        detail = f"a file inside a JSON string may have {limits.general_max_bytes} bytes, it has {given.size}"
        raise MalformedXml("ENV-TOO-LARGE", detail, step=1)
    return b"".join(OctetSource(given.open(), limits.max_bytes))


def _steps(size: int) -> tuple[Step, ...]:
    done = {1: f"{size} bytes", 2: "", 3: "", 4: ""}
    return tuple(
        Step(n=n, name=name, ok=True if n in done else None, detail=done.get(n, ""))
        for n, name in STEPS.items()
    )


def signature_finding(code: str, detail: str) -> Finding:
    """That the file's own signature proves nothing, and why: axes that write files anew break it."""
    return Finding(code=code, where="Signature", detail=detail)
