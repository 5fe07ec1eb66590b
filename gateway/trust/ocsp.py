"""Asks by OCSP and reads the answers (RFC 6960). In: a certificate and its issuer; an answer. Out: the request to send;
what an answer says as a `Statement`, or `NoAnswer` with the reason why it says nothing. Only the issuer, or a responder
that it named for this, may speak. No I/O."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import islice

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.domain.revocation import Source
from gateway.trust.chain import STRONG, key_is_strong
from gateway.trust.revocation import Statement

# An honest answer speaks of one certificate and brings one; more is not looked at.
_MOST_SPOKEN_OF = 16
_MOST_RESPONDERS = 4
_REMEMBERED = 4096
_UNREADABLE = (
    *(ValueError, TypeError, UnsupportedAlgorithm),
    *(x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType),
)


class NoAnswer(ValueError):
    """It looks like an answer and says nothing that counts; the text says why."""


def request(certificate: x509.Certificate, issuer: x509.Certificate, nonce: bytes) -> bytes:
    """The question about one certificate, as DER. SHA-1 only names the issuer here; many responders know nothing else."""
    named = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, hashes.SHA1())  # noqa: S303  # as said
    return named.add_extension(x509.OCSPNonce(nonce), critical=False).build().public_bytes(Encoding.DER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What an answer says, and the responder that the issuer named for it; None where the issuer answered itself."""

    statement: Statement
    responder: x509.Certificate | None


def said(der: bytes, certificate: x509.Certificate, issuer: x509.Certificate) -> Said:
    """What the answer says about a certificate of this issuer. It says the same whenever it is asked: whether the
    responder was revoked since is for who knows the issuer's lists."""
    found = _read(der, certificate, issuer)
    if isinstance(found, str):
        raise NoAnswer(found)
    return found


def nonce_of(der: bytes) -> bytes | None:
    """The number that the answer repeats; NoAnswer when it cannot be read."""
    try:
        answer = ocsp.load_der_ocsp_response(der)
        if answer.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            return None
        return answer.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce
    except x509.ExtensionNotFound:
        return None
    except _UNREADABLE as why:
        raise NoAnswer(f"the answer cannot be read: {why}") from why


def serial_of(der: bytes) -> int:
    """The serial number of the first certificate that the answer speaks of."""
    try:
        answer = ocsp.load_der_ocsp_response(der)
        return next(answer.responses).serial_number
    except (StopIteration, *_UNREADABLE) as why:
        raise NoAnswer(f"the answer cannot be read: {why}") from why


@lru_cache(maxsize=_REMEMBERED)
def _read(der: bytes, certificate: x509.Certificate, issuer: x509.Certificate) -> Said | str:
    """What it says, or why nothing; a text and no error, so that it is remembered too."""
    try:
        answer = ocsp.load_der_ocsp_response(der)
        if answer.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            return f"the responder says {answer.response_status.name}"
        for each in islice(answer.responses, _MOST_SPOKEN_OF):
            if _is_about(each, certificate, issuer):
                return _judged(answer, each, der, issuer)
    except _UNREADABLE as why:
        return f"the answer cannot be read: {why}"
    return "the answer is about another certificate"


def _judged(
    answer: ocsp.OCSPResponse, each: ocsp.OCSPSingleResponse, der: bytes, issuer: x509.Certificate
) -> Said | str:
    if not isinstance(answer.signature_hash_algorithm, STRONG):
        return "the answer is not signed with SHA-256 or better"
    speaker = _speaker(answer, issuer)
    if speaker is None:
        return "no responder that we know signed the answer"
    if speaker is issuer:
        return _said(each, der, None)
    return _unfit(speaker, issuer, each.this_update_utc) or _said(each, der, speaker)


def _said(each: ocsp.OCSPSingleResponse, der: bytes, responder: x509.Certificate | None) -> Said | str:
    if each.certificate_status is ocsp.OCSPCertStatus.UNKNOWN:
        return "the responder does not know the certificate"
    reason = each.revocation_reason
    statement = Statement(
        source=Source.OCSP,
        digest=hashlib.sha256(der).hexdigest(),
        made_at=each.this_update_utc,
        ends_at=each.next_update_utc,
        revoked_at=each.revocation_time_utc,
        reason=reason.value if reason is not None else None,
    )
    return Said(statement=statement, responder=responder)


def _speaker(answer: ocsp.OCSPResponse, issuer: x509.Certificate) -> x509.Certificate | None:
    """Whose key signed the answer: the issuer, or one of the certificates that it brings; None when nobody's did."""
    speakers = (issuer, *islice(answer.certificates, _MOST_RESPONDERS))
    return next((each for each in speakers if _signed_by(answer, each)), None)


def _unfit(responder: x509.Certificate, issuer: x509.Certificate, at: datetime) -> str | None:
    """Why this responder may not speak for the issuer: named by it, for this purpose alone, at that time."""
    try:
        responder.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        return "the responder is of another authority"
    if not isinstance(responder.signature_hash_algorithm, STRONG) or not key_is_strong(responder):
        return "the responder's certificate is too weak"
    try:
        purposes = responder.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return "the responder is not made for answering"
    if ExtendedKeyUsageOID.OCSP_SIGNING not in purposes:
        return "the responder is not made for answering"
    if not responder.not_valid_before_utc <= at <= responder.not_valid_after_utc:
        return "the responder's certificate was not valid when it answered"
    return None


def _signed_by(answer: ocsp.OCSPResponse, speaker: x509.Certificate) -> bool:
    key, digest = speaker.public_key(), answer.signature_hash_algorithm
    if digest is None:
        return False
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(answer.signature, answer.tbs_response_bytes, padding.PKCS1v15(), digest)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(answer.signature, answer.tbs_response_bytes, ec.ECDSA(digest))
        else:
            return False
    except InvalidSignature:
        return False
    return True


def _is_about(each: ocsp.OCSPSingleResponse, certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """By serial number and by its own name for the issuer: the digests of subject and key."""
    if each.serial_number != certificate.serial_number:
        return False
    same = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, each.hash_algorithm).build()
    return (same.issuer_name_hash, same.issuer_key_hash) == (each.issuer_name_hash, each.issuer_key_hash)
