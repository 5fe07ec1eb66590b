"""An authority for PDF signatures with a server on loopback: one address gives OCSP answers, its list, and timestamps. In:
who is revoked, whether it is up, and the time. Out: certificates that name its address, and every request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from asn1crypto import tsp
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from tests.support import pdfs
from tests.support.pdf_pki import Holder, PdfAuthority, root
from tests.support.pki import NOT_AFTER
from tests.support.responder import LIST_TYPE, Reply, Responder, responding

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(kw_only=True)
class LiveAuthority:
    """`revoked` gives the time of revocation by serial number. `speaks`: what it answers at all, of `ocsp`, `crl` and
    `tsa`."""

    now: Callable[[], datetime]
    server: Responder
    authority: PdfAuthority = field(default_factory=root)
    revoked: dict[int, datetime] = field(default_factory=dict)
    speaks: set[str] = field(default_factory=lambda: {"ocsp", "crl", "tsa"})
    issued: dict[int, Holder] = field(default_factory=dict)

    @property
    def host(self) -> str:
        return urlsplit(self.server.url).netloc

    @property
    def request_kinds(self) -> list[str]:
        """Return the kinds of the requests, in their order."""
        return [_kind_of(body) for _, body, _ in self.server.requests]

    def issue(self, name: str, *, not_after: datetime = NOT_AFTER, is_tsa: bool = False) -> Holder:
        """Issue a certificate that names the addresses of this server."""
        address = x509.UniformResourceIdentifier(self.server.url)
        access = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, address)
        point = x509.DistributionPoint([address], None, None, None)
        holder = self.authority.issue(
            name,
            agency=not is_tsa,
            kind="rsa-2048" if is_tsa else "p256",
            purposes=(ExtendedKeyUsageOID.TIME_STAMPING,) if is_tsa else (),
            critical_purposes=is_tsa,
            not_after=not_after,
            more=(x509.AuthorityInformationAccess([access]), x509.CRLDistributionPoints([point])),
        )
        self.issued[holder.certificate.serial_number] = holder
        return holder

    def permit(self, folder: Path, *, networks: str = '["127.0.0.0/8"]') -> None:
        """Write the file that lets a node ask this server where a certificate names it."""
        (folder / "revocation.toml").write_text(
            f'hosts = ["{self.host}"]\nnetworks = {networks}\n', encoding="utf-8"
        )

    def stamper(self) -> Holder:
        """Return the timestamp authority, made at its first use."""
        for holder in self.issued.values():
            if "TSA" in holder.certificate.subject.rfc4514_string():
                return holder
        return self.issue("Live TSA", is_tsa=True)

    def answer(self, body: bytes) -> Reply:
        kind = _kind_of(body)
        if kind not in self.speaks:
            return Reply(status=503)
        if kind == "ocsp":
            return Reply(body=self.ocsp_answer(ocsp.load_der_ocsp_request(body)))
        if kind == "crl":
            return Reply(body=self.list().public_bytes(Encoding.DER), kind=LIST_TYPE)
        stamp = pdfs.stamper(self.stamper(), self.now()).request_tsa_response(tsp.TimeStampReq.load(body))
        return Reply(body=stamp.dump(), kind="application/timestamp-reply")

    def ocsp_answer(self, request: ocsp.OCSPRequest) -> bytes:
        holder, revoked_at = self.issued[request.serial_number], self.revoked.get(request.serial_number)
        builder = ocsp.OCSPResponseBuilder().add_response(
            cert=holder.certificate,
            issuer=self.authority.certificate,
            algorithm=hashes.SHA256(),
            cert_status=ocsp.OCSPCertStatus.REVOKED if revoked_at else ocsp.OCSPCertStatus.GOOD,
            this_update=self.now() - timedelta(minutes=1),
            next_update=self.now() + DAY,
            revocation_time=revoked_at,
            revocation_reason=None,
        )
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, self.authority.certificate)
        nonce = request.extensions.get_extension_for_class(x509.OCSPNonce).value
        builder = builder.add_extension(nonce, critical=False)
        return builder.sign(self.authority.private_key, hashes.SHA256()).public_bytes(Encoding.DER)

    def list(self) -> x509.CertificateRevocationList:
        entries = [(self.issued[serial], at) for serial, at in self.revoked.items()]
        return self.authority.crl(
            *entries, this_update=self.now() - timedelta(minutes=1), next_update=self.now() + DAY
        )


@contextmanager
def live(now: Callable[[], datetime]) -> Iterator[LiveAuthority]:
    """Run the server of an authority whose clock is `now`."""
    with responding(lambda _: Reply(status=503)) as server:
        authority = LiveAuthority(now=now, server=server)
        server.answer = authority.answer
        yield authority


def _kind_of(body: bytes) -> str:
    if not body:
        return "crl"
    try:
        ocsp.load_der_ocsp_request(body)
    except ValueError:
        return "tsa"
    return "ocsp"
