"""Rules for a file by the facts of its bytes: archives with their members, names against bytes, the scanner."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gateway.domain.signatures import FileFacts
from gateway.policy.admission import judge_file, must_wait
from gateway.policy.profile import Profile
from gateway.policy.verdict import Verdict
from tests.support.cases import Cases

PROFILE = Profile()


def judged(name: str, found_type: str = "pdf", profile: Profile = PROFILE, **facts: Any) -> Verdict:
    return judge_file(name, FileFacts(found_type=found_type, size=9_000, **facts), profile, "/files/0")


def codes(verdict: Verdict) -> list[str]:
    return [reason.code.value for reason in verdict.reasons]


def test_threats_061_062_063_064_what_would_run_or_is_another_type_does_not_pass(cases: Cases) -> None:
    """Bytes of another type under a good name, harmless bytes under a name that runs, a file that is two files, and what
    a reader would run."""
    kinds = ("exe", "elf", "script", "html", "unknown", "jar", "docm", "mht", "gzip")
    names = {
        **dict.fromkeys(("a.exe .", "chay.bat", "a.exe\u200b", "a.b\u200dat", "a.pdf/b.vbs"), "txt"),
        **dict.fromkeys(("cv.pdf.exe", "a.pdf .exe"), "pdf"),
        "gpj\u202efdp.exe": "jpeg",
    }
    active = ("javascript", "launch", "macro", "remote-content", "script")
    rows = {
        **{f"{kind} named pdf": (judged("cong van.pdf", kind), "type-not-allowed") for kind in kinds},
        **{name: (judged(name, kind), "type-not-allowed") for name, kind in names.items()},
        **{why: (judged("a.pdf", broken=why), "broken") for why in ("junk-before", "junk-after")},
        **{kind: (judged("a.pdf", active=(kind,)), "active-content") for kind in active},
    }
    for name, (verdict, code) in rows.items():
        with cases.case(name):
            assert codes(verdict) == [code]


def test_threats_061_062_a_member_that_runs_or_is_another_type_does_not_pass_and_ordinary_files_do() -> None:
    for member in ("chay.bat", "trong/cv.pdf.exe", "a.js", "b\u200b.lnk", "kem.zip/x.hta"):
        verdict = judged("kem.zip", "zip", members=("a.txt", member), member_types=("txt", "txt"))
        assert codes(verdict) == ["type-not-allowed"]
        assert member in verdict.reasons[0].params["name"]
    assert codes(judged("kem.zip", "zip", members=("a.pdf",), member_types=("exe",))) == ["type-not-allowed"]

    members = ("Tờ trình.docx", "trong/anh.JPG", "ghi chú", "số liệu.csv")

    verdict = judged("kem.zip", "zip", members=members, member_types=("docx", "jpeg", "txt", "txt"))

    assert verdict.allowed
    assert verdict.warnings == ()


def test_threats_060_064_076_what_only_warns_and_what_a_profile_allows_r12() -> None:
    """An embedded file, and a name that misleads, which is shown written out, warn; an archive behind a password does not
    pass, and a rar where the profile allows it."""
    verdict = judged("a.pdf", active=("embedded-file",))
    assert verdict.allowed
    assert [warning.code.value for warning in verdict.warnings] == ["active-content"]
    verdict = judged("b\u202eo cao.pdf")
    assert verdict.allowed
    assert [(warning.code.value, warning.params["name"]) for warning in verdict.warnings] == [
        ("name-odd", "b[U+202E]o cao.pdf")
    ]
    locked = judged("a.zip", "zip", encrypted=True, members=("a.txt",), member_types=("unknown",))
    assert "encrypted" in codes(locked)
    assert codes(judged("a.rar", "rar")) == ["type-not-allowed"]


def test_threat_065_malware_does_not_pass_nor_what_is_unscanned_unless_the_profile_says_so() -> None:
    verdict = judged("a.pdf", malware="Eicar.Test")
    assert codes(verdict) == ["malware"]
    assert verdict.reasons[0].params["malware"] == "Eicar.Test"
    for unscanned, required, waits, passes in (
        (None, True, False, True),
        ("down", True, True, False),
        ("late", True, True, False),
        ("too-large", True, False, False),
        ("down", False, False, True),
        ("too-large", False, False, True),
    ):
        profile = replace(PROFILE, scan_required=required)
        facts = FileFacts(found_type="pdf", size=9_000, unscanned=unscanned)
        verdict = judge_file("a.pdf", facts, profile, "/files/0")
        assert must_wait(facts, profile) is waits
        assert verdict.allowed is passes
        assert bool(verdict.warnings) is (unscanned is not None and not required)
