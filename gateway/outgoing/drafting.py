"""A draft as a person works on it: begun, changed, its files brought, put in order, taken away; and looked at anew, its
files as if they came now, by every rule of step 2. In: a draft's id, and what it says now. Out: the draft as it now is,
or `CheckedDraft`, with every reason against sending it. It may be incomplete; what must never be stored is turned away all
the same (R2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.domain.account import AgencyScope
from gateway.domain.document import (
    DocumentChange,
    Draft,
    FileItem,
    FileRole,
    Kind,
    OutgoingDocument,
    OutState,
    Recipient,
)
from gateway.domain.fields import tidy
from gateway.domain.signatures import FileVerdict, LegalValue
from gateway.edxml.attachment import pieces
from gateway.errors import Clash, NotFound, Refused
from gateway.outgoing import check, files, intake
from gateway.outgoing.accept import accept
from gateway.outgoing.intake import Order, RequestFiles, receive_files
from gateway.outgoing.services import OutgoingServices
from gateway.policy import admission, pdf_verdict
from gateway.policy import outgoing as rules
from gateway.policy.verdict import ReasonCode, Verdict, reason
from gateway.store.blob_refs import Kept
from gateway.store.work import SqlWork
from gateway.stored_content import streamed

MOST_FILES = 100


async def begin(
    services: OutgoingServices,
    scope: AgencyScope,
    draft: Draft,
    kind: Kind = Kind.DOCUMENT,
    parent_id: str | None = None,
    change: DocumentChange | None = None,
) -> OutgoingDocument:
    """A new draft without files. Refused for a declared secret, of which nothing is stored."""
    order = Order(draft=draft, send=False, kind=kind, parent_id=parent_id, change=change)
    async with receive_files(services) as empty:
        accepted = await accept(services, scope, order, empty)
    if accepted.document is None:
        raise NotFound("the draft was begun, and is not there")
    return accepted.document


async def save(
    services: OutgoingServices,
    scope: AgencyScope,
    id: str,
    draft: Draft,
    *,
    change: DocumentChange | None = None,
    doubts: Sequence[tuple[str, str]] = (),
    from_file: Sequence[str] = (),
    expect_version: int | None = None,
) -> OutgoingDocument:
    """It says this now. Nothing is written where it said so before."""
    draft, change = tidy(draft), tidy(change) if change is not None else None
    kept = admission.check_declared(draft.secrecy, draft.category, services.profile) + rules.check_kept(
        draft, change
    )
    if not kept.allowed:
        raise Refused(kept)
    async with services.store.begin(scope) as work:
        before = await _draft(work, id)
        now = replace(before, draft=draft, change=change, doubts=tuple(doubts), from_file=tuple(from_file))
        if now == before:
            return before
        agency = await work.agency()
        if now.kind is not Kind.UPDATE:  # which has the identity of the document it is about
            now = replace(now, document_id=check.document_id_of(agency, draft))
        saved = await work.outgoing.save(now, expect_version=expect_version)
        await work.commit()
    return saved


async def add_files(
    services: OutgoingServices,
    scope: AgencyScope,
    id: str,
    files: RequestFiles,
    expect_version: int | None = None,
) -> OutgoingDocument:
    """The files that came are its own from now on; a new lead file takes the place of the old one. Refused, and none of
    them kept, when one of them may not pass."""
    await _refuse_bad(services, scope, files)
    contents = await files.kept()
    new = [received.item for received in files.received]
    has_lead = any(each.role is FileRole.LEAD for each in new)
    async with services.store.begin(scope) as work:
        before = await _draft(work, id)
        kept = [each for each in before.files if not (has_lead and each.role is FileRole.LEAD)]
        verdicts = {each.n: each for each in check.judged(files)}
        parts = [(each, _verdict_on(before, each.n)) for each in kept]
        parts += [(each, verdicts.get(each.n)) for each in new]
        parts.sort(key=lambda part: part[0].role is not FileRole.LEAD)
        saved = await _with_files(services, work, before, parts, expect_version, contents)
        await work.commit()
    return saved


async def arrange(
    services: OutgoingServices,
    scope: AgencyScope,
    id: str,
    order: Sequence[tuple[int, FileRole]],
    expect_version: int | None = None,
) -> OutgoingDocument:
    """These of its files, by their numbers, in this order and with these roles; those not named are taken away."""
    async with services.store.begin(scope) as work:
        before = await _draft(work, id)
        known = {each.n: each for each in before.files}
        if any(n not in known for n, _ in order) or len({n for n, _ in order}) != len(order):
            raise Clash(f"the files of {id} are others by now")
        parts = [(replace(known[n], role=role), _verdict_on(before, n)) for n, role in order]
        if [each for each, _ in parts] == list(before.files):
            return before
        saved = await _with_files(services, work, before, parts, expect_version)
        await work.commit()
    return saved


def receivers(
    draft: Draft, change: DocumentChange, before: Sequence[Recipient]
) -> tuple[Draft, DocumentChange]:
    """Whom an update adds and leaves out, by the recipients that its draft names and those that the document had `before`:
    who is left out must hear of it too, so the packet goes there as well."""
    now = {each.code.casefold() for each in draft.recipients}
    then = {each.code.casefold() for each in before}
    removed = tuple(each for each in before if each.code.casefold() not in now)
    added = tuple(each.code for each in draft.recipients if each.code and each.code.casefold() not in then)
    changed = replace(
        change,
        receivers_changed=bool(added or removed),
        receivers_added=added,
        receivers_removed=tuple(each.code for each in removed),
    )
    return replace(draft, recipients=(*draft.recipients, *removed)), changed


def remaining(draft: Draft, change: DocumentChange | None) -> tuple[Recipient, ...]:
    """The recipients that an update's draft names, without those that it leaves out."""
    left_out = {code.casefold() for code in change.receivers_removed} if change else set()
    return tuple(each for each in draft.recipients if each.code.casefold() not in left_out)


async def _refuse_bad(services: OutgoingServices, scope: AgencyScope, files: RequestFiles) -> None:
    verdict = Verdict()
    for n, received in enumerate(files.received):
        verdict += admission.judge_file(received.item.name, received.facts, services.profile, f"/files/{n}")
    if not verdict.allowed:
        await intake.alert_of_malware(services, scope, files)
        raise Refused(verdict)


async def _draft(work: SqlWork, id: str) -> OutgoingDocument:
    document = await work.outgoing.get(id)
    files.refuse_sealed(document)
    if document.state is not OutState.DRAFT:
        raise Clash(
            f"{id} is {document.state}, not a draft; it cannot be changed any more", code="GW-NO-DRAFT"
        )
    return document


async def _with_files(
    services: OutgoingServices,
    work: SqlWork,
    before: OutgoingDocument,
    parts: Sequence[tuple[FileItem, FileVerdict | None]],
    expect_version: int | None = None,
    new: Sequence[Kept] = (),
) -> OutgoingDocument:
    _refuse_much(services, [item for item, _ in parts])
    names = admission.stored_names([item.name for item, _ in parts])
    files = tuple(
        replace(item, n=n, name=name) for n, ((item, _), name) in enumerate(zip(parts, names, strict=True), 1)
    )
    verdicts = tuple(
        replace(verdict, n=item.n, file=item.name)
        for item, (_, verdict) in zip(files, parts, strict=True)
        if verdict is not None
    )
    lead = next((item.n for item in files if item.role is FileRole.LEAD), 0)
    of_lead = next((each for each in verdicts if each.n == lead), None)
    saved = await work.outgoing.save(
        replace(before, files=files, signatures=verdicts, legal_value=pdf_verdict.legal_value(of_lead)),
        expect_version=expect_version,
    )
    await work.blobs.drop("source", before.id)
    for kept in new:
        await work.blobs.keep(kept, "source", before.id)
    for digest in {item.sha256 for item in files} - {kept.digest for kept in new}:
        await work.blobs.add(digest, "source", before.id)
    return saved


def _refuse_much(services: OutgoingServices, files: Sequence[FileItem]) -> None:
    if len(files) > MOST_FILES:
        raise Clash(f"a draft has at most {MOST_FILES} files", code="GW-FILES")
    total = sum(each.size for each in files)
    largest = max(files, key=lambda each: each.size, default=None)
    limit = services.profile.max_document_bytes
    if largest is not None and total > limit:
        broken = reason(
            ReasonCode.DOCUMENT_TOO_LARGE, "/files", name=largest.name, size_bytes=total, limit_bytes=limit
        )
        raise Refused(Verdict(reasons=(broken,)))


def _verdict_on(document: OutgoingDocument, n: int) -> FileVerdict | None:
    return next((each for each in document.signatures if each.n == n), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedDraft:
    """What would be sent. `files` are the digests in their order; `earlier` are the documents that were sent under the same
    number, notation and date, newest first."""

    document: OutgoingDocument
    draft: Draft
    order: Order
    verdict: Verdict
    files: tuple[str, ...]
    legal_value: LegalValue | None
    signatures: tuple[FileVerdict, ...]
    earlier: tuple[OutgoingDocument, ...] = ()


async def recheck(
    services: OutgoingServices,
    scope: AgencyScope,
    id: str,
    confirm: tuple[str, ...] = (),
    expect_version: int | None = None,
) -> CheckedDraft:
    """Clash when it is no draft any more."""
    async with services.store.read(scope) as work:
        document = await work.outgoing.get(id)
        check.expect(document, expect_version)
        files.refuse_sealed(document)
        if document.state not in (OutState.DRAFT, OutState.BLOCKED):
            raise Clash(f"{id} is {document.state}, not a draft; only a draft can be sent by this call")
        openers = [await services.blobs.open(work, item.sha256) for item in document.files]
        same = await work.outgoing.by_document_id(document.document_id)
    order = Order(
        draft=document.draft,
        kind=document.kind,
        parent_id=document.parent_id,
        change=document.change,
        confirm=confirm,
    )
    async with receive_files(services) as held:
        for item, opener in zip(document.files, openers, strict=True):
            await held.add(item.role, item.name, item.role, streamed(services.pool, pieces(opener)))
        draft, verdict = await check.look(services, scope, order, held)
        unconfirmed = tuple(
            reason(ReasonCode.UNCONFIRMED, f"/{name}", field=name) for name, _ in document.doubts
        )
        return CheckedDraft(
            document=document,
            draft=draft,
            order=order,
            verdict=verdict + Verdict(reasons=unconfirmed),
            files=tuple(received.item.sha256 for received in held.received),
            legal_value=pdf_verdict.legal_value(check.lead_of(held)),
            signatures=check.judged(held),
            earlier=tuple(each for each in same if _was_sent(each, document)),
        )


def _was_sent(earlier: OutgoingDocument, document: OutgoingDocument) -> bool:
    is_other = earlier.id != document.id and earlier.kind.is_whole
    return is_other and earlier.state in (OutState.QUEUED, OutState.PACKED, OutState.PAPER)
