"""A small certificate authority for tests, and signers with real keys. Keys follow from their kind and their owner's
name, so that a file signed twice is the same file on any machine; they are made once per process, because RSA keys are
slow to make. Certificates are made on demand, good, expired, or wrong in one stated way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import shake_256
from math import gcd

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

NOT_BEFORE = datetime(2026, 1, 1, tzinfo=UTC)
NOT_AFTER = datetime(2036, 1, 1, tzinfo=UTC)

ALGORITHMS = {
    "rsa-2048": "rsa-sha256",
    "rsa-4096": "rsa-sha256",
    "rsa-1024": "rsa-sha256",
    "rsa-2048-e3": "rsa-sha256",
    "p256": "ecdsa-sha256",
    "p384": "ecdsa-sha384",
}
"""Kinds of key for `signer`, with the method each one signs with."""

SOUND = ("rsa-2048", "rsa-4096", "p256", "p384")
"""Those of them that a verifier takes."""

ORDERS = {
    "secp256r1": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "secp384r1": int(
        "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973", 16
    ),
}


@cache
def key(kind: str = "rsa-2048", owner: str = "") -> PrivateKey:
    """Return the private key of that kind and owner; it is the same one each time and everywhere."""
    seed = f"{kind} key of {owner}"
    if kind.startswith("rsa-"):
        return _rsa_key(seed, int(kind.split("-")[1]), 3 if kind.endswith("-e3") else 65537)
    curves: dict[str, ec.EllipticCurve] = {
        "p192": ec.SECP192R1(),
        "p256": ec.SECP256R1(),
        "p384": ec.SECP384R1(),
    }
    return ec.derive_private_key(1 + _number(seed, 180), curves[kind])


def _number(seed: str, bits: int) -> int:
    return int.from_bytes(shake_256(seed.encode()).digest(bits // 8), "big")


def _rsa_key(seed: str, bits: int, exponent: int) -> rsa.RSAPrivateKey:
    steps = _STEPS.get(seed, (0, 0))
    p, q = (
        _prime(f"{seed}, {name}", bits // 2, exponent, step) for name, step in zip("pq", steps, strict=True)
    )
    d = pow(exponent, -1, (p - 1) * (q - 1))
    numbers = rsa.RSAPrivateNumbers(
        p=p,
        q=q,
        d=d,
        dmp1=rsa.rsa_crt_dmp1(d, p),
        dmq1=rsa.rsa_crt_dmq1(d, q),
        iqmp=rsa.rsa_crt_iqmp(p, q),
        public_numbers=rsa.RSAPublicNumbers(exponent, p * q),
    )
    # What would be checked here is what `_prime` has looked for.
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


def _prime(seed: str, bits: int, exponent: int, step: int) -> int:
    """Return the first prime after a number that follows from the seed; `step` odd numbers after it at the earliest."""
    start = (_number(seed, bits) | 3 << (bits - 2) | 1) + 2 * step
    return next(
        n
        for n in range(start, start + (1 << 20), 2)
        if gcd(n, _SMALL_PRIMES) == 1 and gcd(exponent, n - 1) == 1 and pow(2, n - 1, n) == 1
    )


def _product_of_primes(below: int) -> int:
    """Return the product of these primes. Most numbers share a factor with it, which is seen much faster than by a test of
    primality."""
    product = 1
    for n in range(3, below, 2):
        if gcd(n, product) == 1:
            product *= n
    return product


# Where the search for the keys that most tests use ends: looking for them anew took each process seconds.
_STEPS = {
    "rsa-1024 key of Z93.05": (89, 100),
    "rsa-2048 key of 000.00.07.Z91": (69, 678),
    "rsa-2048 key of 000.00.12.Z92": (36, 264),
    "rsa-2048 key of Time authority": (167, 13),
    "rsa-2048 key of Time root": (122, 114),
    "rsa-2048 key of remote": (340, 693),
    "rsa-2048 key of tsa other middle": (351, 210),
    "rsa-2048 key of tsa other own": (295, 17),
    "rsa-2048 key of tsa other root": (871, 130),
    "rsa-2048 key of tsa time middle": (327, 270),
    "rsa-2048 key of tsa time own": (122, 819),
    "rsa-2048 key of tsa time root": (511, 466),
    "rsa-2048-e3 key of Z93.05": (198, 1454),
    "rsa-4096 key of 000.00.07.Z91": (453, 86),
}
_SMALL_PRIMES = _product_of_primes(3000)


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """A CA. `issue` makes an agency's certificate, `subordinate` a CA below this one."""

    certificate: x509.Certificate
    private_key: PrivateKey

    def issue(
        self,
        code: str,
        private_key: PrivateKey,
        *,
        not_before: datetime = NOT_BEFORE,
        not_after: datetime = NOT_AFTER,
        digital_signature: bool = True,
        content_commitment: bool = True,
        subject: str | None = None,
        serial: int | None = None,
    ) -> x509.Certificate:
        """Issue an agency's signing certificate, good unless an argument says otherwise; by default another one each
        time."""
        builder = _builder(subject or f"Agency {code}", private_key, not_before, not_after, serial)
        usage = key_usage(digital_signature=digital_signature, content_commitment=content_commitment)
        builder = builder.issuer_name(self.certificate.subject).add_extension(usage, critical=True)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        return _signed(builder, self.private_key)

    def subordinate(self, name: str, *, path_length: int | None = 0) -> Authority:
        private_key = key("p256", name)
        builder = _builder(name, private_key, NOT_BEFORE, NOT_AFTER).issuer_name(self.certificate.subject)
        certificate = _signed(_as_ca(builder, path_length), self.private_key)
        return Authority(certificate=certificate, private_key=private_key)

    def revocation_list(
        self,
        revoked: Sequence[tuple[x509.Certificate, datetime]] = (),
        *,
        this_update: datetime = NOT_BEFORE,
        next_update: datetime = NOT_AFTER,
    ) -> x509.CertificateRevocationList:
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.certificate.subject)
        builder = builder.last_update(this_update).next_update(next_update)
        for certificate, at in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(certificate.serial_number)
            builder = builder.add_revoked_certificate(entry.revocation_date(at).build())
        return builder.sign(self.private_key, SHA256())


@cache
def root(name: str = "Test Root CA") -> Authority:
    """Return a self-signed CA by its name; it is the same one everywhere."""
    private_key = key("p256", name)
    builder = _builder(name, private_key, NOT_BEFORE, NOT_AFTER, 1).issuer_name(_name(name))
    certificate = _signed(_as_ca(builder, None), private_key)
    return Authority(certificate=certificate, private_key=private_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySigner:
    """An `EnvelopeSigner` over a key in memory."""

    agency_code: str
    certificate_der: bytes
    algorithm: str
    private_key: PrivateKey
    at_hand: bool = True

    @property
    def signature_length(self) -> int:
        size = (self.private_key.key_size + 7) // 8
        return size if isinstance(self.private_key, rsa.RSAPrivateKey) else 2 * size

    def sign(self, data: bytes) -> bytes:
        if isinstance(self.private_key, rsa.RSAPrivateKey):
            return self.private_key.sign(data, padding.PKCS1v15(), SHA256())
        digest = SHA384() if self.algorithm == "ecdsa-sha384" else SHA256()
        raw = self.private_key.sign(data, ec.ECDSA(digest, deterministic_signing=True))
        r, s = decode_dss_signature(raw)
        order = ORDERS[self.private_key.curve.name]
        half = self.signature_length // 2
        return r.to_bytes(half, "big") + min(s, order - s).to_bytes(half, "big")


@cache
def signer(code: str = "000.00.07.Z91", kind: str = "rsa-2048") -> KeySigner:
    """Return an agency's signer with a good certificate of the test root; it is the same one everywhere."""
    private_key = key(kind, code)
    serial = 1 + _number(f"{kind} certificate of {code}", 64)
    return KeySigner(
        agency_code=code,
        certificate_der=der(root().issue(code, private_key, serial=serial)),
        algorithm=ALGORITHMS[kind],
        private_key=private_key,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: str,
    private_key: PrivateKey,
    not_before: datetime,
    not_after: datetime,
    serial: int | None = None,
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(_name(subject)).public_key(private_key.public_key())
    builder = builder.serial_number(serial or x509.random_serial_number())
    return builder.not_valid_before(not_before).not_valid_after(
        max(not_after, not_before + timedelta(seconds=1))
    )


def _signed(builder: x509.CertificateBuilder, private_key: PrivateKey) -> x509.Certificate:
    elliptic = isinstance(private_key, ec.EllipticCurvePrivateKey)
    return builder.sign(private_key, SHA256(), ecdsa_deterministic=True if elliptic else None)


def _as_ca(builder: x509.CertificateBuilder, path_length: int | None) -> x509.CertificateBuilder:
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
    return builder.add_extension(key_usage(key_cert_sign=True), critical=True)


def key_usage(
    *, digital_signature: bool = False, content_commitment: bool = False, key_cert_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=content_commitment,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=key_cert_sign,
        encipher_only=False,
        decipher_only=False,
    )
