"""Ports of the tools around the flows: clock and thread pool, which tests replace; signing keys, in a file or on a token;
reading PDFs, and signing them in person (R23a, separate keys); the malware scanner; the sender of webhooks' requests; and
the health probe of the API."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Literal, Protocol, TypeVar

from gateway.domain.certificates import AuthorityAnswer
from gateway.domain.diagnosis import Diagnosis, Tag
from gateway.domain.identity import Digest
from gateway.domain.pdf import (
    KeyFacts,
    KeyState,
    Layout,
    PageView,
    PdfStanding,
    PdfText,
    Placement,
    SignedPdf,
    Size,
)
from gateway.domain.signatures import PdfFacts, Scan, SignatureTrace
from gateway.domain.webhook import TryCode

T = TypeVar("T")


class EnvelopeSigner(Protocol):
    """Signer with one exchange key of one agency, which it does not reveal; safe to call from a worker thread."""

    @property
    def agency_code(self) -> str: ...

    @property
    def certificate_der(self) -> bytes: ...

    @property
    def algorithm(self) -> str:
        """`rsa-sha256`, `ecdsa-sha256` (P-256) or `ecdsa-sha384` (P-384)."""

    @property
    def signature_length(self) -> int:
        """Length of a signature on the wire in bytes, known before signing: of the RSA modulus, or of r and s joined."""

    @property
    def at_hand(self) -> bool:
        """True if the key is in this process, so that signing waits for no other program or device."""

    def sign(self, data: bytes) -> bytes:
        """Return the signature of `data` in wire form: PKCS#1 v1.5, or raw r‖s with low s."""


class Clock(Protocol):
    """Source of aware times, waits and new ULIDs, which tests replace."""

    def now(self) -> datetime: ...

    def passed_s(self) -> float:
        """Return seconds since some moment, by a monotonic clock that also counts the time while the machine sleeps."""

    def new_id(self, prefix: str = "") -> str: ...

    async def sleep(self, seconds: float) -> None: ...


class Pool(Protocol):
    """The one bounded thread pool for CPU work and file work."""

    async def run(self, work: Callable[[], T]) -> T:
        """Run `work` in a thread of the pool and return its result; the event loop goes on meanwhile."""

    async def brief(self, work: Callable[[], T]) -> T:
        """Run `work` on the event loop itself; it must take at most two milliseconds for any input, and never block."""


class Readable(Protocol):
    """Content that can be opened and read any number of times: a path, or bytes in memory."""

    @property
    def name(self) -> str: ...

    def open(self, mode: Literal["rb"], /) -> BinaryIO: ...


class PdfSignatures(Protocol):
    """Reader of the signatures in a PDF and of the known facts about their certificates. It gives no verdict, uses no
    network, raises no error whatever the file contains, and answers within its time limit."""

    async def read(
        self,
        path: Path,
        seen_at: datetime,
        now: datetime,
        answers: Sequence[AuthorityAnswer] = (),
        trace: SignatureTrace | None = None,
    ) -> PdfFacts:
        """Read the signatures of a PDF. `seen_at` is a time at which this node had these bytes; `answers` were fetched from
        authorities. Without a `trace` of all its bytes the file is searched for one first."""

    def read_alone(self, trace: SignatureTrace, seen_at: datetime, now: datetime) -> PdfFacts | None:
        """Read as `read` does, but from a trace of all bytes alone; None for a file that needs a process of its own."""

    async def text(self, path: Path, kind: str = "pdf") -> PdfText:
        """Read the text of the pages of a PDF, or of a picture, each piece with its position. Where scans are read, the
        first and the last page have what a machine recognises in them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScannerState:
    """State of the scanner. `word`: `ok`, `off` when none is configured, or the fault; `detail`: version or cause."""

    word: str
    detail: str = ""


class Scanner(Protocol):
    """Malware scanner. It never reports content as clean that it did not scan, raises no error whatever the content, and
    answers within its time limit; when it cannot be reached, `Scan.unscanned` tells so."""

    @property
    def waits(self) -> bool:
        """True if a scan calls another program, which may be slow."""

    async def scan(self, file: Readable, digest: Digest | None) -> Scan:
        """Scan the file. With `digest`, its SHA-256, a recent result for the same bytes may be returned."""

    async def state(self) -> ScannerState: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """Result of one POST request, with the beginning of the response's body."""

    code: TryCode
    status: int | None = None
    answer: bytes = b""


class Poster(Protocol):
    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Posted:
        """Send one POST request to an allowed address, within limits of time and size, without following redirects. Raises
        no error whatever the server does."""


class HealthProbe(Protocol):
    """Health checks for load balancers and supervisors. They raise no error: a check that cannot be made has failed."""

    async def alive(self) -> Sequence[Diagnosis]:
        """Check that this process's loops run. A diagnosis with `stops` means that the process should be restarted."""

    async def ready(self) -> Sequence[Diagnosis]:
        """Check that calls can be served. A diagnosis with `stops` means: use another process for now."""

    async def list_findings(self, tag: Tag) -> Sequence[Diagnosis]:
        """Return the findings of the checks with this tag, some seconds old at most."""


class AgencyKey(Protocol):
    """The agency's own key while a person has it open. It signs only PDFs; exchange keys (`trust.keys`) have another
    interface, so that the two cannot be confused. Its calls block, so make them in the pool."""

    @property
    def facts(self) -> KeyFacts: ...

    @property
    def chain_der(self) -> Sequence[bytes]:
        """Further certificates stored with the key, which may help receivers to build the chain."""

    @property
    def opened_at(self) -> datetime: ...

    def sign(self, data: bytes) -> bytes:
        """Return a signature over the SHA-256 of `data`: PKCS#1 v1.5, or ECDSA in DER. Clash when the key does not
        answer."""


class PdfSigner(Protocol):
    """Examiner and signer of PDFs, with a preview of the signature. Its calls block, so make them in the pool."""

    def examine(self, path: Path) -> PdfStanding:
        """Examine whether a PDF can be signed. Bad content raises no error, but is reported in `fault`. NotFound when there
        is no such file."""

    def view(self, path: Path, page: int) -> PageView:
        """Describe one page of a file in which `examine` found no fault."""

    def set_text(self, paragraphs: Sequence[str], type_size: float, width: float) -> Layout:
        """Lay out paragraphs below each other, in lines that are at most `width` wide where words allow it."""

    def image_size(self, image: bytes) -> Size:
        """Return the size of a seal's image. Clash unless it is a proper seal: PNG, transparent, red."""

    def preview(self, view: PageView, placement: Placement, image: bytes | None) -> bytes:
        """Return a PNG of the page, with its content as grey blocks and the seal or mark as it will look."""

    def check_key(self, key: AgencyKey, at: datetime) -> KeyState:
        """Check the key's certificate: its path, and whether it is revoked, which may ask its authority."""

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
        """Write the PDF `path` with one more signature to `out`, durable on return. Before `out` gets its name, the new and
        all earlier signatures are verified in the written file, and the signed bytes compared with `expected`. Clash
        otherwise."""
