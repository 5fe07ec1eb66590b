"""A node that serves the demonstration's agencies, as a program meets it: its address, its workers at work, and keys that
may do everything for one agency."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp.test_utils import TestClient, TestServer

from gateway.cli.doors import application
from gateway.demo import stage
from gateway.domain.account import ApiScope, PrincipalKind
from gateway.office.bootstrap.office import Office, open_office
from gateway.ops.metrics import Watch
from gateway.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Served:
    """`client` calls it from this process; any other program by its `address`."""

    node: Office
    client: TestClient[Any, Any]

    @property
    def address(self) -> str:
        return str(self.client.make_url("")).rstrip("/")

    async def key(self, code: str) -> str:
        """The secret of a new key that may do everything for that agency."""
        accounts = self.node.store.accounts
        agency = await accounts.hosted_by_code(code)
        assert agency is not None
        secret = f"gwk_{code}"
        await accounts.add_key(
            secret_hash=hashlib.sha256(secret.encode()).hexdigest(),
            principal=await accounts.principal_for(PrincipalKind.PROGRAM, code, agency.id),
            agency_ids=[agency.id],
            scopes=list(ApiScope),
        )
        return secret


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Served]:
    """A running node with its workers."""
    await stage.prepare(settings)
    async with open_office(settings) as node:
        await stage.register(node)
        stop = asyncio.Event()
        async with (
            TestClient(TestServer(application(node, Watch(node=node)))) as client,
            asyncio.TaskGroup() as tasks,
        ):
            tasks.create_task(node.run_workers(stop))
            yield Served(node=node, client=client)
            stop.set()
