"""Harms of a pair on PostgreSQL and RabbitMQ: servers that are away, silent or blocked, locks, copies, standbys, clocks,
rights and queues at the broker. Each is a context: the harm is there while it is open."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from tests.labs.fault_table.measure import Harm
from tests.labs.fault_table.pair import CAST, Pair, Servers
from tests.services import postgres
from tests.services.process import free_ports
from tests.services.rabbit import quoted
from tests.support.tcp_proxy import TcpProxy
from tests.support.topology import Topology

SOUTH = "south"


def _line(pair: Pair, name: str) -> TcpProxy:
    return pair.ground.database_lines[SOUTH] if name == "database" else pair.ground.axis_lines[SOUTH][0]


def _topology(pair: Pair) -> Topology:
    assert pair.ground.topology is not None
    return pair.ground.topology


def _servers(pair: Pair) -> Servers:
    assert pair.servers is not None
    return pair.servers


def refused(name: str) -> Harm:
    """Let the other end refuse every connection."""

    @asynccontextmanager
    async def harm(pair: Pair) -> AsyncIterator[None]:
        await _line(pair, name).refuse()
        yield
        _line(pair, name).heal()

    return harm


def silent(name: str) -> Harm:
    """Let nothing pass, without an error."""

    @asynccontextmanager
    async def harm(pair: Pair) -> AsyncIterator[None]:
        _line(pair, name).stall()
        yield
        _line(pair, name).heal()

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
    """Put a copy by the server's own means in the place of the database, while the node is stopped."""
    connection = await asyncpg.connect(_servers(pair).postgres.url)
    right = pair.ground.database(SOUTH)
    try:
        await pair.stop_node(SOUTH)
        await _swap(pair, connection, f'CREATE DATABASE "{right}-copy" TEMPLATE "{right}"', "-away", "-copy")
        await pair.start_node(SOUTH, is_well=False)
        yield
        await pair.stop_node(SOUTH)
        await _swap(pair, connection, "", "-copy", "-away")
        await pair.start_node(SOUTH)
    finally:
        await connection.close()


async def _swap(pair: Pair, connection: asyncpg.Connection, first: str, leaving: str, coming: str) -> None:
    """Rename the databases while no program is connected."""
    right = pair.ground.database(SOUTH)
    await _line(pair, "database").refuse()
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
    _line(pair, "database").heal()


@asynccontextmanager
async def on_a_standby(pair: Pair) -> AsyncIterator[None]:
    """Lead the node to a standby of its server."""
    server = _servers(pair).postgres
    folder = server.folder.with_name(f"standby-{pair.ground.name}")
    standby = postgres.Server(folder=folder, port=free_ports(1)[0])
    await asyncio.to_thread(_copy_server, server, folder)
    await asyncio.to_thread(standby.start)
    line = _line(pair, "database")
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
    await _line(pair, "axis").cut()
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
    await _line(pair, "axis").cut()
    yield
    await set_password(topology.passwords[user])


def clock_off(seconds: str) -> Harm:
    @asynccontextmanager
    async def harm(pair: Pair) -> AsyncIterator[None]:
        pair.clock_file(SOUTH).write_text(seconds)
        yield
        pair.clock_file(SOUTH).write_text("0")

    return harm
