"""Registry feeds made by hand: good ones, and ones that are wrong in one stated way but signed all the same."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.registry_authoring import feed_file, feed_judge
from gateway.registry_authoring.feed_file import (
    FORM_2,
    AgencyLine,
    BodyLine,
    FeedKind,
    Header,
    ProposalLine,
    TrustDigest,
    TrustLine,
)
from gateway.registry_authoring.feed_judge import FeedRoom
from tests.support import pki
from tests.support.clock import START

MADE_AT = START - timedelta(hours=1)
ISSUER = pki.KeySigner(
    agency_code="",
    certificate_der=pki.der(
        pki.root().issue("", pki.key("p256", "registry issuer"), subject="Registry issuer")
    ),
    algorithm="ecdsa-sha256",
    private_key=pki.key("p256", "registry issuer"),
)
STRANGER = pki.KeySigner(
    agency_code="",
    certificate_der=pki.der(pki.root().issue("", pki.key("p256", "stranger"), subject="Registry issuer")),
    algorithm="ecdsa-sha256",
    private_key=pki.key("p256", "stranger"),
)


def officer(name: str, **more: Any) -> pki.KeySigner:
    """Return a signer with a certificate of their own, as an officer of the issuer."""
    key = pki.key("p256", f"officer {name}")
    certificate = pki.root().issue("", key, subject=f"Officer {name}", **more)
    return pki.KeySigner(
        agency_code="", certificate_der=pki.der(certificate), algorithm="ecdsa-sha256", private_key=key
    )


def agency(code: str, name: str = "", **more: Any) -> AgencyLine:
    """Build a row as it would be written, whether a receiver would take it or not."""
    return AgencyLine.model_construct(**{"code": code, "name": name or f"Agency {code}", **more})


def proposal(code: str, certificate_der: bytes, **more: Any) -> ProposalLine:
    return ProposalLine.model_construct(
        proposal=code,
        sha256=hashlib.sha256(certificate_der).hexdigest(),
        certificate=base64.b64encode(certificate_der).decode(),
        **more,
    )


def trust(code: str, certificate_der: bytes, **more: Any) -> TrustLine:
    """Build a row of form 2; with `revoked_at`, without the certificate."""
    values = {
        "trust": code,
        "kind": "exchange",
        "sha256": hashlib.sha256(certificate_der).hexdigest(),
        "certificate": None if "revoked_at" in more else base64.b64encode(certificate_der).decode(),
    }
    return TrustLine.model_construct(**{**values, **more})


def trust_feed(
    lines: Sequence[BodyLine],
    sequence: int = 1,
    *,
    officers: Sequence[pki.KeySigner] = (),
    signer: pki.KeySigner = ISSUER,
    **header: Any,
) -> bytes:
    """Build a signed feed of form 2, with signatures of these officers. Its rows are put in order."""
    ordered, digest = sorted(lines, key=feed_file.place), TrustDigest()
    for line in ordered:
        if isinstance(line, TrustLine):
            digest.add(line)
    values = {"format": FORM_2, "trust": digest.hexdigest(), "trust_rows": digest.rows, **header}
    raw = feed(ordered, sequence, signer=signer, **values)
    first, body_and_seal = raw.split(b"\n", 1)
    body, seal = body_and_seal.removesuffix(b"\n").rpartition(b"\n")[::2]
    signed = [feed_judge.officer_line(first + b"\n", by) for by in officers]
    signatures = b"".join(map(feed_file.encode, sorted(signed, key=lambda line: line.officer)))
    return first + b"\n" + body + b"\n" + signatures + seal + b"\n"


def feed(
    lines: Sequence[BodyLine | bytes],
    sequence: int = 1,
    *,
    signer: pki.KeySigner = ISSUER,
    base: Header | None = None,
    kind: FeedKind = FeedKind.SNAPSHOT,
    made_at: datetime = MADE_AT,
    **header: Any,
) -> bytes:
    """Build a signed feed of these lines; `header` overwrites what would be true."""
    body = b"".join(line if isinstance(line, bytes) else feed_file.encode(line) for line in lines)
    digest = hashlib.sha256(body).hexdigest()
    values = {
        "format": "lienthong-registry/1",
        "kind": kind,
        "issuer": "Registry issuer",
        "sequence": sequence,
        "digest": digest,
        "base": base.sequence if base else None,
        "base_digest": base.digest if base else None,
        "made_at": made_at,
        "rows": len(lines),
        "bytes": len(body),
        "body": digest,
    }
    first = feed_file.encode(Header.model_construct(**{**values, **header}))
    return first + body + feed_judge.seal_of(first, signer)


def header_of(raw: bytes) -> Header:
    return Header.model_validate_json(raw.split(b"\n", 1)[0])


def permit(room: FeedRoom, *signers: pki.KeySigner) -> None:
    """Permit these signers to sign feeds from now on, and no others."""
    room.issuers.mkdir(parents=True, exist_ok=True)
    for old in room.issuers.glob("*.pem"):
        old.unlink()
    for n, signer in enumerate(signers):
        write_certificate(room.issuers / f"{n}.pem", signer)


def write_certificate(path: Path, signer: pki.KeySigner) -> None:
    certificate = x509.load_der_x509_certificate(signer.certificate_der)
    path.write_bytes(certificate.public_bytes(Encoding.PEM))
