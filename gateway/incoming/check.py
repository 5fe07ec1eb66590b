"""Step 3 of the way in: rules and file checks. In: a verified packet. Out: facts about its files and the signatures
inside its PDFs (R19 to R26, signatures), and the `Ruling` of `policy.incoming`: allowed, held, sealed, or unactionable.
Decoded copies are deleted at once; only the envelope is kept. A PDF signature that cannot be judged now stops no packet,
and is judged later by `rejudge` (R23, certificates). Mail to a code that has ended (R83, closed codes) goes to the agency
of this node that took over, with a notice to its sender."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.document import IncomingDocument, InState, Kind, Signer
from gateway.domain.identity import Digest
from gateway.domain.pace import ANSWER_DELAY
from gateway.domain.proof import FileSlice, Finding
from gateway.domain.queues import SIGNATURES_JOB, InboxPacket, LeasedInbox
from gateway.domain.registry import CodeStanding, Resolution
from gateway.domain.seals import (
    PERSON_CHECK,
    SEAL_CHECK,
    SIGNER_CHECK,
    SIGNER_CHECKS,
    HeaderWord,
    SealRegister,
)
from gateway.domain.signatures import (
    FileFacts,
    FileVerdict,
    PdfFacts,
    SignatureTrace,
    SignatureWord,
    SignerVerdict,
)
from gateway.domain.wall_clock import local
from gateway.edxml import attachment, schema
from gateway.edxml.attachment import pieces
from gateway.edxml.policy import EnvelopeLimits
from gateway.edxml.schema import SchemaProblem
from gateway.errors import Conflict, ScannerDown
from gateway.incoming.services import IncomingServices, LandsFirst, is_ours, ours
from gateway.incoming.translate import CheckedFile, lead_of
from gateway.incoming.verify import Proved
from gateway.policy import incoming as rules
from gateway.policy import pdf_verdict, seal_verdict
from gateway.policy.admission import must_wait
from gateway.policy.profile import for_agency
from gateway.words import labels

if TYPE_CHECKING:
    from gateway.store.blobs import FileScratch
    from gateway.store.work import SqlWork

LOOP = "MSG-LOOP"
PLAIN = "plain"  # the file itself and no slice of an envelope: a scan that a person entered
# Broken rules of the schema that change the meaning of a packet. The others concern layout, which is read liberally.
_DECISIVE = frozenset({"missing", "value", "operation", "receiver", "date"})
# An envelope that its axis vouches for needs only the fields of a change. The others are read as each system writes them,
# and a field that stays unknown becomes a doubt.
_DECISIVE_VOUCHED = frozenset({"operation", "receiver"})
_DOUBTS = frozenset({"MISSING", "DATE-UNREADABLE", "NUMBER", "VALUE", "BUSINESS-TYPE"})
# The signatures of at most this many files of one packet are read, so that it cannot block the PDF reader for others.
MOST_SIGNED = 20
REJUDGE_DELAY = ANSWER_DELAY
SIGNER_OTHER = "signer_other"
OLD_CODE_MARK = "old_code"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedPacket:
    """Ruling on a packet, with the checked files. `source` is the digest of the octets that the file slices lie in;
    `verdicts` are those on the signatures of its PDFs."""

    ruling: rules.Ruling
    files: tuple[CheckedFile, ...]
    source: Digest
    verdicts: tuple[FileVerdict, ...] = ()
    old: OldCode | None = None
    """The ended code that the packet was addressed to, if any."""


async def run(
    services: IncomingServices, leased: LeasedInbox, proved: Proved, source: Digest
) -> CheckedPacket:
    """Check every file of the packet, and the rules, without storing anything. LandsFirst where a new packet would have
    to wait."""
    item = leased.item
    agency, chosen = await services.store.accounts.with_profile(item.agency_id)
    model, addressed_to = proved.envelope.model, _addressed_codes(proved)
    hops = [hop.organ_id for hop in model.trace if hop.organ_id]
    if why := rules.goes_round(ours(agency), hops):
        raise Conflict(why, code=LOOP)
    if services.scanner.waits and proved.envelope.signed.files and not leased.has_landed:
        raise LandsFirst("a scanner looks at its files")
    opener = await _open_octets(services, item, proved, source)
    files, limits = [], services.xml.limits
    for part, attached in zip(proved.envelope.signed.files, model.attachments, strict=True):
        file, inflated = await _check_file(services, leased, opener, part, attached.attachment_name, limits)
        files.append(file)
        limits = replace(limits, inflated_bytes=max(limits.inflated_bytes - inflated, 0))
    # The order of elements means nothing in another system's envelope; our own is checked to the letter.
    decisive = _DECISIVE_VOUCHED if proved.is_vouched else _DECISIVE if proved.is_liberal else None
    problems: Sequence[SchemaProblem] = ()
    if not proved.keeps_form:
        problems = await services.pool.run(partial(_problems, services.xml.limits, proved, files))
    old = await ended_code_named(services, agency, addressed_to) if model.kind is not Kind.STATUS else None
    profile = for_agency(services.profile, chosen)
    verdicts, register = await _judge_signatures(services, proved.envelope.sender, files, item.received_at)
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
            rules.ArrivedFile(name=f.part.name, facts=f.facts, damaged=f.part.damaged) for f in files
        ),
        findings=tuple(
            Finding(code="SCHEMA", place=problem.path, detail=problem.sentence)
            for problem in problems
            if decisive is None or problem.rule in decisive
        ),
        doubts=tuple(
            doubt for doubt in proved.envelope.signed.findings if proved.is_vouched and doubt.code in _DOUBTS
        ),
        is_unsigned=model.kind.is_whole and _is_unsigned(_lead_verdict(files, verdicts)),
        wrong_seal=_wrong_seal(_lead_verdict(files, verdicts), register, item.received_at)
        if model.kind is not Kind.RECALL
        else None,
    )
    ruling = rules.check(packet, profile)
    return CheckedPacket(ruling=ruling, files=tuple(files), source=source, verdicts=verdicts, old=old)


def _lead_verdict(files: Sequence[CheckedFile], verdicts: Sequence[FileVerdict]) -> FileVerdict | None:
    """Return the verdict on the lead file; None where it has no signatures to judge."""
    lead = lead_of(files)
    return next((v for v in verdicts if lead is not None and v.n == lead.part.n), None)


def _is_unsigned(lead: FileVerdict | None) -> bool:
    """Tell whether the lead file has no signature of an agency; one that cannot be judged yet may have one."""
    if lead is None:
        return True
    return pdf_verdict.agency_word(lead) is SignatureWord.UNSIGNED and lead.why not in pdf_verdict.OPEN


def _wrong_seal(
    lead: FileVerdict | None, register: SealRegister | None, seen_at: datetime
) -> SignerVerdict | None:
    """Return the seal on the lead file that is not the sender's; None where it is, or the sender had none registered."""
    signer = seal_verdict.seal_signer(lead)
    if signer is None or register is None or signer.seal not in seal_verdict.WRONG_SEALS:
        return None
    return signer if seal_verdict.has_seal(register, seen_at) else None


def _problems(
    limits: EnvelopeLimits, proved: Proved, files: Sequence[CheckedFile]
) -> Sequence[SchemaProblem]:
    """Return the problems that the schema finds. The packet is read again, unless its first reading found it valid."""
    if proved.judged.keeps_form():
        return ()
    liberal = proved.is_liberal
    octets = pieces(proved.open) if liberal else without_files(proved.open, files)
    return schema.check(schema.skeleton(octets, limits, liberal=liberal)) or ()


async def _open_octets(
    services: IncomingServices, packet: InboxPacket, proved: Proved, source: Digest
) -> Callable[[], BinaryIO]:
    """Return an opener of the octets that the file slices lie in: the packet's file, or its canonical octets."""
    if source == packet.file_digest:
        return proved.open
    async with services.store.read(AgencyScope(agency_id=packet.agency_id, principal_id="node")) as work:
        return await services.blobs.open(work, source)


def _addressed_codes(proved: Proved) -> tuple[str, ...]:
    model = proved.envelope.model
    organisations = model.response_for if model.kind is Kind.STATUS else model.to
    return tuple(o.organ_id for o in organisations if o.organ_id)


async def _check_file(
    services: IncomingServices,
    leased: LeasedInbox,
    opener: Callable[[], BinaryIO],
    part: FileSlice,
    name: str | None,
    limits: EnvelopeLimits,
) -> tuple[CheckedFile, int]:
    """Unpack and inspect one file of the packet; return it with its facts, and the number of bytes unpacked. Raises
    ScannerDown while the malware scanner gives no answer: then the packet stays landed."""
    seen_at, trace = leased.item.received_at, SignatureTrace()
    with services.blobs.scratch(few=True) as scratch:

        def inspect_file() -> tuple[FileSlice, int, FileFacts | None]:
            unpacked, inflated = _unpack(opener, part, name, limits, scratch, trace)
            if unpacked.damaged is not None:
                return unpacked, inflated, None
            file_facts = services.inspector.inspect(
                scratch.content, unpacked.name, reads_page=unpacked.n == 1, digest=unpacked.sha256
            )
            if file_facts.found_type == "pdf" and part.n <= MOST_SIGNED:
                signatures = services.signatures.read_alone(trace, seen_at, services.clock.now())
                file_facts = replace(file_facts, signatures=signatures)
                if signatures is not None and not services.scanner.waits:
                    scratch.discard()  # no longer needed; removing it later would hold up the event loop
            return unpacked, inflated, file_facts

        part, inflated, facts = await services.pool.run(inspect_file)
        if facts is None:
            return CheckedFile(part=part, facts=None), inflated
        scan = await services.scanner.scan(scratch.content, part.sha256)
        facts = facts.scanned(scan)
        if must_wait(facts, services.profile):
            raise ScannerDown(f"a file of the packet could not be scanned for malware ({facts.unscanned})")
        signatures = await _read_signatures(services, leased, scratch, trace, facts, part.n)
        facts = replace(facts, signatures=signatures)
        if scratch.is_in_file:
            await services.pool.run(scratch.discard)
    return CheckedFile(part=part, facts=facts), inflated


def _unpack(
    opener: Callable[[], BinaryIO],
    part: FileSlice,
    name: str | None,
    limits: EnvelopeLimits,
    scratch: FileScratch,
    trace: SignatureTrace,
) -> tuple[FileSlice, int]:
    """Write the decoded file into the scratch file and its trace; return its slice and the number of bytes unpacked. A
    compressed file is decoded, measured and written in one pass. One that begins as a ZIP is written in a second pass,
    since only its end tells whether a person would open the ZIP or a file inside it."""
    is_written, inflated = False, 0

    def write(piece: bytes) -> None:
        scratch.file.write(piece)
        trace.feed(piece)

    if part.is_closed:
        text = pieces(opener, part.offset, part.length)
        part, decoder = attachment.decode_slice(part, name, text, limits, write)
        is_written, inflated = decoder.gave_out, decoder.inflated
    if part.damaged is None:
        if not is_written:
            for piece in decoded(opener, part.offset, part.length, part.coding):
                write(piece)
        scratch.file.flush()
    return part, inflated


def decoded(opener: Callable[[], BinaryIO], offset: int, length: int, coding: str) -> Iterator[bytes]:
    """Yield the bytes of the file in the slice, decoded as a person would open it."""
    if coding == PLAIN:
        return pieces(opener, offset, length)
    return attachment.decoded_pieces(pieces(opener, offset, length), coding)


def without_files(opener: Callable[[], BinaryIO], files: Sequence[CheckedFile]) -> Iterator[bytes]:
    """Yield the envelope without the content of its files, which no schema looks at. Only valid on the fast path, where
    the slices lie in the envelope itself and cannot open or close an element."""
    position = 0
    for file in files:
        if not file.part.length:
            continue
        yield from pieces(opener, position, file.part.offset - position)
        position = file.part.offset + file.part.length
    yield from pieces(opener, position)


async def _read_signatures(
    services: IncomingServices,
    leased: LeasedInbox,
    scratch: FileScratch,
    trace: SignatureTrace,
    facts: FileFacts,
    n: int,
) -> PdfFacts | None:
    """Return the facts about the signatures of the n-th file; None where it is no PDF, or carries malware."""
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
    return await services.signatures.read(scratch.path, seen_at, now, trace=trace)


async def _judge_signatures(
    services: IncomingServices, sender: str, files: Sequence[CheckedFile], seen_at: datetime
) -> tuple[tuple[FileVerdict, ...], SealRegister | None]:
    """Judge the signatures of every PDF, and whose they are; return the verdicts with what is registered."""
    verdicts = [
        pdf_verdict.judge(file.part.name, file.part.n, file.facts.signatures, services.profile.pdf_roles)
        for file in files
        if file.facts is not None and file.facts.signatures is not None
    ]
    if not any(verdict.signers for verdict in verdicts):
        return tuple(verdicts), None
    return await identify_signers(services, sender, verdicts, seen_at)


async def identify_signers(
    services: IncomingServices, sender: str, verdicts: Sequence[FileVerdict], seen_at: datetime
) -> tuple[tuple[FileVerdict, ...], SealRegister]:
    """Compare the signatures with the certificates that are registered for the sender."""
    register = await services.directory.seal_register(sender, seal_verdict.fingerprints(verdicts))
    return tuple([seal_verdict.identify(v, register, seen_at) for v in verdicts]), register


def with_signatures(document: IncomingDocument, verdicts: Sequence[FileVerdict]) -> IncomingDocument:
    """Return the document with verdicts on its files' signatures. A recall and a sealed document get none."""
    if document.kind is Kind.RECALL or document.state is InState.SEALED:
        return document
    names = {file.n: file.name for file in document.files}
    renamed = [replace(verdict, file=names[verdict.n]) for verdict in verdicts if verdict.n in names]
    return with_verdicts(document, tuple(renamed))


def with_verdicts(document: IncomingDocument, verdicts: tuple[FileVerdict, ...]) -> IncomingDocument:
    """Return the document with these verdicts on its files, and what follows: its legal value, the time of signing, the
    signer where its header names none, and a mark where it names another."""
    lead_file = document.lead
    lead = next((v for v in verdicts if lead_file is not None and v.n == lead_file.n), None)
    signer = document.signer or seal_verdict.signer_of(lead)
    words = _signer_words(lead, signer)
    return replace(
        document,
        signatures=verdicts,
        legal_value=pdf_verdict.legal_value(lead, signer),
        signer=signer,
        signed_at=document.signed_at or pdf_verdict.signed_at(lead),
        checks=_without_signers(document)
        | {"pdf_signature": lead.verdict if lead else SignatureWord.UNSIGNED}
        | words,
        marks=_marks_with_signer(document, words.get(SIGNER_CHECK) == HeaderWord.OTHER),
    )


def _marks_with_signer(document: IncomingDocument, is_other: bool) -> tuple[str, ...]:
    marks = tuple([mark for mark in document.marks if mark != SIGNER_OTHER])
    return (*marks, SIGNER_OTHER) if is_other else marks


def _signer_words(lead: FileVerdict | None, signer: Signer | None) -> dict[str, str]:
    """Return the words for whose seal and whose signature stand on the lead file, and for the signer of the header."""
    words = {
        SEAL_CHECK: seal_verdict.seal_word(lead),
        PERSON_CHECK: seal_verdict.person_word(lead),
        SIGNER_CHECK: seal_verdict.header_word(lead, signer),
    }
    return {check: str(word) for check, word in words.items() if word is not None}


def _without_signers(document: IncomingDocument) -> dict[str, str]:
    return {c: word for c, word in document.checks.items() if c not in SIGNER_CHECKS}


def with_signatures_of(document: IncomingDocument, update: IncomingDocument) -> IncomingDocument:
    """Return the document with the verdicts on the files of the update, which replace its own."""
    return replace(
        document,
        signatures=update.signatures,
        legal_value=update.legal_value,
        signed_at=update.signed_at,
        marks=_marks_with_signer(document, SIGNER_OTHER in update.marks),
        checks=_without_signers(document)
        | {"pdf_signature": update.checks.get("pdf_signature", SignatureWord.UNSIGNED)}
        | {c: update.checks[c] for c in SIGNER_CHECKS if c in update.checks}
        | {name: update.checks.get(name, "") for name in ("first_page", "warnings")},
    )


async def files_arrived_at(work: SqlWork, document: IncomingDocument) -> datetime:
    """Return when the document's present files arrived: with the document, or with the update that brought them."""
    for update in await work.incoming.by_document_id(document.sender_code, document.document_id):
        if update.target_id == document.id and update.files and update.files == document.files:
            return update.arrived_at
    return document.arrived_at


async def plan_rejudging(services: IncomingServices, work: SqlWork, document: IncomingDocument) -> None:
    """Queue a job that judges the signatures again, where an authority's answer is missing; it is due at once where the
    node asks authorities itself."""
    if pdf_verdict.is_open(document.signatures):
        delay = timedelta() if services.pdf_asking is not None else REJUDGE_DELAY
        await work.jobs.add(SIGNATURES_JOB, document.id, not_before=services.clock.now() + delay)


@dataclass(frozen=True, slots=True, kw_only=True)
class OldCode:
    """Ended code that a packet was addressed to. Where its successor is not settled, a person decides."""

    code: str
    heirs: tuple[str, ...]
    is_settled: bool
    notice: str

    @property
    def mark(self) -> str:
        return f"{OLD_CODE_MARK}:{self.code}"


async def receiving_agency(services: IncomingServices, recipient: str, kind: str) -> HostedAgency | None:
    """Return the hosted agency that receives a parcel; None where there is none. A new document to an ended code goes to
    its successor if that is hosted here; what has to do with earlier documents goes where those are (`receive`)."""
    own = next((a for a in await services.store.hosted() if is_ours(a, recipient)), None)
    if own is not None and kind not in (Kind.DOCUMENT, Kind.REPLACEMENT):
        return own
    return (await find_own_and_heir(services, recipient))[1] or own


async def find_own_and_heir(
    services: IncomingServices, code: str
) -> tuple[HostedAgency | None, HostedAgency | None]:
    """Return the agency of an ended code and its successor, each if it is hosted here; None for a code in force."""
    resolution = await _find_closed(services, code)
    if resolution is None or resolution.successor is None:
        return None, None
    codes, hosted = (code, resolution.successor), await services.store.hosted()
    own, heir = (next((a for a in hosted if is_ours(a, name)), None) for name in codes)
    return (None if own == heir else own), heir


async def ended_code_named(
    services: IncomingServices, agency: HostedAgency, codes: Collection[str]
) -> OldCode | None:
    """Return the ended code that a packet was addressed to when it reached this agency; None when the packet also names a
    code of it that is in force."""
    ended: OldCode | None = None
    for code in codes:
        resolution = await _find_closed(services, code)
        if resolution is None:
            if is_ours(agency, code):
                return None
        elif ended is None and (is_ours(agency, resolution.successor) or is_ours(agency, code)):
            ended = _make_old_code(resolution, agency)
    return ended


async def codes_of_sender(services: IncomingServices, sender: str) -> Mapping[str, str]:
    """Return the sender's code and the ended codes that it took over by a decision, casefolded, each with the decision's
    name: it may answer for all of them."""
    today = local(services.clock.now()).date()
    former = await services.directory.taken_over(sender.strip().upper(), today)
    return {code.casefold(): by for code, by in former.items()} | {sender.casefold(): ""}


async def _find_closed(services: IncomingServices, code: str) -> Resolution | None:
    """Return the resolution of a code that has ended, by registry rows that may redirect mail; None for any other."""
    today = local(services.clock.now()).date()
    if await services.directory.find(code, today) is not None:
        return None
    answer = await services.directory.resolve(code, today)
    return answer if answer.standing is CodeStanding.CLOSED and answer.may_refuse else None


def _make_old_code(answer: Resolution, agency: HostedAgency) -> OldCode:
    ending = answer.ending
    heirs = ending.heirs if ending is not None else ()
    heirs = (answer.successor,) if answer.successor is not None else heirs
    code = answer.entry.code if answer.entry is not None else answer.query
    return OldCode(
        code=code,
        heirs=heirs,
        is_settled=is_ours(agency, answer.successor),
        notice=_write_notice(answer, code, heirs),
    )


def _write_notice(answer: Resolution, code: str, heirs: tuple[str, ...]) -> str:
    """Write the notice to the sender: the code, how and when it ended, the decision, and the successor."""
    heir = ", ".join(heirs) or "–"
    ending = answer.ending
    if ending is None:
        last_day = answer.entry.valid_to if answer.entry is not None else None
        return labels.say(
            "reform.told_closed", code=code, day=labels.day(str(last_day)) if last_day else "–", heir=heir
        )
    return labels.say(
        "reform.told_sender",
        code=code,
        how=labels.say(f"reform.how.{ending.kind}"),
        on=labels.day(ending.since.isoformat()),
        decision=f"{ending.decision.number} ({ending.decision.issuer})",
        heir=heir,
    )
