"""Files of records: opened for a year's list, which the head issues; filled with documents of both directions; closed when
their work has ended, and handed in to the archive. In: a person's agency, a file as typed, a document. Out: the file as
stored, with an event for each act; its owner is reminded of the day on which it has to be in the archive (T24). And the
files where a document most likely belongs, with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from gateway.domain.account import AgencyScope
from gateway.domain.book import PaperLetter
from gateway.domain.document import STANDING, WORKED_ON, FileCode, IncomingDocument, InState, OutgoingDocument
from gateway.domain.event import EventKind
from gateway.domain.text import fold
from gateway.domain.wall_clock import local
from gateway.errors import Clash, Denied, NotFound
from gateway.stored_content import refuse_destroyed
from gateway_office.domain.work_file import FileKind, FileMember, WorkFile
from gateway_office.services import TodoServices
from gateway_office.store.store import OfficeWork

MOST, MOST_AT_WORK = 500, 2000
_MOST_SUGGESTED = 5
FILED_STATES = (*WORKED_ON, InState.DONE, *STANDING)
Document = IncomingDocument | OutgoingDocument | PaperLetter


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDraft:
    """A file as typed: the part of its code behind the year, its title and kind, and the class of its retention."""

    notation: str
    title: str
    kind: FileKind
    retention: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SuggestedFile:
    """File where a document may belong. `reason` is `stated`, `reply` or `past`, with the `count` of earlier documents."""

    file: WorkFile
    reason: str
    count: int = 0


async def list_open(services: TodoServices, scope: AgencyScope, *, everybodys: bool) -> Sequence[WorkFile]:
    """List the closed files that are not in the archive: the person's own, or all of the agency."""
    async with services.store.read(scope) as work:
        files = await work.office.work_files.open(date.min, MOST)
    return [file for file in files if everybodys or file.owner == scope.principal_id]


async def list_at_work(services: TodoServices, scope: AgencyScope) -> Sequence[WorkFile]:
    """List the files that are not closed, of the newest year first."""
    async with services.store.read(scope) as work:
        return await work.office.work_files.at_work(MOST_AT_WORK)


async def open_file(
    services: TodoServices, scope: AgencyScope, year: int, draft: FileDraft, *, everybodys: bool
) -> WorkFile:
    """Open a file of the year, or correct one that is not closed. Once the head has issued the year's list, only a person
    over all files adds to it."""
    now = services.clock.now()
    async with services.store.begin(scope) as work:
        code = str(FileCode(organ=(await work.agency()).code, year=year, notation=draft.notation))
        earlier = await work.office.work_files.find(code)
        if earlier is not None and (earlier.closed_on or not _may(earlier, scope, everybodys)):
            raise Clash(f"the file {code} is closed, or another person's", code="GW-FILE-CLOSED")
        is_issued = any(file.listed_on for file in await work.office.work_files.of_year(year))
        if earlier is None and is_issued and not everybodys:
            raise Clash(f"the list of files of {year} was issued", code="GW-FILE-ISSUED")
        file = WorkFile(
            id=earlier.id if earlier else services.clock.new_id("fil_"),
            code=code,
            title=draft.title,
            kind=draft.kind,
            owner=earlier.owner if earlier else scope.principal_id,
            year=year,
            opened_on=earlier.opened_on if earlier else local(now).date(),
            retention=draft.retention,
            listed_by=earlier.listed_by if earlier else None,
            listed_on=earlier.listed_on if earlier else None,
        )
        await _open(work, file, services)
        await work.commit()
    return file


async def begin_list(services: TodoServices, scope: AgencyScope, year: int) -> int:
    """Begin the year's list with the files of the year before: opened anew under their notations, for the same persons.
    Return how many."""
    async with services.store.begin(scope) as work:
        agency, files = await work.agency(), work.office.work_files
        notations = {file.notation for file in await files.of_year(year)}
        begun = [file for file in await files.of_year(year - 1) if file.notation not in notations]
        for file in begun:
            new = WorkFile(
                id=services.clock.new_id("fil_"),
                code=str(FileCode(organ=agency.code, year=year, notation=file.notation)),
                title=file.title,
                kind=file.kind,
                owner=file.owner,
                year=year,
                opened_on=local(services.clock.now()).date(),
                retention=file.retention,
            )
            await _open(work, new, services)
        await work.commit()
    return len(begun)


async def issue_list(services: TodoServices, scope: AgencyScope, year: int) -> int:
    """Issue the year's list, as its head; files that were added after an earlier issue join it. Return how many joined."""
    now = services.clock.now()
    async with services.store.begin(scope) as work:
        files = [file for file in await work.office.work_files.of_year(year) if file.listed_on is None]
        for file in files:
            listed = replace(file, listed_by=scope.principal_id, listed_on=local(now).date())
            await work.office.work_files.save(listed)
        if files:
            facts = {"year": year, "count": len(files), "files": [file.code for file in files]}
            await work.events.append(EventKind.FILE_LISTED, f"files:{year}", now, facts)
            await work.commit()
    return len(files)


async def close_file(
    services: TodoServices,
    scope: AgencyScope,
    code: str,
    title: str,
    kind: FileKind,
    closed_on: date,
    *,
    everybodys: bool,
) -> bool:
    """Note that the work in a file has ended. A file under the same code is closed or corrected; False where it is in the
    archive or another person's, unless the caller is over all files."""
    now = services.clock.now()
    async with services.store.begin(scope) as work:
        earlier = await work.office.work_files.find(code)
        if earlier is not None and (earlier.archived_on or not _may(earlier, scope, everybodys)):
            return False
        base = earlier or WorkFile(
            id=services.clock.new_id("fil_"),
            code=code,
            title=title,
            kind=kind,
            owner=scope.principal_id,
            year=closed_on.year,
            opened_on=closed_on,
        )
        file = replace(base, title=title, kind=kind, closed_on=closed_on, year=base.year or closed_on.year)
        if file != earlier:
            await work.office.work_files.save(file)
            facts = {"code": code, "title": title, "kind": kind.value, "closed_on": closed_on.isoformat()}
            await work.events.append(EventKind.FILE_CLOSED, file.id, now, facts)
            await work.commit()
    return True


async def archive_file(services: TodoServices, scope: AgencyScope, id: str, *, everybodys: bool) -> None:
    """Note that a closed file was handed in to the archive today; for one that was before, nothing changes."""
    now = services.clock.now()
    async with services.store.begin(scope) as work:
        file = await work.office.work_files.get(id)
        if not _may(file, scope, everybodys):
            raise Denied(f"the file {id} belongs to another person", code="GW-RIGHT")
        if file.closed_on is None:
            raise NotFound(f"the file {id} is not closed")
        if file.archived_on is None:
            await work.office.work_files.save(replace(file, archived_on=local(now).date()))
            await work.events.append(EventKind.FILE_ARCHIVED, file.id, now, {"code": file.code})
            await work.commit()


async def put_in(services: TodoServices, scope: AgencyScope, document_id: str, code: str) -> bool:
    """Put a document into the file with this code, or this notation in the newest list; False where it was in it. One
    document may be in several files (R125)."""
    now = services.clock.now()
    async with services.store.begin(scope) as work:
        document = await load_document(work, document_id)
        is_struck = isinstance(document, PaperLetter) and document.struck_at is not None
        if is_struck or (not isinstance(document, PaperLetter) and document.state not in FILED_STATES):
            raise Clash(f"{document_id} is not in the register, or was recalled", code="GW-FILE-DOCUMENT")
        if not isinstance(document, PaperLetter):
            refuse_destroyed(document)
        file = await _find_at_work(work, code)
        partner, symbol = _other_side(document)
        member = FileMember(
            file_id=file.id,
            document_id=document_id,
            partner=partner,
            symbol=symbol,
            by=scope.principal_id,
            at=now,
        )
        is_new = await work.office.work_files.put_in(member)
        if is_new:
            facts = {"file": file.id, "code": file.code}
            await work.events.append(EventKind.DOCUMENT_FILED, document_id, now, facts)
            await work.commit()
    return is_new


async def take_out(
    services: TodoServices, scope: AgencyScope, document_id: str, file_id: str, *, everybodys: bool
) -> None:
    """Take a document out of a file whose work goes on, as its owner, as the person who put it in, or over all files."""
    async with services.store.begin(scope) as work:
        file = await work.office.work_files.get(file_id)
        member = next(
            (m for m in await work.office.work_files.members([file_id]) if m.document_id == document_id), None
        )
        if member is None:
            raise NotFound(f"{document_id[:40]} is not in the file {file_id[:40]}")
        if not _may(file, scope, everybodys) and member.by != scope.principal_id:
            raise Denied(f"another person put {document_id} into the file", code="GW-RIGHT")
        if file.closed_on is not None:
            raise Clash(f"the file {file.code} is closed", code="GW-FILE-CLOSED")
        await work.office.work_files.take_out(file_id, document_id)
        facts = {"file": file.id, "code": file.code}
        await work.events.append(EventKind.DOCUMENT_UNFILED, document_id, services.clock.now(), facts)
        await work.commit()


async def suggest_files(work: OfficeWork, document: Document) -> Sequence[SuggestedFile]:
    """Suggest files that are not closed: that of the stated code, those of the documents that it answers or that answer it,
    and those where documents of the same partner went, first of the same symbol. A file of an earlier year leads to the one
    of the newest list that goes on with its notation."""
    files = work.office.work_files
    at_work = await files.at_work(MOST_AT_WORK)
    by_notation = {file.notation: file for file in reversed(at_work)}
    suggested: dict[str, SuggestedFile] = {}

    def add(earlier: WorkFile, reason: str, count: int = 0) -> None:
        file = by_notation.get(earlier.notation)
        if file is not None:
            suggested.setdefault(file.id, SuggestedFile(file=file, reason=reason, count=count))

    if isinstance(document, OutgoingDocument) and document.draft.file_code is not None:
        for file in at_work:
            if file.code == str(document.draft.file_code):
                suggested[file.id] = SuggestedFile(file=file, reason="stated")
    for id in await _related_ids(work, document):
        for file, _ in await files.of_document(id):
            add(file, "reply")
    partner, symbol = _other_side(document)
    counts = await files.usual(partner, symbol, MOST) if partner else {}
    earlier_files = {file.id: file for file in await files.of_many(list(counts))}
    for id, count in counts.items():
        add(earlier_files[id], "past", count)
    return list(suggested.values())[:_MOST_SUGGESTED]


async def load_document(work: OfficeWork, id: str) -> Document:
    """Load a letter that came in, one that left, or one that left on paper."""
    if id.startswith("ppr_"):
        return await work.office.books.letter(id)
    return await work.incoming.get(id) if id.startswith("inb_") else await work.outgoing.get(id)


async def _open(work: OfficeWork, file: WorkFile, services: TodoServices) -> None:
    await work.office.work_files.save(file)
    facts = {
        "code": file.code,
        "title": file.title,
        "kind": file.kind.value,
        "retention": file.retention or "",
    }
    await work.events.append(EventKind.FILE_OPENED, file.id, services.clock.now(), facts)


async def _find_at_work(work: OfficeWork, code: str) -> WorkFile:
    """Find the file with that code, and lock it, so that it is not closed meanwhile."""
    at_work = await work.office.work_files.at_work(MOST_AT_WORK)
    for file in at_work:
        if fold(code) in (fold(file.code), fold(file.notation)):
            return await work.office.work_files.get(file.id)
    raise Clash(f"no file {code[:100]!r} is at work", code="GW-FILE-CODE")


async def _related_ids(work: OfficeWork, document: Document) -> Sequence[str]:
    """List our ids of the documents that it answers, and of those that answer it."""
    if isinstance(document, IncomingDocument):
        return [*document.answers, *document.answered_by]
    ids = list[str]()
    for link in document.draft.replies_to if isinstance(document, OutgoingDocument) else ():
        if link.document_id is not None:
            ids += [d.id for d in await work.incoming.by_document_id(link.agency, link.document_id)]
    return ids


def _other_side(document: Document) -> tuple[str, str]:
    """Return the partner of a document, and its symbol, as members of files have them."""
    if isinstance(document, IncomingDocument):
        return document.sender_code or fold(document.sender_name or ""), fold(document.symbol)
    if isinstance(document, PaperLetter):
        return fold(document.recipients), fold(document.symbol)
    recipients = document.draft.recipients
    return recipients[0].code if recipients else "", fold(document.draft.symbol)


def _may(file: WorkFile, scope: AgencyScope, everybodys: bool) -> bool:
    return everybodys or file.owner == scope.principal_id
