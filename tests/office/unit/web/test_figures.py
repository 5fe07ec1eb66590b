"""Figures are written as each language writes them."""

from __future__ import annotations

from gateway_office.web.answers import figure, tenths


def test_figures_are_written_as_each_language_writes_them() -> None:
    assert (figure(1_204_331, "vi"), figure(1_204_331, "en")) == ("1.204.331", "1,204,331")
    assert (tenths(12.46, "vi"), tenths(12.46, "en")) == ("12,5", "12.5")
