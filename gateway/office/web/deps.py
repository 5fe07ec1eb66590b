"""What the pages are handed by the wiring: the desks of the flows, promises for what other rings have, and what a
process keeps between pages: the previews of files of codes, and the open pages that hear news of lists. Adapters do
not inherit from the promises; they only fit. What a preview showed is what is applied, each for its session alone,
for an hour: the file is kept for every process of the node, its plan only in the memory of this one, as planning
takes a while, and another process plans anew; where that comes to something else, the preview is gone. Pages that
hear news are bounded in number, for each person and for all; whoever has no place gets one of a person who has
several; all are over at once when the node stops."""

from __future__ import annotations

import asyncio
import json
import secrets
import zlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from gateway.deciding import DecidingDesk
from gateway.domain.registry_change import Plan
from gateway.holding import HoldDesk
from gateway.office.desks import AccountDesk, BookDesk, OfficeIn, OfficeOut, TodoDesk
from gateway.office.letters.habits import HabitsMemory
from gateway.office.letters.looking import Looking
from gateway.office.node.exchange import (
    AxisDeadLetters,
    ComparedCertificate,
    NodeContacts,
    PacketViews,
    QuarantinedPackets,
    TokenSigning,
)
from gateway.office.node.journal import NodeJournal
from gateway.office.node.machine import BackupCopies, NodeMachine
from gateway.office.ringing import RingBoard
from gateway.office.store.store import Keeping, SqlKeepings, SqlOfficeStore
from gateway.office.telling import NoticeBoard
from gateway.office.todo import TaskBell
from gateway.office.web.icons import Emblem
from gateway.policy import code_file
from gateway.policy.code_file import CodeFile, CodeFileForm, Workbook
from gateway.policy.texts import Letters
from gateway.ports import Blobs, Clock, HealthProbe, Pool
from gateway.ports.node import ApiCalls
from gateway.registry.directory import SqlDirectory
from gateway.settings.options import AccountSettings, Pages
from gateway.store.accounts import HostedAccounts
from gateway.webhooks import WebhookDesk

# An open stream holds a connection: others poll.
MOST_LIVE = 64
MOST_LIVE_EACH = 4
LIVE_LOOK_S = 15.0
# A busy node rings often; a page needs to hear it now and then.
LIVE_BETWEEN_S = 3.0
# Whoever signed out, or was put out, hears nothing more after that long.
LIVE_STILL_S = 3.0
LIVE_LONGEST_S = 240.0


class Live:
    """Who listens at this process."""

    def __init__(self, most: int = MOST_LIVE, each: int = MOST_LIVE_EACH) -> None:
        self._most = most
        self._each = each
        # Of each person the open streams, oldest first; set when another takes the place.
        self._open: dict[str, list[asyncio.Event]] = {}
        self._stopping = asyncio.Event()

    @property
    def is_stopping(self) -> bool:
        return self._stopping.is_set()

    @asynccontextmanager
    async def place(self, person_id: str) -> AsyncIterator[asyncio.Event | None]:
        """A place, held while the body runs or until its event is set; None where there is none."""
        if not self._is_free_for(person_id):
            yield None
            return
        given_up = asyncio.Event()
        mine = self._open.setdefault(person_id, [])
        mine.append(given_up)
        try:
            yield given_up
        finally:
            if given_up in mine:
                mine.remove(given_up)
            if not mine and self._open.get(person_id) is mine:
                del self._open[person_id]

    def _is_free_for(self, person_id: str) -> bool:
        """Whoever has too many, and may have left the page, gives the oldest back."""
        mine = self._open.get(person_id, [])
        if self.is_stopping:
            return False
        if len(mine) >= self._each:
            mine.pop(0).set()
        elif sum(map(len, self._open.values())) >= self._most:
            richest = max(self._open.values(), key=len)
            if len(richest) <= len(mine) + 1:
                return False
            richest.pop(0).set()
        return True

    async def pause(self, seconds: float) -> None:
        """Ends early when the node stops."""
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return

    async def rung(self, wait: Callable[[float], Awaitable[None]], seconds: float) -> None:
        """Until something may have happened; ends early when the node stops."""

        async def waiting() -> None:
            await wait(seconds)

        await self.first(waiting())

    async def first(self, *each: Coroutine[None, None, object]) -> None:
        """Until one of them ends, or the node stops; the others end with it. Raises what that one raised."""
        tasks = [asyncio.ensure_future(one) for one in (*each, self._stopping.wait())]
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for one in ended:
                one.result()
        finally:
            for one in tasks:
                one.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def stop(self) -> None:
        self._stopping.set()


PREVIEW_KEPT = timedelta(hours=1)
_MOST_PREVIEWS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """`headings` are the columns as the file names them, `columns` what each was taken for; empty is left out. `read` says
    what the file was; its content is the table that was read, `whole` the same under the registry's own columns."""

    name: str
    headings: tuple[str, ...]
    columns: tuple[str, ...]
    plan: Plan = field(repr=False)
    read: CodeFile = field(repr=False)
    whole: bytes = field(repr=False)
    at: datetime
    session_id: str


@dataclass(kw_only=True)
class Previews:
    """`planned` asks the registry what a file would change now."""

    keepings: SqlKeepings
    planned: Callable[[bytes], Awaitable[Plan]]
    pool: Pool
    _near: OrderedDict[str, Preview] = field(default_factory=OrderedDict)

    async def keep(self, preview: Preview) -> str:
        key, until = secrets.token_urlsafe(12), preview.at + PREVIEW_KEPT
        body = await self.pool.run(lambda: _written_preview(preview))
        await self.keepings.keep(
            Keeping(key=key, session_id=preview.session_id, body=body, at=preview.at, until=until)
        )
        self._remember(key, preview)
        return key

    async def find(self, key: str, session_id: str, now: datetime) -> Preview | None:
        body = await self.keepings.find(key, session_id, now)
        if body is None:
            self._near.pop(key, None)
            return None
        if key in self._near:
            return self._near[key]
        told, read, whole = await self.pool.run(lambda: _read_preview(body))
        plan = await self.planned(whole)
        if plan.effect != told["effect"]:
            return None
        found = Preview(
            name=told["name"],
            headings=tuple(told["headings"]),
            columns=tuple(told["columns"]),
            plan=plan,
            read=read,
            whole=whole,
            at=now,
            session_id=session_id,
        )
        self._remember(key, found)
        return found

    async def forget(self, key: str) -> None:
        self._near.pop(key, None)
        await self.keepings.forget(key)

    def _remember(self, key: str, preview: Preview) -> None:
        self._near[key] = preview
        while len(self._near) > _MOST_PREVIEWS:
            self._near.popitem(last=False)


def _written_preview(preview: Preview) -> bytes:
    read = preview.read
    told = {
        "name": preview.name,
        "headings": preview.headings,
        "columns": preview.columns,
        "effect": preview.plan.effect,
        "form": read.form,
        "csv": read.csv.decode(),
        "letters": read.letters,
        "samples": read.samples,
        "formulas": read.formulas,
    }
    return zlib.compress(json.dumps(told, ensure_ascii=False).encode(), 1)


def _read_preview(body: bytes) -> tuple[dict[str, Any], CodeFile, bytes]:  # Any: JSON that `_written` wrote
    told = json.loads(zlib.decompress(body))
    read = CodeFile(
        form=CodeFileForm(told["form"]),
        csv=told["csv"].encode(),
        letters=Letters(told["letters"]) if told["letters"] else None,
        samples=tuple((before, after) for before, after in told["samples"]),
        formulas=told["formulas"],
    )
    return told, read, code_file.under_own_names(read.csv, told["columns"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Light:
    """How the line to the axis is: `up`, `slow`, `down`, of several `partly`, and since when."""

    word: str
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operations:
    """Everything behind the pages of operations and of the log."""

    machine: NodeMachine
    dead: AxisDeadLetters
    aside: QuarantinedPackets
    copies: BackupCopies
    journal: NodeJournal


@dataclass(frozen=True, slots=True, kw_only=True)
class WebDeps:
    """Everything that the pages work with. `request_id` and `address` ask the server's outer layer, which named the call
    and knows which proxies to believe. `ribbon` marks a node that is not for real mail."""

    store: SqlOfficeStore
    blobs: Blobs
    accounts: AccountDesk
    deciding: DecidingDesk
    hold: HoldDesk
    out: OfficeOut
    inn: OfficeIn
    todo: TodoDesk
    book: BookDesk
    registry: SqlDirectory
    contacts: NodeContacts
    certificate: Callable[[bytes], ComparedCertificate]
    clock: Clock
    pool: Pool
    health: HealthProbe
    bell: TaskBell
    rings: RingBoard
    keys: HostedAccounts
    calls: ApiCalls
    webhooks: WebhookDesk
    keepings: SqlKeepings
    previews: Previews
    looking: Looking
    packets: PacketViews
    signing: TokenSigning
    operations: Operations
    notices: NoticeBoard
    light: Callable[[], Light]
    request_id: Callable[[web.Request], str]
    address: Callable[[web.Request], str]
    version: str
    workbook: Workbook = code_file.no_workbook
    live: Live = field(default_factory=Live)
    habits: HabitsMemory = field(default_factory=HabitsMemory)
    settings: Pages
    naming: AccountSettings
    calls_days: int
    ribbon: bool
    emblem: Emblem | None = None

    @property
    def urge_every(self) -> timedelta:
        return timedelta(days=self.settings.urge_days)
