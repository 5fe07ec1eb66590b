"""Step 3 of the way in: rules and file checks. In: a verified packet. Out: what its files and the signatures inside its
PDFs are (R19 to R26), and the `Ruling` of `policy.incoming`: allowed, held, sealed, or one of the cases where nobody
could act. Decoded copies vanish at once, and small ones are in no file; the envelope is the copy kept. What cannot be
told of a signature now is asked again by `judge_again`; it stops no packet (R23).
Mail under a code that has ended (R83) goes to the agency of this node that took over, with a notice to its sender."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.document import IncomingDocument, InState, Kind
from gateway.domain.identity import Digest
from gateway.domain.pace import ANSWER_DELAY
from gateway.domain.proof import FileSlice, Finding
from gateway.domain.queues import InboxPacket, LeasedInbox
from gateway.domain.registry import CodeStanding, Resolution
from gateway.domain.signatures import FileFacts, FileVerdict, PdfFacts, SignatureWord
from gateway.domain.wall_clock import local
from gateway.edxml import attachment, schema
from gateway.edxml.attachment import pieces
from gateway.edxml.policy import EnvelopeLimits
from gateway.edxml.schema import SchemaProblem
from gateway.errors import Conflict, ScannerDown
from gateway.incoming.services import IncomingServices, LandsFirst, is_ours, ours
from gateway.incoming.translate import Looked
from gateway.incoming.verify import Proved
from gateway.policy import incoming as rules
from gateway.policy import pdf_verdict
from gateway.policy.admission import must_wait
from gateway.words import labels

if TYPE_CHECKING:
    from gateway.store.blobs import FileScratch
    from gateway.store.work import SqlWork

LOOP = "MSG-LOOP"
PLAIN = "plain"  # the file itself and no slice of an envelope: a scan that a person entered
# Broken rules of the form that change what a packet says. The others are layout, which we read liberally (design 4).
_MATTERS = frozenset({"missing", "value", "operation", "receiver", "date"})
# Of an envelope that its axis vouches for, only what a change must carry: the rest is read as each system writes it, and
# what stayed unknown is told (edxml.md 11).
_MATTERS_VOUCHED = frozenset({"operation", "receiver"})
_UNKNOWN = frozenset({"MISSING", "DATE-UNREADABLE", "NUMBER", "VALUE", "BUSINESS-TYPE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedPacket:
    """The ruling, and the files it rests on. `source` names the octets that the slices lie in."""

    ruling: rules.Ruling
    looked: tuple[Looked, ...]
    source: Digest
    old: OldCode | None = None
    """The ended code that it was addressed to."""


async def run(
    services: IncomingServices, leased: LeasedInbox, proved: Proved, source: Digest
) -> CheckedPacket:
    """Looks at every file of the packet and asks the rules. Stores nothing. LandsFirst where somebody would have to be
    waited for by a packet that has not landed."""
    item = leased.item
    agency = await services.agency(item.agency_id)
    model, addressed_to = proved.envelope.model, _addressed_to(proved)
    hops = [hop.organ_id for hop in model.trace if hop.organ_id]
    if why := rules.goes_round(ours(agency), hops):
        raise Conflict(why, code=LOOP)
    if services.scanner.waits and proved.envelope.signed.files and not leased.has_landed:
        raise LandsFirst("a scanner looks at its files")
    opener = await _opened(services, item, proved, source)
    looked, limits = [], services.xml.limits
    for part, one in zip(proved.envelope.signed.files, model.attachments, strict=True):
        found, inflated = await _looked(services, leased, opener, part, one.attachment_name, limits)
        looked.append(found)
        limits = replace(limits, inflated_bytes=max(limits.inflated_bytes - inflated, 0))
    # The order of another system's elements has no meaning; ours is checked to the letter (edxml.md 2.2).
    matters = _MATTERS_VOUCHED if proved.is_vouched else _MATTERS if proved.is_liberal else None
    problems: Sequence[SchemaProblem] = ()
    if not proved.keeps_form:
        problems = await services.pool.run(partial(_problems, services.xml.limits, proved, looked))
    old = await ended_code_named(services, agency, addressed_to) if model.kind is not Kind.STATUS else None
    packet = rules.ArrivedPacket(
        our_codes=(*ours(agency), *((old.code,) if old else ())),
        addressed_to=addressed_to,
        number=(model.code.number if model.code else None) or "",
        symbol=(model.code.notation if model.code else None) or "",
        issued_on=model.promulgation_date,
        type_name=model.document_type.name if model.document_type else None,
        subject=model.subject or "",
        kind=model.kind,
        pages=model.other.page_amount if model.other else None,
        files=tuple(
            rules.ArrivedFile(name=one.part.name, facts=one.facts, damaged=one.part.damaged) for one in looked
        ),
        findings=tuple(
            Finding(code="SCHEMA", where=problem.path, detail=problem.sentence)
            for problem in problems
            if matters is None or problem.rule in matters
        ),
        doubts=tuple(
            each for each in proved.envelope.signed.findings if proved.is_vouched and each.code in _UNKNOWN
        ),
    )
    ruling = rules.check(packet, services.profile)
    return CheckedPacket(ruling=ruling, looked=tuple(looked), source=source, old=old)


def _problems(limits: EnvelopeLimits, proved: Proved, looked: Sequence[Looked]) -> Sequence[SchemaProblem]:
    """What the schema objects to. Where the one reading did not show that it holds, the packet is read once more."""
    if proved.judged.keeps_form():
        return ()
    liberal = proved.is_liberal
    octets = pieces(proved.open) if liberal else without_files(proved.open, looked)
    return schema.check(schema.skeleton(octets, limits, liberal=liberal)) or ()


async def _opened(
    services: IncomingServices, item: InboxPacket, proved: Proved, source: Digest
) -> Callable[[], BinaryIO]:
    """The octets that the files are slices of: the file that was judged, or the canonical ones that lie beside it."""
    if source == item.file_digest:
        return proved.open
    async with services.store.read(AgencyScope(agency_id=item.agency_id, principal_id="node")) as work:
        return await services.blobs.open(work, source)


def _addressed_to(proved: Proved) -> tuple[str, ...]:
    model = proved.envelope.model
    named = model.response_for if model.kind is Kind.STATUS else model.to
    return tuple(one.organ_id for one in named if one.organ_id)


async def _looked(
    services: IncomingServices,
    leased: LeasedInbox,
    opener: Callable[[], BinaryIO],
    part: FileSlice,
    name: str | None,
    limits: EnvelopeLimits,
) -> tuple[Looked, int]:
    """The file and what it was found to be, with how much was unpacked to know. ScannerDown while nobody can say whether it
    carries malware: the packet stays landed (threat 65)."""
    seen_at = leased.item.received_at
    with services.blobs.scratch(few=True) as scratch:

        def look() -> tuple[FileSlice, int, FileFacts | None]:
            one, inflated = _unpacked(opener, part, name, limits, scratch)
            if one.damaged is not None:
                return one, inflated, None
            found = services.inspector.inspect(
                scratch.content, one.name, reads_page=one.n == 1, digest=one.sha256
            )
            if found.found_type == "pdf" and part.n <= MOST_SIGNED:
                signatures = services.signatures.read_alone(scratch.content, seen_at, services.clock.now())
                found = replace(found, signatures=signatures)
                if signatures is not None and not services.scanner.waits:
                    scratch.discard()  # nobody asks for it any more; to take it off the disk would hold up the event loop
            return one, inflated, found

        part, inflated, facts = await services.pool.run(look)
        if facts is None:
            return Looked(part=part, facts=None), inflated
        scan = await services.scanner.scan(scratch.content, part.sha256)
        facts = facts.scanned(scan)
        if must_wait(facts, services.profile):
            raise ScannerDown(f"a file of the packet could not be scanned for malware ({facts.unscanned})")
        facts = replace(facts, signatures=await _signatures(services, leased, scratch, facts, part.n))
        if scratch.is_in_file:
            await services.pool.run(scratch.discard)
    return Looked(part=part, facts=facts), inflated


def _unpacked(
    opener: Callable[[], BinaryIO],
    part: FileSlice,
    name: str | None,
    limits: EnvelopeLimits,
    scratch: FileScratch,
) -> tuple[FileSlice, int]:
    """The file in the scratch file. One that came closed is decoded, measured and written in one pass, unless it begins
    as a ZIP: only its end tells whether a person would open that or what is in it."""
    written, inflated = False, 0
    if part.is_closed:
        text = pieces(opener, part.offset, part.length)
        part, decoder = attachment.opened(part, name, text, limits, lambda piece: scratch.file.write(piece))
        written, inflated = decoder.gave_out, decoder.inflated
    if part.damaged is None:
        if not written:
            for piece in decoded(opener, part.offset, part.length, part.coding):
                scratch.file.write(piece)
        scratch.file.flush()
    return part, inflated


def decoded(opener: Callable[[], BinaryIO], offset: int, length: int, coding: str) -> Iterator[bytes]:
    """The file that a person would open, streamed out of its slice."""
    if coding == PLAIN:
        return pieces(opener, offset, length)
    return attachment.decoded_pieces(pieces(opener, offset, length), coding)


def without_files(opener: Callable[[], BinaryIO], looked: Sequence[Looked]) -> Iterator[bytes]:
    """The envelope without its files' octets, which no schema looks at. On the fast path alone: there the slices lie in
    the envelope itself, and nothing in them can open or close an element."""
    position = 0
    for one in looked:
        if not one.part.length:
            continue
        yield from pieces(opener, position, one.part.offset - position)
        position = one.part.offset + one.part.length
    yield from pieces(opener, position)


SIGNATURES_JOB = "signatures"
# One packet must not keep the reader of PDFs from those of others.
MOST_SIGNED = 20
SIGNATURES_AGAIN = ANSWER_DELAY


async def _signatures(
    services: IncomingServices, leased: LeasedInbox, scratch: FileScratch, facts: FileFacts, n: int
) -> PdfFacts | None:
    """The facts about the n-th file's signatures; None for what is no PDF, or carries malware."""
    if facts.found_type != "pdf" or facts.malware is not None:
        return None
    seen_at, now = leased.item.received_at, services.clock.now()
    if n > MOST_SIGNED:
        detail = f"more than {MOST_SIGNED} files in one packet"
        return PdfFacts(seen_at=seen_at, now=now, fault="PDF-LIMIT", detail=detail)
    if facts.signatures is not None:
        return facts.signatures
    if not leased.has_landed:
        raise LandsFirst("another process reads its signatures")
    return await services.signatures.read(scratch.path, seen_at, now)


def with_signatures(
    document: IncomingDocument, looked: Sequence[Looked], services: IncomingServices
) -> IncomingDocument:
    """The document with what its files' signatures are worth; of what is sealed nothing is read."""
    if document.kind is Kind.RECALL or document.state is InState.SEALED:
        return document
    found = {
        file.n: pdf_verdict.judge(file.name, file.n, one.facts.signatures, services.profile.pdf_roles)
        for file, one in zip(document.files, looked, strict=True)
        if one.facts is not None and one.facts.signatures is not None
    }
    return with_verdicts(document, tuple(found.values()))


def with_verdicts(document: IncomingDocument, verdicts: tuple[FileVerdict, ...]) -> IncomingDocument:
    """With these verdicts, and what follows from them."""
    lead_file = document.lead
    lead = next((each for each in verdicts if lead_file is not None and each.n == lead_file.n), None)
    return replace(
        document,
        signatures=verdicts,
        legal_value=pdf_verdict.legal_value(lead),
        signed_at=document.signed_at or pdf_verdict.signed_at(lead),
        checks=document.checks | {"pdf_signature": lead.verdict if lead else SignatureWord.UNSIGNED},
    )


def with_signatures_of(document: IncomingDocument, update: IncomingDocument) -> IncomingDocument:
    """With what the files of the update are worth, which are the document's own from now on."""
    return replace(
        document,
        signatures=update.signatures,
        legal_value=update.legal_value,
        signed_at=update.signed_at,
        checks=document.checks
        | {"pdf_signature": update.checks.get("pdf_signature", SignatureWord.UNSIGNED)}
        | {name: update.checks.get(name, "") for name in ("first_page", "warnings")},
    )


async def files_arrived_at(work: SqlWork, document: IncomingDocument) -> datetime:
    """When the files came: with the document, or with the update that it has them from."""
    for one in await work.incoming.by_document_id(document.sender_code, document.document_id):
        if one.target_id == document.id and one.files and one.files == document.files:
            return one.arrived_at
    return document.arrived_at


async def plan_asking_again(services: IncomingServices, work: SqlWork, document: IncomingDocument) -> None:
    """In the admitting transaction: asked again later where an answer is only missing."""
    if pdf_verdict.is_open(document.signatures):
        await work.jobs.put(SIGNATURES_JOB, document.id, not_before=services.clock.now() + SIGNATURES_AGAIN)


OLD_CODE_MARK = "old_code"


@dataclass(frozen=True, slots=True, kw_only=True)
class OldCode:
    """The ended code that a packet was addressed to. Without a successor a person says who gets the document."""

    code: str
    heirs: tuple[str, ...]
    is_settled: bool
    notice: str

    @property
    def mark(self) -> str:
        return f"{OLD_CODE_MARK}:{self.code}"


async def receiving_agency(services: IncomingServices, recipient: str, kind: str) -> HostedAgency | None:
    """Who takes a parcel. New documents to an ended code go to its successor, where that is hosted here; what speaks of
    documents from before goes where those are."""
    hosted = await services.store.hosted()
    own = next((one for one in hosted if is_ours(one, recipient)), None)
    if own is not None and kind not in (Kind.DOCUMENT, Kind.REPLACEMENT):
        return own
    answer = await _closed(services, recipient)
    if answer is None or answer.successor is None:
        return own
    return next((one for one in hosted if is_ours(one, answer.successor)), own)


async def ended_code_named(
    services: IncomingServices, agency: HostedAgency, named: Collection[str]
) -> OldCode | None:
    """The ended code under which a packet is for this agency; None when it names one that is in force."""
    found: OldCode | None = None
    for code in named:
        answer = await _closed(services, code)
        if answer is None:
            if is_ours(agency, code):
                return None
        elif found is None and (is_ours(agency, answer.successor) or is_ours(agency, code)):
            found = _old_code(answer, agency)
    return found


async def codes_of_sender(services: IncomingServices, sender: str) -> frozenset[str]:
    """The sender's code and every ended one that it took over from, in small letters: it answers for them."""
    today = local(services.clock.now()).date()
    former = await services.directory.former([sender.strip().upper()], today)
    return frozenset(code.casefold() for code in (sender, *former))


async def _closed(services: IncomingServices, code: str) -> Resolution | None:
    """Of a code that ended, by rows that may redirect; None for every other."""
    today = local(services.clock.now()).date()
    if await services.directory.find(code, today) is not None:
        return None
    answer = await services.directory.resolve(code, today)
    return answer if answer.standing is CodeStanding.CLOSED and answer.may_refuse else None


def _old_code(answer: Resolution, agency: HostedAgency) -> OldCode:
    ending = answer.ending
    heirs = ending.heirs if ending is not None else ()
    heirs = (answer.successor,) if answer.successor is not None else heirs
    code = answer.entry.code if answer.entry is not None else answer.query
    return OldCode(
        code=code,
        heirs=heirs,
        is_settled=is_ours(agency, answer.successor),
        notice=_notice(answer, code, heirs),
    )


def _notice(answer: Resolution, code: str, heirs: tuple[str, ...]) -> str:
    """What the sender reads: the code, what became of it, by which decision, who came after."""
    heir = ", ".join(heirs) or "–"
    ending = answer.ending
    if ending is None:
        until = answer.entry.valid_to if answer.entry is not None else None
        return labels.say(
            "reform.told_closed", code=code, day=labels.day(str(until)) if until else "–", heir=heir
        )
    return labels.say(
        "reform.told_sender",
        code=code,
        how=labels.say(f"reform.how.{ending.kind}"),
        on=labels.day(ending.since.isoformat()),
        decision=f"{ending.decision.number} ({ending.decision.issuer})",
        heir=heir,
    )
