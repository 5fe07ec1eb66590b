"""Describe an envelope: sender, recipients, content, files, signature. In: a file of any known dialect, in pieces. Out:
plain data with fixed keys, or the same as lines for a person. It proves nothing and needs no keys: `signature.verdict`
describes the signature, and `gateway verify` checks it. Raises `MalformedXml` for unreadable files, naming dialect C;
`failure` turns that into the JSON error. Omitted values are None. `urgency` is the number in the file (0 to 4), `from` and
`to` are {"code", "name"}, an entry of `replies_to` is {"organ_id", "code", "document_id", "issued_date"}; in a status it is
the document that the status reports on."""

from __future__ import annotations

import base64
import re
import warnings
from typing import TYPE_CHECKING, Any

from cryptography import x509

from gateway.domain.document import Kind, Urgency
from gateway.domain.text import plain
from gateway.edxml.dialects import XML_SPACE
from gateway.edxml.policy import EnvelopeLimits
from gateway.edxml.reader import Read, read
from gateway.errors import GatewayError, InvalidEnvelope, NotFound
from gateway.words import labels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from gateway.domain.proof import FileSlice
    from gateway.edxml.envelope import Organisation
    from gateway.edxml.signature import FoundSignature

KIND_NAMES = {
    Kind.DOCUMENT: "document",
    Kind.UPDATE: "update",
    Kind.RECALL: "recall",
    Kind.REPLACEMENT: "replacement",
    Kind.STATUS: "status",
}

_KIND_OF = {name: kind.value for kind, name in KIND_NAMES.items()}
_PIECE = 256 * 1024
_STRONG = re.compile(r"(?:#|^)(?:rsa|ecdsa)-sha(?:256|384|512)$|#sha256-rsa-MGF1$")
_STRONG_DIGEST = re.compile(r"(?:#|^)sha(?:256|384|512)$")
_UNREGISTERED_C14N = "http://www.w3.org/TR/xml-exc-c14n#"


def explain(path: Path, limits: EnvelopeLimits | None = None) -> dict[str, Any]:
    """Describe the envelope in a file, as `explain_pieces` does. The file is streamed, so memory does not grow with it.
    NotFound when it cannot be opened."""
    try:
        with path.open("rb") as file:
            return explain_pieces(iter(lambda: file.read(_PIECE), b""), limits)
    except OSError as error:
        raise NotFound(f"{path.name} cannot be opened: {error.strerror or 'no reason given'}") from error


def explain_pieces(pieces: Iterable[bytes], limits: EnvelopeLimits | None = None) -> dict[str, Any]:
    """Describe an envelope from its bytes as plain data, which always has every key."""
    envelope_read = read(pieces, limits or EnvelopeLimits())
    envelope, other_info = envelope_read.envelope, envelope_read.envelope.other
    code, kind, signer = envelope.code, envelope.document_type, envelope.signer
    return {
        "dialect": envelope_read.dialect,
        "kind": KIND_NAMES[envelope.kind],
        "from": _organisation(envelope.sender),
        "to": [_organisation(organisation) for organisation in envelope.to],
        "document_id": envelope.document_id,
        "code_number": code.number if code else None,
        "code_notation": code.notation if code else None,
        "issued_date": _iso(envelope.promulgation_date),
        "document_type": kind.name if kind else None,
        "subject": envelope.subject,
        "signer": signer.full_name if signer else None,
        "urgency": other_info.priority if other_info else None,
        "due_date": _iso(envelope.due_date),
        "replies_to": [
            {
                "organ_id": _display_code(reference.organ_id),
                "code": reference.code,
                "document_id": reference.document_id,
                "issued_date": _iso(reference.promulgation_date),
            }
            for reference in envelope.response_for
        ],
        "status": _status(envelope_read),
        "attachments": [_attachment(file) for file in envelope_read.files],
        "signature": _signature(envelope_read.signature),
        "findings": [
            {"code": finding.code, "where": finding.place or None, "detail": finding.detail}
            for finding in envelope_read.findings
        ],
    }


def failure(error: GatewayError) -> dict[str, Any]:
    """Return the JSON error of the command for an unreadable file."""
    place = error.location if isinstance(error, InvalidEnvelope) else ""
    return {"error": {"code": error.code, "detail": error.detail, "where": place or None}}


def to_text(facts: dict[str, Any], lang: str = "vi") -> str:
    """Return the description as lines for a person. A key without a label is shown itself."""

    def say(key: str) -> str:
        return labels.say(key, lang) if labels.has(key) else key.rpartition(".")[2].replace("_", " ")

    return "".join(f"{name}: {plain(text)}\n" for name, text in _lines(facts, say) if text)


def _organisation(organisation: Organisation) -> dict[str, Any]:
    return {"code": _display_code(organisation.organ_id), "name": organisation.organ_name}


def _display_code(code: str | None) -> str | None:
    """Return a code without surrounding white space, for people; bindings use the exact text."""
    return None if code is None else code.strip(XML_SPACE)


def _iso(day: Any) -> str | None:
    return None if day is None else str(day.isoformat())


def _status(envelope_read: Read) -> dict[str, Any] | None:
    status = envelope_read.envelope.status
    if status is None:
        return None
    staff = status.staff.staff if status.staff else None
    return {"code": status.code or None, "text": status.description, "staff": staff}


def _attachment(file: FileSlice) -> dict[str, Any]:
    """Describe one attachment, with size and digest of the decoded file; a damaged one has neither, but a finding."""
    is_whole = file.damaged is None
    return {
        "name": file.name or None,
        "content_type": file.content_type,
        "size": file.size if is_whole else None,
        "sha256": str(file.sha256) if is_whole and file.sha256 is not None else None,
    }


def _signature(signature: FoundSignature | None) -> dict[str, Any]:
    """Describe the form of the signature; it is not verified, because no trusted key is known here."""
    if signature is None:
        return {"present": False, "verdict": "absent", "algorithm": None, "weak": False, "subject": None}
    subject = _subject(signature.certificate)
    is_complete = signature.in_xmldsig and subject is not None and _decode(signature.value) is not None
    is_placeholder = not is_complete or _UNREGISTERED_C14N in signature.transforms
    return {
        "present": True,
        "verdict": "placeholder" if is_placeholder else "present-not-verified",
        "algorithm": signature.method,
        "weak": _is_weak(signature),
        "subject": subject,
    }


def _is_weak(signature: FoundSignature) -> bool:
    """Tell whether a named algorithm is below SHA-256; an empty element names none."""
    method, digests = signature.method, signature.digest_methods
    return bool(method and not _STRONG.search(method)) or not all(map(_STRONG_DIGEST.search, digests))


def _subject(certificate: str | None) -> str | None:
    der = _decode(certificate)
    if der is None:
        return None
    try:
        with warnings.catch_warnings():
            # Odd serial numbers of old authorities are no reason for a warning.
            warnings.simplefilter("ignore")
            return x509.load_der_x509_certificate(der).subject.rfc4514_string()
    except (ValueError, TypeError, x509.InvalidVersion):
        return None


def _decode(text: str | None) -> bytes | None:
    try:
        return base64.b64decode("".join((text or "").split()), validate=True) or None
    except ValueError:  # letters beyond ASCII raise ValueError too, and no binascii.Error
        return None


def _lines(facts: dict[str, Any], say: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    urgency, status, signature = facts["urgency"], facts["status"], facts["signature"]
    yield say("explain.dialect"), facts["dialect"]
    yield say("explain.kind"), say(f"kind.{_KIND_OF[facts['kind']]}")
    yield say("explain.from"), _join(" ", facts["from"], "code", "name")
    for organisation in facts["to"]:
        yield say("explain.to"), _join(" ", organisation, "code", "name")
    yield say("explain.number"), _join("/", facts, "code_number", "code_notation")
    for key in ("document_id", "issued_date", "document_type", "subject", "signer", "due_date"):
        yield say(f"explain.{key}"), facts[key] or ""
    if urgency in set(Urgency):
        yield say("explain.urgency"), say(f"urgency.{Urgency(urgency).key}")
    for ref in facts["replies_to"]:
        yield (say("explain.replies_to"), _join(", ", ref, "organ_id", "code", "issued_date", "document_id"))
    if status:
        yield say("explain.status"), _join(", ", status, "code", "text", "staff")
    for file in facts["attachments"]:
        yield say("explain.attachment"), _join(", ", file, "name", "content_type", "size", "sha256")
    yield say("explain.signature"), say(f"explain.signature.{signature['verdict']}")
    if signature["present"]:
        yield say("explain.certificate"), _join(", ", signature, "algorithm", "subject")
    if signature["weak"]:
        yield say("explain.signature"), say("explain.signature.weak")
    for finding in facts["findings"]:
        yield say("explain.finding"), _join(": ", finding, "code", "where", "detail")


def _join(separator: str, facts: dict[str, Any], *keys: str) -> str:
    return separator.join(str(facts[key]) for key in keys if facts[key] is not None)
