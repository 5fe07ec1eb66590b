"""The sealed hold of secrets: content is frozen at once, encrypted for the head's key, and lifted or purged by the
recorded decision of a person with the head's role. In: the suspected document or packet; later the decision and, to lift
it, the recipient's private key. Out: the hold; the exact bytes restored, or deleted for good. Digests, header and
decision remain either way. From the caller's commit of `freeze` on the content cannot be read at this node. Every step
of `settle` can be interrupted and repeated: plain bytes are deleted only after their sealed form is durable and
recorded."""

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
    from gateway.store.blob_refs import KeptContent
    from gateway.store.blobs import FileBlobs
    from gateway.store.store import SqlStore
    from gateway.store.vault import FileVault
    from gateway.store.work import SqlWork
    from gateway.trust.hold_seal import KeyUnsealer, RecipientSealer

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldService:
    """Services of the hold, made once at start; stateless. Without `sealer` content stays frozen: it cannot be read, but
    remains unencrypted until `seal.recipient` is set."""

    store: SqlStore
    blobs: FileBlobs
    vault: FileVault
    sealer: RecipientSealer | None
    clock: Clock
    pool: Pool


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """Document or packet to freeze. `owners` are the (kind, id) pairs that own its content in the content store."""

    kind: HeldKind
    subject_id: str
    prior_state: str
    owners: Sequence[tuple[str, str]]
    sender_code: str | None = None
    document_id: str | None = None
    handed_over: bool = False
    leftovers: Sequence[Digest] = ()


async def freeze(clock: Clock, work: SqlWork, suspect: Suspect, why: str) -> Hold:
    """Freeze a document or packet and return its hold; raise Clash when it is held already. The event contains digests
    and counts, never the text."""
    hold = Hold(
        id=clock.new_id("hld_"),
        agency_id=work.scope.agency_id,
        kind=suspect.kind,
        subject_id=suspect.subject_id,
        state=HoldState.FROZEN,
        why=_check_reason(why),
        begun_at=clock.now(),
        begun_by=work.scope.principal_id,
        before=suspect.prior_state,
        sender_code=suspect.sender_code,
        document_id=suspect.document_id,
        handed_over=suspect.handed_over,
        leftovers=tuple(suspect.leftovers),
    )
    contents = [
        HeldContent(digest=digest, size=size, owner_kind=kind, owner_id=owner)
        for kind, owner in suspect.owners
        for digest, size in (await work.blobs.of_owner(kind, owner)).items()
    ]
    for kind, owner in suspect.owners:
        await work.blobs.freeze(kind, owner, hold.id)
    other_counts = [
        await work.blobs.count_other_owners(digest, hold.id)
        for digest in dict.fromkeys([content.digest for content in contents])
    ]
    hold = replace(hold, contents=tuple(contents), others=sum(other_counts))
    await work.holds.add(hold)
    facts = {"hold": hold.id, "kind": hold.kind, "contents": len(contents), "others": hold.others}
    await work.events.append(EventKind.HOLD_BEGUN, hold.subject_id, hold.begun_at, facts)
    return hold


def _check_reason(why: str) -> str:
    if not why.strip():
        raise Refused(Verdict(reasons=(reason(ReasonCode.MISSING, "/reason", field="reason"),)))
    return why.strip()


async def settle_all(services: HoldService) -> int:
    """Settle every hold that a crash or a missing key left unsettled; return the number of holds settled now."""
    settled_count = 0
    for hold in await services.store.unsettled_holds():
        scope = AgencyScope(agency_id=hold.agency_id, principal_id="node")
        try:
            settled_count += (await settle(services, scope, hold.id)).is_settled
        except GatewayError as error:
            log.action(_log, "hold.postponed", str(error), hold=hold.id, code=error.code)
    return settled_count


async def settle(services: HoldService, scope: AgencyScope, hold_id: str) -> Hold:
    """Encrypt the content of a frozen hold and delete the bytes that are no longer needed; return the hold. Without a
    recipient it stays frozen."""
    async with services.store.read(scope) as work:
        hold = await work.holds.get(hold_id)
    if hold.state is HoldState.FROZEN:
        if services.sealer is None:
            return hold
        hold = await _seal(services, scope, hold, services.sealer)
    if not hold.is_settled:
        hold = await _delete_content(services, scope, hold)
    return hold


async def _seal(services: HoldService, scope: AgencyScope, hold: Hold, sealer: RecipientSealer) -> Hold:
    sealed: dict[Digest, Digest] = {}
    for digest in hold.digests:
        async with services.store.read(scope) as work:
            opener = await services.blobs.open_frozen(work, hold.id, digest)
        write = partial(_write_sealed, sealer, opener, digest)
        sealed[digest] = await services.vault.write(hold.id, digest, write)
    async with services.store.begin(scope) as work:
        latest = await work.holds.get(hold.id)
        if latest.state is not HoldState.FROZEN:
            return latest  # another process sealed it, or it was decided meanwhile
        sealed_hold = replace(
            latest,
            state=HoldState.SEALED,
            recipient=sealer.fingerprint,
            contents=tuple(replace(c, sealed=sealed[c.digest]) for c in latest.contents),
        )
        await work.holds.save(sealed_hold)
        await work.blobs.drop(OWNER, hold.id)
        facts = {"hold": hold.id, "recipient": sealer.fingerprint, "sealed": sorted(sealed.values())}
        await work.events.append(EventKind.HOLD_SEALED, hold.subject_id, services.clock.now(), facts)
        await work.commit()
    log.action(_log, "hold.sealed", hold=hold.id, contents=len(sealed))
    return sealed_hold


async def _delete_content(services: HoldService, scope: AgencyScope, hold: Hold) -> Hold:
    """Delete the plain bytes, and the encrypted ones once the hold is closed. The hold stays unsettled while a reader
    keeps deleted bytes in the database's journal."""
    is_gone = True
    if hold.state is not HoldState.LIFTED:
        await services.blobs.forget({*hold.digests, *hold.leftovers})
        is_gone = await services.blobs.leave_no_trace()
    if hold.is_open:
        await services.vault.tidy(hold.id)
    else:
        await services.vault.remove(hold.id)
    if not is_gone:
        return hold
    async with services.store.begin(scope) as work:
        latest = await work.holds.get(hold.id)
        if latest.state is not hold.state:
            return latest
        settled = replace(latest, is_settled=True)
        await work.holds.save(settled)
        await work.commit()
    return settled


class _Hashed:
    """Stream that hashes the bytes that are read or written through it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._hasher = stream, hashlib.sha256()

    def read(self, size: int, /) -> bytes:
        piece = self._stream.read(size)
        self._hasher.update(piece)
        return piece

    def write(self, data: bytes, /) -> int:
        self._hasher.update(data)
        return self._stream.write(data)

    @property
    def digest(self) -> Digest:
        return Digest.of_bytes(self._hasher.digest())


def _write_sealed(
    sealer: RecipientSealer, opener: Callable[[], BinaryIO], digest: Digest, target: BinaryIO
) -> None:
    """Write the encrypted content. Raise StoreFailure, which deletes nothing, when its bytes do not match the digest."""
    with opener() as source:
        hashing = _Hashed(source)
        sealer.seal(hashing, target)
    if hashing.digest != digest:
        raise StoreFailure(f"the content {digest} is damaged on disk; restore it, then it is sealed")


def make_decision(services: HoldService, person: SignedIn, why: str) -> Decision:
    """Return the person's decision. Raise Denied unless the person is an active head; Refused without a reason."""
    if Role.HEAD not in person.person.roles or not person.person.is_active:
        raise Denied(
            f"{person.person.name} has not the role `head`, which decides on the sealed hold", code="GW-ROLE"
        )
    return Decision(by=person.person.id, why=_check_reason(why), at=services.clock.now())


async def purge(services: HoldService, scope: AgencyScope, hold_id: str, decision: Decision) -> Hold:
    """Close the hold and delete its content, plain and encrypted; return the hold."""
    async with services.store.changing(scope) as work:
        hold = await _open_hold(work, hold_id)
        closed = replace(hold, state=HoldState.PURGED, decision=decision, is_settled=False)
        await work.holds.save(closed)
        await work.blobs.drop(OWNER, hold.id)
        if hold.kind is HeldKind.INCOMING:
            await work.comments.remove_of(hold.subject_id)
        await _record_end(work, closed, decision, EventKind.HOLD_PURGED)
    return await settle(services, scope, hold_id)


async def bring_back(
    services: HoldService, scope: AgencyScope, hold_id: str, key: KeyUnsealer | None
) -> Sequence[KeptContent]:
    """Decrypt the content into the content store, check it against its digests, and return it for `lift`, which gives it
    an owner. Raise Denied for a key that does not decrypt it."""
    async with services.store.read(scope) as work:
        hold = await work.holds.get(hold_id)
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
    await _unsettle(services, scope, hold_id)
    contents = {c.digest: c for c in hold.contents}
    return [await _restore_content(services, hold, contents[digest], key) for digest in sorted(contents)]


async def lift(work: SqlWork, hold_id: str, decision: Decision, brought_back: Sequence[KeptContent]) -> Hold:
    """Close the hold and give the content back to its owners, in the caller's transaction. The caller restores its
    state."""
    hold = await _open_hold(work, hold_id)
    restored = {k.digest: k for k in brought_back}
    # In the order of digests, so that units of work that share contents cannot deadlock.
    for content in sorted(hold.contents, key=lambda c: c.digest):
        if content.digest in restored:
            await work.blobs.keep(restored[content.digest], content.owner_kind, content.owner_id)
        else:
            await work.blobs.add(content.digest, content.owner_kind, content.owner_id)
    await work.blobs.drop(OWNER, hold.id)
    closed = replace(hold, state=HoldState.LIFTED, decision=decision, is_settled=False)
    await work.holds.save(closed)
    await _record_end(work, closed, decision, EventKind.HOLD_LIFTED)
    return closed


async def _unsettle(services: HoldService, scope: AgencyScope, hold_id: str) -> None:
    """Mark the hold as unsettled, so that `settle_all` deletes the plain bytes if a crash prevents the lifting."""
    async with services.store.changing(scope) as work:
        await work.holds.save(replace(await _open_hold(work, hold_id), is_settled=False))


async def _open_hold(work: SqlWork, hold_id: str) -> Hold:
    hold = await work.holds.get(hold_id)
    if not hold.is_open:
        raise Clash(f"the hold {hold_id} is {hold.state}: it was decided before")
    return hold


async def _restore_content(
    services: HoldService, hold: Hold, content: HeldContent, key: KeyUnsealer
) -> KeptContent:
    opener = await services.vault.open(hold.id, content.digest)
    with services.vault.scratch(hold.id) as scratch:

        def write() -> Digest:
            hashing = _Hashed(scratch.file)
            with opener() as source:
                key.unseal(source, hashing)
            scratch.file.flush()
            return hashing.digest

        if await services.pool.run(write) != content.digest:
            raise StoreFailure(f"what was sealed is not the content {content.digest}", code="GW-SEAL-DAMAGED")
        return await services.blobs.keep(scratch, content.digest, content.size)


async def _record_end(work: SqlWork, hold: Hold, decision: Decision, kind: EventKind) -> None:
    facts = {"hold": hold.id, "by": decision.by, "digests": list(hold.digests)}
    await work.events.append(kind, hold.subject_id, decision.at, facts)
