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


def der(of: Party) -> bytes:
    return of.certificate.public_bytes(Encoding.DER)


def pem(of: Party) -> bytes:
    return of.certificate.public_bytes(Encoding.PEM)


def key_pem(of: Party) -> bytes:
    return of.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def bound(of: Party) -> ClientCertificate:
    """As it is bound to a key."""
    return client_certificate.read_file(der(of))


def header(of: Party) -> str:
    """As RFC 9440 has it."""
    return f":{base64.b64encode(der(of)).decode()}:"


def nginx(of: Party) -> str:
    """As nginx writes $ssl_client_escaped_cert."""
    return quote(pem(of).decode(), safe="-._~")


def said(of: Party) -> dict[str, str]:
    return {client_certificate.HEADER: header(of)}


def written(of: Party, folder: Path, name: str) -> tuple[Path, Path]:
    """The files of a certificate and of its key."""
    shown, private = folder / f"{name}.pem", folder / f"{name}.key"
    shown.write_bytes(pem(of))
    private.write_bytes(key_pem(of))
    return shown, private
