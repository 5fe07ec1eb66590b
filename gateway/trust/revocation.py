"""What revocation lists say about one certificate at a time (K4). In: a certificate, its issuer, the lists we have.
Out: good, revoked with its date, or unknown with how long ago the last answer ran out. Only a list signed by the
issuer's own key counts. No I/O, no decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtensionOID

_STRONG = (hashes.SHA256, hashes.SHA384, hashes.SHA512)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """`state` is good, revoked or unknown. `age_s`: good, since the list was made; unknown, since the last good
    answer ran out, None when none was ever had."""

    state: str
    revoked_at: datetime | None = None
    age_s: float | None = None


def standing(
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    lists: Sequence[x509.CertificateRevocationList],
    at: datetime,
) -> Standing:
    """The standing of a certificate at that time, from the lists its issuer signed."""
    own = [each for each in lists if _is_from(each, issuer) and _covers(each, certificate)]
    revoked = [at_ for each in own if (at_ := _revoked_at(each, certificate)) is not None and at_ <= at]
    if revoked:
        return Standing(state="revoked", revoked_at=min(revoked))
    fresh = [each for each in own if each.next_update_utc is not None and at <= each.next_update_utc]
    if fresh:
        newest = max(each.last_update_utc for each in fresh)
        return Standing(state="good", age_s=max(0.0, (at - newest).total_seconds()))
    ended = [each.next_update_utc for each in own if each.next_update_utc is not None]
    return Standing(state="unknown", age_s=(at - max(ended)).total_seconds() if ended else None)


def worst(standings: Sequence[Standing]) -> Standing:
    """Revoked before unknown before good; of equals the one with the older answer."""
    order = {"revoked": 2, "unknown": 1, "good": 0}

    def rank(each: Standing) -> tuple[int, float]:
        return order[each.state], float("inf") if each.age_s is None else each.age_s

    return max(standings, key=rank)


def _is_from(each: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    if each.issuer != issuer.subject or not isinstance(each.signature_hash_algorithm, _STRONG):
        return False
    try:
        usage = issuer.extensions.get_extension_for_class(x509.KeyUsage).value
        if not usage.crl_sign:
            return False
    except x509.ExtensionNotFound:
        pass
    try:
        return each.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]  # other key kinds raise
    except (TypeError, ValueError, UnsupportedAlgorithm):
        return False


def _covers(each: x509.CertificateRevocationList, certificate: x509.Certificate) -> bool:
    """A list of part of the certificates, or of changes only, says nothing about the rest."""
    try:
        extensions = list(each.extensions)
    except (x509.DuplicateExtension, ValueError):
        return False
    for extension in extensions:
        if isinstance(extension.value, x509.IssuingDistributionPoint):
            if not _in_scope(extension.value, certificate):
                return False
        elif extension.critical or extension.oid == ExtensionOID.DELTA_CRL_INDICATOR:
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


def _revoked_at(each: x509.CertificateRevocationList, certificate: x509.Certificate) -> datetime | None:
    entry = each.get_revoked_certificate_by_serial_number(certificate.serial_number)
    if entry is None:
        return None
    try:
        reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
    except (x509.ExtensionNotFound, ValueError):
        reason = None
    if reason is x509.ReasonFlags.remove_from_crl:
        return None
    return entry.revocation_date_utc
