"""Exchange keys of the hosted agencies, as files. In: an agency code, a password, certificates that an authority
made. Out: key entries for people to read, and a `FileSigner` that signs without showing its key. One directory per
agency; every file is written to a temporary name, synced and renamed, and readable by the node's own user alone.
These keys sign packets, unattended; an agency's own PDF key never lies here."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeAlias

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID

from gateway.errors import Clash, Misconfigured, NotFound

PrivateKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
PublicKey: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
KeyKind: TypeAlias = Literal["ecdsa-p256", "ecdsa-p384", "rsa-3072"]

# An agency code becomes a directory name: nothing that could leave the key directory or hide in it.
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,74}")

# W8. FIPS 186-4 D.1.2: the orders of the two curves, for low s.
CURVE_ORDERS = {
    "secp256r1": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "secp384r1": int(
        "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973",
        16,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyEntry:
    """One key of one agency, as it may be shown: the certificate is None until one was imported."""

    agency_code: str
    key_id: str
    algorithm: str
    certificate_der: bytes | None = None
    subject: str | None = None
    serial: str | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None


class FileSigner:
    """Signs with one key held in this process (`ports.EnvelopeSigner`). Safe to share between threads."""

    def __init__(self, agency_code: str, key: PrivateKey, certificate: x509.Certificate) -> None:
        if _spki(certificate.public_key()) != _spki(key.public_key()):  # type: ignore[arg-type]  # compared as bytes
            raise Misconfigured(
                f"the certificate {certificate.serial_number:x} of agency {agency_code} belongs to another key",
                hint="import the certificate that was issued for this key's request",
            )
        self._agency_code = agency_code
        self._key = key
        self._algorithm = algorithm_of(key.public_key())
        self._certificate_der = certificate.public_bytes(serialization.Encoding.DER)

    @property
    def agency_code(self) -> str:
        return self._agency_code

    @property
    def certificate_der(self) -> bytes:
        return self._certificate_der

    @property
    def algorithm(self) -> str:
        return self._algorithm

    @property
    def signature_length(self) -> int:
        octets = (self._key.key_size + 7) // 8
        return octets if isinstance(self._key, rsa.RSAPrivateKey) else 2 * octets

    def sign(self, data: bytes) -> bytes:
        if isinstance(self._key, rsa.RSAPrivateKey):
            return self._key.sign(data, padding.PKCS1v15(), hashes.SHA256())
        digest = hashes.SHA384() if self._algorithm == "ecdsa-sha384" else hashes.SHA256()
        return _raw_low_s(self._key.sign(data, ec.ECDSA(digest)), self._key.curve)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """One agency's keys as they were on disk at `stamp`."""

    stamp: tuple[tuple[str, int], ...]
    entries: tuple[KeyEntry, ...]
    signers: dict[str, FileSigner]


class KeyDirectory:
    """The keys below one directory: `<root>/<agency code>/<key id>.{key,csr,crt}.pem`.

    `password` None stores keys unencrypted: whoever reads the disk or a backup of it can then sign as the
    agency. That is for the demo alone.
    """

    def __init__(self, root: Path, password: bytes | None) -> None:
        self._root = root
        self._password = password
        self._known: dict[str, _Known] = {}

    def generate(self, agency_code: str, kind: KeyKind = "ecdsa-p256") -> KeyEntry:
        """A new key, durable on return, with no certificate yet."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = _new_key(kind)
        entry = _entry(agency_code, key.public_key(), None)
        protection = (
            serialization.BestAvailableEncryption(self._password)
            if self._password is not None
            else serialization.NoEncryption()
        )
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)
        write_private(self._path(agency_code, entry.key_id, "key"), pem)
        # The public half beside it, so that listing keys needs no password.
        write_private(self._path(agency_code, entry.key_id, "pub"), _public_pem(key.public_key()))
        return entry

    def request(self, agency_code: str, key_id: str, organisation: str) -> bytes:
        """The certificate signing request of a key, as PEM; it is also kept beside the key."""
        key = self._load_key(agency_code, key_id)
        csr = (
            x509.CertificateSigningRequestBuilder()
            .subject_name(agency_name(agency_code, organisation))
            .sign(
                key, hashes.SHA384() if algorithm_of(key.public_key()) == "ecdsa-sha384" else hashes.SHA256()
            )
        )
        pem = csr.public_bytes(serialization.Encoding.PEM)
        write_private(self._path(agency_code, key_id, "csr"), pem)
        return pem

    def import_certificate(self, agency_code: str, pem: bytes) -> KeyEntry:
        """Puts an issued certificate beside the key that it names; refuses one of any other key."""
        certificate = read_certificate(pem, f"the certificate for agency {agency_code}")
        key_id = _key_id(_checked(certificate.public_key(), f"the certificate for agency {agency_code}"))
        if not self._path(agency_code, key_id, "key").is_file():
            raise Clash(
                f"the certificate {certificate.serial_number:x} belongs to no key of agency {agency_code}",
                hint=f"keys of this agency: {', '.join(self._key_ids(agency_code)) or 'none'}",
            )
        write_private(
            self._path(agency_code, key_id, "crt"), certificate.public_bytes(serialization.Encoding.PEM)
        )
        return self._entry_of(agency_code, key_id)

    def entries(self, agency_code: str | None = None) -> tuple[KeyEntry, ...]:
        """Every key, or those of one agency, by code and id."""
        if agency_code is not None:
            codes = [agency_code]
        else:
            codes = sorted(each.name for each in self._root.glob("*") if _CODE.fullmatch(each.name))
        return tuple(self._entry_of(code, key_id) for code in codes for key_id in self._key_ids(code))

    def signer(self, agency_code: str, at: datetime) -> FileSigner:
        """The key to sign with at that moment: of those inside their certificate's validity (W9) the newest."""
        known = self._as_on_disk(agency_code)
        usable = [
            entry
            for entry in known.entries
            if entry.not_before is not None
            and entry.not_after is not None
            and entry.not_before <= at <= entry.not_after
        ]
        if not usable:
            raise NotFound(
                f"agency {agency_code} has no exchange key with a certificate valid at {at.isoformat()}",
                hint="generate a key, have its request signed, then import the certificate",
            )
        newest = max(usable, key=lambda entry: (entry.not_before, entry.key_id))
        signer = known.signers.get(newest.key_id)
        if signer is None:
            certificate = read_certificate(
                self._path(agency_code, newest.key_id, "crt").read_bytes(),
                f"the certificate of key {newest.key_id}",
            )
            signer = FileSigner(agency_code, self._load_key(agency_code, newest.key_id), certificate)
            known.signers[newest.key_id] = signer
        return signer

    def _as_on_disk(self, agency_code: str) -> _Known:
        """What was read of this agency's folder, read anew when a file of it changed: opening an encrypted key takes a
        tenth of a second, and every envelope asks. Two threads that find a change both read; the last one stays."""
        folder = self._folder(agency_code)
        stamp = tuple(sorted((each.name, each.stat().st_mtime_ns) for each in folder.glob("*.pem")))
        known = self._known.get(agency_code)
        if known is None or known.stamp != stamp:
            known = _Known(stamp=stamp, entries=self.entries(agency_code), signers={})
            self._known[agency_code] = known
        return known

    def _entry_of(self, agency_code: str, key_id: str) -> KeyEntry:
        path = self._path(agency_code, key_id, "crt")
        if path.is_file():
            certificate = read_certificate(path.read_bytes(), str(path))
            return _entry(agency_code, _checked(certificate.public_key(), str(path)), certificate)
        public = self._path(agency_code, key_id, "pub")
        try:
            loaded = serialization.load_pem_public_key(public.read_bytes())
        except (OSError, ValueError, UnsupportedAlgorithm) as why:
            raise Misconfigured(f"the public half of key {key_id} cannot be read: {public}") from why
        return _entry(agency_code, _checked(loaded, str(public)), None)

    def _load_key(self, agency_code: str, key_id: str) -> PrivateKey:
        path = self._path(agency_code, key_id, "key")
        try:
            pem = path.read_bytes()
        except OSError as why:
            raise NotFound(f"agency {agency_code} has no key {key_id} in {self._root}") from why
        try:
            key = serialization.load_pem_private_key(pem, self._password)
        except (ValueError, TypeError, UnsupportedAlgorithm) as why:
            raise Misconfigured(
                f"the key {key_id} of agency {agency_code} does not open with the given password",
                hint=f"check the password that goes with {path}",
            ) from why
        if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            raise Misconfigured(f"the key {key_id} of agency {agency_code} is neither RSA nor elliptic curve")
        return key

    def _key_ids(self, agency_code: str) -> list[str]:
        return sorted(
            path.name.removesuffix(".key.pem") for path in self._folder(agency_code).glob("*.key.pem")
        )

    def _path(self, agency_code: str, key_id: str, part: str) -> Path:
        if not re.fullmatch(r"[0-9a-f]{16}", key_id):
            raise NotFound(f"{key_id!r} is no key id; expected 16 hexadecimal digits")
        return self._folder(agency_code) / f"{key_id}.{part}.pem"

    def _folder(self, agency_code: str) -> Path:
        if not _CODE.fullmatch(agency_code):
            raise Misconfigured(
                f"{agency_code!r} cannot name a key directory; expected letters, digits and dots"
            )
        return self._root / agency_code


def password_from(*, file: Path | None = None, environment: str | None = None) -> bytes | None:
    """The password of the key files: a secret file's first line, else an environment variable, else None."""
    if file is not None:
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as why:
            raise Misconfigured(f"the key password file {file} cannot be read") from why
        password = text.split("\n", 1)[0].rstrip("\r")
    else:
        password = os.environ.get(environment, "") if environment else ""
    if file is not None and not password:
        raise Misconfigured(f"the key password file {file} is empty; its first line is the password")
    return password.encode() or None


def algorithm_of(key: PublicKey) -> str:
    """Our name of the signature method that goes with a key (W8)."""
    if isinstance(key, rsa.RSAPublicKey):
        return "rsa-sha256"
    return "ecdsa-sha384" if key.curve.name == "secp384r1" else "ecdsa-sha256"


def agency_name(agency_code: str, organisation: str) -> x509.Name:
    """The subject of an exchange certificate: the code is its common name."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, agency_code),
        ]
    )


def read_certificate(pem: bytes, what: str) -> x509.Certificate:
    """The one certificate of a PEM text; `what` names it in the error."""
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError as why:
        raise Misconfigured(f"{what} is not a certificate in PEM form") from why


def write_private(path: Path, content: bytes) -> None:
    """Writes a file that only this user reads; durable on return, never seen half-written."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _new_key(kind: KeyKind) -> PrivateKey:
    if kind == "rsa-3072":
        return rsa.generate_private_key(public_exponent=65537, key_size=3072)
    return ec.generate_private_key(ec.SECP384R1() if kind == "ecdsa-p384" else ec.SECP256R1())


def _entry(agency_code: str, key: PublicKey, certificate: x509.Certificate | None) -> KeyEntry:
    entry = KeyEntry(agency_code=agency_code, key_id=_key_id(key), algorithm=algorithm_of(key))
    if certificate is None:
        return entry
    return KeyEntry(
        agency_code=agency_code,
        key_id=entry.key_id,
        algorithm=entry.algorithm,
        certificate_der=certificate.public_bytes(serialization.Encoding.DER),
        subject=certificate.subject.rfc4514_string(),
        serial=f"{certificate.serial_number:x}",
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
    )


def _key_id(key: PublicKey) -> str:
    return hashlib.sha256(_spki(key)).hexdigest()[:16]


def _spki(key: PublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _public_pem(key: PublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _checked(key: object, what: str) -> PublicKey:
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise Misconfigured(f"{what} holds a key that is neither RSA nor elliptic curve")
    return key


def _raw_low_s(der: bytes, curve: ec.EllipticCurve) -> bytes:
    """W8: r and s as fixed-length big-endian numbers; of s and n - s the lower, so that nobody can make a twin."""
    r, s = decode_dss_signature(der)
    order = CURVE_ORDERS[curve.name]
    octets = (curve.key_size + 7) // 8
    return r.to_bytes(octets, "big") + min(s, order - s).to_bytes(octets, "big")
