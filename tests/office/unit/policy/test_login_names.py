"""Suggested names: the worked examples of the rules."""

from __future__ import annotations

import pytest

from gateway_office.policy import signing_in
from gateway_office.policy.signing_in import LoginStyle


@pytest.mark.parametrize(
    ("name", "style", "used", "tail", "expected"),
    [
        ("Nguyễn Văn An", LoginStyle.NEXT, (), "", "nguyenvanan"),
        ("Nguyễn Văn An", LoginStyle.NEXT, ("nguyenvanan",), "", "nguyenvanan1"),
        ("Nguyễn Văn An", LoginStyle.NEXT, ("nguyenvanan", "nguyenvanan1"), "", "nguyenvanan2"),
        ("Trần Văn A", LoginStyle.SECOND, ("tranvana",), "", "tranvana2"),
        ("Phan Song Toàn", LoginStyle.INITIALS, (), "ldld", "pstoan.ldld"),
        ("Đặng Thị Đào", LoginStyle.SECOND, (), "", "dangthidao"),
    ],
)
def test_persons(name: str, style: LoginStyle, used: tuple[str, ...], tail: str, expected: str) -> None:
    """R86 (login names)."""
    assert signing_in.login_of_person(name, style, used, tail) == expected


def test_agencies() -> None:
    short = {"Sở Nội vụ": "snv", "UBND huyện Hải Hà": "hhh", "Ủy ban nhân dân thành phố Cẩm Phả": "tpcp"}
    assert {name: signing_in.short_name(name) for name in short} == short
