"""Reads where the broker is and as which user this node logs in. In: texts of the settings. Out: an `Access`, or
Misconfigured with the fault. A server is `amqp://host:port` or `amqps://host:port`; user, password and vhost are
settings of their own."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from yarl import URL

from gateway.errors import Misconfigured

PORTS = {"amqp": 5672, "amqps": 5671}


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One member of the broker's cluster."""

    host: str
    port: int
    tls: bool

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'amqps' if self.tls else 'amqp'}://{host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Data needed to connect to any server of the cluster."""

    servers: tuple[Server, ...]
    vhost: str
    user: str
    password: str = field(repr=False)
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    heartbeat_s: int = 10
    connect_s: float = 10.0

    def url(self, server: Server, **query: str) -> URL:
        return URL.build(
            scheme="amqps" if server.tls else "amqp",
            host=server.host,
            port=server.port,
            user=self.user,
            password=self.password,
            path="/" + self.vhost.replace("/", "%2F"),
            query=query,
        )

    def tls_context(self) -> ssl.SSLContext:
        """Make a TLS context that always checks the broker's certificate and name, and presents our certificate where
        one is set."""
        try:
            context = ssl.create_default_context(cafile=self.ca)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if self.certificate is not None:
                context.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as cause:
            raise Misconfigured(
                f"the certificates for the broker cannot be used: {cause}",
                hint="check amqp.ca, amqp.certificate and amqp.key",
            ) from cause
        return context


def read_servers(text: str) -> tuple[Server, ...]:
    """Read server addresses separated by commas; Misconfigured when one is wrong or none is there."""
    servers = tuple(_server(address.strip()) for address in text.split(",") if address.strip())
    if not servers:
        raise _wrong(text, "there is none")
    return servers


def _server(text: str) -> Server:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as cause:
        raise _wrong(text, str(cause)) from cause
    if parts.scheme not in PORTS or not parts.hostname:
        raise _wrong(text, "it does not name a host after amqp:// or amqps://")
    if "@" in parts.netloc or parts.path.strip("/") or parts.query or parts.fragment:
        raise _wrong(text, "user, password and vhost are settings of their own")
    return Server(host=parts.hostname, port=port or PORTS[parts.scheme], tls=parts.scheme == "amqps")


def _wrong(text: str, why: str) -> Misconfigured:
    address = text.rpartition("@")[2]  # the error must not show a password written before the host
    return Misconfigured(
        f"amqp.servers: {address!r} is no broker address: {why}",
        hint="write amqps://host:5671, several with commas between them",
    )
