"""Each of our verdicts on a PDF signature has its words of ETSI EN 319 102-1, and none that the standard does not have."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pyhanko.sign.ades.report import AdESFailure, AdESIndeterminate

from gateway.domain.signatures import FileVerdict, SignatureWord, SignerVerdict
from gateway.policy import etsi

AT = datetime(2026, 11, 18, 3, 0, tzinfo=UTC)


def signer(word: SignatureWord, why: str | None = None, **more: datetime) -> SignerVerdict:
    return SignerVerdict(field="A", verdict=word, why=why, **more)  # type: ignore[arg-type]  # times only


def test_a_valid_signature_has_passed_and_an_unsigned_file_has_no_conclusion() -> None:
    assert str(etsi.conclude(signer(SignatureWord.VALID))) == "TOTAL-PASSED"
    assert etsi.conclude_file(FileVerdict(n=1, file="a", verdict=SignatureWord.UNSIGNED)) is None


def test_a_revocation_is_a_failure_only_where_the_signer_claims_no_earlier_time() -> None:
    def concluded(claimed_at: datetime | None) -> str:
        more = {"claimed_at": claimed_at} if claimed_at else {}
        return str(etsi.conclude(signer(SignatureWord.INVALID, "CERT-REVOKED", revoked_at=AT, **more)))

    assert concluded(AT + timedelta(hours=1)) == "TOTAL-FAILED/REVOKED"
    assert concluded(None) == "TOTAL-FAILED/REVOKED"
    assert concluded(AT - timedelta(hours=1)) == "INDETERMINATE/REVOKED_NO_POE"


def test_the_words_are_those_of_the_standard_as_another_implementation_has_them() -> None:
    reasons = {etsi.Indication.FAILED: AdESFailure, etsi.Indication.INDETERMINATE: AdESIndeterminate}
    for conclusion in (*etsi.CONCLUSIONS.values(), etsi.REVOKED):
        if conclusion.reason is not None:
            assert conclusion.reason in reasons[conclusion.indication].__members__


def test_the_conclusion_on_a_file_is_that_on_its_worst_signature() -> None:
    bad = signer(SignatureWord.INVALID, "SIG-DIGEST")
    verdict = FileVerdict(
        n=1,
        file="a",
        verdict=SignatureWord.INVALID,
        why="SIG-DIGEST",
        signers=(signer(SignatureWord.VALID), bad),
    )
    assert str(etsi.conclude_file(verdict)) == "TOTAL-FAILED/HASH_FAILURE"
    unread = FileVerdict(n=1, file="a", verdict=SignatureWord.UNKNOWN, why="PDF-UNREADABLE")
    assert str(etsi.conclude_file(unread)) == "INDETERMINATE/SIGNED_DATA_NOT_FOUND"
