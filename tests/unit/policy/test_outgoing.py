"""May this draft leave? Every rule of rules.md 2 and 5 that speaks of a draft, each at its pointer."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from gateway.domain.document import Draft, FileItem, FileRole, Kind, Recipient, ReplyLink, Signer, Urgency
from gateway.domain.identity import Digest
from gateway.domain.pdf import FirstPage
from gateway.domain.registry import PENDING_SCHEME, AgencyEntry, CodeStanding, Resolution
from gateway.domain.signatures import FileFacts, FileVerdict, SignatureWord, SignerRole, SignerVerdict
from gateway.policy.outgoing import check, check_sealed_number
from gateway.policy.profile import MB, Profile
from gateway.policy.verdict import ReasonCode, Verdict
from tests.support.cases import Cases

TODAY = date(2026, 11, 20)
PROFILE = Profile()


def draft(**changes: Any) -> Draft:
    full_draft = Draft(
        number="88",
        symbol="STN-VP",
        issued_on=TODAY,
        type_name="Công văn",
        subject="V/v báo cáo tình hình thử nghiệm",
        signer=Signer(name="Lê Thử", title="Giám đốc"),
        recipients=(Recipient(code="Z92.01"), Recipient(code="Z92.02")),
        reply_required=False,
    )
    return replace(full_draft, **changes)


def item(
    name: str = "van-ban.pdf",
    role: FileRole = FileRole.LEAD,
    found_type: str = "pdf",
    size: int = 40_000,
    **facts: Any,
) -> tuple[FileItem, FileFacts]:
    file = FileItem(n=1, name=name, role=role, content_type="", size=size, sha256=Digest("ab" * 32))
    return file, FileFacts(found_type=found_type, size=size, **facts)


FILES = (item(), item("van-ban.docx", FileRole.SOURCE, "docx"))


def active(code: str, **changes: Any) -> Resolution:
    entry = AgencyEntry(code=code, name=f"Cơ quan {code}")
    return replace(Resolution(query=code, standing=CodeStanding.ACTIVE, entry=entry), **changes)


def judge(
    new_draft: Draft,
    files: tuple[tuple[FileItem, FileFacts], ...] = FILES,
    resolutions: tuple[Resolution, ...] | None = None,
    profile: Profile = PROFILE,
    confirmed: tuple[str, ...] = (),
) -> Verdict:
    all_resolutions = (
        tuple(active(recipient.code) for recipient in new_draft.recipients)
        if resolutions is None
        else resolutions
    )
    own = ("Z91.07", "000.00.07.Z91")
    return check(new_draft, files, all_resolutions, profile, TODAY, own_codes=own, confirmed=confirmed)


def broken(verdict: Verdict) -> set[tuple[str, str]]:
    return {(reason.code.value, reason.pointer) for reason in verdict.reasons}


def warned(verdict: Verdict) -> set[str]:
    return {warning.code.value for warning in verdict.warnings}


def test_a_complete_draft_and_values_at_their_limits_may_leave_without_a_word() -> None:
    assert judge(draft()) == Verdict()

    hour = datetime(2026, 11, 20, 9, tzinfo=UTC)
    assert judge(draft(number="1" * 11, symbol="Đ" * 30, subject="Đ" * 500)).allowed
    assert judge(draft(signed_at=hour)).allowed
    assert judge(draft(urgency=Urgency.TIMED_EXPRESS, due_at=hour)).allowed
    assert [judge(draft(pages=pages)).allowed for pages in (1, 999, 0, 1000)] == [True, True, False, False]

    at_limit: dict[str, Any] = {
        "nested_depth": 2,
        "inflated_size": 40_000 * 100,
        "members": ("a.txt",) * 500,
        "member_types": ("txt",) * 500,
    }

    assert judge(draft(), (*FILES, item("kem.zip", FileRole.APPENDIX, "zip", **at_limit))).allowed


def test_every_missing_part_is_named_at_once_r17() -> None:
    """R50 (mandatory fields), R53 (classes of reply)."""
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


def test_a_value_that_the_wire_or_an_office_does_not_take_is_refused_at_its_pointer(cases: Cases) -> None:
    """Longer than the wire takes; characters that break headers or XML (77); a date that no office has."""
    late = datetime(9999, 12, 31, 23, tzinfo=UTC)
    odd_reply = ReplyLink(agency="Z92.01", number="1/A", date=date(1, 1, 1))
    rows: list[tuple[dict[str, Any], str, str]] = [
        ({"number": "1" * 12}, "too-long", "/number"),
        ({"symbol": "A" * 31}, "too-long", "/symbol"),
        ({"type_name": "A" * 101}, "too-long", "/type"),
        ({"subject": "Đ" * 501}, "too-long", "/subject"),
        ({"signer": Signer(name="A" * 51)}, "too-long", "/signer/name"),
        ({"drafter": "A" * 11}, "too-long", "/drafter"),
        ({"to_places": ("x", "A" * 151)}, "too-long", "/to_places/1"),
        ({"number": "8\r\n8"}, "bad-characters", "/number"),
        ({"symbol": "STN,VP"}, "bad-characters", "/symbol"),
        ({"subject": "V/v báo cáo\x00"}, "bad-characters", "/subject"),
        ({"subject": "V/v \u202eoác oáb"}, "bad-characters", "/subject"),
        ({"place": "Sao Mai\u2066"}, "bad-characters", "/place"),
        ({"place": "Sao Mai\ud800"}, "bad-characters", "/place"),
        ({"place": "Sao Mai\ufffe"}, "bad-characters", "/place"),
        ({"issued_on": date(2026, 11, 21)}, "date-in-future", "/date"),
        ({"issued_on": date(1, 1, 1)}, "date-odd", "/date"),
        ({"issued_on": date(1899, 12, 31)}, "date-odd", "/date"),
        ({"reply_required": True, "reply_due": date(9999, 12, 31)}, "date-odd", "/reply_due"),
        ({"signed_at": datetime(2027, 11, 20, 9, tzinfo=UTC)}, "date-odd", "/signed_at"),
        ({"signed_at": datetime(1, 1, 1, tzinfo=UTC)}, "date-odd", "/signed_at"),
        ({"signed_at": late}, "date-odd", "/signed_at"),
        ({"urgency": Urgency.TIMED_EXPRESS, "due_at": late}, "date-odd", "/due_at"),
        ({"replies_to": (odd_reply,)}, "date-odd", "/replies_to/0/date"),
        ({"reply_due": TODAY}, "reply-due-without-reply", "/reply_due"),
        ({"urgency": Urgency.TIMED_EXPRESS}, "due-at-missing", "/due_at"),
        *(
            ({"secrecy": word}, "secrecy-declared", "/secrecy")
            for word in ("mat", "Tối mật", "1", "whatever")
        ),
    ]
    for changes, code, pointer in rows:
        with cases.case((code, changes)):
            assert broken(judge(draft(**changes))) == {(code, pointer)}


def test_a_required_reply_without_a_date_or_with_a_past_one_warns() -> None:
    """R51 (reply wanted)."""
    past = draft(reply_required=True, reply_due=date(2026, 11, 1))

    assert warned(judge(draft(reply_required=True))) == {"reply-due-missing"}
    assert warned(judge(past)) == {"due-passed"}


def test_a_document_that_names_what_it_answers_and_has_no_link_to_it_warns(cases: Cases) -> None:
    """R52 (reply links back)."""
    link = ReplyLink(agency="Z91", number="12/UBND-VP", date=TODAY)
    rows: tuple[tuple[str, str, str | None], ...] = (
        ("Phúc đáp Công văn số 12/UBND-VP ngày 02/11/2026", "", "12/UBND-VP"),
        ("V/v trả lời Công văn số 12/UBND-VP", "", "12/UBND-VP"),
        ("V/v kết quả kiểm thử", "Phúc đáp Công văn\nsố 07/QĐ-UBND ngày 02 tháng 11", "07/QĐ-UBND"),
        ("V/v trả lời kiến nghị của cử tri", "Thực hiện Công văn số 12/UBND-VP", None),
        ("V/v trả lời phỏng vấn", "", None),
    )
    for subject, page, answered in rows:
        with cases.case(subject):
            files = (item(first_page=page),)
            verdict = judge(draft(subject=subject), files)
            unlinked = [x.params["text"] for x in verdict.warnings if x.code is ReasonCode.REPLY_UNLINKED]
            assert unlinked == ([answered] if answered else [])
            linked = judge(draft(subject=subject, replies_to=(link,)), files)
            assert "reply-unlinked" not in warned(linked)


def test_a_first_page_that_was_not_read_to_its_end_warns() -> None:
    assert "first-page-cut" in warned(judge(draft(), (item(page_cut=True),)))
    assert "first-page-cut" not in warned(judge(draft(), (item(),)))


def test_a_profile_may_not_offer_timed_express() -> None:
    """R46 (urgent at once)."""
    hour = datetime(2026, 11, 20, 9, tzinfo=UTC)
    verdict = judge(
        draft(urgency=Urgency.TIMED_EXPRESS, due_at=hour), profile=replace(PROFILE, timed_express=False)
    )

    assert verdict.reasons[0].code is ReasonCode.TIMED_EXPRESS_OFF
    assert verdict.reasons[0].suggest == "hoa_toc"


def test_a_doubtful_subject_or_type_warns_and_never_refuses_r3_r8_r9() -> None:
    warnings = {
        "Trả lời đơn khiếu nại của công dân": {"sensitive-word"},
        "V/v KHIẾU NẠI": {"sensitive-word"},
        "Bao cao tinh hinh thu nghiem": {"no-diacritics"},
        "C«ng v¨n vÒ viÖc b¸o c¸o": {"legacy-font"},
        "Coâng vaên veà vieäc baùo caùo öô ñoù": {"legacy-font"},
        **{
            subject: set[str]() for subject in ("V/v báo cáo", "Ke hoach nam", "Thăm và làm việc tại München")
        },
        "Kế hoạch quê hương, tuần hoà bình": set(),
    }
    for subject, codes in warnings.items():
        verdict = judge(draft(subject=subject))
        assert (verdict.allowed, warned(verdict)) == (True, codes), subject
    for mark in "\u200b\u200e\u00ad":
        verdict = judge(draft(subject=f"V/v báo cáo {mark}tình hình"))
        assert verdict.allowed
        assert [warning.params["marks"] for warning in verdict.warnings] == [f"U+{ord(mark):04X}"]
    (spaced,) = judge(draft(symbol="QĐ - UBND")).warnings
    assert (spaced.code, spaced.suggest) == ("symbol-spaced", "QĐ-UBND")
    types = {"Công văn": set(), "công  văn": set(), "Thư tay": {"type-unknown"}}
    assert {name: warned(judge(draft(type_name=name))) for name in types} == types


def test_a_recipient_that_is_ourselves_named_twice_or_not_looked_up_is_refused() -> None:
    """One agency under its old and its new code is named twice."""
    ourselves = judge(draft(recipients=(Recipient(code="z91.07"),)), resolutions=(active("Z91.07"),))
    assert broken(ourselves) == {("recipient-self", "/recipients/0/code")}
    recipients = (Recipient(code="Z92.01"), Recipient(code="000.00.01.Z92"))
    mapped = active("Z92.01", query="000.00.01.Z92", standing=CodeStanding.MAPPED)
    twice = judge(draft(recipients=recipients), resolutions=(active("Z92.01"), mapped))
    assert broken(twice) == {("recipient-twice", "/recipients/1/code")}
    verdict = judge(draft(), resolutions=(active("Z92.01"),))
    assert broken(verdict) == {("recipient-unknown", "/recipients/1/code")}


def test_a_body_that_has_no_code_yet_is_refused_by_that_reason_r79() -> None:
    entry = AgencyEntry(code="CHO-01", name="Sở Sắp có", scheme=PENDING_SCHEME)
    resolution = Resolution(query="CHO-01", standing=CodeStanding.UNCERTAIN, entry=entry)

    refused = judge(draft(recipients=(Recipient(code="CHO-01"),)), resolutions=(resolution,))

    assert broken(refused) == {("recipient-without-code", "/recipients/0/code")}
    assert dict(refused.reasons[0].params)["name"] == "Sở Sắp có"


def test_only_rows_that_may_refuse_refuse_r48() -> None:
    """R83 (closed recipients)."""
    letter = draft(recipients=(Recipient(code="Z93"),))
    for standing, code in (
        (CodeStanding.UNKNOWN, "recipient-unknown"),
        (CodeStanding.CLOSED, "recipient-closed"),
        (CodeStanding.UNCERTAIN, "recipient-uncertain"),
    ):
        resolution = Resolution(query="Z93", standing=standing, successor="Z94", nearest="Z94")
        refused = judge(letter, resolutions=(resolution,))
        starter = judge(letter, resolutions=(replace(resolution, may_refuse=False),))
        assert broken(refused) == {(code, "/recipients/0/code")}
        assert refused.reasons[0].suggest == "Z94"
        if standing is CodeStanding.CLOSED:
            reason_code = "recipient-closed-starter"
            assert broken(starter) == {(reason_code, "/recipients/0/code")}
            starter, code = (
                judge(letter, resolutions=(replace(resolution, may_refuse=False),), confirmed=(reason_code,)),
                reason_code,
            )
            assert judge(
                letter, resolutions=(resolution,), confirmed=(reason_code, "recipient-closed")
            ).reasons
        assert (starter.allowed, warned(starter)) == (True, {code})


def test_a_recipient_may_be_a_name_that_was_found_and_one_that_led_to_no_code_is_refused_r48() -> None:
    """Though only starter rows speak. Without code and name it is missing, and nothing else."""
    sent = draft(recipients=(Recipient(name="Sở Thử nghiệm", parent="Z92"),))
    unknown = Resolution(query="Sở Thử nghiệm", standing=CodeStanding.UNKNOWN, may_refuse=False)
    assert judge(sent, resolutions=(active("Z92.05", query="Sở Thử nghiệm"),)).allowed
    assert broken(judge(sent, resolutions=(unknown,))) == {("recipient-unknown", "/recipients/0/code")}
    verdict = judge(draft(recipients=(Recipient(),)), resolutions=(replace(unknown, query=""),))
    assert broken(verdict) == {("missing", "/recipients/0/code")}
    assert not warned(verdict)


def test_there_is_exactly_one_lead_and_it_is_a_pdf_by_its_bytes_r11() -> None:
    for count in (0, 2):
        files = (item("goc.docx", FileRole.SOURCE, "docx"), *(item() for _ in range(count)))
        assert broken(judge(draft(), files)) == {("lead-count", "/files")}
    files = (item("van-ban.pdf", found_type="docx"), FILES[1])
    assert ("lead-type", "/files/0") in broken(judge(draft(), files))


def test_a_file_that_cannot_be_trusted_is_refused_at_its_pointer(cases: Cases) -> None:
    """61, 62, 64, 66 and R12; the signs of each are in tests/unit/policy/test_contents.py."""
    zipped: list[tuple[dict[str, Any], str]] = [
        ({"encrypted": True}, "encrypted"),
        ({"broken": "unreadable"}, "broken"),
        ({"broken": "member-overlap"}, "archive-bomb"),
        ({"nested_depth": 3}, "archive-bomb"),
        ({"inflated_size": 40_000 * 100 + 1}, "archive-bomb"),
        ({"members": ("a",) * 501, "member_types": ("txt",) * 501}, "archive-bomb"),
        ({"members": ("a.txt", "b.exe"), "member_types": ("txt", "exe")}, "type-not-allowed"),
    ]
    rows = [
        (item("phu-luc.pdf", FileRole.APPENDIX, "exe"), "type-not-allowed"),
        (item("chay.bat", FileRole.APPENDIX, "txt"), "type-not-allowed"),
        (item("trang.html", FileRole.APPENDIX, "txt"), "type-not-allowed"),
        (item(role=FileRole.APPENDIX, active=("javascript",)), "active-content"),
        (item("rong.txt", FileRole.APPENDIX, "txt", size=0), "file-empty"),
        *((item("kem.zip", FileRole.APPENDIX, "zip", **facts), code) for facts, code in zipped),
    ]
    for file, code in rows:
        with cases.case((code, file[1])):
            assert broken(judge(draft(), (*FILES, file))) == {(code, "/files/2")}


def test_a_name_unlike_its_content_and_all_but_a_pdf_with_its_page_count_warn_r14_r57() -> None:
    files = (*FILES, item("anh.png", FileRole.APPENDIX, "jpeg"), item("anh.jpg", FileRole.APPENDIX, "jpeg"))

    verdict = judge(draft(), files)

    assert verdict.allowed
    assert warned(verdict) == {"type-unlike-name"}

    verdict = judge(draft(pages=3), (item(pages=2),))

    assert verdict.allowed
    assert warned(verdict) == {"no-source", "pages-differ"}


def test_a_file_one_byte_over_the_limit_is_named_and_all_together_have_a_limit_r13() -> None:
    limit = 10 * MB
    refused = judge(draft(), (item(size=limit + 1), FILES[1]))
    assert judge(draft(), (item(size=limit), FILES[1])).allowed
    assert broken(refused) == {("file-too-large", "/files/0")}
    sizes = {"size_bytes": str(limit + 1), "limit_bytes": str(limit)}
    assert dict(refused.reasons[0].params) == {"name": "van-ban.pdf"} | sizes
    five = tuple(item(f"{n}.pdf", FileRole.APPENDIX, size=limit) for n in range(5))
    assert broken(judge(draft(), (item(size=1), *five))) == {("document-too-large", "/files")}
    assert judge(draft(), (item(size=limit), *five[:4])).allowed


def test_a_refusal_tells_every_kind_of_rule_in_one_answer() -> None:
    bad = draft(number="", secrecy="mat", issued_on=date(2027, 1, 1), recipients=(Recipient(code="Z91.07"),))

    codes = {reason.code for reason in judge(bad, (item(found_type="exe", encrypted=True),)).reasons}

    assert codes == {
        ReasonCode.MISSING,
        ReasonCode.SECRECY_DECLARED,
        ReasonCode.DATE_IN_FUTURE,
        ReasonCode.RECIPIENT_SELF,
        ReasonCode.LEAD_TYPE,
        ReasonCode.TYPE_NOT_ALLOWED,
        ReasonCode.ENCRYPTED,
    }


def test_a_sealed_page_whose_number_is_blank_does_not_leave(cases: Cases) -> None:
    """A page that waits for its seal may still get its number; an unread one is no blank one."""
    blank, numbered = FirstPage(is_unnumbered=True), FirstPage(number="15", symbol="UBND")
    for page, roles, kind, codes in (
        (blank, (SignerRole.PERSON, SignerRole.AGENCY), Kind.DOCUMENT, [ReasonCode.PAGE_UNNUMBERED]),
        (blank, (SignerRole.AGENCY,), Kind.REPLACEMENT, [ReasonCode.PAGE_UNNUMBERED]),
        (blank, (SignerRole.PERSON,), Kind.DOCUMENT, []),
        (blank, (), Kind.DOCUMENT, []),
        (blank, (SignerRole.AGENCY,), Kind.RECALL, []),
        (numbered, (SignerRole.AGENCY,), Kind.DOCUMENT, []),
        (FirstPage(), (SignerRole.AGENCY,), Kind.DOCUMENT, []),
        (None, (SignerRole.AGENCY,), Kind.DOCUMENT, []),
    ):
        with cases.case((page, roles, kind)):
            signers = tuple(SignerVerdict(field="", verdict=SignatureWord.VALID, role=role) for role in roles)
            verdict = FileVerdict(n=1, file="van-ban.pdf", verdict=SignatureWord.VALID, signers=signers)
            judged = check_sealed_number((item(page_fields=page),), kind, verdict)
            assert [reason.code for reason in judged.reasons] == codes
