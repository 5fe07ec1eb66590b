"""A node that gets a stop signal while it works ends with 0 in its time, leaves no lease behind and loses nothing; calls
under way are answered; a second signal ends it at once. Real processes of the real program."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.domain.account import ApiScope, PrincipalKind
from gateway.store import reporting
from tests.services.process import kept_ports
from tests.support.clock import ManualClock
from tests.support.node import DEPARTMENT, PDF, PROVINCE, Town, opened
from tests.support.waiting import wait_until, within_limit

ROOT = Path(__file__).parents[3]
DOCUMENTS = 200  # more than the fastest machine delivers between two looks
KEY = "gwk_drain"
DRAINING = {"status": "not-well", "checks": {"process": "draining"}}


class Served:
    """One running `gateway serve`."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, watched: int) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{port}"
        self.watched = f"http://127.0.0.1:{watched}"

    async def ends(self, how: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        return await within_limit(self.process.wait(), "the process ends")

    async def answers(self) -> bool:
        try:
            async with aiohttp.ClientSession() as session, session.get(f"{self.url}/readyz") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    async def refuses(self) -> bool:
        return not await self.answers()


@asynccontextmanager
async def serving(folder: Path, drain_s: int) -> AsyncIterator[Served]:
    """The program at work on this folder; killed at the end where it still runs."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    with kept_ports(2) as (port, watched):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "serve"),
            env=clean
            | {
                "PYTHONPATH": str(ROOT),
                "GATEWAY_NODE_NAME": "demo",
                "GATEWAY_NODE_DATA_DIR": str(folder),
                "GATEWAY_API_PORT": str(port),
                "GATEWAY_METRICS_PORT": str(watched),
                "GATEWAY_WORKERS_DRAIN_S": str(drain_s),
                "GATEWAY_WORKERS_POLL_S": "0.2",
            },
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            yield Served(process, port, watched)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


@pytest.fixture
async def loaded(tmp_path: Path) -> AsyncIterator[Town]:
    """A node in whose database documents wait to be sent; the test looks on while the program works."""
    async with opened(tmp_path / "node", ManualClock(datetime.now(UTC))) as town:
        await town._host()
        for n in range(DOCUMENTS):
            await town.send(str(100 + n))
        yield town


async def delivered(town: Town) -> int:
    async with town.node.store.read(await town.scope(DEPARTMENT)) as work:
        sent = (await work.outgoing.page(limit=DOCUMENTS)).items
        deliveries_by_id = await work.deliveries.of_documents([x.id for x in sent])
    return sum(x.state == "delivered" for deliveries in deliveries_by_id.values() for x in deliveries)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("drain_s", [30, 0])
async def test_a_node_stopped_under_load_leaves_nothing_held_and_loses_nothing(
    loaded: Town, drain_s: int
) -> None:
    """With no time to finish, what is under way is cut short and given back."""
    folder = loaded.node.settings.node.data_dir

    async with serving(folder, drain_s) as first:
        await wait_until(lambda: delivered(loaded), "some are delivered")
        count_at_stop = await delivered(loaded)
        code = await first.ends()
    load = await reporting.load(loaded.node.store, datetime.now(UTC))
    on_axis = await loaded.node.axis.counts()

    async def all_delivered() -> bool:
        return await delivered(loaded) == DOCUMENTS

    async with serving(folder, 30) as second:
        await wait_until(second.answers, "the second one answers")
        await wait_until(all_delivered, "all are delivered")
        assert await second.ends(signal.SIGINT) == 0

    assert code == 0
    assert load.leases == {"job": 0, "outbox": 0, "inbox": 0}
    assert on_axis["leased"] == 0
    assert count_at_stop < DOCUMENTS, "the node was told to stop when it had nothing left to do"
    assert await delivered(loaded) == DOCUMENTS
    assert len(await loaded.incoming(PROVINCE)) == DOCUMENTS
    assert list(folder.joinpath("heartbeat").glob("*")) == []


async def test_a_call_under_way_is_answered_before_the_node_goes(tmp_path: Path) -> None:
    async with opened(tmp_path / "node", ManualClock(datetime.now(UTC))) as town:
        await key(town)
        folder = town.node.settings.node.data_dir
        async with serving(folder, 30) as served, aiohttp.ClientSession() as session:
            await wait_until(served.answers, "the node answers")
            async with session.get(f"{served.watched}/metrics") as scraped:
                families = {family.name for family in text_string_to_metric_families(await scraped.text())}
                assert scraped.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            assert {"gateway_up", "gateway_jobs", "gateway_transaction_seconds"} <= families
            async with session.get(f"{served.watched}/healthz") as alive:
                assert set((await alive.json())["checks"].values()) == {"ok"}
            started, go_on = asyncio.Event(), asyncio.Event()
            call = asyncio.create_task(post(session, served, slowly(started, go_on)))
            await within_limit(started.wait(), "the first piece is asked for")
            served.process.send_signal(signal.SIGTERM)
            await wait_until(served.refuses, "nobody listens there any more")
            async with session.get(f"{served.watched}/readyz") as ready:
                assert (ready.status, await ready.json()) == (503, DRAINING)
            go_on.set()

            status, answer = await within_limit(call, "the call is answered")

            assert (status, answer["state"]) == (202, "queued")
            assert await within_limit(served.process.wait(), "the process ends") == 0
        assert (await town.node.store.counts())["outbox.waiting"] == 1


async def key(town: Town) -> None:
    accounts = town.node.store.accounts
    agency = await accounts.hosted_by_code(DEPARTMENT)
    assert agency is not None
    await accounts.add_key(
        secret_hash=hashlib.sha256(KEY.encode()).hexdigest(),
        principal=await accounts.principal_for(PrincipalKind.PROGRAM, "drain", agency.id),
        agency_ids=[agency.id],
        scopes=list(ApiScope),
    )


async def slowly(started: asyncio.Event, go_on: asyncio.Event) -> AsyncIterator[bytes]:
    """A multipart body whose file comes in two pieces, and the second when the test says so."""
    meta = {
        "number": "77",
        "symbol": "STD-VP",
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "type": "cong_van",
        "subject": "Drain",
        "signer": {"name": "A Signer"},
        "reply_required": False,
        "recipients": [{"code": PROVINCE, "role": "to_act"}],
    }
    yield b'--b\r\nContent-Disposition: form-data; name="meta"\r\nContent-Type: application/json\r\n\r\n'
    yield json.dumps(meta).encode()
    yield b'\r\n--b\r\nContent-Disposition: form-data; name="lead"; filename="77.pdf"\r\n\r\n'
    yield PDF[:100]
    started.set()
    await go_on.wait()
    yield PDF[100:] + b"\r\n--b--\r\n"


async def post(
    session: aiohttp.ClientSession, served: Served, body: AsyncIterator[bytes]
) -> tuple[int, dict[str, Any]]:
    headers = {
        "Authorization": f"Bearer {KEY}",
        "Idempotency-Key": "77",
        "Content-Type": "multipart/form-data; boundary=b",
    }
    url = f"{served.url}/api/v1/messages"
    # The body goes when the node asks for it: the call is under way there, and not only on the line.
    async with session.post(url, data=body, headers=headers, expect100=True) as answer:
        return answer.status, await answer.json(content_type=None)


INSISTED = """
import asyncio
from gateway.cli.serve import stop_on_signal

async def main():
    stop = stop_on_signal(lambda: print("asked", flush=True))
    print("ready", flush=True)
    await stop.wait()
    print("stopping", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
async def test_the_first_signal_asks_and_the_second_is_the_end(second: signal.Signals) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", INSISTED), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await within_limit(process.stdout.readline(), "a line") == b"ready\n"
    process.send_signal(signal.SIGTERM)
    assert await within_limit(process.stdout.readline(), "a line") == b"asked\n"
    assert await within_limit(process.stdout.readline(), "a line") == b"stopping\n"

    process.send_signal(second)

    assert await within_limit(process.wait(), "the process ends") == -second
