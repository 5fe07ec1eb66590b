"""Files that come in parts before the document that carries them, so that what broke off goes on with the part that is
missing. In: what is to come; its parts, in any order; then the word that all are there. Out: the file as it was found
to be, for a document of the same agency to name. A part that is there is on disk, and stays as it came. Nothing here says
yes to a file: the document that carries it is checked as one whose files came with it."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from gateway.domain.account import AgencyScope
from gateway.domain.document import FileRole
from gateway.domain.identity import Digest
from gateway.domain.upload import KEPT, MOST_PARTS, OWNER, USUAL_PART, Upload, UploadPart
from gateway.edxml.attachment import pieces
from gateway.errors import AlteredContent, BadForm, Clash, NotFound, Refused
from gateway.outgoing import intake
from gateway.outgoing.check import judged
from gateway.outgoing.desk import OutDesk
from gateway.outgoing.intake import PIECE, Received, Tray, tray
from gateway.policy import door
from gateway.policy.verdict import Verdict
from gateway.store.blobs import FileScratch
from gateway.stored_content import streamed


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced:
    """A file that is to come. `sha256` is compared with what came."""

    name: str
    size: int
    sha256: Digest | None = None
    part_size: int | None = None


async def begin(desk: OutDesk, scope: AgencyScope, announced: Announced) -> Upload:
    """Refused at once for what no document may carry; Clash when the agency has as many uploads as it may."""
    await desk.admits()
    over = door.over_limit(
        announced.name, announced.size, announced.size, desk.profile, "/size", whole=True
    ) or door.check_name(announced.name, "/name")
    if over is not None:
        raise Refused(Verdict(reasons=(over,)))
    now = desk.clock.now()
    upload = Upload(
        id=desk.clock.new_id("file_"),
        agency_id=scope.agency_id,
        name=announced.name,
        size=announced.size,
        part_size=max(announced.part_size or USUAL_PART, -(-announced.size // MOST_PARTS)),
        created_at=now,
        created_by=scope.principal_id,
        expires_at=now + KEPT,
        announced=announced.sha256,
    )
    async with desk.store.begin(scope) as work:
        await work.uploads.add(upload)
        await work.commit()
    return upload


async def present(desk: OutDesk, scope: AgencyScope, id: str) -> tuple[Upload, Sequence[UploadPart]]:
    async with desk.store.read(scope) as work:
        return await work.uploads.get(id), await work.uploads.parts(id)


async def add_part(
    desk: OutDesk,
    scope: AgencyScope,
    id: str,
    n: int,
    chunks: AsyncIterator[bytes],
    announced: Digest | None = None,
) -> UploadPart:
    """On disk on return. Again is harmless; BadForm for bytes of another number or digest than was said, of which
    nothing is kept; Clash for a part that is there with other bytes."""
    await desk.admits()
    async with desk.store.read(scope) as work:
        upload = await work.uploads.get(id)
        if not 1 <= n <= upload.count:
            raise NotFound(f"{id} has {upload.count} parts; there is no part {n}")
        known = {part.n: part for part in await work.uploads.parts(id)}.get(n)
    _is_open(upload)
    with desk.blobs.scratch() as scratch:
        size, digest = await _spooled(desk, scratch, chunks, upload.size_of(n))
        if size != upload.size_of(n):
            raise BadForm(
                f"part {n} has {upload.size_of(n)} bytes, {size} came",
                code="GW-UPLOAD-SIZE",
                hint="send it again",
            )
        if announced not in (None, digest):
            raise BadForm(
                f"part {n} arrived with SHA-256 {digest}", code="GW-UPLOAD-DIGEST", hint="send it again"
            )
        part = UploadPart(n=n, size=size, sha256=digest)
        if known is not None:
            return _same(known, part)
        kept = await desk.blobs.keep(scratch, digest, size)
        async with desk.store.begin(scope) as work:
            upload = await work.uploads.get(id)
            _is_open(upload)
            if await work.uploads.add_part(id, part):
                await work.blobs.keep(kept, OWNER, id)
                await work.uploads.save(replace(upload, expires_at=desk.clock.now() + KEPT))
            else:
                _same(next(one for one in await work.uploads.parts(id) if one.n == n), part)
            await work.commit()
    return part


async def complete(desk: OutDesk, scope: AgencyScope, id: str) -> Upload:
    """What it was found to be; again is the same answer. Clash while parts are missing, or where they are together not
    what was announced. Refused for malware, and then nothing of it is kept."""
    upload, parts = await present(desk, scope, id)
    if upload.file is not None:
        return upload
    if missing := missing_of(upload, parts):
        raise Clash(f"{len(missing)} of {upload.count} parts of {id} are missing", code="GW-UPLOAD-PARTS")
    async with tray(desk) as held:
        received = await held.add(
            "file", upload.name, FileRole.APPENDIX, _content(desk, scope, upload, parts)
        )
        verdicts = judged(held, desk.profile.pdf_roles)
        if received.facts.malware is not None:
            await intake.alert_of_malware(desk, scope, held)
            await remove(desk, scope, id)
            raise Refused(door.judge_file(upload.name, received.facts, desk.profile, "/file"))
    if upload.announced not in (None, received.item.sha256):
        raise Clash(
            f"the parts of {id} are together a file with SHA-256 {received.item.sha256}, not {upload.announced}",
            code="GW-UPLOAD-OTHER",
        )
    found = replace(
        upload,
        file=received.item,
        signatures=verdicts[0] if verdicts else None,
        expires_at=desk.clock.now() + KEPT,
    )
    async with desk.store.begin(scope) as work:
        await work.uploads.get(id)
        await work.uploads.save(found)
        await work.commit()
    return found


async def remove(desk: OutDesk, scope: AgencyScope, id: str) -> None:
    """Nothing of it is kept. NotFound where there is none."""
    async with desk.store.begin(scope) as work:
        await work.uploads.get(id)
        await work.blobs.drop(OWNER, id)
        await work.uploads.remove(id)
        await work.commit()


async def take(
    desk: OutDesk, scope: AgencyScope, held: Tray, id: str, role: FileRole, name: str | None = None
) -> Received:
    """The file is in the tray as if it had come with the document, under another name where one is given. NotFound where
    the agency has no such file; Clash while it is not complete; AlteredContent when the store has other bytes than
    came."""
    upload, parts = await present(desk, scope, id)
    if upload.file is None:
        raise Clash(f"{id} is not complete", code="GW-UPLOAD-OPEN")
    received = await held.add(id, name or upload.name, role, _content(desk, scope, upload, parts))
    if received.item.sha256 != upload.file.sha256:
        raise AlteredContent(f"what the content store has of {id} is not what came; send the file anew")
    return received


def missing_of(upload: Upload, parts: Sequence[UploadPart]) -> list[int]:
    """The numbers of parts that have not come."""
    came = {part.n for part in parts}
    return [n for n in range(1, upload.count + 1) if n not in came]


def _is_open(upload: Upload) -> None:
    if upload.file is not None:
        raise Clash(f"{upload.id} is complete; it takes no more parts", code="GW-UPLOAD-COMPLETE")


def _same(known: UploadPart, part: UploadPart) -> UploadPart:
    if known != part:
        raise Clash(
            f"part {part.n} is there with other bytes (SHA-256 {known.sha256}), and stays as it came",
            code="GW-UPLOAD-TWICE",
        )
    return known


async def _content(
    desk: OutDesk, scope: AgencyScope, upload: Upload, parts: Sequence[UploadPart]
) -> AsyncIterator[bytes]:
    """All parts, one after another."""
    async with desk.store.read(scope) as work:
        openers = await desk.blobs.open_each(work, {part.sha256 for part in parts})

    def start() -> Iterator[bytes]:
        for part in parts:
            yield from pieces(openers[part.sha256])

    async for piece in streamed(desk.pool, start()):
        yield piece


async def _spooled(
    desk: OutDesk, scratch: FileScratch, chunks: AsyncIterator[bytes], most: int
) -> tuple[int, Digest]:
    """Its size and digest; of one that is too long, as far as it was read."""
    hasher, held, size, waiting = hashlib.sha256(), list[bytes](), 0, 0

    def write(given: Sequence[bytes]) -> None:
        for one in given:
            hasher.update(one)
            scratch.file.write(one)

    async for chunk in chunks:
        size += len(chunk)
        if size > most:
            return size, Digest.of_bytes(hasher.digest())
        held.append(chunk)
        waiting += len(chunk)
        if waiting >= PIECE:
            given, held, waiting = held, [], 0
            await desk.pool.run(partial(write, given))
    await desk.pool.run(partial(write, held))
    return size, Digest.of_bytes(hasher.digest())
