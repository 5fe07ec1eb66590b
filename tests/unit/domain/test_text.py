"""Folding for search: accents, case and white space do not matter, and folding again changes nothing."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.text import fold


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Đôn đốc THU HỒI", "don doc thu hoi"),
        ("  Sở   Nông\tnghiệp\n", "so nong nghiep"),
        ("ưỡng ẳ ỵ ơ", "uong a y o"),
        (unicodedata.normalize("NFD", "Đường Trường Sơn"), "duong truong son"),
        ("12/2026/QĐ-UBND", "12/2026/qd-ubnd"),
        ("", ""),
    ],
)
def test_text_is_folded(text: str, folded: str) -> None:
    assert fold(text) == folded


@settings(max_examples=100)
@given(st.text())
def test_folding_again_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)
