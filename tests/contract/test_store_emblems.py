"""Emblems of agencies: a version of the profile names a picture of the agency's own, which stays when another follows."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from gateway.deciding import agency_profile
from gateway.domain.account import AgencyScope
from gateway.domain.agency_profile import EMBLEM, ProfileVersion, fingerprint
from gateway.domain.event import EventKind
from gateway.domain.wall_clock import local
from gateway.errors import Clash
from gateway.store.store import SqlStore
from tests.support import png
from tests.support.clock import ManualClock
from tests.support.stores import NORTH, SOUTH

RED, BLUE = png.picture(colour="crimson"), png.picture(colour="navy")


async def test_the_picture_in_force_is_printed_and_earlier_ones_stay_with_their_agency(
    store: SqlStore, clock: ManualClock
) -> None:
    async def choose(
        text: str = "", picture: bytes = b"", day: date | None = None, scope: AgencyScope = NORTH
    ) -> ProfileVersion:
        return await agency_profile.choose(store, clock, scope, "An", EMBLEM, text, day, picture)

    async def printed() -> bytes:
        clock.advance(1)
        return (await store.accounts.letterhead(NORTH.agency_id)).picture

    assert await printed() == b""
    first = await choose(picture=RED)
    assert (first.value, await printed()) == (fingerprint(RED), RED)
    await choose(picture=BLUE, day=local(clock.now()).date() + timedelta(days=2))
    assert await printed() == RED
    clock.advance(timedelta(days=2))
    assert await printed() == BLUE
    await choose()
    assert await printed() == b""
    await choose(first.value)
    await choose(picture=RED)
    assert await printed() == RED
    assert (await store.accounts.letterhead(SOUTH.agency_id)).picture == b""

    for value in (fingerprint(b"another"), "crimson", fingerprint(RED).upper()):
        with pytest.raises(Clash, match="emblem"):
            await choose(value)
    with pytest.raises(Clash, match="never had"):
        await choose(first.value, scope=SOUTH)
    async with store.read(NORTH) as work:
        assert await work.profile.picture(fingerprint(BLUE)) == BLUE
        versions = [version.value for version in await work.profile.versions()]
        events = [e for e in await work.events.of_subject(NORTH.agency_id) if e.kind is EventKind.PROFILE_SET]
    async with store.read(SOUTH) as work:
        assert await work.profile.picture(fingerprint(BLUE)) is None
    assert len(versions) == 5
    assert [event.data["value"] for event in events] == versions[::-1]
