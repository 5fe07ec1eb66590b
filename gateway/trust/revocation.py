"""Reads revocation lists (CRL) and OCSP answers (RFC 6960) of authorities, writes OCSP requests, and judges from all
statements together whether one certificate was revoked at a time (K4). In: a list or an answer, and the authority that
should have signed it. Out: a `Statement`, or nothing (for an answer with the reason); from all statements good, revoked
with date and reason, or unknown and for how long. A list counts only if the issuer's own key signed it, and only for the
certificates that it covers; an answer, if the issuer or a responder appointed by it signed it. No I/O."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import islice

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from gateway.domain.certificates import RevocationSource
from gateway.trust.chain import UNREADABLE, digest_is_strong, extension, key_is_strong

# Authorities' clocks can be a little ahead of ours; an answer dated further in the future is not accepted.
FUTURE = timedelta(minutes=5)
# An answer without an end can be replaced at any time, so it is used only for this long.
WITHOUT_END = timedelta(hours=1)
ON_HOLD = "certificateHold"
# A sound answer is about one certificate and carries one; further ones are ignored.
_MOST_SPOKEN_OF = 16
_MOST_RESPONDERS = 4
_UNREADABLE = (*UNREADABLE, TypeError, UnsupportedAlgorithm, x509.InvalidVersion)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """Content of one answer about one certificate: it is good unless `revoked_at` is given."""

    source: str
    digest: str
    made_at: datetime
    ends_at: datetime | None
    revoked_at: datetime | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationStanding:
    """Revocation state of a certificate: good, revoked or unknown. `age_s` is, for good, the age of the answer; for
    unknown, the time since the last good answer ended or the question was first asked, None where neither is known."""

    state: str
    revoked_at: datetime | None = None
    reason: str | None = None
    age_s: float | None = None
    source: str = ""
    as_of: datetime | None = None
    digest: str | None = None


OcspAnswer = tuple[Statement, x509.Certificate | None]
"""Statement of an answer, and the responder that the issuer named for it; None where the issuer answered itself."""


def standing(
    statements: Sequence[Statement],
    at: datetime,
    *,
    now: datetime,
    expires: datetime,
    asked_since: datetime | None = None,
) -> RevocationStanding:
    """Return the state at `at` of a certificate that is valid until `expires`, by what is known at `now`."""
    usable = [s for s in statements if s.made_at <= max(at, now) + FUTURE]
    revoked = [s for s in usable if _revokes(s, usable, at)]
    if revoked:
        first = min(revoked, key=lambda s: (s.revoked_at or at, -s.made_at.timestamp()))
        stands = _make("revoked", first, None)
        return replace(stands, revoked_at=first.revoked_at, reason=first.reason)
    silent = [s for s in usable if s.revoked_at is None or s.revoked_at > at]
    good = [s for s in silent if at <= _end(s) and _knows(s, max(expires, at))]
    if good:
        newest = max(good, key=lambda s: s.made_at)
        age = max(0.0, (at - newest.made_at).total_seconds())
        return _make("good", newest, age)
    ended = [end for s in silent if (end := _end(s)) <= at]
    since = max(ended) if ended else asked_since
    unknown_s = None if since is None else max(0.0, (at - since).total_seconds())
    last = max(silent, key=lambda s: s.made_at, default=None)
    return _make("unknown", last, unknown_s) if last else RevocationStanding(state="unknown", age_s=unknown_s)


def _make(state: str, statement: Statement, age_s: float | None) -> RevocationStanding:
    return RevocationStanding(
        state=state, age_s=age_s, source=statement.source, as_of=statement.made_at, digest=statement.digest
    )


def worst(standings: Sequence[RevocationStanding]) -> RevocationStanding:
    """Return the worst standing: revoked before unknown before good; of equal ones that with the older answer."""
    order = {"revoked": 2, "unknown": 1, "good": 0}

    def rank(candidate: RevocationStanding) -> tuple[int, float]:
        return order[candidate.state], float("inf") if candidate.age_s is None else candidate.age_s

    return max(standings, key=rank)


def _knows(statement: Statement, expiry: datetime) -> bool:
    """Tell whether the statement counts: authorities may drop expired certificates, so "good" after `expiry` does not."""
    return statement.revoked_at is not None or statement.made_at <= expiry


def _revokes(statement: Statement, statements: Sequence[Statement], at: datetime) -> bool:
    """Tell whether the statement means revoked at `at`. Revocation is final; only a hold can be lifted by a later
    statement, and not for the time during which it was in force."""
    if statement.revoked_at is None or statement.revoked_at > at:
        return False
    if statement.reason != ON_HOLD or at <= statement.made_at:
        return True
    return not any(other.revoked_at is None and other.made_at > statement.made_at for other in statements)


def _end(statement: Statement) -> datetime:
    return statement.ends_at if statement.ends_at is not None else statement.made_at + WITHOUT_END


# Number of lists whose verified signatures are remembered; a node reads from a few authorities.
_REMEMBERED_LISTS = 64


class RevocationList:
    """Revocation list, parsed once. Equal lists compare equal, so that the signature is verified once."""

    def __init__(self, listed: x509.CertificateRevocationList) -> None:
        self.listed = listed
        der = listed.public_bytes(Encoding.DER)
        self.digest = hashlib.sha256(der).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RevocationList) and other.digest == self.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def statement(self, certificate: x509.Certificate, issuer: x509.Certificate) -> Statement | None:
        """Return what the list states about a certificate of this issuer, or None where it does not count for it."""
        listed = self.listed
        if (
            listed.issuer != issuer.subject
            or not _covers(listed, certificate)
            or not is_list_from(self, issuer)
        ):
            return None
        entry = listed.get_revoked_certificate_by_serial_number(certificate.serial_number)
        reason = _reason_in_list(entry) if entry is not None else None
        revoked = entry is not None and reason is not x509.ReasonFlags.remove_from_crl
        return Statement(
            source=RevocationSource.LIST,
            digest=self.digest,
            made_at=listed.last_update_utc,
            # A list without an end counts as ended, because it does not say when it will be replaced.
            ends_at=listed.next_update_utc or listed.last_update_utc,
            revoked_at=entry.revocation_date_utc if entry is not None and revoked else None,
            reason=reason.value if revoked and reason is not None else None,
        )


def read_list(der: bytes) -> RevocationList:
    """Return the parsed list; raise ValueError for anything else."""
    try:
        listed = x509.load_der_x509_crl(der)
        _ = listed.issuer  # the library parses it only here, with errors of its own
    except (x509.InvalidVersion, TypeError) as why:
        raise ValueError(str(why)) from why
    return RevocationList(listed)


@lru_cache(maxsize=_REMEMBERED_LISTS)
def is_list_from(revocation_list: RevocationList, issuer: x509.Certificate) -> bool:
    """Tell whether this issuer may sign lists and its key signed this one, with SHA-256 or better."""
    listed = revocation_list.listed
    try:
        usage = extension(issuer, x509.KeyUsage)
        if not digest_is_strong(listed.signature_hash_algorithm) or (
            usage is not None and not usage.crl_sign
        ):
            return False
    except (UnsupportedAlgorithm, *UNREADABLE):
        return False
    try:
        return listed.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]  # other key kinds raise
    except (TypeError, ValueError, UnsupportedAlgorithm):
        return False


def _covers(listed: x509.CertificateRevocationList, certificate: x509.Certificate) -> bool:
    """Tell whether the list covers the certificate; a list of some certificates or of changes may not."""
    try:
        for ext in listed.extensions:
            if isinstance(ext.value, x509.IssuingDistributionPoint):
                if not _in_scope(ext.value, certificate):
                    return False
            elif ext.critical or ext.oid == ExtensionOID.DELTA_CRL_INDICATOR:
                return False
    except UNREADABLE:
        return False
    return True


def _in_scope(point: x509.IssuingDistributionPoint, certificate: x509.Certificate) -> bool:
    if point.indirect_crl or point.only_some_reasons or point.only_contains_attribute_certs:
        return False
    basic = extension(certificate, x509.BasicConstraints)
    is_authority = basic is not None and basic.ca
    if (point.only_contains_user_certs and is_authority) or (
        point.only_contains_ca_certs and not is_authority
    ):
        return False
    if point.relative_name is not None:
        return False
    if point.full_name is None:
        return True
    points = extension(certificate, x509.CRLDistributionPoints)
    own_names = {name for p in points or () for name in p.full_name or ()}
    return not own_names.isdisjoint(point.full_name)


def _reason_in_list(entry: x509.RevokedCertificate) -> x509.ReasonFlags | None:
    try:
        return entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
    except (x509.ExtensionNotFound, *UNREADABLE):
        return None


_REMEMBERED_ANSWERS = 4096


class NoAnswer(ValueError):
    """Error for an answer that does not count; its text is the reason."""


def ocsp_request(certificate: x509.Certificate, issuer: x509.Certificate, nonce: bytes) -> bytes:
    """Return the OCSP request about one certificate, in DER. SHA-1 only names the issuer, as many responders require."""
    builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, hashes.SHA1())  # noqa: S303  # as said
    return builder.add_extension(x509.OCSPNonce(nonce), critical=False).build().public_bytes(Encoding.DER)


def read_answer(der: bytes, certificate: x509.Certificate, issuer: x509.Certificate) -> OcspAnswer:
    """Return the statement of an answer about a certificate of this issuer; raise NoAnswer where there is none. The
    result never changes: the caller must check whether the responder was revoked since."""
    answer = _read_answer(der, certificate, issuer)
    if isinstance(answer, str):
        raise NoAnswer(answer)
    return answer


def nonce_of_answer(der: bytes) -> bytes | None:
    """Return the nonce in the answer, None where it has none; raise NoAnswer when it cannot be read."""
    try:
        answer = ocsp.load_der_ocsp_response(der)
        if answer.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            return None
        return answer.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce
    except x509.ExtensionNotFound:
        return None
    except _UNREADABLE as why:
        raise NoAnswer(f"the answer cannot be read: {why}") from why


def serial_of_answer(der: bytes) -> int:
    """Return the serial number of the first certificate that the answer is about."""
    try:
        answer = ocsp.load_der_ocsp_response(der)
        return next(answer.responses).serial_number
    except (StopIteration, *_UNREADABLE) as why:
        raise NoAnswer(f"the answer cannot be read: {why}") from why


@lru_cache(maxsize=_REMEMBERED_ANSWERS)
def _read_answer(der: bytes, certificate: x509.Certificate, issuer: x509.Certificate) -> OcspAnswer | str:
    """Return the statement, or the reason why there is none, as a text instead of an error so that it is cached too."""
    try:
        answer = ocsp.load_der_ocsp_response(der)
        if answer.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            return f"the responder says {answer.response_status.name}"
        for response in islice(answer.responses, _MOST_SPOKEN_OF):
            if _is_for(response, certificate, issuer):
                return _judge_answer(answer, response, der, issuer)
    except _UNREADABLE as why:
        return f"the answer cannot be read: {why}"
    return "the answer is about another certificate"


def _judge_answer(
    answer: ocsp.OCSPResponse, response: ocsp.OCSPSingleResponse, der: bytes, issuer: x509.Certificate
) -> OcspAnswer | str:
    if not digest_is_strong(answer.signature_hash_algorithm):
        return "the answer is not signed with SHA-256 or better"
    speaker = _speaker(answer, issuer)
    if speaker is None:
        return "no responder that we know signed the answer"
    if speaker is issuer:
        return _make_answer(response, der, None)
    return _unfit_responder(speaker, issuer, response.this_update_utc) or _make_answer(response, der, speaker)


def _make_answer(
    response: ocsp.OCSPSingleResponse, der: bytes, responder: x509.Certificate | None
) -> OcspAnswer | str:
    if response.certificate_status is ocsp.OCSPCertStatus.UNKNOWN:
        return "the responder does not know the certificate"
    reason = response.revocation_reason
    statement = Statement(
        source=RevocationSource.OCSP,
        digest=hashlib.sha256(der).hexdigest(),
        made_at=response.this_update_utc,
        ends_at=response.next_update_utc,
        revoked_at=response.revocation_time_utc,
        reason=reason.value if reason is not None else None,
    )
    return statement, responder


def _speaker(answer: ocsp.OCSPResponse, issuer: x509.Certificate) -> x509.Certificate | None:
    """Return the certificate whose key signed the answer, the issuer's or one in the answer; None where no key fits."""
    speakers = (issuer, *islice(answer.certificates, _MOST_RESPONDERS))
    return next((c for c in speakers if _is_signed_by(answer, c)), None)


def _unfit_responder(responder: x509.Certificate, issuer: x509.Certificate, at: datetime) -> str | None:
    """Return the reason why this responder may not answer for the issuer, or None: the issuer must have certified it for
    answering, and the certificate must be valid at that time."""
    try:
        responder.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        return "the responder is of another authority"
    if not digest_is_strong(responder.signature_hash_algorithm) or not key_is_strong(responder):
        return "the responder's certificate is too weak"
    purposes = extension(responder, x509.ExtendedKeyUsage)
    if purposes is None or ExtendedKeyUsageOID.OCSP_SIGNING not in purposes:
        return "the responder is not made for answering"
    if not responder.not_valid_before_utc <= at <= responder.not_valid_after_utc:
        return "the responder's certificate was not valid when it answered"
    return None


def _is_signed_by(answer: ocsp.OCSPResponse, speaker: x509.Certificate) -> bool:
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


def _is_for(reply: ocsp.OCSPSingleResponse, certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Tell whether the response names this certificate, by serial number and the digests of the issuer's name and key."""
    if reply.serial_number != certificate.serial_number:
        return False
    same = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, reply.hash_algorithm).build()
    return (same.issuer_name_hash, same.issuer_key_hash) == (reply.issuer_name_hash, reply.issuer_key_hash)
