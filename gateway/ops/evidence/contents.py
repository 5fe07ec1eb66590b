"""Find and assemble the contents of an evidence pack. In: a document in one view of its agency's rows. Out: its packets,
the `Story` (the description of document, packets and log), and the parts of the pack. Every signed packet of the document
is collected: its own, its updates and recalls, and all answers in both directions, oldest first, each with a reader of its
bytes or the reason for their absence. Recalled and sealed content is never opened (R4, sealed; R70, recalled). The story
has today's names of agencies, and only header and digests of withheld content. Packets are read while the pack is
written."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, BinaryIO

from pydantic import TypeAdapter, ValidationError

from gateway import __version__
from gateway.domain import sealed_log
from gateway.domain.algorithms import Judge
from gateway.domain.certificates import RevocationSource
from gateway.domain.document import (
    Delivery,
    Draft,
    FileItem,
    IncomingDocument,
    IncomingFile,
    InState,
    Kind,
    OutgoingDocument,
)
from gateway.domain.evidence import (
    CERTIFICATES,
    CONSISTENCY,
    LEAVES,
    PACKETS,
    REVOCATION,
    STORY,
    Absent,
    Direction,
    NotedStep,
    PacketRole,
    PacketVerdict,
    Party,
    SpoiledPack,
    Story,
    StoryEvent,
    StoryFile,
    StoryPacket,
    StoryRecipient,
    StorySeal,
)
from gateway.domain.forms import Handed
from gateway.domain.identity import Digest
from gateway.domain.proof import Step
from gateway.domain.queues import InboxPacket, OutboxItem
from gateway.domain.status import document_word
from gateway.edxml import forms
from gateway.edxml.policy import XmlPolicy
from gateway.errors import NotFound
from gateway.ops.evidence import log
from gateway.ops.evidence.judge import UNKNOWN, VALID, JudgedSignature, is_vouched
from gateway.ops.evidence.log import LogProofs
from gateway.ops.evidence.pack_file import PackPart, part_of, too_large
from gateway.policy import etsi

if TYPE_CHECKING:
    from gateway.bootstrap.node import OpenNode
    from gateway.domain.account import HostedAgency
    from gateway.store.blobs import FileBlobs
    from gateway.store.work import SqlWork

_WITHHELD = {InState.RECALLED: Absent.RECALLED, InState.SEALED: Absent.SEALED}
LINES = "application/jsonl"
# Most bytes of a story, some two kilobytes for each packet.
MOST_STORY = 32 * 1024 * 1024
_STORY_JSON = TypeAdapter(Story)
_MEDIA = {RevocationSource.OCSP: "application/ocsp-response", RevocationSource.LIST: "application/pkix-crl"}


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldPacket:
    """One packet as this node's rows have it. `row` is the id of the subject of its events; `steps` are the verification
    steps recorded on arrival; `absent` tells why its bytes are withheld. For a file in another form, which an axis got,
    `handed` is that form, and `made_of` the digest of the standard file with the same content."""

    part: PacketRole
    direction: Direction
    kind: str
    packet_id: str
    sender: str
    to: tuple[str, ...]
    at: datetime
    digest: Digest
    size: int
    row: str
    status: str | None = None
    steps: tuple[Step, ...] = ()
    absent: Absent | None = None
    open: Callable[[], BinaryIO] | None = None
    handed: Handed | None = None
    made_of: Digest | None = None
    heir_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPackets:
    """All packets of a document, and the ids of the subjects of its events."""

    packets: tuple[HeldPacket, ...]
    subjects: tuple[str, ...]


class Finder:
    """Collector of the packets of one document, in one view of its agency's rows."""

    def __init__(self, work: SqlWork, blobs: FileBlobs, code: str, xml: XmlPolicy) -> None:
        """Take the view (`work`), the content store, and the agency's own code."""
        self._work = work
        self._xml = xml
        self._code = code
        self._blobs = blobs
        self._found: dict[Digest, HeldPacket] = {}
        self._subjects: dict[str, None] = {}

    async def outgoing(self, document: OutgoingDocument) -> FoundPackets:
        """Collect the packets of a document that we sent."""
        await self._collect_sent(document, PacketRole.DOCUMENT)
        for child in await self._work.outgoing.children(document.id):
            await self._collect_sent(child, PacketRole.CHANGE)
        return self._collected_packets()

    async def incoming(self, document: IncomingDocument) -> FoundPackets:
        """Collect the packets of a received document."""
        withheld = await self._withheld_reason(document)
        await self._collect_arrived(document.id, document.inbox_id, PacketRole.DOCUMENT, withheld)
        for related in await self._work.incoming.by_document_id(document.sender_code, document.document_id):
            if related.target_id == document.id:
                await self._collect_arrived(related.id, related.inbox_id, PacketRole.CHANGE, withheld)
        async for inbox_id in self._request_ids(document):
            await self._collect_arrived("", inbox_id, PacketRole.REQUEST, None)
        return self._collected_packets()

    def _collected_packets(self) -> FoundPackets:
        packets = sorted(self._found.values(), key=lambda p: (p.at, p.packet_id, p.digest))
        return FoundPackets(packets=tuple(packets), subjects=tuple(self._subjects))

    async def _collect_sent(self, document: OutgoingDocument, part: PacketRole) -> None:
        deliveries = await self._work.deliveries.of_document(document.id)
        self._add_subjects(document.id, *(delivery.id for delivery in deliveries))
        if document.envelope_digest is not None:
            packet = HeldPacket(
                part=part,
                direction=Direction.OUT,
                kind=document.kind.value,
                packet_id=document.packet_id,
                sender=self._code,
                to=tuple(delivery.recipient.code for delivery in deliveries),
                at=document.packed_at or document.created_at,
                digest=document.envelope_digest,
                size=document.envelope_size or 0,
                row=document.id,
                absent=Absent.SEALED if document.is_sealed else None,
            )
            await self._add_packet(packet)
            for copy in await self._list_handed_forms(self._found[packet.digest], deliveries):
                await self._add_packet(copy)
        for delivery in deliveries:
            await self._collect_statuses(delivery)

    async def _list_handed_forms(
        self, packet: HeldPacket, deliveries: Sequence[Delivery]
    ) -> Sequence[HeldPacket]:
        """Return a packet for each other form of the file that an axis got instead of the standard one, with the recipients
        that were reached by it."""
        codes_by_form: dict[Handed, list[str]] = {}
        times: dict[Handed, datetime] = {}
        for delivery in deliveries:
            for fact in await self._work.facts.of_subject(delivery.id):
                if fact.handed is not None and delivery.recipient.code not in codes_by_form.setdefault(
                    fact.handed, []
                ):
                    codes_by_form[fact.handed].append(delivery.recipient.code)
                    times.setdefault(fact.handed, fact.at)
        return [
            replace(
                packet,
                part=PacketRole.HANDED,
                to=tuple(codes),
                at=times[form],
                digest=form.digest,
                size=form.size,
                open=None if packet.open is None else forms.reopen(form, packet.open, packet.size, self._xml),
                handed=form,
                made_of=packet.digest,
            )
            for form, codes in codes_by_form.items()
        ]

    async def _collect_statuses(self, delivery: Delivery) -> None:
        """Collect the statuses of a delivery's recipient or its heir, which its facts name, and our own take-backs (13)."""
        for fact in await self._work.facts.of_subject(delivery.id):
            if fact.packet_digest is None:
                continue
            sender = fact.heir or delivery.recipient.code
            identity = await self._work.identities.by_body(sender, fact.packet_digest)
            inbox_packet = await self._load_inbox_packet(identity.inbox_id) if identity is not None else None
            if inbox_packet is not None:
                self._add_subjects(inbox_packet.id)
                receipt = _from_inbox(inbox_packet, PacketRole.RECEIPT, fact.code)
                await self._add_packet(replace(receipt, heir_by=fact.heir_by))
        for outbox_row in await self._work.outbox.of_subject(delivery.id):
            await self._add_packet(_from_outbox(outbox_row, PacketRole.REQUEST))

    async def _collect_arrived(
        self, incoming_id: str, inbox_id: str, part: PacketRole, absent: Absent | None
    ) -> None:
        self._add_subjects(*(subject_id for subject_id in (incoming_id, inbox_id) if subject_id))
        inbox_packet = await self._load_inbox_packet(inbox_id)
        if inbox_packet is not None:
            await self._add_packet(_from_inbox(inbox_packet, part, None, absent))
        for answer in await self._work.outbox.of_subject(inbox_id):
            await self._add_packet(_from_outbox(answer, PacketRole.RECEIPT))

    async def _request_ids(self, document: IncomingDocument) -> AsyncIterator[str]:
        """Yield the inbox ids of take-backs (13) of a received document: requests without a document of their own."""
        for fact in await self._work.facts.of_subject(document.id):
            if fact.request_id is not None:
                identity = await self._work.identities.by_packet(document.sender_code, fact.request_id)
                if identity is not None and identity.kind is Kind.STATUS:
                    yield identity.inbox_id

    async def _load_inbox_packet(self, inbox_id: str) -> InboxPacket | None:
        try:
            return await self._work.inbox.get(inbox_id)
        except NotFound:
            return None

    async def _withheld_reason(self, document: IncomingDocument) -> Absent | None:
        """Return why the content of a document is withheld, or None. An update is withheld together with its document,
        because it has files of that document."""
        documents = [document]
        if document.target_id is not None:
            documents.append(await self._work.incoming.get(document.target_id))
        reasons = [_WITHHELD[d.state] for d in documents if d.state in _WITHHELD]
        return reasons[0] if reasons else None

    async def _add_packet(self, packet: HeldPacket) -> None:
        """Add a packet unless one with the same bytes is there, because several rows may name a file."""
        if packet.digest not in self._found:
            self._found[packet.digest] = await self._with_reader(packet)

    async def _with_reader(self, packet: HeldPacket) -> HeldPacket:
        if packet.absent is None and await self._work.holds.keeps(packet.digest):
            return replace(packet, absent=Absent.SEALED)
        if packet.absent is not None or packet.open is not None:
            return packet
        try:
            return replace(packet, open=await self._blobs.open(self._work, packet.digest))
        except NotFound:
            return replace(packet, absent=Absent.PURGED)

    def _add_subjects(self, *ids: str) -> None:
        self._subjects.update(dict.fromkeys(ids))


def _from_inbox(
    inbox_packet: InboxPacket, part: PacketRole, status: str | None, absent: Absent | None = None
) -> HeldPacket:
    return HeldPacket(
        part=part,
        direction=Direction.IN,
        kind=inbox_packet.kind or inbox_packet.transport_kind,
        packet_id=inbox_packet.transport_packet_id,
        sender=inbox_packet.sender_code or inbox_packet.transport_sender,
        to=(),
        at=inbox_packet.received_at,
        digest=inbox_packet.file_digest,
        size=inbox_packet.size,
        row=inbox_packet.id,
        status=status,
        steps=inbox_packet.steps,
        absent=absent,
    )


def _from_outbox(outbox_row: OutboxItem, part: PacketRole) -> HeldPacket:
    return HeldPacket(
        part=part,
        direction=Direction.OUT,
        kind=outbox_row.kind.value,
        packet_id=outbox_row.packet_id,
        sender=outbox_row.sender_code,
        to=tuple(sorted({target.code for target in outbox_row.targets})),
        at=outbox_row.created_at,
        digest=outbox_row.envelope_digest,
        size=outbox_row.envelope_size,
        row=outbox_row.subject_id,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PackPacket:
    """A packet with its verdict for this pack, None when its bytes are withheld, and the name of its member."""

    packet: HeldPacket
    judged: JudgedSignature | None
    member: str


def member_name(n: int, packet: HeldPacket) -> str:
    """Return the name of the member for the n-th packet in the order of time; empty when its bytes are withheld."""
    return f"{PACKETS}{n:05d}-{packet.direction.value}-{_safe_kind(packet.kind)}.edxml" if packet.open else ""


def describe_packet(assembled: PackPacket, names: Mapping[str, str], code: str) -> StoryPacket:
    """Return the story's description of a packet. `code` is the agency's own, the recipient of all packets that arrived."""
    packet, judged = assembled.packet, assembled.judged
    signed = judged.signed if judged is not None else None
    status = signed.model.status if signed is not None else None
    to = packet.to or ((code,) if packet.direction is Direction.IN else ())
    return StoryPacket(
        part=packet.part,
        direction=packet.direction,
        kind=packet.kind,
        packet_id=(signed.packet_id if signed is not None else None) or packet.packet_id,
        sender=_party(packet.sender, names),
        to=tuple(_party(recipient_code, names) for recipient_code in to),
        at=packet.at,
        sha256=packet.digest,
        size=packet.size,
        body_sha256=signed.body_digest if signed is not None else None,
        member=assembled.member,
        absent=packet.absent,
        status=status.code if status is not None else packet.status,
        answers=judged.receipt_of if judged is not None else None,
        certificate=(judged.certificate or None) if judged is not None else None,
        verdicts=tuple(_verdicts(packet, judged)),
        form=packet.handed.form if packet.handed is not None else None,
        made_of=packet.made_of,
        heir_by=packet.heir_by,
    )


def story_of(
    node: OpenNode,
    agency: HostedAgency,
    document: OutgoingDocument | IncomingDocument,
    deliveries: Sequence[Delivery],
    assembled_packets: Sequence[PackPacket],
    names: Mapping[str, str],
) -> Story:
    """Return the story of a sent or received document with its packets, still without events and seals."""
    packets = tuple(describe_packet(assembled, names, agency.code) for assembled in assembled_packets)
    absent = next((packet.absent for packet in packets if packet.part is PacketRole.DOCUMENT), None)
    # The words of a sealed document may be the secret themselves (R4, sealed content): only its numbers, dates and
    # digests are kept.
    sealed = absent is Absent.SEALED
    words: Draft | IncomingDocument
    if isinstance(document, OutgoingDocument):
        direction, words, code = Direction.OUT, document.draft, document.draft.code
    else:
        direction, words, code = Direction.IN, document, f"{document.number}/{document.symbol}"
    return Story(
        pack=node.clock.new_id("evp_"),
        made_at=node.clock.now(),
        made_by=Party(code=agency.code, name=agency.name),
        node=node.settings.node.name,
        software=__version__,
        policy=policy_of(node),
        packets=packets,
        direction=direction,
        id=document.id,
        document_id=document.document_id,
        code=code,
        issued_on=words.issued_on.isoformat() if words.issued_on else "",
        type_name=words.type_name or "",
        state=document_word(document.state, [delivery.state for delivery in deliveries])
        if isinstance(document, OutgoingDocument)
        else document.state.value,
        subject="" if sealed else words.subject,
        absent=absent,
        files=tuple(_describe_files(document, absent)),
        recipients=tuple(
            StoryRecipient(party=_party(delivery.recipient.code, names), state=delivery.state)
            for delivery in deliveries
        ),
        legal_value=document.legal_value.value if document.legal_value is not None else None,
        signatures=tuple(
            replace(verdict, file="", detail="", signers=()) if sealed else verdict
            for verdict in document.signatures
        ),
    )


def _describe_files(
    document: OutgoingDocument | IncomingDocument, absent: Absent | None
) -> Iterator[StoryFile]:
    """Yield the description of each file, with the verdict on its signatures unless the content is withheld."""
    verdicts = {verdict.n: verdict for verdict in document.signatures} if absent is None else {}
    files: Sequence[FileItem | IncomingFile] = document.files
    for n, file in enumerate(files, start=1):
        verdict = verdicts.get(file.n if isinstance(file, IncomingFile) else n)
        described = StoryFile(
            name="" if absent is Absent.SEALED else file.name, size=file.size, sha256=file.sha256
        )
        if verdict is not None:
            described = replace(
                described,
                verdict=verdict.verdict.value,
                conclusion=str(etsi.conclude_file(verdict) or ""),
                answers=verdict.answers,
            )
        yield described


def with_log(story: Story, proofs: LogProofs) -> Story:
    """Return the story with the events and seals that the log's proofs contain."""
    digests = frozenset(packet.sha256 for packet in story.packets)
    seals = tuple(
        StorySeal(
            number=seal.number,
            size=seal.tree_size,
            at=seal.at,
            stamped_at=proofs.stamped.get(seal.number),
            published=seal.number in proofs.published,
        )
        for seal in (published_seal.signed.seal for published_seal in proofs.seals)
    )
    events = tuple(
        StoryEvent(
            kind=str(event["kind"]),
            at=datetime.fromisoformat(str(event["at"])),
            subject=str(event["subject"]),
            leaf=leaf.index,
            seal=leaf.seal,
            names=tuple(sorted(leaf.names & digests)),
        )
        for leaf in proofs.leaves
        for event in [sealed_log.read_leaf(leaf.body)]
    )
    return replace(story, seals=seals, events=events)


def _verdicts(packet: HeldPacket, judged: JudgedSignature | None) -> list[PacketVerdict]:
    noted_steps = tuple(NotedStep(n=step.n, ok=step.ok, detail=step.detail) for step in packet.steps)
    is_good = noted_steps and not any(step.ok is False for step in noted_steps)
    # When a session with the axis vouched for the packet, no signature was judged, so it is not called valid.
    word = UNKNOWN if is_vouched(noted_steps) else VALID
    noted = [PacketVerdict(word=word, at=packet.at, noted=True, steps=noted_steps)] if is_good else []
    return [*noted, *([judged.to_verdict()] if judged is not None else [])]


def _party(code: str, names: Mapping[str, str]) -> Party:
    return Party(code=code, name=names.get(code, ""))


def _safe_kind(kind: str) -> str:
    return "".join(sign for sign in kind.lower() if sign.isascii() and sign.isalnum())[:20] or "packet"


def story_part(story: Story) -> PackPart:
    """Return the story as a part of the pack. Clash when it is longer than readers accept."""
    raw = _STORY_JSON.dump_json(story, indent=1) + b"\n"
    if len(raw) > MOST_STORY:
        raise too_large("its story would be too long")
    return part_of(STORY, "application/json", raw)


def read_story(raw: bytes) -> Story:
    """Parse the story of a pack. SpoiledPack when the bytes are no story."""
    try:
        return _STORY_JSON.validate_json(raw)
    except ValidationError as cause:
        raise SpoiledPack(STORY, f"it is no story of a pack: {cause.error_count()} faults") from cause


def story_json(story: Story) -> dict[str, Any]:
    """Return the story as plain JSON values, in the form of the pack."""
    document: dict[str, Any] = _STORY_JSON.dump_python(story, mode="json")
    return document


def packet_parts(assembled_packets: Sequence[PackPacket]) -> list[PackPart]:
    return [
        PackPart(name=assembled.member, media="application/xml", open=assembled.packet.open)
        for assembled in assembled_packets
        if assembled.packet.open is not None
    ]


def certificate_parts(assembled_packets: Sequence[PackPacket]) -> list[PackPart]:
    """Return each signing certificate and its issuers as parts, once, named by the fingerprint. They are for reading, and
    to complete chains; an anchor is never trusted because a pack contains it (E5, trust comes from the reader)."""
    der_by_name: dict[str, bytes] = {}
    for assembled in assembled_packets:
        if assembled.judged is not None and assembled.judged.evidence is not None:
            chain = assembled.judged.evidence.chain
            der_by_name |= {f"{CERTIFICATES}{c.sha256}.cer": c.der for c in chain}
    return [part_of(name, "application/pkix-cert", der_by_name[name]) for name in sorted(der_by_name)]


def answer_parts(answers: Mapping[str, tuple[RevocationSource, bytes]]) -> list[PackPart]:
    """Return the authorities' revocation answers as parts, byte for byte, named by their digests."""
    return [
        part_of(f"{REVOCATION}{digest}.{source.value}", _MEDIA[source], body)
        for digest, (source, body) in sorted(answers.items())
    ]


def log_parts(proofs: LogProofs) -> list[PackPart]:
    """Return the parts with the log's leaves, proofs and seals; none when no seal exists."""
    if not proofs.seals:
        return []
    return [
        part_of(LEAVES, LINES, log.leaves_bytes(proofs.leaves)),
        part_of(CONSISTENCY, LINES, log.joined_bytes(proofs.joined)),
        *(
            part_of(log.seal_name(seal.signed.seal.number), "text/plain", seal.to_bytes())
            for seal in proofs.seals
        ),
    ]


def policy_of(node: OpenNode) -> tuple[tuple[str, str], ...]:
    """Return the verification policies that this node applies, as pairs of name and value."""
    settings = {
        **{f"xml.{name}": v for name, v in asdict(node.inn.xml).items() if name not in ("limits", "table")},
        "xml.table": node.inn.xml.table.describe(Judge.ENVELOPE),
        **{f"xml.limits.{name}": v for name, v in asdict(node.inn.xml.limits).items()},
        **{f"trust.{name}": v for name, v in asdict(node.inn.trust_policy).items()},
    }
    return tuple(
        (name, ", ".join(sorted(map(str, setting))) if isinstance(setting, frozenset) else str(setting))
        for name, setting in sorted(settings.items())
    )
