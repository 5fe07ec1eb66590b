"""The exchange, for the pages: certificates as people compare them; agencies with which mail goes on; and the signing
helper, which lends the agency's own key to one signature on one draft's file. In: an open node; an agency's scope and ids,
DER, entries of the registry, a file's bytes with a wish and the PIN of a person at the pages. An agency is known by its
code and by the older form of it. Files to sign lie in the content store's scratch folder and go at the end; the code that
signs is loaded for a signature. Also packets in quarantine and the axis's dead list, for the pages of operations: lines of
a tree, rows of bytes, or the file; nothing of it is ever rendered. An axis gives a parcel out again before it takes it off
its list."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from shutil import copyfileobj
from typing import Any, BinaryIO

from cryptography import x509

from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.event import EventKind
from gateway.domain.pdf import Placement, Purpose, Wish
from gateway.domain.queues import InboxPacket
from gateway.domain.registry import AgencyEntry, AgencyFilter
from gateway.domain.text import plain
from gateway.domain.wall_clock import local
from gateway.edxml import parse
from gateway.edxml.attachment import pieces
from gateway.errors import Denied, GatewayError, NotFound
from gateway.ops import explain
from gateway.outgoing import sign_pdf
from gateway.outgoing.sign_pdf import SigningPlan, SigningServices
from gateway.ports.axis import DeadParcel
from gateway.store.blobs import FileScratch
from gateway.store.repository import Page
from gateway.stored_content import stream_pieces
from gateway.trust.pdf_signing import Pin
from gateway_office.bootstrap.office import Office
from gateway_office.domain.notice import Partner
from gateway_office.domain.roles import NODE
from gateway_office.store import partners

SIX_MONTHS = timedelta(days=183)
_AT_ONCE = 500  # entries looked through between two questions to the store
_MOST_IMAGE = 8 * 1024 * 1024
WINDOW, ROW = 4096, 16
# Sender, recipients, number and signature: an operator needs them to find a fault.
_ROUTING_ELEMENTS = frozenset(
    {
        "OrganId",
        "OrganName",
        "DocumentId",
        "CodeNumber",
        "CodeNotation",
        "PromulgationDate",
        "Type",
        "Timestamp",
        "StatusCode",
        "ContentId",
        "ContentType",
        "Priority",
        "BussinessDocType",
        "PacketId",
        "SigningTime",
        "DigestValue",
        "SignatureValue",
        "X509SerialNumber",
        "X509IssuerName",
    }
)
# Routing and form; none of them says what the document is about.
_ROUTING_KEYS = (
    "dialect",
    "kind",
    "from",
    "to",
    "document_id",
    "code_number",
    "code_notation",
    "issued_date",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParcelClaims:
    """Unproved claims of a parcel: lines for a person, or why it cannot be read. `hosted`: the recipients this node speaks
    for; only they would have it when it is handed out again."""

    text: str
    fault: str = ""
    hosted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ByteWindow:
    """A window of the file, as rows of (offset, hexadecimal digits, letters)."""

    rows: Sequence[tuple[str, str, str]]
    start: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedCertificate:
    """Properties of a certificate that people compare. One that cannot be read has question marks, and no days."""

    fingerprint: str
    subject: str = "?"
    issuer: str = "?"
    serial: str = ""
    begins: datetime | None = None
    ends: datetime | None = None


PIECE = 256 * 1024
_HEX = frozenset("0123456789abcdef")


def certificate_facts(der: bytes) -> ComparedCertificate:
    """Read a certificate; one that cannot be read has its fingerprint alone."""
    fingerprint = sha256(der).hexdigest()
    try:
        certificate = x509.load_der_x509_certificate(der)
        return ComparedCertificate(
            fingerprint=fingerprint,
            subject=certificate.subject.rfc4514_string(),
            issuer=certificate.issuer.rfc4514_string(),
            serial=f"{certificate.serial_number:x}",
            begins=certificate.not_valid_before_utc,
            ends=certificate.not_valid_after_utc,
        )
    except ValueError:
        return ComparedCertificate(fingerprint=fingerprint)


async def last_seen(
    node: Office, entries: Sequence[AgencyEntry], agency_id: str = ""
) -> Mapping[str, datetime]:
    """Return when a packet of each agency was last admitted, by code; a code without any has no key."""
    ours = [e.id for e in await _own_agencies(node, agency_id)]
    codes = {n for e in entries for n in _codes_of(e)}
    latest = await partners.last_seen(node.store, codes, node.clock.now(), ours)
    by_code = {e.code: {latest[n] for n in _codes_of(e) if n in latest} for e in entries}
    return {code: max(times) for code, times in by_code.items() if times}


async def find_partners(node: Office, codes: Sequence[str], agency_id: str) -> Mapping[str, Partner]:
    """Return each code's agency of today, and when that agency last heard from it; codes of no registry have no key."""
    today = local(node.clock.now()).date()
    entries = {code: e for code in codes if (e := await node.directory.find(code, today))}
    heard_at = await last_seen(node, list(entries.values()), agency_id)
    return {code: Partner(name=e.name, heard_at=heard_at.get(e.code)) for code, e in entries.items()}


async def list_silent(
    node: Office, agency_filter: AgencyFilter, limit: int, cursor: str | None = None, agency_id: str = ""
) -> Page[AgencyEntry]:
    """List the filtered agencies, in code order, to which nothing went and from which nothing came for six months.
    Agencies whose mail is counted are left out."""
    ours = await _own_agencies(node, agency_id)
    own = {e.code for e in ours}
    ids, since = [e.id for e in ours], node.clock.now() - SIX_MONTHS
    sent = {*await partners.sent_to_since(node.store, since, ids)}
    entries: list[AgencyEntry] = []
    next_cursor = cursor
    while len(entries) <= limit:
        page = await node.directory.filtered(agency_filter, _AT_ONCE, next_cursor)
        candidates = [e for e in page.items if e.code not in own and not _codes_of(e) & sent]
        codes = {name for e in candidates for name in _codes_of(e)}
        heard_codes = {*await partners.heard_since(node.store, codes, since, ids)}
        entries += [e for e in candidates if not _codes_of(e) & heard_codes]
        next_cursor = page.next_cursor
        if next_cursor is None:
            break
    more = entries[limit - 1].code if len(entries) > limit else None
    return Page(items=tuple(entries[:limit]), next_cursor=more)


async def _own_agencies(node: Office, agency_id: str) -> Sequence[HostedAgency]:
    return [agency for agency in await node.store.hosted() if agency_id in ("", agency.id)]


def _codes_of(entry: AgencyEntry) -> set[str]:
    return {entry.code, entry.alias} if entry.alias else {entry.code}


@dataclass(frozen=True, slots=True)
class TokenSigning:
    """Signing in person, R23a (separate keys): the PIN is used for one signature and forgotten; no key stays open."""

    node: Office

    @property
    def is_ready(self) -> bool:
        """Tell whether a token can be reached from this node at all."""
        return self.node.settings.sign.module is not None

    async def plan(
        self, agency: HostedAgency, source: Callable[[], BinaryIO], wish: Wish
    ) -> tuple[Placement, bytes]:
        """Return the signature's place, and that page as a PNG. Refused where the file may not be signed."""
        services = self._services()
        with self.node.blobs.scratch() as scratch:
            plan = await self._make_plan(services, agency, source, wish, scratch)
            return plan.placement, await sign_pdf.preview(services, plan)

    @asynccontextmanager
    async def sign(
        self, scope: AgencyScope, agency: HostedAgency, source: Callable[[], BinaryIO], wish: Wish, pin: str
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Yield the signed file, piece by piece; it is gone at the end. Refused, Denied or Clash where there is none."""
        from gateway.bootstrap import signing as wiring

        services, typed_pin = self._services(), Pin(pin)
        if not typed_pin.reveal():
            raise Denied("the PIN is missing", code="SIGN-TERMINAL")
        with self.node.blobs.scratch() as scratch:
            plan = await self._make_plan(services, agency, source, wish, scratch)
            out = scratch.path.with_name(f"{scratch.path.name}.signed")
            try:
                opening = wiring.token(
                    self.node.settings, None, None, lambda _name: typed_pin, self.node.clock.now()
                )
                key = await self.node.pool.run(opening.__enter__)
                try:
                    await sign_pdf.sign(services, scope, agency, plan, key, out)
                finally:
                    await self.node.pool.run(lambda: opening.__exit__(None, None, None))
                yield stream_pieces(self.node.pool, pieces(lambda: out.open("rb")))
            finally:
                out.unlink(missing_ok=True)

    async def _make_plan(
        self,
        services: SigningServices,
        agency: HostedAgency,
        source: Callable[[], BinaryIO],
        wish: Wish,
        scratch: FileScratch,
    ) -> SigningPlan:
        await self.node.pool.run(partial(_copy_to_scratch, source, scratch))
        agency_wish = replace(wish, agency_name=agency.name)
        return await sign_pdf.plan(services, scratch.path, agency_wish, await self._image(agency, wish))

    def _services(self) -> SigningServices:
        from gateway.bootstrap import signing as wiring

        return wiring.services(self.node.settings, self.node)

    async def _image(self, agency: HostedAgency, wish: Wish) -> bytes | None:
        from gateway.bootstrap import signing as wiring

        path = wiring.seal_file(self.node.settings, agency.code)
        if wish.purpose is not Purpose.SEAL:
            return None
        return await self.node.pool.run(partial(_read_image, path))


def _copy_to_scratch(source: Callable[[], BinaryIO], scratch: FileScratch) -> None:
    with source() as file:
        copyfileobj(file, scratch.file, PIECE)
    scratch.file.flush()


def _read_image(path: Path) -> bytes | None:
    if not path.is_file():
        return None
    with path.open("rb") as source:
        return source.read(_MOST_IMAGE)


async def packet_tree(node: Office, packet: InboxPacket, *, routing_only: bool) -> parse.View:
    """Return a bounded tree of a packet; files inside are never shown, and with `routing_only` no text that says what it is
    about: its lines are `hidden`."""
    view = await node.pool.run(partial(_view, await _opener(node, packet)))
    return replace(view, lines=tuple(_line(line, routing_only=routing_only) for line in view.lines))


async def packet_window(node: Office, packet: InboxPacket, start: int) -> ByteWindow:
    first = max(0, min(start, max(packet.size - 1, 0))) // ROW * ROW
    octets = await node.pool.run(partial(_cut, await _opener(node, packet), first))
    return ByteWindow(rows=_rows(octets, first), start=first, size=packet.size)


async def read_packet(node: Office, packet: InboxPacket) -> AsyncIterator[bytes]:
    return stream_pieces(node.pool, pieces(await _opener(node, packet)))


async def _opener(node: Office, packet: InboxPacket) -> Callable[[], BinaryIO]:
    scope = AgencyScope(agency_id=packet.agency_id, principal_id="node")
    async with node.store.read(scope) as work:
        return await node.blobs.open(work, packet.file_digest)


def _view(opener: Callable[[], BinaryIO]) -> parse.View:
    with opener() as file:
        return parse.view(iter(partial(file.read, PIECE), b""))


def _line(line: parse.ViewLine, *, routing_only: bool) -> parse.ViewLine:
    local = line.name.rpartition(":")[2]
    # Names of elements and attributes are form; a text may be anything.
    if routing_only and line.kind in ("text", "comment") and local not in _ROUTING_ELEMENTS:
        return replace(line, kind="hidden", value="")
    # Characters that change the text's direction, or steer a screen, reach no page.
    return replace(line, value=plain(line.value))


def _cut(opener: Callable[[], BinaryIO], start: int) -> bytes:
    with opener() as file:
        file.seek(start)
        return file.read(WINDOW)


def _rows(octets: bytes, first: int) -> Sequence[tuple[str, str, str]]:
    rows = []
    for at in range(0, len(octets), ROW):
        part = octets[at : at + ROW]
        letters = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        rows.append((f"{first + at:08x}", part.hex(" "), letters))
    return rows


async def get_parcel(node: Office, id: str) -> DeadParcel:
    """Return a parcel that the axis put aside."""
    parcel = next((p for p in await node.axis.dead_list() if p.id == id), None)
    if parcel is None:
        raise NotFound(f"no parcel {id[:80]!r} is on the dead list")
    return parcel


async def parcel_claims(node: Office, id: str, lang: str) -> ParcelClaims:
    """Return what the parcel says of its routing: neither subject nor files."""
    parcel = await get_parcel(node, id)
    own = {
        code.casefold()
        for agency in await node.store.hosted()
        if agency.left_at is None
        for code in (agency.code, *agency.aliases)
    }
    hosted = tuple(code for code in parcel.recipient.split() if code.casefold() in own)
    file = await node.axis.dead_open(id)
    report = await node.pool.run(partial(_explain, file))
    if "error" in report:
        error = report["error"]
        return ParcelClaims(text="", fault=f"{error['code']} {error['detail']}", hosted=hosted)
    return ParcelClaims(text=explain.to_text(_keep_routing(report), lang), hosted=hosted)


async def retry_parcels(node: Office, by: str, ids: Sequence[str]) -> int:
    """Retry parcels, and return how many; those that are gone meanwhile are passed over."""
    by_id = {p.id: p for p in await node.axis.dead_list()}
    parcels = [by_id[id] for id in dict.fromkeys(ids) if id in by_id]
    retried = 0
    for parcel in parcels:
        await _record_act(node, by, EventKind.PARCEL_RETRIED, parcel)
        try:
            await node.axis.dead_retry(parcel.id)
            retried += 1
        except NotFound:
            continue
    node.store.wake.ring("landing", "sequencer")
    return retried


async def drop_parcel(node: Office, by: str, id: str, why: str) -> None:
    """Drop a parcel for ever, with the reason."""
    await _record_act(node, by, EventKind.PARCEL_DROPPED, await get_parcel(node, id), why=why)
    await node.axis.dead_drop(id, why)
    node.store.wake.ring("sequencer")


async def _record_act(node: Office, by: str, kind: EventKind, parcel: DeadParcel, **more: object) -> None:
    """Record the act before it is done: a person who interrupts it has asked for it."""
    event_data = {
        "packet": parcel.packet_id,
        "from": parcel.sender,
        "to": parcel.recipient,
        "reason": parcel.reason[:500],
    }
    async with node.store.changing(AgencyScope(agency_id=NODE, principal_id=by)) as work:
        await work.events.append(kind, f"parcel:{parcel.id}", node.clock.now(), event_data | more)


def _explain(file: BinaryIO) -> dict[str, Any]:
    # Any: contents of an envelope have many shapes
    with file:
        try:
            return explain.explain_pieces(iter(partial(file.read, PIECE), b""))
        except GatewayError as error:
            return explain.failure(error)


def _keep_routing(report: dict[str, Any]) -> dict[str, Any]:
    """Empty every key but the routing."""
    empty: dict[str, Any] = {key: [] if isinstance(value, list) else None for key, value in report.items()}
    routing = {key: report[key] for key in (*_ROUTING_KEYS, "signature", "findings")}
    return {**empty, **routing}
