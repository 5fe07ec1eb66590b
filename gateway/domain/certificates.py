"""Certificates in use: those of an agency that may sign now, and the revocation of others, with this node's questions to
authorities and the answers it stores. Frozen values, without I/O or judgement; `policy.trust` makes `KeyUse`, and
`trust.keys` reads it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

# W8 (permitted keys): the orders of the two curves, from FIPS 186-4 D.1.2, for low s.
CURVE_ORDERS = {
    "secp256r1": int("FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551", 16),
    "secp384r1": int(
        "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973", 16
    ),
}


class CertificateText:
    """Base of values that have a certificate as text, in Base64 of DER, because they are stored as text."""

    __slots__ = ()
    certificate: str

    @property
    def certificate_der(self) -> bytes:
        return base64.b64decode(self.certificate)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, as people compare it."""
        return hashlib.sha256(self.certificate_der).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyEnd:
    """End of one of our keys, which signs nothing from `at` on. Since `stolen_since` others may have signed with it."""

    agency_code: str
    key_id: str
    fingerprint: str
    at: datetime
    by: str
    stolen_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyUse:
    """Certificates of an agency that may sign. `bound` has them by SHA-256, with the start of their binding; None where
    nothing of the agency is bound here, so that the certificates' own validity decides. Those in `ended` never sign."""

    bound: Mapping[str, datetime | None] | None = None
    ended: Mapping[str, str] = field(default_factory=dict)

    def fault(self, fingerprint: str) -> str | None:
        """Describe why this certificate may not sign; None when it may."""
        if fingerprint in self.ended:
            return self.ended[fingerprint]
        if self.bound is not None and fingerprint not in self.bound:
            return "not bound to the agency's code here, as others are"
        return None

    def since(self, fingerprint: str) -> datetime | None:
        """Return since when the certificate is bound to the agency, where that is known."""
        return self.bound.get(fingerprint) if self.bound is not None else None


ANY_KEY = KeyUse()
"""No restriction, for callers that only list keys."""


class RevocationSource(StrEnum):
    """Source of revocation data: an answer about one certificate, or a list of all revoked ones."""

    OCSP = "ocsp"
    LIST = "crl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Question to an authority. `issuer` is the SHA-256 of the authority's certificate; `about` is the serial number of
    one certificate, in hex, or the address of a list."""

    source: RevocationSource
    issuer: str
    about: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Answer byte for byte (DER). `made_at` and `ends_at` are stated by the authority; `revokes`: it revokes a
    certificate."""

    question: Question
    body: bytes = field(repr=False)
    origin: str
    fetched_at: datetime
    made_at: datetime
    ends_at: datetime | None
    revokes: bool = False

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.body).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorityAnswer:
    """List or OCSP answer of an authority, byte for byte (DER), without what it is about."""

    source: RevocationSource
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedQuestion:
    """State of a question: when it was first asked, when it is due again, and the failures since its last answer."""

    question: Question
    first_at: datetime
    due_at: datetime
    answered_at: datetime | None = None
    failures: int = 0
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingRevocation:
    """Packet that was judged while its certificate's revocation was unknown (K4, revocation); the question is
    repeated."""

    agency_id: str
    inbox_id: str
    certificate_der: bytes = field(repr=False)
    arrived_at: datetime
