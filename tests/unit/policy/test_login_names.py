"""Suggested names: the worked examples of the rules."""

from __future__ import annotations

import pytest

from gateway.office.policy import login_names
from gateway.office.policy.login_names import Style


@pytest.mark.parametrize(
    ("name", "style", "taken", "tail", "wanted"),
    [
        ("Nguyễn Văn An", Style.NEXT, (), "", "nguyenvanan"),
        ("Nguyễn Văn An", Style.NEXT, ("nguyenvanan",), "", "nguyenvanan1"),
        ("Nguyễn Văn An", Style.NEXT, ("nguyenvanan", "nguyenvanan1"), "", "nguyenvanan2"),
        ("Trần Văn A", Style.SECOND, ("tranvana",), "", "tranvana2"),
        ("Phan Song Toàn", Style.INITIALS, (), "ldld", "pstoan.ldld"),
        ("Đặng Thị Đào", Style.SECOND, (), "", "dangthidao"),
    ],
)
def test_persons(name: str, style: Style, taken: tuple[str, ...], tail: str, wanted: str) -> None:
    assert login_names.of_person(name, style, taken, tail) == wanted


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("Sở Nội vụ", "snv"),
        ("UBND huyện Hải Hà", "hhh"),
        ("Ủy ban nhân dân thành phố Cẩm Phả", "tpcp"),
    ],
)
def test_agencies(name: str, wanted: str) -> None:
    assert login_names.short(name) == wanted
