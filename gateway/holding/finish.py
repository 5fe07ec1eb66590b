"""Brings a hold to where its state says that it is: frozen content sealed for the head's key and taken off the disk, the
sealed form of what was lifted or purged removed. In: a hold that is not settled. Out: one that is. Each step may be cut
short anywhere and done again: plain bytes go only after their sealed form is durable and recorded."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import BinaryIO

from gateway import log
from gateway.domain.account import AgencyScope
from gateway.domain.event import EventKind
from gateway.domain.hold import OWNER, Hold, HoldState
from gateway.domain.identity import Digest
from gateway.errors import GatewayError, StoreFailure
from gateway.holding.desk import HoldDesk
from gateway.ports import Sealer

_log = logging.getLogger(__name__)
_PIECE = 256 * 1024


async def settle_all(desk: HoldDesk) -> int:
    """Every hold of every agency that a crash, or a missing key, left unsettled; how many are settled now."""
    done = 0
    for hold in await desk.store.unsettled_holds():
        scope = AgencyScope(agency_id=hold.agency_id, principal_id="node")
        try:
            done += (await settle(desk, scope, hold.id)).is_settled
        except GatewayError as error:
            log.action(_log, "hold.postponed", str(error), hold=hold.id, code=error.code)
    return done


async def settle(desk: HoldDesk, scope: AgencyScope, hold_id: str) -> Hold:
    """The hold as it is then: still frozen where no recipient is set."""
    async with desk.store.read(scope) as work:
        hold = await work.held.get(hold_id)
    if hold.state is HoldState.FROZEN:
        if desk.sealer is None:
            return hold
        hold = await _seal(desk, scope, hold, desk.sealer)
    if not hold.is_settled:
        hold = await _clear(desk, scope, hold)
    return hold


async def _seal(desk: HoldDesk, scope: AgencyScope, hold: Hold, sealer: Sealer) -> Hold:
    sealed: dict[Digest, Digest] = {}
    for digest in hold.digests:
        async with desk.store.read(scope) as work:
            opener = await desk.blobs.open_frozen(work, hold.id, digest)
        write = partial(_write, sealer, opener, digest, label(hold.id, digest))
        sealed[digest] = await desk.vault.put(hold.id, digest, write)
    async with desk.store.begin(scope) as work:
        current = await work.held.get(hold.id)
        if current.state is not HoldState.FROZEN:
            return current  # somebody was faster, or decided meanwhile
        done = replace(
            current,
            state=HoldState.SEALED,
            recipient=sealer.fingerprint,
            contents=tuple(replace(each, sealed=sealed[each.digest]) for each in current.contents),
        )
        await work.held.save(done)
        await work.blobs.drop(OWNER, hold.id)
        told = {"hold": hold.id, "recipient": sealer.fingerprint, "sealed": sorted(sealed.values())}
        await work.events.append(EventKind.HOLD_SEALED, hold.subject_id, desk.clock.now(), told)
        await work.commit()
    log.action(_log, "hold.sealed", hold=hold.id, contents=len(sealed))
    return done


async def _clear(desk: HoldDesk, scope: AgencyScope, hold: Hold) -> Hold:
    """What must not be there any more goes: plain bytes, or sealed ones once the hold is closed. Not settled while a reader
    keeps deleted bytes in the database's journal."""
    is_gone = True
    if hold.state is not HoldState.LIFTED:
        await desk.blobs.forget({*hold.digests, *hold.leftovers})
        is_gone = await desk.blobs.leave_no_trace()
    if hold.is_open:
        await desk.vault.tidy(hold.id)
    else:
        await desk.vault.remove(hold.id)
    if not is_gone:
        return hold
    async with desk.store.begin(scope) as work:
        current = await work.held.get(hold.id)
        if current.state is not hold.state:
            return current
        settled = replace(current, is_settled=True)
        await work.held.save(settled)
        await work.commit()
    return settled


def label(hold_id: str, digest: Digest) -> str:
    """What ties a sealed form to its place."""
    return f"{hold_id}/{digest}"


def _write(
    sealer: Sealer, opener: Callable[[], BinaryIO], digest: Digest, label: str, target: BinaryIO
) -> None:
    """StoreFailure, and nothing is dropped, when the bytes on disk are not those of the digest any more."""
    hasher = hashlib.sha256()

    def pieces() -> Iterator[bytes]:
        with opener() as source:
            while piece := source.read(_PIECE):
                hasher.update(piece)
                yield piece

    sealer.seal(pieces(), target, label)
    if hasher.hexdigest() != digest:
        raise StoreFailure(f"the content {digest} is damaged on disk; restore it, then it is sealed")
