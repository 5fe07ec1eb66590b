"""Tests call a town through these doors: its API with one key for each agency and calls in a line, the compatibility door
of document systems, its whole application with the workers at work, and a bare socket."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import shutil
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import FormData, web
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from gateway import __version__
from gateway.api.admission import Entry
from gateway.api.app import build
from gateway.api.deps import ApiDeps, ApiOptions
from gateway.api.resources import ROUTES
from gateway.api.routes import Route
from gateway.api.server import CallLog
from gateway.bootstrap.node import OpenNode
from gateway.cli.applications import build_application
from gateway.cli.serve import listening
from gateway.clock import SystemClock
from gateway.domain import account
from gateway.domain.account import ApiKey, ApiScope, ClientCertificate, KeyAuth, PrincipalKind
from gateway.ops.checks import Watch
from gateway.ops.evidence.make import EvidenceMaker
from gateway_foreign.compat import application
from gateway_foreign.compat.caller import VxpDeps
from gateway_foreign.compat.secret_box import system_secrets
from gateway_labs.demo import story
from tests.foreign.interop.vxp_client import SdkClient
from tests.support.answers import Exchange
from tests.support.clock import ManualClock
from tests.support.contract import EXCHANGE, Description
from tests.support.packets import DEPARTMENT, PDF, PROVINCE
from tests.support.town.acts import Town
from tests.support.town.builder import Change, open_town, unchanged
from tests.support.waiting import within_limit

T = TypeVar("T")
BASE = "/api/v1"
OUTSIDE = ("/api", "/docs", "/problems", "/healthz", "/readyz", "/static", "/favicon.ico", "/?")
ALL = frozenset(ApiScope)
SYSTEM = "qlvb.mau.01"


def meta(**fields: Any) -> dict[str, Any]:
    """Build a document that may be sent, from the department to the province; None takes a field away."""
    values: dict[str, Any] = {
        "number": "15",
        "symbol": "STD-VP",
        "date": "2026-11-20",
        "type": "cong_van",
        "subject": "Về việc báo cáo dự toán",
        "signer": {"name": "Nguyễn Văn Mẫu", "title": "Giám đốc"},
        "reply_required": False,
        "recipients": [{"code": PROVINCE, "role": "to_act"}],
    }
    return {name: value for name, value in (values | fields).items() if value is not None}


def form(
    body: Mapping[str, Any] | bytes, files: Sequence[tuple[str, str, bytes]] = (("lead", "15.pdf", PDF),)
) -> FormData:
    """Build a form with `meta` first, then files as (field, name, bytes)."""
    data = FormData(quote_fields=False)
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    data.add_field("meta", raw.decode(), content_type="application/json")
    for name, filename, content in files:
        data.add_field(name, io.BytesIO(content), filename=filename, content_type="application/octet-stream")
    return data


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Answer of the node, read to its end."""

    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    def __str__(self) -> str:
        return f"{self.status} {self.raw.decode(errors='replace')}"


@dataclass(kw_only=True)
class Door:
    """The front door of one node."""

    node: OpenNode
    clock: ManualClock
    client: TestClient[Any, Any]
    deps: ApiDeps | None = None
    calls: CallLog | None = None
    keys: dict[str, str] = field(default_factory=dict)
    used: int = 0
    description: Description = EXCHANGE
    """Every answer is held against it."""

    @property
    def town(self) -> Town:
        return Town(node=self.node, clock=self.clock)

    @property
    def address(self) -> str:
        """Return the address at which other programs call it."""
        return str(self.client.make_url("")).rstrip("/")

    async def key(
        self,
        *codes: str,
        scopes: Collection[ApiScope] = ALL,
        expires_at: datetime | None = None,
        good_from: Sequence[str] = (),
        auth: KeyAuth = KeyAuth.SECRET,
        certificate: ClientCertificate | None = None,
    ) -> str:
        """Create a key for these agencies and return its secret; the secret of a key that a certificate alone opens is not
        accepted."""
        agencies = [await self.node.store.accounts.hosted_by_code(code) for code in codes]
        self.used += 1
        secret = f"gwk_test-{self.used}"
        owner = agencies[0]
        principal = await self.node.store.accounts.principal_for(
            PrincipalKind.PROGRAM, f"program {self.used}", owner.id if owner else None
        )
        await self.node.store.accounts.add_key(
            secret_hash=None if auth is KeyAuth.CERTIFICATE else hashlib.sha256(secret.encode()).hexdigest(),
            principal=principal,
            agency_ids=[agency.id for agency in agencies if agency],
            scopes=scopes,
            expires_at=expires_at,
            networks=[account.read_network(network) for network in good_from],
            way=auth,
            certificate=certificate,
        )
        return secret

    async def ask(
        self,
        method: str,
        path: str,
        *,
        key: str | None = "",
        agency: str = DEPARTMENT,
        once: str | None = None,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> Answer:
        """Call the API once; by default with the key of `agency`. `once` is the Idempotency-Key."""
        sent = dict(headers or {})
        if key == "":
            key = self.keys.setdefault(agency, "") or await self._own_key(agency)
        if key is not None:
            sent["Authorization"] = f"Bearer {key}"
        if once is not None:
            sent["Idempotency-Key"] = once
        target = path if path.startswith(OUTSIDE) or path.startswith("/trang-thai") else BASE + path
        exchange = Exchange(method, sent, more)
        async with self.client.request(method, target, headers=sent, **more) as response:
            raw = await response.read()
            wrong = self.description.complaints(
                method,
                response.url.path,
                response.status,
                response.content_type,
                raw,
                response.headers,
                is_chosen="fields" in response.url.query,
            )
            if type(self.clock) is ManualClock:
                wrong += exchange.faults(self.description, response, raw)
            assert not wrong, wrong
            return Answer(status=response.status, headers=response.headers, raw=raw)

    async def send(self, body: Mapping[str, Any] | None = None, *, once: str = "one", **more: Any) -> Answer:
        """Send a document by POST /messages, with a good PDF."""
        files = more.pop("files", (("lead", "15.pdf", PDF),))
        return await self.ask("POST", "/messages", once=once, data=form(body or meta(), files), **more)

    async def carry(self) -> None:
        """Carry everything that waits, until nothing moves any more."""
        await self.town.carry()
        await self.town.number()

    async def _own_key(self, agency: str) -> str:
        self.keys[agency] = await self.key(agency)
        return self.keys[agency]


@dataclass(kw_only=True)
class VxpDoor:
    """`secrets` by system."""

    api: Door
    secrets: dict[str, str] = field(default_factory=dict)

    @property
    def node(self) -> OpenNode:
        return self.api.node

    async def system(
        self,
        name: str = SYSTEM,
        codes: Sequence[str] = (DEPARTMENT,),
        *,
        scopes: Collection[ApiScope] = ALL,
        expires_at: datetime | None = None,
        good_from: Sequence[str] = (),
        ends_at: datetime | None = None,
    ) -> ApiKey:
        """Make a system as `gateway compat` does."""
        accounts = self.node.store.accounts
        agencies = [await accounts.hosted_by_code(code) for code in codes]
        id = self.node.clock.new_id("key_")
        secret, sealed = system_secrets(self.node.settings).new(id)
        key = ApiKey(
            id=id,
            principal=await accounts.principal_for(PrincipalKind.PROGRAM, name),
            agency_ids=tuple(x.id for x in agencies if x is not None),
            scopes=frozenset(scopes),
            created_at=self.node.clock.now(),
            expires_at=expires_at,
            networks=tuple(account.read_network(x) for x in good_from),
            system=name,
            sealed=sealed,
        )
        await accounts.add_system_key(key, old_ends_at=ends_at)
        self.secrets[name] = secret
        return key

    def client(self, name: str = SYSTEM, secret: str | None = None) -> SdkClient:
        return SdkClient(str(self.api.client.make_url("/")), name, secret or self.secrets[name])

    async def with_client(
        self, act: Callable[[SdkClient], T], name: str = SYSTEM, secret: str | None = None
    ) -> T:
        """Run an act of the client in a thread, as the client blocks; its connection ends with it."""

        def run() -> T:
            client = self.client(name, secret)
            try:
                return act(client)
            finally:
                client.close()

        return await asyncio.to_thread(run)

    async def call(self, operation: str, fields: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
        name = more.pop("name", SYSTEM)
        return await self.with_client(lambda client: client.ask(operation, fields, **more), name)

    async def send(self, file: bytes, sender: str = DEPARTMENT, **more: Any) -> dict[str, Any]:
        name = more.pop("name", SYSTEM)
        return await self.with_client(lambda client: client.send(file, sender, **more), name)

    async def listed(self, kind: str = "edoc", name: str = SYSTEM) -> list[dict[str, Any]]:
        return await self.with_client(lambda client: client.listed(kind), name)

    async def say(self, doc_id: str, word: str, **more: str) -> dict[str, Any]:
        return await self.call("updateStatus", {"docId": doc_id, "status": word} | more, body=b"{}")


@dataclass(frozen=True, kw_only=True)
class Socket:
    """Address on which the node listens."""

    host: str
    port: int

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self.host, self.port)

    async def say(self, raw: bytes) -> bytes:
        """Send bytes; return the whole answer, until the server closes."""
        reader, writer = await self.connect()
        try:
            writer.write(raw)
            return await within_limit(reader.read(), "what the server says until it closes")
        finally:
            writer.close()


class Served(TestServer):
    """Test server that listens as a node does."""

    async def start_server(self, loop: asyncio.AbstractEventLoop | None = None, **more: Any) -> None:
        async with AsyncExitStack() as opening:
            self._root = URL(
                await opening.enter_async_context(listening(self.app, "api", self.host, self.port or 0, 1.0))
            )
            self.scheme, self.port = self._root.scheme, self._root.port
            self._open = opening.pop_all()

    async def close(self) -> None:
        await self._open.aclose()


Hang = Callable[[web.Application, OpenNode, ApiDeps], None]


def api_of(
    town: Town,
    options: ApiOptions | None = None,
    hang: Hang = lambda app, node, deps: None,
    routes: Sequence[Route] = ROUTES,
) -> tuple[web.Application, ApiDeps]:
    """Build the API of the town's node with these calls; `hang` adds doors to it."""
    node = town.node
    deps = ApiDeps(
        store=node.store,
        accounts=node.store.accounts,
        blobs=node.blobs,
        directory=node.directory,
        directory_changes=node.directory_changes,
        out=node.out,
        inn=node.inn,
        axis=node.axis,
        clock=town.clock,
        pool=node.pool,
        health=Watch(node=node),
        webhooks=node.webhooks,
        evidence=EvidenceMaker(node),
        # A test says when what was called is written.
        calls=CallLog(node.store.calls, town.clock, timedelta(days=30), every_s=3600.0),
        version=__version__,
        options=options or ApiOptions(),
    )
    app = build(deps, lambda: routes)
    hang(app, node, deps)
    return app, deps


@asynccontextmanager
async def open_door(
    blank: Path,
    folder: Path,
    options: ApiOptions | None = None,
    change: Change = unchanged,
    hang: Hang = lambda app, node, deps: None,
) -> AsyncIterator[Door]:
    """Open the API of a town of its own in that folder, on a copy of another."""
    shutil.copytree(blank, folder, dirs_exist_ok=True)
    async with open_town(folder, change=change) as town:
        app, deps = api_of(town, options, hang)
        async with TestClient(Served(app)) as client:
            yield Door(node=town.node, clock=town.clock, client=client, deps=deps, calls=deps.calls)


@asynccontextmanager
async def open_vxp_door(
    blank: Path, folder: Path, *, options: ApiOptions | None = None, fresh: timedelta = timedelta()
) -> AsyncIterator[VxpDoor]:
    """Open the compatibility door of a town of its own."""
    async with open_door(blank, folder, options, hang=vxp_operations(fresh)) as opened:
        yield VxpDoor(api=opened)


def vxp_operations(fresh: timedelta = timedelta()) -> Hang:
    """Return what adds the compatibility door to an API."""

    def hang(app: web.Application, node: OpenNode, deps: ApiDeps) -> None:
        vxp = VxpDeps(api=deps, keys=node.store.accounts, secrets=system_secrets(node.settings), fresh=fresh)
        application.add_operations(app, vxp, Entry(deps.options))

    return hang


@asynccontextmanager
async def open_socket(
    blank: Path, options: ApiOptions | None = None, idle_s: float = 75.0
) -> AsyncIterator[Socket]:
    """Serve the API over the node in that folder, to which nothing is written, on a socket."""
    async with open_town(blank) as town:
        app, _ = api_of(town, options)
        async with listening(app, "api", "127.0.0.1", 0, 1.0, idle_s) as url:
            host, _, port = url.removeprefix("http://").partition(":")
            yield Socket(host=host, port=int(port))


@asynccontextmanager
async def serving(folder: Path, change: Change = unchanged) -> AsyncIterator[Door]:
    """Serve the whole application of a town of now, as a program meets it, with its workers at work."""
    async with (
        open_town(folder, SystemClock(), change=change) as town,
        story.at_work(town.node),
        TestClient(Served(build_application(town.node, Watch(node=town.node)))) as client,
    ):
        yield Door(node=town.node, clock=town.clock, client=client)
