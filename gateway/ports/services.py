"""The promises of the tools around the flows: clock and thread pool, for which tests bring their own; keys that sign, in a
file or on a token; PDFs read and signed, in person (R23a), malware looked for and webhooks carried, each by a library or a
program that the flows do not know; and how the node is, as the door for programs is told of it."""

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
        """Bytes of one signature on the wire, known before it is made: RSA modulus, or r and s joined."""

    @property
    def at_hand(self) -> bool:
        """Whether the key lies in this process: signing then waits for nothing."""

    def sign(self, data: bytes) -> bytes:
        """The signature over `data` in wire form: PKCS#1 v1.5, or raw r‖s with low s."""


class Clock(Protocol):
    """Aware time, a wait that tests can jump, and new ULIDs."""

    def now(self) -> datetime: ...

    def passed_s(self) -> float:
        """Seconds since some moment, by a clock that nobody sets: what passes while the machine sleeps counts."""

    def new_id(self, prefix: str = "") -> str: ...

    async def sleep(self, seconds: float) -> None: ...


class Pool(Protocol):
    """The one bounded thread pool for CPU work and file work (design 6)."""

    async def run(self, work: Callable[[], T]) -> T:
        """Runs `work` in a thread and gives its result; the event loop goes on meanwhile."""

    async def brief(self, work: Callable[[], T]) -> T:
        """The same for what takes a millisecond or two, whatever it is given, and waits for nothing: no thread is asked."""


class Readable(Protocol):
    """What can be read from its beginning as often as one likes: a path, or what is in no file."""

    @property
    def name(self) -> str: ...

    def open(self, mode: Literal["rb"], /) -> BinaryIO: ...


def size_of(file: Readable) -> int:
    """OSError where it cannot be opened."""
    with file.open("rb") as opened:
        return opened.seek(0, SEEK_END)


class PdfSignatures(Protocol):
    """Reads the signatures inside a PDF and collects what is known of their certificates; never decides, and reaches no
    network. Never raises for what the file holds, and answers within its time limit."""

    async def read(self, path: Path, seen_at: datetime, now: datetime) -> PdfFacts:
        """`seen_at` is a time for which we know ourselves that these bytes existed."""

    def read_alone(self, file: Readable, seen_at: datetime, now: datetime) -> PdfFacts | None:
        """As `read`; None where that takes another process. Sync: it looks through the file."""

    async def text(self, path: Path) -> PdfText:
        """What the pages say, each piece with its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScannerState:
    """`ok`, `off` where none is set up, or the word for what is wrong; `detail` is its version, or the cause."""

    word: str
    detail: str = ""


class Scanner(Protocol):
    """Looks for malware. Never says clean for what it did not look at, never raises for what it is given, and answers
    within its time limit: a scanner that is down is said in `unscanned`."""

    @property
    def waits(self) -> bool:
        """Whether somebody else is asked, who may be slow."""

    async def scan(self, file: Readable, digest: Digest | None) -> Scan:
        """`digest` is the SHA-256 of the file, where it is known: what was scanned a moment ago is known by it."""

    async def state(self) -> ScannerState: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """How it went, and the beginning of the answer as it came."""

    code: TryCode
    status: int | None = None
    answer: bytes = b""


class Poster(Protocol):
    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Posted:
        """One try, within limits of time and size, to an address that may be reached. Never raises for what the other side
        does; no redirect is followed."""


class HealthProbe(Protocol):
    """What a load balancer and a supervisor ask. Never raises: what cannot be told is itself a check that failed."""

    async def alive(self) -> Sequence[Diagnosis]:
        """Whether this process turns; where something `stops` it: start it anew."""

    async def ready(self) -> Sequence[Diagnosis]:
        """Whether calls can be served; where something `stops` them: ask another process, and here again later."""

    async def list_findings(self, tag: Tag) -> Sequence[Diagnosis]:
        """What the checks of that selection found, some seconds ago at most."""


class AgencyKey(Protocol):
    """The agency's own key while a person has it open. It signs PDFs and nothing else; the exchange keys of `trust.keys`
    have another shape, so that neither can be handed to the other's place. Sync: call it in the pool."""

    @property
    def facts(self) -> KeyFacts: ...

    @property
    def chain_der(self) -> Sequence[bytes]:
        """Other certificates beside the key; they may help receivers to build the chain."""

    @property
    def opened_at(self) -> datetime: ...

    def sign(self, data: bytes) -> bytes:
        """The signature over SHA-256 of `data`: PKCS#1 v1.5, or ECDSA in DER. Clash when the key does not answer."""


class PdfSigner(Protocol):
    """Looks at a PDF, shows and writes the signature. Sync: call it in the pool."""

    def examine(self, path: Path) -> PdfStanding:
        """Never raises for bad content: `fault` says it. NotFound when there is no such file."""

    def view(self, path: Path, page: int) -> PageView:
        """One page of a file that `examine` found sound."""

    def set_text(self, paragraphs: Sequence[str], type_size: float, width: float) -> Layout:
        """The paragraphs below each other, each broken into lines of that width where words allow it."""

    def image_size(self, image: bytes) -> Size:
        """The real size of a seal's image. Clash when it is not what a seal must be: PNG, transparent, red."""

    def preview(self, view: PageView, placement: Placement, image: bytes | None) -> bytes:
        """The page as a PNG: what stands on it as grey blocks, the seal or mark as it will look."""

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
        """Writes `path` and one signature behind it to `out`, durable on return. `out` is complete, or is not there: the
        new signature and all earlier ones were checked in what was written, and that what was signed is `expected`.
        Clash otherwise."""
