"""When a loop does again what it does now and then, also on a clock that was ahead."""

from __future__ import annotations

from datetime import timedelta

from gateway.workers.loop import Turn
from tests.support.clock import START

EVERY = timedelta(minutes=10)


def test_a_turn_comes_at_once_and_after_each_span_also_where_the_clock_was_ahead_or_work_failed() -> None:
    turn = Turn(EVERY)

    assert [turn.take(START), turn.take(START), turn.take(START + EVERY / 2), turn.take(START + EVERY)] == [
        *(True, False),
        *(False, True),
    ]

    turn = Turn(EVERY)
    assert turn.take(START + timedelta(days=400))

    assert turn.take(START)
    assert not turn.take(START)

    turn = Turn(EVERY)

    assert turn.has_come(START)
    assert turn.has_come(START)
    turn.mark_done(START)
    assert not turn.has_come(START)
