"""Previews of a document's files, for the page where it is decided, incoming or outgoing. In: a file of a document that the
caller may read, a page. Out: its picture or its text, drawn outside of the node's process; or a fault in one word. Pictures
are kept beside the node only where no doubt exists: never of a held, sealed, recalled or cancelled document, or one that
may carry a mark of secrecy, and only while a sweep checks that every minute. For agencies at work the lead files of new
letters are drawn ahead."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from gateway import log
from gateway.domain.account import AgencyScope
from gateway.domain.document import (
    FileRole,
    IncomingDocument,
    IncomingFile,
    InState,
    OutgoingDocument,
)
from gateway.domain.identity import Digest
from gateway.domain.pdf import PageLook, PageWish
from gateway.errors import GatewayError
from gateway.incoming import reading
from gateway.outgoing import files
from gateway.stored_content import Door
from gateway.trust.page_drawing.drawer import PageDrawer
from gateway_office.domain.content import DECIDABLE, may_be_kept
from gateway_office.services import BackgroundTasks, OfficeIncomingServices, OfficeOutgoingServices
from gateway_office.store.pictures import FilePictures, PictureKey

WINDOW = 10
DOTS = (100, 150, 200)
LARGEST = 50 * 1024 * 1024  # the person who opens a page waits for it
KIND, LIMIT, READER = "PAGE-KIND", "PAGE-LIMIT", "PAGE-READER"
AT_WORK = timedelta(hours=12)
SWEPT_EVERY = timedelta(minutes=1)
# The sweep still runs: a loop that was late once is no reason to draw everything anew.
_SWEPT_LATELY = 5 * SWEPT_EVERY
_AHEAD = 20
_MOST_REMEMBERED = 2_000
_NODE = "node"
PATIENCE_S = 1.5
_FAULTY_FOR = timedelta(minutes=10)
_log = logging.getLogger(__name__)
K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True, kw_only=True)
class LookedFile:
    """File of a document of either side. `is_kept`: pictures may lie beside the node; `opened` opens its bytes."""

    document_id: str
    n: int
    name: str
    kind: str
    size: int
    sha256: Digest
    is_lead: bool
    is_kept: bool
    opened: Callable[[AgencyScope], Awaitable[AsyncIterator[bytes]]]


def lead_of(files: Sequence[LookedFile]) -> LookedFile | None:
    """Return the file that its sender calls the lead, else the first."""
    return next((f for f in files if f.is_lead), files[0] if files else None)


@dataclass(slots=True, kw_only=True)
class PreviewDrawer:
    """Previews of one process. It remembers the agencies at work, the files that could not be drawn, and those drawn
    ahead."""

    services: OfficeIncomingServices
    out: OfficeOutgoingServices
    pages: PageDrawer
    pictures: FilePictures
    background: BackgroundTasks = field(default_factory=BackgroundTasks)
    _swept_at: datetime | None = None
    _at_work: dict[str, datetime] = field(default_factory=dict)
    _faulty: OrderedDict[tuple[Digest, PageWish], tuple[datetime, PageLook]] = field(
        default_factory=OrderedDict
    )
    _noted: OrderedDict[tuple[str, ...], None] = field(default_factory=OrderedDict)
    _ahead: OrderedDict[str, None] = field(default_factory=OrderedDict)

    def has_noted(self, reader: tuple[str, ...]) -> bool:
        """Tell whether this session's reading of this file, by this order, is logged: once is enough."""
        return reader in self._noted

    def note(self, reader: tuple[str, ...]) -> None:
        _remember(self._noted, reader, None)

    def files(self, document: IncomingDocument | OutgoingDocument) -> tuple[LookedFile, ...]:
        is_kept = may_be_kept(document)
        return tuple(
            LookedFile(
                document_id=document.id,
                n=file.n,
                name=file.name,
                kind=(file.found_type or "") if isinstance(file, IncomingFile) else file.content_type,
                size=file.size,
                sha256=file.sha256,
                is_lead=file.role is FileRole.LEAD,
                is_kept=is_kept,
                opened=partial(self._opened, document, file.n),
            )
            for file in document.files
        )

    async def _opened(
        self, document: IncomingDocument | OutgoingDocument, n: int, scope: AgencyScope
    ) -> AsyncIterator[bytes]:
        if isinstance(document, IncomingDocument):
            return (await reading.open_file(self.services, scope, document.id, n, Door.NODE)).pieces
        return (await files.open_file(self.out, scope, document.id, n, Door.NODE)).pieces

    def can_draw(self, file: LookedFile) -> bool:
        return self.pages.can_draw(file.kind) and file.size <= LARGEST

    async def look(self, scope: AgencyScope, file: LookedFile, page: int, dots: int = DOTS[0]) -> PageLook:
        """Return the picture of a page, and the sizes of `WINDOW` pages from it on. Raise Clash for an unreadable
        document."""
        if not self.can_draw(file):
            return PageLook(fault=LIMIT if self.pages.can_draw(file.kind) else KIND)
        key = PictureKey(
            agency_id=scope.agency_id,
            document_id=file.document_id,
            n=file.n,
            digest=file.sha256,
            page=page,
            dots=dots,
        )
        pool = self.services.pool
        if file.is_kept and (kept_look := await pool.run(partial(self.pictures.find, key))) is not None:
            return kept_look
        wish = PageWish(kind=file.kind, page=page, dots=dots, window=WINDOW)
        look = await self._drawn(scope, file, wish)
        if file.is_kept and look.fault is None and self._is_swept():
            await pool.run(partial(self.pictures.keep, key, look))
        return look

    async def look_soon(
        self, scope: AgencyScope, file: LookedFile, page: int, dots: int = DOTS[0]
    ) -> PageLook | None:
        """Look as `look`; return None where that takes longer than a person should wait. Drawing goes on meanwhile."""
        looking = self.background.begin(self.look(scope, file, page, dots), _log_unseen)
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await asyncio.shield(looking)
        except TimeoutError:
            return None

    async def words(self, scope: AgencyScope, file: LookedFile, page: int) -> PageLook:
        """Return the text of `WINDOW` pages, from that one on; it is not kept."""
        if not self.can_draw(file):
            return PageLook(fault=KIND)
        wish = PageWish(kind=file.kind, page=page, window=WINDOW, words=True)
        return await self._drawn(scope, file, wish)

    def are_at_work(self, agency_id: str) -> None:
        """Note that a person of the agency looks at its letters."""
        if not self._at_work:
            self.background.begin(self.pages.warm(), _log_unseen)
        self._at_work[agency_id] = self.services.clock.now()

    async def forget(self, scope: AgencyScope, id: str) -> None:
        """Forget its pictures at once, where a person hid it from others; the sweep finds every other way."""
        await self.services.pool.run(partial(self.pictures.forget, scope.agency_id, [id]))

    def is_due(self, now: datetime) -> bool:
        return self._swept_at is None or not self._swept_at <= now < self._swept_at + SWEPT_EVERY

    async def step(self) -> bool:
        """Take one turn of the loop: sweep, then draw one letter ahead. True when there may be more."""
        if self.is_due(self.services.clock.now()):
            await self._sweep()
        return await self._draw_ahead()

    async def _sweep(self) -> None:
        kept_documents = await self.services.pool.run(self.pictures.documents)
        for agency_id, ids in kept_documents.items():
            await self._sweep_agency(AgencyScope(agency_id=agency_id, principal_id=_NODE), sorted(ids))
        await self.services.pool.run(self.pictures.trim)
        self._swept_at = self.services.clock.now()

    async def _sweep_agency(self, scope: AgencyScope, ids: Sequence[str]) -> None:
        from gateway.store.destruction import open_destructions  # few nodes destroy anything

        for n in range(0, len(ids), 500):
            batch = ids[n : n + 500]
            async with self.services.store.read(scope) as work:
                states = await work.incoming.states(batch)
                outgoing = await work.outgoing.of_many([d for d in batch if d not in states])
                destroyed = await open_destructions(work).destroyed_among(batch)
            kept_ids = {id for id, state in states.items() if state in DECIDABLE and id not in destroyed}
            kept_ids |= {d.id for d in outgoing if may_be_kept(d)}
            forgotten = [d for d in batch if d not in kept_ids]
            if forgotten:
                await self.services.pool.run(partial(self.pictures.forget, scope.agency_id, forgotten))
                log.action(_log, "pictures.forgotten", documents=len(forgotten))

    async def _draw_ahead(self) -> bool:
        now = self.services.clock.now()
        self._at_work = {id: at for id, at in self._at_work.items() if at <= now < at + AT_WORK}
        for agency_id in self._at_work:
            scope = AgencyScope(agency_id=agency_id, principal_id=_NODE)
            async with self.services.store.read(scope) as work:
                newest = (await work.incoming.page(limit=_AHEAD, states=(InState.NEW,))).items
            for document in newest:
                if document.id not in self._ahead:
                    _remember(self._ahead, document.id, None)
                    if await self._drawn_ahead(scope, document):
                        return True
        return False

    async def _drawn_ahead(self, scope: AgencyScope, document: IncomingDocument) -> bool:
        file = lead_of(self.files(document))
        if file is None or not file.is_kept or not self.can_draw(file):
            return False
        try:
            await self.look(scope, file, 1)
        except GatewayError as error:  # the person who opens it sees why
            log.action(_log, "pictures.not_ahead", str(error), document=document.id, code=error.code)
        return True

    def _is_swept(self) -> bool:
        swept, now = self._swept_at, self.services.clock.now()
        return swept is not None and swept <= now < swept + _SWEPT_LATELY

    async def _drawn(self, scope: AgencyScope, file: LookedFile, wish: PageWish) -> PageLook:
        if (known_fault := self._known_fault(file, wish)) is not None:
            return known_fault
        pieces = await file.opened(scope)
        with self.services.blobs.scratch() as scratch:
            async for piece in pieces:
                await self.services.pool.run(partial(scratch.file.write, piece))
            await self.services.pool.run(scratch.file.flush)
            look = await self.pages.draw(scratch.path, wish)
        if look.fault in (LIMIT, READER):
            # The fault cost a process; it is remembered, so that the next look costs none.
            _remember(self._faulty, (file.sha256, wish), (self.services.clock.now(), look))
            log.action(_log, "pictures.fault", look.detail, document=file.document_id, code=look.fault)
        return look

    def _known_fault(self, file: LookedFile, wish: PageWish) -> PageLook | None:
        at, look = self._faulty.get((file.sha256, wish), (None, None))
        now = self.services.clock.now()
        return look if at is not None and at <= now < at + _FAULTY_FOR else None


def _log_unseen(error: BaseException) -> None:
    log.action(_log, "pictures.unseen", str(error))


def _remember(memory: OrderedDict[K, V], key: K, value: V) -> None:
    memory[key] = value
    while len(memory) > _MOST_REMEMBERED:
        memory.popitem(last=False)
