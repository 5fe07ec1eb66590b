"""Step 1 of the way out: takes a caller's order and reads its files into scratch files, counting, hashing and inspecting
each file as it arrives. In: an `Order`, and the chunks of each file. Out: `Received` files in `RequestFiles`, and an
event for each refused file that carries malware. No file is kept before `accept`; leaving the context deletes the
others."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from gateway.domain.account import AgencyScope
from gateway.domain.document import (
    Delivery,
    DocumentChange,
    Draft,
    FileItem,
    FileRole,
    Kind,
    OutgoingDocument,
)
from gateway.domain.event import EventKind
from gateway.domain.fields import tidy
from gateway.domain.identity import Digest
from gateway.domain.signatures import FileFacts, FileVerdict, PdfFacts, SignatureTrace
from gateway.errors import Refused, ScannerDown
from gateway.outgoing.services import OutgoingServices
from gateway.outgoing.spooling import Spool
from gateway.policy import admission, pdf_verdict
from gateway.policy.admission import clean_name, must_wait
from gateway.policy.verdict import Reason, Verdict

if TYPE_CHECKING:
    from gateway.store.blob_refs import KeptContent
    from gateway.store.blobs import FileScratch

_ALERTS_SUBJECT = "intake"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Order of a caller: one document to send, or a draft to keep. `draft` has the recipients as the caller wrote them;
    `confirm` lists the codes of warnings that the caller has read and accepts; `notes` are warnings of the entry point
    that made the order. During `wait` the document can still be called back. `draft_id` is the stored draft, if any."""

    draft: Draft
    send: bool = True
    kind: Kind = Kind.DOCUMENT
    parent_id: str | None = None
    change: DocumentChange | None = None
    confirm: tuple[str, ...] = ()
    notes: tuple[Reason, ...] = ()
    wait: timedelta = timedelta()
    draft_id: str = ""

    def __post_init__(self) -> None:
        """Turn blank fields of the draft and the change into absent ones, so that no entry point has to."""
        object.__setattr__(self, "draft", tidy(self.draft))
        if self.change is not None:
            object.__setattr__(self, "change", tidy(self.change))


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """Result of accepting an order: the committed document with its deliveries and warnings. `replayed` is the stored
    first answer (status, body) to a request that came again under its idempotency key. `repeats` is true where an earlier
    call brought this document, recognised by its `external_id` or its signed packet."""

    document: OutgoingDocument | None
    deliveries: tuple[Delivery, ...] = ()
    warnings: tuple[Reason, ...] = ()
    replayed: tuple[int, str] | None = None
    repeats: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """Idempotency key of one request. `owner` is the principal that sent it, `meta` the request's metadata as canonical
    JSON. `render` makes the answer that is stored with the document and given to every repeat."""

    owner: str
    key: str
    method: str
    path: str
    meta: str
    render: Callable[[Accepted], tuple[int, str]]


# The signatures of at most this many files of one document are read, so that it cannot block the PDF reader for others.
MOST_SIGNED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """Inspected file of a request, still in its scratch file. `verdict` judges its signatures, None if they were not
    read."""

    field: str
    item: FileItem
    facts: FileFacts
    verdict: FileVerdict | None
    scratch: FileScratch


@dataclass(slots=True)
class RequestFiles:
    """Files of one request, in order of arrival, with their total size."""

    services: OutgoingServices
    stack: ExitStack
    received: list[Received] = field(default_factory=list)
    total: int = 0

    def declare(self, draft: Draft) -> None:
        """Check the declared secrecy and category before the first byte of a file is read. Raises Refused for a declared
        secret, since no part of it may touch the disk (R2, no state secrets; R3, content kept out)."""
        verdict = admission.check_declared(draft.secrecy, draft.category, self.services.profile)
        verdict.raise_if_refused()

    async def add(self, field: str, name: str, role: FileRole, chunks: AsyncIterator[bytes]) -> Received:
        """Read one file into a scratch file, scan and inspect it, and add it to the request. Raises Refused as soon as
        the file exceeds a size limit, without reading further, and ScannerDown while no malware scanner answers."""
        scratch = self.stack.enter_context(self.services.blobs.scratch(few=True))
        n = len(self.received) + 1
        trace = SignatureTrace()
        spool = Spool(scratch, self.services.pool, trace)
        await spool.fill(chunks, partial(self._check_size, name, n, self.total))
        is_lead = role is FileRole.LEAD
        look = partial(self._look, spool, trace, name, is_lead=is_lead)
        digest, facts, signatures = await self.services.pool.run(look)
        facts = await self._scan(spool, trace, name, digest, facts, signatures)
        file = FileItem(
            n=n,
            name=name,
            role=role,
            content_type=facts.found_type,
            size=facts.size,
            sha256=digest,
            pages=facts.pages,
            scanned_clean=facts.scanned_clean,
            stamped=any(admission.secrecy_stamps(name, facts, self.services.profile, "")),
        )
        verdict = None
        if facts.signatures is not None:
            verdict = pdf_verdict.judge(name, n, facts.signatures, self.services.profile.pdf_roles)
        self.received.append(Received(field=field, item=file, facts=facts, verdict=verdict, scratch=scratch))
        return self.received[-1]

    def keep_stamp(self, stored: FileItem) -> None:
        """Keep that a stamp of secrecy was seen in a scan when the file just added was brought: it is not read again."""
        if stored.stamped:
            self.received[-1] = replace(self.received[-1], item=replace(self.received[-1].item, stamped=True))

    @property
    def size(self) -> int:
        """The number of bytes of all files."""
        return sum(file.item.size for file in self.received)

    async def keep_all(self) -> list[KeptContent]:
        """Hand all files to the content store, each content once, and return them sorted by digest. This fixed order
        keeps units of work that share contents from waiting for each other in a circle."""
        contents = {
            file.item.sha256: await self.services.blobs.keep(file.scratch, file.item.sha256, file.item.size)
            for file in self.received
        }
        return [contents[digest] for digest in sorted(contents)]

    def _check_size(self, name: str, n: int, earlier: int, size: int) -> None:
        self.total = earlier + size
        excess = admission.over_limit(name, size, self.total, self.services.profile, f"/files/{n - 1}")
        if excess is not None:
            raise Refused(Verdict(reasons=(excess,)))

    def _look(
        self, spool: Spool, trace: SignatureTrace, name: str, *, is_lead: bool
    ) -> tuple[Digest, FileFacts, PdfFacts | None]:
        """Write the end of the file and inspect it. Returns its digest, its facts and its signatures; the signatures are
        None where another process has to read them."""
        digest, file = spool.end(), spool.scratch.content
        facts = self.services.inspector.inspect(file, name, reads_page=is_lead, digest=digest)
        now = self.services.clock.now()
        is_read = facts.found_type == "pdf" and len(self.received) < MOST_SIGNED
        return digest, facts, self.services.signatures.read_alone(trace, now, now) if is_read else None

    async def _scan(
        self,
        spool: Spool,
        trace: SignatureTrace,
        name: str,
        digest: Digest,
        facts: FileFacts,
        signatures: PdfFacts | None,
    ) -> FileFacts:
        """Return the facts with the scanner's answer, and the signatures of a PDF without malware."""
        scan = await self.services.scanner.scan(spool.scratch.content, digest)
        facts = facts.scanned(scan)
        if must_wait(facts, self.services.profile):
            raise ScannerDown(
                f"file {name[:100]!r} could not be scanned for malware now; hand it in again later"
            )
        if facts.found_type != "pdf" or facts.malware is not None:
            return facts
        return replace(facts, signatures=signatures or await self._signatures(spool.scratch, trace))

    async def _signatures(self, scratch: FileScratch, trace: SignatureTrace) -> PdfFacts:
        now = self.services.clock.now()
        if len(self.received) >= MOST_SIGNED:
            detail = f"more than {MOST_SIGNED} files in one document"
            return PdfFacts(seen_at=now, now=now, fault="PDF-LIMIT", detail=detail)
        return await self.services.signatures.read(scratch.path, now, now, trace=trace)


@asynccontextmanager
async def receive_files(services: OutgoingServices) -> AsyncIterator[RequestFiles]:
    """Open the context of one request's files. Leaving it deletes every scratch file that was not kept."""
    await services.admits()
    with ExitStack() as stack:
        yield RequestFiles(services=services, stack=stack)


async def alert_of_malware(
    services: OutgoingServices, scope: AgencyScope, request_files: RequestFiles
) -> None:
    """Record an alert event for each file of the request that carries malware."""
    alerts = [
        {
            "file": clean_name(file.item.name),
            "sha256": file.item.sha256,
            "malware": file.facts.malware,
            "outgoing": True,
        }
        for file in request_files.received
        if file.facts.malware is not None
    ]
    if not alerts:
        return
    async with services.store.changing(scope) as work:
        events = [(EventKind.ALERT_MALWARE, alert) for alert in alerts]
        await work.events.append_many(_ALERTS_SUBJECT, services.clock.now(), events)
