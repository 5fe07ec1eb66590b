"""When a document may leave as its lead file is signed: a table of verdicts, recipients and switches (R19 to R23)."""

from __future__ import annotations

from gateway.domain.document import Recipient, RecipientRole
from gateway.domain.signatures import FileVerdict, SignatureWord, SignerRole, SignerVerdict
from gateway.policy import pdf_verdict
from gateway.policy.profile import Profile
from gateway.policy.verdict import ReasonCode
from tests.support.cases import Cases

REFUSE, WARN = Profile(unsigned_lead="refuse"), Profile(unsigned_lead="warn")
TO_ACT = (Recipient(code="Z91", role=RecipientRole.TO_ACT), Recipient(code="Z92", role=RecipientRole.TO_KNOW))
TO_KNOW = (Recipient(code="Z91", role=RecipientRole.TO_KNOW),)


def signer(
    role: SignerRole,
    verdict: SignatureWord = SignatureWord.VALID,
    why: str | None = None,
    copy: str | None = None,
) -> SignerVerdict:
    return SignerVerdict(field="A", name="Sở Mẫu", role=role, verdict=verdict, why=why, copy_form=copy)


def file(
    *signers: SignerVerdict, verdict: SignatureWord = SignatureWord.VALID, why: str | None = None
) -> FileVerdict:
    return FileVerdict(n=1, file="15.pdf", verdict=verdict, why=why, signers=signers)


AGENCY, PERSON = signer(SignerRole.AGENCY), signer(SignerRole.PERSON)
OPEN = signer(SignerRole.AGENCY, SignatureWord.UNKNOWN, "CERT-REVOCATION-UNKNOWN")
ENDED = signer(SignerRole.AGENCY, SignatureWord.UNKNOWN, "PDF-TIME-UNPROVED")
BROKEN = signer(SignerRole.AGENCY, SignatureWord.INVALID, "SIG-DIGEST")
CASES: list[tuple[FileVerdict | None, list[ReasonCode], list[ReasonCode] | None]] = [
    (file(AGENCY, PERSON), [], []),
    (file(signer(SignerRole.AGENCY, copy="SY")), [], []),
    (file(AGENCY), [], [ReasonCode.NO_PERSON_SIGNATURE]),
    (file(PERSON), [ReasonCode.UNSIGNED_LEAD], []),
    (file(verdict=SignatureWord.UNSIGNED), [ReasonCode.UNSIGNED_LEAD], []),
    (file(BROKEN, PERSON), [ReasonCode.SIGNATURE_INVALID], []),
    (
        file(AGENCY, signer(SignerRole.PERSON, SignatureWord.INVALID, "PDF-CHANGED")),
        [ReasonCode.SIGNATURE_INVALID],
        None,
    ),
    (file(OPEN, PERSON), [], [ReasonCode.SIGNATURE_UNCHECKED]),
    (file(ENDED, PERSON), [ReasonCode.UNSIGNED_LEAD], [ReasonCode.SIGNATURE_UNCHECKED]),
    (
        file(verdict=SignatureWord.UNKNOWN, why="PDF-UNREADABLE"),
        [ReasonCode.UNSIGNED_LEAD],
        [ReasonCode.SIGNATURE_UNCHECKED],
    ),
    (file(verdict=SignatureWord.UNKNOWN, why="PDF-TRUST"), [], [ReasonCode.SIGNATURE_UNCHECKED]),
    (file(verdict=SignatureWord.UNKNOWN, why="PDF-READER"), [], [ReasonCode.SIGNATURE_UNCHECKED]),
    (None, [], []),
]


def test_a_document_to_act_on_is_refused_for_what_is_broken_and_warned_of_what_is_open(cases: Cases) -> None:
    """The same only warns where it is sent to be known, or the profile says so. R23 (certificates)."""
    for verdict, broken, warning_codes in CASES:
        with cases.case(verdict):
            lead = pdf_verdict.check_lead(verdict, TO_ACT, REFUSE)
            assert [reason.code for reason in lead.reasons] == broken
            assert warning_codes is None or [warning.code for warning in lead.warnings] == warning_codes
            for to, profile in ((TO_KNOW, REFUSE), (TO_ACT, WARN)):
                lead = pdf_verdict.check_lead(verdict, to, profile)
                assert lead.allowed
                assert [warning.code for warning in lead.warnings][: len(broken)] == broken
