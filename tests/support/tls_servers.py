"""A server on this machine that speaks TLS with a certificate of one's choosing, as a broker does or as PostgreSQL does."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.support.waiting import LIMIT_S


def make_certificate(folder: Path, name: str, ends: datetime) -> tuple[Path, Path]:
    """A certificate of this machine, its own authority, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    addresses = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(ends - timedelta(days=400))
        .not_valid_after(ends)
        .add_extension(addresses, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    file, private = folder / f"{name}.pem", folder / f"{name}.key"
    file.write_bytes(certificate.public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return file, private


def in_days(days: int) -> datetime:
    return datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)


@contextmanager
def serving(certificate: Path, key: Path, *, is_postgres: bool = False) -> Iterator[tuple[int, list[bytes]]]:
    """The port, and what was heard inside TLS so far. Each caller is heard once and let go."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    received: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as door:

        def serve() -> None:
            while True:
                try:
                    line, _ = door.accept()
                except OSError:
                    return
                with line:
                    line.settimeout(LIMIT_S)
                    try:
                        if is_postgres and line.recv(8):
                            line.sendall(b"S")
                        with context.wrap_socket(line, server_side=True) as tls:
                            received.append(tls.recv(1024))
                    except OSError:
                        continue  # the caller did not believe the certificate, or had seen enough

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield door.getsockname()[1], received
        door.shutdown(socket.SHUT_RDWR)
    thread.join(LIMIT_S)
