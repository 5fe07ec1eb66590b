"""A set that no node of a folder hands out any more is shown to a person, who has it handed out again, or drops it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.errors import Clash, NotFound, StoreFailure
from gateway.ports.axis import DeadParcel
from gateway.transport.amqp.dead import ParkedSets
from gateway.transport.amqp.parts_set import ParkedReason
from gateway.transport.amqp.parts_spool import Landed, Spool
from tests.support.clock import ManualClock
from tests.support.parts import LIMITS, bytes_of, cut, land, opened

PACKET = b"the bytes of one large packet, cut into parts"
FEW = replace(LIMITS, open_sets=3, open_bytes=1000, offers=2)


@pytest.fixture
def spool(tmp_path: Path, clock: ManualClock) -> Spool:
    return opened(tmp_path, clock, FEW)


@pytest.fixture
def sets(tmp_path: Path) -> ParkedSets:
    return ParkedSets(tmp_path, FEW)


def sent(spool: Spool, content: bytes = PACKET) -> list[Landed]:
    return [land(spool, part).landed for part in cut(content)]


def never_settled(spool: Spool, sets: ParkedSets) -> DeadParcel:
    sent(spool)
    for _ in range(FEW.offers):
        (joined,) = spool.complete(1)
        spool.release(joined.token)
    assert spool.complete(1) == []
    (dead_parcel,) = sets.list()
    return dead_parcel


# --- put aside ------------------------------------------------------------------------------------------------


def test_how_often_a_set_was_handed_out_outlives_the_process(tmp_path: Path, sets: ParkedSets) -> None:
    sent(opened(tmp_path, limits=FEW))
    for offer_count in (1, 2):
        process = opened(tmp_path, limits=FEW)
        assert [joined.offers for joined in process.complete(1)] == [offer_count]
        process.close()

    assert opened(tmp_path, limits=FEW).complete(1) == []
    assert [dead_parcel.deliveries for dead_parcel in sets.list()] == [2]


def test_a_flawed_set_that_is_never_settled_is_put_aside_too(
    spool: Spool, sets: ParkedSets, clock: ManualClock
) -> None:
    land(spool, cut(PACKET)[0])
    clock.advance(FEW.age)
    for _ in range(FEW.offers):
        (flawed,) = spool.overdue(clock.now())
        spool.release(flawed.token)

    assert spool.overdue(clock.now()) == []
    (dead_parcel,) = sets.list()
    with sets.open(dead_parcel.id) as source:
        assert source.read() == PACKET[:10]


def test_it_is_opened_and_handed_out_again_from_zero_once(spool: Spool, sets: ParkedSets) -> None:
    dead_parcel = never_settled(spool, sets)
    with sets.open(dead_parcel.id) as source:
        assert source.read() == PACKET
    assert sets.retry(dead_parcel.id) == dead_parcel
    assert sets.list() == []
    for act in (sets.retry, sets.drop, sets.open):
        with pytest.raises(NotFound, match="list it again"):
            act(dead_parcel.id)
    (joined,) = spool.complete(1)
    assert (bytes_of(joined), joined.offers) == (PACKET, 1)


def test_a_dropped_set_may_be_resent(spool: Spool, sets: ParkedSets) -> None:
    dead_parcel = never_settled(spool, sets)

    sets.drop(dead_parcel.id)

    assert sets.list() == []
    assert spool.counts()["sets"] == 0
    assert sent(spool) == [Landed.STORED] * 5
    assert len(spool.complete(1)) == 1


def test_two_people_do_not_act_on_one_parcel_at_once(tmp_path: Path, spool: Spool, sets: ParkedSets) -> None:
    dead_parcel = never_settled(spool, sets)
    other = ParkedSets(tmp_path, FEW)

    with sets._hold(dead_parcel.id), pytest.raises(Clash, match="somebody else"):
        other.drop(dead_parcel.id)
    assert other.list() == [dead_parcel]


def test_a_token_put_aside_is_over(spool: Spool, sets: ParkedSets) -> None:
    sent(spool)
    (joined,) = spool.complete(1)

    spool.put_aside(joined.token, ParkedReason.FOR_NOBODY)
    spool.put_aside(joined.token, ParkedReason.NEVER_SETTLED)
    spool.end_set(joined.token)

    (dead_parcel,) = sets.list()
    assert "none of its codes is hosted here" in dead_parcel.reason
    assert spool.complete(1) == []


def test_a_damaged_mark_stops_no_other_set(tmp_path: Path, spool: Spool, sets: ParkedSets) -> None:
    never_settled(spool, sets)
    (mark,) = tmp_path.rglob("aside")
    for n, damage in enumerate((b"", b"\xff", b"something else")):
        mark.write_bytes(damage)
        another = b"another packet, whole %d" % n
        sent(spool, another)
        (joined,) = spool.complete(10)
        assert bytes_of(joined) == another
        spool.end_set(joined.token)
        assert len(sets.list()) == 1


# --- the quota ------------------------------------------------------------------------------------------------

BURST = [bytes([65 + n]) * 30 for n in range(4)]


def test_whole_sets_that_wait_for_us_hold_the_next_back_and_refuse_nothing(spool: Spool) -> None:
    """A part of an open set is taken however many wait."""
    first, *other_parts = cut(BURST[2])
    land(spool, first)
    for content in BURST[:2]:
        assert sent(spool, content) == [Landed.STORED] * 3
    landing = land(spool, cut(BURST[3])[0])
    assert landing.landed is Landed.WAIT
    assert "3 sets of this node are open already" in landing.reason
    assert [land(spool, part).landed for part in other_parts] == [Landed.STORED] * 2
    assert land(spool, cut(BURST[3])[0]).landed is Landed.WAIT

    spool.end_set(spool.complete(1)[0].token)

    assert sent(spool, BURST[3]) == [Landed.STORED] * 3


def test_bytes_that_wait_for_us_hold_the_next_back_too(tmp_path: Path) -> None:
    spool = opened(tmp_path, limits=replace(LIMITS, open_bytes=70))
    sent(spool, BURST[0])
    sent(spool, BURST[1])

    assert land(spool, cut(BURST[2])[0]).landed is Landed.WAIT
    assert land(spool, cut(b"x" * 71)[0]).landed is Landed.REFUSED


def test_unfinished_sets_and_those_put_aside_use_the_quota_up_and_make_nothing_wait_for_ever(
    spool: Spool,
) -> None:
    """Those are the sender's own; these take room until a person looks, and what waited behind would block the lane."""
    for content in BURST[:3]:
        land(spool, cut(content)[0])
    assert land(spool, cut(BURST[3])[0]).landed is Landed.REFUSED
    for content in BURST[:3]:
        sent(spool, content)
    for joined in spool.complete(3):
        spool.put_aside(joined.token, ParkedReason.FOR_NOBODY)
    assert land(spool, cut(BURST[3])[0]).landed is Landed.REFUSED


# --- a disk that fails halfway --------------------------------------------------------------------------------


def test_a_set_that_was_joined_before_the_disk_failed_is_handed_out_a_second_time(
    tmp_path: Path, spool: Spool, clock: ManualClock
) -> None:
    sent(spool, BURST[0])
    clock.advance(1)
    sent(spool, BURST[1])
    (broken,) = [
        path.parent / "hold" for path in tmp_path.rglob("000000001-*") if path.read_bytes()[:1] == b"B"
    ]
    broken.unlink()
    broken.mkdir()

    with pytest.raises(StoreFailure):
        spool.complete(10)

    broken.rmdir()
    broken.write_bytes(b"")
    assert [bytes_of(joined) for joined in spool.complete(10)] == BURST[:2]
