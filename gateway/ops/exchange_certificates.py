"""Certificates that shall speak for agencies, looked at before anybody proposes them. In: PEM, DER. Out: a binding to
propose; a Clash for one that is not for signing, or whose key signs PDFs."""

from __future__ import annotations

from collections.abc import Iterable

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.domain.account import AgencyScope
from gateway.domain.proof import Binding
from gateway.errors import Clash
from gateway.outgoing.sign_pdf import has_signed_pdfs
from gateway.ports import Store
from gateway.trust.chain import usage_holds
from gateway.trust.key_material import key_id, public_key_of, read_certificate


def binding(code: str, pem: bytes, what: str) -> Binding:
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


async def never_for_pdfs(store: Store, certificates: Iterable[bytes]) -> None:
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
