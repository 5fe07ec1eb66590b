"""Opens an agency's own key, with which a person signs PDFs, on a token over PKCS#11 or in a PKCS#12 file, and reads its
certificate. In: the choice of a key, a PIN or passphrase typed by a person. Out: an opened `AgencyKey` with its
`KeyFacts`; closing it logs out or drops the key. Each typed PIN is tried once, because a token locks itself after a few
wrong ones. A key file is for trials only: unlike a key on a token it can be copied."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pkcs11
from asn1crypto.algos import DigestInfo
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass, PKCS11Error, Session, Token, TokenFlag
from pkcs11.util.ec import encode_ecdsa_signature

from gateway.domain.pdf import KeyFacts
from gateway.errors import Clash, Denied, GatewayError, Misconfigured, NotFound
from gateway.trust.chain import key_is_strong, usage_holds
from gateway.trust.key_material import spki
from gateway.trust.pdf_signing import AskPin

MOST_TOKEN_OBJECTS = 200
_WRONG_PIN = (pkcs11.PinIncorrect, pkcs11.PinInvalid, pkcs11.PinLenRange)
LARGEST_KEY_FILE = 1024 * 1024
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def facts_of(certificate: x509.Certificate) -> KeyFacts:
    """Return the facts about a certificate; `signs` is False where its usage, kind or size of key is one that no
    receiver accepts."""
    der = certificate.public_bytes(Encoding.DER)
    return KeyFacts(
        certificate_der=der,
        fingerprint=hashlib.sha256(der).hexdigest(),
        key_id=hashlib.sha256(spki(certificate.public_key())).hexdigest()[:16],
        subject=certificate.subject.rfc4514_string(),
        serial=f"{certificate.serial_number:x}",
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        signs=usage_holds(certificate) and key_is_strong(certificate),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenChoice:
    """Choice of a key. Without a label the only token present is meant; `key` is a label, or an id in hexadecimal."""

    module: Path
    label: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """Private key and its certificate, which have the same id on the token."""

    label: str
    key_id: bytes
    handle: Any  # Any: the library makes its object classes at run time
    certificate: x509.Certificate


class TokenKey:
    """`AgencyKey` on a token, which never gives out the private key."""

    def __init__(self, pair: _Pair, chain: Sequence[bytes], opened_at: datetime) -> None:
        self.facts = facts_of(pair.certificate)
        self.chain_der = tuple(chain)
        self.opened_at = opened_at
        self._pair = pair
        self._turn = threading.Lock()  # a session does one thing at a time

    def sign(self, data: bytes) -> bytes:
        digest = hashlib.sha256(data).digest()
        try:
            with self._turn:
                if self._pair.handle.key_type == KeyType.RSA:
                    return bytes(self._pair.handle.sign(_digest_info(digest), mechanism=Mechanism.RSA_PKCS))
                raw = self._pair.handle.sign(digest, mechanism=Mechanism.ECDSA)
                return bytes(encode_ecdsa_signature(raw))
        except PKCS11Error as why:
            raise Clash(
                f"the token did not sign ({type(why).__name__})",
                code="TOKEN-FAILED",
                hint="put the token in again, then sign once more",
            ) from why


@contextmanager
def open_token(choice: TokenChoice, ask: AskPin, at: datetime) -> Iterator[TokenKey]:
    """Yield the opened key on the token. The PIN is asked for only once the token was found and is not locked."""
    token = _find_token(choice)
    session = _log_in(token, ask)
    try:
        yield _key_on_token(session, token, choice, at)
    finally:
        with suppress(PKCS11Error):  # the token was removed, so nothing is left to close
            session.close()


def _find_token(choice: TokenChoice) -> Token:
    tokens = _tokens(choice.module)
    if not tokens:
        raise NotFound(
            "there is no token", code="TOKEN-ABSENT", hint="put the token in, and see that its driver runs"
        )
    matches = [t for t in tokens if not choice.label or t.label == choice.label]
    labels = ", ".join(sorted(repr(t.label) for t in tokens))
    if not matches:
        raise NotFound(
            f"there is no token {choice.label!r}; there is {labels}",
            code="TOKEN-ABSENT",
            hint="name one of them with --token",
        )
    if len(matches) > 1:
        raise Clash(
            f"there are {len(matches)} tokens that could be meant: {labels}",
            code="TOKEN-WHICH",
            hint="take the others out, or name one with --token",
        )
    if matches[0].flags & TokenFlag.USER_PIN_LOCKED:
        raise _locked_error(matches[0])
    return matches[0]


def _tokens(module: Path) -> list[Token]:
    try:
        library = pkcs11.lib(str(module))
        slots = library.get_slots(token_present=True)
        tokens = [slot.get_token() for slot in slots[:MOST_TOKEN_OBJECTS]]
    except (PKCS11Error, RuntimeError, OSError) as why:
        raise Misconfigured(
            f"the PKCS#11 module {module} cannot be used ({type(why).__name__})",
            hint="sign.module names the library that came with the token",
        ) from why
    return [t for t in tokens if t.flags & TokenFlag.TOKEN_INITIALIZED]


def _log_in(token: Token, ask: AskPin) -> Session:
    try:
        return token.open(user_pin=ask(token.label).reveal())
    except pkcs11.PinLocked:
        raise _locked_error(token) from None
    except _WRONG_PIN:
        raise Denied(
            f"the token {token.label!r} does not take this PIN{_last_try_warning(token)}",
            code="TOKEN-PIN",
            hint="a token locks itself after a few wrong PINs: be sure before you try again",
        ) from None
    except PKCS11Error as why:
        raise Clash(
            f"the token {token.label!r} cannot be opened ({type(why).__name__})", code="TOKEN-FAILED"
        ) from None


def _last_try_warning(token: Token) -> str:
    try:
        flags = token.slot.get_token().flags
    except PKCS11Error:
        return ""
    return "; one more wrong PIN locks it" if flags & TokenFlag.USER_PIN_FINAL_TRY else ""


def _locked_error(token: Token) -> GatewayError:
    return Denied(
        f"the token {token.label!r} is locked by wrong PINs",
        code="TOKEN-LOCKED",
        hint="its issuer unlocks it; no PIN was tried now",
    )


def _key_on_token(session: Session, token: Token, choice: TokenChoice, at: datetime) -> TokenKey:
    try:
        certificates = _certificates(session)
        pairs = list(_pairs(session, certificates, token.label))
    except PKCS11Error as why:
        raise Clash(
            f"the token {token.label!r} cannot be read ({type(why).__name__})", code="TOKEN-FAILED"
        ) from why
    matches = [p for p in pairs if choice.key in ("", p.label, p.key_id.hex())]
    names = ", ".join(sorted(f"{p.label!r} ({p.key_id.hex()})" for p in pairs))
    if not matches:
        raise NotFound(
            f"the token {token.label!r} has no key {choice.key!r}; it has {names}", code="TOKEN-NO-KEY"
        )
    if len(matches) > 1:
        raise Clash(
            f"the token {token.label!r} has several keys: {names}",
            code="TOKEN-WHICH",
            hint="name one of them with --key",
        )
    chain = [der for key_id, der in certificates if key_id != matches[0].key_id]
    return TokenKey(matches[0], chain, at)


def _certificates(session: Session) -> list[tuple[bytes, bytes]]:
    objects = session.get_objects({Attribute.CLASS: ObjectClass.CERTIFICATE})
    return [(bytes(x[Attribute.ID]), bytes(x[Attribute.VALUE])) for x in _few(objects)]


def _pairs(session: Session, certificates: Sequence[tuple[bytes, bytes]], label: str) -> Iterator[_Pair]:
    by_id = dict(certificates)
    keys = _few(session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.SIGN: True}))
    if not keys:
        raise NotFound(f"the token {label!r} has no key to sign with", code="TOKEN-NO-KEY")
    lone_labels = []
    for key in keys:
        key_id = bytes(key[Attribute.ID])
        if key_id in by_id:
            try:
                certificate = x509.load_der_x509_certificate(by_id[key_id])
            except (ValueError, x509.InvalidVersion) as why:
                raise Clash(
                    f"a certificate on the token {label!r} cannot be read", code="TOKEN-NO-CERTIFICATE"
                ) from why
            yield _Pair(label=str(key[Attribute.LABEL]), key_id=key_id, handle=key, certificate=certificate)
        else:
            lone_labels.append(repr(key[Attribute.LABEL]))
    if len(lone_labels) == len(keys):
        raise NotFound(
            f"no key on the token {label!r} has a certificate beside it: {', '.join(sorted(lone_labels))}",
            code="TOKEN-NO-CERTIFICATE",
            hint="have the issuer put the certificate on the token, under the id of its key",
        )


def _few(objects: Iterator[Any]) -> list[Any]:
    """Return the first of the objects. All are read, because an unfinished search blocks the next one."""
    return list(objects)[:MOST_TOKEN_OBJECTS]


def _digest_info(digest: bytes) -> bytes:
    """Return the digest with its algorithm's identifier, as PKCS#1 v1.5 signs it."""
    return bytes(DigestInfo({"digest_algorithm": {"algorithm": "sha256"}, "digest": digest}).dump())


class HeldKey:
    """`AgencyKey` with its private key in this process, from a PKCS#12 file, or made for a demonstration."""

    def __init__(
        self,
        key: PrivateKey,
        certificate: x509.Certificate,
        chain: Sequence[x509.Certificate],
        opened_at: datetime,
    ) -> None:
        self.facts = facts_of(certificate)
        self.chain_der = tuple(c.public_bytes(Encoding.DER) for c in chain)
        self.opened_at = opened_at
        self._key: PrivateKey | None = key

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
    """Yield the opened key in the file. Raise Denied for a wrong passphrase, Clash when it holds no usable key."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_KEY_FILE + 1)
    except OSError as why:
        raise NotFound(f"the key file {path} cannot be read: {why.strerror}") from why
    if len(content) > LARGEST_KEY_FILE:
        raise Clash(f"{path} is too large for a key file", code="TOKEN-NO-KEY")
    key = _read_key_file(content, path, ask, at)
    try:
        yield key
    finally:
        key.close()


def _read_key_file(content: bytes, path: Path, ask: AskPin, at: datetime) -> HeldKey:
    try:
        key, certificate, chain = pkcs12.load_key_and_certificates(
            content, ask(path.name).reveal().encode("utf-8")
        )
    except ValueError:
        # The library's message may quote the input, so it is dropped here.
        raise Denied(
            f"{path} does not open: another passphrase, or no PKCS#12 file", code="TOKEN-PIN"
        ) from None
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise Clash(f"{path} holds no RSA or elliptic curve key", code="TOKEN-NO-KEY")
    if certificate is None:
        raise Clash(f"the key in {path} has no certificate beside it", code="TOKEN-NO-CERTIFICATE")
    return HeldKey(key, certificate, chain, at)
