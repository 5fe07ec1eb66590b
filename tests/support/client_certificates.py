"""Certificates with which programs show themselves in TLS, made by the tools' own authority, and the headers that TLS
proxies write of them; the node that believes a proxy of the tests."""

from __future__ import annotations

import base64
from datetime import timedelta
from functools import cache
from pathlib import Path
from urllib.parse import quote

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.domain.account import ClientCertificate
from gateway.policy import client_certificate
from tests.support.clock import START
from tools.pki import parts
from tools.pki.parts import Party

USE = parts.usage("digital_signature")


@cache
def authority() -> Party:
    return parts.root("Authority of programs", (START - 12 * parts.YEARS, START + 30 * parts.YEARS))


@cache
def program(name: str = "qlvb", days: int = 365, since: int = -365) -> Party:
    """A program's certificate, from so many days after the tests' clock to so many."""
    span = (START + timedelta(days=since), START + timedelta(days=days))
    return authority().issue(name, valid=span, use=USE)


def der(party: Party) -> bytes:
    return party.certificate.public_bytes(Encoding.DER)


def pem(party: Party) -> bytes:
    return party.certificate.public_bytes(Encoding.PEM)


def key_pem(party: Party) -> bytes:
    return party.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def bound(party: Party) -> ClientCertificate:
    """Return the certificate in the form that is bound to a key."""
    return client_certificate.read_file(der(party))


def header(party: Party) -> str:
    """Return the header of RFC 9440."""
    return f":{base64.b64encode(der(party)).decode()}:"


def nginx(party: Party) -> str:
    """Escape a certificate as nginx does in $ssl_client_escaped_cert."""
    return quote(pem(party).decode(), safe="-._~")


def header_fields(party: Party) -> dict[str, str]:
    return {client_certificate.HEADER: header(party)}


def write_files(party: Party, folder: Path, name: str) -> tuple[Path, Path]:
    """The files of a certificate and of its key."""
    public, private = folder / f"{name}.pem", folder / f"{name}.key"
    public.write_bytes(pem(party))
    private.write_bytes(key_pem(party))
    return public, private
