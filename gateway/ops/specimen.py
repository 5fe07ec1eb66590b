"""Reads the certificates in a specimen of a seal or signature, which are offered for registration. In: a signed PDF or a
certificate in PEM, the trust folder. Out: each certificate with what its subject says: seal or person, name, organisation.
The subject is an offer and decides nothing; a PDF is parsed in a process of its own."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from gateway.domain.seals import CertificateKind
from gateway.domain.signatures import CertificateFacts, SignatureWord, SignerRole
from gateway.errors import NotFound, StoreFailure
from gateway.ops.pdf import is_pdf
from gateway.policy import pdf_verdict
from gateway.trust.pdf_signatures import sandbox as roles
from gateway.trust.pdf_signatures.sandbox import PdfSandbox


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedCertificate:
    """Certificate that may be registered. `verdict` is that on its signature on the specimen; None from a PEM file."""

    n: int
    kind: CertificateKind
    name: str
    organisation: str
    subject: str
    fingerprint: str
    certificate_der: bytes
    valid_from: datetime
    valid_to: datetime
    verdict: SignatureWord | None = None


def read_specimen(path: Path, pdf_trust: Path, now: datetime) -> Sequence[OfferedCertificate]:
    """Read the certificates of a file, each once. NotFound where it has none."""
    if not is_pdf(path):
        return [_from_pem(path)]
    sandbox = PdfSandbox(pdf_trust)
    try:
        facts = sandbox.read(path, now, now)
        rules = roles.read_roles(pdf_trust)
    except StoreFailure as error:
        raise NotFound(str(error), hint="give the path of one signed PDF") from error
    finally:
        sandbox.close()
    signers = pdf_verdict.judge(path.name, 1, facts, rules).signers
    words = {s.sha256: (s.role, s.verdict) for s in signers}
    certificates = {
        s.certificate.sha256: s.certificate for s in facts.signatures if s.certificate is not None
    }
    if not certificates:
        raise NotFound(
            f"{path.name} has no signature with a readable certificate", hint="give a signed specimen"
        )
    return [
        _offer(n, certificate, *words[sha256])
        for n, (sha256, certificate) in enumerate(certificates.items(), 1)
    ]


def _from_pem(path: Path) -> OfferedCertificate:
    from asn1crypto import x509 as asn1
    from cryptography.hazmat.primitives.serialization import Encoding

    from gateway.trust.key_material import read_certificate
    from gateway.trust.pdf_signatures.child import certificate_facts

    certificate = read_certificate(path.read_bytes(), str(path))
    facts = certificate_facts(asn1.Certificate.load(certificate.public_bytes(Encoding.DER)))
    if facts is None:
        raise NotFound(f"{path.name} has no readable certificate", hint="give it in PEM")
    return _offer(1, facts, pdf_verdict.role_of(facts), None)


def _offer(
    n: int, facts: CertificateFacts, role: SignerRole | None, verdict: SignatureWord | None
) -> OfferedCertificate:
    return OfferedCertificate(
        n=n,
        kind=CertificateKind.SEAL if role is SignerRole.AGENCY else CertificateKind.PERSON,
        name=pdf_verdict.name_of(facts),
        organisation=pdf_verdict.organisation_of(facts),
        subject=facts.subject,
        fingerprint=facts.sha256,
        certificate_der=base64.b64decode(facts.content),
        valid_from=facts.not_before,
        valid_to=facts.not_after,
        verdict=verdict,
    )
