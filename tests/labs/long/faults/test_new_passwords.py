"""The passwords of a node's database and of its user at the broker are exchanged as the manual says it, one process after
the other, while mail flows in both directions: all of it arrives once, and the former passwords are refused."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import asyncpg
import pytest

from tests.labs.fault_table.pair import Pair, PairKey, Pairs
from tests.services import postgres
from tests.support.leaks import WATCH

pytestmark = pytest.mark.timeout(900)
NODE = "south"
OWN = """DO $$ DECLARE part record; BEGIN
  EXECUTE format('ALTER SCHEMA public OWNER TO %1$I', '{role}');
  FOR part IN SELECT relname, relkind FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
  LOOP EXECUTE format('ALTER TABLE %I OWNER TO %I', part.relname, '{role}'); END LOOP;
END $$"""


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    async with Pairs() as pairs, pairs.lend(PairKey(servers=True)) as pair:
        yield pair


@asynccontextmanager
async def mail_flows(pair: Pair) -> AsyncIterator[None]:
    """Send in both directions, one after the other, until the block ends; then everything has arrived, once."""

    async def send(sender: str, to: str) -> None:
        while True:
            await pair.send(sender, to)

    senders = [
        asyncio.create_task(send(*pair_of_codes)) for pair_of_codes in (("Z91", "Z92"), ("Z92", "Z91"))
    ]
    yield
    count = len(pair.papers)
    for sender in senders:
        sender.cancel()
        with suppress(asyncio.CancelledError):
            await sender
    assert count > 0
    await pair.all_arrived()


async def restart(pair: Pair, name: str, secret: Path) -> None:
    """Restart the node's processes one after the other, with the secret from that file."""
    for process in pair.processes_of(NODE):
        await process.stop()
        process.env.pop(name, None)
        process.env[f"{name}_FILE"] = str(secret)
        await process.start()


async def users_at_work(connection: asyncpg.Connection) -> set[str]:
    query = (
        "SELECT usename FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    return {row["usename"] for row in await connection.fetch(query)}


async def test_the_password_of_the_database_is_exchanged_while_mail_flows(pair: Pair, tmp_path: Path) -> None:
    first, second = (f"gateway_{secrets.token_hex(4)}" for _ in range(2))
    passwords = [WATCH.remember(secrets.token_hex(12)) for _ in range(3)]
    place = pair.ground.database_url(NODE).rpartition("/")[2]
    line = f"127.0.0.1:{pair.ground.database_lines[NODE].port}/{place}"
    assert pair.servers is not None
    server, secret = pair.servers.postgres, tmp_path / "database"
    hba = server.folder / "data" / "pg_hba.conf"
    hba.write_text(f"host all {first},{second} 127.0.0.1/32 scram-sha-256\n{hba.read_text()}")
    admin = await asyncpg.connect(f"postgresql://{postgres.ADMIN}@127.0.0.1:{server.port}/{place}")
    await admin.execute("SELECT pg_reload_conf()")
    await admin.execute(f"CREATE ROLE {first} LOGIN PASSWORD '{passwords[0]}'")
    await admin.execute(OWN.format(role=first))

    async def use(role: str, password: str) -> None:
        secret.write_text(f"postgresql+asyncpg://{role}:{password}@{line}\n")
        await restart(pair, "GATEWAY_DATABASE_URL", secret)

    async def is_refused(role: str, password: str) -> bool:
        try:
            await (await asyncpg.connect(f"postgresql://{role}:{password}@{line}")).close()
        except (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError):
            return True
        return False

    await use(first, passwords[0])
    assert await users_at_work(admin) == {first}
    async with mail_flows(pair):
        await admin.execute(f"ALTER ROLE {first} PASSWORD '{passwords[1]}'")
        await use(first, passwords[1])
        assert await is_refused(first, passwords[0])
        # And by a second role, so that no process is refused between.
        await admin.execute(f"CREATE ROLE {second} LOGIN PASSWORD '{passwords[2]}' IN ROLE {first}")
        await admin.execute(f"ALTER ROLE {second} SET role = '{first}'")
        await use(second, passwords[2])
        await admin.execute(f"ALTER ROLE {first} NOLOGIN")
        assert await is_refused(first, passwords[1])
        assert await users_at_work(admin) == {second}
    await admin.close()


async def test_the_password_of_the_broker_is_exchanged_while_mail_flows(pair: Pair, tmp_path: Path) -> None:
    topology, secret = pair.ground.topology, tmp_path / "broker"
    assert topology is not None
    user, password = topology.name(NODE), WATCH.remember(secrets.token_hex(12))
    async with mail_flows(pair):
        body = {"password": password, "tags": ""}
        await asyncio.to_thread(topology.broker.ask, "PUT", f"/api/users/{quote(user)}", body)
        secret.write_text(password + "\n")
        await restart(pair, "GATEWAY_AMQP_PASSWORD", secret)
    code, text, _ = await pair.command(NODE, "axis", "check")
    assert code == 0, text
