"""Dependencies of the pages: the open office, and the state that a process keeps between pages: previews of code
files, and open pages that hear news of lists. A preview is applied exactly as shown, for its session alone, for an
hour: the file is kept for every process of the node, its plan only in the memory of this one. Another process plans
anew; where the effect differs, the preview is gone. Live pages are limited per person and in total; a person without a
place gets one of a person who has several; all end at once when the node stops."""

from __future__ import annotations

import asyncio
import zlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar

from gateway import __version__
from gateway.api.admission import Entry
from gateway.domain.registry_change import Plan
from gateway.ops.evidence.make import EvidenceMaker
from gateway.policy import code_file
from gateway.policy.code_file import CodeFile
from gateway.ports.services import HealthProbe, Pool
from gateway.registry.directory import SqlDirectory
from gateway.store.maintenance import Maintenance
from gateway.store.row import from_json, to_json
from gateway_office.bootstrap.office import Office, widen
from gateway_office.letters.habits import HabitsMemory
from gateway_office.letters.past import PastMemory
from gateway_office.node.exchange import TokenSigning
from gateway_office.node.journal import NodeJournal
from gateway_office.node.machine import BackupCopies
from gateway_office.notices import NoticeBoard
from gateway_office.notifications import RingBoard
from gateway_office.store.store import SqlKeepings
from gateway_office.todo import TaskCount
from gateway_office.web.icons import Emblem
from gateway_office.web.question_limit import QuestionLimit

# An open stream holds a connection: others poll.
MOST_LIVE = 64
MOST_LIVE_PER_PERSON = 4
LIVE_LOOK_S = 15.0
# A busy node rings often; a page needs to hear it now and then.
LIVE_BETWEEN_S = 3.0
# A session that has ended hears nothing more after that long.
LIVE_STILL_S = 3.0
LIVE_LONGEST_S = 240.0
# As the frame of the pages says it; an axis that was not needed yet is well.
_LIGHTS = {"blocked": "slow", "idle": "up"}


class Live:
    """Open live streams of this process."""

    def __init__(self, most: int = MOST_LIVE, per_person: int = MOST_LIVE_PER_PERSON) -> None:
        self._most = most
        self._per_person = per_person
        # The open streams of each person, oldest first; set when another takes the place.
        self._open: dict[str, list[asyncio.Event]] = {}
        self._stopping = asyncio.Event()

    @property
    def is_stopping(self) -> bool:
        return self._stopping.is_set()

    @asynccontextmanager
    async def place(self, person_id: str) -> AsyncIterator[asyncio.Event | None]:
        """Yield an event that ends the stream, holding a place while the body runs; None where there is no place."""
        if not self._is_free_for(person_id):
            yield None
            return
        ended = asyncio.Event()
        streams = self._open.setdefault(person_id, [])
        streams.append(ended)
        try:
            yield ended
        finally:
            if ended in streams:
                streams.remove(ended)
            if not streams and self._open.get(person_id) is streams:
                del self._open[person_id]

    def _is_free_for(self, person_id: str) -> bool:
        """Tell whether the person gets a place. A person with too many, who may have left the page, gives the oldest
        back."""
        streams = self._open.get(person_id, [])
        if self.is_stopping:
            return False
        if len(streams) >= self._per_person:
            streams.pop(0).set()
        elif sum(map(len, self._open.values())) >= self._most:
            longest = max(self._open.values(), key=len)
            if len(longest) <= len(streams) + 1:
                return False
            longest.pop(0).set()
        return True

    async def pause(self, seconds: float) -> None:
        """Sleep; end early when the node stops."""
        # Then nothing below waits, and a loop of this and of reads that need no wait would hear of no cancellation.
        await asyncio.sleep(0)
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return

    async def wait_for_first(self, *waits: Coroutine[None, None, object]) -> None:
        """Wait until one of them ends, or the node stops; the others end with it. Raise the error of that one."""
        tasks = [asyncio.ensure_future(task) for task in (*waits, self._stopping.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def stop(self) -> None:
        self._stopping.set()


_MOST_PREVIEWS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPreview:
    """Stored part of a preview. `headings` are the columns as the file names them, `columns` the names chosen for them;
    empty is left out. `read` describes the file; its content is the table that was read. `effect` sums up the plan that
    was shown."""

    name: str
    headings: tuple[str, ...]
    columns: tuple[str, ...]
    read: CodeFile = field(repr=False)
    effect: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview(KeptPreview):
    """Preview of a file of codes. `table` is the table under the registry's own columns."""

    plan: Plan = field(repr=False)
    table: bytes = field(repr=False)


@dataclass(kw_only=True)
class Previews:
    """Previews of this node. `planned` asks the registry for the changes a file would make now."""

    keepings: SqlKeepings
    planned: Callable[[bytes], Awaitable[Plan]]
    pool: Pool
    _near: OrderedDict[str, Preview] = field(default_factory=OrderedDict)

    async def keep(self, preview: Preview, session_id: str, now: datetime) -> str:
        body = await self.pool.run(lambda: zlib.compress(to_json(KeptPreview, preview).encode(), 1))
        key = await self.keepings.keep(session_id, body, now)
        self._remember(key, preview)
        return key

    async def find(self, key: str, session_id: str, now: datetime) -> Preview | None:
        body = await self.keepings.find(key, session_id, now)
        if body is None:
            self._near.pop(key, None)
            return None
        if key in self._near:
            return self._near[key]
        stored, table = await self.pool.run(lambda: _read_preview(body))
        plan = await self.planned(table)
        if plan.effect != stored.effect:
            return None
        preview = widen(Preview, stored, plan=plan, table=table)
        self._remember(key, preview)
        return preview

    async def forget(self, key: str) -> None:
        self._near.pop(key, None)
        await self.keepings.forget(key)

    def _remember(self, key: str, preview: Preview) -> None:
        self._near[key] = preview
        while len(self._near) > _MOST_PREVIEWS:
            self._near.popitem(last=False)


def _read_preview(body: bytes) -> tuple[KeptPreview, bytes]:
    preview = from_json(KeptPreview, zlib.decompress(body).decode())
    return preview, code_file.rename_columns(preview.read.csv, preview.columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Light:
    """State of the line to the axis: `up`, `slow`, `down`, of several `partly`, and since when."""

    word: str
    since: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class WebDeps(Office):
    """The open office with the services of the pages. `entry` knows which proxies to believe of an address."""

    version: ClassVar[str] = __version__

    bell: TaskCount
    rings: RingBoard
    previews: Previews
    evidence: EvidenceMaker
    signing: TokenSigning
    health: HealthProbe
    copies: BackupCopies
    journal: NodeJournal
    maintenance: Maintenance
    notices: NoticeBoard
    entry: Entry
    live: Live = field(default_factory=Live)
    habits: HabitsMemory = field(default_factory=HabitsMemory)
    past: PastMemory = field(default_factory=PastMemory)
    questions: QuestionLimit = field(default_factory=QuestionLimit)
    emblem: Emblem | None = None

    @property
    def registry(self) -> SqlDirectory:
        return self.directory

    @property
    def urge_every(self) -> timedelta:
        return timedelta(days=self.settings.pages.urge_days)

    @property
    def ribbon(self) -> bool:
        """Tell whether pages say that the node is not for real mail."""
        return "on" in (self.settings.pages.ribbon, self.settings.node.trial)

    def light(self) -> Light:
        state = self.axis.state()
        return Light(word=_LIGHTS.get(state.word, state.word), since=state.blocked_since or state.down_since)
