"""Reads revocation lists. In: a list, and the authority that should have signed it. Out: what it says about a certificate
as a `Statement`, or nothing. Only a list signed by the issuer's own key counts, and only for what it covers. No I/O."""

from __future__ import annotations

import hashlib
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID

from gateway.domain.revocation import Source
from gateway.trust.chain import STRONG
from gateway.trust.revocation import Statement

# Lists whose signature was found good are remembered; a node reads from a handful of authorities.
_REMEMBERED = 64


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
        if listed.issuer != issuer.subject or not _covers(listed, certificate) or not is_from(self, issuer):
            return None
        entry = listed.get_revoked_certificate_by_serial_number(certificate.serial_number)
        reason = _reason(entry) if entry is not None else None
        revoked = entry is not None and reason is not x509.ReasonFlags.remove_from_crl
        return Statement(
            source=Source.LIST,
            digest=self.digest,
            made_at=listed.last_update_utc,
            # A list without an end is never fresh: nobody could say when it was to be replaced.
            ends_at=listed.next_update_utc or listed.last_update_utc,
            revoked_at=entry.revocation_date_utc if entry is not None and revoked else None,
            reason=reason.value if revoked and reason is not None else None,
        )


def read(der: bytes) -> RevocationList:
    """ValueError for what is no list."""
    try:
        listed = x509.load_der_x509_crl(der)
        _ = listed.issuer  # read only when it is asked for, and then with errors of its own
    except (x509.InvalidVersion, TypeError) as why:
        raise ValueError(str(why)) from why
    return RevocationList(listed)


@lru_cache(maxsize=_REMEMBERED)
def is_from(each: RevocationList, issuer: x509.Certificate) -> bool:
    """Signed by this issuer's key, with SHA-256 or better; the issuer may sign lists."""
    listed = each.listed
    try:
        if not isinstance(listed.signature_hash_algorithm, STRONG):
            return False
        usage = issuer.extensions.get_extension_for_class(x509.KeyUsage).value
        if not usage.crl_sign:
            return False
    except x509.ExtensionNotFound:
        pass
    except (x509.DuplicateExtension, x509.UnsupportedGeneralNameType, UnsupportedAlgorithm, ValueError):
        return False
    try:
        return listed.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]  # other key kinds raise
    except (TypeError, ValueError, UnsupportedAlgorithm):
        return False


def _covers(listed: x509.CertificateRevocationList, certificate: x509.Certificate) -> bool:
    """A list of part of the certificates, or of changes only, says nothing about the rest."""
    try:
        extensions = list(listed.extensions)
        for extension in extensions:
            if isinstance(extension.value, x509.IssuingDistributionPoint):
                if not _in_scope(extension.value, certificate):
                    return False
            elif extension.critical or extension.oid == ExtensionOID.DELTA_CRL_INDICATOR:
                return False
    except (x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError):
        return False
    return True


def _in_scope(point: x509.IssuingDistributionPoint, certificate: x509.Certificate) -> bool:
    if point.indirect_crl or point.only_some_reasons or point.only_contains_attribute_certs:
        return False
    is_authority = _is_authority(certificate)
    if (point.only_contains_user_certs and is_authority) or (
        point.only_contains_ca_certs and not is_authority
    ):
        return False
    if point.relative_name is not None:
        return False
    if point.full_name is None:
        return True
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except x509.ExtensionNotFound:
        return False
    named = {name for each in points for name in each.full_name or ()}
    return not named.isdisjoint(point.full_name)


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _reason(entry: x509.RevokedCertificate) -> x509.ReasonFlags | None:
    try:
        return entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
    except (
        x509.ExtensionNotFound,
        x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
        ValueError,
    ):
        return None
