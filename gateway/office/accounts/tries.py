"""Counts tries to sign in, before each is looked at, so that many at once are not more than one after another. In: the name
typed, the address. Out: nothing, or Denied while they have to wait. Names that nobody has wait like all others."""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass
from datetime import datetime

from gateway.domain.event import EventKind
from gateway.domain.text import fold
from gateway.errors import Denied
from gateway.office.accounts.desk import AccountDesk
from gateway.office.policy import slowing
from gateway.office.policy.slowing import Tries
from gateway.office.ports.accounts import AccountWork


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """One try, counted. `locks` when the name waits from now on unless this one succeeds."""

    by_name: str
    by_address: str
    locks: bool


async def count(desk: AccountDesk, name: str, address: str) -> Counted:
    """Denied with `GW-LOCKED` for the name, `GW-SLOW-DOWN` for the address; the hint says how many seconds."""
    now, rules = desk.clock.now(), desk.rules.slow
    keys = _key("name", fold(name)), _key("address", _place(address))
    async with desk.accounts.begin("node") as work:
        names, addresses = await _of(work, keys[0]), await _of(work, keys[1])
        _wait("GW-LOCKED", slowing.name_waits_until(names, rules, now), now)
        _wait("GW-SLOW-DOWN", slowing.address_waits_until(addresses, rules, now), now)
        names = slowing.failed(names, rules, now)
        await _save(work, keys[0], names)
        await _save(work, keys[1], slowing.failed(addresses, rules, now))
        await work.commit()
    locks = slowing.name_waits_until(names, rules, now) is not None
    return Counted(by_name=keys[0], by_address=keys[1], locks=locks)


async def succeeded(work: AccountWork, counted: Counted) -> None:
    """In the caller's transaction. The address only loses this one: whoever has an account of one's own must not be able to
    go on guessing others'."""
    await work.tries.save(counted.by_name, 0, None)
    addresses = await _of(work, counted.by_address)
    await work.tries.save(counted.by_address, max(0, addresses.failures - 1), addresses.last_at)


async def tell_lock(desk: AccountDesk, person_id: str, counted: Counted) -> None:
    if counted.locks:
        async with desk.accounts.begin(person_id) as work:
            await work.events.append(EventKind.PERSON_LOCKED, person_id, desk.clock.now())
            await work.commit()


async def forgive(work: AccountWork, *names: str) -> None:
    """Nobody waits under these names any more."""
    for name in names:
        await work.tries.save(_key("name", fold(name)), 0, None)


async def _of(work: AccountWork, key: str) -> Tries:
    failures, last_at = await work.tries.of(key)
    return Tries(failures=failures, last_at=last_at)


async def _save(work: AccountWork, key: str, tries: Tries) -> None:
    await work.tries.save(key, tries.failures, tries.last_at)


def _wait(code: str, until: datetime | None, now: datetime) -> None:
    if until is not None:
        seconds = max(1, round((until - now).total_seconds()))
        raise Denied("too many tries; wait before the next one", code=code, hint=f"wait: {seconds} s")


def _place(address: str) -> str:
    """Of the newer addresses everybody has as many as wanted: the network counts."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        return str(found.ipv4_mapped or ipaddress.IPv6Network((found, 64), strict=False))
    return str(found)


def _key(kind: str, text: str) -> str:
    return hashlib.sha256(f"{kind}\x1f{text}".encode("utf-8", "surrogatepass")).hexdigest()
