"""May this draft leave? Every rule of rules.md 2 and 5 that speaks of a draft, each at its pointer."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from gateway.domain.document import Draft, FileItem, FileRole, Recipient, ReplyLink, Signer, Urgency
from gateway.domain.identity import Digest
from gateway.domain.registry import AgencyEntry, CodeStanding, Resolution
from gateway.domain.signatures import FileFacts
from gateway.policy.outgoing import check
from gateway.policy.profile import MB, Profile
from gateway.policy.verdict import ReasonCode, Verdict

TODAY = date(2026, 11, 20)
PROFILE = Profile()


def draft(**changes: Any) -> Draft:
    whole = Draft(
        number="88",
        symbol="STN-VP",
        issued_on=TODAY,
        type_name="Công văn",
        subject="V/v báo cáo tình hình thử nghiệm",
        signer=Signer(name="Lê Thử", title="Giám đốc"),
        recipients=(Recipient(code="Z92.01"), Recipient(code="Z92.02")),
        reply_required=False,
    )
    return replace(whole, **changes)


def item(
    name: str = "van-ban.pdf",
    role: FileRole = FileRole.LEAD,
    found: str = "pdf",
    size: int = 40_000,
    **facts: Any,
) -> tuple[FileItem, FileFacts]:
    one = FileItem(n=1, name=name, role=role, content_type="", size=size, sha256=Digest("ab" * 32))
    return one, FileFacts(found_type=found, size=size, **facts)


FILES = (item(), item("van-ban.docx", FileRole.SOURCE, "docx"))


def active(code: str, **changes: Any) -> Resolution:
    entry = AgencyEntry(code=code, name=f"Cơ quan {code}")
    return replace(Resolution(given=code, standing=CodeStanding.ACTIVE, entry=entry), **changes)


def judge(
    given: Draft,
    files: tuple[tuple[FileItem, FileFacts], ...] = FILES,
    resolutions: tuple[Resolution, ...] | None = None,
    profile: Profile = PROFILE,
) -> Verdict:
    found = (
        tuple(active(recipient.code) for recipient in given.recipients)
        if resolutions is None
        else resolutions
    )
    return check(given, files, found, profile, TODAY, own_codes=("Z91.07", "000.00.07.Z91"))


def broken(verdict: Verdict) -> set[tuple[str, str]]:
    return {(reason.code.value, reason.pointer) for reason in verdict.reasons}


def warned(verdict: Verdict) -> set[str]:
    return {warning.code.value for warning in verdict.warnings}


def test_a_complete_draft_may_leave_without_a_word() -> None:
    assert judge(draft()) == Verdict()


def test_every_missing_part_is_named_at_once_r17() -> None:
    verdict = judge(Draft(), ())

    assert broken(verdict) == {
        ("missing", "/number"),
        ("missing", "/symbol"),
        ("missing", "/date"),
        ("missing", "/type"),
        ("missing", "/subject"),
        ("missing", "/signer/name"),
        ("missing", "/recipients"),
        ("missing", "/reply_required"),
        ("lead-count", "/files"),
    }
    assert "missing at /number" in str(verdict)
    assert "missing at /signer/name" in str(verdict)


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"number": "1" * 12}, "/number"),
        ({"symbol": "A" * 31}, "/symbol"),
        ({"type_name": "A" * 101}, "/type"),
        ({"subject": "Đ" * 501}, "/subject"),
        ({"signer": Signer(name="A" * 51)}, "/signer/name"),
        ({"drafter": "A" * 11}, "/drafter"),
        ({"to_places": ("x", "A" * 151)}, "/to_places/1"),
    ],
)
def test_a_value_longer_than_the_wire_takes_is_refused(changes: dict[str, Any], pointer: str) -> None:
    assert broken(judge(draft(**changes))) == {("too-long", pointer)}


def test_values_of_exactly_the_longest_length_may_pass() -> None:
    assert judge(draft(number="1" * 11, symbol="Đ" * 30, subject="Đ" * 500)).allowed


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"number": "8\r\n8"}, "/number"),
        ({"symbol": "STN,VP"}, "/symbol"),
        ({"subject": "V/v báo cáo\x00"}, "/subject"),
        ({"place": "Sao Mai\ud800"}, "/place"),
        ({"place": "Sao Mai\ufffe"}, "/place"),
    ],
)
def test_characters_that_break_headers_or_xml_are_refused_77(changes: dict[str, Any], pointer: str) -> None:
    assert broken(judge(draft(**changes))) == {("bad-characters", pointer)}


def test_a_date_after_today_is_refused() -> None:
    assert broken(judge(draft(issued_on=date(2026, 11, 21)))) == {("date-in-future", "/date")}


@pytest.mark.parametrize(("pages", "allowed"), [(1, True), (999, True), (0, False), (1000, False)])
def test_pages_have_three_digits(pages: int, allowed: bool) -> None:
    assert judge(draft(pages=pages)).allowed is allowed


def test_a_reply_date_needs_a_required_reply_r51() -> None:
    assert broken(judge(draft(reply_due=TODAY))) == {("reply-due-without-reply", "/reply_due")}


def test_a_required_reply_without_a_date_or_with_a_past_one_warns() -> None:
    past = draft(reply_required=True, reply_due=date(2026, 11, 1))

    assert warned(judge(draft(reply_required=True))) == {"reply-due-missing"}
    assert warned(judge(past)) == {"due-passed"}


def test_timed_express_needs_its_hour() -> None:
    hour = datetime(2026, 11, 20, 9, tzinfo=UTC)

    assert broken(judge(draft(urgency=Urgency.TIMED_EXPRESS))) == {("due-at-missing", "/due_at")}
    assert judge(draft(urgency=Urgency.TIMED_EXPRESS, due_at=hour)).allowed


def test_a_profile_may_not_offer_timed_express() -> None:
    hour = datetime(2026, 11, 20, 9, tzinfo=UTC)
    verdict = judge(
        draft(urgency=Urgency.TIMED_EXPRESS, due_at=hour), profile=replace(PROFILE, timed_express=False)
    )

    assert verdict.reasons[0].suggest == "hoa_toc"


@pytest.mark.parametrize("secrecy", ["mat", "Tối mật", "1", "whatever"])
def test_a_declared_secrecy_is_refused_r2(secrecy: str) -> None:
    assert broken(judge(draft(secrecy=secrecy))) == {("secrecy-declared", "/secrecy")}


@pytest.mark.parametrize(
    ("subject", "warning"),
    [
        ("Trả lời đơn khiếu nại của công dân", "sensitive-word"),
        ("V/v KHIẾU NẠI", "sensitive-word"),
        ("Bao cao tinh hinh thu nghiem", "no-diacritics"),
        ("C«ng v¨n vÒ viÖc b¸o c¸o", "legacy-font"),
        ("Coâng vaên veà vieäc baùo caùo öô ñoù", "legacy-font"),
    ],
)
def test_a_doubtful_subject_warns_and_never_refuses_r3_r8_r9(subject: str, warning: str) -> None:
    verdict = judge(draft(subject=subject))

    assert verdict.allowed
    assert warned(verdict) == {warning}


@pytest.mark.parametrize("mark", ["\u202e", "\u200b", "\u2066", "\u00ad"])
def test_a_mark_in_the_subject_that_nobody_sees_warns(mark: str) -> None:
    verdict = judge(draft(subject=f"V/v báo cáo {mark}tình hình"))

    assert verdict.allowed
    assert [each.params["marks"] for each in verdict.warnings] == [f"U+{ord(mark):04X}"]


@pytest.mark.parametrize(
    ("name", "warning"), [("Công văn", set()), ("công  văn", set()), ("Thư tay", {"type-unknown"})]
)
def test_an_unknown_type_of_document_warns(name: str, warning: set[str]) -> None:
    assert warned(judge(draft(type_name=name))) == warning


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"issued_on": date(1, 1, 1)}, "/date"),
        ({"issued_on": date(1899, 12, 31)}, "/date"),
        ({"reply_required": True, "reply_due": date(9999, 12, 31)}, "/reply_due"),
        ({"signed_at": datetime(2027, 11, 20, 9, tzinfo=UTC)}, "/signed_at"),
        ({"signed_at": datetime(1, 1, 1, tzinfo=UTC)}, "/signed_at"),
        ({"signed_at": datetime(9999, 12, 31, 23, tzinfo=UTC)}, "/signed_at"),
        ({"urgency": Urgency.TIMED_EXPRESS, "due_at": datetime(9999, 12, 31, 23, tzinfo=UTC)}, "/due_at"),
        (
            {"replies_to": (ReplyLink(agency="Z92.01", number="1/A", date=date(1, 1, 1)),)},
            "/replies_to/0/date",
        ),
    ],
)
def test_a_date_that_no_office_has_is_refused(changes: dict[str, Any], pointer: str) -> None:
    assert broken(judge(draft(**changes))) == {("date-odd", pointer)}


def test_a_time_of_signing_of_today_may_pass() -> None:
    assert judge(draft(signed_at=datetime(2026, 11, 20, 9, tzinfo=UTC))).allowed


@pytest.mark.parametrize(
    "subject",
    ["V/v báo cáo", "Ke hoach nam", "Thăm và làm việc tại München", "Kế hoạch quê hương, tuần hoà bình"],
)
def test_an_ordinary_subject_does_not_warn(subject: str) -> None:
    assert warned(judge(draft(subject=subject))) == set()


def test_our_own_code_as_recipient_is_refused() -> None:
    verdict = judge(draft(recipients=(Recipient(code="z91.07"),)), resolutions=(active("Z91.07"),))

    assert broken(verdict) == {("recipient-self", "/recipients/0/code")}


def test_one_agency_under_its_old_and_new_code_is_named_twice() -> None:
    recipients = (Recipient(code="Z92.01"), Recipient(code="000.00.01.Z92"))
    mapped = active("Z92.01", given="000.00.01.Z92", standing=CodeStanding.MAPPED)

    verdict = judge(draft(recipients=recipients), resolutions=(active("Z92.01"), mapped))

    assert broken(verdict) == {("recipient-twice", "/recipients/1/code")}


@pytest.mark.parametrize(
    ("standing", "code"),
    [
        (CodeStanding.UNKNOWN, "recipient-unknown"),
        (CodeStanding.CLOSED, "recipient-closed"),
        (CodeStanding.UNCERTAIN, "recipient-uncertain"),
    ],
)
def test_only_rows_that_may_refuse_refuse_r48(standing: CodeStanding, code: str) -> None:
    one = draft(recipients=(Recipient(code="Z93"),))
    found = Resolution(given="Z93", standing=standing, successor="Z94", nearest="Z94")

    refused = judge(one, resolutions=(found,))
    starter = judge(one, resolutions=(replace(found, may_refuse=False),))

    assert broken(refused) == {(code, "/recipients/0/code")}
    assert refused.reasons[0].suggest == "Z94"
    assert starter.allowed
    assert warned(starter) == {code}


def test_a_recipient_the_directory_was_not_asked_about_is_refused() -> None:
    verdict = judge(draft(), resolutions=(active("Z92.01"),))

    assert broken(verdict) == {("recipient-unknown", "/recipients/1/code")}


def test_a_recipient_may_be_a_name_that_was_found() -> None:
    verdict = judge(
        draft(recipients=(Recipient(name="Sở Thử nghiệm", parent="Z92"),)),
        resolutions=(active("Z92.05", given="Sở Thử nghiệm"),),
    )

    assert verdict.allowed


def test_a_name_that_led_to_no_code_is_refused_though_only_starter_rows_speak_r48() -> None:
    unknown = Resolution(given="Sở Lạ", standing=CodeStanding.UNKNOWN, may_refuse=False)

    verdict = judge(draft(recipients=(Recipient(name="Sở Lạ", parent="Z92"),)), resolutions=(unknown,))

    assert broken(verdict) == {("recipient-unknown", "/recipients/0/code")}


def test_a_recipient_without_code_and_name_is_missing_and_nothing_else() -> None:
    nobody = Resolution(given="", standing=CodeStanding.UNKNOWN, may_refuse=False)

    verdict = judge(draft(recipients=(Recipient(),)), resolutions=(nobody,))

    assert broken(verdict) == {("missing", "/recipients/0/code")}
    assert not warned(verdict)


@pytest.mark.parametrize("count", [0, 2])
def test_there_is_exactly_one_lead(count: int) -> None:
    files = (item("goc.docx", FileRole.SOURCE, "docx"), *(item() for _ in range(count)))

    assert broken(judge(draft(), files)) == {("lead-count", "/files")}


def test_the_lead_is_a_pdf_by_its_bytes_r11() -> None:
    files = (item("van-ban.pdf", found="docx"), FILES[1])

    assert ("lead-type", "/files/0") in broken(judge(draft(), files))


def test_an_executable_named_pdf_is_refused_61() -> None:
    files = (*FILES, item("phu-luc.pdf", FileRole.APPENDIX, "exe"))

    assert broken(judge(draft(), files)) == {("type-not-allowed", "/files/2")}


@pytest.mark.parametrize("name", ["chay.bat", "cv.pdf.exe", "trang.html"])
def test_a_name_that_a_machine_would_run_is_refused_62(name: str) -> None:
    files = (*FILES, item(name, FileRole.APPENDIX, "txt"))

    assert broken(judge(draft(), files)) == {("type-not-allowed", "/files/2")}


def test_a_name_unlike_its_content_warns() -> None:
    files = (*FILES, item("anh.png", FileRole.APPENDIX, "jpeg"), item("anh.jpg", FileRole.APPENDIX, "jpeg"))

    verdict = judge(draft(), files)

    assert verdict.allowed
    assert warned(verdict) == {"type-unlike-name"}


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"encrypted": True}, "encrypted"),
        ({"broken": "unreadable"}, "broken"),
        ({"broken": "member-overlap"}, "archive-bomb"),
        ({"nested_depth": 3}, "archive-bomb"),
        ({"inflated_size": 40_000 * 100 + 1}, "archive-bomb"),
        ({"members": ("a",) * 501, "member_types": ("txt",) * 501}, "archive-bomb"),
        ({"members": ("a.txt", "b.exe"), "member_types": ("txt", "exe")}, "type-not-allowed"),
    ],
)
def test_an_archive_that_cannot_be_trusted_is_refused_r12(facts: dict[str, Any], code: str) -> None:
    files = (*FILES, item("kem.zip", FileRole.APPENDIX, "zip", **facts))

    assert broken(judge(draft(), files)) == {(code, "/files/2")}


def test_an_archive_at_its_limits_may_pass() -> None:
    at_limit: dict[str, Any] = {
        "nested_depth": 2,
        "inflated_size": 40_000 * 100,
        "members": ("a.txt",) * 500,
        "member_types": ("txt",) * 500,
    }

    assert judge(draft(), (*FILES, item("kem.zip", FileRole.APPENDIX, "zip", **at_limit))).allowed


@pytest.mark.parametrize("kind", ["javascript", "launch", "macro", "script"])
def test_active_content_is_refused_64(kind: str) -> None:
    files = (item(active=(kind,)), FILES[1])

    assert broken(judge(draft(), files)) == {("active-content", "/files/0")}


def test_an_embedded_file_only_warns() -> None:
    verdict = judge(draft(), (item(active=("embedded-file",)), FILES[1]))

    assert verdict.allowed
    assert warned(verdict) == {"active-content"}


def test_rar_passes_only_by_profile() -> None:
    files = (*FILES, item("kem.rar", FileRole.APPENDIX, "rar"))

    assert broken(judge(draft(), files)) == {("type-not-allowed", "/files/2")}
    assert judge(draft(), files, profile=replace(PROFILE, rar_allowed=True)).allowed


def test_a_file_one_byte_over_the_limit_is_named_with_size_and_limit_r13() -> None:
    limit = 10 * MB
    at_limit = judge(draft(), (item(size=limit), FILES[1]))
    over = judge(draft(), (item(size=limit + 1), FILES[1]))

    assert at_limit.allowed
    assert broken(over) == {("file-too-large", "/files/0")}
    assert dict(over.reasons[0].params) == {
        "name": "van-ban.pdf",
        "size_bytes": str(limit + 1),
        "limit_bytes": str(limit),
    }


def test_all_files_together_have_a_limit_r13() -> None:
    five = tuple(item(f"{n}.pdf", FileRole.APPENDIX, size=10 * MB) for n in range(5))
    files = (item(size=1), *five)

    assert broken(judge(draft(), files)) == {("document-too-large", "/files")}
    assert judge(draft(), (item(size=10 * MB), *five[:4])).allowed


def test_an_empty_file_is_refused_66() -> None:
    assert broken(judge(draft(), (*FILES, item("rong.txt", FileRole.APPENDIX, "txt", size=0)))) == {
        ("file-empty", "/files/2")
    }


def test_only_a_pdf_and_other_page_counts_warn_r14_r57() -> None:
    verdict = judge(draft(pages=3), (item(pages=2),))

    assert verdict.allowed
    assert warned(verdict) == {"no-source", "pages-differ"}


def test_a_refusal_tells_every_kind_of_rule_in_one_answer() -> None:
    bad = draft(number="", secrecy="mat", issued_on=date(2027, 1, 1), recipients=(Recipient(code="Z91.07"),))

    found = {reason.code for reason in judge(bad, (item(found="exe", encrypted=True),)).reasons}

    assert found == {
        ReasonCode.MISSING,
        ReasonCode.SECRECY_DECLARED,
        ReasonCode.DATE_IN_FUTURE,
        ReasonCode.RECIPIENT_SELF,
        ReasonCode.LEAD_TYPE,
        ReasonCode.TYPE_NOT_ALLOWED,
        ReasonCode.ENCRYPTED,
    }
