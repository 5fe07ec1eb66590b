"""Whose seal stands on a document, who signed it, and what it is worth then (R23): a table over what is registered."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from gateway.document_view.seals import seal_text
from gateway.domain.document import Recipient, RecipientRole
from gateway.domain.seals import (
    CertificateKind,
    RegisteredCertificate,
    SealingRight,
    SealRegister,
    SealWord,
    SignatoryWord,
)
from gateway.domain.signatures import FileVerdict, LegalValue, SignatureWord, SignerRole, SignerVerdict
from gateway.policy import pdf_verdict, seal_verdict
from gateway.policy.profile import Profile
from gateway.policy.verdict import ReasonCode
from tests.support.cases import Cases

SENDER, PARENT, OTHER = "Z91.07", "Z91", "Z91.08"
SEEN_AT = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
YEAR = timedelta(days=365)
SEAL, PERSON = CertificateKind.SEAL, CertificateKind.PERSON
OFFICIAL, COPY, INFORMATION = LegalValue.OFFICIAL, LegalValue.COPY, LegalValue.INFORMATION
UNPROVED = LegalValue.UNPROVED


def certificate(
    code: str,
    fingerprint: str,
    kind: CertificateKind = SEAL,
    since: datetime = SEEN_AT - YEAR,
    valid_to: datetime = SEEN_AT + YEAR,
) -> RegisteredCertificate:
    is_person = kind is PERSON
    return RegisteredCertificate(
        id=f"{code}-{fingerprint}",
        code=code,
        kind=kind,
        fingerprint=fingerprint,
        certificate_pem="",
        valid_from=since,
        valid_to=valid_to,
        state="active",
        proposed_by="An",
        approved_by="Binh",
        created_at=SEEN_AT - YEAR,
        position="Phó Giám đốc" if is_person else "",
        capacity="KT." if is_person else "",
    )


def right(acting: str, since: date = date(2026, 1, 1), valid_to: date | None = None) -> SealingRight:
    return SealingRight(
        id="right",
        acting_code=acting,
        code=SENDER,
        act_number="12/QĐ-UBND",
        act_date=date(2025, 12, 20),
        valid_from=since,
        valid_to=valid_to,
        state="active",
        proposed_by="An",
        approved_by="Binh",
        created_at=SEEN_AT - YEAR,
    )


def signature(role: SignerRole | None, sha256: str, **more: object) -> SignerVerdict:
    signer = SignerVerdict(field="A", name="Ai đó", role=role, verdict=SignatureWord.VALID, sha256=sha256)
    return replace(signer, **more)  # type: ignore[arg-type]  # fields by name


def file(*signers: SignerVerdict) -> FileVerdict:
    worst = min((s.verdict for s in signers), key=list(SignatureWord).index)
    return FileVerdict(n=1, file="15.pdf", verdict=worst, signers=signers)


BY_PERSON = signature(SignerRole.PERSON, "head")
OWN = certificate(SENDER, "own")
HEAD = certificate(SENDER, "head", PERSON)
PARENTS, OTHER_SEAL = certificate(PARENT, "parent"), certificate(OTHER, "other")
GIVEN_LATER = right(PARENT, since=date(2026, 11, 21))


def sealed(sha256: str, **more: object) -> FileVerdict:
    return file(BY_PERSON, signature(SignerRole.AGENCY, sha256, **more))


def bare(sha256: str, **more: object) -> FileVerdict:
    """Return the verdict on a file that a seal signed, and no person."""
    return file(signature(SignerRole.AGENCY, sha256, **more))


# What is registered, the document, and: whose seal, whether the person is known, the value.
Row = tuple[
    tuple[RegisteredCertificate, ...],
    tuple[SealingRight, ...],
    FileVerdict,
    SealWord | None,
    SignatoryWord | None,
    LegalValue | None,
]


def row(
    verdict: FileVerdict,
    seal: SealWord | None,
    person: SignatoryWord | None,
    value: LegalValue | None,
    *registered: RegisteredCertificate | SealingRight,
) -> Row:
    certificates = tuple(x for x in registered if isinstance(x, RegisteredCertificate))
    rights = tuple(x for x in registered if isinstance(x, SealingRight))
    return (certificates, rights, verdict, seal, person, value)


KNOWN_PERSON, STRANGER = SignatoryWord.KNOWN, SignatoryWord.UNKNOWN
ENDED, FOREIGN = SignatoryWord.ENDED, SignatoryWord.FOREIGN
EARLIER = SEEN_AT - timedelta(days=2)
OLD = certificate(SENDER, "old", valid_to=EARLIER)
STAMPED = signature(SignerRole.AGENCY, "own")
IN_DOUBT: dict[str, Any] = {"verdict": SignatureWord.UNKNOWN, "why": "CERT-REVOCATION-UNKNOWN"}
ROWS: dict[str, Row] = {
    "own seal, known person": row(sealed("own"), SealWord.OWN, KNOWN_PERSON, OFFICIAL, OWN, HEAD),
    "own seal, unknown person": row(sealed("own"), SealWord.OWN, STRANGER, UNPROVED, OWN),
    "own seal, no person": row(bare("own"), SealWord.OWN, None, INFORMATION, OWN),
    "own copy": row(bare("own", copy_form="SY"), SealWord.OWN, None, COPY, OWN),
    "another's copy": row(bare("other", copy_form="SY"), SealWord.OTHER, None, INFORMATION, OWN, OTHER_SEAL),
    "parent with a right": row(
        sealed("parent"), SealWord.ENTITLED, KNOWN_PERSON, OFFICIAL, OWN, PARENTS, HEAD, right(PARENT)
    ),
    "parent with a right, sender without a seal": row(
        sealed("parent"), SealWord.ENTITLED, STRANGER, UNPROVED, PARENTS, right(PARENT)
    ),
    "parent without a right": row(sealed("parent"), SealWord.OTHER, STRANGER, INFORMATION, OWN, PARENTS),
    "right that begins later": row(
        sealed("parent"), SealWord.OTHER, STRANGER, INFORMATION, OWN, PARENTS, GIVEN_LATER
    ),
    "right that was over": row(
        sealed("parent"),
        SealWord.OTHER,
        STRANGER,
        INFORMATION,
        OWN,
        PARENTS,
        right(PARENT, valid_to=date(2026, 11, 19)),
    ),
    "right on its last day": row(
        sealed("parent"),
        SealWord.ENTITLED,
        STRANGER,
        UNPROVED,
        OWN,
        PARENTS,
        right(PARENT, valid_to=date(2026, 11, 20)),
    ),
    "right of a third agency": row(
        sealed("other"), SealWord.OTHER, STRANGER, INFORMATION, OWN, OTHER_SEAL, right(PARENT)
    ),
    "another's seal": row(sealed("other"), SealWord.OTHER, STRANGER, INFORMATION, OWN, OTHER_SEAL),
    "another's seal, sender without one": row(
        sealed("other"), SealWord.OTHER, STRANGER, INFORMATION, OTHER_SEAL
    ),
    "unknown seal": row(sealed("strange"), SealWord.UNKNOWN, STRANGER, INFORMATION, OWN),
    "nothing registered": row(sealed("own"), SealWord.UNREGISTERED, STRANGER, None),
    "only a person registered": row(sealed("own"), SealWord.UNREGISTERED, KNOWN_PERSON, None, HEAD),
    "no value even with a seal": row(bare("own"), SealWord.UNREGISTERED, None, INFORMATION),
    "seal withdrawn before": row(sealed("old"), SealWord.UNKNOWN, STRANGER, INFORMATION, OWN, OLD),
    "seal withdrawn after the stamp": row(
        sealed("old", trusted_at=EARLIER - timedelta(hours=1)), SealWord.OWN, STRANGER, UNPROVED, OWN, OLD
    ),
    "only seal withdrawn before": row(sealed("old"), SealWord.UNREGISTERED, STRANGER, None, OLD),
    "person who left office": row(
        sealed("own"),
        SealWord.OWN,
        ENDED,
        INFORMATION,
        OWN,
        certificate(SENDER, "head", PERSON, valid_to=EARLIER),
    ),
    "person of another agency": row(
        sealed("own"), SealWord.OWN, FOREIGN, INFORMATION, OWN, certificate(OTHER, "head", PERSON)
    ),
    "a registered seal that looks like a person's": row(
        file(BY_PERSON, signature(SignerRole.PERSON, "own")), SealWord.OWN, KNOWN_PERSON, OFFICIAL, OWN, HEAD
    ),
    "a registered person that looks like a seal": row(
        file(signature(SignerRole.AGENCY, "head"), STAMPED), SealWord.OWN, KNOWN_PERSON, OFFICIAL, OWN, HEAD
    ),
    "own seal beside another's": row(
        file(BY_PERSON, signature(SignerRole.AGENCY, "other"), STAMPED),
        SealWord.OWN,
        KNOWN_PERSON,
        OFFICIAL,
        OWN,
        OTHER_SEAL,
        HEAD,
    ),
    "own seal in doubt": row(sealed("own", **IN_DOUBT), SealWord.OWN, KNOWN_PERSON, None, OWN, HEAD),
    "another's seal in doubt": row(
        sealed("other", **IN_DOUBT), SealWord.OTHER, STRANGER, INFORMATION, OWN, OTHER_SEAL
    ),
}


def identified(row: Row) -> FileVerdict:
    certificates, rights, verdict, *_ = row
    register = SealRegister(code=SENDER, certificates=certificates, rights=rights)
    return seal_verdict.identify(verdict, register, SEEN_AT)


def test_the_seal_and_the_person_decide_what_a_document_is_worth(cases: Cases) -> None:
    for name, row in ROWS.items():
        with cases.case(name):
            lead = identified(row)
            words = (seal_verdict.seal_word(lead), seal_verdict.person_word(lead))
            assert (*words, pdf_verdict.legal_value(lead)) == row[3:]
            assert lead.rule == seal_verdict.RULE


def test_the_verdict_names_agency_act_position_and_capacity() -> None:
    lead = identified(ROWS["parent with a right"])

    seal, person = seal_verdict.seal_signer(lead), seal_verdict.person_signer(lead)

    assert seal is not None
    assert (seal.seal_code, seal.seal_act) == (PARENT, "12/QĐ-UBND (20/12/2025)")
    assert person is not None
    assert (person.position, person.capacity) == ("Phó Giám đốc", "KT.")


def test_threat_154_a_person_who_left_office_is_named_so() -> None:
    person = seal_verdict.person_signer(identified(ROWS["person who left office"]))

    assert person is not None
    assert person.person is ENDED


def test_a_seal_of_the_sender_whose_days_are_over_is_told_with_its_days() -> None:
    expired_seal = certificate(SENDER, "old", valid_to=SEEN_AT - timedelta(days=3))

    for further_seals, word in (((), SealWord.UNREGISTERED), ((OWN,), SealWord.UNKNOWN)):
        lead = identified(((expired_seal, *further_seals), (), sealed("old"), word, STRANGER, INFORMATION))

        assert seal_verdict.seal_word(lead) is word
        sentence = seal_text(lead, "vi")
        assert "20/11/2025–17/11/2026" in sentence, sentence


def test_a_verdict_by_the_first_rule_keeps_its_value() -> None:
    """It compared nothing, and is not made worse by what was registered later."""
    old = sealed("")

    assert (old.rule, seal_verdict.seal_word(old)) == (1, None)
    assert pdf_verdict.legal_value(old) is OFFICIAL


def test_comparing_again_forgets_what_was_registered_before() -> None:
    first = identified(ROWS["parent with a right"])

    second_verdict = seal_verdict.identify(first, SealRegister(code=SENDER), SEEN_AT)

    assert second_verdict.signers[1] == replace(
        first.signers[1], seal=SealWord.UNREGISTERED, seal_code="", seal_act=""
    )
    assert (second_verdict.signers[0].person, second_verdict.signers[0].position) == (STRANGER, "")


def test_the_own_seal_is_checked_before_a_document_leaves(cases: Cases) -> None:
    """Without a registered seal there is only a warning."""
    to = (Recipient(code="Z91", role=RecipientRole.TO_ACT),)
    for name, reasons, warnings in (
        ("own seal, known person", [], []),
        ("parent with a right", [], []),
        ("another's seal", [ReasonCode.SEAL_OTHER], []),
        ("another's seal, sender without one", [ReasonCode.SEAL_OTHER], []),
        ("unknown seal", [ReasonCode.SEAL_UNKNOWN], []),
        ("nothing registered", [], [ReasonCode.SEAL_UNREGISTERED]),
    ):
        with cases.case(name):
            verdict = pdf_verdict.check_lead(identified(ROWS[name]), to, Profile(unsigned_lead="refuse"))
            assert [r.code for r in verdict.reasons] == reasons
            assert [r.code for r in verdict.warnings] == warnings
            lenient = pdf_verdict.check_lead(identified(ROWS[name]), to, Profile(unsigned_lead="warn"))
            assert [r.code for r in lenient.warnings] == [*reasons, *warnings]
