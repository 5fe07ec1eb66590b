"""The field that takes many agencies at once is read with work that grows with its length, not with its square."""

from __future__ import annotations

import pytest

from gateway_office.web.pages.agencies import common
from tests.support.cases import Cases
from tests.unit.domain import test_linear_time as linear_time


def test_names_of_agencies_in_a_form_are_read_in_linear_time(
    monkeypatch: pytest.MonkeyPatch, cases: Cases
) -> None:
    read_names = {"agencies in a form": lambda text: common.split_names(f"a,a{text}!")}
    monkeypatch.setattr(linear_time, "READERS", read_names)
    monkeypatch.setattr(linear_time, "MODULES", (*linear_time.MODULES, common))

    linear_time.test_twice_the_text_takes_about_twice_the_work_and_a_megabyte_is_read_to_its_end(cases)
