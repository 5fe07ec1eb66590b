"""The root certificates that this node trusts, as the file that it reads at start. In: a certificate that two people
approved. Out: the file with it, replaced whole; and which certificates are in it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.errors import Clash, Misconfigured
from gateway.trust.private_files import write_private

LARGEST = 4 * 1024 * 1024


class AnchorFile:
    """Keeps the promise of `deciding.desk.Anchors`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, certificate_der: bytes) -> None:
        try:
            certificate = x509.load_der_x509_certificate(certificate_der)
            authority = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        except (ValueError, x509.InvalidVersion, x509.ExtensionNotFound):
            authority = False
        if not authority:
            raise Clash("this certificate is no authority: nothing could be believed below it")
        known = self.certificates()
        if any(each.public_bytes(Encoding.DER) == certificate_der for each in known):
            return
        pem = b"".join(each.public_bytes(Encoding.PEM) for each in (*known, certificate))
        # Others of the machine may read which authorities a node trusts; nobody else may write it.
        write_private(self._path, pem)
        self._path.chmod(0o644)

    def certificates(self) -> list[x509.Certificate]:
        """Those that are there. Misconfigured when the file cannot be read."""
        if not self._path.is_file():
            return []
        try:
            with self._path.open("rb") as file:
                return x509.load_pem_x509_certificates(file.read(LARGEST))
        except (OSError, ValueError, x509.InvalidVersion) as why:
            raise Misconfigured(f"the trust anchors in {self._path} cannot be read: {why}") from why

    def fingerprints(self) -> list[str]:
        return [hashlib.sha256(each.public_bytes(Encoding.DER)).hexdigest() for each in self.certificates()]
