"""Asks the reading process (`child`) about one PDF, within a time limit. In: a path and two times. Out: `PdfFacts`.
Taking too long is a fault of that file; a process that died or did not start is a fault of this node, so the file is
asked about again later. The next file gets a new process. Files without any trace of a signature are not given to the
process.

Also reads `roles.toml` beside the anchors: the node's rules for telling certificates of agencies from those of persons,
a list of `[[rule]]` with `role`, `part` and `is` or `begins`. Out: the rules in the order of the file, or Misconfigured
that names the error."""

from __future__ import annotations

import tomllib
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache, partial
from os import SEEK_END
from os.path import isfile
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from gateway.domain.certificates import AuthorityAnswer
from gateway.domain.pdf import PdfText
from gateway.domain.signatures import PdfFacts, RoleRule, SignatureTrace, SignerRole
from gateway.errors import Misconfigured, StoreFailure
from gateway.ports.services import Pool
from gateway.trust.apart import MB, KeptProcess, Lent, ReadingLimits

if TYPE_CHECKING:
    from gateway.trust.page_drawing.drawer import ScanReader

_PIECE = 256 * 1024
ROLES_FILE = "roles.toml"
_LARGEST_ROLES_FILE = 256 * 1024


@cache
def _facts() -> TypeAdapter[PdfFacts]:
    """Return the parser of answers, made once at the first PDF: making it takes as long as parsing a hundred answers."""
    return TypeAdapter(PdfFacts)


@cache
def _text() -> TypeAdapter[PdfText]:
    """Return the parser of texts, made once."""
    return TypeAdapter(PdfText)


@dataclass(frozen=True, slots=True, kw_only=True)
class PdfLimits(ReadingLimits):
    """Limits for reading one PDF."""

    seconds: float = 15.0
    memory: int = 1536 * MB


class PdfSandbox(KeptProcess):
    """Reading process. `folder` holds the anchors and the revocation answers; `last_days` are those of algorithms that end
    on this node."""

    module = "gateway.trust.pdf_signatures.child"
    max_questions = 1000
    area = "PDF"
    does = ("reading it", "the process that reads PDFs")

    def __init__(
        self, folder: Path, limits: PdfLimits | None = None, last_days: Mapping[str, date] | None = None
    ) -> None:
        super().__init__(folder, limits or PdfLimits())
        self._last_days = {name: day.isoformat() for name, day in (last_days or {}).items()}
        self._anchors = str(folder / "ca.pem")

    def read(
        self,
        path: Path,
        seen_at: datetime,
        now: datetime,
        *,
        even_unsigned: bool = False,
        answers: Sequence[AuthorityAnswer] = (),
    ) -> PdfFacts:
        """Return the facts about the file at `path`, by the folder and these answers. Raise StoreFailure when the file
        cannot be opened."""
        facts = self.read_alone(trace_of(path, is_present=even_unsigned), seen_at, now)
        return facts if facts is not None else self.ask(path, seen_at, now, answers)

    def ask(
        self, path: Path, seen_at: datetime, now: datetime, answers: Sequence[AuthorityAnswer] = ()
    ) -> PdfFacts:
        """Return the facts from the process, as `read` does, about a file that `read_alone` says nothing about."""
        question: dict[str, object] = {"seen_at": seen_at.isoformat(), "now": now.isoformat()}
        if self._last_days:
            question["last_days"] = self._last_days
        if answers:
            question["answers"] = [(str(x.source), b64encode(x.body).decode("ascii")) for x in answers]
        make = partial(PdfFacts, seen_at=seen_at, now=now)
        return self.look(path, question, _facts().validate_json, make)

    def read_alone(self, trace: SignatureTrace, seen_at: datetime, now: datetime) -> PdfFacts | None:
        """Return the facts about a file that is too large or has no signature; None where the process must be asked."""
        if (size_fault := self.too_large(trace.size)) is not None:
            return PdfFacts(seen_at=seen_at, now=now, fault="PDF-LIMIT", detail=size_fault)
        if trace.is_present:
            return None
        return PdfFacts(seen_at=seen_at, now=now, anchored=isfile(self._anchors))

    def text(self, path: Path) -> PdfText:
        """Return the text of a file's pages, with places. Raise StoreFailure when the file cannot be opened."""
        return self.look(path, {"what": "text"}, _text().validate_json, PdfText)


class SignatureReader:
    """Reader of PDFs with several reading processes (the `ports.services.PdfSignatures` protocol)."""

    def __init__(
        self,
        sandboxes: Sequence[PdfSandbox],
        pool: Pool,
        keep: Callable[[Sequence[str]], Awaitable[None]] | None = None,
        scans: ScanReader | None = None,
    ) -> None:
        """Take the readers. `keep` stores the answers with these digests, which the facts rest on, before the caller
        learns them; `scans` reads the text of pages that are pictures."""
        self._keep, self._scans = keep, scans
        self._sandboxes = Lent(sandboxes, pool)
        self._any = sandboxes[0]
        self._pool = pool

    def read_alone(self, trace: SignatureTrace, seen_at: datetime, now: datetime) -> PdfFacts | None:
        return self._any.read_alone(trace, seen_at, now)

    async def read(
        self,
        path: Path,
        seen_at: datetime,
        now: datetime,
        answers: Sequence[AuthorityAnswer] = (),
        trace: SignatureTrace | None = None,
    ) -> PdfFacts:
        if trace is None:
            trace = await self._pool.run(partial(trace_of, path))
        facts = self.read_alone(trace, seen_at, now)
        if facts is not None:  # no process is needed
            return facts
        facts = await self._sandboxes.run(lambda sandbox: sandbox.ask(path, seen_at, now, answers))
        if self._keep is not None and facts.answers:
            await self._keep(facts.answers)
        return facts

    async def text(self, path: Path, kind: str = "pdf") -> PdfText:
        text = PdfText()
        if kind == "pdf":
            text = await self._sandboxes.run(lambda sandbox: sandbox.text(path))
        return text if self._scans is None else await self._scans.complete(path, kind, text)


def trace_of(file: Path, *, is_present: bool = False) -> SignatureTrace:
    """Return the size of a file, whatever its type, and whether it may hold a signature, read only where that is not sure.
    Raise StoreFailure when the file cannot be opened."""
    trace = SignatureTrace(is_pdf=True, is_present=is_present)
    try:
        with file.open("rb") as opened:
            while not trace.is_present and (piece := opened.read(_PIECE)):
                trace.feed(piece)
            trace.size = opened.seek(0, SEEK_END)
    except OSError as error:
        raise StoreFailure(f"file {file.name} cannot be read: {error.strerror}") from error
    return trace


def read_roles(folder: Path) -> tuple[RoleRule, ...]:
    """Return the rules in `roles.toml`, none where the file is missing."""
    path = folder / ROLES_FILE
    if not path.is_file():
        return ()
    try:
        with path.open("rb") as file:
            content = tomllib.loads(file.read(_LARGEST_ROLES_FILE).decode())
    except OSError as why:
        raise Misconfigured(f"{path} cannot be read: {why.strerror}") from why
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as why:
        raise Misconfigured(f"{path} is no TOML file: {why}") from why
    rules = content.get("rule")
    if set(content) - {"rule"} or not isinstance(rules, list):
        raise Misconfigured(f"{path} must hold [[rule]] entries and nothing else")
    return tuple(_parse_rule(rule, n, path) for n, rule in enumerate(rules, start=1))


def _parse_rule(rule: object, n: int, path: Path) -> RoleRule:
    hint = 'write role = "agency" or "person", part = "user_id" or another part, and is = "…" or begins = "…"'
    if not isinstance(rule, dict) or not all(isinstance(value, str) for value in rule.values()):
        raise Misconfigured(f"{path}: rule {n} holds something else than text", hint=hint)
    keys = set(rule)
    if keys not in ({"role", "part", "is"}, {"role", "part", "begins"}) or rule["role"] not in [*SignerRole]:
        raise Misconfigured(f"{path}: rule {n} cannot be understood", hint=hint)
    return RoleRule(
        role=SignerRole(rule["role"]),
        part=rule["part"],
        value=rule["begins"] if "begins" in rule else rule["is"],
        begins="begins" in rule,
    )
