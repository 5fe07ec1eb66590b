"""Step 2 of the way out checks whether a draft may leave. In: a draft with recipients as written, and its files. Out: the
draft with its recipients resolved to the codes of today, and a `Verdict` with every broken rule. Nothing is stored."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from typing import TypeAlias

from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.book import Alike, OutgoingLine
from gateway.domain.document import (
    Delivery,
    DeliveryMode,
    Draft,
    FileItem,
    FileRole,
    Kind,
    OutgoingDocument,
    OutState,
    Recipient,
    Urgency,
)
from gateway.domain.fields import DRAFT, entries, fitting, is_encodable
from gateway.domain.forms import Form
from gateway.domain.identity import DocumentId
from gateway.domain.registry import CodeStanding, Resolution, fold_code
from gateway.domain.signatures import FileVerdict
from gateway.domain.states import NOT_HELD
from gateway.domain.wall_clock import is_in_span, local
from gateway.errors import GatewayError, NotFound, Refused, StaleVersion
from gateway.outgoing import numbering as numbers
from gateway.outgoing import translate
from gateway.outgoing.intake import Order, RequestFiles
from gateway.outgoing.services import OutgoingServices
from gateway.policy import admission, numbering, pdf_verdict, seal_verdict, timers
from gateway.policy import outgoing as rules
from gateway.policy.profile import Profile, for_agency
from gateway.policy.texts import long_lists
from gateway.policy.verdict import CONFIRMABLE, NOTHING, Reason, ReasonCode, Verdict, reason
from gateway.ports.axis import ManagedAxis, ManyAxes
from gateway.store.work import SqlWork

_SENT_STATES = (OutState.QUEUED, OutState.PACKED)
# The parent of a document, and the verdict on its number and on signs that it was sent before.
_Earlier: TypeAlias = "tuple[OutgoingDocument | None, Verdict]"
_NO_EARLIER: _Earlier = (None, NOTHING)


async def check(
    services: OutgoingServices,
    scope: AgencyScope,
    order: Order,
    request_files: RequestFiles,
    *,
    with_earlier: bool = True,
) -> tuple[Draft, Verdict]:
    """Check a draft by every rule of this stage, and return it with recipients resolved, and the verdict. `order.kind`
    and the parent decide which rules of change apply. Without `with_earlier` the caller compares earlier documents
    itself, with `find_earlier` in the unit of work that stores the draft."""
    # Overlong lists are refused without asking the registry, and text that cannot be encoded without asking a database.
    if too_long := tuple(long_lists(order.draft)):
        return order.draft, Verdict(reasons=too_long)
    if not is_encodable("".join([text for _, _, text in entries(DRAFT, order.draft)])):
        return order.draft, rules.check_kept(order.draft, order.change)
    agency, chosen = await services.store.accounts.with_profile(scope.agency_id)
    today = services.today()
    resolutions = [
        await services.directory.resolve(recipient.code or recipient.name or "", today, recipient.parent)
        for recipient in order.draft.recipients
    ]
    recipients = [_apply_resolution(r, a) for r, a in zip(order.draft.recipients, resolutions, strict=True)]
    await identify_signers(services, agency, request_files)
    lead = lead_verdict(request_files)
    profile = for_agency(services.profile, chosen)
    mode = _delivery_mode(profile, order, lead)
    # The signer is read: where the header names none, it is the registered person who signed.
    signer = order.draft.signer or seal_verdict.signer_of(lead)
    draft = replace(order.draft, recipients=tuple(recipients), delivery_mode=mode, signer=signer)
    draft = await _with_expected_number(services, scope, profile, order, draft)

    judge = partial(_judge_number, services, profile, agency, order, draft)
    load = partial(
        _load_earlier, agency=agency, draft=draft, order=order, request_files=request_files, judge=judge
    )
    earlier = await services.store.share_view(scope, load) if with_earlier else _NO_EARLIER
    parent, numbered = earlier
    verdict = _judge_content(
        order, draft, resolutions, request_files, profile, (agency.code, *agency.aliases), today
    )
    travels = draft.delivery_mode is not DeliveryMode.PAPER
    if travels:  # a document on paper is signed by hand
        verdict += pdf_verdict.check_lead(
            lead, draft.recipients, profile, stated=signer, kind=order.kind, confirmed=order.confirm
        )
    if draft.signed_at is None and (signed_at := pdf_verdict.signed_at(lead)) is not None:
        draft = replace(draft, signed_at=signed_at)
    if order.change is not None and parent is not None:
        verdict += rules.check_change(order.change, order.kind, parent, draft)
    verdict += numbered + await _warn_of_form(services, profile, agency, order, draft)
    verdict += await _warn_of_lateness(services, scope, order, draft)
    if travels and order.send:
        verdict += await judge_sender(services, agency.code)
    if verdict.allowed and travels:
        verdict += _judge_envelope(services, order, draft, request_files, agency, parent)
    if travels and order.send:
        unhosted = await _find_unhosted(services, draft.recipients)
        verdict += Verdict.asking(rules.unhosted_reasons(draft.recipients, unhosted), order.confirm)
    registry_warnings = await _warn_of_registry(services, resolutions if travels else ())
    return draft, verdict + Verdict(warnings=(*order.notes, *registry_warnings))


def _judge_content(
    order: Order,
    draft: Draft,
    resolutions: Sequence[Resolution],
    request_files: RequestFiles,
    profile: Profile,
    own_codes: Collection[str],
    today: date,
) -> Verdict:
    """Judge what the draft and its files say, by themselves."""
    inspected = [(received.item, received.facts) for received in request_files.received]
    verdict = rules.check(
        draft,
        inspected,
        resolutions,
        profile,
        today,
        own_codes=own_codes,
        confirmed=order.confirm,
    )
    is_numbered = numbering.gives_numbers(profile) and is_signed(request_files)
    verdict += rules.check_first_page(draft, inspected, order.kind, order.confirm, is_numbered=is_numbered)
    verdict += rules.check_sealed_number(inspected, order.kind, lead_verdict(request_files))
    return verdict + Verdict.make((), tuple(rules.paper_reasons(draft, profile)))


async def _warn_of_lateness(
    services: OutgoingServices, scope: AgencyScope, order: Order, draft: Draft
) -> Verdict:
    """Warn of a document that leaves later than R45 allows (the working morning after it was signed)."""
    # Days that no office uses are refused by another rule, and some of them no clock can convert.
    if not order.send or draft.signed_at is None or not is_in_span(draft.signed_at.date()):
        return NOTHING
    office = await services.office(scope.agency_id)
    if not timers.is_sent_late(office, draft.signed_at, services.clock.now()):
        return NOTHING
    due_at = timers.issue(office, draft.signed_at, Urgency.NORMAL).at
    late = reason(
        ReasonCode.SIGNED_LATE,
        "/signed_at",
        signed_on=local(draft.signed_at).date(),
        due_on=local(due_at).date(),
    )
    return Verdict.make((), (late,))


def needs_number(profile: Profile, order: Order) -> bool:
    """Tell whether the node gives the document its number when it is sent."""
    return order.kind.is_whole and not order.draft.number and numbering.gives_numbers(profile)


async def _with_expected_number(
    services: OutgoingServices, scope: AgencyScope, profile: Profile, order: Order, draft: Draft
) -> Draft:
    """Return the draft with the number that it would get; the number itself is given when the document is stored."""
    if not (needs_number(profile, order) and draft.symbol and order.send):
        return draft
    async with services.store.ask(scope) as work:
        return replace(
            draft, number=await numbers.expected(work, profile, draft, services.clock.now(), order.draft_id)
        )


async def _judge_number(
    services: OutgoingServices,
    profile: Profile,
    agency: HostedAgency,
    order: Order,
    draft: Draft,
    work: SqlWork,
) -> Verdict:
    if not (order.draft.number and _uses_number(order, draft)):
        return NOTHING
    identity, now = document_id_of(agency, draft), services.clock.now()
    return await numbers.judge(work, profile, draft, order.draft_id, identity, now)


async def _warn_of_form(
    services: OutgoingServices, profile: Profile, agency: HostedAgency, order: Order, draft: Draft
) -> Verdict:
    """Warn of an unusual notation (R35), and of a capacity to sign that no row allows on that day (R28)."""
    if not order.kind.is_whole:
        return NOTHING
    today = services.today()
    warnings = [*numbering.warn_of_notation(profile, draft, today)]
    if profile.signing_acts and numbering.capacity_of(draft):
        register = await services.directory.seal_register(agency.code, ())
        of_agency = [c for c in register.certificates if c.code == agency.code]
        warnings += numbering.warn_of_capacity(profile, draft, today, of_agency)
    return Verdict.make((), warnings)


def _judge_envelope(
    services: OutgoingServices,
    order: Order,
    draft: Draft,
    request_files: RequestFiles,
    agency: HostedAgency,
    parent: OutgoingDocument | None,
) -> Verdict:
    """Judge whether the draft can be written as an envelope; an update keeps its document's id."""
    updated_id = parent.document_id if order.kind is Kind.UPDATE and parent else None
    document_id, now = updated_id or document_id_of(agency, draft), services.clock.now()
    return translate.judge_order(order, draft, stored(request_files), document_id, agency, now)


async def _warn_of_registry(
    services: OutgoingServices, resolutions: Sequence[Resolution]
) -> Sequence[Reason]:
    """Return warnings about recipients known only from starter rows, and those without a confirmed certificate."""
    codes = [agency.code for agency in rules.addressed_agencies(resolutions)]
    bound = await services.directory.bound(codes, services.clock.now()) if codes else ()
    return tuple(rules.warnings_of_registry(resolutions, bound))


def _delivery_mode(profile: Profile, order: Order, lead: FileVerdict | None) -> DeliveryMode | None:
    """Return how the document is delivered, by the legal value of its lead file; a draft keeps its author's wish. An agency
    that has registered no seal yet knows its own."""
    if not order.send:
        return order.draft.delivery_mode
    worth = pdf_verdict.legal_value(lead, trusts_unregistered=True)
    return rules.delivery_mode_of(order.draft, worth, profile)


async def check_for_preview(
    services: OutgoingServices, scope: AgencyScope, order: Order, request_files: RequestFiles
) -> tuple[Draft, Verdict]:
    """Check a draft for a person who looks at it before sending: warns where a recipient's axis rewrites files."""
    draft, verdict = await check(services, scope, order, request_files)
    on_axis = draft.delivery_mode is not DeliveryMode.PAPER
    codes = [r.code for r in draft.recipients if r.code and on_axis]
    sender = (await hosted_agency(services, scope)).code
    lossy = [code for code in codes if await _rewrites_files(services.axis, sender, code)]
    return draft, verdict + Verdict(warnings=tuple(rules.warnings_of_loss(draft, lossy)))


async def _find_unhosted(services: OutgoingServices, recipients: Sequence[Recipient]) -> frozenset[str]:
    """Return the recipients' codes that no node receives for. Agencies of this node are never among them."""
    own = {
        fold_code(code) for agency in await services.store.hosted() for code in (agency.code, *agency.aliases)
    }
    codes = [r.code for r in recipients if r.code and fold_code(r.code) not in own]
    return await services.reach.unhosted(services.axis, codes, services.clock.now()) if codes else frozenset()


async def ways(axis: ManagedAxis, sender: str, code: str) -> Sequence[tuple[str | None, ManagedAxis]]:
    """List the axes for mail from that agency to that code, first choice first, with names where there are several."""
    if isinstance(axis, ManyAxes):
        return [(name, axis.axes[name]) for name in await axis.order(sender, code)]
    return [(None, axis)]


async def form_of(axis: ManagedAxis, sender: str, code: str) -> Form:
    """Return the envelope form for mail from that agency to that code, by its route."""
    return await axis.form(sender, code) if isinstance(axis, ManyAxes) else Form.STANDARD


async def _rewrites_files(axis: ManagedAxis, sender: str, code: str) -> bool:
    """Tell whether the first axis to that code changes the bytes of files."""
    return any(not a.promises().byte_identity for _, a in (await ways(axis, sender, code))[:1])


def stored(request_files: RequestFiles) -> tuple[FileItem, ...]:
    """Return the files under the names that they are stored by."""
    names = admission.stored_names([received.item.name for received in request_files.received])
    files = [r.item for r in request_files.received]
    return tuple(
        [
            file if file.name == name else replace(file, name=name)
            for file, name in zip(files, names, strict=True)
        ]
    )


async def identify_signers(
    services: OutgoingServices, agency: HostedAgency, request_files: RequestFiles
) -> None:
    """Compare the signatures on the request's files with the certificates that are registered for the agency, and keep the
    words in their verdicts."""
    verdicts = list_verdicts(request_files)
    if not any(verdict.signers for verdict in verdicts):
        return
    register = await services.directory.seal_register(agency.code, seal_verdict.fingerprints(verdicts))
    now = services.clock.now()
    request_files.received[:] = [
        replace(r, verdict=seal_verdict.identify(r.verdict, register, now)) if r.verdict else r
        for r in request_files.received
    ]


def list_verdicts(request_files: RequestFiles) -> tuple[FileVerdict, ...]:
    """Return the signature verdicts of the files whose signatures were read."""
    return tuple([r.verdict for r in request_files.received if r.verdict is not None])


def lead_verdict(request_files: RequestFiles) -> FileVerdict | None:
    """Return the signature verdict of the lead file; None where it is no PDF."""
    leads = [r.verdict for r in request_files.received if r.item.role is FileRole.LEAD]
    return next((verdict for verdict in leads if verdict is not None), None)


def is_signed(request_files: RequestFiles) -> bool:
    """Tell whether the lead file has a signature, so that its page can no more be changed."""
    lead = lead_verdict(request_files)
    return lead is not None and bool(lead.signers)


async def hosted_agency(services: OutgoingServices, scope: AgencyScope) -> HostedAgency:
    """Return this node's agency of that scope; NotFound where the node does not host it."""
    for agency in await services.store.hosted():
        if agency.id == scope.agency_id:
            return agency
    raise NotFound(f"this node does not host agency {scope.agency_id}")


async def judge_sender(services: OutgoingServices, code: str) -> Verdict:
    """Judge whether the agency of that code may still send: not when the code has ended."""
    today = services.today()
    if await services.directory.find(code, today) is not None:
        return NOTHING
    return rules.check_sender(await services.directory.resolve(code, today))


async def name_ended_sender(services: OutgoingServices, code: str, error: GatewayError) -> GatewayError:
    """Return the refusal of an agency that has ended in place of its missing key, which will never be there again; else
    the error."""
    if not isinstance(error, NotFound):
        return error
    try:
        verdict = await judge_sender(services, code)
    except GatewayError:
        return error  # the next attempt asks again
    if verdict.allowed:
        return error
    refusal = Refused(verdict)
    refusal.code = ReasonCode.SENDER_CLOSED
    return refusal


def document_id_of(agency: HostedAgency, draft: Draft) -> DocumentId:
    """Return the standard identity of a document: agency code, date and number/notation, joined by commas."""
    day = draft.issued_on.strftime("%Y/%m/%d") if draft.issued_on else ""
    return DocumentId(f"{agency.code},{day},{draft.code}")


def _apply_resolution(recipient: Recipient, answer: Resolution) -> Recipient:
    """Return the recipient with the code and name of today; unchanged where the code is closed or unknown."""
    if answer.entry is None or answer.standing in (CodeStanding.CLOSED, CodeStanding.UNKNOWN):
        return recipient
    same = answer.entry.code == recipient.code
    return replace(
        recipient,
        code=answer.entry.code,
        name=fitting(answer.entry.name, DRAFT["recipients/*/name"]),
        given=None if same else answer.query,
        mapped_by=None if same else answer.mapped_by,
    )


def digests(request_files: RequestFiles) -> Sequence[str]:
    """Return the digests of the request's files, in their order."""
    return [received.item.sha256 for received in request_files.received]


async def find_number_conflict(
    work: SqlWork,
    agency: HostedAgency,
    draft: Draft,
    order: Order,
    files: Sequence[str],
    documents: Sequence[OutgoingDocument] | None = None,
) -> Reason | None:
    """Check R117 (number used twice): number, notation and date, in any spelling, name one document. They may be used
    again only once no recipient holds the earlier document any more, or for the same files (these digests) to recipients
    that do not hold it. Returns the reason against it. `documents` are those that may be it, where the caller has loaded
    them."""
    if draft.issued_on is None or not _uses_number(order, draft):
        return None
    if documents is None:
        documents = await work.outgoing.by_document_id(document_id_of(agency, draft))
        lines = await work.numbers.under(draft.number, draft.symbol, draft.issued_on.year)
        documents = [*documents, *_of_that_day(lines, draft)]
    for earlier in documents:
        if not earlier.kind.is_whole:
            continue
        if not _may_follow(earlier, await work.deliveries.of_document(earlier.id), draft, files):
            to = next(iter(earlier.draft.recipients), None)
            return reason(
                ReasonCode.NUMBER_IN_USE,
                "/number",
                text=draft.code,
                earlier=earlier.id,
                held_on=draft.issued_on,
                to=(to.name or to.code) if to is not None and not earlier.is_sealed else "–",
                next_free=await work.numbers.free_number(draft.number, draft.symbol, draft.issued_on.year)
                or "–",
            )
    return None


def _of_that_day(lines: Iterable[OutgoingLine], draft: Draft) -> list[OutgoingDocument]:
    """Return the documents of the exchange with the draft's date."""
    documents = (line for line in lines if isinstance(line, OutgoingDocument))
    return [document for document in documents if document.draft.issued_on == draft.issued_on]


def _uses_number(order: Order, draft: Draft) -> bool:
    changes = order.kind.asks
    return not changes and bool(draft.number and draft.symbol and draft.issued_on)


def _lead_index(request_files: RequestFiles) -> int | None:
    return next((n for n, r in enumerate(request_files.received) if r.item.role is FileRole.LEAD), None)


async def _load_earlier(
    work: SqlWork,
    *,
    agency: HostedAgency,
    draft: Draft,
    order: Order,
    request_files: RequestFiles,
    judge: Callable[[SqlWork], Awaitable[Verdict]],
) -> _Earlier:
    parent = await work.outgoing.get(order.parent_id) if order.parent_id else None
    verdict = await find_earlier(work, agency, draft, order, request_files)
    return parent, verdict + await judge(work)


async def find_earlier(
    work: SqlWork,
    agency: HostedAgency,
    draft: Draft,
    order: Order,
    request_files: RequestFiles,
    same_identity: Sequence[OutgoingDocument] | None = None,
) -> Verdict:
    """Find documents that were sent before: the reason where one holds the number, and signs that this very document was
    sent already; a signed file under another number is a question. `same_identity` are documents of its identity
    that the caller has loaded under the writer's lock."""
    if draft.issued_on is None or not _uses_number(order, draft):
        return NOTHING
    lead = _lead_index(request_files)
    digest = request_files.received[lead].item.sha256 if lead is not None else None
    own, year = document_id_of(agency, draft), draft.issued_on.year
    alike = await work.numbers.alike(own, draft.number, draft.symbol, year, digest)
    documents = [
        *(alike.of_id if same_identity is None else same_identity),
        *_of_that_day(alike.of_number, draft),
    ]
    in_use = await find_number_conflict(work, agency, draft, order, digests(request_files), documents)
    reused = _list_reused(agency, draft, order, request_files, alike)
    verdict = Verdict.make((in_use,) if in_use else (), [r for r in reused if r.code not in CONFIRMABLE])
    return verdict + Verdict.asking([r for r in reused if r.code in CONFIRMABLE], order.confirm)


def _list_reused(
    agency: HostedAgency, draft: Draft, order: Order, request_files: RequestFiles, alike: Alike
) -> tuple[Reason, ...]:
    """List signs that this document was sent before under another identity: the same number and notation in that year, or
    the same lead file. Both can be legitimate, so the sender is asked to confirm and never refused."""
    own, reasons = document_id_of(agency, draft), []
    for line in alike.of_number:
        if not isinstance(line, OutgoingDocument) or line.document_id != own:
            on = line.draft.issued_on if isinstance(line, OutgoingDocument) else line.issued_on
            reused = reason(ReasonCode.NUMBER_REUSED, "/number", text=draft.code, held_on=on, earlier=line.id)
            reasons.append(reused)
            break
    for earlier in alike.of_lead:
        if earlier.state in _SENT_STATES and earlier.document_id != own and earlier.id != order.parent_id:
            lead = _lead_index(request_files) or 0
            name, code = request_files.received[lead].item.name, earlier.draft.code
            word = ReasonCode.SIGNED_REUSED if is_signed(request_files) else ReasonCode.LEAD_REUSED
            reasons.append(reason(word, f"/files/{lead}", name=name, text=code, earlier=earlier.id))
            break
    return tuple(reasons)


def _may_follow(
    earlier: OutgoingDocument, deliveries: Sequence[Delivery], draft: Draft, files: Sequence[str]
) -> bool:
    """Tell whether the number may be used again after this earlier document, as `find_number_conflict` says."""
    if all(delivery.state in NOT_HELD for delivery in deliveries):
        return True
    codes = {recipient.code.casefold() for recipient in draft.recipients}
    clear = all(d.state in NOT_HELD for d in deliveries if d.recipient.code.casefold() in codes)
    return clear and [f.sha256 for f in earlier.files] == list(files)


def expect(document: OutgoingDocument, version: int | None) -> None:
    """Raise StaleVersion where the caller expects another version of the document. Called before its state is checked."""
    if version is not None and version != document.version:
        raise StaleVersion(
            f"the document {document.id} is at version {document.version}, not {version}; read it again"
        )


def select_deliveries(deliveries: Sequence[Delivery], codes: Sequence[str]) -> list[Delivery]:
    """Return the deliveries to these recipients; Refused where a code is no recipient of the document."""
    own_codes = {delivery.recipient.code.casefold() for delivery in deliveries}
    unknown = tuple(
        reason(ReasonCode.RECIPIENT_UNKNOWN, f"/recipients/{n}", recipient=code)
        for n, code in enumerate(codes)
        if code.casefold() not in own_codes
    )
    if unknown:
        raise Refused(Verdict(reasons=unknown))
    chosen = {code.casefold() for code in codes}
    return [d for d in deliveries if d.recipient.code.casefold() in chosen]
