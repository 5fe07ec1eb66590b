"""Keeps a draft while a person works on it: begins it, saves changes, adds, arranges and removes files; and checks it
again by every rule of step 2, as if its files had just arrived. In: a draft's id, and its new content. Out: the draft as
saved, or a `CheckedDraft` with every reason against sending it. A draft may be incomplete, but a declared secret is
refused all the same (R2, no state secrets)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.domain.account import AgencyScope
from gateway.domain.document import (
    STANDING,
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
from gateway.store.blob_refs import KeptContent
from gateway.store.work import SqlWork
from gateway.stored_content import stream_pieces

MOST_FILES = 100


async def begin(
    services: OutgoingServices,
    scope: AgencyScope,
    draft: Draft,
    kind: Kind = Kind.DOCUMENT,
    parent_id: str | None = None,
    change: DocumentChange | None = None,
) -> OutgoingDocument:
    """Begin a draft without files. Raises Refused for a declared secret, and then nothing is stored."""
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
    """Save the draft's content; nothing is written where it is unchanged."""
    draft, change = tidy(draft), tidy(change) if change is not None else None
    verdict = admission.check_declared(draft.secrecy, draft.category, services.profile) + rules.check_kept(
        draft, change
    )
    verdict.raise_if_refused()
    async with services.store.begin(scope) as work:
        earlier = await _load_draft(work, id)
        new = replace(earlier, draft=draft, change=change, doubts=tuple(doubts), from_file=tuple(from_file))
        if new == earlier:
            return earlier
        new = _with_value(new)
        agency = await work.agency()
        if new.kind is not Kind.UPDATE:  # an update has its parent's identity
            new = replace(new, document_id=check.document_id_of(agency, draft))
        saved = await work.outgoing.save(new, expect_version=expect_version)
        await work.commit()
    return saved


async def add_files(
    services: OutgoingServices,
    scope: AgencyScope,
    id: str,
    files: RequestFiles,
    expect_version: int | None = None,
) -> OutgoingDocument:
    """Add files to the draft; a new lead file replaces the old one. Raises Refused, keeping none, where one may not
    pass."""
    await _refuse_bad(services, scope, files)
    await check.identify_signers(services, await check.hosted_agency(services, scope), files)
    await services.unsent.admit(scope.agency_id, files.size, files.stack)
    contents = await files.keep_all()
    new = [received.item for received in files.received]
    has_lead = any(f.role is FileRole.LEAD for f in new)
    async with services.store.changing(scope) as work:
        document = await _load_draft(work, id)
        unchanged = [f for f in document.files if not (has_lead and f.role is FileRole.LEAD)]
        verdicts = {v.n: v for v in check.list_verdicts(files)}
        parts = [(f, _find_verdict(document, f.n)) for f in unchanged]
        parts += [(f, verdicts.get(f.n)) for f in new]
        parts.sort(key=lambda part: part[0].role is not FileRole.LEAD)
        return await _save_files(services, work, document, parts, expect_version, contents)


async def arrange(
    services: OutgoingServices,
    scope: AgencyScope,
    id: str,
    order: Sequence[tuple[int, FileRole]],
    expect_version: int | None = None,
) -> OutgoingDocument:
    """Put the draft's files, named by their numbers, in this order and these roles; unnamed files are removed."""
    async with services.store.begin(scope) as work:
        document = await _load_draft(work, id)
        files_by_n = {f.n: f for f in document.files}
        if any(n not in files_by_n for n, _ in order) or len({n for n, _ in order}) != len(order):
            raise Clash(f"the files of {id} are others by now")
        parts = [(replace(files_by_n[n], role=role), _find_verdict(document, n)) for n, role in order]
        if [f for f, _ in parts] == list(document.files):
            return document
        saved = await _save_files(services, work, document, parts, expect_version)
        await work.commit()
    return saved


def compare_receivers(
    draft: Draft, change: DocumentChange, earlier: Sequence[Recipient]
) -> tuple[Draft, DocumentChange]:
    """Compare an update's recipients with the `earlier` ones of its document. Returns the change with added and removed
    recipients, and the draft with the removed ones appended, since they receive the update too and learn of it."""
    codes = {r.code.casefold() for r in draft.recipients}
    earlier_codes = {r.code.casefold() for r in earlier}
    removed = tuple(r for r in earlier if r.code.casefold() not in codes)
    added = tuple(r.code for r in draft.recipients if r.code and r.code.casefold() not in earlier_codes)
    changed = replace(
        change,
        receivers_changed=bool(added or removed),
        receivers_added=added,
        receivers_removed=tuple(r.code for r in removed),
    )
    return replace(draft, recipients=(*draft.recipients, *removed)), changed


def remaining(draft: Draft, change: DocumentChange | None) -> tuple[Recipient, ...]:
    """Return the recipients of an update's draft without those that the update removes."""
    left_out = {code.casefold() for code in change.receivers_removed} if change else set()
    return tuple(r for r in draft.recipients if r.code.casefold() not in left_out)


async def _refuse_bad(services: OutgoingServices, scope: AgencyScope, files: RequestFiles) -> None:
    """Raise Refused where a file may not pass, after recording an alert for each file with malware."""
    verdict = Verdict()
    for n, received in enumerate(files.received):
        verdict += admission.judge_file(received.item.name, received.facts, services.profile, f"/files/{n}")
    if not verdict.allowed:
        await intake.alert_of_malware(services, scope, files)
        raise Refused(verdict)


async def _load_draft(work: SqlWork, id: str) -> OutgoingDocument:
    document = await work.outgoing.get(id)
    files.refuse_sealed(document)
    if document.state is not OutState.DRAFT:
        raise Clash(
            f"{id} is {document.state}, not a draft; it cannot be changed any more", code="GW-NO-DRAFT"
        )
    return document


async def _save_files(
    services: OutgoingServices,
    work: SqlWork,
    document: OutgoingDocument,
    parts: Sequence[tuple[FileItem, FileVerdict | None]],
    expect_version: int | None = None,
    new: Sequence[KeptContent] = (),
) -> OutgoingDocument:
    """Save these files with their verdicts as the draft's, numbered anew, and renew its references to their content."""
    _refuse_too_much(services, [file for file, _ in parts])
    names = admission.stored_names([file.name for file, _ in parts])
    files = tuple(
        replace(file, n=n, name=name) for n, ((file, _), name) in enumerate(zip(parts, names, strict=True), 1)
    )
    verdicts = tuple(
        replace(verdict, n=file.n, file=file.name)
        for file, (_, verdict) in zip(files, parts, strict=True)
        if verdict is not None
    )
    document = _with_value(replace(document, files=files, signatures=verdicts))
    saved = await work.outgoing.save(document, expect_version=expect_version)
    await work.blobs.drop("source", document.id)
    for content in new:
        await work.blobs.keep(content, "source", document.id)
    new_digests = {content.digest for content in new}
    for digest in dict.fromkeys([file.sha256 for file in files]):
        if digest not in new_digests:
            await work.blobs.add(digest, "source", document.id)
    return saved


def _with_value(document: OutgoingDocument) -> OutgoingDocument:
    """Return the document with the legal value that its lead file and the signer of its header give."""
    value = pdf_verdict.legal_value(document.lead_verdict, document.draft.signer)
    return replace(document, legal_value=value)


def _refuse_too_much(services: OutgoingServices, files: Sequence[FileItem]) -> None:
    if len(files) > MOST_FILES:
        raise Clash(f"a draft has at most {MOST_FILES} files", code="GW-FILES")
    total = sum(f.size for f in files)
    largest = max(files, key=lambda f: f.size, default=None)
    limit = services.profile.max_document_bytes
    if largest is not None and total > limit:
        broken = reason(
            ReasonCode.DOCUMENT_TOO_LARGE, "/files", name=largest.name, size_bytes=total, limit_bytes=limit
        )
        raise Refused(Verdict(reasons=(broken,)))


def _find_verdict(document: OutgoingDocument, n: int) -> FileVerdict | None:
    return next((v for v in document.signatures if v.n == n), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedDraft:
    """Draft with its check: the document that would be sent and the verdict. `files` are the digests in their order;
    `earlier` are documents that were sent under the same number, notation and date, newest first."""

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
    """Check a stored draft again, reading its files from the content store. Raises Clash when it is no draft any more."""
    async with services.store.read(scope) as work:
        document = await work.outgoing.get(id)
        check.expect(document, expect_version)
        files.refuse_sealed(document)
        if document.state not in (OutState.DRAFT, OutState.BLOCKED):
            raise Clash(f"{id} is {document.state}, not a draft; only a draft can be sent by this call")
        openers = [await services.blobs.open(work, file.sha256) for file in document.files]
        same = await work.outgoing.by_document_id(document.document_id)
    order = Order(
        draft=document.draft,
        kind=document.kind,
        parent_id=document.parent_id,
        change=document.change,
        confirm=confirm,
        draft_id=id,
    )
    async with receive_files(services) as request_files:
        for file, opener in zip(document.files, openers, strict=True):
            await request_files.add(
                file.role, file.name, file.role, stream_pieces(services.pool, pieces(opener))
            )
            request_files.keep_stamp(file)
        draft, verdict = await check.check_for_preview(services, scope, order, request_files)
        unconfirmed = tuple(
            reason(ReasonCode.UNCONFIRMED, f"/{name}", field=name) for name, _ in document.doubts
        )
        return CheckedDraft(
            document=document,
            draft=draft,
            order=order,
            verdict=verdict + Verdict(reasons=unconfirmed),
            files=tuple(received.item.sha256 for received in request_files.received),
            legal_value=pdf_verdict.legal_value(check.lead_verdict(request_files), draft.signer),
            signatures=check.list_verdicts(request_files),
            earlier=tuple(d for d in same if _was_sent(d, document)),
        )


def _was_sent(earlier: OutgoingDocument, document: OutgoingDocument) -> bool:
    is_other = earlier.id != document.id and earlier.kind.is_whole
    return is_other and earlier.state in STANDING
