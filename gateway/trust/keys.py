"""Keeps exchange keys of the hosted agencies, in files or on a token. In: an agency code, a password, certificates that
an authority issued. Out: key entries for people to read, and signers that do not reveal their key. Each agency has a
directory with the public part of every key, and the private key itself unless it is on a token. `write_private` writes
every file: under a temporary name, synced and renamed, readable only by the node's user, never seen half-written. These
keys sign packets unattended; the key with which an agency signs PDFs is never here."""

from __future__ import annotations

import os
import re
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

from gateway import random_source
from gateway.atomic_files import make_private, sync_folder, write_private
from gateway.domain.certificates import ANY_KEY, KeyUse
from gateway.domain.wall_clock import moment_text
from gateway.errors import Clash, Misconfigured, NotFound, SignerDown
from gateway.ports.services import EnvelopeSigner
from gateway.trust import key_material as material
from gateway.trust.folder_stamps import FolderLook, Stamp
from gateway.trust.key_material import EXCHANGE, FILE, TOKEN
from gateway.trust.key_material import KeyEntry as KeyEntry
from gateway.trust.key_material import KeyKind as KeyKind
from gateway.trust.key_material import PublicKey as PublicKey
from gateway.trust.key_material import agency_name as agency_name
from gateway.trust.key_material import read_certificate as read_certificate

if TYPE_CHECKING:
    from gateway.trust.pkcs11_keys import TokenKeys

PrivateKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
_WITH_SHA256, _WITH_SHA384 = ec.ECDSA(hashes.SHA256()), ec.ECDSA(hashes.SHA384())


def own_key(path: Path, password: bytes | None, generate: Callable[[], PrivateKeyTypes], use: str) -> object:
    """Return a private key of the node itself from its file, made by `generate` where there is none yet. Raise
    Misconfigured when the file cannot be opened."""
    try:
        if not path.is_file():
            fresh = path.with_name(f".{random_source.token_hex(8)}.{path.name}")
            write_private(fresh, private_pem(generate(), password))
            try:
                # Of two processes that start together the second uses the first one's key: a link never replaces a file.
                with suppress(FileExistsError):
                    os.link(fresh, path)
                # What the key signs soon lies in the database; after a power cut it must still have its name.
                sync_folder(path.parent)
            finally:
                fresh.unlink(missing_ok=True)
        return open_pem(path.read_bytes(), password)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as why:
        raise Misconfigured(
            f"the key {use} does not open: {path}", hint="check keys.password and the file's owner"
        ) from why


def open_pem(pem: bytes, passwords: bytes | None) -> PrivateKeyTypes:
    """Open a private key with one of the passwords, a line each. ValueError or TypeError where none of them fits."""
    *first, last = (passwords or b"").split(b"\n")
    for password in first:
        with suppress(ValueError):
            return serialization.load_pem_private_key(pem, password)
    return serialization.load_pem_private_key(pem, last or None)


def private_pem(key: PrivateKeyTypes, passwords: bytes | None) -> bytes:
    """Return the key in PEM, encrypted with the first password; without one any reader of the file has the key."""
    password = (passwords or b"").partition(b"\n")[0]
    protection = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)


class FileSigner:
    """Signer with one key in this process (`ports.services.EnvelopeSigner`). Safe to share between threads. It signs
    only content of its purpose."""

    at_hand = True

    def __init__(
        self,
        agency_code: str,
        key: PrivateKey,
        certificate: x509.Certificate,
        purpose: bytes | tuple[bytes, ...] = EXCHANGE,
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
        return _sign(self._key, data)


@dataclass(frozen=True, slots=True, kw_only=True)
class _LoadedKeys:
    """Keys of one agency as read when its folder had `stamp`; `signers` are those opened since, by key id."""

    stamp: Stamp | None
    entries: tuple[KeyEntry, ...]
    signers: dict[str, EnvelopeSigner]


class KeyDirectory:
    """Exchange keys of the hosted agencies in one directory: `<root>/<agency code>/<key id>.{key,pub,csr,crt}.pem`; a
    key on a token has no `key` file. With `password` None keys are stored unencrypted, for the demo only, because a
    reader of the disk or of a backup can then sign as the agency. Without a `token` only keys in files work."""

    def __init__(self, root: Path, password: bytes | None, token: TokenKeys | None = None) -> None:
        self._root = root
        self._password = password or None
        self._token = token
        self._loaded: dict[str, _LoadedKeys] = {}
        self._looks: dict[str, FolderLook] = {}

    @property
    def has_token(self) -> bool:
        return self._token is not None

    def generate(self, agency_code: str, kind: KeyKind = "ecdsa-p256", storage: str = FILE) -> KeyEntry:
        """Make a new key durably and return its entry; it has no certificate yet."""
        self._folder(agency_code)
        make_private(self._root)
        make = self._on_token().generate if storage == TOKEN else self._generate_file
        public = make(agency_code, kind)
        key_entry = material.entry(agency_code, public, storage, None)
        # The public half gets its own file, so that listing keys needs no password and no token.
        write_private(self._path(agency_code, key_entry.key_id, "pub"), material.public_pem(public))
        return key_entry

    def request(self, agency_code: str, key_id: str, organisation: str) -> bytes:
        """Return the certificate signing request of a key in PEM, and write it beside the key."""
        subject = agency_name(agency_code, organisation)
        if self._storage_of(agency_code, key_id) == TOKEN:
            token, public = self._on_token(), self._public(agency_code, key_id)
            pem = material.request(
                public, subject, lambda data: token.sign(agency_code, key_id, public, data)
            )
        else:
            key = self._load_key(agency_code, key_id)
            pem = material.request(key.public_key(), subject, lambda data: _sign(key, data))
        write_private(self._path(agency_code, key_id, "csr"), pem)
        return pem

    def import_certificate(self, agency_code: str, pem: bytes) -> KeyEntry:
        """Store a certificate beside the agency's key that it certifies; raise Clash where it fits none."""
        label = f"the certificate for agency {agency_code}"
        certificate = read_certificate(pem, label)
        key_id = material.key_id(material.public_key_of(certificate, label))
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
        """Return the entries of all keys, or of one agency's, sorted by code and id."""
        if agency_code is not None:
            codes = [agency_code]
        else:
            codes = sorted(p.name for p in self._root.glob("*") if material.CODE.fullmatch(p.name))
        return tuple(self._entry_of(code, key_id) for code in codes for key_id in self._key_ids(code))

    def signer(self, agency_code: str, at: datetime, use: KeyUse = ANY_KEY) -> EnvelopeSigner:
        """Return a signer with the agency's key to use at that time: of the keys that have a valid certificate and may
        be used (W9, usable keys), the one that was bound last. Raise NotFound when there is none. A key on a token that
        is not reachable raises SignerDown only when it signs."""
        keys = self._load_keys(agency_code)
        newest = _newest(agency_code, keys.entries, at, use)
        if newest.key_id not in keys.signers:
            keys.signers[newest.key_id] = self._open(agency_code, newest)
        return keys.signers[newest.key_id]

    def opened(self, agency_code: str, at: datetime, use: KeyUse = ANY_KEY) -> EnvelopeSigner | None:
        """Return the result of `signer` if that is open already and signs without leaving this process; else None."""
        keys = self._loaded.get(agency_code)
        if keys is None or keys.stamp != self._stamp(agency_code):
            return None
        signer = keys.signers.get(_newest(agency_code, keys.entries, at, use).key_id)
        return signer if signer is not None and signer.at_hand else None

    def fault(self, agency_code: str, fingerprint: str, at: datetime, use: KeyUse) -> str | None:
        """Return the reason why a signature under that certificate must not be sent any more (W9), or None."""
        for key_entry in self._load_keys(agency_code).entries:
            if key_entry.fingerprint == fingerprint and not _valid(key_entry, at):
                return "its certificate is not in its time"
        return use.fault(fingerprint)

    def _open(self, agency_code: str, key_entry: KeyEntry) -> EnvelopeSigner:
        path = self._path(agency_code, key_entry.key_id, "crt")
        certificate = read_certificate(_read_bytes(path), f"the certificate of key {key_entry.key_id}")
        if key_entry.storage == TOKEN:
            from gateway.trust.pkcs11_keys import TokenSigner

            return TokenSigner(self._on_token(), agency_code, key_entry.key_id, certificate, EXCHANGE)
        return FileSigner(agency_code, self._load_key(agency_code, key_entry.key_id), certificate)

    def _load_keys(self, agency_code: str) -> _LoadedKeys:
        """Return the agency's keys, read again when a file of its folder changed: every envelope asks for them, and
        opening an encrypted key takes a tenth of a second. Two threads may both read after a change; the last result is
        kept."""
        stamp = self._stamp(agency_code)
        keys = self._loaded.get(agency_code)
        if keys is None or keys.stamp != stamp:
            try:
                entries = self.entries(agency_code)
            except OSError as why:
                raise _unreadable_error(self._folder(agency_code), why) from why
            keys = _LoadedKeys(stamp=stamp, entries=entries, signers={})
            self._loaded[agency_code] = keys
        return keys

    def _stamp(self, agency_code: str) -> Stamp | None:
        look = self._looks.get(agency_code)
        if look is None:
            look = self._looks[agency_code] = FolderLook(self._folder(agency_code), ".pem")
        try:
            return look.stamp()
        except OSError as why:
            raise _unreadable_error(self._folder(agency_code), why) from why

    def _entry_of(self, agency_code: str, key_id: str) -> KeyEntry:
        storage = self._storage_of(agency_code, key_id)
        path = self._path(agency_code, key_id, "crt")
        if path.is_file():
            certificate = read_certificate(_read_bytes(path), str(path))
            public = material.public_key_of(certificate, str(path))
            return material.entry(agency_code, public, storage, certificate)
        return material.entry(agency_code, self._public(agency_code, key_id), storage, None)

    def _public(self, agency_code: str, key_id: str) -> PublicKey:
        path = self._path(agency_code, key_id, "pub")
        try:
            loaded = serialization.load_pem_public_key(path.read_bytes())
        except (OSError, ValueError, UnsupportedAlgorithm) as why:
            raise Misconfigured(f"the public half of key {key_id} cannot be read: {path}") from why
        return material.check_key(loaded, str(path))

    def _generate_file(self, agency_code: str, kind: KeyKind) -> PublicKey:
        key = _new_key(kind)
        write_private(
            self._path(agency_code, material.key_id(key.public_key()), "key"),
            private_pem(key, self._password),
        )
        return key.public_key()

    def _load_key(self, agency_code: str, key_id: str) -> PrivateKey:
        path = self._path(agency_code, key_id, "key")
        try:
            pem = path.read_bytes()
        except OSError as why:
            raise NotFound(f"agency {agency_code} has no key {key_id} in {self._root}") from why
        try:
            key = open_pem(pem, self._password)
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

    def _storage_of(self, agency_code: str, key_id: str) -> str:
        if self._path(agency_code, key_id, "key").is_file():
            return FILE
        if not self._path(agency_code, key_id, "pub").is_file():
            raise NotFound(f"agency {agency_code} has no key {key_id} in {self._root}")
        return TOKEN

    def _key_ids(self, agency_code: str) -> list[str]:
        folder = self._folder(agency_code)
        ids = {path.name.split(".")[0] for part in ("key", "pub") for path in folder.glob(f"*.{part}.pem")}
        return sorted(ids - {""})

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


def encrypt_files(root: Path, passwords: bytes) -> tuple[int, int]:
    """Encrypt with the first password each key file below the folder that a further one opens, or that is not encrypted.
    Return how many were, and how many had it. Misconfigured, with nothing changed, where one does not open."""
    first = passwords.partition(b"\n")[0]
    changes: list[tuple[Path, bytes]] = []
    files = sorted(root.glob("*/*.key.pem"))
    for path in files:
        pem = path.read_bytes()
        try:
            with suppress(ValueError, TypeError):
                serialization.load_pem_private_key(pem, first)
                continue
            is_open = b"ENCRYPTED" not in pem
            key = serialization.load_pem_private_key(pem, None) if is_open else open_pem(pem, passwords)
        except (ValueError, TypeError, UnsupportedAlgorithm) as why:
            raise Misconfigured(
                f"no password opens the key file {path}; nothing was changed",
                hint="set keys.former_password to the one that it was made with",
            ) from why
        changes.append((path, private_pem(key, first)))
    for path, pem in changes:
        write_private(path, pem)
    return len(changes), len(files) - len(changes)


def password_from(file: Path | None, environment: str) -> bytes | None:
    """Return the password of the key files: the first line of a secret file, else an environment variable, else None."""
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


def _valid(key_entry: KeyEntry, at: datetime) -> bool:
    return (
        key_entry.not_before is not None
        and key_entry.not_after is not None
        and key_entry.not_before <= at <= key_entry.not_after
    )


def _newest(agency_code: str, entries: tuple[KeyEntry, ...], at: datetime, use: KeyUse) -> KeyEntry:
    usable = [k for k in entries if _valid(k, at) and use.fault(k.fingerprint or "") is None]
    if not usable:
        raise _no_key_error(agency_code, entries, at, use)
    return max(
        usable,
        key=lambda k: (
            use.since(k.fingerprint or "") or k.not_before,
            k.not_before,
            k.key_id,
        ),
    )


def _no_key_error(agency_code: str, entries: tuple[KeyEntry, ...], at: datetime, use: KeyUse) -> NotFound:
    barred = [
        f"{k.key_id}: {fault}"
        for k in entries
        if _valid(k, at) and (fault := use.fault(k.fingerprint or "")) is not None
    ]
    if barred:
        return NotFound(
            f"agency {agency_code} has no exchange key that may sign at {moment_text(at)}: {'; '.join(barred)}",
            hint="bind the certificate of its new key: gateway keys propose, then gateway keys approve",
        )
    return NotFound(
        f"agency {agency_code} has no exchange key with a certificate valid at {moment_text(at)}",
        hint="generate a key, have its request signed, then import the certificate",
    )


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as why:
        raise _unreadable_error(path, why) from why


def _unreadable_error(path: Path, why: OSError) -> SignerDown:
    """Return the error for a file that cannot be read. Waiting envelopes are signed once it can be read again."""
    return SignerDown(
        f"{why.filename or path} cannot be read: {why.strerror or why}",
        hint=f"whoever runs the node must be able to read {path}",
    )


def _sign(key: PrivateKey, data: bytes) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), hashes.SHA256())
    curve = key.curve.name
    r, s = decode_dss_signature(key.sign(data, _WITH_SHA384 if curve == "secp384r1" else _WITH_SHA256))
    return material.raw_low_s(r, s, curve)


def _new_key(kind: KeyKind) -> PrivateKey:
    if kind == "rsa-3072":
        return rsa.generate_private_key(public_exponent=65537, key_size=3072)
    return ec.generate_private_key(ec.SECP384R1() if kind == "ecdsa-p384" else ec.SECP256R1())
