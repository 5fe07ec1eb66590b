"""What this process knows of the authorities' answers: from files that an operator puts into the trust folder, and from
the database where the node keeps what it fetched. In: a certificate and its issuer. Out: `Statement`s. Files are read
again when they change; a file that broke meanwhile leaves the last good one in force."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Lock

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway import log
from gateway.domain.revocation import Answer, Question, Source
from gateway.errors import Misconfigured
from gateway.trust import crl, ocsp
from gateway.trust.revocation import Statement

_log = logging.getLogger(__name__)

# A list is fetched up to 10 MB; files of it may hold several.
MAX_FILE = 64 * 1024 * 1024
_MOST_FILES = 1000


@dataclass(frozen=True, slots=True)
class Known:
    """Answers by what they are about. OCSP answers from files are not sorted by issuer: who asks tries them."""

    lists: tuple[crl.RevocationList, ...] = ()
    about: Mapping[int, tuple[bytes, ...]] = field(default_factory=dict)


class AnswerFiles:
    """The folders `crl/` (PEM) and `ocsp/` (DER) below a trust folder. Neither need be there."""

    def __init__(self, folder: Path) -> None:
        self._crl, self._ocsp = folder / "crl", folder / "ocsp"
        self._lock = Lock()
        self._seen = self._look()
        self._known = read_files(self._crl, self._ocsp)

    @property
    def expected(self) -> bool:
        """Whether anybody set up a place for answers."""
        return self._crl.is_dir() or self._ocsp.is_dir()

    def current(self) -> Known:
        """As the files are now."""
        with self._lock:
            seen = self._look()
            if seen != self._seen:
                self._seen = seen
                try:
                    self._known = read_files(self._crl, self._ocsp)
                    log.action(_log, "revocation.files_read", "", lists=len(self._known.lists))
                except Misconfigured as error:
                    _log.error(str(error), extra={"action": "revocation.file_broken", "code": error.code})
            return self._known

    @property
    def version(self) -> object:
        """Another value whenever a file changed."""
        return self._look()

    def _look(self) -> tuple[tuple[str, int, int], ...]:
        found = []
        for path in (*_inside(self._crl, "*.pem"), *_inside(self._ocsp, "*.der")):
            try:
                told = path.stat()
            except OSError:
                continue
            found.append((str(path), told.st_mtime_ns, told.st_size))
        return tuple(found)


class Answers:
    """Everything known, from both places. Safe to share between threads: what was learned is replaced as a whole."""

    def __init__(
        self, files: AnswerFiles | None = None, fixed: Known | None = None, *, asks: bool = False
    ) -> None:
        """`asks`: there are authorities that this node asks."""
        self._files, self._fixed, self._asks = files, fixed or Known(), asks
        self._learned: Mapping[Question, tuple[Answer, ...]] = {}
        self._lists: Mapping[str, tuple[crl.RevocationList, ...]] = {}
        self._since: Mapping[Question, datetime] = {}
        self._turn = 0

    @property
    def expected(self) -> bool:
        """Whether answers are to be had at all; where nobody set any up the grace counts as running (K7)."""
        files = self._files is not None and self._files.expected
        return self._asks or files or bool(self._fixed.lists or self._fixed.about)

    @property
    def version(self) -> object:
        """Another value whenever something new is known."""
        return self._turn, self._files.version if self._files is not None else None

    def learn(self, answers: Iterable[Answer], since: Mapping[Question, datetime]) -> None:
        """From now on these are the fetched ones; `since` says when each question was first asked."""
        by_question: dict[Question, list[Answer]] = {}
        lists: dict[str, list[crl.RevocationList]] = {}
        known = {each.digest: each for some in self._lists.values() for each in some}
        for answer in answers:
            if answer.question.source is Source.LIST:
                read = known.get(answer.digest) or _list_of(answer)
                if read is not None:
                    lists.setdefault(answer.question.issuer, []).append(read)
            else:
                by_question.setdefault(answer.question, []).append(answer)
        self._lists = {issuer: tuple(some) for issuer, some in lists.items()}
        self._learned = {question: tuple(some) for question, some in by_question.items()}
        self._since = dict(since)
        self._turn += 1

    def statements(self, certificate: x509.Certificate, issuer: x509.Certificate) -> list[Statement]:
        """What all answers say about this certificate, each proved to come from its issuer."""
        known = self._files.current() if self._files is not None else Known()
        lists = self._lists_of(known, issuer)
        found = [each.statement(certificate, issuer) for each in lists]
        serial = certificate.serial_number
        bodies = [*self._fixed.about.get(serial, ()), *known.about.get(serial, ())]
        bodies += [each.body for each in self._learned.get(ocsp_question(certificate, issuer), ())]
        found += [_said(body, certificate, issuer, lists) for body in bodies]
        return [each for each in found if each is not None]

    def revokes(self, responder: x509.Certificate, issuer: x509.Certificate) -> bool:
        """Whether a list of the issuer that is known here names this responder of it as revoked."""
        known = self._files.current() if self._files is not None else Known()
        return _revoked(responder, issuer, self._lists_of(known, issuer))

    def _lists_of(self, known: Known, issuer: x509.Certificate) -> tuple[crl.RevocationList, ...]:
        return (*self._fixed.lists, *known.lists, *self._lists.get(fingerprint(issuer), ()))

    def asked_since(self, certificate: x509.Certificate, issuer: x509.Certificate) -> datetime | None:
        """When the node began to ask about this certificate, or for its issuer's lists; None when it never did."""
        own = self._since.get(ocsp_question(certificate, issuer))
        if own is not None:
            return own
        named = fingerprint(issuer)
        lists = [
            at
            for question, at in self._since.items()
            if (question.source, question.issuer) == (Source.LIST, named)
        ]
        return min(lists, default=None)


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of the certificate, in hex."""
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def ocsp_question(certificate: x509.Certificate, issuer: x509.Certificate) -> Question:
    """The question about one certificate."""
    return Question(source=Source.OCSP, issuer=fingerprint(issuer), about=f"{certificate.serial_number:x}")


def read_files(lists: Path, answers: Path) -> Known:
    """What lies in two folders that need not be there; Misconfigured names a bad file."""
    about: dict[int, tuple[bytes, ...]] = {}
    for path in _inside(answers, "*.der"):
        body = content(path)
        try:
            serial = ocsp.serial_of(body)
        except ocsp.NoAnswer as why:
            raise Misconfigured(f"{path} holds no OCSP answer in DER form: {why}") from why
        about[serial] = (*about.get(serial, ()), body)
    found = [crl.RevocationList(each) for path in _inside(lists, "*.pem") for each in lists_in(path)]
    return Known(lists=tuple(found), about=about)


def lists_in(path: Path) -> list[x509.CertificateRevocationList]:
    """The lists of one PEM file; Misconfigured when it has none."""
    pem = content(path)
    end = b"-----END X509 CRL-----"
    parts = [part + end for part in pem.split(end)[:-1]]
    if not parts:
        raise Misconfigured(
            f"{path} holds no revocation list in PEM form", hint="remove it, or convert it from DER"
        )
    try:
        found = [x509.load_pem_x509_crl(part) for part in parts]
        _ = [each.issuer for each in found]  # read only when it is asked for, and then with errors of its own
        return found
    except (ValueError, TypeError, x509.InvalidVersion) as why:
        raise Misconfigured(f"{path} is not a file of PEM revocation lists: {why}") from why


def content(path: Path) -> bytes:
    """A trust file, whole; Misconfigured when it is too large or cannot be read."""
    try:
        with path.open("rb") as file:
            found = file.read(MAX_FILE + 1)
    except OSError as why:
        raise Misconfigured(f"the trust file {path} cannot be read: {why.strerror}") from why
    if len(found) > MAX_FILE:
        raise Misconfigured(f"the trust file {path} is larger than {MAX_FILE} bytes")
    return found


def _inside(folder: Path, pattern: str) -> Sequence[Path]:
    return sorted(folder.glob(pattern))[:_MOST_FILES] if folder.is_dir() else ()


def _list_of(answer: Answer) -> crl.RevocationList | None:
    try:
        return crl.read(answer.body)
    except ValueError:  # it was read before it was kept; a row that somebody changed since says nothing
        return None


def _said(
    body: bytes,
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    lists: Sequence[crl.RevocationList],
) -> Statement | None:
    try:
        found = ocsp.said(body, certificate, issuer)
    except ocsp.NoAnswer:
        return None
    # Whoever stole a responder's key writes any date into an answer: of a revoked one nothing counts, whenever made.
    if found.responder is not None and _revoked(found.responder, issuer, lists):
        return None
    return found.statement


def _revoked(
    responder: x509.Certificate, issuer: x509.Certificate, lists: Sequence[crl.RevocationList]
) -> bool:
    told = (each.statement(responder, issuer) for each in lists)
    return any(each is not None and each.revoked_at is not None for each in told)
