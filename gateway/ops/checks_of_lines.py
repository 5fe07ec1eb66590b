"""Checks of the lines (connections) to other programs, with the rights of the node's own user: the axes, and servers with a
certificate. In: the node that is examined. Out: state and load of each axis; for the test of the line one finding per step
with axis, time, cause and cure: for a broker the findings of `transport.broker.check`; for a folder that it exists, is
writable and answers; for a foreign axis that each system can log in; and that signatures of each agency's key are valid.
The certificates of broker and database are read even when they are not accepted, so that an expired one is named as the
cause, and an expiring one weeks before. The node's own connections do not trust a certificate because of this."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import struct
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509

from gateway import random_source, time_source
from gateway.bootstrap.axis import broker_access, open_axis
from gateway.domain.certificates import KeyUse
from gateway.domain.diagnosis import Diagnosis, Level, Tag, green, red, yellow
from gateway.edxml.key import value_fault
from gateway.edxml.policy import XmlPolicy
from gateway.errors import GatewayError, Misconfigured, TransportFailure
from gateway.ops import axis_view
from gateway.ops.checks_of_parts import CLOCK_SKEW, LIES_SOON, clock_set_back
from gateway.ops.checks_of_trust import closed_registry
from gateway.ops.subject import SOON_S, Check, Subject, run_check
from gateway.outgoing import services
from gateway.ports.axis import AxisState, ForeignAxis, ManagedAxis, each_axis
from gateway.settings import Settings
from gateway.transport.amqp.access import read_servers
from gateway.transport.embedded import EmbeddedAxis
from gateway.trust.key_material import ENVELOPES
from gateway.trust.keys import KeyDirectory

RED, YELLOW, GREEN = Level.RED, Level.YELLOW, Level.GREEN

CURE = "gateway axis check"
ANSWER_S = 5.0
ENDS_SOON, ENDS_NOW = timedelta(days=30), timedelta(days=7)
_POSTGRES = 5432
_ASKS_FOR_TLS = struct.pack("!ii", 8, 80877103)  # SSLRequest of PostgreSQL's protocol


async def axes(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Check each axis by itself, so that one that does not answer hides no other."""
    for name, axis_settings in subject.settings.each_axis().items():
        check = Check(name="axis", run=partial(_one_axis, settings=axis_settings), cure=CURE)
        for finding in await run_check(check, subject, Tag.DOCTOR):
            check_name = f"{finding.check}.{name}" if name else finding.check
            yield replace(finding, check=check_name)


async def _one_axis(subject: Subject, settings: Settings) -> AsyncGenerator[Diagnosis]:
    folder, clock = settings.axis.folder, subject.clock
    if settings.axis.kind != "embedded":
        async with subject.open_axis(settings) as axis:
            for finding in await _line_findings(subject, settings.axis_name, axis, CURE):
                yield finding
    elif not (folder / "axis.sqlite").is_file():
        # Opening the axis would create it, and checks must not change anything.
        yield yellow("axis", "axis.none", "gateway serve", path=folder)
    else:
        lease_s = subject.lease_s
        embedded = EmbeddedAxis(folder, settings.node.name, clock, subject.pool, lease_s=lease_s)
        try:
            clock_findings = clock_set_back({"axis": await embedded.leased_ahead()}, None, clock.now())
            findings = await _line_findings(subject, settings.axis_name, embedded, f"ls -ld {folder}")
        finally:
            await embedded.close()
        for finding in (*findings, *clock_findings):
            yield finding


async def _line_findings(subject: Subject, name: str, axis: ManagedAxis, cure: str) -> Sequence[Diagnosis]:
    """Check the state and load of one open axis. Counting makes an axis connect, so its state is read afterwards."""
    heartbeat, now = subject.heartbeat, subject.clock.now()
    try:
        counts = await axis_view.count(axis, heartbeat, now)
    except TransportFailure as error:
        return [red("axis", "axis.down", cure, reason=axis.state().reason or str(error))]
    except Misconfigured as error:  # the broker answers, and lacks what this node needs
        return [red("axis", "axis.down", error.hint or cure, reason=error.detail)]
    state = axis_view.worst_state(name, axis.state(), heartbeat, now)
    if (trouble := _trouble_finding("axis", state)) is not None:
        return [trouble]
    oldest, findings = await axis.oldest(), [green("axis", "axis.fine", **counts)]
    if oldest is not None and now - oldest > LIES_SOON:  # mail waits too long there
        minutes = round((now - oldest).total_seconds() / 60)
        findings = [yellow("axis", "axis.lying", "gateway status", minutes=minutes)]
    if counts.get("dead"):
        findings.append(yellow("axis.dead", "axis.dead", "gateway queue dead list", **counts))
    return findings


def _trouble_finding(check: str, state: AxisState) -> Diagnosis | None:
    """Return the finding for an axis that is blocked, down or partly down; None when it is up or not connected yet."""
    if state.word == "blocked":
        # RabbitMQ's own command, which shows the missing resource; sending goes on by itself once it is free again.
        cure = "rabbitmq-diagnostics check_local_alarms"
        return red(check, "axis.blocked", cure, reason=state.reason).worded("blocked")
    if state.word == "down":
        return red(check, "axis.down", CURE, reason=state.reason).worded("down")
    if state.word == "partly":
        # Only a warning, because the other axes go on.
        return yellow(check, "axis.partly", CURE, reason=state.reason).worded("partly")
    return None


async def states(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Report the states of the open node's axes as this process and the workers know them, without asking the axes."""
    if subject.node is None:
        return
    read_states = partial(axis_view.collect_states, subject.node.axis, subject.heartbeat, subject.clock.now())
    whole_state, states = await subject.pool.run(read_states)
    state_by_check = {"axis": whole_state} | {f"axis.{name}": s for name, s in states.items()}
    for check, state in state_by_check.items():
        yield _trouble_finding(check, state) or Diagnosis(check, GREEN, "up", word="ok", words="page.axis")


async def parcels(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Report parcels of the open node's axes that are on the dead list, or wait there for too long. Nothing is known of
    them while an axis does not answer soon."""
    if subject.node is None:
        return
    findings: list[Diagnosis] = []
    with suppress(TimeoutError):
        async with asyncio.timeout(SOON_S):
            for name, axis in each_axis(subject.node.axis).items():
                of_axis = await _line_findings(subject, name, axis, CURE)
                findings += [replace(f, check=f"{f.check}.{name}" if name else f.check) for f in of_axis]
    if not findings or any(finding.level is Level.RED for finding in findings):
        yield Diagnosis("axis", Level.SKIPPED, "before", words="axis.check")
    for finding in findings:
        yield finding


async def steps(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Report the findings of `gateway axis check` for every axis, with the axis's name."""
    hosted = [a for a in await subject.store.hosted() if a.left_at is None]
    codes = [code for agency in hosted for code in (agency.code, *agency.aliases)]
    async for name, step in examine_axes(subject.settings, codes):
        yield replace(step, server=" ".join(filter(None, (name, step.server))))


async def signatures(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Check for each hosted agency that a signature of its key verifies with the key's certificate."""
    store, keys, now = subject.store, subject.keys, subject.clock.now()
    registry = closed_registry(subject)
    for agency in (a for a in await store.hosted() if a.left_at is None):
        use = await services.signing_keys_from(registry, store, agency.code, now)
        yield await subject.pool.run(partial(_signature_finding, keys, agency.code, use, now))


def _signature_finding(keys: KeyDirectory, code: str, use: KeyUse, now: datetime) -> Diagnosis:
    # The signed text begins like the signature of an envelope but has no end, so that it is none.
    data, started = ENVELOPES + random_source.token_bytes(32), time_source.monotonic()
    step = partial(_step, "sign", server=code, started=started, words="operating.line")
    try:
        signer = keys.signer(code, now, use)
        value = signer.sign(data)
    except GatewayError as error:
        return step(RED, "failed", "operating.line.sign.cure", detail=str(error))
    fault = value_fault(signer.certificate_der, signer.algorithm, data, value, XmlPolicy(), native=False)
    if fault is not None:
        return step(RED, "sign.differs", "operating.line.sign.cure", code=code, fault=fault)
    return step(GREEN, "sign.fine", code=code, algorithm=signer.algorithm)


async def server_gap(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Check how far this machine's clock is from the database server's."""
    gap = abs(await subject.store.clock_gap(subject.clock.now)).total_seconds()
    diagnosis = partial(Diagnosis, "clock", words="operating.line")
    if gap > CLOCK_SKEW.total_seconds():
        yield diagnosis(RED, "clock.apart", {"seconds": round(gap)}, "operating.line.clock.cure")
    else:
        yield diagnosis(GREEN, "clock.fine", {"seconds": round(gap, 1)})


async def examine_axes(settings: Settings, codes: Sequence[str]) -> AsyncIterator[tuple[str, Diagnosis]]:
    """Check one axis after the other, and yield each finding with the axis's name in the settings. `codes` are the hosted
    codes. A fault of one axis does not affect the checks of the others."""
    for name, axis_settings in settings.each_axis().items():
        if axis_settings.axis.kind == "amqp":
            # The client of brokers is large, and loaded only where there is a broker.
            from gateway.transport.broker.check import examine

            try:
                access = broker_access(axis_settings)
            except GatewayError as error:
                yield name, _step("settings", RED, "failed", "axis.cure.settings", detail=str(error))
                continue
            async with aclosing(examine(access, axis_settings.node.name, codes)) as findings:  # type: ignore[type-var]  # it is a generator
                async for finding in findings:
                    yield name, finding
        else:
            is_folder = axis_settings.axis.kind == "embedded"
            steps = _folder_steps(axis_settings) if is_folder else _session_steps(axis_settings, codes)
            async for finding in steps:
                yield name, finding


async def _folder_steps(settings: Settings) -> AsyncIterator[Diagnosis]:
    folder, started = settings.axis.folder, time_source.monotonic()
    step, cure = partial(_step, "folder", started=started, path=str(folder)), "axis.cure.folder"
    if not (folder / "axis.sqlite").is_file():
        yield step(RED, "folder.missing", cure)
    elif not os.access(folder, os.W_OK | os.X_OK):
        yield step(RED, "folder.closed", cure)
    else:
        yield step(GREEN, "folder.fine")
        started = time_source.monotonic()
        try:
            async with open_axis(settings) as axis:
                counts = await axis.counts()
        except GatewayError as error:
            yield _step("count", RED, "failed", cure, started=started, detail=str(error))
            return
        yield _step("count", GREEN, "queue.fine", started=started, count=counts["waiting"])
        return
    yield _step("count", Level.SKIPPED, "before")


async def _session_steps(settings: Settings, codes: Sequence[str]) -> AsyncIterator[Diagnosis]:
    started = time_source.monotonic()
    if host := clear_host(settings):
        yield _step("tls", YELLOW, "tls.clear", "axis.cure.https", host=host)
    try:
        async with open_axis(settings) as axis:
            if not isinstance(axis, ForeignAxis):
                return
            axis.hosts(codes)
            answers = await axis.ask()
    except GatewayError as error:
        yield _step("settings", RED, "failed", "axis.cure.settings", started=started, detail=str(error))
        return
    for system, answer in answers.items():
        step = partial(_step, "session", started=started, system=system, why=answer.why, file=answer.mend)
        if answer.mend:
            yield step(RED, "session.refused", "axis.cure.credentials")
        elif answer.why:
            yield step(RED, "session.failed", "axis.cure.service")
        else:
            yield step(GREEN, "session.fine")


def _step(
    check: str,
    level: Level,
    cause: str,
    cure: str | None = None,
    *,
    started: float = 0,
    server: str = "",
    words: str = "axis.check",
    **params: object,
) -> Diagnosis:
    ms = round((time_source.monotonic() - started) * 1000) if started else 0
    return Diagnosis(check, level, cause, params, cure, server=server, ms=ms, words=words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One server of another program, which the node uses as `part`: `database` or `axis`."""

    part: str
    host: str
    port: int
    certificate: Path | None = None
    key: Path | None = None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


async def servers(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Check the certificates of the database's and brokers' servers. The node's own connections fail with an expired one
    without naming it."""
    settings = subject.settings
    for finding in line_findings(settings):
        yield finding
    for peer in servers_of(settings):
        ends_at = await subject.pool.run(partial(certificate_ends, peer))
        server_state = server_finding(peer, ends_at, subject.clock.now())
        if server_state is not None:
            yield server_state


async def servers_soon(subject: Subject) -> AsyncGenerator[Diagnosis]:
    """Check the same for metrics: all servers at the same time, and a silent one only for a moment."""
    now, peers = subject.clock.now(), servers_of(subject.settings)
    try:
        async with asyncio.timeout(SOON_S):
            # Silent servers would take the threads of the node's own pool for seconds.
            ends = await asyncio.gather(*(asyncio.to_thread(certificate_ends, peer) for peer in peers))
    except TimeoutError:
        ends = [None] * len(peers)
    for peer, ends_at in zip(peers, ends, strict=True):
        unknown = Diagnosis(f"{peer.part}.certificate", Level.SKIPPED, "before", words="axis.check")
        yield server_finding(peer, ends_at, now) or unknown


def servers_of(settings: Settings) -> tuple[Peer, ...]:
    """Return the database and broker servers that are reached over a network and may have a certificate."""
    peers = []
    host, port = database_host(settings.database.url)
    if host is not None:
        peers.append(Peer(part="database", host=host, port=port))
    for axis_settings in settings.each_axis().values():
        peers += _brokers(axis_settings) if axis_settings.axis.kind == "amqp" else []
    return tuple(peers)


def _brokers(settings: Settings) -> list[Peer]:
    amqp = settings.amqp
    try:
        servers = read_servers(amqp.servers)
    except GatewayError:
        servers = ()  # the check of the axis reports the wrong address
    return [
        Peer(part="axis", host=server.host, port=server.port, certificate=amqp.certificate, key=amqp.key)
        for server in servers
        if server.tls
    ]


def database_host(url: str) -> tuple[str | None, int]:
    """Return host and port of the database server; the host is None for a file, and for a socket of this machine."""
    try:
        parsed = urlsplit(url)
        host, port = parsed.hostname, parsed.port
    except ValueError:
        return None, 0  # the check of the database reports the wrong address
    is_server = parsed.scheme.partition("+")[0] == "postgresql"
    return (host if is_server and host else None), port or _POSTGRES


def is_here(host: str) -> bool:
    """Tell whether the host is this machine itself."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def certificate_ends(peer: Peer) -> datetime | None:
    """Return when the server's certificate ends; None when it does not answer or has none. It blocks."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Only its dates are read, so an expired certificate, or one of an unknown authority, is accepted too.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        if peer.certificate is not None:
            context.load_cert_chain(peer.certificate, peer.key)
        with socket.create_connection((peer.host, peer.port), ANSWER_S) as connection:
            if peer.part == "database":
                connection.sendall(_ASKS_FOR_TLS)
                if connection.recv(1) != b"S":
                    return None
            with context.wrap_socket(connection, server_hostname=peer.host) as tls:
                der = tls.getpeercert(binary_form=True)
    except (OSError, ssl.SSLError):
        return None
    return x509.load_der_x509_certificate(der).not_valid_after_utc if der else None


def server_finding(peer: Peer, ends_at: datetime | None, now: datetime) -> Diagnosis | None:
    """Return the finding about a server's certificate that ends at `ends_at`; None when that is None."""
    if ends_at is None:
        return None
    remaining = ends_at - now
    params = {"server": str(peer), "until": ends_at.date().isoformat(), "days": max(remaining.days, 0)}
    check = f"{peer.part}.certificate"
    cure = f"openssl req -new -newkey rsa:3072 -nodes -subj /CN={peer.host} -addext subjectAltName=DNS:{peer.host}"
    if ends_at <= now:
        return Diagnosis(check, Level.RED, "server.expired", params, cure)
    if remaining < ENDS_SOON:
        level = Level.RED if remaining < ENDS_NOW else Level.YELLOW
        return Diagnosis(check, level, "server.expiring", params, cure)
    return Diagnosis(check, Level.GREEN, "server.fine", params)


def line_findings(settings: Settings) -> Iterator[Diagnosis]:
    """Yield warnings about lines without protection: a database line without a known authority, which does not stop a man
    in the middle, and a line to a foreign axis without TLS, which can be read and changed on the way."""
    host, _ = database_host(settings.database.url)
    if host is not None and settings.database.ca is None and not is_here(host):
        cure = 'gateway config check, after database.ca = "/etc/gateway/database-ca.pem"'
        yield yellow("database.identity", "database.anybody", cure, host=host)
    for name, axis_settings in settings.each_axis().items():
        if host := clear_host(axis_settings):
            cure = f'gateway config check, after endpoint = "https://{host}"'
            yield yellow(f"axis.{name}.line" if name else "axis.line", "axis.clear", cure, host=host)


def clear_host(settings: Settings) -> str:
    """Return the host of the axis in these settings if it is a foreign axis on another machine without TLS, else empty."""
    endpoint = {"vxp": settings.vxp.endpoint, "lgsp": settings.lgsp.endpoint}.get(settings.axis.kind, "")
    try:
        url = urlsplit(endpoint)
        host = url.hostname or ""
    except ValueError:
        return ""  # the check of the axis reports the wrong address
    return host if url.scheme == "http" and not is_here(host) else ""
