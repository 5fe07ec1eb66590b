"""The services that the other tests lean on do what those tests believe of them."""

from __future__ import annotations

import aio_pika
import asyncpg

from tests.support.broker import Broker


async def test_a_vhost_of_its_own_takes_connections(broker: Broker) -> None:
    async with await aio_pika.connect(broker.amqp) as connection, connection.channel() as channel:
        queue = await channel.declare_queue("q", durable=True, arguments={"x-queue-type": "quorum"})

        assert queue.name == "q"
    assert [each["name"] for each in broker.ask("GET", "/api/queues/{vhost}")] == ["q"]


async def test_a_migrated_database_has_our_tables_and_no_rows(migrated_postgres_url: str) -> None:
    connection = await asyncpg.connect(migrated_postgres_url)
    try:
        assert await connection.fetchval("SELECT count(*) FROM inbox") == 0
    finally:
        await connection.close()
