"""What a check says of the server's certificate: authority, name and days left. The server here speaks TLS and no AMQP."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from gateway.transport.amqp.access import Access, Server
from gateway.transport.broker import check
from gateway.transport.broker.check import AxisFinding, StepMark


def certificate(folder: Path, name: str, days: float) -> Path:
    """Key and self-signed certificate in one file, for this name or address."""
    key, subject = ec.generate_private_key(ec.SECP256R1()), x509.Name([_named(name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=400))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([_general(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, SHA256())
    )
    file = folder / f"{name}-{days}.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(private + made.public_bytes(Encoding.PEM))
    return file


def _named(name: str) -> x509.NameAttribute[str]:
    return x509.NameAttribute(NameOID.COMMON_NAME, name)


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


@asynccontextmanager
async def server(shown: Path) -> AsyncIterator[Server]:
    """Shows this certificate, and hangs up on whoever accepted it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown)

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    listening = await asyncio.start_server(hang_up, "127.0.0.1", 0, ssl=context)
    async with listening:
        yield Server(host="127.0.0.1", port=listening.sockets[0].getsockname()[1], tls=True)


async def examined(at: Server, trusted: Path) -> dict[str, AxisFinding]:
    access = Access(servers=(at,), vhost="v", user="u", password="p", ca=trusted, connect_s=5.0)
    return {each.step: each async for each in check.examine(access, "u", ())}


async def test_a_good_certificate_is_told_with_its_days(tmp_path: Path) -> None:
    good = certificate(tmp_path, "127.0.0.1", 40.5)
    async with server(good) as at:
        found = await examined(at, good)

    assert (found["tls"].mark, found["tls"].params["days"]) == (StepMark.FINE, 40)
    assert (found["login"].mark, found["login"].cause) == (StepMark.WRONG, "login.broken")
    assert {found[step].mark for step in ("queues", "rights", "hosted")} == {StepMark.SKIPPED}


@pytest.mark.parametrize(("name", "days"), [("localhost", 40.5), ("127.0.0.1", -1.0)])
async def test_a_wrong_name_and_an_expired_certificate_are_not_accepted(
    tmp_path: Path, name: str, days: float
) -> None:
    bad = certificate(tmp_path, name, days)
    async with server(bad) as at:
        found = await examined(at, bad)

    assert (found["tls"].mark, found["tls"].cause, found["tls"].cure) == (
        StepMark.WRONG,
        "tls.untrusted",
        "tls",
    )
    assert found["login"].mark is StepMark.SKIPPED


async def test_a_certificate_of_another_authority_is_not_accepted(tmp_path: Path) -> None:
    shown, trusted = certificate(tmp_path, "127.0.0.1", 40.5), certificate(tmp_path, "127.0.0.1", 41.5)
    async with server(shown) as at:
        found = await examined(at, trusted)

    assert found["tls"].cause == "tls.untrusted"


async def test_a_certificate_that_ends_soon_is_told_and_the_check_goes_on(tmp_path: Path) -> None:
    ending = certificate(tmp_path, "127.0.0.1", 13.5)
    async with server(ending) as at:
        found = await examined(at, ending)

    assert (found["tls"].mark, found["tls"].cause) == (StepMark.WRONG, "tls.expiring")
    assert found["login"].mark is StepMark.WRONG


async def test_a_trust_file_that_cannot_be_read_is_told_as_such(tmp_path: Path) -> None:
    good = certificate(tmp_path, "127.0.0.1", 40.5)
    (tmp_path / "empty.pem").write_text("")
    async with server(good) as at:
        found = await examined(at, tmp_path / "empty.pem")

    assert found["tls"].mark is StepMark.WRONG
    assert "amqp.ca" in str(found["tls"].params)
