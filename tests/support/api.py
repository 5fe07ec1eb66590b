"""A real node behind a real aiohttp server, for tests of the API: the demonstration's agencies, one key each, and calls
in a line. The stage is set up once for a run and copied, because keys and migrations take longer than most tests."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import FormData, web
from aiohttp.test_utils import TestClient, TestServer
from pypdf import PdfWriter

from gateway import __version__
from gateway.api.app import build
from gateway.api.deps import ApiDeps, ApiOptions
from gateway.api.resources import ROUTES
from gateway.api.server import CallLog
from gateway.demo import stage
from gateway.domain import account
from gateway.domain.account import ApiScope, ClientCertificate, KeyWay, PrincipalKind
from gateway.office import calls as calls_of_office
from gateway.office.bootstrap.office import Office, open_office
from gateway.office.web.app import add_static, add_status
from gateway.ops.evidence.make import EvidenceMaker
from gateway.ops.metrics import Watch
from gateway.settings import Settings
from gateway.workers import couriers, event_log
from tests.support.clock import START, ManualClock
from tests.support.contract import complaints
from tests.support.once import once

BASE = "/api/v1"
OUTSIDE = ("/api", "/docs", "/problems", "/healthz", "/readyz", "/static", "/favicon.ico", "/?")
ALL = frozenset(ApiScope)
PROVINCE, DEPARTMENT, COMMUNE = (stage.cast().code(actor) for actor in stage.ACTORS)


def pdf(pages: int = 1) -> bytes:
    """A good PDF of so many empty pages."""
    writer = PdfWriter()
    for _ in range(pages):
        writer.add_blank_page(width=595, height=842)
    held = io.BytesIO()
    writer.write(held)
    return held.getvalue()


PDF = pdf()


def meta(**fields: Any) -> dict[str, Any]:
    """A document that may be sent, from the department to the province; None takes a field away."""
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
    said: Mapping[str, Any] | bytes, files: Sequence[tuple[str, str, bytes]] = (("lead", "15.pdf", PDF),)
) -> FormData:
    """Meta first, then files as (field, name, bytes)."""
    data = FormData(quote_fields=False)
    raw = said if isinstance(said, bytes) else json.dumps(said).encode()
    data.add_field("meta", raw.decode(), content_type="application/json")
    for name, filename, content in files:
        data.add_field(name, io.BytesIO(content), filename=filename, content_type="application/octet-stream")
    return data


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back, read whole."""

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

    node: Office
    clock: ManualClock
    client: TestClient[Any, Any]
    deps: ApiDeps | None = None
    calls: CallLog | None = None
    keys: dict[str, str] = field(default_factory=dict)
    used: int = 0

    async def key(
        self,
        *codes: str,
        scopes: Collection[ApiScope] = ALL,
        expires_at: datetime | None = None,
        good_from: Sequence[str] = (),
        way: KeyWay = KeyWay.SECRET,
        certificate: ClientCertificate | None = None,
    ) -> str:
        """The secret of a new key for these agencies; one that a certificate alone opens has none that is good."""
        agencies = [await self.node.store.accounts.hosted_by_code(code) for code in codes]
        self.used += 1
        secret = f"gwk_test-{self.used}"
        owner = agencies[0]
        principal = await self.node.store.accounts.principal_for(
            PrincipalKind.PROGRAM, f"program {self.used}", owner.id if owner else None
        )
        await self.node.store.accounts.add_key(
            secret_hash=None if way is KeyWay.CERTIFICATE else hashlib.sha256(secret.encode()).hexdigest(),
            principal=principal,
            agency_ids=[agency.id for agency in agencies if agency],
            scopes=scopes,
            expires_at=expires_at,
            networks=[account.read_network(each) for each in good_from],
            way=way,
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
        """One call; by default with the key of `agency`. `once` is the Idempotency-Key."""
        sent = dict(headers or {})
        if key == "":
            key = self.keys.setdefault(agency, "") or await self._own_key(agency)
        if key is not None:
            sent["Authorization"] = f"Bearer {key}"
        if once is not None:
            sent["Idempotency-Key"] = once
        target = path if path.startswith(OUTSIDE) or path.startswith("/trang-thai") else BASE + path
        async with self.client.request(method, target, headers=sent, **more) as response:
            raw = await response.read()
            wrong = complaints(
                method,
                response.url.path,
                response.status,
                response.content_type,
                raw,
                response.headers,
                is_chosen="fields" in response.url.query,
            )
            assert not wrong, wrong
            return Answer(status=response.status, headers=response.headers, raw=raw)

    async def send(self, said: Mapping[str, Any] | None = None, *, once: str = "one", **more: Any) -> Answer:
        """POST /messages with a good PDF."""
        files = more.pop("files", (("lead", "15.pdf", PDF),))
        return await self.ask("POST", "/messages", once=once, data=form(said or meta(), files), **more)

    async def carry(self) -> None:
        """Everything that waits goes its way, until nothing moves any more: as the workers do, one step at a time."""
        out, inn = self.node.out, self.node.inn
        await inn.axis.host(
            [code for each in await inn.store.hosted() for code in (each.code, *each.aliases)]
        )
        steps: tuple[Callable[[], Awaitable[bool]], ...] = (
            lambda: couriers.pack_batch(out, 10, 60.0),
            lambda: couriers.dispatch_batch(out, 10, 60.0),
            lambda: couriers.land_batch(inn, 10, 60.0),
            lambda: couriers.process_batch(inn, 10, 60.0),
        )
        moved = True
        while moved:
            moved = any([await step() for step in steps])
        while await event_log.number_batch(self.node.store):
            pass

    async def _own_key(self, agency: str) -> str:
        self.keys[agency] = await self.key(agency)
        return self.keys[agency]


def staged(folder: Path) -> Path:
    """A stage to copy: database, agencies, keys, anchors, registry rows and bindings."""
    return asyncio.run(stage_in(folder))


async def stage_in(folder: Path) -> Path:
    with once("stage") as (kept, is_new):
        if is_new:
            await _stage(kept)
    return shutil.copytree(kept, folder, dirs_exist_ok=True)


async def _stage(folder: Path) -> None:
    # A day earlier, so that no id made here is made again by a test's own clock.
    settings, clock = stage.settings_for(folder), ManualClock(START - timedelta(days=1))
    await stage.prepare(settings, clock)
    async with open_office(settings, clock) as node:
        await stage.register(node)


@asynccontextmanager
async def opened(
    blank: Path,
    folder: Path,
    options: ApiOptions | None = None,
    change: Callable[[Settings], Settings] = lambda settings: settings,
    hang: Callable[[web.Application, Office, ApiDeps], None] = lambda app, node, deps: None,
) -> AsyncIterator[Door]:
    """A node of its own on a copy of the stage, with its server listening; `hang` adds doors to it."""
    shutil.copytree(blank, folder, dirs_exist_ok=True)
    clock = ManualClock()
    async with open_office(change(stage.settings_for(folder)), clock) as node:
        # A test says when what was called is written.
        calls = CallLog(node.store.calls, clock, timedelta(days=30), every_s=3600.0)
        deps = ApiDeps(
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
            evidence=EvidenceMaker(node),
            calls=calls,
            version=__version__,
            options=options or ApiOptions(),
        )
        app = build(deps, (*ROUTES, *calls_of_office.routes(node)))
        hang(app, node, deps)
        add_status(app.router, node.store, clock, __version__)
        add_static(app.router)
        async with TestClient(TestServer(app)) as client:
            yield Door(node=node, clock=clock, client=client, deps=deps, calls=calls)
