"""Decides what the signatures of a PDF are worth: valid, not valid, or cannot be told, each with its code, for the
time that is proved and for now; the legal value of the document whose lead file it is; and whether it may leave so
(R19 to R26). In: `PdfFacts`; for the last the recipients' roles and the profile. Out: `FileVerdict`, `LegalValue`,
`Verdict`. Pure. A trusted timestamp or our own first sight of the bytes proves a time; what a signer says of the
time proves none.

On whose behalf a certificate signs, an agency's seal or a person, is told by rules over what it says of itself, the
first that fits deciding. A copy needs no person's signature (R25); what is sent only to be known needs none at all;
what cannot be told now stops nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from gateway.domain.document import Recipient, RecipientRole
from gateway.domain.signatures import (
    CertificateFacts,
    CertificateStanding,
    Change,
    Coverage,
    FileVerdict,
    LegalValue,
    PdfFacts,
    RoleRule,
    SignatureFacts,
    SignatureWord,
    SignerRole,
    SignerVerdict,
)
from gateway.domain.text import fold
from gateway.policy.profile import Profile
from gateway.policy.verdict import NOTHING, Reason, ReasonCode, Verdict, reason
from gateway.words.reading import COPY_FORMS

ORGANISATION_PARTS = ("organization_name", "organizational_unit_name")

# How the public authorities write them: a tax or budget code for an organisation, an identity paper for a person. What
# tells a person goes first: a person's certificate may name the organisation too.
DEFAULT_RULES: tuple[RoleRule, ...] = (
    RoleRule(role=SignerRole.PERSON, part="user_id", value="CCCD:", begins=True),
    RoleRule(role=SignerRole.PERSON, part="user_id", value="CMND:", begins=True),
    RoleRule(role=SignerRole.PERSON, part="user_id", value="HC:", begins=True),
    RoleRule(role=SignerRole.PERSON, part="given_name", value="", begins=True),
    RoleRule(role=SignerRole.PERSON, part="surname", value="", begins=True),
    RoleRule(role=SignerRole.AGENCY, part="organization_identifier", value="", begins=True),
    RoleRule(role=SignerRole.AGENCY, part="user_id", value="MST:", begins=True),
    RoleRule(role=SignerRole.AGENCY, part="user_id", value="MDVQHNS:", begins=True),
)


def role_of(certificate: CertificateFacts, rules: Sequence[RoleRule] = ()) -> SignerRole:
    """By the node's own rules, then by the usual ones; then an agency is who has the name of its organisation, whatever
    stands behind it."""
    for rule in (*rules, *DEFAULT_RULES):
        if any(_fits(rule, value) for value in _values(certificate, rule.part)):
            return rule.role
    name = fold(name_of(certificate))
    own = {fold(value) for part in ORGANISATION_PARTS for value in _values(certificate, part)}
    return SignerRole.AGENCY if any(_begins(name, each) for each in own) else SignerRole.PERSON


def name_of(certificate: CertificateFacts) -> str:
    """The common name, else the whole subject."""
    return next(iter(_values(certificate, "common_name")), certificate.subject)


def organisation_of(certificate: CertificateFacts) -> str:
    return next(iter(_values(certificate, "organization_name")), "")


def copy_form(*said: str) -> str | None:
    """Which electronic copy a signature makes (R25), SY, TrS or SL, by the reason it states or the mark it shows."""
    for words in map(fold, said):
        for form, marks in COPY_FORMS.items():
            if any(_begins(words, fold(mark)) for mark in marks):
                return form
    return None


def _begins(text: str, words: str) -> bool:
    """Whole words alone."""
    return bool(words) and text.startswith(words) and not text[len(words) : len(words) + 1].isalnum()


def _values(certificate: CertificateFacts, part: str) -> Iterable[str]:
    if part == "policy":
        return certificate.policies
    return [value for name, value in certificate.names if name == part]


def _fits(rule: RoleRule, value: str) -> bool:
    return value.startswith(rule.value) if rule.begins else value == rule.value


REVOCATION = "CERT-REVOCATION-UNKNOWN"
NO_ANCHORS = "PDF-NO-ANCHORS"
UNPROVED_TIME = "PDF-TIME-UNPROVED"
# What keeps this node from reading any file: its trust folder is broken, or the process that reads ended.
OWN_FAULTS = frozenset({"PDF-TRUST", "PDF-READER"})
# What another day, or another setting, may answer.
OPEN = frozenset({REVOCATION, NO_ANCHORS, *OWN_FAULTS})
_ASKED_AGAIN = frozenset({REVOCATION, *OWN_FAULTS})

_Found = tuple[SignatureWord, str | None, str]
_GOOD: _Found = (SignatureWord.VALID, None, "")


def judge(name: str, n: int, facts: PdfFacts, rules: Sequence[RoleRule] = ()) -> FileVerdict:
    """The verdict on one file: that of its worst signature."""
    if facts.fault is not None:
        return FileVerdict(
            n=n, file=name, verdict=SignatureWord.UNKNOWN, why=facts.fault, detail=facts.detail
        )
    if not facts.signatures:
        return FileVerdict(n=n, file=name, verdict=SignatureWord.UNSIGNED)
    signers = tuple(_signer(each, facts, rules) for each in facts.signatures)
    worst = next((each for word in _WORST for each in signers if each.verdict is word), None)
    return FileVerdict(
        n=n,
        file=name,
        verdict=worst.verdict if worst else SignatureWord.UNSIGNED,
        why=worst.why if worst else None,
        detail=worst.detail if worst else "",
        signers=signers,
    )


_WORST = (SignatureWord.INVALID, SignatureWord.UNKNOWN, SignatureWord.VALID)


def legal_value(lead: FileVerdict | None) -> LegalValue | None:
    """Official needs the agency's and a person's signature, a copy the agency's with its mark; anything else is for
    information, also what one more signature that is not valid may have covered with its look. None while what is open
    may still make it more (R23)."""
    if lead is None or lead.verdict is SignatureWord.INVALID:
        return LegalValue.INFORMATION
    if lead.why in OWN_FAULTS:
        return None
    if not lead.signers:
        return LegalValue.INFORMATION
    proved = _worth(each for each in lead.signers if each.verdict is SignatureWord.VALID)
    hoped = _worth(each for each in lead.signers if each.verdict is SignatureWord.VALID or each.why in OPEN)
    return proved if proved is hoped else None


def _worth(signers: Iterable[SignerVerdict]) -> LegalValue:
    held = list(signers)
    agencies = [each for each in held if each.role is SignerRole.AGENCY]
    if any(each.copy_form for each in agencies):
        return LegalValue.COPY
    if agencies and any(each.role is SignerRole.PERSON for each in held):
        return LegalValue.OFFICIAL
    return LegalValue.INFORMATION


def agency_word(lead: FileVerdict | None) -> SignatureWord:
    """How the agency's signature on the lead file stands; the best where there are several."""
    if lead is None or not lead.signers:
        return SignatureWord.UNSIGNED
    words = {each.verdict for each in lead.signers if each.role is SignerRole.AGENCY}
    best_first = (SignatureWord.VALID, SignatureWord.UNKNOWN, SignatureWord.INVALID)
    return next((word for word in best_first if word in words), SignatureWord.UNSIGNED)


def signed_at(lead: FileVerdict | None) -> datetime | None:
    """When the document was signed: by the person, else by the agency. From a signature that is broken: never."""
    if lead is None or not lead.signers:
        return None
    sound = [each for each in lead.signers if each.verdict is not SignatureWord.INVALID]
    for role in (SignerRole.PERSON, SignerRole.AGENCY):
        times = [at for each in sound if each.role is role and (at := each.claimed_at or each.trusted_at)]
        if times:
            return max(times)
    return None


def is_open(verdicts: Iterable[FileVerdict]) -> bool:
    """Whether asking again later may tell more."""
    return any(
        why in _ASKED_AGAIN
        for verdict in verdicts
        for why in (verdict.why, *(each.why for each in verdict.signers))
    )


def _signer(signature: SignatureFacts, facts: PdfFacts, rules: Sequence[RoleRule]) -> SignerVerdict:
    certificate = signature.certificate
    trusted = _trusted_time(signature)
    proved = min(trusted, facts.seen_at) if trusted else facts.seen_at
    word, why, detail = _judged(signature, facts, proved)
    now_word, now_why, _ = _judged(signature, facts, facts.now)
    return SignerVerdict(
        field=signature.field,
        verdict=word,
        why=why,
        detail=detail,
        name=name_of(certificate) if certificate else "",
        organisation=organisation_of(certificate) if certificate else "",
        role=role_of(certificate, rules) if certificate else None,
        claimed_at=signature.claimed_at,
        trusted_at=trusted,
        now=now_word,
        now_why=now_why,
        serial=certificate.serial if certificate else "",
        issuer=certificate.issuer if certificate else "",
        copy_form=copy_form(signature.reason, signature.mark),
    )


def _trusted_time(signature: SignatureFacts) -> datetime | None:
    """The earliest time that a timestamp proves for this signature."""
    trusted = (
        each.at
        for each in signature.timestamps
        if each.fault is None and each.standing.code is None and each.standing.revocation == "good"
    )
    return min(trusted, default=None)


def _judged(signature: SignatureFacts, facts: PdfFacts, at: datetime) -> _Found:
    """The first thing that is wrong, in an order in which each rests on the ones before it."""
    if (found := _form_fault(signature)) is not None:
        return found
    if not facts.anchored:
        return SignatureWord.UNKNOWN, NO_ANCHORS, "no anchors for signatures on PDFs are set up"
    return _certificate(signature, at)


def _form_fault(signature: SignatureFacts) -> _Found | None:
    """What the bytes tell, before anything is asked of the certificate."""
    if signature.fault:
        return SignatureWord.INVALID, signature.fault, signature.detail
    if signature.coverage is Coverage.PART:
        return SignatureWord.INVALID, "PDF-COVERAGE", "the signature does not cover the file as it was then"
    if not signature.intact:
        return SignatureWord.INVALID, "SIG-DIGEST", "the signed bytes were changed"
    if not signature.authentic:
        why = "the signature was not made with the key of its certificate"
        return SignatureWord.INVALID, "SIG-VALUE", why
    if signature.weak:
        return SignatureWord.INVALID, "SIG-WEAK", signature.algorithm
    # A certifying signature says what may follow it (DocMDP); after another, proofs and signatures alone may.
    allowed = {Change.NOTHING, Change.PROOFS}
    if signature.certified != 1:
        allowed.add(Change.SIGNATURES)
    if signature.certified in (2, 3):
        allowed.add(Change.FIELDS)
    if signature.change in allowed:
        return None
    return SignatureWord.INVALID, "PDF-CHANGED", signature.later_detail or f"later update: {signature.change}"


def _certificate(signature: SignatureFacts, at: datetime) -> _Found:
    standing = _at(signature, at)
    if standing is None:
        return SignatureWord.UNKNOWN, "CERT-CHAIN", "nothing is known of the certificate at that time"
    if standing.code == "CERT-TIME" and _held_when_claimed(signature, at):
        return SignatureWord.UNKNOWN, UNPROVED_TIME, standing.detail
    if standing.code is not None:
        return SignatureWord.INVALID, standing.code, standing.detail
    if standing.revocation == "revoked":
        return _revoked(standing, at)
    if standing.revocation == "unknown":
        return SignatureWord.UNKNOWN, REVOCATION, "no list or answer tells whether it was revoked"
    return _GOOD


def _revoked(standing: CertificateStanding, at: datetime) -> _Found:
    """A revocation after the proved time does not reach back (K2)."""
    when = standing.revoked_at
    if when is not None and when > at:
        return _GOOD
    return SignatureWord.INVALID, "CERT-REVOKED", f"revoked at {when.isoformat() if when else '?'}"


def _held_when_claimed(signature: SignatureFacts, at: datetime) -> bool:
    """The certificate has run out since; at the time its signer states it had not. That nobody can prove."""
    claimed = signature.claimed_at
    then = _at(signature, claimed) if claimed is not None and claimed < at else None
    return then is not None and then.code is None


def _at(signature: SignatureFacts, at: datetime) -> CertificateStanding | None:
    return next((each for each in signature.standings if each.at == at), None)


def check_lead(lead: FileVerdict | None, recipients: Sequence[Recipient], profile: Profile) -> Verdict:
    """Refuses or warns as the profile says; a lead file that is no PDF is another rule's."""
    if lead is None:
        return NOTHING
    pointer = f"/files/{lead.n - 1}"
    broken, asked = tuple(_broken_lead(lead, pointer)), tuple(_doubts(lead, pointer))
    only_to_know = all(each.role is RecipientRole.TO_KNOW for each in recipients)
    if profile.unsigned_lead == "refuse" and not only_to_know:
        return Verdict(reasons=broken, warnings=asked)
    return Verdict(warnings=broken + asked)


def _broken_lead(lead: FileVerdict, pointer: str) -> Iterator[Reason]:
    invalid = next((each for each in lead.signers if each.verdict is SignatureWord.INVALID), None)
    if invalid is not None:
        yield reason(
            ReasonCode.SIGNATURE_INVALID, pointer, name=lead.file, who=invalid.name, finding=invalid.why
        )
    elif lead.why not in OWN_FAULTS and (
        agency_word(lead) is SignatureWord.UNSIGNED or _is_closed_doubt(lead)
    ):
        yield reason(ReasonCode.UNSIGNED_LEAD, pointer, name=lead.file)


def _is_closed_doubt(lead: FileVerdict) -> bool:
    """No answer that may come later will make it valid."""
    return agency_word(lead) is SignatureWord.UNKNOWN and all(
        each.why not in OPEN for each in lead.signers if each.verdict is SignatureWord.UNKNOWN
    )


def _doubts(lead: FileVerdict, pointer: str) -> Iterator[Reason]:
    unknown = next((each for each in lead.signers if each.verdict is SignatureWord.UNKNOWN), None)
    if unknown is not None or lead.verdict is SignatureWord.UNKNOWN:
        why = unknown.why if unknown is not None else lead.why
        yield reason(ReasonCode.SIGNATURE_UNCHECKED, pointer, name=lead.file, finding=why)
    elif agency_word(lead) is SignatureWord.VALID and legal_value(lead) is LegalValue.INFORMATION:
        yield reason(ReasonCode.NO_PERSON_SIGNATURE, pointer, name=lead.file)
