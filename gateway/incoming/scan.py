"""Takes in the scan of mail that a person enters by hand: the same limits and checks as for files from the axis. In: its
name and bytes as they come. Out: a `Scan` in a scratch file, kept by the entry or gone with the request."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from gateway.domain.document import FileRole, IncomingFile
from gateway.domain.files import FileFacts
from gateway.domain.identity import Digest
from gateway.errors import Refused, ScannerDown
from gateway.incoming.check import PLAIN
from gateway.incoming.desk import InDesk
from gateway.policy import contents, door
from gateway.policy.verdict import Verdict
from gateway.ports import Scratch

_POINTER = "/scan"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """One file as it was found to be, still in its scratch file."""

    name: str
    size: int
    digest: Digest
    facts: FileFacts
    scratch: Scratch

    def as_file(self) -> IncomingFile:
        return IncomingFile(
            n=1,
            name=self.name,
            content_type=self.facts.found_type,
            size=self.size,
            sha256=self.digest,
            source=self.digest,
            offset=0,
            length=self.size,
            coding=PLAIN,
            role=FileRole.LEAD,
            pages=self.facts.pages,
            found_type=self.facts.found_type,
        )


@asynccontextmanager
async def scanned(desk: InDesk, name: str, chunks: AsyncIterator[bytes]) -> AsyncIterator[Scan]:
    """Refused with every rule that the file breaks; ScannerDown while nobody can say whether it carries malware."""
    with desk.blobs.scratch() as scratch:
        digest, size = await _spooled(desk, scratch, name, chunks)
        clean = door.clean_name(name)
        facts = await desk.pool.run(
            lambda: desk.inspector.inspect(scratch.path, clean, reads_page=True, digest=digest)
        )
        said = await desk.scanner.scan(scratch.path, digest)
        facts = facts.scanned(said)
        if contents.must_wait(facts, desk.profile):
            raise ScannerDown(
                f"the scan {clean[:100]!r} could not be checked for malware now; enter it again later"
            )
        verdict = contents.judge(name, facts, desk.profile, _POINTER)
        if not verdict.allowed:
            raise Refused(verdict)
        yield Scan(name=clean, size=size, digest=digest, facts=facts, scratch=scratch)


async def _spooled(
    desk: InDesk, scratch: Scratch, name: str, chunks: AsyncIterator[bytes]
) -> tuple[Digest, int]:
    hasher, size = hashlib.sha256(), 0

    def take(piece: bytes) -> None:
        hasher.update(piece)
        scratch.file.write(piece)

    async for chunk in chunks:
        size += len(chunk)
        over = door.over_limit(name, size, size, desk.profile, _POINTER)
        if over is not None:
            raise Refused(Verdict(reasons=(over,)))
        await desk.pool.run(partial(take, chunk))
    await desk.pool.run(scratch.file.flush)
    return Digest.of_bytes(hasher.digest()), size
