"""Collects the facts about a signing certificate at a time: its chain to our anchors, its usage, and whether it was
revoked. In: a certificate and a time. Out: `domain.proof.Evidence`, which `policy.trust` judges. Anchors and
intermediates come from files. Answers about revocation come from files that an operator puts into the trust folder and
from the database, where the node stores the answers that it fetched; nothing is fetched here. Changed files are read
again; while one of them is broken the last good answers stay in use."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from threading import Lock

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway import log, time_source
from gateway.domain.algorithms import ALGORITHMS, Algorithms
from gateway.domain.certificates import Answer, Question, RevocationSource
from gateway.domain.proof import ChainLink, Evidence
from gateway.errors import Misconfigured
from gateway.trust import chain, revocation
from gateway.trust.folder_stamps import FolderLook, Stamp
from gateway.trust.revocation import Statement

_log = logging.getLogger(__name__)

# Lists of up to 10 MB are fetched; a file may hold several.
MAX_TRUST_FILE = 64 * 1024 * 1024
_MOST_ANSWER_FILES = 1000
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class KnownAnswers:
    """Lists, and OCSP answers by serial number. OCSP answers from files are not sorted by issuer, so each is tried."""

    lists: tuple[revocation.RevocationList, ...] = ()
    by_serial: Mapping[int, tuple[bytes, ...]] = field(default_factory=dict)


class AnswerFiles:
    """Answers in the folders `crl/` (PEM) and `ocsp/` (DER) of a trust folder. Either folder may be missing."""

    def __init__(self, folder: Path) -> None:
        self._crl, self._ocsp = folder / "crl", folder / "ocsp"
        self._looks = FolderLook(self._crl, ".pem"), FolderLook(self._ocsp, ".der")
        self._lock = Lock()
        self._version_read = self.version
        self._answers = read_answer_files(self._crl, self._ocsp)

    @property
    def expected(self) -> bool:
        """True where at least one of the two folders exists."""
        return self.version != (None, None)

    def current(self) -> KnownAnswers:
        """Return the answers, read again if a file changed; the last good ones while a file is broken."""
        with self._lock:
            version = self.version
            if version != self._version_read:
                self._version_read = version
                try:
                    self._answers = read_answer_files(self._crl, self._ocsp)
                    log.action(_log, "revocation.files_read", "", lists=len(self._answers.lists))
                except Misconfigured as error:
                    _log.error(str(error), extra={"action": "revocation.file_broken", "code": error.code})
            return self._answers

    @property
    def version(self) -> tuple[Stamp | None, Stamp | None]:
        """Value that changes with every change of a file."""
        lists, answers = self._looks
        return lists.stamp(), answers.stamp()


class Answers:
    """All known answers, from files and the database. Thread-safe: fetched answers are replaced as a whole."""

    def __init__(
        self, files: AnswerFiles | None = None, fixed: KnownAnswers | None = None, *, asks: bool = False
    ) -> None:
        """Begin with `fixed` answers, which never change; `asks` is True where this node asks authorities."""
        self._files, self._fixed, self._asks = files, fixed or KnownAnswers(), asks
        self._learned: Mapping[Question, tuple[Answer, ...]] = {}
        self._lists: Mapping[str, tuple[revocation.RevocationList, ...]] = {}
        self._since: Mapping[Question, datetime] = {}
        self._turn = 0

    @property
    def expected(self) -> bool:
        """True where any source of answers is configured; else the grace for missing answers always runs (K7)."""
        files = self._files is not None and self._files.expected
        return self._asks or files or bool(self._fixed.lists or self._fixed.by_serial)

    @property
    def version(self) -> object:
        """Value that changes with every new answer."""
        return self._turn, self._files.version if self._files is not None else None

    def learn(self, answers: Iterable[Answer], since: Mapping[Question, datetime]) -> None:
        """Replace the fetched answers; `since` gives the time at which each question was first asked."""
        by_question: dict[Question, list[Answer]] = {}
        lists: dict[str, list[revocation.RevocationList]] = {}
        known_lists = {x.digest: x for group in self._lists.values() for x in group}
        for answer in answers:
            if answer.question.source is RevocationSource.LIST:
                revocation_list = known_lists.get(answer.digest) or _parse_list(answer)
                if revocation_list is not None:
                    lists.setdefault(answer.question.issuer, []).append(revocation_list)
            else:
                by_question.setdefault(answer.question, []).append(answer)
        self._lists = {issuer: tuple(group) for issuer, group in lists.items()}
        self._learned = {question: tuple(group) for question, group in by_question.items()}
        self._since = dict(since)
        self._turn += 1

    def statements(self, certificate: x509.Certificate, issuer: x509.Certificate) -> list[Statement]:
        """Return the statements of all answers about this certificate, each verified to come from its issuer."""
        file_answers = self._file_answers()
        lists = self._lists_of(file_answers, issuer)
        statements = [x.statement(certificate, issuer) for x in lists]
        serial = certificate.serial_number
        bodies = [*self._fixed.by_serial.get(serial, ()), *file_answers.by_serial.get(serial, ())]
        bodies += [x.body for x in self._learned.get(ocsp_question(certificate, issuer), ())]
        statements += [_statement_in_answer(body, certificate, issuer, lists) for body in bodies]
        return [x for x in statements if x is not None]

    def revokes(self, responder: x509.Certificate, issuer: x509.Certificate) -> bool:
        """Tell whether a known list of the issuer names this responder as revoked."""
        return _is_revoked(responder, issuer, self._lists_of(self._file_answers(), issuer))

    def _file_answers(self) -> KnownAnswers:
        return self._files.current() if self._files is not None else KnownAnswers()

    def _lists_of(
        self, file_answers: KnownAnswers, issuer: x509.Certificate
    ) -> tuple[revocation.RevocationList, ...]:
        return (*self._fixed.lists, *file_answers.lists, *self._lists.get(fingerprint(issuer), ()))

    def asked_since(self, certificate: x509.Certificate, issuer: x509.Certificate) -> datetime | None:
        """Return the time since which the node asks about this certificate or for its issuer's lists, or None."""
        own = self._since.get(ocsp_question(certificate, issuer))
        if own is not None:
            return own
        of_lists = (RevocationSource.LIST, fingerprint(issuer))
        lists = (at for q, at in self._since.items() if (q.source, q.issuer) == of_lists)
        return min(lists, default=None)


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of the certificate, in hex."""
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def ocsp_question(certificate: x509.Certificate, issuer: x509.Certificate) -> Question:
    """Return the OCSP question about one certificate."""
    return Question(
        source=RevocationSource.OCSP, issuer=fingerprint(issuer), about=f"{certificate.serial_number:x}"
    )


def read_answer_files(lists: Path, answers: Path) -> KnownAnswers:
    """Return the answers in two folders that may be missing; raise Misconfigured that names a bad file."""
    bodies_by_serial: dict[int, tuple[bytes, ...]] = {}
    for path in _inside(answers, "*.der"):
        body = read_trust_file(path)
        try:
            serial = revocation.serial_of_answer(body)
        except revocation.NoAnswer as why:
            raise Misconfigured(f"{path} holds no OCSP answer in DER form: {why}") from why
        bodies_by_serial[serial] = (*bodies_by_serial.get(serial, ()), body)
    crls = [revocation.RevocationList(x) for path in _inside(lists, "*.pem") for x in lists_in(path)]
    return KnownAnswers(lists=tuple(crls), by_serial=bodies_by_serial)


def lists_in(path: Path) -> list[x509.CertificateRevocationList]:
    """Return the revocation lists of one PEM file; raise Misconfigured when it holds none."""
    pem = read_trust_file(path)
    end = b"-----END X509 CRL-----"
    parts = [part + end for part in pem.split(end)[:-1]]
    if not parts:
        raise Misconfigured(
            f"{path} holds no revocation list in PEM form", hint="remove it, or convert it from DER"
        )
    try:
        lists = [x509.load_pem_x509_crl(part) for part in parts]
        _ = [x.issuer for x in lists]  # the library parses it only here, with errors of its own
        return lists
    except (ValueError, TypeError, x509.InvalidVersion) as why:
        raise Misconfigured(f"{path} is not a file of PEM revocation lists: {why}") from why


def read_trust_file(path: Path) -> bytes:
    """Read a whole trust file; raise Misconfigured when it is too large or cannot be read."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_TRUST_FILE + 1)
    except OSError as why:
        raise Misconfigured(f"the trust file {path} cannot be read: {why.strerror}") from why
    if len(content) > MAX_TRUST_FILE:
        raise Misconfigured(f"the trust file {path} is larger than {MAX_TRUST_FILE} bytes")
    return content


def _inside(folder: Path, pattern: str) -> Sequence[Path]:
    return sorted(folder.glob(pattern))[:_MOST_ANSWER_FILES] if folder.is_dir() else ()


def _parse_list(answer: Answer) -> revocation.RevocationList | None:
    try:
        return revocation.read_list(answer.body)
    except ValueError:  # it could be parsed when stored, so the row was changed: it says nothing
        return None


def _statement_in_answer(
    body: bytes,
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    lists: Sequence[revocation.RevocationList],
) -> Statement | None:
    try:
        statement, responder = revocation.read_answer(body, certificate, issuer)
    except revocation.NoAnswer:
        return None
    # A stolen responder's key can sign answers with any date, so answers of a revoked responder do not count.
    return None if responder is not None and _is_revoked(responder, issuer, lists) else statement


def _is_revoked(
    responder: x509.Certificate, issuer: x509.Certificate, lists: Sequence[revocation.RevocationList]
) -> bool:
    statements = (x.statement(responder, issuer) for x in lists)
    return any(x is not None and x.revoked_at is not None for x in statements)


# Packets carry the same few certificates, so each is parsed once.
_CACHE_SIZE = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class _Collected:
    """Evidence of a certificate, the version of the answers used, and the times between which the chain is valid. `path`
    is the chain where answers are configured, because the revocation state then depends on the time."""

    version: object
    valid_from: datetime
    valid_to: datetime
    evidence: Evidence
    path: chain.Chain | None


class NodeTrust:
    """Collector of facts about certificates, with the anchors, intermediates and known answers of one node; it never
    decides. Sync: call it in the pool. Safe to share between threads."""

    def __init__(
        self,
        anchors: Sequence[x509.Certificate],
        intermediates: Sequence[x509.Certificate] = (),
        *,
        answers: Answers | None = None,
        check_anchors: bool = True,
        now: Callable[[], datetime] = time_source.utc_now,
        algorithms: Algorithms = ALGORITHMS,
    ) -> None:
        """Refuse an anchor that is no authority; with `check_anchors` False such an anchor only breaks its chains. `now`
        tells which answers lie in the future."""
        for anchor in anchors:
            if check_anchors and not chain.is_authority(anchor):
                raise Misconfigured(
                    f"the trust anchor {anchor.subject.rfc4514_string()!r} is no certificate authority",
                    hint="anchors are root certificates; intermediates belong in the chain folder",
                )
        self.chains = chain.Chains(anchors, intermediates, algorithms)
        self.answers = answers or Answers()
        self._now = now
        self._collected: dict[bytes, _Collected] = {}

    @classmethod
    def from_files(
        cls,
        anchors: Path,
        chain_files: Iterable[Path] = (),
        *,
        answers: Answers | None = None,
        check_anchors: bool = True,
        now: Callable[[], datetime] = time_source.utc_now,
        algorithms: Algorithms = ALGORITHMS,
    ) -> NodeTrust:
        """Make it from PEM files; raise Misconfigured that names a bad file."""
        roots = certificates_in(anchors)
        if not roots:
            raise Misconfigured(
                f"{anchors} holds no certificate", hint="put the root certificates there, in PEM form"
            )
        intermediates = [x for path in chain_files for x in certificates_in(path)]
        return cls(
            roots,
            intermediates,
            answers=answers,
            check_anchors=check_anchors,
            now=now,
            algorithms=algorithms,
        )

    def collect(self, certificate_der: bytes, at: datetime) -> Evidence:
        """Return the evidence about the certificate at that time. An unreadable certificate is evidence too, not an
        error."""
        version, expected = self.version, self.answers.expected
        try:
            leaf = _read_certificate(certificate_der)
            subject = _subject(leaf)
        except (ValueError, TypeError, x509.InvalidVersion) as why:
            never = datetime.min.replace(tzinfo=UTC)
            return Evidence(
                chain_code="CERT-CHAIN",
                chain_detail=f"the certificate cannot be read: {why}",
                not_before=never,
                not_after=never,
                usage_ok=False,
                revocation="unknown",
            )
        path = self.chains.find(leaf, at)
        _log.debug("evidence collected", extra={"serial": f"{leaf.serial_number:x}", "code": path.code})
        collected = Evidence(
            chain_code=path.code,
            chain_detail=path.detail or " < ".join(map(_subject, path.certificates)),
            not_before=leaf.not_valid_before_utc,
            not_after=leaf.not_valid_after_utc,
            usage_ok=_usage_holds(leaf),
            revocation="unknown",
            subject=subject,
            serial=f"{leaf.serial_number:x}",
            chain=tuple([_link(x, anchor=x in self.chains.anchors) for x in path.certificates]),
        )
        evidence = self._with_standing(collected, path, at, expected=expected)
        if path.code is None:
            if len(self._collected) >= _CACHE_SIZE:
                self._collected.clear()
            self._collected[certificate_der] = _Collected(
                version=version,
                valid_from=max(
                    *(x.not_valid_before_utc for x in path.certificates),
                    *(x.begins_at for x in path.algorithms),
                ),
                valid_to=min(
                    *(x.not_valid_after_utc for x in path.certificates),
                    *(x.ends_at - _TICK for x in path.algorithms),
                ),
                evidence=evidence,
                path=path if expected else None,
            )
        return evidence

    def remembered(self, certificate_der: bytes, at: datetime) -> Evidence | None:
        """Return the evidence as `collect` would, without a search, if this certificate was collected before with a
        chain valid at that time and the same answers; else None."""
        record = self._collected.get(certificate_der)
        if record is None or record.version != self.version or not record.valid_from <= at <= record.valid_to:
            return None
        if record.path is None:
            return record.evidence
        return self._with_standing(record.evidence, record.path, at, expected=True)

    def _with_standing(
        self, evidence: Evidence, path: chain.Chain, at: datetime, *, expected: bool
    ) -> Evidence:
        standings = self._standings(path, at, expected=expected)
        standing = revocation.worst(standings)
        return replace(
            evidence,
            revocation=standing.state,
            revoked_at=standing.revoked_at,
            revocation_age_s=standing.age_s,
            revocation_source=standing.source,
            revocation_as_of=standing.as_of,
            revocation_reason=standing.reason,
            answers=tuple([x.digest for x in standings if x.digest is not None]),
        )

    @property
    def version(self) -> object:
        """Value that changes with every new answer about revocation, so that waiting packets are judged again."""
        return self.answers.version

    def _standings(
        self, path: chain.Chain, at: datetime, *, expected: bool
    ) -> list[revocation.RevocationStanding]:
        """Return a standing for each certificate below the anchor, because a revoked authority revokes the certificates
        below it."""
        if not expected:
            # K7: without configured answers the grace of K4 (revocation) runs from the time of the question.
            return [revocation.RevocationStanding(state="unknown", age_s=0.0)]
        links = list(pairwise(path.certificates))
        if not links:
            if path.code is None:  # the certificate is itself an anchor: no authority is above it
                return [revocation.RevocationStanding(state="good", age_s=0.0)]
            return [revocation.RevocationStanding(state="unknown")]
        return [
            revocation.standing(
                self.answers.statements(certificate, issuer),
                at,
                now=self._now(),
                expires=certificate.not_valid_after_utc,
                asked_since=self.answers.asked_since(certificate, issuer),
            )
            for certificate, issuer in links
        ]


@lru_cache(maxsize=_CACHE_SIZE)
def _read_certificate(certificate_der: bytes) -> x509.Certificate:
    return x509.load_der_x509_certificate(certificate_der)


@lru_cache(maxsize=_CACHE_SIZE)
def _subject(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string()


_usage_holds = lru_cache(maxsize=_CACHE_SIZE)(chain.usage_holds)


@lru_cache(maxsize=_CACHE_SIZE)
def _link(certificate: x509.Certificate, *, anchor: bool) -> ChainLink:
    return ChainLink(
        subject=_subject(certificate),
        serial=f"{certificate.serial_number:x}",
        sha256=fingerprint(certificate),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        anchor=anchor,
        der=certificate.public_bytes(Encoding.DER),
    )


def certificates_in(path: Path) -> list[x509.Certificate]:
    """Return the certificates of one PEM file."""
    try:
        return x509.load_pem_x509_certificates(read_trust_file(path))
    except (ValueError, x509.InvalidVersion) as why:
        raise Misconfigured(f"{path} is not a file of PEM certificates: {why}") from why
