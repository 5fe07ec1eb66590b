"""What people compare of a certificate, for the pages. In: DER. Out: its names, number, days and fingerprint."""

from __future__ import annotations

import hashlib

from cryptography import x509

from gateway.web.ports_registry import CertificateFacts


def facts(der: bytes) -> CertificateFacts:
    """One that cannot be read has its fingerprint alone."""
    fingerprint = hashlib.sha256(der).hexdigest()
    try:
        found = x509.load_der_x509_certificate(der)
        return CertificateFacts(
            fingerprint=fingerprint,
            subject=found.subject.rfc4514_string(),
            issuer=found.issuer.rfc4514_string(),
            serial=f"{found.serial_number:x}",
            begins=found.not_valid_before_utc,
            ends=found.not_valid_after_utc,
        )
    except ValueError:
        return CertificateFacts(fingerprint=fingerprint)
