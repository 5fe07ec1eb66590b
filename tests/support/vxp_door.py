"""The compatibility door of a real node for tests, with document systems that call it by the client that was written from
the specification alone. In: a staged node. Out: the door, its systems with their secrets, calls in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import web

from gateway.api.deps import ApiDeps, ApiOptions
from gateway.api.entry import Entry
from gateway.api.vxp import door
from gateway.api.vxp.caller import VxpDeps
from gateway.bootstrap.guards import system_secrets
from gateway.domain import account
from gateway.domain.account import ApiKey, ApiScope, PrincipalKind
from gateway.office.bootstrap.office import Office
from tests.interop.vxp_client import SdkClient
from tests.support import api
from tests.support.api import ALL, DEPARTMENT, Door

T = TypeVar("T")
SYSTEM = "qlvb.mau.01"


@dataclass(kw_only=True)
class VxpDoor:
    """`secrets` by system."""

    api: Door
    secrets: dict[str, str] = field(default_factory=dict)

    @property
    def node(self) -> Office:
        return self.api.node

    async def system(
        self,
        name: str = SYSTEM,
        codes: Sequence[str] = (DEPARTMENT,),
        *,
        scopes: Collection[ApiScope] = ALL,
        expires_at: datetime | None = None,
        good_from: Sequence[str] = (),
        until: datetime | None = None,
    ) -> ApiKey:
        """As `gateway compat` makes it."""
        accounts = self.node.store.accounts
        agencies = [await accounts.hosted_by_code(code) for code in codes]
        id = self.node.clock.new_id("key_")
        secret, sealed = system_secrets(self.node.settings).new(id)
        key = ApiKey(
            id=id,
            principal=await accounts.principal_for(PrincipalKind.PROGRAM, name),
            agency_ids=tuple(each.id for each in agencies if each is not None),
            scopes=frozenset(scopes),
            created_at=self.node.clock.now(),
            expires_at=expires_at,
            networks=tuple(account.read_network(each) for each in good_from),
            system=name,
            sealed=sealed,
        )
        await accounts.add_system_key(key, until=until)
        self.secrets[name] = secret
        return key

    def client(self, name: str = SYSTEM, secret: str | None = None) -> SdkClient:
        return SdkClient(str(self.api.client.make_url("/")), name, secret or self.secrets[name])

    async def with_client(
        self, act: Callable[[SdkClient], T], name: str = SYSTEM, secret: str | None = None
    ) -> T:
        """In a thread, as the client blocks; its connection ends with it."""

        def run() -> T:
            client = self.client(name, secret)
            try:
                return act(client)
            finally:
                client.close()

        return await asyncio.to_thread(run)

    async def asked(self, operation: str, said: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
        name = more.pop("name", SYSTEM)
        return await self.with_client(lambda client: client.asked(operation, said, **more), name)

    async def send(self, file: bytes, sender: str = DEPARTMENT, **more: Any) -> dict[str, Any]:
        name = more.pop("name", SYSTEM)
        return await self.with_client(lambda client: client.send(file, sender, **more), name)

    async def listed(self, kind: str = "edoc", name: str = SYSTEM) -> list[dict[str, Any]]:
        return await self.with_client(lambda client: client.listed(kind), name)

    async def say(self, doc_id: str, word: str, **more: str) -> dict[str, Any]:
        return await self.asked("updateStatus", {"docId": doc_id, "status": word} | more, body=b"{}")


@asynccontextmanager
async def opened(
    blank: Path, folder: Path, *, options: ApiOptions | None = None, fresh: timedelta = timedelta()
) -> AsyncIterator[VxpDoor]:
    def hang(app: web.Application, node: Office, deps: ApiDeps) -> None:
        vxp = VxpDeps(api=deps, keys=node.store.accounts, secrets=system_secrets(node.settings), fresh=fresh)
        door.hang(app, vxp, Entry(deps.options))

    async with api.opened(blank, folder, options, hang=hang) as opened:
        yield VxpDoor(api=opened)
