"""Ports of the tools around the flows: clock and thread pool, which tests replace; signing keys, in a file or on a token;
reading and signing of PDFs, in person (R23a); the malware scanner and the poster of webhooks; and the health probe that the
API asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import SEEK_END
from pathlib import Path
from typing import BinaryIO, Literal, Protocol, TypeVar

from gateway.domain.diagnosis import Diagnosis, Tag
from gateway.domain.identity import Digest
from gateway.domain.pdf import KeyFacts, Layout, PageView, PdfStanding, PdfText, Placement, SignedPdf, Size
from gateway.domain.signatures import PdfFacts, Scan
from gateway.domain.webhook import TryCode

T = TypeVar("T")


class EnvelopeSigner(Protocol):
    """One exchange key of one agency. Signs without showing the key; safe to call from a worker thread."""

    @property
    def agency_code(self) -> str: ...

    @property
    def certificate_der(self) -> bytes: ...

    @property
    def algorithm(self) -> str:
        """`rsa-sha256`, `ecdsa-sha256` (P-256) or `ecdsa-sha384` (P-384)."""

    @property
    def signature_length(self) -> int:
        """Bytes of one signature on the wire, known before signing: RSA modulus, or r and s joined."""

    @property
    def at_hand(self) -> bool:
        """True if the key lies in this process, so that signing waits for nothing."""

    def sign(self, data: bytes) -> bytes:
        """Sign `data`; the signature is in wire form: PKCS#1 v1.5, or raw r‖s with low s."""


class Clock(Protocol):
    """Aware time, a wait that tests can jump, and new ULIDs."""

    def now(self) -> datetime: ...

    def passed_s(self) -> float:
        """Return seconds since some moment, by a monotonic clock that also counts the time while the machine sleeps."""

    def new_id(self, prefix: str = "") -> str: ...

    async def sleep(self, seconds: float) -> None: ...


class Pool(Protocol):
    """The one bounded thread pool for CPU work and file work."""

    async def run(self, work: Callable[[], T]) -> T:
        """Run `work` in a thread and return its result; the event loop goes on meanwhile."""

    async def brief(self, work: Callable[[], T]) -> T:
        """Run `work` that takes a millisecond or two for any input and never blocks, on the event loop."""


class Readable(Protocol):
    """A path, or content without a file, that can be read from its beginning any number of times."""

    @property
    def name(self) -> str: ...

    def open(self, mode: Literal["rb"], /) -> BinaryIO: ...


def size_of(file: Readable) -> int:
    """Return the size in bytes. OSError where the file cannot be opened."""
    with file.open("rb") as opened:
        return opened.seek(0, SEEK_END)


class PdfSignatures(Protocol):
    """Reader of the signatures inside a PDF and of the known facts about their certificates; never decides, and reaches no
    network. Never raises for any content of the file, and answers within its time limit."""

    async def read(self, path: Path, seen_at: datetime, now: datetime) -> PdfFacts:
        """Read the signatures. `seen_at` is a time at which this node had these bytes."""

    def read_alone(self, file: Readable, seen_at: datetime, now: datetime) -> PdfFacts | None:
        """Read as `read` does; None where that takes another process. Sync: it looks through the file."""

    async def text(self, path: Path) -> PdfText:
        """Read the text of the pages, each piece with its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScannerState:
    """`ok`, `off` where none is set up, or the word for what is wrong; `detail` is its version, or the cause."""

    word: str
    detail: str = ""


class Scanner(Protocol):
    """Malware scanner. Never says clean for content that it did not scan, never raises for any content, and answers within
    its time limit: an unreachable scanner is reported in `unscanned`."""

    @property
    def waits(self) -> bool:
        """True if a scan asks another program, which may be slow."""

    async def scan(self, file: Readable, digest: Digest | None) -> Scan:
        """Scan the file. `digest` is its SHA-256, where known: it is the key of recent answers."""

    async def state(self) -> ScannerState: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """Result of one POST, with the beginning of the raw answer."""

    code: TryCode
    status: int | None = None
    answer: bytes = b""


class Poster(Protocol):
    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Posted:
        """Try once, within limits of time and size, to post to an allowed address. Never raises for anything the other side
        does; follows no redirect."""


class HealthProbe(Protocol):
    """Health of the process for load balancers and supervisors. Never raises: a check that cannot answer has failed."""

    async def alive(self) -> Sequence[Diagnosis]:
        """Check that this process turns; a diagnosis that `stops` means: restart it."""

    async def ready(self) -> Sequence[Diagnosis]:
        """Check that calls can be served; a diagnosis that `stops` means: use another process, and retry here later."""

    async def list_findings(self, tag: Tag) -> Sequence[Diagnosis]:
        """List the findings of the checks of that selection, some seconds old at most."""


class AgencyKey(Protocol):
    """The agency's own key while a person has it open. It signs PDFs and nothing else; exchange keys (`trust.keys`) have
    another shape, so that the two cannot be confused. Sync: call it in the pool."""

    @property
    def facts(self) -> KeyFacts: ...

    @property
    def chain_der(self) -> Sequence[bytes]:
        """Other certificates beside the key; they may help receivers to build the chain."""

    @property
    def opened_at(self) -> datetime: ...

    def sign(self, data: bytes) -> bytes:
        """Sign the SHA-256 of `data`: PKCS#1 v1.5, or ECDSA in DER. Clash when the key does not answer."""


class PdfSigner(Protocol):
    """Examines a PDF, previews and writes a signature. Sync: call it in the pool."""

    def examine(self, path: Path) -> PdfStanding:
        """Examine a PDF. Never raises for bad content: `fault` says it. NotFound when there is no such file."""

    def view(self, path: Path, page: int) -> PageView:
        """Describe one page of a file that `examine` reported as sound."""

    def set_text(self, paragraphs: Sequence[str], type_size: float, width: float) -> Layout:
        """Lay out the paragraphs below each other, broken into lines of that width where words allow it."""

    def image_size(self, image: bytes) -> Size:
        """Measure a seal's image. Clash unless it is a proper seal: PNG, transparent, red."""

    def preview(self, view: PageView, placement: Placement, image: bytes | None) -> bytes:
        """Draw the page as a PNG: its content as grey blocks, the seal or mark as it will look."""

    def sign(
        self,
        path: Path,
        out: Path,
        placement: Placement,
        image: bytes | None,
        key: AgencyKey,
        at: datetime,
        expected: Digest | None = None,
    ) -> SignedPdf:
        """Write `path` with one more signature to `out`, durable on return. `out` is complete or absent: the new signature
        and all earlier ones were verified in the written file, and the signed bytes are `expected`. Clash otherwise."""
