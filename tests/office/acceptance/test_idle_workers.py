"""A node whose workers sleep misses nothing: it does work that another process writes, that falls due with time, that a
jump of the clock makes due, and that the one look that wakes the workers cannot see. The loops are real; they look rarely
here, so that work done in time was announced, and not come upon."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from gateway.domain.document import FileRole, OutgoingDocument
from gateway.outgoing import drafting, manage
from gateway.outgoing.intake import receive_files
from gateway.settings import Settings
from gateway.workers.heartbeat import Pulse
from gateway.workers.loop import StepResult, longest_sleep_s
from tests.office.support.node import DEPARTMENT, PDF, PROVINCE, OfficeTown, draft, opened
from tests.support.clock import ManualClock

LOOK_S = 3.0
SOON_S = 20.0
BEGUN_S = 90.0
# Workers that turn at fixed times. Mail is off here, so no reminders are sent.
TIMED = {
    *("sealer", "clocks", "lister", "keys", "holds", "quarantine", "accounts", "history", "pulse"),
    "revocation",
    "signatures",
}


@dataclass(slots=True, kw_only=True)
class Turns(Pulse):
    """The pulse of a process, which tells a test who turned."""

    jobs_turned: set[str] = field(default_factory=set)
    broke: set[str] = field(default_factory=set)

    def counted(
        self, name: str, step: Callable[[], Awaitable[bool | StepResult]]
    ) -> Callable[[], Awaitable[bool | StepResult]]:
        async def noting() -> bool | StepResult:
            try:
                worked = await step()
            except Exception:
                self.broke.add(name)
                raise
            self.jobs_turned.add(name)
            return worked

        return Pulse.counted(self, name, noting)


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A process that works, and another one of the same node, whose rings it does not hear: it could make no pipe."""

    clock: ManualClock
    turns: Turns
    other: OfficeTown


@asynccontextmanager
async def asleep(folder: Path, look_s: float = LOOK_S) -> AsyncIterator[Pair]:
    """Open a pair of nodes; the block begins when every loop has turned."""

    def rarely(settings: Settings) -> Settings:
        return replace(settings, workers=replace(settings.workers, poll_s=look_s))

    clock, stop = ManualClock(), asyncio.Event()
    async with opened(folder, clock, change=rarely) as town, opened(folder, clock) as other:
        pulse = town.node.pulse
        turns = Turns(folder=pulse.folder, clock=clock, pool=pulse.pool)
        Path(f"{town.node.store.writer.url.database}-bells").write_text("where its pipe would be")
        working = asyncio.create_task(replace(town.node, pulse=turns).run_workers(stop))
        await wait_until(lambda: turns.jobs_turned >= {*TIMED, "packer", "lookout"}, BEGUN_S)
        try:
            yield Pair(clock=clock, turns=turns, other=other)
        finally:
            stop.set()
            await working


async def wait_until(
    true: Callable[[], bool] | Callable[[], Awaitable[bool]], within_s: float = SOON_S
) -> None:
    async with asyncio.timeout(within_s):
        while True:
            is_true = true()
            if is_true is True or (is_true is not False and await is_true):
                return
            await asyncio.sleep(0.02)


async def answered(town: OfficeTown, document: OutgoingDocument) -> None:
    async def delivered() -> bool:
        return (await town.delivery(document)).state == "delivered"

    await wait_until(delivered)


async def pdf() -> AsyncIterator[bytes]:
    yield PDF


def test_what_is_found_in_time_here_was_told_of() -> None:
    assert all(
        longest_sleep_s(name, LOOK_S) > 2 * SOON_S for name in {*TIMED, "packer"} - {"pulse", "revocation"}
    )


async def test_what_another_process_wrote_leaves_soon(tmp_path: Path) -> None:
    async with asleep(tmp_path / "node") as pair:
        await answered(pair.other, await pair.other.send("15"))


async def test_what_is_planned_leaves_when_its_time_has_come(tmp_path: Path) -> None:
    async with asleep(tmp_path / "node") as pair:
        services, scope = pair.other.node.out, await pair.other.scope(DEPARTMENT)
        begun = await drafting.begin(services, scope, draft("15", PROVINCE))
        async with receive_files(services) as files:
            await files.add(FileRole.LEAD, "15.pdf", FileRole.LEAD, pdf())
            await drafting.add_files(services, scope, begun.id, files)
        planned = await manage.send_draft(services, scope, begun.id, wait=timedelta(hours=1))
        pair.turns.jobs_turned.clear()
        await wait_until(lambda: "lookout" in pair.turns.jobs_turned)
        assert (await pair.other.delivery(planned)).state == "queued"

        pair.clock.advance(timedelta(hours=1))

        await answered(pair.other, planned)


@pytest.mark.long
async def test_work_of_a_process_that_died_is_taken_up_when_its_lease_is_over(tmp_path: Path) -> None:
    async with asleep(tmp_path / "node") as pair:
        lease_s = float(pair.other.node.settings.workers.lease_s)
        scope = await pair.other.scope(DEPARTMENT)
        async with asyncio.timeout(SOON_S):
            while True:  # the sleeper may be quicker than the one that is to die
                document = await pair.other.send(str(await pair.other.count("outgoing_document") + 15))
                claimed = await pair.other.node.store.claim_outbox(1, lease_s)
                # It, and not the status of one before.
                if document.packet_id in [claim.item.packet_id for claim in claimed]:
                    break
        for _ in range(2):  # what the first look found due is done by the second
            pair.turns.jobs_turned.clear()
            await wait_until(lambda: "lookout" in pair.turns.jobs_turned)
        async with pair.other.node.store.read(scope) as work:
            assert (await work.deliveries.of_document(document.id))[0].state == "queued"

        pair.clock.advance(lease_s)

        await answered(pair.other, document)


@pytest.mark.parametrize("by", [timedelta(days=1), timedelta(days=-400)], ids=["ahead", "back"])
async def test_whatever_comes_with_the_time_comes_also_when_the_clock_jumps(
    tmp_path: Path, by: timedelta
) -> None:
    async with asleep(tmp_path / "node") as pair:
        pair.turns.jobs_turned.clear()

        pair.clock.advance(by)

        await wait_until(lambda: pair.turns.jobs_turned >= TIMED)


async def test_what_no_look_can_tell_of_is_come_upon(tmp_path: Path) -> None:
    """Every look fails; each worker still looks for himself now and then."""
    async with asleep(tmp_path / "node", look_s=0.2) as pair:
        async with pair.other.node.store.writer.begin() as connection:
            await connection.execute(text("ALTER TABLE revocation_question RENAME TO away"))
        # A look that had begun before may still come through.
        await wait_until(lambda: "lookout" in pair.turns.broke)
        pair.turns.jobs_turned.clear()

        await answered(pair.other, await pair.other.send("15"))

        assert "lookout" not in pair.turns.jobs_turned
