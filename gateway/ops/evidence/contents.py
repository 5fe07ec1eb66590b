"""What goes into an evidence pack: found, told, and put together. In: a document in one view of its agency's rows.
Out: its packets, the `Story`, and the parts of the pack.

Found is every signed packet that belongs to the document, its own, its updates and recalls, and what was answered,
both ways, oldest first, each with a reader of its bytes or with why there is none; recalled and sealed content is
never opened (R4, R70). The story has names of agencies as the registry has them now, and nothing of what is withheld
beyond its header and digests. The parts get the names that a reader looks for; packets stay where they are until the
pack is written."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, BinaryIO

from pydantic import TypeAdapter, ValidationError

from gateway import __version__
from gateway.domain import sealed_log
from gateway.domain.certificates import RevocationSource
from gateway.domain.document import (
    Delivery,
    Draft,
    IncomingDocument,
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
    EventTold,
    FileTold,
    NotedStep,
    PacketRole,
    PacketTold,
    PacketVerdict,
    Party,
    RecipientTold,
    SealTold,
    SpoiledPack,
    Story,
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

if TYPE_CHECKING:
    from gateway.bootstrap.node import OpenNode
    from gateway.domain.account import HostedAgency
    from gateway.store.blobs import FileBlobs
    from gateway.store.work import SqlWork

_WITHHELD = {InState.RECALLED: Absent.RECALLED, InState.SEALED: Absent.SEALED}


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldPacket:
    """One packet as our rows know it; `row` is what its events are about. `steps` are those noted when it came in. `handed`
    and `made_of`: what an axis was handed, and the digest of the standard file that says the same."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPackets:
    """All packets of a document, and the ids that its events are about."""

    packets: tuple[HeldPacket, ...]
    subjects: tuple[str, ...]


class Finder:
    """Looks through one view of one agency's rows."""

    def __init__(self, work: SqlWork, blobs: FileBlobs, code: str, xml: XmlPolicy) -> None:
        """`code` is the agency's own."""
        self._work = work
        self._xml = xml
        self._code = code
        self._blobs = blobs
        self._found: dict[Digest, HeldPacket] = {}
        self._subjects: dict[str, None] = {}

    async def outgoing(self, document: OutgoingDocument) -> FoundPackets:
        """Of a document that we sent."""
        await self._sent(document, PacketRole.DOCUMENT)
        for child in await self._work.outgoing.children(document.id):
            await self._sent(child, PacketRole.CHANGE)
        return self._whole()

    async def incoming(self, document: IncomingDocument) -> FoundPackets:
        """Of a document that came in."""
        withheld = await self._withheld(document)
        await self._arrived(document.id, document.inbox_id, PacketRole.DOCUMENT, withheld)
        for other in await self._work.incoming.by_document_id(document.sender_code, document.document_id):
            if other.target_id == document.id:
                await self._arrived(other.id, other.inbox_id, PacketRole.CHANGE, withheld)
        async for inbox_id in self._requests(document):
            await self._arrived("", inbox_id, PacketRole.REQUEST, None)
        return self._whole()

    def _whole(self) -> FoundPackets:
        packets = sorted(self._found.values(), key=lambda one: (one.at, one.packet_id, one.digest))
        return FoundPackets(packets=tuple(packets), subjects=tuple(self._subjects))

    async def _sent(self, document: OutgoingDocument, part: PacketRole) -> None:
        deliveries = await self._work.deliveries.of(document.id)
        self._about(document.id, *(each.id for each in deliveries))
        if document.envelope_digest is not None:
            held = HeldPacket(
                part=part,
                direction=Direction.OUT,
                kind=document.kind.value,
                packet_id=document.packet_id,
                sender=self._code,
                to=tuple(each.recipient.code for each in deliveries),
                at=document.packed_at or document.created_at,
                digest=document.envelope_digest,
                size=document.envelope_size or 0,
                row=document.id,
                absent=Absent.SEALED if document.is_sealed else None,
            )
            await self._keep(held)
            for copy in await self._handed(self._found[held.digest], deliveries):
                await self._keep(copy)
        for delivery in deliveries:
            await self._said_about(delivery)

    async def _handed(self, held: HeldPacket, deliveries: Sequence[Delivery]) -> Sequence[HeldPacket]:
        """What axes were handed in the place of the standard file, each file once, with those it went to."""
        went: dict[Handed, list[str]] = {}
        at: dict[Handed, datetime] = {}
        for delivery in deliveries:
            for fact in await self._work.facts.of(delivery.id):
                if fact.handed is not None and delivery.recipient.code not in went.setdefault(
                    fact.handed, []
                ):
                    went[fact.handed].append(delivery.recipient.code)
                    at.setdefault(fact.handed, fact.at)
        return [
            replace(
                held,
                part=PacketRole.HANDED,
                to=tuple(to),
                at=at[one],
                digest=one.digest,
                size=one.size,
                open=None if held.open is None else forms.again(one, held.open, held.size, self._xml),
                handed=one,
                made_of=held.digest,
            )
            for one, to in went.items()
        ]

    async def _said_about(self, delivery: Delivery) -> None:
        """The recipient's statuses, by the facts that they became; and our own take-backs (13)."""
        for fact in await self._work.facts.of(delivery.id):
            if fact.packet_digest is None:
                continue
            identity = await self._work.identities.by_body(delivery.recipient.code, fact.packet_digest)
            item = await self._landed(identity.inbox_id) if identity is not None else None
            if item is not None:
                self._about(item.id)
                await self._keep(_came(item, PacketRole.RECEIPT, fact.code))
        for item_out in await self._work.outbox.of_subject(delivery.id):
            await self._keep(_went(item_out, PacketRole.REQUEST))

    async def _arrived(
        self, incoming_id: str, inbox_id: str, part: PacketRole, absent: Absent | None
    ) -> None:
        self._about(*(each for each in (incoming_id, inbox_id) if each))
        item = await self._landed(inbox_id)
        if item is not None:
            await self._keep(_came(item, part, None, absent))
        for answer in await self._work.outbox.of_subject(inbox_id):
            await self._keep(_went(answer, PacketRole.RECEIPT))

    async def _requests(self, document: IncomingDocument) -> AsyncIterator[str]:
        """Take-backs (13): requests that are no documents of their own."""
        for fact in await self._work.facts.of(document.id):
            if fact.request_id is not None:
                identity = await self._work.identities.by_packet(document.sender_code, fact.request_id)
                if identity is not None and identity.kind is Kind.STATUS:
                    yield identity.inbox_id

    async def _landed(self, inbox_id: str) -> InboxPacket | None:
        try:
            return await self._work.inbox.get(inbox_id)
        except NotFound:
            return None

    async def _withheld(self, document: IncomingDocument) -> Absent | None:
        """An update of a recalled document brought that document's files, so it is as unreadable."""
        whose = [document]
        if document.target_id is not None:
            whose.append(await self._work.incoming.get(document.target_id))
        found = [_WITHHELD[one.state] for one in whose if one.state in _WITHHELD]
        return found[0] if found else None

    async def _keep(self, held: HeldPacket) -> None:
        """Each file once, however many rows name it."""
        if held.digest not in self._found:
            self._found[held.digest] = await self._opened(held)

    async def _opened(self, held: HeldPacket) -> HeldPacket:
        if held.absent is None and await self._work.held.keeps(held.digest):
            return replace(held, absent=Absent.SEALED)
        if held.absent is not None or held.open is not None:
            return held
        try:
            return replace(held, open=await self._blobs.open(self._work, held.digest))
        except NotFound:
            return replace(held, absent=Absent.PURGED)

    def _about(self, *ids: str) -> None:
        self._subjects.update(dict.fromkeys(ids))


def _came(
    item: InboxPacket, part: PacketRole, status: str | None, absent: Absent | None = None
) -> HeldPacket:
    return HeldPacket(
        part=part,
        direction=Direction.IN,
        kind=item.kind or item.transport_kind,
        packet_id=item.transport_packet_id,
        sender=item.sender_code or item.transport_sender,
        to=(),
        at=item.received_at,
        digest=item.file_digest,
        size=item.size,
        row=item.id,
        status=status,
        steps=item.steps,
        absent=absent,
    )


def _went(item: OutboxItem, part: PacketRole) -> HeldPacket:
    return HeldPacket(
        part=part,
        direction=Direction.OUT,
        kind=item.kind.value,
        packet_id=item.packet_id,
        sender=item.sender_code,
        to=tuple(sorted({each.code for each in item.targets})),
        at=item.created_at,
        digest=item.envelope_digest,
        size=item.envelope_size,
        row=item.subject_id,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A packet with what was found when it was judged for the pack; None where its bytes are withheld."""

    held: HeldPacket
    judged: JudgedSignature | None
    member: str


def member_name(n: int, held: HeldPacket) -> str:
    """The packets stand in the order of time."""
    return f"{PACKETS}{n:05d}-{held.direction.value}-{_safe_kind(held.kind)}.edxml" if held.open else ""


def packet_told(heard: Heard, names: Mapping[str, str], code: str) -> PacketTold:
    """`code` is the agency's own: what came, came to it."""
    held, judged = heard.held, heard.judged
    signed = judged.signed if judged is not None else None
    status = signed.model.status if signed is not None else None
    to = held.to or ((code,) if held.direction is Direction.IN else ())
    return PacketTold(
        part=held.part,
        direction=held.direction,
        kind=held.kind,
        packet_id=(signed.packet_id if signed is not None else None) or held.packet_id,
        sender=_party(held.sender, names),
        to=tuple(_party(each, names) for each in to),
        at=held.at,
        sha256=held.digest,
        size=held.size,
        body_sha256=signed.body_digest if signed is not None else None,
        member=heard.member,
        absent=held.absent,
        status=status.code if status is not None else held.status,
        answers=judged.receipt_of if judged is not None else None,
        certificate=(judged.certificate or None) if judged is not None else None,
        verdicts=tuple(_verdicts(held, judged)),
        form=held.handed.form if held.handed is not None else None,
        made_of=held.made_of,
    )


def story_of(
    node: OpenNode,
    agency: HostedAgency,
    document: OutgoingDocument | IncomingDocument,
    deliveries: Sequence[Delivery],
    heard: Sequence[Heard],
    names: Mapping[str, str],
) -> Story:
    """Of a document that we sent, or that came in; the log is not in it yet."""
    packets = tuple(packet_told(each, names, agency.code) for each in heard)
    absent = next((each.absent for each in packets if each.part is PacketRole.DOCUMENT), None)
    # The words of a sealed document may be the secret themselves (R4): of it numbers, dates and digests are told.
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
        files=tuple(
            FileTold(name="" if sealed else each.name, size=each.size, sha256=each.sha256)
            for each in document.files
        ),
        recipients=tuple(
            RecipientTold(party=_party(each.recipient.code, names), state=each.state) for each in deliveries
        ),
    )


def with_log(story: Story, proofs: LogProofs) -> Story:
    """The story with what the log covers."""
    digests = frozenset(each.sha256 for each in story.packets)
    seals = tuple(
        SealTold(
            number=each.number,
            size=each.tree_size,
            at=each.at,
            stamped_at=proofs.stamped.get(each.number),
            published=each.number in proofs.published,
        )
        for each in (one.signed.seal for one in proofs.seals)
    )
    events = tuple(
        EventTold(
            kind=str(told["kind"]),
            at=datetime.fromisoformat(str(told["at"])),
            subject=str(told["subject"]),
            leaf=each.index,
            seal=each.seal,
            names=tuple(sorted(each.names & digests)),
        )
        for each in proofs.leaves
        for told in [sealed_log.read_leaf(each.body)]
    )
    return replace(story, seals=seals, events=events)


def _verdicts(held: HeldPacket, judged: JudgedSignature | None) -> list[PacketVerdict]:
    then = tuple(NotedStep(n=one.n, ok=one.ok, detail=one.detail) for one in held.steps)
    good = then and not any(one.ok is False for one in then)
    # Where a session with the axis vouched, no signature was judged: that is never told as valid.
    word = UNKNOWN if is_vouched(then) else VALID
    noted = [PacketVerdict(word=word, at=held.at, noted=True, steps=then)] if good else []
    return [*noted, *([judged.told()] if judged is not None else [])]


def _party(code: str, names: Mapping[str, str]) -> Party:
    return Party(code=code, name=names.get(code, ""))


def _safe_kind(kind: str) -> str:
    return "".join(sign for sign in kind.lower() if sign.isascii() and sign.isalnum())[:20] or "packet"


LINES = "application/jsonl"
# Some two kilobytes for each packet.
MOST_STORY = 32 * 1024 * 1024
_STORY_JSON = TypeAdapter(Story)
_MEDIA = {RevocationSource.OCSP: "application/ocsp-response", RevocationSource.LIST: "application/pkix-crl"}


def story_part(story: Story) -> PackPart:
    """Clash where no reader would take it."""
    raw = _STORY_JSON.dump_json(story, indent=1) + b"\n"
    if len(raw) > MOST_STORY:
        raise too_large("its story would be too long")
    return part_of(STORY, "application/json", raw)


def read_story(raw: bytes) -> Story:
    """SpoiledPack for what is no story."""
    try:
        return _STORY_JSON.validate_json(raw)
    except ValidationError as cause:
        raise SpoiledPack(STORY, f"it is no story of a pack: {cause.error_count()} faults") from cause


def story_json(story: Story) -> dict[str, Any]:
    """As the pack has it, for programs."""
    told: dict[str, Any] = _STORY_JSON.dump_python(story, mode="json")
    return told


def packet_parts(heard: Sequence[Heard]) -> list[PackPart]:
    return [
        PackPart(name=each.member, media="application/xml", open=each.held.open)
        for each in heard
        if each.held.open is not None
    ]


def certificate_parts(heard: Sequence[Heard]) -> list[PackPart]:
    """Each certificate that signed, and its issuers; once, under its fingerprint. In a pack they are there to be read and
    to fill gaps; nobody believes an anchor because a pack brings it (E5)."""
    found: dict[str, bytes] = {}
    for each in heard:
        if each.judged is not None and each.judged.evidence is not None:
            chain = each.judged.evidence.chain
            found |= {f"{CERTIFICATES}{one.sha256}.cer": one.der for one in chain}
    return [part_of(name, "application/pkix-cert", found[name]) for name in sorted(found)]


def answer_parts(answers: Mapping[str, tuple[RevocationSource, bytes]]) -> list[PackPart]:
    """What authorities said about these certificates, byte for byte, by digest."""
    return [
        part_of(f"{REVOCATION}{digest}.{source.value}", _MEDIA[source], body)
        for digest, (source, body) in sorted(answers.items())
    ]


def log_parts(proofs: LogProofs) -> list[PackPart]:
    """Nothing where nothing is sealed."""
    if not proofs.seals:
        return []
    return [
        part_of(LEAVES, LINES, log.leaves_bytes(proofs.leaves)),
        part_of(CONSISTENCY, LINES, log.joined_bytes(proofs.joined)),
        *(
            part_of(log.seal_name(each.signed.seal.number), "text/plain", each.to_bytes())
            for each in proofs.seals
        ),
    ]


def policy_of(node: OpenNode) -> tuple[tuple[str, str], ...]:
    """What was acceptable here, by name."""
    told = {
        **{f"xml.{name}": value for name, value in asdict(node.inn.xml).items() if name != "limits"},
        **{f"xml.limits.{name}": value for name, value in asdict(node.inn.xml.limits).items()},
        **{f"trust.{name}": value for name, value in asdict(node.inn.trust_policy).items()},
    }
    return tuple(
        (name, ", ".join(sorted(map(str, value))) if isinstance(value, frozenset) else str(value))
        for name, value in sorted(told.items())
    )
