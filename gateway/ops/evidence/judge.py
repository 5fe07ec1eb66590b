"""Judges the signed packets of an evidence pack: one when a pack is made, all of them and the receipts among them
when one is checked. In: bytes, who may speak for whom, whom we believe, and the time for which it is asked. Out: a
`JudgedSignature` (the word, the code of the first failure, every step, and what was signed); of a check the lines of
a `PackReport`, each of which holds, does not hold, or cannot be told (None); what only explains does not decide.

A packet of a pack is judged for its trusted time; where it has none, for the time of the check, and what only age or
revocation breaks then cannot be told. What a packet contains never raises. Blocking: called in the pool, or by a
command that has nothing else to do."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from gateway.domain.evidence import (
    CERTIFICATES,
    PACKETS,
    STORY,
    NotedStep,
    PacketRole,
    PacketTold,
    PacketVerdict,
    SpoiledPack,
    Story,
)
from gateway.domain.identity import Digest
from gateway.domain.proof import Binding, Evidence, Finding, Receipt, SignedEnvelope, Step
from gateway.edxml import foreign, verify
from gateway.edxml.envelope import Envelope
from gateway.edxml.policy import XmlPolicy
from gateway.errors import CannotTell, InvalidEnvelope
from gateway.ops.evidence.pack_file import Pack
from gateway.policy.trust import TrustPolicy, decide
from gateway.trust.evidence import NodeTrust

VALID, INVALID, UNKNOWN = "valid", "invalid", "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportLine:
    """One thing that was checked. `step` and `note` are keys of words, `params` what the words need. `proved_at` is the
    time for which it holds, `trusted` whether a timestamp of a trusted authority proves that time."""

    step: str
    ok: bool | None
    note: str
    params: Mapping[str, str] = field(default_factory=dict)
    member: str = ""
    detail: str = ""
    proved_at: datetime | None = None
    trusted: bool = False
    decides: bool = True

    def told(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "ok": self.ok,
            "note": self.note,
            "member": self.member or None,
            "detail": self.detail or None,
            "proved_at": self.proved_at.isoformat() if self.proved_at else None,
            "trusted_time": self.trusted,
            "decides": self.decides,
            **({"params": dict(self.params)} if self.params else {}),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """Whom the user of the check believes: a root, a timestamp authority, a node's key, a published seal."""

    kind: str
    name: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PackReport:
    """The whole. `about` is what the manifest says of the pack; empty where it could not be read."""

    at: datetime
    lines: Sequence[ReportLine]
    anchors: Sequence[Anchor] = ()
    about: Mapping[str, str] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        deciding = [each.ok for each in self.lines if each.decides or each.ok is False]
        if not deciding or False in deciding:
            return INVALID
        return UNKNOWN if None in deciding else VALID

    def told(self) -> dict[str, Any]:
        return {
            "verdict": self.verdict,
            "at": self.at.isoformat(),
            "pack": dict(self.about) or None,
            "anchored": bool(self.anchors),
            "anchors": [asdict(each) for each in self.anchors],
            "steps": [each.told() for each in self.lines],
        }


# K2 bounds the claimed time of what arrives now; a pack is read years later, at a time that is proved otherwise.
ANY_PAST = timedelta(days=36_500)


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedSignature:
    """What was found. `signed` is None where the bytes are not signed as they say; `notes` do not decide."""

    word: str
    at: datetime
    code: str | None = None
    steps: tuple[Step, ...] = ()
    notes: tuple[Finding, ...] = ()
    signed: SignedEnvelope[Envelope] | None = None
    evidence: Evidence | None = None

    @property
    def certificate(self) -> str:
        """By SHA-256; empty where there is none."""
        return hashlib.sha256(self.signed.certificate_der).hexdigest() if self.signed is not None else ""

    @property
    def signed_at(self) -> datetime | None:
        return self.signed.signing_time if self.signed is not None else None

    @property
    def receipt_of(self) -> str | None:
        """The packet that a receipt inside says was received."""
        receipt = self.signed.receipt if self.signed is not None else None
        return receipt.of_packet_id if receipt is not None else None

    def told(self) -> PacketVerdict:
        """As the story keeps it."""
        found = tuple(NotedStep(n=one.n, ok=one.ok, detail=one.detail) for one in self.steps)
        return PacketVerdict(word=self.word, at=self.at, code=self.code, steps=found)


def judge(
    source: verify.EnvelopeSource,
    bound: Callable[[str], Sequence[Binding]],
    trust: NodeTrust | None,
    at: datetime,
    *,
    xml: XmlPolicy | None = None,
    policy: TrustPolicy | None = None,
) -> JudgedSignature:
    """As our own axis would at that time, without a transport or a register. `trust` None: nobody says whom to believe, so
    what is signed as it says is `unknown` and never more."""
    try:
        signed = verify.examine(source, policy=xml or XmlPolicy(), bindings=bound, at=at).signed
    except (InvalidEnvelope, CannotTell) as why:
        return failed(why, at)
    if trust is None:
        return JudgedSignature(word=UNKNOWN, at=at, steps=signed.steps, signed=signed)
    return judge_signer(signed, trust, at, policy or TrustPolicy(signing_past=ANY_PAST))


def judge_signer(
    signed: SignedEnvelope[Envelope], trust: NodeTrust, at: datetime, policy: TrustPolicy
) -> JudgedSignature:
    """Whether the certificate that signed holds, of bytes that are signed as they say."""
    evidence = trust.collect(signed.certificate_der, at)
    try:
        proved = decide(signed, evidence, policy, at)
    except (InvalidEnvelope, CannotTell) as why:
        return failed(why, at, signed, evidence)
    return JudgedSignature(
        word=VALID, at=at, steps=proved.steps, notes=proved.notes, signed=signed, evidence=evidence
    )


def failed(
    why: InvalidEnvelope | CannotTell,
    at: datetime,
    signed: SignedEnvelope[Envelope] | None = None,
    evidence: Evidence | None = None,
) -> JudgedSignature:
    """A refusal is a verdict, and so is a doubt."""
    word = INVALID if isinstance(why, InvalidEnvelope) else UNKNOWN
    steps = tuple(step for step in why.steps if isinstance(step, Step))
    return JudgedSignature(word=word, at=at, code=why.code, steps=steps, signed=signed, evidence=evidence)


# What may be because of the time alone: a signature made before may well have been good (R4).
_BY_TIME = frozenset({"CERT-TIME", "CERT-REVOKED"})
_MOST_CERTIFICATE = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Believed:
    """Whom the user believes about packets; `trust` None: nobody. `at` is the time of the check."""

    trust: NodeTrust | None
    bindings: Callable[[str], Sequence[Binding]]
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedPacket:
    """One packet: what the story says of it, what was found, and its line."""

    told: PacketTold
    judged: JudgedSignature
    line: ReportLine


def check_packets(
    pack: Pack, story: Story, believed: Believed, times: Mapping[str, datetime]
) -> list[ReportLine]:
    """Packets in the order of the story, each receipt after its packet. SpoiledPack where story and packets differ."""
    _complete(pack, story)
    handed = {each.sha256: each for each in story.packets if each.part is PacketRole.HANDED}
    copies = {digest: each for digest, each in handed.items() if each.member}
    found = [
        _packet(pack, each, believed, times.get(each.sha256))
        for each in story.packets
        if each.member and each.sha256 not in handed
    ]
    answered = {str(signed.packet_id): each for each in found if (signed := each.judged.signed) is not None}
    withheld = {
        each.packet_id: each for each in story.packets if not each.member and each.sha256 not in handed
    }
    lines = []
    for each in found:
        lines.append(each.line)
        if (signed := each.judged.signed) is not None and signed.model.status is not None:
            lines.append(_receipt(each, answered, withheld, copies))
    lines += [_copy_line(pack, each, story) for each in copies.values()]
    lines += [
        ReportLine(
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


def _packet(pack: Pack, told: PacketTold, believed: Believed, proved_at: datetime | None) -> JudgedPacket:
    bound = believed.bindings if believed.trust is not None else partial(_own_binding, pack, told)
    source = verify.EnvelopeSource(size=told.size, open=lambda: pack.pieces(told.member))
    judged = judge(source, bound, believed.trust, proved_at or believed.at)
    if judged.signed is not None:
        _agrees(told, judged.signed)
    return JudgedPacket(told=told, judged=judged, line=_packet_line(told, judged, proved_at, believed))


def _copy_line(pack: Pack, told: PacketTold, story: Story) -> ReportLine:
    """What an axis was handed proves nothing by itself: it says the same as a packet of the pack, or it does not."""
    of = next((each for each in story.packets if each.sha256 == told.made_of and each.member), None)
    said = _content(pack, told)
    same = (
        of is not None and of.packet_id == told.packet_id and said is not None and said == _content(pack, of)
    )
    return ReportLine(
        step="packet",
        ok=same,
        note="handed_same" if same else "handed_other",
        params={
            "packet": told.packet_id,
            "form": told.form or "",
            "to": ", ".join(one.code for one in told.to)[:400],
        },
        member=told.member,
        decides=False,
    )


def _content(pack: Pack, told: PacketTold) -> Digest | None:
    source = verify.EnvelopeSource(size=told.size, open=lambda: pack.pieces(told.member))
    try:
        return foreign.examine(source, XmlPolicy().limits).verified.signed.body_digest
    except InvalidEnvelope:
        return None


def _own_binding(pack: Pack, told: PacketTold, code: str) -> Sequence[Binding]:
    """Without anchors the pack's own certificate shows that the bytes are signed as they say, and nothing about whose they
    are."""
    if told.certificate is None:
        return ()
    der = pack.read(f"{CERTIFICATES}{told.certificate}.cer", _MOST_CERTIFICATE)
    return (Binding(code=code, certificate_der=der),)


def _packet_line(
    told: PacketTold, judged: JudgedSignature, proved_at: datetime | None, believed: Believed
) -> ReportLine:
    ok: bool | None
    if judged.word == VALID:
        ok, note = True, "valid_stamped" if proved_at else "valid_now"
    elif judged.signed is None and _was_vouched(told):
        # The session itself is in no pack: what it vouched for stays unproved here.
        ok, note = None, "axis_vouched"
    elif judged.word == INVALID and (proved_at is not None or judged.code not in _BY_TIME):
        ok, note = False, "invalid"
    elif believed.trust is None:
        ok, note = None, "not_anchored"
    else:
        ok, note = None, "no_time" if judged.code in _BY_TIME else "unknown"
    broken = next((step for step in judged.steps if step.ok is False), None)
    notes = sorted({each.code for each in judged.notes if each.code})
    return ReportLine(
        step="packet",
        ok=ok,
        note=note,
        params={
            "packet": told.packet_id,
            "sender": told.sender.code,
            "code": judged.code or "",
            "step": str(broken.n) if broken is not None else "",
        },
        member=told.member,
        detail=broken.detail if broken is not None else ", ".join(notes),
        proved_at=judged.at if ok else None,
        trusted=bool(ok and proved_at),
    )


_SIGNATURE_STEP = 5


def is_vouched(steps: Sequence[NotedStep]) -> bool:
    """Whether these steps are those of a packet for which a session with its axis vouched: no signature was judged."""
    return any(one.n == _SIGNATURE_STEP and one.ok is None and one.detail for one in steps)


def _was_vouched(told: PacketTold) -> bool:
    return any(each.noted and is_vouched(each.steps) for each in told.verdicts)


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


def _receipt(
    each: JudgedPacket,
    answered: Mapping[str, JudgedPacket],
    withheld: Mapping[str, PacketTold],
    copies: Mapping[str, PacketTold],
) -> ReportLine:
    """R3, between the packets of the pack."""
    signed = each.judged.signed
    receipt = signed.receipt if signed is not None else None
    if signed is None or receipt is None:
        return _receipt_line(each, None, "unproved", decides=False)
    if receipt.of_packet_id is None:
        copy = copies.get(receipt.file_digest or "")
        if copy is None or signed.sender_code.casefold() not in {one.code.casefold() for one in copy.to}:
            return _receipt_line(each, None, "unproved", decides=False)
        return _receipt_line(each, each.line.ok, "receipt_handed", receipt, packet=copy.packet_id)
    target = answered.get(receipt.of_packet_id)
    if target is None or (found := target.judged.signed) is None:
        kept = withheld.get(receipt.of_packet_id)
        by_digest = kept is not None and receipt.file_digest == kept.sha256
        note = "receipt_by_digest" if by_digest else "receipt_of_absent"
        return _receipt_line(each, None, note, receipt, decides=False)
    fault = _fault(signed, receipt, found, target.told)
    if fault is not None:
        return _receipt_line(each, False, "receipt_fails", receipt, detail=fault)
    same = receipt.file_digest == found.file_digest
    return _receipt_line(each, each.line.ok, "receipt_proved" if same else "receipt_wrapper", receipt)


def _fault(
    answer: SignedEnvelope[Envelope], receipt: Receipt, signed: SignedEnvelope[Envelope], told: PacketTold
) -> str | None:
    model = signed.model
    about = model.document_id or (model.response_for[0].document_id if model.response_for else None)
    to = {one.code.casefold() for one in told.to}
    checks = (
        (receipt.body_digest == signed.body_digest, "it names another body than the packet has"),
        (receipt.of_document_id == about, "it names another document than the packet is about"),
        ((receipt.of_sender or "").casefold() == signed.sender_code.casefold(), "it names another sender"),
        (not to or answer.sender_code.casefold() in to, "its sender was no recipient of the packet"),
    )
    return next((why for holds, why in checks if not holds), None)


def _receipt_line(
    each: JudgedPacket,
    ok: bool | None,
    note: str,
    receipt: Receipt | None = None,
    *,
    detail: str = "",
    decides: bool = True,
    packet: str = "",
) -> ReportLine:
    return ReportLine(
        step="receipt",
        ok=ok,
        note=note,
        params={
            "sender": each.told.sender.code,
            "code": each.told.status or "",
            "packet": packet or (receipt.of_packet_id if receipt is not None else None) or "",
        },
        member=each.told.member,
        detail=detail,
        proved_at=each.line.proved_at if ok else None,
        trusted=bool(ok and each.line.trusted),
        decides=decides,
    )
