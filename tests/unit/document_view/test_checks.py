"""The panel of checks: which row weighs how much, and which verdict the worst of them makes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.document_view import checks
from gateway.document_view.checks import Grade
from gateway.domain.document import (
    PAPER_COPY,
    IncomingDocument,
    IncomingFile,
    InState,
    Kind,
    Source,
    Urgency,
)
from gateway.domain.identity import Digest, DocumentId
from gateway.domain.seals import SealWord, SignatoryWord
from gateway.domain.signatures import FileVerdict, SignatureWord, SignerVerdict
from gateway.policy.verdict import ReasonCode, reason
from gateway.words import labels
from tests.support.cases import Cases

D = Digest("0" * 64)
GOOD = {
    "envelope_signature": "valid",
    "certificate_confirmed": "true",
    "revocation": "good",
    "digests": "match",
    "recipient": "ours",
    "rules": "allowed",
    "reasons": "",
    "warnings": "",
}
LEAD = IncomingFile(
    n=1,
    name="cong-van.pdf",
    content_type="pdf",
    size=10,
    sha256=D,
    source=D,
    offset=0,
    length=10,
    coding="plain",
    pages=3,
)


def document(**more: Any) -> IncomingDocument:
    own_checks = more.pop("found", {})
    incoming = IncomingDocument(
        id="inb_1",
        agency_id="agy_1",
        inbox_id="inx_1",
        kind=Kind.DOCUMENT,
        sender_code="Z91",
        sender_name="Ủy ban nhân dân tỉnh Sao Mai",
        document_id=DocumentId("Z91,2026/11/20,15/UBND"),
        packet_id=None,
        attempt=1,
        number="15",
        symbol="UBND",
        issued_on=None,
        type_name=None,
        subject="Về việc thử",
        signer=None,
        urgency=Urgency.NORMAL,
        due_on=None,
        body_digest=D,
        envelope_digest=D,
        envelope_size=1,
        vouched_by="VALID",
        arrived_at=datetime(2026, 11, 20, tzinfo=UTC),
        state=InState.NEW,
        files=(LEAD,),
        pages=3,
        checks=GOOD | own_checks,
    )
    return replace(incoming, **more)


def panel_of(incoming: IncomingDocument, **more: Any) -> checks.Panel:
    return checks.panel(incoming, "vi", **more)


def pdf(word: SignatureWord, why: str | None = None) -> dict[str, Any]:
    return {"signatures": (FileVerdict(n=1, file="cong-van.pdf", verdict=word, why=why),)}


def test_the_verdict_is_that_of_the_worst_row(cases: Cases) -> None:
    rows: list[tuple[dict[str, Any], Grade]] = [
        ({}, Grade.GOOD),
        (pdf(SignatureWord.VALID), Grade.GOOD),
        (pdf(SignatureWord.UNKNOWN, checks.REVOCATION), Grade.NOTE),
        (pdf(SignatureWord.UNSIGNED), Grade.NOTE),
        (pdf(SignatureWord.INVALID, "PDF-CHANGED"), Grade.BAD),
        ({"found": {"envelope_signature": "weak"}}, Grade.NOTE),
        ({"found": {"revocation": "unknown"}}, Grade.NOTE),
        ({"found": {"certificate_confirmed": "false"}}, Grade.DOUBT),
        ({"found": {"rules": "held"}}, Grade.DOUBT),
        ({"pages": 2}, Grade.DOUBT),
        ({"pages": None}, Grade.GOOD),
        ({"marks": (checks.REVOKED,)}, Grade.BAD),
        ({"marks": (checks.STOLEN,)}, Grade.BAD),
        ({"marks": ("old_code:Z90",)}, Grade.GOOD),
    ]
    for more, grade in rows:
        with cases.case((more, grade)):
            panel = panel_of(document(**more))
            assert panel.grade is grade
            assert panel.is_clean is (grade in (Grade.GOOD, Grade.NOTE))


def test_a_pdf_that_cannot_be_told_says_that_it_may_still_be_taken_in() -> None:
    panel = panel_of(document(**pdf(SignatureWord.UNKNOWN, checks.REVOCATION)))

    assert panel.is_clean
    assert any(detail.endswith("Vẫn có thể tiếp nhận.") for row in panel.rows for detail in row.details)


@pytest.mark.parametrize(("stated", "counted"), [(None, 3), (3, None), (None, None)])
def test_pages_that_nobody_could_compare_are_no_tick(stated: int | None, counted: int | None) -> None:
    panel = panel_of(document(pages=stated, files=(replace(LEAD, pages=counted),)))

    (row,) = [row for row in panel.rows if row.label == "Số trang"]
    assert row.grade is Grade.NONE
    assert panel.grade is Grade.GOOD


def test_a_double_and_a_hold_are_doubts_with_their_words() -> None:
    double = panel_of(document(), doubles=[("/van-ban-den/inb_2", "15/UBND")])
    on_hold = panel_of(document(), hold_reasons=["Chờ hỏi lại"])

    assert (double.grade, on_hold.grade) == (Grade.DOUBT, Grade.DOUBT)
    assert [row.links for row in double.rows if row.links] == [(("/van-ban-den/inb_2", "15/UBND"),)]
    assert ("Chờ hỏi lại",) in [row.details for row in on_hold.rows]


def test_kept_reasons_are_told_in_words_whatever_their_values_hold() -> None:
    kept_text = "; ".join(
        str(broken)
        for broken in (
            reason(ReasonCode.PAGES_DIFFER, "/pages", name="a, b; c (1).pdf", stated=3, found=2),
            reason(ReasonCode.ACTIVE_CONTENT, "/files/0", name="x.pdf", kind="javascript"),
        )
    )

    (pages, first), (active, second) = checks.broken_rules(kept_text)

    assert (pages, active) == ("pages-differ", "active-content")
    assert (first["stated"], first["found"]) == ("3", "2")
    assert first["name"] == "a, b; c (1).pdf"
    assert "javascript" not in checks.rule_sentence(active, second, "vi")
    assert checks.rule_sentence(pages, first, "vi").startswith("Khai 3 trang")
    assert checks.rule_sentence("new-code", {"name": "x"}, "vi") == "new-code x"


def test_a_stamp_of_secrecy_is_a_doubt_and_pages_are_told_once() -> None:
    stamp = str(reason(ReasonCode.SECRECY_STAMP, "/files/0", name="x.pdf", stamp="MẬT"))
    pages = str(reason(ReasonCode.PAGES_DIFFER, "/pages", name="x.pdf", stated=2, found=3))
    panel = panel_of(document(found={"warnings": f"{stamp}; {pages}"}, pages=2))

    assert panel.grade is Grade.DOUBT
    assert sum("trang" in row.word for row in panel.rows) == 1
    assert any("MẬT" in detail for row in panel.rows for detail in row.details)
    assert any("khoản 2 Điều 1 QĐ 28/2018/QĐ-TTg" in row.basis for row in panel.rows)


def test_every_check_that_a_list_can_mark_has_its_word(cases: Cases) -> None:
    """A list of incoming mail names a doubt or a note; a check without a word would break the whole page."""
    marks = (checks.STOLEN, f"{PAPER_COPY}:1")
    seals = [{"seal": str(seal), "signatory": "unknown"} for seal in SealWord]
    for words in (dict.fromkeys(checks.ALWAYS, "bad"), {"warnings": "secrecy-stamp at /files/0"}, *seals):
        all_words = {**words, "pages": "other", "pdf": "invalid", "first_page": "other"}
        for key, _ in checks.weighed(all_words, marks):
            with cases.case(key):
                assert labels.has(f"listing.doubtful.{key}")


def test_mail_that_a_person_entered_has_no_checks() -> None:
    assert panel_of(document(source=Source.PAPER)).rows == ()


def test_a_first_page_is_told_by_how_it_agrees_with_the_data(cases: Cases) -> None:
    differs = reason(ReasonCode.FIRST_PAGE_DIFFERS, "/number", field="number", page="16/UBND", sent="15/UBND")
    rows = {
        "same": (Grade.GOOD, "khớp", True),
        "unread": (Grade.NONE, "không đọc được chắc chắn", True),
        "differs": (Grade.NOTE, "có mục khác", True),
        "other": (Grade.DOUBT, "khác số hoặc ký hiệu", False),
    }
    for word, (grade, words, is_clean) in rows.items():
        with cases.case(word):
            changed = {"first_page": word, "warnings": str(differs) if grade > Grade.GOOD else ""}
            panel = panel_of(document(found=GOOD | changed))
            row = panel.rows[-1]
            assert (row.grade, row.word, panel.is_clean) == (grade, words, is_clean)
            assert ["16/UBND" in detail for detail in row.details] == ([True] if changed["warnings"] else [])
            assert sum("16/UBND" in d for r in panel.rows for d in r.details) == len(row.details)
    assert len(panel_of(document(found=GOOD)).rows) == len(panel.rows) - 1


UNREGISTERED = "Chưa đăng ký mẫu dấu của cơ quan gửi"
STRANGER = "Dấu đúng, chưa xác định người ký"


def test_what_a_sender_has_not_registered_is_told_of_the_sender_and_warns_of_no_letter(cases: Cases) -> None:
    kinds: tuple[tuple[SealWord, SignatoryWord | None, Grade, list[str]], ...] = (
        (SealWord.UNREGISTERED, None, Grade.GOOD, [UNREGISTERED]),
        (SealWord.OWN, SignatoryWord.UNKNOWN, Grade.GOOD, [STRANGER]),
        (SealWord.OWN, SignatoryWord.ENDED, Grade.DOUBT, []),
        (SealWord.OWN, SignatoryWord.KNOWN, Grade.GOOD, []),
    )
    for seal, person, grade, sentences in kinds:
        signer = SignerVerdict(field="Dau", verdict=SignatureWord.VALID, seal=seal)
        by_person = SignerVerdict(field="Ky", verdict=SignatureWord.VALID, person=person, position="Chủ tịch")
        signers = (signer, *((by_person,) if person else ()))
        verdict = FileVerdict(n=1, file="cong-van.pdf", verdict=SignatureWord.VALID, signers=signers)
        words = {"seal": seal, **({"signatory": person} if person else {})}
        panel = panel_of(document(found=words, signatures=(verdict,)))
        with cases.case(f"{seal}, {person}"):
            assert (panel.grade, [row.word for row in panel.sender_notes]) == (grade, sentences)
            assert panel.is_clean == (grade is Grade.GOOD)
            assert panel.passed == len(panel.weighed) - (grade is not Grade.GOOD)
