"""Judge the signed packets of an evidence pack: one packet when a pack is made, all of them and their receipts when a pack
is checked. In: bytes, bindings of agency codes, trusted certificates, and the time to judge for. Out: a `JudgedSignature`
(verdict, code of the first failure, every step, and the signed content); for a check the lines of a `PackReport`, each
true, false or undecided (None); lines that only explain do not decide. A packet is judged for the trusted time before which
it existed. Without one it is judged for the time of the check, and failures that may be due to age or revocation alone stay
undecided. Bad contents of a packet raise no error. The functions block: run them in the pool or in a command."""

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
    PacketVerdict,
    SpoiledPack,
    Story,
    StoryPacket,
)
from gateway.domain.identity import Digest
from gateway.domain.proof import Binding, Evidence, FileSlice, Finding, Receipt, SignedEnvelope, Step
from gateway.edxml import foreign, verify
from gateway.edxml.envelope import Envelope
from gateway.edxml.policy import XmlPolicy
from gateway.errors import CannotTell, InvalidEnvelope
from gateway.ops.evidence.pack_file import Pack
from gateway.ops.plain_data import plain_fields
from gateway.policy.trust import TrustPolicy, decide
from gateway.trust.evidence import NodeTrust

VALID, INVALID, UNKNOWN = "valid", "invalid", "unknown"
# Failures that may be due to the time of the check alone: at an earlier time the signature may have been valid.
_BY_TIME = frozenset({"CERT-TIME", "CERT-REVOKED"})
_MOST_CERTIFICATE = 64 * 1024
_SIGNATURE_STEP = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportLine:
    """Result of one check. `step` and `note` are label keys, `params` their parameters. `proved_at` is the time for which
    the result is valid, `trusted` tells whether a trusted timestamp proves that time."""

    step: str
    ok: bool | None
    note: str
    params: Mapping[str, str] = field(default_factory=dict)
    member: str = ""
    detail: str = ""
    proved_at: datetime | None = None
    trusted: bool = False
    decides: bool = True

    def to_json(self) -> dict[str, Any]:
        return {
            **plain_fields(self, "step ok note"),
            "member": self.member or None,
            "detail": self.detail or None,
            **plain_fields(self, "proved_at trusted_time=trusted decides"),
            **({"params": dict(self.params)} if self.params else {}),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """A root, timestamp authority, node's key or published seal that the user of the check trusts."""

    kind: str
    name: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PackReport:
    """Report on a whole pack. `pdf_lines` are about signatures inside PDFs and decide nothing. `description` is taken from
    the manifest; empty when that could not be read."""

    at: datetime
    lines: Sequence[ReportLine]
    pdf_lines: Sequence[ReportLine] = ()
    anchors: Sequence[Anchor] = ()
    description: Mapping[str, str] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        deciding_oks = [line.ok for line in self.lines if line.decides or line.ok is False]
        if not deciding_oks or False in deciding_oks:
            return INVALID
        return UNKNOWN if None in deciding_oks else VALID

    def to_json(self) -> dict[str, Any]:
        return {
            "verdict": self.verdict,
            "at": self.at.isoformat(),
            "pack": dict(self.description) or None,
            "anchored": bool(self.anchors),
            "anchors": [asdict(anchor) for anchor in self.anchors],
            "steps": [line.to_json() for line in self.lines],
            "pdf": [line.to_json() for line in self.pdf_lines],
        }


# Disables the limit on the claimed signing time, which K2 (signing time) sets for new arrivals: a pack is checked years
# later, and its times are proved by timestamps.
ANY_PAST = timedelta(days=36_500)


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedSignature:
    """Verdict on one signature. `signed` is None when the signature does not match the bytes; `notes` do not decide."""

    word: str
    at: datetime
    code: str | None = None
    steps: tuple[Step, ...] = ()
    notes: tuple[Finding, ...] = ()
    signed: SignedEnvelope[Envelope] | None = None
    evidence: Evidence | None = None

    @property
    def certificate(self) -> str:
        """The SHA-256 of the signing certificate; empty when the signature does not match."""
        return hashlib.sha256(self.signed.certificate_der).hexdigest() if self.signed is not None else ""

    @property
    def signed_at(self) -> datetime | None:
        return self.signed.signing_time if self.signed is not None else None

    @property
    def receipt_of(self) -> str | None:
        """The id of the packet that this packet's receipt acknowledges; None when it has no receipt."""
        receipt = self.signed.receipt if self.signed is not None else None
        return receipt.of_packet_id if receipt is not None else None

    def to_verdict(self) -> PacketVerdict:
        """Return the verdict in the form that the story contains."""
        steps = tuple(NotedStep(n=step.n, ok=step.ok, detail=step.detail) for step in self.steps)
        return PacketVerdict(word=self.word, at=self.at, code=self.code, steps=steps)


def judge(
    source: verify.EnvelopeSource,
    bindings: Callable[[str], Sequence[Binding]],
    trust: NodeTrust | None,
    at: datetime,
    *,
    xml: XmlPolicy | None = None,
    policy: TrustPolicy | None = None,
) -> JudgedSignature:
    """Judge the signature of an envelope as a receiving node would at the time `at`, without checks of transport and
    registry. Without `trust` a signature that matches is `unknown` at best."""
    return _judge_octets(source, bindings, trust, at, xml=xml, policy=policy)[0]


def _judge_octets(
    source: verify.EnvelopeSource,
    bindings: Callable[[str], Sequence[Binding]],
    trust: NodeTrust | None,
    at: datetime,
    *,
    xml: XmlPolicy | None = None,
    policy: TrustPolicy | None = None,
) -> tuple[JudgedSignature, bytes | None]:
    """Judge as `judge` does; also return the octets that the file slices count in, None for those of the envelope."""
    try:
        verified = verify.examine(source, policy=xml or XmlPolicy(), bindings=bindings, at=at)
    except (InvalidEnvelope, CannotTell) as error:
        return judge_failure(error, at), None
    signed = verified.signed
    if trust is None:
        return JudgedSignature(word=UNKNOWN, at=at, steps=signed.steps, signed=signed), verified.canonical
    judged = judge_signer(signed, trust, at, policy or TrustPolicy(signing_past=ANY_PAST))
    return judged, verified.canonical


def judge_signer(
    signed: SignedEnvelope[Envelope], trust: NodeTrust, at: datetime, policy: TrustPolicy
) -> JudgedSignature:
    """Judge the signing certificate of an envelope whose signature matches its bytes."""
    evidence = trust.collect(signed.certificate_der, at)
    try:
        proved = decide(signed, evidence, policy, at)
    except (InvalidEnvelope, CannotTell) as error:
        return judge_failure(error, at, signed, evidence)
    return JudgedSignature(
        word=VALID, at=at, steps=proved.steps, notes=proved.notes, signed=signed, evidence=evidence
    )


def judge_failure(
    error: InvalidEnvelope | CannotTell,
    at: datetime,
    signed: SignedEnvelope[Envelope] | None = None,
    evidence: Evidence | None = None,
) -> JudgedSignature:
    """Return the verdict for an error of verification: invalid for InvalidEnvelope, unknown for CannotTell."""
    word = INVALID if isinstance(error, InvalidEnvelope) else UNKNOWN
    steps = tuple(step for step in error.steps if isinstance(step, Step))
    return JudgedSignature(word=word, at=at, code=error.code, steps=steps, signed=signed, evidence=evidence)


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketTrust:
    """Certificates and bindings that the user of the check trusts for packets; `trust` is None when the user trusts none.
    `at` is the time of the check. `read_pdfs` judges the PDFs of a packet for a proved time."""

    trust: NodeTrust | None
    bindings: Callable[[str], Sequence[Binding]]
    at: datetime
    read_pdfs: Callable[[PacketFiles, datetime | None], Sequence[ReportLine]] = lambda files, proved_at: ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketFiles:
    """Files of a packet whose signature matches its bytes: slices of its member of the pack, or of `octets`."""

    member: str
    files: Sequence[FileSlice]
    octets: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedPacket:
    """One packet: its description in the story, its verdict, its report line, and those of its PDFs."""

    packet: StoryPacket
    judged: JudgedSignature
    line: ReportLine
    pdf_lines: Sequence[ReportLine] = ()


def check_packets(
    pack: Pack, story: Story, trusted: PacketTrust, times: Mapping[str, datetime]
) -> list[ReportLine]:
    """Check the packets of a pack in the order of the story, each followed by its receipt; return the report lines. `times`
    are the trusted times by packet digest. SpoiledPack when story and packets do not agree."""
    _check_complete(pack, story)
    handed = {packet.sha256: packet for packet in story.packets if packet.part is PacketRole.HANDED}
    copies = {digest: p for digest, p in handed.items() if p.member}
    packets = [
        _judge_packet(pack, p, trusted, times.get(p.sha256))
        for p in story.packets
        if p.member and p.sha256 not in handed
    ]
    judged_by_id = {str(signed.packet_id): j for j in packets if (signed := j.judged.signed) is not None}
    withheld = {p.packet_id: p for p in story.packets if not p.member and p.sha256 not in handed}
    lines: list[ReportLine] = []
    for judged in packets:
        lines += [judged.line, *judged.pdf_lines]
        if (signed := judged.judged.signed) is not None and signed.model.status is not None:
            lines.append(_check_receipt(judged, judged_by_id, withheld, copies))
    lines += [_copy_line(pack, packet, story) for packet in copies.values()]
    lines += [
        ReportLine(
            step="packet",
            ok=None,
            note=f"absent_{packet.absent}" if packet.absent else "absent_purged",
            params={"packet": packet.packet_id},
            detail=packet.sha256,
            decides=False,
        )
        for packet in withheld.values()
    ]
    return lines


def _check_complete(pack: Pack, story: Story) -> None:
    """Check that story and pack have the same packets, with the same digests; SpoiledPack when not."""
    story_members = [packet.member for packet in story.packets if packet.member]
    pack_members = [member.name for member in pack.under(PACKETS)]
    if sorted(story_members) != sorted(pack_members):
        mismatches = sorted(set(story_members) ^ set(pack_members)) or [PACKETS]
        raise SpoiledPack(mismatches[0], "the story and the packets of the pack are not the same")
    for packet in story.packets:
        if packet.member and pack.member(packet.member).sha256 != packet.sha256:
            raise SpoiledPack(packet.member, "the story gives it another digest")


def _judge_packet(
    pack: Pack, packet: StoryPacket, trusted: PacketTrust, proved_at: datetime | None
) -> JudgedPacket:
    bindings = trusted.bindings if trusted.trust is not None else partial(_binding_from_pack, pack, packet)
    source = verify.EnvelopeSource(size=packet.size, open=lambda: pack.pieces(packet.member))
    judged, octets = _judge_octets(source, bindings, trusted.trust, proved_at or trusted.at)
    pdf_lines: Sequence[ReportLine] = ()
    if judged.signed is not None:
        _check_agreement(packet, judged.signed)
        if judged.signed.files:
            files = PacketFiles(member=packet.member, files=judged.signed.files, octets=octets)
            pdf_lines = trusted.read_pdfs(files, proved_at)
    line = _packet_line(packet, judged, proved_at, trusted)
    return JudgedPacket(packet=packet, judged=judged, line=line, pdf_lines=pdf_lines)


def _copy_line(pack: Pack, copy: StoryPacket, story: Story) -> ReportLine:
    """Return the line about a file in another form, which an axis got: its content must be that of a packet."""
    original = next((p for p in story.packets if p.sha256 == copy.made_of and p.member), None)
    copy_digest = _read_body_digest(pack, copy)
    same = (
        original is not None
        and original.packet_id == copy.packet_id
        and copy_digest is not None
        and copy_digest == _read_body_digest(pack, original)
    )
    return ReportLine(
        step="packet",
        ok=same,
        note="handed_same" if same else "handed_other",
        params={
            "packet": copy.packet_id,
            "form": copy.form or "",
            "to": ", ".join(party.code for party in copy.to)[:400],
        },
        member=copy.member,
        decides=False,
    )


def _read_body_digest(pack: Pack, packet: StoryPacket) -> Digest | None:
    source = verify.EnvelopeSource(size=packet.size, open=lambda: pack.pieces(packet.member))
    try:
        return foreign.examine(source, XmlPolicy().limits).verified.signed.body_digest
    except InvalidEnvelope:
        return None


def _binding_from_pack(pack: Pack, packet: StoryPacket, code: str) -> Sequence[Binding]:
    """Return a binding of the code to the certificate that the pack contains. It is used without trusted anchors, and shows
    only that the signature matches the bytes."""
    if packet.certificate is None:
        return ()
    der = pack.read(f"{CERTIFICATES}{packet.certificate}.cer", _MOST_CERTIFICATE)
    return (Binding(code=code, certificate_der=der),)


def _packet_line(
    packet: StoryPacket, judged: JudgedSignature, proved_at: datetime | None, trusted: PacketTrust
) -> ReportLine:
    """Return the report line for the verdict on one packet."""
    ok: bool | None
    if judged.word == VALID:
        ok, note = True, "valid_stamped" if proved_at else "valid_now"
    elif judged.signed is None and _was_vouched(packet):
        # The axis's session vouched for the packet, and no pack can prove that session.
        ok, note = None, "axis_vouched"
    elif judged.word == INVALID and (proved_at is not None or judged.code not in _BY_TIME):
        ok, note = False, "invalid"
    elif trusted.trust is None:
        ok, note = None, "not_anchored"
    else:
        ok, note = None, "no_time" if judged.code in _BY_TIME else "unknown"
    broken = next((step for step in judged.steps if step.ok is False), None)
    notes = sorted({finding.code for finding in judged.notes if finding.code})
    return ReportLine(
        step="packet",
        ok=ok,
        note=note,
        params={
            "packet": packet.packet_id,
            "sender": packet.sender.code,
            "code": judged.code or "",
            "step": str(broken.n) if broken is not None else "",
        },
        member=packet.member,
        detail=broken.detail if broken is not None else ", ".join(notes),
        proved_at=judged.at if ok else None,
        trusted=bool(ok and proved_at),
    )


def is_vouched(steps: Sequence[NotedStep]) -> bool:
    """Tell whether a session with the axis vouched for the packet of these steps, so that no signature was judged."""
    return any(step.n == _SIGNATURE_STEP and step.ok is None and step.detail for step in steps)


def _was_vouched(packet: StoryPacket) -> bool:
    return any(verdict.noted and is_vouched(verdict.steps) for verdict in packet.verdicts)


def _check_agreement(packet: StoryPacket, signed: SignedEnvelope[Envelope]) -> None:
    """Check that the story agrees with the packet's signed content, because people read the story; SpoiledPack when not."""
    status = signed.model.status.code if signed.model.status is not None else None
    pairs = (
        (packet.kind, signed.kind.value),
        (packet.sender.code.casefold(), signed.sender_code.casefold()),
        (packet.packet_id, signed.packet_id or packet.packet_id),
        (packet.status, status),
        (packet.body_sha256 or signed.body_digest, signed.body_digest),
    )
    if any(claimed != signed_value for claimed, signed_value in pairs):
        raise SpoiledPack(STORY, f"it says of {packet.member} what the packet itself does not say")


def _check_receipt(
    answer: JudgedPacket,
    judged_by_id: Mapping[str, JudgedPacket],
    withheld: Mapping[str, StoryPacket],
    copies: Mapping[str, StoryPacket],
) -> ReportLine:
    """Compare a receipt with the packet of the pack that it names (R3, receipts name the packet); return its line."""
    signed = answer.judged.signed
    receipt = signed.receipt if signed is not None else None
    if signed is None or receipt is None:
        return _receipt_line(answer, None, "unproved", decides=False)
    if receipt.of_packet_id is None:
        copy = copies.get(receipt.file_digest or "")
        if copy is None or signed.sender_code.casefold() not in {party.code.casefold() for party in copy.to}:
            return _receipt_line(answer, None, "unproved", decides=False)
        return _receipt_line(answer, answer.line.ok, "receipt_handed", receipt, packet=copy.packet_id)
    target = judged_by_id.get(receipt.of_packet_id)
    if target is None or (target_signed := target.judged.signed) is None:
        absent_packet = withheld.get(receipt.of_packet_id)
        by_digest = absent_packet is not None and receipt.file_digest == absent_packet.sha256
        note = "receipt_by_digest" if by_digest else "receipt_of_absent"
        return _receipt_line(answer, None, note, receipt, decides=False)
    fault = _receipt_fault(signed, receipt, target_signed, target.packet)
    if fault is not None:
        return _receipt_line(answer, False, "receipt_fails", receipt, detail=fault)
    same = receipt.file_digest == target_signed.file_digest
    return _receipt_line(answer, answer.line.ok, "receipt_proved" if same else "receipt_wrapper", receipt)


def _receipt_fault(
    answer: SignedEnvelope[Envelope], receipt: Receipt, signed: SignedEnvelope[Envelope], packet: StoryPacket
) -> str | None:
    model = signed.model
    document_id = model.document_id or (model.response_for[0].document_id if model.response_for else None)
    to = {party.code.casefold() for party in packet.to}
    checks = (
        (receipt.body_digest == signed.body_digest, "it names another body than the packet has"),
        (receipt.of_document_id == document_id, "it names another document than the packet is about"),
        ((receipt.of_sender or "").casefold() == signed.sender_code.casefold(), "it names another sender"),
        (not to or answer.sender_code.casefold() in to, "its sender was no recipient of the packet"),
    )
    return next((fault for holds, fault in checks if not holds), None)


def _receipt_line(
    answer: JudgedPacket,
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
            "sender": answer.packet.sender.code,
            "code": answer.packet.status or "",
            "packet": packet or (receipt.of_packet_id if receipt is not None else None) or "",
        },
        member=answer.packet.member,
        detail=detail,
        proved_at=answer.line.proved_at if ok else None,
        trusted=bool(ok and answer.line.trusted),
        decides=decides,
    )
