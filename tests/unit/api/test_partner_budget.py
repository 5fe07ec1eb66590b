"""One partner fills its own budget at an agency, and neither the disk nor the mailbox of others; nothing of its mail is
refused or lost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.ports.axis import DeadParcel
from gateway.workers.clocks import AsideClock
from tests.support.api import COMMUNE, DEPARTMENT, PROVINCE, Door
from tests.unit.api.test_unsent import KB, send


def limit(door: Door, kilobytes: int) -> None:
    door.node.inn.partners.budget.limit = kilobytes * KB


async def send_all(door: Door, numbers: Sequence[int], *, key: str, to: str = PROVINCE) -> None:
    for n in numbers:
        assert (await send(door, n, key=key, send=True, size=20, to=to)).status == 202
    await door.town.carry()


async def numbers_at(door: Door, key: str) -> list[str]:
    rows: list[dict[str, Any]] = (await door.ask("GET", "/inbox", key=key)).json["data"]
    return sorted(row["number"] for row in rows)


async def waiting(door: Door) -> list[DeadParcel]:
    return [parcel for parcel in await door.node.axis.dead_list() if parcel.is_aside]


async def take_back(door: Door) -> None:
    await AsideClock().step(door.node.inn, door.node.axis)
    await door.town.carry()


async def test_a_partner_beyond_its_budget_waits_whole_until_its_mail_is_dealt_with_and_others_go_on(
    door: Door,
) -> None:
    limit(door, 80)
    keys = {code: await door.key(code) for code in (DEPARTMENT, PROVINCE, COMMUNE)}

    await send_all(door, (1, 2, 3, 4), key=keys[DEPARTMENT])
    await send_all(door, (8,), key=keys[COMMUNE])
    await send_all(door, (9,), key=keys[DEPARTMENT], to=COMMUNE)
    # Its answer to a letter of the agency lands, although its letters wait.
    await send_all(door, (7,), key=keys[PROVINCE], to=DEPARTMENT)

    first_numbers = await numbers_at(door, keys[PROVINCE])
    assert (len(first_numbers), first_numbers[-1]) == (3, "8")
    assert await numbers_at(door, keys[COMMUNE]) == ["9"]
    assert len(await waiting(door)) == 2
    states = {
        row["number"]: row["state"]
        for row in (await door.ask("GET", "/messages", key=keys[PROVINCE])).json["data"]
    }
    assert states["7"] == "delivered"
    limits = (await door.ask("GET", "/limits", key=keys[PROVINCE])).json
    assert limits["max_partner_bytes"] == 80 * KB
    assert 40 * KB < limits["partners"][DEPARTMENT] <= 80 * KB

    await take_back(door)
    assert len(await waiting(door)) == 2
    first = (await door.ask("GET", "/inbox", key=keys[PROVINCE])).json["data"]
    for row in first:
        answer = await door.ask("POST", f"/inbox/{row['id']}/status", key=keys[PROVINCE], json={"code": "03"})
        assert answer.status == 200, str(answer)
    await take_back(door)

    assert await numbers_at(door, keys[PROVINCE]) == ["1", "2", "3", "4", "8"]
    assert await waiting(door) == []
