"""Decides whether a packet may come in, and which statuses the node sends by itself. In: the content of a verified
packet and the facts of its files; how its processing ended, and whether its sender is proved. Out: a `Ruling`: allowed,
held for the clerk with every reason, sealed, or refused in one of the few cases where no person could act; status codes
to send, in order. Pure; every other status comes from a person."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from gateway.domain.agency_profile import HOLD, UNSIGNED_IN, WRONG_SEAL
from gateway.domain.document import Kind
from gateway.domain.proof import Finding
from gateway.domain.registry import fold_code
from gateway.domain.seals import SealWord
from gateway.domain.signatures import FileFacts, SignerVerdict
from gateway.policy.admission import check_declared, declares_secret, judge_file, secrecy_stamps, unread_part
from gateway.policy.first_page import PageStanding, judge_arrived
from gateway.policy.profile import Profile, told_by
from gateway.policy.texts import odd_subject
from gateway.policy.verdict import NOTHING, Reason, ReasonCode, Verdict, reason

# A packet normally passes two or three systems.
MOST_HOPS = 32


class PacketEnding(StrEnum):
    """Outcome of a packet that we stored. Any other packet gets no status, or the refusal that the rules name."""

    ADMITTED = "admitted"
    HELD = "held"
    WAITING = "waiting"


def answers(
    kind: Kind, ending: PacketEnding, *, authenticated: bool, taken_in: bool = False
) -> tuple[str, ...]:
    """Return the status codes to send now; none to an unproved sender (A7) or for a status. `taken_in`: the document
    that a recall concerns was taken in (03)."""
    if not authenticated or kind is Kind.STATUS:
        return ()
    is_agreed = kind is Kind.RECALL and ending is PacketEnding.ADMITTED and not taken_in
    return ("01", "15") if is_agreed else ("01",)


class Admission(StrEnum):
    ALLOWED = "allowed"
    HELD = "held"
    SEALED = "sealed"
    UNACTIONABLE = "unactionable"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivedFile:
    """One file of the packet. `damaged` says why it could not be decoded; then there are no facts."""

    name: str
    facts: FileFacts | None = None
    damaged: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivedPacket:
    """Content of a verified packet, with the facts of its files. `addressed_to` are the codes of the signed `To` list
    (for a status, its `ResponseFor`); `our_codes` are the receiving agency's code and every alias valid then. A clerk
    decides about `findings`; `doubts` are only shown. `wrong_seal` is a seal on the lead file that is not the
    sender's, though the sender has registered one."""

    our_codes: tuple[str, ...]
    addressed_to: tuple[str, ...]
    number: str = ""
    symbol: str = ""
    issued_on: date | None = None
    type_name: str | None = None
    subject: str = ""
    kind: Kind = Kind.DOCUMENT
    secrecy: str | None = None
    category: str | None = None
    pages: int | None = None
    files: tuple[ArrivedFile, ...] = ()
    findings: tuple[Finding, ...] = ()
    doubts: tuple[Finding, ...] = ()
    is_unsigned: bool = False
    """Whether the lead file has no signature of an agency. Asked only where the profile does more than take it."""
    wrong_seal: SignerVerdict | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """Decision about a packet. `code` is the reason for `UNACTIONABLE` or `SEALED`; `detail` names the file.
    `first_page` is None where there is no page of text to compare."""

    decision: Admission
    verdict: Verdict = NOTHING
    first_page: PageStanding | None = None
    code: str | None = None
    detail: str = ""


def check(packet: ArrivedPacket, profile: Profile) -> Ruling:
    """Rule on a packet: a declared secret is sealed, a case in which no person could act is refused, else it is held
    with all that a clerk has to see, or allowed."""
    if declares_secret(packet.secrecy):
        return Ruling(
            decision=Admission.SEALED, verdict=check_declared(packet.secrecy, None, profile), code="SECRET"
        )
    if (obstacle := _find_obstacle(packet)) is not None:
        code, detail = obstacle
        return Ruling(decision=Admission.UNACTIONABLE, code=code, detail=detail)
    page, differences = _first_page(packet)
    reasons = (reason(ReasonCode.SCHEMA, f.place, finding=f.code, detail=f.detail) for f in packet.findings)
    verdict = Verdict.make(tuple(reasons), (*_warnings(packet, profile), *differences))
    verdict += check_declared(None, packet.category, profile)
    verdict += _judge_unsigned(packet, profile)
    verdict += _judge_seal(packet, profile)
    for n, arrived in enumerate(packet.files):
        if arrived.facts is not None:
            verdict += judge_file(arrived.name, arrived.facts, profile, f"/files/{n}")
    decision = Admission.ALLOWED if verdict.allowed else Admission.HELD
    return Ruling(decision=decision, verdict=verdict, first_page=page)


def _judge_unsigned(packet: ArrivedPacket, profile: Profile) -> Verdict:
    """Mark or hold a document without the sending agency's signature (R20, unsigned ones), as the agency chose."""
    if not packet.is_unsigned or profile.unsigned_arrival == "take":
        return NOTHING
    name = packet.files[0].name if packet.files else ""
    unsigned = reason(ReasonCode.UNSIGNED_ARRIVAL, "/files/0", name=name, **told_by(profile, UNSIGNED_IN))
    return (
        Verdict(reasons=(unsigned,)) if profile.unsigned_arrival == "hold" else Verdict(warnings=(unsigned,))
    )


def _judge_seal(packet: ArrivedPacket, profile: Profile) -> Verdict:
    """Hold a document whose lead file has another agency's seal, or an unknown one (R23, certificates), where the agency
    chose so."""
    signer = packet.wrong_seal
    if signer is None or profile.wrong_seal != HOLD:
        return NOTHING
    code, whose = ReasonCode.SEAL_UNKNOWN_ARRIVAL, dict[str, str]()
    if signer.seal is SealWord.OTHER:
        code, whose = ReasonCode.SEAL_OTHER_ARRIVAL, {"agency": signer.seal_code}
    params = {"name": packet.files[0].name, "who": signer.name, **whose, **told_by(profile, WRONG_SEAL)}
    return Verdict(reasons=(reason(code, "/files/0", **params),))


def _first_page(packet: ArrivedPacket) -> tuple[PageStanding | None, tuple[Reason, ...]]:
    """Compare the first page with the data sent beside it, except for a recall, whose notice has its own number."""
    lead = packet.files[0].facts if packet.files else None
    if lead is None or lead.page_fields is None or packet.kind is Kind.RECALL:
        return None, ()
    return judge_arrived(lead.page_fields, packet)


def is_for_us(packet: ArrivedPacket) -> bool:
    """Tell whether one of our codes or aliases is a signed recipient, without regard to letter case and outer spaces."""
    if not {*packet.our_codes}.isdisjoint(packet.addressed_to):
        return True
    ours = {code.strip().casefold() for code in packet.our_codes}
    return any(code.strip().casefold() in ours for code in packet.addressed_to)


def goes_round(our_codes: Collection[str], hops: Sequence[str]) -> str:
    """Return why a packet seems to go in a circle; empty where it does not. Each system that forwards it adds itself to
    the trace, so our code occurs once per visit here; a packet that returns to its sender names that sender once. A
    circle is never answered."""
    passes = 0
    if len(hops) > 1:  # a trace of one entry is only the sender's own
        ours = {fold_code(code) for code in our_codes}
        passes = sum([fold_code(hop) in ours for hop in hops])
    if passes > 1:
        return f"its trace names {passes} times the agency that it came to: it goes in a circle between axes"
    if len(hops) > MOST_HOPS:
        return f"its trace names {len(hops)} systems: it goes in a circle between axes"
    return ""


def _find_obstacle(packet: ArrivedPacket) -> tuple[str, str] | None:
    """Return reason code and detail of the first thing that leaves a person nothing to act on."""
    if not is_for_us(packet):
        return "WRONG_ADDRESSEE", ", ".join(packet.addressed_to[:5])
    for arrived in packet.files:
        if arrived.facts is not None and arrived.facts.malware is not None:
            return "MALWARE", f"{arrived.name}: {arrived.facts.malware}"
        if arrived.damaged is not None:
            return "DAMAGED", f"{arrived.name}: {arrived.damaged}"
    return None


def _warnings(packet: ArrivedPacket, profile: Profile) -> Iterator[Reason]:
    yield from odd_subject(packet.subject, profile, "/subject")
    for doubt in packet.doubts:
        at = doubt.place.rpartition("/")[2]
        yield reason(ReasonCode.UNUSUAL, doubt.place, finding=doubt.code, at=at)
    lead = next((arrived.facts for arrived in packet.files if arrived.facts is not None), None)
    pages = lead.pages if lead is not None else None
    if lead is not None:
        yield from secrecy_stamps(packet.files[0].name, lead, profile, "/files/0")
        yield from unread_part(packet.files[0].name, lead, "/files/0")
    if packet.pages and pages is not None and packet.pages != pages:
        yield reason(
            ReasonCode.PAGES_DIFFER, "/pages", name=packet.files[0].name, stated=packet.pages, found=pages
        )
