"""A process takes back what an earlier one set aside; on a disk that grows full those who hold mail wait first."""

from __future__ import annotations

from gateway.incoming.partners import PartnerMail
from gateway.store.data_folder import Room, free_space
from tests.support.api import COMMUNE, DEPARTMENT, PROVINCE, Door
from tests.unit.api.test_unsent import KB, limit, numbers_at, send_all, take_back, waiting

TINY = 1


async def test_a_process_that_starts_takes_back_what_an_earlier_one_set_aside(door: Door) -> None:
    limit(door, TINY)
    key = await door.key(DEPARTMENT)
    await send_all(door, (1, 2), key=key)
    assert len(await waiting(door)) == 1

    started = PartnerMail(budget=door.node.inn.partners.budget)
    started.budget.limit = 10_000 * KB
    object.__setattr__(door.node.inn, "partners", started)
    await take_back(door)

    assert await numbers_at(door, await door.key(PROVINCE)) == ["1", "2"]


async def test_while_the_disk_grows_full_partners_that_hold_mail_wait_first_and_the_others_go_on(
    door: Door,
) -> None:
    """The disk leaves half of each budget."""
    limit(door, 64)
    keys = {code: await door.key(code) for code in (DEPARTMENT, COMMUNE)}
    await send_all(door, (1,), key=keys[DEPARTMENT])
    room = door.node.blobs._room
    free = free_space(room.folder).bytes
    door.node.blobs._room = Room(folder=room.folder, reserve=free // 3)

    await send_all(door, (2,), key=keys[DEPARTMENT])
    await send_all(door, (3,), key=keys[COMMUNE])

    assert await numbers_at(door, await door.key(PROVINCE)) == ["1", "3"]
    assert [parcel.sender for parcel in await waiting(door)] == [DEPARTMENT]
