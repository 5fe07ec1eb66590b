"""Step 3 of the way in: rules and file checks. In: a verified packet. Out: what its files are and the `Ruling` of
`policy.incoming`: allowed, held, sealed, or one of the cases where nobody could act. Decoded copies are scratch files
that vanish at once; the envelope is the copy kept."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import BinaryIO

from gateway.domain.account import AgencyScope
from gateway.domain.document import Kind
from gateway.domain.files import FileFacts
from gateway.domain.identity import Digest
from gateway.domain.proof import FileSlice, Finding
from gateway.edxml import attachment, schema, skeleton
from gateway.edxml.policy import Limits
from gateway.edxml.problems import Problem
from gateway.errors import ScannerDown
from gateway.incoming import old_code, signatures
from gateway.incoming.desk import InDesk, ours
from gateway.incoming.translate import Looked
from gateway.incoming.verify import Proved, pieces
from gateway.policy import incoming as rules
from gateway.policy.contents import must_wait
from gateway.ports import InboxItem, Scratch

PIECE = 256 * 1024
PLAIN = "plain"  # the file itself and no slice of an envelope: a scan that a person entered
# Broken rules of the form that change what a packet says. The others are layout, which we read liberally (design 4).
_MATTERS = frozenset({"missing", "value", "operation", "receiver", "date"})


class NotAtOnce(Exception):
    """Why a packet is not taken in by the unit that lands it: a word for the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The ruling, and the files it rests on. `source` names the octets that the slices lie in."""

    ruling: rules.Ruling
    looked: tuple[Looked, ...]
    source: Digest
    old: old_code.OldCode | None = None
    """The ended code that it was addressed to."""


async def run(
    desk: InDesk, item: InboxItem, proved: Proved, source: Digest, *, at_once: bool = False
) -> Checked:
    """Looks at every file of the packet and asks the rules. Stores nothing. `at_once` raises NotAtOnce rather than wait."""
    agency = await desk.agency(item.agency_id)
    opener = await _opened(desk, item, proved, source)
    model = proved.envelope.model
    looked, limits = [], desk.xml.limits
    for part, one in zip(proved.envelope.signed.files, model.attachments, strict=True):
        name, at = one.attachment_name, item.received_at
        found, inflated = await _looked(desk, opener, part, name, limits, at, at_once=at_once)
        looked.append(found)
        limits = replace(limits, inflated_bytes=max(limits.inflated_bytes - inflated, 0))
    # The order of another system's elements has no meaning; ours is checked to the letter (edxml.md 2.2).
    liberal = proved.octets is not None
    problems = await desk.pool.run(partial(_problems, desk.xml.limits, proved, looked))
    addressed_to = _addressed_to(proved)
    old = await old_code.addressed(desk, agency, addressed_to) if model.kind is not Kind.STATUS else None
    packet = rules.ArrivedPacket(
        our_codes=(*ours(agency), *((old.code,) if old else ())),
        addressed_to=addressed_to,
        subject=model.subject or "",
        pages=model.other.page_amount if model.other else None,
        files=tuple(
            rules.ArrivedFile(name=one.part.name, facts=one.facts, damaged=one.part.damaged) for one in looked
        ),
        findings=tuple(
            Finding(code="SCHEMA", where=problem.path, detail=problem.sentence)
            for problem in problems
            if not liberal or problem.rule in _MATTERS
        ),
    )
    ruling = rules.check(packet, desk.profile)
    return Checked(ruling=ruling, looked=tuple(looked), source=source, old=old)


def _problems(limits: Limits, proved: Proved, looked: Sequence[Looked]) -> Sequence[Problem]:
    """What the schema objects to. Where the one reading did not show that it holds, the packet is read once more."""
    if proved.judged.keeps_form():
        return ()
    liberal = proved.octets is not None
    octets = pieces(proved.open) if liberal else without_files(proved.open, looked)
    return schema.check(skeleton.skeleton(octets, limits, liberal=liberal)) or ()


async def _opened(desk: InDesk, item: InboxItem, proved: Proved, source: Digest) -> Callable[[], BinaryIO]:
    """The octets that the files are slices of: the file that was judged, or the canonical ones that lie beside it."""
    if source == item.file_digest:
        return proved.open
    async with desk.store.read(AgencyScope(agency_id=item.agency_id, principal_id="node")) as work:
        return await desk.blobs.open(work, source)


def _addressed_to(proved: Proved) -> tuple[str, ...]:
    model = proved.envelope.model
    named = model.response_for if model.kind is Kind.STATUS else model.to
    return tuple(one.organ_id for one in named if one.organ_id)


async def _looked(
    desk: InDesk,
    opener: Callable[[], BinaryIO],
    part: FileSlice,
    name: str | None,
    limits: Limits,
    seen_at: datetime,
    *,
    at_once: bool,
) -> tuple[Looked, int]:
    """The file and what it was found to be, with how much was unpacked to know. ScannerDown while nobody can say whether it
    carries malware: the packet stays landed (threat 65)."""
    if at_once and desk.scanner.waits:
        raise NotAtOnce("a scanner looks at its files")
    with desk.blobs.scratch() as scratch:

        def look() -> tuple[FileSlice, int, FileFacts | None]:
            one, inflated = _unpacked(opener, part, name, limits, scratch)
            if one.damaged is not None:
                return one, inflated, None
            found = desk.inspector.inspect(scratch.path, one.name, reads_page=one.n == 1, digest=one.sha256)
            if at_once and found.found_type == "pdf" and desk.signatures.waits(scratch.path):
                raise NotAtOnce("another process reads its signatures")
            return one, inflated, found

        part, inflated, facts = await desk.pool.run(look)
        if facts is None:
            return Looked(part=part, facts=None), inflated
        scan = await desk.scanner.scan(scratch.path, part.sha256)
        facts = facts.scanned(scan)
        if must_wait(facts, desk.profile):
            raise ScannerDown(f"a file of the packet could not be scanned for malware ({facts.unscanned})")
        facts = replace(facts, signatures=await signatures.read(desk, scratch.path, facts, part.n, seen_at))
        await desk.pool.run(scratch.discard)
    return Looked(part=part, facts=facts), inflated


def _unpacked(
    opener: Callable[[], BinaryIO], part: FileSlice, name: str | None, limits: Limits, scratch: Scratch
) -> tuple[FileSlice, int]:
    """The file in the scratch file. One that came closed is decoded, measured and written in one pass, unless it begins
    as a ZIP: only its end tells whether a person would open that or what is in it."""
    written, inflated = False, 0
    if part.is_closed:
        text = _slice(opener, part.offset, part.length)
        part, decoder = attachment.opened(part, name, text, limits, scratch.file.write)
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
        return _slice(opener, offset, length)
    return attachment.decoded_pieces(_slice(opener, offset, length), coding)


def without_files(opener: Callable[[], BinaryIO], looked: Sequence[Looked]) -> Iterator[bytes]:
    """The envelope without its files' octets, which no schema looks at. On the fast path alone: there the slices lie in
    the envelope itself, and nothing in them can open or close an element."""
    position = 0
    for one in looked:
        if not one.part.length:
            continue
        yield from _slice(opener, position, one.part.offset - position)
        position = one.part.offset + one.part.length
    yield from _slice(opener, position, sys.maxsize)


def _slice(opener: Callable[[], BinaryIO], offset: int, length: int) -> Iterator[bytes]:
    with opener() as file:
        file.seek(offset)
        while length > 0 and (piece := file.read(min(PIECE, length))):
            length -= len(piece)
            yield piece
