"""R45 (sent on the day of signing, at the latest on the next working morning): a document that was signed earlier is
warned of by a code of its own, and its page marks it."""

from __future__ import annotations

from datetime import timedelta

from gateway.domain.office_calendar import SHIPPED, OfficeCalendar
from gateway.policy import timers
from tests.support.api import Door, meta
from tests.support.clock import START


async def test_a_letter_that_was_signed_eight_days_ago_is_warned_of(door: Door) -> None:
    """R45 (sent late): warned of and not refused. It is Friday, eight o'clock."""
    for days, is_late in ((8, True), (2, True), (1, False), (0, False)):
        signed_at = (START - timedelta(days=days)).isoformat()
        answer = await door.send(meta(number=str(40 + days), signed_at=signed_at), once=f"d{days}")

        assert answer.status == 202, str(answer)
        warnings = {warning["type"]: warning for warning in answer.json["warnings"]}
        assert ("signed-late" in warnings) is is_late, days
        if is_late:
            assert warnings["signed-late"]["pointer"] == "/signed_at"
            assert "28/2018/QĐ-TTg" in warnings["signed-late"]["basis"]
    draft = await door.send(meta(number="60", signed_at=(START - timedelta(days=8)).isoformat(), send=False))
    assert "signed-late" not in {warning["type"] for warning in draft.json.get("warnings", ())}


def test_it_is_late_after_the_next_working_morning_also_where_it_is_urgent() -> None:
    """R45, T1 (issue): T1u reports an urgent one, late by the same rule."""
    office = timers.calendar_of(OfficeCalendar().weekdays, OfficeCalendar().spans, SHIPPED, ())
    assert not timers.is_sent_late(office, START, START + timedelta(days=3, hours=3))
    assert timers.is_sent_late(office, START, START + timedelta(days=3, hours=4))
