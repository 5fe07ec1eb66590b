"""A real node behind its real door, and bytes straight into its socket: no client of ours tidies them up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.api.app import build
from gateway.api.deps import ApiDeps, ApiOptions
from gateway.cli.serve import listening
from gateway.demo import stage
from gateway.office.bootstrap.office import open_office
from gateway.office.web.app import add_static, add_status
from gateway.ops.metrics import Watch
from tests.support import api
from tests.support.clock import ManualClock
from tests.support.waiting import within_limit


@dataclass(frozen=True, kw_only=True)
class Socket:
    """Where the node listens."""

    host: str
    port: int

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self.host, self.port)

    async def say(self, raw: bytes) -> bytes:
        """Everything that is answered until the server closes."""
        reader, writer = await self.connect()
        try:
            writer.write(raw)
            return await within_limit(reader.read(), "the answer on a connection")
        finally:
            writer.close()


@asynccontextmanager
async def listening_node(
    blank: Path, options: ApiOptions | None = None, idle_s: float = 75.0
) -> AsyncIterator[Socket]:
    """The whole application over the node in that folder; nothing here writes to it."""
    clock = ManualClock()
    async with open_office(stage.settings_for(blank), clock) as node:
        app = build(
            ApiDeps(
                store=node.store,
                accounts=node.store.accounts,
                blobs=node.blobs,
                directory=node.directory,
                out=node.out,
                inn=node.inn,
                axis=node.axis,
                clock=clock,
                pool=node.pool,
                health=Watch(node=node),
                webhooks=node.webhooks,
                version="1",
                options=options or ApiOptions(),
            )
        )
        add_status(app.router, node.store, clock, "1")
        add_static(app.router)
        async with listening(app, "api", "127.0.0.1", 0, 1.0, idle_s) as url:
            host, _, port = url.removeprefix("http://").partition(":")
            yield Socket(host=host, port=int(port))


@pytest.fixture(scope="session")
def blank_node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return api.staged(tmp_path_factory.mktemp("stage"))


@pytest.fixture
async def socket(blank_node: Path) -> AsyncIterator[Socket]:
    async with listening_node(blank_node) as opened:
        yield opened
