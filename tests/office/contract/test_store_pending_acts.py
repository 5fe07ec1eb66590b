"""Acts that wait to be done: one for each document, of its own agency, done or undone once; and versions of an agency's
settings: the newest that has begun holds."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from gateway.domain.account import NumberingMode
from gateway.domain.agency_profile import NUMBERING, SETTINGS, UNDO_SECONDS, ProfileVersion, find_in_force
from gateway.domain.document import Assignment
from gateway.errors import Clash
from gateway_office.domain.pending import ActKind, ActValues, PendingAct
from gateway_office.store.store import SqlOfficeStore
from tests.support.clock import ManualClock
from tests.support.stores import NORTH, SOUTH, committing, incoming, seed_incoming

WAIT = timedelta(seconds=10)
LEASE_S = 60.0


async def make_act(store: SqlOfficeStore, clock: ManualClock, document_id: str = "") -> PendingAct:
    id = document_id or (await seed_incoming(store, incoming(clock))).id
    return PendingAct(
        id=clock.new_id("pac_"),
        document_id=id,
        kind=ActKind.TAKE_IN,
        act_values=ActValues(note="Thiếu trang", assignment=Assignment(lead_unit="Phòng Tổng hợp")),
        version=3,
        person_id="prn_clerk",
        made_at=clock.now(),
        due_at=clock.now() + WAIT,
    )


async def add(store: SqlOfficeStore, act: PendingAct) -> None:
    async with committing(store) as work:
        await work.office.pending.add(act)


async def test_a_document_has_one_act_that_its_own_agency_alone_sees(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    act = await make_act(store, clock)
    rival = await make_act(store, clock, act.document_id)

    outcomes = await asyncio.gather(add(store, act), add(store, rival), return_exceptions=True)

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Clash", "NoneType"]
    winner = rival if isinstance(outcomes[0], Clash) else act
    async with store.read(NORTH) as work:
        assert await work.office.pending.of_documents([act.document_id]) == {act.document_id: winner}
        assert await work.office.pending.all(9) == {act.document_id: winner}
    async with store.read(SOUTH) as work:
        assert await work.office.pending.of_documents([act.document_id]) == {}
        assert await work.office.pending.all(9) == {}


async def test_an_act_is_due_at_its_time_and_the_look_for_work_says_so(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    while await store.number_events():
        pass
    first = await make_act(store, clock)
    clock.advance(1)
    second = await make_act(store, clock)
    for act in (second, first):
        await add(store, act)

    assert await store.acts_due(9) == []
    assert "acts" not in (await store.signs(LEASE_S, ())).due
    clock.advance(WAIT)

    assert [act for _, act in await store.acts_due(9)] == [first, second]
    assert [act for _, act in await store.acts_due(1)] == [first]
    assert "acts" in (await store.signs(LEASE_S, ())).due


async def test_an_act_of_a_clock_that_was_ahead_waits_for_no_false_time(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    while await store.number_events():
        pass
    clock.advance(7 * 3600)
    act = await make_act(store, clock)
    await add(store, act)
    assert await store.acts_due(9) == []
    clock.advance(-7 * 3600)

    assert [due for _, due in await store.acts_due(9)] == [act]
    assert "acts" in (await store.signs(LEASE_S, ())).due


async def test_of_two_who_take_an_act_away_one_gets_it(store: SqlOfficeStore, clock: ManualClock) -> None:
    act = await make_act(store, clock)
    await add(store, act)

    async def remove() -> bool:
        async with committing(store) as work:
            return await work.office.pending.remove(act.id)

    assert sorted(await asyncio.gather(remove(), remove())) == [False, True]
    async with committing(store) as work:
        assert not await work.office.pending.fail(act.id, "changed", clock.now())


async def test_a_failed_act_is_kept_and_gives_way_to_the_next(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    act = await make_act(store, clock)
    await add(store, act)
    clock.advance(WAIT)
    async with committing(store) as work:
        assert await work.office.pending.fail(act.id, "number", clock.now())

    assert await store.acts_due(9) == []
    assert "acts" not in (await store.signs(LEASE_S, ())).due
    async with store.read(NORTH) as work:
        (failed,) = (await work.office.pending.all(9)).values()
        assert (failed.fault, failed.waits) == ("number", False)
    next_act = await make_act(store, clock, act.document_id)
    await add(store, next_act)
    async with store.read(NORTH) as work:
        assert await work.office.pending.of_documents([act.document_id]) == {act.document_id: next_act}


async def test_versions_of_a_setting_stay_and_the_newest_that_has_begun_holds(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    versions = []
    for value, days in (("30", 0), ("0", 2), ("15", 1)):
        clock.advance(1)
        version = ProfileVersion(
            id=clock.new_id("prf_"),
            key=UNDO_SECONDS,
            value=value,
            set_by="prn_admin",
            set_at=clock.now(),
            from_when=clock.now() + timedelta(days=days),
        )
        async with committing(store) as work:
            await work.profile.add(version)
        versions.append(version)

    now = clock.now()
    async with store.read(NORTH) as work:
        assert await work.profile.versions() == versions[::-1]
        for days, expected in ((0, "30"), (1, "15"), (3, "15")):
            at = now + timedelta(days=days)
            in_force = find_in_force(versions, UNDO_SECONDS, at)
            assert await work.profile.value(UNDO_SECONDS, at) == expected
            assert in_force is not None
            assert in_force.value == expected
        assert await work.profile.value(UNDO_SECONDS, now - timedelta(days=1)) is None
    async with store.read(SOUTH) as work:
        assert await work.profile.versions() == []


@pytest.mark.parametrize("text", ["-1", "61", "1.5", "mười", "٣", "0x1"])
def test_a_setting_takes_only_what_its_row_allows(text: str) -> None:
    assert SETTINGS[UNDO_SECONDS].read(text) is None
    assert [SETTINGS[UNDO_SECONDS].read(value) for value in ("0", " 60 ", "007", " ")] == ["0", "60", "7", ""]
    assert [SETTINGS[NUMBERING].read(value) for value in ("B", "b", "D", "")] == ["B", None, None, ""]


async def test_an_agency_numbers_as_its_profile_says_from_its_day_on(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    async def load_modes() -> tuple[NumberingMode, NumberingMode]:
        """Return the way of numbering within a unit of work, and as pages know the agency."""
        async with store.begin(NORTH) as work:
            in_unit = (await work.agency()).numbering
        async with store.read(NORTH) as work:
            assert (await work.agency()).numbering is in_unit
        (agency,) = [agency for agency in await store.hosted() if agency.id == NORTH.agency_id]
        return in_unit, agency.numbering

    first = (await load_modes())[0]
    other = NumberingMode.C if first is not NumberingMode.C else NumberingMode.B
    for value, days in ((other.value, 1), ("", 2)):
        clock.advance(1)
        async with committing(store) as work:
            await work.profile.add(
                ProfileVersion(
                    id=clock.new_id("prf_"),
                    key=NUMBERING,
                    value=value,
                    set_by="prn_admin",
                    set_at=clock.now(),
                    from_when=clock.now() + timedelta(days=days),
                )
            )

    for days, expected in ((0, first), (1, other), (1, first)):
        clock.advance(timedelta(days=days))
        assert await load_modes() == (expected, expected)
    assert await store.accounts.numbering_at_hosting(NORTH.agency_id) is first
