"""Certificates for operators: the authorities that this node trusts and asks, and certificates to be bound to agencies. In:
the trust folder and the store; a certificate file. Out: anchors, intermediates, and the age of revocation answers, as
frozen values for `gateway trust show`, doctor and status; a binding to propose, or a Clash for a certificate that is not
for signing, or whose key signs PDFs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.domain.account import AgencyScope
from gateway.domain.certificates import AskedQuestion, Question, RevocationSource
from gateway.domain.proof import Binding
from gateway.errors import Clash
from gateway.outgoing.sign_pdf import has_signed_pdfs
from gateway.store.revocation import Newest
from gateway.store.store import SqlStore
from gateway.trust import authorities
from gateway.trust.chain import usage_holds
from gateway.trust.evidence import certificates_in, fingerprint, read_answer_files
from gateway.trust.key_material import key_id, public_key_of, read_certificate

GOOD, FAILING, LATE = "good", "failing", "late"


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderCertificate:
    """One certificate of the trust folder."""

    role: str
    subject: str
    sha256: str
    ends_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ListState:
    """One revocation list. `made_at` is None when none was ever received; `error` tells why the last try failed."""

    issuer: str
    origin: str
    made_at: datetime | None
    ends_at: datetime | None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerState:
    """State of one authority's answers: its lists, how many certificates it is asked about by OCSP, and how many of these
    have no valid answer. `oldest` is the time of the oldest answer in use. `word`: good, failing (tries fail, but answers
    are still valid) or late (a valid answer is missing)."""

    issuer: str
    word: str
    lists: tuple[ListState, ...]
    certificates: int
    unanswered: int
    oldest: datetime | None
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustState:
    """All trusted certificates and revocation answers with which this node judges certificates."""

    certificates: tuple[FolderCertificate, ...]
    issuers: tuple[IssuerState, ...]
    files: tuple[ListState, ...]


async def trust_now(folder: Path, store: SqlStore, now: datetime) -> TrustState:
    """Return the trusted certificates and the state of revocation answers. Misconfigured when a file of the trust folder
    cannot be read."""
    intermediates = sorted((folder / "chain").glob("*.pem"))
    folder_certificates = [
        FolderCertificate(
            role=role,
            subject=certificate.subject.rfc4514_string(),
            sha256=fingerprint(certificate),
            ends_at=certificate.not_valid_after_utc,
        )
        for role, path in (("anchor", folder / "ca.pem"), *(("intermediate", path) for path in intermediates))
        for certificate in certificates_in(path)
    ]
    issuer_states = await load_issuer_states(folder, store, now)
    files = [
        ListState(
            issuer=file.listed.issuer.rfc4514_string(),
            origin="crl/",
            made_at=file.listed.last_update_utc,
            ends_at=file.listed.next_update_utc,
        )
        for file in read_answer_files(folder / "crl", folder / "ocsp").lists
    ]
    return TrustState(certificates=tuple(folder_certificates), issuers=issuer_states, files=tuple(files))


async def load_issuer_states(folder: Path, store: SqlStore, now: datetime) -> tuple[IssuerState, ...]:
    """Return the state of each authority that is configured to be asked."""
    sources = authorities.read_sources(folder)
    if not sources:
        return ()
    questions = await store.revocation.questions()
    newest = {answer.question: answer for answer in await store.revocation.newest()}
    return tuple(_issuer_state(source.issuer, questions, newest, now) for source in sources)


def _issuer_state(
    issuer: x509.Certificate,
    questions: Sequence[AskedQuestion],
    newest: Mapping[Question, Newest],
    now: datetime,
) -> IssuerState:
    issuer_id, subject = fingerprint(issuer), issuer.subject.rfc4514_string()
    own_questions = [q for q in questions if q.question.issuer == issuer_id]
    answers = {q.question: newest[q.question] for q in own_questions if q.question in newest}
    answered = {q for q, a in answers.items() if a.ends_at is None or now <= a.ends_at}
    failing = [q for q in own_questions if q.failures]
    lists = [q for q in own_questions if q.question.source is RevocationSource.LIST]
    by_ocsp = [q for q in own_questions if q.question.source is RevocationSource.OCSP]
    # A valid list answers for all certificates, so with one a silent OCSP responder leaves none unanswered.
    has_valid_list = any(q.question in answered for q in lists)
    unanswered = 0 if has_valid_list else sum(q.question not in answered for q in by_ocsp)
    is_late = not own_questions or (not has_valid_list and (unanswered > 0 or not by_ocsp))
    return IssuerState(
        issuer=subject,
        word=LATE if is_late else FAILING if failing else GOOD,
        lists=tuple(
            ListState(
                issuer=subject,
                origin=list_question.question.about,
                made_at=answer.made_at if answer else None,
                ends_at=answer.ends_at if answer else None,
                error=list_question.error,
            )
            for list_question, answer in ((q, answers.get(q.question)) for q in lists)
        ),
        certificates=len(by_ocsp),
        unanswered=unanswered,
        oldest=min((a.made_at for a in answers.values()), default=None),
        error=failing[0].error if failing else None,
    )


def binding_to_propose(code: str, pem: bytes, description: str) -> Binding:
    """Return a binding of the certificate in `pem` to the code, to be proposed. Clash when it is not made for signing."""
    certificate = read_certificate(pem, description)
    check_made_for_signing(certificate, description)
    return Binding(
        code=code.strip(),
        certificate_der=certificate.public_bytes(Encoding.DER),
        valid_from=certificate.not_valid_before_utc,
        valid_to=certificate.not_valid_after_utc,
    )


def check_made_for_signing(certificate: x509.Certificate, description: str) -> None:
    """Check that a certificate may sign packets. Clash when not: every receiver would refuse it, and quarantine packets."""
    if not usage_holds(certificate):
        raise Clash(
            f"{description} is not made for signing: no receiver would take what is signed with it",
            code="CERT-USAGE",
            hint="have it issued anew with the key usage digitalSignature or nonRepudiation, and without CA rights",
        )


async def check_never_signed_pdfs(store: SqlStore, certificates: Iterable[bytes]) -> None:
    """Check that the keys of these certificates have not signed a PDF for an agency here (R23a, separate keys); Clash when
    one has. The reverse check, that no exchange key signs a PDF, is in `policy.pdf_signing`."""
    for der in certificates:
        certificate_key = key_id(public_key_of(x509.load_der_x509_certificate(der), "the certificate"))
        for agency in await store.hosted():
            scope = AgencyScope(agency_id=agency.id, principal_id="node")
            if await has_signed_pdfs(store, scope, certificate_key):
                raise Clash(
                    f"the key {certificate_key} signed PDFs for {agency.code}: it is the agency's own and signs no packets",
                    code="KEY-SIGNS-PDF",
                    hint="make an exchange key with: gateway keys new",
                )
