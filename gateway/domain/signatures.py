"""Facts about a file and its signatures: its type and malware, by the `Inspector` and the `Scanner`; the signatures
inside a PDF with facts about their bytes and certificates; and the verdict of `policy.pdf_verdict`. Frozen values, and
the search for traces of signatures in bytes as they pass; nothing here opens a file or decides."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from gateway.domain.enums import ValueAtHand
from gateway.domain.pdf import FirstPage
from gateway.domain.seals import SealWord, SignatoryWord

# The dictionary of a signature is never compressed, because its position in the file is part of the signature.
_MARKS = re.compile(rb"/ByteRange|/Type\s*/Sig\b|/DocTimeStamp|/adbe\.|/ETSI\.|/SubFilter")
_OVERLAP = 64
_HEAD = 4096  # a file whose type is PDF has its header within so many bytes


@dataclass(slots=True)
class SignatureTrace:
    """Search for a trace of a signature in a file's pieces, of any size: every signature that we accept contains one of
    these words. Of a file without the header of a PDF only the head is searched."""

    is_pdf: bool = False
    is_present: bool = False
    size: int = 0
    _tail: bytes = b""

    def feed(self, piece: bytes) -> None:
        if not self.is_present and (self.is_pdf or self.size < _HEAD):
            seam = self._tail + piece[:_OVERLAP]
            self.is_pdf = self.is_pdf or b"%PDF-" in piece or b"%PDF-" in seam
            self.is_present = bool(_MARKS.search(seam) or _MARKS.search(piece))
            self._tail = piece[-_OVERLAP:] if len(piece) >= _OVERLAP else seam[-_OVERLAP:]
        self.size += len(piece)


class SignatureWord(ValueAtHand, StrEnum):
    """Verdict on a signature, or on a file by the worst of its signatures."""

    VALID = "valid"
    INVALID = "invalid"
    UNKNOWN = "unknown"
    UNSIGNED = "unsigned"


class SignerRole(ValueAtHand, StrEnum):
    """Kind of party that a certificate signs for."""

    AGENCY = "agency"
    PERSON = "person"


class LegalValue(ValueAtHand, StrEnum):
    """Legal value of a document compared with paper (R19, two signatures; R20, unsigned ones; R25, copies)."""

    OFFICIAL = "official"
    UNPROVED = "official-unproved"
    """The seal is right, and it is not proved that the person who signed was competent."""
    COPY = "copy"
    INFORMATION = "information"


ORIGINALS = frozenset({LegalValue.OFFICIAL, LegalValue.UNPROVED})
"""Values of a document that has the signatures of an original, whether its person is proved or not."""


class Coverage(StrEnum):
    """Part of the file that a signature covers: all of it, all of it up to later updates, or less."""

    COMPLETE = "whole"
    REVISION = "revision"
    PART = "part"


class Change(StrEnum):
    """Kind of content appended after a signature: nothing, only proofs (timestamps, revocation data), further signatures,
    filled form fields, or anything else."""

    NOTHING = "nothing"
    PROOFS = "proofs"
    SIGNATURES = "signatures"
    FIELDS = "fields"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFacts:
    """Data of a certificate. `names` are the parts of its subject, `policies` its policy OIDs, `content` its DER in
    Base64."""

    subject: str
    issuer: str
    serial: str
    sha256: str
    not_before: datetime
    not_after: datetime
    names: tuple[tuple[str, str], ...] = ()
    policies: tuple[str, ...] = ()
    content: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """Certificate without an answer that tells whether it was revoked, and its issuer's; both in DER, as base64. `serial`
    in hexadecimal digits and `issuer_sha256` name the question."""

    certificate: str
    issuer: str
    serial: str
    issuer_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateStanding:
    """State of a certificate by chain and revocation lists at one time. `code` None: the chain is valid. `revocation` is
    good, revoked or unknown. `answers` are the digests of the node's own lists and answers that it rests on; `unanswered`
    are the links of its chain that need one."""

    at: datetime
    code: str | None = None
    detail: str = ""
    revocation: str = "unknown"
    revoked_at: datetime | None = None
    answers: tuple[str, ...] = ()
    unanswered: tuple[Unanswered, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TimestampFacts:
    """Timestamp over a signature. `fault` says why it proves nothing by its own bytes; `standing` is that of its
    authority."""

    at: datetime
    standing: CertificateStanding
    authority: str = ""
    fault: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureFacts:
    """Signature field of a PDF. `fault` is the code of a broken form, `certified` the DocMDP level that it sets, `mark`
    its text on the first page. `standings` are those of its certificate at several times. `weak` algorithms prove nothing,
    others from `strong_until` on, where they end."""

    field: str
    fault: str | None = None
    detail: str = ""
    coverage: Coverage = Coverage.PART
    change: Change = Change.OTHER
    later_detail: str = ""
    certified: int | None = None
    intact: bool = False
    authentic: bool = False
    algorithm: str = ""
    weak: bool = False
    strong_until: datetime | None = None
    claimed_at: datetime | None = None
    reason: str = ""
    mark: str = ""
    certificate: CertificateFacts | None = None
    standings: tuple[CertificateStanding, ...] = ()
    timestamps: tuple[TimestampFacts, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PdfFacts:
    """Signatures of one file, oldest first. `fault` says why they could not be read; `seen_at` is the time at which the
    bytes are known to have existed; `now` the time of reading. `anchored` is False where there are no anchors to
    trust."""

    seen_at: datetime
    now: datetime
    signatures: tuple[SignatureFacts, ...] = ()
    fault: str | None = None
    detail: str = ""
    anchored: bool = True
    proofs_inside: bool = False

    @property
    def standings(self) -> tuple[CertificateStanding, ...]:
        """Standings of all certificates, of signers and of timestamp authorities."""
        return tuple(
            standing
            for signature in self.signatures
            for standing in (*signature.standings, *(stamp.standing for stamp in signature.timestamps))
        )

    @property
    def answers(self) -> tuple[str, ...]:
        """Digests of the lists and answers of this node that the facts rest on."""
        return tuple(sorted({digest for standing in self.standings for digest in standing.answers}))

    @property
    def unanswered(self) -> tuple[Unanswered, ...]:
        """Certificates to ask an authority about."""
        return tuple(dict.fromkeys(link for standing in self.standings for link in standing.unanswered))


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerVerdict:
    """Verdict on one signature, for people. `verdict` is for the proved time, `now` for the time of judging; `why` is the
    code of its defect. `seal` or `person` says whose signature it is, seen from the sending agency; both are None where it
    was not compared with registered certificates. `seal_code` is the agency of the seal, `seal_act` the written act that
    entitles it, `seal_over` the days of the sender's registered seal where the signature is not proved to fall in them;
    `person_name` is the registered name of a known person."""

    field: str
    verdict: SignatureWord
    name: str = ""
    organisation: str = ""
    role: SignerRole | None = None
    why: str | None = None
    detail: str = ""
    claimed_at: datetime | None = None
    trusted_at: datetime | None = None
    now: SignatureWord = SignatureWord.UNKNOWN
    now_why: str | None = None
    serial: str = ""
    issuer: str = ""
    copy_form: str | None = None
    revoked_at: datetime | None = None
    sha256: str = ""
    seal: SealWord | None = None
    seal_code: str = ""
    seal_act: str = ""
    seal_over: str = ""
    person: SignatoryWord | None = None
    person_name: str = ""
    position: str = ""
    capacity: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileVerdict:
    """Verdict on the signatures of one file; `verdict` is the worst of theirs. `answers` are the digests of the lists and
    answers of authorities that it rests on, besides those inside the file; `rule` is the version of its rule
    (`policy.seal_verdict`)."""

    n: int
    file: str
    verdict: SignatureWord
    why: str | None = None
    detail: str = ""
    signers: tuple[SignerVerdict, ...] = ()
    answers: tuple[str, ...] = ()
    rule: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleRule:
    """Rule for the role of a certificate: it signs as `role` if its part `part` (for `policy`, one of its policy OIDs)
    equals `value`, or with `begins` starts with it."""

    role: SignerRole
    part: str
    value: str
    begins: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """Answer of a scanner about one file. `malware` is the scanner's name for it; `unscanned` says why there is no
    verdict (a word of the labels' `unscanned.` table); `clean`: it examined every byte and found none. All are empty
    without a scanner."""

    malware: str | None = None
    unscanned: str | None = None
    clean: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """Facts about one file's bytes. `found_type` is a short name of its type (`pdf`, `docx`, `zip`, …) or `unknown`;
    `pages` is counted for PDFs only; `broken` says why it cannot be opened. `first_page` is the text of a PDF's first
    page on request, `page_cut` whether that text was cut off, `page_fields` its certain fields; `signatures` are those of
    a PDF, where they were read."""

    found_type: str
    size: int
    pages: int | None = None
    encrypted: bool = False
    broken: str | None = None
    members: tuple[str, ...] = ()
    member_types: tuple[str, ...] = ()
    nested_depth: int = 0
    inflated_size: int | None = None
    active: tuple[str, ...] = ()
    first_page: str = ""
    page_cut: bool = False
    page_fields: FirstPage | None = None
    signatures: PdfFacts | None = None
    malware: str | None = None
    unscanned: str | None = None
    scanned_clean: bool = False

    def scanned(self, scan: Scan) -> FileFacts:
        """Return the facts with a scanner's answer."""
        if (scan.malware, scan.unscanned, scan.clean) == (self.malware, self.unscanned, self.scanned_clean):
            return self
        return replace(self, malware=scan.malware, unscanned=scan.unscanned, scanned_clean=scan.clean)
