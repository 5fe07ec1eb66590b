"""Reads the certificate with which a program authenticates in TLS: from the header that the TLS proxy writes, and from the
file that an administrator binds to a key. In: the values of a header; the bytes of a file. Out: one `ClientCertificate`,
or `NotACertificate` with a reason that quotes no input. Pure.

The header has the form of RFC 9440, or the certificate in PEM and URL-escaped, as nginx writes it. Anything ambiguous is
refused, not guessed: two values, two certificates, bytes after the end."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from urllib.parse import unquote_to_bytes

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_private_key
from cryptography.x509.oid import NameOID

from gateway.domain.account import ClientCertificate

HEADER = "Client-Cert"
LONGEST = 8000
"""Most characters of the header: a certificate of about five kilobytes in the longer form."""
LARGEST = 64 * 1024
"""Most bytes of a file."""
_LONGEST_NAME = 200
_BEGIN = "-----BEGIN"
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----\s([^-]*)-----END CERTIFICATE-----")
# A PKCS#12 file begins with its version 3, a certificate with another sequence.
_PKCS12 = re.compile(rb"\x30(?:[\x00-\x7f]|\x80|\x81.|\x82..|\x83...)\x02\x01\x03", re.DOTALL)


class NotACertificate(ValueError):
    """The input is not exactly one certificate. `code` is certificate-twice, -long, -several or -unread, for files also
    -private (labels `fault.`)."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def read_header(values: Sequence[str]) -> ClientCertificate | None:
    """Return the certificate of the header; None where the proxy sent none. NotACertificate for anything else."""
    if len(values) > 1:
        raise NotACertificate("certificate-twice")
    text = values[0].strip() if values else ""
    if not text:
        return None
    if len(text) > LONGEST:
        raise NotACertificate("certificate-long")
    if text.startswith(_BEGIN):
        plain = unquote_to_bytes(text).strip()
        der = _decode_pem(plain)
        if _PEM.fullmatch(plain) is None:
            raise NotACertificate("certificate-unread")
        return _parse_certificate(der)
    if "," in text:
        raise NotACertificate("certificate-several")
    if len(text) < 2 or not (text.startswith(":") and text.endswith(":")):
        raise NotACertificate("certificate-unread")
    return _parse_certificate(_decode_base64(text[1:-1].encode("utf-8", "surrogateescape")))


def read_file(raw: bytes) -> ClientCertificate:
    """Return the certificate of a PEM or DER file; NotACertificate also for a file with a private key, which should
    never leave its program."""
    if len(raw) > LARGEST:
        raise NotACertificate("certificate-long")
    if b"PRIVATE KEY-----" in raw or _PKCS12.match(raw) is not None or _is_private_key(raw):
        raise NotACertificate("certificate-private")
    return _parse_certificate(_decode_pem(raw) if _BEGIN.encode() in raw else raw)


def _decode_pem(raw: bytes) -> bytes:
    blocks = _PEM.findall(raw)
    if len(blocks) > 1:
        raise NotACertificate("certificate-several")
    if not blocks:
        raise NotACertificate("certificate-unread")
    return _decode_base64(b"".join(blocks[0].split()))


def _decode_base64(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as why:
        raise NotACertificate("certificate-unread") from why


def _parse_certificate(der: bytes) -> ClientCertificate:
    try:
        certificate = x509.load_der_x509_certificate(der)
        name = _subject_name(certificate.subject)
        begins_at, ends_at = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    # For odd certificates the library raises other errors than its own too.
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion) as why:
        raise NotACertificate("certificate-unread") from why
    return ClientCertificate(
        sha256=hashlib.sha256(der).hexdigest(), name=name, begins_at=begins_at, ends_at=ends_at
    )


def _subject_name(subject: x509.Name) -> str:
    """Return the common name, else the whole subject, with unprintable characters replaced."""
    common = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    text = str(common[-1].value) if common else subject.rfc4514_string()
    return "".join(char if char.isprintable() else "?" for char in text)[:_LONGEST_NAME]


def _is_private_key(raw: bytes) -> bool:
    try:
        load_der_private_key(raw, None)
    except TypeError:
        return True  # an encrypted key
    except (ValueError, UnsupportedAlgorithm):
        return False
    return True
