"""Exchange keys of the hosted agencies, in files or on a token. In: an agency code, a password, certificates that an
authority made. Out: key entries for people to read, and signers that sign without showing their key. One directory
per agency holds what is public of each key, and the key itself where it is a file. Every file is written by
`write_private`: to a temporary name, synced and renamed, readable by the node's own user alone, never seen
half-written. These keys sign packets, unattended; an agency's own PDF key never lies here."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from gateway.domain.certificates import ANY_KEY, KeyUse
from gateway.errors import Clash, Misconfigured, NotFound, SignerDown
from gateway.ports.services import EnvelopeSigner
from gateway.trust import key_material as material
from gateway.trust.key_material import CURVE_ORDERS as CURVE_ORDERS
from gateway.trust.key_material import ENVELOPES, FILE, TOKEN
from gateway.trust.key_material import KeyEntry as KeyEntry
from gateway.trust.key_material import KeyKind as KeyKind
from gateway.trust.key_material import PublicKey as PublicKey
from gateway.trust.key_material import agency_name as agency_name
from gateway.trust.key_material import read_certificate as read_certificate
from gateway.trust.looked_at import FolderLook, Stamp
from gateway.whole_files import write_private

if TYPE_CHECKING:
    from gateway.trust.pkcs11_keys import TokenKeys


def own_key(path: Path, password: bytes | None, generate: Callable[[], PrivateKeyTypes], what: str) -> object:
    """A key of the node itself, made when there is none yet. Misconfigured when it does not open."""
    try:
        if not path.is_file():
            fresh = path.with_name(f".{secrets.token_hex(8)}.{path.name}")
            write_private(fresh, private_pem(generate(), password))
            try:
                # Two processes that start together make one key: a link, unlike a rename, replaces nothing.
                with suppress(FileExistsError):
                    os.link(fresh, path)
            finally:
                fresh.unlink(missing_ok=True)
        return serialization.load_pem_private_key(path.read_bytes(), password)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as why:
        raise Misconfigured(
            f"the key {what} does not open: {path}", hint="check keys.password and the file's owner"
        ) from why


def private_pem(key: PrivateKeyTypes, password: bytes | None) -> bytes:
    """The key as its file holds it; without a password whoever reads the file has the key."""
    protection = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)


PrivateKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class FileSigner:
    """Signs with one key held in this process (`ports.services.EnvelopeSigner`). Safe to share between threads. It signs
    what begins with its purpose, and nothing else."""

    at_hand = True

    def __init__(
        self, agency_code: str, key: PrivateKey, certificate: x509.Certificate, purpose: bytes = ENVELOPES
    ) -> None:
        public = key.public_key()
        self.certificate_der = material.same_key(certificate, public, agency_code)
        self.agency_code = agency_code
        self.algorithm = material.algorithm_of(public)
        self.signature_length = material.signature_length(public)
        self._key = key
        self._purpose = purpose

    def sign(self, data: bytes) -> bytes:
        material.refuse_other_purpose(data, self._purpose, self.agency_code)
        return _signed(self._key, data)


@dataclass(frozen=True, slots=True, kw_only=True)
class _KnownKeys:
    """One agency's keys as they were on disk at `stamp`."""

    stamp: Stamp | None
    entries: tuple[KeyEntry, ...]
    signers: dict[str, EnvelopeSigner]


class KeyDirectory:
    """Exchange keys of the hosted agencies. The keys below one directory: `<root>/<agency code>/<key
    id>.{key,pub,csr,crt}.pem`; one on a token has no `key`. `password` None stores keys unencrypted: whoever reads the disk
    or a backup of it can then sign as the agency. That is for the demo alone. Without a `token` only the keys in files can
    be used."""

    def __init__(self, root: Path, password: bytes | None, token: TokenKeys | None = None) -> None:
        self._root = root
        self._password = password
        self._token = token
        self._known: dict[str, _KnownKeys] = {}
        self._looks: dict[str, FolderLook] = {}

    @property
    def has_token(self) -> bool:
        return self._token is not None

    def generate(self, agency_code: str, kind: KeyKind = "ecdsa-p256", where: str = FILE) -> KeyEntry:
        """A new key, durable on return, with no certificate yet."""
        self._folder(agency_code)
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        make = self._on_token().generate if where == TOKEN else self._generate_file
        public = make(agency_code, kind)
        made = material.entry(agency_code, public, where, None)
        # The public half beside it, so that listing keys needs no password and no token.
        write_private(self._path(agency_code, made.key_id, "pub"), material.public_pem(public))
        return made

    def request(self, agency_code: str, key_id: str, organisation: str) -> bytes:
        """The certificate signing request of a key, as PEM; it is also kept beside the key."""
        subject = agency_name(agency_code, organisation)
        if self._where(agency_code, key_id) == TOKEN:
            token, public = self._on_token(), self._public(agency_code, key_id)
            pem = material.request(
                public, subject, lambda data: token.sign(agency_code, key_id, public, data)
            )
        else:
            key = self._load_key(agency_code, key_id)
            pem = material.request(key.public_key(), subject, lambda data: _signed(key, data))
        write_private(self._path(agency_code, key_id, "csr"), pem)
        return pem

    def import_certificate(self, agency_code: str, pem: bytes) -> KeyEntry:
        """Puts an issued certificate beside the key that it names; refuses one of any other key."""
        what = f"the certificate for agency {agency_code}"
        certificate = read_certificate(pem, what)
        key_id = material.key_id(material.public_key_of(certificate, what))
        if key_id not in self._key_ids(agency_code):
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
            codes = sorted(each.name for each in self._root.glob("*") if material.CODE.fullmatch(each.name))
        return tuple(self._entry_of(code, key_id) for code in codes for key_id in self._key_ids(code))

    def signer(self, agency_code: str, at: datetime, use: KeyUse = ANY_KEY) -> EnvelopeSigner:
        """The key to sign with at that moment: of those inside their certificate's validity that may be used (W9), the one
        that speaks for the agency since latest. NotFound when there is none (the message says the command). Nothing is
        signed yet: a key that cannot be reached is a SignerDown when it is asked to sign."""
        known = self._as_on_disk(agency_code)
        newest = _newest(agency_code, known.entries, at, use)
        if newest.key_id not in known.signers:
            known.signers[newest.key_id] = self._open(agency_code, newest)
        return known.signers[newest.key_id]

    def opened(self, agency_code: str, at: datetime, use: KeyUse = ANY_KEY) -> EnvelopeSigner | None:
        """The same, where that key was opened before and signs in this process; None where either takes time."""
        known = self._known.get(agency_code)
        if known is None or known.stamp != self._stamp(agency_code):
            return None
        signer = known.signers.get(_newest(agency_code, known.entries, at, use).key_id)
        return signer if signer is not None and signer.at_hand else None

    def fault(self, agency_code: str, fingerprint: str, at: datetime, use: KeyUse) -> str | None:
        """Why what was signed under that certificate should not leave any more (W9); None when it may."""
        for each in self._as_on_disk(agency_code).entries:
            if each.fingerprint == fingerprint and not _valid(each, at):
                return "its certificate is not in its time"
        return use.fault(fingerprint)

    def _open(self, agency_code: str, entry: KeyEntry) -> EnvelopeSigner:
        path = self._path(agency_code, entry.key_id, "crt")
        certificate = read_certificate(_bytes_of(path), f"the certificate of key {entry.key_id}")
        if entry.where == TOKEN:
            from gateway.trust.pkcs11_keys import TokenSigner

            return TokenSigner(self._on_token(), agency_code, entry.key_id, certificate, ENVELOPES)
        return FileSigner(agency_code, self._load_key(agency_code, entry.key_id), certificate)

    def _as_on_disk(self, agency_code: str) -> _KnownKeys:
        """What was read of this agency's folder, read anew when a file of it changed: opening an encrypted key takes a
        tenth of a second, and every envelope asks. Two threads that find a change both read; the last one stays."""
        stamp = self._stamp(agency_code)
        known = self._known.get(agency_code)
        if known is None or known.stamp != stamp:
            try:
                entries = self.entries(agency_code)
            except OSError as why:
                raise _unreadable(self._folder(agency_code), why) from why
            known = _KnownKeys(stamp=stamp, entries=entries, signers={})
            self._known[agency_code] = known
        return known

    def _stamp(self, agency_code: str) -> Stamp | None:
        look = self._looks.get(agency_code)
        if look is None:
            look = self._looks[agency_code] = FolderLook(self._folder(agency_code), ".pem")
        try:
            return look.stamp()
        except OSError as why:
            raise _unreadable(self._folder(agency_code), why) from why

    def _entry_of(self, agency_code: str, key_id: str) -> KeyEntry:
        where = self._where(agency_code, key_id)
        path = self._path(agency_code, key_id, "crt")
        if path.is_file():
            certificate = read_certificate(_bytes_of(path), str(path))
            public = material.public_key_of(certificate, str(path))
            return material.entry(agency_code, public, where, certificate)
        return material.entry(agency_code, self._public(agency_code, key_id), where, None)

    def _public(self, agency_code: str, key_id: str) -> PublicKey:
        path = self._path(agency_code, key_id, "pub")
        try:
            loaded = serialization.load_pem_public_key(path.read_bytes())
        except (OSError, ValueError, UnsupportedAlgorithm) as why:
            raise Misconfigured(f"the public half of key {key_id} cannot be read: {path}") from why
        return material.checked(loaded, str(path))

    def _generate_file(self, agency_code: str, kind: KeyKind) -> PublicKey:
        key = _new_key(kind)
        protection = (
            serialization.BestAvailableEncryption(self._password)
            if self._password is not None
            else serialization.NoEncryption()
        )
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)
        write_private(self._path(agency_code, material.key_id(key.public_key()), "key"), pem)
        return key.public_key()

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

    def _on_token(self) -> TokenKeys:
        if self._token is None:
            raise Misconfigured(
                "a key lies on a token, and no token is set up here",
                hint="set keys.pkcs11_module and keys.token, and GATEWAY_KEYS_PIN_FILE",
            )
        return self._token

    def _where(self, agency_code: str, key_id: str) -> str:
        if self._path(agency_code, key_id, "key").is_file():
            return FILE
        if not self._path(agency_code, key_id, "pub").is_file():
            raise NotFound(f"agency {agency_code} has no key {key_id} in {self._root}")
        return TOKEN

    def _key_ids(self, agency_code: str) -> list[str]:
        folder = self._folder(agency_code)
        found = {path.name.split(".")[0] for part in ("key", "pub") for path in folder.glob(f"*.{part}.pem")}
        return sorted(found - {""})

    def _path(self, agency_code: str, key_id: str, part: str) -> Path:
        if not re.fullmatch(r"[0-9a-f]{16}", key_id):
            raise NotFound(f"{key_id!r} is no key id; expected 16 hexadecimal digits")
        return self._folder(agency_code) / f"{key_id}.{part}.pem"

    def _folder(self, agency_code: str) -> Path:
        if not material.CODE.fullmatch(agency_code):
            raise Misconfigured(
                f"{agency_code!r} cannot name a key directory; expected letters, digits and dots"
            )
        return self._root / agency_code


def password_from(file: Path | None, environment: str) -> bytes | None:
    """The password of the key files: a secret file's first line, else an environment variable, else None."""
    if file is None:
        return os.environ.get(environment, "").encode() or None
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as why:
        raise Misconfigured(f"the key password file {file} cannot be read") from why
    password = text.split("\n", 1)[0].rstrip("\r")
    if not password:
        raise Misconfigured(f"the key password file {file} is empty; its first line is the password")
    return password.encode()


def _valid(entry: KeyEntry, at: datetime) -> bool:
    return (
        entry.not_before is not None
        and entry.not_after is not None
        and entry.not_before <= at <= entry.not_after
    )


def _newest(agency_code: str, entries: tuple[KeyEntry, ...], at: datetime, use: KeyUse) -> KeyEntry:
    usable = [each for each in entries if _valid(each, at) and use.fault(each.fingerprint or "") is None]
    if not usable:
        raise _none(agency_code, entries, at, use)
    return max(
        usable,
        key=lambda each: (
            use.since(each.fingerprint or "") or each.not_before,
            each.not_before,
            each.key_id,
        ),
    )


def _none(agency_code: str, entries: tuple[KeyEntry, ...], at: datetime, use: KeyUse) -> NotFound:
    barred = [
        f"{each.key_id}: {fault}"
        for each in entries
        if _valid(each, at) and (fault := use.fault(each.fingerprint or "")) is not None
    ]
    if barred:
        return NotFound(
            f"agency {agency_code} has no exchange key that may sign at {at.isoformat()}: {'; '.join(barred)}",
            hint="bind the certificate of its new key: gateway keys propose, then gateway keys approve",
        )
    return NotFound(
        f"agency {agency_code} has no exchange key with a certificate valid at {at.isoformat()}",
        hint="generate a key, have its request signed, then import the certificate",
    )


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as why:
        raise _unreadable(path, why) from why


def _unreadable(path: Path, why: OSError) -> SignerDown:
    """It may be mended: what waits is signed then."""
    return SignerDown(
        f"{why.filename or path} cannot be read: {why.strerror or why}",
        hint=f"whoever runs the node must be able to read {path}",
    )


_WITH_SHA256, _WITH_SHA384 = ec.ECDSA(hashes.SHA256()), ec.ECDSA(hashes.SHA384())


def _signed(key: PrivateKey, data: bytes) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), hashes.SHA256())
    curve = key.curve.name
    r, s = decode_dss_signature(key.sign(data, _WITH_SHA384 if curve == "secp384r1" else _WITH_SHA256))
    return material.raw_low_s(r, s, curve)


def _new_key(kind: KeyKind) -> PrivateKey:
    if kind == "rsa-3072":
        return rsa.generate_private_key(public_exponent=65537, key_size=3072)
    return ec.generate_private_key(ec.SECP384R1() if kind == "ecdsa-p384" else ec.SECP256R1())
