"""The certificates that the broker and the database show, also one that nobody accepts any more: a line that breaks on an
expired certificate says so, and weeks before there is time to renew it. In: settings. Out: for each server its address and
when its certificate ends. Believes nothing: whom to trust the connections themselves decide."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509

from gateway.errors import GatewayError
from gateway.ops.doctor_log import Told
from gateway.settings import Settings
from gateway.transport.amqp.access import read_servers

ANSWER_S = 5.0
YELLOW, RED = timedelta(days=30), timedelta(days=7)
_POSTGRES = 5432
_ASKS_FOR_TLS = struct.pack("!ii", 8, 80877103)  # SSLRequest of PostgreSQL's protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One server of another program. `part` is what the node uses it for."""

    part: str
    host: str
    port: int
    certificate: Path | None = None
    key: Path | None = None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def of_settings(settings: Settings) -> tuple[Peer, ...]:
    """Those that may show a certificate; none that is reached without a network."""
    found = []
    host, port = database_host(settings.database.url)
    if host is not None:
        found.append(Peer(part="database", host=host, port=port))
    if settings.axis.kind == "amqp":
        amqp = settings.amqp
        try:
            servers = read_servers(amqp.servers)
        except GatewayError:
            servers = ()  # the line itself says what is wrong with the addresses
        found += [
            Peer(part="axis", host=each.host, port=each.port, certificate=amqp.certificate, key=amqp.key)
            for each in servers
            if each.tls
        ]
    return tuple(found)


def database_host(url: str) -> tuple[str | None, int]:
    """Where a database server is; None for a file, and for a socket of this machine."""
    try:
        parsed = urlsplit(url)
        host, port = parsed.hostname, parsed.port
    except ValueError:
        return None, 0  # the database itself says what is wrong with its address
    is_server = parsed.scheme.partition("+")[0] == "postgresql"
    return (host if is_server and host else None), port or _POSTGRES


def is_here(host: str) -> bool:
    """Whether this is the machine itself."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def ends(peer: Peer) -> datetime | None:
    """When the certificate that it shows ends; None where it does not answer, or has none. Sync: for the pool."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Only its dates are read: an expired one, or one of an unknown authority, is shown all the same.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        if peer.certificate is not None:
            context.load_cert_chain(peer.certificate, peer.key)
        with socket.create_connection((peer.host, peer.port), ANSWER_S) as line:
            if peer.part == "database":
                line.sendall(_ASKS_FOR_TLS)
                if line.recv(1) != b"S":
                    return None
            with context.wrap_socket(line, server_hostname=peer.host) as tls:
                der = tls.getpeercert(binary_form=True)
    except (OSError, ssl.SSLError):
        return None
    return x509.load_der_x509_certificate(der).not_valid_after_utc if der else None


def finding(peer: Peer, until: datetime | None, now: datetime) -> Told | None:
    """What a doctor says of it; nothing of one that shows none."""
    if until is None:
        return None
    told: dict[str, object] = {"server": str(peer), "until": until.date().isoformat()}
    told["days"] = max((until - now).days, 0)
    cure = f"openssl req -new -newkey rsa:3072 -nodes -subj /CN={peer.host} -addext subjectAltName=DNS:{peer.host}"
    if until <= now:
        return Told(level="red", cause="server.expired", params=told, cure=cure)
    if until - now < YELLOW:
        level = "red" if until - now < RED else "yellow"
        return Told(level=level, cause="server.expiring", params=told, cure=cure)
    return Told(level="green", cause="server.fine", params=told)


def identity(url: str, ca: Path | None) -> Sequence[Told]:
    """Encryption to whoever answers protects from nobody who can answer."""
    host, _ = database_host(url)
    if host is None or ca is not None or is_here(host):
        return []
    cure = 'gateway config check, after database.ca = "/etc/gateway/database-ca.pem"'
    return [Told(level="yellow", cause="database.anybody", params={"host": host}, cure=cure)]
