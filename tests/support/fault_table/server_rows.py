"""Rows of the table of faults for a pair on PostgreSQL and RabbitMQ: servers that are away, silent or blocked, locks,
copies, standbys, clocks, rights and queues at the broker."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import asyncpg

from tests.services import postgres
from tests.services.process import free_ports
from tests.services.rabbit import quoted
from tests.support.fault_table.measure import Harm, fault
from tests.support.fault_table.pair import CAST, Pair, PairKey, Servers
from tests.support.tcp_proxy import TcpProxy
from tests.support.topology import Topology

SOUTH = "south"
ON_SERVERS = PairKey(servers=True)
_HOURS_S = 3 * 3600


def _database_line(pair: Pair) -> TcpProxy:
    return pair.ground.database_lines[SOUTH]


def _axis_line(pair: Pair) -> TcpProxy:
    return pair.ground.axis_lines[SOUTH][0]


def _topology(pair: Pair) -> Topology:
    assert pair.ground.topology is not None
    return pair.ground.topology


def _servers(pair: Pair) -> Servers:
    assert pair.servers is not None
    return pair.servers


def refused(line: Callable[[Pair], TcpProxy]) -> Harm:
    """Let the other end refuse every connection."""

    @asynccontextmanager
    async def harm(pair: Pair) -> AsyncIterator[None]:
        await line(pair).refuse()
        yield
        line(pair).heal()

    return harm


def silent(line: Callable[[Pair], TcpProxy]) -> Harm:
    """Let nothing pass, without an error."""

    @asynccontextmanager
    async def harm(pair: Pair) -> AsyncIterator[None]:
        line(pair).stall()
        yield
        line(pair).heal()

    return harm


@asynccontextmanager
async def table_locked(pair: Pair) -> AsyncIterator[None]:
    server = _servers(pair).postgres
    url = server.url.replace("/postgres", f"/{pair.ground.database(SOUTH)}")
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE inbox IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        await connection.close()


@asynccontextmanager
async def database_copied(pair: Pair) -> AsyncIterator[None]:
    """Harm a copy by the server's own means in the place of the database, while the node works."""
    connection = await asyncpg.connect(_servers(pair).postgres.url)
    right = pair.ground.database(SOUTH)
    try:
        await swap(pair, connection, f'CREATE DATABASE "{right}-copy" TEMPLATE "{right}"', "-away", "-copy")
        yield
        await swap(pair, connection, "", "-copy", "-away")
    finally:
        await connection.close()


async def swap(pair: Pair, connection: asyncpg.Connection, first: str, leaving: str, coming: str) -> None:
    """Rename the databases while no program is connected."""
    right = pair.ground.database(SOUTH)
    await _database_line(pair).refuse()
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE $1", f"{right}%"
    )
    for statement in (
        first,
        f'ALTER DATABASE "{right}" RENAME TO "{right}{leaving}"',
        f'ALTER DATABASE "{right}{coming}" RENAME TO "{right}"',
    ):
        if statement:
            await connection.execute(statement)
    _database_line(pair).heal()


@asynccontextmanager
async def on_a_standby(pair: Pair) -> AsyncIterator[None]:
    """Lead the node to a standby of its server."""
    server = _servers(pair).postgres
    folder = server.folder.with_name(f"standby-{pair.ground.name}")
    standby = postgres.Server(folder=folder, port=free_ports(1)[0])
    await asyncio.to_thread(_copy_server, server, folder)
    await asyncio.to_thread(standby.start)
    line = _database_line(pair)
    target, line._target = line._target, ("127.0.0.1", standby.port)
    await line.cut()
    try:
        yield
        line._target = target
        await line.cut()
    finally:
        await asyncio.to_thread(standby.stop)


def _copy_server(server: postgres.Server, folder: os.PathLike[str]) -> None:
    owner = server.folder.owner()
    user = ["runuser", "-u", owner, "--"] if os.geteuid() == 0 else []
    data = f"{folder}/data"
    subprocess.run(["install", "-d", "-m", "700", "-o", owner, str(folder)], check=True)
    address = ("--username=admin", "--host=127.0.0.1", f"--port={server.port}")
    (program,) = sorted(postgres._PROGRAMS.glob("*/bin/pg_basebackup"))[-1:]
    subprocess.run(
        [*user, str(program), f"--pgdata={data}", *address, "--write-recovery-conf", "--checkpoint=fast"],
        check=True,
        cwd="/",
        capture_output=True,
    )


@asynccontextmanager
async def broker_blocked(pair: Pair) -> AsyncIterator[None]:
    (node,) = _servers(pair).broker.nodes
    await asyncio.to_thread(node.alarm, True)
    try:
        yield
    finally:
        await asyncio.to_thread(node.alarm, False)


@asynccontextmanager
async def queue_deleted(pair: Pair) -> AsyncIterator[None]:
    topology = _topology(pair)
    queue = quoted(f"lienthong.{topology.name(SOUTH)}.normal")
    await asyncio.to_thread(topology.broker.ask, "DELETE", f"/api/queues/{{vhost}}/{queue}")
    yield
    await asyncio.to_thread(topology.host, CAST)


@asynccontextmanager
async def rights_lost(pair: Pair) -> AsyncIterator[None]:
    topology = _topology(pair)
    user = quoted(topology.name(SOUTH))
    await asyncio.to_thread(topology.broker.ask, "DELETE", f"/api/permissions/{{vhost}}/{user}")
    await _axis_line(pair).cut()
    yield
    await asyncio.to_thread(topology.host, CAST)


@asynccontextmanager
async def broker_password_changed(pair: Pair) -> AsyncIterator[None]:
    topology = _topology(pair)
    user = topology.name(SOUTH)

    async def set_password(password: str) -> None:
        body = {"password": password, "tags": ""}
        await asyncio.to_thread(topology.broker.ask, "PUT", f"/api/users/{quoted(user)}", body)

    await set_password("another")
    await _axis_line(pair).cut()
    yield
    await set_password(topology.passwords[user])


def clock_off(seconds: int) -> Harm:
    @asynccontextmanager
    async def harm(pair: Pair) -> AsyncIterator[None]:
        pair.clock_file(SOUTH).write_text(str(seconds))
        yield
        pair.clock_file(SOUTH).write_text("0")

    return harm


SERVER_ROWS = tuple(
    replace(row, pair=ON_SERVERS)
    for row in (
        fault(
            "database-down",
            "the database server does not answer",
            refused(_database_line),
            "red database failed",
            "pg_isready",
            "503 database=down",
            sample='gateway_up{part="database"} 0',
        ),
        fault(
            "database-silent",
            "the line to the database passes nothing, without an error",
            silent(_database_line),
            "red database failed",
            "pg_isready",
            "503 database=down",
            sample='gateway_up{part="database"} 0',
        ),
        fault(
            "table-locked",
            "a session keeps a table of the database to itself",
            table_locked,
            "red database.lock database.locked",
            "pg_terminate_backend(",
            "200 database.lock=locked",
        ),
        fault(
            "database-copied",
            "a copy by the server's own means takes the place of the database",
            database_copied,
            "red restored restored.unconfirmed",
            "gateway restored",
            "none",
            has_metrics=False,
            is_told=False,
        ),
        fault(
            "standby",
            "the node is led to a standby of its database",
            on_a_standby,
            "red database database.read-only",
            "pg_isready",
            "503 database=read-only",
        ),
        fault(
            "broker-down",
            "the broker does not answer",
            refused(_axis_line),
            "red axis axis.down",
            "gateway axis check",
            "200 axis=down",
            stands_long=True,
        ),
        fault(
            "broker-silent",
            "the line to the broker passes nothing, without an error",
            silent(_axis_line),
            "red axis axis.down",
            "gateway axis check",
            "200 axis=down",
        ),
        fault(
            "broker-blocked",
            "the broker blocks all publishers: its memory is short",
            broker_blocked,
            "red axis axis.blocked",
            "rabbitmq-diagnostics check_local_alarms",
            "200 axis=blocked",
        ),
        fault(
            "queue-deleted",
            "the node's queue is deleted at the broker",
            queue_deleted,
            "red axis axis.down",
            "gateway axis apply",
            "200 axis=down",
        ),
        fault(
            "partners-queue-deleted",
            "a partner's queue is deleted at the broker",
            queue_deleted,
            "yellow outbox.queue queues.no_queue",
            "gateway axis check",
            node="north",
        ),
        fault(
            "rights-lost",
            "the node's rights at the broker are taken away",
            rights_lost,
            "red axis axis.down",
            "gateway axis check",
            "200 axis=down",
        ),
        fault(
            "broker-password",
            "the node's password at the broker was changed",
            broker_password_changed,
            "red axis axis.down",
            "gateway axis check",
            "200 axis=down",
        ),
        fault(
            "clock-ahead",
            "the clock is three hours ahead",
            clock_off(_HOURS_S),
            "red clock clock.apart",
            "timedatectl set-ntp true",
            "503 clock=apart",
        ),
        fault(
            "clock-behind",
            "the clock is three hours behind",
            clock_off(-_HOURS_S),
            "red clock clock.apart",
            "timedatectl set-ntp true",
            "503 clock=apart",
        ),
    )
)
