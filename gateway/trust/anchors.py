"""The root certificates that this node trusts, as the file that it reads at start. In: a certificate that two people
approved. Out: the file with it, replaced whole; and which certificates are in it."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.errors import Clash, Misconfigured
from gateway.trust.chain import is_authority
from gateway.trust.private_files import write_private

LARGEST = 4 * 1024 * 1024


class AnchorFile:
    """Keeps the promise of `deciding.desk.Anchors`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, certificate_der: bytes) -> None:
        try:
            certificate = x509.load_der_x509_certificate(certificate_der)
        except (ValueError, x509.InvalidVersion) as why:
            raise Clash("this is no certificate, so it is no authority") from why
        # As at the start of a node, which refuses to run with any other anchor.
        if not is_authority(certificate):
            raise Clash("this certificate is no authority: nothing could be believed below it")
        with self._alone():
            known = self.certificates()
            if any(each.public_bytes(Encoding.DER) == certificate_der for each in known):
                return
            pem = b"".join(each.public_bytes(Encoding.PEM) for each in (*known, certificate))
            # Others of the machine may read which authorities a node trusts; nobody else may write it.
            write_private(self._path, pem)
            self._path.chmod(0o644)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Of two that are approved at once neither writes the file without the other's."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def certificates(self) -> list[x509.Certificate]:
        """Those that are there. Misconfigured when the file cannot be read."""
        if not self._path.is_file():
            return []
        try:
            with self._path.open("rb") as file:
                pem = file.read(LARGEST + 1)
            if len(pem) > LARGEST:
                raise Misconfigured(f"the trust anchors in {self._path} are more than {LARGEST} bytes")
            return x509.load_pem_x509_certificates(pem)
        except (OSError, ValueError, x509.InvalidVersion) as why:
            raise Misconfigured(f"the trust anchors in {self._path} cannot be read: {why}") from why

    def fingerprints(self) -> list[str]:
        return [hashlib.sha256(each.public_bytes(Encoding.DER)).hexdigest() for each in self.certificates()]
