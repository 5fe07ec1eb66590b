"""Values about certificates that sign PDFs for agencies: which seal or person's certificate is registered for which code
and when, and which agency may seal for another. In: rows of the registry. Out: frozen values, with which the signatures on
a document of one code are judged. Pure; `policy.seal_verdict` decides."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from gateway.domain.certificates import CertificateText
from gateway.domain.enums import ValueAtHand


class CertificateKind(ValueAtHand, StrEnum):
    """Kind of party that a registered certificate signs for."""

    SEAL = "seal"
    PERSON = "person"


class SealWord(ValueAtHand, StrEnum):
    """Whose seal a signature is, seen from the agency that sent the document."""

    OWN = "own"
    """The seal of the sending agency."""
    ENTITLED = "entitled"
    """The seal of another agency that a dated written act entitles to seal for it."""
    OTHER = "other"
    """The seal of a known agency that is neither."""
    UNKNOWN = "unknown"
    """A seal that is registered for no agency on that day, although the sending agency has one."""
    UNREGISTERED = "unregistered"
    """Cannot be told: no seal is registered for the sending agency on that day."""


class SignatoryWord(ValueAtHand, StrEnum):
    """Standing of a person who signed, seen from the agency that sent the document; the best first."""

    KNOWN = "known"
    UNKNOWN = "unknown"
    """The person is registered for no agency."""
    ENDED = "ended"
    """The person is registered for the sending agency, but not for the day of signing."""
    FOREIGN = "foreign"
    """The person is registered for other agencies only."""


class HeaderWord(ValueAtHand, StrEnum):
    """Whether the header of a document names the registered person who signed it."""

    SAME = "same"
    OTHER = "other"


# Names of the three among the checks of an incoming document.
SEAL_CHECK, PERSON_CHECK, SIGNER_CHECK = SIGNER_CHECKS = "seal", "signatory", "signer"

# Capacities in which a person signs for an agency (Decree 30/2020, annex I): for the collective, for the head, on the
# head's order, by the head's authorisation, in charge for the time being.
CAPACITIES = ("TM.", "KT.", "TL.", "TUQ.", "Q.")


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredCertificate:
    """Certificate that signs PDFs for one agency from one moment until another, as two people registered it. A person's
    has a name, a position and perhaps a capacity."""

    id: str
    code: str
    kind: CertificateKind
    fingerprint: str
    certificate_pem: str
    valid_from: datetime
    valid_to: datetime
    state: str
    proposed_by: str
    approved_by: str
    created_at: datetime
    name: str = ""
    position: str = ""
    capacity: str = ""

    def is_in_force(self, at: datetime) -> bool:
        return self.valid_from <= at < self.valid_to


@dataclass(frozen=True, slots=True, kw_only=True)
class SealingRight:
    """Right of one agency to put its seal on documents of another, by a written act. The last day counts."""

    id: str
    acting_code: str
    code: str
    act_number: str
    act_date: date
    valid_from: date
    valid_to: date | None
    state: str
    proposed_by: str
    approved_by: str
    created_at: datetime

    def is_in_force(self, on: date) -> bool:
        return self.valid_from <= on and (self.valid_to is None or on <= self.valid_to)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealRegister:
    """Everything that is registered about the signatures on one document: certificates of the sending code, other
    agencies' certificates that signed it, and who may seal for the code."""

    code: str
    certificates: tuple[RegisteredCertificate, ...] = ()
    rights: tuple[SealingRight, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SealChange(CertificateText):
    """Change that registers a certificate which signs PDFs for an agency."""

    code: str
    kind: CertificateKind
    certificate: str
    """DER in Base64, since the whole proposal is stored as text."""
    valid_from: datetime
    valid_to: datetime
    name: str = ""
    position: str = ""
    capacity: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SealingRightChange:
    """Change that lets one agency seal for another. The approver types the number of the act from the act itself."""

    acting_code: str
    code: str
    act_number: str
    act_date: date
    valid_from: date
    valid_to: date | None = None
