"""Collects what can be known about a signing certificate at a time: its chain to our anchors, its use, and whether it
was revoked. In: a certificate and a time. Out: `domain.proof.Evidence`, facts that `policy.trust` judges. Anchors and
intermediates are files. Answers about revocation are those that this process knows already, from files that an
operator puts into the trust folder and from the database where the node keeps what it fetched: nothing is fetched
here. Files of answers are read again when they change; one that broke meanwhile leaves the last good one in force."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from threading import Lock

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway import log
from gateway.domain.certificates import Answer, Question, RevocationSource
from gateway.domain.proof import ChainLink, Evidence
from gateway.errors import Misconfigured
from gateway.trust import chain, revocation
from gateway.trust.looked_at import FolderLook, Stamp
from gateway.trust.revocation import Statement

_log = logging.getLogger(__name__)

# A list is fetched up to 10 MB; files of it may hold several.
MAX_TRUST_FILE = 64 * 1024 * 1024
_MOST_ANSWER_FILES = 1000


@dataclass(frozen=True, slots=True)
class KnownAnswers:
    """Answers by what they are about. OCSP answers from files are not sorted by issuer: who asks tries them."""

    lists: tuple[revocation.RevocationList, ...] = ()
    about: Mapping[int, tuple[bytes, ...]] = field(default_factory=dict)


class AnswerFiles:
    """The folders `crl/` (PEM) and `ocsp/` (DER) below a trust folder. Neither need be there."""

    def __init__(self, folder: Path) -> None:
        self._crl, self._ocsp = folder / "crl", folder / "ocsp"
        self._looks = FolderLook(self._crl, ".pem"), FolderLook(self._ocsp, ".der")
        self._lock = Lock()
        self._seen = self.version
        self._known = read_answer_files(self._crl, self._ocsp)

    @property
    def expected(self) -> bool:
        """Whether anybody set up a place for answers."""
        return self.version != (None, None)

    def current(self) -> KnownAnswers:
        """As the files are now."""
        with self._lock:
            seen = self.version
            if seen != self._seen:
                self._seen = seen
                try:
                    self._known = read_answer_files(self._crl, self._ocsp)
                    log.action(_log, "revocation.files_read", "", lists=len(self._known.lists))
                except Misconfigured as error:
                    _log.error(str(error), extra={"action": "revocation.file_broken", "code": error.code})
            return self._known

    @property
    def version(self) -> tuple[Stamp | None, Stamp | None]:
        """Another value whenever a file changed."""
        lists, answers = self._looks
        return lists.stamp(), answers.stamp()


class Answers:
    """Everything known, from both places. Safe to share between threads: what was learned is replaced as a whole."""

    def __init__(
        self, files: AnswerFiles | None = None, fixed: KnownAnswers | None = None, *, asks: bool = False
    ) -> None:
        """`asks`: there are authorities that this node asks."""
        self._files, self._fixed, self._asks = files, fixed or KnownAnswers(), asks
        self._learned: Mapping[Question, tuple[Answer, ...]] = {}
        self._lists: Mapping[str, tuple[revocation.RevocationList, ...]] = {}
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
        lists: dict[str, list[revocation.RevocationList]] = {}
        known = {each.digest: each for some in self._lists.values() for each in some}
        for answer in answers:
            if answer.question.source is RevocationSource.LIST:
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
        known = self._in_files()
        lists = self._lists_of(known, issuer)
        found = [each.statement(certificate, issuer) for each in lists]
        serial = certificate.serial_number
        bodies = [*self._fixed.about.get(serial, ()), *known.about.get(serial, ())]
        bodies += [each.body for each in self._learned.get(ocsp_question(certificate, issuer), ())]
        found += [_said_by_answer(body, certificate, issuer, lists) for body in bodies]
        return [each for each in found if each is not None]

    def revokes(self, responder: x509.Certificate, issuer: x509.Certificate) -> bool:
        """Whether a list of the issuer that is known here names this responder of it as revoked."""
        return _is_revoked(responder, issuer, self._lists_of(self._in_files(), issuer))

    def _in_files(self) -> KnownAnswers:
        return self._files.current() if self._files is not None else KnownAnswers()

    def _lists_of(
        self, known: KnownAnswers, issuer: x509.Certificate
    ) -> tuple[revocation.RevocationList, ...]:
        return (*self._fixed.lists, *known.lists, *self._lists.get(fingerprint(issuer), ()))

    def asked_since(self, certificate: x509.Certificate, issuer: x509.Certificate) -> datetime | None:
        """When the node began to ask about this certificate, or for its issuer's lists; None when it never did."""
        own = self._since.get(ocsp_question(certificate, issuer))
        if own is not None:
            return own
        of_lists = (RevocationSource.LIST, fingerprint(issuer))
        lists = (at for each, at in self._since.items() if (each.source, each.issuer) == of_lists)
        return min(lists, default=None)


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of the certificate, in hex."""
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def ocsp_question(certificate: x509.Certificate, issuer: x509.Certificate) -> Question:
    """The question about one certificate."""
    return Question(
        source=RevocationSource.OCSP, issuer=fingerprint(issuer), about=f"{certificate.serial_number:x}"
    )


def read_answer_files(lists: Path, answers: Path) -> KnownAnswers:
    """What lies in two folders that need not be there; Misconfigured names a bad file."""
    about: dict[int, tuple[bytes, ...]] = {}
    for path in _inside(answers, "*.der"):
        body = read_trust_file(path)
        try:
            serial = revocation.serial_of_answer(body)
        except revocation.NoAnswer as why:
            raise Misconfigured(f"{path} holds no OCSP answer in DER form: {why}") from why
        about[serial] = (*about.get(serial, ()), body)
    found = [revocation.RevocationList(each) for path in _inside(lists, "*.pem") for each in lists_in(path)]
    return KnownAnswers(lists=tuple(found), about=about)


def lists_in(path: Path) -> list[x509.CertificateRevocationList]:
    """The lists of one PEM file; Misconfigured when it has none."""
    pem = read_trust_file(path)
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


def read_trust_file(path: Path) -> bytes:
    """A trust file, whole; Misconfigured when it is too large or cannot be read."""
    try:
        with path.open("rb") as file:
            found = file.read(MAX_TRUST_FILE + 1)
    except OSError as why:
        raise Misconfigured(f"the trust file {path} cannot be read: {why.strerror}") from why
    if len(found) > MAX_TRUST_FILE:
        raise Misconfigured(f"the trust file {path} is larger than {MAX_TRUST_FILE} bytes")
    return found


def _inside(folder: Path, pattern: str) -> Sequence[Path]:
    return sorted(folder.glob(pattern))[:_MOST_ANSWER_FILES] if folder.is_dir() else ()


def _list_of(answer: Answer) -> revocation.RevocationList | None:
    try:
        return revocation.read_list(answer.body)
    except ValueError:  # it was read before it was kept; a row that somebody changed since says nothing
        return None


def _said_by_answer(
    body: bytes,
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    lists: Sequence[revocation.RevocationList],
) -> Statement | None:
    try:
        said, responder = revocation.read_answer(body, certificate, issuer)
    except revocation.NoAnswer:
        return None
    # Whoever stole a responder's key writes any date into an answer: of a revoked one nothing counts, whenever made.
    return None if responder is not None and _is_revoked(responder, issuer, lists) else said


def _is_revoked(
    responder: x509.Certificate, issuer: x509.Certificate, lists: Sequence[revocation.RevocationList]
) -> bool:
    told = (each.statement(responder, issuer) for each in lists)
    return any(each is not None and each.revoked_at is not None for each in told)


# The same few certificates are asked about with every packet; what is in them is read once.
_KEPT = 1024


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Collected:
    """What was collected of a certificate, and with which answers; its chain holds from `since` until `until`. `found`: the
    chain, where answers are to be had: whether it is revoked then depends on the time."""

    version: object
    since: datetime
    until: datetime
    evidence: Evidence
    found: chain.Chain | None


class NodeTrust:
    """Collects what is known about a certificate (anchors, intermediates and known answers of one node); never decides.
    Sync: call it in the pool. Safe to share between threads."""

    def __init__(
        self,
        anchors: Sequence[x509.Certificate],
        intermediates: Sequence[x509.Certificate] = (),
        *,
        answers: Answers | None = None,
        check_anchors: bool = True,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """`check_anchors` False: an anchor that is no authority breaks every chain to it and is no error here. `now` tells
        which answers lie in the future."""
        for anchor in anchors:
            if check_anchors and not chain.is_authority(anchor):
                raise Misconfigured(
                    f"the trust anchor {anchor.subject.rfc4514_string()!r} is no certificate authority",
                    hint="anchors are root certificates; intermediates belong in the chain folder",
                )
        self.chains = chain.Chains(anchors, intermediates)
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
        now: Callable[[], datetime] = utc_now,
    ) -> NodeTrust:
        """Reads PEM files. Misconfigured names a bad file."""
        found = certificates_in(anchors)
        if not found:
            raise Misconfigured(
                f"{anchors} holds no certificate", hint="put the root certificates there, in PEM form"
            )
        between = [each for path in chain_files for each in certificates_in(path)]
        return cls(found, between, answers=answers, check_anchors=check_anchors, now=now)

    def collect(self, certificate_der: bytes, at: datetime) -> Evidence:
        """The evidence at that time. Never raises for what the certificate says; never decides."""
        version, expected = self.version, self.answers.expected
        try:
            leaf = _read_certificates(certificate_der)
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
        found = self.chains.find(leaf, at)
        _log.debug("evidence collected", extra={"serial": f"{leaf.serial_number:x}", "code": found.code})
        collected = Evidence(
            chain_code=found.code,
            chain_detail=found.detail or " < ".join(map(_subject, found.certificates)),
            not_before=leaf.not_valid_before_utc,
            not_after=leaf.not_valid_after_utc,
            usage_ok=_usage_holds(leaf),
            revocation="unknown",
            subject=subject,
            serial=f"{leaf.serial_number:x}",
            chain=tuple([_link(each, anchor=each in self.chains.anchors) for each in found.certificates]),
        )
        evidence = self._with_standing(collected, found, at, expected=expected)
        if found.code is None:
            if len(self._collected) >= _KEPT:
                self._collected.clear()
            self._collected[certificate_der] = _Collected(
                version=version,
                since=max(each.not_valid_before_utc for each in found.certificates),
                until=min(each.not_valid_after_utc for each in found.certificates),
                evidence=evidence,
                found=found if expected else None,
            )
        return evidence

    def remembered(self, certificate_der: bytes, at: datetime) -> Evidence | None:
        """The same, and brief, where the certificate, a chain that holds then and the answers known now were judged before;
        None otherwise."""
        known = self._collected.get(certificate_der)
        if known is None or known.version != self.version or not known.since <= at <= known.until:
            return None
        if known.found is None:
            return known.evidence
        return self._with_standing(known.evidence, known.found, at, expected=True)

    def _with_standing(
        self, evidence: Evidence, found: chain.Chain, at: datetime, *, expected: bool
    ) -> Evidence:
        standings = self._standings(found, at, expected=expected)
        standing = revocation.worst(standings)
        return replace(
            evidence,
            revocation=standing.state,
            revoked_at=standing.revoked_at,
            revocation_age_s=standing.age_s,
            revocation_source=standing.source,
            revocation_as_of=standing.as_of,
            revocation_reason=standing.reason,
            answers=tuple([each.digest for each in standings if each.digest is not None]),
        )

    @property
    def version(self) -> object:
        """Another value whenever more is known about revocation than before, so that what waited for it is looked at
        again."""
        return self.answers.version

    def _standings(
        self, found: chain.Chain, at: datetime, *, expected: bool
    ) -> list[revocation.RevocationStanding]:
        """One for each link below the anchor: one revoked authority revokes what it issued."""
        if not expected:
            # K7: where no answers are configured the grace of K4 counts as running, from the time of the question.
            return [revocation.RevocationStanding(state="unknown", age_s=0.0)]
        links = list(pairwise(found.certificates))
        if not links:
            if found.code is None:  # the certificate is itself an anchor: nobody above could revoke it
                return [revocation.RevocationStanding(state="good", age_s=0.0)]
            return [revocation.RevocationStanding(state="unknown")]
        return [
            revocation.standing(
                self.answers.statements(each, issuer),
                at,
                now=self._now(),
                expires=each.not_valid_after_utc,
                asked_since=self.answers.asked_since(each, issuer),
            )
            for each, issuer in links
        ]


@lru_cache(maxsize=_KEPT)
def _read_certificates(certificate_der: bytes) -> x509.Certificate:
    return x509.load_der_x509_certificate(certificate_der)


@lru_cache(maxsize=_KEPT)
def _subject(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string()


_usage_holds = lru_cache(maxsize=_KEPT)(chain.usage_holds)


@lru_cache(maxsize=_KEPT)
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
    """The certificates of one PEM file."""
    try:
        return x509.load_pem_x509_certificates(read_trust_file(path))
    except (ValueError, x509.InvalidVersion) as why:
        raise Misconfigured(f"{path} is not a file of PEM certificates: {why}") from why
