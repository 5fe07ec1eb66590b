"""Asks the reading process (`child`) about one PDF and waits no longer than the limit. In: a path and two times. Out:
`PdfFacts`; too long is a fault of that file, a process that died or does not start a fault of this node, to be asked
again. The next file gets a new one. Files without any mark of a signature are not handed over at all.

Beside the anchors that the process reads lies `roles.toml`, read here: the node's own rules for telling an agency's
certificate from a person's, a list of `[[rule]]` with `role`, `part` and `is` or `begins`. Out: rules in the order of
the file, or Misconfigured that names what to mend."""

from __future__ import annotations

import asyncio
import re
import threading
import tomllib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from gateway.domain.pdf import PdfText
from gateway.domain.signatures import PdfFacts, RoleRule, SignerRole
from gateway.errors import Misconfigured, StoreFailure
from gateway.ports import Pool
from gateway.ports.content import Readable, size_of
from gateway.trust.apart import GRACE_S, ReaderProcess

_MB = 1024 * 1024
_PIECE = 256 * 1024
_ANSWER = TypeAdapter(PdfFacts)
_TEXT = TypeAdapter(PdfText)
_Told = TypeVar("_Told", PdfFacts, PdfText)
# A signature's own dictionary is never compressed: its place in the file is part of what is signed.
_MARKS = re.compile(rb"/ByteRange|/Type\s*/Sig\b|/DocTimeStamp|/adbe\.|/ETSI\.|/SubFilter")
_OVERLAP = 64
_MODULE = "gateway.trust.pdf_signatures.child"
_MOST_ASKED = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class PdfLimits:
    """What one file may cost."""

    max_bytes: int = 100 * _MB
    seconds: float = 15.0
    start_seconds: float = 60.0
    memory: int = 1536 * _MB


class PdfSandbox:
    """One reading process, started at the first question and kept; questions wait for each other. Safe to share between
    threads."""

    def __init__(self, folder: Path, limits: PdfLimits | None = None) -> None:
        self._folder = folder
        self._limits = limits or PdfLimits()
        self._turn = threading.Lock()
        self._child: ReaderProcess | None = None

    def read(self, path: Path, seen_at: datetime, now: datetime, *, even_unsigned: bool = False) -> PdfFacts:
        """The facts about the file at `path`. StoreFailure when the file itself cannot be opened."""
        found = self.read_alone(path, seen_at, now, even_unsigned=even_unsigned)
        if found is not None:
            return found
        asked = {"seen_at": seen_at.isoformat(), "now": now.isoformat()}
        return self._asked(path, asked, _ANSWER, partial(PdfFacts, seen_at=seen_at, now=now))

    def read_alone(
        self, file: Readable, seen_at: datetime, now: datetime, *, even_unsigned: bool = False
    ) -> PdfFacts | None:
        """As `read`; None where the process has to be asked."""
        with _readable(file):
            if (over := self._too_large(file)) is not None:
                return PdfFacts(seen_at=seen_at, now=now, fault="PDF-LIMIT", detail=over)
            if even_unsigned or has_marks(file):
                return None
        return PdfFacts(seen_at=seen_at, now=now, anchored=(self._folder / "ca.pem").is_file())

    def text(self, path: Path) -> PdfText:
        """What the pages of the file at `path` say, with places. StoreFailure when the file itself cannot be opened."""
        with _readable(path):
            if (over := self._too_large(path)) is not None:
                return PdfText(fault="PDF-LIMIT", detail=over)
        return self._asked(path, {"what": "text"}, _TEXT, PdfText)

    def _too_large(self, file: Readable) -> str | None:
        most = self._limits.max_bytes
        return f"it is larger than {most // _MB} MB" if size_of(file) > most else None

    def close(self) -> None:
        """Ends the process, also in the middle of a file: who closes the node does not wait for it."""
        if (child := self._child) is not None:
            child.kill()
        with self._turn:
            self._end()

    def _asked(
        self, path: Path, about: Mapping[str, str], answers: TypeAdapter[_Told], made: Callable[..., _Told]
    ) -> _Told:
        with self._turn:
            if self._child is not None and self._child.is_gone:
                self._end()
            try:
                child = self._child or self._started()
                answer = child.ask({"path": str(path.resolve()), **about}, self._limits.seconds)
                told = answers.validate_json(answer)
            except TimeoutError:
                self._end()
                detail = f"reading it takes longer than {self._limits.seconds:.0f} s"
                return made(fault="PDF-LIMIT", detail=detail)
            except (OSError, EOFError, ValidationError):
                self._end()
                return made(fault="PDF-READER", detail="the process that reads PDFs ended, or did not start")
            # What the libraries keep of old files counts against the memory of later ones.
            if told.fault == "PDF-LIMIT" or child.asked >= _MOST_ASKED:
                self._end()
            return told

    def _started(self) -> ReaderProcess:
        """A process that has loaded what it needs: the time for that is no file's. EOFError when it does not come up."""
        limits = self._limits
        # Its own alarm is the later one: it matters when the node died and nobody else ends it.
        told = [str(limits.memory), str(limits.seconds + GRACE_S), str(self._folder.resolve())]
        self._child = child = ReaderProcess(_MODULE, told)
        try:
            child.answer(self._limits.start_seconds)
        except TimeoutError as why:
            raise EOFError from why
        return child

    def _end(self) -> None:
        if self._child is not None:
            self._child.end()
            self._child = None


class SignatureReader:
    """Keeps the promise of `ports.PdfSignatures` over sandboxes, as many files at a time as there are of them; each waits
    in a thread of the pool. The one used last is taken first: its process is warm, and others need not start."""

    def __init__(self, sandboxes: Sequence[PdfSandbox], pool: Pool) -> None:
        self._free: asyncio.LifoQueue[PdfSandbox] = asyncio.LifoQueue()
        for sandbox in reversed(sandboxes):
            self._free.put_nowait(sandbox)
        self._any = sandboxes[0]
        self._pool = pool

    def read_here(self, file: Readable, seen_at: datetime, now: datetime) -> PdfFacts | None:
        return self._any.read_alone(file, seen_at, now)

    async def read(self, path: Path, seen_at: datetime, now: datetime) -> PdfFacts:
        found = await self._pool.run(partial(self.read_here, path, seen_at, now))
        if found is not None:  # no process was asked
            return found
        async with self._one() as sandbox:
            return await self._pool.run(partial(sandbox.read, path, seen_at, now))

    async def text(self, path: Path) -> PdfText:
        async with self._one() as sandbox:
            return await self._pool.run(partial(sandbox.text, path))

    @asynccontextmanager
    async def _one(self) -> AsyncIterator[PdfSandbox]:
        sandbox = await self._free.get()
        try:
            yield sandbox
        finally:
            self._free.put_nowait(sandbox)


def has_marks(file: Readable) -> bool:
    """Whether the file may hold a signature: without any of these words it holds none that we would take."""
    carried = b""
    with file.open("rb") as opened:
        while piece := opened.read(_PIECE):
            if _MARKS.search(carried + piece[:_OVERLAP]) or _MARKS.search(piece):
                return True
            carried = piece[-_OVERLAP:]
    return False


@contextmanager
def _readable(file: Readable) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreFailure(f"file {file.name} cannot be read: {error.strerror}") from error


ROLES_FILE = "roles.toml"
_LARGEST_ROLES_FILE = 256 * 1024


def read_roles(folder: Path) -> tuple[RoleRule, ...]:
    """The rules; none where the file is not there."""
    path = folder / ROLES_FILE
    if not path.is_file():
        return ()
    try:
        with path.open("rb") as file:
            told = tomllib.loads(file.read(_LARGEST_ROLES_FILE).decode())
    except OSError as why:
        raise Misconfigured(f"{path} cannot be read: {why.strerror}") from why
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as why:
        raise Misconfigured(f"{path} is no TOML file: {why}") from why
    found = told.get("rule")
    if set(told) - {"rule"} or not isinstance(found, list):
        raise Misconfigured(f"{path} must hold [[rule]] entries and nothing else")
    return tuple(_rule(each, n, path) for n, each in enumerate(found, start=1))


def _rule(told: object, n: int, path: Path) -> RoleRule:
    hint = 'write role = "agency" or "person", part = "user_id" or another part, and is = "…" or begins = "…"'
    if not isinstance(told, dict) or not all(isinstance(value, str) for value in told.values()):
        raise Misconfigured(f"{path}: rule {n} holds something else than text", hint=hint)
    given = set(told)
    if given not in ({"role", "part", "is"}, {"role", "part", "begins"}) or told["role"] not in [*SignerRole]:
        raise Misconfigured(f"{path}: rule {n} cannot be understood", hint=hint)
    return RoleRule(
        role=SignerRole(told["role"]),
        part=told["part"],
        value=told["begins"] if "begins" in told else told["is"],
        begins="begins" in told,
    )
