"""The steps of a check that lead to a logged-in line: name, port, certificate, user and vhost. In: a `Session`. Out: what
was found, for the label of the step; or a `Fault`."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime

import aio_pika
from aiormq.exceptions import ConnectionNotAllowed, InvalidFrameError, ProbableAuthenticationError
from yarl import URL

from gateway.transport.amqp import decoding
from gateway.transport.amqp.failures import BROKEN, said
from gateway.transport.broker.session import Fault, Session

SOON_DAYS = 14  # an authority needs days to renew a certificate


async def dns(session: Session) -> Mapping[str, object]:
    """The server's name has an address."""
    host = session.server.host
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as why:
        raise Fault("dns.unknown", "dns", host=host, detail=said(why)) from why
    return {"host": host, "addresses": ", ".join(sorted({str(each[4][0]) for each in found}))}


async def tcp(session: Session) -> Mapping[str, object]:
    """Somebody listens at its port."""
    server = session.server
    try:
        _, writer = await asyncio.open_connection(server.host, server.port)
    except OSError as why:
        raise Fault("tcp.refused", "tcp", port=server.port, detail=said(why)) from why
    await _leave(writer)
    return {"port": server.port}


async def tls(session: Session) -> Mapping[str, object]:
    """Its certificate is of an authority we trust, has its name and holds for a while."""
    server = session.server
    try:
        _, writer = await asyncio.open_connection(
            server.host, server.port, ssl=session.access.tls_context(), server_hostname=server.host
        )
    except ssl.SSLCertVerificationError as why:
        raise Fault("tls.untrusted", "tls", detail=why.verify_message) from why
    except (OSError, ssl.SSLError) as why:
        raise Fault("tls.refused", "tls_port", detail=said(why)) from why
    certificate = writer.get_extra_info("peercert")
    await _leave(writer)
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)
    until, days = ends.date().isoformat(), (ends - datetime.now(UTC)).days
    if days < SOON_DAYS:
        raise Fault("tls.expiring", "tls_renew", until=until, days=days)
    return {"until": until, "days": days}


async def login(session: Session) -> Mapping[str, object]:
    """The user and its password are right, and the vhost is there and open to it."""
    access = session.access
    told = {"user": access.user, "vhost": access.vhost}
    try:
        async with asyncio.timeout(access.connect_s):
            session.line = await _connected(session)
    except ProbableAuthenticationError as why:
        raise Fault("login.refused", "login", **told) from why
    except (ConnectionNotAllowed, InvalidFrameError) as why:
        # The library expects no farewell here, and keeps the broker's words to itself.
        raise Fault("vhost.closed", "apply", **told) from why
    except ssl.SSLError as why:
        raise Fault("tls.refused", "tls", detail=said(why)) from why
    except BROKEN as why:
        raise Fault("login.broken", "amqp_port", detail=said(why), **told) from why
    session.stack.push_async_callback(session.line.close)
    return told


async def _connected(session: Session) -> aio_pika.abc.AbstractConnection:
    access, server = session.access, session.server
    url = URL.build(
        scheme="amqps" if server.tls else "amqp",
        host=server.host,
        port=server.port,
        user=access.user,
        password=access.password,
        path="/" + access.vhost.replace("/", "%2F"),
        query={"name": f"lienthong {session.node} check"},
    )
    context = access.tls_context() if server.tls else None
    decoding.widen()  # a step takes what lies in the dead queue
    return await aio_pika.connect(url, timeout=access.connect_s, ssl_context=context)


async def _leave(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
