"""Certificates as operators look at them: the authorities that this node trusts and asks, and certificates that shall
speak for agencies. In: the trust folder and the store; a certificate file. Out: anchors, intermediates, and how old
the answers about revocation are, as frozen values for `gateway trust show`, doctor and status; a binding to propose,
or a Clash for a certificate that is not for signing, or whose key signs PDFs."""

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
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ListState:
    """One revocation list: `made_at` None where it was never had; `error` why the last try failed."""

    issuer: str
    origin: str
    made_at: datetime | None
    ends_at: datetime | None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerState:
    """What one authority answered: its lists, and about how many certificates by OCSP. `oldest` is the time of the oldest
    answer in use. `word`: good, failing (tries fail, answers still run), late (something has no answer that runs)."""

    issuer: str
    word: str
    lists: tuple[ListState, ...]
    certificates: int
    unanswered: int
    oldest: datetime | None
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustState:
    """Everything that judges a certificate here."""

    held: tuple[FolderCertificate, ...]
    asked: tuple[IssuerState, ...]
    files: tuple[ListState, ...]


async def trust_now(folder: Path, store: SqlStore, now: datetime) -> TrustState:
    """Misconfigured where a file of the folder cannot be read."""
    between = sorted((folder / "chain").glob("*.pem"))
    held = [
        FolderCertificate(
            role=role,
            subject=each.subject.rfc4514_string(),
            sha256=fingerprint(each),
            until=each.not_valid_after_utc,
        )
        for role, path in (("anchor", folder / "ca.pem"), *(("intermediate", path) for path in between))
        for each in certificates_in(path)
    ]
    asked = await authorities_asked(folder, store, now)
    files = [
        ListState(
            issuer=each.listed.issuer.rfc4514_string(),
            origin="crl/",
            made_at=each.listed.last_update_utc,
            ends_at=each.listed.next_update_utc,
        )
        for each in read_answer_files(folder / "crl", folder / "ocsp").lists
    ]
    return TrustState(held=tuple(held), asked=asked, files=tuple(files))


async def authorities_asked(folder: Path, store: SqlStore, now: datetime) -> tuple[IssuerState, ...]:
    """One for each authority that is configured to be asked."""
    sources = authorities.read_sources(folder)
    if not sources:
        return ()
    questions = await store.revocation.asked()
    newest = {each.question: each for each in await store.revocation.newest()}
    return tuple(_issuer(each.issuer, questions, newest, now) for each in sources)


def _issuer(
    issuer: x509.Certificate,
    questions: Sequence[AskedQuestion],
    newest: Mapping[Question, Newest],
    now: datetime,
) -> IssuerState:
    named, subject = fingerprint(issuer), issuer.subject.rfc4514_string()
    own = [each for each in questions if each.question.issuer == named]
    answers = {each.question: newest[each.question] for each in own if each.question in newest}
    running = {each for each, told in answers.items() if told.ends_at is None or now <= told.ends_at}
    failing = [each for each in own if each.failures]
    lists = [each for each in own if each.question.source is RevocationSource.LIST]
    by_ocsp = [each for each in own if each.question.source is RevocationSource.OCSP]
    # Where a list runs, a responder that is silent leaves nobody unanswered: each answers for the other.
    listed = any(each.question in running for each in lists)
    unanswered = 0 if listed else sum(each.question not in running for each in by_ocsp)
    late = not own or (not listed and (unanswered > 0 or not by_ocsp))
    return IssuerState(
        issuer=subject,
        word=LATE if late else FAILING if failing else GOOD,
        lists=tuple(
            ListState(
                issuer=subject,
                origin=each.question.about,
                made_at=told.made_at if told else None,
                ends_at=told.ends_at if told else None,
                error=each.error,
            )
            for each, told in ((one, answers.get(one.question)) for one in lists)
        ),
        certificates=len(by_ocsp),
        unanswered=unanswered,
        oldest=min((each.made_at for each in answers.values()), default=None),
        error=failing[0].error if failing else None,
    )


def binding_to_propose(code: str, pem: bytes, what: str) -> Binding:
    """That this certificate speaks for that code."""
    certificate = read_certificate(pem, what)
    made_for_signing(certificate, what)
    return Binding(
        code=code.strip(),
        certificate_der=certificate.public_bytes(Encoding.DER),
        valid_from=certificate.not_valid_before_utc,
        valid_to=certificate.not_valid_after_utc,
    )


def made_for_signing(certificate: x509.Certificate, what: str) -> None:
    """Clash for a certificate that every receiver would refuse at step 9: better told here than found in quarantines."""
    if not usage_holds(certificate):
        raise Clash(
            f"{what} is not made for signing: no receiver would take what is signed with it",
            code="CERT-USAGE",
            hint="have it issued anew with the key usage digitalSignature or nonRepudiation, and without CA rights",
        )


async def never_for_pdfs(store: SqlStore, certificates: Iterable[bytes]) -> None:
    """Clash for the certificate of a key that signed a PDF for an agency here (R23a): two kinds of keys, never mixed. Its
    other half, that no exchange key signs a PDF, is in `policy.pdf_signing`."""
    for der in certificates:
        mine = key_id(public_key_of(x509.load_der_x509_certificate(der), "the certificate"))
        for agency in await store.hosted():
            scope = AgencyScope(agency_id=agency.id, principal_id="node")
            if await has_signed_pdfs(store, scope, mine):
                raise Clash(
                    f"the key {mine} signed PDFs for {agency.code}: it is the agency's own and signs no packets",
                    code="KEY-SIGNS-PDF",
                    hint="make an exchange key with: gateway keys new",
                )
