"""The promises of the tools around the flows: clock, thread pool, keys, trust, inspector, directory; of signing PDFs with
the agency's own key, in person (R23a); and of knowing whether a certificate was withdrawn: who is asked, what was
answered, which packets wait to hear of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Protocol, TypeVar

from gateway.domain.certificates import ANY_KEY, Answer, AskedQuestion, KeyUse, PendingRevocation, Question
from gateway.domain.diagnosis import Diagnosis, Tag
from gateway.domain.identity import Digest
from gateway.domain.pdf import KeyFacts, Layout, PageView, PdfStanding, PdfText, Placement, SignedPdf, Size
from gateway.domain.proof import Binding, Evidence
from gateway.domain.registry import AgencyEntry, Resolution
from gateway.domain.signatures import FileFacts, PdfFacts, Scan
from gateway.ports.content import Readable

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


class Keys(Protocol):
    """Exchange keys of the hosted agencies."""

    def signer(self, agency_code: str, at: datetime, use: KeyUse = ANY_KEY) -> EnvelopeSigner:
        """The key of the agency at that time, of those that may be used. NotFound when there is none (the message says the
        command). Nothing is signed yet: a key that cannot be reached is a SignerDown when it is asked to sign."""

    def opened(self, agency_code: str, at: datetime, use: KeyUse = ANY_KEY) -> EnvelopeSigner | None:
        """The same, where that key was opened before and signs in this process; None where either takes time."""

    def fault(self, agency_code: str, fingerprint: str, at: datetime, use: KeyUse) -> str | None:
        """Why what was signed under that certificate should not leave any more; None when it may."""


class Trust(Protocol):
    """Collects what is known about a certificate; never decides. Sync: call it in the pool."""

    @property
    def version(self) -> object:
        """Another value whenever more is known than before, so that what waited for it is looked at again."""

    def collect(self, certificate_der: bytes, at: datetime) -> Evidence: ...

    def remembered(self, certificate_der: bytes, at: datetime) -> Evidence | None:
        """The same, and brief, where nothing of it is judged for the first time; None otherwise."""


class Inspector(Protocol):
    """Says what a file is, by its bytes. Sync: call it in the pool. Never raises for bad content: `broken` says it."""

    def inspect(
        self, file: Readable, name: str, *, reads_page: bool = False, digest: Digest | None = None
    ) -> FileFacts:
        """`reads_page`: also the text of the first page of a PDF and its fields, which takes some time. `digest` is the
        SHA-256 of the file, where it is known: what was looked at a moment ago is known by it."""


class PdfSignatures(Protocol):
    """Reads the signatures inside a PDF and collects what is known of their certificates; never decides, and reaches no
    network. Never raises for what the file holds, and answers within its time limit."""

    async def read(self, path: Path, seen_at: datetime, now: datetime) -> PdfFacts:
        """`seen_at` is a time for which we know ourselves that these bytes existed."""

    def read_here(self, file: Readable, seen_at: datetime, now: datetime) -> PdfFacts | None:
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


class Directory(Protocol):
    """Answers for a code at a date, with the source of the row; says unknown rather than guessing."""

    async def find(self, code: str, on: date) -> AgencyEntry | None: ...

    async def resolve(self, text: str, on: date, parent: str | None = None) -> Resolution:
        """A new code, an old code, an alias, or a name under `parent`; letter case and accents ignored."""

    async def former(self, codes: Collection[str], on: date) -> Mapping[str, str]:
        """Each ended code, and old form of one, whose mail goes to one of these codes on that day, with that code."""

    async def bound(self, codes: Collection[str], at: datetime) -> Collection[str]:
        """Those of these codes for which some confirmed certificate speaks at that moment."""

    async def bindings(self, code: str) -> Sequence[Binding]:
        """Every binding of exactly this code with its validity; the verifier picks those active at its time T."""


class HealthProbe(Protocol):
    """What a load balancer and a supervisor ask. Never raises: what cannot be told is itself a check that failed."""

    async def alive(self) -> Sequence[Diagnosis]:
        """Whether this process turns; where something `stops` it: start it anew."""

    async def ready(self) -> Sequence[Diagnosis]:
        """Whether calls can be served; where something `stops` them: ask another process, and here again later."""

    async def found(self, tag: Tag) -> Sequence[Diagnosis]:
        """What the checks of that selection found, some seconds ago at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedOutcome:
    """What became of one registry feed: `applied`, `repeat` (its list is in force already) or `refused` with the code and
    the reason. Of a refused feed issuer and number are what it says itself, or nothing."""

    verdict: str
    code: str = ""
    reason: str = ""
    issuer: str = ""
    sequence: int = 0
    added: int = 0
    changed: int = 0
    closed: int = 0
    proposed: int = 0


class RegistryFeed(Protocol):
    """Keeps the registry in step with the list of its issuer; never binds a certificate."""

    async def accept(self, path: Path, by: str) -> FeedOutcome:
        """Durable on return: the feed whole, or its refusal and nothing else. StoreFailure, and nothing of either, when
        the node's own storage stood in the way. The same feed again is a repeat and changes nothing."""


class AgencyKey(Protocol):
    """The agency's own key while a person has it open. It signs PDFs and nothing else; the exchange keys of `Keys` have
    another shape, so that neither can be handed to the other's place. Sync: call it in the pool."""

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


class Authorities(Protocol):
    """Whom this node asks about certificates. Sync: call it in the pool; `learn` is quick and may be called anywhere."""

    @property
    def configured(self) -> bool:
        """Whether there is anybody to ask."""

    def issuers(self) -> Mapping[str, str]:
        """Subject of each configured authority, by the digest that questions name."""

    def questions(self, certificates: Sequence[bytes], at: datetime) -> Sequence[Question]:
        """Everything there is to ask so that these certificates can be judged."""

    def ask(self, question: Question, now: datetime) -> Answer:
        """One checked answer. Unreachable or InvalidProof when there is none now, NotFound when nobody wants it."""

    def learn(self, answers: Sequence[Answer], since: Mapping[Question, datetime]) -> None:
        """These are what is known from now on; `since` says when each question was first asked."""


class RevocationAnswers(Protocol):
    """Questions and answers of the node, shared by its processes. Each call is durable on return."""

    async def plan(self, questions: Sequence[Question], now: datetime) -> None:
        """These are the questions from now on; new ones are due at once, others than these are forgotten."""

    async def claim(self, now: datetime, limit: int, hold: timedelta) -> Sequence[AskedQuestion]:
        """Due questions, longest due first, that nobody else is asked to answer until `hold` is over."""

    async def keep(self, answer: Answer, due: datetime) -> bool:
        """False, and nothing kept, when a newer answer to the question is known: an old one is never played again."""

    async def failed(self, question: Question, due: datetime, error: str) -> None:
        """There was no answer; it is asked again when due."""

    async def drop(self, question: Question) -> None:
        """Nobody wants to know any more; answers stay."""

    async def hurry(self, now: datetime) -> int:
        """Every question is due now; how many."""

    async def asked(self) -> Sequence[AskedQuestion]:
        """Every question and how it stands with it."""

    async def version(self) -> str:
        """Another text whenever an answer or a question was added."""

    async def current(self, known: Mapping[str, Answer]) -> Sequence[Answer]:
        """The newest answer to each question, and every one that revokes. `known` are those that need not be read again, by
        digest."""

    async def use(self, digests: Sequence[str]) -> None:
        """A verdict rests on these: they are kept for ever."""

    async def read(self, digests: Sequence[str]) -> Sequence[Answer]:
        """The answers with these digests, as far as they are kept."""

    async def prune(self, before: datetime) -> int:
        """Forgets what was fetched before, replaced since, and never used; how many."""


class PendingRevocations(Protocol):
    """Packets of one agency whose certificate nobody could vouch for, in the caller's transaction."""

    async def add(self, pending: PendingRevocation) -> None:
        """The same packet again is harmless."""

    async def remove(self, inbox_id: str) -> None: ...
