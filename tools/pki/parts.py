"""The pieces of a made-up public key infrastructure: keys, certificates right or wrong in one stated way, and what an
authority answers about them (lists and OCSP). In: names, times, extensions. Out: objects of the cryptography library.
Nothing here is safe for real use: keys lie in memory or in plain files."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import NameOID

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
Extension = tuple[x509.ExtensionType, bool]
Span = tuple[datetime, datetime]
"""From and to."""

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
YEARS = 365 * DAY
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
NO_CHECK: Extension = (x509.OCSPNoCheck(), False)


@cache
def key(owner: str, kind: str = "p256") -> PrivateKey:
    """One key per owner and kind, made once per process."""
    if kind.startswith("rsa-"):
        return rsa.generate_private_key(public_exponent=65537, key_size=int(kind.removeprefix("rsa-")))
    curves: dict[str, ec.EllipticCurve] = {"p256": ec.SECP256R1(), "p192": ec.SECP192R1()}
    return ec.generate_private_key(curves[kind])


def name(common_name: str, organisation: str = "Demo") -> x509.Name:
    """Make a name like those of agencies' certificates."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def usage(*allowed: str) -> Extension:
    """Make a critical key usage with these bits."""
    bits = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{bit: bit in allowed for bit in bits}), True


SIGNING = usage("digital_signature", "content_commitment")
ISSUING = usage("key_cert_sign", "crl_sign")


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """A certificate and its key; it issues whatever it is asked to, may it or not."""

    certificate: x509.Certificate
    private_key: PrivateKey

    def issue(
        self,
        common_name: str,
        *extensions: Extension,
        valid: Span,
        authority: bool = False,
        path_length: int | None = None,
        private_key: PrivateKey | None = None,
        use: Extension | None = SIGNING,
        strong: bool = True,
        organisation: str = "Demo",
    ) -> Party:
        """Issue a certificate below this one: an authority's, or by default an agency's good one."""
        own = private_key or key(common_name)
        kinds = {type(extension) for extension, _ in extensions}
        all_extensions = list(extensions)
        if x509.BasicConstraints not in kinds:
            all_extensions.append((x509.BasicConstraints(ca=authority, path_length=path_length), True))
        if x509.KeyUsage not in kinds and use is not None:
            all_extensions.append(ISSUING if authority and use is SIGNING else use)
        subject = name(common_name, organisation)
        certificate = _certificate(self, subject, own, valid, all_extensions, strong)
        return Party(certificate=certificate, private_key=own)

    def revocation_list(
        self,
        *revoked: tuple[x509.Certificate, datetime, x509.ReasonFlags | None],
        valid: Span,
        number: int = 1,
        extensions: Sequence[Extension] = (),
    ) -> x509.CertificateRevocationList:
        """Sign a revocation list in the party's own name."""
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.certificate.subject)
        builder = builder.last_update(valid[0]).next_update(valid[1])
        builder = builder.add_extension(x509.CRLNumber(number), critical=False)
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        for certificate, at, reason in revoked:
            revocation = x509.RevokedCertificateBuilder().serial_number(certificate.serial_number)
            revocation = revocation.revocation_date(at)
            if reason is not None:
                revocation = revocation.add_extension(x509.CRLReason(reason), critical=False)
            builder = builder.add_revoked_certificate(revocation.build())
        return builder.sign(self.private_key, hashes.SHA256())


def root(common_name: str, valid: Span, private_key: PrivateKey | None = None) -> Party:
    """Make a self-signed authority."""
    own = private_key or key(common_name)
    subject = name(common_name)
    builder = _builder(subject, own, valid).issuer_name(subject)
    for extension, critical in ((x509.BasicConstraints(ca=True, path_length=None), True), ISSUING):
        builder = builder.add_extension(extension, critical=critical)
    return Party(certificate=builder.sign(own, hashes.SHA256()), private_key=own)


def _certificate(
    issuer: Party,
    subject: x509.Name,
    own: PrivateKey,
    valid: Span,
    extensions: Sequence[Extension],
    strong: bool,
) -> x509.Certificate:
    builder = _builder(subject, own, valid).issuer_name(issuer.certificate.subject)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    public = issuer.private_key.public_key()
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False
    )
    certificate = builder.sign(issuer.private_key, hashes.SHA256())
    return certificate if strong else _with_sha1(certificate, issuer.private_key)


def _with_sha1(certificate: x509.Certificate, private_key: PrivateKey) -> x509.Certificate:
    """Sign a certificate again with SHA-1; the library does not do it any more, so the algorithm is put in by hand."""
    if not isinstance(private_key, ec.EllipticCurvePrivateKey):
        raise TypeError("only elliptic curve keys sign with SHA-1 here")
    form = asn1.Certificate.load(certificate.public_bytes(Encoding.DER))
    weak = {"algorithm": "sha1_ecdsa"}
    form["tbs_certificate"]["signature"] = weak
    form["signature_algorithm"] = weak
    digest = hashlib.sha1(form["tbs_certificate"].dump(force=True), usedforsecurity=False).digest()
    form["signature_value"] = private_key.sign(digest, ec.ECDSA(Prehashed(hashes.SHA1())))  # noqa: S303  # the point
    return x509.load_der_x509_certificate(form.dump(force=True))


def _builder(subject: x509.Name, own: PrivateKey, valid: Span) -> x509.CertificateBuilder:
    draft = x509.CertificateBuilder().subject_name(subject).public_key(own.public_key())
    draft = (
        draft.serial_number(x509.random_serial_number()).not_valid_before(valid[0]).not_valid_after(valid[1])
    )
    return draft.add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)


def ocsp_answer(
    subject: x509.Certificate,
    issuer: Party,
    responder: Party | None = None,
    *,
    valid: tuple[datetime, datetime | None],
    revoked_at: datetime | None = None,
    reason: x509.ReasonFlags | None = None,
    unknown: bool = False,
    nonce: bytes | None = None,
    hashed: Any = None,
) -> bytes:
    """Sign an answer about one certificate by the responder, by default the issuer itself."""
    speaker = responder or issuer
    word = ocsp.OCSPCertStatus.GOOD
    if revoked_at is not None:
        word = ocsp.OCSPCertStatus.REVOKED
    elif unknown:
        word = ocsp.OCSPCertStatus.UNKNOWN
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=subject,
        issuer=issuer.certificate,
        algorithm=hashed or hashes.SHA256(),
        cert_status=word,
        this_update=valid[0],
        next_update=valid[1],
        revocation_time=revoked_at,
        revocation_reason=reason,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, speaker.certificate)
    if responder is not None:
        builder = builder.certificates([responder.certificate])
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    answer = builder.sign(speaker.private_key, hashes.SHA256())
    return answer.public_bytes(Encoding.DER)


def try_later() -> bytes:
    """Answer as a busy responder does."""
    return ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER).public_bytes(
        Encoding.DER
    )
