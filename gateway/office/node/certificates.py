"""Certificates for the pages: what people compare of one, and whether it may be proposed. In: DER, PEM. Out: its names,
number, days and fingerprint; a binding to propose."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from cryptography import x509

from gateway.domain.proof import Binding
from gateway.office.ports.store import OfficeStore
from gateway.office.web.ports_registry import CertificateFacts
from gateway.ops import exchange_certificates


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


class Exchange:
    """Looks at certificates that shall speak for agencies."""

    def __init__(self, store: OfficeStore) -> None:
        self._store = store

    def binding(self, code: str, pem: bytes, what: str) -> Binding:
        return exchange_certificates.binding(code, pem, what)

    async def never_for_pdfs(self, certificates: Iterable[bytes]) -> None:
        await exchange_certificates.never_for_pdfs(self._store, certificates)
