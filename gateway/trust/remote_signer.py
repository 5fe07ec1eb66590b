"""A signing service over HTTP, as the protocol's reference: it holds the keys, we send digests. In: an address on this
machine, the secret that names us there. Out: certificates, and signatures that were checked. No setting leads here: it is
for who brings a service, who must put a line with both ends proved between the two first."""

from __future__ import annotations

import base64
import ipaddress
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature

from gateway.errors import Misconfigured, SignerDown, Unreachable
from gateway.trust import key_material as material
from gateway.trust.bounded_http import Bounds, Question, ask, parsed

MOST_BYTES: Final = 256 * 1024
MOST_CERTIFICATES: Final = 32
_HASHES: Final[Mapping[str, hashes.HashAlgorithm]] = {
    "rsa-sha256": hashes.SHA256(),
    "ecdsa-sha256": hashes.SHA256(),
    "ecdsa-sha384": hashes.SHA384(),
}


class HttpRemoteSigner:
    """Keeps the promise of `ports.RemoteSigner`. `GET /certificates` answers `{"certificates": [base64 of DER]}`; `POST
    /signatures` with `{"certificate": sha256, "algorithm": name, "digest": base64}` answers `{"signature": base64}`, both
    to a bearer's secret. Each call is a connection of its own."""

    def __init__(self, url: str, secret: str, seconds: float = 10.0) -> None:
        host = parsed(url).hostname or ""
        try:
            near = ipaddress.ip_address(host).is_loopback
        except ValueError:
            near = False
        if not near:
            raise Misconfigured(f"the signing service must be an address of this machine, and {host} is not")
        self._url, self._secret, self._seconds = url.rstrip("/"), secret, seconds

    def __repr__(self) -> str:
        return f"HttpRemoteSigner({self._url!r})"

    def certificates(self) -> Sequence[bytes]:
        told = self._call("/certificates", None).get("certificates")
        if not isinstance(told, list) or len(told) > MOST_CERTIFICATES:
            raise self._down("it names no certificates, or too many")
        return [self._decoded(each) for each in told]

    def sign(self, certificate_der: bytes, digest: bytes, algorithm: str) -> bytes:
        if algorithm not in _HASHES or len(digest) != _HASHES[algorithm].digest_size:
            raise Misconfigured(f"{len(digest)} bytes are no digest for {algorithm}")
        body = {
            "certificate": material.sha256(certificate_der),
            "algorithm": algorithm,
            "digest": base64.b64encode(digest).decode(),
        }
        value = self._decoded(self._call("/signatures", body).get("signature"))
        if not _holds(certificate_der, digest, algorithm, value):
            raise self._down("its signature does not hold")
        return value

    def _call(self, path: str, body: Mapping[str, str] | None) -> dict[str, Any]:
        question = Question(
            url=f"{self._url}{path}",
            expects="application/json",
            body=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._secret}", "Content-Type": "application/json"},
        )
        try:
            told = json.loads(ask(question, Bounds(answer_bytes=MOST_BYTES, seconds=self._seconds)))
        except (Unreachable, ValueError, RecursionError) as why:
            raise self._down(str(why)) from why
        if not isinstance(told, dict):
            raise self._down("it answered no object")
        return told

    def _decoded(self, text: object) -> bytes:
        try:
            return base64.b64decode(text if isinstance(text, str) else "-", validate=True)
        except ValueError as why:
            raise self._down("it answered no Base64") from why

    def _down(self, why: str) -> SignerDown:
        return SignerDown(f"the signing service at {self._url} did not sign: {why}")


def _holds(certificate_der: bytes, digest: bytes, algorithm: str, value: bytes) -> bool:
    """A service that is wrong must be found before its signature leaves."""
    key = x509.load_der_x509_certificate(certificate_der).public_key()
    prehashed = Prehashed(_HASHES[algorithm])
    try:
        if isinstance(key, rsa.RSAPublicKey) and algorithm == "rsa-sha256":
            key.verify(value, digest, padding.PKCS1v15(), prehashed)
            return True
        if isinstance(key, ec.EllipticCurvePublicKey) and material.algorithm_of(key) == algorithm:
            half = len(value) // 2
            r, s = int.from_bytes(value[:half], "big"), int.from_bytes(value[half:], "big")
            key.verify(encode_dss_signature(r, s), digest, ec.ECDSA(prehashed))
            return len(value) == material.signature_length(key)
    except (InvalidSignature, ValueError):
        return False
    return False
