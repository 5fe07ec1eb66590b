"""Judges the signatures of a PDF: each valid, invalid or undecided, with a code, for the proved time and for now; the
legal value of the document whose lead file it is; and whether the document may leave (R19 to R26, signatures and
copies). In: `PdfFacts`; for the last, the recipients' roles and the profile. Out: `FileVerdict`, `LegalValue`,
`Verdict`. Pure. A time is proved by a trusted timestamp or by our own first sight of the bytes, not by the signer's
claim.

Rules over the names in a certificate tell an agency's seal from a person; the first that matches decides. A copy needs
no person's signature (R25, copies), nor does a document sent only for information; doubts that may resolve stop nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from gateway.domain.agency_profile import UNKNOWN_SIGNER, UNSIGNED_OUT
from gateway.domain.document import Kind, Recipient, RecipientRole, Signer
from gateway.domain.seals import HeaderWord, SealWord, SignatoryWord
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
from gateway.policy.profile import Profile, told_by
from gateway.policy.seal_verdict import (
    GOOD_SEALS,
    header_word,
    person_signer,
    person_word,
    seal_signer,
    seal_word,
    value_of,
)
from gateway.policy.verdict import NOTHING, Reason, ReasonCode, Verdict, reason
from gateway.words.reading import COPY_FORMS

ORGANISATION_PARTS = ("organization_name", "organizational_unit_name")

# Public authorities write a tax or budget code for an organisation, an identity paper for a person. The rules for
# persons come first, because a person's certificate may name the organisation too.
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
REVOCATION = "CERT-REVOCATION-UNKNOWN"
NO_ANCHORS = "PDF-NO-ANCHORS"
UNPROVED_TIME = "PDF-TIME-UNPROVED"
# Faults of this node that stop the reading of any file: a broken trust folder, a dead reader process.
OWN_FAULTS = frozenset({"PDF-TRUST", "PDF-READER"})
# Faults that time, or another setting, may resolve.
OPEN = frozenset({REVOCATION, NO_ANCHORS, *OWN_FAULTS})
_RETRIED_CODES = frozenset({REVOCATION, *OWN_FAULTS})
_Judgement = tuple[SignatureWord, str | None, str]
_GOOD: _Judgement = (SignatureWord.VALID, None, "")
_STAMP_UNKNOWN: _Judgement = (
    SignatureWord.UNKNOWN,
    REVOCATION,
    "no list or answer tells whether the timestamp authority was revoked",
)
_WORST = (SignatureWord.INVALID, SignatureWord.UNKNOWN, SignatureWord.VALID)


def role_of(certificate: CertificateFacts, rules: Sequence[RoleRule] = ()) -> SignerRole:
    """Return the signer's role by the node's own rules, then the usual ones; without a match, a certificate whose name
    begins with its organisation's is an agency's, any other a person's."""
    for rule in (*rules, *DEFAULT_RULES):
        if any(_fits(rule, value) for value in _values(certificate, rule.part)):
            return rule.role
    name = fold(name_of(certificate))
    own = {fold(value) for part in ORGANISATION_PARTS for value in _values(certificate, part)}
    return SignerRole.AGENCY if any(_begins(name, n) for n in own) else SignerRole.PERSON


def name_of(certificate: CertificateFacts) -> str:
    """Return the common name, else the whole subject."""
    return next(iter(_values(certificate, "common_name")), certificate.subject)


def organisation_of(certificate: CertificateFacts) -> str:
    return next(iter(_values(certificate, "organization_name")), "")


def copy_form(*texts: str) -> str | None:
    """Return the kind of electronic copy that a signature makes (R25): SY, TrS or SL, by its reason or visible mark;
    else None."""
    for words in map(fold, texts):
        for form, marks in COPY_FORMS.items():
            if any(_begins(words, fold(mark)) for mark in marks):
                return form
    return None


def _begins(text: str, words: str) -> bool:
    """Tell whether a text begins with these words, as whole words."""
    return bool(words) and text.startswith(words) and not text[len(words) : len(words) + 1].isalnum()


def _values(certificate: CertificateFacts, part: str) -> Iterable[str]:
    if part == "policy":
        return certificate.policies
    return [value for name, value in certificate.names if name == part]


def _fits(rule: RoleRule, value: str) -> bool:
    return value.startswith(rule.value) if rule.begins else value == rule.value


def judge(name: str, n: int, facts: PdfFacts, rules: Sequence[RoleRule] = ()) -> FileVerdict:
    """Return the verdict on one file, which is that of its worst signature."""
    if facts.fault is not None:
        return FileVerdict(
            n=n, file=name, verdict=SignatureWord.UNKNOWN, why=facts.fault, detail=facts.detail
        )
    if not facts.signatures:
        return FileVerdict(n=n, file=name, verdict=SignatureWord.UNSIGNED)
    signers = tuple(_judge_signer(s, facts, rules) for s in facts.signatures)
    worst = next((s for word in _WORST for s in signers if s.verdict is word), None)
    return FileVerdict(
        n=n,
        file=name,
        verdict=worst.verdict if worst else SignatureWord.UNSIGNED,
        why=worst.why if worst else None,
        detail=worst.detail if worst else "",
        signers=signers,
        answers=facts.answers,
    )


def legal_value(
    lead: FileVerdict | None, stated: Signer | None = None, *, trusts_unregistered: bool = False
) -> LegalValue | None:
    """Return the legal value of a document with the signer that its header states. An original needs valid signatures of
    the agency and of a person, by the table of `seal_verdict`, a copy the agency's with its mark; anything else is for
    information, also where an invalid signature may hide the page. None while open doubts may still raise the value (R23,
    unknown revocation), and while no seal of the sending agency is registered, unless `trusts_unregistered`."""
    if lead is None or lead.verdict is SignatureWord.INVALID:
        return LegalValue.INFORMATION
    if lead.why in OWN_FAULTS:
        return None
    if not lead.signers:
        return LegalValue.INFORMATION
    valid = [s for s in lead.signers if s.verdict is SignatureWord.VALID]
    perhaps = [s for s in lead.signers if s.verdict is SignatureWord.VALID or s.why in OPEN]
    proved = _value_of(replace(lead, signers=tuple(valid)), stated, trusts_unregistered)
    hoped = _value_of(replace(lead, signers=tuple(perhaps)), stated, trusts_unregistered=True)
    return proved if proved is hoped else None


def _value_of(lead: FileVerdict, stated: Signer | None, trusts_unregistered: bool) -> LegalValue:
    """Return the legal value that the signatures give together."""
    if not any(s.seal or s.person for s in lead.signers):  # by the first rule, which compared nothing
        lead, stated = replace(lead, signers=tuple([_believe(s) for s in lead.signers])), None
    if trusts_unregistered:
        trusted = [
            replace(s, seal=SealWord.OWN) if s.seal is SealWord.UNREGISTERED else s for s in lead.signers
        ]
        lead = replace(lead, signers=tuple(trusted))
    if any(s.copy_form and s.seal in GOOD_SEALS for s in lead.signers):
        return LegalValue.COPY
    return value_of(seal_word(lead), person_word(lead), header_word(lead, stated))


def _believe(signer: SignerVerdict) -> SignerVerdict:
    """Return a signature that was compared with nothing as one of the sending agency."""
    if signer.role is SignerRole.AGENCY:
        return replace(signer, seal=SealWord.OWN)
    return replace(signer, person=SignatoryWord.KNOWN) if signer.role else signer


def agency_word(lead: FileVerdict | None) -> SignatureWord:
    """Return the verdict on the agency's signature of the lead file; the best where there are several."""
    if lead is None or not lead.signers:
        return SignatureWord.UNSIGNED
    words = {s.verdict for s in lead.signers if s.role is SignerRole.AGENCY}
    best_first = (SignatureWord.VALID, SignatureWord.UNKNOWN, SignatureWord.INVALID)
    return next((word for word in best_first if word in words), SignatureWord.UNSIGNED)


def signed_at(lead: FileVerdict | None) -> datetime | None:
    """Return when the document was signed: by the person, else by the agency; invalid signatures do not count."""
    if lead is None or not lead.signers:
        return None
    sound = [s for s in lead.signers if s.verdict is not SignatureWord.INVALID]
    for role in (SignerRole.PERSON, SignerRole.AGENCY):
        times = [at for s in sound if s.role is role and (at := s.claimed_at or s.trusted_at)]
        if times:
            return max(times)
    return None


def is_open(verdicts: Iterable[FileVerdict]) -> bool:
    """Tell whether a later check may give another verdict."""
    return any(
        why in _RETRIED_CODES
        for verdict in verdicts
        for why in (verdict.why, *(signer.why for signer in verdict.signers))
    )


def _judge_signer(signature: SignatureFacts, facts: PdfFacts, rules: Sequence[RoleRule]) -> SignerVerdict:
    """Judge one signature, at the proved time and now."""
    certificate = signature.certificate
    trusted = _trusted_time(signature)
    proved = min(trusted, facts.seen_at) if trusted else facts.seen_at
    word, why, detail = _judge_signature(signature, facts, proved)
    now_word, now_why, _ = _judge_signature(signature, facts, facts.now)
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
        sha256=certificate.sha256 if certificate else "",
        copy_form=copy_form(signature.reason, signature.mark),
        revoked_at=_revoked_at(signature, proved) if why == "CERT-REVOKED" else None,
    )


def _trusted_time(signature: SignatureFacts) -> datetime | None:
    """Return the earliest time that a valid timestamp proves for this signature; None without one."""
    trusted = (
        stamp.at
        for stamp in signature.timestamps
        if stamp.fault is None and stamp.standing.code is None and stamp.standing.revocation == "good"
    )
    return min(trusted, default=None)


def _judge_signature(signature: SignatureFacts, facts: PdfFacts, at: datetime) -> _Judgement:
    """Return the first fault, in an order in which each check relies on those before it."""
    if (fault := _form_fault(signature, at)) is not None:
        return fault
    if not facts.anchored:
        return SignatureWord.UNKNOWN, NO_ANCHORS, "no anchors for signatures on PDFs are set up"
    return _judge_certificate(signature, at)


def _form_fault(signature: SignatureFacts, at: datetime) -> _Judgement | None:
    """Check the signed bytes as they count at a time, before the certificate."""
    if signature.fault:
        return SignatureWord.INVALID, signature.fault, signature.detail
    if signature.coverage is Coverage.PART:
        return SignatureWord.INVALID, "PDF-COVERAGE", "the signature does not cover the file as it was then"
    if not signature.intact:
        return SignatureWord.INVALID, "SIG-DIGEST", "the signed bytes were changed"
    if not signature.authentic:
        why = "the signature was not made with the key of its certificate"
        return SignatureWord.INVALID, "SIG-VALUE", why
    if signature.weak or (signature.strong_until is not None and at >= signature.strong_until):
        return SignatureWord.INVALID, "SIG-WEAK", signature.algorithm
    # A certifying signature limits later changes (DocMDP); after any other one, only proofs and signatures may follow.
    allowed = {Change.NOTHING, Change.PROOFS}
    if signature.certified != 1:
        allowed.add(Change.SIGNATURES)
    if signature.certified in (2, 3):
        allowed.add(Change.FIELDS)
    if signature.change in allowed:
        return None
    return SignatureWord.INVALID, "PDF-CHANGED", signature.later_detail or f"later update: {signature.change}"


def _judge_certificate(signature: SignatureFacts, at: datetime) -> _Judgement:
    """Judge the certificate as it stood at a time."""
    standing = _standing_at(signature, at)
    if standing is None:
        return SignatureWord.UNKNOWN, "CERT-CHAIN", "nothing is known of the certificate at that time"
    if standing.code == "CERT-TIME" and _held_when_claimed(signature, at):
        if _awaits_stamp(signature, at):
            return _STAMP_UNKNOWN
        return SignatureWord.UNKNOWN, UNPROVED_TIME, standing.detail
    if standing.code is not None:
        return SignatureWord.INVALID, standing.code, standing.detail
    if standing.revocation == "revoked":
        if _awaits_stamp(signature, min(at, standing.revoked_at or at)):
            return _STAMP_UNKNOWN
        return _judge_revocation(standing, at)
    if standing.revocation == "unknown":
        return SignatureWord.UNKNOWN, REVOCATION, "no list or answer tells whether it was revoked"
    return _GOOD


def _awaits_stamp(signature: SignatureFacts, limit: datetime) -> bool:
    """Tell whether a timestamp may still prove an earlier time, once it is known that its authority was not revoked."""
    return any(
        stamp.fault is None
        and stamp.standing.code is None
        and stamp.standing.revocation == "unknown"
        and stamp.at < limit
        for stamp in signature.timestamps
    )


def _judge_revocation(standing: CertificateStanding, at: datetime) -> _Judgement:
    """Judge a revocation: one after the proved time does not reach back (K2, proved time)."""
    when = standing.revoked_at
    if when is not None and when > at:
        return _GOOD
    return SignatureWord.INVALID, "CERT-REVOKED", f"revoked at {when.isoformat() if when else '?'}"


def _revoked_at(signature: SignatureFacts, at: datetime) -> datetime | None:
    standing = _standing_at(signature, at)
    return standing.revoked_at if standing is not None else None


def _held_when_claimed(signature: SignatureFacts, at: datetime) -> bool:
    """Tell whether an expired certificate was valid at the time that its signer claims, which is not proved."""
    claimed = signature.claimed_at
    then = _standing_at(signature, claimed) if claimed is not None and claimed < at else None
    return then is not None and then.code is None


def _standing_at(signature: SignatureFacts, at: datetime) -> CertificateStanding | None:
    return next((s for s in signature.standings if s.at == at), None)


def check_lead(
    lead: FileVerdict | None,
    recipients: Sequence[Recipient],
    profile: Profile,
    *,
    stated: Signer | None = None,
    kind: Kind = Kind.DOCUMENT,
    confirmed: Collection[str] = (),
) -> Verdict:
    """Refuse, ask or warn by the signatures of the lead file, as the profile says; other rules judge a lead file that is no
    PDF. `stated` is the signer of the header. A recall asks nothing."""
    if lead is None:
        return NOTHING
    pointer = f"/files/{lead.n - 1}"
    choice = told_by(profile, UNSIGNED_OUT)
    broken, doubts = tuple(_lead_faults(lead, pointer, choice)), tuple(_lead_doubts(lead, pointer))
    only_to_know = all(recipient.role is RecipientRole.TO_KNOW for recipient in recipients)
    questions = tuple(_signer_questions(lead, pointer, stated, profile))
    quiet = {q.code for q in questions if only_to_know or kind is Kind.RECALL}
    if profile.unknown_signer == "warn":
        quiet.add(ReasonCode.SIGNATORY_UNKNOWN)
    question = Verdict.asking(questions, {*confirmed, *quiet})
    if profile.unsigned_lead == "refuse" and not only_to_know:
        return Verdict.make(broken, doubts) + question
    return Verdict.make((), broken + doubts) + question


def _signer_questions(
    lead: FileVerdict, pointer: str, stated: Signer | None, profile: Profile
) -> Iterator[Reason]:
    """Yield what a right seal does not tell: whether the person was competent (R28), and whether the header names that
    person."""
    person, seal = person_signer(lead), seal_signer(lead)
    is_sealed = seal is not None and seal.seal in GOOD_SEALS and not seal.copy_form
    if lead.verdict is SignatureWord.INVALID or person is None or not is_sealed:
        return
    if person.person is SignatoryWord.UNKNOWN:
        choice = told_by(profile, UNKNOWN_SIGNER)
        yield reason(ReasonCode.SIGNATORY_UNKNOWN, pointer, name=lead.file, who=person.name, **choice)
    elif person.person is not SignatoryWord.KNOWN:
        yield reason(ReasonCode.SIGNATORY_ENDED, pointer, name=lead.file, who=person.name)
    elif header_word(lead, stated) is HeaderWord.OTHER and stated is not None:
        signed = " – ".join(filter(None, (person.person_name, person.position)))
        header = " – ".join(filter(None, (stated.name, stated.title)))
        yield reason(ReasonCode.SIGNER_OTHER, "/signer", name=lead.file, who=signed, sent=header)


def _lead_faults(lead: FileVerdict, pointer: str, choice: Mapping[str, str]) -> Iterator[Reason]:
    invalid = next((signer for signer in lead.signers if signer.verdict is SignatureWord.INVALID), None)
    if invalid is not None:
        yield reason(
            ReasonCode.SIGNATURE_INVALID,
            pointer,
            name=lead.file,
            who=invalid.name,
            finding=invalid.why,
            **choice,
        )
    elif lead.why not in OWN_FAULTS and (
        agency_word(lead) is SignatureWord.UNSIGNED or _is_closed_doubt(lead)
    ):
        yield reason(ReasonCode.UNSIGNED_LEAD, pointer, name=lead.file, **choice)
    elif (signer := seal_signer(lead)) is not None and signer.seal is SealWord.OTHER:
        yield reason(ReasonCode.SEAL_OTHER, pointer, name=lead.file, who=signer.name, agency=signer.seal_code)
    elif signer is not None and signer.seal is SealWord.UNKNOWN:
        yield reason(ReasonCode.SEAL_UNKNOWN, pointer, name=lead.file, who=signer.name)


def _is_closed_doubt(lead: FileVerdict) -> bool:
    """Tell whether no later check can make the agency's undecided signature valid."""
    return agency_word(lead) is SignatureWord.UNKNOWN and all(
        signer.why not in OPEN for signer in lead.signers if signer.verdict is SignatureWord.UNKNOWN
    )


def _lead_doubts(lead: FileVerdict, pointer: str) -> Iterator[Reason]:
    unknown = next((signer for signer in lead.signers if signer.verdict is SignatureWord.UNKNOWN), None)
    if unknown is not None or lead.verdict is SignatureWord.UNKNOWN:
        why = unknown.why if unknown is not None else lead.why
        yield reason(ReasonCode.SIGNATURE_UNCHECKED, pointer, name=lead.file, finding=why)
    elif agency_word(lead) is SignatureWord.VALID and _lacks_person(lead):
        yield reason(ReasonCode.NO_PERSON_SIGNATURE, pointer, name=lead.file)
    if (seal := seal_signer(lead)) is not None and seal.seal is SealWord.UNREGISTERED:
        yield reason(ReasonCode.SEAL_UNREGISTERED, pointer, name=lead.file, who=seal.name)


def _lacks_person(lead: FileVerdict) -> bool:
    """Tell whether the document is no copy and has no valid signature of a person."""
    sound = [s for s in lead.signers if s.verdict is SignatureWord.VALID]
    is_copy = any(s.role is SignerRole.AGENCY and s.copy_form for s in sound)
    return not is_copy and not any(s.role is SignerRole.PERSON for s in sound)
