"""Step 2 of the way out: may this draft leave? In: a draft with recipients as given, and its files. Out: the draft with
recipients resolved to codes of today, and a `Verdict` with every broken rule at once. Reads only; stores nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.book import Alike
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
)
from gateway.domain.fields import DRAFT, entries, fitting, is_encodable
from gateway.domain.forms import Form
from gateway.domain.identity import DocumentId
from gateway.domain.registry import CodeStanding, Resolution, fold_code
from gateway.domain.signatures import FileVerdict
from gateway.domain.status import NOT_HELD
from gateway.errors import NotFound, Refused, StaleVersion
from gateway.outgoing import translate
from gateway.outgoing.intake import Order, RequestFiles
from gateway.outgoing.services import OutgoingServices
from gateway.policy import admission, pdf_verdict
from gateway.policy import outgoing as rules
from gateway.policy.texts import long_lists
from gateway.policy.verdict import Reason, ReasonCode, Verdict, reason
from gateway.ports.axis import ManagedAxis, ManyAxes
from gateway.store.work import SqlWork

_LEFT = (OutState.QUEUED, OutState.PACKED)


async def check(
    services: OutgoingServices, scope: AgencyScope, order: Order, request_files: RequestFiles
) -> tuple[Draft, Verdict]:
    """Every rule of this stage, over one draft. `order.kind` and its parent decide which rules of change apply."""
    # The registry is not asked about each of so many, and no database about what cannot be encoded.
    if crowd := tuple(long_lists(order.draft)):
        return order.draft, Verdict(reasons=crowd)
    if not is_encodable("".join([text for _, _, text in entries(DRAFT, order.draft)])):
        return order.draft, rules.check_kept(order.draft, order.change)
    agency = await hosted_agency(services, scope)
    today = services.today()
    resolutions = [
        await services.directory.resolve(each.code or each.name or "", today, each.parent)
        for each in order.draft.recipients
    ]
    recipients = [_resolved(r, a) for r, a in zip(order.draft.recipients, resolutions, strict=True)]
    lead = lead_of(request_files)
    mode = _delivery_mode(services, order, lead)
    draft = replace(order.draft, recipients=tuple(recipients), delivery_mode=mode)

    async def looked(work: SqlWork) -> tuple[OutgoingDocument | None, Reason | None, Sequence[Reason]]:
        """At what was sent before; it is looked at once more by who accepts it."""
        parent = await work.outgoing.get(order.parent_id) if order.parent_id else None
        like = await _like(work, agency, draft, order, request_files)
        taken = await number_taken(work, agency, draft, order, digests(request_files), like.of_id)
        return parent, taken, _sent_before(agency, draft, order, request_files, like)

    parent, taken, again = await services.store.share_view(scope, looked)
    inspected = [(received.item, received.facts) for received in request_files.received]
    verdict = rules.check(
        draft,
        inspected,
        resolutions,
        services.profile,
        today,
        own_codes=(agency.code, *agency.aliases),
        confirmed=order.confirm,
    )
    verdict += rules.check_first_page(draft, inspected, order.kind, order.confirm)
    travels = draft.delivery_mode is not DeliveryMode.PAPER
    if travels:  # the original of what goes on paper is the paper, signed by hand
        verdict += pdf_verdict.check_lead(lead, draft.recipients, services.profile)
    if draft.signed_at is None and (signed_at := pdf_verdict.signed_at(lead)) is not None:
        draft = replace(draft, signed_at=signed_at)
    if order.change is not None and parent is not None:
        verdict += rules.check_change(order.change, order.kind, parent, draft)
    if taken:
        verdict += Verdict(reasons=(taken,))
    if verdict.allowed and travels:
        document_id = parent.document_id if order.kind is Kind.UPDATE and parent else None
        document_id = document_id or document_id_of(agency, draft)
        files, now = stored(request_files), services.clock.now()
        verdict += translate.judge_order(order, draft, files, document_id, agency, now)
    if travels and order.send:
        unhosted = await _unhosted(services, draft.recipients)
        verdict += Verdict.asking(rules.unhosted_reasons(draft.recipients, unhosted), order.confirm)
    addressed = [each.code for each in rules.addressed_agencies(resolutions)] if travels else []
    bound = await services.directory.bound(addressed, services.clock.now()) if addressed else ()
    known = rules.warnings_of_registry(resolutions if travels else (), bound)
    return draft, verdict + Verdict(warnings=(*order.notes, *known, *again))


def _delivery_mode(services: OutgoingServices, order: Order, lead: FileVerdict | None) -> DeliveryMode | None:
    """Return how the document goes; a draft keeps its wish until it is sent."""
    if not order.send:
        return order.draft.delivery_mode
    worth = pdf_verdict.legal_value(lead)
    return rules.delivery_mode_of(order.draft, worth, services.profile.delivery_modes)


async def look(
    services: OutgoingServices, scope: AgencyScope, order: Order, request_files: RequestFiles
) -> tuple[Draft, Verdict]:
    """The same for whoever only looks: told too what the axis of a recipient does not carry."""
    draft, verdict = await check(services, scope, order, request_files)
    on_axis = draft.delivery_mode is not DeliveryMode.PAPER
    codes = [each.code for each in draft.recipients if each.code and on_axis]
    sender = (await hosted_agency(services, scope)).code
    lossy = [code for code in codes if await _loses(services.axis, sender, code)]
    return draft, verdict + Verdict(warnings=tuple(rules.warnings_of_loss(draft, lossy)))


async def _unhosted(services: OutgoingServices, recipients: Sequence[Recipient]) -> frozenset[str]:
    """Those for which nobody receives. This node receives for its own agencies as soon as its workers run."""
    own = {
        fold_code(code) for agency in await services.store.hosted() for code in (agency.code, *agency.aliases)
    }
    codes = [one.code for one in recipients if one.code and fold_code(one.code) not in own]
    return await services.reach.unhosted(services.axis, codes, services.clock.now()) if codes else frozenset()


async def ways(axis: ManagedAxis, sender: str, code: str) -> Sequence[tuple[str | None, ManagedAxis]]:
    """The axes that mail from that agency to that code may take, by name where there are several; first choice first."""
    if isinstance(axis, ManyAxes):
        return [(name, axis.axes[name]) for name in await axis.order(sender, code)]
    return [(None, axis)]


async def form_of(axis: ManagedAxis, sender: str, code: str) -> Form:
    """How mail from that agency to that code is written, by its route."""
    return await axis.form(sender, code) if isinstance(axis, ManyAxes) else Form.STANDARD


async def _loses(axis: ManagedAxis, sender: str, code: str) -> bool:
    """Whether its first choice writes files anew."""
    return any(not each.promises().byte_identity for _, each in (await ways(axis, sender, code))[:1])


def stored(request_files: RequestFiles) -> tuple[FileItem, ...]:
    """Its files under the names that they are kept by."""
    names = admission.stored_names([received.item.name for received in request_files.received])
    items = [one.item for one in request_files.received]
    return tuple(
        [
            item if item.name == name else replace(item, name=name)
            for item, name in zip(items, names, strict=True)
        ]
    )


def judged(request_files: RequestFiles) -> tuple[FileVerdict, ...]:
    """What the signatures of the files are worth, of those whose signatures were read."""
    return tuple([one.verdict for one in request_files.received if one.verdict is not None])


def lead_of(request_files: RequestFiles) -> FileVerdict | None:
    """What those of the lead file are worth; None where it is no PDF."""
    leads = [one.verdict for one in request_files.received if one.item.role is FileRole.LEAD]
    return next((verdict for verdict in leads if verdict is not None), None)


async def hosted_agency(services: OutgoingServices, scope: AgencyScope) -> HostedAgency:
    """The agency of the scope, as this node hosts it."""
    for agency in await services.store.hosted():
        if agency.id == scope.agency_id:
            return agency
    raise NotFound(f"this node does not host agency {scope.agency_id}")


def document_id_of(agency: HostedAgency, draft: Draft) -> DocumentId:
    """The standard identity: code, date, number/notation (`edxml.md` 5)."""
    day = draft.issued_on.strftime("%Y/%m/%d") if draft.issued_on else ""
    return DocumentId(f"{agency.code},{day},{draft.code}")


def _resolved(recipient: Recipient, answer: Resolution) -> Recipient:
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
    """Of its files, in their order."""
    return [received.item.sha256 for received in request_files.received]


async def number_taken(
    work: SqlWork,
    agency: HostedAgency,
    draft: Draft,
    order: Order,
    files: Sequence[str],
    known: Sequence[OutgoingDocument] | None = None,
) -> Reason | None:
    """R117: number, notation and date name one document. They may be used again only for the same recipients once
    each of them has refused, or for the very same files (these digests) to further recipients. `known`: what bears that
    identity, for who has asked."""
    if draft.issued_on is None or not _takes_number(order, draft):
        return None
    if known is None:
        known = await work.outgoing.by_document_id(document_id_of(agency, draft))
    for earlier in known:
        if not earlier.kind.is_whole:
            continue
        if not _may_follow(earlier, await work.deliveries.of(earlier.id), draft, files):
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


def _takes_number(order: Order, draft: Draft) -> bool:
    changes = order.kind.asks
    return not changes and bool(draft.number and draft.symbol and draft.issued_on)


def _lead(request_files: RequestFiles) -> int | None:
    return next((n for n, one in enumerate(request_files.received) if one.item.role is FileRole.LEAD), None)


async def _like(
    work: SqlWork, agency: HostedAgency, draft: Draft, order: Order, request_files: RequestFiles
) -> Alike:
    if draft.issued_on is None or not _takes_number(order, draft):
        return Alike()
    lead = _lead(request_files)
    digest = request_files.received[lead].item.sha256 if lead is not None else None
    own, year = document_id_of(agency, draft), draft.issued_on.year
    return await work.numbers.alike(own, draft.number, draft.symbol, year, digest)


def _sent_before(
    agency: HostedAgency, draft: Draft, order: Order, request_files: RequestFiles, like: Alike
) -> tuple[Reason, ...]:
    """What looks as if this very document had gone out before, under another identity: the same number and notation in one
    year, or the same lead file. Both have honest reasons, so they are asked about and never refused."""
    own, found = document_id_of(agency, draft), []
    for line in like.of_number:
        if not isinstance(line, OutgoingDocument) or line.document_id != own:
            on = line.draft.issued_on if isinstance(line, OutgoingDocument) else line.issued_on
            again = reason(ReasonCode.NUMBER_REUSED, "/number", text=draft.code, held_on=on, earlier=line.id)
            found.append(again)
            break
    for earlier in like.of_lead:
        if earlier.state in _LEFT and earlier.document_id != own and earlier.id != order.parent_id:
            lead = _lead(request_files) or 0
            name, code = request_files.received[lead].item.name, earlier.draft.code
            found.append(
                reason(ReasonCode.LEAD_REUSED, f"/files/{lead}", name=name, text=code, earlier=earlier.id)
            )
            break
    return tuple(found)


def _may_follow(
    earlier: OutgoingDocument, deliveries: Sequence[Delivery], draft: Draft, files: Sequence[str]
) -> bool:
    if all(delivery.state in NOT_HELD for delivery in deliveries):
        return True
    again = {recipient.code.casefold() for recipient in draft.recipients}
    clear = all(d.state in NOT_HELD for d in deliveries if d.recipient.code.casefold() in again)
    return clear and [item.sha256 for item in earlier.files] == list(files)


def expect(document: OutgoingDocument, version: int | None) -> None:
    """StaleVersion where the caller names another version: said before anything of the document's state."""
    if version is not None and version != document.version:
        raise StaleVersion(
            f"the document {document.id} is at version {document.version}, not {version}; read it again"
        )


def named(deliveries: Sequence[Delivery], codes: Sequence[str]) -> list[Delivery]:
    """The deliveries to these recipients; Refused when one of them is no recipient of the document."""
    known = {delivery.recipient.code.casefold() for delivery in deliveries}
    unknown = tuple(
        reason(ReasonCode.RECIPIENT_UNKNOWN, f"/recipients/{n}", recipient=code)
        for n, code in enumerate(codes)
        if code.casefold() not in known
    )
    if unknown:
        raise Refused(Verdict(reasons=unknown))
    wanted = {code.casefold() for code in codes}
    return [one for one in deliveries if one.recipient.code.casefold() in wanted]
