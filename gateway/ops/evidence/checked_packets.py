"""Checks the signed packets of a pack and the receipts among them. In: a pack whose bytes are whole, its story, whom the
user believes, trusted times from the log. Out: a line for each packet and for each receipt. A packet is judged for its
trusted time; where it has none, for the time of the check, and what only age or revocation breaks then cannot be told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from gateway.domain.evidence import CERTIFICATES, PACKETS, STORY, SpoiledPack
from gateway.domain.evidence_story import PacketTold, Story
from gateway.domain.proof import Binding, SignedEnvelope
from gateway.domain.receipt import Receipt
from gateway.edxml import verify
from gateway.edxml.envelope import Envelope
from gateway.ops.evidence.judge import INVALID, VALID, Judged, judge
from gateway.ops.evidence.read import Pack
from gateway.ops.evidence.report import Line
from gateway.ports import Trust

# What may be because of the time alone: a signature made before may well have been good (R4).
_BY_TIME = frozenset({"CERT-TIME", "CERT-REVOKED"})
_MOST_CERTIFICATE = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Believed:
    """Whom the user believes about packets; `trust` None: nobody. `at` is the time of the check."""

    trust: Trust | None
    bindings: Callable[[str], Sequence[Binding]]
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One packet: what the story says of it, what was found, and its line."""

    told: PacketTold
    judged: Judged
    line: Line

    @property
    def signed(self) -> SignedEnvelope[Envelope] | None:
        return self.judged.signed


def check(pack: Pack, story: Story, believed: Believed, times: Mapping[str, datetime]) -> list[Line]:
    """Packets in the order of the story, each receipt after its packet. SpoiledPack where story and packets differ."""
    _complete(pack, story)
    found = [_packet(pack, each, believed, times.get(each.sha256)) for each in story.packets if each.member]
    answered = {str(each.signed.packet_id): each for each in found if each.signed is not None}
    withheld = {each.packet_id: each for each in story.packets if not each.member}
    lines = []
    for each in found:
        lines.append(each.line)
        if each.signed is not None and each.signed.model.status is not None:
            lines.append(_receipt(each, answered, withheld))
    lines += [
        Line(
            step="packet",
            ok=None,
            note=f"absent_{each.absent}" if each.absent else "absent_purged",
            params={"packet": each.packet_id},
            detail=each.sha256,
            decides=False,
        )
        for each in withheld.values()
    ]
    return lines


def _complete(pack: Pack, story: Story) -> None:
    """Every packet is told of once, under its own digest, and every one told of is there."""
    told = [each.member for each in story.packets if each.member]
    there = [each.name for each in pack.under(PACKETS)]
    if sorted(told) != sorted(there):
        odd = sorted(set(told) ^ set(there)) or [PACKETS]
        raise SpoiledPack(odd[0], "the story and the packets of the pack are not the same")
    for each in story.packets:
        if each.member and pack.member(each.member).sha256 != each.sha256:
            raise SpoiledPack(each.member, "the story gives it another digest")


def _packet(pack: Pack, told: PacketTold, believed: Believed, proved_at: datetime | None) -> Checked:
    bound = believed.bindings if believed.trust is not None else partial(_own_binding, pack, told)
    source = verify.Source(size=told.size, open=lambda: pack.pieces(told.member))
    judged = judge(source, bound, believed.trust, proved_at or believed.at)
    if judged.signed is not None:
        _agrees(told, judged.signed)
    return Checked(told=told, judged=judged, line=_line(told, judged, proved_at, believed))


def _own_binding(pack: Pack, told: PacketTold, code: str) -> Sequence[Binding]:
    """Without anchors the pack's own certificate shows that the bytes are signed as they say, and nothing about whose they
    are."""
    if told.certificate is None:
        return ()
    der = pack.read(f"{CERTIFICATES}{told.certificate}.cer", _MOST_CERTIFICATE)
    return (Binding(code=code, certificate_der=der),)


def _line(told: PacketTold, judged: Judged, proved_at: datetime | None, believed: Believed) -> Line:
    ok: bool | None
    if judged.word == VALID:
        ok, note = True, "valid_stamped" if proved_at else "valid_now"
    elif judged.word == INVALID and (proved_at is not None or judged.code not in _BY_TIME):
        ok, note = False, "invalid"
    elif believed.trust is None:
        ok, note = None, "not_anchored"
    else:
        ok, note = None, "no_time" if judged.code in _BY_TIME else "unknown"
    failed = next((step for step in judged.steps if step.ok is False), None)
    return Line(
        step="packet",
        ok=ok,
        note=note,
        params={
            "packet": told.packet_id,
            "sender": told.sender.code,
            "code": judged.code or "",
            "step": str(failed.n) if failed is not None else "",
        },
        member=told.member,
        detail=failed.detail if failed is not None else ", ".join(judged.notes),
        proved_at=judged.at if ok else None,
        trusted=bool(ok and proved_at),
    )


def _agrees(told: PacketTold, signed: SignedEnvelope[Envelope]) -> None:
    """The story is shown to people: it must not say of a packet what its signed words do not."""
    status = signed.model.status.code if signed.model.status is not None else None
    pairs = (
        (told.kind, signed.kind.value),
        (told.sender.code.casefold(), signed.sender_code.casefold()),
        (told.packet_id, signed.packet_id or told.packet_id),
        (told.status, status),
        (told.body_sha256 or signed.body_digest, signed.body_digest),
    )
    if any(one != other for one, other in pairs):
        raise SpoiledPack(STORY, f"it says of {told.member} what the packet itself does not say")


def _receipt(each: Checked, answered: Mapping[str, Checked], withheld: Mapping[str, PacketTold]) -> Line:
    """R3, between the packets of the pack."""
    receipt = each.signed.receipt if each.signed is not None else None
    if receipt is None or receipt.of_packet_id is None:
        return _told(each, None, "unproved", decides=False)
    target = answered.get(receipt.of_packet_id)
    if target is None or target.signed is None:
        kept = withheld.get(receipt.of_packet_id)
        if kept is not None and receipt.file_digest == kept.sha256:
            return _told(each, None, "receipt_by_digest", receipt, decides=False)
        return _told(each, None, "receipt_of_absent", receipt, decides=False)
    fault = _fault(each, receipt, target)
    if fault is not None:
        return _told(each, False, "receipt_fails", receipt, detail=fault)
    same = receipt.file_digest == target.signed.file_digest
    return _told(each, each.line.ok, "receipt_proved" if same else "receipt_wrapper", receipt)


def _fault(each: Checked, receipt: Receipt, target: Checked) -> str | None:
    signed = target.signed
    if signed is None or each.signed is None:
        return "nothing signed is there"
    model = signed.model
    about = model.document_id or (model.response_for[0].document_id if model.response_for else None)
    to = {one.code.casefold() for one in target.told.to}
    checks = (
        (receipt.body_digest == signed.body_digest, "it names another body than the packet has"),
        (receipt.of_document_id == about, "it names another document than the packet is about"),
        ((receipt.of_sender or "").casefold() == signed.sender_code.casefold(), "it names another sender"),
        (not to or each.signed.sender_code.casefold() in to, "its sender was no recipient of the packet"),
    )
    return next((why for holds, why in checks if not holds), None)


def _told(
    each: Checked,
    ok: bool | None,
    note: str,
    receipt: Receipt | None = None,
    *,
    detail: str = "",
    decides: bool = True,
) -> Line:
    return Line(
        step="receipt",
        ok=ok,
        note=note,
        params={
            "sender": each.told.sender.code,
            "code": each.told.status or "",
            "packet": (receipt.of_packet_id if receipt is not None else None) or "",
        },
        member=each.told.member,
        detail=detail,
        proved_at=each.line.proved_at if ok else None,
        trusted=bool(ok and each.line.trusted),
        decides=decides,
    )
