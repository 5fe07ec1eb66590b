"""How a hold ends: by the recorded decision of a person with the head's role, who has just signed in. In: the person, the
hold, the reason; to lift it also the recipient's private key. Out: the exact bytes back in their place, or gone for good;
digests, header and decision stay either way."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import BinaryIO

from gateway.domain.account import AgencyScope
from gateway.domain.event import EventKind
from gateway.domain.hold import OWNER, Decision, HeldContent, Hold, HoldState
from gateway.domain.identity import Digest
from gateway.domain.person import Role, SignedIn
from gateway.errors import Clash, Denied, Misconfigured, Refused, StoreFailure
from gateway.holding import finish
from gateway.holding.desk import HoldDesk
from gateway.policy.verdict import ReasonCode, Verdict, reason
from gateway.ports import Kept, Unsealer, Work


def decided(desk: HoldDesk, who: SignedIn, why: str) -> Decision:
    """Denied unless the person has the role; Refused without a reason."""
    if Role.HEAD not in who.person.roles or not who.person.is_active:
        raise Denied(
            f"{who.person.name} has not the role `head`, which decides on the sealed hold", code="GW-ROLE"
        )
    if not why.strip():
        raise Refused(Verdict(reasons=(reason(ReasonCode.MISSING, "/reason", field="reason"),)))
    return Decision(by=who.person.id, why=why.strip(), at=desk.clock.now())


async def purge(desk: HoldDesk, scope: AgencyScope, hold_id: str, decision: Decision) -> Hold:
    """The content is gone on return, plain and sealed."""
    async with desk.store.begin(scope) as work:
        hold = await _open(work, hold_id)
        closed = replace(hold, state=HoldState.PURGED, decision=decision, is_settled=False)
        await work.held.save(closed)
        await work.blobs.drop(OWNER, hold.id)
        await _tell(work, closed, EventKind.HOLD_PURGED)
        await work.commit()
    return await finish.settle(desk, scope, hold_id)


async def bring_back(
    desk: HoldDesk, scope: AgencyScope, hold_id: str, key: Unsealer | None
) -> Sequence[Kept]:
    """The bytes are in the content store again, proved to be those that were sealed; `lift` makes them somebody's. Denied
    for a key that does not open them."""
    async with desk.store.read(scope) as work:
        hold = await work.held.get(hold_id)
    if not hold.is_open:
        raise Clash(f"the hold {hold_id} is {hold.state}; only one that is open can be lifted")
    if hold.state is HoldState.FROZEN:
        return ()
    if key is None:
        raise Misconfigured(f"the hold {hold_id} is sealed; the recipient's private key is needed to lift it")
    if key.fingerprint != hold.recipient:
        raise Denied(
            f"this key does not open the hold: it is sealed for the key {(hold.recipient or '')[:16]}…, "
            f"this one is {key.fingerprint[:16]}…",
            code="GW-SEAL-KEY",
        )
    await _unsettle(desk, scope, hold_id)
    contents = {each.digest: each for each in hold.contents}
    return [await _bring_back(desk, hold, contents[digest], key) for digest in sorted(contents)]


async def lift(work: Work, hold_id: str, decision: Decision, brought_back: Sequence[Kept]) -> Hold:
    """In the caller's transaction: the content belongs again to whom it belonged; the caller brings back the state."""
    hold = await _open(work, hold_id)
    anew = {kept.digest: kept for kept in brought_back}
    # By digest: units that share some contents then wait for each other, and never in a circle.
    for each in sorted(hold.contents, key=lambda content: content.digest):
        if each.digest in anew:
            await work.blobs.keep(anew[each.digest], each.owner_kind, each.owner_id)
        else:
            await work.blobs.add(each.digest, each.owner_kind, each.owner_id)
    await work.blobs.drop(OWNER, hold.id)
    closed = replace(hold, state=HoldState.LIFTED, decision=decision, is_settled=False)
    await work.held.save(closed)
    await _tell(work, closed, EventKind.HOLD_LIFTED)
    return closed


async def _unsettle(desk: HoldDesk, scope: AgencyScope, hold_id: str) -> None:
    """Should we die before it is lifted, plain bytes are there that must go again."""
    async with desk.store.begin(scope) as work:
        await work.held.save(replace(await _open(work, hold_id), is_settled=False))
        await work.commit()


async def _open(work: Work, hold_id: str) -> Hold:
    hold = await work.held.get(hold_id)
    if not hold.is_open:
        raise Clash(f"the hold {hold_id} is {hold.state}: it was decided before")
    return hold


async def _bring_back(desk: HoldDesk, hold: Hold, content: HeldContent, key: Unsealer) -> Kept:
    opener = await desk.vault.open(hold.id, content.digest)
    with desk.vault.scratch(hold.id) as scratch:

        def write() -> Digest:
            with opener() as source:
                return _poured(key.unseal(source, finish.label(hold.id, content.digest)), scratch.file)

        if await desk.pool.run(write) != content.digest:
            raise StoreFailure(f"what was sealed is not the content {content.digest}", code="GW-SEAL-DAMAGED")
        return await desk.blobs.keep(scratch, content.digest, content.size)


def _poured(pieces: Iterator[bytes], target: BinaryIO) -> Digest:
    hasher = hashlib.sha256()
    for piece in pieces:
        hasher.update(piece)
        target.write(piece)
    target.flush()
    return Digest.of_bytes(hasher.digest())


async def _tell(work: Work, hold: Hold, kind: EventKind) -> None:
    by = hold.decision.by if hold.decision else None
    told = {"hold": hold.id, "by": by, "digests": list(hold.digests)}
    await work.events.append(
        kind, hold.subject_id, hold.decision.at if hold.decision else hold.begun_at, told
    )
