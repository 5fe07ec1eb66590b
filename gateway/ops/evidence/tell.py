"""Turns what the node knows of a document into the story of an evidence pack. In: the document's row, its packets as they
were found and judged, the proofs of the log. Out: `Story`. Names of agencies are those of the registry now; nothing that
is withheld is told beyond its header and digests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from hashlib import sha256
from typing import Any

from gateway.domain import leaf as leaves
from gateway.domain.document import Delivery, FileItem, IncomingDocument, IncomingFile, OutgoingDocument
from gateway.domain.evidence import PACKETS
from gateway.domain.evidence_story import (
    Absent,
    Direction,
    EventTold,
    FileTold,
    Found,
    PacketTold,
    Party,
    Recipient,
    SealTold,
    Story,
    Verdict,
)
from gateway.domain.evidence_story import Part as Role
from gateway.domain.status import worst
from gateway.ops.evidence.judge import VALID, Judged
from gateway.ops.evidence.log import LogProofs
from gateway.ops.evidence.packets import Held


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A packet with what was found when it was judged for the pack; None where its bytes are withheld."""

    held: Held
    judged: Judged | None
    member: str


def member_name(n: int, held: Held) -> str:
    """The packets stand in the order of time."""
    return f"{PACKETS}{n:05d}-{held.direction.value}-{_safe(held.kind)}.edxml" if held.open else ""


def packet(heard: Heard, names: Mapping[str, str], code: str) -> PacketTold:
    """`code` is the agency's own: what came, came to it."""
    held, judged = heard.held, heard.judged
    signed = judged.signed if judged is not None else None
    status = signed.model.status if signed is not None else None
    receipt = signed.receipt if signed is not None else None
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
        answers=receipt.of_packet_id if receipt is not None else None,
        certificate=sha256(signed.certificate_der).hexdigest() if signed is not None else None,
        verdicts=tuple(_verdicts(held, judged)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What a story says of any document."""

    pack: str
    made_at: datetime
    made_by: Party
    node: str
    software: str
    policy: tuple[tuple[str, str], ...]
    packets: tuple[PacketTold, ...]

    @property
    def absent(self) -> Absent | None:
        """Why the document's own content is not in the pack."""
        return next((each.absent for each in self.packets if each.part is Role.DOCUMENT), None)


def _header(begun: Begun, subject: str, files: Sequence[FileItem | IncomingFile]) -> dict[str, Any]:
    """The words of a sealed document may be the secret themselves (R4): of it numbers, dates and digests are told."""
    sealed = begun.absent is Absent.SEALED
    names = ["" if sealed else each.name for each in files]
    return {
        "subject": "" if sealed else subject,
        "absent": begun.absent,
        "files": tuple(
            FileTold(name=name, size=each.size, sha256=each.sha256)
            for name, each in zip(names, files, strict=True)
        ),
    }


def outgoing(
    begun: Begun, document: OutgoingDocument, deliveries: Sequence[Delivery], names: Mapping[str, str]
) -> Story:
    """Of a document that we sent."""
    draft = document.draft
    return Story(
        **{each.name: getattr(begun, each.name) for each in fields(begun)},
        direction=Direction.OUT,
        id=document.id,
        document_id=document.document_id,
        code=draft.code,
        issued_on=draft.issued_on.isoformat() if draft.issued_on else "",
        type_name=draft.type_name,
        state=_state(document, deliveries),
        **_header(begun, draft.subject, document.files),
        recipients=tuple(
            Recipient(party=_party(each.recipient.code, names), state=each.state) for each in deliveries
        ),
    )


def incoming(begun: Begun, document: IncomingDocument) -> Story:
    """Of a document that came in."""
    return Story(
        **{each.name: getattr(begun, each.name) for each in fields(begun)},
        direction=Direction.IN,
        id=document.id,
        document_id=document.document_id,
        code=f"{document.number}/{document.symbol}",
        issued_on=document.issued_on.isoformat() if document.issued_on else "",
        type_name=document.type_name or "",
        state=document.state.value,
        **_header(begun, document.subject, document.files),
    )


def logged(story: Story, proofs: LogProofs) -> Story:
    """The story with what the log covers."""
    digests = frozenset(each.sha256 for each in story.packets)
    seals = tuple(
        SealTold(
            number=each.signed.seal.number,
            size=each.signed.seal.tree_size,
            at=each.signed.seal.at,
            stamped_at=proofs.stamped.get(each.signed.seal.number),
            published=each.signed.seal.number in proofs.published,
        )
        for each in proofs.seals
    )
    events = []
    for each in proofs.leaves:
        told = leaves.read(each.body)
        events.append(
            EventTold(
                kind=str(told["kind"]),
                at=datetime.fromisoformat(str(told["at"])),
                subject=str(told["subject"]),
                leaf=each.index,
                seal=each.seal,
                names=tuple(sorted(each.names & digests)),
            )
        )
    return replace(story, seals=seals, events=tuple(events))


def _verdicts(held: Held, judged: Judged | None) -> list[Verdict]:
    then = tuple(Found(n=one.n, ok=one.ok, detail=one.detail) for one in held.steps)
    good = then and not any(one.ok is False for one in then)
    noted = [Verdict(word=VALID, at=held.at, noted=True, steps=then)] if good else []
    return [*noted, *([judged.told()] if judged is not None else [])]


def _state(document: OutgoingDocument, deliveries: Sequence[Delivery]) -> str:
    """The worst of its recipients, as lists show it."""
    states = [each.state for each in deliveries]
    return worst(states) if states else document.state.value


def _party(code: str, names: Mapping[str, str]) -> Party:
    return Party(code=code, name=names.get(code, ""))


def _safe(kind: str) -> str:
    return "".join(sign for sign in kind.lower() if sign.isascii() and sign.isalnum())[:20] or "packet"
