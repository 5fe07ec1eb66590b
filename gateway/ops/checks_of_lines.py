"""What is checked of the lines to other programs, as the node's own user meets them: the axes, and the servers that show a
certificate. In: the node that is examined. Out: how each axis is, and what lies on it; and of the test of the line one
finding per step with the name of its axis, time, cause and cure. Of a broker what `transport.broker.check` finds; of a
folder that it is there, may be written, and answers; of a foreign axis that it lets each system in; and that what each
agency's key signs holds.

Of broker and database the certificate that they show is looked at, even one that nobody accepts any more: so one that
has expired is named as what breaks the line, and one that ends is named weeks before, while there is time to renew
it. Nothing is believed by that: whom to trust the connections themselves decide."""

from __future__ import annotations

import os
import secrets
import socket
import ssl
import struct
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509

from gateway.bootstrap.axis import FOREIGN_AXES, broker_access, open_axis
from gateway.domain.certificates import KeyUse
from gateway.domain.diagnosis import Diagnosis, Level, Tag, green, red, yellow
from gateway.edxml.key import value_fault
from gateway.edxml.policy import XmlPolicy
from gateway.errors import GatewayError, TransportFailure
from gateway.ops import axis_now
from gateway.ops.checks_of_parts import CLOCK_SKEW, LIES_SOON, clock_set_back
from gateway.ops.checks_of_trust import closed_registry
from gateway.ops.subject import Check, Subject, make
from gateway.outgoing import desk
from gateway.ports.axis import AxisDesk, AxisState
from gateway.settings import Settings
from gateway.transport.amqp.access import read_servers
from gateway.transport.embedded import EmbeddedAxis
from gateway.trust.key_material import ENVELOPES
from gateway.trust.keys import KeyDirectory

RED, YELLOW, GREEN = Level.RED, Level.YELLOW, Level.GREEN

CURE = "gateway axis check"


async def axes(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Each of several by itself: one that does not answer hides no other."""
    for name, alone in subject.settings.each_axis().items():
        check = Check(name="axis", ask=partial(_one_axis, settings=alone), cure=CURE)
        for finding in await make(check, subject, Tag.DOCTOR):
            named = f"{finding.check}.{name}" if name else finding.check
            yield replace(finding, check=named)


async def _one_axis(subject: Subject, settings: Settings) -> AsyncGenerator[Diagnosis]:
    folder, clock = settings.axis.folder, subject.clock
    if settings.axis.kind != "embedded":
        async with subject.open_axis(settings) as axis:
            for finding in await _line(subject, settings.axis_name, axis, CURE):
                yield finding
    elif not (folder / "axis.sqlite").is_file():
        # Opening it would make it, and a doctor changes nothing.
        yield yellow("axis", "axis.none", "gateway serve", path=folder)
    else:
        lease_s = subject.lease_s
        embedded = EmbeddedAxis(folder, settings.node.name, clock, subject.pool, lease_s=lease_s)
        try:
            moved = clock_set_back({"axis": await embedded.leased_ahead()}, None, clock.now())
            found = await _line(subject, settings.axis_name, embedded, f"ls -ld {folder}")
        finally:
            await embedded.close()
        for finding in (*found, *moved):
            yield finding


async def _line(subject: Subject, name: str, axis: AxisDesk, cure: str) -> Sequence[Diagnosis]:
    """Counting makes an axis connect; what it says of itself comes after that, and what the workers say of it."""
    heartbeat, now = subject.heartbeat, subject.clock.now()
    try:
        counts = await axis_now.count(axis, heartbeat, now)
    except TransportFailure as error:
        return [red("axis", "axis.down", cure, reason=axis.state().reason or str(error))]
    state = axis_now.worst_state(name, axis.state(), heartbeat, now)
    if (trouble := _trouble("axis", state)) is not None:
        return [trouble]
    oldest, found = await axis.oldest(), [green("axis", "axis.fine", **counts)]
    if oldest is not None and now - oldest > LIES_SOON:  # mail that nobody fetches
        minutes = round((now - oldest).total_seconds() / 60)
        found = [yellow("axis", "axis.lying", "gateway status", minutes=minutes)]
    if counts.get("dead"):
        found.append(yellow("axis.dead", "axis.dead", "gateway queue dead list", **counts))
    return found


def _trouble(check: str, state: AxisState) -> Diagnosis | None:
    """None where all is well; an axis that nobody needed yet is."""
    if state.word == "blocked":
        # RabbitMQ's own word for what it lacks; sending goes on by itself once there is room.
        cure = "rabbitmq-diagnostics check_local_alarms"
        return red(check, "axis.blocked", cure, reason=state.reason).worded("blocked")
    if state.word == "down":
        return red(check, "axis.down", CURE, reason=state.reason).worded("down")
    if state.word == "partly":
        # A foreign axis counts all the same what this node holds of it.
        return yellow(check, "axis.partly", CURE, reason=state.reason).worded("partly")
    return None


async def states(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """As the open axes say of themselves, and the workers of them; none of them is asked."""
    if subject.node is None:
        return
    look = partial(axis_now.whole_and_each, subject.node.axis, subject.heartbeat, subject.clock.now())
    whole, several = await subject.pool.run(look)
    known = {"axis": whole} | {f"axis.{name}": state for name, state in several.items()}
    for check, state in known.items():
        yield _trouble(check, state) or Diagnosis(check, GREEN, "up", word="ok", words="page.axis")


async def steps(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """What `gateway axis check` finds, of every axis."""
    hosted = [each for each in await subject.store.hosted() if each.left_at is None]
    codes = [code for agency in hosted for code in (agency.code, *agency.aliases)]
    async for name, step in examine_axes(subject.settings, codes):
        yield replace(step, server=" ".join(filter(None, (name, step.server))))


async def signatures(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """What each agency's key signs must hold under the certificate that is bound to it."""
    store, keys, now = subject.store, subject.keys, subject.clock.now()
    registry = closed_registry(subject)
    for agency in (each for each in await store.hosted() if each.left_at is None):
        use = await desk.signing_keys_from(registry, store, agency.code, now)
        yield await subject.pool.run(partial(_signature, keys, agency.code, use, now))


def _signature(keys: KeyDirectory, code: str, use: KeyUse, now: datetime) -> Diagnosis:
    # The key signs what begins like an envelope's signature, and this is none: it has no end.
    data, began = ENVELOPES + secrets.token_bytes(32), time.monotonic()
    told = partial(_step, "sign", server=code, began=began, words="operating.line")
    try:
        signer = keys.signer(code, now, use)
        value = signer.sign(data)
    except GatewayError as error:
        return told(RED, "failed", "operating.line.sign.cure", detail=str(error))
    fault = value_fault(signer.certificate_der, signer.algorithm, data, value, XmlPolicy(), native=False)
    if fault is not None:
        return told(RED, "sign.differs", "operating.line.sign.cure", code=code, fault=fault)
    return told(GREEN, "sign.fine", code=code, algorithm=signer.algorithm)


async def server_gap(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """How far this machine's clock is from the database server's."""
    gap = abs(await subject.store.clock_gap(subject.clock.now)).total_seconds()
    told = partial(Diagnosis, "clock", words="operating.line")
    if gap > CLOCK_SKEW.total_seconds():
        yield told(RED, "clock.apart", {"seconds": round(gap)}, "operating.line.clock.cure")
    else:
        yield told(GREEN, "clock.fine", {"seconds": round(gap, 1)})


async def examine_axes(settings: Settings, codes: Sequence[str]) -> AsyncIterator[tuple[str, Diagnosis]]:
    """One axis after the other, by the names of the settings. What is wrong with one is found out of that one alone."""
    for name, alone in settings.each_axis().items():
        if alone.axis.kind == "amqp":
            # The client of brokers is large, and loaded where there is one.
            from gateway.transport.broker.check import examine

            try:
                access = broker_access(alone)
            except GatewayError as error:
                yield name, _step("settings", RED, "failed", "axis.cure.settings", detail=str(error))
                continue
            async with aclosing(examine(access, alone.node.name, codes)) as found:  # type: ignore[type-var]  # it is a generator
                async for each in found:
                    yield name, each
        elif alone.axis.kind in FOREIGN_AXES:
            async for each in _sessions(alone, codes):
                yield name, each
        else:
            async for each in _folder(alone):
                yield name, each


async def _folder(settings: Settings) -> AsyncIterator[Diagnosis]:
    folder, began = settings.axis.folder, time.monotonic()
    told, cure = partial(_step, "folder", began=began, path=str(folder)), "axis.cure.folder"
    if not (folder / "axis.sqlite").is_file():
        yield told(RED, "folder.missing", cure)
    elif not os.access(folder, os.W_OK | os.X_OK):
        yield told(RED, "folder.closed", cure)
    else:
        yield told(GREEN, "folder.fine")
        began = time.monotonic()
        try:
            async with open_axis(settings) as axis:
                counts = await axis.counts()
        except GatewayError as error:
            yield _step("count", RED, "failed", cure, began=began, detail=str(error))
            return
        yield _step("count", GREEN, "queue.fine", began=began, count=counts["waiting"])
        return
    yield _step("count", Level.SKIPPED, "before")


async def _sessions(settings: Settings, codes: Sequence[str]) -> AsyncIterator[Diagnosis]:
    from gateway.transport.rest.axis import RestAxis

    began = time.monotonic()
    if host := clear_host(settings):
        yield _step("tls", YELLOW, "tls.clear", "axis.cure.https", host=host)
    try:
        async with open_axis(settings) as axis:
            if not isinstance(axis, RestAxis):
                return
            axis.hosts(codes)
            answers = await axis.ask()
    except GatewayError as error:
        yield _step("settings", RED, "failed", "axis.cure.settings", began=began, detail=str(error))
        return
    for system, each in answers.items():
        told = partial(_step, "session", began=began, system=system, why=each.why, file=each.mend)
        if each.mend:
            yield told(RED, "session.refused", "axis.cure.credentials")
        elif each.why:
            yield told(RED, "session.failed", "axis.cure.service")
        else:
            yield told(GREEN, "session.fine")


def _step(
    check: str,
    level: Level,
    cause: str,
    cure: str | None = None,
    *,
    began: float = 0,
    server: str = "",
    words: str = "axis.check",
    **params: object,
) -> Diagnosis:
    ms = round((time.monotonic() - began) * 1000) if began else 0
    return Diagnosis(check, level, cause, params, cure, server=server, ms=ms, words=words)


ANSWER_S = 5.0
ENDS_SOON, ENDS_NOW = timedelta(days=30), timedelta(days=7)
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


async def servers(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Asked beside the connections: those break on a certificate that is expired, and do not say which one it is."""
    settings = subject.settings
    for finding in line_findings(settings):
        yield finding
    for peer in servers_of(settings):
        until = await subject.pool.run(partial(certificate_ends, peer))
        shown = server_finding(peer, until, subject.clock.now())
        if shown is not None:
            yield shown


def servers_of(settings: Settings) -> tuple[Peer, ...]:
    """Those that may show a certificate; none that is reached without a network."""
    found = []
    host, port = database_host(settings.database.url)
    if host is not None:
        found.append(Peer(part="database", host=host, port=port))
    for alone in settings.each_axis().values():
        found += _brokers(alone) if alone.axis.kind == "amqp" else []
    return tuple(found)


def _brokers(settings: Settings) -> list[Peer]:
    amqp = settings.amqp
    try:
        servers = read_servers(amqp.servers)
    except GatewayError:
        servers = ()  # the line itself says what is wrong with the addresses
    return [
        Peer(part="axis", host=each.host, port=each.port, certificate=amqp.certificate, key=amqp.key)
        for each in servers
        if each.tls
    ]


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


def certificate_ends(peer: Peer) -> datetime | None:
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


def server_finding(peer: Peer, until: datetime | None, now: datetime) -> Diagnosis | None:
    """What a doctor says of it; nothing of one that shows none."""
    if until is None:
        return None
    left = until - now
    told = {"server": str(peer), "until": until.date().isoformat(), "days": max(left.days, 0)}
    check = f"{peer.part}.certificate"
    cure = f"openssl req -new -newkey rsa:3072 -nodes -subj /CN={peer.host} -addext subjectAltName=DNS:{peer.host}"
    if until <= now:
        return Diagnosis(check, Level.RED, "server.expired", told, cure)
    if left < ENDS_SOON:
        level = Level.RED if left < ENDS_NOW else Level.YELLOW
        return Diagnosis(check, level, "server.expiring", told, cure)
    return Diagnosis(check, Level.GREEN, "server.fine", told)


def line_findings(settings: Settings) -> Iterator[Diagnosis]:
    """Encryption to whoever answers protects from nobody who can answer; and a line to a foreign axis without any is read
    and changed by anybody on the way."""
    host, _ = database_host(settings.database.url)
    if host is not None and settings.database.ca is None and not is_here(host):
        cure = 'gateway config check, after database.ca = "/etc/gateway/database-ca.pem"'
        yield yellow("database.identity", "database.anybody", cure, host=host)
    for name, alone in settings.each_axis().items():
        if host := clear_host(alone):
            cure = f'gateway config check, after endpoint = "https://{host}"'
            yield yellow(f"axis.{name}.line" if name else "axis.line", "axis.clear", cure, host=host)


def clear_host(settings: Settings) -> str:
    """The other machine that a foreign axis is, where it is spoken to without TLS; else empty. Of one axis."""
    endpoint = {"vxp": settings.vxp.endpoint, "lgsp": settings.lgsp.endpoint}.get(settings.axis.kind, "")
    try:
        where = urlsplit(endpoint)
        host = where.hostname or ""
    except ValueError:
        return ""  # the line itself says what is wrong with its address
    return host if where.scheme == "http" and not is_here(host) else ""
