"""Reasons against signing with the agency's own key: all at once, before and after the key is open."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from gateway.domain.identity import Digest
from gateway.domain.pdf import MOST_PDF_BYTES, EarlierSignature, KeyFacts, PdfStanding, Purpose, Spot, Wish
from gateway.policy.pdf_signing import SESSION_LASTS, is_over, may_be_signed, may_sign
from gateway.policy.verdict import ReasonCode

AT = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
PERSON = EarlierSignature(subject="CN=A Person", key_id="1" * 16, intact=True)
SOUND = PdfStanding(digest=Digest("a" * 64), size=1000, pages=2, earlier=(PERSON,))
SEAL = Wish(purpose=Purpose.SEAL, agency_name="Z91")
KEY = KeyFacts(
    certificate_der=b"",
    fingerprint="f" * 64,
    key_id="2" * 16,
    subject="CN=Z91",
    serial="1a",
    not_before=AT - timedelta(days=1),
    not_after=AT + timedelta(days=1),
    signs=True,
)


def codes(standing: PdfStanding, wish: Wish = SEAL) -> set[str]:
    return {str(reason.code) for reason in may_be_signed(standing, wish, "a.pdf").reasons}


def key_codes(key: KeyFacts, standing: PdfStanding = SOUND, exchange: tuple[str, ...] = ()) -> set[str]:
    return {str(reason.code) for reason in may_sign(standing, key, exchange, AT).reasons}


def test_threat_120_an_agency_seals_once_what_a_person_signed_and_no_key_of_the_exchange_signs() -> None:
    assert codes(SOUND) == set()
    assert key_codes(KEY) == set()

    assert key_codes(KEY, exchange=(KEY.key_id,)) == {"key-exchange"}
    for moved in (timedelta(days=2), timedelta(days=-2)):
        key = replace(KEY, not_before=KEY.not_before + moved, not_after=KEY.not_after + moved)
        assert key_codes(key) == {"key-time"}
    assert key_codes(replace(KEY, signs=False)) == {"key-usage"}

    for ours in (replace(PERSON, key_id=KEY.key_id), replace(PERSON, subject=KEY.subject)):
        assert key_codes(KEY, replace(SOUND, earlier=(PERSON, ours))) == {"sign-twice"}


def test_what_is_wrong_with_a_file_is_said_and_every_reason_at_once() -> None:
    """R30 (no change after approval)."""
    for standing, code in (
        (replace(SOUND, fault="not-pdf"), ReasonCode.SIGN_BROKEN),
        (replace(SOUND, encrypted=True, fault="encrypted"), ReasonCode.SIGN_ENCRYPTED),
        (replace(SOUND, size=MOST_PDF_BYTES + 1, fault="too-large"), ReasonCode.SIGN_TOO_LARGE),
        (replace(SOUND, closed=True), ReasonCode.SIGN_CLOSED),
        (replace(SOUND, earlier=()), ReasonCode.SIGN_NO_PERSON),
        (replace(SOUND, earlier=(replace(PERSON, intact=False),)), ReasonCode.SIGN_EARLIER_BROKEN),
    ):
        assert codes(standing) == {str(code)}
    wish = replace(SEAL, purpose=Purpose.APPENDIX, at=Spot(page=9, left=0, top=0))
    assert codes(replace(SOUND, closed=True), wish) == {"sign-closed", "sign-no-number", "sign-outside"}
    for purpose in (Purpose.COPY, Purpose.APPENDIX):  # these need no person
        wish = Wish(purpose=purpose, agency_name="Z91", number="118/UBND-VP")
        assert codes(replace(SOUND, earlier=()), wish) == set()


def test_a_typed_pin_lasts_for_one_sitting() -> None:
    lasts = {timedelta(0): False, SESSION_LASTS: False, SESSION_LASTS * 2: True, -SESSION_LASTS: True}
    assert {passed: is_over(AT, AT + passed) for passed in lasts} == lasts
