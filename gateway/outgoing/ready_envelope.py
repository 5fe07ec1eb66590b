"""An envelope that was built elsewhere, as step 1 of the way out takes it. In: the bytes of one edXML file as they come,
and what its caller says besides. Out: an `Order` and its files as `RequestFiles`, looked at like those of any other door;
of an envelope that the agency signed itself also that envelope, which leaves as it is. Without a signature of its own the
node writes and signs it anew (steps 3 and 4), and says by name what its own writer has no place for; such a one may also
update or replace what was sent (`brought_change`). `accept` goes on from here; nothing is kept before."""

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
from gateway.stored_content import streamed
from gateway.words import labels

# As every receiver reads the time of signing (K2).
_CLOCKS = trust.TrustPolicy()


@dataclass(frozen=True, slots=True, kw_only=True)
class Besides:
    """What the dialect has no field for, where the envelope's own signature does not say it."""

    reply_required: bool | None = None
    role: RecipientRole = RecipientRole.TO_ACT
    external_id: str | None = None
    category: str | None = None
    callback_data: str | None = None
    confirm: tuple[str, ...] = ()
    send: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """`signed` leaves byte for byte. `digest` is that of the file as it came."""

    order: Order
    digest: Digest
    signed: package.Packed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """What one reading gave. The slices count in what `open` reads."""

    model: Envelope
    files: Sequence[FileSlice]
    open: Callable[[], BinaryIO]
    proved: verify.Verified | None = None


async def take(
    services: OutgoingServices,
    scope: AgencyScope,
    request_files: RequestFiles,
    chunks: AsyncIterator[bytes],
    besides: Besides,
) -> Brought:
    """Refused, or the InvalidEnvelope that names the step, for what may not leave."""
    return await read(services, scope, request_files, await spool(services, request_files, chunks), besides)


async def spool(
    services: OutgoingServices, request_files: RequestFiles, chunks: AsyncIterator[bytes]
) -> Spool:
    """The whole envelope on disk, for `read`; nothing of it was looked at."""
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


async def look(services: OutgoingServices, spooled: Spool) -> Envelope:
    """What it says, whoever's it is; nothing of it is proved. MalformedXml for what nobody could read."""

    def opener() -> BinaryIO:
        return spooled.scratch.path.open("rb")

    look = partial(reader.read, limits=services.xml.limits)
    return (await services.pool.run(lambda: look(attachment.pieces(opener)))).envelope


async def read(
    services: OutgoingServices,
    scope: AgencyScope,
    request_files: RequestFiles,
    spooled: Spool,
    besides: Besides,
) -> Brought:
    """As `take`, of what was spooled before."""
    agency = await check.hosted_agency(services, scope)
    scratch, digest = spooled.scratch, spooled.digest()
    read = await _read(services, agency, scratch, spooled.size)
    _refuse_other(read.model, agency, is_signed=read.proved is not None)
    order = _order(read, besides)
    if read.model.kind in brought_change.KINDS:
        changing = await brought_change.read(services, scope, read.model)
        order = replace(order, kind=read.model.kind, parent_id=changing.parent.id, change=changing.change)
    request_files.declare(order.draft)
    for part, role in zip(read.files, _roles(read), strict=True):
        await _file(services, request_files, read, part, role)
    signed = (
        await _as_it_is(services, scratch, agency, order, read.proved) if read.proved is not None else None
    )
    return Brought(order=order, digest=digest, signed=signed)


async def _read(services: OutgoingServices, agency: HostedAgency, scratch: FileScratch, size: int) -> _Read:
    """As its receivers will read it: the fast path, the general one, and without any signature neither."""
    now = services.clock.now()
    own = await _own_bindings(services, agency, now)

    def opener() -> BinaryIO:
        return scratch.path.open("rb")

    source = verify.EnvelopeSource(size=size, open=lambda: attachment.pieces(opener))

    def bindings(code: str) -> Sequence[Binding]:
        return own if code == agency.code else ()

    def quick() -> _Read:
        found = verify.examine_fast(source, policy=services.xml, bindings=bindings, at=now)
        if found is not None:
            return _proved(found, opener)
        read = reader.read(source.open(), services.xml.limits)
        if read.signature is not None and read.signature.in_xmldsig and read.signature.value:
            raise _IsSigned
        return _Read(model=read.envelope, files=read.files, open=opener)

    def general() -> _Read:
        return _proved(verify.examine_general(source, policy=services.xml, bindings=bindings, at=now), opener)

    try:
        return await services.pool.run(quick)
    except _IsSigned:
        async with services.general_turns:
            return await services.pool.run(general)


class _IsSigned(Exception):
    """It carries a signature, in another form than our own."""


def _proved(found: verify.Verified, opener: Callable[[], BinaryIO]) -> _Read:
    signed, octets = found.signed, found.canonical
    return _Read(
        model=signed.model,
        files=signed.files,
        open=opener if octets is None else partial(BytesIO, octets),
        proved=found,
    )


async def _own_bindings(services: OutgoingServices, agency: HostedAgency, now: datetime) -> Sequence[Binding]:
    """The certificates that may sign for the agency now, as its receivers know them (K1, K5)."""
    found = await services.directory.bindings(agency.code)
    use = trust.key_use_of(agency.code, found, await services.store.key_ends(agency.code), now)
    return [each for each in found if use.fault(trust.fingerprint(each.certificate_der)) is None]


def _refuse_other(model: Envelope, agency: HostedAgency, *, is_signed: bool) -> None:
    """A document of this very agency, or one that changes what it sent; signed, a new one alone. What is written anew may
    name the agency by a code of before."""
    if model.kind is not Kind.DOCUMENT and (is_signed or model.kind not in brought_change.KINDS):
        raise _refused(reason(ReasonCode.ENVELOPE_KIND, "/Bussiness/BussinessDocType", kind=model.kind))
    sender = (model.sender.organ_id or "–").strip()
    known = sender.casefold() in {code.casefold() for code in (agency.code, *agency.aliases)}
    if not (model.sender.organ_id == agency.code if is_signed else known):
        raise _refused(reason(ReasonCode.ENVELOPE_SENDER, "/From/OrganId", sender=sender, own=agency.code))


def _refused(why: Reason) -> Refused:
    return Refused(Verdict(reasons=(why,)))


def _order(read: _Read, besides: Besides) -> Order:
    terms = (read.proved.signed.terms if read.proved is not None else None) or Terms()
    draft = _draft(read.model, terms, besides)
    lost = () if read.proved is not None else tuple(_left_out(read.model))
    return Order(draft=draft, send=besides.send, confirm=besides.confirm, notes=lost)


def _draft(model: Envelope, terms: Terms, besides: Besides) -> Draft:
    business = model.business
    wants = terms.reply_required if terms.reply_required is not None else besides.reply_required
    on_paper = business is not None and business.paper == 1
    mode = terms.delivery_mode or (DeliveryMode.BOTH if on_paper else DeliveryMode.ELECTRONIC)
    said = fields_in(model)
    return Draft(
        **said | {"urgency": _urgency(said.get("urgency"))},
        recipients=tuple(_recipient(each, terms, besides) for each in model.to),
        # The dialect's own word for a wanted answer is the day by which it is due.
        reply_required=model.due_date is not None if wants is None else wants,
        due_at=terms.due_at,
        external_id=besides.external_id,
        category=besides.category,
        callback_data=besides.callback_data,
        delivery_mode=mode,
        replies_to=_replies(model),
        staff=_staff(model),
    )


def _urgency(priority: int | None) -> Urgency:
    if priority is None:
        return Urgency.NORMAL
    if not 0 <= priority <= max(Urgency):
        raise _refused(
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


def _recipient(each: Organisation, terms: Terms, besides: Besides) -> Recipient:
    code = each.organ_id or ""
    return Recipient(code=code, name=each.organ_name, role=terms.role_of(code) or besides.role)


def _replies(model: Envelope) -> tuple[ReplyLink, ...]:
    return tuple(
        ReplyLink(
            agency=one.organ_id,
            number=one.code,
            date=one.promulgation_date,
            document_id=DocumentId(one.document_id) if one.document_id else None,
        )
        for one in model.response_for
        if one.organ_id and one.code and one.promulgation_date
    )


def _staff(model: Envelope) -> Staff | None:
    people = model.business.staff if model.business else ()
    if not people:
        return None
    one = people[0]
    return Staff(name=one.staff, department=one.department, phone=one.mobile, email=one.email)


# Elements of others that no field of ours travels in.
_ELSEWHERE = [
    path
    for path in (
        *("OtherInfo/ReplyFors", "OtherInfo/Direction", "OtherInfo/ReferenceCodes"),
        *("DocumentType/Type", "DocumentType/TypeDetail", "SteeringType", "ResponseForTask/TaskCode"),
        "ApplicationType",
    )
    if path not in {each.rule.wire for each in FIELDS}
]


def _left_out(model: Envelope) -> Iterator[Reason]:
    """What an envelope says that ours has no place for; a sender hears of it before anybody misses it."""
    said: dict[str, object] = {
        **{path.removesuffix("/TaskCode"): value_at(model, path) for path in _ELSEWHERE},
        "ResponseFor": len(_replies(model)) < len(model.response_for),
        "Bussiness/StaffInfo": len(model.business.staff) > 1 if model.business else None,
    }
    names = [name for name, value in said.items() if value not in (None, (), "", False)]
    if names:
        yield reason(ReasonCode.ENVELOPE_LEFT_OUT, "", names=", ".join(names))


def _roles(read: _Read) -> Sequence[FileRole]:
    """Our own words for a role where the envelope has them; else the first file leads, and the others are appended."""
    ours = {labels.say(f"file_role.{role}", "vi"): role for role in FileRole}
    found = [ours.get(each.description or "") for each in read.files]
    if FileRole.LEAD in found:
        return [each or FileRole.APPENDIX for each in found]
    return [FileRole.LEAD if n == 0 else each or FileRole.APPENDIX for n, each in enumerate(found)]


async def _file(
    services: OutgoingServices, request_files: RequestFiles, read: _Read, part: FileSlice, role: FileRole
) -> None:
    """The file out of its slice; what came out must be what the reader had found there."""
    if part.damaged is not None or part.sha256 is None:
        raise _refused(
            reason(ReasonCode.BROKEN, f"/files/{part.n - 1}", name=part.name[:100], why=_WHY_DAMAGED)
        )
    raw = partial(attachment.pieces, read.open, part.offset, part.length)
    start = partial(_decoded, raw, part.coding)
    received = await request_files.add(role.value, part.name, role, streamed(services.pool, start()))
    if received.item.sha256 != part.sha256:
        raise MalformedXml(
            "ENV-DIALECT",
            f"attachment {part.n} is not written as plain base64 in a plain file; write the envelope without "
            "references, CDATA or a JSON string around it",
            step=4,
        )


_WHY_DAMAGED = "truncated"


def _decoded(raw: Callable[[], Iterator[bytes]], coding: str) -> Iterator[bytes]:
    return attachment.decoded_pieces(raw(), coding)


async def _as_it_is(
    services: OutgoingServices,
    scratch: FileScratch,
    agency: HostedAgency,
    order: Order,
    proved: verify.Verified,
) -> package.Packed:
    """What its receivers would find at step 11 they find here, where somebody can still mend it."""
    signed = proved.signed
    if signed.contradiction is not None:
        against = signed.contradiction
        raise BadSignature(against.code, against.detail, step=11, where=against.where)
    if signed.packet_id is None:
        raise BadSignature("MSG-ID", "the signature has no gw:Message, which our axis needs", step=11)
    _refuse_times(signed.signing_time, services.clock.now())
    standard = check.document_id_of(agency, order.draft)
    if signed.model.document_id != standard:
        said = signed.model.document_id or "–"
        raise _refused(
            reason(ReasonCode.ENVELOPE_IDENTITY, "/DocumentId", said=said[:100], standard=standard)
        )
    if not order.send:
        raise _refused(reason(ReasonCode.ENVELOPE_KIND, "/send", kind="draft"))
    return await package.keep(services, scratch, signed)


def _refuse_times(signed_at: datetime | None, now: datetime) -> None:
    if signed_at is None or now - _CLOCKS.signing_past <= signed_at <= now + _CLOCKS.signing_future:
        return
    off = timedelta(seconds=round(abs(now - signed_at).total_seconds()))
    raise BadSignature("SIG-TIME", f"SigningTime is {off} away from now; receivers would hold it", step=9)
