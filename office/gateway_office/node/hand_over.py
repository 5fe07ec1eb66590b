"""Hand-over of closed files of records to the historical archive (R44, R103): one package for each file, and the archive's
answer. In: an open office, a file's code, a folder or a place as rclone names it; the number of the archive's receipt. Out:
the package, which appears as a whole after it is recorded, with an event for each act. Content is read piece by piece, as
any reading is: recorded, and refused where it was altered."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from gateway import __version__, retention
from gateway.atomic_files import new_file
from gateway.domain.account import AgencyScope
from gateway.domain.archive_package import (
    PART,
    Fields,
    PackageDocument,
    PackageFacts,
    PackageFile,
    stored_name,
)
from gateway.domain.book import PaperLetter
from gateway.domain.document import IncomingDocument, InState, OutgoingDocument
from gateway.domain.event import EventKind
from gateway.domain.wall_clock import local
from gateway.edxml.attachment import pieces
from gateway.errors import Clash, GatewayError, NotFound, StoreFailure
from gateway.incoming import reading
from gateway.ops import backup_copy
from gateway.ops.archive_package import TEXT, XML, PackageWriter, check
from gateway.ops.evidence import proof_text
from gateway.ops.evidence.make import EvidenceMaker
from gateway.ops.evidence.pack_file import EvidenceKey, open_key
from gateway.outgoing import files as outgoing_files
from gateway.stored_content import Door, stream_pieces
from gateway.words import labels
from gateway_office.book import file_lists
from gateway_office.bootstrap.office import Office
from gateway_office.domain.work_file import LONGEST_NOTE, LONGEST_RECEIPT, HandOver, HandOverState, WorkFile
from gateway_office.letters.work_files import Document, load_document
from gateway_office.store.store import OfficeWork

LANG = "vi"  # of texts in a package, for the archive
_PACKED = ("code", "sha256", "size", "documents", "target")
_ANSWERS = {
    HandOverState.RECEIVED: EventKind.HAND_OVER_RECEIVED,
    HandOverState.REFUSED: EventKind.HAND_OVER_REFUSED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """A file to hand over, its documents in order, and what its package says of it."""

    file: WorkFile
    ids: Sequence[str]
    facts: PackageFacts


async def pack(node: Office, scope: AgencyScope, code: str, place: str, *, is_decided: bool) -> HandOver:
    """Make and record the package of a file, and put it into the place. `is_decided`: the head decided it, so that the file
    need not be one that is kept for ever. Clash for a file that cannot go, or went before and was not refused."""
    id, folder = node.clock.new_id("hov_"), Path(place)
    async with node.store.read(scope) as work:
        case = await _load_case(work, code, id, node.clock.now(), is_decided=is_decided)
    if folder.is_dir():
        hand_over = await _pack_into(node, scope, case, folder, place)
    elif ":" not in place:
        raise NotFound(
            f"the folder {place} is missing", hint="make it, or name a place as rclone does: archive:bucket"
        )
    else:
        with tempfile.TemporaryDirectory(prefix=".handover-", dir=node.settings.node.data_dir) as staging:
            hand_over = await _pack_into(node, scope, case, Path(staging), place)
            await _send(node, scope, hand_over, Path(staging) / f"{id}.tar", place)
    return hand_over


async def answer(
    node: Office, scope: AgencyScope, id: str, state: HandOverState, receipt: str, on: date, note: str = ""
) -> HandOver:
    """Record the archive's answer to a package. Clash for one that is answered, or an answer without a number."""
    receipt, note, now = (
        " ".join(receipt.split())[:LONGEST_RECEIPT],
        note.strip()[:LONGEST_NOTE],
        node.clock.now(),
    )
    if not receipt or on > local(now).date():
        raise Clash(
            "an answer of the archive has a number, and a day that has come", code="GW-HANDOVER-RECEIPT"
        )
    async with node.store.begin(scope) as work:
        hand_over = await work.office.work_files.hand_over(id)
        # The file's row is locked, so that two answers come one after another.
        file = await work.office.work_files.get(hand_over.file_id)
        hand_over = await work.office.work_files.hand_over(id)
        if on < local(hand_over.at).date():
            raise Clash(
                "the archive answers no earlier than the package was made", code="GW-HANDOVER-RECEIPT"
            )
        if hand_over.state is not HandOverState.PACKED:
            raise Clash(f"the archive's answer to {id} is recorded", code="GW-HANDOVER-ANSWERED")
        answered = replace(
            hand_over,
            state=state,
            receipt=receipt,
            answered_on=on,
            note=note or None,
            noted_by=scope.principal_id,
            noted_at=now,
        )
        await work.office.work_files.save_hand_over(answered)
        facts = {"package": id, "code": file.code, "receipt": receipt, "on": on.isoformat()}
        await work.events.append(_ANSWERS[state], file.id, now, facts)
        if state is HandOverState.RECEIVED and file.archived_on is None:
            await work.office.work_files.save(replace(file, archived_on=on))
            await work.events.append(EventKind.FILE_ARCHIVED, file.id, now, {"code": file.code})
        await work.commit()
    return answered


async def _load_case(work: OfficeWork, code: str, id: str, at: datetime, *, is_decided: bool) -> _Case:
    file = await work.office.work_files.find(code)
    if file is None:
        raise NotFound(f"there is no file of records {code[:120]!r}")
    if file.closed_on is None:
        raise Clash(f"the work in the file {code} has not ended", code="GW-HANDOVER-OPEN")
    await _refuse_second(work, file)
    expiry = await retention.expiry_of_file(work, file.facts)
    is_permanent = expiry is not None and expiry.is_permanent
    if not is_permanent and not is_decided:
        raise Clash(
            f"the file {code} is not kept for ever; its hand-over is the head's", code="GW-HANDOVER-TERM"
        )
    lines = await file_lists.list_contents(work, file.year, code)
    days = sorted(line.issued_on for line in lines if line.issued_on is not None)
    names = await work.office.books.names([file.owner])
    period = labels.say("books.retention.permanent", LANG) if is_permanent else file.retention
    fields = (
        *_code(file),
        ("Title", file.title),
        ("Maintenance", period),
        ("Creator", names.get(file.owner)),
        ("Language", LANG),
        ("StartDate", days[0].isoformat() if days else None),
        ("EndDate", days[-1].isoformat() if days else None),
        ("DocTotal", str(len(lines))),
    )
    agency = await work.agency()
    facts = PackageFacts(
        id=id,
        title=file.title,
        agency=agency.code,
        agency_name=agency.name,
        software=f"gateway {__version__}",
        made_at=at,
        fields=_stated(fields),
    )
    return _Case(file=file, ids=[line.id for line in lines], facts=facts)


async def _refuse_second(work: OfficeWork, file: WorkFile) -> None:
    if any(h.state is not HandOverState.REFUSED for h in await work.office.work_files.hand_overs(file.id)):
        raise Clash(f"the file {file.code} was handed over", code="GW-HANDOVER-AGAIN")


async def _pack_into(node: Office, scope: AgencyScope, case: _Case, folder: Path, place: str) -> HandOver:
    """Write the package under a hidden name, read it again, record it, and give it its name."""
    keys, id = node.settings.keys, case.facts.id
    signer = await node.pool.run(partial(open_key, keys.folder, keys.passwords))
    with new_file(folder / f"{id}.tar", 0o600, alone=True) as out:
        packing = _Packing(node, scope, case, out, signer)
        hand_over = await packing.write(str(folder.absolute()) if folder == Path(place) else place)
        await node.pool.run(packing.check)
        async with node.store.begin(scope) as work:
            if await work.office.work_files.get(case.file.id) != case.file:
                raise Clash(f"the file {case.file.code} was changed meanwhile", code="GW-HANDOVER-OPEN")
            await _refuse_second(work, case.file)
            await work.office.work_files.save_hand_over(hand_over)
            facts = {"package": id} | {name: getattr(hand_over, name) for name in _PACKED}
            await work.events.append(EventKind.HAND_OVER_PACKED, case.file.id, hand_over.at, facts)
            await work.commit()
    return hand_over


async def _send(node: Office, scope: AgencyScope, hand_over: HandOver, file: Path, place: str) -> None:
    """Send the package; where that fails it counts as refused, so that the next one may be made."""
    try:
        await backup_copy.send_file(file, place)
    except GatewayError as error:
        today = local(node.clock.now()).date()
        await answer(node, scope, hand_over.id, HandOverState.REFUSED, "–", today, error.detail)
        raise


@dataclass(frozen=True, slots=True)
class _Content:
    """Bytes to put into a package, under the name and the type that they came with."""

    name: str
    media: str
    size: int
    pieces: AsyncIterator[bytes]


class _Packing:
    """Writing of one package, document after document."""

    def __init__(
        self, node: Office, scope: AgencyScope, case: _Case, out: BinaryIO, signer: EvidenceKey
    ) -> None:
        self._node, self._scope, self._case, self._out, self._signer = node, scope, case, out, signer
        self._writer = PackageWriter(out, case.facts)

    async def write(self, target: str) -> HandOver:
        """Write the package to its end."""
        file, facts, run = self._case.file, self._case.facts, self._node.pool.run
        documents = [await self._add_document(n, id) for n, id in enumerate(self._case.ids, start=1)]
        readme = labels.say("archive.readme", LANG, code=file.code, agency=facts.agency_name) + "\n"
        summary = await run(partial(self._writer.finish, documents, readme, self._signer))
        origin: dict[str, Any] = {
            "file_id": file.id,
            "code": file.code,
            "target": target,
            "by": self._scope.principal_id,
        }
        return HandOver(id=facts.id, at=facts.made_at, **origin, **asdict(summary))

    def check(self) -> None:
        """Read the package again; StoreFailure where it is not as it was written."""
        self._out.flush()
        report = check(Path(self._out.name), [self._signer.public_key])
        if report.verdict != "valid":
            raise StoreFailure(f"the package was not written as a whole: {report.faults[:3]}; make it again")

    async def _add_document(self, n: int, id: str) -> PackageDocument:
        async with self._node.store.read(self._scope) as work:
            document = await load_document(work, id)
        fields = _fields_of(self._case, n, document)
        if not isinstance(document, IncomingDocument | OutgoingDocument):
            return PackageDocument(fields=(*fields, ("Description", labels.say("archive.paper", LANG))))
        if isinstance(document, IncomingDocument) and document.state is InState.RECALLED:
            return PackageDocument(fields=(*fields, ("Description", labels.say("archive.recalled", LANG))))
        if isinstance(document, OutgoingDocument):
            outgoing_files.refuse_sealed(document)
        folder, packed = f"{PART}/data/{n:05}", list[PackageFile]()
        async for content in self._contents(document):
            path = f"{folder}/{stored_name(len(packed) + 1, content.name)}"
            packed.append(await self._copy(path, content))
        return PackageDocument(fields=fields, files=tuple(packed))

    async def _contents(self, document: IncomingDocument | OutgoingDocument) -> AsyncIterator[_Content]:
        """Yield the files with the types that they came with, the envelope, and the proof."""
        node, scope, id = self._node, self._scope, document.id
        for file in document.files:
            if isinstance(document, IncomingDocument):
                open_file = await reading.open_file(node.inn, scope, id, file.n, Door.COMMAND)
            else:
                open_file = await outgoing_files.open_file(node.out, scope, id, file.n, Door.COMMAND)
            yield _Content(file.name, file.content_type, file.size, open_file.pieces)
        if isinstance(document, IncomingDocument):
            arrived = await reading.open_envelope(node.inn, scope, id, Door.COMMAND)
            yield _Content(arrived.name, XML, arrived.size, arrived.pieces)
        elif document.envelope_digest is not None:
            async with node.store.read(scope) as work:
                sent = await outgoing_files.open_envelope(node.out, work, document)
            yield self._streamed(f"{id}.edxml", XML, sent.size, pieces(sent.open))
        try:
            proof = (await proof_text.make(node, scope, id)).to_text().encode()
            yield self._streamed(f"{id}.tlog-proof", TEXT, len(proof), iter([proof]))
        except Clash:
            # The log has no sealed line about the document yet, or its lines name no file.
            pack = await EvidenceMaker(node).make(scope, id)
            yield self._streamed(pack.name, "application/zip", pack.size, pack.pieces())

    def _streamed(self, name: str, media: str, size: int, content: Iterator[bytes]) -> _Content:
        return _Content(name, media, size, stream_pieces(self._node.pool, content))

    async def _copy(self, path: str, content: _Content) -> PackageFile:
        run, writer, media = self._node.pool.run, self._writer, content.media or "application/octet-stream"
        await run(partial(writer.begin, path, content.size))
        async for piece in content.pieces:
            await run(partial(writer.write, piece))
        return await run(partial(writer.end, path, media, content.size, content.name))


def _code(file: WorkFile) -> tuple[tuple[str, str | None], ...]:
    return ("FileCode", file.code), ("FileCatalog", f"{file.year:04}"), ("FileNotation", file.notation)


def _stated(fields: Sequence[tuple[str, str | None]]) -> Fields:
    return tuple((name, text) for name, text in fields if text)


def _fields_of(case: _Case, n: int, document: Document) -> Fields:
    """Return the fields of a document under the names of decree 30/2020."""
    header = document.draft if isinstance(document, OutgoingDocument) else document
    direction, organ, organ_name = "out", case.facts.agency, case.facts.agency_name
    arrived_on = arrival_number = signer = position = pages = None
    if isinstance(document, IncomingDocument):
        direction, organ, organ_name = "in", document.sender_code, document.sender_name or ""
        arrived_on, arrival_number = local(document.arrived_at).date().isoformat(), document.register_no
    if isinstance(header, PaperLetter):
        direction, signer = "paper", header.signer
    else:
        pages = str(header.pages) if header.pages else None
        if header.signer is not None:
            signer, position = header.signer.name, header.signer.title
    fields = (
        *_code(case.file),
        ("DocOrdinal", str(n)),
        ("DocumentId", document.id),
        ("Direction", direction),
        ("TypeName", header.type_name),
        ("CodeNumber", header.number),
        ("CodeNotation", header.symbol),
        ("IssuedDate", header.issued_on.isoformat() if header.issued_on else None),
        ("OrganId", organ),
        ("OrganName", organ_name),
        ("Subject", header.subject),
        ("Language", LANG),
        ("PageAmount", pages),
        ("SignerPosition", position),
        ("SignerName", signer),
        ("ArrivalDate", arrived_on),
        ("ArrivalNumber", arrival_number),
    )
    return _stated(fields)
