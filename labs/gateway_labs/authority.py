"""A small certificate authority for the demo and for tests. In: names, public keys, a time. Out: a root, agency
certificates with the use that K3 (exchange certificates) asks for, revocation lists, and a trust folder as `gateway verify
--trust` reads it. It is no authority for real agencies: no person is checked, and its key lies in a file or in memory."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.atomic_files import write_private
from gateway.errors import Misconfigured
from gateway.trust.keys import PublicKey, agency_name, private_pem, read_certificate


class Authority:
    """One root and its key."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self._key = key
        self.certificate = certificate

    @classmethod
    def create(cls, name: str, at: datetime, valid: timedelta = timedelta(days=3650)) -> Authority:
        """Create a root, valid from a day before `at`, so that clocks a little apart agree on it."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Demo"),
                x509.NameAttribute(NameOID.COMMON_NAME, name),
            ]
        )
        builder = _begun(subject, subject, key.public_key(), at, valid, is_authority=True)
        return cls(key, builder.sign(key, hashes.SHA256()))

    @classmethod
    def load(cls, folder: Path, password: bytes | None = None) -> Authority:
        """Load the root that `save` wrote there."""
        try:
            pem = (folder / "ca.key.pem").read_bytes()
            key = serialization.load_pem_private_key(pem, password)
            certificate = read_certificate((folder / "ca.pem").read_bytes(), str(folder / "ca.pem"))
        except (OSError, ValueError, TypeError) as why:
            raise Misconfigured(f"the demo authority in {folder} cannot be opened") from why
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise Misconfigured(f"the demo authority in {folder} has a key that it did not make itself")
        return cls(key, certificate)

    def save(self, folder: Path, password: bytes | None = None) -> None:
        """Keep the root and its key in a folder; without a password the key is readable by this user."""
        write_private(folder / "ca.key.pem", private_pem(self._key, password))
        write_private(folder / "ca.pem", _pem(self.certificate))

    def issue(
        self,
        agency_code: str,
        organisation: str,
        key: PublicKey,
        at: datetime,
        valid: timedelta = timedelta(days=730),
    ) -> x509.Certificate:
        """Issue an exchange certificate for an agency's key."""
        return self._issue(agency_name(agency_code, organisation), key, at, valid)

    def issue_for_request(
        self, request_pem: bytes, at: datetime, valid: timedelta = timedelta(days=730)
    ) -> x509.Certificate:
        """Issue the certificate that a signing request asks for; the request must be signed by its own key."""
        try:
            request = x509.load_pem_x509_csr(request_pem)
            own = request.is_signature_valid
            key = request.public_key()
        except ValueError as why:
            raise Misconfigured("the certificate request is not in PEM form") from why
        if not own:
            raise Misconfigured("the certificate request is not signed by its own key")
        return self._issue(request.subject, key, at, valid)  # type: ignore[arg-type]  # a builder checks the kind

    def revocation_list(
        self,
        revoked: Sequence[tuple[x509.Certificate, datetime]],
        at: datetime,
        valid: timedelta = timedelta(days=7),
    ) -> bytes:
        """Make a revocation list of that time, as PEM."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(at)
            .next_update(at + valid)
        )
        for certificate, revoked_at in revoked:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder()
                .serial_number(certificate.serial_number)
                .revocation_date(revoked_at)
                .add_extension(x509.CRLReason(x509.ReasonFlags.key_compromise), critical=False)
                .build()
            )
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def write_trust(self, folder: Path, bound: Mapping[str, x509.Certificate]) -> None:
        """Write a trust folder: `ca.pem`, `bindings.csv` and one PEM file per agency code."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "ca.pem").write_bytes(_pem(self.certificate))
        table = io.StringIO(newline="")
        rows = csv.writer(table, lineterminator="\n")
        rows.writerow(("code", "certificate"))
        for code, certificate in sorted(bound.items()):
            (folder / f"{code}.pem").write_bytes(_pem(certificate))
            rows.writerow((code, f"{code}.pem"))
        (folder / "bindings.csv").write_text(table.getvalue(), encoding="utf-8")

    def _issue(self, subject: x509.Name, key: PublicKey, at: datetime, valid: timedelta) -> x509.Certificate:
        builder = _begun(subject, self.certificate.subject, key, at, valid, is_authority=False)
        above = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return builder.add_extension(above, critical=False).sign(self._key, hashes.SHA256())


def _begun(
    subject: x509.Name,
    issuer: x509.Name,
    key: PublicKey,
    at: datetime,
    valid: timedelta,
    *,
    is_authority: bool,
) -> x509.CertificateBuilder:
    """Begin a certificate. An authority signs certificates and lists, and nothing else; an agency signs other things."""
    usage = x509.KeyUsage(
        digital_signature=not is_authority,
        content_commitment=not is_authority,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )
    basic = x509.BasicConstraints(ca=is_authority, path_length=0 if is_authority else None)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - timedelta(days=1))
        .not_valid_after(at + valid)
        .add_extension(basic, critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
