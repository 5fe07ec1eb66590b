"""Takes files before the document that will carry them: in parts, so that a broken transfer continues with the missing
part, or whole in one call. In: the announcement; then the parts in any order and a request to complete the file; or all
its bytes. Out: the inspected file, which a document of the same agency may name. A stored part is on disk and never
changes. Nothing here approves a file: the document that carries it is checked as if its files had come with it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from gateway.domain.account import AgencyScope
from gateway.domain.document import FileRole
from gateway.domain.identity import Digest
from gateway.domain.upload import MOST_PARTS, OWNER, RETENTION, USUAL_PART, Upload, UploadPart
from gateway.edxml.attachment import pieces
from gateway.errors import AlteredContent, BadForm, Clash, NotFound, Refused
from gateway.outgoing import intake
from gateway.outgoing.check import list_verdicts
from gateway.outgoing.intake import Received, RequestFiles, receive_files
from gateway.outgoing.services import OutgoingServices
from gateway.outgoing.spooling import Spool
from gateway.policy import admission
from gateway.policy.verdict import Verdict
from gateway.stored_content import stream_pieces


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced:
    """File that will be uploaded. `sha256` is compared with the bytes that arrive."""

    name: str
    size: int
    sha256: Digest | None = None
    part_size: int | None = None


async def begin(services: OutgoingServices, scope: AgencyScope, announced: Announced) -> Upload:
    """Begin an upload in parts. Refused for a file that no document may carry, Clash when the agency has too many
    uploads."""
    await services.admits()
    _refuse_unsendable(services, announced.name, announced.size)
    part_size = max(announced.part_size or USUAL_PART, -(-announced.size // MOST_PARTS))
    upload = _new_upload(services, scope, announced, part_size)
    async with services.store.changing(scope) as work:
        await work.uploads.add(upload)
    return upload


async def load_upload(
    services: OutgoingServices, scope: AgencyScope, id: str
) -> tuple[Upload, Sequence[UploadPart]]:
    async with services.store.read(scope) as work:
        return await work.uploads.get(id), await work.uploads.parts(id)


async def add_part(
    services: OutgoingServices,
    scope: AgencyScope,
    id: str,
    n: int,
    chunks: AsyncIterator[bytes],
    announced: Digest | None = None,
) -> UploadPart:
    """Store one part of the upload; it is on disk on return. Repeating a part is harmless. Raises BadForm, and keeps
    nothing, for bytes of another size or digest than announced; Clash where the stored part has other bytes."""
    await services.admits()
    async with services.store.read(scope) as work:
        upload = await work.uploads.get(id)
        if not 1 <= n <= upload.count:
            raise NotFound(f"{id} has {upload.count} parts; there is no part {n}")
        stored_part = {part.n: part for part in await work.uploads.parts(id)}.get(n)
    _refuse_complete(upload)
    part_size = upload.size_of(n)

    def check_size(size: int, least: int = 0) -> None:
        if not least <= size <= part_size:
            problem = f"part {n} has {part_size} bytes, {size} came"
            raise BadForm(problem, code="GW-UPLOAD-SIZE", hint="send it again")

    with ExitStack() as call, services.blobs.scratch(few=True) as scratch:
        spool = Spool(scratch, services.pool)
        await spool.fill(chunks, check_size)
        check_size(spool.size, least=part_size)
        part = UploadPart(n=n, size=part_size, sha256=await services.pool.run(spool.end))
        _refuse_changed(f"part {n}", part.sha256, announced)
        if stored_part is not None:
            return _refuse_other_bytes(stored_part, part)
        await services.unsent.admit(scope.agency_id, part_size, call)
        content = await services.blobs.keep(scratch, part.sha256, part_size)
        async with services.store.changing(scope) as work:
            upload = await work.uploads.get(id)
            _refuse_complete(upload)
            if await work.uploads.add_part(id, part):
                await work.blobs.keep(content, OWNER, id)
                await work.uploads.save(replace(upload, expires_at=services.clock.now() + RETENTION))
            else:
                _refuse_other_bytes(next(p for p in await work.uploads.parts(id) if p.n == n), part)
    return part


async def store_file(
    services: OutgoingServices,
    scope: AgencyScope,
    name: str,
    size: int | None,
    chunks: AsyncIterator[bytes],
    announced: Digest | None = None,
) -> Upload:
    """Store a whole file in one call: it is on disk, inspected and complete on return. `size` is the sender's statement.
    A repeat is harmless: the same file under the same name returns the existing upload. Raises BadForm where the bytes
    differ from the announced digest, and Refused for malware; then nothing is kept."""
    _refuse_unsendable(services, name, size or 0)
    async with receive_files(services) as files:
        received = await files.add("file", name, FileRole.APPENDIX, chunks)
        file = received.item
        _refuse_changed("the file", file.sha256, announced)
        await _refuse_malware(services, scope, files)
        announcement = Announced(name=name, size=file.size, sha256=announced)
        upload = _with_findings(
            services, _new_upload(services, scope, announcement, max(file.size, USUAL_PART)), files
        )
        await services.unsent.admit(scope.agency_id, files.size, files.stack)
        contents = await files.keep_all()
        async with services.store.begin(scope) as work:
            for earlier in await work.uploads.all():
                if earlier.file is not None and (earlier.name, earlier.file.sha256) == (name, file.sha256):
                    upload = replace(earlier, expires_at=upload.expires_at)
                    await work.uploads.save(upload)
                    await work.commit()
                    return upload
            await work.uploads.add(upload)
            await work.uploads.add_part(upload.id, UploadPart(n=1, size=file.size, sha256=file.sha256))
            await work.blobs.keep(contents[0], OWNER, upload.id)
            await work.commit()
    return upload


async def complete(services: OutgoingServices, scope: AgencyScope, id: str) -> Upload:
    """Assemble the parts, inspect the file, and mark the upload as complete; a repeat gives the same answer. Raises Clash
    while parts are missing, or for another digest than announced; Refused for malware, and removes the upload."""
    upload, parts = await load_upload(services, scope, id)
    if upload.file is not None:
        return upload
    if missing := missing_of(upload, parts):
        raise Clash(f"{len(missing)} of {upload.count} parts of {id} are missing", code="GW-UPLOAD-PARTS")
    async with receive_files(services) as files:
        received = await files.add(
            "file", upload.name, FileRole.APPENDIX, _read_parts(services, scope, upload, parts)
        )
        try:
            await _refuse_malware(services, scope, files)
        except Refused:
            await remove(services, scope, id)
            raise
        checked = _with_findings(services, upload, files)
    if upload.announced not in (None, received.item.sha256):
        raise Clash(
            f"the parts of {id} are together a file with SHA-256 {received.item.sha256}, not {upload.announced}",
            code="GW-UPLOAD-OTHER",
        )
    async with services.store.changing(scope) as work:
        await work.uploads.get(id)
        await work.uploads.save(checked)
    return checked


async def remove(services: OutgoingServices, scope: AgencyScope, id: str) -> None:
    """Remove the upload and its parts; NotFound where there is none."""
    async with services.store.changing(scope) as work:
        await work.uploads.get(id)
        await work.blobs.drop(OWNER, id)
        await work.uploads.remove(id)


async def take(
    services: OutgoingServices,
    scope: AgencyScope,
    files: RequestFiles,
    id: str,
    role: FileRole,
    name: str | None = None,
) -> Received:
    """Add an uploaded file to the request's files as if it had come with the document, under another name if given.
    Raises NotFound where the agency has no such upload, Clash while it is not complete, and AlteredContent when the
    stored bytes are not those that were uploaded."""
    upload, parts = await load_upload(services, scope, id)
    if upload.file is None:
        raise Clash(f"{id} is not complete", code="GW-UPLOAD-OPEN")
    received = await files.add(id, name or upload.name, role, _read_parts(services, scope, upload, parts))
    if received.item.sha256 != upload.file.sha256:
        raise AlteredContent(f"what the content store has of {id} is not what came; send the file anew")
    return received


def _new_upload(
    services: OutgoingServices, scope: AgencyScope, announced: Announced, part_size: int
) -> Upload:
    now = services.clock.now()
    return Upload(
        id=services.clock.new_id("file_"),
        agency_id=scope.agency_id,
        name=announced.name,
        size=announced.size,
        part_size=part_size,
        created_at=now,
        created_by=scope.principal_id,
        expires_at=now + RETENTION,
        announced=announced.sha256,
    )


def _with_findings(services: OutgoingServices, upload: Upload, files: RequestFiles) -> Upload:
    """Return the upload with what the inspection found about the request's only file."""
    verdicts = list_verdicts(files)
    return replace(
        upload,
        file=files.received[0].item,
        signatures=verdicts[0] if verdicts else None,
        expires_at=services.clock.now() + RETENTION,
    )


def _refuse_unsendable(services: OutgoingServices, name: str, size: int) -> None:
    excess = admission.over_limit(name, size, size, services.profile, "/size", complete=True)
    excess = excess or admission.check_name(name, "/name")
    if excess is not None:
        raise Refused(Verdict(reasons=(excess,)))


def _refuse_changed(name: str, actual: Digest, announced: Digest | None) -> None:
    if announced not in (None, actual):
        raise BadForm(f"{name} arrived with SHA-256 {actual}", code="GW-UPLOAD-DIGEST", hint="send it again")


async def _refuse_malware(services: OutgoingServices, scope: AgencyScope, files: RequestFiles) -> None:
    file = files.received[0]
    if file.facts.malware is not None:
        await intake.alert_of_malware(services, scope, files)
        raise Refused(admission.judge_file(file.item.name, file.facts, services.profile, "/file"))


def missing_of(upload: Upload, parts: Sequence[UploadPart]) -> list[int]:
    """Return the numbers of the parts that have not arrived."""
    arrived = {part.n for part in parts}
    return [n for n in range(1, upload.count + 1) if n not in arrived]


def _refuse_complete(upload: Upload) -> None:
    if upload.file is not None:
        raise Clash(f"{upload.id} is complete; it takes no more parts", code="GW-UPLOAD-COMPLETE")


def _refuse_other_bytes(earlier: UploadPart, part: UploadPart) -> UploadPart:
    if earlier != part:
        raise Clash(
            f"part {part.n} is there with other bytes (SHA-256 {earlier.sha256}), and stays as it came",
            code="GW-UPLOAD-TWICE",
        )
    return earlier


async def _read_parts(
    services: OutgoingServices, scope: AgencyScope, upload: Upload, parts: Sequence[UploadPart]
) -> AsyncIterator[bytes]:
    """Read the bytes of all parts, one after another."""
    async with services.store.read(scope) as work:
        openers = await services.blobs.open_all(work, {part.sha256 for part in parts})

    def start() -> Iterator[bytes]:
        for part in parts:
            yield from pieces(openers[part.sha256])

    async for piece in stream_pieces(services.pool, start()):
        yield piece
