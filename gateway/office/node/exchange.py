"""The exchange, for the pages: what people compare of a certificate; with which agencies mail goes on; and the signing
helper, which lends the agency's own key to one signature on one draft's file. In: an open node; an agency's scope and
ids, DER, entries of the registry, a file's bytes with a wish and the PIN of a person who is at the pages.
An agency is known by its code and by the older form of it. Files that are signed lie in
the content store's scratch folder and go at the end; what signs is loaded when somebody signs. And what was put aside,
for the pages of operations: packets in quarantine, and the axis's dead list: lines of a tree, rows of bytes, or the file;
nothing of it is ever rendered. An axis gives a parcel out again before it takes it off its list."""

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
from gateway.office.bootstrap.office import Office
from gateway.office.domain.notice import Partner
from gateway.office.domain.roles import NODE
from gateway.office.store import partners
from gateway.ops import explain
from gateway.outgoing import sign_pdf
from gateway.outgoing.sign_pdf import SigningDesk, SigningPlan
from gateway.ports.axis import DeadParcel
from gateway.store import reporting
from gateway.store.blobs import FileScratch
from gateway.store.repository import Page
from gateway.stored_content import streamed
from gateway.trust.pdf_signing import Pin


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a parcel says of itself, unproved: lines for a person, or why it cannot be read. `hosted`: the recipients this
    node speaks for; only they would have it when it is handed out again."""

    text: str
    fault: str = ""
    hosted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bytes:
    """A window of the file, as rows of (offset, hexadecimal digits, letters)."""

    rows: Sequence[tuple[str, str, str]]
    start: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedCertificate:
    """What people compare of a certificate. One that cannot be read has question marks for names, and no days."""

    fingerprint: str
    subject: str = "?"
    issuer: str = "?"
    serial: str = ""
    begins: datetime | None = None
    ends: datetime | None = None


PIECE = 256 * 1024
_HEX = frozenset("0123456789abcdef")


def certificate_facts(der: bytes) -> ComparedCertificate:
    """One that cannot be read has its fingerprint alone."""
    fingerprint = sha256(der).hexdigest()
    try:
        found = x509.load_der_x509_certificate(der)
        return ComparedCertificate(
            fingerprint=fingerprint,
            subject=found.subject.rfc4514_string(),
            issuer=found.issuer.rfc4514_string(),
            serial=f"{found.serial_number:x}",
            begins=found.not_valid_before_utc,
            ends=found.not_valid_after_utc,
        )
    except ValueError:
        return ComparedCertificate(fingerprint=fingerprint)


SIX_MONTHS = timedelta(days=183)
_AT_ONCE = 500  # entries looked through between two questions to the store


@dataclass(frozen=True, slots=True)
class NodeContacts:
    """With which agencies mail goes on: by the mail of one agency of this node, or of all for the empty id."""

    node: Office

    async def last_heard(self, entries: Sequence[AgencyEntry], agency_id: str = "") -> Mapping[str, datetime]:
        """By code, when a packet of the agency was last admitted; who was never heard is no key."""
        ours = [each.id for each in await self._ours(agency_id)]
        asked = {name for each in entries for name in _codes_of(each)}
        heard = await partners.last_heard(self.node.store, asked, self.node.clock.now(), ours)
        found = {each.code: [heard[name] for name in _codes_of(each) if name in heard] for each in entries}
        return {code: max(times) for code, times in found.items() if times}

    async def partners(self, codes: Sequence[str], agency_id: str) -> Mapping[str, Partner]:
        """Who each of these codes is today, and when that agency last heard from it; what no registry has is no key."""
        today = local(self.node.clock.now()).date()
        known = {code: each for code in codes if (each := await self.node.directory.find(code, today))}
        heard = await self.last_heard(list(known.values()), agency_id)
        return {code: Partner(name=each.name, heard_at=heard.get(each.code)) for code, each in known.items()}

    async def silent(
        self, wanted: AgencyFilter, limit: int, cursor: str | None = None, agency_id: str = ""
    ) -> Page[AgencyEntry]:
        """Those wanted, in code order, to which nothing went and from which nothing came for six months. Whose mail it is
        about is not among them."""
        ours = await self._ours(agency_id)
        own = {each.code for each in ours}
        ids, since = [each.id for each in ours], self.node.clock.now() - SIX_MONTHS
        sent = {*await partners.sent_to_since(self.node.store, since, ids)}
        found: list[AgencyEntry] = []
        after = cursor
        while len(found) <= limit:
            page = await self.node.directory.filtered(wanted, _AT_ONCE, after)
            rest = [each for each in page.items if each.code not in own and not _codes_of(each) & sent]
            asked = {name for each in rest for name in _codes_of(each)}
            heard = {*await partners.heard_since(self.node.store, asked, since, ids)}
            found += [each for each in rest if not _codes_of(each) & heard]
            after = page.next_cursor
            if after is None:
                break
        more = found[limit - 1].code if len(found) > limit else None
        return Page(items=tuple(found[:limit]), next_cursor=more)

    async def _ours(self, agency_id: str) -> Sequence[HostedAgency]:
        return [each for each in await self.node.store.hosted() if agency_id in ("", each.id)]


def _codes_of(entry: AgencyEntry) -> set[str]:
    return {entry.code, entry.alias} if entry.alias else {entry.code}


_MOST_IMAGE = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class TokenSigning:
    """Signs in person (R23a): the PIN is used for one signature and forgotten; no key stays open."""

    node: Office

    @property
    def is_ready(self) -> bool:
        """Whether a token can be reached from this node at all."""
        return self.node.settings.sign.module is not None

    async def plan(
        self, agency: HostedAgency, source: Callable[[], BinaryIO], wish: Wish
    ) -> tuple[Placement, bytes]:
        """Where the signature would show, and that page as a PNG. Refused where the file may not be signed."""
        desk = self._desk()
        with self.node.blobs.scratch() as scratch:
            plan = await self._planned(desk, agency, source, wish, scratch)
            return plan.placement, await sign_pdf.preview(desk, plan)

    @asynccontextmanager
    async def signed(
        self, scope: AgencyScope, agency: HostedAgency, source: Callable[[], BinaryIO], wish: Wish, pin: str
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """The signed file, piece by piece; it is gone at the end. Refused, Denied or Clash where there is none."""
        from gateway.bootstrap import signing as wiring

        desk, given = self._desk(), Pin(pin)
        if not given.reveal():
            raise Denied("the PIN is missing", code="SIGN-TERMINAL")
        with self.node.blobs.scratch() as scratch:
            plan = await self._planned(desk, agency, source, wish, scratch)
            out = scratch.path.with_name(f"{scratch.path.name}.signed")
            try:
                opening = wiring.token(
                    self.node.settings, None, None, lambda _name: given, self.node.clock.now()
                )
                key = await self.node.pool.run(opening.__enter__)
                try:
                    await sign_pdf.sign(desk, scope, agency, plan, key, out)
                finally:
                    await self.node.pool.run(lambda: opening.__exit__(None, None, None))
                yield streamed(self.node.pool, pieces(lambda: out.open("rb")))
            finally:
                out.unlink(missing_ok=True)

    async def _planned(
        self,
        desk: SigningDesk,
        agency: HostedAgency,
        source: Callable[[], BinaryIO],
        wish: Wish,
        scratch: FileScratch,
    ) -> SigningPlan:
        await self.node.pool.run(partial(_copy_to_scratch, source, scratch))
        named = replace(wish, agency_name=agency.name)
        return await sign_pdf.plan(desk, scratch.path, named, await self._image(agency, wish))

    def _desk(self) -> SigningDesk:
        from gateway.bootstrap import signing as wiring

        return wiring.desk(self.node.settings, self.node)

    async def _image(self, agency: HostedAgency, wish: Wish) -> bytes | None:
        from gateway.bootstrap import signing as wiring

        path = wiring.seal_file(self.node.settings, agency.code)
        if wish.purpose is not Purpose.SEAL:
            return None
        return await self.node.pool.run(partial(_read_image, path))


def _copy_to_scratch(source: Callable[[], BinaryIO], scratch: FileScratch) -> None:
    with source() as found:
        copyfileobj(found, scratch.file, PIECE)
    scratch.file.flush()


def _read_image(path: Path) -> bytes | None:
    if not path.is_file():
        return None
    with path.open("rb") as source:
        return source.read(_MOST_IMAGE)


WINDOW, ROW = 4096, 16
# Who, to whom, which number and how signed: what an operator needs to find a fault.
_ROUTING_ELEMENTS = frozenset(
    {
        *("OrganId", "OrganName", "DocumentId", "CodeNumber", "CodeNotation", "PromulgationDate", "Type"),
        *("Timestamp", "StatusCode", "ContentId", "ContentType", "Priority", "BussinessDocType", "PacketId"),
        *("SigningTime", "DigestValue", "SignatureValue", "X509SerialNumber", "X509IssuerName"),
    }
)


@dataclass(frozen=True, slots=True)
class QuarantinedPackets:
    """Packets that did not become a document, of every agency."""

    node: Office

    async def waiting(self, agency_id: str, limit: int) -> Sequence[InboxPacket]:
        """Oldest first; of one agency, or of all for the empty id."""
        return await reporting.packets_aside(self.node.store, agency_id, limit)

    async def get(self, agency_id: str, id: str) -> InboxPacket:
        """NotFound in another agency, unless that is the empty id."""
        return await reporting.find_packet(self.node.store, agency_id, id)

    async def tree(self, item: InboxPacket, *, routing_only: bool) -> parse.View:
        """Bounded; files inside are never shown, and with `routing_only` no text that says what it is about: its lines are
        `hidden`."""
        found = await self.node.pool.run(partial(_view, await self._opener(item)))
        return replace(found, lines=tuple(_line(each, routing_only=routing_only) for each in found.lines))

    async def window(self, item: InboxPacket, start: int) -> Bytes:
        first = max(0, min(start, max(item.size - 1, 0))) // ROW * ROW
        data = await self.node.pool.run(partial(_cut, await self._opener(item), first))
        return Bytes(rows=_rows(data, first), start=first, size=item.size)

    async def read(self, item: InboxPacket) -> AsyncIterator[bytes]:
        return streamed(self.node.pool, pieces(await self._opener(item)))

    async def _opener(self, item: InboxPacket) -> Callable[[], BinaryIO]:
        scope = AgencyScope(agency_id=item.agency_id, principal_id="node")
        async with self.node.store.read(scope) as work:
            return await self.node.blobs.open(work, item.file_digest)


def _view(opener: Callable[[], BinaryIO]) -> parse.View:
    with opener() as file:
        return parse.view(iter(partial(file.read, PIECE), b""))


def _line(seen: parse.ViewLine, *, routing_only: bool) -> parse.ViewLine:
    local = seen.name.rpartition(":")[2]
    # Names of elements and attributes are form; a text may be anything.
    if routing_only and seen.kind in ("text", "comment") and local not in _ROUTING_ELEMENTS:
        return replace(seen, kind="hidden", value="")
    # Signs that turn the writing round, or steer a screen, reach no page.
    return replace(seen, value=plain(seen.value))


def _cut(opener: Callable[[], BinaryIO], start: int) -> bytes:
    with opener() as file:
        file.seek(start)
        return file.read(WINDOW)


def _rows(data: bytes, first: int) -> Sequence[tuple[str, str, str]]:
    made = []
    for at in range(0, len(data), ROW):
        part = data[at : at + ROW]
        letters = "".join(chr(each) if 32 <= each < 127 else "." for each in part)
        made.append((f"{first + at:08x}", part.hex(" "), letters))
    return made


# Routing and form; what the document is about stands in none of them.
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


@dataclass(frozen=True, slots=True)
class AxisDeadLetters:
    """Parcels that the axis put aside. An act is told of before it is done; nothing is lost whenever it is cut short."""

    node: Office

    async def all(self) -> Sequence[DeadParcel]:
        """Oldest first."""
        return await self.node.axis.dead_list()

    async def get(self, id: str) -> DeadParcel:
        found = next((each for each in await self.all() if each.id == id), None)
        if found is None:
            raise NotFound(f"no parcel {id[:80]!r} is on the dead list")
        return found

    async def claims(self, id: str, lang: str) -> Claims:
        """What it says, routing alone: neither subject nor files."""
        parcel = await self.get(id)
        own = {
            code.casefold()
            for each in await self.node.store.hosted()
            if each.left_at is None
            for code in (each.code, *each.aliases)
        }
        hosted = tuple(code for code in parcel.recipient.split() if code.casefold() in own)
        file = await self.node.axis.dead_open(id)
        told = await self.node.pool.run(partial(_explained, file))
        if "error" in told:
            error = told["error"]
            return Claims(text="", fault=f"{error['code']} {error['detail']}", hosted=hosted)
        return Claims(text=explain.to_text(_routing_alone(told), lang), hosted=hosted)

    async def retry(self, by: str, ids: Sequence[str]) -> int:
        """How many; those that are gone meanwhile are passed over."""
        known = {each.id: each for each in await self.all()}
        wanted = [known[each] for each in dict.fromkeys(ids) if each in known]
        done = 0
        for parcel in wanted:
            await self._tell(by, EventKind.PARCEL_RETRIED, parcel)
            try:
                await self.node.axis.dead_retry(parcel.id)
                done += 1
            except NotFound:
                continue
        self.node.store.wake.ring("landing", "sequencer")
        return done

    async def drop(self, by: str, id: str, why: str) -> None:
        await self._tell(by, EventKind.PARCEL_DROPPED, await self.get(id), why=why)
        await self.node.axis.dead_drop(id, why)
        self.node.store.wake.ring("sequencer")

    async def _tell(self, by: str, kind: EventKind, parcel: DeadParcel, **more: object) -> None:
        """Before the act: whoever interrupts it has asked for it."""
        told = {
            "packet": parcel.packet_id,
            "from": parcel.sender,
            "to": parcel.recipient,
            "reason": parcel.reason[:500],
        }
        async with self.node.store.begin(AgencyScope(agency_id=NODE, principal_id=by)) as work:
            await work.events.append(kind, f"parcel:{parcel.id}", self.node.clock.now(), told | more)
            await work.commit()


def _explained(file: BinaryIO) -> dict[str, Any]:
    # Any: what an envelope says has many shapes
    with file:
        try:
            return explain.explain_pieces(iter(partial(file.read, PIECE), b""))
        except GatewayError as error:
            return explain.failure(error)


def _routing_alone(told: dict[str, Any]) -> dict[str, Any]:
    """The same keys with everything else empty."""
    empty: dict[str, Any] = {key: [] if isinstance(value, list) else None for key, value in told.items()}
    kept = {key: told[key] for key in (*_ROUTING_KEYS, "signature", "findings")}
    return {**empty, **kept}
