"""Step 1 of the way out takes a caller's order, and its files into scratch files, each counted, hashed and inspected on the
way. In: an `Order`, chunks as they come. Out: `Received` files in `RequestFiles`; an event for each refused file that
carries malware. Nothing is kept until `accept`; leaving the context deletes the rest."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from io import BytesIO
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
from gateway.domain.signatures import FileFacts, FileVerdict, PdfFacts
from gateway.errors import Refused, ScannerDown
from gateway.outgoing.services import OutgoingServices
from gateway.outgoing.spooling import Spool
from gateway.policy import admission, pdf_verdict
from gateway.policy.admission import clean_name, must_wait
from gateway.policy.verdict import Reason, Verdict

if TYPE_CHECKING:
    from gateway.store.blob_refs import KeptContent
    from gateway.store.blobs import FileScratch


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One document to send, or a draft to keep. `draft` has recipients as the caller wrote them; `confirm` are codes of
    reasons that the caller has read and accepts; `notes` are warnings of the entry it came by. For `wait` it can be called
    back."""

    draft: Draft
    send: bool = True
    kind: Kind = Kind.DOCUMENT
    parent_id: str | None = None
    change: DocumentChange | None = None
    confirm: tuple[str, ...] = ()
    notes: tuple[Reason, ...] = ()
    wait: timedelta = timedelta()

    def __post_init__(self) -> None:
        """Turn blank fields into absent ones, once for every entry."""
        object.__setattr__(self, "draft", tidy(self.draft))
        if self.change is not None:
            object.__setattr__(self, "change", tidy(self.change))


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The committed document. `replayed` is the first answer (status, body) when the caller repeated itself under its key;
    `repeats`: the document is there from another call, known by the caller's own id or its signed packet."""

    document: OutgoingDocument | None
    deliveries: tuple[Delivery, ...] = ()
    warnings: tuple[Reason, ...] = ()
    replayed: tuple[int, str] | None = None
    repeats: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """An idempotency key as interfaces.md 3.3 defines it: `owner` is the principal, `meta` canonical JSON. `render` makes
    the answer that is stored with the document and given again."""

    owner: str
    key: str
    method: str
    path: str
    meta: str
    render: Callable[[Accepted], tuple[int, str]]


# The inspector's patterns read this many bytes in a millisecond or two, whatever they are.
_BRIEF = 16 * 1024
# One document must not keep the reader of PDFs from those of others.
MOST_SIGNED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One inspected file, still in its scratch file. `verdict` is that on its signatures, where they were read."""

    field: str
    item: FileItem
    facts: FileFacts
    verdict: FileVerdict | None
    scratch: FileScratch


@dataclass(slots=True)
class RequestFiles:
    """The files of one request, in order."""

    services: OutgoingServices
    stack: ExitStack
    received: list[Received] = field(default_factory=list)
    total: int = 0

    def declare(self, draft: Draft) -> None:
        """Check the declared secrecy and category before the first byte of a file is taken. Refused for a secret, since no
        part of it may ever touch the disk (R2, no state secrets; R3, content kept out)."""
        verdict = admission.check_declared(draft.secrecy, draft.category, self.services.profile)
        if not verdict.allowed:
            raise Refused(verdict)

    async def add(self, field: str, name: str, role: FileRole, chunks: AsyncIterator[bytes]) -> Received:
        """Take one file in. Refused once it is over the limit, unread from there. ScannerDown while no scanner answers."""
        scratch = self.stack.enter_context(self.services.blobs.scratch(few=True))
        n = len(self.received) + 1
        spool = Spool(scratch, self.services.pool)
        await spool.fill(chunks, partial(self._check_size, name, n, self.total))
        is_lead = role is FileRole.LEAD
        look = partial(self._look, spool, name, is_lead=is_lead)
        pool = self.services.pool
        run = pool.brief if self._is_brief(spool, is_lead=is_lead) else pool.run
        digest, facts, signatures = await run(look)
        facts = await self._scan(scratch, name, digest, facts, signatures)
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

    async def keep_all(self) -> list[KeptContent]:
        """Hand all files to the content store, each once. The order of their digests keeps units that share some of them
        from waiting for each other in a circle."""
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

    def _is_brief(self, spool: Spool, *, is_lead: bool) -> bool:
        """Tell whether the look takes less than a hop to the pool. Nothing of so small a file is written yet."""
        if spool.size > _BRIEF:
            return False
        return self.services.inspector.is_brief(BytesIO(spool.unwritten), reads_page=is_lead)

    def _look(self, spool: Spool, name: str, *, is_lead: bool) -> tuple[Digest, FileFacts, PdfFacts | None]:
        """Write the end of the file and inspect it in one go. Signatures are None where another process has to read
        them."""
        digest, file = spool.end(), spool.scratch.content
        facts = self.services.inspector.inspect(file, name, reads_page=is_lead, digest=digest)
        now = self.services.clock.now()
        is_read = facts.found_type == "pdf" and len(self.received) < MOST_SIGNED
        return digest, facts, self.services.signatures.read_alone(file, now, now) if is_read else None

    async def _scan(
        self, scratch: FileScratch, name: str, digest: Digest, facts: FileFacts, signatures: PdfFacts | None
    ) -> FileFacts:
        scan = await self.services.scanner.scan(scratch.content, digest)
        facts = facts.scanned(scan)
        if must_wait(facts, self.services.profile):
            raise ScannerDown(
                f"file {name[:100]!r} could not be scanned for malware now; hand it in again later"
            )
        if facts.found_type != "pdf" or facts.malware is not None:
            return facts
        return replace(facts, signatures=signatures or await self._signatures(scratch))

    async def _signatures(self, scratch: FileScratch) -> PdfFacts:
        now = self.services.clock.now()
        if len(self.received) >= MOST_SIGNED:
            detail = f"more than {MOST_SIGNED} files in one document"
            return PdfFacts(seen_at=now, now=now, fault="PDF-LIMIT", detail=detail)
        return await self.services.signatures.read(scratch.path, now, now)


@asynccontextmanager
async def receive_files(services: OutgoingServices) -> AsyncIterator[RequestFiles]:
    """Open the files of one request: scratch files that vanish at the end unless they were kept."""
    await services.admits()
    with ExitStack() as stack:
        yield RequestFiles(services=services, stack=stack)


_ALERTS_SUBJECT = "intake"


async def alert_of_malware(
    services: OutgoingServices, scope: AgencyScope, request_files: RequestFiles
) -> None:
    """Record an event for each file that carries malware."""
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
    async with services.store.begin(scope) as work:
        events = [(EventKind.ALERT_MALWARE, alert) for alert in alerts]
        await work.events.append_many(_ALERTS_SUBJECT, services.clock.now(), events)
        await work.commit()
