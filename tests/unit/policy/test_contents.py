"""What a file may be, by what was found in its bytes: archives with their members, names against bytes, the scanner."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway.domain.signatures import FileFacts
from gateway.policy.door import judge_file, must_wait
from gateway.policy.profile import Profile
from gateway.policy.verdict import Verdict

PROFILE = Profile()


def judged(name: str, found: str = "pdf", profile: Profile = PROFILE, **facts: Any) -> Verdict:
    return judge_file(name, FileFacts(found_type=found, size=9_000, **facts), profile, "/files/0")


def codes(verdict: Verdict) -> list[str]:
    return [each.code.value for each in verdict.reasons]


@pytest.mark.parametrize("found", ["exe", "elf", "script", "html", "unknown", "jar", "docm", "mht", "gzip"])
def test_threat_061_bytes_of_another_type_do_not_pass_under_a_good_name(found: str) -> None:
    assert codes(judged("cong van.pdf", found)) == ["type-not-allowed"]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("cv.pdf.exe", "pdf"),
        ("a.pdf .exe", "pdf"),
        ("a.exe .", "txt"),
        ("chay.bat", "txt"),
        ("a.exe\u200b", "txt"),
        ("a.b\u200dat", "txt"),
        ("gpj\u202efdp.exe", "jpeg"),
        ("a.pdf/b.vbs", "txt"),
    ],
)
def test_threat_062_harmless_bytes_do_not_pass_under_a_name_that_runs(name: str, found: str) -> None:
    assert codes(judged(name, found)) == ["type-not-allowed"]


@pytest.mark.parametrize("member", ["chay.bat", "trong/cv.pdf.exe", "a.js", "b\u200b.lnk", "kem.zip/x.hta"])
def test_threat_062_a_member_that_runs_does_not_pass_whatever_its_bytes_are(member: str) -> None:
    verdict = judged("kem.zip", "zip", members=("a.txt", member), member_types=("txt", "txt"))

    assert codes(verdict) == ["type-not-allowed"]
    assert member in verdict.reasons[0].params["name"]


def test_threat_061_a_member_of_another_type_does_not_pass() -> None:
    verdict = judged("kem.zip", "zip", members=("a.pdf",), member_types=("exe",))

    assert codes(verdict) == ["type-not-allowed"]


def test_an_archive_of_ordinary_files_passes() -> None:
    members = ("Tờ trình.docx", "trong/anh.JPG", "ghi chú", "số liệu.csv")

    verdict = judged("kem.zip", "zip", members=members, member_types=("docx", "jpeg", "txt", "txt"))

    assert verdict.allowed
    assert verdict.warnings == ()


@pytest.mark.parametrize("broken", ["junk-before", "junk-after"])
def test_threat_063_a_file_that_is_two_files_does_not_pass(broken: str) -> None:
    assert codes(judged("a.pdf", broken=broken)) == ["broken"]


@pytest.mark.parametrize("kind", ["javascript", "launch", "macro", "remote-content", "script"])
def test_threat_064_what_would_run_does_not_pass(kind: str) -> None:
    assert codes(judged("a.pdf", active=(kind,))) == ["active-content"]


def test_threat_064_an_embedded_file_only_warns() -> None:
    verdict = judged("a.pdf", active=("embedded-file",))

    assert verdict.allowed
    assert [each.code.value for each in verdict.warnings] == ["active-content"]


def test_threat_060_an_archive_behind_a_password_does_not_pass() -> None:
    verdict = judged("a.zip", "zip", encrypted=True, members=("a.txt",), member_types=("unknown",))

    assert "encrypted" in codes(verdict)


def test_a_rar_passes_where_the_profile_allows_it_r12() -> None:
    assert codes(judged("a.rar", "rar")) == ["type-not-allowed"]
    assert judged("a.rar", "rar", replace(PROFILE, rar_allowed=True)).allowed


def test_threat_076_a_name_that_misleads_warns_and_is_shown_written_out() -> None:
    verdict = judged("b\u202eo cao.pdf")

    assert verdict.allowed
    assert [(each.code.value, each.params["name"]) for each in verdict.warnings] == [
        ("name-odd", "b[U+202E]o cao.pdf")
    ]


def test_threat_065_malware_does_not_pass() -> None:
    verdict = judged("a.pdf", malware="Eicar.Test")

    assert codes(verdict) == ["malware"]
    assert verdict.reasons[0].params["malware"] == "Eicar.Test"


@pytest.mark.parametrize(
    ("unscanned", "required", "waits", "passes"),
    [
        (None, True, False, True),
        ("down", True, True, False),
        ("late", True, True, False),
        ("too-large", True, False, False),
        ("down", False, False, True),
        ("too-large", False, False, True),
    ],
)
def test_threat_065_nothing_passes_unscanned_unless_the_profile_says_so(
    unscanned: str | None, required: bool, waits: bool, passes: bool
) -> None:
    profile = replace(PROFILE, scan_required=required)
    facts = FileFacts(found_type="pdf", size=9_000, unscanned=unscanned)

    verdict = judge_file("a.pdf", facts, profile, "/files/0")

    assert must_wait(facts, profile) is waits
    assert verdict.allowed is passes
    assert bool(verdict.warnings) is (unscanned is not None and not required)
