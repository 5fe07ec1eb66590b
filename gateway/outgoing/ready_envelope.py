"""Takes an envelope that was built elsewhere into step 1 of the way out. In: the bytes of one edXML file, and fields that
the caller adds. Out: an `Order` with its files in `RequestFiles`, inspected like any others; and the envelope itself
where the agency signed it, since it then leaves unchanged. An unsigned one is rewritten and signed by the node (steps 3
and 4), with a warning about elements that our writer cannot express; only an unsigned one may update or replace a sent
document (`brought_change`). `accept` continues from here; nothing is kept before."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from io import BytesIO
from typing import BinaryIO

from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.document import (
    DeliveryMode,
    Draft,
    FileRole,
    Kind,
    Recipient,
    RecipientRole,
    ReplyLink,
    Staff,
    Urgency,
)
from gateway.domain.fields import FIELDS
from gateway.domain.identity import Digest, DocumentId
from gateway.domain.proof import Binding, FileSlice, Terms
from gateway.edxml import attachment, reader, verify
from gateway.edxml.envelope import Envelope, Organisation, fields_in, value_at
from gateway.errors import BadSignature, MalformedXml, Refused
from gateway.outgoing import brought_change, check, package
from gateway.outgoing.intake import Order, RequestFiles
from gateway.outgoing.services import OutgoingServices
from gateway.outgoing.spooling import Spool
from gateway.policy import trust
from gateway.policy.verdict import Reason, ReasonCode, Verdict, reason
from gateway.store.blobs import FileScratch
from gateway.stored_content import stream_pieces
from gateway.words import labels

# Receivers judge the time of signing by the same policy (K2, signing time).
_CLOCKS = trust.TrustPolicy()
# Elements that other systems write, and that none of our fields is written to.
_UNMAPPED = [
    path
    for path in (
        "OtherInfo/ReplyFors",
        "OtherInfo/Direction",
        "OtherInfo/ReferenceCodes",
        "DocumentType/Type",
        "DocumentType/TypeDetail",
        "SteeringType",
        "ResponseForTask/TaskCode",
        "ApplicationType",
    )
    if path not in {f.rule.wire for f in FIELDS}
]
_WHY_DAMAGED = "truncated"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvelopeExtras:
    """Fields of the caller that the dialect does not have. Statements in the envelope's signature come first."""

    reply_required: bool | None = None
    role: RecipientRole = RecipientRole.TO_ACT
    external_id: str | None = None
    category: str | None = None
    callback_data: str | None = None
    confirm: tuple[str, ...] = ()
    send: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """Order made of an envelope, with the digest of the received file. `signed` is sent byte for byte."""

    order: Order
    digest: Digest
    signed: package.Packed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """Parsed envelope. Its file slices are offsets in the bytes of `open`; `proved` is set if its signature was
    verified."""

    model: Envelope
    files: Sequence[FileSlice]
    open: Callable[[], BinaryIO]
    proved: verify.Verified | None = None


async def take(
    services: OutgoingServices,
    scope: AgencyScope,
    request_files: RequestFiles,
    chunks: AsyncIterator[bytes],
    extras: EnvelopeExtras,
) -> Brought:
    """Read an envelope from chunks of bytes. Raises Refused for one that may not leave, or the InvalidEnvelope error of
    the verification step that fails."""
    return await read(services, scope, request_files, await spool(services, request_files, chunks), extras)


async def spool(
    services: OutgoingServices, request_files: RequestFiles, chunks: AsyncIterator[bytes]
) -> Spool:
    """Write the whole envelope to disk for `read`, without parsing it."""
    most = services.xml.limits.max_bytes

    def check_size(size: int) -> None:
        if size > most:
            raise MalformedXml(
                "ENV-TOO-LARGE", f"the envelope has more than {most} bytes (limits.envelope_mb)", step=1
            )

    into = Spool(request_files.stack.enter_context(services.blobs.scratch()), services.pool)
    await into.fill(chunks, check_size)
    await services.pool.run(into.end)
    return into


async def parse_unproved(services: OutgoingServices, spooled: Spool) -> Envelope:
    """Parse the envelope without verifying its sender or signature. Raises MalformedXml where it cannot be read."""

    def opener() -> BinaryIO:
        return spooled.scratch.path.open("rb")

    parse = partial(reader.read, limits=services.xml.limits)
    return (await services.pool.run(lambda: parse(attachment.pieces(opener)))).envelope


async def read(
    services: OutgoingServices,
    scope: AgencyScope,
    request_files: RequestFiles,
    spooled: Spool,
    extras: EnvelopeExtras,
) -> Brought:
    """Read a spooled envelope into an order, as `take` does."""
    agency = await check.hosted_agency(services, scope)
    scratch, digest = spooled.scratch, spooled.digest()
    parsed = await _parse(services, agency, scratch, spooled.size)
    _refuse_other(parsed.model, agency, is_signed=parsed.proved is not None)
    order = _make_order(parsed, extras)
    if parsed.model.kind in brought_change.KINDS:
        changing = await brought_change.read(services, scope, parsed.model)
        order = replace(order, kind=parsed.model.kind, parent_id=changing.parent.id, change=changing.change)
    request_files.declare(order.draft)
    for part, role in zip(parsed.files, _choose_roles(parsed), strict=True):
        await _add_file(services, request_files, parsed, part, role)
    signed = (
        await _keep(services, scratch, agency, order, parsed.proved) if parsed.proved is not None else None
    )
    return Brought(order=order, digest=digest, signed=signed)


async def _parse(services: OutgoingServices, agency: HostedAgency, scratch: FileScratch, size: int) -> _Read:
    """Parse and verify the envelope as its receivers will: on the fast path, else on the general one. An unsigned one is
    only parsed."""
    now = services.clock.now()
    own = await _own_bindings(services, agency, now)

    def opener() -> BinaryIO:
        return scratch.path.open("rb")

    source = verify.EnvelopeSource(size=size, open=lambda: attachment.pieces(opener))

    def bindings(code: str) -> Sequence[Binding]:
        return own if code == agency.code else ()

    def quick() -> _Read:
        verified = verify.examine_fast(source, policy=services.xml, bindings=bindings, at=now)
        if verified is not None:
            return _unpack(verified, opener)
        parsed = reader.read(source.open(), services.xml.limits)
        if parsed.signature is not None and parsed.signature.in_xmldsig and parsed.signature.value:
            raise _IsSigned
        return _Read(model=parsed.envelope, files=parsed.files, open=opener)

    def general() -> _Read:
        return _unpack(verify.examine_general(source, policy=services.xml, bindings=bindings, at=now), opener)

    try:
        return await services.pool.run(quick)
    except _IsSigned:
        async with services.general_turns:
            return await services.pool.run(general)


class _IsSigned(Exception):
    """Signal that the envelope is signed, in a form other than our own."""


def _unpack(verified: verify.Verified, opener: Callable[[], BinaryIO]) -> _Read:
    signed, octets = verified.signed, verified.canonical
    return _Read(
        model=signed.model,
        files=signed.files,
        open=opener if octets is None else partial(BytesIO, octets),
        proved=verified,
    )


async def _own_bindings(services: OutgoingServices, agency: HostedAgency, now: datetime) -> Sequence[Binding]:
    """Return the certificates that may sign for the agency now, as its receivers know them (K1, bindings; K5,
    roll-over)."""
    bindings = await services.directory.bindings(agency.code)
    use = trust.key_use_of(agency.code, bindings, await services.store.key_ends(agency.code), now)
    return [b for b in bindings if use.fault(trust.fingerprint(b.certificate_der)) is None]


def _refuse_other(model: Envelope, agency: HostedAgency, *, is_signed: bool) -> None:
    """Refuse an envelope unless it is a document of this agency or, if unsigned, an update or replacement. An unsigned
    envelope may name the agency by an earlier code."""
    if model.kind is not Kind.DOCUMENT and (is_signed or model.kind not in brought_change.KINDS):
        raise _refusal(reason(ReasonCode.ENVELOPE_KIND, "/Bussiness/BussinessDocType", kind=model.kind))
    sender = (model.sender.organ_id or "–").strip()
    is_own = sender.casefold() in {code.casefold() for code in (agency.code, *agency.aliases)}
    if not (model.sender.organ_id == agency.code if is_signed else is_own):
        raise _refusal(reason(ReasonCode.ENVELOPE_SENDER, "/From/OrganId", sender=sender, own=agency.code))


def _refusal(why: Reason) -> Refused:
    return Refused(Verdict(reasons=(why,)))


def _make_order(parsed: _Read, extras: EnvelopeExtras) -> Order:
    terms = (parsed.proved.signed.terms if parsed.proved is not None else None) or Terms()
    draft = _make_draft(parsed.model, terms, extras)
    lost = () if parsed.proved is not None else tuple(_left_out(parsed.model))
    return Order(draft=draft, send=extras.send, confirm=extras.confirm, notes=lost)


def _make_draft(model: Envelope, terms: Terms, extras: EnvelopeExtras) -> Draft:
    business = model.business
    wants = terms.reply_required if terms.reply_required is not None else extras.reply_required
    on_paper = business is not None and business.paper == 1
    mode = terms.delivery_mode or (DeliveryMode.BOTH if on_paper else DeliveryMode.ELECTRONIC)
    fields = fields_in(model)
    return Draft(
        **fields | {"urgency": _read_urgency(fields.get("urgency"))},
        recipients=tuple(_make_recipient(o, terms, extras) for o in model.to),
        # In the dialect, a due date means that an answer is wanted.
        reply_required=model.due_date is not None if wants is None else wants,
        due_at=terms.due_at,
        external_id=extras.external_id,
        category=extras.category,
        callback_data=extras.callback_data,
        delivery_mode=mode,
        replies_to=_list_replies(model),
        staff=_read_staff(model),
    )


def _read_urgency(priority: int | None) -> Urgency:
    if priority is None:
        return Urgency.NORMAL
    if not 0 <= priority <= max(Urgency):
        raise _refusal(
            reason(
                ReasonCode.OUT_OF_RANGE,
                "/OtherInfo/Priority",
                field="Priority",
                value=priority,
                least=0,
                most=int(max(Urgency)),
            )
        )
    return Urgency(priority)


def _make_recipient(organisation: Organisation, terms: Terms, extras: EnvelopeExtras) -> Recipient:
    code = organisation.organ_id or ""
    return Recipient(code=code, name=organisation.organ_name, role=terms.role_of(code) or extras.role)


def _list_replies(model: Envelope) -> tuple[ReplyLink, ...]:
    return tuple(
        ReplyLink(
            agency=link.organ_id,
            number=link.code,
            date=link.promulgation_date,
            document_id=DocumentId(link.document_id) if link.document_id else None,
        )
        for link in model.response_for
        if link.organ_id and link.code and link.promulgation_date
    )


def _read_staff(model: Envelope) -> Staff | None:
    people = model.business.staff if model.business else ()
    if not people:
        return None
    person = people[0]
    return Staff(name=person.staff, department=person.department, phone=person.mobile, email=person.email)


def _left_out(model: Envelope) -> Iterator[Reason]:
    """Warn of the elements that our own envelope cannot express, so that the sender learns of the loss before sending."""
    elements: dict[str, object] = {
        **{path.removesuffix("/TaskCode"): value_at(model, path) for path in _UNMAPPED},
        "ResponseFor": len(_list_replies(model)) < len(model.response_for),
        "Bussiness/StaffInfo": len(model.business.staff) > 1 if model.business else None,
    }
    names = [name for name, value in elements.items() if value not in (None, (), "", False)]
    if names:
        yield reason(ReasonCode.ENVELOPE_LEFT_OUT, "", names=", ".join(names))


def _choose_roles(parsed: _Read) -> Sequence[FileRole]:
    """Choose a role for each file by its description, where that is our word for a role. Without a described lead the
    first file is the lead; any other file is an appendix by default."""
    ours = {labels.say(f"file_role.{role}", "vi"): role for role in FileRole}
    roles = [ours.get(f.description or "") for f in parsed.files]
    if FileRole.LEAD in roles:
        return [role or FileRole.APPENDIX for role in roles]
    return [FileRole.LEAD if n == 0 else role or FileRole.APPENDIX for n, role in enumerate(roles)]


async def _add_file(
    services: OutgoingServices, request_files: RequestFiles, parsed: _Read, part: FileSlice, role: FileRole
) -> None:
    """Decode one attachment of the envelope and add it to the request's files. Raises MalformedXml where its digest
    differs from the one that the parser computed."""
    if part.damaged is not None or part.sha256 is None:
        raise _refusal(
            reason(ReasonCode.BROKEN, f"/files/{part.n - 1}", name=part.name[:100], why=_WHY_DAMAGED)
        )
    raw = partial(attachment.pieces, parsed.open, part.offset, part.length)
    start = partial(_decode, raw, part.coding)
    received = await request_files.add(role.value, part.name, role, stream_pieces(services.pool, start()))
    if received.item.sha256 != part.sha256:
        raise MalformedXml(
            "ENV-DIALECT",
            f"attachment {part.n} is not written as plain base64 in a plain file; write the envelope without "
            "references, CDATA or a JSON string around it",
            step=4,
        )


def _decode(raw: Callable[[], Iterator[bytes]], coding: str) -> Iterator[bytes]:
    return attachment.decoded_pieces(raw(), coding)


async def _keep(
    services: OutgoingServices,
    scratch: FileScratch,
    agency: HostedAgency,
    order: Order,
    proved: verify.Verified,
) -> package.Packed:
    """Keep the agency's signed envelope for sending. Contradictions and times that receivers would refuse at steps 9 and
    11 are refused here, while the sender can still correct them."""
    signed = proved.signed
    if signed.contradiction is not None:
        against = signed.contradiction
        raise BadSignature(against.code, against.detail, step=11, location=against.place)
    if signed.packet_id is None:
        raise BadSignature("MSG-ID", "the signature has no gw:Message, which our axis needs", step=11)
    _refuse_times(signed.signing_time, services.clock.now())
    standard = check.document_id_of(agency, order.draft)
    if signed.model.document_id != standard:
        document_id = signed.model.document_id or "–"
        raise _refusal(
            reason(ReasonCode.ENVELOPE_IDENTITY, "/DocumentId", said=document_id[:100], standard=standard)
        )
    if not order.send:
        raise _refusal(reason(ReasonCode.ENVELOPE_KIND, "/send", kind="draft"))
    return await package.keep(services, scratch, signed)


def _refuse_times(signed_at: datetime | None, now: datetime) -> None:
    if signed_at is None or now - _CLOCKS.signing_past <= signed_at <= now + _CLOCKS.signing_future:
        return
    gap = timedelta(seconds=round(abs(now - signed_at).total_seconds()))
    raise BadSignature("SIG-TIME", f"SigningTime is {gap} away from now; receivers would hold it", step=9)
