"""One wake-up asks for all due work: it rings the workers that have some, and no others."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

import pytest

from gateway.clock import SystemClock
from gateway.errors import StoreFailure
from gateway.store.due_work import Signs
from gateway.workers.loop import LANDING_POLL_S, LONGEST_UNRUNG_S, Lookout, Waker, longest_sleep_s

NOTHING = Signs(due=frozenset(), marks={"hosting": "a"})


class Office:
    """Every bell, what the store would say, and who was rung by the last look."""

    def __init__(self) -> None:
        self.wakers = {name: Waker() for name in ("packer", "hosting", "holds")}
        self.signs: Signs | None = NOTHING
        self.hold_at = datetime.max
        self.lookout = Lookout(
            clock=SystemClock(),
            wakers=self.wakers,
            times={"holds": lambda now: now.replace(tzinfo=None) >= self.hold_at},
            look=self._look,
        )

    async def _look(self) -> Signs:
        if self.signs is None:
            raise StoreFailure("the database is away")
        return self.signs

    async def rung(self) -> Collection[str]:
        tickets = {name: waker.ticket() for name, waker in self.wakers.items()}
        assert not await self.lookout.step()
        return {name for name, ticket in tickets.items() if ticket.is_set()}


async def test_who_has_something_due_is_rung_until_it_is_done_and_once_for_a_change_by_another_process() -> (
    None
):
    """A change before the first look rings too: its worker may have looked before that, and would sleep on."""
    office = Office()
    assert await office.rung() == {"hosting"}
    assert await office.rung() == set()

    office.signs = Signs(due=frozenset({"packer"}), marks={"hosting": "a"})
    assert await office.rung() == {"packer"}
    assert await office.rung() == {"packer"}
    office.signs = Signs(due=frozenset(), marks={"hosting": "b"})
    assert await office.rung() == {"hosting"}
    assert await office.rung() == set()


def test_every_loop_looks_within_a_minute_without_a_ring() -> None:
    """And none more often than the one that looks for all, but for what other nodes send."""
    names = ("lookout", "pulse", "packer", "receiver", "hosting", "revocation", "clocks", "holds")
    for poll_s in (0.05, 1.0, 7.0, 60.0):
        assert all(poll_s <= longest_sleep_s(name, poll_s) <= LONGEST_UNRUNG_S for name in names)
        assert longest_sleep_s("lookout", poll_s) == poll_s
        assert longest_sleep_s("landing", poll_s) == min(poll_s, LANDING_POLL_S)


async def test_what_the_clock_brings_is_rung_for_also_while_the_database_is_away() -> None:
    office = Office()
    office.signs, office.hold_at = None, datetime.min + timedelta(days=1)
    ticket = office.wakers["holds"].ticket()

    with pytest.raises(StoreFailure):
        await office.lookout.step()

    assert ticket.is_set()
