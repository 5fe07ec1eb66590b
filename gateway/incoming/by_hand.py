"""Enters mail that did not come over the axis into the same run of arrival numbers: paper, e-mail, other systems, and
late entries after a stop (R43, any source; R99, catch-up). In: the letter's fields, and its scan if there is one. Out,
committed: an incoming document that is taken in, with its line in the book; nothing goes to the axis. A scan has the same
limits and checks as files from the axis; it is kept with the entry, or deleted with the request."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.book import RegisterEntry
from gateway.domain.document import (
    AXIS_COPY,
    Assignment,
    FileRole,
    IncomingDocument,
    IncomingFile,
    InState,
    Kind,
    Signer,
    Source,
    Urgency,
)
from gateway.domain.event import EventKind
from gateway.domain.figures import describe_received
from gateway.domain.identity import Digest, DocumentId
from gateway.domain.pdf import DRAWN_KINDS, PdfFields, PdfText
from gateway.domain.signatures import FileFacts
from gateway.domain.states import Track
from gateway.domain.status import Fact
from gateway.domain.wall_clock import VIETNAM, local
from gateway.errors import Clash, NotFound, Refused, ScannerDown
from gateway.incoming import doubles, handling, register, settle
from gateway.incoming.check import PLAIN
from gateway.incoming.services import IncomingServices
from gateway.policy import admission
from gateway.policy import book as rules
from gateway.policy.page_lines import page_text
from gateway.policy.pdf_fields import read_fields
from gateway.policy.texts import stamps_on
from gateway.policy.verdict import ReasonCode, Verdict, reason
from gateway.store.register import refuse_closed

if TYPE_CHECKING:
    from gateway.store.blobs import FileScratch
    from gateway.store.work import SqlWork

_REQUIRED_FIELDS = frozenset({"sender", "subject"})
STRUCK = "struck"
_POINTER = "/scan"


@dataclass(frozen=True, slots=True, kw_only=True)
class TypedMail:
    """Letter as the clerk typed it. Without `received_at`, the moment of receipt, `received_on` stands for the whole day.
    `catch_up` says why it is entered late, after a stop. `id`, where the page made one, keeps a form that is sent twice
    from making two lines. `copy_known`: the clerk knows that the document came over the axis too."""

    sender: str
    subject: str
    received_on: date
    received_at: datetime | None = None
    source: Source = Source.PAPER
    sender_code: str = ""
    number: str = ""
    symbol: str = ""
    issued_on: date | None = None
    type_name: str | None = None
    signer: Signer | None = None
    pages: int | None = None
    urgency: Urgency = Urgency.NORMAL
    due_on: date | None = None
    unit: str | None = None
    register_no: str | None = None
    secrecy: str = "none"
    catch_up: str | None = None
    copy_known: bool = False
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """Scan of a letter, as the page or the command line hands it in."""

    name: str
    chunks: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class EnteredDocument:
    document: IncomingDocument
    entry: RegisterEntry
    repeated: bool = False


async def enter(
    services: IncomingServices, scope: AgencyScope, letter: TypedMail, attached: Attached | None = None
) -> EnteredDocument:
    """Enter the letter as a document with a line in the book. Raises Refused with every broken rule, and Clash for a
    number that is taken; then nothing is stored and no number is used up."""
    agency = await services.agency(scope.agency_id)
    _check(services, agency, letter)
    async with AsyncExitStack() as stack:
        scan = blob = None
        if attached is not None:
            scan = await stack.enter_async_context(scanned(services, attached.name, attached.chunks))
            blob = await services.blobs.keep(scan.scratch, scan.digest, scan.size)
        async with services.store.begin(scope) as work:
            earlier = await _find_entered(work, letter.id)
            if earlier is not None:
                return earlier
            entered = await _enter(services, work, await work.agency(), letter, scan)
            if blob is not None:
                await work.blobs.keep(blob, "inbox", entered.document.inbox_id)
            await work.commit()
    services.wake()
    return entered


def _check(services: IncomingServices, agency: HostedAgency, letter: TypedMail) -> None:
    """Raise Refused with every rule that the letter breaks; Clash for one from the axis."""
    declared = admission.check_declared(letter.secrecy, None, services.profile)
    hand_entry = rules.HandEntry(
        texts={
            "sender": letter.sender,
            "subject": letter.subject,
            "number": letter.number,
            "symbol": letter.symbol,
            "type_name": letter.type_name,
            "signer": letter.signer.name if letter.signer else None,
            "register_no": letter.register_no,
            **({} if letter.catch_up is None else {"catch_up": letter.catch_up}),
        },
        needed=_REQUIRED_FIELDS | {"catch_up"},
        issued_on=letter.issued_on,
        day=letter.received_on,
        given_number=letter.register_no,
        is_catch_up=letter.catch_up is not None,
    )
    verdict = declared + rules.check_entry(hand_entry, agency.numbering, local(services.clock.now()).date())
    if letter.source is Source.AXIS:
        raise Clash("what comes over the axis is not entered by hand; take it in with its status 03")
    verdict.raise_if_refused()


async def _find_entered(work: SqlWork, id: str | None) -> EnteredDocument | None:
    """Find the line that the same form made before, by the form's id."""
    if id is None:
        return None
    entry = await work.register.of_document(id)
    if entry is None:
        return None
    return EnteredDocument(document=await work.incoming.get(id), entry=entry, repeated=True)


async def _enter(
    services: IncomingServices,
    work: SqlWork,
    agency: HostedAgency,
    letter: TypedMail,
    scan: BroughtFile | None,
) -> EnteredDocument:
    """Store the letter's document, its line in the book, its fact and its event."""
    now = services.clock.now()
    copies = await _find_copies(work, letter)
    year = letter.received_on.year
    await refuse_closed(work.events, register.BOOK, year, now)
    given_number = letter.register_no.strip() if letter.register_no else None
    number = await register.number_for(work, agency, given_number, year)
    if number is None:
        raise NotFound("the book gave no number; name one with register_no")
    document = replace(
        _make_document(services, work.scope.agency_id, letter, scan, now),
        register_no=number,
        register_year=year,
        marks=tuple(doubles.copy_mark(AXIS_COPY, copy) for copy in copies[:1]),
    )
    entry = RegisterEntry(
        incoming_id=document.id,
        book=register.BOOK,
        year=year,
        number=number,
        entered_at=now,
        entered_by=work.scope.principal_id,
        catch_up=letter.catch_up.strip() if letter.catch_up else None,
    )
    await work.incoming.add(document)
    await handling.give(work, document, work.scope.principal_id, now, services.clock.new_id)
    await work.register.enter(entry)
    fact = Fact(track=Track.BUSINESS, code="03", at=now, stated_at=now)
    await work.facts.add(document.id, fact)
    details = _event_details(document, entry) | ({"copy_of": copies[0].id} if copies else {})
    await work.events.append(EventKind.BOOK_ENTERED, document.id, now, details)
    await work.note_entry(document)
    return EnteredDocument(document=document, entry=entry)


async def _find_copies(work: SqlWork, letter: TypedMail) -> list[IncomingDocument]:
    """Find copies of the letter that came over the axis. Refused until the clerk confirms to know of them: a copy needs
    no second number."""
    number, symbol, day = letter.number, letter.symbol, letter.issued_on
    twins = await doubles.copies_like(work, number, symbol, day, sender_code=letter.sender_code, by_hand=True)
    if twins and not letter.copy_known:
        first = twins[0]
        code = f"{first.number}/{first.symbol}"
        refusal = reason(
            ReasonCode.COPY_KEPT, "/copy_known", text=code, arrival=doubles.number_of_copy(first), at=first.id
        )
        raise Refused(Verdict(reasons=(refusal,)))
    return twins


def _make_document(
    services: IncomingServices, agency_id: str, letter: TypedMail, scan: BroughtFile | None, now: datetime
) -> IncomingDocument:
    """Make the letter's document. It has no envelope, so its digests are those of the typed fields."""
    id = letter.id or services.clock.new_id("inb_")
    typed_digest = Digest.of_bytes(hashlib.sha256(repr(sorted(asdict(letter).items())).encode()).digest())
    return IncomingDocument(
        id=id,
        agency_id=agency_id,
        inbox_id=id,
        kind=Kind.DOCUMENT,
        **_typed_fields(letter),
        document_id=DocumentId(f"{letter.source.value},{id}"),
        packet_id=None,
        attempt=1,
        body_digest=typed_digest,
        envelope_digest=typed_digest,
        envelope_size=0,
        vouched_by="person",
        arrived_at=_arrived_at(letter, now),
        state=InState.ACCEPTED,
        files=() if scan is None else (scan.as_file(),),
        pages=letter.pages or (scan.facts.pages if scan is not None else None),
        assignment=Assignment(lead_unit=letter.unit) if letter.unit else None,
        source=letter.source,
    )


def _typed_fields(letter: TypedMail) -> dict[str, Any]:
    """Return the fields of the document that the clerk types and may correct. Any: of any type."""
    return {
        "sender_name": letter.sender.strip(),
        "sender_code": letter.sender_code.strip(),
        "number": letter.number.strip(),
        "symbol": letter.symbol.strip(),
        "issued_on": letter.issued_on,
        "type_name": letter.type_name,
        "subject": letter.subject.strip(),
        "signer": letter.signer,
        "urgency": letter.urgency,
        "due_on": letter.due_on,
    }


def _arrived_at(letter: TypedMail, now: datetime) -> datetime:
    """Return the moment of receipt; midnight of that day where it is not known."""
    if letter.received_at is not None and local(letter.received_at).date() == letter.received_on:
        return letter.received_at
    if local(now).date() == letter.received_on:
        return now
    day = letter.received_on
    return datetime(day.year, day.month, day.day, tzinfo=VIETNAM)


def _event_details(document: IncomingDocument, entry: RegisterEntry) -> dict[str, object]:
    details: dict[str, object] = {
        "book": entry.book,
        "year": entry.year,
        "number": entry.number,
        "source": document.source,
        "day": local(document.arrived_at).date().isoformat(),
        "from": document.sender_code,
        **describe_received(document),
    }
    return details | ({"catch_up": entry.catch_up} if entry.catch_up else {})


async def correct(
    services: IncomingServices, scope: AgencyScope, incoming_id: str, letter: TypedMail, why: str
) -> IncomingDocument:
    """Correct the fields of a line that was entered by hand. Number, day of receipt, source and scan stay. Raises Clash
    for a document from the axis, which only its sender corrects."""
    agency = await services.agency(scope.agency_id)
    _require_reason(why)
    async with services.store.changing(scope) as work:
        document, entry = await _load_typed(work, incoming_id)
        corrected = replace(
            letter,
            source=document.source,
            received_on=local(services.clock.now()).date(),
            register_no=None if agency.numbering.value == "B" else entry.number,
            catch_up=entry.catch_up or letter.catch_up,
        )
        _check(services, agency, corrected)
        new_fields = _typed_fields(letter) | {"pages": letter.pages or document.pages}
        changed = sorted(name for name, value in new_fields.items() if getattr(document, name) != value)
        saved = await work.incoming.save(replace(document, **new_fields))
        details: dict[str, object] = {"fields": changed, "reason": why.strip()}
        await work.events.append(EventKind.BOOK_CORRECTED, incoming_id, services.clock.now(), details)
    return saved


async def strike(
    services: IncomingServices, scope: AgencyScope, incoming_id: str, why: str
) -> EnteredDocument:
    """Strike a line that was entered by mistake; its number is never given again (R32, numbers are kept)."""
    _require_reason(why)
    async with services.store.changing(scope) as work:
        document, entry = await _load_typed(work, incoming_id)
        now = services.clock.now()
        repeated = not await register.strike(work, entry, why.strip(), now)
        if not repeated:
            facts = list(await work.facts.of_subject(document.id))
            note = why.strip()
            refusal = Fact(track=Track.BUSINESS, code="02", at=now, stated_at=now, reason="OTHER", note=note)
            await work.facts.add(document.id, refusal)
            marked = replace(document, marks=(*document.marks, STRUCK))
            document = await settle.stand(work, marked, [*facts, refusal])
        struck = await work.register.of_document(document.id)
    return EnteredDocument(document=document, entry=struck or entry, repeated=repeated)


def _require_reason(why: str) -> None:
    verdict = rules.check_text("reason", why)
    verdict.raise_if_refused()


async def _load_typed(work: SqlWork, incoming_id: str) -> tuple[IncomingDocument, RegisterEntry]:
    """Load a document with its line; Clash unless it was entered by hand."""
    document = await work.incoming.get(incoming_id)
    entry = await work.register.of_document(incoming_id)
    if document.source is Source.AXIS or entry is None:
        raise Clash(
            f"{incoming_id} was not entered by hand; its sender corrects or recalls it, or refuse it with status 02"
        )
    return document, entry


@dataclass(frozen=True, slots=True, kw_only=True)
class BroughtFile:
    """Inspected scan, still in its scratch file."""

    name: str
    size: int
    digest: Digest
    facts: FileFacts
    scratch: FileScratch

    def as_file(self) -> IncomingFile:
        return IncomingFile(
            n=1,
            name=self.name,
            content_type=self.facts.found_type,
            size=self.size,
            sha256=self.digest,
            source=self.digest,
            offset=0,
            length=self.size,
            coding=PLAIN,
            role=FileRole.LEAD,
            pages=self.facts.pages,
            found_type=self.facts.found_type,
        )


@asynccontextmanager
async def scanned(
    services: IncomingServices, name: str, chunks: AsyncIterator[bytes]
) -> AsyncIterator[BroughtFile]:
    """Open a scan: spool, inspect and check it for malware. Raises Refused with every broken rule, and ScannerDown while
    the scanner does not answer."""
    with services.blobs.scratch() as scratch:
        digest, size = await _spool(services, scratch, name, chunks)
        clean = admission.clean_name(name)
        facts = await services.pool.run(
            lambda: services.inspector.inspect(scratch.path, clean, reads_page=True, digest=digest)
        )
        scan = await services.scanner.scan(scratch.path, digest)
        facts = facts.scanned(scan)
        if admission.must_wait(facts, services.profile):
            raise ScannerDown(
                f"the scan {clean[:100]!r} could not be checked for malware now; enter it again later"
            )
        verdict = admission.judge_file(name, facts, services.profile, _POINTER)
        verdict.raise_if_refused()
        yield BroughtFile(name=clean, size=size, digest=digest, facts=facts, scratch=scratch)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanReading:
    """Suggestions for the clerk that a machine read on a letter, and the stamps of secrecy that it seems to bear."""

    fields: PdfFields
    stamps: tuple[str, ...]


async def read_scan(services: IncomingServices, attached: Attached) -> ScanReading:
    """Read a letter that is to be entered; nothing of it is stored. Raises as `scanned` does."""
    async with scanned(services, attached.name, attached.chunks) as scan:
        text = PdfText()
        if (kind := scan.facts.found_type) in DRAWN_KINDS:
            text = await services.signatures.text(scan.scratch.path, kind)
        page = page_text([run for run in text.runs if run.page == 1])
        return ScanReading(fields=read_fields(text), stamps=stamps_on(page, services.profile.secrecy_stamps))


async def _spool(
    services: IncomingServices, scratch: FileScratch, name: str, chunks: AsyncIterator[bytes]
) -> tuple[Digest, int]:
    hasher, size = hashlib.sha256(), 0

    def take(piece: bytes) -> None:
        hasher.update(piece)
        scratch.file.write(piece)

    async for chunk in chunks:
        size += len(chunk)
        refusal = admission.over_limit(name, size, size, services.profile, _POINTER)
        if refusal is not None:
            raise Refused(Verdict(reasons=(refusal,)))
        await services.pool.run(partial(take, chunk))
    await services.pool.run(scratch.file.flush)
    return Digest.of_bytes(hasher.digest()), size
