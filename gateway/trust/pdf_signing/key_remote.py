"""Opens the agency's own key at a remote signing service, which asks the person in its own way. In: the service, the
serial of a certificate. Out: an opened key. Only digests leave this machine."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from gateway.domain.pdf_signing import KeyFacts
from gateway.errors import Clash, NotFound
from gateway.ports import RemoteSigner
from gateway.trust.pdf_signing.key_facts import facts_of


class RemoteKey:
    """An `AgencyKey` that a service holds."""

    def __init__(self, service: RemoteSigner, certificate: x509.Certificate, opened_at: datetime) -> None:
        self._service = service
        self._facts = facts_of(certificate)
        self._algorithm = _algorithm(certificate)
        self._opened_at = opened_at

    @property
    def facts(self) -> KeyFacts:
        return self._facts

    @property
    def chain_der(self) -> Sequence[bytes]:
        return ()

    @property
    def opened_at(self) -> datetime:
        return self._opened_at

    def sign(self, data: bytes) -> bytes:
        wire = self._service.sign(self._facts.certificate_der, hashlib.sha256(data).digest(), self._algorithm)
        if self._algorithm == "rsa-sha256":
            return wire
        half = len(wire) // 2
        return encode_dss_signature(int.from_bytes(wire[:half]), int.from_bytes(wire[half:]))


def open_remote(service: RemoteSigner, serial: str, at: datetime) -> RemoteKey:
    """The key of that certificate; without a serial, of the only one that the service has for us."""
    found = [x509.load_der_x509_certificate(each) for each in service.certificates()]
    wanted = [each for each in found if serial in ("", f"{each.serial_number:x}")]
    serials = ", ".join(f"{each.serial_number:x}" for each in found) or "none"
    if not wanted:
        raise NotFound(
            f"the service has no certificate {serial}; it has {serials}", code="TOKEN-NO-CERTIFICATE"
        )
    if len(wanted) > 1:
        raise Clash(f"the service has several certificates: {serials}", code="TOKEN-WHICH", hint="name one")
    return RemoteKey(service, wanted[0], at)


def _algorithm(certificate: x509.Certificate) -> str:
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return "rsa-sha256"
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return "ecdsa-sha256"
    raise Clash(
        "the service's key is of a kind that this program does not sign documents with",
        code="TOKEN-NO-KEY",
        hint="RSA or P-256 are",
    )
