"""Opens a PKCS#12 file as the agency's own key, for trying out: a key that lies in a file can be copied, one on a token
cannot. In: a path, a passphrase asked of a person. Out: an opened key, forgotten when it is closed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12

from gateway.domain.pdf_signing import KeyFacts
from gateway.errors import Clash, Denied, NotFound
from gateway.trust.pdf_signing.key_facts import facts_of
from gateway.trust.pdf_signing.pin import AskPin

MOST_BYTES = 1024 * 1024

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class HeldKey:
    """An `AgencyKey` whose private half is in this process: from a PKCS#12 file, or made for a demonstration."""

    def __init__(
        self,
        key: PrivateKey,
        certificate: x509.Certificate,
        chain: Sequence[x509.Certificate],
        opened_at: datetime,
    ) -> None:
        self._key: PrivateKey | None = key
        self._facts = facts_of(certificate)
        self._chain = tuple(each.public_bytes(Encoding.DER) for each in chain)
        self._opened_at = opened_at

    @property
    def facts(self) -> KeyFacts:
        return self._facts

    @property
    def chain_der(self) -> Sequence[bytes]:
        return self._chain

    @property
    def opened_at(self) -> datetime:
        return self._opened_at

    def sign(self, data: bytes) -> bytes:
        if self._key is None:
            raise Clash("the key was closed", code="TOKEN-FAILED", hint="open it again")
        if isinstance(self._key, rsa.RSAPrivateKey):
            return self._key.sign(data, padding.PKCS1v15(), SHA256())
        return self._key.sign(data, ec.ECDSA(SHA256()))

    def close(self) -> None:
        self._key = None


@contextmanager
def open_key_file(path: Path, ask: AskPin, at: datetime) -> Iterator[HeldKey]:
    """The key in the file. Denied when the passphrase is another one, Clash when the file holds no key to sign with."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as why:
        raise NotFound(f"the key file {path} cannot be read: {why.strerror}") from why
    if len(content) > MOST_BYTES:
        raise Clash(f"{path} is too large for a key file", code="TOKEN-NO-KEY")
    held = _read(content, path, ask, at)
    try:
        yield held
    finally:
        held.close()


def _read(content: bytes, path: Path, ask: AskPin, at: datetime) -> HeldKey:
    try:
        key, certificate, others = pkcs12.load_key_and_certificates(
            content, ask(path.name).reveal().encode("utf-8")
        )
    except ValueError:
        # The library's own words may quote what it was given; they end here.
        raise Denied(
            f"{path} does not open: another passphrase, or no PKCS#12 file", code="TOKEN-PIN"
        ) from None
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise Clash(f"{path} holds no RSA or elliptic curve key", code="TOKEN-NO-KEY")
    if certificate is None:
        raise Clash(f"the key in {path} has no certificate beside it", code="TOKEN-NO-CERTIFICATE")
    return HeldKey(key, certificate, others, at)
