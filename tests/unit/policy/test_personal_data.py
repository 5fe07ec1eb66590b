"""Personal data in a subject, which every recipient sees in lists: an identity number or words of health are warned of,
with a shorter subject ready (R3, other content kept out)."""

from __future__ import annotations

from tests.unit.policy.test_outgoing import draft, judge, warned

CODE = "subject-personal"


def test_an_identity_number_or_words_of_health_are_warned_of_with_a_shorter_subject() -> None:
    """R3 (other content kept out)."""
    shorter = {
        "V/v ông Nguyễn Văn A, CCCD 001099012345, nhiễm HIV": "V/v ông Nguyễn Văn A",
        "Xác minh công dân có số định danh 079203000123": "Xác minh công dân",
        "Xác minh công dân (căn cước số 001 099 012 345) tại phường": "Xác minh công dân tại phường",
        "Kết quả xét nghiệm HIV của ông Trần Văn B": "Kết quả xét nghiệm của ông Trần Văn B",
        "Chế độ cho bà Lê Thị C bị ung thư": "Chế độ cho bà Lê Thị C",
        "V/v hỗ trợ bệnh nhân tâm thần; kèm bệnh án": "V/v hỗ trợ bệnh nhân",
    }
    for subject, expected in shorter.items():
        verdict = judge(draft(subject=subject))
        assert (verdict.allowed, warned(verdict)) == (True, {CODE}), subject
        (warning,) = verdict.warnings
        assert (warning.pointer, warning.suggest) == ("/subject", expected), subject
        assert "099" not in str(warning.params)
        assert warned(judge(draft(subject=expected))) == set()


def test_what_only_looks_like_it_passes() -> None:
    for subject in (
        "V/v mã hồ sơ 003099012345",  # no province has this number
        "V/v mã hồ sơ 001999012345",  # nor a century
        "V/v lô hàng 1001099012345",
        "Kế hoạch phòng, chống HIV/AIDS năm 2026",
        "Thư mời của Bệnh viện Tâm thần Trung ương",
        "Điều hòa nhiệt độ phòng họp",
    ):
        assert warned(judge(draft(subject=subject))) == set(), subject
