"""The sealed hold of secrets: content is frozen at once, sealed apart for the head's key, lifted or purged by the
recorded decision of a person with the head's role. In: what is secret and who referred to its content; later the
decision, and to lift it the recipient's private key. Out: the hold; the exact bytes back in their place, or gone for
good; digests, header and decision stay either way. From the caller's commit of `freeze` on nobody reads the content
at this node. Each step of `settle` may be cut short anywhere and done again: plain bytes go only after their sealed
form is durable and recorded."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from gateway import log
from gateway.domain.account import AgencyScope
from gateway.domain.event import EventKind
from gateway.domain.hold import OWNER, Decision, HeldContent, HeldKind, Hold, HoldState
from gateway.domain.identity import Digest
from gateway.domain.person import Role, SignedIn
from gateway.errors import Clash, Denied, GatewayError, Misconfigured, Refused, StoreFailure
from gateway.policy.verdict import ReasonCode, Verdict, reason
from gateway.ports.services import Clock, Pool

if TYPE_CHECKING:
    from gateway.store.blob_refs import Kept
    from gateway.store.blobs import FileBlobs, FileVault
    from gateway.store.store import SqlStore
    from gateway.store.work import SqlWork
    from gateway.trust.hold_seal import KeyUnsealer, RecipientSealer


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldDesk:
    """Made once by the wiring; holds no state of its own. Without `sealer` content stays frozen: nobody reads it, and it
    lies unsealed until `seal.recipient` is set."""

    store: SqlStore
    blobs: FileBlobs
    vault: FileVault
    sealer: RecipientSealer | None
    clock: Clock
    pool: Pool


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """The document or packet to freeze. `owners` are the (kind, id) under which its content is kept."""

    kind: HeldKind
    subject_id: str
    before: str
    owners: Sequence[tuple[str, str]]
    sender_code: str | None = None
    document_id: str | None = None
    handed_over: bool = False
    leftovers: Sequence[Digest] = ()


async def freeze(clock: Clock, work: SqlWork, suspect: Suspect, why: str) -> Hold:
    """Clash when it is in the hold already. The event tells digests and numbers, never what it says."""
    hold = Hold(
        id=clock.new_id("hld_"),
        agency_id=work.scope.agency_id,
        kind=suspect.kind,
        subject_id=suspect.subject_id,
        state=HoldState.FROZEN,
        why=_given_reason(why),
        begun_at=clock.now(),
        begun_by=work.scope.principal_id,
        before=suspect.before,
        sender_code=suspect.sender_code,
        document_id=suspect.document_id,
        handed_over=suspect.handed_over,
        leftovers=tuple(suspect.leftovers),
    )
    contents = [
        HeldContent(digest=digest, size=size, owner_kind=kind, owner_id=owner)
        for kind, owner in suspect.owners
        for digest, size in (await work.blobs.of(kind, owner)).items()
    ]
    for kind, owner in suspect.owners:
        await work.blobs.freeze(kind, owner, hold.id)
    others = [await work.blobs.others(digest, hold.id) for digest in {each.digest for each in contents}]
    hold = replace(hold, contents=tuple(contents), others=sum(others))
    await work.held.add(hold)
    told = {"hold": hold.id, "kind": hold.kind, "contents": len(contents), "others": hold.others}
    await work.events.append(EventKind.HOLD_BEGUN, hold.subject_id, hold.begun_at, told)
    return hold


def _given_reason(why: str) -> str:
    if not why.strip():
        raise Refused(Verdict(reasons=(reason(ReasonCode.MISSING, "/reason", field="reason"),)))
    return why.strip()


_log = logging.getLogger(__name__)


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


async def _seal(desk: HoldDesk, scope: AgencyScope, hold: Hold, sealer: RecipientSealer) -> Hold:
    sealed: dict[Digest, Digest] = {}
    for digest in hold.digests:
        async with desk.store.read(scope) as work:
            opener = await desk.blobs.open_frozen(work, hold.id, digest)
        write = partial(_write_sealed, sealer, opener, digest)
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


class _Hashed:
    """A stream that is hashed while it passes."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._hasher = stream, hashlib.sha256()

    def read(self, size: int, /) -> bytes:
        data = self._stream.read(size)
        self._hasher.update(data)
        return data

    def write(self, data: bytes, /) -> int:
        self._hasher.update(data)
        return self._stream.write(data)

    @property
    def digest(self) -> Digest:
        return Digest.of_bytes(self._hasher.digest())


def _write_sealed(
    sealer: RecipientSealer, opener: Callable[[], BinaryIO], digest: Digest, target: BinaryIO
) -> None:
    """StoreFailure, and nothing is dropped, when the bytes on disk are not those of the digest any more."""
    with opener() as source:
        hashed = _Hashed(source)
        sealer.seal(hashed, target)
    if hashed.digest != digest:
        raise StoreFailure(f"the content {digest} is damaged on disk; restore it, then it is sealed")


def decided(desk: HoldDesk, who: SignedIn, why: str) -> Decision:
    """Denied unless the person has the role; Refused without a reason."""
    if Role.HEAD not in who.person.roles or not who.person.is_active:
        raise Denied(
            f"{who.person.name} has not the role `head`, which decides on the sealed hold", code="GW-ROLE"
        )
    return Decision(by=who.person.id, why=_given_reason(why), at=desk.clock.now())


async def purge(desk: HoldDesk, scope: AgencyScope, hold_id: str, decision: Decision) -> Hold:
    """The content is gone on return, plain and sealed."""
    async with desk.store.begin(scope) as work:
        hold = await _open_hold(work, hold_id)
        closed = replace(hold, state=HoldState.PURGED, decision=decision, is_settled=False)
        await work.held.save(closed)
        await work.blobs.drop(OWNER, hold.id)
        await _tell_end(work, closed, decision, EventKind.HOLD_PURGED)
        await work.commit()
    return await settle(desk, scope, hold_id)


async def bring_back(
    desk: HoldDesk, scope: AgencyScope, hold_id: str, key: KeyUnsealer | None
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
    return [await _bring_back_one(desk, hold, contents[digest], key) for digest in sorted(contents)]


async def lift(work: SqlWork, hold_id: str, decision: Decision, brought_back: Sequence[Kept]) -> Hold:
    """In the caller's transaction: the content belongs again to whom it belonged; the caller brings back the state."""
    hold = await _open_hold(work, hold_id)
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
    await _tell_end(work, closed, decision, EventKind.HOLD_LIFTED)
    return closed


async def _unsettle(desk: HoldDesk, scope: AgencyScope, hold_id: str) -> None:
    """Should we die before it is lifted, plain bytes are there that must go again."""
    async with desk.store.begin(scope) as work:
        await work.held.save(replace(await _open_hold(work, hold_id), is_settled=False))
        await work.commit()


async def _open_hold(work: SqlWork, hold_id: str) -> Hold:
    hold = await work.held.get(hold_id)
    if not hold.is_open:
        raise Clash(f"the hold {hold_id} is {hold.state}: it was decided before")
    return hold


async def _bring_back_one(desk: HoldDesk, hold: Hold, content: HeldContent, key: KeyUnsealer) -> Kept:
    opener = await desk.vault.open(hold.id, content.digest)
    with desk.vault.scratch(hold.id) as scratch:

        def write() -> Digest:
            hashed = _Hashed(scratch.file)
            with opener() as source:
                key.unseal(source, hashed)
            scratch.file.flush()
            return hashed.digest

        if await desk.pool.run(write) != content.digest:
            raise StoreFailure(f"what was sealed is not the content {content.digest}", code="GW-SEAL-DAMAGED")
        return await desk.blobs.keep(scratch, content.digest, content.size)


async def _tell_end(work: SqlWork, hold: Hold, decision: Decision, kind: EventKind) -> None:
    told = {"hold": hold.id, "by": decision.by, "digests": list(hold.digests)}
    await work.events.append(kind, hold.subject_id, decision.at, told)
