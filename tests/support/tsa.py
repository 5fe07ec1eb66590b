"""A timestamp authority (RFC 3161) on loopback, good or hostile. In: who it is, what it does wrong. Out: its address and
the root that one would trust. The token itself is made by an implementation that is not ours."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from asn1crypto import keys as asn1_keys
from asn1crypto import tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pyhanko.sign.timestamps.dummy_client import DummyTimeStamper

from tests.support.pki import key
from tests.support.responder import Reply, Responder, responding

REPLY = "application/timestamp-reply"
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
YEARS = timedelta(days=3650)


@dataclass(frozen=True, kw_only=True)
class Tsa:
    """One authority. `root` is what its askers trust; `certificate` its own, issued by the intermediate."""

    root: x509.Certificate
    certificate: x509.Certificate
    intermediate: x509.Certificate
    private_key: rsa.RSAPrivateKey
    embedded: tuple[x509.Certificate, ...] = ()

    def reply(self, request: bytes, at: datetime) -> tsp.TimeStampResp:
        """The answer to a request, at that time."""
        own = asn1_keys.PrivateKeyInfo.load(
            self.private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        )
        chain = [_asn1(c) for c in (self.intermediate, *self.embedded)]
        stamper = DummyTimeStamper(_asn1(self.certificate), own, certs_to_embed=chain, fixed_dt=at)  # type: ignore[arg-type]  # it only iterates
        return stamper.request_tsa_response(tsp.TimeStampReq.load(request))

    def token(self, data: bytes, at: datetime) -> bytes:
        """A token over these bytes, without a network."""
        request = tsp.TimeStampReq(
            {
                "version": 1,
                "message_imprint": {
                    "hash_algorithm": {"algorithm": "sha256"},
                    "hashed_message": hashlib.sha256(data).digest(),
                },
                "cert_req": True,
            }
        )
        token: bytes = self.reply(request.dump(), at)["time_stamp_token"].dump()
        return token

    def folder(self, trust: Path) -> Path:
        """Make a trust folder that trusts this authority."""
        (trust / "tsa").mkdir(parents=True, exist_ok=True)
        (trust / "tsa" / "ca.pem").write_bytes(self.root.public_bytes(Encoding.PEM))
        return trust


@dataclass(kw_only=True)
class Running:
    """One that answers. `now` is its clock; `wrong` changes what it says next."""

    tsa: Tsa
    url: str
    now: datetime
    wrong: Callable[[bytes, tsp.TimeStampResp], Reply] | None = None
    requests: list[bytes] = field(default_factory=list)


@cache
def tsa(
    name: str = "time",
    *,
    began: datetime = BEGAN,
    ends: datetime = BEGAN + YEARS,
    purpose: x509.ObjectIdentifier | None = ExtendedKeyUsageOID.TIME_STAMPING,
    critical: bool = True,
) -> Tsa:
    """An authority of that name. All but `other` share their keys, because making keys takes the longest."""
    owner = "other" if name == "other" else "time"
    root_key, middle_key, own = (_rsa(f"{owner} {part}") for part in ("root", "middle", "own"))
    root = _certificate(f"{name} root", root_key, f"{name} root", root_key, authority=True)
    middle = _certificate(f"{name} middle", middle_key, f"{name} root", root_key, authority=True)
    leaf = _certificate(
        f"{name} authority",
        own,
        f"{name} middle",
        middle_key,
        began=began,
        ends=ends,
        purpose=purpose,
        critical=critical,
    )
    return Tsa(root=root, certificate=leaf, intermediate=middle, private_key=own)


@contextmanager
def running(authority: Tsa, now: datetime) -> Iterator[Running]:
    """Its server."""

    def answer(request: bytes) -> Reply:
        service.requests.append(request)
        reply = authority.reply(request, service.now)
        return service.wrong(request, reply) if service.wrong else Reply(body=reply.dump(), kind=REPLY)

    with responding(answer) as server:
        service = Running(tsa=authority, url=server.url, now=now)
        yield service


@contextmanager
def somewhere(reply: Reply) -> Iterator[Responder]:
    """A server that answers everything alike."""
    with responding(lambda _: reply) as server:
        yield server


def with_twin(authority: Tsa, twin: x509.Certificate) -> Tsa:
    """The token carries one more certificate."""
    return replace(authority, embedded=(twin,))


def _rsa(owner: str) -> rsa.RSAPrivateKey:
    private_key = key("rsa-2048", f"tsa {owner}")
    assert isinstance(private_key, rsa.RSAPrivateKey)
    return private_key


def _asn1(certificate: x509.Certificate) -> asn1_x509.Certificate:
    return asn1_x509.Certificate.load(certificate.public_bytes(Encoding.DER))


def _certificate(
    name: str,
    own: rsa.RSAPrivateKey,
    issuer: str,
    signing: rsa.RSAPrivateKey,
    *,
    authority: bool = False,
    began: datetime = BEGAN,
    ends: datetime = BEGAN + YEARS,
    purpose: x509.ObjectIdentifier | None = None,
    critical: bool = True,
    number: int | None = None,
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(own.public_key())
        .serial_number(number or sum(name.encode()) + 1000)
        .not_valid_before(began)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if purpose is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=critical)
    return builder.sign(signing, hashes.SHA256())


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def forged_twin(authority: Tsa) -> x509.Certificate:
    """Issuer and number of the authority's own certificate, and a purpose that it may not have; signed by an
    untrusted key."""
    stranger = _rsa("stranger")
    subject = authority.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    issuer = authority.certificate.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    return _certificate(
        str(subject),
        stranger,
        str(issuer),
        stranger,
        purpose=ExtendedKeyUsageOID.TIME_STAMPING,
        number=authority.certificate.serial_number,
    )
