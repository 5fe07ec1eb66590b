"""Reads an envelope aloud: who, to whom, what, which files, how it is signed. In: a file of any dialect that is
known, a piece at a time. Out: plain data with fixed keys, or the same as lines for a person. Proves nothing and needs
no keys: `signature.verdict` says what is there, and `gateway verify` whether it holds. Raises `MalformedXml` for what
cannot be read, naming dialect C; `failure` turns that into the JSON error. What the sender left out is None.

`urgency` is the number as it stands in the file (0 to 4, rules.md 12.5), `from` and `to` are {"code", "name"}, an
entry of `replies_to` is {"organ_id", "code", "document_id", "issued_date"}; in a status it is the document reported
on."""

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
    """What one file says. It is streamed: memory does not grow with its size."""
    try:
        with path.open("rb") as file:
            return explain_pieces(iter(lambda: file.read(_PIECE), b""), limits)
    except OSError as error:
        raise NotFound(f"{path.name} cannot be opened: {error.strerror or 'no reason given'}") from error


def explain_pieces(pieces: Iterable[bytes], limits: EnvelopeLimits | None = None) -> dict[str, Any]:
    """What the octets of one file say, with every key of the result always there."""
    found = read(pieces, limits or EnvelopeLimits())
    envelope, other = found.envelope, found.envelope.other
    code, kind, signer = envelope.code, envelope.document_type, envelope.signer
    return {
        "dialect": found.dialect,
        "kind": KIND_NAMES[envelope.kind],
        "from": _organisation(envelope.sender),
        "to": [_organisation(one) for one in envelope.to],
        "document_id": envelope.document_id,
        "code_number": code.number if code else None,
        "code_notation": code.notation if code else None,
        "issued_date": _iso(envelope.promulgation_date),
        "document_type": kind.name if kind else None,
        "subject": envelope.subject,
        "signer": signer.full_name if signer else None,
        "urgency": other.priority if other else None,
        "due_date": _iso(envelope.due_date),
        "replies_to": [
            {
                "organ_id": _shown(one.organ_id),
                "code": one.code,
                "document_id": one.document_id,
                "issued_date": _iso(one.promulgation_date),
            }
            for one in envelope.response_for
        ],
        "status": _status(found),
        "attachments": [_attachment(one) for one in found.files],
        "signature": _signature(found.signature),
        "findings": [
            {"code": one.code, "where": one.where or None, "detail": one.detail} for one in found.findings
        ],
    }


def failure(error: GatewayError) -> dict[str, Any]:
    """The JSON error for a file that cannot be read; the command ends with 1."""
    where = error.where if isinstance(error, InvalidEnvelope) else ""
    return {"error": {"code": error.code, "detail": error.detail, "where": where or None}}


def to_text(result: dict[str, Any], lang: str = "vi") -> str:
    """The result as lines for a person. A key that has no words yet stands for itself."""

    def say(key: str) -> str:
        return labels.say(key, lang) if labels.has(key) else key.rpartition(".")[2].replace("_", " ")

    return "".join(f"{name}: {plain(value)}\n" for name, value in _lines(result, say) if value)


def _organisation(one: Organisation) -> dict[str, Any]:
    return {"code": _shown(one.organ_id), "name": one.organ_name}


def _shown(code: str | None) -> str | None:
    """For a person a code is the trimmed text (edxml.md 4); what is bound to it goes by the exact one."""
    return None if code is None else code.strip(XML_SPACE)


def _iso(day: Any) -> str | None:
    return None if day is None else str(day.isoformat())


def _status(found: Read) -> dict[str, Any] | None:
    status = found.envelope.status
    if status is None:
        return None
    staff = status.staff.staff if status.staff else None
    return {"code": status.code or None, "text": status.description, "staff": staff}


def _attachment(one: FileSlice) -> dict[str, Any]:
    """Size and digest are those of the file inside; a damaged one has neither, and a finding says why."""
    whole = one.damaged is None
    return {
        "name": one.name or None,
        "content_type": one.content_type,
        "size": one.size if whole else None,
        "sha256": str(one.sha256) if whole and one.sha256 is not None else None,
    }


def _signature(found: FoundSignature | None) -> dict[str, Any]:
    """The shape, not the verdict: no key is at hand."""
    if found is None:
        return {"present": False, "verdict": "absent", "algorithm": None, "weak": False, "subject": None}
    subject = _subject(found.certificate)
    shaped = found.in_xmldsig and subject is not None and _decoded(found.value) is not None
    placeholder = not shaped or _UNREGISTERED_C14N in found.transforms
    return {
        "present": True,
        "verdict": "placeholder" if placeholder else "present-not-verified",
        "algorithm": found.method,
        "weak": _weak(found),
        "subject": subject,
    }


def _weak(found: FoundSignature) -> bool:
    """Whether an algorithm that it names is below SHA-256; an empty element names none."""
    method, digests = found.method, found.digest_methods
    return bool(method and not _STRONG.search(method)) or not all(map(_STRONG_DIGEST.search, digests))


def _subject(certificate: str | None) -> str | None:
    der = _decoded(certificate)
    if der is None:
        return None
    try:
        with warnings.catch_warnings():
            # Odd serial numbers of old authorities are no reason to be silent.
            warnings.simplefilter("ignore")
            return x509.load_der_x509_certificate(der).subject.rfc4514_string()
    except (ValueError, TypeError, x509.InvalidVersion):
        return None


def _decoded(text: str | None) -> bytes | None:
    try:
        return base64.b64decode("".join((text or "").split()), validate=True) or None
    except ValueError:  # letters beyond ASCII are one too, and no binascii.Error
        return None


def _lines(result: dict[str, Any], say: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    urgency, status, signature = result["urgency"], result["status"], result["signature"]
    yield say("explain.dialect"), result["dialect"]
    yield say("explain.kind"), say(f"kind.{_KIND_OF[result['kind']]}")
    yield say("explain.from"), _joined(" ", result["from"], "code", "name")
    for one in result["to"]:
        yield say("explain.to"), _joined(" ", one, "code", "name")
    yield say("explain.number"), _joined("/", result, "code_number", "code_notation")
    for key in ("document_id", "issued_date", "document_type", "subject", "signer", "due_date"):
        yield say(f"explain.{key}"), result[key] or ""
    if urgency in set(Urgency):
        yield say("explain.urgency"), say(f"urgency.{Urgency(urgency).key}")
    for one in result["replies_to"]:
        yield say("explain.replies_to"), _joined(", ", one, "organ_id", "code", "issued_date", "document_id")
    if status:
        yield say("explain.status"), _joined(", ", status, "code", "text", "staff")
    for one in result["attachments"]:
        yield say("explain.attachment"), _joined(", ", one, "name", "content_type", "size", "sha256")
    yield say("explain.signature"), say(f"explain.signature.{signature['verdict']}")
    if signature["present"]:
        yield say("explain.certificate"), _joined(", ", signature, "algorithm", "subject")
    if signature["weak"]:
        yield say("explain.signature"), say("explain.signature.weak")
    for one in result["findings"]:
        yield say("explain.finding"), _joined(": ", one, "code", "where", "detail")


def _joined(between: str, values: dict[str, Any], *keys: str) -> str:
    return between.join(str(values[key]) for key in keys if values[key] is not None)
