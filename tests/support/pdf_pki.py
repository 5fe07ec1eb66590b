"""A small authority for signatures on PDFs: agencies, persons, a timestamping authority, lists of what was revoked.
Keys follow from names (`tests.support.pki`); all moments are fixed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from tests.support.pki import NOT_AFTER, NOT_BEFORE, PrivateKey, key, key_usage

SIGNED = datetime(2026, 11, 18, 3, 0, tzinfo=UTC)
SEEN_AT = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
ORGANISATION = "Sở Mẫu"
_ORGANISATION_ID = ObjectIdentifier("2.5.4.97")


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Holder of a key and a certificate."""

    certificate: x509.Certificate
    private_key: PrivateKey

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)


@dataclass(frozen=True, slots=True, kw_only=True)
class PdfAuthority(Holder):
    """Issues to signers."""

    def issue(
        self,
        common_name: str,
        *,
        agency: bool = False,
        kind: str = "p256",
        purposes: Sequence[ObjectIdentifier] = (),
        critical_purposes: bool = False,
        not_before: datetime = NOT_BEFORE,
        not_after: datetime = NOT_AFTER,
        signing: bool = True,
        extension: x509.UnrecognizedExtension | None = None,
        is_authority: bool = False,
        more: Sequence[x509.ExtensionType] = (),
    ) -> Holder:
        """Issue a good certificate of a person or agency, unless an argument says otherwise."""
        private_key = key(kind, f"pdf {common_name}")
        names = [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANISATION),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
        if agency:
            names.append(x509.NameAttribute(_ORGANISATION_ID, "VATVN-0000000000"))
        builder = _begun(x509.Name(names), private_key, self.certificate.subject, not_before, not_after)
        builder = builder.add_extension(
            x509.BasicConstraints(ca=is_authority, path_length=None), critical=True
        )
        builder = builder.add_extension(
            key_usage(digital_signature=signing, content_commitment=signing, key_cert_sign=is_authority),
            critical=True,
        )
        if purposes:
            builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=critical_purposes)
        if extension is not None:
            builder = builder.add_extension(extension, critical=True)
        for value in more:
            builder = builder.add_extension(value, critical=False)
        certificate = builder.sign(self.private_key, hashes.SHA256())
        return Holder(certificate=certificate, private_key=private_key)

    def weakly(self, holder: Holder) -> Holder:
        """Return the same certificate, signed with SHA-1."""
        form = asn1_x509.Certificate.load(holder.certificate.public_bytes(Encoding.DER))
        form["tbs_certificate"]["signature"] = form["signature_algorithm"] = {"algorithm": "sha1_ecdsa"}
        signed = form["tbs_certificate"].dump(force=True)
        assert isinstance(self.private_key, ec.EllipticCurvePrivateKey)
        digest = hashlib.sha1(signed, usedforsecurity=False).digest()
        form["signature_value"] = self.private_key.sign(digest, ec.ECDSA(Prehashed(hashes.SHA1())))  # noqa: S303
        return replace(holder, certificate=x509.load_der_x509_certificate(form.dump(force=True)))

    def crl(
        self,
        *revoked: tuple[Holder, datetime],
        this_update: datetime = NOT_BEFORE,
        next_update: datetime = NOT_AFTER,
    ) -> x509.CertificateRevocationList:
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.certificate.subject)
        builder = builder.last_update(this_update).next_update(next_update)
        for holder, at in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(holder.certificate.serial_number)
            reason = x509.CRLReason(x509.ReasonFlags.key_compromise)
            entry = entry.revocation_date(at).add_extension(reason, critical=False)
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(self.private_key, hashes.SHA256())

    def subordinate(self, name: str) -> PdfAuthority:
        return _authority(name, self)


@cache
def root(name: str = "Test PDF Root") -> PdfAuthority:
    return _authority(name, None)


@cache
def agency() -> Holder:
    return root().issue(ORGANISATION, agency=True)


@cache
def person() -> Holder:
    return root().issue("Nguyễn Văn Mẫu", purposes=(ExtendedKeyUsageOID.EMAIL_PROTECTION,))


@cache
def tsa(name: str = "Test TSA", not_after: datetime = NOT_AFTER) -> Holder:
    purposes = (ExtendedKeyUsageOID.TIME_STAMPING,)
    return root().issue(name, kind="rsa-2048", purposes=purposes, critical_purposes=True, not_after=not_after)


def folder(
    path: Path,
    *,
    anchors: Sequence[PdfAuthority] | None = None,
    chain: Sequence[PdfAuthority] = (),
    lists: Sequence[x509.CertificateRevocationList] | None = None,
) -> Path:
    """Write a trust folder for PDFs: by default with the root, and a list without entries."""
    path.mkdir(parents=True, exist_ok=True)
    trusted = (root(),) if anchors is None else anchors
    if trusted:
        (path / "ca.pem").write_bytes(b"".join(holder.pem for holder in trusted))
    for n, holder in enumerate(chain):
        (path / "chain").mkdir(exist_ok=True)
        (path / "chain" / f"{n}.pem").write_bytes(holder.pem)
    for n, crl in enumerate((root().crl(),) if lists is None else lists):
        (path / "crl").mkdir(exist_ok=True)
        (path / "crl" / f"{n}.pem").write_bytes(crl.public_bytes(Encoding.PEM))
    return path


def _authority(name: str, above: PdfAuthority | None) -> PdfAuthority:
    private_key = key("p256", f"pdf authority {name}")
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer = above.certificate.subject if above else subject
    builder = _begun(subject, private_key, issuer, NOT_BEFORE, NOT_AFTER)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    builder = builder.add_extension(key_usage(key_cert_sign=True), critical=True)
    signing = above.private_key if above else private_key
    assert isinstance(signing, ec.EllipticCurvePrivateKey)
    return PdfAuthority(certificate=builder.sign(signing, hashes.SHA256()), private_key=private_key)


def _begun(
    subject: x509.Name, private_key: PrivateKey, issuer: x509.Name, not_before: datetime, not_after: datetime
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
    builder = builder.public_key(private_key.public_key()).serial_number(x509.random_serial_number())
    return builder.not_valid_before(not_before).not_valid_after(not_after)
