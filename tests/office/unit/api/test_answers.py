"""Every call of the office has a recorded answer that its description allows."""

from __future__ import annotations

from tests.office.support.doors import WITH_OFFICE
from tests.support import answers


def test_every_call_has_a_recorded_answer_that_its_description_allows() -> None:
    assert list(answers.faults(WITH_OFFICE, "gateway_office")) == []
