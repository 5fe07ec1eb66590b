"""What authorities say about the revocation of certificates: reads lists (CRL), asks by OCSP and reads the answers (RFC
6960), and says what all of them together mean for one certificate at a time (K4). In: a list, or an answer, and the
authority that should have signed it. Out: a `Statement`, or nothing, for an answer with the reason; of all statements
good, revoked with date and reason, or unknown with how long that is so. Only a list signed by the issuer's own key
counts, and only for what it covers; only the issuer, or a responder that it named for this, may answer. No I/O, no
decision."""

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
from gateway.trust.chain import STRONG, UNREADABLE, extension, key_is_strong

# Clocks of authorities are a little ahead of ours at times; an answer of tomorrow is none.
FUTURE = timedelta(minutes=5)
# A responder that names no end has the next answer at any time.
WITHOUT_END = timedelta(hours=1)
ON_HOLD = "certificateHold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What one answer says about one certificate: good unless `revoked_at` is given."""

    source: str
    digest: str
    made_at: datetime
    ends_at: datetime | None
    revoked_at: datetime | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationStanding:
    """`state` is good, revoked or unknown. `age_s`: good, since the answer was made; unknown, since the last good answer
    ran out or the question was first asked, None when neither is known."""

    state: str
    revoked_at: datetime | None = None
    reason: str | None = None
    age_s: float | None = None
    source: str = ""
    as_of: datetime | None = None
    digest: str | None = None


def standing(
    statements: Sequence[Statement],
    at: datetime,
    *,
    now: datetime,
    expires: datetime,
    asked_since: datetime | None = None,
) -> RevocationStanding:
    """How a certificate that runs until `expires` stood at `at`, by what is known at `now`."""
    known = [each for each in statements if each.made_at <= max(at, now) + FUTURE]
    revoked = [each for each in known if _revokes(each, known, at)]
    if revoked:
        first = min(revoked, key=lambda each: (each.revoked_at or at, -each.made_at.timestamp()))
        stands = _by("revoked", first, None)
        return replace(stands, revoked_at=first.revoked_at, reason=first.reason)
    silent = [each for each in known if each.revoked_at is None or each.revoked_at > at]
    good = [each for each in silent if at <= _end(each) and _knows(each, max(expires, at))]
    if good:
        newest = max(good, key=lambda each: each.made_at)
        age = max(0.0, (at - newest.made_at).total_seconds())
        return _by("good", newest, age)
    ended = [end for each in silent if (end := _end(each)) <= at]
    since = max(ended) if ended else asked_since
    unknown_s = None if since is None else max(0.0, (at - since).total_seconds())
    last = max(silent, key=lambda each: each.made_at, default=None)
    return _by("unknown", last, unknown_s) if last else RevocationStanding(state="unknown", age_s=unknown_s)


def _by(state: str, each: Statement, age_s: float | None) -> RevocationStanding:
    return RevocationStanding(
        state=state, age_s=age_s, source=each.source, as_of=each.made_at, digest=each.digest
    )


def worst(standings: Sequence[RevocationStanding]) -> RevocationStanding:
    """Revoked before unknown before good; of equals the one with the older answer."""
    order = {"revoked": 2, "unknown": 1, "good": 0}

    def rank(each: RevocationStanding) -> tuple[int, float]:
        return order[each.state], float("inf") if each.age_s is None else each.age_s

    return max(standings, key=rank)


def _knows(each: Statement, over: datetime) -> bool:
    """An authority may forget a certificate that has run out, and its silence then says nothing; what it names it knows."""
    return each.revoked_at is not None or each.made_at <= over


def _revokes(each: Statement, known: Sequence[Statement], at: datetime) -> bool:
    """Revoked is for ever, whatever comes later; only a hold can be lifted, and not for the time in which it held."""
    if each.revoked_at is None or each.revoked_at > at:
        return False
    if each.reason != ON_HOLD or at <= each.made_at:
        return True
    return not any(other.revoked_at is None and other.made_at > each.made_at for other in known)


def _end(each: Statement) -> datetime:
    return each.ends_at if each.ends_at is not None else each.made_at + WITHOUT_END


# Lists whose signature was found good are remembered; a node reads from a handful of authorities.
_REMEMBERED_LISTS = 64


class RevocationList:
    """One list, read once. Equal lists are one: what was found out about it is found out once."""

    def __init__(self, listed: x509.CertificateRevocationList) -> None:
        self.listed = listed
        der = listed.public_bytes(Encoding.DER)
        self.digest = hashlib.sha256(der).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RevocationList) and other.digest == self.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def statement(self, certificate: x509.Certificate, issuer: x509.Certificate) -> Statement | None:
        """What it says about a certificate of this issuer; None when it says nothing that counts."""
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
            # A list without an end is never fresh: nobody could say when it was to be replaced.
            ends_at=listed.next_update_utc or listed.last_update_utc,
            revoked_at=entry.revocation_date_utc if entry is not None and revoked else None,
            reason=reason.value if revoked and reason is not None else None,
        )


def read_list(der: bytes) -> RevocationList:
    """ValueError for what is no list."""
    try:
        listed = x509.load_der_x509_crl(der)
        _ = listed.issuer  # read only when it is asked for, and then with errors of its own
    except (x509.InvalidVersion, TypeError) as why:
        raise ValueError(str(why)) from why
    return RevocationList(listed)


@lru_cache(maxsize=_REMEMBERED_LISTS)
def is_list_from(each: RevocationList, issuer: x509.Certificate) -> bool:
    """Signed by this issuer's key, with SHA-256 or better; the issuer may sign lists."""
    listed = each.listed
    try:
        usage = extension(issuer, x509.KeyUsage)
        if not isinstance(listed.signature_hash_algorithm, STRONG) or (
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
    """A list of part of the certificates, or of changes only, says nothing about the rest."""
    try:
        for each in listed.extensions:
            if isinstance(each.value, x509.IssuingDistributionPoint):
                if not _in_scope(each.value, certificate):
                    return False
            elif each.critical or each.oid == ExtensionOID.DELTA_CRL_INDICATOR:
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
    named = {name for each in points or () for name in each.full_name or ()}
    return not named.isdisjoint(point.full_name)


def _reason_in_list(entry: x509.RevokedCertificate) -> x509.ReasonFlags | None:
    try:
        return entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
    except (x509.ExtensionNotFound, *UNREADABLE):
        return None


# An honest answer speaks of one certificate and brings one; more is not looked at.
_MOST_SPOKEN_OF = 16
_MOST_RESPONDERS = 4
_REMEMBERED_ANSWERS = 4096
_UNREADABLE = (*UNREADABLE, TypeError, UnsupportedAlgorithm, x509.InvalidVersion)


class NoAnswer(ValueError):
    """It looks like an answer and says nothing that counts; the text says why."""


def ocsp_request(certificate: x509.Certificate, issuer: x509.Certificate, nonce: bytes) -> bytes:
    """The question about one certificate, as DER. SHA-1 only names the issuer here; many responders know nothing else."""
    named = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, hashes.SHA1())  # noqa: S303  # as said
    return named.add_extension(x509.OCSPNonce(nonce), critical=False).build().public_bytes(Encoding.DER)


OcspAnswer = tuple[Statement, x509.Certificate | None]
"""What an answer says, and the responder that the issuer named for it; None where the issuer answered itself."""


def read_answer(der: bytes, certificate: x509.Certificate, issuer: x509.Certificate) -> OcspAnswer:
    """What the answer says about a certificate of this issuer. It says the same whenever it is asked: whether the
    responder was revoked since is for who knows the issuer's lists."""
    found = _read_answer(der, certificate, issuer)
    if isinstance(found, str):
        raise NoAnswer(found)
    return found


def nonce_of_answer(der: bytes) -> bytes | None:
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


def serial_of_answer(der: bytes) -> int:
    """The serial number of the first certificate that the answer speaks of."""
    try:
        answer = ocsp.load_der_ocsp_response(der)
        return next(answer.responses).serial_number
    except (StopIteration, *_UNREADABLE) as why:
        raise NoAnswer(f"the answer cannot be read: {why}") from why


@lru_cache(maxsize=_REMEMBERED_ANSWERS)
def _read_answer(der: bytes, certificate: x509.Certificate, issuer: x509.Certificate) -> OcspAnswer | str:
    """What it says, or why nothing; a text and no error, so that it is remembered too."""
    try:
        answer = ocsp.load_der_ocsp_response(der)
        if answer.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            return f"the responder says {answer.response_status.name}"
        for each in islice(answer.responses, _MOST_SPOKEN_OF):
            if _is_about(each, certificate, issuer):
                return _judged_answer(answer, each, der, issuer)
    except _UNREADABLE as why:
        return f"the answer cannot be read: {why}"
    return "the answer is about another certificate"


def _judged_answer(
    answer: ocsp.OCSPResponse, each: ocsp.OCSPSingleResponse, der: bytes, issuer: x509.Certificate
) -> OcspAnswer | str:
    if not isinstance(answer.signature_hash_algorithm, STRONG):
        return "the answer is not signed with SHA-256 or better"
    speaker = _speaker(answer, issuer)
    if speaker is None:
        return "no responder that we know signed the answer"
    if speaker is issuer:
        return _answered(each, der, None)
    return _unfit_responder(speaker, issuer, each.this_update_utc) or _answered(each, der, speaker)


def _answered(
    each: ocsp.OCSPSingleResponse, der: bytes, responder: x509.Certificate | None
) -> OcspAnswer | str:
    if each.certificate_status is ocsp.OCSPCertStatus.UNKNOWN:
        return "the responder does not know the certificate"
    reason = each.revocation_reason
    statement = Statement(
        source=RevocationSource.OCSP,
        digest=hashlib.sha256(der).hexdigest(),
        made_at=each.this_update_utc,
        ends_at=each.next_update_utc,
        revoked_at=each.revocation_time_utc,
        reason=reason.value if reason is not None else None,
    )
    return statement, responder


def _speaker(answer: ocsp.OCSPResponse, issuer: x509.Certificate) -> x509.Certificate | None:
    """Whose key signed the answer: the issuer, or one of the certificates that it brings; None when nobody's did."""
    speakers = (issuer, *islice(answer.certificates, _MOST_RESPONDERS))
    return next((each for each in speakers if _signed_by(answer, each)), None)


def _unfit_responder(responder: x509.Certificate, issuer: x509.Certificate, at: datetime) -> str | None:
    """Why this responder may not speak for the issuer: named by it, for this purpose alone, at that time."""
    try:
        responder.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        return "the responder is of another authority"
    if not isinstance(responder.signature_hash_algorithm, STRONG) or not key_is_strong(responder):
        return "the responder's certificate is too weak"
    purposes = extension(responder, x509.ExtendedKeyUsage)
    if purposes is None or ExtendedKeyUsageOID.OCSP_SIGNING not in purposes:
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
