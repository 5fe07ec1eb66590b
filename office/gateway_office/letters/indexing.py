"""Reads the words of documents' files, so that a search finds them. In: documents that are marked to be read, of all
agencies; limits of pages, bytes and seconds. Out: their words in the store, and for each file what came of reading it.
Files are opened by a child process of its own, at low priority, which ends when nothing is left to read.

Pages that are pictures are read by another process, where Tesseract is installed: the first page of the lead file at once,
all others minutes later, when no document waits for its first reading, one document at a time.

A document may be hidden while its files are read: the unit of work that writes the words looks at it again, under a lock.
A fault is a result as any other and is not tried again; a document during whose reading the child or the node ended is
tried three times."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from gateway import log, time_source
from gateway.domain.account import AgencyScope
from gateway.domain.document import IncomingDocument, OutgoingDocument
from gateway.domain.pdf import DRAWN_KINDS, READ_KINDS, PageLook, PageWish
from gateway.errors import GatewayError, NotFound, StoreFailure
from gateway.policy.page_lines import page_text
from gateway.policy.texts import stamps_on
from gateway.trust.page_drawing.drawer import PageDrawer, ScanReader
from gateway.workers.loop import StepResult, Turn
from gateway_office.domain.content import Reading, WordPage, may_be_searched
from gateway_office.domain.listing import Side
from gateway_office.letters.previews import LIMIT, READER, LookedFile, PreviewDrawer, lead_of
from gateway_office.store.contents import DueContent
from gateway_office.store.store import OfficeWork, SqlOfficeStore

_EVERY = timedelta(seconds=30)
# Their words are written together, because a commit costs more than a short document's words.
_DOCUMENTS_AT_ONCE = 16
_ROWS_AT_ONCE = 500
_WINDOW = 10
_NODE = "node"
# Well below the time for which a document is claimed.
_RECOGNISED_WITHIN_S = 240.0
_UNREAD = frozenset({Reading.NO_TEXT, Reading.PARTLY})
_SCANS = "scans"
_log = logging.getLogger(__name__)
Document = IncomingDocument | OutgoingDocument


class _ReaderEnded(StoreFailure):
    """Raised where the reading process ended, perhaps because of the file."""

    permanent = True


@dataclass(frozen=True, slots=True)
class _Words:
    """Words of a document, with the outcome of reading each file; no document where nothing is to be read."""

    due: DueContent
    document: Document | None
    pages: list[WordPage] = field(default_factory=list)
    readings: dict[int, Reading] = field(default_factory=dict)
    waits: bool = False
    """Whether only its pictures are to be read, and not now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexLimits:
    """Limits of reading: pages of a document, bytes and seconds of a file. Nothing is read where it is off."""

    is_on: bool = True
    pages: int = 60
    size: int = 20 * 1024 * 1024
    seconds: float = 20.0


@dataclass(slots=True, kw_only=True)
class ContentIndexer:
    """Worker that reads the words of files. `rest` ends its idle child process."""

    store: SqlOfficeStore
    looking: PreviewDrawer
    pages: PageDrawer
    limits: IndexLimits
    rest: Callable[[], None]
    scans: ScanReader | None
    _turn: Turn = field(default_factory=lambda: Turn(_EVERY))
    _is_at_work: bool = False
    _is_begun: bool = False

    def is_due(self, now: datetime) -> bool:
        return self._is_at_work or self._turn.has_come(now)

    async def step(self) -> StepResult:
        """Read some documents; when none are left, mark older ones, then remove traces of removed words."""
        now = self.looking.services.clock.now()
        if not self.is_due(now):
            return StepResult.NOTHING
        if self.scans is not None and not self._is_begun:
            await self.store.content_queue.restart_fill(_SCANS)
        self._is_begun = True
        self._is_at_work = await (self._read_some() if self.limits.is_on else self._clear())
        if self._is_at_work:
            return StepResult.MORE
        self._turn.mark_done(now)
        await self.looking.services.pool.run(self.rest)
        if self.scans is not None:
            await self.looking.services.pool.run(self.scans.end_idle)
        return StepResult.NOTHING

    async def _clear(self) -> bool:
        queue = self.store.content_queue
        return await queue.clear(_ROWS_AT_ONCE) or await queue.rewrite()

    async def _read_some(self) -> bool:
        queue = self.store.content_queue
        claimed, waiting = await queue.claim(_DOCUMENTS_AT_ONCE), list[_Words]()
        for due in claimed:
            try:
                waiting.append(await self._read(due))
            except GatewayError as error:
                await self._postpone([due], error)
            if sum(len(words.pages) for words in waiting) >= self.limits.pages:
                await self._keep(waiting)
                waiting = []
        if waiting:
            await self._keep(waiting)
        return bool(claimed) or await queue.fill(_ROWS_AT_ONCE) or await queue.rewrite()

    async def _postpone(self, dues: Sequence[DueContent], error: GatewayError) -> None:
        """Log the error; the documents come back later."""
        for due in dues:
            log.action(_log, "contents.postponed", str(error), document=due.document_id, code=error.code)
            if isinstance(error, StoreFailure) and not error.permanent:
                await self.store.content_queue.take_back_try(due)

    async def _read(self, due: DueContent) -> _Words:
        scope = _scope_of(due)
        async with self.store.read(scope) as work:
            document = await _load(work, due)
            earlier = await work.office.contents.readings(due.document_id)
        has_pictures = self.scans is not None and not _UNREAD.isdisjoint(earlier.values())
        is_over = bool(earlier) and (due.is_last or not has_pictures)
        if document is None or is_over or not may_be_searched(document):
            return _Words(due, None)
        words, files = (
            _Words(due, document, waits=bool(earlier) and not due.tries),
            self.looking.files(document),
        )
        for file in files if not words.waits else ():
            if due.is_last:
                words.readings[file.n] = Reading.UNREADABLE
            elif file.kind in READ_KINDS | DRAWN_KINDS:
                most = self.limits.pages if earlier else int(file == lead_of(files))
                words.readings[file.n] = await self._read_file(scope, file, words.pages, most)
        if Reading.STAMPED in words.readings.values():
            words.pages.clear()
        words.pages.sort(key=lambda page: (page.n, page.page))
        return words

    async def _keep(self, waiting: Sequence[_Words]) -> None:
        """Write the words of these documents in one unit of work; where that fails, all of them come back later."""
        now = self.looking.services.clock.now()
        try:
            async with self.store.changing_rows() as tx:
                works = [self.store.join(tx, _scope_of(words.due)) for words in waiting]
                # All documents are locked before the first word is written, in the order of all units that write words.
                currents = [
                    words.document and await _load(work, words.due)
                    for work, words in zip(works, waiting, strict=True)
                ]
                for work, words, current in zip(works, waiting, currents, strict=True):
                    if words.waits:
                        continue
                    if words.document is None:
                        await work.office.contents.drop(words.due)
                    elif current is not None and _is_unchanged(words.document, current):
                        await work.office.contents.keep(words.due, words.pages, words.readings, now)
                    # Otherwise it was changed meanwhile: its mark stays, and it comes back later.
        except GatewayError as error:
            await self._postpone([words.due for words in waiting], error)

    async def _read_file(
        self, scope: AgencyScope, file: LookedFile, pages: list[WordPage], most_pictures: int
    ) -> Reading:
        """Read one file, with so many pages that are pictures, and add its words to the pages; what was read before a fault
        is kept."""
        if file.kind not in READ_KINDS and self.scans is None:
            return Reading.NO_TEXT
        if file.size > self.limits.size:
            return Reading.TOO_LARGE
        services, count = self.looking.services, len(pages)
        with services.blobs.scratch() as scratch:
            async for piece in await file.opened(scope):
                await services.pool.run(partial(scratch.file.write, piece))
            await services.pool.run(scratch.file.flush)
            look = await self._read_pages(scratch.path, file, pages)
            reading = None
            if look.fault is None:
                reading = await self._recognise(scratch.path, file, pages, look.pages, most_pictures)
        if look.fault == READER:  # the file may have stopped it, or the node that ended
            raise _ReaderEnded(look.detail)
        if look.fault is not None:
            log.action(_log, "contents.fault", look.detail, document=file.document_id, code=look.fault)
            return Reading.TOO_LARGE if look.fault == LIMIT else Reading.UNREADABLE
        return reading or (Reading.WORDS if len(pages) > count else Reading.NO_TEXT)

    async def _recognise(
        self, path: Path, file: LookedFile, pages: list[WordPage], count: int, most: int
    ) -> Reading | None:
        """Add the words of so many of the file's pages that are pictures, as far as the time allows. Return the file's
        reading where it does not follow from its words. A page that cannot be read has none."""
        if self.scans is None or file.kind not in DRAWN_KINDS:
            return None
        texts = {page.page for page in pages if page.n == file.n and any(map(str.isalpha, page.text))}
        numbers = [number for number in range(1, min(count, self.limits.pages) + 1) if number not in texts]
        deadline = time_source.monotonic() + _RECOGNISED_WITHIN_S
        for at, number in enumerate(numbers):
            if at == most or time_source.monotonic() > deadline:
                return Reading.PARTLY
            look = await self.scans.read(path, file.kind, number)
            if look.fault is not None:
                log.action(_log, "contents.fault", look.detail, document=file.document_id, code=look.fault)
            text = page_text(look.runs)
            if stamps_on(text, self.looking.services.profile.secrecy_stamps):
                return Reading.STAMPED
            if text and len(pages) < self.limits.pages:
                pages.append(WordPage(n=file.n, page=number, text=text, recognised=True))
        return None

    async def _read_pages(self, path: Path, file: LookedFile, pages: list[WordPage]) -> PageLook:
        """Read window after window; return the last look."""
        deadline = time_source.monotonic() + self.limits.seconds
        page, look = 1, PageLook()
        while look.fault is None and (page == 1 or page <= look.pages) and page <= self.limits.pages:
            window = min(_WINDOW, self.limits.pages - page + 1)
            wish = PageWish(kind=file.kind, page=page, window=window, words=True)
            look = await self.pages.draw(path, wish)
            texts = enumerate(look.words[: max(0, self.limits.pages - len(pages))], page)
            pages += [WordPage(n=file.n, page=number, text=text) for number, text in texts if text]
            page += window
            if time_source.monotonic() > deadline:
                return PageLook(
                    fault=LIMIT, detail=f"reading it takes longer than {self.limits.seconds:.0f} s"
                )
        return look


def _scope_of(due: DueContent) -> AgencyScope:
    return AgencyScope(agency_id=due.agency_id, principal_id=_NODE)


async def _load(work: OfficeWork, due: DueContent) -> Document | None:
    try:
        documents = work.incoming if due.side is Side.IN else work.outgoing
        return await documents.get(due.document_id)
    except NotFound:
        return None


def _is_unchanged(document: Document, current: Document) -> bool:
    """Tell whether the document may still be read, and has the files that were read."""
    digests = [[(file.n, file.sha256) for file in version.files] for version in (document, current)]
    return may_be_searched(current) and digests[0] == digests[1]
