"""A server that goes away from a node at work is one complaint in the log, without a trace, whichever loops and libraries
meet it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gateway.settings import Settings
from tests.faults.test_log_volume import summary
from tests.support.broker import Broker
from tests.support.log_hour import HourLog, capture_log
from tests.support.node import Town, opened
from tests.support.tcp_proxy import TcpProxy
from tests.support.topology import topology_on
from tests.support.town.axes import CODES, over_broker
from tests.support.waiting import wait_until

# A persistent fault has failed this many times before the log is read.
MANY = 12


async def log_while_away(line: TcpProxy, code: str, caplog: pytest.LogCaptureFixture) -> HourLog:
    """Return what is written in a minute while the server is away and loops complain again and again."""

    def complained() -> bool:
        return len([record for record in caplog.records if vars(record).get("code") == code]) >= MANY

    with capture_log(lambda: 0.0) as stream:
        await line.refuse()
        await wait_until(complained, "many tries in vain")
        return HourLog(text=stream.getvalue())


def assert_one_complaint(hour: HourLog, code: str) -> None:
    complaints = [line for line in hour.lines if line["level"] != "info" or "code" in line]
    assert [line.get("code") for line in complaints] == [code], summary(hour) + hour.text
    assert not any("trace" in line for line in hour.lines)
    assert len(hour.lines) < 10, summary(hour)


async def test_a_database_server_that_goes_away_is_one_complaint(
    migrated_postgres_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = urlsplit(migrated_postgres_url)
    async with TcpProxy(server.hostname or "", server.port or 5432) as line:
        through = server._replace(netloc=f"{server.username}@{line.host}:{line.port}").geturl()
        async with opened(tmp_path / "node", database=through, serves=True) as town:
            await wait_until(town.node.pulse.loops, "its loops turn")
            hour = await log_while_away(line, "GW-S-000", caplog)
            line.heal()
            await wait_for_database(town)
    assert_one_complaint(hour, "GW-S-000")


async def test_a_broker_that_goes_away_is_one_complaint(
    broker: Broker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with TcpProxy(broker.host, broker.port) as line:
        with topology_on(broker, {"town": CODES}) as topology:

            def change(settings: Settings) -> Settings:
                on_broker = over_broker(topology, "town")(settings)
                servers = f"amqp://{line.host}:{line.port}"
                return replace(on_broker, amqp=replace(on_broker.amqp, servers=servers))

            async with opened(tmp_path / "node", change=change, serves=True) as town:
                await wait_until(lambda: town.node.axis.state().connected_since, "a line")
                await town.send("15")
                hour = await log_while_away(line, "GW-T-001", caplog)
                line.heal()
                await wait_until(lambda: town.node.axis.state().connected_since, "a line again")
    assert_one_complaint(hour, "GW-T-001")
    assert {line["level"] for line in hour.lines} <= {"info", "warning"}


async def wait_for_database(town: Town) -> None:
    """Return once the database answers."""

    async def answers() -> bool:
        try:
            return bool(await town.node.store.hosted())
        except Exception:  # reason: it is asked again
            return False

    await wait_until(answers, "the database again")
