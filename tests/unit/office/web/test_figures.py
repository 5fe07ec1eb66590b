"""Figures are written as each language writes them."""

from __future__ import annotations

import pytest

from gateway.office.web.answers import figure, tenths


@pytest.mark.parametrize(("lang", "written"), [("vi", "1.204.331"), ("en", "1,204,331")])
def test_thousands_are_parted(lang: str, written: str) -> None:
    assert figure(1_204_331, lang) == written


@pytest.mark.parametrize(("lang", "written"), [("vi", "12,5"), ("en", "12.5")])
def test_tenths_stand_behind_the_languages_own_sign(lang: str, written: str) -> None:
    assert tenths(12.46, lang) == written
