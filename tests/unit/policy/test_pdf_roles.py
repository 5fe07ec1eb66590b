"""Agency or person, and which copy: told by what certificates and signatures say of themselves."""

from __future__ import annotations

from datetime import UTC, datetime

from gateway.domain.signatures import CertificateFacts, RoleRule, SignerRole
from gateway.policy.pdf_verdict import copy_form, name_of, organisation_of, role_of

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def certificate(*names: tuple[str, str], policies: tuple[str, ...] = ()) -> CertificateFacts:
    return CertificateFacts(
        subject="the subject",
        issuer="the issuer",
        serial="1",
        sha256="0" * 64,
        not_before=NOW,
        not_after=NOW,
        names=names,
        policies=policies,
    )


NAME, ORGANISATION = ("common_name", "Nguyễn Văn Mẫu"), ("organization_name", "Sở Mẫu")


def test_the_usual_rules_tell_agency_from_person() -> None:
    same, other = ("common_name", "Sở Mẫu"), ("common_name", "Phòng Mẫu")
    tax, citizen = ("user_id", "MST:0000000000"), ("user_id", "CCCD:000000000000")
    number, given_name = ("organization_identifier", "VATVN-0"), ("given_name", "Mẫu")
    persons: tuple[tuple[tuple[str, str], ...], ...] = (
        (NAME, ORGANISATION),
        (NAME, ORGANISATION, citizen),
        (same, ORGANISATION, ("given_name", "Sở")),
        (("common_name", "Sở Mẫuu"), ORGANISATION),
        (NAME, number, given_name),
        (NAME, tax, citizen),
        (),
    )
    agencies: tuple[tuple[tuple[str, str], ...], ...] = (
        (same, ORGANISATION),
        (("common_name", "SỞ MẪU (Z91.07)"), ORGANISATION),
        (other, ORGANISATION, ("organizational_unit_name", "Phòng Mẫu")),
        (NAME, ORGANISATION, tax),
        (NAME, ORGANISATION, number),
    )
    for names in persons:
        assert role_of(certificate(*names)) is SignerRole.PERSON, names
    for names in agencies:
        assert role_of(certificate(*names)) is SignerRole.AGENCY, names


def test_the_nodes_own_rules_go_first_and_a_certificate_without_a_common_name_is_shown_by_its_subject() -> (
    None
):
    rules = (
        RoleRule(role=SignerRole.PERSON, part="policy", value="1.2.3"),
        RoleRule(role=SignerRole.AGENCY, part="policy", value="1.2", begins=True),
    )
    agency = certificate(("common_name", "Sở Mẫu"), ORGANISATION, policies=("1.2.3",))

    assert role_of(agency, rules) is SignerRole.PERSON
    assert role_of(certificate(NAME, policies=("1.2.4",)), rules) is SignerRole.AGENCY

    assert name_of(certificate()) == "the subject"
    assert name_of(certificate(NAME, ORGANISATION)) == "Nguyễn Văn Mẫu"
    assert organisation_of(certificate(NAME, ORGANISATION)) == "Sở Mẫu"


def test_a_copy_is_told_by_whole_words_at_the_beginning() -> None:
    forms = {
        ("SAO Y",): "SY",
        ("sao y bản chính",): "SY",
        ("", "SAO Y Sở Mẫu 2026-11-18T10:00:00+07:00"): "SY",
        ("Trích sao; Sở Mẫu",): "TrS",
        ("SL",): "SL",
        ("Sao lục: văn bản",): "SL",
        **dict.fromkeys((("Syria",), ("Bản sao y",), ("Tôi đồng ý", "Sở Mẫu"), ())),
    }
    assert {form: copy_form(*form) for form in forms} == forms
