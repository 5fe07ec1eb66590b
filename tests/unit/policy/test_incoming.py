"""Decisions about an incoming packet: sealed ones, ones that no person could act on, and ones that a clerk decides."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from gateway.document_view import checks
from gateway.domain.agency_profile import ProfileVersion
from gateway.domain.pdf import FirstPage
from gateway.domain.proof import Finding
from gateway.domain.signatures import FileFacts
from gateway.domain.wall_clock import local
from gateway.policy.first_page import PageStanding
from gateway.policy.incoming import Admission, ArrivedFile, ArrivedPacket, check
from gateway.policy.profile import MB, Profile, for_agency
from gateway.words import labels
from tests.support.cases import Cases

PROFILE = Profile()
NOW = datetime(2026, 11, 20, 2, tzinfo=UTC)


def arrived(name: str = "88.pdf", found_type: str = "pdf", size: int = 9_000, **facts: Any) -> ArrivedFile:
    return ArrivedFile(name=name, facts=FileFacts(found_type=found_type, size=size, **facts))


def packet(**changes: Any) -> ArrivedPacket:
    arrived_packet = ArrivedPacket(
        our_codes=("Z91.07", "000.00.07.Z91"),
        addressed_to=("Z92", "Z91.07"),
        subject="V/v báo cáo thử nghiệm",
        files=(arrived(),),
    )
    return replace(arrived_packet, **changes)


def test_an_ordinary_packet_is_allowed_a_declared_secret_sealed_first_r4_and_findings_held_r3() -> None:
    """Also for an alias of ours in any case."""
    ruling = check(packet(), PROFILE)
    assert (ruling.decision, ruling.verdict.warnings) == (Admission.ALLOWED, ())
    for to in ("000.00.07.z91", " Z91.07 "):
        assert check(packet(addressed_to=(to,)), PROFILE).decision is Admission.ALLOWED

    ruling = check(packet(secrecy="1", addressed_to=("Z92",)), PROFILE)

    assert (ruling.decision, ruling.code) == (Admission.SEALED, "SECRET")

    finding = Finding(code="NO-LEAD", place="/edXML", detail="no lead file")

    ruling = check(packet(category="complaint", findings=(finding,)), PROFILE)

    assert ruling.decision is Admission.HELD
    assert {reason.code.value for reason in ruling.verdict.reasons} == {"schema", "forbidden-category"}


def test_what_nobody_could_act_on_is_answered() -> None:
    damaged = ArrivedFile(name="x.pdf", damaged="not base64")
    for sent, code in (
        (packet(addressed_to=("Z92", "Z91.071")), "WRONG_ADDRESSEE"),
        (packet(files=(damaged,)), "DAMAGED"),
        (packet(files=(arrived(malware="Eicar.Test"),)), "MALWARE"),
    ):
        ruling = check(sent, PROFILE)
        assert (ruling.decision, ruling.code) == (Admission.UNACTIONABLE, code)
    assert check(packet(files=(damaged,)), PROFILE).detail == "x.pdf: not base64"


def test_a_doubtful_file_is_held_for_the_clerk_with_its_reason() -> None:
    for file, code in (
        (arrived("a.exe", "exe"), "type-not-allowed"),
        (arrived("a.docm", "docm", active=("macro",)), "type-not-allowed"),
        (arrived(active=("javascript",)), "active-content"),
        (arrived(encrypted=True), "encrypted"),
        (arrived(broken="unreadable"), "broken"),
        (arrived("a.zip", "zip", broken="ratio"), "archive-bomb"),
        (arrived(size=10 * MB + 1), "file-too-large"),
    ):
        ruling = check(packet(files=(file,)), PROFILE)
        assert ruling.decision is Admission.HELD
        assert code in {reason.code.value for reason in ruling.verdict.reasons}


def test_a_first_page_that_was_not_read_to_its_end_warns_and_is_compared_with_nothing() -> None:
    """Also of the lead file alone."""
    cut = arrived(page_cut=True, page_fields=FirstPage())
    ruling = check(packet(files=(cut, arrived(page_cut=True))), PROFILE)

    assert (ruling.decision, ruling.first_page) == (Admission.ALLOWED, PageStanding.UNREAD)
    assert [(warning.code.value, warning.pointer) for warning in ruling.verdict.warnings] == [
        ("first-page-cut", "/files/0")
    ]


def test_page_counts_words_and_a_stamp_on_the_first_page_only_warn_r2_r57() -> None:
    ruling = check(packet(subject="Đơn tố cáo", pages=3, files=(arrived(pages=2),)), PROFILE)
    assert ruling.decision is Admission.ALLOWED
    assert {warning.code.value for warning in ruling.verdict.warnings} == {"sensitive-word", "pages-differ"}
    ruling = check(packet(files=(arrived(first_page="SỐ 12\nTỐI MẬT"), arrived(first_page="MẬT"))), PROFILE)
    (warning,) = ruling.verdict.warnings
    assert ruling.decision is Admission.ALLOWED
    assert (warning.code.value, warning.params["word"]) == ("secrecy-stamp", "TỐI MẬT")


def chosen(key: str, value: str) -> ProfileVersion:
    return ProfileVersion(
        id="prf_1", key=key, value=value, set_by="prn_1", set_at=NOW, from_when=NOW, set_by_name="Lê Thị Bình"
    )


def test_an_unsigned_document_is_taken_marked_or_held_as_the_agency_chose_and_the_verdict_names_it(
    cases: Cases,
) -> None:
    unsigned = replace(packet(), is_unsigned=True)
    rulebook = chosen("rulebook", "12/QĐ-SNV")
    for value, decision, against, warned in (
        ("take", Admission.ALLOWED, 0, 0),
        ("mark", Admission.ALLOWED, 0, 1),
        ("hold", Admission.HELD, 1, 0),
    ):
        with cases.case(value):
            profile = for_agency(PROFILE, {"unsigned_in": chosen("unsigned_in", value), "rulebook": rulebook})
            ruling = check(unsigned, profile)
            assert (ruling.decision, len(ruling.verdict.reasons), len(ruling.verdict.warnings)) == (
                decision,
                against,
                warned,
            )
            for reason in (*ruling.verdict.reasons, *ruling.verdict.warnings):
                text = labels.reason_text(reason.code, reason.params)
                assert labels.say(f"profile.unsigned_in.{value}") in text
                assert "Lê Thị Bình" in text
                assert "quy chế 12/QĐ-SNV" in text
                assert labels.day(local(NOW).date().isoformat()) in text
                ((code, params),) = checks.broken_rules(str(reason))
                assert checks.rule_sentence(code, params, "vi") == text
            assert check(packet(), profile).decision is Admission.ALLOWED
    assert check(unsigned, PROFILE).verdict.allowed
