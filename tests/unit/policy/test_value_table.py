"""The value of a document is a table: whose seal, which person, and whether the header names that person (R19, two
signatures; Decree 30/2020, article 5)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import product

from gateway.domain.document import Kind, Recipient, RecipientRole, Signer
from gateway.domain.seals import CertificateKind, RegisteredCertificate, SealRegister
from gateway.domain.signatures import FileVerdict, SignerRole, SignerVerdict
from gateway.policy import pdf_verdict, seal_verdict
from gateway.policy.profile import Profile
from tests.support.cases import Cases
from tests.unit.policy.test_seals import (
    HEAD,
    OTHER,
    OTHER_SEAL,
    OWN,
    PARENT,
    PARENTS,
    SEEN_AT,
    SENDER,
    certificate,
    file,
    right,
    signature,
)

PERSON = CertificateKind.PERSON
SIGNATORY = replace(HEAD, name="Nguyễn Văn Mẫu")
# What is registered about the seal, and about the person; None: no such signature is on the file.
SEALS: dict[str, tuple[str | None, tuple[RegisteredCertificate, ...]]] = {
    "own": ("own", (OWN,)),
    "entitled": ("parent", (OWN, PARENTS)),
    "other": ("other", (OWN, OTHER_SEAL)),
    "unknown": ("strange", (OWN,)),
    "unregistered": ("strange", ()),
    "none": (None, (OWN,)),
}
PERSONS: dict[str, tuple[RegisteredCertificate, ...] | None] = {
    "known": (SIGNATORY,),
    "unknown": (),
    "ended": (certificate(SENDER, "head", PERSON, valid_to=SEEN_AT - timedelta(days=1)),),
    "foreign": (certificate(OTHER, "head", PERSON),),
    "none": None,
}
HEADERS: dict[str, Signer | None] = {
    "same": Signer(name="NGUYỄN VĂN MẪU", title="Phó Giám đốc", competence="KT. Giám đốc"),
    "absent": None,
    "other": Signer(name="Trần Giả Mạo", title="Chủ tịch nước"),
}
# By seal and person: the value where the header names the person, has no name, names another one.
_OFFICIAL = ("official", "official", "official-unproved")
_UNPROVED = ("official-unproved",) * 3
_INFORMATION = ("information",) * 3
_OPEN = (None, None, None)
_OF_GOOD_SEAL: dict[str, tuple[str | None, ...]] = {
    "known": _OFFICIAL,
    "unknown": _UNPROVED,
    "ended": _INFORMATION,
    "foreign": _INFORMATION,
    "none": _INFORMATION,
}
_OF_NO_SEAL: dict[str, tuple[str | None, ...]] = dict.fromkeys(PERSONS, _INFORMATION)
TABLE: dict[str, dict[str, tuple[str | None, ...]]] = {
    "own": _OF_GOOD_SEAL,
    "entitled": _OF_GOOD_SEAL,
    "other": _OF_NO_SEAL,
    "unknown": _OF_NO_SEAL,
    "unregistered": _OF_NO_SEAL | {"known": _OPEN, "unknown": _OPEN},
    "none": _OF_NO_SEAL,
}


def lead_of(seal: str, person: str) -> FileVerdict:
    mark, certificates = SEALS[seal]
    registered = PERSONS[person]
    signers: list[SignerVerdict] = []
    if registered is not None:
        signers.append(signature(SignerRole.PERSON, "head"))
    if mark is not None:
        signers.append(signature(SignerRole.AGENCY, mark))
    if not signers:
        return FileVerdict(n=1, file="15.pdf", verdict=file(signature(None, "x")).verdict)
    register = SealRegister(
        code=SENDER, certificates=(*certificates, *(registered or ())), rights=(right(PARENT),)
    )
    return seal_verdict.identify(file(*signers), register, SEEN_AT)


def test_each_pair_of_seal_and_person_has_its_value_by_what_the_header_says(cases: Cases) -> None:
    """R19 (two signatures)."""
    for seal, person in product(SEALS, PERSONS):
        for (header, stated), value in zip(HEADERS.items(), TABLE[seal][person], strict=True):
            with cases.case(f"{seal} × {person} × {header}"):
                assert pdf_verdict.legal_value(lead_of(seal, person), stated) == value


def test_anothers_whole_original_with_our_seal_added_is_never_official() -> None:
    """Its head and its seal are another agency's."""
    register = SealRegister(code=SENDER, certificates=(OWN, OTHER_SEAL, certificate(OTHER, "head", PERSON)))
    original = file(
        signature(SignerRole.PERSON, "head"),
        signature(SignerRole.AGENCY, "other"),
        signature(SignerRole.AGENCY, "own"),
    )
    lead = seal_verdict.identify(original, register, SEEN_AT)

    assert pdf_verdict.legal_value(lead, None) == "information"


def test_a_header_names_the_person_whatever_the_way_of_writing(cases: Cases) -> None:
    lead = lead_of("own", "known")  # Nguyễn Văn Mẫu, Phó Giám đốc, KT.
    for name, title, competence, word in (
        ("Nguyễn Văn Mẫu", None, None, "same"),
        (" nguyễn  văn mẫu ", "PHÓ GIÁM ĐỐC", None, "same"),
        ("TS. Nguyễn Văn Mẫu", "Phó Giám đốc Sở", "KT.", "same"),
        ("Nguyễn Văn Mẫu", "KT. Giám đốc, Phó Giám đốc", None, "same"),
        ("Nguyễn Văn Mẫu", "Phó Giám đốc", "TM. Ủy ban nhân dân, KT. Chủ tịch", "same"),
        ("Nguyễn Văn Mẫu", "Giám đốc", None, "other"),
        ("Nguyễn Văn Mẫu", "Chủ tịch nước", None, "other"),
        ("Nguyễn Văn Mẫu", "Phó Giám đốc", "TUQ. Giám đốc", "other"),
        ("Nguyễn Văn Mậu Nam", "Phó Giám đốc", None, "other"),
    ):
        with cases.case((name, title, competence)):
            stated = Signer(name=name, title=title, competence=competence)
            assert seal_verdict.header_word(lead, stated) == word


def test_the_sender_is_asked_about_a_person_who_is_not_proved(cases: Cases) -> None:
    """Only where the seal is right. An agency that rolls out may be warned of a person who is not registered yet."""
    to_act = (Recipient(code="Z91", role=RecipientRole.TO_ACT),)
    to_know = (Recipient(code="Z91", role=RecipientRole.TO_KNOW),)
    same, other = HEADERS["same"], HEADERS["other"]
    unknown, ended, differs = "signatory-unknown", "signatory-ended", "signer-other"
    for seal, person, stated, code in (
        ("own", "known", same, None),
        ("own", "known", None, None),
        ("own", "known", other, differs),
        ("own", "unknown", other, unknown),
        ("own", "ended", same, ended),
        ("own", "foreign", same, ended),
        ("entitled", "unknown", same, unknown),
        ("unregistered", "unknown", same, None),
    ):
        with cases.case((seal, person, code)):
            lead, strict = lead_of(seal, person), Profile(unsigned_lead="refuse")
            codes = {code} & {unknown, ended, differs}
            ask = partial(pdf_verdict.check_lead, lead, stated=stated)
            assert {r.code for r in ask(to_act, strict).reasons} == codes
            confirmed = ask(to_act, strict, confirmed=[str(c) for c in codes])
            assert confirmed.allowed
            assert codes <= {r.code for r in confirmed.warnings}
            for quiet in (ask(to_know, strict), ask(to_act, strict, kind=Kind.RECALL)):
                assert quiet.allowed
                assert codes <= {r.code for r in quiet.warnings}
            lenient = ask(to_act, replace(strict, unknown_signer="warn"))
            assert {r.code for r in lenient.reasons} == codes - {unknown}


def test_a_verdict_of_the_first_rule_keeps_its_value_whatever_the_header_says() -> None:
    lead = file(signature(SignerRole.PERSON, "head"), signature(SignerRole.AGENCY, "own"))

    assert {pdf_verdict.legal_value(lead, stated) for stated in HEADERS.values()} == {"official"}
